//! `/t/o/{token}`, `/t/c/{token}` and `/u/{token}`: what goes out by SMTP tells of who reads it, where the team wants that.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use tokio::sync::watch;

use super::adapter_form::page_after_on;
use super::*;
use crate::domain::adapter::AdapterKind;
use crate::domain::email::EmailStatus;
use crate::domain::event::{EmailEvent, EventCause, EventKind};
use crate::domain::ids::EmailId;
use crate::domain::page::Cursor;
use crate::domain::permission::PermissionSet;
use crate::domain::suppression::SuppressionReason;
use crate::domain::team::Role;
use crate::domain::template::Template;
use crate::server::App;
use crate::server::config::Config;
use crate::server::delivery::retention::delete_what_is_over;
use crate::server::delivery::worker::{Worker, WorkerSettings};
use crate::server::demo::sink::{ReceivedMessage, Sink};
use crate::server::proxies::Proxies;
use crate::server::services::tracking::MAX_VISITS;
use crate::server::store::suppressions::SuppressionFilter;
use crate::server::tests::router;
use crate::server::tracking::geoip::{GeoIp, sample_file};

const BASE: &str = "https://mail.finch.example";

const HTML: &str = "<html><body><p>Hello {{ name }}</p><a href=\"https://shop.example/o?id=1&amp;x={{ name }}\">Your order</a> \
    <a href=\"mailto:help@finch.example\">Help</a><!--[if mso]><a href=\"https://shop.example/mso\">x</a><![endif]--></body></html>";
const SENT_HTML: &str = "<html><body><p>Hello Ada</p><a href=\"https://shop.example/o?id=1&amp;x=Ada\">Your order</a> \
    <a href=\"mailto:help@finch.example\">Help</a><!--[if mso]><a href=\"https://shop.example/mso\">x</a><![endif]--></body></html>";
/// Where the link leads.
const TARGET: &str = "https://shop.example/o?id=1&x=Ada";

const CHROME: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36";

/// A team that sends by SMTP to a sink, with a template.
struct Shop {
    sink: Sink,
    program: Client,
    template: Template,
}

impl Shop {
    async fn open(app: &TestApp) -> Self {
        let sink = Sink::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
        app.add_adapter_of(AdapterKind::Smtp, &sink.url(), "Main").await;
        let program = app.program_of(app.team, PermissionSet::all()).await;
        let template = app.add_template("Receipt").await;
        let shop = Self { sink, program, template };
        shop.change(json!({"html": HTML, "text": null})).await;
        shop
    }

    async fn change(&self, change: Value) -> Value {
        self.program.put(&format!("/api/templates/{}", self.template.id), change).await.data()
    }

    async fn track(&self, app: &TestApp, opens: bool, clicks: bool) {
        let body = json!({"tracksOpens": opens, "tracksClicks": clicks});
        let path = format!("/api/teams/{}/tracking", app.team);
        assert_eq!(self.program.put(&path, body.clone()).await.data(), body);
        assert_eq!(self.program.get(&path).await.data(), body);
    }

    async fn send(&self, change: Value) -> EmailId {
        let mut body = json!({"templateId": self.template.id, "to": "ada@finch.example", "variables": {"name": "Ada"}});
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        self.program.post("/api/v1/send", body).await.text_of("id").parse().unwrap()
    }

    /// Lets a worker of a server at this address send what waits, until the sink has as many; those after the first `seen`.
    async fn deliver(&self, app: &TestApp, base_url: Option<&str>, count: usize) -> Vec<ReceivedMessage> {
        let settings = WorkerSettings {
            poll_every: Duration::from_millis(20),
            base_url: base_url.map(str::to_owned),
            ..WorkerSettings::within(app.app.config.outbound())
        };
        let worker = Worker::new(app.store().clone(), app.app.clock.clone(), Arc::clone(&app.app.secret_key), settings);
        let (stop, stopped) = watch::channel(false);
        let working = tokio::spawn(worker.run(stopped));
        for _ in 0..500 {
            if self.sink.messages().len() >= count {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        stop.send(true).unwrap();
        working.await.unwrap();
        self.sink.messages()
    }

    /// One tracked message to Ada, as it arrived a minute ago.
    async fn sent(&self, app: &TestApp) -> (EmailId, Mail) {
        let (before, id) = (self.sink.messages().len(), self.send(json!({})).await);
        let all = self.deliver(app, Some(BASE), before + 1).await;
        app.advance(TimeDelta::minutes(1));
        (id, Mail::of(&all[before]))
    }
}

/// A mail as it arrived.
struct Mail {
    html: String,
    raw: String,
}

impl Mail {
    fn of(received: &ReceivedMessage) -> Self {
        let parsed = mail_parser::MessageParser::default().parse(&received.raw).unwrap();
        let html = parsed.body_html(0).unwrap().replace("\r\n", "\n").trim_end().to_owned();
        Self { html, raw: String::from_utf8(received.raw.clone()).unwrap() }
    }

    /// The path of the only link that begins like this.
    fn path(&self, begin: &str) -> String {
        let at = self.html.find(&format!("{BASE}{begin}")).unwrap_or_else(|| panic!("no {begin} in {}", self.html));
        let rest = &self.html[at + BASE.len()..];
        rest[..rest.find('"').unwrap()].to_owned()
    }

    fn header(&self, name: &str) -> Option<String> {
        let head = self.raw.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
        let line = head.split("\r\n").find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned));
        line.map(|line| line.trim().to_owned())
    }

    /// The path by which its recipient unsubscribes.
    fn unsubscribe(&self) -> String {
        let header = self.header("List-Unsubscribe").unwrap_or_else(|| panic!("no List-Unsubscribe in {}", self.raw));
        header.strip_prefix(&format!("<{BASE}")).unwrap().strip_suffix('>').unwrap().to_owned()
    }
}

fn reader(app: &TestApp) -> Client {
    app.client().with("user-agent", CHROME)
}

/// What came of the message by its links.
async fn visits(app: &TestApp, id: EmailId) -> Vec<EmailEvent> {
    let all = app.store().list_events(app.team, id).await.unwrap();
    all.into_iter().filter(|event| event.kind.is_by_reader() || event.kind == EventKind::Unsubscribed).collect()
}

async fn status(app: &TestApp, id: EmailId) -> EmailStatus {
    app.store().find_email(app.team, id).await.unwrap().unwrap().status
}

async fn suppressed(app: &TestApp) -> Vec<(String, SuppressionReason, Option<EmailId>)> {
    let all = app
        .store()
        .list_suppressions(app.team, &SuppressionFilter::default(), Cursor::Newest, 100)
        .await
        .unwrap()
        .items;
    all.into_iter().map(|one| (one.address, one.reason, one.email_id)).collect()
}

const ONE_CLICK: &str = "List-Unsubscribe=One-Click";

async fn post_one_click(client: &Client, path: &str, body: &str) -> Answer {
    client.with("content-type", "application/x-www-form-urlencoded").send("POST", path, Some(body.to_owned())).await
}

on_both_databases! {
    async fn nothing_is_tracked_unless_the_team_or_the_template_says_so(app: TestApp) {
        let shop = Shop::open(&app).await;
        let send = async |base: Option<&str>| {
            let before = shop.sink.messages().len();
            shop.send(json!({})).await;
            Mail::of(&shop.deliver(&app, base, before + 1).await[before])
        };
        let plain = send(Some(BASE)).await;
        assert_eq!((plain.html.as_str(), plain.header("List-Unsubscribe")), (SENT_HTML, None));
        shop.track(&app, true, true).await;
        // It is not known how people reach the server.
        assert_eq!(send(None).await.html, SENT_HTML);
        let tracked = send(Some(BASE)).await.html;
        assert!(tracked.contains("/t/o/") && tracked.matches("/t/c/").count() == 1, "{tracked}");
        assert!(tracked.contains("mailto:help@finch.example") && tracked.contains("https://shop.example/mso"), "{tracked}");
        // The template says otherwise, for each.
        let changed = shop.change(json!({"tracksOpens": false})).await;
        assert_eq!((&changed["tracksOpens"], &changed["tracksClicks"], &changed["version"]), (&json!(false), &json!(null), &json!(2)));
        let clicks = send(Some(BASE)).await.html;
        assert!(!clicks.contains("/t/o/") && clicks.contains("/t/c/"), "{clicks}");
        shop.change(json!({"tracksClicks": false})).await;
        assert_eq!(send(Some(BASE)).await.html, SENT_HTML);
        shop.track(&app, false, false).await;
        shop.change(json!({"tracksClicks": true, "tracksOpens": null})).await;
        let clicks = send(Some(BASE)).await.html;
        assert!(!clicks.contains("/t/o/") && clicks.contains("/t/c/"), "{clicks}");
    }

    async fn an_open_and_a_click_stand_on_the_timeline_and_lead_to_where_the_link_led(app: TestApp) {
        let shop = Shop::open(&app).await;
        shop.track(&app, true, true).await;
        let (id, mail) = shop.sent(&app).await;
        let (open, click) = (mail.path("/t/o/"), mail.path("/t/c/"));
        let pixel = reader(&app).get(&open).await;
        assert_eq!((pixel.status, &pixel.headers["content-type"], pixel.text.len() > 40), (200, &"image/gif".parse().unwrap(), true));
        assert_eq!(pixel.headers["cross-origin-resource-policy"], "cross-origin");
        assert!(pixel.headers["cache-control"].to_str().unwrap().contains("no-store"));
        assert!(!pixel.headers.contains_key("set-cookie"));
        assert_eq!(status(&app, id).await, EmailStatus::Opened);
        let led = reader(&app).get(&click).await;
        assert_eq!((led.status, led.headers["location"].to_str().unwrap()), (302, TARGET));
        assert_eq!((&led.headers["referrer-policy"], led.headers.contains_key("set-cookie")), (&"no-referrer".parse().unwrap(), false));
        reader(&app).get(&click).await;
        let events = visits(&app, id).await;
        let shape: Vec<_> = events.iter().map(|event| (event.kind, event.detail.url.as_deref(), event.detail.cause)).collect();
        assert_eq!(shape, [
            (EventKind::Opened, None, None),
            (EventKind::Clicked, Some(TARGET), None),
            (EventKind::ReClicked, Some(TARGET), None),
        ]);
        for event in &events {
            assert_eq!(event.recipient.as_deref(), Some("ada@finch.example"));
            let detail = &event.detail;
            assert_eq!((detail.message.as_deref(), detail.user_agent.as_deref()), (Some("In Chrome 120 on Windows 10"), Some(CHROME)));
            assert_eq!((&detail.ip, &detail.country), (&None, &None), "nobody's network address is kept");
        }
        assert_eq!(status(&app, id).await, EmailStatus::Clicked);
        let page = app.sign_in(Role::Owner).await.with("accept", "text/html").get(&format!("/logs/{id}")).await.text;
        assert!(page.contains("In Chrome 120 on Windows 10") && page.contains("Clicked again"), "{page}");
    }

    async fn a_machine_is_recorded_as_one_and_counts_as_nobody(app: TestApp) {
        let shop = Shop::open(&app).await;
        shop.track(&app, true, true).await;
        let (id, mail) = shop.sent(&app).await;
        let (open, click) = (mail.path("/t/o/"), mail.path("/t/c/"));
        for agent in ["Mozilla/5.0", "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", "BarracudaCentral/1.0"] {
            assert_eq!(app.client().with("user-agent", agent).get(&open).await.status, 200);
            assert_eq!(app.client().with("user-agent", agent).get(&click).await.status, 302);
        }
        assert_eq!(app.client().get(&open).await.status, 200);
        assert_eq!(reader(&app).send("HEAD", &click, None).await.headers["location"], TARGET);
        for purpose in ["sec-purpose", "purpose"] {
            reader(&app).with(purpose, "prefetch").get(&click).await;
        }
        let events = visits(&app, id).await;
        assert_eq!(events.len(), 10);
        for event in &events {
            assert_eq!(event.detail.cause, Some(EventCause::Machine), "{event:?}");
            assert!(event.detail.message.as_ref().unwrap().contains(" by a machine, not by a person: "), "{event:?}");
        }
        assert_eq!(status(&app, id).await, EmailStatus::Sent);
        let opened = shop.program.get("/api/logs?status=opened").await.data();
        assert_eq!(opened["total"], 0, "{opened}");
        let page = app.sign_in(Role::Owner).await.with("accept", "text/html").get(&format!("/logs/{id}")).await.text;
        assert!(page.contains("By a machine"), "{page}");
        // Who reads it in Gmail is a reader behind a proxy.
        let gmail = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
        app.client().with("user-agent", gmail).get(&open).await;
        assert_eq!(status(&app, id).await, EmailStatus::Opened);
        // A moment after the delivery nobody has read it yet.
        let early = shop.send(json!({})).await;
        let mail = Mail::of(&shop.deliver(&app, Some(BASE), 2).await[1]);
        reader(&app).get(&mail.path("/t/o/")).await;
        assert_eq!(visits(&app, early).await[0].detail.cause, Some(EventCause::Machine));
    }

    async fn a_link_that_was_changed_leads_nowhere_and_records_nothing(app: TestApp) {
        let shop = Shop::open(&app).await;
        shop.track(&app, true, true).await;
        let (id, mail) = shop.sent(&app).await;
        let (open, click) = (mail.path("/t/o/"), mail.path("/t/c/"));
        let forged = |path: &str| {
            let mut letters: Vec<char> = path.chars().collect();
            let place = letters.len() - 30;
            letters[place] = if letters[place] == 'A' { 'B' } else { 'A' };
            letters.into_iter().collect::<String>()
        };
        let wrong = [
            forged(&click),
            open.replace("/t/o/", "/t/c/"),
            "/t/c/aHR0cHM6Ly9ldmlsLmV4YW1wbGU".to_owned(),
            "/t/c/https:%2f%2fevil.example".to_owned(),
            format!("/t/c/{}", "A".repeat(5_000)),
        ];
        for path in wrong {
            let answer = reader(&app).get(&path).await;
            assert_eq!((answer.status, answer.headers.contains_key("location")), (404, false), "{path}");
            assert!(answer.text.contains("This link leads nowhere") && !answer.text.contains("evil"), "{}", answer.text);
        }
        // A picture is a picture.
        for path in [forged(&open), click.replace("/t/c/", "/t/o/"), "/t/o/x".to_owned()] {
            assert_eq!(reader(&app).get(&path).await.status, 200);
        }
        assert_eq!(visits(&app, id).await, []);
        for method in ["POST", "PUT", "DELETE"] {
            assert_eq!(reader(&app).send(method, &click, None).await.status, 405, "{method}");
        }
    }

    async fn a_message_that_is_not_kept_any_more_records_nothing_and_its_links_still_lead_on(app: TestApp) {
        let shop = Shop::open(&app).await;
        shop.track(&app, true, true).await;
        shop.change(json!({"offersUnsubscribe": true})).await;
        let (id, mail) = shop.sent(&app).await;
        let path = format!("/api/teams/{}/retention", app.team);
        shop.program.put(&path, json!({"messagesDays": 1})).await.data();
        app.advance(TimeDelta::days(3));
        delete_what_is_over(app.store(), app.now(), &watch::channel(false).1).await.unwrap();
        assert!(app.store().find_email(app.team, id).await.unwrap().is_none());
        assert_eq!(reader(&app).get(&mail.path("/t/o/")).await.status, 200);
        assert_eq!(reader(&app).get(&mail.path("/t/c/")).await.headers["location"], TARGET);
        let path = mail.unsubscribe();
        assert_eq!(reader(&app).get(&path).await.status, 404);
        assert_eq!(post_one_click(&app.client(), &path, ONE_CLICK).await.status, 404);
        assert_eq!(suppressed(&app).await, []);
    }

    async fn a_preview_never_counts_and_a_resend_has_links_of_its_own(app: TestApp) {
        let shop = Shop::open(&app).await;
        shop.track(&app, true, true).await;
        let (id, mail) = shop.sent(&app).await;
        let admin = app.sign_in(Role::Owner).await;
        let body = admin.get(&format!("/logs/{id}/body?images=1")).await;
        assert_eq!(body.text, SENT_HTML, "what is kept is what was rendered");
        let bounced = json!([{"id": "b", "kind": "bounced", "at": app.now(), "emailId": id, "cause": "soft"}]);
        shop.program.post("/api/v1/events", bounced).await.data();
        let again = admin.send("POST", &format!("/api/logs/{id}/resend"), None).await.text_of("id").parse().unwrap();
        let second = Mail::of(&shop.deliver(&app, Some(BASE), 2).await[1]);
        assert_ne!(second.path("/t/o/"), mail.path("/t/o/"));
        app.advance(TimeDelta::minutes(1));
        reader(&app).get(&second.path("/t/o/")).await;
        assert_eq!((visits(&app, id).await.len(), visits(&app, again).await.len()), (0, 1));
    }

    async fn several_recipients_of_one_mail_are_not_told_apart(app: TestApp) {
        let shop = Shop::open(&app).await;
        shop.track(&app, true, false).await;
        let id = shop.send(json!({"to": ["ada@finch.example", "bob@finch.example"]})).await;
        let [sent] = &shop.deliver(&app, Some(BASE), 1).await[..] else { panic!("one mail") };
        assert_eq!(sent.recipients, ["ada@finch.example", "bob@finch.example"]);
        app.advance(TimeDelta::minutes(1));
        reader(&app).get(&Mail::of(sent).path("/t/o/")).await;
        assert_eq!(visits(&app, id).await[0].recipient, None);
    }

    async fn each_recipient_unsubscribes_for_themselves_by_one_click(app: TestApp) {
        let shop = Shop::open(&app).await;
        shop.track(&app, true, false).await;
        assert_eq!(shop.change(json!({"offersUnsubscribe": true})).await["offersUnsubscribe"], true);
        let to = json!({"to": ["ada@finch.example", "bob@finch.example"], "bcc": "eve@finch.example"});
        let id = shop.send(to.clone()).await;
        let sent = shop.deliver(&app, Some(BASE), 3).await;
        let recipients: Vec<_> = sent.iter().map(|mail| mail.recipients.clone()).collect();
        assert_eq!(recipients, [["ada@finch.example"], ["bob@finch.example"], ["eve@finch.example"]]);
        assert_eq!(status(&app, id).await, EmailStatus::Sent);
        let mails: Vec<Mail> = sent.iter().map(Mail::of).collect();
        for mail in &mails {
            assert_eq!(mail.header("List-Unsubscribe-Post").as_deref(), Some(ONE_CLICK));
            assert!(mail.header("To").unwrap().contains("bob@finch.example") && !mail.raw.contains("eve@finch.example"), "{}", mail.raw);
        }
        app.advance(TimeDelta::minutes(1));
        reader(&app).get(&mails[2].path("/t/o/")).await;
        assert_eq!(visits(&app, id).await[0].recipient.as_deref(), Some("eve@finch.example"));

        let bob = mails[1].unsubscribe();
        // Looking changes nothing, and shows nobody's address.
        let page = reader(&app).get(&bob).await;
        assert!(page.text.contains("Unsubscribe from Finch?") && page.text.contains("b•••@finch.example"), "{}", page.text);
        assert!(!page.text.contains("bob@finch.example"));
        reader(&app).send("HEAD", &bob, None).await;
        assert_eq!(post_one_click(&app.client(), &bob, "List-Unsubscribe=No").await.status, 400);
        assert_eq!(suppressed(&app).await, []);
        let done = post_one_click(&app.client(), &bob, ONE_CLICK).await;
        assert!(done.status == 200 && done.text.contains("You are unsubscribed"), "{done:?}");
        let again = post_one_click(&app.client(), &bob, ONE_CLICK).await;
        assert!(again.status == 200 && reader(&app).get(&bob).await.text.contains("You are unsubscribed"));
        assert_eq!(suppressed(&app).await, [("bob@finch.example".to_owned(), SuppressionReason::Unsubscribed, Some(id))]);
        let told: Vec<_> = visits(&app, id).await.into_iter().filter(|event| event.kind == EventKind::Unsubscribed).collect();
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].recipient.as_deref(), Some("bob@finch.example"));

        // The next message goes to the others alone.
        shop.send(to).await;
        let next: Vec<_> = shop.deliver(&app, Some(BASE), 5).await[3..].iter().flat_map(|mail| mail.recipients.clone()).collect();
        assert_eq!(next, ["ada@finch.example", "eve@finch.example"]);
        // A link for something else, or a changed one, unsubscribes nobody.
        for path in [mails[0].path("/t/o/").replace("/t/o/", "/u/"), format!("{}A", mails[0].unsubscribe())] {
            assert_eq!(post_one_click(&app.client(), &path, ONE_CLICK).await.status, 404);
        }
        let big = format!("{ONE_CLICK}&x={}", "x".repeat(20_000));
        assert_eq!(post_one_click(&app.client(), &mails[0].unsubscribe(), &big).await.status, 413);
        assert_eq!(suppressed(&app).await.len(), 1);
    }

    async fn unsubscribing_is_offered_over_https_alone(app: TestApp) {
        let shop = Shop::open(&app).await;
        shop.change(json!({"offersUnsubscribe": true, "tracksOpens": true})).await;
        shop.send(json!({})).await;
        let mail = Mail::of(&shop.deliver(&app, Some("http://mail.finch.example"), 1).await[0]);
        assert_eq!(mail.header("List-Unsubscribe"), None);
        assert!(mail.html.contains("http://mail.finch.example/t/o/"), "{}", mail.html);
        let (owner, page) = (app.sign_in(Role::Owner).await.with("accept", "text/html"), format!("/templates/{}", shop.template.id));
        assert!(owner.get(&page).await.text.contains("does not know the address that people reach it by"));
    }

    async fn many_opens_at_once_are_all_answered_and_no_more_kept_than_a_hundred(app: TestApp) {
        let shop = Shop::open(&app).await;
        shop.track(&app, true, false).await;
        let (id, mail) = shop.sent(&app).await;
        let (open, reader) = (mail.path("/t/o/"), reader(&app));
        let answers = futures_util::future::join_all((0..150).map(|_| reader.get(&open))).await;
        assert!(answers.iter().all(|answer| answer.status == 200));
        // An answer waits a moment for its record, not for ever: the rest is kept soon.
        for _ in 0..500 {
            if visits(&app, id).await.len() as i64 == MAX_VISITS {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        reader.get(&open).await;
        let kept = visits(&app, id).await;
        assert_eq!((kept.len() as i64, kept.iter().filter(|event| event.kind == EventKind::Opened).count()), (MAX_VISITS, 1));
        assert_eq!(status(&app, id).await, EmailStatus::Opened);
    }

    async fn a_place_is_said_where_the_operator_gives_a_file_and_for_readers_alone(app: TestApp) {
        let shop = Shop::open(&app).await;
        shop.track(&app, true, false).await;
        let (id, mail) = shop.sent(&app).await;
        let config = Config {
            proxies: Proxies { trust_proxy: true, ..Proxies::default() },
            ..app.app.config.as_ref().clone()
        };
        let knows = App { geoip: Some(Arc::new(GeoIp::of_bytes(sample_file()))), config: Arc::new(config), ..app.app.clone() };
        let client = Client { router: router(knows), ..reader(&app) }.with("x-forwarded-for", "192.0.2.9, 1.2.3.4");
        let open = mail.path("/t/o/");
        client.get(&open).await;
        client.with("user-agent", "YahooMailProxy; https://help.yahoo.com").get(&open).await;
        client.with("user-agent", "Mozilla/5.0").get(&open).await;
        let places: Vec<_> = visits(&app, id).await.into_iter().map(|event| event.detail.country).collect();
        assert_eq!(places, [Some("Brisbane, QLD, AU".to_owned()), None, None]);
    }

    async fn the_settings_are_changed_on_their_pages(app: TestApp) {
        let shop = Shop::open(&app).await;
        let owner = app.sign_in(Role::Owner).await;
        let page = page_after_on(&owner, "/settings/team", "update_tracking", &[("tracks_clicks", "on")]).await;
        assert!(page.contains("It applies to messages that go out from now on.") && page.contains("SENDLOG_BASE_URL"), "{page}");
        let path = format!("/api/teams/{}/tracking", app.team);
        assert_eq!(shop.program.get(&path).await.data(), json!({"tracksOpens": false, "tracksClicks": true}));
        let viewer = app.sign_in(Role::Viewer).await;
        page_after_on(&viewer, "/settings/team", "update_tracking", &[("tracks_opens", "on")]).await;
        assert_eq!(shop.program.get(&path).await.data(), json!({"tracksOpens": false, "tracksClicks": true}));

        let (id, template) = (shop.template.id.to_string(), format!("/templates/{}", shop.template.id));
        let form = [("id", id.as_str()), ("name", "Receipt"), ("subject", "s"), ("html", HTML), ("text", "")];
        let with = |more: &[(&'static str, &'static str)]| form.iter().copied().chain(more.iter().copied()).collect::<Vec<_>>();
        let page = page_after_on(&owner, &template, "update_template", &with(&[
            ("tracking[opens]", "yes"), ("tracking[clicks]", "team"), ("tracking[unsubscribe]", "1"),
        ])).await;
        assert!(page.contains("As the team: tracked") && page.contains("As the team: not tracked"), "{page}");
        let found = shop.program.get(&format!("/api{template}")).await.data();
        assert_eq!((&found["tracksOpens"], &found["tracksClicks"], &found["offersUnsubscribe"]), (&json!(true), &json!(null), &json!(true)));
        // A form without the fields leaves them, and one with them takes them back.
        page_after_on(&owner, &template, "update_template", &with(&[])).await;
        assert_eq!(shop.program.get(&format!("/api{template}")).await.data()["offersUnsubscribe"], true);
        page_after_on(&owner, &template, "update_template", &with(&[("tracking[opens]", "team"), ("tracking[clicks]", "no")])).await;
        let found = shop.program.get(&format!("/api{template}")).await.data();
        assert_eq!((&found["tracksOpens"], &found["tracksClicks"], &found["offersUnsubscribe"]), (&json!(null), &json!(false), &json!(false)));
    }
}

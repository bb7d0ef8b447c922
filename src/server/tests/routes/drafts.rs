//! Forms that are sent after their session ended: what was typed comes back once its person has logged in, and to nobody
//! else.

use chrono::TimeDelta;
use totp_rs::{Algorithm, Secret, TOTP};

use super::*;
use crate::domain::email::EmailStatus;
use crate::domain::ids::TeamId;
use crate::domain::team::Role;
use crate::domain::template::TemplateSource;
use crate::server::services::accounts::add_member;

const NEW_TEMPLATE: &str = "/templates/new";
const SUBJECT: &str = "Half a thought";
const WELCOME_BACK: &str = "Your session ended before this was saved. The form is as you left it: check it and save.";

const NOT_SAVED: &str = "Your session ended, and what you typed was not saved. Log in and type it again.";

/// A browser with what it was sent.
struct Browser {
    client: Client,
}

impl Browser {
    /// Of somebody who is logged in and has a page open.
    async fn at(app: &TestApp, role: Role, page: &str) -> Self {
        let mut browser = Self { client: app.sign_in(role).await.with("accept", "text/html") };
        assert_eq!(browser.get(page).await.status, 200, "{page}");
        browser
    }

    async fn get(&mut self, page: &str) -> Answer {
        let answer = self.client.get(page).await;
        self.client = self.client.with_cookies_of(&answer);
        answer
    }

    /// Sends a form of a page.
    async fn send(&mut self, page: &str, function: &str, fields: &[(&str, &str)]) -> Answer {
        let form = self.client.with("content-type", "application/x-www-form-urlencoded");
        let form = form.with("referer", &format!("http://127.0.0.1:3000{page}"));
        let body = serde_urlencoded::to_string(fields).unwrap();
        let answer = form.send("POST", &format!("/fn/{function}"), Some(body)).await;
        self.client = self.client.with_cookies_of(&answer);
        answer
    }

    /// The cookie that says who was logged in last.
    fn person(&self) -> String {
        let mut cookies = self.client.headers["cookie"].to_str().unwrap().split("; ");
        cookies.find(|pair| pair.starts_with("person=")).expect("the pages leave one").to_owned()
    }

    /// Sends the new template that the tests write.
    async fn send_template(&mut self) -> Answer {
        let fields = [("name", "Receipt"), ("subject", SUBJECT), ("html", ""), ("text", "Dear …")];
        self.send(NEW_TEMPLATE, "create_template", &fields).await
    }

    /// Follows a form to the log-in, and logs in there; gives where that leads.
    async fn log_in_after(&mut self, sent: &Answer, role: Role) -> Answer {
        let page = self.get(location(sent)).await;
        let log_in = location(&page).to_owned();
        assert!(log_in.starts_with("/login?next="), "{log_in}");
        assert_eq!(self.get(&log_in).await.status, 200);
        let next = log_in.trim_start_matches("/login?next=");
        let next = serde_urlencoded::from_str::<Vec<(String, String)>>(&format!("next={next}")).unwrap().remove(0).1;
        let email = format!("{role}@finch.example");
        self.send(&log_in, "log_in", &[("email", &email), ("password", PASSWORD), ("next", &next)]).await
    }
}

fn location(answer: &Answer) -> &str {
    answer.headers["location"].to_str().unwrap()
}

async fn end_sessions(app: &TestApp) {
    app.store().try_statement("DELETE FROM sessions").await.unwrap();
}

async fn count_drafts(app: &TestApp) -> usize {
    app.store().every_row().await["drafts"].len()
}

/// The person's draft as it is stored, opened.
async fn opened_draft(app: &TestApp, role: Role) -> String {
    let user = app.user(app.team, role).await;
    let rows = app.store().every_row().await["drafts"].join("");
    let place = rows.find("v1:").unwrap();
    let is_of_base64 = |letter: &char| letter.is_ascii_alphanumeric() || "+/=".contains(*letter);
    let sealed: String = rows[place + 3..].chars().take_while(is_of_base64).collect();
    String::from_utf8(test_key().try_open(&format!("v1:{sealed}"), &format!("draft:{user}")).unwrap()).unwrap()
}

/// What the button that discards a draft sends.
fn form_of_discard(page: &str) -> String {
    let after = page.split("action=\"/fn/discard_draft\"").nth(1).expect("the form stands on the page");
    let value = after.split("value=\"").nth(1).unwrap().split('"').next().unwrap();
    value.replace("&amp;", "&")
}

/// A page, the form on it, and what is typed there.
type Case<'a> = (&'a str, &'a str, Vec<(&'a str, &'a str)>);

on_both_databases! {
    async fn what_was_typed_waits_for_the_log_in_and_comes_back_until_it_is_saved(app: TestApp) {
        let mut browser = Browser::at(&app, Role::Admin, NEW_TEMPLATE).await;
        end_sessions(&app).await;
        let sent = browser.send_template().await;
        assert_eq!((sent.status, location(&sent)), (303, NEW_TEMPLATE));
        assert_eq!(said(&sent), "Your session ended. Log in, and the form comes back as you left it.");
        assert_eq!(count_drafts(&app).await, 1);
        let entered = browser.log_in_after(&sent, Role::Admin).await;
        assert_eq!((location(&entered), said(&entered).as_str()), (NEW_TEMPLATE, ""));
        for _ in 0..2 {
            let page = browser.get(NEW_TEMPLATE).await.text;
            assert!(page.contains(SUBJECT) && page.contains("Dear …") && page.contains(WELCOME_BACK), "{page}");
        }
        assert!(!browser.get("/templates").await.text.contains(WELCOME_BACK), "only where the form is");
        assert!(app.store().list_templates(app.team).await.unwrap().is_empty(), "nothing is carried out");
        // What is changed and refused in between is what comes back then.
        let fields = [("name", ""), ("subject", SUBJECT), ("html", ""), ("text", "Dear Ada")];
        browser.send(NEW_TEMPLATE, "create_template", &fields).await;
        for _ in 0..2 {
            let page = browser.get(NEW_TEMPLATE).await.text;
            assert!(page.contains("Dear Ada") && !page.contains("Dear …") && page.contains(WELCOME_BACK), "{page}");
        }
        assert!(said(&browser.send_template().await).contains("created"));
        assert_eq!(count_drafts(&app).await, 0);
        assert!(!browser.get(NEW_TEMPLATE).await.text.contains(SUBJECT));
    }

    async fn every_form_that_is_written_comes_back(app: TestApp) {
        let template = app.add_template("Welcome").await.id;
        let adapter = app.add_adapter("Mail").await.id;
        let role = app.add_role("Support", &[]).await;
        let key = app.add_living_key().await;
        let failed = app.add_message(Message::with_status(EmailStatus::Failed)).await;
        let (resend, address) = (format!("/resends/new?ids={failed}"), format!("ids={failed}"));
        let (template_page, key_page) = (format!("/templates/{template}"), format!("/settings/api-keys/{key}"));
        let (adapter_page, role_page) = (format!("/settings/adapters?edit={adapter}"), format!("/settings/roles/{role}"));
        let (template, adapter, key, role) = (template.to_string(), adapter.to_string(), key.to_string(), role.to_string());
        let form = "An odd one";
        let cases: [Case<'_>; 14] = [
            (&template_page, "update_template", vec![("id", template.as_str()), ("name", "a"), ("subject", form), ("html", ""), ("text", "")]),
            (&template_page, "preview_template", vec![("id", template.as_str()), ("subject", form), ("sample", "{}")]),
            (&template_page, "test_template", vec![("id", template.as_str()), ("subject", form), ("sample", "{}")]),
            ("/settings/adapters?kind=smtp", "create_adapter", vec![("name", form), ("kind", "smtp"), ("from_address", "a@b.example")]),
            (&adapter_page, "update_adapter", vec![("id", adapter.as_str()), ("kind", "smtp"), ("name", form), ("from_address", "a@b.example")]),
            ("/settings/roles", "create_role", vec![("name", form)]),
            (&role_page, "rename_role", vec![("role", role.as_str()), ("name", form)]),
            ("/settings/members", "invite_member", vec![("email", form), ("role", "viewer")]),
            ("/settings/team", "update_team", vec![("name", form)]),
            ("/settings/team", "update_retention", vec![("bodies_days", form)]),
            ("/settings/profile", "update_profile", vec![("name", form), ("time_zone", "UTC")]),
            ("/settings/api-keys", "create_api_key", vec![("name", form)]),
            (&key_page, "update_api_key", vec![("id", key.as_str()), ("name", form)]),
            (&resend, "create_resend", vec![("address", address.as_str()), ("name", form), ("per_minute", "60")]),
        ];
        for (page, function, fields) in cases {
            let mut browser = Browser::at(&app, Role::Owner, page).await;
            end_sessions(&app).await;
            let sent = browser.send(page, function, &fields).await;
            let entered = browser.log_in_after(&sent, Role::Owner).await;
            assert_eq!(location(&entered), page, "{function}");
            let back = browser.get(page).await.text;
            assert!(back.contains(form) && back.contains(WELCOME_BACK), "{function}: {back}");
            let discard = form_of_discard(&back);
            // Sent with success it is over; refused, or only tried, it is not.
            let answer = browser.send(page, function, &fields).await;
            let is_refused = browser.get(location(&answer)).await.text.contains("role=\"alert\"");
            let is_over = !is_refused && !matches!(function, "test_template" | "preview_template");
            assert_eq!(count_drafts(&app).await == 0, is_over, "{function}");
            if !is_over {
                assert_eq!(said(&browser.send(page, "discard_draft", &[("id", &discard)]).await), "Discarded.");
                assert_eq!(count_drafts(&app).await, 0, "{function}");
                browser.get(page).await;
                assert!(!browser.get(page).await.text.contains(WELCOME_BACK), "{function}");
            }
        }
    }

    async fn another_person_gets_nothing_and_takes_nothing_away(app: TestApp) {
        app.user(app.team, Role::Owner).await;
        let mut browser = Browser::at(&app, Role::Admin, NEW_TEMPLATE).await;
        end_sessions(&app).await;
        let sent = browser.send_template().await;
        let entered = browser.log_in_after(&sent, Role::Owner).await;
        assert_eq!((location(&entered), said(&entered).as_str()), (NEW_TEMPLATE, ""));
        assert!(!browser.get(NEW_TEMPLATE).await.text.contains(SUBJECT));
        assert_eq!(count_drafts(&app).await, 1);
        end_sessions(&app).await;
        let entered = browser.send("/login", "log_in", &[("email", "admin@finch.example"), ("password", PASSWORD)]).await;
        assert_eq!((location(&entered), said(&entered).as_str()), (NEW_TEMPLATE, ""));
        assert!(browser.get(NEW_TEMPLATE).await.text.contains(SUBJECT), "it waits for its own person");
    }

    async fn a_draft_comes_back_in_its_team_and_in_no_other(app: TestApp) {
        let mut browser = Browser::at(&app, Role::Admin, NEW_TEMPLATE).await;
        let user = app.user(app.team, Role::Admin).await;
        add_member(&app.app, app.other_team, user, Role::Admin).await.unwrap();
        let switch = |team: TeamId| [("team", team.to_string())];
        for (written_in, other) in [(app.other_team, app.team), (app.team, app.other_team)] {
            let [(name, id)] = switch(written_in);
            browser.send("/logs", "switch_team", &[(name, &id)]).await;
            browser.get(NEW_TEMPLATE).await;
            end_sessions(&app).await;
            let sent = browser.send_template().await;
            // The log-in leads into the team that it was typed in, whichever a log-in begins with.
            let entered = browser.log_in_after(&sent, Role::Admin).await;
            assert_eq!(location(&entered), NEW_TEMPLATE);
            assert!(browser.get(NEW_TEMPLATE).await.text.contains(SUBJECT));
            let [(name, id)] = switch(other);
            browser.send("/logs", "switch_team", &[(name, &id)]).await;
            assert!(!browser.get(NEW_TEMPLATE).await.text.contains(SUBJECT), "it belongs to the other team");
            assert!(!browser.get("/templates/preview?form=template").await.text.contains(SUBJECT));
            let fields = [("name", "Another"), ("subject", "s"), ("html", ""), ("text", "t")];
            assert!(said(&browser.send(NEW_TEMPLATE, "create_template", &fields).await).contains("created"));
            assert_eq!(count_drafts(&app).await, 1, "what is saved elsewhere takes nothing away");
            let [(name, id)] = switch(written_in);
            browser.send("/logs", "switch_team", &[(name, &id)]).await;
            assert!(browser.get(NEW_TEMPLATE).await.text.contains(SUBJECT));
            assert!(said(&browser.send_template().await).contains("created"));
            assert_eq!(app.store().list_templates(written_in).await.unwrap().iter().filter(|made| made.name == "Receipt").count(), 1);
        }
    }

    async fn a_draft_belongs_to_the_team_of_its_form_whatever_another_tab_shows(app: TestApp) {
        let mut browser = Browser::at(&app, Role::Admin, NEW_TEMPLATE).await;
        let user = app.user(app.team, Role::Admin).await;
        add_member(&app.app, app.other_team, user, Role::Admin).await.unwrap();
        let (here, there) = (app.team.to_string(), app.other_team.to_string());
        browser.send("/logs", "switch_team", &[("team", &there)]).await;
        let form = browser.get(NEW_TEMPLATE).await.text;
        let named = form.split("name=\"in_team\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        assert_eq!(named, Some(there.as_str()), "{form}");
        // The other tab.
        browser.send("/logs", "switch_team", &[("team", &here)]).await;
        browser.get("/logs").await;
        end_sessions(&app).await;
        let fields =
            [("in_team", there.as_str()), ("name", "Receipt"), ("subject", SUBJECT), ("html", ""), ("text", "Dear …")];
        let sent = browser.send(NEW_TEMPLATE, "create_template", &fields).await;
        let entered = browser.log_in_after(&sent, Role::Admin).await;
        assert_eq!(location(&entered), NEW_TEMPLATE);
        assert!(browser.get(NEW_TEMPLATE).await.text.contains(SUBJECT));
        assert!(said(&browser.send(NEW_TEMPLATE, "create_template", &fields).await).contains("created"));
        let made = async |team: TeamId| {
            let templates = app.store().list_templates(team).await.unwrap();
            templates.iter().filter(|template| template.name == "Receipt").count()
        };
        assert_eq!((made(app.other_team).await, made(app.team).await), (1, 0));
    }

    async fn the_log_in_names_whoever_left_a_draft_in_this_browser_and_nobody_else(app: TestApp) {
        let mut browser = Browser::at(&app, Role::Admin, NEW_TEMPLATE).await;
        let named = |page: &Answer| page.text.contains("value=\"admin@finch.example\"");
        end_sessions(&app).await;
        assert!(!named(&browser.get("/login").await), "no draft waits");
        browser.send_template().await;
        let page = browser.get("/login").await;
        assert!(named(&page));
        let place = |text: &str| page.text.find(text).unwrap_or_else(|| panic!("{text}: {}", page.text));
        assert!(place("<h1>") < place("data-tone=\"waiting\""), "the title comes first");
        assert!(!named(&app.client().with("accept", "text/html").get("/login").await), "a stranger");
        app.advance(TimeDelta::hours(1));
        assert!(!named(&browser.get("/login").await));
    }

    async fn another_browser_of_the_person_gets_nothing(app: TestApp) {
        let mut other = Browser::at(&app, Role::Admin, NEW_TEMPLATE).await;
        let mut browser = Browser::at(&app, Role::Admin, NEW_TEMPLATE).await;
        let program = app.sign_in(Role::Admin).await;
        let mut late = Browser { client: app.client().with("accept", "text/html").with("cookie", &browser.person()) };
        late.send_template().await;
        assert_eq!(count_drafts(&app).await, 1);
        assert!(!other.get(NEW_TEMPLATE).await.text.contains(SUBJECT));
        assert!(!program.get(NEW_TEMPLATE).await.text.contains(SUBJECT), "it has no such cookie");
        assert!(browser.get(NEW_TEMPLATE).await.text.contains(SUBJECT));
    }

    async fn a_draft_lasts_an_hour(app: TestApp) {
        let mut browser = Browser::at(&app, Role::Admin, NEW_TEMPLATE).await;
        end_sessions(&app).await;
        let sent = browser.send_template().await;
        app.advance(TimeDelta::minutes(60));
        let entered = browser.log_in_after(&sent, Role::Admin).await;
        assert_eq!((location(&entered), said(&entered).as_str()), (NEW_TEMPLATE, ""));
        assert!(!browser.get(NEW_TEMPLATE).await.text.contains(SUBJECT));
        let (_keep, shutdown) = tokio::sync::watch::channel(false);
        crate::server::delivery::retention::delete_what_is_over(app.store(), app.now(), &shutdown).await.unwrap();
        assert_eq!(count_drafts(&app).await, 0);
    }

    async fn what_is_too_long_or_too_often_is_not_kept(app: TestApp) {
        let mut browser = Browser::at(&app, Role::Admin, NEW_TEMPLATE).await;
        end_sessions(&app).await;
        for (length, kept) in [(257 * 1024, 0), (255 * 1024, 1)] {
            let text = "a".repeat(length);
            let fields = [("name", "Receipt"), ("subject", SUBJECT), ("html", ""), ("text", &text)];
            let sent = browser.send(NEW_TEMPLATE, "create_template", &fields).await;
            assert_eq!(sent.status, 303);
            assert_eq!(count_drafts(&app).await, kept);
            assert_eq!(said(&sent) == NOT_SAVED, kept == 0, "{}", said(&sent));
        }
        for _ in 0..29 {
            assert!(said(&browser.send_template().await).contains("comes back"));
        }
        assert!(said(&browser.send_template().await).contains("was not saved"), "30 an hour");
    }

    async fn strangers_leave_nothing(app: TestApp) {
        let person = Browser::at(&app, Role::Admin, NEW_TEMPLATE).await.person();
        let forged = format!("{}{}", &person[..person.len() - 1], if person.ends_with('A') { "B" } else { "A" });
        end_sessions(&app).await;
        let before = app.store().every_row().await;
        for cookie in ["theme=dark", "person=", forged.as_str()] {
            let mut stranger = Browser { client: app.client().with("accept", "text/html").with("cookie", cookie) };
            assert!(said(&stranger.send_template().await).contains("was not saved"), "{cookie}");
            let long = "a".repeat(20_000);
            assert_eq!(stranger.send(NEW_TEMPLATE, "create_template", &[("text", &long)]).await.status, 413, "{cookie}");
        }
        assert_eq!(app.store().every_row().await, before);
        // The same server later, when nobody's session could have lasted so long.
        let mut late = Browser { client: app.client().with("accept", "text/html").with("cookie", &person) };
        app.advance(TimeDelta::days(32));
        assert!(said(&late.send_template().await).contains("was not saved"));
    }

    async fn nothing_is_kept_for_who_was_removed(app: TestApp) {
        let mut browser = Browser::at(&app, Role::Admin, NEW_TEMPLATE).await;
        let user = app.user(app.team, Role::Admin).await;
        end_sessions(&app).await;
        app.store().try_statement(&format!("DELETE FROM memberships WHERE user_id = {}", user.0)).await.unwrap();
        assert!(said(&browser.send_template().await).contains("was not saved"));
        assert_eq!(count_drafts(&app).await, 0);
    }

    async fn what_is_not_kept_is_said_not_to_be(app: TestApp) {
        let adapter = app.add_adapter("Mail").await.id.to_string();
        let failed = app.add_message(Message::with_status(EmailStatus::Failed)).await.to_string();
        let message = format!("/logs/{failed}");
        let cases = [
            ("/settings/roles", "save_role_grid", vec![("shown[]", "viewer")], "what you ticked was not saved"),
            ("/settings/adapters", "test_adapter", vec![("id", adapter.as_str()), ("to", "a@b.example")], "the test was not sent"),
            (message.as_str(), "reveal_email", vec![("id", failed.as_str()), ("reason", "Asked")], "your reason was not saved"),
            ("/settings/adapters", "delete_adapter", vec![("id", adapter.as_str())], "this was not done"),
        ];
        for (page, function, fields, words) in cases {
            let mut browser = Browser::at(&app, Role::Owner, page).await;
            end_sessions(&app).await;
            let sent = browser.send(page, function, &fields).await;
            assert!(said(&sent).contains(words), "{function}: {}", said(&sent));
            assert_eq!(count_drafts(&app).await, 0);
        }
    }

    async fn a_long_form_that_is_refused_lies_sealed_in_the_session(app: TestApp) {
        let mut browser = Browser::at(&app, Role::Admin, NEW_TEMPLATE).await;
        let text = format!("Dear {}", "a".repeat(5_000));
        browser.send(NEW_TEMPLATE, "create_template", &[("name", ""), ("subject", SUBJECT), ("html", ""), ("text", &text)]).await;
        assert!(!app.store().every_row().await["sessions"].join("").contains("aaaa"));
        assert!(browser.get(NEW_TEMPLATE).await.text.contains(&text));
        assert!(!browser.get(NEW_TEMPLATE).await.text.contains(&text), "a refusal is shown once");
    }

    async fn a_draft_is_sealed_and_holds_no_secret(app: TestApp) {
        const SECRET: &str = "hush-hush-42";
        let page = "/settings/adapters?kind=smtp";
        let mut browser = Browser::at(&app, Role::Admin, page).await;
        end_sessions(&app).await;
        let host = format!("https://post:{SECRET}@mail.example?key={SECRET}");
        let fields = [
            ("name", "Relay"), ("kind", "smtp"), ("from_address", "a@b.example"), ("smtp[host]", "mail.example"),
            ("smtp[password]", SECRET), ("http[url]", &host), ("http[token]", SECRET), ("http[password]", SECRET),
        ];
        browser.send(page, "create_adapter", &fields).await;
        let rows = app.store().every_row().await;
        let holds = |text: &str| rows.values().flatten().any(|row| row.contains(text));
        assert!(!holds(SECRET) && !holds("mail.example"));
        let opened = opened_draft(&app, Role::Admin).await;
        assert!(opened.contains("mail.example") && !opened.contains(SECRET), "{opened}");
        // What holds nothing but a secret is not kept at all.
        let passwords = [("present_password", SECRET), ("new_password", SECRET), ("new_password_again", SECRET)];
        browser.send("/settings/profile", "change_password", &passwords).await;
        assert!(opened_draft(&app, Role::Admin).await.contains("mail.example"));
    }

    async fn a_wrong_password_and_a_second_factor_in_between_change_nothing(app: TestApp) {
        let mut browser = Browser::at(&app, Role::Admin, "/settings/profile").await;
        browser.send("/settings/profile", "begin_two_factor", &[]).await;
        let form = browser.client.with("content-type", "application/x-www-form-urlencoded");
        let asked = form.with("accept", "application/json").send("POST", "/fn/load_profile", Some(String::new())).await;
        let profile = asked.json();
        let secret = profile["two_factor"]["Begun"]["secret"].as_str().unwrap().replace(' ', "");
        let code = |app: &TestApp| {
            let secret = Secret::Encoded(secret.clone()).to_bytes().unwrap();
            let totp = TOTP::new(Algorithm::SHA1, 6, 1, 30, secret, None, String::new()).unwrap();
            totp.generate(u64::try_from(app.now().timestamp()).unwrap())
        };
        browser.send("/settings/profile", "confirm_two_factor", &[("code", &code(&app))]).await;
        app.advance(TimeDelta::seconds(60));
        end_sessions(&app).await;
        let sent = browser.send_template().await;
        let wrong = [("email", "admin@finch.example"), ("password", "wrong"), ("next", NEW_TEMPLATE)];
        browser.send("/login?next=%2Ftemplates%2Fnew", "log_in", &wrong).await;
        let first = browser.log_in_after(&sent, Role::Admin).await;
        assert_eq!(location(&first), "/login/code?next=%2Ftemplates%2Fnew");
        let second = browser.send(location(&first), "log_in_with_code", &[("code", &code(&app)), ("next", NEW_TEMPLATE)]).await;
        assert_eq!((location(&second), said(&second).as_str()), (NEW_TEMPLATE, ""));
        assert!(browser.get(NEW_TEMPLATE).await.text.contains(SUBJECT));
    }

    async fn forms_that_lose_something_when_they_are_left_are_marked(app: TestApp) {
        app.sign_in(Role::Viewer).await;
        let mut browser = Browser::at(&app, Role::Owner, NEW_TEMPLATE).await;
        for page in [
            NEW_TEMPLATE, "/connect", "/settings/adapters?kind=smtp", "/settings/api-keys", "/settings/members",
            "/settings/profile", "/settings/roles", "/settings/team",
        ] {
            assert!(browser.get(page).await.text.contains("data-unsaved=\"\""), "{page}");
        }
        let template = app.add_template("Receipt").await;
        let (id, page) = (template.id.to_string(), format!("/templates/{}", template.id));
        let TemplateSource { subject, html, text } = template.current.source;
        let (html, text) = (html.unwrap_or_default(), text.unwrap_or_default());
        // What a preview gives back is unsaved only where it is not what the template says already.
        for (subject, marked) in [(subject.as_str(), "data-unsaved=\"\""), (SUBJECT, "data-unsaved=\"given-back\"")] {
            let fields = [
                ("id", id.as_str()), ("name", "Receipt"), ("subject", subject), ("html", html.as_str()),
                ("text", text.as_str()), ("sample", "{\"name\": \"Ada\"}"),
            ];
            browser.send(&page, "preview_template", &fields).await;
            let shown = browser.get(&page).await.text;
            assert!(shown.contains(subject) && shown.contains(marked), "{marked}: {shown}");
        }
    }

    async fn a_log_in_that_asks_for_no_page_leads_to_the_draft(app: TestApp) {
        let mut browser = Browser::at(&app, Role::Admin, NEW_TEMPLATE).await;
        end_sessions(&app).await;
        browser.send_template().await;
        let log_in = |next: &'static str| [("email", "admin@finch.example"), ("password", PASSWORD), ("next", next)];
        let mut elsewhere = Browser { client: browser.client.clone() };
        let entered = elsewhere.send("/login", "log_in", &log_in("/resends")).await;
        assert_eq!((location(&entered), said(&entered).as_str()), ("/resends", ""));
        let entered = browser.send("/login", "log_in", &log_in("")).await;
        assert_eq!((location(&entered), said(&entered).as_str()), (NEW_TEMPLATE, ""));
    }
}

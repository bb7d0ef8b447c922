//! What a viewer sees: secrets are planted in every place of a message, and looked for in everything that the server
//! answers.

mod reveals;
mod searches;

use axum::http::Method;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::matrix::{ENDPOINTS, OWN_ROUTES, PAGES, SERVER_FUNCTIONS, Target};
use super::*;
use crate::domain::api_key::CreatedApiKey;
use crate::domain::audit::{AuditEntry, AuditFilter};
use crate::domain::masking::MASK;
use crate::domain::page::Cursor;
use crate::domain::search::Qualifier;
use crate::domain::team::TeamRules;
use crate::server::store::outbox::Settlement;

/// A part of every secret.
const SECRET: &str = "pl4nted";
/// The value of a variable that the template marks.
const CODE: &str = "pl4nted-code";
/// The value of one that it does not mark.
const NAME: &str = "pl4nted-name";
const ADDRESS: &str = "pl4nted.ada@customer.example";
const NUMBER: &str = "+491701239876";
/// The name of whose address it is.
const CUSTOMER: &str = "Pl4nted Lovelace";
/// Where, and with what, the customer read it.
const READER_IP: &str = "203.0.113.77";
const READER_AGENT: &str = "Mozilla/5.0 (pl4nted-model; Windows NT 10.0) Chrome/120.0 Safari/537.36";

/// Messages with secrets in every place.
struct Planted {
    /// Made from a template that marks `code`.
    email: EmailId,
    /// Made without a template.
    raw: EmailId,
    /// The message of the notification.
    sms: EmailId,
    template: TemplateId,
    notification: NotificationId,
    requests: Vec<ApiRequestId>,
}

async fn key_of(app: &TestApp, scopes: PermissionSet) -> CreatedApiKey {
    api_keys::create_key_of(&app.app, app.team, None, "Test", scopes).await.unwrap()
}

fn with_bearer(app: &TestApp, key: &CreatedApiKey) -> Client {
    app.client().with("authorization", &format!("Bearer {}", key.secret))
}

fn with_basic(app: &TestApp, user: &str, password: &str) -> Client {
    let text = STANDARD.encode(format!("{user}:{password}"));
    app.client().with("authorization", &format!("Basic {text}"))
}

async fn plant(app: &TestApp) -> Planted {
    app.add_adapter("Mail").await;
    let owner = app.sign_in(Role::Owner).await;
    let template = json!({"name": "Reset", "subject": "Code {{ code }} for you",
        "html": "<p>Dear {{ name }}: <a href=\"https://a.example/?t={{ code }}\">open</a></p>",
        "text": "Dear {{ name }}: {{ code }}", "maskedVariables": ["code"]});
    let template: TemplateId = owner.post("/api/templates", template).await.text_of("id").parse().unwrap();
    let key = key_of(app, PermissionSet::all()).await;
    let program = with_bearer(app, &key).with("user-agent", "planter/1.0");
    let sent = program
        .post(
            "/api/v1/send",
            json!({"templateId": template, "to": [format!("{CUSTOMER} <{ADDRESS}>")], "tags": ["paid", format!("t-{CODE}")], "from": "Finch <pl4nted.from@finch.example>",
                "replyTo": "pl4nted.reply@finch.example", "variables": {"code": CODE, "name": NAME, "nested": {"code": [CODE]}},
                "metadata": {"order": "pl4nted-meta"},
                "attachments": [{"filename": "pl4nted.pdf", "content": "aGVsbG8="}]}),
        )
        .await;
    let email: EmailId = sent.text_of("id").parse().unwrap();
    let raw = program
        .post(
            "/resend/emails",
            json!({"from": "a@finch.example", "to": ADDRESS, "subject": "Plain", "html": "<p>pl4nted-html</p>",
                "text": "pl4nted-text", "headers": {"X-Link": "https://a.example/pl4nted-header"}}),
        )
        .await;
    assert_eq!(raw.status, 200, "{}", raw.text);
    let raw: EmailId = raw.json()["id"].as_str().unwrap().parse().unwrap();
    let client = with_basic(app, &key.key.id.to_string(), &key.secret);
    let sms = client
        .post(
            &format!("/notificationapi/{}/sender", key.key.id),
            json!({"type": "Reset", "to": {"id": ADDRESS, "number": NUMBER}, "parameters": {"code": CODE, "name": NAME},
                "forceChannels": ["SMS"]}),
        )
        .await;
    assert_eq!(sms.status, 200, "{}", sms.text);
    let notification: NotificationId = sms.json()["trackingId"].as_str().unwrap().parse().unwrap();
    let sms = EmailId(app.store().list_emails_of_notification(app.team, notification).await.unwrap()[0]);
    let events: Vec<Value> = [email, raw]
        .iter()
        .flat_map(|id| {
            // What the other message says is marked by nobody.
            let code = if *id == email { CODE } else { "0000" };
            let event = |kind: &str, more: Value| {
                let mut event = json!({"id": format!("{id}-{kind}"), "kind": kind, "at": "2024-01-20T11:00:00Z",
                    "emailId": id, "recipient": ADDRESS});
                event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                event
            };
            [
                event(
                    "clicked",
                    json!({"url": format!("https://a.example/?t=pl4nted-link&c={code}"), "ip": READER_IP}),
                ),
                event("opened", json!({"userAgent": READER_AGENT, "ip": READER_IP, "message": format!("Read {code}")})),
                event(
                    "bounced",
                    json!({"reply": format!("550 5.1.1 <pl4nted.ada@customer.example> is unknown {code}"),
                        "server": format!("host-{code}.example"), "mx": format!("mx.{code}.example")}),
                ),
            ]
        })
        .collect();
    // They have gone out: what still waits is not resent.
    let (store, now) = (app.store(), app.now());
    for lease in store.lease_due(now, now + TimeDelta::seconds(30), 1, 100).await.unwrap() {
        assert_eq!(store.settle(&lease, &Settlement::default()).await, Ok(true));
    }
    let reported = program.post("/api/v1/events", json!(events)).await;
    assert!(reported.status == 200 && !reported.text.contains("invalid"), "{}", reported.text);
    // Requests whose addresses and answers hold secrets.
    with_basic(app, &key.secret, "").get(&format!("/sendwithus/api/v1/customers/{ADDRESS}/logs")).await;
    program.get(&format!("/api/logs?search={}", ADDRESS.replace('@', "%40"))).await;
    for searched in [CODE, "Pl4nted%20Lovelace%20%3Cpl4nted.ada%40customer.example%3E", "sunshine-pl4nted"] {
        program.get(&format!("/api/logs?search={searched}")).await;
        program.get(&format!("/resend/emails/{searched}?limit={searched}&{searched}=1")).await;
    }
    program.get(&format!("/api/logs/{email}")).await;
    program.get(&format!("/resend/emails/{raw}")).await;
    app.app.request_log.flush().await;
    let listed = app.store().list_api_requests(app.team, &Default::default(), Cursor::Newest, 50).await.unwrap();
    let requests = listed.items.into_iter().map(|request| request.id).collect();
    Planted { email, raw, sms, template, notification, requests }
}

impl Planted {
    fn ids(&self, target: Target) -> Vec<String> {
        match target {
            Target::Email => [self.email, self.raw, self.sms].map(|id| id.to_string()).to_vec(),
            Target::Template => vec![self.template.to_string()],
            Target::ApiRequest => self.requests.iter().map(ToString::to_string).collect(),
            Target::Notification => vec![self.notification.to_string()],
            // The others have no message in them.
            _ => vec![String::new()],
        }
    }

    /// Everything that a client is answered by the pages, the functions that load them, and the JSON API.
    async fn walk(&self, client: &Client) -> Vec<(String, Answer)> {
        let gets =
            [ENDPOINTS, OWN_ROUTES].into_iter().flatten().filter_map(|row| Some((row.0.strip_prefix("GET ")?, row)));
        let pages = PAGES.iter().map(|row| (row.0, row));
        let mut paths: Vec<String> = gets
            .chain(pages)
            .flat_map(|(path, row)| {
                self.ids(row.2).into_iter().map(|id| path.replace("{id}", &id).replace("{place}", "0"))
            })
            .collect();
        for list in [
            "/logs?preset=30d",
            "/logs?preset=30d&search=code",
            "/requests?preset=30d",
            "/api/logs?search=Plain",
            "/logs/export?format=ndjson&preset=30d",
            "/logs/export?preset=30d",
            "/logs?preset=30d&template=",
        ] {
            paths.push(list.to_owned());
        }
        let mut answers = Vec::new();
        for path in paths {
            answers.push((format!("GET {path}"), client.with("accept", "text/html").get(&path).await));
        }
        let form = client.with("content-type", "application/x-www-form-urlencoded");
        for (name, _, target, body) in
            SERVER_FUNCTIONS.iter().filter(|row| row.0.starts_with("load_") && row.2 != Target::Token)
        {
            for id in self.ids(*target) {
                let answer = form.send("POST", &format!("/fn/{name}"), Some(body.replace("{id}", &id))).await;
                answers.push((format!("POST /fn/{name} {id}"), answer));
            }
        }
        answers
    }

    /// Everything that a key is answered by the dialects.
    async fn walk_dialects(&self, app: &TestApp, key: &CreatedApiKey) -> Vec<(String, Answer)> {
        let mut answers = Vec::new();
        let sendwithus = with_basic(app, &key.secret, "");
        let bearer = with_bearer(app, key).with("user-agent", "walker/1.0");
        let mut paths = vec![
            (&sendwithus, "/sendwithus/api/v1/logs".to_owned()),
            (&bearer, "/resend/emails".to_owned()),
            (&sendwithus, format!("/sendwithus/api/v1/customers/{ADDRESS}/logs")),
            (&bearer, "/resend/logs?limit=100".to_owned()),
            (&bearer, "/jetemail/outbound/logs".to_owned()),
        ];
        for id in self.ids(Target::Email) {
            paths.push((&sendwithus, format!("/sendwithus/api/v1/logs/{id}")));
            paths.push((&sendwithus, format!("/sendwithus/api/v1/logs/{id}/events")));
            paths.push((&bearer, format!("/resend/emails/{id}")));
            paths.push((&bearer, format!("/jetemail/outbound/logs/uid?uid={id}")));
            paths.push((&bearer, format!("/api/logs/{id}")));
            paths.push((&bearer, format!("/api/v1/{id}/status")));
        }
        paths.extend(self.ids(Target::ApiRequest).into_iter().map(|id| (&bearer, format!("/resend/logs/{id}"))));
        for (client, path) in paths {
            answers.push((format!("GET {path}"), client.get(&path).await));
        }
        let client = with_basic(app, &key.key.id.to_string(), &key.secret);
        let query = format!("/notificationapi/{}/logs/query", key.key.id);
        answers.push((query.clone(), client.post(&query, json!({})).await));
        answers.push((format!("{query} by user"), client.post(&query, json!({"userFilter": [ADDRESS]})).await));
        let batch = json!([{"method": "GET", "path": format!("/api/v1/logs/{}", self.email)}]);
        answers.push(("batch".to_owned(), sendwithus.post("/sendwithus/api/v1/batch", batch).await));
        for (what, answer) in &answers {
            // Some systems know email alone.
            let is_right = answer.status == 200 || answer.status == 404 && what.contains(&self.sms.to_string());
            assert!(is_right, "{what}: {} {}", answer.status, answer.text);
        }
        answers
    }
}

/// Passes only answers that hold none of the texts.
#[track_caller]
fn assert_without(answers: &[(String, Answer)], texts: &[&str]) {
    let mut wrong = Vec::new();
    for (what, answer) in answers {
        // A server function answers every error with 500.
        let is_right = answer.status < 500 || what.starts_with("POST /fn/");
        assert!(is_right, "{what}: {} {}", answer.status, answer.text);
        let said = format!("{:?} {}", answer.headers, answer.text).to_lowercase();
        for text in texts {
            if let Some(place) = said.find(text) {
                let around: String =
                    said.chars().skip(said[..place].chars().count().saturating_sub(60)).take(160).collect();
                wrong.push(format!("{what}: …{around}…"));
            }
        }
    }
    assert!(
        answers.iter().filter(|(_, answer)| answer.status == 200).count() * 3 > answers.len() * 2,
        "most are answered, not {:?}",
        answers
            .iter()
            .filter(|(_, answer)| answer.status != 200)
            .map(|(what, answer)| (what, answer.status))
            .collect::<Vec<_>>()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

pub(super) async fn set_rules(app: &TestApp, rules: TeamRules) {
    assert_eq!(app.store().update_team(app.team, "Finch", rules, &app.event()).await, Ok(true));
}

/// A browser of somebody who may do everything but see contents.
async fn blind(app: &TestApp) -> Client {
    for permission in &Permission::ALL {
        let granted = *permission != Permission::LogsReveal;
        app.set_grant(Role::Viewer, *permission, granted).await;
    }
    app.sign_in(Role::Viewer).await
}

fn all_but_reveal() -> PermissionSet {
    let mut scopes = PermissionSet::all();
    scopes.remove(Permission::LogsReveal);
    scopes
}

async fn audited(app: &TestApp, action: AuditAction) -> Vec<AuditEntry> {
    let filter = AuditFilter { actions: vec![action], ..AuditFilter::default() };
    app.store().list_audit_entries(app.team, &filter, None, 10).await.unwrap()
}

/// Posts a form as a page does without JavaScript.
async fn post_form(client: &Client, function: &str, body: String) -> Answer {
    let form = client.with("content-type", "application/x-www-form-urlencoded").with("accept", "text/html");
    let form = form.with("referer", "http://127.0.0.1:3000/logs");
    form.send("POST", &format!("/fn/{function}"), Some(body.replace(' ', "%20"))).await
}

async fn reveal(client: &Client, id: EmailId) {
    let answer = post_form(client, "reveal_email", format!("id={id}&reason=Ticket 4711: no code")).await;
    assert_eq!(answer.headers["location"], format!("/logs/{id}"), "{}", answer.text);
}

on_both_databases! {
    async fn who_may_not_reveal_receives_no_secret_anywhere(app: TestApp) {
        set_rules(&app, TeamRules { masks_addresses: true, ..TeamRules::default() }).await;
        let planted = plant(&app).await;
        let client = blind(&app).await;
        let answers = planted.walk(&client).await;
        assert_without(&answers, &[SECRET, "1701239876"]);
        let all = answers.iter().map(|(_, answer)| answer.text.as_str()).collect::<String>();
        for shown in ["p•••@customer.example", "+49•••76", MASK, "p•••@finch.example"] {
            assert!(all.contains(shown), "{shown}");
        }
        let key = key_of(&app, all_but_reveal()).await;
        assert_without(&planted.walk_dialects(&app, &key).await, &[SECRET, "1701239876"]);
        let resent = with_basic(&app, &key.secret, "").post("/sendwithus/api/v1/resend", json!({"log_id": planted.email})).await;
        assert_without(&[("resend".to_owned(), resent)], &[SECRET, "1701239876"]);
    }

    async fn a_marked_value_in_the_address_of_a_request_is_shown_with_a_reason_alone(app: TestApp) {
        let planted = plant(&app).await;
        let owner = app.sign_in(Role::Owner).await;
        let list = owner.get("/requests?preset=30d&endpoint=/api/logs%3Fsearch").await.text;
        assert!(list.contains(&format!("search={MASK}")) && list.contains(ADDRESS.split('@').next().unwrap()), "{list}");
        let mut searching = None;
        for id in &planted.requests {
            let request = app.store().find_api_request(app.team, *id).await.unwrap().unwrap().0;
            searching = searching.or((request.endpoint == format!("/api/logs?search={CODE}")).then_some(*id));
        }
        let url = format!("/requests/{}", searching.unwrap());
        let before = owner.get(&url).await.text;
        assert!(!before.contains(CODE) && before.contains(&format!("search={MASK}")), "{before}");
        let reason = format!("id={}&reason=Ticket 4711", searching.unwrap());
        assert_eq!(post_form(&owner, "reveal_request", reason).await.headers["location"], url);
        assert!(owner.get(&url).await.text.contains(&format!("search={CODE}")));
        // The log of who looked is read by others.
        assert_eq!(owner.get(&format!("/logs/export?preset=30d&search={CODE}")).await.status, 200);
        let lines = [audited(&app, AuditAction::RequestRevealed).await, audited(&app, AuditAction::LogExported).await];
        let told = format!("{lines:?}");
        assert!(!told.contains(SECRET) && told.contains(&format!("GET /api/logs?search={MASK}")), "{told}");
    }

    async fn who_does_not_see_what_was_searched_for_does_not_find_it(app: TestApp) {
        plant(&app).await;
        let (blind, owner) = (blind(&app).await, app.sign_in(Role::Owner).await);
        for (part, is_found) in [("search%3Dpl4nted", false), ("/api/logs", true)] {
            let url = format!("/requests?preset=30d&endpoint={part}");
            assert_eq!(blind.get(&url).await.text.contains("/requests/req_"), is_found, "{part}");
            assert!(owner.get(&url).await.text.contains("/requests/req_"), "{part}");
        }
    }

    async fn nothing_of_a_customer_is_left_in_what_an_export_notes(app: TestApp) {
        set_rules(&app, TeamRules { masks_addresses: true, ..TeamRules::default() }).await;
        let planted = plant(&app).await;
        let owner = app.sign_in(Role::Owner).await;
        let url = format!("/logs/export?preset=30d&q={}", ADDRESS.replace('@', "%40"));
        assert_eq!(owner.get(&url).await.status, 200);
        let line = audited(&app, AuditAction::LogExported).await.remove(0);
        assert_eq!(line.after.unwrap()["filter"]["q"], "p•••@customer.example");
        assert_without(&planted.walk(&blind(&app).await).await, &[SECRET, "1701239876", READER_IP]);
    }

    async fn who_does_not_see_contents_sees_no_readers_address(app: TestApp) {
        let planted = plant(&app).await;
        let blind = blind(&app).await;
        assert_without(&planted.walk(&blind).await, &[READER_IP, "pl4nted-model"]);
        let page = blind.get(&format!("/logs/{}", planted.email)).await.text;
        assert!(page.contains("Chrome on Windows"), "{page}");
        let key = key_of(&app, all_but_reveal()).await;
        assert_without(&planted.walk_dialects(&app, &key).await, &[READER_IP, "pl4nted-model"]);
        let page = app.sign_in(Role::Owner).await.get(&format!("/logs/{}", planted.email)).await.text;
        assert!(page.contains(READER_IP) && page.contains("pl4nted-model"), "{page}");
    }

    async fn the_audit_log_alone_tells_no_templates(app: TestApp) {
        let planted = plant(&app).await;
        let owner = app.sign_in(Role::Owner).await;
        let changed = json!({"subject": "pl4nted-subject", "html": "<p>pl4nted-body</p>"});
        owner.put(&format!("/api/templates/{}", planted.template), changed).await.data();
        let said = ["pl4nted-subject", "pl4nted-body", "code }} for you"];
        let texts = async |client: &Client| {
            let mut texts = client.get("/api/audit").await.text;
            for format in ["csv", "ndjson"] {
                texts.push_str(&client.get(&format!("/settings/audit/export?format={format}")).await.text);
            }
            texts
        };
        let auditor = texts(&app.program(&[Permission::AuditView]).await).await;
        assert!(auditor.contains("template.updated") && auditor.contains(MASK), "{auditor}");
        assert!(said.iter().all(|text| !auditor.contains(text)), "{auditor}");
        let editor = texts(&app.program(&[Permission::AuditView, Permission::TemplatesView]).await).await;
        assert!(said.iter().all(|text| editor.contains(text)), "{editor}");
    }

    async fn addresses_are_shown_in_full_unless_the_team_masks_them(app: TestApp) {
        let planted = plant(&app).await;
        let client = blind(&app).await;
        let page = client.get(&format!("/logs/{}", planted.email)).await.text;
        assert!(page.contains(ADDRESS) && page.contains("Your role does not see contents"), "{page}");
        let hidden = [CODE, NAME, "pl4nted-meta", "pl4nted-link", "pl4nted.pdf", "pl4nted-html", "pl4nted-text", "pl4nted-header"];
        assert_without(&planted.walk(&client).await, &hidden);
        let key = key_of(&app, all_but_reveal()).await;
        assert_without(&planted.walk_dialects(&app, &key).await, &hidden);
        let variables = with_bearer(&app, &key).get(&format!("/api/logs/{}", planted.email)).await.data()["variables"].take();
        assert_eq!(variables, json!({"code": MASK, "name": MASK, "nested": {"code": [MASK]}}));
        let raw = with_bearer(&app, &key).with("user-agent", "a/1").get(&format!("/resend/emails/{}", planted.raw)).await;
        assert!(raw.json()["html"].is_null() && raw.json()["text"].is_null(), "{}", raw.text);
    }

    async fn marked_variables_are_shown_to_nobody_at_once(app: TestApp) {
        let planted = plant(&app).await;
        let owner = app.sign_in(Role::Owner).await;
        assert_without(&planted.walk(&owner).await, &[CODE]);
        let page = owner.get(&format!("/logs/{}", planted.email)).await.text;
        assert!(page.contains(NAME) && page.contains(ADDRESS) && page.contains("Code •••••• for you"), "{page}");
        let body = owner.get(&format!("/logs/{}/body", planted.email)).await.text;
        assert_eq!(body, format!("<p>Dear {NAME}: <a href=\"https:&#x2f;&#x2f;a.example&#x2f;?t={MASK}\">open</a></p>")
            .replace("https:&#x2f;&#x2f;a.example&#x2f;", "https://a.example/"));
        let raw = owner.get(&format!("/logs/{}/body", planted.raw)).await.text;
        assert_eq!(raw, "<p>pl4nted-html</p>");
        let key = key_of(&app, PermissionSet::all()).await;
        let answers = planted.walk_dialects(&app, &key).await;
        assert_without(&answers, &[CODE]);
        let variables = with_bearer(&app, &key).get(&format!("/api/logs/{}", planted.email)).await.data()["variables"].take();
        assert_eq!(variables, json!({"code": MASK, "name": NAME, "nested": {"code": [MASK]}}));
    }

    async fn marking_later_hides_what_was_sent_before(app: TestApp) {
        app.add_adapter("Mail").await;
        let template = app.add_template("Welcome").await;
        let program = app.program(&[Permission::EmailsSend]).await;
        let sent = program
            .post("/api/v1/send", json!({"templateId": template.id, "to": ADDRESS, "variables": {"name": NAME}}))
            .await;
        let id = sent.text_of("id");
        let owner = app.sign_in(Role::Owner).await;
        assert!(owner.get(&format!("/logs/{id}/body")).await.text.contains(NAME));
        let marked = owner.put(&format!("/api/templates/{}", template.id), json!({"maskedVariables": [" name", "name"]})).await;
        assert_eq!((marked.data()["maskedVariables"].take(), marked.data()["version"].take()), (json!(["name"]), json!(1)));
        assert_eq!(owner.get(&format!("/logs/{id}/body")).await.text, format!("<p>Hello {MASK}</p>"));
        assert!(!owner.get(&format!("/logs/{id}")).await.text.contains(NAME));
        let line = &audited(&app, AuditAction::TemplateUpdated).await[0];
        assert_eq!((&line.before, &line.after), (&Some(json!({"maskedVariables": []})), &Some(json!({"maskedVariables": ["name"]}))));
        let too_long = json!({"maskedVariables": ["x".repeat(101)]});
        owner.put(&format!("/api/templates/{}", template.id), too_long).await.assert_invalid("maskedVariables");
    }
}

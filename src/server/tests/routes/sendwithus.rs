//! `/sendwithus/api/v1`: the log, sending, resending and batches as Sendwithus's clients ask for them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::*;
use crate::domain::channel::Channel;
use crate::domain::email::{EmailStatus, Recipient, RecipientKind};
use crate::domain::event::{EmailEvent, EventDetail, EventKind};
use crate::domain::ids::{AdapterId, ApiRequestId, EmailId, TeamId, TemplateId};
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::team::Role;
use crate::server::services::api_keys;
use crate::server::store::bulk::HistoricEmail;
use crate::server::store::events::{EmailFacts, NewEvent};

const LIST: &str = include_str!("../fixtures/sendwithus_list.json");
const FIND: &str = include_str!("../fixtures/sendwithus_find.json");
const EVENTS: &str = include_str!("../fixtures/sendwithus_events.json");
const RESEND_REQUEST: &str = include_str!("../fixtures/sendwithus_resend_request.json");
const RESEND: &str = include_str!("../fixtures/sendwithus_resend.json");

const BASE: &str = "/sendwithus/api/v1";
/// When the specification's samples were accepted.
const SAMPLE_TIME: &str = "2009-02-13T23:31:30Z";

async fn key(app: &TestApp, team: TeamId, scopes: PermissionSet) -> String {
    api_keys::create_key_of(&app.app, team, None, "Test", scopes).await.unwrap().secret
}

fn basic(secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{secret}:")))
}

/// A program of Finch with a key, as the Python client authenticates.
async fn program(app: &TestApp, scopes: &[Permission]) -> Client {
    let secret = key(app, app.team, scopes.iter().copied().collect()).await;
    app.client().with("authorization", &basic(&secret))
}

async fn reader(app: &TestApp) -> Client {
    program(app, &[Permission::LogsView]).await
}

async fn get(client: &Client, path: &str) -> Answer {
    client.get(&format!("{BASE}{path}")).await
}

async fn post(client: &Client, path: &str, body: Value) -> Answer {
    client.post(&format!("{BASE}{path}"), body).await
}

/// Passes only an error with this status and sentence.
#[track_caller]
fn assert_refused(answer: &Answer, status: u16, exception: &str) {
    let body = answer.json();
    let text = body["exception"].as_str().unwrap_or_default();
    assert!(answer.status == status && text.contains(exception), "expected {status} {exception}, found {answer:?}");
    assert_eq!(field_order(&answer.text), ["success", "status", "exception"]);
    assert_eq!((&body["success"], &body["status"]), (&json!(false), &json!("ERROR")));
    assert_eq!(answer.headers["content-type"], "application/json");
}

/// The JSON without the blanks between its parts.
fn minified(json: &str) -> String {
    let (mut text, mut inside, mut escaped) = (String::new(), false, false);
    for letter in json.chars() {
        if inside || !letter.is_whitespace() {
            text.push(letter);
        }
        inside ^= letter == '"' && !escaped;
        escaped = letter == '\\' && !escaped;
    }
    text
}

fn event(app: &TestApp, kind: EventKind, second: i64) -> NewEvent {
    let at = at(SAMPLE_TIME) + TimeDelta::seconds(second);
    let detail = EventDetail::default();
    EmailEvent { id: app.id_at(at), kind, at, recipient: None, detail }.into()
}

/// The specification's message with these events, a second after each other; its id and its template's.
async fn sample(app: &TestApp, kinds: &[EventKind]) -> (EmailId, TemplateId) {
    let adapter = app.add_adapter("SendGrid").await;
    let template = app.add_template("Order Confirmation").await;
    let made_from = Some((template.id, template.current.id));
    let message = Message { at: at(SAMPLE_TIME), template: made_from, ..Message::default() };
    let HistoricEmail { mut email, facts, waiting } = message.historic(app);
    email.adapter_id = Some(adapter.id);
    let brad = ("brad@email.com".to_owned(), Some("Brad".to_owned()));
    email.recipients = vec![Recipient { kind: RecipientKind::To, address: brad.0, name: brad.1 }];
    email.events = kinds.iter().zip(0..).map(|(kind, second)| event(app, *kind, second)).collect();
    let id = email.id;
    app.store().insert_history(app.team, &[HistoricEmail { email, facts, waiting }]).await.unwrap();
    (id, template.id)
}

/// A sample of the specification, with our ids and our name of the version in it.
fn expected(sample: &str, id: EmailId, template: TemplateId) -> String {
    let sample = sample.replace("log_asdf1234qwerty", &id.with_prefix("log_"));
    let sample = sample.replace("as8dfjha8dap", &template.with_prefix("tem_"));
    minified(&sample.replace("Version A", "Version 1"))
}

/// A team that can send: its template's id.
async fn sending(app: &TestApp) -> TemplateId {
    app.add_adapter("Mail").await;
    app.add_template("Receipt").await.id
}

/// The smallest message, with `change` in it.
fn message(template: &impl ToString, change: Value) -> Value {
    let mut body =
        json!({"email_id": template.to_string(), "recipient": {"address": "a@b.example"}, "email_data": {"name": "A"}});
    body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    body
}

fn ids(logs: &Value) -> Vec<EmailId> {
    logs.as_array().unwrap().iter().map(|log| log["id"].as_str().unwrap().parse().unwrap()).collect()
}

async fn count(app: &TestApp) -> usize {
    ids(&get(&reader(app).await, "/logs").await.json()).len()
}

on_both_databases! {
    async fn logs_are_the_specifications_samples(app: TestApp) {
        let (id, template) = sample(&app, &[EventKind::Queued, EventKind::Sent, EventKind::Opened]).await;
        let reader = reader(&app).await;
        let list = get(&reader, "/logs").await;
        assert_eq!((list.status, list.text), (200, expected(LIST, id, template)));
        let found = get(&reader, &format!("/logs/{}", id.with_prefix("log_"))).await;
        assert_eq!((found.status, found.text), (200, expected(FIND, id, template)));
        for form in [id.to_string(), id.to_uuid()] {
            assert_eq!(get(&reader, &format!("/logs/{form}")).await.text, expected(FIND, id, template));
        }
    }

    async fn events_are_the_specifications_sample(app: TestApp) {
        use EventKind::*;
        let (id, template) = sample(&app, &[Requested, Queued, FailedToSend, Sent, Opened, Clicked]).await;
        let answer = get(&reader(&app).await, &format!("/logs/{id}/events")).await;
        assert_eq!((answer.status, answer.text), (200, expected(EVENTS, id, template)));
    }

    async fn a_resend_begins_as_the_specifications_sample(app: TestApp) {
        let (id, template) = sample(&app, &[EventKind::Queued, EventKind::Bounced]).await;
        let resender = program(&app, &[Permission::LogsResend]).await;
        let ask = |text: &str| text.replace("log_asdf123456qwerty", &id.with_prefix("log_"));
        let answer = resender.send("POST", &format!("{BASE}/resend"), Some(ask(RESEND_REQUEST))).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let sample = expected(&ask(RESEND), id, template);
        assert!(answer.text.starts_with(sample.trim_end_matches('}')), "{} {sample}", answer.text);
        assert_eq!(
            field_order(&answer.text),
            ["success", "status", "log_id", "email", "name", "version_name", "locale", "receipt_id"]
        );
        assert_eq!(answer.json()["email"]["locale"], "en-US");
        let again: EmailId = answer.json()["receipt_id"].as_str().unwrap().parse().unwrap();
        assert_eq!(app.store().find_email(app.team, again).await.unwrap().unwrap().resend_of, Some(id));
    }

    async fn a_message_without_a_template_goes_by_its_subject(app: TestApp) {
        let id = app.add_message(Message::default()).await;
        let log = get(&reader(&app).await, &format!("/logs/{id}")).await.json();
        assert_eq!((&log["email_id"], &log["email_name"]), (&json!(""), &json!("Welcome to Our Service!")));
        assert!(log["email_version"].is_null() && log["recipient_name"].is_null());
        assert_eq!(log["message"], "Sendlog: Message has been delivered");
    }

    async fn messages_of_every_channel_are_listed(app: TestApp) {
        let mut sms = Message::default().historic(&app);
        sms.email.channel = Channel::Sms;
        app.store().insert_history(app.team, &[sms]).await.unwrap();
        let email = app.add_message(Message::default()).await;
        let logs = get(&reader(&app).await, "/logs").await.json();
        assert_eq!(ids(&logs).len(), 2);
        assert_eq!(ids(&logs)[0], email);
        let events = get(&reader(&app).await, &format!("/logs/{}/events", ids(&logs)[1])).await.json();
        assert_eq!(events[0]["message"], "message queued");
    }

    async fn a_list_is_newest_first_and_has_bounds(app: TestApp) {
        let messages: Vec<_> = (0..103)
            .map(|second| Message { at: at("2024-01-19T10:30:00Z") + TimeDelta::seconds(second), ..Message::default() })
            .collect();
        let mut added = app.add_messages(&messages).await;
        added.reverse();
        let reader = reader(&app).await;
        for (query, wanted) in [
            ("", 0..100),
            ("?count=100&offset=100", 100..103),
            ("?count=1", 0..1),
            ("?offset=0&count=2", 0..2),
            ("?count=5&offset=7", 7..12),
            ("?offset=103", 0..0),
            ("?offset=9007199254740991", 0..0),
        ] {
            assert_eq!(ids(&get(&reader, &format!("/logs{query}")).await.json()), added[wanted], "{query}");
        }
        for name in ["count", "offset", "created_gt", "created_gte", "created_lt", "created_lte"] {
            for wrong in ["", "x", "-1", "1.5", "+1", "9007199254740992"] {
                let answer = get(&reader, &format!("/logs?{name}={}", wrong.replace('+', "%2B"))).await;
                assert_refused(&answer, 400, &format!("{name} must be a whole number"));
            }
        }
        for wrong in ["count=0", "count=101", "created_lt=253402300800"] {
            assert_refused(&get(&reader, &format!("/logs?{wrong}")).await, 400, "must be a whole number from");
        }
        assert_refused(&get(&reader, "/logs?count=1&count=2").await, 400, "count is given more than once");
        assert_refused(&get(&reader, "/logs?limit=1").await, 400, "Unknown parameter limit");
        assert_refused(&get(&reader, &format!("/logs/{}?count=1", added[0])).await, 400, "Unknown parameter count");
        assert_refused(&get(&reader, &format!("/logs/{}/events?a", added[0])).await, 400, "Unknown parameter a");
        assert_refused(&get(&reader, "/customers/a@b.example/logs?offset=1").await, 400, "Unknown parameter offset");
    }

    async fn time_bounds_are_exact_to_the_second(app: TestApp) {
        let second = at("2024-01-19T10:30:00Z");
        let times = [-1, 0, 999, 1000].map(|milliseconds| second + TimeDelta::milliseconds(milliseconds));
        let messages = times.map(|at| Message { at, ..Message::default() });
        let added = app.add_messages(&messages).await;
        let reader = reader(&app).await;
        let t = second.timestamp();
        for (query, wanted) in [
            (format!("created_gt={t}"), vec![3]),
            (format!("created_gte={t}"), vec![3, 2, 1]),
            (format!("created_lt={t}"), vec![0]),
            (format!("created_lte={t}"), vec![2, 1, 0]),
            (format!("created_gte={t}&created_lte={t}"), vec![2, 1]),
            (format!("created_gt={t}&created_lt={t}"), vec![]),
            (format!("created_gt={}&created_lt={}", t - 1, t + 1), vec![2, 1]),
            ("created_gt=253402300799".to_owned(), vec![]),
            ("created_gte=0".to_owned(), vec![3, 2, 1, 0]),
        ] {
            let wanted: Vec<_> = wanted.into_iter().map(|index: usize| added[index]).collect();
            assert_eq!(ids(&get(&reader, &format!("/logs?{query}")).await.json()), wanted, "{query}");
        }
    }

    async fn every_status_is_reached_by_a_history(app: TestApp) {
        use EventKind::*;
        let template = sending(&app).await;
        let sender = program(&app, &[Permission::EmailsSend]).await;
        let histories: [(&str, &[EventKind]); 22] = [
            ("queued", &[]),
            ("triggered", &[Triggered]),
            ("failed_to_queue", &[FailedToQueue]),
            ("deferred", &[Deferred]),
            ("failed_to_send", &[FailedToSend]),
            ("unsubscribed", &[Unsubscribed]),
            ("processed", &[Processed]),
            ("sent", &[Processed, Sent]),
            ("delivered", &[Sent, Delivered]),
            ("opened", &[Sent, Delivered, Opened]),
            ("re_opened", &[Sent, Delivered, Opened, Opened]),
            ("re_opened", &[Sent, Opened, ReOpened]),
            ("clicked", &[Sent, Delivered, Opened, Clicked, Opened]),
            ("re_clicked", &[Sent, Delivered, Opened, Clicked, Clicked]),
            ("bounced", &[Sent, Bounced, Delivered]),
            ("dropped", &[Processed, Dropped]),
            ("dropped", &[Failed]),
            ("dropped", &[Canceled]),
            ("failed_to_send", &[Uncertain]),
            ("delivered", &[Uncertain, Delivered]),
            ("reported_as_spam", &[Sent, Delivered, Clicked, ReportedAsSpam]),
            ("opened", &[Sent, Opened, Unsubscribed]),
        ];
        for (status, kinds) in histories {
            let receipt = post(&sender, "/send", message(&template, json!({}))).await.json();
            let id: EmailId = receipt["receipt_id"].as_str().unwrap().parse().unwrap();
            let events: Vec<NewEvent> = kinds.iter().zip(1..).map(|(kind, second)| {
                let (at, detail) = (app.now() + TimeDelta::seconds(second), EventDetail::default());
                EmailEvent { id: app.id_at(at), kind: *kind, at, recipient: None, detail }.into()
            }).collect();
            app.store().record_events(app.team, id, &events, &EmailFacts::default()).await.unwrap();
            let log = get(&sender, &format!("/logs/{id}")).await.json();
            assert_eq!(log["status"], status, "{kinds:?}");
            let types: Vec<Value> = get(&sender, &format!("/logs/{id}/events")).await.json().as_array().unwrap()
                .iter().map(|event| event["type"].clone()).collect();
            assert_eq!(types[..2], [json!("requested"), json!("queued")]);
            assert_eq!(types.len(), 2 + kinds.len());
        }
        let (id, _) = sample(&app, &[Requested]).await;
        let reader = program(&app, &[Permission::LogsView]).await;
        assert_eq!(get(&reader, &format!("/logs/{id}")).await.json()["status"], "requested");
    }

    async fn a_message_is_sent_by_id_and_by_name(app: TestApp) {
        let template = sending(&app).await;
        let sender = program(&app, &[Permission::EmailsSend]).await;
        let forms = [template.to_string(), template.with_prefix("tem_"), template.to_uuid(), "Receipt".to_owned()];
        for form in forms {
            let answer = post(&sender, "/send", message(&form, json!({}))).await;
            assert_eq!(answer.status, 200, "{form}: {}", answer.text);
            let receipt = answer.json()["receipt_id"].as_str().unwrap().to_owned();
            let rest = r#""email":{"name":"Receipt","version_name":"Version 1","locale":"en-US"}}"#;
            let wanted = format!(r#"{{"success":true,"status":"OK","receipt_id":"{receipt}",{rest}"#);
            assert_eq!(answer.text, wanted);
            let email = app.store().find_email(app.team, receipt.parse().unwrap()).await.unwrap().unwrap();
            assert!(receipt.starts_with("log_") && email.template_id == Some(template));
            assert!(email.api_key_id.is_some() && email.api_request_id.is_some());
        }
    }

    async fn everything_of_a_message_is_kept(app: TestApp) {
        let template = sending(&app).await;
        let adapter = app.add_adapter("Second").await.id;
        let sender = program(&app, &[Permission::EmailsSend]).await.with("content-type", "text/plain;charset=UTF-8");
        let body = json!({
            "template": template.with_prefix("tem_"),
            "template_data": {"name": "Ada"},
            "recipient": {"address": "ada@finch.example", "name": "Lovelace, Ada"},
            "cc": [{"address": "cc@finch.example"}],
            "bcc": [{"address": "bcc@finch.example", "name": "B"}],
            "sender": {"address": "shop@finch.example", "name": "The shop", "reply_to": "help@finch.example"},
            "tags": ["one"],
            "headers": {"X-Order": "7"},
            "files": [{"id": "a.pdf", "data": "aGVsbG8="}],
            "inline": {"id": "logo.png", "data": "cG5n"},
            "esp_account": adapter.to_string(),
            "locale": "fr-FR",
            "version_name": "Version 1",
        });
        let answer = post(&sender, "/send", body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.json()["email"], json!({"name": "Receipt", "version_name": "Version 1", "locale": "fr-FR"}));
        let id: EmailId = answer.json()["receipt_id"].as_str().unwrap().parse().unwrap();
        let email = app.store().find_email(app.team, id).await.unwrap().unwrap();
        let recipient = |kind, address: &str, name: Option<&str>| {
            Recipient { kind, address: address.to_owned(), name: name.map(str::to_owned) }
        };
        assert_eq!(email.recipients, [
            recipient(RecipientKind::To, "ada@finch.example", Some("Lovelace, Ada")),
            recipient(RecipientKind::Cc, "cc@finch.example", None),
            recipient(RecipientKind::Bcc, "bcc@finch.example", Some("B")),
        ]);
        assert_eq!(email.from_address, "The shop <shop@finch.example>");
        assert_eq!(email.reply_to.as_deref(), Some("help@finch.example"));
        assert_eq!((email.tags, email.adapter_id), (vec!["one".to_owned()], Some(adapter)));
        let content = app.store().find_email_content(app.team, id).await.unwrap().unwrap();
        assert_eq!(content.html.as_deref(), Some("<p>Hello Ada</p>"));
        assert_eq!(content.headers, [("X-Order".to_owned(), "7".to_owned())]);
        let attachments = app.store().list_attachments(app.team, id).await.unwrap();
        let seen: Vec<_> = attachments.iter().map(|file| {
            (file.filename.as_str(), file.content_type.as_str(), file.content_id.as_deref(), file.content.as_slice())
        }).collect();
        assert_eq!(seen, [
            ("logo.png", "image/png", Some("logo.png"), b"png".as_slice()),
            ("a.pdf", "application/pdf", None, b"hello".as_slice()),
        ]);
    }

    async fn a_wrong_message_is_refused_and_not_kept(app: TestApp) {
        let template = sending(&app).await;
        let sender = program(&app, &[Permission::EmailsSend]).await;
        for (body, exception) in [
            (json!({}), "missing field `recipient`"),
            (json!({"recipient": {"address": "a@b.example"}}), "email_id is required"),
            (message(&"", json!({})), "email_id is required"),
            (message(&"tem_unknown", json!({})), "email_id: Template not found"),
            (message(&template, json!({"template": "other"})), "email_id and template say different things"),
            (message(&template, json!({"recipient": "a@b.example"})), "expected an object"),
            (message(&template, json!({"recipient": {"name": "A"}})), "missing field `address`"),
            (message(&template, json!({"recipient": {"address": "no"}})), "recipient: “no” is not an email address"),
            (message(&template, json!({"cc": [{"address": "no"}]})), "cc: “no” is not an email address"),
            (message(&template, json!({"sender": {"address": "no"}})), "sender: “no” is not an email address"),
            (
                message(&template, json!({"sender": {"address": "a@b.example", "reply_to": "no"}})),
                "sender.reply_to: “no” is not an email address",
            ),
            (message(&template, json!({"email_data": []})), "email_data must be a JSON object"),
            (message(&template, json!({"tags": [""]})), "tags are at most 20"),
            (message(&template, json!({"headers": {"From": "x"}})), "The header From cannot be set"),
            (message(&template, json!({"files": [{"id": "a", "data": "!"}]})), "files[0].data must be base64"),
            (message(&template, json!({"inline": {"id": "a", "data": "!"}})), "inline.data must be base64"),
            (message(&template, json!({"esp_account": "esp_1"})), "esp_account: Adapter not found"),
            (message(&template, json!({"locale": "x".repeat(36)})), "locale is longer than 35 characters"),
            (message(&template, json!({"version_name": "Version A"})), "version_name must be “Version 1”"),
            (message(&template, json!({"subject": "x"})), "unknown field `subject`"),
            (message(&template, json!({"email_data": {"name": "\0"}})), "U+0000"),
        ] {
            assert_refused(&post(&sender, "/send", body.clone()).await, 400, exception);
        }
        for (body, exception) in [("", "empty"), ("{", "EOF while parsing"), ("[]", "expected an object")] {
            let answer = sender.send("POST", &format!("{BASE}/send"), Some(body.to_owned())).await;
            assert_refused(&answer, 400, exception);
        }
        assert_refused(&post(&sender, "/send?x=1", message(&template, json!({}))).await, 400, "Unknown parameter x");
        assert_eq!(count(&app).await, 0);
    }

    async fn an_undefined_variable_is_nothing(app: TestApp) {
        let template = sending(&app).await;
        let sender = program(&app, &[Permission::EmailsSend]).await;
        for data in [json!({}), json!({"name": null})] {
            let answer = post(&sender, "/send", message(&template, json!({"email_data": data}))).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
        assert_eq!(count(&app).await, 2);
    }

    async fn a_body_too_large_is_refused(app: TestApp) {
        let template = sending(&app).await;
        let sender = program(&app, &[Permission::EmailsSend]).await;
        let body = message(&template, json!({"email_data": {"name": "x".repeat(26 * 1024 * 1024)}}));
        assert_refused(&post(&sender, "/send", body).await, 413, "The request body is larger than");
        assert_eq!(count(&app).await, 0);
    }

    async fn a_template_is_sent_by_its_current_version(app: TestApp) {
        let template = sending(&app).await;
        let admin = app.sign_in(Role::Admin).await;
        admin.put(&format!("/api/templates/{template}"), json!({"subject": "Changed"})).await.data();
        let sender = program(&app, &[Permission::EmailsSend]).await;
        let answer = post(&sender, "/send", message(&template, json!({"version_name": "Version 2"}))).await;
        assert_eq!(answer.json()["email"]["version_name"], "Version 2");
        let log = get(&sender, &format!("/logs/{}", answer.json()["receipt_id"].as_str().unwrap())).await.json();
        assert_eq!(log["email_version"], "Version 2");
    }

    async fn any_message_is_resent_whatever_became_of_it(app: TestApp) {
        app.add_adapter("Mail").await;
        let resender = program(&app, &[Permission::LogsResend]).await;
        for status in EmailStatus::ALL {
            let id = app.add_message(Message::with_status(status)).await;
            let answer = post(&resender, "/resend", json!({"log_id": id.to_string()})).await;
            let json = answer.json();
            assert_eq!((answer.status, &json["log_id"]), (200, &json!(id.with_prefix("log_"))));
            assert_eq!(json["email"], json!({
                "name": "Welcome to Our Service!", "version_name": null, "locale": "en-US",
            }));
            let twice = post(&resender, "/resend", json!({"log_id": id.to_string()})).await;
            assert_refused(&twice, 400, "It is being resent already");
        }
        for (body, exception) in [(json!({}), "missing field `log_id`"), (json!({"log_id": 7}), "invalid type"),
            (json!({"log_id": "x", "force": true}), "unknown field `force`")] {
            assert_refused(&post(&resender, "/resend", body).await, 400, exception);
        }
    }

    async fn an_unknown_log_says_so(app: TestApp) {
        let theirs = app.add_messages_of(app.other_team, &[Message::with_status(EmailStatus::Failed)]).await[0];
        let all = program(&app, &[Permission::LogsView, Permission::LogsResend]).await;
        let nobodys = app.id_at::<EmailId>(app.now());
        for id in [theirs.with_prefix("log_"), nobodys.with_prefix("log_"), "nonsense".to_owned()] {
            assert_refused(&get(&all, &format!("/logs/{id}")).await, 404, "No SendLog");
            assert_refused(&get(&all, &format!("/logs/{id}/events")).await, 404, "No SendLog");
            assert_refused(&post(&all, "/resend", json!({"log_id": id})).await, 404, "No SendLog");
        }
        assert_eq!(get(&all, "/logs").await.text, "[]");
    }

    async fn a_customers_logs_are_that_customers_alone(app: TestApp) {
        let to = |address: &str, second| Message {
            to: vec![address.to_owned()],
            at: at("2024-01-19T10:30:00Z") + TimeDelta::seconds(second),
            ..Message::default()
        };
        let added = app.add_messages(&[
            to("ada@finch.example", 0),
            to("lada@finch.example", 1),
            to("ada@finch.example", 2),
            to("ada@finch.example.org", 3),
            to("Ada@Finch.example", 4),
        ]).await;
        app.add_messages_of(app.other_team, &[to("ada@finch.example", 5)]).await;
        let reader = reader(&app).await;
        let answer = get(&reader, "/customers/ada@finch.example/logs").await;
        assert_eq!(answer.status, 200);
        assert!(answer.text.starts_with(r#"{"success":true,"status":"OK","logs":[{"object":"log","id":"log_"#));
        let logs = async |path: &str| ids(&get(&reader, path).await.json()["logs"]);
        assert_eq!(logs("/customers/ada@finch.example/logs").await, [added[4], added[2], added[0]]);
        assert_eq!(logs("/customers/ADA%40finch.example/logs?count=2").await, [added[4], added[2]]);
        let t = added[2].created_at().timestamp();
        assert_eq!(logs(&format!("/customers/ada@finch.example/logs?created_gt={t}")).await, [added[4]]);
        assert_eq!(logs(&format!("/customers/ada@finch.example/logs?created_lt={t}")).await, [added[0]]);
        let umlaut = app.add_messages(&[to("QÜ1@Exämple.com", 6)]).await;
        for written in ["q%C3%BC1@ex%C3%A4mple.com", "Q%C3%9C1@xn--exmple-cua.com"] {
            assert_eq!(logs(&format!("/customers/{written}/logs")).await, umlaut, "{written}");
        }
        for nobody in ["eve@finch.example", "a", "%00", "%25", "'"] {
            let answer = get(&reader, &format!("/customers/{nobody}/logs")).await;
            assert_eq!((answer.status, answer.text.as_str()), (200, r#"{"success":true,"status":"OK","logs":[]}"#));
        }
        let long = format!("/customers/{}/logs", "x".repeat(321));
        assert_refused(&get(&reader, &long).await, 400, "email is longer than 320 characters");
        assert_refused(&get(&reader, "/customers/%ff/logs").await, 404, "not found");
        assert_refused(&get(&reader, "/customers/a@b.example/logs?count=101").await, 400, "count must be");
    }

    async fn a_batch_answers_each_request_in_its_order(app: TestApp) {
        let template = sending(&app).await;
        let bounced = app.add_message(Message::with_status(EmailStatus::Bounced)).await;
        let scopes = [Permission::EmailsSend, Permission::LogsView];
        let program = program(&app, &scopes).await;
        let commands = json!([
            {"path": "/api/v1/send", "method": "POST", "body": message(&template, json!({}))},
            {"path": "/api/v1/send", "method": "POST", "body": message(&"tem_unknown", json!({}))},
            {"path": "/sendwithus/api/v1/logs?count=1", "method": "GET"},
            {"path": "/api/v1/logs/log_0000000000000", "method": "GET", "body": null},
            {"path": "/api/v1/resend", "method": "POST", "body": {"log_id": bounced.to_string()}},
            {"path": "/api/v1/nowhere", "method": "GET"},
            {"path": "/api/v1/logs", "method": "DELETE"},
            {"path": "/api/v1/batch", "method": "POST", "body": []},
            {"path": "https://example.com/", "method": "GET"},
            {"path": "/api/v1/send", "method": "POST"},
        ]);
        let answer = post(&program, "/batch", commands.clone()).await;
        assert_eq!((answer.status, &answer.headers["content-type"]), (200, &"application/json".parse().unwrap()));
        let answers = answer.json();
        let statuses: Vec<_> = answers.as_array().unwrap().iter().map(|one| one["status_code"].as_u64().unwrap()).collect();
        assert_eq!(statuses, [200, 400, 200, 404, 403, 404, 405, 400, 400, 400]);
        for (one, command) in answers.as_array().unwrap().iter().zip(commands.as_array().unwrap()) {
            assert_eq!((&one["path"], &one["method"]), (&command["path"], &command["method"]));
        }
        assert!(answer.text.starts_with(r#"[{"path":"/api/v1/send","status_code":200,"method":"POST","body":{"success":"#));
        let id: EmailId = answers[0]["body"]["receipt_id"].as_str().unwrap().parse().unwrap();
        assert_eq!(answers[1]["body"]["exception"], "email_id: Template not found");
        assert_eq!(ids(&answers[2]["body"]), [id], "the send comes before the list");
        assert_eq!(answers[3]["body"]["exception"], "No SendLog with this id");
        let request: Option<ApiRequestId> = app.store().find_email(app.team, id).await.unwrap().unwrap().api_request_id;
        assert!(request.is_some());
        assert_eq!(post(&program, "/batch", json!([])).await.text, "[]");
    }

    async fn a_wrong_batch_runs_nothing(app: TestApp) {
        let template = sending(&app).await;
        let program = program(&app, &[Permission::EmailsSend]).await;
        let send = json!({"path": "/api/v1/send", "method": "POST", "body": message(&template, json!({}))});
        for (body, exception) in [
            (json!({}), "The request body is wrong"),
            (json!([send, {}]), "missing field `path`"),
            (json!([send, {"path": "/api/v1/logs"}]), "missing field `method`"),
            (json!([send, {"path": "/api/v1/logs", "method": "PATCH"}]), "unknown variant `PATCH`"),
            (json!([send, {"path": "/api/v1/logs", "method": "GET", "headers": {}}]), "unknown field `headers`"),
            (json!(vec![send.clone(); 101]), "A batch has at most 100 requests"),
        ] {
            assert_refused(&post(&program, "/batch", body).await, 400, exception);
        }
        assert_eq!(count(&app).await, 0);
    }

    async fn a_key_comes_by_basic_and_by_its_own_header(app: TestApp) {
        let secret = key(&app, app.team, [Permission::LogsView].into_iter().collect()).await;
        let nobody = app.client();
        for (name, value) in [("authorization", basic(&secret)), ("x-swu-api-key", secret.clone())] {
            assert_eq!(get(&nobody.with(name, &value), "/logs").await.status, 200, "{name}");
        }
        assert_refused(&get(&nobody, "/logs").await, 403, "Missing API key");
        assert_refused(&get(&nobody.with("authorization", &format!("Bearer {secret}")), "/logs").await, 403, "Missing");
        for (name, value) in [("authorization", basic("sl_guess")), ("x-swu-api-key", "sl_guess".to_owned())] {
            assert_refused(&get(&nobody.with(name, &value), "/logs").await, 403, "Invalid or revoked API key");
            assert_refused(&post(&nobody.with(name, &value), "/batch", json!([])).await, 403, "Invalid or revoked");
        }
        let browser = app.sign_in(Role::Owner).await;
        assert_refused(&get(&browser, "/logs").await, 403, "Missing API key");
    }

    async fn a_key_needs_the_scope(app: TestApp) {
        let template = sending(&app).await;
        let id = app.add_message(Message::with_status(EmailStatus::Failed)).await;
        let all: PermissionSet = Permission::ALL.iter().copied().collect();
        let with_all = app.client().with("authorization", &basic(&key(&app, app.team, all).await));
        let cases = [
            ("GET", "/logs".to_owned(), Value::Null, vec![Permission::LogsView]),
            ("GET", format!("/logs/{id}"), Value::Null, vec![Permission::LogsView, Permission::EmailsSend]),
            ("GET", format!("/logs/{id}/events"), Value::Null, vec![Permission::LogsView, Permission::EmailsSend]),
            ("GET", "/customers/a@b.example/logs".to_owned(), Value::Null, vec![Permission::LogsView]),
            ("POST", "/send".to_owned(), message(&template, json!({})), vec![Permission::EmailsSend]),
            ("POST", "/send".to_owned(), message(&"tem_unknown", json!({})), vec![Permission::EmailsSend]),
            ("POST", "/resend".to_owned(), json!({"log_id": id.to_string()}), vec![Permission::LogsResend]),
            ("POST", "/resend".to_owned(), json!({"log_id": "nonsense"}), vec![Permission::LogsResend]),
        ];
        for (method, path, body, needs) in cases {
            let body = (!body.is_null()).then(|| body.to_string());
            let others: PermissionSet = Permission::ALL.iter().copied().filter(|one| !needs.contains(one)).collect();
            let without = app.client().with("authorization", &basic(&key(&app, app.team, others).await));
            let answer = without.send(method, &format!("{BASE}{path}"), body.clone()).await;
            assert_refused(&answer, 403, "Missing permission");
            for need in needs {
                let alone = program(&app, &[need]).await.send(method, &format!("{BASE}{path}"), body.clone()).await;
                assert_ne!(alone.status, 403, "{method} {path} {need:?}");
            }
        }
        assert_eq!(get(&with_all, "/logs").await.status, 200);
    }

    async fn what_is_not_there_is_404_and_another_method_405(app: TestApp) {
        let reader = reader(&app).await;
        for path in ["/nowhere", "/drip_campaigns", "/logs/", "/customers/a@b.example", "/logs/a/b"] {
            assert_refused(&get(&reader, path).await, 404, "not found");
        }
        for (method, path, allowed) in [
            ("DELETE", "/logs", "GET,HEAD"),
            ("POST", "/logs/log_0000000000000", "GET,HEAD"),
            ("GET", "/send", "POST"),
            ("PUT", "/resend", "POST"),
            ("GET", "/batch", "POST"),
        ] {
            let answer = reader.send(method, &format!("{BASE}{path}"), None).await;
            assert_refused(&answer, 405, &format!("{method} is not allowed here"));
            assert_eq!(answer.headers["allow"], allowed, "{method} {path}");
        }
        let answer = app.client().get(&format!("{BASE}/openapi.json")).await;
        assert_eq!(answer.json()["info"]["title"], "Sendlog: Sendwithus dialect");
        assert_eq!(answer.json()["servers"][0]["url"], "./");
    }

    async fn other_teams_templates_and_adapters_are_not_used(app: TestApp) {
        let template = sending(&app).await;
        let everything: PermissionSet = Permission::ALL.iter().copied().collect();
        let theirs = app.client().with("authorization", &basic(&key(&app, app.other_team, everything).await));
        for name in [template.with_prefix("tem_"), "Receipt".to_owned()] {
            assert_refused(&post(&theirs, "/send", message(&name, json!({}))).await, 400, "Template not found");
        }
        let ours: AdapterId = app.store().list_adapters(app.team).await.unwrap()[0].id;
        let owner = app.sign_in_elsewhere().await;
        owner.post("/api/templates", json!({"name": "Receipt", "subject": "s", "text": "t"})).await.data();
        let body = message(&"Receipt", json!({"esp_account": ours.to_string()}));
        assert_refused(&post(&theirs, "/send", body).await, 400, "Adapter not found");
    }
}

//! `/sendwithus/api/v1`: the log, sending, resending and batches as Sendwithus's clients ask for them.

mod sending;

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
}

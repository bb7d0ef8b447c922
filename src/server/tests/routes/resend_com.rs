//! `/resend`: the log of API requests, and sending, in Resend's shape.

mod refusals;
mod suppressions;
mod webhooks;

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::*;
use crate::domain::api_request::{ApiRequest, BODY_CAP_BYTES, LoggedBody};
use crate::domain::channel::Channel;
use crate::domain::email::EmailStatus;
use crate::domain::event::{EmailEvent, EventDetail, EventKind};
use crate::domain::ids::{ApiRequestId, EmailId, lowest_id_at};
use crate::domain::permission::{Permission, PermissionSet};
use crate::server::App;
use crate::server::config::Config;
use crate::server::store::emails::NewEmail;
use crate::server::store::events::EmailFacts;

const LOGS: &str = include_str!("../fixtures/resend_com_logs.json");
const LOG: &str = include_str!("../fixtures/resend_com_log.json");

/// The id of the samples, which is none of ours.
const SAMPLE_ID: &str = "37e4414c-5e25-4dbc-a071-43552a4bd53b";
/// A UUID that nothing has.
const NO_ID: &str = "00000000-0000-4000-8000-000000000000";
const AGENT: &str = "resend-node:6.0.3";
const LOG_FIELDS: [&str; 6] = ["id", "created_at", "endpoint", "method", "response_status", "user_agent"];
const ERROR_FIELDS: [&str; 3] = ["statusCode", "message", "name"];

/// A program with a key that may do everything.
async fn program(app: &TestApp) -> Client {
    app.program_of(app.team, PermissionSet::all()).await.with("user-agent", AGENT)
}

/// The same of a team that can send.
async fn sender(app: &TestApp) -> Client {
    app.add_adapter("Mail").await;
    program(app).await
}

/// The smallest message, with `change` in it.
fn mail(change: Value) -> Value {
    let mut body = json!({
        "from": "Acme <onboarding@resend.dev>", "to": ["delivered@resend.dev"], "subject": "Hello World", "text": "Hi",
    });
    body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    body
}

/// A sample without its line breaks and indents.
fn compact(sample: &str) -> String {
    let mut is_quoted = false;
    let keep = |letter: &char| {
        is_quoted ^= *letter == '"';
        is_quoted || !letter.is_whitespace()
    };
    sample.chars().filter(keep).collect()
}

#[track_caller]
fn id_of(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.json()["id"].as_str().unwrap().to_owned()
}

/// The ids of a page, and whether there are more.
#[track_caller]
fn page_of(answer: &Answer) -> (Vec<String>, bool) {
    let json = answer.json();
    assert_eq!((answer.status, json["object"].as_str()), (200, Some("list")), "{}", answer.text);
    let id = |row: &Value| row["id"].as_str().unwrap().to_owned();
    (json["data"].as_array().unwrap().iter().map(id).collect(), json["has_more"].as_bool().unwrap())
}

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, name: &str) {
    let json = answer.json();
    let matches = answer.status == status && json["name"] == name && json["statusCode"] == status;
    assert!(matches, "expected {status} {name}, found {} {}", answer.status, answer.text);
    assert_eq!(field_order(&answer.text), ERROR_FIELDS);
    assert!(!json["message"].as_str().unwrap().is_empty());
    assert_eq!(answer.headers["content-type"], "application/json");
}

async fn count(app: &TestApp) -> usize {
    page_of(&program(app).await.get("/resend/emails?limit=100").await).0.len()
}

/// The newest request with this method and path.
async fn logged(client: &Client, method: &str, endpoint: &str) -> Value {
    let listed = client.get("/resend/logs?limit=100").await.json();
    let rows = listed["data"].as_array().unwrap();
    let row = rows.iter().find(|row| row["method"] == method && row["endpoint"] == endpoint);
    let id = row.unwrap_or_else(|| panic!("no {method} {endpoint}: {listed}"))["id"].as_str().unwrap();
    client.get(&format!("/resend/logs/{id}")).await.json()
}

on_both_databases! {
    async fn the_log_is_the_specifications_samples(app: TestApp) {
        let arrived = at("2026-03-30T13:43:54.622865Z");
        let body = |text: &str| LoggedBody { text: Some(text.to_owned()), truncated: false };
        let row = |sequence: i64| ApiRequest {
            id: ApiRequestId(lowest_id_at(arrived) + sequence),
            team_id: app.team,
            api_key_id: None,
            user_id: None,
            method: "POST".to_owned(),
            endpoint: "/resend/emails".to_owned(),
            response_status: 200,
            user_agent: Some(AGENT.to_owned()),
            duration_ms: 7,
            at: arrived,
            request_body: body(
                r#"{"from":"Acme <onboarding@resend.dev>","to":["delivered@resend.dev"],"subject":"Hello World"}"#,
            ),
            response_body: body(r#"{"id":"4ef9a417-02e9-4d39-ad75-9611e0fcc33c"}"#),
        };
        let rows = [row(1), row(2)];
        app.store().insert_api_requests(&rows).await.unwrap();
        let (client, id) = (program(&app).await, rows[1].id.to_uuid());
        let list = client.get("/resend/logs?limit=1").await;
        assert_eq!((list.status, list.text.replace(&id, SAMPLE_ID)), (200, compact(LOGS)));
        let found = client.get(&format!("/resend/logs/{id}")).await;
        assert_eq!((found.status, found.text.replace(&id, SAMPLE_ID)), (200, compact(LOG)));
    }

    async fn requests_of_every_api_are_listed(app: TestApp) {
        let program = program(&app).await;
        program.get("/resend/emails?limit=5").await;
        program.get("/resend/nothing").await;
        app.program(&[Permission::LogsView]).await.get("/api/logs?page=1").await;
        let list = program.get("/resend/logs").await;
        assert_eq!(field_order(&list.text)[..9], [&["object", "has_more", "data"][..], &LOG_FIELDS].concat());
        let list = list.json();
        let rows: Vec<_> = list["data"].as_array().unwrap().iter().collect();
        let shown = |row: &Value| {
            assert_eq!(row["created_at"], "2024-01-20 12:00:00.000000+00");
            (row["endpoint"].clone(), row["response_status"].clone(), row["user_agent"].clone())
        };
        assert_eq!(
            rows.into_iter().map(shown).collect::<Vec<_>>(),
            [
                (json!("/api/logs"), json!(200), Value::Null),
                (json!("/nothing"), json!(404), json!(AGENT)),
                (json!("/emails"), json!(200), json!(AGENT)),
            ]
        );
        let theirs = app.program_of(app.other_team, PermissionSet::all()).await.with("user-agent", AGENT);
        assert_eq!(page_of(&theirs.get("/resend/logs").await).0.len(), 0);
    }

    async fn pages_go_both_ways_without_repeat_or_gap_while_requests_arrive(app: TestApp) {
        let program = program(&app).await;
        for _ in 0..30 {
            program.get("/resend/emails").await;
        }
        let (before, has_more) = page_of(&program.get("/resend/logs?limit=100").await);
        assert_eq!((before.len(), has_more), (30, false));

        // Each of these is a request itself.
        let (mut seen, mut more) = (Vec::new(), true);
        while more {
            let after = seen.last().map(|id| format!("&after={id}")).unwrap_or_default();
            let (ids, has_more) = page_of(&program.get(&format!("/resend/logs?limit=7{after}")).await);
            seen.extend(ids);
            more = has_more;
        }
        assert_eq!((&seen[..1].len(), &seen[1..]), (&1, &before[..]));

        let (mut back, mut more) = (vec![before.last().unwrap().clone()], true);
        while more {
            let (ids, has_more) = page_of(&program.get(&format!("/resend/logs?limit=7&before={}", back[0])).await);
            back.splice(0..0, ids);
            more = has_more;
        }
        let (all, _) = page_of(&program.get("/resend/logs?limit=100").await);
        let missed = all.len() - back.len();
        // The last page was asked for by the newest request of all; it is not on it.
        assert_eq!((missed, &back[..]), (1, &all[1..]));
    }

    async fn twenty_requests_are_a_page(app: TestApp) {
        let program = program(&app).await;
        for _ in 0..21 {
            program.get("/resend/emails").await;
        }
        let (ids, has_more) = page_of(&program.get("/resend/logs").await);
        assert_eq!((ids.len(), has_more), (20, true));
    }

    async fn bodies_are_json_or_text_or_nothing(app: TestApp) {
        let program = sender(&app).await;
        let content = "QUJD".repeat(100);
        let body = mail(json!({"attachments": [{"filename": "a.txt", "content": content}]}));
        let id = id_of(&program.post("/resend/emails", body).await);
        let log = logged(&program, "POST", "/emails").await;
        assert_eq!(log["object"], "log");
        assert_eq!(log["request_body"]["to"], json!(["delivered@resend.dev"]));
        assert_eq!(log["request_body"]["attachments"][0]["content"], "[400 characters of content left out]");
        assert_eq!(log["response_body"], json!({ "id": id }));

        let path = format!("/emails/{id}");
        program.get(&format!("/resend{path}")).await;
        assert_eq!(logged(&program, "GET", &path).await["request_body"], Value::Null);
        // PyPI's client sends a body with its GET.
        program.send("GET", &format!("/resend{path}"), Some("{}".to_owned())).await;
        assert_eq!(logged(&program, "GET", &path).await["request_body"], json!({}));
        program.send("POST", "/resend/emails", Some("{no json".to_owned())).await;
        assert_eq!(logged(&program, "POST", "/emails").await["request_body"], "[redacted]");

        let long = mail(json!({"text": "x".repeat(BODY_CAP_BYTES)}));
        let id = id_of(&program.post("/resend/emails", long).await);
        let cut = logged(&program, "POST", "/emails").await;
        assert_eq!(cut["request_body"].as_str().map(str::len), Some(BODY_CAP_BYTES));
        program.get(&format!("/resend/emails/{id}")).await;
        assert_eq!(logged(&program, "GET", &format!("/emails/{id}")).await["response_body"], Value::Null);
    }

    async fn no_secret_reaches_the_log(app: TestApp) {
        app.add_adapter("Mail").await;
        let created = crate::server::services::api_keys::create_key_of(&app.app, app.team, None, "K", PermissionSet::all());
        let key = created.await.unwrap().secret;
        let program = app.client().with("user-agent", AGENT).with("authorization", &format!("Bearer {key}"));
        let program = program.with("idempotency-key", "hush-hush");
        let body = mail(json!({
            "headers": {"X-Auth-Token": "hush", "X-Relay": format!("Bearer {key}")},
            "tags": [{"name": "api_key", "value": "hush"}],
        }));
        id_of(&program.post("/resend/emails", body).await);
        program.get(&format!("/resend/logs?after={key}")).await;
        let listed = program.get("/resend/logs").await.text;
        let found = logged(&program, "POST", "/emails").await.to_string();
        for secret in [key.as_str(), "hush"] {
            assert!(!listed.contains(secret) && !found.contains(secret), "{listed}{found}");
        }
    }

    async fn a_message_is_sent_and_read_back(app: TestApp) {
        let program = sender(&app).await;
        let answer = program
            .post(
                "/resend/emails",
                mail(json!({
                    "to": "Ada <ada@finch.example>",
                    "cc": ["cc@finch.example"],
                    "bcc": "bcc@finch.example",
                    "replyTo": ["help@finch.example", "Desk <desk@finch.example>"],
                    "html": "<p>Hi</p>",
                    "headers": {"X-Entity-Ref-ID": "123"},
                    "tags": [{"name": "category", "value": "confirm_email"}, {"name": "plain"}],
                    "topic_id": "b6d24b8e-af0b-4c3c-be0c-359bbd97381e",
                    "attachments": [
                        {"filename": "a.pdf", "content": [0, 255, 1]},
                        {"filename": "logo.png", "content": {"type": "Buffer", "data": [1]}, "content_id": "logo"},
                    ],
                })),
            )
            .await;
        assert_eq!((answer.status, field_order(&answer.text)), (200, vec!["id".to_owned()]));
        let id = id_of(&answer);
        let found = program.get(&format!("/resend/emails/{id}")).await;
        let expected = json!({
            "object": "email",
            "id": id,
            "message_id": null,
            "to": ["Ada <ada@finch.example>"],
            "from": "Acme <onboarding@resend.dev>",
            "created_at": "2024-01-20 12:00:00.000000+00",
            "subject": "Hello World",
            "html": "<p>Hi</p>",
            "text": "Hi",
            "bcc": ["bcc@finch.example"],
            "cc": ["cc@finch.example"],
            "reply_to": ["help@finch.example", "Desk <desk@finch.example>"],
            "last_event": "queued",
            "scheduled_at": null,
            "tags": [{"name": "category", "value": "confirm_email"}, {"name": "plain", "value": ""}],
            "topic_id": "b6d24b8e-af0b-4c3c-be0c-359bbd97381e",
        });
        assert_eq!(found.json(), expected);
        let fields = [
            "object", "id", "message_id", "to", "from", "created_at", "subject", "html", "text", "bcc", "cc", "reply_to",
            "last_event", "scheduled_at", "tags",
        ];
        assert_eq!(field_order(&found.text)[..15], fields);
        let email_id: EmailId = id.parse().unwrap();
        let email = app.store().find_email(app.team, email_id).await.unwrap().unwrap();
        assert!(email.api_request_id.is_some() && email.api_key_id.is_some());
        let content = app.store().find_email_content(app.team, email_id).await.unwrap().unwrap();
        assert_eq!(content.headers, [("X-Entity-Ref-ID".to_owned(), "123".to_owned())]);
        let attachments = app.store().list_attachments(app.team, email_id).await.unwrap();
        let of = |index: usize| (attachments[index].content_type.as_str(), attachments[index].content_id.as_deref());
        assert_eq!((of(0), of(1)), (("application/pdf", None), ("image/png", Some("logo"))));

        let list = program.get("/resend/emails").await;
        let mut row = expected;
        for left_out in ["object", "html", "text", "tags", "topic_id"] {
            row.as_object_mut().unwrap().remove(left_out);
        }
        assert_eq!(list.json(), json!({"object": "list", "has_more": false, "data": [row]}));
        // The dashboard's own API knows it by its own form of the id.
        assert_eq!(app.program(&[Permission::LogsView]).await.get(&format!("/api/logs/{id}")).await.text_of("id"), email_id.to_string());
    }

    async fn a_template_is_filled_in(app: TestApp) {
        let program = sender(&app).await;
        let template = app.add_template("Receipt").await.id.to_string();
        let body = json!({"to": "a@b.example", "template": {"id": template, "variables": {"name": "Ada"}}});
        let id = id_of(&program.post("/resend/emails", body).await);
        let found = program.get(&format!("/resend/emails/{id}")).await.json();
        assert_eq!((&found["subject"], &found["text"]), (&json!("Welcome to Our Service!"), &json!("Hello Ada")));
        // Without a template, nothing is filled in.
        let id = id_of(&program.post("/resend/emails", mail(json!({"text": "{{ name }}"}))).await);
        assert_eq!(program.get(&format!("/resend/emails/{id}")).await.json()["text"], "{{ name }}");
    }

    async fn the_list_of_messages_pages_both_ways(app: TestApp) {
        let program = program(&app).await;
        let mut ids: Vec<String> =
            app.add_messages(&vec![Message::default(); 25]).await.iter().map(|id| id.to_uuid()).collect();
        ids.reverse();
        let page = async |query: &str| page_of(&program.get(&format!("/resend/emails{query}")).await);
        assert_eq!(page("").await, (ids[..20].to_vec(), true));
        assert_eq!(page("?limit=100").await, (ids.clone(), false));
        assert_eq!(page(&format!("?limit=2&after={}", ids[1])).await, (ids[2..4].to_vec(), true));
        assert_eq!(page(&format!("?limit=2&after={}", ids[22])).await, (ids[23..].to_vec(), false));
        assert_eq!(page(&format!("?limit=2&before={}", ids[5])).await, (ids[3..5].to_vec(), true));
        assert_eq!(page(&format!("?limit=2&before={}", ids[2])).await, (ids[..2].to_vec(), false));
    }

    async fn messages_of_other_channels_are_no_emails(app: TestApp) {
        let mut historic = Message::default().historic(&app);
        historic.email = NewEmail { channel: Channel::Sms, ..historic.email };
        app.store().insert_history(app.team, std::slice::from_ref(&historic)).await.unwrap();
        let program = program(&app).await;
        assert_eq!(page_of(&program.get("/resend/emails").await), (Vec::new(), false));
        let path = format!("/resend/emails/{}", historic.email.id.to_uuid());
        assert_refused(&program.get(&path).await, 404, "not_found");
    }

    async fn last_event_is_what_became_of_it(app: TestApp) {
        let program = program(&app).await;
        let last_event = async |id: EmailId| {
            let id = id.to_uuid();
            let found = program.get(&format!("/resend/emails/{id}")).await.json()["last_event"].clone();
            let listed = program.get("/resend/emails?limit=100").await.json();
            let row = listed["data"].as_array().unwrap().iter().find(|row| row["id"] == id.as_str()).cloned();
            assert_eq!(row.unwrap()["last_event"], found);
            found.as_str().unwrap().to_owned()
        };
        let record = async |id: EmailId, kind: EventKind| {
            let event = EmailEvent {
                id: app.id_at(app.now()), kind, at: app.now(), recipient: None, detail: EventDetail::default(),
            };
            app.store().record_events(app.team, id, &[event.into()], &EmailFacts::default()).await.unwrap();
        };
        for (status, expected) in [
            (EmailStatus::Queued, "queued"),
            (EmailStatus::Sent, "sent"),
            (EmailStatus::Delivered, "delivered"),
            (EmailStatus::Opened, "opened"),
            (EmailStatus::Clicked, "clicked"),
            (EmailStatus::Bounced, "bounced"),
            (EmailStatus::Failed, "failed"),
            (EmailStatus::Spam, "complained"),
        ] {
            let id = app.add_message(Message::with_status(status)).await;
            assert_eq!(last_event(id).await, expected);
        }
        for (status, kind, expected) in [
            (EmailStatus::Queued, EventKind::Deferred, "delivery_delayed"),
            (EmailStatus::Queued, EventKind::FailedToSend, "delivery_delayed"),
            (EmailStatus::Sent, EventKind::Deferred, "delivery_delayed"),
            (EmailStatus::Queued, EventKind::Canceled, "canceled"),
            (EmailStatus::Sent, EventKind::Dropped, "failed"),
            (EmailStatus::Sent, EventKind::Uncertain, "failed"),
            (EmailStatus::Clicked, EventKind::Delivered, "clicked"),
            (EmailStatus::Opened, EventKind::Unsubscribed, "opened"),
        ] {
            let id = app.add_message(Message::with_status(status)).await;
            record(id, kind).await;
            assert_eq!(last_event(id).await, expected, "{status:?} {kind:?}");
        }
        let id = app.add_message(Message::with_status(EmailStatus::Sent)).await;
        record(id, EventKind::Deferred).await;
        record(id, EventKind::Sent).await;
        assert_eq!(last_event(id).await, "sent");
    }

    async fn a_scheduled_message_waits_is_moved_and_canceled(app: TestApp) {
        let program = sender(&app).await;
        let id = id_of(&program.post("/resend/emails", mail(json!({"scheduled_at": "in 2 hours"}))).await);
        let path = format!("/resend/emails/{id}");
        let shown = async || {
            let found = program.get(&path).await.json();
            (found["last_event"].as_str().unwrap().to_owned(), found["scheduled_at"].clone())
        };
        assert_eq!(shown().await, ("scheduled".to_owned(), json!("2024-01-20 14:00:00.000000+00")));
        assert_eq!(app.store().next_outbox_run().await.unwrap(), Some(at("2024-01-20T14:00:00Z")));
        let change = json!({"scheduled_at": "2024-01-21T08:00:00.500Z"}).to_string();
        let moved = program.send("PATCH", &path, Some(change)).await;
        assert_eq!((moved.status, moved.text.as_str()), (200, format!(r#"{{"object":"email","id":"{id}"}}"#).as_str()));
        assert_eq!(shown().await, ("scheduled".to_owned(), json!("2024-01-21 08:00:00.500000+00")));
        assert_eq!(app.store().next_outbox_run().await.unwrap(), Some(at("2024-01-21T08:00:00.500Z")));
        for (body, name) in [
            ("{}", "missing_required_field"),
            (r#"{"scheduled_at":"soon"}"#, "validation_error"),
            (r#"{"scheduled_at":"2034-01-21T08:00:00Z"}"#, "validation_error"),
            (r#"{"scheduled_at":5}"#, "validation_error"),
        ] {
            assert_refused(&program.send("PATCH", &path, Some(body.to_owned())).await, 422, name);
        }
        let cancel = format!("{path}/cancel");
        let canceled = program.send("POST", &cancel, None).await;
        assert_eq!((canceled.status, canceled.text), (200, format!(r#"{{"object":"email","id":"{id}"}}"#)));
        assert_eq!((shown().await.0.as_str(), app.store().next_outbox_run().await.unwrap()), ("canceled", None));
        assert_refused(&program.send("POST", &cancel, Some("{}".to_owned())).await, 422, "validation_error");
    }

    async fn what_has_been_sent_can_be_neither_moved_nor_canceled(app: TestApp) {
        let program = sender(&app).await;
        let id = app.add_message(Message::with_status(EmailStatus::Sent)).await.to_uuid();
        let change = json!({"scheduled_at": "in 1 hour"}).to_string();
        let moved = program.send("PATCH", &format!("/resend/emails/{id}"), Some(change)).await;
        assert_refused(&moved, 422, "validation_error");
        let canceled = program.send("POST", &format!("/resend/emails/{id}/cancel"), None).await;
        assert_refused(&canceled, 422, "validation_error");
    }

    async fn an_idempotency_key_sends_once(app: TestApp) {
        let program = sender(&app).await;
        let with = |key: &str| program.with("idempotency-key", key);
        let (body, longest) = (mail(json!({})), "k".repeat(256));
        let first = id_of(&with(&longest).post("/resend/emails", body.clone()).await);
        assert_eq!(id_of(&with(&longest).post("/resend/emails", body.clone()).await), first);
        assert_eq!(count(&app).await, 1);
        let other = with(&longest).post("/resend/emails", mail(json!({"subject": "Other"}))).await;
        assert_refused(&other, 409, "invalid_idempotent_request");
        for wrong in ["", &"k".repeat(257)] {
            let answer = with(wrong).post("/resend/emails", body.clone()).await;
            assert_refused(&answer, 400, "invalid_idempotency_key");
        }
        assert_eq!(count(&app).await, 1);
        assert_ne!(id_of(&with("another").post("/resend/emails", body.clone()).await), first);
        app.advance(TimeDelta::hours(24) - TimeDelta::microseconds(1));
        assert_eq!(id_of(&with(&longest).post("/resend/emails", body.clone()).await), first);
        app.advance(TimeDelta::microseconds(1));
        assert_ne!(id_of(&with(&longest).post("/resend/emails", body).await), first);
        assert_eq!(count(&app).await, 3);
    }

    async fn a_batch_with_an_idempotency_key_is_sent_once(app: TestApp) {
        let program = sender(&app).await.with("idempotency-key", "batch");
        let batch = json!([mail(json!({})), mail(json!({"to": "nobody"})), mail(json!({}))]);
        for validation in ["permissive", "permissive"] {
            let answer = program.with("x-batch-validation", validation).post("/resend/emails/batch", batch.clone()).await;
            assert_eq!((answer.status, answer.json()["data"].as_array().map(Vec::len)), (200, Some(2)));
            assert_eq!(answer.json()["errors"][0]["index"], 1);
        }
        let other = program.post("/resend/emails/batch", json!([mail(json!({}))])).await;
        assert_refused(&other, 409, "invalid_idempotent_request");
        // The same key for another endpoint stands for another request.
        id_of(&program.post("/resend/emails", mail(json!({}))).await);
        assert_eq!(count(&app).await, 3);
    }
}

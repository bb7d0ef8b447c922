//! `/api/v1/events`.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::*;
use crate::domain::channel::Channel;
use crate::domain::email::EmailStatus;
use crate::domain::event::{EventCause, EventKind};
use crate::domain::ids::EmailId;
use crate::domain::permission::Permission;
use crate::domain::team::Role;

const PATH: &str = "/api/v1/events";

/// A provider's word that a message of its own was delivered, with `change` in it.
fn event(id: &str, change: Value) -> Value {
    let mut body = json!({
        "id": id, "kind": "delivered", "at": "2024-01-20T10:30:05.25Z", "providerMessageId": "m1",
        "recipient": "ada@finch.example",
    });
    body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    body
}

async fn reporter(app: &TestApp) -> Client {
    app.program(&[Permission::EventsWrite, Permission::LogsView]).await
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The statuses of the answers.
#[track_caller]
fn statuses(answer: &Answer) -> Vec<String> {
    let answers = answer.data();
    answers.as_array().unwrap().iter().map(|answer| answer["status"].as_str().unwrap().to_owned()).collect()
}

on_both_databases! {
    async fn a_message_of_ours_follows_what_is_reported(app: TestApp) {
        let id = app.add_message(Message::with_status(EmailStatus::Sent)).await;
        let program = reporter(&app).await;
        let batch = json!([
            {
                "id": "e2", "kind": "clicked", "emailId": id, "at": "2024-01-20T10:31:00+00:00",
                "recipient": "user@example.com", "userAgent": "Mozilla/5.0", "ip": "192.0.2.7",
                "url": "https://finch.example/order", "country": "Lisbon, PT",
            },
            { "id": "e1", "kind": "delivered", "emailId": id.to_uuid(), "at": "2024-01-20T11:30:30+01:00",
              "reply": "250 2.0.0 Ok", "server": "mx.example.com", "serverIp": "192.0.2.9", "mx": "mx1.example.com",
              "protocol": "smtp", "message": "By the provider", "providerMessageId": "<p-1@provider.example>" },
            { "id": "e2", "kind": "clicked", "emailId": id, "at": "2024-01-20T10:31:00Z" },
            { "id": "e3", "kind": "bounced", "emailId": "eml_abc123", "at": "2024-01-20T10:31:00Z" },
        ]);
        let answer = program.post(PATH, batch.clone()).await;
        assert_eq!(answer.status, 200);
        assert_eq!(&field_order(&answer.text)[..5], ["success", "data", "id", "status", "emailId"]);
        let id_text = id.to_string();
        assert_eq!(
            answer.data(),
            json!([
                { "id": "e2", "status": "recorded", "emailId": id_text },
                { "id": "e1", "status": "recorded", "emailId": id_text },
                { "id": "e2", "status": "duplicate", "emailId": id_text },
                { "id": "e3", "status": "unknown", "emailId": null, "error": "No message of this team has this emailId" },
            ])
        );
        let log = program.get(&format!("/api/logs/{id}")).await.data();
        assert_eq!((&log["status"], &log["providerMessageId"]), (&json!("clicked"), &json!("p-1@provider.example")));
        let events = app.store().list_events(app.team, id).await.unwrap();
        let clicked = events.iter().find(|event| event.kind == EventKind::Clicked).unwrap();
        assert_eq!(clicked.detail.user_agent.as_deref(), Some("Mozilla/5.0"));
        assert_eq!((clicked.at, clicked.recipient.as_deref()), (at("2024-01-20T10:31:00Z"), Some("user@example.com")));
        let delivered = events.iter().find(|event| event.detail.message.is_some()).unwrap();
        assert_eq!((delivered.at, delivered.detail.mx.as_deref()), (at("2024-01-20T10:30:30Z"), Some("mx1.example.com")));

        // The whole batch once more: nothing changes.
        assert_eq!(statuses(&program.post(PATH, batch).await), ["duplicate", "duplicate", "duplicate", "unknown"]);
        assert_eq!(app.store().list_events(app.team, id).await.unwrap(), events);
        // The message is known by the provider's id now, with brackets or without.
        let opened = program.post(PATH, json!([event("e4", json!({"kind": "opened", "providerMessageId": "p-1@provider.example"}))])).await;
        assert_eq!(opened.data()[0]["emailId"], json!(id));
        assert_eq!(app.store().list_wrong_rollups(app.team).await, Ok(Vec::new()));
    }

    async fn a_message_of_ours_is_known_by_its_message_id(app: TestApp) {
        let id = app.add_message(Message::with_status(EmailStatus::Sent)).await;
        let name = format!("<{id}@finch.example>");
        let answer = reporter(&app).await.post(PATH, json!([event("a", json!({"providerMessageId": name}))])).await;
        assert_eq!(answer.data()[0]["emailId"], json!(id));
    }

    async fn a_message_of_somebody_else_gets_an_entry_of_its_own(app: TestApp) {
        let program = reporter(&app).await;
        let more = json!({"from": "Shop <shop@finch.example>", "subject": "Your order", "channel": "sms", "kind": "failed",
            "cause": "undelivered", "reply": "30005 Unknown\r\ndestination"});
        let answer = program.post(PATH, json!([event("a", more), event("b", json!({"kind": "deferred"}))])).await;
        assert_eq!(statuses(&answer), ["recorded", "recorded"]);
        let id: EmailId = answer.data()[0]["emailId"].as_str().unwrap().parse().unwrap();
        let email = app.store().find_email(app.team, id).await.unwrap().unwrap();
        assert_eq!((email.created_at(), email.channel), (at("2024-01-20T10:30:05.25Z"), Channel::Sms));
        assert_eq!((email.from_address.as_str(), email.subject.as_str()), ("Shop <shop@finch.example>", "Your order"));
        assert_eq!(email.error_message.as_deref(), Some("30005 Unknown  destination"));
        let events = app.store().list_events(app.team, id).await.unwrap();
        assert_eq!(events[0].detail.cause, Some(EventCause::Undelivered));
        let page = program.get("/api/logs?status=failed").await.data();
        assert_eq!((&page["total"], &page["items"][0]["toAddresses"]), (&json!(1), &json!(["ada@finch.example"])));
        // Sendlog does not have its text.
        app.sign_in(Role::Admin).await.post(&format!("/api/logs/{id}/resend"), json!({})).await.assert_error(
            400,
            "VALIDATION_ERROR",
            "Only messages that were sent by Sendlog can be resent",
        );
        assert_eq!(app.sign_in(Role::Viewer).await.get(&format!("/api/logs/{id}")).await.data()["status"], "failed");
    }

    async fn a_bounce_in_other_letters_is_about_the_same_recipient(app: TestApp) {
        app.add_adapter("Main").await;
        let to = vec!["Ada@Example.com".to_owned(), "bob@example.com".to_owned()];
        let id = app.add_message(Message { to, ..Message::with_status(EmailStatus::Queued) }).await;
        let about = |event_id: &str, kind: &str, recipient: &str| {
            event(event_id, json!({"kind": kind, "emailId": id, "providerMessageId": null, "recipient": recipient}))
        };
        let batch = json!([
            about("a", "sent", "Ada@Example.com"),
            about("b", "sent", "BOB@example.com"),
            about("c", "bounced", "ada@example.com"),
        ]);
        assert_eq!(statuses(&reporter(&app).await.post(PATH, batch).await), ["recorded"; 3]);
        let answer = app.sign_in(Role::Admin).await.post(&format!("/api/logs/{id}/resend"), json!({})).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let copy = app.store().find_email(app.team, id).await.unwrap().unwrap().resent_as[0];
        let copy = app.store().find_email(app.team, copy).await.unwrap().unwrap();
        let addresses: Vec<&str> = copy.recipients.iter().map(|to| to.address.as_str()).collect();
        assert_eq!(addresses, ["Ada@Example.com"]);
    }

    async fn a_wrong_event_does_not_stop_the_others(app: TestApp) {
        let program = reporter(&app).await;
        let long = "x".repeat(5000);
        let wrong = [
            json!(5),
            json!({}),
            json!([]),
            event("a", json!({"kind": "eaten"})),
            event("a", json!({"kind": "uncertain"})),
            event("a", json!({"kind": "canceled"})),
            event("a", json!({"at": "yesterday"})),
            event("a", json!({"at": "2024-01-20T10:30:05"})),
            event("a", json!({"at": "2024-01-20T12:10:01Z"})),
            event("a", json!({"at": 1_705_746_605})),
            event("", json!({})),
            event(&long, json!({})),
            event("a\nb", json!({})),
            event("a", json!({"providerMessageId": null})),
            event("a", json!({"providerMessageId": "<>"})),
            event("a", json!({"providerMessageId": long})),
            event("a", json!({"recipient": long})),
            event("a", json!({"reply": long})),
            event("a", json!({"subject": long})),
            event("a", json!({"channel": "pigeon"})),
            event("a", json!({"cause": "bad luck"})),
            event("a", json!({"colour": "red"})),
            event("a", json!({"reply": "a\u{0}b"})),
            event("a", json!({"at": "0001-01-01T00:00:00Z"})),
            event("a", json!({"at": "1969-12-31T23:59:59.999999Z"})),
        ];
        let mut batch = wrong.to_vec();
        batch.push(event("good", json!({"at": "2024-01-20T12:09:59Z"})));
        let answer = program.post(PATH, json!(batch)).await;
        let mut expected = vec!["invalid"; wrong.len()];
        expected.push("recorded");
        assert_eq!(statuses(&answer), expected, "{}", answer.text);
        let answers = answer.data();
        assert!(answers.as_array().unwrap()[..wrong.len()].iter().all(|answer| answer["error"].is_string()));
        assert_eq!((&answers[0]["id"], &answers[3]["id"]), (&json!(null), &json!("a")));
        let error = |place: usize| answers[place]["error"].as_str().unwrap().to_owned();
        assert!(error(3).contains("unknown variant `eaten`"), "{}", error(3));
        assert_eq!(error(8), "at is in the future");
        assert_eq!([error(wrong.len() - 2), error(wrong.len() - 1)], ["at is before 1970", "at is before 1970"]);
        assert_eq!(program.get("/api/logs").await.data()["total"], 1);
    }

    async fn a_byte_order_mark_is_no_part_of_the_first_event(app: TestApp) {
        let program = reporter(&app).await;
        let lines = format!("\u{feff}{}\n{}\n", event("a", json!({})), event("b", json!({"kind": "opened"})));
        let labelled = program.with("content-type", "application/x-ndjson");
        assert_eq!(statuses(&labelled.send("POST", PATH, Some(lines)).await), ["recorded", "recorded"]);
        let array = format!("\u{feff}{}", json!([event("c", json!({}))]));
        assert_eq!(statuses(&program.send("POST", PATH, Some(array)).await), ["recorded"]);
    }

    async fn events_come_as_lines_too_and_compressed(app: TestApp) {
        let program = reporter(&app).await;
        let lines = format!("\n{}\r\n{{\n{}\n\n", event("a", json!({})), event("b", json!({"kind": "opened"})));
        let labelled = program.with("content-type", "application/x-ndjson; charset=utf-8");
        let answer = labelled.send("POST", PATH, Some(lines.clone())).await;
        assert_eq!(statuses(&answer), ["recorded", "invalid", "recorded"]);
        assert!(answer.data()[1]["error"].as_str().unwrap().starts_with("The line is no JSON: "));

        let zipped = labelled.with("content-encoding", "gzip");
        let answer = zipped.send_bytes("POST", PATH, Some(gzip(lines.as_bytes()))).await;
        assert_eq!(statuses(&answer), ["duplicate", "invalid", "duplicate"]);
        let array = gzip(json!([event("c", json!({}))]).to_string().as_bytes());
        let answer = program.with("content-encoding", "gzip").send_bytes("POST", PATH, Some(array)).await;
        assert_eq!(statuses(&answer), ["recorded"]);
        assert_eq!(program.get("/api/logs").await.data()["total"], 1);
    }

    async fn a_body_that_cannot_be_read_is_refused_as_a_whole(app: TestApp) {
        let program = reporter(&app).await;
        for body in ["", " ", "[", "[1,]", "[] []", "{}", "null", "\"text\"", "[{\"id\": \"a\"}"] {
            let answer = program.send("POST", PATH, Some(body.to_owned())).await;
            assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (400, Some("VALIDATION_ERROR")), "{body}");
        }
        for (name, value) in [("content-type", "text/csv"), ("content-encoding", "br")] {
            let answer = program.with(name, value).send("POST", PATH, Some("[]".to_owned())).await;
            assert_eq!(answer.status, 415, "{value}");
        }
        let zipped = program.with("content-encoding", "gzip");
        assert_eq!(zipped.send("POST", PATH, Some("[]".to_owned())).await.status, 400);
        let bomb = gzip(&vec![b' '; 26 * 1024 * 1024]);
        assert!(bomb.len() < 1024 * 1024);
        let answer = zipped.send_bytes("POST", PATH, Some(bomb)).await;
        assert_eq!(answer.status, 413, "{}", answer.text);
        let many: Vec<u8> = (0..10_001).map(|_| 0).collect();
        let answer = program.post(PATH, json!(many)).await;
        answer.assert_error(400, "VALIDATION_ERROR", "A batch has at most 10000 events: send several batches");
        assert_eq!(program.send("POST", &format!("{PATH}?dry=1"), Some("[]".to_owned())).await.status, 400);
        assert_eq!(program.post(PATH, json!([])).await.data(), json!([]));
        assert_eq!(program.get("/api/logs").await.data()["total"], 0);
    }

    async fn who_may_not_report_does_not(app: TestApp) {
        let batch = json!([event("a", json!({}))]);
        let sender = app.program(&[Permission::EmailsSend]).await;
        for client in [sender, app.sign_in(Role::Member).await, app.sign_in(Role::Viewer).await] {
            client.post(PATH, batch.clone()).await.assert_error(403, "FORBIDDEN", "Missing permission: events:write");
        }
        app.client().post(PATH, batch.clone()).await.assert_error(401, "UNAUTHORIZED", "No session found");
        let id = app.add_message(Message::with_status(EmailStatus::Sent)).await;
        let theirs = app.sign_in_elsewhere().await;
        let answer = theirs.post(PATH, json!([event("a", json!({"emailId": id}))])).await;
        assert_eq!(statuses(&answer), ["unknown"]);
        assert_eq!(app.store().find_email(app.team, id).await.unwrap().unwrap().status, EmailStatus::Sent);
    }
}

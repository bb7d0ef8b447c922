//! Once means once: every endpoint that accepts messages, in every system's shape, with a key that makes its repetition
//! harmless. An endpoint that is in no table here fails the first test.

use std::collections::BTreeSet;

use axum::body::Bytes;
use chrono::TimeDelta;
use serde_json::json;

use super::matrix::dialects::{new_key, plain, posts_of_senders, with_key};
use super::matrix::native_posts_of_senders;
use super::*;
use crate::domain::api_key::CreatedApiKey;
use crate::domain::email::Accepted;
use crate::server::api::{Api, canary};
use crate::server::services::send::{self, IdempotencyKey, KeptAnswer, Origin, SendRequest};
use Api::{Jetemail, Notificationapi, Resend, Sendwithus};

/// Whose endpoint, its path, a body in which `{template}` is an id, and how many messages that makes.
type Row = (Option<Api>, &'static str, &'static str, usize);

const SENDS: [Row; 8] = [
    (None, "/api/v1/send", r#"{"templateId":"{template}","to":"a@b.example","variables":{"name":"Ada"}}"#, 1),
    (Some(Sendwithus), "/send", r#"{"email_id":"Receipt","recipient":{"address":"a@b.example"}}"#, 1),
    (
        Some(Sendwithus),
        "/batch",
        r#"[{"path":"/api/v1/send","method":"POST","body":{"email_id":"Receipt","recipient":{"address":"a@b.example"}}},
            {"path":"/api/v1/send","method":"POST","body":{"email_id":"Receipt","recipient":{"address":"a@b.example"}}}]"#,
        2,
    ),
    (Some(Resend), "/emails", r#"{"from":"a@b.example","to":"c@d.example","subject":"s","text":"t"}"#, 1),
    (
        Some(Resend),
        "/emails/batch",
        r#"[{"from":"a@b.example","to":"c@d.example","subject":"s","text":"t"},
            {"from":"a@b.example","to":"c@d.example","subject":"s","text":"t"}]"#,
        2,
    ),
    (Some(Jetemail), "/email", r#"{"from":"a@b.example","to":"c@d.example","subject":"s","text":"t"}"#, 1),
    (
        Some(Jetemail),
        "/email-batch",
        r#"{"emails":[{"from":"a@b.example","to":"c@d.example","subject":"s","text":"t"},{"to":"nobody"}]}"#,
        1,
    ),
    (
        Some(Notificationapi),
        "/{clientId}/sender",
        r#"{"type":"Receipt","to":{"id":"a","email":"a@b.example"},"parameters":{"name":"Ada"}}"#,
        1,
    ),
];

/// Whose endpoint, and two requests: each a path and a body.
type ResendRow = (Option<Api>, [(&'static str, &'static str); 2]);

/// Those that send a message again: whose, the path, a body; `{id}` is the message's. The second of each pair asks for
/// something else.
const RESENDS: [ResendRow; 2] = [
    (None, [("/api/logs/{id}/resend", ""), ("/api/logs/{id}/resend?again={id}", "")]),
    (Some(Sendwithus), [("/resend", r#"{"log_id":"{id}"}"#), ("/resend", r#"{"log_id": "{id}"}"#)]),
];

/// What asks for `emails:send` too and makes no message.
const CHANGES: [(Option<Api>, &str); 2] =
    [(Some(Resend), "/emails/{email_id}/cancel"), (Some(Notificationapi), "/{clientId}/sender/retract")];

#[test]
fn every_endpoint_that_sends_takes_an_idempotency_key() {
    let documents = Api::OTHERS.map(|dialect| (Some(dialect), dialect.routes().into_openapi()));
    for (dialect, document) in documents.into_iter().chain([(None, canary::openapi())]) {
        let document = serde_json::to_value(document).unwrap();
        let takes_key = document["paths"].as_object().unwrap().iter().filter_map(|(path, operations)| {
            let mut parameters = operations["post"]["parameters"].as_array().into_iter().flatten();
            parameters.any(|parameter| parameter["name"] == "Idempotency-Key").then(|| plain(path))
        });
        let sends = paths_of(dialect, &SENDS.map(|row| (row.0, row.1)));
        let resends = paths_of(dialect, &RESENDS.map(|(dialect, [(path, _), _])| (dialect, path)));
        // Repeating a bulk resend is tested with it.
        let bulk = paths_of(dialect, &[(None, "/api/logs/resends")]);
        assert_eq!(takes_key.collect::<BTreeSet<_>>(), &(&sends | &resends) | &bulk, "{dialect:?}");
        let posts: BTreeSet<String> = match dialect {
            Some(dialect) => posts_of_senders(dialect).into_iter().map(str::to_owned).collect(),
            None => native_posts_of_senders().into_iter().map(str::to_owned).collect(),
        };
        // A batch asks for nothing itself: each of its requests does.
        let mut known = paths_of(dialect, &CHANGES);
        known.extend(sends.into_iter().filter(|path| path != "/batch"));
        assert_eq!(posts, known, "{dialect:?}");
    }
}

fn paths_of(dialect: Option<Api>, rows: &[(Option<Api>, &str)]) -> BTreeSet<String> {
    rows.iter().filter(|row| row.0 == dialect).map(|row| plain(row.1)).collect()
}

/// A client of a row's system, with an idempotency key, and the whole path.
fn client_of(app: &TestApp, row: &Row, key: &CreatedApiKey) -> (Client, String) {
    client_at(app, row.0, row.1, key)
}

fn client_at(app: &TestApp, dialect: Option<Api>, path: &str, key: &CreatedApiKey) -> (Client, String) {
    let path = path.replace("{clientId}", &key.key.id.to_string());
    let (client, path) = match dialect {
        Some(dialect) => (with_key(app, dialect, key), format!("{}{path}", dialect.prefix())),
        None => (app.client().with("authorization", &format!("Bearer {}", key.secret)), path),
    };
    (client.with("user-agent", "once/1.0").with("idempotency-key", "order-7"), path)
}

async fn count(app: &TestApp, key: &CreatedApiKey) -> usize {
    let client = with_key(app, Resend, key).with("user-agent", "once/1.0");
    client.get("/resend/emails?limit=100").await.json()["data"].as_array().unwrap().len()
}

on_both_databases_in_parallel! {
    async fn a_repetition_is_answered_as_the_first_request_was(app: TestApp) {
        let adapter = app.add_adapter("Mail").await;
        let template = app.add_template("Receipt").await;
        let key = new_key(&app, app.team, PermissionSet::all()).await;
        let body_of = |row: &Row| row.2.replace("{template}", &template.id.to_string());
        let mut firsts = Vec::new();
        for row in &SENDS {
            let before = count(&app, &key).await;
            let (client, path) = client_of(&app, row, &key);
            let askers = (0..6).map(|_| {
                let (client, path, body) = (client.clone(), path.clone(), body_of(row));
                tokio::spawn(async move { client.send("POST", &path, Some(body)).await })
            });
            let mut answers = Vec::new();
            for asker in askers.collect::<Vec<_>>() {
                let answer = asker.await.unwrap();
                assert!((200..300).contains(&answer.status), "{path}: {} {}", answer.status, answer.text);
                answers.push((answer.status, answer.text));
            }
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{path}: {answers:?}");
            assert_eq!(count(&app, &key).await - before, row.3, "{path}");
            firsts.push(answers.remove(0));
        }
        // What the requests name goes away; what was accepted stays so.
        let (owner, sent) = (app.viewer(Role::Owner).await, count(&app, &key).await);
        templates::delete_template(&app.app, &owner, template.id).await.unwrap();
        adapters::delete_adapter(&app.app, &owner, adapter.id).await.unwrap();
        let powerless = new_key(&app, app.team, [Permission::LogsView].into_iter().collect()).await;
        for (row, first) in SENDS.iter().zip(firsts) {
            let (client, path) = client_of(&app, row, &key);
            let again = client.send("POST", &path, Some(body_of(row))).await;
            assert_eq!((again.status, &again.text), (first.0, &first.1), "{path}");
            assert_eq!(again.headers["content-type"], "application/json", "{path}");
            let other = client.send("POST", &path, Some(format!("{} ", body_of(row)))).await;
            let refused = if row.0 == Some(Sendwithus) { 400 } else { 409 };
            assert_eq!(other.status, refused, "{path}: {}", other.text);
            assert!(other.text.contains("used before"), "{path}: {}", other.text);
            // Whoever may not send learns nothing of it.
            let (client, path) = client_of(&app, row, &powerless);
            let refused = client.send("POST", &path, Some(body_of(row))).await;
            assert!(refused.text.contains("emails:send"), "{path}: {} {}", refused.status, refused.text);
        }
        assert_eq!(count(&app, &key).await, sent);
    }

    async fn a_repeated_resend_is_answered_as_the_first_was(app: TestApp) {
        app.add_adapter("Mail").await;
        let template = app.add_template("Receipt").await;
        let key = new_key(&app, app.team, PermissionSet::all()).await;
        let powerless = new_key(&app, app.team, [Permission::LogsView].into_iter().collect()).await;
        for (dialect, asked) in RESENDS {
            let made_from = Some((template.id, template.current.id));
            let failed = Message { template: made_from, ..Message::with_status(EmailStatus::Failed) };
            let id = app.add_message(failed).await.to_string();
            let [first, other] = asked.map(|(path, body)| (path.replace("{id}", &id), body.replace("{id}", &id)));
            let before = count(&app, &key).await;
            let (client, path) = client_at(&app, dialect, &first.0, &key);
            let askers = (0..6).map(|_| {
                let (client, path, body) = (client.clone(), path.clone(), first.1.clone());
                tokio::spawn(async move { client.send("POST", &path, Some(body)).await })
            });
            let mut answers = Vec::new();
            for asker in askers.collect::<Vec<_>>() {
                let answer = asker.await.unwrap();
                assert_eq!(answer.status, 200, "{path}: {}", answer.text);
                answers.push(answer.text);
            }
            app.advance(TimeDelta::minutes(2));
            answers.push(client.send("POST", &path, Some(first.1.clone())).await.text);
            assert!(answers.iter().all(|answer| *answer == answers[0]), "{path}: {answers:?}");
            assert_eq!(count(&app, &key).await - before, 1, "{path}");
            let (client, path) = client_at(&app, dialect, &other.0, &key);
            let refused = client.send("POST", &path, Some(other.1)).await;
            assert!(refused.status >= 400 && refused.text.contains("used before"), "{path}: {}", refused.text);
            let (client, path) = client_at(&app, dialect, &first.0, &powerless);
            let refused = client.send("POST", &path, Some(first.1)).await;
            assert!(refused.text.contains("logs:resend"), "{path}: {}", refused.text);
        }
    }

    async fn a_template_that_is_deleted_meanwhile_divides_no_callers(app: TestApp) {
        app.add_adapter("Mail").await;
        let key = new_key(&app, app.team, PermissionSet::all()).await;
        let owner = app.viewer(Role::Owner).await;
        let rows = [&SENDS[0], &SENDS[1], &SENDS[7]];
        for round in 0..12 {
            let row = rows[round % rows.len()];
            let template = app.add_template("Receipt").await;
            let (client, path) = client_of(&app, row, &key);
            let client = client.with("idempotency-key", &format!("order-{round}"));
            let askers = (0..5).map(|_| {
                let (client, path) = (client.clone(), path.clone());
                let body = row.2.replace("{template}", &template.id.to_string());
                tokio::spawn(async move { client.send("POST", &path, Some(body)).await })
            });
            let askers: Vec<_> = askers.collect();
            templates::delete_template(&app.app, &owner, template.id).await.unwrap();
            let mut answers = Vec::new();
            for asker in askers {
                let answer = asker.await.unwrap();
                answers.push((answer.status, answer.text));
            }
            let was_accepted = answers.iter().any(|answer| (200..300).contains(&answer.0));
            assert!(!was_accepted || answers.iter().all(|answer| *answer == answers[0]), "{path}: {answers:?}");
        }
    }

    async fn a_repetition_whose_first_was_overlooked_is_answered_as_it_was(app: TestApp) {
        app.add_adapter("Mail").await;
        let (template, owner) = (app.add_template("Receipt").await, app.viewer(Role::Owner).await);
        let send = async |variables: Value| {
            let request = SendRequest {
                to: vec!["a@b.example".to_owned()],
                template_id: Some(template.id),
                variables,
                ..SendRequest::default()
            };
            let body = Bytes::from("the same");
            let key = IdempotencyKey { endpoint: "once", key: "order-7".to_owned(), body };
            let origin = Origin { idempotency: Some(key), ..Origin::default() };
            let answer = |accepted: Accepted| Ok(KeptAnswer { status: 200, body: accepted.id.to_string() });
            send::send_email(&app.app, &owner, request, origin, answer).await
        };
        let first = send(json!({"name": "Ada"})).await.unwrap();
        // Another program looked for it before it was there: the service is called past that look.
        templates::delete_template(&app.app, &owner, template.id).await.unwrap();
        assert_eq!(send(json!({"name": "Ada"})).await, Ok(first));
    }

    async fn a_key_that_is_empty_or_too_long_is_refused(app: TestApp) {
        let key = new_key(&app, app.team, PermissionSet::all()).await;
        for row in &SENDS {
            let (client, path) = client_of(&app, row, &key);
            for wrong in ["", &"k".repeat(257)] {
                let answer = client.with("idempotency-key", wrong).send("POST", &path, Some(row.2.to_owned())).await;
                assert_eq!(answer.status, 400, "{path}: {}", answer.text);
                assert!(answer.text.contains("1 to 256 characters"), "{path}: {}", answer.text);
            }
        }
    }

    async fn a_request_that_failed_is_not_remembered(app: TestApp) {
        let key = new_key(&app, app.team, PermissionSet::all()).await;
        let mut refused = Vec::new();
        for row in SENDS.iter().filter(|row| !row.1.contains("batch")) {
            let (client, path) = client_of(&app, row, &key);
            let answer = client.send("POST", &path, Some(row.2.replace("{template}", "tpl_06xq3k9v2m4p8"))).await;
            if answer.status >= 400 {
                refused.push(row);
            }
        }
        assert!(refused.len() >= 4);
        app.add_adapter("Mail").await;
        let template = app.add_template("Receipt").await;
        for row in refused {
            let (client, path) = client_of(&app, row, &key);
            let answer = client.send("POST", &path, Some(row.2.replace("{template}", &template.id.to_string()))).await;
            assert!((200..300).contains(&answer.status), "{path}: {} {}", answer.status, answer.text);
        }
    }
}

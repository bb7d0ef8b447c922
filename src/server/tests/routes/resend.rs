//! `/api/logs/:id/resend`.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::*;
use crate::domain::email::EmailStatus;
use crate::domain::error::AppError;
use crate::domain::event::{EventDetail, EventKind};
use crate::domain::ids::EmailId;
use crate::domain::permission::Permission;
use crate::domain::team::Role;
use crate::server::services::emails;
use crate::server::store::events::EmailFacts;
use crate::server::store::outbox::Settlement;
use crate::server::tests::on_both_databases_in_parallel;
use crate::server::tests::store_contract::outbox::{event, new_email};

const RESEND: &str = include_str!("../fixtures/resend.json");
const CANNOT_RESEND: &str = include_str!("../fixtures/cannot_resend.json");
const TEMPLATE_DELETED: &str = include_str!("../fixtures/template_deleted.json");

async fn resend(client: &Client, id: &impl ToString) -> Answer {
    client.send("POST", &format!("/api/logs/{}/resend", id.to_string()), None).await
}

/// Ends what was accepted as a worker does, with one event.
async fn settle(app: &TestApp, id: EmailId, kind: EventKind) {
    take_from_outbox(app).await;
    let events = [event(app, kind, app.now())];
    app.store().record_events(app.team, id, &events, &EmailFacts::default()).await.unwrap();
}

/// Empties the outbox.
async fn take_from_outbox(app: &TestApp) {
    let now = app.now() + TimeDelta::minutes(1);
    for lease in app.store().lease_due(now, now + TimeDelta::minutes(1), 1, 10).await.unwrap() {
        assert_eq!(app.store().settle(&lease, &Settlement::default()).await, Ok(true));
    }
}

/// A message that failed, made from a template that is there, with an adapter to send it by.
async fn failed_message(app: &TestApp) -> EmailId {
    let template = app.add_template("Welcome Email").await;
    app.add_adapter("Mail").await;
    let template = Some((template.id, template.current.id));
    app.add_message(Message { template, ..Message::with_status(EmailStatus::Failed) }).await
}

on_both_databases! {
    async fn a_resend_is_the_specifications_sample(app: TestApp) {
        let id = failed_message(&app).await;
        let admin = app.sign_in(Role::Admin).await;
        let answer = resend(&admin, &id).await;
        assert_eq!(answer.status, 200);
        assert_eq!(without_ids(&answer.json()), without_ids(&serde_json::from_str::<Value>(RESEND).unwrap()));
        assert_eq!(field_order(&answer.text), field_order(RESEND));

        let again: EmailId = answer.text_of("id").parse().unwrap();
        let old = app.store().find_email(app.team, id).await.unwrap().unwrap();
        let new = app.store().find_email(app.team, again).await.unwrap().unwrap();
        assert_eq!((old.resent_as, new.resend_of), (vec![again], Some(id)));
        assert_eq!((old.subject, old.recipients), (new.subject, new.recipients));
        assert_eq!(admin.get("/api/logs").await.data()["total"], 2);
    }

    async fn a_row_says_why_a_message_failed_and_what_became_of_its_copy(app: TestApp) {
        let id = failed_message(&app).await;
        let reply = "550 5.1.1 The email account that you tried to reach does not exist.";
        let detail = EventDetail { reply: Some(reply.to_owned()), mx: Some("mx.example.com".to_owned()), ..EventDetail::default() };
        let mut bounced = event(&app, EventKind::Bounced, app.now());
        bounced.event.detail = detail;
        app.store().record_events(app.team, id, &[bounced], &EmailFacts::default()).await.unwrap();
        let admin = app.sign_in(Role::Admin).await;
        let rows = async || {
            let page = admin.get("/logs?preset=30d").await.text;
            let remarks = page.split("class=\"remark\">").skip(1);
            let text = |remark: &str| {
                let html = remark.split("</p>").next().unwrap_or_default();
                html.split('<').map(|piece| piece.rsplit('>').next().unwrap_or_default()).collect::<String>()
            };
            remarks.map(text).collect::<Vec<_>>()
        };
        assert_eq!(rows().await, ["The address does not exist"]);

        let copy: EmailId = resend(&admin, &id).await.text_of("id").parse().unwrap();
        let at = app.now().format("%H:%M").to_string();
        let origin = format!("Resend of the message of {}", id.created_at().format("%H:%M"));
        let original = format!("Resent {at}, on its way · The address does not exist");
        assert_eq!(rows().await, [origin.clone(), original.clone()]);
        let mut deferred = event(&app, EventKind::Deferred, app.now());
        deferred.event.detail.reply = Some("452 4.2.2 Mailbox full".to_owned());
        app.store().record_events(app.team, copy, &[deferred], &EmailFacts::default()).await.unwrap();
        let delayed = format!("{origin} · Delayed, again at {at}: the mailbox is full");
        assert_eq!(rows().await, [delayed, original]);
        settle(&app, copy, EventKind::Failed).await;
        let second: EmailId = resend(&admin, &copy).await.text_of("id").parse().unwrap();
        settle(&app, second, EventKind::Delivered).await;
        // The copy of a copy is one of the first message too.
        let [_, of_copy, of_first] = &rows().await[..] else { panic!("three rows have remarks") };
        assert!(of_copy.starts_with(&format!("{origin} · Resent {at}, arrived · ")), "{of_copy}");
        assert_eq!(of_first, &format!("Resent {at}, arrived · The address does not exist"));
    }

    async fn only_failed_and_bounced_messages_are_resent(app: TestApp) {
        app.add_adapter("Mail").await;
        let admin = app.sign_in(Role::Admin).await;
        for status in EmailStatus::ALL {
            let id = app.add_message(Message::with_status(status)).await;
            let answer = resend(&admin, &id).await;
            if matches!(status, EmailStatus::Failed | EmailStatus::Bounced) {
                answer.data();
            } else {
                assert_eq!(answer.status, 400);
                assert_eq!(answer.json(), serde_json::from_str::<Value>(CANNOT_RESEND).unwrap());
                assert_eq!(field_order(&answer.text), field_order(CANNOT_RESEND));
            }
        }
    }

    async fn a_message_of_a_deleted_template_is_not_resent(app: TestApp) {
        let id = failed_message(&app).await;
        let admin = app.sign_in(Role::Admin).await;
        let template = admin.get("/api/templates").await.data()[0]["id"].as_str().unwrap().to_owned();
        admin.delete(&format!("/api/templates/{template}")).await.data();
        let answer = resend(&admin, &id).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.json(), serde_json::from_str::<Value>(TEMPLATE_DELETED).unwrap());
    }

    async fn viewer_cannot_resend(app: TestApp) {
        let id = failed_message(&app).await;
        for role in [Role::Viewer, Role::Member] {
            let answer = resend(&app.sign_in(role).await, &id).await;
            answer.assert_error(403, "FORBIDDEN", "Missing permission: logs:resend");
        }
        let reader = app.program(&[Permission::LogsView]).await;
        resend(&reader, &id).await.assert_error(403, "FORBIDDEN", "Missing permission: logs:resend");
        resend(&app.client(), &id).await.assert_error(401, "UNAUTHORIZED", "No session found");
        assert_eq!(app.sign_in(Role::Viewer).await.get("/api/logs").await.data()["total"], 1);
    }

    async fn a_viewer_who_was_granted_it_resends(app: TestApp) {
        let id = failed_message(&app).await;
        let viewer = app.sign_in(Role::Viewer).await;
        app.set_grant(Role::Viewer, Permission::LogsResend, true).await;
        resend(&viewer, &id).await.data();
    }

    async fn other_teams_messages_are_not_resent(app: TestApp) {
        let theirs = app.add_messages_of(app.other_team, &[Message::with_status(EmailStatus::Failed)]).await[0];
        let owner = app.sign_in(Role::Owner).await;
        for id in [theirs.to_string(), app.id_at::<EmailId>(app.now()).to_string(), "eml_abc123".to_owned()] {
            resend(&owner, &id).await.assert_error(404, "NOT_FOUND", "Email log not found");
        }
    }

    async fn two_clicks_resend_once(app: TestApp) {
        let id = failed_message(&app).await;
        let admin = app.sign_in(Role::Admin).await;
        let again = resend(&admin, &id).await.text_of("id");
        let second = resend(&admin, &id).await;
        second.assert_error(409, "CONFLICT", &format!("It is being resent already, as {again}"));
    }

    async fn a_resend_takes_no_parameters(app: TestApp) {
        let id = failed_message(&app).await;
        let admin = app.sign_in(Role::Admin).await;
        let answer = admin.post(&format!("/api/logs/{id}/resend?force=1"), json!({})).await;
        answer.assert_invalid("force");
    }

    async fn a_copy_that_got_through_is_followed_only_on_purpose(app: TestApp) {
        let id = failed_message(&app).await;
        let admin = app.sign_in(Role::Admin).await;
        let copy: EmailId = resend(&admin, &id).await.text_of("id").parse().unwrap();
        settle(&app, copy, EventKind::Delivered).await;
        let refused = resend(&admin, &id).await;
        let told = format!("It was sent again at 2024-01-20 12:00 UTC, as {copy}, and arrived. Confirm that it is to be \
                            sent once more.");
        refused.assert_error(409, "CONFLICT", &told);
        let named = |known: String| {
            let (admin, path) = (admin.clone(), format!("/api/logs/{id}/resend?again={known}"));
            async move { admin.send("POST", &path, None).await }
        };
        named(id.to_string()).await.assert_error(409, "CONFLICT", &told);
        let (one, two) = tokio::join!(named(copy.to_string()), named(copy.to_string()));
        let mut statuses = [one.status, two.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409]);
        assert_eq!(admin.get("/api/logs").await.data()["total"], 3);
    }

    async fn a_family_is_resent_once_at_a_time(app: TestApp) {
        let id = failed_message(&app).await;
        let admin = app.sign_in(Role::Admin).await;
        let copy: EmailId = resend(&admin, &id).await.text_of("id").parse().unwrap();
        settle(&app, copy, EventKind::Bounced).await;
        let copy_of_copy: EmailId = resend(&admin, &copy).await.text_of("id").parse().unwrap();
        for of in [id, copy] {
            let told = format!("It is being resent already, as {copy_of_copy}");
            resend(&admin, &of).await.assert_error(409, "CONFLICT", &told);
        }
        settle(&app, copy_of_copy, EventKind::Uncertain).await;
        for of in [id, copy] {
            let refused = resend(&admin, &of).await;
            assert!(refused.status == 409 && refused.text.contains("what became of it is not known"), "{}", refused.text);
        }
        // The one whose outcome is unknown is resent on purpose.
        resend(&admin, &copy_of_copy).await.data();
    }

    async fn a_message_that_is_tried_again_for_some_is_not_resent(app: TestApp) {
        app.add_adapter("Mail").await;
        let admin = app.sign_in(Role::Admin).await;
        let new = new_email(&app, app.now());
        app.store().insert_email(app.team, &new).await.unwrap();
        let bounced = [event(&app, EventKind::Bounced, app.now())];
        app.store().record_events(app.team, new.id, &bounced, &EmailFacts::default()).await.unwrap();
        let told = format!("It is still being sent itself, as {}", new.id);
        resend(&admin, &new.id).await.assert_error(409, "CONFLICT", &told);
        // Nor while a worker holds it.
        let now = app.now();
        assert_eq!(app.store().lease_due(now, now + TimeDelta::minutes(1), 1, 10).await.unwrap().len(), 1);
        resend(&admin, &new.id).await.assert_error(409, "CONFLICT", &told);
    }

    async fn whom_a_copy_reached_gets_no_other(app: TestApp) {
        app.add_adapter("Mail").await;
        let admin = app.sign_in(Role::Admin).await;
        let message = Message { to: vec!["ada@a.example".into(), "bob@b.example".into()], ..Message::with_status(EmailStatus::Failed) };
        let id = app.add_message(message).await;
        let copy: EmailId = resend(&admin, &id).await.text_of("id").parse().unwrap();
        take_from_outbox(&app).await;
        let about = |kind, address: &str| {
            let mut told = event(&app, kind, app.now());
            told.event.recipient = Some(address.to_owned());
            told
        };
        let events = [about(EventKind::Sent, "bob@b.example"), about(EventKind::Bounced, "ada@a.example")];
        app.store().record_events(app.team, copy, &events, &EmailFacts::default()).await.unwrap();
        let second: EmailId = resend(&admin, &id).await.text_of("id").parse().unwrap();
        let second = app.store().find_email(app.team, second).await.unwrap().unwrap();
        let addresses: Vec<&str> = second.recipients.iter().map(|recipient| recipient.address.as_str()).collect();
        assert_eq!(addresses, ["ada@a.example"]);
    }

    async fn a_recipient_is_known_by_the_form_that_its_server_was_told(app: TestApp) {
        app.add_adapter("Mail").await;
        let admin = app.sign_in(Role::Admin).await;
        let program = app.program(&[Permission::EventsWrite]).await;
        for (bounced, told) in [
            ("jose@exämple.com", "jose@xn--exmple-cua.com"),
            ("jose@xn--exmple-cua.com", "jose@exämple.com"),
            ("a..b@example.com", "\"a..b\"@example.com"),
            ("ada@example.com", "Ada <ADA@example.com>"),
            ("ada@example.com", "rfc822; ada@example.com"),
        ] {
            let to = vec![bounced.to_owned(), "bob@b.example".to_owned()];
            let id = app.add_message(Message { to, ..Message::with_status(EmailStatus::Sent) }).await;
            let report = |kind: &str, recipient: &str| {
                json!({"id": format!("{id}-{kind}"), "kind": kind, "emailId": id, "at": "2024-01-20T10:30:05Z",
                    "recipient": recipient})
            };
            let reported = program.post("/api/v1/events", json!([report("bounced", told), report("delivered", "bob@b.example")])).await;
            assert_eq!(reported.data()[0]["status"], "recorded", "{}", reported.text);
            let copy: EmailId = resend(&admin, &id).await.text_of("id").parse().unwrap();
            let copy = app.store().find_email(app.team, copy).await.unwrap().unwrap();
            let addresses: Vec<&str> = copy.recipients.iter().map(|recipient| recipient.address.as_str()).collect();
            assert_eq!(addresses, [bounced], "told of {told}");
        }
    }

    async fn a_form_says_what_it_knows_of_earlier_copies(app: TestApp) {
        let id = failed_message(&app).await;
        let admin = app.sign_in(Role::Admin).await;
        let copy: EmailId = resend(&admin, &id).await.text_of("id").parse().unwrap();
        settle(&app, copy, EventKind::Delivered).await;
        let page = admin.get(&format!("/logs/{id}")).await.text;
        assert!(page.contains("Send this message once more?"), "{page}");
        assert!(page.contains(&format!("as {copy}, and arrived.")), "{page}");
        let form = admin
            .with("content-type", "application/x-www-form-urlencoded")
            .with("referer", &format!("http://127.0.0.1:3000/logs/{id}"))
            .with("accept", "text/html");
        let post = |body: String| {
            let form = form.clone();
            async move { form.send("POST", "/fn/resend_email", Some(body)).await }
        };
        let refused = post(format!("id={id}")).await;
        assert_eq!((refused.status, refused.headers["location"].to_str().unwrap()), (303, format!("/logs/{id}").as_str()));
        assert_eq!(admin.get("/api/logs").await.data()["total"], 2);
        let answer = post(format!("id={id}&again={copy}")).await;
        assert!((300..400).contains(&answer.status), "{} {}", answer.status, answer.text);
        assert_eq!(admin.get("/api/logs").await.data()["total"], 3);
    }
}

on_both_databases_in_parallel! {
    async fn many_at_once_resend_once(app: TestApp) {
        let id = failed_message(&app).await;
        let admin = app.sign_in(Role::Admin).await;
        let program = app.program(&[Permission::LogsResend]).await;
        let asked: Vec<_> = (0..200)
            .map(|index| {
                let client = if index % 2 == 0 { admin.clone() } else { program.clone() };
                tokio::spawn(async move { resend(&client, &id).await })
            })
            .collect();
        let mut answers = Vec::new();
        for answer in asked {
            answers.push(answer.await.unwrap());
        }
        let (accepted, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
        assert_eq!(accepted.len(), 1);
        let copy = accepted[0].text_of("id");
        for answer in refused {
            assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (409, Some("CONFLICT")));
            assert!(answer.text.contains(&copy), "{}", answer.text);
        }
        assert_eq!(admin.get("/api/logs").await.data()["total"], 2);
        assert_eq!(app.store().list_wrong_rollups(app.team).await, Ok(Vec::new()));
    }

    async fn two_programs_on_one_database_resend_once(app: TestApp) {
        let id = failed_message(&app).await;
        let admin = app.viewer(Role::Admin).await;
        let beside = app.beside().await;
        let asked: Vec<_> = (0..1000)
            .map(|index| {
                let (admin, app) = (admin.clone(), if index % 2 == 0 { app.app.clone() } else { beside.clone() });
                tokio::spawn(async move { emails::resend_email(&app, &admin, id, None).await })
            })
            .collect();
        let mut accepted = 0;
        for answer in asked {
            match answer.await.unwrap() {
                Ok(_) => accepted += 1,
                Err(error) => assert!(matches!(error, AppError::Conflict(_)), "{error:?}"),
            }
        }
        assert_eq!(accepted, 1);
        beside.store.close().await;
    }
}

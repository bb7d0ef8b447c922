//! `/api/logs/:id/resend`.

use serde_json::{Value, json};

use super::*;
use crate::domain::email::EmailStatus;
use crate::domain::ids::EmailId;
use crate::domain::permission::Permission;
use crate::domain::team::Role;

const RESEND: &str = include_str!("../fixtures/resend.json");
const CANNOT_RESEND: &str = include_str!("../fixtures/cannot_resend.json");
const TEMPLATE_DELETED: &str = include_str!("../fixtures/template_deleted.json");

async fn resend(client: &Client, id: &impl ToString) -> Answer {
    client.send("POST", &format!("/api/logs/{}/resend", id.to_string()), None).await
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
        app.store().set_role_permission(app.team, Role::Viewer, Permission::LogsResend, true, &app.event()).await.unwrap();
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
}

//! The pages of webhooks, without scripts.

use super::super::adapter_form::page_after_on;
use super::*;

const PAGE: &str = "/settings/webhooks";

async fn page(client: &Client, path: &str) -> String {
    let answer = client.with("accept", "text/html").get(path).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.text.replace("&quot;", "\"")
}

on_both_databases! {
    async fn a_webhook_is_added_tested_changed_and_removed_by_forms(app: TestApp) {
        let receiver = Receiver::start().await;
        let admin = app.sign_in(Role::Admin).await;
        assert!(page(&admin, PAGE).await.contains("No program is told yet"));
        let fields = [("name", "Orders"), ("url", "http://10.0.0.1:x/"), ("shape", "sendlog")];
        let refused = page_after_on(&admin, PAGE, "create_webhook", &fields).await;
        assert!(refused.contains("Write the whole address") && refused.contains("Orders"), "{refused}");
        let url = format!("{}/200", receiver.url);
        let fields = [("name", "Orders"), ("url", &*url), ("shape", "sendlog"), ("kinds[]", "bounced"), ("kinds[]", "opened")];
        let made = page_after_on(&admin, PAGE, "create_webhook", &fields).await;
        assert!(made.contains("Webhook “Orders” added.") && made.contains("whsec_") && made.contains(&url), "{made}");
        let webhook = app.store().list_outgoing_webhooks(app.team).await.unwrap().remove(0);
        assert_eq!(webhook.kinds, [EventKind::Opened, EventKind::Bounced]);
        let (id, at) = (webhook.id.to_string(), format!("{PAGE}/{}", webhook.id));

        let tested = page_after_on(&admin, &at, "test_webhook", &[("id", &id)]).await;
        assert!(tested.contains("The test is on its way.") && tested.contains("waiting to be posted"), "{tested}");
        teller(&app.app).tell_due().await.unwrap();
        let test = deliveries(&app, webhook.id).await.remove(0);
        let shown = page(&admin, &format!("{at}/deliveries/{}", test.id)).await;
        assert!(shown.contains("This is a test of your webhook.") && shown.contains("said"), "{shown}");
        let delivery = test.id.to_string();
        let again = page_after_on(&admin, &at, "replay_delivery", &[("id", &id), ("delivery", &delivery)]).await;
        assert!(again.contains("It is posted again, with the same id."), "{again}");
        assert_eq!(teller(&app.app).tell_due().await, Ok(1));
        let span = [("id", &*id), ("from", "2024-01-20T11:00"), ("to", "2024-01-20T13:00"), ("which", "all")];
        let again = page_after_on(&admin, &at, "replay_deliveries", &span).await;
        assert!(again.contains("One delivery is posted again."), "{again}");
        let wrong = [("id", &*id), ("from", "2024-01-20T11:00"), ("to", "yesterday"), ("which", "all")];
        let wrong = page_after_on(&admin, &at, "replay_deliveries", &wrong).await;
        assert!(wrong.contains("Write day and time"), "{wrong}");

        let off = [("id", &*id), ("name", "Orders"), ("url", &*url), ("shape", "jetemail")];
        let off = page_after_on(&admin, &at, "update_webhook", &off).await;
        assert!(off.contains("Webhook “Orders” saved.") && off.contains("It is switched off"), "{off}");
        let on = page_after_on(&admin, &at, "enable_webhook", &[("id", &id)]).await;
        assert!(on.contains("Webhook “Orders” is on."), "{on}");
        let rotated = page_after_on(&admin, &at, "rotate_webhook_secret", &[("id", &id)]).await;
        assert!(rotated.contains("“Orders” has another secret."), "{rotated}");
        let gone = page_after_on(&admin, &at, "delete_webhook", &[("id", &id)]).await;
        assert!(gone.contains("Webhook “Orders” removed.") && gone.contains("No program is told yet"), "{gone}");
        let filter = crate::domain::audit::AuditFilter {
            actions: crate::domain::audit::AuditGroup::OutgoingWebhooks.actions().collect(),
            ..Default::default()
        };
        let lines = app.store().list_audit_entries(app.team, &filter, None, 20).await.unwrap();
        assert_eq!(lines.len(), 8, "{lines:?}");
        assert!(!format!("{lines:?}").contains("whsec_"));
    }

    async fn a_body_is_shown_to_those_who_see_contents_alone_and_nothing_to_another_team(app: TestApp) {
        let receiver = Receiver::start().await;
        let webhook = add(&app, &format!("{}/500,200", receiver.url)).await;
        let (email, event) = bounce(&app).await;
        teller(&app.app).tell_due().await.unwrap();
        let (of_webhook, of_delivery) =
            (format!("{PAGE}/{}", webhook.id), format!("{PAGE}/{}/deliveries/{event}", webhook.id));
        let (viewer, admin) = (app.sign_in(Role::Viewer).await, app.sign_in(Role::Admin).await);
        let body = page(&admin, &of_delivery).await;
        assert!(body.contains("email.bounced") && body.contains("\"eventId\"") && body.contains("failed, next try at"), "{body}");
        let hidden = page(&viewer, &of_delivery).await;
        assert!(hidden.contains("Hidden") && !hidden.contains("eventId"), "{hidden}");
        let listed = page(&viewer, &of_webhook).await;
        assert!(listed.contains("email.bounced") && !listed.contains("whsec_") && !listed.contains(&receiver.url), "{listed}");
        assert!(page(&viewer, PAGE).await.contains("failing since"));
        assert!(page(&viewer, &format!("{of_webhook}?show=failed")).await.contains("email.bounced"));

        let told = page(&viewer, &format!("/logs/{email}")).await;
        assert!(told.contains(&of_delivery) && told.contains("failed, next try at"), "{told}");
        app.set_grant(Role::Viewer, Permission::WebhooksView, false).await;
        let untold = page(&viewer, &format!("/logs/{email}")).await;
        assert!(!untold.contains(&of_delivery), "{untold}");
        assert_eq!(viewer.get(&of_webhook).await.status, 403);

        let stranger = app.sign_in_elsewhere().await;
        for path in [&of_webhook, &of_delivery] {
            assert_eq!(stranger.get(path).await.status, 404, "{path}");
        }
    }

    async fn a_long_log_is_read_page_by_page(app: TestApp) {
        let webhook = add(&app, "http://127.0.0.1:9/hook").await;
        let email = app.add_message(Message::default()).await;
        for _ in 0..60 {
            record(&app, email, EventKind::Deferred).await;
        }
        let viewer = app.viewer(Role::Viewer).await;
        let list = async |before| {
            webhooks::list_deliveries(&app.app, &viewer, webhook.id, DeliveryFilter::All, before, 50).await.unwrap()
        };
        let first = list(None).await;
        let second = list(first.items.last().map(|last| last.id)).await;
        assert_eq!((first.items.len(), first.has_more, second.items.len(), second.has_more), (50, true, 10, false));
        let ids: Vec<EventId> = first.items.iter().chain(&second.items).map(|one| one.id).collect();
        assert!(ids.is_sorted_by(|one, other| one > other));
        let owner = app.sign_in(Role::Owner).await;
        assert!(page(&owner, &format!("{PAGE}/{}", webhook.id)).await.contains("Older"));
    }
}

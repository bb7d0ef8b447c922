//! Receivers that are there already take our posts: those that check Standard Webhooks, and Sendlog's own for Resend and
//! JetEmail, which check by what these publish.

use base64::prelude::BASE64_STANDARD;
use ring::hmac;

use super::*;
use crate::domain::provider_webhook::WebhookProvider;
use crate::server::services::provider_webhooks;

/// What our posts may carry.
const HEADERS: [&str; 10] = [
    "content-type",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "svix-id",
    "svix-timestamp",
    "svix-signature",
    "x-webhook-id",
    "x-webhook-timestamp",
    "x-webhook-signature",
];

/// Whether one of the signatures of a post is this secret's. Source: Standard Webhooks, specification.
fn is_signed_by(received: &Received, secret: &str) -> bool {
    let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let (id, at) = (received.header("webhook-id"), received.header("webhook-timestamp"));
    let content = [format!("{id}.{at}.").as_bytes(), &received.body].concat();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    received.header("webhook-signature").split(' ').any(|signature| {
        let tag = BASE64_STANDARD.decode(signature.strip_prefix("v1,").unwrap()).unwrap();
        hmac::verify(&key, &content, &tag).is_ok()
    })
}

on_both_databases! {
    async fn a_post_is_signed_and_for_a_day_by_both_secrets(app: TestApp) {
        let receiver = Receiver::start().await;
        let (viewer, teller) = (owner(&app).await, teller(&app.app));
        let webhook = add(&app, &format!("{}/200", receiver.url)).await;
        let secret = async || webhooks::find_secrets(&app.app, &viewer, webhook.id).await.unwrap().secret;
        let first = secret().await;
        bounce(&app).await;
        teller.tell_due().await.unwrap();
        webhooks::rotate_secret(&app.app, &viewer, webhook.id).await.unwrap();
        let second = secret().await;
        bounce(&app).await;
        teller.tell_due().await.unwrap();
        app.advance(TimeDelta::hours(24));
        bounce(&app).await;
        teller.tell_due().await.unwrap();
        let signed: Vec<(bool, bool)> = receiver
            .at("200")
            .iter()
            .map(|received| (is_signed_by(received, &first), is_signed_by(received, &second)))
            .collect();
        assert_eq!(signed, [(true, false), (true, true), (false, true)]);
        let at = receiver.at("200")[2].header("webhook-timestamp").parse::<i64>().unwrap();
        assert_eq!(at, app.now().timestamp());
        let kept = app.store().every_row().await["webhooks"].join("\n");
        assert!(!kept.contains("whsec_") && !kept.contains("/200"), "{kept}");
    }

    async fn our_own_receivers_take_the_shapes_of_resend_and_jetemail(app: TestApp) {
        for (shape, provider) in [
            (WebhookShape::ResendCom, WebhookProvider::ResendCom),
            (WebhookShape::JetEmail, WebhookProvider::JetEmail),
        ] {
            let (receiver, viewer) = (Receiver::start().await, owner(&app).await);
            let ours = form(&format!("{}/200", receiver.url), shape, &[]);
            let ours = webhooks::create_webhook(&app.app, &viewer, ours).await.unwrap();
            let secret = webhooks::find_secrets(&app.app, &viewer, ours.id).await.unwrap().secret;
            let other = app.user(app.other_team, Role::Owner).await;
            let other = app.store().find_viewer(app.other_team, other).await.unwrap().unwrap();
            let theirs = provider_webhooks::create_webhook(&app.app, &other, provider, "").await.unwrap();
            provider_webhooks::update_webhook(&app.app, &other, theirs.id, "Theirs", &secret).await.unwrap();
            let address = provider_webhooks::address_of(&app.app, &other, &theirs).await.unwrap();
            let path = format!("/hooks/{}", address.split_once("/hooks/").unwrap().1);
            let kinds = [
                EventKind::Delivered, EventKind::Deferred, EventKind::Bounced, EventKind::Opened, EventKind::Clicked,
                EventKind::Dropped, EventKind::Failed, EventKind::ReportedAsSpam,
            ];
            let email = app.add_message(Message::default()).await;
            for kind in kinds {
                record(&app, email, kind).await;
            }
            teller(&app.app).tell_due().await.unwrap();
            let received = receiver.at("200");
            assert_eq!(received.len(), kinds.len());
            for post in &received {
                let hook = HEADERS.iter().fold(app.client(), |client, name| match post.headers.get(*name) {
                    Some(value) => client.with(name, value.to_str().unwrap()),
                    None => client,
                });
                let body = String::from_utf8(post.body.clone()).unwrap();
                let forged = hook.send("POST", &path, Some(body.replace("ada@", "eve@").replace("created", "Created"))).await;
                assert_eq!(forged.status, 403, "{shape:?} {}", forged.text);
                let taken = hook.send("POST", &path, Some(body)).await;
                assert!((200..300).contains(&taken.status), "{shape:?} {} {}", taken.status, taken.text);
            }
            let heard = provider_webhooks::find_webhook(&app.app, &other, theirs.id).await.unwrap();
            assert_eq!(heard.recorded, kinds.len() as i64, "{shape:?} {:?}", heard.refusals);
            webhooks::delete_webhook(&app.app, &viewer, ours.id).await.unwrap();
        }
    }
}

//! Provider webhooks that the provider sets up itself, asked with an adapter's key.

mod amazon;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::json;

use super::adapter_form::page_after_on;
use super::*;
use crate::domain::adapter::AdapterKind;
use crate::domain::audit::{AuditAction, AuditFilter};
use crate::domain::ids::WebhookId;
use crate::domain::provider_webhook::{SecretSource, WebhookProvider};
use crate::domain::team::Role;
use crate::server::services::provider_webhooks::{self, create_webhook};

/// What a provider was asked: method and path, and what came with it.
type Asked = Arc<Mutex<Vec<(String, String)>>>;

/// The key by which the stand-in for SendGrid says that it signs.
const SIGNING_KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==";

/// A server that stands for every provider's API; its address, and what it was asked. It answers as their documents say, or
/// `refuses` everything.
async fn stand_in(refuses: bool) -> (String, Asked) {
    let asked = Asked::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let seen = Arc::clone(&asked);
    let router = Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| async move {
        let line = format!("{method} {}", uri.path());
        let answer = match line.as_str() {
            "POST /v3/user/webhooks/event/settings" => json!({"id": "77a4", "url": "x"}),
            "PATCH /v3/user/webhooks/event/settings/signed/77a4" => json!({"id": "77a4", "public_key": SIGNING_KEY}),
            "GET /v5/accounts/http_signing_key" => json!({"http_signing_key": "mailgun-signs"}),
            "POST /webhooks" if headers.contains_key("authorization") => json!({"signing_secret": "whsec_c2VjcmV0"}),
            _ => json!({}),
        };
        let log_in = ["authorization", "x-postmark-server-token", "api-key"].iter().find_map(|name| headers.get(*name));
        let log_in = log_in.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
        seen.lock().unwrap().push((line, format!("{log_in} {}", String::from_utf8_lossy(&body))));
        match refuses {
            true => (StatusCode::FORBIDDEN, json!({"errors": [{"message": "access forbidden"}]}).to_string()),
            false => (StatusCode::OK, answer.to_string()),
        }
    });
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (host, asked)
}

on_both_databases! {
    async fn a_provider_sets_a_webhook_up_when_it_is_asked_with_an_adapters_key(app: TestApp) {
        let (admin, owner) = (app.sign_in(Role::Admin).await, app.viewer(Role::Owner).await);
        let (host, asked) = stand_in(false).await;
        for (provider, log_in, sent_log_in, path, requests) in [
            (WebhookProvider::SendGrid, "hush", "Bearer hush", "POST /v3/user/webhooks/event/settings", 2),
            (WebhookProvider::Postmark, "hush", "hush", "POST /webhooks", 1),
            (WebhookProvider::Mailgun, "hush", "Basic YXBpOmh1c2g=", "POST /v3/domains/example.com/webhooks", 8),
            (WebhookProvider::ResendCom, "hush", "Bearer hush", "POST /webhooks", 1),
            (WebhookProvider::Brevo, "hush", "hush", "POST /v3/webhooks", 1),
            (WebhookProvider::Mailjet, "ada:hush", "Basic YWRhOmh1c2g=", "POST /v3/REST/eventcallbackurl", 7),
            (WebhookProvider::SparkPost, "hush", "hush", "POST /api/v1/webhooks", 1),
        ] {
            asked.lock().unwrap().clear();
            let kind = provider.adapter_kind().unwrap();
            let adapter = app.add_adapter_of(kind, &format!("http://{log_in}@{host}"), provider.label()).await;
            let webhook = create_webhook(&app.app, &owner, provider, "").await.unwrap();
            let page_of = format!("/settings/provider-webhooks/{}", webhook.id);
            let shown = admin.with("accept", "text/html").get(&page_of).await.text;
            assert!(shown.contains("Connect with “"), "{provider:?}: {shown}");
            let (id, adapter) = (webhook.id.to_string(), adapter.id.to_string());
            let page = page_after_on(&admin, &page_of, "connect_provider_webhook", &[("id", &id), ("adapter", &adapter)]).await;
            assert!(page.contains(&format!("{} posts here from now on.", provider.label())), "{provider:?}: {page}");
            assert!(!page.contains("needs its secret") && !page.contains("hush"), "{provider:?}");
            let asked = asked.lock().unwrap().clone();
            assert_eq!(asked.len(), requests, "{provider:?}: {asked:?}");
            let (_, first) = asked.iter().find(|(line, _)| line == path).unwrap_or_else(|| panic!("{provider:?}: {asked:?}"));
            assert!(first.starts_with(&format!("{sent_log_in} ")), "{provider:?}: {first}");
            let whole = provider_webhooks::address_of(&app.app, &owner, &webhook).await.unwrap();
            let (before_user, after_user) = match whole.split_once('@') {
                Some((before, after)) => (before.rsplit(':').next().unwrap().to_owned(), after.to_owned()),
                None => (String::new(), whole.split_once("://").unwrap().1.to_owned()),
            };
            // The address goes there, and user and password with it where it has them.
            let sent = first.replace("%2F", "/").replace("%3A", ":");
            assert!(sent.contains(&after_user) && sent.contains(&before_user), "{provider:?}: {sent}");
            let kept = provider_webhooks::find_webhook(&app.app, &owner, webhook.id).await.unwrap();
            assert!(kept.has_secret, "{provider:?}");
            assert_eq!(before_user.is_empty(), matches!(provider.secret_source(), SecretSource::Theirs(_)), "{provider:?}");
        }
    }

    async fn a_provider_that_refuses_is_quoted_and_nothing_is_changed(app: TestApp) {
        let (admin, owner) = (app.sign_in(Role::Admin).await, app.viewer(Role::Owner).await);
        let (host, _) = stand_in(true).await;
        let adapter = app.add_adapter_of(AdapterKind::SendGrid, &format!("http://hush@{host}"), "Main").await.id.to_string();
        let webhook = create_webhook(&app.app, &owner, WebhookProvider::SendGrid, "").await.unwrap();
        let (id, page_of) = (webhook.id.to_string(), format!("/settings/provider-webhooks/{}", webhook.id));
        let page = page_after_on(&admin, &page_of, "connect_provider_webhook", &[("id", &id), ("adapter", &adapter)]).await;
        assert!(page.contains("SendGrid did not set it up: 403 Forbidden: access forbidden"), "{page}");
        assert!(page.contains("needs its secret"), "{page}");
    }

    async fn twilio_is_told_with_each_message_where_to_report(app: TestApp) {
        let (admin, owner) = (app.sign_in(Role::Admin).await, app.viewer(Role::Owner).await);
        let adapter = app.add_adapter_of(AdapterKind::Twilio, "https://AC1:hush@127.0.0.1/", "Phone").await.id.to_string();
        let webhook = create_webhook(&app.app, &owner, WebhookProvider::Twilio, "").await.unwrap();
        let (id, page_of) = (webhook.id.to_string(), format!("/settings/provider-webhooks/{}", webhook.id));
        page_after_on(&admin, &page_of, "connect_provider_webhook", &[("id", &id), ("adapter", &adapter)]).await;
        let address = provider_webhooks::address_of(&app.app, &owner, &webhook).await.unwrap();
        let form = admin.with("accept", "text/html").get(&format!("/settings/adapters?edit={adapter}")).await.text;
        assert!(form.contains(&format!("value=\"{address}\"")), "{form}");
        assert!(provider_webhooks::find_webhook(&app.app, &owner, webhook.id).await.unwrap().has_secret);
        // A key of another kind does not sign.
        let other = app.add_adapter_of(AdapterKind::Twilio, "https://SK1:hush@127.0.0.1/", "Key").await.id.to_string();
        let page = page_after_on(&admin, &page_of, "connect_provider_webhook", &[("id", &id), ("adapter", &other)]).await;
        assert!(page.contains("Twilio signs by the account’s auth token"), "{page}");
    }

    async fn vonage_is_told_with_each_message_where_to_report_and_its_secret_is_asked_for(app: TestApp) {
        let (admin, owner) = (app.sign_in(Role::Admin).await, app.viewer(Role::Owner).await);
        let adapter = app.add_adapter_of(AdapterKind::Vonage, "https://abcd1234:hush@127.0.0.1/", "Phone").await.id.to_string();
        let webhook = create_webhook(&app.app, &owner, WebhookProvider::Vonage, "").await.unwrap();
        let (id, page_of) = (webhook.id.to_string(), format!("/settings/provider-webhooks/{}", webhook.id));
        let address = provider_webhooks::address_of(&app.app, &owner, &webhook).await.unwrap();
        let filter = AuditFilter { actions: vec![AuditAction::AdapterUpdated], ..AuditFilter::default() };
        for secret in ["", "vonage-signs"] {
            let page = page_after_on(&admin, &page_of, "connect_provider_webhook", &[("id", &id), ("adapter", &adapter)]).await;
            assert!(page.contains("Vonage posts here from now on."), "{page}");
            assert_eq!(page.contains("Its secret is missing"), secret.is_empty(), "{page}");
            let form = admin.with("accept", "text/html").get(&format!("/settings/adapters?edit={adapter}")).await.text;
            assert!(form.contains(&format!("value=\"{address}\"")), "{form}");
            // The second click finds it so.
            assert_eq!(app.store().list_audit_entries(app.team, &filter, None, 9).await.unwrap().len(), 1);
            provider_webhooks::update_webhook(&app.app, &owner, webhook.id, "Vonage", "vonage-signs").await.unwrap();
        }
    }

    async fn jetemail_cannot_be_asked_with_a_key_that_sends(app: TestApp) {
        let (admin, owner) = (app.sign_in(Role::Admin).await, app.viewer(Role::Owner).await);
        app.add_adapter_of(AdapterKind::JetEmail, "https://transactional_hush@127.0.0.1/", "Jet").await;
        let webhook = create_webhook(&app.app, &owner, WebhookProvider::JetEmail, "").await.unwrap();
        let page = admin.with("accept", "text/html").get(&format!("/settings/provider-webhooks/{}", webhook.id)).await.text;
        assert!(!page.contains("Connect with “") && page.contains("copy the signing secret"), "{page}");
    }

    async fn an_adapter_of_another_provider_or_team_connects_nothing(app: TestApp) {
        let (admin, owner) = (app.sign_in(Role::Admin).await, app.viewer(Role::Owner).await);
        let (host, asked) = stand_in(false).await;
        let postmark = app.add_adapter_of(AdapterKind::Postmark, &format!("http://hush@{host}"), "Other").await.id.to_string();
        let webhook = create_webhook(&app.app, &owner, WebhookProvider::SendGrid, "").await.unwrap();
        let (id, page_of) = (webhook.id.to_string(), format!("/settings/provider-webhooks/{}", webhook.id));
        for adapter in [postmark.as_str(), "adp_0000000000007"] {
            let page = page_after_on(&admin, &page_of, "connect_provider_webhook", &[("id", &id), ("adapter", adapter)]).await;
            assert!(page.contains("needs its secret"), "{page}");
        }
        assert!(asked.lock().unwrap().is_empty());
    }
}

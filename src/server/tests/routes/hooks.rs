//! `/hooks/{provider}/{token}`: what providers post, and what somebody else posts in their name.

use std::sync::Arc;

use chrono::TimeDelta;

use super::*;
use crate::domain::email::EmailStatus;
use crate::domain::filter::EmailFilter;
use crate::domain::page::PageRequest;
use crate::domain::provider_webhook::{ProviderWebhook, RefusalReason, WebhookProvider};
use crate::domain::team::Role;
use crate::server::App;
use crate::server::services::provider_webhooks::{
    address_of, create_webhook, delete_webhook, list_webhooks, update_webhook,
};
use crate::server::tests::router;
use crate::server::tests::support::providers::{Account, Sent};
use crate::server::tests::support::sns::{self, Sns};

/// A webhook of Finch's that is set up.
struct SetUp {
    account: Account,
    webhook: ProviderWebhook,
    address: String,
}

impl SetUp {
    async fn new(app: &TestApp, provider: WebhookProvider) -> Self {
        let admin = app.viewer(Role::Admin).await;
        let account = Account::new(provider);
        let mut webhook = create_webhook(&app.app, &admin, provider, "").await.unwrap();
        if let Some(secret) = account.secret() {
            assert!(!webhook.has_secret);
            webhook = update_webhook(&app.app, &admin, webhook.id, &webhook.name, &secret).await.unwrap();
        }
        assert!(webhook.has_secret);
        let address = address_of(&app.app, &admin, &webhook).await.unwrap();
        Self { account, webhook, address }
    }

    /// The path of the address.
    fn path(&self) -> String {
        let (_, rest) = self.address.split_once("/hooks/").unwrap();
        format!("/hooks/{rest}")
    }

    fn delivered(&self, app: &TestApp, number: usize) -> Sent {
        self.account.delivered(&self.address, number, app.now())
    }

    async fn now(&self, app: &TestApp) -> ProviderWebhook {
        app.store().keep_noted().await;
        let all = list_webhooks(&app.app, &app.viewer(Role::Viewer).await).await.unwrap();
        all.into_iter().find(|webhook| webhook.id == self.webhook.id).unwrap()
    }

    async fn refusals(&self, app: &TestApp) -> Vec<(RefusalReason, i64)> {
        let mut refusals: Vec<_> =
            self.now(app).await.refusals.into_iter().map(|refused| (refused.reason, refused.times)).collect();
        refusals.sort();
        refusals
    }
}

async fn post(app: &TestApp, path: &str, sent: &Sent) -> Answer {
    let mut client = app.client();
    for (name, value) in &sent.headers {
        client.headers.append(*name, value.parse().unwrap());
    }
    client.send("POST", path, Some(sent.body.clone())).await
}

/// How many messages Finch's log has, and how many of them were delivered.
async fn log(app: &TestApp) -> (usize, usize) {
    let all = PageRequest { page: 1, page_size: 100 };
    let page = app.store().list_emails(app.team, &EmailFilter::default(), all).await.unwrap();
    let delivered = page.items.iter().filter(|row| row.status == EmailStatus::Delivered).count();
    (page.items.len(), delivered)
}

/// Those whose proof needs nobody else.
fn providers() -> impl Iterator<Item = WebhookProvider> {
    WebhookProvider::ALL.into_iter().filter(|provider| *provider != WebhookProvider::AmazonSes)
}

on_both_databases! {
    async fn what_a_provider_posts_is_recorded_once(app: TestApp) {
        for (number, provider) in providers().enumerate() {
            let hook = SetUp::new(&app, provider).await;
            let sent = hook.delivered(&app, number);
            let answer = post(&app, &hook.path(), &sent).await;
            assert_eq!((answer.status, answer.text.as_str()), (200, "recorded\n"), "{provider:?}");
            assert_eq!(log(&app).await, (number + 1, number + 1), "{provider:?}");
            let heard = hook.now(&app).await;
            assert_eq!((heard.heard_at, heard.recorded, heard.refusals.len()), (Some(app.now()), 1, 0), "{provider:?}");
            let again = post(&app, &hook.path(), &sent).await;
            assert_eq!((again.status, log(&app).await.0, hook.now(&app).await.recorded), (200, number + 1, 1), "{provider:?}");
        }
    }

    async fn nothing_that_a_provider_did_not_post_is_recorded(app: TestApp) {
        let mut tried = 0;
        for provider in providers() {
            let (hook, other) = (SetUp::new(&app, provider).await, SetUp::new(&app, provider).await);
            let signs = !hook.delivered(&app, 0).headers.iter().any(|(name, value)| {
                *name == "authorization" && value.starts_with("Basic")
            });
            let genuine = hook.delivered(&app, 0);
            let mut posts: Vec<(String, Sent)> = Vec::new();
            let mut add = |what: &str, sent: Sent| posts.push((format!("{provider:?}: {what}"), sent));
            add("by another account", other.delivered(&app, 0));
            if !genuine.headers.is_empty() {
                add("without headers", Sent { headers: Vec::new(), ..genuine.clone() });
            }
            for (name, value) in &genuine.headers {
                for wrong in ["", "x", "0", "v1,AAAA", "Basic", "Basic !!", "Bearer x", "sha256=00", "9999999999"] {
                    if *name != "content-type" {
                        add(&format!("{name}: {wrong:?}"), genuine.clone().with_header(name, wrong));
                    }
                }
                if *name != "content-type" {
                    add(&format!("{name} cut"), genuine.clone().with_header(name, &value[..value.len() / 2]));
                    let without = genuine.headers.iter().filter(|(each, _)| each != name).cloned().collect();
                    add(&format!("without {name}"), Sent { headers: without, ..genuine.clone() });
                }
            }
            if signs {
                // Mailgun signs its time and token alone.
                let first = genuine.body.find(r#""signature":"#).filter(|_| provider == WebhookProvider::Mailgun);
                for at in (first.unwrap_or_default()..genuine.body.len()).step_by(genuine.body.len() / 20) {
                    let mut body = genuine.body.clone().into_bytes();
                    body[at] = if body[at] == b'7' { b'8' } else { b'7' };
                    add(&format!("byte {at}"), Sent { body: String::from_utf8(body).unwrap(), ..genuine.clone() });
                }
            }
            let (early, late) = (app.now() - TimeDelta::days(2), app.now() + TimeDelta::minutes(6));
            if signs && provider != WebhookProvider::Twilio {
                add("stale", hook.account.delivered(&hook.address, 0, early));
                add("from the future", hook.account.delivered(&hook.address, 0, late));
            }
            for body in ["", "{", "[]x", "null", "\u{feff}{}", "a=b", "[[[[", "{\"type\":7}"] {
                add(&format!("body {body:?}"), Sent { body: body.to_owned(), headers: other.delivered(&app, 0).headers });
            }
            for (what, sent) in &posts {
                let answer = post(&app, &hook.path(), sent).await;
                assert!((400..500).contains(&answer.status), "{what}: {} {}", answer.status, answer.text);
                for secret in [hook.account.secret(), other.account.secret()].into_iter().flatten() {
                    assert!(!answer.text.contains(&secret), "{what}");
                }
            }
            tried += posts.len();
            assert_eq!(log(&app).await, (0, 0), "{provider:?}");
            let found = hook.now(&app).await;
            let refused: i64 = found.refusals.iter().map(|refused| refused.times).sum();
            assert_eq!((refused, found.heard_at, found.recorded), (posts.len() as i64, None, 0), "{provider:?}");
        }
        assert!(tried >= 300, "{tried}");
    }

    async fn amazon_is_believed_for_an_allowed_topic_and_its_own_certificate_alone(app: TestApp) {
        let hook = SetUp::new(&app, WebhookProvider::AmazonSes).await;
        let genuine = hook.delivered(&app, 0);
        let changed = |from: &str, to: &str| Sent { body: genuine.body.replace(from, to), ..genuine.clone() };
        let host = "https://sns.eu-west-1.amazonaws.com/";
        for (sent, status) in [
            (changed(":finch", ":other"), 400),
            (changed(host, "https://sns.eu-west-1.amazonaws.com.evil.example/"), 403),
            (changed(host, "http://sns.eu-west-1.amazonaws.com/"), 403),
            (changed(host, "https://sns.us-east-1.amazonaws.com/"), 403),
            (changed(host, "https://evil.example/sns.eu-west-1.amazonaws.com/"), 403),
            (changed(host, "https://sns.eu-west-1.amazonaws.com@127.0.0.1/"), 403),
            (changed(host, "https://127.0.0.1/"), 403),
            (changed(".pem", ".pem?x"), 403),
            (changed("\"SignatureVersion\":\"2\"", "\"SignatureVersion\":\"3\""), 400),
            (changed("\"Signature\":", "\"Unsigned\":"), 401),
        ] {
            let answer = post(&app, &hook.path(), &sent).await;
            assert_eq!(answer.status, status, "{}", sent.body);
        }
        assert_eq!(log(&app).await, (0, 0));
    }

    async fn amazon_is_asked_for_its_certificate_once_and_confirmed_for_an_allowed_topic_alone(app: TestApp) {
        let sns = Sns::start().await;
        let hook = SetUp::new(&app, WebhookProvider::AmazonSes).await;
        let client = Client { router: router(App { amazon: Arc::new(sns.amazon()), ..app.app.clone() }), ..app.client() };
        let post = async |sent: Sent| client.send("POST", &hook.path(), Some(sent.body)).await;
        let (host, other) = ("sns.eu-west-1.amazonaws.com", "arn:aws:sns:eu-west-1:123456789012:other");
        assert_eq!(post(sns::confirmation(other, host)).await.status, 400);
        assert_eq!(post(sns::delivered(other, "m-0")).await.status, 400);
        assert_eq!(sns.asked(), [""; 0], "nobody is asked for another topic");
        assert_eq!(post(sns::confirmation(sns::TOPIC, host)).await.status, 200);
        let confirmed = format!("{host}/?Action=ConfirmSubscription&TopicArn={}&Token=2336412f37", sns::TOPIC);
        let mut asked = vec![
            format!("{host}/SimpleNotificationService-1.pem"),
            "crt.r2m01.amazontrust.com/r2m01.cer".to_owned(),
            confirmed,
        ];
        assert_eq!(sns.asked(), asked);
        assert_eq!(post(sns::confirmation(sns::TOPIC, host)).await.text, "recorded before\n");
        asked.push(asked[2].clone());
        assert_eq!(sns.asked(), asked, "a confirmation that was not heard of is made again");
        let news = sns::delivered(sns::TOPIC, "m-1");
        let changed = Sent { body: news.body.replace("250 OK", "251 OK"), ..news.clone() };
        assert_eq!((post(changed).await.status, log(&app).await), (403, (0, 0)));
        assert_eq!((post(news.clone()).await.status, log(&app).await), (200, (1, 1)));
        assert_eq!((post(news).await.text.as_str(), log(&app).await), ("recorded before\n", (1, 1)));
        for elsewhere in ["evil.example", "127.0.0.1", "sns.eu-west-1.amazonaws.com.evil.example", "sns.us-east-1.amazonaws.com"] {
            assert!(post(sns::confirmation(sns::TOPIC, elsewhere)).await.status < 500, "{elsewhere}");
        }
        assert_eq!(sns.asked(), asked, "nobody else is asked");
    }

    async fn a_webhook_takes_nothing_until_its_secret_is_known_and_after_it_is_gone(app: TestApp) {
        let admin = app.viewer(Role::Admin).await;
        let account = Account::new(WebhookProvider::SendGrid);
        let webhook = create_webhook(&app.app, &admin, WebhookProvider::SendGrid, "Newsletter").await.unwrap();
        let address = address_of(&app.app, &admin, &webhook).await.unwrap();
        let hook = SetUp { account, webhook, address };
        let sent = hook.delivered(&app, 1);
        assert_eq!(post(&app, &hook.path(), &sent).await.status, 503);
        assert_eq!(hook.refusals(&app).await, [(RefusalReason::NotSetUp, 1)]);
        for wrong in ["x", "MF two words", "whsec_abc"] {
            let refused = update_webhook(&app.app, &admin, hook.webhook.id, "Newsletter", wrong).await.unwrap_err();
            assert!(matches!(refused, crate::domain::error::AppError::Validation { .. }), "{wrong}");
        }
        let secret = format!("{}\n{}", Account::new(WebhookProvider::SendGrid).secret().unwrap(), hook.account.secret().unwrap());
        update_webhook(&app.app, &admin, hook.webhook.id, "Newsletter", &secret).await.unwrap();
        assert_eq!(post(&app, &hook.path(), &sent).await.status, 200);
        // A name alone leaves the secret.
        update_webhook(&app.app, &admin, hook.webhook.id, "News", "").await.unwrap();
        assert_eq!(post(&app, &hook.path(), &hook.delivered(&app, 2)).await.status, 200);
        assert_eq!(log(&app).await, (2, 2));
        delete_webhook(&app.app, &admin, hook.webhook.id).await.unwrap();
        assert_eq!(post(&app, &hook.path(), &hook.delivered(&app, 3)).await.status, 404);
        assert_eq!(log(&app).await, (2, 2));
    }

    async fn an_address_is_of_its_provider_and_its_team(app: TestApp) {
        let hook = SetUp::new(&app, WebhookProvider::Postmark).await;
        let sent = hook.delivered(&app, 1);
        let token = hook.path().rsplit('/').next().unwrap().to_owned();
        for path in [
            format!("/hooks/sendgrid/{token}"),
            format!("/hooks/postmark/{token}x"),
            "/hooks/postmark/x".to_owned(),
            format!("/hooks/nobody/{token}"),
        ] {
            assert_eq!(post(&app, &path, &sent).await.status, 404, "{path}");
        }
        assert_eq!(app.client().get(&hook.path()).await.status, 405);
        let stranger = app.sign_in_elsewhere().await;
        assert_eq!(stranger.get(&format!("/settings/provider-webhooks/{}", hook.webhook.id)).await.status, 404);
        let viewer = app.sign_in(Role::Viewer).await.get(&format!("/settings/provider-webhooks/{}", hook.webhook.id)).await;
        assert!(viewer.status == 200 && !viewer.text.contains(&token), "who may not change it does not see its address");
        let admin = app.sign_in(Role::Admin).await.get(&format!("/settings/provider-webhooks/{}", hook.webhook.id)).await;
        assert!(admin.text.contains(&token));
        assert_eq!(post(&app, &hook.path(), &sent).await.status, 200);
        let page = PageRequest { page: 1, page_size: 9 };
        let elsewhere = app.store().list_emails(app.other_team, &EmailFilter::default(), page).await.unwrap();
        assert_eq!((log(&app).await.0, elsewhere.items.len()), (1, 0));
    }

    async fn a_post_that_is_too_large_is_refused_and_counted(app: TestApp) {
        let hook = SetUp::new(&app, WebhookProvider::Postmark).await;
        let sent = Sent { body: " ".repeat(5 * 1024 * 1024 + 1), ..hook.delivered(&app, 1) };
        assert_eq!(post(&app, &hook.path(), &sent).await.status, 413);
        assert_eq!(hook.refusals(&app).await, [(RefusalReason::TooLarge, 1)]);
    }

    async fn a_bad_event_spoils_no_other(app: TestApp) {
        let hook = SetUp::new(&app, WebhookProvider::Mailjet).await;
        let good: Value = serde_json::from_str(&hook.delivered(&app, 1).body).unwrap();
        let mut unknown = good[0].clone();
        unknown["MessageID"] = Value::from(77);
        unknown.as_object_mut().unwrap().remove("email");
        let body = Value::from(vec![Value::from(7), serde_json::json!({"event": "strange", "time": 1}), unknown, good[0].clone()]);
        let answer = post(&app, &hook.path(), &Sent { body: body.to_string(), ..hook.delivered(&app, 1) }).await;
        assert_eq!((answer.status, log(&app).await), (200, (1, 1)), "{}", answer.text);
        assert_eq!(hook.refusals(&app).await, [(RefusalReason::BadEvent, 2), (RefusalReason::UnknownMessage, 1)]);
    }

    async fn an_event_finds_the_message_that_sendlog_sent(app: TestApp) {
        let id = app.add_message(Message::with_status(EmailStatus::Sent)).await;
        let hook = SetUp::new(&app, WebhookProvider::SendGrid).await;
        // By the Message-ID that Sendlog wrote, where the message went to SendGrid by SMTP.
        let plain: Value = serde_json::from_str(&hook.delivered(&app, 1).body).unwrap();
        let mut event = plain[0].clone();
        event["sendlog_id"] = Value::from(id.to_string());
        let sent = hook.account.signed(&Value::from(vec![event]), app.now());
        assert_eq!(post(&app, &hook.path(), &sent).await.status, 200);
        assert_eq!(log(&app).await, (1, 1), "no entry beside it");
        // The provider's own name for it is known from now on.
        let opened = serde_json::json!([{
            "event": "open", "email": "ada@finch.example", "timestamp": app.now().timestamp(), "sg_event_id": "o-1",
            "sg_message_id": "m-1.recvd-9", "useragent": "Mozilla/5.0", "ip": "192.0.2.7",
        }]);
        assert_eq!(post(&app, &hook.path(), &hook.account.signed(&opened, app.now())).await.status, 200);
        let found = app.store().find_email(app.team, id).await.unwrap().unwrap();
        assert_eq!((found.status, log(&app).await.0), (EmailStatus::Opened, 1));
        // An id of another team's message names nothing here.
        let foreign = Message::default().historic(&app);
        app.store().insert_history(app.other_team, std::slice::from_ref(&foreign)).await.unwrap();
        let mut event = plain[0].clone();
        event["sendlog_id"] = Value::from(foreign.email.id.to_string());
        event["sg_message_id"] = Value::from("m-2.x");
        event["sg_event_id"] = Value::from("e-2");
        assert_eq!(post(&app, &hook.path(), &hook.account.signed(&Value::from(vec![event]), app.now())).await.status, 200);
        assert_eq!(log(&app).await.0, 2);
    }
}

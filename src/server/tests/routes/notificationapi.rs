//! `/notificationapi`.

mod log;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::*;
use crate::domain::adapter::{Adapter, AdapterKind};
use crate::domain::api_key::CreatedApiKey;
use crate::domain::channel::Channel;
use crate::domain::email::{Email, EmailStatus, RecipientKind};
use crate::domain::event::{EmailEvent, EventCause, EventDetail, EventKind};
use crate::domain::ids::{EmailId, NotificationId, TeamId};
use crate::domain::permission::{Permission, PermissionSet};
use crate::server::services::api_keys;
use crate::server::store::events::EmailFacts;

const SEND_AND_VIEW: [Permission; 2] = [Permission::EmailsSend, Permission::LogsView];

/// A program that speaks NotificationAPI.
struct Sdk {
    client: Client,
    id: String,
}

impl Sdk {
    async fn of(app: &TestApp, team: TeamId, scopes: &[Permission]) -> Self {
        let key = key(app, team, scopes).await;
        let id = key.key.id.to_string();
        Self { client: with_basic(&app.client(), &id, &key.secret), id }
    }

    /// With a key of Finch that may send and look.
    async fn new(app: &TestApp) -> Self {
        Self::of(app, app.team, &SEND_AND_VIEW).await
    }

    async fn request(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let path = format!("/notificationapi/{}/{path}", self.id);
        self.client.send(method, &path, body.map(|body| body.to_string())).await
    }

    async fn send(&self, body: Value) -> Answer {
        self.request("POST", "sender", Some(body)).await
    }

    /// Sends what must be accepted whole; gives the tracking id.
    #[track_caller]
    fn tracking_id(answer: &Answer) -> String {
        assert_eq!((answer.status, &answer.json()["messages"]), (200, &json!([])), "{}", answer.text);
        answer.json()["trackingId"].as_str().unwrap().to_owned()
    }

    async fn sent(&self, body: Value) -> String {
        Self::tracking_id(&self.send(body).await)
    }

    async fn query(&self, body: Value) -> Answer {
        self.request("POST", "logs/query", Some(body)).await
    }

    async fn logs(&self, body: Value) -> Vec<Value> {
        let answer = self.query(body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["logs"].as_array().unwrap().clone()
    }

    async fn log(&self, tracking_id: &str) -> Value {
        let logs = self.logs(json!({"trackingIds": [tracking_id]})).await;
        assert_eq!(logs.len(), 1, "{logs:?}");
        logs[0].clone()
    }

    /// The tracking ids of what a filter finds.
    async fn found(&self, filter: Value) -> Vec<String> {
        let logs = self.logs(filter).await;
        logs.iter().map(|log| log["trackingId"].as_str().unwrap().to_owned()).collect()
    }
}

async fn key(app: &TestApp, team: TeamId, scopes: &[Permission]) -> CreatedApiKey {
    let scopes: PermissionSet = scopes.iter().copied().collect();
    api_keys::create_key_of(&app.app, team, None, "SDK", scopes).await.unwrap()
}

fn with_basic(client: &Client, user: &str, password: &str) -> Client {
    client.with("authorization", &format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))
}

/// Passes only an error in the system's envelope whose sentence holds `part`.
#[track_caller]
fn assert_refused(answer: &Answer, status: u16, part: &str) {
    let json = answer.json();
    let (fields, message) = (json.as_object().unwrap().len(), json["messages"][0].as_str().unwrap_or_default());
    assert_eq!((answer.status, fields), (status, 1), "{}", answer.text);
    assert!(message.contains(part), "“{part}” is not in “{message}”");
    assert_eq!(answer.headers["content-type"], "application/json");
}

/// The messages of a notification, oldest first.
async fn messages(app: &TestApp, tracking_id: &str) -> Vec<Email> {
    let id: NotificationId = tracking_id.parse().unwrap();
    let ids = app.store().list_emails_of_notification(app.team, id).await.unwrap();
    app.store().find_emails(app.team, &ids).await.unwrap()
}

async fn text_of(app: &TestApp, email: &Email) -> Option<String> {
    app.store().find_email_content(app.team, email.id).await.unwrap().unwrap().text
}

/// An adapter for all channels but email.
async fn add_http_adapter(app: &TestApp) -> Adapter {
    let adapter = Adapter {
        id: app.app.clock.mint(),
        name: "Hook".to_owned(),
        kind: AdapterKind::Http,
        from_address: "Finch <a@b.example>".to_owned(),
        endpoint: "https://hooks.finch.example/".to_owned(),
        is_default: true,
        created_at: app.now(),
    };
    app.store().insert_adapter(app.team, &adapter, "sealed", &app.event()).await.unwrap();
    adapter
}

async fn record(app: &TestApp, id: EmailId, kind: EventKind, cause: Option<EventCause>) {
    let detail = EventDetail { cause, reply: Some("as reported".to_owned()), ..EventDetail::default() };
    app.advance(TimeDelta::seconds(1));
    let event = EmailEvent { id: app.app.clock.mint(), kind, at: app.now(), recipient: None, detail };
    app.store().record_events(app.team, id, &[event.into()], &EmailFacts::default()).await.unwrap();
}

/// A notification by email, with `change` in it.
fn mail(change: Value) -> Value {
    let mut body = json!({
        "type": "order_shipped",
        "to": {"id": "ada", "email": "ada@finch.example"},
        "email": {"subject": "Order {{ order }}", "html": "<p>Hello {{ name }}</p>"},
        "parameters": {"order": 7, "name": "<Ada>"},
    });
    let fields = change.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(fields);
    body
}

/// A notification by every channel.
fn by_every_channel() -> Value {
    mail(json!({
        "to": {
            "id": "ada", "email": "ada@finch.example", "number": "(500) 555-0006", "timezone": "UTC",
            "pushTokens": [{"type": "FCM", "token": "t", "device": {"device_id": "d"}}],
            "webPushTokens": [{"sub": {"endpoint": "https://push.example", "keys": {"p256dh": "p", "auth": "a"}}}],
        },
        "sms": {"message": "SMS {{ order }}"},
        "call": {"message": "Call {{ order }}"},
        "mobile_push": {"title": "Push {{ order }}", "message": "Push for {{ name }}"},
        "web_push": {"title": "Web {{ order }}", "message": "Web for {{ name }}", "url": "https://finch.example"},
        "inapp": {"title": "In-app {{ order }}", "image": "https://finch.example/a.png"},
    }))
}

on_both_databases! {
    async fn an_email_goes_out_as_its_content_and_options_say(app: TestApp) {
        app.add_adapter("Mail").await;
        let sdk = Sdk::new(&app).await;
        let answer = sdk
            .send(mail(json!({
                "subNotificationId": "express",
                "replace": {"Hello": "Welcome"},
                "options": {"email": {
                    "replyToAddresses": ["help@finch.example", "team@finch.example"],
                    "ccAddresses": ["bob@finch.example"],
                    "bccAddresses": ["eve@finch.example"],
                    "fromName": "Finch, the shop",
                    "fromAddress": "shop@finch.example",
                    "attachments": [{"filename": "a.pdf", "content": "aGVsbG8="}],
                }},
            })))
            .await;
        assert_eq!(field_order(&answer.text), ["trackingId", "messages"]);
        let tracking_id = Sdk::tracking_id(&answer);
        let notification = app.store().find_notification(app.team, tracking_id.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!((notification.kind.as_str(), notification.warnings.len()), ("order_shipped", 0));
        assert_eq!(notification.external_user_id.as_deref(), Some("ada"));
        assert!(notification.api_request_id.is_some());
        let messages = messages(&app, &tracking_id).await;
        let [email] = messages.as_slice() else { panic!("{messages:?}") };
        assert_eq!((email.channel, email.subject.as_str()), (Channel::Email, "Order 7"));
        assert_eq!(email.external_user_id.as_deref(), Some("ada"));
        assert_eq!(email.api_request_id, notification.api_request_id);
        assert!(email.api_key_id.is_some() && email.has_pdf_attachment && email.adapter_id.is_some());
        assert_eq!(email.from_address, "\"Finch, the shop\" <shop@finch.example>");
        assert_eq!(email.reply_to.as_deref(), Some("help@finch.example, team@finch.example"));
        let kinds: Vec<_> = email.recipients.iter().map(|one| (one.kind, one.address.as_str())).collect();
        let expected = [
            (RecipientKind::To, "ada@finch.example"),
            (RecipientKind::Cc, "bob@finch.example"),
            (RecipientKind::Bcc, "eve@finch.example"),
        ];
        assert_eq!(kinds, expected);
        let content = app.store().find_email_content(app.team, email.id).await.unwrap().unwrap();
        assert_eq!(content.html.as_deref(), Some("<p>Welcome &lt;Ada&gt;</p>"));
        assert_eq!(content.variables, json!({"order": 7, "name": "<Ada>"}));
        // A name alone goes before the adapter's address.
        let email = json!({"subject": "Hi", "html": "<p>Hi</p>", "senderName": "Ada", "previewText": "Look"});
        let tracking_id = sdk.sent(mail(json!({"email": email}))).await;
        let email = super::notificationapi::messages(&app, &tracking_id).await.remove(0);
        assert_eq!(email.from_address, "Ada <noreply@example.com>");
        let html = app.store().find_email_content(app.team, email.id).await.unwrap().unwrap().html.unwrap();
        assert!(html.starts_with("<div style=\"display:none") && html.ends_with(">Look</div><p>Hi</p>"), "{html}");
    }

    async fn the_older_shape_sends_alike(app: TestApp) {
        app.add_adapter("Mail").await;
        app.add_template("order_tracking").await;
        let sdk = Sdk::new(&app).await;
        let tracking_id = sdk
            .sent(json!({
                "notificationId": "order_tracking",
                "user": {"id": "spongebob", "email": "spongebob@finch.example", "number": "+15005550006"},
                "mergeTags": {"name": "Bob"},
            }))
            .await;
        let messages = messages(&app, &tracking_id).await;
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0].template_name.as_deref(), Some("order_tracking"));
        assert_eq!(text_of(&app, &messages[0]).await.as_deref(), Some("Hello Bob"));
    }

    async fn a_template_is_found_by_id_by_name_and_by_the_type(app: TestApp) {
        app.add_adapter("Mail").await;
        let (welcome, german) = (app.add_template("welcome").await, app.add_template("welcome-de").await);
        let sdk = Sdk::new(&app).await;
        let to = json!({"email": "ada@finch.example"});
        for (named, expected) in
            [(Value::Null, &welcome), (json!("welcome-de"), &german), (json!(german.id.to_string()), &german)]
        {
            let body = json!({"type": "welcome", "to": to, "parameters": {"name": "Ada"}, "templateId": named});
            let messages = messages(&app, &sdk.sent(body).await).await;
            assert_eq!(messages[0].template_id, Some(expected.id), "{named}");
            assert_eq!(messages[0].template_version_id, Some(expected.current.id));
            assert_eq!(messages[0].external_user_id.as_deref(), Some("ada@finch.example"));
        }
        // One that does not exist is replaced by that of the type, with a warning.
        let body = json!({"type": "welcome", "to": to, "parameters": {"name": "Ada"}, "templateId": "welcome-fr"});
        let answer = sdk.send(body).await;
        assert_eq!((answer.status, &answer.json()["messages"]), (202, &json!(["There is no template “welcome-fr”"])));
        assert_eq!(messages(&app, answer.json()["trackingId"].as_str().unwrap()).await.len(), 1);
        // Its text is the message of another channel that is asked for.
        let body = json!({
            "type": "welcome", "to": {"number": "+15005550006"}, "parameters": {"name": "Ada"}, "forceChannels": ["SMS"],
        });
        let messages = messages(&app, &sdk.sent(body).await).await;
        assert_eq!((messages[0].channel, messages[0].template_id), (Channel::Sms, None));
        assert_eq!(text_of(&app, &messages[0]).await.as_deref(), Some("Hello Ada"));
    }

    async fn every_channel_is_a_message_of_its_own(app: TestApp) {
        app.add_adapter("Mail").await;
        let sdk = Sdk::new(&app).await;
        let tracking_id = sdk.sent(by_every_channel()).await;
        let messages = messages(&app, &tracking_id).await;
        let mut said = Vec::new();
        for email in &messages {
            assert_eq!(email.external_user_id.as_deref(), Some("ada"));
            assert_eq!(email.waits_for_adapter, email.channel != Channel::Email);
            let text = text_of(&app, email).await.unwrap_or_default();
            said.push((email.channel, email.recipients[0].address.as_str(), email.subject.as_str(), text));
        }
        let expected = [
            (Channel::Email, "ada@finch.example", "Order 7", String::new()),
            (Channel::Sms, "+15005550006", "", "SMS 7".to_owned()),
            (Channel::Call, "+15005550006", "", "Call 7".to_owned()),
            (Channel::Push, "ada", "Push 7", "Push for <Ada>".to_owned()),
            (Channel::Push, "ada", "Web 7", "Web for <Ada>".to_owned()),
            (Channel::InApp, "ada", "In-app 7", String::new()),
        ];
        assert_eq!(said, expected);
        let web = app.store().find_email_content(app.team, messages[4].id).await.unwrap().unwrap().metadata;
        assert_eq!(web["url"], "https://finch.example");
        assert_eq!(web["webPushTokens"][0]["sub"]["keys"]["auth"], "a");
        let log = sdk.log(&tracking_id).await;
        let names: Vec<&str> =
            log["channels"].as_array().unwrap().iter().map(|one| one["channel"].as_str().unwrap()).collect();
        assert_eq!(names, ["EMAIL", "SMS", "CALL", "PUSH", "WEB_PUSH", "INAPP_WEB"]);
        assert_eq!(log["state"], "received");
    }

    async fn what_waits_for_an_adapter_is_released_when_there_is_one(app: TestApp) {
        let sdk = Sdk::new(&app).await;
        let sms = json!({"type": "code", "to": {"id": "ada", "number": "+15005550006"}, "sms": {"message": "123"}});
        let waiting = sdk.sent(sms.clone()).await;
        let log = sdk.log(&waiting).await;
        let reason = log["channels"][0]["events"][1]["reason"].as_str().unwrap();
        assert_eq!(reason, "Waits until the team has an adapter for SMS");
        let adapter = add_http_adapter(&app).await;
        app.store().give_all_waiting(app.now()).await.unwrap();
        let lease = app.store().lease_due(app.now(), app.now() + TimeDelta::minutes(1), 1, 10).await.unwrap();
        let message = messages(&app, &waiting).await.remove(0);
        assert_eq!(lease.iter().map(|lease| lease.email_id).collect::<Vec<_>>(), [message.id]);
        assert_eq!(message.adapter_id, Some(adapter.id));
        // The next one has it from the beginning.
        let next = sdk.sent(sms).await;
        let message = messages(&app, &next).await.remove(0);
        assert_eq!((message.adapter_id, message.waits_for_adapter), (Some(adapter.id), false));
        assert_eq!(message.from_address, "Finch <a@b.example>");
    }

    async fn channels_that_are_forced_are_the_only_ones(app: TestApp) {
        app.add_adapter("Mail").await;
        let sdk = Sdk::new(&app).await;
        for (forced, expected) in [
            (json!(["SMS"]), vec!["SMS"]),
            (json!(["INAPP"]), vec!["INAPP_WEB"]),
            (json!(["WEB_PUSH", "EMAIL", "EMAIL"]), vec!["EMAIL", "WEB_PUSH"]),
            (json!([]), vec!["EMAIL", "SMS", "CALL", "PUSH", "WEB_PUSH", "INAPP_WEB"]),
        ] {
            let mut body = by_every_channel();
            body["forceChannels"] = forced;
            let log = sdk.log(&sdk.sent(body).await).await;
            let names: Vec<&str> =
                log["channels"].as_array().unwrap().iter().map(|one| one["channel"].as_str().unwrap()).collect();
            assert_eq!(names, expected);
        }
    }

    async fn what_is_ignored_is_said_and_the_notification_kept(app: TestApp) {
        app.add_adapter("Mail").await;
        let sdk = Sdk::new(&app).await;
        let nothing = "There is no template named “order_shipped” and no content: nothing was sent";
        for (change, expected, channels) in [
            (json!({"to": {"id": "ada"}}), "Email was left out: the recipient has no email address", 0),
            (json!({"email": null}), nothing, 0),
            (json!({"email": null, "templateId": "none"}), "There is no template “none”", 0),
            (json!({"forceChannels": ["SMS"]}), "SMS was left out: the recipient has no number", 0),
            (json!({"forceChannels": ["PUSH"]}), "Push was left out: there is no content for it", 0),
            (json!({"sms": {"message": "a"}}), "SMS was left out: the recipient has no number", 1),
            (json!({"slack": {"text": "a"}}), "Slack was left out: there is no such channel here", 1),
            (json!({"whatsapp": {"text": "a"}}), "“whatsapp” is not known and was ignored", 1),
        ] {
            let answer = sdk.send(mail(change.clone())).await;
            assert_eq!((answer.status, answer.json()["messages"][0].as_str()), (202, Some(expected)), "{change}");
            let log = sdk.log(answer.json()["trackingId"].as_str().unwrap()).await;
            assert_eq!(log["channels"].as_array().unwrap().len(), channels, "{change}");
            assert_eq!(log["messages"], answer.json()["messages"]);
            let words: Vec<&str> =
                log["events"].as_array().unwrap().iter().map(|one| one["event"].as_str().unwrap()).collect();
            assert!(words.contains(&"Received") && words.contains(&"Ignored"), "{words:?}");
            let state = if channels == 0 { "failure" } else { "received" };
            assert_eq!(log["state"], state, "{change}");
        }
    }

    async fn wrong_input_is_400_and_nothing_is_kept(app: TestApp) {
        app.add_adapter("Mail").await;
        let sdk = Sdk::new(&app).await;
        let email = |options: Value| json!({"options": {"email": options}});
        for (change, part) in [
            (json!({"type": null}), "type"),
            (json!({"type": " "}), "type"),
            (json!({"type": "x".repeat(101)}), "type"),
            (json!({"type": "a\nb"}), "type"),
            (json!({"type": 7}), "string"),
            (json!({"to": null}), "to is required"),
            (json!({"to": {}}), "to must have"),
            (json!({"to": "ada"}), "wrong"),
            (json!({"to": {"id": "x".repeat(256), "email": "ada@finch.example"}}), "to.id"),
            (json!({"to": {"email": "nobody"}}), "email address"),
            (json!({"to": {"email": "a\nb@finch.example"}}), "line"),
            (json!({"to": {"number": "911"}, "sms": {"message": "a"}, "email": null}), "to.number"),
            (json!({"forceChannels": ["PIGEON"]}), "PIGEON"),
            (json!({"parameters": [1]}), "wrong"),
            (json!({"parameters": {}}), "has no value"),
            (json!({"email": {"subject": "a"}}), "html"),
            (json!({"email": {"subject": "a\nb", "html": "a"}}), "subject"),
            (json!({"email": {"subject": "a", "html": "{{"}}), "HTML"),
            (json!({"schedule": "tomorrow"}), "schedule"),
            (json!({"schedule": "2026-01-20T12:00:00Z"}), "366 days"),
            (json!({"subNotificationId": "x".repeat(81)}), "subNotificationId"),
            (email(json!({"ccAddresses": ["nobody"]})), "email address"),
            (email(json!({"replyToAddresses": ["nobody"]})), "email address"),
            (email(json!({"fromAddress": "nobody"})), "email address"),
            (email(json!({"attachments": [{"filename": "a", "url": "https://a.example"}]})), "base64"),
            (email(json!({"attachments": [{"filename": "a", "content": "?"}]})), "base64"),
            (email(json!({"condition": "a"})), "condition"),
        ] {
            assert_refused(&sdk.send(mail(change)).await, 400, part);
        }
        for body in ["", "{", "[]", "{\"type\": \"a\\u0000\"}"] {
            let path = format!("/notificationapi/{}/sender", sdk.id);
            assert_refused(&sdk.client.send("POST", &path, Some(body.to_owned())).await, 400, "");
        }
        assert!(sdk.logs(json!({})).await.is_empty());
        assert_eq!(app.store().next_outbox_run().await, Ok(None));
    }

    async fn a_team_without_an_email_adapter_is_told_so(app: TestApp) {
        assert_refused(&Sdk::new(&app).await.send(mail(json!({}))).await, 400, "no email adapter");
    }

    async fn who_asks_must_be_the_key_of_the_path_and_may_what_its_scopes_say(app: TestApp) {
        app.add_adapter("Mail").await;
        let sdk = Sdk::new(&app).await;
        let (other, theirs) = (key(&app, app.team, &SEND_AND_VIEW).await, key(&app, app.other_team, &SEND_AND_VIEW).await);
        let paths = |id: &str| {
            ["sender", "sender/retract", "logs/query"].map(|path| format!("/notificationapi/{id}/{path}"))
        };
        for path in paths(&sdk.id) {
            assert_refused(&app.client().post(&path, mail(json!({}))).await, 401, "No credentials");
            for (user, password) in [
                (sdk.id.as_str(), "sl_not_a_key"),
                (sdk.id.as_str(), other.secret.as_str()),
                ("key_0000000000000", theirs.secret.as_str()),
                ("", ""),
            ] {
                let answer = with_basic(&app.client(), user, password).post(&path, mail(json!({}))).await;
                assert_refused(&answer, 401, "wrong");
                assert!(answer.headers.contains_key("www-authenticate"));
            }
        }
        for id in [other.key.id.to_string(), theirs.key.id.to_string(), "key_0000000000000".to_owned(), "x".to_owned()] {
            for path in paths(&id) {
                assert_refused(&sdk.client.post(&path, mail(json!({}))).await, 403, "clientId");
            }
        }
        let (sender, viewer) = (
            Sdk::of(&app, app.team, &[Permission::EmailsSend]).await,
            Sdk::of(&app, app.team, &[Permission::LogsView]).await,
        );
        assert_refused(&viewer.send(mail(json!({}))).await, 403, "Missing permission: emails:send");
        assert_refused(&sender.query(json!({})).await, 403, "Missing permission: logs:view");
        let retract = json!({"notificationId": "a", "userId": "b"});
        assert_refused(&viewer.request("POST", "sender/retract", Some(retract)).await, 403, "emails:send");
        let path = format!("schedule/{}", sender.sent(mail(json!({}))).await);
        assert_refused(&viewer.request("DELETE", &path, None).await, 403, "emails:send");
        let later = json!({"schedule": "2024-01-21T12:00:00Z"});
        assert_refused(&viewer.request("PATCH", &path, Some(later)).await, 403, "emails:send");
        assert_eq!(viewer.logs(json!({})).await.len(), 1);
    }

    async fn what_is_not_there_is_404_and_a_wrong_method_405(app: TestApp) {
        let sdk = Sdk::new(&app).await;
        for (method, path) in [
            ("DELETE", "notifications/n/subNotifications/s"),
            ("POST", "user_preferences/ada"),
            ("POST", "users/ada"),
            ("DELETE", "schedule/nothing"),
            ("DELETE", "schedule/018d2f5c-1f00-7000-8000-0123456789ab"),
        ] {
            assert_refused(&sdk.request(method, path, None).await, 404, "not found");
        }
        for (method, path) in [("GET", "sender"), ("GET", "logs/query"), ("PUT", "schedule/x")] {
            assert_refused(&sdk.request(method, path, None).await, 405, method);
        }
        assert_refused(&sdk.request("POST", "sender?a=1", Some(mail(json!({})))).await, 400, "a");
        let large = mail(json!({"parameters": {"x": "x".repeat(25 * 1024 * 1024)}}));
        assert_refused(&sdk.send(large).await, 413, "larger");
    }
}

//! Webhooks against a web server of their own: what is posted, how it is signed, what follows from each answer, and the pages.

mod api;
mod pages;
mod receivers;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use chrono::TimeDelta;
use serde_json::json;
use tokio::net::TcpListener;

use super::*;
use crate::domain::audit::AuditAction;
use crate::domain::event::{EmailEvent, EventDetail, EventKind, NewEvent};
use crate::domain::ids::{EmailId, EventId, OutgoingWebhookId};
use crate::domain::permission::Permission;
use crate::domain::team::Role;
use crate::domain::viewer::Viewer;
use crate::domain::webhook::{DeliveryState, DisabledReason, Webhook, WebhookDelivery, WebhookShape};
use crate::server::App;
use crate::server::delivery::http::HttpSettings;
use crate::server::delivery::webhook::settings;
use crate::server::outbound::Proxies;
use crate::server::services::webhooks::worker::Teller;
use crate::server::services::webhooks::{self, DeliveryFilter, Replay, WebhookForm};
use crate::server::store::events::EmailFacts;
use crate::server::tests::on_both_databases_in_parallel;

/// What a receiver was posted.
#[derive(Clone, Debug)]
struct Received {
    path: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Received {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }
}

/// A receiver that answers as the path says: `/200`, or `/500,200` for one answer after the other.
#[derive(Clone, Default)]
struct Receiver {
    url: String,
    log: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self { url: format!("http://{}", listener.local_addr().unwrap()), ..Self::default() };
        let router = Router::new().route("/{plan}", post(take)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        receiver
    }

    fn at(&self, plan: &str) -> Vec<Received> {
        let log = self.log.lock().unwrap();
        log.iter().filter(|received| received.path == plan).cloned().collect()
    }
}

async fn take(Path(plan): Path<String>, State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> Response {
    let place = {
        let mut log = receiver.log.lock().unwrap();
        log.push(Received { path: plan.clone(), headers, body: body.to_vec() });
        log.iter().filter(|received| received.path == plan).count() - 1
    };
    let steps: Vec<&str> = plan.split(',').collect();
    match steps[place.min(steps.len() - 1)] {
        "hang" => std::future::pending().await,
        "long" => "x".repeat(100_000).into_response(),
        "302" => (StatusCode::FOUND, [(header::LOCATION, "/200")], "over there").into_response(),
        "503" => (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "7200")], "later").into_response(),
        status => (StatusCode::from_u16(status.parse().unwrap()).unwrap(), "said").into_response(),
    }
}

fn teller(app: &App) -> Teller {
    let http =
        HttpSettings { timeout: Duration::from_millis(700), proxies: Proxies::None, ..settings(app.config.outbound()) };
    Teller::with(app.clone(), http)
}

async fn owner(app: &TestApp) -> Viewer {
    app.viewer(Role::Owner).await
}

fn form(url: &str, shape: WebhookShape, kinds: &[EventKind]) -> WebhookForm {
    WebhookForm { name: String::new(), url: url.to_owned(), shape, kinds: kinds.to_vec(), is_on: true }
}

async fn add(app: &TestApp, url: &str) -> Webhook {
    webhooks::create_webhook(&app.app, &owner(app).await, form(url, WebhookShape::Sendlog, &[])).await.unwrap()
}

/// Records an event of a message.
async fn record(app: &TestApp, email: EmailId, kind: EventKind) -> EventId {
    let id = app.app.clock.mint();
    let detail = EventDetail { reply: Some("550 5.1.1 No such user".to_owned()), ..EventDetail::default() };
    let event = EmailEvent { id, kind, at: app.now(), recipient: None, detail };
    let new = NewEvent { event, provider_event_id: None };
    app.store().record_events(app.team, email, &[new], &EmailFacts::default()).await.unwrap();
    id
}

async fn bounce(app: &TestApp) -> (EmailId, EventId) {
    let email = app.add_message(Message::default()).await;
    (email, record(app, email, EventKind::Bounced).await)
}

async fn deliveries(app: &TestApp, id: OutgoingWebhookId) -> Vec<WebhookDelivery> {
    app.store().list_deliveries(app.team, id, DeliveryFilter::All, None, 100).await.unwrap()
}

async fn found(app: &TestApp, id: OutgoingWebhookId) -> Webhook {
    webhooks::find_webhook(&app.app, &owner(app).await, id).await.unwrap()
}

on_both_databases! {
    async fn what_happens_is_posted_once_and_whole(app: TestApp) {
        let receiver = Receiver::start().await;
        let webhook = add(&app, &format!("{}/200", receiver.url)).await;
        let (email, event) = bounce(&app).await;
        assert_eq!(teller(&app.app).tell_due().await, Ok(1));
        assert_eq!(teller(&app.app).tell_due().await, Ok(0));
        let [received] = &receiver.at("200")[..] else { panic!("one post") };
        assert_eq!(received.header("webhook-id"), event.to_string());
        assert_eq!(received.header("content-type"), "application/json");
        let body = received.json();
        assert_eq!((&body["type"], &body["timestamp"]), (&json!("email.bounced"), &json!("2024-01-20T12:00:00.000Z")));
        assert_eq!(body["data"]["emailId"], json!(email));
        assert_eq!(body["data"]["eventId"], json!(event));
        assert_eq!(body["data"]["detail"], json!({ "reply": "550 5.1.1 No such user" }));
        let [delivery] = &deliveries(&app, webhook.id).await[..] else { panic!("one delivery") };
        assert_eq!((delivery.state, delivery.tries, delivery.status), (DeliveryState::Delivered, 1, Some(200)));
        assert_eq!(delivery.email_id, Some(email));
        assert_eq!(found(&app, webhook.id).await.succeeded_at, Some(app.now()));
    }

    async fn what_is_accepted_and_what_is_reported_is_told_once(app: TestApp) {
        let receiver = Receiver::start().await;
        let webhook = add(&app, &format!("{}/200", receiver.url)).await;
        app.add_adapter("Mail").await;
        let template = app.add_template("Welcome").await;
        let program = app.program(&[Permission::EmailsSend, Permission::EventsWrite]).await;
        let send = json!({ "templateId": template.id, "to": "ada@example.com", "variables": { "name": "Ada" } });
        assert!(program.post("/api/v1/send", send).await.status < 300);
        let event = |id: &str, kind: &str| json!({
            "id": id, "kind": kind, "at": "2024-01-20T10:00:00Z", "providerMessageId": "m1", "recipient": "a@b.example"
        });
        let reported = json!([event("e1", "sent"), event("e2", "delivered")]);
        assert!(program.post("/api/v1/events", reported).await.status < 300);
        // Posted again, and one more.
        let again = json!([event("e1", "sent"), event("e3", "opened")]);
        assert!(program.post("/api/v1/events", again).await.status < 300);
        let kinds: Vec<String> = deliveries(&app, webhook.id).await.into_iter().map(|one| one.kind).collect();
        let (accepted, mut reported): (Vec<String>, Vec<String>) =
            kinds.into_iter().partition(|kind| ["email.queued", "email.requested"].contains(&kind.as_str()));
        reported.sort();
        assert!(!accepted.is_empty());
        assert_eq!(reported, ["email.delivered", "email.opened", "email.sent"]);
    }

    async fn a_failed_post_is_made_again_with_the_same_id(app: TestApp) {
        let receiver = Receiver::start().await;
        let webhook = add(&app, &format!("{}/500,503,200", receiver.url)).await;
        let (_, event) = bounce(&app).await;
        let teller = teller(&app.app);
        assert_eq!(teller.tell_due().await, Ok(1));
        let [delivery] = &deliveries(&app, webhook.id).await[..] else { panic!("one delivery") };
        assert_eq!((delivery.state, delivery.has_failed, delivery.status), (DeliveryState::Waiting, true, Some(500)));
        assert_eq!(found(&app, webhook.id).await.failing_since, Some(app.now()));
        assert_eq!(teller.tell_due().await, Ok(0), "not before its time");
        app.advance(TimeDelta::seconds(6));
        assert_eq!(teller.tell_due().await, Ok(1));
        // The receiver asked for two hours, and the schedule for five minutes.
        app.advance(TimeDelta::minutes(119));
        assert_eq!(teller.tell_due().await, Ok(0));
        app.advance(TimeDelta::minutes(1));
        assert_eq!(teller.tell_due().await, Ok(1));
        let received = receiver.at("500,503,200");
        assert_eq!(received.len(), 3);
        assert!(received.iter().all(|one| one.header("webhook-id") == event.to_string()));
        assert_eq!(received[0].body, received[2].body);
        assert_ne!(received[0].header("webhook-signature"), received[2].header("webhook-signature"));
        let [delivery] = &deliveries(&app, webhook.id).await[..] else { panic!("one delivery") };
        assert_eq!((delivery.state, delivery.has_failed, delivery.tries), (DeliveryState::Delivered, false, 3));
        assert_eq!(found(&app, webhook.id).await.failing_since, None);
    }

    async fn what_is_no_success_fails_and_little_of_an_answer_is_kept(app: TestApp) {
        let receiver = Receiver::start().await;
        let viewer = owner(&app).await;
        for (plan, status) in [("302", Some(302)), ("404", Some(404)), ("hang", None)] {
            let webhook = add(&app, &format!("{}/{plan}", receiver.url)).await;
            let (_, event) = bounce(&app).await;
            teller(&app.app).tell_due().await.unwrap();
            let [delivery] = &deliveries(&app, webhook.id).await[..] else { panic!("one delivery") };
            assert_eq!((delivery.state, delivery.status), (DeliveryState::Waiting, status), "{plan}");
            assert_eq!(delivery.id, event);
            webhooks::delete_webhook(&app.app, &viewer, webhook.id).await.unwrap();
        }
        assert!(receiver.at("200").is_empty(), "a redirect was followed");
        let webhook = add(&app, &format!("{}/long", receiver.url)).await;
        let (_, event) = bounce(&app).await;
        teller(&app.app).tell_due().await.unwrap();
        let detail = webhooks::find_delivery(&app.app, &viewer, webhook.id, event).await.unwrap();
        assert_eq!((detail.delivery.state, detail.answer.unwrap().len()), (DeliveryState::Delivered, 4096));
    }

    async fn gone_switches_off_at_once(app: TestApp) {
        let receiver = Receiver::start().await;
        let webhook = add(&app, &format!("{}/410", receiver.url)).await;
        bounce(&app).await;
        teller(&app.app).tell_due().await.unwrap();
        assert_eq!(found(&app, webhook.id).await.disabled, Some((app.now(), DisabledReason::Gone)));
        bounce(&app).await;
        let told = deliveries(&app, webhook.id).await;
        assert_eq!(told.iter().map(|one| one.state).collect::<Vec<_>>(), [DeliveryState::Failed]);
        let line = app.store().list_audit_entries(app.team, &Default::default(), None, 1).await.unwrap().remove(0);
        assert_eq!((line.action, line.actor.name.as_str()), (AuditAction::OutgoingWebhookDisabled, "Sendlog"));
    }

    async fn five_days_of_failure_switch_off_and_a_success_among_them_does_not(app: TestApp) {
        let receiver = Receiver::start().await;
        let fails = add(&app, &format!("{}/500", receiver.url)).await;
        let mends = add(&app, &format!("{}/500,500,200,500", receiver.url)).await;
        let teller = teller(&app.app);
        for day in 0..6 {
            assert_eq!(found(&app, fails.id).await.disabled, None, "on day {day}");
            bounce(&app).await;
            teller.tell_due().await.unwrap();
            app.advance(TimeDelta::days(1));
        }
        let switched_off = found(&app, fails.id).await.disabled;
        assert_eq!(switched_off, Some((app.now() - TimeDelta::days(1), DisabledReason::Failing)));
        assert_eq!(found(&app, mends.id).await.disabled, None);

        let viewer = owner(&app).await;
        assert!(webhooks::send_test(&app.app, &viewer, fails.id).await.is_err(), "it is off");
        webhooks::enable_webhook(&app.app, &viewer, fails.id).await.unwrap();
        let on = found(&app, fails.id).await;
        assert_eq!((on.disabled, on.failing_since), (None, None));
        let before = receiver.at("500").len();
        teller.tell_due().await.unwrap();
        assert!(receiver.at("500").len() > before, "what waited is posted");
        assert_eq!(found(&app, fails.id).await.disabled, None, "the five days begin anew");
    }

    async fn only_what_is_wanted_is_told(app: TestApp) {
        let viewer = owner(&app).await;
        let url = "http://127.0.0.1:9/hook";
        let only = form(url, WebhookShape::Sendlog, &[EventKind::Bounced, EventKind::Opened]);
        let only = webhooks::create_webhook(&app.app, &viewer, only).await.unwrap();
        let off = WebhookForm { is_on: false, ..form(url, WebhookShape::Sendlog, &[]) };
        let off = webhooks::create_webhook(&app.app, &viewer, off).await.unwrap();
        // Resend has no word for what is queued.
        let resend = webhooks::create_webhook(&app.app, &viewer, form(url, WebhookShape::ResendCom, &[])).await.unwrap();
        let email = app.add_message(Message::default()).await;
        for kind in [EventKind::Queued, EventKind::Sent, EventKind::Bounced] {
            record(&app, email, kind).await;
        }
        let kinds = async |id| deliveries(&app, id).await.into_iter().map(|one| one.kind).collect::<Vec<_>>();
        assert_eq!(kinds(only.id).await, ["email.bounced"]);
        assert_eq!(kinds(off.id).await, Vec::<String>::new());
        assert_eq!(kinds(resend.id).await, ["email.bounced", "email.sent"]);
    }

    async fn a_crash_before_the_answer_posts_again(app: TestApp) {
        let receiver = Receiver::start().await;
        let webhook = add(&app, &format!("{}/200", receiver.url)).await;
        let (_, event) = bounce(&app).await;
        let (now, share) = (app.now(), [(app.team, webhook.id, 10)]);
        let leased = app.store().lease_deliveries(now, now + TimeDelta::seconds(60), 7, &share).await.unwrap();
        assert_eq!(leased.iter().map(|lease| lease.id).collect::<Vec<_>>(), [event]);
        assert_eq!(teller(&app.app).tell_due().await, Ok(0), "somebody else has it");
        app.advance(TimeDelta::seconds(61));
        assert_eq!(teller(&app.app).tell_due().await, Ok(1));
        let [received] = &receiver.at("200")[..] else { panic!("one post") };
        assert_eq!(received.header("webhook-id"), event.to_string());
    }

    async fn a_private_address_is_refused_where_the_operator_does_not_allow_it(app: TestApp) {
        let receiver = Receiver::start().await;
        let webhook = add(&app, &format!("{}/200", receiver.url)).await;
        bounce(&app).await;
        let strict = crate::server::config::Config { allow_private_adapters: false, ..app.app.config.as_ref().clone() };
        let strict = App { config: Arc::new(strict), ..app.app.clone() };
        let refused = webhooks::create_webhook(&strict, &owner(&app).await, form(&receiver.url, WebhookShape::Sendlog, &[])).await;
        assert_eq!(refused.unwrap_err().field(), Some("url"));
        teller(&strict).tell_due().await.unwrap();
        assert!(receiver.log.lock().unwrap().is_empty());
        let [delivery] = &deliveries(&app, webhook.id).await[..] else { panic!("one delivery") };
        assert_eq!((delivery.state, delivery.status), (DeliveryState::Waiting, None));
        for wrong in ["ftp://a.example/x", "javascript:alert(1)", "a.example", "https://user:hush@a.example/", "https://"] {
            let made = webhooks::create_webhook(&app.app, &owner(&app).await, form(wrong, WebhookShape::Sendlog, &[])).await;
            assert!(made.is_err(), "{wrong}");
        }
    }

    async fn one_and_a_range_are_told_again(app: TestApp) {
        let receiver = Receiver::start().await;
        let (viewer, teller) = (owner(&app).await, teller(&app.app));
        let webhook = add(&app, &format!("{}/200,410,200", receiver.url)).await;
        let began = app.now();
        let (_, first) = bounce(&app).await;
        teller.tell_due().await.unwrap();
        app.advance(TimeDelta::hours(1));
        let (_, second) = bounce(&app).await;
        teller.tell_due().await.unwrap();
        let again = webhooks::replay(&app.app, &viewer, webhook.id, Replay::One(first)).await;
        assert!(again.is_err(), "it is switched off");
        webhooks::enable_webhook(&app.app, &viewer, webhook.id).await.unwrap();
        assert_eq!(webhooks::replay(&app.app, &viewer, webhook.id, Replay::One(first)).await, Ok(1));
        teller.tell_due().await.unwrap();
        let ids = |received: Vec<Received>| -> Vec<String> {
            received.iter().map(|one| one.header("webhook-id").to_owned()).collect()
        };
        let expected = [first, second, first].map(|id| id.to_string());
        assert_eq!(ids(receiver.at("200,410,200")), expected);
        let range = |filter, to| Replay::Range { from: began, to, filter };
        let end = app.now() + TimeDelta::minutes(1);
        let failed = range(DeliveryFilter::Failed, end);
        assert_eq!(webhooks::replay(&app.app, &viewer, webhook.id, failed).await, Ok(1));
        teller.tell_due().await.unwrap();
        assert_eq!(webhooks::replay(&app.app, &viewer, webhook.id, failed).await, Ok(0), "it arrived");
        let early = range(DeliveryFilter::All, began + TimeDelta::minutes(1));
        assert_eq!(webhooks::replay(&app.app, &viewer, webhook.id, early).await, Ok(1));
        assert_eq!(webhooks::replay(&app.app, &viewer, webhook.id, range(DeliveryFilter::All, end)).await, Ok(2));
        let nothing = webhooks::replay(&app.app, &viewer, webhook.id, Replay::One(EventId(7))).await;
        assert!(matches!(nothing, Err(crate::domain::error::AppError::NotFound(_))), "{nothing:?}");
    }
}

on_both_databases_in_parallel! {
    async fn a_slow_receiver_holds_up_no_other(app: TestApp) {
        let receiver = Receiver::start().await;
        add(&app, &format!("{}/hang", receiver.url)).await;
        let quick = add(&app, &format!("{}/200", receiver.url)).await;
        for _ in 0..12 {
            bounce(&app).await;
        }
        // It waits as long as nobody ends it.
        let outbound = app.app.config.outbound();
        let timeout = Duration::from_secs(600);
        let http = HttpSettings { timeout, proxies: Proxies::None, ..settings(outbound) };
        let teller = Teller::with(app.app.clone(), http);
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let running = tokio::spawn(teller.run(stopped));
        while deliveries(&app, quick.id).await.iter().any(|one| one.state != DeliveryState::Delivered) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let slow = receiver.at("hang").len();
        assert!(slow <= 4, "{slow} posts to one receiver at once");
        running.abort();
        drop(stop);
    }

    async fn several_workers_post_each_once(app: TestApp) {
        let receiver = Receiver::start().await;
        let webhook = add(&app, &format!("{}/200", receiver.url)).await;
        for _ in 0..30 {
            bounce(&app).await;
        }
        let (mut workers, mut stores) = (tokio::task::JoinSet::new(), Vec::new());
        for _ in 0..3 {
            let other = App { secret_key: Arc::clone(&app.app.secret_key), ..app.beside().await };
            stores.push(other.store.clone());
            let teller = teller(&other);
            workers.spawn(async move { teller.tell_due().await.unwrap() });
        }
        let made: usize = workers.join_all().await.into_iter().sum();
        for store in stores {
            store.close().await;
        }
        assert_eq!(made, 30);
        let mut ids: Vec<String> = receiver.at("200").iter().map(|one| one.header("webhook-id").to_owned()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!((ids.len(), receiver.at("200").len()), (30, 30));
        assert!(deliveries(&app, webhook.id).await.iter().all(|one| one.state == DeliveryState::Delivered));
    }
}

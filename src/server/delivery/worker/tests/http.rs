//! The worker against a web server that takes the messages of other channels than email.

use std::sync::Mutex;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::*;
use crate::domain::ids::{ApiRequestId, NotificationId};
use crate::domain::notification::Notification;
use crate::server::outbound::Proxies;
use crate::server::store::emails::Acceptance;

/// What the web server was sent.
#[derive(Clone, Debug)]
struct Received {
    query: Option<String>,
    headers: HeaderMap,
    body: Value,
}

type Log = Arc<Mutex<Vec<Received>>>;

/// Answers as the path says: `/202`, or `/429,200` for one answer after the other.
async fn take(
    Path(plan): Path<String>,
    State(log): State<Log>,
    uri: axum::http::Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let place = {
        let mut log = log.lock().unwrap();
        let body = serde_json::from_slice(&body).unwrap();
        log.push(Received { query: uri.query().map(str::to_owned), headers, body });
        log.len() - 1
    };
    let steps: Vec<&str> = plan.split(',').collect();
    match steps[place.min(steps.len() - 1)] {
        "hang" => std::future::pending().await,
        "endless" => {
            let body = axum::body::Body::from(vec![b'x'; 4 * 1024 * 1024]);
            (StatusCode::BAD_REQUEST, body).into_response()
        }
        "302" => (StatusCode::FOUND, [(header::LOCATION, "/200")], "over there").into_response(),
        "503" => (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "7200")], "later").into_response(),
        status => {
            let status: u16 = status.parse().unwrap();
            (StatusCode::from_u16(status).unwrap(), r#"{"messageId":"sms-17","note":"a\nb"}"#).into_response()
        }
    }
}

struct Web {
    bench: Bench,
    log: Log,
}

impl Web {
    /// A database whose team posts to a web server, with this between `http://` and the host, and behind the port.
    async fn start(log_in: &str, plan: &str) -> Self {
        let log = Log::default();
        let listener = tokio::net::TcpListener::bind(LOOPBACK).await.unwrap();
        let url = format!("http://{log_in}{}/{plan}", listener.local_addr().unwrap());
        let router = Router::new().route("/{plan}", post(take)).with_state(Arc::clone(&log));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { bench: Self::bench(&url).await, log }
    }

    async fn bench(url: &str) -> Bench {
        let (endpoint, secret) = HttpEndpoint::parse(url).unwrap();
        let sink = Sink::start(LOOPBACK).await.unwrap();
        let seal = |key: &SecretKey, team, id| secret.seal(key, team, id);
        Bench::with_adapter(sink, AdapterKind::Http, &endpoint.to_string(), seal).await
    }

    async fn accept(&self) -> EmailId {
        self.bench.accept(sms(&self.bench)).await
    }

    fn received(&self) -> Vec<Received> {
        self.log.lock().unwrap().clone()
    }
}

fn sms(bench: &Bench) -> NewEmail {
    let mut email = NewEmail { channel: Channel::Sms, html: None, ..bench.email(&["+4917000"]) };
    email.recipients[0].name = Some("Ada".to_owned());
    email.external_user_id = Some("user-7".to_owned());
    email.tags = vec!["order".to_owned()];
    email.metadata = json!({"order": 7});
    email
}

fn settings() -> WorkerSettings {
    let http = HttpSettings { timeout: Duration::from_millis(300), proxies: Proxies::None, ..quick().http };
    WorkerSettings { http, ..quick() }
}

#[tokio::test]
async fn a_message_is_posted_whole_and_taken() {
    let web = Web::start("token-1@", "202?key=hush").await;
    let bench = &web.bench;
    let notification = Notification {
        id: bench.clock.mint::<NotificationId>(),
        kind: "order_shipped".to_owned(),
        external_user_id: Some("user-7".to_owned()),
        api_request_id: Some(ApiRequestId(7)),
        warnings: Vec::new(),
        ignored_channels: Vec::new(),
    };
    let email = NewEmail { notification_id: Some(notification.id), ..sms(bench) };
    let with = Acceptance { notification: Some(notification.clone()), ..Acceptance::default() };
    bench.store.insert_emails(bench.team, std::slice::from_ref(&email), &with).await.unwrap();
    bench.work(settings()).await;
    let [received] = &web.received()[..] else { panic!("one request") };
    assert_eq!(received.query.as_deref(), Some("key=hush"));
    assert_eq!(received.headers["authorization"], "Bearer token-1");
    assert_eq!(received.headers["idempotency-key"], email.id.to_string());
    assert_eq!(received.headers["content-type"], "application/json");
    assert!(received.headers["user-agent"].to_str().unwrap().starts_with("Sendlog/"));
    let created_at = email.id.created_at().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    assert_eq!(
        received.body,
        json!({
            "id": email.id, "channel": "sms", "attempt": 1, "createdAt": created_at,
            "notificationId": notification.id, "type": "order_shipped", "externalUserId": "user-7",
            "from": "Finch <receipts@finch.example>", "to": [{"address": "+4917000", "name": "Ada"}],
            "subject": "Your receipt", "text": "Thank you", "html": null, "variables": {}, "tags": ["order"],
            "metadata": {"order": 7},
        })
    );
    let found = bench.find(email.id).await;
    assert_eq!((found.status, found.provider_message_id.as_deref()), (EmailStatus::Sent, Some("sms-17")));
    let [event] = &bench.events(email.id).await[..] else { panic!("one event") };
    assert_eq!((event.kind, event.recipient.as_deref()), (EventKind::Sent, Some("+4917000")));
    assert_eq!(event.detail.reply.as_deref(), Some(r#"202 Accepted: {"messageId":"sms-17","note":"a\nb"}"#));
    assert_eq!((event.detail.server.as_deref(), event.detail.protocol.as_deref()), (Some("127.0.0.1"), Some("http")));
}

#[tokio::test]
async fn user_and_password_go_as_basic() {
    let web = Web::start("ada:p%40ss@", "200").await;
    web.accept().await;
    web.bench.work(settings()).await;
    assert_eq!(web.received()[0].headers["authorization"], "Basic YWRhOnBAc3M=");
}

#[tokio::test]
async fn a_busy_server_is_asked_again_with_the_same_key() {
    for busy in ["408", "425", "429", "500"] {
        let web = Web::start("", &format!("{busy},{busy},200")).await;
        let id = web.accept().await;
        web.bench.work(settings()).await;
        assert_eq!(web.bench.find(id).await.status, EmailStatus::Sent, "{busy}");
        assert_eq!(web.bench.kinds(id).await, [EventKind::Deferred, EventKind::Deferred, EventKind::Sent]);
        let received = web.received();
        assert!(received.iter().all(|request| request.headers["idempotency-key"] == id.to_string()));
        let attempts: Vec<&Value> = received.iter().map(|request| &request.body["attempt"]).collect();
        assert_eq!(attempts, [1, 2, 3]);
    }
}

#[tokio::test]
async fn a_server_that_names_a_pause_gets_it() {
    let web = Web::start("", "503").await;
    let id = web.accept().await;
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(web.bench.worker(settings()).run(stopped));
    while web.bench.kinds(id).await.is_empty() {
        sleep(Duration::from_millis(10)).await;
    }
    stop.send(true).unwrap();
    running.await.unwrap();
    let next = web.bench.find(id).await.next_attempt_at.unwrap();
    assert!(next > web.bench.clock.now() + TimeDelta::minutes(119), "{next}");
    let detail = web.bench.events(id).await.remove(0).detail;
    assert_eq!(detail.message.as_deref(), Some("Try 1 of 3; the next one in 2 hours"));
    assert_eq!(detail.reply.as_deref(), Some("503 Service Unavailable: later"));
}

#[tokio::test]
async fn a_refusal_and_a_redirect_end_the_message() {
    for (plan, begins) in
        [("400", "400 Bad Request: {"), ("302", "127.0.0.1 answered 302 Found: over there. Redirects are not")]
    {
        let web = Web::start("", plan).await;
        let id = web.accept().await;
        web.bench.work(settings()).await;
        let email = web.bench.find(id).await;
        assert_eq!((email.status, email.provider_message_id), (EmailStatus::Failed, None));
        assert!(email.error_message.as_ref().unwrap().starts_with(begins), "{:?}", email.error_message);
        assert_eq!(web.received().len(), 1);
    }
}

/// The settings of a server that reaches the internet alone.
fn guarded(proxies: Proxies) -> WorkerSettings {
    let settings = settings();
    let (outbound, http) = (Outbound::new(false), settings.http);
    WorkerSettings { http: HttpSettings { proxies, outbound, ..http }, ..settings }
}

#[tokio::test]
async fn an_adapter_of_the_time_when_private_addresses_were_allowed_is_not_asked_any_more() {
    let web = Web::start("", "200").await;
    let id = web.accept().await;
    web.bench.work(guarded(Proxies::None)).await;
    let email = web.bench.find(id).await;
    let why = "Gave up after 3 tries: Cannot connect to 127.0.0.1: 127.0.0.1 leads to no public address.";
    assert!(email.error_message.as_ref().unwrap().starts_with(why), "{:?}", email.error_message);
    assert!(web.received().is_empty());
}

/// A proxy that would answer whatever it is asked for, with how often it was asked.
async fn proxy() -> (String, Arc<Mutex<usize>>) {
    let (asked, listener) = (Arc::<Mutex<usize>>::default(), tokio::net::TcpListener::bind(LOOPBACK).await.unwrap());
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::clone(&asked);
    let router = Router::new().fallback(move || async move {
        *count.lock().unwrap() += 1;
        "taken"
    });
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, asked)
}

#[tokio::test]
async fn a_proxy_is_asked_for_nothing_that_this_server_may_not_ask_itself() {
    let (url, asked) = proxy().await;
    // A name that leads nowhere here; the proxy may know better. Numbers. The proxy itself.
    for private in ["http://intranet.invalid/m", "http://127.0.0.1:1/m", "http://169.254.169.254/latest", &url] {
        let bench = Web::bench(private).await;
        let id = bench.accept(sms(&bench)).await;
        bench.work(guarded(Proxies::One(url.clone()))).await;
        let message = bench.find(id).await.error_message.unwrap();
        assert!(message.contains("leads to no public address"), "{private}: {message}");
    }
    assert_eq!(*asked.lock().unwrap(), 0);
    // Where the operator allows private addresses, the proxy looks names up.
    let bench = Web::bench("http://intranet.invalid/m").await;
    let id = bench.accept(sms(&bench)).await;
    let http = HttpSettings { proxies: Proxies::One(url), ..settings().http };
    bench.work(WorkerSettings { http, ..settings() }).await;
    assert_eq!((bench.find(id).await.status, *asked.lock().unwrap()), (EmailStatus::Sent, 1));
}

#[tokio::test]
async fn an_endless_answer_is_cut() {
    let web = Web::start("", "endless").await;
    let id = web.accept().await;
    web.bench.work(settings()).await;
    assert!(web.bench.find(id).await.error_message.unwrap().chars().count() < 400);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_waited_for_and_asked_for_again() {
    let web = Web::start("", "hang,200").await;
    let id = web.accept().await;
    web.bench.work(settings()).await;
    assert_eq!(web.bench.kinds(id).await, [EventKind::FailedToSend, EventKind::Sent]);
    let reply = web.bench.events(id).await.remove(0).detail.reply;
    assert_eq!(reply.as_deref(), Some("127.0.0.1 did not answer within 0.3 seconds"));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_given_up() {
    let bench = Web::bench("http://hush@127.0.0.1:1/m?key=hush").await;
    let id = bench.accept(sms(&bench)).await;
    bench.work(settings()).await;
    let email = bench.find(id).await;
    let message = email.error_message.unwrap();
    assert!(message.starts_with("Gave up after 3 tries: Cannot connect to 127.0.0.1: "), "{message}");
    assert!(!message.contains("hush"));
}

#[tokio::test]
async fn a_refused_log_in_leaves_the_message_waiting_for_a_better_one() {
    let web = Web::start("wrong@", "401,200").await;
    let id = web.accept().await;
    web.bench.work(settings()).await;
    assert_eq!(web.bench.kinds(id).await, [EventKind::FailedToSend, EventKind::Sent]);
}

#[tokio::test]
async fn a_post_that_a_crash_cut_off_counts_and_is_made_again() {
    let web = Web::start("", "200").await;
    let id = web.accept().await;
    let now = web.bench.clock.now();
    // The first worker leases the message, posts it, and is gone.
    let leases = web.bench.store.lease_due(now, now + TimeDelta::milliseconds(100), 7, 1).await.unwrap();
    assert_eq!(leases.len(), 1);
    web.bench.work(settings()).await;
    assert_eq!(web.bench.kinds(id).await, [EventKind::FailedToSend, EventKind::Sent]);
}

#[tokio::test]
async fn a_web_address_sends_no_mail() {
    let web = Web::start("", "200").await;
    let id = web.bench.accept_to(&["ada@example.com"]).await;
    web.bench.work(settings()).await;
    let reason = "The adapter Main sends no email, and this message is for the channel Email";
    assert_eq!(web.bench.find(id).await.error_message.as_deref(), Some(reason));
    assert!(web.received().is_empty());
}

//! The worker against servers that stand for the providers' APIs.

use std::sync::Mutex;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;

use super::*;
use crate::server::outbound::Proxies;

/// What a provider was asked.
#[derive(Clone, Debug)]
struct Asked {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    at: std::time::Instant,
}

/// What it answers: a status, a header and a body; 0 is no answer at all.
type Answers = &'static [(u16, (&'static str, &'static str), &'static str)];

#[derive(Clone)]
struct Script {
    answers: Answers,
    asked: Arc<Mutex<Vec<Asked>>>,
}

async fn answer(State(script): State<Script>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let place = {
        let mut asked = script.asked.lock().unwrap();
        asked.push(Asked { method, uri, headers, body, at: std::time::Instant::now() });
        asked.len() - 1
    };
    let (status, header, body) = script.answers[place.min(script.answers.len() - 1)];
    if status == 0 {
        std::future::pending::<()>().await;
    }
    let content_type = ("content-type", "application/json");
    (StatusCode::from_u16(status).unwrap(), [content_type, header], body).into_response()
}

struct Provided {
    bench: Bench,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Provided {
    /// A database whose team sends by a provider, with this log-in and this query.
    async fn start(kind: AdapterKind, log_in: &str, query: &str, answers: Answers) -> Self {
        let script = Script { answers, asked: Arc::default() };
        let asked = Arc::clone(&script.asked);
        let listener = tokio::net::TcpListener::bind(LOOPBACK).await.unwrap();
        let url = format!("http://{log_in}@{}/?{query}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(script);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let (endpoint, secret) = HttpEndpoint::parse(&url).unwrap();
        let sink = Sink::start(LOOPBACK).await.unwrap();
        let seal = |key: &SecretKey, team, id| secret.seal(key, team, id);
        Self { bench: Bench::with_adapter(sink, kind, &endpoint.to_string(), seal).await, asked }
    }

    async fn accept(&self) -> EmailId {
        self.bench.accept_to(&["ada@example.com"]).await
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Runs a worker until `is_done`, and stops it.
    async fn work_until(&self, is_done: impl AsyncFn() -> bool) {
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(self.bench.worker(settings()).run(stopped));
        let done = async {
            while !is_done().await {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(20), done).await.expect("the worker should come so far");
        stop.send(true).unwrap();
        running.await.unwrap();
    }
}

fn settings() -> WorkerSettings {
    let http = HttpSettings { timeout: Duration::from_millis(500), proxies: Proxies::None, ..quick().http };
    WorkerSettings { http, ..quick() }
}

const NO_HEADER: (&str, &str) = ("x-none", "");
const TAKEN: (u16, (&str, &str), &str) = (202, ("x-message-id", "sg-1"), "");

#[tokio::test]
async fn each_provider_takes_a_message_by_its_own_api_and_gives_it_an_id() {
    let basic_api_key = "Basic YXBpOmh1c2g=";
    let basic_ada = "Basic YWRhOmh1c2g=";
    /// A kind, its log-in, the path and the header that it is asked by, what it answers, and the id that this holds.
    type Case = (AdapterKind, &'static str, &'static str, (&'static str, &'static str), Answers, &'static str);
    let taken: [Case; 11] = [
        (AdapterKind::SendGrid, "hush", "/v3/mail/send", ("authorization", "Bearer hush"), &[TAKEN], "sg-1"),
        (
            AdapterKind::Postmark,
            "hush",
            "/email",
            ("x-postmark-server-token", "hush"),
            &[(200, NO_HEADER, r#"{"ErrorCode":0,"Message":"OK","MessageID":"pm-1"}"#)],
            "pm-1",
        ),
        (
            AdapterKind::Mailgun,
            "api:hush",
            "/v3/finch.example/messages",
            ("authorization", basic_api_key),
            &[(200, NO_HEADER, r#"{"id":"<mg-1@finch.example>","message":"Queued. Thank you."}"#)],
            "mg-1@finch.example",
        ),
        (
            AdapterKind::AmazonSes,
            "ada:hush",
            "/v2/email/outbound-emails",
            ("content-type", "application/json"),
            &[(200, NO_HEADER, r#"{"MessageId":"ses-1"}"#)],
            "ses-1",
        ),
        (
            AdapterKind::ResendCom,
            "hush",
            "/emails",
            ("authorization", "Bearer hush"),
            &[(200, NO_HEADER, r#"{"id":"re-1"}"#)],
            "re-1",
        ),
        (
            AdapterKind::Brevo,
            "hush",
            "/v3/smtp/email",
            ("api-key", "hush"),
            &[(201, NO_HEADER, r#"{"messageId":"<br-1@finch.example>"}"#)],
            "br-1@finch.example",
        ),
        (
            AdapterKind::Mailjet,
            "ada:hush",
            "/v3.1/send",
            ("authorization", basic_ada),
            &[(
                200,
                NO_HEADER,
                r#"{"Messages":[{"Status":"success","To":[{"Email":"ada@example.com","MessageID":4561}]}]}"#,
            )],
            "4561",
        ),
        (
            AdapterKind::SparkPost,
            "hush",
            "/api/v1/transmissions",
            ("authorization", "hush"),
            &[(
                200,
                NO_HEADER,
                r#"{"results":{"total_rejected_recipients":0,"total_accepted_recipients":1,"id":"sp-1"}}"#,
            )],
            "sp-1",
        ),
        (
            AdapterKind::JetEmail,
            "hush",
            "/email",
            ("authorization", "Bearer hush"),
            &[(201, NO_HEADER, r#"{"id":"je-1","response":"Message queued"}"#)],
            "je-1",
        ),
        (
            AdapterKind::Twilio,
            "ada:hush",
            "/2010-04-01/Accounts/ada/Messages.json",
            ("authorization", basic_ada),
            &[(201, NO_HEADER, r#"{"sid":"SM1","status":"queued"}"#)],
            "SM1",
        ),
        (
            AdapterKind::Vonage,
            "ada:hush",
            "/v1/messages",
            ("authorization", basic_ada),
            &[(202, NO_HEADER, r#"{"message_uuid":"vo-1"}"#)],
            "vo-1",
        ),
    ];
    for (kind, log_in, path, (header, value), answers, provider_message_id) in taken {
        let provided = Provided::start(kind, log_in, "", answers).await;
        let bench = &provided.bench;
        let mut email = bench.email(&["ada@example.com"]);
        if kind.sends(Channel::Sms) {
            (email.channel, email.html) = (Channel::Sms, None);
            email.recipients[0].address = "+4917012345".to_owned();
        }
        let id = bench.accept(email).await;
        bench.work(settings()).await;
        let [asked] = &provided.asked()[..] else { panic!("one request: {kind:?}") };
        assert_eq!((asked.method.as_str(), asked.uri.path()), ("POST", path), "{kind:?}");
        assert_eq!(asked.headers[header], value, "{kind:?}");
        assert!(asked.headers["user-agent"].to_str().unwrap().starts_with("Sendlog/"), "{kind:?}");
        // The provider's webhooks bring the id back; Twilio's by its callback address, where there is one.
        let body = String::from_utf8_lossy(&asked.body);
        assert!(body.contains(&id.to_string()) || kind == AdapterKind::Twilio, "{kind:?}: {body}");
        let found = bench.find(id).await;
        assert_eq!(found.provider_message_id.as_deref(), Some(provider_message_id), "{kind:?}");
        assert_eq!(found.status, EmailStatus::Sent, "{kind:?}");
        let [event] = &bench.events(id).await[..] else { panic!("one event: {kind:?}") };
        assert_eq!(event.detail.protocol.as_deref(), Some("http"), "{kind:?}");
        assert!(!format!("{event:?}").contains("hush"), "{kind:?}");
    }
}

#[tokio::test]
async fn a_short_pause_is_kept_within_the_attempt() {
    let answers: Answers = &[(429, ("retry-after", "1"), r#"{"errors":[{"message":"too many requests"}]}"#), TAKEN];
    let provided = Provided::start(AdapterKind::SendGrid, "hush", "", answers).await;
    let id = provided.accept().await;
    provided.bench.work(settings()).await;
    assert_eq!(provided.bench.kinds(id).await, [EventKind::Sent]);
    let asked = provided.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked[1].at - asked[0].at >= Duration::from_millis(900));
}

#[tokio::test]
async fn a_long_pause_keeps_everything_that_waits_for_the_adapter() {
    let answers: Answers = &[(429, ("retry-after", "3600"), "{}"), TAKEN];
    let provided = Provided::start(AdapterKind::SendGrid, "hush", "", answers).await;
    let bench = &provided.bench;
    let (first, second) = (provided.accept().await, std::cell::Cell::new(None));
    provided
        .work_until(async || {
            if bench.kinds(first).await.is_empty() {
                return false;
            }
            match second.get() {
                None => {
                    second.set(Some((provided.accept().await, std::time::Instant::now())));
                    false
                }
                // The worker looks every 20 ms.
                Some((_, at)) => at.elapsed() > Duration::from_millis(300),
            }
        })
        .await;
    let next = bench.find(first).await.next_attempt_at.unwrap();
    assert!(next > bench.clock.now() + TimeDelta::minutes(59), "{next}");
    assert_eq!(bench.kinds(first).await, [EventKind::Deferred]);
    assert_eq!(bench.kinds(second.get().unwrap().0).await, []);
    assert_eq!(provided.asked().len(), 1);
}

#[tokio::test]
async fn an_adapter_keeps_its_own_pace() {
    let provided = Provided::start(AdapterKind::SendGrid, "hush", "perSecond=10", &[TAKEN]).await;
    for _ in 0..4 {
        provided.accept().await;
    }
    let began = std::time::Instant::now();
    provided.bench.work(settings()).await;
    let times: Vec<_> = provided.asked().into_iter().map(|asked| asked.at).collect();
    assert_eq!(times.len(), 4);
    // However slow the machine is, the last one's turn is three tenths of a second after the first one's.
    assert!(times.iter().max().is_some_and(|last| *last - began >= Duration::from_millis(300)));
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_asked_for_again_only_where_the_provider_knows_a_repetition() {
    let provided = Provided::start(AdapterKind::SendGrid, "hush", "", &[(0, NO_HEADER, ""), TAKEN]).await;
    let id = provided.accept().await;
    provided.bench.work(settings()).await;
    assert_eq!(provided.bench.kinds(id).await, [EventKind::Uncertain]);
    assert_eq!(provided.asked().len(), 1);

    let answers: Answers = &[(0, NO_HEADER, ""), (200, NO_HEADER, r#"{"id":"re-1"}"#)];
    let provided = Provided::start(AdapterKind::ResendCom, "hush", "", answers).await;
    let id = provided.accept().await;
    provided.bench.work(settings()).await;
    assert_eq!(provided.bench.kinds(id).await, [EventKind::FailedToSend, EventKind::Sent]);
    let asked = provided.asked();
    let keys: Vec<_> = asked.iter().map(|asked| asked.headers["idempotency-key"].to_str().unwrap()).collect();
    assert_eq!(keys, [id.to_string(), id.to_string()]);
    assert_eq!(asked[0].body, asked[1].body);
}

#[tokio::test]
async fn an_attempt_that_a_crash_cut_off_is_uncertain_where_the_provider_knows_no_repetition() {
    for (kind, kinds) in [
        (AdapterKind::SendGrid, vec![EventKind::Uncertain]),
        (AdapterKind::ResendCom, vec![EventKind::FailedToSend, EventKind::Sent]),
    ] {
        let provided =
            Provided::start(kind, "hush", "", &[(0, NO_HEADER, ""), (200, NO_HEADER, r#"{"id":"1"}"#)]).await;
        let bench = &provided.bench;
        let id = provided.accept().await;
        // The first worker is gone in the middle of its request: aborted, it records nothing.
        let (_stop, stopped) = watch::channel(false);
        let http = HttpSettings { timeout: Duration::from_secs(60), ..settings().http };
        let short = WorkerSettings { lease: Duration::from_millis(200), http, ..settings() };
        let running = tokio::spawn(bench.worker(short).run(stopped));
        while provided.asked().is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        bench.work(settings()).await;
        assert_eq!(bench.kinds(id).await, kinds, "{kind:?}");
    }
}

#[tokio::test]
async fn more_recipients_than_the_provider_takes_go_in_several_requests() {
    let answers: Answers = &[(200, NO_HEADER, r#"{"ErrorCode":0,"Message":"OK","MessageID":"pm-1"}"#)];
    let provided = Provided::start(AdapterKind::Postmark, "hush", "", answers).await;
    let to: Vec<String> = (0..60).map(|number| format!("a{number}@example.com")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let id = provided.bench.accept_to(&to).await;
    provided.bench.work(settings()).await;
    assert_eq!(provided.asked().len(), 2);
    assert_eq!(provided.bench.kinds(id).await, vec![EventKind::Sent; 60]);
    assert_eq!(provided.bench.find(id).await.status, EmailStatus::Sent);
}

#[tokio::test]
async fn a_refused_key_leaves_the_message_waiting_for_a_better_one() {
    let answers: Answers = &[(401, NO_HEADER, r#"{"errors":[{"message":"authorization required"}]}"#), TAKEN];
    let provided = Provided::start(AdapterKind::SendGrid, "wrong", "", answers).await;
    let id = provided.accept().await;
    provided.bench.work(settings()).await;
    assert_eq!(provided.bench.kinds(id).await, [EventKind::FailedToSend, EventKind::Sent]);
    let reply = provided.bench.events(id).await.remove(0).detail.reply;
    assert_eq!(reply.as_deref(), Some("The log-in was refused: 401 Unauthorized: authorization required"));
    let attempts = provided.bench.store.list_attempts(provided.bench.team, id).await.unwrap();
    assert_eq!(attempts[0].code, Some(401));
}

#[tokio::test]
async fn a_message_that_the_provider_cannot_send_is_not_posted() {
    let provided = Provided::start(AdapterKind::Twilio, "ada:hush", "", &[TAKEN]).await;
    let id = provided.accept().await;
    provided.bench.work(settings()).await;
    let reason = "The adapter Main sends text messages and calls only, and this message is for the channel Email";
    assert_eq!(provided.bench.find(id).await.error_message.as_deref(), Some(reason));
    let mut silent = provided.bench.email(&["+4917012345"]);
    (silent.channel, silent.html, silent.text) = (Channel::Sms, None, Some(" ".to_owned()));
    let id = provided.bench.accept(silent).await;
    provided.bench.work(settings()).await;
    assert_eq!(provided.bench.find(id).await.error_message.as_deref(), Some("The message has no text"));
    assert!(provided.asked().is_empty());
}

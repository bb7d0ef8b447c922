//! Handing over between adapters: only where nothing went out, and what is kept of attempts without any secret.

use std::sync::Mutex;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;

use super::*;
use crate::domain::adapter::Direction;
use crate::server::outbound::Proxies;

/// What a provider answers: a status, a header and a body; 0 is no answer at all.
type Answers = &'static [(u16, (&'static str, &'static str), &'static str)];

const NO_HEADER: (&str, &str) = ("x-none", "");
const NOWHERE: &str = "smtp://127.0.0.1:1";

/// A stand-in for a provider's API: its address, and how often it was asked.
async fn provider_at(answers: Answers) -> (String, Arc<Mutex<usize>>) {
    let asked = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&asked);
    let listener = tokio::net::TcpListener::bind(LOOPBACK).await.unwrap();
    let url = format!("http://hush@{}/", listener.local_addr().unwrap());
    let answer = move |_: HeaderMap, _: Bytes| {
        let counted = Arc::clone(&counted);
        async move {
            let place = {
                let mut asked = counted.lock().unwrap();
                *asked += 1;
                *asked - 1
            };
            let (status, header, body) = answers[place.min(answers.len() - 1)];
            if status == 0 {
                std::future::pending::<()>().await;
            }
            let content_type = ("content-type", "application/json");
            (StatusCode::from_u16(status).unwrap(), [content_type, header], body).into_response()
        }
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await.unwrap() });
    (url, asked)
}

/// A database whose team sends by this one, and by the sink where that is down.
async fn with_backup(kind: AdapterKind, url: &str) -> Bench {
    let sink = Sink::start(LOOPBACK).await.unwrap();
    let bench = match kind {
        AdapterKind::Smtp => Bench::with_sink(sink, Some(url)).await,
        _ => {
            let (endpoint, secret) = HttpEndpoint::parse(url).unwrap();
            Bench::with_adapter(sink, kind, &endpoint.to_string(), |key, team, id| secret.seal(key, team, id)).await
        }
    };
    let backup = bench.add_smtp_adapter(bench.team, "Backup", &bench.sink.url()).await;
    let moved = bench.store.move_adapter(bench.team, backup, Direction::Down, |_, _| event()).await;
    assert_eq!(moved, Ok(Some((1, 2))));
    bench
}

fn settings() -> WorkerSettings {
    let http = HttpSettings { timeout: Duration::from_millis(500), proxies: Proxies::None, ..quick().http };
    WorkerSettings { http, ..quick() }
}

#[tokio::test]
async fn when_all_are_down_the_message_waits_and_begins_again_at_the_first() {
    let bench = with_backup(AdapterKind::Smtp, NOWHERE).await;
    let (team, main) = (bench.team, bench.adapter);
    let order = bench.store.list_adapter_order(team, AdapterKind::Smtp.lane()).await.unwrap();
    assert!(bench.store.delete_adapter(team, order[1].id, bench.clock.now(), &event()).await.unwrap());
    let other = bench.add_smtp_adapter(team, "Other", NOWHERE).await;
    bench.store.move_adapter(team, other, Direction::Down, |_, _| event()).await.unwrap();
    let id = bench.accept_to(&["ada@example.com"]).await;
    bench.work(settings()).await;
    let events = bench.events(id).await;
    let told: Vec<&str> = events.iter().filter_map(|event| event.detail.message.as_deref()).collect();
    assert_eq!(told[0], "Handed over to Other");
    assert!(told[1].starts_with("Try 1 of 3; ") && told[2].starts_with("Try 2 of 3; "), "{told:?}");
    assert_eq!((told[3], told.len()), ("Gave up after 3 tries", 4), "one that is left alone is not asked again");
    assert_eq!(bench.find(id).await.adapter_id, Some(main));
}

#[tokio::test]
async fn only_what_says_that_nothing_went_out_hands_over() {
    const TAKEN: (u16, (&str, &str), &str) = (200, NO_HEADER, r#"{"id":"one"}"#);
    /// A kind, its answers, how often it is asked, and how often the other one gets the message.
    type Case = (AdapterKind, Answers, usize, usize);
    let cases: [Case; 12] = [
        (AdapterKind::ResendCom, &[(503, NO_HEADER, "{}")], 1, 1),
        (AdapterKind::ResendCom, &[(500, NO_HEADER, "{}")], 1, 1),
        (AdapterKind::ResendCom, &[(401, NO_HEADER, r#"{"message":"no such key"}"#)], 1, 1),
        // A gateway that gave up waiting does not know what became of it: it is asked again, and nobody else.
        (AdapterKind::ResendCom, &[(504, NO_HEADER, "{}"), (503, NO_HEADER, "{}"), TAKEN], 3, 0),
        // The same for an answer that does not come.
        (AdapterKind::ResendCom, &[(0, NO_HEADER, ""), (401, NO_HEADER, "{}"), TAKEN], 3, 0),
        (AdapterKind::SendGrid, &[(0, NO_HEADER, "")], 1, 0),
        (
            AdapterKind::ResendCom,
            &[(422, NO_HEADER, r#"{"name":"validation_error","message":"The subject is odd"}"#)],
            1,
            0,
        ),
        (AdapterKind::SendGrid, &[(413, NO_HEADER, "{}")], 1, 0),
        // A long pause hands over, a short one is kept.
        (AdapterKind::SendGrid, &[(429, ("retry-after", "3600"), "{}")], 1, 1),
        (AdapterKind::ResendCom, &[(429, ("retry-after", "1"), "{}"), TAKEN], 2, 0),
        (AdapterKind::ResendCom, &[(429, NO_HEADER, "{}"), TAKEN], 2, 0),
        (AdapterKind::ResendCom, &[(409, NO_HEADER, r#"{"name":"concurrent_idempotent_requests"}"#), TAKEN], 2, 0),
    ];
    for (kind, answers, asked, handed_over) in cases {
        let (url, counted) = provider_at(answers).await;
        let bench = with_backup(kind, &url).await;
        let id = bench.accept_to(&["ada@example.com"]).await;
        bench.work(settings()).await;
        let kinds = bench.kinds(id).await;
        assert_eq!(
            (*counted.lock().unwrap(), bench.sink.messages().len()),
            (asked, handed_over),
            "{answers:?} {kinds:?}"
        );
    }
}

#[tokio::test]
async fn a_mail_server_hands_over_before_it_has_the_message_alone() {
    // Where it says something else than yes, what, and how often the other one gets the message.
    let cases: [(&str, &'static [u8], usize); 7] = [
        ("EHLO", b"421 4.3.2 Closing\r\n", 1),
        ("MAIL", b"421 4.3.2 Closing\r\n", 1),
        ("RCPT", b"530 5.7.0 Authentication required\r\n", 1),
        ("DATA", b"", 1),
        ("RCPT", b"550 5.1.1 No such user\r\n", 0),
        (".", b"554 5.6.0 This is spam\r\n", 0),
        (".", b"", 0),
    ];
    for (at, said, handed_over) in cases {
        let (url, _) = scripted(move |_, _, verb| match verb {
            verb if verb == at => said,
            "DATA" => &b"354 go on\r\n"[..],
            _ => b"250 2.0.0 Ok\r\n",
        })
        .await;
        let bench = with_backup(AdapterKind::Smtp, &url).await;
        let id = bench.accept_to(&["ada@example.com"]).await;
        bench.work(settings()).await;
        assert_eq!(bench.sink.messages().len(), handed_over, "{at} {:?} {:?}", said, bench.kinds(id).await);
    }
}

#[tokio::test]
async fn one_that_stands_in_and_does_not_know_the_sender_does_not_speak_for_the_first() {
    let (url, _) = scripted(|_, _, verb| match verb {
        "MAIL" => &b"550 5.7.1 Sender not verified\r\n"[..],
        _ => b"250 Ok\r\n",
    })
    .await;
    let bench = with_backup(AdapterKind::Smtp, NOWHERE).await;
    let strange = bench.add_smtp_adapter(bench.team, "Strange", &url).await;
    // Between the two.
    bench.store.move_adapter(bench.team, strange, Direction::Down, |_, _| event()).await.unwrap();
    let id = bench.accept_to(&["ada@example.com"]).await;
    bench.work(settings()).await;
    assert_eq!(bench.kinds(id).await, [EventKind::FailedToSend, EventKind::FailedToSend, EventKind::Sent]);
    assert_eq!(bench.sink.messages().len(), 1);
    let order = bench.store.list_adapter_order(bench.team, AdapterKind::Smtp.lane()).await.unwrap();
    let down: Vec<(&str, bool)> = order.iter().map(|adapter| (adapter.name.as_str(), adapter.down.is_some())).collect();
    assert_eq!(down, [("Main", true), ("Strange", false), ("Backup", false)]);
}

#[tokio::test]
async fn a_crash_while_a_message_may_have_got_there_keeps_it_with_its_adapter() {
    let (url, counted) =
        provider_at(&[(0, NO_HEADER, ""), (503, NO_HEADER, "{}"), (200, NO_HEADER, r#"{"id":"one"}"#)]).await;
    let bench = with_backup(AdapterKind::ResendCom, &url).await;
    let id = bench.accept_to(&["ada@example.com"]).await;
    let (_stop, stopped) = watch::channel(false);
    let http = HttpSettings { timeout: Duration::from_secs(60), ..settings().http };
    let short = WorkerSettings { lease: Duration::from_millis(200), http, ..settings() };
    let running = tokio::spawn(bench.worker(short).run(stopped));
    while *counted.lock().unwrap() == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    bench.work(WorkerSettings { retry_delays: vec![Duration::from_millis(50); 4], ..settings() }).await;
    assert_eq!(bench.find(id).await.status, EmailStatus::Sent);
    assert_eq!((*counted.lock().unwrap(), bench.sink.messages().len()), (3, 0));
}

/// Everything that the files of a database hold.
fn bytes_in(bench: &Bench) -> Vec<u8> {
    let files = std::fs::read_dir(&bench.folder).unwrap();
    files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
}

/// A server that refuses everything and repeats all that it was told: `status`, with the request's headers and body.
async fn echo_at(status: u16, log_in: &str, query: &str) -> String {
    let listener = tokio::net::TcpListener::bind(LOOPBACK).await.unwrap();
    let url = format!("http://{log_in}@{}/{query}", listener.local_addr().unwrap());
    let answer = move |uri: axum::http::Uri, headers: HeaderMap, body: Bytes| async move {
        let told: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        let words = format!("no to {uri} {} {}", told.join(" "), String::from_utf8_lossy(&body));
        let answer =
            serde_json::json!({"message": words, "errors": [{"message": words}], "title": words, "detail": words});
        (StatusCode::from_u16(status).unwrap(), [("x-echo", "yes")], axum::Json(answer))
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await.unwrap() });
    url
}

#[tokio::test]
async fn secrets_stand_nowhere_in_what_is_kept_of_attempts() {
    const SECRET_WORD: &str = "Zk3qT9-hush-vXw2/LmN8";
    let escaped: String = form_urlencoded::byte_serialize(SECRET_WORD.as_bytes()).collect();
    for kind in AdapterKind::ALL {
        for status in [401, 500, 422] {
            let sink = Sink::start(LOOPBACK).await.unwrap();
            let bench = if kind == AdapterKind::Smtp {
                let (url, _) = scripted(|_, _, verb| match verb {
                    "EHLO" => &b"250-scripted\r\n250 AUTH PLAIN\r\n"[..],
                    "AUTH" => b"535 5.7.8 Wrong: Zk3qT9-hush-vXw2/LmN8\r\n",
                    _ => b"250 Ok\r\n",
                })
                .await;
                Bench::with_sink(sink, Some(&url.replace("smtp://", &format!("smtp://ada:{escaped}@")))).await
            } else {
                let user = kind.provider_form().and_then(|form| form.user).map_or("", |_| "ada:");
                let callback = format!("?statusCallback=http%3A%2F%2Flog.example%2Fin%2F{escaped}");
                let query = if kind == AdapterKind::Http { format!("?key={escaped}") } else { callback };
                let url = echo_at(status, &format!("{user}{escaped}"), &query).await;
                let (endpoint, secret) = HttpEndpoint::parse(&url).unwrap();
                Bench::with_adapter(sink, kind, &endpoint.to_string(), |key, team, id| secret.seal(key, team, id)).await
            };
            let mut email = bench.email(&["ada@example.com"]);
            if !kind.sends(Channel::Email) {
                (email.channel, email.html) = (Channel::Sms, None);
                email.recipients[0].address = "+4917012345".to_owned();
            }
            let id = bench.accept(email).await;
            bench.work(settings()).await;
            let attempts = bench.store.list_attempts(bench.team, id).await.unwrap();
            assert!(!attempts.is_empty(), "{kind:?} {status}");
            let events = bench.events(id).await;
            let email = bench.find(id).await;
            bench.store.close().await;
            let kept = [format!("{attempts:?} {events:?} {email:?}").into_bytes(), bytes_in(&bench)].concat();
            use base64::Engine;
            let encoded = base64::engine::general_purpose::STANDARD.encode(format!("\0ada\0{SECRET_WORD}"));
            let basic = base64::engine::general_purpose::STANDARD.encode(format!("ada:{SECRET_WORD}"));
            for secret in [SECRET_WORD, &escaped, &encoded, &basic] {
                let is_kept = kept.windows(secret.len()).any(|part| part == secret.as_bytes());
                assert!(!is_kept, "{kind:?} {status} keeps {secret}: {attempts:?} {events:?}");
            }
            let said = format!("{attempts:?} {events:?}");
            assert!(said.split("Signature=").skip(1).all(|rest| rest.starts_with("(secret)")), "{kind:?}: {said}");
            assert!(!said.contains("<p>Thank you</p>"), "{kind:?} {status} keeps the body: {said}");
        }
    }
}

#[tokio::test]
async fn what_is_kept_of_a_message_that_simply_went_out_is_small() {
    let bench = Bench::new().await;
    let to: Vec<String> = (0..40).map(|number| format!("ada.{number}@orchard-{number}.example")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let ids = [bench.accept_to(&["ada@example.com"]).await, bench.accept_to(&to).await];
    bench.work(settings()).await;
    for id in ids {
        let [attempt] = &bench.store.list_attempts(bench.team, id).await.unwrap()[..] else { panic!("one attempt") };
        let exchange = attempt.exchange.as_ref().unwrap();
        assert!(exchange.0.last().unwrap().text.starts_with("250 2.0.0 Ok: queued as "), "{exchange:?}");
        assert!(crate::server::store::attempts::pack_exchange(exchange).unwrap().len() <= 300, "{exchange:?}");
    }
}

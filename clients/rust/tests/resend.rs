//! Resend's dialect, driven by crates.io `resend-rs`, which takes the base URL as an option.

#[allow(dead_code, reason = "the other tests use the rest")]
mod support;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use chrono::{SecondsFormat, TimeDelta, Utc};
use resend_rs::idempotent::IdempotentTrait;
use resend_rs::list_opts::{ListOptions, ListResponse};
use resend_rs::types::{
    BatchValidation, CreateAttachment, CreateEmailBaseOptions, Email, EmailEvent, EmailTemplate, ErrorKind, Log, Tag,
    UpdateEmailOptions,
};
use resend_rs::{ConfigBuilder, Error, Method, Resend};
use serde_json::json;
use support::{Server, Sink, create_key, create_template, post};

const FROM: &str = "Acme <hello@acme.example>";
const NO_ID: &str = "00000000-0000-4000-8000-000000000000";
const MANY: usize = 23;
const PAGE: u8 = 5;

#[tokio::test]
async fn a_message_is_sent_and_read_back() {
    let stage = Stage::set("sent", &[]).await;
    let message = mail("ada@example.com")
        .with_html("<p>Good day</p>")
        .with_text("Good day")
        .with_cc("cc@example.com")
        .with_bcc("bcc@example.com")
        .with_reply("help@acme.example")
        .with_header("X-Entity-Ref-ID", "123")
        .with_tag(Tag::new("category", "confirm_email"))
        .with_attachment(CreateAttachment::from_content(b"\x00\xff bytes".to_vec()).with_filename("bytes.bin"));
    let sent = stage.client().emails.send(message).await.unwrap();
    let raw = stage.wait_for_mail("bcc@example.com").await;
    assert!(raw.contains("X-Entity-Ref-ID: 123"), "{raw}");
    assert!(raw.contains("bytes.bin"), "{raw}");
    assert!(raw.contains("AP8gYnl0ZXM="), "the attachment's bytes: {raw}");
    assert!(!raw.contains("bcc@example.com"), "a blind copy shows: {raw}");
    let found = stage.client().emails.get(&sent.id).await.unwrap();
    assert_eq!(found.id, sent.id);
    assert_eq!((found.from.as_str(), found.subject.as_str()), (FROM, "Hello"));
    assert_eq!(found.to, ["ada@example.com"]);
    assert_eq!((found.cc, found.bcc), (vec!["cc@example.com".to_owned()], vec!["bcc@example.com".to_owned()]));
    assert_eq!(found.reply_to, Some(vec!["help@acme.example".to_owned()]));
    assert_eq!((found.html.as_deref(), found.text.as_deref()), (Some("<p>Good day</p>"), Some("Good day")));
    assert!(matches!(found.last_event, EmailEvent::Queued | EmailEvent::Sent), "{:?}", found.last_event);
}

#[tokio::test]
async fn a_template_is_filled_in() {
    let stage = Stage::set("template", &[]).await;
    let template = create_template(&stage.server, "Welcome {{ name }}").await;
    let filled = EmailTemplate::new(&template).with_variable("name", json!("Ada"));
    // The client always sends a subject; it stands in place of the template's, and is one too.
    let message = CreateEmailBaseOptions::new(FROM, ["ada@example.com"], "Hello {{ name }}").with_template(filled);
    let sent = stage.client().emails.send(message).await.unwrap();
    assert_eq!(stage.client().emails.get(&sent.id).await.unwrap().subject, "Hello Ada");
}

#[tokio::test]
async fn a_scheduled_message_waits_can_be_moved_and_cancelled() {
    let stage = Stage::set("scheduled", &[]).await;
    let message = mail("later@example.com").with_text("Later").with_scheduled_at(&in_hours(1));
    let sent = stage.client().emails.send(message).await.unwrap();
    let found = stage.client().emails.get(&sent.id).await.unwrap();
    assert_eq!(found.last_event, EmailEvent::Scheduled);
    let at = found.scheduled_at.expect("a time");
    let moved = UpdateEmailOptions::new().with_scheduled_at(&in_hours(5));
    assert_eq!(stage.client().emails.update(&sent.id, moved).await.unwrap().id, sent.id);
    let found = stage.client().emails.get(&sent.id).await.unwrap();
    assert_ne!(found.scheduled_at, Some(at));
    assert_eq!(stage.client().emails.cancel(&sent.id).await.unwrap().id, sent.id);
    let found = stage.client().emails.get(&sent.id).await.unwrap();
    assert_eq!(found.last_event, EmailEvent::Canceled);
    assert!(stage.sink.messages().is_empty());
}

#[tokio::test]
async fn last_event_follows_what_is_reported() {
    let stage = Stage::set("events", &[]).await;
    for (kind, expected) in [
        ("delivered", EmailEvent::Delivered),
        ("opened", EmailEvent::Opened),
        ("clicked", EmailEvent::Clicked),
        ("bounced", EmailEvent::Bounced),
        ("reported_as_spam", EmailEvent::Complained),
        ("deferred", EmailEvent::DeliveryDelayed),
        ("failed", EmailEvent::Failed),
    ] {
        // Who bounced or complained is not written to again.
        let sent = stage.client().emails.send(mail(&format!("{kind}@example.com")).with_text("Hello")).await.unwrap();
        stage.wait_for_event(&sent.id, EmailEvent::Sent).await;
        let at = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let event = json!([{ "id": format!("evt-{kind}"), "kind": kind, "emailId": &*sent.id, "at": at }]);
        post(&stage.server, "/api/v1/events", event).await;
        assert_eq!(stage.client().emails.get(&sent.id).await.unwrap().last_event, expected, "{kind}");
    }
    let refused = stage.client().emails.send(mail("refused@example.com").with_text("Hello")).await.unwrap();
    stage.wait_for_event(&refused.id, EmailEvent::Bounced).await;
}

#[tokio::test]
async fn a_batch_is_strict_unless_it_is_asked_to_be_permissive() {
    let stage = Stage::set("batch", &[]).await;
    let good = || mail("ada@example.com").with_text("Hello");
    let bad = || mail("no address").with_text("Hello");
    let error = stage.client().batch.send(vec![good(), bad()]).await.unwrap_err();
    assert_resend_error(error, 422, &[ErrorKind::ValidationError]);
    assert!(stage.client().emails.list(ListOptions::default()).await.unwrap().is_empty());

    let sent = stage.client().batch.send(vec![good(), good()]).await.unwrap();
    assert_eq!(sent.iter().map(|one| one.id.to_string()).collect::<HashSet<_>>().len(), 2);

    let permissive = BatchValidation::Permissive;
    let answer = stage.client().batch.send_with_batch_validation(vec![bad(), good()], permissive).await.unwrap();
    assert_eq!(answer.data.len(), 1);
    assert_eq!(answer.errors.iter().map(|error| error.index).collect::<Vec<_>>(), [0]);
    assert_eq!(stage.client().emails.list(ListOptions::default()).await.unwrap().len(), 3);
}

#[tokio::test]
async fn an_idempotency_key_sends_once() {
    let stage = Stage::set("idempotent", &[]).await;
    let message = |subject: &str| CreateEmailBaseOptions::new(FROM, ["ada@example.com"], subject).with_text("Hello");
    let first = stage.client().emails.send(message("One").with_idempotency_key("order/1")).await.unwrap();
    let again = stage.client().emails.send(message("One").with_idempotency_key("order/1")).await.unwrap();
    assert_eq!(again.id, first.id);
    let other = stage.client().emails.send(message("Two").with_idempotency_key("order/1")).await.unwrap_err();
    assert_resend_error(other, 409, &[ErrorKind::InvalidIdempotentRequest]);
    let long = "k".repeat(257);
    let error = stage.client().emails.send(message("One").with_idempotency_key(&long)).await.unwrap_err();
    assert_resend_error(error, 400, &[ErrorKind::InvalidIdempotencyKey]);

    let batch = || IdempotentTrait::with_idempotency_key(vec![message("Three"), message("Four")], "batch/1");
    let first = stage.client().batch.send(batch()).await.unwrap();
    let again = stage.client().batch.send(batch()).await.unwrap();
    let ids = |answers: &[resend_rs::types::CreateEmailResponse]| -> Vec<String> {
        answers.iter().map(|one| one.id.to_string()).collect()
    };
    assert_eq!(ids(&again), ids(&first));
    assert_eq!(stage.client().emails.list(ListOptions::default()).await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_walk_has_no_repeat_and_no_gap_while_messages_arrive() {
    let stage = Stage::set("walk", &[]).await;
    let messages: Vec<_> = (0..MANY).map(|_| mail("ada@example.com").with_text("Hello")).collect();
    let sent = stage.client().batch.send(messages).await.unwrap();
    let before: Vec<String> = sent.iter().rev().map(|one| one.id.to_string()).collect();

    let arrivals = Arrivals::start(stage.clients());
    let mut seen: Vec<String> = Vec::new();
    loop {
        arrivals.wait_for_another().await;
        let client = stage.client();
        let options = ListOptions::default().with_limit(PAGE);
        let page: ListResponse<Email> = match seen.last() {
            Some(last) => client.emails.list(options.list_after(last)).await.unwrap(),
            None => client.emails.list(options).await.unwrap(),
        };
        seen.extend(page.data.iter().map(|email| email.id.to_string()));
        if !page.has_more {
            break;
        }
    }
    arrivals.stop().await;
    assert_walk(&seen, &before);
}

#[tokio::test]
async fn a_walk_over_the_requests_has_no_repeat_and_no_gap_while_they_arrive() {
    let stage = Stage::set("requests", &[]).await;
    for _ in 0..MANY {
        stage.client().emails.send(mail("ada@example.com").with_text("Hello")).await.unwrap();
    }
    let ids = |page: &ListResponse<Log>| page.data.iter().map(|log| log.id.to_string()).collect::<Vec<_>>();
    let before = ids(&stage.client().logs.list(ListOptions::default().with_limit(100)).await.unwrap());
    assert!(before.len() >= MANY);

    let arrivals = Arrivals::start(stage.clients());
    let mut seen: Vec<String> = Vec::new();
    loop {
        arrivals.wait_for_another().await;
        let client = stage.client();
        let options = ListOptions::default().with_limit(PAGE);
        let page = match seen.last() {
            Some(last) => client.logs.list(options.list_after(last)).await.unwrap(),
            None => client.logs.list(options).await.unwrap(),
        };
        seen.extend(ids(&page));
        if !page.has_more {
            break;
        }
    }
    arrivals.stop().await;
    assert_walk(&seen, &before);
}

#[tokio::test]
async fn a_request_is_logged_with_both_bodies_and_no_secret() {
    let stage = Stage::set("log", &[]).await;
    let client = stage.client();
    let sent = client.emails.send(mail("ada@example.com").with_text("Hello")).await.unwrap();
    let page = client.logs.list(ListOptions::default().with_limit(100)).await.unwrap();
    let entry = page.data.iter().find(|log| log.method == "POST" && log.endpoint == "/emails").expect("the request");
    let found = client.logs.get(&entry.id).await.unwrap();
    assert_eq!(found.response_status.get(), 200);
    assert_eq!(found.user_agent.as_deref(), Some(client.user_agent()));
    assert_eq!(found.request_body["to"], json!(["ada@example.com"]));
    assert_eq!(found.response_body, json!({ "id": &*sent.id }));
    assert!(!serde_json::to_string(&found).unwrap().contains(&stage.server.key));

    let back = client.logs.list(ListOptions::default().with_limit(1).list_before(&entry.id)).await.unwrap();
    assert_eq!(back.len(), 1);
    assert_ne!(back[0].id, entry.id);
}

#[tokio::test]
async fn every_error_has_its_name() {
    let stage = Stage::set("errors", &[]).await;
    let hello = || mail("ada@example.com").with_text("Hello");

    let missing = stage.client_with("").emails.list(ListOptions::default()).await.unwrap_err();
    assert_resend_error(missing, 401, &[ErrorKind::MissingApiKey]);
    let wrong = stage.client_with("sl_not_a_key").emails.send(hello()).await.unwrap_err();
    // The client has no kind of its own for `invalid_api_key`.
    let Error::Resend(wrong) = wrong else { panic!("{wrong}") };
    assert_eq!((wrong.status_code, wrong.name.as_str()), (403, "invalid_api_key"));

    let reading = create_key(&stage.server, "logs:view");
    let error = stage.client_with(&reading).emails.send(hello()).await.unwrap_err();
    assert_resend_error(error, 401, &[ErrorKind::RestrictedApiKey]);
    let sending = create_key(&stage.server, "emails:send");
    let error = stage.client_with(&sending).logs.list(ListOptions::default()).await.unwrap_err();
    assert_resend_error(error, 401, &[ErrorKind::RestrictedApiKey]);

    let client = stage.client();
    let error = client.emails.send(mail("no address").with_text("Hello")).await.unwrap_err();
    assert_resend_error(error, 422, &[ErrorKind::ValidationError]);
    let nobody = CreateEmailBaseOptions::new(FROM, Vec::<String>::new(), "Hello").with_text("Hello");
    let error = client.emails.send(nobody).await.unwrap_err();
    assert_resend_error(error, 422, &[ErrorKind::ValidationError, ErrorKind::MissingRequiredField]);
    let error = client.emails.list(ListOptions::default().with_limit(0)).await.unwrap_err();
    assert_resend_error(error, 422, &[ErrorKind::ValidationError, ErrorKind::InvalidParameter]);
    let both = ListOptions::default().list_after(NO_ID).with_other("before", json!(NO_ID));
    let error = client.logs.list(both).await.unwrap_err();
    assert_resend_error(error, 422, &[ErrorKind::ValidationError, ErrorKind::InvalidParameter]);

    let client = stage.client();
    let error = client.emails.get(NO_ID).await.unwrap_err();
    assert_resend_error(error, 404, &[ErrorKind::NotFound]);
    let error = client.logs.get(NO_ID).await.unwrap_err();
    assert_resend_error(error, 404, &[ErrorKind::NotFound]);
    let error = client.emails.cancel(NO_ID).await.unwrap_err();
    assert_resend_error(error, 404, &[ErrorKind::NotFound]);
    let error = client.domains.list(ListOptions::default()).await.unwrap_err();
    assert_resend_error(error, 404, &[ErrorKind::NotFound]);
    for method in [Method::POST, Method::DELETE] {
        let none = None::<()>;
        let error = client.send_raw(method, "/logs", none, none, None).await.unwrap_err();
        assert_resend_error(error, 405, &[ErrorKind::MethodNotAllowed]);
    }

    let sent = stage.client().emails.send(hello()).await.unwrap();
    stage.wait_for_event(&sent.id, EmailEvent::Sent).await;
    let error = stage.client().emails.cancel(&sent.id).await.unwrap_err();
    assert_resend_error(error, 422, &[ErrorKind::ValidationError]);
}

#[tokio::test]
async fn a_key_that_asks_too_often_is_told_the_limit() {
    let stage = Stage::set("limited", &["--rate-limit", "3"]).await;
    let mut refused = None;
    for _ in 0..60 {
        // The client holds itself back after nine requests, a new one does not.
        refused = refused.or(stage.client().emails.list(ListOptions::default()).await.err());
    }
    let Some(Error::RateLimit { ratelimit_limit, ratelimit_remaining, ratelimit_reset }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((ratelimit_limit, ratelimit_remaining), (Some(3), Some(0)));
    assert!(ratelimit_reset.is_some());
}

fn assert_resend_error(error: Error, status: u16, kinds: &[ErrorKind]) {
    let Error::Resend(error) = error else { panic!("no error of Resend's: {error}") };
    assert_eq!(error.status_code, status, "{error}");
    assert!(kinds.contains(&error.kind()), "{error}");
    assert!(!error.message.is_empty());
}

fn assert_walk(seen: &[String], before: &[String]) {
    let unique: HashSet<_> = seen.iter().collect();
    assert_eq!(unique.len(), seen.len(), "something came twice");
    let old: Vec<_> = seen.iter().filter(|id| before.contains(id)).cloned().collect();
    assert_eq!(old, before, "something is missing or out of order");
}

fn mail(to: &str) -> CreateEmailBaseOptions {
    CreateEmailBaseOptions::new(FROM, [to], "Hello")
}

fn in_hours(hours: i64) -> String {
    (Utc::now() + TimeDelta::hours(hours)).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A running server with a team, and the mail server it sends to.
struct Stage {
    server: Server,
    sink: Sink,
}

impl Stage {
    async fn set(name: &str, arguments: &[&str]) -> Self {
        let sink = Sink::start().await;
        let server = Server::start(name, &sink.url(), arguments);
        Self { server, sink }
    }

    /// A new client. Each holds itself back after nine requests.
    fn client(&self) -> Resend {
        self.client_with(&self.server.key)
    }

    fn client_with(&self, key: &str) -> Resend {
        client_at(&self.server.addr.to_string(), key)
    }

    /// What makes new clients.
    fn clients(&self) -> impl Fn() -> Resend + Send + 'static {
        let (addr, key) = (self.server.addr.to_string(), self.server.key.clone());
        move || client_at(&addr, &key)
    }

    /// The text of the mail that this recipient gets.
    async fn wait_for_mail(&self, recipient: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let found = self.sink.messages().into_iter().find(|one| one.recipients.iter().any(|to| to == recipient));
            if let Some(message) = found {
                return message.text;
            }
            assert!(Instant::now() < deadline, "no mail for {recipient}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn wait_for_event(&self, id: &str, event: EmailEvent) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let last_event = self.client().emails.get(id).await.unwrap().last_event;
            if last_event == event {
                return;
            }
            assert!(Instant::now() < deadline, "{id} is {last_event:?}, not {event:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn client_at(addr: &str, key: &str) -> Resend {
    let base_url = format!("http://{addr}/resend").parse().unwrap();
    Resend::with_config(ConfigBuilder::new(key).base_url(base_url).build())
}

/// Messages that keep arriving while a test reads the log: a task that sends one after the other.
struct Arrivals {
    sent: Arc<AtomicUsize>,
    stopping: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Arrivals {
    fn start(client: impl Fn() -> Resend + Send + 'static) -> Self {
        let (sent, stopping) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (counter, stop) = (Arc::clone(&sent), Arc::clone(&stopping));
        let task = tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                client().emails.send(mail("arriving@example.com").with_text("Hello")).await.unwrap();
                counter.fetch_add(1, Ordering::Relaxed);
                // The pause leaves the server time to answer the test.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        Self { sent, stopping, task }
    }

    /// Waits until one more has been accepted, so that something surely came between two pages.
    async fn wait_for_another(&self) {
        let before = self.sent.load(Ordering::Relaxed);
        while self.sent.load(Ordering::Relaxed) == before && !self.task.is_finished() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Fails when one of them could not be sent.
    async fn stop(self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
    }
}

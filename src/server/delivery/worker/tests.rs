//! The worker against a real mail server (the sink) or web server, and a real database.

mod crashes;
mod http;
mod order;
mod providers;
mod queues;
mod servers;
mod suppressed;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use chrono::TimeDelta;

use self::servers::scripted;
use super::super::endpoint::SmtpEndpoint;
use super::super::http_endpoint::HttpEndpoint;
use super::timeline::{bounce_cause, spoken};
use super::*;
use crate::domain::adapter::{Adapter, AdapterKind};
use crate::domain::audit::{ActorKind, AuditAction, AuditActor};
use crate::domain::channel::Channel;
use crate::domain::email::{Email, EmailStatus, Recipient, RecipientKind};
use crate::domain::event::{EmailEvent, EventCause, EventDetail, EventKind};
use crate::domain::ids::{AdapterId, AuditEntryId, EmailId, TeamId};
use crate::domain::team::{Team, TeamRules};
use crate::server::demo::sink::{Sink, SinkSettings};
use crate::server::secrets::random_token;
use crate::server::store::audit::AuditEvent;
use crate::server::store::emails::{Acceptance, Attachment, NewEmail};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// A database with a team and an adapter, and a sink behind it.
struct Bench {
    store: Store,
    clock: Clock,
    key: Arc<SecretKey>,
    sink: Sink,
    team: TeamId,
    adapter: AdapterId,
    folder: PathBuf,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn quick() -> WorkerSettings {
    WorkerSettings {
        poll_every: Duration::from_millis(20),
        retry_delays: vec![Duration::from_millis(50); 2],
        step_back: Duration::from_millis(50),
        drain: Duration::from_secs(5),
        ..WorkerSettings::within(Outbound::new(true))
    }
}

/// A line of the audit log.
fn event() -> AuditEvent {
    AuditEvent {
        id: AuditEntryId(1),
        actor: AuditActor { kind: ActorKind::CommandLine, id: None, name: "Test".to_owned() },
        action: AuditAction::AdapterCreated,
        target: None,
        target_name: None,
        before: None,
        after: None,
        reason: None,
        address: None,
        user_agent: None,
    }
}

impl Bench {
    async fn new() -> Self {
        Self::with_sink(Sink::start(LOOPBACK).await.unwrap(), None).await
    }

    async fn with_sink(sink: Sink, url: Option<&str>) -> Self {
        let (endpoint, secret) = SmtpEndpoint::parse(&url.map_or_else(|| sink.url(), str::to_owned)).unwrap();
        Self::with_adapter(sink, AdapterKind::Smtp, &endpoint.to_string(), |key, team, id| secret.seal(key, team, id))
            .await
    }

    async fn with_adapter(
        sink: Sink,
        kind: AdapterKind,
        endpoint: &str,
        seal: impl FnOnce(&SecretKey, TeamId, AdapterId) -> String,
    ) -> Self {
        let folder = std::env::temp_dir().join(format!("sendlog-worker-{}", random_token()));
        let store = Store::open(&format!("sqlite://{}", folder.join("test.db").display())).await.unwrap();
        let (clock, key) = (Clock::system(), Arc::new(SecretKey::generate()));
        let (team, adapter) = (TeamId(0), AdapterId(0));
        let mut bench = Self { store, clock, key, sink, team, adapter, folder };
        bench.team = bench.add_team("finch").await;
        bench.adapter = bench.add_adapter(bench.team, "Main", kind, endpoint, seal).await;
        bench
    }

    async fn add_team(&self, slug: &str) -> TeamId {
        let (id, slug, name, rules) = (self.clock.mint(), slug.into(), slug.into(), TeamRules::default());
        let team = Team { id, slug, name, created_at: self.clock.now(), rules };
        assert!(self.store.insert_team(&team, None, &event()).await.unwrap());
        id
    }

    async fn add_adapter(
        &self,
        team: TeamId,
        name: &str,
        kind: AdapterKind,
        endpoint: &str,
        seal: impl FnOnce(&SecretKey, TeamId, AdapterId) -> String,
    ) -> AdapterId {
        let adapter = Adapter {
            id: self.clock.mint(),
            name: name.to_owned(),
            kind,
            from_address: "Finch <receipts@finch.example>".to_owned(),
            endpoint: endpoint.to_owned(),
            is_default: true,
            created_at: self.clock.now(),
        };
        let sealed = seal(&self.key, team, adapter.id);
        assert!(self.store.insert_adapter(team, &adapter, &sealed, &event()).await.unwrap());
        adapter.id
    }

    async fn add_smtp_adapter(&self, team: TeamId, name: &str, url: &str) -> AdapterId {
        let (endpoint, secret) = SmtpEndpoint::parse(url).unwrap();
        let seal = |key: &SecretKey, team, id| secret.seal(key, team, id);
        self.add_adapter(team, name, AdapterKind::Smtp, &endpoint.to_string(), seal).await
    }

    fn email(&self, to: &[&str]) -> NewEmail {
        let recipient =
            |address: &&str| Recipient { kind: RecipientKind::To, address: (*address).to_owned(), name: None };
        NewEmail {
            adapter_id: Some(self.adapter),
            recipients: to.iter().map(recipient).collect(),
            from_address: "Finch <receipts@finch.example>".to_owned(),
            subject: "Your receipt".to_owned(),
            html: Some("<p>Thank you</p>".to_owned()),
            text: Some("Thank you".to_owned()),
            ..NewEmail::blank(self.clock.mint(), self.clock.mint(), Channel::Email)
        }
    }

    async fn accept(&self, email: NewEmail) -> EmailId {
        self.store.insert_email(self.team, &email).await.unwrap();
        email.id
    }

    async fn accept_to(&self, to: &[&str]) -> EmailId {
        self.accept(self.email(to)).await
    }

    fn worker(&self, settings: WorkerSettings) -> Worker {
        Worker::new(self.store.clone(), self.clock.clone(), Arc::clone(&self.key), settings)
    }

    /// Runs a worker until the outbox is empty.
    async fn work(&self, settings: WorkerSettings) {
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(self.worker(settings).run(stopped));
        let empty = async {
            while self.store.next_outbox_run().await.unwrap().is_some() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(20), empty).await.expect("the outbox should become empty");
        stop.send(true).unwrap();
        running.await.unwrap();
    }

    async fn find(&self, id: EmailId) -> Email {
        self.store.find_email(self.team, id).await.unwrap().unwrap()
    }

    async fn events(&self, id: EmailId) -> Vec<EmailEvent> {
        self.store.list_events(self.team, id).await.unwrap()
    }

    async fn kinds(&self, id: EmailId) -> Vec<EventKind> {
        self.events(id).await.into_iter().map(|event| event.kind).collect()
    }
}

#[tokio::test]
async fn an_accepted_message_is_sent() {
    let bench = Bench::new().await;
    let id = bench.accept_to(&["ada@example.com"]).await;
    bench.work(quick()).await;
    let email = bench.find(id).await;
    assert_eq!((email.status, email.error_message), (EmailStatus::Sent, None));
    assert_eq!(email.provider_message_id.as_deref(), Some("SINK000001"));
    let [event] = &bench.events(id).await[..] else { panic!("one event") };
    assert_eq!((event.kind, event.recipient.as_deref()), (EventKind::Sent, Some("ada@example.com")));
    assert_eq!(event.detail.message.as_deref(), Some("Handed to Main"));
    assert_eq!(event.detail.reply.as_deref(), Some("250 2.0.0 Ok: queued as SINK000001"));
    assert_eq!((event.detail.server.as_deref(), event.detail.protocol.as_deref()), (Some("127.0.0.1"), Some("smtp")));
    assert_eq!(event.detail.cause, None);
    let [received] = &bench.sink.messages()[..] else { panic!("one message") };
    assert_eq!(
        (received.from.as_str(), &received.recipients[..]),
        ("receipts@finch.example", &["ada@example.com".to_owned()][..])
    );
}

#[tokio::test]
async fn a_refused_recipient_bounces_with_the_servers_words() {
    let bench = Bench::new().await;
    let id = bench.accept_to(&["refused@example.com"]).await;
    bench.work(quick()).await;
    let email = bench.find(id).await;
    assert_eq!(email.status, EmailStatus::Bounced);
    assert_eq!(email.error_message.as_deref(), Some("550 5.1.1 No such user here"));
    assert_eq!(bench.kinds(id).await, [EventKind::Bounced]);
    assert_eq!(bench.events(id).await[0].detail.cause, Some(EventCause::Hard));
    assert!(bench.sink.messages().is_empty());
}

#[tokio::test]
async fn a_deferred_recipient_is_tried_again_and_then_sent() {
    let bench = Bench::new().await;
    let id = bench.accept_to(&["deferred@example.com"]).await;
    bench.work(quick()).await;
    let email = bench.find(id).await;
    assert_eq!((email.status, email.error_message), (EmailStatus::Sent, None));
    let events = bench.events(id).await;
    let kinds: Vec<EventKind> = events.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::Deferred, EventKind::Sent]);
    assert_eq!(events[0].detail.reply.as_deref(), Some("451 4.7.1 Greylisted, try again later"));
    assert_eq!(events[0].detail.message.as_deref(), Some("Try 1 of 3; the next one in 1 second"));
}

#[tokio::test]
async fn the_last_try_ends_in_the_servers_words() {
    let bench = Bench::new().await;
    let id = bench.accept_to(&["full@example.com"]).await;
    bench.work(quick()).await;
    let email = bench.find(id).await;
    assert_eq!(email.status, EmailStatus::Failed);
    assert_eq!(email.error_message.as_deref(), Some("Gave up after 3 tries: 452 4.2.2 Mailbox full"));
    assert_eq!(bench.kinds(id).await, [EventKind::Deferred, EventKind::Deferred, EventKind::Failed]);
}

#[tokio::test]
async fn each_recipient_meets_its_own_fate_and_nobody_gets_it_twice() {
    let bench = Bench::new().await;
    let to = ["ada@example.com", "refused@example.com", "deferred@example.com"];
    let id = bench.accept_to(&to).await;
    bench.work(quick()).await;
    let fates: Vec<(EventKind, String)> =
        bench.events(id).await.into_iter().map(|event| (event.kind, event.recipient.unwrap())).collect();
    let fate = |kind, address: &str| (kind, address.to_owned());
    assert_eq!(
        fates,
        [
            fate(EventKind::Sent, "ada@example.com"),
            fate(EventKind::Bounced, "refused@example.com"),
            fate(EventKind::Deferred, "deferred@example.com"),
            fate(EventKind::Sent, "deferred@example.com"),
        ]
    );
    assert_eq!(bench.find(id).await.status, EmailStatus::Bounced);
    let envelopes: Vec<Vec<String>> = bench.sink.messages().into_iter().map(|message| message.recipients).collect();
    assert_eq!(envelopes, [vec!["ada@example.com".to_owned()], vec!["deferred@example.com".to_owned()]]);
}

#[tokio::test]
async fn what_is_sent_arrives_whole() {
    let bench = Bench::new().await;
    let mut email = bench.email(&["zoe@example.com"]);
    let other = |kind, address: &str| Recipient { kind, address: address.to_owned(), name: Some("Ünal".to_owned()) };
    email.recipients.push(other(RecipientKind::Cc, "copy@example.com"));
    email.recipients.push(other(RecipientKind::Bcc, "hidden@example.com"));
    email.subject = "Ihre Quittung für März ✓".to_owned();
    email.text = Some(".dot\r\n..dots\r\n.\r\nend".to_owned());
    email.html = None;
    let content: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let (filename, content_type) = ("receipt.pdf".to_owned(), "application/pdf".to_owned());
    email.attachments = vec![Attachment { filename, content_type, content: content.clone(), content_id: None }];
    let id = bench.accept(email).await;
    bench.work(quick()).await;
    assert_eq!(bench.find(id).await.status, EmailStatus::Sent);
    let [received] = &bench.sink.messages()[..] else { panic!("one message") };
    assert_eq!(received.recipients, ["zoe@example.com", "copy@example.com", "hidden@example.com"]);
    let message = String::from_utf8(received.raw.clone()).unwrap();
    assert!(!message.contains("hidden@example.com"));
    assert!(message.contains("<copy@example.com>\r\n"));
    assert_eq!(decoded_subject(&message), "Ihre Quittung für März ✓");
    assert!(message.contains("\r\n\r\n.dot\r\n..dots\r\n.\r\nend\r\n"), "{}", &message[..1500]);
    let (_, part) = message.split_once("Content-Disposition: attachment; filename=\"receipt.pdf\"").unwrap();
    let (_, part) = part.split_once("\r\n\r\n").unwrap();
    let (base64, _) = part.split_once("\r\n--").unwrap();
    use base64::Engine;
    let decoded = base64::engine::general_purpose::STANDARD.decode(base64.replace("\r\n", "")).unwrap();
    assert!(decoded == content, "the attachment arrives as it was");
}

/// The subject with its encoded words (RFC 2047, base64) decoded.
fn decoded_subject(message: &str) -> String {
    use base64::Engine;
    let (_, rest) = message.split_once("\r\nSubject: ").unwrap();
    let unfolded = rest.replace("\r\n ", " ");
    let (line, _) = unfolded.split_once("\r\n").unwrap();
    let line = line.replace("?= =?", "?==?");
    let mut bytes = Vec::new();
    let mut rest = line.as_str();
    while let Some((before, after)) = rest.split_once("=?utf-8?b?") {
        bytes.extend_from_slice(before.as_bytes());
        let (word, after) = after.split_once("?=").unwrap();
        bytes.extend(base64::engine::general_purpose::STANDARD.decode(word).unwrap());
        rest = after;
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).unwrap()
}

#[tokio::test]
async fn a_line_break_in_a_header_fails_the_message_and_never_leaves() {
    let bench = Bench::new().await;
    let mut email = bench.email(&["ada@example.com"]);
    email.subject = "Hi\r\nBcc: eve@example.com".to_owned();
    let id = bench.accept(email).await;
    bench.work(quick()).await;
    let email = bench.find(id).await;
    assert_eq!(email.status, EmailStatus::Failed);
    assert!(email.error_message.unwrap().contains("subject must be one line"));
    assert!(bench.sink.messages().is_empty());
}

#[tokio::test]
async fn an_address_outside_ascii_needs_a_server_that_takes_it() {
    for offers_smtputf8 in [true, false] {
        let settings = SinkSettings { offers_smtputf8, ..SinkSettings::default() };
        let bench = Bench::with_sink(Sink::start_with(LOOPBACK, settings).await.unwrap(), None).await;
        let id = bench.accept_to(&["zoë@example.com", "ada@bücher.example"]).await;
        bench.work(quick()).await;
        let recipients = bench.sink.messages().remove(0).recipients;
        if offers_smtputf8 {
            assert_eq!(bench.find(id).await.status, EmailStatus::Sent);
            assert_eq!(recipients, ["zoë@example.com", "ada@xn--bcher-kva.example"]);
        } else {
            let email = bench.find(id).await;
            assert_eq!(email.status, EmailStatus::Failed);
            assert!(email.error_message.unwrap().contains("SMTPUTF8"));
            assert_eq!(recipients, ["ada@xn--bcher-kva.example"]);
            assert!(bench.sink.messages()[0].raw.is_ascii());
        }
    }
}

#[tokio::test]
async fn an_unreachable_server_is_tried_again_and_then_given_up() {
    let bench = Bench::with_sink(Sink::start(LOOPBACK).await.unwrap(), Some("smtp://127.0.0.1:1")).await;
    let id = bench.accept_to(&["ada@example.com", "bob@example.com"]).await;
    bench.work(quick()).await;
    let kinds = bench.kinds(id).await;
    let tried = EventKind::FailedToSend;
    assert_eq!(kinds, [tried, tried, EventKind::Failed, EventKind::Failed], "one event a try, one end a recipient");
    let email = bench.find(id).await;
    assert_eq!(email.status, EmailStatus::Failed);
    let message = email.error_message.unwrap();
    assert!(message.starts_with("Gave up after 3 tries: Cannot connect to 127.0.0.1:1: "), "{message}");
}

#[tokio::test]
async fn a_refused_log_in_leaves_the_message_waiting() {
    let log_in = Some(("ada".to_owned(), "hunter2".to_owned()));
    let sink = Sink::start_with(LOOPBACK, SinkSettings { log_in, ..SinkSettings::default() }).await.unwrap();
    let url = format!("smtp://ada:wrong@{}", sink.addr());
    let bench = Bench::with_sink(sink, Some(&url)).await;
    let id = bench.accept_to(&["ada@example.com"]).await;
    let (stop, stopped) = watch::channel(false);
    let settings = WorkerSettings { retry_delays: vec![Duration::from_secs(600)], ..quick() };
    let running = tokio::spawn(bench.worker(settings).run(stopped));
    while bench.kinds(id).await.is_empty() {
        sleep(Duration::from_millis(10)).await;
    }
    stop.send(true).unwrap();
    running.await.unwrap();
    let email = bench.find(id).await;
    assert_eq!((email.status, email.error_message), (EmailStatus::Queued, None));
    assert!(email.next_attempt_at.is_some());
    let detail = bench.events(id).await.remove(0).detail;
    assert!(detail.reply.unwrap().ends_with("535 5.7.8 Error: authentication failed"));
    assert!(detail.message.unwrap().starts_with("Try 1 of 2; the next one in "));
}

#[tokio::test]
async fn a_message_of_a_deleted_adapter_fails() {
    let bench = Bench::new().await;
    let id = bench.accept_to(&["ada@example.com"]).await;
    assert!(bench.store.delete_adapter(bench.team, bench.adapter, bench.clock.now(), &event()).await.unwrap());
    bench.work(quick()).await;
    let email = bench.find(id).await;
    assert_eq!(email.status, EmailStatus::Failed);
    assert_eq!(email.error_message.as_deref(), Some("The adapter of this message was deleted"));
}

#[tokio::test]
async fn a_mail_server_sends_no_text_message() {
    let bench = Bench::new().await;
    let id = bench.accept(NewEmail { channel: Channel::Sms, ..bench.email(&["+4912345"]) }).await;
    bench.work(quick()).await;
    let email = bench.find(id).await;
    let reason = "The adapter Main sends email only, and this message is for the channel SMS";
    assert_eq!((email.status, email.error_message.as_deref()), (EmailStatus::Failed, Some(reason)));
}

#[test]
fn a_full_mailbox_is_a_soft_bounce_and_an_unknown_one_a_hard_one() {
    for (reply, cause) in [
        ("550 5.1.1 No such user", EventCause::Hard),
        ("550 no such user", EventCause::Hard),
        ("552 5.2.2 Mailbox full", EventCause::Soft),
        ("552 mailbox full", EventCause::Soft),
        ("552 5.3.4 Message too big", EventCause::Hard),
        ("550-5.2.2 The account is over quota", EventCause::Soft),
        ("550 4.7.1 Greylisted", EventCause::Soft),
        ("450 mailbox busy", EventCause::Soft),
        ("", EventCause::Hard),
    ] {
        assert_eq!(bounce_cause(Some("smtp"), reply), cause, "{reply}");
    }
    for protocol in ["http", "https"] {
        assert_eq!(bounce_cause(Some(protocol), "422 Unprocessable Entity: no such address"), EventCause::Hard);
    }
}

#[test]
fn durations_are_spoken_in_one_unit() {
    for (seconds, text) in [
        (0.05, "1 second"),
        (30.0, "30 seconds"),
        (89.0, "89 seconds"),
        (120.0, "2 minutes"),
        (3600.0, "60 minutes"),
        (10_800.0, "3 hours"),
    ] {
        assert_eq!(spoken(Duration::from_secs_f64(seconds)), text);
    }
}

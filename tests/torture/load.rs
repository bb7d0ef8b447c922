//! Callers of many kinds, all at once, and the ledger of what they were told.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use sendlog::domain::ids::EmailId;
use sendlog::server::clock::Clock;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::target::{Target, ask, request};

/// A copy that an answer promised.
#[derive(Clone, Copy, Debug)]
pub struct Copy {
    pub of: EmailId,
    pub id: EmailId,
    /// When the answer was read.
    pub answered_at: DateTime<Utc>,
}

/// What was acknowledged.
#[derive(Default)]
pub struct Ledger {
    pub kills: AtomicU64,
    pub asked: AtomicU64,
    pub hung_up: AtomicU64,
    accepted: Mutex<Vec<(EmailId, String)>>,
    by_key: Mutex<HashMap<String, BTreeSet<EmailId>>>,
    copies: Mutex<Vec<Copy>>,
    events: Mutex<Vec<(String, EmailId)>>,
}

impl Ledger {
    /// A message was acknowledged.
    pub fn accept(&self, id: EmailId, to: &str) {
        self.accepted.lock().unwrap().push((id, to.to_owned()));
    }

    pub fn accepted(&self) -> Vec<(EmailId, String)> {
        self.accepted.lock().unwrap().clone()
    }

    pub fn by_key(&self) -> HashMap<String, BTreeSet<EmailId>> {
        self.by_key.lock().unwrap().clone()
    }

    pub fn copies(&self) -> Vec<Copy> {
        self.copies.lock().unwrap().clone()
    }

    pub fn events(&self) -> Vec<(String, EmailId)> {
        self.events.lock().unwrap().clone()
    }

    /// One line of what was done so far.
    pub fn figures(&self) -> String {
        let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
        format!(
            "{} kills, {} requests, {} hung up, {} messages acknowledged, {} keys used again, {} copies, {} events",
            count(&self.kills),
            count(&self.asked),
            count(&self.hung_up),
            self.accepted.lock().unwrap().len(),
            self.by_key.lock().unwrap().len(),
            self.copies.lock().unwrap().len(),
            self.events.lock().unwrap().len(),
        )
    }
}

/// The callers of one round.
pub struct Load {
    stop: Arc<AtomicBool>,
    callers: JoinSet<()>,
}

/// What a caller works with.
#[derive(Clone)]
struct Caller {
    addr: SocketAddr,
    smtp_addr: SocketAddr,
    key: String,
    headers: Vec<(String, String)>,
    template: String,
    ledger: Arc<Ledger>,
    stop: Arc<AtomicBool>,
    clock: Clock,
}

impl Load {
    pub fn start(target: &Target, ledger: &Arc<Ledger>, seed: u64) -> Self {
        Self::start_at(target, (target.addr, target.smtp_addr), ledger, seed)
    }

    /// The same at another node of the target's.
    pub fn start_at(
        target: &Target,
        (addr, smtp_addr): (SocketAddr, SocketAddr),
        ledger: &Arc<Ledger>,
        seed: u64,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let caller = Caller {
            addr,
            smtp_addr,
            key: target.key.clone(),
            headers: target.bearer(),
            template: target.template.clone(),
            ledger: Arc::clone(ledger),
            stop: Arc::clone(&stop),
            clock: Clock::system(),
        };
        let mut callers = JoinSet::new();
        for index in 0..11 {
            let (caller, rng) = (caller.clone(), StdRng::seed_from_u64(seed.wrapping_add(index)));
            match index {
                0..3 => callers.spawn(async move { caller.send(rng).await }),
                3 => callers.spawn(async move { caller.send_by_key(rng).await }),
                4 => callers.spawn(async move { caller.send_batches(rng).await }),
                5 | 6 => callers.spawn(async move { caller.resend(rng).await }),
                7 => callers.spawn(async move { caller.report(rng).await }),
                8 => callers.spawn(async move { caller.send_by_smtp(rng).await }),
                _ => callers.spawn(async move { caller.hang_up(rng).await }),
            };
        }
        Self { stop, callers }
    }

    /// Lets every caller end what it is at.
    pub async fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.callers.join_next().await {
            ended.unwrap();
        }
    }
}

impl Caller {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    async fn ask(&self, path: &str, more: &[(String, String)], body: &Value) -> Option<(u16, Value)> {
        self.ledger.asked.fetch_add(1, Ordering::Relaxed);
        let headers: Vec<(String, String)> = self.headers.iter().chain(more).cloned().collect();
        let answer = ask(self.addr, "POST", path, &headers, &body.to_string()).await;
        if answer.is_none() {
            sleep(Duration::from_millis(20)).await;
        }
        answer
    }

    fn body(&self, to: &str, rng: &mut StdRng) -> Value {
        json!({ "templateId": self.template, "to": to, "variables": { "index": rng.random::<u32>() } })
    }

    async fn send(&self, mut rng: StdRng) {
        while self.goes_on() {
            let to = someone(&mut rng);
            let body = self.body(&to, &mut rng);
            if let Some((200, answer)) = self.ask("/api/v1/send", &[], &body).await {
                self.ledger.accept(id_in(&answer["data"]["id"]), &to);
            }
        }
    }

    /// The same request several times with one key, by any API.
    async fn send_by_key(&self, mut rng: StdRng) {
        while self.goes_on() {
            let (to, key) = (someone(&mut rng), format!("key-{}", rng.random::<u64>()));
            let more = [("Idempotency-Key".to_owned(), key.clone())];
            let mail = json!({ "from": "Team <team@example.com>", "to": to, "subject": "Once", "text": key });
            let (path, body) = match rng.random_range(0..3) {
                0 => ("/resend/emails", mail),
                1 => ("/jetemail/email", mail),
                _ => ("/api/v1/send", self.body(&to, &mut rng)),
            };
            let repeats = rng.random_range(2..4);
            for answer in [
                self.ask(path, &more, &body).await,
                self.ask(path, &more, &body).await,
                if repeats > 2 { self.ask(path, &more, &body).await } else { None },
            ] {
                if let Some((200 | 201, answer)) = answer {
                    let id = id_in(if answer["id"].is_null() { &answer["data"]["id"] } else { &answer["id"] });
                    self.ledger.accept(id, &to);
                    self.ledger.by_key.lock().unwrap().entry(key.clone()).or_default().insert(id);
                }
            }
        }
    }

    async fn send_batches(&self, mut rng: StdRng) {
        while self.goes_on() {
            let recipients: Vec<String> = (0..rng.random_range(1..6)).map(|_| someone(&mut rng)).collect();
            let from = "Team <team@example.com>";
            let body: Vec<Value> = recipients
                .iter()
                .map(|to| json!({ "from": from, "to": to, "subject": "Batch", "text": "Hello" }))
                .collect();
            if let Some((200, answer)) = self.ask("/resend/emails/batch", &[], &json!(body)).await {
                let ids = answer["data"].as_array().unwrap();
                assert_eq!(ids.len(), recipients.len(), "{answer}");
                for (id, to) in ids.iter().zip(&recipients) {
                    self.ledger.accept(id_in(&id["id"]), to);
                }
            }
        }
    }

    /// Sends mail over connections that break now and then, each mail until it is taken, as mail servers do. What is left
    /// when the load stops is not sent again.
    async fn send_by_smtp(&self, mut rng: StdRng) {
        while self.goes_on() {
            let (to, name) = (someone(&mut rng), format!("{SMTP_SUBJECT}{}", rng.random::<u64>()));
            let mail = format!(
                "From: team@example.com\r\nTo: {to}\r\nSubject: {name}\r\nMessage-ID: <{name}@example.com>\r\n\r\nHello\r\n"
            );
            while self.goes_on() {
                let is_patient = rng.random_bool(0.7);
                let patience = Duration::from_millis(if is_patient { 30_000 } else { rng.random_range(0..40) });
                let sending = submit(self.smtp_addr, &self.key, &to, &mail);
                self.ledger.asked.fetch_add(1, Ordering::Relaxed);
                match timeout(patience, sending).await {
                    Ok(Some(id)) => {
                        self.ledger.accept(id, &to);
                        self.ledger.by_key.lock().unwrap().entry(name).or_default().insert(id);
                        break;
                    }
                    Ok(None) => sleep(Duration::from_millis(20)).await,
                    Err(_) => {
                        self.ledger.hung_up.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
    }

    /// Four requests at once to resend one message that bounced.
    async fn resend(&self, mut rng: StdRng) {
        while self.goes_on() {
            let bounced: Vec<EmailId> = self
                .ledger
                .accepted()
                .into_iter()
                .filter(|(_, to)| to.starts_with("bounce") || to.starts_with("policy"))
                .map(|(id, _)| id)
                .collect();
            let Some(of) = bounced.choose(&mut rng).copied() else {
                sleep(Duration::from_millis(20)).await;
                continue;
            };
            let mut askers = JoinSet::new();
            for _ in 0..4 {
                let caller = self.clone();
                askers.spawn(async move {
                    if let Some((200, answer)) = caller.ask(&format!("/api/logs/{of}/resend"), &[], &json!({})).await {
                        let id = id_in(&answer["data"]["id"]);
                        let copy = Copy { of, id, answered_at: caller.clock.now() };
                        caller.ledger.copies.lock().unwrap().push(copy);
                    }
                });
            }
            while let Some(ended) = askers.join_next().await {
                ended.unwrap();
            }
        }
    }

    async fn report(&self, mut rng: StdRng) {
        while self.goes_on() {
            let known = self.ledger.accepted();
            let at = self.clock.now().to_rfc3339_opts(SecondsFormat::Millis, true);
            let chosen: Vec<EmailId> = (0..20)
                .filter_map(|_| known.choose(&mut rng))
                .filter(|(_, to)| to.starts_with("user"))
                .map(|(id, _)| *id)
                .collect();
            let events: Vec<Value> = chosen
                .into_iter()
                .map(|id| {
                    let kind = ["delivered", "opened", "clicked"].choose(&mut rng);
                    let event_id = format!("evt-{}", rng.random::<u64>());
                    json!({ "id": event_id, "kind": kind, "emailId": id, "at": at })
                })
                .collect();
            if events.is_empty() {
                sleep(Duration::from_millis(20)).await;
                continue;
            }
            if let Some((200, answer)) = self.ask("/api/v1/events", &[], &json!(events)).await {
                for told in answer["data"].as_array().unwrap() {
                    if told["status"] == "recorded" {
                        let id = told["id"].as_str().unwrap().to_owned();
                        self.ledger.events.lock().unwrap().push((id, id_in(&told["emailId"])));
                    }
                }
            }
        }
    }

    /// Sends and goes away after 0 to 80 ms.
    async fn hang_up(&self, mut rng: StdRng) {
        while self.goes_on() {
            let to = someone(&mut rng);
            let body = self.body(&to, &mut rng).to_string();
            let text = request(self.addr, "POST", "/api/v1/send", &self.headers, &body);
            if let Ok(mut stream) = TcpStream::connect(self.addr).await {
                let _ = stream.write_all(text.as_bytes()).await;
                self.ledger.hung_up.fetch_add(1, Ordering::Relaxed);
            }
            sleep(Duration::from_millis(rng.random_range(0..80))).await;
        }
    }
}

/// How the subjects begin of what goes by SMTP.
pub const SMTP_SUBJECT: &str = "smtp-";

/// Sends a mail by SMTP; the message's id where it was taken.
async fn submit(addr: SocketAddr, key: &str, to: &str, mail: &str) -> Option<EmailId> {
    let (read, mut write) = TcpStream::connect(addr).await.ok()?.into_split();
    let mut lines = BufReader::new(read).lines();
    let log_in = STANDARD.encode(format!("\0torture\0{key}"));
    let said = [
        "EHLO torture".to_owned(),
        format!("AUTH PLAIN {log_in}"),
        "MAIL FROM:<team@example.com>".to_owned(),
        format!("RCPT TO:<{to}>"),
        "DATA".to_owned(),
        format!("{mail}."),
    ];
    let mut answer = last_line(&mut lines).await?;
    for line in said {
        if !answer.starts_with(['2', '3']) {
            return None;
        }
        write.write_all(format!("{line}\r\n").as_bytes()).await.ok()?;
        answer = last_line(&mut lines).await?;
    }
    answer.strip_prefix("250 2.0.0 Accepted as ").map(|id| id.parse().expect("an id"))
}

/// The last line of an answer.
async fn last_line(lines: &mut Lines<BufReader<OwnedReadHalf>>) -> Option<String> {
    loop {
        let line = lines.next_line().await.ok()??;
        if line.as_bytes().get(3) != Some(&b'-') {
            return Some(line);
        }
    }
}

/// A recipient: most are taken; some do not exist, so that what is sent to them again is dropped, and some are refused for
/// the content, so that it is sent again; with a few the mail server goes away before its answer.
fn someone(rng: &mut StdRng) -> String {
    let kind = match rng.random_range(0..20) {
        0..15 => "user",
        15..17 => "bounce",
        17..19 => "policy",
        _ => "vanish",
    };
    format!("{kind}-{}@example.com", rng.random::<u32>())
}

fn id_in(value: &Value) -> EmailId {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no id of a message: {value}"))
}

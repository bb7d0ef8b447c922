//! What takes the messages under torture: a mail server, or the API of a provider; and how often each came.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::{Arc, Mutex};

use sendlog::domain::ids::EmailId;
use sendlog::server::demo::sink::{ReceivedMessage, Sink, SinkSettings};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

type Received = Arc<Mutex<HashMap<EmailId, u64>>>;

/// What takes the messages. It stops with its value.
pub struct Mail {
    /// Of which kind its adapter is, and at which address.
    pub kind: &'static str,
    pub url: String,
    /// Whether it takes a message that is sent twice once.
    pub knows_repetitions: bool,
    received: Received,
    sink: Option<Sink>,
    serving: Option<AbortHandle>,
}

impl Mail {
    /// A mail server.
    pub async fn start() -> Self {
        let received = Received::default();
        let count = {
            let received = Arc::clone(&received);
            move |message: &ReceivedMessage| {
                let raw = String::from_utf8_lossy(&message.raw);
                let id = raw.lines().find_map(|line| line.strip_prefix("X-Sendlog-Id: ")).expect("a message of ours");
                *received.lock().unwrap().entry(id.trim().parse().unwrap()).or_default() += 1;
            }
        };
        let settings = SinkSettings { on_message: Some(Arc::new(count)), ..SinkSettings::default() };
        let sink = Sink::start_with(([127, 0, 0, 1], 0).into(), settings).await.unwrap();
        let url = sink.url();
        Self { kind: "smtp", url, knows_repetitions: false, received, sink: Some(sink), serving: None }
    }

    /// A stand-in for Resend: a request of one `Idempotency-Key` is taken once.
    pub async fn resend() -> Self {
        Self::provider("resend", true).await
    }

    /// A stand-in for SendGrid: every request is taken.
    pub async fn sendgrid() -> Self {
        Self::provider("sendgrid", false).await
    }

    async fn provider(kind: &'static str, knows_repetitions: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://key@{}?perSecond=1000", listener.local_addr().unwrap());
        let api = Api { kind, received: Received::default(), keys: Arc::default() };
        let received = Arc::clone(&api.received);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let api = api.clone();
                // A client that is killed is no failure of the test.
                tokio::spawn(async move { api.serve(stream).await });
            }
        });
        Self { kind, url, knows_repetitions, received, sink: None, serving: Some(serving.abort_handle()) }
    }

    /// How often each message came.
    pub fn received(&self) -> HashMap<EmailId, u64> {
        self.received.lock().unwrap().clone()
    }
}

impl Drop for Mail {
    fn drop(&mut self) {
        drop(self.sink.take());
        self.serving.iter().for_each(AbortHandle::abort);
    }
}

/// A provider's API. Recipients that begin with `bounce` or `policy` are refused, and for those that begin with `vanish` the
/// connection ends before the answer.
#[derive(Clone)]
struct Api {
    kind: &'static str,
    received: Received,
    keys: Arc<Mutex<HashSet<String>>>,
}

impl Api {
    async fn serve(&self, stream: TcpStream) -> io::Result<()> {
        let mut stream = BufReader::new(stream);
        while let Some((head, body)) = request(&mut stream).await? {
            let Some((status, answer)) = self.answer(&head, &body) else { break };
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nX-Message-Id: one\r\nContent-Length: {}\r\n\r\n{answer}",
                answer.len()
            );
            stream.write_all(answer.as_bytes()).await?;
        }
        Ok(())
    }

    /// Status and body; `None` where it goes away instead.
    fn answer(&self, head: &HashMap<String, String>, body: &Value) -> Option<(&'static str, String)> {
        let (to, id) = match self.kind {
            "resend" => (&body["to"][0], &body["tags"][0]["value"]),
            _ => (&body["personalizations"][0]["to"][0]["email"], &body["custom_args"]["sendlog_id"]),
        };
        let (to, id) = (to.as_str().expect("a recipient"), id.as_str().expect("an id").parse().unwrap());
        if to.starts_with("bounce") || to.starts_with("policy") {
            let error = json!({ "message": "no such address", "field": "personalizations.0.to.0.email" });
            let refusal = json!({ "name": "validation_error", "message": "Invalid `to` field", "errors": [error] });
            return Some(("422 Unprocessable Content", refusal.to_string()));
        }
        let is_new = head.get("idempotency-key").is_none_or(|key| self.keys.lock().unwrap().insert(key.clone()));
        if is_new {
            *self.received.lock().unwrap().entry(id).or_default() += 1;
        }
        let goes_away = is_new && to.starts_with("vanish");
        (!goes_away).then(|| ("200 OK", json!({ "id": id }).to_string()))
    }
}

/// The headers of a request, and its body; `None` when there is no more.
async fn request(stream: &mut BufReader<TcpStream>) -> io::Result<Option<(HashMap<String, String>, Value)>> {
    let mut head = HashMap::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        match line.trim_end() {
            "" => break,
            line => {
                let (name, value) = line.split_once(':').unwrap_or((line, ""));
                head.insert(name.to_ascii_lowercase(), value.trim().to_owned());
            }
        }
    }
    let length = head.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(Some((head, serde_json::from_slice(&body).expect("JSON"))))
}

//! The real program, seen from outside by a collector of OTLP: a message is one trace from its request to its attempt, on two
//! nodes; nothing personal is in what goes out; a collector that is away changes nothing. And its log as JSON.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first thing that does not work")]

mod program;

use std::net::SocketAddr;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use program::{Folder, Server, command, set_up};
use prost::Message;
use sendlog::server::demo::sink::Sink;
use serde_json::{Value, json};

/// What a person would not want to find in a trace.
const PERSONAL: [&str; 4] = ["ada@person.example", "person.example", "Very secret", "Dear Ada"];

/// What a collector was posted.
#[derive(Clone, Default)]
struct Collected(Arc<Mutex<(Vec<Span>, Vec<String>)>>);

/// A collector of OTLP over HTTP.
async fn start_collector() -> (SocketAddr, Collected) {
    let collected = Collected::default();
    let traces = |State(collected): State<Collected>, body: Bytes| async move {
        let request = ExportTraceServiceRequest::decode(body).unwrap();
        let mut held = collected.0.lock().unwrap();
        held.1.push(format!("{request:?}"));
        let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        held.0.extend(scopes.flat_map(|scope| scope.spans));
    };
    let logs = |State(collected): State<Collected>, body: Bytes| async move {
        let request = ExportLogsServiceRequest::decode(body).unwrap();
        collected.0.lock().unwrap().1.push(format!("{request:?}"));
    };
    let router = Router::new().route("/v1/traces", post(traces)).route("/v1/logs", post(logs));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let router = router.with_state(collected.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (addr, collected)
}

/// A node that sends alone. It is killed with its value.
struct Worker(Child);

impl Worker {
    fn start(folder: &Folder, otlp: &str) -> Self {
        let command = command(folder);
        let arguments = ["serve", "--only", "worker", "--addr", "127.0.0.1:0", "--otlp-endpoint", otlp];
        Self::start_by(command, &arguments)
    }

    fn start_by(mut command: std::process::Command, arguments: &[&str]) -> Self {
        Self(command.args(arguments).env("OTEL_BSP_SCHEDULE_DELAY", "200").stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends a message with headers of its own; gives the head of the answer.
async fn send(addr: SocketAddr, key: &str, headers: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let body = json!({
        "from": "Team <team@example.com>", "to": [PERSONAL[0]], "subject": PERSONAL[2], "text": PERSONAL[3],
    });
    let body = body.to_string();
    let request = format!(
        "POST /resend/emails HTTP/1.1\r\nHost: {addr}\r\nUser-Agent: test\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n\
         {headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

/// Waits until `found` gives something.
async fn wait_for<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "waited for {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_one_trace_on_two_nodes() {
    let (collector, collected) = start_collector().await;
    let otlp = format!("http://{collector}");
    let sink = Sink::start(([127, 0, 0, 1], 0).into()).await.unwrap();
    let folder = Folder::new("traces");
    let key = set_up(&folder, &sink.url());
    let mut web = command(&folder);
    web.env("OTEL_BSP_SCHEDULE_DELAY", "200").env("OTEL_BLRP_SCHEDULE_DELAY", "200");
    let web = Server::start_by(web, &["--only", "web", "--otlp-endpoint", &otlp]);
    let _worker = Worker::start(&folder, &otlp);
    let trace = "0af7651916cd43dd8448eb211c80319c";
    send(web.addr, &key, &format!("traceparent: 00-{trace}-b7ad6b7169203331-01\r\n")).await;
    let of_trace = |name: &'static str| {
        let collected = collected.clone();
        move || {
            let held = collected.0.lock().unwrap();
            held.0.iter().find(|span| hex::encode(&span.trace_id) == trace && span.name == name).cloned()
        }
    };
    let [request, accept] =
        [wait_for("request", of_trace("request")).await, wait_for("accept", of_trace("accept")).await];
    let [lease, attempt] = [wait_for("lease", of_trace("lease")).await, wait_for("attempt", of_trace("attempt")).await];
    assert_eq!(hex::encode(&request.parent_span_id), "b7ad6b7169203331");
    assert_eq!(lease.parent_span_id, accept.span_id);
    assert_eq!(attempt.parent_span_id, lease.span_id);
    let attributes = format!("{:?}", attempt.attributes);
    assert!(attributes.contains("smtp") && attributes.contains("sent"), "{attributes}");
    wait_for("a line of the log", || {
        let held = collected.0.lock().unwrap();
        held.1
            .iter()
            .any(|text| text.contains("ExportLogsServiceRequest") && text.contains("attempt recorded"))
            .then_some(())
    })
    .await;
    for text in &collected.0.lock().unwrap().1 {
        assert!(!PERSONAL.iter().any(|personal| text.contains(personal)), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_keeps_nobody_waiting() {
    // It takes connections and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let otlp = format!("http://{}", silent.local_addr().unwrap());
    let sink = Sink::start(([127, 0, 0, 1], 0).into()).await.unwrap();
    let folder = Folder::new("no-collector");
    let key = set_up(&folder, &sink.url());
    let server = Server::start(&folder, &["--otlp-endpoint", &otlp]);
    let began = Instant::now();
    for _ in 0..50 {
        send(server.addr, &key, "").await;
    }
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    wait_for("50 messages", || (sink.messages().len() >= 50).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_is_json_with_the_ids_of_requests_and_nothing_personal() {
    let sink = Sink::start(([127, 0, 0, 1], 0).into()).await.unwrap();
    let folder = Folder::new("json-log");
    let key = set_up(&folder, &sink.url());
    let path = folder.database().with_extension("log");
    let mut program = command(&folder);
    program.env("RUST_LOG", "warn,sendlog=debug").stderr(Stdio::from(std::fs::File::create(&path).unwrap()));
    let server = Server::start_by(program, &["--log-format", "json"]);
    let answer = send(server.addr, &key, "X-Request-Id: Order-7.1\r\n").await;
    assert!(answer.to_lowercase().contains("x-request-id: order-7.1"), "{answer}");
    wait_for("an attempt in the log", || {
        std::fs::read_to_string(&path).unwrap().contains("attempt recorded").then_some(())
    })
    .await;
    let log = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let is_ours = |line: &&Value| line["spans"][0]["request.id"] == "Order-7.1";
    let answered = lines.iter().filter(is_ours).find(|line| line["message"] == "answered").expect(&log);
    assert_eq!(
        (answered["status"].as_u64(), answered["spans"][0]["http.route"].as_str()),
        (Some(200), Some("/resend/emails"))
    );
    assert!(!PERSONAL.iter().any(|personal| log.contains(personal)), "{log}");
}

/// Asks for a path; `None` while nobody answers.
fn get(addr: SocketAddr, path: &str) -> Option<String> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(addr).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_only_sends_is_seen_at_an_address_of_its_own() {
    let sink = Sink::start(([127, 0, 0, 1], 0).into()).await.unwrap();
    let folder = Folder::new("worker-metrics");
    let key = set_up(&folder, &sink.url());
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let arguments = ["serve", "--only", "worker", "--addr", "127.0.0.1:0", "--metrics-addr", &free.to_string()];
    let _worker = Worker::start_by(command(&folder), &arguments);
    let answer = wait_for("an answer", || get(free, "/health/ready")).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.to_lowercase().contains("x-request-id: "), "{answer}");
    let web = Server::start(&folder, &["--only", "web"]);
    send(web.addr, &key, "").await;
    let sent = "sendlog_attempts_total{kind=\"smtp\",outcome=\"sent\"} 1";
    wait_for("an attempt among the numbers", || get(free, "/metrics").filter(|text| text.contains(sent))).await;
    // Nothing else is there, and without a setting no numbers are at the main address.
    assert!(get(free, "/login").unwrap().starts_with("HTTP/1.1 404"));
    assert!(get(web.addr, "/metrics").unwrap().starts_with("HTTP/1.1 404"));
}

//! Load over kept-alive HTTP/1.1 connections: just enough of a client to cost little beside the server. Source: RFC 9112.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Outcome;

/// A request, written out.
#[derive(Clone)]
pub struct Request {
    head: String,
    body: String,
}

impl Request {
    /// `GET path`.
    pub fn get(path: &str) -> Self {
        Self { head: format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\n"), body: String::new() }
    }

    /// `POST path` with a JSON body.
    pub fn post(path: &str, body: &str) -> Self {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n"
        );
        Self { head, body: body.to_owned() }
    }

    /// The request with one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.head.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    /// The request as it goes over the wire.
    pub fn bytes(&self) -> Vec<u8> {
        format!("{}\r\n{}", self.head, self.body).into_bytes()
    }
}

/// An answer.
pub struct Answer {
    /// Status, headers.
    pub head: String,
    /// The body, its chunks joined.
    pub body: Vec<u8>,
}

/// How long each request took.
pub struct Load {
    elapsed: Duration,
    /// In ascending order.
    latencies: Vec<Duration>,
}

impl Load {
    /// Of so many requests in this time.
    pub fn new(elapsed: Duration, mut latencies: Vec<Duration>) -> Self {
        latencies.sort();
        Self { elapsed, latencies }
    }

    /// Requests a second.
    pub fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// The median, in milliseconds.
    pub fn p50_ms(&self) -> f64 {
        self.percentile_ms(50)
    }

    /// What one in a hundred requests takes longer than, in milliseconds.
    pub fn p99_ms(&self) -> f64 {
        self.percentile_ms(99)
    }

    fn percentile_ms(&self, percent: usize) -> f64 {
        let index = (self.latencies.len() * percent / 100).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(index).map_or(f64::NAN, |latency| latency.as_secs_f64() * 1000.0)
    }
}

/// One request on a connection of its own, and its body.
pub async fn fetch(address: SocketAddr, request: &Request) -> Outcome<Vec<u8>> {
    Ok(answer(address, request).await?.body)
}

/// One request on a connection of its own.
pub async fn answer(address: SocketAddr, request: &Request) -> Outcome<Answer> {
    Connection::open(address).await?.send(&request.bytes()).await
}

/// `count` requests, one after another, taken in turn.
pub async fn sequence(address: SocketAddr, requests: &[Request], count: usize) -> Outcome<Load> {
    let requests: Vec<Vec<u8>> = requests.iter().map(Request::bytes).collect();
    let mut connection = Connection::open(address).await?;
    for request in &requests {
        connection.send(request).await?;
    }
    let started = Instant::now();
    let mut latencies = Vec::with_capacity(count);
    for request in requests.iter().cycle().take(count) {
        let sent = Instant::now();
        connection.send(request).await?;
        latencies.push(sent.elapsed());
    }
    Ok(Load::new(started.elapsed(), latencies))
}

/// As many requests as `connections` connections get answered within `time`.
pub async fn load(address: SocketAddr, requests: &[Request], connections: usize, time: Duration) -> Outcome<Load> {
    let requests: Vec<Vec<u8>> = requests.iter().map(Request::bytes).collect();
    let started = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let requests = requests.clone();
        clients.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut latencies = Vec::new();
            for request in requests.iter().cycle() {
                let sent = Instant::now();
                connection.send(request).await?;
                latencies.push(sent.elapsed());
                if started.elapsed() >= time {
                    break;
                }
            }
            Outcome::Ok(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(ended) = clients.join_next().await {
        latencies.extend(ended??);
    }
    Ok(Load::new(started.elapsed(), latencies))
}

/// A kept-alive connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(64 * 1024) })
    }

    /// Sends a request and reads its answer, which must be of the kinds 2xx and 3xx.
    pub async fn send(&mut self, request: &[u8]) -> Outcome<Answer> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let body_start = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            self.read_more().await?;
        };
        let head = String::from_utf8_lossy(&self.buffer[..body_start]).into_owned();
        let body = match header(&head, "content-length") {
            Some(length) => {
                let length: usize = length.parse()?;
                while self.buffer.len() < body_start + length {
                    self.read_more().await?;
                }
                self.buffer[body_start..body_start + length].to_vec()
            }
            None if header(&head, "transfer-encoding").is_some() => self.read_chunks(body_start).await?,
            None => Vec::new(),
        };
        if !(head.starts_with("HTTP/1.1 2") || head.starts_with("HTTP/1.1 3")) {
            let shown = String::from_utf8_lossy(&body).chars().take(300).collect::<String>();
            return Err(format!("{}: {shown}", head.lines().next().unwrap_or_default()).into());
        }
        Ok(Answer { head, body })
    }

    async fn read_chunks(&mut self, mut position: usize) -> Outcome<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line_end = loop {
                if let Some(length) = find(&self.buffer[position..], b"\r\n") {
                    break position + length;
                }
                self.read_more().await?;
            };
            let size = usize::from_str_radix(std::str::from_utf8(&self.buffer[position..line_end])?.trim(), 16)?;
            let end = line_end + 2 + size + 2;
            while self.buffer.len() < end {
                self.read_more().await?;
            }
            if size == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&self.buffer[line_end + 2..end - 2]);
            position = end;
        }
    }

    async fn read_more(&mut self) -> Outcome<()> {
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err("the server closed the connection".into()),
            _ => Ok(()),
        }
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// The value of a header; `name` in lower case.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(other, _)| other.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

//! A mail server that keeps what it receives. It refuses recipients whose address begins with `refused`.
//! Source: RFC 5321, as far as a mail client needs it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A message as it came.
#[derive(Clone, Debug, Default)]
pub struct Received {
    pub recipients: Vec<String>,
    pub text: String,
    pub raw: Vec<u8>,
}

/// The mail server. It ends with its value.
pub struct Sink {
    addr: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    task: JoinHandle<()>,
}

impl Sink {
    /// Starts it at a free loopback port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let keeping = Arc::clone(&received);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A client that leaves in the middle is no failure of the test.
                tokio::spawn(take(stream, Arc::clone(&keeping)));
            }
        });
        Self { addr, received, task }
    }

    /// Its address for an adapter.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.addr)
    }

    /// What it has received so far.
    pub fn messages(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn take(stream: TcpStream, received: Arc<Mutex<Vec<Received>>>) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).split(b'\n');
    writer.write_all(b"220 sink ready\r\n").await?;
    let mut message = Received::default();
    let mut is_in_text = false;
    while let Some(line) = lines.next_segment().await? {
        let bytes = line.strip_suffix(b"\r").unwrap_or(&line);
        let line = String::from_utf8_lossy(bytes).into_owned();
        if is_in_text && line != "." {
            message.text += &format!("{}\r\n", line.strip_prefix('.').unwrap_or(&line));
            message.raw.extend([bytes.strip_prefix(b".").unwrap_or(bytes), b"\r\n"].concat());
            continue;
        }
        let command = line.get(..4).unwrap_or(&line).to_ascii_uppercase();
        let answer = match command.as_str() {
            "." if is_in_text => {
                is_in_text = false;
                received.lock().unwrap().push(std::mem::take(&mut message));
                "250 taken"
            }
            "EHLO" => "250-sink\r\n250 8BITMIME",
            "MAIL" | "RSET" => {
                message = Received::default();
                "250 good"
            }
            "RCPT" => {
                let address = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
                if address.starts_with("refused") {
                    "550 5.1.1 nobody here has that name"
                } else {
                    message.recipients.push(address);
                    "250 good"
                }
            }
            "DATA" => {
                is_in_text = true;
                "354 go on"
            }
            "QUIT" => "221 good day",
            _ => "250 good",
        };
        writer.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    Ok(())
}

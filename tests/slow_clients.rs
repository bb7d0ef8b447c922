//! Clients that send slowly, or nothing, neither fill the memory nor keep others out: these tests run the real program.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first thing that does not work")]
#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "the other tests of this folder use the rest")]
mod program;

use std::net::SocketAddr;
use std::time::Duration;

use program::{Folder, Server, set_up};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The largest body that is taken, in bytes.
const BODY_BYTES: usize = 25 * 1024 * 1024;
/// What the program may hold, in KiB.
const MEMORY_KIB: u64 = 200 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_slow_bodies_of_a_key_stay_under_two_hundred_megabytes() {
    let folder = Folder::new("slow-bodies");
    let key = set_up(&folder, "smtp://127.0.0.1:9");
    let server = Server::start(&folder, &["--only", "web"]);
    hold_back(server.addr, 500, &format!("Authorization: Bearer {key}\r\n")).await;
    let peak = server.peak_memory_kib();
    assert!(peak < MEMORY_KIB, "{peak} KiB");
    assert!(get(server.addr, "/health").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_bodies_of_nobody_are_refused_before_they_are_read() {
    let folder = Folder::new("slow-strangers");
    set_up(&folder, "smtp://127.0.0.1:9");
    let server = Server::start(&folder, &["--only", "web"]);
    let answers = hold_back(server.addr, 60, "").await;
    assert!(answers.iter().all(|answer| answer.starts_with("HTTP/1.1 401")), "{answers:?}");
    let peak = server.peak_memory_kib();
    assert!(peak < MEMORY_KIB, "{peak} KiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn half_sent_requests_keep_nobody_out() {
    let folder = Folder::new("half-sent");
    set_up(&folder, "smtp://127.0.0.1:9");
    let server = Server::start_with_files(&folder, 256);
    let mut held = Vec::new();
    for index in 0..400 {
        let mut stream = TcpStream::connect(server.addr).await.unwrap();
        // Every other one withholds its body, the rest the end of their head.
        let end = if index % 2 == 0 { "Content-Length: 9\r\n\r\n" } else { "" };
        let head = format!("POST /fn/log_in HTTP/1.1\r\nHost: {}\r\n{end}", server.addr);
        let _ = stream.write_all(head.as_bytes()).await;
        held.push(stream);
    }
    for _ in 0..20 {
        assert!(get(server.addr, "/health").await.starts_with("HTTP/1.1 200"));
        assert!(get(server.addr, "/login").await.starts_with("HTTP/1.1 200"));
    }
    drop(held);
}

/// Opens connections that send all of a body but its last bytes, as far as they are let; what was answered within a few
/// seconds.
async fn hold_back(addr: SocketAddr, connections: usize, headers: &str) -> Vec<String> {
    let senders: Vec<_> = (0..connections)
        .map(|_| {
            let head = format!(
                "POST /api/v1/send HTTP/1.1\r\nHost: {addr}\r\n{headers}Content-Type: application/json\r\n\
                 Content-Length: {BODY_BYTES}\r\n\r\n"
            );
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(addr).await.unwrap();
                stream.write_all(head.as_bytes()).await.unwrap();
                let (mut reader, mut writer) = stream.split();
                let send = async {
                    let piece = [b' '; 16 * 1024];
                    for _ in 0..BODY_BYTES / piece.len() - 1 {
                        if writer.write_all(&piece).await.is_err() {
                            break;
                        }
                    }
                    std::future::pending::<()>().await;
                };
                let mut answer = Vec::new();
                let receive = async {
                    let mut buffer = [0; 1024];
                    while let Ok(count @ 1..) = reader.read(&mut buffer).await {
                        answer.extend_from_slice(&buffer[..count]);
                    }
                };
                let both = async {
                    tokio::select! { () = send => {}, () = receive => {} }
                };
                let _ = timeout(Duration::from_secs(8), both).await;
                String::from_utf8_lossy(&answer).into_owned()
            })
        })
        .collect();
    let mut answers = Vec::new();
    for sender in senders {
        answers.push(sender.await.unwrap());
    }
    answers
}

async fn get(addr: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await.expect("an answer").unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

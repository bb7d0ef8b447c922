//! Whatever a template says, the server lives, within bounded memory, and says what is wrong with the template: these tests
//! run the real program under a bound on its address space.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first thing that does not work")]

mod program;

use std::net::SocketAddr;
use std::process::Command;

use program::{Folder, Server, create_key, create_template, post, set_up};
use serde_json::{Value, json};

/// What the process may have beside what it has when it is idle.
const EXTRA_BYTES: u64 = 512 * 1024 * 1024;

/// Subjects that took all memory, all time or the whole stack of the process that rendered them.
fn attacks() -> Vec<String> {
    let doubled = |first: &str, step: &str, last: &str| {
        format!("{{% set a = {first} %}}{}{last}", format!("{{% set a = {step} %}}").repeat(40))
    };
    vec![
        doubled("'x'", "a ~ a", ""),
        doubled("[1]", "[a, a]", "{{ a|string|length }}"),
        doubled("[1]", "a + a", "{{ a|tojson|length }}"),
        doubled("'aa'", "a|replace('a', 'aaaaaaaaaaaa')", ""),
        "{{ 'a\\nb'|indent(10000)|replace(' ', ' ' * 100000)|length }}".to_owned(),
        "{{ ([1,2,3] * 1000000000)|list|length }}".to_owned(),
        "{{ ('a' * 2000000000)|length }}".to_owned(),
        "{% set a = 'a' * 9000000 %}{% for i in range(100000) %}{% if a|upper %}{% endif %}{% endfor %}".to_owned(),
        format!("{{{{ a{} }}}}", "~a".repeat(200_000)),
        format!("{{{{ {}a{} }}}}", "[".repeat(100_000), "]".repeat(100_000)),
    ]
}

fn limit_memory(server: &Server) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).expect("the size of the process");
    let kib: u64 = line.trim().trim_end_matches(" kB").trim().parse().unwrap();
    let limit = kib * 1024 + EXTRA_BYTES;
    let done = Command::new("prlimit").args(["--pid", &server.id().to_string(), &format!("--as={limit}")]).status();
    assert!(done.unwrap().success());
}

async fn send(addr: SocketAddr, key: &str, template: &str, subject: &str) -> Value {
    let body = json!({"templateId": template, "to": "a@example.com", "subject": subject, "variables": {"a": "x"}});
    post(addr, key, "/api/v1/send", body).await
}

/// The status of an answer.
async fn status(addr: SocketAddr, path: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn with_512_mib_more_the_process_lives_whatever_a_template_says() {
    let folder = Folder::new("templates");
    let key = set_up(&folder, "smtp://127.0.0.1:9");
    let server = Server::start(&folder, &["--only", "web"]);
    let template = create_template(server.addr, &key, "Hello").await;
    let sender = create_key(&folder, "emails:send");
    limit_memory(&server);
    for attack in attacks() {
        let answer = send(server.addr, &sender, &template, &attack).await;
        let message = answer["error"]["message"].as_str().unwrap_or_default();
        assert!(message.starts_with("Subject"), "{attack:.80}: {answer}");
        assert!(status(server.addr, "/health").await.contains("200"), "{attack:.80}");
    }
    // Many at once, while others are served.
    let slow = format!("{}{}", "{% for i in [1,2] %}".repeat(60), "{% endfor %}".repeat(60));
    let senders: Vec<_> = (0..20)
        .map(|_| {
            let (addr, sender, template, slow) = (server.addr, sender.clone(), template.clone(), slow.clone());
            tokio::spawn(async move { send(addr, &sender, &template, &slow).await })
        })
        .collect();
    for _ in 0..5 {
        assert!(status(server.addr, "/health").await.contains("200"));
        assert!(status(server.addr, "/login").await.contains("200"));
    }
    for sender in senders {
        assert_eq!(sender.await.unwrap()["success"], false);
    }
    assert_eq!(send(server.addr, &sender, &template, "Total {{ 1 + 1 }}").await["data"]["status"], "queued");
}

use std::net::Ipv4Addr;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::handler::{Envelope, LogIn, Refused};
use super::super::protocol::address::EnvelopeAddress;
use super::super::settings::{Limits, Settings};
use super::*;

struct Anybody;

impl Handler for Anybody {
    type Login = ();

    async fn log_in(&self, _: LogIn<'_>) -> Result<(), Refused> {
        Ok(())
    }

    async fn sender(&self, _: Option<&()>, _: &Envelope) -> Result<(), Reply> {
        Ok(())
    }

    async fn recipient(&self, _: Option<&()>, _: &Envelope, _: &EnvelopeAddress) -> Result<(), Reply> {
        Ok(())
    }

    async fn accept(&self, _: Option<&()>, _: Envelope, _: Bytes) -> Result<String, Reply> {
        Ok("eml_1".to_owned())
    }
}

struct Running {
    addr: SocketAddr,
    stop: watch::Sender<bool>,
    listening: tokio::task::JoinHandle<()>,
}

async fn running(limit: usize, limit_of_address: usize) -> Running {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let limits = Limits { drain: Duration::from_millis(300), ..Limits::default() };
    let settings = Settings { takes_strangers: true, limits, ..Settings::default() };
    let (stop, stopped) = watch::channel(false);
    let connections = Connections::new(limit, limit_of_address);
    let shared = Arc::new(Shared::new(settings, Anybody));
    let listening = tokio::spawn(listen(listener, Beginning::Plain, connections, shared, stopped));
    Running { addr, stop, listening }
}

/// Says something and gives what comes next.
async fn say(client: &mut TcpStream, said: &str) -> String {
    client.write_all(said.as_bytes()).await.unwrap();
    let mut heard = vec![0; 1000];
    let length = client.read(&mut heard).await.unwrap();
    String::from_utf8_lossy(&heard[..length]).into_owned()
}

#[tokio::test]
async fn connections_are_bounded_and_places_are_given_back() {
    let running = running(2, 10).await;
    let mut one = TcpStream::connect(running.addr).await.unwrap();
    let mut two = TcpStream::connect(running.addr).await.unwrap();
    assert!(say(&mut one, "").await.starts_with("220 ") && say(&mut two, "").await.starts_with("220 "));
    let mut three = TcpStream::connect(running.addr).await.unwrap();
    assert!(say(&mut three, "").await.starts_with("421 4.7.0 "));
    assert!(say(&mut one, "QUIT\r\n").await.starts_with("221 "));
    drop(one);
    let admitted = timeout(Duration::from_secs(5), async {
        while !say(&mut TcpStream::connect(running.addr).await.unwrap(), "").await.starts_with("220 ") {
            sleep(Duration::from_millis(10)).await;
        }
    });
    admitted.await.unwrap();
}

#[test]
fn an_address_has_a_bound_of_its_own_and_a_network_of_ipv6_counts_as_one() {
    let connections = Connections::new(100, 2);
    let admit = |text: &str| connections.admit(text.parse().unwrap());
    let held = [admit("192.0.2.1"), admit("::ffff:192.0.2.1"), admit("2001:db8::1"), admit("2001:db8::ffff:1")];
    assert!(held.iter().all(Option::is_some));
    assert!(admit("192.0.2.1").is_none() && admit("2001:db8::2").is_none());
    assert!(admit("192.0.2.2").is_some() && admit("2001:db8:0:1::1").is_some());
    drop(held);
    assert!(connections.open().is_empty());
}

#[tokio::test]
async fn a_stopping_server_waits_for_messages_under_way_but_not_for_ever() {
    for finishes in [true, false] {
        let running = running(10, 10).await;
        let mut client = TcpStream::connect(running.addr).await.unwrap();
        say(&mut client, "").await;
        for said in ["EHLO c\r\n", "MAIL FROM:<a@b.example>\r\n", "RCPT TO:<b@b.example>\r\n", "DATA\r\n"] {
            say(&mut client, said).await;
        }
        running.stop.send_replace(true);
        sleep(Duration::from_millis(50)).await;
        assert!(TcpStream::connect(running.addr).await.is_err());
        if finishes {
            let mut heard = String::new();
            client.write_all(b"hi\r\n.\r\n").await.unwrap();
            client.read_to_string(&mut heard).await.unwrap();
            assert_eq!(heard.lines().map(|line| &line[..9]).collect::<Vec<_>>(), ["250 2.0.0", "421 4.3.2"]);
        }
        timeout(Duration::from_secs(5), running.listening).await.unwrap().unwrap();
    }
}

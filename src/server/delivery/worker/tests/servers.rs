//! Mail servers that answer as few do: odd letters, sudden ends, no EHLO.

use super::*;

/// A mail server that answers as `answer` says: to a line, or to the dot of a message, the `nth` of its kind on the
/// `connection`th connection. After an empty answer, or 421, it closes the connection.
pub(super) async fn scripted(
    answer: impl Fn(usize, usize, &str) -> &'static [u8] + Send + Sync + 'static,
) -> (String, Arc<std::sync::atomic::AtomicUsize>) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

    let listener = tokio::net::TcpListener::bind(LOOPBACK).await.unwrap();
    let url = format!("smtp://{}?tls=none", listener.local_addr().unwrap());
    let (answer, connections) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (answer, connection) = (Arc::clone(&answer), counted.fetch_add(1, Ordering::SeqCst));
            tokio::spawn(async move {
                let (read, mut write) = stream.into_split();
                let (mut lines, mut seen, mut in_data) =
                    (BufReader::new(read).lines(), HashMap::<String, usize>::new(), false);
                write.write_all(b"220 scripted\r\n").await.unwrap();
                while let Ok(Some(line)) = lines.next_line().await {
                    if in_data && line != "." {
                        continue;
                    }
                    let verb = line.split([' ', ':']).next().unwrap_or_default().to_owned();
                    let nth = seen.entry(verb.clone()).and_modify(|nth| *nth += 1).or_insert(0);
                    let said = answer(connection, *nth, &verb);
                    in_data = said.starts_with(b"354");
                    if said.is_empty() || write.write_all(said).await.is_err() || said.starts_with(b"421") {
                        return;
                    }
                }
            });
        }
    });
    (url, connections)
}

#[tokio::test]
async fn the_code_of_an_answer_decides_whatever_its_letters_are() {
    let (url, _) = scripted(|_, _, verb| match verb {
        "DATA" => &b"354 go on\r\n"[..],
        "." => b"250 2.0.0 angenommen f\xfcr Zustellung\r\n",
        _ => b"250 f\xfcr Sie\r\n",
    })
    .await;
    let bench = Bench::with_sink(Sink::start(LOOPBACK).await.unwrap(), Some(&url)).await;
    let id = bench.accept_to(&["ada@example.com"]).await;
    bench.work(quick()).await;
    let [event] = &bench.events(id).await[..] else { panic!("one event") };
    assert_eq!(event.kind, EventKind::Sent);
    assert_eq!(event.detail.reply.as_deref(), Some("250 2.0.0 angenommen für Zustellung"));
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closes_costs_no_try() {
    for (closes_at, parting) in [
        ("MAIL", &b"421 4.3.2 Closing\r\n"[..]),
        ("MAIL", &b""[..]),
        ("RCPT", &b"421 4.7.0 Enough\r\n"[..]),
        ("DATA", &b""[..]),
    ] {
        let (url, connections) = scripted(move |connection, nth, verb| match verb {
            _ if connection == 0 && nth == 1 && verb == closes_at => parting,
            "DATA" => &b"354 go on\r\n"[..],
            _ => b"250 2.0.0 Ok\r\n",
        })
        .await;
        let bench = Bench::with_sink(Sink::start(LOOPBACK).await.unwrap(), Some(&url)).await;
        let ids = [bench.accept_to(&["ada@example.com"]).await, bench.accept_to(&["bob@example.com"]).await];
        bench.work(WorkerSettings { concurrency: 1, ..quick() }).await;
        for id in ids {
            assert_eq!(bench.kinds(id).await, [EventKind::Sent], "{closes_at}");
        }
        assert_eq!(connections.load(std::sync::atomic::Ordering::SeqCst), 2, "{closes_at}");
    }
}

#[tokio::test]
async fn a_server_that_always_closes_is_tried_later() {
    let (url, connections) =
        scripted(|_, _, verb| if verb == "MAIL" { &b"421 4.3.2 Busy\r\n"[..] } else { b"250 Ok\r\n" }).await;
    let bench = Bench::with_sink(Sink::start(LOOPBACK).await.unwrap(), Some(&url)).await;
    let id = bench.accept_to(&["ada@example.com"]).await;
    bench.work(quick()).await;
    let kinds = bench.kinds(id).await;
    assert_eq!(kinds, [EventKind::FailedToSend, EventKind::FailedToSend, EventKind::Failed]);
    assert_eq!(connections.load(std::sync::atomic::Ordering::SeqCst), 3, "a new connection is not tried twice");
}

#[tokio::test]
async fn a_server_that_knows_no_ehlo_is_greeted_as_of_old() {
    let (url, _) = scripted(|_, _, verb| match verb {
        "EHLO" => &b"502 5.5.1 Unrecognized command\r\n"[..],
        "DATA" => b"354 go on\r\n",
        _ => b"250 Ok\r\n",
    })
    .await;
    let bench = Bench::with_sink(Sink::start(LOOPBACK).await.unwrap(), Some(&url)).await;
    let id = bench.accept_to(&["ada@example.com"]).await;
    bench.work(quick()).await;
    assert_eq!(bench.kinds(id).await, [EventKind::Sent]);
}

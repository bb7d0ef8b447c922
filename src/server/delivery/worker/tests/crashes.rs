//! Attempts that a crash or a broken connection cut off.

use super::*;

#[tokio::test]
async fn an_attempt_that_a_crash_cut_off_is_uncertain_and_not_repeated() {
    let bench = Bench::new().await;
    let id = bench.accept_to(&["ada@example.com"]).await;
    let now = bench.clock.now();
    let leases = bench.store.lease_due(now, now + TimeDelta::milliseconds(100), 7, 1).await.unwrap();
    assert!(bench.store.mark_in_doubt(&leases[0]).await.unwrap());
    bench.work(quick()).await;
    let email = bench.find(id).await;
    assert_eq!((email.status, email.error_message.as_deref()), (EmailStatus::Failed, Some(CUT_OFF)));
    let [event] = &bench.events(id).await[..] else { panic!("one event") };
    assert_eq!((event.kind, event.recipient.as_deref()), (EventKind::Uncertain, Some("ada@example.com")));
    assert!(bench.sink.messages().is_empty());
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_is_uncertain() {
    let bench = Bench::new().await;
    let id = bench.accept_to(&["vanish@example.com"]).await;
    bench.work(quick()).await;
    let email = bench.find(id).await;
    assert_eq!(email.status, EmailStatus::Failed);
    assert!(email.error_message.unwrap().contains("not known whether it went out"));
    assert_eq!(bench.kinds(id).await, [EventKind::Uncertain]);
}

#[tokio::test]
async fn an_attempt_that_a_crash_cut_off_before_the_message_went_out_counts_and_is_made_again() {
    let bench = Bench::new().await;
    let id = bench.accept_to(&["ada@example.com"]).await;
    let now = bench.clock.now();
    bench.store.lease_due(now, now + TimeDelta::milliseconds(100), 7, 1).await.unwrap();
    bench.work(quick()).await;
    let [cut_off, sent] = &bench.events(id).await[..] else { panic!("two events") };
    assert_eq!((cut_off.kind, sent.kind), (EventKind::FailedToSend, EventKind::Sent));
    assert_eq!(cut_off.detail.message.as_deref(), Some("Try 1 of 3; the next one in 1 second"));
    assert_eq!(cut_off.detail.reply.as_deref(), Some(NOT_ENDED));
    assert_eq!(bench.find(id).await.status, EmailStatus::Sent);
    assert_eq!(bench.sink.messages().len(), 1);
}

#[tokio::test]
async fn a_message_whose_attempts_are_always_cut_off_is_given_up() {
    let bench = Bench::new().await;
    let id = bench.accept_to(&["ada@example.com"]).await;
    let now = bench.clock.now();
    bench.store.lease_due(now, now + TimeDelta::milliseconds(100), 7, 1).await.unwrap();
    bench.work(WorkerSettings { retry_delays: Vec::new(), ..quick() }).await;
    let email = bench.find(id).await;
    assert_eq!(email.status, EmailStatus::Failed);
    assert_eq!(email.error_message, Some(format!("Gave up after 1 try: {NOT_ENDED}")));
    assert!(bench.sink.messages().is_empty());
}

#[tokio::test]
async fn an_attempt_that_outlives_its_lease_while_the_program_stands_still_is_recorded() {
    let (url, connections) = scripted(|_, _, verb| match verb {
        "DATA" => &b"354 go on\r\n"[..],
        // Nothing of the program runs meanwhile, as when a machine sleeps.
        "." => {
            std::thread::sleep(Duration::from_millis(200));
            b"250 2.0.0 Ok\r\n"
        }
        _ => b"250 2.0.0 Ok\r\n",
    })
    .await;
    let bench = Bench::with_sink(Sink::start(LOOPBACK).await.unwrap(), Some(&url)).await;
    let id = bench.accept_to(&["ada@example.com"]).await;
    bench.work(WorkerSettings { lease: Duration::from_millis(1), ..quick() }).await;
    assert_eq!(bench.kinds(id).await, [EventKind::Sent]);
    assert_eq!(connections.load(std::sync::atomic::Ordering::SeqCst), 1);
}

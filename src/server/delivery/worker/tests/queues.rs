//! Many messages, adapters, teams and workers at once: nobody waits for another, and nothing goes out twice.

use super::*;

#[tokio::test]
async fn a_team_whose_servers_hang_delays_no_other_team() {
    let bench = Bench::new().await;
    let silent = tokio::net::TcpListener::bind(LOOPBACK).await.unwrap();
    let url = format!("smtp://{}?tls=none", silent.local_addr().unwrap());
    let hanging = bench.add_team("heron").await;
    let mut waiting = Vec::new();
    for name in ["One", "Two"] {
        let adapter = bench.add_smtp_adapter(hanging, name, &url).await;
        for _ in 0..20 {
            let email = NewEmail { adapter_id: Some(adapter), ..bench.email(&["ada@example.com"]) };
            bench.store.insert_email(hanging, &email).await.unwrap();
            waiting.push(email.id);
        }
    }
    let (stop, stopped) = watch::channel(false);
    let settings = WorkerSettings { concurrency: 8, drain: Duration::ZERO, ..quick() };
    let running = tokio::spawn(bench.worker(settings).run(stopped));
    // As many attempts as the team may have are under way and hang.
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(timeout(Duration::from_secs(20), silent.accept()).await.unwrap().unwrap());
    }
    for number in 0..10 {
        bench.accept_to(&[&format!("bob{number}@example.com")]).await;
    }
    let arrived = async {
        while bench.sink.messages().len() < 10 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), arrived).await.expect("the other team's mail arrives while these hang");
    // What only waits for the adapter can be taken back and moved.
    let queued = || EmailEvent {
        id: bench.clock.mint(),
        kind: EventKind::Queued,
        at: bench.clock.now(),
        recipient: None,
        detail: EventDetail::default(),
    };
    let mut moved = 0;
    for id in &waiting {
        let later = bench.clock.now() + TimeDelta::hours(1);
        moved += usize::from(bench.store.reschedule(hanging, *id, later, &queued().into()).await.unwrap());
    }
    assert_eq!(moved, waiting.len() - held.len(), "all but those under way");
    stop.send(true).unwrap();
    running.await.unwrap();
}

#[tokio::test]
async fn large_messages_go_one_after_the_other_and_small_ones_pass_them() {
    let (url, connections) = scripted(|connection, _, verb| match verb {
        // The first message hangs until its sender gives up.
        "." if connection == 0 => b"",
        "DATA" => &b"354 go on\r\n"[..],
        _ => b"250 2.0.0 Ok\r\n",
    })
    .await;
    let bench = Bench::new().await;
    let slow = bench.add_smtp_adapter(bench.team, "Slow", &url).await;
    let large =
        || NewEmail { adapter_id: Some(slow), text: Some("x".repeat(300_000)), ..bench.email(&["a@b.example"]) };
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(bench.accept(large()).await);
    }
    let small = bench.accept_to(&["ada@example.com"]).await;
    // Two of them at once would hold more than half of it.
    bench.work(WorkerSettings { memory: 3_000_000, ..quick() }).await;
    assert_eq!(bench.find(small).await.status, EmailStatus::Sent);
    let mut ended: Vec<EventKind> = Vec::new();
    for id in ids {
        ended.extend(bench.kinds(id).await);
    }
    ended.sort_by_key(|kind| kind.as_str());
    assert_eq!(
        ended,
        [EventKind::Sent, EventKind::Sent, EventKind::Sent, EventKind::Uncertain],
        "none counts as a try"
    );
    assert_eq!(connections.load(std::sync::atomic::Ordering::SeqCst), 2, "one connection at a time");
}

#[tokio::test]
async fn what_waits_for_an_adapter_is_given_to_it_in_steps() {
    let bench = Bench::new().await;
    let team = bench.add_team("heron").await;
    let mut emails: Vec<NewEmail> =
        (0..501).map(|_| NewEmail { adapter_id: None, ..bench.email(&["ada@example.com"]) }).collect();
    let later = bench.clock.now() + TimeDelta::hours(1);
    for email in &mut emails[..500] {
        email.scheduled_at = Some(later);
    }
    bench.store.insert_emails(team, &emails, &Acceptance::default()).await.unwrap();
    let adapter = bench.add_smtp_adapter(team, "Late", &bench.sink.url()).await;
    let queue = bench.store.list_queues().await.unwrap()[0];
    assert_eq!(bench.store.give_waiting(&queue, bench.clock.now()).await, Ok(500));
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(bench.worker(quick()).run(stopped));
    let arrived = async {
        while bench.sink.messages().is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), arrived).await.expect("the last one is given and sent");
    stop.send(true).unwrap();
    running.await.unwrap();
    let queue = bench.store.list_queues().await.unwrap()[0];
    assert_eq!((queue.adapter_id, queue.due_at()), (adapter, later));
    assert_eq!(bench.store.find_email(team, emails[0].id).await.unwrap().unwrap().adapter_id, Some(adapter));
}

#[tokio::test]
async fn many_messages_share_a_few_connections() {
    let bench = Bench::new().await;
    for number in 0..40 {
        bench.accept_to(&[&format!("ada{number}@example.com")]).await;
    }
    bench.work(WorkerSettings { concurrency_per_adapter: 3, ..quick() }).await;
    assert_eq!(bench.sink.messages().len(), 40);
    assert!(bench.sink.connections() <= 3, "{} connections", bench.sink.connections());
}

#[tokio::test]
async fn two_workers_send_each_message_once() {
    let bench = Bench::new().await;
    for number in 0..30 {
        bench.accept_to(&[&format!("ada{number}@example.com")]).await;
    }
    tokio::join!(bench.work(quick()), bench.work(quick()));
    assert_eq!(bench.sink.messages().len(), 30);
}

#[tokio::test]
async fn the_waker_starts_the_next_attempt_at_once() {
    let bench = Bench::new().await;
    let waker = Arc::new(Notify::new());
    let (stop, stopped) = watch::channel(false);
    let slow = WorkerSettings { poll_every: Duration::from_secs(30), ..quick() };
    let worker = bench.worker(slow).with_waker(Arc::clone(&waker));
    assert!(Arc::ptr_eq(&worker.waker(), &waker));
    let running = tokio::spawn(worker.run(stopped));
    sleep(Duration::from_millis(100)).await;
    bench.accept_to(&["ada@example.com"]).await;
    waker.notify_one();
    let arrived = async {
        while bench.sink.messages().is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(5), arrived).await.expect("it is sent long before the next poll");
    stop.send(true).unwrap();
    timeout(Duration::from_secs(5), running).await.expect("a stop is heard at once").unwrap();
}

//! Recipients whom the team does not write to any more.

use super::*;
use crate::domain::ids::SuppressionId;
use crate::domain::suppression::{Suppression, SuppressionReason};

impl Bench {
    async fn suppress(&self, address: &str, reason: SuppressionReason) -> SuppressionId {
        let suppression = Suppression {
            id: self.clock.mint(),
            address: address.to_owned(),
            reason,
            email_id: None,
            note: String::new(),
            created_at: self.clock.now(),
        };
        let added = self.store.insert_suppressions(self.team, std::slice::from_ref(&suppression), &event()).await;
        assert_eq!(added, Ok(1));
        suppression.id
    }
}

#[tokio::test]
async fn a_message_to_a_suppressed_address_is_dropped_and_says_why() {
    let bench = Bench::new().await;
    bench.suppress("ada@example.com", SuppressionReason::Complained).await;
    let id = bench.accept_to(&["ADA@example.com"]).await;
    bench.work(quick()).await;
    let email = bench.find(id).await;
    assert_eq!((email.status, bench.kinds(id).await), (EmailStatus::Failed, vec![EventKind::Dropped]));
    let reason = email.error_message.unwrap();
    assert!(reason.starts_with("Not sent: the address is on the suppression list since "), "{reason}");
    assert!(reason.ends_with(", because an earlier message was marked as spam"), "{reason}");
    assert!(bench.sink.messages().is_empty());
}

#[tokio::test]
async fn the_others_get_a_message_of_which_one_recipient_is_suppressed() {
    let bench = Bench::new().await;
    let lifted = bench.suppress("ada@example.com", SuppressionReason::Manual).await;
    let to = ["bob@example.com", "ada@example.com", "eve@example.com"];
    let id = bench.accept_to(&to).await;
    bench.work(quick()).await;
    let fates = async |id| {
        let events = bench.events(id).await.into_iter();
        let mut fates: Vec<_> = events.map(|event| (event.recipient.unwrap(), event.kind)).collect();
        fates.sort();
        fates
    };
    let fate = |address: &str, kind| (address.to_owned(), kind);
    let sent = EventKind::Sent;
    let expected =
        [fate("ada@example.com", EventKind::Dropped), fate("bob@example.com", sent), fate("eve@example.com", sent)];
    assert_eq!(fates(id).await, expected);
    assert_eq!(bench.sink.messages()[0].recipients, ["bob@example.com", "eve@example.com"]);
    // Once it is lifted, the address is written to again.
    assert_eq!(bench.store.delete_suppression(bench.team, lifted, &event()).await, Ok(true));
    let id = bench.accept_to(&["ada@example.com"]).await;
    bench.work(quick()).await;
    assert_eq!(bench.find(id).await.status, EmailStatus::Sent);
}

#[tokio::test]
async fn a_bounce_keeps_the_next_message_from_going_out() {
    let bench = Bench::new().await;
    let first = bench.accept_to(&["refused@example.com"]).await;
    bench.work(quick()).await;
    let second = bench.accept_to(&["refused@example.com"]).await;
    bench.work(quick()).await;
    assert_eq!(bench.kinds(first).await, [EventKind::Bounced]);
    assert_eq!(bench.kinds(second).await, [EventKind::Dropped]);
    let filter = crate::server::store::suppressions::SuppressionFilter::default();
    let [kept] = &bench
        .store
        .list_suppressions(bench.team, &filter, crate::domain::page::Cursor::Newest, 9)
        .await
        .unwrap()
        .items[..]
    else {
        panic!("one")
    };
    assert_eq!((kept.reason, kept.email_id), (SuppressionReason::Bounced, Some(first)));
}

#[tokio::test]
async fn a_message_that_is_tried_again_asks_again() {
    let bench = Bench::new().await;
    let id = bench.accept_to(&["deferred@example.com"]).await;
    let (stop, stopped) = watch::channel(false);
    let slow = WorkerSettings { retry_delays: vec![Duration::from_secs(1)], ..quick() };
    let running = tokio::spawn(bench.worker(slow).run(stopped));
    while bench.kinds(id).await.is_empty() {
        sleep(Duration::from_millis(5)).await;
    }
    stop.send(true).unwrap();
    running.await.unwrap();
    bench.suppress("deferred@example.com", SuppressionReason::Unsubscribed).await;
    bench.work(quick()).await;
    assert_eq!(bench.kinds(id).await, [EventKind::Deferred, EventKind::Dropped]);
}

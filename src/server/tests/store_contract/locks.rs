//! Many writers at once. A transaction changes messages in the order of their ids and then, last and once, the rollups in
//! the order of their keys, so that no two wait for each other in a ring.

use chrono::TimeDelta;

use super::ingest::reported_of;
use super::outbox::{event, new_email};
use super::*;
use crate::domain::channel::Channel;
use crate::domain::event::EventKind;
use crate::domain::filter::{RollupScope, TimeRange};
use crate::server::store::emails::{Acceptance, NewEmail};
use crate::server::store::events::EmailFacts;
use crate::server::store::outbox::Settlement;
use crate::server::store::tests::TestDatabase;

const CALLERS: usize = 24;
const ROUNDS: usize = 12;

mod callers_who_write_at_once_never_wait_in_a_ring {
    use super::*;

    /// Every caller accepts requests of several channels and templates, settles what is due and reports events, all within
    /// one hour, so that all of them change the same rollups.
    async fn rule(app: TestApp) {
        let (first, second) = (app.add_template("Receipt").await, app.add_template("Reminder").await);
        let made_from = [Some((first.id, first.current.id)), None, Some((second.id, second.current.id))];
        let channels = [Channel::Email, Channel::Sms, Channel::Push];
        let app = std::sync::Arc::new(app);
        let mut callers = tokio::task::JoinSet::new();
        for caller in 0..CALLERS {
            let app = std::sync::Arc::clone(&app);
            callers.spawn(async move {
                let (store, team, now) = (app.store().clone(), app.team, app.now());
                for round in 0..ROUNDS {
                    let mut emails: Vec<NewEmail> = Vec::new();
                    for part in 0..1 + (caller + round) % 3 {
                        let mut new = new_email(&app, now);
                        new.template = made_from[(caller + part) % 3];
                        new.channel = channels[(caller + round + part) % 3];
                        emails.push(new);
                    }
                    if caller % 2 == 0 {
                        emails.reverse();
                    }
                    if round % 2 == 0 {
                        store.insert_emails(team, &emails, &Acceptance::default()).await.unwrap();
                    } else {
                        store.accept_emails(team, emails.clone(), None).await.unwrap();
                    }
                    let lease_id = app.app.clock.mint::<crate::domain::ids::EventId>().0;
                    let leases = store.lease_due(now, now + TimeDelta::minutes(1), lease_id, 2).await.unwrap();
                    for lease in leases {
                        let settlement =
                            Settlement { events: vec![event(&app, EventKind::Sent, now)], ..Settlement::default() };
                        assert!(store.settle(&lease, &settlement).await.unwrap());
                    }
                    let kinds = [EventKind::Delivered, EventKind::Opened, EventKind::Bounced];
                    let mut batch: Vec<_> = emails
                        .iter()
                        .zip(kinds)
                        .map(|(new, kind)| reported_of(&app, &format!("{}-{kind:?}", new.id), kind, now, new.id))
                        .collect();
                    if caller % 3 == 0 {
                        batch.reverse();
                    }
                    store.ingest_events(team, &batch).await.unwrap();
                }
            });
        }
        while let Some(ended) = callers.join_next().await {
            ended.unwrap();
        }
        assert_eq!(app.store().list_wrong_rollups(app.team).await, Ok(Vec::new()));
        let counts = app.store().count_by_status(app.team, RollupScope::All, TimeRange::default()).await.unwrap();
        let accepted =
            (0..CALLERS).flat_map(|caller| (0..ROUNDS).map(move |round| 1 + (caller + round) % 3)).sum::<usize>();
        assert_eq!(counts.0.iter().sum::<i64>(), accepted as i64);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn sqlite() {
        crate::server::tests::run(TestDatabase::sqlite(), rule).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn postgres() {
        crate::server::tests::run(TestDatabase::postgres().await, rule).await;
    }
}

mod giving_adapters_and_taking_back_at_once_never_wait_in_a_ring {
    use super::*;
    use crate::domain::email::EmailStatus;

    /// Messages that wait for an adapter are given to it while their senders cancel and move them.
    async fn rule(app: TestApp) {
        let (store, team, now) = (app.store().clone(), app.team, app.now());
        let emails: Vec<NewEmail> = (0..60).map(|_| NewEmail { adapter_id: None, ..new_email(&app, now) }).collect();
        store.insert_emails(team, &emails, &Acceptance::default()).await.unwrap();
        app.add_adapter("Late").await;
        let app = std::sync::Arc::new(app);
        let mut callers = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let store = store.clone();
            callers.spawn(async move {
                for _ in 0..4 {
                    store.give_all_waiting(now).await.unwrap();
                }
            });
        }
        for (place, new) in emails.iter().enumerate().rev() {
            let (app, id) = (std::sync::Arc::clone(&app), new.id);
            callers.spawn(async move {
                let (store, team) = (app.store(), app.team);
                let later = now + TimeDelta::hours(1);
                if place % 2 == 0 {
                    let canceled = event(&app, EventKind::Canceled, now);
                    assert!(store.cancel(team, id, &canceled, &EmailFacts::default()).await.unwrap());
                } else {
                    let moved = event(&app, EventKind::Queued, now);
                    assert!(store.reschedule(team, id, later, &moved).await.unwrap());
                }
            });
        }
        while let Some(ended) = callers.join_next().await {
            ended.unwrap();
        }
        store.give_all_waiting(now).await.unwrap();
        let queues = store.list_queues().await.unwrap();
        assert!(queues.iter().all(|queue| queue.adapter_id.0 > 0), "{queues:?}");
        for (place, new) in emails.iter().enumerate() {
            let email = store.find_email(team, new.id).await.unwrap().unwrap();
            let (status, at) = (email.status, email.next_attempt_at);
            if place % 2 == 0 {
                assert_eq!((status, at), (EmailStatus::Failed, None));
            } else {
                assert_eq!((status, at), (EmailStatus::Queued, Some(now + TimeDelta::hours(1))));
            }
        }
        assert_eq!(store.list_wrong_rollups(team).await, Ok(Vec::new()));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn sqlite() {
        crate::server::tests::run(TestDatabase::sqlite(), rule).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn postgres() {
        crate::server::tests::run(TestDatabase::postgres().await, rule).await;
    }
}

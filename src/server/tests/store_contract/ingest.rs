//! Events that others report.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::outbox::new_email;
use super::*;
use crate::domain::channel::Channel;
use crate::domain::email::{Email, EmailStatus};
use crate::domain::event::{EmailEvent, EventCause, EventDetail, EventKind, EventSet, fold_status};
use crate::domain::filter::{EmailFilter, Slice, TimeRange};
use crate::domain::ids::EmailId;
use crate::domain::page::PageRequest;
use crate::domain::stats::StatusCounts;
use crate::server::store::events::NewEvent;
use crate::server::store::ingest::{Ingested, NewEntry, ReportedEvent};

/// An event that a provider reports of one of its messages.
fn reported(app: &TestApp, id: &str, kind: EventKind, time: DateTime<Utc>, provider_message_id: &str) -> ReportedEvent {
    let detail = EventDetail { reply: Some(format!("reply of {id}")), ..EventDetail::default() };
    let recipient = Some("ada@finch.example".to_owned());
    let event = EmailEvent { id: app.id_at(app.now()), kind, at: time, recipient, detail };
    ReportedEvent {
        event: NewEvent { event, provider_event_id: Some(id.to_owned()) },
        email_id: None,
        provider_message_id: Some(provider_message_id.to_owned()),
        own_id: None,
        entry: NewEntry {
            id: app.id_at(time),
            job_id: app.id_at(time),
            channel: None,
            from_address: Some("shop@b.example".to_owned()),
            subject: Some("Your order".to_owned()),
        },
    }
}

/// An event that a provider reports of a message of ours.
pub fn reported_of(app: &TestApp, id: &str, kind: EventKind, time: DateTime<Utc>, email_id: EmailId) -> ReportedEvent {
    ReportedEvent { email_id: Some(email_id), provider_message_id: None, ..reported(app, id, kind, time, "") }
}

async fn only_email(app: &TestApp) -> Email {
    let page = app.store().list_emails(app.team, &EmailFilter::default(), PageRequest { page: 1, page_size: 50 }).await;
    let items = page.unwrap().items;
    assert_eq!(items.len(), 1);
    app.store().find_email(app.team, items[0].id).await.unwrap().unwrap()
}

fn recorded(outcomes: &[Ingested]) -> BTreeSet<EmailId> {
    let id = |outcome: &Ingested| match outcome {
        Ingested::Recorded(id) | Ingested::Duplicate(id) => Some(*id),
        Ingested::Unknown => None,
    };
    outcomes.iter().filter_map(id).collect()
}

on_both_databases! {
    async fn an_event_of_a_message_that_nobody_knows_starts_it(app: TestApp) {
        let (store, time) = (app.store(), at("2023-11-05T08:30:00.123Z"));
        let later = time + TimeDelta::seconds(9);
        let batch = [
            reported(&app, "b", EventKind::Opened, later, "<x@y>"),
            reported(&app, "a", EventKind::Delivered, time, "<x@y>"),
            ReportedEvent { provider_message_id: Some("other".to_owned()), ..reported(&app, "a", EventKind::Sent, time, "") },
            reported(&app, "b", EventKind::Opened, later, "<x@y>"),
        ];
        let outcomes = store.ingest_events(app.team, &batch).await.unwrap();
        let email = only_email(&app).await;
        let (new, again) = (Ingested::Recorded(email.id), Ingested::Duplicate(email.id));
        assert_eq!(outcomes, [new, new, again, again]);
        assert_eq!((email.created_at(), email.id), (time, batch[1].entry.id));
        assert_eq!((email.status, email.delivered_at), (EmailStatus::Opened, Some(time)));
        assert_eq!(email.provider_message_id.as_deref(), Some("<x@y>"));
        assert_eq!((email.from_address.as_str(), email.subject.as_str()), ("shop@b.example", "Your order"));
        assert_eq!((email.recipients.len(), email.recipients[0].address.as_str()), (1, "ada@finch.example"));
        assert!(email.is_from_outside() && email.channel == Channel::Email && email.next_attempt_at.is_none());
        assert_eq!(store.next_outbox_run().await, Ok(None));
        assert_eq!(store.list_wrong_rollups(app.team).await, Ok(Vec::new()));
        let kinds: Vec<_> =
            store.list_events(app.team, email.id).await.unwrap().into_iter().map(|event| event.kind).collect();
        assert_eq!(kinds, [EventKind::Delivered, EventKind::Opened]);

        // The next batch lands on it, and so does a search.
        let bounced = reported(&app, "c", EventKind::Bounced, later, "<x@y>");
        assert_eq!(store.ingest_events(app.team, &[bounced]).await, Ok(vec![new]));
        let email = only_email(&app).await;
        assert_eq!((email.status, email.error_message.as_deref()), (EmailStatus::Bounced, Some("reply of c")));
        let search = EmailFilter { search: Some("ada@finch".to_owned()), ..EmailFilter::default() };
        let found = store.list_emails(app.team, &search, PageRequest { page: 1, page_size: 5 }).await.unwrap();
        assert_eq!(found.items.len(), 1);
        assert_eq!(store.list_wrong_rollups(app.team).await, Ok(Vec::new()));
        assert!(store.ingest_events(app.team, &[]).await.unwrap().is_empty());
    }

    async fn what_says_too_little_is_unknown(app: TestApp) {
        let (store, time) = (app.store(), app.now());
        let theirs = new_email(&app, time);
        store.insert_email(app.other_team, &theirs).await.unwrap();
        let mut nobody = reported(&app, "a", EventKind::Opened, time, "x");
        nobody.event.event.recipient = None;
        let mut named = reported_of(&app, "c", EventKind::Opened, time, EmailId(7));
        named.provider_message_id = Some("y".to_owned());
        let batch = [nobody.clone(), reported_of(&app, "b", EventKind::Opened, time, theirs.id), named];
        assert_eq!(store.ingest_events(app.team, &batch).await, Ok(vec![Ingested::Unknown; 3]));
        // Somebody else in the batch knows the recipient.
        let batch = [nobody, reported(&app, "d", EventKind::Sent, time, "x")];
        let outcomes = store.ingest_events(app.team, &batch).await.unwrap();
        let id = only_email(&app).await.id;
        assert_eq!(outcomes, [Ingested::Recorded(id); 2]);
        assert_eq!(store.list_events(app.other_team, theirs.id).await.unwrap().len(), 2);
    }

    async fn a_message_is_found_by_its_id_by_the_providers_and_by_its_message_id(app: TestApp) {
        let (store, time) = (app.store(), app.now());
        let new = new_email(&app, time);
        store.insert_email(app.team, &new).await.unwrap();
        let mut by_id = reported_of(&app, "a", EventKind::Sent, time, new.id);
        by_id.provider_message_id = Some("p1".to_owned());
        let mut by_own = reported(&app, "b", EventKind::Delivered, time, "eml@b.example");
        by_own.own_id = Some(new.id);
        let by_provider = reported(&app, "c", EventKind::Opened, time, "p1");
        for line in [by_id, by_provider, by_own] {
            assert_eq!(store.ingest_events(app.team, &[line]).await, Ok(vec![Ingested::Recorded(new.id)]));
        }
        let email = only_email(&app).await;
        assert_eq!((email.status, email.provider_message_id.as_deref()), (EmailStatus::Opened, Some("p1")));
        assert_eq!(store.list_wrong_rollups(app.team).await, Ok(Vec::new()));
    }

    async fn ids_that_are_taken_are_avoided(app: TestApp) {
        let (store, time) = (app.store(), app.now());
        let theirs = new_email(&app, time);
        store.insert_email(app.other_team, &theirs).await.unwrap();
        let ours = new_email(&app, time);
        store.insert_email(app.team, &ours).await.unwrap();
        let with_id = |id: EmailId, name: &str| {
            let mut line = reported(&app, name, EventKind::Sent, time, name);
            line.entry.id = id;
            line
        };
        let batch = [with_id(ours.id, "a"), with_id(ours.id, "b"), with_id(theirs.id, "c"), with_id(theirs.id, "d")];
        let ids = recorded(&store.ingest_events(app.team, &batch).await.unwrap());
        assert_eq!(ids.len(), 4);
        assert!(ids.iter().all(|id| id.created_at() == time && *id != ours.id));
        assert_eq!(store.list_wrong_rollups(app.team).await, Ok(Vec::new()));
    }

    async fn batches_at_once_start_a_message_once(app: TestApp) {
        let (time, mut batches) = (app.now(), tokio::task::JoinSet::new());
        let mut ours = Vec::new();
        for _ in 0..4 {
            let new = new_email(&app, time);
            app.store().insert_email(app.team, &new).await.unwrap();
            ours.push(new.id);
        }
        for number in 0..6 {
            let mut batch: Vec<ReportedEvent> = (0..20)
                .map(|line| reported(&app, &format!("{number}-{line}"), EventKind::Opened, time, &format!("x{}", line % 5)))
                .collect();
            batch.push(reported(&app, "the same", EventKind::Sent, time, "x0"));
            for (place, id) in ours.iter().enumerate() {
                batch.push(reported_of(&app, &format!("{number}-ours-{place}"), EventKind::Clicked, time, *id));
            }
            if number % 2 == 0 {
                batch.reverse();
            }
            let (store, team) = (app.store().clone(), app.team);
            batches.spawn(async move { store.ingest_events(team, &batch).await.unwrap() });
        }
        let (mut ids, mut duplicates) = (BTreeSet::new(), 0);
        while let Some(ended) = batches.join_next().await {
            let outcomes = ended.unwrap();
            duplicates += outcomes.iter().filter(|outcome| matches!(outcome, Ingested::Duplicate(_))).count();
            ids.extend(recorded(&outcomes));
        }
        assert_eq!((ids.len(), duplicates), (9, 5));
        assert_eq!(app.store().list_wrong_rollups(app.team).await, Ok(Vec::new()));
        for id in ours {
            assert_eq!(app.store().find_email(app.team, id).await.unwrap().unwrap().status, EmailStatus::Clicked);
        }
    }

    async fn a_history_comes_to_the_same_in_any_order_and_in_any_batches(app: TestApp) {
        let (store, mut random) = (app.store(), ChaCha8Rng::seed_from_u64(5));
        let start = at("2024-01-11T09:59:58Z");
        let kinds: Vec<EventKind> = EventKind::ALL.iter().copied().filter(|kind| kind.can_be_reported()).collect();
        for round in 0..12 {
            // Two messages of ours and two of somebody else's, each with a history.
            let mut ours = Vec::new();
            let mut expected: BTreeMap<usize, (EmailStatus, EventSet)> = BTreeMap::new();
            let mut history: Vec<(usize, EventKind, DateTime<Utc>, Option<EventCause>)> = Vec::new();
            for message in 0..4 {
                if message < 2 {
                    let new = new_email(&app, start + TimeDelta::hours(round));
                    store.insert_email(app.team, &new).await.unwrap();
                    ours.push(new.id);
                }
                let count = random.random_range(1..7);
                let of_message: Vec<_> = (0..count)
                    .map(|_| {
                        let after = TimeDelta::milliseconds(random.random_range(0..4000));
                        let cause = [None, Some(EventCause::Soft), Some(EventCause::Hard)].choose(&mut random).copied();
                        (message, *kinds.choose(&mut random).unwrap(), start + after, cause.flatten())
                    })
                    .collect();
                let first = if message < 2 { &[EventKind::Requested, EventKind::Queued][..] } else { &[] };
                let all = || of_message.iter().map(|(_, kind, ..)| *kind).chain(first.iter().copied());
                let set = of_message.iter().fold(EventSet::of_kinds(first), |set, (_, kind, _, cause)| {
                    set.with(EventSet::of(*kind, *cause))
                });
                expected.insert(message, (fold_status(all()), set));
                history.extend(of_message);
            }
            let mut lines: Vec<(usize, ReportedEvent)> = Vec::new();
            for (number, (message, kind, time, cause)) in history.iter().enumerate() {
                let (id, name) = (format!("{round}-{number}"), format!("{round}-m{message}"));
                let mut line = match ours.get(*message) {
                    Some(email) => reported_of(&app, &id, *kind, *time, *email),
                    None => reported(&app, &id, *kind, *time, &name),
                };
                line.event.event.detail.cause = *cause;
                lines.push((*message, line.clone()));
                if random.random_bool(0.4) {
                    lines.push((*message, line));
                }
            }
            lines.shuffle(&mut random);
            let mut found: BTreeMap<usize, BTreeSet<EmailId>> = BTreeMap::new();
            let mut rest = &lines[..];
            while !rest.is_empty() {
                let (batch, after) = rest.split_at(random.random_range(1..=rest.len()));
                let events: Vec<ReportedEvent> = batch.iter().map(|(_, line)| line.clone()).collect();
                let outcomes = store.ingest_events(app.team, &events).await.unwrap();
                for ((message, _), outcome) in batch.iter().zip(outcomes) {
                    found.entry(*message).or_default().extend(recorded(&[outcome]));
                }
                rest = after;
            }
            for (message, ids) in found {
                assert_eq!(ids.len(), 1, "message {message} is one message");
                let id = *ids.first().unwrap();
                let email = store.find_email(app.team, id).await.unwrap().unwrap();
                assert_eq!((email.status, email.event_set), expected[&message], "{:?}", history);
                let of_message = || history.iter().filter(|(of, ..)| *of == message);
                let earliest = |kind| of_message().filter(|(_, of, ..)| *of == kind).map(|(_, _, time, _)| *time).min();
                assert_eq!(email.sent_at, earliest(EventKind::Sent));
                assert_eq!(email.delivered_at, earliest(EventKind::Delivered));
                let own = if message < 2 { 2 } else { 0 };
                assert_eq!(store.list_events(app.team, id).await.unwrap().len(), of_message().count() + own);
            }
        }
        assert_eq!(store.list_wrong_rollups(app.team).await, Ok(Vec::new()));
        let counts = store.count_by_status(app.team, Slice::All, TimeRange::default()).await.unwrap();
        assert_eq!(counts.0.iter().sum::<i64>(), 48);
        assert_ne!(counts, StatusCounts::default());
    }
}

//! Events that others report.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::outbox::{event, new_email};
use super::*;
use crate::domain::channel::Channel;
use crate::domain::email::{Email, EmailStatus};
use crate::domain::error::AppError;
use crate::domain::event::{EmailEvent, EventCause, EventDetail, EventKind, EventSet, fold_status};
use crate::domain::filter::{Criteria, EmailFilter, RollupScope, TimeRange};
use crate::domain::ids::{EmailId, TeamId};
use crate::domain::page::PageRequest;
use crate::domain::stats::StatusCounts;
use crate::server::services::teams::create_team_of;
use crate::server::store::emails::NewEmail;
use crate::server::store::events::{EmailFacts, NewEvent};
use crate::server::store::ingest::{Ingested, NewEntry, ReportedEvent, entry_id};
use crate::server::store::outbox::Settlement;

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

/// What a team sees of its log: the list in its order, every message with its events, and the counts. Ids are made of the
/// team's as well, and are left out.
async fn everything_visible(app: &TestApp, team: TeamId) -> Vec<String> {
    let (store, mut seen) = (app.store(), Vec::new());
    for email in store.list_older_emails(team, &EmailFilter::default(), None, 10_000).await.unwrap() {
        let events = store.list_events(team, email.id).await.unwrap();
        let told: Vec<_> = events.iter().map(|event| (event.kind, event.at, &event.recipient, &event.detail)).collect();
        let of_email = (
            email.created_at(),
            email.channel,
            &email.recipients,
            &email.from_address,
            &email.subject,
            email.status,
            &email.provider_message_id,
            &email.error_message,
            email.sent_at,
            email.delivered_at,
            email.event_set,
        );
        seen.push(format!("{of_email:?} {told:?}"));
    }
    // Messages of one millisecond stand in the order of their ids.
    seen.sort();
    for scope in [RollupScope::All, RollupScope::Channel(Channel::Email), RollupScope::Channel(Channel::Sms)] {
        seen.push(format!("{:?}", store.list_hour_counts(team, scope, TimeRange::default()).await.unwrap()));
    }
    seen
}

on_both_databases! {
    async fn an_event_of_a_message_that_nobody_knows_starts_it(app: TestApp) {
        let (store, time) = (app.store(), at("2023-11-05T08:30:00.123Z"));
        let later = time + TimeDelta::seconds(9);
        let batch = [
            reported(&app, "b", EventKind::Opened, later, "x@y"),
            reported(&app, "a", EventKind::Delivered, time, "x@y"),
            ReportedEvent { provider_message_id: Some("other".to_owned()), ..reported(&app, "a", EventKind::Sent, time, "") },
            reported(&app, "b", EventKind::Opened, later, "x@y"),
        ];
        let outcomes = store.ingest_events(app.team, &batch).await.unwrap();
        let email = only_email(&app).await;
        let (new, again) = (Ingested::Recorded(email.id), Ingested::Duplicate(email.id));
        assert_eq!(outcomes, [new, new, again, again]);
        assert_eq!((email.created_at(), email.id), (time, entry_id(app.team, "x@y", time)));
        assert_eq!((email.status, email.delivered_at), (EmailStatus::Opened, Some(time)));
        assert_eq!(email.provider_message_id.as_deref(), Some("x@y"));
        assert_eq!((email.from_address.as_str(), email.subject.as_str()), ("shop@b.example", "Your order"));
        assert_eq!((email.recipients.len(), email.recipients[0].address.as_str()), (1, "ada@finch.example"));
        assert!(email.is_from_outside() && email.channel == Channel::Email && email.next_attempt_at.is_none());
        assert_eq!(store.next_outbox_run().await, Ok(None));
        assert_eq!(store.list_wrong_rollups(app.team).await, Ok(Vec::new()));
        let kinds: Vec<_> =
            store.list_events(app.team, email.id).await.unwrap().into_iter().map(|event| event.kind).collect();
        assert_eq!(kinds, [EventKind::Delivered, EventKind::Opened]);

        // The next batch lands on it, and so does a search.
        let bounced = reported(&app, "c", EventKind::Bounced, later, "x@y");
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
        let taken = |name: &str| NewEmail { id: entry_id(app.team, name, time), ..new_email(&app, time) };
        let (ours, theirs) = (taken("a"), taken("b"));
        store.insert_email(app.team, &ours).await.unwrap();
        store.insert_email(app.other_team, &theirs).await.unwrap();
        let batch = ["a", "b", "c"].map(|name| reported(&app, name, EventKind::Sent, time, name));
        let ids = recorded(&store.ingest_events(app.team, &batch).await.unwrap());
        assert_eq!(ids.len(), 3);
        assert!(ids.iter().all(|id| id.created_at() == time && *id != ours.id));
        assert_eq!(store.list_wrong_rollups(app.team).await, Ok(Vec::new()));
    }

    async fn both_recipients_of_two_batches_are_kept(app: TestApp) {
        let (store, time) = (app.store(), app.now());
        let of = |id: &str, recipient: &str| {
            let mut line = reported(&app, id, EventKind::Delivered, time, "x");
            line.event.event.recipient = Some(recipient.to_owned());
            line
        };
        for line in [of("1", "bob@finch.example"), of("2", "Ada@finch.example"), of("3", "ADA@FINCH.example")] {
            store.ingest_events(app.team, &[line]).await.unwrap();
        }
        let email = only_email(&app).await;
        let addresses: Vec<&str> = email.recipients.iter().map(|to| to.address.as_str()).collect();
        assert_eq!(addresses, ["ADA@FINCH.example", "bob@finch.example"]);
        for text in ["ada@finch", "bob@finch"] {
            let search = EmailFilter { search: Some(text.to_owned()), ..EmailFilter::default() };
            let found = store.list_emails(app.team, &search, PageRequest { page: 1, page_size: 5 }).await.unwrap();
            assert_eq!(found.items.len(), 1, "{text}");
        }
    }

    async fn an_earlier_event_moves_its_message_which_stays_known_by_the_id_it_had(app: TestApp) {
        let (store, time) = (app.store(), app.now());
        let mut late = reported(&app, "late", EventKind::Opened, time, "x");
        late.event.event.detail.server = Some("MX.provider.example".to_owned());
        let early = reported(&app, "early", EventKind::Delivered, time - TimeDelta::days(2), "x");
        let first = *recorded(&store.ingest_events(app.team, &[late]).await.unwrap()).first().unwrap();
        let second = *recorded(&store.ingest_events(app.team, &[early]).await.unwrap()).first().unwrap();
        assert_ne!(first, second);
        let email = only_email(&app).await;
        assert_eq!((email.id, email.created_at()), (second, time - TimeDelta::days(2)));
        assert_eq!(store.find_email(app.team, first).await.unwrap().unwrap(), email);
        assert_eq!(store.find_moved_email(app.team, first).await, Ok(Some(second)));
        assert_eq!(store.find_moved_email(app.other_team, first).await, Ok(None));
        let by_old_id = reported_of(&app, "by id", EventKind::Clicked, time, first);
        assert_eq!(store.ingest_events(app.team, &[by_old_id]).await, Ok(vec![Ingested::Recorded(second)]));
        assert_eq!(store.list_events(app.team, second).await.unwrap().len(), 3);
        assert_eq!(store.list_wrong_rollups(app.team).await, Ok(Vec::new()));
        let search = EmailFilter { search: Some("ada@finch".to_owned()), ..EmailFilter::default() };
        let server = Some("mx.provider.example".to_owned());
        let by_server = EmailFilter { criteria: Criteria { server, ..Criteria::default() }, ..EmailFilter::default() };
        for filter in [search, by_server] {
            let found = store.list_emails(app.team, &filter, PageRequest { page: 1, page_size: 5 }).await.unwrap();
            assert_eq!(found.items.len(), 1, "{filter:?}");
        }
    }

    async fn a_word_that_comes_before_the_servers_250_is_about_our_message(app: TestApp) {
        let (store, time) = (app.store(), app.now());
        let new = new_email(&app, time);
        store.insert_email(app.team, &new).await.unwrap();
        let lease = store.lease_due(time, time + TimeDelta::minutes(1), 1, 1).await.unwrap().remove(0);
        let delivered = reported(&app, "a", EventKind::Delivered, time, "4bXyz12");
        let phantom = *recorded(&store.ingest_events(app.team, &[delivered]).await.unwrap()).first().unwrap();
        assert_ne!(phantom, new.id);
        let settlement = Settlement {
            events: vec![event(&app, EventKind::Sent, time)],
            facts: EmailFacts { provider_message_id: Some("4bXyz12".to_owned()), error_message: None },
            ..Settlement::default()
        };
        assert_eq!(store.settle(&lease, &settlement).await, Ok(true));
        let email = only_email(&app).await;
        assert_eq!((email.id, email.status, email.delivered_at), (new.id, EmailStatus::Delivered, Some(time)));
        assert_eq!(store.list_events(app.team, new.id).await.unwrap().len(), 4);
        assert_eq!(store.find_email(app.team, phantom).await.unwrap().unwrap().id, new.id);
        assert_eq!(store.list_wrong_rollups(app.team).await, Ok(Vec::new()));
        // A second id of the provider's, for a recipient who was deferred: both are known.
        let facts = EmailFacts { provider_message_id: Some("9".to_owned()), error_message: None };
        store.record_events(app.team, new.id, &[event(&app, EventKind::Sent, time)], &facts).await.unwrap();
        let batch = ["4bXyz12", "9"].map(|name| reported(&app, name, EventKind::Opened, time, name));
        assert_eq!(store.ingest_events(app.team, &batch).await, Ok(vec![Ingested::Recorded(new.id); 2]));
        assert_eq!(only_email(&app).await.status, EmailStatus::Opened);
    }

    async fn a_name_that_comes_later_or_earlier_makes_two_messages_one(app: TestApp) {
        let (store, time) = (app.store(), app.now());
        for (round, names_last) in [(0, true), (1, false)] {
            let new = new_email(&app, time);
            store.insert_email(app.team, &new).await.unwrap();
            let name = format!("p{round}");
            let by_name = reported(&app, &format!("{round}-a"), EventKind::Bounced, time, &name);
            let mut naming = reported_of(&app, &format!("{round}-b"), EventKind::Sent, time, new.id);
            naming.provider_message_id = Some(name.clone());
            let mut batches = vec![vec![by_name], vec![naming]];
            if !names_last {
                batches = vec![batches.concat()];
            }
            for batch in batches {
                store.ingest_events(app.team, &batch).await.unwrap();
            }
            let email = store.find_email(app.team, new.id).await.unwrap().unwrap();
            assert_eq!((email.status, email.provider_message_id), (EmailStatus::Bounced, Some(name)));
            assert_eq!(store.list_events(app.team, new.id).await.unwrap().len(), 4);
        }
        let counts = store.count_by_status(app.team, RollupScope::All, TimeRange::default()).await.unwrap();
        assert_eq!(counts.0.iter().sum::<i64>(), 2);
        assert_eq!(store.list_wrong_rollups(app.team).await, Ok(Vec::new()));
    }

    async fn five_shuffles_in_batches_of_any_size_and_at_once_agree_in_everything(app: TestApp) {
        let mut random = ChaCha8Rng::seed_from_u64(11);
        let start = at("2024-01-11T09:00:00Z");
        let kinds: Vec<EventKind> = EventKind::ALL.iter().copied().filter(|kind| kind.can_be_reported()).collect();
        let lines: Vec<ReportedEvent> = (0..2_000)
            .map(|number| {
                let name = format!("m{}", random.random_range(0..400));
                let time = start + TimeDelta::seconds(random.random_range(0..40_000));
                let mut line = reported(&app, &format!("e{number}"), *kinds.choose(&mut random).unwrap(), time, &name);
                line.event.event.detail.reply = Some(format!("words {number}")).filter(|_| random.random_bool(0.8));
                let person = ["ada", "Ada", "bob", "eve"].choose(&mut random).unwrap();
                line.event.event.recipient = Some(format!("{person}@finch.example"));
                line.entry.subject = Some(format!("Order {number}")).filter(|_| random.random_bool(0.5));
                line.entry.from_address = Some(format!("shop{}@b.example", number % 7)).filter(|_| random.random_bool(0.5));
                line.entry.channel = [None, Some(Channel::Email), Some(Channel::Sms)].choose(&mut random).copied().flatten();
                line
            })
            .collect();
        let mut expected: Option<Vec<String>> = None;
        for shuffle in 0..5 {
            let team = create_team_of(&app.app, &format!("Team {shuffle}"), None).await.unwrap().id;
            let mut shuffled = lines.clone();
            shuffled.shuffle(&mut random);
            let (mut rest, mut batches) = (&shuffled[..], Vec::new());
            while !rest.is_empty() {
                let (batch, after) = rest.split_at(random.random_range(1..=rest.len().min(300)));
                batches.push(batch.to_vec());
                rest = after;
            }
            let mut at_once = tokio::task::JoinSet::new();
            for batch in batches {
                let store = app.store().clone();
                at_once.spawn(async move {
                    // On a slow machine a batch can wait longer for its turn than it may: it says so, and is sent again.
                    loop {
                        match store.ingest_events(team, &batch).await {
                            Err(AppError::Unavailable) => tokio::time::sleep(Duration::from_millis(50)).await,
                            recorded => break recorded.unwrap(),
                        }
                    }
                });
                if random.random_bool(0.3) {
                    while let Some(ended) = at_once.join_next().await {
                        ended.unwrap();
                    }
                }
            }
            while let Some(ended) = at_once.join_next().await {
                ended.unwrap();
            }
            let seen = everything_visible(&app, team).await;
            assert_eq!(app.store().list_wrong_rollups(team).await, Ok(Vec::new()));
            match &expected {
                None => expected = Some(seen),
                Some(expected) => {
                    assert_eq!(seen.len(), expected.len());
                    for (seen, expected) in seen.iter().zip(expected) {
                        assert_eq!(seen, expected, "shuffle {shuffle}");
                    }
                }
            }
        }
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
                let mut emails = Vec::new();
                for id in ids {
                    emails.push(store.find_email(app.team, id).await.unwrap().unwrap());
                }
                let email = emails.remove(0);
                assert!(emails.iter().all(|other| *other == email), "message {message} is one message");
                let id = email.id;
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
        let counts = store.count_by_status(app.team, RollupScope::All, TimeRange::default()).await.unwrap();
        assert_eq!(counts.0.iter().sum::<i64>(), 48);
        assert_ne!(counts, StatusCounts::default());
    }
}

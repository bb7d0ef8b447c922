//! The queue of messages to send.

use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use super::*;
use crate::domain::channel::Channel;
use crate::domain::email::{EmailStatus, Recipient, RecipientKind};
use crate::domain::error::AppError;
use crate::domain::event::{EmailEvent, EventDetail, EventKind};
use crate::domain::ids::{EmailId, TeamId};
use crate::server::store::emails::{Acceptance, Attachment, KeptAnswer, NewEmail, NewIdempotencyKey};
use crate::server::store::events::{EmailFacts, NewEvent};
use crate::server::store::mimes::pack_mime;
use crate::server::store::outbox::{Lease, Settlement, Share};

/// The message, where it came as mail.
const MIME: &[u8] = b"From: a@b.example\r\n\r\n8 bit \xff\r\n";

/// A message as it is accepted, at `time`.
pub fn new_email(app: &TestApp, time: DateTime<Utc>) -> NewEmail {
    let recipient = |kind, address: &str, name: Option<&str>| Recipient {
        kind,
        address: address.to_owned(),
        name: name.map(str::to_owned),
    };
    NewEmail {
        names_adapter: false,
        id: app.id_at(time),
        job_id: app.id_at(time),
        template: None,
        channel: Channel::Email,
        notification_id: None,
        external_user_id: None,
        adapter_id: Some(app.id_at(time)),
        api_key_id: Some(app.id_at(time)),
        api_request_id: Some(app.id_at(time)),
        recipients: vec![
            recipient(RecipientKind::To, "ada@finch.example", Some("Ada Ü")),
            recipient(RecipientKind::Cc, "bob@finch.example", None),
            recipient(RecipientKind::Bcc, "eve@finch.example", None),
        ],
        from_address: "Finch <a@b.example>".to_owned(),
        reply_to: Some("help@b.example".to_owned()),
        subject: "Grüße".to_owned(),
        tags: vec!["one".to_owned(), "zwei".to_owned()],
        variables: json!({"name": "Ada", "deep": {"list": [1, 2.5, null, true, "ü"]}}),
        metadata: json!({"order": 7}),
        html: Some("<p>Hi</p>".to_owned()),
        text: None,
        attachments: vec![
            Attachment {
                filename: "b.pdf".to_owned(),
                content_type: "Application/PDF".to_owned(),
                content: vec![0, 255, 10],
                content_id: Some("logo".to_owned()),
            },
            Attachment {
                filename: "a.txt".to_owned(),
                content_type: "text/plain".to_owned(),
                content: Vec::new(),
                content_id: None,
            },
        ],
        mime: pack_mime(MIME, Some("one@b.example".to_owned())).ok(),
        sent_subject: None,
        worded_by: None,
        resend_of: None,
        scheduled_at: None,
        headers: Vec::new(),
        events: vec![event(app, EventKind::Requested, time), event(app, EventKind::Queued, time)],
    }
}

/// An event at `time`.
pub fn event(app: &TestApp, kind: EventKind, time: DateTime<Utc>) -> NewEvent {
    let detail = EventDetail { message: Some("by hand".to_owned()), ..EventDetail::default() };
    EmailEvent { id: app.id_at(time), kind, at: time, recipient: Some("ada@finch.example".to_owned()), detail }.into()
}

pub async fn lease(app: &TestApp, now: DateTime<Utc>, lease_id: i64) -> Vec<Lease> {
    app.store().lease_due(now, now + TimeDelta::minutes(1), lease_id, 10).await.unwrap()
}

/// A key that was sent with a request.
pub fn with_key(app: &TestApp, key: &str, request: &str) -> Acceptance {
    let key = NewIdempotencyKey {
        endpoint: "/emails".to_owned(),
        key_hash: key.to_owned(),
        request_hash: request.to_owned(),
        answer: KeptAnswer { status: 201, body: format!(r#"{{"asked":"{request}"}}"#) },
        expires_at: app.now() + TimeDelta::hours(24),
        now: app.now(),
    };
    Acceptance { idempotency: Some(key), ..Acceptance::default() }
}

on_both_databases! {
    async fn a_request_that_comes_again_with_its_key_is_accepted_once(app: TestApp) {
        let store = app.store();
        let accept = async |team, with: &Acceptance| {
            let emails = [new_email(&app, app.now()), new_email(&app, app.now())];
            store.insert_emails(team, &emails, with).await
        };
        let find = async |team, request: &str| store.find_first_answer(team, "/emails", "key", request, app.now()).await;
        assert_eq!(find(app.team, "one").await, Ok(None));
        assert_eq!(accept(app.team, &with_key(&app, "key", "one")).await, Ok(None));
        let first = Some(with_key(&app, "key", "one").idempotency.unwrap().answer);
        let mut again = with_key(&app, "key", "one");
        again.idempotency.as_mut().unwrap().answer.body = "what a second would be answered".to_owned();
        assert_eq!(accept(app.team, &again).await, Ok(first.clone()));
        assert_eq!(find(app.team, "one").await, Ok(first));
        assert_eq!(find(app.team, "another").await, Err(AppError::IdempotencyMismatch));
        assert_eq!(find(app.other_team, "one").await, Ok(None));
        let other = accept(app.team, &with_key(&app, "key", "another")).await;
        assert_eq!(other, Err(AppError::IdempotencyMismatch));
        assert_eq!(lease(&app, app.now(), 1).await.len(), 2);
        // Another key, another endpoint, another team: each counts by itself.
        let mut elsewhere = with_key(&app, "key", "another");
        elsewhere.idempotency.as_mut().unwrap().endpoint = "/emails/batch".to_owned();
        for (team, with) in
            [(app.team, with_key(&app, "key 2", "one")), (app.team, elsewhere), (app.other_team, with_key(&app, "key", "another"))]
        {
            assert_eq!(accept(team, &with).await, Ok(None));
        }
        assert_eq!(lease(&app, app.now(), 2).await.len(), 6);
        assert_eq!(store.list_wrong_rollups(app.team).await, Ok(Vec::new()));
    }

    async fn a_family_is_a_message_and_all_copies_of_it(app: TestApp) {
        let (store, now) = (app.store(), app.now());
        let copy_of = |of: Option<EmailId>| NewEmail { resend_of: of, ..new_email(&app, now) };
        let root = copy_of(None);
        let (one, two) = (copy_of(Some(root.id)), copy_of(Some(root.id)));
        let (below, other) = (copy_of(Some(one.id)), copy_of(None));
        for new in [&root, &one, &two, &below, &other] {
            store.insert_email(app.team, new).await.unwrap();
        }
        assert_eq!(store.lease_due(now, now + TimeDelta::minutes(1), 7, 1).await.unwrap()[0].email_id, root.id);
        let lease = store.lease_due(now, now + TimeDelta::minutes(1), 8, 1).await.unwrap().remove(0);
        assert_eq!((lease.email_id, store.settle(&lease, &Settlement::default()).await), (one.id, Ok(true)));
        for id in [root.id, one.id, two.id, below.id] {
            let family = store.find_family(app.team, id).await.unwrap();
            let found: Vec<_> = family.iter().map(|relative| (relative.id, relative.is_copy, relative.is_waiting)).collect();
            let expected = [(root.id, false, true), (one.id, true, false), (two.id, true, true), (below.id, true, true)];
            assert_eq!(found, expected);
        }
        let copies = store.list_copies(app.team, &[root.id, one.id, other.id]).await.unwrap();
        let queued = EmailStatus::Queued;
        let mut expected = [(root.id, one.id), (root.id, two.id), (root.id, below.id), (one.id, below.id)];
        expected.sort_by_key(|(of, copy)| (*copy, *of));
        let mut found = copies.clone();
        found.sort_by_key(|(of, copy, _)| (*copy, *of));
        assert_eq!(found, expected.map(|(of, copy)| (of, copy, queued)));
        assert!(copies.is_sorted_by_key(|(_, copy, _)| *copy));
        assert_eq!(store.list_copies(app.other_team, &[root.id]).await, Ok(Vec::new()));
        assert_eq!(store.list_ids_of_job(app.team, one.job_id).await, Ok(vec![one.id]));
        assert_eq!(store.list_ids_of_job(app.other_team, one.job_id).await, Ok(Vec::new()));
        assert_eq!(store.find_family(app.team, other.id).await.unwrap().len(), 1);
        assert_eq!(store.find_family(app.other_team, root.id).await, Ok(Vec::new()));
    }

    async fn a_key_is_forgotten_when_it_has_expired(app: TestApp) {
        let store = app.store();
        let accept = async |request: &str| {
            store.insert_emails(app.team, &[new_email(&app, app.now())], &with_key(&app, "key", request)).await
        };
        assert_eq!(accept("one").await, Ok(None));
        app.advance(TimeDelta::hours(24) - TimeDelta::microseconds(1));
        store.delete_expired_idempotency_keys(app.now()).await.unwrap();
        assert_eq!(accept("another").await, Err(AppError::IdempotencyMismatch));
        app.advance(TimeDelta::microseconds(1));
        assert_eq!(accept("another").await, Ok(None));
        app.advance(TimeDelta::hours(24));
        store.delete_expired_idempotency_keys(app.now()).await.unwrap();
        // Asked with a clock that is behind: only the deletion can have made room.
        let mut early = with_key(&app, "key", "a third");
        early.idempotency.as_mut().unwrap().now = app.now() - TimeDelta::hours(1);
        assert_eq!(store.insert_emails(app.team, &[new_email(&app, app.now())], &early).await, Ok(None));
    }

    async fn requests_at_once_with_one_key_are_accepted_once(app: TestApp) {
        let attempts = (0..8).map(|_| {
            let (store, team) = (app.store().clone(), app.team);
            let email = new_email(&app, app.now());
            let mut with = with_key(&app, "key", "one");
            let answer = KeptAnswer { status: 200, body: email.id.to_string() };
            with.idempotency.as_mut().unwrap().answer = answer.clone();
            tokio::spawn(async move { (answer, store.insert_emails(team, &[email], &with).await.unwrap()) })
        });
        let mut accepted = Vec::new();
        let mut found = Vec::new();
        for attempt in attempts.collect::<Vec<_>>() {
            match attempt.await.unwrap() {
                (answer, None) => accepted.push(answer),
                (_, Some(first)) => found.push(first),
            }
        }
        assert_eq!((accepted.len(), found.len()), (1, 7));
        assert!(found.iter().all(|first| *first == accepted[0]));
        assert_eq!(lease(&app, app.now(), 1).await.len(), 1);
    }

    async fn a_message_that_waits_is_moved_and_taken_back(app: TestApp) {
        let (store, now) = (app.store(), app.now());
        let (later, sooner) = (now + TimeDelta::hours(2), now + TimeDelta::hours(1));
        let new = NewEmail { scheduled_at: Some(later), ..new_email(&app, now) };
        store.insert_email(app.team, &new).await.unwrap();
        assert_eq!(store.next_outbox_run().await, Ok(Some(later)));
        let moved = event(&app, EventKind::Queued, now);
        assert_eq!(store.reschedule(app.other_team, new.id, sooner, &moved).await, Ok(false));
        assert_eq!(store.reschedule(app.team, new.id, sooner, &moved).await, Ok(true));
        let email = store.find_email(app.team, new.id).await.unwrap().unwrap();
        assert_eq!((email.scheduled_at, email.next_attempt_at), (Some(sooner), Some(sooner)));
        assert_eq!(store.list_events(app.team, new.id).await.unwrap().len(), 3);
        let canceled = event(&app, EventKind::Canceled, now);
        let facts = EmailFacts { error_message: Some("Canceled".to_owned()), ..EmailFacts::default() };
        assert_eq!(store.cancel(app.other_team, new.id, &canceled, &facts).await, Ok(false));
        assert_eq!(store.cancel(app.team, new.id, &canceled, &facts).await, Ok(true));
        let email = store.find_email(app.team, new.id).await.unwrap().unwrap();
        assert_eq!((email.status, email.error_message.as_deref()), (EmailStatus::Failed, Some("Canceled")));
        assert_eq!((email.next_attempt_at, store.next_outbox_run().await), (None, Ok(None)));
        let again = event(&app, EventKind::Canceled, now);
        assert_eq!(store.cancel(app.team, new.id, &again, &facts).await, Ok(false));
        assert_eq!(store.reschedule(app.team, new.id, later, &event(&app, EventKind::Queued, now)).await, Ok(false));
        assert_eq!(store.list_events(app.team, new.id).await.unwrap().len(), 4);
        assert_eq!(store.list_wrong_rollups(app.team).await, Ok(Vec::new()));
    }

    async fn messages_that_wait_are_taken_back_together_with_the_line_that_tells_of_it(app: TestApp) {
        let (store, now) = (app.store(), app.now());
        let waiting: Vec<NewEmail> = (0..3).map(|_| new_email(&app, now)).collect();
        store.insert_email(app.team, &waiting[0]).await.unwrap();
        let sent = lease(&app, now, 1).await.remove(0).email_id;
        for new in &waiting[1..] {
            store.insert_email(app.team, new).await.unwrap();
        }
        let canceled = || waiting.iter().map(|new| (new.id, event(&app, EventKind::Canceled, now), EmailFacts::default()));
        let lines = async || store.every_row().await["audit_log"].len();
        let before = lines().await;
        let line = |_: &[EmailId]| app.event();
        let all: Vec<_> = canceled().collect();
        assert_eq!(store.cancel_all(app.other_team, &all, line).await, Ok(Vec::new()));
        assert_eq!(lines().await, before);
        let left: Vec<EmailId> = waiting.iter().map(|new| new.id).filter(|id| *id != sent).collect();
        let told = std::sync::Mutex::new(Vec::new());
        let tells = |ids: &[EmailId]| {
            told.lock().unwrap().extend_from_slice(ids);
            app.event()
        };
        assert_eq!(store.cancel_all(app.team, &all, tells).await, Ok(left.clone()));
        assert_eq!((told.into_inner().unwrap(), lines().await), (left.clone(), before + 1));
        for id in left {
            assert_eq!(store.find_email(app.team, id).await.unwrap().unwrap().status, EmailStatus::Failed);
        }
        let all: Vec<_> = canceled().collect();
        assert_eq!(store.cancel_all(app.team, &all, line).await, Ok(Vec::new()), "once");
        assert_eq!(lines().await, before + 1);
        assert_eq!(store.list_wrong_rollups(app.team).await, Ok(Vec::new()));
    }

    async fn a_message_that_is_being_sent_stays_and_one_that_waits_again_does_not(app: TestApp) {
        let (store, now) = (app.store(), app.now());
        let new = new_email(&app, now);
        store.insert_email(app.team, &new).await.unwrap();
        let first = lease(&app, now, 1).await.remove(0);
        let later = now + TimeDelta::hours(1);
        let change = async || {
            let (moved, canceled) = (event(&app, EventKind::Queued, now), event(&app, EventKind::Canceled, now));
            let moved = store.reschedule(app.team, new.id, later, &moved).await;
            (moved, store.cancel(app.team, new.id, &canceled, &EmailFacts::default()).await)
        };
        assert_eq!(change().await, (Ok(false), Ok(false)), "while it is being sent");
        let settlement = Settlement {
            events: vec![event(&app, EventKind::Deferred, now)],
            pending: first.pending.clone(),
            next_attempt_at: Some(now + TimeDelta::minutes(1)),
            ..Settlement::default()
        };
        assert_eq!(store.settle(&first, &settlement).await, Ok(true));
        let email = store.find_email(app.team, new.id).await.unwrap().unwrap();
        assert_eq!((email.scheduled_at, email.next_attempt_at), (None, settlement.next_attempt_at));
        assert_eq!(change().await, (Ok(true), Ok(true)), "after the first attempt");
        let email = store.find_email(app.team, new.id).await.unwrap().unwrap();
        assert_eq!((email.scheduled_at, email.next_attempt_at), (Some(later), None));
        assert!(lease(&app, now + TimeDelta::hours(2), 2).await.is_empty());
        assert_eq!(store.list_wrong_rollups(app.team).await, Ok(Vec::new()));
    }

    async fn an_accepted_message_is_leased_once(app: TestApp) {
        let (store, now) = (app.store(), app.now());
        assert_eq!(store.next_outbox_run().await, Ok(None));
        let new = new_email(&app, now);
        store.insert_email(app.team, &new).await.unwrap();
        assert_eq!(store.next_outbox_run().await, Ok(Some(now)));
        assert!(lease(&app, now - TimeDelta::milliseconds(1), 1).await.is_empty());
        let leases = lease(&app, now, 1).await;
        assert_eq!((leases.len(), leases[0].email_id, leases[0].team_id), (1, new.id, app.team));
        assert_eq!(leases[0].pending, ["ada@finch.example", "bob@finch.example", "eve@finch.example"]);
        assert_eq!((leases[0].attempts, leases[0].in_doubt), (0, false));
        assert!(lease(&app, now, 2).await.is_empty());
        assert_eq!(store.next_outbox_run().await, Ok(Some(now + TimeDelta::minutes(1))));
    }

    async fn a_lease_that_ends_is_given_to_another_worker(app: TestApp) {
        let (store, now) = (app.store(), app.now());
        store.insert_email(app.team, &new_email(&app, now)).await.unwrap();
        let first = lease(&app, now, 1).await.remove(0);
        assert_eq!(store.renew_lease(&first, now + TimeDelta::minutes(5)).await, Ok(true));
        assert!(lease(&app, now + TimeDelta::minutes(2), 2).await.is_empty());
        assert_eq!(store.mark_in_doubt(&first).await, Ok(true));
        let second = lease(&app, now + TimeDelta::minutes(5), 2).await.remove(0);
        assert_eq!((first.was_cut_off, second.was_cut_off, second.in_doubt), (false, true, true));
        assert_eq!(store.give_back(&second, now).await, Ok(false), "its outcome is in doubt");
        // The first worker wakes up: nothing of what it says counts.
        assert_eq!(store.renew_lease(&first, now + TimeDelta::minutes(9)).await, Ok(false));
        assert_eq!(store.mark_in_doubt(&first).await, Ok(false));
        let settlement = Settlement { events: vec![event(&app, EventKind::Sent, now)], ..Settlement::default() };
        assert_eq!(store.settle(&first, &settlement).await, Ok(false));
        assert_eq!(store.find_email(app.team, first.email_id).await.unwrap().unwrap().status, EmailStatus::Queued);
        assert_eq!(store.settle(&second, &settlement).await, Ok(true));
        assert_eq!(store.find_email(app.team, first.email_id).await.unwrap().unwrap().status, EmailStatus::Sent);
        assert_eq!(store.next_outbox_run().await, Ok(None));
        assert_eq!(store.list_wrong_rollups(app.team).await, Ok(Vec::new()));
    }

    async fn a_row_that_is_given_back_counts_nothing(app: TestApp) {
        let (store, now) = (app.store(), app.now());
        store.insert_email(app.team, &new_email(&app, now)).await.unwrap();
        let first = lease(&app, now, 1).await.remove(0);
        let other = Lease { lease_id: Arc::new(AtomicI64::new(2)), ..first.clone() };
        let later = now + TimeDelta::seconds(3);
        assert_eq!(store.give_back(&other, later).await, Ok(false));
        assert_eq!(store.give_back(&first, later).await, Ok(true));
        assert!(lease(&app, now, 3).await.is_empty());
        let again = lease(&app, later, 3).await.remove(0);
        assert_eq!((again.attempts, again.was_cut_off, again.email_id), (0, false, first.email_id));
    }

    async fn queues_are_each_adapter_of_each_team(app: TestApp) {
        let (store, now) = (app.store(), app.now());
        assert_eq!(store.list_queues().await, Ok(Vec::new()));
        let at = |minutes| now - TimeDelta::minutes(minutes);
        let (one, two) = (app.id_at(now), app.id_at(now));
        for (team, adapter_id, minutes) in
            [(app.team, one, 1), (app.team, one, 3), (app.team, one, 2), (app.team, two, 5), (app.other_team, one, 4)]
        {
            let new = NewEmail { adapter_id: Some(adapter_id), ..new_email(&app, at(minutes)) };
            store.insert_email(team, &new).await.unwrap();
        }
        let waits = NewEmail { adapter_id: None, channel: Channel::Sms, ..new_email(&app, now) };
        store.insert_email(app.team, &waits).await.unwrap();
        let mut found: Vec<_> = store
            .list_queues()
            .await
            .unwrap()
            .iter()
            .filter(|queue| queue.adapter_id.0 > 0)
            .map(|queue| (queue.team_id, queue.adapter_id, (now - queue.due_at()).num_minutes()))
            .collect();
        found.sort();
        let mut expected = [(app.team, one, 3), (app.team, two, 5), (app.other_team, one, 4)];
        expected.sort();
        assert_eq!(found, expected);
        assert_eq!(store.list_queues().await.unwrap().len(), 4);
        let share = |team_id, adapter_id, count| Share { team_id, adapter_id, count };
        let shares = [share(app.team, one, 2), share(app.other_team, one, 5), share(app.other_team, two, 5)];
        let leased = store.lease_outbox(now, now + TimeDelta::minutes(1), 7, &shares).await.unwrap();
        let leased: Vec<_> = leased
            .iter()
            .map(|lease| (lease.team_id, lease.adapter_id, (now - lease.email_id.created_at()).num_minutes()))
            .collect();
        assert_eq!(leased, [(app.team, one, 3), (app.team, one, 2), (app.other_team, one, 4)]);
    }

    async fn what_waits_is_counted_by_adapter(app: TestApp) {
        let (store, shared) = (app.store(), app.id_at(app.now()));
        let with = |adapter_id| NewEmail { adapter_id, ..new_email(&app, app.now()) };
        for adapter in [Some(shared), Some(shared), Some(app.id_at(app.now())), None] {
            store.insert_email(app.team, &with(adapter)).await.unwrap();
        }
        store.insert_email(app.other_team, &with(Some(shared))).await.unwrap();
        let mut counted = store.count_waiting(app.team).await.unwrap();
        counted.sort_unstable_by_key(|(_, count)| -count);
        assert_eq!((counted[0], counted[1].1, counted.len()), ((shared, 2), 1, 2));
    }

    async fn what_is_left_of_a_message_is_tried_again(app: TestApp) {
        let (store, now) = (app.store(), app.now());
        let new = new_email(&app, now);
        store.insert_email(app.team, &new).await.unwrap();
        let first = lease(&app, now, 1).await.remove(0);
        store.mark_in_doubt(&first).await.unwrap();
        let next = now + TimeDelta::minutes(6);
        let settlement = Settlement {
            events: vec![event(&app, EventKind::Deferred, now)],
            facts: EmailFacts { error_message: Some("451 later".to_owned()), provider_message_id: None },
            pending: vec!["bob@finch.example".to_owned()],
            next_attempt_at: Some(next),
            ..Settlement::default()
        };
        assert_eq!(store.settle(&first, &settlement).await, Ok(true));
        let email = store.find_email(app.team, new.id).await.unwrap().unwrap();
        assert_eq!((email.status, email.error_message.as_deref()), (EmailStatus::Queued, Some("451 later")));
        assert_eq!(email.next_attempt_at, Some(next));
        let second = lease(&app, next, 2).await.remove(0);
        assert_eq!((second.pending.len(), second.attempts, second.in_doubt), (1, 1, false));
        assert!(!second.was_cut_off);
        assert_eq!(store.find_email(app.team, new.id).await.unwrap().unwrap().next_attempt_at, None);
    }

    async fn rows_are_leased_by_when_they_are_due_and_no_more_than_asked_for(app: TestApp) {
        let (store, now) = (app.store(), app.now());
        let times = [3, 1, 2].map(|minutes| now - TimeDelta::minutes(minutes));
        for time in times {
            store.insert_email(app.team, &new_email(&app, time)).await.unwrap();
        }
        store.insert_email(app.other_team, &new_email(&app, now - TimeDelta::minutes(4))).await.unwrap();
        let mut leased = Vec::new();
        for lease_id in 1..=4 {
            let leases = store.lease_due(now, now + TimeDelta::minutes(1), lease_id, 1).await.unwrap();
            leased.extend(leases.into_iter().map(|lease| (now - lease.email_id.created_at()).num_minutes()));
        }
        assert_eq!(leased, [4, 3, 2, 1]);
        assert!(lease(&app, now, 5).await.is_empty());
    }

    async fn workers_at_once_lease_each_row_once(app: TestApp) {
        let (store, now) = (app.store(), app.now());
        for _ in 0..20 {
            store.insert_email(app.team, &new_email(&app, now)).await.unwrap();
        }
        let workers = (1..=4).map(|lease_id| {
            let store = store.clone();
            tokio::spawn(
                async move { store.lease_due(now, now + TimeDelta::minutes(1), lease_id, 10).await.unwrap() },
            )
        });
        let mut ids: Vec<EmailId> = Vec::new();
        for worker in workers.collect::<Vec<_>>() {
            ids.extend(worker.await.unwrap().into_iter().map(|lease| lease.email_id));
        }
        for late in lease(&app, now, 9).await {
            ids.push(late.email_id);
        }
        ids.sort();
        let count = ids.len();
        ids.dedup();
        assert_eq!((ids.len(), count), (20, 20));
    }

    async fn what_goes_out_is_what_was_accepted(app: TestApp) {
        let (store, now) = (app.store(), app.now());
        let adapter = app.add_adapter("Mail").await;
        let new = NewEmail { adapter_id: Some(adapter.id), ..new_email(&app, now) };
        store.insert_email(app.team, &new).await.unwrap();
        let outgoing = store.find_outgoing(app.team, new.id).await.unwrap().unwrap();
        assert_eq!((outgoing.recipients, outgoing.attachments), (new.recipients, new.attachments));
        assert_eq!(outgoing.mime.as_deref(), Some(MIME));
        assert_eq!(store.find_mime(app.team, new.id).await, Ok(new.mime));
        assert_eq!(store.find_mime(app.other_team, new.id).await, Ok(None));
        assert_eq!(
            (outgoing.from_address, outgoing.reply_to, outgoing.subject),
            (new.from_address, new.reply_to, new.subject)
        );
        assert_eq!((outgoing.html, outgoing.text), (new.html, new.text));
        assert_eq!(outgoing.adapter.unwrap().endpoint, adapter.endpoint);
        store.delete_adapter(app.team, adapter.id, now, &app.event()).await.unwrap();
        assert!(store.find_outgoing(app.team, new.id).await.unwrap().unwrap().adapter.is_none());
        assert!(store.find_outgoing(app.other_team, new.id).await.unwrap().is_none());
        assert!(store.find_outgoing(TeamId(7), EmailId(7)).await.unwrap().is_none());
    }
}

//! Notifications, the log by them, and messages that wait for an adapter of their channel.

use chrono::{DateTime, TimeDelta, Utc};

use super::outbox::{event, new_email};
use super::*;
use crate::domain::adapter::{Adapter, AdapterKind};
use crate::domain::channel::Channel;
use crate::domain::email::{EmailStatus, Recipient, RecipientKind};
use crate::domain::event::EventKind;
use crate::domain::filter::TimeRange;
use crate::domain::ids::{AdapterId, EmailId, NotificationId, TeamId, lowest_id_at};
use crate::domain::notification::{EntryId, Notification, NotificationChannel, NotificationFilter, NotificationState};
use crate::domain::page::PartialPage;
use crate::server::store::emails::{Acceptance, NewEmail};
use crate::server::store::events::EmailFacts;

/// A message of a channel that waits for an adapter.
fn waiting(app: &TestApp, time: DateTime<Utc>, channel: Channel, address: &str) -> NewEmail {
    let recipient = Recipient { kind: RecipientKind::To, address: address.to_owned(), name: None };
    NewEmail { channel, adapter_id: None, recipients: vec![recipient], ..new_email(app, time) }
}

/// Accepts a notification with these messages.
async fn accept(app: &TestApp, team: TeamId, kind: &str, person: &str, mut emails: Vec<NewEmail>) -> Notification {
    let id: NotificationId = match emails.first() {
        Some(email) => app.id_at(email.id.created_at()),
        None => app.id_at(app.now()),
    };
    for email in &mut emails {
        email.notification_id = Some(id);
        email.external_user_id = Some(person.to_owned());
    }
    let notification = Notification {
        id,
        kind: kind.to_owned(),
        external_user_id: Some(person.to_owned()),
        api_request_id: Some(app.id_at(app.now())),
        warnings: vec!["SMS was left out".to_owned()],
        ignored_channels: vec![NotificationChannel::Sms],
    };
    let with = Acceptance { notification: Some(notification.clone()), ..Acceptance::default() };
    assert_eq!(app.store().insert_emails(team, &emails, &with).await, Ok(None));
    notification
}

/// Everything that a filter finds, by pages of two.
async fn walk(app: &TestApp, filter: &NotificationFilter) -> Vec<EntryId> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let PartialPage { items, next } = app.store().list_entries(app.team, filter, after, 2).await.unwrap();
        assert!(next.is_none() || (items.len() == 2 && next == items.last().copied()));
        found.extend(items);
        if next.is_none() {
            return found;
        }
        after = next;
    }
}

on_both_databases! {
    async fn a_notification_reads_back_with_its_messages(app: TestApp) {
        let (store, now) = (app.store(), app.now());
        let emails = vec![new_email(&app, now), waiting(&app, now, Channel::Sms, "+15005550006")];
        let ids: Vec<i64> = emails.iter().map(|email| email.id.0).collect();
        let notification = accept(&app, app.team, "order_shipped", "ada", emails).await;
        let id = notification.id;
        assert_eq!(store.find_notification(app.team, id).await, Ok(Some(notification.clone())));
        let found = store.find_notifications(app.team, &[NotificationId(7), id]).await.unwrap();
        assert_eq!(found.into_values().collect::<Vec<_>>(), [notification]);
        assert_eq!(store.list_emails_of_notification(app.team, id).await, Ok(ids.clone()));
        let parts = store.list_emails_of_notifications(app.team, &[id]).await.unwrap();
        assert_eq!(parts.get(&id), Some(&ids));

        assert_eq!(store.find_notification(app.other_team, id).await, Ok(None));
        assert!(store.find_notifications(app.other_team, &[id]).await.unwrap().is_empty());
        assert_eq!(store.list_emails_of_notification(app.other_team, id).await, Ok(Vec::new()));
        assert!(store.list_emails_of_notifications(app.other_team, &[id]).await.unwrap().is_empty());
        let nothing = PartialPage { items: Vec::new(), next: None };
        let all = NotificationFilter::default();
        assert_eq!(store.list_entries(app.other_team, &all, None, 10).await, Ok(nothing));
    }

    async fn a_taken_id_keeps_neither_the_notification_nor_its_messages(app: TestApp) {
        let (store, taken) = (app.store(), new_email(&app, app.now()));
        store.insert_email(app.team, &taken).await.unwrap();
        let id: NotificationId = app.id_at(app.now());
        let kind = "order_shipped".to_owned();
        let notification = Notification { id, kind, external_user_id: None, api_request_id: None, warnings: Vec::new(), ignored_channels: Vec::new() };
        let with = Acceptance { notification: Some(notification), ..Acceptance::default() };
        assert!(store.insert_emails(app.team, &[new_email(&app, app.now()), taken], &with).await.is_err());
        assert_eq!(store.find_notification(app.team, id).await, Ok(None));
        assert_eq!(walk(&app, &NotificationFilter::default()).await.len(), 1);
    }

    async fn the_log_by_notifications_finds_what_each_filter_names(app: TestApp) {
        let (store, now) = (app.store(), app.now());
        let time = |minutes| now - TimeDelta::minutes(minutes);
        let template = app.add_template("welcome").await;
        let alone = NewEmail {
            template: Some((template.id, template.current.id)),
            ..new_email(&app, time(5))
        };
        let other = waiting(&app, time(4), Channel::Call, "+491701234567");
        store.insert_email(app.team, &alone).await.unwrap();
        store.insert_email(app.team, &other).await.unwrap();
        let browser = NewEmail {
            tags: vec!["one".to_owned(), NotificationChannel::WEB_PUSH_TAG.to_owned()],
            ..waiting(&app, time(3), Channel::Push, "bob")
        };
        let (mail, push) = (new_email(&app, time(3)), browser.id);
        let mail_id = mail.id;
        let shipped = accept(&app, app.team, "shipped", "Bob", vec![mail, browser]).await.id;
        let device = waiting(&app, time(2), Channel::Push, "carol");
        let device_id = device.id;
        let paid = accept(&app, app.team, "paid", "carol", vec![device]).await.id;
        let empty = accept(&app, app.team, "paid", "nobody", Vec::new()).await.id;
        accept(&app, app.other_team, "paid", "carol", vec![new_email(&app, time(1))]).await;
        for (id, kind) in [(mail_id, EventKind::Sent), (push, EventKind::Failed), (device_id, EventKind::Delivered)] {
            let news = [event(&app, kind, now)];
            store.record_events(app.team, id, &news, &EmailFacts::default()).await.unwrap();
        }

        let (shipped, paid, empty) =
            (EntryId::Notification(shipped), EntryId::Notification(paid), EntryId::Notification(empty));
        let (alone_id, alone, other) = (alone.id, EntryId::Message(alone.id), EntryId::Message(other.id));
        let any = NotificationFilter::default();
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let range = |from, to| NotificationFilter { range: TimeRange { from, to }, ..any.clone() };
        let kinds = |names: &[&str]| NotificationFilter { kinds: texts(names), ..any.clone() };
        let users = |names: &[&str]| NotificationFilter { users: texts(names), ..any.clone() };
        let channels = |channels: &[NotificationChannel]| NotificationFilter { channels: channels.to_vec(), ..any.clone() };
        let states = |states: &[NotificationState]| NotificationFilter { states: states.to_vec(), ..any.clone() };
        let entries = |ids: &[EntryId]| NotificationFilter { entries: Some(ids.to_vec()), ..any.clone() };
        let as_uuid = |id: EmailId| id.to_uuid().parse::<EntryId>().unwrap();
        let cases: [(&str, NotificationFilter, &[EntryId]); 23] = [
            ("all", any.clone(), &[empty, paid, shipped, other, alone]),
            ("from", range(Some(time(3)), None), &[empty, paid, shipped]),
            ("to", range(None, Some(time(3))), &[other, alone]),
            ("nothing", range(Some(now), Some(time(9))), &[]),
            ("kind", kinds(&["paid"]), &[empty, paid]),
            ("kinds", kinds(&["shipped", "welcome", "x"]), &[shipped, alone]),
            ("user", users(&["Bob"]), &[shipped]),
            ("number", users(&["+491701234567"]), &[other]),
            ("address", users(&["ADA@finch.example"]), &[shipped, alone]),
            ("nobody", users(&["%"]), &[]),
            ("email", channels(&[NotificationChannel::Email]), &[shipped, alone]),
            ("browser", channels(&[NotificationChannel::WebPush]), &[shipped]),
            ("device", channels(&[NotificationChannel::Push]), &[paid]),
            ("left out", channels(&[NotificationChannel::Sms, NotificationChannel::Call]), &[empty, paid, shipped, other]),
            ("two channels", channels(&[NotificationChannel::Push, NotificationChannel::Call]), &[paid, other]),
            ("failure", states(&[NotificationState::Failure]), &[empty, shipped]),
            ("success", states(&[NotificationState::Success]), &[paid]),
            ("received", states(&[NotificationState::Received]), &[other, alone]),
            ("states", states(&[NotificationState::Success, NotificationState::Failure]), &[empty, paid, shipped]),
            ("entries", entries(&[paid, alone]), &[paid, alone]),
            ("no entries", entries(&[]), &[]),
            ("part", entries(&[as_uuid(mail_id), as_uuid(alone_id)]), &[shipped, alone]),
            ("both", NotificationFilter { kinds: texts(&["paid"]), users: texts(&["carol"]), ..any.clone() }, &[paid]),
        ];
        for (name, filter, expected) in cases {
            assert_eq!(walk(&app, &filter).await, expected, "{name}");
        }
    }

    async fn an_entry_with_the_number_of_another_is_not_lost_between_pages(app: TestApp) {
        let number = app.id_at::<EmailId>(app.now());
        let alone = NewEmail { id: number, ..new_email(&app, app.now()) };
        app.store().insert_email(app.team, &alone).await.unwrap();
        let id = NotificationId(number.0);
        let kind = "twin".to_owned();
        let twin = Notification { id, kind, external_user_id: None, api_request_id: None, warnings: Vec::new(), ignored_channels: Vec::new() };
        let with = Acceptance { notification: Some(twin), ..Acceptance::default() };
        app.store().insert_emails(app.team, &[], &with).await.unwrap();
        let all = NotificationFilter::default();
        let first = app.store().list_entries(app.team, &all, None, 1).await.unwrap();
        assert_eq!((first.items.as_slice(), first.next), (&[EntryId::Notification(id)][..], Some(EntryId::Notification(id))));
        let second = app.store().list_entries(app.team, &all, first.items.last().copied(), 1).await.unwrap();
        assert_eq!((second.items.as_slice(), second.next), (&[EntryId::Message(number)][..], None));
    }

    async fn a_filter_that_finds_little_looks_at_so_many_and_goes_on_behind_them(app: TestApp) {
        // The oldest message failed; every newer one, more than are looked at, is delivered.
        let (team, newest) = (app.team.0, lowest_id_at(app.now()));
        let many = format!(
            "INSERT INTO emails (team_id, id, recipients, from_address, subject, tags, status, status_rank,
                 has_pdf_attachment, job_id)
             WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 30010)
             SELECT {team}, {newest} - CAST(n AS BIGINT) * 1048576, '[]', 'a@b.example', 'Hi', '[]',
                 CASE n WHEN 30010 THEN {} ELSE {} END, 0, FALSE, 1 FROM numbers",
            EmailStatus::Failed.code(),
            EmailStatus::Delivered.code()
        );
        app.store().try_statement(&many).await.unwrap();
        let place = |number: i64| EntryId::Message(EmailId(newest - number * 1_048_576));
        let list = async |filter: &NotificationFilter, after| app.store().list_entries(app.team, filter, after, 10).await.unwrap();
        let any = NotificationFilter::default();
        let failed = NotificationFilter { states: vec![NotificationState::Failure], ..any.clone() };
        let by_text = NotificationFilter { channels: vec![NotificationChannel::Sms], ..any.clone() };
        for filter in [&failed, &by_text] {
            let looked_at = PartialPage { items: Vec::new(), next: Some(place(29_999)) };
            assert_eq!(list(filter, None).await, looked_at, "{filter:?}");
        }
        assert_eq!(list(&failed, Some(place(29_999))).await, PartialPage { items: vec![place(30_010)], next: None });
        assert_eq!(list(&by_text, Some(place(29_999))).await, PartialPage { items: Vec::new(), next: None });
        // What is named is found at once, and what has no template and no notification is nowhere.
        let named = NotificationFilter { entries: Some(vec![place(30_010)]), ..failed.clone() };
        assert_eq!(list(&named, None).await, PartialPage { items: vec![place(30_010)], next: None });
        let unknown = NotificationFilter { kinds: vec!["nothing".to_owned()], ..any.clone() };
        assert_eq!(list(&unknown, None).await, PartialPage { items: Vec::new(), next: None });
        assert_eq!(list(&any, None).await.next, Some(place(9)));
    }

    async fn only_what_has_not_gone_out_is_waiting(app: TestApp) {
        let (store, now) = (app.store(), app.now());
        let (first, second) = (new_email(&app, now), new_email(&app, now));
        let (gone, waits) = (first.id, second.id);
        accept(&app, app.team, "paid", "carol", vec![first, second]).await;
        accept(&app, app.team, "paid", "bob", vec![new_email(&app, now)]).await;
        accept(&app, app.other_team, "paid", "carol", vec![new_email(&app, now)]).await;
        let list = async || store.list_waiting_emails(app.team, "paid", "carol", 10).await.unwrap();
        assert_eq!(list().await, [waits.0, gone.0]);
        let canceled = event(&app, EventKind::Canceled, now);
        assert_eq!(store.cancel(app.team, gone, &canceled, &EmailFacts::default()).await, Ok(true));
        assert_eq!(list().await, [waits.0]);
        store.lease_due(now, now + TimeDelta::minutes(1), 1, 10).await.unwrap();
        assert!(list().await.is_empty());
        assert!(store.list_waiting_emails(app.team, "shipped", "carol", 10).await.unwrap().is_empty());
    }

    async fn an_adapter_gets_the_messages_that_wait_for_one_of_its_kind(app: TestApp) {
        let (store, now) = (app.store(), app.now());
        let later = now + TimeDelta::hours(1);
        let text = waiting(&app, now, Channel::Sms, "+15005550006");
        let call = NewEmail { scheduled_at: Some(later), ..waiting(&app, now, Channel::Call, "+15005550006") };
        let theirs = waiting(&app, now, Channel::Sms, "+15005550006");
        for (team, email) in [(app.team, &text), (app.team, &call), (app.other_team, &theirs)] {
            store.insert_email(team, email).await.unwrap();
            assert!(store.find_email(team, email.id).await.unwrap().unwrap().waits_for_adapter);
        }
        let lease = async |at: DateTime<Utc>| {
            let leases = store.lease_due(at, at + TimeDelta::minutes(1), 1, 10).await.unwrap();
            leases.into_iter().map(|lease| lease.email_id).collect::<Vec<_>>()
        };
        let adapter = |name: &str, kind, is_default| Adapter {
            id: app.id_at::<AdapterId>(now),
            name: name.to_owned(),
            kind,
            from_address: "Finch <a@b.example>".to_owned(),
            endpoint: "https://hooks.finch.example/".to_owned(),
            is_default,
            created_at: now,
        };
        store.insert_adapter(app.team, &adapter("Mail", AdapterKind::Smtp, true), "sealed", &app.event()).await.unwrap();
        assert_eq!(store.give_all_waiting(now).await, Ok(0));
        assert!(lease(now + TimeDelta::days(400)).await.is_empty());
        let hook = adapter("Hook", AdapterKind::Http, false);
        store.insert_adapter(app.team, &hook, "sealed", &app.event()).await.unwrap();
        assert_eq!(store.give_all_waiting(now).await, Ok(2));
        for id in [text.id, call.id] {
            let email = store.find_email(app.team, id).await.unwrap().unwrap();
            assert_eq!((email.adapter_id, email.waits_for_adapter), (Some(hook.id), false));
        }
        assert!(store.find_email(app.other_team, theirs.id).await.unwrap().unwrap().waits_for_adapter);
        assert_eq!(lease(now).await, [text.id]);
        assert!(lease(later).await.contains(&call.id));

        // Text messages and calls go by one made for them, the others do not.
        let phone = adapter("Phone", AdapterKind::Twilio, true);
        store.insert_adapter(app.team, &phone, "sealed", &app.event()).await.unwrap();
        let (spoken, shown) = (waiting(&app, now, Channel::Call, "+15005550006"), waiting(&app, now, Channel::Push, "ada"));
        for email in [&spoken, &shown] {
            store.insert_email(app.team, email).await.unwrap();
        }
        assert_eq!(store.give_all_waiting(now).await, Ok(2));
        for (email, taker) in [(spoken.id, phone.id), (shown.id, hook.id)] {
            let found = store.find_email(app.team, email).await.unwrap().unwrap();
            assert_eq!(found.adapter_id, Some(taker));
        }
        store.delete_adapter(app.team, phone.id, now, &app.event()).await.unwrap();

        // One that becomes the default gets them too.
        let second = adapter("Second", AdapterKind::Http, false);
        store.insert_adapter(app.team, &second, "sealed", &app.event()).await.unwrap();
        store.delete_adapter(app.team, hook.id, now, &app.event()).await.unwrap();
        let late = waiting(&app, now, Channel::InApp, "ada");
        store.insert_email(app.team, &late).await.unwrap();
        let changed = Adapter { is_default: true, ..second.clone() };
        assert_eq!(store.update_adapter(app.team, &second, &changed, None, &app.event()).await, Ok(true));
        assert_eq!(store.give_all_waiting(now).await, Ok(1));
        assert_eq!(store.find_email(app.team, late.id).await.unwrap().unwrap().adapter_id, Some(second.id));
    }

    async fn a_message_that_missed_its_adapter_is_given_to_it_later(app: TestApp) {
        let (store, now) = (app.store(), app.now());
        let hook = Adapter {
            id: app.id_at(now),
            name: "Hook".to_owned(),
            kind: AdapterKind::Http,
            from_address: "Finch <a@b.example>".to_owned(),
            endpoint: "https://hooks.finch.example/".to_owned(),
            is_default: true,
            created_at: now,
        };
        store.insert_adapter(app.team, &hook, "sealed", &app.event()).await.unwrap();
        // Each was accepted while the adapter was being made: its request saw none.
        let text = waiting(&app, now, Channel::Sms, "+15005550006");
        let mail = waiting(&app, now, Channel::Email, "ada@example.com");
        let theirs = waiting(&app, now, Channel::Sms, "+15005550006");
        for (team, email) in [(app.team, &text), (app.team, &mail), (app.other_team, &theirs)] {
            store.insert_email(team, email).await.unwrap();
        }
        let queues = store.list_queues().await.unwrap();
        let mut given = 0;
        for queue in &queues {
            given += store.give_waiting(queue, now).await.unwrap();
        }
        assert_eq!((queues.len(), given), (3, 1));
        let adapter_of = async |team, id| store.find_email(team, id).await.unwrap().unwrap().adapter_id;
        assert_eq!(adapter_of(app.team, text.id).await, Some(hook.id));
        assert_eq!(adapter_of(app.team, mail.id).await, None, "no adapter sends email");
        assert_eq!(adapter_of(app.other_team, theirs.id).await, None, "the adapter is another team's");
        let due = store.lease_due(now, now + TimeDelta::minutes(1), 1, 10).await.unwrap();
        assert_eq!(due.iter().map(|lease| lease.email_id).collect::<Vec<_>>(), [text.id]);
    }
}

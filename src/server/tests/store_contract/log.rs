//! Messages, their events and counts, and pages of the log; the last against a plain list in memory.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::outbox::{event, new_email};
use super::*;
use crate::domain::channel::Channel;
use crate::domain::email::{Email, EmailStatus};
use crate::domain::error::AppError;
use crate::domain::event::{EventKind, EventSet, fold_status};
use crate::domain::filter::{EmailFilter, RollupScope, StatusSet, TimeRange};
use crate::domain::ids::{EmailId, TemplateId};
use crate::domain::notification::{Notification, NotificationChannel};
use crate::domain::page::{PageRequest, Total};
use crate::domain::stats::StatusCounts;
use crate::domain::words::words_of;
use crate::server::store::events::{EmailFacts, NewEvent};

/// A message of the list in memory.
struct Known {
    id: EmailId,
    message: Message,
}

impl Known {
    fn matches(&self, filter: &EmailFilter) -> bool {
        let Message { status, to, subject, template, .. } = &self.message;
        let created_at = self.id.created_at();
        let found = |search: &String| {
            let text = plain(&format!("{}\n{subject}", to.join("\n")));
            words_of(search).iter().all(|word| text.contains(&plain(word)))
        };
        filter.range.from.is_none_or(|from| created_at >= from)
            && filter.range.to.is_none_or(|to| created_at < to)
            && filter.statuses.or_all().contains(*status)
            && filter.template_id.is_none_or(|id| template.map(|(template, _)| template) == Some(id))
            && filter.search.as_ref().is_none_or(found)
    }
}

/// A text of this log as search compares it.
fn plain(text: &str) -> String {
    [("ü", "u"), ("ï", "i"), ("ö", "o"), ("ß", "ss")]
        .iter()
        .fold(text.to_lowercase(), |text, (letter, plain)| text.replace(letter, plain))
}

/// A log of 1,500 messages over three days, with quiet and busy hours; half of them made from one of two templates.
async fn random_log(app: &TestApp, random: &mut ChaCha8Rng) -> Vec<Known> {
    let mut templates = Vec::new();
    for name in ["Receipt", "Invoice"] {
        let template = app.add_template(name).await;
        templates.push((template.id, template.current.id));
    }
    let subjects =
        ["Your receipt 100 %", "Welcome_home", "Grüße aus MÜNCHEN", "He said \"hi\"", "Ünïcode ß", "a\\b 'c'"];
    let names = ["ada", "Bob", "carol.O'Neil", "dora+list", "jörg"];
    let mut messages: Vec<Message> = (0..1500)
        .map(|_| Message {
            at: at("2024-01-10T00:00:00Z") + TimeDelta::milliseconds(random.random_range(0..259_200_000_i64)),
            status: *EmailStatus::ALL.choose(random).unwrap(),
            to: vec![format!("{}@finch{}.example", names.choose(random).unwrap(), random.random_range(0..30))],
            subject: (*subjects.choose(random).unwrap()).to_owned(),
            attachments: Vec::new(),
            key: None,
            template: random.random_bool(0.5).then(|| *templates.choose(random).unwrap()),
        })
        .collect();
    // Ends of hours and several messages in a millisecond are where counting goes wrong.
    for message in messages.iter_mut().take(200) {
        message.at = at("2024-01-11T10:00:00Z") + TimeDelta::milliseconds(random.random_range(-1..=1));
    }
    messages.sort_by_key(|message| message.at);
    let ids = app.add_messages(&messages).await;
    let mut log: Vec<Known> = ids.into_iter().zip(messages).map(|(id, message)| Known { id, message }).collect();
    log.sort_by_key(|known| std::cmp::Reverse(known.id));
    log
}

fn random_range(random: &mut ChaCha8Rng) -> TimeRange {
    let mut instant = || {
        let base = at("2024-01-09T12:00:00Z") + TimeDelta::minutes(random.random_range(0..5760));
        match random.random_range(0..4) {
            0 => Some(base),
            1 => Some(base + TimeDelta::microseconds(random.random_range(0..3_600_000_000_i64))),
            2 => Some(at("2024-01-11T10:00:00Z") + TimeDelta::milliseconds(random.random_range(-2..=2))),
            _ => None,
        }
    };
    TimeRange { from: instant(), to: instant() }
}

fn count(log: &[Known], filter: &EmailFilter) -> StatusCounts {
    let mut counts = StatusCounts::default();
    log.iter().filter(|known| known.matches(filter)).for_each(|known| counts.add(known.message.status, 1));
    counts
}

async fn walk(app: &TestApp, filter: &EmailFilter, page_size: i64) -> (Vec<EmailId>, Total) {
    let (mut found, mut page) = (Vec::new(), 1);
    loop {
        let listed = app.store().list_emails(app.team, filter, PageRequest { page, page_size }).await.unwrap();
        if listed.items.is_empty() {
            return (found, listed.total);
        }
        found.extend(listed.items.iter().map(|email| email.id));
        page += 1;
    }
}

on_both_databases! {
    async fn a_message_reads_back_as_it_was_accepted(app: TestApp) {
        let (store, now) = (app.store(), app.now());
        let new = new_email(&app, now);
        store.insert_email(app.team, &new).await.unwrap();
        let email = store.find_email(app.team, new.id).await.unwrap().unwrap();
        let expected = Email {
            id: new.id,
            team_id: app.team,
            template_id: None,
            template_name: None,
            template_version_id: None,
            template_version: None,
            template_deleted: false,
            marked_variables: Vec::new(),
            channel: Channel::Email,
            notification_id: None,
            external_user_id: None,
            adapter_id: new.adapter_id,
            adapter_name: None,
            api_key_id: new.api_key_id,
            api_key_name: None,
            api_request_id: new.api_request_id,
            recipients: new.recipients.clone(),
            from_address: new.from_address.clone(),
            reply_to: new.reply_to.clone(),
            subject: new.subject.clone(),
            tags: new.tags.clone(),
            status: EmailStatus::Queued,
            provider_message_id: None,
            error_message: None,
            has_pdf_attachment: true,
            job_id: new.job_id,
            resend_of: None,
            resent_as: Vec::new(),
            sent_at: None,
            delivered_at: None,
            next_attempt_at: Some(now),
            scheduled_at: None,
            event_set: EventSet::of_kinds(&[EventKind::Requested, EventKind::Queued]),
            waits_for_adapter: false,
        };
        assert_eq!(email, expected);
        let content = store.find_email_content(app.team, new.id).await.unwrap().unwrap();
        assert_eq!((&content.variables, &content.metadata), (&new.variables, &new.metadata));
        assert_eq!((content.html, content.text), (new.html.clone(), new.text.clone()));
        let attachments: Vec<_> =
            content.attachments.iter().map(|file| (file.filename.as_str(), file.size_bytes)).collect();
        assert_eq!(attachments, [("b.pdf", 3), ("a.txt", 0)]);
        assert_eq!(store.list_attachments(app.team, new.id).await, Ok(new.attachments.clone()));
        let events = store.list_events(app.team, new.id).await.unwrap();
        assert_eq!(events, new.events.iter().map(|new| new.event.clone()).collect::<Vec<_>>());

        assert_eq!(store.find_email(app.other_team, new.id).await, Ok(None));
        assert_eq!(store.find_email_content(app.other_team, new.id).await, Ok(None));
        assert!(store.list_attachments(app.other_team, new.id).await.unwrap().is_empty());
        assert!(store.list_events(app.other_team, new.id).await.unwrap().is_empty());
    }

    async fn an_id_that_is_taken_keeps_nothing_of_the_second_message(app: TestApp) {
        let (store, new) = (app.store(), new_email(&app, app.now()));
        store.insert_email(app.team, &new).await.unwrap();
        assert!(store.insert_email(app.team, &new).await.is_err());
        assert_eq!(store.list_wrong_rollups(app.team).await, Ok(Vec::new()));
        assert_eq!(store.list_events(app.team, new.id).await.unwrap().len(), 2);
    }

    async fn an_event_of_a_provider_counts_once(app: TestApp) {
        let (store, new) = (app.store(), new_email(&app, app.now()));
        store.insert_email(app.team, &new).await.unwrap();
        let later = app.now() + TimeDelta::seconds(5);
        let from_provider =
            |kind, id: &str| NewEvent { provider_event_id: Some(id.to_owned()), ..event(&app, kind, later) };
        let facts =
            EmailFacts { error_message: Some("550 no".to_owned()), provider_message_id: Some("msg_1".to_owned()) };
        for _ in 0..2 {
            let events = [from_provider(EventKind::Sent, "a"), from_provider(EventKind::Bounced, "b")];
            store.record_events(app.team, new.id, &events, &facts).await.unwrap();
        }
        // The same id for another kind: it was seen before, and is dropped.
        store
            .record_events(app.team, new.id, &[from_provider(EventKind::ReportedAsSpam, "a")], &EmailFacts::default())
            .await
            .unwrap();
        assert_eq!(store.list_events(app.team, new.id).await.unwrap().len(), 4);
        let email = store.find_email(app.team, new.id).await.unwrap().unwrap();
        assert_eq!((email.status, email.sent_at), (EmailStatus::Bounced, Some(later)));
        assert_eq!(
            (email.error_message.as_deref(), email.provider_message_id.as_deref()),
            (Some("550 no"), Some("msg_1"))
        );
        for (team, id) in [(app.other_team, new.id), (app.team, EmailId(7))] {
            let unknown = store.record_events(team, id, &[event(&app, EventKind::Sent, later)], &facts).await;
            assert_eq!(unknown, Err(AppError::not_found("Email log")));
        }
        assert_eq!(store.list_wrong_rollups(app.team).await, Ok(Vec::new()));
    }

    async fn rollups_equal_a_recount_whatever_the_order_of_events(app: TestApp) {
        let store = app.store();
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let template = app.add_template("Receipt").await;
        let made_from = Some((template.id, template.current.id));
        let mut statuses: BTreeMap<EmailId, EmailStatus> = BTreeMap::new();
        for _ in 0..25 {
            let time = at("2024-01-11T09:30:00Z") + TimeDelta::minutes(random.random_range(0..120));
            let mut new = new_email(&app, time);
            new.template = made_from.filter(|_| random.random_bool(0.5));
            store.insert_email(app.team, &new).await.unwrap();
            let mut kinds: Vec<EventKind> = EventKind::ALL.choose_multiple(&mut random, 4).copied().collect();
            kinds.shuffle(&mut random);
            for pair in kinds.chunks(2) {
                let events: Vec<NewEvent> = pair.iter().map(|kind| event(&app, *kind, time)).collect();
                store.record_events(app.team, new.id, &events, &EmailFacts::default()).await.unwrap();
            }
            statuses.insert(new.id, fold_status(kinds));
        }
        for (id, status) in &statuses {
            assert_eq!(store.find_email(app.team, *id).await.unwrap().unwrap().status, *status);
        }
        let mut expected = StatusCounts::default();
        statuses.values().for_each(|status| expected.add(*status, 1));
        assert_eq!(store.count_by_status(app.team, None, TimeRange::default()).await, Ok(expected));
        assert_eq!(store.list_wrong_rollups(app.team).await, Ok(Vec::new()));
    }

    async fn messages_in_bulk_are_as_if_accepted_one_by_one(app: TestApp) {
        let store = app.store();
        let messages = EmailStatus::ALL.map(Message::with_status);
        let historic: Vec<_> = messages.iter().map(|message| message.historic(&app)).collect();
        store.insert_history(app.team, &historic).await.unwrap();
        assert_eq!(store.list_wrong_rollups(app.team).await, Ok(Vec::new()));
        for (historic, message) in historic.iter().zip(&messages) {
            let id = historic.email.id;
            let email = store.find_email(app.team, id).await.unwrap().unwrap();
            assert_eq!((email.status, email.subject.as_str()), (message.status, message.subject.as_str()));
            assert_eq!(store.list_events(app.team, id).await.unwrap().len(), events_of(message.status).len());
            // A weaker event that comes late changes nothing, as after accepting.
            store
                .record_events(app.team, id, &[event(&app, EventKind::Queued, message.at)], &EmailFacts::default())
                .await
                .unwrap();
            assert_eq!(store.find_email(app.team, id).await.unwrap().unwrap().status, message.status);
        }
        assert_eq!(store.next_outbox_run().await, Ok(None));
    }

    async fn past_notifications_are_found_in_their_team_alone(app: TestApp) {
        let store = app.store();
        let new = |kind: &str| Notification {
            id: app.id_at(app.now()),
            kind: kind.to_owned(),
            external_user_id: Some("customer-7".to_owned()),
            api_request_id: None,
            warnings: vec!["SMS was left out".to_owned()],
            ignored_channels: vec![NotificationChannel::Sms],
        };
        let notifications = [new("order_shipped"), new("login_code")];
        store.insert_past_notifications(app.team, &notifications).await.unwrap();
        for notification in &notifications {
            let found = store.find_notification(app.team, notification.id).await.unwrap();
            assert_eq!(found.as_ref(), Some(notification));
            assert_eq!(store.find_notification(app.other_team, notification.id).await.unwrap(), None);
        }
        store.insert_past_notifications(app.team, &[]).await.unwrap();

        let request = app.add_api_request().await;
        let mut parts: Vec<_> = [Channel::Email, Channel::Sms]
            .map(|channel| {
                let mut part = Message::default().historic(&app);
                part.email.channel = channel;
                part.email.notification_id = Some(notifications[0].id);
                part.email.api_request_id = Some(request);
                part
            })
            .into_iter()
            .collect();
        parts.push(Message::default().historic(&app));
        store.insert_history(app.team, &parts).await.unwrap();
        let expected: Vec<_> = parts[..2].iter().map(|part| part.email.id).collect();
        let ids = store.list_emails_of_notification(app.team, notifications[0].id).await.unwrap();
        assert_eq!(ids.iter().copied().map(EmailId).collect::<Vec<_>>(), expected);
        let channels = store.find_emails(app.team, &ids).await.unwrap();
        assert_eq!(channels.iter().map(|email| email.channel).collect::<Vec<_>>(), [Channel::Email, Channel::Sms]);
        let made = store.list_emails_of_request(app.team, request).await.unwrap();
        assert_eq!(made.iter().map(|email| email.id).collect::<Vec<_>>(), expected);
        assert_eq!(store.list_emails_of_notification(app.other_team, notifications[0].id).await.unwrap(), Vec::<i64>::new());
    }

    async fn counts_equal_a_recount_for_every_range(app: TestApp) {
        let mut random = ChaCha8Rng::seed_from_u64(11);
        let log = random_log(&app, &mut random).await;
        assert_eq!(app.store().list_wrong_rollups(app.team).await, Ok(Vec::new()));
        let template = log.iter().find_map(|known| known.message.template).unwrap().0;
        for round in 0..60 {
            let range = random_range(&mut random);
            let template_id = [None, Some(template), Some(TemplateId(0))][round % 3];
            let filter = EmailFilter { range, template_id, ..EmailFilter::default() };
            let expected = count(&log, &filter);
            assert_eq!(app.store().count_by_status(app.team, template_id, range).await, Ok(expected), "{range:?}");
            let hours = app.store().list_hour_counts(app.team, template_id, range).await.unwrap();
            let mut sum = StatusCounts::default();
            hours.iter().for_each(|(_, counts)| sum += *counts);
            assert_eq!(sum, expected, "{range:?}");
            assert!(hours.is_sorted_by(|one, other| one.0 < other.0), "{range:?}");
            for (hour, counts) in hours {
                let whole = TimeRange::new(hour, hour + TimeDelta::hours(1));
                let of_hour = log.iter().filter(|known| {
                    known.matches(&filter) && known.matches(&EmailFilter { range: whole, ..EmailFilter::default() })
                });
                assert_eq!(counts.in_set(StatusSet::default()), of_hour.count() as i64, "{range:?} {hour}");
            }
        }
        for template_id in [None, Some(template), Some(TemplateId(0))] {
            let ranges: Vec<TimeRange> = (0..70).map(|_| random_range(&mut random)).collect();
            let filter_in = |range| EmailFilter { range, template_id, ..EmailFilter::default() };
            let expected: Vec<StatusCounts> = ranges.iter().map(|range| count(&log, &filter_in(*range))).collect();
            let counted = app.store().count_in_ranges(app.team, RollupScope::from(template_id), &ranges).await;
            assert_eq!(counted, Ok(expected));
            let elsewhere = app.store().count_in_ranges(app.other_team, RollupScope::All, &ranges).await.unwrap();
            assert!(elsewhere.iter().all(|counts| *counts == StatusCounts::default()));
            for range in ranges {
                let (statuses, counted_from) = app.store().list_statuses(app.team, &filter_in(range)).await.unwrap();
                let mut sum = StatusCounts::default();
                statuses.iter().for_each(|(_, status)| sum.add(*status, 1));
                assert_eq!((sum, counted_from), (count(&log, &filter_in(range)), None), "{range:?}");
                assert!(statuses.is_sorted_by(|one, other| one.0 > other.0), "{range:?}");
                let ids: Vec<EmailId> = statuses.into_iter().map(|(id, _)| id).collect();
                for known in log.iter().step_by(17) {
                    let newer = ids.iter().rev().find(|id| **id > known.id).copied();
                    let older = ids.iter().find(|id| **id < known.id).copied();
                    let found = app.store().find_neighbours(app.team, &filter_in(range), known.id).await;
                    assert_eq!(found, Ok((newer, older)), "{range:?}");
                }
            }
        }
        let everywhere = TimeRange::default();
        assert_eq!(app.store().count_by_status(app.other_team, None, everywhere).await, Ok(StatusCounts::default()));
    }

    async fn pages_hold_every_match_once_and_in_order(app: TestApp) {
        let mut random = ChaCha8Rng::seed_from_u64(13);
        let log = random_log(&app, &mut random).await;
        app.add_messages_of(app.other_team, &vec![Message::default(); 50]).await;
        let template_id = log.iter().find_map(|known| known.message.template).map(|template| template.0);
        let range =
            TimeRange { from: Some(at("2024-01-10T05:17:23.456Z")), to: Some(at("2024-01-12T21:48:09.123456Z")) };
        let within_an_hour = TimeRange::new(at("2024-01-11T09:59:59.999Z"), at("2024-01-11T10:00:00.001Z"));
        let (bounced, arrived) = (StatusSet::one(EmailStatus::Bounced), StatusSet::ARRIVED);
        let all = EmailFilter::default();
        let filters = [
            all.clone(),
            EmailFilter { range, ..all.clone() },
            EmailFilter { range: TimeRange { from: range.from, to: None }, ..all.clone() },
            EmailFilter { range: TimeRange { from: None, to: range.to }, ..all.clone() },
            EmailFilter { range: within_an_hour, ..all.clone() },
            EmailFilter { range: TimeRange { from: range.to, to: range.from }, ..all.clone() },
            EmailFilter { statuses: bounced, ..all.clone() },
            EmailFilter { statuses: arrived, ..all.clone() },
            EmailFilter { statuses: arrived, range, ..all.clone() },
            EmailFilter { template_id, ..all.clone() },
            EmailFilter { template_id, range, ..all.clone() },
            EmailFilter { template_id, statuses: bounced, ..all.clone() },
            EmailFilter { template_id, statuses: arrived, range, ..all.clone() },
            EmailFilter { template_id: Some(TemplateId(0)), ..all.clone() },
            EmailFilter { search: Some("finch1".to_owned()), ..all.clone() },
            EmailFilter { search: Some("finch1".to_owned()), statuses: arrived, template_id, range, ..all.clone() },
            EmailFilter { search: Some("ad".to_owned()), ..all.clone() },
            EmailFilter { search: Some("ad".to_owned()), statuses: arrived, template_id, range, ..all.clone() },
        ];
        for filter in filters {
            let expected: Vec<EmailId> =
                log.iter().filter(|known| known.matches(&filter)).map(|known| known.id).collect();
            let (found, total) = walk(&app, &filter, 71).await;
            assert!(found == expected, "{} of {} rows: {filter:?}", found.len(), expected.len());
            assert_eq!(total, Total::Exact(expected.len() as i64), "{filter:?}");
        }
    }

    async fn any_page_of_any_filter_is_the_right_one(app: TestApp) {
        let mut random = ChaCha8Rng::seed_from_u64(17);
        let log = random_log(&app, &mut random).await;
        let template = log.iter().find_map(|known| known.message.template).unwrap().0;
        for _ in 0..80 {
            let filter = EmailFilter {
                range: random_range(&mut random),
                statuses: EmailStatus::ALL.into_iter().filter(|_| random.random_bool(0.5)).collect(),
                template_id: random.random_bool(0.2).then_some(template),
                ..EmailFilter::default()
            };
            let request = PageRequest { page: random.random_range(1..60), page_size: random.random_range(1..=100) };
            let matches = log.iter().filter(|known| known.matches(&filter)).map(|known| known.id);
            let expected: Vec<EmailId> =
                matches.skip(request.offset() as usize).take(request.page_size as usize).collect();
            let listed = app.store().list_emails(app.team, &filter, request).await.unwrap();
            let found: Vec<EmailId> = listed.items.iter().map(|email| email.id).collect();
            assert_eq!(found, expected, "{filter:?} {request:?}");
        }
    }

    async fn search_finds_parts_of_addresses_and_subjects_as_they_are_written(app: TestApp) {
        let mut random = ChaCha8Rng::seed_from_u64(19);
        let log = random_log(&app, &mut random).await;
        for search in [
            "receipt",
            "RECEIPT",
            "100 %",
            "%",
            "0 %",
            "_",
            "e_h",
            "Welcome_home",
            "grüße",
            "GRÜSSE",
            "münchen",
            "MÜNCHEN",
            "ünï",
            "ÜNÏCODE",
            "ß",
            "e ß",
            "\"hi\"",
            "\"aus münchen\" grusse finch1",
            "ada receipt",
            "receipt a@",
            "0 % ad",
            "strasse",
            "\"",
            "said \"",
            "a\\b",
            "\\",
            "'c'",
            "o'neil",
            "O'N",
            "+list",
            "jörg",
            "JÖRG@",
            "@finch2",
            "example",
            "nothing like it",
            "NEAR",
            "receipt AND welcome",
            "*",
            "rec*",
            "  ",
        ] {
            let filter = EmailFilter { search: Some(search.to_owned()), ..EmailFilter::default() };
            let expected: Vec<EmailId> =
                log.iter().filter(|known| known.matches(&filter)).map(|known| known.id).collect();
            let (found, total) = walk(&app, &filter, 100).await;
            assert!(found == expected, "“{search}”: {} of {} rows", found.len(), expected.len());
            assert_eq!(total, Total::Exact(expected.len() as i64), "“{search}”");
        }
    }

    async fn everybody_is_searched_but_the_sender_and_bodies_are_not(app: TestApp) {
        let (store, new) = (app.store(), new_email(&app, app.now()));
        store.insert_email(app.team, &new).await.unwrap();
        for (search, count) in
            [("ada@finch", 1), ("grüße", 1), ("bob@finch", 1), ("eve@finch", 1), ("ada u", 1), ("a@b.example", 0), ("help@b", 0), ("\"by hand\"", 0), ("<p>", 0)]
        {
            let filter = EmailFilter { search: Some(search.to_owned()), ..EmailFilter::default() };
            assert_eq!(walk(&app, &filter, 10).await, (vec![new.id; count], Total::Exact(count as i64)), "{search}");
        }
    }

    async fn a_team_has_reports_once_one_of_its_messages_got_one(app: TestApp) {
        let store = app.store();
        let known = [EmailStatus::Queued, EmailStatus::Sent, EmailStatus::Bounced, EmailStatus::Failed];
        for status in known {
            app.add_message(Message::with_status(status)).await;
        }
        app.add_messages_of(app.other_team, &[Message::with_status(EmailStatus::Delivered)]).await;
        assert!(!store.has_reports(app.team).await.unwrap());
        assert!(store.has_reports(app.other_team).await.unwrap());
        let reported = app.add_messages(&EmailStatus::REPORTED.map(Message::with_status)).await;
        assert!(store.has_reports(app.team).await.unwrap());
        assert_eq!(known.len() + reported.len(), EmailStatus::ALL.len(), "every status is one or the other");
    }

    async fn a_row_shows_its_template_and_when_it_was_sent(app: TestApp) {
        let template = app.add_template("Receipt").await;
        let made_from = Some((template.id, template.current.id));
        let id = app.add_message(Message { template: made_from, ..Message::default() }).await;
        let request = PageRequest { page: 1, page_size: 1 };
        let row = app.store().list_emails(app.team, &EmailFilter::default(), request).await.unwrap().items.remove(0);
        assert_eq!((row.id, row.template_id, row.template_name.as_deref()), (id, Some(template.id), Some("Receipt")));
        let sent_at: DateTime<Utc> = at("2024-01-20T10:30:05Z");
        assert_eq!((row.status, row.sent_at), (EmailStatus::Delivered, Some(sent_at)));
        let email = app.store().find_email(app.team, id).await.unwrap().unwrap();
        assert_eq!((email.template_name.as_deref(), email.template_version), (Some("Receipt"), Some(1)));
        app.store().delete_template(app.team, template.id, app.now(), &app.event()).await.unwrap();
        let row = app.store().list_emails(app.team, &EmailFilter::default(), request).await.unwrap().items.remove(0);
        assert_eq!((row.template_id, row.template_name), (None, None));
        assert!(app.store().find_email(app.team, id).await.unwrap().unwrap().template_deleted);
    }
}

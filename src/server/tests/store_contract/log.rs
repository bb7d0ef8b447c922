//! Messages, their events and counts.

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
use crate::domain::filter::{EmailFilter, TimeRange};
use crate::domain::ids::EmailId;
use crate::domain::notification::{Notification, NotificationChannel};
use crate::domain::page::PageRequest;
use crate::domain::stats::StatusCounts;
use crate::server::store::events::{EmailFacts, NewEvent};

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
            names_adapter: false,
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

//! Addresses that providers post to, what is counted of them, and what is posted twice.

use chrono::TimeDelta;
use tokio::task::JoinSet;

use super::*;
use crate::domain::error::AppError;
use crate::domain::event::{EmailEvent, EventDetail, EventKind};
use crate::domain::provider_webhook::{ProviderWebhook, RefusalReason, Refused, WebhookProvider};
use crate::server::store::events::NewEvent;
use crate::server::store::ingest::{Ingested, NewEntry, ReportedEvent};
use crate::server::store::provider_webhooks::{Heard, MAX_WEBHOOKS};
use crate::server::tests::on_both_databases_in_parallel;

fn webhook(app: &TestApp, name: &str) -> ProviderWebhook {
    ProviderWebhook {
        id: app.app.clock.mint(),
        provider: WebhookProvider::Mailgun,
        name: name.to_owned(),
        has_secret: false,
        created_at: app.now(),
        heard_at: None,
        recorded: 0,
        refusals: Vec::new(),
    }
}

pub(super) async fn add(app: &TestApp, name: &str) -> ProviderWebhook {
    let new = webhook(app, name);
    app.store().insert_webhook(app.team, &new, &format!("hash of {name}"), "sealed", &app.event()).await.unwrap();
    new
}

pub(super) fn heard(app: &TestApp, webhook: &ProviderWebhook, nonce: Option<&str>) -> Heard {
    let nonce = nonce.map(|nonce| (nonce.to_owned(), app.now() + TimeDelta::days(1)));
    Heard { webhook: webhook.id, at: app.now(), nonce }
}

fn delivered(app: &TestApp, id: &str) -> ReportedEvent {
    let event = EmailEvent {
        id: app.app.clock.mint(),
        kind: EventKind::Delivered,
        at: app.now(),
        recipient: Some("ada@finch.example".to_owned()),
        detail: EventDetail::default(),
    };
    ReportedEvent {
        event: NewEvent { event, provider_event_id: Some(id.to_owned()) },
        email_id: None,
        provider_message_id: Some("m-1".to_owned()),
        own_id: None,
        entry: NewEntry { channel: None, from_address: None, subject: None },
    }
}

on_both_databases! {
    async fn an_address_is_found_by_its_token_while_its_team_is_there(app: TestApp) {
        let (store, team) = (app.store(), app.team);
        let first = add(&app, "first").await;
        let second = add(&app, "second").await;
        assert_eq!(store.list_webhooks(team).await, Ok(vec![second.clone(), first.clone()]));
        assert_eq!(store.list_webhooks(app.other_team).await, Ok(Vec::new()));
        let found = store.find_webhook_by_token("hash of first").await.unwrap().unwrap();
        assert_eq!((found.team_id, found.id, found.provider, found.sealed.as_str()), (team, first.id, WebhookProvider::Mailgun, "sealed"));
        assert!(store.find_webhook_by_token("first").await.unwrap().is_none());
        assert_eq!(store.find_sealed_webhook(app.other_team, first.id).await, Ok(None));
        let changed = ProviderWebhook { name: "other".to_owned(), has_secret: true, ..first.clone() };
        assert_eq!(store.update_webhook(app.other_team, &changed, "new", &app.event()).await, Ok(false));
        assert_eq!(store.update_webhook(team, &changed, "new", &app.event()).await, Ok(true));
        assert_eq!(store.find_sealed_webhook(team, first.id).await, Ok(Some("new".to_owned())));
        assert_eq!(store.list_webhooks(team).await.unwrap()[1], changed);
        assert_eq!(store.delete_webhook(app.other_team, first.id, &app.event()).await, Ok(false));
        assert_eq!(store.delete_webhook(team, first.id, &app.event()).await, Ok(true));
        assert_eq!(store.delete_webhook(team, first.id, &app.event()).await, Ok(false));
        assert!(store.find_webhook_by_token("hash of first").await.unwrap().is_none());
        store.delete_team(team, app.now(), &app.event()).await.unwrap();
        assert!(store.find_webhook_by_token("hash of second").await.unwrap().is_none());
    }

    async fn a_team_knows_its_own_messages_by_their_ids(app: TestApp) {
        let own = app.add_message(Message::default()).await;
        let theirs = app.add_messages_of(app.other_team, &[Message::default()]).await[0];
        let none = crate::domain::ids::EmailId(7);
        assert_eq!(app.store().list_known_ids(app.team, &[none, own, theirs]).await, Ok(vec![own]));
        assert_eq!(app.store().list_known_ids(app.team, &[]).await, Ok(Vec::new()));
    }

    async fn a_team_has_no_more_addresses_than_it_may(app: TestApp) {
        for number in 0..MAX_WEBHOOKS {
            add(&app, &number.to_string()).await;
        }
        let refused = app.store().insert_webhook(app.team, &webhook(&app, "more"), "hash", "sealed", &app.event()).await;
        assert!(matches!(refused, Err(AppError::Conflict(_))), "{refused:?}");
        app.store().insert_webhook(app.other_team, &webhook(&app, "theirs"), "hash", "sealed", &app.event()).await.unwrap();
    }

    async fn what_is_refused_is_counted_by_its_reason(app: TestApp) {
        let (store, team) = (app.store(), app.team);
        let (webhook, gone) = (add(&app, "one").await, add(&app, "two").await);
        let note = |webhook: &ProviderWebhook, reason, words: &str| {
            store.note_refusal(team, webhook.id, reason, words, app.now());
        };
        note(&webhook, RefusalReason::Forged, "");
        note(&webhook, RefusalReason::Forged, "");
        store.keep_noted().await;
        app.advance(TimeDelta::minutes(1));
        note(&webhook, RefusalReason::Forged, "");
        note(&webhook, RefusalReason::Unreadable, "first");
        note(&webhook, RefusalReason::Unreadable, "last");
        note(&gone, RefusalReason::Stale, "");
        store.delete_webhook(team, gone.id, &app.event()).await.unwrap();
        store.keep_noted().await;
        let refused = |reason, times, words: &str| Refused { reason, times, last_at: app.now(), words: words.to_owned() };
        let expected = vec![refused(RefusalReason::Forged, 3, ""), refused(RefusalReason::Unreadable, 2, "last")];
        assert_eq!(store.list_webhooks(team).await.unwrap()[0].refusals, expected);
        assert_eq!(store.every_row().await["provider_webhook_refusals"].len(), 2, "nothing of one that is gone");
    }

    async fn what_is_used_once_is_remembered_for_its_time(app: TestApp) {
        let (store, team) = (app.store(), app.team);
        let (one, two) = (add(&app, "one").await, add(&app, "two").await);
        let event = [delivered(&app, "e-1")];
        let first = store.ingest_webhook(team, &event, &heard(&app, &one, Some("n"))).await.unwrap().unwrap();
        assert!(matches!(first[..], [Ingested::Recorded(_)]));
        assert_eq!(store.ingest_webhook(team, &[delivered(&app, "e-2")], &heard(&app, &one, Some("n"))).await, Ok(None));
        // Another address's provider may use the same.
        assert!(store.ingest_webhook(team, &[], &heard(&app, &two, Some("n"))).await.unwrap().is_some());
        let again = store.ingest_webhook(team, &event, &heard(&app, &one, None)).await.unwrap().unwrap();
        assert!(matches!(again[..], [Ingested::Duplicate(_)]));
        let listed = store.list_webhooks(team).await.unwrap();
        assert_eq!((listed[1].recorded, listed[1].heard_at), (1, Some(app.now())));
        assert_eq!((listed[0].recorded, listed[0].heard_at), (0, Some(app.now())));
        assert_eq!(store.delete_expired_nonces(app.now() + TimeDelta::hours(23)).await, Ok(false));
        assert_eq!(store.delete_expired_nonces(app.now() + TimeDelta::days(1)).await, Ok(true));
        assert_eq!(store.every_row().await["provider_webhook_nonces"].len(), 0);
    }
}

on_both_databases_in_parallel! {
    async fn of_posts_that_come_at_once_with_one_nonce_one_is_recorded(app: TestApp) {
        let webhook = add(&app, "one").await;
        let mut posts = JoinSet::new();
        for number in 0..16 {
            let (store, team) = (app.store().clone(), app.team);
            let (event, heard) = (delivered(&app, &format!("e-{number}")), heard(&app, &webhook, Some("n")));
            posts.spawn(async move { store.ingest_webhook(team, &[event], &heard).await.unwrap().is_some() });
        }
        let taken = posts.join_all().await.into_iter().filter(|taken| *taken).count();
        assert_eq!((taken, app.store().list_webhooks(app.team).await.unwrap()[0].recorded), (1, 1));
    }
}

//! Webhooks, and what they are told.

use chrono::TimeDelta;

use super::*;
use crate::domain::error::AppError;
use crate::domain::event::{EmailEvent, EventDetail, EventKind, NewEvent};
use crate::domain::ids::{EmailId, EventId, OutgoingWebhookId};
use crate::domain::webhook::shape::test_post;
use crate::domain::webhook::{
    DeliveryFilter, DeliveryState, DisabledReason, MAX_REPLAYED, Replay, Webhook, WebhookShape,
};
use crate::server::store::events::EmailFacts;
use crate::server::store::webhook_deliveries::TryOutcome;
use crate::server::store::webhooks::MAX_OUTGOING_WEBHOOKS;

fn webhook(app: &TestApp, name: &str) -> Webhook {
    Webhook {
        id: app.id_at(app.now()),
        name: name.to_owned(),
        host: "a.example".to_owned(),
        shape: WebhookShape::Sendlog,
        kinds: vec![EventKind::Bounced],
        is_on: true,
        created_at: app.now(),
        succeeded_at: None,
        failing_since: None,
        disabled: None,
    }
}

pub(super) async fn add(app: &TestApp, name: &str) -> Webhook {
    let webhook = webhook(app, name);
    app.store().insert_outgoing_webhook(app.team, &webhook, "sealed", &app.event()).await.unwrap();
    webhook
}

/// Has the team's webhooks be told of so many bounces of a message.
pub(super) async fn tell(app: &TestApp, bounces: usize) -> (EmailId, Vec<EventId>) {
    let email = app.add_message(Message::default()).await;
    let event = |id| EmailEvent {
        id,
        kind: EventKind::Bounced,
        at: app.now(),
        recipient: None,
        detail: EventDetail::default(),
    };
    let ids: Vec<EventId> = (0..bounces).map(|_| app.id_at(app.now())).collect();
    let events: Vec<NewEvent> = ids.iter().map(|id| NewEvent { event: event(*id), provider_event_id: None }).collect();
    app.store().record_events(app.team, email, &events, &EmailFacts::default()).await.unwrap();
    (email, ids)
}

fn failed(app: &TestApp) -> TryOutcome {
    TryOutcome {
        state: DeliveryState::Waiting,
        at: app.now(),
        next_try_at: Some(app.now() + TimeDelta::minutes(5)),
        duration_ms: 12,
        status: Some(500),
        answer: "no".to_owned(),
    }
}

async fn count(app: &TestApp, id: OutgoingWebhookId) -> usize {
    app.store().list_deliveries(app.team, id, DeliveryFilter::All, None, 10_000).await.unwrap().len()
}

on_both_databases! {
    async fn a_webhook_reads_back_changes_and_goes(app: TestApp) {
        let (store, team) = (app.store(), app.team);
        let first = add(&app, "one").await;
        assert_eq!(store.list_outgoing_webhooks(team).await, Ok(vec![first.clone()]));
        assert_eq!(store.list_outgoing_webhooks(app.other_team).await, Ok(Vec::new()));
        assert_eq!(store.list_sealed_webhooks(team).await, Ok(vec![(first.clone(), "sealed".to_owned())]));
        assert_eq!(store.list_sealed_webhooks(app.other_team).await, Ok(Vec::new()));
        assert_eq!(store.find_outgoing_webhook(team, first.id).await, Ok(Some((first.clone(), "sealed".to_owned()))));
        assert_eq!(store.find_outgoing_webhook(app.other_team, first.id).await, Ok(None));

        let changed = Webhook { name: "other".to_owned(), kinds: Vec::new(), is_on: false, ..first.clone() };
        let update = async |team, sealed| store.update_outgoing_webhook(team, &changed, sealed, &app.event()).await;
        assert_eq!(update(app.other_team, ("sealed", "new")).await, Ok(false));
        assert_eq!(update(team, ("another", "new")).await, Ok(false), "somebody else was quicker");
        assert_eq!(update(team, ("sealed", "new")).await, Ok(true));
        assert_eq!(store.find_outgoing_webhook(team, first.id).await, Ok(Some((changed.clone(), "new".to_owned()))));

        let enable = async |team| store.enable_outgoing_webhook(team, first.id, &app.event()).await;
        assert_eq!((enable(app.other_team).await, enable(team).await, enable(team).await), (Ok(false), Ok(true), Ok(false)));
        let (now, since) = (app.now(), Some(app.now() - TimeDelta::days(5)));
        let disable = async |reason, since| {
            store.disable_outgoing_webhook(team, first.id, (now, reason), since, &app.event()).await
        };
        assert_eq!(disable(DisabledReason::Failing, since).await, Ok(false), "it does not fail");
        assert_eq!(disable(DisabledReason::Gone, None).await, Ok(true));
        assert_eq!(disable(DisabledReason::Gone, None).await, Ok(false), "it is off");
        let (found, _) = store.find_outgoing_webhook(team, first.id).await.unwrap().unwrap();
        assert_eq!(found.disabled, Some((now, DisabledReason::Gone)));

        let delete = async |team| store.delete_outgoing_webhook(team, first.id, now, &app.event()).await;
        assert_eq!((delete(app.other_team).await, delete(team).await, delete(team).await), (Ok(false), Ok(true), Ok(false)));
        assert_eq!(store.list_outgoing_webhooks(team).await, Ok(Vec::new()));
        assert!(!store.every_row().await["webhooks"].join("").contains("'new'"), "its secret is gone");
        for number in 0..MAX_OUTGOING_WEBHOOKS {
            add(&app, &number.to_string()).await;
        }
        let more = webhook(&app, "more");
        let refused = store.insert_outgoing_webhook(team, &more, "sealed", &app.event()).await;
        assert!(matches!(refused, Err(AppError::Conflict(_))), "{refused:?}");
    }

    async fn a_delivery_is_leased_by_one_and_settled_by_whom_it_is_leased_to(app: TestApp) {
        let (store, team, now) = (app.store(), app.team, app.now());
        let hook = add(&app, "one").await;
        let (email, ids) = tell(&app, 3).await;
        let due = store.list_due_webhooks(now).await.unwrap();
        let sealed: Vec<_> = due.iter().map(|one| (one.team_id, one.id, one.sealed.as_str())).collect();
        assert_eq!(sealed, [(team, hook.id, "sealed")]);
        assert_eq!(store.list_due_webhooks(now - TimeDelta::seconds(1)).await.unwrap().len(), 0);
        let until = now + TimeDelta::seconds(60);
        let lease = async |at, lease_id, count| {
            store.lease_deliveries(at, until, lease_id, &[(team, hook.id, count)]).await.unwrap()
        };
        let (first, rest, none) = (lease(now, 1, 2).await, lease(now, 2, 9).await, lease(now, 3, 9).await);
        assert_eq!((first.len(), rest.len(), none.len()), (2, 1, 0));
        assert_eq!(first.iter().map(|one| one.id).collect::<Vec<_>>(), ids[..2]);
        // The lease ends, and another has it.
        let late = lease(until, 4, 1).await;
        assert_eq!(late[0].id, ids[0]);
        assert_eq!(store.settle_delivery(&first[0], &failed(&app)).await, Ok(false));
        assert_eq!(store.settle_delivery(&late[0], &failed(&app)).await, Ok(true));
        let (found, _) = store.find_outgoing_webhook(team, hook.id).await.unwrap().unwrap();
        assert_eq!((found.failing_since, found.succeeded_at), (Some(now), None));
        let (delivery, body, answer) = store.find_delivery(team, hook.id, ids[0]).await.unwrap().unwrap();
        assert_eq!((delivery.tries, delivery.has_failed, delivery.status), (1, true, Some(500)));
        assert_eq!((delivery.email_id, delivery.next_try_at), (Some(email), Some(now + TimeDelta::minutes(5))));
        assert!(body.contains("email.bounced"));
        assert_eq!(answer.as_deref(), Some("no"));
        assert_eq!(store.find_delivery(app.other_team, hook.id, ids[0]).await, Ok(None));

        let done = TryOutcome { state: DeliveryState::Delivered, next_try_at: None, status: Some(200), ..failed(&app) };
        assert_eq!(store.settle_delivery(&first[1], &done).await, Ok(true));
        let (found, _) = store.find_outgoing_webhook(team, hook.id).await.unwrap().unwrap();
        assert_eq!((found.failing_since, found.succeeded_at), (None, Some(now)));
        let list = async |team, filter| store.list_deliveries(team, hook.id, filter, None, 9).await.unwrap();
        assert_eq!(list(team, DeliveryFilter::All).await.len(), 3);
        assert_eq!(list(team, DeliveryFilter::Failed).await.iter().map(|one| one.id).collect::<Vec<_>>(), ids[..1]);
        assert_eq!(list(app.other_team, DeliveryFilter::All).await.len(), 0);
        let told = store.list_told_webhooks(team, email).await.unwrap();
        let told: Vec<_> = told.iter().map(|one| (one.webhook.as_str(), one.delivery.id)).collect();
        assert_eq!(told, ids.iter().map(|id| ("one", *id)).collect::<Vec<_>>());
        assert_eq!(store.list_told_webhooks(app.other_team, email).await, Ok(Vec::new()));
    }

    async fn a_team_or_a_webhook_that_is_off_or_gone_is_told_nothing(app: TestApp) {
        let (store, team, now) = (app.store(), app.team, app.now());
        let hook = add(&app, "one").await;
        tell(&app, 1).await;
        let due = async || store.list_due_webhooks(now).await.unwrap().len();
        assert_eq!(due().await, 1);
        store.disable_outgoing_webhook(team, hook.id, (now, DisabledReason::Gone), None, &app.event()).await.unwrap();
        assert_eq!(due().await, 0);
        tell(&app, 1).await;
        store.enable_outgoing_webhook(team, hook.id, &app.event()).await.unwrap();
        assert_eq!((due().await, count(&app, hook.id).await), (1, 1));
        let post = test_post(WebhookShape::Sendlog, EventId(7), now);
        let test = async |team| store.insert_test_delivery(team, hook.id, EventId(7), &post, &app.event()).await;
        assert_eq!((test(app.other_team).await, test(team).await), (Ok(false), Ok(true)));
        store.delete_team(team, now, &app.event()).await.unwrap();
        assert_eq!(due().await, 0);
    }

    async fn replays_are_bounded_and_of_one_webhook(app: TestApp) {
        let (store, team, now) = (app.store(), app.team, app.now());
        let (hook, other) = (add(&app, "one").await, add(&app, "two").await);
        let (_, ids) = tell(&app, MAX_REPLAYED as usize + 1).await;
        let replay = async |team, replay| {
            store.replay_deliveries(team, hook.id, replay, now + TimeDelta::hours(1), |_| app.event()).await
        };
        let all = Replay::Range { from: now, to: now + TimeDelta::seconds(1), filter: DeliveryFilter::All };
        assert!(matches!(replay(team, all).await, Err(AppError::Conflict(_))));
        assert_eq!(store.list_due_webhooks(now).await.unwrap().len(), 2, "nothing has changed");
        assert_eq!(replay(team, Replay::One(ids[5])).await, Ok(1));
        assert_eq!(replay(app.other_team, Replay::One(ids[5])).await, Ok(0));
        let run_at = async |id| store.find_delivery(team, id, ids[5]).await.unwrap().unwrap().0.next_try_at;
        assert_ne!(run_at(hook.id).await, run_at(other.id).await);
        let none = Replay::Range { from: now - TimeDelta::days(2), to: now - TimeDelta::days(1), filter: DeliveryFilter::All };
        assert_eq!(replay(team, none).await, Ok(0));
    }

    async fn old_deliveries_go_and_a_removed_webhook_goes_with_its_own(app: TestApp) {
        let (store, team) = (app.store(), app.team);
        let (stays, goes) = (add(&app, "stays").await, add(&app, "goes").await);
        tell(&app, 60).await;
        app.advance(TimeDelta::days(31));
        tell(&app, 1).await;
        store.delete_outgoing_webhook(team, goes.id, app.now(), &app.event()).await.unwrap();
        let mut expected = vec![(team, stays.id, false), (team, goes.id, true)];
        expected.sort();
        assert_eq!(store.list_webhooks_to_clean().await, Ok(expected));
        assert_eq!(store.delete_some_deliveries(app.other_team, stays.id, i64::MAX).await, Ok(false));
        let (_keep, shutdown) = tokio::sync::watch::channel(false);
        crate::server::delivery::retention::delete_what_is_over(store, app.now(), &shutdown).await.unwrap();
        assert_eq!((count(&app, stays.id).await, count(&app, goes.id).await), (1, 0));
        assert_eq!(store.list_webhooks_to_clean().await, Ok(vec![(team, stays.id, false)]));
    }
}

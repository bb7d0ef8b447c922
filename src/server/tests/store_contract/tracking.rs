//! What is tracked, and visits of tracked messages: how many are kept, which is the first, and what unsubscribing leaves.

use super::*;
use crate::domain::channel::Channel;
use crate::domain::email::{EmailStatus, NewEmail, Recipient, RecipientKind};
use crate::domain::event::{EmailEvent, EventCause, EventDetail, EventKind};
use crate::domain::ids::EmailId;
use crate::domain::page::Cursor;
use crate::domain::suppression::SuppressionReason;
use crate::domain::tracking::Tracking;
use crate::server::store::suppressions::SuppressionFilter;

const ADA: &str = "ada@example.com";

async fn add_email(app: &TestApp, to: &[&str]) -> EmailId {
    let recipient = |address: &&str| Recipient { kind: RecipientKind::To, address: (*address).to_owned(), name: None };
    let blank = NewEmail::blank(app.id_at(app.now()), app.id_at(app.now()), Channel::Email);
    let email = NewEmail { recipients: to.iter().map(recipient).collect(), ..blank };
    app.store().insert_email(app.team, &email).await.unwrap();
    email.id
}

fn visit(app: &TestApp, kind: EventKind, recipient: Option<&str>, cause: Option<EventCause>) -> EmailEvent {
    let detail = EventDetail { cause, ..EventDetail::default() };
    EmailEvent { id: app.id_at(app.now()), kind, at: app.now(), recipient: recipient.map(str::to_owned), detail }
}

async fn kinds(app: &TestApp, id: EmailId) -> Vec<EventKind> {
    app.store().list_events(app.team, id).await.unwrap().into_iter().map(|event| event.kind).collect()
}

on_both_databases! {
    async fn a_team_tracks_nothing_until_it_says_so(app: TestApp) {
        let store = app.store();
        assert_eq!(store.find_tracking(app.team).await, Ok(Tracking::default()));
        let tracking = Tracking { tracks_opens: true, tracks_clicks: false };
        assert_eq!(store.update_tracking(app.team, tracking, &app.event()).await, Ok(true));
        assert_eq!(store.find_tracking(app.team).await, Ok(tracking));
        assert_eq!(store.find_tracking(app.other_team).await, Ok(Tracking::default()));
        store.delete_team(app.other_team, app.now(), &app.event()).await.unwrap();
        assert_eq!(store.update_tracking(app.other_team, tracking, &app.event()).await, Ok(false));
    }

    async fn a_readers_second_visit_is_said_to_be_that_and_a_machines_counts_for_nothing(app: TestApp) {
        use EventKind::{Clicked, Opened, ReClicked, ReOpened};
        let (store, id) = (app.store(), add_email(&app, &[ADA, "bob@example.com"]).await);
        let machine = Some(EventCause::Machine);
        for (kind, whom, cause) in [
            (Opened, Some(ADA), machine),
            (Opened, Some(ADA), None),
            (Opened, Some(ADA), machine),
            (Opened, Some("bob@example.com"), None),
            (Opened, Some(ADA), None),
            (Clicked, None, machine),
            (Clicked, None, None),
            (Clicked, None, None),
        ] {
            assert_eq!(store.record_visit(app.team, id, &visit(&app, kind, whom, cause), 100).await, Ok(true));
            app.advance(chrono::TimeDelta::seconds(1));
        }
        let expected = [Opened, Opened, Opened, Opened, ReOpened, Clicked, Clicked, ReClicked];
        assert_eq!(kinds(&app, id).await, expected);
        assert_eq!(store.count_visits(app.team, id, Opened, 100).await, Ok(5));
        assert_eq!(store.count_visits(app.team, id, Clicked, 2).await, Ok(2));
        assert_eq!(store.count_visits(app.other_team, id, Clicked, 2).await, Ok(0));
        let of_machine = add_email(&app, &[ADA]).await;
        store.record_visit(app.team, of_machine, &visit(&app, Clicked, Some(ADA), machine), 100).await.unwrap();
        let status = store.find_email(app.team, of_machine).await.unwrap().unwrap().status;
        assert_eq!(status, EmailStatus::Sent);
    }

    async fn no_more_visits_are_kept_than_there_may_be(app: TestApp) {
        let (store, id) = (app.store(), add_email(&app, &[ADA]).await);
        let events: Vec<EmailEvent> = (0..12).map(|_| visit(&app, EventKind::Opened, Some(ADA), None)).collect();
        let recorded = futures_util::future::join_all(events.iter().map(|event| store.record_visit(app.team, id, event, 5))).await;
        assert_eq!(recorded.into_iter().filter(|outcome| *outcome == Ok(true)).count(), 5);
        let mut kept = kinds(&app, id).await;
        kept.sort_by_key(|kind| *kind as u8);
        assert_eq!((kept.len(), kept[0], kept[1]), (5, EventKind::Opened, EventKind::ReOpened));
        // Another kind has room of its own; a message of another team, or none, has none.
        let click = visit(&app, EventKind::Clicked, Some(ADA), None);
        assert_eq!(store.record_visit(app.team, id, &click, 5).await, Ok(true));
        assert_eq!(store.record_visit(app.other_team, id, &click, 5).await, Ok(false));
        assert_eq!(store.record_visit(app.team, EmailId(7), &click, 5).await, Ok(false));
        assert_eq!(store.record_visit(app.team, id, &visit(&app, EventKind::Sent, None, None), 5).await, Ok(false));
    }

    async fn who_unsubscribes_is_not_written_to_and_says_it_once(app: TestApp) {
        let (store, id) = (app.store(), add_email(&app, &[ADA, "bob@example.com"]).await);
        let unsubscribe = async |whom| {
            let event = visit(&app, EventKind::Unsubscribed, Some(whom), None);
            store.record_unsubscribe(app.team, id, &event).await
        };
        let listed = async || {
            let all = store.list_suppressions(app.team, &SuppressionFilter::default(), Cursor::Newest, 9).await.unwrap().items;
            all.into_iter().map(|one| (one.address, one.reason, one.email_id)).collect::<Vec<_>>()
        };
        assert_eq!(unsubscribe(ADA).await, Ok(true));
        assert_eq!(unsubscribe(ADA).await, Ok(false));
        let ada = (ADA.to_owned(), SuppressionReason::Unsubscribed, Some(id));
        assert_eq!(listed().await, std::slice::from_ref(&ada));
        // Who is written to again can say so again.
        let kept = store.list_suppressions(app.team, &SuppressionFilter::default(), Cursor::Newest, 9).await.unwrap().items;
        assert_eq!(store.delete_suppression(app.team, kept[0].id, &app.event()).await, Ok(true));
        assert_eq!(unsubscribe(ADA).await, Ok(true));
        assert_eq!(listed().await, [ada]);
        // Who is not written to for another reason says it once, and the reason stays.
        app.add_suppression("bob@example.com").await;
        assert_eq!((unsubscribe("bob@example.com").await, unsubscribe("bob@example.com").await), (Ok(true), Ok(false)));
        assert!(listed().await.contains(&("bob@example.com".to_owned(), SuppressionReason::Manual, None)));
        assert_eq!(kinds(&app, id).await, [EventKind::Unsubscribed; 3]);
        let event = visit(&app, EventKind::Unsubscribed, Some(ADA), None);
        assert_eq!(store.record_unsubscribe(app.other_team, id, &event).await, Ok(false));
        let nobody = visit(&app, EventKind::Unsubscribed, None, None);
        assert_eq!(store.record_unsubscribe(app.team, id, &nobody).await, Ok(false));
    }

    async fn a_message_is_found_by_its_link_while_it_and_its_team_are_there(app: TestApp) {
        let (store, id) = (app.store(), add_email(&app, &[ADA]).await);
        let found = store.find_tracked(app.team, id).await.unwrap().unwrap();
        assert_eq!((found.team_name.as_str(), found.recipients[0].address.as_str(), found.sent_at), ("Finch", ADA, None));
        assert!(store.find_tracked(app.other_team, id).await.unwrap().is_none());
        store.delete_team(app.team, app.now(), &app.event()).await.unwrap();
        assert!(store.find_tracked(app.team, id).await.unwrap().is_none());
    }
}

//! Legal holds: what they keep from retention, from deletion and from forgetting.

use chrono::TimeDelta;
use tokio::sync::watch;

use super::persons::{begin, finish};
use super::*;
use crate::domain::error::AppError;
use crate::domain::hold::{Held, Hold, MAX_HOLDS};
use crate::domain::ids::{EmailId, HoldId};
use crate::domain::retention::Retention;
use crate::server::delivery::retention::delete_what_is_over;

fn hold(app: &TestApp, held: Held) -> Hold {
    Hold {
        id: app.id_at(app.now()),
        name: "Matter 7".to_owned(),
        reason: "asked".to_owned(),
        held,
        placed_by: "owner@finch.example".to_owned(),
        lifted: None,
    }
}

/// Places a hold of Finch's.
pub(super) async fn place(app: &TestApp, held: Held) -> HoldId {
    let hold = hold(app, held);
    assert_eq!(app.store().insert_hold(app.team, &hold, &app.event()).await, Ok(true));
    hold.id
}

async fn lift(app: &TestApp, id: HoldId) {
    assert_eq!(app.store().lift_hold(app.team, id, "Ada", app.now(), &app.event()).await, Ok(true));
    assert_eq!(app.store().lift_hold(app.team, id, "Ada", app.now(), &app.event()).await, Ok(false));
}

async fn delete(app: &TestApp) {
    let (_keep, shutdown) = watch::channel(false);
    delete_what_is_over(app.store(), app.now(), &shutdown).await.unwrap();
}

async fn left(app: &TestApp, ids: &[EmailId]) -> Vec<EmailId> {
    let mut left = Vec::new();
    for id in ids {
        let events = app.store().list_events(app.team, *id).await.unwrap();
        let content = app.store().find_email_content(app.team, *id).await.unwrap();
        match app.store().find_email(app.team, *id).await.unwrap() {
            Some(_) => {
                assert!(!events.is_empty() && content.is_some(), "{id} is whole");
                left.push(*id);
            }
            None => assert!(events.is_empty()),
        }
    }
    left
}

on_both_databases! {
    async fn retention_passes_over_what_each_kind_of_hold_covers(app: TestApp) {
        let store = app.store();
        let old = |days: i64, to: &str| Message {
            at: app.now() - TimeDelta::days(days),
            to: vec![to.to_owned()],
            ..Message::default()
        };
        let messages = [old(40, "ada@example.com"), old(41, "bob@example.com"), old(50, "eve@example.com"), old(60, "kim@example.com")];
        let ids = app.add_messages(&messages).await;
        let retention = Retention { messages_days: Some(30), audit_days: Some(1), ..Retention::default() };
        assert_eq!(store.update_retention(app.team, retention, &app.event()).await, Ok(true));
        let day = |days: i64| app.now() - TimeDelta::days(days);
        let holds = [
            place(&app, Held::Address("ADA@example.com".to_owned())).await,
            place(&app, Held::Message(ids[1])).await,
            place(&app, Held::Range(day(51), day(49))).await,
        ];
        delete(&app).await;
        assert_eq!(left(&app, &ids).await, ids[..3]);
        assert_eq!(store.list_wrong_rollups(app.team).await, Ok(Vec::new()));
        for (place, id) in ids[..3].iter().enumerate() {
            let of = store.list_holds_of(app.team, *id).await.unwrap();
            assert_eq!(of.iter().map(|hold| hold.id).collect::<Vec<_>>(), [holds[place]]);
            assert_eq!(store.list_holds_of(app.other_team, *id).await, Ok(Vec::new()));
        }
        lift(&app, holds[1]).await;
        delete(&app).await;
        assert_eq!(left(&app, &ids).await, [ids[0], ids[2]]);
        // A hold of everything keeps everything, whatever else there is.
        let all = place(&app, Held::Team).await;
        for hold in [holds[0], holds[2]] {
            lift(&app, hold).await;
        }
        delete(&app).await;
        assert_eq!(left(&app, &ids).await, [ids[0], ids[2]]);
        lift(&app, all).await;
        delete(&app).await;
        assert_eq!(left(&app, &ids).await, []);
        assert_eq!(store.list_holds(app.team).await.unwrap().len(), 4);
        assert_eq!(store.list_wrong_rollups(app.team).await, Ok(Vec::new()));
    }

    async fn a_team_is_not_deleted_while_a_hold_is_in_force(app: TestApp) {
        let store = app.store();
        let hold = place(&app, Held::Address("ada@example.com".to_owned())).await;
        let refused = store.delete_team(app.team, app.now(), &app.event()).await;
        assert!(matches!(refused, Err(AppError::Conflict(words)) if words.contains("legal hold")));
        assert!(store.find_team(app.team).await.unwrap().is_some());
        lift(&app, hold).await;
        assert_eq!(store.delete_team(app.team, app.now(), &app.event()).await, Ok(true));
        assert_eq!(store.insert_hold(app.team, &super::holds::hold(&app, Held::Team), &app.event()).await, Ok(false));
    }

    async fn a_team_has_so_many_holds_at_once(app: TestApp) {
        for _ in 0..MAX_HOLDS {
            place(&app, Held::Message(EmailId(1))).await;
        }
        let more = app.store().insert_hold(app.team, &hold(&app, Held::Team), &app.event()).await;
        assert!(matches!(more, Err(AppError::Conflict(_))), "{more:?}");
    }

    async fn who_is_in_a_held_message_is_forgotten_in_the_others(app: TestApp) {
        let store = app.store();
        let ids = app.add_messages(&[Message::default(), Message::default()]).await;
        let held = place(&app, Held::Message(ids[0])).await;
        begin(&app, "user@example.com").await;
        let done = finish(&app).await;
        assert!(done.messages == 1 && done.held > 0, "{done:?}");
        let to = async |id| store.find_email(app.team, id).await.unwrap().unwrap().recipients[0].address.clone();
        assert_eq!(to(ids[0]).await, "user@example.com");
        assert_eq!(to(ids[1]).await, done.placeholder);
        assert!(store.find_email_content(app.team, ids[0]).await.unwrap().is_some());
        lift(&app, held).await;
        begin(&app, "user@example.com").await;
        finish(&app).await;
        assert!(to(ids[0]).await.ends_with("@forgotten.invalid"));
    }
}

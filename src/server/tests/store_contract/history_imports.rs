//! Imports of histories.

use chrono::TimeDelta;

use super::*;
use crate::domain::error::AppError;
use crate::domain::event::{EmailEvent, EventDetail, EventKind};
use crate::domain::history_import::{HistoryImport, ImportSource, ImportState, ImportWay, MAX_OPEN};
use crate::domain::ids::ImportId;
use crate::server::store::events::NewEvent;
use crate::server::store::history_imports::{ImportLease, ImportStep, StoredImport};
use crate::server::store::ingest::{Ingested, NewEntry, ReportedEvent};

fn stored(app: &TestApp, way: ImportWay) -> StoredImport {
    let import = HistoryImport {
        id: app.id_at(app.now()),
        source: ImportSource::Postmark,
        way,
        state: ImportState::Running,
        created_at: app.now(),
        ended_at: None,
        read: 0,
        recorded: 0,
        known: 0,
        unusable: 0,
        progress: 0,
        words: String::new(),
        waits_until: None,
    };
    StoredImport { import, sealed: "sealed".to_owned(), cursor: String::new(), tries: 0 }
}

/// Begins to read a file.
pub(super) async fn add_file(app: &TestApp) {
    add_parts(app, &["[1]".to_owned()]).await;
}

/// Begins to read a file of these parts.
pub(super) async fn add_parts(app: &TestApp, parts: &[String]) {
    let new = stored(app, ImportWay::File { records: 1 });
    app.store().insert_import(app.team, &new, parts, &app.event()).await.unwrap();
}

fn days(app: &TestApp) -> ImportWay {
    ImportWay::Pull { from: app.now() - TimeDelta::days(10), until: app.now() }
}

fn delivered(app: &TestApp, id: &str, ago: TimeDelta) -> ReportedEvent {
    let event = EmailEvent {
        id: app.id_at(app.now()),
        kind: EventKind::Delivered,
        at: app.now() - ago,
        recipient: Some("ada@example.com".to_owned()),
        detail: EventDetail::default(),
    };
    ReportedEvent {
        event: NewEvent { event, provider_event_id: Some(id.to_owned()) },
        email_id: None,
        provider_message_id: Some(format!("message-{id}")),
        own_id: None,
        entry: NewEntry { channel: None, from_address: None, subject: None },
    }
}

async fn leased(app: &TestApp, id: ImportId, lease_id: i64) -> Option<ImportLease> {
    let lease = ImportLease { team_id: app.team, id, lease_id };
    let now = app.now();
    app.store().lease_import(lease, now, now + TimeDelta::minutes(1)).await.unwrap().then_some(lease)
}

on_both_databases! {
    async fn an_import_is_leased_by_one_and_how_far_it_came_is_kept_with_what_it_recorded(app: TestApp) {
        let (store, team) = (app.store(), app.team);
        let new = stored(&app, days(&app));
        let id = new.import.id;
        store.insert_import(team, &new, &[], &app.event()).await.unwrap();
        assert_eq!(store.find_import(team, id).await, Ok(Some(new.clone())));
        assert_eq!(store.find_import(app.other_team, id).await, Ok(None));
        assert_eq!(store.list_imports(team).await, Ok(vec![new.import.clone()]));
        assert_eq!(store.list_imports(app.other_team).await, Ok(Vec::new()));
        assert_eq!(store.list_due_imports(app.now(), 10).await, Ok(vec![(team, id)]));
        assert_eq!(store.list_due_imports(app.now() - TimeDelta::seconds(1), 10).await, Ok(Vec::new()));

        let lease = leased(&app, id, 1).await.unwrap();
        assert!(leased(&app, id, 2).await.is_none(), "it is somebody else's");
        let events = [delivered(&app, "a", TimeDelta::days(9)), delivered(&app, "b", TimeDelta::days(4))];
        let step = ImportStep { cursor: Some("next".to_owned()), records: 3, unusable: 1, words: Some("odd".to_owned()), part: None };
        let recorded = store.record_import_step(lease, &events, &step, app.now()).await.unwrap().unwrap();
        assert!(matches!(recorded[..], [Ingested::Recorded(_), Ingested::Recorded(_)]), "{recorded:?}");
        let found = store.find_import(team, id).await.unwrap().unwrap();
        assert_eq!((found.cursor.as_str(), found.import.read, found.import.recorded), ("next", 3, 2));
        assert_eq!((found.import.unusable, found.import.words.as_str(), found.import.progress), (1, "odd", 500));
        assert_eq!(store.record_import_step(lease, &events, &step, app.now()).await, Ok(None), "the lease ended with the step");

        let lease = leased(&app, id, 3).await.unwrap();
        let step = ImportStep { cursor: Some("last".to_owned()), records: 2, ..ImportStep::default() };
        store.record_import_step(lease, &events, &step, app.now()).await.unwrap().unwrap();
        let found = store.find_import(team, id).await.unwrap().unwrap();
        assert_eq!((found.import.recorded, found.import.known, found.import.words.as_str()), (2, 2, "odd"));

        let lease = leased(&app, id, 4).await.unwrap();
        let later = app.now() + TimeDelta::seconds(40);
        assert_eq!(store.postpone_import(lease, "busy", later).await, Ok(true));
        assert_eq!(store.postpone_import(lease, "busy", later).await, Ok(false));
        let found = store.find_import(team, id).await.unwrap().unwrap();
        assert_eq!((found.tries, found.import.words.as_str(), found.import.waits_until), (1, "busy", Some(later)));
        assert!(leased(&app, id, 5).await.is_none(), "it is not due");
        app.advance(TimeDelta::seconds(41));
        let lease = leased(&app, id, 6).await.unwrap();
        assert_eq!(store.end_import(lease, ImportState::Done, "", app.now()).await, Ok(true));
        assert_eq!(store.end_import(lease, ImportState::Done, "", app.now()).await, Ok(false));
        let found = store.find_import(team, id).await.unwrap().unwrap();
        assert_eq!((found.import.state, found.import.progress, found.sealed.as_str()), (ImportState::Done, 1_000, ""));
        assert_eq!((found.import.ended_at, found.import.words.as_str()), (Some(app.now()), ""));
        assert_eq!(store.list_due_imports(app.now() + TimeDelta::days(1), 10).await, Ok(Vec::new()));
    }

    async fn who_stops_an_import_takes_it_from_whoever_works_at_it(app: TestApp) {
        let (store, team) = (app.store(), app.team);
        let new = stored(&app, days(&app));
        let id = new.import.id;
        store.insert_import(team, &new, &[], &app.event()).await.unwrap();
        let lease = leased(&app, id, 1).await.unwrap();
        let (runs, stopped) = ((ImportState::Stopped, ImportState::Running), (ImportState::Running, ImportState::Stopped));
        let change = async |team, states, sealed| store.change_import(team, id, states, sealed, app.now(), &app.event()).await;
        assert_eq!(change(app.other_team, stopped, "sealed").await, Ok(false));
        assert_eq!(change(team, runs, "sealed").await, Ok(false), "it runs");
        assert_eq!(change(team, stopped, "sealed").await, Ok(true));
        let step = ImportStep { cursor: Some("next".to_owned()), records: 1, ..ImportStep::default() };
        let events = [delivered(&app, "a", TimeDelta::days(1))];
        assert_eq!(store.record_import_step(lease, &events, &step, app.now()).await, Ok(None));
        assert!(leased(&app, id, 2).await.is_none());
        assert_eq!(change(team, runs, "another").await, Ok(true));
        assert_eq!(store.find_import(team, id).await.unwrap().unwrap().sealed, "another");
        assert!(leased(&app, id, 3).await.is_some());
        assert_eq!(store.delete_import(app.other_team, id, &app.event()).await, Ok(false));
        assert_eq!(store.delete_import(team, id, &app.event()).await, Ok(true));
        assert_eq!(store.find_import(team, id).await, Ok(None));
    }

    async fn the_parts_of_a_file_go_as_they_are_read(app: TestApp) {
        let (store, team) = (app.store(), app.team);
        let new = stored(&app, ImportWay::File { records: 4 });
        let id = new.import.id;
        let parts = ["[1,2]".to_owned(), "[3,4]".to_owned()];
        store.insert_import(team, &new, &parts, &app.event()).await.unwrap();
        for (position, part) in (0_i64..).zip(&parts) {
            assert_eq!(store.find_import_part(app.other_team, id).await, Ok(None));
            assert_eq!(store.find_import_part(team, id).await, Ok(Some((position, part.clone()))));
            let lease = leased(&app, id, position + 1).await.unwrap();
            let step = ImportStep { part: Some(position), records: 2, ..ImportStep::default() };
            store.record_import_step(lease, &[], &step, app.now()).await.unwrap().unwrap();
            let progress = store.find_import(team, id).await.unwrap().unwrap().import.progress;
            assert_eq!(progress, [500, 999][position as usize], "what is not at its end never looks as if it were");
        }
        assert_eq!(store.find_import_part(team, id).await, Ok(None));
        for _ in 1..MAX_OPEN {
            let another = stored(&app, ImportWay::File { records: 1 });
            store.insert_import(team, &another, &parts[..1], &app.event()).await.unwrap();
        }
        let one_more = stored(&app, ImportWay::File { records: 1 });
        assert!(matches!(store.insert_import(team, &one_more, &[], &app.event()).await, Err(AppError::Conflict(_))));
        assert_eq!(store.insert_import(app.other_team, &one_more, &parts, &app.event()).await, Ok(()));
        assert_eq!(store.delete_import(app.other_team, one_more.import.id, &app.event()).await, Ok(true));
        assert_eq!(store.find_import_part(app.other_team, one_more.import.id).await, Ok(None));
    }
}

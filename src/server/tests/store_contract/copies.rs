//! Copies of a whole database, and looks at all of it: what each function gives. [crate::server::tests::backups] goes the whole
//! ways.

use super::*;
use crate::domain::channel::Channel;
use crate::domain::email::NewEmail;
use crate::domain::filter::{RollupScope, TimeRange};
use crate::server::clock::Clock;
use crate::server::store::Store;
use crate::server::store::copies::CopyError;
use crate::server::store::copies::backup::{self, write_backup};
use crate::server::store::copies::sync::{self, sync};
use crate::server::store::tests::TestDatabase;

async fn add_emails(app: &TestApp, count: usize) -> i64 {
    let mut newest = 0;
    for _ in 0..count {
        let email = NewEmail::blank(app.id_at(app.now()), app.id_at(app.now()), Channel::Email);
        app.store().insert_email(app.team, &email).await.unwrap();
        newest = email.id.0;
    }
    newest
}

on_both_databases! {
    async fn a_backup_says_what_it_holds_and_becomes_a_database(app: TestApp) {
        let newest = add_emails(&app, 3).await;
        let folder = std::env::temp_dir().join(format!("sendlog-copy-{:016x}", rand::random::<u64>()));
        std::fs::create_dir(&folder).unwrap();
        let file = folder.join("backup");
        let about = backup::write_backup(&app.url, &file, "proof", app.now(), &mut |_, _, _| {}).await.unwrap();
        assert_eq!((about.sums["emails"].rows, about.key_proof.as_str()), (3, "proof"));
        assert!(matches!(
            write_backup(&app.url, &file, "proof", app.now(), &mut |_, _, _| {}).await,
            Err(CopyError::Exists(_))
        ));
        assert_eq!(Store::check_backup(&file, &mut |_, _, _| {}).await.unwrap(), about);
        let url = format!("sqlite://{}", folder.join("restored").display());
        Store::restore(&file, &about, &url, &mut |_, _, _| {}).await.unwrap();
        assert!(matches!(Store::restore(&file, &about, &url, &mut |_, _, _| {}).await, Err(CopyError::NotEmpty)));
        assert!(Store::compact(&url).await.unwrap());
        let restored = Store::open_for_checks(&url).await.unwrap().unwrap();
        assert_eq!(restored.newest_email_id().await, Ok(Some(newest)));
        restored.close().await;
        std::fs::remove_dir_all(&folder).unwrap();
    }

    async fn a_copy_is_made_the_same_again_and_again(app: TestApp) {
        add_emails(&app, 3).await;
        let copy = TestDatabase::empty_sqlite();
        let first = sync::sync(&app.url, &copy.url(), false, &mut |_, _, _| {}).await.unwrap();
        // All but what migrations write themselves.
        assert!((first.rows - 1..=first.rows).contains(&first.written) && first.deleted == 0, "{first:?}");
        add_emails(&app, 1).await;
        let second = sync(&app.url, &copy.url(), false, &mut |_, _, _| {}).await.unwrap();
        assert!(second.rows > first.rows && second.written < first.written, "{first:?} {second:?}");
        copy.remove().await;
    }

    async fn all_of_a_database_is_looked_at(app: TestApp) {
        let (store, newest) = (app.store(), add_emails(&app, 3).await);
        let teams = store.list_all_teams().await.unwrap();
        assert!(teams.iter().any(|(team, _)| *team == app.team) && teams.len() > 1);
        assert_eq!(store.newest_email_id().await, Ok(Some(newest)));
        assert!(store.read_every_row(&mut |_, _, _| {}).await.unwrap() > 10);
        assert_eq!(store.count_orphans().await, Ok(Vec::new()));
        let counts = store.count_by_status(app.team, RollupScope::All, TimeRange::default()).await;
        store.recount_rollups(app.team).await.unwrap();
        assert_eq!(store.count_by_status(app.team, RollupScope::All, TimeRange::default()).await, counts);
        assert_eq!(store.list_wrong_rollups(app.team).await, Ok(Vec::new()));
        assert_eq!(store.index_some_missing().await, Ok(None));
        store.index_all_again().await.unwrap();
        while store.index_some_missing().await.unwrap().is_some() {}
        assert_eq!(store.count_unindexed().await, Ok(0));
        // What they say is the machine's, but they say it.
        store.list_doubtful_settings().await.unwrap();
        let clock = store.database_clock().await.unwrap();
        assert_eq!(clock.is_some(), app.url.starts_with("postgres"));
        if let Some(clock) = clock {
            assert!((Clock::system().now() - clock).abs() < chrono::TimeDelta::minutes(1), "{clock}");
        }
    }

    async fn what_a_node_tells_is_heard_on_one_postgres(app: TestApp) {
        let news = app.store().listen().await.unwrap();
        app.store().tell("a word").await.unwrap();
        match news {
            Some(mut news) => assert_eq!(news.next().await.unwrap(), "a word"),
            None => assert!(app.url.starts_with("sqlite")),
        }
    }
}

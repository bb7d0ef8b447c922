//! Backups: of either engine, into either engine, while the server is in use.

use std::path::PathBuf;

use super::*;
use crate::domain::filter::{EmailFilter, RollupScope, TimeRange};
use crate::domain::page::PageRequest;
use crate::domain::team::Role;
use crate::server::demo::{self, DemoOptions};
use crate::server::secrets::SecretKey;
use crate::server::services::backups::{CopyError, Schedule, Step, back_up, move_database, restore};
use crate::server::services::checks::{check, mend};
use crate::server::store::Store;
use crate::server::store::audit::AuditVerdict;
use crate::server::store::tests::TestDatabase;

/// A file that goes with its value.
struct TemporaryFile(PathBuf);

impl TemporaryFile {
    fn new() -> Self {
        Self(std::env::temp_dir().join(format!("sendlog-backup-{:016x}", rand::random::<u64>())))
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Fills the database with something of everything.
async fn fill(app: &TestApp) {
    let now = app.now();
    let smtp_url = "smtp://127.0.0.1:2525".to_owned();
    demo::fill(&app.app, &DemoOptions { seed: 1, messages: 150, days: 30, now, smtp_url }).await.unwrap();
}

async fn found(store: &Store, app: &TestApp, search: &str) -> usize {
    let team = store.list_all_teams().await.unwrap().into_iter().find(|(_, slug)| *slug == "finch").unwrap().0;
    assert_eq!(team, app.team);
    let filter = EmailFilter { search: Some(search.to_owned()), ..EmailFilter::default() };
    store.list_emails(team, &filter, PageRequest { page: 1, page_size: 50 }).await.unwrap().items.len()
}

/// Looks at a restored database as a person would who has to rely on it.
async fn is_what_it_was(app: &TestApp, url: &str) {
    let store = Store::open_for_checks(url).await.unwrap().expect("a database of this version");
    let mut faults = Vec::new();
    check(&store, &mut |_, _, _| {}, |one| faults.extend(one.faults)).await.unwrap();
    assert_eq!(faults, Vec::<String>::new());
    let teams = app.store().list_all_teams().await.unwrap();
    assert_eq!(store.list_all_teams().await.unwrap(), teams);
    for (team, _) in teams {
        let (scope, range) = (RollupScope::All, TimeRange::default());
        let counts = store.count_by_status(team, scope, range).await.unwrap();
        assert_eq!(counts, app.store().count_by_status(team, scope, range).await.unwrap());
        assert!(matches!(store.verify_audit_log(team).await.unwrap(), AuditVerdict::Intact { .. }));
    }
    store.close().await;
}

on_both_databases! {
    async fn a_backup_is_restored_into_either_engine_as_it_was(app: TestApp) {
        fill(&app).await;
        let file = TemporaryFile::new();
        let mut steps = Vec::new();
        let about = back_up(&app.url, Some(&test_key()), &file.0, app.now(), &mut |step, _, _| steps.push(step)).await;
        let about = about.unwrap();
        assert!(about.sums["emails"].rows >= 150 && steps.contains(&Step::Copying) && steps.contains(&Step::Checking));
        for database in [TestDatabase::empty_sqlite(), TestDatabase::empty_postgres().await] {
            let restored = restore(&file.0, &database.url(), Some(&test_key()), &mut |_, _, _| {}).await.unwrap();
            assert_eq!(restored, about);
            is_what_it_was(&app, &database.url()).await;
            // Once more, from there: nothing got lost on the way.
            let again = TemporaryFile::new();
            let second = back_up(&database.url(), None, &again.0, app.now(), &mut |_, _, _| {}).await.unwrap();
            assert_eq!(second.sums, about.sums);
            let refused = restore(&file.0, &database.url(), None, &mut |_, _, _| {}).await;
            assert!(matches!(refused, Err(CopyError::NotEmpty)), "{refused:?}");
            database.remove().await;
        }
    }

    async fn a_restored_database_is_searched_and_goes_on(app: TestApp) {
        app.add_messages(&[Message { subject: "Überraschung für Ada".to_owned(), ..Message::default() }]).await;
        let file = TemporaryFile::new();
        back_up(&app.url, None, &file.0, app.now(), &mut |_, _, _| {}).await.unwrap();
        for database in [TestDatabase::empty_sqlite(), TestDatabase::empty_postgres().await] {
            restore(&file.0, &database.url(), None, &mut |_, _, _| {}).await.unwrap();
            let store = Store::open(&database.url()).await.unwrap();
            assert_eq!(found(&store, &app, "uberrasch").await, 1);
            assert_eq!(found(&store, &app, "nothing like it").await, 0);
            store.close().await;
            // Triggers are at work again: an audit log that could be changed would be none.
            let after = TestApp::start_again(&database.url(), &app).await;
            let ids = after.add_messages(&[Message { subject: "A second one".to_owned(), ..Message::default() }]).await;
            assert_eq!(found(after.store(), &app, "second").await, 1);
            assert_eq!(after.store().list_wrong_rollups(after.team).await, Ok(Vec::new()));
            assert!(after.store().find_email(after.team, ids[0]).await.unwrap().is_some());
            assert_eq!(after.store().count_disabled_triggers().await, 0);
            after.app.store.close().await;
            database.remove().await;
        }
    }

    async fn a_backup_under_load_is_the_database_of_one_moment(app: TestApp) {
        fill(&app).await;
        let file = TemporaryFile::new();
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let writing = async {
            let mut written = 0;
            while !*stopped.borrow() {
                written += app.add_messages(&[Message::default(), Message::default()]).await.len();
            }
            written
        };
        let copying = async {
            let about = back_up(&app.url, None, &file.0, app.now(), &mut |_, _, _| {}).await.unwrap();
            stop.send(true).unwrap();
            about
        };
        let (about, written) = tokio::join!(copying, writing);
        assert!(written > 0);
        let database = TestDatabase::empty_sqlite();
        assert_eq!(restore(&file.0, &database.url(), None, &mut |_, _, _| {}).await.unwrap(), about);
        let store = Store::open_for_checks(&database.url()).await.unwrap().unwrap();
        let mut faults = Vec::new();
        check(&store, &mut |_, _, _| {}, |one| faults.extend(one.faults)).await.unwrap();
        assert_eq!(faults, Vec::<String>::new());
        store.close().await;
        database.remove().await;
    }

    async fn a_database_moves_to_the_other_engine_while_it_is_in_use(app: TestApp) {
        fill(&app).await;
        let mut told = |_: Step, _: u64, _: u64| {};
        for database in [TestDatabase::empty_sqlite(), TestDatabase::empty_postgres().await] {
            let (from, to) = (&app.url, &database.url());
            let first = move_database(from, to, false, &mut told).await.unwrap();
            // All but what migrations write themselves.
            assert!((first.rows - 1..=first.rows).contains(&first.written) && first.rows > 1_000, "{first:?}");
            let unfinished = Store::open(to).await.err().map(|error| error.to_string()).unwrap();
            assert!(unfinished.contains("--finish"), "{unfinished}");
            // Somebody goes on: a message more, one less, and one that is otherwise.
            let new = app.add_messages(&[Message::default()]).await[0];
            app.store().change_and_delete_some(app.team).await;
            let second = move_database(from, to, false, &mut told).await.unwrap();
            assert!((1..100).contains(&second.written) && (1..100).contains(&second.deleted), "{second:?}");
            let third = move_database(from, to, false, &mut told).await.unwrap();
            assert_eq!((third.written, third.deleted), (0, 0));
            let refused = move_database(from, to, true, &mut told).await;
            assert!(matches!(refused, Err(CopyError::InUse)), "{refused:?}");
            // Of a copy of it that nobody uses.
            let (file, still) = (TemporaryFile::new(), TestDatabase::empty_sqlite());
            back_up(from, None, &file.0, app.now(), &mut told).await.unwrap();
            restore(&file.0, &still.url(), None, &mut told).await.unwrap();
            let last = move_database(&still.url(), to, true, &mut told).await.unwrap();
            assert_eq!((last.written, last.deleted), (0, 0));
            is_what_it_was(&app, to).await;
            let after = TestApp::start_again(to, &app).await;
            assert!(after.store().find_email(after.team, new).await.unwrap().is_some());
            assert_eq!(after.store().count_disabled_triggers().await, 0);
            after.app.store.close().await;
            still.remove().await;
            database.remove().await;
        }
    }

    async fn a_database_that_is_in_use_is_no_place_to_move_to(app: TestApp) {
        app.user(app.team, Role::Owner).await;
        let other = TestDatabase::sqlite();
        let refused = move_database(&other.url(), &app.url, false, &mut |_, _, _| {}).await;
        assert!(matches!(refused, Err(CopyError::NotEmpty)), "{refused:?}");
        other.remove().await;
    }

    async fn a_backup_that_was_changed_or_of_another_key_is_refused(app: TestApp) {
        app.user(app.team, Role::Owner).await;
        app.add_messages(&[Message { subject: "Subject of the message".to_owned(), ..Message::default() }]).await;
        let file = TemporaryFile::new();
        back_up(&app.url, Some(&test_key()), &file.0, app.now(), &mut |_, _, _| {}).await.unwrap();
        let again = back_up(&app.url, Some(&test_key()), &file.0, app.now(), &mut |_, _, _| {}).await;
        assert!(matches!(again, Err(CopyError::Exists(_))), "{again:?}");
        let into = TestDatabase::empty_sqlite();
        let refused = restore(&file.0, &into.url(), Some(&SecretKey::generate()), &mut |_, _, _| {}).await;
        assert!(matches!(refused, Err(CopyError::WrongKey(_))), "{refused:?}");
        let mut bytes = std::fs::read(&file.0).unwrap();
        let places: Vec<usize> = bytes.windows(8).enumerate().filter(|(_, part)| part == b"Subject ").map(|(at, _)| at).collect();
        places.iter().for_each(|place| bytes[*place] = b's');
        std::fs::write(&file.0, &bytes).unwrap();
        let refused = restore(&file.0, &into.url(), Some(&test_key()), &mut |_, _, _| {}).await;
        assert!(matches!(&refused, Err(CopyError::Damaged { .. })), "{refused:?}");
        std::fs::write(&file.0, b"not a backup").unwrap();
        let refused = restore(&file.0, &into.url(), None, &mut |_, _, _| {}).await;
        assert!(matches!(refused, Err(CopyError::NoBackup(_))), "{refused:?}");
        std::fs::remove_file(&file.0).unwrap();
        let refused = restore(&file.0, &into.url(), None, &mut |_, _, _| {}).await;
        assert!(matches!(refused, Err(CopyError::Read { .. })), "{refused:?}");
        into.remove().await;
    }

    async fn counts_and_search_that_are_wrong_are_told_and_mended(app: TestApp) {
        fill(&app).await;
        app.store().spoil_counts_and_search().await;
        // Each time by a program of its own, as from the command line: SQLite 3.46 looks at pages of a full-text index that the
        // same connection looked at before.
        let faults = async |mends: bool| {
            let store = Store::open_for_checks(&app.url).await.unwrap().unwrap();
            let mut faults = Vec::new();
            check(&store, &mut |_, _, _| {}, |one| if !one.faults.is_empty() { faults.push(one.about) }).await.unwrap();
            if mends {
                mend(&store).await.unwrap();
            }
            store.close().await;
            faults
        };
        assert_eq!(faults(true).await, ["counts", "search"]);
        assert_eq!(faults(false).await, Vec::<&str>::new());
    }

    async fn a_server_keeps_the_newest_backups(app: TestApp) {
        let folder = TemporaryFile::new();
        let schedule = Schedule {
            url: app.url.clone(),
            folder: folder.0.clone(),
            every: chrono::TimeDelta::hours(24),
            keep: 2,
        };
        let mut made = Vec::new();
        for day in 0..3 {
            made.push(schedule.make(&test_key(), app.now() + chrono::TimeDelta::days(day)).await.unwrap());
        }
        // Somebody else's files stay.
        std::fs::write(folder.0.join("notes.txt"), "mine").unwrap();
        let listed: Vec<PathBuf> = schedule.list().into_iter().map(|(_, file)| file).collect();
        assert_eq!(listed, made[1..]);
        for file in listed {
            Store::check_backup(&file, &mut |_, _, _| {}).await.unwrap();
        }
        assert!(folder.0.join("notes.txt").exists());
        std::fs::remove_dir_all(&folder.0).unwrap();
    }
}

#[tokio::test]
async fn a_database_that_is_not_there_is_said_so() {
    let (file, empty) = (TemporaryFile::new(), TestDatabase::empty_sqlite());
    let refused = back_up(&empty.url(), None, &file.0, at("2024-01-20T12:00:00Z"), &mut |_, _, _| {}).await;
    assert!(matches!(refused, Err(CopyError::Open(_))), "{refused:?}");
    let empty_postgres = TestDatabase::empty_postgres().await;
    let refused = back_up(&empty_postgres.url(), None, &file.0, at("2024-01-20T12:00:00Z"), &mut |_, _, _| {}).await;
    assert!(matches!(refused, Err(CopyError::NoDatabase(_))), "{refused:?}");
    assert!(!file.0.exists());
    empty_postgres.remove().await;
    empty.remove().await;
}

/// A backup of every released version, of a demo of it: its rows come into either engine and up to date, for good.
#[tokio::test]
async fn a_database_of_every_release_is_brought_up_to_date() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server/tests/fixtures/releases");
    let mut releases: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    releases.sort();
    assert!(!releases.is_empty());
    for release in releases {
        let file = TemporaryFile::new();
        std::fs::write(&file.0, zstd::decode_all(std::fs::File::open(&release).unwrap()).unwrap()).unwrap();
        for database in [TestDatabase::empty_sqlite(), TestDatabase::empty_postgres().await] {
            let about = restore(&file.0, &database.url(), None, &mut |_, _, _| {}).await.unwrap();
            let store = Store::open_for_checks(&database.url()).await.unwrap().expect("the newest tables");
            let mut faults = Vec::new();
            check(&store, &mut |_, _, _| {}, |one| faults.extend(one.faults)).await.unwrap();
            assert_eq!(faults, Vec::<String>::new(), "{}", release.display());
            let (team, _) = store.list_all_teams().await.unwrap().remove(0);
            let counts = store.count_by_status(team, RollupScope::All, TimeRange::default()).await.unwrap();
            assert_eq!(counts.in_set(Default::default()) as u64, about.sums["emails"].rows);
            store.close().await;
            database.remove().await;
        }
    }
}

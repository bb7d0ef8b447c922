//! A database of an earlier release, brought up to date.

use std::borrow::Cow;

use sqlx::migrate::Migrator;
use sqlx::{Connection, PgConnection, SqliteConnection};

use super::TestDatabase;
use crate::domain::channel::Channel;
use crate::domain::email::EmailStatus;
use crate::domain::event::{EventKind, EventSet};
use crate::domain::filter::{Criteria, EmailFilter, RollupScope, TimeRange};
use crate::domain::ids::{ApiRequestId, EmailId, TeamId};
use crate::domain::page::OffsetRequest;
use crate::domain::permission::Permission;
use crate::domain::team::Role;
use crate::server::store::Store;
use crate::server::store::engine::{Engine, POSTGRES_MIGRATIONS, SQLITE_MIGRATIONS};
use crate::server::store::search::letters::in_letters_of;

const TEAM: TeamId = TeamId(1);
const EMAIL: EmailId = EmailId(1_705_746_600_000 << 20);

/// A team with one bounced message and one request, as release 0.1 kept them.
fn rows() -> [String; 6] {
    let (email, hour) = (EMAIL.0, 1_705_746_600 / 3600);
    [
        "INSERT INTO teams (id, slug, name, created_at) VALUES (1, 'finch', 'Finch', 0)".to_owned(),
        format!(
            "INSERT INTO emails
             (team_id, id, recipients, from_address, subject, tags, status, status_rank, has_pdf_attachment, job_id)
             VALUES (1, {email}, '[]', 'a@b.example', 'Hi', '[]', 5, 70, FALSE, 1)"
        ),
        format!(
            "INSERT INTO email_contents (team_id, email_id, variables, metadata) VALUES (1, {email}, '{{}}', '{{}}')"
        ),
        format!(
            "INSERT INTO email_events (team_id, email_id, id, kind, at, detail)
             VALUES (1, {email}, 1, 'queued', 0, '{{}}'), (1, {email}, 2, 'deferred', 0, '{{}}'),
                 (1, {email}, 3, 'deferred', 0, '{{}}'), (1, {email}, 4, 'bounced', 0, '{{}}')"
        ),
        format!(
            "INSERT INTO email_rollups
             (team_id, template_id, hour, queued, sent, delivered, opened, clicked, bounced, failed, spam)
             VALUES (1, 0, {hour}, 0, 0, 0, 0, 0, 1, 0, 0)"
        ),
        r#"INSERT INTO api_requests
           (team_id, id, method, endpoint, response_status, duration_ms, at, request_body, response_body)
           VALUES (1, 5, 'GET', '/api/logs', 200, 1, 0, '{"text":"a","truncated":false}',
               '{"text":"b","truncated":true}')"#
            .to_owned(),
    ]
}

/// Those that came before this one.
fn before(migrations: &Migrator, version: i64) -> Migrator {
    let earlier = migrations.iter().filter(|migration| migration.version < version).cloned();
    Migrator { migrations: Cow::Owned(earlier.collect()), ..Migrator::DEFAULT }
}

async fn holds_what_it_held(database: TestDatabase) {
    let store = Store::open(&database.url()).await.unwrap();
    let email = store.find_email(TEAM, EMAIL).await.unwrap().unwrap();
    assert_eq!((email.channel, email.status), (Channel::Email, EmailStatus::Bounced));
    let kinds = EventSet::of_kinds(&[EventKind::Queued, EventKind::Deferred]);
    assert_eq!(email.event_set, kinds.with(EventSet::of(EventKind::Bounced, None)));
    assert_eq!(store.list_wrong_rollups(TEAM).await, Ok(Vec::new()));
    let of_email =
        store.count_by_status(TEAM, RollupScope::Channel(Channel::Email), TimeRange::default()).await.unwrap();
    assert_eq!(of_email.in_set(Default::default()), 1);
    let (request, _) = store.find_api_request(TEAM, ApiRequestId(5)).await.unwrap().unwrap();
    assert_eq!(request.request_body.text.as_deref(), Some("a"));
    assert!(request.response_body.truncated);
    let roles = store.list_role_grants(TEAM).await.unwrap();
    let may =
        |role, permission| roles.iter().any(|grants| grants.role == role && grants.permissions.contains(permission));
    assert!(may(Role::Admin, Permission::EventsWrite) && !may(Role::Member, Permission::EventsWrite));
    assert!(may(Role::Member, Permission::RequestsView) && !may(Role::Viewer, Permission::RequestsView));
    store.close().await;
    database.remove().await;
}

#[tokio::test]
async fn a_log_of_the_first_release_is_kept_sqlite() {
    let database = TestDatabase::empty_sqlite();
    let mut connection = SqliteConnection::connect(&format!("{}?mode=rwc", database.url())).await.unwrap();
    before(&SQLITE_MIGRATIONS, 2).run_direct(None, &mut connection, false).await.unwrap();
    for statement in rows() {
        sqlx::query(sqlx::AssertSqlSafe(&*statement)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    holds_what_it_held(database).await;
}

#[tokio::test]
async fn a_log_of_the_first_release_is_kept_postgres() {
    let database = TestDatabase::empty_postgres().await;
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    before(&POSTGRES_MIGRATIONS, 2).run_direct(None, &mut connection, false).await.unwrap();
    for statement in rows() {
        sqlx::query(sqlx::AssertSqlSafe(&*statement)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    holds_what_it_held(database).await;
}

/// The version that made search find more.
const SEARCH: i64 = 20;

/// Messages as they were kept and put into the index before search found more; the index's rows begin with `into_index`.
fn searched_rows(into_index: &str) -> Vec<String> {
    let mut rows = vec!["INSERT INTO teams (id, slug, name, created_at) VALUES (1, 'finch', 'Finch', 0)".to_owned()];
    for number in 1..=250_i64 {
        let email = EMAIL.0 + (number << 20);
        let recipients = format!(r#"[{{"kind":"to","address":"User{number}@b.example","name":"José"}}]"#);
        rows.push(format!(
            "INSERT INTO emails
             (team_id, id, recipients, from_address, subject, tags, status, status_rank, has_pdf_attachment, job_id)
             VALUES (1, {email}, '{recipients}', 'a@b.example', 'Größe {number}', '[]', 5, 70, FALSE, 1)"
        ));
        rows.push(format!(
            r#"INSERT INTO email_contents (team_id, email_id, variables, metadata)
               VALUES (1, {email}, '{{}}', '{{"order":"A-{number}"}}')"#
        ));
        rows.push(format!("{into_index} {email}, 'user{number}@b.example', 'größe {number}')"));
    }
    rows
}

async fn count_found(store: &Store, search: &str) -> i64 {
    let criteria = Criteria { sees_contents: true, ..Criteria::default() };
    let filter = EmailFilter { search: Some(search.to_owned()), criteria, ..EmailFilter::default() };
    let window = OffsetRequest { offset: 0, limit: 300, oldest_first: false };
    let page = store.list_whole_emails(TEAM, &filter, window).await.unwrap();
    assert_eq!(page.items.len() as i64, page.total.count());
    assert!(page.items.is_sorted_by(|newer, older| newer.id > older.id));
    page.total.count()
}

async fn finds_what_it_found(database: TestDatabase) {
    let store = Store::open(&database.url()).await.unwrap();
    let mut steps = 0;
    loop {
        for (search, count) in [("größe", 250), ("GRÖßE", 250), ("user7@b", 1), ("größe user7@", 1), ("er7@ 7", 1)]
        {
            assert_eq!(count_found(&store, search).await, count, "{search} after {steps} steps");
        }
        let subject = EmailFilter {
            criteria: Criteria { subject: Some("größe 12".to_owned()), ..Criteria::default() },
            ..EmailFilter::default()
        };
        assert_eq!(store.list_older_emails(TEAM, &subject, None, 300).await.unwrap().len(), 11, "after {steps} steps");
        // What a crash or another program leaves, the next step finds.
        if !store.index_some_again().await.unwrap() {
            break;
        }
        steps += 1;
    }
    assert_eq!(steps, 3);
    for (search, count) in
        [("grosse", 250), ("GRÖSSE 25", 4), ("jose", 250), ("a-12", 11), ("jose user7@", 1), ("a-", 250), ("q", 0)]
    {
        assert_eq!(count_found(&store, search).await, count, "{search}");
    }
    let left = match store.engine() {
        Engine::Sqlite => "SELECT (SELECT COUNT(*) FROM email_search) + (SELECT COUNT(*) FROM email_search_before)
            + (SELECT COUNT(*) FROM search_late) + (SELECT COUNT(*) FROM search_numbers) - (SELECT COUNT(*) FROM emails)",
        Engine::Postgres => "SELECT COUNT(*) FROM pg_indexes WHERE indexname IN
            ('email_search_recipients', 'email_search_subject', 'email_search_contents')",
    };
    assert_eq!(store.read(left).fetch_scalar::<i64>().await, Ok(0));
    store.close().await;
    database.remove().await;
}

#[tokio::test]
async fn messages_of_before_are_found_while_their_index_is_made_again_sqlite() {
    let database = TestDatabase::empty_sqlite();
    let mut connection = SqliteConnection::connect(&format!("{}?mode=rwc", database.url())).await.unwrap();
    before(&SQLITE_MIGRATIONS, SEARCH).run_direct(None, &mut connection, false).await.unwrap();
    for statement in searched_rows("INSERT INTO email_search (rowid, recipients, subject) VALUES (") {
        sqlx::query(sqlx::AssertSqlSafe(&*statement)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    finds_what_it_found(database).await;
}

#[tokio::test]
async fn messages_of_before_are_found_while_their_index_is_made_again_postgres() {
    let database = TestDatabase::empty_postgres().await;
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    before(&POSTGRES_MIGRATIONS, SEARCH).run_direct(None, &mut connection, false).await.unwrap();
    for statement in searched_rows("INSERT INTO email_search (team_id, email_id, recipients, subject) VALUES (1, ") {
        sqlx::query(sqlx::AssertSqlSafe(&*statement)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    finds_what_it_found(database).await;
}

/// The version that gave each team letters of its own in SQLite's index.
const LETTERS: i64 = 29;

#[tokio::test]
async fn messages_in_plain_letters_are_found_while_they_are_put_into_those_of_their_team() {
    let database = TestDatabase::empty_sqlite();
    let mut connection = SqliteConnection::connect(&format!("{}?mode=rwc", database.url())).await.unwrap();
    before(&SQLITE_MIGRATIONS, LETTERS).run_direct(None, &mut connection, false).await.unwrap();
    let into_index = "INSERT INTO email_search (metadata, variables, rowid, recipients, subject) VALUES ('', '',";
    for statement in searched_rows(into_index) {
        let folded = if statement.starts_with(into_index) { statement.replace("größe", "grosse") } else { statement };
        sqlx::query(sqlx::AssertSqlSafe(&*folded)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    finds_what_it_found(database).await;
}

/// The version whose index has the pieces of all words.
const GRAMS: i64 = 32;

#[tokio::test]
async fn messages_by_trigrams_are_found_while_they_are_put_in_by_pieces_sqlite() {
    let database = TestDatabase::empty_sqlite();
    let mut connection = SqliteConnection::connect(&format!("{}?mode=rwc", database.url())).await.unwrap();
    before(&SQLITE_MIGRATIONS, GRAMS).run_direct(None, &mut connection, false).await.unwrap();
    let into_index = "INSERT INTO email_search (metadata, variables, rowid, recipients, subject) VALUES ('', '',";
    for statement in searched_rows(into_index) {
        // Half of them in the letters of the team.
        let statement = match statement.strip_prefix(into_index) {
            Some(values) => {
                let values = values.replace("größe", "grosse");
                let in_letters = values.trim_end_matches("')").ends_with(['0', '2', '4', '6', '8']);
                let parts = values.split('\'').enumerate().map(|(place, part)| match place % 2 == 1 && in_letters {
                    true => in_letters_of(TEAM, part),
                    false => part.to_owned(),
                });
                format!("{into_index}{}", parts.collect::<Vec<_>>().join("'"))
            }
            None => statement,
        };
        sqlx::query(sqlx::AssertSqlSafe(&*statement)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    finds_what_it_found(database).await;
}

#[tokio::test]
async fn messages_by_trigrams_are_found_while_they_are_put_in_by_pieces_postgres() {
    let database = TestDatabase::empty_postgres().await;
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    before(&POSTGRES_MIGRATIONS, GRAMS).run_direct(None, &mut connection, false).await.unwrap();
    let into_index = "INSERT INTO email_search (version, team_id, email_id, recipients, subject) VALUES (1, 1, ";
    for statement in searched_rows(into_index) {
        let folded = if statement.starts_with(into_index) { statement.replace("größe", "grosse") } else { statement };
        sqlx::query(sqlx::AssertSqlSafe(&*folded)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    finds_what_it_found(database).await;
}

/// The version that keeps why messages failed.
const FAILURES: i64 = 21;

/// Bounced, failed and delivered messages as they were kept before.
fn failed_rows() -> Vec<String> {
    let mut rows = vec!["INSERT INTO teams (id, slug, name, created_at) VALUES (1, 'finch', 'Finch', 0)".to_owned()];
    for number in 1..=240_i64 {
        let (email, status) = (EMAIL.0 + (number << 20), [5, 6, 2][number as usize % 3]);
        rows.push(format!(
            "INSERT INTO emails
             (team_id, id, recipients, from_address, subject, tags, status, status_rank, has_pdf_attachment, job_id)
             VALUES (1, {email}, '[]', 'a@b.example', 'Hi', '[]', {status}, 70, FALSE, 1)"
        ));
        rows.push(format!(
            r#"INSERT INTO email_events (team_id, email_id, id, kind, at, detail)
               VALUES (1, {email}, 1, 'bounced', 0, '{{"reply":"552 5.2.2 Mailbox full"}}')"#
        ));
    }
    rows
}

async fn learns_why_messages_failed(database: TestDatabase) {
    let store = Store::open(&database.url()).await.unwrap();
    let count = async |store: &Store| {
        let counted = store.count_reasons(TEAM, &EmailFilter::default(), false, 5).await.unwrap();
        (counted.problems, counted.undiagnosed, counted.reasons.iter().map(|reason| reason.count).collect::<Vec<_>>())
    };
    assert_eq!(count(&store).await, (160, 160, vec![]));
    assert!(store.diagnose_some_again().await.unwrap());
    assert_eq!(count(&store).await, (160, 60, vec![100]));
    // What a crash or another program leaves, the next step finds.
    store.close().await;
    let store = Store::open(&database.url()).await.unwrap();
    while store.diagnose_some_again().await.unwrap() {}
    assert_eq!(count(&store).await, (160, 0, vec![160]));
    store.close().await;
    database.remove().await;
}

#[tokio::test]
async fn failures_of_before_are_diagnosed_while_the_program_serves_sqlite() {
    let database = TestDatabase::empty_sqlite();
    let mut connection = SqliteConnection::connect(&format!("{}?mode=rwc", database.url())).await.unwrap();
    before(&SQLITE_MIGRATIONS, FAILURES).run_direct(None, &mut connection, false).await.unwrap();
    for statement in failed_rows() {
        sqlx::query(sqlx::AssertSqlSafe(&*statement)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    learns_why_messages_failed(database).await;
}

#[tokio::test]
async fn failures_of_before_are_diagnosed_while_the_program_serves_postgres() {
    let database = TestDatabase::empty_postgres().await;
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    before(&POSTGRES_MIGRATIONS, FAILURES).run_direct(None, &mut connection, false).await.unwrap();
    for statement in failed_rows() {
        sqlx::query(sqlx::AssertSqlSafe(&*statement)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    learns_why_messages_failed(database).await;
}

/// The version that compresses bodies.
const BODIES: i64 = 30;

const SOURCE: &str = "<p>Hello {{ name }}, thank you for your order.</p>";

/// Messages of two teams with their bodies as they were kept before, every other one of a template.
fn rows_with_bodies() -> Vec<String> {
    let mut rows = Vec::new();
    for team in [1, 4] {
        rows.push(format!("INSERT INTO teams (id, slug, name, created_at) VALUES ({team}, 'team-{team}', 'Team', 0)"));
        rows.push(format!(
            "INSERT INTO templates (team_id, id, name, current_version_id, created_at) VALUES ({team}, 8, 'T', 9, 0)"
        ));
        rows.push(format!(
            "INSERT INTO template_versions (team_id, id, template_id, version, subject, html, created_at)
             VALUES ({team}, 9, 8, 1, 'Hi', '{SOURCE}', 0)"
        ));
        for number in 0..130_i64 {
            let (email, version) = (EMAIL.0 + (number << 20), if number % 2 == 0 { "9" } else { "NULL" });
            rows.push(format!(
                "INSERT INTO emails (team_id, id, template_version_id, recipients, from_address, subject, tags, status,
                     status_rank, has_pdf_attachment, job_id)
                 VALUES ({team}, {email}, {version}, '[]', 'a@b.example', 'Hi', '[]', 2, 50, FALSE, 1)"
            ));
            let (html, text) = bodies_of(team, number);
            let quoted = |body: Option<String>| body.map_or("NULL".to_owned(), |body| format!("'{body}'"));
            rows.push(format!(
                "INSERT INTO email_contents (team_id, email_id, variables, metadata, html, text)
                 VALUES ({team}, {email}, '{{}}', '{{}}', {}, {})",
                quoted(html),
                quoted(text)
            ));
        }
    }
    rows
}

/// Some have no body, and one alone is longer than what one step takes.
fn bodies_of(team: i64, number: i64) -> (Option<String>, Option<String>) {
    let html = match number {
        5 => Some("long ".repeat(1_000_000)),
        number if number % 7 == 0 => None,
        number => Some(SOURCE.replace("{{ name }}", &format!("{team}/{number}"))),
    };
    (html, (number % 3 == 0).then(|| format!("Größe {number}")))
}

async fn reads_the_bodies_it_had(database: TestDatabase) {
    let mut store = Store::open(&database.url()).await.unwrap();
    let mut steps = 0;
    loop {
        for team in [1, 4] {
            for number in [0, 1, 5, 6, 7, 21, 128, 129] {
                let id = EmailId(EMAIL.0 + (number << 20));
                let content = store.find_stored_content(TeamId(team), id).await.unwrap().unwrap().content;
                assert_eq!((content.html, content.text), bodies_of(team, number), "{team} {number}, step {steps}");
            }
        }
        if !store.pack_some_bodies().await.unwrap() {
            break;
        }
        steps += 1;
        // What a crash or another program leaves, the next step finds.
        if steps == 3 {
            store.close().await;
            store = Store::open(&database.url()).await.unwrap();
        }
    }
    let rows = store.every_row().await;
    let bytes: usize = rows["email_contents"].iter().map(String::len).sum();
    assert!(bytes < 260 * 400, "{bytes}");
    assert!(!rows["settings"].iter().any(|row| row.contains("bodies_packed_to")), "{:?}", rows["settings"]);
    store.close().await;
    database.remove().await;
}

#[tokio::test]
async fn bodies_of_before_are_read_while_they_are_compressed_sqlite() {
    let database = TestDatabase::empty_sqlite();
    let mut connection = SqliteConnection::connect(&format!("{}?mode=rwc", database.url())).await.unwrap();
    before(&SQLITE_MIGRATIONS, BODIES).run_direct(None, &mut connection, false).await.unwrap();
    for statement in rows_with_bodies() {
        sqlx::query(sqlx::AssertSqlSafe(&*statement)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    reads_the_bodies_it_had(database).await;
}

#[tokio::test]
async fn bodies_of_before_are_read_while_they_are_compressed_postgres() {
    let database = TestDatabase::empty_postgres().await;
    let mut connection = PgConnection::connect(&database.url()).await.unwrap();
    before(&POSTGRES_MIGRATIONS, BODIES).run_direct(None, &mut connection, false).await.unwrap();
    for statement in rows_with_bodies() {
        sqlx::query(sqlx::AssertSqlSafe(&*statement)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    reads_the_bodies_it_had(database).await;
}

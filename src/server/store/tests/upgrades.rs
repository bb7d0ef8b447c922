//! A database of an earlier release, brought up to date.

use std::borrow::Cow;

use sqlx::migrate::Migrator;
use sqlx::{Connection, PgConnection, SqliteConnection};

use super::TestDatabase;
use crate::domain::channel::Channel;
use crate::domain::email::EmailStatus;
use crate::domain::event::{EventKind, EventSet};
use crate::domain::filter::{RollupScope, TimeRange};
use crate::domain::ids::{ApiRequestId, EmailId, TeamId};
use crate::domain::permission::Permission;
use crate::domain::team::Role;
use crate::server::store::Store;
use crate::server::store::engine::{POSTGRES_MIGRATIONS, SQLITE_MIGRATIONS};

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

fn first_of(migrations: &Migrator) -> Migrator {
    Migrator { migrations: Cow::Owned(migrations.iter().take(1).cloned().collect()), ..Migrator::DEFAULT }
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
    first_of(&SQLITE_MIGRATIONS).run_direct(None, &mut connection, false).await.unwrap();
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
    first_of(&POSTGRES_MIGRATIONS).run_direct(None, &mut connection, false).await.unwrap();
    for statement in rows() {
        sqlx::query(sqlx::AssertSqlSafe(&*statement)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    holds_what_it_held(database).await;
}

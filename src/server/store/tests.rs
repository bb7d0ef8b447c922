//! A database of its own for every test, on either engine. Made by [crate::server::tests].

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, SqliteConnection};

use super::engine::Writers;
use super::outbox::{Lease, Queue, Share};
use super::{Engine, Limits, Store};
use crate::domain::error::AppError;
use crate::domain::ids::{AdapterId, TeamId};

/// A database that one test works in.
pub(crate) enum TestDatabase {
    /// A file in the folder for temporary files.
    Sqlite(PathBuf),
    /// A database of the server that `TEST_DATABASE_URL` names.
    Postgres(String),
}

impl TestDatabase {
    /// A new SQLite file.
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(std::env::temp_dir().join(fresh_name()).with_extension("db"))
    }

    /// A new PostgreSQL database. Without a server the test fails: a rule that holds on one engine alone does not hold.
    pub(crate) async fn postgres() -> Self {
        let name = fresh_name();
        server().await.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
        Self::Postgres(name)
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite://{}", path.display()),
            Self::Postgres(name) => {
                let mut url = url::Url::parse(&server_url()).unwrap();
                url.set_path(name);
                url.to_string()
            }
        }
    }

    /// Takes it away. Nothing may be connected to it any more.
    pub(crate) async fn remove(self) {
        match self {
            Self::Sqlite(path) => {
                for ending in ["db", "db-wal", "db-shm"] {
                    let _ = std::fs::remove_file(path.with_extension(ending));
                }
            }
            Self::Postgres(name) => {
                server().await.execute(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).await.unwrap();
            }
        }
    }
}

/// What every write needs, held by a connection of its own until it is let go: SQLite's writer, PostgreSQL's tables.
pub(crate) enum HeldWriter {
    /// In a transaction that writes.
    Sqlite(SqliteConnection),
    /// With a lock on every table that lets others read.
    Postgres(PgConnection),
}

impl HeldWriter {
    /// Takes it, as soon as those who write have ended.
    pub(crate) async fn take(url: &str) -> Self {
        if url.starts_with("sqlite://") {
            let mut connection = SqliteConnection::connect(url).await.unwrap();
            connection.execute("BEGIN IMMEDIATE").await.unwrap();
            return Self::Sqlite(connection);
        }
        let mut connection = PgConnection::connect(url).await.unwrap();
        let lock = "DO $$ DECLARE name TEXT; BEGIN
            FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
                EXECUTE format('LOCK TABLE %I IN EXCLUSIVE MODE', name);
            END LOOP; END $$";
        connection.execute("BEGIN").await.unwrap();
        connection.execute(lock).await.unwrap();
        Self::Postgres(connection)
    }

    /// Lets others write.
    pub(crate) async fn let_go(self) {
        match self {
            Self::Sqlite(connection) => connection.close().await.unwrap(),
            Self::Postgres(connection) => connection.close().await.unwrap(),
        }
    }
}

impl Queue {
    /// A queue of an adapter whose first message is due at this time.
    pub(crate) fn at(team_id: TeamId, adapter_id: AdapterId, due_at: DateTime<Utc>) -> Self {
        Self { team_id, adapter_id, due_at: super::micros(due_at), taker: None }
    }
}

impl Store {
    /// When the next message is due or the next lease ends; `None` for an empty outbox.
    pub(crate) async fn next_outbox_run(&self) -> Result<Option<DateTime<Utc>>, AppError> {
        Ok(self.list_queues().await?.iter().map(Queue::due_at).min())
    }

    /// Leases up to `limit` rows that are due, of the queue whose first is due the longest before the others.
    pub(crate) async fn lease_due(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        lease_id: i64,
        limit: usize,
    ) -> Result<Vec<Lease>, AppError> {
        let mut queues = self.list_queues().await?;
        queues.sort_by_key(Queue::due_at);
        let mut leases = Vec::new();
        for queue in queues.iter().filter(|queue| queue.due_at() <= now) {
            let count = limit - leases.len();
            if count == 0 {
                break;
            }
            let share = Share { team_id: queue.team_id, adapter_id: queue.adapter_id, count };
            leases.extend(self.lease_outbox(now, until, lease_id, &[share]).await?);
        }
        Ok(leases)
    }

    /// Gives adapters the messages that wait for them, as the worker does; how many.
    pub(crate) async fn give_all_waiting(&self, now: DateTime<Utc>) -> Result<usize, AppError> {
        let mut given = 0;
        for queue in self.list_queues().await? {
            given += self.give_waiting(&queue, now).await?;
        }
        Ok(given)
    }

    /// Opens the database as one that waits a moment alone for those who write.
    pub(crate) async fn open_impatient(url: &str) -> Self {
        let busy = Duration::from_millis(200);
        Self::open_within(url, Limits { busy, ..Limits::default() }).await.unwrap()
    }

    /// How many rows each table has that a visit could leave something in.
    pub(crate) async fn count_rows(&self) -> Vec<(&'static str, i64)> {
        let tables = [
            "sessions",
            "settings",
            "users",
            "teams",
            "memberships",
            "role_permissions",
            "invites",
            "rate_limits",
            "api_keys",
            "templates",
            "adapters",
            "emails",
            "email_events",
            "outbox",
            "notifications",
            "roles",
            "recovery_codes",
            "password_resets",
            "openid_accounts",
            "audit_log",
        ];
        let mut counts = Vec::new();
        for table in tables {
            let statement = format!("SELECT COUNT(*) FROM {table}");
            let count: i64 = self.read(statement).fetch_scalar().await.unwrap();
            counts.push((table, count));
        }
        counts
    }

    /// How many rows of a team each table has that names teams, by the table's name.
    pub(crate) async fn count_rows_of(&self, team: TeamId) -> BTreeMap<String, i64> {
        let names = match self.engine() {
            Engine::Sqlite => {
                "SELECT t.name FROM sqlite_schema t, pragma_table_info(t.name) c
                 WHERE t.type = 'table' AND c.name = 'team_id' ORDER BY t.name"
            }
            Engine::Postgres => {
                "SELECT table_name::text FROM information_schema.columns
                 WHERE table_schema = 'public' AND column_name = 'team_id' ORDER BY table_name"
            }
        };
        let tables: Vec<String> = self.read(names).fetch_scalars().await.unwrap();
        let mut counts = BTreeMap::new();
        for table in tables {
            let statement = format!("SELECT COUNT(*) FROM {table} WHERE team_id = $1");
            let count: i64 = self.read(statement).bind(team).fetch_scalar().await.unwrap();
            counts.insert(table, count);
        }
        counts
    }

    /// Every row of every table, as text, by the table's name: equal at two moments between which nothing was written.
    pub(crate) async fn every_row(&self) -> BTreeMap<String, Vec<String>> {
        let mut tables = BTreeMap::new();
        let mut reading = self.begin_reading().await.unwrap();
        match self.engine() {
            Engine::Sqlite => {
                let names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'
                    AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '_sqlx_%'";
                for name in texts(reading.read(names).fetch_scalars().await) {
                    let columns = "SELECT 'quote(\"' || name || '\")' FROM pragma_table_info($1)";
                    let columns = texts(reading.read(columns).bind(&name).fetch_scalars().await);
                    let rows = format!("SELECT {} FROM \"{name}\"", columns.join(" || ', ' || "));
                    tables.insert(name, texts(reading.read(rows).fetch_scalars().await));
                }
            }
            Engine::Postgres => {
                let names = "SELECT tablename::text FROM pg_tables
                    WHERE schemaname = 'public' AND tablename NOT LIKE '\\_sqlx\\_%'";
                for name in texts(reading.read(names).fetch_scalars().await) {
                    let rows = format!("SELECT t::text FROM \"{name}\" t");
                    tables.insert(name, texts(reading.read(rows).fetch_scalars().await));
                }
            }
        }
        assert!(tables.len() > 10, "{:?}", tables.keys());
        tables
    }
}

/// A time in which the database does not keep API requests, as if it was not available.
pub(crate) enum Outage {
    /// Somebody else writes.
    Sqlite(SqliteConnection),
    /// Its disk is full.
    Postgres,
}

impl Store {
    /// Makes the database at `url`, which is this one, not available.
    pub(crate) async fn begin_outage(&self, url: &str) -> Outage {
        match &self.db.write {
            Writers::Sqlite(write) => {
                // The connection that finds the database busy gives up at once. It is closed then; the next one waits.
                write.execute("PRAGMA busy_timeout = 20").await.unwrap();
                let mut other = SqliteConnection::connect(url).await.unwrap();
                other.execute("BEGIN IMMEDIATE").await.unwrap();
                Outage::Sqlite(other)
            }
            Writers::Postgres(pool) => {
                let full = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN RAISE EXCEPTION 'the disk is full' USING ERRCODE = 'disk_full'; END $$";
                pool.execute(full).await.unwrap();
                let trigger = "CREATE TRIGGER refuse BEFORE INSERT ON api_requests EXECUTE FUNCTION refuse()";
                pool.execute(trigger).await.unwrap();
                Outage::Postgres
            }
        }
    }

    /// Makes it available again.
    pub(crate) async fn end_outage(&self, outage: Outage) {
        match (outage, &self.db.write) {
            (Outage::Sqlite(mut other), _) => other.execute("ROLLBACK").await.map(drop).unwrap(),
            (Outage::Postgres, Writers::Postgres(pool)) => {
                pool.execute("DROP TRIGGER refuse ON api_requests").await.map(drop).unwrap();
            }
            (Outage::Postgres, Writers::Sqlite(_)) => panic!("an outage of another database"),
        }
    }
}

fn texts(found: Result<Vec<String>, AppError>) -> Vec<String> {
    let mut found = found.unwrap();
    found.sort_unstable();
    found
}

fn fresh_name() -> String {
    format!("sendlog_test_{:016x}", rand::random::<u64>())
}

fn server_url() -> String {
    std::env::var("TEST_DATABASE_URL").unwrap_or_else(|_| {
        panic!("TEST_DATABASE_URL is not set: run `make test`, or scripts/with-postgres.sh cargo test …")
    })
}

async fn server() -> PgConnection {
    let options = PgConnectOptions::from_str(&server_url()).unwrap();
    options.disable_statement_logging().connect().await.unwrap()
}

/// A database of an earlier release, brought up to date.
mod upgrades {
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
        let may = |role, permission| {
            roles.iter().any(|grants| grants.role == role && grants.permissions.contains(permission))
        };
        assert!(may(Role::Admin, Permission::EventsWrite) && !may(Role::Member, Permission::EventsWrite));
        assert!(may(Role::Member, Permission::RequestsView) && !may(Role::Viewer, Permission::RequestsView));
        store.close().await;
        database.remove().await;
    }

    #[tokio::test]
    async fn a_log_of_the_first_release_is_kept_sqlite() {
        let database = TestDatabase::sqlite();
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
        let database = TestDatabase::postgres().await;
        let mut connection = PgConnection::connect(&database.url()).await.unwrap();
        first_of(&POSTGRES_MIGRATIONS).run_direct(None, &mut connection, false).await.unwrap();
        for statement in rows() {
            sqlx::query(sqlx::AssertSqlSafe(&*statement)).execute(&mut connection).await.unwrap();
        }
        connection.close().await.unwrap();
        holds_what_it_held(database).await;
    }
}

/// With no statistics gathered, SQLite plans by the schema alone: what is asserted here holds for any number of rows.
mod query_plans {
    use sqlx::AssertSqlSafe;

    use super::TestDatabase;
    use crate::domain::api_request::ApiRequestFilter;
    use crate::domain::audit::AuditFilter;
    use crate::domain::channel::Channel;
    use crate::domain::email::EmailStatus;
    use crate::domain::event::{EventKind, EventSet};
    use crate::domain::filter::{Criteria, EmailFilter, RollupScope, StatusSet, TimeRange};
    use crate::domain::ids::{ApiKeyId, ApiRequestId, EmailId, NotificationId, TeamId, TemplateId};
    use crate::domain::notification::{NotificationChannel, NotificationFilter, NotificationState};
    use crate::domain::page::{Cursor, OffsetRequest};
    use crate::server::store::Store;
    use crate::server::store::api_keys::find_by_hash_statement;
    use crate::server::store::api_requests::{Walk, end_query, list_query};
    use crate::server::store::audit::{list_actors_statement, list_statement};
    use crate::server::store::deletion::step_statements;
    use crate::server::store::emails::log::{find_hour_statement, list_ids_query, list_rows_query, push_walk};
    use crate::server::store::emails::messages::{
        by_provider_query, copies_query, find_family_statement, variables_query,
    };
    use crate::server::store::engine::{Engine, Sql, Writers};
    use crate::server::store::events::find_namesakes_statement;
    use crate::server::store::ingest::{
        FIND_BY_ALIAS, FIND_BY_PROVIDER, FIND_EVENTS, find_emails_statement, select_in,
    };
    use crate::server::store::notifications::{Known, list_waiting_statement, push_end_of_stretch, push_entries};
    use crate::server::store::outbox::{FIND_DUE, FIND_WAITING, LIST_QUEUES};
    use crate::server::store::range::IdRange;
    use crate::server::store::search::search_sqlite_query;
    use crate::server::store::stats::{count_ids_query, list_hours_statement, sum_hours_statement};

    const TEAM: TeamId = TeamId(1);
    const TEMPLATE: TemplateId = TemplateId(2);
    const IDS: IdRange = IdRange { low: 10, high: 20 };
    const NEWEST: OffsetRequest = OffsetRequest { offset: 0, limit: 20, oldest_first: false };

    const BY_ID: &str = "SEARCH e USING PRIMARY KEY (team_id=? AND id>? AND id<?)";
    const BY_STATUS: &str = "SEARCH e USING COVERING INDEX emails_by_status (team_id=? AND status=? AND id>? AND id<?)";
    const BY_TEMPLATE: &str = "SEARCH e USING COVERING INDEX emails_by_template \
        (team_id=? AND template_id=? AND status=? AND id>? AND id<?)";
    const BY_CHANNEL: &str = "SEARCH e USING COVERING INDEX emails_by_channel \
        (team_id=? AND channel=? AND status=? AND id>? AND id<?)";
    const BY_HOUR: &str = "SEARCH email_rollups USING PRIMARY KEY (team_id=? AND template_id=? AND hour>? AND hour<?)";

    /// What SQLite would do for each of the statements, a line a step.
    async fn plans(statements: impl IntoIterator<Item = String>) -> Vec<Vec<String>> {
        let database = TestDatabase::sqlite();
        let store = Store::open(&database.url()).await.unwrap();
        let mut reading = store.begin_reading().await.unwrap();
        let mut plans = Vec::new();
        for statement in statements {
            let explain = format!("EXPLAIN QUERY PLAN {statement}");
            let rows: Vec<(i64, i64, i64, String)> = reading.read(explain).fetch_all().await.unwrap();
            plans.push(rows.into_iter().map(|row| row.3).collect());
        }
        drop(reading);
        store.close().await;
        database.remove().await;
        plans
    }

    async fn plan_of(query: Sql) -> Vec<String> {
        plans([query.text().to_owned()]).await.remove(0)
    }

    fn ids_query(statuses: &[EmailStatus], template: Option<TemplateId>) -> Sql {
        list_ids_query(Engine::Sqlite, TEAM, statuses.iter().copied().collect(), template.into(), IDS, 20, 0)
    }

    /// The steps that read messages.
    fn reads_of(plan: &[String]) -> Vec<&str> {
        let steps = plan.iter().map(String::as_str);
        steps.filter(|step| step.contains("SEARCH e ") || step.contains("rollups")).collect()
    }

    #[tokio::test]
    async fn a_page_without_filters_is_one_walk_of_the_table() {
        assert_eq!(plan_of(ids_query(&[], None)).await, [BY_ID]);
        let of_email = list_ids_query(
            Engine::Sqlite,
            TEAM,
            StatusSet::default(),
            RollupScope::Channel(Channel::Email),
            IDS,
            20,
            0,
        );
        assert_eq!(plan_of(of_email).await, [BY_ID]);
    }

    #[tokio::test]
    async fn a_page_of_another_channel_walks_its_index() {
        let of_sms =
            |statuses| list_ids_query(Engine::Sqlite, TEAM, statuses, RollupScope::Channel(Channel::Sms), IDS, 20, 0);
        assert_eq!(plan_of(of_sms(StatusSet::one(EmailStatus::Failed))).await, [BY_CHANNEL]);
        assert_eq!(reads_of(&plan_of(of_sms(StatusSet::default())).await), [BY_CHANNEL; 8]);
    }

    fn walk(filter: &EmailFilter) -> Sql {
        let mut sql = Sql::new(Engine::Sqlite, "");
        push_walk(&mut sql, TEAM, filter, IDS, NEWEST);
        sql
    }

    #[tokio::test]
    async fn rarer_conditions_are_looked_at_on_one_walk_in_order() {
        let table = "SEARCH e USING PRIMARY KEY (team_id=? AND id>? AND id<?)";
        let index = "SEARCH e USING INDEX emails_by_status (team_id=? AND status=? AND id>? AND id<?)";
        let criteria = Criteria { events: EventSet::one(EventKind::Deferred), ..Criteria::default() };
        let filter = EmailFilter { criteria, channel: Some(Channel::Email), ..EmailFilter::default() };
        assert_eq!(plan_of(walk(&filter)).await, [table]);
        let ended = StatusSet::from_iter([EmailStatus::Failed, EmailStatus::Bounced, EmailStatus::Spam]);
        assert_eq!(reads_of(&plan_of(walk(&EmailFilter { statuses: ended, ..filter })).await), [index; 3]);
        let criteria = Criteria { reply: Some("a".to_owned()), ..Criteria::default() };
        let plan = plan_of(walk(&EmailFilter { criteria, ..EmailFilter::default() })).await;
        assert!(plan[0] == table && !plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:?}");
        assert!(plan[2].starts_with("SEARCH v USING PRIMARY KEY (team_id=? AND email_id=?)"), "{plan:?}");
    }

    /// What is asked for whole: an address, a host, a person.
    fn whole_values() -> [Criteria; 6] {
        let some = || Some("nobody.example".to_owned());
        let none = Criteria::default;
        [
            Criteria { recipient: some(), ..none() },
            Criteria { server: some(), ..none() },
            Criteria { server_ip: some(), ..none() },
            Criteria { mx: some(), ..none() },
            Criteria { protocol: some(), ..none() },
            Criteria { external_user_id: some(), ..none() },
        ]
    }

    #[tokio::test]
    async fn what_is_asked_for_whole_is_found_by_an_index_sqlite() {
        for criteria in whole_values() {
            let by_key = criteria.external_user_id.is_none();
            for statuses in [StatusSet::default(), StatusSet::READ] {
                let filter = EmailFilter { statuses, criteria: criteria.clone(), ..EmailFilter::default() };
                let plan = plan_of(walk(&filter)).await;
                let reads = |step: &&String| step.starts_with("SEARCH e ");
                let first = plan.iter().find(reads).unwrap();
                if by_key {
                    assert!(first.contains("id=?)"), "{plan:?}");
                    let keys =
                        "SEARCH x USING PRIMARY KEY (team_id=? AND kind=? AND key=? AND email_id>? AND email_id<?)";
                    assert!(plan.iter().any(|step| step == keys), "{plan:?}");
                } else {
                    assert!(first.contains("emails_by_external_user (team_id=? AND external_user_id=?"), "{plan:?}");
                }
            }
        }
    }

    fn entries(engine: Engine) -> Sql {
        let filter = NotificationFilter { users: vec!["nobody-x".to_owned()], ..NotificationFilter::default() };
        let mut sql = Sql::new(engine, "");
        push_entries(&mut sql, TEAM, &filter, &Known::default(), 0, (i64::MAX, i64::MAX), 51);
        sql
    }

    /// What the log by notifications is asked for without naming anybody, with what is known of it beforehand.
    fn looked_for() -> Vec<(NotificationFilter, Known)> {
        let any = NotificationFilter::default;
        let kinds = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let templates = || Known { templates: Some(vec![7, 8]), ..Known::default() };
        vec![
            (any(), Known::default()),
            (NotificationFilter { channels: NotificationChannel::ALL.to_vec(), ..any() }, Known::default()),
            (NotificationFilter { channels: vec![NotificationChannel::WebPush], ..any() }, Known::default()),
            (NotificationFilter { states: vec![NotificationState::Failure], ..any() }, Known::default()),
            (NotificationFilter { states: NotificationState::ALL.to_vec(), ..any() }, Known::default()),
            (NotificationFilter { kinds: kinds(&["order"]), ..any() }, templates()),
            (
                NotificationFilter {
                    kinds: kinds(&["order", "paid"]),
                    channels: vec![NotificationChannel::Sms],
                    ..any()
                },
                templates(),
            ),
        ]
    }

    #[tokio::test]
    async fn what_is_looked_for_among_notifications_stays_within_a_stretch_sqlite() {
        for (filter, known) in looked_for() {
            let mut query = Sql::new(Engine::Sqlite, "");
            push_entries(&mut query, TEAM, &filter, &known, 10, (20, 20), 51);
            let mut end = Sql::new(Engine::Sqlite, "");
            push_end_of_stretch(&mut end, TEAM, &filter, &known, 10, (20, 20), 500);
            let found = plans([query.text().to_owned(), end.text().to_owned()]).await;
            let read = |table: &str| {
                let named = format!("{table} ");
                let steps = found.iter().flatten().filter(move |step| {
                    step.split_once(' ').is_some_and(|(_, rest)| format!("{rest} ").starts_with(&named))
                });
                steps.map(String::as_str).collect::<Vec<_>>()
            };
            for step in ["n", "e", "notifications", "emails"].into_iter().flat_map(read) {
                let is_bounded = step.contains("id>? AND id<?)") || step.contains("(team_id=? AND notification_id=?");
                assert!(is_bounded, "{step}\n{filter:?}\n{found:#?}");
            }
            assert!(!read("n").is_empty() && !read("notifications").is_empty(), "{found:#?}");
            let is_by_kind =
                |step: &&str| step.contains("notifications_by_kind (team_id=? AND kind=? AND id>? AND id<?)");
            assert!(filter.kinds.is_empty() || read("n").iter().any(is_by_kind), "{found:#?}");
        }
    }

    #[tokio::test]
    async fn the_log_of_a_person_is_found_by_indexes_sqlite() {
        let plan = plan_of(entries(Engine::Sqlite)).await;
        for step in [
            "SEARCH n USING PRIMARY KEY (team_id=? AND id=?)",
            "SEARCH u USING COVERING INDEX notifications_by_external_user (team_id=? AND external_user_id=?)",
            "SEARCH x USING PRIMARY KEY (team_id=? AND kind=? AND key=?)",
            "SEARCH e USING PRIMARY KEY (team_id=? AND id=?)",
            "SEARCH u USING COVERING INDEX emails_by_external_user (team_id=? AND external_user_id=?)",
        ] {
            assert!(plan.iter().any(|line| line == step), "{step}\n{plan:#?}");
        }
        assert!(!plan.iter().any(|line| line.ends_with("SCAN e") || line.ends_with("SCAN n")), "{plan:#?}");
    }

    #[tokio::test]
    async fn who_is_in_the_audit_log_is_found_by_one_look_each_sqlite() {
        let lists = [AuditFilter::default(), AuditFilter { actor_id: Some("usr_1".to_owned()), ..Default::default() }];
        let [everything, of_actor] = lists.map(|filter| list_statement(Engine::Sqlite, &filter));
        let found = plans([list_actors_statement(Engine::Sqlite), everything, of_actor]).await;
        let in_log: Vec<&String> = found[0].iter().filter(|step| step.contains("audit_log")).collect();
        assert_eq!(in_log.len(), 3, "{found:?}");
        assert!(in_log.iter().all(|step| step.contains("audit_log_by_actor (team_id=?")), "{found:?}");
        assert!(!found[0].iter().any(|step| step.contains("GROUP BY")), "{found:?}");
        assert_eq!(found[1], ["SEARCH audit_log USING PRIMARY KEY (team_id=? AND sequence<?)"]);
        assert!(found[2][0].contains("audit_log_by_actor (team_id=? AND actor_id=? AND sequence<?)"), "{found:?}");
    }

    #[tokio::test]
    async fn a_key_is_found_by_its_hash_and_its_makers_rights_by_their_keys_sqlite() {
        let plan = plans([find_by_hash_statement()]).await.remove(0);
        assert!(plan.iter().all(|step| !step.starts_with("SCAN")), "{plan:#?}");
        let searches: Vec<&String> = plan.iter().filter(|step| step.starts_with("SEARCH")).collect();
        let of = |table: &str| searches.iter().any(|step| step.starts_with(&format!("SEARCH {table} USING")));
        assert!(["k", "t", "u", "m", "p"].into_iter().all(of), "{plan:#?}");
    }

    /// A log of one team, big enough that PostgreSQL prefers an index wherever it has one.
    const FILL: [&str; 5] = [
        "INSERT INTO teams (id, slug, name, created_at) VALUES (1, 'finch', 'Finch', 0)",
        r#"INSERT INTO emails (team_id, id, recipients, from_address, subject, tags, status, status_rank,
               has_pdf_attachment, job_id, external_user_id, provider_message_id, notification_id)
           SELECT 1, n * 1048576::BIGINT, jsonb_build_array(jsonb_build_object('kind', 'to', 'address', 'a' || n || '@b.example')),
               'a@b.example', 'Hi', '[]', n % 8, 0, FALSE, n, 'user-' || n, '<' || n || '@provider>',
               CASE n % 2 WHEN 0 THEN n * 1048576::BIGINT END
           FROM generate_series(1, 20000) AS n"#,
        r#"INSERT INTO email_events (team_id, email_id, id, kind, at, detail)
           SELECT 1, n * 1048576::BIGINT, n, 'sent', 0, jsonb_build_object('server', 'mail.example', 'server_ip', '192.0.2.1',
               'mx', 'mx' || n, 'protocol', 'smtp') FROM generate_series(1, 20000) AS n"#,
        "INSERT INTO notifications (team_id, id, kind, external_user_id, warnings)
           SELECT 1, n * 1048576::BIGINT, 'order', 'user-' || n, '[]' FROM generate_series(1, 20000) AS n",
        "ANALYZE",
    ];

    #[tokio::test]
    async fn what_is_asked_for_whole_is_found_by_an_index_postgres() {
        let database = TestDatabase::postgres().await;
        let store = Store::open(&database.url()).await.unwrap();
        let Writers::Postgres(pool) = &store.db.write else { unreachable!("the address is PostgreSQL's") };
        for statement in FILL {
            sqlx::query(statement).execute(pool).await.unwrap();
        }
        let everything = IdRange { low: 0, high: i64::MAX };
        let mut plans = Vec::new();
        for criteria in whole_values() {
            let mut sql = Sql::new(Engine::Postgres, "EXPLAIN ");
            let filter = EmailFilter { criteria, ..EmailFilter::default() };
            push_walk(&mut sql, TEAM, &filter, everything, NEWEST);
            let plan: Vec<String> = store.read(sql).fetch_scalars().await.unwrap();
            plans.push(plan.join("\n"));
        }
        let plan: Vec<String> = store.read(entries(Engine::Postgres).explained()).fetch_scalars().await.unwrap();
        plans.push(plan.join("\n"));
        for plan in &plans {
            let by_index = plan.contains("email_keys_pkey") || plan.contains("emails_by_external_user");
            assert!(by_index && !plan.contains("Seq Scan on emails"), "{plan}");
            let names_rows = plan.contains("id = ANY") || plan.contains("external_user_id = ");
            assert!(names_rows && !plan.contains("Seq Scan on notifications"), "{plan}");
        }
        assert!(store.list_audit_actors(TEAM).await.unwrap().is_empty());
        store.close().await;
        database.remove().await;
    }

    /// What else is read of the log, of which PostgreSQL prefers an index too.
    const FILL_MORE: [&str; 4] = [
        "INSERT INTO email_contents (team_id, email_id, variables, metadata)
           SELECT 1, n * 1048576::BIGINT, '{}', '{}' FROM generate_series(1, 5000) AS n",
        "INSERT INTO api_requests (team_id, id, api_key_id, method, endpoint, response_status, duration_ms, at)
           SELECT 1, n * 1048576::BIGINT, n % 50, 'GET', '/api/logs', 200, 1, 0 FROM generate_series(1, 20000) AS n",
        "INSERT INTO audit_log (team_id, sequence, id, actor_kind, actor_id, actor_name, action, hash)
           SELECT 1, n, n * 1048576::BIGINT, 'user', 'usr_' || n % 3, 'ada', 'log.exported', 'x'
           FROM generate_series(1, 5000) AS n",
        "ANALYZE",
    ];

    #[tokio::test]
    async fn what_is_looked_for_stays_within_bounds_and_is_found_by_indexes_postgres() {
        let database = TestDatabase::postgres().await;
        let store = Store::open(&database.url()).await.unwrap();
        let Writers::Postgres(pool) = &store.db.write else { unreachable!("the address is PostgreSQL's") };
        for statement in FILL.into_iter().chain(FILL_MORE) {
            sqlx::query(statement).execute(pool).await.unwrap();
        }
        let plan_of = async |sql: Sql| {
            let plan: Vec<String> = store.read(sql.explained()).fetch_scalars().await.unwrap();
            plan.join("\n")
        };
        let (low, high) = (19_000 * 1_048_576, 19_500 * 1_048_576);
        for (filter, known) in looked_for() {
            let mut query = Sql::new(Engine::Postgres, "");
            push_entries(&mut query, TEAM, &filter, &known, low, (high, high), 51);
            let plan = plan_of(query).await;
            let asks_messages = !filter.channels.is_empty() || !filter.states.is_empty();
            assert!(!plan.contains("Seq Scan on emails") && !plan.contains("Seq Scan on notifications"), "{plan}");
            // Of a channel that nothing went out by, its own index is as good.
            let by_index = plan.contains("emails_by_notification") || plan.contains("emails_by_channel");
            assert!(!asks_messages || by_index, "{filter:?}\n{plan}");
            let mut end = Sql::new(Engine::Postgres, "");
            push_end_of_stretch(&mut end, TEAM, &filter, &known, 0, (high, high), 500);
            let plan = plan_of(end).await;
            assert!(!plan.contains("Seq Scan"), "{plan}");
        }
        let key = Some(ApiKeyId(7));
        // Within a stretch, as it is read.
        let range = TimeRange { from: Some(EmailId(low).created_at()), to: None };
        let deleting = ApiRequestFilter { range, method: Some("DELETE".to_owned()), ..ApiRequestFilter::default() };
        let of_key = ApiRequestFilter { api_key_id: key, ..deleting.clone() };
        for (filter, index) in [(&deleting, "api_requests_pkey"), (&of_key, "api_requests_by_key")] {
            let walk = Walk::new(filter, Cursor::After(ApiRequestId(high)));
            for plan in [
                plan_of(list_query(Engine::Postgres, TEAM, filter, walk, 51)).await,
                plan_of(end_query(Engine::Postgres, TEAM, filter.api_key_id, walk, 100)).await,
            ] {
                assert!(plan.contains(index) && !plan.contains("Seq Scan on api_requests"), "{plan}");
            }
        }
        let contents = plan_of(variables_query(Engine::Postgres, TEAM, &[EmailId(1_048_576), EmailId(2)])).await;
        assert!(contents.contains("email_contents_pkey"), "{contents}");
        let named = plan_of(by_provider_query(Engine::Postgres, TEAM, &["7@provider", "x"])).await;
        assert!(named.contains("emails_by_provider_message_id") && !named.contains("Seq Scan on emails"), "{named}");
        let criteria = Criteria { provider_message_id: Some("7@provider".to_owned()), ..Criteria::default() };
        let mut sql = Sql::new(Engine::Postgres, "");
        let filter = EmailFilter { criteria, ..EmailFilter::default() };
        push_walk(&mut sql, TEAM, &filter, IdRange { low: 0, high: i64::MAX }, NEWEST);
        let plan = plan_of(sql).await;
        assert!(plan.contains("emails_by_provider_message_id") && plan.contains("id = ANY"), "{plan}");
        assert!(!plan.contains("Seq Scan on emails"), "{plan}");
        let actors = format!("EXPLAIN {}", list_actors_statement(Engine::Postgres));
        let plan: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(actors)).bind(TEAM).bind(200_i64).fetch_all(pool).await.unwrap();
        let plan = plan.join("\n");
        assert!(plan.contains("audit_log_by_actor") && !plan.contains("Seq Scan on audit_log"), "{plan}");
        assert_eq!(store.list_audit_actors(TEAM).await.unwrap().len(), 3);
        store.close().await;
        database.remove().await;
    }

    #[tokio::test]
    async fn queues_are_found_one_behind_the_other_and_read_from_their_beginnings() {
        let steps = plans([LIST_QUEUES, FIND_DUE, FIND_WAITING].map(str::to_owned)).await;
        for plan in &steps {
            let walks = |step: &String| {
                let reads_rows = step.contains(" o ") || step.contains(" outbox ");
                reads_rows && !step.contains("COVERING INDEX") && !step.contains("(team_id=? AND adapter_id=?")
            };
            assert!(!plan.iter().any(|step| walks(step) || step.contains("TEMP B-TREE")), "{plan:?}");
        }
        let by_queue = "SEARCH outbox USING INDEX outbox_by_queue (team_id=? AND adapter_id=? AND run_at<?)";
        assert_eq!(steps[1][0], by_queue);
        assert!(steps[1][1..].iter().all(|step| !step.starts_with("SCAN")), "{:?}", steps[1]);
        assert_eq!(steps[2], [by_queue.replace(" AND run_at<?", "").replace("INDEX", "COVERING INDEX")]);
    }

    #[tokio::test]
    async fn queues_are_found_one_behind_the_other_and_read_from_their_beginnings_postgres() {
        let database = TestDatabase::postgres().await;
        let store = Store::open(&database.url()).await.unwrap();
        let Writers::Postgres(pool) = &store.db.write else { unreachable!("the address is PostgreSQL's") };
        let fill = "INSERT INTO outbox (team_id, email_id, pending, attempts, run_at, adapter_id)
            SELECT team_id, id, '[]', 0, id, id % 3 FROM emails";
        for statement in FILL[..FILL.len() - 1].iter().copied().chain([fill, "ANALYZE"]) {
            sqlx::query(statement).execute(pool).await.unwrap();
        }
        for statement in [LIST_QUEUES, FIND_DUE, FIND_WAITING] {
            let values = ["1", "0", "1048576000", "10"];
            let statement =
                (1..=4).fold(statement.to_owned(), |text, at| text.replace(&format!("${at}"), values[at - 1]));
            let plan: Vec<String> =
                sqlx::query_scalar(AssertSqlSafe(format!("EXPLAIN {statement}"))).fetch_all(pool).await.unwrap();
            let plan = plan.join("\n");
            assert!(plan.contains("outbox_by_queue") && !plan.contains("Seq Scan on outbox"), "{plan}");
        }
        assert_eq!(store.list_queues().await.unwrap().len(), 3);
        store.close().await;
        database.remove().await;
    }

    #[tokio::test]
    async fn a_step_of_deleting_walks_an_index_sqlite() {
        let statements = step_statements(Engine::Sqlite);
        for (statement, plan) in statements.iter().zip(plans(statements.clone()).await) {
            let walks = |step: &String| step.starts_with("SCAN") || step.contains("TEMP B-TREE");
            assert!(!plan.iter().any(walks), "{statement}\n{plan:#?}");
        }
    }

    #[tokio::test]
    async fn a_step_of_deleting_walks_an_index_postgres() {
        let database = TestDatabase::postgres().await;
        let store = Store::open(&database.url()).await.unwrap();
        let Writers::Postgres(pool) = &store.db.write else { unreachable!("the address is PostgreSQL's") };
        for statement in FILL {
            sqlx::query(statement).execute(pool).await.unwrap();
        }
        let mut seen = 0;
        for statement in step_statements(Engine::Postgres) {
            // The tables that FILL fills.
            if !["emails", "email_events", "email_keys", "notifications"]
                .iter()
                .any(|table| statement.starts_with(&format!("DELETE FROM {table} ")))
            {
                continue;
            }
            seen += 1;
            let statement = statement.replace("$1", "1").replace("$2", "200").replace("$3", "1000000000000");
            let plan: Vec<String> =
                sqlx::query_scalar(AssertSqlSafe(format!("EXPLAIN {statement}"))).fetch_all(pool).await.unwrap();
            let plan = plan.join("\n");
            assert!(plan.contains("Tid Scan") && !plan.contains("Seq Scan"), "{statement}\n{plan}");
        }
        assert_eq!(seen, 6);
        store.close().await;
        database.remove().await;
    }

    #[tokio::test]
    async fn a_message_is_looked_up_by_its_ids() {
        let own = Criteria { email_id: Some(EmailId(12)), ..Criteria::default() };
        let providers = Criteria { provider_message_id: Some("a".to_owned()), ..Criteria::default() };
        for criteria in [own, providers.clone()] {
            let plan = plan_of(walk(&EmailFilter { criteria, ..EmailFilter::default() })).await;
            assert!(plan[0].starts_with("SEARCH e USING PRIMARY KEY (team_id=? AND id=?)"), "{plan:?}");
        }
        let in_walk = plan_of(walk(&EmailFilter { criteria: providers, ..EmailFilter::default() })).await;
        let alone = plan_of(by_provider_query(Engine::Sqlite, TEAM, &["a", "b"])).await;
        for (plan, emails, aliases) in [(in_walk, "p", "a"), (alone, "emails", "email_aliases")] {
            for step in [
                format!(
                    "SEARCH {emails} USING COVERING INDEX emails_by_provider_message_id (team_id=? AND provider_message_id=?)"
                ),
                format!("SEARCH {aliases} USING PRIMARY KEY (team_id=? AND alias=?)"),
            ] {
                assert!(plan.contains(&step), "{step}\n{plan:#?}");
            }
        }
        let notification = Criteria { notification_id: Some(NotificationId(9)), ..Criteria::default() };
        let filter = EmailFilter { criteria: notification, statuses: StatusSet::READ, ..EmailFilter::default() };
        let parts = plan_of(walk(&filter)).await;
        assert!(parts[0].contains("emails_by_notification (team_id=? AND notification_id=?"), "{parts:?}");
        let variables = plan_of(variables_query(Engine::Sqlite, TEAM, &[EmailId(11), EmailId(12)])).await;
        assert!(
            variables[0].starts_with("SEARCH email_contents ") && variables[0].ends_with("(team_id=? AND email_id=?)"),
            "{variables:?}"
        );
    }

    #[tokio::test]
    async fn the_log_of_requests_is_one_walk_of_its_table() {
        let any = ApiRequestFilter::default();
        let refused = ApiRequestFilter { status_class: Some(4), method: Some("GET".to_owned()), ..any.clone() };
        let of_key = ApiRequestFilter { api_key_id: Some(ApiKeyId(7)), ..refused.clone() };
        let (by_id, by_key) = (
            "SEARCH r USING PRIMARY KEY (team_id=? AND id>? AND id<?)",
            "INDEX api_requests_by_key (team_id=? AND api_key_id=? AND id>? AND id<?)",
        );
        for (filter, step) in [(any, by_id), (refused, by_id), (of_key, by_key)] {
            for cursor in [Cursor::After(ApiRequestId(20)), Cursor::Before(ApiRequestId(20))] {
                let walk = Walk::new(&filter, cursor);
                let plan = plan_of(list_query(Engine::Sqlite, TEAM, &filter, walk, 20)).await;
                assert!(plan[0].contains(step), "{plan:?}");
                assert_eq!(plan[1..], ["SEARCH k USING PRIMARY KEY (team_id=? AND id=?) LEFT-JOIN"]);
                let end = plan_of(end_query(Engine::Sqlite, TEAM, filter.api_key_id, walk, 100)).await;
                assert!(end.len() == 1 && end[0].contains(step), "{end:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_page_of_one_status_is_one_walk_of_its_index() {
        for status in EmailStatus::ALL {
            assert_eq!(plan_of(ids_query(&[status], None)).await, [BY_STATUS]);
        }
    }

    #[tokio::test]
    async fn a_page_of_one_template_and_status_is_one_walk_of_its_index() {
        assert_eq!(plan_of(ids_query(&[EmailStatus::Bounced], Some(TEMPLATE))).await, [BY_TEMPLATE]);
    }

    #[tokio::test]
    async fn a_page_of_several_statuses_walks_each_of_their_indexes() {
        let arrived: Vec<EmailStatus> = StatusSet::ARRIVED.iter().collect();
        assert_eq!(reads_of(&plan_of(ids_query(&arrived, None)).await), [BY_STATUS; 3]);
        assert_eq!(reads_of(&plan_of(ids_query(&[], Some(TEMPLATE))).await), [BY_TEMPLATE; 8]);
    }

    #[tokio::test]
    async fn rows_are_fetched_by_their_ids() {
        let plan = plan_of(list_rows_query(Engine::Sqlite, TEAM, &[11, 12])).await;
        assert_eq!(
            plan,
            [
                "SEARCH e USING PRIMARY KEY (team_id=? AND id=?)",
                "SEARCH t USING PRIMARY KEY (team_id=? AND id=?) LEFT-JOIN",
            ]
        );
    }

    #[tokio::test]
    async fn copies_and_a_persons_waiting_messages_are_looked_up_in_indexes() {
        let copies = plan_of(copies_query(Engine::Sqlite, TEAM, &[11, 12])).await;
        assert!(copies[0].contains("emails_by_resend_of (team_id=? AND resend_of=?)"), "{copies:?}");
        let waiting = plans([list_waiting_statement(Engine::Sqlite)]).await.remove(0);
        assert_eq!(
            waiting[..3],
            [
                "SEARCH n USING INDEX notifications_by_external_user (team_id=? AND external_user_id=?)",
                "SEARCH e USING COVERING INDEX emails_by_notification (team_id=? AND notification_id=?)",
                "SEARCH o USING PRIMARY KEY (team_id=? AND email_id=?)",
            ]
        );
    }

    #[tokio::test]
    async fn a_family_is_looked_up_in_indexes() {
        let plan = plans([find_family_statement()]).await.remove(0);
        let is_scan = |step: &String| step.starts_with("SCAN e") || step.starts_with("SCAN o");
        assert!(!plan.iter().any(is_scan), "{plan:?}");
        assert!(plan.iter().any(|step| step.contains("emails_by_resend_of (team_id=? AND resend_of=?)")), "{plan:?}");
        let is_walk = |step: &String| step.starts_with("SEARCH e ") && step.ends_with("(team_id=?)");
        assert!(!plan.iter().any(is_walk), "{plan:?}");
    }

    #[tokio::test]
    async fn what_reported_events_are_about_is_looked_up_in_indexes() {
        let texts = ["a", "b"];
        let select =
            |select: &'static str, column: &str, end: &str| select_in(Engine::Sqlite, select, TEAM, column, texts, end);
        let by_provider = select(FIND_BY_PROVIDER, "provider_message_id", " GROUP BY provider_message_id");
        let found =
            "SEARCH emails USING COVERING INDEX emails_by_provider_message_id (team_id=? AND provider_message_id=?)";
        assert_eq!(plan_of(by_provider).await, [found]);
        let events = select(FIND_EVENTS, "provider_event_id", "");
        let found = "SEARCH email_events USING COVERING INDEX email_events_provider_event_id \
            (team_id=? AND provider_event_id=?)";
        assert_eq!(plan_of(events).await, [found]);
        let by_alias = select(FIND_BY_ALIAS, "alias", " GROUP BY alias");
        assert_eq!(plan_of(by_alias).await, ["SEARCH email_aliases USING PRIMARY KEY (team_id=? AND alias=?)"]);
        let namesakes = plans([find_namesakes_statement(Engine::Sqlite)]).await.remove(0);
        assert!(
            !namesakes.iter().any(|step| step.starts_with("SCAN emails") || step.contains("SCAN n")),
            "{namesakes:?}"
        );
        let ids = [EmailId(11), EmailId(12)];
        let emails = select_in(Engine::Sqlite, find_emails_statement(), TEAM, "id", ids, " ORDER BY id");
        assert_eq!(plan_of(emails).await, ["SEARCH emails USING PRIMARY KEY (team_id=? AND id=?)"]);
    }

    #[tokio::test]
    async fn pieces_of_an_hour_are_counted_in_indexes() {
        assert_eq!(
            reads_of(&plan_of(count_ids_query(Engine::Sqlite, TEAM, RollupScope::All, IDS)).await),
            [BY_STATUS; 8]
        );
        assert_eq!(
            reads_of(&plan_of(count_ids_query(Engine::Sqlite, TEAM, RollupScope::Template(TEMPLATE), IDS)).await),
            [BY_TEMPLATE; 8]
        );
    }

    #[tokio::test]
    async fn whole_hours_come_from_the_rollups() {
        let far_page = find_hour_statement(StatusSet::READ);
        for plan in plans([sum_hours_statement(), list_hours_statement(), far_page]).await {
            assert_eq!(reads_of(&plan), [BY_HOUR]);
            assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:?}");
        }
    }

    #[tokio::test]
    async fn a_search_walks_the_index_of_trigrams_and_looks_each_match_up() {
        let by_id = "SEARCH e USING PRIMARY KEY (team_id=? AND id=?)";
        let by_status = "SEARCH e USING COVERING INDEX emails_by_status (team_id=? AND status=? AND id=?)";
        let by_both = "SEARCH e USING COVERING INDEX emails_by_template \
            (team_id=? AND template_id=? AND status=? AND id=?)";
        for (statuses, template_id, look_up) in [
            (StatusSet::default(), None, by_id),
            (StatusSet::default(), Some(TEMPLATE), by_id),
            (StatusSet::one(EmailStatus::Bounced), None, by_status),
            (StatusSet::READ, None, by_status),
            (StatusSet::READ, Some(TEMPLATE), by_both),
        ] {
            let filter = EmailFilter { statuses, template_id, ..EmailFilter::default() };
            let plan = plan_of(search_sqlite_query(TEAM, &filter, "finch", IDS, NEWEST)).await;
            assert!(plan[0].starts_with("SCAN s VIRTUAL TABLE INDEX"), "{plan:?}");
            assert_eq!(plan[1..], [look_up]);
        }
    }
}

impl Store {
    /// Runs a statement past every function, as somebody with a shell on the server would.
    pub(crate) async fn try_statement(&self, statement: &str) -> Result<(), sqlx::Error> {
        match &self.db.write {
            Writers::Sqlite(write) => sqlx::query(AssertSqlSafe(statement)).execute(write).await.map(drop),
            Writers::Postgres(pool) => sqlx::query(AssertSqlSafe(statement)).execute(pool).await.map(drop),
        }
    }

    /// The same by somebody who also takes the audit log's triggers away for the moment.
    pub(crate) async fn break_in(&self, statement: &str) {
        match &self.db.write {
            Writers::Sqlite(write) => {
                let triggers: Vec<(String, String)> = sqlx::query_as(
                    "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_log'",
                )
                .fetch_all(write)
                .await
                .unwrap();
                assert_eq!(triggers.len(), 2);
                for (name, _) in &triggers {
                    sqlx::query(AssertSqlSafe(format!("DROP TRIGGER {name}"))).execute(write).await.unwrap();
                }
                sqlx::query(AssertSqlSafe(statement)).execute(write).await.unwrap();
                for (_, sql) in triggers {
                    sqlx::query(AssertSqlSafe(sql)).execute(write).await.unwrap();
                }
            }
            Writers::Postgres(pool) => {
                sqlx::query("ALTER TABLE audit_log DISABLE TRIGGER ALL").execute(pool).await.unwrap();
                sqlx::query(AssertSqlSafe(statement)).execute(pool).await.unwrap();
                sqlx::query("ALTER TABLE audit_log ENABLE TRIGGER ALL").execute(pool).await.unwrap();
            }
        }
    }
}

/// What only reads ends at a limit, and with its caller.
mod reading {
    use std::time::Duration;

    use futures_util::future::join_all;
    use tokio::time::{sleep, timeout};

    use super::super::engine::{Engine, PLACES, Writers};
    use super::{Limits, Store, TestDatabase};
    use crate::domain::error::AppError;

    async fn open(database: &TestDatabase, read: Duration) -> Store {
        Store::open_within(&database.url(), Limits { read, ..Limits::default() }).await.unwrap()
    }

    impl Store {
        /// Reads without an end.
        async fn read_slowly(&self) -> Result<i64, AppError> {
            let statement = match self.engine() {
                Engine::Sqlite => {
                    "WITH RECURSIVE slow (n) AS (SELECT COUNT(*) FROM teams UNION ALL SELECT n + 1 FROM slow)
                     SELECT COUNT(*) FROM slow"
                }
                Engine::Postgres => "SELECT COUNT(*) FROM teams, pg_sleep(3600) AS slow",
            };
            self.read(statement).fetch_scalar().await
        }

        /// Whether one of those still runs. SQLite cannot empty its log while somebody reads, and waits a while for that.
        async fn reads_slowly(&self) -> bool {
            match &self.db.write {
                Writers::Sqlite(write) => {
                    let emptied: (i64, i64, i64) =
                        sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(write).await.unwrap();
                    emptied.0 != 0
                }
                Writers::Postgres(pool) => {
                    let running = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()
                        AND state = 'active' AND query LIKE '%AS slow' AND pid <> pg_backend_pid()";
                    sqlx::query_scalar::<_, i64>(running).fetch_one(pool).await.unwrap() > 0
                }
            }
        }
    }

    async fn a_read_is_stopped_at_its_limit(database: TestDatabase) {
        let store = open(&database, Duration::from_millis(100)).await;
        for _ in 0..=PLACES {
            assert_eq!(store.read_slowly().await, Err(AppError::TooSlow));
        }
        assert_eq!(store.count_rows().await[0], ("sessions", 0));
        assert!(!store.reads_slowly().await);
        store.close().await;
        database.remove().await;
    }

    async fn a_read_stops_when_its_caller_leaves(database: TestDatabase) {
        let store = open(&database, Duration::from_secs(3600)).await;
        let callers = (0..PLACES).map(|_| timeout(Duration::from_millis(300), store.read_slowly()));
        assert!(join_all(callers).await.iter().all(Result::is_err));
        let mut looks = 0;
        while store.reads_slowly().await {
            looks += 1;
            assert!(looks < 200, "a statement runs on");
            sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(store.count_rows().await[0], ("sessions", 0));
        store.close().await;
        database.remove().await;
    }

    #[tokio::test]
    async fn a_read_is_stopped_at_its_limit_sqlite() {
        a_read_is_stopped_at_its_limit(TestDatabase::sqlite()).await;
    }

    #[tokio::test]
    async fn a_read_is_stopped_at_its_limit_postgres() {
        a_read_is_stopped_at_its_limit(TestDatabase::postgres().await).await;
    }

    #[tokio::test]
    async fn a_read_stops_when_its_caller_leaves_sqlite() {
        a_read_stops_when_its_caller_leaves(TestDatabase::sqlite()).await;
    }

    #[tokio::test]
    async fn a_read_stops_when_its_caller_leaves_postgres() {
        a_read_stops_when_its_caller_leaves(TestDatabase::postgres().await).await;
    }
}

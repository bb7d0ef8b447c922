//! The databases that are measured: receipts and the like over ninety days, of fifty teams, the second half as large as the
//! first, the third a third, and so on; made once and kept in target/bench-data.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sendlog::domain::adapter::{Adapter, AdapterKind};
use sendlog::domain::api_key::{ApiKey, KeyLimits};
use sendlog::domain::audit::AuditAction;
use sendlog::domain::channel::Channel;
use sendlog::domain::email::{Recipient, RecipientKind};
use sendlog::domain::event::{EmailEvent, EventDetail, EventKind};
use sendlog::domain::ids::{
    AdapterId, ApiKeyId, EmailId, EventId, JobId, TeamId, TemplateId, TemplateVersionId, lowest_id_at,
};
use sendlog::domain::permission::PermissionSet;
use sendlog::domain::template::{Template, TemplateSource, TemplateVersion};
use sendlog::domain::tracking::TemplateTracking;
use sendlog::server::App;
use sendlog::server::clock::Clock;
use sendlog::server::config::Config;
use sendlog::server::secrets::{SecretKey, token_hash};
use sendlog::server::services::{accounts, audit, teams};
use sendlog::server::store::Store;
use sendlog::server::store::bulk::HistoricEmail;
use sendlog::server::store::emails::NewEmail;
use sendlog::server::store::events::EmailFacts;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection};
use tokio::task::JoinSet;

use super::{Outcome, grouped};

/// The account's address.
pub const EMAIL: &str = "bench@finch.example";
/// The account's password.
pub const PASSWORD: &str = "correct horse battery";
/// How many teams have a share of the messages.
pub const TEAMS: usize = 50;
/// The secret of the largest team's API key.
pub const API_KEY: &str = "sl_bench0000000000000000000000000000000000000";
/// A word that one address holds.
pub const RARE: &str = "zimtstern";

const DAYS: i64 = 90;
/// Messages that are made together, over all teams.
const BATCH: usize = 50_000;
/// How many teams' messages are inserted at a time.
const AT_ONCE: usize = 3;
/// The form of what is in the databases: another one makes them anew.
const FORM: &str = "3";

/// A kept database is made anew after this time, so that its last thirty days stay full.
const KEPT_FOR: Duration = Duration::from_secs(36 * 3600);

const TEMPLATES: [(&str, &str); 9] = [
    ("Order receipt", "Your receipt for order #{{ order }}"),
    ("Shipping update", "Your package is out for delivery"),
    ("Verify email", "Confirm your email address"),
    ("Welcome", "Welcome to Finch"),
    ("Password reset", "Reset your password"),
    ("Invoice reminder", "Invoice INV-{{ order }} is due tomorrow"),
    ("Booking", "Your booking in Lisbon is confirmed"),
    ("Digest", "3 new comments on “Q4 roadmap”"),
    ("Security alert", "New sign-in from Firefox on Linux"),
];

/// What all templates say: of the length that receipts have.
const HTML: &str = include_str!("receipt.html");
const TEXT: &str = include_str!("receipt.txt");

const FIRST_NAMES: [&str; 12] =
    ["maya", "tomas", "aiko", "priya", "jonas", "chidi", "elena", "sam", "fatima", "lucas", "grace", "ola"];
const LAST_NAMES: [&str; 16] = [
    "lindqvist",
    "herrera",
    "tanaka",
    "raman",
    "weber",
    "okafor",
    "petrova",
    "oneill",
    "zahra",
    "moreau",
    "kim",
    "nordmann",
    "carter",
    "williams",
    "schmidt",
    "rossi",
];
const DOMAINS: [&str; 8] = [
    "northwind.example",
    "heliolabs.example",
    "kumo.example",
    "mail.example",
    "webmail.example",
    "fjord.example",
    "inbox.test",
    "acme.test",
];

/// A database with messages.
pub struct Data {
    /// How many messages it held when it was made.
    pub rows: usize,
    /// Its address.
    pub database_url: String,
    /// When its last message was accepted.
    pub end: DateTime<Utc>,
    /// The team.
    pub team_id: i64,
    /// The most used template, as the API names it.
    pub template_id: String,
    /// The same as the database holds it.
    pub raw_template_id: i64,
}

/// The secret of a team's API key, the largest team's first.
pub fn api_key(team: usize) -> String {
    format!("sl_bench{team:037}")
}

/// A team by its share of the messages: the `n`th has `1/n` of what the first has.
pub fn any_team(rng: &mut ChaCha8Rng) -> usize {
    let shares = |count: usize| (1..=count).map(|place| 1.0 / place as f64).sum::<f64>();
    let mut left = rng.random_range(0.0..shares(TEAMS));
    for team in 0..TEAMS {
        left -= 1.0 / (team + 1) as f64;
        if left < 0.0 {
            return team;
        }
    }
    TEAMS - 1
}

/// The folder of the databases.
pub fn folder() -> Outcome<PathBuf> {
    let program = Path::new(env!("CARGO_BIN_EXE_sendlog"));
    let target = program.parent().and_then(Path::parent).ok_or("the program lies in no target folder")?;
    let folder = target.join("bench-data");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Makes a database of `rows` messages, unless a young one is there.
pub async fn prepare(rows: usize, postgres: Option<&str>) -> Outcome<Data> {
    let database_url = match postgres {
        Some(url) => prepare_schema(url, rows).await?,
        None => {
            let path = folder()?.join(format!("log-{FORM}-{rows}.db"));
            if is_old(&path) {
                remove(&path);
            }
            format!("sqlite://{}", path.display())
        }
    };
    let app = open(&database_url).await?;
    if app.store.setting("bench_end").await?.is_none() {
        eprintln!("making {} messages", grouped(rows));
        let started = Instant::now();
        let index = drop_index(&database_url).await?;
        fill(&app, rows).await?;
        if let Some(definition) = index {
            make_index(&database_url, definition).await?;
        }
        eprintln!("made them in {:.0} s", started.elapsed().as_secs_f64());
    }
    forget_requests(&database_url).await?;
    let end = app.store.setting("bench_end").await?.unwrap_or_default().parse()?;
    let team = app.store.find_team_by_slug("bench").await?.ok_or("the bench's team is gone")?;
    let templates = app.store.list_templates(team.id).await?;
    let template = templates.iter().find(|template| template.name == TEMPLATES[0].0).ok_or("a template is gone")?;
    app.store.close().await;
    Ok(Data {
        rows,
        database_url,
        end,
        team_id: team.id.0,
        template_id: template.id.to_string(),
        raw_template_id: template.id.0,
    })
}

impl Data {
    /// What the table calls it.
    pub fn label(&self) -> String {
        let engine = if self.is_sqlite() { "SQLite" } else { "PostgreSQL" };
        format!("{}, {} messages", engine, grouped(self.rows))
    }

    /// Whether it is SQLite's; PostgreSQL's otherwise.
    pub fn is_sqlite(&self) -> bool {
        self.database_url.starts_with("sqlite:")
    }

    /// An app over it.
    pub async fn app(&self) -> Outcome<App> {
        open(&self.database_url).await
    }

    /// The bytes of the database, all in, a message.
    pub async fn bytes_a_message(&self) -> Outcome<f64> {
        let bytes: i64 = if self.is_sqlite() {
            let mut connection = sqlx::SqliteConnection::connect(&self.database_url).await?;
            sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await?;
            let statement = "SELECT (page_count - freelist_count) * page_size
                FROM pragma_page_count, pragma_freelist_count, pragma_page_size";
            let bytes = sqlx::query_scalar(statement).fetch_one(&mut connection).await?;
            connection.close().await?;
            bytes
        } else {
            let mut connection = sqlx::PgConnection::connect(&self.database_url).await?;
            let statement = "SELECT SUM(pg_total_relation_size(oid))::BIGINT FROM pg_class
                WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace";
            let bytes = sqlx::query_scalar(statement).fetch_one(&mut connection).await?;
            connection.close().await?;
            bytes
        };
        Ok(bytes as f64 / self.rows as f64)
    }

    /// Which tables and indexes these are, the largest first.
    pub async fn bytes_by_table(&self) -> Outcome<Vec<(String, i64)>> {
        const MOST: i64 = 12;
        if self.is_sqlite() {
            let mut connection = sqlx::SqliteConnection::connect(&self.database_url).await?;
            let statement =
                "SELECT name, SUM(pgsize) FROM dbstat WHERE aggregate = 1 GROUP BY name ORDER BY 2 DESC LIMIT $1";
            let tables = sqlx::query_as(statement).bind(MOST).fetch_all(&mut connection).await?;
            connection.close().await?;
            return Ok(tables);
        }
        let mut connection = sqlx::PgConnection::connect(&self.database_url).await?;
        let statement = "SELECT relname::TEXT, pg_table_size(oid)::BIGINT FROM pg_class
            WHERE relkind IN ('r', 'i') AND relnamespace = current_schema()::regnamespace ORDER BY 2 DESC LIMIT $1";
        let tables = sqlx::query_as(statement).bind(MOST).fetch_all(&mut connection).await?;
        connection.close().await?;
        Ok(tables)
    }

    /// Messages of the largest team, over all its time, as the API names them.
    pub async fn some_messages(&self) -> Outcome<Vec<String>> {
        const STATEMENT: &str = "SELECT id FROM emails WHERE team_id = $1 AND id >= $2 ORDER BY id LIMIT 1";
        let mut ids: Vec<i64> = Vec::new();
        macro_rules! find {
            ($connection:expr) => {{
                let mut connection = $connection;
                for hours in 1..DAYS * 24 {
                    let from = lowest_id_at(self.end - TimeDelta::hours(hours));
                    let id =
                        sqlx::query_scalar(STATEMENT).bind(self.team_id).bind(from).fetch_optional(&mut connection);
                    let id: Option<i64> = id.await?;
                    ids.extend(id);
                }
                connection.close().await?;
            }};
        }
        if self.is_sqlite() {
            find!(sqlx::SqliteConnection::connect(&self.database_url).await?);
        } else {
            find!(sqlx::PgConnection::connect(&self.database_url).await?);
        }
        Ok(ids.into_iter().map(|id| EmailId(id).to_string()).collect())
    }

    /// A copy of a SQLite database, to write to. Nothing has it open.
    pub fn copy(&self, name: &str) -> Outcome<Data> {
        let path = folder()?.join(format!("{name}.db"));
        remove(&path);
        std::fs::copy(self.database_url.trim_start_matches("sqlite://"), &path)?;
        Ok(Data {
            database_url: format!("sqlite://{}", path.display()),
            template_id: self.template_id.clone(),
            ..*self
        })
    }

    /// Counts the messages of a span of time from the table; the time in milliseconds (the best of three), and the
    /// count.
    pub async fn count_by_sql(&self, from: DateTime<Utc>, to: DateTime<Utc>) -> Outcome<(f64, i64)> {
        const STATEMENT: &str =
            "SELECT status, COUNT(*) FROM emails WHERE team_id = $1 AND id >= $2 AND id < $3 GROUP BY status";
        let (low, high) = (lowest_id_at(from), lowest_id_at(to + TimeDelta::milliseconds(1)));
        let (mut best_ms, mut total) = (f64::INFINITY, 0);
        macro_rules! count {
            ($connection:expr, $Status:ty) => {{
                let mut connection = $connection;
                for _ in 0..3 {
                    let started = Instant::now();
                    let rows: Vec<($Status, i64)> = sqlx::query_as(STATEMENT)
                        .bind(self.team_id)
                        .bind(low)
                        .bind(high)
                        .fetch_all(&mut connection)
                        .await?;
                    best_ms = best_ms.min(started.elapsed().as_secs_f64() * 1000.0);
                    total = rows.iter().map(|(_, count)| count).sum();
                }
                connection.close().await?;
            }};
        }
        if self.is_sqlite() {
            count!(sqlx::SqliteConnection::connect(&self.database_url).await?, i64);
        } else {
            count!(sqlx::PgConnection::connect(&self.database_url).await?, i16);
        }
        Ok((best_ms, total))
    }

    /// An id after every id in use, different for each `lane`.
    pub fn next_raw_id(&self, lane: usize) -> i64 {
        lowest_id_at(self.end + TimeDelta::seconds(1 + lane as i64))
    }

    /// The body of a request that sends a message.
    pub fn send_body(&self) -> String {
        json!({
            "templateId": self.template_id, "to": "Maya Lindqvist <maya.lindqvist@northwind.example>",
            "variables": { "name": "Maya", "order": "48213" }, "tags": ["bench"],
        })
        .to_string()
    }
}

/// Empties the log of API requests, which earlier measurements have filled.
async fn forget_requests(database_url: &str) -> Outcome<()> {
    macro_rules! forget {
        ($connection:expr) => {{
            let mut connection = $connection;
            sqlx::query("DELETE FROM api_requests").execute(&mut connection).await?;
            connection.close().await?;
        }};
    }
    if database_url.starts_with("sqlite:") {
        forget!(sqlx::SqliteConnection::connect(database_url).await?);
    } else {
        forget!(sqlx::PgConnection::connect(database_url).await?);
    }
    Ok(())
}

fn is_old(path: &Path) -> bool {
    let age = std::fs::metadata(path).and_then(|file| file.created()).ok().and_then(|made| made.elapsed().ok());
    age.is_some_and(|age| age > KEPT_FOR)
}

fn remove(path: &Path) {
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{ending}", path.display()));
    }
}

/// A schema for each size. The extension stands in `public`, where all of them find it.
async fn prepare_schema(url: &str, rows: usize) -> Outcome<String> {
    let schema = format!("bench_{FORM}_{rows}");
    let mut connection = sqlx::PgConnection::connect(url).await?;
    sqlx::query("CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public").execute(&mut connection).await?;
    sqlx::query(AssertSqlSafe(format!("CREATE SCHEMA IF NOT EXISTS {schema}"))).execute(&mut connection).await?;
    connection.close().await?;
    let separator = if url.contains('?') { '&' } else { '?' };
    Ok(format!("{url}{separator}options[search_path]={schema},public"))
}

async fn open(database_url: &str) -> Outcome<App> {
    let store = Store::open(database_url).await?;
    let key: SecretKey = "5e".repeat(32).parse()?;
    let config = Config { allow_private_adapters: true, ..Config::at(([127, 0, 0, 1], 0).into()) };
    Ok(App::new(store, Clock::system(), config, key))
}

async fn fill(app: &App, rows: usize) -> Outcome<()> {
    let end = app.clock.now() - TimeDelta::minutes(1);
    let user = accounts::create_user(app, EMAIL, "Bench", PASSWORD.to_owned(), Some("Europe/Berlin")).await?;
    let mut settings = Vec::new();
    for number in 0..TEAMS {
        let (name, owner) = match number {
            0 => ("Bench".to_owned(), Some(user)),
            _ => (format!("Bench {number}"), None),
        };
        let team = teams::create_team_of(app, &name, owner).await?.id;
        settings.push(set_up(app, team, number).await?);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let step_us = TimeDelta::days(DAYS).num_microseconds().unwrap_or(i64::MAX) / rows as i64;
    let (mut number, mut has_rare) = (0, false);
    while number < rows {
        let mut batches = [const { Vec::new() }; TEAMS];
        let end_of_batch = rows.min(number + BATCH);
        while number < end_of_batch {
            let team = any_team(&mut rng);
            let is_rare = team == 0 && !has_rare && number > rows / 4 * 3;
            has_rare |= is_rare;
            let age = TimeDelta::microseconds(step_us * (rows - number) as i64);
            batches[team].push(message(&mut rng, &settings[team], end - age, number, is_rare));
            number += 1;
        }
        insert_at_once(app, settings.iter().map(|setting| setting.team).zip(batches)).await?;
        eprint!("\r{} of {}", grouped(number), grouped(rows));
    }
    eprintln!();
    app.store.set_setting("bench_end", Some(&end.to_rfc3339())).await?;
    Ok(())
}

/// Inserts the messages of teams, several teams' at a time: while one is written, others are prepared.
async fn insert_at_once(app: &App, batches: impl Iterator<Item = (TeamId, Vec<HistoricEmail>)>) -> Outcome<()> {
    let mut inserts = JoinSet::new();
    for (team, batch) in batches {
        while inserts.len() >= AT_ONCE {
            inserts.join_next().await.transpose()?.transpose()?;
        }
        let store = app.store.clone();
        inserts.spawn(async move { store.insert_history(team, &batch).await });
    }
    while let Some(inserted) = inserts.join_next().await {
        inserted??;
    }
    Ok(())
}

/// Takes the index of pieces away, which is quicker made at once over all rows; what makes it again.
async fn drop_index(database_url: &str) -> Outcome<Option<String>> {
    if database_url.starts_with("sqlite:") {
        return Ok(None);
    }
    let mut connection = sqlx::PgConnection::connect(database_url).await?;
    let statement = "SELECT indexdef FROM pg_indexes
        WHERE schemaname = current_schema() AND indexname = 'email_search_grams'";
    let definition: Option<String> = sqlx::query_scalar(statement).fetch_optional(&mut connection).await?;
    sqlx::query("DROP INDEX IF EXISTS email_search_grams").execute(&mut connection).await?;
    connection.close().await?;
    Ok(definition)
}

/// Makes the index again, and gathers what PostgreSQL plans by.
async fn make_index(database_url: &str, definition: String) -> Outcome<()> {
    let mut connection = sqlx::PgConnection::connect(database_url).await?;
    sqlx::query("SET maintenance_work_mem = '1GB'").execute(&mut connection).await?;
    sqlx::query(AssertSqlSafe(definition)).execute(&mut connection).await?;
    sqlx::query("VACUUM ANALYZE").execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// What messages refer to.
struct Setting {
    team: TeamId,
    key: ApiKeyId,
    adapter: AdapterId,
    templates: Vec<(TemplateId, TemplateVersionId)>,
}

async fn set_up(app: &App, team: TeamId, number: usize) -> Outcome<Setting> {
    let (now, secret) = (app.clock.now(), api_key(number));
    let key = ApiKey {
        id: app.clock.mint(),
        name: "bench".to_owned(),
        prefix: secret.chars().take(8).collect(),
        scopes: PermissionSet::all(),
        effective: PermissionSet::all(),
        held_back: None,
        belongs_to_team: true,
        created_by: None,
        created_by_name: None,
        created_at: now,
        last_used_at: None,
        revoked_at: None,
        limits: KeyLimits::default(),
        rotated_at: None,
        previous_ends_at: None,
    };
    let event = |action| audit::by_command_line(app, action);
    app.store.insert_api_key(team, &key, &token_hash(&secret), &event(AuditAction::ApiKeyCreated)).await?;
    let adapter = Adapter {
        id: app.clock.mint(),
        name: "Nowhere".to_owned(),
        kind: AdapterKind::Smtp,
        from_address: "Bench <bench@finch.example>".to_owned(),
        endpoint: "smtp://127.0.0.1:1".to_owned(),
        is_default: true,
        created_at: now,
    };
    app.store.insert_adapter(team, &adapter, "", &event(AuditAction::AdapterCreated)).await?;
    let mut templates = Vec::new();
    for (name, subject) in TEMPLATES {
        let source =
            TemplateSource { subject: subject.to_owned(), html: Some(HTML.to_owned()), text: Some(TEXT.to_owned()) };
        let current = TemplateVersion { id: app.clock.mint(), version: 1, source, created_at: now };
        let id = app.clock.mint();
        let ids = (id, current.id);
        let (name, masked_variables) = (name.to_owned(), Vec::new());
        let tracking = TemplateTracking::default();
        let template = Template { id, name, created_at: now, updated_at: now, masked_variables, current, tracking };
        app.store.insert_template(team, &template, &event(AuditAction::TemplateCreated)).await?;
        templates.push(ids);
    }
    Ok(Setting { team, key: key.id, adapter: adapter.id, templates })
}

fn message(rng: &mut ChaCha8Rng, setting: &Setting, at: DateTime<Utc>, number: usize, is_rare: bool) -> HistoricEmail {
    // The first templates are the most used.
    let template = rng.random_range(0..TEMPLATES.len()).min(rng.random_range(0..TEMPLATES.len()));
    let (first, last) = (one(rng, &FIRST_NAMES), one(rng, &LAST_NAMES));
    let local = if is_rare { RARE.to_owned() } else { format!("{first}.{last}{}", rng.random_range(1..5_000)) };
    let recipient = Recipient {
        kind: RecipientKind::To,
        address: format!("{local}@{}", one(rng, &DOMAINS)),
        name: Some(format!("{first} {last}")),
    };
    let order = rng.random_range(10_000..99_999).to_string();
    let id = EmailId(lowest_id_at(at) + (number % 4096) as i64);
    let email = NewEmail {
        template: Some(setting.templates[template]),
        adapter_id: Some(setting.adapter),
        api_key_id: Some(setting.key),
        recipients: vec![recipient],
        from_address: "Bench <bench@finch.example>".to_owned(),
        subject: TEMPLATES[template].1.replace("{{ order }}", &order),
        tags: vec!["bench".to_owned()],
        variables: json!({ "name": first, "order": order }),
        html: Some(filled(HTML, first, &order)),
        text: Some(filled(TEXT, first, &order)),
        ..NewEmail::blank(id, JobId(id.0), Channel::Email)
    };
    let mut historic = HistoricEmail { email, facts: EmailFacts::default(), waiting: None };
    let kinds: &[EventKind] = match rng.random_range(0..1000) {
        0..12 => &[EventKind::Sent],
        12..410 => &[EventKind::Sent, EventKind::Delivered],
        410..790 => &[EventKind::Sent, EventKind::Delivered, EventKind::Opened],
        790..970 => &[EventKind::Sent, EventKind::Delivered, EventKind::Opened, EventKind::Clicked],
        970..994 => &[EventKind::Bounced],
        994..999 => &[EventKind::Failed],
        _ => &[EventKind::Sent, EventKind::Delivered, EventKind::ReportedAsSpam],
    };
    for (index, kind) in [EventKind::Requested, EventKind::Queued].iter().chain(kinds).enumerate() {
        let at = at + TimeDelta::milliseconds(900 * index as i64);
        let (id, detail) = (EventId(lowest_id_at(at) + index as i64), EventDetail::default());
        let event = EmailEvent { id, kind: *kind, at, recipient: None, detail };
        historic.email.events.push(event.into());
    }
    if matches!(kinds.first(), Some(EventKind::Bounced | EventKind::Failed)) {
        historic.facts.error_message = Some("550 5.1.1 User unknown".to_owned());
    }
    historic
}

fn filled(source: &str, name: &str, order: &str) -> String {
    source.replace("{{ name }}", name).replace("{{ order }}", order)
}

fn one<'a>(rng: &mut ChaCha8Rng, choices: &[&'a str]) -> &'a str {
    choices[rng.random_range(0..choices.len())]
}

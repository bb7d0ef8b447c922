//! How much a team has, without looking at all of it: messages are counted by the rollups, what belongs to them is measured at a
//! sample of them, and of the rest only the first rows are counted. Every read is bounded, whatever there is.

use chrono::{DateTime, Utc};

use super::Store;
use super::engine::{Engine, Reading, Sql};
use crate::domain::error::AppError;
use crate::domain::ids::{TeamId, lowest_id_at, time_of_id};

/// Places at which messages are looked at, and how many at each.
const PROBES: i64 = 32;
const AT_ONCE: i64 = 16;

/// How many rows of API requests or of a webhook's deliveries are counted; beyond, their number is estimated.
const COUNTED: i64 = 20_000;

/// How many of the newest rows are measured.
const MEASURED: i64 = 100;

/// What a row takes beside its texts: numbers, and its place.
const ROW: i64 = 60;

const DAY_MS: i64 = 86_400_000;

/// How many messages were accepted on each day that is not before the beginning. `$1` team.
pub(super) const LIST_DAYS: &str = "SELECT -1 - hour,
         CAST(queued + sent + delivered + opened + clicked + bounced + failed + spam AS BIGINT)
     FROM email_rollups WHERE team_id = $1 AND template_id = 0 AND hour < 0 ORDER BY hour DESC";

/// The messages behind a place. `$1` team, `$2` the first id, `$3` how many.
pub(super) const PROBE: &str = "SELECT id FROM emails WHERE team_id = $1 AND id >= $2 ORDER BY id LIMIT $3";

/// What belongs to messages and is measured at a sample: the table, and the length of a row's texts.
const PARTS: [(&str, &str, &str); 6] = [
    (
        "emails",
        "id",
        "octet_length(CAST(x.recipients AS TEXT)) + octet_length(x.from_address) + octet_length(x.subject)
         + octet_length(CAST(x.tags AS TEXT)) + COALESCE(octet_length(x.error_message), 0)",
    ),
    (
        "email_contents",
        "email_id",
        "octet_length(CAST(x.variables AS TEXT)) + octet_length(CAST(x.metadata AS TEXT))
         + octet_length(CAST(x.headers AS TEXT)) + COALESCE(octet_length(x.subject), 0)
         + COALESCE(octet_length(x.body), 0) + COALESCE(octet_length(x.html), 0) + COALESCE(octet_length(x.text), 0)",
    ),
    ("email_attempts", "email_id", "octet_length(x.exchange)"),
    ("email_attachments", "email_id", "octet_length(x.content) + octet_length(x.filename)"),
    ("email_mimes", "email_id", "octet_length(x.mime)"),
    ("email_events", "email_id", "octet_length(CAST(x.detail AS TEXT)) + COALESCE(octet_length(x.recipient), 0)"),
];

/// What belongs to a sample of messages, or to all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measure {
    pub rows: i64,
    pub bytes: i64,
    pub oldest: Option<DateTime<Utc>>,
}

/// How much a team has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TeamSizes {
    /// By day since 1970, the oldest first.
    pub days: Vec<(i64, i64)>,
    /// Messages, contents, exchanges, attachments, mails as they came, and events.
    pub parts: [Measure; 6],
    /// Whether all but the messages are estimates.
    pub is_sampled: bool,
    pub requests: Measure,
    pub deliveries: Measure,
    /// Whether these two are estimates.
    pub are_requests_about: bool,
    pub are_deliveries_about: bool,
    pub database_bytes: i64,
    /// SQLite's file.
    pub database_file: Option<String>,
}

/// The query for how many rows of a table belong to these messages, and how long they are.
pub(super) fn part_query(engine: Engine, team_id: TeamId, part: usize, ids: &[i64]) -> Sql {
    let (table, id, length) = PARTS[part];
    let mut sql = Sql::new(
        engine,
        format!(
            "SELECT CAST(COUNT(*) AS BIGINT), CAST(COALESCE(SUM({length}), 0) AS BIGINT), CAST(MIN(x.{id}) AS BIGINT)
             FROM {table} x WHERE x.team_id = "
        ),
    );
    sql.push_bind(team_id).push(format!(" AND x.{id} IN (")).push_list(ids).push(")").keep(false);
    sql
}

/// The first message of a team (`$1`) that has a row in a table.
pub(super) fn oldest_statement(part: usize) -> String {
    let (table, id, _) = PARTS[part];
    format!("SELECT x.{id} FROM {table} x WHERE x.team_id = $1 ORDER BY x.{id} LIMIT 1")
}

/// How many rows there are below an id, at most [COUNTED] and one. `$1` team, `$2` the id, `$3` how many; `$4` the webhook.
pub(super) fn count_statement(table: &str) -> String {
    let of = if table == "webhook_deliveries" { " AND webhook_id = $4" } else { "" };
    format!(
        "SELECT CAST(COUNT(*) AS BIGINT) FROM (
             SELECT id FROM {table} WHERE team_id = $1{of} AND id < $2 ORDER BY id LIMIT $3) AS counted"
    )
}

impl Store {
    /// How much a team has. What is not counted is measured at a sample.
    pub async fn measure_team(&self, team_id: TeamId) -> Result<TeamSizes, AppError> {
        let mut reading = self.begin_reading().await?;
        let days: Vec<(i64, i64)> = reading.read(LIST_DAYS).bind(team_id).fetch_all().await?;
        let days: Vec<(i64, i64)> = days.into_iter().filter(|(_, count)| *count > 0).collect();
        let all: i64 = days.iter().map(|(_, count)| count).sum();
        let ids = sample(&mut reading, team_id, &days, all).await?;
        let mut parts = [Measure::default(); 6];
        for (part, measure) in parts.iter_mut().enumerate() {
            if ids.is_empty() {
                continue;
            }
            let query = part_query(reading.engine(), team_id, part, &ids);
            let (rows, bytes, _): (i64, i64, Option<i64>) = reading.read(query).fetch_one().await?;
            let oldest: Option<i64> =
                reading.read(oldest_statement(part)).bind(team_id).fetch_optional_scalar().await?;
            let scaled = |number: i64| scale(number, all, ids.len() as i64);
            *measure =
                Measure { rows: scaled(rows), bytes: scaled(bytes + rows * ROW), oldest: oldest.map(time_of_id) };
        }
        parts[0].rows = all;
        let (requests, are_requests_about) = measure_requests(&mut reading, team_id).await?;
        let (deliveries, are_deliveries_about) = measure_deliveries(&mut reading, team_id).await?;
        let database_file = match reading.engine() {
            Engine::Sqlite => {
                let list = "SELECT file FROM pragma_database_list WHERE name = 'main'";
                reading.read(list).fetch_optional_scalar().await?
            }
            Engine::Postgres => None,
        };
        let database_bytes = match reading.engine() {
            Engine::Sqlite => {
                let pages: i64 = reading.read("PRAGMA page_count").fetch_scalar().await?;
                pages * reading.read("PRAGMA page_size").fetch_scalar::<i64>().await?
            }
            Engine::Postgres => reading.read("SELECT pg_database_size(current_database())").fetch_scalar().await?,
        };
        Ok(TeamSizes {
            is_sampled: (ids.len() as i64) < all,
            days,
            parts,
            requests,
            deliveries,
            are_requests_about,
            are_deliveries_about,
            database_bytes,
            database_file,
        })
    }

    /// How many API requests of a team have ids below one; counted up to a bound.
    pub async fn count_requests_below(&self, team_id: TeamId, below: i64) -> Result<i64, AppError> {
        self.read(count_statement("api_requests")).bind(team_id).bind(below).bind(COUNTED).fetch_scalar().await
    }
}

fn scale(number: i64, all: i64, sampled: i64) -> i64 {
    i64::try_from(i128::from(number) * i128::from(all) / i128::from(sampled.max(1))).unwrap_or(i64::MAX)
}

/// Messages from everywhere in the log: each stands for as many as another. All where they are few.
async fn sample(reading: &mut Reading, team_id: TeamId, days: &[(i64, i64)], all: i64) -> Result<Vec<i64>, AppError> {
    if all <= PROBES * AT_ONCE {
        return reading.read(PROBE).bind(team_id).bind(0_i64).bind(PROBES * AT_ONCE).fetch_scalars().await;
    }
    let mut ids = Vec::new();
    for probe in 0..PROBES {
        let place = place_of(days, all * (2 * probe + 1) / (2 * PROBES));
        let found: Vec<i64> = reading.read(PROBE).bind(team_id).bind(place).bind(AT_ONCE).fetch_scalars().await?;
        ids.extend(found);
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// About the id of a team's message with this number, from the oldest on: as if those of a day were spread over it.
fn place_of(days: &[(i64, i64)], number: i64) -> i64 {
    let mut before = 0;
    for (day, count) in days {
        if number < before + count {
            let within = DAY_MS * (number - before) / count;
            let at = DateTime::from_timestamp_millis(day * DAY_MS + within).unwrap_or_default();
            return lowest_id_at(at);
        }
        before += count;
    }
    0
}

async fn measure_requests(reading: &mut Reading, team_id: TeamId) -> Result<(Measure, bool), AppError> {
    let count = count_statement("api_requests");
    let counted: i64 = reading.read(count).bind(team_id).bind(i64::MAX).bind(COUNTED + 1).fetch_scalar().await?;
    let ends: (Option<i64>, Option<i64>) = reading
        .read(
            "SELECT (SELECT MIN(id) FROM api_requests WHERE team_id = $1),
                 (SELECT MAX(id) FROM api_requests WHERE team_id = $1)",
        )
        .bind(team_id)
        .fetch_one()
        .await?;
    let length = "octet_length(r.endpoint) + COALESCE(octet_length(r.user_agent), 0)
         + COALESCE(octet_length(CAST(b.request_body AS TEXT)), 0) + COALESCE(octet_length(CAST(b.response_body AS TEXT)), 0)";
    let (measured, bytes): (i64, i64) = reading
        .read(format!(
            "SELECT CAST(COUNT(*) AS BIGINT), CAST(COALESCE(SUM(n.length), 0) AS BIGINT) FROM (
                 SELECT {length} AS length FROM api_requests r
                 LEFT JOIN api_request_bodies b ON b.team_id = r.team_id AND b.api_request_id = r.id
                 WHERE r.team_id = $1 ORDER BY r.id DESC LIMIT {MEASURED}) AS n"
        ))
        .bind(team_id)
        .fetch_one()
        .await?;
    let middle = |low: i64, high: i64| low + (high - low) / 2;
    let (rows, is_about) = match ends {
        (Some(low), Some(high)) if counted > COUNTED => {
            // As dense as the first ones and as those behind the middle.
            let mut density = 0.0;
            for from in [low, middle(low, high)] {
                let last: Option<i64> = reading
                    .read("SELECT MAX(id) FROM (SELECT id FROM api_requests WHERE team_id = $1 AND id >= $2 ORDER BY id LIMIT $3) AS some")
                    .bind(team_id)
                    .bind(from)
                    .bind(COUNTED)
                    .fetch_scalar()
                    .await?;
                density += COUNTED as f64 / (last.unwrap_or(high) - from).max(1) as f64 / 2.0;
            }
            (((high - low) as f64 * density) as i64, true)
        }
        _ => (counted, false),
    };
    let bytes = scale(bytes + measured * ROW, rows, measured);
    Ok((Measure { rows: rows.max(counted), bytes, oldest: ends.0.map(time_of_id) }, is_about))
}

async fn measure_deliveries(reading: &mut Reading, team_id: TeamId) -> Result<(Measure, bool), AppError> {
    let webhooks: Vec<i64> =
        reading.read("SELECT id FROM webhooks WHERE team_id = $1 ORDER BY id").bind(team_id).fetch_scalars().await?;
    let (mut all, mut is_about) = (Measure::default(), false);
    for webhook in webhooks {
        let count = count_statement("webhook_deliveries");
        let rows: i64 =
            reading.read(count).bind(team_id).bind(i64::MAX).bind(COUNTED + 1).bind(webhook).fetch_scalar().await?;
        let (measured, bytes, oldest): (i64, i64, Option<i64>) = reading
            .read(format!(
                "SELECT CAST(COUNT(*) AS BIGINT), CAST(COALESCE(SUM(n.length), 0) AS BIGINT), (
                     SELECT MIN(o.id) FROM webhook_deliveries o WHERE o.team_id = $1 AND o.webhook_id = $2)
                 FROM (
                     SELECT octet_length(d.body) + COALESCE(octet_length(d.answer), 0) AS length FROM webhook_deliveries d
                     WHERE d.team_id = $1 AND d.webhook_id = $2 ORDER BY d.id DESC LIMIT {MEASURED}) AS n"
            ))
            .bind(team_id)
            .bind(webhook)
            .fetch_one()
            .await?;
        is_about |= rows > COUNTED;
        all.rows += rows;
        all.bytes += scale(bytes + measured * ROW, rows, measured);
        all.oldest = [all.oldest, oldest.map(time_of_id)].into_iter().flatten().min();
    }
    Ok((all, is_about))
}

//! Taking a person out of what a team has, a step at a time. A step looks at pages of one table until it finds rows that name the
//! person, changes those, and keeps how far it came in the same transaction: who is killed in between looks at the same rows
//! again. The walk ends after a pass that changed nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value as Json;

use super::jobs::{ForgettingLease, StoredForgetting, is_leased, written};
use super::message::{Outcome, Work, forget_message};
use super::{ContentsRow, text_of_bytes};
use super::{Place, Rows, bodies_query, is_in_text, page_query, parsed, push_key_value, table_at, tables_of_teams};
use crate::domain::error::AppError;
use crate::domain::ids::{EventId, TeamId};
use crate::domain::person::Person;
use crate::server::store::attempts::{pack_exchange, unpack_exchange};
use crate::server::store::bodies::pack;
use crate::server::store::copies::rows::{CopiedRow, Value};
use crate::server::store::copies::tables::{Kind, Table};
use crate::server::store::engine::{Engine, Sql, Transaction};
use crate::server::store::holds::{InForce, covered};
use crate::server::store::rollups::Rollups;
use crate::server::store::search::index::index_again;
use crate::server::store::{Store, micros, stored};

/// Pages that one step looks at, at most.
const PAGES: usize = 20;

/// After so many passes a step is the last one, whatever comes in meanwhile.
const PASSES: i64 = 5;

/// How long to wait for messages that are being sent.
const PAUSE: TimeDelta = TimeDelta::seconds(30);

/// What keeps an address all the same, and why. Everything else of a team is looked through.
pub(in crate::server::store) const KEPT: [(&str, &str); 7] = [
    ("adapters", "the sender addresses are the team's own"),
    ("audit_log", "its lines are a chain that nobody may change"),
    ("templates", "what the team wrote itself"),
    ("template_versions", "what the team wrote itself, and what bodies are compressed against"),
    ("email_keys", "follow their messages by themselves"),
    ("forgettings", "the address is sealed, and gone at the end"),
    ("forgotten_addresses", "hashes"),
];

/// What a delivery says of a person who was forgotten.
const FORGOTTEN_BODY: &str = r#"{"forgotten":true}"#;

/// What a body of an API request says instead of its text.
const FORGOTTEN_TEXT: &str = r#"{"text":"{\"forgotten\":true}","truncated":false}"#;

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgot {
    /// There is more to look at.
    More,
    /// Everything was looked at.
    All,
    /// Somebody else works at it, or it has ended.
    NotLeased,
}

/// What a step changed.
#[derive(Default)]
struct Counts {
    messages: i64,
    others: i64,
    held: i64,
    postponed: i64,
}

impl Store {
    /// Takes a step in forgetting a person. `mint` gives ids of events.
    pub async fn forget_some(
        &self,
        lease: ForgettingLease,
        stored: &StoredForgetting,
        person: &Person,
        now: DateTime<Utc>,
        mint: &(dyn Fn() -> EventId + Send + Sync),
    ) -> Result<Forgot, AppError> {
        let (page, next) = self.find_some(lease.team_id, &stored.place, person).await?;
        let mut tx = self.begin().await?;
        let Some(in_force) = is_leased(&mut tx, lease).await? else { return Ok(Forgot::NotLeased) };
        let placeholder = &stored.forgetting.placeholder;
        let work = Work { team_id: lease.team_id, person, placeholder, mint, now, in_force };
        let counts = match &page {
            Some((table, rows)) => change_rows(&mut tx, &work, table, rows).await?,
            None => Counts::default(),
        };
        let mut place = Place {
            changed: stored.place.changed + counts.messages + counts.others,
            postponed: stored.place.postponed + counts.postponed,
            ..next
        };
        let (mut outcome, mut run_at) = (Forgot::More, now);
        if place.table.is_empty() {
            let is_last = place.postponed == 0 && (place.changed == 0 || place.pass + 1 >= PASSES);
            if is_last {
                outcome = Forgot::All;
            } else {
                run_at = if place.postponed > 0 { now + PAUSE } else { now };
            }
            place = Place { pass: place.pass + 1, ..Place::default() };
        }
        // Where it is over, the lease stays with who ends it.
        let (run_at, lease_id) = match outcome {
            Forgot::All => (now + PAUSE, Some(lease.lease_id)),
            Forgot::More | Forgot::NotLeased => (run_at, None),
        };
        // What is held is met on every pass, and counted on the first.
        let held = if stored.place.pass == 0 { counts.held } else { 0 };
        tx.query(
            "UPDATE forgettings SET place = $4, messages = messages + $5, others = others + $6, held = held + $7,
                 run_at = $8, lease_id = $9
             WHERE team_id = $1 AND id = $2 AND lease_id = $3",
        )
        .bind(lease.team_id)
        .bind(lease.id)
        .bind(lease.lease_id)
        .bind(written(&place)?)
        .bind(counts.messages)
        .bind(counts.others)
        .bind(held)
        .bind(micros(run_at))
        .bind(lease_id)
        .execute()
        .await?;
        tx.commit().await?;
        Ok(outcome)
    }

    /// The next rows that name the person, of one table, and the place behind what was looked at.
    async fn find_some(
        &self,
        team_id: TeamId,
        place: &Place,
        person: &Person,
    ) -> Result<(Option<(Arc<Table>, Vec<CopiedRow>)>, Place), AppError> {
        let mut reading = self.begin_reading().await?;
        let tables: Vec<Arc<Table>> = tables_of_teams(&mut reading).await?;
        let tables: Vec<Arc<Table>> =
            tables.into_iter().filter(|table| KEPT.iter().all(|(name, _)| *name != table.name)).collect();
        let mut place = place.clone();
        for _ in 0..PAGES {
            let Some(table) = table_at(&tables, &place) else {
                return Ok((None, Place { table: String::new(), ..place }));
            };
            let query = page_query(reading.engine(), table, team_id, &place.key);
            let rows: Vec<CopiedRow> = reading.read(query).fetch_all().await?;
            place = place.behind(table, &rows, &tables);
            let page = Rows::with_bodies(&mut reading, team_id, Arc::clone(table), rows).await?;
            let found: Vec<CopiedRow> = page.rows.iter().filter(|row| page.names(person, row)).cloned().collect();
            if !found.is_empty() {
                return Ok((Some((Arc::clone(table), found)), place));
            }
            if place.table.is_empty() {
                break;
            }
        }
        Ok((None, place))
    }
}

/// Changes rows of a table that name the person, as they are by now.
async fn change_rows(
    tx: &mut Transaction,
    work: &Work<'_>,
    table: &Table,
    rows: &[CopiedRow],
) -> Result<Counts, AppError> {
    let mut counts = Counts::default();
    let mut rollups = Rollups::default();
    let mut indexed = BTreeSet::new();
    for found in rows {
        let key = found.rest_of_key(table);
        // A hold says what it covers; once it is lifted, the address goes.
        if table.name == "holds" && found.integer(table, "lifted_at").is_none() {
            continue;
        }
        if is_held(tx, work, table, &key).await? {
            counts.held += 1;
            continue;
        }
        if table.name == "emails" {
            let Some(id) = key.first().and_then(Json::as_i64) else { continue };
            match forget_message(tx, work, id).await? {
                Outcome::Changed(changed) => {
                    rollups.join(*changed);
                    counts.messages += 1;
                    indexed.insert(id);
                }
                Outcome::Postponed => counts.postponed += 1,
                Outcome::NotTheirs => {
                    counts.others += i64::from(change_row(tx, work, table, &key, &mut indexed).await?)
                }
                Outcome::Gone => {}
            }
            continue;
        }
        if table.name == "outbox" && is_being_sent(tx, work, &key).await? {
            counts.postponed += 1;
            continue;
        }
        counts.others += i64::from(change_row(tx, work, table, &key, &mut indexed).await?);
    }
    let indexed: Vec<i64> = indexed.into_iter().collect();
    index_again(tx, work.team_id, &indexed).await?;
    rollups.apply(tx, work.team_id).await?;
    Ok(counts)
}

/// Whether somebody has the message, who changes its row when it went out.
async fn is_being_sent(tx: &mut Transaction, work: &Work<'_>, key: &[Json]) -> Result<bool, AppError> {
    let lock = tx.engine().for_update();
    let find = format!("SELECT lease_id FROM outbox WHERE team_id = $1 AND email_id = $2{lock}");
    let id = key.first().and_then(Json::as_i64).unwrap_or_default();
    let lease: Option<(Option<i64>,)> = tx.query(find).bind(work.team_id).bind(id).fetch_optional().await?;
    Ok(lease.is_some_and(|(lease,)| lease.is_some()))
}

/// Whether a hold covers the row of a key.
async fn is_held(tx: &mut Transaction, work: &Work<'_>, table: &Table, key: &[Json]) -> Result<bool, AppError> {
    match work.in_force {
        InForce::Nothing => return Ok(false),
        InForce::Everything => return Ok(true),
        InForce::Some => {}
    }
    let mut sql = Sql::new(tx.engine(), format!("SELECT 1 FROM {} x WHERE x.team_id = ", table.name));
    sql.push_bind(work.team_id);
    push_key(&mut sql, table, key, "x.");
    sql.push(format!(" AND {}", covered(&table.name))).keep(false);
    Ok(tx.query(sql).fetch_optional_scalar::<i32>().await?.is_some())
}

fn push_key(sql: &mut Sql, table: &Table, key: &[Json], of: &str) {
    for (name, value) in table.rest_of_key().iter().zip(key) {
        sql.push(format!(" AND {of}{name} = "));
        push_key_value(sql, value);
    }
}

/// Puts the placeholder wherever a row has the address; whether it had. A row whose key has it goes, and so does what cannot be
/// changed in part.
pub(super) async fn change_row(
    tx: &mut Transaction,
    work: &Work<'_>,
    table: &Table,
    key: &[Json],
    indexed: &mut BTreeSet<i64>,
) -> Result<bool, AppError> {
    let engine = tx.engine();
    let mut find = Sql::new(engine, format!("SELECT {} FROM {} WHERE team_id = ", table.listed(engine), table.name));
    find.push_bind(work.team_id);
    push_key(&mut find, table, key, "");
    find.push(engine.for_update()).keep(false);
    let Some(row) = tx.query(find).fetch_optional::<CopiedRow>().await? else { return Ok(false) };
    let in_key = key.iter().any(|value| work.person.is_in_value(value));
    if in_key || matches!(table.name.as_str(), "email_mimes" | "invites") {
        let mut delete = Sql::new(engine, format!("DELETE FROM {} WHERE team_id = ", table.name));
        delete.push_bind(work.team_id);
        push_key(&mut delete, table, key, "");
        tx.query({
            delete.keep(false);
            delete
        })
        .execute()
        .await?;
        return Ok(true);
    }
    let mut changes = changes_of(work, table, &row)?;
    if table.name == "email_contents" {
        changes.extend(changed_body(tx, work, table, &row).await?);
    }
    if matches!(table.name.as_str(), "emails" | "email_contents") {
        indexed.extend(row.integer(table, table.message_column().unwrap_or("id")));
    }
    if changes.is_empty() {
        return Ok(false);
    }
    let mut update = Sql::new(engine, format!("UPDATE {} SET ", table.name));
    for (index, (place, value)) in changes.iter().enumerate() {
        let column = &table.columns[*place];
        update.push(format!("{}{} = ", if index == 0 { "" } else { ", " }, column.name));
        match value {
            Value::Null => update.push("NULL"),
            Value::Integer(number) => update.push_bind(*number),
            Value::Text(text) if column.kind == Kind::Json && engine == Engine::Postgres => {
                update.push_bind(text.clone()).push("::jsonb")
            }
            Value::Text(text) => update.push_bind(text.clone()),
            Value::Bytes(bytes) => update.push_bind(bytes.clone()),
        };
    }
    update.push(" WHERE team_id = ").push_bind(work.team_id);
    push_key(&mut update, table, key, "");
    update.keep(false);
    tx.query(update).execute().await?;
    Ok(true)
}

/// What of a row is to be changed: places of columns, and what stands there afterwards.
fn changes_of(work: &Work<'_>, table: &Table, row: &CopiedRow) -> Result<Vec<(usize, Value)>, AppError> {
    let mut changes = Vec::new();
    for (place, (column, value)) in table.columns.iter().zip(&row.0).enumerate() {
        let after = match (column.kind, value) {
            (Kind::Json, Value::Text(text)) => {
                let value = parsed("a column of JSON", text)?;
                let is_in = is_in_json(work.person, &value);
                match (table.name.as_str(), is_in) {
                    (_, false) => None,
                    ("api_request_bodies", true) => Some(Value::Text(FORGOTTEN_TEXT.to_owned())),
                    (_, true) => work
                        .person
                        .replaced_in_value(&value, work.placeholder)
                        .map(|value| Value::Text(value.to_string())),
                }
            }
            (_, Value::Text(text)) if is_in_text(work.person, text) => {
                Some(Value::Text(changed_text(work, table, text)))
            }
            (_, Value::Bytes(bytes)) => changed_bytes(work, &table.name, &column.name, bytes)?.map(Value::Bytes),
            (_, Value::Null | Value::Integer(_) | Value::Text(_)) => None,
        };
        changes.extend(after.map(|after| (place, after)));
    }
    if table.name == "webhook_deliveries" && !changes.is_empty() {
        // It is not told any more.
        for (column, value) in [("run_at", Value::Null), ("lease_id", Value::Null)] {
            changes.extend(table.place_of(column).map(|place| (place, value)));
        }
        if row.text(table, "state") == Some("waiting") {
            changes.extend(table.place_of("state").map(|place| (place, Value::Text("failed".to_owned()))));
        }
    }
    Ok(changes)
}

/// Whether a JSON value has the address, also in a text that is JSON itself.
fn is_in_json(person: &Person, value: &Json) -> bool {
    person.is_in_value(value)
        || match value {
            Json::String(text) => is_in_text(person, text),
            Json::Array(items) => items.iter().any(|item| is_in_json(person, item)),
            Json::Object(fields) => fields.values().any(|value| is_in_json(person, value)),
            Json::Null | Json::Bool(_) | Json::Number(_) => false,
        }
}

fn changed_text(work: &Work<'_>, table: &Table, text: &str) -> String {
    if table.name == "webhook_deliveries" && text.starts_with('{') {
        return FORGOTTEN_BODY.to_owned();
    }
    let as_json = || {
        let value: Json = serde_json::from_str(text).ok()?;
        Some(work.person.replaced_in_value(&value, work.placeholder)?.to_string())
    };
    let plain = work.person.replaced(text, work.placeholder);
    let is_json = text.starts_with(['{', '[', '"']);
    let changed = if is_json { as_json().or(plain) } else { plain };
    changed.unwrap_or_default()
}

fn changed_bytes(work: &Work<'_>, table: &str, column: &str, bytes: &[u8]) -> Result<Option<Vec<u8>>, AppError> {
    if table == "email_mimes" {
        return Ok(None);
    }
    let Some(text) = text_of_bytes(table, column, bytes) else { return Ok(None) };
    if !work.person.is_in(&text) {
        return Ok(None);
    }
    let packed = match table {
        "email_attempts" => {
            let mut exchange = stored("email_attempts.exchange", unpack_exchange(bytes))?;
            for step in &mut exchange.0 {
                if let Some(text) = work.person.replaced(&step.text, work.placeholder) {
                    step.text = text;
                }
            }
            pack_exchange(&exchange)
        }
        _ => {
            let value: Json = stored("history_import_parts.content", serde_json::from_str(&text))?;
            let value = work.person.replaced_in_value(&value, work.placeholder).unwrap_or(value);
            zstd::encode_all(value.to_string().as_bytes(), 3)
        }
    };
    Ok(Some(stored("bytes that are text", packed)?))
}

/// The bodies of a message, with the placeholder.
async fn changed_body(
    tx: &mut Transaction,
    work: &Work<'_>,
    table: &Table,
    row: &CopiedRow,
) -> Result<Vec<(usize, Value)>, AppError> {
    let Some(id) = row.integer(table, "email_id") else { return Ok(Vec::new()) };
    let query = bodies_query(tx.engine(), work.team_id, &[id]);
    let Some(found) = tx.query(query).fetch_optional::<ContentsRow>().await? else { return Ok(Vec::new()) };
    let (html, text) = found.bodies.read()?;
    let is_in = [&html, &text].into_iter().flatten().any(|text| work.person.is_in(text));
    if !is_in || found.bodies.body.is_none() {
        return Ok(Vec::new());
    }
    let replaced =
        |text: Option<String>| text.map(|text| work.person.replaced(&text, work.placeholder).unwrap_or(text));
    let (html, text) = (replaced(html), replaced(text));
    let version = found.bodies.version();
    let packed = pack(html.as_deref(), text.as_deref(), version.as_ref());
    let Some(packed) = stored("email_contents.body", packed.transpose())? else { return Ok(Vec::new()) };
    let values = [("body", Value::Bytes(packed.bytes)), ("body_bytes", Value::Integer(packed.length))];
    Ok(values.into_iter().filter_map(|(column, value)| Some((table.place_of(column)?, value))).collect())
}

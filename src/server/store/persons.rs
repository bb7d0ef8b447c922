//! What a team has of a person, in whatever table and column: the database is asked which tables and columns there are, so that a
//! table that comes later is looked through too. [forget] changes what is found; an export reads it. Called by
//! [crate::server::services::persons].

pub mod forget;
pub mod jobs;
mod message;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::attempts::unpack_exchange;
use super::bodies::BodyRow;
use super::copies::rows::{CopiedRow, Value};
use super::copies::tables::{Kind, Table, list_tables};
use super::engine::{Engine, Reading, Sql};
use super::{Store, stored};
use crate::domain::error::AppError;
use crate::domain::forgetting::Footprint;
use crate::domain::ids::TeamId;
use crate::domain::person::Person;

/// Rows that are looked at in one go, at most.
const PAGE: usize = 200;

/// Pages that one call looks at before it answers, whether it found something or not.
const PAGES: usize = 20;

/// The newest messages to a person that a preview looks at.
const LOOKED_AT: i64 = 10_000;

/// Columns of files, of which only the length is read.
const FILES: [(&str, &str); 1] = [("email_attachments", "content")];

/// A place in the walk through the tables: behind the row of this key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// Empty at the beginning.
    pub table: String,
    /// The values of the key behind `team_id`; none at the beginning of the table.
    pub key: Vec<Json>,
    /// How often everything was looked through before.
    pub pass: i64,
    /// What was changed on this pass.
    pub changed: i64,
    /// What could not be changed yet, as it was being sent.
    pub postponed: i64,
}

/// A piece of an export.
#[derive(Debug)]
pub struct PersonPage {
    /// JSON objects, one a row.
    pub lines: Vec<Json>,
    /// Where to go on; `None` at the end.
    pub next: Option<Place>,
}

/// Rows of a table that were read, with their bodies where they have some.
struct Rows {
    table: Arc<Table>,
    rows: Vec<CopiedRow>,
    /// HTML and text by message.
    bodies: HashMap<i64, (Option<String>, Option<String>)>,
}

impl Table {
    fn place_of(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|each| each.name == column)
    }

    /// Whether it is a team's.
    fn is_of_team(&self) -> bool {
        self.key.first().is_some_and(|place| self.columns[*place].name == "team_id")
    }

    /// The names of the key's columns behind `team_id`.
    fn rest_of_key(&self) -> Vec<&str> {
        self.key.iter().skip(1).map(|place| self.columns[*place].name.as_str()).collect()
    }

    /// The column that says which message a row belongs to.
    fn message_column(&self) -> Option<&'static str> {
        match self.name.as_str() {
            "emails" => Some("id"),
            _ => self.place_of("email_id").map(|_| "email_id"),
        }
    }

    /// The columns to be read. Of files only the length is.
    fn listed(&self, engine: Engine) -> String {
        let column = |column: &super::copies::tables::Column| match (engine, column.kind) {
            _ if FILES.contains(&(self.name.as_str(), column.name.as_str())) => {
                format!("CAST(octet_length({}) AS BIGINT)", column.name)
            }
            (Engine::Postgres, Kind::Json) => format!("{}::text", column.name),
            (Engine::Postgres | Engine::Sqlite, _) => column.name.clone(),
        };
        self.columns.iter().map(column).collect::<Vec<_>>().join(", ")
    }

    fn page_of_team(&self) -> usize {
        self.page().min(PAGE)
    }
}

impl CopiedRow {
    /// The values of the key behind `team_id`.
    fn rest_of_key(&self, table: &Table) -> Vec<Json> {
        table.key.iter().skip(1).map(|place| json_of(&self.0[*place])).collect()
    }

    fn integer(&self, table: &Table, column: &str) -> Option<i64> {
        match table.place_of(column).map(|place| &self.0[place]) {
            Some(Value::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    fn text(&self, table: &Table, column: &str) -> Option<&str> {
        match table.place_of(column).map(|place| &self.0[place]) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
}

fn json_of(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(number) => json!(number),
        Value::Text(text) => json!(text),
        Value::Bytes(bytes) => json!({ "bytes": bytes.len() }),
    }
}

/// Adds a value of a key.
fn push_key_value(sql: &mut Sql, value: &Json) {
    match value {
        Json::Number(number) => sql.push_bind(number.as_i64().unwrap_or_default()),
        Json::String(text) => sql.push_bind(text.clone()),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => sql.push("NULL"),
    };
}

/// The team's tables, what others refer to before those.
pub(super) async fn tables_of_teams(reading: &mut Reading) -> Result<Vec<Arc<Table>>, AppError> {
    Ok(list_tables(reading).await?.into_iter().filter(|table| table.is_of_team()).collect())
}

/// The query for the rows of a team that follow a key, in the order of keys.
pub(super) fn page_query(engine: Engine, table: &Table, team_id: TeamId, after: &[Json]) -> Sql {
    let mut sql = Sql::new(engine, format!("SELECT {} FROM {} WHERE team_id = ", table.listed(engine), table.name));
    sql.push_bind(team_id);
    let rest = table.rest_of_key();
    if !after.is_empty() {
        sql.push(format!(" AND ({}) > (", rest.join(", ")));
        for (index, value) in after.iter().enumerate() {
            sql.push(if index == 0 { "" } else { ", " });
            push_key_value(&mut sql, value);
        }
        sql.push(")");
    }
    let order = [&["team_id"], rest.as_slice()].concat().join(", ");
    sql.push(format!(" ORDER BY {order} LIMIT {}", table.page_of_team()));
    sql
}

/// What stands in bytes, where it is text.
fn text_of_bytes(table: &str, column: &str, bytes: &[u8]) -> Option<String> {
    match (table, column) {
        ("email_attempts", "exchange") => {
            let exchange = unpack_exchange(bytes).ok()?;
            Some(exchange.0.into_iter().map(|step| step.text).collect::<Vec<_>>().join("\n"))
        }
        ("email_mimes", "mime") | ("history_import_parts", "content") => {
            Some(String::from_utf8_lossy(&zstd::decode_all(bytes).ok()?).into_owned())
        }
        _ => None,
    }
}

/// Whether a text has the address, also one that is JSON with escapes.
fn is_in_text(person: &Person, text: &str) -> bool {
    let is_escaped = || text.contains('\\') && text.starts_with(['{', '[', '"']);
    person.is_in(text)
        || is_escaped() && serde_json::from_str::<Json>(text).is_ok_and(|value| person.is_in_value(&value))
}

impl Rows {
    /// Reads the bodies of messages' contents.
    async fn with_bodies(
        reading: &mut Reading,
        team_id: TeamId,
        table: Arc<Table>,
        rows: Vec<CopiedRow>,
    ) -> Result<Self, AppError> {
        let mut bodies = HashMap::new();
        if table.name == "email_contents" {
            let ids: Vec<i64> = rows.iter().filter_map(|row| row.integer(&table, "email_id")).collect();
            if !ids.is_empty() {
                let found: Vec<ContentsRow> =
                    reading.read(bodies_query(reading.engine(), team_id, &ids)).fetch_all().await?;
                for row in found {
                    bodies.insert(row.email_id, row.bodies.read()?);
                }
            }
        }
        Ok(Self { table, rows, bodies })
    }

    /// Whether a row has the address anywhere.
    fn names(&self, person: &Person, row: &CopiedRow) -> bool {
        let table = &self.table;
        let in_column = |(column, value): (&super::copies::tables::Column, &Value)| match value {
            Value::Text(text) => is_in_text(person, text),
            Value::Bytes(bytes) => {
                text_of_bytes(&table.name, &column.name, bytes).is_some_and(|text| person.is_in(&text))
            }
            Value::Null | Value::Integer(_) => false,
        };
        let body = row.integer(table, "email_id").and_then(|id| self.bodies.get(&id));
        let in_body =
            body.is_some_and(|(html, text)| [html, text].into_iter().flatten().any(|text| person.is_in(text)));
        in_body || table.columns.iter().zip(&row.0).any(in_column)
    }

    /// A row as it is given to the person: without what opens something.
    fn told(&self, row: &CopiedRow) -> Map<String, Json> {
        let is_secret = |name: &str| name.starts_with("sealed") || name.ends_with("hash") || name == "team_id";
        let mut fields = Map::new();
        for (column, value) in self.table.columns.iter().zip(&row.0).filter(|(column, _)| !is_secret(&column.name)) {
            let told = match (column.kind, value) {
                (Kind::Json, Value::Text(text)) => serde_json::from_str(text).unwrap_or_else(|_| json!(text)),
                (_, Value::Bytes(bytes)) => match text_of_bytes(&self.table.name, &column.name, bytes) {
                    Some(text) => json!(text),
                    None => json_of(value),
                },
                (_, value) => json_of(value),
            };
            fields.insert(column.name.clone(), told);
        }
        if let Some((html, text)) = row.integer(&self.table, "email_id").and_then(|id| self.bodies.get(&id)) {
            fields.insert("html".to_owned(), json!(html));
            fields.insert("text".to_owned(), json!(text));
            fields.remove("body");
        }
        fields
    }
}

#[derive(sqlx::FromRow)]
struct ContentsRow {
    email_id: i64,
    #[sqlx(flatten)]
    bodies: BodyRow,
}

/// The query for the bodies of messages.
fn bodies_query(engine: Engine, team_id: TeamId, ids: &[i64]) -> Sql {
    let mut sql = Sql::new(
        engine,
        format!(
            "SELECT c.email_id, {} FROM email_contents c
             JOIN emails e ON e.team_id = c.team_id AND e.id = c.email_id
             LEFT JOIN template_versions v ON v.team_id = e.team_id AND v.id = e.template_version_id
             WHERE c.team_id = ",
            BodyRow::COLUMNS
        ),
    );
    sql.push_bind(team_id).push(" AND c.email_id IN (").push_list(ids).push(")").keep(false);
    sql
}

/// What the message of a row says of who it is to and from.
#[derive(sqlx::FromRow)]
struct PartiesRow {
    id: i64,
    recipients: sqlx::types::Json<Vec<Json>>,
    from_address: String,
    reply_to: Option<String>,
}

impl PartiesRow {
    fn are(&self, person: &Person) -> bool {
        self.recipients.0.iter().filter_map(|one| one["address"].as_str()).any(|address| person.is(address))
            || person.is_mailbox(&self.from_address)
            || self.reply_to.as_deref().is_some_and(|reply_to| person.is_mailbox(reply_to))
    }
}

/// Those of these messages that are to or from the person.
async fn theirs(
    reading: &mut Reading,
    team_id: TeamId,
    person: &Person,
    ids: &[i64],
) -> Result<BTreeSet<i64>, AppError> {
    if ids.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut sql =
        Sql::new(reading.engine(), "SELECT id, recipients, from_address, reply_to FROM emails WHERE team_id = ");
    sql.push_bind(team_id).push(" AND id IN (").push_list(ids).push(")").keep(false);
    let rows: Vec<PartiesRow> = reading.read(sql).fetch_all().await?;
    Ok(rows.into_iter().filter(|row| row.are(person)).map(|row| row.id).collect())
}

impl Store {
    /// Reads what names a person, a piece at a time, from `place` on: messages to and from them with everything that is
    /// theirs, and every other row that has the address. A piece may be empty.
    pub async fn read_person(&self, team_id: TeamId, person: &Person, place: &Place) -> Result<PersonPage, AppError> {
        let mut reading = self.begin_reading().await?;
        let tables = tables_of_teams(&mut reading).await?;
        let (mut place, mut lines) = (place.clone(), Vec::new());
        for _ in 0..PAGES {
            let Some(table) = table_at(&tables, &place) else { return Ok(PersonPage { lines, next: None }) };
            let query = page_query(reading.engine(), table, team_id, &place.key);
            let rows: Vec<CopiedRow> = reading.read(query).fetch_all().await?;
            place = place.behind(table, &rows, &tables);
            let page = Rows::with_bodies(&mut reading, team_id, Arc::clone(table), rows).await?;
            let found: Vec<&CopiedRow> = page.rows.iter().filter(|row| page.names(person, row)).collect();
            lines.extend(tell(&mut reading, team_id, person, &tables, &page, found).await?);
            if place.table.is_empty() {
                return Ok(PersonPage { lines, next: None });
            }
            if !lines.is_empty() {
                break;
            }
        }
        Ok(PersonPage { lines, next: Some(place) })
    }

    /// What a team has of a person, quickly: what is found by the index of recipients.
    pub async fn find_footprint(&self, team_id: TeamId, person: &Person) -> Result<Footprint, AppError> {
        let mut reading = self.begin_reading().await?;
        let counts: (i64, i64, i64, i64, i64, i64) = reading
            .read(footprint_statement())
            .bind(team_id)
            .bind(person.key())
            .bind(LOOKED_AT + 1)
            .fetch_one()
            .await?;
        let has = "SELECT
             CAST((SELECT COUNT(*) FROM suppressions WHERE team_id = $1 AND address_key = $2) AS BIGINT),
             CAST((SELECT COUNT(*) FROM users u JOIN memberships m ON m.user_id = u.id
                 WHERE u.email_key = $2 AND m.team_id = $1) AS BIGINT),
             CAST((SELECT COUNT(*) FROM invites WHERE team_id = $1 AND email_key = $2) AS BIGINT)";
        let (suppressed, members, invites): (i64, i64, i64) =
            reading.read(has).bind(team_id).bind(person.key()).fetch_one().await?;
        let (messages, waiting, held, events, requests, deliveries) = counts;
        Ok(Footprint {
            messages: messages.min(LOOKED_AT),
            waiting,
            held,
            events,
            requests,
            deliveries,
            is_suppressed: suppressed > 0,
            is_unwritten: false,
            is_member: members > 0,
            is_invited: invites > 0,
            is_cut: messages > LOOKED_AT,
        })
    }

    /// The names of a team's adapters that send from an address.
    pub async fn list_adapters_from(&self, team_id: TeamId, person: &Person) -> Result<Vec<String>, AppError> {
        let rows: Vec<(String, String)> = self
            .read("SELECT name, from_address FROM adapters WHERE team_id = $1 AND deleted_at IS NULL ORDER BY name")
            .bind(team_id)
            .fetch_all()
            .await?;
        Ok(rows.into_iter().filter(|(_, from)| person.is_mailbox(from)).map(|(name, _)| name).collect())
    }

    /// The account of a team's member who has this address: name and address.
    pub async fn find_member_named(
        &self,
        team_id: TeamId,
        person: &Person,
    ) -> Result<Option<(String, String)>, AppError> {
        self.read(
            "SELECT u.name, u.email FROM users u JOIN memberships m ON m.user_id = u.id
             WHERE u.email_key = $2 AND m.team_id = $1",
        )
        .bind(team_id)
        .bind(person.key())
        .fetch_optional()
        .await
    }
}

/// Counts what belongs to the newest `$3` messages of a team (`$1`) to an address (`$2`).
pub(super) fn footprint_statement() -> String {
    let held = super::holds::covered("emails");
    format!(
        "WITH theirs (team_id, id) AS (
             SELECT team_id, email_id FROM email_keys WHERE team_id = $1 AND kind = 0 AND key = $2
             ORDER BY email_id DESC LIMIT $3)
         SELECT CAST(COUNT(*) AS BIGINT),
             CAST(COALESCE(SUM((SELECT COUNT(*) FROM outbox o WHERE o.team_id = $1 AND o.email_id = x.id)), 0) AS BIGINT),
             CAST(COALESCE(SUM(CASE WHEN {held} THEN 1 ELSE 0 END), 0) AS BIGINT),
             CAST(COALESCE(SUM((SELECT COUNT(*) FROM email_events v WHERE v.team_id = $1 AND v.email_id = x.id)), 0) AS BIGINT),
             CAST(COUNT(DISTINCT (SELECT e.api_request_id FROM emails e WHERE e.team_id = $1 AND e.id = x.id)) AS BIGINT),
             CAST(COALESCE(SUM((SELECT COUNT(*) FROM webhook_deliveries d WHERE d.team_id = $1 AND d.email_id = x.id)), 0) AS BIGINT)
         FROM theirs x"
    )
}

/// The table at a place; `None` where the walk is over.
fn table_at<'t>(tables: &'t [Arc<Table>], place: &Place) -> Option<&'t Arc<Table>> {
    match place.table.as_str() {
        "" => tables.first(),
        name => tables.iter().find(|table| table.name == name),
    }
}

impl Place {
    /// The place behind these rows of a table; with no table where they were the last of all.
    fn behind(self, table: &Table, rows: &[CopiedRow], tables: &[Arc<Table>]) -> Self {
        let is_full = rows.len() == table.page_of_team() && table.key.len() > 1;
        match rows.last() {
            Some(last) if is_full => Self { table: table.name.clone(), key: last.rest_of_key(table), ..self },
            _ => {
                let next = tables.iter().skip_while(|other| other.name != table.name).nth(1);
                Self { table: next.map(|next| next.name.clone()).unwrap_or_default(), key: Vec::new(), ..self }
            }
        }
    }
}

/// The lines about the rows that were found. What belongs to a message to or from the person is told with it.
async fn tell(
    reading: &mut Reading,
    team_id: TeamId,
    person: &Person,
    tables: &[Arc<Table>],
    page: &Rows,
    found: Vec<&CopiedRow>,
) -> Result<Vec<Json>, AppError> {
    let table = &page.table;
    let id_of = |row: &CopiedRow| table.message_column().and_then(|column| row.integer(table, column));
    let ids: Vec<i64> = found.iter().copied().filter_map(id_of).collect();
    let theirs = theirs(reading, team_id, person, &ids).await?;
    let is_message = table.name == "emails";
    let mut lines = Vec::new();
    // What the index of recipients has is in the messages.
    let found = found.into_iter().filter(|_| table.name != "email_keys");
    for row in found {
        let id = id_of(row).filter(|id| theirs.contains(id));
        match id {
            Some(id) if is_message => {
                let mut line = Map::new();
                line.insert("kind".to_owned(), json!("message"));
                line.insert("emails".to_owned(), json!(page.told(row)));
                for part in tables.iter().filter(|other| is_part(other)) {
                    let rows = read_part(reading, team_id, part, id).await?;
                    let rows = Rows::with_bodies(reading, team_id, Arc::clone(part), rows).await?;
                    let told: Vec<Json> = rows.rows.iter().map(|row| json!(rows.told(row))).collect();
                    if !told.is_empty() {
                        line.insert(part.name.clone(), json!(told));
                    }
                }
                lines.push(Json::Object(line));
            }
            Some(_) if is_part(table) => {}
            _ => lines.push(json!({ "kind": "mention", "table": table.name, "row": page.told(row) })),
        }
    }
    Ok(lines)
}

/// Whether the rows of a table are a message's, by their key.
fn is_part(table: &Table) -> bool {
    table.rest_of_key().first() == Some(&"email_id")
}

async fn read_part(reading: &mut Reading, team_id: TeamId, table: &Table, id: i64) -> Result<Vec<CopiedRow>, AppError> {
    let engine = reading.engine();
    let mut sql = Sql::new(engine, format!("SELECT {} FROM {} WHERE team_id = ", table.listed(engine), table.name));
    sql.push_bind(team_id).push(" AND email_id = ").push_bind(id);
    sql.push(format!(" ORDER BY {} LIMIT 1000", table.rest_of_key().join(", ")));
    reading.read(sql).fetch_all().await
}

/// A value that is written as JSON.
fn parsed(column: &'static str, text: &str) -> Result<Json, AppError> {
    stored(column, serde_json::from_str(text))
}

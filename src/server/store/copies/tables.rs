//! The tables of a database, as its engine knows them. What search is made from is copied, and its index made anew, because
//! the two engines' are nothing alike.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::error::AppError;
use crate::server::store::engine::{Engine, Reading};

/// Rows of one page, by what they hold: texts of messages and requests, files, and all others.
const TEXTS: usize = 100;
const FILES: usize = 8;
const FEW_BYTES: usize = 1_000;

/// Columns that hold files.
const FILE_COLUMNS: [&str; 2] = ["content", "mime"];

/// Columns that hold JSON, which PostgreSQL keeps in a form of its own. In SQLite they are texts.
const JSON_COLUMNS: [(&str, &str); 19] = [
    ("api_keys", "dialects"),
    ("api_keys", "scopes"),
    ("api_request_bodies", "request_body"),
    ("api_request_bodies", "response_body"),
    ("email_contents", "headers"),
    ("email_contents", "metadata"),
    ("email_contents", "variables"),
    ("email_events", "detail"),
    ("emails", "recipients"),
    ("emails", "tags"),
    ("emails", "told_by"),
    ("history_imports", "way"),
    ("idempotency_keys", "email_ids"),
    ("notifications", "warnings"),
    ("outbox", "pending"),
    ("outbox", "tried"),
    ("resend_changes", "variables"),
    ("templates", "masked_variables"),
    ("webhooks", "kinds"),
];

/// A table that is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server::store) struct Table {
    pub name: String,
    /// In the order of their names, which both engines share.
    pub columns: Vec<Column>,
    /// The places in `columns` of the primary key's.
    pub key: Vec<usize>,
}

/// A column, and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::server::store) struct Column {
    pub name: String,
    pub kind: Kind,
}

/// What a column holds, whatever the engine calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server::store) enum Kind {
    Integer,
    Boolean,
    Text,
    Json,
    Bytes,
}

#[derive(sqlx::FromRow)]
struct ColumnRow {
    table_name: String,
    column_name: String,
    type_name: String,
    /// Its place in the primary key, counted from 1; 0 where it is none of its columns.
    place: i64,
}

const SQLITE_COLUMNS: &str = "SELECT m.name AS table_name, p.name AS column_name, p.type AS type_name, p.pk AS place
    FROM sqlite_schema m, pragma_table_info(m.name) p WHERE m.type = 'table' ORDER BY m.name, p.name";

/// Partitions are a part of their table. `indkey` counts from 0.
const POSTGRES_COLUMNS: &str = "SELECT c.relname::text AS table_name, a.attname::text AS column_name,
        format_type(a.atttypid, NULL) AS type_name,
        COALESCE(array_position(i.indkey::int2[], a.attnum) + 1, 0)::bigint AS place
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    ORDER BY c.relname, a.attname";

const SQLITE_REFERENCES: &str = r#"SELECT DISTINCT m.name, f."table" FROM sqlite_schema m, pragma_foreign_key_list(m.name) f
    WHERE m.type = 'table'"#;
const POSTGRES_REFERENCES: &str = "SELECT DISTINCT c.relname::text, r.relname::text FROM pg_constraint f
    JOIN pg_class c ON c.oid = f.conrelid JOIN pg_class r ON r.oid = f.confrelid
    WHERE f.contype = 'f' AND f.connamespace = current_schema()::regnamespace AND NOT c.relispartition";

/// Tables that are not copied: what migrations went through, SQLite's own, what search is asked of, and what backups and
/// copies say of themselves.
fn is_left_out(table: &str) -> bool {
    ["_sqlx_", "sqlite_", "email_search", "search_", "backup_", "copy_"].iter().any(|prefix| table.starts_with(prefix))
}

/// The tables of the database, what others refer to before those.
pub(in crate::server::store) async fn list_tables(reading: &mut Reading) -> Result<Vec<Arc<Table>>, AppError> {
    let (columns, references) = match reading.engine() {
        Engine::Sqlite => (SQLITE_COLUMNS, SQLITE_REFERENCES),
        Engine::Postgres => (POSTGRES_COLUMNS, POSTGRES_REFERENCES),
    };
    let rows: Vec<ColumnRow> = reading.read(columns).fetch_all().await?;
    let references: Vec<(String, String)> = reading.read(references).fetch_all().await?;
    let mut by_name: BTreeMap<String, Vec<ColumnRow>> = BTreeMap::new();
    for row in rows.into_iter().filter(|row| !is_left_out(&row.table_name)) {
        by_name.entry(row.table_name.clone()).or_default().push(row);
    }
    let tables = by_name.into_iter().map(|(name, rows)| Table::new(name, &rows)).collect();
    Ok(in_order(tables, &references).into_iter().map(Arc::new).collect())
}

/// What others refer to before those; tables are few.
fn in_order(mut waiting: Vec<Table>, references: &[(String, String)]) -> Vec<Table> {
    let mut placed: Vec<Table> = Vec::new();
    while !waiting.is_empty() {
        let is_free = |table: &Table| {
            let mut referred = references.iter().filter(|(from, to)| *from == table.name && to != from);
            referred.all(|(_, to)| placed.iter().any(|other| other.name == *to) || is_left_out(to))
        };
        let (free, others): (Vec<Table>, Vec<Table>) = waiting.into_iter().partition(is_free);
        // Tables that refer to each other in a ring, which ours do not, come as they are.
        let is_ring = free.is_empty();
        placed.extend(free);
        waiting = if is_ring {
            placed.extend(others);
            Vec::new()
        } else {
            others
        };
    }
    placed
}

impl Table {
    fn new(name: String, rows: &[ColumnRow]) -> Self {
        let kind_of = |row: &ColumnRow| match row.type_name.to_ascii_lowercase().as_str() {
            _ if JSON_COLUMNS.contains(&(name.as_str(), row.column_name.as_str())) => Kind::Json,
            "jsonb" => Kind::Json,
            "boolean" => Kind::Boolean,
            "blob" | "bytea" => Kind::Bytes,
            "integer" | "bigint" | "smallint" => Kind::Integer,
            _ => Kind::Text,
        };
        let columns = rows.iter().map(|row| Column { name: row.column_name.clone(), kind: kind_of(row) }).collect();
        let mut key: Vec<(i64, usize)> =
            rows.iter().enumerate().filter(|(_, row)| row.place > 0).map(|(index, row)| (row.place, index)).collect();
        key.sort_unstable();
        let key = key.into_iter().map(|(_, index)| index).collect();
        Self { name, columns, key }
    }

    /// How many rows are read at a time.
    pub(in crate::server::store) fn page(&self) -> usize {
        let is_file = |column: &Column| column.kind == Kind::Bytes && FILE_COLUMNS.contains(&column.name.as_str());
        let is_long = |column: &Column| column.kind == Kind::Bytes || column.name.ends_with("body");
        match () {
            () if self.columns.iter().any(is_file) => FILES,
            () if self.columns.iter().any(is_long) => TEXTS,
            () => FEW_BYTES,
        }
    }

    /// Whether both have the same columns and key, whatever holds them.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let names = |table: &Self| table.columns.iter().map(|column| column.name.clone()).collect::<Vec<_>>();
        self.name == other.name && names(self) == names(other) && self.key == other.key
    }

    pub(super) fn names(&self) -> String {
        self.columns.iter().map(|column| column.name.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// The key's columns, with commas between them.
    pub(super) fn key_names(&self) -> String {
        self.key.iter().map(|place| self.columns[*place].name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

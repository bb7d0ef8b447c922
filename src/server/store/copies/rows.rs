//! Rows as they go from one database to another, and the sum that tells whether they came.

use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{Column as _, FromRow, Row, TypeInfo, ValueRef};

use super::tables::{Column, Kind, Table};
use crate::domain::error::AppError;
use crate::server::store::engine::{Engine, Reading, Sql, Transaction};

/// The most values of one statement: SQLite takes 32,766, PostgreSQL 65,535.
const VALUES: usize = 12_000;

/// A value on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(in crate::server::store) enum Value {
    Null,
    /// Also what is true (1) or false (0).
    Integer(i64),
    /// Also JSON.
    Text(String),
    Bytes(Vec<u8>),
}

/// A row, its values in the order of the table's columns.
#[derive(Clone, Debug)]
pub(in crate::server::store) struct CopiedRow(pub Vec<Value>);

impl CopiedRow {
    /// The values of the row's key.
    pub(super) fn key(&self, table: &Table) -> Vec<Value> {
        table.key.iter().map(|place| self.0[*place].clone()).collect()
    }

    /// The row with nothing but its key.
    pub(super) fn key_alone(&self, table: &Table) -> Self {
        let mut values = vec![Value::Null; self.0.len()];
        for place in &table.key {
            values[*place].clone_from(&self.0[*place]);
        }
        Self(values)
    }
}

impl<'r> FromRow<'r, SqliteRow> for CopiedRow {
    fn from_row(row: &'r SqliteRow) -> Result<Self, sqlx::Error> {
        let value = |index: usize| {
            let raw = row.try_get_raw(index)?;
            // What is in the row, not what the column was declared as.
            Ok(match raw.type_info().name() {
                _ if raw.is_null() => Value::Null,
                "BLOB" => Value::Bytes(row.try_get_unchecked(index)?),
                "TEXT" => Value::Text(row.try_get_unchecked(index)?),
                _ => Value::Integer(row.try_get_unchecked(index)?),
            })
        };
        (0..row.columns().len()).map(value).collect::<Result<_, _>>().map(Self)
    }
}

impl<'r> FromRow<'r, PgRow> for CopiedRow {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        let value = |index: usize| {
            Ok(match row.column(index).type_info().name() {
                _ if row.try_get_raw(index)?.is_null() => Value::Null,
                "BOOL" => Value::Integer(i64::from(row.try_get::<bool, _>(index)?)),
                "INT2" => Value::Integer(i64::from(row.try_get::<i16, _>(index)?)),
                "INT8" => Value::Integer(row.try_get(index)?),
                "BYTEA" => Value::Bytes(row.try_get(index)?),
                _ => Value::Text(row.try_get(index)?),
            })
        };
        (0..row.columns().len()).map(value).collect::<Result<_, _>>().map(Self)
    }
}

/// Reads the rows of a table that follow a key, in the order of keys, a page at most.
pub(in crate::server::store) async fn read_page(
    reading: &mut Reading,
    table: &Table,
    after: Option<&CopiedRow>,
) -> Result<Vec<CopiedRow>, AppError> {
    let mut sql = Sql::new(reading.engine(), format!("SELECT {} FROM {}", listed(reading.engine(), table), table.name));
    if let Some(last) = after {
        sql.push(format!(" WHERE ({}) > (", table.key_names()));
        push_key(&mut sql, table, last);
        sql.push(")");
    }
    sql.push(format!(" ORDER BY {} LIMIT {}", table.key_names(), table.page()));
    reading.read(sql).fetch_all().await
}

/// Reads the rows that have the keys of these, or of each such row nothing but its key.
pub(in crate::server::store) async fn read_by_keys(
    reading: &mut Reading,
    table: &Table,
    rows: &[CopiedRow],
    keys_alone: bool,
) -> Result<Vec<CopiedRow>, AppError> {
    let engine = reading.engine();
    let columns = match keys_alone {
        false => listed(engine, table),
        true => {
            let names = table.columns.iter().enumerate();
            let name = |(place, column): (usize, &Column)| match table.key.contains(&place) {
                true => column.name.clone(),
                false => "NULL".to_owned(),
            };
            names.map(name).collect::<Vec<_>>().join(", ")
        }
    };
    let mut found = Vec::new();
    for rows in rows.chunks((VALUES / table.key.len()).max(1)) {
        let mut sql = Sql::new(engine, format!("SELECT {columns} FROM {}", table.name));
        push_keys(&mut sql, table, rows.iter());
        found.extend(reading.read(sql).fetch_all::<CopiedRow>().await?);
    }
    Ok(found)
}

/// Deletes the rows that have the keys of these.
pub(in crate::server::store) async fn delete_rows(
    tx: &mut Transaction,
    table: &Table,
    rows: &[&CopiedRow],
) -> Result<(), AppError> {
    for rows in rows.chunks((VALUES / table.key.len()).max(1)) {
        let mut sql = Sql::new(tx.engine(), format!("DELETE FROM {}", table.name));
        push_keys(&mut sql, table, rows.iter().copied());
        tx.query(sql).execute().await?;
    }
    Ok(())
}

/// Adds the condition that holds for the rows that have the keys of these.
fn push_keys<'r>(sql: &mut Sql, table: &Table, rows: impl Iterator<Item = &'r CopiedRow>) {
    sql.push(format!(" WHERE ({}) IN (VALUES (", table.key_names())).keep(false);
    for (index, row) in rows.enumerate() {
        if index > 0 {
            sql.push("), (");
        }
        push_key(sql, table, row);
    }
    sql.push("))");
}

/// The columns to be read.
fn listed(engine: Engine, table: &Table) -> String {
    let column = |column: &Column| match (engine, column.kind) {
        (Engine::Postgres, Kind::Json) => format!("{}::text", column.name),
        (Engine::Postgres | Engine::Sqlite, _) => column.name.clone(),
    };
    table.columns.iter().map(column).collect::<Vec<_>>().join(", ")
}

/// Adds the values of the row's key, with commas between them.
fn push_key(sql: &mut Sql, table: &Table, row: &CopiedRow) {
    for (index, place) in table.key.iter().enumerate() {
        if index > 0 {
            sql.push(", ");
        }
        push_value(sql, table.columns[*place].kind, &row.0[*place]);
    }
}

/// Adds a value, as the engine takes it.
fn push_value(sql: &mut Sql, kind: Kind, value: &Value) {
    match (value, kind) {
        (Value::Null, _) => sql.push("NULL"),
        (Value::Integer(number), Kind::Boolean) if sql.engine() == Engine::Postgres => sql.push_bind(*number != 0),
        (Value::Integer(number), _) => sql.push_bind(*number),
        (Value::Text(text), Kind::Json) if sql.engine() == Engine::Postgres => {
            sql.push_bind(text.clone()).push("::jsonb")
        }
        (Value::Text(text), _) => sql.push_bind(text.clone()),
        (Value::Bytes(bytes), _) => sql.push_bind(bytes.clone()),
    };
}

/// Writes rows; what a row with the same key held is `replaced`, or the statement fails.
pub(in crate::server::store) async fn write_rows(
    tx: &mut Transaction,
    table: &Table,
    rows: &[CopiedRow],
    replaced: bool,
) -> Result<(), AppError> {
    let others = || {
        let sets = table.columns.iter().enumerate().filter(|(place, _)| !table.key.contains(place));
        sets.map(|(_, column)| format!("{0} = excluded.{0}", column.name)).collect::<Vec<_>>().join(", ")
    };
    let conflict = match replaced {
        false => String::new(),
        true if table.key.len() == table.columns.len() => format!(" ON CONFLICT ({}) DO NOTHING", table.key_names()),
        true => format!(" ON CONFLICT ({}) DO UPDATE SET {}", table.key_names(), others()),
    };
    for rows in rows.chunks((VALUES / table.columns.len()).max(1)) {
        let mut sql = Sql::new(tx.engine(), format!("INSERT INTO {} ({}) VALUES ", table.name, table.names()));
        for (index, row) in rows.iter().enumerate() {
            sql.push(if index == 0 { "(" } else { "), (" });
            for (place, (column, value)) in table.columns.iter().zip(&row.0).enumerate() {
                if place > 0 {
                    sql.push(", ");
                }
                push_value(&mut sql, column.kind, value);
            }
        }
        sql.push(")").push(&conflict).keep(false);
        tx.query(sql).execute().await?;
    }
    Ok(())
}

/// How many rows a table has, and a number that is the same for the same rows, in whatever order and engine: the sum of the
/// first 16 bytes of each row's SHA-256.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    pub rows: u64,
    pub sum: u128,
}

impl Sum {
    pub(super) fn add(&mut self, table: &Table, row: &CopiedRow) {
        let mut hash = Sha256::new();
        for (column, value) in table.columns.iter().zip(&row.0) {
            hash_value(&mut hash, column.kind, value);
        }
        let digest: [u8; 32] = hash.finalize().into();
        let [first, ..] =
            std::array::from_fn::<[u8; 16], 2, _>(|half| std::array::from_fn(|byte| digest[half * 16 + byte]));
        self.rows += 1;
        self.sum = self.sum.wrapping_add(u128::from_be_bytes(first));
    }
}

fn hash_value(hash: &mut Sha256, kind: Kind, value: &Value) {
    let mut part = |mark: u8, bytes: &[u8]| {
        hash.update([mark]);
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    match value {
        Value::Null => part(0, &[]),
        Value::Integer(number) => part(1, &number.to_be_bytes()),
        Value::Text(text) if kind == Kind::Json => part(3, canonical(text).as_bytes()),
        Value::Text(text) => part(2, text.as_bytes()),
        Value::Bytes(bytes) => part(4, bytes),
    }
}

/// JSON in one form: fields by their names, no blanks, numbers as the shortest text. PostgreSQL keeps it in another order than
/// it came in.
fn canonical(text: &str) -> String {
    match serde_json::from_str(text) {
        Ok(value) => {
            let mut out = String::with_capacity(text.len());
            push_canonical(&mut out, &value);
            out
        }
        Err(_) => text.to_owned(),
    }
}

fn push_canonical(out: &mut String, value: &Json) {
    match value {
        Json::Array(items) => {
            out.push('[');
            for item in items {
                push_canonical(out, item);
                out.push(',');
            }
            out.push(']');
        }
        Json::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            out.push('{');
            for (name, field) in fields {
                push_canonical(out, &Json::String(name.clone()));
                out.push(':');
                push_canonical(out, field);
                out.push(',');
            }
            out.push('}');
        }
        Json::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => out.push_str(&float.to_string()),
            _ => out.push_str(&number.to_string()),
        },
        Json::Null | Json::Bool(_) | Json::String(_) => out.push_str(&value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_the_same_in_whatever_form_it_is_kept() {
        for (one, other) in [
            (r#"{"b":1,"a":[1.0,true]}"#, r#"{"a": [1, true], "b": 1}"#),
            (r#""\u00e9""#, "\"é\""),
            ("1e3", "1000"),
            (r#"{"a":1,"a":2}"#, r#"{"a": 2}"#),
        ] {
            assert_eq!(canonical(one), canonical(other), "{one}");
        }
        assert_ne!(canonical("[1,2]"), canonical("[2,1]"));
        assert_ne!(canonical("[12]"), canonical("[1,2]"));
    }
}

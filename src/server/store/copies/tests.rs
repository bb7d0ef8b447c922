//! What is copied: every table, with what its columns hold.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::tables::{Kind, Table};
use super::{Snapshot, Store};
use crate::server::store::tests::TestDatabase;

async fn tables_of(database: TestDatabase) -> Vec<Arc<Table>> {
    let store = Store::open(&database.url()).await.unwrap();
    let mut snapshot = Snapshot::begin(&store).await.unwrap();
    let tables = std::mem::take(&mut snapshot.tables);
    snapshot.end().await.unwrap();
    store.close().await;
    database.remove().await;
    tables
}

#[tokio::test]
async fn both_engines_have_the_same_tables_with_the_same_columns() {
    let sqlite = tables_of(TestDatabase::sqlite()).await;
    let postgres = tables_of(TestDatabase::postgres().await).await;
    let by_name = |tables: &[Arc<Table>]| {
        let mut tables = tables.to_vec();
        tables.sort_by(|one, other| one.name.cmp(&other.name));
        tables
    };
    for (one, other) in by_name(&sqlite).iter().zip(&by_name(&postgres)) {
        assert_eq!(one.name, other.name);
        let of_postgres = |column: &super::tables::Column| column.kind == Kind::Boolean;
        let booleans: BTreeSet<&str> =
            other.columns.iter().filter(|column| of_postgres(column)).map(|column| column.name.as_str()).collect();
        for (column, same) in one.columns.iter().zip(&other.columns) {
            assert_eq!(column.name, same.name, "{}", one.name);
            // SQLite has no type of its own for what is true or false.
            let is_boolean = column.kind == Kind::Integer && booleans.contains(column.name.as_str());
            assert!(is_boolean || column.kind == same.kind, "{}.{}", one.name, column.name);
        }
        assert_eq!((one.columns.len(), &one.key), (other.columns.len(), &other.key), "{}", one.name);
        assert!(!one.key.is_empty(), "{} has no key, by which it is read in pages", one.name);
    }
    assert_eq!(sqlite.len(), postgres.len());
    assert!(sqlite.len() > 40, "{} tables", sqlite.len());
}

#[tokio::test]
async fn what_is_referred_to_comes_first() {
    for tables in [tables_of(TestDatabase::sqlite()).await, tables_of(TestDatabase::postgres().await).await] {
        let place = |name: &str| tables.iter().position(|table| table.name == name).unwrap();
        for (before, after) in [("teams", "emails"), ("emails", "email_events"), ("memberships", "template_samples")] {
            assert!(place(before) < place(after), "{before} before {after}");
        }
    }
}

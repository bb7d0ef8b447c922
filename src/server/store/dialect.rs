//! What differs between SQLite and PostgreSQL in the text of a statement. Search differs as a whole: see [super::search].

use super::{Db, Store};

impl Store {
    /// Ends a `SELECT` of rows to lease, so that other workers take other rows. SQLite has one writer and needs nothing.
    pub(super) fn skip_locked(&self) -> &'static str {
        match &self.db {
            Db::Sqlite { .. } => "",
            Db::Postgres(_) => "FOR UPDATE SKIP LOCKED",
        }
    }
}

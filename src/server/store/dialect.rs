//! What differs between SQLite and PostgreSQL in the text of a statement. Search differs as a whole: see [super::search].

use super::{Db, Store};

/// The database's kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// What stands around a list of ids, `e.id …`, that is to be read before the rows it names. PostgreSQL would rather walk
    /// the log and look for each row in the list.
    pub(super) fn id_list(self) -> (&'static str, &'static str) {
        match self {
            Self::Sqlite => ("IN (", ")"),
            Self::Postgres => ("= ANY(ARRAY(", "))"),
        }
    }

    /// Says behind a table by which index to read it. SQLite, which knows nothing of how many rows a condition leaves,
    /// would rather walk a range of the table.
    pub(super) fn by_index(self, name: &str) -> String {
        match self {
            Self::Sqlite => format!(" INDEXED BY {name}"),
            Self::Postgres => String::new(),
        }
    }

    /// The part of a text, an expression, before the first of these characters, or all of it.
    pub(super) fn before(self, text: &str, mark: &str) -> String {
        match self {
            Self::Sqlite => format!("SUBSTR({text}, 1, INSTR({text} || '{mark}', '{mark}') - 1)"),
            Self::Postgres => format!("SPLIT_PART({text}, '{mark}', 1)"),
        }
    }

    /// Compares with a pattern in any case of letters; SQLite knows the case of ASCII letters alone.
    pub(super) fn like(self) -> &'static str {
        match self {
            Self::Sqlite => "LIKE",
            Self::Postgres => "ILIKE",
        }
    }
}

impl Store {
    /// The database's kind.
    pub(super) fn engine(&self) -> Engine {
        match &self.db {
            Db::Sqlite { .. } => Engine::Sqlite,
            Db::Postgres(_) => Engine::Postgres,
        }
    }

    /// A statement whose rows are a JSON array `item` each, as one that gives them all in one row, in no order. SQLite's
    /// driver hands rows over one by one, at a price that is most of a long list's.
    pub(super) fn as_one_array(&self, statement: &str) -> String {
        match &self.db {
            Db::Sqlite { .. } => format!("SELECT json_group_array(json(item)) FROM ({statement}) AS rows"),
            Db::Postgres(_) => {
                let statement = statement.replace("json_array(", "json_build_array(");
                format!("SELECT json_agg(item) FROM ({statement}) AS rows")
            }
        }
    }

    /// Ends a `SELECT` of rows to lease, so that other workers take other rows. SQLite has one writer and needs nothing.
    pub(super) fn skip_locked(&self) -> &'static str {
        match &self.db {
            Db::Sqlite { .. } => "",
            Db::Postgres(_) => "FOR UPDATE SKIP LOCKED",
        }
    }

    /// Ends a `SELECT` of rows that this transaction is going to change. SQLite has one writer and needs nothing.
    pub(super) fn for_update(&self) -> &'static str {
        match &self.db {
            Db::Sqlite { .. } => "",
            Db::Postgres(_) => " FOR UPDATE",
        }
    }

    /// The statement that makes the transactions of a team (`$1`) that run it take turns. SQLite has one writer and needs
    /// none.
    pub(super) fn take_turns_statement(&self) -> Option<&'static str> {
        match &self.db {
            Db::Sqlite { .. } => None,
            Db::Postgres(_) => Some("SELECT id FROM teams WHERE id = $1 FOR NO KEY UPDATE"),
        }
    }
}

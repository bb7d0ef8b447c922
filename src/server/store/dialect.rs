//! What differs between SQLite and PostgreSQL in the text of a statement. Search differs as a whole: see [super::search].

use super::Store;
pub(super) use super::engine::Engine;
use super::engine::Transaction;
use crate::domain::error::AppError;
use crate::domain::ids::TeamId;

impl Engine {
    /// A message's recipients as rows, in a `FROM` beside `emails e`: `r.value` is one as JSON.
    pub(super) fn recipients(self) -> &'static str {
        match self {
            Self::Sqlite => "json_each(e.recipients) AS r",
            Self::Postgres => "jsonb_array_elements(e.recipients) AS r (value)",
        }
    }

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

    /// A statement whose rows are a JSON array `item` each, as one that gives them all in one row, in no order. SQLite's
    /// driver hands rows over one by one, at a price that is most of a long list's.
    pub(super) fn as_one_array(self, statement: &str) -> String {
        match self {
            Self::Sqlite => format!("SELECT json_group_array(json(item)) FROM ({statement}) AS rows"),
            Self::Postgres => {
                let statement = statement.replace("json_array(", "json_build_array(");
                format!("SELECT json_agg(item) FROM ({statement}) AS rows")
            }
        }
    }

    /// Ends a `SELECT` of rows to lease, so that other workers take other rows. SQLite has one writer and needs nothing.
    pub(super) fn skip_locked(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => "FOR UPDATE SKIP LOCKED",
        }
    }

    /// Ends a `SELECT` of rows that this transaction is going to change. SQLite has one writer and needs nothing.
    pub(super) fn for_update(self) -> &'static str {
        match self {
            Self::Sqlite => "",
            Self::Postgres => " FOR UPDATE",
        }
    }
}

impl Transaction {
    /// Makes the transactions of a team that name its things take turns, so that no two find a name free. It comes before
    /// every other lock. SQLite has one writer and needs nothing.
    pub(super) async fn take_turns(&mut self, team_id: TeamId) -> Result<(), AppError> {
        match self.engine() {
            Engine::Sqlite => Ok(()),
            Engine::Postgres => {
                let lock = "SELECT id FROM teams WHERE id = $1 FOR NO KEY UPDATE";
                self.query(lock).bind(team_id).execute().await.map(drop)
            }
        }
    }
}

// What is left of the old way of calling.
impl Store {
    pub(super) fn as_one_array(&self, statement: &str) -> String {
        self.engine().as_one_array(statement)
    }

    pub(super) fn skip_locked(&self) -> &'static str {
        self.engine().skip_locked()
    }

    pub(super) fn for_update(&self) -> &'static str {
        self.engine().for_update()
    }

    pub(super) fn take_turns_statement(&self) -> Option<&'static str> {
        match self.engine() {
            Engine::Sqlite => None,
            Engine::Postgres => Some("SELECT id FROM teams WHERE id = $1 FOR NO KEY UPDATE"),
        }
    }
}

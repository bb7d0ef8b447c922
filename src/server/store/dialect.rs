//! What differs between SQLite and PostgreSQL in the text of a statement. Search differs as a whole: see [super::search].

pub(super) use super::engine::Engine;
use super::engine::Transaction;
use crate::domain::error::AppError;
use crate::domain::ids::TeamId;

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

    /// What stands behind the first `@` of an address, in lower case; empty where none does.
    pub(super) fn domain_of(self, address: &str) -> String {
        match self {
            Self::Sqlite => format!(
                "CASE INSTR({address}, '@') WHEN 0 THEN '' ELSE LOWER(SUBSTR({address}, INSTR({address}, '@') + 1)) END"
            ),
            Self::Postgres => format!("LOWER(SPLIT_PART({address}, '@', 2))"),
        }
    }

    /// Compares with a pattern in any case of letters; SQLite knows the case of ASCII letters alone.
    pub(super) fn like(self) -> &'static str {
        match self {
            Self::Sqlite => "LIKE",
            Self::Postgres => "ILIKE",
        }
    }

    /// The elements of a JSON array, a column, as a table of this name with the column `value`.
    pub(super) fn elements(self, array: &str, name: &str) -> String {
        match self {
            Self::Sqlite => format!("json_each({array}) {name}"),
            Self::Postgres => format!("jsonb_array_elements({array}) AS {name}(value)"),
        }
    }

    /// The same of an array of texts.
    pub(super) fn text_elements(self, array: &str, name: &str) -> String {
        match self {
            Self::Sqlite => self.elements(array, name),
            Self::Postgres => format!("jsonb_array_elements_text({array}) AS {name}(value)"),
        }
    }

    /// The values of a column, texts without blanks, with blanks between them; NULL for none.
    pub(super) fn joined(self, column: &str) -> String {
        match self {
            Self::Sqlite => format!("group_concat({column}, ' ')"),
            Self::Postgres => format!("string_agg({column}, ' ')"),
        }
    }

    /// All rows of a statement as one JSON array of an array of these columns each; NULL may stand for none. SQLite's driver
    /// hands rows over one by one, and copies each value.
    pub(super) fn array_of_rows(self, columns: &[&str]) -> String {
        let columns = columns.join(", ");
        match self {
            Self::Sqlite => format!("json_group_array(json_array({columns}))"),
            Self::Postgres => format!("json_agg(json_build_array({columns}))"),
        }
    }

    /// A column that holds JSON, as a value of [Self::array_of_rows].
    pub(super) fn json_column(self, column: &str) -> String {
        match self {
            Self::Sqlite => format!("json({column})"),
            Self::Postgres => column.to_owned(),
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

/// The index of search. SQLite's is one for all teams and follows by hand, and what it was before are tables of their own;
/// PostgreSQL's follows deletions by itself.
impl Engine {
    /// The beginnings of the statements that tell which ids are in use, each with the column. In SQLite an id must be free
    /// in the indexes of before, whosever message has it there.
    pub(super) fn taken_ids(self) -> &'static [(&'static str, &'static str)] {
        const OF_TEAM: (&str, &str) = ("SELECT id FROM emails WHERE team_id = ", "id");
        match self {
            Self::Sqlite => &[
                OF_TEAM,
                ("SELECT rowid FROM email_search WHERE 0 <> ", "rowid"),
                ("SELECT rowid FROM email_search_before WHERE 0 <> ", "rowid"),
            ],
            Self::Postgres => &[OF_TEAM],
        }
    }
}

impl Transaction {
    /// Makes the transactions of a team that name its things take turns, so that no two find a name free. It comes before
    /// every other lock. SQLite has one writer and needs nothing. PostgreSQL locks the team's number: a lock on its row would
    /// be, where every node has that row, a lock on all teams.
    pub(super) async fn take_turns(&mut self, team_id: TeamId) -> Result<(), AppError> {
        match self.engine() {
            Engine::Sqlite => Ok(()),
            Engine::Postgres => self.query("SELECT pg_advisory_xact_lock($1)").bind(team_id).execute().await.map(drop),
        }
    }

    /// Lets nobody take a turn of the team before the transaction ends; others share it.
    pub(super) async fn share_turn(&mut self, team_id: TeamId) -> Result<(), AppError> {
        match self.engine() {
            Engine::Sqlite => Ok(()),
            Engine::Postgres => {
                self.query("SELECT pg_advisory_xact_lock_shared($1)").bind(team_id).execute().await.map(drop)
            }
        }
    }
}

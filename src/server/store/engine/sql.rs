//! Statements: a text with its values, bound for one engine.

use std::borrow::Cow;

use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Arguments as _, Encode, FromRow, Postgres, Sqlite, Type};

use super::Engine;

/// What can be asked of a connection: a text whose values are bound by number afterwards, or a [Sql].
pub(in super::super) trait Statement {
    fn bound_for(self, engine: Engine) -> Sql;
}

impl Statement for &'static str {
    fn bound_for(self, engine: Engine) -> Sql {
        Sql::new(engine, self)
    }
}

impl Statement for String {
    fn bound_for(self, engine: Engine) -> Sql {
        Sql::new(engine, self)
    }
}

impl Statement for Cow<'static, str> {
    fn bound_for(self, engine: Engine) -> Sql {
        Sql::new(engine, self)
    }
}

impl Statement for Sql {
    fn bound_for(self, _engine: Engine) -> Sql {
        self
    }
}

/// A value that both engines take.
pub(in super::super) trait Bind<'t>:
    Encode<'t, Sqlite> + Type<Sqlite> + Encode<'t, Postgres> + Type<Postgres>
{
}

impl<'t, T> Bind<'t> for T where T: Encode<'t, Sqlite> + Type<Sqlite> + Encode<'t, Postgres> + Type<Postgres> {}

/// A row that both engines give.
pub(in super::super) trait Record:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

impl<T> Record for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin {}

/// A statement's text with its values, bound for one engine. Where conditions come and go, text and values are pushed in
/// turn; such a text has no numbered values beside.
pub(in super::super) struct Sql {
    engine: Engine,
    pub(super) text: Cow<'static, str>,
    pub(super) values: Result<Values, BoxDynError>,
    pub(super) is_kept: bool,
}

pub(super) enum Values {
    Sqlite(SqliteArguments),
    Postgres(PgArguments),
}

impl Sql {
    pub(in super::super) fn new(engine: Engine, text: impl Into<Cow<'static, str>>) -> Self {
        let values = match engine {
            Engine::Sqlite => Values::Sqlite(SqliteArguments::default()),
            Engine::Postgres => Values::Postgres(PgArguments::default()),
        };
        Self { engine, text: text.into(), values: Ok(values), is_kept: true }
    }

    /// What it is bound for.
    pub(in super::super) fn engine(&self) -> Engine {
        self.engine
    }

    /// Adds text.
    pub(in super::super) fn push(&mut self, text: impl AsRef<str>) -> &mut Self {
        self.text.to_mut().push_str(text.as_ref());
        self
    }

    /// Adds a value.
    pub(in super::super) fn push_bind<'t>(&mut self, value: impl Bind<'t>) -> &mut Self {
        self.bind(value);
        match &self.values {
            // Without a number: SQLite looks numbers up one by one in all of the statement's.
            Ok(Values::Sqlite(_)) | Err(_) => self.push("?"),
            Ok(Values::Postgres(values)) => {
                let number = format!("${}", values.len());
                self.push(number)
            }
        }
    }

    /// Adds values with commas between them.
    pub(in super::super) fn push_list<'t, T: Bind<'t>>(&mut self, values: impl IntoIterator<Item = T>) -> &mut Self {
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                self.push(", ");
            }
            self.push_bind(value);
        }
        self
    }

    /// Adds `VALUES (…), (…)`, a row an item, whose values the closure gives.
    pub(in super::super) fn push_rows<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        values: impl Fn(&mut RowValues<'_>, T),
    ) -> &mut Self {
        for (index, item) in items.into_iter().enumerate() {
            self.push(if index == 0 { "VALUES (" } else { "), (" });
            values(&mut RowValues { sql: self, is_first: true }, item);
        }
        self.push(")")
    }

    /// Whether the statement stays prepared on its connection: it does, but for texts that seldom come again.
    pub(in super::super) fn keep(&mut self, is_kept: bool) -> &mut Self {
        self.is_kept = is_kept;
        self
    }

    /// The statement that tells its plan.
    #[cfg(test)]
    pub(in super::super) fn explained(mut self) -> Self {
        self.text = format!("EXPLAIN {}", self.text).into();
        self
    }

    /// Its text.
    #[cfg(test)]
    pub(in super::super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn bind<'t>(&mut self, value: impl Bind<'t>) {
        let bound = match &mut self.values {
            Ok(Values::Sqlite(values)) => values.add(value),
            Ok(Values::Postgres(values)) => values.add(value),
            Err(_) => return,
        };
        if let Err(cause) = bound {
            self.values = Err(cause);
        }
    }
}

/// The values of one row of [Sql::push_rows].
pub(in super::super) struct RowValues<'s> {
    sql: &'s mut Sql,
    is_first: bool,
}

impl RowValues<'_> {
    pub(in super::super) fn bind<'t>(&mut self, value: impl Bind<'t>) -> &mut Self {
        if !std::mem::replace(&mut self.is_first, false) {
            self.sql.push(", ");
        }
        self.sql.push_bind(value);
        self
    }
}

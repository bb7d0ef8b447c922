//! One transaction on a connection of its own. Whatever goes wrong with a connection's BEGIN, COMMIT or ROLLBACK, and
//! whoever leaves in the middle, no other transaction is begun on it: it is closed, and the pool opens another.

use sqlx::pool::PoolConnection;
use sqlx::{Database, Executor, Pool};
use tracing::warn;

use crate::domain::error::AppError;

/// A transaction that was begun. Dropped before [Writing::end] has ended it, it takes its connection with it, and the
/// engine rolls it back.
pub(super) struct Writing<DB: Database> {
    connection: Option<PoolConnection<DB>>,
}

impl<DB> Writing<DB>
where
    DB: Database,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    /// Takes a connection of the pool and begins a transaction by this statement.
    pub(super) async fn begin(pool: &Pool<DB>, statement: &'static str) -> Result<Self, sqlx::Error> {
        let mut writing = Self { connection: Some(pool.acquire().await?) };
        writing.execute(statement).await?;
        Ok(writing)
    }

    /// What the transaction's statements run on.
    pub(super) fn connection(&mut self) -> &mut DB::Connection {
        self.connection.as_deref_mut().unwrap_or_else(|| unreachable!("only end and drop take the connection"))
    }

    /// Commits what gave `Ok` and rolls the rest back. The connection goes back to its pool if that went through.
    pub(super) async fn end<T>(mut self, result: Result<T, AppError>) -> Result<T, AppError> {
        let ended = self.execute(if result.is_ok() { "COMMIT" } else { "ROLLBACK" }).await;
        match (ended, result) {
            (Ok(()), result) => {
                drop(self.connection.take());
                result
            }
            (Err(cause), Ok(_)) => Err(cause.into()),
            // A full disk rolls back by itself: SQLite then has nothing left to roll back.
            (Err(cause), Err(error)) => {
                warn!(%cause, "a transaction could not be rolled back; its connection is closed");
                Err(error)
            }
        }
    }

    async fn execute(&mut self, statement: &'static str) -> Result<(), sqlx::Error> {
        self.connection().execute(statement).await.map(drop)
    }
}

impl<DB: Database> Drop for Writing<DB> {
    fn drop(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            connection.close_on_drop();
        }
    }
}

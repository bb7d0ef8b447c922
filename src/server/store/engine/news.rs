//! What the nodes on one PostgreSQL tell each other, by LISTEN and NOTIFY. On SQLite nobody hears anything. A message may get
//! lost: whoever is told something would have found it out by looking, later.

use sqlx::postgres::PgListener;

use super::{Database, Writers};
use crate::domain::error::AppError;
use crate::server::store::Store;

/// The channel of all nodes.
const CHANNEL: &str = "sendlog";

/// The longest text, in bytes. PostgreSQL takes less than 8,000.
const MAX_BYTES: usize = 7_900;

/// What other nodes say, on a connection of its own.
#[derive(Debug)]
pub struct News(PgListener);

impl News {
    /// The next text; waits for it. Where the connection was lost, it is made again, and what was said meanwhile is lost.
    pub async fn next(&mut self) -> Result<String, AppError> {
        Ok(self.0.recv().await?.payload().to_owned())
    }
}

impl Database {
    async fn listen(&self) -> Result<Option<News>, AppError> {
        let Writers::Postgres(pool) = &self.write else { return Ok(None) };
        let mut listener = PgListener::connect_with(pool).await?;
        listener.listen(CHANNEL).await?;
        Ok(Some(News(listener)))
    }
}

impl Store {
    /// Listens to all nodes on the database, this one among them; `None` on SQLite.
    pub async fn listen(&self) -> Result<Option<News>, AppError> {
        self.db.listen().await
    }

    /// Tells all nodes. It is a transaction of its own: in another one it would make all who tell something take turns. A text
    /// that is too long is not told.
    pub async fn tell(&self, text: &str) -> Result<(), AppError> {
        if text.len() > MAX_BYTES || !matches!(self.db.write, Writers::Postgres(_)) {
            return Ok(());
        }
        let mut tx = self.begin().await?;
        tx.query("SELECT pg_notify($1, $2)::text").bind(CHANNEL).bind(text).execute().await?;
        tx.commit().await
    }
}

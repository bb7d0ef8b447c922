//! `sendlog migrate`

use sendlog::server::config::DatabaseArgs;
use sendlog::server::store::Store;

use super::{Failure, print_line};

/// Brings the database up to date.
pub async fn migrate(database: DatabaseArgs) -> Result<(), Failure> {
    Store::open(&database.database_url).await?.close().await;
    print_line("The database is up to date.")
}

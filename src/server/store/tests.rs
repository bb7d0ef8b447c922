//! A database of its own for every test, on either engine. Made by [crate::server::tests].

use std::path::PathBuf;
use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Executor};

/// A database that one test works in.
pub(crate) enum TestDatabase {
    /// A file in the folder for temporary files.
    Sqlite(PathBuf),
    /// A database of the server that `TEST_DATABASE_URL` names.
    Postgres(String),
}

impl TestDatabase {
    /// A new SQLite file.
    pub(crate) fn sqlite() -> Self {
        Self::Sqlite(std::env::temp_dir().join(fresh_name()).with_extension("db"))
    }

    /// A new PostgreSQL database. Without a server the test fails: a rule that holds on one engine alone does not hold.
    pub(crate) async fn postgres() -> Self {
        let name = fresh_name();
        server().await.execute(format!("CREATE DATABASE {name}").as_str()).await.unwrap();
        Self::Postgres(name)
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite://{}", path.display()),
            Self::Postgres(name) => {
                let mut url = url::Url::parse(&server_url()).unwrap();
                url.set_path(name);
                url.to_string()
            }
        }
    }

    /// Takes it away. Nothing may be connected to it any more.
    pub(crate) async fn remove(self) {
        match self {
            Self::Sqlite(path) => {
                for ending in ["db", "db-wal", "db-shm"] {
                    let _ = std::fs::remove_file(path.with_extension(ending));
                }
            }
            Self::Postgres(name) => {
                server().await.execute(format!("DROP DATABASE {name} WITH (FORCE)").as_str()).await.unwrap();
            }
        }
    }
}

fn fresh_name() -> String {
    format!("sendlog_test_{:016x}", rand::random::<u64>())
}

fn server_url() -> String {
    std::env::var("TEST_DATABASE_URL").unwrap_or_else(|_| {
        panic!("TEST_DATABASE_URL is not set: run `make test`, or scripts/with-postgres.sh cargo test …")
    })
}

async fn server() -> PgConnection {
    let options = PgConnectOptions::from_str(&server_url()).unwrap();
    options.disable_statement_logging().connect().await.unwrap()
}

//! A database of its own for every test, on either engine: a copy of one that the migrations have been through once.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tokio::sync::OnceCell;

use crate::server::store::engine::{POSTGRES_MIGRATIONS, SQLITE_MIGRATIONS};

/// A database that one test works in.
pub(crate) enum TestDatabase {
    /// A file in the folder for temporary files.
    Sqlite(PathBuf),
    /// A database of the server that `TEST_DATABASE_URL` names.
    Postgres(String),
}

impl TestDatabase {
    /// A new SQLite file with the tables.
    pub(crate) fn sqlite() -> Self {
        let path = fresh_path();
        std::fs::write(&path, sqlite_template()).unwrap();
        Self::Sqlite(path)
    }

    /// A SQLite file that nobody has made yet.
    pub(crate) fn empty_sqlite() -> Self {
        Self::Sqlite(fresh_path())
    }

    /// A new PostgreSQL database with the tables. Without a server the test fails: a rule that holds on one engine alone
    /// does not hold.
    pub(crate) async fn postgres() -> Self {
        static TEMPLATE: OnceCell<String> = OnceCell::const_new();
        let template = TEMPLATE.get_or_init(make_postgres_template).await;
        Self::create_postgres(&format!(" TEMPLATE {template}")).await
    }

    /// A new PostgreSQL database without a table.
    pub(crate) async fn empty_postgres() -> Self {
        Self::create_postgres("").await
    }

    async fn create_postgres(template: &str) -> Self {
        let name = fresh_name();
        execute(&mut server().await, format!("CREATE DATABASE {name}{template}")).await;
        Self::Postgres(name)
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite://{}", path.display()),
            Self::Postgres(name) => url_of(name),
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
                execute(&mut server().await, format!("DROP DATABASE {name} WITH (FORCE)")).await;
            }
        }
    }
}

/// The bytes of a file with the tables, made once a process. They are held in memory, so that nothing is left behind.
fn sqlite_template() -> &'static [u8] {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    BYTES.get_or_init(|| {
        // Whoever asks first is inside a runtime, which must not block on another.
        let made = std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(make_sqlite_template())
        });
        made.join().unwrap()
    })
}

async fn make_sqlite_template() -> Vec<u8> {
    let path = fresh_path();
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let mut connection = options
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal)
        .connect()
        .await
        .unwrap();
    SQLITE_MIGRATIONS.run_direct(None, &mut connection, false).await.unwrap();
    connection.close().await.unwrap();
    assert!(!path.with_extension("db-wal").exists(), "not all is in the file");
    let bytes = std::fs::read(&path).unwrap();
    TestDatabase::Sqlite(path).remove().await;
    bytes
}

/// Makes sure of a database with the tables that others are copied from; its name. It is made once a server and set of
/// migrations, and stays for the next run.
async fn make_postgres_template() -> String {
    let mut sum = Sha256::new();
    POSTGRES_MIGRATIONS.iter().for_each(|migration| sum.update(&migration.checksum));
    let name = format!("sendlog_template_{}", &hex::encode(sum.finalize())[..16]);
    let mut server = server().await;
    // Other processes may want it at this moment. The lock ends with the connection.
    let lock = sqlx::query("SELECT pg_advisory_lock(hashtext($1))").bind(&name);
    lock.execute(&mut server).await.unwrap();
    let is_whole = sqlx::query_scalar("SELECT NOT datallowconn FROM pg_database WHERE datname = $1").bind(&name);
    if is_whole.fetch_optional(&mut server).await.unwrap() != Some(true) {
        execute(&mut server, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        execute(&mut server, format!("CREATE DATABASE {name}")).await;
        let mut connection = PgConnection::connect(&url_of(&name)).await.unwrap();
        POSTGRES_MIGRATIONS.run_direct(None, &mut connection, false).await.unwrap();
        connection.close().await.unwrap();
        // Nobody can be copied who is being talked to. It is also the sign that all migrations went through.
        execute(&mut server, format!("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")).await;
    }
    server.close().await.unwrap();
    name
}

async fn execute(connection: &mut PgConnection, statement: String) {
    connection.execute(AssertSqlSafe(statement)).await.unwrap();
}

fn fresh_name() -> String {
    format!("sendlog_test_{:016x}", rand::random::<u64>())
}

fn fresh_path() -> PathBuf {
    std::env::temp_dir().join(fresh_name()).with_extension("db")
}

fn url_of(name: &str) -> String {
    let mut url = url::Url::parse(&server_url()).unwrap();
    url.set_path(name);
    url.to_string()
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

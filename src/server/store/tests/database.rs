//! A database of its own for every test, on either engine: a copy of one that the migrations have been through once. Where
//! `TEST_CITUS_URL` names the nodes of Citus, tests of PostgreSQL run on a database that is spread over them.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::OnceLock;

use sha2::{Digest, Sha256};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use tokio::sync::OnceCell;

use crate::server::store::engine::{POSTGRES_MIGRATIONS, SQLITE_MIGRATIONS, spread_tables};

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
        for server in servers() {
            execute(&mut connect_to(&server).await, format!("CREATE DATABASE {name}{template}")).await;
        }
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
                for server in servers() {
                    execute(&mut connect_to(&server).await, format!("DROP DATABASE {name} WITH (FORCE)")).await;
                }
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
    let servers = servers();
    let nodes = if is_spread() { format!("_{}", servers.len()) } else { String::new() };
    let name = format!("sendlog_template_{}{nodes}", &hex::encode(sum.finalize())[..16]);
    let mut first = connect_to(&servers[0]).await;
    // Other processes may want it at this moment. The lock ends with the connection.
    let lock = sqlx::query("SELECT pg_advisory_lock(hashtext($1))").bind(&name);
    lock.execute(&mut first).await.unwrap();
    let is_whole = sqlx::query_scalar("SELECT NOT datallowconn FROM pg_database WHERE datname = $1").bind(&name);
    if is_whole.fetch_optional(&mut first).await.unwrap() != Some(true) {
        for server in &servers {
            let mut server = connect_to(server).await;
            execute(&mut server, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
            execute(&mut server, format!("CREATE DATABASE {name}")).await;
        }
        if is_spread() {
            join_nodes(&servers, &name).await;
        }
        let mut connection = PgConnection::connect(&at(&servers[0], &name)).await.unwrap();
        POSTGRES_MIGRATIONS.run_direct(None, &mut connection, false).await.unwrap();
        if is_spread() {
            execute(&mut connection, "SET citus.shard_count = 4".to_owned()).await;
        }
        spread_tables(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        // Nobody can be copied who is being talked to. It is also the sign that all migrations went through.
        for server in servers.iter().rev() {
            let mut server = connect_to(server).await;
            execute(&mut server, format!("ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")).await;
            let end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = ";
            execute(&mut server, format!("{end}'{name}'")).await;
        }
    }
    first.close().await.unwrap();
    name
}

/// Makes one database of those of this name on all nodes.
async fn join_nodes(servers: &[String], name: &str) {
    for server in servers {
        let mut node = PgConnection::connect(&at(server, name)).await.unwrap();
        execute(&mut node, "CREATE EXTENSION citus".to_owned()).await;
        // A copy of the database has no settings of its own.
        execute(&mut node, "ALTER ROLE CURRENT_USER SET citus.enable_unsafe_triggers = on".to_owned()).await;
        node.close().await.unwrap();
    }
    let mut first = PgConnection::connect(&at(&servers[0], name)).await.unwrap();
    for (index, server) in servers.iter().enumerate() {
        let server = url::Url::parse(server).unwrap();
        let (host, port) = (server.host_str().unwrap(), server.port().unwrap_or(5432));
        let join = if index == 0 { "citus_set_coordinator_host" } else { "citus_add_node" };
        execute(&mut first, format!("SELECT {join}('{host}', {port})")).await;
    }
    if servers.len() == 1 {
        execute(
            &mut first,
            "SELECT citus_set_node_property(nodename, nodeport, 'shouldhaveshards', true) FROM pg_dist_node".to_owned(),
        )
        .await;
    }
    first.close().await.unwrap();
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
    at(&servers()[0], name)
}

fn at(server: &str, name: &str) -> String {
    let mut url = url::Url::parse(server).unwrap();
    url.set_path(name);
    url.to_string()
}

/// Whether the tests of PostgreSQL run on Citus.
pub(crate) fn is_spread() -> bool {
    std::env::var_os("TEST_CITUS_URL").is_some()
}

/// The servers that have a part of each database: PostgreSQL's one, or the nodes of Citus, the first of which is talked to.
fn servers() -> Vec<String> {
    if let Ok(nodes) = std::env::var("TEST_CITUS_URL") {
        return nodes.split_whitespace().map(str::to_owned).collect();
    }
    let server = std::env::var("TEST_DATABASE_URL").unwrap_or_else(|_| {
        panic!("TEST_DATABASE_URL is not set: run `make test`, or scripts/with-postgres.sh cargo test …")
    });
    vec![server]
}

async fn connect_to(server: &str) -> PgConnection {
    let options = PgConnectOptions::from_str(server).unwrap();
    options.disable_statement_logging().connect().await.unwrap()
}

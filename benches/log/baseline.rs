//! What the server is measured against: a plain axum route that answers the same bytes, and plain inserts of the same
//! rows.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::header;
use axum::routing::get;
use axum::serve::ListenerExt;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::Outcome;
use super::data::{self, Data};
use super::server::{Process, free_address};

/// The plain server.
pub struct Plain {
    _process: Process,
    /// Where it listens.
    pub address: SocketAddr,
}

/// Keeps the bytes for the plain server.
pub fn write_file(body: &[u8]) -> Outcome<PathBuf> {
    let path = data::folder()?.join("page.json");
    std::fs::write(&path, body)?;
    Ok(path)
}

/// Starts this program again as the plain server.
pub async fn start(file: &Path) -> Outcome<Plain> {
    let address = free_address()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--serve-file").arg(address.to_string()).arg(file);
    let (process, _) = Process::start(command, address, "/").await?;
    Ok(Plain { _process: process, address })
}

/// Serves a file's bytes from memory, for ever.
pub async fn serve_file(address: &str, path: &str) -> Outcome<()> {
    let body = Bytes::from(std::fs::read(path)?);
    let answer = move || async move { ([(header::CONTENT_TYPE, "application/json")], body.clone()) };
    let listener = tokio::net::TcpListener::bind(address).await?.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    axum::serve(listener, Router::new().route("/", get(answer))).await?;
    Ok(())
}

/// Inserts accepted messages for `time`, `in_one` of them a transaction, with the server's indexes and durability;
/// messages a second.
pub async fn insert_raw(data: &Data, in_one: usize, time: Duration) -> Outcome<f64> {
    let mut connection = connect(data).await?;
    let (mut id, mut count) = (data.next_raw_id(in_one), 0);
    let started = Instant::now();
    while started.elapsed() < time {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        for _ in 0..in_one {
            insert_message(&mut transaction, data, id).await?;
            id += 1;
            count += 1;
        }
        transaction.commit().await?;
    }
    let per_second = f64::from(count) / started.elapsed().as_secs_f64();
    connection.close().await?;
    Ok(per_second)
}

/// Inserts the rows of events of the messages `ids`, in turn, for `time`, `in_one` of them a transaction, with the server's
/// indexes and durability; events a second.
pub async fn insert_raw_events(data: &Data, ids: &[i64], in_one: usize, time: Duration) -> Outcome<f64> {
    let mut connection = connect(data).await?;
    let (mut number, started) = (0, Instant::now());
    while started.elapsed() < time {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        for _ in 0..in_one {
            sqlx::query(
                "INSERT INTO email_events (team_id, email_id, id, kind, at, recipient, detail, provider_event_id)
                 VALUES ($1, $2, $3, 'delivered', $4, $5, $6, $7)",
            )
            .bind(data.team_id)
            .bind(ids[number % ids.len()])
            .bind(data.next_raw_id(0) + number as i64)
            .bind(ids[number % ids.len()] >> 10)
            .bind("maya.lindqvist@northwind.example")
            .bind(r#"{"reply":"250 2.0.0 Ok"}"#)
            .bind(format!("bench-{number}"))
            .execute(&mut *transaction)
            .await?;
            number += 1;
        }
        transaction.commit().await?;
    }
    let per_second = number as f64 / started.elapsed().as_secs_f64();
    connection.close().await?;
    Ok(per_second)
}

async fn connect(data: &Data) -> Outcome<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(data.database_url.trim_start_matches("sqlite://"))
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .pragma("cache_size", "-16384")
        .pragma("mmap_size", "1073741824");
    Ok(options.connect().await?)
}

/// The rows of one accepted message.
async fn insert_message(connection: &mut SqliteConnection, data: &Data, id: i64) -> Outcome<()> {
    let team = data.team_id;
    sqlx::query(
        "INSERT INTO emails
         (team_id, id, template_id, template_version_id, adapter_id, api_key_id, api_request_id, recipients,
          from_address, subject, tags, status, status_rank, has_pdf_attachment, job_id)
         VALUES ($1, $2, $3, $4, $5, $6, $2, $7, $8, $9, '[\"bench\"]', 0, 0, 0, $2)",
    )
    .bind(team)
    .bind(id)
    .bind(data.raw_template_id)
    .bind(1_i64)
    .bind(1_i64)
    .bind(1_i64)
    .bind(r#"[{"kind":"to","address":"maya.lindqvist@northwind.example","name":"Maya Lindqvist"}]"#)
    .bind("Bench <bench@finch.example>")
    .bind("Your receipt for order #48213")
    .execute(&mut *connection)
    .await?;
    sqlx::query("INSERT INTO email_contents (team_id, email_id, variables, metadata, html, text) VALUES ($1, $2, $3, '{}', $4, $5)")
        .bind(team)
        .bind(id)
        .bind(r#"{"name":"Maya","order":"48213"}"#)
        .bind("<p>Thanks, Maya. We received your payment for order #48213.</p>")
        .bind("Thanks, Maya. We received your payment for order #48213.")
        .execute(&mut *connection)
        .await?;
    let number: i64 = sqlx::query_scalar("SELECT MAX(number) + 16 FROM search_ids").fetch_one(&mut *connection).await?;
    for (statement, values) in [
        ("INSERT INTO search_ids (number, email_id) VALUES ($1, $2)", [number, id, 0]),
        ("INSERT INTO search_numbers (number, email_id, team_id) VALUES ($1, $2, $3)", [number, id, team]),
    ] {
        let [number, id, team] = values;
        sqlx::query(statement).bind(number).bind(id).bind(team).execute(&mut *connection).await?;
    }
    let grams = |text: &str| {
        let letter = |letter: char| match letter {
            'a'..='z' | '0'..='9' => letter,
            _ => char::from_u32(0x100 + u32::from(letter)).unwrap_or(letter),
        };
        let letters: Vec<char> = text.chars().map(letter).collect();
        let gram = |at: usize| letters[at..letters.len().min(at + 3)].iter().collect::<String>();
        (0..letters.len()).map(|at| format!("{team:016x}{}", gram(at))).collect::<Vec<_>>().join(" ")
    };
    sqlx::query(
        "INSERT INTO search_grams (rowid, recipients, subject, metadata, variables) VALUES ($1, $2, $3, '', $4)",
    )
    .bind(number)
    .bind(grams("maya.lindqvist@northwind.example\nmaya lindqvist"))
    .bind(grams("your receipt for order #48213"))
    .bind(grams("\nmaya\n48213\n"))
    .execute(&mut *connection)
    .await?;
    sqlx::query("INSERT INTO outbox (team_id, email_id, pending, attempts, run_at) VALUES ($1, $2, $3, 0, $4)")
        .bind(team)
        .bind(id)
        .bind(r#"["maya.lindqvist@northwind.example"]"#)
        .bind(id >> 10)
        .execute(&mut *connection)
        .await?;
    let hour = (id >> 20) / 3_600_000;
    for (template, hour) in [-1, 0, data.raw_template_id]
        .into_iter()
        .flat_map(|template| [-1 - hour / 24, hour].map(|hour| (template, hour)))
    {
        sqlx::query(
            "INSERT INTO email_rollups
             (team_id, template_id, hour, queued, sent, delivered, opened, clicked, bounced, failed, spam)
             VALUES ($1, $2, $3, 1, 0, 0, 0, 0, 0, 0, 0)
             ON CONFLICT (team_id, template_id, hour) DO UPDATE SET queued = queued + 1",
        )
        .bind(team)
        .bind(template)
        .bind(hour)
        .execute(&mut *connection)
        .await?;
    }
    for (number, kind) in ["requested", "queued"].into_iter().enumerate() {
        sqlx::query(
            "INSERT INTO email_events (team_id, email_id, id, kind, at, detail) VALUES ($1, $2, $3, $4, $5, '{}')",
        )
        .bind(team)
        .bind(id)
        .bind(id + number as i64)
        .bind(kind)
        .bind(id >> 10)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

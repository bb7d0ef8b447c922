//! Reading never waits for a write: everything that is read through the APIs, the pages and their functions is asked for by
//! keys and sessions that were never seen before, while somebody else holds what every write needs.

use std::time::Duration;

use tokio::time::timeout;

use super::matrix::dialects::{self as dialects, Prepared, new_key, with_key};
use super::matrix::{Caller, Row, Surface, prepare};
use super::*;
use crate::domain::error::AppError;
use crate::server::api::Api;
use crate::server::store::tests::HeldWriter;

/// What writes by its nature, though it is read, and what it says when it cannot.
const WRITES: [(&str, &str, &str); 7] = [
    // On PostgreSQL it writes to no table, so that none of them keeps it waiting.
    ("GET /health", "it tries whether the database takes writes", "takes no writes"),
    ("GET /health/ready", "it tries the same", "takes no writes"),
    ("GET /logs/export", "the audit log names every export before its first line", "busy"),
    ("GET /settings/audit/export", "the audit log names every export before its first line", "busy"),
    ("GET /settings/privacy/export/{id}", "the audit log names every export before its first line", "busy"),
    ("GET /settings/suppressions/export", "the audit log names every export before its first line", "busy"),
    ("GET /logs/{id}/attachments/{place}", "the audit log names who opened which file", "busy"),
];

/// How long an answer may take before it counts as never coming. Nothing comes near it.
const NEVER: Duration = Duration::from_secs(60);

/// A request that only reads, by somebody who asks for the first time.
enum Asked {
    Own { surface: Surface, row: &'static Row, texts: Vec<(&'static str, String)> },
    OfDialect(Prepared),
}

/// A request with who asks it, under the name of its route.
struct Reading {
    name: String,
    client: Client,
    asked: Asked,
}

impl Reading {
    async fn answer(&self, router: &Router) -> Answer {
        let client = Client { router: router.clone(), ..self.client.clone() };
        match &self.asked {
            Asked::Own { surface, row, texts } => surface.ask(&client, row, texts).await,
            Asked::OfDialect(prepared) => prepared.by(client).await,
        }
    }

    fn writes(&self) -> Option<&'static str> {
        WRITES.iter().find(|(name, ..)| *name == self.name).map(|(_, _, words)| *words)
    }

    /// The status that an answer means. A server function answers every error with 500 and its name.
    fn status(&self, answer: &Answer) -> u16 {
        match &self.asked {
            Asked::Own { surface: Surface::Functions, .. } => {
                serde_json::from_str::<AppError>(&answer.text).map_or(answer.status, |error| error.http_status())
            }
            Asked::Own { .. } | Asked::OfDialect(_) => answer.status,
        }
    }
}

/// What a server answers those who ask all at once.
async fn answers(readings: &Arc<Vec<Reading>>, router: &Router) -> Vec<Answer> {
    let mut tasks = Vec::new();
    for index in 0..readings.len() {
        let (readings, router) = (Arc::clone(readings), router.clone());
        tasks.push(tokio::spawn(async move { timeout(NEVER, readings[index].answer(&router)).await }));
    }
    let mut answers = Vec::new();
    for (reading, task) in readings.iter().zip(tasks) {
        answers.push(task.await.unwrap().unwrap_or_else(|_| panic!("{} hangs", reading.name)));
    }
    answers
}

/// The rows of a table that read.
fn reading_rows(surface: Surface) -> impl Iterator<Item = &'static Row> {
    let reads = move |row: &&Row| match surface {
        Surface::Endpoints | Surface::OwnRoutes => row.0.starts_with("GET "),
        Surface::Functions => row.0.starts_with("load_"),
        Surface::Pages => true,
    };
    surface.rows().iter().filter(reads)
}

async fn everything_that_reads(app: &TestApp) -> Vec<Reading> {
    let mut readings = Vec::new();
    for surface in Surface::ALL {
        for row in reading_rows(surface) {
            let by_key = matches!(surface, Surface::Endpoints) && row.0 != "GET /api/auth/me";
            let caller = if by_key { Caller::FullKey } else { Caller::Somebody(Role::Owner) };
            let (client, texts) = prepare(app, caller, row.2).await;
            readings.push(Reading { name: row.0.to_owned(), client, asked: Asked::Own { surface, row, texts } });
        }
    }
    for dialect in Api::OTHERS {
        let reads = |row: &&dialects::Row| row.0.starts_with("GET ") || row.0.ends_with("/logs/query");
        for row in dialects::rows(dialect).iter().filter(reads) {
            let key = new_key(app, app.team, PermissionSet::all()).await;
            let asked = Asked::OfDialect(dialects::prepared(app, dialect, row, &key, &key).await);
            readings.push(Reading {
                name: format!("{dialect:?} {}", row.0),
                client: with_key(app, dialect, &key),
                asked,
            });
        }
    }
    readings
}

on_both_databases_in_parallel! {
    async fn reading_never_waits_for_a_write(app: TestApp) {
        app.add_adapter("Mail").await;
        let readings = Arc::new(everything_that_reads(&app).await);
        for (name, reason, _) in WRITES {
            assert!(readings.iter().any(|reading| reading.name == name), "{name} is not asked, though {reason}");
        }
        // What was noted while they were made would otherwise wait for the writer.
        app.store().keep_noted().await;
        let beside = app.beside_impatient().await;
        let router = super::router(beside.clone());
        let held = HeldWriter::take(&app.url).await;
        let while_held = answers(&readings, &router).await;
        held.let_go().await;
        let free = answers(&readings, &app.router).await;
        let mut wrong = Vec::new();
        for ((reading, held), free) in readings.iter().zip(&while_held).zip(&free) {
            let (status, usual) = (reading.status(held), reading.status(free));
            let place = |answer: &Answer| answer.headers.get(header::LOCATION).cloned();
            let is_usual = status < 500 && status == usual && place(held) == place(free);
            let is_right = match reading.writes() {
                Some(_) if is_usual && reading.name.starts_with("GET /health") => app.url.starts_with("postgres"),
                Some(words) => status == 503 && held.text.contains(words) && usual == 200,
                None => is_usual,
            };
            if !is_right {
                wrong.push(format!("{}: {} {}, not {}", reading.name, held.status, held.text, free.status));
            }
        }
        beside.store.close().await;
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

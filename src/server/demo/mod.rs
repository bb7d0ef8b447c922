//! The demo: a team with thirty days of believable messages, for `sendlog demo`, the screenshots and the benches. The
//! same seed at the same `now` gives the same rows to the byte, but for the adapters' sealed secrets, which hold fresh
//! randomness. Nothing in it reaches anybody: every address is under `.example` or `.test` (RFC 2606), every network
//! address from the ranges for documentation (RFC 5737), and both adapters lead to the server that the caller names.
//!
//! [people], [calendar] and [catalogue] say who gets what when, [messages] plans and composes it, [history] tells what
//! became of it, [notifications] tells some customers something over several channels, [requests] logs the requests,
//! [setting] makes the team. Names and texts are in the JSON files beside them and in `templates/`.

mod calendar;
mod catalogue;
mod history;
mod messages;
mod notifications;
mod pdf;
mod people;
mod requests;
mod setting;
pub mod sink;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tracing::{error, info};

use crate::domain::error::AppError;
use crate::domain::team::{Role, Team};
use crate::server::App;
use messages::{Batch, Composer};

/// What the demo is made from.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// Chooses one of the possible demos.
    pub seed: u64,
    /// How many messages, from 100.
    pub messages: usize,
    /// Over how many calendar days, the day of `now` included.
    pub days: u32,
    /// The moment at which the demo ends; nothing has happened after it.
    pub now: DateTime<Utc>,
    /// The mail server that both adapters lead to: `smtp://127.0.0.1:2525`.
    pub smtp_url: String,
}

/// The demo's team with its log-ins. As JSON: `{"team","users":[{"email","password","role"}]}`, the team by its slug, as
/// `--team` takes it.
#[derive(Clone, Debug, Serialize)]
pub struct DemoTeam {
    #[serde(serialize_with = "slug")]
    pub team: Team,
    /// One account of each role, the most powerful first.
    pub users: Vec<DemoUser>,
}

/// A log-in of the demo. The passwords are the same in every demo: `sendlog-demo-` and the role.
#[derive(Clone, Debug, Serialize)]
pub struct DemoUser {
    pub email: String,
    pub password: String,
    pub role: Role,
}

fn slug<S: serde::Serializer>(team: &Team, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&team.slug)
}

impl DemoTeam {
    /// The log-ins for people to read, a line each.
    pub fn log_ins(&self) -> String {
        let line = |user: &DemoUser| {
            format!("  {:<8}{:<26}{}", user.role.built_in_label().unwrap_or("Member"), user.email, user.password)
        };
        let lines: Vec<String> = self.users.iter().map(line).collect();
        format!("{}, log in as:\n{}", self.team.name, lines.join("\n"))
    }
}

/// Fills a database that has no demo yet. [AppError::AlreadyExists] when it has one.
pub async fn fill(app: &App, options: &DemoOptions) -> Result<DemoTeam, AppError> {
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let (demo, setting) = setting::set_up(app, &mut rng, options).await?;
    let refused = requests::others(&mut rng, &setting, options.now, options.messages.div_ceil(150));
    app.store.insert_api_requests(&refused).await?;
    let told = notifications::make(&setting, options);
    let others = DemoOptions { messages: options.messages.saturating_sub(told.emails.len()), ..options.clone() };
    let told_addresses = told.emails.iter().flat_map(|told| &told.email.recipients);
    let told_addresses = told_addresses.map(|recipient| recipient.address.clone()).collect();
    let composer = Composer::new(rng, setting, &others, told_addresses);
    // While one batch is written, the next is composed.
    let mut composing = compose(composer);
    loop {
        let (composer, batch) = composing.await.map_err(stopped)??;
        if batch.emails.is_empty() {
            break;
        }
        composing = compose(composer);
        app.store.insert_history(demo.team.id, &batch.emails).await?;
        app.store.insert_api_requests(&batch.requests).await?;
    }
    app.store.insert_past_notifications(demo.team.id, &told.notifications).await?;
    app.store.insert_history(demo.team.id, &told.emails).await?;
    app.store.insert_api_requests(&told.requests).await?;
    setting::add_recent_lines(app, demo.team.id, options).await?;
    info!(team.id = %demo.team.id, messages = options.messages, "filled the demo");
    Ok(demo)
}

/// What a data file of the demo says.
#[expect(clippy::expect_used, reason = "the files are a part of the program, and the tests read each")]
fn read_data<T: Deserialize<'static>>(file: &'static str) -> T {
    serde_json::from_str(file).expect("a data file of the demo fits its type")
}

/// The row that `ticket` falls on, when each takes its share of the tickets from 0 on.
fn by_share<T>(rows: &[T], mut ticket: u32, share: impl Fn(&T) -> u32) -> Option<&T> {
    rows.iter().find(|row| {
        let found = ticket < share(row);
        ticket = ticket.saturating_sub(share(row));
        found
    })
}

fn compose(mut composer: Composer) -> tokio::task::JoinHandle<Result<(Composer, Batch), AppError>> {
    tokio::task::spawn_blocking(move || {
        let batch = composer.next_batch()?;
        Ok((composer, batch))
    })
}

fn stopped(cause: tokio::task::JoinError) -> AppError {
    error!(%cause, "composing the demo stopped");
    AppError::Internal
}

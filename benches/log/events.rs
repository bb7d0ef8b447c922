//! Events that others report: how many a second the service takes, against plain inserts of the same rows.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use sendlog::domain::event::{EventDetail, EventKind};
use sendlog::domain::ids::EmailId;
use sendlog::server::secrets::token_hash;
use sendlog::server::services::events::{EventReport, Reported, record_events};
use sqlx::{Connection, SqliteConnection};

use super::baseline;
use super::data::{self, Data};
use super::report::{Aim, Report, Unit};
use super::{Options, Outcome, ROUNDS, SMALL, median};

/// How many messages the events are about, in turn: the newest ones.
const MESSAGES: i64 = 20_000;

const BATCHES: [usize; 2] = [100, 1_000];

const KINDS: [EventKind; 4] = [EventKind::Delivered, EventKind::Opened, EventKind::Clicked, EventKind::Bounced];

/// Measures batches of events.
pub async fn measure(options: &Options, report: &mut Report) -> Outcome<()> {
    let data = data::prepare(SMALL.min(options.rows), None).await?;
    report.section(&format!("events into {}", data.label()));
    for in_one in BATCHES {
        let mut rates = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            let copy = data.copy("raw")?;
            let ids = newest(&copy).await?;
            rates[0].push(baseline::insert_raw_events(&copy, &ids, in_one, options.time()).await?);
            let copy = data.copy("served")?;
            rates[1].push(record(&copy, in_one, options.time(), false).await?);
            let copy = data.copy("served")?;
            rates[2].push(record(&copy, in_one, options.time(), true).await?);
        }
        let [raw, served, of_others] = rates.map(median);
        report.add(&format!("raw SQLite, a transaction for {in_one}"), raw, Unit::PerSecond, Aim::None);
        report.add(&format!("service, batches of {in_one}"), served, Unit::PerSecond, Aim::None);
        let what = format!("service, batches of {in_one}, a new message each");
        report.add(&what, of_others, Unit::PerSecond, Aim::None);
        report.add(&format!("service ÷ raw, batches of {in_one}"), served / raw, Unit::Ratio, Aim::AtLeast(0.20));
    }
    Ok(())
}

/// The newest messages' ids.
async fn newest(data: &Data) -> Outcome<Vec<i64>> {
    let mut connection = SqliteConnection::connect(&data.database_url).await?;
    let ids = sqlx::query_scalar("SELECT id FROM emails WHERE team_id = $1 ORDER BY id DESC LIMIT $2")
        .bind(data.team_id)
        .bind(MESSAGES)
        .fetch_all(&mut connection)
        .await?;
    connection.close().await?;
    Ok(ids)
}

/// Reports events for `time`, each about another message of ours, or each starting one of somebody else's; events a
/// second.
async fn record(data: &Data, in_one: usize, time: Duration, of_others: bool) -> Outcome<f64> {
    let ids = newest(data).await?;
    let app = data.app().await?;
    let key = app.store.find_key_by_hash(&token_hash(data::API_KEY), app.clock.now()).await?;
    let viewer = key.ok_or("the key is unknown")?.viewer;
    let (mut number, started) = (0, Instant::now());
    while started.elapsed() < time {
        let batch = (number..number + in_one).map(|number| {
            let email_id = EmailId(ids[number % ids.len()]);
            Ok(EventReport {
                id: format!("bench-{number}"),
                kind: KINDS[number / ids.len() % KINDS.len()],
                at: email_id.created_at() + TimeDelta::seconds(30),
                email_id: (!of_others).then_some(email_id),
                provider_message_id: of_others.then(|| format!("0100018c-{number}@ses.example")),
                recipient: Some("maya.lindqvist@northwind.example".to_owned()),
                detail: EventDetail { reply: Some("250 2.0.0 Ok".to_owned()), ..EventDetail::default() },
                from: Some("Bench <bench@finch.example>".to_owned()),
                subject: Some("Your receipt for order #48213".to_owned()),
                channel: None,
            })
        });
        let outcomes = record_events(&app, &viewer, batch.collect()).await?;
        if !outcomes.iter().all(|outcome| matches!(outcome, Reported::Recorded(_))) {
            return Err("an event was not recorded".into());
        }
        number += in_one;
    }
    let per_second = number as f64 / started.elapsed().as_secs_f64();
    app.store.close().await;
    Ok(per_second)
}

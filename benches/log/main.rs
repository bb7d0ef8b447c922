//! How quick the log is, as ratios taken in one run, because machines differ: `make bench ROWS=1000000`. Nothing here passes
//! or fails; what was measured is kept in benches/results/.
//!
//! The server is the released program in a process of its own, over a database of so many messages and one of
//! [SMALL], kept in target/bench-data from run to run. The load comes from this process, over kept-alive loopback
//! connections; what the server is measured against is a plain axum route in a third process, or plain SQL.

mod baseline;
mod data;
mod events;
mod http;
mod mix;
mod parts;
mod report;
mod server;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Parser;

use data::Data;
use http::{Load, Request};
use report::{Aim, Report, Unit};
use server::Server;

/// What every step of a measurement gives.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How often each throughput is measured, in turns; the median counts.
const ROUNDS: usize = 3;

/// The messages of the database that the large one is compared with, and that is written to.
const SMALL: usize = 100_000;

#[derive(Parser)]
struct Options {
    /// How many messages the database holds
    #[arg(long, default_value_t = 1_000_000)]
    rows: usize,
    /// How long each throughput is measured, in seconds
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// How many connections the load comes over
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// A PostgreSQL database to measure with, in schemas of its own, in place of SQLite
    #[arg(long, env = "SENDLOG_BENCH_DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// Serve the file of this name at this address: what the server is measured against
    #[arg(long, num_args = 2, hide = true)]
    serve_file: Option<Vec<String>>,
    /// Given by cargo
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let options = Options::parse();
    if let Some([address, path]) = options.serve_file.as_deref() {
        return baseline::serve_file(address, path).await;
    }
    let mut report = Report::default();
    let small = measure_reading(&options, SMALL.min(options.rows), &mut report).await?;
    if options.rows > SMALL {
        let large = measure_reading(&options, options.rows, &mut report).await?;
        report.section(&format!("{} ÷ {} messages", grouped(options.rows), grouped(SMALL)));
        report.add("list p50", large.p50_ms() / small.p50_ms(), Unit::Ratio, Aim::AtMost(1.3));
        report.add("list p99", large.p99_ms() / small.p99_ms(), Unit::Ratio, Aim::AtMost(1.3));
    }
    if options.database_url.is_none() {
        measure_accepting(&options, &mut report).await?;
        events::measure(&options, &mut report).await?;
    }
    let engine = if options.database_url.is_none() { "sqlite" } else { "postgresql" };
    report.publish(&format!("{engine}-{}", options.rows))
}

/// Measures a database of so many messages; how long its lists take.
async fn measure_reading(options: &Options, rows: usize, report: &mut Report) -> Outcome<Load> {
    let data = data::prepare(rows, options.database_url.as_deref()).await?;
    report.section(&data.label());
    report.add("on disk, a message", data.bytes_a_message().await?, Unit::Bytes, Aim::AtMost(1_500.0));
    for (table, bytes) in data.bytes_by_table().await? {
        report.add(&format!("of it {table}"), bytes as f64 / rows as f64, Unit::Bytes, Aim::None);
    }
    let server = Server::start(&data.database_url).await?;
    report.add("ready after start", server.ready_ms, Unit::Milliseconds, Aim::AtMost(50.0));
    report.add("memory, idle", server.memory_mb()?, Unit::Megabytes, Aim::AtMost(40.0));
    let session = server.log_in(data::EMAIL, data::PASSWORD).await?;
    measure_throughput(options, &server, &session, report).await?;
    let list = measure_list(&server, &data, report).await?;
    measure_stats(&server, &data, report).await?;
    measure_search(&server, &data, report).await?;
    mix::measure(options, &data, &server, &session, report).await?;
    report.add("memory, after the load", server.memory_mb()?, Unit::Megabytes, Aim::AtMost(150.0));
    drop(server);
    parts::measure(&data, report).await?;
    Ok(list)
}

/// A request by the largest team's key.
fn with_key(path: &str) -> Request {
    Request::get(path).header("Authorization", &format!("Bearer {}", data::API_KEY))
}

async fn measure_throughput(options: &Options, server: &Server, session: &str, report: &mut Report) -> Outcome<()> {
    let with_session = |path: &str| Request::get(path).header("Cookie", session);
    let by_key = with_key("/api/logs?pageSize=50");
    let by_session = with_session("/api/logs?pageSize=50");
    let page = with_session("/logs?preset=30d");
    let body = http::fetch(server.address, &by_key).await?;
    let file = baseline::write_file(&body)?;
    let plain = baseline::start(&file).await?;
    let static_file = Request::get("/");
    let targets = [
        (plain.address, &static_file, options.connections),
        (server.address, &by_key, options.connections),
        (server.address, &by_session, options.connections),
        (server.address, &page, options.connections),
        (plain.address, &static_file, 1),
        (server.address, &by_key, 1),
    ];
    let mut rates = [const { Vec::new() }; 6];
    for _ in 0..ROUNDS {
        for ((address, request, connections), rates) in targets.into_iter().zip(&mut rates) {
            let requests = std::slice::from_ref(request);
            rates.push(http::load(address, requests, connections, options.time()).await?.per_second());
        }
    }
    let [plain, by_key, by_session, page, plain_alone, by_key_alone] = rates.map(median);
    let connections = options.connections;
    report.add(
        &format!("axum, the same bytes from memory, {connections} connections"),
        plain,
        Unit::PerSecond,
        Aim::None,
    );
    report.add("50-row page as JSON, by API key", by_key, Unit::PerSecond, Aim::None);
    report.add("50-row page as JSON, by session", by_session, Unit::PerSecond, Aim::None);
    report.add("log page as HTML", page, Unit::PerSecond, Aim::None);
    report.add("axum, the same bytes from memory, 1 connection", plain_alone, Unit::PerSecond, Aim::None);
    report.add("50-row page as JSON, by API key, 1 connection", by_key_alone, Unit::PerSecond, Aim::None);
    report.add("JSON by key ÷ axum, 1 connection", by_key_alone / plain_alone, Unit::Ratio, Aim::AtLeast(0.15));
    report.add(
        &format!("JSON by key ÷ axum, {connections} connections"),
        by_key / plain,
        Unit::Ratio,
        Aim::AtLeast(0.06),
    );
    report.add(&format!("HTML ÷ axum, {connections} connections"), page / plain, Unit::Ratio, Aim::AtLeast(0.02));
    report.add("by session ÷ by key", by_session / by_key, Unit::Ratio, Aim::AtLeast(0.95));
    Ok(())
}

async fn measure_list(server: &Server, data: &Data, report: &mut Report) -> Outcome<Load> {
    let template = &data.template_id;
    let paths = [
        "/api/logs?pageSize=50".to_owned(),
        "/api/logs?pageSize=50&page=7".to_owned(),
        "/api/logs?pageSize=50&status=bounced".to_owned(),
        format!("/api/logs?pageSize=50&templateId={template}"),
        format!("/api/logs?pageSize=50&templateId={template}&status=opened&page=2"),
    ];
    let requests: Vec<Request> = paths.iter().map(|path| with_key(path)).collect();
    let list = http::sequence(server.address, &requests, 1_000).await?;
    // As far as the largest team's messages go.
    let deep = (data.rows / 50 / 5).min(5_000);
    let deep_path = format!("/api/logs?pageSize=50&page={deep}");
    let paths = ["/api/logs?pageSize=50", deep_path.as_str(), "/api/logs?pageSize=50&page=900000000"];
    let mut medians = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for (path, medians) in paths.iter().zip(&mut medians) {
            medians.push(http::sequence(server.address, &[with_key(path)], 200).await?.p50_ms());
        }
    }
    let [first, far, past] = medians.map(median);
    report.add("list, five filters in turn, p50", list.p50_ms(), Unit::Milliseconds, Aim::None);
    report.add("list, five filters in turn, p99", list.p99_ms(), Unit::Milliseconds, Aim::None);
    report.add("page 1, p50", first, Unit::Milliseconds, Aim::None);
    report.add(&format!("page {} ÷ page 1", grouped(deep)), far / first, Unit::Ratio, Aim::AtMost(1.3));
    report.add("far past the end ÷ page 1", past / first, Unit::Ratio, Aim::AtMost(1.3));
    Ok(list)
}

async fn measure_stats(server: &Server, data: &Data, report: &mut Report) -> Outcome<()> {
    let (from, to) = (data.end - TimeDelta::days(30), data.end);
    let path = format!("/api/logs/stats?from={}&to={}", shown(from), shown(to));
    let request = with_key(&path);
    let stats = http::sequence(server.address, std::slice::from_ref(&request), 300).await?;
    let answer: serde_json::Value = serde_json::from_slice(&http::fetch(server.address, &request).await?)?;
    let (count_ms, counted) = data.count_by_sql(from, to).await?;
    report.add("stats of 30 days, p50", stats.p50_ms(), Unit::Milliseconds, Aim::None);
    report.add("counting their rows by SQL", count_ms, Unit::Milliseconds, Aim::None);
    // What is aimed at holds for many: ten thousand are counted in a moment.
    let aim = if data.rows >= 10_000_000 { Aim::AtMost(0.02) } else { Aim::None };
    report.add("stats ÷ counting", stats.p50_ms() / count_ms, Unit::Ratio, aim);
    let is_equal = answer["data"]["total"].as_i64() == Some(counted);
    report.add("stats = counting", f64::from(is_equal), Unit::Truth, Aim::AtLeast(1.0));
    Ok(())
}

async fn measure_search(server: &Server, data: &Data, report: &mut Report) -> Outcome<()> {
    let terms = [
        ("a common word", "receipt"),
        ("half the addresses", "example"),
        ("a common name", "lindqvist"),
        ("one address", data::RARE),
        ("an absent word", "xqzjvwk"),
        ("two letters, common", "an"),
        ("two letters, absent", "qj"),
        ("one letter", "q"),
    ];
    let common = match (data.rows, data.is_sqlite()) {
        (SMALL, true) => Aim::AtMost(3.0),
        (SMALL, false) => Aim::AtMost(5.0),
        (_, _) => Aim::None,
    };
    for (what, term) in terms {
        let path = format!("/api/logs?pageSize=50&search={term}");
        let load = http::sequence(server.address, &[with_key(&path)], 101).await?;
        let aim = if term == "receipt" { common } else { Aim::None };
        report.add(&format!("search, {what}, p50"), load.p50_ms(), Unit::Milliseconds, aim);
        report.add(&format!("search, {what}, p99"), load.p99_ms(), Unit::Milliseconds, Aim::AtMost(100.0));
    }
    for (what, term) in terms {
        let key = format!("Bearer {}", data::api_key(data::TEAMS - 1));
        let request = Request::get(&format!("/api/logs?pageSize=50&search={term}")).header("Authorization", &key);
        let load = http::sequence(server.address, &[request], 101).await?;
        let what = format!("search by the smallest team, {what}, p99");
        report.add(&what, load.p99_ms(), Unit::Milliseconds, Aim::AtMost(10.0));
    }
    Ok(())
}

async fn measure_accepting(options: &Options, report: &mut Report) -> Outcome<()> {
    let data = data::prepare(SMALL.min(options.rows), None).await?;
    report.section(&format!("accepting into {}", data.label()));
    let mut rates = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        let copy = data.copy("raw")?;
        rates[0].push(baseline::insert_raw(&copy, 1, options.time()).await?);
        rates[1].push(baseline::insert_raw(&copy, 100, options.time()).await?);
        let copy = data.copy("served")?;
        let server = Server::start(&copy.database_url).await?;
        let request = Request::post("/api/v1/send", &data.send_body())
            .header("Authorization", &format!("Bearer {}", data::API_KEY));
        let requests = std::slice::from_ref(&request);
        rates[2].push(http::load(server.address, requests, 1, options.time()).await?.per_second());
        rates[3].push(http::load(server.address, requests, 32, options.time()).await?.per_second());
    }
    let [one_by_one, batches, alone, together] = rates.map(median);
    report.add("raw SQLite, a transaction each", one_by_one, Unit::PerSecond, Aim::None);
    report.add("raw SQLite, a transaction for 100", batches, Unit::PerSecond, Aim::None);
    report.add("POST /api/v1/send, 1 connection", alone, Unit::PerSecond, Aim::None);
    report.add("POST /api/v1/send, 32 connections", together, Unit::PerSecond, Aim::None);
    report.add("32 connections ÷ a transaction each", together / one_by_one, Unit::Ratio, Aim::None);
    report.add("32 connections ÷ a transaction for 100", together / batches, Unit::Ratio, Aim::AtLeast(0.30));
    Ok(())
}

fn shown(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

/// A number with its thousands apart: `1,000,000`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|group| std::str::from_utf8(group).unwrap_or_default()).collect();
    groups.join(",")
}

//! How quick the log is, as ratios taken in one run, because machines differ: `make bench`, or
//! `scripts/bench.sh --bench log -- --rows 100000,1000000`. Nothing here passes or fails.
//!
//! The server is the released program in a process of its own, over a database of so many messages, kept in
//! target/bench-data from run to run. The load comes from this process, over kept-alive loopback connections; what the
//! server is measured against is a plain axum route in a third process, or plain SQL.

mod baseline;
mod data;
mod events;
mod http;
mod parts;
mod server;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Parser;

use data::Data;
use http::{Load, Request};
use server::Server;

/// What every step of a measurement gives.
type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How often each throughput is measured, in turns; the median counts.
const ROUNDS: usize = 3;

#[derive(Parser)]
struct Options {
    /// How many messages each database holds
    #[arg(long, value_delimiter = ',', default_value = "100000,1000000")]
    rows: Vec<usize>,
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
    let mut table = Table::default();
    let mut sizes = Vec::new();
    for rows in &options.rows {
        let data = data::prepare(*rows, options.database_url.as_deref()).await?;
        sizes.push(measure_reading(&options, &data, &mut table).await?);
    }
    if let (Some(smallest), Some(largest)) = (sizes.first(), sizes.last().filter(|_| sizes.len() > 1)) {
        compare_sizes(smallest, largest, &mut table);
    }
    if options.database_url.is_none() {
        measure_accepting(&options, &mut table).await?;
        events::measure(&options, &mut table).await?;
    }
    table.print();
    Ok(())
}

/// What is compared between the sizes.
struct Size {
    rows: usize,
    list: Load,
}

async fn measure_reading(options: &Options, data: &Data, table: &mut Table) -> Outcome<Size> {
    eprintln!("measuring {}", data.label());
    let server = Server::start(&data.database_url).await?;
    table.head(&data.label());
    table.row("ready after start", format!("{:.0} ms", server.ready_ms), "≤ 100 ms");
    table.row("memory, idle", format!("{:.0} MB", server.memory_mb()?), "≤ 40 MB");
    let session = server.log_in(data::EMAIL, data::PASSWORD).await?;
    let with_key = |path: &str| Request::get(path).header("Authorization", &format!("Bearer {}", data::API_KEY));
    let with_session = |path: &str| Request::get(path).header("Cookie", &session);

    measure_throughput(options, &server, &with_key, &with_session, table).await?;
    let list = measure_list(&server, data, &with_key, table).await?;
    measure_stats(&server, data, &with_key, table).await?;
    measure_search(&server, &with_key, table).await?;
    table.row("memory, after the load", format!("{:.0} MB", server.memory_mb()?), "≤ 150 MB");
    drop(server);
    parts::measure(data, table).await?;
    Ok(Size { rows: data.rows, list })
}

async fn measure_throughput(
    options: &Options,
    server: &Server,
    with_key: &impl Fn(&str) -> Request,
    with_session: &impl Fn(&str) -> Request,
    table: &mut Table,
) -> Outcome<()> {
    let by_key = with_key("/api/logs?pageSize=50");
    let by_session = with_session("/api/logs?pageSize=50");
    let page = with_session("/logs?preset=30d");
    let body = http::fetch(server.address, &by_key).await?;
    let file = baseline::write_file(&body)?;
    let plain = baseline::start(&file).await?;
    let mut rates = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        let targets = [
            (plain.address, Request::get("/")),
            (server.address, by_key.clone()),
            (server.address, by_session.clone()),
            (server.address, page.clone()),
        ];
        for ((address, request), rates) in targets.into_iter().zip(&mut rates) {
            rates.push(http::load(address, &[request], options.connections, options.time()).await?.per_second());
        }
    }
    let [plain, by_key, by_session, page] = rates.map(median);
    let per_second = |rate: f64| format!("{rate:.0}/s");
    table.row("axum, the same bytes from memory", per_second(plain), "");
    table.row("50-row page as JSON, by API key", per_second(by_key), "");
    table.row("50-row page as JSON, by session", per_second(by_session), "");
    table.row("log page as HTML", per_second(page), "");
    table.row("JSON by API key ÷ axum", ratio(by_key, plain), "≥ 0.10");
    table.row("JSON by session ÷ axum", ratio(by_session, plain), "≥ 0.10");
    table.row("HTML ÷ JSON by session", ratio(page, by_session), "≥ 0.5");
    Ok(())
}

async fn measure_list(
    server: &Server,
    data: &Data,
    with_key: &impl Fn(&str) -> Request,
    table: &mut Table,
) -> Outcome<Load> {
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
    let deep = (data.rows / 50).min(5_000);
    let deep_path = format!("/api/logs?pageSize=50&page={deep}");
    let paths = ["/api/logs?pageSize=50", deep_path.as_str(), "/api/logs?pageSize=50&page=900000000"];
    let mut medians = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for (path, medians) in paths.iter().zip(&mut medians) {
            medians.push(http::sequence(server.address, &[with_key(path)], 200).await?.p50_ms());
        }
    }
    let [first, far, past] = medians.map(median);
    table.row("list, five filters in turn", list.shown(), "");
    table.row("page 1", format!("p50 {first:.2} ms"), "");
    table.row(&format!("page {} ÷ page 1", grouped(deep)), ratio(far, first), "≤ 1.5");
    table.row("far past the end ÷ page 1", ratio(past, first), "≤ 1.5");
    Ok(list)
}

async fn measure_stats(
    server: &Server,
    data: &Data,
    with_key: &impl Fn(&str) -> Request,
    table: &mut Table,
) -> Outcome<()> {
    let (from, to) = (data.end - TimeDelta::days(30), data.end);
    let path = format!("/api/logs/stats?from={}&to={}", shown(from), shown(to));
    let request = with_key(&path);
    let stats = http::sequence(server.address, std::slice::from_ref(&request), 300).await?;
    let answer: serde_json::Value = serde_json::from_slice(&http::fetch(server.address, &request).await?)?;
    let (count_ms, counted) = data.count_by_sql(from, to).await?;
    table.row("stats of 30 days", stats.shown(), "");
    table.row("counting the rows by SQL", format!("{count_ms:.1} ms"), "");
    table.row("stats ÷ counting", format!("1/{:.0}", count_ms / stats.p50_ms()), "≤ 1/50");
    let total = answer["data"]["total"].as_i64();
    let is_equal = total == Some(counted);
    table.row("stats = counting", if is_equal { "yes".to_owned() } else { format!("NO: {total:?}, {counted}") }, "yes");
    Ok(())
}

async fn measure_search(server: &Server, with_key: &impl Fn(&str) -> Request, table: &mut Table) -> Outcome<()> {
    for (what, term) in [
        ("common word", "receipt"),
        ("half the addresses", "example"),
        ("common name", "lindqvist"),
        ("one address", data::RARE),
        ("absent word", "xqzjvwk"),
        ("two letters, common", "an"),
        ("two letters, absent", "qj"),
    ] {
        let path = format!("/api/logs?pageSize=50&search={term}");
        let load = http::sequence(server.address, &[with_key(&path)], 101).await?;
        table.row(&format!("search, {what}"), load.shown(), "p99 ≤ 100 ms");
    }
    Ok(())
}

async fn measure_accepting(options: &Options, table: &mut Table) -> Outcome<()> {
    let rows = options.rows.iter().min().copied().unwrap_or(100_000);
    let data = data::prepare(rows, None).await?;
    eprintln!("measuring acceptance into {}", data.label());
    table.head(&format!("accepting into {}", data.label()));
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
    let per_second = |rate: f64| format!("{rate:.0}/s");
    table.row("raw SQLite, a transaction each", per_second(one_by_one), "");
    table.row("raw SQLite, a transaction for 100", per_second(batches), "");
    table.row("POST /api/v1/send, 1 connection", per_second(alone), "");
    table.row("POST /api/v1/send, 32 connections", per_second(together), "");
    table.row("32 connections ÷ a transaction each", ratio(together, one_by_one), "");
    table.row("32 connections ÷ a transaction for 100", ratio(together, batches), "≥ 0.20");
    Ok(())
}

fn compare_sizes(smallest: &Size, largest: &Size, table: &mut Table) {
    table.head(&format!("{} ÷ {} messages", grouped(largest.rows), grouped(smallest.rows)));
    table.row("list p50", ratio(largest.list.p50_ms(), smallest.list.p50_ms()), "≤ 1.3");
    table.row("list p99", ratio(largest.list.p99_ms(), smallest.list.p99_ms()), "≤ 1.3");
}

fn shown(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn ratio(number: f64, of: f64) -> String {
    format!("{:.3}", number / of)
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

/// What was measured, printed at the end.
#[derive(Default)]
struct Table {
    rows: Vec<(String, String, &'static str)>,
}

impl Table {
    fn head(&mut self, title: &str) {
        self.rows.push((title.to_owned(), String::new(), ""));
    }

    fn row(&mut self, what: &str, measured: String, aim: &'static str) {
        eprintln!("  {what}: {measured}");
        self.rows.push((format!("  {what}"), measured, aim));
    }

    fn print(&self) {
        let width = |text: &str| text.chars().count();
        let first = self.rows.iter().map(|(what, _, _)| width(what)).max().unwrap_or_default();
        let second = self.rows.iter().map(|(_, measured, _)| width(measured)).max().unwrap_or_default();
        println!("{:<first$} | {:<second$} | aim", "what", "measured");
        println!("{:-<first$}-|-{:-<second$}-|----", "", "");
        for (what, measured, aim) in &self.rows {
            println!("{what:<first$} | {measured:<second$} | {aim}");
        }
    }
}

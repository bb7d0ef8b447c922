//! What a day brings, all at once: lists, messages, stats, searches and sends of all teams, while events come in.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sendlog::server::clock::Clock;
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval};

use super::data::{self, Data};
use super::http::{Connection, Load, Request};
use super::report::{Aim, Report, Unit};
use super::server::Server;
use super::{Options, Outcome, shown};

/// What is asked for, and of a hundred requests how many.
const KINDS: [(&str, u32); 8] = [
    ("list", 28),
    ("list, filtered", 28),
    ("list, deep", 14),
    ("message page", 15),
    ("stats", 8),
    ("search", 4),
    ("search by the smallest team", 1),
    ("send", 2),
];

/// Events come in batches of so many, so many times a second.
const EVENTS: usize = 20;
const BATCHES_A_SECOND: u64 = 10;

const SEARCHES: [&str; 7] = ["receipt", "example", "lindqvist", data::RARE, "xqzjvwk", "an", "qj"];

/// Drives a server with the mix for some seconds, and adds how long each kind took and what memory was held at the end.
pub async fn measure(
    options: &Options,
    data: &Data,
    server: &Server,
    session: &str,
    report: &mut Report,
) -> Outcome<()> {
    let messages = data.some_messages().await?;
    let mix = Mix { data, messages: &messages, session };
    let time = options.time() * 5;
    let ends = Instant::now() + time;
    let (address, connections) = (server.address, options.connections as u64);
    let clients = (0..connections).map(|number| mix.drive(address, number, ends));
    let (answered, events) =
        futures_util::future::try_join(futures_util::future::try_join_all(clients), ingest(address, ends)).await?;
    let mut latencies = [const { Vec::new() }; KINDS.len()];
    for (kind, latency) in answered.into_iter().flatten() {
        latencies[kind].push(latency);
    }
    let count: usize = latencies.iter().map(Vec::len).sum();
    report.add("requests of the mix", count as f64 / time.as_secs_f64(), Unit::PerSecond, Aim::None);
    report.add("events meanwhile", events as f64 / time.as_secs_f64(), Unit::PerSecond, Aim::None);
    for ((kind, _), latencies) in KINDS.iter().zip(latencies) {
        let load = Load::new(time, latencies);
        report.add(&format!("mix, {kind}, p50"), load.p50_ms(), Unit::Milliseconds, Aim::None);
        report.add(&format!("mix, {kind}, p99"), load.p99_ms(), Unit::Milliseconds, Aim::None);
    }
    Ok(())
}

struct Mix<'a> {
    data: &'a Data,
    messages: &'a [String],
    session: &'a str,
}

impl Mix<'_> {
    /// One connection's share: which kind each request was of, and how long it took.
    async fn drive(&self, address: SocketAddr, number: u64, ends: Instant) -> Outcome<Vec<(usize, Duration)>> {
        let mut rng = ChaCha8Rng::seed_from_u64(number);
        let mut connection = Connection::open(address).await?;
        let mut answered = Vec::new();
        while Instant::now() < ends {
            let kind = any_kind(&mut rng);
            let request = self.request(KINDS[kind].0, &mut rng).bytes();
            let sent = Instant::now();
            connection.send(&request).await?;
            answered.push((kind, sent.elapsed()));
        }
        Ok(answered)
    }

    fn request(&self, kind: &str, rng: &mut ChaCha8Rng) -> Request {
        let team = data::any_team(rng);
        let with_key =
            |request: Request, team| request.header("Authorization", &format!("Bearer {}", data::api_key(team)));
        let get = |path: &str| with_key(Request::get(path), team);
        let search = SEARCHES[rng.random_range(0..SEARCHES.len())];
        match kind {
            "list" => get("/api/logs?pageSize=50"),
            "list, filtered" => {
                let filter = ["status=bounced", "status=opened", "status=failed", "from=2020-01-01T00:00:00Z"];
                get(&format!("/api/logs?pageSize=50&{}", filter[rng.random_range(0..filter.len())]))
            }
            "list, deep" => {
                let pages = self.data.rows / 50 / 5 / (team + 1);
                get(&format!("/api/logs?pageSize=50&page={}", rng.random_range(1..=pages.max(1))))
            }
            "message page" => {
                let message = &self.messages[rng.random_range(0..self.messages.len())];
                Request::get(&format!("/logs/{message}")).header("Cookie", self.session)
            }
            "stats" => {
                let from = self.data.end - TimeDelta::days([1, 7, 30, 90][rng.random_range(0..4)]);
                get(&format!("/api/logs/stats?from={}&to={}", shown(from), shown(self.data.end)))
            }
            "search" => get(&format!("/api/logs?pageSize=50&search={search}")),
            "search by the smallest team" => {
                with_key(Request::get(&format!("/api/logs?pageSize=50&search={search}")), data::TEAMS - 1)
            }
            _ => with_key(Request::post("/api/v1/send", &self.data.send_body()), 0),
        }
    }
}

fn any_kind(rng: &mut ChaCha8Rng) -> usize {
    let mut left = rng.random_range(0..KINDS.iter().map(|(_, share)| share).sum::<u32>());
    for (kind, (_, share)) in KINDS.iter().enumerate() {
        match left.checked_sub(*share) {
            Some(rest) => left = rest,
            None => return kind,
        }
    }
    0
}

/// Reports events of messages that others send; how many.
async fn ingest(address: SocketAddr, ends: Instant) -> Outcome<usize> {
    let mut tick = interval(Duration::from_millis(1_000 / BATCHES_A_SECOND));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut connection = Connection::open(address).await?;
    // Another run on the same database reports others.
    let clock = Clock::system();
    let run = clock.now().timestamp_millis();
    let mut count = 0;
    while Instant::now() < ends {
        tick.tick().await;
        let events: Vec<_> = (count..count + EVENTS)
            .map(|number| {
                json!({
                    "id": format!("mix-{run}-{number}"), "kind": if number % 2 == 0 { "sent" } else { "delivered" },
                    "at": shown(clock.now()), "providerMessageId": format!("mix-{run}-{}@ses.example", number / 2),
                    "recipient": "maya.lindqvist@northwind.example",
                })
            })
            .collect();
        let request = Request::post("/api/v1/events", &serde_json::to_string(&events)?)
            .header("Authorization", &format!("Bearer {}", data::API_KEY));
        connection.send(&request.bytes()).await?;
        count += EVENTS;
    }
    Ok(count)
}

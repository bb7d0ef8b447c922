//! The numbers that `/metrics` tells, in Prometheus' text format. They are the process's own: until [install], counting costs
//! a look and does nothing. Sources: Prometheus, Metric and label naming; Exposition formats.

use std::sync::OnceLock;
use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::process;

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    /// Its name in Prometheus' text format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

use Kind::{Counter, Gauge, Histogram};

/// Every number of Sendlog's own with what it says. docs/metrics.md tells more; a test compares the two.
pub const METRICS: [(&str, Kind, &str); 29] = [
    ("sendlog_build_info", Gauge, "Always 1; the label says the version"),
    ("sendlog_http_requests_total", Counter, "Requests that were answered"),
    ("sendlog_http_request_duration_seconds", Histogram, "From a request to the head of its answer"),
    ("sendlog_rate_limited_requests_total", Counter, "Requests refused because a key made too many"),
    ("sendlog_messages_accepted_total", Counter, "Messages accepted by this node"),
    ("sendlog_attempts_total", Counter, "Attempts to send a message, by what came of them"),
    ("sendlog_attempt_duration_seconds", Histogram, "How long an attempt took, where an adapter was asked"),
    ("sendlog_outbox_lag_seconds", Histogram, "How late a queue's first message was leased"),
    ("sendlog_outbox_messages", Gauge, "Messages that wait to be sent, counted up to 100,000"),
    (
        "sendlog_outbox_oldest_due_seconds",
        Gauge,
        "For how long the first message is due that has an adapter; 0 if none is",
    ),
    ("sendlog_events_total", Counter, "Events that were reported, by who reported them"),
    ("sendlog_hook_posts_total", Counter, "Posts of providers' webhooks, by what became of them"),
    ("sendlog_webhook_deliveries_total", Counter, "Posts to webhooks of teams, by what came of them"),
    ("sendlog_webhook_delivery_duration_seconds", Histogram, "How long a post to a team's webhook took"),
    ("sendlog_webhook_deliveries_pending", Gauge, "Deliveries to webhooks that wait, counted up to 100,000"),
    ("sendlog_webhook_oldest_due_seconds", Gauge, "For how long the first delivery to a webhook is due; 0 if none is"),
    ("sendlog_smtp_sessions", Gauge, "SMTP connections that are open"),
    ("sendlog_smtp_sessions_total", Counter, "SMTP connections that were taken or refused"),
    ("sendlog_store_commit_duration_seconds", Histogram, "How long the database took to commit a transaction"),
    ("sendlog_store_batch_requests", Histogram, "How many requests shared a transaction that accepts messages"),
    ("sendlog_database_connections", Gauge, "Connections to the database, by pool and state"),
    ("sendlog_database_size_bytes", Gauge, "The database's size"),
    ("sendlog_database_migration_version", Gauge, "The migration that the database is at"),
    ("sendlog_database_up", Gauge, "Whether the last look at the database was answered"),
    (
        "sendlog_retention_steps_total",
        Counter,
        "Steps, of some rows each, that deleted what is kept no longer, by what it was",
    ),
    ("sendlog_last_backup_timestamp_seconds", Gauge, "When the newest scheduled backup was made; absent without one"),
    ("sendlog_otlp_failures_total", Counter, "Posts of spans and lines of the log that the collector did not take"),
    ("process_resident_memory_bytes", Gauge, "Memory in use"),
    ("process_start_time_seconds", Gauge, "When the process started, in Unix time"),
];

/// What the process tells beside, which is told from the system's own files.
pub const OF_PROCESS: [(&str, Kind); 3] =
    [("process_cpu_seconds_total", Counter), ("process_open_fds", Gauge), ("process_max_fds", Gauge)];

/// The bounds of durations in seconds: from a read of the cache to a mail server that thinks.
const SECONDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];
/// The bounds of how many share something.
const COUNTS: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 100.0];

/// How often measurements are summed up.
const UPKEEP: Duration = Duration::from_secs(5);

/// What came of an attempt, and of a delivery to a webhook.
pub const ATTEMPT_OUTCOMES: [&str; 7] =
    ["sent", "deferred", "unreachable", "bounced", "failed", "dropped", "uncertain"];
pub const DELIVERY_OUTCOMES: [&str; 3] = ["delivered", "waiting", "failed"];

static EXPOSER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Begins to count, once for the process. `kinds` are those of adapters, `sources` those who report events: what never
/// happened is told as 0, so that a rate is known from the first time on.
pub fn install(kinds: &[&'static str], sources: &[&'static str]) {
    EXPOSER.get_or_init(|| {
        let seconds = Matcher::Suffix("_seconds".to_owned());
        let builder = PrometheusBuilder::new().set_buckets_for_metric(seconds, &SECONDS);
        let batch = Matcher::Full("sendlog_store_batch_requests".to_owned());
        let builder = builder.and_then(|builder| builder.set_buckets_for_metric(batch, &COUNTS));
        let recorder = builder.unwrap_or_default().build_recorder();
        let handle = recorder.handle();
        // Nobody else sets one: the program has this one alone.
        let _ = metrics::set_global_recorder(recorder);
        describe();
        begin_at_zero(kinds, sources);
        handle
    });
}

fn describe() {
    for (name, kind, text) in METRICS {
        let unit = if name.contains("_seconds") { Unit::Seconds } else { Unit::Count };
        match kind {
            Counter => describe_counter!(name, unit, text),
            Gauge => describe_gauge!(name, unit, text),
            Histogram => describe_histogram!(name, unit, text),
        }
    }
}

fn begin_at_zero(kinds: &[&'static str], sources: &[&'static str]) {
    gauge!("sendlog_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    for kind in kinds {
        for outcome in ATTEMPT_OUTCOMES {
            counter!("sendlog_attempts_total", "kind" => *kind, "outcome" => outcome).absolute(0);
        }
    }
    for outcome in DELIVERY_OUTCOMES {
        counter!("sendlog_webhook_deliveries_total", "outcome" => outcome).absolute(0);
    }
    for source in sources {
        counter!("sendlog_events_total", "source" => *source, "outcome" => "recorded").absolute(0);
        counter!("sendlog_events_total", "source" => *source, "outcome" => "refused").absolute(0);
    }
    for outcome in ["taken", "refused"] {
        counter!("sendlog_smtp_sessions_total", "outcome" => outcome).absolute(0);
    }
    for name in ["sendlog_messages_accepted_total", "sendlog_otlp_failures_total"] {
        counter!(name).absolute(0);
    }
    counter!("sendlog_rate_limited_requests_total", "surface" => "sendlog").absolute(0);
    gauge!("sendlog_smtp_sessions").set(0.0);
    for name in ["sendlog_outbox_lag_seconds", "sendlog_store_commit_duration_seconds", "sendlog_store_batch_requests"]
    {
        let _registered = histogram!(name);
    }
    let _registered = histogram!("sendlog_webhook_delivery_duration_seconds");
}

/// Sums up what was measured, again and again: where nobody asks, single measurements would become ever more.
pub async fn keep_up() {
    let mut ticks = tokio::time::interval(UPKEEP);
    loop {
        ticks.tick().await;
        if let Some(handle) = EXPOSER.get() {
            handle.run_upkeep();
        }
    }
}

/// Everything in Prometheus' text format; empty before [install].
pub fn exposition() -> String {
    let Some(handle) = EXPOSER.get() else { return String::new() };
    process::set_gauges();
    handle.run_upkeep();
    let mut text = handle.render();
    process::write_rest(&mut text);
    text
}

/// Counts a request that was answered. `route` is a template, of which there are few.
pub fn count_request(surface: &'static str, method: &'static str, route: String, status: u16, took: Duration) {
    if EXPOSER.get().is_none() {
        return;
    }
    let labels = [
        ("surface", surface.to_owned()),
        ("method", method.to_owned()),
        ("route", route.clone()),
        ("status", status.to_string()),
    ];
    counter!("sendlog_http_requests_total", &labels).increment(1);
    histogram!("sendlog_http_request_duration_seconds", "surface" => surface, "route" => route).record(took);
}

/// Counts a request that was refused because its key made too many.
pub fn count_rate_limited(surface: &'static str) {
    counter!("sendlog_rate_limited_requests_total", "surface" => surface).increment(1);
}

/// Counts messages that one transaction accepted for so many requests.
pub fn count_accepted(requests: usize, messages: usize) {
    histogram!("sendlog_store_batch_requests").record(requests as f64);
    counter!("sendlog_messages_accepted_total").increment(messages as u64);
}

/// Counts an attempt by an adapter of this kind; `took` where one was asked.
pub fn count_attempt(kind: &'static str, outcome: &'static str, took: Option<Duration>) {
    counter!("sendlog_attempts_total", "kind" => kind, "outcome" => outcome).increment(1);
    if let Some(took) = took {
        histogram!("sendlog_attempt_duration_seconds", "kind" => kind).record(took);
    }
}

/// Notes how late the first message of a queue was leased.
pub fn note_lag(lag: Duration) {
    histogram!("sendlog_outbox_lag_seconds").record(lag);
}

/// Counts events that `source` reported.
pub fn count_events(source: &'static str, outcome: &'static str, count: usize) {
    counter!("sendlog_events_total", "source" => source, "outcome" => outcome).increment(count as u64);
}

/// Counts a post of a provider's webhook.
pub fn count_hook_post(source: &'static str, outcome: &'static str) {
    counter!("sendlog_hook_posts_total", "source" => source, "outcome" => outcome).increment(1);
}

/// Counts a post to a team's webhook.
pub fn count_delivery(outcome: &'static str, took: Duration) {
    counter!("sendlog_webhook_deliveries_total", "outcome" => outcome).increment(1);
    histogram!("sendlog_webhook_delivery_duration_seconds").record(took);
}

/// Counts a transaction's commit.
pub fn note_commit(took: Duration) {
    histogram!("sendlog_store_commit_duration_seconds").record(took);
}

/// Counts a step of the retention that deleted something.
pub fn count_deletion(what: &'static str) {
    counter!("sendlog_retention_steps_total", "what" => what).increment(1);
}

/// Counts a post of spans or lines of the log that the collector did not take.
pub fn count_otlp_failure() {
    counter!("sendlog_otlp_failures_total").increment(1);
}

/// Counts an SMTP connection that there is no room for.
pub fn count_refused_session() {
    counter!("sendlog_smtp_sessions_total", "outcome" => "refused").increment(1);
}

/// An SMTP connection, counted as open while this lives.
pub struct OpenSession(());

impl OpenSession {
    /// Counts one more.
    pub fn begin() -> Self {
        counter!("sendlog_smtp_sessions_total", "outcome" => "taken").increment(1);
        gauge!("sendlog_smtp_sessions").increment(1.0);
        Self(())
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        gauge!("sendlog_smtp_sessions").decrement(1.0);
    }
}

/// Sets a number without labels.
pub fn set(name: &'static str, value: f64) {
    gauge!(name).set(value);
}

/// Sets how many connections of a pool are in use and idle.
pub fn set_connections(pool: &'static str, used: f64, idle: f64) {
    gauge!("sendlog_database_connections", "pool" => pool, "state" => "used").set(used);
    gauge!("sendlog_database_connections", "pool" => pool, "state" => "idle").set(idle);
}

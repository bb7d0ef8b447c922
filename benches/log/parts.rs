//! Where the time of a page goes: its parts, one after another, in this process.

use std::time::Instant;

use chrono::TimeDelta;
use sendlog::domain::filter::{EmailFilter, RollupScope, TimeRange};
use sendlog::domain::page::PageRequest;
use sendlog::domain::viewer::Viewer;
use sendlog::server::secrets::token_hash;
use sendlog::server::services::{api_requests, emails};

use super::Outcome;
use super::data::{self, Data};
use super::report::{Aim, Report, Unit};

const TIMES: u32 = 500;

/// Measures the parts of the 50-row page.
pub async fn measure(data: &Data, report: &mut Report) -> Outcome<()> {
    let app = data.app().await?;
    let (hash, now) = (token_hash(data::API_KEY), app.clock.now());
    let viewer: Viewer = app.store.find_key_by_hash(&hash, now).await?.ok_or("the key is unknown")?.viewer;
    let request = PageRequest { page: 1, page_size: 50 };
    let month = TimeRange::new(data.end - TimeDelta::days(30), data.end);
    let everything = EmailFilter::default();
    let of_month = EmailFilter { range: month, ..EmailFilter::default() };
    let page = emails::list_emails(&app, &viewer, &everything, request).await?;
    let json = serde_json::to_vec(&page)?;

    /// The mean of [TIMES] runs, in microseconds.
    macro_rules! timed {
        ($what:expr, $part:expr) => {{
            let started = Instant::now();
            for _ in 0..TIMES {
                std::hint::black_box($part);
            }
            let micros = started.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES);
            report.add(&format!("part: {}", $what), micros, Unit::Microseconds, Aim::None);
        }};
    }
    timed!("a statement that reads nothing", app.store.ping().await?);
    timed!("key to viewer", app.store.find_key_by_hash(&hash, now).await?);
    timed!("list, all", emails::list_emails(&app, &viewer, &everything, request).await?);
    timed!("list, 30 days", emails::list_emails(&app, &viewer, &of_month, request).await?);
    timed!("counts, 30 days", app.store.count_by_status(viewer.team, RollupScope::All, month).await?);
    timed!("counts by hour, 30 days", app.store.list_hour_counts(viewer.team, RollupScope::All, month).await?);
    timed!("page to JSON", serde_json::to_vec(&page)?);
    timed!("answer redacted for the request log", api_requests::logged_body(&json));
    app.store.close().await;
    Ok(())
}

//! The cards and the chart over a list: they count the rows that the list shows. Without a search, whole hours come from the
//! rollups; with one, the matches are counted one by one, as far back as the list counts them. Called by the log's page.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::emails::{asked, zone_of};
use super::period;
use crate::domain::error::AppError;
use crate::domain::filter::{Criteria, EmailFilter, TimeRange};
use crate::domain::period::Period;
use crate::domain::permission::Permission;
use crate::domain::stats::{Overview, StatusCounts};
use crate::domain::viewer::Viewer;
use crate::server::App;

/// Counts, each with an instant of what is counted.
type Samples = Vec<(DateTime<Utc>, StatusCounts)>;

/// The cards and the chart of the messages that `filter` lets through, whose range lies in the period. Needs `logs:view`.
pub async fn load_overview(
    app: &App,
    viewer: &Viewer,
    period: &Period,
    filter: &EmailFilter,
) -> Result<Overview, AppError> {
    viewer.require(Permission::LogsView)?;
    let filter = asked(viewer, filter);
    let zone = zone_of(viewer);
    let counts_hours = filter.search.is_none() && filter.criteria == Criteria::default();
    let fixed = filter.range.from.filter(|_| counts_hours).map(|from| period::bar_edges(period, Some(from), zone));
    let (samples, edges, counted_from) = if let Some(edges) = fixed.filter(|edges| are_whole_hours(edges)) {
        (app.store.list_bar_counts(viewer.team, filter.scope(), filter.range, &edges).await?, edges, None)
    } else if counts_hours {
        let hours = app.store.list_hour_counts(viewer.team, filter.scope(), filter.range).await?;
        let edges = period::bar_edges(period, hours.first().map(|(hour, _)| *hour), zone);
        (split(app, viewer, &filter, hours, &edges).await?, edges, None)
    } else {
        let (samples, counted_from) = count_matches(app, viewer, &filter).await?;
        let edges = period::bar_edges(period, samples.first().map(|(at, _)| *at), zone);
        (samples, edges, counted_from)
    };
    let samples: Samples = samples.into_iter().map(|(at, counts)| (at, counts.only(filter.statuses))).collect();
    let (statuses, total) = (filter.statuses, total_of(&samples));
    let previous = match period.previous {
        Some(range) if counts_hours => {
            let counts = app.store.count_by_status(viewer.team, filter.scope(), range).await?;
            Some(counts.only(filter.statuses).into())
        }
        Some(range) if counted_from.is_none() => {
            let before = EmailFilter { range, ..filter.into_owned() };
            let (samples, counted_from) = count_matches(app, viewer, &before).await?;
            counted_from.is_none().then(|| total_of(&samples).into())
        }
        Some(_) | None => None,
    };
    Ok(Overview { statuses, stats: total.into(), previous, bars: period::chart_bars(&edges, &samples), counted_from })
}

/// Whether no bar begins within an hour.
fn are_whole_hours(edges: &[DateTime<Utc>]) -> bool {
    let inner = edges.get(1..edges.len().saturating_sub(1)).unwrap_or_default();
    !edges.is_empty() && inner.iter().all(|edge| edge.timestamp().rem_euclid(3600) == 0)
}

fn total_of(samples: &Samples) -> StatusCounts {
    let mut total = StatusCounts::default();
    samples.iter().for_each(|(_, counts)| total += *counts);
    total
}

async fn count_matches(
    app: &App,
    viewer: &Viewer,
    filter: &EmailFilter,
) -> Result<(Samples, Option<DateTime<Utc>>), AppError> {
    let (statuses, counted_from) = app.store.list_statuses(viewer.team, filter).await?;
    let mut samples: BTreeMap<DateTime<Utc>, StatusCounts> = BTreeMap::new();
    for (id, status) in statuses {
        samples.entry(id.created_at()).or_default().add(status, 1);
    }
    Ok((samples.into_iter().collect(), counted_from))
}

/// Whole hours cut where a bar begins within one: bars shorter than an hour, and those of zones that are half an hour or a
/// quarter off.
async fn split(
    app: &App,
    viewer: &Viewer,
    filter: &EmailFilter,
    hours: Samples,
    edges: &[DateTime<Utc>],
) -> Result<Samples, AppError> {
    let hour_of = |at: DateTime<Utc>| at - TimeDelta::seconds(at.timestamp().rem_euclid(3600));
    let until_end = |from, to: DateTime<Utc>| TimeRange::new(from, filter.range.to.map_or(to, |end| end.min(to)));
    let inner = edges.get(1..edges.len().saturating_sub(1)).unwrap_or_default();
    let cuts: Vec<DateTime<Utc>> = inner.iter().copied().filter(|edge| hour_of(*edge) != *edge).collect();
    let is_short = edges.windows(2).all(|edge| edge[1] - edge[0] < TimeDelta::hours(1));
    if is_short && !cuts.is_empty() {
        let mut bars: Vec<TimeRange> = edges.windows(2).map(|edge| until_end(edge[0], edge[1])).collect();
        // An open end is open for what other clocks call later than now.
        if let Some(last) = bars.last_mut() {
            last.to = filter.range.to;
        }
        let counts = app.store.count_in_ranges(viewer.team, filter.scope(), &bars).await?;
        return Ok(edges.iter().copied().zip(counts).collect());
    }
    let begins = |cut: DateTime<Utc>| edges.first().map_or(hour_of(cut), |first| hour_of(cut).max(*first));
    let pieces: Vec<TimeRange> = cuts.iter().map(|cut| until_end(begins(*cut), *cut)).collect();
    let before = app.store.count_in_ranges(viewer.team, filter.scope(), &pieces).await?;
    let mut samples: BTreeMap<DateTime<Utc>, StatusCounts> = hours.into_iter().collect();
    for (cut, counts) in cuts.into_iter().zip(before) {
        // The hour keeps what is before the cut, and the rest of it stands at the cut.
        if let Some(hour) = samples.get_mut(&hour_of(cut)) {
            let mut after = *hour;
            after -= counts;
            *hour = counts;
            samples.insert(cut, after);
        }
    }
    Ok(samples.into_iter().collect())
}

//! Messages by outcome over time: a bar for each step, each a link to its own range. With JavaScript they are one stop for the
//! keyboard, and dragging over them zooms: `components::behaviour`.

use chrono::{DateTime, SecondsFormat, Timelike, Utc};
use leptos::prelude::*;

use crate::components::markup::Markup;
use crate::components::number::{counted, grouped, round_up};
use crate::components::time::ViewerClock;
use crate::domain::address::logs::LogQuery;
use crate::domain::email::EmailStatus;
use crate::domain::filter::{StatusSet, TimeRange};
use crate::domain::mount::mounted;
use crate::domain::period::{Period, PeriodChoice};
use crate::domain::stats::{ChartBar, StatusCounts};

/// The layers of a bar from the bottom up: key of the colour, name, statuses.
const LAYERS: [(&str, &str, &[EmailStatus]); 4] = [
    ("delivered", "Delivered, not opened", &[EmailStatus::Delivered]),
    ("opened", "Opened", &[EmailStatus::Opened, EmailStatus::Clicked]),
    ("lost", "Bounced, failed, spam", &[EmailStatus::Bounced, EmailStatus::Failed, EmailStatus::Spam]),
    ("pending", "On the way", &[EmailStatus::Queued, EmailStatus::Sent]),
];

/// The least height that the problems of a bar are pressed at, in hundredths of the chart's.
const MIN_HIT: f64 = 20.0;

/// At most so many times stand under the chart, and so many days, which are wider.
const MAX_TIMES: usize = 8;
const MAX_DAYS: usize = 7;

/// The words under a bar.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tick {
    words: String,
    /// Whether they reach back from the end of the bar, for there is no room after its beginning.
    reaches_back: bool,
    /// Whether they would touch others where the chart is narrow, and are left out there.
    is_tight: bool,
}

/// A bar for each step of the period.
#[component]
pub fn Chart(query: LogQuery, period: Period, bars: Vec<ChartBar>) -> impl IntoView {
    let clock = ViewerClock::of_page();
    let top = round_up(bars.iter().map(|bar| sum(&bar.counts)).max().unwrap_or(0));
    let summary = summary_of(&bars, &period, &clock);
    let ticks = ticks_of(&bars, &clock);
    let mut drawn = Markup::with_capacity(bars.len() * BAR_BYTES);
    bars.iter().zip(ticks).for_each(|(bar, tick)| push_bar(&mut drawn, bar, tick, top, &query, &clock));
    let legend = LAYERS.map(|(key, name, _)| view! { <li data-key=key>{name}</li> }).collect_view();
    view! {
        <figure class="chart" aria-labelledby="chart-title">
            <figcaption class="visually-hidden">
                <h2 id="chart-title">"Messages by outcome"</h2>
                <p>{summary}</p>
                <ul aria-label="Legend">{legend}</ul>
            </figcaption>
            <a class="skip-link" href="#messages">"Skip the chart"</a>
            <div class="plot">
                <div class="plot-lines" aria-hidden="true">
                    <span>{grouped(top)}</span>
                    <span>{(top % 2 == 0).then(|| grouped(top / 2))}</span>
                </div>
                <div class="plot-bars" inner_html=drawn.into_html()></div>
            </div>
        </figure>
    }
}

/// What a bar takes, mostly.
const BAR_BYTES: usize = 2_400;

/// A bar, a link to its own span of time; each of its layers is one to that span and its statuses, for who has a pointer.
fn push_bar(html: &mut Markup, bar: &ChartBar, tick: Option<Tick>, top: i64, query: &LogQuery, clock: &ViewerClock) {
    let when = span_label(bar.from, bar.to, clock);
    let all = counted(sum(&bar.counts), "message", "messages");
    let at = query.with_period(PeriodChoice::exactly(TimeRange::new(bar.from, bar.to)));
    let instant = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    let layers: Vec<Layer> = LAYERS
        .iter()
        .map(|(key, name, statuses)| Layer { key, name, statuses, count: in_layer(&bar.counts, statuses) })
        .filter(|layer| layer.count > 0)
        .collect();
    let spoken = layers.iter().map(|layer| format!(", {} {}", grouped(layer.count), layer.name.to_lowercase()));
    let label = format!("{when}: {all}{}", spoken.collect::<String>());
    html.html(r#"<div class="bar""#).attribute("data-from", &instant(bar.from)).attribute("data-to", &instant(bar.to));
    html.html(r#"><a class="bar-link""#).attribute("href", &mounted(at.to_url())).attribute("aria-label", &label);
    html.html(r#"></a><svg viewBox="0 0 1 100" preserveAspectRatio="none" aria-hidden="true">"#);
    let mut below = 0;
    for layer in &layers {
        let height = layer.count as f64 * 100.0 / top as f64;
        let y = 100.0 - (below + layer.count) as f64 * 100.0 / top as f64;
        below += layer.count;
        let url = at.with_statuses(layer.statuses.iter().copied().collect()).to_url();
        html.html("<a").attribute("href", &mounted(url)).html(r#" tabindex="-1">"#);
        // A few problems among many are few pixels: what is pressed for them is larger.
        if layer.key == "lost" {
            html.html(r#"<rect class="hit""#);
            push_place(html, y.min(100.0 - MIN_HIT), height.max(MIN_HIT));
        }
        html.html("<rect").attribute("data-key", layer.key);
        push_place(html, y, height);
        html.html("</a>");
    }
    html.html("</svg>");
    if let Some(tick) = tick {
        html.html(r#"<span class="tick""#).flag("data-end", tick.reaches_back).flag("data-tight", tick.is_tight);
        html.html(r#" aria-hidden="true">"#).text(&tick.words).html("</span>");
    }
    let count = sum(&bar.counts);
    html.html(r#"<span class="tip" aria-hidden="true"><span class="tip-title">"#).text(&when);
    html.html(r#"</span><span class="tip-line">"#).html(if count == 1 { "Message" } else { "Messages" });
    html.html("<b>").text(&grouped(count)).html("</b></span>");
    for layer in &layers {
        html.html(r#"<span class="tip-line""#).attribute("data-key", layer.key).html(">").text(layer.name);
        html.html("<b>").text(&grouped(layer.count)).html("</b></span>");
    }
    if count > 0 {
        html.html(r#"<span class="tip-click">Click or Enter: all "#).text(&all).html("</span>");
    }
    // The style sheet shows the one of what is under the pointer.
    for layer in &layers {
        html.html(r#"<span class="tip-click""#).attribute("data-key", layer.key).html(">Click: the ");
        html.text(&grouped(layer.count)).html(" ").text(&layer.name.to_lowercase()).html("</span>");
    }
    html.html("</span></div>");
}

/// A layer of a bar that has some messages.
struct Layer {
    key: &'static str,
    name: &'static str,
    statuses: &'static [EmailStatus],
    count: i64,
}

/// Where a rectangle stands, in hundredths of the chart's height, and its end.
fn push_place(html: &mut Markup, y: f64, height: f64) {
    html.html(r#" x="0" width="1""#).attribute("y", &format!("{y:.2}")).attribute("height", &format!("{height:.2}"));
    html.html("></rect>");
}

fn sum(counts: &StatusCounts) -> i64 {
    counts.in_set(StatusSet::default())
}

fn in_layer(counts: &StatusCounts, statuses: &[EmailStatus]) -> i64 {
    statuses.iter().map(|status| counts.of(*status)).sum()
}

/// When a bar is: `Fri 20 Nov, 08:00–12:00`, `Fri 20 Nov`, `20 Nov – 22 Nov`.
fn span_label(from: DateTime<Utc>, to: DateTime<Utc>, clock: &ViewerClock) -> String {
    let time = |at: DateTime<Utc>| {
        let local = clock.local(at);
        let pattern = if local.second() == 0 { "%H:%M" } else { "%H:%M:%S" };
        local.format(&format!("{pattern}{}", if clock.is_twice(at) { " %Z" } else { "" })).to_string()
    };
    let (start, end) = (time(from), time(to));
    let (from, to) = (clock.local(from), clock.local(to));
    let starts_day = |time: &DateTime<chrono_tz::Tz>| time.num_seconds_from_midnight() == 0;
    let (day, next_day) = (from.date_naive(), from.date_naive().succ_opt().unwrap_or(from.date_naive()));
    if starts_day(&from) && starts_day(&to) {
        if to.date_naive() == next_day {
            return from.format("%a %-d %b").to_string();
        }
        let last = to.date_naive().pred_opt().unwrap_or(to.date_naive());
        return format!("{} – {}", from.format("%-d %b"), last.format("%-d %b"));
    }
    if to.date_naive() == day || (starts_day(&to) && to.date_naive() == next_day) {
        return format!("{}, {start}–{end}", from.format("%a %-d %b"));
    }
    format!("{} {start} – {} {end}", from.format("%-d %b"), to.format("%-d %b"))
}

/// The words under the bars: times where a bar is an hour or less, days where bars begin a day, so few that they do not touch.
fn ticks_of(bars: &[ChartBar], clock: &ViewerClock) -> Vec<Option<Tick>> {
    let starts: Vec<_> = bars.iter().map(|bar| clock.local(bar.from)).collect();
    let span = bars.first().zip(bars.last()).map(|(first, last)| last.to - first.from).unwrap_or_default();
    let has_times = span.num_hours() <= 50;
    let minutes = match span.num_minutes() {
        ..=15 => 2,
        16..=62 => 10,
        63..=300 => 30,
        301..=780 => 60,
        _ => 180,
    };
    let is_place = |index: usize| match &starts[index] {
        start if has_times => start.second() == 0 && (start.hour() * 60 + start.minute()) % minutes == 0,
        start => start.num_seconds_from_midnight() == 0 || (index == 0 && start.hour() == 0),
    };
    let places: Vec<usize> = (0..bars.len()).filter(|index| is_place(*index)).collect();
    let step = places.len().div_ceil(if has_times { MAX_TIMES } else { MAX_DAYS }).max(1);
    let places: Vec<usize> = places.into_iter().step_by(step).collect();
    // One that reaches back from the end touches the one before it in a narrow chart. Of two times the earlier one stays there,
    // so that no hole is seen among them; of two days the last one, which says where the chart ends.
    let tight = match places[..] {
        [.., before, last] if is_at_end(last, bars.len()) && (last - before + 1) * 4 < bars.len() => {
            Some(if has_times { last } else { before })
        }
        _ => None,
    };
    let today = clock.local(clock.now).date_naive();
    let mut ticks = vec![None; bars.len()];
    for index in places {
        let start = &starts[index];
        let words = match span.num_days() {
            _ if has_times && clock.is_twice(bars[index].from) => start.format("%H:%M %Z").to_string(),
            _ if has_times => start.format("%H:%M").to_string(),
            _ if start.date_naive() == today => "Today".to_owned(),
            ..=14 => start.format("%a %-d").to_string(),
            _ => start.format("%-d %b").to_string(),
        };
        let reaches_back = is_at_end(index, bars.len());
        ticks[index] = Some(Tick { words, reaches_back, is_tight: tight == Some(index) });
    }
    ticks
}

/// Whether the words under a bar have no room to the right of its beginning.
const fn is_at_end(index: usize, bars: usize) -> bool {
    (bars - index) * 8 < bars
}

fn summary_of(bars: &[ChartBar], period: &Period, clock: &ViewerClock) -> String {
    let total = bars.iter().map(|bar| sum(&bar.counts)).sum();
    let busiest = bars.iter().max_by_key(|bar| sum(&bar.counts)).filter(|bar| sum(&bar.counts) > 0);
    let all = format!("{}: {}.", period.label, counted(total, "message", "messages"));
    match busiest {
        Some(bar) => format!("{all} Most in {}: {}.", span_label(bar.from, bar.to, clock), grouped(sum(&bar.counts))),
        None => all,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> ViewerClock {
        ViewerClock::new("Europe/Berlin", "2026-11-20T14:00:00Z".parse().unwrap())
    }

    fn label(from: &str, to: &str) -> String {
        span_label(from.parse().unwrap(), to.parse().unwrap(), &clock())
    }

    #[test]
    fn a_bar_is_named_by_the_viewers_clock() {
        assert_eq!(label("2026-11-19T23:00:00Z", "2026-11-20T23:00:00Z"), "Fri 20 Nov");
        assert_eq!(label("2026-11-20T07:00:00Z", "2026-11-20T11:00:00Z"), "Fri 20 Nov, 08:00–12:00");
        assert_eq!(label("2026-11-20T19:00:00Z", "2026-11-20T23:00:00Z"), "Fri 20 Nov, 20:00–00:00");
        assert_eq!(label("2026-11-19T23:00:00Z", "2026-11-22T23:00:00Z"), "20 Nov – 22 Nov");
        assert_eq!(label("2026-11-20T15:40:00Z", "2026-11-20T15:41:00Z"), "Fri 20 Nov, 16:40–16:41");
    }

    #[test]
    fn the_hour_that_comes_twice_says_which_it_is() {
        assert_eq!(label("2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z"), "Sun 25 Oct, 02:00 CEST–02:00 CET");
        assert_eq!(label("2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z"), "Sun 25 Oct, 02:00 CET–03:00");
    }

    /// What stands under the bars: everywhere, and where the chart is narrow.
    fn words_of(bars: &[ChartBar], clock: &ViewerClock) -> (Vec<String>, Vec<String>) {
        let ticks: Vec<Tick> = ticks_of(bars, clock).into_iter().flatten().collect();
        let narrow = ticks.iter().filter(|tick| !tick.is_tight).map(|tick| tick.words.clone()).collect();
        (ticks.into_iter().map(|tick| tick.words).collect(), narrow)
    }

    #[test]
    fn ten_minutes_have_words_too() {
        let first: DateTime<Utc> = "2026-11-20T15:40:00Z".parse().unwrap();
        let minute = |index| first + chrono::TimeDelta::minutes(index);
        let bars: Vec<_> = (0..10)
            .map(|index| ChartBar { from: minute(index), to: minute(index + 1), counts: StatusCounts::default() })
            .collect();
        assert_eq!(words_of(&bars, &clock()).0, ["16:40", "16:42", "16:44", "16:46", "16:48"]);
    }

    /// A part of a bar that the style sheet does not know would not say what a click on it shows.
    #[test]
    fn the_tooltip_knows_every_part_of_a_bar() {
        let style = include_str!("../../../style/components/_chart.scss");
        for (key, ..) in LAYERS {
            assert!(style.contains(&format!("rect[data-key=\"{key}\"]")), "{key}");
        }
    }

    #[test]
    fn every_status_is_in_one_layer() {
        for status in EmailStatus::ALL {
            assert_eq!(LAYERS.iter().filter(|(.., statuses)| statuses.contains(&status)).count(), 1);
        }
    }

    #[test]
    fn a_week_has_a_word_a_day() {
        let first: DateTime<Utc> = "2026-11-13T23:00:00Z".parse().unwrap();
        let bars: Vec<_> = (0..42)
            .map(|index| {
                let from = first + chrono::TimeDelta::hours(4 * index);
                ChartBar { from, to: from + chrono::TimeDelta::hours(4), counts: StatusCounts::default() }
            })
            .collect();
        let all = ["Sat 14", "Sun 15", "Mon 16", "Tue 17", "Wed 18", "Thu 19", "Today"];
        assert_eq!(words_of(&bars, &clock()).0, all);
    }

    #[test]
    fn words_are_left_out_only_where_they_would_touch() {
        let of_days = |days: i64| {
            let last: DateTime<Utc> = "2026-11-20T00:00:00Z".parse().unwrap();
            let clock = ViewerClock::new("UTC", last);
            let bars: Vec<_> = (0..days)
                .map(|index| {
                    let from = last - chrono::TimeDelta::days(days - 1 - index);
                    ChartBar { from, to: from + chrono::TimeDelta::days(1), counts: StatusCounts::default() }
                })
                .collect();
            words_of(&bars, &clock)
        };
        let (wide, narrow) = of_days(31);
        assert_eq!(wide, ["21 Oct", "26 Oct", "31 Oct", "5 Nov", "10 Nov", "15 Nov", "Today"]);
        assert_eq!(narrow, ["21 Oct", "26 Oct", "31 Oct", "5 Nov", "10 Nov", "Today"]);
        let (wide, narrow) = of_days(30);
        assert_eq!(wide, ["22 Oct", "27 Oct", "1 Nov", "6 Nov", "11 Nov", "16 Nov"]);
        assert_eq!(narrow, wide);
        assert!((1..400).all(|days| of_days(days).0.len() <= MAX_DAYS));
    }

    #[test]
    fn the_last_24_hours_have_every_third_hour() {
        let first: DateTime<Utc> = "2026-11-19T04:00:00Z".parse().unwrap();
        let bars: Vec<_> = (0..24)
            .map(|index| {
                let from = first + chrono::TimeDelta::hours(index);
                ChartBar { from, to: from + chrono::TimeDelta::hours(1), counts: StatusCounts::default() }
            })
            .collect();
        let (wide, narrow) = words_of(&bars, &clock());
        assert_eq!(wide, ["06:00", "09:00", "12:00", "15:00", "18:00", "21:00", "00:00", "03:00"]);
        assert_eq!(narrow, &wide[..7]);
    }
}

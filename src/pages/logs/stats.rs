//! The stats cards. Each is a link to exactly the rows it counts.

use leptos::prelude::*;

use crate::components::number::{counted, grouped, percentage};
use crate::domain::address::logs::LogQuery;
use crate::domain::email::EmailStatus;
use crate::domain::filter::StatusSet;
use crate::domain::period::{Period, Preset};
use crate::domain::stats::Stats;

/// Whether more of something is good news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tendency {
    Good,
    Bad,
    Neither,
}

/// What a card counts.
struct Card {
    label: &'static str,
    /// The colour of its mark.
    key: &'static str,
    statuses: StatusSet,
    count: fn(&Stats) -> i64,
    /// What its rate is a part of.
    whole: fn(&Stats) -> i64,
    /// What the whole is called, where it is not all messages.
    whole_name: &'static str,
    more_is: Tendency,
}

fn cards() -> [Card; 7] {
    let one = StatusSet::one;
    let total = |stats: &Stats| stats.total;
    let delivered = |stats: &Stats| stats.delivered;
    [
        Card {
            label: "Sent",
            key: "sent",
            statuses: one(EmailStatus::Sent),
            count: |stats| stats.sent,
            whole: total,
            whole_name: "",
            more_is: Tendency::Neither,
        },
        Card {
            label: "Delivered",
            key: "delivered",
            statuses: StatusSet::ARRIVED,
            count: delivered,
            whole: total,
            whole_name: "",
            more_is: Tendency::Good,
        },
        Card {
            label: "Opened",
            key: "opened",
            statuses: StatusSet::READ,
            count: |stats| stats.opened,
            whole: delivered,
            whole_name: " of delivered",
            more_is: Tendency::Good,
        },
        Card {
            label: "Clicked",
            key: "clicked",
            statuses: one(EmailStatus::Clicked),
            count: |stats| stats.clicked,
            whole: delivered,
            whole_name: " of delivered",
            more_is: Tendency::Good,
        },
        Card {
            label: "Bounced",
            key: "bounced",
            statuses: one(EmailStatus::Bounced),
            count: |stats| stats.bounced,
            whole: total,
            whole_name: "",
            more_is: Tendency::Bad,
        },
        Card {
            label: "Failed",
            key: "failed",
            statuses: one(EmailStatus::Failed),
            count: |stats| stats.failed,
            whole: total,
            whole_name: "",
            more_is: Tendency::Bad,
        },
        Card {
            label: "Spam",
            key: "spam",
            statuses: one(EmailStatus::Spam),
            count: |stats| stats.spam,
            whole: total,
            whole_name: "",
            more_is: Tendency::Bad,
        },
    ]
}

/// The cards of a period, with the change against the period before.
#[component]
pub fn Cards(query: LogQuery, period: Period, stats: Stats, previous: Option<Stats>) -> impl IntoView {
    let before = before_label(&period);
    let others = cards()
        .into_iter()
        .map(|card| {
            let rate = format!("{}{}", percentage((card.count)(&stats), (card.whole)(&stats)), card.whole_name);
            let change = previous.as_ref().and_then(|previous| rate_change(&card, &stats, previous));
            view! {
                <li>
                    <a class="card" href=query.for_card(card.statuses).to_url() data-key=card.key>
                        <span class="card-label">{card.label}</span>
                        <span class="card-figures">
                            <span class="card-count">{grouped((card.count)(&stats))}</span>
                            {change.map(|(text, tone)| view! { <Change text tone before=before.clone()/> })}
                        </span>
                        <span class="card-foot">{rate}</span>
                    </a>
                </li>
            }
        })
        .collect_view();
    let change = previous.as_ref().and_then(|previous| total_change(&stats, previous));
    view! {
        <ul class="cards" aria-label="Counts">
            <li>
                <a class="card" href=query.for_card(StatusSet::default()).to_url() data-key="total">
                    <span class="card-label">"Total"</span>
                    <span class="card-figures">
                        <span class="card-count">{grouped(stats.total)}</span>
                        {change.map(|text| view! { <Change text tone="" before/> })}
                    </span>
                    <span class="card-foot">{total_note(&stats, &period)}</span>
                </a>
            </li>
            {others}
        </ul>
    }
}

#[component]
fn Change(text: String, tone: &'static str, before: String) -> impl IntoView {
    view! {
        <span class="card-change" data-tone=tone title=format!("compared with {before}")>
            {text}
            <span class="visually-hidden">{format!(" compared with {before}")}</span>
        </span>
    }
}

/// The queued messages where there are some, for no card of their own counts them; otherwise the period.
fn total_note(stats: &Stats, period: &Period) -> String {
    match (stats.queued, period.preset) {
        (1.., _) => format!("{} queued", grouped(stats.queued)),
        (_, Preset::Custom) => "in this period".to_owned(),
        (_, Preset::Today | Preset::Last7Days | Preset::Last30Days) => {
            period.label.trim_start_matches("the ").to_owned()
        }
    }
}

fn before_label(period: &Period) -> String {
    match period.preset.days() {
        Some(1) => "yesterday at this time".to_owned(),
        Some(days) => format!("{} before, at the same time", counted(days, "day", "days")),
        None => "as long a period before".to_owned(),
    }
}

/// By how many per cent the total changed: `+4.1%`.
fn total_change(stats: &Stats, previous: &Stats) -> Option<String> {
    (previous.total > 0).then(|| {
        let change = (stats.total - previous.total) as f64 * 100.0 / previous.total as f64;
        if change.abs() >= 1000.0 { format!("×{:.0}", change / 100.0 + 1.0) } else { signed(change, "%") }
    })
}

/// By how many percentage points a rate changed, and whether that is good news: `("−1.2", "bad")`.
fn rate_change(card: &Card, stats: &Stats, previous: &Stats) -> Option<(String, &'static str)> {
    let rate = |stats: &Stats| {
        let whole = (card.whole)(stats);
        (whole > 0).then(|| (card.count)(stats) as f64 * 100.0 / whole as f64)
    };
    let change = rate(stats)? - rate(previous)?;
    let is_visible = change.abs() >= 0.05;
    let tone = match card.more_is {
        Tendency::Good if is_visible => {
            if change > 0.0 {
                "good"
            } else {
                "bad"
            }
        }
        Tendency::Bad if is_visible => {
            if change > 0.0 {
                "bad"
            } else {
                "good"
            }
        }
        Tendency::Good | Tendency::Bad | Tendency::Neither => "",
    };
    Some((signed(change, ""), tone))
}

fn signed(change: f64, unit: &str) -> String {
    if change.abs() < 0.05 {
        "0".to_owned()
    } else {
        format!("{}{:.1}{unit}", if change > 0.0 { '+' } else { '−' }, change.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(total: i64, delivered: i64, bounced: i64) -> Stats {
        Stats { total, delivered, bounced, ..Stats::default() }
    }

    fn change_of(label: &str, now: Stats, before: Stats) -> Option<(String, &'static str)> {
        cards().iter().find(|card| card.label == label).and_then(|card| rate_change(card, &now, &before))
    }

    #[test]
    fn more_deliveries_are_good_and_more_bounces_bad() {
        let (before, now) = (stats(1000, 950, 12), stats(1000, 953, 23));
        assert_eq!(change_of("Delivered", now, before), Some(("+0.3".to_owned(), "good")));
        assert_eq!(change_of("Bounced", now, before), Some(("+1.1".to_owned(), "bad")));
        assert_eq!(change_of("Bounced", before, now), Some(("−1.1".to_owned(), "good")));
        assert_eq!(change_of("Spam", now, before), Some(("0".to_owned(), "")));
    }

    #[test]
    fn nothing_before_is_no_change() {
        assert_eq!(change_of("Delivered", stats(10, 9, 1), stats(0, 0, 0)), None);
        assert_eq!(total_change(&stats(10, 9, 1), &stats(0, 0, 0)), None);
        assert_eq!(total_change(&stats(1041, 0, 0), &stats(1000, 0, 0)).as_deref(), Some("+4.1%"));
    }
}

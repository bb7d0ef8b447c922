//! The stats cards. Each is a link to exactly the rows it counts.

use leptos::prelude::*;

use crate::components::number::{counted, grouped, percentage};
use crate::domain::address::logs::LogQuery;
use crate::domain::email::EmailStatus;
use crate::domain::filter::StatusSet;
use crate::domain::mount::mounted;
use crate::domain::period::{Period, Preset};
use crate::domain::plain_words::of_status;
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
    /// The status that it is named after.
    status: EmailStatus,
    statuses: StatusSet,
    count: fn(&Stats) -> i64,
    /// What its rate is a part of.
    whole: fn(&Stats) -> i64,
    /// What the whole is called, where it is not all messages.
    whole_name: &'static str,
    more_is: Tendency,
}

impl Card {
    /// Whether it counts what only a report tells.
    fn is_reported(&self) -> bool {
        EmailStatus::REPORTED.contains(&self.status)
    }
}

fn cards() -> [Card; 8] {
    let one = StatusSet::one;
    let total = |stats: &Stats| stats.total;
    let delivered = |stats: &Stats| stats.delivered;
    [
        Card {
            label: "Queued",
            key: "pending",
            status: EmailStatus::Queued,
            statuses: one(EmailStatus::Queued),
            count: |stats| stats.queued,
            whole: total,
            whole_name: "",
            more_is: Tendency::Neither,
        },
        Card {
            label: "Sent",
            key: "sent",
            status: EmailStatus::Sent,
            statuses: one(EmailStatus::Sent),
            count: |stats| stats.sent,
            whole: total,
            whole_name: "",
            more_is: Tendency::Neither,
        },
        Card {
            label: "Delivered",
            key: "delivered",
            status: EmailStatus::Delivered,
            statuses: StatusSet::ARRIVED,
            count: delivered,
            whole: total,
            whole_name: "",
            more_is: Tendency::Good,
        },
        Card {
            label: "Opened",
            key: "opened",
            status: EmailStatus::Opened,
            statuses: StatusSet::READ,
            count: |stats| stats.opened,
            whole: delivered,
            whole_name: " of delivered",
            more_is: Tendency::Good,
        },
        Card {
            label: "Clicked",
            key: "clicked",
            status: EmailStatus::Clicked,
            statuses: one(EmailStatus::Clicked),
            count: |stats| stats.clicked,
            whole: delivered,
            whole_name: " of delivered",
            more_is: Tendency::Good,
        },
        Card {
            label: "Bounced",
            key: "bounced",
            status: EmailStatus::Bounced,
            statuses: one(EmailStatus::Bounced),
            count: |stats| stats.bounced,
            whole: total,
            whole_name: "",
            more_is: Tendency::Bad,
        },
        Card {
            label: "Failed",
            key: "failed",
            status: EmailStatus::Failed,
            statuses: one(EmailStatus::Failed),
            count: |stats| stats.failed,
            whole: total,
            whole_name: "",
            more_is: Tendency::Bad,
        },
        Card {
            label: "Spam",
            key: "spam",
            status: EmailStatus::Spam,
            statuses: one(EmailStatus::Spam),
            count: |stats| stats.spam,
            whole: total,
            whole_name: "",
            more_is: Tendency::Bad,
        },
    ]
}

/// The cards of a list, with the change against the period before. They count its rows: where it is of some statuses alone,
/// that of those is marked, and the others count nothing and lead to their own.
#[component]
pub fn Cards(
    query: LogQuery,
    period: Period,
    /// The statuses that the list is of; empty for any.
    listed: StatusSet,
    stats: Stats,
    previous: Option<Stats>,
    /// Whether nobody reports what becomes of messages: rates of what is reported say nothing then.
    lacks_reports: bool,
) -> impl IntoView {
    let before = before_label(&period);
    let current = |statuses: StatusSet| (listed == statuses).then_some("true");
    let counts_all = listed.is_empty();
    let others = cards()
        .into_iter()
        .map(|card| {
            let is_known = !(lacks_reports && card.is_reported());
            let is_listed = counts_all || !listed.split(card.statuses).0.is_empty();
            let count = if is_listed { grouped((card.count)(&stats)) } else { "–".to_owned() };
            // A part of those that are of one status says nothing.
            let rate = match (counts_all, is_known) {
                (true, true) => percentage((card.count)(&stats), (card.whole)(&stats)),
                (true, false) => "–".to_owned(),
                (false, _) => String::new(),
            };
            let previous = previous.as_ref().filter(|_| counts_all && is_known);
            let change = previous.and_then(|previous| rate_change(&card, &stats, previous));
            let hint = format!("hint-card-{}", card.key);
            let described_by = hint.clone();
            let whole = (counts_all && !card.whole_name.is_empty()).then_some(card.whole_name);
            view! {
                <li>
                    <a
                        class="card"
                        href=mounted(query.with_statuses(card.statuses).to_url())
                        data-key=card.key
                        data-elsewhere=(!is_listed).then_some("")
                        aria-current=current(card.statuses)
                        aria-describedby=described_by
                    >
                        <span class="card-label">{card.label}</span>
                        <span class="card-count">
                            {count} {(!is_listed).then(|| view! { <span class="visually-hidden">"not in this list"</span> })}
                        </span>
                        <span class="card-foot">
                            {rate} {whole.map(|whole| view! { <span class="visually-hidden">{whole}</span> })}
                            {change.map(|(text, tone)| view! { <Change text tone before=before.clone()/> })}
                        </span>
                        <span class="hint-words" role="tooltip" id=hint>{of_status(card.status)}</span>
                    </a>
                </li>
            }
        })
        .collect_view();
    let change = previous.as_ref().and_then(|previous| total_change(&stats, previous));
    view! {
        <ul class="cards" aria-label="Counts">
            <li>
                <a
                    class="card"
                    href=mounted(query.with_statuses(StatusSet::default()).to_url())
                    data-key="total"
                    aria-current=current(StatusSet::default())
                >
                    <span class="card-label">"Total"</span>
                    <span class="card-count">{grouped(stats.total)}</span>
                    <span class="card-foot">{change.map(|text| view! { <Change text tone="" before/> })}</span>
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

/// The numbers in one line, for narrow windows: "312 messages, 119 problems".
pub fn in_short(stats: &Stats) -> String {
    let problems = stats.bounced + stats.failed + stats.spam;
    let problems = if problems == 0 { "no problems".to_owned() } else { counted(problems, "problem", "problems") };
    format!("{}, {problems}", counted(stats.total, "message", "messages"))
}

fn before_label(period: &Period) -> String {
    match period.preset {
        Preset::LastHour => "the hour before".to_owned(),
        Preset::Last24Hours => "the 24 hours before".to_owned(),
        Preset::Today => "yesterday at this time".to_owned(),
        Preset::Yesterday => "the day before".to_owned(),
        Preset::Last7Days => "7 days before, at the same time".to_owned(),
        Preset::Last30Days => "30 days before, at the same time".to_owned(),
        Preset::Last90Days => "90 days before, at the same time".to_owned(),
        Preset::AllTime | Preset::Custom => "as long a period before".to_owned(),
    }
}

/// A rate of fewer messages than this says little, and is not compared.
const GROUND: i64 = 50;

/// By how many per cent the total changed: `+4.1%`.
fn total_change(stats: &Stats, previous: &Stats) -> Option<String> {
    (previous.total >= GROUND).then(|| {
        let change = (stats.total - previous.total) as f64 * 100.0 / previous.total as f64;
        if change.abs() >= 1000.0 { format!("×{:.0}", change / 100.0 + 1.0) } else { signed(change, "%") }
    })
}

/// By how many percentage points a rate changed, and whether that is good news: `("−1.2 pp", "bad")`.
fn rate_change(card: &Card, stats: &Stats, previous: &Stats) -> Option<(String, &'static str)> {
    let rate = |stats: &Stats| {
        let whole = (card.whole)(stats);
        (whole >= GROUND).then(|| (card.count)(stats) as f64 * 100.0 / whole as f64)
    };
    let change = rate(stats)? - rate(previous)?;
    let is_visible = change.abs() >= 0.05;
    // What is still on its way may arrive: that is no bad news yet.
    let at_best = match card.status {
        EmailStatus::Delivered => change + (stats.queued + stats.sent) as f64 * 100.0 / (card.whole)(stats) as f64,
        _ => change,
    };
    let tone = match card.more_is {
        Tendency::Good if change < 0.0 && at_best >= 0.0 => "",
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
    Some((signed(change, " pp"), tone))
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
        assert_eq!(change_of("Delivered", now, before), Some(("+0.3 pp".to_owned(), "good")));
        assert_eq!(change_of("Bounced", now, before), Some(("+1.1 pp".to_owned(), "bad")));
        assert_eq!(change_of("Bounced", before, now), Some(("−1.1 pp".to_owned(), "good")));
        assert_eq!(change_of("Spam", now, before), Some(("0".to_owned(), "")));
    }

    #[test]
    fn fewer_deliveries_are_bad_only_where_more_than_what_is_on_its_way_is_missing() {
        let (before, now) = (stats(1000, 950, 12), stats(1000, 935, 12));
        let on_their_way = |queued, sent| Stats { queued, sent, ..now };
        assert_eq!(change_of("Delivered", on_their_way(10, 5), before), Some(("−1.5 pp".to_owned(), "")));
        assert_eq!(change_of("Delivered", on_their_way(10, 4), before), Some(("−1.5 pp".to_owned(), "bad")));
    }

    #[test]
    fn nothing_or_little_before_is_no_change() {
        assert_eq!(change_of("Delivered", stats(1000, 900, 1), stats(8, 8, 0)), None);
        assert_eq!(total_change(&stats(1000, 0, 0), &stats(8, 0, 0)), None);
        assert_eq!(change_of("Delivered", stats(10, 9, 1), stats(0, 0, 0)), None);
        assert_eq!(total_change(&stats(10, 9, 1), &stats(0, 0, 0)), None);
        assert_eq!(total_change(&stats(1041, 0, 0), &stats(1000, 0, 0)).as_deref(), Some("+4.1%"));
    }
}

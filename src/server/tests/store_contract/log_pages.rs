//! Pages of the log and its counts, against a plain list in memory.

use std::iter;

use chrono::{DateTime, TimeDelta, Utc};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::domain::email::EmailStatus;
use crate::domain::filter::{EmailFilter, RollupScope, StatusSet, TimeRange};
use crate::domain::ids::{EmailId, TemplateId};
use crate::domain::page::{PageRequest, Total};
use crate::domain::stats::StatusCounts;
use crate::domain::words::words_of;
use crate::server::services::period::chart_bars;

/// A message of the list in memory.
struct Known {
    id: EmailId,
    message: Message,
}

impl Known {
    fn matches(&self, filter: &EmailFilter) -> bool {
        let Message { status, to, subject, template, .. } = &self.message;
        let created_at = self.id.created_at();
        let found = |search: &String| {
            let text = plain(&format!("{}\n{subject}", to.join("\n")));
            words_of(search).iter().all(|word| text.contains(&plain(word)))
        };
        filter.range.from.is_none_or(|from| created_at >= from)
            && filter.range.to.is_none_or(|to| created_at < to)
            && filter.statuses.or_all().contains(*status)
            && filter.template_id.is_none_or(|id| template.map(|(template, _)| template) == Some(id))
            && filter.search.as_ref().is_none_or(found)
    }
}

/// A text of this log as search compares it.
fn plain(text: &str) -> String {
    [("ü", "u"), ("ï", "i"), ("ö", "o"), ("ß", "ss")]
        .iter()
        .fold(text.to_lowercase(), |text, (letter, plain)| text.replace(letter, plain))
}

/// A log of 1,500 messages over three days, with quiet and busy hours; half of them made from one of two templates.
async fn random_log(app: &TestApp, random: &mut ChaCha8Rng) -> Vec<Known> {
    let mut templates = Vec::new();
    for name in ["Receipt", "Invoice"] {
        let template = app.add_template(name).await;
        templates.push((template.id, template.current.id));
    }
    let subjects =
        ["Your receipt 100 %", "Welcome_home", "Grüße aus MÜNCHEN", "He said \"hi\"", "Ünïcode ß", "a\\b 'c'"];
    let names = ["ada", "Bob", "carol.O'Neil", "dora+list", "jörg"];
    let mut messages: Vec<Message> = (0..1500)
        .map(|_| Message {
            at: at("2024-01-10T00:00:00Z") + TimeDelta::milliseconds(random.random_range(0..259_200_000_i64)),
            status: *EmailStatus::ALL.choose(random).unwrap(),
            to: vec![format!("{}@finch{}.example", names.choose(random).unwrap(), random.random_range(0..30))],
            subject: (*subjects.choose(random).unwrap()).to_owned(),
            attachments: Vec::new(),
            key: None,
            template: random.random_bool(0.5).then(|| *templates.choose(random).unwrap()),
        })
        .collect();
    // Ends of hours and several messages in a millisecond are where counting goes wrong.
    for message in messages.iter_mut().take(200) {
        message.at = at("2024-01-11T10:00:00Z") + TimeDelta::milliseconds(random.random_range(-1..=1));
    }
    messages.sort_by_key(|message| message.at);
    let ids = app.add_messages(&messages).await;
    let mut log: Vec<Known> = ids.into_iter().zip(messages).map(|(id, message)| Known { id, message }).collect();
    log.sort_by_key(|known| std::cmp::Reverse(known.id));
    log
}

fn random_range(random: &mut ChaCha8Rng) -> TimeRange {
    let mut instant = || {
        let base = at("2024-01-09T12:00:00Z") + TimeDelta::minutes(random.random_range(0..5760));
        match random.random_range(0..4) {
            0 => Some(base),
            1 => Some(base + TimeDelta::microseconds(random.random_range(0..3_600_000_000_i64))),
            2 => Some(at("2024-01-11T10:00:00Z") + TimeDelta::milliseconds(random.random_range(-2..=2))),
            _ => None,
        }
    };
    TimeRange { from: instant(), to: instant() }
}

fn count(log: &[Known], filter: &EmailFilter) -> StatusCounts {
    let mut counts = StatusCounts::default();
    log.iter().filter(|known| known.matches(filter)).for_each(|known| counts.add(known.message.status, 1));
    counts
}

async fn walk(app: &TestApp, filter: &EmailFilter, page_size: i64) -> (Vec<EmailId>, Total) {
    let (mut found, mut page) = (Vec::new(), 1);
    loop {
        let listed = app.store().list_emails(app.team, filter, PageRequest { page, page_size }).await.unwrap();
        if listed.items.is_empty() {
            return (found, listed.total);
        }
        found.extend(listed.items.iter().map(|email| email.id));
        page += 1;
    }
}

on_both_databases! {
    async fn counts_equal_a_recount_for_every_range(app: TestApp) {
        let mut random = ChaCha8Rng::seed_from_u64(11);
        let log = random_log(&app, &mut random).await;
        assert_eq!(app.store().list_wrong_rollups(app.team).await, Ok(Vec::new()));
        let template = log.iter().find_map(|known| known.message.template).unwrap().0;
        for round in 0..60 {
            let range = random_range(&mut random);
            let template_id = [None, Some(template), Some(TemplateId(0))][round % 3];
            let filter = EmailFilter { range, template_id, ..EmailFilter::default() };
            let expected = count(&log, &filter);
            assert_eq!(app.store().count_by_status(app.team, template_id, range).await, Ok(expected), "{range:?}");
            let hours = app.store().list_hour_counts(app.team, template_id, range).await.unwrap();
            let mut sum = StatusCounts::default();
            hours.iter().for_each(|(_, counts)| sum += *counts);
            assert_eq!(sum, expected, "{range:?}");
            assert!(hours.is_sorted_by(|one, other| one.0 < other.0), "{range:?}");
            for (hour, counts) in hours {
                let whole = TimeRange::new(hour, hour + TimeDelta::hours(1));
                let of_hour = log.iter().filter(|known| {
                    known.matches(&filter) && known.matches(&EmailFilter { range: whole, ..EmailFilter::default() })
                });
                assert_eq!(counts.in_set(StatusSet::default()), of_hour.count() as i64, "{range:?} {hour}");
            }
        }
        for round in 0..60 {
            let range = random_range(&mut random);
            let template_id = [None, Some(template), Some(TemplateId(0))][round % 3];
            let Some(from) = range.from else { continue };
            let (to, step) = (range.to.unwrap_or(app.now()).max(from), [1, 5, 24, 30][round % 4]);
            let whole = (from.timestamp().div_euclid(3600) + 1..).step_by(step).map_while(|hour| {
                DateTime::from_timestamp(hour * 3600, 0).filter(|edge| *edge < to)
            });
            let edges: Vec<DateTime<Utc>> = iter::once(from).chain(whole).chain([to]).collect();
            let scope = RollupScope::from(template_id);
            let counts = app.store().list_bar_counts(app.team, scope, range, &edges).await.unwrap();
            let bars = chart_bars(&edges, &counts);
            for (place, bar) in bars.iter().enumerate() {
                let is_last = place + 1 == bars.len();
                let range = TimeRange { from: Some(bar.from), to: if is_last { range.to } else { Some(bar.to) } };
                let expected = count(&log, &EmailFilter { range, template_id, ..EmailFilter::default() });
                assert_eq!(bar.counts, expected, "{range:?} {edges:?}");
            }
        }
        for template_id in [None, Some(template), Some(TemplateId(0))] {
            let ranges: Vec<TimeRange> = (0..70).map(|_| random_range(&mut random)).collect();
            let filter_in = |range| EmailFilter { range, template_id, ..EmailFilter::default() };
            let expected: Vec<StatusCounts> = ranges.iter().map(|range| count(&log, &filter_in(*range))).collect();
            let counted = app.store().count_in_ranges(app.team, RollupScope::from(template_id), &ranges).await;
            assert_eq!(counted, Ok(expected));
            let elsewhere = app.store().count_in_ranges(app.other_team, RollupScope::All, &ranges).await.unwrap();
            assert!(elsewhere.iter().all(|counts| *counts == StatusCounts::default()));
            for range in ranges {
                let (statuses, counted_from) = app.store().list_statuses(app.team, &filter_in(range)).await.unwrap();
                let mut sum = StatusCounts::default();
                statuses.iter().for_each(|(_, status)| sum.add(*status, 1));
                assert_eq!((sum, counted_from), (count(&log, &filter_in(range)), None), "{range:?}");
                assert!(statuses.is_sorted_by(|one, other| one.0 > other.0), "{range:?}");
                let ids: Vec<EmailId> = statuses.into_iter().map(|(id, _)| id).collect();
                for known in log.iter().step_by(17) {
                    let newer = ids.iter().rev().find(|id| **id > known.id).copied();
                    let older = ids.iter().find(|id| **id < known.id).copied();
                    let found = app.store().find_neighbours(app.team, &filter_in(range), known.id).await;
                    assert_eq!(found, Ok((newer, older)), "{range:?}");
                }
            }
        }
        let everywhere = TimeRange::default();
        assert_eq!(app.store().count_by_status(app.other_team, None, everywhere).await, Ok(StatusCounts::default()));
    }

    async fn pages_hold_every_match_once_and_in_order(app: TestApp) {
        let mut random = ChaCha8Rng::seed_from_u64(13);
        let log = random_log(&app, &mut random).await;
        app.add_messages_of(app.other_team, &vec![Message::default(); 50]).await;
        let template_id = log.iter().find_map(|known| known.message.template).map(|template| template.0);
        let range =
            TimeRange { from: Some(at("2024-01-10T05:17:23.456Z")), to: Some(at("2024-01-12T21:48:09.123456Z")) };
        let within_an_hour = TimeRange::new(at("2024-01-11T09:59:59.999Z"), at("2024-01-11T10:00:00.001Z"));
        let (bounced, arrived) = (StatusSet::one(EmailStatus::Bounced), StatusSet::ARRIVED);
        let all = EmailFilter::default();
        let filters = [
            all.clone(),
            EmailFilter { range, ..all.clone() },
            EmailFilter { range: TimeRange { from: range.from, to: None }, ..all.clone() },
            EmailFilter { range: TimeRange { from: None, to: range.to }, ..all.clone() },
            EmailFilter { range: within_an_hour, ..all.clone() },
            EmailFilter { range: TimeRange { from: range.to, to: range.from }, ..all.clone() },
            EmailFilter { statuses: bounced, ..all.clone() },
            EmailFilter { statuses: arrived, ..all.clone() },
            EmailFilter { statuses: arrived, range, ..all.clone() },
            EmailFilter { template_id, ..all.clone() },
            EmailFilter { template_id, range, ..all.clone() },
            EmailFilter { template_id, statuses: bounced, ..all.clone() },
            EmailFilter { template_id, statuses: arrived, range, ..all.clone() },
            EmailFilter { template_id: Some(TemplateId(0)), ..all.clone() },
            EmailFilter { search: Some("finch1".to_owned()), ..all.clone() },
            EmailFilter { search: Some("finch1".to_owned()), statuses: arrived, template_id, range, ..all.clone() },
            EmailFilter { search: Some("ad".to_owned()), ..all.clone() },
            EmailFilter { search: Some("ad".to_owned()), statuses: arrived, template_id, range, ..all.clone() },
        ];
        for filter in filters {
            let expected: Vec<EmailId> =
                log.iter().filter(|known| known.matches(&filter)).map(|known| known.id).collect();
            let (found, total) = walk(&app, &filter, 71).await;
            assert!(found == expected, "{} of {} rows: {filter:?}", found.len(), expected.len());
            assert_eq!(total, Total::Exact(expected.len() as i64), "{filter:?}");
        }
    }

    async fn any_page_of_any_filter_is_the_right_one(app: TestApp) {
        let mut random = ChaCha8Rng::seed_from_u64(17);
        let log = random_log(&app, &mut random).await;
        let template = log.iter().find_map(|known| known.message.template).unwrap().0;
        for _ in 0..80 {
            let filter = EmailFilter {
                range: random_range(&mut random),
                statuses: EmailStatus::ALL.into_iter().filter(|_| random.random_bool(0.5)).collect(),
                template_id: random.random_bool(0.2).then_some(template),
                ..EmailFilter::default()
            };
            let request = PageRequest { page: random.random_range(1..60), page_size: random.random_range(1..=100) };
            let matches = log.iter().filter(|known| known.matches(&filter)).map(|known| known.id);
            let expected: Vec<EmailId> =
                matches.skip(request.offset() as usize).take(request.page_size as usize).collect();
            let listed = app.store().list_emails(app.team, &filter, request).await.unwrap();
            let found: Vec<EmailId> = listed.items.iter().map(|email| email.id).collect();
            assert_eq!(found, expected, "{filter:?} {request:?}");
        }
    }

    async fn search_finds_parts_of_addresses_and_subjects_as_they_are_written(app: TestApp) {
        let mut random = ChaCha8Rng::seed_from_u64(19);
        let log = random_log(&app, &mut random).await;
        for search in [
            "receipt",
            "RECEIPT",
            "100 %",
            "%",
            "0 %",
            "_",
            "e_h",
            "Welcome_home",
            "grüße",
            "GRÜSSE",
            "münchen",
            "MÜNCHEN",
            "ünï",
            "ÜNÏCODE",
            "ß",
            "e ß",
            "\"hi\"",
            "\"aus münchen\" grusse finch1",
            "ada receipt",
            "receipt a@",
            "0 % ad",
            "strasse",
            "\"",
            "said \"",
            "a\\b",
            "\\",
            "'c'",
            "o'neil",
            "O'N",
            "+list",
            "jörg",
            "JÖRG@",
            "@finch2",
            "example",
            "nothing like it",
            "NEAR",
            "receipt AND welcome",
            "*",
            "rec*",
            "  ",
        ] {
            let filter = EmailFilter { search: Some(search.to_owned()), ..EmailFilter::default() };
            let expected: Vec<EmailId> =
                log.iter().filter(|known| known.matches(&filter)).map(|known| known.id).collect();
            let (found, total) = walk(&app, &filter, 100).await;
            assert!(found == expected, "“{search}”: {} of {} rows", found.len(), expected.len());
            assert_eq!(total, Total::Exact(expected.len() as i64), "“{search}”");
        }
    }
}

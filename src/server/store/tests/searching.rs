//! Whatever is searched for, in whatever order messages came: the index finds what looking through every message finds.

use chrono::{TimeDelta, TimeZone, Utc};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::TestDatabase;
use crate::domain::channel::Channel;
use crate::domain::email::{NewEmail, Recipient, RecipientKind};
use crate::domain::filter::{Criteria, EmailFilter, TimeRange};
use crate::domain::ids::{EmailId, JobId, TeamId, lowest_id_at};
use crate::domain::page::{OffsetRequest, Total};
use crate::server::store::search::Word;
use crate::server::store::search::texts::SearchTexts;
use crate::server::store::{Engine, Store};

const TEAMS: [TeamId; 2] = [TeamId(1), TeamId(0x7fff_ffff_ffff_ffff)];
/// How many messages each has: more than are read before the index is asked, and few.
const MESSAGES: [i64; 2] = [1_200, 400];
const ROUNDS: usize = 120;

const NAMES: [&str; 8] = ["Ada", "Sol Ibáñez", "Łukasz", "Жанна", "中文 名", "Q", "o'Neil", "Zoë-10%"];
const WORDS: [&str; 10] = ["Receipt", "for", "order", "№", "größe", "a_b", "\"quoted\"", "領収書", "Re:", "q"];

fn message(rng: &mut ChaCha8Rng, id: i64) -> NewEmail {
    let name = NAMES.choose(rng).unwrap();
    let mut subject = (0..rng.random_range(0..4)).map(|_| *WORDS.choose(rng).unwrap()).collect::<Vec<_>>().join(" ");
    if rng.random_bool(0.5) {
        subject.push_str(&rng.random_range(0..5_000).to_string());
    }
    let recipient = Recipient {
        kind: RecipientKind::To,
        address: format!("u{}@{}.example", rng.random_range(0..300), ["a", "bücher", "xy"].choose(rng).unwrap()),
        name: rng.random_bool(0.7).then(|| (*name).to_owned()),
    };
    NewEmail {
        recipients: vec![recipient],
        subject,
        variables: if rng.random_bool(0.3) { json!({"code": rng.random_range(0..999)}) } else { json!({}) },
        metadata: if rng.random_bool(0.3) {
            json!({"order": format!("A-{}", rng.random_range(0..99))})
        } else {
            json!({})
        },
        ..NewEmail::blank(EmailId(id), JobId(id), Channel::Email)
    }
}

fn texts_of(email: &NewEmail) -> SearchTexts {
    SearchTexts::new(&email.recipients, &email.subject).with_contents(&email.variables, &email.metadata, &[])
}

/// A part of what is searched of a message, mostly a short one; sometimes two, or one that is in none.
fn any_search(rng: &mut ChaCha8Rng, emails: &[NewEmail]) -> String {
    let part = |rng: &mut ChaCha8Rng| {
        let texts = texts_of(emails.choose(rng).unwrap());
        let all = [&texts.addresses, &texts.names, &texts.subject, &texts.metadata, &texts.variables];
        let letters: Vec<char> = all.choose(rng).unwrap().replace(['\n', ' ', '"'], "").chars().collect();
        let length = [1, 1, 2, 2, 3, 5].choose(rng).copied().unwrap().min(letters.len());
        let start = rng.random_range(0..=letters.len() - length);
        letters[start..start + length].iter().collect::<String>()
    };
    match rng.random_range(0..8) {
        0 => format!("{} {}", part(rng), part(rng)),
        1 => ["jq", "~", "zz", "領x", "q%"].choose(rng).copied().unwrap().to_owned(),
        _ => part(rng),
    }
}

async fn finds_what_reading_finds(database: TestDatabase) {
    let store = Store::open(&database.url()).await.unwrap();
    let rng = &mut ChaCha8Rng::seed_from_u64(7);
    let start = Utc.with_ymd_and_hms(2026, 11, 20, 9, 0, 0).unwrap();
    let mut logs: Vec<Vec<NewEmail>> = Vec::new();
    for (place, team) in TEAMS.into_iter().enumerate() {
        let slug =
            format!("INSERT INTO teams (id, slug, name, created_at) VALUES ({}, 'team-{place}', 'Team', 0)", team.0);
        store.try_statement(&slug).await.unwrap();
        let made = (0..MESSAGES[place])
            .map(|number| message(rng, lowest_id_at(start + TimeDelta::seconds(number)) + place as i64));
        logs.push(made.collect());
    }
    // The teams' messages come in turns, some alone, some after younger ones, a few long after.
    let mut batches: Vec<(usize, Vec<NewEmail>)> = Vec::new();
    for (place, log) in logs.iter().enumerate() {
        let mut rest = log.clone();
        let mut late: Vec<NewEmail> = rest.splice(100..160, []).collect();
        rest[200..300].reverse();
        late.shuffle(rng);
        batches.extend(rest.chunks(37).map(|some| (place, some.to_vec())));
        batches.extend(late.chunks(7).map(|some| (place, some.to_vec())));
    }
    batches.sort_by_key(|(place, some)| (some.len() < 37, some[0].id.0 & !0xff, *place));
    for (place, some) in batches {
        store.accept_emails(TEAMS[place], some, None).await.unwrap();
    }
    if store.engine() == Engine::Sqlite {
        let late = store.read("SELECT COUNT(*) FROM search_late").fetch_scalar::<i64>().await.unwrap();
        let numbered = store.read("SELECT COUNT(*) FROM search_numbers").fetch_scalar::<i64>().await.unwrap();
        assert!(late > 0 && late < MESSAGES[1] && late + numbered == MESSAGES.iter().sum::<i64>(), "{late} {numbered}");
    }
    agrees(&store, rng, &logs, 20).await;
    // Contents go, then messages.
    store.try_statement("DELETE FROM outbox").await.unwrap();
    for (team, log) in TEAMS.into_iter().zip(&mut logs) {
        let (without_contents, gone) = (log[300].id, log[130].id);
        while store.delete_old_bodies(team, without_contents).await.unwrap() {}
        while store.delete_old_emails(team, gone).await.unwrap() {}
        log.retain(|email| email.id >= gone);
        for email in log.iter_mut().filter(|email| email.id < without_contents) {
            (email.variables, email.metadata) = (json!({}), json!({}));
        }
    }
    agrees(&store, rng, &logs, ROUNDS).await;
    store.close().await;
    database.remove().await;
}

async fn agrees(store: &Store, rng: &mut ChaCha8Rng, logs: &[Vec<NewEmail>], rounds: usize) {
    for _ in 0..rounds {
        let place = rng.random_range(0..TEAMS.len());
        let (team, log) = (TEAMS[place], &logs[place]);
        let search = any_search(rng, log);
        let criteria = Criteria { sees_contents: rng.random_bool(0.7), ..Criteria::default() };
        let half = log[log.len() / 2].id.created_at();
        let range = match rng.random_range(0..3) {
            0 => TimeRange { from: Some(half), to: None },
            1 => TimeRange { from: None, to: Some(half) },
            _ => TimeRange::default(),
        };
        let is_in_range = |email: &&NewEmail| {
            let at = email.id.created_at();
            range.from.is_none_or(|from| at >= from) && range.to.is_none_or(|to| at < to)
        };
        let words = Word::all_of(&search);
        let is_match = |email: &&NewEmail| words.iter().all(|word| word.is_in(&texts_of(email), &criteria));
        let mut expected: Vec<EmailId> =
            log.iter().filter(is_in_range).filter(is_match).map(|email| email.id).collect();
        let oldest_first = rng.random_bool(0.3);
        if !oldest_first {
            expected.reverse();
        }
        let filter =
            EmailFilter { search: Some(search.clone()), criteria: criteria.clone(), range, ..EmailFilter::default() };
        for (offset, limit) in [(0, 20), (15, 50), (0, 2 * MESSAGES[0])] {
            let window = OffsetRequest { offset, limit, oldest_first };
            let page = store.list_whole_emails(team, &filter, window).await.unwrap();
            let ids: Vec<EmailId> = page.items.iter().map(|email| email.id).collect();
            let wanted: Vec<EmailId> = expected.iter().copied().skip(offset as usize).take(limit as usize).collect();
            assert_eq!(ids, wanted, "{search:?} {criteria:?} {range:?} {window:?}");
            assert_eq!(page.total, Total::Exact(expected.len() as i64), "{search:?} {criteria:?} {range:?} {window:?}");
        }
    }
}

#[tokio::test]
async fn a_search_finds_what_looking_through_every_message_finds_sqlite() {
    finds_what_reading_finds(TestDatabase::sqlite()).await;
}

#[tokio::test]
async fn a_search_finds_what_looking_through_every_message_finds_postgres() {
    finds_what_reading_finds(TestDatabase::postgres().await).await;
}

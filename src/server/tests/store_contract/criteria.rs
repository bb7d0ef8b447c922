//! The rarer conditions on messages, against a plain list in memory, in both orders.

use chrono::TimeDelta;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::domain::channel::Channel;
use crate::domain::email::{EmailStatus, Recipient, RecipientKind};
use crate::domain::event::{EmailEvent, EventCause, EventDetail, EventKind, EventSet, fold_status};
use crate::domain::filter::{Condition, Criteria, EmailFilter, StatusSet, TimeRange, Wanted};
use crate::domain::ids::{EmailId, lowest_id_at};
use crate::domain::page::{OffsetRequest, Total};
use crate::server::store::bulk::HistoricEmail;
use crate::server::store::events::NewEvent;

const SENDERS: [&str; 4] =
    ["Finch <a@b.example>", "a@b.example", "\"Doe <Ada>\" <ada_b@b.example>", "Jörg <JÖRG@bücher.example>"];
const RECIPIENTS: [&str; 4] = ["Ada@finch.example", "adaXb@finch.example", "ada_b@finch.example", "jörg@finch.example"];
const SUBJECTS: [&str; 4] = ["Your receipt 100 %", "GRÜSSE aus München", "a_b \"c\" \\d", "axb"];
const REPLIES: [&str; 3] = ["250 2.0.0 Ok: queued as 4bXyz", "451 4.7.1 Greylisted", "550 5.1.1 100 % no such user"];

fn random_email(app: &TestApp, random: &mut ChaCha8Rng, minute: i64) -> HistoricEmail {
    let message = Message { at: at("2024-01-10T00:00:00Z") + TimeDelta::minutes(minute), ..Message::default() };
    let mut historic = message.historic(app);
    let email = &mut historic.email;
    email.from_address = (*SENDERS.choose(random).unwrap()).to_owned();
    email.subject = (*SUBJECTS.choose(random).unwrap()).to_owned();
    let kinds = [RecipientKind::To, RecipientKind::Cc, RecipientKind::Bcc];
    let addresses: Vec<&&str> = RECIPIENTS.choose_multiple(random, 2).collect();
    let recipient =
        |(kind, address): (RecipientKind, &&str)| Recipient { kind, address: (*address).to_owned(), name: None };
    email.recipients = kinds.into_iter().zip(addresses).map(recipient).collect();
    let mut text = |choices: &[&str]| random.random_bool(0.5).then(|| (*choices.choose(random).unwrap()).to_owned());
    let detail = EventDetail {
        reply: text(&REPLIES),
        server: text(&["mail.finch.example", "MAIL.wren.example"]),
        server_ip: text(&["192.0.2.1", "192.0.2.10"]),
        mx: text(&["mx1.example", "mx_1.example"]),
        protocol: text(&["smtp", "http"]),
        cause: None,
        ..EventDetail::default()
    };
    if random.random_bool(0.5) {
        historic.facts.provider_message_id = Some(format!("<{}@provider>", random.random_range(0..20)));
    }
    let kind = *EventKind::ALL.choose(random).unwrap();
    let soft = (kind == EventKind::Bounced && random.random_bool(0.5)).then_some(EventCause::Soft);
    let event = |kind, detail| {
        NewEvent::from(EmailEvent { id: app.id_at(message.at), kind, at: message.at, recipient: None, detail })
    };
    email.events =
        vec![event(EventKind::Queued, EventDetail::default()), event(kind, EventDetail { cause: soft, ..detail })];
    historic
}

fn is_like(text: &str, wanted: &str) -> bool {
    text.to_lowercase() == wanted.to_lowercase()
}

fn matches(historic: &HistoricEmail, filter: &EmailFilter) -> bool {
    let (email, criteria) = (&historic.email, &filter.criteria);
    let events: Vec<&EmailEvent> = email.events.iter().map(|new| &new.event).collect();
    let status = fold_status(events.iter().map(|event| event.kind));
    let happened =
        events.iter().fold(EventSet::default(), |set, event| set.with(EventSet::of(event.kind, event.detail.cause)));
    let sender =
        email.from_address.rsplit_once('<').map_or(email.from_address.as_str(), |(_, rest)| rest.trim_end_matches('>'));
    let of_event = |field: fn(&EventDetail) -> &Option<String>, wanted: &Option<String>| {
        let has = |event: &&EmailEvent| {
            wanted.as_ref().zip(field(&event.detail).as_ref()).is_some_and(|(wanted, text)| is_like(text, wanted))
        };
        wanted.is_none() || events.iter().any(has)
    };
    let own_id = format!("{}@{}", email.id, sender.rsplit_once('@').unwrap().1);
    let provider_id = historic.facts.provider_message_id.as_deref().unwrap_or_default().trim_matches(['<', '>']);
    filter.statuses.or_all().contains(status)
        && !criteria.nothing
        && (criteria.events.is_empty() || happened.meets(criteria.events))
        && criteria.email_id.is_none_or(|id| id == email.id)
        && criteria
            .provider_message_id
            .as_ref()
            .is_none_or(|id| [own_id.as_str(), provider_id].contains(&id.trim_matches(['<', '>'])))
        && criteria.from_address.as_ref().is_none_or(|address| is_like(sender, address))
        && criteria
            .recipient
            .as_ref()
            .is_none_or(|address| email.recipients.iter().any(|recipient| is_like(&recipient.address, address)))
        && criteria.subject.as_ref().is_none_or(|part| email.subject.to_lowercase().contains(&part.to_lowercase()))
        && criteria.reply.as_ref().is_none_or(|part| {
            let has = |event: &&EmailEvent| {
                event.detail.reply.as_ref().is_some_and(|reply| reply.to_lowercase().contains(&part.to_lowercase()))
            };
            events.iter().any(has)
        })
        && of_event(|detail| &detail.server, &criteria.server)
        && of_event(|detail| &detail.server_ip, &criteria.server_ip)
        && of_event(|detail| &detail.mx, &criteria.mx)
        && of_event(|detail| &detail.protocol, &criteria.protocol)
}

/// One condition each.
fn criteria_of(log: &[HistoricEmail]) -> Vec<Criteria> {
    let mut all = vec![Criteria { nothing: true, ..Criteria::default() }];
    let mut add = |criteria: Criteria| all.push(criteria);
    let (some, none) = (|text: &str| Some(text.to_owned()), Criteria::default);
    for events in [EventSet::one(EventKind::Deferred), EventSet::SOFT_BOUNCE, EventSet::HARD_BOUNCE, EventSet::VIRUS] {
        add(Criteria { events, ..none() });
    }
    let email = &log[7].email;
    let domain = if email.from_address.contains("cher") { "bücher.example" } else { "b.example" };
    add(Criteria { email_id: Some(email.id), ..none() });
    add(Criteria { email_id: Some(EmailId(5)), ..none() });
    let own_id = format!("<{}@{domain}>", email.id);
    for id in ["<7@provider>", "7@provider", "7@PROVIDER", "%", own_id.as_str(), &format!("{}@wren.example", email.id)]
    {
        add(Criteria { provider_message_id: some(id), ..none() });
    }
    for address in ["a@b.example", "A@B.example", "ada_b@b.example", "JÖRG@bücher.example", "b.example", "%@b.example"]
    {
        add(Criteria { from_address: some(address), ..none() });
    }
    for address in ["ada@FINCH.example", "ada_b@finch.example", "JÖRG@finch.example", "finch.example", "%"] {
        add(Criteria { recipient: some(address), ..none() });
    }
    for part in ["RECEIPT", "0 %", "grüsse AUS", "GRÜ", "a_b", "_", "\"c\"", "\\d", "\\", "x", "nothing like it"] {
        add(Criteria { subject: some(part), ..none() });
    }
    for part in ["OK: QUEUED", "100 %", "%", "5.1.1", "nothing"] {
        add(Criteria { reply: some(part), ..none() });
    }
    for server in ["mail.finch.example", "mail.WREN.example", "finch.example"] {
        add(Criteria { server: some(server), ..none() });
    }
    for (ip, mx, protocol) in [("192.0.2.1", "mx_1.example", "smtp"), ("192.0.2.10", "MX1.example", "https")] {
        add(Criteria { server_ip: some(ip), ..none() });
        add(Criteria { mx: some(mx), ..none() });
        add(Criteria { protocol: some(protocol), ..none() });
    }
    add(Criteria { protocol: some("smtp"), subject: some("axb"), from_address: some("a@b.example"), ..none() });
    all
}

async fn found(app: &TestApp, filter: &EmailFilter, window: OffsetRequest) -> (Vec<EmailId>, Total) {
    let listed = app.store().list_whole_emails(app.team, filter, window).await.unwrap();
    (listed.items.into_iter().map(|email| email.id).collect(), listed.total)
}

on_both_databases! {
    async fn a_part_of_an_answer_is_looked_for_in_the_newest_messages_and_it_is_said_so(app: TestApp) {
        let (team, newest) = (app.team.0, lowest_id_at(app.now()));
        let many = format!(
            "INSERT INTO emails (team_id, id, recipients, from_address, subject, tags, status, status_rank,
                 has_pdf_attachment, job_id)
             WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 10004)
             SELECT {team}, {newest} - CAST(n AS BIGINT) * 1048576, '[]', 'a@b.example', 'Hi', '[]', 2, 0, FALSE, 1
             FROM numbers"
        );
        app.store().try_statement(&many).await.unwrap();
        let window = OffsetRequest { offset: 0, limit: 10, oldest_first: false };
        let listed = async |criteria: Criteria| {
            let filter = EmailFilter { criteria, ..EmailFilter::default() };
            app.store().list_whole_emails(app.team, &filter, window).await.unwrap()
        };
        let reply = listed(Criteria { reply: Some("queued as".to_owned()), ..Criteria::default() }).await;
        assert_eq!((reply.items.len(), reply.total), (0, Total::Exact(0)));
        assert_eq!(reply.looked_from, Some(app.now() - TimeDelta::milliseconds(9_999)));
        let sender = Some("a@b.example".to_owned());
        let from = listed(Criteria { from_address: sender.clone(), ..Criteria::default() }).await;
        assert_eq!((from.items.len(), from.looked_from), (10, None));
        let narrowed = Criteria { reply: sender.clone(), recipient: sender, ..Criteria::default() };
        assert_eq!(listed(narrowed).await.looked_from, None);
    }

    async fn a_message_is_found_by_every_id_that_providers_gave_it(app: TestApp) {
        let mut message = Message::default().historic(&app);
        message.facts.provider_message_id = Some("<first@provider>".to_owned());
        let id = message.email.id;
        app.store().insert_history(app.team, &[message, Message::default().historic(&app)]).await.unwrap();
        for alias in ["<second@provider>", "third@provider"] {
            let also = format!("INSERT INTO email_aliases (team_id, alias, email_id) VALUES ({}, '{alias}', {})", app.team.0, id.0);
            app.store().try_statement(&also).await.unwrap();
        }
        let window = OffsetRequest { offset: 0, limit: 10, oldest_first: false };
        for (name, is_known) in [
            ("first@provider", true),
            ("<second@provider>", true),
            ("second@provider", true),
            ("third@provider", true),
            ("fourth@provider", false),
        ] {
            let criteria = Criteria { provider_message_id: Some(name.to_owned()), ..Criteria::default() };
            let any = EmailFilter { criteria, ..EmailFilter::default() };
            let searched = EmailFilter { search: Some("welcome".to_owned()), ..any.clone() };
            let delivered = EmailFilter { statuses: StatusSet::ARRIVED, ..any.clone() };
            for filter in [any, searched, delivered] {
                let expected = if is_known { vec![id] } else { Vec::new() };
                let total = Total::Exact(expected.len() as i64);
                assert_eq!(found(&app, &filter, window).await, (expected, total), "{filter:?}");
            }
        }
    }

    async fn a_customer_is_who_has_the_user_id_or_the_address_in_the_team_alone(app: TestApp) {
        let made = |minute: i64, channel, user: Option<&str>, to: &str| {
            let at = at("2024-01-10T00:00:00Z") + TimeDelta::minutes(minute);
            let status = if minute == 0 { EmailStatus::Bounced } else { EmailStatus::Delivered };
            let mut made = Message { at, status, to: vec![to.to_owned()], ..Message::default() }.historic(&app);
            made.email.channel = channel;
            made.email.external_user_id = user.map(str::to_owned);
            made
        };
        let log = [
            made(0, Channel::Email, Some("user-7"), "ada@finch.example"),
            made(1, Channel::Sms, Some("user-7"), "+4915112345678"),
            made(2, Channel::Email, None, "Ada@finch.example"),
            made(3, Channel::Email, Some("user-8"), "eve@finch.example"),
            made(4, Channel::Push, Some("USER-7"), "USER-7"),
        ];
        app.store().insert_history(app.team, &log).await.unwrap();
        let elsewhere = [made(5, Channel::Email, Some("user-7"), "ada@finch.example")];
        app.store().insert_history(app.other_team, &elsewhere).await.unwrap();
        let any_of = vec![Wanted::Person("user-7".to_owned()), Wanted::Recipient("ada@finch.example".to_owned())];
        let criteria = Criteria { conditions: vec![Condition { is_not: false, any_of }], ..Criteria::default() };
        let filter = EmailFilter { criteria, ..EmailFilter::default() };
        let ids: Vec<EmailId> = [2, 1, 0].map(|place: usize| log[place].email.id).to_vec();
        let window = OffsetRequest { offset: 0, limit: 10, oldest_first: false };
        assert_eq!(found(&app, &filter, window).await, (ids.clone(), Total::Exact(3)));
        let delivered = EmailFilter { statuses: StatusSet::ARRIVED, ..filter.clone() };
        assert_eq!(found(&app, &delivered, window).await, (ids[..2].to_vec(), Total::Exact(2)));
        assert_eq!(app.store().count_arrived(app.team, &filter).await, Ok((Total::Exact(3), Total::Exact(2))));
        let newest = app.store().list_newest(app.team, &filter, 2).await.unwrap();
        assert_eq!(newest.iter().map(|email| email.id).collect::<Vec<_>>(), ids[..2]);
        let range = TimeRange { from: Some(at("2024-01-10T00:01:00Z")), to: None };
        let later = EmailFilter { range, ..filter };
        assert_eq!(found(&app, &later, window).await, (ids[..2].to_vec(), Total::Exact(2)));
    }

    async fn an_address_is_found_however_it_is_written(app: TestApp) {
        let names = ["QÜ1@Exämple.com", "josé@xn--exmple-cua.com", r#""a..b"@Example.com"#, "ΝΙΚΟΣ@example.gr", "Ada@example.com"];
        let messages = names.map(|to| Message { to: vec![to.to_owned()], ..Message::default() });
        let ids = app.add_messages(&messages).await;
        let by = async |recipient: &str| {
            let criteria = Criteria { recipient: Some(recipient.to_owned()), ..Criteria::default() };
            let filter = EmailFilter { criteria, ..EmailFilter::default() };
            found(&app, &filter, OffsetRequest { offset: 0, limit: 10, oldest_first: false }).await.0
        };
        for (index, writings) in [
            &["QÜ1@Exämple.com", "qü1@exämple.com", "Qü1@EXÄMPLE.COM", "qÜ1@xn--exmple-cua.com"][..],
            &["josé@exämple.com", "JOSÉ@XN--EXMPLE-CUA.com", "JosÉ@exÄmple.com."],
            &["a..b@example.com", r#""A..B"@example.com"#],
            &["νικος@example.gr", "νικοσ@EXAMPLE.gr", "ΝΙΚΟΣ@example.gr"],
            &["ADA@example.com", "<ada@example.com>"],
        ].into_iter().enumerate() {
            for written in writings {
                assert_eq!(by(written).await, [ids[index]], "{written}");
            }
        }
        assert!(by("qu1@example.com").await.is_empty());
        // As it was kept before recipients brought a key.
        let old = format!("UPDATE emails SET recipients = '[{{\"kind\":\"to\",\"address\":\"Old@xn--exmple-cua.com\"}}]' WHERE team_id = {} AND id = {}", app.team.0, ids[0].0);
        app.store().try_statement(&old).await.unwrap();
        assert_eq!(by("old@XN--exmple-cua.com").await, [ids[0]]);
        assert!(by("qü1@exämple.com").await.is_empty());
    }

    async fn a_greek_word_is_found_wherever_its_s_stands_and_with_its_accents_or_without(app: TestApp) {
        let subjects = ["ΟΔΟΣ 5", "οδοσήμανση", "Η οδός"];
        let messages = subjects.map(|subject| Message { subject: subject.to_owned(), ..Message::default() });
        let ids = app.add_messages(&messages).await;
        let window = OffsetRequest { offset: 0, limit: 10, oldest_first: true };
        for (text, wanted) in [("ΟΔΟΣ", &ids[..]), ("οδος", &ids[..]), ("οδοσ", &ids[..]), ("ΔΌΣ", &ids[..]), ("ός", &ids[..]), ("ΉΜΑΝ", &ids[1..2])] {
            let searched = EmailFilter { search: Some(text.to_owned()), ..EmailFilter::default() };
            assert_eq!(found(&app, &searched, window).await.0, wanted, "{text}");
            if text.chars().count() > 2 {
                let criteria = Criteria { subject: Some(text.to_owned()), ..Criteria::default() };
                let filter = EmailFilter { criteria, ..EmailFilter::default() };
                assert_eq!(found(&app, &filter, window).await.0, wanted, "{text}");
            }
        }
    }

    async fn every_condition_finds_its_messages_and_no_others(app: TestApp) {
        let mut random = ChaCha8Rng::seed_from_u64(23);
        let log: Vec<HistoricEmail> = (0..300).map(|minute| random_email(&app, &mut random, minute)).collect();
        app.store().insert_history(app.team, &log).await.unwrap();
        let elsewhere: Vec<HistoricEmail> = (0..50).map(|minute| random_email(&app, &mut random, minute)).collect();
        app.store().insert_history(app.other_team, &elsewhere).await.unwrap();
        for criteria in criteria_of(&log) {
            for statuses in [StatusSet::default(), StatusSet::from_iter([EmailStatus::Failed, EmailStatus::Bounced])] {
                let search = random.random_bool(0.2).then(|| ["finch", "ü"].choose(&mut random).unwrap().to_string());
                let filter = EmailFilter { criteria: criteria.clone(), statuses, search, ..EmailFilter::default() };
                let is_searched = |email: &HistoricEmail| {
                    let addresses = email.email.recipients.iter().map(|recipient| recipient.address.as_str());
                    let text = addresses.chain([email.email.subject.as_str()]).collect::<Vec<_>>().join("\n");
                    let plain = |text: &str| text.to_lowercase().replace('ü', "u");
                    filter.search.as_ref().is_none_or(|search| plain(&text).contains(&plain(search)))
                };
                let matching = log.iter().filter(|email| matches(email, &filter) && is_searched(email));
                let mut expected: Vec<EmailId> = matching.map(|email| email.email.id).collect();
                expected.sort();
                let total = Total::Exact(expected.len() as i64);
                for oldest_first in [true, false] {
                    let all = OffsetRequest { offset: 0, limit: 500, oldest_first };
                    assert_eq!(found(&app, &filter, all).await, (expected.clone(), total), "{filter:?} {oldest_first}");
                    let page = OffsetRequest { offset: 3, limit: 4, oldest_first };
                    let part: Vec<EmailId> = expected.iter().skip(3).take(4).copied().collect();
                    assert_eq!(found(&app, &filter, page).await, (part, total), "{filter:?} {oldest_first}");
                    expected.reverse();
                }
            }
        }
    }

    async fn a_search_can_begin_with_the_oldest(app: TestApp) {
        // Further apart than the first window that PostgreSQL searches.
        let messages: Vec<Message> = (0..6)
            .map(|day| Message { at: at("2024-01-01T00:00:00Z") + TimeDelta::days(day * day), ..Message::default() })
            .collect();
        let ids = app.add_messages(&messages).await;
        for search in ["welcome", "we"] {
            let filter = EmailFilter { search: Some(search.to_owned()), ..EmailFilter::default() };
            let from_the_oldest = found(&app, &filter, OffsetRequest { offset: 1, limit: 4, oldest_first: true }).await;
            assert_eq!(from_the_oldest, (ids[1..5].to_vec(), Total::Exact(6)), "{search}");
        }
    }
}

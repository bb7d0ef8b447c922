//! One person in everything: read, and forgotten, in whatever table and column.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::json;

use super::deletion::fill;
use super::outbox::new_email;
use super::*;
use crate::domain::api_request::{ApiRequest, LoggedBody};
use crate::domain::email::{EmailStatus, Recipient, RecipientKind};
use crate::domain::error::AppError;
use crate::domain::filter::{EmailFilter, RollupScope, TimeRange};
use crate::domain::forgetting::{Forgetting, ForgettingState};
use crate::domain::hold::Held;
use crate::domain::ids::{EmailId, EventId};
use crate::domain::page::PageRequest;
use crate::domain::person::Person;
use crate::server::services::persons::runner;
use crate::server::store::emails::NewEmail;
use crate::server::store::persons::Place;
use crate::server::store::persons::forget::Forgot;
use crate::server::store::persons::jobs::{ForgettingLease, StoredForgetting};
use crate::server::tests::on_both_databases_in_parallel;

/// No other word of a database has its letters.
const ADDRESS: &str = "Zqforget+Me@Zqexample.com";
const TRACE: &str = "zqforget";

/// What stands for the address as it is written in links.
const IN_LINK: &str = "zqforget%2Bme%40zqexample.com";

fn person() -> Person {
    Person::new(ADDRESS).unwrap()
}

/// Begins to forget somebody of Finch's.
pub(super) async fn begin(app: &TestApp, address: &str) -> StoredForgetting {
    let person = Person::new(address).unwrap();
    let id = app.id_at(app.now());
    let new = StoredForgetting {
        forgetting: Forgetting {
            id,
            placeholder: format!("forgotten-{}@forgotten.invalid", id.0),
            state: ForgettingState::Running,
            messages: 0,
            others: 0,
            held: 0,
            ended_at: None,
        },
        sealed: app.app.secret_key.seal(person.key().as_bytes(), &format!("forgetting:{}:{id}", app.team)),
        address_hash: format!("hash of {}", address.len()),
        place: Place::default(),
    };
    let unwritten = ["hash".to_owned()];
    app.store().insert_forgetting(app.team, &new, person.key(), &unwritten, app.now(), &app.event()).await.unwrap();
    new
}

/// Works until nothing is due; the newest forgetting of Finch's.
pub(super) async fn finish(app: &TestApp) -> Forgetting {
    let mut steps = 0;
    while runner::work(&app.app).await.unwrap() {
        steps += 1;
        assert!(steps < 5_000, "it never ends");
    }
    let newest = app.store().list_forgettings(app.team).await.unwrap().remove(0);
    assert_eq!(newest.state, ForgettingState::Done);
    newest
}

fn recipient(kind: RecipientKind, address: &str) -> Recipient {
    Recipient { kind, address: address.to_owned(), name: Some("Zqforget Zqname".to_owned()) }
}

/// Messages to the person alone, to them among others, from them, and one that only names them.
async fn add_messages(app: &TestApp) -> [EmailId; 4] {
    let store = app.store();
    let base = |recipients: Vec<Recipient>| NewEmail { recipients, ..new_email(app, app.now() - TimeDelta::days(3)) };
    let bob = || Recipient { kind: RecipientKind::To, address: "bob@example.com".to_owned(), name: None };
    let alone = NewEmail {
        subject: "For Zqforget".to_owned(),
        html: Some("<p>Dear Zqforget</p>".to_owned()),
        variables: json!({ "name": "Zqforget" }),
        metadata: json!({ "customer": "Zqforget" }),
        external_user_id: Some("zqforget-7".to_owned()),
        tags: vec!["of-zqforget".to_owned()],
        ..base(vec![recipient(RecipientKind::To, ADDRESS)])
    };
    let among = NewEmail {
        html: Some(format!("<p>To bob and {ADDRESS}</p>")),
        metadata: json!({ "cc": ADDRESS, "order": 7 }),
        mime: None,
        ..base(vec![bob(), Recipient { name: None, ..recipient(RecipientKind::Bcc, ADDRESS) }])
    };
    let from = NewEmail {
        reply_to: Some(format!("Zqforget <{ADDRESS}>")),
        text: Some("I am Zqforget".to_owned()),
        ..base(vec![bob()])
    };
    let names = NewEmail {
        subject: format!("About {ADDRESS}"),
        html: Some(format!("<a href=\"https://a.example/?u={IN_LINK}\">{ADDRESS}</a>")),
        attachments: Vec::new(),
        mime: None,
        ..base(vec![bob()])
    };
    let ids = [alone.id, among.id, from.id, names.id];
    for email in [alone, among, from, names] {
        store.insert_email(app.team, &email).await.unwrap();
    }
    ids
}

/// Writes the address into every text that holds what people or programs say.
async fn write_everywhere(app: &TestApp) {
    let team = app.team.0;
    let (plain, json) = (format!("'said of {ADDRESS}'"), format!("'{{\"said\": \"{ADDRESS}\", \"{ADDRESS}\": 1}}'"));
    let headers = format!("'[[\"X-For\", \"{ADDRESS}\"]]'");
    let list = format!("'[\"{ADDRESS}\"]'");
    let body = "'{\"to\":\"zqforget\\u002bme@zqexample.com\"}'".to_owned();
    for (table, columns) in [
        ("api_keys", vec![("name", &plain)]),
        ("api_requests", vec![("endpoint", &format!("'/x?to={IN_LINK}'")), ("user_agent", &plain)]),
        ("email_contents", vec![("metadata", &json), ("headers", &headers), ("variables", &json)]),
        ("email_events", vec![("recipient", &format!("'{ADDRESS}'")), ("detail", &json)]),
        ("emails", vec![("error_message", &plain), ("tags", &list)]),
        ("history_imports", vec![("words", &plain)]),
        ("holds", vec![("address", &plain)]),
        ("idempotency_keys", vec![("answer_body", &body)]),
        ("invites", vec![("email", &format!("'{ADDRESS}'"))]),
        ("notifications", vec![("external_user_id", &format!("'{ADDRESS}'")), ("warnings", &list)]),
        ("outbox", vec![("pending", &list)]),
        ("provider_webhook_refusals", vec![("words", &plain)]),
        ("provider_webhooks", vec![("name", &plain)]),
        ("resend_changes", vec![("variables", &list)]),
        ("resend_items", vec![("words", &plain)]),
        ("resend_jobs", vec![("name", &plain), ("reason", &plain), ("filter_words", &plain), ("filter_url", &plain)]),
        ("roles", vec![("description", &plain)]),
        ("suppressions", vec![("note", &plain)]),
        ("template_samples", vec![("sample", &json)]),
        ("webhook_deliveries", vec![("body", &body), ("answer", &plain)]),
        ("webhooks", vec![("name", &plain)]),
    ] {
        let sets: Vec<String> = columns.iter().map(|(column, value)| format!("{column} = {value}")).collect();
        let rows = if table == "holds" { " AND lifted_at IS NOT NULL" } else { "" };
        let statement = format!("UPDATE {table} SET {} WHERE team_id = {team}{rows}", sets.join(", "));
        app.store().try_statement(&statement).await.unwrap_or_else(|cause| panic!("{statement}: {cause}"));
    }
    let alias = format!("UPDATE email_aliases SET alias = '{TRACE}+me@zqexample.com/' || alias WHERE team_id = {team}");
    app.store().try_statement(&alias).await.unwrap();
}

/// The tables of which a row has the person's letters in plain text.
async fn tables_with_a_trace(app: &TestApp) -> BTreeSet<String> {
    let rows = app.store().every_row().await;
    let has = |row: &String| row.to_lowercase().contains(TRACE);
    rows.into_iter().filter(|(_, rows)| rows.iter().any(has)).map(|(table, _)| table).collect()
}

/// The tables of which [crate::server::store::Store::read_person] finds rows, packed ones among them.
async fn tables_found(app: &TestApp) -> BTreeSet<String> {
    let (mut place, mut tables) = (Some(Place::default()), BTreeSet::new());
    while let Some(at) = place {
        let page = app.store().read_person(app.team, &person(), &at).await.unwrap();
        for line in &page.lines {
            tables.insert(line["table"].as_str().unwrap_or("message").to_owned());
        }
        place = page.next;
    }
    tables
}

async fn found(app: &TestApp, search: &str) -> Vec<EmailId> {
    let filter = EmailFilter { search: Some(search.to_owned()), ..EmailFilter::default() };
    let page = PageRequest { page: 1, page_size: 100 };
    app.store().list_emails(app.team, &filter, page).await.unwrap().items.iter().map(|email| email.id).collect()
}

on_both_databases! {
    async fn no_column_of_any_table_has_a_person_who_was_forgotten(app: TestApp) {
        let store = app.store();
        fill(&app).await;
        let [alone, among, from, names] = add_messages(&app).await;
        app.add_suppression(ADDRESS).await;
        let part = format!(r#"[{{"to":"{ADDRESS}"}}]"#);
        super::history_imports::add_parts(&app, &[part]).await;
        let body = |text: String| LoggedBody { text: Some(text), truncated: false };
        let request = ApiRequest {
            id: app.id_at(app.now()),
            team_id: app.team,
            api_key_id: None,
            user_id: None,
            method: "POST".to_owned(),
            endpoint: "/api/v1/send".to_owned(),
            response_status: 200,
            user_agent: None,
            duration_ms: 3,
            at: app.now(),
            request_body: body(format!(r#"{{"to":"{ADDRESS}","variables":{{"name":"Zqforget"}}}}"#)),
            response_body: body(r#"{"id":"1"}"#.to_owned()),
        };
        store.insert_api_requests(std::slice::from_ref(&request)).await.unwrap();
        write_everywhere(&app).await;
        let before = store.count_by_status(app.team, RollupScope::All, TimeRange::default()).await.unwrap();
        let waits = found(&app, "zqforget").await.len();
        assert!(waits >= 2, "search finds them before");
        let traces = tables_with_a_trace(&app).await;
        assert!(traces.len() > 20, "the test has to write the address into more: {traces:?}");
        let footprint = store.find_footprint(app.team, &person()).await.unwrap();
        assert_eq!((footprint.messages, footprint.waiting, footprint.is_suppressed, footprint.is_cut), (2, 2, true, false));

        begin(&app, ADDRESS).await;
        let done = finish(&app).await;
        assert!(done.messages >= 3 && done.others > 20, "{done:?}");
        assert_eq!(tables_with_a_trace(&app).await, BTreeSet::new());
        assert_eq!(tables_found(&app).await, BTreeSet::new());
        assert_eq!(found(&app, "zqforget").await, []);
        assert_eq!(store.find_footprint(app.team, &person()).await.unwrap().messages, 0);

        // What is checked is in order.
        let after = store.count_by_status(app.team, RollupScope::All, TimeRange::default()).await.unwrap();
        assert_eq!(after.in_set(Default::default()), before.in_set(Default::default()));
        assert_eq!(store.list_wrong_rollups(app.team).await, Ok(Vec::new()));
        assert_eq!((store.count_unindexed().await, store.count_orphans().await), (Ok(0), Ok(Vec::new())));

        // The one to them alone is canceled and empty; the others keep what is the others'.
        let email = async |id| store.find_email(app.team, id).await.unwrap().unwrap();
        let content = async |id| store.find_email_content(app.team, id).await.unwrap();
        let one = email(alone).await;
        assert_eq!((one.status, one.recipients[0].address.as_str()), (EmailStatus::Failed, done.placeholder.as_str()));
        assert!(one.recipients[0].name.is_none() && one.external_user_id.is_none() && content(alone).await.is_none());
        let shared = email(among).await;
        assert_eq!(shared.recipients[0].address, "bob@example.com");
        let html = content(among).await.unwrap().html.unwrap();
        assert_eq!(html, format!("<p>To bob and {}</p>", done.placeholder));
        assert_eq!(shared.subject, "Grüße");
        assert_eq!(email(from).await.reply_to.as_deref(), Some(done.placeholder.as_str()));
        assert!(content(from).await.is_none());
        assert_eq!(email(names).await.subject, format!("About {}", done.placeholder));
        assert!(content(names).await.unwrap().html.unwrap().contains(&done.placeholder));
        let waiting = store.every_row().await["outbox"].join("\n");
        assert!(!waiting.contains(&alone.0.to_string()) && waiting.contains(&among.0.to_string()));
    }

    async fn other_teams_and_other_addresses_stay(app: TestApp) {
        let to = |address: &str| Message { to: vec![address.to_owned()], ..Message::default() };
        let theirs = app.add_messages_of(app.other_team, &[to(ADDRESS)]).await[0];
        let near = app.add_messages(&[to("xzqforget+me@zqexample.com"), to("me@zqexample.com"), to(ADDRESS)]).await;
        begin(&app, ADDRESS).await;
        assert_eq!(finish(&app).await.messages, 1);
        let address = async |team, id| app.store().find_email(team, id).await.unwrap().unwrap().recipients[0].address.clone();
        assert_eq!(address(app.other_team, theirs).await, ADDRESS);
        assert_eq!(address(app.team, near[0]).await, "xzqforget+me@zqexample.com");
        assert_eq!(address(app.team, near[1]).await, "me@zqexample.com");
    }

    async fn a_step_that_was_killed_is_taken_again_by_somebody_else(app: TestApp) {
        let store = app.store();
        app.add_messages(&vec![Message { to: vec![ADDRESS.to_owned()], ..Message::default() }; 450]).await;
        let id = begin(&app, ADDRESS).await.forgetting.id;
        assert_eq!(store.list_due_forgettings(app.now(), 9).await, Ok(vec![(app.team, id)]));
        let lease = |lease_id| ForgettingLease { team_id: app.team, id, lease_id };
        let until = app.now() + TimeDelta::minutes(2);
        assert_eq!(store.lease_forgetting(lease(1), app.now(), until).await, Ok(true));
        assert_eq!(store.lease_forgetting(lease(2), app.now(), until).await, Ok(false));
        // Whoever has it is killed: another one goes on, and what the first one still does changes nothing.
        app.advance(TimeDelta::minutes(3));
        let stored = store.find_forgetting(app.team, id).await.unwrap().unwrap();
        assert_eq!(store.lease_forgetting(lease(2), app.now(), app.now() + TimeDelta::minutes(2)).await, Ok(true));
        let mint = || app.id_at::<EventId>(app.now());
        let step = async |lease_id| store.forget_some(lease(lease_id), &stored, &person(), app.now(), &mint).await;
        assert_eq!(step(1).await, Ok(Forgot::NotLeased));
        assert_eq!(store.end_forgetting(lease(1), app.now(), &app.event()).await, Ok(false));
        assert_eq!(tables_found(&app).await, ["message".to_owned()].into());
        let mut steps = 0;
        while step_of_next(&app, lease(2)).await != Forgot::All {
            steps += 1;
            let changed = store.find_forgetting(app.team, id).await.unwrap().unwrap().forgetting.messages;
            assert!(changed <= 200 * steps && steps < 100, "{changed} after {steps}");
            store.lease_forgetting(lease(2), app.now(), app.now() + TimeDelta::minutes(2)).await.unwrap();
        }
        assert_eq!(store.end_forgetting(lease(2), app.now(), &app.event()).await, Ok(true));
        let done = store.list_forgettings(app.team).await.unwrap().remove(0);
        assert_eq!((done.messages, done.state), (450, ForgettingState::Done));
        let kept = store.find_forgetting(app.team, id).await.unwrap().unwrap();
        assert_eq!(kept.sealed, "", "the address is gone at the end");
    }

    async fn a_message_that_is_being_sent_is_changed_when_it_went_out(app: TestApp) {
        let store = app.store();
        let email =
            NewEmail { recipients: vec![recipient(RecipientKind::To, ADDRESS)], ..new_email(&app, app.now()) };
        store.insert_email(app.team, &email).await.unwrap();
        let lease = store.lease_due(app.now(), app.now() + TimeDelta::minutes(5), 1, 1).await.unwrap().remove(0);
        let id = begin(&app, ADDRESS).await.forgetting.id;
        while runner::work(&app.app).await.unwrap() {}
        let address = async || store.find_email(app.team, email.id).await.unwrap().unwrap().recipients[0].address.clone();
        assert_eq!(address().await, ADDRESS, "nobody takes it from who sends it");
        let waits = store.find_forgetting(app.team, id).await.unwrap().unwrap().forgetting;
        assert_eq!(waits.state, ForgettingState::Running);
        assert_eq!(store.give_back(&lease, app.now()).await, Ok(true));
        app.advance(TimeDelta::minutes(1));
        let done = finish(&app).await;
        assert_eq!((done.messages, address().await), (1, done.placeholder));
    }

    async fn nobody_is_forgotten_twice_at_once_or_against_a_hold(app: TestApp) {
        let store = app.store();
        let first = begin(&app, ADDRESS).await;
        let again = async |key: &str| store.insert_forgetting(app.team, &first, key, &[], app.now(), &app.event()).await;
        assert!(matches!(again(person().key()).await, Err(AppError::Conflict(words)) if words.contains("already")));
        finish(&app).await;
        super::holds::place(&app, Held::Address(ADDRESS.to_owned())).await;
        assert!(matches!(again(person().key()).await, Err(AppError::Conflict(words)) if words.contains("legal hold")));
    }

    async fn hashes_say_who_is_not_written_to(app: TestApp) {
        let store = app.store();
        begin(&app, ADDRESS).await;
        let asked = ["hash".to_owned(), "other".to_owned()];
        let known = store.find_unwritten(app.team, &asked).await.unwrap();
        assert_eq!(known, [("hash".to_owned(), app.now())]);
        assert_eq!(store.find_unwritten(app.other_team, &asked).await, Ok(Vec::new()));
        assert_eq!(store.delete_unwritten(app.team, "hash", &app.event()).await, Ok(true));
        assert_eq!(store.delete_unwritten(app.team, "hash", &app.event()).await, Ok(false));
        assert_eq!(store.find_unwritten(app.team, &asked).await, Ok(Vec::new()));
    }

    async fn a_sender_and_a_member_are_known_by_their_addresses(app: TestApp) {
        let store = app.store();
        app.add_adapter("Mail").await;
        let sender = Person::new("NOREPLY@example.com").unwrap();
        assert_eq!(store.list_adapters_from(app.team, &sender).await, Ok(vec!["Mail".to_owned()]));
        assert_eq!(store.list_adapters_from(app.team, &person()).await, Ok(Vec::new()));
        let owner = app.viewer(crate::domain::team::Role::Owner).await;
        let crate::domain::viewer::Actor::User { email, .. } = &owner.actor else { panic!("a person") };
        let member = Person::new(email).unwrap();
        assert_eq!(store.find_member_named(app.team, &member).await.unwrap().unwrap().1, *email);
        assert_eq!(store.find_member_named(app.other_team, &person()).await, Ok(None));
    }

    async fn sizes_are_right_for_few_messages_and_near_for_many(app: TestApp) {
        let store = app.store();
        let few = app.add_messages(&vec![Message::default(); 20]).await;
        let sizes = store.measure_team(app.team).await.unwrap();
        let events = store.list_events(app.team, few[0]).await.unwrap().len() as i64;
        assert_eq!((sizes.parts[0].rows, sizes.parts[1].rows, sizes.parts[5].rows), (20, 20, 20 * events));
        assert!(!sizes.is_sampled && sizes.database_bytes > 0 && sizes.parts[1].bytes > 0);
        assert_eq!(sizes.parts[0].oldest, Some(at("2024-01-20T10:30:00Z")));
        // Fewer on old days than on new ones, which have nothing else about them.
        let of = |day: i64, count: usize| vec![Message { at: app.now() - TimeDelta::days(day), ..Message::default() }; count];
        app.add_messages(&[of(30, 100), of(20, 300), of(2, 1_200)].concat()).await;
        let sizes = store.measure_team(app.team).await.unwrap();
        let share = sizes.parts[5].rows as f64 / (1_620 * events) as f64;
        assert!(sizes.is_sampled && sizes.parts[0].rows == 1_620 && (0.95..1.05).contains(&share), "{sizes:?}");
        app.add_api_request().await;
        assert_eq!(store.count_requests_below(app.team, i64::MAX).await, Ok(1));
        assert_eq!(store.measure_team(app.team).await.unwrap().requests.rows, 1);
        assert_eq!(store.measure_team(app.other_team).await.unwrap().parts[0].rows, 0);
    }
}

on_both_databases_in_parallel! {
    /// What is accepted while somebody is forgotten: nothing from before the beginning is left, and what is new is there and waits.
    async fn messages_that_come_meanwhile_do_not_hinder_it(app: TestApp) {
        app.add_messages(&vec![Message { to: vec![ADDRESS.to_owned()], ..Message::default() }; 250]).await;
        let app = Arc::new(app);
        let begun = begin(&app, ADDRESS).await.forgetting.id;
        let sending = {
            let app = Arc::clone(&app);
            tokio::spawn(async move {
                for _ in 0..30 {
                    let to = vec![recipient(RecipientKind::To, ADDRESS)];
                    let email = NewEmail { recipients: to, ..new_email(&app, app.now()) };
                    app.store().insert_email(app.team, &email).await.unwrap();
                }
            })
        };
        let done = finish(&app).await;
        sending.await.unwrap();
        assert!(done.messages >= 250, "{done:?}");
        let left = found(&app, "zqforget").await;
        assert!(left.iter().all(|id| id.created_at() >= begun.created_at()) && left.len() <= 30, "{left:?}");
        assert_eq!(app.store().list_wrong_rollups(app.team).await, Ok(Vec::new()));
        begin(&app, ADDRESS).await;
        finish(&app).await;
        assert_eq!(tables_found(&app).await, BTreeSet::new());
    }
}

/// Takes one step from where the job is.
async fn step_of_next(app: &TestApp, lease: ForgettingLease) -> Forgot {
    let stored = app.store().find_forgetting(app.team, lease.id).await.unwrap().unwrap();
    let mint = || app.id_at::<EventId>(app.now());
    app.store().forget_some(lease, &stored, &person(), app.now(), &mint).await.unwrap()
}

//! What search finds: in whom a message is for, its subject, its metadata and its variables, as far as they may be seen.

use serde_json::json;

use super::outbox::new_email;
use super::*;
use crate::domain::email::{Recipient, RecipientKind};
use crate::domain::filter::{Criteria, EmailFilter};
use crate::domain::ids::{EmailId, TeamId, lowest_id_at};
use crate::domain::page::{OffsetRequest, Total};
use crate::server::store::emails::NewEmail;
use crate::server::store::templates::TemplateChange;
use crate::server::store::values::ValueKind;

/// What a viewer sees of what is searched.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Sees {
    Contents,
    Addresses,
    Nothing,
}

const ALL: [Sees; 3] = [Sees::Contents, Sees::Addresses, Sees::Nothing];

/// The messages that a search finds, the newest first, however it is asked.
async fn found(app: &TestApp, team: TeamId, search: &str, sees: Sees) -> Vec<EmailId> {
    let criteria = Criteria {
        sees_contents: sees == Sees::Contents,
        keeps_addresses: sees == Sees::Nothing,
        ..Criteria::default()
    };
    let filter = EmailFilter { search: Some(search.to_owned()), criteria, ..EmailFilter::default() };
    let listed = app.store().list_older_emails(team, &filter, None, 100).await.unwrap();
    let ids: Vec<EmailId> = listed.iter().map(|email| email.id).collect();
    let window = OffsetRequest { offset: 0, limit: 100, oldest_first: true };
    let page = app.store().list_whole_emails(team, &filter, window).await.unwrap();
    assert_eq!(page.total, Total::Exact(ids.len() as i64), "{search} {sees:?}");
    assert!(page.items.iter().rev().map(|email| email.id).eq(ids.iter().copied()), "{search} {sees:?}");
    ids
}

fn order(app: &TestApp) -> NewEmail {
    let recipient = |kind, address: &str, name: Option<&str>| Recipient {
        kind,
        address: address.to_owned(),
        name: name.map(str::to_owned),
    };
    NewEmail {
        recipients: vec![
            recipient(RecipientKind::To, "sol@customer.example", Some("Sol Ibáñez")),
            recipient(RecipientKind::Cc, "desk@xn--bcher-kva.example", Some("Straßen-Büro")),
            recipient(RecipientKind::Bcc, "archive@finch.example", None),
        ],
        subject: "Your order #48213 is on its way".to_owned(),
        variables: json!({"carrier": "Kestrel Post", "parcels": [{"tracking": "KP-7F33-02"}], "total": 99.5}),
        metadata: json!({"order": "A-1042", "shop": {"city": "Łódź"}}),
        ..new_email(app, app.now())
    }
}

on_both_databases! {
    async fn search_finds_what_the_row_shows_and_what_people_hold_in_their_hand(app: TestApp) {
        let (new, other) = (order(&app), new_email(&app, app.now()));
        app.store().insert_email(app.team, &new).await.unwrap();
        app.store().insert_email(app.team, &other).await.unwrap();
        app.store().insert_email(app.other_team, &order(&app)).await.unwrap();
        for search in [
            "Ibáñez", "IBANEZ", "iba\u{301}n\u{303}ez", "ibañ", "sol@customer", "desk@", "bücher.example", "xn--bcher", "STRASSEN",
            "straßen", "archive@finch", "customer.example", "#48213", "48213", "  on its   way ", "\"on its way\"",
            "ibanez 48213", "48213 ibanez desk@", "48213 is", "ib an ez", "\"sol ibanez\" to", "so", "#4",
        ] {
            for sees in [Sees::Contents, Sees::Addresses] {
                assert_eq!(found(&app, app.team, search, sees).await, [new.id], "{search} {sees:?}");
            }
        }
        for search in ["ibanez wren", "\"way its on\"", "48213 zz", "\"sol order\"", "ibanezz"] {
            for sees in ALL {
                assert_eq!(found(&app, app.team, search, sees).await, [], "{search} {sees:?}");
            }
        }
    }

    async fn everybody_is_searched_but_the_sender_and_bodies_are_not(app: TestApp) {
        let new = new_email(&app, app.now());
        app.store().insert_email(app.team, &new).await.unwrap();
        for (search, count) in
            [("ada@finch", 1), ("grüße", 1), ("bob@finch", 1), ("eve@finch", 1), ("ada u", 1), ("a@b.example", 0), ("help@b", 0), ("\"by hand\"", 0), ("<p>", 0)]
        {
            assert_eq!(found(&app, app.team, search, Sees::Addresses).await, vec![new.id; count], "{search}");
        }
    }

    async fn contents_are_found_by_parts_by_who_sees_them_and_metadata_by_whole_values_by_others(app: TestApp) {
        let new = order(&app);
        app.store().insert_email(app.team, &new).await.unwrap();
        for (search, by_others) in [
            ("A-1042", true), ("a-1042 order", true), ("łódź", true), ("LODZ", true), ("lodz ibanez", true),
            ("1042", false), ("A-104", false), ("lod", false), ("kestrel", false), ("\"Kestrel Post\"", false), ("kp-7f33-02", false), ("99.5", false),
            ("kestrel ibanez", false), ("kestrel 02", false), ("lodz 42", false),
        ] {
            assert_eq!(found(&app, app.team, search, Sees::Contents).await, [new.id], "{search}");
            assert_eq!(found(&app, app.team, search, Sees::Addresses).await.len(), usize::from(by_others), "{search}");
            assert_eq!(found(&app, app.team, search, Sees::Nothing).await, [], "{search}");
        }
    }

    async fn whoever_sees_addresses_masked_finds_them_whole_and_no_names(app: TestApp) {
        let new = order(&app);
        app.store().insert_email(app.team, &new).await.unwrap();
        for search in ["ibanez", "sol", "sol@customer", "customer.example", "Sol Ibáñez", "\"sol ibanez\"", "48213 ibanez", "so", "ol"] {
            assert_eq!(found(&app, app.team, search, Sees::Nothing).await, [], "{search}");
        }
        for search in ["SOL@customer.example", "archive@finch.example", "desk@xn--bcher-kva.example", "48213", "way sol@customer.example", "48213 is", "#4"] {
            assert_eq!(found(&app, app.team, search, Sees::Nothing).await, [new.id], "{search}");
        }
    }

    async fn what_a_template_marks_is_found_by_nobody(app: TestApp) {
        let template = app.add_template("Reset").await;
        let mark = async |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let change = TemplateChange { masked_variables: Some(&names), ..TemplateChange::default() };
            app.store().update_template(app.team, template.id, &change, app.now(), &app.event()).await.unwrap();
        };
        mark(&["code"]).await;
        // Later than the minute within which a message may still bring what was not marked when it was made.
        let later = app.now() + chrono::TimeDelta::minutes(2);
        let made = || NewEmail {
            variables: json!({"code": "s3cret-code", "name": "Maya", "hint": "Say s3cret-code"}),
            metadata: json!({"copy": "s3cret-code", "order": "A-1042"}),
            ..new_email(&app, later)
        };
        let of_template = NewEmail { template: Some((template.id, template.current.id)), ..made() };
        let worded = NewEmail { worded_by: Some(template.current.id), ..made() };
        let raw = made();
        for new in [&of_template, &worded, &raw] {
            app.store().insert_email(app.team, new).await.unwrap();
        }
        let all = [raw.id, worded.id, of_template.id];
        for search in ["s3cret-code", "s3cret", "3cre", "\"say s3cret-code\""] {
            assert_eq!(found(&app, app.team, search, Sees::Contents).await, [raw.id], "{search}");
        }
        assert_eq!(found(&app, app.team, "s3cret-code", Sees::Addresses).await, [raw.id]);
        assert_eq!(found(&app, app.team, "maya", Sees::Contents).await, all);
        assert_eq!(found(&app, app.team, "A-1042", Sees::Addresses).await, all);
        // What is marked afterwards is hidden at once, and so is what else the messages of before hold.
        mark(&["code", "name"]).await;
        app.store().try_statement(&format!("UPDATE templates SET marked_from = {} WHERE id = {}", i64::MAX, template.id.0)).await.unwrap();
        for search in ["maya", "A-1042", "maya 42"] {
            assert_eq!(found(&app, app.team, search, Sees::Contents).await, [raw.id], "{search}");
        }
        for sees in ALL {
            assert_eq!(found(&app, app.team, "grüße", sees).await, all, "{sees:?}");
        }
        assert_eq!(found(&app, app.team, "grusse maya", Sees::Contents).await, [raw.id]);
        // Nobody marks it any more.
        mark(&[]).await;
        assert_eq!(found(&app, app.team, "maya", Sees::Contents).await, all);
    }

    async fn a_template_that_is_marked_again_says_from_which_message_on(app: TestApp) {
        let template = app.add_template("Reset").await;
        let change = |names| TemplateChange { masked_variables: names, ..TemplateChange::default() };
        let (code, none) = (["code".to_owned()], []);
        let boundary = lowest_id_at(app.now() + chrono::TimeDelta::minutes(1));
        for (names, later, wanted) in [
            (Some(&code[..]), 0, boundary),
            (Some(&code[..]), 60, boundary),
            (None, 90, boundary),
            (Some(&none[..]), 90, 0),
            (Some(&code[..]), 120, boundary + (120_000 << 20)),
        ] {
            let now = app.now() + chrono::TimeDelta::seconds(later);
            assert!(app.store().update_template(app.team, template.id, &change(names), now, &app.event()).await.unwrap());
            let rows = app.store().every_row().await.remove("templates").unwrap().join("\n");
            let told: Vec<i64> = [boundary, boundary + (120_000 << 20)].into_iter().filter(|id| rows.contains(&id.to_string())).collect();
            assert_eq!(told, if wanted == 0 { vec![] } else { vec![wanted] }, "{rows}");
        }
    }

    async fn what_retention_took_is_not_found(app: TestApp) {
        let new = order(&app);
        let old = NewEmail { id: EmailId(lowest_id_at(app.now() - chrono::TimeDelta::days(40))), ..new };
        app.store().insert_email(app.team, &old).await.unwrap();
        app.store().try_statement("DELETE FROM outbox").await.unwrap();
        let below = EmailId(lowest_id_at(app.now()));
        assert_eq!(found(&app, app.team, "kestrel", Sees::Contents).await, [old.id]);
        while app.store().delete_old_bodies(app.team, below).await.unwrap() {}
        for search in ["kestrel", "A-1042", "lodz"] {
            for sees in ALL {
                assert_eq!(found(&app, app.team, search, sees).await, [], "{search}");
            }
        }
        assert_eq!(found(&app, app.team, "ibanez 48213", Sees::Addresses).await, [old.id]);
        while app.store().delete_old_emails(app.team, below).await.unwrap() {}
        assert_eq!(found(&app, app.team, "ibanez", Sees::Contents).await, []);
    }

    async fn a_log_whose_index_is_as_it_should_be_is_left_alone(app: TestApp) {
        app.store().insert_email(app.team, &order(&app)).await.unwrap();
        let before = app.store().every_row().await;
        assert_eq!(app.store().index_some_again().await, Ok(false));
        assert_eq!(app.store().every_row().await, before);
    }

    async fn the_values_of_recent_messages_begin_as_asked_those_of_most_messages_first(app: TestApp) {
        for tags in [&["beta", "Alpha_1"][..], &["beta"], &["bx"]] {
            let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
            app.store().insert_email(app.team, &NewEmail { tags, ..order(&app) }).await.unwrap();
        }
        let values = async |team, begun| app.store().list_recent_values(team, ValueKind::Tag, begun, 2).await.unwrap();
        assert_eq!(values(app.team, "B").await, ["beta", "bx"]);
        assert_eq!(values(app.team, "alpha_").await, ["Alpha_1"]);
        assert!(values(app.team, "_").await.is_empty());
        assert!(values(app.other_team, "").await.is_empty());
        assert!(app.store().list_recent_values(app.team, ValueKind::Server, "", 2).await.unwrap().is_empty());
        let to = |addresses: &[&str]| -> Vec<Recipient> {
            let to = |address: &&str| Recipient { kind: RecipientKind::To, address: (*address).to_owned(), name: None };
            addresses.iter().map(to).collect()
        };
        for addresses in [&["ada@One.example", "bob@two.example"][..], &["eve@two.example"], &["+4915112345678"]] {
            let recipients = to(addresses);
            app.store().insert_email(app.team, &NewEmail { recipients, ..order(&app) }).await.unwrap();
        }
        let domains = async |begun| app.store().list_recent_values(app.team, ValueKind::Domain, begun, 9).await.unwrap();
        assert_eq!(domains("TWO").await, ["two.example"]);
        assert_eq!(domains("one").await, ["one.example"]);
        assert!(app.store().list_recent_values(app.other_team, ValueKind::Domain, "", 9).await.unwrap().is_empty());
    }
}

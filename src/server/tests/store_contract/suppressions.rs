//! Addresses that are not written to: what events put there, how they are found, and whose they are.

use super::*;
use crate::domain::channel::Channel;
use crate::domain::email::{NewEmail, Recipient, RecipientKind};
use crate::domain::event::{EmailEvent, EventCause, EventDetail, EventKind};
use crate::domain::ids::{EmailId, EventId, SuppressionId};
use crate::domain::page::Cursor;
use crate::domain::suppression::{Suppression, SuppressionReason};
use crate::server::store::events::{EmailFacts, NewEvent};
use crate::server::store::suppressions::SuppressionFilter;

fn email_to(app: &TestApp, to: &[&str]) -> NewEmail {
    let recipient = |address: &&str| Recipient { kind: RecipientKind::To, address: (*address).to_owned(), name: None };
    let blank = NewEmail::blank(app.id_at(app.now()), app.id_at(app.now()), Channel::Email);
    NewEmail { recipients: to.iter().map(recipient).collect(), ..blank }
}

fn event(app: &TestApp, kind: EventKind, recipient: Option<&str>, cause: Option<EventCause>) -> NewEvent {
    let detail = EventDetail { cause, ..EventDetail::default() };
    let id = app.id_at::<EventId>(app.now());
    EmailEvent { id, kind, at: app.now(), recipient: recipient.map(str::to_owned), detail }.into()
}

fn by_hand(app: &TestApp, address: &str) -> Suppression {
    Suppression {
        id: app.id_at(app.now()),
        address: address.to_owned(),
        reason: SuppressionReason::Manual,
        email_id: None,
        note: "Asked by phone".to_owned(),
        created_at: app.now(),
    }
}

async fn listed(app: &TestApp) -> Vec<(String, SuppressionReason, Option<EmailId>)> {
    let all = app
        .store()
        .list_suppressions(app.team, &SuppressionFilter::default(), Cursor::Newest, 100)
        .await
        .unwrap()
        .items;
    all.into_iter().rev().map(|one| (one.address, one.reason, one.email_id)).collect()
}

on_both_databases! {
    async fn what_events_say_of_an_address_is_kept_once_with_the_message_that_caused_it(app: TestApp) {
        use EventKind::{Bounced, Delivered, ReportedAsSpam, Unsubscribed};
        let store = app.store();
        let (one, two) = (email_to(&app, &["Ada@Example.com"]), email_to(&app, &["bob@example.com", "eve@example.com"]));
        for email in [&one, &two] {
            store.insert_email(app.team, email).await.unwrap();
        }
        let record = async |email: &NewEmail, new: NewEvent| {
            store.record_events(app.team, email.id, &[new], &EmailFacts::default()).await.unwrap();
        };
        let (hard, soft) = (Some(EventCause::Hard), Some(EventCause::Soft));
        record(&one, event(&app, Delivered, None, None)).await;
        record(&one, event(&app, Bounced, None, soft)).await;
        assert_eq!(listed(&app).await, []);
        // The only recipient is meant where the event names none; of several, nobody is.
        record(&one, event(&app, Bounced, None, hard)).await;
        record(&two, event(&app, Bounced, None, hard)).await;
        record(&two, event(&app, ReportedAsSpam, Some("bob@example.com"), None)).await;
        record(&two, event(&app, Unsubscribed, Some("EVE@example.com"), None)).await;
        let expected = [
            ("Ada@Example.com".to_owned(), SuppressionReason::Bounced, Some(one.id)),
            ("bob@example.com".to_owned(), SuppressionReason::Complained, Some(two.id)),
            ("EVE@example.com".to_owned(), SuppressionReason::Unsubscribed, Some(two.id)),
        ];
        assert_eq!(listed(&app).await, expected);
        // What is there already stays as it is.
        record(&one, event(&app, ReportedAsSpam, None, None)).await;
        assert_eq!(listed(&app).await, expected);
        // A lifted one is not put there again by what was known before.
        let all = store.list_suppressions(app.team, &SuppressionFilter::default(), Cursor::Newest, 100).await.unwrap().items;
        let ada = all.iter().find(|one| one.reason == SuppressionReason::Bounced).unwrap().id;
        assert_eq!(store.delete_suppression(app.team, ada, &app.event()).await, Ok(true));
        record(&one, event(&app, Delivered, None, None)).await;
        assert_eq!(listed(&app).await.len(), 2);
        record(&one, event(&app, Bounced, None, hard)).await;
        assert_eq!(listed(&app).await.len(), 3);
    }

    async fn an_address_is_found_however_it_is_written_and_by_its_team_alone(app: TestApp) {
        let store = app.store();
        let added = [by_hand(&app, "Zoe@Bücher.example"), by_hand(&app, "\"a..b\"@example.com")];
        assert_eq!(store.insert_suppressions(app.team, &added, &app.event()).await, Ok(2));
        assert_eq!(store.insert_suppressions(app.team, &added, &app.event()).await, Ok(0));
        let asked = ["zoe@xn--bcher-kva.example", "a..b@EXAMPLE.com", "other@example.com"].map(str::to_owned);
        let mut found: Vec<String> =
            store.find_suppressed(app.team, &asked).await.unwrap().into_iter().map(|(address, ..)| address).collect();
        found.sort();
        assert_eq!(found, ["a..b@EXAMPLE.com", "zoe@xn--bcher-kva.example"]);
        assert_eq!(store.find_suppressed(app.other_team, &asked).await, Ok(Vec::new()));
        let whole = store.find_suppressions_of(app.team, &asked).await.unwrap();
        assert_eq!(whole.len(), 2);
        assert!(whole.iter().all(|one| added.contains(one)), "{whole:?}");
        assert_eq!(store.find_suppressions_of(app.other_team, &asked).await, Ok(Vec::new()));
        let many: Vec<String> = (0..1_200).map(|number| format!("a{number}@example.com")).chain(asked).collect();
        assert_eq!(store.find_suppressed(app.team, &many).await.unwrap().len(), 2);
        assert_eq!(store.find_suppressions_of(app.team, &many).await.unwrap().len(), 2);
        assert_eq!(store.find_suppression(app.other_team, added[0].id).await, Ok(None));
        assert_eq!(store.delete_suppression(app.other_team, added[0].id, &app.event()).await, Ok(false));
        assert_eq!(store.delete_suppression(app.team, SuppressionId(7), &app.event()).await, Ok(false));
    }

    async fn the_list_is_walked_searched_and_counted(app: TestApp) {
        let store = app.store();
        let all: Vec<Suppression> = (0..5).map(|number| by_hand(&app, &format!("a_{number}@example.com"))).collect();
        store.insert_suppressions(app.team, &all, &app.event()).await.unwrap();
        let list = async |filter: &SuppressionFilter, cursor, limit| {
            let page = store.list_suppressions(app.team, filter, cursor, limit).await.unwrap();
            (page.items.into_iter().map(|one| one.id).collect::<Vec<_>>(), page.has_more)
        };
        let none = SuppressionFilter::default();
        let newest = Cursor::Newest;
        assert_eq!(list(&none, newest, 2).await, (vec![all[4].id, all[3].id], true));
        assert_eq!(list(&none, Cursor::After(all[3].id), 9).await, (vec![all[2].id, all[1].id, all[0].id], false));
        assert_eq!(list(&none, Cursor::Before(all[1].id), 2).await, (vec![all[3].id, all[2].id], true));
        assert_eq!(list(&none, Cursor::Before(all[3].id), 2).await, (vec![all[4].id], false));
        let search = |text: &str| SuppressionFilter { search: Some(text.to_owned()), ..SuppressionFilter::default() };
        assert_eq!(list(&search("_3@EX"), newest, 9).await.0, [all[3].id]);
        assert_eq!(list(&search("%"), newest, 9).await.0, []);
        let of = |reasons: &[SuppressionReason]| SuppressionFilter { reasons: reasons.to_vec(), ..none.clone() };
        let reason = of(&[SuppressionReason::Bounced]);
        assert_eq!(list(&reason, newest, 9).await.0, []);
        assert_eq!(list(&of(&[SuppressionReason::Bounced, SuppressionReason::Manual]), newest, 9).await.0.len(), 5);
        for (filter, count) in [(none.clone(), 5), (search("example"), 5), (search("a_1"), 1), (reason, 0)] {
            assert_eq!(store.count_suppressions(app.team, &filter).await, Ok(count));
            assert_eq!(store.count_suppressions(app.other_team, &filter).await, Ok(0));
        }
        assert_eq!(store.find_suppression(app.team, all[2].id).await, Ok(Some(all[2].clone())));
    }
}

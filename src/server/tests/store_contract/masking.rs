//! What hides contents: true subjects, marked variables, lists that are read without an offset, searches that keep
//! addresses.

use super::*;
use crate::domain::email::EmailStatus;
use crate::domain::filter::{Criteria, EmailFilter, StatusSet};
use crate::domain::ids::EmailId;
use crate::server::store::emails::NewEmail;
use crate::server::store::templates::TemplateChange;

on_both_databases! {
    async fn the_log_shows_one_subject_and_another_is_sent(app: TestApp) {
        let template = app.add_template("Code").await;
        let new = NewEmail {
            subject: "Your code ••••••".to_owned(),
            sent_subject: Some("Your code 123456".to_owned()),
            template: Some((template.id, template.current.id)),
            ..super::outbox::new_email(&app, app.now())
        };
        app.store().insert_email(app.team, &new).await.unwrap();
        let email = app.store().find_email(app.team, new.id).await.unwrap().unwrap();
        assert_eq!(email.subject, "Your code ••••••");
        let stored = app.store().find_stored_content(app.team, new.id).await.unwrap().unwrap();
        assert_eq!(stored.sent_subject.as_deref(), Some("Your code 123456"));
        assert_eq!(stored.version, Some((template.current.id, template.current.source.clone())));
        assert_eq!(Some(stored.content), app.store().find_email_content(app.team, new.id).await.unwrap());
        assert_eq!(app.store().find_stored_content(app.other_team, new.id).await, Ok(None));
        let outgoing = app.store().find_outgoing(app.team, new.id).await.unwrap().unwrap();
        assert_eq!(outgoing.subject, "Your code 123456");
        let found = async |search: &str| {
            let filter = EmailFilter { search: Some(search.to_owned()), ..EmailFilter::default() };
            app.store().list_older_emails(app.team, &filter, None, 10).await.unwrap().len()
        };
        assert_eq!((found("your code").await, found("123456").await), (1, 0));
    }

    async fn variables_and_ids_are_listed_of_the_team_alone(app: TestApp) {
        let store = app.store();
        let new = NewEmail { variables: serde_json::json!({"code": "123456"}), ..super::outbox::new_email(&app, app.now()) };
        store.insert_email(app.team, &new).await.unwrap();
        let known = format!("UPDATE emails SET provider_message_id = '<known@mx>' WHERE id = {}", new.id.0);
        store.try_statement(&known).await.unwrap();
        let listed = store.list_variables(app.team, &[new.id, EmailId(7)]).await;
        assert_eq!(listed, Ok(vec![(new.id, serde_json::json!({"code": "123456"}))]));
        assert_eq!(store.list_variables(app.other_team, &[new.id]).await, Ok(Vec::new()));
        assert_eq!(store.list_variables(app.team, &[]).await, Ok(Vec::new()));
        assert_eq!(store.list_ids_by_provider(app.team, &["known@mx", "other"]).await, Ok(vec![new.id]));
        assert_eq!(store.list_ids_by_provider(app.team, &["<known@mx>"]).await, Ok(vec![new.id]));
        assert_eq!(store.list_ids_by_provider(app.other_team, &["known@mx"]).await, Ok(Vec::new()));
        assert_eq!(store.list_ids_by_provider(app.team, &[]).await, Ok(Vec::new()));
    }

    async fn a_message_knows_what_its_template_marks_also_when_that_is_deleted(app: TestApp) {
        let template = app.add_template("Code").await;
        let made = NewEmail {
            template: Some((template.id, template.current.id)),
            ..super::outbox::new_email(&app, app.now())
        };
        let worded = NewEmail { worded_by: Some(template.current.id), ..super::outbox::new_email(&app, app.now()) };
        let other = super::outbox::new_email(&app, app.now());
        for new in [&made, &worded, &other] {
            app.store().insert_email(app.team, new).await.unwrap();
        }
        let names = ["code".to_owned(), "link".to_owned()];
        let change = TemplateChange { masked_variables: Some(&names), ..TemplateChange::default() };
        app.store().update_template(app.team, template.id, &change, app.now(), &app.event()).await.unwrap();
        app.store().delete_template(app.team, template.id, app.now(), &app.event()).await.unwrap();
        let marked = async |id| app.store().find_email(app.team, id).await.unwrap().unwrap().marked_variables;
        assert_eq!(marked(made.id).await, names);
        assert_eq!(marked(worded.id).await, names);
        assert!(marked(other.id).await.is_empty());
        let email = app.store().find_email(app.team, worded.id).await.unwrap().unwrap();
        assert_eq!((email.template_version_id, email.template_version, email.template_deleted), (None, None, false));
        assert_eq!(app.store().list_marked_variables(app.team).await.unwrap(), names);
        assert!(app.store().list_marked_variables(app.other_team).await.unwrap().is_empty());
    }

    async fn a_list_is_read_on_from_its_last_message(app: TestApp) {
        let messages: Vec<Message> = (0..7)
            .map(|index| Message {
                at: at("2024-01-20T10:00:00Z") + chrono::TimeDelta::minutes(index),
                ..Message::with_status(if index % 2 == 0 { EmailStatus::Bounced } else { EmailStatus::Delivered })
            })
            .collect();
        let mut ids = app.add_messages(&messages).await;
        app.add_messages_of(app.other_team, &[Message::default()]).await;
        ids.reverse();
        let walk = async |filter: &EmailFilter| {
            let (mut found, mut before) = (Vec::<EmailId>::new(), None);
            loop {
                let page = app.store().list_older_emails(app.team, filter, before, 2).await.unwrap();
                let Some(last) = page.last() else { return found };
                before = Some(last.id);
                found.extend(page.iter().map(|email| email.id));
            }
        };
        assert_eq!(walk(&EmailFilter::default()).await, ids);
        let bounced = EmailFilter { statuses: StatusSet::one(EmailStatus::Bounced), ..EmailFilter::default() };
        let expected: Vec<EmailId> = ids.iter().copied().step_by(2).collect();
        assert_eq!(walk(&bounced).await, expected);
        for search in ["welcome", "we", "user@example.com"] {
            let searched = EmailFilter { search: Some(search.to_owned()), ..bounced.clone() };
            assert_eq!(walk(&searched).await, expected, "{search}");
        }
    }

    async fn a_search_that_keeps_addresses_finds_them_whole_or_not_at_all(app: TestApp) {
        let message = Message {
            to: vec!["Ada.L@Example.com".to_owned(), "bo@b.example".to_owned()],
            subject: "Your receipt 50% ok".to_owned(),
            ..Message::default()
        };
        app.add_message(message).await;
        let count = async |search: &str, keeps_addresses| {
            let criteria = Criteria { keeps_addresses, ..Criteria::default() };
            let filter = EmailFilter { search: Some(search.to_owned()), criteria, ..EmailFilter::default() };
            let request = crate::domain::page::PageRequest { page: 1, page_size: 10 };
            let page = app.store().list_emails(app.team, &filter, request).await.unwrap();
            assert_eq!(page.items.len() as i64, page.total.count());
            let older = app.store().list_older_emails(app.team, &filter, None, 10).await.unwrap();
            assert_eq!(older.len(), page.items.len());
            page.items.len()
        };
        for part in ["ada", "example.com", "ada.l@example.co", "da.l@example.com", "ad", "@", "@b", "o@", "ada.l@example.com\nbo"] {
            assert_eq!(count(part, true).await, 0, "{part}");
        }
        for (part, found) in [("ada", 1), ("ad", 1), ("@b", 1), ("a_a.l", 0)] {
            assert_eq!(count(part, false).await, found, "{part}");
        }
        for whole in ["ada.l@example.com", "ADA.L@EXAMPLE.COM", "bo@b.example", "receipt", "50%", "ok", "YOUR"] {
            assert_eq!(count(whole, true).await, 1, "{whole}");
        }
    }
}

//! The bodies of messages, which are kept compressed.

use super::*;
use crate::domain::ids::TemplateVersionId;
use crate::server::store::emails::NewEmail;

on_both_databases! {
    async fn bodies_are_read_as_they_were_accepted(app: TestApp) {
        let made_from = app.add_template("Receipt").await;
        let template = Some((made_from.id, made_from.current.id));
        let gone = Some((made_from.id, TemplateVersionId(7)));
        let new = |html: Option<&str>, text: Option<&str>| {
            let email = Message::default().historic(&app).email;
            NewEmail { html: html.map(str::to_owned), text: text.map(str::to_owned), ..email }
        };
        let long = "<p>Größe</p>".repeat(50_000);
        let emails = [
            NewEmail { template, ..new(Some("<p>Hello, Maya</p>"), Some("Hello, Maya")) },
            NewEmail { template, ..new(None, Some("")) },
            NewEmail { worded_by: Some(made_from.current.id), ..new(None, Some("Hello, Maya")) },
            NewEmail { template: gone, ..new(Some("<p>Hello, Maya</p>"), None) },
            new(Some(&long), Some("Größe")),
            new(None, None),
        ];
        for email in &emails {
            app.store().insert_email(app.team, email).await.unwrap();
        }
        for email in &emails {
            let stored = app.store().find_stored_content(app.team, email.id).await.unwrap().unwrap();
            assert_eq!((&stored.content.html, &stored.content.text), (&email.html, &email.text));
            let outgoing = app.store().find_outgoing(app.team, email.id).await.unwrap().unwrap();
            assert_eq!((&outgoing.html, &outgoing.text), (&email.html, &email.text));
        }
        let rows = app.store().every_row().await;
        let bytes: usize = rows["email_contents"].iter().map(String::len).sum();
        assert!(bytes < long.len() / 10, "{bytes}");
        assert_eq!(app.store().pack_some_bodies().await, Ok(false));
        assert_eq!(app.store().every_row().await, rows);
    }
}

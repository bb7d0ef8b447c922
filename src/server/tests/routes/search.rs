//! The search of the messages, through the page, the API and the export alike.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::*;
use crate::domain::email::EmailStatus;
use crate::domain::ids::{EmailId, NotificationId};
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::team::Role;
use crate::server::services::api_keys;
use crate::server::store::bulk::HistoricEmail;
use crate::server::store::emails::Attachment;

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// The messages that a search finds by the API, newest first; the refusal's text where it is refused.
async fn found(client: &Client, search: &str) -> Result<Vec<EmailId>, String> {
    let answer = client.get(&format!("/api/logs?pageSize=100&q={}", encoded(search))).await;
    if answer.status == 400 {
        return Err(answer.text);
    }
    let data = answer.data();
    let items = data["items"].as_array().unwrap();
    Ok(items.iter().map(|item| item["id"].as_str().unwrap().parse().unwrap()).collect())
}

/// Five messages, each of another kind, the oldest first.
struct Log {
    ids: Vec<EmailId>,
    emails: Vec<HistoricEmail>,
}

async fn log(app: &TestApp) -> Log {
    let template = app.add_template("Order receipt").await;
    let other = app.add_template("Reset").await;
    let key = api_keys::create_key_of(&app.app, app.team, None, "Production", PermissionSet::all()).await.unwrap();
    let adapter = app.add_adapter("SES Frankfurt").await;
    let at = |minute: u32| at(&format!("2024-01-20T10:{minute:02}:00Z"));
    let mut emails: Vec<HistoricEmail> =
        [EmailStatus::Delivered, EmailStatus::Bounced, EmailStatus::Queued, EmailStatus::Failed, EmailStatus::Sent]
            .into_iter()
            .zip(0..)
            .map(|(status, minute)| Message { at: at(minute), ..Message::with_status(status) }.historic(app))
            .collect();
    let email = |index: usize| emails[index].email.id;
    let ids: Vec<EmailId> = (0..5).map(email).collect();

    let receipt = &mut emails[0];
    receipt.facts.provider_message_id = Some("<4bX@mail.example>".to_owned());
    receipt.email.recipients[0].address = "Ada@gmail.com".to_owned();
    receipt.email.recipients[0].name = Some("Ada Ibáñez".to_owned());
    receipt.email.from_address = "Finch <receipts@finch.example>".to_owned();
    receipt.email.subject = "Your receipt 43645".to_owned();
    receipt.email.tags = vec!["receipt".to_owned(), "eu".to_owned()];
    receipt.email.metadata = json!({"order": 43645, "shop-id": "Nord"});
    receipt.email.external_user_id = Some("user-17".to_owned());
    receipt.email.template = Some((template.id, template.current.id));
    receipt.email.api_key_id = Some(key.key.id);
    receipt.email.adapter_id = Some(adapter.id);
    receipt.email.attachments = vec![Attachment {
        filename: "a.pdf".to_owned(),
        content_type: "application/pdf".to_owned(),
        content: b"hello".to_vec(),
        content_id: None,
    }];

    let bounced = &mut emails[1];
    bounced.email.recipients[0].address = "bob@firm.example".to_owned();
    bounced.email.template = Some((other.id, other.current.id));
    for event in &mut bounced.email.events {
        event.event.detail.reply = Some("550 5.7.1 Blocked".to_owned());
        event.event.detail.server = Some("MX1.mail.protection.outlook.com".to_owned());
    }
    emails[2].email.scheduled_at = Some(app.now());
    emails[2].email.recipients[0].address = "eve@hotmail.com".to_owned();
    emails[3].email.resend_of = Some(ids[1]);
    emails[3].email.recipients[0].address = "bob@firm.example".to_owned();
    for event in &mut emails[3].email.events {
        event.event.detail.reply = Some("(554-5.7.17) Refused by rule 5501".to_owned());
    }
    app.store().insert_history(app.team, &emails).await.unwrap();
    // Nothing of it is ever found.
    let mut foreign = Message::default().historic(app);
    foreign.email.tags = vec!["receipt".to_owned()];
    foreign.facts.provider_message_id = Some("<foreign@mail.example>".to_owned());
    app.store().insert_history(app.other_team, &[foreign]).await.unwrap();
    Log { ids, emails }
}

on_both_databases! {
    async fn every_qualifier_finds_its_messages_and_no_others(app: TestApp) {
        let log = log(&app).await;
        let client = app.sign_in(Role::Owner).await;
        let all = [4, 3, 2, 1, 0];
        let (own, job) = (log.ids[0].to_string(), log.emails[0].email.job_id.to_string());
        let uuid = log.ids[0].to_uuid();
        for (search, wanted) in [
            ("", &all[..]),
            ("from:RECEIPTS", &[0]),
            ("from:finch from:wren", &[0]),
            ("to:ada@GMAIL.com", &[0]),
            ("to:ibáñez", &[0]),
            ("to:@firm.example", &[3, 1]),
            ("to:bob@firm.example,Ada@gmail.com", &[3, 1, 0]),
            ("-to:bob@firm.example", &[4, 2, 0]),
            ("subject:receipt", &[0]),
            ("-subject:receipt", &[4, 3, 2, 1]),
            ("subject:\"receipt 43\",\"Our Service\"", &all),
            ("status:problems", &[3, 1]),
            ("-status:problems,sent", &[2, 0]),
            ("status:bounced -status:bounced", &[]),
            ("template:\"order RECEIPT\"", &[0]),
            ("template:Reset,\"Order receipt\"", &[1, 0]),
            ("-template:\"Order receipt\"", &[4, 3, 2, 1]),
            ("channel:email", &all),
            ("channel:sms,call", &[]),
            ("-channel:sms", &all),
            ("tag:RECEIPT", &[0]),
            ("tag:nord,eu", &[0]),
            ("-tag:eu", &[4, 3, 2, 1]),
            ("tag:recei", &[]),
            ("tag: receipt", &[0]),
            ("-status: problems,sent", &[2, 0]),
            ("meta.order: 43645", &[0]),
            ("key:production", &[0]),
            ("-key:production", &[4, 3, 2, 1]),
            ("adapter:\"ses frankfurt\"", &[0]),
            ("-adapter:\"ses frankfurt\"", &[4, 3, 2, 1]),
            ("reply:5.7.1", &[1]),
            ("reply:5.7.17", &[3]),
            ("-reply:5.7.1", &[4, 3, 2, 0]),
            ("reply:5.7", &[3, 1]),
            ("reply:550", &[1]),
            ("reply:550,554", &[3, 1]),
            ("-reply:blocked", &[4, 3, 2, 0]),
            ("server:mx1.mail.protection.outlook.com", &[1]),
            ("-server:mx1.mail.protection.outlook.com", &[4, 3, 2, 0]),
            ("provider:gmail", &[0]),
            ("provider:\"microsoft 365\"", &[1]),
            ("provider:firm.example", &[3, 1]),
            ("provider:gmail,outlook", &[2, 0]),
            ("-provider:gmail", &[4, 3, 2, 1]),
            ("meta.order:43645", &[0]),
            ("meta.shop-id:NORD", &[0]),
            ("-meta.shop-id:nord", &[4, 3, 2, 1]),
            ("meta.order:4364", &[]),
            ("person:user-17", &[0]),
            ("person:user-17,user-18", &[0]),
            ("-person:user-17", &[4, 3, 2, 1]),
            ("is:resent", &[1]),
            ("is:scheduled", &[2]),
            ("-is:resent,scheduled", &[4, 3, 0]),
            ("has:attachment", &[0]),
            ("-has:attachment", &[4, 3, 2, 1]),
            ("after:2024-01-20T10:03", &[4, 3]),
            ("before:2024-01-20T10:01", &[0]),
            ("after:2024-01-20T10:01 before:2024-01-20T10:03", &[2, 1]),
            ("after:2024-01-21", &[]),
            ("id:4bX@mail.example", &[0]),
            ("-id:4bX@mail.example", &[4, 3, 2, 1]),
            ("id:foreign@mail.example", &[]),
            ("-id:foreign@mail.example", &all),
            (&format!("id:{job}"), &[0]),
            (&format!("id:{own},{}", log.ids[2]), &[2, 0]),
            (&own, &[0]),
            (&uuid, &[0]),
            ("<4bX@mail.example>", &[0]),
            ("status:problems to:bob@firm.example reply:blocked", &[1]),
            ("Service status:sent", &[4]),
        ] {
            let wanted: Vec<EmailId> = wanted.iter().map(|index: &usize| log.ids[*index]).collect();
            assert_eq!(found(&client, search).await, Ok(wanted), "{search}");
        }
    }

    async fn what_is_wrong_with_a_search_is_said_with_what_would_be_right(app: TestApp) {
        log(&app).await;
        let client = app.sign_in(Role::Owner).await;
        for (search, right) in [
            ("foo:bar", "meta.NAME:"),
            ("status:lost", "problems"),
            ("template:Recei", "whole name, or its id. There is “Order receipt”"),
            ("key:Prod", "whole name, or its id. There is “Production”"),
            ("key:Nobody", "whole name, or its id"),
            ("adapter:SES", "whole name, or its id. There is “SES Frankfurt”"),
            ("after:soon", "2026-11-20"),
            ("after:11/12/2023", "write “11 Dec 2023” or “12 Nov 2023”"),
            ("before:31.2.", "2026-11-20"),
            ("provider:nobody", "Gmail"),
        ] {
            assert!(found(&client, search).await.unwrap_err().contains(right), "{search}");
            let page = client.with("accept", "text/html").get(&format!("/logs?preset=30d&q={}", encoded(search))).await;
            assert_eq!(page.status, 400, "{search}");
            // What was typed is still in the field, and what else was chosen beside it.
            assert!(page.text.contains(&format!("value=\"{search}\"")) && page.text.contains(right), "{search}: {}", page.text);
            assert!(page.text.contains("name=\"preset\" value=\"30d\""), "{}", page.text);
            let export = client.get(&format!("/logs/export?q={}", encoded(search))).await;
            assert_eq!(export.status, 400, "{search}");
        }
    }

    async fn days_of_a_search_are_written_as_in_a_period(app: TestApp) {
        let log = log(&app).await;
        let client = app.sign_in(Role::Owner).await;
        for (search, wanted) in [
            ("after:20.1.2024", vec![4, 3, 2, 1, 0]),
            ("after:yesterday", vec![4, 3, 2, 1, 0]),
            ("before:20/1", vec![]),
            ("after:\"20 Jan 10:03\"", vec![4, 3]),
            ("after:\"20.1. 10.03\" before:\"Jan 20, 2024 10:04\"", vec![3]),
        ] {
            let wanted: Vec<EmailId> = wanted.into_iter().map(|index: usize| log.ids[index]).collect();
            assert_eq!(found(&client, search).await, Ok(wanted), "{search}");
        }
    }

    async fn page_api_and_export_find_the_same(app: TestApp) {
        let log = log(&app).await;
        let client = app.sign_in(Role::Owner).await.with("accept", "text/html");
        for (search, wanted) in [("status:problems -is:resent", vec![3]), ("tag:receipt", vec![0]), ("to:bob@firm.example", vec![3, 1])] {
            let wanted: Vec<EmailId> = wanted.into_iter().map(|index| log.ids[index]).collect();
            assert_eq!(found(&client, search).await, Ok(wanted.clone()));
            let export = client.get(&format!("/logs/export?format=ndjson&q={}", encoded(search))).await.text;
            let lines: Vec<serde_json::Value> = export.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(lines.iter().map(|line| line["id"].clone()).collect::<Vec<_>>(), wanted.iter().map(|id| json!(id)).collect::<Vec<_>>());
            let page = client.get(&format!("/logs?q={}", encoded(search))).await;
            assert_eq!(page.status, 200);
            for id in &log.ids {
                let is_listed = page.text.contains(&format!("href=\"/logs/{id}\""));
                assert_eq!(is_listed, wanted.contains(id), "{search} {id}");
            }
        }
    }

    async fn what_campaigns_add_to_a_link_is_ignored(app: TestApp) {
        app.add_message(Message::default()).await;
        let client = app.sign_in(Role::Viewer).await.with("accept", "text/html");
        assert_eq!(client.get("/logs?utm_source=mail&fbclid=x&q=welcome").await.status, 200);
        assert_eq!(client.get("/logs?status=lost&utm_source=mail").await.status, 400);
    }

    async fn an_id_alone_leads_to_its_message(app: TestApp) {
        let log = log(&app).await;
        let client = app.sign_in(Role::Viewer).await.with("accept", "text/html");
        let (id, job) = (log.ids[0], log.emails[0].email.job_id);
        let page = format!("/logs/{id}");
        for name in [id.to_string(), id.with_prefix("log_"), id.to_uuid(), job.to_string(), "4bX@mail.example".to_owned(), "<4bX@mail.example>".to_owned(), format!(" <{id}@finch.example> ")] {
            for address in [format!("/logs?q={}", encoded(&name)), format!("/logs?preset=today&search={}", encoded(&name))] {
                let answer = client.get(&address).await;
                assert_eq!((answer.status, answer.headers.get("location").map(|to| to.to_str().unwrap())), (302, Some(page.as_str())), "{name}");
                let ahead = client.with("sec-purpose", "prefetch").get(&address).await;
                assert_eq!((ahead.status, ahead.headers.get("location")), (200, None), "{name}");
                // Another team hears nothing of it.
                let elsewhere = app.sign_in_elsewhere().await.with("accept", "text/html").get(&address).await;
                assert_eq!((elsewhere.status, elsewhere.headers.get("location")), (200, None), "{name}");
            }
        }
        for not_alone in [format!("{id} receipt"), format!("id:{id}"), "\"a b\"".to_owned(), "foreign@mail.example".to_owned()] {
            assert_eq!(client.get(&format!("/logs?q={}", encoded(&not_alone))).await.status, 200, "{not_alone}");
        }
        assert_eq!(app.client().with("accept", "text/html").get(&format!("/logs?q={id}")).await.status, 303);
    }

    async fn a_request_and_a_notification_lead_to_their_only_message(app: TestApp) {
        app.add_adapter("Mail").await;
        let template = app.add_template("Hello").await;
        let program = app.program(&[Permission::EmailsSend]).await;
        let sent = program.post("/api/v1/send", json!({"to": "ada@example.com", "templateId": template.id, "variables": {"name": "Ada"}})).await;
        let message = app.store().list_emails(app.team, &Default::default(), crate::domain::page::PageRequest { page: 1, page_size: 1 }).await.unwrap();
        assert_eq!(message.items.len(), 1, "{}", sent.text);
        let email = app.store().find_email(app.team, message.items[0].id).await.unwrap().unwrap();
        let client = app.sign_in(Role::Viewer).await.with("accept", "text/html");
        let request = email.api_request_id.unwrap();
        let answer = client.get(&format!("/logs?q={request}")).await;
        assert_eq!(answer.headers["location"], format!("/logs/{}", email.id));
        let notification: NotificationId = app.add_notification().await;
        let mut parts = [Message::default().historic(&app), Message::default().historic(&app)];
        parts[0].email.notification_id = Some(notification);
        app.store().insert_history(app.team, &parts).await.unwrap();
        let answer = client.get(&format!("/logs?q={notification}")).await;
        assert_eq!(answer.headers["location"], format!("/logs/{}", parts[0].email.id));
    }

    async fn several_messages_of_one_id_are_listed(app: TestApp) {
        let notification = app.add_notification().await;
        let mut parts = [Message::default().historic(&app), Message::default().historic(&app), Message::default().historic(&app)];
        parts[0].email.notification_id = Some(notification);
        parts[1].email.notification_id = Some(notification);
        app.store().insert_history(app.team, &parts).await.unwrap();
        let client = app.sign_in(Role::Viewer).await.with("accept", "text/html");
        let answer = client.get(&format!("/logs?q={notification}")).await;
        assert_eq!(answer.status, 200);
        let mut both = vec![parts[1].email.id, parts[0].email.id];
        both.sort_by(|a, b| b.cmp(a));
        assert_eq!(found(&client, &notification.to_string()).await, Ok(both));
    }

    async fn nothing_in_the_period_offers_all_time_with_how_many(app: TestApp) {
        app.add_messages(&vec![Message { at: at("2023-01-20T10:30:00Z"), subject: "Old news".to_owned(), ..Message::default() }; 3]).await;
        let client = app.sign_in(Role::Viewer).await.with("accept", "text/html");
        for (address, offered) in [
            ("/logs?q=news", Some("/logs?preset=all&amp;q=news")),
            ("/logs?q=status:delivered%20news", Some("/logs?preset=all&amp;status=delivered&amp;q=news")),
            ("/logs", Some("/logs?preset=all")),
            ("/logs?q=nowhere", None),
            ("/logs?preset=custom&q=news", None),
        ] {
            let page = client.get(address).await.text;
            let link = offered.is_some_and(|url| page.contains(&format!("href=\"{url}\"")));
            let words = page.contains("Look at all time: 3");
            assert_eq!((link, words), (offered.is_some(), offered.is_some()), "{address}: {page}");
        }
    }

    async fn every_filter_is_a_link_that_takes_it_away(app: TestApp) {
        app.add_message(Message::default()).await;
        let client = app.sign_in(Role::Viewer).await.with("accept", "text/html");
        let page = client.get("/logs?status=delivered&q=welcome%20tag:a%20-is:resent").await.text;
        for without in [
            "/logs?q=welcome%20tag:a%20-is:resent",
            "/logs?status=delivered&amp;q=welcome%20-is:resent",
            "/logs?status=delivered&amp;q=welcome%20tag:a",
        ] {
            assert!(page.contains(&format!("href=\"{without}\"")), "{without}");
        }
        // The form keeps them, and the field has the words.
        assert!(page.contains("name=\"status\" value=\"delivered\"") && page.contains("name=\"q\" value=\"tag:a -is:resent\""));
        assert!(page.contains("value=\"welcome\""));
        let again = client.get("/logs?status=delivered&q=tag:a+-is:resent&q=welcome").await.text;
        assert!(again.contains("value=\"welcome\"") && again.contains("name=\"q\" value=\"tag:a -is:resent\""));
    }
}

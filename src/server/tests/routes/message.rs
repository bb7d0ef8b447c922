//! `/logs/:id` for a message with many recipients, for those who may not do something, and where there is none.

use serde_json::json;

use super::*;
use crate::domain::channel::Channel;
use crate::domain::email::EmailStatus;
use crate::domain::event::{EmailEvent, EventDetail, EventKind};
use crate::domain::ids::EmailId;
use crate::domain::permission::Permission;
use crate::domain::team::{Role, TeamRules};
use crate::server::store::events::NewEvent;
use crate::server::store::outbox::Waiting;

on_both_databases! {
    async fn many_recipients_are_a_table_with_the_problems_first(app: TestApp) {
        let to: Vec<String> = (10..60).map(|number| format!("r{number}@shop.example")).collect();
        let id = app.add_message(Message { to: to.clone(), ..Message::with_status(EmailStatus::Sent) }).await;
        let program = app.program(&[Permission::EventsWrite]).await;
        let events: Vec<_> = to.iter().enumerate().map(|(place, address)| {
            let (kind, reply) = if place == 44 { ("bounced", "550 5.1.1 No such user") } else { ("delivered", "250 Ok") };
            json!({"id": format!("e{place}"), "kind": kind, "emailId": id, "recipient": address, "reply": reply,
                "at": format!("2024-01-20T10:31:{place:02}Z")})
        }).collect();
        program.post("/api/v1/events", json!(events)).await.data();
        let owner = app.sign_in(Role::Owner).await.with("accept", "text/html");
        let page = owner.get(&format!("/logs/{id}")).await.text;
        let table = page.split("id=\"recipients\"").nth(1).unwrap().split("</section>").next().unwrap();
        for part in ["50, 1 with a problem", "40 more recipients", "550 5.1.1 No such user"] {
            assert!(table.contains(part), "no {part}: {table}");
        }
        let first = table.split("<tbody").nth(1).unwrap().split("</tr>").next().unwrap();
        assert!(first.contains("r54@shop.example") && first.contains("data-status=\"bounced\""), "{first}");
        // The timeline says once what is the same of many.
        assert!(page.contains("to 49 recipients"), "{page}");
        let found = owner.get(&format!("/logs/{id}?recipient=R2")).await.text;
        let table = found.split("id=\"recipients\"").nth(1).unwrap().split("</section>").next().unwrap();
        assert!(table.contains("10 of 50") && table.contains("r20@shop") && !table.contains("r54@shop"), "{table}");
        let few = app.add_message(Message { to: to[..2].to_vec(), ..Message::default() }).await;
        assert!(!owner.get(&format!("/logs/{few}")).await.text.contains("id=\"recipients\""));
    }

    async fn a_person_with_a_user_id_is_one_customer_on_every_channel(app: TestApp) {
        let made = |minute: u32, channel, user: Option<&str>, to: &str| {
            let at = at(&format!("2024-01-20T10:{minute}:00Z"));
            let subject = format!("Note {minute}");
            let mut made = Message { at, to: vec![to.to_owned()], subject, ..Message::default() }.historic(&app);
            made.email.channel = channel;
            made.email.external_user_id = user.map(str::to_owned);
            made
        };
        let log = [
            made(10, Channel::Email, Some("user-7"), "ada@shop.example"),
            made(11, Channel::Sms, Some("user-7"), "+4915112345678"),
            made(12, Channel::Push, Some("user-7"), "user-7"),
            made(13, Channel::Email, None, "ada@shop.example"),
            made(14, Channel::Email, Some("user-8"), "eve@shop.example"),
        ];
        app.store().insert_history(app.team, &log).await.unwrap();
        let elsewhere = [made(15, Channel::Sms, Some("user-7"), "+4915112345678")];
        app.store().insert_history(app.other_team, &elsewhere).await.unwrap();
        let panel = async |client: &Client, place: usize| {
            let page = client.get(&format!("/logs/{}", log[place].email.id)).await.text;
            let panel = page.split("aria-label=\"This customer\"").nth(1).unwrap_or_else(|| panic!("{page}"));
            panel.split("</section>").next().unwrap().to_owned()
        };
        let notes = |panel: &str| -> Vec<String> {
            panel.split("title=\"Note ").skip(1).map(|rest| rest[..2].to_owned()).collect()
        };
        let owner = app.sign_in(Role::Owner).await.with("accept", "text/html");
        let by_user = panel(&owner, 0).await;
        assert_eq!(notes(&by_user), ["13", "12", "11"], "{by_user}");
        for part in [
            "4 messages in 90 days, 4 arrived",
            "data-channel=\"push\"",
            "data-channel=\"sms\"",
            "q=person:user-7",
            "All messages for this user id in 90 days",
            "All messages to this address in 90 days",
        ] {
            assert!(by_user.contains(part), "no {part}: {by_user}");
        }
        // Without a user id, the address is all that is known.
        let by_address = panel(&owner, 3).await;
        assert_eq!(notes(&by_address), ["10"], "{by_address}");
        assert!(!by_address.contains("this user id"), "{by_address}");
        // Whoever sees addresses masked sees none here either, and no id.
        let rules = TeamRules { masks_addresses: true, ..TeamRules::default() };
        app.store().update_team(app.team, "Finch", rules, &app.event()).await.unwrap();
        app.set_grant(Role::Viewer, Permission::LogsReveal, false).await;
        let viewer = app.sign_in(Role::Viewer).await.with("accept", "text/html");
        let masked = panel(&viewer, 0).await;
        assert_eq!(notes(&masked), ["13", "12", "11"], "{masked}");
        for part in ["user-7", "ada@shop.example", "4915112345678"] {
            assert!(!masked.contains(part), "{part}: {masked}");
        }
    }

    async fn a_message_names_who_runs_its_mailbox_as_the_search_knows_it(app: TestApp) {
        let sent = |minute: u32, status, to: &[&str], server: Option<&str>| {
            let at = at(&format!("2024-01-20T10:{minute}:00Z"));
            let to = to.iter().map(|address| (*address).to_owned()).collect();
            let mut made = Message { at, to, ..Message::with_status(status) }.historic(&app);
            for new in &mut made.email.events {
                new.event.detail.server = server.map(str::to_owned);
            }
            made
        };
        let mut sms = sent(15, EmailStatus::Delivered, &["ada@gmail.com"], None);
        sms.email.channel = Channel::Sms;
        let outlook = Some("firm.mail.protection.outlook.com");
        let log = [
            (sent(10, EmailStatus::Delivered, &["ada@gmail.com"], None), vec!["Gmail"]),
            (sent(11, EmailStatus::Delivered, &["bob@firm.example"], outlook), vec!["Microsoft 365"]),
            (sent(12, EmailStatus::Bounced, &["bob@firm.example"], outlook), vec!["Microsoft 365"]),
            (sent(13, EmailStatus::Sent, &["eve@HOTMAIL.com", "ada@gmail.com", "bob@gmail.com"], None), vec!["Outlook", "Gmail"]),
            (sent(14, EmailStatus::Delivered, &["eve@firm.example"], Some("smtp.gmail.com")), vec![]),
            (sms, vec![]),
        ];
        let made: Vec<_> = log.iter().map(|(made, _)| made.clone()).collect();
        app.store().insert_history(app.team, &made).await.unwrap();
        let named = async |client: &Client, id: EmailId| -> Vec<String> {
            let page = client.get(&format!("/logs/{id}")).await.text;
            let Some(fact) = page.split("Mailbox provider</span>").nth(1) else { return Vec::new() };
            let fact = fact.split("</dd>").next().unwrap();
            assert!(fact.contains("Who runs the recipient’s mailbox."), "{fact}");
            let links = fact.split("<li>").skip(1);
            links.map(|link| link.split("</a>").next().unwrap().rsplit('>').next().unwrap().to_owned()).collect()
        };
        let owner = app.sign_in(Role::Owner).await.with("accept", "text/html");
        let json = app.sign_in(Role::Owner).await;
        for (made, names) in &log {
            assert_eq!(named(&owner, made.email.id).await, *names, "{:?}", made.email.recipients);
            for name in names {
                let search = name.replace(' ', "%20");
                let found = json.get(&format!("/api/logs?q=provider:%22{search}%22")).await.text;
                assert!(found.contains(&made.email.id.to_string()), "{name}: {found}");
            }
        }
        let page = owner.get(&format!("/logs/{}", made[1].email.id)).await.text;
        assert!(page.contains("q=provider:%22Microsoft%20365%22"), "{page}");
        // Who sees addresses masked may search by the name of a provider, and is told no more than that.
        let rules = TeamRules { masks_addresses: true, ..TeamRules::default() };
        app.store().update_team(app.team, "Finch", rules, &app.event()).await.unwrap();
        app.set_grant(Role::Viewer, Permission::LogsReveal, false).await;
        let viewer = app.sign_in(Role::Viewer).await.with("accept", "text/html");
        assert_eq!(named(&viewer, made[0].email.id).await, ["Gmail"]);
        assert_eq!(named(&viewer, made[4].email.id).await, [""; 0]);
    }

    async fn what_a_role_lacks_names_whom_to_ask(app: TestApp) {
        let id = app.add_message(Message::with_status(EmailStatus::Bounced)).await;
        let arrived = app.add_message(Message::default()).await;
        app.sign_in(Role::Owner).await;
        let viewer = app.sign_in(Role::Viewer).await.with("accept", "text/html");
        let page = viewer.get(&format!("/logs/{id}")).await.text;
        let ask = "Ask <a href=\"mailto:owner@finch.example\">owner</a> (owner).";
        for part in [format!("Your role does not see contents. {ask}"), format!("Your role cannot resend messages. {ask}")] {
            assert!(page.contains(&part), "no {part}: {page}");
        }
        assert!(!viewer.get(&format!("/logs/{arrived}")).await.text.contains("cannot resend messages"));
        let owner = app.sign_in(Role::Owner).await.with("accept", "text/html");
        assert!(!owner.get(&format!("/logs/{id}")).await.text.contains("(owner)."));
    }

    async fn only_what_was_tried_waits_for_its_next_attempt(app: TestApp) {
        let owner = app.sign_in(Role::Owner).await.with("accept", "text/html");
        for (kind, words, other) in [
            (None, ">It waits to be sent<", "It waits for its next attempt"),
            (Some(EventKind::Deferred), "It waits for its next attempt", ">It waits to be sent<"),
            (Some(EventKind::FailedToSend), "It waits for its next attempt", ">It waits to be sent<"),
        ] {
            let mut waits = Message::with_status(EmailStatus::Queued).historic(&app);
            let (id, at, pending) = (waits.email.id, app.now(), vec!["user@example.com".to_owned()]);
            waits.waiting = Some(Waiting { pending, attempts: i64::from(kind.is_some()), next_attempt_at: Some(at), trace: None });
            waits.email.events.extend(kind.map(|kind| NewEvent {
                event: EmailEvent { id: app.id_at(at), kind, at, recipient: None, detail: EventDetail::default() },
                provider_event_id: None,
            }));
            app.store().insert_history(app.team, &[waits]).await.unwrap();
            let page = owner.get(&format!("/logs/{id}")).await.text;
            assert!(page.contains(words) && !page.contains(other), "{kind:?}: {page}");
        }
    }

    async fn a_message_that_is_not_there_says_why_and_offers_a_search(app: TestApp) {
        let theirs = app.add_messages_of(app.other_team, &[Message::default()]).await[0];
        let owner = app.sign_in(Role::Owner).await.with("accept", "text/html");
        for address in [format!("/logs/{theirs}"), "/logs/eml_0000000000000".to_owned(), "/nowhere".to_owned()] {
            let answer = owner.get(&address).await;
            assert_eq!(answer.status, 404);
            for part in ["action=\"/logs\"", "name=\"q\"", "href=\"/templates\">Templates"] {
                assert!(answer.text.contains(part), "{address}: no {part}: {}", answer.text);
            }
        }
        assert!(owner.get(&format!("/logs/{theirs}")).await.text.contains("older than your team keeps messages"));
    }
}

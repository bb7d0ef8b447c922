//! What the page of a message says before it is sent again, and after.

use chrono::TimeDelta;

use super::*;
use crate::domain::email::EmailStatus;
use crate::domain::event::EventKind;
use crate::domain::ids::EmailId;
use crate::domain::permission::Permission;
use crate::domain::team::Role;
use crate::server::services::emails;
use crate::server::store::events::EmailFacts;
use crate::server::tests::store_contract::outbox::event;

async fn resend(client: &Client, id: EmailId) -> EmailId {
    let answer = client.send("POST", &format!("/api/logs/{id}/resend"), None).await;
    answer.text_of("id").parse().unwrap()
}

/// Ends what was accepted with one event.
async fn settle(app: &TestApp, id: EmailId, kind: EventKind, reply: Option<&str>) {
    let now = app.now() + TimeDelta::minutes(1);
    for lease in app.store().lease_due(now, now + TimeDelta::minutes(1), 1, 10).await.unwrap() {
        assert_eq!(app.store().settle(&lease, &Default::default()).await, Ok(true));
    }
    let mut event = event(app, kind, app.now());
    event.event.detail.reply = reply.map(str::to_owned);
    app.store().record_events(app.team, id, &[event], &EmailFacts::default()).await.unwrap();
}

/// The text of the dialog that sends the message again, on this page.
async fn dialog(client: &Client, path: &str) -> String {
    let page = client.get(path).await.text;
    let html = page.split("<dialog").find(|part| part.contains("/fn/resend_email")).expect("a dialog").to_owned();
    let html = html.split("</dialog>").next().unwrap_or_default().to_owned();
    html.split('<').map(|piece| piece.split_once('>').map_or("", |(_, text)| text)).collect()
}

on_both_databases! {
    async fn the_dialog_says_what_a_copy_will_meet(app: TestApp) {
        app.add_adapter("Mail").await;
        let admin = app.sign_in(Role::Admin).await;
        for (reply, told) in [
            ("550 5.1.1 The email account that you tried to reach does not exist.", "It will likely fail again: the address does not exist."),
            ("452 4.2.2 Mailbox full", "It will likely fail again: the mailbox is full."),
            ("421 4.7.0 Try again later, too many connections", "It may arrive by now."),
        ] {
            let id = app.add_message(Message::with_status(EmailStatus::Queued)).await;
            settle(&app, id, EventKind::Bounced, Some(reply)).await;
            for path in [format!("/logs/{id}"), format!("/logs?q={id}&preset=all")] {
                let said = dialog(&admin, &path).await;
                assert!(said.contains(told), "{path} after {reply}: {said}");
            }
        }
    }

    async fn the_dialog_says_who_resent_it_and_what_became_of_that(app: TestApp) {
        app.add_adapter("Mail").await;
        let admin = app.sign_in(Role::Admin).await;
        let viewer = app.viewer(Role::Admin).await;
        let id = app.add_message(Message::with_status(EmailStatus::Bounced)).await;
        let first = dialog(&admin, &format!("/logs/{id}")).await;
        assert!(!first.contains("resent already"), "{first}");
        let copy = resend(&admin, id).await;
        settle(&app, copy, EventKind::Bounced, None).await;
        let at = app.now().format("%H:%M");
        let crate::domain::viewer::Actor::User { name, .. } = viewer.actor else { panic!("a person") };
        let said = dialog(&admin, &format!("/logs/{id}")).await;
        assert!(said.contains(&format!("It was resent already: {at} by {name}, bounced again.")), "{said}");
        let second = resend(&admin, id).await;
        settle(&app, second, EventKind::Delivered, None).await;
        let said = dialog(&admin, &format!("/logs/{id}")).await;
        assert!(said.contains(&format!("It was sent again at {at} by {name}, as {second}, and arrived.")), "{said}");
    }

    async fn the_dialog_doubts_old_codes_and_days_and_nothing_else(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let (link, day) = ("a link or code in it may have expired", "what it says of a day may no longer be true");
        for (subject, days, doubt) in [
            ("Reset your password", 3, Some(link)),
            ("Reset your password", 0, None),
            ("Your log-in code", 9, Some(link)),
            ("Invoice INV-7 is due tomorrow", 3, Some(day)),
            ("Invoice INV-7 is due tomorrow", 0, None),
            ("Your receipt", 3, None),
        ] {
            let at = app.now() - TimeDelta::days(days) - TimeDelta::minutes(5);
            let message = Message { at, subject: subject.to_owned(), ..Message::with_status(EmailStatus::Failed) };
            let id = app.add_message(message).await;
            let said = dialog(&admin, &format!("/logs/{id}")).await;
            for words in [link, day] {
                assert_eq!(said.contains(words), doubt == Some(words), "{subject}, {days} days: {said}");
            }
        }
    }

    async fn a_bulk_resend_counts_what_is_older_than_what_it_says(app: TestApp) {
        app.add_adapter("Mail").await;
        let admin = app.sign_in(Role::Admin).await.with("accept", "text/html");
        let told = async || admin.get("/resends/new?preset=all&status=failed").await.text;
        for (subject, days) in [("Your receipt", 9), ("Your log-in code", 0), ("Your log-in code", 9)] {
            let at = app.now() - TimeDelta::days(days) - TimeDelta::minutes(5);
            let message = Message { at, subject: subject.to_owned(), ..Message::with_status(EmailStatus::Failed) };
            app.add_message(message).await;
        }
        let page = told().await;
        assert!(page.contains("1 of them is older than what it says"), "{page}");
        let at = app.now() - TimeDelta::days(3);
        let subject = "Invoice INV-7 is due today".to_owned();
        app.add_message(Message { at, subject, ..Message::with_status(EmailStatus::Failed) }).await;
        let page = told().await;
        assert!(page.contains("2 of them are older than what they say: codes, links or days in them"), "{page}");
    }

    async fn what_did_not_fail_is_resent_on_purpose_by_who_may(app: TestApp) {
        app.add_adapter("Mail").await;
        let id = app.add_message(Message::with_status(EmailStatus::Delivered)).await;
        let role = app.add_role("Support", &[Permission::LogsView, Permission::LogsResend]).await;
        let (admin, support) = (app.sign_in(Role::Admin).await, app.sign_in(role).await);
        let post = async |client: &Client, body: String| {
            let form = client
                .with("content-type", "application/x-www-form-urlencoded")
                .with("referer", &format!("http://127.0.0.1:3000/logs/{id}"))
                .with("accept", "text/html");
            let answer = form.send("POST", "/fn/resend_email", Some(body)).await;
            answer.headers["location"].to_str().unwrap().to_owned()
        };
        let (here, known) = (format!("/logs/{id}"), format!("id={id}&again={id}"));
        let page = support.get(&here).await.text;
        assert!(page.contains("Only messages that failed or bounced can be resent") && !page.contains("/fn/resend_email"));
        assert_eq!(post(&support, known.clone()).await, here);
        let said = dialog(&admin, &here).await;
        assert!(said.contains("Send this message once more?") && said.contains("and arrived."), "{said}");
        // Who has not seen that it arrived meant one that failed.
        assert_eq!(post(&admin, format!("id={id}")).await, here);
        assert_eq!(admin.get("/api/logs").await.data()["total"], 1);
        assert_ne!(post(&admin, known).await, here);
        assert_eq!(admin.get("/api/logs").await.data()["total"], 2);
        for (status, why) in [(EmailStatus::Queued, "It is still on its way"), (EmailStatus::Spam, "The recipient reported it as spam")] {
            let id = app.add_message(Message::with_status(status)).await;
            let page = admin.get(&format!("/logs/{id}")).await.text;
            assert!(page.contains(why) && !page.contains("/fn/resend_email"), "{status:?}");
        }
    }

    async fn a_reason_that_later_messages_disprove_is_no_reason_not_to_resend(app: TestApp) {
        app.add_adapter("Mail").await;
        let admin = app.sign_in(Role::Admin).await;
        let at = |minutes| app.now() - TimeDelta::minutes(minutes);
        let to = |address: &str| vec![address.to_owned()];
        let failed = async |reply: &str, address: &str, minutes| {
            let message = Message { at: at(minutes), to: to(address), ..Message::with_status(EmailStatus::Bounced) };
            let mut historic = message.historic(&app);
            for new in historic.email.events.iter_mut().filter(|new| new.event.kind == EventKind::Bounced) {
                new.event.detail.reply = Some(reply.to_owned());
            }
            app.store().insert_history(app.team, &[historic.clone()]).await.unwrap();
            historic.email.id
        };
        let unknown = failed("550 5.1.1 User unknown", "ada@finch.example", 60).await;
        let too_large = failed("552 5.3.4 Message size exceeds the limit", "ada@finch.example", 50).await;
        let shown = async |id: EmailId| admin.with("accept", "text/html").get(&format!("/logs/{id}")).await.text;
        let peeked = async |id: EmailId| {
            admin.with("accept", "text/html").get(&format!("/logs?preset=all&peek={id}")).await.text
        };
        // What arrived before, or at another address, says nothing.
        for (address, minutes) in [("ada@finch.example", 70), ("bob@finch.example", 10)] {
            app.add_message(Message { at: at(minutes), to: to(address), ..Message::default() }).await;
        }
        assert!(!shown(unknown).await.contains("Since then"));
        assert!(dialog(&admin, &format!("/logs/{unknown}")).await.contains("Resend anyway"));
        let one = app.add_message(Message { at: at(40), to: to("ada@finch.example"), ..Message::default() }).await;
        for page in [shown(unknown).await, peeked(unknown).await] {
            assert!(page.contains("A later message arrived") && page.contains(&format!("href=\"/logs/{one}\"")), "{page}");
            assert!(page.contains("what stopped it is over") && !page.contains("does not seem to be in use"), "{page}");
        }
        let said = dialog(&admin, &format!("/logs/{unknown}")).await;
        assert!(said.contains("It may arrive by now") && !said.contains("Resend anyway"), "{said}");
        app.add_message(Message { at: at(30), to: to("ada@finch.example"), ..Message::default() }).await;
        assert!(shown(unknown).await.contains("Later messages arrived, the last one"));
        // It is too large whatever else arrives.
        let page = shown(too_large).await;
        assert!(page.contains("Later messages arrived") && page.contains("larger than your mailbox accepts"), "{page}");
        assert!(dialog(&admin, &format!("/logs/{too_large}")).await.contains("Resend anyway"));
    }

    async fn a_resend_keeps_the_way_back_to_the_row_one_came_from(app: TestApp) {
        app.add_adapter("Mail").await;
        let admin = app.sign_in(Role::Admin).await.with("accept", "text/html");
        for (query, list) in [("?preset=30d&status=bounced", "preset%3D30d%26status%3Dbounced"), ("", "%3F")] {
            let id = app.add_message(Message::with_status(EmailStatus::Bounced)).await;
            let shown = query.replace('&', "&amp;");
            let kept = format!("name=\"list\" value=\"{}\"", if query.is_empty() { "?" } else { &shown[1..] });
            for page in [format!("/logs{query}"), format!("/logs/{id}?list={list}")] {
                let page = admin.get(&page).await.text;
                assert!(page.contains(&kept) && page.contains(&format!("name=\"row\" value=\"{id}\"")), "{page}");
            }
            let form = admin.with("content-type", "application/x-www-form-urlencoded");
            let answer = form.send("POST", "/fn/resend_email", Some(format!("id={id}&list={list}&row={id}"))).await;
            let location = answer.headers["location"].to_str().unwrap().to_owned();
            assert!(location.ends_with(&format!("?list={list}&row={id}")), "{location}");
            let page = admin.get(&location).await.text;
            assert!(page.contains(&format!("href=\"/logs{shown}#{id}\"")), "{page}");
            assert!(page.contains("aria-label=\"Neighbours in the list\""), "{page}");
        }
    }

    async fn a_copy_says_in_the_list_what_it_sends_again(app: TestApp) {
        app.add_adapter("Mail").await;
        let admin = app.sign_in(Role::Admin).await;
        let id = app.add_message(Message::with_status(EmailStatus::Bounced)).await;
        let list = async || admin.with("accept", "text/html").get("/logs?preset=all").await.text;
        assert!(!list().await.contains("Resend of the message of"));
        resend(&admin, id).await;
        assert_eq!(list().await.matches("Resend of the message of").count(), 1);
    }

    async fn a_row_whose_copy_went_out_offers_no_other(app: TestApp) {
        app.add_adapter("Mail").await;
        let admin = app.sign_in(Role::Admin).await;
        let id = app.add_message(Message::with_status(EmailStatus::Bounced)).await;
        let offers = async || {
            let page = admin.get("/logs?status=bounced").await.text;
            page.contains(&format!("name=\"id\" value=\"{id}\""))
        };
        assert!(offers().await);
        let copy = resend(&admin, id).await;
        settle(&app, copy, EventKind::Bounced, None).await;
        assert!(offers().await, "the copy came back");
        let copy = resend(&admin, id).await;
        assert!(!offers().await, "a copy is on its way");
        settle(&app, copy, EventKind::Delivered, None).await;
        assert!(!offers().await && admin.get(&format!("/logs/{id}")).await.text.contains("Send once more"));
    }

    async fn a_message_of_a_deleted_template_is_resent_from_its_page(app: TestApp) {
        app.add_adapter("Mail").await;
        let template = app.add_template("Welcome Email").await;
        let admin = app.sign_in(Role::Admin).await;
        let made_from = Some((template.id, template.current.id));
        let id = app.add_message(Message { template: made_from, ..Message::with_status(EmailStatus::Failed) }).await;
        admin.delete(&format!("/api/templates/{}", template.id)).await.data();
        dialog(&admin, &format!("/logs/{id}")).await;
        let viewer = app.viewer(Role::Admin).await;
        let copy = emails::resend_email(&app.app, &viewer, id, None).await.unwrap();
        assert!(app.store().find_email(app.team, copy.id).await.unwrap().is_some());
    }

    async fn a_page_asks_anew_while_its_message_is_on_its_way_and_reports_of_it_may_come(app: TestApp) {
        app.add_adapter("Mail").await;
        let admin = app.sign_in(Role::Admin).await;
        let id = app.add_message(Message::with_status(EmailStatus::Failed)).await;
        let copy = resend(&admin, id).await;
        let asks = async |id: EmailId| admin.get(&format!("/logs/{id}")).await.text.contains("data-refresh");
        assert!(asks(copy).await && !asks(id).await);
        settle(&app, copy, EventKind::Delivered, None).await;
        assert!(asks(copy).await);
        settle(&app, copy, EventKind::Clicked, None).await;
        assert!(!asks(copy).await);
        let earlier = async |minutes| {
            let at = app.now() - TimeDelta::minutes(minutes);
            app.add_message(Message { at, ..Message::with_status(EmailStatus::Delivered) }).await
        };
        assert!(asks(earlier(50).await).await && !asks(earlier(70).await).await);
    }
}

#[test]
fn who_had_a_copy_sent_is_read_from_its_history() {
    use crate::domain::event::{EmailEvent, EventDetail};
    use crate::domain::resend::{origin_words, resent_by};
    let of = EmailId(1 << 20);
    let history = |words: String| EmailEvent {
        id: crate::domain::ids::EventId(1),
        kind: EventKind::Requested,
        at: of.created_at(),
        recipient: None,
        detail: EventDetail { message: Some(words), ..EventDetail::default() },
    };
    let by = |by: &str| resent_by(&[history(origin_words(of, by))]);
    assert_eq!(by("by Mara Ott"), Some("by Mara Ott".to_owned()));
    assert_eq!(by(""), None);
    assert_eq!(resent_by(&[history("by Mara Ott".to_owned())]), None);
}

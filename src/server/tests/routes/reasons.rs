//! Why the problems of the log are problems, on its page.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::*;
use crate::domain::email::EmailStatus;
use crate::domain::filter::{EmailFilter, StatusSet};
use crate::domain::ids::EmailId;
use crate::domain::permission::Permission;
use crate::domain::team::{Role, TeamRules};
use crate::server::services::{emails, failures::add_remarks, reasons::list_reasons};

/// Failures with these replies, a minute apart, and one message that arrived.
async fn add(app: &TestApp, replies: &[&str]) {
    let failures = replies.iter().zip(0..).map(|(reply, minute)| {
        let at = at(&format!("2024-01-20T10:{minute:02}:00Z"));
        let mut failed = Message { at, ..Message::with_status(EmailStatus::Bounced) }.historic(app);
        for new in &mut failed.email.events {
            new.event.detail.reply = Some((*reply).to_owned());
        }
        failed
    });
    let failures: Vec<_> = failures.collect();
    app.store().insert_history(app.team, &failures).await.unwrap();
    app.add_message(Message::default()).await;
}

const REPLIES: [&str; 6] = [
    "550 5.1.1 <ada@customer.example>: Recipient address rejected: User unknown",
    "550 5.1.1 <bob@customer.example>: Recipient address rejected: User unknown",
    "550 5.1.1 <eve@customer.example>: Recipient address rejected: User unknown",
    "552 5.2.2 The mailbox is over its quota",
    "552 5.2.2 The mailbox is over its quota",
    "554 5.7.1 Client host [192.0.2.7] blocked using our list",
];

/// What stands behind `href="` and begins so, as it is meant.
fn links(page: &str, begin: &str) -> Vec<String> {
    let links = page.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    links.filter(|url| url.starts_with(begin) && url.contains("group:")).map(|url| url.replace("&amp;", "&")).collect()
}

fn rows(page: &str) -> usize {
    page.matches("class=\"row-link\"").count()
}

on_both_databases! {
    async fn each_reason_leads_to_exactly_its_messages_without_scripts(app: TestApp) {
        add(&app, &REPLIES).await;
        let client = app.sign_in(Role::Owner).await.with("accept", "text/html");
        let page = client.get("/logs").await.text;
        assert!(page.contains("6 bounced or failed in 3 groups"), "{page}");
        assert!(page.contains("550 5.1.1 recipient address rejected user unknown"), "{page}");
        let show = links(&page, "/logs?");
        let counts = async |links: &[String]| {
            let mut counts = Vec::new();
            for link in links {
                counts.push(rows(&client.get(link).await.text));
            }
            counts
        };
        assert_eq!(counts(&show).await, [3, 2, 1]);
        let resend = links(&page, "/resends/new?");
        assert_eq!(resend.len(), 3);
        for (show, resend) in show.iter().zip(&resend) {
            assert_eq!(show.strip_prefix("/logs?"), resend.strip_prefix("/resends/new?"));
        }
        // The other filters of the address hold, for the reasons and in their links.
        let narrowed = client.get("/logs?preset=custom&from=2024-01-20T10:01&to=2024-01-20T10:04&status=bounced&q=welcome").await.text;
        assert!(narrowed.contains("3 bounced or failed in 2 groups"), "{narrowed}");
        let show = links(&narrowed, "/logs?");
        assert!(show.iter().all(|url| url.starts_with("/logs?preset=custom&from=2024-01-20T10:01&to=2024-01-20T10:04&status=bounced&q=welcome%20reason:")), "{show:?}");
        assert_eq!(counts(&show).await, [2, 1]);
        for without in ["/logs?status=delivered", "/logs?q=nowhere", "/logs?preset=custom&from=2023-01-01&to=2023-01-02"] {
            assert!(!client.get(without).await.text.contains("aria-label=\"Why\""), "{without}");
        }
    }

    async fn reasons_say_how_many_of_their_messages_were_resent_already(app: TestApp) {
        app.add_adapter("SES Frankfurt").await;
        add(&app, &REPLIES).await;
        let client = app.sign_in(Role::Owner).await.with("accept", "text/html");
        let page = client.get("/logs").await.text;
        let group = links(&page, "/logs?")[1].clone();
        let found = client.get(&group).await.text;
        let ids = found.split("href=\"/logs/eml_").skip(1).filter_map(|rest| rest.split('"').next());
        let mut ids: Vec<EmailId> = ids.filter(|id| !id.contains('/')).map(|id| format!("eml_{id}").parse().unwrap()).collect();
        ids.dedup();
        assert_eq!(ids.len(), 2);
        let owner = app.viewer(Role::Owner).await;
        let shown = async || list_reasons(&app.app, &owner, &EmailFilter::default()).await.unwrap().unwrap();
        for (resent, words) in [(1, ", 1 resent"), (2, ", 2 resent")] {
            emails::resend_email(&app.app, &owner, ids[resent - 1], None).await.unwrap();
            let reasons = shown().await;
            assert_eq!((reasons.problems, reasons.resent), (6, resent as i64));
            assert_eq!(reasons.shown.iter().map(|reason| reason.resent).collect::<Vec<_>>(), [0, resent as i64, 0]);
            assert!(client.get("/logs").await.text.contains(words), "{words}");
        }
        // A group that was resent whole offers no resend.
        let page = client.get(&group).await.text;
        assert!(page.contains("2 bounced or failed in 1 group") && page.contains(", all resent"), "{page}");
        assert!(!page.contains("Resend… 2 messages") && found.contains("Resend… 2 messages"), "{page}");
    }

    async fn a_viewer_sees_reasons_but_is_not_led_to_resending(app: TestApp) {
        add(&app, &REPLIES).await;
        app.set_grant(Role::Viewer, Permission::LogsResend, false).await;
        let page = app.sign_in(Role::Viewer).await.with("accept", "text/html").get("/logs").await.text;
        assert_eq!((links(&page, "/logs?").len(), links(&page, "/resends/new?").len()), (3, 0));
        app.set_grant(Role::Viewer, Permission::LogsView, false).await;
        let viewer = app.viewer(Role::Viewer).await;
        assert!(list_reasons(&app.app, &viewer, &EmailFilter::default()).await.is_err());
    }

    async fn reasons_tell_no_address_to_whom_addresses_are_masked(app: TestApp) {
        add(&app, &["550 5.1.1 ada@customer.example ada.lovelace@customer.example unknown", "550 no box for ada lovelace+x @ customer.example"]).await;
        let rules = TeamRules { masks_addresses: true, ..TeamRules::default() };
        app.store().update_team(app.team, "Finch", rules, &app.event()).await.unwrap();
        app.set_grant(Role::Viewer, Permission::LogsReveal, false).await;
        let viewer = app.viewer(Role::Viewer).await;
        let reasons = list_reasons(&app.app, &viewer, &EmailFilter::default()).await.unwrap().unwrap();
        assert_eq!((reasons.problems, reasons.shown.len()), (2, 2));
        for reason in &reasons.shown {
            let words = reason.words.clone().unwrap_or_default();
            assert!(!words.contains("customer.example") && !words.contains("@"), "{words}");
        }
    }

    async fn a_reason_is_what_the_rows_of_its_messages_say(app: TestApp) {
        add(&app, &REPLIES).await;
        let viewer = app.viewer(Role::Owner).await;
        let filter = EmailFilter { statuses: StatusSet::FAILED, ..EmailFilter::default() };
        let request = crate::domain::page::PageRequest { page: 1, page_size: 50 };
        let mut page = crate::server::services::emails::list_emails(&app.app, &viewer, &filter, request).await.unwrap();
        add_remarks(&app.app, &viewer, &mut page.items).await.unwrap();
        let client = app.sign_in(Role::Owner).await;
        let mut found = 0;
        for reason in list_reasons(&app.app, &viewer, &EmailFilter::default()).await.unwrap().unwrap().shown {
            let search = format!("reason:{} group:{}", reason.class.slug(), reason.group);
            let answer = client.get(&format!("/api/logs?q={}", utf8_percent_encode(&search, NON_ALPHANUMERIC))).await;
            let ids: Vec<String> = answer.data()["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect();
            found += ids.len();
            for row in page.items.iter().filter(|row| ids.contains(&row.id.to_string())) {
                let said = matches!(&row.remark, Some(crate::domain::email::Remark::Failed { class, mailbox_provider }) if *class == reason.class && *mailbox_provider == reason.mailbox_provider);
                assert!(said, "{row:?} {reason:?}");
            }
        }
        assert_eq!(found, page.items.len());
        let wrong = client.get("/api/logs?q=reason:weather").await;
        assert!(wrong.status == 400 && wrong.text.contains("address-unknown") && wrong.text.contains("canceled"), "{}", wrong.text);
        for (search, count) in [("reason:mailbox-full", 2), ("reason:Mailbox_Full,address-unknown", 5), ("-reason:mailbox-full", 5), ("reason:mailbox-full status:delivered", 0), ("group:v1-0000000000000001", 0), ("group:v0-0000000000000001 status:bounced", 0)] {
            let answer = client.get(&format!("/api/logs?q={}", utf8_percent_encode(search, NON_ALPHANUMERIC))).await;
            assert_eq!(answer.data()["total"], count, "{search}");
        }
    }

    async fn with_several_adapters_each_has_its_own_groups(app: TestApp) {
        let (one, other) = (app.add_adapter("SES Frankfurt").await, app.add_adapter("Postmark").await);
        let mut failed: Vec<_> = (0..5).map(|_| Message::with_status(EmailStatus::Bounced).historic(&app)).collect();
        for (index, message) in failed.iter_mut().enumerate() {
            message.email.adapter_id = [Some(one.id), Some(other.id), None][index % 3];
        }
        app.store().insert_history(app.team, &failed).await.unwrap();
        let client = app.sign_in(Role::Owner).await.with("accept", "text/html");
        let page = client.get("/logs").await.text;
        assert!(page.contains("5 bounced or failed in 3 groups") && page.contains(">SES Frankfurt<"), "{page}");
        let mut counts = Vec::new();
        for link in links(&page, "/logs?") {
            counts.push(rows(&client.get(&link).await.text));
        }
        assert_eq!(counts, [2, 2, 1]);
    }
}

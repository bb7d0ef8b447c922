//! `/logs` as it stands in HTML: chips in words, a search that cannot be read, what may have been meant, the panel beside the
//! list, its look, and what waits for its time taken back.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::*;
use crate::domain::audit::{AuditAction, AuditFilter};
use crate::domain::email::EmailStatus;
use crate::domain::permission::Permission;
use crate::domain::team::{Role, TeamRules};

async fn page(client: &Client, path: &str) -> String {
    let answer = client.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.text
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

async fn browser(app: &TestApp, role: Role) -> Client {
    app.sign_in(role).await.with("accept", "text/html")
}

/// A form as a browser posts it.
async fn post(client: &Client, path: &str, form: &str) -> Answer {
    let client = client.with("content-type", "application/x-www-form-urlencoded");
    client.send("POST", path, Some(form.to_owned())).await
}

/// A message that waits two hours.
async fn add_scheduled(app: &TestApp, to: &str) {
    let body = json!({
        "from": "Mail <mail@finch.example>", "to": [to], "subject": "Later", "text": "Hi", "scheduled_at": "in 2 hours",
    });
    let answer =
        app.program(&[Permission::EmailsSend]).await.with("user-agent", "test").post("/resend/emails", body).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

/// The ids of the rows of a page.
fn row_ids(page: &str) -> Vec<String> {
    let rows = page.split("<tr role=\"row\" id=\"").skip(1);
    rows.filter_map(|row| row.split('"').next()).map(str::to_owned).collect()
}

on_both_databases! {
    async fn chips_say_words_for_ids(app: TestApp) {
        let adapter = app.add_adapter("SES Frankfurt").await;
        app.add_message(Message::with_status(EmailStatus::Bounced)).await;
        let client = browser(&app, Role::Viewer).await;
        let search = format!("reason:mailbox-full adapter:{} group:v1-0000000000000001", adapter.id);
        let shown = page(&client, &format!("/logs?q={}", encoded(&search))).await;
        for chip in ["Adapter: SES Frankfurt", "Same failure: The mailbox is full"] {
            assert!(shown.contains(&format!("Remove the filter {chip}")), "{chip}");
        }
        assert!(!shown.contains("Remove the filter Reason"), "the group says it");
        assert!(shown.contains("with these filters"));
        let elsewhere = app.sign_in_elsewhere().await.with("accept", "text/html");
        let shown = page(&elsewhere, &format!("/logs?q=adapter:{}", adapter.id)).await;
        assert!(!shown.contains("SES Frankfurt"));
    }

    async fn a_search_that_cannot_be_read_stays_in_its_field_and_the_filters_around_it(app: TestApp) {
        app.add_message(Message::with_status(EmailStatus::Bounced)).await;
        let client = browser(&app, Role::Viewer).await;
        let answer = client.get("/logs?preset=30d&status=bounced&q=colour%3Ared%20ada").await;
        assert_eq!(answer.status, 400);
        let shown = answer.text;
        for part in [
            "value=\"colour:red ada\"",
            "There is no “colour:”",
            "aria-invalid=\"true\"",
            "Remove the filter Status: bounced",
            "Any channel",
            "Last 30 days",
            "This search cannot be read",
        ] {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(!shown.contains("row-link"));
        let answer = client.get("/logs?when=soon&status=bounced").await;
        assert_eq!(answer.status, 400);
        for part in ["value=\"soon\"", "Meanwhile the list shows the last 7 days", "class=\"row-link\""] {
            assert!(answer.text.contains(part), "{part}: {}", answer.text);
        }
    }

    async fn who_does_not_see_contents_is_told_so_and_is_not_offered_metadata(app: TestApp) {
        app.add_message(Message::default()).await;
        let client = browser(&app, Role::Viewer).await;
        for may in [true, false] {
            app.set_grant(Role::Viewer, Permission::LogsReveal, may).await;
            assert_eq!(page(&client, "/logs").await.contains("meta.order:43645"), may);
            let answer = client.get("/logs?q=meta.customer:17").await;
            assert_eq!(answer.status, if may { 200 } else { 400 });
            assert_eq!(answer.text.contains("Your role cannot search by this"), !may, "{}", answer.text);
            let why = "Metadata is part of the contents of messages, which your role does not show.";
            assert_eq!(answer.text.contains(why), !may, "{}", answer.text);
            assert!(!answer.text.contains("This search cannot be read"), "{}", answer.text);
        }
    }

    async fn a_row_says_that_a_word_was_found_in_its_contents_to_who_sees_them(app: TestApp) {
        let mut made = Message { subject: "Your receipt".to_owned(), ..Message::default() }.historic(&app);
        made.email.metadata = json!({"order": "A-1042"});
        app.store().insert_history(app.team, &[made]).await.unwrap();
        let client = browser(&app, Role::Viewer).await;
        for may in [true, false] {
            app.set_grant(Role::Viewer, Permission::LogsReveal, may).await;
            for (search, is_inside) in [
                ("A-1042", true),
                ("RECEIPT a-1042", true),
                ("receipt", false),
                ("\"your receipt\" user@example.com", false),
                ("meta.order:A-1042 receipt", false),
            ] {
                if !may && search.starts_with("meta.") {
                    continue;
                }
                let shown = page(&client, &format!("/logs?preset=all&q={}", encoded(search))).await;
                assert_eq!(row_ids(&shown).len(), 1, "{search}: {shown}");
                assert_eq!(shown.contains("Found in its variables or metadata"), is_inside && may, "{search}: {shown}");
            }
        }
    }

    async fn who_does_not_see_metadata_is_led_to_its_whole_value_as_a_word(app: TestApp) {
        let mut order = Message::default().historic(&app);
        order.email.metadata = json!({"customer": "A-1042"});
        app.store().insert_history(app.team, &[order]).await.unwrap();
        let client = browser(&app, Role::Viewer).await;
        app.set_grant(Role::Viewer, Permission::LogsReveal, false).await;
        let refused = client.get("/logs?preset=30d&q=meta.customer:A-1042").await;
        assert_eq!(refused.status, 400);
        let link = "<a href=\"/logs?preset=30d&amp;q=A-1042\">A whole value is found without “meta.customer:”<";
        assert!(refused.text.contains(link), "{}", refused.text);
        assert_eq!(row_ids(&page(&client, "/logs?preset=30d&q=A-1042").await).len(), 1);
        let denied = client.get("/logs?q=-meta.customer:A-1042").await;
        assert!(denied.status == 400 && !denied.text.contains("A whole value"), "{}", denied.text);
        // Who sees addresses masked does not find metadata at all.
        let rules = TeamRules { masks_addresses: true, ..TeamRules::default() };
        assert_eq!(app.store().update_team(app.team, "Finch", rules, &app.event()).await, Ok(true));
        let refused = client.get("/logs?q=meta.customer:A-1042").await;
        assert!(refused.status == 400 && !refused.text.contains("A whole value"), "{}", refused.text);
    }

    async fn who_may_not_export_is_told_whom_to_ask(app: TestApp) {
        app.add_message(Message::default()).await;
        app.sign_in(Role::Owner).await;
        let client = browser(&app, Role::Viewer).await;
        for may in [true, false] {
            app.set_grant(Role::Viewer, Permission::LogsExport, may).await;
            let shown = page(&client, "/logs").await;
            assert_eq!(shown.contains("/logs/export?"), may);
            // Behind the bar of filters' "Export", and in the bar of chosen rows.
            assert_eq!(shown.contains("Export chosen"), may, "{shown}");
            assert_eq!(shown.contains("Your role cannot export messages."), !may, "{shown}");
            assert_eq!(shown.contains("Your role cannot resend messages."), may, "{shown}");
            assert_eq!(shown.contains("Your role cannot resend or export messages."), !may, "{shown}");
            assert_eq!(shown.matches("mailto:owner@finch.example").count(), if may { 1 } else { 2 }, "{shown}");
        }
    }

    async fn what_finds_nothing_in_all_time_says_so_and_what_may_help(app: TestApp) {
        let old = app.now() - chrono::TimeDelta::days(60);
        app.add_message(Message { at: old, to: vec!["ada@gmail.com".to_owned()], ..Message::default() }).await;
        let client = browser(&app, Role::Viewer).await;
        let near = page(&client, "/logs?q=ada%40gmial.com").await;
        for part in ["Did you mean", "1 message in all time.", "preset=all"] {
            assert!(near.contains(part), "{part}");
        }
        assert!(!near.contains("Nothing in all time"), "what is offered is in all time: {near}");
        let nowhere = page(&client, "/logs?q=zoe%20nobody").await;
        assert!(nowhere.contains("Nothing in all time either.") && nowhere.contains("Try fewer words"));
        let elsewhen = page(&client, "/logs?q=ada%40gmail.com").await;
        assert!(!elsewhen.contains("Nothing in all time either.") && elsewhen.contains("Look at all time: 1"));
    }

    async fn a_mail_servers_code_typed_alone_leads_to_its_answers(app: TestApp) {
        let mut failed = Message::with_status(EmailStatus::Bounced).historic(&app);
        for new in &mut failed.email.events {
            new.event.detail.reply = Some("550 5.1.1 user unknown".to_owned());
        }
        app.store().insert_history(app.team, &[failed]).await.unwrap();
        let client = browser(&app, Role::Viewer).await;
        for (typed, words) in [("5.1.1", "5.1.1"), ("550%205.1.1", "550 5.1.1")] {
            let answer = client.get(&format!("/logs?preset=all&q={typed}")).await;
            assert_eq!(answer.headers["location"], "/logs?preset=all&q=reply:5.1.1", "{typed}");
            let said = format!("No message has {words} in its text; these were answered with 5.1.1.");
            let shown = page(&client.with_cookies_of(&answer), "/logs?preset=all&q=reply:5.1.1").await;
            assert!(shown.contains(&said) && row_ids(&shown).len() == 1, "{typed}: {shown}");
        }
        let nothing = page(&client, "/logs?preset=all&q=5.7.1").await;
        assert!(row_ids(&nothing).is_empty());
    }

    async fn words_that_find_nothing_can_be_looked_for_in_servers_answers(app: TestApp) {
        let mut taken = Message::with_status(EmailStatus::Bounced).historic(&app);
        for new in &mut taken.email.events {
            new.event.detail.reply = Some("451 SMTP 550: not queued as rw9z3k7kha".to_owned());
        }
        app.store().insert_history(app.team, &[taken]).await.unwrap();
        let client = browser(&app, Role::Viewer).await;
        let offer = "Look in what the mail servers answered";
        for typed in ["rw9z3k7kha", "SMTP%20550"] {
            let shown = page(&client, &format!("/logs?q={typed}")).await;
            let before = shown.split(offer).next().filter(|before| before.len() < shown.len()).unwrap_or_default();
            let url = before.rsplit("href=\"").next().and_then(|rest| rest.split('"').next()).unwrap_or_default();
            assert!(url.contains("q=reply:"), "{typed}: {shown}");
            let found = page(&client, &url.replace("&amp;", "&")).await;
            assert!(row_ids(&found).len() == 1 && !found.contains(offer), "{url}: {found}");
        }
        assert!(!page(&client, "/logs?preset=all").await.contains(offer));
        assert!(!page(&client, "/logs?preset=all&q=reply:nowhere").await.contains(offer));
    }

    async fn a_message_stands_beside_the_list_and_reveals_nothing(app: TestApp) {
        let id = app.add_message(Message::with_status(EmailStatus::Bounced)).await;
        let client = browser(&app, Role::Owner).await;
        let list = page(&client, "/logs?preset=all&status=bounced").await;
        let link = format!("/logs?preset=all&amp;status=bounced&amp;peek={id}#{id}");
        assert!(list.contains(&link), "{list}");
        assert!(!list.contains("data-peek-close"));
        let shown = page(&client, &format!("/logs?preset=all&status=bounced&peek={id}")).await;
        assert!(shown.contains("data-peek-close") && shown.contains("Whose problem"), "{shown}");
        assert!(!shown.contains("&lt;p&gt;Hello") && !shown.contains("<iframe"));
        assert!(shown.contains(&format!("href=\"/logs?preset=all&amp;status=bounced#{id}\"")), "it leads back");
        let elsewhere = app.sign_in_elsewhere().await.with("accept", "text/html");
        let nothing = page(&elsewhere, &format!("/logs?preset=all&peek={id}")).await;
        assert!(!nothing.contains("Whose problem"));
        app.set_grant(Role::Viewer, Permission::LogsView, false).await;
        assert_eq!(browser(&app, Role::Viewer).await.get(&format!("/logs?peek={id}")).await.status, 403);
    }

    async fn the_look_of_the_list_is_remembered_in_a_cookie(app: TestApp) {
        app.add_message(Message::default()).await;
        let client = browser(&app, Role::Viewer).await;
        let usual = page(&client, "/logs?preset=all").await;
        assert!(!usual.contains("data-dense"), "{usual}");
        let answer = post(&client.with("referer", "http://localhost/logs"), "/fn/set_list_view", "dense=1&status=1&subject=1").await;
        let cookie = answer.headers["set-cookie"].to_str().unwrap().to_owned();
        assert!(cookie.starts_with("view=dense-template; "), "{cookie}");
        let chosen = page(&client.with_cookies_of(&answer), "/logs?preset=all").await;
        assert!(chosen.contains("data-dense") && chosen.contains("data-without=\"template\""), "{chosen}");
        let answer = post(&client, "/fn/set_list_view", "dense=0&status=1&subject=1&template=1").await;
        assert!(answer.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"));
    }

    async fn what_waits_for_its_time_is_taken_back_once_and_written_down(app: TestApp) {
        app.add_adapter("Mail").await;
        add_scheduled(&app, "ada@example.com").await;
        add_scheduled(&app, "bob@example.com").await;
        let gone = app.add_message(Message::with_status(EmailStatus::Bounced)).await;
        let client = browser(&app, Role::Owner).await;
        let waiting = row_ids(&page(&client, "/logs?preset=all&q=is:scheduled").await);
        let list = page(&client, "/logs?preset=all").await;
        assert!(list.contains("formaction=\"/logs/cancel\"") && list.matches("data-scheduled").count() == 2, "{list}");
        let chosen = format!("{},{},{gone}", waiting[0], waiting[1]);
        let from_list = client.with("host", "localhost").with("referer", "http://localhost/logs?preset=all&q=is%3Ascheduled");
        let asked = page(&from_list, &format!("/logs/cancel?ids={chosen}")).await;
        assert!(asked.contains("Cancel 2 messages") && asked.contains("1 more that you chose"), "{asked}");
        assert!(asked.contains("name=\"list\" value=\"preset=all&amp;q=is%3Ascheduled\""), "{asked}");
        let form = format!("ids={chosen}&list=preset%3Dall%26q%3Dis%253Ascheduled");
        let lines = async || {
            let filter = AuditFilter { actions: vec![AuditAction::EmailsCanceled], ..AuditFilter::default() };
            app.store().list_audit_entries(app.team, &filter, None, 10).await.unwrap()
        };
        let elsewhere = app.sign_in_elsewhere().await.with("accept", "text/html");
        post(&elsewhere, "/fn/cancel_chosen", &form).await;
        assert!(lines().await.is_empty(), "another team's are not found");
        assert_eq!(browser(&app, Role::Viewer).await.get(&format!("/logs/cancel?ids={chosen}")).await.status, 403);
        for _ in 0..2 {
            let canceled = post(&client, "/fn/cancel_chosen", &form).await;
            assert_eq!(canceled.headers["location"], "/logs?preset=all&q=is:scheduled", "it leads back to the list");
        }
        let lines = lines().await;
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0].after.as_ref().unwrap()["messages"], 2);
        assert!(page(&client, &format!("/logs/cancel?ids={chosen}")).await.contains("Nothing here can be canceled"));
        for id in &waiting {
            let status = client.with("accept", "application/json").get(&format!("/api/logs/{id}")).await.data()["status"].clone();
            assert_eq!(status, "failed");
        }
        let many = vec![waiting[0].as_str(); 201].join(",");
        assert_eq!(client.get(&format!("/logs/cancel?ids={many}")).await.status, 400);
    }

    async fn what_is_chosen_in_a_list_leads_back_to_it(app: TestApp) {
        app.add_adapter("Mail").await;
        let mut unknown = Message::with_status(EmailStatus::Bounced).historic(&app);
        for new in &mut unknown.email.events {
            new.event.detail.reply = Some("550 5.1.1 The email account does not exist".to_owned());
        }
        let id = unknown.email.id;
        app.store().insert_history(app.team, &[unknown]).await.unwrap();
        let client = browser(&app, Role::Owner).await;
        let list = page(&client, "/logs?preset=30d&status=bounced").await;
        let form = list.split("<form").find(|form| form.contains("id=\"choose\"")).unwrap_or_default();
        assert!(form.contains("name=\"preset\" value=\"30d\"") && form.contains("name=\"status\" value=\"bounced\""), "{form}");
        let shown = page(&client, &format!("/resends/new?preset=30d&status=bounced&ids={id}")).await;
        assert!(shown.contains("None of them would be sent again."), "{shown}");
        let cancel = shown.split("Cancel</a>").next().and_then(|before| before.rsplit("<a").next()).unwrap_or_default();
        assert!(cancel.contains("href=\"/logs?preset=30d&amp;status=bounced\""), "{cancel}");
        // What is taken in beside keeps the list.
        assert!(shown.contains(&format!("/resends/new?preset=30d&amp;status=bounced&amp;ids={id}&amp;also=failing")), "{shown}");
    }

    async fn a_bulk_resend_that_will_likely_fail_warns_and_is_not_the_main_button(app: TestApp) {
        app.add_adapter("Mail").await;
        let of = |reply: &str| {
            let mut failed = Message::with_status(EmailStatus::Bounced).historic(&app);
            for new in &mut failed.email.events {
                new.event.detail.reply = Some(reply.to_owned());
            }
            failed
        };
        app.store().insert_history(app.team, &[of("550 5.1.1 The email account does not exist")]).await.unwrap();
        let client = browser(&app, Role::Owner).await;
        let shown = async || {
            let shown = page(&client, "/resends/new?preset=all&status=bounced&also=failing").await;
            let button = shown.split("</button>").find(|part| part.contains("Resend ") && part.contains("form-buttons"));
            let button = button.unwrap_or_default().rsplit("<button").next().unwrap_or_default().to_owned();
            (shown, button)
        };
        let (html, button) = shown().await;
        assert!(html.contains("It will likely fail again, for the reason above."), "{html}");
        assert!(button.contains("Resend 1 message anyway") && !button.contains("primary"), "{button}");
        // What our own team has to mend counts the same.
        app.store().insert_history(app.team, &[of("554 5.7.1 Client host [192.0.2.7] blocked using our list")]).await.unwrap();
        let (html, button) = shown().await;
        assert!(html.contains("1 of them will likely fail again, for the reason above."), "{html}");
        assert!(button.contains("Resend 2 messages anyway") && !button.contains("primary"), "{button}");
        // One that may arrive makes it worth while.
        app.store().insert_history(app.team, &[of("421 4.3.2 Try again later")]).await.unwrap();
        let (html, button) = shown().await;
        assert!(html.contains("1 of them will likely fail again, for the reason above."), "{html}");
        assert!(button.contains("Resend 3 messages") && !button.contains("anyway") && button.contains("primary"), "{button}");
    }

    async fn a_bulk_resend_says_what_must_be_mended_first(app: TestApp) {
        app.add_adapter("Mail").await;
        let mut blocked = Message::with_status(EmailStatus::Bounced).historic(&app);
        for new in &mut blocked.email.events {
            new.event.detail.reply = Some("554 5.7.1 Client host [192.0.2.7] blocked using our list".to_owned());
        }
        app.store().insert_history(app.team, &[blocked]).await.unwrap();
        let shown = page(&browser(&app, Role::Owner).await, "/resends/new?preset=all").await;
        assert!(shown.contains("will bounce again unless its reason is fixed first: our server is blocked"), "{shown}");
    }
}

//! `/logs/:id/resend` and the body of `POST /api/logs/:id/resend`: a message that is sent again with a change.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;

use super::adapter_form::page_after_on;
use super::*;
use crate::domain::adapter::AdapterKind;
use crate::domain::audit::AuditFilter;
use crate::domain::email::EmailStatus;
use crate::domain::ids::{AdapterId, EmailId};
use crate::domain::permission::Permission;
use crate::domain::team::{Role, TeamRules};
use crate::domain::template::TemplateSource;
use crate::domain::tracking::TemplateTracking;
use crate::server::delivery::worker::{Worker, WorkerSettings};
use crate::server::demo::sink::Sink;
use crate::server::services::templates;
use crate::server::tests::masking::set_rules;

async fn sink() -> Sink {
    Sink::start("127.0.0.1:0".parse().unwrap()).await.unwrap()
}

/// Lets a worker send what waits, until the server has as many; the last message: whom it went to, and what it says.
async fn delivered(app: &TestApp, sink: &Sink, count: usize) -> (Vec<String>, String) {
    let settings =
        WorkerSettings { poll_every: Duration::from_millis(20), ..WorkerSettings::within(app.app.config.outbound()) };
    let worker = Worker::new(app.store().clone(), app.app.clock.clone(), Arc::clone(&app.app.secret_key), settings);
    let (stop, stopped) = watch::channel(false);
    let working = tokio::spawn(worker.run(stopped));
    for _ in 0..500 {
        if sink.messages().len() >= count {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.send(true).unwrap();
    working.await.unwrap();
    let sent = sink.messages().pop().expect("a message");
    (sent.recipients.clone(), String::from_utf8(sent.raw).unwrap())
}

/// A failed message from the template “Welcome”, whose current version is another one.
async fn failed(app: &TestApp, marked: &[String]) -> EmailId {
    let owner = app.viewer(Role::Owner).await;
    let source = |greeting: &str| TemplateSource {
        subject: format!("{greeting} to Our Service, {{{{ name }}}}!"),
        html: None,
        text: Some(format!("{greeting} {{{{ name }}}} of {{{{ company }}}}")),
    };
    let made =
        templates::create_template(&app.app, &owner, "Welcome", source("Welcome"), marked, TemplateTracking::default())
            .await
            .unwrap();
    templates::update_template(&app.app, &owner, made.id, None, source("Hello again"), None, None).await.unwrap();
    let template = Some((made.id, made.current.id));
    let subject = "Welcome to Our Service, John!".to_owned();
    app.add_message(Message { template, subject, ..Message::with_status(EmailStatus::Failed) }).await
}

fn path(id: EmailId) -> String {
    format!("/api/logs/{id}/resend")
}

async fn page(client: &Client, path: &str) -> String {
    let answer = client.with("accept", "text/html").get(path).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    plain(&answer.text)
}

/// A page's text without what hydration and escapes put into it.
fn plain(html: &str) -> String {
    html.replace("<!>", "").replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">")
}

/// The value of a hidden field of the page.
fn hidden(page: &str, name: &str) -> String {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("{name}: {page}"));
    rest.split('"').next().unwrap_or_default().to_owned()
}

on_both_databases! {
    async fn each_change_reaches_the_wire_and_is_marked_on_both_messages(app: TestApp) {
        let (main, backup) = (sink().await, sink().await);
        app.add_adapter_of(AdapterKind::Smtp, &main.url(), "Main").await;
        let named = app.add_adapter_of(AdapterKind::Smtp, &backup.url(), "Backup").await;
        let id = failed(&app, &[]).await;
        let admin = app.sign_in(Role::Admin).await;
        let change = json!({
            "to": "Ada <ada@finch.example>", "variables": {"name": "Ada", "company": "Acme Inc"}, "adapter": named.id,
        });
        let copy: EmailId = admin.post(&path(id), change).await.text_of("id").parse().unwrap();
        let (to, raw) = delivered(&app, &backup, 1).await;
        assert_eq!(to, ["ada@finch.example"]);
        assert!(raw.contains("Welcome Ada of Acme Inc") && raw.contains("Subject: Welcome to Our Service, Ada!"), "{raw}");
        assert!(main.messages().is_empty());
        let email = app.store().find_email(app.team, copy).await.unwrap().unwrap();
        assert_eq!((email.adapter_id, email.resend_of), (Some(named.id), Some(id)));

        let told = "to another address instead of user@example.com, variables edited: name, by Backup";
        let own = page(&admin, &format!("/logs/{copy}")).await;
        assert!(own.contains(&format!("Resent {told}")) && own.contains(&format!("href=\"/logs/{id}\">Show the original")), "{own}");
        let original = page(&admin, &format!("/logs/{id}")).await;
        assert!(original.contains("to another address, variables edited: name, by Backup"), "{original}");

        let line = app.store().list_audit_entries(app.team, &AuditFilter::default(), None, 1).await.unwrap().remove(0);
        let made = line.after.unwrap().to_string();
        for part in ["toAnotherAddress", "Backup", "name"] {
            assert!(made.contains(part), "{part}: {made}");
        }
        assert!(!made.contains("ada@finch.example") && !made.contains("Ada"), "{made}");
    }

    async fn the_current_template_is_the_one_that_new_messages_use(app: TestApp) {
        let main = sink().await;
        app.add_adapter_of(AdapterKind::Smtp, &main.url(), "Main").await;
        let id = failed(&app, &[]).await;
        let admin = app.sign_in(Role::Admin).await;
        let copy = admin.post(&path(id), json!({"template": "current"})).await.text_of("id");
        let (to, raw) = delivered(&app, &main, 1).await;
        assert_eq!(to, ["user@example.com"]);
        assert!(raw.contains("Hello again John of Acme Inc") && raw.contains("Subject: Hello again to Our Service, John!"), "{raw}");
        assert!(page(&admin, &format!("/logs/{copy}")).await.contains("Resent current template"));
        assert_eq!(admin.get(&format!("/api/logs/{copy}")).await.data()["templateId"], admin.get(&format!("/api/logs/{id}")).await.data()["templateId"]);
    }

    async fn who_does_not_see_contents_changes_neither_address_nor_variables(app: TestApp) {
        app.add_adapter("Main").await;
        let id = failed(&app, &[]).await;
        let role = app.add_role("Support", &[Permission::LogsView, Permission::LogsResend]).await;
        let support = app.sign_in(role).await;
        let form = page(&support, &format!("/logs/{id}/resend")).await;
        for field in ["name=\"to\"", "name=\"variables\"", "name=\"adapter\""] {
            assert!(!form.contains(field), "{field}: {form}");
        }
        assert!(form.contains("name=\"template\"") && form.contains("Your role cannot change the address"), "{form}");
        for (change, missing) in [
            (json!({"to": "eve@example.com"}), "logs:reveal"),
            (json!({"variables": {"name": "Eve", "company": "x"}}), "logs:reveal"),
            (json!({"adapter": "adp_0000000000001"}), "adapters:view"),
        ] {
            let refused = support.post(&path(id), change).await;
            refused.assert_error(403, "FORBIDDEN", &format!("Missing permission: {missing}"));
        }
        for function in ["check_resend", "resend_changed"] {
            let said = page_after_on(&support, &format!("/logs/{id}"), function, &[("id", &id.to_string()), ("to", "eve@example.com")]).await;
            assert!(!said.contains("Resent."), "{function}");
        }
        assert_eq!(support.get("/api/logs").await.data()["total"], 1);
    }

    async fn who_sees_masks_has_nothing_sent_to_themselves(app: TestApp) {
        app.add_adapter("Main").await;
        let id = failed(&app, &["name".to_owned()]).await;
        let admin = app.sign_in(Role::Admin).await;
        let refused = admin.post(&path(id), json!({"to": "eve@example.com"})).await;
        assert_eq!(refused.status, 403, "{}", refused.text);
        // The masked value is given back as it is shown, and stays what it was.
        let form = page(&admin, &format!("/logs/{id}/resend")).await;
        assert!(!form.contains("John") && form.contains("Acme Inc"), "{form}");
        let shown = admin.get(&format!("/api/logs/{id}")).await.data()["variables"].clone();
        let change = json!({"variables": {"name": shown["name"], "company": "Finch"}});
        let copy: EmailId = admin.post(&path(id), change).await.text_of("id").parse().unwrap();
        let stored = app.store().find_stored_content(app.team, copy).await.unwrap().unwrap();
        assert_eq!(stored.content.variables, json!({"name": "John", "company": "Finch"}));
        assert_eq!(stored.content.text.as_deref(), Some("Welcome John of Finch"));
        // The first message was put into the log with its subject as it is; one that is sent has it masked there.
        let shown = page(&admin, &format!("/logs/{copy}")).await;
        assert!(!shown.split("This customer").next().unwrap().contains("John"), "{shown}");

        set_rules(&app, TeamRules { reveals_with_reason: true, ..TeamRules::default() }).await;
        let other = app.add_message(Message::with_status(EmailStatus::Failed)).await;
        let refused = admin.post(&path(other), json!({"to": "eve@example.com"})).await;
        assert_eq!(refused.status, 403, "{}", refused.text);
    }

    async fn what_is_wrong_with_a_change_is_told_and_nothing_is_sent(app: TestApp) {
        app.add_adapter("Main").await;
        let web = app.add_adapter_of(AdapterKind::Http, "https://example.com/hook", "Web").await;
        let id = failed(&app, &[]).await;
        let admin = app.sign_in(Role::Admin).await;
        let long = "x".repeat(130 * 1024);
        for (change, field) in [
            (json!({"to": "nobody"}), "to"),
            (json!({"to": "a@example.com, b@example.com"}), "to"),
            (json!({"variables": ["name"]}), "variables"),
            (json!({"variables": {"name": long, "company": "x"}}), "variables"),
        ] {
            admin.post(&path(id), change).await.assert_invalid(field);
        }
        // A variable that the template needs is missing.
        let refused = admin.post(&path(id), json!({"variables": {"name": "Ada"}})).await;
        assert!(refused.status == 400 && refused.text.contains("company"), "{}", refused.text);
        assert_eq!(admin.post(&path(id), json!({"template": "newest"})).await.status, 400);
        assert_eq!(admin.post(&path(id), json!({"cc": "a@example.com"})).await.status, 400);
        for adapter in [web.id.to_string(), app.id_at::<AdapterId>(app.now()).to_string(), "adp_x".to_owned()] {
            admin.post(&path(id), json!({"adapter": adapter})).await.assert_error(404, "NOT_FOUND", "Adapter not found");
        }
        let theirs = app.add_messages_of(app.other_team, &[Message::with_status(EmailStatus::Failed)]).await[0];
        admin.post(&path(theirs), json!({"to": "a@example.com"})).await.assert_error(404, "NOT_FOUND", "Email log not found");
        let here = format!("/logs/{id}/resend");
        let fields = [("id", id.to_string()), ("variables", "{\"name\": ".to_owned())];
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let said = plain(&page_after_on(&admin, &here, "check_resend", &fields).await);
        assert!(said.contains("Variables are not JSON") && said.contains("{\"name\": "), "{said}");
        assert_eq!(admin.get("/api/logs").await.data()["total"], 1);
    }

    async fn the_page_says_what_will_happen_and_sends_what_was_looked_at_once(app: TestApp) {
        app.add_adapter("Main").await;
        let id = failed(&app, &[]).await;
        let admin = app.sign_in(Role::Admin).await;
        let here = format!("/logs/{id}/resend");
        let first = page(&admin, &here).await;
        for words in [
            "It goes to user@example.com.",
            "Its subject is “Welcome to Our Service, John!”.",
            "It says what it said: nothing is made anew.",
            "No variable is changed.",
            "It goes out by “Main”.",
            "Pressing the button twice sends it once.",
        ] {
            assert!(first.contains(words), "{words}: {first}");
        }
        app.add_suppression("eve@example.com").await;
        let (id_text, variables) = (id.to_string(), "{\"name\": \"Ada\",\r\n \"company\": \"Acme Inc\"}");
        let typed = [("id", id_text.as_str()), ("to", "eve@example.com"), ("variables", variables), ("template", "current")];
        let looked = plain(&page_after_on(&admin, &here, "check_resend", &typed).await);
        for words in [
            "It goes to eve@example.com instead of user@example.com.",
            "Its subject is “Hello again to Our Service, Ada!”.",
            "It is made anew from version 2 of “Welcome”, the current one. It was sent from version 1 of “Welcome”.",
            "Changed variables: name.",
            "eve@example.com is on the suppression list since 2024-01-20, because somebody put it there",
            "Resend anyway",
        ] {
            assert!(looked.contains(words), "{words}: {looked}");
        }
        // What was not looked at is not sent.
        let (checked, once) = (hidden(&looked, "checked"), hidden(&looked, "once"));
        let unseen = [("id", id_text.as_str()), ("to", "bob@example.com"), ("checked", &checked), ("once", &once)];
        let said = page_after_on(&admin, &here, "resend_changed", &unseen).await;
        assert!(said.contains("Nothing was sent yet") && said.contains("bob@example.com"), "{said}");
        let mut form = typed.to_vec();
        form.extend([("checked", checked.as_str()), ("once", once.as_str())]);
        let press = async || page_after_on(&admin, &here, "resend_changed", &form).await;
        let (one, two) = tokio::join!(press(), press());
        for said in [one, two] {
            assert!(said.contains("Resent. This is the new message."), "{said}");
        }
        assert_eq!(admin.get("/api/logs").await.data()["total"], 2);
        let copy = app.store().find_email(app.team, id).await.unwrap().unwrap().resent_as[0];
        assert_eq!(app.store().find_email(app.team, copy).await.unwrap().unwrap().recipients[0].address, "eve@example.com");
        // It is under way: another change is refused and says so beforehand.
        assert!(page(&admin, &here).await.contains(&format!("It is being resent already, as {copy}")));
    }

    async fn of_different_changes_at_once_one_is_sent(app: TestApp) {
        app.add_adapter("Main").await;
        let id = failed(&app, &[]).await;
        let admin = app.sign_in(Role::Admin).await;
        let (one, two, path) = (admin.clone(), admin.clone(), path(id));
        let (one, two) = tokio::join!(
            one.post(&path, json!({"to": "a@example.com"})),
            two.post(&path, json!({"template": "current"}))
        );
        let mut statuses = [one.status, two.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409]);
        assert_eq!(admin.get("/api/logs").await.data()["total"], 2);
    }

    async fn a_key_repeats_its_change_and_no_other(app: TestApp) {
        app.add_adapter("Main").await;
        let id = failed(&app, &[]).await;
        let program = app.program(&[Permission::LogsResend, Permission::LogsReveal]).await;
        let program = program.with("idempotency-key", "one");
        let change = json!({"to": "a@example.com"});
        let copy = program.post(&path(id), change.clone()).await.text_of("id");
        assert_eq!(program.post(&path(id), change).await.text_of("id"), copy);
        let other = program.post(&path(id), json!({"to": "b@example.com"})).await;
        assert!(other.status >= 400, "{}", other.text);
    }

    async fn what_is_not_kept_any_more_is_told(app: TestApp) {
        app.add_adapter("Main").await;
        let id = failed(&app, &[]).await;
        let below = EmailId(i64::MAX);
        while app.store().delete_old_bodies(app.team, below).await.unwrap() {}
        let admin = app.sign_in(Role::Admin).await;
        let form = page(&admin, &format!("/logs/{id}/resend")).await;
        assert!(form.contains("Its body is not kept any more") && !form.contains("name=\"variables\""), "{form}");
        let refused = admin.post(&path(id), json!({"template": "current"})).await;
        assert_eq!(refused.status, 409, "{}", refused.text);
    }

    async fn a_bulk_resend_counts_what_goes_to_suppressed_addresses(app: TestApp) {
        app.add_adapter("Main").await;
        app.add_suppression("user@example.com").await;
        let to = |addresses: &[&str]| addresses.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let message = |addresses| Message { to: to(addresses), ..Message::with_status(EmailStatus::Failed) };
        let messages = [message(&["USER@example.com"]), message(&["user@example.com", "a@example.com"]), message(&["b@example.com"])];
        let ids = app.add_messages(&messages).await;
        let admin = app.sign_in(Role::Admin).await;
        let answer = admin.post("/api/logs/resends", json!({"ids": ids, "dryRun": true})).await.data();
        assert_eq!((&answer["resend"], &answer["suppressed"]), (&json!(3), &json!(1)));
        let told = page(&admin, "/resends/new?preset=all&status=failed").await;
        assert!(told.contains("1 of them goes to a suppressed address and will be dropped."), "{told}");
        assert!(told.contains("1 of them has suppressed addresses among its recipients"), "{told}");
    }
}

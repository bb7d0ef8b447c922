//! `/settings/privacy`: what is held, legal holds, and one person in everything, through the front door.

use serde_json::{Value, json};

use super::adapter_form::page_after_on;
use super::*;
use crate::domain::audit::AuditFilter;
use crate::domain::email::EmailStatus;
use crate::domain::ids::EmailId;
use crate::domain::permission::Permission;
use crate::domain::team::{Role, TeamRules};
use crate::server::services::persons::{self, runner};
use crate::server::tests::masking::set_rules;

const PAGE: &str = "/settings/privacy";
const ADDRESS: &str = "ada.zq@example.com";

async fn work(app: &TestApp) {
    while runner::work(&app.app).await.unwrap() {}
}

async fn send(app: &TestApp, to: &str) -> EmailId {
    let program = app.program(&[Permission::EmailsSend]).await;
    let template = app.app.store.list_templates(app.team).await.unwrap().pop();
    let template = match template {
        Some(template) => template.id,
        None => app.add_template("Welcome").await.id,
    };
    let body = json!({ "templateId": template.to_string(), "to": to, "variables": { "name": "Ada" } });
    program.post("/api/v1/send", body).await.text_of("id").parse().unwrap()
}

/// Looks somebody up as the page does; the path of what there is.
async fn look_up(client: &Client, address: &str) -> String {
    let form = client.with("content-type", "application/x-www-form-urlencoded").with("accept", "text/html");
    let form = form.with("referer", &format!("http://127.0.0.1:3000{PAGE}"));
    let body = serde_urlencoded::to_string([("address", address)]).unwrap();
    let answer = form.send("POST", "/fn/look_up_person", Some(body)).await;
    answer.headers["location"].to_str().unwrap().to_owned()
}

async fn page(client: &Client, path: &str) -> String {
    let answer = client.with("accept", "text/html").get(path).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.text
}

/// The audit log of Finch, as JSON.
async fn audit_log(app: &TestApp) -> String {
    let lines = app.store().list_audit_entries(app.team, &AuditFilter::default(), None, 100).await.unwrap();
    json!(lines).to_string()
}

on_both_databases! {
    async fn a_person_is_looked_up_given_out_and_forgotten(app: TestApp) {
        app.add_adapter("Mail").await;
        let admin = app.sign_in(Role::Admin).await;
        let (theirs, other) = (send(&app, ADDRESS).await, send(&app, "bob@example.com").await);
        app.app.request_log.finish().await;
        let path = look_up(&admin, &format!(" {} ", ADDRESS.to_uppercase())).await;
        assert!(path.starts_with("/settings/privacy/person/") && !path.to_lowercase().contains("ada"), "{path}");
        let shown = page(&admin, &path).await;
        assert!(shown.contains("Messages to this address</dt><dd>1<") && shown.contains("Forget for good"), "{shown}");

        let of = path.rsplit('/').next().unwrap().to_owned();
        let file = admin.get(&format!("/settings/privacy/export/{of}")).await;
        assert_eq!((file.status, &file.headers["content-type"]), (200, &"application/x-ndjson".parse().unwrap()));
        let lines: Vec<Value> = file.text.lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect();
        let message = lines.iter().find(|line| line["kind"] == "message").unwrap();
        assert_eq!(message["emails"]["id"], theirs.0);
        assert_eq!(message["email_contents"][0]["html"], "<p>Hello Ada</p>");
        assert!(message["email_events"].as_array().is_some_and(|events| !events.is_empty()));
        assert!(lines.iter().any(|line| line["table"] == "api_request_bodies"), "{}", file.text);
        assert!(!file.text.contains("bob@example.com") && !file.text.contains("key_hash") && !file.text.contains("sealed"));

        let fields = |typed: &'static str| vec![("of", of.clone()), ("typed", typed.to_owned()), ("stays_unwritten", "on".to_owned())];
        let borrowed = |fields: &[(&'static str, String)]| fields.iter().map(|(name, value)| (*name, value.clone())).collect::<Vec<_>>();
        let forget = async |client: &Client, typed: &'static str| {
            let fields = borrowed(&fields(typed));
            let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            page_after_on(client, &path, "forget_person", &fields).await
        };
        let refused = forget(&admin, "bob@example.com").await;
        assert!(refused.contains("type the address to confirm"), "{refused}");
        let begun = forget(&admin, "Ada.Zq@example.com").await;
        assert!(begun.contains("is being forgotten") && begun.contains("Running"), "{begun}");
        // Another member at the same time.
        let owner = app.sign_in(Role::Owner).await;
        assert!(forget(&owner, ADDRESS).await.contains("being forgotten already"));
        work(&app).await;
        let done = page(&admin, PAGE).await;
        assert!(done.contains("Done") && done.contains("1 message<"), "{done}");
        let email = app.store().find_email(app.team, theirs).await.unwrap().unwrap();
        assert!(email.recipients[0].address.ends_with("@forgotten.invalid") && email.subject == "(forgotten)");
        assert_eq!(email.status, EmailStatus::Failed, "it waited, and is canceled");
        assert_eq!(app.store().find_email(app.team, other).await.unwrap().unwrap().recipients[0].address, "bob@example.com");
        page(&admin, &format!("/logs/{theirs}")).await;

        // The audit log tells that it was done, not to whom; and nothing is written to the address.
        let audit = audit_log(&app).await;
        for action in ["person.exported", "person.forgetting", "person.forgotten"] {
            assert!(audit.contains(action), "{audit}");
        }
        assert!(!audit.to_lowercase().contains("ada.zq"), "{audit}");
        let asked = [ADDRESS.to_owned(), "bob@example.com".to_owned()];
        let unwritten = persons::find_unwritten(&app.app, app.team, &asked).await.unwrap();
        assert_eq!(unwritten.iter().map(|(address, _)| address.as_str()).collect::<Vec<_>>(), [ADDRESS]);
        let again = page(&admin, &look_up(&admin, ADDRESS).await).await;
        assert!(again.contains("Let it be written to"), "{again}");
        let said = page_after_on(&admin, &path, "write_to_person_again", &[("of", &of)]).await;
        assert!(said.contains("can be written to again"), "{said}");
        assert_eq!(persons::find_unwritten(&app.app, app.team, &asked).await, Ok(Vec::new()));
    }

    async fn a_senders_address_is_not_forgotten_and_a_masked_member_looks_nobody_up(app: TestApp) {
        app.add_adapter("Mail").await;
        let admin = app.sign_in(Role::Admin).await;
        let path = look_up(&admin, "noreply@example.com").await;
        let shown = page(&admin, &path).await;
        assert!(shown.contains("the sender of the adapter Mail") && !shown.contains("Forget for good"), "{shown}");
        let wrong = look_up(&admin, "ada").await;
        assert!(wrong.starts_with(PAGE) && !wrong.contains("/person/"), "{wrong}");
        set_rules(&app, TeamRules { masks_addresses: true, ..TeamRules::default() }).await;
        app.set_grant(Role::Viewer, Permission::PrivacyExport, true).await;
        let viewer = app.sign_in(Role::Viewer).await;
        assert!(!page(&viewer, PAGE).await.contains("Look up"));
        assert!(!look_up(&viewer, ADDRESS).await.contains("/person/"));
        assert_eq!(viewer.with("accept", "text/html").get(&path).await.status, 403);
    }

    async fn a_hold_is_placed_shown_and_lifted(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let id = app.add_message(Message { to: vec![ADDRESS.to_owned()], ..Message::default() }).await;
        let place = async |fields: &[(&str, &str)]| page_after_on(&admin, PAGE, "place_hold", fields).await;
        for (fields, words) in [
            (vec![("name", "M"), ("reason", "r"), ("scope", "range"), ("from", "2024-02-01"), ("until", "2024-01-01")], "The last day is before the first one"),
            (vec![("name", "M"), ("reason", "r"), ("scope", "message"), ("message", "eml_x")], "Write the id of a message of this team"),
            (vec![("name", ADDRESS), ("reason", "r"), ("scope", "address"), ("address", ADDRESS)], "must not have the address"),
            (vec![("name", "M"), ("reason", " "), ("scope", "team")], "The reason is required"),
        ] {
            let said = place(&fields).await;
            assert!(said.contains(words), "{words}: {said}");
        }
        let placed = place(&[("name", "Matter 7"), ("reason", "Court"), ("scope", "address"), ("address", ADDRESS)]).await;
        assert!(placed.contains("The hold Matter 7 is in force") && placed.contains("In force"), "{placed}");
        let viewer = app.sign_in(Role::Viewer).await;
        assert!(page(&viewer, &format!("/logs/{id}")).await.contains("Kept by a legal hold"));
        let listed = page(&viewer, PAGE).await;
        assert!(listed.contains("Matter 7") && !listed.contains("Place the hold"), "{listed}");
        let person = look_up(&admin, ADDRESS).await;
        let of = person.rsplit('/').next().unwrap();
        let refused = page_after_on(&admin, &person, "forget_person", &[("of", of), ("typed", ADDRESS)]).await;
        assert!(refused.contains("the legal hold “Matter 7” keeps"), "{refused}");
        let owner = app.sign_in(Role::Owner).await;
        let kept = page_after_on(&owner, "/settings/team", "delete_team", &[("team", &app.team.to_string()), ("name", "Finch")]).await;
        assert!(kept.contains("a legal hold is in force"), "{kept}");
        let hold = app.store().list_holds(app.team).await.unwrap()[0].id.to_string();
        let lifted = page_after_on(&admin, PAGE, "lift_hold", &[("id", &hold), ("reason", "Closed")]).await;
        assert!(lifted.contains("is lifted"), "{lifted}");
        assert!(!page(&viewer, &format!("/logs/{id}")).await.contains("Kept by a legal hold"));
        assert!(!audit_log(&app).await.to_lowercase().contains("ada.zq"), "a hold's line has no address");
    }

    async fn every_member_sees_what_is_held(app: TestApp) {
        app.add_messages(&[Message::default(), Message::default()]).await;
        let viewer = app.sign_in(Role::Viewer).await;
        let shown = page(&viewer, PAGE).await;
        for words in ["What is held", "Bodies, variables and exchanges", "for ever", "Webhook deliveries", "30 days"] {
            assert!(shown.contains(words), "{words}: {shown}");
        }
        assert!(!shown.contains("Change how long things are kept") && !shown.contains("Look up"), "{shown}");
    }
}

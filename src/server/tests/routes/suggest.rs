//! What is suggested while a search is typed, and the choice of a template among many.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use super::*;
use crate::domain::email::EmailStatus;
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::team::{Role, TeamRules};
use crate::server::services::api_keys;
use crate::server::store::bulk::HistoricEmail;

/// The searches that are suggested for a text whose end the caret stands at.
async fn suggested(client: &Client, typed: &str) -> Vec<String> {
    let (caret, encoded) = (typed.encode_utf16().count(), utf8_percent_encode(typed, NON_ALPHANUMERIC));
    let answer = client.get(&format!("/logs/suggest?at={caret}&q={encoded}")).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let options = answer.text.split("data-search=\"").skip(1).filter_map(|rest| rest.split('"').next());
    // A value brings a blank with it.
    options
        .map(|search| {
            search.trim_end().replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
        })
        .collect()
}

/// Adds a message with these tags that this server refused.
async fn add_message(app: &TestApp, tags: &[&str], server: &str) {
    let mut historic: HistoricEmail = Message::with_status(EmailStatus::Bounced).historic(app);
    historic.email.tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    for new in &mut historic.email.events {
        new.event.detail.server = Some(server.to_owned());
    }
    app.store().insert_history(app.team, &[historic]).await.unwrap();
}

on_both_databases! {
    async fn names_and_values_are_suggested_at_the_caret(app: TestApp) {
        app.add_template("Order receipt").await;
        app.add_template("<b>\"Reset\"").await;
        app.add_adapter("SES Frankfurt").await;
        add_message(&app, &["receipt", "red 100%"], "mx1.example.com").await;
        add_message(&app, &["receipt"], "mx2.example.com").await;
        for to in ["ada@gmail.com", "bob@Northwind.example", "eve@gmail.com"] {
            app.add_message(Message { to: vec![to.to_owned()], ..Message::default() }).await;
        }
        let client = app.sign_in(Role::Owner).await;
        for (typed, wanted) in [
            ("ada st", &["ada status:"][..]),
            ("-re", &["-reply:", "-reason:"]),
            ("met", &["meta."]),
            ("status:p", &["status:problems"]),
            ("status: p", &["status: problems"]),
            ("status:bounced,fa", &["status:bounced,failed"]),
            ("channel:s", &["channel:sms"]),
            ("template:RECEI", &["template:\"Order receipt\""]),
            ("template:\"<b", &["template:\"<b>\"\"Reset\"\"\""]),
            ("adapter:ses", &["adapter:\"SES Frankfurt\""]),
            ("tag:re", &["tag:receipt", "tag:\"red 100%\""]),
            ("tag:%", &[]),
            ("server:MX", &["server:mx1.example.com", "server:mx2.example.com"]),
            ("provider:gma", &["provider:Gmail"]),
            ("provider:", &["provider:example.com", "provider:Gmail", "provider:northwind.example"]),
            ("provider:yah", &[]),
            ("to:a", &[]),
            ("from:a", &[]),
            ("\"st", &[]),
        ] {
            assert_eq!(suggested(&client, typed).await, wanted, "{typed}");
        }
        let key = api_keys::create_key_of(&app.app, app.team, None, "crm", PermissionSet::all()).await;
        key.unwrap();
        assert_eq!(suggested(&client, "ada crm").await, ["ada key:crm"]);
        assert_eq!(suggested(&client, "-frank").await, ["-adapter:\"SES Frankfurt\""]);
        assert_eq!(suggested(&client, "cr").await, [""; 0], "two letters begin too much");
        let meant = async |typed: &str| {
            let url = format!("/logs/suggest?at={}&q={}", typed.len(), utf8_percent_encode(typed, NON_ALPHANUMERIC));
            client.get(&url).await.text.contains("data-meant")
        };
        assert!(meant("tag:rec").await && meant("status:bounced,fa").await && meant("key:cr").await);
        // A name, none of several, no beginning, and what is a value itself.
        for typed in ["sta", "server:mx", "template:", "tag:receipt", "crm"] {
            assert!(!meant(typed).await, "{typed}");
        }
        assert_eq!(suggested(&client, "status:").await.len(), 9);
        let too_long = format!("/logs/suggest?q={}", "x".repeat(501));
        assert_eq!(client.get(&too_long).await.status, 400);
        assert_eq!(suggested(&client, "reason:").await.len(), 8);
    }

    async fn values_of_recent_messages_alone_say_so(app: TestApp) {
        add_message(&app, &["receipt"], "mx1.example.com").await;
        app.add_template("Order receipt").await;
        let client = app.sign_in(Role::Owner).await;
        for (typed, is_recent) in [
            ("tag:rec", true),
            ("server:mx", true),
            ("provider:ex", true),
            ("template:rec", false),
            ("status:p", false),
            ("ta", false),
        ] {
            let encoded = utf8_percent_encode(typed, NON_ALPHANUMERIC);
            let list = client.get(&format!("/logs/suggest?at={}&q={encoded}", typed.len())).await.text;
            assert!(list.contains("role=\"option\""), "{typed}: {list}");
            assert_eq!(list.contains("<span>recent</span>"), is_recent, "{typed}: {list}");
        }
    }

    async fn suggestions_tell_nothing_that_the_role_does_not_see(app: TestApp) {
        app.add_adapter("SES Frankfurt").await;
        add_message(&app, &["ada@customer.example", "plain"], "mx1.example.com").await;
        let template = app.add_template("Order receipt").await;
        let mut marked = Message::with_status(EmailStatus::Sent).historic(&app);
        marked.email.tags = vec!["secret".to_owned()];
        marked.email.variables = json!({"code": "secret"});
        marked.email.template = Some((template.id, template.current.id));
        app.store().insert_history(app.team, &[marked]).await.unwrap();
        let owner = app.sign_in(Role::Owner).await;
        assert_eq!(suggested(&owner, "tag:").await, ["tag:ada@customer.example", "tag:plain", "tag:secret"]);
        let masks = json!({"subject": "s", "text": "t", "maskedVariables": ["code"]});
        assert_eq!(owner.put(&format!("/api/templates/{}", template.id), masks).await.status, 200);
        assert_eq!(suggested(&owner, "tag:").await, ["tag:ada@customer.example", "tag:plain"]);
        let rules = TeamRules { masks_addresses: true, ..TeamRules::default() };
        assert_eq!(app.store().update_team(app.team, "Finch", rules, &app.event()).await, Ok(true));
        let reveal = Permission::LogsReveal;
        app.set_grant(Role::Viewer, reveal, false).await;
        let viewer = app.sign_in(Role::Viewer).await;
        assert_eq!(suggested(&viewer, "tag:").await, ["tag:plain"]);
        app.set_grant(Role::Viewer, Permission::AdaptersView, false).await;
        assert!(suggested(&viewer, "adapter:").await.is_empty());
        app.program(&[Permission::EmailsSend]).await;
        app.set_grant(Role::Viewer, Permission::ApiKeysView, false).await;
        assert_eq!(suggested(&viewer, "key:").await.len(), 1, "messages show the names of keys");
        assert!(suggested(&viewer, "provider:").await.is_empty(), "a domain is a part of an address");
        assert!(!suggested(&owner, "provider:").await.is_empty());
        assert_eq!(suggested(&owner, "adapter:").await, ["adapter:\"SES Frankfurt\""]);
        let other = app.sign_in_elsewhere().await;
        for typed in ["tag:", "server:", "template:", "adapter:", "key:", "provider:"] {
            assert!(suggested(&other, typed).await.is_empty(), "{typed}");
        }
    }

    async fn the_page_is_no_larger_for_many_templates(app: TestApp) {
        let add = async |from: usize, to: usize| {
            for number in from..to {
                app.add_template(&format!("Template {number:04}")).await;
            }
        };
        app.add_message(Message::default()).await;
        add(0, 10).await;
        let client = app.sign_in(Role::Owner).await.with("accept", "text/html");
        let few = client.get("/logs").await.text;
        add(10, 200).await;
        let many = client.get("/logs").await.text;
        assert!(many.contains("Template 0199") && !many.contains("Template 0042"));
        assert!(many.len() < few.len() + 1_000, "{} after {}", many.len(), few.len());
        let found = client.get("/logs/templates?find=E%200042&channel=email").await.text;
        assert!(found.contains("Template 0042") && !found.contains("Template 0043"));
        let url = found.split("href=\"").filter_map(|rest| rest.split('"').next()).find(|url| url.contains("template="));
        let url = url.unwrap().replace("&amp;", "&");
        assert!(url.contains("channel=email"), "{url}");
        let chosen = client.get(&url).await.text;
        assert!(chosen.contains("Template: "), "the chip names what is not among the newest");
        assert!(chosen.contains("Template 0042"));
        assert!(client.get("/logs/templates?find=nobody").await.text.contains("No template has this in its name."));
    }

    async fn a_search_without_results_offers_what_is_near_and_finds_something(app: TestApp) {
        let mut message = Message::default().historic(&app);
        message.email.recipients[0].address = "ada@gmail.com".to_owned();
        app.store().insert_history(app.team, &[message]).await.unwrap();
        let client = app.sign_in(Role::Owner).await.with("accept", "text/html");
        let page = async |search: &str| client.get(&format!("/logs?preset=all&q={search}")).await.text;
        let near = page("ada%40gmial.com").await;
        assert!(near.contains("Did you mean") && near.contains("q=ada@gmail.com\""), "{near}");
        assert!(page("ada%40gmail.com%20nobody").await.contains("q=ada@gmail.com\""));
        for search in ["eve%40gmial.com", "nobody", "nobody%20ada"] {
            assert!(!page(search).await.contains("Did you mean"), "{search}");
        }
    }

    async fn words_that_name_a_tag_a_key_a_provider_or_an_answer_are_offered_as_that(app: TestApp) {
        add_message(&app, &["order_shipped"], "mx1.example.com").await;
        app.add_message(Message { subject: "About order_shipped".to_owned(), ..Message::default() }).await;
        let mut refused = Message { subject: "Bill 550 gmail".to_owned(), ..Message::with_status(EmailStatus::Bounced) }.historic(&app);
        refused.email.recipients[0].address = "ada@gmail.com".to_owned();
        for new in &mut refused.email.events {
            new.event.detail.reply = Some("550 5.1.1 No such user".to_owned());
        }
        app.store().insert_history(app.team, &[refused]).await.unwrap();
        let client = app.sign_in(Role::Owner).await.with("accept", "text/html");
        let page = async |search: &str| client.get(&format!("/logs?preset=all&q={search}")).await.text;
        for (search, offered) in
            [("order_shipped", "tag:order_shipped"), ("550", "reply:550"), ("gmail", "provider:Gmail")]
        {
            let shown = page(search).await;
            assert!(shown.contains("row-link") && shown.contains("Did you mean"), "{search}: {shown}");
            assert!(shown.contains(&format!("q={offered}\">{offered}<")), "{search}: {shown}");
        }
        for search in ["order", "order_shipped%20about", "tag:order_shipped", "ada"] {
            assert!(!page(search).await.contains("Did you mean"), "{search}");
        }
    }

    async fn words_that_say_what_became_of_a_message_are_offered_as_its_status_and_its_reason(app: TestApp) {
        let mut full = Message::with_status(EmailStatus::Bounced).historic(&app);
        for new in &mut full.email.events {
            new.event.detail.reply = Some("552 5.2.2 Mailbox full".to_owned());
        }
        app.store().insert_history(app.team, &[full]).await.unwrap();
        let client = app.sign_in(Role::Viewer).await.with("accept", "text/html");
        let page = async |search: &str| client.get(&format!("/logs?preset=all&q={search}")).await.text;
        for (search, offered) in [
            ("Bounced", "status:bounced"),
            ("The%20mailbox%20is%20full", "reason:mailbox-full"),
            ("mailbox%20full", "reason:mailbox-full"),
        ] {
            let shown = page(search).await;
            assert!(shown.contains("Did you mean"), "{search}: {shown}");
            assert!(shown.contains(&format!("q={offered}\">{offered}<")), "{search}: {shown}");
        }
        for search in ["Delivered", "address%20unknown"] {
            assert!(!page(search).await.contains("Did you mean"), "nothing is so: {search}");
        }
    }

    async fn a_tag_that_no_message_has_offers_those_that_begin_so(app: TestApp) {
        add_message(&app, &["onboarding", "on call"], "mx1.example.com").await;
        let client = app.sign_in(Role::Viewer).await.with("accept", "text/html");
        let page = async |search: &str| client.get(&format!("/logs?preset=all&q={search}")).await.text;
        let nothing = page("ada%20tag:onboard").await;
        let offer = "<a href=\"/logs?preset=all&amp;q=ada%20tag:onboarding\">onboarding<";
        assert!(nothing.contains("Tags are found whole.") && nothing.contains(offer), "{nothing}");
        assert!(!nothing.contains(">on call<"), "{nothing}");
        for search in ["tag:nobody", "tag:onboarding", "ada%20tag:onboarding", "ada%20-tag:onboard", "ada%20tag:on,off"] {
            assert!(!page(search).await.contains("Tags are found whole"), "{search}");
        }
    }

    async fn a_search_by_provider_that_finds_nothing_says_which_there_are(app: TestApp) {
        let mut message = Message::default().historic(&app);
        message.email.recipients[0].address = "ada@gmail.com".to_owned();
        app.store().insert_history(app.team, &[message]).await.unwrap();
        let client = app.sign_in(Role::Owner).await.with("accept", "text/html");
        let nothing = client.get("/logs?preset=all&channel=email&q=ada%20provider:Yahoo").await.text;
        let offer = "<a href=\"/logs?preset=all&amp;channel=email&amp;q=ada%20provider:Gmail\">Gmail<";
        assert!(nothing.contains("Recent messages went to mailboxes at: ") && nothing.contains(offer), "{nothing}");
        let found = client.get("/logs?preset=all&channel=email&q=ada%20provider:Gmail").await.text;
        assert!(found.contains("ada@gmail.com") && !found.contains("went to mailboxes at"), "{found}");
        assert!(!client.get("/logs?preset=all&q=ada%20-provider:Yahoo,Gmail").await.text.contains("went to mailboxes"));
    }
}

//! What searches, resends and exports tell to whom contents or addresses are masked.

use super::*;

on_both_databases! {
    async fn a_search_is_no_oracle_for_masked_addresses(app: TestApp) {
        plant(&app).await;
        set_rules(&app, TeamRules { masks_addresses: true, ..TeamRules::default() }).await;
        let (owner, blind) = (app.sign_in(Role::Owner).await, blind(&app).await);
        let count = async |client: &Client, search: &str| {
            let search = search.replace('@', "%40");
            client.get(&format!("/api/logs?search={search}")).await.data()["total"].as_i64().unwrap()
        };
        for part in ["pl4nted", "l4", "ada@customer.example", "customer.example", "pl4nted.ada@customer.exampl"] {
            assert_eq!(count(&blind, part).await, 0, "{part}");
            assert!(count(&owner, part).await >= 2, "{part}");
        }
        assert_eq!(count(&blind, ADDRESS).await, 2);
        assert_eq!(count(&blind, "plain").await, 1);
        let key = key_of(&app, all_but_reveal()).await;
        let jetemail = with_bearer(&app, &key).with("user-agent", "a/1");
        let by_reply = async |part: &str| {
            let answer = jetemail.get(&format!("/jetemail/outbound/logs?response={part}")).await;
            answer.json()["pagination"]["total_count"].as_i64().unwrap_or_else(|| panic!("{}", answer.text))
        };
        assert_eq!(by_reply("pl4nted").await, 0);
        let requests = async |client: &Client, part: &str| {
            let page = client.get(&format!("/requests?preset=30d&endpoint={part}")).await;
            assert_eq!(page.status, 200, "{}", page.text);
            page.text.matches("href=\"/requests/req_").count()
        };
        assert_eq!(requests(&blind, "customers/pl4n").await, 0);
        assert!(requests(&owner, "customers/pl4n").await >= 1);
        assert!(requests(&blind, "v1/send").await >= 1);
    }

    async fn a_search_finds_for_each_role_what_it_sees(app: TestApp) {
        plant(&app).await;
        let (owner, blind) = (app.sign_in(Role::Owner).await, blind(&app).await);
        let count = async |client: &Client, search: &str| {
            client.get(&format!("/api/logs?search={search}")).await.data()["total"].as_i64().unwrap()
        };
        for search in [CODE, "nted-code"] {
            assert_eq!((count(&owner, search).await, count(&blind, search).await), (0, 0), "{search}");
        }
        for (search, by_owner, by_blind) in [
            ("lovelace", 1, 1),
            ("L%C3%B3VELACE%20code", 1, 1),
            ("%20lovelace%20%20pl4nted.ada", 1, 1),
            ("pl4nted-meta", 1, 1),
            ("nted-meta", 1, 0),
            ("pl4nted-name%20lovelace", 1, 0),
            ("lovelace%20ta", 1, 0),
        ] {
            assert_eq!((count(&owner, search).await, count(&blind, search).await), (by_owner, by_blind), "{search}");
        }
        assert!(count(&owner, "nted-name").await > 1);
        let page = owner.get("/logs?preset=30d&search=nted-meta").await.text;
        assert!(page.contains("••••••") && page.contains("/logs/eml_"), "{page}");
        // Who must give a reason to see contents does not learn them by searching.
        set_rules(&app, TeamRules { reveals_with_reason: true, ..TeamRules::default() }).await;
        for (search, found) in [("nted-meta", 0), ("pl4nted-meta", 1), ("pl4nted-name", 0), ("lovelace", 1)] {
            assert_eq!(count(&owner, search).await, found, "{search}");
        }
        set_rules(&app, TeamRules { masks_addresses: true, ..TeamRules::default() }).await;
        for (search, found) in [("pl4nted-meta", 0), ("lovelace", 0), ("lo", 0), ("pl4nted-name", 0)] {
            assert_eq!(count(&blind, search).await, found, "{search}");
        }
    }

    async fn no_qualifier_finds_a_part_of_what_a_role_does_not_see(app: TestApp) {
        plant(&app).await;
        set_rules(&app, TeamRules { masks_addresses: true, ..TeamRules::default() }).await;
        let (owner, blind) = (app.sign_in(Role::Owner).await, blind(&app).await);
        // None: refused.
        let count = async |client: &Client, search: &str| {
            let search = percent_encoding::utf8_percent_encode(search, percent_encoding::NON_ALPHANUMERIC);
            let answer = client.get(&format!("/api/logs?q={search}")).await;
            (answer.status != 400).then(|| answer.data()["total"].as_i64().unwrap())
        };
        for qualifier in Qualifier::ALL {
            let parts: &[&str] = match qualifier {
                Qualifier::From => &["from:l4nted", "from:pl4nted.from", "from:pl4nted.from@finch.exampl"],
                Qualifier::To => {
                    &["to:l4nted", "to:lovelace", "to:pl4nted.ada", "to:@customer.example", "to:4nted.ada@customer.example", "to:+4917012398"]
                }
                Qualifier::Subject => &["subject:l4nted", "subject:\"code pl4\""],
                Qualifier::Template => &["template:l4nted"],
                Qualifier::Tag => &["tag:l4nted", "tag:t-pl4nted", "tag:t-"],
                Qualifier::Key => &["key:l4nted"],
                Qualifier::Adapter => &["adapter:l4nted"],
                Qualifier::Reply => &["reply:l4nted", "reply:ada@customer", "reply:unknown"],
                Qualifier::Server => &["server:l4nted", "server:host-", "server:mx.pl4nted"],
                Qualifier::Provider => {
                    &["provider:l4nted.ada@customer.example", "provider:stomer.example", "provider:pl4nted-code.example", "provider:code.example"]
                }
                Qualifier::Meta => &["meta.order:l4nted", "meta.order:pl4nted-meta"],
                Qualifier::Id => &["id:l4nted", "id:pl4nted.ada"],
                Qualifier::Person => &["person:l4nted", "person:pl4nted.ada"],
                // Their values are known; what a group is called says nothing of what is in it.
                Qualifier::Status
                | Qualifier::Reason
                | Qualifier::Group
                | Qualifier::Channel
                | Qualifier::Is
                | Qualifier::Has
                | Qualifier::Before
                | Qualifier::After => &[],
            };
            for part in parts {
                assert!(matches!(count(&blind, part).await, None | Some(0)), "{part}");
                // Nor does the other way round tell.
                let all = count(&blind, "-is:scheduled").await;
                let denied = count(&blind, &format!("-{part}")).await;
                assert!(denied.is_none() || denied == all, "-{part}: {denied:?} of {all:?}");
            }
        }
        for whole in ["from:pl4nted.from@finch.example", "to:pl4nted.ada@customer.example", "tag:paid", "provider:customer.example"] {
            assert!(count(&blind, whole).await > Some(0), "{whole}");
        }
        for part in ["from:l4nted", "to:lovelace", "to:pl4nted.ada", "reply:ada@customer"] {
            assert!(count(&owner, part).await > Some(0), "{part}");
        }
        assert_eq!(count(&blind, "meta.order:x").await, None);
        set_rules(&app, TeamRules { reveals_with_reason: true, ..TeamRules::default() }).await;
        assert_eq!(count(&owner, "meta.order:x").await, None);
    }

    async fn a_search_is_no_oracle_for_marked_variables(app: TestApp) {
        plant(&app).await;
        let key = key_of(&app, PermissionSet::all()).await;
        let jetemail = with_bearer(&app, &key).with("user-agent", "a/1");
        for (part, found) in [(CODE, 0), ("nted-c", 0), ("unknown", 1), ("unknown%200000", 1)] {
            let answer = jetemail.get(&format!("/jetemail/outbound/logs?response={part}")).await;
            assert_eq!(answer.json()["pagination"]["total_count"], found, "{part}: {}", answer.text);
        }
    }

    async fn a_resend_sends_the_true_contents_and_is_audited(app: TestApp) {
        let planted = plant(&app).await;
        let admin = blind(&app).await;
        let answer = post_form(&admin, "resend_email", format!("id={}", planted.email)).await;
        let new: EmailId = answer.headers["location"].to_str().unwrap().trim_start_matches("/logs/").parse().unwrap();
        let outgoing = app.store().find_outgoing(app.team, new).await.unwrap().unwrap();
        assert_eq!(outgoing.subject, "Code pl4nted-code for you");
        assert!(outgoing.html.unwrap().contains(CODE) && outgoing.variables["code"] == CODE);
        let sms = app.store().find_outgoing(app.team, planted.sms).await.unwrap().unwrap();
        assert_eq!(sms.text.as_deref(), Some("Dear pl4nted-name: pl4nted-code"));
        let line = &audited(&app, AuditAction::EmailResent).await[0];
        assert_eq!(line.target.as_deref(), Some(planted.email.to_string().as_str()));
        assert_eq!(line.after, Some(json!({"resentAs": new})));
        assert!(!app.sign_in(Role::Owner).await.get(&format!("/logs/{new}")).await.text.contains(CODE));
    }

    async fn an_export_holds_what_the_list_shows_and_is_audited(app: TestApp) {
        let (client, owner) = (blind(&app).await, app.sign_in(Role::Owner).await);
        let messages = [
            Message { subject: "=cmd|' /C calc'!A0".to_owned(), to: vec![ADDRESS.to_owned()], ..Message::default() },
            Message { subject: "Two, \"quoted\"".to_owned(), ..Message::with_status(EmailStatus::Failed) },
        ];
        let ids = app.add_messages(&messages).await;
        app.add_messages_of(app.other_team, &[Message { subject: "Foreign".to_owned(), ..Message::default() }]).await;
        let answer = owner.get("/logs/export?format=csv&preset=30d").await;
        assert_eq!(answer.headers["content-type"], "text/csv; charset=utf-8; header=present");
        assert_eq!(answer.headers["content-disposition"], "attachment; filename=\"messages-20240120-120000.csv\"");
        let lines: Vec<&str> = answer.text.split_terminator("\r\n").collect();
        assert_eq!(
            lines[0],
            "\u{feff}id,Status,Recipient,Recipient name,Other recipients,Channel,Subject,Reason,Reply code,Template,Accepted (UTC)"
        );
        assert!(lines[1].starts_with(&format!("{},Failed,user@example.com,,,Email,", ids[1])), "{}", lines[1]);
        assert!(lines[1].ends_with(",2024-01-20T10:30:00+00:00"), "{}", lines[1]);
        assert!(lines[1].contains("\"Two, \"\"quoted\"\"\""), "{}", lines[1]);
        assert!(lines[2].contains(&format!(",{ADDRESS},")) && lines[2].contains(",'=cmd|' /C calc'!A0,"), "{}", lines[2]);
        assert_eq!(lines.len(), 3);
        set_rules(&app, TeamRules { masks_addresses: true, ..TeamRules::default() }).await;
        let answer = client.get("/logs/export?format=ndjson&preset=30d&status=delivered").await;
        let objects: Vec<Value> = answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(objects.len(), 1);
        assert_eq!((&objects[0]["id"], &objects[0]["to"]), (&json!(ids[0]), &json!(["p•••@customer.example"])));
        let lines = audited(&app, AuditAction::LogExported).await;
        assert_eq!(lines[0].after, Some(json!({"format": "ndjson", "filter": {"preset": "30d", "status": "delivered"}})));
        assert_eq!(lines.len(), 2);
        for (client, status) in [(app.sign_in(Role::Member).await, 403), (app.client(), 401)] {
            assert_eq!(client.get("/logs/export").await.status, status);
        }
        assert_eq!(owner.get("/logs/export?format=xlsx").await.status, 400);
        assert_eq!(owner.with("sec-fetch-site", "cross-site").get("/logs/export").await.status, 403);
        assert_eq!(audited(&app, AuditAction::LogExported).await.len(), 2);
        assert!(owner.get("/logs").await.text.contains("/logs/export?format=csv"));
        assert!(!app.sign_in(Role::Member).await.get("/logs").await.text.contains("href=\"/logs/export"));
    }

    async fn a_sheet_keeps_the_masks_of_who_exports_it(app: TestApp) {
        plant(&app).await;
        set_rules(&app, TeamRules { masks_addresses: true, ..TeamRules::default() }).await;
        let (owner, blind) = (app.sign_in(Role::Owner).await, blind(&app).await);
        let sheet = async |client: &Client| client.get("/logs/export?preset=30d").await.text;
        let (whole, masked) = (sheet(&owner).await, sheet(&blind).await);
        assert!(whole.contains(&format!(",{ADDRESS},{CUSTOMER},")), "{whole}");
        assert!(masked.contains(",p•••@customer.example,,") && !masked.contains(CUSTOMER), "{masked}");
        // The code of the answer, and not its words, in which an address and a marked value stand.
        for file in [whole, masked] {
            assert!(file.contains(",550 5.1.1,") && !file.contains("is unknown") && !file.contains(CODE), "{file}");
        }
    }

    async fn an_export_of_chosen_messages_holds_those_of_the_team_alone(app: TestApp) {
        let (owner, ids) = (app.sign_in(Role::Owner).await, app.add_messages(&vec![Message::default(); 60]).await);
        let foreign = app.add_messages_of(app.other_team, &[Message::default()]).await[0];
        let old = app.add_message(Message { at: app.now() - TimeDelta::days(300), ..Message::default() }).await;
        let mut chosen: Vec<EmailId> = ids[..50].to_vec();
        chosen.push(old);
        let query = |ids: &[EmailId]| ids.iter().map(|id| format!("&ids={id}")).collect::<String>();
        let answer = owner.get(&format!("/logs/export?format=ndjson{}{}", query(&chosen), query(&[foreign]))).await;
        let mut found: Vec<String> =
            answer.text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned()).collect();
        let mut expected: Vec<String> = chosen.iter().map(ToString::to_string).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
        let lines = audited(&app, AuditAction::LogExported).await;
        assert_eq!(lines[0].after.as_ref().unwrap()["filter"]["ids"].as_array().unwrap().len(), 52);
        let too_many = owner.get(&format!("/logs/export?x=1{}", query(&vec![ids[0]; 201]))).await;
        assert!(too_many.status == 400 && too_many.text.contains("at most 200"), "{too_many:?}");
        assert_eq!(owner.get("/logs/export?ids=eml_x").await.status, 400);
    }

    async fn an_export_that_fails_half_way_does_not_look_whole(app: TestApp) {
        let messages = vec![Message::default(); 1200];
        app.add_messages(&messages).await;
        let owner = app.sign_in(Role::Owner).await;
        let whole = owner.get("/logs/export?preset=30d").await;
        assert_eq!(whole.text.lines().count(), 1201);
        let mut request = Request::builder().method(Method::GET).uri("/logs/export?preset=30d").body(Body::empty()).unwrap();
        request.headers_mut().extend(owner.headers.clone());
        request.extensions_mut().insert(Peer::from(owner.address));
        let response = app.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        app.store().close().await;
        assert!(to_bytes(response.into_body(), usize::MAX).await.is_err());
    }
}

//! `/api/adapters/…`.

use serde_json::json;

use super::*;
use crate::domain::adapter::AdapterKind;
use crate::domain::channel::Channel;
use crate::domain::error::AppError;
use crate::domain::team::Role;
use crate::server::services::adapters::{AdapterChange, GivenAddress, NewAdapter, create_adapter, update_adapter};

on_both_databases! {
    async fn an_adapter_leads_to_no_private_address_unless_the_operator_allows_it(app: TestApp) {
        let guarded = app.beside_on_the_internet().await;
        let admin = app.viewer(Role::Admin).await;
        let new = |kind, url: &str| NewAdapter {
            name: String::new(),
            kind,
            address: GivenAddress::Url(url.to_owned()),
            from_address: "Finch <a@finch.example>".to_owned(),
            is_default: false,
        };
        let mut refusals = Vec::new();
        for host in ["127.0.0.1:25", "127.0.0.1:1", "169.254.169.254", "[::1]:80", "[::ffff:10.0.0.1]", "localhost"] {
            for (kind, scheme) in [(AdapterKind::Smtp, "smtp"), (AdapterKind::Http, "http")] {
                let new = new(kind, &format!("{scheme}://{host}"));
                let refused = create_adapter(&guarded, &admin, new.clone()).await.unwrap_err();
                assert!(matches!(&refused, AppError::Validation { field: Some(field), .. } if field == "url"));
                let said = refused.to_string();
                refusals.push(said[said.find(" leads to").unwrap_or_default()..].to_owned());
            }
        }
        refusals.dedup();
        assert_eq!(refusals.len(), 1, "{refusals:?}");
        // Other spellings of 127.0.0.1, which a browser understands.
        for host in ["2130706433", "0x7f.1", "0177.0.0.1"] {
            let new = new(AdapterKind::Http, &format!("http://{host}/"));
            assert!(create_adapter(&guarded, &admin, new).await.is_err(), "{host}");
        }
        let made = create_adapter(&guarded, &admin, new(AdapterKind::Smtp, "smtp://mail.finch.example")).await;
        let address = Some(GivenAddress::Url("smtp://10.0.0.1".to_owned()));
        let change = AdapterChange { address, ..AdapterChange::default() };
        assert!(update_adapter(&guarded, &admin, made.unwrap().id, change).await.is_err());
        let made = create_adapter(&app.app, &admin, new(AdapterKind::Http, "http://127.0.0.1:9")).await;
        assert_eq!(made.unwrap().endpoint, "http://127.0.0.1:9/");
    }

    async fn an_adapter_is_added_changed_and_deleted(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let added = admin
            .post(
                "/api/adapters",
                json!({
                    "name": "Mail", "type": "smtp", "url": "smtp://sendlog:hush%20hush@mail.finch.example:587",
                    "from": "Finch <receipts@finch.example>",
                }),
            )
            .await;
        assert_eq!(added.status, 201);
        let id = added.text_of("id");
        let path = format!("/api/adapters/{id}");
        let data = added.data();
        assert_eq!((&data["isDefault"], &data["type"]), (&json!(true), &json!("smtp")));
        assert_eq!(data["from"], "Finch <receipts@finch.example>");
        for answer in [&added, &admin.get(&path).await, &admin.get("/api/adapters").await] {
            assert!(!answer.text.contains("hush") && answer.text.contains("mail.finch.example"), "{}", answer.text);
        }

        let changed = admin.put(&path, json!({"name": "Post", "url": "smtp://post.finch.example"})).await.data();
        assert_eq!(changed["name"], "Post");
        assert!(changed["endpoint"].as_str().unwrap().starts_with("smtp://post.finch.example"));
        assert_eq!(admin.get("/api/adapters").await.data(), json!([changed]));

        assert_eq!(admin.delete(&path).await.data(), json!({"id": id}));
        admin.get(&path).await.assert_error(404, "NOT_FOUND", "Adapter not found");
    }

    async fn a_web_address_is_an_adapter_too(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        app.add_adapter("Mail").await;
        let body = json!({"type": "http", "url": "https://ada:hush@hooks.finch.example/sms?key=hush"});
        let added = admin.post("/api/adapters", body).await;
        assert_eq!(added.status, 201, "{}", added.text);
        let data = added.data();
        assert_eq!(
            (&data["name"], &data["type"], &data["from"], &data["endpoint"], &data["isDefault"]),
            (
                &json!("hooks.finch.example"),
                &json!("http"),
                &json!("hooks.finch.example"),
                &json!("https://hooks.finch.example/sms"),
                &json!(true)
            )
        );
        let path = format!("/api/adapters/{}", added.text_of("id"));
        let change = json!({"url": "http://tok-hush@127.0.0.1:9/x", "from": "FINCH"});
        let changed = admin.put(&path, change).await.data();
        assert_eq!((&changed["endpoint"], &changed["from"]), (&json!("http://127.0.0.1:9/x"), &json!("FINCH")));
        for answer in [&added, &admin.get(&path).await, &admin.get("/api/adapters").await] {
            assert!(!answer.text.contains("hush"), "{}", answer.text);
        }
        // Each kind has a default of its own.
        let second = admin.post("/api/adapters", json!({"type": "http", "url": "https://b.example", "isDefault": true})).await;
        assert_eq!(second.data()["isDefault"], true);
        assert_eq!(admin.get(&path).await.data()["isDefault"], false);
        let adapters = admin.get("/api/adapters").await.data();
        let defaults = adapters.as_array().unwrap().iter().filter(|adapter| adapter["isDefault"] == true).count();
        assert_eq!(defaults, 2);
        let wrong = json!({"type": "http", "url": "smtp://u:hush@a.example"});
        admin.post("/api/adapters", wrong).await.assert_invalid("url");
        admin.put(&path, json!({"url": "smtp://u:hush@a.example"})).await.assert_invalid("url");
        admin.post("/api/adapters", json!({"type": "smtp", "url": "smtp://a.example"})).await.assert_invalid("from");
    }

    async fn messages_that_wait_for_an_adapter_go_out_when_there_is_one(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let wait = async || {
            let mut email = Message::default().historic(&app).email;
            (email.adapter_id, email.channel) = (None, Channel::Sms);
            app.store().insert_email(app.team, &email).await.unwrap();
            assert!(app.store().find_email(app.team, email.id).await.unwrap().unwrap().waits_for_adapter);
            email.id
        };
        let id = wait().await;
        let added = admin.post("/api/adapters", json!({"type": "http", "url": "https://a.example"})).await;
        app.store().give_all_waiting(app.now()).await.unwrap();
        let email = app.store().find_email(app.team, id).await.unwrap().unwrap();
        assert_eq!((email.waits_for_adapter, email.next_attempt_at), (false, Some(app.now())));
        assert_eq!(email.adapter_id.unwrap().to_string(), added.text_of("id"));

        // The same when one that is there becomes the default.
        let other = admin.post("/api/adapters", json!({"type": "http", "url": "https://b.example"})).await.text_of("id");
        assert_eq!(admin.delete(&format!("/api/adapters/{}", added.text_of("id"))).await.status, 200);
        let id = wait().await;
        admin.put(&format!("/api/adapters/{other}"), json!({"isDefault": true})).await.data();
        app.store().give_all_waiting(app.now()).await.unwrap();
        let email = app.store().find_email(app.team, id).await.unwrap().unwrap();
        assert_eq!(email.adapter_id.unwrap().to_string(), other);
        assert!(!email.waits_for_adapter);
    }

    async fn a_team_has_one_default(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let first = app.add_adapter("First").await;
        let second = app.add_adapter("Second").await;
        assert!(first.is_default && !second.is_default);
        let path = |id| format!("/api/adapters/{id}");
        assert_eq!(admin.put(&path(second.id), json!({"isDefault": true})).await.data()["isDefault"], true);
        assert_eq!(admin.get(&path(first.id)).await.data()["isDefault"], false);
        admin.put(&path(second.id), json!({"isDefault": false})).await.assert_error(
            409,
            "CONFLICT",
            "Make another adapter the default instead",
        );
    }

    async fn wrong_input_is_told_by_field(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        for (body, field) in [
            (json!({"type": "pigeon", "url": "smtp://a.example", "from": "a@b.example"}), "type"),
            (json!({"type": "smtp", "url": "http://user:hush@a.example", "from": "a@b.example"}), "url"),
            (json!({"type": "smtp", "url": "smtp://", "from": "a@b.example"}), "url"),
            (json!({"type": "smtp", "url": "smtp://a.example", "from": "nobody"}), "from"),
            (json!({"type": "smtp", "url": "smtp://a.example", "from": "a@b.example\r\nBcc: c@d.example"}), "from"),
            (json!({"type": "smtp", "from": "a@b.example"}), "url"),
            (json!({"type": "smtp", "url": "smtp://a.example", "from": "a@b.example", "password": "hush"}), "password"),
        ] {
            let answer = admin.post("/api/adapters", body).await;
            answer.assert_invalid(field);
            assert!(!answer.text.contains("hush"), "{}", answer.text);
        }
        app.add_adapter("Mail").await;
        let body = json!({"name": "Mail", "type": "smtp", "url": "smtp://a.example", "from": "a@b.example"});
        admin.post("/api/adapters", body).await.assert_error(
            409,
            "ALREADY_EXISTS",
            "An adapter named “Mail” exists already",
        );
    }

    async fn roles_have_their_permissions(app: TestApp) {
        let path = format!("/api/adapters/{}", app.add_adapter("Mail").await.id);
        let member = app.sign_in(Role::Member).await;
        member.get(&path).await.data();
        member
            .post("/api/adapters", json!({"type": "smtp", "url": "smtp://a.example", "from": "a@b.example"}))
            .await
            .assert_error(403, "FORBIDDEN", "Missing permission: adapters:create");
        member.put(&path, json!({})).await.assert_error(403, "FORBIDDEN", "Missing permission: adapters:update");
        member.delete(&path).await.assert_error(403, "FORBIDDEN", "Missing permission: adapters:delete");
        let stranger = app.sign_in_elsewhere().await;
        for (method, body) in [("GET", None), ("PUT", Some("{}".to_owned())), ("DELETE", None)] {
            stranger.send(method, &path, body).await.assert_error(404, "NOT_FOUND", "Adapter not found");
        }
    }
}

//! Adapters of providers, as a person sets them up by the form and a program by the API.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::HeaderMap;
use serde_json::json;

use super::adapter_form::{only_adapter, page_after_on};
use super::*;
use crate::domain::adapter::AdapterKind;
use crate::domain::team::Role;

/// A server that stands for SendGrid; its address, and the log-ins that it was sent.
async fn stand_in() -> (String, Arc<Mutex<Vec<String>>>) {
    let log_ins = Arc::<Mutex<Vec<String>>>::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::clone(&log_ins);
    let router = Router::new().fallback(move |headers: HeaderMap| async move {
        let log_in = headers["authorization"].to_str().unwrap().to_owned();
        let is_right = log_in == "Bearer SG.hush";
        seen.lock().unwrap().push(log_in);
        match is_right {
            true => (axum::http::StatusCode::ACCEPTED, [("x-message-id", "sg-1")], ""),
            false => {
                (axum::http::StatusCode::UNAUTHORIZED, [("x-none", "")], r#"{"errors":[{"message":"no such key"}]}"#)
            }
        }
    });
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (url, log_ins)
}

fn sendgrid<'a>(url: &'a str, key: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("name", ""),
        ("kind", "sendgrid"),
        ("http[url]", url),
        ("http[token]", key),
        ("from_address", "Finch <post@finch.example>"),
    ]
}

on_both_databases! {
    async fn a_provider_is_set_up_with_its_key_tried_and_sent_by(app: TestApp) {
        let ((url, log_ins), admin) = (stand_in().await, app.sign_in(Role::Admin).await);
        let page_of = "/settings/adapters?kind=sendgrid";
        let form = admin.with("accept", "text/html").get(page_of).await.text;
        assert!(form.contains("value=\"https://api.sendgrid.com\"") && form.contains("API key"), "{form}");
        let page = page_after_on(&admin, page_of, "create_adapter", &sendgrid(&url, "SG.hush")).await;
        assert!(page.contains("Adapter “SendGrid” added.") && !page.contains("SG.hush"), "{page}");
        let adapter = only_adapter(&app).await;
        assert_eq!((adapter.kind, adapter.endpoint, adapter.is_default), (AdapterKind::SendGrid, format!("{url}/"), true));
        let id = adapter.id.to_string();
        let test = [("id", id.as_str()), ("to", "mara@finch.example")];
        let page = page_after_on(&admin, "/settings/adapters", "test_adapter", &test).await;
        assert!(page.contains("“SendGrid” accepted the test message for mara@finch.example."), "{page}");
        assert_eq!(*log_ins.lock().unwrap(), ["Bearer SG.hush"]);
    }

    async fn a_test_says_what_the_provider_says(app: TestApp) {
        let ((url, _), admin) = (stand_in().await, app.sign_in(Role::Admin).await);
        page_after_on(&admin, "/settings/adapters?kind=sendgrid", "create_adapter", &sendgrid(&url, "SG.wrong")).await;
        let id = only_adapter(&app).await.id.to_string();
        let test = [("id", id.as_str()), ("to", "mara@finch.example")];
        let page = page_after_on(&admin, "/settings/adapters", "test_adapter", &test).await;
        assert!(page.contains("the server refused the log-in") && page.contains("no such key"), "{page}");
    }

    async fn a_key_stays_while_the_address_does_and_follows_to_no_other(app: TestApp) {
        let ((url, log_ins), admin) = (stand_in().await, app.sign_in(Role::Admin).await);
        page_after_on(&admin, "/settings/adapters?kind=sendgrid", "create_adapter", &sendgrid(&url, "SG.hush")).await;
        let id = only_adapter(&app).await.id.to_string();
        let page_of = format!("/settings/adapters?edit={id}");
        let shown = admin.with("accept", "text/html").get(&page_of).await.text;
        assert!(shown.contains("A key is saved and not shown.") && !shown.contains("SG.hush"), "{shown}");
        let with_id = |url| sendgrid(url, "").into_iter().chain([("id", id.as_str())]).filter(|(name, _)| *name != "name");
        let changed: Vec<_> = with_id(&url).chain([("name", "Main")]).collect();
        let page = page_after_on(&admin, &page_of, "update_adapter", &changed).await;
        assert!(page.contains("Adapter “Main” changed."), "{page}");
        let test = [("id", id.as_str()), ("to", "mara@finch.example")];
        page_after_on(&admin, "/settings/adapters", "test_adapter", &test).await;
        assert_eq!(*log_ins.lock().unwrap(), ["Bearer SG.hush"]);
        let moved: Vec<_> = with_id("https://evil.example").chain([("name", "Main")]).collect();
        let page = page_after_on(&admin, &page_of, "update_adapter", &moved).await;
        assert!(page.contains("The saved log-in belongs to the previous server"), "{page}");
        assert_eq!(only_adapter(&app).await.endpoint, format!("{url}/"));
    }

    async fn what_is_missing_is_said_beside_its_field_in_the_providers_words(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        for (kind, user, password, token, from, field, said) in [
            ("sendgrid", "", "", "", "a@b.example", "http[token]", "Fill in the API key"),
            ("postmark", "", "", "", "a@b.example", "http[token]", "Fill in the Server API token"),
            ("ses", "", "", "", "a@b.example", "http[user]", "Fill in the Access key ID"),
            ("ses", "AKID", "", "", "a@b.example", "http[password]", "Fill in the Secret access key"),
            ("mailjet", "", "hush", "", "a@b.example", "http[user]", "Fill in the user of this password"),
            ("sendgrid", "", "", "SG.hush", "nobody", "from", "email address"),
            ("twilio", "AC1", "hush", "", "", "from", "Write a number of yours"),
        ] {
            let fields = [
                ("name", "Odd"), ("kind", kind), ("http[url]", ""), ("http[user]", user), ("http[password]", password),
                ("http[token]", token), ("from_address", from),
            ];
            let page = page_after_on(&admin, &format!("/settings/adapters?kind={kind}"), "create_adapter", &fields).await;
            assert!(page.contains(said), "{kind} {field}: {page}");
            assert!(page.contains("look at the field “") && !page.contains("hush"), "{kind} {field}: {page}");
            assert_eq!(app.store().list_adapters(app.team).await.unwrap().len(), 0, "{kind} {field}");
        }
    }

    async fn a_setting_is_shown_and_changed_apart_from_the_key(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let fields = [
            ("name", "Mail"), ("kind", "postmark"), ("http[url]", ""), ("http[token]", "hush"), ("http[setting]", "receipts"),
            ("from_address", "a@b.example"),
        ];
        page_after_on(&admin, "/settings/adapters?kind=postmark", "create_adapter", &fields).await;
        let adapter = only_adapter(&app).await;
        let (id, page_of) = (adapter.id.to_string(), format!("/settings/adapters?edit={}", adapter.id));
        assert_eq!(adapter.endpoint, "https://api.postmarkapp.com/");
        let setting = async || {
            let page = admin.with("accept", "text/html").get(&page_of).await.text;
            let field = page.split("name=\"http[setting]\"").nth(1).unwrap().split('>').next().unwrap().to_owned();
            field.split("value=\"").nth(1).map(|rest| rest.split('"').next().unwrap().to_owned()).unwrap_or_default()
        };
        assert_eq!(setting().await, "receipts");
        for value in ["a&b=c ü", ""] {
            let change = [
                ("id", id.as_str()), ("kind", "postmark"), ("name", "Mail"), ("http[url]", "https://api.postmarkapp.com/"),
                ("http[token]", ""), ("http[setting]", value), ("from_address", "a@b.example"),
            ];
            let page = page_after_on(&admin, &page_of, "update_adapter", &change).await;
            assert!(page.contains("Adapter “Mail” changed."), "{page}");
            assert_eq!(setting().await.replace("&amp;", "&"), value);
        }
    }

    async fn a_program_adds_a_provider_by_its_address_and_key(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let body = |kind: &str, url: &str, from: &str| json!({"type": kind, "url": url, "from": from});
        let made = admin.post("/api/adapters", body("ses", "https://AKID:hu%2Fsh@email.eu-west-1.amazonaws.com", "a@b.example")).await;
        assert_eq!(made.status, 201, "{}", made.text);
        assert_eq!((made.text_of("endpoint"), made.text_of("name")), ("https://email.eu-west-1.amazonaws.com/".to_owned(), "Amazon SES".to_owned()));
        assert!(!made.text.contains("hu/sh") && !made.text.contains("hu%2Fsh"));
        let made = admin.post("/api/adapters", body("twilio", "https://AC1:hush@api.twilio.com", "+4917012345")).await;
        assert_eq!((made.status, made.data()["isDefault"].clone()), (201, json!(true)), "{}", made.text);
        for (kind, url) in [
            ("sendgrid", "https://api.sendgrid.com"),
            ("ses", "https://AKID@email.eu-west-1.amazonaws.com"),
            ("mailjet", "smtp://a:hush@in-v3.mailjet.com"),
        ] {
            let refused = admin.post("/api/adapters", body(kind, url, "a@b.example")).await;
            refused.assert_invalid("url");
            assert!(!refused.text.contains("hush"), "{}", refused.text);
        }
    }
}

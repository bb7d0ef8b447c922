//! Webhooks by `/api/webhooks`.

use super::*;
use crate::domain::permission::PermissionSet;

const PATH: &str = "/api/webhooks";

async fn full(app: &TestApp) -> Client {
    app.program_of(app.team, PermissionSet::all()).await
}

on_both_databases! {
    async fn an_application_adds_changes_rotates_and_removes_one(app: TestApp) {
        let program = full(&app).await;
        let made = program.post(PATH, json!({"url": "https://a.example/T0/B1", "events": ["bounced", "opened"]})).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let made = made.data();
        let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
        assert!(id.starts_with("owh_") && secret.starts_with("whsec_"));
        assert_eq!((&made["name"], &made["shape"], &made["isOn"]), (&json!("a.example"), &json!("sendlog"), &json!(true)));
        assert_eq!(made["events"], json!(["opened", "bounced"]));
        let at = format!("{PATH}/{id}");
        assert_eq!(program.get(&at).await.data(), made);
        let listed = program.get(PATH).await;
        assert!(!listed.text.contains("B1") && !listed.text.contains("whsec_"));
        assert_eq!(listed.data()[0]["id"], made["id"]);

        // The name was the host's, and goes along.
        let changed = program.put(&at, json!({"url": "https://b.example/", "isOn": false})).await.data();
        assert_eq!((&changed["name"], &changed["host"], &changed["isOn"]), (&json!("b.example"), &json!("b.example"), &json!(false)));
        assert_eq!((&changed["events"], &changed["shape"]), (&made["events"], &made["shape"]));
        let named = program.put(&at, json!({"name": "Shop", "events": [], "shape": "jetemail"})).await.data();
        assert_eq!((&named["name"], &named["events"], &named["shape"]), (&json!("Shop"), &json!([]), &json!("jetemail")));
        assert_eq!(program.put(&at, json!({"url": "https://c.example/"})).await.data()["name"], "Shop");
        let rotated = program.send("POST", &format!("{at}/rotate"), None).await.data();
        assert_ne!(rotated["secret"], made["secret"]);
        assert_eq!(program.get(&at).await.data()["secret"], rotated["secret"]);

        for wrong in [json!({"url": "nowhere"}), json!({"url": "https://a.example/", "shape": "other"}), json!({"url": "https://a.example/", "events": ["sneezed"]}), json!({}), json!({"url": "https://a.example/", "secret": "x"})] {
            assert_eq!(program.post(PATH, wrong).await.status, 400);
        }
        program.post(PATH, json!({"url": "ftp://a.example/"})).await.assert_invalid("url");
        let looking = app.program(&[Permission::WebhooksView]).await;
        let seen = looking.get(&at).await.data();
        assert_eq!((&seen["url"], &seen["secret"], &seen["host"]), (&Value::Null, &Value::Null, &json!("c.example")));
        let elsewhere = app.program_of(app.other_team, PermissionSet::all()).await;
        assert_eq!((elsewhere.get(&at).await.status, elsewhere.delete(&at).await.status), (404, 404));
        assert_eq!(program.delete(&at).await.data()["id"], made["id"]);
        for answer in [program.get(&at).await, program.delete(&at).await, program.put(&at, json!({})).await] {
            assert_eq!(answer.status, 404);
        }
    }

    async fn what_was_told_is_listed_shown_and_told_again(app: TestApp) {
        let (program, receiver) = (full(&app).await, Receiver::start().await);
        let made = program.post(PATH, json!({"url": format!("{}/500,200", receiver.url)})).await.data();
        let at = format!("{PATH}/{}", made["id"].as_str().unwrap());
        let (email, event) = bounce(&app).await;
        teller(&app.app).tell_due().await.unwrap();
        let tested = program.send("POST", &format!("{at}/test"), None).await;
        assert_eq!(tested.status, 202);
        let test = tested.text_of("deliveryId");
        let deliveries = format!("{at}/deliveries");
        let first = program.get(&format!("{deliveries}?limit=1")).await.data();
        assert_eq!((&first["items"][0]["id"], &first["items"][0]["emailId"], &first["hasMore"]), (&json!(test), &Value::Null, &json!(true)));
        let next = program.get(&format!("{deliveries}?before={}", first["nextBefore"].as_str().unwrap())).await.data();
        assert_eq!((&next["hasMore"], &next["nextBefore"]), (&json!(false), &Value::Null));
        let row = &next["items"][0];
        assert_eq!((&row["id"], &row["emailId"], &row["type"]), (&json!(event), &json!(email), &json!("email.bounced")));
        assert_eq!((&row["state"], &row["tries"], &row["status"], &row["hasFailed"]), (&json!("waiting"), &json!(1), &json!(500), &json!(true)));
        assert_eq!(program.get(&format!("{deliveries}?failed=true")).await.data()["items"].as_array().unwrap().len(), 1);
        let whole = program.get(&format!("{deliveries}/{event}")).await.data();
        assert!(whole["body"].as_str().unwrap().contains("email.bounced") && whole["answer"] == "said", "{whole}");
        let looking = app.program(&[Permission::WebhooksView]).await;
        let seen = looking.get(&format!("{deliveries}/{event}")).await.data();
        assert_eq!((&seen["body"], &seen["answer"], &seen["status"]), (&Value::Null, &Value::Null, &json!(500)));

        let again = program.send("POST", &format!("{deliveries}/{event}/replay"), None).await.data();
        assert_eq!(again, json!({"deliveries": 1}));
        teller(&app.app).tell_due().await.unwrap();
        assert_eq!(program.get(&format!("{deliveries}/{event}")).await.data()["state"], "delivered");
        let span = async |from: &str, to: &str| program.post(&format!("{at}/replay"), json!({"from": from, "to": to})).await;
        assert_eq!(span("2024-01-20T00:00:00Z", "2024-01-21T00:00:00Z").await.data(), json!({"deliveries": 2}));
        assert_eq!(span("2024-01-18T00:00:00Z", "2024-01-19T00:00:00Z").await.data(), json!({"deliveries": 0}));
        span("2024-01-21T00:00:00Z", "2024-01-20T00:00:00Z").await.assert_invalid("to");
        span("yesterday", "2024-01-20T00:00:00Z").await.assert_invalid("from");
        let ids = receiver.at("500,200").iter().filter(|one| one.header("webhook-id") == event.to_string()).count();
        assert_eq!(ids, 2, "the same id on every try");

        for wrong in ["?failed=yes", "?before=x", "?limit=0", "?which=all"] {
            assert_eq!(program.get(&format!("{deliveries}{wrong}")).await.status, 400, "{wrong}");
        }
        for absent in ["evt_0000000000007", "x"] {
            assert_eq!(program.get(&format!("{deliveries}/{absent}")).await.status, 404);
            assert_eq!(program.send("POST", &format!("{deliveries}/{absent}/replay"), None).await.status, 404);
        }
        program.put(&at, json!({"isOn": false})).await.data();
        for path in ["test", &format!("deliveries/{event}/replay")] {
            assert_eq!(program.send("POST", &format!("{at}/{path}"), None).await.status, 409, "{path}");
        }
    }

    async fn what_sendlog_switched_off_is_switched_on(app: TestApp) {
        let (program, webhook) = (full(&app).await, add(&app, "https://a.example/").await);
        let at = format!("{PATH}/{}", webhook.id);
        let off = (app.now(), DisabledReason::Failing);
        assert_eq!(app.store().disable_outgoing_webhook(app.team, webhook.id, off, None, &app.event()).await, Ok(true));
        let seen = program.get(&at).await.data();
        assert_eq!((&seen["isOn"], &seen["disabledReason"]), (&json!(true), &json!("failing")));
        assert_eq!(program.put(&at, json!({"name": "Shop"})).await.data()["disabledReason"], "failing");
        assert_eq!(program.put(&at, json!({"isOn": true})).await.data()["disabledAt"], Value::Null);
        assert_eq!(found(&app, webhook.id).await.disabled, None);
    }

    async fn of_two_who_change_one_at_once_nothing_is_lost(app: TestApp) {
        let (program, webhook) = (full(&app).await, add(&app, "https://a.example/").await);
        let at = format!("{PATH}/{}", webhook.id);
        let changes = [json!({"name": "Shop"}), json!({"events": ["bounced"]}), json!({"isOn": false})];
        let tasks: Vec<_> = changes
            .into_iter()
            .map(|change| {
                let (program, at) = (program.clone(), at.clone());
                tokio::spawn(async move { (program.put(&at, change.clone()).await.status, change) })
            })
            .collect();
        let mut done = Vec::new();
        for task in tasks {
            let (status, change) = task.await.unwrap();
            assert!(status == 200 || status == 409, "{status}");
            done.extend((status == 200).then_some(change));
        }
        let seen = program.get(&at).await.data();
        for (name, value) in done.iter().flat_map(|change| change.as_object().unwrap()) {
            assert_eq!(&seen[name], value, "it was said to be done");
        }
        assert!(!done.is_empty());
    }
}

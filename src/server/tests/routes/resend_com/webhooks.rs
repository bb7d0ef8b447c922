//! Webhooks in Resend's shape.

use super::*;
use crate::domain::team::Role;
use crate::domain::webhook::WebhookShape;
use crate::domain::webhook::shape::resend_com_kind;
use crate::server::services::webhooks::{self, WebhookForm};

const PATH: &str = "/resend/webhooks";
const ROW_FIELDS: [&str; 5] = ["id", "created_at", "status", "endpoint", "events"];

async fn create(client: &Client, endpoint: &str, events: Value) -> Answer {
    client.post(PATH, json!({"endpoint": endpoint, "events": events})).await
}

/// A new one's id.
async fn made(client: &Client, endpoint: &str) -> String {
    let answer = create(client, endpoint, json!(["email.sent"])).await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()["id"].as_str().unwrap().to_owned()
}

async fn patch(client: &Client, id: &str, body: Value) -> Answer {
    client.send("PATCH", &format!("{PATH}/{id}"), Some(body.to_string())).await
}

on_both_databases! {
    async fn a_webhook_is_made_read_changed_and_removed_as_by_resend(app: TestApp) {
        let program = program(&app).await;
        let answer = create(&program, "https://a.example/hook?k=7", json!(["email.opened", "email.bounced", "email.bounced"])).await;
        assert_eq!((answer.status, field_order(&answer.text)), (201, ["object", "id", "signing_secret"].map(str::to_owned).to_vec()));
        let made = answer.json();
        let (id, secret) = (made["id"].as_str().unwrap(), made["signing_secret"].as_str().unwrap());
        assert!(made["object"] == "webhook" && secret.starts_with("whsec_"));
        let at = format!("{PATH}/{id}");
        let found = program.get(&at).await;
        let fields = ["object"].iter().chain(&ROW_FIELDS).chain(&["signing_secret"]).map(|field| (*field).to_owned());
        assert_eq!((found.status, field_order(&found.text)), (200, fields.collect::<Vec<_>>()));
        let mut wanted = json!({
            "object": "webhook", "id": id, "created_at": found.json()["created_at"], "status": "enabled",
            "endpoint": "https://a.example/hook?k=7", "events": ["email.opened", "email.bounced"], "signing_secret": secret,
        });
        assert_eq!(found.json(), wanted);

        let changed = patch(&program, id, json!({"status": "disabled", "events": ["email.sent"]})).await;
        assert_eq!((changed.status, changed.json()), (200, json!({"object": "webhook", "id": id})));
        (wanted["status"], wanted["events"]) = (json!("disabled"), json!(["email.sent"]));
        assert_eq!(program.get(&at).await.json(), wanted);
        assert_eq!(patch(&program, id, json!({"endpoint": "https://b.example/", "status": "enabled"})).await.status, 200);
        (wanted["status"], wanted["endpoint"]) = (json!("enabled"), json!("https://b.example/"));
        assert_eq!(patch(&program, id, json!({})).await.status, 200);
        assert_eq!(program.get(&at).await.json(), wanted);

        let gone = program.delete(&at).await;
        assert_eq!((gone.status, gone.json()), (200, json!({"object": "webhook", "id": id, "deleted": true})));
        for method in ["GET", "DELETE", "PATCH"] {
            assert_refused(&program.send(method, &at, (method == "PATCH").then(|| "{}".to_owned())).await, 404, "not_found");
        }
    }

    async fn what_happens_is_told_in_resends_words(app: TestApp) {
        let program = sender(&app).await;
        let names: Vec<&str> = EventKind::ALL.into_iter().filter_map(resend_com_kind).collect();
        let answer = create(&program, "http://127.0.0.1:9/hook", json!(names)).await;
        let id = answer.json()["id"].as_str().unwrap().parse().unwrap();
        let email: EmailId = id_of(&program.post("/resend/emails", mail(json!({}))).await).parse().unwrap();
        for kind in [EventKind::ReOpened, EventKind::Unsubscribed, EventKind::Dropped] {
            let event = EmailEvent { id: app.id_at(app.now()), kind, at: app.now(), recipient: None, detail: EventDetail::default() };
            app.store().record_events(app.team, email, &[event.into()], &EmailFacts::default()).await.unwrap();
        }
        let told = app.store().list_deliveries(app.team, id, Default::default(), None, 9).await.unwrap();
        assert_eq!(told.iter().map(|one| one.kind.as_str()).collect::<Vec<_>>(), ["email.suppressed", "email.opened"]);
    }

    async fn the_list_is_walked_in_both_directions_and_has_no_other_shapes(app: TestApp) {
        let program = program(&app).await;
        let viewer = app.viewer(Role::Owner).await;
        let form = WebhookForm {
            name: String::new(),
            url: "https://own.example/".to_owned(),
            shape: WebhookShape::Sendlog,
            kinds: Vec::new(),
            is_on: true,
        };
        let own = webhooks::create_webhook(&app.app, &viewer, form).await.unwrap().id.to_uuid();
        let mut ids = Vec::new();
        for number in 0..3 {
            ids.insert(0, made(&program, &format!("https://a.example/{number}")).await);
        }
        let list = async |query: &str| page_of(&program.get(&format!("{PATH}{query}")).await);
        assert_eq!(list("").await, (ids.clone(), false));
        let whole = program.get(PATH).await.json();
        assert_eq!(field_order(&whole["data"][0].to_string()).len(), ROW_FIELDS.len());
        assert_eq!(list("?limit=2").await, (ids[..2].to_vec(), true));
        assert_eq!(list(&format!("?limit=2&after={}", ids[1])).await, (ids[2..].to_vec(), false));
        assert_eq!(list(&format!("?limit=1&before={}", ids[2])).await, (ids[1..2].to_vec(), true));
        assert_eq!(list(&format!("?before={}", ids[0])).await, (Vec::new(), false));
        for query in ["?limit=0", "?limit=101", "?after=x", &format!("?after={0}&before={0}", ids[0]), "?page=1"] {
            assert_eq!(program.get(&format!("{PATH}{query}")).await.status, 422, "{query}");
        }
        for method in ["GET", "PATCH", "DELETE"] {
            let body = (method == "PATCH").then(|| "{}".to_owned());
            assert_refused(&program.send(method, &format!("{PATH}/{own}"), body).await, 404, "not_found");
        }
        let elsewhere = app.program_of(app.other_team, PermissionSet::all()).await.with("user-agent", AGENT);
        assert_eq!(page_of(&elsewhere.get(PATH).await), (Vec::new(), false));
        assert_refused(&elsewhere.delete(&format!("{PATH}/{}", ids[0])).await, 404, "not_found");
        assert_eq!(list("").await.0.len(), 3);
    }

    async fn what_cannot_be_posted_is_refused_with_what_can(app: TestApp) {
        let program = program(&app).await;
        let refused = create(&program, "https://a.example/", json!(["email.sent", "contact.created"])).await;
        assert_refused(&refused, 422, "validation_error");
        let words = refused.json()["message"].as_str().unwrap().to_owned();
        assert!(words.contains("`contact.created`") && words.contains("email.sent, email.delivery_delayed, "), "{words}");
        let id = made(&program, "https://a.example/").await;
        for body in [json!({"events": []}), json!({"events": ["email.received"]}), json!({"status": "on"}), json!({"endpoint": "ftp://a.example/"})] {
            assert_refused(&patch(&program, &id, body).await, 422, "validation_error");
        }
        let refused = create(&program, "a.example", json!(["email.sent"])).await;
        assert!(refused.json()["message"].as_str().unwrap().contains("`endpoint`"), "{}", refused.text);
        for (body, name) in [
            (json!({"events": ["email.sent"]}), "missing_required_field"),
            (json!({"endpoint": "https://a.example/"}), "missing_required_field"),
            (json!({"endpoint": "https://a.example/", "events": []}), "validation_error"),
            (json!({"endpoint": "https://ada:p@a.example/", "events": ["email.sent"]}), "validation_error"),
            (json!({"endpoint": 5, "events": ["email.sent"]}), "validation_error"),
        ] {
            assert_refused(&program.post(PATH, body).await, 422, name);
        }
        assert_eq!(page_of(&program.get(PATH).await).0, [id]);
    }

    async fn who_may_only_look_sees_neither_the_address_nor_the_secret(app: TestApp) {
        let maker = app.program(&[Permission::WebhooksCreate]).await.with("user-agent", AGENT);
        let id = made(&maker, "https://a.example/T0/B1").await;
        let looking = app.program(&[Permission::WebhooksView, Permission::RequestsView]).await.with("user-agent", AGENT);
        let seen = looking.get(&format!("{PATH}/{id}")).await.json();
        assert_eq!((&seen["endpoint"], &seen["signing_secret"]), (&json!("https://a.example/"), &Value::Null));
        assert!(!looking.get(PATH).await.text.contains("B1"));
        assert_refused(&looking.delete(&format!("{PATH}/{id}")).await, 401, "restricted_api_key");
        // Neither does the log of requests tell them.
        let row = logged(&program(&app).await, "POST", "/webhooks").await.to_string();
        assert!(row.contains("email.sent") && !row.contains("B1") && !row.contains("whsec_"), "{row}");
    }

    async fn what_sendlog_switched_off_is_enabled_again(app: TestApp) {
        let program = program(&app).await;
        let id = made(&program, "https://a.example/").await;
        let reason = crate::domain::webhook::DisabledReason::Gone;
        let off = (app.now(), reason);
        let off = app.store().disable_outgoing_webhook(app.team, id.parse().unwrap(), off, None, &app.event()).await;
        assert_eq!(off, Ok(true));
        let status = async || program.get(&format!("{PATH}/{id}")).await.json()["status"].clone();
        assert_eq!(status().await, "disabled");
        assert_eq!(patch(&program, &id, json!({"events": ["email.failed"]})).await.status, 200);
        assert_eq!(status().await, "disabled");
        for _ in 0..2 {
            assert_eq!(patch(&program, &id, json!({"status": "enabled"})).await.status, 200);
            assert_eq!(status().await, "enabled");
        }
    }
}

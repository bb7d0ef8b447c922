//! The addresses that are not written to, in Resend's shape.

use super::*;
use crate::domain::audit::{AuditAction, AuditFilter};
use crate::domain::event::EventCause;
use crate::domain::suppression::SuppressionReason;
use crate::server::store::suppressions::SuppressionFilter;

const ROW_FIELDS: [&str; 5] = ["id", "email", "origin", "source_id", "created_at"];

async fn reasons(app: &TestApp) -> Vec<(String, SuppressionReason)> {
    let (filter, newest) = (SuppressionFilter::default(), crate::domain::page::Cursor::Newest);
    let listed = app.store().list_suppressions(app.team, &filter, newest, 300).await.unwrap().items;
    listed.into_iter().rev().map(|one| (one.address, one.reason)).collect()
}

on_both_databases! {
    async fn a_suppression_is_added_found_and_removed_as_by_resend(app: TestApp) {
        let program = program(&app).await;
        let made = program.post("/resend/suppressions", json!({"email": " Ada@example.com "})).await;
        assert_eq!((made.status, field_order(&made.text)), (200, ["object", "id"].map(str::to_owned).to_vec()));
        let id = id_of(&made);
        // One that is there comes back as it is.
        assert_eq!(id_of(&program.post("/resend/suppressions", json!({"email": "ada@EXAMPLE.com"})).await), id);
        for name in [&id, "ada@example.com", "ADA%40example.com"] {
            let found = program.get(&format!("/resend/suppressions/{name}")).await;
            let fields: Vec<String> = ["object"].iter().chain(&ROW_FIELDS).map(|field| (*field).to_owned()).collect();
            assert_eq!((found.status, field_order(&found.text)), (200, fields), "{}", found.text);
            let json = found.json();
            assert_eq!(json["id"].as_str(), Some(id.as_str()));
            assert_eq!((json["origin"].as_str(), &json["source_id"]), (Some("manual"), &Value::Null));
        }
        let gone = program.delete("/resend/suppressions/ada@example.com").await;
        assert_eq!((gone.status, gone.json()), (200, json!({"object": "suppression", "id": id, "deleted": true})));
        for method in ["GET", "DELETE"] {
            assert_refused(&program.send(method, "/resend/suppressions/ada@example.com", None).await, 404, "not_found");
            assert_refused(&program.send(method, &format!("/resend/suppressions/{id}"), None).await, 404, "not_found");
        }
        let filter = AuditFilter { actions: vec![AuditAction::SuppressionLifted], ..AuditFilter::default() };
        let [line] = &app.store().list_audit_entries(app.team, &filter, None, 9).await.unwrap()[..] else { panic!("one line") };
        assert_eq!(line.reason.as_deref(), Some("Removed by an application, through Resend's API"));
    }

    async fn what_events_put_there_is_listed_by_its_origin_with_its_message(app: TestApp) {
        let program = sender(&app).await;
        let mut ids = Vec::new();
        for (address, kind, cause) in [
            ("bounce@example.com", EventKind::Bounced, Some(EventCause::Hard)),
            ("spam@example.com", EventKind::ReportedAsSpam, None),
            ("out@example.com", EventKind::Unsubscribed, None),
        ] {
            let id = id_of(&program.post("/resend/emails", mail(json!({"to": address}))).await);
            let email: EmailId = id.parse().unwrap();
            let detail = EventDetail { cause, ..EventDetail::default() };
            let event = EmailEvent { id: app.id_at(app.now()), kind, at: app.now(), recipient: None, detail };
            app.store().record_events(app.team, email, &[event.into()], &EmailFacts::default()).await.unwrap();
            ids.push(id);
        }
        program.post("/resend/suppressions", json!({"email": "hand@example.com"})).await;
        let list = async |query: &str| {
            let answer = program.get(&format!("/resend/suppressions{query}")).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
            answer.json()
        };
        let of = async |origin: &str| -> Vec<(String, Value)> {
            let json = list(&format!("?origin={origin}")).await;
            let row = |row: &Value| (row["email"].as_str().unwrap().to_owned(), row["source_id"].clone());
            json["data"].as_array().unwrap().iter().map(row).collect()
        };
        assert_eq!(of("bounce").await, [("bounce@example.com".to_owned(), json!(ids[0]))]);
        assert_eq!(of("complaint").await, [("spam@example.com".to_owned(), json!(ids[1]))]);
        let manual = [("hand@example.com".to_owned(), Value::Null), ("out@example.com".to_owned(), json!(ids[2]))];
        assert_eq!(of("manual").await, manual);

        let first = program.get("/resend/suppressions?limit=3").await;
        let (newer, has_more) = page_of(&first);
        assert_eq!((newer.len(), has_more), (3, true));
        let (older, has_more) = page_of(&program.get(&format!("/resend/suppressions?after={}", newer[2])).await);
        assert_eq!((older.len(), has_more), (1, false));
        let (back, has_more) = page_of(&program.get(&format!("/resend/suppressions?limit=2&before={}", older[0])).await);
        assert_eq!((back, has_more), (newer[1..].to_vec(), true));
        let fields: Vec<&str> = ["object", "has_more", "data"].into_iter().chain([ROW_FIELDS; 3].concat()).collect();
        assert_eq!(field_order(&first.text), fields);
        for query in ["origin=other", "limit=0", "after=x", "other=1"] {
            assert_eq!(program.get(&format!("/resend/suppressions?{query}")).await.status, 422, "{query}");
        }
    }

    async fn a_batch_is_all_or_nothing_in_and_says_what_went_out(app: TestApp) {
        let program = program(&app).await;
        let add = async |emails: Value| program.post("/resend/suppressions/batch/add", json!({"emails": emails})).await;
        let remove = async |body: Value| program.post("/resend/suppressions/batch/remove", body).await;
        assert_refused(&add(json!(["ada@example.com", "nobody"])).await, 422, "validation_error");
        assert_refused(&add(json!([])).await, 422, "validation_error");
        let many: Vec<String> = (0..101).map(|number| format!("a{number}@example.com")).collect();
        assert_refused(&add(json!(many)).await, 422, "validation_error");
        assert_eq!(reasons(&app).await, []);
        assert_eq!(add(json!(many[..100])).await.json()["data"].as_array().unwrap().len(), 100);
        let made = add(json!(["ada@example.com", "a7@example.com", "ADA@example.com"])).await.json()["data"].clone();
        let id = |place: usize| made[place]["id"].as_str().unwrap();
        assert!(id(0) == id(2) && id(0) != id(1), "{made}");
        assert_eq!(reasons(&app).await.len(), 101);

        let gone = remove(json!({"ids": [id(0), NO_ID, id(0)]})).await;
        assert_eq!(gone.json(), json!({"data": [{"object": "suppression", "id": id(0), "deleted": true}]}));
        let gone = remove(json!({"emails": ["A7@example.com", "nobody@example.com"]})).await.json();
        assert_eq!(gone, json!({"data": [{"object": "suppression", "id": id(1), "deleted": true}]}));
        assert_eq!(reasons(&app).await.len(), 99);
        assert_refused(&remove(json!({"ids": [id(0)], "emails": ["a1@example.com"]})).await, 422, "validation_error");
        assert_refused(&remove(json!({})).await, 422, "missing_required_field");
        assert_refused(&remove(json!({"emails": []})).await, 422, "validation_error");
        let elsewhere = app.program_of(app.other_team, PermissionSet::all()).await.with("user-agent", AGENT);
        let theirs = elsewhere.post("/resend/suppressions/batch/remove", json!({"emails": ["a1@example.com"]})).await;
        assert_eq!(theirs.json(), json!({"data": []}));
        assert_eq!(reasons(&app).await.len(), 99);
    }

    async fn what_is_sent_to_one_is_dropped_and_to_one_that_was_removed_is_not(app: TestApp) {
        let program = sender(&app).await;
        program.post("/resend/suppressions", json!({"email": "ada@example.com"})).await;
        let found = app.store().find_suppressed(app.team, &["ada@example.com".to_owned()]).await.unwrap();
        assert_eq!(found.len(), 1);
        program.delete("/resend/suppressions/ada@example.com").await;
        assert_eq!(app.store().find_suppressed(app.team, &["ada@example.com".to_owned()]).await, Ok(Vec::new()));
    }
}

//! `/requests`: what it lists, counts and finds, and for whom.

use serde_json::json;

use super::*;
use crate::domain::api_request::{ApiRequest, ApiRequestFilter};
use crate::domain::page::Cursor;
use crate::domain::permission::Permission;
use crate::domain::team::{Role, TeamRules};

/// The ids on a page, newest first.
fn ids_on(page: &str) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for part in page.split("href=\"/requests/req_").skip(1) {
        ids.push(format!("req_{}", part.split('"').next().unwrap_or_default()));
    }
    ids
}

async fn all(app: &TestApp) -> Vec<ApiRequest> {
    app.app.request_log.flush().await;
    let listed =
        app.store().list_api_requests(app.team, &ApiRequestFilter::default(), Cursor::Newest, 100).await.unwrap();
    let mut requests = Vec::new();
    for row in listed.items {
        requests.push(app.store().find_api_request(app.team, row.id).await.unwrap().unwrap().0);
    }
    requests
}

on_both_databases! {
    async fn a_refused_request_is_found_by_its_error_and_a_kept_one_by_its_recipient(app: TestApp) {
        app.add_adapter("Mail").await;
        let template = app.add_template("Receipt").await.id.to_string();
        let program = app.program(&[Permission::EmailsSend]).await;
        let sent = |to: &str| json!({"templateId": template, "to": to, "variables": {"name": "A"}});
        program.post("/api/v1/send", sent("ada@shop.example")).await.data();
        assert_eq!(program.post("/api/v1/send", sent("nobody at home")).await.status, 400);
        let (refused, kept) = match &all(&app).await[..] {
            [refused, kept] => (refused.id.to_string(), kept.id.to_string()),
            other => panic!("{other:?}"),
        };
        let owner = app.sign_in(Role::Owner).await.with("accept", "text/html");
        let page = async |query: &str| owner.get(&format!("/requests?{query}")).await.text;
        let everything = page("").await;
        assert_eq!(ids_on(&everything), [refused.clone(), kept.clone()]);
        for part in ["2 requests", "1 succeeded", "1 refused", "href=\"/requests?status=4xx\""] {
            assert!(everything.contains(part), "no {part}: {everything}");
        }
        let of_ada = page("recipient=ADA@shop.example").await;
        assert_eq!(ids_on(&of_ada), [kept]);
        let failed = page("error=nobody%20at%20home").await;
        assert_eq!(ids_on(&failed), [refused]);
        assert!(failed.contains("1 request<") && failed.contains("error=nobody%20at%20home&amp;") || failed.contains("1 request"), "{failed}");
        assert!(page("error=nobody%20but%20you").await.contains("that say “nobody but you”"));
    }

    async fn a_list_by_recipient_says_that_refused_requests_have_none(app: TestApp) {
        app.add_adapter("Mail").await;
        let template = app.add_template("Receipt").await.id.to_string();
        let program = app.program(&[Permission::EmailsSend]).await;
        let sent = json!({"templateId": template, "to": "ada@shop.example", "variables": {"name": "A"}});
        program.post("/api/v1/send", sent).await.data();
        app.app.request_log.flush().await;
        let owner = app.sign_in(Role::Owner).await.with("accept", "text/html");
        let page = async |query: &str| owner.get(&format!("/requests?{query}")).await.text;
        let said = "A refused request made no message, so it has no recipient to be found by.";
        for (query, hits) in [("", 1), ("&error=wrong", 0), ("&status=4xx", 0), ("&error=wrong&status=2xx", 0)] {
            let listed = page(&format!("recipient=ada@shop.example{query}")).await;
            assert_eq!((ids_on(&listed).len(), listed.matches(said).count()), (hits, 1), "{query}: {listed}");
            assert!(listed.contains("error=ada@shop.example\""), "{query}: {listed}");
            assert_eq!(listed.contains("Found no "), hits == 0, "{query}: {listed}");
        }
        assert!(!page("").await.contains(said));
    }

    async fn a_part_of_an_address_is_a_mistake_beside_the_field_and_the_list_stays(app: TestApp) {
        app.program(&[Permission::LogsView]).await.get("/api/logs").await.data();
        app.app.request_log.flush().await;
        let owner = app.sign_in(Role::Owner).await.with("accept", "text/html");
        for part in ["@finch.example", "finch.example", "Ada"] {
            let answer = owner.get(&format!("/requests?method=GET&recipient={part}")).await;
            assert_eq!((answer.status, ids_on(&answer.text).len()), (200, 1), "{}", answer.text);
            assert!(answer.text.contains("id=\"recipient-error\""), "{}", answer.text);
            assert!(answer.text.contains(">Write a whole address, such as ada@example.com"), "{}", answer.text);
            assert!(answer.text.contains(&format!("value=\"{part}\"")), "{}", answer.text);
            assert!(!answer.text.contains("refused request made no message"), "{}", answer.text);
        }
    }

    async fn who_does_not_see_bodies_does_not_search_them(app: TestApp) {
        let program = app.program(&[Permission::LogsView]).await;
        assert_eq!(program.get("/api/templates").await.status, 403);
        app.app.request_log.flush().await;
        let owner = app.sign_in(Role::Owner).await.with("accept", "text/html");
        assert_eq!(ids_on(&owner.get("/requests?error=permission").await.text).len(), 1);
        let rules = TeamRules { reveals_with_reason: true, ..TeamRules::default() };
        assert_eq!(app.store().update_team(app.team, "Finch", rules, &app.event()).await, Ok(true));
        let answer = owner.get("/requests?error=permission").await;
        assert_eq!(answer.status, 400);
        assert!(answer.text.contains("hidden from you"), "{}", answer.text);
        assert!(!owner.get("/requests").await.text.contains("name=\"error\""));
    }

    async fn before_a_key_is_revoked_it_says_what_will_stop(app: TestApp) {
        let owner = app.sign_in(Role::Owner).await;
        let made = owner.post("/api/api-keys", json!({"name": "Shop", "scopes": ["logs:view"]})).await;
        let page = owner.with("accept", "text/html").get("/settings/api-keys").await.text;
        assert!(page.contains("It made no request in the last 7 days"), "{page}");
        let program = app.client().with("authorization", &format!("Bearer {}", made.text_of("key")));
        program.get("/api/logs").await.data();
        app.app.request_log.flush().await;
        let page = owner.with("accept", "text/html").get("/settings/api-keys").await.text;
        let rotate = format!("href=\"/settings/api-keys/{}\">rotate it on its page", made.text_of("id"));
        assert!(page.contains("It made 1 request in the last 7 days") && page.contains(&rotate), "{page}");
    }
}

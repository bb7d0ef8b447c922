//! The log of API requests: whom a request was about, what was said, and how many there are.

use super::*;
use crate::domain::api_request::{ApiRequest, ApiRequestFilter, LoggedBody, RequestCounts};
use crate::domain::ids::{ApiKeyId, ApiRequestId, TeamId};
use crate::domain::page::Cursor;
use crate::server::store::emails::NewEmail;

/// A request with these bodies.
fn request(app: &TestApp, team_id: TeamId, status: i64, posted: &str, answered: &str) -> ApiRequest {
    let body = |text: &str| LoggedBody { text: (!text.is_empty()).then(|| text.to_owned()), truncated: false };
    ApiRequest {
        id: app.id_at::<ApiRequestId>(app.now()),
        team_id,
        api_key_id: Some(ApiKeyId(5)),
        user_id: None,
        method: "POST".to_owned(),
        endpoint: "/api/v1/send".to_owned(),
        response_status: status,
        user_agent: None,
        duration_ms: 12,
        at: app.now(),
        request_body: body(posted),
        response_body: body(answered),
    }
}

async fn found(app: &TestApp, filter: &ApiRequestFilter) -> Vec<ApiRequestId> {
    let listed = app.store().list_api_requests(app.team, filter, Cursor::Newest, 10).await.unwrap();
    // The strip over the list speaks of the same requests.
    let counts = app.store().count_api_requests(app.team, filter).await.unwrap();
    assert_eq!((counts.total(), counts.goes_on), (listed.items.len() as i64, false), "{filter:?}");
    listed.items.into_iter().map(|row| row.id).collect()
}

on_both_databases! {
    async fn requests_are_found_by_the_recipients_of_what_they_made(app: TestApp) {
        let rows = [request(&app, app.team, 200, "", ""), request(&app, app.team, 200, "", "")];
        app.store().insert_api_requests(&rows).await.unwrap();
        for row in &rows {
            // To Ada, Bob and Eve.
            let email = NewEmail { api_request_id: Some(row.id), ..super::outbox::new_email(&app, app.now()) };
            app.store().insert_email(app.team, &email).await.unwrap();
        }
        let of = |address: &str| ApiRequestFilter { recipient: Some(address.to_owned()), ..ApiRequestFilter::default() };
        assert_eq!(found(&app, &of("ada@finch.example")).await, [rows[1].id, rows[0].id]);
        assert_eq!(found(&app, &of("BOB@Finch.example")).await.len(), 2);
        // Only whole addresses are found.
        for nobody in ["ada", "finch.example", "ada@finch.exampl", "%"] {
            assert!(found(&app, &of(nobody)).await.is_empty(), "{nobody}");
        }
        let refused = ApiRequestFilter { status_class: Some(4), ..of("ada@finch.example") };
        assert!(found(&app, &refused).await.is_empty());
        let of_key = ApiRequestFilter { api_key_id: Some(ApiKeyId(5)), ..of("eve@finch.example") };
        assert_eq!(found(&app, &of_key).await.len(), 2);
        let theirs = app.store().list_api_requests(app.other_team, &of("ada@finch.example"), Cursor::Newest, 10).await;
        assert!(theirs.unwrap().items.is_empty());
    }

    async fn requests_that_failed_are_found_by_what_was_posted_and_answered(app: TestApp) {
        let rows = [
            request(&app, app.team, 422, r#"{"to":"Eve@shop.example"}"#, r#"{"error":"to is not an address, 100%"}"#),
            request(&app, app.team, 200, r#"{"to":"eve@shop.example"}"#, r#"{"id":"eml_1"}"#),
            request(&app, app.team, 500, "", "out of order"),
        ];
        app.store().insert_api_requests(&rows).await.unwrap();
        let saying = |part: &str, hidden: &[&str]| ApiRequestFilter {
            error: Some(part.to_owned()),
            hidden_names: hidden.iter().map(|name| (*name).to_owned()).collect(),
            ..ApiRequestFilter::default()
        };
        assert_eq!(found(&app, &saying("NOT an address", &[])).await, [rows[0].id]);
        assert_eq!(found(&app, &saying("eve@shop", &[])).await, [rows[0].id]);
        assert_eq!(found(&app, &saying("o", &[])).await, [rows[2].id, rows[0].id]);
        assert_eq!(found(&app, &saying("100%", &[])).await, [rows[0].id]);
        assert!(found(&app, &saying("1%0", &[])).await.is_empty());
        assert_eq!(found(&app, &saying("o", &["error"])).await, [rows[2].id]);
    }

    async fn requests_are_counted_by_status_and_by_key(app: TestApp) {
        let statuses = [200, 201, 302, 404, 422, 429, 500];
        let mut rows: Vec<ApiRequest> =
            statuses.iter().map(|status| request(&app, app.team, *status, "", "")).collect();
        rows.push(request(&app, app.other_team, 200, "", ""));
        app.store().insert_api_requests(&rows).await.unwrap();
        let counts = app.store().count_api_requests(app.team, &ApiRequestFilter::default()).await.unwrap();
        assert_eq!(counts, RequestCounts { of_class: [2, 1, 3, 1], goes_on: false });
        assert_eq!((counts.of(4), counts.of(9), counts.total()), (3, 0, 7));

        let (team, newest) = (app.team.0, crate::domain::ids::lowest_id_at(app.now()));
        let many = format!(
            "INSERT INTO api_requests (team_id, id, api_key_id, method, endpoint, response_status, duration_ms, at)
             WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 10100)
             SELECT {team}, {newest} - CAST(n AS BIGINT) * 1048576, 6, 'GET', '/api/logs', 200, 1, 0 FROM numbers"
        );
        app.store().try_statement(&many).await.unwrap();
        let counts = app.store().count_api_requests(app.team, &ApiRequestFilter::default()).await.unwrap();
        assert_eq!((counts.total(), counts.goes_on), (10_000, true));

        let key = app.add_living_key().await;
        let since = app.now() - chrono::TimeDelta::days(7);
        assert_eq!(app.store().count_requests_of_keys(app.team, since).await, Ok(vec![(key, 0)]));
        let own = ApiRequest { api_key_id: Some(key), ..request(&app, app.team, 200, "", "") };
        app.store().insert_api_requests(&[own]).await.unwrap();
        assert_eq!(app.store().count_requests_of_keys(app.team, since).await, Ok(vec![(key, 1)]));
        let later = app.now() + chrono::TimeDelta::days(1);
        assert_eq!(app.store().count_requests_of_keys(app.team, later).await, Ok(vec![(key, 0)]));
    }
}

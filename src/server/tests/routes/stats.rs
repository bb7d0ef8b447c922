//! `/api/logs/stats`.

use serde_json::{Value, json};

use super::*;
use crate::domain::email::EmailStatus;
use crate::domain::team::Role;

const STATS: &str = include_str!("../fixtures/stats.json");

/// As many messages of each status as the sample counts: the opened ones are a part of the delivered ones, and so on.
const SAMPLE: [(EmailStatus, usize); 8] = [
    (EmailStatus::Queued, 5),
    (EmailStatus::Sent, 20),
    (EmailStatus::Delivered, 1350 - 890),
    (EmailStatus::Opened, 890 - 320),
    (EmailStatus::Clicked, 320),
    (EmailStatus::Bounced, 45),
    (EmailStatus::Failed, 75),
    (EmailStatus::Spam, 5),
];

on_both_databases! {
    async fn the_counts_are_the_specifications_sample(app: TestApp) {
        for (status, count) in SAMPLE {
            app.add_messages(&vec![Message::with_status(status); count]).await;
        }
        let viewer = app.sign_in(Role::Viewer).await;
        let answer = viewer.get("/api/logs/stats?from=2023-12-21T00:00:00Z&to=2024-01-20T23:59:59Z").await;
        assert_eq!(answer.json(), serde_json::from_str::<Value>(STATS).unwrap());
        assert_eq!(field_order(&answer.text), field_order(STATS));
    }

    async fn ends_of_the_period_count_to_the_millisecond(app: TestApp) {
        for time in ["2024-01-10T10:20:30.123Z", "2024-01-10T10:20:30.124Z", "2024-01-10T11:00:00.000Z"] {
            app.add_message(Message { at: at(time), ..Message::default() }).await;
        }
        let viewer = app.sign_in(Role::Viewer).await;
        for (query, total) in [
            ("", 3),
            ("from=2024-01-10T10:20:30.123Z", 3),
            ("from=2024-01-10T10:20:30.124Z", 2),
            ("from=2024-01-10T10:20:30.1231Z", 2),
            ("to=2024-01-10T10:20:30.122Z", 0),
            ("to=2024-01-10T10:20:30.123Z", 1),
            ("to=2024-01-10T10:59:59.999Z", 2),
            ("to=2024-01-10T11:00:00Z", 3),
            ("from=2024-01-10T11:00:00Z&to=2024-01-10T11:00:00Z", 1),
            ("from=2024-01-11&to=2024-01-10", 0),
            ("from=0001-01-01&to=9999-12-31T23:59:59.999Z", 3),
        ] {
            let data = viewer.get(&format!("/api/logs/stats?{query}")).await.data();
            assert_eq!(data["total"], json!(total), "{query}");
        }
    }

    async fn only_the_period_is_asked_for(app: TestApp) {
        let viewer = app.sign_in(Role::Viewer).await;
        viewer.get("/api/logs/stats?status=sent").await.assert_invalid("status");
        viewer.get("/api/logs/stats?from=never").await.assert_invalid("from");
        app.client().get("/api/logs/stats").await.assert_error(401, "UNAUTHORIZED", "No session found");
    }

    async fn other_teams_messages_are_not_counted(app: TestApp) {
        app.add_messages_of(app.other_team, &[Message::default()]).await;
        assert_eq!(app.sign_in(Role::Viewer).await.get("/api/logs/stats").await.data()["total"], 0);
        assert_eq!(app.sign_in_elsewhere().await.get("/api/logs/stats").await.data()["total"], 1);
    }
}

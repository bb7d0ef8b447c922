//! The first steps, ticked by what the team has.

use super::*;
use crate::domain::email::EmailStatus;
use crate::domain::permission::Permission;
use crate::domain::team::Role;
use crate::server::services::first_steps::first_steps;

on_both_databases! {
    async fn each_step_is_ticked_by_what_the_team_has(app: TestApp) {
        let admin = app.viewer(Role::Admin).await;
        let steps = async || first_steps(&app.app, &admin).await.unwrap().unwrap();
        let ticks = |steps: &crate::domain::first_steps::FirstSteps| {
            [&steps.adapter, &steps.key, &steps.template, &steps.message, &steps.report].map(|step| step.is_done)
        };
        assert_eq!(ticks(&steps().await), [false; 5]);
        let browser = app.sign_in(Role::Admin).await.with("accept", "text/html");
        let page = browser.get("/logs").await.text;
        assert!(page.contains("YOUR_TEMPLATE") && page.contains("admin@finch.example"), "{page}");
        app.add_adapter("Relay").await;
        let template = app.add_template("Welcome").await;
        // A key that may not send is not the one.
        app.program(&[Permission::LogsView]).await;
        assert_eq!(ticks(&steps().await), [true, false, true, false, false]);
        app.program(&[Permission::EmailsSend]).await;
        let found = steps().await;
        assert_eq!(found.adapter.name.as_deref(), Some("Relay"));
        assert_eq!(ticks(&found), [true, true, true, false, false]);
        let page = browser.get("/logs").await.text;
        assert!(page.contains(&template.id.to_string()) && page.contains("Relay"), "{page}");
        app.add_message(Message::with_status(EmailStatus::Failed)).await;
        assert!(steps().await.message.is_done);
        assert!(browser.get("/connect").await.text.contains("First steps"));
    }

    async fn who_may_not_see_a_thing_sees_the_tick_alone(app: TestApp) {
        app.add_adapter("Relay").await;
        let mut viewer = app.viewer(Role::Viewer).await;
        viewer.permissions = [Permission::LogsView].into_iter().collect();
        let steps = first_steps(&app.app, &viewer).await.unwrap().unwrap();
        assert_eq!((steps.adapter.is_done, steps.adapter.name), (true, None));
    }

    async fn a_team_with_many_messages_needs_no_first_steps(app: TestApp) {
        let messages: Vec<Message> = (0..20).map(|_| Message::with_status(EmailStatus::Failed)).collect();
        app.add_messages(&messages).await;
        assert_eq!(first_steps(&app.app, &app.viewer(Role::Admin).await).await, Ok(None));
    }
}

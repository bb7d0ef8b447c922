//! Showing contents with a reason: what it needs, what it counts for, what the audit log keeps.

use super::*;

on_both_databases! {
    async fn a_reveal_is_audited_and_counts_for_one_message_one_session_and_ten_minutes(app: TestApp) {
        let planted = plant(&app).await;
        let (owner, other) = (app.sign_in(Role::Owner).await, app.sign_in(Role::Owner).await);
        let url = format!("/logs/{}", planted.email);
        reveal(&owner, planted.email).await;
        let page = owner.get(&url).await.text;
        for shown in [CODE, "pl4nted-link", "Revealed until", "12:10", "Ticket 4711: no code", "Code pl4nted-code for you"] {
            assert!(page.contains(shown), "{shown} {page}");
        }
        assert!(owner.get(&format!("{url}/body")).await.text.contains(CODE));
        assert!(!owner.get(&format!("/logs/{}", planted.sms)).await.text.contains(CODE), "another message");
        assert!(!other.get(&url).await.text.contains(CODE), "another session");
        assert!(!owner.get("/logs?preset=30d").await.text.contains(CODE), "the list");
        let line = &audited(&app, AuditAction::EmailRevealed).await[0];
        assert_eq!((line.target.as_deref(), line.reason.as_deref()), (Some(planted.email.to_string().as_str()), Some("Ticket 4711: no code")));
        assert_eq!(line.target_name.as_deref(), Some("Code •••••• for you"));
        app.advance(TimeDelta::minutes(10) - TimeDelta::seconds(1));
        assert!(owner.get(&url).await.text.contains(CODE));
        app.advance(TimeDelta::seconds(1));
        assert!(!owner.get(&url).await.text.contains(CODE), "ten minutes later");
        // Whoever may no longer reveal sees nothing more at once.
        let member = app.sign_in(Role::Member).await;
        reveal(&member, planted.email).await;
        assert!(member.get(&url).await.text.contains(CODE));
        app.set_grant(Role::Member, Permission::LogsReveal, false).await;
        assert!(!member.get(&url).await.text.contains(CODE));
    }

    async fn a_reveal_needs_the_permission_and_a_reason(app: TestApp) {
        let planted = plant(&app).await;
        let ask = async |client: &Client, reason: &str| {
            let client = client.with("content-type", "application/x-www-form-urlencoded");
            let body = format!("id={}&reason={reason}", planted.email).replace(' ', "%20");
            let answer = client.send("POST", "/fn/reveal_email", Some(body)).await;
            serde_json::from_str::<crate::domain::error::AppError>(&answer.text).map_or(200, |error| error.http_status())
        };
        let (owner, viewer) = (app.sign_in(Role::Owner).await, app.sign_in(Role::Viewer).await);
        let key = key_of(&app, PermissionSet::all()).await;
        assert_eq!(ask(&viewer, "a good reason").await, 403);
        assert_eq!(ask(&with_bearer(&app, &key), "a good reason").await, 403);
        for reason in ["", "no", "  a  ", "two%0Alines", &"x".repeat(201)] {
            assert_eq!(ask(&owner, reason).await, 400, "{reason}");
        }
        assert!(audited(&app, AuditAction::EmailRevealed).await.is_empty());
        assert!(!owner.get(&format!("/logs/{}", planted.email)).await.text.contains(CODE));
        assert_eq!(ask(&owner, "abc").await, 200);
        assert_eq!(audited(&app, AuditAction::EmailRevealed).await.len(), 1);
    }

    async fn a_team_can_ask_for_a_reason_for_everything(app: TestApp) {
        let planted = plant(&app).await;
        set_rules(&app, TeamRules { reveals_with_reason: true, masks_addresses: true, ..TeamRules::default() }).await;
        let owner = app.sign_in(Role::Owner).await;
        assert_without(&planted.walk(&owner).await, &[CODE, NAME, "pl4nted-meta", "pl4nted-link", "pl4nted-html"]);
        let url = format!("/logs/{}", planted.raw);
        let locked = owner.get(&url).await.text;
        assert!(locked.contains("asks for a reason") && locked.contains(ADDRESS), "{locked}");
        reveal(&owner, planted.raw).await;
        let page = owner.get(&url).await.text;
        assert!(page.contains("pl4nted-html") && page.contains("pl4nted-header"), "{page}");
        // Programs cannot give a reason and see at once what no template marks.
        let key = key_of(&app, PermissionSet::all()).await;
        let seen = with_bearer(&app, &key).with("user-agent", "a/1").get(&format!("/resend/emails/{}", planted.raw)).await;
        assert_eq!(seen.json()["html"], "<p>pl4nted-html</p>");
    }

    async fn a_requests_bodies_are_revealed_by_themselves(app: TestApp) {
        let planted = plant(&app).await;
        let owner = app.sign_in(Role::Owner).await;
        let sent = app.store().find_email(app.team, planted.email).await.unwrap().unwrap().api_request_id.unwrap();
        let url = format!("/requests/{sent}");
        let before = owner.get(&url).await.text;
        assert!(before.contains(NAME) && before.contains("Some values are masked") && !before.contains(CODE), "{before}");
        let answer = post_form(&owner, "reveal_request", format!("id={sent}&reason=Audit of keys")).await;
        assert_eq!(answer.headers["location"], url);
        let page = owner.get(&url).await.text;
        assert!(page.contains(CODE) && page.contains("Audit of keys"), "{page}");
        assert!(!owner.get(&format!("/logs/{}", planted.email)).await.text.contains(CODE));
        let line = &audited(&app, AuditAction::RequestRevealed).await[0];
        assert_eq!((line.reason.as_deref(), line.target_name.as_deref()), (Some("Audit of keys"), Some("POST /api/v1/send")));
    }
}

//! Log-ins by an OpenID provider.

use super::*;

/// The server with an OpenID provider in its settings, which gives Finch's roles by group.
fn with_provider(app: &TestApp) -> crate::server::App {
    use crate::server::config::{Config, GroupRole, OpenIdArgs};
    let role = |group: &str, team_slug: &str, role: &str| GroupRole {
        group: group.to_owned(),
        team_slug: team_slug.to_owned(),
        role: role.to_owned(),
    };
    let openid = OpenIdArgs {
        oidc_issuer: Some("https://id.example.com".to_owned()),
        oidc_name: "Example".to_owned(),
        oidc_roles: vec![
            role("ops", "finch", "Admin"),
            role("support", "finch", "viewer"),
            role("owners", "wren", "owner"),
            role("lost", "nowhere", "viewer"),
            role("lost", "finch", "no such role"),
        ],
        ..OpenIdArgs::default()
    };
    let config = Config { openid, ..(*app.app.config).clone() };
    crate::server::App { config: std::sync::Arc::new(config), ..app.app.clone() }
}

fn person(subject: &str, groups: &[&str]) -> Person {
    Person {
        subject: subject.to_owned(),
        email: Some(format!("{subject}@finch.example")),
        email_verified: true,
        name: Some("Ada".to_owned()),
        groups: groups.iter().map(|group| (*group).to_owned()).collect(),
    }
}

/// A provider whose ID tokens have these claims. Gives the issuer.
async fn provider_that_says(claims: Value) -> String {
    use axum::Json;
    use axum::routing::{get, post};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let token = format!("{}.{}.{}", part(&json!({"alg": "RS256"})), part(&claims), BASE64_URL_SAFE_NO_PAD.encode("x"));
    let metadata = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    });
    let tokens = json!({"access_token": "a", "token_type": "Bearer", "id_token": token});
    let router = axum::Router::new()
        .route("/.well-known/openid-configuration", get(async move || Json(metadata)))
        .route("/keys", get(async || Json(json!({"keys": []}))))
        .route("/token", post(async move || Json(tokens)));
    tokio::spawn(async move { axum::serve(listener, router).await });
    issuer
}

/// The words of a refusal.
async fn refusal(app: &crate::server::App, person: &Person) -> String {
    openid::enter(app, person, &RequestOrigin::default()).await.unwrap_err().to_string()
}

on_both_databases! {
    async fn a_providers_groups_give_and_take_roles(app: TestApp) {
        let (provided, origin) = (with_provider(&app), RequestOrigin::default());
        let held = async |user| {
            let held = app.store().list_held_roles(user).await.unwrap();
            held.into_iter().map(|held| (held.team_id, held.role, held.follows_groups)).collect::<Vec<_>>()
        };
        let user = openid::enter(&provided, &person("ada", &["support", "ops", "lost"]), &origin).await.unwrap();
        assert_eq!(held(user).await, [(app.team, Role::Admin, true)], "the first setting counts");
        let user = openid::enter(&provided, &person("ada", &["support"]), &origin).await.unwrap();
        assert_eq!(held(user).await, [(app.team, Role::Viewer, true)]);
        let again = openid::enter(&provided, &person("ada", &[]), &origin).await.unwrap();
        assert_eq!((again, held(user).await), (user, Vec::new()), "an account stays when its groups are gone");
        for action in [AuditAction::MemberJoined, AuditAction::MemberRoleChanged, AuditAction::MemberRemoved] {
            let filter = AuditFilter { actions: vec![action], ..AuditFilter::default() };
            let lines = app.store().list_audit_entries(app.team, &filter, None, 10).await.unwrap();
            assert_eq!(lines.iter().filter(|line| line.actor.kind == ActorKind::Provider).count(), 1, "{action:?}");
        }
    }

    async fn groups_leave_invited_members_and_the_last_owner_alone(app: TestApp) {
        let (provided, origin) = (with_provider(&app), RequestOrigin::default());
        let member = app.user(app.team, Role::Member).await;
        let user = openid::enter(&provided, &person("member", &["ops"]), &origin).await.unwrap();
        assert_eq!(user, member, "the same address, verified, is the same account");
        assert_eq!(app.store().find_role(app.team, user).await, Ok(Some(Role::Member)));
        assert_eq!(count(&app, app.team, AuditAction::OpenIdLinked).await, 1);
        let owner = openid::enter(&provided, &person("boss", &["owners"]), &origin).await.unwrap();
        openid::enter(&provided, &person("boss", &[]), &origin).await.unwrap();
        assert_eq!(app.store().find_role(app.other_team, owner).await, Ok(Some(Role::Owner)));
    }

    async fn a_provider_opens_no_account_on_an_unverified_address_or_without_a_role(app: TestApp) {
        let provided = with_provider(&app);
        let unverified = Person { email_verified: false, ..person("ada", &["ops"]) };
        assert_eq!(refusal(&provided, &unverified).await, "The provider has not verified your email address");
        let nameless = Person { email: None, ..person("ada", &["ops"]) };
        assert_eq!(refusal(&provided, &nameless).await, "The provider does not tell your email address");
        let unknown = refusal(&provided, &person("ada", &["lost", "other"])).await;
        assert!(unknown.starts_with("None of your groups has a role here"), "{unknown}");
        app.user(app.team, Role::Member).await;
        let taken = Person { email: Some("Member@finch.example".to_owned()), ..person("first", &[]) };
        openid::enter(&provided, &taken, &RequestOrigin::default()).await.unwrap();
        let second = Person { subject: "second".to_owned(), ..taken };
        assert!(refusal(&provided, &second).await.contains("belongs to somebody else"));
    }

    async fn an_account_of_a_provider_has_no_password_to_guess_or_change(app: TestApp) {
        let provided = with_provider(&app);
        let user = openid::enter(&provided, &person("admin", &["ops"]), &RequestOrigin::default()).await.unwrap();
        let hashed = app.hashed();
        assert_eq!(log_in(&app.client(), "", None).await.status, 401);
        assert_eq!(app.hashed() - hashed, 1, "as long as any other");
        let person = app.browser_of(user, Some(app.team)).await;
        demand(&app, true).await;
        assert_eq!(person.get("/api/logs").await.status, 200, "the provider looks after second factors");
        assert_eq!(profile(&person).await["two_factor"], "AtProvider");
        assert!(said(&form(&person, "begin_two_factor", &[]).await).starts_with("This account has no password"));
        let fields = [("present_password", ""), ("new_password", "a new password"), ("new_password_again", "a new password")];
        assert!(said(&form(&person, "change_password", &fields).await).starts_with("This account has no password"));
    }

    async fn a_claim_that_the_provider_writes_as_another_type_is_named(app: TestApp) {
        for (claims, said) in [
            (json!({"sub": 5}), "its sub is a number"),
            (json!({"sub": "ada", "email_verified": 1}), "its email_verified is a number, and true or false was expected"),
            (json!({"sub": "ada", "email_verified": "TRUE"}), "its email_verified is another text"),
        ] {
            let issuer = provider_that_says(claims.clone()).await;
            let provided = with_provider(&app);
            let openid = crate::server::config::OpenIdArgs {
                oidc_issuer: Some(issuer),
                oidc_client_id: Some("sendlog".to_owned()),
                ..provided.config.openid.clone()
            };
            let provider = openid::Provider::new(&openid, crate::server::outbound::Outbound::default()).map(std::sync::Arc::new);
            let config = crate::server::config::Config { openid, ..(*provided.config).clone() };
            let provided = crate::server::App { config: std::sync::Arc::new(config), openid: provider, ..provided };
            let client = Client { router: crate::server::tests::router(provided), ..app.client() };
            let begun = client.get("/login/openid").await;
            let url = url::Url::parse(location(&begun)).unwrap();
            let state = url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
            let back = client.with_cookies_of(&begun);
            let answer = back.get(&format!("/login/openid/callback?code=a&state={state}")).await;
            assert_eq!((answer.status, location(&answer)), (303, "/login"));
            let heard = self::said(&answer);
            assert!(heard.contains(said), "{claims}: {heard}");
        }
    }

    async fn a_way_back_that_was_not_begun_here_logs_nobody_in(app: TestApp) {
        for path in ["/login/openid/callback?code=a&state=b", "/login/openid/callback", "/login/openid?next=/logs"] {
            let answer = app.client().get(path).await;
            assert_eq!((answer.status, location(&answer)), (303, "/login"), "{path}");
        }
    }
}

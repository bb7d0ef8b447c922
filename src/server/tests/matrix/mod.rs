//! Who may do what: every endpoint, server function and page × nobody, each built-in role, a custom role and a key with
//! each single permission, removed members, keys that have ended, somebody without the second factor that the team
//! demands, and somebody of another team. A route that the router knows and no table here fails the first test.

pub(crate) mod csrf;
pub(crate) mod dialects;
mod engine;
mod table;
mod two_factor;

use std::collections::BTreeSet;

use leptos::server_fn::axum::server_fn_paths;

use Needs::{
    Both, Following, Identity, Member, Nothing, Permission as Holds, Person, PersonWith, Session as LogIn, SessionAlone,
};
use Permission::*;

pub(crate) use engine::{Caller, Surface, every_row, filled, prepare};
pub(crate) use table::{ENDPOINTS, Needs, OWN_ROUTES, PAGES, Row, SERVER_FUNCTIONS, Target, native_posts_of_senders};

use super::*;
use engine::{CALLERS, Outcome, bound_to_holder_of, expected, holder_of};
use table::PATTERNS;

use crate::domain::api_key::KeyLimits;
use crate::server::secrets::random_token;
use crate::server::services::api_keys::NewApiKey;
use crate::server::web::site::{self, SITE};

/// What also needs the permission to view the thing, which it answers with or begins from.
const ALSO_READ: &[&str] = &["PUT /api/templates/{id}"];

/// Checks one table.
async fn check(app: &TestApp, surface: Surface) {
    let mut wrong = Vec::new();
    for row in surface.rows() {
        let (route, needs, target, _) = row;
        for caller in CALLERS {
            let Some(mut wanted) = expected(caller, *needs, *target) else { continue };
            let is_key = matches!(caller, Caller::FullKey | Caller::OtherKey);
            if surface == Surface::Pages && wanted != Outcome::Open && (caller == Caller::Nobody || is_key) {
                wanted = Outcome::LogInPage;
            }
            let (client, texts) = prepare(app, caller, *target).await;
            let answer = surface.ask(&client, row, &texts).await;
            let found = surface.outcome(&answer);
            let is_open = !matches!(found, Outcome::LogInPage | Outcome::Other(500..));
            if found != wanted && !(wanted == Outcome::Open && is_open) {
                wrong.push(format!("{route} by {caller:?}: {found:?}, not {wanted:?} {}", start_of(&answer.text)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn start_of(text: &str) -> String {
    text.chars().take(160).collect()
}

/// The thing in Finch that a refused request is about. Nothing happens to it, so that many can share it.
async fn shared_target(app: &TestApp, target: Target) -> Vec<(&'static str, String)> {
    if target == Target::Team {
        return vec![("{id}", app.team.to_string()), ("{fresh}", random_token())];
    }
    prepare(app, Caller::Somebody(Role::Owner), target).await.1
}

/// Whether a permission lets its holder give others permissions: those must be held too, so that with it alone some
/// requests are refused in other words.
const fn gives_on(permission: Permission) -> bool {
    matches!(permission, ApiKeysCreate | TeamInvite | TeamUpdateRole | TeamRemoveMember)
}

#[tokio::test]
async fn every_route_is_in_a_table() {
    let functions = server_fn_paths().map(|(path, _)| path.trim_start_matches("/fn/"));
    assert_eq!(functions.collect::<BTreeSet<_>>(), SERVER_FUNCTIONS.iter().map(|row| row.0).collect());

    let database = TestDatabase::sqlite();
    let app = TestApp::start(&database.url()).await;
    let found = app.native_routes().into_iter().map(|route| route.to_string());
    let listed = [ENDPOINTS, OWN_ROUTES].into_iter().flatten().map(|row| row.0.to_owned());
    let listed = listed.chain(PATTERNS.map(str::to_owned));
    let pages = PAGES.iter().map(|row| format!("GET {}", row.0));
    let files = routes_of(&site::routes(&SITE)).into_iter().map(|route| route.to_string());
    assert_eq!(found.collect::<BTreeSet<_>>(), listed.chain(pages).chain(files).collect());
    app.store().close().await;
    database.remove().await;
}

on_both_databases! {
    async fn endpoints_answer_who_may_ask(app: TestApp) {
        app.add_adapter("Mail").await;
        check(&app, Surface::Endpoints).await;
        check(&app, Surface::OwnRoutes).await;
    }

    async fn server_functions_answer_who_may_ask(app: TestApp) {
        app.add_adapter("Mail").await;
        check(&app, Surface::Functions).await;
    }

    async fn pages_are_shown_to_who_may_see_them(app: TestApp) {
        check(&app, Surface::Pages).await;
    }

    async fn each_single_permission_opens_what_names_it_and_nothing_else(app: TestApp) {
        app.add_adapter("Mail").await;
        let mut singles = Vec::new();
        for permission in &Permission::ALL {
            singles.push((*permission, true, holder_of(&app, app.team, *permission).await));
            singles.push((*permission, false, app.program(&[*permission]).await));
            singles.push((*permission, false, bound_to_holder_of(&app, app.team, *permission).await));
        }
        let mut wrong = Vec::new();
        for (surface, row) in every_row() {
            let (opening, is_any_member_let_in) = match row.1 {
                Holds(permission) => (vec![permission], false),
                Following => (vec![LogsView], false),
                Member(permission) => (vec![permission], true),
                // One of two is not enough.
                Both(..) | PersonWith(..) => (Vec::new(), false),
                Nothing | Identity | Person | LogIn | SessionAlone => continue,
            };
            let is_page = surface == Surface::Pages;
            let texts = shared_target(&app, row.2).await;
            for (permission, is_person, client) in &singles {
                if opening.contains(permission) || (*is_person && is_any_member_let_in) || (!is_person && is_page) {
                    continue;
                }
                let is_followed = matches!(row.1, Following) && *permission == EmailsSend && !is_person;
                let wanted = if is_followed { Outcome::NotFound } else { Outcome::Forbidden };
                let answer = surface.ask(client, row, &texts).await;
                if surface.outcome(&answer) != wanted {
                    let who = if *is_person { "a role" } else { "a key" };
                    wrong.push(format!("{} by {who} with {}: {} {}", row.0, permission.as_str(), answer.status, start_of(&answer.text)));
                }
            }
            for permission in opening {
                for caller in [Caller::Holding(permission), Caller::Scoped(permission), Caller::Bound(permission)] {
                    if is_page && !matches!(caller, Caller::Holding(_)) {
                        continue;
                    }
                    let (client, texts) = prepare(&app, caller, row.2).await;
                    let answer = surface.ask(&client, row, &texts).await;
                    let found = surface.outcome(&answer);
                    let lacks_another = answer.text.contains("Missing");
                    let is_other_reason = found == Outcome::Forbidden
                        && if lacks_another { ALSO_READ.contains(&row.0) } else { gives_on(permission) };
                    if found != Outcome::Done && !is_other_reason {
                        wrong.push(format!("{} by {caller:?}: {found:?} {}", row.0, start_of(&answer.text)));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    async fn each_single_permission_in_one_team_opens_nothing_of_another(app: TestApp) {
        let mut elsewhere = Vec::new();
        for permission in &Permission::ALL {
            let scopes = [*permission].into_iter().collect();
            elsewhere.push((*permission, true, holder_of(&app, app.other_team, *permission).await));
            elsewhere.push((*permission, false, app.program_of(app.other_team, scopes).await));
        }
        let mut wrong = Vec::new();
        for (surface, row) in every_row() {
            let opening = match row.1 {
                Holds(permission) | Member(permission) => vec![permission],
                Following => vec![LogsView, EmailsSend],
                Both(one, other) | PersonWith(one, other) => vec![one, other],
                Nothing | Identity | Person | LogIn | SessionAlone => continue,
            };
            if matches!(row.2, Target::Own | Target::Token) {
                continue;
            }
            let texts = shared_target(&app, row.2).await;
            for (_, is_person, client) in elsewhere.iter().filter(|(permission, ..)| opening.contains(permission)) {
                if surface == Surface::Pages && !is_person {
                    continue;
                }
                let answer = surface.ask(client, row, &texts).await;
                let found = surface.outcome(&answer);
                if !matches!(found, Outcome::NotFound | Outcome::Forbidden | Outcome::Other(400..=409)) {
                    wrong.push(format!("{}: {found:?} {}", row.0, start_of(&answer.text)));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    async fn removed_members_and_keys_that_have_ended_get_nothing(app: TestApp) {
        let member = app.add_user("leaving@finch.example").await;
        accounts::add_member(&app.app, app.team, member, Role::Admin).await.unwrap();
        let removed = app.browser_of(member, Some(app.team)).await;
        app.store().delete_membership(app.team, member, None, app.now(), &app.event()).await.unwrap();
        let scopes = PermissionSet::all();
        let revoked = api_keys::create_key_of(&app.app, app.team, None, "Old", scopes).await.unwrap();
        app.store().revoke_api_key(app.team, revoked.key.id, app.now(), &app.event()).await.unwrap();
        let limits = KeyLimits { expires_at: Some(app.now() + TimeDelta::hours(1)), ..KeyLimits::default() };
        let new = NewApiKey { name: "Short".to_owned(), scopes, limits, belongs_to_team: true };
        let expired = api_keys::create_limited_key_of(&app.app, app.team, None, new).await.unwrap();
        app.advance(TimeDelta::hours(1));
        // Past the service, which revokes the keys of who is removed.
        let gone = app.add_user("gone@finch.example").await;
        accounts::add_member(&app.app, app.team, gone, Role::Owner).await.unwrap();
        let orphaned = app.program_bound_to(app.team, gone, scopes).await;
        let end = format!("DELETE FROM memberships WHERE team_id = {} AND user_id = {}", app.team.0, gone.0);
        app.store().try_statement(&end).await.unwrap();
        let with_key = |secret: &str| app.client().with("authorization", &format!("Bearer {secret}"));
        let callers = [
            ("a removed member", removed),
            ("a revoked key", with_key(&revoked.secret)),
            ("a key past its end", with_key(&expired.secret)),
            ("a key whose maker is no member", orphaned),
        ];
        let mut wrong = Vec::new();
        for (surface, row) in every_row() {
            if matches!(row.1, Nothing) {
                continue;
            }
            let wanted = if surface == Surface::Pages { Outcome::LogInPage } else { Outcome::Unauthorized };
            let texts = shared_target(&app, row.2).await;
            for (who, client) in &callers {
                let answer = surface.ask(client, row, &texts).await;
                let found = surface.outcome(&answer);
                if found != wanted {
                    wrong.push(format!("{} by {who}: {found:?} {}", row.0, start_of(&answer.text)));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

//! A team that demands a second factor shows nothing of itself to a member who lacks one, whatever their role: every
//! endpoint, server function and page, asked by an owner without it. Their own account stays theirs.

use super::super::*;
use super::{
    Caller, ENDPOINTS, Needs, OWN_ROUTES, PAGES, Row, SERVER_FUNCTIONS, Surface, Target, every_row, filled, prepare,
};
use crate::domain::team::TeamRules;

/// What is about the person and not the team, beside what needs a session alone.
const OWN: [&str; 7] = [
    "GET /api/auth/me",
    "POST /api/auth/switch-team",
    "POST /api/teams",
    "POST /api/teams/accept-invite/{token}",
    "load_layout",
    "/settings",
    "/settings/profile",
];

const REFUSAL: &str = "demands two-factor authentication";

async fn demand(app: &TestApp, team: TeamId, demands_two_factor: bool) {
    let found = app.store().find_team(team).await.unwrap().unwrap();
    let rules = TeamRules { demands_two_factor, ..found.rules };
    app.store().update_team(team, &found.name, rules, &app.event()).await.unwrap();
}

/// The answers to every row that is about the team and was not refused, or that is the person's own and was.
async fn wrong<Ask>(app: &TestApp, rows: &[Row], ask: Ask) -> Vec<String>
where
    Ask: AsyncFn(Client, String, String) -> Answer,
{
    let mut wrong = Vec::new();
    for (route, needs, target, body) in rows {
        let is_own = OWN.contains(route) || matches!(needs, Needs::Session | Needs::SessionAlone);
        if matches!(needs, Needs::Nothing) {
            continue;
        }
        let (owner, texts) = prepare(app, Caller::Somebody(Role::Owner), *target).await;
        let made: Option<TeamId> = texts.iter().find(|(name, _)| *name == "{id}").and_then(|(_, id)| id.parse().ok());
        let team = made.filter(|_| *target == Target::Team).unwrap_or(app.team);
        demand(app, team, true).await;
        let answer = ask(owner, filled(route, &texts), filled(body, &texts)).await;
        demand_if_there(app, team).await;
        let is_refused = answer.text.contains(REFUSAL) || answer.text.contains("LacksTwoFactor");
        let is_page_of_profile = is_own && answer.status == 200;
        if is_refused == is_own && !(is_own && is_page_of_profile) {
            wrong.push(format!("{route}: {} {:.200}", answer.status, answer.text));
        }
    }
    wrong
}

async fn demand_if_there(app: &TestApp, team: TeamId) {
    if app.store().find_team(team).await.unwrap().is_some() {
        demand(app, team, false).await;
    }
}

on_both_databases! {
    async fn a_key_is_refused_like_its_maker_without_the_demanded_factor(app: TestApp) {
        app.add_adapter("Mail").await;
        let mut wrong = Vec::new();
        for (surface, row) in every_row() {
            let (route, needs, target, _) = row;
            let asks_permission = match needs {
                Needs::Nothing | Needs::Session | Needs::SessionAlone | Needs::Identity | Needs::Person => false,
                Needs::PersonWith(..) => false,
                Needs::Permission(_) | Needs::Following | Needs::Member(_) | Needs::Both(..) => true,
            };
            if !asks_permission || surface == Surface::Pages {
                continue;
            }
            let (_, texts) = prepare(&app, Caller::Somebody(Role::Owner), *target).await;
            let made: Option<TeamId> = texts.iter().find(|(name, _)| *name == "{id}").and_then(|(_, id)| id.parse().ok());
            let team = made.filter(|_| *target == Target::Team).unwrap_or(app.team);
            let owner = app.user(app.team, Role::Owner).await;
            let bound = app.program_bound_to(team, owner, PermissionSet::all()).await;
            demand(&app, team, true).await;
            let answer = surface.ask(&bound, row, &texts).await;
            if !answer.text.contains(REFUSAL) {
                wrong.push(format!("{route}: {} {:.200}", answer.status, answer.text));
            }
            demand_if_there(&app, team).await;
        }
        assert_eq!(wrong, Vec::<String>::new());
        // One of the team's own goes on.
        demand(&app, app.team, true).await;
        app.program(&[Permission::LogsView]).await.get("/api/logs").await.data();
    }

    async fn a_member_without_the_demanded_factor_sees_nothing_of_the_team(app: TestApp) {
        app.add_adapter("Mail").await;
        for rows in [ENDPOINTS, OWN_ROUTES] {
            let wrong = wrong(&app, rows, async |client: Client, route: String, body: String| {
                let (method, path) = route.split_once(' ').unwrap();
                client.send(method, path, Some(body).filter(|body| !body.is_empty())).await
            });
            assert_eq!(wrong.await, Vec::<String>::new());
        }
        let functions = wrong(&app, SERVER_FUNCTIONS, async |client: Client, name: String, body: String| {
            let client = client.with("content-type", "application/x-www-form-urlencoded");
            client.send("POST", &format!("/fn/{name}"), Some(body.replace(' ', "%20").replace('@', "%40"))).await
        });
        assert_eq!(functions.await, Vec::<String>::new());
        let pages = wrong(&app, PAGES, async |client: Client, path: String, _: String| {
            client.with("accept", "text/html").get(&path).await
        });
        assert_eq!(pages.await, Vec::<String>::new());
    }
}

//! What another site can make somebody's browser do here: nothing. Every mutation × what the browser says of the site ×
//! methods and kinds of bodies; every `GET`, which must write nothing. The routes are those that the router knows, with
//! the server functions of leptos; the tables of the authorization matrix give them targets and bodies.

use leptos::server_fn::axum::server_fn_paths;

use super::super::*;
use super::{Caller, ENDPOINTS, OWN_ROUTES, PAGES, Row, SERVER_FUNCTIONS, Target, filled, prepare};
use crate::server::api::Api;
use crate::server::tests::support::Route;

const HOST: &str = "mail.example.com";
const OWN_ORIGIN: &str = "http://mail.example.com";
const FORM: &str = "application/x-www-form-urlencoded";

/// What a browser can say in `Sec-Fetch-Site`; one that says nothing is old, or a program.
const SITES: [Option<&str>; 5] = [None, Some("cross-site"), Some("same-site"), Some("same-origin"), Some("none")];

/// What it can say in `Origin`: nothing, us, a stranger, a sibling, or that it must not say.
const ORIGINS: [Option<&str>; 5] =
    [None, Some(OWN_ORIGIN), Some("https://evil.example"), Some("http://example.com"), Some("null")];

/// The kinds of bodies; all but the first can be sent by a form or without asking the server before.
const KINDS: [Option<&str>; 5] =
    [Some("application/json"), Some(FORM), Some("text/plain"), Some("multipart/form-data; boundary=x"), None];

const METHODS: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];

/// Tables that a request of a team is written down in, whatever it asks for.
const REQUEST_LOG: &str = "api_request";

/// Something that changes what is stored.
#[derive(Clone, Debug)]
struct Mutation {
    method: String,
    path: String,
    kind: &'static str,
    target: Target,
    body: &'static str,
}

/// Every one that the router knows, and every server function.
fn mutations(app: &TestApp) -> Vec<Mutation> {
    let listed = |rows: &'static [Row], route: &str| {
        rows.iter().find(|row| row.0 == route).map_or((Target::Own, ""), |row| (row.2, row.3))
    };
    let endpoints = app.native_routes().into_iter().filter(|route| !matches!(&*route.method, "GET" | "ANY"));
    let endpoints = endpoints.map(|route| {
        let (target, body) = listed(ENDPOINTS, &route.to_string());
        Mutation { method: route.method, path: route.path, kind: "application/json", target, body }
    });
    let functions = server_fn_paths().map(|(path, method)| {
        let (target, body) = listed(SERVER_FUNCTIONS, path.trim_start_matches("/fn/"));
        Mutation { method: method.to_string(), path: path.to_owned(), kind: FORM, target, body }
    });
    let found: Vec<Mutation> = endpoints.chain(functions).collect();
    assert!(found.len() > 50 && found.iter().all(|mutation| METHODS.contains(&mutation.method.as_str())));
    found
}

/// Every `GET` that the router knows outside the dialects, with its target.
fn reads(app: &TestApp) -> Vec<(String, Target)> {
    let target = |route: &Route| {
        let rows = [ENDPOINTS, OWN_ROUTES, PAGES].into_iter().flatten();
        let is_of = |row: &&Row| row.0.strip_prefix("GET ").unwrap_or(row.0) == route.path;
        rows.into_iter().find(is_of).map_or(Target::Own, |row| row.2)
    };
    let routes = app.native_routes().into_iter().filter(|route| route.method == "GET");
    routes.map(|route| (route.path.clone(), target(&route))).collect()
}

/// The client as a page of this site or another one makes it ask.
fn coming_from(client: &Client, site: Option<&str>, origin: Option<&str>) -> Client {
    let client = client.with("host", HOST);
    let client = site.map_or(client.clone(), |site| client.with("sec-fetch-site", site));
    origin.map_or(client.clone(), |origin| client.with("origin", origin))
}

/// Whether this is another site's doing: the browser says so or, when it says nothing of the site, its `Origin` does.
fn is_elsewhere(site: Option<&str>, origin: Option<&str>) -> bool {
    match site {
        Some(site) => matches!(site, "cross-site" | "same-site"),
        None => origin.is_some_and(|origin| origin != OWN_ORIGIN),
    }
}

/// Every way to come from another site, or every other way.
fn ways(elsewhere: bool) -> impl Iterator<Item = (Option<&'static str>, Option<&'static str>)> {
    let every = SITES.into_iter().flat_map(|site| ORIGINS.into_iter().map(move |origin| (site, origin)));
    every.filter(move |(site, origin)| is_elsewhere(*site, *origin) == elsewhere)
}

fn is_refused(answer: &Answer) -> bool {
    answer.status == 403 && answer.text.contains("This request came from another site and was refused")
}

/// Everything that is stored, but for the log of requests.
async fn stored(app: &TestApp) -> std::collections::BTreeMap<String, Vec<String>> {
    app.app.request_log.flush().await;
    // When a key was last used is written a moment later.
    app.store().keep_noted().await;
    let mut rows = app.store().every_row().await;
    rows.retain(|table, _| !table.starts_with(REQUEST_LOG));
    rows
}

on_both_databases! {
    async fn another_site_changes_nothing(app: TestApp) {
        app.add_adapter("Mail").await;
        for mutation in mutations(&app) {
            let (owner, texts) = prepare(&app, Caller::Somebody(Role::Owner), mutation.target).await;
            let (path, body) = (filled(&mutation.path, &texts), filled(mutation.body, &texts));
            let before = app.store().every_row().await;
            for (site, origin) in ways(true) {
                let browser = coming_from(&owner, site, origin);
                let own_method = KINDS.map(|kind| (mutation.method.as_str(), kind));
                for (method, kind) in own_method.into_iter().chain(METHODS.map(|method| (method, Some(FORM)))) {
                    let client = kind.map_or(browser.clone(), |kind| browser.with("content-type", kind));
                    let answer = client.send(method, &path, kind.map(|_| body.clone())).await;
                    let said = format!("{method} {path} {kind:?} from {site:?} {origin:?}: {answer:?}");
                    assert!(is_refused(&answer), "{said}");
                    assert!(!answer.headers.contains_key("set-cookie"), "{said}");
                }
            }
            app.app.request_log.flush().await;
            assert_eq!(app.store().every_row().await, before, "{} {path}", mutation.method);
        }
    }

    async fn another_site_cannot_log_anybody_in(app: TestApp) {
        app.user(app.team, Role::Owner).await;
        let before = app.store().every_row().await;
        for (site, origin) in ways(true) {
            let visitor = coming_from(&app.client(), site, origin);
            let body = format!("email=owner@finch.example&password={}", PASSWORD.replace(' ', "%20"));
            let answer = visitor.with("content-type", FORM).send("POST", "/fn/log_in", Some(body)).await;
            assert!(is_refused(&answer) && !answer.headers.contains_key("set-cookie"), "{site:?} {origin:?} {answer:?}");
        }
        assert_eq!(app.store().every_row().await, before);
    }

    async fn this_site_and_programs_are_heard(app: TestApp) {
        app.add_adapter("Mail").await;
        for mutation in mutations(&app) {
            let (owner, texts) = prepare(&app, Caller::Somebody(Role::Owner), mutation.target).await;
            let (path, body) = (filled(&mutation.path, &texts), filled(mutation.body, &texts).replace(' ', "%20"));
            for (site, origin) in ways(false) {
                let client = coming_from(&owner, site, origin).with("content-type", mutation.kind);
                let answer = client.send(&mutation.method, &path, Some(body.clone())).await;
                assert!(!is_refused(&answer), "{} {path} from {site:?} {origin:?}", mutation.method);
            }
        }
    }

    async fn a_key_is_heard_from_anywhere_but_not_beside_a_session(app: TestApp) {
        let program = coming_from(&app.program(&[Permission::TemplatesCreate]).await, Some("cross-site"), None);
        let template = serde_json::json!({"name": "Receipt", "subject": "s", "text": "t"});
        let before = stored(&app).await;
        assert_eq!(program.post("/api/templates", template.clone()).await.status, 201);
        assert_ne!(stored(&app).await, before, "what is written is seen");
        let owner = app.sign_in(Role::Owner).await;
        let both = program.with("cookie", owner.headers["cookie"].to_str().unwrap());
        assert!(is_refused(&both.post("/api/templates", template).await));
    }

    async fn a_session_means_nothing_to_a_dialect(app: TestApp) {
        let owner = app.sign_in(Role::Owner).await;
        let before = app.store().every_row().await;
        for (dialect, method, path) in dialect_routes(&app) {
            for kind in KINDS {
                let client = kind.map_or(owner.clone(), |kind| owner.with("content-type", kind));
                let answer = client.send(&method, &path, kind.map(|_| "{}".to_owned())).await;
                assert!((400..500).contains(&answer.status), "{dialect:?} {method} {path}: {answer:?}");
            }
        }
        app.app.request_log.flush().await;
        assert_eq!(app.store().every_row().await, before);
    }

    async fn a_password_that_a_browser_remembers_is_not_another_sites_to_use(app: TestApp) {
        let before = app.store().every_row().await;
        for (dialect, method, path) in dialect_routes(&app).into_iter().filter(|(_, method, _)| method != "GET") {
            for (site, origin) in ways(true) {
                for scheme in ["Basic", "basic"] {
                    let browser = coming_from(&app.client(), site, origin);
                    let browser = browser.with("authorization", &format!("{scheme} a2V5OnNlY3JldA=="));
                    let answer = browser.send(&method, &path, Some("{}".to_owned())).await;
                    let said = format!("{dialect:?} {method} {path} from {site:?} {origin:?}: {answer:?}");
                    assert!(answer.status == 403 && answer.text.contains("came from another site"), "{said}");
                }
            }
            for (site, origin) in ways(false) {
                let program = coming_from(&app.client(), site, origin).with("authorization", "Basic a2V5OnNlY3JldA==");
                let answer = program.send(&method, &path, Some("{}".to_owned())).await;
                assert!(!answer.text.contains("came from another site"), "{dialect:?} {method} {path}: {answer:?}");
            }
        }
        assert_eq!(app.store().every_row().await, before);
    }

    async fn no_get_writes(app: TestApp) {
        app.add_adapter("Mail").await;
        let functions = server_fn_paths().map(|(path, _)| {
            let row = SERVER_FUNCTIONS.iter().find(|row| row.0 == path.trim_start_matches("/fn/"));
            let (target, query) = row.map_or((Target::Own, ""), |row| (row.2, row.3));
            (format!("{path}?{query}").replace(' ', "%20"), target)
        });
        // The way to an OpenID provider and back is a log-in: it writes into the browser's session and counts the attempt.
        let is_log_in = |path: &str| path.starts_with("/login/openid");
        for (path, target) in reads(&app).into_iter().chain(functions).filter(|(path, _)| !is_log_in(path)) {
            let (owner, texts) = prepare(&app, Caller::Somebody(Role::Owner), target).await;
            let path = filled(&path, &texts);
            let before = stored(&app).await;
            for method in ["GET", "HEAD", "OPTIONS"] {
                owner.with("accept", "text/html").with("sec-fetch-site", "cross-site").send(method, &path, None).await;
            }
            assert_eq!(stored(&app).await, before, "GET {path}");
        }
        let program = app.program_of(app.team, PermissionSet::all()).await;
        // When a key was last used is written down, once a moment.
        program.get("/api/templates").await;
        for (dialect, _, path) in dialect_routes(&app) {
            let before = stored(&app).await;
            for method in ["GET", "HEAD", "OPTIONS"] {
                program.send(method, &path, None).await;
            }
            assert_eq!(stored(&app).await, before, "{dialect:?} GET {path}");
        }
    }
}

/// Every endpoint of the dialects: method and path, with something in the place of what varies.
fn dialect_routes(app: &TestApp) -> Vec<(Api, String, String)> {
    let mut found = Vec::new();
    for dialect in Api::OTHERS {
        for route in app.dialect_routes(dialect).into_iter().filter(|route| route.path != "/openapi.json") {
            let parts = route.path.split('/').map(|part| if part.starts_with('{') { "a" } else { part });
            let path = format!("{}{}", dialect.prefix(), parts.collect::<Vec<_>>().join("/"));
            found.push((dialect, route.method, path));
        }
    }
    assert!(found.len() > 20, "{found:?}");
    found
}

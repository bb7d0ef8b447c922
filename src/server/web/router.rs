//! The web server: the pages, their server functions, the APIs, and the layers that all of them pass.

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef, Request, State};
use axum::http::{StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{any, get};
use leptos::config::LeptosOptions;
use leptos::prelude::{AnyView, provide_context};
use leptos::server_fn::axum::server_fn_paths;
use leptos_axum::LeptosRoutes;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_sessions::cookie::time::Duration as CookieDuration;
use tower_sessions::{Expiry, SessionManagerLayer};
use tracing::warn;

use super::connections::{self, Connections};
use super::context::GivenBack;
use super::cookies::{self, Cookie};
use super::mount::under_mount;
use super::site::{self, SITE};
use super::{
    api_routes, attachment, audit_export, auth, body, body_page, context, csrf, drafts, export, fair, finish, health,
    hooks, live, markers, observe, openid, person_export, refusal, security, server_functions, suggest,
    suppressions_export, template_preview, to_https, tracking, unsubscribe,
};
use crate::domain::error::AppError;
use crate::domain::mount::mounted;
use crate::server::App;
use crate::server::api::Api;
use crate::server::identity::Identity;
use crate::server::listen::Listener;
use crate::server::store::sessions::SESSION_DAYS;
use crate::server::tls::https::{Encryption, Https};
use crate::server_fns::templates::PREVIEW_PATH;

/// Pages that need no log-in.
const PUBLIC_PAGES: [&str; 5] = ["/login", "/forgot", "/reset/", "/setup", "/invite/"];

/// The page of a person's own account, which needs no team.
const OWN_PAGE: &str = "/settings/profile";

/// How many connections the operator's own address takes.
const METRICS_CONNECTIONS: usize = 64;

/// The pages, which the server only hands on to leptos. Whoever starts the server brings them.
#[derive(Clone, Copy)]
pub struct Pages {
    pub app: fn() -> AnyView,
    /// The document around each, in the chosen colours.
    pub shell: fn(LeptosOptions, Option<String>) -> AnyView,
}

/// Everything the server answers, with every layer. Also what the tests call.
pub fn router(app: App, pages: Pages) -> Router {
    let is_https = app.config.is_https();
    let sessions = SessionManagerLayer::new(app.store.clone())
        .with_name(Cookie::Session.name(is_https))
        .with_secure(is_https)
        .with_same_site(cookies::SAME_SITE)
        .with_path(cookies::path())
        .with_expiry(Expiry::OnInactivity(CookieDuration::days(SESSION_DAYS)));
    let api_routes = api_routes::own(&app);
    let own_routes = Router::new()
        .route("/logs/{id}/body", get(body_page::show))
        .route("/logs/{id}/attachments/{place}", get(attachment::download))
        .route("/settings/audit/export", get(audit_export::show))
        .route("/settings/suppressions/export", get(suppressions_export::show))
        .route("/settings/privacy/export/{id}", get(person_export::show))
        .route("/login/openid", get(openid::begin))
        .route("/login/openid/callback", get(openid::finish))
        .route("/logs/export", get(export::download))
        .route("/logs/live", get(live::watch))
        .route("/logs/suggest", get(suggest::show))
        .route(PREVIEW_PATH, get(template_preview::show))
        .route("/fn/{*name}", any(server_functions::call).layer(DefaultBodyLimit::disable()))
        .layer(middleware::from_fn_with_state(app.clone(), refusal::say))
        .layer(middleware::from_fn(csrf::refuse_prefetch));
    let everything = Router::new()
        .route("/", get(|| async { Redirect::to(&mounted("/logs")) }))
        .merge(own_routes)
        .merge(api_routes)
        .with_state(app.clone())
        .merge(page_routes(&app, pages))
        .layer(middleware::from_fn_with_state(app.clone(), fair::take_turns))
        .layer(middleware::from_fn_with_state(app.clone(), auth::identify))
        .layer(middleware::from_fn_with_state(app.clone(), csrf::refuse_cross_site))
        .layer(sessions)
        .merge(hooks::routes(&app).layer(middleware::from_fn_with_state(app.clone(), csrf::refuse_cross_site)))
        .merge(tracking::routes(&app))
        .merge(unsubscribe::routes(&app).layer(middleware::from_fn_with_state(app.clone(), csrf::refuse_cross_site)))
        .merge(api_routes::under_prefixes(&app))
        .merge(health::routes(&app))
        .merge(site::routes(&SITE))
        .layer(CatchPanicLayer::new())
        .layer(middleware::from_fn(finish::finish_writes))
        .layer(middleware::from_fn_with_state(is_https, security::set_headers))
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn_with_state(None, observe::observe));
    under_mount(everything)
}

/// Where people and programs come in.
#[derive(Default)]
pub struct Entrances {
    /// To everything.
    pub main: Vec<Listener>,
    /// To one dialect alone.
    pub dialects: Vec<(Api, Listener)>,
    /// To the way to the encrypted address.
    pub redirect: Option<Listener>,
    /// What encrypts the connections of the first two that come by TCP.
    pub encryption: Option<Encryption>,
}

/// Serves until `shutdown` says so, then lets running requests end. Each dialect that has an address of its own answers
/// there alone.
pub async fn serve(
    app: App,
    pages: Pages,
    entrances: Entrances,
    shutdown: watch::Receiver<bool>,
) -> std::io::Result<()> {
    if SITE.is_empty() {
        warn!("this program was built without its scripts and styles: scripts/build.sh builds it with them");
    }
    let Entrances { main, dialects, redirect, encryption } = entrances;
    let connections = Connections::by_file_handles();
    let https = encryption.as_ref().map(Encryption::https);
    let mut servers = JoinSet::new();
    let mut begin = |router: Router, listener: Listener, https: Option<Https>| {
        servers.spawn(connections::serve(router, listener, https, connections.clone(), shutdown.clone()));
    };
    let everything = router(app.clone(), pages);
    for listener in main {
        begin(everything.clone(), listener, https.clone());
    }
    for (dialect, listener) in dialects {
        begin(api_routes::at_own_address(&app, dialect), listener, https.clone());
    }
    if let Some(listener) = redirect {
        begin(to_https::routes(&app), listener, None);
    }
    if let Some(encryption) = encryption {
        servers.spawn(encryption.keep(shutdown));
    }
    let mut result = Ok(());
    while let Some(ended) = servers.join_next().await {
        result = result.and(ended.map_err(std::io::Error::other));
    }
    app.request_log.finish().await;
    result
}

/// Answers what concerns the operator alone at an address of its own, until `shutdown` says so. On every kind of node.
pub async fn serve_metrics(app: App, listener: tokio::net::TcpListener, shutdown: watch::Receiver<bool>) {
    let connections = Connections::with_limit(METRICS_CONNECTIONS);
    connections::serve(health::own_address(&app), Listener::Tcp(listener), None, connections, shutdown).await;
}

fn page_routes(app: &App, pages: Pages) -> Router {
    let options = LeptosOptions::builder().output_name("sendlog").site_pkg_dir(SITE.package()).build();
    // Server functions have a route of their own: server_functions.
    let exclusions = server_fn_paths().map(|(path, _)| path.to_owned()).collect();
    let routes = leptos_axum::generate_route_list_with_exclusions(pages.app, Some(exclusions));
    let state = PageState { app: app.clone(), options: options.clone() };
    let page_shell = {
        let options = options.clone();
        move || {
            security::set_page_policy();
            (pages.shell)(options.clone(), context::theme())
        }
    };
    let not_found = leptos_axum::render_app_async_with_context(provide(app), page_shell.clone());
    Router::new()
        .leptos_routes_with_context(&state, routes, provide(app), page_shell)
        .fallback(not_found)
        .layer(middleware::map_response(markers::remove))
        .layer(middleware::from_fn_with_state(app.clone(), require_log_in))
        .with_state(state)
}

/// What the pages' routes are built with.
#[derive(Clone)]
struct PageState {
    app: App,
    options: LeptosOptions,
}

impl FromRef<PageState> for LeptosOptions {
    fn from_ref(state: &PageState) -> Self {
        state.options.clone()
    }
}

impl FromRef<PageState> for App {
    fn from_ref(state: &PageState) -> Self {
        state.app.clone()
    }
}

/// Gives pages and server functions what [super::context] reads.
fn provide(app: &App) -> impl Fn() + Clone + Send + Sync + 'static {
    let app = app.clone();
    move || {
        provide_context(app.clone());
        provide_context(GivenBack::default());
    }
}

/// Layer of the pages: sends a browser without a session to the log-in page, and back afterwards; a person in no team, to
/// their own account.
async fn require_log_in(State(app): State<App>, uri: Uri, request: Request, next: Next) -> Response {
    let is_public = PUBLIC_PAGES.iter().any(|page| uri.path().starts_with(page));
    let identity = request.extensions().get::<Identity>();
    let person = identity.and_then(|identity| {
        let viewer = identity.0.as_ref().ok()?;
        Some((viewer.user_id()?, viewer.team))
    });
    let is_person = person.is_some();
    let has_no_team = matches!(identity, Some(Identity(Err(AppError::NoTeam))));
    if is_public || is_person || (has_no_team && uri.path() == OWN_PAGE) {
        let is_https = app.config.is_https();
        let session = Cookie::Session.find(request.headers(), is_https).filter(|_| is_person).map(str::to_owned);
        let remembered = person.and_then(|(user, team)| drafts::remember(&app, request.headers(), user, team));
        return match body::in_time(next.run(request)).await {
            Ok(mut response) => {
                // The session ends so long after the last visit, and so must the cookie that opens it.
                let seconds = u32::try_from(SESSION_DAYS * 86_400).unwrap_or(u32::MAX);
                if let Some(kept) = session.and_then(|id| Cookie::Session.header(&id, seconds, is_https)) {
                    response.headers_mut().append(header::SET_COOKIE, kept);
                }
                if let Some(remembered) = remembered {
                    response.headers_mut().append(header::SET_COOKIE, remembered);
                }
                response
            }
            Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
        };
    }
    if has_no_team {
        return Redirect::to(&mounted(OWN_PAGE)).into_response();
    }
    let wanted = uri.path_and_query().map_or("/", |wanted| wanted.as_str());
    let query = serde_urlencoded::to_string([("next", wanted)]).unwrap_or_default();
    Redirect::to(&mounted(format!("/login?{query}"))).into_response()
}

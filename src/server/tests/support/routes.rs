//! What a router answers, as it says itself: axum has no list of routes to read, but its `Debug` tells all of them,
//! however they were added. Should it tell them in other words one day, nothing is found and the tests fail.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use axum::Router;

use super::TestApp;
use crate::server::api::Api;

/// The methods that axum tells apart; it answers HEAD where it answers GET.
const METHODS: [&str; 9] = ["get", "head", "delete", "options", "patch", "post", "put", "trace", "connect"];

/// A method and a path, as it was routed. The method is `ANY` where all are taken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Route {
    pub(crate) method: String,
    pub(crate) path: String,
}

impl Route {
    /// The same below a prefix, or itself when it is not there.
    pub(crate) fn without(self, prefix: &str) -> Self {
        let path = self.path.strip_prefix(prefix).map(str::to_owned).unwrap_or(self.path);
        Self { path, ..self }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// Every route of a router, fallbacks aside.
pub(crate) fn routes_of(router: &Router) -> BTreeSet<Route> {
    let said = format!("{router:?}");
    let (routed, _) = said.split_once(", fallback_router: ").expect("the routes, then the fallbacks");
    let (endpoints, paths) = routed.split_once(", node: Node { paths: {").expect("the endpoints, then their paths");
    let by_id = |text| str::split(text, "RouteId(").skip(1).filter_map(|one| one.split_once("): "));
    let endpoints: HashMap<&str, &str> = by_id(endpoints).collect();
    let mut routes = BTreeSet::new();
    for (id, path) in by_id(paths) {
        let path = path.trim_start_matches('"').split('"').next().expect("a path").to_owned();
        let methods = methods_of(endpoints[id]);
        assert!(!methods.is_empty(), "nothing answers at {path}");
        routes.extend(methods.into_iter().map(|method| Route { method, path: path.clone() }));
    }
    assert_eq!(endpoints.len(), routes.iter().map(|route| &route.path).collect::<BTreeSet<_>>().len());
    routes
}

fn methods_of(endpoint: &str) -> Vec<String> {
    if !endpoint.starts_with("MethodRouter(") || endpoint.contains("allow_header: Skip") {
        return vec!["ANY".to_owned()];
    }
    let taken = METHODS.into_iter().filter(|method| !endpoint.contains(&format!("{method}: None")));
    taken.map(str::to_uppercase).collect()
}

impl TestApp {
    /// Every route but those of the dialects.
    pub(crate) fn native_routes(&self) -> BTreeSet<Route> {
        let is_of = |route: &Route, dialect: Api| route.path.starts_with(&format!("{}/", dialect.prefix()));
        let is_native = |route: &Route| !Api::OTHERS.into_iter().any(|dialect| is_of(route, dialect));
        routes_of(&self.router).into_iter().filter(is_native).collect()
    }

    /// A dialect's routes, below its prefix.
    pub(crate) fn dialect_routes(&self, dialect: Api) -> BTreeSet<Route> {
        let prefix = format!("{}/", dialect.prefix());
        let routes = routes_of(&self.router).into_iter().filter(|route| route.path.starts_with(&prefix));
        routes.map(|route| route.without(dialect.prefix())).collect()
    }
}

#[test]
fn a_router_tells_every_route_however_it_was_added() {
    use axum::Extension;
    use axum::body::Body;
    use axum::http::Request;
    use axum::response::Response;
    use axum::routing::{any, delete, get, post};

    let file =
        tower::service_fn(async |_: Request<Body>| Ok::<_, std::convert::Infallible>(Response::new(Body::empty())));
    let inner = Router::new().route("/{id}", delete(async || ()).patch(async || ())).fallback(async || ());
    let router = Router::new()
        .route("/one", get(async || ()))
        .route("/one", post(async || ()))
        .route("/any/{*rest}", any(async || ()))
        .method_not_allowed_fallback(async || ())
        .merge(Router::new().route("/merged", get(async || ()).layer(Extension(1))).layer(Extension(2)))
        .layer(Extension(3))
        .nest("/nested", inner)
        .route_service("/file", file)
        .with_state(());
    let found: Vec<String> = routes_of(&router).iter().map(Route::to_string).collect();
    assert_eq!(
        found,
        [
            "ANY /any/{*rest}",
            "ANY /file",
            "DELETE /nested/{id}",
            "GET /merged",
            "GET /one",
            "PATCH /nested/{id}",
            "POST /one"
        ]
    );
}

//! The server's tests, in one process with it: [TestApp] is the whole router over a database of its own. `matrix` asks
//! every route who may; `routes` mirrors the addresses. Every rule runs on SQLite and on PostgreSQL.

mod api_request_log;
mod backups;
mod bounces;
mod edge;
mod key_rights;
mod masking;
mod matrix;
mod nodes;
mod observe;
mod once;
mod routes;
mod smtp_in;
mod store_contract;
mod support;
mod writer_held;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use chrono::TimeDelta;
use leptos::prelude::IntoAny;
use serde_json::Value;
use support::{Answer, Client, Message, PASSWORD, TestApp, at, events_of, routes_of, test_key};
use tower::ServiceExt;

use super::App;
use super::listen::Peer;
use super::services::{accounts, adapters, api_keys, teams, templates};
use super::store::Store;
use super::store::audit::AuditEvent;
use super::store::emails::Attachment;
use super::store::tests::TestDatabase;
use crate::domain::audit::AuditAction;
use crate::domain::email::EmailStatus;
use crate::domain::ids::{ApiRequestId, EmailId, NotificationId, TeamId, TemplateId, UserId};
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::team::Role;

/// Makes two tests of a rule: `sqlite` and `postgres`.
macro_rules! on_both_databases {
    ($($(#[$attribute:meta])* async fn $rule:ident($app:ident: TestApp) $body:block)+) => {$(
        $(#[$attribute])*
        mod $rule {
            #[allow(unused_imports)]
            use super::*;

            async fn rule($app: $crate::server::tests::TestApp) $body

            #[tokio::test]
            async fn sqlite() {
                let database = $crate::server::store::tests::TestDatabase::sqlite();
                $crate::server::tests::run(database, rule).await;
            }

            #[tokio::test]
            async fn postgres() {
                let database = $crate::server::store::tests::TestDatabase::postgres().await;
                $crate::server::tests::run(database, rule).await;
            }
        }
    )+};
}

/// The same, with the tasks that a rule spawns on several threads.
macro_rules! on_both_databases_in_parallel {
    ($($(#[$attribute:meta])* async fn $rule:ident($app:ident: TestApp) $body:block)+) => {$(
        $(#[$attribute])*
        mod $rule {
            #[allow(unused_imports)]
            use super::*;

            async fn rule($app: $crate::server::tests::TestApp) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn sqlite() {
                let database = $crate::server::store::tests::TestDatabase::sqlite();
                $crate::server::tests::run(database, rule).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn postgres() {
                let database = $crate::server::store::tests::TestDatabase::postgres().await;
                $crate::server::tests::run(database, rule).await;
            }
        }
    )+};
}

use {on_both_databases, on_both_databases_in_parallel};

/// The pages, as the program brings them.
fn pages() -> super::web::Pages {
    super::web::Pages {
        app: || crate::app::App().into_any(),
        shell: |options, theme| crate::app::shell(options, theme).into_any(),
    }
}

/// All that the server answers.
fn router(app: App) -> Router {
    super::web::router(app, pages())
}

/// Runs a rule, then takes its database away, whether the rule held or not.
async fn run<Rule, Held>(database: TestDatabase, rule: Rule)
where
    Rule: FnOnce(TestApp) -> Held,
    Held: Future<Output = ()> + Send + 'static,
{
    let app = TestApp::start(&database.url()).await;
    let store = app.store().clone();
    let outcome = tokio::spawn(rule(app)).await;
    store.close().await;
    database.remove().await;
    if let Err(failure) = outcome {
        std::panic::resume_unwind(failure.into_panic());
    }
}

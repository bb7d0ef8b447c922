//! The web server. [mod@router] says what it answers; the other files are its layers, and the routes that are neither pages
//! nor APIs.

pub(super) mod api_routes;
mod attachment;
mod audit_export;
mod auth;
mod body;
mod body_page;
mod connections;
pub mod context;
pub mod cookies;
mod csrf;
mod drafts;
mod export;
mod fair;
mod file_form;
mod finish;
mod health;
mod hooks;
mod html;
mod live;
mod markers;
mod mount;
mod observe;
mod openid;
mod person_export;
mod rate_limit;
mod refusal;
mod request_log;
mod router;
mod security;
mod server_functions;
pub(super) mod site;
mod suggest;
mod suppressions_export;
mod template_preview;
mod to_https;
mod tracking;
mod unsubscribe;

pub use router::{Entrances, Pages, router, serve, serve_metrics};

pub use super::bounds::MAX_BODY_BYTES;

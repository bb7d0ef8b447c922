//! Everything that runs on the server alone. [web] and the worker of [delivery] serve what [App] holds.

pub mod amazon;
pub mod api;
mod app;
pub mod bounce_address;
pub mod bounds;
pub mod certificate;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod demo;
pub mod forgotten;
pub mod help;
pub mod identity;
pub mod inbound;
pub mod listen;
pub mod mail;
pub mod outbound;
mod private_files;
pub mod proxies;
pub mod render;
pub mod secrets;
pub mod services;
pub mod smtp_in;
pub mod store;
pub mod telemetry;
#[cfg(test)]
mod tests;
pub mod tls;
pub mod tracking;
pub mod turns;
pub mod waker;
pub mod web;

pub use app::App;
/// Server functions find it here.
pub use web::context;

/// The OpenAPI document of the JSON API, for the page that shows it.
pub fn openapi_document() -> serde_json::Value {
    serde_json::to_value(api::canary::openapi()).unwrap_or_default()
}

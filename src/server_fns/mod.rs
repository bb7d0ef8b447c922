//! What the browser may call: one file a noun, each function viewer → service → result. Pages call the `load_…` functions
//! directly while they render; forms and islands post to the others at `/fn/<name>`. Server types appear inside the
//! bodies alone, which are left out of the browser's build.

pub mod access;
pub mod adapters;
pub mod api_docs;
pub mod api_keys;
pub mod api_requests;
pub mod audit;
pub mod connect;
pub mod draft;
pub mod emails;
mod error;
pub mod help;
pub mod history_imports;
pub mod layout;
pub mod members;
pub mod notifications;
pub mod privacy;
pub mod profile;
pub mod provider_webhooks;
pub mod resend_changes;
pub mod resends;
pub mod roles;
pub mod suppressions;
pub mod team;
pub mod templates;
pub mod webhooks;

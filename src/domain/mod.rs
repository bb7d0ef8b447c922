//! The language of the field: what a message, an event, a filter, a role is. Pure Rust, built for the server and for
//! the browser alike; every other layer speaks in these types and this one imports none of them.

pub mod account;
pub mod adapter;
pub mod address;
pub mod api_key;
pub mod api_request;
pub mod audit;
pub mod channel;
pub mod draft;
pub mod email;
pub mod error;
pub mod event;
pub mod failure;
pub mod filter;
pub mod fingerprint;
pub mod ids;
pub mod mailbox;
pub mod masking;
pub mod named;
pub mod notification;
pub mod page;
pub mod period;
pub mod permission;
pub mod recipient;
pub mod resend;
pub mod resend_job;
pub mod retention;
pub mod role;
pub mod search;
pub mod stats;
pub mod status;
pub mod team;
pub mod template;
pub mod viewer;
pub mod visibility;
pub mod words;

//! The parts that pages are made of. They know the domain and nothing of the server; all but the islands are rendered on
//! the server alone.

pub mod address;
pub mod ask;
pub mod behaviour;
pub mod breaks;
pub mod can;
pub mod channel_mark;
pub mod confirm;
pub mod copy_button;
pub mod email_words;
pub mod empty_state;
pub mod field;
pub mod filter;
pub mod hint;
pub mod history_link;
pub mod http;
pub mod icon;
pub mod json;
pub mod markup;
pub mod menu;
pub mod notice;
pub mod number;
pub mod pagination;
pub mod periods;
pub mod resend_button;
pub mod reveal;
pub mod status_badge;
pub mod time;
pub mod timeline;

//! The pages, a folder each. A page's function names its data (a `load_…` server function, called directly
//! while the page renders) and its parts; [layout] puts both together.

pub mod access;
pub mod api_docs;
pub mod connect;
pub mod help;
pub mod layout;
pub mod logs;
pub mod message;
pub mod not_found;
pub mod notification;
pub mod request;
pub mod requests;
pub mod resends;
pub mod settings;
pub mod templates;

//! Messages: accepting them, reading them, and pages of the log.

mod accept;
pub(super) mod log;
pub(super) mod messages;

pub use super::new_email::NewEmail;
pub use crate::domain::api_request::KeptAnswer;
pub use crate::domain::email::Attachment;
pub use accept::{Acceptance, NewIdempotencyKey};
pub use messages::StoredContent;

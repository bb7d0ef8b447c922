//! Messages: accepting them, reading them, and pages of the log.

mod accept;
pub(super) mod log;
pub(super) mod messages;

pub use super::new_email::{Attachment, NewEmail};
pub use accept::{Acceptance, KeptAnswer, NewIdempotencyKey};
pub use messages::StoredContent;

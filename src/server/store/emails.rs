//! Messages: accepting them, reading them, and pages of the log.

pub(super) mod accept;
pub(super) mod log;
pub(super) mod messages;
pub(super) mod row;
pub(super) mod summary;
pub(super) mod together;

pub use crate::domain::api_request::KeptAnswer;
pub use crate::domain::email::{Attachment, NewEmail};
pub use accept::{Acceptance, NewIdempotencyKey};
pub use messages::StoredContent;

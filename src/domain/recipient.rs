//! Whom a message is for.

use serde::{Deserialize, Serialize};

/// Which header a recipient stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecipientKind {
    To,
    Cc,
    /// No header: the others do not see this recipient.
    Bcc,
}

/// Somebody a message is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    pub kind: RecipientKind,
    /// The address alone, `ada@example.com`; in other channels than email a telephone number or the recipient's id.
    pub address: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

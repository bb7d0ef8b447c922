//! API keys.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ids::{ApiKeyId, UserId};
use super::permission::PermissionSet;

/// A key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Its name.
    pub name: String,
    /// The beginning of the secret, enough to tell keys apart: `sl_3fk9`.
    pub prefix: String,
    /// What it may do.
    pub scopes: PermissionSet,
    /// Who made it; `None` for one made on the command line.
    pub created_by: Option<UserId>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// A key that was just made, with its secret, which is never shown again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreatedApiKey {
    /// The key.
    pub key: ApiKey,
    /// The secret: what a client sends.
    pub secret: String,
}

/// What a program needs to use a key that was just made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewKey {
    /// The key's id, which some systems ask for beside the secret.
    pub id: ApiKeyId,
    /// The key's name.
    pub name: String,
    /// The secret.
    pub secret: String,
}

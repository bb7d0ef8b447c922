//! Adapters.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Timestamp;
use crate::domain::adapter::{Adapter, AdapterKind};
use crate::domain::ids::AdapterId;

/// An adapter to add.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewAdapterBody {
    /// Its name, unique in the team; by default the server's.
    pub name: Option<String>,
    /// What it speaks: `smtp` sends e-mail, `http` posts the messages of every other channel to an address of yours.
    #[serde(rename = "type")]
    pub kind: AdapterKind,
    /// Where it connects to, with user name and password, which are never shown again:
    /// `smtp://user:password@mail.example.com:587`, `https://token@example.com/messages`.
    #[schema(example = "smtp://user:password@mail.example.com:587")]
    pub url: String,
    /// The sender of messages that name none: a mailbox for `smtp`, which needs one; for `http` any name, by default the
    /// adapter's.
    #[schema(example = "Finch <receipts@finch.example>")]
    pub from: Option<String>,
    /// Whether messages go out by it unless they name another; a first adapter is the default in any case.
    #[serde(default)]
    pub is_default: bool,
}

/// What of an adapter is to change; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdapterChangeBody {
    /// A new name.
    pub name: Option<String>,
    /// Another address, with user name and password.
    pub url: Option<String>,
    /// Another sender.
    pub from: Option<String>,
    /// `true` makes it the default.
    pub is_default: Option<bool>,
}

/// An adapter, without user name and password.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdapterBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: AdapterId,
    /// Its name.
    pub name: String,
    /// What it speaks.
    #[serde(rename = "type")]
    pub kind: AdapterKind,
    /// Where it connects to.
    pub endpoint: String,
    /// The sender of messages that name none.
    pub from: String,
    /// Whether messages go out by it unless they name another.
    pub is_default: bool,
    /// When it was added.
    pub created_at: Timestamp,
}

impl From<Adapter> for AdapterBody {
    fn from(adapter: Adapter) -> Self {
        Self {
            id: adapter.id,
            name: adapter.name,
            kind: adapter.kind,
            endpoint: adapter.endpoint,
            from: adapter.from_address,
            is_default: adapter.is_default,
            created_at: adapter.created_at.into(),
        }
    }
}

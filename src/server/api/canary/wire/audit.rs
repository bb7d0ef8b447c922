//! The audit log.

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::Timestamp;
use crate::domain::audit::AuditEntry;
use crate::domain::ids::AuditEntryId;
use crate::domain::page::Stretch;

/// Lines of the audit log, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditPageBody {
    /// The lines.
    pub items: Vec<AuditLineBody>,
    /// Whether there are older ones.
    pub has_more: bool,
    /// What to give as `before` to read the older ones; null where there are none.
    #[schema(required)]
    pub next_before: Option<i64>,
}

/// A line of the audit log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditLineBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: AuditEntryId,
    /// Its number in the team's log, from 1 and without gaps.
    pub sequence: i64,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it.
    pub actor: AuditActorBody,
    /// What was done: `api-key.created`.
    pub action: &'static str,
    /// The id of the thing that it was done to.
    #[schema(required)]
    pub target: Option<String>,
    /// That thing's name at the time.
    #[schema(required)]
    pub target_name: Option<String>,
    /// What was there before, as far as it changed.
    #[schema(required, value_type = Option<Object>)]
    pub before: Option<Value>,
    /// What is there now, as far as it changed.
    #[schema(required, value_type = Option<Object>)]
    pub after: Option<Value>,
    /// Why, in the words of who did it.
    #[schema(required)]
    pub reason: Option<String>,
    /// The network address that the request came from.
    #[schema(required)]
    pub address: Option<String>,
    /// What the client called itself.
    #[schema(required)]
    pub user_agent: Option<String>,
    /// SHA-256 over the line and the hash of the line before it.
    pub hash: String,
}

/// Who did something.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditActorBody {
    /// `user`, `api_key`, `command_line`, `provider` or `nobody`.
    pub kind: &'static str,
    /// The account's or the key's id.
    #[schema(required)]
    pub id: Option<String>,
    /// A person's e-mail address, a key's name, or what else names the actor.
    pub name: String,
}

impl From<AuditEntry> for AuditLineBody {
    fn from(entry: AuditEntry) -> Self {
        let actor = AuditActorBody { kind: entry.actor.kind.as_str(), id: entry.actor.id, name: entry.actor.name };
        Self {
            id: entry.id,
            sequence: entry.sequence,
            at: entry.at.into(),
            actor,
            action: entry.action.as_str(),
            target: entry.target,
            target_name: entry.target_name,
            before: entry.before,
            after: entry.after,
            reason: entry.reason,
            address: entry.address,
            user_agent: entry.user_agent,
            hash: entry.hash,
        }
    }
}

impl From<Stretch<AuditEntry>> for AuditPageBody {
    fn from(stretch: Stretch<AuditEntry>) -> Self {
        let next_before = stretch.items.last().filter(|_| stretch.has_more).map(|last| last.sequence);
        let items = stretch.items.into_iter().map(AuditLineBody::from).collect();
        Self { items, has_more: stretch.has_more, next_before }
    }
}

//! API keys.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Timestamp;
use crate::domain::api_key::{ApiKey, CreatedApiKey};
use crate::domain::error::AppError;
use crate::domain::ids::{ApiKeyId, UserId};
use crate::domain::permission::{Permission, PermissionSet};

/// A key to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApiKeyBody {
    /// Its name: one line of 1 to 100 characters.
    pub name: String,
    /// What it may do: names of permissions, or `*` for all.
    #[schema(example = json!(["emails:send", "logs:view"]))]
    pub scopes: Vec<String>,
}

impl NewApiKeyBody {
    /// The permissions that the scopes name.
    pub fn permissions(&self) -> Result<PermissionSet, AppError> {
        if self.scopes.iter().any(|scope| scope == "*") {
            return Ok(PermissionSet::all());
        }
        let permission = |(index, scope): (usize, &String)| {
            scope.parse::<Permission>().map_err(|_| {
                let names: Vec<&str> = Permission::ALL.iter().map(|permission| permission.as_str()).collect();
                AppError::invalid_field(
                    format!("scopes[{index}]"),
                    format!("Unknown scope “{scope}”: use * or {}", names.join(", ")),
                )
            })
        };
        self.scopes.iter().enumerate().map(permission).collect()
    }
}

/// A key.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: ApiKeyId,
    /// Its name.
    pub name: String,
    /// How the key begins.
    pub prefix: String,
    /// What it may do.
    pub scopes: Vec<Permission>,
    /// Who made it; null for one made on the command line.
    #[schema(value_type = Option<String>, required)]
    pub created_by: Option<UserId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    #[schema(required)]
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    #[schema(required)]
    pub revoked_at: Option<Timestamp>,
    /// The key itself; shown only when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl From<ApiKey> for ApiKeyBody {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            prefix: key.prefix,
            scopes: key.scopes.iter().collect(),
            created_by: key.created_by,
            created_at: key.created_at.into(),
            last_used_at: key.last_used_at.map(Timestamp),
            revoked_at: key.revoked_at.map(Timestamp),
            key: None,
        }
    }
}

impl From<CreatedApiKey> for ApiKeyBody {
    fn from(created: CreatedApiKey) -> Self {
        Self { key: Some(created.secret), ..created.key.into() }
    }
}

//! Roles of members.

use serde::{Deserialize, Serialize};

use super::ids::RoleId;

/// A role: one of the four built-in ones, or one that a team made. The built-in ones are ordered from the least to the
/// most that they may do by default; serialized as its name in the database, `owner` or `rol_…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Role {
    /// One that the team made; what it may do is the team's choice alone.
    Custom(RoleId),
    /// Looks.
    Viewer,
    /// Looks, sends and writes templates.
    Member,
    /// Everything but roles and the team's end.
    Admin,
    /// Everything.
    Owner,
}

impl Role {
    /// Every built-in role, the most powerful first.
    pub const BUILT_IN: [Role; 4] = [Role::Owner, Role::Admin, Role::Member, Role::Viewer];

    /// The name of a built-in role on a page; `None` for one that a team made, whose name the team chose.
    pub const fn built_in_label(self) -> Option<&'static str> {
        match self {
            Self::Owner => Some("Owner"),
            Self::Admin => Some("Admin"),
            Self::Member => Some("Member"),
            Self::Viewer => Some("Viewer"),
            Self::Custom(_) => None,
        }
    }

    /// Whether it is one that a team made.
    pub const fn is_custom(self) -> bool {
        matches!(self, Self::Custom(_))
    }
}

/// The name in the database and in JSON.
impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Owner => f.write_str("owner"),
            Self::Admin => f.write_str("admin"),
            Self::Member => f.write_str("member"),
            Self::Viewer => f.write_str("viewer"),
            Self::Custom(id) => id.fmt(f),
        }
    }
}

impl From<Role> for String {
    fn from(role: Role) -> Self {
        role.to_string()
    }
}

/// A name that is no role's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown role: use owner, admin, member, viewer or the id of one that the team created")]
pub struct UnknownRole;

impl std::str::FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        match name {
            "owner" => Ok(Self::Owner),
            "admin" => Ok(Self::Admin),
            "member" => Ok(Self::Member),
            "viewer" => Ok(Self::Viewer),
            id if id.starts_with("rol_") => id.parse().map(Self::Custom).map_err(|_| UnknownRole),
            _ => Err(UnknownRole),
        }
    }
}

impl TryFrom<String> for Role {
    type Error = UnknownRole;

    fn try_from(name: String) -> Result<Self, UnknownRole> {
        name.parse()
    }
}

//! Log-in, registration and who one is.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Timestamp;
use crate::domain::ids::{TeamId, UserId};
use crate::domain::permission::Permission;
use crate::domain::team::{Membership, Role, User};
use crate::domain::viewer::Viewer;

/// Whether the installation waits for its first owner.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetupStatus {
    /// Whether the one-time link, printed when the server started, is to be opened.
    pub needs_setup: bool,
}

/// A log-in.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogInBody {
    /// The account's address.
    #[schema(example = "ada@example.com")]
    pub email: String,
    /// The password.
    #[schema(format = Password)]
    pub password: String,
    /// A code of the authenticator or a recovery code, where the account has a second factor.
    #[schema(example = "123456")]
    pub code: Option<String>,
    /// The browser's IANA time zone.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: Option<String>,
}

/// A wish for a letter with a link that sets a new password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ForgotPasswordBody {
    /// The account's address.
    #[schema(example = "ada@example.com")]
    pub email: String,
}

/// A new password, with the token of a letter's link.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResetPasswordBody {
    /// From the link.
    pub token: String,
    /// The new password, of at least 10 characters.
    #[schema(format = Password)]
    pub password: String,
}

/// A registration: by the one-time link of a new installation or by an invitation.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegisterBody {
    /// From the one-time link; then `email` and `teamName` are required.
    pub setup_token: Option<String>,
    /// From the invitation's link.
    pub invite_token: Option<String>,
    /// The account's address; an invitation knows it already.
    #[schema(example = "ada@example.com")]
    pub email: Option<String>,
    /// The person's name.
    pub name: Option<String>,
    /// The password, of at least 10 characters.
    #[schema(format = Password)]
    pub password: String,
    /// The first team's name.
    pub team_name: Option<String>,
    /// The browser's IANA time zone.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: Option<String>,
}

/// A choice of team.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SwitchTeamBody {
    /// One of the account's teams.
    #[schema(example = "team_06xq3k9v2m4p8")]
    pub team_id: String,
}

/// The account that is logged in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    /// The account.
    pub user: UserBody,
    /// Its teams.
    pub teams: Vec<MembershipBody>,
    /// The team that requests are about; null when the account has none.
    #[schema(value_type = Option<String>, required)]
    pub team_id: Option<TeamId>,
    /// The role in that team.
    #[schema(required)]
    pub role: Option<Role>,
    /// What the account may do in that team.
    pub permissions: Vec<Permission>,
}

impl Me {
    /// An account with its teams, and who it is in the selected one.
    pub fn new(user: User, teams: Vec<Membership>, viewer: Option<&Viewer>) -> Self {
        Self {
            user: UserBody {
                id: user.id,
                email: user.email,
                name: user.name,
                time_zone: user.time_zone,
                created_at: user.created_at.into(),
            },
            teams: teams.into_iter().map(MembershipBody::from).collect(),
            team_id: viewer.map(|viewer| viewer.team),
            role: viewer.and_then(Viewer::role),
            permissions: viewer.map(|viewer| viewer.permissions.iter().collect()).unwrap_or_default(),
        }
    }
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: UserId,
    /// Its address.
    pub email: String,
    /// The person's name.
    pub name: String,
    /// IANA time zone.
    pub time_zone: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A team of an account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MembershipBody {
    /// The team's id.
    #[schema(value_type = String)]
    pub id: TeamId,
    /// The team's slug.
    pub slug: String,
    /// The team's name.
    pub name: String,
    /// The account's role in it.
    pub role: Role,
}

impl From<Membership> for MembershipBody {
    fn from(team: Membership) -> Self {
        Self { id: team.team_id, slug: team.slug, name: team.name, role: team.role }
    }
}

//! What a viewer may do. Grants of a role live in the database; an API key's scopes are the same permissions.

use serde::{Deserialize, Serialize};

use super::named::named;
use super::role::Role;

// `alerts:manage` was a permission that nothing asked for; databases hold grants of it.
named! {
    /// One thing that a role or an API key can be allowed to do. Serialized as its name, `logs:view`.
    pub enum Permission, "unknown permission" {
        LogsView = "logs:view" "View the log and its statistics",
        LogsReveal = "logs:reveal" "See variables, bodies and links in messages and API requests",
        LogsResend = "logs:resend" "Resend messages that failed or bounced",
        LogsResendAny = "logs:resend-any" "Resend messages that were sent or delivered",
        LogsExport = "logs:export" "Export the log to a file",
        EmailsSend = "emails:send" "Send messages",
        EventsWrite = "events:write" "Report what became of messages",
        RequestsView = "requests:view" "View API requests with their bodies",
        TemplatesView = "templates:view" "View templates",
        TemplatesCreate = "templates:create" "Create templates",
        TemplatesUpdate = "templates:update" "Change templates",
        TemplatesDelete = "templates:delete" "Delete templates",
        AdaptersView = "adapters:view" "View adapters",
        AdaptersCreate = "adapters:create" "Add adapters",
        AdaptersUpdate = "adapters:update" "Change adapters",
        AdaptersDelete = "adapters:delete" "Remove adapters",
        WebhooksView = "webhooks:view" "View webhooks and what they were told",
        WebhooksCreate = "webhooks:create" "Add webhooks",
        WebhooksUpdate = "webhooks:update" "Change webhooks, and send again what they were told",
        WebhooksDelete = "webhooks:delete" "Remove webhooks",
        SuppressionsView = "suppressions:view" "View suppressed addresses",
        SuppressionsUpdate = "suppressions:update" "Suppress addresses and write to them again",
        ApiKeysView = "api-keys:view" "View API keys",
        ApiKeysCreate = "api-keys:create" "Create API keys",
        ApiKeysRevoke = "api-keys:revoke" "Revoke API keys",
        AuditView = "audit:view" "View and export the audit log",
        PrivacyExport = "privacy:export" "Export everything about a person",
        PrivacyForget = "privacy:forget" "Forget a person for good",
        HoldsUpdate = "holds:update" "Place and lift legal holds",
        TeamUpdate = "team:update" "Change the team's name and rules",
        TeamInvite = "team:invite" "Invite members",
        TeamRemoveMember = "team:remove-member" "Remove members",
        TeamUpdateRole = "team:update-role" "Change roles and what they grant",
        TeamDelete = "team:delete" "Delete the team",
    }
}

/// The permissions whose absence a page tells of, with whom to ask, beside the thing that is missing.
pub const ASKED_FOR: [Permission; 4] =
    [Permission::LogsReveal, Permission::LogsResend, Permission::LogsExport, Permission::TeamUpdateRole];

impl Permission {
    /// Whether a built-in role holds this permission until an owner changes it. Source: Canary's role table.
    pub fn granted_by_default(self, role: Role) -> bool {
        use Permission::*;
        let lowest = match self {
            LogsView | TemplatesView | AdaptersView | WebhooksView | SuppressionsView => Role::Viewer,
            LogsReveal | EmailsSend | RequestsView | TemplatesCreate | TemplatesUpdate => Role::Member,
            LogsResend | LogsResendAny | LogsExport | AuditView | EventsWrite | TemplatesDelete | AdaptersCreate
            | AdaptersUpdate | AdaptersDelete | WebhooksCreate | WebhooksUpdate | WebhooksDelete
            | SuppressionsUpdate | ApiKeysView | ApiKeysCreate | ApiKeysRevoke | PrivacyExport | PrivacyForget
            | HoldsUpdate | TeamUpdate | TeamInvite | TeamRemoveMember => Role::Admin,
            TeamUpdateRole | TeamDelete => Role::Owner,
        };
        role >= lowest
    }

    /// What it allows, within a sentence: "resend messages that failed or bounced".
    pub fn deed(self) -> String {
        let mut letters = self.label().chars();
        letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
    }

    const fn bit(self) -> u64 {
        1 << self as u64
    }
}

/// A set of permissions. Serialized as a list of their names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Permission>", into = "Vec<Permission>")]
pub struct PermissionSet(u64);

impl PermissionSet {
    pub fn all() -> Self {
        Permission::ALL.iter().copied().collect()
    }

    /// The permissions a built-in role starts with.
    pub fn default_for(role: Role) -> Self {
        Permission::ALL.iter().copied().filter(|permission| permission.granted_by_default(role)).collect()
    }

    /// Whether the set holds `permission`.
    pub const fn contains(self, permission: Permission) -> bool {
        self.0 & permission.bit() != 0
    }

    /// Adds `permission`.
    pub fn insert(&mut self, permission: Permission) {
        self.0 |= permission.bit();
    }

    /// Takes `permission` away.
    pub fn remove(&mut self, permission: Permission) {
        self.0 &= !permission.bit();
    }

    /// Whether every permission of `other` is in this set too.
    pub const fn contains_all(self, other: PermissionSet) -> bool {
        self.0 & other.0 == other.0
    }

    /// The permissions that are in both sets.
    pub const fn shared_with(self, other: PermissionSet) -> PermissionSet {
        PermissionSet(self.0 & other.0)
    }

    /// The permissions in the set, in [Permission::ALL]'s order.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.contains(*permission))
    }
}

impl FromIterator<Permission> for PermissionSet {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        let mut set = Self::default();
        permissions.into_iter().for_each(|permission| set.insert(permission));
        set
    }
}

impl From<Vec<Permission>> for PermissionSet {
    fn from(permissions: Vec<Permission>) -> Self {
        permissions.into_iter().collect()
    }
}

impl From<PermissionSet> for Vec<Permission> {
    fn from(set: PermissionSet) -> Self {
        set.iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viewer_looks_and_changes_nothing() {
        let viewer = PermissionSet::default_for(Role::Viewer);
        assert!(viewer.iter().all(|permission| permission.as_str().ends_with(":view")));
        assert!(viewer.contains(Permission::LogsView));
        assert!(!viewer.contains(Permission::LogsResend));
    }

    #[test]
    fn only_owners_change_roles_and_delete_the_team() {
        let admin = PermissionSet::default_for(Role::Admin);
        let missing: Vec<_> = Permission::ALL.iter().filter(|p| !admin.contains(**p)).collect();
        assert_eq!(missing, [&Permission::TeamUpdateRole, &Permission::TeamDelete]);
        assert_eq!(PermissionSet::default_for(Role::Owner), PermissionSet::all());
    }
}

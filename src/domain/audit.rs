//! The audit log: who changed, revealed, resent or exported what, and who failed to log in.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::filter::TimeRange;
use super::ids::AuditEntryId;
use super::named::{UnknownName, named};

/// The outcome of a test whose message the server took. That of others is the name of an
/// [AdapterFault](super::adapter::fault::AdapterFault).
pub const TEST_TAKEN: &str = "accepted";

named! {
    /// What somebody did. Serialized as its name, `member.invited`.
    pub enum AuditAction, "unknown action" {
        LogInFailed = "log-in.failed" "Failed log-in",
        EmailRevealed = "email.revealed" "Message revealed",
        EmailResent = "email.resent" "Message resent",
        EmailsCanceled = "emails.canceled" "Messages canceled",
        ResendStarted = "resend.started" "Bulk resend started",
        ResendPaused = "resend.paused" "Bulk resend paused",
        ResendResumed = "resend.resumed" "Bulk resend resumed",
        ResendStopped = "resend.stopped" "Bulk resend stopped",
        ResendFinished = "resend.finished" "Bulk resend finished",
        RequestRevealed = "request.revealed" "API request revealed",
        LogExported = "log.exported" "Log exported",
        AuditExported = "audit.exported" "Audit log exported",
        MemberInvited = "member.invited" "Member invited",
        InviteResent = "invite.resent" "Invitation sent again",
        InviteRevoked = "invite.revoked" "Invitation withdrawn",
        MemberJoined = "member.joined" "Member joined",
        MemberRoleChanged = "member.role-changed" "Member's role changed",
        MemberRemoved = "member.removed" "Member removed",
        RoleCreated = "role.created" "Role created",
        RoleUpdated = "role.updated" "Role changed",
        RoleDeleted = "role.deleted" "Role deleted",
        ApiKeyCreated = "api-key.created" "API key created",
        ApiKeyUpdated = "api-key.updated" "API key changed",
        ApiKeyRotated = "api-key.rotated" "API key rotated",
        ApiKeyRevoked = "api-key.revoked" "API key revoked",
        TemplateCreated = "template.created" "Template created",
        TemplateUpdated = "template.updated" "Template changed",
        TemplateTested = "template.tested" "Template tested",
        TemplateDeleted = "template.deleted" "Template deleted",
        TemplateRestored = "template.restored" "Template brought back",
        AdapterCreated = "adapter.created" "Adapter added",
        AdapterUpdated = "adapter.updated" "Adapter changed",
        AdapterTested = "adapter.tested" "Adapter tested",
        AdapterDeleted = "adapter.deleted" "Adapter removed",
        AdapterRestored = "adapter.restored" "Adapter brought back",
        WebhookCreated = "webhook.created" "Provider webhook added",
        WebhookUpdated = "webhook.updated" "Provider webhook changed",
        WebhookDeleted = "webhook.deleted" "Provider webhook removed",
        OutgoingWebhookCreated = "outgoing-webhook.created" "Webhook added",
        OutgoingWebhookUpdated = "outgoing-webhook.updated" "Webhook changed",
        OutgoingWebhookEnabled = "outgoing-webhook.enabled" "Webhook switched on",
        OutgoingWebhookDisabled = "outgoing-webhook.disabled" "Webhook switched off",
        OutgoingWebhookRotated = "outgoing-webhook.rotated" "Webhook's secret replaced",
        OutgoingWebhookTested = "outgoing-webhook.tested" "Webhook tested",
        OutgoingWebhookReplayed = "outgoing-webhook.replayed" "Webhook's deliveries sent again",
        OutgoingWebhookDeleted = "outgoing-webhook.deleted" "Webhook removed",
        ImportStarted = "import.started" "Import started",
        ImportStopped = "import.stopped" "Import stopped",
        ImportResumed = "import.resumed" "Import gone on with",
        ImportDeleted = "import.deleted" "Import removed",
        SuppressionsAdded = "suppressions.added" "Addresses suppressed",
        SuppressionLifted = "suppression.lifted" "Suppression lifted",
        SuppressionsExported = "suppressions.exported" "Suppressed addresses exported",
        PersonExported = "person.exported" "Everything about a person exported",
        PersonForgetting = "person.forgetting" "Forgetting of a person begun",
        PersonForgotten = "person.forgotten" "Person forgotten",
        PersonWrittenTo = "person.written-to" "Forgotten person may be written to",
        HoldPlaced = "hold.placed" "Legal hold placed",
        HoldLifted = "hold.lifted" "Legal hold lifted",
        TeamCreated = "team.created" "Team created",
        TeamUpdated = "team.updated" "Team changed",
        TeamDeleted = "team.deleted" "Team deleted",
        ProfileUpdated = "account.profile-updated" "Profile changed",
        PasswordChanged = "account.password-changed" "Password changed",
        PasswordReset = "account.password-reset" "Password reset by mail",
        TwoFactorEnabled = "account.two-factor-enabled" "Two-factor authentication set up",
        TwoFactorDisabled = "account.two-factor-disabled" "Two-factor authentication taken away",
        RecoveryCodesRenewed = "account.recovery-codes-renewed" "Recovery codes renewed",
        RecoveryCodeUsed = "account.recovery-code-used" "Logged in with a recovery code",
        OpenIdLinked = "account.openid-linked" "Account linked with an OpenID provider",
        SessionsEnded = "account.sessions-ended" "Sessions ended",
    }
}

named! {
    /// Actions of one kind, to look for together.
    pub enum AuditGroup, "unknown group of actions" {
        Roles = "roles" "Roles and permissions",
        Members = "members" "Members",
        LogIn = "log-in" "Log-in and accounts",
        ApiKeys = "api-keys" "API keys",
        Adapters = "adapters" "Adapters",
        Webhooks = "webhooks" "Provider webhooks",
        OutgoingWebhooks = "outgoing-webhooks" "Webhooks",
        Imports = "imports" "Imports",
        Suppressions = "suppressions" "Suppressed addresses",
        Templates = "templates" "Templates",
        Messages = "messages" "Messages",
        BulkResends = "bulk-resends" "Bulk resends",
        ApiRequests = "api-requests" "API requests",
        Exports = "exports" "Exports",
        Privacy = "privacy" "People and holds",
        Team = "team" "Team",
    }
}

impl AuditGroup {
    /// Its actions, in their usual order.
    pub fn actions(self) -> impl Iterator<Item = AuditAction> {
        AuditAction::ALL.into_iter().filter(move |action| action.group() == self)
    }
}

impl AuditAction {
    /// The one group that it is in.
    pub const fn group(self) -> AuditGroup {
        use AuditAction::*;
        match self {
            RoleCreated | RoleUpdated | RoleDeleted | MemberRoleChanged => AuditGroup::Roles,
            MemberInvited | InviteResent | InviteRevoked | MemberJoined | MemberRemoved => AuditGroup::Members,
            LogInFailed | ProfileUpdated | PasswordChanged | PasswordReset | TwoFactorEnabled | TwoFactorDisabled
            | RecoveryCodesRenewed | RecoveryCodeUsed | OpenIdLinked | SessionsEnded => AuditGroup::LogIn,
            ApiKeyCreated | ApiKeyUpdated | ApiKeyRotated | ApiKeyRevoked => AuditGroup::ApiKeys,
            AdapterCreated | AdapterUpdated | AdapterTested | AdapterDeleted | AdapterRestored => AuditGroup::Adapters,
            WebhookCreated | WebhookUpdated | WebhookDeleted => AuditGroup::Webhooks,
            ImportStarted | ImportStopped | ImportResumed | ImportDeleted => AuditGroup::Imports,
            OutgoingWebhookCreated
            | OutgoingWebhookUpdated
            | OutgoingWebhookEnabled
            | OutgoingWebhookDisabled
            | OutgoingWebhookRotated
            | OutgoingWebhookTested
            | OutgoingWebhookReplayed
            | OutgoingWebhookDeleted => AuditGroup::OutgoingWebhooks,
            SuppressionsAdded | SuppressionLifted => AuditGroup::Suppressions,
            TemplateCreated | TemplateUpdated | TemplateTested | TemplateDeleted | TemplateRestored => {
                AuditGroup::Templates
            }
            EmailRevealed | EmailResent | EmailsCanceled => AuditGroup::Messages,
            ResendStarted | ResendPaused | ResendResumed | ResendStopped | ResendFinished => AuditGroup::BulkResends,
            RequestRevealed => AuditGroup::ApiRequests,
            LogExported | AuditExported | SuppressionsExported => AuditGroup::Exports,
            PersonExported | PersonForgetting | PersonForgotten | PersonWrittenTo | HoldPlaced | HoldLifted => {
                AuditGroup::Privacy
            }
            TeamCreated | TeamUpdated | TeamDeleted => AuditGroup::Team,
        }
    }
}

/// Which actions to look for. Serialized as the name of the group or of the action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum AuditChoice {
    Group(AuditGroup),
    One(AuditAction),
}

impl AuditChoice {
    /// Its name in addresses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Group(group) => group.as_str(),
            Self::One(action) => action.as_str(),
        }
    }

    /// What it is called in a list: that of a group also says that it is all of it.
    pub fn label(self) -> String {
        match self {
            Self::Group(group) => format!("{}: all", group.label()),
            Self::One(action) => action.label().to_owned(),
        }
    }

    pub fn actions(self) -> Vec<AuditAction> {
        match self {
            Self::Group(group) => group.actions().collect(),
            Self::One(action) => vec![action],
        }
    }
}

impl std::str::FromStr for AuditChoice {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        name.parse().map(Self::Group).or_else(|_| name.parse().map(Self::One))
    }
}

impl TryFrom<String> for AuditChoice {
    type Error = UnknownName;

    fn try_from(name: String) -> Result<Self, UnknownName> {
        name.parse()
    }
}

impl From<AuditChoice> for String {
    fn from(choice: AuditChoice) -> Self {
        choice.as_str().to_owned()
    }
}

/// Who did it. The name is that of the moment: it stays when the account or key is renamed or gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditActor {
    pub kind: ActorKind,
    /// The account's or the key's id, `usr_…` or `key_…`; `None` for the others.
    pub id: Option<String>,
    /// A person's email address, a key's name, or what else names the actor.
    pub name: String,
}

named! {
    /// What kind of actor did something.
    pub enum ActorKind, "unknown kind of actor" {
        User = "user",
        ApiKey = "api_key",
        /// Somebody at the command line of the server.
        CommandLine = "command_line",
        /// An OpenID provider, whose groups decide roles.
        Provider = "provider",
        /// Somebody without a log-in: a failed one, a reset password.
        Nobody = "nobody",
    }
}

/// One line of a team's audit log. Lines are never changed or removed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// Its id; the time of the id is when it happened, to the millisecond.
    pub id: AuditEntryId,
    /// Its number in the team's log, from 1 and without gaps.
    pub sequence: i64,
    pub at: DateTime<Utc>,
    pub actor: AuditActor,
    pub action: AuditAction,
    /// The id of the thing that it was done to, with its prefix.
    pub target: Option<String>,
    /// That thing's name at the time.
    pub target_name: Option<String>,
    /// What was there before, as far as it changed: an object of fields.
    pub before: Option<Value>,
    /// What is there now, as far as it changed.
    pub after: Option<Value>,
    pub reason: Option<String>,
    pub address: Option<String>,
    pub user_agent: Option<String>,
    /// SHA-256 over the line and the hash of the line before it, in hexadecimal digits.
    pub hash: String,
}

/// Which lines of the audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// What was done, each once; none for anything.
    pub actions: Vec<AuditAction>,
    /// Who did it, by id (`usr_…`, `key_…`); `None` for anybody.
    pub actor_id: Option<String>,
    /// What it was done to, by id; `None` for anything.
    pub target: Option<String>,
    pub range: TimeRange,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_are_a_noun_and_what_happened() {
        for action in &AuditAction::ALL {
            assert_eq!(action.as_str().parse(), Ok(*action));
            assert!(action.as_str().split_once('.').is_some_and(|(noun, past)| !noun.is_empty() && !past.is_empty()));
        }
        for choice in AuditGroup::ALL.map(AuditChoice::Group) {
            assert_eq!(choice.as_str().parse(), Ok(choice));
            assert!(!choice.actions().is_empty());
        }
        for kind in ActorKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
    }
}

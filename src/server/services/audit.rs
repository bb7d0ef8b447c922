//! The audit log: the lines that other services write ([by] and its siblings), and reading, exporting and checking it.
//! Called by every service that changes something, by `/settings/audit` and by the command line.

use serde_json::Value;

use crate::domain::audit::{ActorKind, AuditAction, AuditActor};
use crate::domain::viewer::{Actor, RequestOrigin, Viewer};
use crate::server::App;
use crate::server::store::audit::AuditEvent;

/// A line about what a viewer does.
pub fn by(app: &App, viewer: &Viewer, action: AuditAction) -> AuditEvent {
    let actor = match &viewer.actor {
        Actor::User { id, email, .. } => {
            AuditActor { kind: ActorKind::User, id: Some(id.to_string()), name: email.clone() }
        }
        Actor::ApiKey { id, name } => {
            AuditActor { kind: ActorKind::ApiKey, id: Some(id.to_string()), name: name.clone() }
        }
    };
    line(app, actor, action, &viewer.origin)
}

/// A line about what somebody does at the command line of the server.
pub fn by_command_line(app: &App, action: AuditAction) -> AuditEvent {
    let actor = AuditActor { kind: ActorKind::CommandLine, id: None, name: "Command line".to_owned() };
    line(app, actor, action, &RequestOrigin::default())
}

/// A line about what somebody does who is not logged in; `name` is the account's e-mail address.
pub fn by_nobody(app: &App, name: &str, action: AuditAction, origin: &RequestOrigin) -> AuditEvent {
    line(app, AuditActor { kind: ActorKind::Nobody, id: None, name: name.to_owned() }, action, origin)
}

/// A line about what an OpenID provider's groups bring about at a log-in.
pub fn by_provider(app: &App, name: &str, action: AuditAction, origin: &RequestOrigin) -> AuditEvent {
    line(app, AuditActor { kind: ActorKind::Provider, id: None, name: name.to_owned() }, action, origin)
}

/// A line about what a person does before or apart from a team's viewer: joining, changing their own account.
pub fn by_account(
    app: &App,
    user: crate::domain::ids::UserId,
    email: &str,
    action: AuditAction,
    origin: &RequestOrigin,
) -> AuditEvent {
    let actor = AuditActor { kind: ActorKind::User, id: Some(user.to_string()), name: email.to_owned() };
    line(app, actor, action, origin)
}

fn line(app: &App, actor: AuditActor, action: AuditAction, origin: &RequestOrigin) -> AuditEvent {
    AuditEvent {
        id: app.clock.mint(),
        actor,
        action,
        target: None,
        target_name: None,
        before: None,
        after: None,
        reason: None,
        address: origin.address.clone(),
        user_agent: origin.user_agent.clone(),
    }
}

impl AuditEvent {
    /// The line, about the thing with this id and name.
    #[must_use]
    pub fn about(self, id: impl ToString, name: impl Into<String>) -> Self {
        Self { target: Some(id.to_string()), target_name: Some(name.into()), ..self }
    }

    /// The line, with what is there now: an object of fields, without secrets.
    #[must_use]
    pub fn made(self, after: Value) -> Self {
        Self { after: Some(after), ..self }
    }

    /// The line, with what was there before.
    #[must_use]
    pub fn removed(self, before: Value) -> Self {
        Self { before: Some(before), ..self }
    }

    /// The line, with the fields of two objects that differ, as they were and as they are.
    #[must_use]
    pub fn changed(self, before: Value, after: Value) -> Self {
        let (Value::Object(mut before), Value::Object(mut after)) = (before, after) else { return self };
        let same: Vec<String> = before
            .iter()
            .filter(|(name, value)| after.get(*name) == Some(value))
            .map(|(name, _)| name.clone())
            .collect();
        for name in same {
            before.remove(&name);
            after.remove(&name);
        }
        Self { before: Some(Value::Object(before)), after: Some(Value::Object(after)), ..self }
    }

    /// The line, with a reason.
    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }
}

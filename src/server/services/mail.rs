//! Letters of the server itself: invitations and password resets. They hold links that open an account, so they go
//! straight to the team's mail server and never into the log, where members could read them. Called by
//! [super::teams] and [super::accounts].

use std::time::Duration;

use tracing::warn;

use super::direct;
use crate::domain::channel::Channel;
use crate::domain::error::AppError;
use crate::domain::ids::TeamId;
use crate::server::App;
use crate::server::delivery::smtp::RecipientOutcome;

/// A mail to one person.
#[derive(Clone, Debug)]
pub struct SystemMail {
    pub to: String,
    /// One line.
    pub subject: String,
    pub text: String,
}

/// What became of a mail whose content the sender can pass on otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SystemMailOutcome {
    Sent,
    /// The team has no mail adapter.
    NoAdapter,
    Refused(String),
}

/// How long somebody waits for a mail to be taken.
const LIMITS: direct::Limits = direct::Limits { whole: Duration::from_secs(30), step: Duration::from_secs(10) };

/// Whether a team has a mail server that letters can go out by.
pub async fn can_send(app: &App, team: TeamId) -> Result<bool, AppError> {
    Ok(app.store.find_default_adapter(team, Channel::Email).await?.is_some())
}

/// Sends a mail where the team has a mail server, and tells what became of it. Never fails: whoever sends it has other
/// ways to pass its content on.
pub async fn try_system_mail(app: &App, team: TeamId, mail: &SystemMail) -> SystemMailOutcome {
    let sent = match can_send(app, team).await {
        Ok(false) => return SystemMailOutcome::NoAdapter,
        Ok(true) => send_system_mail(app, team, mail).await,
        Err(error) => Err(error),
    };
    sent.map_or_else(|error| SystemMailOutcome::Refused(error.to_string()), |()| SystemMailOutcome::Sent)
}

/// Sends a mail by the team's default mail server, now, in one try. [AppError::Adapter] when the team has none or it
/// did not take the mail; nothing is tried again.
pub async fn send_system_mail(app: &App, team: TeamId, mail: &SystemMail) -> Result<(), AppError> {
    let adapter = app.store.find_default_adapter(team, Channel::Email).await?;
    let adapter = adapter.ok_or_else(|| AppError::Adapter("The team has no mail adapter".to_owned()))?;
    let message = direct::message(Channel::Email, &adapter.from_address, &mail.to, &mail.subject, &mail.text);
    let (outcome, _) = direct::send_directly(app, team, &adapter, &message, LIMITS).await?;
    let reason = match outcome {
        RecipientOutcome::Accepted { .. } => return Ok(()),
        RecipientOutcome::Deferred { reply } | RecipientOutcome::Refused { reply } => reply,
        RecipientOutcome::Unreachable { reason }
        | RecipientOutcome::Failed { reason }
        | RecipientOutcome::Dropped { reason }
        | RecipientOutcome::Unknown { reason } => reason,
    };
    warn!(team.id = %team, adapter.id = %adapter.id, "a mail of the server was not taken");
    Err(AppError::Adapter(format!("The mail server did not take the mail: {reason}")))
}

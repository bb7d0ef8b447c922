//! Letters of the server itself: invitations and password resets. They hold links that open an account, so they go
//! straight to the team's mail server and never into the log, where members could read them. Called by
//! [super::teams] and [super::accounts].

use std::time::Duration;

use chrono::{DateTime, Utc};
use tracing::warn;

use crate::domain::adapter::AdapterKind;
use crate::domain::channel::Channel;
use crate::domain::email::{Recipient, RecipientKind};
use crate::domain::error::AppError;
use crate::domain::ids::{EmailId, TeamId};
use crate::server::App;
use crate::server::delivery::endpoint::SmtpSecret;
use crate::server::delivery::smtp::{RecipientOutcome, SmtpRoute, SmtpSender, SmtpSettings};
use crate::server::store::outbox::Outgoing;

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
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the mail server may take to answer, the connection and each step.
const STEP_LIMIT: Duration = Duration::from_secs(10);

/// Whether a team has a mail server that letters can go out by.
pub async fn can_send(app: &App, team: TeamId) -> Result<bool, AppError> {
    Ok(app.store.find_default_adapter(team, AdapterKind::Smtp).await?.is_some())
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
    let adapter = app.store.find_default_adapter(team, AdapterKind::Smtp).await?;
    let adapter = adapter.ok_or_else(|| AppError::Adapter("The team has no mail adapter".to_owned()))?;
    let sealed = app.store.find_adapter_secret(team, adapter.id).await?.ok_or(AppError::Internal)?;
    let route = SmtpRoute {
        adapter_id: adapter.id,
        endpoint: adapter.endpoint.parse().map_err(|_| AppError::Internal)?,
        secret: SmtpSecret::open(&app.secret_key, &sealed, team, adapter.id)?,
    };
    let message: (EmailId, DateTime<Utc>) = (app.clock.mint(), app.clock.now());
    let settings = SmtpSettings {
        connect_timeout: STEP_LIMIT,
        command_timeout: STEP_LIMIT,
        content_timeout: STEP_LIMIT,
        outbound: app.config.outbound(),
        ..SmtpSettings::default()
    };
    let (sender, to) = (SmtpSender::new(settings), [mail.to.clone()]);
    let outgoing = outgoing(mail, adapter.from_address);
    let attempt = tokio::time::timeout(PATIENCE, sender.send(&route, &outgoing, message, &to, async || true)).await;
    let slow = || RecipientOutcome::Unknown { reason: format!("it did not answer in {} seconds", PATIENCE.as_secs()) };
    let outcome = match attempt {
        Ok(attempt) => attempt.and_then(|attempt| attempt.recipients.into_iter().next()).map(|(_, outcome)| outcome),
        Err(_) => Some(slow()),
    };
    let reason = match outcome {
        Some(RecipientOutcome::Accepted { .. }) => return Ok(()),
        Some(RecipientOutcome::Deferred { reply } | RecipientOutcome::Refused { reply }) => reply,
        Some(
            RecipientOutcome::Unreachable { reason }
            | RecipientOutcome::Failed { reason }
            | RecipientOutcome::Unknown { reason },
        ) => reason,
        None => "the mail was not sent".to_owned(),
    };
    warn!(team.id = %team, adapter.id = %adapter.id, "a mail of the server was not taken");
    Err(AppError::Adapter(format!("The mail server did not take the mail: {reason}")))
}

fn outgoing(mail: &SystemMail, from_address: String) -> Outgoing {
    Outgoing {
        adapter: None,
        channel: Channel::Email,
        notification_id: None,
        notification_kind: None,
        external_user_id: None,
        tags: Vec::new(),
        variables: serde_json::Value::Null,
        metadata: serde_json::Value::Null,
        // Keeps holiday replies away. Source: RFC 3834.
        headers: vec![("Auto-Submitted".to_owned(), "auto-generated".to_owned())],
        from_address,
        reply_to: None,
        recipients: vec![Recipient { kind: RecipientKind::To, address: mail.to.clone(), name: None }],
        subject: mail.subject.clone(),
        html: None,
        text: Some(mail.text.clone()),
        attachments: Vec::new(),
    }
}

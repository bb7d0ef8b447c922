//! Letters of the server itself: invitations and password resets. They hold links that open an account, so they go
//! straight to the team's mail server and never into the log, where members could read them. Called by
//! [super::teams] and [super::accounts].

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

/// A letter to one person.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The address.
    pub to: String,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
}

/// Whether a team has a mail server that letters can go out by.
pub async fn can_send(app: &App, team: TeamId) -> Result<bool, AppError> {
    Ok(app.store.find_default_adapter(team, AdapterKind::Smtp).await?.is_some())
}

/// Sends a letter by the team's default mail server, now, in one try. [AppError::Adapter] when the team has none or it
/// did not take the letter; nothing is tried again.
pub async fn send_letter(app: &App, team: TeamId, letter: &Letter) -> Result<(), AppError> {
    let adapter = app.store.find_default_adapter(team, AdapterKind::Smtp).await?;
    let adapter = adapter.ok_or_else(|| AppError::Adapter("The team has no mail adapter".to_owned()))?;
    let sealed = app.store.find_adapter_secret(team, adapter.id).await?.ok_or(AppError::Internal)?;
    let route = SmtpRoute {
        adapter_id: adapter.id,
        endpoint: adapter.endpoint.parse().map_err(|_| AppError::Internal)?,
        secret: SmtpSecret::open(&app.secret_key, &sealed, team, adapter.id)?,
    };
    let message: (EmailId, DateTime<Utc>) = (app.clock.mint(), app.clock.now());
    let (sender, to) = (SmtpSender::new(SmtpSettings::default()), [letter.to.clone()]);
    let attempt = sender.send(&route, &outgoing(letter, adapter.from_address), message, &to, async || true).await;
    let outcome = attempt.and_then(|attempt| attempt.recipients.into_iter().next()).map(|(_, outcome)| outcome);
    let reason = match outcome {
        Some(RecipientOutcome::Accepted { .. }) => return Ok(()),
        Some(RecipientOutcome::Deferred { reply } | RecipientOutcome::Refused { reply }) => reply,
        Some(
            RecipientOutcome::Unreachable { reason }
            | RecipientOutcome::Failed { reason }
            | RecipientOutcome::Unknown { reason },
        ) => reason,
        None => "the letter was not sent".to_owned(),
    };
    warn!(team.id = %team, adapter.id = %adapter.id, "a letter of the server was not taken");
    Err(AppError::Adapter(format!("The mail server did not take the letter: {reason}")))
}

fn outgoing(letter: &Letter, from_address: String) -> Outgoing {
    Outgoing {
        adapter: None,
        channel: Channel::Email,
        notification_id: None,
        notification_kind: None,
        external_user_id: None,
        tags: Vec::new(),
        variables: serde_json::Value::Null,
        metadata: serde_json::Value::Null,
        headers: Vec::new(),
        from_address,
        reply_to: None,
        recipients: vec![Recipient { kind: RecipientKind::To, address: letter.to.clone(), name: None }],
        subject: letter.subject.clone(),
        html: None,
        text: Some(letter.text.clone()),
        attachments: Vec::new(),
    }
}

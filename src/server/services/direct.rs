//! A message straight to an adapter's server, now and in one try: it is in no log and in no statistics. Called by
//! [super::mail] and [super::adapters].

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use crate::domain::adapter::fault::AdapterFault;
use crate::domain::adapter::{Adapter, AdapterKind};
use crate::domain::channel::Channel;
use crate::domain::email::{Recipient, RecipientKind};
use crate::domain::error::AppError;
use crate::domain::ids::{EmailId, TeamId};
use crate::domain::tracking::MessageTracking;
use crate::server::App;
use crate::server::delivery::endpoint::SmtpSecret;
use crate::server::delivery::http::{HttpRoute, HttpSender, HttpSettings};
use crate::server::delivery::http_endpoint::HttpSecret;
use crate::server::delivery::providers::{ProviderRoute, ProviderSender, provider};
use crate::server::delivery::smtp::{Attempt, RecipientOutcome, SmtpRoute, SmtpSender, SmtpSettings};
use crate::server::store::outbox::Outgoing;

/// How long the server may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// All together.
    pub(super) whole: Duration,
    /// The connection, and each step after it.
    pub(super) step: Duration,
}

/// Sends a message to its one recipient by an adapter, and tells what the server said, with the step at which it ended where
/// it did not take the message. Nothing is tried again.
pub(super) async fn send_directly(
    app: &App,
    team: TeamId,
    adapter: &Adapter,
    message: &Outgoing,
    limits: Limits,
) -> Result<(RecipientOutcome, Option<AdapterFault>), AppError> {
    let sealed = app.store.find_adapter_secret(team, adapter.id).await?.ok_or(AppError::Internal)?;
    let to: Vec<String> = message.recipients.iter().map(|recipient| recipient.address.clone()).collect();
    let (id, date) = (app.clock.mint::<EmailId>(), app.clock.now());
    let outbound = app.config.outbound();
    let sending = async {
        match adapter.kind {
            AdapterKind::Smtp => {
                let route = SmtpRoute {
                    adapter_id: adapter.id,
                    endpoint: adapter.endpoint.parse().map_err(|_| AppError::Internal)?,
                    secret: SmtpSecret::open(&app.secret_key, &sealed, team, adapter.id)?,
                    // It is not in the log: nothing could be said of it there.
                    bounce_address: None,
                };
                let Limits { step, .. } = limits;
                let (connect_timeout, command_timeout, content_timeout) = (step, step, step);
                let settings = SmtpSettings {
                    connect_timeout,
                    command_timeout,
                    content_timeout,
                    outbound,
                    ..SmtpSettings::default()
                };
                Ok(SmtpSender::new(settings).send(&route, message, (id, date), &to, async || true).await)
            }
            _ => {
                let route = HttpRoute {
                    endpoint: adapter.endpoint.parse().map_err(|_| AppError::Internal)?,
                    secret: HttpSecret::open(&app.secret_key, &sealed, team, adapter.id)?,
                };
                let settings = HttpSettings {
                    connect_timeout: limits.step,
                    timeout: limits.step,
                    outbound,
                    ..HttpSettings::default()
                };
                let sender = HttpSender::new(settings);
                let Some(provider) = provider(adapter.kind) else {
                    return Ok(Some(sender.send(&route, message, id, 1, &to).await));
                };
                let HttpRoute { endpoint, secret } = route;
                let route = ProviderRoute { adapter_id: adapter.id, provider, endpoint, secret };
                let sender = ProviderSender::new(Arc::new(sender));
                Ok(sender.send(&route, message, (id, date), &to, async || true).await)
            }
        }
    };
    let attempt: Result<Option<Attempt>, AppError> = match timeout(limits.whole, sending).await {
        Ok(attempt) => attempt,
        Err(_) => {
            let reason = format!("it did not answer in {} seconds", limits.whole.as_secs());
            return Ok((RecipientOutcome::Unknown { reason }, Some(AdapterFault::OutcomeUnknown)));
        }
    };
    let unsent = || RecipientOutcome::Failed { reason: "the message was not sent".to_owned() };
    let Some(Attempt { recipients, fault, .. }) = attempt? else { return Ok((unsent(), Some(AdapterFault::Unusable))) };
    let outcome = recipients.into_iter().next().map_or_else(unsent, |(_, outcome)| outcome);
    Ok((outcome, fault))
}

/// A message of plain text to one recipient.
pub(super) fn message(channel: Channel, from: &str, to: &str, subject: &str, text: &str) -> Outgoing {
    Outgoing {
        adapter: None,
        names_adapter: false,
        channel,
        notification_id: None,
        notification_kind: None,
        external_user_id: None,
        tags: Vec::new(),
        variables: Value::Null,
        metadata: Value::Null,
        // Keeps holiday replies away. Source: RFC 3834.
        headers: vec![("Auto-Submitted".to_owned(), "auto-generated".to_owned())],
        from_address: from.to_owned(),
        reply_to: None,
        recipients: vec![Recipient { kind: RecipientKind::To, address: to.to_owned(), name: None }],
        subject: subject.to_owned(),
        html: None,
        text: Some(text.to_owned()),
        attachments: Vec::new(),
        mime: None,
        tracking: MessageTracking::default(),
    }
}

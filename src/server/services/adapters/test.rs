//! The test message of an adapter: what its server says to it, at once.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::{audit, checked_email, direct, limits};
use super::load;
use crate::domain::adapter::fault::AdapterFault;
use crate::domain::adapter::{Adapter, Lane};
use crate::domain::audit::{AuditAction, TEST_TAKEN};
use crate::domain::channel::Channel;
use crate::domain::error::AppError;
use crate::domain::event::EventKind;
use crate::domain::failure::{Evidence, FailureClass, diagnose};
use crate::domain::ids::{AdapterId, TeamId};
use crate::domain::permission::Permission;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::delivery::smtp::RecipientOutcome;
use crate::server::store::outbox::Outgoing;

/// How long somebody waits. A step ends sooner, so that the answer names the server that was silent.
const LIMITS: direct::Limits = direct::Limits { whole: Duration::from_secs(10), step: Duration::from_secs(8) };

/// The longest address of another channel than email, in characters.
const MAX_ADDRESS_CHARS: usize = 200;

const SUBJECT: &str = "Test message of Sendlog";

/// What became of a test message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestOutcome {
    /// The adapter's name.
    pub adapter: String,
    pub to: String,
    /// The server's own words, or why they did not come to that.
    pub words: String,
    /// The step at which it ended; `None` where the server took it.
    pub fault: Option<AdapterFault>,
}

/// Sends a test message by an adapter and waits for what its server says, ten seconds at the most. Needs
/// `adapters:update`. The message is in no log, so that it counts nowhere; the audit log has it. What the server
/// refuses is no error but the outcome.
pub async fn send_test(app: &App, viewer: &Viewer, id: AdapterId, to: &str) -> Result<TestOutcome, AppError> {
    viewer.require(Permission::AdaptersUpdate)?;
    let adapter = load(app, viewer.team, id).await?;
    let (channel, to) = match adapter.kind.lane() {
        Lane::Email => {
            let wrong =
                |_| AppError::invalid_field("to", "Write the address that the test goes to, such as ada@example.com");
            (Channel::Email, checked_email(to).map_err(wrong)?)
        }
        Lane::Phone | Lane::Web => (Channel::Sms, checked_address(to)?),
    };
    limits::count_attempt(app, limits::ADAPTER_TEST, &viewer.team.to_string()).await?;
    let text = format!(
        "This is a test of the adapter “{}” of {}. If you read it, messages that go out by this adapter arrive.",
        adapter.name, viewer.team_name
    );
    let mut message = direct::message(channel, &adapter.from_address, &to, SUBJECT, &text);
    message.tags = vec!["test".to_owned()];
    let outcome = try_message(app, viewer.team, &adapter, &to, &message).await?;
    let event = audit::by(app, viewer, AuditAction::AdapterTested).about(id, &adapter.name);
    let event = event.made(outcome.said());
    app.store.append_audit_event(viewer.team, &event).await?;
    Ok(outcome)
}

impl TestOutcome {
    /// What became of it and what mends it, in sentences.
    pub fn sentence(&self) -> String {
        let Self { adapter, to, fault, .. } = self;
        match fault {
            None => format!("“{adapter}” accepted the test message for {to}."),
            Some(fault) => {
                let (what, advice) = (fault.label(), fault.advice());
                format!("“{adapter}” did not send the test message to {to}: {what}. {advice}")
            }
        }
    }

    /// What the audit log says of it.
    pub(in crate::server::services) fn said(&self) -> Value {
        json!({"to": self.to, "outcome": self.fault.map_or(TEST_TAKEN, AdapterFault::as_str)})
    }
}

/// Sends a message by an adapter and waits for what its server says.
pub(in crate::server::services) async fn try_message(
    app: &App,
    team: TeamId,
    adapter: &Adapter,
    to: &str,
    message: &Outgoing,
) -> Result<TestOutcome, AppError> {
    let (outcome, fault) = direct::send_directly(app, team, adapter, message, LIMITS).await?;
    let fault = fault_of(message.channel, &outcome, fault);
    Ok(TestOutcome { adapter: adapter.name.clone(), to: to.to_owned(), words: words_of(outcome), fault })
}

fn checked_address(to: &str) -> Result<String, AppError> {
    let to = to.trim();
    if to.is_empty() || to.chars().count() > MAX_ADDRESS_CHARS || to.chars().any(char::is_control) {
        let message = "Write the number or address that the test goes to, such as +49 170 1234567";
        return Err(AppError::invalid_field("to", message));
    }
    Ok(to.to_owned())
}

/// The step at which it ended. A server that sends for those it knows alone says so of the recipient.
fn fault_of(channel: Channel, outcome: &RecipientOutcome, fault: Option<AdapterFault>) -> Option<AdapterFault> {
    match outcome {
        RecipientOutcome::Accepted { .. } => None,
        RecipientOutcome::Refused { reply } if fault == Some(AdapterFault::RecipientRefused) => {
            let (kind, reply) = (EventKind::Bounced, Some(reply.as_str()));
            let evidence = Evidence { channel, kind, cause: None, reply, message: None, host: None, domain: None };
            let is_ours = diagnose(&evidence).class == FailureClass::OurSettings;
            if is_ours { Some(AdapterFault::LogInWanted) } else { fault }
        }
        RecipientOutcome::Deferred { .. }
        | RecipientOutcome::Refused { .. }
        | RecipientOutcome::Unreachable { .. }
        | RecipientOutcome::Failed { .. }
        | RecipientOutcome::Dropped { .. }
        | RecipientOutcome::Unknown { .. } => Some(fault.unwrap_or(AdapterFault::Unusable)),
    }
}

fn words_of(outcome: RecipientOutcome) -> String {
    match outcome {
        RecipientOutcome::Accepted { reply }
        | RecipientOutcome::Deferred { reply }
        | RecipientOutcome::Refused { reply } => reply,
        RecipientOutcome::Unreachable { reason }
        | RecipientOutcome::Failed { reason }
        | RecipientOutcome::Dropped { reason }
        | RecipientOutcome::Unknown { reason } => reason,
    }
}

//! Webhooks: addresses of a team's own programs that are told what becomes of its messages, and what each was told. The
//! addresses that providers post to are another thing: [super::provider_webhook].

pub mod shape;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::event::EventKind;
use super::ids::{EmailId, EventId, OutgoingWebhookId};
use super::named::named;

/// How long everything may fail before a webhook is switched off.
pub const FAILS_FOR: TimeDelta = TimeDelta::days(5);

/// How long deliveries are kept, in days.
pub const KEPT_DAYS: i64 = 30;

/// The most deliveries that are sent again at once.
pub const MAX_REPLAYED: i64 = 1_000;

/// A webhook, without its address and secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    pub id: OutgoingWebhookId,
    pub name: String,
    pub host: String,
    pub shape: WebhookShape,
    /// The kinds of events that it is told of; none for every kind.
    pub kinds: Vec<EventKind>,
    /// Whether somebody wants it to be told.
    pub is_on: bool,
    pub created_at: DateTime<Utc>,
    /// When it last took something, to ten seconds.
    pub succeeded_at: Option<DateTime<Utc>>,
    /// The first failure after which it took nothing.
    pub failing_since: Option<DateTime<Utc>>,
    /// When and why Sendlog switched it off.
    pub disabled: Option<(DateTime<Utc>, DisabledReason)>,
}

impl Webhook {
    /// Whether it is told of an event of this kind.
    pub fn wants(&self, kind: EventKind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }
}

named! {
    /// How a post is written and signed.
    #[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
    pub enum WebhookShape, "unknown shape" {
        Sendlog = "sendlog" "Sendlog",
        ResendCom = "resend" "Resend",
        JetEmail = "jetemail" "JetEmail",
    }
}

named! {
    /// Why Sendlog switched a webhook off.
    #[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
    pub enum DisabledReason, "unknown reason" {
        Failing = "failing" "Everything failed for five days",
        Gone = "gone" "It answered 410 Gone",
    }
}

named! {
    /// What became of a delivery.
    #[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
    pub enum DeliveryState, "unknown state" {
        Waiting = "waiting" "Waiting",
        Delivered = "delivered" "Delivered",
        /// No try follows.
        Failed = "failed" "Failed",
    }
}

/// Which deliveries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveryFilter {
    #[default]
    All,
    /// Those whose last try failed.
    Failed,
}

/// Which deliveries of a webhook to send again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replay {
    One(EventId),
    /// Those of events from the one time up to the other.
    Range {
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        filter: DeliveryFilter,
    },
}

/// What one webhook is told of one event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookDelivery {
    /// The event's id, which is the same on every try.
    pub id: EventId,
    pub webhook_id: OutgoingWebhookId,
    /// The message; `None` for a test.
    pub email_id: Option<EmailId>,
    /// The type that the post says, `email.bounced`.
    pub kind: String,
    pub state: DeliveryState,
    /// Since it was made or replayed.
    pub tries: i64,
    pub next_try_at: Option<DateTime<Utc>>,
    /// Whether the last try failed.
    pub has_failed: bool,
    pub tried_at: Option<DateTime<Utc>>,
    pub duration_ms: Option<i64>,
    /// The status of the last answer; `None` where there was none.
    pub status: Option<i64>,
}

/// A delivery with what was posted and answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryDetail {
    pub delivery: WebhookDelivery,
    /// `None` where the viewer may not see it.
    pub body: Option<String>,
    /// The beginning of the last answer, or why there was none; `None` where the viewer may not see it or nothing was tried.
    pub answer: Option<String>,
}

/// A delivery of a message's event, with the webhook's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldWebhook {
    pub webhook: String,
    pub delivery: WebhookDelivery,
}

/// How long after the failed try of this number, from 1, the next one follows; `None` where it was the last. Source: Standard
/// Webhooks, specification, "Retry schedule".
pub fn retry_delay(tries: i64) -> Option<TimeDelta> {
    const SECONDS: [i64; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400];
    let place = usize::try_from(tries - 1).ok()?;
    SECONDS.get(place).copied().map(TimeDelta::seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_tries_are_made_and_the_last_is_the_tenth() {
        assert_eq!(retry_delay(0), None);
        assert_eq!(retry_delay(1), Some(TimeDelta::seconds(5)));
        assert_eq!(retry_delay(9), Some(TimeDelta::days(1)));
        assert_eq!(retry_delay(10), None);
    }
}

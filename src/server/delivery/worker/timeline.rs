//! What an attempt adds to a message's timeline.

use std::time::Duration;

use chrono::TimeDelta;

use crate::domain::event::{EmailEvent, EventCause, EventDetail, EventKind};
use crate::server::clock::Clock;
use crate::server::delivery::smtp::{Attempt, RecipientOutcome};
use crate::server::store::events::NewEvent;
use crate::server::store::outbox::{Outgoing, OutgoingAdapter, Settlement};

/// The way that an attempt took.
#[derive(Clone, Debug, Default)]
pub(super) struct Via {
    /// `None` where no adapter was asked.
    pub(super) adapter: Option<OutgoingAdapter>,
    /// Whether the message goes by no other adapter.
    pub(super) names_adapter: bool,
    pub(super) adapter_name: String,
    pub(super) server: Option<String>,
    /// `smtp`, `http` or `https`.
    pub(super) protocol: Option<String>,
    /// How long the attempt took.
    pub(super) took: Duration,
}

impl Via {
    pub(super) fn of(adapter: &OutgoingAdapter, outgoing: &Outgoing, server: Option<(&str, &str)>) -> Self {
        let (server, protocol) = server.map(|(host, protocol)| (host.to_owned(), protocol.to_owned())).unzip();
        let (adapter_name, names_adapter) = (adapter.name.clone(), outgoing.names_adapter);
        Self { adapter: Some(adapter.clone()), names_adapter, adapter_name, server, protocol, took: Duration::ZERO }
    }
}

/// The codes that a reply begins with: `550` and `5.1.1`. Sources: RFC 5321, section 4.2; RFC 3463, section 2.
pub(super) fn codes_of(reply: &str) -> (Option<u16>, Option<&str>) {
    let mut words = reply.split([' ', '-']);
    let code = words.next().filter(|code| code.len() == 3).and_then(|code| code.parse().ok());
    let is_enhanced = |word: &&str| {
        let mut parts = word.split('.');
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        parts.clone().count() == 3 && parts.all(is_number)
    };
    (code, words.next().filter(is_enhanced))
}

/// Whether a refused recipient can work another day, by the codes that the reply begins with. A full mailbox can. By HTTP a
/// refusal is for good: its 400 is no 400 of SMTP.
/// Sources: RFC 5321, section 4.2.3; RFC 3463, section 3.3; RFC 9110, section 15.5.
pub(super) fn bounce_cause(protocol: Option<&str>, reply: &str) -> EventCause {
    if protocol.is_some_and(|protocol| protocol.starts_with("http")) {
        return EventCause::Hard;
    }
    let is_soft = match codes_of(reply) {
        (_, Some(enhanced)) => enhanced.starts_with("4.") || enhanced == "5.2.2",
        (code, None) => code.is_some_and(|code| (400..500).contains(&code) || code == 552),
    };
    if is_soft { EventCause::Soft } else { EventCause::Hard }
}

/// Gathers the events of an attempt.
pub(super) struct Timeline<'a> {
    pub(super) clock: &'a Clock,
    pub(super) via: &'a Via,
    pub(super) settlement: &'a mut Settlement,
    pub(super) reported: Vec<(EventKind, Option<String>, String)>,
}

impl Timeline<'_> {
    pub(super) fn tell(&mut self, kind: EventKind, recipient: &str, message: String, reply: Option<String>) {
        self.add(kind, Some(recipient.to_owned()), message, reply);
    }

    pub(super) fn tell_once(&mut self, kind: EventKind, recipient: Option<String>, message: String, reply: String) {
        let told = (kind, recipient.clone(), reply.clone());
        if !self.reported.contains(&told) {
            self.reported.push(told);
            self.add(kind, recipient, message, Some(reply));
        }
    }

    fn add(&mut self, kind: EventKind, recipient: Option<String>, message: String, reply: Option<String>) {
        let protocol = self.via.protocol.as_deref();
        let detail = EventDetail {
            message: Some(message),
            cause: (kind == EventKind::Bounced).then(|| bounce_cause(protocol, reply.as_deref().unwrap_or_default())),
            reply,
            server: self.via.server.clone(),
            protocol: self.via.protocol.clone(),
            ..EventDetail::default()
        };
        let event = EmailEvent { id: self.clock.mint(), kind, at: self.clock.now(), recipient, detail };
        self.settlement.events.push(NewEvent::from(event));
    }

    /// Why the message failed: the first reason stays.
    pub(super) fn blame(&mut self, reason: String) {
        self.settlement.facts.error_message.get_or_insert(reason);
    }
}

/// An attempt in numbers, for the log.
pub(super) struct Outcomes {
    pub(super) sent: usize,
    pub(super) recipients: usize,
}

impl Outcomes {
    pub(super) fn of(attempt: &Attempt) -> Self {
        let is_sent = |fate: &RecipientOutcome| matches!(fate, RecipientOutcome::Accepted { .. });
        let sent = attempt.recipients.iter().filter(|(_, fate)| is_sent(fate)).count();
        Self { sent, recipients: attempt.recipients.len() }
    }

    pub(super) fn ended(&self, settlement: &Settlement) -> usize {
        self.recipients - self.sent - settlement.pending.len()
    }
}

pub(super) fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}

pub(super) fn jittered(duration: Duration, jitter: f64) -> Duration {
    let jitter = jitter.clamp(0.0, 1.0);
    duration.mul_f64(1.0 + rand::random_range(-jitter..=jitter))
}

/// A duration for the timeline: "30 seconds", "6 minutes", "3 hours".
pub(super) fn spoken(duration: Duration) -> String {
    const MINUTE: f64 = 60.0;
    const HOUR: f64 = 60.0 * MINUTE;
    let seconds = duration.as_secs_f64();
    let (number, unit) = if seconds < 1.5 * MINUTE {
        (seconds, "second")
    } else if seconds < 1.5 * HOUR {
        (seconds / MINUTE, "minute")
    } else {
        (seconds / HOUR, "hour")
    };
    let number = number.round().max(1.0);
    format!("{number} {unit}{}", if number == 1.0 { "" } else { "s" })
}

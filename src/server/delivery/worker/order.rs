//! Which adapter a message goes by next: the adapters of a lane have an order, and one that is down hands over. One that is
//! down is left alone for a while, so that not every message waits for it in vain; then one message tries it. A message that
//! names its adapter, or may have got to it, goes by no other.

use std::time::Duration;

use chrono::{DateTime, Utc};
use tracing::{info, warn};

use super::Worker;
use super::timeline::{Via, delta};
use crate::domain::adapter::fault::AdapterFault;
use crate::domain::adapter::{AdapterDown, Lane};
use crate::domain::error::AppError;
use crate::domain::ids::AdapterId;
use crate::server::delivery::smtp::{Attempt, RecipientOutcome, Standing, clean};
use crate::server::store::adapter_order::OrderedAdapter;
use crate::server::store::outbox::{Lease, Onward, Outgoing, OutgoingAdapter};

/// For a shorter pause that a server asks for, its messages wait; for a longer one they go by another adapter.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest that a server's wish for a pause keeps its messages from it.
const LONGEST_REST: Duration = Duration::from_secs(900);

/// How many letters of a reason are kept with the adapter.
const REASON_CHARS: usize = 300;

/// What follows from an attempt for the way of a message.
#[derive(Debug, Default)]
pub(super) struct Turn {
    pub(super) onward: Option<Onward>,
    /// The name of the adapter that it is handed to now.
    pub(super) handed_to: Option<String>,
    pub(super) stays: bool,
}

impl Worker {
    /// Hands a message on whose adapter is down; `false` where an attempt by its own is due.
    pub(super) async fn passed_on(
        &self,
        lease: &Lease,
        adapter: &OutgoingAdapter,
        outgoing: &Outgoing,
    ) -> Result<bool, AppError> {
        let Some(down) = adapter.down.as_ref().filter(|_| !lease.stays && !outgoing.names_adapter) else {
            return Ok(false);
        };
        let now = self.clock.now();
        if down.probe_at <= now {
            let next = now + delta(self.probe_pause(down.probes + 1));
            if self.store.claim_probe(lease.team_id, adapter.id, down.probe_at, next).await? {
                return Ok(false);
            }
        }
        let order = self.store.list_adapter_order(lease.team_id, adapter.kind.lane()).await?;
        let Some(next) = next_in(&order, adapter.id, &lease.tried, now) else { return Ok(false) };
        let onward = Onward { adapter_id: next.id, tried: with(&lease.tried, adapter.id) };
        if self.store.pass_on(lease, &onward, now).await? {
            self.waker.notify_one();
        }
        Ok(true)
    }

    /// The sender's number of text messages and calls belongs to a provider: by another one they go with that one's.
    pub(super) async fn set_sender(&self, lease: &Lease, adapter: &OutgoingAdapter, outgoing: &mut Outgoing) {
        if adapter.kind.lane() != Lane::Phone || outgoing.from_address == adapter.from_address {
            return;
        }
        let order = self.store.list_adapter_order(lease.team_id, Lane::Phone).await.unwrap_or_default();
        let is_of_other =
            order.iter().any(|other| other.id != adapter.id && other.from_address == outgoing.from_address);
        if is_of_other {
            outgoing.from_address.clone_from(&adapter.from_address);
        }
    }

    /// Notes what an attempt says of its adapter, and tells where the message goes next.
    pub(super) async fn turn(&self, lease: &Lease, via: &Via, attempt: &mut Attempt) -> Turn {
        let stays = lease.stays || attempt.standing == Standing::Unclear;
        let Some(adapter) = &via.adapter else { return Turn { stays, ..Turn::default() } };
        let may_go_on = !stays && !via.names_adapter;
        let sender_refused = attempt.fault == Some(AdapterFault::SenderRefused);
        // One that stands in for another and does not know the sender has not spoken for that other one.
        let is_strange = may_go_on && sender_refused && !lease.tried.is_empty();
        if is_strange {
            keep_waiting(attempt);
        }
        let long_pause = attempt.retry_after.filter(|pause| *pause > PATIENCE);
        let hands_over = match attempt.standing {
            Standing::Down => true,
            Standing::Busy => long_pause.is_some(),
            Standing::Works => is_strange,
            Standing::Unasked | Standing::Unclear => false,
        };
        let waits = attempt.recipients.iter().any(|(_, fate)| is_open(fate));
        let order = match hands_over && waits {
            true => self.store.list_adapter_order(lease.team_id, adapter.kind.lane()).await.unwrap_or_else(|cause| {
                // The outcome counts more than the way on.
                warn!(team.id = %lease.team_id, email.id = %lease.email_id, %cause, "could not find the next adapter");
                Vec::new()
            }),
            false => Vec::new(),
        };
        let now = self.clock.now();
        let next = next_in(&order, adapter.id, &lease.tried, now).filter(|_| may_go_on);
        self.note_standing(lease, adapter, attempt, order.len() > 1, now).await;
        let (onward, handed_to) = match (next, order.first()) {
            (Some(next), _) => {
                let tried = with(&lease.tried, adapter.id);
                (Some(Onward { adapter_id: next.id, tried }), Some(next.name.clone()))
            }
            // All of them had it: it waits, and begins anew at the first.
            (None, Some(first)) if may_go_on && !lease.tried.is_empty() => {
                (Some(Onward { adapter_id: first.id, tried: Vec::new() }), None)
            }
            (None, _) => (None, None),
        };
        Turn { onward, handed_to, stays }
    }

    async fn note_standing(
        &self,
        lease: &Lease,
        adapter: &OutgoingAdapter,
        attempt: &Attempt,
        has_others: bool,
        now: DateTime<Utc>,
    ) {
        let key = (lease.team_id, adapter.id);
        let rest = attempt.retry_after.unwrap_or_default().min(LONGEST_REST);
        let is_left_alone = attempt.standing == Standing::Busy && has_others && rest > PATIENCE;
        let marked = match attempt.standing {
            Standing::Works if adapter.down.is_some() => self.store.mark_adapter_up(lease.team_id, adapter.id).await,
            Standing::Busy if !is_left_alone => Ok(false),
            Standing::Down | Standing::Busy if adapter.down.is_none() => {
                let probe_at = now + delta(self.probe_pause(0).max(rest));
                let down = AdapterDown { since: now, reason: reason_of(attempt), probe_at, probes: 0 };
                self.store.mark_adapter_down(lease.team_id, adapter.id, &down).await
            }
            Standing::Unasked | Standing::Works | Standing::Busy | Standing::Down | Standing::Unclear => Ok(false),
        };
        match marked {
            Ok(true) if attempt.standing == Standing::Works => {
                info!(team.id = %lease.team_id, adapter.id = %adapter.id, "an adapter works again");
            }
            Ok(true) => warn!(team.id = %lease.team_id, adapter.id = %adapter.id, "an adapter is down"),
            Ok(false) => {}
            // The next attempt finds it again.
            Err(cause) => {
                warn!(team.id = %lease.team_id, adapter.id = %adapter.id, %cause, "could not note how an adapter is")
            }
        }
        // Where others take its messages, they do not wait with it.
        let waits_with_it = !has_others || (attempt.standing == Standing::Busy && !is_left_alone);
        if let Some(pause) = attempt.retry_after.filter(|_| waits_with_it) {
            self.slots.pause(key, pause);
        }
    }

    /// How long an adapter is left alone after so many probes in vain.
    fn probe_pause(&self, probes: i64) -> Duration {
        let doubled = 2_u32.saturating_pow(u32::try_from(probes).unwrap_or_default());
        self.settings.probe_after.saturating_mul(doubled).min(self.settings.probe_after_at_most)
    }
}

/// The next adapter in the order after `current`, going round: none that the message was handed on from, and none that is down
/// and left alone.
pub(super) fn next_in<'a>(
    order: &'a [OrderedAdapter],
    current: AdapterId,
    tried: &[AdapterId],
    now: DateTime<Utc>,
) -> Option<&'a OrderedAdapter> {
    let place = order.iter().position(|adapter| adapter.id == current).unwrap_or_default();
    let is_ready = |adapter: &&OrderedAdapter| {
        let is_up = adapter.down.as_ref().is_none_or(|down| down.probe_at <= now);
        adapter.id != current && !tried.contains(&adapter.id) && is_up
    };
    order.iter().cycle().skip(place).take(order.len()).find(is_ready)
}

fn with(tried: &[AdapterId], id: AdapterId) -> Vec<AdapterId> {
    let mut tried = tried.to_vec();
    if !tried.contains(&id) {
        tried.push(id);
    }
    tried
}

fn is_open(fate: &RecipientOutcome) -> bool {
    match fate {
        RecipientOutcome::Deferred { .. } | RecipientOutcome::Unreachable { .. } => true,
        RecipientOutcome::Accepted { .. }
        | RecipientOutcome::Refused { .. }
        | RecipientOutcome::Failed { .. }
        | RecipientOutcome::Dropped { .. }
        | RecipientOutcome::Unknown { .. } => false,
    }
}

/// Makes of a message that failed one that waits.
fn keep_waiting(attempt: &mut Attempt) {
    for (_, fate) in &mut attempt.recipients {
        if let RecipientOutcome::Failed { reason } = fate {
            *fate = RecipientOutcome::Unreachable { reason: std::mem::take(reason) };
        }
    }
}

/// Why an adapter is down. It names nobody: whoever sees adapters sees it.
fn reason_of(attempt: &Attempt) -> String {
    if let Some(fault) = attempt.fault.filter(|fault| *fault != AdapterFault::Later) {
        return fault.label().to_owned();
    }
    let words = attempt.recipients.iter().find_map(|(_, fate)| match fate {
        RecipientOutcome::Deferred { reply } => Some(reply.as_str()),
        RecipientOutcome::Unreachable { reason } => Some(reason.as_str()),
        RecipientOutcome::Accepted { .. }
        | RecipientOutcome::Refused { .. }
        | RecipientOutcome::Failed { .. }
        | RecipientOutcome::Dropped { .. }
        | RecipientOutcome::Unknown { .. } => None,
    });
    let words = crate::domain::masking::mask_addresses(&clean(words.unwrap_or_default()));
    words.chars().take(REASON_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::domain::adapter::AdapterKind;

    #[test]
    fn the_order_goes_round_past_those_that_had_it_and_those_that_are_left_alone() {
        let now = DateTime::UNIX_EPOCH;
        let adapter = |id: i64, probe_in: Option<i64>| OrderedAdapter {
            id: AdapterId(id),
            name: id.to_string(),
            kind: AdapterKind::Smtp,
            from_address: String::new(),
            down: probe_in.map(|seconds| AdapterDown {
                since: now,
                reason: String::new(),
                probe_at: now + TimeDelta::seconds(seconds),
                probes: 0,
            }),
        };
        let order = [adapter(1, None), adapter(2, Some(5)), adapter(3, None), adapter(4, Some(0))];
        let next = |current: i64, tried: &[i64]| {
            let tried: Vec<AdapterId> = tried.iter().copied().map(AdapterId).collect();
            next_in(&order, AdapterId(current), &tried, now).map(|adapter| adapter.id.0)
        };
        assert_eq!((next(1, &[]), next(3, &[1]), next(4, &[1, 3])), (Some(3), Some(4), None));
        assert_eq!(next(3, &[]), Some(4), "whose probe is due");
        assert_eq!(next(4, &[]), Some(1), "round to the first");
        // One that is deleted begins at the first.
        assert_eq!(next(9, &[]), Some(1));
        assert_eq!(next_in(&[], AdapterId(1), &[], now), None);
    }
}

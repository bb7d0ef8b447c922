//! Recording what became of an attempt: the events that tell it, what was said in it, and what follows for the message.

use std::io;

use tokio::time::sleep;
use tracing::{info, warn};

use super::order::Turn;
use super::timeline::{Outcomes, Timeline, Via, codes_of, delta, jittered, spoken};
use super::{SETTLE_PAUSE, SETTLE_TRIES, Worker};
use crate::domain::error::AppError;
use crate::domain::event::EventKind;
use crate::domain::exchange::Exchange;
use crate::domain::failure::refusal_words;
use crate::domain::ids::EventId;
use crate::server::delivery::smtp::{Attempt, RecipientOutcome};
use crate::server::store::attempts::{NewAttempt, pack_exchange};
use crate::server::store::events::EmailFacts;
use crate::server::store::outbox::{Lease, Settlement};
use crate::server::telemetry::metrics;

/// How much is kept of what was said of a message that simply went out, in bytes.
const PLAIN_BYTES: usize = 300;

impl Worker {
    /// Records an attempt, again and again while the database is busy: what is not recorded would become uncertain.
    pub(super) async fn record(&self, lease: &Lease, via: &Via, mut attempt: Attempt) -> Result<(), AppError> {
        let turn = self.turn(lease, via, &mut attempt).await;
        let tally = Outcomes::of(&attempt);
        let outcome = outcome_of(&attempt);
        let is_handed_on = turn.handed_to.is_some();
        let settlement = self.settlement(lease, via, attempt, turn);
        let mut tries = 0;
        loop {
            tries += 1;
            match self.store.settle(lease, &settlement).await {
                Ok(true) => break,
                Ok(false) => {
                    warn!(team.id = %lease.team_id, email.id = %lease.email_id, "lost the lease; outcome not recorded");
                    return Ok(());
                }
                Err(cause) if tries >= SETTLE_TRIES => return Err(cause),
                Err(_) => sleep(SETTLE_PAUSE).await,
            }
        }
        let kind = via.adapter.as_ref().map_or("none", |adapter| adapter.kind.as_str());
        metrics::count_attempt(kind, outcome, via.adapter.as_ref().map(|_| via.took));
        info!(
            team.id = %lease.team_id, email.id = %lease.email_id, attempt = lease.attempts + 1,
            sent = tally.sent, waiting = settlement.pending.len(), ended = tally.ended(&settlement),
            handed_on = is_handed_on, "attempt recorded"
        );
        if is_handed_on {
            self.waker.notify_one();
        }
        Ok(())
    }

    fn settlement(&self, lease: &Lease, via: &Via, mut attempt: Attempt, turn: Turn) -> Settlement {
        let tries = self.settings.retry_delays.len() + 1;
        let this_try = usize::try_from(lease.attempts).unwrap_or_default() + 1;
        let delay = self.settings.retry_delays.get(this_try - 1);
        let delay = delay.map(|delay| jittered(*delay, self.settings.retry_jitter));
        let delay = delay.map(|delay| delay.max(attempt.retry_after.unwrap_or_default()));
        let now = self.clock.now();
        let Turn { onward, handed_to, stays } = turn;
        let next_attempt_at = match &handed_to {
            Some(_) => Some(now),
            None => delay.map(|delay| now + delta(delay)),
        };
        let kept = self.kept(lease, via, &mut attempt);
        let facts = EmailFacts { provider_message_id: attempt.provider_message_id, error_message: None };
        let mut settlement = Settlement { facts, next_attempt_at, onward, stays, ..Settlement::default() };
        let only_one = attempt.recipients.len() == 1;
        let mut timeline = Timeline { clock: &self.clock, via, settlement: &mut settlement, reported: Vec::new() };
        for (address, outcome) in attempt.recipients {
            let waiting = |kind, reply: String, timeline: &mut Timeline| match (&handed_to, delay) {
                (Some(next), _) => {
                    let message = format!("Handed over to {next}");
                    timeline.tell_once(EventKind::FailedToSend, only_one.then(|| address.clone()), message, reply);
                    timeline.settlement.pending.push(address.clone());
                }
                (None, Some(delay)) => {
                    let message = format!("Try {this_try} of {tries}; the next one in {}", spoken(delay));
                    // What befell the whole message is told once.
                    let about_all = kind == EventKind::FailedToSend && !only_one;
                    timeline.tell_once(kind, (!about_all).then(|| address.clone()), message, reply);
                    timeline.settlement.pending.push(address.clone());
                }
                (None, None) => {
                    let times = if tries == 1 { "1 try".to_owned() } else { format!("{tries} tries") };
                    timeline.blame(format!("Gave up after {times}: {reply}"));
                    timeline.tell(EventKind::Failed, &address, format!("Gave up after {times}"), Some(reply));
                }
            };
            match outcome {
                RecipientOutcome::Accepted { reply } => {
                    timeline.tell(EventKind::Sent, &address, format!("Handed to {}", via.adapter_name), Some(reply));
                }
                RecipientOutcome::Deferred { reply } => waiting(EventKind::Deferred, reply, &mut timeline),
                RecipientOutcome::Unreachable { reason } => waiting(EventKind::FailedToSend, reason, &mut timeline),
                RecipientOutcome::Refused { reply } => {
                    timeline.blame(reply.clone());
                    let message = refusal_words(&reply).to_owned();
                    timeline.tell(EventKind::Bounced, &address, message, Some(reply));
                }
                RecipientOutcome::Failed { reason } => {
                    timeline.blame(reason.clone());
                    let message = "The message could not be sent and is not tried again".to_owned();
                    timeline.tell(EventKind::Failed, &address, message, Some(reason));
                }
                RecipientOutcome::Dropped { reason } => {
                    timeline.blame(reason.clone());
                    timeline.tell(EventKind::Dropped, &address, reason, None);
                }
                RecipientOutcome::Unknown { reason } => {
                    timeline.blame(reason.clone());
                    timeline.tell(EventKind::Uncertain, &address, reason, None);
                }
            }
        }
        let first = settlement.events.first().map(|new| new.event.id);
        settlement.attempt = kept.zip(first).map(|(kept, id)| NewAttempt { id, ..kept });
        settlement
    }

    /// What is kept of an attempt; `None` where no adapter was asked.
    fn kept(&self, lease: &Lease, via: &Via, attempt: &mut Attempt) -> Option<NewAttempt> {
        let adapter = via.adapter.as_ref()?;
        let said = std::mem::take(&mut attempt.said);
        if said.is_empty() {
            return None;
        }
        let (code, enhanced_code) =
            attempt.recipients.iter().find_map(|(_, fate)| words_of(fate)).map_or((None, None), |words| {
                let (code, enhanced) = codes_of(answer_in(words));
                (code, enhanced.map(str::to_owned))
            });
        let is_plain = attempt.is_taken() && lease.attempts == 0 && lease.tried.is_empty();
        let exchange = match packed(Exchange(said).bounded(), is_plain) {
            Ok(exchange) => exchange,
            Err(cause) => {
                warn!(team.id = %lease.team_id, email.id = %lease.email_id, %cause, "could not keep what was said");
                return None;
            }
        };
        Some(NewAttempt {
            id: EventId(0),
            adapter_id: adapter.id,
            tls: attempt.tls.take(),
            code,
            enhanced_code,
            duration_ms: i64::try_from(via.took.as_millis()).unwrap_or(i64::MAX),
            exchange,
        })
    }
}

/// What came of an attempt, in a word: of several recipients, what is gravest.
pub(super) fn outcome_of(attempt: &Attempt) -> &'static str {
    let word = |fate: &RecipientOutcome| match fate {
        RecipientOutcome::Accepted { .. } => (0, "sent"),
        RecipientOutcome::Dropped { .. } => (1, "dropped"),
        RecipientOutcome::Deferred { .. } => (2, "deferred"),
        RecipientOutcome::Unreachable { .. } => (3, "unreachable"),
        RecipientOutcome::Refused { .. } => (4, "bounced"),
        RecipientOutcome::Failed { .. } => (5, "failed"),
        RecipientOutcome::Unknown { .. } => (6, "uncertain"),
    };
    attempt.recipients.iter().map(|(_, fate)| word(fate)).max().map_or("dropped", |(_, word)| word)
}

/// An exchange as it is kept; of a message that simply went out little.
fn packed(exchange: Exchange, is_plain: bool) -> io::Result<Vec<u8>> {
    let packed = pack_exchange(&exchange)?;
    if is_plain && packed.len() > PLAIN_BYTES { pack_exchange(&exchange.in_short()) } else { Ok(packed) }
}

/// The server's answer behind what is said of it: "The log-in was refused by mail.example.com: 535 5.7.8 …".
fn answer_in(words: &str) -> &str {
    match words.split_once(": ") {
        Some((told, answer)) if told.starts_with("The log-in was refused") => answer,
        Some(_) | None => words,
    }
}

/// The server's words to a recipient, or why they did not come to that.
fn words_of(fate: &RecipientOutcome) -> Option<&str> {
    match fate {
        RecipientOutcome::Accepted { reply }
        | RecipientOutcome::Deferred { reply }
        | RecipientOutcome::Refused { reply }
        | RecipientOutcome::Unreachable { reason: reply }
        | RecipientOutcome::Failed { reason: reply }
        | RecipientOutcome::Unknown { reason: reply } => Some(reply),
        RecipientOutcome::Dropped { .. } => None,
    }
}

//! Sending a message again, once: a message, its copies and theirs are one family, and of a family one message is under
//! way at a time. The store checks a [ResendClaim] in the transaction that accepts the copy.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::error::AppError;
use super::event::{EmailEvent, EventKind, EventSet};
use super::ids::EmailId;
use super::status::EmailStatus;

/// How long a copy stands against another one where the caller cannot say that it knows of the first, in seconds.
const PAUSE_S: i64 = 30;

/// One message of a family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relative {
    pub id: EmailId,
    /// Whether it sends an earlier one again.
    pub is_copy: bool,
    pub status: EmailStatus,
    pub event_set: EventSet,
    /// Whether it is still to go out, wholly or to some recipients: queued, scheduled, being attempted, waiting for an
    /// adapter, or cut off in the middle of an attempt.
    pub is_waiting: bool,
    pub sent_at: Option<DateTime<Utc>>,
    pub delivered_at: Option<DateTime<Utc>>,
}

/// How far a message got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reach {
    /// It reached the mailbox.
    Arrived,
    /// The mail server or provider took it.
    Taken,
    /// An attempt was cut off: nobody knows.
    Unknown,
}

impl Reach {
    /// How far a message got that has this status and these events; `None` where it is on its way, or did not arrive.
    pub fn of(status: EmailStatus, event_set: EventSet) -> Option<Self> {
        match status {
            EmailStatus::Delivered | EmailStatus::Opened | EmailStatus::Clicked | EmailStatus::Spam => {
                Some(Self::Arrived)
            }
            EmailStatus::Sent => Some(Self::Taken),
            EmailStatus::Failed if event_set.meets(EventSet::one(EventKind::Uncertain)) => Some(Self::Unknown),
            EmailStatus::Queued | EmailStatus::Failed | EmailStatus::Bounced => None,
        }
    }

    /// The end of a sentence about it.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Arrived => "arrived",
            Self::Taken => "was taken by the mail server",
            Self::Unknown => "may have arrived: what became of it is not known",
        }
    }
}

/// A message of the family that went out, or may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentCopy {
    pub id: EmailId,
    /// Whether it is a copy, and not the one that all are copies of.
    pub is_copy: bool,
    pub reach: Reach,
    /// When it did; of one whose outcome is unknown, when it was accepted.
    pub at: DateTime<Utc>,
}

impl Relative {
    /// How far it got, where it went out or may have.
    fn sent(&self) -> Option<SentCopy> {
        let accepted_at = self.id.created_at();
        let sent_at = self.sent_at.unwrap_or(accepted_at);
        let reach = Reach::of(self.status, self.event_set)?;
        let at = match reach {
            Reach::Arrived => self.delivered_at.unwrap_or(sent_at),
            Reach::Taken => sent_at,
            Reach::Unknown => accepted_at,
        };
        Some(SentCopy { id: self.id, is_copy: self.is_copy, reach, at })
    }
}

/// The newest of a message's family, other than itself, that went out or may have. `family` is in the order of the ids.
pub fn newest_sent(family: &[Relative], of: EmailId) -> Option<SentCopy> {
    family.iter().rev().filter(|relative| relative.id != of).find_map(Relative::sent)
}

/// The first sentence of a copy's history: which message it sends again, and who said so, `by Mara Ott`.
pub fn origin_words(of: EmailId, by: &str) -> String {
    format!("Resent from {of} {by}").trim_end().to_owned()
}

/// Who had a copy sent, by its history as [origin_words] began it: `by Mara Ott`.
pub fn resent_by(events: &[EmailEvent]) -> Option<String> {
    let told = events.iter().filter_map(|event| event.detail.message.as_deref());
    let told = told.filter_map(|words| words.strip_prefix("Resent from ")?.split_once(' '));
    told.map(|(_, by)| by.to_owned()).next()
}

/// Which messages may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResendRule {
    /// Those that failed or bounced and whose template is there. Source: Canary, "Resend".
    Canary,
    /// Those that failed or bounced.
    Failed,
    /// Those that went out as well; never those that the recipient reported as spam.
    Any,
}

impl ResendRule {
    /// Why no message of a status can be resent by this rule; `None` where some can.
    pub const fn obstacle_of(self, status: EmailStatus) -> Option<&'static str> {
        match (self, status) {
            (_, EmailStatus::Failed | EmailStatus::Bounced) => None,
            (Self::Canary, _) => Some("Only failed or bounced emails can be resent"),
            (Self::Failed, _) => Some("Only messages that failed or bounced can be resent"),
            (Self::Any, EmailStatus::Queued) => Some("It is still on its way"),
            (Self::Any, EmailStatus::Spam) => Some("The recipient reported it as spam"),
            (Self::Any, EmailStatus::Sent | EmailStatus::Delivered | EmailStatus::Opened | EmailStatus::Clicked) => {
                None
            }
        }
    }
}

/// What a caller says of the copies that went out already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Knowing {
    /// The newest of them; none, as far as the caller knows.
    Of(Option<EmailId>),
    /// Nothing: it cannot say, and wants another copy in any case.
    Nothing,
}

/// The right to send a message again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResendClaim {
    pub of: EmailId,
    /// Its family when the copy was made: one that joined it since then goes before.
    pub family: Vec<EmailId>,
    pub knowing: Knowing,
    /// Whether a message can be resent only after it failed or bounced.
    pub must_have_failed: bool,
    pub now: DateTime<Utc>,
}

impl ResendClaim {
    /// Whether it holds before this family, in the order of the ids. [AppError::Conflict] names the message that stands
    /// against it.
    pub fn check(&self, family: &[Relative]) -> Result<(), AppError> {
        let own = family.iter().find(|relative| relative.id == self.of);
        let own = own.ok_or_else(|| AppError::not_found("Email log"))?;
        if self.must_have_failed && !own.status.can_be_resent() {
            return Err(AppError::invalid("Only failed or bounced emails can be resent"));
        }
        if let Some(waiting) = family.iter().rev().find(|relative| relative.is_waiting) {
            let words = match (waiting.id == self.of, waiting.is_copy) {
                (true, _) => format!("It is still being sent itself, as {}", waiting.id),
                (false, true) => format!("It is being resent already, as {}", waiting.id),
                (false, false) => format!("It is still being sent, as {}", waiting.id),
            };
            return Err(AppError::Conflict(words));
        }
        if let Some(unseen) = family.iter().rev().find(|relative| !self.family.contains(&relative.id)) {
            return Err(AppError::Conflict(format!("It was resent just now, as {}", unseen.id)));
        }
        match self.knowing {
            Knowing::Nothing => {
                let pause_began = self.now - TimeDelta::seconds(PAUSE_S);
                let is_recent = |relative: &&Relative| relative.is_copy && relative.id.created_at() > pause_began;
                match family.iter().rev().find(is_recent) {
                    Some(recent) => Err(AppError::Conflict(format!("It was resent just now, as {}", recent.id))),
                    None => Ok(()),
                }
            }
            Knowing::Of(known) => match newest_sent(family, self.of) {
                Some(sent) if known != Some(sent.id) => Err(AppError::Conflict(told(&sent))),
                Some(_) | None => Ok(()),
            },
        }
    }
}

fn told(SentCopy { id, is_copy, reach, at }: &SentCopy) -> String {
    let (again, time, words) = (if *is_copy { " again" } else { "" }, at.format("%Y-%m-%d %H:%M UTC"), reach.words());
    format!("It was sent{again} at {time}, as {id}, and {words}. Confirm that it is to be sent once more.")
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_800_000_000_000;

    fn id(seconds_ago: i64) -> EmailId {
        EmailId((NOW_MS - seconds_ago * 1000) << 20)
    }

    fn relative(seconds_ago: i64, status: EmailStatus) -> Relative {
        Relative {
            id: id(seconds_ago),
            is_copy: true,
            status,
            event_set: EventSet::default(),
            is_waiting: status == EmailStatus::Queued,
            sent_at: None,
            delivered_at: None,
        }
    }

    fn root(status: EmailStatus) -> Relative {
        Relative { is_copy: false, is_waiting: false, ..relative(1000, status) }
    }

    fn check(family: &[Relative], change: impl FnOnce(&mut ResendClaim)) -> Result<(), AppError> {
        let mut claim = ResendClaim {
            of: id(1000),
            family: family.iter().map(|relative| relative.id).collect(),
            knowing: Knowing::Of(None),
            must_have_failed: true,
            now: DateTime::from_timestamp_millis(NOW_MS).unwrap(),
        };
        change(&mut claim);
        claim.check(family)
    }

    fn names(result: Result<(), AppError>, id: EmailId) -> bool {
        matches!(result, Err(AppError::Conflict(words)) if words.contains(&id.to_string()))
    }

    #[test]
    fn one_of_a_family_is_under_way_at_a_time() {
        let (failed, copy) = (root(EmailStatus::Bounced), relative(500, EmailStatus::Bounced));
        let copy_of_copy = relative(100, EmailStatus::Queued);
        assert!(check(std::slice::from_ref(&failed), |_| {}).is_ok());
        assert!(check(&[failed.clone(), copy.clone()], |_| {}).is_ok());
        let family = [failed, copy, copy_of_copy];
        for of in [id(1000), id(500)] {
            assert!(names(check(&family, |claim| claim.of = of), id(100)));
            assert!(names(check(&family, |claim| (claim.of, claim.knowing) = (of, Knowing::Nothing)), id(100)));
        }
        let own = [Relative { is_waiting: true, ..root(EmailStatus::Bounced) }];
        assert!(names(check(&own, |_| {}), id(1000)));
    }

    #[test]
    fn a_copy_that_the_caller_did_not_see_goes_before() {
        let family = [root(EmailStatus::Failed), relative(500, EmailStatus::Failed)];
        assert!(names(check(&family, |claim| claim.family = vec![id(1000)]), id(500)));
    }

    #[test]
    fn another_copy_after_one_that_got_through_is_confirmed() {
        for status in [EmailStatus::Sent, EmailStatus::Delivered, EmailStatus::Clicked, EmailStatus::Spam] {
            let family = [root(EmailStatus::Bounced), relative(500, status), relative(400, EmailStatus::Failed)];
            assert!(names(check(&family, |_| {}), id(500)), "{status:?}");
            assert!(names(check(&family, |claim| claim.knowing = Knowing::Of(Some(id(400)))), id(500)));
            assert!(check(&family, |claim| claim.knowing = Knowing::Of(Some(id(500)))).is_ok());
            assert!(check(&family, |claim| claim.knowing = Knowing::Nothing).is_ok());
        }
        let event_set = EventSet::one(EventKind::Uncertain);
        let unknown = Relative { event_set, ..relative(500, EmailStatus::Failed) };
        assert!(names(check(&[root(EmailStatus::Bounced), unknown], |_| {}), id(500)));
    }

    #[test]
    fn who_cannot_confirm_waits_a_moment() {
        let family = [root(EmailStatus::Delivered), relative(5, EmailStatus::Delivered)];
        let any = |claim: &mut ResendClaim| (claim.knowing, claim.must_have_failed) = (Knowing::Nothing, false);
        assert!(names(check(&family, any), id(5)));
        assert!(
            check(&family, |claim| {
                any(claim);
                claim.now += TimeDelta::seconds(60)
            })
            .is_ok()
        );
    }

    #[test]
    fn a_message_that_was_delivered_meanwhile_is_not_resent() {
        let refused = check(&[root(EmailStatus::Delivered)], |_| {});
        assert_eq!(refused, Err(AppError::invalid("Only failed or bounced emails can be resent")));
        assert_eq!(check(&[], |_| {}), Err(AppError::not_found("Email log")));
    }
}

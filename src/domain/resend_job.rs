//! A job that sends many messages again: what it does with each, decided when it is made, and how far it got. Made by
//! [crate::server::services::resends], shown by `/resends`.

use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::email::{EmailStatus, EmailSummary};
use super::failure::{FailureClass, ResendHelp, Responsible};
use super::ids::{EmailId, ResendJobId};
use super::named::named;
use super::resend::Reach;

/// The most messages of a job.
pub const MAX_MESSAGES: i64 = 10_000;

/// How many messages a minute a job sends again where nobody says.
pub const DEFAULT_PER_MINUTE: i64 = 300;

/// How many it may be.
pub const PER_MINUTE: RangeInclusive<i64> = 1..=6_000;

/// The longest reason of a job, in characters.
pub const MAX_REASON_CHARS: usize = 500;

named! {
    /// How a job stands.
    pub enum ResendJobState, "unknown state of a resend" {
        Running = "running" "Running",
        Paused = "paused" "Paused",
        Stopped = "stopped" "Stopped",
        Done = "done" "Done",
    }
}

impl ResendJobState {
    /// Whether nothing happens any more.
    pub const fn is_over(self) -> bool {
        match self {
            Self::Running | Self::Paused => false,
            Self::Stopped | Self::Done => true,
        }
    }
}

named! {
    /// What became of a message of a job.
    pub enum ResendItemState, "unknown state of a message" {
        Waiting = "waiting" "Waiting",
        Resent = "resent" "Resent",
        Refused = "refused" "Not possible",
        LeftOut = "left_out" "Left out",
    }
}

named! {
    /// What can be done to a job that is not over.
    pub enum ResendStep, "choose pause, resume or stop" {
        Pause = "pause" "Pause",
        Resume = "resume" "Resume",
        Stop = "stop" "Stop",
    }
}

impl ResendStep {
    /// The states in which it can be done, and the one that follows.
    pub const fn leads(self) -> (&'static [ResendJobState], ResendJobState) {
        match self {
            Self::Pause => (&[ResendJobState::Running], ResendJobState::Paused),
            Self::Resume => (&[ResendJobState::Paused], ResendJobState::Running),
            Self::Stop => (&[ResendJobState::Running, ResendJobState::Paused], ResendJobState::Stopped),
        }
    }

    /// Whether it can be done now.
    pub fn is_possible(self, state: ResendJobState) -> bool {
        self.leads().0.contains(&state)
    }
}

/// How many messages of a job are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResendCounts {
    pub waiting: i64,
    pub resent: i64,
    pub refused: i64,
    pub left_out: i64,
}

impl ResendCounts {
    /// One more in a state.
    pub fn add(&mut self, state: ResendItemState) {
        match state {
            ResendItemState::Waiting => self.waiting += 1,
            ResendItemState::Resent => self.resent += 1,
            ResendItemState::Refused => self.refused += 1,
            ResendItemState::LeftOut => self.left_out += 1,
        }
    }

    /// All of the job.
    pub const fn total(self) -> i64 {
        self.waiting + self.resent + self.refused + self.left_out
    }

    /// What was to be sent again: all but what was left out and what was impossible.
    pub const fn to_send(self) -> i64 {
        self.waiting + self.resent
    }
}

/// What is known of a job's copies, of those that are still kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CopyCounts {
    pub arrived: i64,
    /// How many bounced or failed.
    pub lost: i64,
    /// How many are on their way, or were taken by a mail server that has not said more.
    pub unreported: i64,
}

impl CopyCounts {
    /// Of how many copies have each status.
    pub fn of(copies: &[(EmailStatus, i64)]) -> Self {
        let mut counts = Self::default();
        for (status, count) in copies {
            match status {
                EmailStatus::Delivered | EmailStatus::Opened | EmailStatus::Clicked | EmailStatus::Spam => {
                    counts.arrived += count;
                }
                EmailStatus::Bounced | EmailStatus::Failed => counts.lost += count,
                EmailStatus::Queued | EmailStatus::Sent => counts.unreported += count,
            }
        }
        counts
    }
}

/// A job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResendJob {
    /// Its minting time is when the job was made.
    pub id: ResendJobId,
    pub name: String,
    /// Why, where somebody said so.
    pub reason: Option<String>,
    /// The name of the person or key that made it, as it was then.
    pub made_by: String,
    /// What the messages were searched by, in words and as the address of their list; `None` for messages that were chosen
    /// one by one, and for who does not see it.
    pub filter: Option<(String, String)>,
    pub per_minute: i64,
    pub state: ResendJobState,
    /// Why it stands so, where nobody said it should.
    pub note: Option<String>,
    pub counts: ResendCounts,
    /// When its first message was sent again.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was done, or stopped.
    pub finished_at: Option<DateTime<Utc>>,
}

/// A message of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResendItem {
    pub email_id: EmailId,
    /// The message; `None` when it is kept no longer.
    pub email: Option<EmailSummary>,
    pub state: ResendItemState,
    /// Why it was not sent again.
    pub words: Option<String>,
    /// The message that sends it again, and what became of that, while it is kept.
    pub copy: Option<(EmailId, Option<EmailStatus>)>,
}

/// What is to become of a message in a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is sent again. With the newest message that says the same and went out, where there is one.
    Resend {
        class: Option<FailureClass>,
        known: Option<EmailId>,
    },
    /// It was sent again already, and the copy got so far.
    ResentAlready {
        id: EmailId,
        reach: Reach,
    },
    /// It is this message, did not fail, and got so far.
    WentOut {
        id: EmailId,
        reach: Reach,
    },
    LikelyToFail(FailureClass),
    /// This message of the same job says the same.
    SameAs(EmailId),
    Cannot(String),
}

/// What a job takes in that it leaves out otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResendOptions {
    /// Messages that went out already, by themselves or by a copy, or may have.
    pub includes_resent: bool,
    /// Messages that will likely fail again.
    pub includes_failing: bool,
}

impl Verdict {
    /// What the job does with the message, and the words for it: a reason, or why it failed the first time.
    pub fn outcome(&self, options: ResendOptions) -> (ResendItemState, String) {
        let taken_in = |is: bool| if is { ResendItemState::Waiting } else { ResendItemState::LeftOut };
        match self {
            Self::Resend { class, .. } => {
                (ResendItemState::Waiting, class.map_or("Failed", FailureClass::label).to_owned())
            }
            Self::ResentAlready { reach, .. } => {
                (taken_in(options.includes_resent), format!("It was resent already, and {}", reach.words()))
            }
            Self::WentOut { reach, .. } => {
                (taken_in(options.includes_resent), format!("It did not fail: it {}", reach.words()))
            }
            Self::LikelyToFail(class) => (taken_in(options.includes_failing), likely_end(*class)),
            Self::SameAs(_) => {
                (ResendItemState::LeftOut, "Another message of this resend says the same: it is sent once".to_owned())
            }
            Self::Cannot(why) => (ResendItemState::Refused, why.clone()),
        }
    }
}

/// Begins a label in the middle of a sentence.
fn lower(label: &str) -> String {
    let mut letters = label.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// Whether a copy will meet the same end. What the team itself can mend does not count: who resends has mended it.
pub fn likely_fails_again(class: FailureClass) -> bool {
    match class.resend() {
        ResendHelp::No => true,
        ResendHelp::AfterChange => class == FailureClass::Suppressed || class.whose() != Responsible::Sender,
        ResendHelp::Later | ResendHelp::Now => false,
    }
}

/// Whether only a change at the team itself keeps a copy from the same end.
fn is_ours_to_mend(class: FailureClass) -> bool {
    class.resend() == ResendHelp::AfterChange && class.whose() == Responsible::Sender
}

/// Whether a copy of a message that failed so arrives only once something has changed.
pub const fn is_doubtful(class: FailureClass) -> bool {
    matches!(class.resend(), ResendHelp::No | ResendHelp::AfterChange)
}

/// What a copy of a message that failed so will likely meet.
pub fn likely_end(class: FailureClass) -> String {
    let why = lower(class.label());
    match class.resend() {
        _ if likely_fails_again(class) => format!("It will likely fail again: {why}"),
        ResendHelp::No | ResendHelp::AfterChange => format!("It fails again unless this has been fixed: {why}"),
        ResendHelp::Later => format!("It may arrive by now. The first time, the reason was: {why}"),
        ResendHelp::Now => format!("It may arrive this time. The first time, the outcome was: {why}"),
    }
}

/// What a job would do, before it is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preflight {
    /// How many messages it would have, in the state that each begins with.
    pub counts: ResendCounts,
    /// The same by reason, the largest first.
    pub groups: Vec<PreflightGroup>,
    /// How many went out already, by themselves or by a copy, or may have.
    pub resent_already: i64,
    /// How many of those arrived.
    pub arrived: i64,
    /// How many will likely fail again.
    pub likely_to_fail: i64,
    /// How many of those that are sent again failed for what the team itself has to mend, and the reasons in words, each once.
    pub to_mend: i64,
    pub to_mend_why: Vec<String>,
    /// How many of those that are sent again are older than what they say: a code, a link or a day.
    pub outdated: i64,
    /// How many of those that are sent again will be dropped: the team writes to none of their addresses any more.
    pub suppressed: i64,
    /// How many of those that are sent again will miss some of their recipients for that.
    pub partly_suppressed: i64,
    /// How many match beside, which neither failed nor bounced; at least so many, where they are not counted further.
    pub others: i64,
}

/// Messages of a preflight that have the same end for the same reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreflightGroup {
    pub state: ResendItemState,
    /// Why: of those that are sent again, why they failed.
    pub words: String,
    pub count: i64,
}

impl Preflight {
    /// How many of those that are sent again will likely fail again.
    pub const fn failing(&self, options: ResendOptions) -> i64 {
        if options.includes_failing { self.likely_to_fail } else { 0 }
    }

    /// Counts one message.
    pub fn add(&mut self, verdict: &Verdict, options: ResendOptions) {
        let (state, words) = verdict.outcome(options);
        self.counts.add(state);
        match verdict {
            Verdict::ResentAlready { reach, .. } | Verdict::WentOut { reach, .. } => {
                self.resent_already += 1;
                self.arrived += i64::from(*reach == Reach::Arrived);
            }
            Verdict::LikelyToFail(_) => self.likely_to_fail += 1,
            Verdict::Resend { class: Some(class), .. } if is_ours_to_mend(*class) => {
                self.to_mend += 1;
                let why = lower(class.label());
                if !self.to_mend_why.contains(&why) {
                    self.to_mend_why.push(why);
                }
            }
            Verdict::Resend { .. } | Verdict::SameAs(_) | Verdict::Cannot(_) => {}
        }
        match self.groups.iter_mut().find(|group| group.state == state && group.words == words) {
            Some(group) => group.count += 1,
            None => self.groups.push(PreflightGroup { state, words, count: 1 }),
        }
        self.groups.sort_by_key(|group| (group.state, -group.count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_team_can_mend_itself_is_resent_and_what_the_recipient_has_to_is_not() {
        for class in [FailureClass::AddressUnknown, FailureClass::AccountInactive, FailureClass::Suppressed] {
            assert!(likely_fails_again(class), "{class:?}");
        }
        for class in [FailureClass::SenderBlocked, FailureClass::RateLimited, FailureClass::ServerUnavailable] {
            assert!(!likely_fails_again(class), "{class:?}");
        }
    }

    #[test]
    fn what_a_copy_meets_is_what_a_job_expects() {
        for class in FailureClass::ALL {
            let says_so = likely_end(class).starts_with("It will likely fail again: ");
            assert_eq!(says_so, likely_fails_again(class), "{class:?}");
        }
    }

    #[test]
    fn options_take_in_what_is_left_out_otherwise() {
        let resent = Verdict::ResentAlready { id: EmailId(1), reach: Reach::Arrived };
        let failing = Verdict::LikelyToFail(FailureClass::AddressUnknown);
        let none = ResendOptions::default();
        let both = ResendOptions { includes_resent: true, includes_failing: true };
        for verdict in [&resent, &failing] {
            assert_eq!(verdict.outcome(none).0, ResendItemState::LeftOut);
            assert_eq!(verdict.outcome(both).0, ResendItemState::Waiting);
        }
        assert_eq!(Verdict::Cannot("No".to_owned()).outcome(both).0, ResendItemState::Refused);
        assert_eq!(failing.outcome(none).1, "It will likely fail again: the address does not exist");
        let mut preflight = Preflight::default();
        [&resent, &failing, &resent].iter().for_each(|verdict| preflight.add(verdict, none));
        assert_eq!((preflight.counts.left_out, preflight.resent_already, preflight.arrived), (3, 2, 2));
        assert_eq!(preflight.groups[0].count, 2);
        assert_eq!((preflight.failing(none), preflight.failing(both)), (0, 1));
    }

    #[test]
    fn what_must_be_mended_first_is_counted_among_what_is_sent_again() {
        let failed = |class| Verdict::Resend { class: Some(class), known: None };
        let mut preflight = Preflight::default();
        for class in [FailureClass::SenderBlocked, FailureClass::MailboxFull, FailureClass::SenderBlocked] {
            preflight.add(&failed(class), ResendOptions::default());
        }
        assert_eq!(preflight.to_mend, 2);
        assert_eq!(preflight.to_mend_why, [lower(FailureClass::SenderBlocked.label())]);
    }
}

//! What becomes of mail from strangers: it is read as a report about a message, and taken for such a message's own address alone.
//! Nobody logs in, and nothing is sent on.
//! Source: RFC 5321, sections 4.5.5 (reports have no sender) and 3.6.2 (no relay).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tracing::warn;

use super::handler::{Envelope, Handler, LogIn, Refused};
use super::protocol::address::EnvelopeAddress;
use super::protocol::reply::Reply;
use super::settings::{Limits, Settings};
use crate::server::App;
use crate::server::bounce_address::{BouncedEmail, read_bounce_address};
use crate::server::inbound::bounce::{MAX_MAIL_BYTES, Outcome, receive};
use crate::server::services::bounces::Recorded;
use crate::server::tls::ServerTls;

/// The reports that are taken of one message in an hour: whoever got the message knows its address.
const REPORTS_OF_MESSAGE: u32 = 200;
const HOUR: Duration = Duration::from_secs(60 * 60);
/// The reports that are taken in a second.
const REPORTS: u32 = 100;
const SECOND: Duration = Duration::from_secs(1);
/// From how many messages on those of the hour before are forgotten.
const CROWD: usize = 10_000;

/// Takes reports about messages of all teams.
pub struct Bounces {
    app: App,
    pace: Pace,
}

impl Bounces {
    /// Nothing was reported yet.
    pub fn new(app: App) -> Self {
        Self { app, pace: Pace::default() }
    }

    fn proven(&self, recipient: &EnvelopeAddress) -> Option<BouncedEmail> {
        read_bounce_address(&self.app.secret_key, &format!("{}@{}", recipient.local(), recipient.domain()))
    }
}

/// How the listener for reports behaves.
pub fn settings(host_name: String, tls: Option<ServerTls>) -> Settings {
    let limits = Limits {
        silence: Duration::from_secs(2 * 60),
        transaction: Duration::from_secs(10 * 60),
        beyond_size_bytes: 16 * 1024 * 1024,
        connections: 200,
        connections_of_address: 20,
        ..Limits::default()
    };
    Settings {
        host_name,
        size_limit_bytes: MAX_MAIL_BYTES,
        recipient_limit: 10,
        tls,
        takes_strangers: true,
        offers_log_in: false,
        limits,
        ..Settings::default()
    }
}

/// Nobody: there is no log-in.
pub enum Nobody {}

impl Handler for Bounces {
    type Login = Nobody;

    async fn log_in(&self, _: LogIn<'_>) -> Result<Nobody, Refused> {
        Err(Refused::Wrong)
    }

    async fn sender(&self, _: Option<&Nobody>, _: &Envelope) -> Result<(), Reply> {
        Ok(())
    }

    async fn recipient(&self, _: Option<&Nobody>, _: &Envelope, recipient: &EnvelopeAddress) -> Result<(), Reply> {
        match self.proven(recipient) {
            Some(_) => Ok(()),
            None => Err(Reply::new(550, (1, 1), "Nobody has this address: only bounces of messages are taken here")),
        }
    }

    async fn accept(&self, _: Option<&Nobody>, envelope: Envelope, message: Bytes) -> Result<String, Reply> {
        let reported: Vec<BouncedEmail> = envelope.recipients.iter().filter_map(|one| self.proven(one)).collect();
        let mut words = "nothing that is known";
        for email in reported {
            if !self.pace.allows(email, Instant::now()) {
                return Err(Reply::new(450, (7, 1), "Too many reports: try again in an hour"));
            }
            words = match receive(&self.app, message.clone(), Some(email)).await {
                Ok(Outcome::Recorded(Recorded::Taken { .. })) => "a report",
                Ok(Outcome::Recorded(Recorded::UnknownMessage)) => "a report about a message that is gone",
                Ok(Outcome::Recorded(Recorded::OtherRecipients(_))) => "a report about somebody else",
                Ok(Outcome::NoReport | Outcome::NoMessage) => words,
                Err(cause) => {
                    warn!(%cause, "cannot keep what a bounce says: it is asked for again");
                    return Err(Reply::new(451, (3, 0), "The report cannot be kept now: try again later"));
                }
            };
        }
        Ok(words.to_owned())
    }
}

/// How many reports there were.
#[derive(Debug, Default)]
struct Pace {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    all: Option<(Instant, u32)>,
    of_message: HashMap<BouncedEmail, (Instant, u32)>,
}

impl Pace {
    /// Counts one more, and tells whether it is not one too many.
    fn allows(&self, email: BouncedEmail, now: Instant) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.of_message.len() > CROWD {
            counts.of_message.retain(|_, (began, _)| now.duration_since(*began) < HOUR);
        }
        let all = counts.all.get_or_insert((now, 0));
        if !is_within(all, now, SECOND, REPORTS) {
            return false;
        }
        is_within(counts.of_message.entry(email).or_insert((now, 0)), now, HOUR, REPORTS_OF_MESSAGE)
    }
}

fn is_within(window: &mut (Instant, u32), now: Instant, length: Duration, most: u32) -> bool {
    if now.duration_since(window.0) >= length {
        *window = (now, 0);
    }
    window.1 = window.1.saturating_add(1);
    window.1 <= most
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::{EmailId, TeamId};

    #[test]
    fn reports_have_a_pace() {
        let (pace, start) = (Pace::default(), Instant::now());
        let email = |id| BouncedEmail { team: TeamId(1), email: EmailId(id) };
        let at = |second: u64| start + SECOND * u32::try_from(second).unwrap();
        let taken = (0..300).filter(|number| pace.allows(email(1), at(number / 100))).count();
        assert_eq!(taken, usize::try_from(REPORTS_OF_MESSAGE).unwrap());
        assert!(pace.allows(email(2), at(3)) && pace.allows(email(1), at(3 + 3600)));
        let others = (0..150).filter(|id| pace.allows(email(10 + id), at(9000))).count();
        assert_eq!(others, usize::try_from(REPORTS).unwrap());
    }
}

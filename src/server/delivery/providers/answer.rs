//! How adapters read answers. What the providers have in common is decided here; each adapter says what its own codes
//! mean.
//! Sources: RFC 9110 (statuses, `Retry-After`), RFC 6585 (429).

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use super::recipients::wire_text;
use super::{Attempt, RecipientOutcome};
use crate::domain::adapter::fault::AdapterFault;
use crate::domain::mailbox::is_same_address;

/// How much of an answer is read, in bytes.
const BODY_CAP: usize = 256 * 1024;

/// How much of an answer is told in the timeline, in characters.
const REPLY_CHARS: usize = 300;

/// The longest id that is taken from an answer, in characters.
const ID_CHARS: usize = 500;

/// The longest pause that an answer can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// An answer and whom it is about.
#[derive(Debug)]
pub struct Answer<'a> {
    pub status: u16,
    pending: &'a [String],
    body: &'a [u8],
    json: Option<Value>,
    pause: Option<Duration>,
}

impl<'a> Answer<'a> {
    /// Reads an answer, up to 256 KiB of it.
    pub fn new(status: u16, headers: &HeaderMap, body: &'a [u8], pending: &'a [String]) -> Self {
        let body = body.get(..BODY_CAP).unwrap_or(body);
        Self { status, pending, body, json: serde_json::from_slice(body).ok(), pause: retry_after(headers) }
    }

    /// The answer with the pause that the provider's own header asks for, where `Retry-After` says nothing.
    pub fn or_pause(self, pause: Option<Duration>) -> Self {
        Self { pause: self.pause.or(pause), ..self }
    }

    /// The part of the answer's JSON at a pointer: `/errors/0`.
    pub fn at(&self, pointer: &str) -> Option<&Value> {
        self.json.as_ref()?.pointer(pointer)
    }

    /// The text at a pointer; a number is its digits. Nothing else is a text, nor is an empty one.
    pub fn text(&self, pointer: &str) -> Option<String> {
        text_of(self.at(pointer)?)
    }

    /// The list at a pointer; empty where there is none.
    pub fn list(&self, pointer: &str) -> &[Value] {
        self.at(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// The status and the provider's words, on one line. Without words, the beginning of the body.
    pub fn reply(&self, words: Option<&str>) -> String {
        let reason = StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        let status = format!("{} {}", self.status, reason.unwrap_or_default());
        let body = String::from_utf8_lossy(self.body.get(..4 * REPLY_CHARS).unwrap_or(self.body));
        let told = shorten(words.unwrap_or(&body));
        let reply = if told.is_empty() { status.trim().to_owned() } else { format!("{}: {told}", status.trim()) };
        shorten(&reply)
    }

    /// What the status means by HTTP, with the provider's words.
    pub fn by_status(&self, words: Option<&str>) -> Attempt {
        let reply = self.reply(words);
        match self.status {
            200..=299 => self.accepted(None, words),
            401 | 403 | 407 => {
                self.all(&RecipientOutcome::Unreachable { reason: log_in_refused(&reply) }, AdapterFault::LogInRefused)
            }
            // The account has no credit.
            402 => self.all(&RecipientOutcome::Unreachable { reason: reply }, AdapterFault::Later),
            408 | 425 | 429 | 500.. => self.later(words),
            300..=399 | 404 | 405 | 410 => {
                self.all(&RecipientOutcome::Failed { reason: reply }, AdapterFault::WrongUrl)
            }
            _ => self.all(&RecipientOutcome::Failed { reason: reply }, AdapterFault::ContentRefused),
        }
    }

    /// The provider took it for everybody. What answers with anything but JSON or nothing is no provider of mail: a web
    /// page stands at the address.
    pub fn accepted(&self, id: Option<String>, words: Option<&str>) -> Attempt {
        let first = self.body.iter().find(|byte| !byte.is_ascii_whitespace());
        let is_foreign = id.is_none() && first.is_some_and(|byte| !matches!(byte, b'{' | b'['));
        if is_foreign {
            return self.unknown(None);
        }
        let mut sent = self.each(|_| RecipientOutcome::Accepted { reply: self.reply(words) });
        sent.provider_message_id = id;
        sent
    }

    /// The provider asks for another try.
    pub fn later(&self, words: Option<&str>) -> Attempt {
        let mut sent = self.all(&RecipientOutcome::Deferred { reply: self.reply(words) }, AdapterFault::Later);
        sent.retry_after = self.pause;
        sent
    }

    /// The adapter or the account has to be mended; then the message can go.
    pub fn unusable(&self, words: Option<&str>, fault: AdapterFault) -> Attempt {
        let reply = self.reply(words);
        let reason = if fault == AdapterFault::LogInRefused { log_in_refused(&reply) } else { reply };
        self.all(&RecipientOutcome::Unreachable { reason }, fault)
    }

    /// The message cannot go.
    pub fn failed(&self, words: Option<&str>, fault: AdapterFault) -> Attempt {
        self.all(&RecipientOutcome::Failed { reason: self.reply(words) }, fault)
    }

    /// The answer does not say whether the message went out.
    pub fn unknown(&self, words: Option<&str>) -> Attempt {
        let reply = self.reply(words);
        let reason = shorten(&format!("The provider did not say whether it took the message: {reply}"));
        self.all(&RecipientOutcome::Unknown { reason }, AdapterFault::OutcomeUnknown)
    }

    /// The provider sent nothing, because of a recipient's address. The only one is refused, and so are those that its
    /// words name; the others are to be tried without them. Where nobody is named, nobody is blamed, and the message
    /// fails.
    pub fn recipient_refused(&self, words: &str) -> Attempt {
        let reply = self.reply(Some(words));
        let named = self.named_in(words);
        let is_refused = |address: &String| self.pending.len() == 1 || named.contains(address);
        if !self.pending.iter().any(is_refused) {
            return self.failed(Some(words), AdapterFault::RecipientRefused);
        }
        let mut sent = self.each(|address| {
            if is_refused(address) {
                RecipientOutcome::Refused { reply: reply.clone() }
            } else {
                waits_for_others(&reply)
            }
        });
        sent.fault = Some(AdapterFault::RecipientRefused);
        sent
    }

    /// The pending addresses that stand in a text.
    pub fn named_in(&self, text: &str) -> HashSet<&'a String> {
        let is_end = |letter: char| letter.is_whitespace() || "<>,;()[]{}\"'`".contains(letter);
        let words: HashSet<String> =
            text.split(is_end).map(|word| word.trim_matches(['.', ':', '!', '\\']).to_lowercase()).collect();
        let is_named = |address: &&String| {
            let wire = wire_text(address);
            [Some(address.to_lowercase()), wire.map(|wire| wire.to_lowercase())]
                .iter()
                .flatten()
                .any(|form| words.contains(form))
        };
        self.pending.iter().filter(is_named).collect()
    }

    /// The pending address that is the same mailbox as `told`.
    pub fn pending_as(&self, told: &str) -> Option<&'a String> {
        self.pending.iter().find(|address| is_same_address(address, told))
    }

    /// Everybody meets the same fate.
    pub fn all(&self, outcome: &RecipientOutcome, fault: AdapterFault) -> Attempt {
        Attempt { fault: Some(fault), ..self.each(|_| outcome.clone()) }
    }

    /// Everybody meets their own fate.
    pub fn each(&self, outcome: impl Fn(&'a String) -> RecipientOutcome) -> Attempt {
        let recipients = self.pending.iter().map(|address| (address.clone(), outcome(address))).collect();
        Attempt { recipients, ..Attempt::nobody() }
    }
}

/// A foreign text on one line, without control characters, at most 300 characters.
pub fn shorten(text: &str) -> String {
    let text: String = text.chars().take(8 * REPLY_CHARS).map(|it| if it.is_control() { ' ' } else { it }).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(REPLY_CHARS).collect()
}

/// A provider's words without web addresses: where it repeats the callback address, the hook's token stands in it.
pub fn without_addresses(words: &str) -> String {
    let hidden = |word| if str::contains(word, "://") { "(address)" } else { word };
    words.split_whitespace().map(hidden).collect::<Vec<_>>().join(" ")
}

/// A provider's id of a message, without `<` and `>`; `None` where it can be none.
pub fn id_of(text: &str) -> Option<String> {
    let id = text.trim().trim_start_matches('<').trim_end_matches('>');
    let is_id = !id.is_empty() && id.chars().count() <= ID_CHARS && !id.chars().any(char::is_control);
    is_id.then(|| id.to_owned())
}

/// The pause that a header asks for in seconds.
pub fn seconds_pause(headers: &HeaderMap, name: &str) -> Option<Duration> {
    let seconds: f64 = headers.get(name)?.to_str().ok()?.trim().parse().ok()?;
    let seconds = Some(seconds).filter(|seconds| seconds.is_finite())?;
    Duration::try_from_secs_f64(seconds.ceil().min(LONGEST_PAUSE.as_secs_f64())).ok()
}

/// The pause until the Unix time that a header tells, in seconds or milliseconds, by the server's own clock.
pub fn clock_pause(headers: &HeaderMap, name: &str) -> Option<Duration> {
    /// In seconds, this is the year 5138.
    const MILLISECONDS: i64 = 100_000_000_000;
    let told: i64 = headers.get(name)?.to_str().ok()?.trim().parse().ok()?;
    let seconds = if told >= MILLISECONDS { told / 1000 } else { told };
    pause_until(headers, DateTime::from_timestamp(seconds, 0)?)
}

/// The text of a JSON value; a number is its digits.
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The pause that `Retry-After` asks for: seconds, or until a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    if let Some(pause) = seconds_pause(headers, RETRY_AFTER.as_str()) {
        return Some(pause);
    }
    let until = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    pause_until(headers, DateTime::parse_from_rfc2822(until).ok()?.with_timezone(&Utc))
}

/// The server's own clock counts: ours may differ.
fn pause_until(headers: &HeaderMap, until: DateTime<Utc>) -> Option<Duration> {
    let now = DateTime::parse_from_rfc2822(headers.get(DATE)?.to_str().ok()?).ok()?.with_timezone(&Utc);
    (until - now).to_std().ok().map(|pause| pause.min(LONGEST_PAUSE))
}

fn log_in_refused(reply: &str) -> String {
    shorten(&format!("The log-in was refused: {reply}"))
}

fn waits_for_others(reply: &str) -> RecipientOutcome {
    RecipientOutcome::Deferred { reply: shorten(&format!("Not sent, because another address was refused: {reply}")) }
}

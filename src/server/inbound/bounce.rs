//! Reports that come as mail, about a message that went out by SMTP: that it came back, waits or arrived (RFC 3464, RFC 6533), or
//! that its recipient complained (RFC 5965); and the commonest texts of servers that write neither. What a mail is not proven to
//! report is not read out of it: answers of people and machines are none. Called by [crate::server::smtp_in], by
//! `POST /api/v1/bounces` and by [super::maildir].

mod delivery_status;
mod feedback;
mod texts;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::domain::error::AppError;
use crate::domain::ids::EmailId;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::bounce_address::{BouncedEmail, read_bounce_address};
use crate::server::mail::{Attached, Headers, OpenedMail, Unreadable, open_mail, read_header_blocks};
use crate::server::services::bounces::{
    BounceReport, Notice, Recorded, find_reported, record_bounce, require_reporter,
};

/// The largest mail that is read, in bytes.
pub const MAX_MAIL_BYTES: usize = 10 * 1024 * 1024;
/// The most addresses that are looked at for one that proves a message.
const MAX_ADDRESSES: usize = 200;
/// The shortest address that can prove one, in bytes.
const SHORTEST_ADDRESS: usize = 54;
/// The most recipients that one report tells of: more than a message has.
const MAX_NOTICES: usize = 100;

/// The headers that say whom a mail was given for.
const TO_HEADERS: [&str; 6] = ["Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To", "Apparently-To"];

/// What became of a mail that was to be a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Recorded(Recorded),
    /// It reports nothing: an answer of a person or a machine, or of a kind that is not known.
    NoReport,
    /// It reports something of a message that is not proven, or not found.
    NoMessage,
}

/// A mail, read.
#[derive(Clone, Debug, Default, PartialEq)]
struct Bounce {
    report: BounceReport,
    /// Addresses, one of which can prove the message, the surest first.
    addresses: Vec<String>,
    /// The message's own id, in the headers of what came back.
    own_id: Option<EmailId>,
    /// What the message is called there.
    message_ids: Vec<String>,
}

/// Records what a mail reports of the message that it was sent to the address of, or that an address in it proves. Once this
/// returns, it is kept.
pub async fn receive(app: &App, raw: Bytes, sent_to: Option<BouncedEmail>) -> Result<Outcome, AppError> {
    let Some(bounce) = read_apart(raw).await? else { return Ok(Outcome::NoReport) };
    let proven = |address: &String| read_bounce_address(&app.secret_key, address);
    let Some(BouncedEmail { team, email }) = sent_to.or_else(|| bounce.addresses.iter().find_map(proven)) else {
        return Ok(Outcome::NoMessage);
    };
    Ok(Outcome::Recorded(record_bounce(app, team, email, &bounce.report).await?))
}

/// The same for somebody who may report of their team's messages: these are known by what came back, too. Needs `events:write`.
pub async fn receive_from(app: &App, viewer: &Viewer, raw: Bytes) -> Result<Outcome, AppError> {
    require_reporter(viewer)?;
    let Some(bounce) = read_apart(raw).await? else { return Ok(Outcome::NoReport) };
    let proven = |address: &String| read_bounce_address(&app.secret_key, address);
    let email = match bounce.addresses.iter().find_map(proven) {
        Some(proven) if proven.team == viewer.team => Some(proven.email),
        Some(_) => None,
        None => find_reported(app, viewer, bounce.own_id, &bounce.message_ids).await?,
    };
    let Some(email) = email else { return Ok(Outcome::NoMessage) };
    Ok(Outcome::Recorded(record_bounce(app, viewer.team, email, &bounce.report).await?))
}

/// Reads a mail where that holds nothing else up; `None` where it reports nothing.
async fn read_apart(raw: Bytes) -> Result<Option<Bounce>, AppError> {
    let reading = tokio::task::spawn_blocking(move || read_bounce(&raw));
    // What cannot be read reports nothing.
    Ok(reading.await.map_err(|_| AppError::Internal)?.unwrap_or_default())
}

fn read_bounce(raw: &[u8]) -> Result<Option<Bounce>, Unreadable> {
    let mail = open_mail(raw)?;
    let date = date_of(mail.headers.get("Date"));
    let part = |kinds: &[&str]| mail.attachments.iter().find(|part| kinds.contains(&part.content_type.as_str()));
    let returned = returned_headers(&mail, raw);
    let mut mail_from = None;
    let mut notices = if let Some(part) = part(&["message/feedback-report"]) {
        let read = feedback::read(&part.content(raw), returned.as_ref());
        mail_from = read.mail_from;
        read.notice.into_iter().collect()
    } else if let Some(part) = part(&["message/delivery-status", "message/global-delivery-status"]) {
        delivery_status::read(&part.content(raw))
    } else if part(&["message/disposition-notification", "message/global-disposition-notification"]).is_some() {
        Vec::new()
    } else {
        texts::read(&mail)
    };
    if notices.is_empty() {
        return Ok(None);
    }
    notices.truncate(MAX_NOTICES);
    for notice in &mut notices {
        notice.at = notice.at.or(date);
    }
    let said = TO_HEADERS.iter().flat_map(|name| mail.headers.all(name));
    let of_returned = returned.iter().flat_map(|headers| headers.all("Return-Path"));
    let addresses = said.chain(mail_from.as_deref()).chain(of_returned).flat_map(addresses_in);
    let (own_id, message_ids) = returned.as_ref().map(names_of).unwrap_or_default();
    Ok(Some(Bounce {
        report: BounceReport { identity: identity_of(&mail, raw), notices },
        addresses: addresses.filter(|one| one.len() >= SHORTEST_ADDRESS).take(MAX_ADDRESSES).collect(),
        own_id,
        message_ids,
    }))
}

/// A report's own name; what it says where it has none, without the headers that grow on its way.
fn identity_of(mail: &OpenedMail, raw: &[u8]) -> String {
    match mail.headers.get("Message-ID") {
        Some(id) => id.to_owned(),
        None => hex::encode(Sha256::digest(raw.get(mail.body_start..).unwrap_or_default())),
    }
}

/// The headers of the message that came back, as a part or in the text.
fn returned_headers(mail: &OpenedMail, raw: &[u8]) -> Option<Headers> {
    const KINDS: [&str; 5] =
        ["message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global", "message/global-headers"];
    let first = |bytes: &[u8]| read_header_blocks(bytes, 1).pop();
    let is_message = |part: &&Attached| KINDS.contains(&part.content_type.as_str());
    match mail.attachments.iter().find(is_message) {
        Some(part) => first(&part.content(raw)),
        None => first(texts::returned(mail.text.as_deref()?)?.as_bytes()),
    }
}

/// What the message is called in its own headers.
fn names_of(headers: &Headers) -> (Option<EmailId>, Vec<String>) {
    let message_id = headers.get("Message-ID").map(|id| id.trim().trim_matches(['<', '>']).to_owned());
    let in_message_id = || message_id.as_ref().and_then(|id| id.split_once('@')?.0.parse().ok());
    let own_id = headers.get("X-Sendlog-Id").and_then(|id| id.trim().parse().ok()).or_else(in_message_id);
    (own_id, message_id.filter(|id| !id.is_empty()).into_iter().collect())
}

/// What can be an address in the value of a header.
fn addresses_in(value: &str) -> impl Iterator<Item = String> {
    let is_border = |letter: char| letter.is_whitespace() || matches!(letter, ',' | ';' | '<' | '>' | '"' | '(' | ')');
    value.split(is_border).filter(|word| word.contains('@')).map(str::to_owned)
}

fn date_of(value: Option<&str>) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(value?.trim()).ok().map(|at| at.to_utc())
}

/// A text on one line, `None` for an empty one.
fn line(text: &str) -> Option<String> {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests;

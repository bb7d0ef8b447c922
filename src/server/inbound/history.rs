//! What other systems know of messages that a team sent before: one file a source says how its API is asked and how what it
//! answers, or exports, reads as events; [mod@file] takes a file apart. [runner] works at the imports of all teams. What was read
//! before is known by the ids that the sources give, so that nothing is recorded twice.

mod canary;
pub mod file;
mod jetemail;
mod mailgun;
mod notificationapi;
mod postmark;
mod resend_com;
pub mod runner;
mod sendgrid;
mod sendwithus;
#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use http::{HeaderMap, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Reports;
use crate::domain::history_import::ImportSource;

/// What stands in a path as it is (RFC 3986, "unreserved").
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How an account of a source's is let in.
#[derive(Clone, Copy)]
pub struct Account<'a> {
    /// The address of its API, without a slash at its end.
    pub base: &'a str,
    /// What [ImportSource::account] names; empty where it names nothing.
    pub name: &'a str,
    pub key: &'a str,
}

/// How far an import came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cursor {
    /// The part of the whole time that is read now, from `from` to before `until`. A source narrows it where an answer would
    /// leave something out.
    pub from: DateTime<Utc>,
    pub until: DateTime<Utc>,
    /// Where everything ends. What is sent while an import runs comes by webhooks.
    pub end: DateTime<Utc>,
    /// Where the next page of this part begins, in the source's words; `None` for the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// How many records of that page are recorded.
    #[serde(default)]
    pub done: usize,
}

/// A request to a source. What is secret of its headers is marked so ([http::HeaderValue::is_sensitive]).
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: Method,
    pub url: String,
    pub headers: HeaderMap,
    /// JSON, or nothing.
    pub body: Option<Value>,
}

/// What a page of a source's answer holds.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Always in the same order, however often the page is asked for.
    pub records: Vec<Value>,
    /// What comes after it; `None` where it is the last.
    pub next: Option<Cursor>,
}

/// How a record's whole story is asked for, where a page tells a part of it.
#[derive(Clone, Copy)]
pub struct Detail {
    pub ask: fn(&Account<'_>, &Value) -> Result<Ask, String>,
    /// Puts the answer into the record.
    pub join: fn(&mut Value, Value),
}

/// How a source is asked and read. An error is a sentence for whoever started the import.
#[derive(Clone, Copy)]
pub struct Source {
    /// The request for the page that the cursor is at.
    pub list: fn(&Account<'_>, &Cursor) -> Result<Ask, String>,
    /// Reads the answer to it.
    pub page: fn(Value, &Cursor) -> Result<Page, String>,
    pub detail: Option<Detail>,
    /// What holds the records in an answer of the API, a member's name or a path: `["data", "items"]`; nothing where the
    /// answer is a list itself. A file may hold whole answers.
    pub records_at: &'static [&'static str],
    /// What a record tells: of a page (with its detail), of a file of such, or of a CSV file, whose columns are members by
    /// their names in lower case with `_` between words.
    pub reports: fn(&Value) -> Reports,
}

/// How a source is asked and read.
pub fn source(source: ImportSource) -> Source {
    match source {
        ImportSource::SendGrid => sendgrid::SOURCE,
        ImportSource::Postmark => postmark::SOURCE,
        ImportSource::Mailgun => mailgun::SOURCE,
        ImportSource::ResendCom => resend_com::SOURCE,
        ImportSource::JetEmail => jetemail::SOURCE,
        ImportSource::NotificationApi => notificationapi::SOURCE,
        ImportSource::Sendwithus => sendwithus::SOURCE,
        ImportSource::Canary => canary::SOURCE,
    }
}

impl Cursor {
    /// The beginning of everything between two times.
    pub fn new(from: DateTime<Utc>, end: DateTime<Utc>) -> Self {
        Self { from, until: end, end, page: None, done: 0 }
    }

    /// The same part of the time, at another page.
    pub fn at_page(&self, page: impl Into<String>) -> Self {
        Self { page: Some(page.into()), done: 0, ..self.clone() }
    }

    /// The same beginning, with a part of half the length; `None` where the part is one second and cannot be halved.
    pub fn narrowed(&self) -> Option<Self> {
        let half = (self.until - self.from) / 2;
        let until = self.from + chrono::TimeDelta::seconds(half.num_seconds());
        (until > self.from).then(|| Self { until, page: None, done: 0, ..self.clone() })
    }

    /// The part that follows, twice as long; `None` where this one was the last.
    pub fn following(&self) -> Option<Self> {
        let twice = (self.until - self.from) * 2;
        let until = (self.until + twice).min(self.end);
        (self.until < self.end).then(|| Self { from: self.until, until, page: None, done: 0, ..self.clone() })
    }
}

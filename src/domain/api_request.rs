//! The log of requests to the APIs. Bodies are redacted and capped before they become one of these.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::email::EmailSummary;
use super::filter::TimeRange;
use super::ids::{ApiKeyId, ApiRequestId, TeamId, UserId};
use super::masking::MASK;
pub use super::masking::REDACTED;
use super::visibility::{Reveal, Visibility};

/// The most of a body that is kept, in bytes.
pub const BODY_CAP_BYTES: usize = 64 * 1024;

/// Whether a request only reads. NotificationAPI asks for its log by `POST`.
pub fn only_reads(method: &str, path: &str) -> bool {
    matches!(method, "GET" | "HEAD") || (method == "POST" && path.ends_with("/logs/query"))
}

/// Whether a request only read and got what it asked for: what it was answered is not kept. Such answers would be most of
/// the database, and what they say can be asked for again.
pub fn is_answered_read(method: &str, endpoint: &str, status: i64) -> bool {
    let path = endpoint.split('?').next().unwrap_or_default();
    only_reads(method, path) && (200..300).contains(&status)
}

/// One request to an API, with what was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiRequest {
    /// Its id; messages made by the request carry it.
    pub id: ApiRequestId,
    pub team_id: TeamId,
    pub api_key_id: Option<ApiKeyId>,
    pub user_id: Option<UserId>,
    pub method: String,
    /// Path and query, secrets removed.
    pub endpoint: String,
    pub response_status: i64,
    pub user_agent: Option<String>,
    /// From the first byte of the request to the answer.
    pub duration_ms: i64,
    pub at: DateTime<Utc>,
    pub request_body: LoggedBody,
    pub response_body: LoggedBody,
}

impl ApiRequest {
    /// The same request as a command for a shell, without a key; `None` where its body is not there whole.
    pub fn to_curl(&self, public_url: &str) -> Option<String> {
        let body = &self.request_body;
        if body.truncated || body.is_withheld() || body.is_masked() {
            return None;
        }
        let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
        let url = format!("{}{}", public_url.trim_end_matches('/'), self.endpoint);
        let mut lines =
            vec![format!("curl -X {} {}", self.method, quoted(&url)), "-H 'Authorization: Bearer YOUR_KEY'".to_owned()];
        if let Some(text) = &body.text {
            lines.push("-H 'Content-Type: application/json'".to_owned());
            lines.push(format!("--data-raw {}", quoted(text)));
        }
        Some(lines.join(" \\\n  "))
    }
}

/// A body as it is kept: secrets and the contents of attachments replaced, at most [BODY_CAP_BYTES] long.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedBody {
    /// The text; `None` where there was none or it is not text.
    pub text: Option<String>,
    pub truncated: bool,
}

impl LoggedBody {
    /// Whether a secret in it was replaced.
    pub fn is_redacted(&self) -> bool {
        self.text.as_ref().is_some_and(|text| text.contains(REDACTED))
    }

    /// Whether the viewer may not see it.
    pub fn is_masked(&self) -> bool {
        self.text.as_deref() == Some(MASK)
    }

    /// Whether the whole of it was replaced.
    pub fn is_withheld(&self) -> bool {
        self.text.as_deref() == Some(REDACTED)
    }
}

/// What a request is answered, kept for its repetition to be answered the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    pub status: u16,
    /// The body, JSON.
    pub body: String,
}

/// A request without its bodies: a row of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiRequestSummary {
    pub id: ApiRequestId,
    pub api_key_id: Option<ApiKeyId>,
    pub api_key_name: Option<String>,
    pub method: String,
    /// Path and query, secrets removed.
    pub endpoint: String,
    pub response_status: i64,
    pub user_agent: Option<String>,
    /// From the first byte of the request to the answer.
    pub duration_ms: i64,
    pub at: DateTime<Utc>,
}

/// A request with its bodies and what it made, for its page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiRequestDetail {
    pub request: ApiRequest,
    pub api_key_name: Option<String>,
    /// The messages it made, oldest first.
    pub emails: Vec<EmailSummary>,
    /// What of it the viewer sees; all of this is masked already.
    pub visibility: Visibility,
    /// Whether values of variables that a template marks are masked in its bodies.
    pub masks_marked: bool,
    /// Why the viewer sees its bodies, where they gave a reason.
    pub reveal: Option<Reveal>,
}

/// Which requests to list. The default is all of the team's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApiRequestFilter {
    pub range: TimeRange,
    /// HTTP method, in capitals.
    pub method: Option<String>,
    /// A part of path and query, in any case of letters.
    pub endpoint: Option<String>,
    /// The first digit of the answer's status: 2 for success, 4 for a wrong request, 5 for a fault.
    pub status_class: Option<i64>,
    pub api_key_id: Option<ApiKeyId>,
    /// A part of what the client calls itself, in any case of letters.
    pub user_agent: Option<String>,
    /// The whole address of somebody whom a message is for that the request made.
    pub recipient: Option<String>,
    /// A part of what a request that did not succeed posted or was answered, in any case of letters.
    pub error: Option<String>,
    /// Whether a part of path and query is looked for only where no address can be in them.
    #[serde(skip)]
    pub keeps_addresses: bool,
    /// Whether a part is looked for in the path alone: what stands in the query is not shown.
    #[serde(skip)]
    pub keeps_words: bool,
    /// Names of variables: a body that holds one is not looked into.
    #[serde(skip)]
    pub hidden_names: Vec<String>,
}

/// How many requests are looked at to count those of a list.
pub const COUNTED: i64 = 10_000;

/// How many requests a list has, by what their answers' status begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestCounts {
    /// Of 2xx, 3xx, 4xx and 5xx.
    pub of_class: [i64; 4],
    /// Whether the list goes on behind those that were counted.
    pub goes_on: bool,
}

impl RequestCounts {
    /// How many have a status that begins with this digit.
    pub fn of(&self, digit: i64) -> i64 {
        let place = usize::try_from(digit - 2).ok();
        place.and_then(|place| self.of_class.get(place)).copied().unwrap_or_default()
    }

    pub fn total(&self) -> i64 {
        self.of_class.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_a_command_that_a_shell_reads_as_it_was() {
        let request = |body: LoggedBody| ApiRequest {
            id: ApiRequestId(1),
            team_id: TeamId(1),
            api_key_id: None,
            user_id: None,
            method: "POST".to_owned(),
            endpoint: "/api/v1/send?a=1&b=2".to_owned(),
            response_status: 200,
            user_agent: None,
            duration_ms: 1,
            at: DateTime::UNIX_EPOCH,
            request_body: body,
            response_body: LoggedBody::default(),
        };
        let of = |text: &str, truncated| {
            request(LoggedBody { text: Some(text.to_owned()), truncated }).to_curl("https://mail.example/")
        };
        assert_eq!(
            of(r#"{"subject":"It's $HOME"}"#, false).unwrap(),
            "curl -X POST 'https://mail.example/api/v1/send?a=1&b=2' \\\n  -H 'Authorization: Bearer YOUR_KEY' \\\n  \
             -H 'Content-Type: application/json' \\\n  --data-raw '{\"subject\":\"It'\\''s $HOME\"}'"
        );
        // What is not there whole cannot be sent again.
        for (text, truncated) in [("{", true), (MASK, false), (REDACTED, false)] {
            assert_eq!(of(text, truncated), None, "{text}");
        }
    }
}

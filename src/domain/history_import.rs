//! Imports: what other systems know of the messages that a team sent before it came here, read from their APIs or from files
//! that they export.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ids::ImportId;
use super::named::named;

/// The most imports of a team that are not at their end.
pub const MAX_OPEN: i64 = 20;

/// The largest file that is taken, in bytes.
pub const MAX_FILE_BYTES: usize = 16 * 1024 * 1024;

/// The most records of a file.
pub const MAX_FILE_RECORDS: usize = 200_000;

/// An import, without the key that it reads with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryImport {
    pub id: ImportId,
    pub source: ImportSource,
    pub way: ImportWay,
    pub state: ImportState,
    pub created_at: DateTime<Utc>,
    /// When it came to its end.
    pub ended_at: Option<DateTime<Utc>>,
    /// How many messages, or lines of a file, were read.
    pub read: i64,
    /// How many events were new to the log.
    pub recorded: i64,
    /// How many the log had.
    pub known: i64,
    /// How many could not be used.
    pub unusable: i64,
    /// What is done of the whole, in thousandths.
    pub progress: i64,
    /// What is wrong, or what it waits for; empty where there is nothing to say.
    pub words: String,
    /// When it goes on, where it waits.
    pub waits_until: Option<DateTime<Utc>>,
}

/// Where the history comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportWay {
    /// From the source's API: what was sent from one time to another.
    Pull { from: DateTime<Utc>, until: DateTime<Utc> },
    /// From a file of so many records.
    File { records: i64 },
}

named! {
    /// Whose history it is.
    pub enum ImportSource, "unknown source" {
        SendGrid = "sendgrid" "SendGrid",
        Postmark = "postmark" "Postmark",
        Mailgun = "mailgun" "Mailgun",
        ResendCom = "resend" "Resend",
        JetEmail = "jetemail" "JetEmail",
        NotificationApi = "notificationapi" "NotificationAPI",
        Sendwithus = "sendwithus" "Sendwithus",
        Canary = "canary" "Canary",
    }
}

named! {
    /// How far it came.
    pub enum ImportState, "unknown state" {
        Running = "running" "Running",
        /// The source refused something that a person has to mend; it can be gone on with.
        Stopped = "stopped" "Stopped",
        Done = "done" "Done",
    }
}

/// What a source's API asks for beside its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountField {
    pub label: &'static str,
    pub hint: &'static str,
}

impl ImportSource {
    /// Where its API is, unless somebody says otherwise; `None` where everybody has their own.
    pub const fn base(self) -> Option<&'static str> {
        match self {
            Self::SendGrid => Some("https://api.sendgrid.com"),
            Self::Postmark => Some("https://api.postmarkapp.com"),
            Self::Mailgun => Some("https://api.mailgun.net"),
            Self::ResendCom => Some("https://api.resend.com"),
            Self::JetEmail => Some("https://api.jetemail.com"),
            Self::NotificationApi => Some("https://api.notificationapi.com"),
            Self::Sendwithus => Some("https://api.sendwithus.com/api/v1"),
            Self::Canary => None,
        }
    }

    /// What names the account beside the key.
    pub const fn account(self) -> Option<AccountField> {
        match self {
            Self::Mailgun => Some(AccountField { label: "Domain", hint: "The sending domain, like mg.finch.example" }),
            Self::NotificationApi => Some(AccountField { label: "Client ID", hint: "From Settings, Environments" }),
            Self::SendGrid | Self::Postmark | Self::ResendCom | Self::JetEmail | Self::Sendwithus | Self::Canary => {
                None
            }
        }
    }

    /// What its key is called there, and what the key has to be allowed.
    pub const fn key(self) -> AccountField {
        match self {
            Self::SendGrid => AccountField {
                label: "API key",
                hint: "With the permission Email Activity, Read. SendGrid answers only accounts with the add-on Email Activity history",
            },
            Self::Postmark => AccountField { label: "Server API token", hint: "From the server’s page, API Tokens" },
            Self::Mailgun => AccountField { label: "API key", hint: "A private key, or the domain’s sending key" },
            Self::ResendCom => AccountField { label: "API key", hint: "With full access: a sending key may not read" },
            Self::JetEmail => AccountField { label: "API key", hint: "A transactional key of the account" },
            Self::NotificationApi => AccountField { label: "Client secret", hint: "From Settings, Environments" },
            Self::Sendwithus => AccountField { label: "API key", hint: "From Settings, API Keys" },
            Self::Canary => AccountField { label: "API key", hint: "With the permission logs:view" },
        }
    }

    /// What a file of it is.
    pub const fn file(self) -> &'static str {
        match self {
            Self::SendGrid => "The CSV file of Email Activity, or answers of its Email Activity API",
            Self::Postmark => "The CSV file of Activity, or answers of its Messages API",
            Self::Mailgun => "The CSV or JSON file of Logs, or answers of its Events API",
            Self::ResendCom => "The CSV file of Emails, or answers of its API",
            Self::JetEmail | Self::NotificationApi | Self::Sendwithus | Self::Canary => {
                "Answers of its logs API, or a CSV file with the same names"
            }
        }
    }
}

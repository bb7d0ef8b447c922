//! The messages that the adapters' tests send.

use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::{Attempt, OutMessage, OutRequest, RecipientOutcome};
use crate::domain::channel::Channel;
use crate::domain::email::Attachment;
use crate::domain::email::Recipient;
use crate::domain::email::RecipientKind;
use crate::domain::mailbox::Mailbox;

/// What a message borrows.
pub struct Parts {
    pub from: Mailbox,
    pub reply_to: Vec<Mailbox>,
    pub recipients: Vec<Recipient>,
    pub pending: Vec<String>,
    pub subject: String,
    pub text: Option<String>,
    pub html: Option<String>,
    pub attachments: Vec<Attachment>,
    pub headers: Vec<(String, String)>,
    pub tags: Vec<String>,
    pub metadata: Value,
    pub mime: Option<Vec<u8>>,
    pub channel: Channel,
}

pub const ID: &str = "eml_06xq3k9v2m4p8";

pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_265_892, 0).unwrap()
}

pub fn mailbox(name: Option<&str>, address: &str) -> Mailbox {
    Mailbox { name: name.map(str::to_owned), address: address.to_owned() }
}

pub fn recipient(kind: RecipientKind, name: Option<&str>, address: &str) -> Recipient {
    Recipient { kind, address: address.to_owned(), name: name.map(str::to_owned) }
}

impl Parts {
    /// A mail with everything that a mail can have.
    pub fn full() -> Self {
        let recipients = vec![
            recipient(RecipientKind::To, Some("Zoë Ünal"), "zoe@bücher.example"),
            recipient(RecipientKind::To, None, "ada@finch.example"),
            recipient(RecipientKind::Cc, Some("King, Bob"), "bob@finch.example"),
            recipient(RecipientKind::Bcc, None, "hidden@finch.example"),
        ];
        Self {
            from: mailbox(Some("Finch"), "receipts@finch.example"),
            reply_to: vec![mailbox(Some("Help"), "help@finch.example")],
            pending: recipients.iter().map(|recipient| recipient.address.clone()).collect(),
            recipients,
            subject: "Ihre Quittung für März ✓".to_owned(),
            text: Some("Grüße {{name}}".to_owned()),
            html: Some("<p>Grüße <img src=\"cid:logo\"></p>".to_owned()),
            attachments: vec![
                Attachment {
                    filename: "Übersicht \"1\".pdf".to_owned(),
                    content_type: "application/pdf".to_owned(),
                    content: vec![0, 255, 13, 10],
                    content_id: None,
                },
                Attachment {
                    filename: "logo.png".to_owned(),
                    content_type: "image/png".to_owned(),
                    content: b"png".to_vec(),
                    content_id: Some("logo".to_owned()),
                },
            ],
            headers: vec![
                ("List-Unsubscribe".to_owned(), "<https://finch.example/u/1>".to_owned()),
                ("Message-ID".to_owned(), "<own@finch.example>".to_owned()),
                ("bcc".to_owned(), "eve@finch.example".to_owned()),
            ],
            tags: vec!["receipt".to_owned(), "march 24".to_owned(), "receipt".to_owned()],
            metadata: json!({"order": 17, "paid": true, "note": null, "who": "Ada & Co", "sendlog_id": "evil"}),
            mime: None,
            channel: Channel::Email,
        }
    }

    /// A mail to one recipient, with a text only.
    pub fn small() -> Self {
        let recipients = vec![recipient(RecipientKind::To, None, "ada@finch.example")];
        Self {
            from: mailbox(None, "receipts@finch.example"),
            reply_to: Vec::new(),
            pending: vec!["ada@finch.example".to_owned()],
            recipients,
            subject: "Hello".to_owned(),
            text: Some("Hello".to_owned()),
            html: None,
            attachments: Vec::new(),
            headers: Vec::new(),
            tags: Vec::new(),
            metadata: json!({}),
            mime: None,
            channel: Channel::Email,
        }
    }

    /// A text message, or what a call reads out.
    pub fn spoken(channel: Channel) -> Self {
        Self {
            from: mailbox(None, "+15550100001"),
            recipients: vec![recipient(RecipientKind::To, None, "+1 (555) 010-0002")],
            pending: vec!["+1 (555) 010-0002".to_owned()],
            text: Some("Your code is 42 & <valid>".to_owned()),
            channel,
            ..Self::small()
        }
    }

    pub fn message(&self) -> OutMessage<'_> {
        OutMessage {
            id: ID,
            channel: self.channel,
            from: self.from.clone(),
            reply_to: &self.reply_to,
            recipients: &self.recipients,
            pending: &self.pending,
            subject: &self.subject,
            text: self.text.as_deref(),
            html: self.html.as_deref(),
            attachments: &self.attachments,
            headers: &self.headers,
            tags: &self.tags,
            metadata: &self.metadata,
            mime: self.mime.as_deref(),
            now: now(),
        }
    }
}

/// The JSON that a request carries.
pub fn json_of(request: &OutRequest) -> Value {
    assert_eq!(request.headers["content-type"], "application/json");
    serde_json::from_slice(&request.body).unwrap()
}

/// The form that a request carries.
pub fn form_of(request: &OutRequest) -> Vec<(String, String)> {
    assert_eq!(request.headers["content-type"], "application/x-www-form-urlencoded");
    form_urlencoded::parse(&request.body).into_owned().collect()
}

pub fn pending(addresses: &[&str]) -> Vec<String> {
    addresses.iter().map(|address| (*address).to_owned()).collect()
}

pub fn headers(entries: &[(&str, &str)]) -> HeaderMap {
    let parsed = |(name, value): &(&str, &str)| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
    };
    entries.iter().map(parsed).collect()
}

/// What the outcomes are called, in their order.
pub fn kinds(sent: &Attempt) -> Vec<&'static str> {
    let kind = |outcome: &RecipientOutcome| match outcome {
        RecipientOutcome::Accepted { .. } => "accepted",
        RecipientOutcome::Deferred { .. } => "deferred",
        RecipientOutcome::Unreachable { .. } => "unreachable",
        RecipientOutcome::Refused { .. } => "refused",
        RecipientOutcome::Failed { .. } => "failed",
        RecipientOutcome::Dropped { .. } => "dropped",
        RecipientOutcome::Unknown { .. } => "unknown",
    };
    sent.recipients.iter().map(|(_, outcome)| kind(outcome)).collect()
}

/// What the first outcome tells.
pub fn words(sent: &Attempt) -> &str {
    match &sent.recipients[0].1 {
        RecipientOutcome::Accepted { reply }
        | RecipientOutcome::Deferred { reply }
        | RecipientOutcome::Refused { reply } => reply,
        RecipientOutcome::Unreachable { reason }
        | RecipientOutcome::Failed { reason }
        | RecipientOutcome::Dropped { reason }
        | RecipientOutcome::Unknown { reason } => reason,
    }
}

type Reader = fn(u16, &HeaderMap, &[u8], &[String]) -> Attempt;

/// Every adapter must live through these: each status with bodies that no document knows.
pub fn survives_hostile_answers(answer: Reader) {
    let deep = "[".repeat(200_000);
    let huge = format!("{{\"message\":\"{}\"}}", "ü".repeat(300_000));
    let many = format!("{{\"errors\":[{}0]}}", "{\"message\":1,\"field\":[]},".repeat(5_000));
    let bodies: Vec<&[u8]> = vec![
        b"",
        b"{",
        b"null",
        b"[]",
        b"[null,1]",
        b"\"text\"",
        b"\xff\xfe\x00",
        b"<html><body>proxy</body></html>",
        br#"{"errors":{},"message":[],"Message":7,"ErrorCode":{},"Messages":[null],"results":[],"code":null,"id":{}}"#,
        br#"{"errors":[null,1,"x",{"message":{},"field":7}],"Messages":{"0":{"To":1}},"results":{"id":[]}}"#,
        br#"{"Messages":[{"Status":7,"To":[null,{"Email":1,"MessageID":{}}],"Errors":[1,{"ErrorRelatedTo":"x"}]}]}"#,
        br#"{"results":{"total_accepted_recipients":-1,"total_rejected_recipients":"99999999999999999999","id":""}}"#,
        br#"{"invalid_parameters":"to","title":{},"type":[],"detail":null,"uuid":false,"sid":[],"code":1e400}"#,
    ];
    let large: Vec<&[u8]> = vec![deep.as_bytes(), huge.as_bytes(), many.as_bytes()];
    let odd = headers(&[
        ("retry-after", "-5"),
        ("x-ratelimit-reset", "99999999999999999999"),
        ("ratelimit-reset", "NaN"),
        ("x-sib-ratelimit-reset", "1e300"),
        ("x-amzn-errortype", "#:::#"),
        ("x-message-id", ""),
        ("date", "yesterday"),
    ]);
    for pending in [pending(&[]), pending(&["ada@finch.example"]), pending(&["a@finch.example", "no address"])] {
        for status in [0, 100, 199, 200, 202, 299, 301, 400, 401, 402, 403, 404, 409, 413, 420, 422, 429, 500, 503, 999]
        {
            let large = large.iter().filter(|_| matches!(status, 200 | 400));
            for body in bodies.iter().chain(large) {
                for headers in [&odd, &HeaderMap::new()] {
                    let sent = answer(status, headers, body, &pending);
                    assert_eq!(sent.recipients.len(), pending.len(), "{status}");
                    for (_, outcome) in &sent.recipients {
                        let shown = format!("{outcome:?}");
                        assert!(shown.chars().count() < 400 && !shown.contains("\\n"), "{status} {shown}");
                    }
                    let is_taken = kinds(&sent).contains(&"accepted");
                    assert!(!is_taken || (200..=299).contains(&status), "{status}");
                    let is_page = body.starts_with(b"<html");
                    let has_id = sent.provider_message_id.is_some();
                    assert!(!(is_taken && is_page) || has_id, "a web page took it: {status}");
                    assert!(sent.retry_after.is_none_or(|pause| pause.as_secs() <= 24 * 3600));
                }
            }
        }
    }
}

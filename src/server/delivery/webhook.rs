//! One post to a webhook: what it is signed with, and what came back. Called by [crate::server::services::webhooks].
//! Sources: Standard Webhooks, specification, "Signature scheme"; Svix, "Verifying payloads manually", for the names of the
//! headers that Resend's receivers read; JetEmail, "Webhooks: Security & Verification".

use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use ring::hmac;

use super::http::{Answer, HttpSender, HttpSettings, retry_after};
use crate::domain::ids::EventId;
use crate::domain::webhook::WebhookShape;
use crate::server::outbound::Outbound;

/// What a secret begins with.
const SECRET_PREFIX: &str = "whsec_";
const SECRET_BYTES: usize = 32;

/// How long a post may take, from connecting to the end of the answer.
const TIMEOUT: Duration = Duration::from_secs(15);

/// How much of an answer is read, in bytes.
const ANSWER_BYTES: usize = 4 * 1024;

/// Posts to webhooks and keeps connections for the next posts.
pub struct WebhookPoster(HttpSender);

/// What is posted.
#[derive(Clone, Copy, Debug)]
pub struct WebhookPost<'a> {
    pub url: &'a str,
    pub shape: WebhookShape,
    /// What it is signed with, the newest first.
    pub secrets: &'a [&'a str],
    /// The same on every try.
    pub id: EventId,
    pub at: DateTime<Utc>,
    pub body: &'a str,
}

/// What came of a post.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    /// The status; `None` where there was no answer.
    pub status: Option<u16>,
    /// The beginning of the answer, or why there was none.
    pub answer: String,
    /// How long the receiver asks to be left alone.
    pub retry_after: Option<Duration>,
    pub duration_ms: i64,
}

/// A fresh secret, as receivers are given it: `whsec_` and base64.
pub fn new_secret() -> String {
    let bytes: [u8; SECRET_BYTES] = rand::random();
    format!("{SECRET_PREFIX}{}", STANDARD.encode(bytes))
}

/// How posts are made where `outbound` lets them go.
pub fn settings(outbound: Outbound) -> HttpSettings {
    HttpSettings { timeout: TIMEOUT, answer_bytes: ANSWER_BYTES, outbound, ..HttpSettings::default() }
}

impl WebhookPoster {
    /// A poster without connections.
    pub fn new(settings: HttpSettings) -> Self {
        Self(HttpSender::new(settings))
    }

    /// Posts once and tells what came of it.
    pub async fn post(&self, post: &WebhookPost<'_>) -> Posted {
        let began = Instant::now();
        let outcome = self.exchange(post).await;
        let duration_ms = i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX);
        match outcome {
            Ok(answer) => Posted {
                status: Some(answer.status.as_u16()),
                retry_after: retry_after(&answer.headers),
                answer: String::from_utf8_lossy(&answer.body).replace('\0', "\u{fffd}"),
                duration_ms,
            },
            Err(reason) => Posted { status: None, retry_after: None, answer: reason, duration_ms },
        }
    }

    async fn exchange(&self, post: &WebhookPost<'_>) -> Result<Answer, String> {
        let url = url::Url::parse(post.url).map_err(|cause| format!("The address cannot be read: {cause}"))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let headers = signed_headers(post);
        let body = post.body.to_owned();
        let make = |client: &reqwest::Client| {
            client.post(url).headers(headers).header(CONTENT_TYPE, "application/json").body(body)
        };
        self.0.exchange(&host, make).await.map_err(|none| none.reason)
    }
}

/// The headers by which a receiver knows who posted, when, and what.
pub fn signed_headers(post: &WebhookPost<'_>) -> HeaderMap {
    let (id, seconds) = (post.id.to_string(), post.at.timestamp().to_string());
    let content = format!("{id}.{seconds}.{}", post.body);
    let signatures: Vec<String> = post.secrets.iter().filter_map(|secret| signature(secret, &content)).collect();
    let signatures = signatures.join(" ");
    let mut headers = vec![
        ("webhook-id", id.clone()),
        ("webhook-timestamp", seconds.clone()),
        ("webhook-signature", signatures.clone()),
    ];
    match post.shape {
        WebhookShape::Sendlog => {}
        WebhookShape::ResendCom => {
            headers.extend([("svix-id", id), ("svix-timestamp", seconds), ("svix-signature", signatures)]);
        }
        WebhookShape::JetEmail => {
            let secret = post.secrets.first().copied().unwrap_or_default();
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            let signature = hex::encode(hmac::sign(&key, post.body.as_bytes()));
            headers.extend([
                ("x-webhook-id", id),
                ("x-webhook-timestamp", post.at.to_rfc3339_opts(SecondsFormat::Secs, true)),
                ("x-webhook-signature", format!("sha256={signature}")),
            ]);
        }
    }
    let header = |(name, value): (&'static str, String)| {
        Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?))
    };
    headers.into_iter().filter_map(header).collect()
}

/// `v1,` and base64; `None` for what is no secret.
fn signature(secret: &str, content: &str) -> Option<String> {
    let key = STANDARD.decode(secret.strip_prefix(SECRET_PREFIX)?).ok()?;
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), content.as_bytes());
    Some(format!("v1,{}", STANDARD.encode(tag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: Standard Webhooks, the example of its specification.
    #[test]
    fn a_signature_is_that_of_the_specification() {
        let content = r#"msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}"#;
        let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let signed = signature(secret, content);
        assert_eq!(signed.as_deref(), Some("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="));
    }

    #[test]
    fn secrets_are_never_the_same() {
        assert!(new_secret().starts_with(SECRET_PREFIX));
        assert_ne!(new_secret(), new_secret());
    }
}

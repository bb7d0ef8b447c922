//! What providers post to a team's addresses: one file a provider checks that the provider made it and reads the news in
//! it, and nothing else. Called by [super::web]'s `/hooks/…`. What is forged, stale, posted before or unreadable is refused
//! and counted, and nothing of it is kept; what is genuine is recorded in one transaction before the provider hears that
//! it was taken.

pub mod bounce;
mod brevo;
mod credentials;
pub mod history;
mod jetemail;
pub mod maildir;
mod mailgun;
mod mailjet;
mod postmark;
mod reading;
mod resend_com;
mod sendgrid;
mod ses;
mod sns;
mod sparkpost;
mod standard_webhooks;
#[cfg(test)]
mod testing;
mod twilio;
mod vonage;

use axum::http::HeaderMap;
use chrono::{DateTime, Utc};

use rustls_pki_types::TrustAnchor;
use tracing::info;

use crate::domain::error::AppError;
use crate::domain::provider_webhook::{RefusalReason, WebhookProvider};
use crate::server::App;
use crate::server::amazon::Amazon;
use crate::server::services::events::EventReport;
use crate::server::services::provider_webhooks::{self, PostedTo};

/// What one post may hold, in bytes.
pub const MAX_BODY_BYTES: usize = 5 * 1024 * 1024;

/// What somebody posted to a team's address.
#[derive(Clone, Copy, Debug)]
pub struct Posted<'a> {
    pub headers: &'a HeaderMap,
    /// The whole address that the provider was given, with its query string: some sign it.
    pub url: &'a str,
    pub body: &'a [u8],
    pub now: DateTime<Utc>,
}

/// A post that its provider made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Genuine {
    /// What is never used twice by an honest sender; a second post with it is refused as a replay. `None` where the
    /// provider signs nothing of the kind.
    nonce: Option<String>,
}

/// Why a post is not taken. Nothing of it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Refusal {
    /// It carries no signature or no log-in.
    Unsigned,
    /// Its signature or log-in is not the provider's, or is not for this body.
    Forged,
    /// It was made too long ago, or in the future.
    Stale,
    /// It is not what the provider's documents say. The words are for the team: what is wrong, without values of the body.
    Unreadable(String),
}

/// What of a post's several reports was read, in their order. One that cannot be read spoils no other: the words say what
/// is wrong with it. What is no news of a message (a list subscription, a test ping) is left out.
type Reports = Vec<Result<EventReport, String>>;

/// What became of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// What was new of it is recorded.
    Taken,
    /// It was posted before: nothing was done.
    Repeated,
    Refused(RefusalReason),
}

/// Takes what was posted to `/hooks/{provider}/{token}`; `path` is the path and the query as they were asked for.
/// [AppError::NotFound] where there is no such address.
pub async fn receive(
    app: &App,
    (provider, token): (&str, &str),
    headers: &HeaderMap,
    path: &str,
    body: &[u8],
) -> Result<Received, AppError> {
    let webhook = provider_webhooks::find_posted_to(app, provider, token).await?;
    let refuse = |reason, words: &str| {
        provider_webhooks::refuse(app, &webhook, reason, words);
        Ok(Received::Refused(reason))
    };
    if webhook.secret.is_empty() {
        return refuse(RefusalReason::NotSetUp, "");
    }
    let url = format!("{}{path}", app.config.public_url().trim_end_matches('/'));
    let posted = Posted { headers, url: &url, body, now: app.clock.now() };
    match verify_and_read(&app.amazon, &webhook, &posted).await? {
        Ok((Genuine { nonce }, reports)) => {
            match provider_webhooks::record(app, &webhook, nonce.as_deref(), reports).await? {
                true => Ok(Received::Taken),
                false => Ok(Received::Repeated),
            }
        }
        Err(Refusal::Unsigned) => refuse(RefusalReason::Unsigned, ""),
        Err(Refusal::Forged) => refuse(RefusalReason::Forged, ""),
        Err(Refusal::Stale) => refuse(RefusalReason::Stale, ""),
        Err(Refusal::Unreadable(words)) => refuse(RefusalReason::Unreadable, &words),
    }
}

/// Counts a post to this address that is too large to be read.
pub async fn refuse_large(app: &App, (provider, token): (&str, &str)) -> Result<(), AppError> {
    let webhook = provider_webhooks::find_posted_to(app, provider, token).await?;
    provider_webhooks::refuse(app, &webhook, RefusalReason::TooLarge, "");
    Ok(())
}

async fn verify_and_read(
    amazon: &Amazon,
    webhook: &PostedTo,
    posted: &Posted<'_>,
) -> Result<Result<(Genuine, Reports), Refusal>, AppError> {
    type Verify = fn(&Posted<'_>, &str) -> Result<Genuine, Refusal>;
    type Read = fn(&Posted<'_>) -> Result<Reports, Refusal>;
    let (verify, read): (Verify, Read) = match webhook.provider {
        WebhookProvider::SendGrid => (sendgrid::verify, sendgrid::read),
        WebhookProvider::Postmark => (postmark::verify, postmark::read),
        WebhookProvider::Mailgun => (mailgun::verify, mailgun::read),
        WebhookProvider::ResendCom => (resend_com::verify, resend_com::read),
        WebhookProvider::Brevo => (brevo::verify, brevo::read),
        WebhookProvider::Mailjet => (mailjet::verify, mailjet::read),
        WebhookProvider::SparkPost => (sparkpost::verify, sparkpost::read),
        WebhookProvider::JetEmail => (jetemail::verify, jetemail::read),
        WebhookProvider::Twilio => (twilio::verify, twilio::read),
        WebhookProvider::Vonage => (vonage::verify, vonage::read),
        WebhookProvider::AmazonSes => return verify_and_read_amazon(amazon, posted, &webhook.secret).await,
    };
    Ok(verify(posted, &webhook.secret).and_then(|genuine| Ok((genuine, read(posted)?))))
}

/// Proves by Amazon's certificate, reads, and confirms the subscription of an allowed topic. [AppError::Unavailable] where
/// Amazon cannot be asked: it posts again then.
async fn verify_and_read_amazon(
    amazon: &Amazon,
    posted: &Posted<'_>,
    topics: &str,
) -> Result<Result<(Genuine, Reports), Refusal>, AppError> {
    let envelope = match sns::envelope(posted, topics) {
        Ok(envelope) => envelope,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let Some(chain) = amazon.chain(sns::certificate_url(&envelope)).await? else { return Ok(Err(Refusal::Forged)) };
    let roots: Vec<TrustAnchor<'_>> =
        amazon.roots().await?.iter().filter_map(|root| webpki::anchor_from_trusted_cert(root).ok()).collect();
    let genuine = match sns::check(&envelope, &chain, &roots, posted.now) {
        Ok(genuine) => genuine,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if let Some(url) = sns::confirmation_url(&envelope) {
        amazon.confirm(url).await?;
        info!("confirmed the subscription of an allowed Amazon SNS topic");
    }
    Ok(ses::read(&envelope).map(|reports| (genuine, reports)))
}

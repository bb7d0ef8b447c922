//! The adapters of providers: what a message becomes as a request of theirs, and what their answer says became of it; one
//! file a provider, which is pure. [ProviderSender] makes the requests; [super::worker] calls it, and so do the services
//! for a test message.

mod account;
mod amazon;
mod answer;
mod brevo;
mod connect;
#[cfg(test)]
mod fixtures;
mod jetemail;
mod mailgun;
mod mailjet;
mod message;
mod postmark;
mod recipients;
mod request;
mod resend_com;
mod send;
mod sendgrid;
mod ses;
mod sparkpost;
mod twilio;
mod vonage;

use std::fmt;

use http::{HeaderMap, Method};

use self::account::Account;
use self::answer::{Answer, clock_pause, id_of, seconds_pause, text_of, without_addresses};
pub use self::connect::{AmazonAccount, CONFIGURATION_SET, HookAddress, connect};
use self::message::{OutMessage, encoded_words, plain_tags, within_bytes};
use self::recipients::{Grouped, batches};
use self::request::{base64, basic, bearer, form_request, json_request, post, secret_value, segment, url};
pub use self::send::{PER_SECOND, ProviderRoute, ProviderSender};
use super::smtp::{Attempt, RecipientOutcome};
use crate::domain::adapter::AdapterKind;

/// What the message's id is called at the providers, whose webhooks bring it back.
const ID_NAME: &str = "sendlog_id";

/// A request to a provider. What is secret of its headers is marked so ([http::HeaderValue::is_sensitive]).
#[derive(Clone, PartialEq, Eq)]
pub struct OutRequest {
    pub method: Method,
    pub url: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// What a provider takes at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many recipients a request has.
    pub recipients: usize,
    /// How large a request is, with everything.
    pub bytes: usize,
    /// How many requests an account makes a second, where the provider's documents say.
    pub requests_per_second: Option<u32>,
}

/// How a provider is spoken to.
#[derive(Clone, Copy)]
pub struct Provider {
    request: fn(&Account<'_>, &OutMessage<'_>) -> Result<OutRequest, String>,
    answer: fn(u16, &HeaderMap, &[u8], &[String]) -> Attempt,
    /// Whether a repeated request sends nothing twice.
    pub is_idempotent: bool,
    limits: Limits,
}

/// How the provider of this kind is spoken to; `None` for a kind that is no provider.
pub fn provider(kind: AdapterKind) -> Option<Provider> {
    Some(match kind {
        AdapterKind::Smtp | AdapterKind::Http => return None,
        AdapterKind::SendGrid => sendgrid::PROVIDER,
        AdapterKind::Postmark => postmark::PROVIDER,
        AdapterKind::Mailgun => mailgun::PROVIDER,
        AdapterKind::AmazonSes => ses::PROVIDER,
        AdapterKind::ResendCom => resend_com::PROVIDER,
        AdapterKind::Brevo => brevo::PROVIDER,
        AdapterKind::Mailjet => mailjet::PROVIDER,
        AdapterKind::SparkPost => sparkpost::PROVIDER,
        AdapterKind::JetEmail => jetemail::PROVIDER,
        AdapterKind::Twilio => twilio::PROVIDER,
        AdapterKind::Vonage => vonage::PROVIDER,
    })
}

impl fmt::Debug for OutRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A header's `Debug` leaves out what is marked as secret; a body can hold a recipient.
        let mut shown = f.debug_struct("OutRequest");
        shown.field("method", &self.method).field("url", &self.url).field("headers", &self.headers);
        shown.field("bytes", &self.body.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

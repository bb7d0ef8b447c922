//! Addresses that a team's providers post to, so that the log learns what became of messages after they were handed over.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::adapter::AdapterKind;
use super::ids::WebhookId;
use super::named::named;

/// An address that a provider posts to, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderWebhook {
    pub id: WebhookId,
    pub provider: WebhookProvider,
    pub name: String,
    /// Whether what its provider signs by is known. Until then everything is refused.
    pub has_secret: bool,
    pub created_at: DateTime<Utc>,
    /// When the provider last posted something that was taken.
    pub heard_at: Option<DateTime<Utc>>,
    /// How many events were recorded.
    pub recorded: i64,
    /// What was refused, the most recent first.
    pub refusals: Vec<Refused>,
}

/// How often something was refused for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    pub reason: RefusalReason,
    pub times: i64,
    pub last_at: DateTime<Utc>,
    /// What was wrong with the last one, where there is more to say than the reason; empty where not.
    pub words: String,
}

named! {
    /// Who posts.
    pub enum WebhookProvider, "unknown provider" {
        SendGrid = "sendgrid" "SendGrid",
        Postmark = "postmark" "Postmark",
        Mailgun = "mailgun" "Mailgun",
        AmazonSes = "ses" "Amazon SES",
        ResendCom = "resend" "Resend",
        Brevo = "brevo" "Brevo",
        Mailjet = "mailjet" "Mailjet",
        SparkPost = "sparkpost" "SparkPost",
        JetEmail = "jetemail" "JetEmail",
        Twilio = "twilio" "Twilio",
        Vonage = "vonage" "Vonage",
    }
}

named! {
    /// Why something is refused.
    pub enum RefusalReason, "unknown reason" {
        /// Nobody has said yet by what the provider signs.
        NotSetUp = "not_set_up" "The secret is not set yet",
        Unsigned = "unsigned" "Not signed",
        /// The signature or the log-in is not the provider's, or is not for what was posted.
        Forged = "forged" "Wrong signature",
        /// Made too long ago, or in the future.
        Stale = "stale" "Too old",
        Replayed = "replayed" "Posted before",
        Unreadable = "unreadable" "Cannot be read",
        TooLarge = "too_large" "Too large",
        /// One event of several. The others are taken.
        BadEvent = "bad_event" "An event that cannot be read",
        /// One event of several, about a message that is not in the log and that it does not say enough to start.
        UnknownMessage = "unknown_message" "An event about no known message",
    }
}

/// Where a provider's secret comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// Sendlog makes user and password up, and they are in the address.
    InAddress,
    /// The provider shows it, under this name.
    Theirs(&'static str),
}

impl WebhookProvider {
    /// Where its secret comes from.
    pub const fn secret_source(self) -> SecretSource {
        match self {
            Self::SendGrid => SecretSource::Theirs("Verification key"),
            Self::Mailgun => SecretSource::Theirs("HTTP webhook signing key"),
            Self::AmazonSes => SecretSource::Theirs("Topic ARN"),
            Self::ResendCom | Self::JetEmail => SecretSource::Theirs("Signing secret"),
            Self::Twilio => SecretSource::Theirs("Auth token"),
            Self::Vonage => SecretSource::Theirs("Signature secret"),
            Self::Postmark | Self::Brevo | Self::Mailjet | Self::SparkPost => SecretSource::InAddress,
        }
    }

    /// The kind of the adapters that send by it.
    pub fn adapter_kind(self) -> Option<AdapterKind> {
        self.as_str().parse().ok()
    }

    /// Whether it sets the address up when it is asked with an adapter's key.
    pub const fn can_be_asked(self) -> bool {
        match self {
            Self::SendGrid
            | Self::Postmark
            | Self::Mailgun
            | Self::ResendCom
            | Self::Brevo
            | Self::Mailjet
            | Self::SparkPost
            | Self::AmazonSes
            | Self::Twilio
            | Self::Vonage => true,
            // Its webhooks are managed with a key of the account, and the adapter has one for sending.
            Self::JetEmail => false,
        }
    }

    /// What is wrong with a line of a secret, where its form shows that it is something else.
    pub fn wrong_secret(self, line: &str) -> Option<&'static str> {
        match self {
            Self::AmazonSes if !line.starts_with("arn:") => {
                Some("A topic ARN looks like arn:aws:sns:eu-west-1:123456789012:name")
            }
            Self::ResendCom if !line.starts_with("whsec_") => Some("The signing secret begins with whsec_"),
            Self::SendGrid if line.len() < 80 || line.contains(char::is_whitespace) => {
                Some("The verification key is one line of some 120 letters that begins with MF")
            }
            _ => None,
        }
    }

    /// How the address is set up at the provider, a step each.
    pub const fn steps(self) -> &'static [&'static str] {
        match self {
            Self::SendGrid => &[
                "In SendGrid, open Settings, Mail Settings, Event Webhooks, and create a webhook.",
                "Paste the address as the Post URL, and choose the events that you want to see.",
                "Enable Signed Event Webhook, save, and copy the verification key from there.",
            ],
            Self::Postmark => &[
                "In Postmark, open the server and its message stream, Webhooks, and add a webhook.",
                "Paste the address as the webhook URL: user and password are in it.",
                "Choose Delivery, Bounce, Spam complaint, Open, Link click and Subscription change, and save.",
            ],
            Self::Mailgun => &[
                "In Mailgun, open Send, Sending, Webhooks, and choose the domain.",
                "Add the address for each type of event that you want to see.",
                "Copy the HTTP webhook signing key from the same page.",
            ],
            Self::AmazonSes => &[
                "In Amazon SNS, create a standard topic with signature version 2, and copy its ARN into the field here.",
                "In Amazon SES, add the topic as an event destination of your configuration set.",
                "In SNS, create an HTTPS subscription of the topic with the address. Sendlog confirms it by itself.",
            ],
            Self::ResendCom => &[
                "In Resend, open Webhooks and add a webhook with the address.",
                "Choose the email events that you want to see, and save.",
                "Copy the signing secret, which begins with whsec_.",
            ],
            Self::Brevo => &[
                "In Brevo, open Transactional, Settings, Webhook, and add a webhook.",
                "Paste the address as the URL: user and password are in it.",
                "Choose the events that you want to see, and save.",
            ],
            Self::Mailjet => &[
                "In Mailjet, open Account settings, Event notifications (webhooks).",
                "Paste the address for each event that you want to see: user and password are in it.",
            ],
            Self::SparkPost => &[
                "In SparkPost, open Configuration, Webhooks, and create a webhook with the address as its target.",
                "Choose Basic Auth, with the user and the password that stand before the @ in the address.",
                "Choose the message, engagement and unsubscribe events, and save.",
            ],
            Self::JetEmail => &[
                "In JetEmail, open Webhooks and add a webhook with the address.",
                "Choose the events that you want to see, save, and copy the signing secret.",
            ],
            Self::Twilio => &[
                "In Twilio, open the messaging service, Integration, and set the address as the delivery status callback.",
                "Copy the auth token of the account from the console's first page.",
            ],
            Self::Vonage => &[
                "In Vonage, open the application and set the address as the status URL of messages and the event URL of voice.",
                "Copy the signature secret from the account's settings.",
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_reads_back_and_says_how_it_is_set_up() {
        for provider in WebhookProvider::ALL {
            assert_eq!(provider.as_str().parse(), Ok(provider));
            assert!(provider.steps().len() > 1, "{provider:?}");
            assert_eq!(provider.adapter_kind().map(AdapterKind::label), Some(provider.label()));
        }
    }
}

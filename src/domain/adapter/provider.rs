//! What the form of a provider's adapter asks for, in the provider's own words. The address and the log-in are kept as those
//! of a web address are; a setting beside them stands in the address's query.
//! Sources: the providers' documents of their APIs, as each file of `server/delivery/providers` names them.

use super::AdapterKind;

/// What an adapter of a provider is set up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProviderForm {
    /// The API's usual address.
    pub address: &'static str,
    /// What is said of other addresses.
    pub address_hint: &'static str,
    /// What the provider calls the half of the log-in that is no secret; `None` where the key is all of it.
    pub user: Option<&'static str>,
    /// What the provider calls the secret.
    pub key: &'static str,
    /// Where the secret is found.
    pub key_hint: &'static str,
    pub setting: Option<Setting>,
}

/// A setting that an address holds in its query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its parameter.
    pub name: &'static str,
    pub label: &'static str,
    pub hint: &'static str,
}

impl AdapterKind {
    /// What the form asks for; `None` for what is no provider.
    pub const fn provider_form(self) -> Option<ProviderForm> {
        const STATUS_CALLBACK: Setting = Setting {
            name: "statusCallback",
            label: "Report to",
            hint: "The address of a provider webhook of this team: delivery reports come back by it.",
        };
        Some(match self {
            Self::Smtp | Self::Http => return None,
            Self::SendGrid => ProviderForm {
                address: "https://api.sendgrid.com",
                address_hint: "For a subuser in the European Union: https://api.eu.sendgrid.com",
                user: None,
                key: "API key",
                key_hint: "In SendGrid, Settings, API Keys. Mail Send is the only access it needs.",
                setting: None,
            },
            Self::Postmark => ProviderForm {
                address: "https://api.postmarkapp.com",
                address_hint: "The same for every account.",
                user: None,
                key: "Server API token",
                key_hint: "In Postmark, the server, API Tokens.",
                setting: Some(Setting {
                    name: "messageStream",
                    label: "Message stream",
                    hint: "Leave it empty for Postmark’s own, outbound.",
                }),
            },
            Self::Mailgun => ProviderForm {
                address: "https://api.mailgun.net",
                address_hint: "In the European Union: https://api.eu.mailgun.net. Mailgun sends for the domain of the sender; for another one, end the address with /v3/ and that domain.",
                user: None,
                key: "Sending key",
                key_hint: "In Mailgun, the domain, Sending keys; or an API key of the account.",
                setting: None,
            },
            Self::AmazonSes => ProviderForm {
                address: "https://email.eu-central-1.amazonaws.com",
                address_hint: "Write your region in place of eu-central-1.",
                user: Some("Access key ID"),
                key: "Secret access key",
                key_hint: "Of an IAM user that may call ses:SendEmail.",
                setting: Some(Setting {
                    name: "configurationSet",
                    label: "Configuration set",
                    hint: "It publishes the events that come back. Leave it empty to use the identity’s own.",
                }),
            },
            Self::ResendCom => ProviderForm {
                address: "https://api.resend.com",
                address_hint: "The same for every account.",
                user: None,
                key: "API key",
                key_hint: "In Resend, API Keys. Sending access is enough.",
                setting: None,
            },
            Self::Brevo => ProviderForm {
                address: "https://api.brevo.com",
                address_hint: "The same for every account.",
                user: None,
                key: "API key",
                key_hint: "In Brevo, SMTP & API, API Keys.",
                setting: None,
            },
            Self::Mailjet => ProviderForm {
                address: "https://api.mailjet.com",
                address_hint: "For accounts in the United States: https://api.us.mailjet.com",
                user: Some("API key"),
                key: "Secret key",
                key_hint: "In Mailjet, Account settings, API Key Management.",
                setting: None,
            },
            Self::SparkPost => ProviderForm {
                address: "https://api.sparkpost.com",
                address_hint: "In the European Union: https://api.eu.sparkpost.com",
                user: None,
                key: "API key",
                key_hint: "In SparkPost, Configuration, API Keys, with Transmissions: Read/Write.",
                setting: None,
            },
            Self::JetEmail => ProviderForm {
                address: "https://api.jetemail.com",
                address_hint: "The same for every account.",
                user: None,
                key: "Transactional API key",
                key_hint: "In JetEmail, API Keys. It begins with transactional_.",
                setting: None,
            },
            Self::Twilio => ProviderForm {
                address: "https://api.twilio.com",
                address_hint: "The same for every account.",
                user: Some("Account SID"),
                key: "Auth token",
                key_hint: "Both are on the first page of Twilio’s console.",
                setting: Some(STATUS_CALLBACK),
            },
            Self::Vonage => ProviderForm {
                address: "https://api.nexmo.com",
                address_hint: "The same for every account.",
                user: Some("API key or application ID"),
                key: "API secret or private key",
                key_hint: "Key and secret of the account send text messages. Calls need an application: its ID, and its private key as the file has it.",
                setting: Some(STATUS_CALLBACK),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_has_a_form_and_nothing_else_has() {
        for kind in AdapterKind::ALL {
            let form = kind.provider_form();
            assert_eq!(form.is_none(), matches!(kind, AdapterKind::Smtp | AdapterKind::Http), "{kind:?}");
            assert!(form.is_none_or(|form| form.address.starts_with("https://")), "{kind:?}");
        }
    }
}

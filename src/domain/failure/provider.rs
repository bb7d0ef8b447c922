//! Who runs a mailbox, by its mail server, by its domain, or by how the reply is written.

use std::sync::OnceLock;

use serde::Deserialize;

use crate::domain::event::EmailEvent;
use crate::domain::mailbox::mailbox_key;
use crate::domain::recipient::Recipient;

/// Who runs mailboxes, and how that is known.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailboxProvider {
    pub name: String,
    /// Ends of the names of servers that take mail in, not of those that customers send through. In lower case.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// The domains of its own addresses, in lower case.
    #[serde(default)]
    pub domains: Vec<String>,
    /// Words that only its replies have.
    #[serde(default)]
    marks: Vec<String>,
}

impl MailboxProvider {
    /// Those whose names hold this text, in any case of letters.
    pub fn named(text: &str) -> Vec<&'static Self> {
        let text = text.to_lowercase();
        all().iter().filter(|provider| provider.name.to_lowercase().contains(&text)).collect()
    }

    /// Who runs the mailboxes of a domain, or takes mail in at this server.
    pub fn of_host(host: &str) -> Option<&'static Self> {
        find(Some(host), Some(host), "")
    }

    /// Who runs the mailboxes of an email's recipients, in their order: by the newest known server that took or refused it,
    /// or by the domain of the address.
    pub fn of_recipients(recipients: &[Recipient], events: &[EmailEvent]) -> Vec<&'static Self> {
        let told: Vec<(Option<String>, &'static Self)> = events
            .iter()
            .rev()
            .filter_map(|event| {
                let host = event.detail.mx.as_deref().or(event.detail.server.as_deref());
                Some((event.recipient.as_deref().map(mailbox_key), find(host, None, "")?))
            })
            .collect();
        let mut found: Vec<&'static Self> = Vec::new();
        for Recipient { address, .. } in recipients {
            let own = mailbox_key(address);
            let is_alone = recipients.len() == 1;
            let by_server = told
                .iter()
                .find(|(whom, _)| whom.as_ref().map_or(is_alone, |whom| *whom == own))
                .map(|(_, known)| *known);
            let domain = address.rsplit_once('@').map(|(_, domain)| domain);
            let provider = by_server.or_else(|| find(None, domain, ""));
            if let Some(provider) = provider.filter(|meant| found.iter().all(|known| known.name != meant.name)) {
                found.push(provider);
            }
        }
        found
    }

    /// The names of all.
    pub fn names() -> impl Iterator<Item = &'static str> {
        all().iter().map(|provider| provider.name.as_str())
    }
}

pub(super) fn all() -> &'static [MailboxProvider] {
    static PROVIDERS: OnceLock<Vec<MailboxProvider>> = OnceLock::new();
    PROVIDERS.get_or_init(|| serde_json::from_str(include_str!("providers.json")).unwrap_or_default())
}

/// The server's name says most: it tells Gmail behind a company's own domain. `text` is folded.
pub(super) fn find(host: Option<&str>, domain: Option<&str>, text: &str) -> Option<&'static MailboxProvider> {
    let folded = |name: &str| name.trim_end_matches('.').to_lowercase();
    let by_host = host
        .map(folded)
        .and_then(|host| all().iter().find(|provider| provider.hosts.iter().any(|end| is_under(&host, end))));
    let by_domain = || {
        let domain = folded(domain?);
        all().iter().find(|provider| provider.domains.contains(&domain))
    };
    let by_mark = || all().iter().find(|provider| provider.marks.iter().any(|mark| text.contains(mark.as_str())));
    by_host.or_else(by_domain).or_else(by_mark)
}

/// `mx1.example.com` is under `example.com`, `myexample.com` is not.
fn is_under(host: &str, end: &str) -> bool {
    host.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_provider_is_read_and_has_a_way_to_be_found() {
        assert!(all().len() > 30);
        for provider in all() {
            assert!(provider.hosts.len() + provider.domains.len() + provider.marks.len() > 0, "{}", provider.name);
            let texts = provider.hosts.iter().chain(&provider.domains).chain(&provider.marks);
            assert!(texts.clone().all(|text| *text == text.to_lowercase()), "{}", provider.name);
        }
    }

    #[test]
    fn the_server_says_more_than_the_domain_and_the_domain_more_than_the_words() {
        let name = |host, domain, text| find(host, domain, text).map(|provider| provider.name.as_str());
        assert_eq!(name(Some("ASPMX.L.GOOGLE.COM."), Some("outlook.com"), ""), Some("Gmail"));
        assert_eq!(name(Some("smtp.relay.example"), Some("Hotmail.com"), "x - gsmtp"), Some("Outlook"));
        assert_eq!(name(None, Some("finch.example"), "x - gsmtp"), Some("Gmail"));
        assert_eq!(name(Some("notgoogle.com"), None, ""), None);
        let of_host = |host| MailboxProvider::of_host(host).map(|provider| provider.name.as_str());
        assert_eq!(["gmail.com", "aspmx.l.google.com", ""].map(of_host), [Some("Gmail"), Some("Gmail"), None]);
    }

    #[test]
    fn a_server_that_we_send_through_is_not_the_recipients() {
        for host in ["smtp.gmail.com", "smtp.office365.com", "smtp.mail.me.com", "smtp.zoho.eu", "smtp.fastmail.com"] {
            assert!(find(Some(host), None, "").is_none(), "{host}");
        }
    }
}

//! The links of a tracked message, in each mail that carries it. Called by [super::worker] for what goes out by SMTP. What is
//! kept of the message stays as it is: a preview never counts, and a message that is sent again has links of its own.
//! Source of the headers: RFC 2369, RFC 8058.

use crate::domain::channel::Channel;
use crate::domain::ids::{EmailId, TeamId};
use crate::domain::mailbox::mailbox_key;
use crate::domain::tracking::MessageTracking;
use crate::server::secrets::SecretKey;
use crate::server::store::outbox::Outgoing;
use crate::server::tracking::links::Links;
use crate::server::tracking::token::{MailCopy, Signer, TokenKind};

/// Its address, and that one post to it is enough.
const UNSUBSCRIBE_HEADERS: [&str; 2] = ["List-Unsubscribe", "List-Unsubscribe-Post"];

/// Writes links that lead to this server.
#[derive(Clone, Debug)]
pub struct Tracker {
    base_url: String,
    signer: Signer,
}

impl Tracker {
    /// None where it is not known how people reach this server.
    pub fn new(base_url: Option<&str>, key: &SecretKey) -> Option<Self> {
        Some(Self { base_url: base_url?.to_owned(), signer: Signer::new(key) })
    }

    /// The message as it is tracked; `None` for one that goes out as it is. One that came as mail does, always.
    pub fn track(&self, outgoing: &Outgoing, (team_id, email_id): (TeamId, EmailId)) -> Option<Tracked<'_>> {
        if outgoing.channel != Channel::Email || outgoing.mime.is_some() {
            return None;
        }
        let has_html = outgoing.html.is_some();
        let is_own = |name: &str| UNSUBSCRIBE_HEADERS.iter().any(|header| name.eq_ignore_ascii_case(header));
        let has_header = outgoing.headers.iter().any(|(name, _)| is_own(name));
        let asked = outgoing.tracking;
        let tracking = MessageTracking {
            opens: asked.opens && has_html,
            clicks: asked.clicks && has_html,
            // Whoever wants to be rid of a message does not do it in the open.
            unsubscribes: asked.unsubscribes && !has_header && self.base_url.starts_with("https://"),
        };
        if tracking.is_nothing() {
            return None;
        }
        let (html, headers) = (outgoing.html.clone(), outgoing.headers.clone());
        Some(Tracked { tracker: self, team_id, email_id, tracking, html, headers })
    }
}

/// A tracked message, before anything is written into it.
pub struct Tracked<'a> {
    tracker: &'a Tracker,
    team_id: TeamId,
    email_id: EmailId,
    tracking: MessageTracking,
    html: Option<String>,
    headers: Vec<(String, String)>,
}

impl Tracked<'_> {
    /// Who gets the same mail. A link to unsubscribe is one person's, so that each has a mail of their own where there is one.
    pub fn mails<'p>(&self, pending: &'p [String]) -> Vec<&'p [String]> {
        if self.tracking.unsubscribes { pending.chunks(1).collect() } else { vec![pending] }
    }

    /// Makes the message the mail for these recipients.
    pub fn write(&self, outgoing: &mut Outgoing, to: &[String]) {
        let recipient = match to {
            [only] => place_of(outgoing, only),
            [] | [_, _, ..] => None,
        };
        let copy = MailCopy { team_id: self.team_id, email_id: self.email_id, recipient };
        let links = Links { base_url: &self.tracker.base_url, signer: &self.tracker.signer, copy };
        let MessageTracking { opens, clicks, unsubscribes } = self.tracking;
        outgoing.html = self.html.as_deref().map(|html| links.rewrite(html, opens, clicks).into_owned());
        outgoing.headers.clone_from(&self.headers);
        if unsubscribes && recipient.is_some() {
            let values =
                [format!("<{}>", links.url(TokenKind::Unsubscribe, "")), "List-Unsubscribe=One-Click".to_owned()];
            outgoing.headers.extend(UNSUBSCRIBE_HEADERS.map(str::to_owned).into_iter().zip(values));
        }
    }
}

/// A recipient's place in the message's list.
fn place_of(outgoing: &Outgoing, address: &str) -> Option<u16> {
    let key = mailbox_key(address);
    let place = outgoing.recipients.iter().position(|recipient| mailbox_key(&recipient.address) == key)?;
    // The last number stands for nobody.
    u16::try_from(place).ok().filter(|place| *place != u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::email::{Recipient, RecipientKind};

    const IDS: (TeamId, EmailId) = (TeamId(1), EmailId(2));
    const ALL: MessageTracking = MessageTracking { opens: true, clicks: true, unsubscribes: true };

    fn tracker(base_url: &str) -> Tracker {
        Tracker::new(Some(base_url), &SecretKey::generate()).unwrap()
    }

    fn outgoing() -> Outgoing {
        let to = |address: &str| Recipient { kind: RecipientKind::To, address: address.to_owned(), name: None };
        Outgoing {
            adapter: None,
            names_adapter: false,
            channel: Channel::Email,
            notification_id: None,
            notification_kind: None,
            external_user_id: None,
            tags: Vec::new(),
            variables: serde_json::Value::Null,
            metadata: serde_json::Value::Null,
            headers: vec![("X-Shop".to_owned(), "one".to_owned())],
            from_address: "receipts@finch.example".to_owned(),
            reply_to: None,
            recipients: vec![to("Ada@Finch.example"), to("bob@finch.example")],
            subject: "Hi".to_owned(),
            html: Some("<a href=\"https://a.example\">x</a>".to_owned()),
            text: None,
            attachments: Vec::new(),
            mime: None,
            tracking: ALL,
        }
    }

    #[test]
    fn what_came_as_mail_and_what_is_none_goes_out_as_it_is() {
        let tracker = tracker("https://mail.finch.example");
        let plain = outgoing();
        let unsubscribable = |headers: Vec<(String, String)>| Outgoing {
            headers,
            tracking: MessageTracking { unsubscribes: true, ..MessageTracking::default() },
            ..plain.clone()
        };
        for left in [
            Outgoing { mime: Some(b"From: a@b.example\r\n\r\n".to_vec()), ..plain.clone() },
            Outgoing { channel: Channel::Sms, ..plain.clone() },
            Outgoing { tracking: MessageTracking::default(), ..plain.clone() },
            Outgoing { html: None, tracking: MessageTracking { unsubscribes: false, ..ALL }, ..plain.clone() },
            unsubscribable(vec![("list-unsubscribe".to_owned(), "<mailto:a@b.example>".to_owned())]),
        ] {
            assert!(tracker.track(&left, IDS).is_none(), "{left:?}");
        }
        assert!(Tracker::new(None, &SecretKey::generate()).is_none());
    }

    #[test]
    fn each_mail_has_its_own_links_and_nothing_of_the_one_before() {
        let tracker = tracker("https://mail.finch.example");
        let mut message = outgoing();
        let tracked = tracker.track(&message, IDS).unwrap();
        let pending = ["ada@finch.example".to_owned(), "bob@finch.example".to_owned()];
        let mails = tracked.mails(&pending);
        assert_eq!(mails, [&pending[..1], &pending[1..]]);
        let mut seen = Vec::new();
        for to in mails {
            tracked.write(&mut message, to);
            let names: Vec<&str> = message.headers.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["X-Shop", "List-Unsubscribe", "List-Unsubscribe-Post"]);
            let html = message.html.clone().unwrap();
            assert_eq!((html.matches("/t/c/").count(), html.matches("/t/o/").count()), (1, 1), "{html}");
            seen.push((html, message.headers[1].1.clone()));
        }
        assert!(seen[0].0 != seen[1].0 && seen[0].1 != seen[1].1);
    }

    #[test]
    fn without_https_nobody_unsubscribes_and_all_get_one_mail() {
        let tracker = tracker("http://127.0.0.1:3000");
        let mut message = outgoing();
        let tracked = tracker.track(&message, IDS).unwrap();
        let pending = ["ada@finch.example".to_owned(), "bob@finch.example".to_owned()];
        assert_eq!(tracked.mails(&pending), [&pending[..]]);
        tracked.write(&mut message, &pending);
        assert_eq!(message.headers.len(), 1);
    }
}

//! To whom a request goes. Providers have no envelope apart from the headers: who is in no field gets no mail.

use super::OutMessage;
use crate::domain::email::Recipient;
use crate::domain::email::RecipientKind;
use crate::domain::mailbox::Mailbox;
use crate::server::delivery::mailbox::wire_address;

/// The recipients of a request, by the header they stand in. There is at least one in `to`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grouped {
    pub to: Vec<Mailbox>,
    pub cc: Vec<Mailbox>,
    pub bcc: Vec<Mailbox>,
}

impl Grouped {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Mailbox> {
        self.to.iter().chain(&self.cc).chain(&self.bcc)
    }
}

impl OutMessage<'_> {
    /// The pending recipients, each address once, its domain in ASCII. Providers want somebody in `to`: where nobody of
    /// those is pending, the copies' recipients stand there, or the one hidden recipient. Several hidden ones would see
    /// each other, so that is an error: [batches] parts them.
    pub fn grouped(&self) -> Result<Grouped, String> {
        let mut grouped = Grouped::default();
        for recipient in self.recipients.iter().filter(|recipient| self.pending.contains(&recipient.address)) {
            let mailbox = written(recipient)?;
            let is_known = |known: &Mailbox| known.address.eq_ignore_ascii_case(&mailbox.address);
            if grouped.all().any(is_known) {
                continue;
            }
            match recipient.kind {
                RecipientKind::To => grouped.to.push(mailbox),
                RecipientKind::Cc => grouped.cc.push(mailbox),
                RecipientKind::Bcc => grouped.bcc.push(mailbox),
            }
        }
        if grouped.to.is_empty() {
            grouped.to = std::mem::take(&mut grouped.cc);
        }
        match (grouped.to.is_empty(), grouped.bcc.len()) {
            (false, _) => Ok(grouped),
            (true, 0) => Err("There is nobody to send to".to_owned()),
            (true, 1) => Ok(Grouped { to: grouped.bcc, ..Grouped::default() }),
            (true, _) => Err("Hidden recipients without a visible one go out one by one".to_owned()),
        }
    }

    /// The only pending recipient's address, for providers that send to one at a time.
    pub fn only_recipient(&self) -> Result<&str, String> {
        match self.pending {
            [address] => Ok(address),
            [] => Err("There is nobody to send to".to_owned()),
            [_, ..] => Err("The provider sends to one recipient at a time".to_owned()),
        }
    }

    /// The sender, with a domain in ASCII.
    pub fn sender(&self) -> Result<Mailbox, String> {
        Ok(Mailbox { name: name(self.from.name.as_deref()), address: wire(&self.from.address)? })
    }

    /// Whom answers go to, with domains in ASCII.
    pub fn repliers(&self) -> Result<Vec<Mailbox>, String> {
        let written =
            |mailbox: &Mailbox| Ok(Mailbox { name: name(mailbox.name.as_deref()), address: wire(&mailbox.address)? });
        self.reply_to.iter().map(written).collect()
    }
}

/// The pending recipients in the order of `recipients`, in requests of at most `limit`: each has somebody who may stand
/// in its `to`. Hidden recipients for whom nobody visible is left go alone. The same recipients always make the same
/// requests.
pub fn batches(recipients: &[Recipient], pending: &[String], limit: usize) -> Vec<Vec<String>> {
    let limit = limit.max(1);
    let is_hidden = |recipient: &&Recipient| matches!(recipient.kind, RecipientKind::Bcc);
    let wanted = recipients.iter().filter(|recipient| pending.contains(&recipient.address));
    let (hidden, visible): (Vec<&Recipient>, Vec<&Recipient>) = wanted.partition(is_hidden);
    let mut hidden = hidden.into_iter().map(|recipient| recipient.address.clone());
    let mut requests: Vec<Vec<String>> =
        visible.chunks(limit).map(|chunk| chunk.iter().map(|recipient| recipient.address.clone()).collect()).collect();
    if let Some(last) = requests.last_mut() {
        let room = limit - last.len();
        last.extend(hidden.by_ref().take(room));
    }
    requests.extend(hidden.map(|address| vec![address]));
    requests
}

fn written(recipient: &Recipient) -> Result<Mailbox, String> {
    Ok(Mailbox { name: name(recipient.name.as_deref()), address: wire(&recipient.address)? })
}

fn name(name: Option<&str>) -> Option<String> {
    name.map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned)
}

fn wire(address: &str) -> Result<String, String> {
    wire_text(address).ok_or_else(|| "An address is not valid".to_owned())
}

/// An address as providers take it: its domain in ASCII. `None` when it is no address.
pub fn wire_text(address: &str) -> Option<String> {
    wire_address(address).map(|address| address.to_string())
}

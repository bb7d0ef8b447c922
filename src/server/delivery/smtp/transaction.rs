//! One message on one connection: the conversation from `MAIL` to the answer after the content.

use lettre::Address;
use tokio::time::timeout;

use super::attempt::{RecipientOutcome, failed};
use super::client::{Client, Reply};
use super::settings::SmtpSettings;
use crate::domain::adapter::fault::AdapterFault;
use crate::server::delivery::message::{envelope_address, is_ascii};

/// One message on one connection.
pub(super) struct Transaction<'a> {
    pub(super) client: &'a mut Client,
    pub(super) settings: &'a SmtpSettings,
    pub(super) pending: &'a [String],
    allow_utf8: bool,
    /// Each recipient's fate, `None` while it is open.
    pub(super) outcomes: Vec<Option<RecipientOutcome>>,
    /// Whether the connection can carry another message.
    pub(super) is_usable: bool,
    /// Whether the server closed the connection before it could have the message.
    pub(super) is_closed: bool,
    /// Whether the server cannot be used now, and those who wait still got nothing.
    pub(super) is_down: bool,
    /// The step at which it ended for a recipient.
    pub(super) fault: Option<AdapterFault>,
}

/// Why a command got no positive answer.
enum Refusal {
    /// The server answered 4xx.
    Temporary(String),
    /// The server answered 5xx.
    Permanent(String),
    /// The server wants a log-in or encryption first.
    LogInWanted(String),
    /// The connection is of no more use.
    Broken(String),
    /// The server closed the connection, or says that it does (421).
    Closed(String),
}

impl<'a> Transaction<'a> {
    pub(super) fn new(
        client: &'a mut Client,
        settings: &'a SmtpSettings,
        pending: &'a [String],
        allow_utf8: bool,
    ) -> Self {
        let outcomes = vec![None; pending.len()];
        Self {
            client,
            settings,
            pending,
            allow_utf8,
            outcomes,
            is_usable: true,
            is_closed: false,
            is_down: false,
            fault: None,
        }
    }

    /// Settles every recipient; `false` when `before_data` stopped it.
    pub(super) async fn run<Before>(&mut self, from: &Address, message: &[u8], before_data: impl Fn() -> Before) -> bool
    where
        Before: Future<Output = bool>,
    {
        let addresses = self.envelope();
        if self.is_settled() {
            return true;
        }
        if let Err(refusal) = self.mail(from, &addresses, message).await {
            self.settle_open(refusal, AdapterFault::SenderRefused);
            return true;
        }
        let accepted = self.recipients(&addresses).await;
        if !accepted || self.is_settled() {
            return true;
        }
        if !before_data().await {
            return false;
        }
        self.content(message).await;
        true
    }

    /// The recipients' addresses; those that can never be sent to are settled here.
    fn envelope(&mut self) -> Vec<Option<Address>> {
        let mut addresses = Vec::with_capacity(self.pending.len());
        for (index, text) in self.pending.iter().enumerate() {
            let address = match envelope_address(text) {
                Ok(address) if !self.allow_utf8 && !is_ascii(&address) => {
                    let reason = "The mail server takes no address with letters outside ASCII before the @ (SMTPUTF8)";
                    self.outcomes[index] = Some(RecipientOutcome::Failed { reason: reason.to_owned() });
                    None
                }
                Ok(address) => Some(address),
                Err(cause) => {
                    self.outcomes[index] = Some(failed(&cause));
                    None
                }
            };
            addresses.push(address);
        }
        addresses
    }

    async fn mail(&mut self, from: &Address, to: &[Option<Address>], message: &[u8]) -> Result<(), Refusal> {
        let mut command = format!("MAIL FROM:<{from}>");
        let is_plain = to.iter().flatten().chain([from]).all(is_ascii) && message.is_ascii();
        if !is_plain && self.allow_utf8 {
            command.push_str(" SMTPUTF8");
        }
        if !message.is_ascii() && self.client.offers.eight_bit_mime {
            command.push_str(" BODY=8BITMIME");
        }
        self.command(&command).await.map(drop)
    }

    /// Names the recipients; whether the server took one.
    async fn recipients(&mut self, addresses: &[Option<Address>]) -> bool {
        let mut accepted = false;
        for (index, address) in addresses.iter().enumerate() {
            let Some(address) = address else { continue };
            match self.command(&format!("RCPT TO:<{address}>")).await {
                Ok(_) => accepted = true,
                Err(Refusal::Temporary(reply)) => {
                    self.fault = Some(AdapterFault::Later);
                    self.outcomes[index] = Some(RecipientOutcome::Deferred { reply });
                }
                Err(Refusal::Permanent(reply)) => {
                    self.fault = Some(AdapterFault::RecipientRefused);
                    self.outcomes[index] = Some(RecipientOutcome::Refused { reply });
                }
                Err(broken @ (Refusal::LogInWanted(_) | Refusal::Broken(_) | Refusal::Closed(_))) => {
                    self.settle_open(broken, AdapterFault::RecipientRefused);
                    return false;
                }
            }
        }
        accepted
    }

    async fn content(&mut self, message: &[u8]) {
        match self.command("DATA").await {
            Ok(reply) if reply.code == 354 => {}
            Ok(reply) => {
                let answer = reply.words();
                let refusal = Refusal::Broken(format!("The mail server answered DATA with {answer}"));
                return self.settle_open(refusal, AdapterFault::ContentRefused);
            }
            Err(refusal) => return self.settle_open(refusal, AdapterFault::ContentRefused),
        }
        let mut all_written = false;
        let sending = async {
            self.client.write_message(message, &mut all_written).await?;
            self.client.reply().await
        };
        let result = timeout(self.settings.content_timeout, sending).await;
        match result {
            Ok(Ok(reply)) if reply.is_done() => {
                let reply = reply.words();
                self.settle_each_open(|| RecipientOutcome::Accepted { reply: reply.clone() });
            }
            Ok(Ok(reply)) if reply.is_positive() => self.settle_broken_content(all_written, &reply.words()),
            Ok(Ok(reply)) => {
                self.settle_open(refusal(&reply), AdapterFault::ContentRefused);
                // It had the message and has said what it makes of it.
                self.is_closed = false;
            }
            Ok(Err(cause)) => {
                self.is_closed = !all_written && cause.is_closed();
                self.settle_broken_content(all_written, &cause.to_string());
            }
            Err(_) => self.settle_broken_content(all_written, "the mail server did not answer in time"),
        }
    }

    fn settle_broken_content(&mut self, all_written: bool, why: &str) {
        if !all_written {
            let reason = format!("The connection broke while the message was sent: {why}");
            let is_closed = self.is_closed;
            let refusal = if is_closed { Refusal::Closed(reason) } else { Refusal::Broken(reason) };
            self.settle_open(refusal, AdapterFault::ContentRefused);
            // It may be the message that it does not bear.
            self.is_down = false;
            return;
        }
        self.is_usable = false;
        self.fault = Some(AdapterFault::OutcomeUnknown);
        let reason = format!(
            "The connection broke before the mail server confirmed the message ({why}), so it is not known whether it \
             went out. Check with the recipient before you resend it."
        );
        self.settle_each_open(|| RecipientOutcome::Unknown { reason: reason.clone() });
    }

    async fn command(&mut self, command: &str) -> Result<Reply, Refusal> {
        match timeout(self.settings.command_timeout, self.client.command(command)).await {
            Ok(Ok(reply)) if reply.is_positive() => Ok(reply),
            Ok(Ok(reply)) => Err(refusal(&reply)),
            Ok(Err(cause)) => {
                let reason = format!("The connection broke: {cause}");
                Err(if cause.is_closed() { Refusal::Closed(reason) } else { Refusal::Broken(reason) })
            }
            Err(_) => Err(Refusal::Broken("The mail server did not answer in time".to_owned())),
        }
    }

    fn is_settled(&self) -> bool {
        self.outcomes.iter().all(Option::is_some)
    }

    /// Gives every recipient whose fate is open what follows from a refusal of the whole message. `refused` is the fault
    /// where the server said no for good.
    fn settle_open(&mut self, refusal: Refusal, refused: AdapterFault) {
        self.is_closed = matches!(refusal, Refusal::Closed(_));
        self.fault = Some(match refusal {
            Refusal::Temporary(_) => AdapterFault::Later,
            Refusal::Permanent(_) => refused,
            Refusal::LogInWanted(_) => AdapterFault::LogInWanted,
            Refusal::Broken(_) | Refusal::Closed(_) => AdapterFault::Broken,
        });
        match refusal {
            Refusal::Temporary(reply) => {
                self.settle_each_open(|| RecipientOutcome::Deferred { reply: reply.clone() });
            }
            Refusal::Permanent(reply) => {
                self.settle_each_open(|| RecipientOutcome::Failed { reason: reply.clone() });
            }
            Refusal::LogInWanted(reason) | Refusal::Broken(reason) | Refusal::Closed(reason) => {
                self.is_usable = false;
                self.is_down = true;
                self.settle_each_open(|| RecipientOutcome::Unreachable { reason: reason.clone() });
            }
        }
    }

    fn settle_each_open(&mut self, outcome: impl Fn() -> RecipientOutcome) {
        for open in self.outcomes.iter_mut().filter(|fate| fate.is_none()) {
            *open = Some(outcome());
        }
    }
}

/// What a negative reply means.
fn refusal(reply: &Reply) -> Refusal {
    match reply.code {
        // The server closes the connection.
        421 => Refusal::Closed(reply.words()),
        // The server wants a log-in or encryption first: mending the adapter helps, so the message waits.
        530 | 534 | 535 | 538 => Refusal::LogInWanted(reply.words()),
        500.. => Refusal::Permanent(reply.words()),
        _ => Refusal::Temporary(reply.words()),
    }
}

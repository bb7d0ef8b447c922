//! Handing a message to a mail server over SMTP, recipient by recipient. Called by [super::worker].
//! Sources: RFC 5321 (SMTP), RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8).

mod client;
#[cfg(test)]
mod encryption_tests;
mod tls;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lettre::Address;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout};

use super::endpoint::{SmtpEndpoint, SmtpSecret, TlsMode};
use super::message::{BuildError, build_message, envelope_address, is_ascii, message_id, sender_address};
use crate::domain::error::AppError;
use crate::domain::ids::{AdapterId, EmailId};
use crate::server::outbound::Outbound;
use crate::server::store::outbox::Outgoing;
use client::{Broken, Client, Reply};
pub use tls::Tls;

/// How much of a server's reply is kept, in characters.
const REPLY_CAP: usize = 1000;

/// How long a parting word to a server may take.
const QUIT_TIMEOUT: Duration = Duration::from_secs(2);

/// How the sender behaves towards mail servers.
#[derive(Clone, Debug)]
pub struct SmtpSettings {
    /// How long connecting, encryption and log-in may take, all together.
    pub connect_timeout: Duration,
    /// How long one command may take.
    pub command_timeout: Duration,
    /// How long a message may take, from its first byte to the answer. The server may work on it for minutes; giving up
    /// early makes an outcome unknown that would have been known.
    pub content_timeout: Duration,
    /// How long an idle connection is kept.
    pub idle_limit: Duration,
    /// After how many messages a connection is closed.
    pub messages_per_connection: u32,
    /// How many idle connections are kept for one adapter.
    pub idle_per_adapter: usize,
    /// The name that this machine gives itself in EHLO; its host name when `None`.
    pub hello_name: Option<String>,
    /// Which mail servers may be connected to.
    pub outbound: Outbound,
    /// How connections are encrypted, and whose certificates are trusted.
    pub tls: Tls,
}

impl Default for SmtpSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(20),
            command_timeout: Duration::from_secs(60),
            content_timeout: Duration::from_secs(300),
            idle_limit: Duration::from_secs(30),
            messages_per_connection: 100,
            idle_per_adapter: 8,
            hello_name: None,
            outbound: Outbound::default(),
            tls: Tls::default(),
        }
    }
}

/// What became of one recipient in an attempt. Replies are in the server's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecipientOutcome {
    /// The server took the message for this recipient.
    Accepted {
        /// Its last word: "250 2.0.0 Ok: queued as 4bXyz".
        reply: String,
    },
    /// The server asks to try again later (4xx).
    Deferred {
        /// "451 4.7.1 Greylisted, try again later".
        reply: String,
    },
    /// The server could not be used: trying again later can work. Also for a refused log-in, because mending the
    /// adapter lets waiting messages go out.
    Unreachable {
        /// "Cannot connect to mail.example.com:587: connection refused".
        reason: String,
    },
    /// The server refused this recipient for good (5xx).
    Refused {
        /// "550 5.1.1 no such user".
        reply: String,
    },
    /// The message cannot go to this recipient, whatever is tried.
    Failed {
        /// The server's words, or ours where the message never got to it.
        reason: String,
    },
    /// The connection broke between the end of the message and the answer.
    Unknown {
        /// What happened.
        reason: String,
    },
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Each recipient's fate, in the order they were given.
    pub recipients: Vec<(String, RecipientOutcome)>,
    /// The server's id for the message, or else its `Message-ID`, once it was accepted for somebody.
    pub provider_message_id: Option<String>,
    /// How long the server asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl Attempt {
    /// The attempt in which every recipient meets the same fate.
    pub fn all(pending: &[String], outcome: &RecipientOutcome) -> Self {
        let recipients = pending.iter().map(|address| (address.clone(), outcome.clone())).collect();
        Self { recipients, provider_message_id: None, retry_after: None }
    }
}

/// The adapter that an attempt goes by.
#[derive(Clone, Debug)]
pub struct SmtpRoute {
    /// The adapter.
    pub adapter_id: AdapterId,
    /// Where it connects to.
    pub endpoint: SmtpEndpoint,
    /// Its log-in.
    pub secret: SmtpSecret,
}

impl SmtpRoute {
    fn key(&self) -> PoolKey {
        let SmtpSecret { user, password } = &self.secret;
        let secret = [user, password].map(|text| text.as_deref().unwrap_or_default());
        let secret_hash = Sha256::digest(secret.join("\0")).into();
        PoolKey { adapter_id: self.adapter_id, endpoint: self.endpoint.clone(), secret_hash }
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct PoolKey {
    adapter_id: AdapterId,
    endpoint: SmtpEndpoint,
    secret_hash: [u8; 32],
}

struct Connection {
    client: Client,
    idle_since: Instant,
    messages: u32,
}

/// Sends messages over SMTP and keeps connections for the next ones.
pub struct SmtpSender {
    settings: SmtpSettings,
    idle: Mutex<HashMap<PoolKey, Vec<Connection>>>,
}

impl SmtpSender {
    /// A sender without connections.
    pub fn new(settings: SmtpSettings) -> Self {
        Self { settings, idle: Mutex::default() }
    }

    /// Connects, encrypts and logs in, and sends nothing: whether an adapter works. [AppError::Adapter] says why it
    /// does not.
    pub async fn check(&self, route: &SmtpRoute) -> Result<(), AppError> {
        let connection = self.connect(route).await.map_err(|Unusable { reason, .. }| AppError::Adapter(reason))?;
        self.keep(route.key(), connection);
        Ok(())
    }

    /// Sends a message to the `pending` addresses and tells what became of each. `before_data` runs when the server has
    /// accepted a recipient, just before the message's bytes go out; when it gives `false`, nothing goes out and the
    /// attempt is `None`. `date` is when the message was accepted. Where the server closes a kept connection before it
    /// has the message, all begins again on a new one.
    pub async fn send<Before>(
        &self,
        route: &SmtpRoute,
        outgoing: &Outgoing,
        (email_id, date): (EmailId, chrono::DateTime<chrono::Utc>),
        pending: &[String],
        before_data: impl Fn() -> Before,
    ) -> Option<Attempt>
    where
        Before: Future<Output = bool>,
    {
        let from = match sender_address(&outgoing.from_address) {
            Ok(from) => from,
            Err(cause) => return Some(Attempt::all(pending, &failed(&cause))),
        };
        let mut kept = self.kept(&route.key()).await;
        loop {
            let is_kept = kept.is_some();
            let connection = match kept.take() {
                Some(kept) => Ok(kept),
                None => self.connect(route).await,
            };
            let mut connection = match connection {
                Ok(connection) => connection,
                Err(Unusable { reason, .. }) => {
                    return Some(Attempt::all(pending, &RecipientOutcome::Unreachable { reason }));
                }
            };
            let allow_utf8 = connection.client.offers.smtputf8;
            let message = match build_message(outgoing, email_id, date, allow_utf8) {
                Ok(message) => message,
                Err(cause) => {
                    self.keep(route.key(), connection);
                    return Some(Attempt::all(pending, &failed(&cause)));
                }
            };
            let mut transaction = Transaction::new(&mut connection.client, &self.settings, pending, allow_utf8);
            let is_done = transaction.run(&from, &message, &before_data).await;
            let Transaction { outcomes, is_usable, is_closed, .. } = transaction;
            if is_closed && is_kept {
                continue;
            }
            connection.messages += 1;
            if is_usable {
                self.keep(route.key(), connection);
            }
            return is_done.then(|| attempt(pending, outcomes, &message_id(email_id, &from)));
        }
    }

    /// Closes connections that were idle for too long. Called now and then.
    pub fn close_idle(&self) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let mut old = Vec::new();
        idle.retain(|_, connections| {
            old.extend(connections.extract_if(.., |connection| self.is_old(connection)));
            !connections.is_empty()
        });
        drop(idle);
        old.into_iter().for_each(part);
    }

    fn is_old(&self, connection: &Connection) -> bool {
        connection.idle_since.elapsed() >= self.settings.idle_limit
    }

    fn keep(&self, key: PoolKey, mut connection: Connection) {
        connection.idle_since = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let connections = idle.entry(key).or_default();
        if connection.messages < self.settings.messages_per_connection
            && connections.len() < self.settings.idle_per_adapter
            && !connection.client.is_over()
        {
            connections.push(connection);
        } else {
            drop(idle);
            part(connection);
        }
    }

    /// A kept connection that still answers.
    async fn kept(&self, key: &PoolKey) -> Option<Connection> {
        loop {
            let mut kept = {
                let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
                idle.get_mut(key).and_then(Vec::pop)
            }?;
            if self.is_old(&kept) {
                part(kept);
                continue;
            }
            let answer = timeout(self.settings.connect_timeout, kept.client.command("RSET")).await;
            if matches!(answer, Ok(Ok(reply)) if reply.is_done()) {
                return Some(kept);
            }
        }
    }

    async fn connect(&self, route: &SmtpRoute) -> Result<Connection, Unusable> {
        let server = format!("{}:{}", route.endpoint.host, route.endpoint.port);
        let limit = self.settings.connect_timeout;
        let client = timeout(limit, self.open(route, &server)).await.unwrap_or_else(|_| {
            Err(Unusable { reason: format!("{server} did not answer within {} seconds", limit.as_secs_f64()) })
        })?;
        Ok(Connection { client, idle_since: Instant::now(), messages: 0 })
    }

    async fn open(&self, route: &SmtpRoute, server: &str) -> Result<Client, Unusable> {
        let SmtpEndpoint { host, port, tls } = &route.endpoint;
        let hello = self.settings.hello_name.clone().unwrap_or_else(own_name);
        let cannot_connect = |why: &str| Unusable::new("Cannot connect to", server, why);
        let no_tls = |why: &str| Unusable::new("Cannot encrypt the connection to", server, why);
        let stream = client::connect(self.settings.outbound, host, *port)
            .await
            .map_err(|cause| cannot_connect(&cause.to_string()))?;
        let mut client = Client::new(stream);
        let mut is_encrypted = *tls == TlsMode::Implicit;
        if is_encrypted {
            client = client
                .encrypt(&self.settings.tls, host, is_lenient(route))
                .await
                .map_err(|cause| no_tls(&cause.to_string()))?;
        }
        accepted(client.greeting().await).map_err(|why| cannot_connect(&why))?;
        accepted(client.hello(&hello).await).map_err(|why| cannot_connect(&why))?;
        let can_encrypt = client.offers.starttls && !is_encrypted;
        match tls {
            TlsMode::Required if !can_encrypt => {
                return Err(Unusable {
                    reason: format!("{server} offers no encryption (STARTTLS), and the adapter requires it"),
                });
            }
            TlsMode::Required | TlsMode::Opportunistic if can_encrypt => {
                accepted(client.command("STARTTLS").await).map_err(|why| no_tls(&why))?;
                client = client
                    .encrypt(&self.settings.tls, host, is_lenient(route))
                    .await
                    .map_err(|cause| no_tls(&cause.to_string()))?;
                // What was said before the encryption counts for nothing.
                accepted(client.hello(&hello).await).map_err(|why| no_tls(&why))?;
                is_encrypted = true;
            }
            TlsMode::Implicit | TlsMode::Required | TlsMode::Opportunistic | TlsMode::None => {}
        }
        if let Some(user) = &route.secret.user {
            if !is_encrypted && !route.endpoint.is_loopback() {
                let reason = format!("{server} is not encrypted, so the password was not sent to it");
                return Err(Unusable { reason });
            }
            let password = route.secret.password.as_deref().unwrap_or_default();
            log_in(&mut client, user, password, server).await?;
        }
        Ok(client)
    }
}

/// The name that this machine gives itself, or its address where that is no name. Source: RFC 5321, section 4.1.1.1.
fn own_name() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if is_name { name } else { "[127.0.0.1]".to_owned() }
}

/// Says goodbye to a server and closes the connection, in the background.
fn part(mut connection: Connection) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(async move { timeout(QUIT_TIMEOUT, connection.client.command("QUIT")).await.map(drop) });
    }
}

/// Whether any certificate does: encryption that is optional and guards no password is not worth failing for one.
fn is_lenient(route: &SmtpRoute) -> bool {
    route.endpoint.tls == TlsMode::Opportunistic && (route.endpoint.is_loopback() || route.secret.user.is_none())
}

async fn log_in(client: &mut Client, user: &str, password: &str, server: &str) -> Result<(), Unusable> {
    match client.log_in(user, password).await {
        Ok(None) => {
            let reason = format!("{server} offers no log-in by PLAIN or LOGIN, but the adapter has a user name");
            Err(Unusable { reason })
        }
        Ok(Some(reply)) if reply.is_done() => Ok(()),
        Ok(Some(reply)) => Err(Unusable::new("The log-in was refused by", server, &reply.words())),
        Err(cause) => Err(Unusable::new("The log-in failed at", server, &cause.to_string())),
    }
}

/// Why a server did not do what it was asked.
fn accepted(answer: Result<Reply, Broken>) -> Result<(), String> {
    match answer {
        Ok(reply) if reply.is_done() => Ok(()),
        Ok(reply) => Err(reply.words()),
        Err(cause) => Err(cause.to_string()),
    }
}

/// Why a server cannot be used now.
struct Unusable {
    reason: String,
}

impl Unusable {
    fn new(what: &str, server: &str, why: &str) -> Self {
        Self { reason: format!("{what} {server}: {}", clean(why)) }
    }
}

/// One message on one connection.
struct Transaction<'a> {
    client: &'a mut Client,
    settings: &'a SmtpSettings,
    pending: &'a [String],
    allow_utf8: bool,
    /// Each recipient's fate, `None` while it is open.
    outcomes: Vec<Option<RecipientOutcome>>,
    /// Whether the connection can carry another message.
    is_usable: bool,
    /// Whether the server closed the connection before it could have the message.
    is_closed: bool,
}

/// Why a command got no positive answer.
enum Refusal {
    /// The server answered 4xx, or 5xx for a reason that mending the adapter takes away.
    Temporary(String),
    /// The server answered 5xx.
    Permanent(String),
    /// The connection is of no more use.
    Broken(String),
    /// The server closed the connection, or says that it does (421).
    Closed(String),
}

impl<'a> Transaction<'a> {
    fn new(client: &'a mut Client, settings: &'a SmtpSettings, pending: &'a [String], allow_utf8: bool) -> Self {
        let outcomes = vec![None; pending.len()];
        Self { client, settings, pending, allow_utf8, outcomes, is_usable: true, is_closed: false }
    }

    /// Settles every recipient; `false` when `before_data` stopped it.
    async fn run<Before>(&mut self, from: &Address, message: &[u8], before_data: impl Fn() -> Before) -> bool
    where
        Before: Future<Output = bool>,
    {
        let addresses = self.envelope();
        if self.is_settled() {
            return true;
        }
        if let Err(refusal) = self.mail(from, &addresses, message).await {
            self.settle_open(refusal);
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
                    self.outcomes[index] = Some(RecipientOutcome::Deferred { reply });
                }
                Err(Refusal::Permanent(reply)) => {
                    self.outcomes[index] = Some(RecipientOutcome::Refused { reply });
                }
                Err(broken @ (Refusal::Broken(_) | Refusal::Closed(_))) => {
                    self.settle_open(broken);
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
                return self.settle_open(Refusal::Broken(format!("The mail server answered DATA with {answer}")));
            }
            Err(refusal) => return self.settle_open(refusal),
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
                self.settle_open(refusal(&reply));
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
            return self.settle_open(if is_closed { Refusal::Closed(reason) } else { Refusal::Broken(reason) });
        }
        self.is_usable = false;
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

    /// Gives every recipient whose fate is open what follows from a refusal of the whole message.
    fn settle_open(&mut self, refusal: Refusal) {
        self.is_closed = matches!(refusal, Refusal::Closed(_));
        match refusal {
            Refusal::Temporary(reply) => {
                self.settle_each_open(|| RecipientOutcome::Deferred { reply: reply.clone() });
            }
            Refusal::Permanent(reply) => {
                self.settle_each_open(|| RecipientOutcome::Failed { reason: reply.clone() });
            }
            Refusal::Broken(reason) | Refusal::Closed(reason) => {
                self.is_usable = false;
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
        530 | 534 | 535 | 538 => Refusal::Broken(reply.words()),
        500.. => Refusal::Permanent(reply.words()),
        _ => Refusal::Temporary(reply.words()),
    }
}

/// A foreign text on one line, without control characters, capped.
pub(super) fn clean(text: &str) -> String {
    let text: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    text.trim().chars().take(REPLY_CAP).collect()
}

fn failed(cause: &BuildError) -> RecipientOutcome {
    RecipientOutcome::Failed { reason: cause.to_string() }
}

fn attempt(pending: &[String], outcomes: Vec<Option<RecipientOutcome>>, message_id: &str) -> Attempt {
    let unsettled = || RecipientOutcome::Unreachable { reason: "The attempt ended early".to_owned() };
    let fates = outcomes.into_iter().map(|fate| fate.unwrap_or_else(unsettled));
    let recipients: Vec<_> = pending.iter().cloned().zip(fates).collect();
    let accepted = recipients.iter().find_map(|(_, fate)| match fate {
        RecipientOutcome::Accepted { reply } => Some(reply.as_str()),
        RecipientOutcome::Deferred { .. }
        | RecipientOutcome::Unreachable { .. }
        | RecipientOutcome::Refused { .. }
        | RecipientOutcome::Failed { .. }
        | RecipientOutcome::Unknown { .. } => None,
    });
    let provider_message_id =
        accepted.map(|reply| queue_id(reply).unwrap_or(message_id.trim_matches(['<', '>'])).to_owned());
    Attempt { recipients, provider_message_id, retry_after: None }
}

/// The id under which a server queued a message, where its answer has one of the usual forms.
fn queue_id(reply: &str) -> Option<&str> {
    // Postfix: "Ok: queued as 4bXyz". Exim: "OK id=1tXX-0001". Exchange and others: "queued mail for delivery".
    if let Some((_, rest)) = reply.split_once("queued as ") {
        return rest.split_whitespace().next().and_then(plain_id);
    }
    let mut words = reply.split_whitespace();
    if let Some(id) = reply.split_whitespace().find_map(|word| word.strip_prefix("id=")) {
        return plain_id(id);
    }
    // Amazon SES: "250 Ok 010001…". Sendmail: "250 2.0.0 4AB Message accepted for delivery".
    let _code = words.next();
    let rest: Vec<&str> = words.collect();
    match rest[..] {
        [ok, id] if ok.eq_ignore_ascii_case("ok") => plain_id(id),
        [_, id, "Message", "accepted", ..] => plain_id(id),
        _ => None,
    }
}

fn plain_id(word: &str) -> Option<&str> {
    let word = word.trim_matches(['<', '>', '(', ')', ',', ';', '.', '"', '\'']);
    let is_id = (5..=200).contains(&word.len()) && word.chars().any(|letter| letter.is_ascii_digit());
    is_id.then_some(word)
}

#[cfg(test)]
mod tests {
    use crate::server::demo::sink::{Sink, SinkSettings};
    use super::*;

    #[test]
    fn the_queue_id_is_found_in_the_usual_answers() {
        for (reply, id) in [
            ("250 2.0.0 Ok: queued as 4bXyz12", Some("4bXyz12")),
            ("250 OK id=1tXXab-000001-2C", Some("1tXXab-000001-2C")),
            ("250 Ok 0100018c-7f-000000", Some("0100018c-7f-000000")),
            ("250 2.0.0 4AB12cd034 Message accepted for delivery", Some("4AB12cd034")),
            ("250 2.6.0 <eml@x> Queued mail for delivery", None),
            ("250 Ok", None),
            ("250 Ok thanks", None),
        ] {
            assert_eq!(queue_id(reply), id, "{reply}");
        }
    }

    #[test]
    fn a_foreign_text_is_kept_on_one_line_and_short() {
        assert_eq!(clean("550 no\r\nsuch user\0 "), "550 no  such user");
        assert_eq!(clean(&"ü".repeat(5000)).chars().count(), REPLY_CAP);
    }

    fn sender() -> SmtpSender {
        let outbound = Outbound::new(true);
        SmtpSender::new(SmtpSettings { connect_timeout: Duration::from_secs(5), outbound, ..SmtpSettings::default() })
    }

    fn route(url: &str) -> SmtpRoute {
        let (endpoint, secret) = SmtpEndpoint::parse(url).unwrap();
        SmtpRoute { adapter_id: AdapterId(1), endpoint, secret }
    }

    async fn guarded_sink() -> Sink {
        let log_in = Some(("ada".to_owned(), "hunter2".to_owned()));
        let settings = SinkSettings { log_in, ..SinkSettings::default() };
        Sink::start_with(([127, 0, 0, 1], 0).into(), settings).await.unwrap()
    }

    #[tokio::test]
    async fn the_log_in_works_or_says_why_not() {
        let sink = guarded_sink().await;
        let url = |log_in: &str| format!("smtp://{log_in}{}", sink.addr());
        assert_eq!(sender().check(&route(&url("ada:hunter2@"))).await, Ok(()));
        let refused = sender().check(&route(&url("ada:wrong@"))).await.unwrap_err().to_string();
        assert!(refused.ends_with("535 5.7.8 Error: authentication failed"), "{refused}");
        assert!(!refused.contains("wrong"));
    }

    #[tokio::test]
    async fn encryption_that_is_required_and_not_offered_ends_the_attempt() {
        let sink = guarded_sink().await;
        let url = format!("smtp://ada:hunter2@{}?tls=required", sink.addr());
        let refused = sender().check(&route(&url)).await.unwrap_err().to_string();
        assert!(refused.contains("offers no encryption (STARTTLS)"), "{refused}");
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_named() {
        let refused = sender().check(&route("smtp://127.0.0.1:1")).await.unwrap_err().to_string();
        assert!(refused.starts_with("Cannot connect to 127.0.0.1:1: "), "{refused}");
    }

    /// A server that greets with `start`, and then sends `more` of it without an end; how many bytes it got rid of.
    async fn endless(start: &'static [u8], more: &'static [u8]) -> (String, tokio::task::JoinHandle<u64>) {
        use tokio::io::AsyncWriteExt;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(start).await.unwrap();
            let chunk = more.repeat(4096);
            let mut sent = 0;
            while let Ok(written) = stream.write(&chunk).await {
                sent += written as u64;
            }
            sent
        });
        (url, serving)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_endless_answer_is_not_listened_to() {
        for (start, more) in
            [(&b"220 "[..], &b"xxxxxxxxxxxxxxxx"[..]), (&b"220-"[..], &b"more\r\n220-"[..]), (&b""[..], &b"xxxx"[..])]
        {
            let (url, serving) = endless(start, more).await;
            let refused = sender().check(&route(&url)).await.unwrap_err().to_string();
            assert!(refused.contains("answer is too long") || refused.contains("(SMTP)"), "{refused}");
            // More than we read lies in the sockets' buffers.
            assert!(serving.await.unwrap() < 64 << 20);
        }
    }

    #[tokio::test]
    async fn a_private_mail_server_is_refused_in_the_same_words_open_or_closed() {
        let open = guarded_sink().await;
        let refusal = async |addr: String| {
            let sender = SmtpSender::new(SmtpSettings::default());
            let refused = sender.check(&route(&format!("smtp://{addr}"))).await.unwrap_err().to_string();
            refused.replace(&addr, "ADDRESS")
        };
        let said = refusal(open.addr().to_string()).await;
        assert!(said.contains("leads to no public address"), "{said}");
        assert_eq!(said, refusal("127.0.0.1:1".to_owned()).await);
        assert!(refusal("localhost:1".to_owned()).await.contains("leads to no public address"));
        assert!(refusal("169.254.169.254:80".to_owned()).await.contains("leads to no public address"));
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_given_up() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (connect_timeout, outbound) = (Duration::from_millis(200), Outbound::new(true));
        let settings = SmtpSettings { connect_timeout, outbound, ..SmtpSettings::default() };
        let url = format!("smtp://{}", silent.local_addr().unwrap());
        let refused = SmtpSender::new(settings).check(&route(&url)).await.unwrap_err().to_string();
        assert!(refused.contains("did not answer within 0.2 seconds"), "{refused}");
    }
}

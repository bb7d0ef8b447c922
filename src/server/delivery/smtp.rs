//! Handing a message to a mail server over SMTP, recipient by recipient. Called by [super::worker].
//! Sources: RFC 5321 (SMTP), RFC 3207 (STARTTLS), RFC 4954 (AUTH), RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8).

mod attempt;
mod client;
#[cfg(test)]
mod encryption_tests;
mod settings;
mod tls;
mod transaction;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout, timeout_at};

use super::endpoint::{SmtpEndpoint, SmtpSecret};
use super::message::{Takes, envelope_address, mail_for, sender_address};
use super::transcript::Transcript;
use crate::domain::adapter::TlsMode;
use crate::domain::adapter::fault::AdapterFault;
use crate::domain::error::AppError;
use crate::domain::ids::{AdapterId, EmailId};
use crate::server::store::outbox::Outgoing;
pub use attempt::{Attempt, RecipientOutcome, Standing, clean};
use attempt::{attempt, failed};
use client::{Broken, Client, Reply};
pub use settings::SmtpSettings;
pub use tls::Tls;
use transaction::Transaction;

/// How long a parting word to a server may take.
const QUIT_TIMEOUT: Duration = Duration::from_secs(2);

/// The adapter that an attempt goes by.
#[derive(Clone, Debug)]
pub struct SmtpRoute {
    pub adapter_id: AdapterId,
    pub endpoint: SmtpEndpoint,
    pub secret: SmtpSecret,
    /// The message's own address for what comes back; the sender's where there is none.
    pub bounce_address: Option<String>,
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
        let connecting = self.connect(route, &Transcript::default()).await;
        let connection = connecting.map_err(|Unusable { reason, .. }| AppError::Adapter(reason))?;
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
        let from = match &route.bounce_address {
            Some(address) => envelope_address(address),
            None => sender_address(&outgoing.from_address),
        };
        let from = match from {
            Ok(from) => from,
            Err(cause) => return Some(Attempt::ended(pending, &failed(&cause), AdapterFault::Unusable)),
        };
        let transcript = Transcript::default();
        let mut kept = self.kept(&route.key()).await;
        loop {
            let is_kept = kept.is_some();
            let connection = match kept.take() {
                Some(kept) => Ok(kept),
                None => self.connect(route, &transcript).await,
            };
            let mut connection = match connection {
                Ok(connection) => connection,
                Err(Unusable { reason, fault }) => {
                    let (standing, said) = (Standing::Down, transcript.take());
                    let ended = Attempt::ended(pending, &RecipientOutcome::Unreachable { reason }, fault);
                    return Some(Attempt { standing, said, ..ended });
                }
            };
            connection.client.transcript = transcript.clone();
            let offers = &connection.client.offers;
            let takes = Takes { utf8: offers.smtputf8, eight_bit: offers.eight_bit_mime };
            let (message, message_id) = match mail_for(outgoing, email_id, date, takes) {
                Ok(mail) => mail,
                Err(cause) => {
                    self.keep(route.key(), connection);
                    return Some(Attempt::ended(pending, &failed(&cause), AdapterFault::Unusable));
                }
            };
            let mut transaction = Transaction::new(&mut connection.client, &self.settings, pending, takes.utf8);
            let is_done = transaction.run(&from, &message, &before_data).await;
            let Transaction { outcomes, is_usable, is_closed, is_down, fault, .. } = transaction;
            if is_closed && is_kept {
                continue;
            }
            let said = transcript.take();
            connection.messages += 1;
            connection.client.transcript = Transcript::default();
            let tls = connection.client.tls.clone();
            let standing = if is_down { Standing::Down } else { Standing::Works };
            if is_usable {
                self.keep(route.key(), connection);
            }
            return is_done.then(|| {
                let ended = attempt(pending, outcomes, &message_id);
                Attempt { fault, standing, said, tls, ..ended }
            });
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

    async fn connect(&self, route: &SmtpRoute, transcript: &Transcript) -> Result<Connection, Unusable> {
        transcript.say(format!("(connects to {}:{})", route.endpoint.host, route.endpoint.port));
        let connecting = self.try_to_connect(route, transcript).await;
        connecting.inspect_err(|unusable| transcript.hear(format!("({})", unusable.reason)))
    }

    async fn try_to_connect(&self, route: &SmtpRoute, transcript: &Transcript) -> Result<Connection, Unusable> {
        let SmtpEndpoint { host, port, .. } = &route.endpoint;
        let server = format!("{host}:{port}");
        let limit = self.settings.connect_timeout;
        let until = Instant::now() + limit;
        let late = |fault| {
            let reason = format!("{server} did not answer within {} seconds", limit.as_secs_f64());
            move |_| Unusable { reason, fault }
        };
        let connecting = client::connect(self.settings.outbound, host, *port);
        let stream = timeout_at(until, connecting).await.map_err(late(AdapterFault::Unreachable))?;
        let stream = stream.map_err(|cause| cannot_connect(&server, &cause.to_string(), cause.fault()))?;
        let opening = self.open(Client::new(stream, transcript.clone()), route, &server);
        let client = timeout_at(until, opening).await.map_err(late(AdapterFault::Silent))??;
        Ok(Connection { client, idle_since: Instant::now(), messages: 0 })
    }

    /// Greets a server, encrypts as the adapter says, and logs in.
    async fn open(&self, mut client: Client, route: &SmtpRoute, server: &str) -> Result<Client, Unusable> {
        let SmtpEndpoint { host, tls, .. } = &route.endpoint;
        let hello = self.settings.hello_name.clone().unwrap_or_else(own_name);
        let no_tls = |why: &str, fault| Unusable::new("Cannot encrypt the connection to", server, why, fault);
        let no_greeting = |(why, fault): (String, AdapterFault)| cannot_connect(server, &why, fault);
        let mut is_encrypted = *tls == TlsMode::Implicit;
        if is_encrypted {
            client = client
                .encrypt(&self.settings.tls, host, is_lenient(route))
                .await
                .map_err(|cause| no_tls(&cause.to_string(), cause.tls_fault()))?;
        }
        accepted(client.greeting().await, AdapterFault::Unwelcome).map_err(no_greeting)?;
        accepted(client.hello(&hello).await, AdapterFault::Unwelcome).map_err(no_greeting)?;
        let can_encrypt = client.offers.starttls && !is_encrypted;
        match tls {
            TlsMode::Required if !can_encrypt => {
                let reason = format!("{server} offers no encryption (STARTTLS), and the adapter requires it");
                return Err(Unusable { reason, fault: AdapterFault::TlsNotOffered });
            }
            TlsMode::Required | TlsMode::Opportunistic if can_encrypt => {
                let no_tls = |(why, fault): (String, AdapterFault)| no_tls(&why, fault);
                accepted(client.command("STARTTLS").await, AdapterFault::TlsNotOffered).map_err(no_tls)?;
                client = client
                    .encrypt(&self.settings.tls, host, is_lenient(route))
                    .await
                    .map_err(|cause| no_tls((cause.to_string(), cause.tls_fault())))?;
                // What was said before the encryption counts for nothing.
                accepted(client.hello(&hello).await, AdapterFault::TlsFailed).map_err(no_tls)?;
                is_encrypted = true;
            }
            TlsMode::Implicit | TlsMode::Required | TlsMode::Opportunistic | TlsMode::None => {}
        }
        if let Some(user) = &route.secret.user {
            if !is_encrypted && !route.endpoint.is_loopback() {
                let reason = format!("{server} is not encrypted, so the password was not sent to it");
                return Err(Unusable { reason, fault: AdapterFault::LogInInTheOpen });
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
            Err(Unusable { reason, fault: AdapterFault::LogInNotOffered })
        }
        Ok(Some(reply)) if reply.is_done() => Ok(()),
        Ok(Some(reply)) => {
            // Another code speaks of another time. Source: RFC 4954, section 6.
            let fault = if reply.code < 500 { AdapterFault::Later } else { AdapterFault::LogInRefused };
            Err(Unusable::new("The log-in was refused by", server, &reply.words(), fault))
        }
        Err(cause) => {
            Err(Unusable::new("The log-in failed at", server, &cause.to_string(), AdapterFault::LogInRefused))
        }
    }
}

/// Why a server did not do what it was asked: `refused` where it says no.
fn accepted(answer: Result<Reply, Broken>, refused: AdapterFault) -> Result<(), (String, AdapterFault)> {
    match answer {
        Ok(reply) if reply.is_done() => Ok(()),
        Ok(reply) => Err((reply.words(), refused)),
        Err(cause) => Err((cause.to_string(), cause.fault())),
    }
}

/// Why a server cannot be used now.
struct Unusable {
    reason: String,
    fault: AdapterFault,
}

impl Unusable {
    fn new(what: &str, server: &str, why: &str, fault: AdapterFault) -> Self {
        Self { reason: format!("{what} {server}: {}", clean(why)), fault }
    }
}

fn cannot_connect(server: &str, why: &str, fault: AdapterFault) -> Unusable {
    Unusable::new("Cannot connect to", server, why, fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::demo::sink::{Sink, SinkSettings};
    use crate::server::outbound::Outbound;

    fn sender() -> SmtpSender {
        let outbound = Outbound::new(true);
        SmtpSender::new(SmtpSettings { connect_timeout: Duration::from_secs(5), outbound, ..SmtpSettings::default() })
    }

    fn route(url: &str) -> SmtpRoute {
        let (endpoint, secret) = SmtpEndpoint::parse(url).unwrap();
        SmtpRoute { adapter_id: AdapterId(1), endpoint, secret, bounce_address: None }
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
        let refused = SmtpSender::new(settings).connect(&route(&url), &Transcript::default()).await.err().unwrap();
        assert!(refused.reason.contains("did not answer within 0.2 seconds"), "{}", refused.reason);
        assert_eq!(refused.fault, AdapterFault::Silent);
    }
}

//! Handing a message of another channel than email to an address of the team's: one JSON object by HTTP POST. Called by
//! [super::worker]. Every attempt carries the same `Idempotency-Key`, so that one whose outcome is not known can be made
//! again. Sources: RFC 9110 (statuses, `Retry-After`), draft-ietf-httpapi-idempotency-key-header.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::OnceCell;
use tokio_rustls::rustls;

use super::http_endpoint::{HttpEndpoint, HttpLogIn, HttpSecret};
use super::http_words::{answer_step, request_head, request_step};
use super::smtp::{Attempt, RecipientOutcome, Standing, clean};
use crate::domain::adapter::fault::AdapterFault;
use crate::domain::channel::Channel;
use crate::domain::exchange::Step;
use crate::domain::ids::{EmailId, NotificationId};
use crate::server::outbound::{Outbound, Proxies, Unreachable, innermost};
use crate::server::store::outbox::Outgoing;

/// How much of an answer is read, in bytes.
const ANSWER_CAP: usize = 64 * 1024;

/// How much of an answer is told in the timeline, in characters.
const SHOWN_CHARS: usize = 300;

/// The longest id that is taken from an answer, in characters.
const ID_CHARS: usize = 200;

/// The longest pause that an answer can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// How the sender behaves towards the servers it posts to.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    pub connect_timeout: Duration,
    /// How long everything may take, from connecting to the end of the answer.
    pub timeout: Duration,
    /// How much of an answer is read.
    pub answer_bytes: usize,
    pub proxies: Proxies,
    pub outbound: Outbound,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            answer_bytes: ANSWER_CAP,
            proxies: Proxies::default(),
            outbound: Outbound::default(),
        }
    }
}

/// The adapter that an attempt goes by.
#[derive(Clone, Debug)]
pub struct HttpRoute {
    pub endpoint: HttpEndpoint,
    pub secret: HttpSecret,
}

/// Posts messages and keeps connections for the next ones.
pub struct HttpSender {
    settings: HttpSettings,
    /// Made for the first message: it reads the certificates to trust.
    client: OnceCell<Client>,
}

/// A message on the wire.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    id: EmailId,
    channel: Channel,
    /// From 1.
    attempt: i64,
    created_at: String,
    notification_id: Option<NotificationId>,
    #[serde(rename = "type")]
    notification_kind: Option<&'a str>,
    external_user_id: Option<&'a str>,
    from: &'a str,
    to: Vec<To<'a>>,
    subject: &'a str,
    text: Option<&'a str>,
    html: Option<&'a str>,
    variables: &'a Value,
    tags: &'a [String],
    metadata: &'a Value,
}

#[derive(Serialize)]
struct To<'a> {
    address: &'a str,
    name: Option<&'a str>,
}

impl HttpSender {
    /// A sender without connections.
    pub fn new(settings: HttpSettings) -> Self {
        Self { settings, client: OnceCell::new() }
    }

    /// Posts a message for the `pending` recipients and tells what became of it. `attempt` counts from 1.
    pub async fn send(
        &self,
        route: &HttpRoute,
        outgoing: &Outgoing,
        email_id: EmailId,
        attempt: i64,
        pending: &[String],
    ) -> Attempt {
        let body = match serde_json::to_vec(&message(outgoing, email_id, attempt, pending)) {
            Ok(body) => body,
            Err(cause) => {
                let reason = format!("The message cannot be written: {cause}");
                return Attempt::ended(pending, &RecipientOutcome::Unreachable { reason }, AdapterFault::Unusable);
            }
        };
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Ok(key) = HeaderValue::from_str(&email_id.to_string()) {
            headers.insert(HeaderName::from_static("idempotency-key"), key);
        }
        let url = route.endpoint.with_query(&route.secret);
        let head = request_head("POST", url.as_str(), &headers);
        let make = |client: &Client| {
            let request = client.post(url).headers(headers.clone()).body(body.clone());
            with_log_in(request, &route.secret)
        };
        let result = self.exchange(route.endpoint.host(), make).await;
        let bodies: Vec<&str> = [&outgoing.html, &outgoing.text].into_iter().flatten().map(String::as_str).collect();
        let whole = |head| request_step(head, &headers, &body, &bodies);
        match result {
            Err(NoAnswer { reason, fault, may_have_arrived }) => {
                let standing = if may_have_arrived { Standing::Unclear } else { Standing::Down };
                let said = vec![whole(head), Step { is_ours: false, text: format!("({reason})") }];
                let ended = Attempt::ended(pending, &RecipientOutcome::Unreachable { reason }, fault);
                Attempt { standing, said, ..ended }
            }
            Ok(answer) => {
                let is_taken = answer.status.is_success();
                let asked = if is_taken { Step { is_ours: true, text: head } } else { whole(head) };
                let said = vec![asked, answer_step(answer.status, &answer.headers, &answer.body, &bodies, is_taken)];
                Attempt {
                    provider_message_id: is_taken.then(|| answer.message_id()).flatten(),
                    retry_after: retry_after(&answer.headers),
                    fault: answer.fault(),
                    standing: standing_of(answer.status.as_u16()),
                    said,
                    ..Attempt::all(pending, &answer.outcome(route.endpoint.host()))
                }
            }
        }
    }

    /// Makes a request of a host that this server may connect to, and reads the answer.
    pub(super) async fn exchange(
        &self,
        host: &str,
        make: impl FnOnce(&Client) -> RequestBuilder,
    ) -> Result<Answer, NoAnswer> {
        let unsent = |reason, fault| NoAnswer { reason, fault, may_have_arrived: false };
        let HttpSettings { outbound, proxies, .. } = &self.settings;
        let checked = outbound.check_request(host, proxies).await;
        checked.map_err(|cause| unsent(format!("Cannot connect to {host}: {cause}"), cause.fault()))?;
        let client = self.client().await.map_err(|reason| unsent(reason, AdapterFault::Unusable))?;
        let response = make(client).send().await.map_err(|cause| NoAnswer {
            fault: fault_of(&cause),
            may_have_arrived: !cause.is_connect() && !cause.is_builder(),
            reason: self.why_unreachable(host, cause),
        })?;
        Ok(Answer::read(response, self.settings.answer_bytes).await)
    }

    async fn client(&self) -> Result<&Client, String> {
        let make = || async {
            let HttpSettings { connect_timeout, timeout, proxies, outbound, .. } = self.settings.clone();
            let building = tokio::task::spawn_blocking(move || {
                let builder = Client::builder()
                    .user_agent(concat!("Sendlog/", env!("CARGO_PKG_VERSION")))
                    .redirect(Policy::none())
                    .dns_resolver(outbound.resolver(proxies.hosts()))
                    .connect_timeout(connect_timeout)
                    .timeout(timeout);
                proxies.set(builder)?.build()
            });
            let built = building.await.map_err(|cause| cause.to_string())?;
            built.map_err(|cause| format!("This machine cannot make HTTP requests: {}", innermost(&cause)))
        };
        self.client.get_or_try_init(make).await
    }

    fn why_unreachable(&self, host: &str, cause: reqwest::Error) -> String {
        // The address can hold a key.
        let cause = cause.without_url();
        if cause.is_timeout() && !cause.is_connect() {
            return format!("{host} did not answer within {} seconds", self.settings.timeout.as_secs_f64());
        }
        let what = if cause.is_connect() { "Cannot connect to" } else { "The connection broke to" };
        clean(&format!("{what} {host}: {}", innermost(&cause)))
    }
}

/// The step at which a request ended.
fn fault_of(cause: &reqwest::Error) -> AdapterFault {
    let mut source = std::error::Error::source(cause);
    while let Some(inner) = source {
        if let Some(unreachable) = inner.downcast_ref::<Unreachable>() {
            return unreachable.fault();
        }
        // The error of a handshake is within one of input and output, which does not name it as its source.
        let io = inner.downcast_ref::<io::Error>();
        let tls = io.and_then(|io| io.get_ref()).and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match (io.map(io::Error::kind), tls.or_else(|| inner.downcast_ref())) {
            (_, Some(rustls::Error::InvalidCertificate(_))) => return AdapterFault::Certificate,
            (_, Some(_)) => return AdapterFault::TlsFailed,
            (Some(io::ErrorKind::ConnectionRefused), None) => return AdapterFault::ConnectionRefused,
            (Some(_) | None, None) => source = inner.source(),
        }
    }
    match (cause.is_timeout(), cause.is_connect()) {
        (true, false) => AdapterFault::Silent,
        (true, true) | (false, true) => AdapterFault::Unreachable,
        (false, false) => AdapterFault::Broken,
    }
}

fn message<'a>(outgoing: &'a Outgoing, id: EmailId, attempt: i64, pending: &'a [String]) -> Message<'a> {
    let is_pending = |address: &String| pending.contains(address);
    let recipients = outgoing.recipients.iter().filter(|recipient| is_pending(&recipient.address));
    Message {
        id,
        channel: outgoing.channel,
        attempt,
        created_at: id.created_at().to_rfc3339_opts(SecondsFormat::Millis, true),
        notification_id: outgoing.notification_id,
        notification_kind: outgoing.notification_kind.as_deref(),
        external_user_id: outgoing.external_user_id.as_deref(),
        from: &outgoing.from_address,
        to: recipients.map(|recipient| To { address: &recipient.address, name: recipient.name.as_deref() }).collect(),
        subject: &outgoing.subject,
        text: outgoing.text.as_deref(),
        html: outgoing.html.as_deref(),
        variables: &outgoing.variables,
        tags: &outgoing.tags,
        metadata: &outgoing.metadata,
    }
}

fn with_log_in(request: RequestBuilder, secret: &HttpSecret) -> RequestBuilder {
    match &secret.log_in {
        Some(HttpLogIn::Bearer(token)) => request.bearer_auth(token),
        Some(HttpLogIn::Basic(user, password)) => request.basic_auth(user, Some(password)),
        None => request,
    }
}

/// What a status says of the adapter. A gateway that gave up waiting does not know what became of the message.
pub(super) fn standing_of(status: u16) -> Standing {
    match status {
        401 | 407 => Standing::Down,
        425 | 429 => Standing::Busy,
        408 | 504 | 520 | 524 => Standing::Unclear,
        500.. => Standing::Down,
        _ => Standing::Works,
    }
}

/// What a server answered.
pub(super) struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Its beginning.
    pub body: Vec<u8>,
}

/// Why there is no answer.
pub(super) struct NoAnswer {
    /// A sentence for the timeline.
    pub reason: String,
    pub fault: AdapterFault,
    /// Whether the request can have reached the server.
    pub may_have_arrived: bool,
}

impl Answer {
    /// Reads an answer, up to `cap` bytes of its body. The status counts, whether the body arrives whole or not.
    async fn read(mut response: Response, cap: usize) -> Self {
        let (status, headers, mut body) = (response.status(), response.headers().clone(), Vec::new());
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend(chunk.iter().take(cap - body.len()));
            if body.len() >= cap {
                break;
            }
        }
        Self { status, headers, body }
    }

    fn outcome(&self, host: &str) -> RecipientOutcome {
        let reply = self.shown();
        match self.status.as_u16() {
            200..=299 => RecipientOutcome::Accepted { reply },
            // The adapter has to be mended; then the message can go.
            401 | 407 => RecipientOutcome::Unreachable { reason: format!("The log-in was refused by {host}: {reply}") },
            408 | 425 | 429 | 500.. => RecipientOutcome::Deferred { reply },
            300..=399 => RecipientOutcome::Failed {
                reason: format!(
                    "{host} answered {reply}. Redirects are not followed: set the adapter to where it leads"
                ),
            },
            _ => RecipientOutcome::Failed { reason: reply },
        }
    }

    /// What the status is to whoever sets an adapter up; `None` for a message that was taken.
    fn fault(&self) -> Option<AdapterFault> {
        match self.status.as_u16() {
            200..=299 => None,
            401 | 403 | 407 => Some(AdapterFault::LogInRefused),
            300..=399 | 404 | 405 | 410 => Some(AdapterFault::WrongUrl),
            408 | 425 | 429 | 500.. => Some(AdapterFault::Later),
            _ => Some(AdapterFault::ContentRefused),
        }
    }

    /// The status and the beginning of the body, on one line.
    fn shown(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let short: String = clean(&text).split_whitespace().collect::<Vec<_>>().join(" ");
        let short: String = short.chars().take(SHOWN_CHARS).collect();
        let status = format!("{} {}", self.status.as_u16(), self.status.canonical_reason().unwrap_or_default());
        if short.is_empty() { status.trim().to_owned() } else { format!("{}: {short}", status.trim()) }
    }

    /// The id that the server gave the message.
    fn message_id(&self) -> Option<String> {
        let answer: HashMap<String, &RawValue> = serde_json::from_slice(&self.body).ok()?;
        let id = ["id", "messageId", "message_id"].iter().find_map(|name| {
            let json = answer.get(*name)?.get();
            match json.as_bytes().first()? {
                b'"' => serde_json::from_str(json).ok(),
                // The digits as they stand: an id beyond 64 bits is one too.
                b'-' | b'0'..=b'9' => Some(json.to_owned()),
                _ => None,
            }
        })?;
        let is_id = !id.is_empty() && id.chars().count() <= ID_CHARS && !id.chars().any(char::is_control);
        is_id.then_some(id)
    }
}

/// The pause that an answer asks for: seconds, or until a date.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds).min(LONGEST_PAUSE));
    }
    let until = DateTime::parse_from_rfc2822(text).ok()?.with_timezone(&Utc);
    // The server's own clock, where it tells it: ours may differ.
    let date = headers.get(reqwest::header::DATE)?.to_str().ok()?;
    let now = DateTime::parse_from_rfc2822(date).ok()?.with_timezone(&Utc);
    (until - now).to_std().ok().map(|pause| pause.min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn statuses_mean_what_http_says() {
        let of = |status: u16| answer(status, "no").outcome("h.example");
        assert!(matches!(of(204), RecipientOutcome::Accepted { reply } if reply == "204 No Content: no"));
        for status in [408, 425, 429, 500, 503, 599] {
            assert!(matches!(of(status), RecipientOutcome::Deferred { .. }), "{status}");
        }
        for status in [301, 400, 403, 404, 422] {
            assert!(matches!(of(status), RecipientOutcome::Failed { .. }), "{status}");
        }
        assert!(matches!(of(401), RecipientOutcome::Unreachable { .. }));
    }

    #[test]
    fn the_id_is_taken_from_the_answer() {
        for (body, id) in [
            (r#"{"id":"m1","messageId":"m2"}"#, Some("m1")),
            (r#"{"id":null,"messageId":"m2"}"#, Some("m2")),
            (r#"{"message_id":17}"#, Some("17")),
            (r#"{"id":12345678901234567890123}"#, Some("12345678901234567890123")),
            (r#"{"id": -1.50 }"#, Some("-1.50")),
            (r#"{"id":true,"messageId":[1],"message_id":"a\u00e9"}"#, Some("aé")),
            (r#"["id"]"#, None),
            (r#"{"id":""}"#, None),
            (r#"{"id":{"a":1}}"#, None),
            ("queued", None),
            ("", None),
        ] {
            assert_eq!(answer(200, body).message_id().as_deref(), id, "{body}");
        }
    }

    #[test]
    fn a_pause_is_read_in_seconds_and_as_a_date() {
        let pause = |text: &str| {
            let date = "Sat, 20 Jan 2024 12:00:00 GMT";
            let headers = [(RETRY_AFTER, text.parse().unwrap()), (reqwest::header::DATE, date.parse().unwrap())];
            retry_after(&HeaderMap::from_iter(headers)).map(|pause| pause.as_secs())
        };
        assert_eq!(pause("120"), Some(120));
        assert_eq!(pause("99999999"), Some(86_400));
        assert_eq!(pause("Sat, 20 Jan 2024 12:01:30 GMT"), Some(90));
        assert_eq!(pause("Sat, 20 Jan 2024 11:00:00 GMT"), None);
        assert_eq!(pause("soon"), None);
    }
}

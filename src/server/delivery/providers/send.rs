//! Makes the requests of the providers' adapters, at their pace, and gathers what became of each recipient.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::{Instant, sleep_until};

use super::{Account, Attempt, OutMessage, OutRequest, Provider, RecipientOutcome, batches};
use crate::domain::adapter::fault::AdapterFault;
use crate::domain::channel::Channel;
use crate::domain::exchange::Step;
use crate::domain::ids::{AdapterId, EmailId};
use crate::domain::mailbox::Mailbox;
use crate::server::delivery::http::{HttpSender, NoAnswer, standing_of};
use crate::server::delivery::http_endpoint::{HttpEndpoint, HttpSecret};
use crate::server::delivery::http_words::{answer_step, request_head, request_step};
use crate::server::delivery::mailbox::{parse_mailbox, parse_mailboxes};
use crate::server::delivery::message::marked;
use crate::server::delivery::smtp::Standing;
use crate::server::store::outbox::Outgoing;

/// The setting of an adapter that says how many requests it makes in a second.
pub const PER_SECOND: &str = "perSecond";

/// How long an attempt itself waits where a provider asks for a pause, and how often. A longer pause ends the attempt.
const SHORT_PAUSE: Duration = Duration::from_secs(5);
const SHORT_PAUSES: u32 = 3;

/// The adapter that an attempt goes by.
pub struct ProviderRoute {
    pub adapter_id: AdapterId,
    pub provider: Provider,
    pub endpoint: HttpEndpoint,
    pub secret: HttpSecret,
}

/// Sends messages by the APIs of providers.
pub struct ProviderSender {
    http: Arc<HttpSender>,
    /// When an adapter's next request may go.
    next: Mutex<HashMap<AdapterId, Instant>>,
}

impl ProviderSender {
    /// A sender that shares the connections of `http`.
    pub fn new(http: Arc<HttpSender>) -> Self {
        Self { http, next: Mutex::default() }
    }

    /// Sends a message to the `pending` recipients, in as many requests as the provider needs, and tells what became of it.
    /// `before` runs before the first one: where it gives `false`, nothing goes out and there is no attempt.
    pub async fn send(
        &self,
        route: &ProviderRoute,
        outgoing: &Outgoing,
        (email_id, now): (EmailId, DateTime<Utc>),
        pending: &[String],
        before: impl AsyncFnOnce() -> bool,
    ) -> Option<Attempt> {
        let account = Account::of(&route.endpoint, &route.secret);
        let (id, mailboxes) = (email_id.to_string(), mailboxes(outgoing));
        let (from, reply_to) = match mailboxes {
            Ok(mailboxes) => mailboxes,
            Err(reason) => return Some(unusable(pending, reason)),
        };
        // The id stands where providers look for it, which the request says otherwise where it can.
        let mime = outgoing.mime.as_deref().map(|mime| marked(mime, outgoing, email_id));
        let bodies: Vec<&str> = [&outgoing.html, &outgoing.text].into_iter().flatten().map(String::as_str).collect();
        let (mut before, mut parts) = (Some(before), Vec::new());
        for batch in batches(&outgoing.recipients, pending, route.provider.limits.recipients) {
            let message = message(outgoing, &id, (&from, &reply_to), &batch, mime.as_deref(), now);
            let request = (route.provider.request)(&account, &message).and_then(|request| checked(request, route));
            let request = match request {
                Ok(request) => request,
                Err(reason) => {
                    parts.push(unusable(&batch, reason));
                    continue;
                }
            };
            if let Some(before) = before.take()
                && !before().await
            {
                return None;
            }
            parts.push(self.send_at_its_pace(route, &account, &request, &bodies, &batch).await);
        }
        Some(together(parts, pending))
    }

    /// Makes a request when the adapter's turn comes, and again after a short pause that the provider asks for.
    async fn send_at_its_pace(
        &self,
        route: &ProviderRoute,
        account: &Account<'_>,
        request: &OutRequest,
        bodies: &[&str],
        batch: &[String],
    ) -> Attempt {
        let of_adapter = account.option(PER_SECOND).and_then(|number| number.parse().ok());
        let per_second = of_adapter.or(route.provider.limits.requests_per_second).filter(|number| *number > 0);
        let (mut pauses, mut said) = (0, Vec::new());
        loop {
            if let Some(turn) = self.turn(route.adapter_id, per_second) {
                sleep_until(turn).await;
            }
            let mut attempt = self.exchange(route, request, bodies, batch).await;
            said.append(&mut attempt.said);
            let Some(pause) = attempt.retry_after.filter(|pause| *pause <= SHORT_PAUSE && pauses < SHORT_PAUSES) else {
                return Attempt { said, ..attempt };
            };
            pauses += 1;
            self.rest(route.adapter_id, pause);
        }
    }

    async fn exchange(
        &self,
        route: &ProviderRoute,
        request: &OutRequest,
        bodies: &[&str],
        batch: &[String],
    ) -> Attempt {
        let OutRequest { method, url, headers, body } = request.clone();
        let make = |client: &reqwest::Client| client.request(method, url).headers(headers).body(body);
        let result = self.http.exchange(route.endpoint.host(), make).await;
        let head = request_head(request.method.as_str(), &request.url, &request.headers);
        let whole = |head| request_step(head, &request.headers, &request.body, bodies);
        match result {
            Ok(answer) => {
                let status = answer.status.as_u16();
                let attempt = (route.provider.answer)(status, &answer.headers, &answer.body, batch);
                let is_taken = attempt.is_taken();
                let asked = if is_taken { Step { is_ours: true, text: head } } else { whole(head) };
                let said = vec![asked, answer_step(answer.status, &answer.headers, &answer.body, bodies, is_taken)];
                Attempt { standing: standing(status, &attempt), said, ..attempt }
            }
            Err(NoAnswer { reason, fault, may_have_arrived }) => {
                let said = vec![whole(head), Step { is_ours: false, text: format!("({reason})") }];
                let standing = if may_have_arrived { Standing::Unclear } else { Standing::Down };
                let ended = if !may_have_arrived || route.provider.is_idempotent {
                    Attempt::ended(batch, &RecipientOutcome::Unreachable { reason }, fault)
                } else {
                    Attempt::ended(batch, &RecipientOutcome::Unknown { reason }, AdapterFault::OutcomeUnknown)
                };
                Attempt { standing, said, ..ended }
            }
        }
    }

    /// When the next request of an adapter goes, which takes that turn; `None` for at once.
    fn turn(&self, id: AdapterId, per_second: Option<u32>) -> Option<Instant> {
        let now = Instant::now();
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        next.retain(|_, at| *at > now);
        let turn = next.get(&id).copied();
        if let Some(per_second) = per_second {
            next.insert(id, turn.unwrap_or(now) + Duration::from_secs(1) / per_second);
        }
        turn
    }

    /// Lets no request of an adapter go for so long.
    fn rest(&self, id: AdapterId, pause: Duration) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let at = Instant::now() + pause;
        next.entry(id).and_modify(|next| *next = (*next).max(at)).or_insert(at);
    }
}

/// The sender, and whom answers go to.
fn mailboxes(outgoing: &Outgoing) -> Result<(Mailbox, Vec<Mailbox>), String> {
    let from = match outgoing.channel {
        Channel::Email => parse_mailbox("from", &outgoing.from_address).map_err(|cause| cause.to_string())?,
        Channel::Sms | Channel::Call | Channel::Push | Channel::InApp => {
            Mailbox { name: None, address: outgoing.from_address.clone() }
        }
    };
    let reply_to = outgoing.reply_to.as_deref().map(|list| parse_mailboxes("reply-to", list)).transpose();
    Ok((from, reply_to.map_err(|cause| cause.to_string())?.unwrap_or_default()))
}

fn message<'a>(
    outgoing: &'a Outgoing,
    id: &'a str,
    (from, reply_to): (&Mailbox, &'a [Mailbox]),
    pending: &'a [String],
    mime: Option<&'a [u8]>,
    now: DateTime<Utc>,
) -> OutMessage<'a> {
    OutMessage {
        id,
        channel: outgoing.channel,
        from: from.clone(),
        reply_to,
        recipients: &outgoing.recipients,
        pending,
        subject: &outgoing.subject,
        text: outgoing.text.as_deref(),
        html: outgoing.html.as_deref(),
        attachments: &outgoing.attachments,
        headers: &outgoing.headers,
        tags: &outgoing.tags,
        metadata: &outgoing.metadata,
        mime,
        now,
    }
}

/// What an answer says of the adapter: what the provider's own words made of it counts more than the status.
fn standing(status: u16, attempt: &Attempt) -> Standing {
    let is_any = |is_meant: fn(&RecipientOutcome) -> bool| attempt.recipients.iter().any(|(_, fate)| is_meant(fate));
    if is_any(|fate| matches!(fate, RecipientOutcome::Unknown { .. })) {
        Standing::Unclear
    } else if is_any(|fate| matches!(fate, RecipientOutcome::Unreachable { .. })) {
        // The account has to be mended.
        Standing::Down
    } else if attempt.fault == Some(AdapterFault::Later) {
        match (status, standing_of(status)) {
            // The same request is under way.
            (409, _) => Standing::Unclear,
            (_, Standing::Works | Standing::Unasked) => Standing::Busy,
            (_, standing) => standing,
        }
    } else {
        Standing::Works
    }
}

fn checked(request: OutRequest, route: &ProviderRoute) -> Result<OutRequest, String> {
    let limit = route.provider.limits.bytes;
    if request.body.len() > limit {
        return Err(format!("The message is larger than the {} MB that the provider takes", limit / (1024 * 1024)));
    }
    Ok(request)
}

fn unusable(pending: &[String], reason: String) -> Attempt {
    Attempt::ended(pending, &RecipientOutcome::Failed { reason }, AdapterFault::Unusable)
}

/// One attempt of several requests. Each pending recipient has the first outcome that it met.
fn together(parts: Vec<Attempt>, pending: &[String]) -> Attempt {
    let mut whole = Attempt::nobody();
    let mut outcomes = HashMap::new();
    for part in parts {
        whole.provider_message_id = whole.provider_message_id.or(part.provider_message_id);
        whole.retry_after = whole.retry_after.max(part.retry_after);
        whole.fault = part.fault.or(whole.fault);
        whole.standing = whole.standing.max(part.standing);
        whole.said.extend(part.said);
        for (address, outcome) in part.recipients {
            outcomes.entry(address).or_insert(outcome);
        }
    }
    let unnamed = || RecipientOutcome::Failed { reason: "The message does not name this recipient".to_owned() };
    let outcome = |address: &String| (address.clone(), outcomes.remove(address).unwrap_or_else(unnamed));
    whole.recipients = pending.iter().map(outcome).collect();
    whole
}

//! Events from outside: what a provider or a script reports of messages, of Sendlog's own and of those that something
//! else sent. Called by `/api/v1/events`. An event counts once by its id, whoever reports it how often; a message's status
//! follows from its events in whatever order they come.

use std::collections::{BTreeSet, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use tracing::info;

use crate::domain::channel::Channel;
use crate::domain::error::AppError;
use crate::domain::event::{EmailEvent, EventDetail, EventKind};
use crate::domain::ids::{EmailId, TeamId};
use crate::domain::mailbox::bare_address;
use crate::domain::permission::Permission;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::store::events::NewEvent;
use crate::server::store::ingest::{Ingested, NewEntry, ReportedEvent};
use crate::server::telemetry::metrics;

/// The most events of one batch.
pub const MAX_EVENTS: usize = 10_000;
/// The longest id of an event, in characters.
pub const MAX_EVENT_ID_CHARS: usize = 200;

/// The longest id of a message at a provider, in characters.
pub const MAX_PROVIDER_ID_CHARS: usize = 500;
/// The longest recipient or sender, in characters.
const MAX_ADDRESS_CHARS: usize = 320;
/// The longest subject, in characters.
const MAX_SUBJECT_CHARS: usize = 998;
/// The longest of the other texts, in characters.
const MAX_TEXT_CHARS: usize = 4_000;

/// How far the clock of whoever reports may be ahead of ours.
const MAX_AHEAD: TimeDelta = TimeDelta::minutes(10);

/// An event as somebody reports it. It names the message by Sendlog's id or by the provider's.
#[derive(Clone, Debug, PartialEq)]
pub struct EventReport {
    /// What the event is told apart by from all others of the team.
    pub id: String,
    pub kind: EventKind,
    pub at: DateTime<Utc>,
    pub email_id: Option<EmailId>,
    /// What the provider calls the message, with or without `<` and `>`.
    pub provider_message_id: Option<String>,
    pub recipient: Option<String>,
    pub detail: EventDetail,
    /// The message's sender, for one that Sendlog did not send.
    pub from: Option<String>,
    /// The message's subject, for one that Sendlog did not send.
    pub subject: Option<String>,
    /// How the message went, for one that Sendlog did not send.
    pub channel: Option<Channel>,
}

/// What became of a reported event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reported {
    Recorded(EmailId),
    /// It, or another event of this id, stood there before.
    Duplicate(EmailId),
    /// It is about a message that is not in the log.
    Unknown(&'static str),
    Invalid(AppError),
}

/// Records a batch of events and tells of each, in their order, what became of it. What is wrong with one does not stop
/// the others. Once this returns, the events are kept. Needs `events:write`. Fields are named in errors as in
/// `/api/v1/events`: `emailId`, `providerMessageId`.
pub async fn record_events(
    app: &App,
    viewer: &Viewer,
    reports: Vec<Result<EventReport, AppError>>,
) -> Result<Vec<Reported>, AppError> {
    viewer.require(Permission::EventsWrite)?;
    record_events_of(app, viewer.team, "api", reports).await
}

/// Records events of a team's messages that something else than a viewer proves, as [record_events] does. Called by
/// [super::bounces].
pub(super) async fn record_events_of(
    app: &App,
    team: TeamId,
    source: &'static str,
    reports: Vec<Result<EventReport, AppError>>,
) -> Result<Vec<Reported>, AppError> {
    if reports.len() > MAX_EVENTS {
        return Err(AppError::invalid(format!("A batch has at most {MAX_EVENTS} events: send several batches")));
    }
    let (mut events, mut refusals) = (Vec::with_capacity(reports.len()), Vec::with_capacity(reports.len()));
    for report in reports {
        match report.and_then(|report| checked(app, report)) {
            Ok(event) => {
                events.push(event);
                refusals.push(None);
            }
            Err(error) => refusals.push(Some(error)),
        }
    }
    let mut ingested = app.store.ingest_events(team, &events).await?.into_iter().zip(&events);
    let outcome = |refusal: Option<AppError>| match refusal {
        Some(error) => Ok(Reported::Invalid(error)),
        None => ingested.next().map(|(ingested, event)| reported(ingested, event)).ok_or(AppError::Internal),
    };
    let outcomes = refusals.into_iter().map(outcome).collect::<Result<Vec<Reported>, AppError>>()?;
    let recorded = outcomes.iter().filter(|outcome| matches!(outcome, Reported::Recorded(_))).count();
    let is_refused = |outcome: &&Reported| matches!(outcome, Reported::Unknown(_) | Reported::Invalid(_));
    metrics::count_events(source, "recorded", recorded);
    metrics::count_events(source, "refused", outcomes.iter().filter(is_refused).count());
    info!(team.id = %team, recorded, reported = outcomes.len(), "recorded reported events");
    Ok(outcomes)
}

fn reported(ingested: Ingested, event: &ReportedEvent) -> Reported {
    match ingested {
        Ingested::Recorded(id) => Reported::Recorded(id),
        Ingested::Duplicate(id) => Reported::Duplicate(id),
        Ingested::Unknown if event.email_id.is_some() => Reported::Unknown("No message of this team has this emailId"),
        Ingested::Unknown => Reported::Unknown(
            "No message of this team has this providerMessageId; with a recipient, the event would start one",
        ),
    }
}

/// The events of what a provider tells, and what is wrong with those that make none. Sendlog's own id decides where the team has
/// that message; anybody can have put another text there.
pub(super) async fn read_events(
    app: &App,
    team: TeamId,
    reports: Vec<Result<EventReport, String>>,
) -> Result<(Vec<ReportedEvent>, Vec<String>), AppError> {
    let hinted: BTreeSet<EmailId> = reports.iter().flatten().filter_map(|report| report.email_id).collect();
    let hinted: Vec<EmailId> = hinted.into_iter().collect();
    let known: HashSet<EmailId> = app.store.list_known_ids(team, &hinted).await?.into_iter().collect();
    let read = |report: EventReport| {
        let email_id = report.email_id.filter(|id| known.contains(id));
        checked(app, clipped(EventReport { email_id, ..report })).map_err(|error| error.to_string())
    };
    let (mut events, mut bad) = (Vec::with_capacity(reports.len()), Vec::new());
    for report in reports {
        match report.and_then(read) {
            Ok(event) => events.push(event),
            Err(words) => bad.push(words),
        }
    }
    Ok((events, bad))
}

/// The report with its longer texts cut off where an event's end: a provider cannot be asked to say less.
pub(super) fn clipped(report: EventReport) -> EventReport {
    let clip = |text: Option<String>, most: usize| text.map(|text| text.chars().take(most).collect::<String>());
    let text = |text| clip(text, MAX_TEXT_CHARS);
    let EventDetail { message, reply, url, user_agent, ip, country, cause, server, server_ip, mx, protocol } =
        report.detail;
    EventReport {
        subject: clip(report.subject, MAX_SUBJECT_CHARS),
        detail: EventDetail {
            message: text(message),
            reply: text(reply),
            url: text(url),
            user_agent: text(user_agent),
            ip: text(ip),
            country: text(country),
            cause,
            server: text(server),
            server_ip: text(server_ip),
            mx: text(mx),
            protocol: text(protocol),
        },
        ..report
    }
}

/// Checks a report and makes the event of it.
fn checked(app: &App, report: EventReport) -> Result<ReportedEvent, AppError> {
    let id = required("id", &report.id, MAX_EVENT_ID_CHARS)?;
    if !report.kind.can_be_reported() {
        let message = format!("kind {} is Sendlog's own word about its own attempts", report.kind.as_str());
        return Err(AppError::invalid_field("kind", message));
    }
    if report.at < DateTime::UNIX_EPOCH {
        return Err(AppError::invalid_field("at", "at is before 1970"));
    }
    if report.at > app.clock.now() + MAX_AHEAD {
        return Err(AppError::invalid_field("at", "at is in the future"));
    }
    let provider_message_id = match report.provider_message_id.as_deref().map(unbracketed) {
        Some(name) => Some(required("providerMessageId", name, MAX_PROVIDER_ID_CHARS)?),
        None => None,
    };
    if report.email_id.is_none() && provider_message_id.is_none() {
        return Err(AppError::invalid_field("emailId", "emailId or providerMessageId is required"));
    }
    let recipient = optional("recipient", report.recipient, MAX_ADDRESS_CHARS)?;
    let recipient = recipient.map(|told| bare_address(&told).to_owned()).filter(|address| !address.is_empty());
    let event = EmailEvent {
        id: app.clock.mint(),
        kind: report.kind,
        at: report.at,
        recipient,
        detail: checked_detail(report.detail)?,
    };
    Ok(ReportedEvent {
        event: NewEvent { event, provider_event_id: Some(id) },
        email_id: report.email_id,
        own_id: provider_message_id.as_deref().and_then(own_id),
        provider_message_id,
        entry: NewEntry {
            channel: report.channel,
            from_address: optional("from", report.from, MAX_ADDRESS_CHARS)?,
            subject: optional("subject", report.subject, MAX_SUBJECT_CHARS)?,
        },
    })
}

fn checked_detail(detail: EventDetail) -> Result<EventDetail, AppError> {
    let text = |field: &str, text| optional(field, text, MAX_TEXT_CHARS);
    Ok(EventDetail {
        message: text("message", detail.message)?,
        reply: text("reply", detail.reply)?,
        url: text("url", detail.url)?,
        user_agent: text("userAgent", detail.user_agent)?,
        ip: text("ip", detail.ip)?,
        country: text("country", detail.country)?,
        cause: detail.cause,
        server: text("server", detail.server)?,
        server_ip: text("serverIp", detail.server_ip)?,
        mx: text("mx", detail.mx)?,
        protocol: text("protocol", detail.protocol)?,
    })
}

/// A text that must be there, as it is: what is told apart by it must not change.
fn required(field: &str, text: &str, max_chars: usize) -> Result<String, AppError> {
    let is_short = !text.is_empty() && text.chars().count() <= max_chars;
    if is_short && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    let message = format!("{field} must have 1 to {max_chars} characters, none of them a control character");
    Err(AppError::invalid_field(field, message))
}

/// A text on one line; `None` for an empty one.
fn optional(field: &str, text: Option<String>, max_chars: usize) -> Result<Option<String>, AppError> {
    let Some(text) = text else { return Ok(None) };
    if text.chars().count() > max_chars {
        return Err(AppError::invalid_field(field, format!("{field} is longer than {max_chars} characters")));
    }
    let line: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    let line = line.trim();
    Ok((!line.is_empty()).then(|| line.to_owned()))
}

/// A `Message-ID` without the brackets that belong to its notation.
fn unbracketed(name: &str) -> &str {
    name.trim().trim_start_matches('<').trim_end_matches('>')
}

/// The message that a `Message-ID` of our own names: the id stands before the `@`.
fn own_id(name: &str) -> Option<EmailId> {
    let (id, _) = name.split_once('@')?;
    id.parse().ok()
}

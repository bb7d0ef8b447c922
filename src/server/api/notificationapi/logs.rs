//! The log by notifications. Sources: NotificationAPI, Logs, "Notification States". The document says that the log's endpoint
//! is undocumented, so its answer is ours in the document's words. Times of filters are milliseconds since 1970, all others
//! ISO 8601 in UTC.

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, TimeDelta, Utc};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::words::EventWord;
use super::{Answer, ChannelName, Client};
use crate::domain::email::RecipientKind;
use crate::domain::error::AppError;
use crate::domain::event::EmailEvent;
use crate::domain::filter::TimeRange;
use crate::domain::notification::{
    EmailRecord, EntryId, LogEntry, NotificationChannel, NotificationFilter, NotificationState,
};
use crate::domain::page::PartialPage;
use crate::server::App;
use crate::server::api::canary::Timestamp;
use crate::server::api::extract::Body;
use crate::server::api::strict::{self, parse_json};
use crate::server::services::notifications;

/// The most values of a filter.
const MAX_FILTER_VALUES: usize = 100;
/// The longest value of a filter, in characters.
const MAX_FILTER_CHARS: usize = 320;
/// The most entries of a page of the log, and how many there are unless fewer are asked for.
const MAX_LIMIT: i64 = 100;
/// The last millisecond of the year 9999.
const MAX_MILLIS: i64 = 253_402_300_799_999;

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(query_logs))
}

/// Lists notifications, newest first. Messages that other systems' clients sent are entries of their own. Needs
/// `logs:view`.
#[utoipa::path(
    post, path = "/{clientId}/logs/query", tag = "logs", summary = "Query the logs",
    request_body(content = QueryBody, content_type = "application/json"),
    responses((status = 200, description = "A page of the log", body = LogPage)),
)]
async fn query_logs(State(app): State<App>, client: Client, Body(body): Body) -> Answer<LogPage> {
    let query = parse_json::<QueryBody>(&body)?.into_query()?;
    let found = notifications::list_entries(&app, &client.viewer, &query.filter, query.after, query.limit).await?;
    Ok(Json(found.into()))
}

/// Reads an object or null. A struct alone would take a list of its fields' values too.
fn object<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let fields = Option::<Map<String, Value>>::deserialize(deserializer)?;
    fields.map(|fields| strict::from_value(Value::Object(fields)).map_err(D::Error::custom)).transpose()
}

/// Which notifications to list; without a filter all. Each filter that is given must fit, by any of its values.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QueryBody {
    /// When they were sent.
    #[serde(default, deserialize_with = "object")]
    pub date_range_filter: Option<DateRangeBody>,
    /// Their type; for what other systems' clients sent, the template's name.
    #[schema(max_items = 100)]
    pub notification_filter: Option<Vec<String>>,
    /// One of their channels.
    #[schema(max_items = 100)]
    pub channel_filter: Option<Vec<ChannelName>>,
    /// The person's id, email address or number.
    #[schema(max_items = 100)]
    pub user_filter: Option<Vec<String>>,
    /// Their state.
    #[schema(max_items = 100)]
    pub status_filter: Option<Vec<StateName>>,
    /// The notifications themselves; messages of any other system are found by their ids too.
    #[schema(max_items = 100)]
    pub tracking_ids: Option<Vec<String>>,
    /// Not supported here: it must be empty.
    #[schema(max_items = 0)]
    pub request_filter: Option<Vec<String>>,
    /// There are no environments here: it must be empty.
    #[schema(max_items = 0)]
    pub env_id_filter: Option<Vec<String>>,
    /// Not supported here: it must be empty.
    #[schema(max_length = 0)]
    pub custom_filter: Option<String>,
    /// How many at most.
    #[schema(minimum = 1, maximum = 100, default = 100)]
    pub limit: Option<i64>,
    /// Where an earlier page ended, as it said.
    #[schema(value_type = Option<String>)]
    pub cursor: Option<Value>,
}

/// A span of time; an end that is not given is open, one that is given belongs to it.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DateRangeBody {
    /// The first millisecond.
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 253402300799999_i64)]
    pub start_time: Option<Millis>,
    /// The last millisecond.
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 253402300799999_i64)]
    pub end_time: Option<Millis>,
}

/// Milliseconds since 1970; a part of one is cut off.
#[derive(Clone, Copy, Debug)]
pub struct Millis(i64);

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        if (0.0..=MAX_MILLIS as f64).contains(&number) {
            return Ok(Self(number as i64));
        }
        Err(D::Error::custom(format!("a time is in milliseconds since 1970, from 0 to {MAX_MILLIS}")))
    }
}

/// What became of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StateName {
    /// It is under way.
    #[serde(alias = "RECEIVED")]
    Received,
    /// Everything was delivered, or at least handed over without a word against it.
    #[serde(alias = "SUCCESS")]
    Success,
    /// Something has gone wrong.
    #[serde(alias = "FAILURE")]
    Failure,
}

impl From<NotificationState> for StateName {
    fn from(state: NotificationState) -> Self {
        match state {
            NotificationState::Received => Self::Received,
            NotificationState::Success => Self::Success,
            NotificationState::Failure => Self::Failure,
        }
    }
}

impl From<StateName> for NotificationState {
    fn from(name: StateName) -> Self {
        match name {
            StateName::Received => Self::Received,
            StateName::Success => Self::Success,
            StateName::Failure => Self::Failure,
        }
    }
}

impl QueryBody {
    /// What the service is asked.
    pub fn into_query(self) -> Result<Query, AppError> {
        for (field, is_given) in [
            ("requestFilter", self.request_filter.is_some_and(|values| !values.is_empty())),
            ("envIdFilter", self.env_id_filter.is_some_and(|values| !values.is_empty())),
            ("customFilter", self.custom_filter.is_some_and(|text| !text.is_empty())),
        ] {
            if is_given {
                return Err(AppError::invalid_field(field, format!("{field} is not supported here: leave it out")));
            }
        }
        let range = self.date_range_filter.unwrap_or_default();
        let time = |millis: i64| DateTime::UNIX_EPOCH + TimeDelta::milliseconds(millis);
        let limit = self.limit.unwrap_or(MAX_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            let message = format!("limit must be a whole number from 1 to {MAX_LIMIT}");
            return Err(AppError::invalid_field("limit", message));
        }
        let after = match self.cursor {
            None | Some(Value::Null) => None,
            Some(cursor) => {
                let after = cursor.as_str().and_then(|text| text.parse().ok());
                let wrong = || AppError::invalid_field("cursor", "cursor must be one that an earlier page ended with");
                Some(after.ok_or_else(wrong)?)
            }
        };
        let ids = checked_values("trackingIds", self.tracking_ids)?;
        // An id that is none stands for nothing, like one of another team.
        let entries = (!ids.is_empty()).then(|| ids.iter().filter_map(|id| id.parse().ok()).collect());
        let channels = checked_count("channelFilter", self.channel_filter)?;
        let states = checked_count("statusFilter", self.status_filter)?;
        let filter = NotificationFilter {
            range: TimeRange {
                from: range.start_time.map(|millis| time(millis.0)),
                to: range.end_time.map(|millis| time(millis.0 + 1)),
            },
            kinds: checked_values("notificationFilter", self.notification_filter)?,
            channels: channels.into_iter().map(NotificationChannel::from).collect(),
            users: checked_values("userFilter", self.user_filter)?,
            states: states.into_iter().map(NotificationState::from).collect(),
            entries,
        };
        Ok(Query { filter, after, limit })
    }
}

/// A page of the log, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogPage {
    /// The entries.
    pub logs: Vec<LogBody>,
    /// What the next page is asked with; null at the end. A page has fewer entries than were asked for, or none, where
    /// its filters found no more among the tens of thousands that were looked at: the next one goes on behind them.
    #[schema(required)]
    pub cursor: Option<String>,
}

impl From<PartialPage<LogEntry, EntryId>> for LogPage {
    fn from(found: PartialPage<LogEntry, EntryId>) -> Self {
        let cursor = found.next.map(|entry| entry.to_string());
        Self { cursor, logs: found.items.into_iter().map(LogBody::from).collect() }
    }
}

/// A notification of the log. A message that another system's client sent is one too.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogBody {
    /// Its id.
    #[schema(format = "uuid")]
    pub tracking_id: String,
    /// Its type; for what another system's client sent, the template's name.
    #[schema(required)]
    pub notification_id: Option<String>,
    /// The sender's own id of the person.
    #[schema(required)]
    pub user_id: Option<String>,
    /// What became of it.
    pub state: StateName,
    /// When it was received.
    pub date: Timestamp,
    /// When it was to go out, where that was not at once.
    #[schema(required)]
    pub schedule: Option<Timestamp>,
    /// What was ignored and why, a sentence each.
    pub messages: Vec<String>,
    /// Its channels.
    pub channels: Vec<ChannelBody>,
    /// What happened to it, over all channels, oldest first.
    pub events: Vec<EventBody>,
}

/// A channel of a notification: one message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChannelBody {
    /// Which.
    pub channel: ChannelName,
    /// The message.
    #[schema(example = "eml_06xq3k9v2m4p8")]
    pub message_id: String,
    /// The addresses, numbers or ids that it is for.
    pub to: Vec<String>,
    /// The subject or title.
    pub subject: String,
    /// What became of it.
    pub state: StateName,
    /// What happened to it, oldest first.
    pub events: Vec<EventBody>,
}

/// Something that happened.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EventBody {
    /// What.
    pub event: EventWord,
    /// On which channel; not there where it is about the notification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelName>,
    /// When.
    pub date: Timestamp,
    /// Whom it is about, where the message has several recipients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// Why, in the words of whoever reported it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl From<LogEntry> for LogBody {
    fn from(entry: LogEntry) -> Self {
        let state = entry.state().into();
        let channels: Vec<ChannelBody> = entry.channels().iter().map(ChannelBody::from).collect();
        let schedule = entry.channels().iter().find_map(|record| record.email.scheduled_at).map(Timestamp);
        match entry {
            LogEntry::Notification(detail) => {
                let notification = detail.notification;
                let date = notification.created_at();
                let own = own_events(date, &notification.warnings, channels.is_empty());
                Self {
                    tracking_id: notification.id.to_uuid(),
                    user_id: notification.external_user_id,
                    state,
                    date: date.into(),
                    schedule,
                    events: in_order(own, &channels),
                    notification_id: Some(notification.kind),
                    messages: notification.warnings,
                    channels,
                }
            }
            LogEntry::Message(record) => {
                let email = record.email;
                Self {
                    tracking_id: email.id.to_uuid(),
                    date: email.created_at().into(),
                    notification_id: email.template_name,
                    user_id: email.external_user_id,
                    state,
                    schedule,
                    messages: Vec::new(),
                    events: in_order(Vec::new(), &channels),
                    channels,
                }
            }
        }
    }
}

/// What happened to the notification before it had channels: it was received, where no channel says so, and some of it
/// was ignored.
fn own_events(date: DateTime<Utc>, warnings: &[String], is_alone: bool) -> Vec<EventBody> {
    let event = |event, reason| EventBody { event, channel: None, date: date.into(), recipient: None, reason };
    let received = is_alone.then(|| event(EventWord::Received, None));
    let ignored = warnings.iter().map(|warning| event(EventWord::Ignored, Some(warning.clone())));
    received.into_iter().chain(ignored).collect()
}

fn in_order(own: Vec<EventBody>, channels: &[ChannelBody]) -> Vec<EventBody> {
    let mut events = own;
    events.extend(channels.iter().flat_map(|channel| channel.events.iter().cloned()));
    events.sort_by_key(|event| event.date.0);
    events
}

impl From<&EmailRecord> for ChannelBody {
    fn from(record: &EmailRecord) -> Self {
        let email = &record.email;
        let name = ChannelName::from(NotificationChannel::of(email));
        let event = |event: &EmailEvent| EventBody {
            event: EventWord::of(event.kind, event.detail.cause, email.channel),
            channel: Some(name),
            date: event.at.into(),
            recipient: event.recipient.clone(),
            reason: event.detail.reply.clone().or_else(|| event.detail.message.clone()),
        };
        let to = email.recipients.iter().filter(|recipient| recipient.kind == RecipientKind::To);
        Self {
            channel: name,
            message_id: email.id.to_string(),
            to: to.map(|recipient| recipient.address.clone()).collect(),
            subject: email.subject.clone(),
            state: NotificationState::of([email.status]).into(),
            events: record.events.iter().map(event).collect(),
        }
    }
}

/// What the service is asked.
#[derive(Debug)]
pub struct Query {
    pub filter: NotificationFilter,
    /// Behind which one.
    pub after: Option<EntryId>,
    pub limit: i64,
}

fn checked_count<T>(field: &str, values: Option<Vec<T>>) -> Result<Vec<T>, AppError> {
    let values = values.unwrap_or_default();
    if values.len() > MAX_FILTER_VALUES {
        let message = format!("{field} has at most {MAX_FILTER_VALUES} values");
        return Err(AppError::invalid_field(field, message));
    }
    Ok(values)
}

/// The values of a filter. One that is too long to be kept anywhere finds nothing.
fn checked_values(field: &str, values: Option<Vec<String>>) -> Result<Vec<String>, AppError> {
    let values = checked_count(field, values)?;
    Ok(values.into_iter().map(|value| value.chars().take(MAX_FILTER_CHARS + 1).collect()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_milliseconds() {
        let range = |text: &str| serde_json::from_str::<DateRangeBody>(text).map(|range| range.start_time.unwrap().0);
        assert_eq!(range(r#"{"startTime": 1719600830559}"#).unwrap(), 1_719_600_830_559);
        assert_eq!(range(r#"{"startTime": 1719600830559.7}"#).unwrap(), 1_719_600_830_559);
        for wrong in ["-1", "1e300", "\"1719600830559\"", "[]"] {
            assert!(range(&format!("{{\"startTime\": {wrong}}}")).is_err(), "{wrong}");
        }
    }
}

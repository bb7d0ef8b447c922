//! NotificationAPI's JSON. Sources: NotificationAPI, Logs, "Notification States" and "Tracked Events", for the words of
//! the log; its server SDKs' types for requests. The document says that the log's endpoint is undocumented, so its
//! answer is ours in the document's words. Times of filters are milliseconds since 1970, all others ISO 8601 in UTC.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::domain::channel::Channel;
use crate::domain::email::RecipientKind;
use crate::domain::error::AppError;
use crate::domain::event::{EmailEvent, EventCause, EventKind};
use crate::domain::filter::TimeRange;
use crate::domain::notification::{EmailRecord, EntryId, LogEntry, NotificationFilter, NotificationState, Way};
use crate::domain::page::Walked;
use crate::domain::template::TemplateSource;
use crate::server::api::canary::wire::{AttachmentBody, Timestamp};
use crate::server::api::strict;
use crate::server::services::notifications::{Content, EmailOptions, NotificationRequest, Person, SentNotification};

/// The most values of a filter.
const MAX_FILTER_VALUES: usize = 100;
/// The longest value of a filter, in characters.
const MAX_FILTER_CHARS: usize = 320;
/// The most entries of a page of the log, and how many there are unless fewer are asked for.
const MAX_LIMIT: i64 = 100;
/// The last millisecond of the year 9999.
const MAX_MILLIS: i64 = 253_402_300_799_999;
/// The longest id of a part of a notification, in characters.
const MAX_SUB_NOTIFICATION_CHARS: usize = 80;

/// A notification to send, in the present shape or in the older one (`notificationId`, `user`, `mergeTags`). Fields that
/// are not known are ignored with a warning.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SendBody {
    /// What it is about. A template of this name is what it says, unless there is content or a `templateId`.
    #[serde(rename = "type")]
    #[schema(example = "order_shipped", min_length = 1, max_length = 100)]
    pub kind: Option<String>,
    /// The older name of `type`.
    #[schema(min_length = 1, max_length = 100)]
    pub notification_id: Option<String>,
    /// Whom it is for.
    pub to: Option<UserBody>,
    /// The older name of `to`.
    pub user: Option<UserBody>,
    /// The values for `{{ … }}` in content and template.
    #[schema(value_type = Option<Object>)]
    pub parameters: Option<Map<String, Value>>,
    /// The older name of `parameters`.
    #[schema(value_type = Option<Object>)]
    pub merge_tags: Option<Map<String, Value>>,
    /// Texts to be replaced by others, after the parameters are in their places.
    pub replace: Option<BTreeMap<String, String>>,
    /// The channels to use; otherwise all for which there is content and an address.
    pub force_channels: Option<Vec<ChannelName>>,
    /// The template, by its id or name.
    #[schema(max_length = 100)]
    pub template_id: Option<String>,
    /// A part of the notification, so that it can be taken back by itself.
    #[schema(max_length = 80)]
    pub sub_notification_id: Option<String>,
    /// The older name of `subNotificationId`.
    #[schema(max_length = 80)]
    pub secondary_id: Option<String>,
    /// More about single channels.
    pub options: Option<OptionsBody>,
    /// When to send it; at once when past. At most 366 days ahead.
    #[schema(format = DateTime, example = "2024-02-20T14:38:03.509Z")]
    pub schedule: Option<String>,
    /// What the email says.
    pub email: Option<EmailBody>,
    /// What the notification within the application says.
    pub inapp: Option<InAppBody>,
    /// What the text message says.
    pub sms: Option<SmsBody>,
    /// What the call says.
    pub call: Option<CallBody>,
    /// What the notification of the browser says.
    #[serde(rename = "web_push")]
    pub web_push: Option<WebPushBody>,
    /// What the notification of the device says.
    #[serde(rename = "mobile_push")]
    pub mobile_push: Option<MobilePushBody>,
    /// There is no such channel here: ignored with a warning.
    #[schema(value_type = Option<Object>)]
    pub slack: Option<Value>,
    /// Whatever else there is.
    #[serde(flatten)]
    #[schema(value_type = BTreeMap<String, Value>)]
    pub unknown: BTreeMap<String, Value>,
}

/// Whom a notification is for. One of `id`, `email` and `number` is needed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserBody {
    /// The sender's own id of the person.
    #[schema(example = "spongebob.squarepants", max_length = 255)]
    pub id: Option<String>,
    /// The e-mail address.
    #[schema(format = Email)]
    pub email: Option<String>,
    /// The telephone number; without a country one of the USA or Canada.
    #[schema(example = "+15005550006")]
    pub number: Option<String>,
    /// The person's devices, handed on to the adapter.
    #[schema(value_type = Option<Vec<Object>>)]
    pub push_tokens: Option<Vec<Map<String, Value>>>,
    /// The person's browsers, handed on to the adapter.
    #[schema(value_type = Option<Vec<Object>>)]
    pub web_push_tokens: Option<Vec<Map<String, Value>>>,
}

/// More about single channels.
#[derive(Debug, Default, Deserialize, ToSchema)]
pub struct OptionsBody {
    /// About the email.
    pub email: Option<EmailOptionsBody>,
    /// About devices of Apple's, handed on to the adapter.
    #[schema(value_type = Option<Object>)]
    pub apn: Option<Value>,
    /// About devices by Firebase, handed on to the adapter.
    #[schema(value_type = Option<Object>)]
    pub fcm: Option<Value>,
}

/// More about an email.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmailOptionsBody {
    /// Where answers go.
    pub reply_to_addresses: Option<Vec<String>>,
    /// Further recipients, seen by everybody.
    pub cc_addresses: Option<Vec<String>>,
    /// Further recipients, seen by nobody else.
    pub bcc_addresses: Option<Vec<String>>,
    /// The sender's name.
    pub from_name: Option<String>,
    /// The sender's address, in place of the adapter's.
    pub from_address: Option<String>,
    /// What is attached: at most 20 files of 15 MiB together.
    pub attachments: Option<Vec<FileBody>>,
    /// A condition for sending; there are none here, so it is refused.
    #[schema(max_length = 0)]
    pub condition: Option<String>,
}

/// A file to attach.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileBody {
    /// The name the recipient sees.
    #[serde(alias = "fileName")]
    #[schema(example = "receipt.pdf", min_length = 1, max_length = 255)]
    pub filename: String,
    /// The bytes, in base64. Without them it is refused.
    #[schema(format = Byte)]
    pub content: Option<String>,
    /// MIME type; by default what the name's ending says.
    #[schema(example = "application/pdf")]
    pub content_type: Option<String>,
    /// Where to fetch the bytes; files are not fetched here, so it is refused.
    #[schema(max_length = 0)]
    pub url: Option<String>,
}

/// What an email says. Parameters in `{{ … }}` are replaced.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmailBody {
    /// The subject.
    #[schema(max_length = 998)]
    pub subject: String,
    /// The HTML body.
    pub html: String,
    /// What mail programs show beside the subject.
    pub preview_text: Option<String>,
    /// The sender's name.
    pub sender_name: Option<String>,
    /// The sender's address, in place of the adapter's.
    pub sender_email: Option<String>,
}

/// What a notification within the application says.
#[derive(Debug, Deserialize, ToSchema)]
pub struct InAppBody {
    /// The text.
    #[schema(max_length = 998)]
    pub title: String,
    /// Where a click leads.
    pub url: Option<String>,
    /// A picture's address.
    pub image: Option<String>,
}

/// What a text message says.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SmsBody {
    /// The text.
    pub message: Option<String>,
    /// An answer to answers, handed on to the adapter.
    #[schema(value_type = Option<Object>)]
    pub auto_reply: Option<Value>,
}

/// What a call says.
#[derive(Debug, Deserialize, ToSchema)]
pub struct CallBody {
    /// The text that is read out.
    pub message: String,
}

/// What a browser shows.
#[derive(Debug, Deserialize, ToSchema)]
pub struct WebPushBody {
    /// The title.
    #[schema(max_length = 998)]
    pub title: String,
    /// The text.
    pub message: String,
    /// A picture's address.
    pub icon: Option<String>,
    /// Where a click leads.
    pub url: Option<String>,
}

/// What a device shows.
#[derive(Debug, Deserialize, ToSchema)]
pub struct MobilePushBody {
    /// The title.
    #[schema(max_length = 998)]
    pub title: String,
    /// The text.
    pub message: String,
}

/// A channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum ChannelName {
    /// E-mail.
    #[serde(rename = "EMAIL")]
    Email,
    /// Within the application.
    #[serde(rename = "INAPP_WEB", alias = "INAPP")]
    InApp,
    /// Text message.
    #[serde(rename = "SMS")]
    Sms,
    /// Telephone call.
    #[serde(rename = "CALL")]
    Call,
    /// A device's notification.
    #[serde(rename = "PUSH")]
    Push,
    /// A browser's notification.
    #[serde(rename = "WEB_PUSH")]
    WebPush,
}

impl From<ChannelName> for Way {
    fn from(name: ChannelName) -> Self {
        match name {
            ChannelName::Email => Self::Email,
            ChannelName::InApp => Self::InApp,
            ChannelName::Sms => Self::Sms,
            ChannelName::Call => Self::Call,
            ChannelName::Push => Self::Push,
            ChannelName::WebPush => Self::WebPush,
        }
    }
}

impl From<Way> for ChannelName {
    fn from(way: Way) -> Self {
        match way {
            Way::Email => Self::Email,
            Way::Sms => Self::Sms,
            Way::Call => Self::Call,
            Way::Push => Self::Push,
            Way::WebPush => Self::WebPush,
            Way::InApp => Self::InApp,
        }
    }
}

impl SendBody {
    /// What the service is asked.
    pub fn into_request(self) -> Result<NotificationRequest, AppError> {
        let kind = self.kind.or(self.notification_id);
        let kind = kind.ok_or_else(|| AppError::invalid_field("type", "type is required"))?;
        let user = self.to.or(self.user).ok_or_else(|| AppError::invalid_field("to", "to is required"))?;
        let options = self.options.unwrap_or_default();
        let mut warnings: Vec<String> =
            self.unknown.keys().map(|name| format!("“{}” is not known and was ignored", shortened(name))).collect();
        if self.slack.is_some_and(|slack| !slack.is_null()) {
            warnings.push("Slack was left out: there is no such channel here".to_owned());
        }
        let email_options = options.email.unwrap_or_default();
        let (mut from_name, mut from_address) = (given(email_options.from_name), given(email_options.from_address));
        let mut contents = Vec::new();
        if let Some(email) = self.email {
            from_name = given(email.sender_name).or(from_name);
            from_address = given(email.sender_email).or(from_address);
            let html = match given(email.preview_text) {
                Some(preview) => with_preview(&email.html, &preview),
                None => email.html,
            };
            let source = TemplateSource { subject: email.subject, html: Some(html), text: None };
            contents.push(Content { way: Way::Email, source, data: Value::Null });
        }
        if let Some(message) = self.sms.as_ref().and_then(|sms| sms.message.clone()) {
            let data = fields([("autoReply", self.sms.and_then(|sms| sms.auto_reply))]);
            contents.push(said(Way::Sms, String::new(), Some(message), data));
        }
        if let Some(call) = self.call {
            contents.push(said(Way::Call, String::new(), Some(call.message), Value::Null));
        }
        if let Some(push) = self.mobile_push {
            let tokens = user.push_tokens.map(objects);
            let data = fields([("apn", options.apn), ("fcm", options.fcm), ("pushTokens", tokens)]);
            contents.push(said(Way::Push, push.title, Some(push.message), data));
        }
        if let Some(push) = self.web_push {
            let tokens = user.web_push_tokens.map(objects);
            let (icon, url) = (push.icon.map(Value::String), push.url.map(Value::String));
            let data = fields([("icon", icon), ("url", url), ("webPushTokens", tokens)]);
            contents.push(said(Way::WebPush, push.title, Some(push.message), data));
        }
        if let Some(inapp) = self.inapp {
            let data = fields([("url", inapp.url.map(Value::String)), ("image", inapp.image.map(Value::String))]);
            contents.push(said(Way::InApp, inapp.title, None, data));
        }
        if given(email_options.condition).is_some() {
            let message = "options.email.condition is not supported here: leave it out";
            return Err(AppError::invalid_field("options.email.condition", message));
        }
        let files = email_options.attachments.unwrap_or_default().into_iter().enumerate();
        let forced = self.force_channels.filter(|names| !names.is_empty());
        let older_tag = sub_notification_tag(self.secondary_id)?;
        let tag = sub_notification_tag(self.sub_notification_id)?.or(older_tag);
        Ok(NotificationRequest {
            kind,
            person: Person { id: given(user.id), email: given(user.email), number: given(user.number) },
            template: given(self.template_id),
            variables: Value::Object(self.parameters.or(self.merge_tags).unwrap_or_default()),
            replacements: self.replace.unwrap_or_default().into_iter().collect(),
            contents,
            forced: forced.map(|names| names.into_iter().map(Way::from).collect()),
            email: EmailOptions {
                from_name,
                from_address,
                reply_to: email_options.reply_to_addresses.unwrap_or_default(),
                cc: email_options.cc_addresses.unwrap_or_default(),
                bcc: email_options.bcc_addresses.unwrap_or_default(),
                attachments: files.map(|(index, file)| file.decode(index)).collect::<Result<_, _>>()?,
            },
            tags: tag.into_iter().collect(),
            scheduled_at: given(self.schedule).map(|text| instant("schedule", &text)).transpose()?,
            warnings,
        })
    }
}

impl FileBody {
    fn decode(self, index: usize) -> Result<crate::server::services::send::Attachment, AppError> {
        let Some(content) = self.content else {
            let message = format!("attachments[{index}] needs content in base64: files are not fetched by url here");
            return Err(AppError::invalid_field(format!("attachments[{index}].content"), message));
        };
        AttachmentBody { filename: self.filename, content, content_type: given(self.content_type) }.decode(index)
    }
}

/// A text that says something.
fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

fn said(way: Way, title: String, message: Option<String>, data: Value) -> Content {
    Content { way, source: TemplateSource { subject: title, html: None, text: message }, data }
}

/// An object of the fields that are there.
fn fields<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let known = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(known.filter(|(_, value)| !value.is_null()).collect())
}

/// The HTML with a line before it that mail programs show beside the subject, and nowhere else.
fn with_preview(html: &str, preview: &str) -> String {
    let preview = preview.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let hidden = format!("<div style=\"display:none;max-height:0;overflow:hidden\">{preview}</div>");
    let lower = html.to_ascii_lowercase();
    let body_ends = lower.find("<body").and_then(|start| Some(start + lower[start..].find('>')? + 1));
    let (before, after) = html.split_at(body_ends.unwrap_or(0));
    format!("{before}{hidden}{after}")
}

fn instant(field: &str, text: &str) -> Result<DateTime<Utc>, AppError> {
    DateTime::parse_from_rfc3339(text).map(|at| at.with_timezone(&Utc)).map_err(|_| {
        let message = format!("{field} must be an ISO 8601 date and time, like 2024-02-20T14:38:03.509Z");
        AppError::invalid_field(field, message)
    })
}

fn shortened(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(100).collect()
}

/// The label of the messages of a part of a notification.
fn sub_notification_tag(id: Option<String>) -> Result<Option<String>, AppError> {
    let Some(id) = given(id) else { return Ok(None) };
    if id.chars().count() > MAX_SUB_NOTIFICATION_CHARS || id.chars().any(char::is_control) {
        let message = format!("subNotificationId must be one line of at most {MAX_SUB_NOTIFICATION_CHARS} characters");
        return Err(AppError::invalid_field("subNotificationId", message));
    }
    Ok(Some(format!("sub:{}", id.trim())))
}

/// A notification has been accepted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sent {
    /// The notification.
    #[schema(format = "uuid", example = "018d2f5c-1f00-7000-8000-0123456789ab")]
    pub tracking_id: String,
    /// What was ignored and why, a sentence each.
    pub messages: Vec<String>,
}

impl Sent {
    /// The answer where nothing was ignored.
    pub fn without_messages(id: EntryId) -> Self {
        let tracking_id = match id {
            EntryId::Notification(id) => id.to_uuid(),
            EntryId::Message(id) => id.to_uuid(),
        };
        Self { tracking_id, messages: Vec::new() }
    }
}

impl From<SentNotification> for Sent {
    fn from(sent: SentNotification) -> Self {
        Self { tracking_id: sent.id.to_uuid(), messages: sent.warnings }
    }
}

/// Which notifications to take back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetractBody {
    /// Their type.
    #[serde(alias = "type")]
    #[schema(example = "order_shipped")]
    pub notification_id: String,
    /// The sender's own id of the person.
    #[schema(example = "spongebob.squarepants")]
    pub user_id: String,
    /// The part of the notification.
    #[schema(max_length = 80)]
    pub sub_notification_id: Option<String>,
    /// The older name of `subNotificationId`.
    #[schema(max_length = 80)]
    pub secondary_id: Option<String>,
}

fn objects(items: Vec<Map<String, Value>>) -> Value {
    items.into_iter().map(Value::Object).collect()
}

/// Reads an object or null. A struct alone would take a list of its fields' values too.
fn object<'de, T: DeserializeOwned, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let fields = Option::<Map<String, Value>>::deserialize(deserializer)?;
    fields.map(|fields| strict::from_value(Value::Object(fields)).map_err(D::Error::custom)).transpose()
}

impl RetractBody {
    /// The label of the messages that are meant; `None` for any.
    pub fn tag(&self) -> Result<Option<String>, AppError> {
        let older_tag = sub_notification_tag(self.secondary_id.clone())?;
        Ok(sub_notification_tag(self.sub_notification_id.clone())?.or(older_tag))
    }
}

/// What became of taking back.
#[derive(Debug, Serialize, ToSchema)]
pub struct Retracted {
    /// How many messages were taken back.
    #[schema(minimum = 0)]
    pub retracted: usize,
    /// Why nothing was, a sentence.
    pub messages: Vec<String>,
}

impl Retracted {
    /// The answer for so many messages.
    pub fn of(retracted: usize) -> Self {
        let nothing = "There was nothing that had not gone out yet".to_owned();
        Self { retracted, messages: (retracted == 0).then_some(nothing).into_iter().collect() }
    }
}

/// When a notification goes out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleBody {
    /// The new time; at once when past. At most 366 days ahead. What the notification says stays as it is.
    #[schema(format = DateTime, example = "2024-02-20T14:38:03.509Z")]
    pub schedule: String,
}

impl ScheduleBody {
    /// The new time.
    pub fn at(&self) -> Result<DateTime<Utc>, AppError> {
        instant("schedule", &self.schedule)
    }
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
    /// The person's id, e-mail address or number.
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

/// What the service is asked.
#[derive(Debug)]
pub struct Query {
    /// Which entries.
    pub filter: NotificationFilter,
    /// Behind which one.
    pub after: Option<EntryId>,
    /// How many at most.
    pub limit: i64,
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
            ways: channels.into_iter().map(Way::from).collect(),
            users: checked_values("userFilter", self.user_filter)?,
            states: states.into_iter().map(NotificationState::from).collect(),
            entries,
        };
        Ok(Query { filter, after, limit })
    }
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

impl From<Walked<LogEntry, EntryId>> for LogPage {
    fn from(found: Walked<LogEntry, EntryId>) -> Self {
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
        let name = ChannelName::from(Way::of(email));
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

/// An event or sub-event of the log. Source: NotificationAPI, Logs, "Tracked Events".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
pub enum EventWord {
    /// The request is being processed.
    Received,
    /// Something that was meant to be kept it from going out.
    Ignored,
    /// It is valid and on its way out.
    Sending,
    /// The mail server or provider took it.
    Sent,
    /// It reached the person.
    Delivered,
    /// Something went wrong.
    Failed,
    /// Email: the mail server refused the recipient for good.
    #[serde(rename = "Failed - Bounce")]
    Bounce,
    /// Email: it could not be delivered for now; it is tried again.
    #[serde(rename = "Failed - Delivery Delay")]
    DeliveryDelay,
    /// SMS: the telephone did not get it.
    #[serde(rename = "Failed - Undelivered")]
    Undelivered,
    /// SMS: the telecom service had a fault.
    #[serde(rename = "Failed - Infrastructure")]
    Infrastructure,
    /// Call: somebody answered.
    #[serde(rename = "Delivered - Completed")]
    Completed,
    /// Call: the line was busy.
    #[serde(rename = "Delivered - Busy")]
    Busy,
    /// Call: nobody answered.
    #[serde(rename = "Delivered - No Answer")]
    NoAnswer,
    /// Call: the number cannot be reached.
    #[serde(rename = "Failed - Cannot Reach")]
    CannotReach,
}

impl EventWord {
    /// The word for an event of a message.
    pub fn of(kind: EventKind, cause: Option<EventCause>, channel: Channel) -> Self {
        match kind {
            EventKind::Requested | EventKind::Triggered | EventKind::Queued | EventKind::FailedToQueue => {
                Self::Received
            }
            EventKind::Processed => Self::Sending,
            EventKind::Sent => Self::Sent,
            EventKind::Deferred | EventKind::FailedToSend => match channel {
                Channel::Email => Self::DeliveryDelay,
                Channel::Sms => Self::Infrastructure,
                Channel::Call | Channel::Push | Channel::InApp => Self::Failed,
            },
            EventKind::Delivered
            | EventKind::Opened
            | EventKind::ReOpened
            | EventKind::Clicked
            | EventKind::ReClicked
            | EventKind::ReportedAsSpam
            | EventKind::Unsubscribed => Self::of_delivery(cause, channel),
            EventKind::Bounced => match channel {
                Channel::Email => Self::Bounce,
                Channel::Sms => Self::of_failure(cause.or(Some(EventCause::Undelivered)), channel),
                Channel::Call => Self::of_failure(cause.or(Some(EventCause::CannotReach)), channel),
                Channel::Push | Channel::InApp => Self::Failed,
            },
            EventKind::Canceled => Self::Ignored,
            EventKind::Dropped if cause == Some(EventCause::Expected) => Self::Ignored,
            EventKind::Dropped | EventKind::Failed => Self::of_failure(cause, channel),
            EventKind::Uncertain => Self::Failed,
        }
    }

    fn of_delivery(cause: Option<EventCause>, channel: Channel) -> Self {
        match (channel, cause) {
            (Channel::Call, Some(EventCause::Completed)) => Self::Completed,
            (Channel::Call, Some(EventCause::Busy)) => Self::Busy,
            (Channel::Call, Some(EventCause::NoAnswer)) => Self::NoAnswer,
            (
                Channel::Call,
                None
                | Some(
                    EventCause::Hard
                    | EventCause::Soft
                    | EventCause::Virus
                    | EventCause::Expected
                    | EventCause::Undelivered
                    | EventCause::Infrastructure
                    | EventCause::CannotReach,
                ),
            )
            | (Channel::Email | Channel::Sms | Channel::Push | Channel::InApp, _) => Self::Delivered,
        }
    }

    fn of_failure(cause: Option<EventCause>, channel: Channel) -> Self {
        match (channel, cause) {
            (Channel::Sms, Some(EventCause::Undelivered | EventCause::Hard | EventCause::Soft)) => Self::Undelivered,
            (Channel::Sms, Some(EventCause::Infrastructure)) => Self::Infrastructure,
            (Channel::Call, Some(EventCause::CannotReach | EventCause::Hard | EventCause::Soft)) => Self::CannotReach,
            (
                Channel::Sms,
                None
                | Some(
                    EventCause::Virus
                    | EventCause::Expected
                    | EventCause::Completed
                    | EventCause::Busy
                    | EventCause::NoAnswer
                    | EventCause::CannotReach,
                ),
            )
            | (
                Channel::Call,
                None
                | Some(
                    EventCause::Virus
                    | EventCause::Expected
                    | EventCause::Undelivered
                    | EventCause::Infrastructure
                    | EventCause::Completed
                    | EventCause::Busy
                    | EventCause::NoAnswer,
                ),
            )
            | (Channel::Email | Channel::Push | Channel::InApp, _) => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(body: Value) -> Result<NotificationRequest, AppError> {
        serde_json::from_value::<SendBody>(body).map_err(|cause| AppError::invalid(cause.to_string()))?.into_request()
    }

    #[test]
    fn both_shapes_ask_for_the_same() {
        let present = json!({"type": "a", "to": {"id": "u", "number": "1"}, "parameters": {"x": 1}});
        let older = json!({"notificationId": "a", "user": {"id": "u", "number": "1"}, "mergeTags": {"x": 1}});
        let (present, older) = (request(present).unwrap(), request(older).unwrap());
        assert_eq!(format!("{present:?}"), format!("{older:?}"));
        assert_eq!((present.kind.as_str(), present.variables), ("a", json!({"x": 1})));
    }

    #[test]
    fn what_is_not_known_is_said() {
        let body = json!({"type": "a", "to": {"id": "u"}, "whatsapp": {}, "slack": {"text": "hi"}});
        let warnings = request(body).unwrap().warnings;
        let expected = ["“whatsapp” is not known and was ignored", "Slack was left out: there is no such channel here"];
        assert_eq!(warnings, expected);
    }

    #[test]
    fn the_preview_stands_first_in_the_body_and_is_plain_text() {
        let hidden = "<div style=\"display:none;max-height:0;overflow:hidden\">1 &lt; {{ n }}</div>";
        assert_eq!(with_preview("<p>a</p>", "1 < {{ n }}"), format!("{hidden}<p>a</p>"));
        let page = with_preview("<html><BODY class=\"x\"><p>a</p></BODY></html>", "1 < {{ n }}");
        assert_eq!(page, format!("<html><BODY class=\"x\">{hidden}<p>a</p></BODY></html>"));
    }

    #[test]
    fn times_are_milliseconds() {
        let range = |text: &str| serde_json::from_str::<DateRangeBody>(text).map(|range| range.start_time.unwrap().0);
        assert_eq!(range(r#"{"startTime": 1719600830559}"#).unwrap(), 1_719_600_830_559);
        assert_eq!(range(r#"{"startTime": 1719600830559.7}"#).unwrap(), 1_719_600_830_559);
        for wrong in ["-1", "1e300", "\"1719600830559\"", "[]"] {
            assert!(range(&format!("{{\"startTime\": {wrong}}}")).is_err(), "{wrong}");
        }
    }

    /// The document's words, and where each of them occurs.
    const WORDS: [(&str, &[Channel]); 14] = [
        ("Received", &Channel::ALL),
        ("Ignored", &Channel::ALL),
        ("Sending", &Channel::ALL),
        ("Sent", &Channel::ALL),
        ("Delivered", &Channel::ALL),
        ("Failed", &Channel::ALL),
        ("Failed - Bounce", &[Channel::Email]),
        ("Failed - Delivery Delay", &[Channel::Email]),
        ("Failed - Undelivered", &[Channel::Sms]),
        ("Failed - Infrastructure", &[Channel::Sms]),
        ("Delivered - Completed", &[Channel::Call]),
        ("Delivered - Busy", &[Channel::Call]),
        ("Delivered - No Answer", &[Channel::Call]),
        ("Failed - Cannot Reach", &[Channel::Call]),
    ];

    #[test]
    fn every_word_of_the_document_is_said_on_its_channels_and_no_other() {
        for channel in Channel::ALL {
            let causes = || std::iter::once(None).chain(EventCause::ALL.map(Some));
            let mut said: Vec<String> = EventKind::ALL
                .iter()
                .flat_map(|kind| causes().map(|cause| EventWord::of(*kind, cause, channel)))
                .map(|word| serde_json::to_value(word).unwrap().as_str().unwrap().to_owned())
                .collect();
            said.sort();
            said.dedup();
            let mut expected: Vec<&str> =
                WORDS.iter().filter(|(_, channels)| channels.contains(&channel)).map(|(word, _)| *word).collect();
            expected.sort_unstable();
            assert_eq!(said, expected, "{}", channel.label());
        }
    }
}

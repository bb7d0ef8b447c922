//! What a notification says and to whom, in the present shape and in the older one. Source: the types of NotificationAPI's
//! server SDKs.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{ChannelName, instant};
use crate::domain::error::AppError;
use crate::domain::notification::NotificationChannel;
use crate::domain::template::TemplateSource;
use crate::server::api::shapes;
use crate::server::services::notifications::{Content, EmailOptions, NotificationRequest, Person};
use crate::server::services::send::Attachment;

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
    /// The email address.
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
    #[expect(dead_code, reason = "refused by what is missing then")]
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
            contents.push(Content { channel: NotificationChannel::Email, source, data: Value::Null });
        }
        if let Some(message) = self.sms.as_ref().and_then(|sms| sms.message.clone()) {
            let data = fields([("autoReply", self.sms.and_then(|sms| sms.auto_reply))]);
            contents.push(said(NotificationChannel::Sms, String::new(), Some(message), data));
        }
        if let Some(call) = self.call {
            contents.push(said(NotificationChannel::Call, String::new(), Some(call.message), Value::Null));
        }
        if let Some(push) = self.mobile_push {
            let tokens = user.push_tokens.map(objects);
            let data = fields([("apn", options.apn), ("fcm", options.fcm), ("pushTokens", tokens)]);
            contents.push(said(NotificationChannel::Push, push.title, Some(push.message), data));
        }
        if let Some(push) = self.web_push {
            let tokens = user.web_push_tokens.map(objects);
            let (icon, url) = (push.icon.map(Value::String), push.url.map(Value::String));
            let data = fields([("icon", icon), ("url", url), ("webPushTokens", tokens)]);
            contents.push(said(NotificationChannel::WebPush, push.title, Some(push.message), data));
        }
        if let Some(inapp) = self.inapp {
            let data = fields([("url", inapp.url.map(Value::String)), ("image", inapp.image.map(Value::String))]);
            contents.push(said(NotificationChannel::InApp, inapp.title, None, data));
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
            forced: forced.map(|names| names.into_iter().map(NotificationChannel::from).collect()),
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
    fn decode(self, index: usize) -> Result<Attachment, AppError> {
        let Some(content) = self.content else {
            let message = format!("attachments[{index}] needs content in base64: files are not fetched by url here");
            return Err(AppError::invalid_field(format!("attachments[{index}].content"), message));
        };
        shapes::file(&format!("attachments[{index}].content"), self.filename, content, given(self.content_type))
    }
}

/// A text that says something.
fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

fn said(channel: NotificationChannel, title: String, message: Option<String>, data: Value) -> Content {
    Content { channel, source: TemplateSource { subject: title, html: None, text: message }, data }
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

fn shortened(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(100).collect()
}

/// The label of the messages of a part of a notification.
pub fn sub_notification_tag(id: Option<String>) -> Result<Option<String>, AppError> {
    let Some(id) = given(id) else { return Ok(None) };
    if id.chars().count() > MAX_SUB_NOTIFICATION_CHARS || id.chars().any(char::is_control) {
        let message = format!("subNotificationId must be one line of at most {MAX_SUB_NOTIFICATION_CHARS} characters");
        return Err(AppError::invalid_field("subNotificationId", message));
    }
    Ok(Some(format!("sub:{}", id.trim())))
}

fn objects(items: Vec<Map<String, Value>>) -> Value {
    items.into_iter().map(Value::Object).collect()
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
}

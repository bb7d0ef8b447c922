//! Sendwithus's JSON: the order of the fields is the specification's. Sources: Sendwithus, Logs API; for sending and
//! customers what its published clients send and read.
//!
//! What was added to an answer of the specification later stands behind it: the sample of `POST /resend` is the
//! beginning of our answer up to its last value, `email.locale` and `receipt_id` follow. There `log_id` is the log that
//! was asked for, as in the sample, and `receipt_id` the new one.
//!
//! Messages of every channel and of every origin are listed. One without a template has an empty `email_id`, its subject
//! as `email_name` and null as `email_version`. A version is named as on the pages, `Version 3`. Templates have one
//! language: `locale` is answered as it was asked for and changes nothing.

use std::collections::BTreeMap;

use base64::Engine;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::status::{LogStatus, event_message, status_and_message};
use crate::domain::email::Email;
use crate::domain::error::AppError;
use crate::domain::event::EmailEvent;
use crate::domain::filter::TimeRange;
use crate::domain::ids::{AdapterId, EmailId, TemplateId};
use crate::domain::notification::EmailRecord;
use crate::domain::template::Template;
use crate::server::api::attachment::{BASE64, content_type_of};
use crate::server::api::request::RawQuery;
use crate::server::services::send::{Attachment, SendRequest, Undefined, person_mailbox};

/// What ids of messages begin with.
const LOG_PREFIX: &str = "log_";
/// What ids of templates begin with.
const TEMPLATE_PREFIX: &str = "tem_";
/// The language that is answered where none was asked for.
const DEFAULT_LOCALE: &str = "en-US";
/// The longest name of a language, in characters.
const MAX_LOCALE_CHARS: usize = 35;
/// The last second that can be asked for: the end of the year 9999.
pub const MAX_SECOND: i64 = 253_402_300_799;

/// A message.
#[derive(Debug, Serialize, ToSchema)]
pub struct Log {
    /// Always `log`.
    #[schema(value_type = String, example = "log")]
    pub object: &'static str,
    /// Its id.
    #[schema(example = "log_06xq3k9v2m4p8")]
    pub id: String,
    /// When it was accepted, in Unix seconds.
    #[schema(example = 1234567890)]
    pub created: i64,
    /// The first recipient's name; null when none was given.
    #[schema(required)]
    pub recipient_name: Option<String>,
    /// The first recipient's address.
    pub recipient_address: String,
    /// What became of it.
    pub status: LogStatus,
    /// The same in a sentence.
    #[schema(example = "SendGrid: Message has been opened")]
    pub message: String,
    /// The template's id; empty when that is deleted or there was none.
    #[schema(example = "tem_06xq3k9v2m4p8")]
    pub email_id: String,
    /// The template's name; the subject where there is no template.
    pub email_name: String,
    /// The template's version; null where there was no template.
    #[schema(required, example = "Version 3")]
    pub email_version: Option<String>,
}

impl From<EmailRecord> for Log {
    fn from(EmailRecord { email, events }: EmailRecord) -> Self {
        let (status, message) = status_and_message(&email, &events);
        let email_version = version_name(&email);
        let recipient = email.recipients.into_iter().next();
        let (recipient_name, recipient_address) = recipient.map_or((None, String::new()), |to| (to.name, to.address));
        Self {
            object: "log",
            id: email.id.with_prefix(LOG_PREFIX),
            created: email.id.created_at().timestamp(),
            recipient_name,
            recipient_address,
            status,
            message,
            email_id: email.template_id.map(|id| id.with_prefix(TEMPLATE_PREFIX)).unwrap_or_default(),
            email_name: email.template_name.unwrap_or(email.subject),
            email_version,
        }
    }
}

fn version_name(email: &Email) -> Option<String> {
    email.template_version.map(name_of_version)
}

fn name_of_version(number: i64) -> String {
    format!("Version {number}")
}

/// Something that happened to a message.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogEvent {
    /// Always `event`.
    #[schema(value_type = String, example = "event")]
    pub object: &'static str,
    /// When it happened, in Unix seconds.
    #[schema(example = 1234567890)]
    pub created: i64,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: LogStatus,
    /// The same in a sentence.
    #[schema(example = "SendGrid: Email has been opened")]
    pub message: String,
}

impl LogEvent {
    /// The history of a message, oldest first.
    pub fn list(EmailRecord { email, events }: &EmailRecord) -> Vec<Self> {
        let entry = |event: &EmailEvent| Self {
            object: "event",
            created: event.at.timestamp(),
            kind: event.kind.into(),
            message: event_message(email, event),
        };
        events.iter().map(entry).collect()
    }
}

/// A customer's messages.
#[derive(Debug, Serialize, ToSchema)]
pub struct CustomerLogs {
    /// Always `true`.
    #[schema(example = true)]
    pub success: bool,
    /// Always `OK`.
    #[schema(value_type = String, example = "OK")]
    pub status: &'static str,
    /// The messages, newest first.
    pub logs: Vec<Log>,
}

impl From<Vec<EmailRecord>> for CustomerLogs {
    fn from(records: Vec<EmailRecord>) -> Self {
        Self { success: true, status: "OK", logs: records.into_iter().map(Log::from).collect() }
    }
}

/// Reads `created_gt`, `created_gte`, `created_lt` and `created_lte`. A message counts as accepted in the second that its
/// log shows, so a strict bound leaves out the whole of that second.
pub fn read_range(query: &RawQuery) -> Result<TimeRange, AppError> {
    let second = |name: &str| query.text(name).map(|_| query.number(name, 0..=MAX_SECOND, 0)).transpose();
    let after = |second: i64| second + 1;
    let from = [second("created_gt")?.map(after), second("created_gte")?].into_iter().flatten().max();
    let to = [second("created_lt")?, second("created_lte")?.map(after)].into_iter().flatten().min();
    Ok(TimeRange { from: from.and_then(instant), to: to.and_then(instant) })
}

fn instant(second: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(second, 0)
}

/// Which message to send again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResendBody {
    /// Its id.
    #[schema(example = "log_06xq3k9v2m4p8")]
    pub log_id: String,
}

/// What a message was made from.
#[derive(Debug, Serialize, ToSchema)]
pub struct SentEmail {
    /// The template's name; the subject where there is no template.
    pub name: String,
    /// The template's version; null where there is no template.
    #[schema(required, example = "Version 3")]
    pub version_name: Option<String>,
    /// The language that was asked for.
    #[schema(example = "en-US")]
    pub locale: String,
}

impl SentEmail {
    fn new(email: Email, locale: Option<String>) -> Self {
        Self {
            version_name: version_name(&email),
            name: email.template_name.unwrap_or(email.subject),
            locale: locale.unwrap_or_else(|| DEFAULT_LOCALE.to_owned()),
        }
    }
}

/// A message has been accepted once more.
#[derive(Debug, Serialize, ToSchema)]
pub struct Resent {
    /// Always `true`.
    #[schema(example = true)]
    pub success: bool,
    /// Always `OK`.
    #[schema(value_type = String, example = "OK")]
    pub status: &'static str,
    /// The message that was asked for.
    #[schema(example = "log_06xq3k9v2m4p8")]
    pub log_id: String,
    /// What it was made from.
    pub email: SentEmail,
    /// The new message.
    #[schema(example = "log_06xq3k9v2m4p9")]
    pub receipt_id: String,
}

impl Resent {
    /// The answer for `old`, which the message `new` sends again.
    pub fn new(old: Email, new: EmailId) -> Self {
        Self {
            success: true,
            status: "OK",
            log_id: old.id.with_prefix(LOG_PREFIX),
            receipt_id: new.with_prefix(LOG_PREFIX),
            email: SentEmail::new(old, None),
        }
    }
}

/// A message has been accepted.
#[derive(Debug, Serialize, ToSchema)]
pub struct Receipt {
    /// Always `true`.
    #[schema(example = true)]
    pub success: bool,
    /// Always `OK`.
    #[schema(value_type = String, example = "OK")]
    pub status: &'static str,
    /// The message.
    #[schema(example = "log_06xq3k9v2m4p8")]
    pub receipt_id: String,
    /// What it is made from.
    pub email: SentEmail,
}

impl Receipt {
    /// The answer for a message that is made from the template.
    pub fn new(id: EmailId, template: &Template, locale: Option<String>) -> Self {
        let email = SentEmail {
            name: template.name.clone(),
            version_name: Some(name_of_version(template.current.version)),
            locale: locale.unwrap_or_else(|| DEFAULT_LOCALE.to_owned()),
        };
        Self { success: true, status: "OK", receipt_id: id.with_prefix(LOG_PREFIX), email }
    }
}

/// A message to send. The older clients call the template and its values `email_id` and `email_data`, the newer ones
/// `template` and `template_data`; one of the two names the template.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendBody {
    /// The template: its id, or its name.
    #[schema(example = "tem_06xq3k9v2m4p8")]
    email_id: Option<String>,
    /// The template: its id, or its name.
    #[schema(example = "tem_06xq3k9v2m4p8")]
    template: Option<String>,
    /// Who gets it.
    recipient: Person,
    /// Further recipients, seen by everybody.
    cc: Option<Vec<Person>>,
    /// Further recipients, seen by nobody else.
    bcc: Option<Vec<Person>>,
    /// The sender, in place of the adapter's.
    sender: Option<Sender>,
    /// The template's values.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    email_data: Value,
    /// The template's values.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    template_data: Value,
    /// Labels: at most 20, each of 1 to 100 characters.
    tags: Option<Vec<String>>,
    /// Headers to add.
    headers: Option<BTreeMap<String, String>>,
    /// A file that the HTML shows, as `cid:` and its name.
    inline: Option<File>,
    /// What is attached: with `inline` at most 20 files of 15 MiB together.
    files: Option<Vec<File>>,
    /// The adapter's id, in place of the team's default.
    #[schema(example = "adp_06xq3k9v2m4p8")]
    esp_account: Option<String>,
    /// The language. Templates have one, so that this is answered and changes nothing.
    #[schema(example = "en-US", max_length = 35)]
    locale: Option<String>,
    /// The template's version, which must be its current one.
    #[schema(example = "Version 3")]
    version_name: Option<String>,
    /// The same as `version_name`.
    email_version_name: Option<String>,
}

/// A recipient.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// The address.
    #[schema(format = "email", example = "ada@example.com")]
    address: String,
    /// The name.
    #[schema(example = "Ada Lovelace")]
    name: Option<String>,
}

/// A sender.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Sender {
    /// The address.
    #[schema(format = "email", example = "shop@example.com")]
    address: String,
    /// The name.
    #[schema(example = "The shop")]
    name: Option<String>,
    /// Where answers go.
    #[schema(format = "email", example = "help@example.com")]
    reply_to: Option<String>,
}

/// A file to attach.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its name.
    #[schema(example = "receipt.pdf", min_length = 1, max_length = 255)]
    id: String,
    /// Its bytes, in base64.
    #[schema(format = Byte)]
    data: String,
}

impl SendBody {
    /// What names the template.
    pub fn template(&self) -> Result<&str, AppError> {
        let (older, newer) = (self.email_id.as_deref(), self.template.as_deref());
        match one_of(("email_id", older), ("template", newer))? {
            Some(text) if !text.trim().is_empty() => Ok(text.trim()),
            Some(_) | None => Err(AppError::invalid_field("email_id", "email_id is required")),
        }
    }

    /// Passes only a message that asks for the template's current version, or for none.
    pub fn check_version(&self, template: &Template) -> Result<(), AppError> {
        let (short, long) = (self.version_name.as_deref(), self.email_version_name.as_deref());
        let wanted = one_of(("version_name", short), ("email_version_name", long))?;
        let current = name_of_version(template.current.version);
        if wanted.is_none_or(|name| name.is_empty() || name == current) {
            return Ok(());
        }
        let message = format!("version_name must be “{current}”: only the current version of a template is sent");
        Err(AppError::invalid_field("version_name", message))
    }

    /// The language that was asked for.
    pub fn locale(&self) -> Result<Option<String>, AppError> {
        let locale = self.locale.as_deref().filter(|locale| !locale.is_empty());
        if locale.is_some_and(|locale| locale.chars().count() > MAX_LOCALE_CHARS) {
            let message = format!("locale is longer than {MAX_LOCALE_CHARS} characters");
            return Err(AppError::invalid_field("locale", message));
        }
        Ok(locale.map(str::to_owned))
    }

    /// The message as the use case takes it.
    pub fn into_request(self, template_id: TemplateId) -> Result<SendRequest, AppError> {
        let given = |value: Value| (!value.is_null()).then_some(value);
        let (older, newer) = (given(self.email_data), given(self.template_data));
        let variables = one_of(("email_data", older), ("template_data", newer))?;
        let inline = self.inline.map(|file| file.decode("inline", true)).transpose()?;
        let files = self.files.unwrap_or_default().into_iter().enumerate();
        let files: Vec<_> =
            files.map(|(index, file)| file.decode(&format!("files[{index}]"), false)).collect::<Result<_, _>>()?;
        let reply_to = self.sender.as_ref().and_then(|sender| sender.reply_to.clone());
        let from = self.sender.map(|sender| person_mailbox("from", sender.name.as_deref(), &sender.address));
        Ok(SendRequest {
            template_id: Some(template_id),
            to: vec![self.recipient.mailbox("to")?],
            cc: mailboxes("cc", self.cc)?,
            bcc: mailboxes("bcc", self.bcc)?,
            variables: variables.unwrap_or_default(),
            from: from.transpose()?,
            reply_to: reply_to.filter(|address| !address.is_empty()),
            headers: self.headers.unwrap_or_default().into_iter().collect(),
            adapter_id: self.esp_account.filter(|id| !id.is_empty()).map(|id| id.parse().unwrap_or(NO_ADAPTER)),
            attachments: inline.into_iter().chain(files).collect(),
            tags: self.tags.unwrap_or_default(),
            undefined: Undefined::IsNothing,
            ..SendRequest::default()
        })
    }
}

/// Ids are times since 1970: none is negative.
const NO_ADAPTER: AdapterId = AdapterId(-1);

/// The value that has two names; both may be given when they say the same.
fn one_of<T: PartialEq>(first: (&str, Option<T>), second: (&str, Option<T>)) -> Result<Option<T>, AppError> {
    match (first.1, second.1) {
        (Some(one), Some(other)) if one != other => {
            let message = format!("{} and {} say different things: give one of them", first.0, second.0);
            Err(AppError::invalid_field(first.0, message))
        }
        (Some(one), _) => Ok(Some(one)),
        (None, other) => Ok(other),
    }
}

impl Person {
    fn mailbox(&self, field: &str) -> Result<String, AppError> {
        person_mailbox(field, self.name.as_deref(), &self.address)
    }
}

fn mailboxes(field: &str, people: Option<Vec<Person>>) -> Result<Vec<String>, AppError> {
    people.unwrap_or_default().iter().map(|person| person.mailbox(field)).collect()
}

impl File {
    fn decode(self, field: &str, is_inline: bool) -> Result<Attachment, AppError> {
        let mut text = self.data;
        text.retain(|letter| !letter.is_ascii_whitespace());
        let field = format!("{field}.data");
        let content =
            BASE64.decode(text).map_err(|_| AppError::invalid_field(&field, format!("{field} must be base64")))?;
        let content_type = content_type_of(&self.id).to_owned();
        Ok(Attachment { content_id: is_inline.then(|| self.id.clone()), filename: self.id, content_type, content })
    }
}

/// A request within a batch.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The path with its query string: `/api/v1/send`.
    #[schema(example = "/api/v1/send")]
    pub path: String,
    /// The method.
    pub method: CommandMethod,
    /// The body.
    #[serde(default)]
    #[schema(value_type = Value)]
    pub body: Value,
}

/// The method of a request within a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum CommandMethod {
    /// GET.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// DELETE.
    Delete,
}

/// The answer to a request within a batch.
#[derive(Debug, ToSchema)]
pub struct CommandAnswer {
    /// The path, as it was asked.
    #[schema(example = "/api/v1/send")]
    pub path: String,
    /// The status that the request alone would have had.
    #[schema(example = 200)]
    pub status_code: u16,
    /// The method.
    pub method: CommandMethod,
    /// The body that the request alone would have had; it is JSON.
    #[schema(value_type = Value)]
    pub body: String,
}

impl CommandAnswer {
    /// Its JSON, with the body in it letter by letter, so that its fields keep their order.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let (path, method) = (serde_json::to_string(&self.path)?, serde_json::to_string(&self.method)?);
        let (status_code, body) = (self.status_code, &self.body);
        Ok(format!(r#"{{"path":{path},"status_code":{status_code},"method":{method},"body":{body}}}"#))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(query: &str) -> (Option<i64>, Option<i64>) {
        let names = ["created_gt", "created_gte", "created_lt", "created_lte"];
        let range = read_range(&RawQuery::parse(query, &names).unwrap()).unwrap();
        (range.from.map(|from| from.timestamp()), range.to.map(|to| to.timestamp()))
    }

    #[test]
    fn bounds_are_strict_or_not_by_the_second() {
        assert_eq!(range(""), (None, None));
        assert_eq!(range("created_gt=5"), (Some(6), None));
        assert_eq!(range("created_gte=5"), (Some(5), None));
        assert_eq!(range("created_lt=5"), (None, Some(5)));
        assert_eq!(range("created_lte=5"), (None, Some(6)));
        assert_eq!(range("created_gt=5&created_gte=9&created_lt=20&created_lte=12"), (Some(9), Some(13)));
        let last = format!("created_gt={MAX_SECOND}&created_lte={MAX_SECOND}");
        assert_eq!(range(&last), (Some(MAX_SECOND + 1), Some(MAX_SECOND + 1)));
    }

    #[test]
    fn a_value_with_two_names_is_given_once() {
        let body = |text: &str| serde_json::from_str::<SendBody>(text).unwrap();
        let recipient = r#""recipient":{"address":"a@b.example"}"#;
        assert_eq!(body(&format!(r#"{{"email_id":"A",{recipient}}}"#)).template(), Ok("A"));
        assert_eq!(body(&format!(r#"{{"template":" A ",{recipient}}}"#)).template(), Ok("A"));
        assert_eq!(body(&format!(r#"{{"template":"A","email_id":"A",{recipient}}}"#)).template(), Ok("A"));
        assert!(body(&format!(r#"{{"template":"A","email_id":"B",{recipient}}}"#)).template().is_err());
        assert!(body(&format!(r#"{{"template":"",{recipient}}}"#)).template().is_err());
        assert!(body(&format!("{{{recipient}}}")).template().is_err());
    }
}

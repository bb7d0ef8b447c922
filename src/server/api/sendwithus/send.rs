//! Sending, for the first time and again. Sources: Sendwithus, Logs API, "Resend an existing Log"; for `POST /send` what
//! its published clients send and read.
//!
//! What was added to an answer of the specification later stands behind it: the sample of `POST /resend` is the
//! beginning of our answer up to its last value, `email.locale` and `receipt_id` follow. There `log_id` is the log that
//! was asked for, as in the sample, and `receipt_id` the new one. Templates have one language: `locale` is answered as it
//! was asked for and changes nothing.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{Missing, SendwithusError};
use super::{LOG_PREFIX, name_of_version, version_name};
use crate::domain::email::{Accepted, Email};
use crate::domain::error::AppError;
use crate::domain::ids::{AdapterId, EmailId, TemplateId};
use crate::domain::permission::Permission;
use crate::domain::template::Template;
use crate::server::App;
use crate::server::api::extract::{Caller, Once, RequestId, Sending, answer_of, id_of, respond};
use crate::server::api::shapes;
use crate::server::api::strict::parse_json;
use crate::server::services::send::{Attachment, Origin, SendRequest, Undefined, person_mailbox};
use crate::server::services::{emails, send, templates};

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(send_email)).routes(routes!(resend_email))
}

/// The language that is answered where none was asked for.
const DEFAULT_LOCALE: &str = "en-US";
/// The longest name of a language, in characters.
const MAX_LOCALE_CHARS: usize = 35;

struct ToSend;

impl Sending for ToSend {
    const ENDPOINT: &'static str = "sendwithus:/send";
}

/// Accepts a message made from a template. Once this answers, the message is kept and will be sent. Needs
/// `emails:send`.
#[utoipa::path(
    post, path = "/send", tag = "send", summary = "Send an email",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 256,
        description = "Makes a repetition harmless: the same key with the same body gives the same answer for 24 hours")),
    request_body(content = SendBody, content_type = "application/json"),
    responses((status = 200, description = "The message has been accepted", body = Receipt)),
)]
async fn send_email(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    RequestId(api_request_id): RequestId,
    once: Once<ToSend>,
) -> Result<Response, SendwithusError> {
    let body = parse_json::<SendBody>(&once.body)?;
    let template = match templates::find_template_to_send(&app, &viewer, body.template()?).await {
        Ok(template) => template,
        Err(error) => {
            let first = send::first_answer_or(&app, &viewer, once.key.as_ref(), unusable(error)).await;
            return Ok(respond(first?));
        }
    };
    body.check_version(&template)?;
    let locale = body.locale()?;
    let origin = Origin { api_request_id, idempotency: once.key };
    let request = body.into_request(template.id)?;
    let answer = |accepted: Accepted| answer_of(StatusCode::OK, &Receipt::new(accepted.id, &template, locale));
    Ok(respond(send::send_email(&app, &viewer, request, origin, answer).await.map_err(unusable)?))
}

/// What a message names and what is not there is a fault of the message: 400, as the published clients expect.
fn unusable(error: AppError) -> AppError {
    if let AppError::NotFound(noun) = &error {
        let field = if noun == "Adapter" { "esp_account" } else { "email_id" };
        return AppError::invalid_field(field, format!("{field}: {noun} not found"));
    }
    error
}

struct ToResend;

impl Sending for ToResend {
    const ENDPOINT: &'static str = "sendwithus:/resend";
    const RIGHT: Permission = Permission::LogsResend;
}

/// Sends a message again, as a new message, whatever became of it. Needs `logs:resend`. One that is still on its way is
/// refused, and so is one of which a copy is, or was accepted in the last half minute: `exception` names that one.
#[utoipa::path(
    post, path = "/resend", tag = "send", summary = "Resend an email",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 256,
        description = "Makes a repetition harmless: the same key with the same body gives the same answer for 24 hours")),
    request_body(content = ResendBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The new message has been accepted", body = Resent),
        Missing,
    ),
)]
async fn resend_email(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    once: Once<ToResend>,
) -> Result<Response, SendwithusError> {
    let body = parse_json::<ResendBody>(&once.body)?;
    let answer = |old: Email, accepted: Accepted| answer_of(StatusCode::OK, &Resent::new(old, accepted.id));
    Ok(respond(emails::resend_any_email(&app, &viewer, id_of(&body.log_id), once.key, answer).await?))
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
        let content_id = is_inline.then(|| self.id.clone());
        Ok(Attachment { content_id, ..shapes::file(&format!("{field}.data"), self.id, self.data, None)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

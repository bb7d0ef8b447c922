//! Canary's JSON: the order of the fields is the specification's. Times are ISO 8601 in UTC with milliseconds.
//! Source: Canary, Email Logs API.

use std::fmt;

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use chrono::{DateTime, SecondsFormat, Utc};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use utoipa::ToSchema;

use super::extract::id_of;
use crate::domain::adapter::{Adapter, AdapterKind};
use crate::domain::api_key::{ApiKey, CreatedApiKey};
use crate::domain::email::{Accepted, Email, EmailStatus, EmailSummary, Recipient, RecipientKind};
use crate::domain::error::AppError;
use crate::domain::ids::{
    AdapterId, ApiKeyId, EmailId, InviteId, JobId, TeamId, TemplateId, TemplateVersionId, UserId,
};
use crate::domain::page::Page;
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::team::{Invite, InviteLink, Member, Membership, Role, Team, User};
use crate::domain::template::{Template, TemplateSource, TemplateVersion};
use crate::domain::viewer::Viewer;
use crate::server::services::send::{Attachment, SendRequest};

/// The envelope of every answer that is no error.
#[derive(Debug, Serialize, ToSchema)]
pub struct Success<T> {
    /// Always `true`.
    #[schema(example = true)]
    pub success: bool,
    /// The answer itself.
    pub data: T,
}

/// Puts an answer into its envelope.
pub fn success<T>(data: T) -> axum::Json<Success<T>> {
    axum::Json(Success { success: true, data })
}

/// An instant, written `2024-01-20T10:30:00.000Z`.
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2024-01-20T10:30:00.000Z")]
pub struct Timestamp(pub DateTime<Utc>);

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time)
    }
}

/// One page of the log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmailPage {
    /// The messages, newest first.
    pub items: Vec<EmailRow>,
    /// How many messages match. Counting the matches of a search stops at 10,000.
    pub total: i64,
    /// The page's number, from 1.
    pub page: i64,
    /// Messages on a page.
    pub page_size: i64,
    /// How many pages there are.
    pub total_pages: i64,
}

impl From<Page<EmailSummary>> for EmailPage {
    fn from(page: Page<EmailSummary>) -> Self {
        Self {
            total: page.total.count(),
            page: page.request.page,
            page_size: page.request.page_size,
            total_pages: page.total_pages(),
            items: page.items.into_iter().map(EmailRow::from).collect(),
        }
    }
}

/// A message in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmailRow {
    /// Its id.
    #[schema(value_type = String, example = "eml_06xq3k9v2m4p8")]
    pub id: EmailId,
    /// The template; null when that is deleted or there was none.
    #[schema(value_type = Option<String>, required)]
    pub template_id: Option<TemplateId>,
    /// The template's name.
    #[schema(required)]
    pub template_name: Option<String>,
    /// The addresses in `To`.
    pub to_addresses: Vec<String>,
    /// The subject, variables rendered.
    pub subject: String,
    /// What became of it.
    pub status: EmailStatus,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When the mail server took it.
    #[schema(required)]
    pub sent_at: Option<Timestamp>,
}

impl From<EmailSummary> for EmailRow {
    fn from(email: EmailSummary) -> Self {
        Self {
            id: email.id,
            template_id: email.template_id,
            template_name: email.template_name,
            to_addresses: to_addresses(email.recipients),
            subject: email.subject,
            status: email.status,
            created_at: email.id.created_at().into(),
            sent_at: email.sent_at.map(Timestamp),
        }
    }
}

fn to_addresses(recipients: Vec<Recipient>) -> Vec<String> {
    let to = recipients.into_iter().filter(|recipient| recipient.kind == RecipientKind::To);
    to.map(|recipient| recipient.address).collect()
}

/// A message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmailLog {
    /// Its id.
    #[schema(value_type = String, example = "eml_06xq3k9v2m4p8")]
    pub id: EmailId,
    /// The team that sent it.
    #[schema(value_type = String)]
    pub team_id: TeamId,
    /// The template; null when that is deleted or there was none.
    #[schema(value_type = Option<String>, required)]
    pub template_id: Option<TemplateId>,
    /// The exact version of it.
    #[schema(value_type = Option<String>, required)]
    pub template_version_id: Option<TemplateVersionId>,
    /// The adapter that sends it.
    #[schema(value_type = Option<String>, required)]
    pub adapter_id: Option<AdapterId>,
    /// The key it was accepted with; null when a person sent it.
    #[schema(value_type = Option<String>, required)]
    pub api_key_id: Option<ApiKeyId>,
    /// The addresses in `To`.
    pub to_addresses: Vec<String>,
    /// The sender.
    pub from_address: String,
    /// The subject, variables rendered.
    pub subject: String,
    /// The values that the template was rendered with.
    #[schema(value_type = Object)]
    pub variables: Value,
    /// What became of it.
    pub status: EmailStatus,
    /// The mail server's id for it.
    #[schema(required)]
    pub provider_message_id: Option<String>,
    /// Why it failed or bounced.
    #[schema(required)]
    pub error_message: Option<String>,
    /// Whether an attachment is a PDF.
    pub has_pdf_attachment: bool,
    /// The job that delivers it.
    #[schema(value_type = String)]
    pub job_id: JobId,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When the mail server took it.
    #[schema(required)]
    pub sent_at: Option<Timestamp>,
    /// When delivery was confirmed.
    #[schema(required)]
    pub delivered_at: Option<Timestamp>,
}

impl EmailLog {
    /// A message with its variables.
    pub fn new(email: Email, variables: Value) -> Self {
        Self {
            id: email.id,
            team_id: email.team_id,
            template_id: email.template_id,
            template_version_id: email.template_version_id,
            adapter_id: email.adapter_id,
            api_key_id: email.api_key_id,
            created_at: email.created_at().into(),
            to_addresses: to_addresses(email.recipients),
            from_address: email.from_address,
            subject: email.subject,
            variables: if variables.is_object() { variables } else { Value::Object(serde_json::Map::new()) },
            status: email.status,
            provider_message_id: email.provider_message_id,
            error_message: email.error_message,
            has_pdf_attachment: email.has_pdf_attachment,
            job_id: email.job_id,
            sent_at: email.sent_at.map(Timestamp),
            delivered_at: email.delivered_at.map(Timestamp),
        }
    }
}

/// What became of a message, in short.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SendStatus {
    /// Its id.
    #[schema(value_type = String, example = "eml_06xq3k9v2m4p8")]
    pub id: EmailId,
    /// What became of it.
    pub status: EmailStatus,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When the mail server took it.
    #[schema(required)]
    pub sent_at: Option<Timestamp>,
    /// When delivery was confirmed.
    #[schema(required)]
    pub delivered_at: Option<Timestamp>,
    /// Why it failed or bounced.
    #[schema(required)]
    pub error_message: Option<String>,
    /// The job that delivers it.
    #[schema(value_type = String)]
    pub job_id: JobId,
}

impl From<Email> for SendStatus {
    fn from(email: Email) -> Self {
        Self {
            id: email.id,
            status: email.status,
            created_at: email.created_at().into(),
            sent_at: email.sent_at.map(Timestamp),
            delivered_at: email.delivered_at.map(Timestamp),
            error_message: email.error_message,
            job_id: email.job_id,
        }
    }
}

/// A message has been accepted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Queued {
    /// The message.
    #[schema(value_type = String, example = "eml_06xq3k9v2m4p8")]
    pub id: EmailId,
    /// The job that delivers it.
    #[schema(value_type = String, example = "job_06xq3k9v2m4p9")]
    pub job_id: JobId,
    /// Always `queued`.
    pub status: EmailStatus,
}

impl From<Accepted> for Queued {
    fn from(accepted: Accepted) -> Self {
        Self { id: accepted.id, job_id: accepted.job_id, status: EmailStatus::Queued }
    }
}

/// A message to send.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SendBody {
    /// The template.
    #[schema(example = "tpl_06xq3k9v2m4p8")]
    pub template_id: String,
    /// One address or several: `ada@example.com` or `Ada <ada@example.com>`.
    pub to: OneOrMany,
    /// Further recipients, seen by everybody.
    #[serde(default)]
    pub cc: Option<OneOrMany>,
    /// Further recipients, seen by nobody else.
    #[serde(default)]
    pub bcc: Option<OneOrMany>,
    /// The template's values.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub variables: Value,
    /// The sender, in place of the adapter's.
    pub from: Option<String>,
    /// The subject, in place of the template's; in the template's language.
    pub subject: Option<String>,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// The adapter, in place of the team's default.
    pub adapter_id: Option<String>,
    /// What is attached: at most 20 files of 15 MiB together.
    #[serde(default)]
    pub attachments: Option<Vec<AttachmentBody>>,
    /// Labels: at most 20, each of 1 to 100 characters.
    #[serde(default)]
    pub tags: Option<Vec<String>>,
    /// The caller's own data: kept, shown, never sent.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub metadata: Value,
}

/// A file to attach.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AttachmentBody {
    /// The name the recipient sees.
    #[schema(example = "receipt.pdf", min_length = 1, max_length = 255)]
    pub filename: String,
    /// The bytes, in base64.
    #[schema(format = Byte)]
    pub content: String,
    /// MIME type; by default what the name's ending says.
    #[schema(example = "application/pdf")]
    pub content_type: Option<String>,
}

/// One text or a list of texts.
#[derive(Clone, Debug, Default, ToSchema)]
#[schema(value_type = OneOrManySchema)]
pub struct OneOrMany(pub Vec<String>);

/// One text, or a list of them.
#[derive(ToSchema)]
#[schema(as = OneOrMany)]
#[serde(untagged)]
pub enum OneOrManySchema {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;

        impl<'de> Visitor<'de> for Texts {
            type Value = OneOrMany;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an address or a list of addresses")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<OneOrMany, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = items.next_element()? {
                    texts.push(text);
                }
                Ok(OneOrMany(texts))
            }
        }

        deserializer.deserialize_any(Texts)
    }
}

impl SendBody {
    /// The message as the use case takes it.
    pub fn into_request(self) -> Result<SendRequest, AppError> {
        let attachments = self.attachments.unwrap_or_default().into_iter().enumerate();
        Ok(SendRequest {
            template_id: Some(id_of(&self.template_id)),
            to: self.to.0,
            cc: self.cc.unwrap_or_default().0,
            bcc: self.bcc.unwrap_or_default().0,
            variables: self.variables,
            from: self.from,
            subject: self.subject,
            reply_to: self.reply_to,
            adapter_id: self.adapter_id.as_deref().map(id_of),
            attachments: attachments.map(|(index, body)| body.decode(index)).collect::<Result<_, _>>()?,
            tags: self.tags.unwrap_or_default(),
            metadata: self.metadata,
            ..SendRequest::default()
        })
    }
}

/// Base64 with or without `=` at its end.
pub(in crate::server::dialects) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl AttachmentBody {
    /// The file; `index` is its place among the attachments, for the error.
    pub(in crate::server::dialects) fn decode(self, index: usize) -> Result<Attachment, AppError> {
        let mut text = self.content;
        text.retain(|letter| !letter.is_ascii_whitespace());
        let content = BASE64.decode(text).map_err(|_| {
            AppError::invalid_field(
                format!("attachments[{index}].content"),
                format!("attachments[{index}].content must be base64"),
            )
        })?;
        let content_type = self.content_type.unwrap_or_else(|| content_type_of(&self.filename).to_owned());
        Ok(Attachment { filename: self.filename, content_type, content, content_id: None })
    }
}

/// The MIME type that a file's name says.
pub(in crate::server::dialects) fn content_type_of(filename: &str) -> &'static str {
    let ending = filename.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "pdf" => "application/pdf",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "txt" => "text/plain; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "ics" => "text/calendar; charset=utf-8",
        "json" => "application/json",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    }
}

/// A thing is gone.
#[derive(Debug, Serialize, ToSchema)]
pub struct Deleted<Id> {
    /// Its id.
    pub id: Id,
}

/// Nothing to tell.
#[derive(Debug, Serialize, ToSchema)]
pub struct Nothing {}

/// Whether the installation waits for its first owner.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetupStatus {
    /// Whether the one-time link, printed when the server started, is to be opened.
    pub needs_setup: bool,
}

/// A log-in.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogInBody {
    /// The account's address.
    #[schema(example = "ada@example.com")]
    pub email: String,
    /// The password.
    #[schema(format = Password)]
    pub password: String,
    /// The browser's IANA time zone.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: Option<String>,
}

/// A registration: by the one-time link of a new installation or by an invitation.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegisterBody {
    /// From the one-time link; then `email` and `teamName` are required.
    pub setup_token: Option<String>,
    /// From the invitation's link.
    pub invite_token: Option<String>,
    /// The account's address; an invitation knows it already.
    #[schema(example = "ada@example.com")]
    pub email: Option<String>,
    /// The person's name.
    pub name: Option<String>,
    /// The password, of at least 10 characters.
    #[schema(format = Password)]
    pub password: String,
    /// The first team's name.
    pub team_name: Option<String>,
    /// The browser's IANA time zone.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: Option<String>,
}

/// A choice of team.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SwitchTeamBody {
    /// One of the account's teams.
    #[schema(example = "team_06xq3k9v2m4p8")]
    pub team_id: String,
}

/// The account that is logged in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    /// The account.
    pub user: UserBody,
    /// Its teams.
    pub teams: Vec<MembershipBody>,
    /// The team that requests are about; null when the account has none.
    #[schema(value_type = Option<String>, required)]
    pub team_id: Option<TeamId>,
    /// The role in that team.
    #[schema(required)]
    pub role: Option<Role>,
    /// What the account may do in that team.
    pub permissions: Vec<Permission>,
}

impl Me {
    /// An account with its teams, and who it is in the selected one.
    pub fn new(user: User, teams: Vec<Membership>, viewer: Option<&Viewer>) -> Self {
        Self {
            user: UserBody {
                id: user.id,
                email: user.email,
                name: user.name,
                time_zone: user.time_zone,
                created_at: user.created_at.into(),
            },
            teams: teams.into_iter().map(MembershipBody::from).collect(),
            team_id: viewer.map(|viewer| viewer.team),
            role: viewer.and_then(Viewer::role),
            permissions: viewer.map(|viewer| viewer.permissions.iter().collect()).unwrap_or_default(),
        }
    }
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: UserId,
    /// Its address.
    pub email: String,
    /// The person's name.
    pub name: String,
    /// IANA time zone.
    pub time_zone: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A team of an account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MembershipBody {
    /// The team's id.
    #[schema(value_type = String)]
    pub id: TeamId,
    /// The team's slug.
    pub slug: String,
    /// The team's name.
    pub name: String,
    /// The account's role in it.
    pub role: Role,
}

impl From<Membership> for MembershipBody {
    fn from(team: Membership) -> Self {
        Self { id: team.team_id, slug: team.slug, name: team.name, role: team.role }
    }
}

/// The name of a team.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamNameBody {
    /// One line of 1 to 100 characters.
    pub name: String,
}

/// A team.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TeamBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: TeamId,
    /// Its name in addresses.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl From<Team> for TeamBody {
    fn from(team: Team) -> Self {
        Self { id: team.id, slug: team.slug, name: team.name, created_at: team.created_at.into() }
    }
}

/// A member of a team.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberBody {
    /// The account.
    #[schema(value_type = String)]
    pub user_id: UserId,
    /// Its address.
    pub email: String,
    /// The person's name.
    pub name: String,
    /// The role in this team.
    pub role: Role,
    /// When the account joined.
    pub joined_at: Timestamp,
}

impl From<Member> for MemberBody {
    fn from(member: Member) -> Self {
        Self {
            user_id: member.user_id,
            email: member.email,
            name: member.name,
            role: member.role,
            joined_at: member.joined_at.into(),
        }
    }
}

/// A member's role.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleBody {
    /// The role.
    pub role: Role,
}

/// A member's role has changed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangedRole {
    /// The account.
    #[schema(value_type = String)]
    pub user_id: UserId,
    /// Its role now.
    pub role: Role,
}

/// Somebody to invite.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInviteBody {
    /// The only address that can accept.
    #[schema(example = "ada@example.com")]
    pub email: String,
    /// The role that it grants; not `owner`.
    pub role: Role,
}

/// An invitation that waits.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InviteBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: InviteId,
    /// The only address that can accept it.
    pub email: String,
    /// The role that it grants.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The link that accepts it; shown only when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invite_url: Option<String>,
}

impl From<Invite> for InviteBody {
    fn from(invite: Invite) -> Self {
        Self {
            id: invite.id,
            email: invite.email,
            role: invite.role,
            created_at: invite.created_at.into(),
            expires_at: invite.expires_at.into(),
            invite_url: None,
        }
    }
}

impl From<InviteLink> for InviteBody {
    fn from(link: InviteLink) -> Self {
        Self { invite_url: Some(link.url), ..link.invite.into() }
    }
}

/// A template to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTemplateBody {
    /// Its name, unique in the team: one line of 1 to 100 characters.
    pub name: String,
    /// One line, in the language of Jinja.
    #[schema(example = "Welcome, {{ name }}!")]
    pub subject: String,
    /// HTML; variables are escaped. HTML or text is required.
    #[schema(example = "<p>Hello {{ name }}</p>")]
    pub html: Option<String>,
    /// Plain text.
    pub text: Option<String>,
}

/// What of a template is to change; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateChangeBody {
    /// A new name.
    pub name: Option<String>,
    /// A new subject.
    pub subject: Option<String>,
    /// New HTML; null takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub html: Option<Option<String>>,
    /// New plain text; null takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub text: Option<Option<String>>,
}

/// Tells null, which is given, from nothing given.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl TemplateChangeBody {
    /// `present` with the changes in it.
    pub fn apply_to(self, present: TemplateSource) -> TemplateSource {
        TemplateSource {
            subject: self.subject.unwrap_or(present.subject),
            html: self.html.unwrap_or(present.html),
            text: self.text.unwrap_or(present.text),
        }
    }
}

/// A template with its current version.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: TemplateId,
    /// Its name.
    pub name: String,
    /// The current version's number, from 1.
    pub version: i64,
    /// The current version.
    #[schema(value_type = String)]
    pub version_id: TemplateVersionId,
    /// One line.
    pub subject: String,
    /// HTML.
    #[schema(required)]
    pub html: Option<String>,
    /// Plain text.
    #[schema(required)]
    pub text: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the current version was made.
    pub updated_at: Timestamp,
}

impl From<Template> for TemplateBody {
    fn from(template: Template) -> Self {
        Self {
            id: template.id,
            name: template.name,
            version: template.current.version,
            version_id: template.current.id,
            subject: template.current.source.subject,
            html: template.current.source.html,
            text: template.current.source.text,
            created_at: template.created_at.into(),
            updated_at: template.updated_at.into(),
        }
    }
}

/// One version of a template.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateVersionBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: TemplateVersionId,
    /// Its number, from 1.
    pub version: i64,
    /// One line.
    pub subject: String,
    /// HTML.
    #[schema(required)]
    pub html: Option<String>,
    /// Plain text.
    #[schema(required)]
    pub text: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl From<TemplateVersion> for TemplateVersionBody {
    fn from(version: TemplateVersion) -> Self {
        Self {
            id: version.id,
            version: version.version,
            subject: version.source.subject,
            html: version.source.html,
            text: version.source.text,
            created_at: version.created_at.into(),
        }
    }
}

/// An adapter to add.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewAdapterBody {
    /// Its name, unique in the team; by default the server's.
    pub name: Option<String>,
    /// What it speaks: `smtp` sends e-mail, `http` posts the messages of every other channel to an address of yours.
    #[serde(rename = "type")]
    pub kind: AdapterKind,
    /// Where it connects to, with user name and password, which are never shown again:
    /// `smtp://user:password@mail.example.com:587`, `https://token@example.com/messages`.
    #[schema(example = "smtp://user:password@mail.example.com:587")]
    pub url: String,
    /// The sender of messages that name none: a mailbox for `smtp`, which needs one; for `http` any name, by default the
    /// adapter's.
    #[schema(example = "Finch <receipts@finch.example>")]
    pub from: Option<String>,
    /// Whether messages go out by it unless they name another; a first adapter is the default in any case.
    #[serde(default)]
    pub is_default: bool,
}

/// What of an adapter is to change; what is left out stays.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdapterChangeBody {
    /// A new name.
    pub name: Option<String>,
    /// Another address, with user name and password.
    pub url: Option<String>,
    /// Another sender.
    pub from: Option<String>,
    /// `true` makes it the default.
    pub is_default: Option<bool>,
}

/// An adapter, without user name and password.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdapterBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: AdapterId,
    /// Its name.
    pub name: String,
    /// What it speaks.
    #[serde(rename = "type")]
    pub kind: AdapterKind,
    /// Where it connects to.
    pub endpoint: String,
    /// The sender of messages that name none.
    pub from: String,
    /// Whether messages go out by it unless they name another.
    pub is_default: bool,
    /// When it was added.
    pub created_at: Timestamp,
}

impl From<Adapter> for AdapterBody {
    fn from(adapter: Adapter) -> Self {
        Self {
            id: adapter.id,
            name: adapter.name,
            kind: adapter.kind,
            endpoint: adapter.endpoint,
            from: adapter.from_address,
            is_default: adapter.is_default,
            created_at: adapter.created_at.into(),
        }
    }
}

/// A key to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApiKeyBody {
    /// Its name: one line of 1 to 100 characters.
    pub name: String,
    /// What it may do: names of permissions, or `*` for all.
    #[schema(example = json!(["emails:send", "logs:view"]))]
    pub scopes: Vec<String>,
}

impl NewApiKeyBody {
    /// The permissions that the scopes name.
    pub fn permissions(&self) -> Result<PermissionSet, AppError> {
        if self.scopes.iter().any(|scope| scope == "*") {
            return Ok(PermissionSet::all());
        }
        let permission = |(index, scope): (usize, &String)| {
            scope.parse::<Permission>().map_err(|_| {
                let names: Vec<&str> = Permission::ALL.iter().map(|permission| permission.as_str()).collect();
                AppError::invalid_field(
                    format!("scopes[{index}]"),
                    format!("Unknown scope “{scope}”: use * or {}", names.join(", ")),
                )
            })
        };
        self.scopes.iter().enumerate().map(permission).collect()
    }
}

/// A key.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: ApiKeyId,
    /// Its name.
    pub name: String,
    /// How the key begins.
    pub prefix: String,
    /// What it may do.
    pub scopes: Vec<Permission>,
    /// Who made it; null for one made on the command line.
    #[schema(value_type = Option<String>, required)]
    pub created_by: Option<UserId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    #[schema(required)]
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked.
    #[schema(required)]
    pub revoked_at: Option<Timestamp>,
    /// The key itself; shown only when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl From<ApiKey> for ApiKeyBody {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            prefix: key.prefix,
            scopes: key.scopes.iter().collect(),
            created_by: key.created_by,
            created_at: key.created_at.into(),
            last_used_at: key.last_used_at.map(Timestamp),
            revoked_at: key.revoked_at.map(Timestamp),
            key: None,
        }
    }
}

impl From<CreatedApiKey> for ApiKeyBody {
    fn from(created: CreatedApiKey) -> Self {
        Self { key: Some(created.secret), ..created.key.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_and_z() {
        let time = DateTime::from_timestamp_micros(1_705_746_600_123_999).unwrap();
        assert_eq!(serde_json::to_value(Timestamp(time)).unwrap(), "2024-01-20T10:30:00.123Z");
        let whole = DateTime::from_timestamp(1_705_746_600, 0).unwrap();
        assert_eq!(serde_json::to_value(Timestamp(whole)).unwrap(), "2024-01-20T10:30:00.000Z");
    }

    #[test]
    fn one_address_or_several() {
        let read = |json: &str| serde_json::from_str::<OneOrMany>(json).map(|many| many.0);
        assert_eq!(read(r#""a@b.c""#).unwrap(), ["a@b.c"]);
        assert_eq!(read(r#"["a@b.c","d@e.f"]"#).unwrap(), ["a@b.c", "d@e.f"]);
        assert!(read("5").unwrap_err().to_string().contains("an address or a list of addresses"));
    }

    #[test]
    fn base64_is_read_with_and_without_padding_and_in_lines() {
        let decode = |content: &str| {
            let body = AttachmentBody { filename: "a.PDF".to_owned(), content: content.to_owned(), content_type: None };
            body.decode(3)
        };
        for content in ["aGVsbG8=", "aGVsbG8", "aGVs\nbG8="] {
            let attachment = decode(content).unwrap();
            assert_eq!(
                (attachment.content.as_slice(), attachment.content_type.as_str()),
                (&b"hello"[..], "application/pdf")
            );
        }
        assert!(
            matches!(decode("ü"), Err(AppError::Validation { field: Some(field), .. }) if field == "attachments[3].content")
        );
    }
}

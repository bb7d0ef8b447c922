//! Templates and their versions.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::Timestamp;
use crate::domain::ids::{TemplateId, TemplateVersionId};
use crate::domain::template::{Template, TemplateSource, TemplateVersion};

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
    /// Variables, by their names at the top, whose values are shown to nobody who has not given a reason: at most 50, of
    /// 1 to 100 characters.
    #[serde(rename = "maskedVariables")]
    #[schema(example = json!(["code"]))]
    pub masked_variables: Option<Vec<String>>,
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
    /// The variables, by their names at the top, whose values are shown to nobody who has not given a reason, in place of
    /// those before.
    #[serde(rename = "maskedVariables")]
    pub masked_variables: Option<Vec<String>>,
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
    /// The variables whose values are shown to nobody who has not given a reason.
    pub masked_variables: Vec<String>,
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
            masked_variables: template.masked_variables,
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

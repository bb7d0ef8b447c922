//! Templates and their versions.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ids::{TemplateId, TemplateVersionId};
use super::tracking::TemplateTracking;

/// The parameter that holds a part of a template's name, to choose one by.
pub const FIND_PARAMETER: &str = "find";
/// The longest part of a name that is looked for, in characters.
pub const MAX_FIND_CHARS: usize = 100;
/// How many templates a list to choose from shows, at most.
pub const TEMPLATES_SHOWN: usize = 10;

/// A template with its current version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    pub id: TemplateId,
    /// Its name, unique in the team.
    pub name: String,
    pub created_at: DateTime<Utc>,
    /// When its current version was made.
    pub updated_at: DateTime<Utc>,
    /// The variables, by their names at the top, whose values are shown to nobody who has not given a reason.
    pub masked_variables: Vec<String>,
    #[serde(flatten)]
    pub tracking: TemplateTracking,
    /// The version that new messages use.
    pub current: TemplateVersion,
}

/// One version of a template. Versions never change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemplateVersion {
    pub id: TemplateVersionId,
    /// Its number in the template, from 1.
    pub version: i64,
    #[serde(flatten)]
    pub source: TemplateSource,
    pub created_at: DateTime<Utc>,
}

/// The three texts of a template, in the syntax of Jinja.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateSource {
    /// One line.
    pub subject: String,
    /// HTML; variables are escaped.
    pub html: Option<String>,
    pub text: Option<String>,
}

/// A text of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TemplatePart {
    Subject,
    Html,
    Text,
}

impl TemplatePart {
    /// Its name in the engine, on which escaping hangs; its field's name in the editor too.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Subject => "subject",
            Self::Html => "html",
            Self::Text => "text",
        }
    }

    /// Its name in an error; its field's label in the editor.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Subject => "Subject",
            Self::Html => "HTML body",
            Self::Text => "Text body",
        }
    }
}

impl TemplateSource {
    /// The texts that it has.
    pub fn parts(&self) -> Vec<(TemplatePart, &str)> {
        let parts = [
            (TemplatePart::Subject, Some(&self.subject)),
            (TemplatePart::Html, self.html.as_ref()),
            (TemplatePart::Text, self.text.as_ref()),
        ];
        parts.into_iter().filter_map(|(part, text)| Some((part, text?.as_str()))).collect()
    }
}

/// What a variable is that the caller does not give, or gives as null.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Undefined {
    /// A mistake: the message is refused.
    #[default]
    Refused,
    /// Nothing: it leaves no letter. The custom of Sendwithus.
    IsNothing,
}

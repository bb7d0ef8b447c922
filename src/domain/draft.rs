//! What somebody typed into a form that was refused: kept until the form's page shows it again, so that a refusal costs no
//! typing without JavaScript either. Secrets are never kept.

use serde::{Deserialize, Serialize};

use super::error::AppError;

/// The form of a person's own account, which is the same in every team.
pub const PROFILE_FORM: &str = "profile";

/// The field of a form that names the team of its page: another tab can have led its browser into another team since.
pub const TEAM_FIELD: &str = "in_team";

/// The fields of a refused form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Draft {
    form: String,
    fields: Vec<(String, String)>,
    /// What is wrong with which field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<(String, String)>,
    /// Whether it is read again after its page has shown it.
    #[serde(skip)]
    is_read_again: bool,
}

impl Draft {
    /// A draft of the form with this name, still empty.
    pub fn of(form: impl Into<String>) -> Self {
        Self { form: form.into(), ..Self::default() }
    }

    /// The draft with one field more.
    #[must_use]
    pub fn with(mut self, field: &str, value: &str) -> Self {
        self.fields.push((field.to_owned(), value.to_owned()));
        self
    }

    /// The draft with why its form was refused, where one field is to blame.
    #[must_use]
    pub fn refused(self, error: &AppError) -> Self {
        match error.field() {
            Some(field) => self.with_error(field, error.to_string()),
            None => self,
        }
    }

    /// The draft with what is wrong with a field of it.
    #[must_use]
    pub fn with_error(self, field: &str, words: impl Into<String>) -> Self {
        Self { error: Some((field.to_owned(), words.into())), ..self }
    }

    /// What is wrong with a field.
    pub fn error(&self, field: &str) -> Option<String> {
        self.error.as_ref().filter(|(name, _)| name == field).map(|(_, words)| words.clone())
    }

    /// The draft, as one that is read again after its page has shown it.
    #[must_use]
    pub fn read_again(self) -> Self {
        Self { is_read_again: true, ..self }
    }

    /// Whether it is read again after its page has shown it.
    pub fn is_read_again(&self) -> bool {
        self.is_read_again
    }

    /// The form's name.
    pub fn form(&self) -> &str {
        &self.form
    }

    /// What was typed into a field.
    pub fn get(&self, field: &str) -> Option<String> {
        self.fields.iter().find(|(name, _)| name == field).map(|(_, value)| value.clone())
    }

    /// What was typed into a field, or nothing.
    pub fn text(&self, field: &str) -> String {
        self.get(field).unwrap_or_default()
    }

    /// Whether nothing was typed.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_gives_back_what_was_typed() {
        let draft = Draft::of("template").with("name", "Welcome").with("subject", "");
        assert_eq!(draft.text("name"), "Welcome");
        assert_eq!(draft.get("subject").as_deref(), Some(""));
        assert_eq!(draft.get("html"), None);
        let draft = draft.with_error("name", "It is taken");
        assert_eq!((draft.error("name").as_deref(), draft.error("subject")), (Some("It is taken"), None));
        let draft = draft.refused(&AppError::invalid_field("subject", "subject is required"));
        assert_eq!((draft.error("subject").as_deref(), draft.error("name")), (Some("subject is required"), None));
    }
}

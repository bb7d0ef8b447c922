//! Sending a message again with a change: to another address, with other variables, from the template's current version, by
//! another adapter. What is asked for, what a copy then has otherwise, and what is said before anything is sent.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::draft::Draft;
use super::ids::{AdapterId, EmailId};
use super::named::named;

/// The most that variables of a copy may take as they are typed, in bytes.
pub const MAX_VARIABLES_BYTES: usize = 128 * 1024;

/// How many names of variables are said; of more, the others are counted.
const NAMED: usize = 8;

named! {
    /// Which version of the template a copy is made from.
    #[derive(Default)]
    #[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
    pub enum TemplateChoice, "template must be original or current" {
        /// The one that the message was made from.
        #[default]
        Original = "original" "As it was sent",
        /// The one that new messages use.
        Current = "current" "The current version",
    }
}

/// What a copy is to have otherwise than the message.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResendChange {
    /// The one mailbox that it goes to, `Ada <ada@example.com>`, in the place of all recipients.
    pub to: Option<String>,
    /// The variables, a JSON object, in the place of the message's.
    pub variables: Option<Value>,
    pub template: TemplateChoice,
    /// The adapter that it goes by, and by no other.
    pub adapter: Option<AdapterId>,
}

impl ResendChange {
    /// Whether nothing is to be otherwise.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What a copy has otherwise than the message that it sends again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyChange {
    pub is_to_other: bool,
    /// The names of the variables that were changed, in order.
    pub variables: Vec<String>,
    /// Whether it was made from the template's version of that time.
    pub is_current: bool,
    /// The adapter that was named for it.
    pub adapter_id: Option<AdapterId>,
    /// That adapter's name, even when it is deleted now.
    pub adapter_name: Option<String>,
}

impl CopyChange {
    /// Whether it has nothing otherwise.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The changes in words, after "Resent": `to another address`, `variables edited: name`, `current template`, `by Backup`.
    pub fn words(&self) -> Vec<String> {
        let adapter = self.adapter_name.as_ref().map(|name| format!("by {name}"));
        let by = self.adapter_id.and(adapter.or_else(|| Some("by an adapter that was named".to_owned())));
        let variables =
            (!self.variables.is_empty()).then(|| format!("variables edited: {}", named_few(&self.variables)));
        let to = self.is_to_other.then(|| "to another address".to_owned());
        let template = self.is_current.then(|| "current template".to_owned());
        [to, variables, template, by].into_iter().flatten().collect()
    }
}

/// What a message's page says of changes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FamilyChanges {
    /// What it has otherwise itself than the message that it sends again.
    pub own: CopyChange,
    /// Whom that message was for, as the viewer sees it, where this one went to another address.
    pub instead_of: Option<String>,
    /// What its copies have otherwise; those without a change are left out.
    pub copies: Vec<(EmailId, CopyChange)>,
}

impl FamilyChanges {
    /// What a copy has otherwise.
    pub fn of_copy(&self, id: EmailId) -> Option<&CopyChange> {
        self.copies.iter().find(|(copy, _)| *copy == id).map(|(_, change)| change)
    }
}

/// The names at the top of two JSON objects whose values are not the same, in order.
pub fn changed_names(before: &Value, after: &Value) -> Vec<String> {
    let fields = [before, after].into_iter().filter_map(Value::as_object).flat_map(|fields| fields.keys());
    let mut names: Vec<String> = fields.filter(|name| before.get(name) != after.get(name)).cloned().collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// `name, company and 3 more`.
pub fn named_few(names: &[String]) -> String {
    let shown = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// What a copy with a change would be, said before it is made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangePreflight {
    /// What will happen, each in a sentence.
    pub sentences: Vec<String>,
    /// What speaks against it.
    pub warnings: Vec<Warning>,
    /// Why there will be no copy, and which field is to blame where one is.
    pub refusal: Option<(Option<String>, String)>,
    /// The message that says the same and went out, which the answer has to name.
    pub again: Option<EmailId>,
}

/// What speaks against a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    pub words: String,
    /// The message that brought it about.
    pub because_of: Option<EmailId>,
}

/// What of a message may be changed by its viewer, for the form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changeable {
    /// Whether another address may be given.
    pub address: bool,
    /// The variables as the viewer sees them, as JSON that is easy to read; `None` where they may not be changed.
    pub variables: Option<String>,
    /// Why address or variables cannot be changed, in sentences.
    pub obstacles: Vec<String>,
    /// The numbers of the version that it was made from and of the current one, where both can be rendered.
    pub versions: Option<(Option<i64>, i64)>,
    /// The adapters that send its channel, by their names.
    pub adapters: Vec<(AdapterId, String)>,
}

/// The fields of the form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TypedChange {
    pub to: String,
    pub variables: String,
    /// `original` or `current`.
    pub template: String,
    /// An adapter's id; nothing for the one of before.
    pub adapter: String,
}

impl TypedChange {
    /// The name of the form that resends a message with a change.
    pub fn form_of(id: EmailId) -> String {
        format!("resend {id}")
    }

    /// What is kept of the form while it is not sent.
    pub fn draft(&self, id: EmailId) -> Draft {
        let Self { to, variables, template, adapter } = self;
        let draft = Draft::of(Self::form_of(id)).with("to", to).with("variables", variables);
        draft.with("template", template).with("adapter", adapter)
    }

    /// Of a draft; where there is none, of a form that nobody has changed.
    pub fn of_draft(draft: &Draft, changeable: &Changeable) -> Self {
        let variables = draft.get("variables").or_else(|| changeable.variables.clone()).unwrap_or_default();
        let field = |name| draft.get(name).unwrap_or_default();
        Self { to: field("to"), variables, template: field("template"), adapter: field("adapter") }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_changed_variable_is_one_that_is_new_gone_or_another() {
        let before = json!({"name": "Ada", "code": 1, "old": true, "same": {"a": [1]}});
        let after = json!({"name": "Bob", "code": 1, "new": null, "same": {"a": [1]}});
        assert_eq!(changed_names(&before, &after), ["name", "new", "old"]);
        assert_eq!(changed_names(&before, &before), Vec::<String>::new());
    }

    #[test]
    fn a_change_says_names_and_no_values() {
        let names: Vec<String> = (0..10).map(|number| format!("v{number}")).collect();
        let change = CopyChange {
            is_to_other: true,
            variables: names,
            is_current: true,
            adapter_id: Some(AdapterId(1)),
            adapter_name: Some("Backup".to_owned()),
        };
        let words = [
            "to another address",
            "variables edited: v0, v1, v2, v3, v4, v5, v6, v7 and 2 more",
            "current template",
            "by Backup",
        ];
        assert_eq!(change.words(), words);
        assert!(CopyChange::default().is_none() && CopyChange::default().words().is_empty());
    }
}

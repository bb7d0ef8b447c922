//! Sending one message again with a change: the page with its form, looking at what would happen, and doing it.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::email::Email;
use crate::domain::error::AppError;
use crate::domain::ids::EmailId;
use crate::domain::resend_change::{ChangePreflight, Changeable};

/// The page of a message's resend, without a draft of its form.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ResendChangeView {
    pub email: Email,
    pub changeable: Changeable,
    /// What the form says, as it was sent to be looked at.
    pub typed: TypedChange,
    pub preflight: ChangePreflight,
    /// Stands for what the form said when the preflight was made.
    pub checked: String,
    /// Makes a form that is sent twice send one copy.
    pub once: String,
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

/// Where the message's page leads back to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WayBack {
    pub list: String,
    pub row: String,
}

impl WayBack {
    /// The fields of an address or form that are not empty.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let fields = [("list", self.list.clone()), ("row", self.row.clone())];
        fields.into_iter().filter(|(_, value)| !value.is_empty()).collect()
    }
}

#[cfg(feature = "ssr")]
impl TypedChange {
    fn draft(&self, id: EmailId) -> crate::domain::draft::Draft {
        use crate::domain::draft::Draft;
        let Self { to, variables, template, adapter } = self;
        let draft = Draft::of(form_of(id)).with("to", to).with("variables", variables);
        draft.with("template", template).with("adapter", adapter)
    }

    /// Of a draft; where there is none, of a form that nobody has changed.
    fn of_draft(draft: &crate::domain::draft::Draft, changeable: &Changeable) -> Self {
        let variables = draft.get("variables").or_else(|| changeable.variables.clone()).unwrap_or_default();
        let field = |name| draft.get(name).unwrap_or_default();
        Self { to: field("to"), variables, template: field("template"), adapter: field("adapter") }
    }

    fn read(&self) -> Result<crate::domain::resend_change::ResendChange, AppError> {
        use crate::server::services::resend_changes::{read_choice, read_variables};
        let adapter = match self.adapter.trim() {
            "" => None,
            id => Some(id.parse().map_err(|_| AppError::not_found("Adapter"))?),
        };
        Ok(crate::domain::resend_change::ResendChange {
            to: Some(self.to.trim().to_owned()).filter(|to| !to.is_empty()),
            variables: read_variables(&self.variables)?,
            template: read_choice(self.template.trim())?,
            adapter,
        })
    }

    /// What stands for all of it. A browser sends other line ends than it was given.
    fn checked(&self) -> String {
        let template = if self.template.is_empty() { "original" } else { &self.template };
        let said =
            serde_json::json!([self.to.trim(), self.variables.replace("\r\n", "\n").trim(), template, self.adapter]);
        crate::server::secrets::token_hash(&said.to_string())
    }
}

/// The name of the form that resends a message with a change.
pub fn form_of(id: EmailId) -> String {
    format!("resend {id}")
}

/// A message with what of it can be changed before it is sent again, and what would happen. Needs `logs:view` and
/// `logs:resend`.
#[server]
pub async fn load_resend_change(id: EmailId) -> Result<ResendChangeView, AppError> {
    use crate::server::{context, secrets::random_token, services::resend_changes};
    let (app, viewer) = (context::app(), context::viewer().await?);
    let (email, changeable) = resend_changes::find_changeable(&app, &viewer, id).await?;
    let draft = super::draft::load_draft(form_of(id)).await?;
    let typed = TypedChange::of_draft(&draft, &changeable);
    let preflight = match typed.read() {
        Ok(change) => resend_changes::preflight(&app, &viewer, id, &change).await?,
        Err(error) => {
            let refusal = Some((error.field().map(str::to_owned), error.to_string()));
            ChangePreflight { refusal, ..ChangePreflight::default() }
        }
    };
    let checked = typed.checked();
    Ok(ResendChangeView { email, changeable, typed, preflight, checked, once: random_token() })
}

/// Gives back the form's page with what would happen. Needs `logs:view` and `logs:resend`, and what the change needs.
#[server]
pub async fn check_resend(
    id: EmailId,
    #[server(flatten)] typed: TypedChange,
    #[server(flatten)] back: WayBack,
) -> Result<(), AppError> {
    use crate::server::{context, services::resend_changes};
    let draft = typed.draft(id);
    let viewer = context::viewer_of(&draft).await?;
    // What cannot be read is said beside its field.
    resend_changes::check_change(&context::app(), &viewer, id, &typed.read().unwrap_or_default()).await?;
    context::keep_draft(&draft).await;
    crate::server::context::redirect(&page_of(id, &back));
    Ok(())
}

/// Sends a message again as the form says, and goes on to the new one; the page comes back first where the form says something
/// else than what was looked at. Needs `logs:view` and `logs:resend`, and what the change needs.
#[server]
pub async fn resend_changed(
    id: EmailId,
    #[server(default)] again: Option<EmailId>,
    #[server(flatten)] typed: TypedChange,
    #[server(default)] checked: String,
    #[server(default)] once: String,
    #[server(flatten)] back: WayBack,
) -> Result<(), AppError> {
    use crate::domain::address;
    use crate::server::services::{resend_changes, send::IdempotencyKey};
    use crate::server::{context, secrets::random_token};
    let draft = typed.draft(id);
    let viewer = context::viewer_of(&draft).await?;
    let change = context::or_keep(&draft, typed.read()).await?;
    resend_changes::check_change(&context::app(), &viewer, id, &change).await?;
    if checked != typed.checked() {
        context::keep_draft(&draft).await;
        context::flash(
            context::FlashKind::Warning,
            "Nothing was sent yet: look at what will happen, then press the button.",
        );
        crate::server::context::redirect(&page_of(id, &back));
        return Ok(());
    }
    let body = format!("{id}\n{checked}\n{}", again.map(|id| id.to_string()).unwrap_or_default());
    let key = if once.is_empty() { random_token() } else { once };
    let key = IdempotencyKey { endpoint: "page:/logs/resend", key, body: body.into() };
    let result = resend_changes::resend_by_form(&context::app(), &viewer, (id, again), &change, key).await;
    let copy = context::or_keep(&draft, result).await?;
    context::sent(&draft).await;
    context::flash(context::FlashKind::Success, "Resent. This is the new message.");
    crate::server::context::redirect(&address::url(&format!("/logs/{copy}"), back.fields()));
    Ok(())
}

/// The page of a resend with a change, at what would happen.
pub fn page_of(id: EmailId, back: &WayBack) -> String {
    let url = crate::domain::address::url(&format!("/logs/{id}/resend"), back.fields());
    format!("{url}#resend-preflight")
}

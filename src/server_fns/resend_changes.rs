//! Sending one message again with a change: the page with its form, looking at what would happen, and doing it.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::email::Email;
use crate::domain::error::AppError;
use crate::domain::ids::EmailId;
use crate::domain::resend_change::{ChangePreflight, Changeable, TypedChange};

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

/// A message with what of it can be changed before it is sent again, and what would happen. Needs `logs:view` and
/// `logs:resend`.
#[server]
pub async fn load_resend_change(id: EmailId) -> Result<ResendChangeView, AppError> {
    use crate::server::{context, secrets::random_token, services::resend_changes};
    let (app, viewer) = (context::app(), context::viewer().await?);
    let (email, changeable) = resend_changes::find_changeable(&app, &viewer, id).await?;
    let draft = super::draft::load_draft(TypedChange::form_of(id)).await?;
    let typed = TypedChange::of_draft(&draft, &changeable);
    let preflight = match resend_changes::read(&typed) {
        Ok(change) => resend_changes::preflight(&app, &viewer, id, &change).await?,
        Err(error) => {
            let refusal = Some((error.field().map(str::to_owned), error.to_string()));
            ChangePreflight { refusal, ..ChangePreflight::default() }
        }
    };
    let checked = resend_changes::checked(&typed);
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
    resend_changes::check_change(&context::app(), &viewer, id, &resend_changes::read(&typed).unwrap_or_default())
        .await?;
    context::keep_draft(&draft).await;
    context::redirect(&page_of(id, &back));
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
    let change = context::or_keep(&draft, resend_changes::read(&typed)).await?;
    resend_changes::check_change(&context::app(), &viewer, id, &change).await?;
    if checked != resend_changes::checked(&typed) {
        context::keep_draft(&draft).await;
        context::flash(
            context::FlashKind::Warning,
            "Nothing was sent yet: look at what will happen, then press the button.",
        );
        context::redirect(&page_of(id, &back));
        return Ok(());
    }
    let body = format!("{id}\n{checked}\n{}", again.map(|id| id.to_string()).unwrap_or_default());
    let key = if once.is_empty() { random_token() } else { once };
    let key = IdempotencyKey { endpoint: "page:/logs/resend", key, body: body.into() };
    let result = resend_changes::resend_by_form(&context::app(), &viewer, (id, again), &change, key).await;
    let copy = context::or_keep(&draft, result).await?;
    context::sent(&draft).await;
    context::flash(context::FlashKind::Success, "Resent. This is the new message.");
    context::redirect(&address::url(&format!("/logs/{copy}"), back.fields()));
    Ok(())
}

/// The page of a resend with a change, at what would happen.
pub fn page_of(id: EmailId, back: &WayBack) -> String {
    let url = crate::domain::address::url(&format!("/logs/{id}/resend"), back.fields());
    format!("{url}#resend-preflight")
}

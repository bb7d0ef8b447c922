//! What was typed into forms that were refused, or sent after their session had ended.

use leptos::prelude::*;

use crate::domain::draft::Draft;
use crate::domain::error::AppError;

/// What is said where a form is given back after a log-in.
pub const WELCOME_BACK: &str =
    "Your session ended before this was saved. The form is as you left it: check it and save.";

/// The draft of a form; an empty one where there is none.
#[server]
pub async fn load_draft(form: String) -> Result<Draft, AppError> {
    Ok(crate::server::context::find_draft(&form).await.unwrap_or_else(|| Draft::of(form)))
}

/// Forgets what waited for the form `id` since before a log-in, for the person of this session in this browser.
#[server]
pub async fn discard_draft(id: String) -> Result<(), AppError> {
    use crate::server::context;
    context::discard_draft(&id).await?;
    context::flash(context::FlashKind::Success, "Discarded.");
    Ok(())
}

//! Drafts of refused forms.

use leptos::prelude::*;

use crate::domain::draft::Draft;
use crate::domain::error::AppError;

/// The draft of a form, once; an empty one where there is none.
#[server]
pub async fn load_draft(form: String) -> Result<Draft, AppError> {
    Ok(crate::server::context::take_draft(&form).await.unwrap_or_else(|| Draft::of(form)))
}

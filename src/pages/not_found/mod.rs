//! The page for addresses that lead nowhere.

use leptos::prelude::*;

use super::layout::{Section, in_layout};
use crate::domain::error::AppError;

/// Says so, with the status 404.
#[component]
pub fn NotFoundPage() -> impl IntoView {
    in_layout(Section::Elsewhere, async { Err::<(), _>(AppError::not_found("Page")) }, |()| ())
}

//! Requests over HTTP: their methods and the statuses of their answers.

use leptos::prelude::*;

use super::icon::{Glyph, Icon};

/// A method, in its colour.
#[component]
pub fn Method(
    /// In capitals.
    #[prop(into)]
    method: String,
) -> impl IntoView {
    let key = method.to_lowercase();
    view! { <span class="method" data-method=key>{method}</span> }
}

/// The badge of an HTTP status: its colour and icon tell the class.
#[component]
pub fn HttpStatusBadge(
    /// `200`, `404` …
    status: i64,
) -> impl IntoView {
    let (class, glyph) = match status {
        ..300 => ("success", Glyph::Check),
        300..400 => ("redirect", Glyph::Right),
        400..500 => ("refused", Glyph::Alert),
        500.. => ("fault", Glyph::Cross),
    };
    view! { <span class="badge" data-http=class><Icon glyph/>{status}</span> }
}

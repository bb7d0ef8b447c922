//! What stands where a list would be.

use leptos::prelude::*;

use super::icon::{Glyph, Icon};

/// Says that there is nothing and what can be done about it.
#[component]
pub fn EmptyState(
    /// What kind of thing is missing.
    glyph: Glyph,
    /// One sentence: "No failed messages in the last 7 days".
    #[prop(into)]
    title: String,
    /// Links and explanations.
    children: Children,
) -> impl IntoView {
    view! {
        <div class="empty">
            <span class="empty-icon"><Icon glyph/></span>
            <p class="empty-title">{title}</p>
            <div class="empty-body">{children()}</div>
        </div>
    }
}

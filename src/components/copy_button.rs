//! Buttons that copy a text. Without JavaScript they do not appear; the text, or the browser's field of the address, can be
//! copied by hand. `components::behaviour` does the copying.

use leptos::prelude::*;

use super::icon::{Glyph, Icon};

/// An icon that copies `text` and says so beside it.
#[component]
pub fn CopyButton(
    /// What is copied.
    #[prop(into)]
    text: String,
    /// What the button is called: "Copy id".
    #[prop(into)]
    label: String,
) -> impl IntoView {
    view! {
        <button type="button" class="icon-button needs-script" title=label.clone() aria-label=label data-copy=text>
            <Icon glyph=Glyph::Copy/>
        </button>
        <span class="copied" role="status"></span>
    }
}

/// A button in words that copies the address of what the page shows.
#[component]
pub fn CopyLink(
    /// The whole address.
    text: String,
) -> impl IntoView {
    view! {
        <button type="button" class="button needs-script" title="A link to the same rows, for everybody" data-copy=text>
            <span aria-live="polite">"Copy link"</span>
        </button>
    }
}

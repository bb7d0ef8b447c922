//! Copies a text.

use leptos::prelude::*;
use leptos::web_sys;

use super::icon::{Glyph, Icon};

/// A button that copies `text` and says so. Without JavaScript it does not appear; the text beside it can be selected.
#[island]
pub fn CopyButton(
    /// What is copied.
    text: String,
    /// What the button is called: "Copy id".
    label: String,
) -> impl IntoView {
    let (is_copied, set_copied) = signal(false);
    let copy = move |_| copy_text(&text, set_copied);
    view! {
        <button type="button" class="icon-button needs-script" title=label.clone() aria-label=label on:click=copy>
            <Icon glyph=Glyph::Copy/>
        </button>
        <span class="copied" role="status">{move || is_copied.get().then_some("Copied")}</span>
    }
}

/// A button that copies the address of what the page shows. Without JavaScript it does not appear; the browser has the
/// address.
#[island]
pub fn CopyLink(
    /// The whole address.
    text: String,
) -> impl IntoView {
    let (is_copied, set_copied) = signal(false);
    let copy = move |_| copy_text(&text, set_copied);
    view! {
        <button type="button" class="button needs-script" title="A link to the same rows, for everybody" on:click=copy>
            <span role="status">{move || if is_copied.get() { "Copied" } else { "Copy link" }}</span>
        </button>
    }
}

/// Copies a text, and says for two seconds that it did.
fn copy_text(text: &str, set_copied: WriteSignal<bool>) {
    let _ = web_sys::window().map(|window| window.navigator().clipboard().write_text(text));
    set_copied.set(true);
    set_timeout(move || set_copied.set(false), std::time::Duration::from_secs(2));
}

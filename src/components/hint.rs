//! Words that explain themselves: on hover, on focus and on a tap, without a script.

use leptos::prelude::*;

/// Something with a sentence about it.
#[component]
pub fn Hint(
    /// The id of the sentence on the page.
    id: String,
    /// The sentence.
    words: &'static str,
    children: Children,
) -> impl IntoView {
    let described_by = id.clone();
    view! {
        <span class="explained" tabindex="0" role="note" aria-describedby=described_by>
            {children()}
            <span class="hint-words" role="tooltip" id=id>{words}</span>
        </span>
    }
}

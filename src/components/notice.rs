//! What the last form left to say.

use leptos::prelude::*;

use super::copy_button::CopyButton;
use super::icon::{Glyph, Icon};
use crate::domain::notice::Undo;

/// A sentence at the top of the page. Lines after the first are shown as code to copy, until the reader is done with it.
#[component]
pub fn Callout(
    /// Whether something went wrong.
    #[prop(optional)]
    is_error: bool,
    /// The lines.
    #[prop(into)]
    text: String,
    /// What takes back what was done.
    #[prop(optional_no_strip)]
    undo: Option<Undo>,
) -> impl IntoView {
    let (sentence, code) = match text.split_once('\n') {
        Some((sentence, code)) => (sentence.to_owned(), Some(code.to_owned())),
        None => (text, None),
    };
    let has_code = code.is_some();
    let (tone, role, glyph) =
        if is_error { ("error", "alert", Glyph::Alert) } else { ("success", "status", Glyph::Check) };
    view! {
        <div class="callout" data-tone=tone role=role>
            <Icon glyph/>
            <div class="callout-body">
                <p>{sentence}</p>
                {code.map(|code| view! {
                    <p class="callout-code">
                        <code>{code.clone()}</code>
                        <CopyButton text=code label="Copy".to_owned()/>
                    </p>
                })}
            </div>
            // The same page, which says it no more.
            {has_code.then(|| view! { <a class="button small" href="">"Done"</a> })}
            {undo.map(|undo| view! {
                <form method="post" action=undo.action>
                    <button class="button small" name="id" value=undo.id>{undo.label}</button>
                </form>
            })}
        </div>
    }
}

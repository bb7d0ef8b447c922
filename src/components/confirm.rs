//! Asks before something is taken away. The dialog is the browser's own popover and its form posts: it works without scripts.

use leptos::prelude::*;

use super::field::HiddenFields;

use crate::domain::mount::mounted;

/// A button, and the dialog behind it that says what will stop working.
#[component]
pub fn Confirm(
    /// The id of the dialog on the page.
    #[prop(into)]
    id: String,
    /// What the button says, and what it is called where several stand on a page.
    button: &'static str,
    #[prop(optional, into)] label: Option<String>,
    /// Whether it stands in a row.
    #[prop(optional)]
    small: bool,
    /// The question.
    #[prop(into)]
    title: String,
    /// What the button that does it says.
    confirm: &'static str,
    /// Where the form goes, and what it sends beside the fields in it.
    action: &'static str,
    fields: Vec<(&'static str, String)>,
    /// What will happen, and fields about it.
    children: Children,
) -> impl IntoView {
    let heading = format!("{id}-heading");
    let (opened, closed, labelled_by) = (id.clone(), id.clone(), heading.clone());
    let class = if small { "button small danger" } else { "button danger" };
    view! {
        <button type="button" class=class popovertarget=opened aria-haspopup="dialog" aria-label=label>{button}</button>
        <dialog class="dialog" id=id popover="auto" aria-labelledby=labelled_by>
            <form class="stack" method="post" action=mounted(action)>
                <h2 id=heading>{title}</h2>
                {children()}
                <HiddenFields fields/>
                <div class="dialog-buttons">
                    <button type="button" class="button" popovertarget=closed popovertargetaction="hide" autofocus>"Cancel"</button>
                    <button class="button danger">{confirm}</button>
                </div>
            </form>
        </dialog>
    }
}

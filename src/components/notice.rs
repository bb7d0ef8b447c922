//! What the last form left to say.

use leptos::prelude::*;

use super::copy_button::CopyButton;
use super::icon::{Glyph, Icon};
use crate::domain::mount::mounted;
use crate::domain::notice::{Notice, NoticeKind};

/// What scripts show once a session has ended: what was not done, and the way to the log-in.
#[component]
pub fn SessionEnded() -> impl IntoView {
    view! {
        <div class="callout session-ended" data-tone="waiting" id="session-ended" hidden>
            <Icon glyph=Glyph::Alert/>
            <div class="callout-body"><p>"Your session ended. Log in to go on."</p></div>
            <a class="button small" href=mounted("/login")>"Log in"</a>
        </div>
    }
}

/// A sentence at the top of the page. Lines after the first are shown as code to copy, until the reader is done with it.
#[component]
pub fn Callout(notice: Notice) -> impl IntoView {
    let Notice { kind, text, undo } = notice;
    let (sentence, code) = match text.split_once('\n') {
        Some((sentence, code)) => (sentence.to_owned(), Some(code.to_owned())),
        None => (text, None),
    };
    let has_code = code.is_some();
    let (tone, role, glyph) = match kind {
        NoticeKind::Success => ("success", "status", Glyph::Check),
        NoticeKind::Warning => ("waiting", "status", Glyph::Alert),
        NoticeKind::Error => ("error", "alert", Glyph::Alert),
    };
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
            // Without a script it goes with the page.
            {has_code.then(|| view! {
                <button type="button" class="button small needs-script" data-dismiss="">"Hide"</button>
            })}
            {undo.map(|undo| view! {
                <form method="post" action=mounted(undo.action)>
                    <button class="button small" name="id" value=undo.id>{undo.label}</button>
                </form>
            })}
        </div>
    }
}

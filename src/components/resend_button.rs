//! Sending a message again: the button and the dialog that asks first.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use leptos::task::spawn_local;

use crate::components::icon::{Glyph, Icon};
use crate::server_fns::emails::{ResendEmail, resend_email};

/// A button that opens a dialog that sends the message again. The dialog is the browser's own popover and its form posts
/// without JavaScript; with it, progress and errors show in place.
#[island]
pub fn ResendButton(
    /// The message, `eml_…`.
    id: String,
    /// Whom it is for, in words.
    recipient: String,
    /// Its subject.
    subject: String,
    /// A message that says the same and went out, or may have: its id, and a sentence about it. Sending it once more is
    /// asked for plainly then, and the answer names what was shown.
    again: Option<(String, String)>,
) -> impl IntoView {
    let (is_sending, set_sending) = signal(false);
    let (error, set_error) = signal(None::<String>);
    let dialog = format!("resend-{id}");
    let (opened, closed) = (dialog.clone(), dialog.clone());
    let heading = format!("resend-heading-{id}");
    let labelled_by = heading.clone();
    let email_id = id.clone();
    let (again_id, sentence) = again.unzip();
    let known = again_id.as_ref().and_then(|id| id.parse().ok());
    let is_again = again_id.is_some();
    let title = if is_again { "Send this message once more?" } else { "Send this message again?" };
    let label = if is_again { "Send once more" } else { "Resend" };
    let submit = move |event: leptos::ev::SubmitEvent| {
        let Ok(id) = email_id.parse() else { return };
        event.prevent_default();
        set_sending.set(true);
        set_error.set(None);
        spawn_local(async move {
            match resend_email(id, known).await {
                Ok(accepted) => drop(window().location().assign(&format!("/logs/{}", accepted.id))),
                Err(cause) => {
                    set_sending.set(false);
                    set_error.set(Some(cause.to_string()));
                }
            }
        });
    };
    view! {
        <button type="button" class="button resend" popovertarget=opened aria-haspopup="dialog">"Resend"</button>
        <dialog class="dialog" id=dialog popover="auto" aria-labelledby=labelled_by>
            <form method="post" action=ResendEmail::PATH on:submit=submit>
                <h2 id=heading>{title}</h2>
                {sentence.map(|sentence| view! { <p class="dialog-warning"><strong>{sentence}</strong></p> })}
                <p>
                    "A new message with the same content goes to " <strong>{recipient}</strong> ": “" {subject} "”. It "
                    "gets its own entry in the log, linked to this one."
                </p>
                <p class="dialog-error" role="alert">{move || error.get()}</p>
                <input type="hidden" name="id" value=id/>
                {again_id.map(|id| view! { <input type="hidden" name="again" value=id/> })}
                <div class="dialog-buttons">
                    <button type="button" class="button" popovertarget=closed popovertargetaction="hide">"Cancel"</button>
                    <button class="button primary" autofocus disabled=is_sending>
                        <Icon glyph=Glyph::Resend/>
                        {move || if is_sending.get() { "Queueing …" } else { label }}
                    </button>
                </div>
            </form>
        </dialog>
    }
}

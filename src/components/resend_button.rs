//! Sending a message again: the button and the dialog that asks first. The server renders all of it. The button opens the
//! dialog as a modal one by `command`; for a browser that does not know that, `components::behaviour` does.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use crate::components::icon::{Glyph, Icon};
use crate::domain::address;
use crate::domain::channel::Channel;
use crate::domain::ids::EmailId;
use crate::domain::mount::mounted;
use crate::server_fns::emails::ResendEmail;

/// A button that opens a dialog, whose form sends the message again.
#[component]
pub fn ResendButton(
    id: EmailId,
    channel: Channel,
    /// Whom it is for, in words.
    recipient: String,
    /// Its subject; empty where it has none.
    subject: String,
    /// What to know before, in sentences: that it was resent already, what a copy will likely meet.
    warnings: Vec<String>,
    /// Whether the warnings speak against it: the button that sends is not the main one then.
    is_doubtful: bool,
    /// A message that says the same and went out, or may have. Sending it once more is asked for plainly then, and the
    /// answer names what was shown.
    again: Option<EmailId>,
    /// The list that the viewer comes from, as `LogQuery::to_list` says it.
    list: Option<String>,
    /// The row of that list that the new message's page leads back to.
    row: EmailId,
) -> impl IntoView {
    let dialog = format!("resend-{id}");
    let heading = format!("resend-heading-{id}");
    let text = format!("resend-text-{id}");
    let (title, label) = match (again, is_doubtful) {
        (Some(_), _) => ("Send this message once more?", "Send once more"),
        (None, true) => ("Send this message again?", "Resend anyway"),
        (None, false) => ("Send this message again?", "Resend"),
    };
    let way_back = list.clone().map(|list| vec![("list", list), ("row", row.to_string())]).unwrap_or_default();
    let change = address::url(&format!("/logs/{id}/resend"), way_back);
    let class = if is_doubtful { "button" } else { "button primary" };
    let warnings =
        warnings.into_iter().map(|sentence| view! { <p class="dialog-warning"><strong>{sentence}</strong></p> });
    view! {
        <button
            type="button"
            class="button resend"
            commandfor=dialog.clone()
            command="show-modal"
            aria-haspopup="dialog"
        >
            "Resend"
        </button>
        <dialog
            class="dialog"
            id=dialog.clone()
            closedby="any"
            aria-labelledby=heading.clone()
            aria-describedby=text.clone()
        >
            <form method="post" action=mounted(ResendEmail::PATH) data-once>
                <h2 id=heading.clone()>{title}</h2>
                <div id=text.clone()>
                    {warnings.collect_view()}
                    <p>
                        {format!("A new {} with the same content goes to ", noun(channel))} <strong>{recipient}</strong>
                        {quoted(channel, &subject)} ". It gets its own entry in the log, linked to this one."
                    </p>
                </div>
                <input type="hidden" name="id" value=id.to_string()/>
                {again.map(|id| view! { <input type="hidden" name="again" value=id.to_string()/> })}
                {list.map(|list| view! {
                    <input type="hidden" name="list" value=list/>
                    <input type="hidden" name="row" value=row.to_string()/>
                })}
                <p class="dialog-change"><a href=mounted(change)>"Change something first"</a>": the address, the variables, the template or the adapter."</p>
                <div class="dialog-buttons">
                    <button
                        type="button"
                        class="button"
                        commandfor=dialog.clone()
                        command="close"
                    >
                        "Cancel"
                    </button>
                    <button class=class autofocus><Icon glyph=Glyph::Resend/>{label}</button>
                </div>
            </form>
        </dialog>
    }
}

/// What a message of the channel is called.
const fn noun(channel: Channel) -> &'static str {
    match channel {
        Channel::Email => "message",
        Channel::Sms => "SMS",
        Channel::Call => "call",
        Channel::Push => "push notification",
        Channel::InApp => "in-app notification",
    }
}

/// The subject, where the channel has one: `: “Welcome”`.
fn quoted(channel: Channel, subject: &str) -> Option<String> {
    match (subject.is_empty(), channel) {
        (false, _) => Some(format!(": “{subject}”")),
        (true, Channel::Email) => Some(", without a subject".to_owned()),
        (true, Channel::Sms | Channel::Call | Channel::Push | Channel::InApp) => None,
    }
}

//! The test message of an adapter: to whom, and by which.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use crate::domain::adapter::{Adapter, Lane};
use crate::domain::mount::mounted;
use crate::domain::viewer::{Actor, Viewer};
use crate::server_fns::adapters::TestAdapter;

/// A button, and the dialog behind it that asks where the test goes.
#[component]
pub(super) fn TestDialog(adapter: Adapter) -> impl IntoView {
    let id = format!("test-{}", adapter.id);
    let heading = format!("{id}-heading");
    let (opened, closed, labelled_by, field) = (id.clone(), id.clone(), heading.clone(), format!("{id}-to"));
    let label = format!("Send a test by {}", adapter.name);
    view! {
        <button type="button" class="button small" popovertarget=opened aria-haspopup="dialog" aria-label=label>
            "Send a test"
        </button>
        <dialog class="dialog" id=id popover="auto" aria-labelledby=labelled_by>
            <form class="stack" method="post" action=mounted(TestAdapter::PATH) data-once>
                <h2 id=heading>"Send a test by “" {adapter.name.clone()} "”"</h2>
                <Recipient adapter field/>
                <div class="dialog-buttons">
                    <button type="button" class="button" popovertarget=closed popovertargetaction="hide">"Cancel"</button>
                    <button class="button primary">"Send the test"</button>
                </div>
            </form>
        </dialog>
    }
}

/// What is offered right after an adapter was added.
#[component]
pub(super) fn TestAdded(adapter: Adapter) -> impl IntoView {
    let title = format!("Try “{}”", adapter.name);
    let heading = title.clone();
    view! {
        <section class="panel narrow" aria-label=title>
            <div class="panel-head"><h2>{heading}</h2></div>
            <form class="stack panel-body" method="post" action=mounted(TestAdapter::PATH) data-once>
                <Recipient adapter field="test-added-to".to_owned()/>
                <div class="form-foot">
                    <a class="button" href=mounted("/settings/adapters")>"Not now"</a>
                    <button class="button primary">"Send the test"</button>
                </div>
            </form>
        </section>
    }
}

/// Where the test goes: by mail to whoever is looking, unless they say otherwise.
#[component]
fn Recipient(
    adapter: Adapter,
    /// The id of the field on the page.
    field: String,
) -> impl IntoView {
    let own = use_context::<Viewer>().and_then(|viewer| match viewer.actor {
        Actor::User { email, .. } => Some(email),
        Actor::ApiKey { .. } => None,
    });
    let (label, kind, value, placeholder) = match adapter.kind.lane() {
        Lane::Email => ("To", "email", own.unwrap_or_default(), "you@example.com"),
        Lane::Phone => ("To this number", "tel", String::new(), "+49 170 1234567"),
        Lane::Web => ("To this number or address", "text", String::new(), "+49 170 1234567"),
    };
    let hint = format!("{field}-hint");
    view! {
        <input type="hidden" name="id" value=adapter.id.to_string()/>
        <div class="field">
            <label for=field.clone()>{label}</label>
            <input
                id=field
                name="to"
                type=kind
                value=value
                placeholder=placeholder
                autocomplete="off"
                required
                aria-describedby=hint.clone()
            />
            <p class="hint" id=hint>
                "You see the server's answer within ten seconds. The test is not in the log or the statistics."
            </p>
        </div>
    }
}

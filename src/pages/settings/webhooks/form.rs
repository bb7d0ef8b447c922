//! What somebody sets of a webhook, as fields of a form.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use crate::components::field::{OfTeam, SelectField, TextField};
use crate::components::icon::{Glyph, Icon};
use crate::domain::draft::Draft;
use crate::domain::event::EventKind;
use crate::domain::mount::mounted;
use crate::domain::webhook::{Webhook, WebhookShape};
use crate::server_fns::webhooks::{CreateWebhook, UpdateWebhook};

#[component]
pub(super) fn NewWebhook(draft: Draft) -> impl IntoView {
    view! {
        <section class="panel" aria-label="Add a webhook">
            <div class="panel-head">
                <h2>"Add a webhook"</h2>
                <p><a href=mounted("/help/webhooks")>"What is posted, and how to check its signature"</a></p>
            </div>
            <form class="stack panel-body" method="post" action=mounted(CreateWebhook::PATH) data-unsaved="">
                <OfTeam/>
                <Fields webhook=None url=String::new() draft/>
                <div class="form-foot"><button class="button primary"><Icon glyph=Glyph::Plus/>"Add webhook"</button></div>
            </form>
        </section>
    }
}

#[component]
pub(super) fn EditWebhook(webhook: Webhook, url: String, draft: Draft) -> impl IntoView {
    let (id, is_on) = (webhook.id.to_string(), webhook.is_on);
    view! {
        <section class="panel" aria-label="Settings of the webhook">
            <div class="panel-head"><h2>"Settings"</h2></div>
            <form class="stack panel-body" method="post" action=mounted(UpdateWebhook::PATH) data-unsaved="">
                <OfTeam/>
                <input type="hidden" name="id" value=id/>
                <Fields webhook=Some(webhook) url draft/>
                <label class="check">
                    <input type="checkbox" name="on" value="1" checked=is_on autocomplete="off"/>
                    <span>"On: what happens is posted"</span>
                </label>
                <div class="form-foot"><button class="button primary">"Save"</button></div>
            </form>
        </section>
    }
}

#[component]
fn Fields(webhook: Option<Webhook>, url: String, draft: Draft) -> impl IntoView {
    let shapes = WebhookShape::ALL.map(|shape| (shape.as_str().to_owned(), shape.label().to_owned())).to_vec();
    let shape = webhook.as_ref().map_or(WebhookShape::Sendlog, |webhook| webhook.shape);
    let name = webhook.as_ref().map(|webhook| webhook.name.clone()).unwrap_or_default();
    let chosen = webhook.map(|webhook| webhook.kinds).unwrap_or_default();
    let boxes = EventKind::ALL.map(|kind| {
        let is_chosen = chosen.contains(&kind);
        view! {
            <label class="check">
                <input type="checkbox" name="kinds[]" value=kind.as_str() checked=is_chosen autocomplete="off"/>
                <span>{kind.label()} <code>{kind.as_str()}</code></span>
            </label>
        }
    });
    view! {
        <TextField
            label="Address"
            name="url"
            kind="url"
            placeholder="https://example.com/hooks/sendlog"
            max_length=2000
            value=draft.get("url").unwrap_or(url)
            error=draft.error("url")
        />
        <div class="short stack">
            <TextField
                label="Name"
                name="name"
                required=false
                max_length=100
                hint="The host's where it is empty."
                value=draft.get("name").unwrap_or(name)
                error=draft.error("name")
            />
            <SelectField
                label="Shape"
                name="shape"
                options=shapes
                selected=draft.get("shape").unwrap_or_else(|| shape.as_str().to_owned())
                hint="Resend's and JetEmail's are for programs that read theirs already."
            />
        </div>
        <fieldset class="checks">
            <legend>"Events; every kind where none is ticked"</legend>
            {boxes.collect_view()}
        </fieldset>
    }
}

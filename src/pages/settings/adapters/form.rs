//! The form of an adapter, field by field. Both kinds' fields are in the form of a new one; the style shows those of the chosen
//! kind, so that it works without scripts.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use crate::components::field::{SelectField, TextField};
use crate::domain::adapter::form::{AddressForm, KeptLogIn};
use crate::domain::adapter::{AdapterKind, TlsMode};
use crate::domain::draft::Draft;
use crate::server_fns::adapters::{CreateAdapter, EditedAdapter, TYPED_SECRETS, UpdateAdapter};

#[component]
pub(super) fn NewAdapter(draft: Draft) -> impl IntoView {
    let kinds = AdapterKind::ALL.map(|kind| (kind.as_str().to_owned(), kind.label().to_owned())).to_vec();
    let mut form = AddressForm::default();
    form.smtp.security = TlsMode::Required.as_str().to_owned();
    let is_default = draft.get("is_default").is_some();
    view! {
        <section class="panel narrow" aria-label="Add an adapter">
            <div class="panel-head"><h2>"Add an adapter"</h2></div>
            <form class="stack panel-body adapter-form" method="post" action=CreateAdapter::PATH>
                <SelectField
                    label="Kind"
                    name="kind"
                    options=kinds
                    selected=draft.get("kind").unwrap_or_else(|| AdapterKind::Smtp.as_str().to_owned())
                    hint="A mail server sends email. A web address takes the messages of every other channel as JSON: text messages, calls, push and in-app."
                />
                <TextField
                    label="Name"
                    name="name"
                    placeholder="SES Frankfurt"
                    hint="Without one, the adapter is named after its host."
                    required=false
                    value=draft.text("name")
                    error=draft.error("name")
                />
                <SmtpFields form=form.clone() kept=KeptLogIn::None draft=draft.clone()/>
                <HttpFields form kept=KeptLogIn::None draft=draft.clone()/>
                <Sender value=draft.text("from_address") error=draft.error("from")/>
                <label class="check">
                    <input type="checkbox" name="is_default" checked=is_default/>
                    "Use it for messages that name no adapter, within the channels that it sends"
                </label>
                <div class="form-foot"><button class="button primary">"Add"</button></div>
            </form>
        </section>
    }
}

#[component]
pub(super) fn EditAdapter(edited: EditedAdapter) -> impl IntoView {
    let EditedAdapter { adapter, form, kept, draft } = edited;
    let title = format!("Edit {}", adapter.name);
    let heading = title.clone();
    let shown = |field: &str, now: &str| draft.get(field).unwrap_or_else(|| now.to_owned());
    let fields = match adapter.kind {
        AdapterKind::Smtp => view! { <SmtpFields form kept draft=draft.clone()/> }.into_any(),
        AdapterKind::Http => view! { <HttpFields form kept draft=draft.clone()/> }.into_any(),
    };
    view! {
        <section class="panel narrow" aria-label=title>
            <div class="panel-head"><h2>{heading}</h2></div>
            <form class="stack panel-body" method="post" action=UpdateAdapter::PATH>
                <input type="hidden" name="id" value=adapter.id.to_string()/>
                <TextField
                    label="Name"
                    name="name"
                    value=shown("name", &adapter.name)
                    error=draft.error("name")
                    autofocus=true
                />
                {fields}
                <Sender value=shown("from_address", &adapter.from_address) error=draft.error("from")/>
                <p class="hint">"Messages that wait for this adapter go out as it then is."</p>
                <div class="form-foot">
                    <a class="button" href="/settings/adapters">"Cancel"</a>
                    <button class="button primary">"Save"</button>
                </div>
            </form>
        </section>
    }
}

#[component]
fn Sender(value: String, error: Option<String>) -> impl IntoView {
    view! {
        <TextField
            label="Sender of messages that name none"
            name="from_address"
            placeholder="Finch <receipts@example.com>"
            hint="A mail server needs one. For a web address it is any name, by default the adapter's."
            required=false
            value=value
            error=error
        />
    }
}

#[component]
fn SmtpFields(form: AddressForm, kept: KeptLogIn, draft: Draft) -> impl IntoView {
    let form = form.smtp;
    let shown = |field: &str, now: String| draft.get(field).unwrap_or(now);
    let modes = TlsMode::ALL.map(|mode| (mode.as_str().to_owned(), mode.label().to_owned())).to_vec();
    view! {
        <fieldset class="bare-fieldset stack of-smtp">
            <legend class="visually-hidden">"Mail server"</legend>
            <TextField
                label="Host"
                name="smtp[host]"
                placeholder="mail.example.com"
                hint="A whole smtp:// or smtps:// address is understood too."
                required=false
                value=shown("smtp[host]", form.host)
                error=draft.error("smtp[host]")
            />
            <SelectField
                label="Security"
                name="smtp[security]"
                options=modes
                selected=shown("smtp[security]", form.security)
                hint="Port 465 speaks TLS from the start; 587 and 25 begin with STARTTLS. A password never goes out in plain text, but to this machine itself."
            />
            <TextField
                label="Port"
                name="smtp[port]"
                hint="Without one it is 465 for TLS from the start, otherwise 587."
                required=false
                value=shown("smtp[port]", form.port)
                error=draft.error("smtp[port]")
            />
            <TextField
                label="User"
                name="smtp[user]"
                required=false
                value=shown("smtp[user]", form.user)
                error=draft.error("smtp[user]")
            />
            <PasswordField name="smtp[password]" kept draft=draft.clone()/>
            <NoLogIn name="smtp[no_log_in]" kept/>
        </fieldset>
    }
}

#[component]
fn HttpFields(form: AddressForm, kept: KeptLogIn, draft: Draft) -> impl IntoView {
    let form = form.http;
    let shown = |field: &str, now: String| draft.get(field).unwrap_or(now);
    let token_error = draft.error("http[token]").or_else(|| type_again(&draft, "http[token]"));
    let token_hint = match kept {
        KeptLogIn::Token => "One is kept and not shown. Empty keeps it, while the address stays the same.",
        KeptLogIn::None | KeptLogIn::Password => {
            "Sent as Authorization: Bearer. Leave it empty for user and password, or for neither."
        }
    };
    view! {
        <fieldset class="bare-fieldset stack of-http">
            <legend class="visually-hidden">"Web address"</legend>
            <TextField
                label="URL"
                name="http[url]"
                placeholder="https://example.com/messages"
                hint="What stands behind a ? is kept like a password, and never shown."
                required=false
                value=shown("http[url]", form.url)
                error=draft.error("http[url]")
            />
            <TextField
                label="Token"
                name="http[token]"
                kind="password"
                autocomplete="new-password"
                hint=token_hint
                required=false
                error=token_error
            />
            <TextField
                label="User of the web address"
                name="http[user]"
                required=false
                value=shown("http[user]", form.user)
                error=draft.error("http[user]")
            />
            <PasswordField name="http[password]" kept draft=draft.clone()/>
            <NoLogIn name="http[no_log_in]" kept/>
        </fieldset>
    }
}

#[component]
fn PasswordField(name: &'static str, kept: KeptLogIn, draft: Draft) -> impl IntoView {
    let label = if name == "smtp[password]" { "Password" } else { "Password of the web address" };
    let hint = match kept {
        KeptLogIn::Password => "One is kept and not shown. Empty keeps it, while the server stays the same.",
        KeptLogIn::None | KeptLogIn::Token => {
            "As it is, with whatever characters. It is sealed before it is stored and never shown again."
        }
    };
    let error = draft.error(name).or_else(|| type_again(&draft, name));
    view! {
        <TextField label name kind="password" autocomplete="new-password" hint required=false error/>
    }
}

/// What a form that was refused says of secrets, which it does not give back.
fn type_again(draft: &Draft, name: &str) -> Option<String> {
    let was_typed = draft.text(TYPED_SECRETS).split(' ').any(|typed| typed == name);
    was_typed.then(|| "Type it again: what was typed here is not kept.".to_owned())
}

#[component]
fn NoLogIn(name: &'static str, kept: KeptLogIn) -> impl IntoView {
    (kept != KeptLogIn::None).then(|| {
        view! {
            <label class="check">
                <input type="checkbox" name=name value="true"/>
                "Take the log-in away"
            </label>
        }
    })
}

//! The form of an adapter, field by field. A new one has the fields of one kind, so that the browser asks for these alone; the
//! other kinds are links.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use super::provider::ProviderFields;
use super::secret::Secret;
use crate::components::field::{OfTeam, SelectField, TextField};
use crate::domain::adapter::form::{AddressForm, HttpForm, KeptLogIn, PORT_WORDS, SENDER_WORDS, SmtpForm, label_of};
use crate::domain::adapter::{AdapterKind, Lane, TlsMode};
use crate::domain::draft::Draft;
use crate::domain::field_rule::FieldRule;
use crate::domain::mount::mounted;
use crate::domain::plain_words::sentence;
use crate::server_fns::adapters::{CreateAdapter, EditedAdapter, UpdateAdapter};

/// The address of the form of a new one of a kind.
pub(super) fn new_of(kind: AdapterKind) -> String {
    format!("/settings/adapters?kind={}", kind.as_str())
}

#[component]
pub(super) fn NewAdapter(kind: AdapterKind, draft: Draft) -> impl IntoView {
    let kind = draft.get("kind").and_then(|kind| kind.parse().ok()).unwrap_or(kind);
    let what = match (kind, kind.lane()) {
        (AdapterKind::Smtp, _) => "Sends email by the mail server of any provider, or your own.",
        (_, Lane::Email) => "Sends email by the provider’s API.",
        (_, Lane::Phone) => "Sends text messages and calls by the provider’s API.",
        (_, Lane::Web) => "Posts text messages, calls, push and in-app messages as JSON.",
    };
    let name_hint = match kind.provider_form() {
        Some(_) => "Leave it empty to use the provider’s name.",
        None => "Leave it empty to use the host as the name.",
    };
    let mut form = AddressForm::default();
    form.smtp.security = TlsMode::Required.as_str().to_owned();
    let is_default = draft.get("is_default").is_some();
    view! {
        <section class="panel narrow" aria-label="Add an adapter">
            <form class="stack panel-body" method="post" action=mounted(CreateAdapter::PATH) data-unsaved="">
                <OfTeam/>
                <Kinds kind/>
                <p class="hint">{what}</p>
                <input type="hidden" name="kind" value=kind.as_str()/>
                <TextField
                    label="Name"
                    name="name"
                    placeholder="SES Frankfurt"
                    hint=name_hint
                    required=false
                    max_length=100
                    value=draft.text("name")
                    error=draft.error("name")
                    autofocus=draft.is_empty()
                />
                <AddressFields kind form kept=KeptLogIn::None draft=draft.clone()/>
                <Sender kind value=draft.text("from_address") error=draft.error("from")/>
                <label class="check">
                    <input type="checkbox" name="is_default" checked=is_default/>
                    "Default: the first in the order, by which messages go out that name no adapter"
                </label>
                <div class="form-foot">
                    <a class="button" href=mounted("/settings/adapters")>"Cancel"</a>
                    <button class="button primary">"Add"</button>
                </div>
            </form>
        </section>
    }
}

/// The kinds, by what they send; each is a link to its form.
#[component]
fn Kinds(kind: AdapterKind) -> impl IntoView {
    let groups = [(Lane::Email, "Email"), (Lane::Phone, "SMS and calls"), (Lane::Web, "Every channel but email")];
    let groups = groups.map(|(lane, label)| {
        let kinds = AdapterKind::ALL.into_iter().filter(move |each| each.lane() == lane).map(|each| {
            view! {
                <a class="segment" href=mounted(new_of(each)) aria-current=(each == kind).then_some("true")>{each.label()}</a>
            }
        });
        view! {
            <div class="adapter-kinds">
                <span class="group-name">{label}</span>
                <div class="segments">{kinds.collect_view()}</div>
            </div>
        }
    });
    view! { <nav class="stack" aria-label="Kind">{groups.collect_view()}</nav> }
}

#[component]
pub(super) fn EditAdapter(edited: EditedAdapter) -> impl IntoView {
    let EditedAdapter { adapter, form, kept, draft } = edited;
    let title = format!("Edit {}", adapter.name);
    let shown = |field: &str, now: &str| draft.get(field).unwrap_or_else(|| now.to_owned());
    view! {
        <section class="panel narrow" aria-label=title>
            <form class="stack panel-body" method="post" action=mounted(UpdateAdapter::PATH) data-unsaved="">
                <OfTeam/>
                <input type="hidden" name="id" value=adapter.id.to_string()/>
                <input type="hidden" name="kind" value=adapter.kind.as_str()/>
                <TextField
                    label="Name"
                    name="name"
                    max_length=100
                    value=shown("name", &adapter.name)
                    error=draft.error("name")
                    autofocus=draft.is_empty()
                />
                <AddressFields kind=adapter.kind form kept draft=draft.clone()/>
                <Sender kind=adapter.kind value=shown("from_address", &adapter.from_address) error=draft.error("from")/>
                <p class="hint">"The change also applies to messages that already wait for this adapter."</p>
                <div class="form-foot">
                    <a class="button" href=mounted("/settings/adapters")>"Cancel"</a>
                    <button class="button primary">"Save"</button>
                </div>
            </form>
        </section>
    }
}

#[component]
fn Sender(kind: AdapterKind, value: String, error: Option<String>) -> impl IntoView {
    let label = label_of(kind, "from").unwrap_or_default();
    match kind.lane() {
        Lane::Email => view! {
            <TextField
                label
                name="from_address"
                placeholder="Finch <receipts@example.com>"
                hint="Used when a message names no sender. An email address, with or without a name before it."
                rule=(FieldRule::Mailbox, sentence(SENDER_WORDS))
                value
                error
            />
        }
        .into_any(),
        Lane::Phone => view! {
            <TextField
                label
                name="from_address"
                placeholder="+49 170 1234567"
                hint="Used when a message names no sender. A number of yours, or a name where the network shows one."
                max_length=100
                value
                error
            />
        }
        .into_any(),
        Lane::Web => view! {
            <TextField
                label
                name="from_address"
                placeholder="FINCH"
                hint="Used when a message names no sender. Any name; leave it empty to use the adapter's."
                required=false
                max_length=100
                value
                error
            />
        }
        .into_any(),
    }
}

/// Where an adapter of a kind leads, and what it logs in with.
#[component]
fn AddressFields(kind: AdapterKind, form: AddressForm, kept: KeptLogIn, draft: Draft) -> impl IntoView {
    let AddressForm { smtp, http } = form;
    match kind {
        AdapterKind::Smtp => {
            let user = smtp.user.clone();
            let has_moved = draft.get("smtp[host]").is_some_and(|typed| host_in(&typed) != host_in(&smtp.host));
            view! {
                <SmtpServer form=smtp draft=draft.clone()/>
                <LogIn names=LogInNames::SMTP user kept has_moved draft/>
            }
            .into_any()
        }
        AdapterKind::Http => {
            let user = http.user.clone();
            // What was typed may lack the scheme.
            let has_moved = draft.get("http[url]").is_some_and(|typed| !http.url.ends_with(typed.trim()));
            view! {
                <HttpServer form=http kept has_moved draft=draft.clone()/>
                <LogIn names=LogInNames::HTTP user kept has_moved draft/>
            }
            .into_any()
        }
        _ => view! { <ProviderFields kind form=http kept draft/> }.into_any(),
    }
}

#[component]
fn SmtpServer(form: SmtpForm, draft: Draft) -> impl IntoView {
    let shown = |field: &str, now: String| draft.get(field).unwrap_or(now);
    let modes = TlsMode::ALL.map(|mode| (mode.as_str().to_owned(), mode.label().to_owned())).to_vec();
    view! {
        <TextField
            label="Host"
            name="smtp[host]"
            placeholder="mail.example.com"
            hint="You can also paste a whole smtp:// or smtps:// address."
            value=shown("smtp[host]", form.host)
            error=draft.error("smtp[host]")
        />
        <SelectField
            label="Security"
            name="smtp[security]"
            options=modes
            selected=shown("smtp[security]", form.security)
            hint="Port 465 uses TLS from the start; 587 and 25 use STARTTLS. Required: nothing is sent to a server that does not offer it. A password is only sent encrypted, or to this machine itself."
        />
        <TextField
            label="Port"
            name="smtp[port]"
            rule=(FieldRule::Number { min: 1, max: 65_535 }, sentence(PORT_WORDS))
            hint="Leave it empty for the usual one: 465 for TLS from the start, otherwise 587."
            required=false
            value=shown("smtp[port]", form.port)
            error=draft.error("smtp[port]")
        />
        <TextField
            label="Bounce domain"
            name="smtp[bounces]"
            placeholder="bounces.example.com"
            hint="For a mail server of your own: messages go out with an envelope sender of their own at this domain, and what comes back to it is read. Its MX record names this server, or your mail server that passes the mail on. Leave it empty where the provider reports bounces itself."
            required=false
            max_length=190
            value=shown("smtp[bounces]", form.bounces)
            error=draft.error("smtp[bounces]")
        />
    }
}

#[component]
fn HttpServer(form: HttpForm, kept: KeptLogIn, has_moved: bool, draft: Draft) -> impl IntoView {
    let token =
        Secret { name: "http[token]", what: "token", place: "URL", is_kept: kept == KeptLogIn::Token, has_moved };
    let usual = "Sent as Authorization: Bearer. Leave it empty if the receiver wants user and password, or nothing.";
    let (hint, error) = token.words(&draft, usual);
    view! {
        <TextField
            label="URL"
            name="http[url]"
            placeholder="https://example.com/messages"
            hint="What stands after a ? is treated like a password and never shown again."
            value=draft.get("http[url]").unwrap_or(form.url)
            error=draft.error("http[url]")
        />
        <TextField
            label="Token"
            name="http[token]"
            kind="password"
            autocomplete="new-password"
            hint
            required=false
            error
        />
    }
}

/// What the fields of a log-in are called in the form of a kind.
#[derive(Clone, Copy)]
struct LogInNames {
    user: &'static str,
    password: &'static str,
    none: &'static str,
    /// What the log-in belongs to.
    place: &'static str,
}

impl LogInNames {
    const SMTP: Self = Self { user: "smtp[user]", password: "smtp[password]", none: "smtp[no_log_in]", place: "host" };
    const HTTP: Self = Self { user: "http[user]", password: "http[password]", none: "http[no_log_in]", place: "URL" };
}

#[component]
fn LogIn(names: LogInNames, user: String, kept: KeptLogIn, has_moved: bool, draft: Draft) -> impl IntoView {
    let (name, place, is_kept) = (names.password, names.place, kept == KeptLogIn::Password);
    let password = Secret { name, what: "password", place, is_kept, has_moved };
    let usual = "Type it as it is, with any characters. It is stored encrypted and never shown again.";
    let (hint, error) = password.words(&draft, usual);
    view! {
        <TextField
            label="User"
            name=names.user
            required=false
            value=draft.get(names.user).unwrap_or(user)
            error=draft.error(names.user)
        />
        <TextField
            label="Password"
            name=names.password
            kind="password"
            autocomplete="new-password"
            hint
            required=false
            error
        />
        {(kept != KeptLogIn::None).then(|| {
            view! {
                <label class="check">
                    <input type="checkbox" name=names.none value="true"/>
                    "Remove the saved log-in"
                </label>
            }
        })}
    }
}

/// The host in what was typed as one, which may be a whole address.
fn host_in(typed: &str) -> String {
    let host = typed.trim().rsplit("://").next().unwrap_or_default();
    let is_ipv6 = host.matches(':').count() > 1;
    let host = if is_ipv6 { host } else { host.split([':', '/']).next().unwrap_or_default() };
    host.to_lowercase()
}

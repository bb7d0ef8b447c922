//! `/settings/privacy/person/:id`: what there is of one person, giving it out, and forgetting it.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use leptos_router::hooks::use_params_map;

use crate::components::can::may;
use crate::components::field::{OfTeam, TextField};
use crate::components::number::{counted, grouped};
use crate::domain::draft::Draft;
use crate::domain::forgetting::Footprint;
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::pages::settings::{Tab, settings_detail};
use crate::server_fns::privacy::{ForgetPerson, PersonView, WriteToPersonAgain, load_person};

/// A person who was looked up. The address is in the path, sealed.
#[component]
pub fn PersonPage() -> impl IntoView {
    let of = use_params_map().with_untracked(|params| params.get_str("id").unwrap_or_default().to_owned());
    settings_detail(Tab::Privacy, load_person(of), |view| {
        (view.address.clone(), ().into_any(), view! { <Person view/> })
    })
}

#[component]
fn Person(view: PersonView) -> impl IntoView {
    let PersonView { address, of, footprint, obstacle, draft } = view;
    let export = may(Permission::PrivacyExport).then(|| view! { <Export of=of.clone()/> });
    let again = (footprint.is_unwritten && may(Permission::PrivacyForget)).then(|| view! { <Again of=of.clone()/> });
    let forget =
        may(Permission::PrivacyForget).then(|| view! { <Forget address of held=footprint.held obstacle draft/> });
    view! {
        <Found footprint/>
        {export}
        {again}
        {forget}
    }
}

#[component]
fn Found(footprint: Footprint) -> impl IntoView {
    let yes = |is: bool| if is { "yes" } else { "no" }.to_owned();
    let more = if footprint.is_cut { " and more" } else { "" };
    let number = |count: i64| format!("{}{more}", grouped(count));
    let facts = [
        ("Messages to this address", number(footprint.messages)),
        ("of them waiting to be sent", number(footprint.waiting)),
        ("of them kept by a legal hold", number(footprint.held)),
        ("Their events", number(footprint.events)),
        ("API requests that made them", number(footprint.requests)),
        ("What webhooks were told of them", number(footprint.deliveries)),
        ("On the suppression list", yes(footprint.is_suppressed)),
        ("Forgotten before, and not written to", yes(footprint.is_unwritten)),
        ("A member of this team", yes(footprint.is_member)),
        ("Invited to this team", yes(footprint.is_invited)),
    ];
    let facts =
        facts.into_iter().map(|(name, value)| view! { <div><dt>{name}</dt><dd>{value}</dd></div> }).collect_view();
    view! {
        <section class="panel narrow" aria-label="What there is">
            <div class="panel-head"><h2>"What there is"</h2></div>
            <div class="panel-body">
                <dl class="person-facts">{facts}</dl>
                <p class="hint">
                    "Messages from this address, and whatever else names it (other messages, API requests, imports), are not counted
                    here. They are in the file, and forgotten too."
                </p>
            </div>
        </section>
    }
}

#[component]
fn Export(of: String) -> impl IntoView {
    view! {
        <section class="panel narrow" aria-label="Everything as a file">
            <div class="panel-head"><h2>"Everything as a file"</h2></div>
            <form class="panel-body stack" method="get" action=mounted(format!("/settings/privacy/export/{of}"))>
                <p class="hint">
                    "JSON, one thing a line: messages with their contents, names of attachments, events and attempts; suppressions, API
                    requests, deliveries, imports and lines of the audit log that name the address. A large log takes minutes."
                </p>
                <div class="form-foot"><button class="button" data-download>"Download the file"</button></div>
            </form>
        </section>
    }
}

#[component]
fn Again(of: String) -> impl IntoView {
    view! {
        <section class="panel narrow" aria-label="Write to this person again">
            <div class="panel-head"><h2>"Write to this person again"</h2></div>
            <form class="panel-body stack" method="post" action=mounted(WriteToPersonAgain::PATH)>
                <p class="hint">"This address was forgotten, and nothing is sent to it. What is forgotten does not come back."</p>
                <input type="hidden" name="of" value=of/>
                <div class="form-foot"><button class="button">"Let it be written to"</button></div>
            </form>
        </section>
    }
}

#[component]
fn Forget(address: String, of: String, held: i64, obstacle: Option<String>, draft: Draft) -> impl IntoView {
    let held = (held > 0).then(|| {
        let words = format!("A legal hold keeps {} unchanged.", counted(held, "message", "messages"));
        view! { <div class="callout" data-tone="waiting"><div class="callout-body"><p>{words}</p></div></div> }
    });
    let body = match obstacle {
        Some(words) => {
            view! { <div class="callout" data-tone="waiting"><div class="callout-body"><p>{words}</p></div></div> }.into_any()
        }
        None => view! {
            <form class="stack" method="post" action=mounted(ForgetPerson::PATH) data-once>
                <OfTeam/>
                <input type="hidden" name="of" value=of/>
                <TextField
                    label="Type the address to confirm"
                    name="typed"
                    max_length=320
                    hint=address
                    error=draft.error("typed")
                />
                <TextField
                    label="Reason"
                    name="reason"
                    required=false
                    max_length=200
                    hint="Such as the number of the request. It is kept in the audit log, and must not name the person."
                    value=draft.text("reason")
                    error=draft.error("reason")
                />
                <div class="rule">
                    <label class="check">
                        <input type="checkbox" name="stays_unwritten" value="on" checked=true aria-describedby="unwritten-hint"/>
                        "Do not write to this address any more"
                    </label>
                    <p class="hint" id="unwritten-hint">
                        "A hash of the address stays, which can only be compared by this server. Without it, a suppression is forgotten
                        with the rest, and the next message goes out."
                    </p>
                </div>
                <div class="form-foot"><button class="button danger">"Forget for good"</button></div>
            </form>
        }
        .into_any(),
    };
    view! {
        <section class="panel narrow" aria-label="Forget this person">
            <div class="panel-head"><h2>"Forget this person"</h2></div>
            <div class="panel-body stack">
                <p class="hint">
                    "The address goes from everything but counts. Messages to this person alone lose their subject, body, variables and
                    attachments; those to others too keep them without the address. Messages that wait are canceled. You cannot undo this."
                </p>
                {held}
                {body}
            </div>
        </section>
    }
}

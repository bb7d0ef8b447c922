//! `/settings/adapters`

use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use leptos_router::hooks::use_query_map;

use super::{Tab, settings_page};
use crate::components::can::{Can, may};
use crate::components::confirm::Confirm;
use crate::components::empty_state::EmptyState;
use crate::components::field::{SelectField, TextField};
use crate::components::icon::Glyph;
use crate::components::number::counted;
use crate::domain::adapter::{Adapter, AdapterKind};
use crate::domain::draft::Draft;
use crate::domain::ids::AdapterId;
use crate::domain::permission::Permission;
use crate::server_fns::adapters::{
    AdaptersView, CreateAdapter, DeleteAdapter, MakeDefaultAdapter, UpdateAdapter, load_adapters,
};

/// The ways out. `?edit=` names one to change.
#[component]
pub fn AdaptersPage() -> impl IntoView {
    let edited = use_query_map().with_untracked(|query| query.get("edit"));
    settings_page(Tab::Adapters, load_adapters(), |adapters| view! { <Adapters adapters edited/> })
}

#[component]
fn Adapters(adapters: AdaptersView, edited: Option<String>) -> impl IntoView {
    let AdaptersView { adapters, waiting, draft, change } = adapters;
    let is_edited = |adapter: &&Adapter| edited.as_ref().is_some_and(|id| adapter.id.to_string() == *id);
    let edited = adapters.iter().find(is_edited).filter(|_| may(Permission::AdaptersUpdate)).cloned();
    let form = match edited {
        Some(adapter) => view! { <EditAdapter adapter draft=change/> }.into_any(),
        None => view! { <Can permission=Permission::AdaptersCreate><NewAdapter draft=draft.clone()/></Can> }.into_any(),
    };
    let list = if adapters.is_empty() {
        view! {
            <EmptyState glyph=Glyph::Plug title="No adapter yet">
                <p>"Messages leave by an adapter. Add your mail server to send the first e-mail."</p>
            </EmptyState>
        }
        .into_any()
    } else {
        view! { <AdapterTable adapters waiting/> }.into_any()
    };
    view! {
        <section class="panel" aria-label="Adapters">{list}</section>
        {form}
    }
}

#[component]
fn AdapterTable(adapters: Vec<Adapter>, waiting: Vec<(AdapterId, i64)>) -> impl IntoView {
    let rows = adapters.into_iter().map(|adapter| {
        let waiting = waiting.iter().find(|(id, _)| *id == adapter.id).map_or(0, |(_, count)| *count);
        view! { <AdapterRow adapter waiting/> }
    });
    view! {
        <table class="table stacked" role="table">
            <thead role="rowgroup">
                <tr role="row">
                    <th role="columnheader" scope="col">"Adapter"</th>
                    <th role="columnheader" scope="col">"Sends"</th>
                    <th role="columnheader" scope="col">"Sender"</th>
                    <th role="columnheader" scope="col"><span class="visually-hidden">"Actions"</span></th>
                </tr>
            </thead>
            <tbody role="rowgroup">{rows.collect_view()}</tbody>
        </table>
    }
}

#[component]
fn AdapterRow(
    adapter: Adapter,
    /// How many messages wait to go out by it.
    waiting: i64,
) -> impl IntoView {
    let id = adapter.id.to_string();
    let default = if adapter.is_default {
        view! { <span class="tag">"default"</span> }.into_any()
    } else if may(Permission::AdaptersUpdate) {
        view! {
            <form method="post" action=MakeDefaultAdapter::PATH>
                <button class="button small" name="id" value=id.clone() aria-label=format!("Make {} the default", adapter.name)>
                    "Make default"
                </button>
            </form>
        }
        .into_any()
    } else {
        ().into_any()
    };
    let edit = may(Permission::AdaptersUpdate).then(|| {
        let href = format!("/settings/adapters?edit={id}");
        view! { <a class="button small" href=href aria-label=format!("Edit {}", adapter.name)>"Edit"</a> }
    });
    let remove = may(Permission::AdaptersDelete).then(|| {
        let waiting = match waiting {
            0 => "No message waits for it. ".to_owned(),
            _ => format!("{} for it and will fail. ", counted(waiting, "message waits", "messages wait")),
        };
        let default =
            adapter.is_default.then_some("Messages that name no adapter then wait until another one is the default.");
        view! {
            <Confirm
                id=format!("remove-{id}")
                button="Remove"
                label=format!("Remove {}", adapter.name)
                small=true
                title=format!("Remove the adapter “{}”?", adapter.name)
                confirm="Remove"
                action=DeleteAdapter::PATH
                fields=vec![("id", id)]
            >
                <p>{waiting} "What names it is refused from now on. " {default}</p>
            </Confirm>
        }
    });
    view! {
        <tr role="row">
            <td role="cell">
                <span class="two-lines"><strong>{adapter.name}</strong><code>{adapter.endpoint}</code></span>
            </td>
            <td role="cell">{sent_by(adapter.kind)}</td>
            <td role="cell">{adapter.from_address}</td>
            <td role="cell" class="actions">{default}{edit}{remove}</td>
        </tr>
    }
}

/// What messages go out by an adapter of this kind.
const fn sent_by(kind: AdapterKind) -> &'static str {
    match kind {
        AdapterKind::Smtp => "E-mail",
        AdapterKind::Http => "SMS, calls, push, in-app",
    }
}

#[component]
fn EditAdapter(adapter: Adapter, draft: Draft) -> impl IntoView {
    let title = format!("Edit {}", adapter.name);
    let heading = title.clone();
    let shown = |field: &str, now: &str| draft.get(field).unwrap_or_else(|| now.to_owned());
    view! {
        <section class="panel narrow" aria-label=title>
            <div class="panel-head"><h2>{heading}</h2></div>
            <form class="stack panel-body" method="post" action=UpdateAdapter::PATH>
                <input type="hidden" name="id" value=adapter.id.to_string()/>
                <TextField label="Name" name="name" value=shown("name", &adapter.name) autofocus=true/>
                <TextField
                    label="New server address"
                    name="url"
                    placeholder="smtp://user:password@mail.example.com:587"
                    hint="Without one, the address stays, with its user and password. A new one takes the place of all three; messages that wait go out by it."
                    required=false
                />
                <TextField
                    label="Sender of messages that name none"
                    name="from_address"
                    value=shown("from_address", &adapter.from_address)
                />
                <div class="form-foot">
                    <a class="button" href="/settings/adapters">"Cancel"</a>
                    <button class="button primary">"Save"</button>
                </div>
            </form>
        </section>
    }
}

#[component]
fn NewAdapter(draft: Draft) -> impl IntoView {
    let kinds = AdapterKind::ALL.map(|kind| (kind.as_str().to_owned(), kind.label().to_owned())).to_vec();
    view! {
        <section class="panel narrow" aria-label="Add an adapter">
            <div class="panel-head"><h2>"Add an adapter"</h2></div>
            <form class="stack panel-body" method="post" action=CreateAdapter::PATH>
                <SelectField
                    label="Kind"
                    name="kind"
                    options=kinds
                    selected=draft.get("kind").unwrap_or_else(|| AdapterKind::Smtp.as_str().to_owned())
                    hint="A mail server sends e-mail. A web address takes the messages of every other channel as JSON: text messages, calls, push and in-app."
                />
                <TextField label="Name" name="name" placeholder="SES Frankfurt" value=draft.text("name")/>
                <TextField
                    label="Server address"
                    name="url"
                    placeholder="smtp://user:password@mail.example.com:587"
                    hint="A web address is https://token@example.com/messages, or with user:password@. User, password and token are sealed before they are stored and never shown again. smtps:// speaks TLS from the start, smtp:// by STARTTLS where the server offers it."
                />
                <TextField
                    label="Sender of messages that name none"
                    name="from_address"
                    placeholder="Finch <receipts@example.com>"
                    hint="A mail server needs one. For a web address it is any name, by default the adapter's."
                    required=false
                    value=draft.text("from_address")
                />
                <label class="check"><input type="checkbox" name="is_default"/>"Use it for messages that name no adapter, within the channels that it sends"</label>
                <div class="form-foot"><button class="button primary">"Add"</button></div>
            </form>
        </section>
    }
}

//! `/settings/adapters`: the ways out, each with a test, and the form of one.

mod form;
mod test;

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use self::form::{EditAdapter, NewAdapter, new_of};
use self::test::{TestAdded, TestDialog};
use super::{Tab, settings_detail, settings_page};
use crate::components::address::query_value;
use crate::components::can::may;
use crate::components::confirm::Confirm;
use crate::components::empty_state::EmptyState;
use crate::components::history_link::HistoryLink;
use crate::components::icon::{Glyph, Icon};
use crate::components::number::counted;
use crate::domain::adapter::{Adapter, AdapterKind};
use crate::domain::ids::AdapterId;
use crate::domain::permission::Permission;
use crate::server_fns::adapters::{
    AdaptersView, DeleteAdapter, MakeDefaultAdapter, load_adapter, load_adapters, load_new_adapter,
};

/// The ways out. `?edit=` names one whose form is shown instead, `?kind=` the kind of a new one whose form is; `?added=` is
/// one that was just added.
#[component]
pub fn AdaptersPage() -> impl IntoView {
    let named = |name| query_value(name).and_then(|id| id.parse().ok());
    let (edited, added): (Option<AdapterId>, Option<AdapterId>) = (named("edit"), named("added"));
    let kind: Option<AdapterKind> = query_value("kind").and_then(|kind| kind.parse().ok());
    match (edited, kind) {
        (Some(id), _) => settings_detail(Tab::Adapters, load_adapter(id), |edited| {
            let history = view! { <HistoryLink object=edited.adapter.id.to_string()/> }.into_any();
            (edited.adapter.name.clone(), history, view! { <EditAdapter edited/> })
        }),
        (None, Some(kind)) => settings_detail(Tab::Adapters, load_new_adapter(), move |draft| {
            ("Add an adapter".to_owned(), ().into_any(), view! { <NewAdapter kind draft/> })
        }),
        (None, None) => {
            settings_page(Tab::Adapters, load_adapters(), move |adapters| view! { <Adapters adapters added/> })
        }
    }
}

#[component]
fn Adapters(adapters: AdaptersView, added: Option<AdapterId>) -> impl IntoView {
    let AdaptersView { adapters, waiting } = adapters;
    let added = adapters.iter().find(|adapter| added == Some(adapter.id)).filter(|_| may(Permission::AdaptersUpdate));
    let added = added.cloned().map(|adapter| view! { <TestAdded adapter/> });
    let add = may(Permission::AdaptersCreate).then(|| {
        let href = new_of(AdapterKind::Smtp);
        view! { <a class="button primary" href=href><Icon glyph=Glyph::Plus/>"Add an adapter"</a> }
    });
    if adapters.is_empty() {
        return view! {
            <section class="panel adapters" aria-label="Adapters">
                <EmptyState glyph=Glyph::Plug title="No adapter yet">
                    <p>"Messages go out by an adapter: your mail server for email, a web address for the other channels."</p>
                    {add.map(|add| view! { <p>{add}</p> })}
                </EmptyState>
            </section>
        }
        .into_any();
    }
    view! {
        {added}
        <section class="panel adapters" aria-label="Adapters">
            {add.map(|add| view! { <div class="panel-head"><div class="panel-actions">{add}</div></div> })}
            <AdapterTable adapters waiting/>
        </section>
    }
    .into_any()
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
    let test = may(Permission::AdaptersUpdate).then(|| view! { <TestDialog adapter=adapter.clone()/> });
    let edit = may(Permission::AdaptersUpdate).then(|| {
        let href = format!("/settings/adapters?edit={id}");
        view! { <a class="button small" href=href aria-label=format!("Edit {}", adapter.name)>"Edit"</a> }
    });
    let remove = may(Permission::AdaptersDelete).then(|| {
        let waiting = match waiting {
            0 => "No message waits for it. ".to_owned(),
            _ => format!("{} for it and will fail. ", counted(waiting, "message waits", "messages wait")),
        };
        let default = adapter
            .is_default
            .then_some("Messages that name no adapter then wait until you make another one the default.");
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
                <p>{waiting} "Programs that name this adapter get an error from now on. " {default}</p>
            </Confirm>
        }
    });
    view! {
        <tr role="row">
            <td role="cell">
                <span class="two-lines">
                    <span><strong>{adapter.name}</strong>" "<HistoryLink object=adapter.id.to_string()/></span>
                    <code>{adapter.endpoint}</code>
                </span>
            </td>
            <td role="cell">{sent_by(adapter.kind)}</td>
            <td role="cell">{adapter.from_address}</td>
            <td role="cell" class="actions">{test}{default}{edit}{remove}</td>
        </tr>
    }
}

/// What messages go out by an adapter of this kind.
const fn sent_by(kind: AdapterKind) -> &'static str {
    match kind {
        AdapterKind::Smtp => "Email",
        AdapterKind::Http => "SMS, calls, push, in-app",
    }
}

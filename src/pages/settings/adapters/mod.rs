//! `/settings/adapters`: the ways out, each with a test, and the form of one.

mod form;
mod provider;
mod secret;
mod test;

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use self::form::{EditAdapter, NewAdapter, new_of};
use self::test::{TestAdded, TestDialog};
use super::{Tab, settings_detail, settings_page};
use crate::components::address::query_value;
use crate::components::breaks::mailbox;
use crate::components::can::may;
use crate::components::confirm::Confirm;
use crate::components::empty_state::EmptyState;
use crate::components::history_link::HistoryLink;
use crate::components::icon::{Glyph, Icon};
use crate::components::number::counted;
use crate::components::time::{Time, TimeStyle};
use crate::domain::adapter::{AdapterKind, LastTest};
use crate::domain::ids::AdapterId;
use crate::domain::permission::Permission;
use crate::server_fns::adapters::{
    DeleteAdapter, ListedAdapter, MakeDefaultAdapter, load_adapter, load_adapters, load_new_adapter,
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
fn Adapters(adapters: Vec<ListedAdapter>, added: Option<AdapterId>) -> impl IntoView {
    let added = adapters.iter().map(|listed| &listed.adapter).find(|adapter| added == Some(adapter.id));
    let added = added.filter(|_| may(Permission::AdaptersUpdate)).cloned();
    let added = added.map(|adapter| view! { <TestAdded adapter/> });
    let add = may(Permission::AdaptersCreate).then(|| {
        let href = new_of(AdapterKind::Smtp);
        view! { <a class="button primary" href=href><Icon glyph=Glyph::Plus/>"Add an adapter"</a> }
    });
    if adapters.is_empty() {
        return view! {
            <section class="panel adapters" aria-label="Adapters">
                <EmptyState glyph=Glyph::Plug title="No adapter yet">
                    <p>"Messages go out by an adapter: your mail server or a provider for email, a provider or a web address for the other channels."</p>
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
            <AdapterTable adapters/>
        </section>
    }
    .into_any()
}

#[component]
fn AdapterTable(adapters: Vec<ListedAdapter>) -> impl IntoView {
    let rows = adapters.into_iter().map(|listed| view! { <AdapterRow listed/> });
    view! {
        <table class="table stacked" role="table">
            <thead role="rowgroup">
                <tr role="row">
                    <th role="columnheader" scope="col">"Adapter"</th>
                    <th role="columnheader" scope="col">"Sends"</th>
                    <th role="columnheader" scope="col">"Default sender"</th>
                    <th role="columnheader" scope="col">"Last test"</th>
                    <th role="columnheader" scope="col"><span class="visually-hidden">"Actions"</span></th>
                </tr>
            </thead>
            <tbody role="rowgroup">{rows.collect_view()}</tbody>
        </table>
    }
}

#[component]
fn AdapterRow(listed: ListedAdapter) -> impl IntoView {
    let ListedAdapter { adapter, place, last_test, waiting } = listed;
    let id = adapter.id.to_string();
    let default = adapter.is_default.then(|| view! { " " <span class="tag">"default"</span> });
    let make_default = (!adapter.is_default && may(Permission::AdaptersUpdate)).then(|| {
        view! {
            <form method="post" action=MakeDefaultAdapter::PATH>
                <button class="button small" name="id" value=id.clone() aria-label=format!("Make {} the default", adapter.name)>
                    "Make default"
                </button>
            </form>
        }
    });
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
                <span class="two-lines"><span><strong>{adapter.name}</strong>{default}</span><span>{place}</span></span>
            </td>
            <td role="cell">{adapter.kind.lane().label()}</td>
            <td role="cell" class="sender">{mailbox(&adapter.from_address)}</td>
            <td role="cell">{tested(last_test)}</td>
            <td role="cell" class="actions">{edit}{test}{make_default}{remove}<HistoryLink object=adapter.id.to_string()/></td>
        </tr>
    }
}

/// What became of a last test, and when.
fn tested(last_test: Option<LastTest>) -> AnyView {
    let Some(LastTest { at, fault, is_outdated }) = last_test else {
        return view! { <span class="nothing">"Not tested yet"</span> }.into_any();
    };
    let what = match fault {
        None => view! { <span>"Test accepted"</span> }.into_any(),
        // It may be mended already.
        Some(fault) if is_outdated => view! { <span>"Test failed: " {fault.label()}</span> }.into_any(),
        Some(fault) => view! { <span class="failed-test">"Test failed: " {fault.label()}</span> }.into_any(),
    };
    let before = is_outdated.then_some(", before the last change");
    view! { <span class="two-lines">{what}<span><Time at style=TimeStyle::Minute/>{before}</span></span> }.into_any()
}

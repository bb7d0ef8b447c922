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
use crate::domain::adapter::{AdapterDown, AdapterKind, Lane, LastTest};
use crate::domain::ids::AdapterId;
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::server_fns::adapters::{
    DeleteAdapter, ListedAdapter, MakeDefaultAdapter, MoveAdapter, load_adapter, load_adapters, load_new_adapter,
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
        view! { <a class="button primary" href=mounted(href)><Icon glyph=Glyph::Plus/>"Add an adapter"</a> }
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
    let lanes: Vec<Lane> = adapters.iter().map(|listed| listed.adapter.kind.lane()).collect();
    let names: Vec<String> = adapters.iter().map(|listed| listed.adapter.name.clone()).collect();
    let rows = adapters.into_iter().enumerate().map(|(row, listed)| {
        let is_of_lane = |lane: &&Lane| **lane == lanes[row];
        let (above, count) = (lanes[..row].iter().filter(is_of_lane).count(), lanes.iter().filter(is_of_lane).count());
        let next = (above + 1 < count).then(|| names[row + 1].clone());
        view! { <AdapterRow listed place=Place { number: above + 1, count, next }/> }
    });
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

/// The place of an adapter among those that send the same channels.
struct Place {
    /// From 1.
    number: usize,
    count: usize,
    /// The name of the one after it.
    next: Option<String>,
}

#[component]
fn AdapterRow(listed: ListedAdapter, place: Place) -> impl IntoView {
    let Place { number, count, next } = place;
    let ListedAdapter { adapter, place, last_test, waiting, down } = listed;
    let id = adapter.id.to_string();
    let default = adapter.is_default.then(|| view! { " " <span class="tag">"default"</span> });
    let order = (count > 1).then(|| view! { <span>{format!("{number} of {count}")}</span> });
    let may_move = |is_possible: bool| is_possible && may(Permission::AdaptersUpdate);
    let shift = |direction: &'static str, is_possible: bool| {
        may_move(is_possible).then(|| {
            let label = format!("Move {} {direction}", adapter.name);
            view! {
                <form method="post" action=mounted(MoveAdapter::PATH)>
                    <input type="hidden" name="direction" value=direction/>
                    <button class="button small" name="id" value=id.clone() aria-label=label>
                        {if direction == "up" { "↑" } else { "↓" }}
                    </button>
                </form>
            }
        })
    };
    let (up, down_a_place) = (shift("up", number > 1), shift("down", number < count));
    let is_down = down.map(|(state, goes_by)| view! { <Down state goes_by/> });
    let make_default = (!adapter.is_default && may(Permission::AdaptersUpdate)).then(|| {
        view! {
            <form method="post" action=mounted(MakeDefaultAdapter::PATH)>
                <button class="button small" name="id" value=id.clone() aria-label=format!("Make {} the default", adapter.name)>
                    "Make default"
                </button>
            </form>
        }
    });
    let test = may(Permission::AdaptersUpdate).then(|| view! { <TestDialog adapter=adapter.clone()/> });
    let edit = may(Permission::AdaptersUpdate).then(|| {
        let href = format!("/settings/adapters?edit={id}");
        view! { <a class="button small" href=mounted(href) aria-label=format!("Edit {}", adapter.name)>"Edit"</a> }
    });
    let remove = may(Permission::AdaptersDelete).then(|| {
        let waiting = match waiting {
            0 => "No message waits for it. ".to_owned(),
            _ => format!("{} for it and will fail. ", counted(waiting, "message waits", "messages wait")),
        };
        let default = adapter.is_default.then(|| match next {
            Some(next) => format!("Messages that name no adapter then go by “{next}”."),
            None => "Messages that name no adapter then wait until you add another one.".to_owned(),
        });
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
                {is_down}
            </td>
            <td role="cell"><span class="two-lines"><span>{adapter.kind.lane().label()}</span>{order}</span></td>
            <td role="cell" class="sender">{mailbox(&adapter.from_address)}</td>
            <td role="cell">{tested(last_test)}</td>
            <td role="cell" class="actions">{up}{down_a_place}{edit}{test}{make_default}{remove}<HistoryLink object=adapter.id.to_string()/></td>
        </tr>
    }
}

/// Since when an adapter cannot be used, why, and what its messages do meanwhile.
#[component]
fn Down(state: AdapterDown, goes_by: Option<String>) -> impl IntoView {
    let meanwhile = match goes_by {
        Some(name) => format!("Its messages go by “{name}”."),
        None => "Its messages are tried again.".to_owned(),
    };
    view! {
        <p class="adapter-down">
            <Icon glyph=Glyph::Alert/>
            <span>
                <strong>"Down since " <Time at=state.since style=TimeStyle::Minute/></strong> ": " {state.reason} ". "
                {meanwhile}
            </span>
        </p>
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

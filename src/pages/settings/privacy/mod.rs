//! `/settings/privacy`: what is held and what it takes, legal holds, and one person in everything.

mod holds;
mod person;

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use self::holds::Holds;
pub use self::person::PersonPage;
use super::{Tab, settings_page};
use crate::components::can::may;
use crate::components::field::{OfTeam, TextField};
use crate::components::icon::{Glyph, Icon};
use crate::components::number::{byte_size, counted, grouped, percentage};
use crate::components::time::{Time, TimeStyle};
use crate::domain::draft::Draft;
use crate::domain::forgetting::{Forgetting, ForgettingState};
use crate::domain::held_size::{KeptSize, KeptSizes};
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::server_fns::privacy::{LookUpPerson, PrivacyView, load_privacy};

/// What the team keeps. Every member sees it.
#[component]
pub fn PrivacyPage() -> impl IntoView {
    settings_page(Tab::Privacy, load_privacy(), |view| view! { <Privacy view/> })
}

#[component]
fn Privacy(view: PrivacyView) -> impl IntoView {
    let PrivacyView { sizes, holds, forgettings, may_look_up, draft } = view;
    let person = may_look_up.then(|| view! { <LookUp draft=draft.clone()/> });
    let forgotten = (!forgettings.is_empty()).then(|| view! { <Forgettings forgettings/> });
    view! {
        <Sizes sizes/>
        <Holds holds draft/>
        {person}
        {forgotten}
    }
}

#[component]
fn Sizes(sizes: KeptSizes) -> impl IntoView {
    let all = sizes.bytes();
    let rows = sizes.kinds.iter().map(|size| view! { <SizeRow size=*size all/> }).collect_view();
    let month = format!(
        "About {} in the last 30 days, of {}.",
        byte_size(sizes.month_bytes),
        counted(sizes.month_messages, "message", "messages")
    );
    let database = byte_size(sizes.database_bytes);
    let place = match sizes.disk {
        Some((disk, free)) => format!(
            "The database of all teams, with its indexes and free room, is {database}: {} of the disk, of which {} is free.",
            percentage(sizes.database_bytes, disk),
            byte_size(free)
        ),
        None => format!("The database of all teams, with its indexes and free room, is {database}."),
    };
    let change = may(Permission::TeamUpdate)
        .then(|| view! { <p><a href=mounted("/settings/team")>"Change how long things are kept"</a></p> });
    view! {
        <section class="panel sizes" aria-label="What is held">
            <div class="panel-head"><h2>"What is held"</h2>{change}</div>
            <table class="table stacked" role="table">
                <thead role="rowgroup">
                    <tr role="row">
                        <th role="columnheader" scope="col">"What"</th>
                        <th role="columnheader" scope="col" class="number">"Rows"</th>
                        <th role="columnheader" scope="col" class="number">"On the disk"</th>
                        <th role="columnheader" scope="col">"Oldest"</th>
                        <th role="columnheader" scope="col">"Kept for"</th>
                        <th role="columnheader" scope="col">"Goes with the next run"</th>
                    </tr>
                </thead>
                <tbody role="rowgroup">{rows}</tbody>
            </table>
            <div class="panel-note">
                <p>{format!("About {} together, without indexes. ", byte_size(all))}{month}</p>
                <p>{place}</p>
            </div>
        </section>
    }
}

#[component]
fn SizeRow(size: KeptSize, all: i64) -> impl IntoView {
    let about = if size.is_about { "about " } else { "" };
    let oldest = match size.oldest {
        Some(at) => view! { <Time at style=TimeStyle::Day/> }.into_any(),
        None => view! { "none" }.into_any(),
    };
    let kept = size.kept_days.map_or_else(|| "for ever".to_owned(), |days| counted(days, "day", "days"));
    let overdue = match size.overdue {
        0 => "nothing".to_owned(),
        rows => format!("about {}", grouped(rows)),
    };
    let bytes = match size.bytes {
        0 => "nothing".to_owned(),
        bytes => format!("about {} ({})", byte_size(bytes), percentage(bytes, all)),
    };
    view! {
        <tr role="row">
            <td role="cell"><strong>{size.kind.label()}</strong></td>
            <td role="cell" class="number">{about}{grouped(size.rows)}<span class="stacked-label">" rows"</span></td>
            <td role="cell" class="number">{bytes}</td>
            <td role="cell"><span class="stacked-label">"Oldest "</span>{oldest}</td>
            <td role="cell"><span class="stacked-label">"Kept "</span>{kept}</td>
            <td role="cell"><span class="stacked-label">"Goes with the next run: "</span>{overdue}</td>
        </tr>
    }
}

#[component]
fn LookUp(draft: Draft) -> impl IntoView {
    view! {
        <section class="panel narrow" aria-label="One person">
            <div class="panel-head">
                <h2>"One person"</h2>
                <p><a href=mounted("/help/privacy")>"What is given out, and what is forgotten"</a></p>
            </div>
            <form class="stack panel-body" method="post" action=mounted(LookUpPerson::PATH)>
                <OfTeam/>
                <TextField
                    label="Address"
                    name="address"
                    hint="One email address, or a telephone number that begins with +. You see what there is of it before anything happens."
                    max_length=320
                    error=draft.error("address").filter(|_| draft.get("scope").is_none())
                />
                <div class="form-foot"><button class="button primary"><Icon glyph=Glyph::Search/>"Look up"</button></div>
            </form>
        </section>
    }
}

#[component]
fn Forgettings(forgettings: Vec<Forgetting>) -> impl IntoView {
    let rows = forgettings.into_iter().map(|forgetting| view! { <ForgettingRow forgetting/> }).collect_view();
    view! {
        <section class="panel" aria-label="People who were forgotten" id="forgettings">
            <div class="panel-head"><h2>"People who were forgotten"</h2></div>
            <table class="table stacked" role="table">
                <thead role="rowgroup">
                    <tr role="row">
                        <th role="columnheader" scope="col">"Begun"</th>
                        <th role="columnheader" scope="col">"State"</th>
                        <th role="columnheader" scope="col">"Changed"</th>
                        <th role="columnheader" scope="col">"In place of the address"</th>
                    </tr>
                </thead>
                <tbody role="rowgroup">{rows}</tbody>
            </table>
        </section>
    }
}

#[component]
fn ForgettingRow(forgetting: Forgetting) -> impl IntoView {
    let refresh = (forgetting.state == ForgettingState::Running).then_some("2");
    let id = forgetting.id;
    let ended = forgetting.ended_at.map(|at| view! { <span><Time at style=TimeStyle::Minute/></span> });
    let held = (forgetting.held > 0).then(|| {
        let words =
            format!("{} kept by a hold: forget again once it is lifted", counted(forgetting.held, "row", "rows"));
        view! { <span>{words}</span> }
    });
    view! {
        <tr role="row">
            <td role="cell"><span class="stacked-label">"Begun "</span><Time at=id.created_at() style=TimeStyle::Minute/></td>
            <td role="cell">
                <span class="two-lines" id=format!("{id}-state") data-refresh=refresh>
                    <strong>{forgetting.state.label()}</strong>
                    {ended}
                </span>
            </td>
            <td role="cell">
                <span class="two-lines" id=format!("{id}-changed") data-refresh=refresh>
                    <span>{counted(forgetting.messages, "message", "messages")}</span>
                    <span>{counted(forgetting.others, "other row", "other rows")}</span>
                    {held}
                </span>
            </td>
            <td role="cell"><code class="placeholder">{forgetting.placeholder}</code></td>
        </tr>
    }
}

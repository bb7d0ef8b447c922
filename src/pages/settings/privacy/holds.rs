//! Legal holds: those in force, those of before, and placing one.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use crate::components::can::may;
use crate::components::confirm::Confirm;
use crate::components::field::{OfTeam, SelectField, TextField};
use crate::components::icon::{Glyph, Icon};
use crate::components::time::{Time, TimeStyle};
use crate::domain::draft::Draft;
use crate::domain::hold::{Held, Hold, HoldScope};
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::server_fns::privacy::{LiftHold, PlaceHold};

#[component]
pub fn Holds(holds: Vec<Hold>, draft: Draft) -> impl IntoView {
    let may_change = may(Permission::HoldsUpdate);
    let list = match holds.is_empty() {
        true => view! {
            <p class="panel-note">
                "None. A legal hold keeps what it covers: retention passes it over, nobody who is in it is forgotten, and the
                team cannot be deleted."
            </p>
        }
        .into_any(),
        false => view! { <HoldTable holds may_change/> }.into_any(),
    };
    view! {
        <section class="panel" aria-label="Legal holds" id="holds">
            <div class="panel-head"><h2>"Legal holds"</h2></div>
            {list}
        </section>
        {may_change.then(|| view! { <Place draft/> })}
    }
}

#[component]
fn HoldTable(holds: Vec<Hold>, may_change: bool) -> impl IntoView {
    let rows = holds.into_iter().map(|hold| view! { <HoldRow hold may_change/> }).collect_view();
    view! {
        <table class="table stacked" role="table">
            <thead role="rowgroup">
                <tr role="row">
                    <th role="columnheader" scope="col">"Hold"</th>
                    <th role="columnheader" scope="col">"Covers"</th>
                    <th role="columnheader" scope="col">"Placed"</th>
                    <th role="columnheader" scope="col">"Ended"</th>
                    <th role="columnheader" scope="col"><span class="visually-hidden">"Actions"</span></th>
                </tr>
            </thead>
            <tbody role="rowgroup">{rows}</tbody>
        </table>
    }
}

#[component]
fn HoldRow(hold: Hold, may_change: bool) -> impl IntoView {
    let lift = (may_change && hold.lifted.is_none()).then(|| view! { <Lift hold=hold.clone()/> });
    let Hold { id, name, reason, held, placed_by, lifted } = hold;
    let ended = match lifted {
        Some((at, by)) => {
            view! { <span class="two-lines"><Time at style=TimeStyle::Minute/><span>{by}</span></span> }.into_any()
        }
        None => view! { <strong>"In force"</strong> }.into_any(),
    };
    view! {
        <tr role="row">
            <td role="cell"><span class="two-lines"><strong>{name}</strong><span>{reason}</span></span></td>
            <td role="cell">{covered(held)}</td>
            <td role="cell">
                <span class="two-lines">
                    <span><span class="stacked-label">"Placed "</span><Time at=id.created_at() style=TimeStyle::Minute/></span>
                    <span>{placed_by}</span>
                </span>
            </td>
            <td role="cell">{ended}</td>
            <td role="cell" class="actions">{lift}</td>
        </tr>
    }
}

/// What a hold covers, in words.
pub fn covered(held: Held) -> AnyView {
    match held {
        Held::Team => view! { <span>"Everything of the team"</span> }.into_any(),
        Held::Address(address) => {
            view! { <span class="two-lines"><span>"Messages to"</span><strong>{address}</strong></span> }.into_any()
        }
        Held::Range(from, until) => {
            let last = until - chrono::TimeDelta::days(1);
            let days = format!("{} to {}", from.format("%-d %b %Y"), last.format("%-d %b %Y"));
            view! { <span class="two-lines"><span>{days}</span><span>"in UTC"</span></span> }.into_any()
        }
        Held::Message(id) => view! { <a href=mounted(format!("/logs/{id}"))>"One message"</a> }.into_any(),
    }
}

#[component]
fn Lift(hold: Hold) -> impl IntoView {
    let field = format!("lift-{}-reason", hold.id);
    view! {
        <Confirm
            id=format!("lift-{}", hold.id)
            button="Lift"
            label=format!("Lift the hold {}", hold.name)
            small=true
            title=format!("Lift the hold {}?", hold.name)
            confirm="Lift"
            action=LiftHold::PATH
            fields=vec![("id", hold.id.to_string())]
        >
            <p>"What it covered is kept as everything else from then on: what is older than the team keeps things goes within minutes."</p>
            <div class="field">
                <label for=field.clone()>"Reason"</label>
                <input id=field name="reason" type="text" maxlength="200" autocomplete="off" required/>
                <p class="hint">"It is kept in the audit log."</p>
            </div>
        </Confirm>
    }
}

#[component]
fn Place(draft: Draft) -> impl IntoView {
    let options = HoldScope::ALL.map(|scope| (scope.as_str().to_owned(), scope.label().to_owned())).to_vec();
    let selected = draft.get("scope").unwrap_or_else(|| HoldScope::Team.as_str().to_owned());
    let error = |field: &str| draft.error(field).filter(|_| draft.get("scope").is_some());
    view! {
        <section class="panel narrow" aria-label="Place a legal hold">
            <div class="panel-head"><h2>"Place a legal hold"</h2></div>
            <form class="stack panel-body hold-form" method="post" action=mounted(PlaceHold::PATH) data-unsaved="">
                <OfTeam/>
                <TextField label="Name" name="name" hint="Such as the file number of the matter. No address: the audit log keeps it." max_length=200 value=draft.text("name") error=error("name")/>
                <TextField label="Reason" name="reason" hint="It is kept in the audit log." max_length=200 value=draft.text("reason") error=error("reason")/>
                <SelectField label="What it covers" name="scope" options selected/>
                <div class="for-address">
                    <div class="field">
                        <label for="hold-address">"Address"</label>
                        <input id="hold-address" name="address" type="text" maxlength="320" autocomplete="off" aria-describedby="hold-address-hint"/>
                        {error("address").map(|words| view! { <p class="field-error">{words}</p> })}
                        <p class="hint" id="hold-address-hint">"For one address: every message to it, however old, and those that come."</p>
                    </div>
                </div>
                <div class="for-range">
                    <TextField label="First day" name="from" kind="date" required=false hint="For a range of days, which are those of UTC." value=draft.text("from") error=error("from")/>
                    <TextField label="Last day" name="until" kind="date" required=false value=draft.text("until") error=error("until")/>
                </div>
                <div class="for-message">
                    <TextField label="Message" name="message" required=false hint="For one message: its id, eml_…, or the address of its page." max_length=500 value=draft.text("message") error=error("message")/>
                </div>
                <div class="form-foot"><button class="button primary"><Icon glyph=Glyph::Plus/>"Place the hold"</button></div>
            </form>
        </section>
    }
}

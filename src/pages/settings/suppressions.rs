//! `/settings/suppressions`: addresses that are not written to any more, why, and the ways onto and off the list.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use super::{Tab, settings_page};
use crate::components::address::query_value;
use crate::components::breaks::mailbox;
use crate::components::can::may;
use crate::components::confirm::Confirm;
use crate::components::empty_state::EmptyState;
use crate::components::field::{OfTeam, SelectField, TextField};
use crate::components::icon::{Glyph, Icon};
use crate::components::number::counted;
use crate::components::time::{Time, TimeStyle};
use crate::domain::address::url;
use crate::domain::draft::Draft;
use crate::domain::ids::SuppressionId;
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::domain::plain_words::sentence;
use crate::domain::suppression::{Suppression, SuppressionReason};
use crate::server_fns::suppressions::{AddSuppressions, LiftSuppression, SuppressionsView, load_suppressions};

const PATH: &str = "/settings/suppressions";

/// What the page's address asks for.
#[derive(Clone, Default)]
struct Asked {
    search: Option<String>,
    reason: Option<SuppressionReason>,
    before: Option<SuppressionId>,
}

impl Asked {
    fn of_page() -> Self {
        let given = |name| query_value(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        Self {
            search: given("q"),
            reason: given("reason").and_then(|reason| reason.parse().ok()),
            before: given("before").and_then(|id| id.parse().ok()),
        }
    }

    fn is_filtered(&self) -> bool {
        self.search.is_some() || self.reason.is_some()
    }

    fn at(&self, before: Option<SuppressionId>) -> String {
        let fields = [
            ("q", self.search.clone()),
            ("reason", self.reason.map(|reason| reason.as_str().to_owned())),
            ("before", before.map(|id| id.to_string())),
        ];
        url(PATH, fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect::<Vec<_>>())
    }
}

/// The addresses. `?q=` is a part of one, `?reason=` why, `?before=` where a page of the list ends.
#[component]
pub fn SuppressionsPage() -> impl IntoView {
    let asked = Asked::of_page();
    let Asked { search, reason, before } = asked.clone();
    settings_page(Tab::Suppressions, load_suppressions(search, reason, before), move |view| {
        view! { <Suppressions view asked/> }
    })
}

#[component]
fn Suppressions(view: SuppressionsView, asked: Asked) -> impl IntoView {
    let SuppressionsView { page, total, draft } = view;
    let is_empty = page.items.is_empty() && !asked.is_filtered() && asked.before.is_none();
    let older = page.has_more.then(|| page.items.last().map(|last| asked.at(Some(last.id)))).flatten();
    let newest = asked.before.map(|_| asked.at(None));
    let list = match (is_empty, page.items.is_empty()) {
        (true, _) => view! {
            <EmptyState glyph=Glyph::Shield title="Nobody is suppressed">
                <p>
                    "An address that a message comes back from for good, whose owner marks one as spam or unsubscribes, is put
                    here by itself. What is sent to it then is dropped, and says why."
                </p>
            </EmptyState>
        }
        .into_any(),
        (false, true) => view! { <p class="panel-note">"No address matches. " <a href=mounted(PATH)>"Show all"</a></p> }.into_any(),
        (false, false) => view! { <SuppressionTable items=page.items/> }.into_any(),
    };
    let filters = (!is_empty).then(|| view! { <Filters asked=asked.clone() total/> });
    view! {
        <section class="panel suppressions" aria-label="Suppressed addresses">
            {filters}
            {list}
            <Steps newest older/>
        </section>
        {may(Permission::SuppressionsUpdate).then(|| view! { <Add draft/> })}
    }
}

#[component]
fn Filters(asked: Asked, total: i64) -> impl IntoView {
    let reasons = SuppressionReason::ALL.map(|reason| {
        let is_chosen = asked.reason == Some(reason);
        view! { <option value=reason.as_str() selected=is_chosen>{reason.label()}</option> }
    });
    let export = may(Permission::LogsExport).then(|| {
        view! { <p class="exports">"Export: " <a href=mounted("/settings/suppressions/export") download="">"CSV"</a></p> }
    });
    view! {
        <div class="filters audit-filters">
            <form class="inline-form" method="get" action=mounted(PATH) role="search">
                <input
                    type="search"
                    name="q"
                    value=asked.search.clone()
                    placeholder="Address"
                    aria-label="Search for an address"
                    autocomplete="off"
                    spellcheck="false"
                />
                <select name="reason" aria-label="Why">
                    <option value="">"Any reason"</option>
                    {reasons.collect_view()}
                </select>
                <button class="button">"Filter"</button>
            </form>
            <p class="suppression-count">{counted(total, "address", "addresses")}</p>
            {export}
        </div>
    }
}

#[component]
fn SuppressionTable(items: Vec<Suppression>) -> impl IntoView {
    let may_lift = may(Permission::SuppressionsUpdate);
    let rows = items.into_iter().map(|item| view! { <Row item may_lift/> });
    view! {
        <table class="table stacked" role="table">
            <thead role="rowgroup">
                <tr role="row">
                    <th role="columnheader" scope="col">"Address"</th>
                    <th role="columnheader" scope="col">"Why"</th>
                    <th role="columnheader" scope="col">"Since"</th>
                    <th role="columnheader" scope="col"><span class="visually-hidden">"Actions"</span></th>
                </tr>
            </thead>
            <tbody role="rowgroup">{rows.collect_view()}</tbody>
        </table>
    }
}

#[component]
fn Row(item: Suppression, may_lift: bool) -> impl IntoView {
    let Suppression { id, address, reason, email_id, note, created_at } = item;
    let cause = email_id.map(|email_id| {
        let label = format!("The message to {address} that caused it");
        view! { <a href=mounted(format!("/logs/{email_id}")) aria-label=label>"the message that caused it"</a> }
    });
    let note = (!note.is_empty()).then(|| view! { <span>{note}</span> });
    let lift = may_lift.then(|| view! { <Lift id address=address.clone()/> });
    view! {
        <tr role="row">
            <td role="cell" class="sender"><strong>{mailbox(&address)}</strong></td>
            <td role="cell"><span class="two-lines"><span>{reason.label()}</span>{cause}{note}</span></td>
            <td role="cell"><span class="stacked-label">"Since "</span><Time at=created_at style=TimeStyle::Minute/></td>
            <td role="cell" class="actions">{lift}</td>
        </tr>
    }
}

#[component]
fn Lift(id: SuppressionId, address: String) -> impl IntoView {
    let field = format!("lift-{id}-reason");
    view! {
        <Confirm
            id=format!("lift-{id}")
            button="Lift"
            label=format!("Write to {address} again")
            small=true
            title=format!("Write to {address} again?")
            confirm="Lift"
            action=LiftSuppression::PATH
            fields=vec![("id", id.to_string())]
        >
            <p>"Messages to this address go out from now on. If it still does not exist, or its owner does not want them, your name with the providers suffers."</p>
            <div class="field">
                <label for=field.clone()>"Reason"</label>
                <input id=field name="reason" type="text" maxlength="500" autocomplete="off" required placeholder="The customer asked for it"/>
                <p class="hint">"It is kept in the audit log."</p>
            </div>
        </Confirm>
    }
}

#[component]
fn Add(draft: Draft) -> impl IntoView {
    let reasons = SuppressionReason::ALL.map(|reason| (reason.as_str().to_owned(), reason.label().to_owned())).to_vec();
    let error = draft.error("addresses");
    let described_by = if error.is_some() { "addresses-error addresses-hint" } else { "addresses-hint" };
    view! {
        <section class="panel" aria-label="Suppress addresses">
            <div class="panel-head">
                <h2>"Suppress addresses"</h2>
                <p>"Bring the list of your provider along, so that nobody who opted out there is written to here."</p>
            </div>
            <form
                class="stack panel-body"
                method="post"
                action=mounted(AddSuppressions::PATH)
                enctype="multipart/form-data"
                data-unsaved=""
            >
                <OfTeam/>
                <div class="field">
                    <label for="addresses">"Addresses"</label>
                    <textarea
                        id="addresses"
                        name="addresses"
                        rows="5"
                        class="source"
                        autocomplete="off"
                        autocapitalize="off"
                        spellcheck="false"
                        autofocus=error.is_some()
                        aria-invalid=error.is_some().then_some("true")
                        aria-describedby=described_by
                    >{draft.text("addresses")}</textarea>
                    {error.map(|error| view! { <p class="field-error" id="addresses-error">{sentence(&error)}</p> })}
                    <p class="hint" id="addresses-hint">
                        "One a line, or the content of a CSV file."
                    </p>
                </div>
                <div class="field">
                    <label for="file">"Or a file"</label>
                    <input id="file" name="file" type="file" accept=".csv,.txt,text/csv,text/plain" aria-describedby="file-hint"/>
                    <p class="hint" id="file-hint">
                        "A CSV file as Sendlog, SendGrid, Postmark or Mailgun export it, of at most 4 MiB."
                    </p>
                </div>
                <SelectField
                    label="Reason"
                    name="reason"
                    options=reasons
                    selected=draft.get("reason").unwrap_or_else(|| SuppressionReason::Manual.as_str().to_owned())
                    hint="Of the addresses whose line names none."
                />
                <TextField
                    label="Note"
                    name="note"
                    required=false
                    max_length=500
                    value=draft.text("note")
                    error=draft.error("note")
                />
                <div class="form-foot">
                    <button class="button primary"><Icon glyph=Glyph::Plus/>"Suppress"</button>
                </div>
            </form>
        </section>
    }
}

#[component]
fn Steps(newest: Option<String>, older: Option<String>) -> impl IntoView {
    (newest.is_some() || older.is_some()).then(|| {
        let older = older.map(|url| view! { <a class="page-step" href=mounted(url) rel="next">"Older"</a> });
        view! {
            <div class="panel-foot">
                <p>{newest.map(|url| view! { <a href=mounted(url) rel="first">"Back to the newest"</a> })}</p>
                <nav class="pagination" aria-label="Pages">{older}</nav>
            </div>
        }
    })
}

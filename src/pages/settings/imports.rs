//! `/settings/imports`: what other systems know of the team's messages, brought here.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use super::{Tab, settings_page};
use crate::components::address::query_value;
use crate::components::can::may;
use crate::components::confirm::Confirm;
use crate::components::empty_state::EmptyState;
use crate::components::field::{OfTeam, SelectField, TextField};
use crate::components::icon::{Glyph, Icon};
use crate::components::number::{counted, grouped};
use crate::components::time::{Time, TimeStyle};
use crate::domain::draft::Draft;
use crate::domain::history_import::{HistoryImport, ImportSource, ImportState, ImportWay};
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::server_fns::history_imports::{
    DeleteImport, ImportFile, ImportsView, ResumeImport, StartImport, StopImport, load_imports,
};

const PATH: &str = "/settings/imports";

/// How many days back an import reads, unless somebody says otherwise.
const USUAL_DAYS: i64 = 90;

/// The imports. `?source=` chooses whose history is to be brought.
#[component]
pub fn ImportsPage() -> impl IntoView {
    let chosen = query_value("source").and_then(|source| source.parse().ok());
    settings_page(Tab::Imports, load_imports(), move |view| view! { <Imports view chosen/> })
}

#[component]
fn Imports(view: ImportsView, chosen: Option<ImportSource>) -> impl IntoView {
    let ImportsView { imports, kept_days, draft } = view;
    let list = if imports.is_empty() {
        view! {
            <EmptyState glyph=Glyph::Clock title="Nothing was imported yet">
                <p>
                    "Begin with your history: what your provider knows of the messages that you sent before is read into the
                    log, and what the log has already is not recorded twice."
                </p>
            </EmptyState>
        }
        .into_any()
    } else {
        view! { <ImportTable imports/> }.into_any()
    };
    let start = may(Permission::AdaptersUpdate).then(|| view! { <Start chosen kept_days draft/> });
    view! {
        <section class="panel imports" aria-label="Imports">{list}</section>
        {start}
    }
}

#[component]
fn ImportTable(imports: Vec<HistoryImport>) -> impl IntoView {
    let runs = imports.iter().any(|import| import.state == ImportState::Running);
    let may_change = may(Permission::AdaptersUpdate);
    let rows = imports.into_iter().map(|import| view! { <Row import may_change/> });
    view! {
        <table class="table stacked" role="table">
            <thead role="rowgroup">
                <tr role="row">
                    <th role="columnheader" scope="col">"Source"</th>
                    <th role="columnheader" scope="col">"Progress"</th>
                    <th role="columnheader" scope="col">"Events"</th>
                    <th role="columnheader" scope="col">"Started"</th>
                    <th role="columnheader" scope="col"><span class="visually-hidden">"Actions"</span></th>
                </tr>
            </thead>
            <tbody role="rowgroup">{rows.collect_view()}</tbody>
        </table>
        {runs.then(|| view! { <noscript><p class="panel-note"><a class="button" href=mounted(PATH)>"Reload"</a></p></noscript> })}
    }
}

#[component]
fn Row(import: HistoryImport, may_change: bool) -> impl IntoView {
    let refresh = (import.state == ImportState::Running).then_some("2");
    let (progress_id, events_id) = (format!("{}-progress", import.id), format!("{}-events", import.id));
    let way = match &import.way {
        ImportWay::Pull { from, until } => view! {
            <span><Time at=*from style=TimeStyle::Day/>" to "<Time at=*until style=TimeStyle::Day/></span>
        }
        .into_any(),
        ImportWay::File { records } => {
            view! { <span>{format!("A file of {}", counted(*records, "record", "records"))}</span> }.into_any()
        }
    };
    let (source, created_at) = (import.source.label(), import.created_at);
    let unusable =
        (import.unusable > 0).then(|| view! { <span>{format!("{} unusable", grouped(import.unusable))}</span> });
    let events = view! {
        <span class="two-lines" id=events_id data-refresh=refresh>
            <strong>{format!("{} new", grouped(import.recorded))}</strong>
            <span>{format!("{} known", grouped(import.known))}</span>
            {unusable}
        </span>
    };
    let actions = may_change.then(|| view! { <Actions import=import.clone()/> });
    view! {
        <tr role="row">
            <td role="cell"><span class="two-lines"><strong>{source}</strong>{way}</span></td>
            <td role="cell">
                <span class="two-lines" id=progress_id data-refresh=refresh><Progress import/></span>
            </td>
            <td role="cell">{events}</td>
            <td role="cell"><span class="stacked-label">"Started "</span><Time at=created_at style=TimeStyle::Minute/></td>
            <td role="cell" class="actions">{actions}</td>
        </tr>
    }
}

#[component]
fn Progress(import: HistoryImport) -> impl IntoView {
    let read = match &import.way {
        ImportWay::Pull { .. } => format!("{} read", counted(import.read, "message", "messages")),
        ImportWay::File { records } => {
            format!("{} of {} read", grouped(import.read), counted(*records, "record", "records"))
        }
    };
    let state = match (import.state, import.waits_until) {
        (ImportState::Running, Some(until)) => {
            view! { <span>"Waits for the source until "<Time at=until style=TimeStyle::Second/></span> }.into_any()
        }
        (state, _) => view! { <strong>{state.label()}</strong> }.into_any(),
    };
    let bar = (import.state != ImportState::Done).then(|| {
        let label = format!("Read of {}", import.source.label());
        view! { <progress aria-label=label value=import.progress.to_string() max="1000"></progress> }
    });
    let words = (!import.words.is_empty()).then(|| view! { <span class="import-words">{import.words}</span> });
    view! {
        {state}
        {bar}
        <span>{read}</span>
        {words}
    }
}

#[component]
fn Actions(import: HistoryImport) -> impl IntoView {
    let HistoryImport { id, source, state, way, .. } = import;
    let refresh = (state == ImportState::Running).then_some("2");
    let label = source.label();
    let main = match state {
        ImportState::Running => view! {
            <form method="post" action=mounted(StopImport::PATH) data-once>
                <button class="button small" name="id" value=id.to_string() aria-label=format!("Stop the import from {label}")>"Stop"</button>
            </form>
        }
        .into_any(),
        ImportState::Stopped => view! { <Resume id=id.to_string() source needs_key=matches!(way, ImportWay::Pull { .. })/> }.into_any(),
        ImportState::Done => ().into_any(),
    };
    view! {
        <span class="import-actions">
            <span id=format!("{id}-main") data-refresh=refresh>{main}</span>
            <Confirm
                id=format!("delete-{id}")
                button="Remove"
                label=format!("Remove the import from {label}")
                small=true
                title="Remove this import?"
                confirm="Remove"
                action=DeleteImport::PATH
                fields=vec![("id", id.to_string())]
            >
                <p>"What it recorded stays in the log. What is not read yet is not read, and its key is forgotten."</p>
            </Confirm>
        </span>
    }
}

#[component]
fn Resume(id: String, source: ImportSource, needs_key: bool) -> impl IntoView {
    let dialog = format!("resume-{id}");
    let (opened, closed, heading) = (dialog.clone(), dialog.clone(), format!("{dialog}-heading"));
    let labelled_by = heading.clone();
    let key = needs_key.then(|| {
        let field = format!("{dialog}-key");
        view! {
            <div class="field">
                <label for=field.clone()>{source.key().label}</label>
                <input id=field name="key" type="password" maxlength="500" autocomplete="off"/>
                <p class="hint">"Another one, where the one before was refused; the same where this is empty."</p>
            </div>
        }
    });
    view! {
        <button type="button" class="button small" popovertarget=opened aria-haspopup="dialog" aria-label=format!("Go on with the import from {}", source.label())>
            "Go on"
        </button>
        <dialog class="dialog" id=dialog popover="auto" aria-labelledby=labelled_by>
            <form class="stack" method="post" action=mounted(ResumeImport::PATH)>
                <h2 id=heading>"Go on with this import?"</h2>
                <p>"It goes on where it stopped. What it has read is not recorded twice."</p>
                {key}
                <input type="hidden" name="id" value=id/>
                <div class="dialog-buttons">
                    <button type="button" class="button" popovertarget=closed popovertargetaction="hide">"Cancel"</button>
                    <button class="button primary">"Go on"</button>
                </div>
            </form>
        </dialog>
    }
}

#[component]
fn Start(chosen: Option<ImportSource>, kept_days: Option<i64>, draft: Draft) -> impl IntoView {
    let options = ImportSource::ALL.map(|source| (source.as_str().to_owned(), source.label().to_owned())).to_vec();
    let selected = chosen.unwrap_or(ImportSource::SendGrid).as_str().to_owned();
    let forms = chosen.map(|source| {
        view! {
            <FromApi source kept_days draft/>
            <FromFile source/>
        }
    });
    view! {
        <section class="panel" aria-label="Bring your history">
            <div class="panel-head">
                <h2>"Bring your history"</h2>
                <p><a href=mounted("/help/imports")>"What each source tells, and what it does not"</a></p>
            </div>
            <form class="stack panel-body" method="get" action=mounted(PATH)>
                <div class="short stack"><SelectField label="Source" name="source" options selected/></div>
                <div class="form-foot"><button class="button">"Choose"</button></div>
            </form>
        </section>
        {forms}
    }
}

#[component]
fn FromApi(source: ImportSource, kept_days: Option<i64>, draft: Draft) -> impl IntoView {
    let key = source.key();
    let account = source.account().map(|field| {
        view! {
            <TextField
                label=field.label
                name="account"
                hint=field.hint
                max_length=500
                value=draft.text("account")
                error=draft.error("account")
            />
        }
    });
    let (is_required, hint) = match source.base() {
        Some(base) => (false, format!("{base} where it is empty. For another region, or a system of your own.")),
        None => (true, "Where your dashboard answers, like https://canary.example.com.".to_owned()),
    };
    let days = kept_days.map_or(USUAL_DAYS, |kept| kept.min(USUAL_DAYS)).to_string();
    let days_hint = match kept_days {
        Some(kept) => format!("At most {}: this team keeps messages no longer.", counted(kept, "day", "days")),
        None => "As far back as the source itself keeps them.".to_owned(),
    };
    view! {
        <section class="panel" aria-label=format!("From {}’s API", source.label())>
            <div class="panel-head"><h2>{format!("From {}’s API", source.label())}</h2></div>
            <form class="stack panel-body" method="post" action=mounted(StartImport::PATH) data-unsaved="" data-once>
                <OfTeam/>
                <input type="hidden" name="source" value=source.as_str()/>
                <div class="short stack">
                {account}
                <TextField
                    label=key.label
                    name="key"
                    kind="password"
                    hint=format!("{}. It is kept encrypted, and forgotten when the import is done.", key.hint)
                    max_length=500
                    error=draft.error("key")
                />
                <TextField
                    label="Days back"
                    name="days"
                    hint=days_hint
                    max_length=5
                    value=draft.get("days").unwrap_or(days)
                    error=draft.error("days")
                />
                <TextField
                    label="Address"
                    name="base"
                    kind="url"
                    hint
                    required=is_required
                    max_length=500
                    value=draft.text("base")
                    error=draft.error("base")
                />
                </div>
                <div class="form-foot"><button class="button primary"><Icon glyph=Glyph::Plus/>"Start"</button></div>
            </form>
        </section>
    }
}

#[component]
fn FromFile(source: ImportSource) -> impl IntoView {
    view! {
        <section class="panel" aria-label="From a file">
            <div class="panel-head"><h2>"From a file"</h2></div>
            <form class="stack panel-body" method="post" action=mounted(ImportFile::PATH) enctype="multipart/form-data" data-once>
                <OfTeam/>
                <input type="hidden" name="source" value=source.as_str()/>
                <div class="field">
                    <label for="file">"File"</label>
                    <input
                        id="file"
                        name="file"
                        type="file"
                        accept=".csv,.json,.jsonl,.ndjson,text/csv,application/json"
                        aria-describedby="file-hint"
                        required
                    />
                    <p class="hint" id="file-hint">{format!("{}, of at most 16 MiB; larger ones in parts.", source.file())}</p>
                </div>
                <div class="form-foot"><button class="button primary"><Icon glyph=Glyph::Plus/>"Start"</button></div>
            </form>
        </section>
    }
}

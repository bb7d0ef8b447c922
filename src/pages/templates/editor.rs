//! `/templates/new` and `/templates/:id`: the form, and the versions so far.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use leptos_router::hooks::use_params_map;

use super::preview::{FORM, Preview};
use super::tracking::TrackingChoice;
use crate::components::address::query_value;
use crate::components::can::may;
use crate::components::confirm::Confirm;
use crate::components::copy_button::CopyButton;
use crate::components::field::{OfTeam, SourceField, TextField};
use crate::components::history_link::HistoryLink;
use crate::components::time::{Time, TimeStyle};
use crate::domain::error::AppError;
use crate::domain::ids::TemplateId;
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::domain::template::{Template, TemplateSource, TemplateVersion};
use crate::pages::layout::{PageTitle, Section, in_layout};
use crate::server_fns::templates::{
    CreateTemplate, DeleteTemplate, IMAGES_FIELD, MASKED_FIELD, PreviewTemplate, SAMPLE_FIELD, TemplateView,
    TestTemplate, TrackingFields, UpdateTemplate, load_new_template, load_template, names_of, source_of_draft,
};

/// An empty template to fill in.
#[component]
pub fn NewTemplatePage() -> impl IntoView {
    in_layout(Section::Templates, load_new_template(), |view| view! { <Editor view shown_version=None/> })
}

/// A template. `?version=3` puts an older version's sources into the form.
#[component]
pub fn TemplatePage() -> impl IntoView {
    let id =
        use_params_map().with_untracked(|params| params.get_str("id").and_then(|id| id.parse::<TemplateId>().ok()));
    let version = query_value("version").and_then(|number| number.parse().ok());
    let load = async move { load_template(id.ok_or_else(|| AppError::not_found("Template"))?).await };
    in_layout(Section::Templates, load, move |view| view! { <Editor view shown_version=version/> })
}

#[component]
fn Editor(view: TemplateView, shown_version: Option<i64>) -> impl IntoView {
    let TemplateView { template, used_variables, versions, draft, sample, team_tracking, unreachable } = view;
    let current = template.as_ref().map(|template| template.current.version);
    let older = shown_version
        .filter(|number| Some(*number) != current)
        .and_then(|number| versions.iter().find(|version| version.version == number).cloned());
    let source = match (&older, &template) {
        (Some(version), _) => version.source.clone(),
        (None, Some(template)) => template.current.source.clone(),
        (None, None) => TemplateSource::default(),
    };
    let name = template.as_ref().map(|template| template.name.clone());
    let title = name.clone().unwrap_or_else(|| "New template".to_owned());
    let field = |field: &str, kept: Option<String>| draft.get(field).or(kept).unwrap_or_default();
    let masked = match draft.get(MASKED_FIELD) {
        Some(list) => names_of(&list),
        None => template.as_ref().map(|template| template.masked_variables.clone()).unwrap_or_default(),
    };
    let saved_tracking = template.as_ref().map(|template| template.tracking).unwrap_or_default();
    let tracking = TrackingFields::of_draft(&draft).given().unwrap_or(saved_tracking);
    let is_saved = draft.is_empty()
        || template.as_ref().is_some_and(|template| {
            template.name == draft.text("name")
                && template.masked_variables == masked
                && template.tracking == tracking
                && template.current.source == source_of_draft(&draft)
        });
    let unsaved = if is_saved { "" } else { "given-back" };
    // What was typed is looked at by itself: after a test, and where it was refused or given back.
    let shown = (!draft.is_empty()).then(|| draft.form().to_owned());
    let shows_images = draft.text(IMAGES_FIELD) == "1";
    let is_locked = template.is_some() && !may(Permission::TemplatesUpdate);
    let action = if template.is_some() { UpdateTemplate::PATH } else { CreateTemplate::PATH };
    view! {
        <div class="page-head">
            <nav class="breadcrumb" aria-label="Breadcrumb">
                <a href=mounted("/templates")>"Templates"</a>
                <span aria-hidden="true">"/"</span>
            </nav>
            <PageTitle text=title/>
            {template.as_ref().map(|template| view! { <TemplateHead template=template.clone()/> })}
            {(!is_locked).then(|| view! { <a class="button to-preview" href="#preview">"Go to the preview"</a> })}
        </div>
        {older.as_ref().map(|version| view! { <OlderNote version=version.version/> })}
        <div class="editor-grid" data-locked=is_locked.then_some("")>
            <section class="panel" aria-label="Sources">
                <form class="stack panel-body" method="post" action=mounted(action) id=FORM data-unsaved=unsaved>
                    <fieldset class="bare-fieldset" disabled=is_locked>
                        <OfTeam/>
                        {template.as_ref().map(|template| view! { <input type="hidden" name="id" value=template.id.to_string()/> })}
                        <TextField label="Name" name="name" max_length=100 value=field("name", name) error=draft.error("name")/>
                        <TextField
                            label="Subject"
                            name="subject"
                            value=field("subject", Some(source.subject))
                            hint="Write variables in double braces: {{ name }}. A message that lacks one of them is refused, and the error names it."
                            error=draft.error("subject")
                        />
                        <SourceField
                            label="HTML body"
                            name="html"
                            rows=18
                            value=field("html", source.html)
                            error=draft.error("html")
                        />
                        <SourceField
                            label="Text body"
                            name="text"
                            rows=10
                            value=field("text", source.text)
                            hint="If you leave it empty, the message has its HTML body alone: no text is made from that."
                            error=draft.error("text")
                        />
                        <MaskedVariables used=used_variables masked/>
                        <TrackingChoice tracking team=team_tracking unreachable/>
                    </fieldset>
                </form>
            </section>
            <div class="editor-side">
                {(!is_locked).then(|| {
                    let sample = draft.get(SAMPLE_FIELD).unwrap_or(sample);
                    view! { <Preview sample shows_images shown error=draft.error(SAMPLE_FIELD)/> }
                })}
                {template.clone().map(|template| view! { <Versions template versions shown=older.map(|version| version.version)/> })}
            </div>
        </div>
        {(!is_locked).then(|| view! { <Actions is_new=template.is_none()/> })}
    }
}

/// What can be done with what is written, always at hand. Enter in a field does the first.
#[component]
fn Actions(is_new: bool) -> impl IntoView {
    view! {
        <div class="editor-bar">
            <button class="button primary" form=FORM>
                {if is_new { "Create the template" } else { "Save as a new version" }}
            </button>
            <button class="button" form=FORM formaction=mounted(PreviewTemplate::PATH) formnovalidate data-preview="">"Preview"</button>
            {may(Permission::EmailsSend).then(|| view! {
                <button class="button" form=FORM formaction=mounted(TestTemplate::PATH) formnovalidate>"Send me a test"</button>
            })}
            <a class="button" href=mounted("/templates")>"Cancel"</a>
            <p class="editor-status" role="status"></p>
        </div>
    }
}

/// Which variables nobody sees without giving a reason: a box for each that the template uses, and a field for others.
#[component]
fn MaskedVariables(used: Vec<String>, masked: Vec<String>) -> impl IntoView {
    let label = if used.is_empty() { "Variables to mask" } else { "Other variables" };
    let others: Vec<String> = masked.iter().filter(|name| !used.contains(name)).cloned().collect();
    let boxes = used
        .into_iter()
        .map(|name| {
            let is_masked = masked.contains(&name);
            view! {
                <label class="check">
                    <input type="checkbox" name="masked[]" value=name.clone() checked=is_masked/>
                    <code>{name}</code>
                </label>
            }
        })
        .collect_view();
    view! {
        <fieldset class="field masked-variables" id="masked-variables">
            <legend>"Always masked variables"</legend>
            <p class="hint">
                "Use this for codes, tokens and secret links. People see the values only after they give a reason; API keys "
                "never see them. Subjects that are already in the log do not change."
            </p>
            {boxes}
            <TextField
                label
                name="masked[]"
                value=others.join(", ")
                required=false
                hint="Top-level names, separated by commas. “Preview” lists the variables in use."
            />
        </fieldset>
    }
}

#[component]
fn TemplateHead(template: Template) -> impl IntoView {
    let id = template.id.to_string();
    view! {
        <code class="head-id">{id.clone()}</code>
        <CopyButton text=id.clone() label="Copy the id".to_owned()/>
        <HistoryLink object=id.clone()/>
        {may(Permission::TemplatesDelete).then(|| view! {
            <div class="page-actions">
                <Confirm
                    id="delete-template"
                    button="Delete"
                    title="Delete this template?"
                    confirm="Delete"
                    action=DeleteTemplate::PATH
                    fields=vec![("id", id.clone())]
                >
                    <p>
                        "Programs that still send with “" {template.name.clone()} "” get an error from now on. Messages made from "
                        "it stay in the log."
                    </p>
                </Confirm>
            </div>
        })}
    }
}

#[component]
fn OlderNote(version: i64) -> impl IntoView {
    view! {
        <div class="callout" data-tone="waiting">
            <div class="callout-body">
                <p>"You see version " {version} ", not the current one. If you save, it becomes the newest version."</p>
            </div>
        </div>
    }
}

#[component]
fn Versions(template: Template, versions: Vec<TemplateVersion>, shown: Option<i64>) -> impl IntoView {
    let shown = shown.unwrap_or(template.current.version);
    let items = versions.into_iter().map(|version| {
        let is_current = version.version == template.current.version;
        let url = match is_current {
            true => format!("/templates/{}", template.id),
            false => format!("/templates/{}?version={}", template.id, version.version),
        };
        let marked = (version.version == shown).then_some("true");
        view! {
            <li>
                <a class="menu-item version" href=mounted(url) aria-current=marked>
                    <span>"Version " {version.version} {is_current.then(|| view! { <span class="tag">"current"</span> })}</span>
                    <Time at=version.created_at style=TimeStyle::Minute/>
                </a>
            </li>
        }
    });
    view! {
        <section class="panel versions" aria-label="Versions">
            <div class="panel-head"><h2>"Versions"</h2></div>
            <ol class="menu-list">{items.collect_view()}</ol>
        </section>
    }
}

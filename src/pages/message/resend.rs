//! `/logs/:id/resend`: sends a message again with a change, and says before what will happen. Without a script the button
//! *Check* brings the page back with it; with one, `components::behaviour` does as one types.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;

use crate::components::address::query_value;
use crate::components::ask::WhomToAsk;
use crate::components::can::may;
use crate::components::email_words::{shown_subject, spoken_list};
use crate::components::field::{HiddenFields, OfTeam, SelectField, SourceField, TextField};
use crate::components::icon::{Glyph, Icon};
use crate::domain::address;
use crate::domain::error::AppError;
use crate::domain::ids::EmailId;
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::domain::plain_words::sentence;
use crate::domain::resend_change::{ChangePreflight, Changeable, TemplateChoice, TypedChange, Warning};
use crate::pages::layout::{PageTitle, Section, in_layout};
use crate::server_fns::resend_changes::{CheckResend, ResendChangeView, ResendChanged, WayBack, load_resend_change};

/// A message that is sent again with a change. `list` and `row` lead back, as on the message's own page.
#[component]
pub fn ResendChangePage() -> impl IntoView {
    let id = use_params_map().with_untracked(|params| params.get_str("id").and_then(|id| id.parse::<EmailId>().ok()));
    let back = WayBack { list: query_value("list").unwrap_or_default(), row: query_value("row").unwrap_or_default() };
    let load = async move { load_resend_change(id.ok_or_else(|| AppError::not_found("Email log"))?).await };
    in_layout(Section::Logs, load, move |view| view! { <ResendChange view back/> })
}

#[component]
fn ResendChange(view: ResendChangeView, back: WayBack) -> impl IntoView {
    let ResendChangeView { email, changeable, typed, preflight, checked, once } = view;
    let message = address::url(&format!("/logs/{}", email.id), back.fields());
    let subject = shown_subject(&email.subject, email.channel);
    let adapter = email.adapter_name.clone();
    let recipients = spoken_list(&email.recipients);
    let error = |field: &'static str| {
        preflight.refusal.as_ref().filter(|(name, _)| name.as_deref() == Some(field)).map(|(_, words)| words.clone())
    };
    let errors = (error("to"), error("variables"));
    view! {
        <Title text="Resend with a change · Sendlog"/>
        <div class="page-head">
            <nav class="breadcrumb" aria-label="Breadcrumb">
                <a href=mounted("/logs")>"Logs"</a>
                <span aria-hidden="true">"/"</span>
                <a class="resend-of" href=mounted(message.clone()) dir="auto">{subject}</a>
                <span aria-hidden="true">"/"</span>
            </nav>
            <PageTitle text="Resend with a change"/>
        </div>
        <form class="resend-change" method="post" action=mounted(ResendChanged::PATH) data-check=mounted(CheckResend::PATH)>
            <OfTeam/>
            <HiddenFields fields=back.fields()/>
            <input type="hidden" name="id" value=email.id.to_string()/>
            <input type="hidden" name="once" value=once/>
            <section class="panel" aria-labelledby="changes">
                <div class="panel-head"><h2 id="changes">"What to change"</h2></div>
                <div class="panel-body stack">
                    <Fields changeable typed recipients adapter errors/>
                </div>
            </section>
            <WhatHappens preflight checked message/>
        </form>
    }
}

#[component]
fn Fields(
    changeable: Changeable,
    typed: TypedChange,
    /// Whom the message was for, in words.
    recipients: String,
    /// The adapter that the message went by.
    adapter: Option<String>,
    /// What is wrong with the address, and with the variables.
    errors: (Option<String>, Option<String>),
) -> impl IntoView {
    let Changeable { address, variables, obstacles, versions, adapters } = changeable;
    let lacks_reveal = !may(Permission::LogsReveal);
    let variables = variables.map(|_| {
        view! {
            <SourceField
                label="Variables"
                name="variables"
                rows=10
                value=typed.variables.clone()
                hint="The template's values, as JSON. What is masked stays as it was."
                error=errors.1
            />
        }
    });
    let versions = versions.map(|(before, current)| {
        let label = |choice: TemplateChoice| match (choice, before) {
            (TemplateChoice::Original, Some(before)) => format!("{}: version {before}", choice.label()),
            (TemplateChoice::Original, None) => choice.label().to_owned(),
            (TemplateChoice::Current, _) => format!("{}: version {current}", choice.label()),
        };
        let options = TemplateChoice::ALL.map(|choice| (choice.as_str().to_owned(), label(choice))).to_vec();
        view! { <SelectField label="Template" name="template" options selected=typed.template.clone()/> }
    });
    let adapters = (!adapters.is_empty()).then(|| {
        let before = adapter.map_or_else(|| "As before".to_owned(), |name| format!("As before: {name}"));
        let named = adapters.into_iter().map(|(id, name)| (id.to_string(), format!("{name} alone")));
        let options = std::iter::once((String::new(), before)).chain(named).collect::<Vec<_>>();
        view! { <SelectField label="Adapter" name="adapter" options selected=typed.adapter.clone()/> }
    });
    view! {
        {address.then(|| view! {
            <TextField
                label="Another address"
                name="to"
                value=typed.to.clone()
                required=false
                max_length=320
                hint=format!("Left empty, it goes to {recipients}.")
                error=errors.0
            />
        })}
        {versions}
        {adapters}
        {variables}
        {lacks_reveal.then(|| view! {
            <p class="obstacle">"Your role cannot change the address or the variables: it does not see contents. " <WhomToAsk/></p>
        })}
        {obstacles.into_iter().map(|words| view! { <p class="obstacle">{sentence(&words)}</p> }).collect_view()}
    }
}

/// What the copy would be, and the buttons. It is put into the page anew as one types.
#[component]
fn WhatHappens(
    preflight: ChangePreflight,
    checked: String,
    /// The message's page.
    message: String,
) -> impl IntoView {
    let ChangePreflight { sentences, warnings, refusal, again } = preflight;
    let (is_refused, is_doubtful) = (refusal.is_some(), !warnings.is_empty());
    let label = match (again, is_doubtful) {
        (Some(_), _) => "Send once more",
        (None, true) => "Resend anyway",
        (None, false) => "Resend",
    };
    let sentences = sentences.into_iter().map(|words| view! { <li>{words}</li> }).collect_view();
    view! {
        <section class="panel" id="resend-preflight" aria-labelledby="what-happens" aria-live="polite">
            <div class="panel-head"><h2 id="what-happens">"What will happen"</h2></div>
            <div class="panel-body stack">
                {refusal.map(|(_, words)| view! {
                    <div class="callout" data-tone="error">
                        <Icon glyph=Glyph::Alert/>
                        <div class="callout-body"><p><strong>"Nothing. "</strong>{sentence(&words)}</p></div>
                    </div>
                })}
                {warnings.into_iter().map(|warning| view! { <Doubt warning/> }).collect_view()}
                <ul class="resend-sentences">{sentences}</ul>
                <input type="hidden" name="checked" value=checked/>
                {again.map(|id| view! { <input type="hidden" name="again" value=id.to_string()/> })}
                <div class="form-buttons">
                    <button class="button" formaction=mounted(CheckResend::PATH) formnovalidate>"Check"</button>
                    <button class="button" class:primary={!is_doubtful && !is_refused} disabled=is_refused>
                        <Icon glyph=Glyph::Resend/>{label}
                    </button>
                    <a class="button" href=mounted(message)>"Cancel"</a>
                </div>
            </div>
        </section>
    }
}

#[component]
fn Doubt(warning: Warning) -> impl IntoView {
    let because =
        warning.because_of.map(|id| view! { " " <a href=mounted(format!("/logs/{id}"))>"Show that message"</a> });
    view! {
        <div class="callout" data-tone="waiting">
            <Icon glyph=Glyph::Alert/>
            <div class="callout-body"><p>{warning.words}{because}</p></div>
        </div>
    }
}

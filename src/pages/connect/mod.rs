//! `/connect`: how programs send through Sendlog, with a key made on the spot.

mod systems;

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use self::systems::{Snippet, System, report, systems};
use super::layout::{PageTitle, Section, in_layout};
use super::logs::StepList;
use super::settings::api_keys::KeyNameField;
use crate::components::can::may;
use crate::components::copy_button::CopyButton;
use crate::components::field::OfTeam;
use crate::components::icon::{Glyph, Icon};
use crate::domain::draft::Draft;
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::server_fns::api_keys::CreateApiKey;
use crate::server_fns::connect::{ConnectView, load_connect};

/// What a program that sends and follows its messages needs, and whether it is chosen at first.
const SCOPES: [(Permission, bool); 5] = [
    (Permission::EmailsSend, true),
    (Permission::LogsView, true),
    (Permission::EventsWrite, true),
    (Permission::RequestsView, true),
    (Permission::LogsResend, false),
];

/// The ways in.
#[component]
pub fn ConnectPage() -> impl IntoView {
    in_layout(Section::Connect, load_connect(), |view| view! { <Connect view/> })
}

#[component]
fn Connect(view: ConnectView) -> impl IntoView {
    let (systems, report) = (systems(&view), report(&view));
    let links = systems.iter().map(|system| {
        view! { <a class="segment" href=format!("#{}", id_of(system))>{system.name}</a> }
    });
    let links = (links.collect_view(), view! { <a class="segment" href="#reports">"Reports"</a> });
    let first_steps = view.first_steps.clone().map(|steps| {
        view! {
            <section class="panel" aria-label="First steps">
                <div class="panel-head"><h2>"First steps"</h2></div>
                <div class="panel-body"><StepList steps/></div>
            </section>
        }
    });
    let key_name = view.key.map(|key| key.name);
    view! {
        <div class="page-head">
            <PageTitle text="Connect"/>
            <nav class="segments connect-systems" aria-label="Systems">{links}</nav>
        </div>
        <p class="lead connect-lead">
            "Keep the client you have and point it here: change its base URL and its key. What it sends is in the log, "
            "whichever system it speaks."
        </p>
        {first_steps}
        <Key key_name draft=view.draft/>
        {systems.into_iter().map(|system| view! { <SystemPanel system/> }).collect_view()}
        <Reports report/>
    }
}

/// How it becomes known what happens to messages once a mail server has them.
#[component]
fn Reports(report: Snippet) -> impl IntoView {
    view! {
        <section class="panel system" id="reports" aria-labelledby="reports-heading">
            <div class="system-about">
                <h2 id="reports-heading">"Reports"</h2>
                <p>
                    "A mail server says only that it took a message. That it was delivered, opened or marked as spam is known "
                    "once somebody reports it. " <a href=mounted("/settings/provider-webhooks")>"Let your provider post its webhooks here"</a>
                    ", or hand on what another program knows, by the id that the provider gave the message or by Sendlog’s. "
                    "The key for that needs the permission " <code>{Permission::EventsWrite.as_str()}</code> "."
                </p>
            </div>
            <div class="snippets">
                <SnippetPart system="Reports" group="snippets-reports".to_owned() snippet=report is_open=true/>
            </div>
        </section>
    }
}

fn id_of(system: &System) -> String {
    system.name.to_lowercase()
}

/// The form for a key, or what to do without one.
#[component]
fn Key(key_name: Option<String>, draft: Draft) -> impl IntoView {
    if let Some(name) = key_name {
        return view! {
            <div class="callout" data-tone="waiting">
                <Icon glyph=Glyph::Key/>
                <div class="callout-body">
                    <p>
                        <strong>{format!("The key “{name}” stands in every snippet below")}</strong>
                        ", until you leave this page. " <a href=mounted("/connect")>"Create another one"</a>
                    </p>
                </div>
            </div>
        }
        .into_any();
    }
    if !may(Permission::ApiKeysCreate) {
        return view! {
            <div class="callout">
                <Icon glyph=Glyph::Key/>
                <div class="callout-body">
                    <p>
                        "Your role may not create keys. Ask an admin of the team for one, and put it where the snippets say "
                        <code>"YOUR_KEY"</code> "."
                    </p>
                </div>
            </div>
        }
        .into_any();
    }
    let boxes = SCOPES.into_iter().filter(|(permission, _)| may(*permission)).map(|(permission, is_usual)| {
        view! {
            <label class="check">
                <input type="checkbox" name="scopes[]" value=permission.as_str() checked=is_usual/>
                <span>{permission.label()} <code>{permission.as_str()}</code></span>
            </label>
        }
    });
    let boxes = boxes.collect_view();
    view! {
        <section class="panel" aria-label="Create a key">
            <div class="panel-head"><h2>"Create a key"</h2><p>"It is shown once, in the snippets below."</p></div>
            <form class="panel-body key-form" method="post" action=mounted(CreateApiKey::PATH) data-unsaved="">
                <OfTeam/>
                <div class="key-name">
                    <KeyNameField draft/>
                    <button class="button primary">"Create a key"</button>
                </div>
                <fieldset class="checks">
                    <legend>"What it may do"</legend>
                    {boxes}
                </fieldset>
            </form>
        </section>
    }
    .into_any()
}

#[component]
fn SystemPanel(system: System) -> impl IntoView {
    let (id, heading) = (id_of(&system), format!("{}-heading", id_of(&system)));
    let labelled_by = heading.clone();
    let System { name, base_url, own_url, credentials, note, document, snippets } = system;
    let (document, document_name) = document;
    let base = base_url.map(|url| {
        let what = if name == "SMTP" { "Server" } else { "Base URL" };
        let label = format!("Copy {name}’s {}", what.to_lowercase().replace("url", "URL"));
        view! {
            <div>
                <dt>{what}</dt>
                <dd class="with-copy"><code>{url.clone()}</code><CopyButton text=url label/></dd>
            </div>
        }
    });
    let own = own_url.map(|url| {
        view! {
            <div>
                <dt>"Its own address"</dt>
                <dd class="with-copy"><code>{url.clone()}</code><CopyButton text=url label=format!("Copy {name}’s own address")/></dd>
            </div>
        }
    });
    let group = format!("snippets-{id}");
    let snippets = snippets.into_iter().enumerate().map(|(index, snippet)| {
        view! { <SnippetPart system=name group=group.clone() snippet is_open={index == 0}/> }
    });
    let snippets = snippets.collect_view();
    view! {
        <section class="panel system" id=id aria-labelledby=labelled_by>
            <div class="system-about">
                <h2 id=heading>{name}</h2>
                <dl>
                    {base}
                    {own}
                    <div><dt>"Key"</dt><dd>{credentials}</dd></div>
                </dl>
                {note.map(|note| view! { <p>{note}</p> })}
                <p><a href=mounted(document) rel="external">{document_name}</a></p>
            </div>
            <div class="snippets">{snippets}</div>
        </section>
    }
}

/// A program that opens and closes; of a system's programs one is open at a time.
#[component]
fn SnippetPart(system: &'static str, group: String, snippet: Snippet, is_open: bool) -> impl IntoView {
    let Snippet { language, package, code } = snippet;
    let title = format!("{system} with {language}");
    view! {
        <details class="snippet" name=group open=is_open>
            <summary>
                <strong>{language}</strong>
                <span class="snippet-package">{package}</span>
                <Icon glyph=Glyph::Chevron/>
            </summary>
            <div class="code-block">
                <pre tabindex="0" aria-label=title>{code.clone()}</pre>
                <CopyButton text=code label=format!("Copy the program for {system} with {language}")/>
            </div>
        </details>
    }
}

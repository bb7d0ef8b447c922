//! The first steps of a team, ticked by what it has: what the log shows before the first message, and the page Connect until
//! the steps are done.

use leptos::prelude::*;

use crate::components::can::may;
use crate::components::copy_button::CopyButton;
use crate::components::empty_state::EmptyState;
use crate::components::icon::Glyph;
use crate::domain::first_steps::{FirstSteps, Step};
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::domain::viewer::{Actor, Viewer};

/// The steps to a first message, the last one to copy.
#[component]
pub fn FirstRun(
    steps: FirstSteps,
    /// The address of this server.
    public_url: String,
) -> impl IntoView {
    let template = steps.template_id.map_or_else(|| "YOUR_TEMPLATE".to_owned(), |id| id.to_string());
    let to = use_context::<Viewer>().and_then(|viewer| match viewer.actor {
        Actor::User { email, .. } => Some(email),
        Actor::ApiKey { .. } => None,
    });
    let to = to.unwrap_or_else(|| "you@example.com".to_owned());
    let command = format!(
        "curl {public_url}/api/v1/send \\\n  -H 'Authorization: Bearer YOUR_KEY' \\\n  -H 'Content-Type: application/json' \\\n  \
         -d '{{\"templateId\": \"{template}\", \"to\": \"{to}\"}}'"
    );
    let key = steps.key.name.clone().map(|name| {
        view! { <p>"YOUR_KEY is the secret of the key “" {name} "”, which was shown when it was created."</p> }
    });
    view! {
        <section class="panel">
            <EmptyState glyph=Glyph::Plane title="No message has been sent yet">
                <StepList steps/>
                <div class="code-block">
                    <pre tabindex="0" aria-label="Command that sends a message">{command.clone()}</pre>
                    <CopyButton text=command label="Copy the command".to_owned()/>
                </div>
                {key}
                <p>"Do you send already? " <a href=mounted("/connect")>"Keep your client and point it here"</a> "."</p>
            </EmptyState>
        </section>
    }
}

/// What is said of a step, where it is taken, and what that takes.
struct Words {
    done: &'static str,
    to_do: &'static str,
    url: &'static str,
    needs: Permission,
}

/// The steps. What is done says with what; the next one is the primary button.
#[component]
pub fn StepList(steps: FirstSteps) -> impl IntoView {
    let FirstSteps { adapter, key, template, message, report, .. } = steps;
    let words = |done, to_do, url, needs| Words { done, to_do, url, needs };
    let steps: [(Step, bool, Words); 5] = [
        (adapter, true, words("Adapter", "Add an adapter", "/settings/adapters", Permission::AdaptersCreate)),
        (key, true, words("API key", "Create an API key", "/connect", Permission::ApiKeysCreate)),
        (template, false, words("Template", "Create a template", "/templates/new", Permission::TemplatesCreate)),
        (message, true, words("First message", "Send a message", "/connect", Permission::LogsView)),
        (
            report,
            true,
            words("First report of a delivery", "Have deliveries reported", "/connect#reports", Permission::LogsView),
        ),
    ];
    let next = steps.iter().position(|(step, is_needed, _)| *is_needed && !step.is_done);
    let items = steps.into_iter().enumerate().map(|(place, (step, is_needed, words))| {
        view! { <StepItem step words is_next={next == Some(place)} is_needed/> }
    });
    view! { <ol class="steps first-steps" aria-label="First steps">{items.collect_view()}</ol> }
}

#[component]
fn StepItem(step: Step, words: Words, is_next: bool, is_needed: bool) -> impl IntoView {
    let Words { done, to_do, url, needs } = words;
    if step.is_done {
        let what = match (step.name, step.url) {
            (Some(name), Some(url)) => view! { ": " <a href=mounted(url)>{name}</a> }.into_any(),
            _ => ().into_any(),
        };
        return view! { <li data-done="">{done} {what} <span class="visually-hidden">" (done)"</span></li> }.into_any();
    }
    let optional = (!is_needed).then_some(" (optional)");
    if !may(needs) {
        return view! { <li>{to_do} {optional} <span class="hint">" – ask an admin of the team"</span></li> }
            .into_any();
    }
    let class = if is_next { "button primary" } else { "button" };
    view! { <li><a class=class href=mounted(url)>{to_do}</a>{optional}</li> }.into_any()
}

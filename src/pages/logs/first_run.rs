//! What the log says before the first message: how to send one.

use leptos::prelude::*;

use crate::components::copy_button::CopyButton;
use crate::components::empty_state::EmptyState;
use crate::components::icon::Glyph;

/// The three steps to a first message, the last one to copy.
#[component]
pub fn FirstRun(
    /// The address of this server.
    public_url: String,
) -> impl IntoView {
    let command = format!(
        "curl {public_url}/api/v1/send \\\n  -H 'Authorization: Bearer YOUR_KEY' \\\n  -H 'Content-Type: application/json' \\\n  \
         -d '{{\"templateId\": \"YOUR_TEMPLATE\", \"to\": \"you@example.com\"}}'"
    );
    view! {
        <section class="panel">
            <EmptyState glyph=Glyph::Plane title="No message has been sent yet">
                <ol class="steps">
                    <li>"Say how mail leaves: " <a href="/settings/adapters">"add an adapter"</a> "."</li>
                    <li>"Write what it says: " <a href="/templates/new">"make a template"</a> "."</li>
                    <li>
                        "Let your application in: " <a href="/settings/api-keys">"create an API key"</a> ", then send:"
                    </li>
                </ol>
                <div class="code-block">
                    <pre tabindex="0" aria-label="Command that sends a message">{command.clone()}</pre>
                    <CopyButton text=command label="Copy the command".to_owned()/>
                </div>
                <p>"Do you send already? " <a href="/connect">"Keep your client and point it here"</a> "."</p>
            </EmptyState>
        </section>
    }
}

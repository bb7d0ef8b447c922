//! What a message says: its HTML in a sandboxed frame, its text and its source, as tabs that need no JavaScript.

use leptos::prelude::*;

use crate::components::empty_state::EmptyState;
use crate::components::icon::Glyph;
use crate::domain::email::EmailContent;
use crate::domain::ids::EmailId;

/// The bodies of a message.
#[component]
pub fn Preview(
    id: EmailId,
    content: EmailContent,
    with_images: bool,
    /// Whether the viewer sees no contents.
    is_hidden: bool,
    /// Whether values of marked variables are masked in it.
    hides_marked: bool,
) -> impl IntoView {
    let EmailContent { html, text, .. } = content;
    if html.is_none() && text.is_none() {
        let why = if is_hidden || hides_marked {
            let (title, words) = if is_hidden {
                ("The body is hidden", "It shows to those who hold the permission logs:reveal.")
            } else {
                ("The body is hidden", "It cannot be shown with the marked values masked.")
            };
            view! { <EmptyState glyph=Glyph::Lock title><p>{words}</p></EmptyState> }.into_any()
        } else {
            view! { <p class="panel-body nothing">"The body is not kept any more: the team keeps bodies for a time only (Settings, Team)."</p> }.into_any()
        };
        return view! {
            <section class="panel" id="preview" aria-label="Preview">
                <div class="panel-head"><h2>"Preview"</h2></div>
                {why}
            </section>
        }
        .into_any();
    }
    let has_html = html.is_some();
    let images = u8::from(with_images);
    view! {
        <section class="panel preview" id="preview" aria-label="Preview">
            <div class="panel-head">
                <h2>"Preview"</h2>
                <fieldset class="segments tabs">
                    <legend class="visually-hidden">"Show the message as"</legend>
                    {has_html.then(|| view! { <Tab name="html" label="HTML" is_first=true/> })}
                    {text.is_some().then(|| view! { <Tab name="text" label="Text" is_first=!has_html/> })}
                    {has_html.then(|| view! { <Tab name="source" label="Source" is_first=false/> })}
                </fieldset>
                {has_html.then(|| view! { <Images id with_images/> })}
            </div>
            {has_html.then(|| view! {
                <div class="tab-panel" data-tab="html">
                    <iframe sandbox="" src=format!("/logs/{id}/body?images={images}") title="The message as HTML"></iframe>
                </div>
            })}
            {text.map(|text| view! {
                <div class="tab-panel" data-tab="text"><pre tabindex="0" aria-label="The message as text">{text}</pre></div>
            })}
            {html.map(|html| view! {
                <div class="tab-panel" data-tab="source"><pre class="code" tabindex="0" aria-label="The HTML source">{html}</pre></div>
            })}
        </section>
    }
    .into_any()
}

#[component]
fn Tab(name: &'static str, label: &'static str, is_first: bool) -> impl IntoView {
    view! {
        <label class="segment">
            <input type="radio" name="preview" value=name checked=is_first/>
            {label}
        </label>
    }
}

#[component]
fn Images(id: EmailId, with_images: bool) -> impl IntoView {
    if with_images {
        return view! {
            <p class="images">"Remote images are on " <a class="button small" href=format!("/logs/{id}#preview")>"Hide images"</a></p>
        }
        .into_any();
    }
    view! {
        <p class="images">
            "Remote images are off " <a class="button small" href=format!("/logs/{id}?images=1#preview")>"Show images"</a>
        </p>
    }
    .into_any()
}

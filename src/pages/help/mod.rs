//! `/help/:topic`: a document that comes with the program. The navigation leads to the one about the page one is on.

use leptos::prelude::*;
use leptos_router::hooks::use_params_map;

use super::layout::{PageTitle, Section, in_layout};
use crate::domain::document::{Block, Inline, inlines};
use crate::domain::mount::mounted;
use crate::server_fns::help::{Help, load_help};

/// A document.
#[component]
pub fn HelpPage() -> impl IntoView {
    let topic = use_params_map().with_untracked(|params| params.get("topic")).unwrap_or_default();
    in_layout(Section::Help, load_help(topic), |help| view! { <Document help/> })
}

#[component]
fn Document(help: Help) -> impl IntoView {
    let parts = help.blocks.into_iter().map(|block| view! { <Part block/> }).collect_view();
    view! {
        <div class="page-head">
            <nav class="breadcrumb" aria-label="Breadcrumb">
                <a href=mounted("/help/contents")>"Help"</a>
                <span aria-hidden="true">"/"</span>
            </nav>
            <PageTitle text=help.title/>
        </div>
        <article class="panel panel-body document">{parts}</article>
    }
}

#[component]
fn Part(block: Block) -> impl IntoView {
    match block {
        Block::Heading(words) => view! { <h2 id=anchor_of(&words)>{line(&words)}</h2> }.into_any(),
        Block::Paragraph(text) => view! { <p>{line(&text)}</p> }.into_any(),
        Block::List(items) => {
            let items = items.iter().map(|item| view! { <li>{line(item)}</li> }).collect_view();
            view! { <ul>{items}</ul> }.into_any()
        }
        Block::Code(text) => view! { <pre class="code" tabindex="0" aria-label="Code">{text}</pre> }.into_any(),
        Block::Table(rows) => view! { <DocumentTable rows/> }.into_any(),
    }
}

#[component]
fn DocumentTable(rows: Vec<Vec<String>>) -> impl IntoView {
    let mut rows = rows.into_iter();
    let head = rows.next().unwrap_or_default();
    let head = head.iter().map(|cell| view! { <th scope="col">{line(cell)}</th> }).collect_view();
    let rows = rows.map(|cells| {
        let cells = cells.iter().map(|cell| view! { <td>{line(cell)}</td> }).collect_view();
        view! { <tr>{cells}</tr> }
    });
    view! {
        <div class="document-table" tabindex="0" role="group" aria-label="Table">
            <table class="table"><thead><tr>{head}</tr></thead><tbody>{rows.collect_view()}</tbody></table>
        </div>
    }
}

fn line(text: &str) -> AnyView {
    let parts = inlines(text).into_iter().map(|part| match part {
        Inline::Text(words) => words.to_owned().into_any(),
        Inline::Code(words) => view! { <code>{words.to_owned()}</code> }.into_any(),
        Inline::Strong(words) => view! { <strong>{line(words)}</strong> }.into_any(),
        Inline::Link { words, target } => match address_of(target) {
            Some(address) => view! { <a href=mounted(address)>{words.to_owned()}</a> }.into_any(),
            None => words.to_owned().into_any(),
        },
    });
    parts.collect_view().into_any()
}

/// Where a document's link leads; `None` for a file that is not served. A document in a folder leads to others from the top, so that
/// `../keys.md` is the same page everywhere.
fn address_of(target: &str) -> Option<String> {
    if target.starts_with("https://") || target.starts_with('#') {
        return Some(target.to_owned());
    }
    let (file, place) = target.split_once('#').map_or((target, None), |(file, place)| (file, Some(place)));
    let name = file
        .trim_start_matches("../")
        .strip_suffix(".md")
        .filter(|name| name.chars().all(|letter| letter.is_ascii_lowercase() || matches!(letter, '-' | '/')))?
        .replace('/', "-");
    Some(place.map_or_else(|| format!("/help/{name}"), |place| format!("/help/{name}#{place}")))
}

/// What a heading is linked to by: its words with hyphens between them.
fn anchor_of(words: &str) -> String {
    let kept = words.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_between_documents_lead_to_their_pages() {
        assert_eq!(address_of("keys.md").as_deref(), Some("/help/keys"));
        assert_eq!(address_of("keys.md#rotation").as_deref(), Some("/help/keys#rotation"));
        assert_eq!(address_of("sdk/resend.md").as_deref(), Some("/help/sdk-resend"));
        assert_eq!(address_of("../keys.md#rotation").as_deref(), Some("/help/keys#rotation"));
        assert_eq!(address_of("../CONTRIBUTING.md"), None);
        assert_eq!(address_of("https://a.example/").as_deref(), Some("https://a.example/"));
        assert_eq!(address_of("../benches/"), None);
        assert_eq!(anchor_of("By id: `req_`"), "by-id-req");
    }
}

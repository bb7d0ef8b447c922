//! The preview of a template that is being written. `[data-preview]` sends its form as it would without a script, but the page
//! stays: the frame, the variables, what is said above and what is wrong with which field are taken from the page that comes
//! back.

use leptos::ev;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::wasm_bindgen::{JsCast, JsValue};
use leptos::web_sys::{Document, Element, FormData, HtmlElement, HtmlFormElement, UrlSearchParams};

use super::notices::is_session_ended;
use super::page::{document_of, post};
use super::{all, around, first};

const FRAME: &str = ".template-preview";
/// The fields that something can be wrong with, by their ids.
const FIELDS: [&str; 5] = ["name", "subject", "html", "text", "sample"];
/// What is taken from the page that comes back as a whole.
const VARIABLES: &str = "masked-variables";
/// What a page says above of what was done before it.
const NOTICES: &str = "main > .callout[role]";
/// The widest window in which the preview stands below the form, in pixels.
const NARROW: f64 = 1100.0;

/// How often was asked: an answer to an earlier question comes too late.
type Asked = StoredValue<u32>;

pub(super) fn listen() {
    let asked = Asked::new(0);
    window_event_listener(ev::click, move |event| {
        let Some(button) = around(&event, "[data-preview]") else { return };
        let form = button.get_attribute("form").and_then(|id| document().get_element_by_id(&id));
        let (Some(form), Some(url)) = (form, button.get_attribute("formaction")) else { return };
        event.prevent_default();
        asked.update_value(|number| *number += 1);
        let number = asked.get_value();
        tell("Loading …", false);
        spawn_local(async move {
            let page = send(&form, &url).await;
            if asked.get_value() == number {
                match page {
                    Ok(page) => show(&page, number),
                    Err(_) if is_session_ended() => tell("", false),
                    Err(_) => tell("The preview could not be loaded. Try again.", true),
                }
            }
        });
    });
}

async fn send(form: &Element, url: &str) -> Result<Document, JsValue> {
    let data = FormData::new_with_form(form.unchecked_ref::<HtmlFormElement>())?;
    let body = UrlSearchParams::new_with_str_sequence_sequence(data.unchecked_ref())?;
    document_of(post(url, &body, "text/html").await?).await
}

/// Puts what is new into the page.
fn show(page: &Document, number: u32) {
    replace_notices(page);
    for id in FIELDS {
        mark(page, id);
    }
    if let (Some(old), Some(new)) = (document().get_element_by_id(VARIABLES), page.get_element_by_id(VARIABLES)) {
        let _ = old.replace_with_with_node_1(&new);
    }
    let source = page.query_selector(FRAME).ok().flatten().and_then(|frame| frame.get_attribute("src"));
    if let (Some(frame), Some(source)) = (first::<Element>(FRAME), source) {
        let _ = frame.remove_attribute("srcdoc");
        // Another address each time, so that the frame loads anew.
        let _ = frame.set_attribute("src", &format!("{source}&n={number}"));
    }
    let refusal =
        page.query_selector("main .callout[role=alert] p").ok().flatten().and_then(|words| words.text_content());
    tell(refusal.as_deref().unwrap_or_default(), refusal.is_some());
    if let Some(wrong) = first::<HtmlElement>("[aria-invalid=true]") {
        let _ = wrong.focus();
    } else if refusal.is_none()
        && window().inner_width().ok().and_then(|width| width.as_f64()).unwrap_or_default() <= NARROW
    {
        let _ = first::<Element>("#preview").map(|preview| preview.scroll_into_view());
    }
}

/// Puts what the page that came back says above in the place of what is said there, which need not hold any more. A refusal is
/// said beside the buttons.
fn replace_notices(page: &Document) {
    for before in all::<Element>(NOTICES) {
        before.remove();
    }
    let (Some(main), Ok(found)) = (first::<Element>("main"), page.query_selector_all(NOTICES)) else { return };
    let found: Vec<Element> =
        (0..found.length()).filter_map(|index| found.item(index)?.dyn_into::<Element>().ok()).collect();
    for notice in found.iter().rev().filter(|notice| !notice.matches("[role=alert]").unwrap_or(false)) {
        let _ = main.prepend_with_node_1(notice);
    }
}

/// Says beside a field what is wrong with it, as the page that came back does.
fn mark(page: &Document, id: &str) {
    let (Some(old), Some(new)) = (document().get_element_by_id(id), page.get_element_by_id(id)) else { return };
    let error = |field: &Element| field.parent_element()?.query_selector(".field-error").ok().flatten();
    if let Some(before) = error(&old) {
        before.remove();
    }
    if let Some(now) = error(&new) {
        let _ = old.insert_adjacent_element("afterend", &now);
    }
    for name in ["aria-invalid", "aria-describedby"] {
        let _ = match new.get_attribute(name) {
            Some(value) => old.set_attribute(name, &value),
            None => old.remove_attribute(name),
        };
    }
}

fn tell(words: &str, is_error: bool) {
    let Some(status) = first::<Element>(".editor-status") else { return };
    status.set_text_content(Some(words));
    let _ = status.set_attribute("data-error", if is_error { "true" } else { "false" });
}

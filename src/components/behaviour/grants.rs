//! Saves each box of a form with `data-grants` at once when it is ticked or unticked, and says in the form's status what the
//! server said. Without a script the form's button saves all.

use leptos::ev;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::wasm_bindgen::{JsCast, JsValue};
use leptos::web_sys::{Document, Element, HtmlInputElement, UrlSearchParams};

use super::notices::is_session_ended;
use super::page::{document_of, post};
use super::{around, first_of, target_of};

/// Marks a box that was touched and is not saved yet.
const TOUCHED: &str = "data-touched";
/// Marks a form whose boxes are being saved, one after the other.
const SAVING: &str = "data-saving";

const NOT_SAVED: &str = "Not saved. Reload the page and try once more.";

pub(super) fn listen() {
    window_event_listener(ev::change, |event| {
        let Some(form) = around(&event, "form[data-grants]") else { return };
        let Some(target) = target_of(&event) else { return };
        let _ = target.set_attribute(TOUCHED, "");
        if !form.has_attribute(SAVING) {
            spawn_local(save_all(form));
        }
    });
}

async fn save_all(form: Element) {
    let _ = form.set_attribute(SAVING, "");
    while let Some(input) =
        first_of(&form, "[data-touched]").and_then(|found| found.dyn_into::<HtmlInputElement>().ok())
    {
        let _ = input.remove_attribute(TOUCHED);
        tell(&form, "Saving …", false);
        let is_ticked = input.checked();
        let answer = send(&form, &input.value(), is_ticked).await;
        // What was touched again meanwhile has its turn again.
        if !input.has_attribute(TOUCHED) {
            let found = answer.ok().and_then(|page| Some((holds(&page, &input)?, notice(&page))));
            let holds = found.as_ref().map_or(!is_ticked, |(holds, _)| *holds);
            input.set_checked(holds);
            let is_saved = holds == is_ticked;
            // Another page that was asked for at the same time may have had the notice.
            let alone = match is_saved {
                true => "Saved.",
                false if is_session_ended() => "Not saved.",
                false => NOT_SAVED,
            };
            let words = found.and_then(|(_, notice)| notice).unwrap_or_else(|| alone.to_owned());
            tell(&form, &words, !is_saved);
        }
    }
    let _ = form.remove_attribute(SAVING);
}

/// Whether a box is ticked on the page that the server made.
fn holds(page: &Document, input: &HtmlInputElement) -> Option<bool> {
    let now = page.query_selector(&format!("input[value='{}']", input.value())).ok()??;
    Some(now.has_attribute("checked"))
}

/// What that page says of it.
fn notice(page: &Document) -> Option<String> {
    let notice = page.query_selector("main .callout").ok()??;
    Some(notice.text_content()?.trim().to_owned())
}

/// Sends one box as the whole form would send it, had nothing else been touched: its value is the role and the permission.
async fn send(form: &Element, value: &str, is_ticked: bool) -> Result<Document, JsValue> {
    let body = UrlSearchParams::new()?;
    if is_ticked {
        body.append("shown[]", value.split(' ').next().unwrap_or_default());
        body.append("grants[]", value);
    } else {
        body.append("shown[]", value);
    }
    let answer = post(&form.get_attribute("action").unwrap_or_default(), &body, "text/html").await?;
    document_of(answer).await
}

fn tell(form: &Element, words: &str, is_error: bool) {
    let Some(status) = first_of(form, ".saver") else { return };
    status.set_text_content(Some(words));
    let _ = status.set_attribute("data-error", if is_error { "true" } else { "false" });
}

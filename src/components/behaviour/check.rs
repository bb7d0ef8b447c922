//! A form that says what it would do. `form[data-check]` is sent to the address that it names while one fills it in, and what would
//! happen is taken from the page that comes back. Without a script a button does that. The last answer wins.

use std::time::Duration;

use leptos::ev;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::wasm_bindgen::{JsCast, JsValue};
use leptos::web_sys::{Document, Element, FormData, HtmlFormElement, UrlSearchParams};

use super::around;
use super::page::{document_of, post};

const FORM: &str = "form[data-check]";
/// What is put into the page anew.
const PART: &str = "resend-preflight";
/// How long nobody must have typed before the server is asked.
const PAUSE: Duration = Duration::from_millis(400);

/// How often was asked: an answer to an earlier question comes too late.
type Asked = StoredValue<u32>;

pub(super) fn listen() {
    let asked = Asked::new(0);
    window_event_listener(ev::input, move |event| {
        if let Some(form) = around(&event, FORM) {
            check(asked, form);
        }
    });
}

fn check(asked: Asked, form: Element) {
    asked.update_value(|number| *number += 1);
    let number = asked.get_value();
    let ask = move || {
        if asked.get_value() != number {
            return;
        }
        spawn_local(async move {
            let page = send(&form).await;
            if asked.get_value() == number {
                // Where there is no answer, the button asks, and says what is wrong.
                if let Ok(page) = page {
                    show(&page);
                }
            }
        });
    };
    set_timeout(ask, PAUSE);
}

async fn send(form: &Element) -> Result<Document, JsValue> {
    let url = form.get_attribute("data-check").ok_or(JsValue::NULL)?;
    let data = FormData::new_with_form(form.unchecked_ref::<HtmlFormElement>())?;
    let body = UrlSearchParams::new_with_str_sequence_sequence(data.unchecked_ref())?;
    document_of(post(&url, &body, "text/html").await?).await
}

fn show(page: &Document) {
    if let (Some(old), Some(new)) = (document().get_element_by_id(PART), page.get_element_by_id(PART)) {
        let _ = old.replace_with_with_node_1(&new);
    }
}

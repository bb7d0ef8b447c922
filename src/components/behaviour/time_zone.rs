//! Tells a form the browser's time zone when it is sent. Not before: browsers take long to find out.

use leptos::ev;
use leptos::prelude::*;
use leptos::wasm_bindgen::JsValue;
use leptos::web_sys::HtmlInputElement;
use leptos::web_sys::js_sys::{Array, Intl, Object, Reflect};

use super::all;

/// Writes the browser's IANA zone into the hidden fields with `data-time-zone`.
pub(super) fn listen() {
    let fields = all::<HtmlInputElement>("[data-time-zone]");
    if !fields.is_empty() {
        window_event_listener(ev::submit, move |_| fill_in(&fields));
    }
}

fn fill_in(fields: &[HtmlInputElement]) {
    let format = Intl::DateTimeFormat::new(&Array::new(), &Object::new());
    let found = Reflect::get(&format.resolved_options(), &JsValue::from_str("timeZone"));
    let zone = found.ok().and_then(|name| name.as_string()).unwrap_or_default();
    for field in fields {
        field.set_value(&zone);
    }
}

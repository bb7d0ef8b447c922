//! Tells a form the browser's time zone.

use leptos::wasm_bindgen::JsValue;
use leptos::web_sys::HtmlInputElement;
use leptos::web_sys::js_sys::{Array, Intl, Object, Reflect};

use super::all;

/// Writes the browser's IANA zone into the hidden fields with `data-time-zone`.
pub(super) fn fill_in() {
    let format = Intl::DateTimeFormat::new(&Array::new(), &Object::new());
    let found = Reflect::get(&format.resolved_options(), &JsValue::from_str("timeZone"));
    let zone = found.ok().and_then(|name| name.as_string()).unwrap_or_default();
    for field in all::<HtmlInputElement>("[data-time-zone]") {
        field.set_value(&zone);
    }
}

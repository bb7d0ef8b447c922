//! Tells a form the browser's time zone.

use leptos::prelude::*;
use leptos::web_sys::js_sys;
use leptos::web_sys::wasm_bindgen::JsValue;

/// A hidden `time_zone` field that holds the browser's IANA zone. Without JavaScript it is empty and the server assumes
/// UTC until the person chooses.
#[island]
pub fn TimeZoneGuess() -> impl IntoView {
    let (zone, set_zone) = signal(String::new());
    Effect::new(move || {
        let format = js_sys::Intl::DateTimeFormat::new(&js_sys::Array::new(), &js_sys::Object::new());
        let found = js_sys::Reflect::get(&format.resolved_options(), &JsValue::from_str("timeZone"));
        set_zone.set(found.ok().and_then(|name| name.as_string()).unwrap_or_default());
    });
    view! { <input type="hidden" name="time_zone" prop:value=zone/> }
}

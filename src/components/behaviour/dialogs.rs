//! Dialogs that a button opens by `commandfor`, in browsers that do not know that. Source: HTML, The command and commandfor
//! attributes.

use leptos::ev;
use leptos::prelude::*;
use leptos::wasm_bindgen::{JsCast, JsValue};
use leptos::web_sys::js_sys::{Function, Reflect};

use super::around;

pub(super) fn listen() {
    window_event_listener(ev::click, |event| {
        let Some(button) = around(&event, "[commandfor]") else { return };
        if Reflect::has(&button, &JsValue::from("commandForElement")).unwrap_or(true) {
            return;
        }
        let method = match button.get_attribute("command").as_deref() {
            Some("show-modal") => "showModal",
            Some("close") => "close",
            _ => return,
        };
        let dialog = button.get_attribute("commandfor").and_then(|id| document().get_element_by_id(&id));
        let Some(dialog) = dialog else { return };
        if let Ok(method) = Reflect::get(&dialog, &JsValue::from(method)).and_then(JsCast::dyn_into::<Function>) {
            let _ = method.call0(&dialog);
        }
    });
}

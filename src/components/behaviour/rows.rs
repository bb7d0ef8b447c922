//! A click anywhere in a row follows its link. Without JavaScript the link lies over the row; with it, the row's words can be
//! selected, and what is selected is not clicked.

use leptos::ev;
use leptos::prelude::*;
use leptos::wasm_bindgen::JsValue;
use leptos::web_sys::Element;

use super::{around, first_of, pending};

/// What does something of its own in a row.
const OWN: &str = "a, button, input, label, select, summary, dialog";

pub(super) fn listen() {
    window_event_listener(ev::click, |event| {
        if let Some(row) = around(&event, "tbody tr[id]").filter(|_| around(&event, ".row-link").is_some()) {
            remember(&row);
        }
        if event.default_prevented() || around(&event, OWN).is_some() || has_selection() {
            return;
        }
        let Some(row) = around(&event, "tbody tr") else { return };
        let Some(url) = first_of(&row, ".row-link").and_then(|link| link.get_attribute("href")) else { return };
        if event.ctrl_key() || event.meta_key() {
            let _ = window().open_with_url_and_target(&url, "_blank");
        } else {
            remember(&row);
            // Not by a click on the link, which would come here again.
            pending::begin();
            let _ = window().location().set_href(&url);
        }
    });
}

/// Writes the row into the page's address, so that the browser's way back leads to it.
fn remember(row: &Element) {
    let place = format!("#{}", row.id());
    if !row.id().is_empty() {
        let _ = window().history().map(|history| history.replace_state_with_url(&JsValue::NULL, "", Some(&place)));
    }
}

fn has_selection() -> bool {
    window().get_selection().ok().flatten().is_some_and(|selection| !selection.is_collapsed())
}

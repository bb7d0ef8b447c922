//! Buttons with `data-copy`, which copy its text and say so for two seconds: in the element after them, else in their own words.

use std::time::Duration;

use leptos::ev;
use leptos::prelude::*;
use leptos::web_sys::Element;

use super::around;

pub(super) fn listen() {
    window_event_listener(ev::click, |event| {
        let Some(button) = around(&event, "[data-copy]") else { return };
        if let Some(text) = button.get_attribute("data-copy") {
            copy(&text, &button);
        }
    });
}

/// Copies a text, and says at the button that it did.
pub(super) fn copy(text: &str, button: &Element) {
    let _ = window().navigator().clipboard().write_text(text);
    let beside = button.next_element_sibling().filter(|next| next.matches(".copied").unwrap_or(false));
    let Some(told) = beside.or_else(|| button.query_selector("[aria-live]").ok().flatten()) else { return };
    let before = told.text_content();
    if before.as_deref() == Some("Copied") {
        return;
    }
    told.set_text_content(Some("Copied"));
    set_timeout(move || told.set_text_content(before.as_deref()), Duration::from_secs(2));
}

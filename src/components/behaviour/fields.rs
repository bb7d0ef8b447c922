//! Fields that were wrong: what stands beside one goes once it is changed, for it speaks of what was there before.

use leptos::ev;
use leptos::prelude::*;

use super::{around, first};

pub(super) fn listen() {
    window_event_listener(ev::input, |event| {
        let Some(field) = around(&event, "[aria-invalid]") else { return };
        let _ = field.remove_attribute("aria-invalid");
        for id in field.get_attribute("aria-describedby").unwrap_or_default().split_whitespace() {
            if let Some(error) = first::<leptos::web_sys::Element>(&format!("#{id}.field-error")) {
                error.remove();
            }
        }
    });
}

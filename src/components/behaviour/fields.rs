//! Fields that were wrong: what stands beside one goes once it is changed, for it speaks of what was there before. With the
//! last of them goes what the page says above.

use leptos::ev;
use leptos::prelude::*;
use leptos::web_sys::Element;

use super::{around, first};

pub(super) fn listen() {
    window_event_listener(ev::input, |event| {
        let Some(field) = around(&event, "[aria-invalid]") else { return };
        let _ = field.remove_attribute("aria-invalid");
        for id in field.get_attribute("aria-describedby").unwrap_or_default().split_whitespace() {
            // By its id, for a name like `smtp[host]` in it is no selector.
            let described = document().get_element_by_id(id);
            if let Some(error) = described.and_then(|described| described.closest(".field-error").ok().flatten()) {
                error.remove();
            }
        }
        let is_last = first::<Element>(".field-error").is_none();
        if let Some(notice) = first::<Element>("main .callout[role=alert]").filter(|_| is_last) {
            notice.remove();
        }
        if let Some(status) = first::<Element>(".editor-status[data-error=true]").filter(|_| is_last) {
            status.set_text_content(None);
        }
    });
}

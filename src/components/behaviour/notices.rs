//! What is said over the page. `[data-dismiss]` hides the callout that it stands in. Once a script learns that the session has
//! ended, the page says so, with the way to the log-in; nothing that was typed is touched.

use leptos::ev;
use leptos::prelude::*;
use leptos::web_sys::Element;
use leptos::web_sys::js_sys::encode_uri_component;

use super::{around, first};

pub(super) fn listen() {
    window_event_listener(ev::click, |event| {
        let button = around(&event, "[data-dismiss]");
        if let Some(notice) = button.and_then(|button| button.closest(".callout").ok().flatten()) {
            notice.remove();
        }
    });
}

/// Whether the page says that the session has ended.
pub(super) fn is_session_ended() -> bool {
    first::<Element>("#session-ended:not([hidden])").is_some()
}

/// Says that the session has ended: in the words of the log-in page that came in the place of an answer, where it has any.
pub(super) fn say_session_ended(words: Option<&str>) {
    let Some(notice) = first::<Element>("#session-ended") else { return };
    if let (Some(words), Ok(Some(place))) = (words, notice.query_selector("p")) {
        place.set_text_content(Some(words));
    }
    let here = window().location();
    let here = format!("{}{}", here.pathname().unwrap_or_default(), here.search().unwrap_or_default());
    if let Ok(Some(link)) = notice.query_selector("a") {
        let log_in = link.get_attribute("href").unwrap_or_default();
        let log_in = log_in.split('?').next().unwrap_or_default();
        let _ = link.set_attribute("href", &format!("{log_in}?next={}", encode_uri_component(&here)));
    }
    let _ = notice.set_attribute("role", "alert");
    let _ = notice.remove_attribute("hidden");
}

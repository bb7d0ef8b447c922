//! Marks the page as pending while the next one is on its way, which lets the style sheet show a skeleton. A form with
//! `data-once` is sent once, however often its button is pressed.

use std::time::Duration;

use leptos::ev;
use leptos::prelude::*;
use leptos::web_sys::{Element, MouseEvent, SubmitEvent};

use super::{all, around, first};

/// How long a page may take before its successor's skeleton shows. Faster answers never flicker.
const PATIENCE: Duration = Duration::from_millis(150);

pub(super) fn listen() {
    window_event_listener(ev::click, |event| {
        if !event.default_prevented() && is_plain(&event) && leads_to_a_page(&event) {
            begin();
        }
    });
    window_event_listener(ev::submit, |event| {
        if around(&event, "form[data-sent]").is_some() {
            event.prevent_default();
        }
        if let Some(form) = around(&event, "form[data-once]") {
            let _ = form.set_attribute("data-sent", "");
        }
        if leads_away(&event) {
            begin();
        }
    });
    // A page that comes back from the browser's cache is not pending any more.
    window_event_listener(ev::pageshow, |_| {
        set_pending(false);
        for form in all::<Element>("form[data-sent]") {
            let _ = form.remove_attribute("data-sent");
        }
    });
}

/// The next page is on its way.
pub(super) fn begin() {
    set_timeout(|| set_pending(true), PATIENCE);
}

/// The reader is asked whether to leave the page, and may stay. Of what waits for as long, what began earlier comes first.
pub(super) fn end() {
    set_timeout(|| set_pending(false), PATIENCE);
}

/// Whether a form that is sent brings another page. Else a file comes, or a frame shows what comes, and the page stays.
pub(super) fn leads_away(event: &SubmitEvent) -> bool {
    let stays = event
        .submitter()
        .is_some_and(|button| button.has_attribute("data-download") || button.has_attribute("formtarget"));
    !event.default_prevented() && !stays
}

/// Whether a click follows a link in its own tab.
pub(super) fn is_plain(event: &MouseEvent) -> bool {
    event.button() == 0 && !event.ctrl_key() && !event.meta_key() && !event.shift_key() && !event.alt_key()
}

fn leads_to_a_page(event: &MouseEvent) -> bool {
    around(event, "a[href^='/']").is_some_and(|link| !link.has_attribute("download") && !link.has_attribute("target"))
}

fn set_pending(is_pending: bool) {
    let Some(main) = first::<Element>("main") else { return };
    let _ = if is_pending {
        main.set_attribute("data-pending", "").and_then(|()| main.set_attribute("aria-busy", "true"))
    } else {
        main.remove_attribute("data-pending").and_then(|()| main.remove_attribute("aria-busy"))
    };
}

//! A click anywhere in a row follows its link. Without JavaScript the link lies over the row; with it, the row's words can be
//! selected, and what is selected is not clicked.

use leptos::ev;
use leptos::prelude::*;

use super::{around, first_of, pending};

/// What does something of its own in a row.
const OWN: &str = "a, button, input, label, select, summary, dialog";

pub(super) fn listen() {
    window_event_listener(ev::click, |event| {
        if event.default_prevented() || around(&event, OWN).is_some() || has_selection() {
            return;
        }
        let Some(link) = around(&event, "tbody tr").and_then(|row| first_of(&row, ".row-link")) else { return };
        let Some(url) = link.get_attribute("href") else { return };
        if event.ctrl_key() || event.meta_key() {
            let _ = window().open_with_url_and_target(&url, "_blank");
        } else {
            // Not by a click on the link, which would come here again.
            pending::begin();
            let _ = window().location().set_href(&url);
        }
    });
}

fn has_selection() -> bool {
    window().get_selection().ok().flatten().is_some_and(|selection| !selection.is_collapsed())
}

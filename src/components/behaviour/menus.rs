//! Menus, which are `<details data-menu>`: a click elsewhere and Escape close them.

use std::time::Duration;

use leptos::ev;
use leptos::prelude::*;
use leptos::web_sys::Element;

use super::{all, around, first_of, target_of};

pub(super) fn listen() {
    window_event_listener(ev::click, |event| {
        close(target_of(&event).as_ref());
        if let Some(opener) = around(&event, "details[data-menu]:not([open]) > summary") {
            // It opens after this.
            set_timeout(move || begin(&opener), Duration::ZERO);
        }
    });
    window_event_listener(ev::keydown, |event| {
        if event.key() == "Escape" && close(None) {
            event.prevent_default();
        }
    });
}

/// The narrowest window in which a menu's field has the focus at once, in CSS pixels: on phones that brings a keyboard.
const WIDE: i32 = 820;

/// Goes to the field of a menu that was opened to type into it.
fn begin(opener: &Element) {
    let is_wide = document().document_element().is_some_and(|root| root.client_width() > WIDE);
    let field = "input:is([type='text'], [type='search'])";
    if let Some(field) = opener.parent_element().filter(|_| is_wide).and_then(|menu| first_of(&menu, field)) {
        let _ = field.focus();
    }
}

/// Closes every menu that `inside` is not a part of, and says whether there was one. The focus returns to what opened it.
fn close(inside: Option<&Element>) -> bool {
    let menus: Vec<Element> = all("details[data-menu][open]");
    let mut has_closed = false;
    for menu in menus.iter().filter(|menu| !inside.is_some_and(|element| menu.contains(Some(element)))) {
        let has_focus = document().active_element().is_some_and(|active| menu.contains(Some(&active)));
        let _ = menu.remove_attribute("open");
        if let Some(opener) = first_of(menu, "summary").filter(|_| has_focus) {
            let _ = opener.focus();
        }
        has_closed = true;
    }
    has_closed
}

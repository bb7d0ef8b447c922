//! Menus, which are `<details data-menu>`: a click elsewhere and Escape close them.

use leptos::ev;
use leptos::prelude::*;
use leptos::web_sys::Element;

use super::{all, first_of, target_of};

pub(super) fn listen() {
    window_event_listener(ev::click, |event| {
        close(target_of(&event).as_ref());
    });
    window_event_listener(ev::keydown, |event| {
        if event.key() == "Escape" && close(None) {
            event.prevent_default();
        }
    });
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

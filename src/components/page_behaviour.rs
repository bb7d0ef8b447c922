//! The little that every page does with JavaScript and does well enough without.

use leptos::ev;
use leptos::prelude::*;
use leptos::web_sys::wasm_bindgen::JsCast;
use leptos::web_sys::{self, Element};

/// How long a page may take before its successor's skeleton shows, in milliseconds. Faster answers never flicker.
const PATIENCE_MS: u64 = 150;

/// Closes open menus on a click elsewhere and on Escape, and marks the page as pending while the next one is on its way,
/// which lets the style sheet show a skeleton.
#[island]
pub fn PageBehaviour() -> impl IntoView {
    Effect::new(move || {
        let _ = document().document_element().map(|root| root.set_attribute("data-alive", ""));
        window_event_listener(ev::click, |event| close_menus(target_of(&event).as_ref()));
        window_event_listener(ev::keydown, |event| {
            if event.key() == "Escape" {
                close_menus(None);
            }
        });
        window_event_listener(ev::click, |event| {
            if !event.default_prevented() && is_plain_click(&event) && leads_to_a_page(target_of(&event)) {
                mark_pending();
            }
        });
        window_event_listener(ev::submit, |event| {
            if !event.default_prevented() {
                mark_pending();
            }
        });
        // A page that comes back from the browser's cache is not pending any more.
        window_event_listener(ev::pageshow, |_| set_pending(false));
    });
}

fn target_of(event: &web_sys::Event) -> Option<Element> {
    event.target().and_then(|target| target.dyn_into().ok())
}

/// Closes every menu that `inside` is not a part of.
fn close_menus(inside: Option<&Element>) {
    let Ok(menus) = document().query_selector_all("details[data-menu][open]") else { return };
    for index in 0..menus.length() {
        let menu: Option<Element> = menus.item(index).and_then(|node| node.dyn_into().ok());
        let is_outside = |menu: &Element| !inside.is_some_and(|element| menu.contains(Some(element)));
        if let Some(menu) = menu.filter(is_outside) {
            let _ = menu.remove_attribute("open");
        }
    }
}

fn is_plain_click(event: &web_sys::MouseEvent) -> bool {
    event.button() == 0 && !event.ctrl_key() && !event.meta_key() && !event.shift_key() && !event.alt_key()
}

fn leads_to_a_page(target: Option<Element>) -> bool {
    let link = target.and_then(|target| target.closest("a[href^='/']").ok().flatten());
    link.is_some_and(|link| !link.has_attribute("download") && !link.has_attribute("target"))
}

fn mark_pending() {
    set_timeout(|| set_pending(true), std::time::Duration::from_millis(PATIENCE_MS));
}

fn set_pending(is_pending: bool) {
    let Some(main) = document().query_selector("main").ok().flatten() else { return };
    let _ = if is_pending {
        main.set_attribute("data-pending", "").and_then(|()| main.set_attribute("aria-busy", "true"))
    } else {
        main.remove_attribute("data-pending").and_then(|()| main.remove_attribute("aria-busy"))
    };
}

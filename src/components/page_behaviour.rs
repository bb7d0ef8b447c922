//! The little that every page does with JavaScript and does well enough without.

use leptos::ev;
use leptos::prelude::*;
use leptos::web_sys::wasm_bindgen::JsCast;
use leptos::web_sys::{self, Element, HtmlElement};

/// The keys and what they do, for the list of them.
pub const KEYS: [(&str, &str); 7] = [
    ("/", "Search"),
    ("j  k", "Next and previous message"),
    ("Enter", "Open the message"),
    ("x", "Choose the message"),
    ("r", "Resend the message"),
    ("Esc", "Close, or back to the list"),
    ("?", "This list"),
];

/// How long a page may take before its successor's skeleton shows, in milliseconds. Faster answers never flicker.
const PATIENCE_MS: u64 = 150;

/// Closes open menus on a click elsewhere and on Escape, listens to the keys of [KEYS], and marks the page as pending while the next one is on its way,
/// which lets the style sheet show a skeleton.
#[island]
pub fn PageBehaviour() -> impl IntoView {
    Effect::new(move || {
        let _ = document().document_element().map(|root| root.set_attribute("data-alive", ""));
        window_event_listener(ev::click, |event| {
            close_menus(target_of(&event).as_ref());
        });
        window_event_listener(ev::keydown, |event| {
            if event.key() == "Escape" && close_menus(None) {
                return;
            }
            let has_modifier = event.ctrl_key() || event.meta_key() || event.alt_key();
            if !event.default_prevented() && !has_modifier && !is_typed_into(target_of(&event)) && !is_covered() {
                press(&event);
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

/// Closes every menu that `inside` is not a part of, and says whether there was one. The focus returns to what opened it.
fn close_menus(inside: Option<&Element>) -> bool {
    let Ok(menus) = document().query_selector_all("details[data-menu][open]") else { return false };
    let mut has_closed = false;
    for index in 0..menus.length() {
        let menu: Option<Element> = menus.item(index).and_then(|node| node.dyn_into().ok());
        let is_outside = |menu: &Element| !inside.is_some_and(|element| menu.contains(Some(element)));
        if let Some(menu) = menu.filter(is_outside) {
            let has_focus = document().active_element().is_some_and(|active| menu.contains(Some(&active)));
            let _ = menu.remove_attribute("open");
            if let Some(opener) = first_of(&menu, "summary").filter(|_| has_focus) {
                let _ = opener.focus();
            }
            has_closed = true;
        }
    }
    has_closed
}

/// What a key does on every page: what has `data-press` with the key's name is clicked; in a list, `j` and `k` go from row
/// to row, `x` chooses the row and `r` resends it; `/` goes to the search.
fn press(event: &web_sys::KeyboardEvent) {
    let key = event.key();
    if !matches!(key.as_str(), "/" | "j" | "k" | "x" | "r" | "?" | "Escape") {
        return;
    }
    let Some(root) = document().document_element() else { return };
    let focused = document().active_element().and_then(|active| active.closest("tr").ok().flatten());
    let in_row = |what: &str| focused.as_ref().and_then(|row| first_of(row, what));
    let meant = match key.as_str() {
        "/" => first_of(&root, "main input[type='search']"),
        "x" => in_row("input[type='checkbox']"),
        "r" => in_row(".resend").or_else(|| first_of(&root, ".page-actions .resend")),
        key => first_of(&root, &format!("[data-press='{key}']")),
    };
    match (meant, key.as_str()) {
        (Some(field), "/") => {
            let _ = field.focus();
        }
        (Some(meant), _) => meant.click(),
        (None, "j") => go_to_row(1),
        (None, "k") => go_to_row(-1),
        (None, _) => return,
    }
    event.prevent_default();
}

fn go_to_row(step: i32) {
    let Ok(links) = document().query_selector_all("tbody .row-link") else { return };
    let active = document().active_element();
    let place = (0..links.length()).find(|index| {
        let link = links.item(*index).and_then(|node| node.dyn_into::<Element>().ok());
        link.is_some() && link == active
    });
    let next = place.map_or(0, |place| (place as i32 + step).max(0) as u32);
    let link = links.item(next).and_then(|node| node.dyn_into::<HtmlElement>().ok());
    let _ = link.map(|link| link.focus());
}

fn first_of(root: &Element, selector: &str) -> Option<HtmlElement> {
    root.query_selector(selector).ok().flatten().and_then(|element| element.dyn_into().ok())
}

fn is_typed_into(target: Option<Element>) -> bool {
    let typed = "input:not([type='checkbox'], [type='radio']), textarea, select, [contenteditable]";
    target.is_some_and(|target| target.matches(typed).unwrap_or(false))
}

/// Whether a dialog, or the list of the keys, stands over the page.
fn is_covered() -> bool {
    document().query_selector("dialog[open], [popover]:popover-open").ok().flatten().is_some()
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

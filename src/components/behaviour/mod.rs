//! What pages do with JavaScript and do well enough without. The server renders every element; here are listeners, which
//! know elements by their `data-…` attributes. One island, [PageBehaviour], brings all of them to every page.

mod chart;
mod check;
mod choose;
mod copy;
mod dialogs;
mod fields;
mod grants;
mod keys;
mod live;
mod menus;
mod notices;
mod page;
mod peek;
mod pending;
mod preview;
mod refresh;
mod rows;
mod suggest;
mod theme;
mod time_zone;
mod unsaved;

use std::time::Duration;

use leptos::prelude::*;
use leptos::web_sys::wasm_bindgen::JsCast;
use leptos::web_sys::{self, Element, HtmlElement};

/// The keys and what they do, for the list of them.
pub const KEYS: [(&str, &str); 8] = [
    ("/", "Search"),
    ("j  k", "Next and previous message"),
    ("Enter", "Open the message"),
    ("p", "Show the message beside the list; again, go to it"),
    ("x", "Choose the message"),
    ("r", "Resend the message, or those that are chosen"),
    ("Esc", "Close, choose none, or back to the list"),
    ("?", "This list"),
];

/// What listens, in this order.
const PARTS: [fn(); 20] = [
    // Menus come before the other keys: Escape closes one menu and does nothing else.
    menus::listen,
    keys::listen,
    // It follows some links itself: no other page is on its way then.
    peek::listen,
    pending::listen,
    choose::listen,
    copy::listen,
    dialogs::listen,
    fields::listen,
    rows::listen,
    chart::listen,
    refresh::listen,
    live::listen,
    suggest::listen,
    grants::listen,
    notices::listen,
    preview::listen,
    check::listen,
    theme::listen,
    // After those that keep a form from being sent.
    unsaved::listen,
    time_zone::listen,
];
/// How many of them begin in one turn of the browser. It draws and answers in between.
const PARTS_A_TURN: usize = 3;

/// Listens on the page, and marks it as alive.
#[island]
pub fn PageBehaviour() -> impl IntoView {
    Effect::new(move || begin_soon(&PARTS));
}

fn begin_soon(parts: &'static [fn()]) {
    set_timeout(move || begin(parts), Duration::ZERO);
}

fn begin(parts: &'static [fn()]) {
    let (now, later) = parts.split_at(parts.len().min(PARTS_A_TURN));
    now.iter().for_each(|listen| listen());
    if !later.is_empty() {
        return begin_soon(later);
    }
    let _ = document().document_element().map(|root| root.set_attribute("data-alive", ""));
    // The document has kept what was done before.
    let _ = web_sys::Event::new("alive").map(|alive| window().dispatch_event(&alive));
}

/// Every element of the page that the selector finds.
fn all<E: JsCast>(selector: &str) -> Vec<E> {
    let Ok(found) = document().query_selector_all(selector) else { return Vec::new() };
    (0..found.length()).filter_map(|index| found.item(index)?.dyn_into().ok()).collect()
}

/// The first element in `root` that the selector finds.
fn first_of(root: &Element, selector: &str) -> Option<HtmlElement> {
    root.query_selector(selector).ok().flatten().and_then(|element| element.dyn_into().ok())
}

/// The first element of the page that the selector finds.
fn first<E: JsCast>(selector: &str) -> Option<E> {
    document().query_selector(selector).ok().flatten().and_then(|element| element.dyn_into().ok())
}

/// What an event happened to.
fn target_of(event: &web_sys::Event) -> Option<Element> {
    event.target().and_then(|target| target.dyn_into().ok())
}

/// The element around what an event happened to, or that itself, which the selector finds.
fn around(event: &web_sys::Event, selector: &str) -> Option<Element> {
    target_of(event).and_then(|target| target.closest(selector).ok().flatten())
}

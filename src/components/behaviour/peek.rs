//! The panel beside the list of the log. `[data-peek]` is a link of a row to the list with its message in the panel: the panel
//! is fetched from there and put in place, and the page's address becomes the link's. It follows the focus from row to row.
//! `[data-peek-close]` leads to the list without it.

use std::time::Duration;

use leptos::ev;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::wasm_bindgen::JsValue;
use leptos::web_sys::{Element, HtmlElement};

use super::page::fetch_page;
use super::{all, around, first, first_of, pending};

const PANEL: &str = "#peek";
/// How long a row must have the focus before its message is fetched.
const PAUSE: Duration = Duration::from_millis(120);

/// How often was asked: an answer to an earlier question comes too late.
type Asked = StoredValue<u32>;

pub(super) fn listen() {
    let asked = Asked::new(0);
    window_event_listener(ev::click, move |event| {
        if event.default_prevented() || !pending::is_plain(&event) {
            return;
        }
        if let Some(link) = around(&event, "[data-peek]") {
            event.prevent_default();
            open(asked, &link);
        } else if let Some(link) = around(&event, "[data-peek-close]") {
            event.prevent_default();
            close(asked, &link);
        }
    });
    window_event_listener(ev::focusin, move |event| {
        let row = around(&event, "tbody .row-link").and_then(|link| link.closest("tr").ok().flatten());
        let others = row.filter(|row| panel().is_some() && !row.has_attribute("aria-current"));
        if let Some(link) = others.and_then(|row| first_of(&row, "[data-peek]")) {
            open(asked, &link);
        }
    });
}

/// The panel, while it shows something.
fn panel() -> Option<HtmlElement> {
    first("#peek:not([hidden])")
}

/// The row whose message the panel shows.
pub(super) fn current() -> Option<Element> {
    first("tbody tr[aria-current]")
}

fn open(asked: Asked, link: &Element) {
    let (Ok(Some(row)), Some(url)) = (link.closest("tr"), link.get_attribute("href")) else { return };
    if let Some(panel) = panel().filter(|_| row.has_attribute("aria-current")) {
        // Asked for again: one wants to be in it.
        let _ = panel.focus();
        return;
    }
    mark(Some(&row));
    let number = next(asked);
    let fetch = move || {
        if asked.get_value() != number {
            return;
        }
        spawn_local(async move {
            let page = fetch_page(&url).await;
            if asked.get_value() != number {
                return;
            }
            let new = page.ok().and_then(|page| page.query_selector(PANEL).ok().flatten());
            match (first::<Element>(PANEL), new) {
                (Some(old), Some(new)) => {
                    let _ = old.replace_with_with_node_1(&new);
                    say(&url);
                }
                // What went wrong is said by the page itself.
                _ => {
                    let _ = window().location().set_href(&url);
                }
            }
        });
    };
    set_timeout(fetch, PAUSE);
}

fn close(asked: Asked, link: &Element) {
    next(asked);
    if let Some(panel) = panel() {
        panel.set_inner_html("");
        let _ = panel.set_attribute("hidden", "");
    }
    let row = current();
    mark(None);
    if let Some(url) = link.get_attribute("href") {
        say(&url);
    }
    if let Some(link) = row.and_then(|row| first_of(&row, ".row-link")) {
        let _ = link.focus();
    }
}

fn next(asked: Asked) -> u32 {
    asked.update_value(|number| *number += 1);
    asked.get_value()
}

/// Marks a row as the one whose message is shown, and no other.
fn mark(row: Option<&Element>) {
    for other in all::<Element>("tbody tr[aria-current]") {
        let _ = other.remove_attribute("aria-current");
    }
    if let Some(row) = row {
        let _ = row.set_attribute("aria-current", "true");
    }
}

/// Marks the row of a list that has come anew.
pub(super) fn mark_again() {
    let search = window().location().search().unwrap_or_default();
    let id = search.split("peek=").nth(1).and_then(|rest| rest.split('&').next());
    if panel().is_some() {
        mark(id.and_then(|id| document().get_element_by_id(id)).as_ref());
    }
}

/// Makes this the page's address, so that a reload and a colleague see the same. The row's place in it is for who has no script.
fn say(url: &str) {
    let url = url.split('#').next().unwrap_or(url);
    let _ = window().history().map(|history| history.replace_state_with_url(&JsValue::NULL, "", Some(url)));
}

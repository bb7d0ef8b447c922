//! Keeps a page of the log up to date. `[data-live]` is the list, and names where the server tells how it stands: how many
//! messages came since, and what its rows say. Rows that say something else are put in place. New ones come by themselves while
//! nobody reads; else a link says how many there are. While the page is hidden nothing is asked.

use std::time::Duration;

use leptos::ev;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::wasm_bindgen::JsCast;
use leptos::wasm_bindgen::closure::Closure;
use leptos::web_sys::js_sys::Date;
use leptos::web_sys::{Document, Element, Event, EventSource, MessageEvent};

use super::page::fetch_page;
use super::refresh::replace;
use super::{all, chart, choose, first, peek};

/// Parts of the page that speak of the same rows.
const AROUND: [&str; 4] = ["log-short", "log-strip", "log-why", "log-total"];
/// How long nobody must have done anything for new rows to come by themselves.
const IDLE: Duration = Duration::from_secs(10);
/// The least time between two pages that are fetched.
const REST: Duration = Duration::from_secs(2);

/// What the page knows beside what it shows.
#[derive(Clone, Copy)]
struct Live {
    source: StoredValue<Option<EventSource>, LocalStorage>,
    /// When somebody last did something.
    active_at: StoredValue<f64>,
    is_fetching: StoredValue<bool>,
    /// What the server said last: how many are new, and the word for the rows.
    told: StoredValue<(u32, String)>,
}

pub(super) fn listen() {
    if list().is_none() {
        return;
    }
    let live = Live {
        source: StoredValue::new_local(None),
        active_at: StoredValue::new(Date::now()),
        is_fetching: StoredValue::new(false),
        told: StoredValue::default(),
    };
    let notice = move || live.active_at.set_value(Date::now());
    window_event_listener(ev::pointermove, move |_| notice());
    window_event_listener(ev::pointerdown, move |_| notice());
    window_event_listener(ev::keydown, move |_| notice());
    window_event_listener(ev::scroll, move |_| notice());
    window_event_listener(ev::visibilitychange, move |_| live.connect());
    live.connect();
}

fn list() -> Option<Element> {
    first("[data-live]")
}

impl Live {
    /// Asks to be told, while the page is looked at.
    fn connect(self) {
        if let Some(source) = self.source.try_update_value(Option::take).flatten() {
            source.close();
        }
        let url = list().and_then(|list| list.get_attribute("data-live"));
        let Some(url) = url.filter(|_| !document().hidden()) else { return };
        let Ok(source) = EventSource::new(&url) else { return };
        let hear = move |event: MessageEvent| {
            let text = event.data().as_string().unwrap_or_default();
            if let Some((new, rows)) = text.split_once(' ') {
                self.told.set_value((new.parse().unwrap_or_default(), rows.to_owned()));
                self.act();
            }
        };
        // It lives as long as the page.
        let hear = Closure::<dyn Fn(MessageEvent)>::new(hear).into_js_value();
        source.set_onmessage(Some(hear.unchecked_ref()));
        // The browser asks again by itself, unless it was refused: the list then says why.
        let watched = source.clone();
        let look = move |_: Event| {
            if watched.ready_state() == EventSource::CLOSED {
                let page = url.replacen("/logs/live", "/logs", 1);
                spawn_local(async move {
                    let _ = fetch_page(&page).await;
                });
            }
        };
        let look = Closure::<dyn Fn(Event)>::new(look).into_js_value();
        source.set_onerror(Some(look.unchecked_ref()));
        self.source.set_value(Some(source));
    }

    /// Does what was told.
    fn act(self) {
        let Some(list) = list().filter(|_| !self.is_fetching.get_value()) else { return };
        let (new, rows) = self.told.get_value();
        if new > 0 && self.may_come(&list) {
            self.fetch(list.get_attribute("data-newest"), true);
            return;
        }
        offer(new);
        if new > 0 {
            // Once nobody reads any more, they come by themselves.
            set_timeout(move || self.act(), IDLE);
        }
        if list.get_attribute("data-rows").as_ref() != Some(&rows) {
            self.fetch(list.get_attribute("data-live").map(|url| url.replacen("/logs/live", "/logs", 1)), false);
        }
    }

    /// Whether new rows may move the ones that are shown: on the first page, at its top, with nobody at it.
    fn may_come(self, list: &Element) -> bool {
        let is_empty = list.query_selector("tbody").ok().flatten().is_none();
        let is_at_top = window().scroll_y().is_ok_and(|y| y < 40.0);
        let is_idle = Date::now() - self.active_at.get_value() >= IDLE.as_millis() as f64;
        let has_reader = list.matches(":hover, :focus-within, :has(:checked)").unwrap_or(true);
        let is_first = list.get_attribute("data-newest").is_some();
        is_first && (is_empty || is_at_top && is_idle && !has_reader)
    }

    fn fetch(self, url: Option<String>, is_newest: bool) {
        let Some(url) = url else { return };
        self.is_fetching.set_value(true);
        spawn_local(async move {
            let page = fetch_page(&url).await;
            if let Ok(page) = &page {
                show(page, is_newest);
            }
            if is_newest {
                self.connect();
            }
            set_timeout(
                move || {
                    self.is_fetching.set_value(false);
                    self.act();
                },
                REST,
            );
        });
    }
}

/// Shows what a page says that was fetched: all of its list, or the rows that are shown already.
fn show(page: &Document, is_newest: bool) {
    let (Some(old), Ok(Some(new))) = (list(), page.query_selector("[data-live]")) else { return };
    if is_newest {
        let _ = old.replace_with_with_node_1(&new);
    } else {
        for row in all::<Element>("[data-live] tr[id]") {
            replace_row(&row, page);
        }
        let _ = old.set_attribute("data-rows", &new.get_attribute("data-rows").unwrap_or_default());
    }
    for id in AROUND {
        if let Some(part) = document().get_element_by_id(id) {
            replace(&part, page);
        }
    }
    chart::arrange();
    choose::follow(false);
    peek::mark_again();
}

/// Puts the cells in place that say something else. The row keeps its tick, and a cell that somebody is at waits.
fn replace_row(old: &Element, page: &Document) {
    let Some(new) = page.get_element_by_id(&old.id()) else { return };
    let cells = |row: &Element| -> Vec<Element> {
        let cells = row.children();
        (0..cells.length()).filter_map(|index| cells.item(index)).collect()
    };
    for (before, after) in cells(old).iter().zip(cells(&new)) {
        let stays = before.matches(".choose, :focus-within, :has(:popover-open)").unwrap_or(true);
        if !stays && !before.is_equal_node(Some(&after)) {
            let _ = before.replace_with_with_node_1(&after);
        }
    }
}

/// Says how many are new, by the link that leads to them.
fn offer(new: u32) {
    let Some(link) = first::<Element>("#new-rows") else { return };
    let words = if new >= 1000 { "More than 1,000 new".to_owned() } else { format!("{new} new") };
    link.set_text_content(Some(&words));
    let _ = link.toggle_attribute_with_force("hidden", new == 0);
}

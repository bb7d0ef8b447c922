//! The bar under a list whose rows can be chosen. It follows the boxes, a click with the shift key chooses the rows between, and
//! all on the page can be chosen at once, then all that match. What acts on chosen rows has `data-chosen`, what acts on all that
//! match `data-all-chosen`; the others say by `data-choose` what they do.
//!
//! What is chosen stays while one looks at a message and comes back: the tab keeps it for the list that `data-list` names, until
//! another list is shown or a form with `data-ends-choice` is sent: what acts on it, and the log-out. Only rows that are there count.

use std::iter;

use leptos::ev;
use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast;
use leptos::web_sys::{Element, HtmlInputElement, Storage};

use super::{all, around, copy, first, first_of};

/// The boxes of the rows.
const BOXES: &str = "input[name='ids'][form='choose']";
/// Where the tab keeps what is chosen: the list's name, then the messages' ids, one a line.
const KEPT: &str = "chosen";

pub(super) fn listen() {
    let last = StoredValue::new(None::<usize>);
    window_event_listener(ev::click, move |event| {
        if let Some(input) = around(&event, BOXES) {
            let boxes = boxes();
            let place = boxes.iter().position(|one| one.is_same_node(Some(&input)));
            if let (true, Some(from), Some(to)) = (event.shift_key(), last.get_value(), place) {
                let checked = boxes.get(to).is_some_and(HtmlInputElement::checked);
                for one in boxes.iter().take(from.max(to) + 1).skip(from.min(to)) {
                    one.set_checked(checked);
                }
            }
            last.set_value(place);
            follow(false);
        } else if let Some(button) = around(&event, "[data-choose]") {
            act(&button);
        }
    });
    window_event_listener(ev::submit, |event| {
        if around(&event, "form[data-ends-choice]").is_some() {
            keep(&[]);
        }
    });
    // A page that comes back from the browser's cache has the boxes as they were, whatever was done since.
    window_event_listener(ev::pageshow, |event| {
        if event.persisted() {
            let kept = kept();
            boxes().iter().for_each(|one| one.set_checked(kept.contains(&one.value())));
            follow(false);
        }
    });
    // What has a tick already was chosen before the page was alive.
    if first::<Element>("[data-choose='head']:checked").is_some() {
        boxes().iter().for_each(|one| one.set_checked(true));
    }
    let kept = kept();
    boxes().iter().filter(|one| kept.contains(&one.value())).for_each(|one| one.set_checked(true));
    follow(false);
}

fn act(button: &Element) {
    let set_all = |checked: bool| boxes().iter().for_each(|one| one.set_checked(checked));
    match button.get_attribute("data-choose").as_deref() {
        Some("head") => set_all(button.clone().dyn_into::<HtmlInputElement>().is_ok_and(|head| head.checked())),
        Some("page") => set_all(true),
        Some("none") => set_all(false),
        Some("match") => return follow(true),
        Some("copy") => {
            let addresses: Vec<String> =
                chosen().iter().filter_map(|one| one.get_attribute("data-addresses")).collect();
            let mut addresses: Vec<&str> = addresses.iter().flat_map(|list| list.lines()).collect();
            addresses.sort_unstable();
            addresses.dedup();
            return copy::copy(&addresses.join("\n"), button);
        }
        _ => return,
    }
    follow(false);
}

/// Makes the bar say what is chosen: the rows with a tick or, with `is_all`, all that match.
pub(super) fn follow(is_all: bool) {
    let Some(bar) = first::<Element>(".selection-bar") else { return };
    let (boxes, chosen) = (boxes().len(), chosen());
    keep(&chosen);
    let chosen = chosen.len();
    let is_full = boxes > 0 && chosen == boxes;
    if let Some(head) = first::<HtmlInputElement>("[data-choose='head']") {
        head.set_checked(is_full);
        head.set_indeterminate(chosen > 0 && !is_full);
    }
    let _ = bar.set_attribute("data-count", &chosen.to_string());
    if let Some(told) = first_of(&bar, ".selection-count") {
        let words = match told.get_attribute("data-all").filter(|_| is_all) {
            Some(all) => format!("All {all} chosen"),
            None => format!("{chosen} chosen"),
        };
        told.set_text_content(Some(&words));
    }
    let hide = |selector: &str, hidden: bool| {
        for element in all::<Element>(&format!(".selection-bar {selector}")) {
            let _ = element.toggle_attribute_with_force("hidden", hidden);
        }
    };
    hide("[data-chosen]", is_all);
    hide("[data-all-chosen]", !is_all);
    hide("[data-choose='match']", !is_full || is_all);
    hide("[data-choose='page']", is_full);
}

fn boxes() -> Vec<HtmlInputElement> {
    all(BOXES)
}

fn chosen() -> Vec<HtmlInputElement> {
    boxes().into_iter().filter(HtmlInputElement::checked).collect()
}

/// The name of the list that is shown: its team and its address.
fn list() -> Option<String> {
    first::<Element>("[data-list]")?.get_attribute("data-list")
}

/// Browsers may refuse it.
fn storage() -> Option<Storage> {
    window().session_storage().ok().flatten()
}

/// The ids of the messages that were chosen in the list that is shown.
fn kept() -> Vec<String> {
    let text = storage().and_then(|storage| storage.get_item(KEPT).ok().flatten()).unwrap_or_default();
    let mut lines = text.lines().map(str::to_owned);
    if lines.next() == list() { lines.collect() } else { Vec::new() }
}

/// Keeps these as what is chosen in the list that is shown, and forgets what was chosen before.
fn keep(chosen: &[HtmlInputElement]) {
    let Some(storage) = storage() else { return };
    let _ = match list() {
        Some(list) if !chosen.is_empty() => {
            let lines: Vec<String> = iter::once(list).chain(chosen.iter().map(HtmlInputElement::value)).collect();
            storage.set_item(KEPT, &lines.join("\n"))
        }
        _ => storage.remove_item(KEPT),
    };
}

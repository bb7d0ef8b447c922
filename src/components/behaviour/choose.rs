//! The bar under a list whose rows can be chosen. It follows the boxes, a click with the shift key chooses the rows between, and
//! all on the page can be chosen at once, then all that match. What acts on chosen rows has `data-chosen`, what acts on all that
//! match `data-all-chosen`; the others say by `data-choose` what they do.

use leptos::ev;
use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast;
use leptos::web_sys::{Element, HtmlInputElement};

use super::{all, around, copy, first, first_of};

/// The boxes of the rows.
const BOXES: &str = "input[name='ids'][form='choose']";

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
    // The browser may have kept what was chosen before.
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
    let (boxes, chosen) = (boxes().len(), chosen().len());
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

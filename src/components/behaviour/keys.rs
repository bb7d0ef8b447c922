//! The keys of [KEYS](super::KEYS): what has `data-press` with the key's name is clicked; in a list, `j` and `k` go from row to
//! row, `p` shows its message beside the list, `x` chooses the row and `r` resends it, or what is chosen, which Escape drops;
//! `/` goes to the search.

use leptos::ev;
use leptos::prelude::*;
use leptos::web_sys::{Element, HtmlElement, KeyboardEvent};

use super::{all, first, first_of, peek, target_of};

pub(super) fn listen() {
    // Back from a message one goes on from its row.
    if let Some(link) = first::<HtmlElement>("tbody tr:target .row-link") {
        let _ = link.focus();
    }
    window_event_listener(ev::keydown, |event| {
        let has_modifier = event.ctrl_key() || event.meta_key() || event.alt_key();
        if !event.default_prevented() && !has_modifier && !is_typed_into(target_of(&event)) && !is_covered() {
            press(&event);
        }
    });
    // What is said of a row holds no longer once one is elsewhere.
    window_event_listener(ev::focusout, |_| say_of_row(""));
}

fn press(event: &KeyboardEvent) {
    let key = event.key();
    if !matches!(key.as_str(), "/" | "j" | "k" | "p" | "x" | "r" | "?" | "Escape") {
        return;
    }
    say_of_row("");
    let focused = document().active_element().and_then(|active| active.closest("tr").ok().flatten());
    let in_row = |what: &str| focused.as_ref().and_then(|row| first_of(row, what));
    let bar = first::<Element>(".selection-bar:not([data-count='0'])");
    let in_bar = |what: &str| bar.as_ref().and_then(|bar| first_of(bar, what));
    let meant = match key.as_str() {
        "/" => first("main [role='search'] input:not([type='hidden'])"),
        "x" => in_row("input[type='checkbox']"),
        "p" => in_row("[data-peek]").or_else(|| first("tr[aria-current] [data-peek]")),
        "r" if bar.is_some() => in_bar(".button.primary:not([hidden])"),
        "r" => in_row(".resend").or_else(|| first(".page-actions .resend")),
        "Escape" => first::<HtmlElement>("[data-press='Escape']").or_else(|| in_bar("[data-choose='none']")),
        key => first(&format!("[data-press='{key}']")),
    };
    match (meant, key.as_str()) {
        (Some(field), "/") => {
            let _ = field.focus();
        }
        (Some(meant), _) => meant.click(),
        (None, "j") => go_to_row(1),
        (None, "k") => go_to_row(-1),
        (None, "r") if focused.is_some() && bar.is_none() => say_of_row("This message cannot be resent here; open it."),
        (None, _) => return,
    }
    event.prevent_default();
}

fn say_of_row(words: &str) {
    if let Some(told) = first::<Element>("#row-told") {
        told.set_text_content(Some(words));
    }
}

fn go_to_row(step: i32) {
    let links: Vec<HtmlElement> = all("tbody .row-link");
    let active = document().active_element();
    let place_of = |element: Option<&Element>| {
        links.iter().position(|link| element.is_some_and(|element| element.contains(Some(link))))
    };
    // From the panel beside the list one goes on from its row.
    let is_in_row = active.as_ref().and_then(|active| active.closest("tr").ok().flatten());
    let place = place_of(is_in_row.as_ref()).or_else(|| place_of(peek::current().as_ref()));
    let next = place.map_or(0, |place| (place as i32 + step).max(0) as usize);
    let _ = links.get(next).map(|link| link.focus());
}

fn is_typed_into(target: Option<Element>) -> bool {
    let typed = "input:not([type='checkbox'], [type='radio']), textarea, select, [contenteditable]";
    target.is_some_and(|target| target.matches(typed).unwrap_or(false))
}

/// Whether a dialog, or the list of the keys, stands over the page.
fn is_covered() -> bool {
    document().query_selector("dialog[open], [popover]:popover-open").ok().flatten().is_some()
}

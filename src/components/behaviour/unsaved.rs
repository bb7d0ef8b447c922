//! Asks before a page is left, by a link or by closing it, while a `form[data-unsaved]` holds what was not sent; the question is
//! the browser's own. What is sent, as a form or by a script, does not ask. Such a form has `data-changed` meanwhile, by which the
//! style sheet shows it.

use leptos::ev;
use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast;
use leptos::web_sys::{Element, HtmlInputElement, HtmlTextAreaElement};

use super::{all, around, first, first_of, pending};

/// The fields that would be lost. Those outside of the form that belong to it, like sample values, would not.
const FIELDS: &str = "form[data-unsaved] :is(input, textarea, select)";
/// A form that holds what was typed on a page before, and not saved there.
const GIVEN_BACK: &str = "form[data-unsaved=given-back]";

pub(super) fn listen() {
    let (is_asking, is_sent) = (StoredValue::new(false), StoredValue::new(false));
    // Only once something can be lost: some browsers keep no page for their way back that listens to this.
    let ask = move || {
        if is_asking.get_value() {
            return;
        }
        is_asking.set_value(true);
        window_event_listener(ev::beforeunload, move |event| {
            if !is_sent.get_value() && is_unsaved() {
                event.prevent_default();
                pending::end();
            }
        });
    };
    if first::<Element>(GIVEN_BACK).is_some() {
        ask();
    }
    window_event_listener(ev::input, move |event| {
        is_sent.set_value(false);
        if around(&event, "form[data-unsaved]").is_some() {
            ask();
            mark();
        }
    });
    window_event_listener(ev::submit, move |event| {
        if pending::leads_away(&event) {
            is_sent.set_value(true);
        }
    });
    // A page that comes back from the browser's cache can be left again.
    window_event_listener(ev::pageshow, move |_| {
        is_sent.set_value(false);
        mark();
    });
    // The browser may have kept what was chosen before.
    mark();
}

/// Marks the forms that hold something else than when the page came.
fn mark() {
    let changed: Vec<Element> = all::<Element>(FIELDS).into_iter().filter(is_changed).collect();
    for form in all::<Element>("form[data-unsaved]") {
        let is_unsaved = changed.iter().any(|field| form.contains(Some(field)));
        let _ = form.toggle_attribute_with_force("data-changed", is_unsaved);
    }
}

fn is_unsaved() -> bool {
    first::<Element>(GIVEN_BACK).is_some() || all::<Element>(FIELDS).iter().any(is_changed)
}

/// Whether a field holds something else than when the page came.
fn is_changed(field: &Element) -> bool {
    if let Some(input) = field.dyn_ref::<HtmlInputElement>() {
        return input.value() != input.default_value() || input.checked() != input.default_checked();
    }
    if let Some(text) = field.dyn_ref::<HtmlTextAreaElement>() {
        return text.default_value().is_ok_and(|before| before != text.value());
    }
    let before = first_of(field, "option[selected]").or_else(|| first_of(field, "option"));
    before != first_of(field, "option:checked")
}

//! What is found while one types. A field with `data-suggest`, an address, becomes a combobox of the suggestions that the
//! server has for what stands at the caret. Source: ARIA Authoring Practices, Combobox with manual selection. A form with
//! `data-find` shows the element of this id from the page that it leads to. The last answer wins.

use std::time::Duration;

use leptos::ev;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::wasm_bindgen::JsCast;
use leptos::web_sys::js_sys::encode_uri_component;
use leptos::web_sys::{Document, Element, HtmlInputElement, KeyboardEvent};

use super::page::fetch_page;
use super::{all, around, first};

const FIELD: &str = "[data-suggest]";
const LIST: &str = "#suggestions";
const OPTION: &str = "#suggestions > [role='option']";
/// How long nobody must have typed before the server is asked.
const PAUSE: Duration = Duration::from_millis(120);

/// How often was asked: an answer to an earlier question comes too late.
type Asked = StoredValue<u32>;

pub(super) fn listen() {
    let asked = Asked::new(0);
    if let Some(field) = field() {
        // The role is not one that a search field can have.
        field.set_type("text");
        for (name, value) in [("role", "combobox"), ("aria-autocomplete", "list"), ("aria-controls", "suggestions")] {
            let _ = field.set_attribute(name, value);
        }
        let _ = field.set_attribute("aria-expanded", "false");
        // Somebody may be typing already.
        if has_focus(&field) && !field.value().is_empty() {
            suggest(asked);
        }
    }
    window_event_listener(ev::input, move |event| {
        if around(&event, FIELD).is_some() {
            suggest(asked);
        } else if let Some(form) = around(&event, "form[data-find]") {
            find(asked, &form);
        }
    });
    window_event_listener(ev::keydown, move |event| {
        if around(&event, FIELD).is_some() && press(asked, &event) {
            event.prevent_default();
        }
    });
    // The field keeps the focus while an option is clicked.
    window_event_listener(ev::mousedown, |event| {
        if around(&event, LIST).is_some() {
            event.prevent_default();
        }
    });
    window_event_listener(ev::click, move |event| {
        if let Some(option) = around(&event, OPTION) {
            take(asked, &option);
        } else if let Some(begun) = around(&event, "[data-insert]") {
            insert(asked, &begun);
        }
    });
    window_event_listener(ev::focusout, move |event| {
        if around(&event, FIELD).is_some() {
            close(asked);
        }
    });
}

fn field() -> Option<HtmlInputElement> {
    first(FIELD)
}

fn has_focus(field: &HtmlInputElement) -> bool {
    document().active_element().is_some_and(|active| active.is_same_node(Some(field)))
}

/// Does what a key means, and says whether it means nothing else.
fn press(asked: Asked, event: &KeyboardEvent) -> bool {
    let list = first::<Element>(LIST);
    let is_open = list.as_ref().is_some_and(|list| !list.has_attribute("hidden"));
    let is_current = list.is_some_and(|list| !list.has_attribute("data-old"));
    let options: Vec<Element> = all(OPTION);
    let active = options.iter().position(|option| option.matches("[aria-selected='true']").unwrap_or(false));
    match (event.key().as_str(), active) {
        ("ArrowDown", _) if !is_open => suggest(asked),
        ("ArrowDown", _) => choose(&options, active.map_or(0, |place| (place + 1) % options.len())),
        ("ArrowUp", _) if is_open => choose(&options, active.unwrap_or(0).checked_sub(1).unwrap_or(options.len() - 1)),
        ("Enter" | "Tab", Some(place)) if is_open => take(asked, &options[place]),
        ("Enter", None) if is_open && is_current => {
            // The only value that begins so is what is searched for.
            if let Some(meant) = options.first().filter(|option| option.has_attribute("data-meant")) {
                fill_in(meant);
            }
            return false;
        }
        ("Escape", _) if is_open => close(asked),
        ("ArrowLeft" | "ArrowRight" | "Home" | "End", _) => {
            close(asked);
            return false;
        }
        _ => return false,
    }
    true
}

fn choose(options: &[Element], place: usize) {
    for (index, option) in options.iter().enumerate() {
        let _ = option.set_attribute("aria-selected", if index == place { "true" } else { "false" });
        if index == place {
            option.scroll_into_view_with_bool(false);
            let _ = field().map(|field| field.set_attribute("aria-activedescendant", &option.id()));
        }
    }
}

/// Writes an option into the field, and asks what can follow.
fn take(asked: Asked, option: &Element) {
    fill_in(option);
    close(asked);
    suggest(asked);
}

/// Writes an option into the field.
fn fill_in(option: &Element) {
    let (Some(field), Some(search)) = (field(), option.get_attribute("data-search")) else { return };
    field.set_value(&search);
    let caret = option.get_attribute("data-caret").and_then(|caret| caret.parse().ok()).unwrap_or_default();
    let _ = field.set_selection_range(caret, caret);
}

/// Begins a qualifier behind what stands in the field. `begun` is the field's label, so that the field has the focus anyway.
fn insert(asked: Asked, begun: &Element) {
    let (Some(field), Some(name)) = (field(), begun.get_attribute("data-insert")) else { return };
    field.set_value(format!("{} {name}", field.value()).trim_start());
    if let Ok(Some(menu)) = begun.closest("details") {
        let _ = menu.remove_attribute("open");
    }
    suggest(asked);
}

fn close(asked: Asked) {
    asked.update_value(|number| *number += 1);
    show(None);
}

fn suggest(asked: Asked) {
    // What is listed still is for what stood there before.
    let _ = first::<Element>(LIST).map(|list| list.set_attribute("data-old", ""));
    let url = || {
        let field = field()?;
        let caret = field.selection_start().ok().flatten().unwrap_or_default();
        let typed = encode_uri_component(&field.value());
        Some(format!("{}?at={caret}&q={typed}", field.get_attribute("data-suggest")?))
    };
    ask(asked, url, show);
}

fn find(asked: Asked, form: &Element) {
    let (Some(action), Some(id)) = (form.get_attribute("action"), form.get_attribute("data-find")) else { return };
    let form = form.clone();
    let url = move || {
        let inputs = form.query_selector_all("input").ok()?;
        let inputs = (0..inputs.length()).filter_map(|index| inputs.item(index)?.dyn_into::<HtmlInputElement>().ok());
        let pairs = inputs.map(|input| format!("{}={}", input.name(), encode_uri_component(&input.value())));
        Some(format!("{action}?{}", pairs.collect::<Vec<_>>().join("&")))
    };
    ask(asked, url, move |page| {
        let new = page.and_then(|page| page.get_element_by_id(&id));
        if let (Some(old), Some(new)) = (document().get_element_by_id(&id), new) {
            let _ = old.replace_with_with_node_1(&new);
        }
    });
}

/// Asks the server once nobody types any more, and shows the answer unless somebody did meanwhile.
fn ask(asked: Asked, url: impl FnOnce() -> Option<String> + 'static, show: impl FnOnce(Option<&Document>) + 'static) {
    let number = asked.get_value() + 1;
    asked.set_value(number);
    set_timeout(
        move || {
            let Some(url) = Some(()).filter(|()| asked.get_value() == number).and_then(|()| url()) else { return };
            spawn_local(async move {
                let page = fetch_page(&url).await;
                if asked.get_value() == number {
                    show(page.ok().as_ref());
                }
            });
        },
        PAUSE,
    );
}

/// Shows the suggestions that a page lists; none without one.
fn show(page: Option<&Document>) {
    let (Some(old), Some(field)) = (first::<Element>(LIST), field()) else { return };
    let new = page.and_then(|page| page.get_element_by_id("suggestions")).filter(|new| new.child_element_count() > 0);
    let new = new.filter(|_| has_focus(&field));
    let _ = field.set_attribute("aria-expanded", if new.is_some() { "true" } else { "false" });
    let _ = field.remove_attribute("aria-activedescendant");
    match new {
        Some(new) => {
            let _ = old.replace_with_with_node_1(&new);
        }
        None => {
            old.set_inner_html("");
            let _ = old.set_attribute("hidden", "");
        }
    }
}

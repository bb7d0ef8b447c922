//! Fields that are wrong. What the page can see to be wrong, by the field's own attributes or its `data-rule`, stands beside the
//! field in our words (`data-wrong`) in the place of the browser's bubble, and nothing is sent. What stands beside a field goes
//! once it is changed, for it speaks of what was there before. With the last of them goes what the page says above.

use leptos::ev;
use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast;
use leptos::wasm_bindgen::closure::Closure;
use leptos::web_sys::{Element, Event, HtmlInputElement};

use super::{around, first, first_of, target_of};
use crate::domain::field_rule::FieldRule;

pub(super) fn listen() {
    window_event_listener(ev::input, |event| {
        if let Some(field) = around(&event, "[data-rule]").and_then(|field| field.dyn_into().ok()) {
            judge(&field);
        }
        let Some(field) = around(&event, "[aria-invalid]") else { return };
        forget(&field);
        let is_last = first::<Element>(".field-error").is_none();
        if let Some(notice) = first::<Element>("main .callout[role=alert]").filter(|_| is_last) {
            notice.remove();
        }
        if let Some(status) = first::<Element>(".editor-status[data-error=true]").filter(|_| is_last) {
            status.set_text_content(None);
        }
    });
    // It does not bubble, so it is caught on its way down. The listener lives as long as the page.
    let refuse = Closure::<dyn Fn(Event)>::new(|event: Event| {
        if let Some(field) = target_of(&event).filter(|field| field.id() != "") {
            event.prevent_default();
            tell(&field);
        }
    });
    let refuse = refuse.into_js_value();
    let _ = window().add_event_listener_with_callback_and_bool("invalid", refuse.unchecked_ref(), true);
}

/// Has the browser send nothing while a field breaks its rule.
fn judge(field: &HtmlInputElement) {
    let rule: Option<FieldRule> = field.get_attribute("data-rule").and_then(|rule| rule.parse().ok());
    let is_taken = rule.is_none_or(|rule| rule.takes(&field.value()));
    let wrong = if is_taken { String::new() } else { field.get_attribute("data-wrong").unwrap_or_default() };
    field.set_custom_validity(&wrong);
}

/// Says beside a field what is wrong, and leads to the first such field of its form.
fn tell(field: &Element) {
    forget(field);
    let Ok(error) = document().create_element("p") else { return };
    let id = format!("{}-error", field.id());
    error.set_id(&id);
    error.set_class_name("field-error");
    error.set_text_content(Some(&words(field)));
    let place = field.closest(".field").ok().flatten();
    let hint = place.as_ref().and_then(|place| first_of(place, ".hint"));
    let _ = match (hint, place) {
        (Some(hint), _) => hint.insert_adjacent_element("beforebegin", &error),
        (None, Some(place)) => place.insert_adjacent_element("beforeend", &error),
        (None, None) => field.insert_adjacent_element("afterend", &error),
    };
    let described_by = field.get_attribute("aria-describedby").unwrap_or_default();
    let _ = field.set_attribute("aria-describedby", format!("{id} {described_by}").trim());
    let _ = field.set_attribute("aria-invalid", "true");
    let wrong = field.closest("form").ok().flatten().and_then(|form| first_of(&form, "[aria-invalid=true]"));
    let _ = wrong.map(|wrong| wrong.focus());
}

fn words(field: &Element) -> String {
    let input = field.dyn_ref::<HtmlInputElement>();
    if input.is_none_or(|input| input.value().is_empty()) {
        return "Fill in this field.".to_owned();
    }
    if let Some(wrong) = field.get_attribute("data-wrong") {
        return wrong;
    }
    match (field.get_attribute("type").as_deref(), field.get_attribute("minlength")) {
        (Some("email"), _) => "Write an email address, such as ada@example.com.".to_owned(),
        (_, Some(fewest)) => format!("Write at least {fewest} characters."),
        (_, None) => input.and_then(|input| input.validation_message().ok()).unwrap_or_default(),
    }
}

/// Takes away what stands beside a field.
fn forget(field: &Element) {
    let _ = field.remove_attribute("aria-invalid");
    let described_by = field.get_attribute("aria-describedby").unwrap_or_default();
    let left = described_by.split_whitespace().filter(|id| {
        // By its id, for a name like `smtp[host]` in it is no selector.
        let described = document().get_element_by_id(id);
        let error = described.and_then(|described| described.closest(".field-error").ok().flatten());
        error.map(|error| error.remove()).is_none()
    });
    let left: Vec<&str> = left.collect();
    let _ = match left.is_empty() {
        true => field.remove_attribute("aria-describedby"),
        false => field.set_attribute("aria-describedby", &left.join(" ")),
    };
}

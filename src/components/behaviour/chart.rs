//! The chart's bars: one stop for the keyboard, whose arrows go from bar to bar, and a span of time by dragging over bars.

use leptos::ev;
use leptos::prelude::*;
use leptos::web_sys::{Element, HtmlElement, Node};

use super::{all, around};

pub(super) fn listen() {
    arrange();
    window_event_listener(ev::keydown, |event| {
        let Some(bar) = around(&event, ".bar") else { return };
        let next = match event.key().as_str() {
            "ArrowRight" => bar.next_element_sibling(),
            "ArrowLeft" => bar.previous_element_sibling(),
            "Home" => bar.parent_element().and_then(|bars| bars.first_element_child()),
            "End" => bar.parent_element().and_then(|bars| bars.last_element_child()),
            _ => return,
        };
        event.prevent_default();
        if let Some(next) = next {
            rove(Some(&next));
        }
    });
    let pressed = StoredValue::new(None::<String>);
    window_event_listener(ev::pointerdown, move |event| {
        let from = around(&event, ".bar").filter(|_| event.button() == 0 && event.pointer_type() == "mouse");
        pressed.set_value(from.and_then(|bar| bar.get_attribute("data-from")));
    });
    window_event_listener(ev::pointerover, move |event| {
        if let (Some(from), Some(bar)) = (pressed.get_value(), around(&event, ".bar")) {
            mark(&from, Some(&bar));
        }
    });
    window_event_listener(ev::pointerup, move |event| {
        let Some(from) = pressed.get_value() else { return };
        pressed.set_value(None);
        let bar = around(&event, ".bar").filter(|bar| bar.get_attribute("data-from").as_ref() != Some(&from));
        match bar.and_then(|bar| zoom_url(&from, &bar)) {
            Some(url) => {
                let _ = window().location().set_href(&url);
            }
            None => mark(&from, None),
        }
    });
    window_event_listener(ev::dragstart, |event| {
        if around(&event, ".bar").is_some() {
            event.prevent_default();
        }
    });
}

/// Marks the span from one bar to another, in whichever order; nothing without another.
fn mark(one: &str, other: Option<&Element>) {
    let bars: Vec<Element> = all(".bar");
    let first = bars.iter().position(|bar| bar.get_attribute("data-from").as_deref() == Some(one));
    let last = other.and_then(|other| bars.iter().position(|bar| bar.is_same_node(Some(other))));
    let span = first.zip(last).map(|(first, last)| first.min(last)..=first.max(last));
    for (place, bar) in bars.iter().enumerate() {
        let is_in = span.as_ref().is_some_and(|span| span.contains(&place));
        let _ = bar.toggle_attribute_with_force("data-chosen", is_in);
    }
}

/// Leaves the last bar alone in the order of the keyboard's stops.
pub(super) fn arrange() {
    rove(None);
}

/// Leaves one bar in the order of the keyboard's stops, and goes to it where it is given.
fn rove(to: Option<&Element>) {
    let links: Vec<HtmlElement> = all(".bar-link");
    for (index, link) in links.iter().enumerate() {
        let is_meant = match to {
            Some(bar) => link.parent_element().is_some_and(|parent| parent.is_same_node(Some(bar))),
            None => index + 1 == links.len(),
        };
        link.set_tab_index(if is_meant { 0 } else { -1 });
        if is_meant && to.is_some() {
            let _ = link.focus();
        }
    }
}

/// The address of the span from one bar to another, in whichever order, made of the address of a bar.
fn zoom_url(one: &str, other: &Element) -> Option<String> {
    let bars = other.parent_element()?;
    let first = bars.query_selector(&format!("[data-from='{one}']")).ok().flatten()?;
    let position = first.compare_document_position(other);
    let is_after = position & Node::DOCUMENT_POSITION_FOLLOWING != 0;
    let (from, to) = if is_after { (&first, other) } else { (other, &first) };
    let href = from.query_selector(".bar-link").ok().flatten()?.get_attribute("href")?;
    Some(href.replace(&from.get_attribute("data-to")?, &to.get_attribute("data-to")?))
}

//! The switch of colours changes them at once, and the server remembers them.

use leptos::ev;
use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::web_sys::{Element, UrlSearchParams};

use super::page::post;
use super::{all, around};

pub(super) fn listen() {
    window_event_listener(ev::click, |event| {
        let Some(button) = around(&event, ".theme-switch button") else { return };
        let Some(form) = button.closest("form").ok().flatten() else { return };
        event.prevent_default();
        let theme = button.get_attribute("value").unwrap_or_default();
        for one in all::<Element>(".theme-switch button") {
            let is_chosen = one.get_attribute("value").as_ref() == Some(&theme);
            let _ = one.set_attribute("aria-pressed", if is_chosen { "true" } else { "false" });
        }
        if let Some(root) = document().document_element() {
            let _ = match theme.as_str() {
                "system" => root.remove_attribute("data-theme"),
                _ => root.set_attribute("data-theme", &theme),
            };
        }
        spawn_local(async move {
            let Ok(body) = UrlSearchParams::new() else { return };
            body.append("theme", &theme);
            // No page is wanted back.
            let _ = post(&form.get_attribute("action").unwrap_or_default(), &body, "application/json").await;
        });
    });
}

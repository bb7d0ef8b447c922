//! Parts of a page that change by themselves. An element with an id and `data-refresh`, in seconds, is fetched anew from the
//! page's own address and put in its place, while the page is looked at and until the new one does not ask for it any more.

use std::time::Duration;

use leptos::prelude::*;
use leptos::task::spawn_local;
use leptos::web_sys::{Document, Element};

use super::page::fetch_page;
use super::{all, first};

/// What asks to be fetched anew.
const ASKING: &str = "[id][data-refresh]";

/// How long to wait once the page could not be fetched.
const LATER: Duration = Duration::from_secs(30);

pub(super) fn listen() {
    let asked = first::<Element>(ASKING).and_then(|element| element.get_attribute("data-refresh")?.parse().ok());
    if let Some(seconds) = asked {
        refresh_in(Duration::from_secs(seconds));
    }
}

fn refresh_in(wait: Duration) {
    let refresh = move || {
        if document().hidden() {
            return refresh_in(wait);
        }
        spawn_local(async {
            let here = window().location().href().unwrap_or_default();
            let Ok(page) = fetch_page(&here).await else { return refresh_in(LATER) };
            for old in all::<Element>(ASKING) {
                if page.get_element_by_id(&old.id()).is_none() {
                    // The page is another one now.
                    let _ = window().location().reload();
                }
                replace(&old, &page);
            }
            listen();
        });
    };
    set_timeout(refresh, wait);
}

/// Puts the element of `page` with the same id in the place of `old`, where it says something else. What has the focus, or
/// stands open, waits, so that nobody loses a place.
pub(super) fn replace(old: &Element, page: &Document) {
    let Some(new) = page.get_element_by_id(&old.id()) else { return };
    let is_used = old.matches(":focus-within, :has(details[open])").unwrap_or(true);
    let may_wait = new.has_attribute("data-refresh") || !old.has_attribute("data-refresh");
    if is_used && may_wait || old.is_equal_node(Some(&new)) {
        return;
    }
    let _ = old.replace_with_with_node_1(&new);
}

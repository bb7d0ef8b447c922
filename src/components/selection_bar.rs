//! The bar under a list whose rows can be chosen: how many are, and what can be done with them.

use leptos::ev;
use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast;
use leptos::web_sys::{self, Element, HtmlInputElement};

use crate::components::icon::{Glyph, Icon};

/// The boxes of the rows.
const BOXES: &str = "input[name='ids'][form='choose']";

/// As many ids go into the search of an export.
const MOST_EXPORTED: usize = 20;

/// Without JavaScript: a button that resends what is chosen, and a link to resend all that match. With it, the bar comes with
/// the first chosen row, a click with the shift key chooses the rows between, and all on the page can be chosen at once.
#[island]
pub fn SelectionBar(
    /// How many match, in words, where that is more than the page shows.
    all: Option<String>,
    may_resend: bool,
    may_copy: bool,
    /// Where all that match are resent.
    resend_all: String,
    /// The file of all that match.
    export_all: Option<String>,
) -> impl IntoView {
    let (chosen, set_chosen) = signal(Vec::<String>::new());
    let (is_all, set_all) = signal(false);
    let (is_copied, set_copied) = signal(false);
    let (is_full_page, set_full_page) = signal(false);
    let count_again = move || {
        let boxes = boxes();
        let ids: Vec<String> = boxes.iter().filter(|one| one.checked()).map(HtmlInputElement::value).collect();
        set_full_page.set(!boxes.is_empty() && ids.len() == boxes.len());
        if let Some(head) = head() {
            head.set_checked(!boxes.is_empty() && ids.len() == boxes.len());
            head.set_indeterminate(!ids.is_empty() && ids.len() < boxes.len());
        }
        set_all.set(false);
        set_copied.set(false);
        set_chosen.set(ids);
    };
    Effect::new(move || {
        let last = StoredValue::new(None::<usize>);
        window_event_listener(ev::click, move |event| {
            let Some(clicked) = event.target().and_then(|target| target.dyn_into::<HtmlInputElement>().ok()) else {
                return;
            };
            if clicked.has_attribute("data-choose-all") {
                boxes().iter().for_each(|one| one.set_checked(clicked.checked()));
            } else if clicked.name() == "ids" {
                let boxes = boxes();
                let place = boxes.iter().position(|one| *one == clicked);
                if let (true, Some(from), Some(to)) = (event.shift_key(), last.get_value(), place) {
                    for one in boxes.iter().take(from.max(to) + 1).skip(from.min(to)) {
                        one.set_checked(clicked.checked());
                    }
                }
                last.set_value(place);
            } else {
                return;
            }
            count_again();
        });
        // The browser may have kept what was chosen before.
        count_again();
    });
    let fill_page = move |_| {
        boxes().iter().for_each(|one| one.set_checked(true));
        count_again();
    };
    let clear = move |_| {
        boxes().iter().for_each(|one| one.set_checked(false));
        count_again();
    };
    let copy = move |_| {
        let addresses: Vec<String> =
            boxes().iter().filter(|one| one.checked()).filter_map(|one| one.get_attribute("data-addresses")).collect();
        let mut addresses: Vec<&str> = addresses.iter().flat_map(|list| list.lines()).collect();
        addresses.sort_unstable();
        addresses.dedup();
        let _ = web_sys::window().map(|window| window.navigator().clipboard().write_text(&addresses.join("\n")));
        set_copied.set(true);
    };
    let words = {
        let all = all.clone();
        move || match (is_all.get(), &all) {
            (true, Some(all)) => format!("All {all} chosen"),
            _ => format!("{} chosen", chosen.get().len()),
        }
    };
    let export = move || {
        let export_all = export_all.clone()?;
        if is_all.get() {
            return Some(export_all);
        }
        let ids = chosen.get();
        let ids = (!ids.is_empty() && ids.len() <= MOST_EXPORTED).then(|| ids.join(","))?;
        Some(format!("/logs/export?format=csv&preset=custom&q=id:{ids}"))
    };
    let resend_url = resend_all.clone();
    let has_export = export.clone();
    let choose_all = all.clone().map(|all| {
        let (label, plain) = (format!("Choose all {all} that match"), format!("Resend all {all} that match …"));
        view! {
            <button
                type="button"
                class="button quiet needs-script"
                hidden=move || !is_full_page.get() || is_all.get()
                on:click=move |_| set_all.set(true)
            >
                {label}
            </button>
            {may_resend.then(|| view! { <a class="button without-script" href=resend_url>{plain}</a> })}
        }
    });
    let resend = may_resend.then(|| {
        view! {
            <button class="button primary" hidden=move || is_all.get()>
                <Icon glyph=Glyph::Resend/>
                "Resend chosen …"
            </button>
            <a class="button primary needs-script" href=resend_all hidden=move || !is_all.get()>
                <Icon glyph=Glyph::Resend/>
                "Resend all …"
            </a>
        }
    });
    view! {
        <div class="selection-bar" role="group" aria-label="Chosen messages" data-count=move || chosen.get().len().to_string()>
            <span class="selection-count needs-script" role="status">{words}</span>
            <button
                type="button"
                class="button quiet needs-script narrow-only"
                hidden=move || is_full_page.get()
                on:click=fill_page
            >
                "All on this page"
            </button>
            {choose_all}
            {resend}
            {may_copy.then(|| view! {
                <button type="button" class="button needs-script" hidden=move || is_all.get() on:click=copy>
                    {move || if is_copied.get() { "Copied" } else { "Copy addresses" }}
                </button>
            })}
            <a class="button needs-script" download="" href=move || export().unwrap_or_default() hidden=move || has_export().is_none()>"Export"</a>
            <button type="button" class="button quiet needs-script" on:click=clear>"Clear"</button>
        </div>
    }
}

fn boxes() -> Vec<HtmlInputElement> {
    let Ok(found) = document().query_selector_all(BOXES) else { return Vec::new() };
    (0..found.length()).filter_map(|index| found.item(index)?.dyn_into().ok()).collect()
}

fn head() -> Option<HtmlInputElement> {
    let head: Element = document().query_selector("input[data-choose-all]").ok().flatten()?;
    head.dyn_into().ok()
}

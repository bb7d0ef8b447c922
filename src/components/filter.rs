//! The parts of the bar over a list: forms and menus that work by themselves, each keeping what the others chose.

use leptos::prelude::*;

use super::field::HiddenFields;
use super::icon::{Glyph, Icon};
use super::menu::Menu;

use crate::domain::mount::mounted;

/// A search field, which is a form of its own.
#[component]
pub fn SearchForm(
    /// The address of the page, without its parameters.
    path: &'static str,
    /// The parameter that it sets.
    name: &'static str,
    /// What is searched: "Search endpoint".
    label: &'static str,
    /// What was searched for.
    value: Option<String>,
    /// The longest search.
    max_chars: usize,
    /// The other parameters.
    kept: Vec<(&'static str, String)>,
) -> impl IntoView {
    view! {
        <form class="search" role="search" method="get" action=mounted(path)>
            <HiddenFields fields=kept/>
            <Icon glyph=Glyph::Search/>
            <input
                type="search"
                name=name
                aria-label=label
                placeholder=label
                value=value.unwrap_or_default()
                maxlength=max_chars
                autocomplete="off"
                spellcheck="false"
            />
        </form>
    }
}

/// One of several things to filter by.
pub struct Choice {
    /// The address of the list that it leaves.
    pub url: String,
    pub label: String,
    pub glyph: Option<Glyph>,
    pub is_current: bool,
}

/// A menu of links, of which one is chosen: the first one is "any".
#[component]
pub fn ChoiceMenu(
    /// What is chosen: "Template".
    name: &'static str,
    /// The choices.
    choices: Vec<Choice>,
) -> impl IntoView {
    let chosen = choices.iter().skip(1).find(|choice| choice.is_current).map(|choice| choice.label.clone());
    view! { <Menu label=filter_label(name, chosen)><ChoiceList choices/></Menu> }
}

/// Links, of which the current one is marked.
#[component]
pub fn ChoiceList(choices: Vec<Choice>) -> impl IntoView {
    let links = choices
        .into_iter()
        .map(|choice| {
            view! {
                <li>
                    <a class="menu-item" href=mounted(choice.url) aria-current=choice.is_current.then_some("true")>
                        {choice.glyph.map(|glyph| view! { <Icon glyph/> })}
                        {choice.label}
                    </a>
                </li>
            }
        })
        .collect_view();
    view! { <ul class="menu-list">{links}</ul> }
}

/// What the button of a filter says: "Status **Any**".
pub fn filter_label(name: &'static str, value: Option<String>) -> AnyView {
    let value = value.unwrap_or_else(|| "Any".to_owned());
    view! { <span class="filter-name">{name}</span> <b class="filter-value">{value}</b> }.into_any()
}

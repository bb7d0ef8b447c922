//! The bar over the table: endpoint, method, status, key, recipient, error, user agent.

use leptos::prelude::*;

use crate::components::field::HiddenFields;
use crate::components::filter::{Choice, ChoiceMenu, SearchForm, filter_label};
use crate::components::menu::Menu;
use crate::domain::address::requests::{MAX_PART_CHARS, METHODS, Place, RequestQuery, StatusClass};
use crate::domain::ids::ApiKeyId;
use crate::domain::mount::mounted;

/// What is said of a text that is no whole address.
const WHOLE_ADDRESS_WORDS: &str =
    "Write a whole address, such as ada@example.com, or a whole number or id. The list shows every recipient.";

/// Forms and menus that work by themselves: each keeps what the others chose.
#[component]
pub fn Filters(
    query: RequestQuery,
    keys: Vec<(ApiKeyId, String)>,
    /// Whether the viewer may search in what was posted and answered.
    searches_bodies: bool,
) -> impl IntoView {
    let clear = query.has_filters().then(|| {
        view! { <a class="clear" href=mounted(query.without_filters().to_url())>"Clear filters"</a> }
    });
    view! {
        <div class="filters">
            <SearchForm
                path="/requests"
                name="endpoint"
                label="Search endpoint or id"
                value=query.endpoint.clone()
                max_chars=MAX_PART_CHARS
                kept=query.kept("endpoint")
            />
            <ChoiceMenu name="Method" choices=methods(&query)/>
            <ChoiceMenu name="Status" choices=classes(&query)/>
            <KeyFilter query=query.clone() keys/>
            <TextFilter
                query=query.clone()
                title="Recipient"
                name="recipient"
                label="A whole address"
                value=query.recipient.clone()
                placeholder="ada@example.com"
                hint="Requests that made a message for it."
                wrong=query.wrong_recipient.clone().map(|typed| (typed, WHOLE_ADDRESS_WORDS))
            />
            {searches_bodies.then(|| view! {
                <TextFilter
                    query=query.clone()
                    title="Error"
                    name="error"
                    label="A part of what was posted or answered"
                    value=query.error.clone()
                    placeholder="not a valid address"
                    hint="Requests that were refused or failed."
                />
            })}
            <TextFilter
                query=query.clone()
                title="User agent"
                name="agent"
                label="A part of it"
                value=query.user_agent.clone()
                placeholder="resend-node"
            />
            {clear}
        </div>
    }
}

fn choice(chosen: &RequestQuery, query: RequestQuery, label: impl Into<String>) -> Choice {
    let is_current = *chosen == RequestQuery { place: chosen.place, ..query.clone() };
    Choice { url: query.at(Place::Newest).to_url(), label: label.into(), glyph: None, is_current }
}

fn methods(query: &RequestQuery) -> Vec<Choice> {
    let each = METHODS.map(|method| choice(query, RequestQuery { method: Some(method), ..query.clone() }, method));
    let any = choice(query, RequestQuery { method: None, ..query.clone() }, "Any method");
    std::iter::once(any).chain(each).collect()
}

fn classes(query: &RequestQuery) -> Vec<Choice> {
    let of = |class: StatusClass| choice(query, RequestQuery { status: Some(class), ..query.clone() }, class.label());
    let any = choice(query, RequestQuery { status: None, ..query.clone() }, "Any status");
    std::iter::once(any).chain(StatusClass::ALL.map(of)).collect()
}

#[component]
fn KeyFilter(query: RequestQuery, keys: Vec<(ApiKeyId, String)>) -> impl IntoView {
    let is_known = |id| keys.iter().any(|(known, _)| *known == id);
    let unknown = query.key.filter(|id| !is_known(*id)).map(|id| (id, "one".to_owned()));
    let of = |(id, name)| choice(&query, RequestQuery { key: Some(id), ..query.clone() }, name);
    let any = choice(&query, RequestQuery { key: None, ..query.clone() }, "Any key");
    let choices: Vec<Choice> = std::iter::once(any).chain(keys.iter().cloned().chain(unknown).map(of)).collect();
    (choices.len() > 1).then(|| view! { <ChoiceMenu name="Key" choices/> })
}

/// A menu with one field, for a text that is filtered by.
#[component]
fn TextFilter(
    query: RequestQuery,
    title: &'static str,
    /// The parameter that it sets, and the field's id.
    name: &'static str,
    label: &'static str,
    value: Option<String>,
    placeholder: &'static str,
    #[prop(optional)] hint: Option<&'static str>,
    /// What was typed that it does not take, and what is said of it.
    #[prop(default = None)]
    wrong: Option<(String, &'static str)>,
) -> impl IntoView {
    let is_wrong = wrong.is_some();
    let label_of_filter = filter_label(title, value.clone());
    let (typed, error) = wrong.unzip();
    let typed = typed.or(value).unwrap_or_default();
    let hint_id = hint.map(|_| format!("{name}-hint"));
    let error_id = error.map(|_| format!("{name}-error"));
    let described_by: Vec<String> = [error_id.clone(), hint_id.clone()].into_iter().flatten().collect();
    view! {
        <Menu label=label_of_filter is_open=is_wrong>
            <form class="menu-form" method="get" action=mounted("/requests")>
                <HiddenFields fields=query.kept(name)/>
                <div class="field">
                    <label for=name>{label}</label>
                    <input
                        id=name
                        name=name
                        type="text"
                        value=typed
                        placeholder=placeholder
                        maxlength=MAX_PART_CHARS
                        autocomplete="off"
                        spellcheck="false"
                        autofocus=is_wrong
                        aria-invalid=is_wrong.then_some("true")
                        aria-describedby=(!described_by.is_empty()).then(|| described_by.join(" "))
                    />
                    {error.map(|words| view! { <p class="field-error" id=error_id>{words}</p> })}
                    {hint.map(|words| view! { <p class="hint" id=hint_id>{words}</p> })}
                </div>
                <button class="button primary">"Apply"</button>
            </form>
        </Menu>
    }
}

//! The search field over everything, what narrows the list as chips that take it away again, and what can be searched by.
//! Forms and links alone: it works without scripts.

use leptos::prelude::*;

use super::chips::{Chip, chips_of};
use crate::components::field::HiddenFields;
use crate::components::icon::{Glyph, Icon};
use crate::components::menu::Menu;
use crate::domain::address::Fields;
use crate::domain::address::logs::LogQuery;
use crate::domain::ids::TemplateId;
use crate::domain::masking::sees_contents;
use crate::domain::mount::mounted;
use crate::domain::search::{MAX_CHARS, PARAMETER, Qualifier};
use crate::domain::viewer::Viewer;
use crate::server_fns::emails::ConditionNames;

/// The field, which holds the words, and the chips, which are the rest. The form keeps what the chips say.
#[component]
pub fn SearchBar(
    query: LogQuery,
    templates: Vec<(TemplateId, String)>,
    names: ConditionNames,
    /// What was typed and cannot be read, and why: it stays in the field.
    #[prop(optional_no_strip)]
    unread: Option<(String, String)>,
) -> impl IntoView {
    let mut kept = query.kept(PARAMETER);
    let qualifiers = query.search.qualifiers();
    if !qualifiers.is_empty() {
        kept.push((PARAMETER, qualifiers.to_string()));
    }
    let chips = chips_of(&query, &templates, &names);
    let (typed, error) = unread.unzip();
    let value = typed.unwrap_or_else(|| query.search.words().to_string());
    let has_chips = !chips.is_empty();
    let chips = has_chips.then(|| {
        let items = chips.into_iter().map(|chip| view! { <Chip chip/> }).collect_view();
        view! { <ul class="chips" aria-label="Filters">{items}</ul> }
    });
    view! {
        <div class="search-bar">
            <SearchField value kept is_invalid=error.is_some() has_chips/>
            <SearchBy/>
            {error.map(|error| view! { <p class="field-error" id=ERROR role="alert">{error}</p> })}
            {chips}
        </div>
    }
}

/// The id of the field.
const FIELD: &str = "search";

/// The id of what is wrong with a search.
const ERROR: &str = "search-error";

#[component]
fn SearchField(
    value: String,
    kept: Fields,
    is_invalid: bool,
    /// Whether something narrows the list already, which the next search adds to.
    has_chips: bool,
) -> impl IntoView {
    let placeholder = if has_chips { "Search within these" } else { "Address, subject, any id" };
    view! {
        <form class="search" role="search" method="get" action=mounted("/logs")>
            <HiddenFields fields=kept/>
            <Icon glyph=Glyph::Search/>
            <input
                id=FIELD
                type="search"
                name=PARAMETER
                data-suggest=mounted("/logs/suggest")
                enterkeyhint="search"
                aria-label="Search messages"
                placeholder=placeholder
                value=value
                aria-invalid=is_invalid.then_some("true")
                aria-describedby=is_invalid.then_some(ERROR)
                maxlength=MAX_CHARS
                autocomplete="off"
                autocapitalize="off"
                spellcheck="false"
            />
            <ul id="suggestions" class="suggestions" role="listbox" aria-label="Suggestions" hidden></ul>
        </form>
    }
}

/// What can stand before a colon, each with an example.
#[component]
fn SearchBy() -> impl IntoView {
    // Metadata is part of the contents.
    let has_contents = use_context::<Viewer>().is_some_and(|viewer| sees_contents(&viewer));
    let rows = Qualifier::ALL
        .into_iter()
        .filter(|qualifier| has_contents || *qualifier != Qualifier::Meta)
        .map(|qualifier| {
            let example = qualifier.example();
            let begun = example.split_inclusive(':').next().unwrap_or(example);
            view! { <dt><label for=FIELD data-insert=begun><code>{example}</code></label></dt><dd>{qualifier.label()}</dd> }
        })
        .collect_view();
    view! {
        <Menu label="Search by…".into_any() class="quiet menu-end search-by">
            <p class="hint">
                "A message is found when all of it holds. Several values have commas between them; a value with blanks stands in double quotes. A " <code>"-"</code>
                " before it means not: " <code>"-status:delivered"</code> "."
            </p>
            <dl>{rows}</dl>
        </Menu>
    }
}

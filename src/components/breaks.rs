//! Texts that a narrow column breaks where people would, rather than within a word.

use leptos::prelude::*;

/// A text that can break before each `mark`: an address before its `@`, a network address before a `:`.
pub fn breaking(text: &str, mark: char) -> AnyView {
    let mut parts = text.split(mark);
    let first = parts.next().unwrap_or_default().to_owned();
    let rest = parts.map(|part| {
        let part = format!("{mark}{part}");
        view! { <wbr/>{part} }
    });
    let rest = rest.collect_view();
    if rest.is_empty() { first.into_any() } else { view! { {first}{rest} }.into_any() }
}

/// An address, with or without a name, which has a line of its own where both do not fit.
pub fn mailbox(text: &str) -> AnyView {
    let (name, address) = text.split_at(text.rfind('<').unwrap_or(0));
    let name = (!name.is_empty()).then(|| name.to_owned());
    view! { {name}<span class="address">{breaking(address, '@')}</span> }.into_any()
}

//! What the address of the page that is being made says.

use leptos::prelude::*;
use leptos_router::hooks::use_location;

use crate::domain::address::pairs;

/// The value of a parameter. The router's own map of them decodes each twice, which turns an address within an address, and
/// a percent sign, into something else.
pub fn query_value(name: &str) -> Option<String> {
    let query = use_location().search.get_untracked();
    pairs(&query).into_iter().find_map(|(known, value)| (known == name).then_some(value))
}

//! Whom to ask for what the viewer's role does not include. [Owners] is in the context of every page of somebody whose role
//! lacks something that a page tells of.

use leptos::prelude::*;

use crate::domain::mount::mounted;
use crate::domain::plain_words::whom_to_ask;
use crate::domain::team::TeamOwner;

/// Those who can give a permission: the team's owners.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners(pub Vec<TeamOwner>);

/// What the viewer's role lacks, and whom to ask: "Your role cannot resend messages. Ask Ada (owner)." Where one person is to be
/// asked, the sentence leads to a letter to them.
#[component]
pub fn WhomToAsk() -> impl IntoView {
    let Owners(owners) = use_context().unwrap_or_default();
    match &owners[..] {
        [] => whom_to_ask(&owners).into_any(),
        [_, ..] => {
            let last = owners.len() - 1;
            let role = if last == 0 { " (owner)." } else { " (owners)." };
            let names = owners.into_iter().enumerate().map(move |(place, owner)| {
                // Nothing at all before the first: an empty text would be a blank of its own.
                let between = match place {
                    0 => None,
                    _ if place == last => Some(" or "),
                    _ => Some(", "),
                };
                view! { {between}<a href=mounted(format!("mailto:{}", owner.email))>{owner.name}</a> }
            });
            view! { "Ask " {names.collect_view()} {role} }.into_any()
        }
    }
}

//! Whom to ask for what the viewer's role does not include. [Owners] is in the context of every page of somebody whose role
//! lacks something that a page tells of.

use leptos::prelude::*;

/// The names of those who can give a permission: the team's owners.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owners(pub Vec<String>);

/// One line: "Ask Ada, who can change that." The names are those of the team's owners.
#[component]
pub fn WhomToAsk() -> impl IntoView {
    let owners = use_context::<Owners>().unwrap_or_default();
    format!("Ask {}, who can change that.", any_of(&owners.0))
}

/// The names as people say them: "Ada, Bob or Eve".
pub fn any_of(names: &[String]) -> String {
    match names {
        [] => "an owner of the team".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_said_as_people_say_them() {
        let said = |names: &[&str]| any_of(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(said(&[]), "an owner of the team");
        assert_eq!(said(&["Ada"]), "Ada");
        assert_eq!(said(&["Ada", "Bob", "Eve"]), "Ada, Bob or Eve");
    }
}

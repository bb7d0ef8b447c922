//! A field of an adapter's form whose value is never given back, and what is said of it.

use crate::domain::adapter::form::TYPED_SECRETS;
use crate::domain::draft::Draft;

/// A field whose value is never given back.
pub(super) struct Secret {
    pub name: &'static str,
    pub what: &'static str,
    /// What it belongs to.
    pub place: &'static str,
    /// Whether one is saved.
    pub is_kept: bool,
    /// Whether a form that was refused leads to another place than the saved one.
    pub has_moved: bool,
}

impl Secret {
    /// The hint under the field and what is wrong beside it: together they say one thing, what applies now.
    pub fn words(self, draft: &Draft, usual: &str) -> (String, Option<String>) {
        let Self { name, what, place, is_kept, has_moved } = self;
        let was_typed = draft.text(TYPED_SECRETS).split(' ').any(|typed| typed == name);
        let refused = |words: &str| (String::new(), Some(words.to_owned()));
        match (draft.error(name), was_typed, is_kept) {
            (Some(error), _, _) => refused(&error),
            (None, true, true) if !has_moved => {
                refused("What you typed here was not kept. Type it again, or leave this empty to keep the saved one.")
            }
            (None, true, _) => refused("Type it again: what you typed here was not kept."),
            (None, false, true) if has_moved => {
                (format!("The saved {what} belongs to the previous {place}. Type the one of this {place}."), None)
            }
            (None, false, true) => {
                let hint = format!(
                    "A {what} is saved and not shown. Leave this empty to keep it. Another {place} needs its own."
                );
                (hint, None)
            }
            (None, false, false) => (usual.to_owned(), None),
        }
    }
}

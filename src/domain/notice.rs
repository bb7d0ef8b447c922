//! What a form says on the page that follows it.

use serde::{Deserialize, Serialize};

/// A sentence about what was just done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub kind: NoticeKind,
    /// A sentence for people. Lines after the first are shown as code to copy: a key, a link.
    pub text: String,
    /// What takes back what was done.
    pub undo: Option<Undo>,
}

/// Good news, what to look at, or bad news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoticeKind {
    Success,
    Warning,
    Error,
}

/// A form that takes back what another did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// Where the form is sent.
    pub action: String,
    /// The id of what is brought back, or thrown away.
    pub id: String,
    /// What its button says.
    pub label: String,
}

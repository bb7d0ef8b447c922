//! How somebody wants the list of the log to look: which columns stand beside the recipient and the time, and how close its
//! rows are. Remembered in a cookie, whose value is [ListView]'s text.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::named::named;

named! {
    /// A column that can be left out.
    pub enum Column, "unknown column" {
        Status = "status" "Status",
        Subject = "subject" "Subject",
        Template = "template" "Template",
    }
}

/// The word for rows that are close.
const DENSE: &str = "dense";

/// The look of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListView {
    pub is_dense: bool,
    /// The columns that are left out, each once, in [Column::ALL]'s order.
    pub hidden: Vec<Column>,
}

impl ListView {
    /// Reads what it is written as. Words that are not known are passed over.
    pub fn read(text: &str) -> Self {
        let words: Vec<&str> = text.split('-').collect();
        let hidden = Column::ALL.into_iter().filter(|column| words.contains(&column.as_str())).collect();
        Self { is_dense: words.contains(&DENSE), hidden }
    }

    /// Whether it is as it comes.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// The names of the columns that are left out, with blanks between them.
    pub fn hidden_names(&self) -> String {
        self.hidden.iter().map(|column| column.as_str()).collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Display for ListView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dense = self.is_dense.then_some(DENSE);
        let words: Vec<&str> = dense.into_iter().chain(self.hidden.iter().map(|column| column.as_str())).collect();
        f.write_str(&words.join("-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_reads_back_from_its_cookie_and_what_is_unknown_is_passed_over() {
        let view = ListView { is_dense: true, hidden: vec![Column::Status, Column::Template] };
        assert_eq!(view.to_string(), "dense-status-template");
        assert_eq!(ListView::read("dense-status-template"), view);
        assert_eq!(
            ListView::read("template-nope-template"),
            ListView { is_dense: false, hidden: vec![Column::Template] }
        );
        assert!(["", "nope", "recipient"].into_iter().all(|text| ListView::read(text).is_usual()));
    }
}

//! What a field takes, where the page itself can see that something else was typed: said beside the field before anything is
//! sent. Without a script the server says it, in the same words.

use std::fmt;
use std::str::FromStr;

/// What a field takes that is not empty. Its text form stands in `data-rule`: `number 1 65535`, `mailbox`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldRule {
    /// A whole number in this range.
    Number { min: u32, max: u32 },
    /// An email address, with or without a name before it.
    Mailbox,
}

impl FieldRule {
    /// Whether the field takes this text. Nothing is always taken: that a field must be filled in is another matter.
    pub fn takes(self, text: &str) -> bool {
        let text = text.trim();
        match self {
            _ if text.is_empty() => true,
            Self::Number { min, max } => text.parse().is_ok_and(|number: u32| (min..=max).contains(&number)),
            Self::Mailbox => text.rsplit_once('@').is_some_and(|(local, domain)| {
                let is_part = |letter: char| !letter.is_whitespace() && !"<>".contains(letter);
                local.ends_with(is_part) && domain.starts_with(is_part)
            }),
        }
    }
}

impl fmt::Display for FieldRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number { min, max } => write!(f, "number {min} {max}"),
            Self::Mailbox => f.write_str("mailbox"),
        }
    }
}

impl FromStr for FieldRule {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let number = |text: &str| text.parse().map_err(|_| ());
        match *text.split(' ').collect::<Vec<_>>() {
            ["number", min, max] => Ok(Self::Number { min: number(min)?, max: number(max)? }),
            ["mailbox"] => Ok(Self::Mailbox),
            _ => Err(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_reads_back_and_takes_what_it_says() {
        let port = FieldRule::Number { min: 1, max: 65_535 };
        for rule in [port, FieldRule::Mailbox] {
            assert_eq!(rule.to_string().parse(), Ok(rule));
        }
        for (rule, text, is_taken) in [
            (port, "", true),
            (port, " 587 ", true),
            (port, "65535", true),
            (port, "0", false),
            (port, "65536", false),
            (port, "99999999999", false),
            (port, "smtp", false),
            (port, "2.5", false),
            (FieldRule::Mailbox, "Finch <post@finch.example>", true),
            (FieldRule::Mailbox, "post@finch.example", true),
            (FieldRule::Mailbox, "Finch", false),
            (FieldRule::Mailbox, "Finch <post@>", false),
            (FieldRule::Mailbox, "@finch.example", false),
        ] {
            assert_eq!(rule.takes(text), is_taken, "{text}");
        }
    }
}

//! The rules that tell a reply's class: data, read once.

use std::sync::OnceLock;

use serde::Deserialize;

use super::FailureClass;
use super::provider::MailboxProvider;
use super::reply::{EnhancedCode, Reply};
use crate::domain::channel::Channel;

/// In the order in which they are asked; within each, the first rule that matches decides.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rules {
    /// What one provider means by its words.
    pub provider: Vec<Rule>,
    /// Enhanced codes that say enough, save where servers are known to use them otherwise.
    pub enhanced: Vec<Rule>,
    /// Words that any server uses.
    pub text: Vec<Rule>,
    /// Codes that say little, asked when nothing else spoke.
    pub basic: Vec<Rule>,
}

/// Everything that it names must be so.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    #[serde(default)]
    pub provider: Option<String>,
    /// A rule for telephones does not read what mail servers say, nor the other way round; one without it reads all.
    #[serde(default)]
    pub medium: Option<Medium>,
    /// `550` or `45x`.
    #[serde(default)]
    pub code: Option<String>,
    /// `5.1.1`, `x.1.1`, `5.7.x` or `5.7.606-649`.
    #[serde(default)]
    pub enhanced: Option<String>,
    /// All of them must occur, in lower case.
    #[serde(default)]
    pub words: Vec<String>,
    pub class: FailureClass,
    /// The document that states it, or "seen": read from replies.
    #[cfg_attr(not(test), expect(dead_code, reason = "for those who read the rules"))]
    pub source: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Medium {
    Mail,
    Phone,
    Push,
}

impl Medium {
    const fn of(channel: Channel) -> Self {
        match channel {
            Channel::Email => Self::Mail,
            Channel::Sms | Channel::Call => Self::Phone,
            Channel::Push | Channel::InApp => Self::Push,
        }
    }
}

pub(super) fn rules() -> &'static Rules {
    static RULES: OnceLock<Rules> = OnceLock::new();
    RULES.get_or_init(|| serde_json::from_str(include_str!("rules.json")).unwrap_or_default())
}

impl Rules {
    /// The rule that the reply's own words or codes decide by.
    pub fn spoken(&self, channel: Channel, provider: Option<&MailboxProvider>, reply: &Reply) -> Option<&Rule> {
        let mut asked = self.provider.iter().chain(&self.enhanced).chain(&self.text);
        asked.find(|rule| rule.matches(channel, provider, reply))
    }

    pub fn last_resort(&self, channel: Channel, provider: Option<&MailboxProvider>, reply: &Reply) -> Option<&Rule> {
        self.basic.iter().find(|rule| rule.matches(channel, provider, reply))
    }
}

impl Rule {
    fn matches(&self, channel: Channel, provider: Option<&MailboxProvider>, reply: &Reply) -> bool {
        self.medium.is_none_or(|medium| medium == Medium::of(channel))
            && self.provider.as_ref().is_none_or(|name| provider.is_some_and(|provider| provider.name == *name))
            && self.code.as_ref().is_none_or(|pattern| reply.code.is_some_and(|code| is_code(pattern, code)))
            && self
                .enhanced
                .as_ref()
                .is_none_or(|pattern| reply.enhanced.is_some_and(|code| is_enhanced(pattern, code)))
            && self.words.iter().all(|words| has_words(&reply.text, words))
    }
}

/// `locked` is not in `blocked`, `authenticat` is in `authentication`: a word may go on, but not begin, elsewhere.
fn has_words(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, _)| !text[..at].ends_with(char::is_alphanumeric))
}

fn is_code(pattern: &str, code: u16) -> bool {
    let code = code.to_string();
    pattern.len() == code.len() && pattern.chars().zip(code.chars()).all(|(one, digit)| one == 'x' || one == digit)
}

fn is_enhanced(pattern: &str, code: EnhancedCode) -> bool {
    let numbers = [u16::from(code.class), code.subject, code.detail];
    pattern.split('.').zip(numbers).all(|(part, number)| match part.split_once('-') {
        Some((from, to)) => {
            from.parse().is_ok_and(|from: u16| from <= number) && to.parse().is_ok_and(|to: u16| number <= to)
        }
        None => part == "x" || part.parse() == Ok(number),
    })
}

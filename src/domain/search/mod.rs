//! The language of the search field: words, phrases in double quotes, and qualifiers, `status:bounced,failed
//! -template:"Order receipt" ada`. Read here and nowhere else: by the page, the API and the exports. All that is written
//! must hold; of the values of one qualifier, with commas or written again, any. Blanks may follow a qualifier's colon; times
//! (`10:30`), links and other words whose colon a blank follows are words.

mod near;
mod qualifier;
mod spelling;
#[cfg(test)]
mod tests;
mod typing;

use std::fmt;
use std::str::FromStr;

use super::error::AppError;
pub use near::is_reply_code;
pub use qualifier::{PROBLEMS, Qualifier, statuses_of};
pub use typing::{Typed, Typing};

/// The name of the parameter that holds a search.
pub const PARAMETER: &str = "q";

/// The longest search, in characters.
pub const MAX_CHARS: usize = 500;

/// What was searched for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// Words and phrases, in their order: without quotes around them, runs of blanks made one, never empty.
    pub terms: Vec<String>,
    /// The qualifiers, each with its values once, in their order.
    pub conditions: Vec<Condition>,
}

/// A qualifier with its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub qualifier: Qualifier,
    /// The field of [Qualifier::Meta]; empty for the others.
    pub field: String,
    /// Whether it must not hold.
    pub is_not: bool,
    /// Any of these; checked, each once.
    pub values: Vec<String>,
}

impl Search {
    /// Reads what was typed. The error names what is wrong and says what is right.
    pub fn parse(text: &str) -> Result<Self, AppError> {
        if text.chars().count() > MAX_CHARS {
            return Err(invalid(format!("use at most {MAX_CHARS} characters")));
        }
        if text.contains('\0') {
            return Err(invalid("text must not hold the character U+0000"));
        }
        let mut search = Self::default();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let after = if let Some(quoted) = rest.strip_prefix('"') {
                let (phrase, after) = quoted.split_once('"').unwrap_or((quoted, ""));
                search.add_term(phrase);
                after
            } else if let Some((condition, after)) = read_condition(rest)? {
                search.add(condition)?;
                after
            } else {
                let (word, after) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
                search.add_term(word);
                after
            };
            rest = after.trim_start();
        }
        Ok(search)
    }

    /// Words alone: what looks like a qualifier is one of them.
    pub fn of_words(text: &str) -> Self {
        let mut search = Self::default();
        // A quote has no place in a phrase.
        text.split(|mark: char| mark.is_whitespace() || mark == '"').for_each(|word| search.add_term(word));
        search
    }

    fn add_term(&mut self, term: &str) {
        let term = term.split_whitespace().collect::<Vec<_>>().join(" ");
        if !term.is_empty() {
            self.terms.push(term);
        }
    }

    /// Adds a qualifier whose values are not checked yet.
    pub fn add(&mut self, condition: Condition) -> Result<(), AppError> {
        let Condition { qualifier, field, is_not, values } = condition;
        if let Some(instead) = qualifier.why_not_denied().filter(|_| is_not) {
            return Err(invalid(instead));
        }
        let checked: Result<Vec<String>, String> = values.iter().map(|value| qualifier.checked(value.trim())).collect();
        let checked = checked.map_err(invalid)?;
        let is_same = |known: &&mut Condition| {
            (known.qualifier, known.is_not) == (qualifier, is_not) && known.field.eq_ignore_ascii_case(&field)
        };
        let known = match self.conditions.iter_mut().find(is_same) {
            Some(known) => known,
            None => {
                self.conditions.push(Condition { qualifier, field, is_not, values: Vec::new() });
                let last = self.conditions.len() - 1;
                &mut self.conditions[last]
            }
        };
        for value in checked {
            if !known.values.contains(&value) {
                known.values.push(value);
            }
        }
        if matches!(qualifier, Qualifier::Before | Qualifier::After) && known.values.len() > 1 {
            return Err(invalid(format!("use {}: once", qualifier.as_str())));
        }
        Ok(())
    }

    /// Whether nothing was searched for.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty() && self.conditions.is_empty()
    }

    /// The words and phrases, as the search for them takes them: phrases in double quotes. `None` where there are none.
    pub fn free_text(&self) -> Option<String> {
        let quoted = |term: &String| match term.contains(' ') {
            true => format!("\"{term}\""),
            false => term.clone(),
        };
        (!self.terms.is_empty()).then(|| self.terms.iter().map(quoted).collect::<Vec<_>>().join(" "))
    }

    /// The words as they stand in the field: the search without its qualifiers.
    pub fn words(&self) -> Self {
        Self { terms: self.terms.clone(), conditions: Vec::new() }
    }

    /// The qualifiers: the search without its words.
    pub fn qualifiers(&self) -> Self {
        Self { terms: Vec::new(), conditions: self.conditions.clone() }
    }

    /// The one word that it is, where it is no more.
    pub fn only_word(&self) -> Option<&str> {
        match (self.terms.as_slice(), self.conditions.is_empty()) {
            ([word], true) if !word.contains(' ') => Some(word),
            _ => None,
        }
    }

    /// Whether it says when.
    pub fn has_times(&self) -> bool {
        self.conditions.iter().any(|condition| is_time(condition.qualifier))
    }

    /// The same, whenever.
    pub fn without_times(mut self) -> Self {
        self.conditions.retain(|condition| !is_time(condition.qualifier));
        self
    }

    /// Takes a qualifier that must hold out and gives its values.
    pub fn take(&mut self, qualifier: Qualifier) -> Vec<String> {
        let is_meant = |condition: &Condition| condition.qualifier == qualifier && !condition.is_not;
        let taken = self.conditions.iter().filter(|condition| is_meant(condition));
        let values = taken.flat_map(|condition| condition.values.clone()).collect();
        self.conditions.retain(|condition| !is_meant(condition));
        values
    }
}

const fn is_time(qualifier: Qualifier) -> bool {
    matches!(qualifier, Qualifier::Before | Qualifier::After)
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.terms.len().saturating_sub(1);
        let terms = self.terms.iter().enumerate().map(|(index, term)| {
            // As a qualifier it would take the next word.
            let takes_next = index < last && term.ends_with(':') && names_qualifier(term);
            match term.contains(' ') || takes_next || !is_word(term) {
                true => format!("\"{term}\""),
                false => term.clone(),
            }
        });
        let parts: Vec<String> = terms.chain(self.conditions.iter().map(ToString::to_string)).collect();
        f.write_str(&parts.join(" "))
    }
}

impl Condition {
    /// A qualifier that must hold.
    pub fn of(qualifier: Qualifier, values: impl IntoIterator<Item = String>) -> Self {
        Self { qualifier, field: String::new(), is_not: false, values: values.into_iter().collect() }
    }

    /// What stands before the colon: `-meta.order`.
    pub fn name(&self) -> String {
        let (not, name) = (if self.is_not { "-" } else { "" }, self.qualifier.as_str());
        if self.field.is_empty() { format!("{not}{name}") } else { format!("{not}{name}.{}", self.field) }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values: Vec<String> = self.values.iter().map(|value| quoted_value(value)).collect();
        write!(f, "{}:{}", self.name(), values.join(","))
    }
}

/// Whether a text without blanks reads as a word.
fn is_word(text: &str) -> bool {
    matches!(read_condition(text), Ok(None))
}

fn quoted_value(value: &str) -> String {
    let is_plain = !value.chars().any(|mark| mark.is_whitespace() || matches!(mark, ',' | '"'));
    if is_plain && !value.starts_with("//") { value.to_owned() } else { format!("\"{}\"", value.replace('"', "\"\"")) }
}

/// A qualifier at the beginning of a text, and what comes after it; `None` where a word stands there.
fn read_condition(text: &str) -> Result<Option<(Condition, &str)>, AppError> {
    let (is_not, body) = text.strip_prefix('-').map_or((false, text), |body| (true, body));
    let Some((noun, field, after)) = read_name(body) else { return Ok(None) };
    let is_name = !noun.is_empty() && noun.bytes().all(|letter| letter.is_ascii_alphabetic());
    if !is_name || after.is_empty() || after.starts_with("//") {
        return Ok(None);
    }
    let qualifier = match Qualifier::from_str(&noun.to_ascii_lowercase()) {
        Ok(qualifier) => qualifier,
        Err(_) if after.starts_with(char::is_whitespace) => return Ok(None),
        Err(_) => return Err(qualifier::unknown(noun)),
    };
    let Some(after) = values_behind(after) else { return Ok(None) };
    if qualifier == Qualifier::Meta && field.is_empty() {
        return Err(invalid(format!("name the field, as in {}", qualifier.example())));
    }
    let (values, after) = read_values(after);
    Ok(Some((Condition { qualifier, field: field.to_owned(), is_not, values }, after)))
}

/// What stands before the first colon, the field of metadata behind its dot, and what stands behind the colon.
fn read_name(text: &str) -> Option<(&str, &str, &str)> {
    let (name, after) = text.split_once(':')?;
    Some(match name.split_once('.') {
        Some((noun, field)) if noun.eq_ignore_ascii_case(Qualifier::Meta.as_str()) && is_field(field) => {
            (noun, field, after)
        }
        _ => (name, "", after),
    })
}

/// Whether a text begins with the name of a qualifier and its colon.
fn names_qualifier(text: &str) -> bool {
    let name = read_name(text.strip_prefix('-').unwrap_or(text));
    name.is_some_and(|(noun, _, _)| Qualifier::from_str(&noun.to_ascii_lowercase()).is_ok())
}

/// The values behind the colon of a qualifier, where blanks may stand before them; `None` where nothing but blanks is there,
/// or blanks and the next qualifier.
fn values_behind(after: &str) -> Option<&str> {
    let values = after.trim_start();
    let has_blanks = values.len() < after.len();
    (!has_blanks || !values.is_empty() && !names_qualifier(values)).then_some(values)
}

/// The name of a field of metadata.
fn is_field(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// Values with commas between them, each as it is or in double quotes, in which a quote is written twice.
fn read_values(text: &str) -> (Vec<String>, &str) {
    let (mut values, mut rest) = (Vec::new(), text);
    loop {
        if let Some(quoted) = rest.strip_prefix('"') {
            let (value, after) = read_quoted(quoted);
            values.push(value);
            rest = after;
        } else {
            let end = rest.find(|mark: char| mark.is_whitespace() || mark == ',').unwrap_or(rest.len());
            let (value, after) = rest.split_at(end);
            values.push(value.to_owned());
            rest = after;
        }
        match rest.strip_prefix(',') {
            Some(next) if !next.is_empty() && !next.starts_with(char::is_whitespace) => rest = next,
            Some(next) => return (values, next),
            None => return (values, rest),
        }
    }
}

fn read_quoted(text: &str) -> (String, &str) {
    let (mut value, mut rest) = (String::new(), text);
    loop {
        let (before, after) = rest.split_once('"').unwrap_or((rest, ""));
        value.push_str(before);
        match after.strip_prefix('"') {
            Some(after) => {
                value.push('"');
                rest = after;
            }
            None => return (value, after),
        }
    }
}

fn invalid(message: impl Into<String>) -> AppError {
    AppError::invalid_field(PARAMETER, message)
}

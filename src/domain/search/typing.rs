//! What of a search is being typed: the name of a qualifier or one of its values, where the caret stands. Called by the
//! suggestions, which put something else in its place.

use std::str::FromStr;

use super::{Qualifier, quoted_value, values_behind};

/// The part of a search at the caret, and what it begins to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typing<'a> {
    text: &'a str,
    /// Where the part begins and ends, in bytes.
    start: usize,
    end: usize,
    pub what: Typed,
}

/// What is begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// The name of a qualifier, in lower case, at least one letter.
    Name { begun: String },
    /// A value of a qualifier; empty right behind the colon or a comma.
    Value { qualifier: Qualifier, begun: String },
}

impl<'a> Typing<'a> {
    /// What is typed at the caret, which stands `caret` UTF-16 code units into the text, as browsers count. `None` where
    /// nothing is that could be completed: in a phrase, behind a blank, in the middle of a word.
    pub fn at(text: &'a str, caret: usize) -> Option<Self> {
        let caret = byte_at(text, caret);
        let before = &text[..caret];
        let place = |rest: &str| before.len() - rest.len();
        let mut rest = before.trim_start();
        while !rest.is_empty() {
            if let Some(quoted) = rest.strip_prefix('"') {
                rest = quoted.split_once('"')?.1.trim_start();
                continue;
            }
            let word = &rest[..rest.find(char::is_whitespace).unwrap_or(rest.len())];
            let name = word.strip_prefix('-').unwrap_or(word);
            let known = name.split_once(':').and_then(|(name, _)| Qualifier::from_str(&name.to_ascii_lowercase()).ok());
            if let Some(qualifier) = known {
                let (_, after) = rest.split_once(':')?;
                match value_at_end(values_behind(after).unwrap_or(after)) {
                    Ok(begun) => {
                        let start = place(begun);
                        return Some(Self::of_value(text, start, caret, qualifier));
                    }
                    Err(after) => rest = after.trim_start(),
                }
                continue;
            }
            if word.len() == rest.len() {
                let is_name = !name.is_empty() && name.bytes().all(|letter| letter.is_ascii_alphabetic());
                return is_name.then(|| Self::of_name(text, place(name), caret));
            }
            rest = rest[word.len()..].trim_start();
        }
        None
    }

    fn of_name(text: &'a str, start: usize, caret: usize) -> Self {
        let after = &text[caret..];
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let colon = usize::from(after[letters..].starts_with(':'));
        let what = Typed::Name { begun: text[start..caret].to_ascii_lowercase() };
        Self { text, start, end: caret + letters + colon, what }
    }

    fn of_value(text: &'a str, start: usize, caret: usize, qualifier: Qualifier) -> Self {
        let (begun, after) = (&text[start..caret], &text[caret..]);
        let (begun, length) = match begun.strip_prefix('"') {
            Some(begun) => (begun.replace("\"\"", "\""), after.find('"').map_or(after.len(), |quote| quote + 1)),
            None => {
                let end = after.find(|mark: char| mark.is_whitespace() || mark == ',');
                (begun.to_owned(), end.unwrap_or(after.len()))
            }
        };
        Self { text, start, end: caret + length, what: Typed::Value { qualifier, begun } }
    }

    /// The search with a qualifier's name in the place of what is typed, and where the caret then stands: behind the colon.
    pub fn with_name(&self, qualifier: Qualifier) -> (String, usize) {
        let mark = if qualifier == Qualifier::Meta { '.' } else { ':' };
        self.with(&format!("{}{mark}", qualifier.as_str()))
    }

    /// The search with a value in the place of what is typed, in quotes where it needs them, and where the caret then stands:
    /// behind a blank, where the next word begins; behind the value itself in a list with commas, which may go on.
    pub fn with_value(&self, value: &str) -> (String, usize) {
        let value = quoted_value(value);
        let is_in_list = self.text[..self.start].ends_with(',') || self.text[self.end..].starts_with(',');
        if is_in_list {
            return self.with(&value);
        }
        self.with_condition(&value)
    }

    /// The search with a whole condition in the place of what is typed, or the end of one, and the caret behind a blank.
    pub fn with_condition(&self, condition: &str) -> (String, usize) {
        let has_blank = self.text[self.end..].starts_with(char::is_whitespace);
        let blank = if has_blank { "" } else { " " };
        let (search, caret) = self.with(&format!("{condition}{blank}"));
        (search, caret + usize::from(has_blank))
    }

    fn with(&self, part: &str) -> (String, usize) {
        let before = format!("{}{part}", &self.text[..self.start]);
        let caret = before.encode_utf16().count();
        (before + &self.text[self.end..], caret)
    }
}

/// The value that the text ends in and that is not finished, as it is written; or, where all values are, what comes after.
fn value_at_end(mut values: &str) -> Result<&str, &str> {
    loop {
        let begun = values;
        let after = if let Some(mut inside) = values.strip_prefix('"') {
            loop {
                let Some((_, after)) = inside.split_once('"') else { return Ok(begun) };
                match after.strip_prefix('"') {
                    Some(more) => inside = more,
                    None => break after,
                }
            }
        } else {
            let Some(end) = values.find(|mark: char| mark.is_whitespace() || mark == ',') else { return Ok(begun) };
            &values[end..]
        };
        match after.strip_prefix(',') {
            Some(next) => values = next,
            None => return Err(after),
        }
    }
}

/// Where so many UTF-16 code units of a text end, in bytes.
fn byte_at(text: &str, units: usize) -> usize {
    let mut counted = 0;
    for (at, letter) in text.char_indices() {
        if counted >= units {
            return at;
        }
        counted += letter.len_utf16();
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is typed where the `|` stands.
    fn at(marked: &str) -> Option<Typed> {
        let caret = marked.split('|').next().unwrap().encode_utf16().count();
        Typing::at(&marked.replace('|', ""), caret).map(|typing| typing.what)
    }

    fn name(begun: &str) -> Option<Typed> {
        Some(Typed::Name { begun: begun.to_owned() })
    }

    fn value(qualifier: Qualifier, begun: &str) -> Option<Typed> {
        Some(Typed::Value { qualifier, begun: begun.to_owned() })
    }

    #[test]
    fn only_the_part_at_the_caret_is_typed() {
        for (marked, wanted) in [
            ("st|", name("st")),
            ("-ST|", name("st")),
            ("ada st|at tag:x", name("st")),
            ("status:|", value(Qualifier::Status, "")),
            ("-status:bo|", value(Qualifier::Status, "bo")),
            ("ada status:bounced,f|ai tag:x", value(Qualifier::Status, "f")),
            ("template:\"Order re|ceipt\" ada", value(Qualifier::Template, "Order re")),
            ("template:\"a b\",W|", value(Qualifier::Template, "W")),
            ("template:\"5\"\" di|", value(Qualifier::Template, "5\" di")),
            ("😀 tag:é|", value(Qualifier::Tag, "é")),
            ("tag:a st|", name("st")),
            ("", None),
            ("|st", None),
            ("status: |", None),
            ("status: bo|", value(Qualifier::Status, "bo")),
            ("status: tag:x|", value(Qualifier::Tag, "x")),
            ("to: ada st|", name("st")),
            ("tag:\"a b\"|", None),
            ("\"st|", None),
            ("\"a b\" st|", name("st")),
            ("a1|", None),
            ("10:3|", None),
            ("meta.order:4|", None),
        ] {
            assert_eq!(at(marked), wanted, "{marked}");
        }
    }

    #[test]
    fn a_suggestion_takes_the_place_of_the_part_and_the_caret_stands_behind_it() {
        let text = "😀 sta:x tag:a,o,c";
        let typing = Typing::at(text, 5).unwrap();
        assert_eq!(typing.with_name(Qualifier::Status), ("😀 status:x tag:a,o,c".to_owned(), 10));
        let typing = Typing::at(text, 16).unwrap();
        let (with, caret) = typing.with_value("on call");
        assert_eq!((with.as_str(), caret), ("😀 sta:x tag:a,\"on call\",c", 24));
        let quoted = Typing::at("template:\"Or de\" x", 12).unwrap();
        assert_eq!(quoted.with_value("Orders").0, "template:Orders x");
    }

    #[test]
    fn behind_a_value_the_next_word_begins_unless_more_values_may_come() {
        let taken = |marked: &str| {
            let (caret, text) = (marked.find('|').unwrap(), marked.replace('|', ""));
            let (search, caret) = Typing::at(&text, caret).unwrap().with_value("sms");
            format!("{}|{}", &search[..caret], &search[caret..])
        };
        assert_eq!(taken("channel:s|"), "channel:sms |");
        assert_eq!(taken("channel:s| ada"), "channel:sms |ada");
        assert_eq!(taken("channel:push,s|"), "channel:push,sms|");
        assert_eq!(taken("channel:s|,push"), "channel:sms|,push");
    }
}

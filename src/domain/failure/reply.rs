//! What a server said, read: its codes, and its words folded so that rules can look for them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `5.1.1`. Source: RFC 3463; the registry of RFC 5248.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EnhancedCode {
    /// 4: may pass; 5: for good.
    pub class: u8,
    pub subject: u16,
    pub detail: u16,
}

impl EnhancedCode {
    /// Subjects go up to 7, so that no version of a program or an address is taken for a code.
    fn parse(word: &str) -> Option<Self> {
        let mut numbers = word.split('.').map(|part| {
            let is_number = (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| part.parse().ok()).flatten()
        });
        let (class, subject, detail) = (numbers.next()??, numbers.next()??, numbers.next()??);
        let is_code = numbers.next().is_none() && matches!(class, 4 | 5) && subject <= 7;
        is_code.then_some(Self { class: if class == 4 { 4 } else { 5 }, subject, detail })
    }
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// A reply without its line breaks: the codes, which stand on every line of it, are taken out of the words.
#[derive(Debug, Default)]
pub(super) struct Reply {
    /// 400 to 599: of SMTP, or of HTTP where an adapter speaks that.
    pub code: Option<u16>,
    pub enhanced: Option<EnhancedCode>,
    /// In lower case, one blank between words, `@` for every address: `<no.spam@example.com>` says nothing of spam.
    pub text: String,
    /// The words from the code on, without the codes. What stands before it is who tells of the reply, not the reply.
    pub words: Vec<String>,
}

impl Reply {
    pub fn read(raw: &str) -> Self {
        let mut reply = Self::default();
        let mut all = Vec::new();
        for word in raw.to_lowercase().replace(['’', '‘'], "'").split_whitespace() {
            if let Some(word) = reply.without_codes(word) {
                let word = without_address(word);
                reply.words.push(word.clone());
                all.push(word);
            }
        }
        reply.text = all.join(" ");
        reply
    }

    /// This one, or the other where this says nothing.
    pub fn or<'a>(&'a self, other: &'a Self) -> &'a Self {
        if self.words.is_empty() && self.code.is_none() { other } else { self }
    }

    /// `550 5.1.1`, or the one of the two that is there.
    pub fn codes(&self) -> Option<String> {
        let codes = [self.code.map(|code| code.to_string()), self.enhanced.map(|code| code.to_string())];
        let codes: Vec<String> = codes.into_iter().flatten().collect();
        (!codes.is_empty()).then(|| codes.join(" "))
    }

    /// The word, unless it is a code: `550`, `550-5.1.1`, `(#5.1.1)`, `550-please`.
    fn without_codes<'a>(&mut self, word: &'a str) -> Option<&'a str> {
        let mut rest = word;
        if let Some((code, after)) = basic_code(word) {
            if self.code.is_none() {
                self.code = Some(code);
                self.words.clear();
            }
            if self.code == Some(code) {
                rest = after;
            }
        }
        let bare = rest.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        match EnhancedCode::parse(bare) {
            Some(code) if self.enhanced.is_none_or(|known| known == code) => {
                self.enhanced = Some(code);
                None
            }
            _ => (!rest.is_empty()).then_some(rest),
        }
    }
}

/// `550`, `550-rest`, `'550`, `smtp;550`, `550:`.
fn basic_code(word: &str) -> Option<(u16, &str)> {
    let word = word.rsplit_once(';').map_or(word, |(_, after)| after);
    let word = word.trim_start_matches(['"', '\'', '(', '<', '[', '>']);
    let digits = word.get(..3).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let after = &word[3..];
    let after = if after == ":" || after.is_empty() { "" } else { after.strip_prefix(['-', '_'])? };
    let code = digits.parse().ok().filter(|code| (400..600).contains(code))?;
    Some((code, after))
}

/// `<ann@example.com>:user` becomes `<@>:user`.
fn without_address(word: &str) -> String {
    let Some((before, after)) = word.split_once('@') else { return word.to_owned() };
    let before = before.trim_end_matches(|c: char| c.is_alphanumeric() || ".+-_=".contains(c));
    let after = after.trim_start_matches(|c: char| c.is_alphanumeric() || ".-".contains(c));
    format!("{before}@{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_of_every_line_are_taken_out_of_the_words() {
        let reply = Reply::read("550-5.1.1 The email account that you tried\n550-5.1.1 to reach 550 5.1.1 is gone");
        assert_eq!(reply.code, Some(550));
        assert_eq!(reply.enhanced.unwrap().to_string(), "5.1.1");
        assert_eq!(reply.text, "the email account that you tried to reach is gone");
        assert_eq!(Reply::read("550-Please turn on\n550 relay").text, "please turn on relay");
    }

    #[test]
    fn both_codes_are_told_or_the_one_that_there_is() {
        for (raw, codes) in [
            ("550-5.1.1 The account\n550 5.1.1 is gone", Some("550 5.1.1")),
            ("421 try again later", Some("421")),
            ("rejected (#5.7.1)", Some("5.7.1")),
            ("Connection refused", None),
        ] {
            assert_eq!(Reply::read(raw).codes().as_deref(), codes, "{raw}");
        }
    }

    #[test]
    fn codes_are_found_in_every_writing() {
        for (raw, code, enhanced) in [
            ("550-'5.7.1 <a@example.com>... Access denied'", Some(550), Some("5.7.1")),
            ("550 sorry, no mailbox here by that name (#5.1.1 - chkusr)", Some(550), Some("5.1.1")),
            ("smtp; 550 #5.1.0 Address rejected", Some(550), Some("5.1.0")),
            ("Gave up after 8 tries: 451 4.4.1 No answer from host", Some(451), Some("4.4.1")),
            ("host mx.example.com[192.0.2.25] said: 550 5.1.1 no", Some(550), Some("5.1.1")),
            ("429 Too Many Requests: slow down", Some(429), None),
            ("451 try again later [#4.16.1], version 2.0.1", Some(451), None),
            ("30003 Unreachable destination handset", None, None),
        ] {
            let reply = Reply::read(raw);
            assert_eq!((reply.code, reply.enhanced.map(|code| code.to_string()).as_deref()), (code, enhanced), "{raw}");
        }
    }

    #[test]
    fn who_tells_of_a_reply_is_not_part_of_its_words() {
        let told = Reply::read("Gave up after 8 tries: 451 4.4.1 No answer from host");
        assert_eq!(told.words, ["no", "answer", "from", "host"]);
        assert!(told.text.starts_with("gave up"));
    }

    #[test]
    fn an_address_is_no_word_of_the_server() {
        let text = |raw| Reply::read(raw).text;
        assert_eq!(text("550 <full.mailbox@spam.example>: User unknown"), "<@>: user unknown");
        assert_eq!(text("550 ann@example.com:user not exist"), "@:user not exist");
        assert_eq!(text("550 lone @ stays"), "lone @ stays");
    }
}

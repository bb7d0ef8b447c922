//! What the server answers: three digits, an enhanced code, and words for people.
//! Sources: RFC 5321, sections 4.2 and 4.5.3.1.5; RFC 2034 (where enhanced codes stand); RFC 3463 and RFC 5248 (the
//! codes).

use std::fmt;

/// The longest line, in bytes, without its end. Source: RFC 5321, section 4.5.3.1.5.
const LINE_BYTES: usize = 510;

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    /// Subject and detail of the enhanced code. Its class is the first digit of `code`.
    status: Option<(u16, u16)>,
    lines: Vec<String>,
}

impl Reply {
    /// An answer of one line: `new(550, (7, 1), "…")` is `550 5.7.1 …`. What is not ASCII, or no letter at all, is
    /// written as a question mark, and what is too long is cut.
    pub fn new(code: u16, status: (u16, u16), text: impl Into<String>) -> Self {
        Self { code, status: Some(status), lines: vec![text.into()] }
    }

    /// An answer that has no enhanced code: the greeting, the answer to EHLO, and those that ask for more.
    /// Source: RFC 2034, section 4.
    pub fn bare(code: u16, text: impl Into<String>) -> Self {
        Self { code, status: None, lines: vec![text.into()] }
    }

    /// The same with another line.
    pub fn and(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    /// The three digits.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// Whether it says no, for now (4xx) or for good (5xx).
    pub fn is_refusal(&self) -> bool {
        (400..600).contains(&self.code)
    }

    /// Whether the client may try the same again later.
    pub fn is_temporary(&self) -> bool {
        (400..500).contains(&self.code)
    }
}

/// As it goes over the wire, each line with its end.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, text) in self.lines.iter().enumerate() {
            let mark = if index + 1 == self.lines.len() { ' ' } else { '-' };
            let mut line = format!("{:03}{mark}", self.code);
            if let Some((subject, detail)) = self.status {
                line.push_str(&format!("{}.{subject}.{detail} ", self.code / 100));
            }
            line.extend(text.chars().map(sayable));
            line.truncate(LINE_BYTES);
            write!(f, "{line}\r\n")?;
        }
        Ok(())
    }
}

fn sayable(letter: char) -> char {
    match letter {
        '\r' | '\n' | '\t' => ' ',
        ' '..='~' => letter,
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_of_the_enhanced_code_is_the_first_digit() {
        for (reply, written) in [
            (Reply::new(250, (0, 0), "Accepted"), "250 2.0.0 Accepted\r\n"),
            (Reply::new(421, (4, 2), "Too slow"), "421 4.4.2 Too slow\r\n"),
            (Reply::new(554, (4, 6), "It loops"), "554 5.4.6 It loops\r\n"),
            (Reply::new(214, (0, 0), "One").and("Two"), "214-2.0.0 One\r\n214 2.0.0 Two\r\n"),
            (Reply::bare(250, "mail.finch.example").and("SIZE 10"), "250-mail.finch.example\r\n250 SIZE 10\r\n"),
            (Reply::bare(334, ""), "334 \r\n"),
        ] {
            assert_eq!(reply.to_string(), written);
        }
    }

    #[test]
    fn words_of_others_cannot_write_a_line_of_their_own() {
        let reply = Reply::new(550, (1, 1), "no\r\n250 2.0.0 yes\u{0}\u{1b}é");
        assert_eq!(reply.to_string(), "550 5.1.1 no  250 2.0.0 yes???\r\n");
        let long = Reply::new(550, (1, 1), "x".repeat(10_000)).to_string();
        assert_eq!((long.len(), long.matches("\r\n").count()), (512, 1));
    }

    #[test]
    fn four_is_for_now_and_five_for_good() {
        let replies = [250, 354, 451, 550].map(|code| Reply::bare(code, ""));
        assert_eq!(replies.each_ref().map(Reply::is_refusal), [false, false, true, true]);
        assert_eq!(replies.each_ref().map(Reply::is_temporary), [false, false, true, false]);
    }
}

//! The parameters behind the path of MAIL and RCPT.
//! Sources: RFC 5321, sections 4.1.1.11 and 4.1.2; RFC 1870 (SIZE); RFC 6152 (BODY); RFC 6531 (SMTPUTF8); RFC 4954,
//! section 5 (AUTH); RFC 3461, section 4 (RET, ENVID, NOTIFY, ORCPT). Those of RFC 3461 are read and not kept: no
//! server that does not offer DSN owes its reports.

use super::reply::Reply;

/// What MAIL says beside the sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailParameters {
    /// The message's size as the client estimates it.
    pub size_bytes: Option<u64>,
    /// Whether addresses and headers may hold letters outside ASCII.
    pub is_utf8: bool,
}

/// Reads the parameters of MAIL.
pub fn read_mail_parameters(text: &str) -> Result<MailParameters, Reply> {
    let mut read = MailParameters::default();
    let mut seen = Seen::default();
    for (name, value) in pairs(text) {
        match (seen.once(name)?.as_str(), value) {
            ("SIZE", Some(size)) => read.size_bytes = Some(read_size(size)?),
            ("BODY", Some(body)) if is_one_of(body, &["7BIT", "8BITMIME"]) => {}
            ("SMTPUTF8", None) => read.is_utf8 = true,
            ("AUTH", Some(value)) if is_value(value) => {}
            ("RET", Some(what)) if is_one_of(what, &["FULL", "HDRS"]) => {}
            ("ENVID", Some(id)) if is_value(id) && id.len() <= 100 => {}
            ("SIZE" | "BODY" | "SMTPUTF8" | "AUTH" | "RET" | "ENVID", _) => return Err(malformed(name)),
            _ => return Err(unknown(name)),
        }
    }
    Ok(read)
}

/// Checks the parameters of RCPT.
pub fn check_recipient_parameters(text: &str) -> Result<(), Reply> {
    let mut seen = Seen::default();
    for (name, value) in pairs(text) {
        match (seen.once(name)?.as_str(), value) {
            ("NOTIFY", Some(value)) if is_notify(value) => {}
            ("ORCPT", Some(value)) if is_value(value) && value.contains(';') && value.len() <= 500 => {}
            ("NOTIFY" | "ORCPT", _) => return Err(malformed(name)),
            _ => return Err(unknown(name)),
        }
    }
    Ok(())
}

fn pairs(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    let words = text.split(' ').filter(|word| !word.is_empty());
    words.map(|word| word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value))))
}

/// The parameters that were named before. There are few: the line is short.
#[derive(Default)]
struct Seen(Vec<String>);

impl Seen {
    /// The name in capitals; an error where it was named before.
    fn once(&mut self, name: &str) -> Result<String, Reply> {
        let name = name.to_ascii_uppercase();
        if self.0.contains(&name) {
            return Err(Reply::new(501, (5, 4), format!("The parameter {name} is named twice")));
        }
        self.0.push(name.clone());
        Ok(name)
    }
}

/// At most 20 digits. Source: RFC 1870, section 4. What is beyond all bounds is as large as can be.
fn read_size(text: &str) -> Result<u64, Reply> {
    if !(1..=20).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(malformed("SIZE"));
    }
    Ok(text.parse().unwrap_or(u64::MAX))
}

/// `NEVER` alone, or some of the others. Source: RFC 3461, section 4.1.
fn is_notify(value: &str) -> bool {
    value.eq_ignore_ascii_case("NEVER")
        || value.split(',').all(|word| is_one_of(word, &["SUCCESS", "FAILURE", "DELAY"]))
}

fn is_one_of(value: &str, words: &[&str]) -> bool {
    words.iter().any(|word| value.eq_ignore_ascii_case(word))
}

fn is_value(value: &str) -> bool {
    !value.is_empty() && value.chars().all(|letter| letter > ' ' && letter != '\u{7f}')
}

fn malformed(name: &str) -> Reply {
    Reply::new(501, (5, 4), format!("The parameter {} has a wrong value", shortened(name)))
}

fn unknown(name: &str) -> Reply {
    Reply::new(555, (5, 4), format!("The parameter {} is not known here", shortened(name)))
}

fn shortened(name: &str) -> String {
    name.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_in_any_case_of_letters() {
        let read = |text| read_mail_parameters(text).unwrap();
        let all = read(" SIZE=1000 body=8bitmime smtputf8 AUTH=<> RET=HDRS ENVID=finch-17");
        assert_eq!(all, MailParameters { size_bytes: Some(1000), is_utf8: true });
        assert_eq!(read(""), MailParameters::default());
        assert_eq!(read("  size=99999999999999999999 ").size_bytes, Some(u64::MAX));
        for right in [" NOTIFY=SUCCESS,delay ORCPT=rfc822;ada@finch.example", " NOTIFY=never", ""] {
            assert_eq!(check_recipient_parameters(right), Ok(()), "{right}");
        }
    }

    #[test]
    fn a_wrong_value_is_501_and_an_unknown_parameter_555() {
        for (text, code) in [
            (" SIZE=", 501),
            (" SIZE", 501),
            (" SIZE=-1", 501),
            (" SIZE=123456789012345678901", 501),
            (" SIZE=1 size=1", 501),
            (" BODY=BINARYMIME", 501),
            (" SMTPUTF8=yes", 501),
            (" AUTH", 501),
            (" RET=SOME", 501),
            (" HOLDFOR=60", 555),
            (" =", 555),
        ] {
            assert_eq!(read_mail_parameters(text).unwrap_err().code(), code, "{text}");
        }
        for (text, code) in [(" NOTIFY=NEVER,DELAY", 501), (" NOTIFY=", 501), (" ORCPT=ada", 501), (" SIZE=1", 555)] {
            assert_eq!(check_recipient_parameters(text).unwrap_err().code(), code, "{text}");
        }
    }
}

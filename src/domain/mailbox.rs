//! Mailboxes, and addresses as they are compared: mail servers, providers and people write one mailbox in several ways.

/// Someone who gets or sends mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    pub name: Option<String>,
    /// The address, as it was written: `ada@example.com`.
    pub address: String,
}

impl Mailbox {
    /// Writes it so that the server reads it back as it is.
    pub fn format(&self) -> String {
        format_mailbox(self.name.as_deref(), &self.address)
    }
}

/// Writes a name and an address so that the server reads them back as they are: `Ada Lovelace <ada@example.com>`.
pub fn format_mailbox(name: Option<&str>, address: &str) -> String {
    match name.map(str::trim).filter(|name| !name.is_empty()) {
        None => address.to_owned(),
        Some(name) if name.contains(['"', '\\', '<', '>', '@', ',', ';', ':', '(', ')']) => {
            format!("\"{}\" <{address}>", name.replace('\\', "\\\\").replace('"', "\\\""))
        }
        Some(name) => format!("{name} <{address}>"),
    }
}

/// The form in which the addresses of accounts are kept and compared: trimmed, without angle brackets, lower case. It is
/// never shown or sent to.
pub fn address_key(address: &str) -> String {
    let address = address.trim();
    let bare = address.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(address);
    bare.trim().to_lowercase()
}

/// The form in which recipients are compared. Beside the case of letters it knows what mail servers and providers make of
/// an address: `"a..b"@xn--exmple-cua.com.` is `a..b@exämple.com`. It is never shown or sent to.
pub fn mailbox_key(address: &str) -> String {
    let bare = bare_address(address);
    let Some((local, domain)) = bare.rsplit_once('@') else { return folded(bare) };
    let labels: Vec<String> = domain.trim_end_matches('.').split('.').map(unicode_label).collect();
    format!("{}@{}", folded(&unquoted(local)), folded(&labels.join(".")))
}

/// A text as it is compared in any case of letters: lower case, where a Greek s is one letter wherever it stands.
pub fn folded(text: &str) -> String {
    text.to_lowercase().replace('ς', "σ")
}

/// The address alone of what is told of a recipient: `Ada <ada@example.com>`, or, as a delivery report has it,
/// `rfc822; ada@example.com`. Source: RFC 3464, section 2.3.
pub fn bare_address(told: &str) -> &str {
    const TYPE: &str = "rfc822;";
    let told = told.trim();
    let told = match told.get(..TYPE.len()) {
        Some(start) if start.eq_ignore_ascii_case(TYPE) => told[TYPE.len()..].trim(),
        _ => told,
    };
    match told.strip_suffix('>').and_then(|rest| rest.rsplit_once('<')) {
        Some((_, address)) => address.trim(),
        None => told,
    }
}

/// Whether two addresses are one mailbox.
pub fn is_same_address(one: &str, other: &str) -> bool {
    mailbox_key(one) == mailbox_key(other)
}

/// A part of a domain as people read it. Source: RFC 3492.
fn unicode_label(label: &str) -> String {
    const PREFIX: &str = "xn--";
    const MAX_LABEL_BYTES: usize = 63;
    let is_encoded = label.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX));
    let encoded = is_encoded && label.len() <= MAX_LABEL_BYTES;
    let decoded = encoded.then(|| idna::punycode::decode_to_string(&label[PREFIX.len()..].to_ascii_lowercase()));
    decoded.flatten().unwrap_or_else(|| label.to_owned())
}

/// What stands before the `@`, without the quotes that it needs on the way. Source: RFC 5321, section 4.1.2.
fn unquoted(local: &str) -> String {
    let Some(quoted) = local.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return local.to_owned();
    };
    let mut letters = quoted.chars();
    let mut text = String::with_capacity(quoted.len());
    while let Some(letter) = letters.next() {
        text.push(if letter == '\\' { letters.next().unwrap_or(letter) } else { letter });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_one_in_any_case_of_letters() {
        assert!(is_same_address("Ada@Example.com", " ada@example.COM"));
        assert!(is_same_address("<ada@example.com>", "ada@example.com"));
        assert!(is_same_address("Jürgen@BÜCHER.example", "jÜrgen@bücher.example"));
        assert!(!is_same_address("ada@example.com", "ada@example.org"));
    }

    #[test]
    fn an_address_is_one_with_what_servers_and_providers_make_of_it() {
        for (sent_to, told) in [
            ("josé@exämple.com", "josé@xn--exmple-cua.com"),
            ("jose@XN--EXMPLE-CUA.com", "jose@exämple.com"),
            ("a..b@example.com", r#""a..b"@example.com"#),
            (r#""a b"@example.com"#, r#""a\ b"@example.com"#),
            ("ada@example.com", "Ada <ADA@example.com>"),
            ("ada@example.com", "rfc822;ada@example.com"),
            ("ada@example.com", "RFC822; <ada@example.com>"),
            ("ada@example.com", "ada@example.com."),
            ("+15005550006", "+15005550006 "),
            ("ΝΙΚΟΣ@example.com", "νικος@example.com"),
            ("νικοσ@example.com", "ΝΙΚΟΣ@example.com"),
        ] {
            assert!(is_same_address(sent_to, told), "{sent_to} {told}");
        }
        for (one, other) in [
            ("ada@xn--exmple-cua.com", "ada@example.com"),
            ("ada@xn--99zzzzzzzzzz-.com", "ada@example.com"),
            ("a.b@example.com", "a..b@example.com"),
            ("", "ada@example.com"),
        ] {
            assert!(!is_same_address(one, other), "{one} {other}");
        }
        assert!(is_same_address(&format!("a@xn--{}", "9".repeat(5000)), &format!("a@XN--{}", "9".repeat(5000))));
    }

    #[test]
    fn the_address_of_an_account_is_compared_as_it_is_kept() {
        assert_eq!(address_key(" <Ada@Example.COM> "), "ada@example.com");
        assert_eq!(address_key("Ada@xn--exmple-cua.com"), "ada@xn--exmple-cua.com");
    }
}

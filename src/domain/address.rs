//! Addresses as they are compared: mail servers and people write one mailbox in any case of letters.

/// The form in which addresses are compared: trimmed, without angle brackets, lower case. It is never shown or sent to.
pub fn address_key(address: &str) -> String {
    let address = address.trim();
    let bare = address.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(address);
    bare.trim().to_lowercase()
}

/// Whether two addresses are one mailbox.
pub fn is_same_address(one: &str, other: &str) -> bool {
    address_key(one) == address_key(other)
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
}

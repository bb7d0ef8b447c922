//! The line by which a server says that a message passed it, so that loops are found.
//! Sources: RFC 5321, section 4.4; RFC 3848 (the protocol's name).

use super::handler::Envelope;

/// A `Received` field for the beginning of a message. `date` is in the form of RFC 5322. The client's address is left
/// out: it is that of an application, and nobody's business at the recipients'.
pub fn received_field(envelope: &Envelope, host_name: &str, id: &str, date: &str) -> String {
    let client: String =
        envelope.client_name.chars().map(|letter| if is_harmless(letter) { letter } else { '_' }).collect();
    let protocol = envelope.protocol();
    format!("Received: from {client}\r\n\tby {host_name} with {protocol}\r\n\tid {id};\r\n\t{date}\r\n")
}

/// What can begin no comment, end no part and break no line.
fn is_harmless(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | ':' | '[' | ']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_calls_itself_stays_in_its_place() {
        let envelope = Envelope {
            sender: None,
            recipients: Vec::new(),
            is_utf8: false,
            peer: ([192, 0, 2, 1], 4000).into(),
            client_name: "x;(é\"".to_owned(),
            is_encrypted: true,
            is_logged_in: true,
        };
        let field = received_field(&envelope, "mail.finch.example", "eml_1", "Mon, 30 Nov 2026 20:00:00 +0000");
        let expected = "Received: from x____\r\n\tby mail.finch.example with ESMTPSA\r\n\tid eml_1;\r\n\t\
                        Mon, 30 Nov 2026 20:00:00 +0000\r\n";
        assert_eq!(field, expected);
    }
}

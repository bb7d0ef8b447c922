//! How providers' mail servers are told Sendlog's id of a message, so that their webhooks repeat it: each has a header of its own
//! for a sender's data, which it takes out of the mail. Called by [super::message]; read by [crate::server::inbound].
//! Sources: SendGrid, "Building an X-SMTPAPI header"; Postmark, "Custom metadata FAQ"; Mailgun, "Attaching metadata to
//! messages"; Amazon SES, "Message tags: X-SES-MESSAGE-TAGS"; SparkPost, "SMTP API"; Brevo, "X-Mailin-custom"; Mailjet,
//! "Custom headers over SMTP".

use serde_json::json;

use crate::domain::ids::EmailId;

/// The header for a mail server of this name; `None` for one that is no known provider's.
pub fn id_header(host: &str, email_id: EmailId) -> Option<(&'static str, String)> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let is_of = |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    let named = json!({ "sendlog_id": email_id });
    if is_of("sendgrid.net") {
        Some(("X-SMTPAPI", json!({ "unique_args": named }).to_string()))
    } else if is_of("postmarkapp.com") {
        Some(("X-PM-Metadata-sendlog_id", email_id.to_string()))
    } else if is_of("mailgun.org") {
        Some(("X-Mailgun-Variables", named.to_string()))
    } else if host.starts_with("email-smtp.") && (is_of("amazonaws.com") || is_of("amazonaws.com.cn")) {
        Some(("X-SES-MESSAGE-TAGS", format!("sendlog_id={email_id}")))
    } else if is_of("sparkpostmail.com") {
        Some(("X-MSYS-API", json!({ "metadata": named }).to_string()))
    } else if is_of("brevo.com") || is_of("sendinblue.com") {
        Some(("X-Mailin-custom", named.to_string()))
    } else if is_of("mailjet.com") {
        Some(("X-MJ-CustomID", email_id.to_string()))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_provider_is_told_the_id_in_its_own_way_and_nobody_else_is() {
        let id = EmailId(0x17c_0000_0000_0001);
        let header = |host: &str| id_header(host, id);
        for (host, name) in [
            ("smtp.sendgrid.net", "X-SMTPAPI"),
            ("SMTP.EU.SendGrid.net.", "X-SMTPAPI"),
            ("smtp.postmarkapp.com", "X-PM-Metadata-sendlog_id"),
            ("smtp.eu.mailgun.org", "X-Mailgun-Variables"),
            ("email-smtp.eu-west-1.amazonaws.com", "X-SES-MESSAGE-TAGS"),
            ("smtp.sparkpostmail.com", "X-MSYS-API"),
            ("smtp-relay.brevo.com", "X-Mailin-custom"),
            ("in-v3.mailjet.com", "X-MJ-CustomID"),
        ] {
            let (found, value) = header(host).unwrap();
            assert!(found == name && value.contains(&id.to_string()) && value.is_ascii(), "{host}: {found}: {value}");
        }
        for host in
            ["mail.example.com", "sendgrid.net.evil.example", "notsendgrid.net", "s3.amazonaws.com", "127.0.0.1"]
        {
            assert_eq!(header(host), None, "{host}");
        }
    }
}

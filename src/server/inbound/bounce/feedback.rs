//! What a recipient told their mailbox provider of a message: that it is spam, or that they want no more.
//! Sources: RFC 5965, sections 3 and 7.3 (the types); RFC 6650.

use super::{Notice, addresses_in, date_of, line};
use crate::domain::event::{EventDetail, EventKind};
use crate::server::mail::{Headers, read_header_blocks};

/// A complaint, and who the message was from on its envelope.
pub(super) struct Feedback {
    /// `None` for a report that is no complaint.
    pub(super) notice: Option<Notice>,
    pub(super) mail_from: Option<String>,
}

/// Reads the part that says it. Where it leaves the recipient out, the headers of the message can name them.
pub(super) fn read(content: &[u8], returned: Option<&Headers>) -> Feedback {
    let fields = read_header_blocks(content, 1).pop().unwrap_or_default();
    let told = ["Original-Rcpt-To", "Removal-Recipient"].iter().flat_map(|name| fields.all(name));
    let of_returned = returned.iter().flat_map(|headers| headers.all("To"));
    let recipients: Vec<String> = told.chain(of_returned).flat_map(addresses_in).take(super::MAX_NOTICES).collect();
    let notice = news(fields.get("Feedback-Type").unwrap_or_default()).map(|(kind, message)| Notice {
        kind,
        recipients,
        at: date_of(fields.get("Arrival-Date").or_else(|| fields.get("Received-Date"))),
        detail: EventDetail {
            message: message.map(str::to_owned),
            mx: fields.get("Reporting-MTA").and_then(|mta| line(mta.rsplit(';').next().unwrap_or_default())),
            ..EventDetail::default()
        },
    });
    Feedback { notice, mail_from: fields.get("Original-Mail-From").map(str::to_owned) }
}

/// A virus, a failed check of the sender and a mail that is no spam after all are no word of the recipient against it.
fn news(kind: &str) -> Option<(EventKind, Option<&'static str>)> {
    match kind.trim().to_ascii_lowercase().as_str() {
        "abuse" => Some((EventKind::ReportedAsSpam, None)),
        "fraud" => Some((EventKind::ReportedAsSpam, Some("Reported as a fraud"))),
        "opt-out" | "opt-out-list" => Some((EventKind::Unsubscribed, None)),
        _ => None,
    }
}

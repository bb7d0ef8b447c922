//! A message's recipients as its row keeps them, and the keys that `email_keys` finds them by.

use serde::Serialize;
use sqlx::types::Json;

use crate::domain::email::Recipient;
use crate::domain::mailbox::mailbox_key;

/// A recipient, and the key that the triggers of `email_keys` keep. The key is left out where it is the address in lower
/// case, which both engines make: SQLite knows the case of ASCII letters alone, and neither engine knows RFC 3492.
#[derive(Serialize)]
pub(super) struct KeptRecipient<'a> {
    #[serde(flatten)]
    recipient: &'a Recipient,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

/// The value of the column `recipients`.
pub(super) fn kept_recipients(recipients: &[Recipient]) -> Json<Vec<KeptRecipient<'_>>> {
    let kept = recipients.iter().map(|recipient| {
        let key = mailbox_key(&recipient.address);
        let is_plain = recipient.address.is_ascii() && key == recipient.address.to_ascii_lowercase();
        KeptRecipient { recipient, key: (!is_plain).then_some(key) }
    });
    Json(kept.collect())
}

/// What `email_keys` may have for a text. Rows from before keys were kept have the lower case that the engine makes.
pub(super) fn keys_for(text: &str) -> Vec<String> {
    // No key holds U+0000, and PostgreSQL refuses to look for it.
    let text = &text.replace('\0', "\u{fffd}");
    let mut keys = vec![mailbox_key(text), text.to_lowercase(), text.to_ascii_lowercase()];
    keys.sort();
    keys.dedup();
    keys
}

//! What is kept of an address that was forgotten and is not written to: a hash with a key that is not in the database. Used by
//! [super::services::persons], and by the worker before each attempt.

use super::secrets::SecretKey;
use crate::domain::ids::TeamId;
use crate::domain::mailbox::mailbox_key;

/// The hash of an address, however it is written.
pub fn hash_of_address(key: &SecretKey, team: TeamId, address: &str) -> String {
    hash_of_key(key, team, &mailbox_key(address))
}

/// The hash of an address in the form in which recipients are compared.
pub fn hash_of_key(key: &SecretKey, team: TeamId, compared: &str) -> String {
    key.hash(compared, &format!("forgotten:{team}"))
}

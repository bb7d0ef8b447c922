//! The signature of Standard Webhooks, which Svix and its customers use: Resend among them, under Svix's header names.
//! Sources: Standard Webhooks, specification, "Verifying webhook authenticity"; Svix, "Verifying payloads".

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use ring::hmac;

use crate::server::inbound::credentials::{TOLERANCE_S, header, refuse_stale, secrets, signed_seconds};
use crate::server::inbound::reading;
use crate::server::inbound::{Genuine, Posted, Refusal};

/// The beginnings of the headers' names. Both mean the same.
const FAMILIES: [&str; 2] = ["svix", "webhook"];
/// More signatures than any sender makes while it changes its secret.
const MAX_SIGNATURES: usize = 32;
const SECRET_PREFIX: &str = "whsec_";
/// Base64, with or without its padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Checks that the provider made this webhook. `secret` is what the team keeps for it: the signing secret, `whsec_…`;
/// several while it is changed, one a line. The nonce is the webhook's id, which stays when the sender tries again;
/// each try has a time of its own.
pub fn verify(posted: &Posted<'_>, secret: &str) -> Result<Genuine, Refusal> {
    let signed =
        FAMILIES.iter().find_map(|family| Signed::of(posted, family).transpose()).ok_or(Refusal::Unsigned)??;
    let keys: Vec<hmac::Key> = secrets(secret).filter_map(key).collect();
    if keys.is_empty() {
        return Err(reading::unreadable("The secret kept for this webhook is no signing secret (whsec_…)"));
    }
    let content = [signed.id.as_bytes(), b".", signed.timestamp.as_bytes(), b".", posted.body].concat();
    let mut signatures = signed.signatures.split_ascii_whitespace().take(MAX_SIGNATURES).filter_map(signature);
    if !signatures.any(|signature| keys.iter().any(|key| hmac::verify(key, &content, &signature).is_ok())) {
        return Err(Refusal::Forged);
    }
    let signed_at_s = signed_seconds(signed.timestamp).ok_or(Refusal::Stale)?;
    refuse_stale(signed_at_s, posted.now, TOLERANCE_S)?;
    Ok(Genuine { nonce: Some(signed.id.to_owned()) })
}

/// The webhook's id, by either name of its header. Senders keep it when they try again.
pub fn webhook_id<'a>(posted: &Posted<'a>) -> Option<&'a str> {
    FAMILIES.iter().find_map(|family| header(posted.headers, &format!("{family}-id")).ok().flatten())
}

struct Signed<'a> {
    id: &'a str,
    timestamp: &'a str,
    signatures: &'a str,
}

impl<'a> Signed<'a> {
    fn of(posted: &Posted<'a>, family: &str) -> Result<Option<Self>, Refusal> {
        let header = |name: &str| header(posted.headers, &format!("{family}-{name}"));
        let (id, timestamp, signatures) = (header("id")?, header("timestamp")?, header("signature")?);
        let (Some(id), Some(timestamp), Some(signatures)) = (id, timestamp, signatures) else { return Ok(None) };
        Ok(Some(Self { id, timestamp, signatures }))
    }
}

/// `whsec_` and base64; an empty key proves nothing.
fn key(secret: &str) -> Option<hmac::Key> {
    let encoded = secret.strip_prefix(SECRET_PREFIX).unwrap_or(secret);
    let bytes = BASE64.decode(encoded).ok().filter(|bytes| !bytes.is_empty())?;
    Some(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

/// `v1,` and base64. Other versions are passed over.
fn signature(text: &str) -> Option<Vec<u8>> {
    text.strip_prefix("v1,").and_then(|encoded| BASE64.decode(encoded).ok())
}

#[cfg(test)]
mod tests;

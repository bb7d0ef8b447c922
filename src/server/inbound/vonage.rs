//! Vonage's webhooks: delivery receipts of the SMS API, statuses of the Messages API and events of the Voice API.
//! Sources: Vonage, "Signed Webhooks", "Signing Messages", "SMS Delivery Receipts", "Messages API: Message Status
//! webhook" and "Voice API: Webhook Reference". A JSON Web Token in `Authorization` names the body's digest; the older
//! `sig` signs the fields themselves. Vonage can also sign with MD5, which proves too little: choose SHA-256 or
//! SHA-512 HMAC in the account's settings, and POST as the format of its webhooks.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::server::inbound::credentials::{TOLERANCE_S, authorization, is_signed, refuse_stale, signed_seconds};
use crate::server::inbound::reading::unreadable;
use crate::server::inbound::{Genuine, Posted, Refusal, Reports};

mod news;

/// More fields than any receipt has.
const MAX_FIELDS: usize = 200;

/// Checks that the provider made this webhook. `secret` is what the team keeps for it: the account's signature secret;
/// several while it is changed, one a line. The nonce is the token's id, or the `nonce` beside a `sig`.
pub fn verify(posted: &Posted<'_>, secret: &str) -> Result<Genuine, Refusal> {
    match authorization(posted.headers) {
        Ok((scheme, token)) if scheme == "bearer" && !token.is_empty() => verify_token(posted, token, secret),
        Ok(_) | Err(Refusal::Unsigned) => verify_sig(posted, secret),
        Err(refusal) => Err(refusal),
    }
}

/// Reads the news in a webhook.
pub fn read(posted: &Posted<'_>) -> Result<Reports, Refusal> {
    news::read(&news::fields(posted)?, posted.url)
}

#[derive(Deserialize)]
struct TokenHeader {
    alg: String,
}

#[derive(Deserialize)]
struct Claims {
    iat: i64,
    #[serde(default)]
    exp: Option<i64>,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    jti: Option<String>,
    #[serde(default)]
    payload_hash: Option<String>,
}

fn verify_token(posted: &Posted<'_>, token: &str, secret: &str) -> Result<Genuine, Refusal> {
    let (content, signature) = token.rsplit_once('.').ok_or(Refusal::Forged)?;
    let (header, claims) = content.split_once('.').ok_or(Refusal::Forged)?;
    let header: TokenHeader = part_of_token(header)?;
    if header.alg != "HS256" {
        return Err(Refusal::Forged);
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Refusal::Forged)?;
    if !is_signed(hmac::HMAC_SHA256, secret, content.as_bytes(), &signature) {
        return Err(Refusal::Forged);
    }
    let claims: Claims = part_of_token(claims)?;
    let told = claims.payload_hash.and_then(|hash| hex::decode(hash).ok()).ok_or(Refusal::Forged)?;
    if told != Sha256::digest(posted.body).as_slice() {
        return Err(Refusal::Forged);
    }
    refuse_stale(claims.iat, posted.now, TOLERANCE_S)?;
    let now = posted.now.timestamp();
    if claims.exp.is_some_and(|end| end < now) || claims.nbf.is_some_and(|begin| begin > now + TOLERANCE_S) {
        return Err(Refusal::Stale);
    }
    Ok(Genuine { nonce: claims.jti.filter(|id| !id.is_empty()) })
}

fn part_of_token<T: serde::de::DeserializeOwned>(part: &str) -> Result<T, Refusal> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Forged)?;
    serde_json::from_slice(&json).map_err(|_| Refusal::Forged)
}

fn verify_sig(posted: &Posted<'_>, secret: &str) -> Result<Genuine, Refusal> {
    let fields = news::fields(posted).map_err(|_| Refusal::Unsigned)?;
    let sig = fields.text("sig");
    let signature = hex::decode(sig.get().ok_or(Refusal::Unsigned)?).map_err(|_| Refusal::Forged)?;
    let algorithm = match signature.len() {
        20 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        32 => hmac::HMAC_SHA256,
        64 => hmac::HMAC_SHA512,
        16 => {
            let words = "Vonage signs with MD5, which proves too little: choose SHA-256 HMAC in its API settings";
            return Err(unreadable(words));
        }
        _ => return Err(Refusal::Forged),
    };
    let has_borders = fields.texts().any(|(name, _)| name.contains(['&', '=']));
    let is_right = || is_signed(algorithm, secret, sig_content(&fields).as_bytes(), &signature);
    if has_borders || fields.len() > MAX_FIELDS || !is_right() {
        return Err(Refusal::Forged);
    }
    let signed_at_s = fields.text("timestamp").get().and_then(signed_seconds).ok_or(Refusal::Stale)?;
    refuse_stale(signed_at_s, posted.now, TOLERANCE_S)?;
    Ok(Genuine { nonce: fields.text("nonce").owned() })
}

/// `&name=value` of each field but the signature, by the alphabet, with `_` for what would be taken for a border.
fn sig_content(fields: &news::Fields) -> String {
    let signed = fields.texts().filter(|(name, _)| *name != "sig");
    signed.map(|(name, value)| format!("&{name}={}", value.replace(['&', '='], "_"))).collect()
}

#[cfg(test)]
mod tests;

//! The envelope in which Amazon SNS posts a notification, and the proof that Amazon made it. [crate::server::inbound::ses] reads what
//! is inside. Nothing here asks the network: the caller fetches the certificate between [envelope] and [check].
//! Sources: Amazon SNS Developer Guide, "Verifying the signatures of Amazon SNS messages", "HTTP/HTTPS notification
//! JSON format" and "Amazon SNS message delivery retries"; aws-sdk-java-v2, `SnsHostProvider` (names on the
//! certificates).

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use ring::signature::{RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, UnparsedPublicKey};
use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, ServerName, SignatureVerificationAlgorithm, TrustAnchor,
    UnixTime, alg_id,
};
use serde::Deserialize;
use webpki::{EndEntityCert, KeyUsage, ring as algorithms};

use crate::server::inbound::credentials::{TOLERANCE_S, header, refuse_stale, secrets};
use crate::server::inbound::reading::{self, Text, unreadable};
use crate::server::inbound::{Genuine, Posted, Refusal};

/// SNS tries a notification again for up to an hour and keeps its first timestamp.
const MAX_AGE_S: i64 = 3_600 + TOLERANCE_S;
/// An RSA signature of a key of 8,192 bits.
const MAX_SIGNATURE_BYTES: usize = 1_024;

/// What an envelope carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// News, in [Envelope::message].
    Notification,
    /// The question whether the topic may post here.
    SubscriptionConfirmation,
    /// The word that the topic does not post here any more.
    UnsubscribeConfirmation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SignatureVersion {
    Sha1,
    Sha256,
}

/// An envelope of an allowed topic, whose certificate is to be had from Amazon. It is not proven before [check].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    kind: Kind,
    message: String,
    message_id: String,
    subject: Option<String>,
    timestamp: String,
    topic: Topic,
    token: Option<String>,
    subscribe_url: Option<String>,
    signature: Vec<u8>,
    version: SignatureVersion,
    certificate_url: String,
}

impl Envelope {
    /// What it carries.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The text inside.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// The fields as they are posted. The signed ones are texts, and only texts.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Fields {
    #[serde(rename = "Type")]
    kind: String,
    message: String,
    message_id: String,
    #[serde(default)]
    subject: Option<String>,
    timestamp: String,
    topic_arn: String,
    #[serde(default)]
    token: Option<String>,
    #[serde(default, rename = "SubscribeURL")]
    subscribe_url: Option<String>,
    #[serde(default)]
    signature: Text,
    #[serde(default)]
    signature_version: Text,
    #[serde(default, rename = "SigningCertURL")]
    certificate_url: Option<String>,
}

/// Reads the envelope of a post. `topics` is what the team keeps: the ARNs of the topics that may post here, one a
/// line. Refuses other topics, and a certificate that is not to be had from SNS itself in the topic's own region.
pub fn envelope(posted: &Posted<'_>, topics: &str) -> Result<Envelope, Refusal> {
    if header(posted.headers, "x-amz-sns-rawdelivery")?.is_some_and(|raw| raw.eq_ignore_ascii_case("true")) {
        return Err(unreadable("SNS delivers raw messages, which it does not sign: switch raw message delivery off"));
    }
    let fields = reading::object::<Fields>(posted.body)?;
    let signature = fields.signature.get().ok_or(Refusal::Unsigned)?;
    let kind = match fields.kind.as_str() {
        "Notification" => Kind::Notification,
        "SubscriptionConfirmation" => Kind::SubscriptionConfirmation,
        "UnsubscribeConfirmation" => Kind::UnsubscribeConfirmation,
        _ => return Err(unreadable("SNS posted a type of message that Sendlog does not know")),
    };
    let version = match fields.signature_version.get() {
        Some("1") => SignatureVersion::Sha1,
        Some("2") => SignatureVersion::Sha256,
        _ => return Err(unreadable("The signature has a version that Sendlog does not know")),
    };
    if fields.message_id.trim().is_empty() {
        return Err(unreadable("The message has no MessageId"));
    }
    if kind != Kind::Notification && (fields.token.is_none() || fields.subscribe_url.is_none()) {
        return Err(unreadable("The confirmation has no Token or no SubscribeURL"));
    }
    if !secrets(topics).any(|topic| topic == fields.topic_arn) {
        return Err(unreadable("It is of an SNS topic that is not on this webhook's list of topics"));
    }
    let Some(topic) = Topic::of(&fields.topic_arn) else {
        return Err(unreadable("The topic is no ARN of an SNS topic in a region that Sendlog knows"));
    };
    let certificate_url = fields.certificate_url.filter(|url| topic.keeps_certificate(url)).ok_or(Refusal::Forged)?;
    let signature = STANDARD.decode(signature).map_err(|_| Refusal::Forged)?;
    if signature.len() > MAX_SIGNATURE_BYTES {
        return Err(Refusal::Forged);
    }
    Ok(Envelope {
        kind,
        message: fields.message,
        message_id: fields.message_id,
        subject: fields.subject,
        timestamp: fields.timestamp,
        topic,
        token: fields.token,
        subscribe_url: fields.subscribe_url,
        signature,
        version,
        certificate_url,
    })
}

/// Where the signer's certificate is to be fetched: by HTTPS, following no redirect. It never changes, so it can be
/// kept.
pub fn certificate_url(envelope: &Envelope) -> &str {
    &envelope.certificate_url
}

/// Where a subscription is confirmed by a GET, once [check] has proven the envelope. `None` for everything but a
/// subscription, and where the address is not SNS's own confirmation of this topic.
pub fn confirmation_url(envelope: &Envelope) -> Option<&str> {
    if envelope.kind != Kind::SubscriptionConfirmation {
        return None;
    }
    let url = envelope.subscribe_url.as_deref()?;
    let query = url.strip_prefix("https://")?.strip_prefix(envelope.topic.host.as_str())?.strip_prefix("/?")?;
    if !url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return None;
    }
    let has_once = |name: &str, expected: &str| {
        let mut values = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
        values.next().is_some_and(|(_, value)| value == expected) && values.next().is_none()
    };
    let is_ours = has_once("Action", "ConfirmSubscription")
        && has_once("TopicArn", &envelope.topic.arn)
        && has_once("Token", envelope.token.as_deref()?);
    is_ours.then_some(url)
}

/// Checks that SNS made the envelope. `chain` begins with the certificate from [certificate_url], and after it come the
/// intermediate certificates that lead to `roots`: SNS publishes its own certificate alone, so the caller adds
/// Amazon's intermediates. The nonce is the MessageId, which SNS keeps when it tries again.
pub fn check(
    envelope: &Envelope,
    chain: &[CertificateDer<'_>],
    roots: &[TrustAnchor<'_>],
    now: DateTime<Utc>,
) -> Result<Genuine, Refusal> {
    let (first, intermediates) = chain.split_first().ok_or(Refusal::Forged)?;
    let certificate = EndEntityCert::try_from(first).map_err(|_| Refusal::Forged)?;
    let seconds = u64::try_from(now.timestamp()).map_err(|_| Refusal::Forged)?;
    certificate
        .verify_for_usage(
            CHAIN_ALGORITHMS,
            roots,
            intermediates,
            UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
            KeyUsage::server_auth(),
            None,
            None,
        )
        .map_err(|_| Refusal::Forged)?;
    if !envelope.topic.certificate_names().iter().any(|name| is_valid_for(&certificate, name)) {
        return Err(Refusal::Forged);
    }
    let algorithm: &dyn SignatureVerificationAlgorithm = match envelope.version {
        SignatureVersion::Sha1 => &RsaSha1,
        SignatureVersion::Sha256 => algorithms::RSA_PKCS1_2048_8192_SHA256,
    };
    certificate
        .verify_signature(algorithm, string_to_sign(envelope).as_bytes(), &envelope.signature)
        .map_err(|_| Refusal::Forged)?;
    let signed_at = reading::time(&envelope.timestamp).ok_or_else(|| unreadable("The Timestamp is no time"))?;
    refuse_stale(signed_at.timestamp(), now, MAX_AGE_S)?;
    Ok(Genuine { nonce: Some(envelope.message_id.clone()) })
}

fn is_valid_for(certificate: &EndEntityCert<'_>, name: &str) -> bool {
    ServerName::try_from(name).is_ok_and(|name| certificate.verify_is_valid_for_subject_name(&name).is_ok())
}

/// The text that SNS signs: each field's name and value on a line of its own, by the alphabet.
fn string_to_sign(envelope: &Envelope) -> String {
    let (kind, is_notification) = match envelope.kind {
        Kind::Notification => ("Notification", true),
        Kind::SubscriptionConfirmation => ("SubscriptionConfirmation", false),
        Kind::UnsubscribeConfirmation => ("UnsubscribeConfirmation", false),
    };
    [
        ("Message", Some(envelope.message.as_str())),
        ("MessageId", Some(&envelope.message_id)),
        ("Subject", envelope.subject.as_deref().filter(|_| is_notification)),
        ("SubscribeURL", envelope.subscribe_url.as_deref().filter(|_| !is_notification)),
        ("Timestamp", Some(&envelope.timestamp)),
        ("Token", envelope.token.as_deref().filter(|_| !is_notification)),
        ("TopicArn", Some(&envelope.topic.arn)),
        ("Type", Some(kind)),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.map(|value| format!("{name}\n{value}\n")))
    .collect()
}

/// A topic, and the host that speaks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Topic {
    arn: String,
    region: String,
    /// `.cn` in China, else nothing.
    ending: &'static str,
    host: String,
}

impl Topic {
    /// Reads `arn:aws:sns:eu-west-1:123456789012:name`.
    fn of(arn: &str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let ("arn", partition, "sns", region, account, name) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?)
        else {
            return None;
        };
        let ending = match partition {
            "aws" | "aws-us-gov" => "",
            "aws-cn" => ".cn",
            _ => return None,
        };
        let is_region = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if region.is_empty() || !region.bytes().all(is_region) || account.is_empty() || name.is_empty() {
            return None;
        }
        let host = format!("sns.{region}.amazonaws.com{ending}");
        Some(Self { arn: arn.to_owned(), region: region.to_owned(), ending, host })
    }

    /// Whether this is the address of a certificate at the topic's host, letter by letter: no user, port, query or
    /// detour.
    fn keeps_certificate(&self, url: &str) -> bool {
        let name = url
            .strip_prefix("https://")
            .and_then(|rest| rest.strip_prefix(self.host.as_str()))
            .and_then(|rest| rest.strip_prefix("/SimpleNotificationService-"))
            .and_then(|rest| rest.strip_suffix(".pem"));
        name.is_some_and(|name| {
            (1..=128).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
    }

    /// The names that SNS's certificates carry. The oldest regions share one; the others have one of their own, and
    /// both regions of GovCloud that of the western one.
    fn certificate_names(&self) -> Vec<String> {
        let Self { region, ending, .. } = self;
        let mut names = vec![
            format!("sns.amazonaws.com{ending}"),
            format!("sns-signing.{region}.amazonaws.com{ending}"),
            format!("sns-{region}.amazonaws.com{ending}"),
            self.host.clone(),
        ];
        if region.starts_with("us-gov-") {
            names.push("sns-us-gov-west-1.amazonaws.com".to_owned());
        }
        names
    }
}

/// What the certificates of the chain may be signed with.
const CHAIN_ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithms::RSA_PKCS1_2048_8192_SHA256,
    algorithms::RSA_PKCS1_2048_8192_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA512,
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P256_SHA384,
    algorithms::ECDSA_P384_SHA256,
    algorithms::ECDSA_P384_SHA384,
];

/// RSA with SHA-1, for messages of signature version 1; no certificate may be signed with it.
#[derive(Debug)]
struct RsaSha1;

impl SignatureVerificationAlgorithm for RsaSha1 {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, key)
            .verify(message, signature)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    /// `sha1WithRSAEncryption`, 1.2.840.113549.1.1.5, with its parameter NULL.
    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        AlgorithmIdentifier::from_slice(&[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05, 0x05, 0x00])
    }
}

#[cfg(test)]
mod tests;

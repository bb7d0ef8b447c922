//! Providers that post as their documents say, each signing by what it has in common with a team.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, SecondsFormat, Utc};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use ring::{digest, hmac};
use serde_json::{Value, json};

use crate::domain::provider_webhook::WebhookProvider;

/// What stands before the key in the DER of a public key of P-256. Source: RFC 5480.
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// An account at a provider.
pub(crate) struct Account {
    pub(crate) provider: WebhookProvider,
    /// What it signs by.
    key: EcdsaKeyPair,
    shared: String,
}

/// A post, which the tests may change before it goes out.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Sent {
    fn of(body: &Value, headers: Vec<(&'static str, String)>) -> Self {
        Self { headers, body: body.to_string() }
    }

    /// The same with another value in a header.
    pub(crate) fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.iter_mut().filter(|(each, _)| *each == name).for_each(|(_, old)| *old = value.to_owned());
        self
    }
}

impl Account {
    /// An account with a key of its own.
    pub(crate) fn new(provider: WebhookProvider) -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref(), &random).unwrap();
        let shared = hex::encode(&key.public_key().as_ref()[1..33]);
        Self { provider, key, shared }
    }

    /// What the provider shows to be typed into the page; `None` where that makes the secret itself.
    pub(crate) fn secret(&self) -> Option<String> {
        match self.provider {
            WebhookProvider::SendGrid => Some(STANDARD.encode([&P256_PREFIX, self.key.public_key().as_ref()].concat())),
            WebhookProvider::ResendCom => Some(format!("whsec_{}", STANDARD.encode(&self.shared))),
            WebhookProvider::Mailgun
            | WebhookProvider::JetEmail
            | WebhookProvider::Twilio
            | WebhookProvider::Vonage => Some(self.shared.clone()),
            WebhookProvider::AmazonSes => Some("arn:aws:sns:eu-west-1:123456789012:finch".to_owned()),
            WebhookProvider::Postmark
            | WebhookProvider::Brevo
            | WebhookProvider::Mailjet
            | WebhookProvider::SparkPost => None,
        }
    }

    /// Says that a message was delivered, to the address that it was given. `number` tells posts and messages apart.
    pub(crate) fn delivered(&self, address: &str, number: usize, now: DateTime<Utc>) -> Sent {
        let (s, iso) = (now.timestamp(), now.to_rfc3339_opts(SecondsFormat::Millis, true));
        let (to, message) = ("ada@finch.example", format!("m-{number}"));
        let log_in = || match address.split_once("://").and_then(|(_, rest)| rest.split_once('@')) {
            Some((log_in, _)) => vec![("authorization", format!("Basic {}", STANDARD.encode(log_in)))],
            None => Vec::new(),
        };
        match self.provider {
            WebhookProvider::SendGrid => {
                let event = json!([{
                    "event": "delivered", "email": to, "timestamp": s, "sg_event_id": format!("e-{number}"),
                    "sg_message_id": format!("{message}.recvd-1"), "response": "250 OK",
                }]);
                self.signed(&event, now)
            }
            WebhookProvider::Postmark => Sent::of(
                &json!({"RecordType": "Delivery", "MessageID": message, "Recipient": to, "DeliveredAt": iso, "Details": "250 OK"}),
                log_in(),
            ),
            WebhookProvider::Mailgun => {
                let (time, token) = (s.to_string(), format!("{number:050}"));
                let signature = self.hmac(format!("{time}{token}").as_bytes());
                let event = json!({
                    "signature": {"timestamp": time, "token": token, "signature": signature},
                    "event-data": {
                        "event": "delivered", "id": format!("e-{number}"), "timestamp": s as f64, "recipient": to,
                        "message": {"headers": {"message-id": message}},
                    },
                });
                Sent::of(&event, Vec::new())
            }
            WebhookProvider::ResendCom => {
                let event = json!({
                    "type": "email.delivered", "created_at": iso,
                    "data": {"email_id": message, "to": [to], "from": "a@finch.example", "subject": "Seeds", "created_at": iso},
                });
                let (id, time) = (format!("msg-{number}"), s.to_string());
                let key = hmac::Key::new(hmac::HMAC_SHA256, self.shared.as_bytes());
                let signature = hmac::sign(&key, format!("{id}.{time}.{event}").as_bytes());
                let headers = vec![
                    ("svix-id", id),
                    ("svix-timestamp", time),
                    ("svix-signature", format!("v1,{}", STANDARD.encode(signature.as_ref()))),
                ];
                Sent::of(&event, headers)
            }
            WebhookProvider::Brevo => Sent::of(
                &json!({"event": "delivered", "email": to, "id": number, "message-id": format!("<{message}>"), "ts_event": s, "ts": s}),
                log_in(),
            ),
            WebhookProvider::Mailjet => Sent::of(
                &json!([{"event": "sent", "time": s, "MessageID": 1_000_000 + number, "email": to, "smtp_reply": "250 OK"}]),
                log_in(),
            ),
            WebhookProvider::SparkPost => {
                let event = json!({"type": "delivery", "event_id": number.to_string(), "transmission_id": message, "rcpt_to": to, "timestamp": s.to_string()});
                Sent::of(&json!([{"msys": {"message_event": event}}]), log_in())
            }
            WebhookProvider::JetEmail => {
                let event = json!({"id": format!("e-{number}"), "type": "outbound.delivered", "created_at": iso, "data": {"uid": message, "to": to}});
                let signature = self.hmac(event.to_string().as_bytes());
                let headers = vec![
                    ("x-webhook-signature", format!("sha256={signature}")),
                    ("x-webhook-timestamp", s.to_string()),
                ];
                Sent::of(&event, headers)
            }
            WebhookProvider::Twilio => {
                let fields = [
                    ("From", "+4915550199"),
                    ("MessageSid", message.as_str()),
                    ("MessageStatus", "delivered"),
                    ("To", "+4915550100"),
                ];
                let signed: String = fields.iter().map(|(name, value)| format!("{name}{value}")).collect();
                let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.shared.as_bytes());
                let signature = hmac::sign(&key, format!("{address}{signed}").as_bytes());
                let headers = vec![
                    ("x-twilio-signature", STANDARD.encode(signature.as_ref())),
                    ("content-type", "application/x-www-form-urlencoded".to_owned()),
                ];
                Sent { headers, body: serde_urlencoded::to_string(fields).unwrap() }
            }
            WebhookProvider::Vonage => {
                let event = json!({"message_uuid": message, "status": "delivered", "timestamp": iso, "to": "4915550100", "from": "Finch", "channel": "sms"});
                let hash = hex::encode(digest::digest(&digest::SHA256, event.to_string().as_bytes()));
                let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
                let claims = json!({"iat": s, "jti": format!("j-{number}"), "iss": "Vonage", "payload_hash": hash});
                let content = format!("{}.{}", part(json!({"alg": "HS256", "typ": "JWT"})), part(claims));
                let key = hmac::Key::new(hmac::HMAC_SHA256, self.shared.as_bytes());
                let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, content.as_bytes()));
                Sent::of(&event, vec![("authorization", format!("Bearer {content}.{signature}"))])
            }
            WebhookProvider::AmazonSes => {
                let event = json!({
                    "Type": "Notification", "MessageId": format!("n-{number}"), "TopicArn": "arn:aws:sns:eu-west-1:123456789012:finch",
                    "Message": "{}", "Timestamp": iso, "SignatureVersion": "2", "Signature": STANDARD.encode("no signature"),
                    "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-1.pem",
                });
                Sent::of(&event, Vec::new())
            }
        }
    }

    /// A batch of events as SendGrid signs it.
    pub(crate) fn signed(&self, events: &Value, now: DateTime<Utc>) -> Sent {
        let time = now.timestamp().to_string();
        let signature = self.key.sign(&SystemRandom::new(), format!("{time}{events}").as_bytes()).unwrap();
        let headers = vec![
            ("x-twilio-email-event-webhook-signature", STANDARD.encode(signature.as_ref())),
            ("x-twilio-email-event-webhook-timestamp", time),
        ];
        Sent::of(events, headers)
    }

    fn hmac(&self, content: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.shared.as_bytes());
        hex::encode(hmac::sign(&key, content))
    }
}

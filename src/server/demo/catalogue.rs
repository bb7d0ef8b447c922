//! The demo team's templates: their sources, what changed from version to version, and the values they are rendered
//! with.

use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc, Weekday};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde_json::{Value, json};

use super::calendar::{ZONE, local_hour};
use super::people::Customer;
use super::read_data;
use crate::domain::template::TemplateSource;

const LAYOUT: &str = include_str!("templates/layout.html");

/// A template of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Welcome,
    VerifyEmail,
    PasswordReset,
    OrderReceipt,
    InvoiceReminder,
    ShippingUpdate,
    Booking,
    Digest,
    SecurityAlert,
}

/// What a new version changed: how many days ago, and which words became which.
type Edit = (i64, &'static str, &'static str);

/// All about a template.
#[derive(Deserialize)]
pub(super) struct Spec {
    pub kind: Kind,
    pub name: &'static str,
    subject: &'static str,
    #[serde(skip)]
    html: &'static str,
    #[serde(skip)]
    text: &'static str,
    /// Why the recipient gets it, for the foot of the message.
    reason: &'static str,
    pub from: &'static str,
    pub reply_to: Option<&'static str>,
    pub tags: Vec<&'static str>,
    /// Whether the shop sends it, rather than the customer database.
    pub by_checkout: bool,
    /// How many of a thousand delivered ones are opened, and how many clicked.
    pub opened: u32,
    pub clicked: u32,
    /// How old the template is, in days.
    pub age_days: i64,
    edits: Vec<Edit>,
}

macro_rules! texts {
    ($($kind:literal)+) => {
        [$((include_str!(concat!("templates/", $kind, ".html")), include_str!(concat!("templates/", $kind, ".txt")))),+]
    };
}

/// The bodies of [SPECS], in HTML and as plain text.
const BODIES: [(&str, &str); 9] = texts! {
    "welcome" "verify_email" "password_reset" "order_receipt" "invoice_reminder" "shipping_update" "booking" "digest"
    "security_alert"
};

/// The templates. Source: `templates.json` and the texts in `templates/`.
pub(super) static SPECS: LazyLock<Vec<Spec>> = LazyLock::new(|| {
    let specs: Vec<Spec> = read_data(include_str!("templates.json"));
    let with_body = |(spec, (html, text))| Spec { html, text, ..spec };
    specs.into_iter().zip(BODIES).map(with_body).collect()
});

impl Spec {
    /// The versions, oldest first: how many days ago each was made, and its sources.
    pub fn versions(&self) -> Vec<(i64, TemplateSource)> {
        let html = LAYOUT.replace("[content]", self.html.trim_end()).replace("[reason]", self.reason);
        let mut source = TemplateSource {
            subject: self.subject.to_owned(),
            html: Some(html),
            text: Some(format!("{}\n--\n{}\n", self.text, self.reason)),
        };
        let mut versions = Vec::new();
        for (age_days, before, after) in self.edits.iter().rev() {
            let undone = TemplateSource {
                subject: source.subject.replace(after, before),
                html: source.html.as_ref().map(|html| html.replace(after, before)),
                text: source.text.as_ref().map(|text| text.replace(after, before)),
            };
            versions.push((*age_days, std::mem::replace(&mut source, undone)));
        }
        versions.push((self.age_days, source));
        versions.reverse();
        versions
    }
}

/// The template of a message that is sent at `at`.
pub(super) fn choose(rng: &mut ChaCha8Rng, at: DateTime<Utc>) -> &'static Spec {
    let (weekday, hour) = local_hour(at);
    let is_weekend = matches!(weekday, Weekday::Sat | Weekday::Sun);
    let weight = |spec: &Spec| match spec.kind {
        Kind::Welcome => 9,
        Kind::VerifyEmail => 11,
        Kind::PasswordReset => 8,
        Kind::OrderReceipt => 24,
        Kind::InvoiceReminder if is_weekend => 0,
        Kind::InvoiceReminder if (8..=10).contains(&hour) => 30,
        Kind::InvoiceReminder => 4,
        Kind::ShippingUpdate if (7..=18).contains(&hour) => 26,
        Kind::ShippingUpdate => 6,
        Kind::Booking => 7,
        Kind::Digest if (6..=8).contains(&hour) && !is_weekend => 60,
        Kind::Digest => 3,
        Kind::SecurityAlert => 4,
    };
    SPECS.choose_weighted(rng, weight).unwrap_or(&SPECS[0])
}

/// The values of one message.
pub(super) struct Values {
    pub variables: Value,
    /// What the message links to, the main link first.
    pub links: Vec<String>,
    /// The number of the invoice or receipt that is attached.
    pub document: Option<String>,
}

/// What variables are filled with. Source: `words.json`.
#[derive(Deserialize)]
struct Words {
    /// Goods with their prices in cents.
    #[serde(borrow)]
    items: Vec<(&'static str, u64)>,
    carriers: Vec<&'static str>,
    hotels: Vec<&'static str>,
    towns: Vec<&'static str>,
    browsers: Vec<&'static str>,
    systems: Vec<&'static str>,
    threads: Vec<&'static str>,
    authors: Vec<&'static str>,
    comments: Vec<&'static str>,
    warehouses: Vec<&'static str>,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| read_data(include_str!("words.json")));

/// The values of a message of this kind to `customer`.
pub(super) fn values(rng: &mut ChaCha8Rng, kind: Kind, customer: &Customer, at: DateTime<Utc>) -> Values {
    let first_name = &customer.first_name;
    let plain = |variables, link: String| Values { variables, links: vec![link], document: None };
    match kind {
        Kind::Welcome => {
            let url = format!("https://app.finch.example/setup/{}", token(rng, 10));
            plain(json!({ "first_name": first_name, "company": customer.company, "setup_url": url }), url)
        }
        Kind::VerifyEmail => {
            let url = format!("https://app.finch.example/verify?c={}", token(rng, 24));
            let code = format!("{:06}", rng.random_range(0..1_000_000));
            plain(json!({ "first_name": first_name, "code": code, "verify_url": url }), url)
        }
        Kind::PasswordReset => {
            let url = format!("https://app.finch.example/reset?t={}", token(rng, 32));
            let device = format!("{} on {}", one(rng, &WORDS.browsers), one(rng, &WORDS.systems));
            let variables =
                json!({ "first_name": first_name, "device": device, "expires_minutes": 60, "reset_url": url });
            plain(variables, url)
        }
        Kind::OrderReceipt => order_receipt(rng, customer),
        Kind::InvoiceReminder => invoice_reminder(rng, customer, at),
        Kind::ShippingUpdate => {
            let number = format!("PX{:010}", rng.random_range(0..10_000_000_000_u64));
            let url = format!("https://track.parcelo.example/{number}");
            let (stage, window) = match rng.random_range(0..4) {
                0 => ("has been shipped", None),
                1 => ("arrives tomorrow", Some("tomorrow by 18:00".to_owned())),
                _ => ("is out for delivery", Some(format!("today by {}:00", rng.random_range(12..20)))),
            };
            let variables = json!({
                "first_name": first_name, "stage": stage, "order": order_number(rng),
                "city": one(rng, &customer.country.cities), "carrier": one(rng, &WORDS.carriers), "window": window,
                "tracking_number": number, "tracking_url": url,
            });
            plain(variables, url)
        }
        Kind::Booking => {
            let url = format!("https://travel.finch.example/b/{}", token(rng, 8).to_uppercase());
            let arrival = at + TimeDelta::days(rng.random_range(3..120));
            let nights = rng.random_range(1..9_u64);
            let variables = json!({
                "first_name": first_name, "city": one(rng, &WORDS.towns), "hotel": one(rng, &WORDS.hotels),
                "arrival": date(arrival), "nights": nights,
                "total": customer.country.amount(nights * rng.random_range(6_900..24_900)), "booking_url": url,
            });
            plain(variables, url)
        }
        Kind::Digest => digest(rng),
        Kind::SecurityAlert => {
            let url = "https://app.finch.example/settings/sign-ins".to_owned();
            let variables = json!({
                "first_name": first_name, "browser": one(rng, &WORDS.browsers), "system": one(rng, &WORDS.systems),
                "city": one(rng, &customer.country.cities), "ip": address(rng), "review_url": url,
            });
            plain(variables, url)
        }
    }
}

fn order_receipt(rng: &mut ChaCha8Rng, customer: &Customer) -> Values {
    let number = order_number(rng);
    let country = customer.country;
    let mut total = 0;
    let items: Vec<Value> = (0..rng.random_range(1..=4))
        .map(|_| {
            let (name, cents) = WORDS.items.choose(rng).copied().unwrap_or(WORDS.items[0]);
            let quantity = if rng.random_ratio(4, 5) { 1 } else { rng.random_range(2..=4) };
            total += cents * quantity;
            json!({ "name": name, "quantity": quantity, "price": country.amount(cents * quantity) })
        })
        .collect();
    let card = match rng.random_range(0..4) {
        0 => "bank transfer".to_owned(),
        _ => format!("card ending in {:04}", rng.random_range(0..10_000)),
    };
    let tracking_url = format!("https://track.parcelo.example/PX{:010}", rng.random_range(0..10_000_000_000_u64));
    let receipt_url = format!("https://app.finch.example/receipts/{number}?k={}", token(rng, 12));
    let variables = json!({
        "first_name": customer.first_name,
        "order": {
            "number": number, "items": items, "total": country.amount(total), "card": card,
            "ships_from": one(rng, &WORDS.warehouses),
        },
        "tracking_url": tracking_url, "receipt_url": receipt_url,
    });
    let document = rng.random_ratio(1, 6).then(|| number.clone());
    Values { variables, links: vec![tracking_url, receipt_url], document }
}

fn invoice_reminder(rng: &mut ChaCha8Rng, customer: &Customer, at: DateTime<Utc>) -> Values {
    let number = format!("INV-{}", rng.random_range(1_900..6_400));
    let (due, days) = match rng.random_range(0..5) {
        0 => ("today", 0),
        1 | 2 => ("tomorrow", 1),
        3 => ("in 3 days", 3),
        _ => ("in a week", 7),
    };
    let url = format!("https://pay.finch.example/{}", token(rng, 16));
    let variables = json!({
        "first_name": customer.first_name,
        "invoice": {
            "number": number, "due": due, "due_date": date(at + TimeDelta::days(days)),
            "amount": customer.country.amount(rng.random_range(4_500..480_000)),
        },
        "pay_url": url,
    });
    Values { variables, links: vec![url], document: Some(number) }
}

fn digest(rng: &mut ChaCha8Rng) -> Values {
    let comments: Vec<Value> = (0..rng.random_range(2..=5))
        .map(|_| json!({ "author": one(rng, &WORDS.authors), "text": one(rng, &WORDS.comments) }))
        .collect();
    let thread = rng.random_range(1_000..9_999);
    let thread_url = format!("https://app.finch.example/threads/{thread}");
    let unsubscribe_url = format!("https://app.finch.example/unsubscribe?t={}", token(rng, 20));
    let variables = json!({
        "title": one(rng, &WORDS.threads), "comments": comments, "thread_url": thread_url,
        "unsubscribe_url": unsubscribe_url,
    });
    Values { variables, links: vec![thread_url], document: None }
}

fn order_number(rng: &mut ChaCha8Rng) -> String {
    rng.random_range(41_000..59_999).to_string()
}

fn date(at: DateTime<Utc>) -> String {
    at.with_timezone(&ZONE).format("%-d %B %Y").to_string()
}

fn one<'a>(rng: &mut ChaCha8Rng, choices: &[&'a str]) -> &'a str {
    choices.choose(rng).copied().unwrap_or_default()
}

/// Letters and digits as in a link.
pub(super) fn token(rng: &mut ChaCha8Rng, length: usize) -> String {
    const LETTERS: &[u8] = b"abcdefghjkmnpqrstuvwxyz23456789";
    (0..length).map(|_| char::from(LETTERS[rng.random_range(0..LETTERS.len())])).collect()
}

/// A network address of the ranges for documentation (RFC 5737).
pub(super) fn address(rng: &mut ChaCha8Rng) -> String {
    format!("{}.{}", one(rng, &["192.0.2", "198.51.100", "203.0.113"]), rng.random_range(1..255))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::render::check_template;

    #[test]
    fn every_edit_made_a_version_that_can_be_saved() {
        for spec in SPECS.iter() {
            let versions = spec.versions();
            assert_eq!(versions.len(), spec.edits.len() + 1);
            assert!(versions.is_sorted_by(|(older, _), (newer, _)| older > newer), "{}", spec.name);
            for pair in versions.windows(2) {
                assert_ne!(pair[0].1, pair[1].1, "{}: an edit changed nothing", spec.name);
            }
            for (_, source) in &versions {
                check_template(source).unwrap();
            }
        }
    }
}

//! The demo team's templates: their sources, what changed from version to version, and the values they are rendered
//! with.

use chrono::{DateTime, TimeDelta, Utc, Weekday};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::calendar::{ZONE, local_hour};
use super::people::Customer;
use crate::domain::template::TemplateSource;

const LAYOUT: &str = include_str!("templates/layout.html");

/// A template of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
pub(super) struct Spec {
    pub kind: Kind,
    pub name: &'static str,
    subject: &'static str,
    html: &'static str,
    text: &'static str,
    /// Why the recipient gets it, for the foot of the message.
    reason: &'static str,
    pub from: &'static str,
    pub reply_to: Option<&'static str>,
    pub tags: &'static [&'static str],
    /// Whether the shop sends it, rather than the customer database.
    pub by_checkout: bool,
    /// How many of a thousand delivered ones are opened, and how many clicked.
    pub opened: u32,
    pub clicked: u32,
    /// How old the template is, in days.
    pub age_days: i64,
    edits: &'static [Edit],
}

pub(super) static SPECS: [Spec; 9] = [
    Spec {
        kind: Kind::Welcome,
        name: "Welcome",
        subject: "Welcome to Finch",
        html: include_str!("templates/welcome.html"),
        text: include_str!("templates/welcome.txt"),
        reason: "You get this because you opened an account at Finch.",
        from: "Finch <hello@finch.example>",
        reply_to: Some("Finch Support <support@finch.example>"),
        tags: &["onboarding"],
        by_checkout: false,
        opened: 480,
        clicked: 140,
        age_days: 410,
        edits: &[
            (141, "Welcome to Finch!", "Welcome to Finch"),
            (12, "most teams need about an hour", "most teams need less than ten minutes"),
        ],
    },
    Spec {
        kind: Kind::VerifyEmail,
        name: "Verify email",
        subject: "Confirm your email address",
        html: include_str!("templates/verify_email.html"),
        text: include_str!("templates/verify_email.txt"),
        reason: "You get this because this address was entered at Finch.",
        from: "Finch <hello@finch.example>",
        reply_to: None,
        tags: &["onboarding", "account"],
        by_checkout: false,
        opened: 700,
        clicked: 375,
        age_days: 410,
        edits: &[(19, "It works for 10 minutes", "It works for 30 minutes")],
    },
    Spec {
        kind: Kind::PasswordReset,
        name: "Password reset",
        subject: "Reset your password",
        html: include_str!("templates/password_reset.html"),
        text: include_str!("templates/password_reset.txt"),
        reason: "You get this because a new password was asked for.",
        from: "Finch Security <security@finch.example>",
        reply_to: None,
        tags: &["account"],
        by_checkout: false,
        opened: 730,
        clicked: 425,
        age_days: 402,
        edits: &[
            (150, "Your password request", "Reset your password"),
            (64, "Finch account today", "Finch account, from {{ device }}"),
            (9, "once, for one hour", "once, for {{ expires_minutes }} minutes"),
        ],
    },
    Spec {
        kind: Kind::OrderReceipt,
        name: "Order receipt",
        subject: "Your receipt for order #{{ order.number }}",
        html: include_str!("templates/order_receipt.html"),
        text: include_str!("templates/order_receipt.txt"),
        reason: "You get this because you paid with Finch.",
        from: "Finch <receipts@finch.example>",
        reply_to: None,
        tags: &["checkout", "receipt"],
        by_checkout: true,
        opened: 540,
        clicked: 80,
        age_days: 398,
        edits: &[
            (300, "Your receipt", "Your receipt for order #{{ order.number }}"),
            (240, "Dear {{ first_name }}", "Thanks, {{ first_name }}"),
            (170, "It ships tomorrow from", "It ships today from"),
            (95, "Track your order", "Track your parcel"),
            (33, "Receipt as a web page", "Receipt as a page"),
            (6, "Payment method: {{ order.card }}", "Paid by {{ order.card }}"),
        ],
    },
    Spec {
        kind: Kind::InvoiceReminder,
        name: "Invoice reminder",
        subject: "Invoice {{ invoice.number }} is due {{ invoice.due }}",
        html: include_str!("templates/invoice_reminder.html"),
        text: include_str!("templates/invoice_reminder.txt"),
        reason: "You get this because you are the invoice contact of your company.",
        from: "Finch Billing <billing@finch.example>",
        reply_to: Some("Finch Billing <accounts@finch.example>"),
        tags: &["billing"],
        by_checkout: true,
        opened: 460,
        clicked: 120,
        age_days: 377,
        edits: &[
            (
                200,
                "Payment reminder: invoice {{ invoice.number }}",
                "Invoice {{ invoice.number }} is due {{ invoice.due }}",
            ),
            (130, "Pay the invoice", "Pay now"),
            (
                47,
                "Ignore this if you have paid.",
                "Paid already? Then our letters crossed, and there is nothing to do.",
            ),
            (16, "an unpaid invoice", "an invoice that is still open"),
        ],
    },
    Spec {
        kind: Kind::ShippingUpdate,
        name: "Shipping update",
        subject: "Your package {{ stage }}",
        html: include_str!("templates/shipping_update.html"),
        text: include_str!("templates/shipping_update.txt"),
        reason: "You get this because you ordered with Finch.",
        from: "Finch <shipping@finch.example>",
        reply_to: None,
        tags: &["checkout", "shipping"],
        by_checkout: true,
        opened: 560,
        clicked: 180,
        age_days: 351,
        edits: &[(77, "Track the package", "Follow the package"), (22, "Tracking code", "Tracking number")],
    },
    Spec {
        kind: Kind::Booking,
        name: "Booking",
        subject: "Your booking in {{ city }} is confirmed",
        html: include_str!("templates/booking.html"),
        text: include_str!("templates/booking.txt"),
        reason: "You get this because you booked with Finch.",
        from: "Finch Travel <travel@finch.example>",
        reply_to: Some("Finch Travel <help@travel.finch.example>"),
        tags: &["travel"],
        by_checkout: true,
        opened: 635,
        clicked: 120,
        age_days: 203,
        edits: &[(55, "Show the booking", "View the booking")],
    },
    Spec {
        kind: Kind::Digest,
        name: "Digest",
        subject: "{{ comments | length }} new comments on “{{ title }}”",
        html: include_str!("templates/digest.html"),
        text: include_str!("templates/digest.txt"),
        reason: "You get this because you follow this thread.",
        from: "Finch <notifications@finch.example>",
        reply_to: None,
        tags: &["digest"],
        by_checkout: false,
        opened: 285,
        clicked: 50,
        age_days: 180,
        edits: &[(27, "Unsubscribe", "Stop these e-mails")],
    },
    Spec {
        kind: Kind::SecurityAlert,
        name: "Security alert",
        subject: "New sign-in from {{ browser }} on {{ system }}",
        html: include_str!("templates/security_alert.html"),
        text: include_str!("templates/security_alert.txt"),
        reason: "You get this because it concerns the safety of your account.",
        from: "Finch Security <security@finch.example>",
        reply_to: None,
        tags: &["account", "security"],
        by_checkout: false,
        opened: 590,
        clicked: 150,
        age_days: 96,
        edits: &[],
    },
];

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

const ITEMS: [(&str, u64); 14] = [
    ("Linen shirt", 5_900),
    ("Enamel mug", 1_450),
    ("Desk lamp “Mira”", 8_900),
    ("Wool blanket", 11_900),
    ("Fountain pen", 3_400),
    ("Notebook, dotted, A5", 1_290),
    ("Coffee beans, 1 kg", 2_180),
    ("Bread knife", 4_650),
    ("Bicycle bell", 1_690),
    ("Rain jacket", 13_900),
    ("Chess set", 6_200),
    ("Tea pot, 0.8 l", 3_950),
    ("Gift card", 5_000),
    ("Poster “Alps & Lakes”", 2_400),
];

const CARRIERS: [&str; 4] = ["Parcelo", "Blitzpost", "Nordfracht", "Vélo Express"];
const HOTELS: [&str; 6] =
    ["Hotel Miramar", "The Lantern House", "Pension Linde", "Casa Azul", "Hotel Bellevue", "The Mill"];
const TOWNS: [&str; 8] = ["Lisbon", "Ljubljana", "Ghent", "Kyoto", "Oaxaca", "Reykjavík", "Tallinn", "Porto"];
const BROWSERS: [&str; 4] = ["Firefox", "Chrome", "Safari", "Edge"];
const SYSTEMS: [&str; 5] = ["Windows", "macOS", "iPhone", "Android", "Linux"];
const THREADS: [&str; 8] = [
    "Q4 roadmap",
    "Refunds in December",
    "New checkout copy",
    "Office move",
    "Invoice layout",
    "Pricing 2027",
    "Support rota",
    "Brand colours",
];
const AUTHORS: [&str; 6] = ["Noor Hadid", "Pim Jansen", "Ida Berg", "Theo Marsh", "Mei Lin", "Raúl Soto"];
const COMMENTS: [&str; 8] = [
    "Could we ship the second half a week earlier?",
    "I have moved the numbers into the shared sheet.",
    "+1, this reads much better now.",
    "Who signs this off on our side?",
    "The second picture is still the old one.",
    "Let’s keep it short & drop the last paragraph.",
    "Customers in Poland asked for exactly this.",
    "Done. Please have a look before Thursday.",
];

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
            let device = format!("{} on {}", one(rng, &BROWSERS), one(rng, &SYSTEMS));
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
                "city": one(rng, &customer.country.cities), "carrier": one(rng, &CARRIERS), "window": window,
                "tracking_number": number, "tracking_url": url,
            });
            plain(variables, url)
        }
        Kind::Booking => {
            let url = format!("https://travel.finch.example/b/{}", token(rng, 8).to_uppercase());
            let arrival = at + TimeDelta::days(rng.random_range(3..120));
            let nights = rng.random_range(1..9_u64);
            let variables = json!({
                "first_name": first_name, "city": one(rng, &TOWNS), "hotel": one(rng, &HOTELS),
                "arrival": date(arrival), "nights": nights,
                "total": customer.country.amount(nights * rng.random_range(6_900..24_900)), "booking_url": url,
            });
            plain(variables, url)
        }
        Kind::Digest => digest(rng),
        Kind::SecurityAlert => {
            let url = "https://app.finch.example/settings/sign-ins".to_owned();
            let variables = json!({
                "first_name": first_name, "browser": one(rng, &BROWSERS), "system": one(rng, &SYSTEMS),
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
            let (name, cents) = ITEMS.choose(rng).copied().unwrap_or(ITEMS[0]);
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
            "ships_from": one(rng, &["Hamburg", "Leipzig", "Rotterdam"]),
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
        .map(|_| json!({ "author": one(rng, &AUTHORS), "text": one(rng, &COMMENTS) }))
        .collect();
    let thread = rng.random_range(1_000..9_999);
    let thread_url = format!("https://app.finch.example/threads/{thread}");
    let unsubscribe_url = format!("https://app.finch.example/unsubscribe?t={}", token(rng, 20));
    let variables = json!({
        "title": one(rng, &THREADS), "comments": comments, "thread_url": thread_url,
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
        for spec in &SPECS {
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

//! The people that the demo's messages are for: invented names of many countries, at invented companies and mailbox
//! providers under `.example` and `.test` (RFC 2606), which reach nobody. Their names are in `countries.json`.

use std::sync::LazyLock;

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::{by_share, read_data};

/// The mailbox provider that has a bad afternoon.
pub(super) const BLOCKING_PROVIDER: &str = "webmail-nord.example";

/// Somebody who gets messages.
#[derive(Clone, Debug)]
pub(super) struct Customer {
    /// What a message calls them.
    pub first_name: String,
    /// The whole name, as it stands in the address line.
    pub name: String,
    pub address: String,
    /// The company, for an address at one.
    pub company: Option<&'static str>,
    pub country: &'static Country,
}

/// A country as far as the demo needs it. A name whose letters are not Latin is followed by `/` and its Latin form.
#[derive(Debug, Deserialize)]
pub(super) struct Country {
    /// How many of a hundred customers live there, roughly.
    weight: u32,
    /// A label for its part of the world.
    pub region: &'static str,
    /// Before an amount.
    currency: &'static str,
    /// How much of the currency a euro is.
    rate: u64,
    whole_amounts: bool,
    family_first: bool,
    pub cities: Vec<&'static str>,
    first_names: Vec<&'static str>,
    last_names: Vec<&'static str>,
    /// Companies: name and domain.
    companies: Vec<(&'static str, &'static str)>,
    providers: Vec<&'static str>,
}

impl Country {
    /// An amount as a message shows it, from cents of a euro: `€ 84.20`, `¥ 13,730`.
    pub fn amount(&self, euro_cents: u64) -> String {
        let minor = euro_cents * self.rate / 100;
        let (whole, rest) = (minor / 100, minor % 100);
        let digits = whole.to_string();
        let mut grouped = String::new();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                grouped.push(',');
            }
            grouped.push(digit);
        }
        if self.whole_amounts {
            format!("{} {grouped}", self.currency)
        } else {
            format!("{} {grouped}.{rest:02}", self.currency)
        }
    }
}

const GLOBAL_PROVIDERS: &[&str] = &["mail.example", "inbox.test", "postbox.example"];

/// Where the customers live. Source: `countries.json`, beside this file.
static COUNTRIES: LazyLock<Vec<Country>> = LazyLock::new(|| read_data(include_str!("countries.json")));

/// `count` customers with addresses of their own.
pub(super) fn customers(rng: &mut ChaCha8Rng, count: usize) -> Vec<Customer> {
    let total: u32 = COUNTRIES.iter().map(|country| country.weight).sum();
    let mut taken = std::collections::HashSet::new();
    let mut customers = Vec::with_capacity(count);
    while customers.len() < count {
        let Some(country) = by_share(&COUNTRIES, rng.random_range(0..total), |country| country.weight) else {
            continue;
        };
        let at_company = rng.random_ratio(9, 20);
        add_customer(rng, country, at_company, None, &mut taken, &mut customers);
    }
    customers
}

/// `count` customers with mailboxes at one provider.
pub(super) fn customers_at(rng: &mut ChaCha8Rng, domain: &'static str, count: usize) -> Vec<Customer> {
    let mut taken = std::collections::HashSet::new();
    let mut customers = Vec::with_capacity(count);
    while customers.len() < count {
        add_customer(rng, &COUNTRIES[0], false, Some(domain), &mut taken, &mut customers);
    }
    customers
}

fn add_customer(
    rng: &mut ChaCha8Rng,
    country: &'static Country,
    at_company: bool,
    domain: Option<&'static str>,
    taken: &mut std::collections::HashSet<String>,
    customers: &mut Vec<Customer>,
) {
    let (first, first_latin) = split_name(pick(rng, &country.first_names));
    let (last, last_latin) = split_name(pick(rng, &country.last_names));
    let (company, domain) = match (domain, at_company) {
        (Some(domain), _) => (None, domain),
        (None, true) => country.companies.choose(rng).map_or((None, "mail.example"), |(name, at)| (Some(*name), *at)),
        (None, false) if !country.providers.is_empty() && rng.random_ratio(3, 4) => {
            (None, pick(rng, &country.providers))
        }
        (None, false) => (None, pick(rng, GLOBAL_PROVIDERS)),
    };
    let initial: String = first_latin.chars().take(1).collect();
    let local = match rng.random_range(0..if company.is_some() { 4 } else { 6 }) {
        0 if company.is_some() => first_latin.clone(),
        0 | 1 => format!("{first_latin}.{last_latin}"),
        2 => format!("{initial}.{last_latin}"),
        3 => format!("{first_latin}.{}", last_latin.chars().take(1).collect::<String>()),
        4 => format!("{first_latin}{last_latin}{}", rng.random_range(61..=99)),
        _ => format!("{last_latin}.{first_latin}"),
    };
    let address = format!("{local}@{domain}");
    if !taken.insert(address.clone()) {
        return;
    }
    let name = if country.family_first { format!("{last} {first}") } else { format!("{first} {last}") };
    customers.push(Customer { first_name: first.to_owned(), name, address, company, country });
}

fn pick<'a>(rng: &mut ChaCha8Rng, names: &[&'a str]) -> &'a str {
    names.choose(rng).copied().unwrap_or("Ada")
}

/// A name and how it stands in an address.
fn split_name(name: &str) -> (&str, String) {
    match name.split_once('/') {
        Some((name, latin)) => (name, latin.to_owned()),
        None => (name, latin(name)),
    }
}

fn latin(name: &str) -> String {
    let mut plain = String::new();
    for letter in name.to_lowercase().chars() {
        match letter {
            'ä' | 'æ' => plain.push_str("ae"),
            'ö' | 'ø' => plain.push_str("oe"),
            'ü' => plain.push_str("ue"),
            'ß' => plain.push_str("ss"),
            'å' | 'á' | 'à' | 'ã' | 'â' | 'ą' => plain.push('a'),
            'é' | 'è' | 'ê' | 'ë' | 'ę' | 'ě' => plain.push('e'),
            'í' | 'ï' | 'î' => plain.push('i'),
            'ó' | 'ò' | 'õ' | 'ô' => plain.push('o'),
            'ú' | 'ů' | 'ù' => plain.push('u'),
            'ç' | 'ć' | 'č' => plain.push('c'),
            'ñ' | 'ń' => plain.push('n'),
            'ł' => plain.push('l'),
            'ś' | 'š' => plain.push('s'),
            'ż' | 'ź' | 'ž' => plain.push('z'),
            'ř' => plain.push('r'),
            'ý' => plain.push('y'),
            letter if letter.is_ascii_alphanumeric() => plain.push(letter),
            _ => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn addresses_are_written_in_latin_letters() {
        for country in COUNTRIES.iter() {
            for name in country.first_names.iter().chain(&country.last_names) {
                let (shown, latin) = split_name(name);
                assert!(latin.len() > 1 && latin.bytes().all(|byte| byte.is_ascii_lowercase()), "{name}: {latin}");
                let lost = shown.chars().filter(|letter| letter.is_alphabetic()).count() > latin.len();
                assert!(!lost || name.contains('/'), "{name}: {latin} lost a letter");
            }
        }
    }

    #[test]
    fn amounts_are_written_as_in_their_country() {
        assert_eq!(COUNTRIES[0].amount(8_420), "€ 84.20");
        assert_eq!(COUNTRIES[0].amount(123_456_789), "€ 1,234,567.89");
        assert_eq!(COUNTRIES[15].amount(8_420), "¥ 13,724");
    }

    #[test]
    fn customers_have_addresses_of_their_own() {
        let customers = customers(&mut ChaCha8Rng::seed_from_u64(1), 500);
        let addresses: std::collections::HashSet<_> = customers.iter().map(|customer| &customer.address).collect();
        assert_eq!(addresses.len(), 500);
        assert!(customers.iter().any(|customer| !customer.name.is_ascii()));
    }
}

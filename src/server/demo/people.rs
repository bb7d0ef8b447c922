//! The people that the demo's messages are for: invented names of many countries, at invented companies and mailbox
//! providers under `.example` and `.test` (RFC 2606), which reach nobody.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

/// The mailbox provider that has a bad afternoon.
pub(super) const BLOCKING_PROVIDER: &str = "webmail-nord.example";

/// Somebody who gets messages.
#[derive(Clone, Debug)]
pub(super) struct Customer {
    /// What a message calls them.
    pub first_name: String,
    /// The whole name, as it stands in the address line.
    pub name: String,
    /// The mailbox.
    pub address: String,
    /// The company, for an address at one.
    pub company: Option<&'static str>,
    /// Where they live.
    pub country: &'static Country,
}

/// A country as far as the demo needs it. A name whose letters are not Latin is followed by `/` and its Latin form.
#[derive(Debug)]
pub(super) struct Country {
    /// How many of a hundred customers live there, roughly.
    weight: u32,
    /// A label for its part of the world.
    pub region: &'static str,
    /// Before an amount.
    currency: &'static str,
    /// How much of the currency a euro is.
    rate: u64,
    /// Whether amounts have no decimal places.
    whole_amounts: bool,
    /// Whether the family name comes first.
    family_first: bool,
    /// Places there.
    pub cities: &'static [&'static str],
    first_names: &'static [&'static str],
    last_names: &'static [&'static str],
    /// Companies: name and domain.
    companies: &'static [(&'static str, &'static str)],
    providers: &'static [&'static str],
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

static COUNTRIES: [Country; 20] = [
    Country {
        weight: 26,
        region: "eu",
        currency: "€",
        rate: 100,
        whole_amounts: false,
        family_first: false,
        cities: &["Hamburg", "Berlin", "Leipzig", "Köln", "München", "Lübeck"],
        first_names: &[
            "Jonas",
            "Hannah",
            "Jürgen",
            "Katharina",
            "Björn",
            "Lena",
            "Matthias",
            "Sören",
            "Greta",
            "Felix",
            "Anke",
            "Tim",
            "Johanna",
            "Moritz",
        ],
        last_names: &[
            "Weber",
            "Schröder",
            "Krüger",
            "Lindemann",
            "Vogt",
            "Böhm",
            "Hartmann",
            "Grünwald",
            "Petersen",
            "Roth",
            "Jäger",
            "Brandt",
            "Weiß",
            "Sommer",
        ],
        companies: &[
            ("Heliolabs", "heliolabs.example"),
            ("Grünwerk", "grünwerk.example"),
            ("Nordlicht Verlag", "nordlicht-verlag.example"),
            ("Kontor 12", "kontor12.example"),
        ],
        providers: &[BLOCKING_PROVIDER, BLOCKING_PROVIDER, "postbote.example"],
    },
    Country {
        weight: 9,
        region: "eu",
        currency: "€",
        rate: 100,
        whole_amounts: false,
        family_first: false,
        cities: &["Lyon", "Paris", "Nantes", "Lille"],
        first_names: &["Lucas", "Chloé", "Élodie", "Antoine", "Zoé", "François", "Inès", "Mathéo"],
        last_names: &["Moreau", "Lefèvre", "Garnier", "Dubois", "Chevalier", "Perrin", "Bénard", "Faure"],
        companies: &[("Café Moreau", "cafemoreau.example"), ("Atelier Lune", "atelier-lune.example")],
        providers: &["courriel.example"],
    },
    Country {
        weight: 6,
        region: "eu",
        currency: "€",
        rate: 100,
        whole_amounts: false,
        family_first: false,
        cities: &["Sevilla", "Madrid", "Bilbao", "València"],
        first_names: &["Tomás", "Lucía", "Íñigo", "Carmen", "Álvaro", "Begoña", "Martín"],
        last_names: &["Herrera", "Muñoz", "Ibáñez", "Castaño", "Vidal", "Peña", "Romero"],
        companies: &[("Olivar Sur", "olivarsur.example"), ("Taller Once", "talleronce.example")],
        providers: &["correo.example"],
    },
    Country {
        weight: 5,
        region: "eu",
        currency: "€",
        rate: 100,
        whole_amounts: false,
        family_first: false,
        cities: &["Torino", "Bologna", "Trieste"],
        first_names: &["Giulia", "Matteo", "Nicolò", "Chiara", "Davide", "Alessia"],
        last_names: &["Conti", "Rinaldi", "Ferri", "Galli", "Marchetti", "D’Angelo"],
        companies: &[("Orbita Viaggi", "orbita-viaggi.example")],
        providers: &["posta.example"],
    },
    Country {
        weight: 3,
        region: "eu",
        currency: "€",
        rate: 100,
        whole_amounts: false,
        family_first: false,
        cities: &["Lisboa", "Porto"],
        first_names: &["João", "Inês", "Tiago", "Conceição", "Rui"],
        last_names: &["Simões", "Araújo", "Magalhães", "Pinto", "Falcão"],
        companies: &[("Maré Alta", "marealta.example")],
        providers: &["correio.example"],
    },
    Country {
        weight: 5,
        region: "eu",
        currency: "zł",
        rate: 428,
        whole_amounts: false,
        family_first: false,
        cities: &["Kraków", "Gdańsk", "Łódź"],
        first_names: &["Łukasz", "Agnieszka", "Paweł", "Małgorzata", "Żaneta", "Krzysztof"],
        last_names: &["Wójcik", "Kamiński", "Zając", "Śliwa", "Nowak", "Gołąb"],
        companies: &[("Warsztat 44", "warsztat44.example")],
        providers: &["poczta.example"],
    },
    Country {
        weight: 5,
        region: "eu",
        currency: "kr",
        rate: 1150,
        whole_amounts: true,
        family_first: false,
        cities: &["Göteborg", "Malmö", "Stockholm"],
        first_names: &["Maya", "Elin", "Oskar", "Åsa", "Göran", "Linnéa"],
        last_names: &["Lindqvist", "Sjöberg", "Åkesson", "Nyström", "Bergman"],
        companies: &[("Northwind", "northwind.example"), ("Fjällräven & Son", "fjallson.example")],
        providers: &["brevet.example"],
    },
    Country {
        weight: 3,
        region: "eu",
        currency: "kr",
        rate: 1170,
        whole_amounts: true,
        family_first: false,
        cities: &["Bergen", "Tromsø", "Oslo"],
        first_names: &["Ola", "Ingrid", "Øystein", "Silje", "Håkon"],
        last_names: &["Nordmann", "Dahl", "Bjørnstad", "Solberg", "Næss"],
        companies: &[("Fjord", "fjord.example")],
        providers: &["brevet.example"],
    },
    Country {
        weight: 3,
        region: "eu",
        currency: "€",
        rate: 100,
        whole_amounts: false,
        family_first: false,
        cities: &["Utrecht", "Rotterdam"],
        first_names: &["Sanne", "Daan", "Femke", "Joris", "Anouk"],
        last_names: &["de Vries", "van Dijk", "Bakker", "Mulder", "Visser"],
        companies: &[("Fietswerk", "fietswerk.example")],
        providers: &["postvak.example"],
    },
    Country {
        weight: 9,
        region: "uk",
        currency: "£",
        rate: 86,
        whole_amounts: false,
        family_first: false,
        cities: &["Leeds", "Bristol", "Edinburgh", "Cardiff"],
        first_names: &["Sam", "Grace", "Oliver", "Niamh", "Callum", "Priya", "Amelia", "Rhys"],
        last_names: &["O’Neill", "Whitaker", "Ashdown", "Patel", "Fraser", "Llewellyn", "Barrow"],
        companies: &[("Bright School", "brightschool.example"), ("O’Neill Family Bakers", "oneill.test")],
        providers: &["letterbox.example"],
    },
    Country {
        weight: 10,
        region: "us",
        currency: "$",
        rate: 108,
        whole_amounts: false,
        family_first: false,
        cities: &["Portland", "Austin", "Madison", "Providence"],
        first_names: &["Ben", "Nia", "Caleb", "Renée", "Jasmine", "Ethan", "Dolores", "Marcus"],
        last_names: &["Carter", "Williams", "Nguyen", "Kowalczyk", "Brooks", "Ramírez", "Hale", "Osborne"],
        companies: &[("Acme Test Goods", "acme.test"), ("Copperline", "copperline.example")],
        providers: &["maildrop.example"],
    },
    Country {
        weight: 2,
        region: "latam",
        currency: "R$",
        rate: 590,
        whole_amounts: false,
        family_first: false,
        cities: &["Recife", "São Paulo"],
        first_names: &["Thaís", "Caio", "Luíza", "Otávio"],
        last_names: &["Queiroz", "Falcão", "Guimarães", "Prado"],
        companies: &[("Baobá Livros", "baoba.example")],
        providers: &["correio.example"],
    },
    Country {
        weight: 2,
        region: "africa",
        currency: "₦",
        rate: 165_000,
        whole_amounts: true,
        family_first: false,
        cities: &["Lagos", "Ibadan"],
        first_names: &["Chidi", "Adaeze", "Tunde", "Ngozi"],
        last_names: &["Okafor", "Adeyemi", "Eze", "Balogun"],
        companies: &[("Lagos Logistics", "lagoslogistics.example")],
        providers: &[],
    },
    Country {
        weight: 2,
        region: "africa",
        currency: "MAD",
        rate: 1080,
        whole_amounts: false,
        family_first: false,
        cities: &["Fès", "Rabat"],
        first_names: &["Fatima", "Youssef", "Salma", "Karim"],
        last_names: &["Zahra", "Bennani", "El Idrissi", "Amrani"],
        companies: &[("Atlas Textiles", "atlas-textiles.example")],
        providers: &[],
    },
    Country {
        weight: 3,
        region: "apac",
        currency: "₹",
        rate: 9100,
        whole_amounts: true,
        family_first: false,
        cities: &["Pune", "Kochi", "Jaipur"],
        first_names: &["Priya", "Arjun", "Meera", "Rohan", "Ananya"],
        last_names: &["Raman", "Deshpande", "Iyer", "Kulkarni", "Nair"],
        companies: &[("Saffron Systems", "saffron-systems.example")],
        providers: &["dak.example"],
    },
    Country {
        weight: 4,
        region: "apac",
        currency: "¥",
        rate: 16_300,
        whole_amounts: true,
        family_first: true,
        cities: &["東京", "京都", "札幌"],
        first_names: &["愛子/aiko", "健太/kenta", "美咲/misaki", "翔/sho", "さくら/sakura"],
        last_names: &["田中/tanaka", "佐藤/sato", "山本/yamamoto", "小林/kobayashi", "松井/matsui"],
        companies: &[("Kumo", "kumo.example"), ("Hoshi Coffee", "hoshi-coffee.example")],
        providers: &["tegami.example"],
    },
    Country {
        weight: 2,
        region: "apac",
        currency: "₩",
        rate: 148_000,
        whole_amounts: true,
        family_first: true,
        cities: &["서울", "부산"],
        first_names: &["민준/minjun", "서연/seoyeon", "하은/haeun", "지호/jiho"],
        last_names: &["김/kim", "이/lee", "박/park", "최/choi"],
        companies: &[("Studio Haneul", "studio-haneul.example")],
        providers: &[],
    },
    Country {
        weight: 2,
        region: "eu",
        currency: "€",
        rate: 100,
        whole_amounts: false,
        family_first: false,
        cities: &["Αθήνα", "Θεσσαλονίκη"],
        first_names: &["Ελένη/eleni", "Γιώργος/giorgos", "Δάφνη/dafni", "Νίκος/nikos"],
        last_names: &["Παππάς/pappas", "Βλάχου/vlachou", "Δήμου/dimou"],
        companies: &[("Thalassa Tours", "thalassa-tours.example")],
        providers: &[],
    },
    Country {
        weight: 2,
        region: "eu",
        currency: "€",
        rate: 100,
        whole_amounts: false,
        family_first: false,
        cities: &["Львів", "Київ"],
        first_names: &["Олена/olena", "Тарас/taras", "Соломія/solomiia", "Андрій/andrii"],
        last_names: &["Шевчук/shevchuk", "Петрова/petrova", "Коваль/koval"],
        companies: &[("Orbit Travel", "orbit-travel.example")],
        providers: &["poshta.example"],
    },
    Country {
        weight: 2,
        region: "eu",
        currency: "Kč",
        rate: 2520,
        whole_amounts: true,
        family_first: false,
        cities: &["Brno", "Plzeň"],
        first_names: &["Jiří", "Tereza", "Ondřej", "Eliška"],
        last_names: &["Dvořák", "Němcová", "Růžička", "Šimek"],
        companies: &[("Knihy Na Rohu", "knihy-na-rohu.example")],
        providers: &["schranka.example"],
    },
];

/// `count` customers with addresses of their own.
pub(super) fn customers(rng: &mut ChaCha8Rng, count: usize) -> Vec<Customer> {
    let total: u32 = COUNTRIES.iter().map(|country| country.weight).sum();
    let mut taken = std::collections::HashSet::new();
    let mut customers = Vec::with_capacity(count);
    while customers.len() < count {
        let mut ticket = rng.random_range(0..total);
        let Some(country) = COUNTRIES.iter().find(|country| {
            let found = ticket < country.weight;
            ticket = ticket.saturating_sub(country.weight);
            found
        }) else {
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
    let (first, first_latin) = split_name(pick(rng, country.first_names));
    let (last, last_latin) = split_name(pick(rng, country.last_names));
    let (company, domain) = match (domain, at_company) {
        (Some(domain), _) => (None, domain),
        (None, true) => country.companies.choose(rng).map_or((None, "mail.example"), |(name, at)| (Some(*name), *at)),
        (None, false) if !country.providers.is_empty() && rng.random_ratio(3, 4) => {
            (None, pick(rng, country.providers))
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
        for country in &COUNTRIES {
            for name in country.first_names.iter().chain(country.last_names) {
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

//! Searches near one that finds nothing: another spelling of a mailbox provider's domain, and one word less. Called by the
//! log's page, which offers those that find something.

use super::Search;
use crate::domain::failure::MailboxProvider;

impl Search {
    /// Searches that may have been meant, at most two, the likelier one first.
    pub fn nearby(&self) -> Vec<Self> {
        let spelt = self.spelt_right();
        let shorter = (self.terms.len() > 1).then(|| {
            let mut search = self.clone();
            search.terms.pop();
            search
        });
        spelt.into_iter().chain(shorter).collect()
    }

    /// The same with the domains of known providers where something is one letter away from them; `None` where nothing is.
    fn spelt_right(&self) -> Option<Self> {
        let mut search = self.clone();
        let values = search.conditions.iter_mut().flat_map(|condition| &mut condition.values);
        for text in search.terms.iter_mut().chain(values) {
            if let Some(right) = spelt_right(text) {
                *text = right;
            }
        }
        (search != *self).then_some(search)
    }
}

/// An address, or a domain, with the domain that was meant.
fn spelt_right(text: &str) -> Option<String> {
    let (local, domain) = match text.rsplit_once('@') {
        Some((local, domain)) => (format!("{local}@"), domain.to_lowercase()),
        None => (String::new(), text.to_lowercase()),
    };
    let mut known = MailboxProvider::named("").into_iter().flat_map(|provider| &provider.domains);
    if !domain.contains('.') || known.clone().any(|known| *known == domain) {
        return None;
    }
    let meant = known.find(|known| is_one_edit(domain.as_bytes(), known.as_bytes()))?;
    Some(format!("{local}{meant}"))
}

/// Whether one letter is another, too many or missing, or two are the wrong way round.
pub(super) fn is_one_edit(one: &[u8], other: &[u8]) -> bool {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    let same = short.iter().zip(long).take_while(|(left, right)| left == right).count();
    match (&short[same..], &long[same..]) {
        (short, [_, rest @ ..]) if short == rest => true,
        ([_, left @ ..], [_, right @ ..]) if left == right => true,
        ([a, b, left @ ..], [c, d, right @ ..]) => (a, b) == (d, c) && left == right,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_near_is_one_letter_or_one_word_away() {
        let near = |text: &str| -> Vec<String> {
            Search::parse(text).unwrap().nearby().iter().map(ToString::to_string).collect()
        };
        assert_eq!(near("ada@gmial.com"), ["ada@gmail.com"]);
        assert_eq!(near("to:Ada@gmai.com tag:a"), ["to:Ada@gmail.com tag:a"]);
        assert_eq!(near("ada gmaill.com"), ["ada gmail.com", "ada"]);
        assert_eq!(near("ada \"b c\" tag:x"), ["ada tag:x"]);
        for text in ["", "ada", "ada@gmail.com", "ada@finch.example", "5.1.1", "gmial"] {
            assert!(near(text).is_empty(), "{text}");
        }
    }
}

//! Searches near one that finds nothing: a mail server's code as one, a mailbox provider's name as one, a status or a reason
//! as one, another spelling of a mailbox provider's domain, and one word less. Called by the log's page, which offers those
//! that find something.

use super::spelling::is_one_edit;
use super::{Condition, MAX_CHARS, Qualifier, Search};
use crate::domain::failure::{FailureClass, MailboxProvider};
use crate::domain::status::EmailStatus;

impl Search {
    /// Searches that may have been meant, at most three, the likelier one first.
    pub fn nearby(&self) -> Vec<Self> {
        let (code, spelt) = (self.read_otherwise(), self.spelt_right());
        let shorter = (self.terms.len() > 1).then(|| {
            let mut search = self.clone();
            search.terms.pop();
            search
        });
        code.into_iter().chain(spelt).chain(shorter).collect()
    }

    /// The same with another value of a qualifier that must hold; `None` where it does not ask for that.
    pub fn with_value(&self, qualifier: Qualifier, value: &str) -> Option<Self> {
        let mut search = self.clone();
        let asks = |condition: &&mut Condition| condition.qualifier == qualifier && !condition.is_not;
        search.conditions.iter_mut().find(asks)?.values = vec![value.to_owned()];
        Some(search)
    }

    /// The value of a qualifier that must hold, where it is the only one.
    pub fn only_value(&self, qualifier: Qualifier) -> Option<&str> {
        let asks = |condition: &&Condition| condition.qualifier == qualifier && !condition.is_not;
        match self.conditions.iter().find(asks)?.values.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// Words that say more as a qualifier: a mail server's code, or who runs mailboxes.
    pub fn read_otherwise(&self) -> Option<Self> {
        self.as_code().or_else(|| self.as_provider())
    }

    /// The same words as the value of a qualifier, and nothing else.
    pub fn alone(qualifier: Qualifier, value: String) -> Self {
        Self { terms: Vec::new(), conditions: vec![Condition::of(qualifier, [value])] }
    }

    /// Words that are a mail server's codes and nothing else, `550 5.1.1`, as what servers answered: the more exact one.
    pub fn as_code(&self) -> Option<Self> {
        let words: Vec<&str> = self.terms.iter().flat_map(|term| term.split(' ')).collect();
        let are_codes = self.conditions.is_empty() && words.iter().all(|word| is_reply_code(word));
        let code = words.iter().max_by_key(|word| word.contains('.')).filter(|_| are_codes)?;
        Some(Self::alone(Qualifier::Reply, (*code).to_owned()))
    }

    /// The same words as a part of what mail servers answered, the qualifiers kept. `None` without words, where it asks for
    /// answers already, where [Self::as_code] does so, and where it would be too long.
    pub fn in_answers(&self) -> Option<Self> {
        let asks = self.conditions.iter().any(|condition| condition.qualifier == Qualifier::Reply);
        if self.terms.is_empty() || asks || self.as_code().is_some() {
            return None;
        }
        let mut search = self.qualifiers();
        search.conditions.push(Condition::of(Qualifier::Reply, [self.terms.join(" ")]));
        (search.to_string().chars().count() <= MAX_CHARS).then_some(search)
    }

    /// What asks for one value of the metadata as a search for that value as a word, and what stands before the value there:
    /// `meta.order:`. `None` where it asks for several, for none, or that one is not there.
    pub fn metadata_as_word(&self) -> Option<(Self, String)> {
        let is_meta = |condition: &Condition| condition.qualifier == Qualifier::Meta;
        let mut asked = self.conditions.iter().filter(|condition| is_meta(condition));
        let (Some(only), None) = (asked.next(), asked.next()) else { return None };
        let [value] = only.values.as_slice() else { return None };
        let mut search = self.clone();
        search.conditions.retain(|condition| !is_meta(condition));
        search.add_term(value);
        (!only.is_not).then(|| (search, format!("{}:", only.name())))
    }

    /// The name of who runs mailboxes and nothing else, `gmail` or `microsoft 365`, as that.
    fn as_provider(&self) -> Option<Self> {
        let words = self.terms.join(" ").to_lowercase();
        let mut names = MailboxProvider::names().filter(|_| self.conditions.is_empty());
        let name = names.find(|name| name.to_lowercase() == words)?;
        Some(Self::alone(Qualifier::Provider, name.to_owned()))
    }

    /// Words that say what became of a message as its row does, and nothing else: `Bounced`, `The mailbox is full · Gmail`,
    /// `mailbox full`.
    pub fn as_outcome(&self) -> Option<Self> {
        let words = self.terms.join(" ");
        let said = plain(words.split(" · ").next().unwrap_or_default());
        if said.is_empty() || !self.conditions.is_empty() {
            return None;
        }
        if let Some(status) = EmailStatus::ALL.into_iter().find(|status| plain(status.label()) == said) {
            return Some(Self::alone(Qualifier::Status, status.as_str().to_owned()));
        }
        let mut reasons = FailureClass::ALL.into_iter();
        let reason = reasons.find(|class| plain(class.label()) == said || plain(&class.slug()) == said)?;
        Some(Self::alone(Qualifier::Reason, reason.slug()))
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

/// A text in lower case, without marks and the small words that one leaves out: `mailbox full`.
fn plain(text: &str) -> String {
    let lower = text.to_lowercase().replace('’', "'");
    let words = lower.split(|mark: char| !mark.is_alphanumeric() && mark != '\'');
    let told = words.filter(|word| !["", "the", "a", "is", "was"].contains(word));
    told.collect::<Vec<_>>().join(" ")
}

/// `550`, or `5.1.1`. Sources: RFC 5321, 4.2.1; RFC 3463, 2.
pub fn is_reply_code(word: &str) -> bool {
    let mut parts = word.split('.');
    let (first, others): (&str, Vec<&str>) = (parts.next().unwrap_or_default(), parts.collect());
    let is_number = |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    match others.as_slice() {
        [] => first.len() == 3 && is_number(&first) && first.starts_with(['4', '5']),
        [subject, detail] => ["2", "4", "5"].contains(&first) && is_number(subject) && is_number(detail),
        _ => false,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_may_stand_in_what_servers_answered() {
        let answers = |text: &str| Search::parse(text).unwrap().in_answers().map(|search| search.to_string());
        assert_eq!(answers("rw9z3k7kha").as_deref(), Some("reply:rw9z3k7kha"));
        assert_eq!(answers("SMTP 550").as_deref(), Some("reply:\"SMTP 550\""));
        assert_eq!(answers("a \"b c\" tag:x").as_deref(), Some("tag:x reply:\"a b c\""));
        for text in ["", "tag:x", "550 5.1.1", "a reply:b", "a -reply:b", "x".repeat(MAX_CHARS).as_str()] {
            assert_eq!(answers(text), None, "{text}");
        }
    }

    #[test]
    fn a_value_of_the_metadata_is_a_word_too() {
        let word = |text: &str| {
            let (search, name) = Search::parse(text).unwrap().metadata_as_word()?;
            Some((search.to_string(), name))
        };
        assert_eq!(word("meta.customer:cus_1"), Some(("cus_1".to_owned(), "meta.customer:".to_owned())));
        assert_eq!(word("a tag:x meta.a:\"b:c d\"").map(|(search, _)| search).as_deref(), Some("a \"b:c d\" tag:x"));
        for text in ["", "tag:x", "meta.a:1,2", "meta.a:1 meta.b:2", "-meta.a:1"] {
            assert_eq!(word(text), None, "{text}");
        }
    }

    #[test]
    fn one_value_is_no_list_and_is_not_denied() {
        let only = |text: &str| Search::parse(text).unwrap().only_value(Qualifier::Tag).map(str::to_owned);
        assert_eq!(only("ada tag:onboard").as_deref(), Some("onboard"));
        for text in ["", "ada", "tag:a,b", "tag:a tag:b", "-tag:a"] {
            assert_eq!(only(text), None, "{text}");
        }
    }

    #[test]
    fn words_of_a_row_are_its_status_or_its_reason() {
        let outcome = |text: &str| Search::parse(text).unwrap().as_outcome().map(|search| search.to_string());
        for (text, wanted) in [
            ("Bounced", "status:bounced"),
            ("spam", "status:spam"),
            ("The address does not exist", "reason:address-unknown"),
            ("address does not exist", "reason:address-unknown"),
            ("mailbox full", "reason:mailbox-full"),
            ("\"the mailbox is full\"", "reason:mailbox-full"),
            ("The mailbox is full · Gmail", "reason:mailbox-full"),
            ("Refused by the server's rules", "reason:policy-refused"),
            ("mailbox-full", "reason:mailbox-full"),
        ] {
            assert_eq!(outcome(text).as_deref(), Some(wanted), "{text}");
        }
        for text in ["", "the", "mailbox", "bounced twice", "bounced tag:a", "status:bounced"] {
            assert_eq!(outcome(text), None, "{text}");
        }
        for class in FailureClass::ALL {
            let wanted = format!("reason:{}", class.slug());
            assert_eq!(Search::of_words(class.label()).as_outcome().map(|search| search.to_string()), Some(wanted));
        }
    }

    #[test]
    fn what_is_near_is_one_letter_or_one_word_away() {
        let near = |text: &str| -> Vec<String> {
            Search::parse(text).unwrap().nearby().iter().map(ToString::to_string).collect()
        };
        assert_eq!(near("ada@gmial.com"), ["ada@gmail.com"]);
        assert_eq!(near("to:Ada@gmai.com tag:a"), ["to:Ada@gmail.com tag:a"]);
        assert_eq!(near("ada gmaill.com"), ["ada gmail.com", "ada"]);
        assert_eq!(near("ada \"b c\" tag:x"), ["ada tag:x"]);
        assert_eq!(near("5.1.1"), ["reply:5.1.1"]);
        assert_eq!(near("550 5.1.1"), ["reply:5.1.1", "550"]);
        assert_eq!(near("\"550 5.1.1\""), ["reply:5.1.1"]);
        assert_eq!(near("421"), ["reply:421"]);
        assert_eq!(near("gmail"), ["provider:Gmail"]);
        assert_eq!(near("\"microsoft 365\""), ["provider:\"Microsoft 365\""]);
        assert_eq!(near("microsoft 365"), ["provider:\"Microsoft 365\"", "microsoft"]);
        assert!(near("5.1.1 tag:a").is_empty());
        let at = |text: &str| {
            let search = Search::parse(text).unwrap().with_value(Qualifier::Provider, "La Poste");
            search.map(|search| search.to_string())
        };
        assert_eq!(at("provider:gmail,yahoo ada tag:a").as_deref(), Some("ada provider:\"La Poste\" tag:a"));
        assert_eq!(at("ada -provider:gmail"), None);
        for text in ["", "ada", "ada@gmail.com", "ada@finch.example", "999", "5.1", "5.1.1.1", "gmial"] {
            assert!(near(text).is_empty(), "{text}");
        }
    }
}

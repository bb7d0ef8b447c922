//! The secrets of an adapter, and texts without them: nothing that is kept of an attempt holds one. Called by [super::worker].

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::endpoint::SmtpSecret;
use super::http_endpoint::{HttpLogIn, HttpSecret};
use super::smtp::{Attempt, RecipientOutcome};
use super::transcript::SECRET;
use crate::domain::adapter::AdapterKind;

/// A shorter secret is hidden where it stands alone: as a part of words it would hide everything.
const SHORT: usize = 4;

/// The secrets of an adapter, in every form in which they can stand in what is said.
pub struct Hidden(Vec<String>);

impl Hidden {
    /// Those of a mail server's adapter.
    pub fn of_smtp(secret: &SmtpSecret) -> Self {
        let mut hidden = Self(Vec::new());
        if let Some(password) = &secret.password {
            let user = secret.user.as_deref().unwrap_or_default();
            hidden.hide(password);
            hidden.hide_encoded(&format!("\0{user}\0{password}"));
            hidden.hide_encoded(&format!("{user}:{password}"));
        }
        hidden.sorted()
    }

    /// Those of an adapter that speaks HTTP. A web address's query often holds a key; a provider's holds settings, one of which
    /// can be an address with a key in it.
    pub fn of_http(kind: AdapterKind, secret: &HttpSecret) -> Self {
        let mut hidden = Self(Vec::new());
        match &secret.log_in {
            Some(HttpLogIn::Bearer(token)) => {
                hidden.hide(token);
                hidden.hide_encoded(&format!("{token}:"));
            }
            Some(HttpLogIn::Basic(user, password)) => {
                // Some take a key for the user and no password.
                hidden.hide(if password.is_empty() { user } else { password });
                hidden.hide_encoded(&format!("{user}:{password}"));
                // A key of several lines, as each of them.
                password.split_whitespace().filter(|part| part.len() > 20).for_each(|part| hidden.hide(part));
            }
            None => {}
        }
        let query = secret.query.as_deref().unwrap_or_default();
        let is_provider = kind.provider_form().is_some();
        if !is_provider {
            hidden.hide(query);
        }
        for (_, value) in form_urlencoded::parse(query.as_bytes()) {
            if !is_provider {
                hidden.hide(&value);
            } else if let Ok(url) = url::Url::parse(&value) {
                hidden.hide(&value);
                hidden.hide(url.path().trim_start_matches('/'));
                url.path_segments()
                    .into_iter()
                    .flatten()
                    .filter(|part| part.len() >= 16)
                    .for_each(|part| hidden.hide(part));
                hidden.hide(url.query().unwrap_or_default());
            }
        }
        hidden.sorted()
    }

    fn hide(&mut self, secret: &str) {
        if secret.is_empty() {
            return;
        }
        self.0.push(secret.to_owned());
        let escaped: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        self.0.push(escaped.replace('+', "%20"));
        self.0.push(escaped);
        self.0.push(serde_json::Value::from(secret).to_string().trim_matches('"').to_owned());
        self.hide_encoded(secret);
    }

    fn hide_encoded(&mut self, secret: &str) {
        if secret.len() >= SHORT {
            for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
                self.0.push(engine.encode(secret));
            }
        }
    }

    /// The longest first: one can be a part of another.
    fn sorted(mut self) -> Self {
        self.0.retain(|form| !form.is_empty());
        self.0.sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        self.0.dedup();
        self
    }

    /// A text without the secrets.
    pub fn scrub(&self, text: &str) -> String {
        let mut scrubbed = hide_credentials(text);
        for secret in self.0.iter().filter(|secret| text.contains(secret.as_str())) {
            scrubbed =
                if secret.len() < SHORT { hide_alone(&scrubbed, secret) } else { scrubbed.replace(secret, SECRET) };
        }
        self.without_cut_end(scrubbed)
    }

    /// A long text was perhaps cut off within a secret.
    fn without_cut_end(&self, mut text: String) -> String {
        const LONG: usize = 200;
        const LEAST: usize = 5;
        let is_cut = |secret: &&String| secret.len() > LEAST && text.len() >= LONG;
        let cut = self.0.iter().filter(is_cut).find_map(|secret| {
            let mut lengths = (LEAST..secret.len()).rev().filter(|length| secret.is_char_boundary(*length));
            lengths.find(|length| text.ends_with(&secret[..*length]))
        });
        if let Some(length) = cut {
            text.truncate(text.len() - length);
            text.push_str(SECRET);
        }
        text
    }

    /// What was said and what became of it, without the secrets.
    pub fn scrub_attempt(&self, mut attempt: Attempt) -> Attempt {
        for step in &mut attempt.said {
            step.text = self.scrub(&step.text);
        }
        for (_, outcome) in &mut attempt.recipients {
            let (RecipientOutcome::Accepted { reply: words }
            | RecipientOutcome::Deferred { reply: words }
            | RecipientOutcome::Refused { reply: words }
            | RecipientOutcome::Unreachable { reason: words }
            | RecipientOutcome::Failed { reason: words }
            | RecipientOutcome::Dropped { reason: words }
            | RecipientOutcome::Unknown { reason: words }) = outcome;
            *words = self.scrub(words);
        }
        attempt
    }
}

/// A text without what proves a request: a signature, and what stands behind the name of a scheme of log-ins.
fn hide_credentials(text: &str) -> String {
    const SIGNATURE: &str = "Signature=";
    const LEAST: usize = 12;
    let (mut hidden, mut is_behind_scheme) = (String::with_capacity(text.len()), false);
    for word in text.split_inclusive(char::is_whitespace) {
        let (bare, space) = word.split_at(word.trim_end().len());
        match bare.find(SIGNATURE) {
            Some(place) => {
                hidden.push_str(&bare[..place + SIGNATURE.len()]);
                hidden.push_str(SECRET);
            }
            None if is_behind_scheme && bare.len() >= LEAST && is_no_word(bare) => hidden.push_str(SECRET),
            None => hidden.push_str(bare),
        }
        hidden.push_str(space);
        let name = bare.trim_matches(|letter: char| !letter.is_alphanumeric());
        is_behind_scheme = name.eq_ignore_ascii_case("bearer") || name.eq_ignore_ascii_case("basic");
    }
    hidden
}

/// Whether it is made of what words are not made of.
fn is_no_word(text: &str) -> bool {
    let is_odd = |(place, letter): (usize, char)| {
        letter.is_ascii_digit() || "=+/_".contains(letter) || place > 0 && letter.is_ascii_uppercase()
    };
    text.char_indices().any(is_odd)
}

/// A text without a short secret where that is a word of its own.
fn hide_alone(text: &str, secret: &str) -> String {
    let is_letter = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    let mut hidden = String::new();
    let mut rest = text;
    while let Some(place) = rest.find(secret) {
        let (before, found) = rest.split_at(place);
        let after = &found[secret.len()..];
        hidden.push_str(before);
        let is_part = is_letter(hidden.chars().last()) || is_letter(after.chars().next());
        hidden.push_str(if is_part { secret } else { SECRET });
        rest = after;
    }
    hidden.push_str(rest);
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_hidden_in_every_form_in_which_it_can_be_said() {
        let secret = HttpSecret { log_in: Some(HttpLogIn::Basic("ada".into(), "p\"w/d +1".into())), query: None };
        let hidden = Hidden::of_http(AdapterKind::Mailjet, &secret);
        let basic = STANDARD.encode("ada:p\"w/d +1");
        for said in
            ["p\"w/d +1", "p\\\"w/d +1", "p%22w%2Fd+%2B1", "p%22w%2Fd%20%2B1", &STANDARD.encode("p\"w/d +1"), &basic]
        {
            assert_eq!(hidden.scrub(&format!("no: {said}!")), format!("no: {SECRET}!"), "{said}");
        }
        assert_eq!(hidden.scrub("ada is no secret"), "ada is no secret");
    }

    #[test]
    fn a_query_is_a_secret_of_a_web_address_and_a_setting_of_a_provider() {
        let token = "Zk3qT9vXw2LmN8bR5yHc";
        let callback = format!("statusCallback=https%3A%2F%2Flog.example%2Fin%2F{token}&language=en");
        let secret = HttpSecret { log_in: None, query: Some(callback) };
        let provider = Hidden::of_http(AdapterKind::Twilio, &secret);
        assert!(
            !provider.scrub(&format!("StatusCallback=https://log.example/in/{token}?sendlog_id=eml_1")).contains(token)
        );
        assert_eq!(provider.scrub("the text is in en"), "the text is in en");
        let secret = HttpSecret { log_in: None, query: Some("key=quiet&x=ab".into()) };
        let web = Hidden::of_http(AdapterKind::Http, &secret);
        assert_eq!(web.scrub("quiet as absent, ab"), format!("{SECRET} as absent, {SECRET}"));
    }

    #[test]
    fn a_password_of_one_letter_hides_no_words() {
        let secret = SmtpSecret { user: Some("a".into()), password: Some("a".into()) };
        let hidden = Hidden::of_smtp(&secret);
        assert_eq!(hidden.scrub("450 a bad mailbox a"), format!("450 {SECRET} bad mailbox {SECRET}"));
    }

    #[test]
    fn what_proves_a_request_is_hidden_also_where_it_was_cut_off() {
        let secret = HttpSecret { log_in: Some(HttpLogIn::Bearer("Zk3qT9vXw2LmN8bR5yHc".into())), query: None };
        let hidden = Hidden::of_http(AdapterKind::SendGrid, &secret);
        let said = "AWS4-HMAC-SHA256 Credential=AKID/x, Signature=5d672d79c15b13162d9279b0855cfba x \"Bearer eyJhbGciOiJSUzI1\"";
        let expected = format!("AWS4-HMAC-SHA256 Credential=AKID/x, Signature={SECRET} x \"Bearer {SECRET}");
        assert_eq!(hidden.scrub(said), expected);
        assert_eq!(hidden.scrub("no, Basic authentication is disabled"), "no, Basic authentication is disabled");
        let cut = format!("{} Zk3qT9vXw2", "x".repeat(200));
        assert_eq!(hidden.scrub(&cut), format!("{} {SECRET}", "x".repeat(200)));
    }
}

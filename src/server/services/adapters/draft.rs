//! What is kept of an adapter's form that was refused: everything but its secrets, so that they rest nowhere.

use percent_encoding::percent_decode_str;

use crate::domain::adapter::form::{AddressForm, TYPED_SECRETS};
use crate::domain::draft::Draft;

/// What was typed into the form of an adapter, but for the secrets; of these, that there were some.
pub fn draft_of(form_name: &str, name: &str, from_address: &str, form: &AddressForm) -> Draft {
    let AddressForm { smtp, http } = form;
    let (of_host, of_url) = (LogIn::in_address(&smtp.host), LogIn::in_address(&http.url));
    let secrets = [
        ("smtp[password]", !smtp.password.is_empty() || of_host.has_password),
        ("http[token]", !http.token.is_empty()),
        ("http[password]", !http.password.is_empty() || of_url.has_password),
    ];
    let typed: Vec<&str> = secrets.iter().filter(|(_, is_typed)| *is_typed).map(|(name, _)| *name).collect();
    Draft::of(form_name)
        .with("name", name)
        .with("from_address", from_address)
        .with("smtp[host]", &without_log_in(&smtp.host))
        .with("smtp[port]", &smtp.port)
        .with("smtp[bounces]", &smtp.bounces)
        .with("smtp[security]", &smtp.security)
        .with("smtp[user]", of_host.user_or(&smtp.user))
        .with("http[url]", &without_log_in(&http.url))
        .with("http[user]", of_url.user_or(&http.user))
        .with("http[setting]", &http.setting)
        .with("http[per_second]", &http.per_second)
        .with(TYPED_SECRETS, &typed.join(" "))
}

/// The log-in in an address that was typed whole: who it is of moves to its own field, and the password is to be typed again.
#[derive(Default)]
struct LogIn {
    user: String,
    has_password: bool,
}

impl LogIn {
    fn in_address(address: &str) -> Self {
        let rest = address.split_once("://").map_or(address, |(_, rest)| rest);
        let Some((log_in, _)) = rest.rsplit_once('@') else { return Self::default() };
        let (user, password) = log_in.split_once(':').unwrap_or((log_in, ""));
        Self { user: percent_decode_str(user).decode_utf8_lossy().into_owned(), has_password: !password.is_empty() }
    }

    /// What was typed into the user's own field comes first.
    fn user_or<'a>(&'a self, typed: &'a str) -> &'a str {
        if typed.is_empty() { &self.user } else { typed }
    }
}

/// An address that was typed, without what may be a password or a key in it.
fn without_log_in(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").map_or(("", address), |(scheme, rest)| (scheme, rest));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = host.split(['?', '#']).next().unwrap_or_default();
    if scheme.is_empty() { host.to_owned() } else { format!("{scheme}://{host}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::adapter::form::{HttpForm, SmtpForm};

    #[test]
    fn a_log_in_in_an_address_is_not_lost_but_for_its_password() {
        let of = |host: &str, user: &str| {
            let smtp = SmtpForm { host: host.to_owned(), user: user.to_owned(), ..SmtpForm::default() };
            let draft = draft_of("adapter", "Odd", "", &AddressForm { smtp, http: HttpForm::default() });
            ["smtp[host]", "smtp[user]", TYPED_SECRETS].map(|field| draft.text(field))
        };
        let host = "smtp://mail.example.com:99999";
        assert_eq!(of("smtp://ma%40ra:p%23w@mail.example.com:99999", ""), [host, "ma@ra", "smtp[password]"]);
        assert_eq!(of("smtp://mara@mail.example.com:99999", ""), [host, "mara", ""]);
        assert_eq!(of("smtp://mara:pw@mail.example.com:99999", "other"), [host, "other", "smtp[password]"]);
        assert_eq!(of(host, ""), [host, "", ""]);
        assert_eq!(of("mail.example.com", "mara"), ["mail.example.com", "mara", ""]);
    }
}

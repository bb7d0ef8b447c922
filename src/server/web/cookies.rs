//! The cookies that we set: their names and attributes. The files beside this one ask here, and
//! nothing else names a cookie.

use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower_sessions::cookie::SameSite;

use crate::domain::mount::mount_path;
use crate::server::App;

/// Which site's requests carry our cookies: this one's, and those that follow a link to it. The session's layer sets the
/// same for its own.
pub const SAME_SITE: SameSite = SameSite::Lax;

/// The longest value that browsers keep with certainty, less the name and the attributes.
const MAX_VALUE_BYTES: usize = 3900;

/// Where browsers send our cookies: under the path that we are reached by, and nowhere else on this host.
pub fn path() -> &'static str {
    path_of(mount_path())
}

const fn path_of(mount: &str) -> &str {
    if mount.is_empty() { "/" } else { mount }
}

/// A cookie of ours. No script reads any of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    Session,
    /// A sentence for the page that comes next.
    Flash,
    /// The chosen colours: `light` or `dark`.
    Theme,
    /// How the list of the log looks.
    View,
    /// What was typed into a form that was refused, sealed.
    Draft,
    /// A log-in that is under way at the OpenID provider, sealed.
    OpenId,
    /// Who was logged in last, sealed. It grants nothing.
    Person,
}

impl Cookie {
    pub const ALL: [Self; 7] =
        [Self::Session, Self::Flash, Self::Theme, Self::View, Self::Draft, Self::OpenId, Self::Person];

    /// Its name. Behind https the prefix makes browsers refuse one that another host of the domain or an unencrypted
    /// connection has set; one with a path of its own keeps at least the latter out. Source: RFC 6265bis, 4.1.3.
    pub fn name(self, is_https: bool) -> &'static str {
        self.name_at(is_https, mount_path())
    }

    fn name_at(self, is_https: bool, mount: &str) -> &'static str {
        let [plain, of_host, secure] = self.names();
        match (is_https, mount) {
            (false, _) => plain,
            (true, "") => of_host,
            (true, _) => secure,
        }
    }

    const fn names(self) -> [&'static str; 3] {
        match self {
            Self::Session => ["session", "__Host-session", "__Secure-session"],
            Self::Flash => ["flash", "__Host-flash", "__Secure-flash"],
            Self::Theme => ["theme", "__Host-theme", "__Secure-theme"],
            Self::View => ["view", "__Host-view", "__Secure-view"],
            Self::Draft => ["draft", "__Host-draft", "__Secure-draft"],
            Self::OpenId => ["openid", "__Host-openid", "__Secure-openid"],
            Self::Person => ["person", "__Host-person", "__Secure-person"],
        }
    }

    /// The value of `Set-Cookie` that keeps `value`, which holds letters, digits, `-` and `_` alone, for `seconds`; none
    /// at all takes the cookie away.
    pub fn set(self, value: &str, seconds: u32, is_https: bool) -> String {
        self.set_at(value, seconds, is_https, mount_path())
    }

    fn set_at(self, value: &str, seconds: u32, is_https: bool, mount: &str) -> String {
        let (name, path) = (self.name_at(is_https, mount), path_of(mount));
        let secure = if is_https { "; Secure" } else { "" };
        format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite={SAME_SITE}{secure}")
    }

    /// The header that [Self::set] is the value of; `None` for a value that no cookie can hold.
    pub fn header(self, value: &str, seconds: u32, is_https: bool) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.set(value, seconds, is_https)).ok()
    }

    /// The header that keeps a value for `seconds` so that only this server reads it, and not for longer. `None` for one
    /// that is too long.
    pub fn seal<T: Serialize>(self, app: &App, value: &T, seconds: u32) -> Option<HeaderValue> {
        let until = app.clock.now().timestamp_micros() + i64::from(seconds) * 1_000_000;
        let plain = serde_json::to_vec(&(until, value)).ok()?;
        let sealed = BASE64_URL_SAFE_NO_PAD.encode(app.secret_key.seal(&plain, self.names()[1]));
        if sealed.len() > MAX_VALUE_BYTES {
            return None;
        }
        self.header(&sealed, seconds, app.config.is_https())
    }

    /// What [Self::seal] keeps in a request, while it lasts.
    pub fn open<T: DeserializeOwned>(self, app: &App, headers: &HeaderMap) -> Option<T> {
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(self.find(headers, app.config.is_https())?).ok()?;
        let plain = app.secret_key.try_open(std::str::from_utf8(&sealed).ok()?, self.names()[1])?;
        let (until, value): (i64, T) = serde_json::from_slice(&plain).ok()?;
        (app.clock.now().timestamp_micros() < until).then_some(value)
    }

    /// Its value in a request.
    pub fn find(self, headers: &HeaderMap, is_https: bool) -> Option<&str> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = cookies.flat_map(|value| value.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
        pairs.find(|(name, _)| *name == self.name(is_https)).map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behind_https_a_cookie_is_bound_to_the_host_and_to_encryption() {
        for cookie in Cookie::ALL {
            let set = cookie.set("a", 60, true);
            assert!(set.starts_with("__Host-") && set.contains("; Secure") && set.contains("; Path=/;"), "{set}");
            assert!(!set.contains("Domain"), "{set}");
        }
    }

    #[test]
    fn under_a_path_a_cookie_goes_there_alone() {
        for cookie in Cookie::ALL {
            let set = cookie.set_at("a", 60, true, "/sendlog");
            assert!(
                set.starts_with("__Secure-") && set.contains("; Secure") && set.contains("; Path=/sendlog;"),
                "{set}"
            );
            assert!(cookie.set_at("a", 60, false, "/sendlog").contains("; Path=/sendlog;"));
            assert_eq!(cookie.name_at(false, "/sendlog"), cookie.name_at(false, ""));
        }
    }

    #[test]
    fn elsewhere_a_cookie_has_its_plain_name() {
        assert_eq!(Cookie::Session.name(false), "session");
        assert_eq!(Cookie::Flash.set("a", 60, false), "flash=a; Path=/; Max-Age=60; HttpOnly; SameSite=Lax");
        assert_eq!(Cookie::Theme.set("", 0, false), "theme=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    }

    #[test]
    fn one_connection_does_not_take_the_other_ones_cookie() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("theme=dark; session=planted"));
        headers.append(header::COOKIE, HeaderValue::from_static("__Host-session=own"));
        assert_eq!(Cookie::Session.find(&headers, false), Some("planted"));
        assert_eq!(Cookie::Session.find(&headers, true), Some("own"));
        assert_eq!(Cookie::Theme.find(&headers, false), Some("dark"));
        assert_eq!(Cookie::Theme.find(&headers, true), None);
        assert_eq!(Cookie::Flash.find(&headers, false), None);
    }
}

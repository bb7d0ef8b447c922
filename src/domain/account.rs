//! A person's own account: their sessions and their second factor, as the profile shows them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A place where somebody is logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonSession {
    /// Its public name, which opens nothing.
    pub name: String,
    /// The device in words, "Firefox on Linux".
    pub device: String,
    pub address: Option<String>,
    pub began_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_seen_at: DateTime<Utc>,
    pub is_this: bool,
}

/// Where a person stands with their second factor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TwoFactor {
    Off,
    /// None, and none can be: the account has no password, an OpenID provider looks after log-in.
    AtProvider,
    /// There is a secret that no code has confirmed yet.
    Begun {
        /// The secret, to be typed: base32 in groups of four.
        secret: String,
        /// The same for a camera.
        square: Square,
    },
    On {
        /// How many recovery codes are left.
        recovery_codes: i64,
    },
}

/// A QR code: dark squares on a light field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Square {
    pub width: usize,
    /// The dark squares as the path of an SVG, one unit each.
    pub path: String,
}

/// A browser and its system in words, "Firefox on Linux"; "Unknown device" for what calls itself nothing known. Programs
/// are named as they name themselves. Source: the browsers' own `User-Agent` texts; the order matters, because each names
/// those before it.
pub fn device_words(user_agent: &str) -> String {
    const BROWSERS: [(&str, &str); 9] = [
        ("Edg/", "Edge"),
        ("EdgA/", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("FxiOS/", "Firefox"),
        ("Firefox/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    const SYSTEMS: [(&str, &str); 8] = [
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("CrOS", "ChromeOS"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
        ("FreeBSD", "FreeBSD"),
    ];
    let named = |names: &[(&str, &'static str)]| {
        names.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    match (named(&BROWSERS), named(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, Some(system)) => format!("Unknown browser on {system}"),
        (None, None) => {
            let program = user_agent.split([' ', '/']).next().unwrap_or_default();
            let is_name = !program.is_empty() && program != "Mozilla" && program.chars().count() <= 30;
            if is_name { program.to_owned() } else { "Unknown device".to_owned() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_told_in_words() {
        let cases = [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36 Edg/139.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
                "Safari on macOS",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/139.0 Mobile/15E148 Safari/604.1",
                "Chrome on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            ("curl/8.5.0", "curl"),
            ("Mozilla/5.0", "Unknown device"),
            ("", "Unknown device"),
        ];
        for (user_agent, words) in cases {
            assert_eq!(device_words(user_agent), words);
        }
    }
}

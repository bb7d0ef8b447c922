//! The address people open: a scheme, a host and perhaps a path.

/// What the paths of ours begin with, which a base URL's path must not, so that it is clear whether a proxy took that away.
pub const OWN_PATHS: [&str; 30] = [
    "api",
    "api-docs",
    "connect",
    "favicon.svg",
    "fn",
    "forgot",
    "health",
    "help",
    "hooks",
    "icons.svg",
    "invite",
    "jetemail",
    "login",
    "logs",
    "metrics",
    "notificationapi",
    "notifications",
    "pkg",
    "ready",
    "requests",
    "resend",
    "resends",
    "reset",
    "robots.txt",
    "sendwithus",
    "settings",
    "setup",
    "t",
    "templates",
    "u",
];

/// Reads the address people open.
pub(super) fn parse_base_url(text: &str) -> Result<String, String> {
    const EXAMPLE: &str = "write the scheme and the host, and the path where there is one: https://mail.example.com, or \
                           https://example.com/sendlog";
    let wrong = || EXAMPLE.to_owned();
    let url = url::Url::parse(text).map_err(|_| wrong())?;
    let has_user = !url.username().is_empty() || url.password().is_some();
    if !matches!(url.scheme(), "http" | "https") || url.query().is_some() || url.fragment().is_some() || has_user {
        return Err(wrong());
    }
    let path = url.path().trim_end_matches('/');
    let is_plain = |part: &str| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
        !part.is_empty() && part.bytes().all(is_letter)
    };
    let mut parts = path.split('/').skip(1);
    if !parts.clone().all(is_plain) {
        return Err(wrong());
    }
    if let Some(taken) = parts.next().filter(|first| OWN_PATHS.contains(first)) {
        return Err(format!("/{taken} is a page of Sendlog itself: use another path"));
    }
    // What is parsed has no dots and the like any more: it must be what was written.
    let written = text.trim_end_matches('/');
    let after_scheme = written.split_once("://").map_or("", |(_, rest)| rest);
    let is_as_written = after_scheme.find('/').map_or("", |place| &after_scheme[place..]) == path;
    if is_as_written { Ok(written.to_owned()) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    #[test]
    fn the_address_people_open_may_have_a_path() {
        let read = |text: &str| {
            let config = Config { base_url: Some(parse_base_url(text)?), ..Config::at(([127, 0, 0, 1], 3000).into()) };
            Ok((config.public_url(), config.base_path().to_owned(), config.public_origin().map(str::to_owned)))
        };
        let of = |url: &str, path: &str, origin: &str| {
            Ok::<_, String>((url.to_owned(), path.to_owned(), Some(origin.to_owned())))
        };
        assert_eq!(read("https://a.example"), of("https://a.example", "", "https://a.example"));
        assert_eq!(read("https://a.example/"), of("https://a.example", "", "https://a.example"));
        assert_eq!(read("https://a.example/mail/"), of("https://a.example/mail", "/mail", "https://a.example"));
        assert_eq!(
            read("http://a.example:8443/x/mail"),
            of("http://a.example:8443/x/mail", "/x/mail", "http://a.example:8443")
        );
        for wrong in [
            "https://a.example/a//b",
            "https://a.example/a/../b",
            "https://a.example/%61",
            "https://a.example/a b",
            "https://a.example/a?b",
            "https://a.example/a#b",
            "https://me:no@a.example/a",
            "ftp://a.example/a",
            "https://a.example/a\"b",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        for taken in OWN_PATHS {
            assert!(read(&format!("https://a.example/{taken}/x")).unwrap_err().contains("another path"), "{taken}");
        }
    }
}

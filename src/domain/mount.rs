//! The path under which Sendlog is reached, where it is not the root: `/sendlog` of `https://example.com/sendlog`. Inside, every
//! address is written without it: routes, queries, what is kept for later. It is put before an address where that is given to a
//! browser: in a page by [mounted], in a redirect by the web server; and taken off where one comes from there, by [inside].
//! Absolute addresses begin with the base URL, which has it.

use std::borrow::Cow;
use std::sync::OnceLock;

/// Set once, by the command line, because one program serves one address; nothing where that is the root.
static MOUNT: OnceLock<String> = OnceLock::new();

/// Says under which path the program is reached, before it serves: `/sendlog`, or nothing for the root. Later calls change nothing.
pub fn mount(path: &str) {
    let _ = MOUNT.set(path.to_owned());
}

/// The path under which the program is reached, without a slash at its end; empty for the root.
pub fn mount_path() -> &'static str {
    MOUNT.get().map_or("", String::as_str)
}

/// What may be an address of ours: a text, or none.
pub trait Address {
    /// The same, mounted.
    type Mounted;

    /// The address under `mount`. What does not begin with one slash, such as a fragment, is left as it is.
    fn under(self, mount: &str) -> Self::Mounted;
}

fn is_ours(address: &str) -> bool {
    address.starts_with('/') && !address.starts_with("//")
}

impl<'a> Address for &'a str {
    type Mounted = Cow<'a, str>;

    fn under(self, mount: &str) -> Cow<'a, str> {
        if mount.is_empty() || !is_ours(self) { Cow::Borrowed(self) } else { Cow::Owned(format!("{mount}{self}")) }
    }
}

impl Address for String {
    type Mounted = Self;

    fn under(mut self, mount: &str) -> Self {
        if is_ours(&self) {
            self.insert_str(0, mount);
        }
        self
    }
}

impl<T: Address> Address for Option<T> {
    type Mounted = Option<T::Mounted>;

    fn under(self, mount: &str) -> Self::Mounted {
        self.map(|address| address.under(mount))
    }
}

/// An address of ours as a browser needs it.
pub fn mounted<T: Address>(address: T) -> T::Mounted {
    address.under(mount_path())
}

/// The address of ours that a browser's is; what is not under the mount is left as it is.
pub fn inside(address: &str) -> &str {
    without(address, mount_path())
}

fn without<'a>(address: &'a str, mount: &str) -> &'a str {
    match address.strip_prefix(mount).filter(|_| !mount.is_empty()) {
        Some("") => "/",
        Some(rest) if rest.starts_with('/') => rest,
        // Two slashes would be another host's.
        Some(_) | None => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_ours_is_put_under_the_mount_and_others_are_left() {
        assert_eq!("/logs?a=/b".under("/sendlog"), "/sendlog/logs?a=/b");
        assert_eq!("/logs".to_owned().under("/sendlog"), "/sendlog/logs");
        assert_eq!(Some("/").under("/a/b"), Some(Cow::from("/a/b/")));
        assert_eq!(None::<String>.under("/sendlog"), None);
        for other in ["", "#top", "?page=2", "https://a.example/", "//a.example", "mailto:a@example.com"] {
            assert_eq!(other.under("/sendlog"), other);
            assert_eq!(other.to_owned().under("/sendlog"), other);
        }
        assert!(matches!("/logs".under(""), Cow::Borrowed("/logs")));
    }

    #[test]
    fn what_comes_from_a_browser_loses_the_mount() {
        for (address, found) in [
            ("/sendlog/logs?page=2", "/logs?page=2"),
            ("/sendlog", "/"),
            ("/sendlog/", "/"),
            ("/sendlogs", "/sendlogs"),
            ("/logs", "/logs"),
            ("", ""),
            ("/sendlog/sendlog/logs", "/sendlog/logs"),
        ] {
            assert_eq!(without(address, "/sendlog"), found, "{address}");
            assert_eq!(without(address, ""), address);
        }
    }
}

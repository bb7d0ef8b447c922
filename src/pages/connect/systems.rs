//! The systems whose clients can talk to Sendlog: where each is pointed to, and how. Each option in a snippet was read in
//! the published package.

use crate::domain::api_key::NewKey;
use crate::server_fns::connect::{ConnectView, Place, SmtpEncryption, SmtpPlace};

/// What stands in a snippet for the address of this server.
const URL: &str = "SENDLOG_URL";
/// What stands in a snippet for the key's id; a snippet without a key keeps it.
const KEY_ID: &str = "YOUR_KEY_ID";
/// What stands in a snippet for the key; a snippet without a key keeps it.
const KEY: &str = "YOUR_KEY";

const OPENAPI: &str = "OpenAPI document";

/// A system as the page tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// Its name, and its section's id in small letters.
    pub name: &'static str,
    /// What its programs are pointed to on the main address; for SMTP the server, if it is open.
    pub base_url: Option<String>,
    /// What they are pointed to where it has an address of its own.
    pub own_url: Option<String>,
    /// How a program proves who it is.
    pub credentials: &'static str,
    pub note: Option<&'static str>,
    /// What describes it whole: an address and its name.
    pub document: (String, &'static str),
    /// A program for each client.
    pub snippets: Vec<Snippet>,
}

/// A program that sends one message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snippet {
    pub language: &'static str,
    pub package: &'static str,
    pub code: String,
}

/// Every system, our own first, with the key that was just made in the snippets.
pub fn systems(view: &ConnectView) -> Vec<System> {
    vec![sendlog(view), smtp(view), resend(view), sendwithus(view), jetemail(view), notificationapi(view)]
}

/// A program that reports what became of a message.
pub fn report(view: &ConnectView) -> Snippet {
    let base_url = format!("{}/api", view.public_url);
    filled("curl", "", include_str!("snippets/reports.sh"), &base_url, view.key.as_ref())
}

fn sendlog(view: &ConnectView) -> System {
    let base_url = format!("{}/api", view.public_url);
    let snippet = |language, package, source: &str| filled(language, package, source, &base_url, view.key.as_ref());
    System {
        name: "Sendlog",
        own_url: None,
        credentials: "The key as Authorization: Bearer, or as X-API-Key.",
        note: Some("Messages are made from templates; their ids are on the page Templates."),
        document: ("/api/openapi.json".to_owned(), OPENAPI),
        snippets: vec![
            snippet("curl", "", include_str!("snippets/sendlog.sh")),
            snippet("Node", "its own fetch", include_str!("snippets/sendlog.mjs")),
            snippet("Python", "requests", include_str!("snippets/sendlog.py")),
            snippet("Rust", "reqwest", include_str!("snippets/sendlog.rs.txt")),
        ],
        base_url: Some(base_url),
    }
}

/// Programs without an SDK. Where the server takes nothing by SMTP, they show how it would be.
fn smtp(view: &ConnectView) -> System {
    let closed = SmtpPlace { host: "127.0.0.1".to_owned(), port: 587, encryption: SmtpEncryption::StartTls };
    let place = view.smtp.as_ref().unwrap_or(&closed);
    let (secure, class, encrypt, relay, or_stop, tls) = match place.encryption {
        SmtpEncryption::Tls => ("true", "SMTP_SSL", "", "relay", "?", "--tls-on-connect"),
        SmtpEncryption::StartTls => ("false", "SMTP", "server.starttls()", "starttls_relay", "?", "--tls"),
        SmtpEncryption::Never => ("false", "SMTP", "", "builder_dangerous", "", ""),
    };
    let snippet = |language, package, source: &str| {
        let encrypt = if encrypt.is_empty() { String::new() } else { format!("    {encrypt}\n") };
        let source = source
            .replace("SENDLOG_HOST", &place.host)
            .replace("SENDLOG_PORT", &place.port.to_string())
            .replace("SENDLOG_SECURE", secure)
            .replace("SENDLOG_CLASS", class)
            .replace("    SENDLOG_ENCRYPT\n", &encrypt)
            .replace("SENDLOG_RELAY", relay)
            .replace("SENDLOG_TRY", or_stop)
            .replace(" SENDLOG_TLS", &if tls.is_empty() { String::new() } else { format!(" {tls}") });
        filled(language, package, &source, "", view.key.as_ref())
    };
    let note = match &view.smtp {
        None => Some("This server takes no messages by SMTP: start it with --smtp-addr 0.0.0.0:587."),
        Some(SmtpPlace { encryption: SmtpEncryption::Never, .. }) => {
            Some("There is no certificate, so that only programs on the server’s own machine log in.")
        }
        Some(_) => None,
    };
    System {
        name: "SMTP",
        base_url: view.smtp.as_ref().map(|place| format!("{}:{}", place.host, place.port)),
        own_url: None,
        credentials: "The key as the password, whatever the user name.",
        note,
        document: ("/help/smtp-in".to_owned(), "What SMTP takes"),
        snippets: vec![
            snippet("Node", "nodemailer", include_str!("snippets/smtp.mjs")),
            snippet("Python", "smtplib", include_str!("snippets/smtp.py")),
            snippet("Rust", "lettre", include_str!("snippets/smtp.rs.txt")),
            snippet("Shell", "swaks", include_str!("snippets/smtp.sh")),
        ],
    }
}

fn resend(view: &ConnectView) -> System {
    let base_url = base_url(view, &view.resend);
    let snippet = |language, package, source: &str| filled(language, package, source, &base_url, view.key.as_ref());
    System {
        name: "Resend",
        own_url: view.resend.own_url.clone(),
        credentials: "The key as Authorization: Bearer, where Resend’s own stood.",
        note: Some("For Node the variable RESEND_BASE_URL is enough, and the program stays as it is."),
        document: document(&view.resend),
        snippets: vec![
            snippet("Node", "resend", include_str!("snippets/resend.mjs")),
            snippet("Python", "resend", include_str!("snippets/resend.py")),
            snippet("Rust", "resend-rs", include_str!("snippets/resend.rs.txt")),
            snippet("curl", "", include_str!("snippets/resend.sh")),
        ],
        base_url: Some(base_url),
    }
}

/// Its clients write `/api/v1` themselves, so they are pointed to what stands before it.
fn sendwithus(view: &ConnectView) -> System {
    let place = &view.sendwithus;
    let (base_url, main_root) = (base_url(view, place), base_url(view, place).replace("/api/v1", ""));
    let root = place.own_url.as_ref().unwrap_or(&main_root);
    let key = view.key.as_ref();
    let (proto, host, port) = place.own_url.as_deref().and_then(parts).unwrap_or(("http", "127.0.0.1", "3101"));
    let python = include_str!("snippets/sendwithus.py")
        .replace("SENDLOG_PROTO", proto)
        .replace("SENDLOG_HOST", host)
        .replace("SENDLOG_PORT", port);
    let note = if place.own_url.is_some() {
        "The Python client takes a host and a port and no path, so it needs the dialect’s own address. The Node client \
         takes no address at all: it is changed in what the client builds."
    } else {
        "The Python client takes a host and a port and no path, so it needs an address of the dialect’s own, which this \
         server has not: start it with --dialect-addr sendwithus=127.0.0.1:3101. The Node client takes no address at \
         all: it is changed in what the client builds."
    };
    System {
        name: "Sendwithus",
        own_url: place.own_url.as_ref().map(|url| format!("{url}/api/v1")),
        credentials: "The key as user name of Basic, without a password, or as X-SWU-API-KEY.",
        note: Some(note),
        document: document(place),
        snippets: vec![
            filled("Node", "sendwithus", include_str!("snippets/sendwithus.js"), root, key),
            filled("Python", "sendwithus", &python, root, key),
            filled("curl", "", include_str!("snippets/sendwithus.sh"), &base_url, key),
        ],
        base_url: Some(base_url),
    }
}

fn jetemail(view: &ConnectView) -> System {
    let base_url = base_url(view, &view.jetemail);
    let snippet = |language, package, source: &str| filled(language, package, source, &base_url, view.key.as_ref());
    System {
        name: "JetEmail",
        own_url: view.jetemail.own_url.clone(),
        credentials: "The key as Authorization: Bearer.",
        note: None,
        document: document(&view.jetemail),
        snippets: vec![
            snippet("Python", "jetemail", include_str!("snippets/jetemail.py")),
            snippet("curl", "", include_str!("snippets/jetemail.sh")),
        ],
        base_url: Some(base_url),
    }
}

fn notificationapi(view: &ConnectView) -> System {
    let base_url = base_url(view, &view.notificationapi);
    let snippet = |language, package, source: &str| filled(language, package, source, &base_url, view.key.as_ref());
    System {
        name: "NotificationAPI",
        own_url: view.notificationapi.own_url.clone(),
        credentials: "The key’s id is the client id, the key itself the client secret.",
        note: Some("Email goes out by an SMTP adapter, every other channel by an HTTP adapter; without one it waits."),
        document: document(&view.notificationapi),
        snippets: vec![
            snippet("Node", "notificationapi-node-server-sdk", include_str!("snippets/notificationapi.mjs")),
            snippet("Python", "notificationapi-python-server-sdk", include_str!("snippets/notificationapi.py")),
            snippet("curl", "", include_str!("snippets/notificationapi.sh")),
        ],
        base_url: Some(base_url),
    }
}

fn base_url(view: &ConnectView, place: &Place) -> String {
    format!("{}{}", view.public_url, place.prefix)
}

fn document(place: &Place) -> (String, &'static str) {
    (format!("{}/openapi.json", place.prefix), OPENAPI)
}

/// Scheme, host and port of an address without a path.
fn parts(url: &str) -> Option<(&str, &str, &str)> {
    let (scheme, authority) = url.split_once("://")?;
    let (host, port) = authority.rsplit_once(':')?;
    Some((scheme, host, port))
}

fn filled(language: &'static str, package: &'static str, source: &str, url: &str, key: Option<&NewKey>) -> Snippet {
    let mut code = source.trim_end().to_owned();
    if let Some(key) = key {
        code = code.replace(KEY_ID, &key.id.to_string()).replace(KEY, &key.secret);
    }
    Snippet { language, package, code: code.replace(URL, url) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::draft::Draft;
    use crate::domain::ids::ApiKeyId;

    fn view(own_url: Option<&str>, has_key: bool) -> ConnectView {
        let place = |prefix: &str| Place { prefix: prefix.to_owned(), own_url: own_url.map(str::to_owned) };
        let key = NewKey { id: ApiKeyId(7), name: "shop".to_owned(), secret: "sl_secret".to_owned() };
        ConnectView {
            public_url: "https://mail.example.com".to_owned(),
            sendwithus: place("/sendwithus/api/v1"),
            resend: place("/resend"),
            jetemail: place("/jetemail"),
            notificationapi: place("/notificationapi"),
            smtp: own_url.map(|_| SmtpPlace {
                host: "mail.example.com".to_owned(),
                port: 465,
                encryption: SmtpEncryption::Tls,
            }),
            key: has_key.then_some(key),
            draft: Draft::default(),
            first_steps: None,
        }
    }

    fn code(view: &ConnectView, system: &str, language: &str) -> String {
        let system = systems(view).into_iter().find(|known| known.name == system).unwrap();
        system.snippets.into_iter().find(|snippet| snippet.language == language).unwrap().code
    }

    #[test]
    fn a_new_key_stands_in_every_snippet() {
        for system in systems(&view(None, true)) {
            for snippet in &system.snippets {
                let code = &snippet.code;
                assert!(code.contains("sl_secret") && !code.contains(KEY), "{} {}", system.name, snippet.language);
            }
        }
        assert!(
            code(&view(None, true), "NotificationAPI", "Node").contains("init(\"key_0000000000007\", \"sl_secret\"")
        );
    }

    #[test]
    fn every_snippet_is_pointed_to_this_server() {
        for system in systems(&view(Some("http://127.0.0.1:3101"), false)) {
            for snippet in &system.snippets {
                let code = &snippet.code;
                assert!(code.contains(KEY), "{} {}", system.name, snippet.language);
                assert!(!code.contains("SENDLOG_"), "{} {}", system.name, snippet.language);
                assert!(code.contains("mail.example.com") || code.contains("127.0.0.1"), "{code}");
            }
        }
    }

    #[test]
    fn sendwithus_is_asked_at_its_own_address_where_it_has_one() {
        let own = view(Some("http://127.0.0.1:4000"), false);
        assert!(
            code(&own, "Sendwithus", "Python").contains(r#"API_PROTO="http", API_HOST="127.0.0.1", API_PORT="4000""#)
        );
        assert!(code(&own, "Sendwithus", "Node").contains("\"http://127.0.0.1:4000\""));
        let none = view(None, false);
        assert!(code(&none, "Sendwithus", "Node").contains("\"https://mail.example.com/sendwithus\""));
        assert!(code(&none, "Sendwithus", "curl").starts_with("curl https://mail.example.com/sendwithus/api/v1/send "));
    }

    #[test]
    fn programs_encrypt_by_smtp_as_the_server_does() {
        let at = |encryption| {
            let smtp = SmtpPlace { host: "mail.example.com".to_owned(), port: 2525, encryption };
            let view = ConnectView { smtp: Some(smtp), ..view(None, false) };
            ["Node", "Python", "Rust", "Shell"].map(|language| code(&view, "SMTP", language))
        };
        let [node, python, rust, shell] = at(SmtpEncryption::Tls);
        assert!(node.contains("port: 2525,\n  secure: true,") && shell.contains("--port 2525 --tls-on-connect \\"));
        assert!(
            python.contains("smtplib.SMTP_SSL(\"mail.example.com\", 2525) as server:\n    server.login("),
            "{python}"
        );
        assert!(rust.contains("SmtpTransport::relay(\"mail.example.com\")?\n"));
        let [node, python, rust, shell] = at(SmtpEncryption::StartTls);
        assert!(node.contains("secure: false") && shell.contains("--port 2525 --tls \\"));
        assert!(python.contains("as server:\n    server.starttls()\n    server.login("));
        assert!(rust.contains("SmtpTransport::starttls_relay(\"mail.example.com\")?\n"));
        let [_, python, rust, shell] = at(SmtpEncryption::Never);
        assert!(shell.contains("--port 2525 \\") && python.contains("as server:\n    server.login("));
        assert!(rust.contains("SmtpTransport::builder_dangerous(\"mail.example.com\")\n"));
        assert!(systems(&view(None, false))[1].note.is_some_and(|note| note.contains("--smtp-addr")));
    }
}

//! Https without a proxy: the real program with certificates from files, and from an authority on this machine (pebble, which is
//! Let's Encrypt's own for tests, and asks back as that does).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first thing that does not work")]
#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "the other tests of this folder use the rest")]
mod program;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use program::{Folder, command};
use reqwest::{Certificate, Client, redirect::Policy};
use serde_json::json;

/// The name that people open.
const NAME: &str = "mail.example.com";

/// A program that is killed with its value.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        let spawned = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self(spawned.unwrap_or_else(|cause| panic!("{command:?}: {cause}; scripts/setup.sh test installs it")))
    }

    fn serve(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = lines.by_ref().map(Result::unwrap).find(|line| line.contains("Sendlog is at")).expect("it ended");
        assert!(said.contains("https://"), "{said}");
        Self(child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_addr() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A client that trusts one certificate, and finds the name at an address.
fn client(certificate: &[u8], addr: SocketAddr) -> Client {
    let root = Certificate::from_pem(certificate).unwrap();
    let builder = Client::builder().no_proxy().redirect(Policy::none()).tls_built_in_root_certs(false);
    // A connection of its own each time: a certificate is shown when one begins.
    let builder = builder.add_root_certificate(root).pool_max_idle_per_host(0).timeout(Duration::from_secs(20));
    builder.resolve(NAME, addr).build().unwrap()
}

fn place_of(folder: &Folder) -> PathBuf {
    folder.database().parent().unwrap().to_owned()
}

/// Writes a certificate for the name and its key; gives the certificate.
fn write_certificate(certificate: &Path, key: &Path) -> Vec<u8> {
    let made = rcgen::generate_simple_self_signed(vec![NAME.to_owned(), "localhost".to_owned()]).unwrap();
    std::fs::write(key, made.signing_key.serialize_pem()).unwrap();
    std::fs::write(certificate, made.cert.pem()).unwrap();
    made.cert.pem().into_bytes()
}

#[tokio::test]
async fn files_encrypt_and_are_read_again_when_they_change() {
    let folder = Folder::new("https-files");
    let (certificate, key) = (place_of(&folder).join("cert.pem"), place_of(&folder).join("key.pem"));
    let first = write_certificate(&certificate, &key);
    let (addr, plain) = (free_addr(), free_addr());
    let base = format!("https://{NAME}:{}", addr.port());
    let mut serving = command(&folder);
    serving.args(["serve", "--only", "web", "--addr", &addr.to_string(), "--redirect-addr", &plain.to_string()]);
    serving.args(["--base-url", &base]).env("SENDLOG_TLS_CERT", &certificate).env("SENDLOG_TLS_KEY", &key);
    let _server = Running::serve(&mut serving);

    let page = client(&first, addr).get(format!("{base}/login")).send().await.unwrap();
    assert_eq!(page.status(), 200);
    assert!(page.headers()["strict-transport-security"].to_str().unwrap().starts_with("max-age="));

    // Who comes unencrypted is led on, whatever host they name; at the encrypted address they are not understood.
    let mut stream = TcpStream::connect(plain).unwrap();
    stream.write_all(b"GET /logs?page=2 HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 308") && answer.contains(&format!("location: {base}/logs?page=2\r\n")),
        "{answer}"
    );
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.write_all(b"GET /login HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/"));

    let health =
        command(&folder).args(["health", "--addr", &addr.to_string()]).env("SENDLOG_TLS_CERT", &certificate).output();
    assert_eq!(health.unwrap().stdout, b"ok\n");

    // What does not fit leaves the one before; what fits is shown to whoever comes next.
    std::fs::write(&certificate, "half a certificate").unwrap();
    std::thread::sleep(Duration::from_secs(12));
    assert!(client(&first, addr).get(format!("{base}/login")).send().await.is_ok());
    let second = write_certificate(&certificate, &key);
    let began = Instant::now();
    while client(&second, addr).get(format!("{base}/login")).send().await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(30), "the new certificate is not shown");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(client(&first, addr).get(format!("{base}/login")).send().await.is_err());
}

#[tokio::test]
async fn half_begun_encryption_keeps_nobody_out() {
    let folder = Folder::new("https-half");
    let (certificate, key) = (place_of(&folder).join("cert.pem"), place_of(&folder).join("key.pem"));
    let trusted = write_certificate(&certificate, &key);
    let addr = free_addr();
    let mut limited = Command::new("sh");
    limited.env("SENDLOG_DATABASE_URL", format!("sqlite://{}", folder.database().display()));
    limited.args(["-c", "ulimit -n 256; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_sendlog"), "serve", "--only", "web"]);
    limited.args(["--addr", &addr.to_string()]).env("SENDLOG_TLS_CERT", &certificate).env("SENDLOG_TLS_KEY", &key);
    let _server = Running::serve(&mut limited);
    let began = Instant::now();
    let mut held: Vec<TcpStream> = (0..400).map(|_| TcpStream::connect(addr).unwrap()).collect();
    for stream in &mut held {
        // The beginning of a greeting.
        let _ = stream.write_all(&[22, 3, 1, 2, 0, 1]);
    }
    let client = client(&trusted, addr);
    for _ in 0..10 {
        assert_eq!(client.get(format!("https://{NAME}:{}/health", addr.port())).send().await.unwrap().status(), 200);
    }
    let mut last = held.pop().unwrap();
    last.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    assert!(matches!(last.read(&mut [0; 16]), Ok(0) | Err(_)));
    assert!(began.elapsed() < Duration::from_secs(28), "who does not go on is given up: {:?}", began.elapsed());
}

/// An authority on this machine: pebble, and what tells it where names are.
struct Authority {
    directory: String,
    roots: String,
    /// What the authority itself is trusted by.
    trusted: PathBuf,
    running: Vec<Running>,
}

impl Authority {
    fn start(folder: &Folder, https: SocketAddr) -> Self {
        let place = place_of(folder);
        let (certificate, key) = (place.join("authority.pem"), place.join("authority-key.pem"));
        write_certificate(&certificate, &key);
        let [listens, manages, names, told] = std::array::from_fn(|_| free_addr());
        let settings = json!({ "pebble": {
            "listenAddress": listens.to_string(), "managementListenAddress": manages.to_string(),
            "certificate": certificate, "privateKey": key,
            // It asks the server at this port instead of 443.
            "httpPort": 5002, "tlsPort": https.port(),
            "ocspResponderURL": "", "externalAccountBindingRequired": false,
        } });
        let file = place.join("authority.json");
        std::fs::write(&file, settings.to_string()).unwrap();
        let dns = Running::start(
            Command::new("pebble-challtestsrv")
                .args([
                    "-defaultIPv4",
                    "127.0.0.1",
                    "-defaultIPv6",
                    "",
                    "-http01",
                    "",
                    "-https01",
                    "",
                    "-tlsalpn01",
                    "",
                ])
                .args(["-dns01", &names.to_string(), "-management", &told.to_string()]),
        );
        let pebble = Running::start(
            Command::new("pebble")
                .args(["-config", &file.display().to_string(), "-dnsserver", &names.to_string()])
                .env("PEBBLE_VA_NOSLEEP", "1")
                .env("PEBBLE_WFE_NONCEREJECT", "5"),
        );
        Self {
            directory: format!("https://localhost:{}/dir", listens.port()),
            roots: format!("https://localhost:{}/roots/0", manages.port()),
            trusted: certificate,
            running: vec![dns, pebble],
        }
    }

    /// What the certificates that it gives are trusted by; it makes that when it starts.
    async fn root(&self) -> Vec<u8> {
        let own = Certificate::from_pem(&std::fs::read(&self.trusted).unwrap()).unwrap();
        let client = Client::builder().no_proxy().add_root_certificate(own).build().unwrap();
        let began = Instant::now();
        loop {
            match client.get(&self.roots).send().await {
                Ok(answer) => return answer.bytes().await.unwrap().to_vec(),
                Err(cause) => assert!(began.elapsed() < Duration::from_secs(20), "no authority: {cause:?}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test]
async fn an_authority_gives_a_certificate_which_is_kept() {
    let folder = Folder::new("https-acme");
    let cache = place_of(&folder).join("acme");
    let addr = free_addr();
    let mut authority = Authority::start(&folder, addr);
    let root = authority.root().await;
    let with_settings = |command: &mut Command| {
        command.args(["--addr", &addr.to_string(), "--acme-domain", NAME, "--acme-contact", "admin@example.com"]);
        command.args(["--acme-cache", &cache.display().to_string(), "--acme-directory", &authority.directory]);
        // What this machine trusts.
        command.env("SSL_CERT_FILE", &authority.trusted);
    };
    let mut serving = command(&folder);
    with_settings(serving.args(["serve", "--only", "web"]));
    let doctor = |folder: &Folder| {
        let mut asked = command(folder);
        with_settings(asked.arg("doctor"));
        let output = asked.output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        said.lines().find(|line| line.contains("https certificate")).map(str::to_owned)
    };

    let server = Running::serve(&mut serving);
    let url = format!("https://{NAME}:{}/login", addr.port());
    let (client, began) = (client(&root, addr), Instant::now());
    let page = loop {
        match client.get(&url).send().await {
            Ok(page) => break page,
            Err(cause) => assert!(began.elapsed() < Duration::from_secs(60), "no certificate: {cause:?}"),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert_eq!(page.status(), 200);
    let health =
        command(&folder).args(["health", "--addr", &addr.to_string()]).env("SENDLOG_ACME_DOMAIN", NAME).output();
    assert_eq!(health.unwrap().stdout, b"ok\n");
    let began = Instant::now();
    while !doctor(&folder).is_some_and(|said| said.starts_with("ok") && said.contains("holds until")) {
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", doctor(&folder));
    }
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&cache).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700, "the key is nobody else's");

    // The next start needs no authority.
    drop(server);
    authority.running.clear();
    let mut again = command(&folder);
    again.args(["serve", "--only", "web", "--addr", &addr.to_string(), "--acme-domain", NAME]);
    again.args(["--acme-contact", "admin@example.com", "--acme-cache", &cache.display().to_string()]);
    let _server =
        Running::serve(again.args(["--acme-directory", &authority.directory]).env("SSL_CERT_FILE", &authority.trusted));
    let began = Instant::now();
    while client.get(&url).send().await.is_err() {
        assert!(began.elapsed() < Duration::from_secs(10), "the kept certificate is not used");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

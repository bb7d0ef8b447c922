//! The demo under `https://…/sendlog`, as the real program serves it: nothing that a page, a document or a redirect names leaves
//! that path, and a proxy may take it away or pass it on.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first thing that does not work")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use html5gum::{Token, Tokenizer};
use reqwest::header::{HeaderMap, LOCATION, SET_COOKIE};
use serde_json::Value;

const MOUNT: &str = "/sendlog";

/// How many pages of one kind are looked at: those whose paths differ by ids and whose queries by values alone.
const OF_A_KIND: usize = 2;

/// Attributes that hold addresses, ours among them.
const ADDRESSES: [&str; 11] = [
    "href",
    "src",
    "action",
    "formaction",
    "poster",
    "data",
    "xlink:href",
    "data-live",
    "data-newest",
    "data-check",
    "data-suggest",
];

/// The demo, which is killed with its value.
struct Demo {
    child: Child,
    addr: SocketAddr,
    /// What it is reached by.
    base: String,
    users: Value,
}

impl Demo {
    fn start() -> Self {
        let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let smtp = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let base = format!("http://{addr}{MOUNT}");
        let mut child = Command::new(env!("CARGO_BIN_EXE_sendlog"))
            .args(["demo", "--json", "--messages", "400", "--base-url", &base])
            .args(["--addr", &addr.to_string(), "--smtp-addr", &smtp.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let team: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no log-ins: {line}"));
        Self { child, addr, base, users: team["users"].clone() }
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn header(&self, name: impl reqwest::header::AsHeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn is_page(&self) -> bool {
        self.header("content-type").starts_with("text/html")
    }
}

struct Browser<'a> {
    demo: &'a Demo,
    client: reqwest::Client,
    cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    fn of(demo: &'a Demo) -> Self {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { demo, client, cookies: BTreeMap::new() }
    }

    /// Asks for a path of the host.
    async fn get(&mut self, path: &str) -> Answer {
        self.send(self.client.get(format!("http://{}{path}", self.demo.addr))).await
    }

    async fn post(&mut self, function: &str, page: &str, fields: &[(&str, &str)]) -> Answer {
        let request = self.client.post(format!("{}/fn/{function}", self.demo.base)).form(fields);
        let request = request.header("referer", format!("{}{page}", self.demo.base)).header("accept", "text/html");
        self.send(request.header("origin", format!("http://{}", self.demo.addr))).await
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Answer {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = request.header("cookie", cookies.join("; ")).send().await.unwrap();
        for set in answer.headers().get_all(SET_COOKIE) {
            let set = set.to_str().unwrap();
            assert!(set.contains(&format!("; Path={MOUNT};")) || set.ends_with(&format!("; Path={MOUNT}")), "{set}");
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let bytes = answer.bytes().await.unwrap();
        let answer = Answer { status, headers, text: String::from_utf8_lossy(&bytes).into_owned() };
        let location = answer.header(LOCATION);
        assert!(location.is_empty() || stays(self.demo, location), "a redirect leads to {location}");
        answer
    }

    async fn log_in(&mut self) {
        let owner = &self.demo.users[0];
        let (email, password) = (owner["email"].as_str().unwrap(), owner["password"].as_str().unwrap());
        let fields = [("email", email), ("password", password), ("next", "/logs")];
        let answer = self.post("log_in", "/login?next=%2Flogs", &fields).await;
        assert_eq!(answer.header(LOCATION), format!("{MOUNT}/logs"), "{} {}", answer.status, answer.text);
    }
}

/// Whether an address stays under the mount, or leads to another host.
fn stays(demo: &Demo, address: &str) -> bool {
    let is_under =
        |path: &str| path == MOUNT || path.strip_prefix(MOUNT).is_some_and(|rest| rest.starts_with(['/', '?', '#']));
    match address.strip_prefix(&format!("http://{}", demo.addr)) {
        Some(path) => is_under(path),
        None if address.starts_with("//") => false,
        None if address.starts_with('/') => is_under(address),
        None => true,
    }
}

/// The addresses of a page by their attributes, and the texts of its scripts.
fn addresses_of(html: &str) -> (Vec<(String, String)>, Vec<String>) {
    let (mut found, mut scripts, mut is_script) = (Vec::new(), Vec::new(), false);
    for token in Tokenizer::new(html).flatten() {
        match token {
            Token::StartTag(tag) => {
                is_script = *tag.name == b"script";
                for (name, value) in &tag.attributes {
                    let (name, value) = (String::from_utf8_lossy(name), String::from_utf8_lossy(value));
                    if ADDRESSES.contains(&&*name) {
                        found.push((format!("{} {name}", String::from_utf8_lossy(&tag.name)), value.into_owned()));
                    }
                }
            }
            Token::String(text) if is_script => scripts.push(String::from_utf8_lossy(&text).into_owned()),
            Token::EndTag(_) => is_script = false,
            _ => {}
        }
    }
    (found, scripts)
}

/// Texts in a script that are addresses of this host.
fn addresses_in_script(script: &str) -> Vec<String> {
    let begins = script.match_indices(['\'', '"']).filter(|(place, _)| script[place + 1..].starts_with('/'));
    let texts = begins.map(|(place, quote)| script[place + 1..].split(quote).next().unwrap_or_default().to_owned());
    // The keys of the keyboard.
    texts.filter(|text| text != "/jkpxr?").collect()
}

/// What a path and a query are but for their ids and values.
fn kind_of(url: &str) -> String {
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let is_id = |part: &str| part.contains('_') || part.chars().any(|letter| letter.is_ascii_digit());
    let path: Vec<&str> = path.split('/').map(|part| if is_id(part) { "*" } else { part }).collect();
    let names: BTreeSet<&str> = query.split('&').filter_map(|pair| pair.split('=').next()).collect();
    format!("{}?{}", path.join("/"), names.into_iter().collect::<Vec<_>>().join("&"))
}

#[tokio::test]
async fn nothing_leaves_the_path() {
    let demo = Demo::start();
    let mut browser = Browser::of(&demo);
    let mut left = BTreeSet::new();

    for path in ["/login", "/forgot", "/reset/x", "/setup", "/invite/x", "/login/code", "/u/x", "/t/c/x"] {
        let answer = browser.get(&format!("{MOUNT}{path}")).await;
        assert!(answer.is_page(), "{path}: {}", answer.status);
        look(&demo, path, &answer.text, &mut left);
    }
    browser.log_in().await;

    let pages = [
        "/",
        "/logs",
        "/logs?search=nobody-has-this",
        "/logs?page=2",
        "/logs?preset=all",
        "/logs/templates",
        "/requests",
        "/resends",
        "/templates",
        "/templates/new",
        "/settings",
        "/settings/team",
        "/settings/members",
        "/settings/roles",
        "/settings/adapters",
        "/settings/provider-webhooks",
        "/settings/imports",
        "/settings/suppressions",
        "/settings/webhooks",
        "/settings/api-keys",
        "/settings/audit",
        "/settings/profile",
        "/connect",
        "/help/contents",
        "/api-docs",
        "/nowhere",
        "/logs/nothing",
    ];
    // A program that was built without its scripts and styles has none to ask for.
    let has_site = browser.get(&format!("{MOUNT}/favicon.svg")).await.status == 200;
    let mut waiting: VecDeque<String> = pages.iter().map(|page| format!("{MOUNT}{page}")).collect();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut asked = BTreeSet::new();
    while let Some(url) = waiting.pop_front() {
        let of_kind = seen.entry(kind_of(&url)).or_default();
        *of_kind += 1;
        if *of_kind > OF_A_KIND || !asked.insert(url.clone()) {
            continue;
        }
        let answer = browser.get(&url).await;
        let is_missing = url.ends_with("/nowhere") || url.ends_with("/logs/nothing");
        if !has_site && (url.contains("/pkg/") || url.ends_with("/favicon.svg")) {
            continue;
        }
        // Links of the demo's messages to the outside are not asked for; everything of ours is there.
        assert_eq!(
            answer.status >= 400,
            is_missing,
            "{url}: {} {}",
            answer.status,
            answer.text.chars().take(300).collect::<String>()
        );
        if (300..400).contains(&answer.status) {
            waiting.push_back(answer.header(LOCATION).to_owned());
        }
        if !answer.is_page() {
            continue;
        }
        for (of, address) in look(&demo, &url, &answer.text, &mut left) {
            let is_followed = matches!(of.as_str(), "a href" | "link href" | "iframe src");
            let address = address.split('#').next().unwrap_or_default();
            if is_followed && address.starts_with(MOUNT) {
                waiting.push_back(address.to_owned());
            }
        }
    }
    assert!(asked.len() > 100, "only {} pages were found", asked.len());
    assert!(left.is_empty(), "these leave {MOUNT}:\n{}", left.into_iter().collect::<Vec<_>>().join("\n"));
}

/// Notes what of a page leaves the path; gives its addresses.
fn look(demo: &Demo, page: &str, html: &str, left: &mut BTreeSet<String>) -> Vec<(String, String)> {
    let (found, scripts) = addresses_of(html);
    for (of, address) in &found {
        if !stays(demo, address) {
            left.insert(format!("{page}: {of}={address}"));
        }
    }
    for address in scripts.iter().flat_map(|script| addresses_in_script(script)) {
        if !stays(demo, &address) {
            left.insert(format!("{page}: a script names {address}"));
        }
    }
    found
}

#[tokio::test]
async fn forms_lead_back_under_the_path_and_programs_are_answered_there() {
    let demo = Demo::start();
    let mut browser = Browser::of(&demo);
    let asked = browser.get(&format!("{MOUNT}/logs?status=bounced")).await;
    assert_eq!(asked.header(LOCATION), format!("{MOUNT}/login?next=%2Flogs%3Fstatus%3Dbounced"));
    assert_eq!(browser.get(&format!("{MOUNT}/api/logs")).await.status, 401);
    browser.log_in().await;

    // A script names the page by its whole path.
    let owner = &demo.users[0];
    let (email, password) = (owner["email"].as_str().unwrap(), owner["password"].as_str().unwrap());
    let fields = [("email", email), ("password", password), ("next", "/sendlog/logs?status=bounced")];
    let answer = Browser::of(&demo).post("log_in", "/login", &fields).await;
    assert_eq!(answer.header(LOCATION), format!("{MOUNT}/logs?status=bounced"));
    let answer = browser.post("set_theme", "/logs?status=bounced", &[("theme", "dark")]).await;
    assert!(answer.header(LOCATION).ends_with(&format!("{MOUNT}/logs?status=bounced")), "{}", answer.header(LOCATION));
    let made = browser.post("create_api_key", "/settings/api-keys", &[("name", ""), ("preset", "send")]).await;
    assert!(made.header(LOCATION).contains(&format!("{MOUNT}/settings/api-keys")), "{}", made.header(LOCATION));
    let made = browser.post("create_role", "/settings/roles", &[("name", "On call"), ("like", "viewer")]).await;
    assert!(made.header(LOCATION).contains(&format!("{MOUNT}/settings/roles")), "{}", made.header(LOCATION));

    // Another site, or another app of this host that the browser calls another site, is refused as ever.
    let foreign = browser.client.post(format!("{}/fn/set_theme", demo.base)).form(&[("theme", "dark")]);
    assert_eq!(browser.send(foreign.header("origin", "https://evil.example")).await.status, 403);

    let document: Value = serde_json::from_str(&browser.get(&format!("{MOUNT}/api/openapi.json")).await.text).unwrap();
    assert_eq!(document["servers"], serde_json::json!([{ "url": MOUNT }]));
    for dialect in ["resend", "sendwithus/api/v1", "jetemail", "notificationapi"] {
        let document = browser.get(&format!("{MOUNT}/{dialect}/openapi.json")).await;
        let document: Value = serde_json::from_str(&document.text).unwrap();
        assert!(document["servers"][0]["url"].as_str().unwrap().starts_with('.'), "beside the document: {dialect}");
        assert_eq!(browser.get(&format!("{MOUNT}/{dialect}/nothing")).await.status / 100, 4);
    }
    // What programs and providers are told to use.
    let connect = browser.get(&format!("{MOUNT}/connect")).await.text;
    for path in ["/api", "/resend", "/sendwithus/api/v1", "/jetemail", "/notificationapi"] {
        assert!(connect.contains(&format!("{}{path}", demo.base)), "{path}");
    }
    let hook = [("name", "Hook"), ("provider", "postmark")];
    let made = browser.post("create_provider_webhook", "/settings/provider-webhooks", &hook).await;
    let page = browser.get(made.header(LOCATION).trim_start_matches(&format!("http://{}", demo.addr))).await.text;
    // Its password stands before the host.
    assert!(page.contains(&format!("@{}{MOUNT}/hooks/postmark/", demo.addr)), "{} {page}", made.header(LOCATION));
    let live = browser.client.get(format!("{}/logs/live", demo.base));
    let cookies: Vec<String> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut live = live.header("cookie", cookies.join("; ")).send().await.unwrap();
    assert_eq!((live.status().as_u16(), live.headers()["content-type"].to_str().unwrap()), (200, "text/event-stream"));
    assert!(live.chunk().await.unwrap().is_some_and(|told| !told.is_empty()));
}

#[tokio::test]
async fn a_proxy_may_take_the_path_away() {
    let demo = Demo::start();
    let mut browser = Browser::of(&demo);
    assert_eq!(browser.get("/health").await.text, "ok\n");
    assert_eq!(browser.get(&format!("{MOUNT}/health")).await.text, "ok\n");
    browser.log_in().await;
    for path in ["/logs", "/sendlog/logs"] {
        let page = browser.get(path).await;
        assert_eq!(page.status, 200);
        let mut left = BTreeSet::new();
        look(&demo, path, &page.text, &mut left);
        assert!(left.is_empty(), "{left:?}");
    }
    let root = browser.get(MOUNT).await;
    assert_eq!(root.header(LOCATION), format!("{MOUNT}/logs"));
    // It is taken away once, and whole.
    for path in ["/sendlog/sendlog/logs", "/sendlogs", "/sendlogs/logs"] {
        assert_eq!(browser.get(path).await.status, 404, "{path}");
    }
}

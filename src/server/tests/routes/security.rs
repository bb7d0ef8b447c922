//! The headers, cookies and words that every answer has in common.

use std::collections::HashSet;

use serde_json::json;

use super::*;
use crate::domain::team::{Invite, Role};
use crate::server::config::Config;
use crate::server::secrets::{random_token, token_hash};
use crate::server::store::teams::NewInvite;
use crate::server::tests::matrix::{Caller, PAGES, Target, filled, prepare};

const BASE_URL: &str = "https://mail.example.com";

/// Somebody without credentials, at the same server behind a proxy that speaks https.
fn visitor_by_https(app: &TestApp) -> Client {
    let mut app_behind = app.app.clone();
    let config = Config { base_url: Some(BASE_URL.to_owned()), ..(*app.app.config).clone() };
    app_behind.config = std::sync::Arc::new(config);
    Client { router: crate::server::tests::router(app_behind), ..app.client() }
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).unwrap_or_else(|| panic!("no {name}: {answer:?}")).to_str().unwrap()
}

/// The sources of one directive of an answer's policy.
fn sources<'a>(answer: &'a Answer, directive: &str) -> Vec<&'a str> {
    let policy = header(answer, "content-security-policy");
    let mut directives = policy.split(';').map(|part| part.split_whitespace());
    let found = directives.find_map(|mut words| (words.next() == Some(directive)).then(|| words.collect()));
    found.unwrap_or_else(|| panic!("no {directive}: {policy}"))
}

fn nonce_of(answer: &Answer) -> String {
    let sources = sources(answer, "script-src");
    let nonce = sources.iter().find_map(|source| source.strip_prefix("'nonce-")?.strip_suffix('\''));
    nonce.unwrap_or_else(|| panic!("no nonce: {sources:?}")).to_owned()
}

/// The start tags of these elements.
fn tags<'a>(html: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!("<{name}");
    let after = html.match_indices(&start).map(|(at, _)| &html[at + start.len()..]);
    after.filter(|rest| rest.starts_with([' ', '>'])).filter_map(|rest| rest.split('>').next()).collect()
}

/// The attributes of a page that a policy without `unsafe-inline` does not run.
fn inline_attributes(html: &str) -> Vec<&str> {
    let names = html.split('<').filter_map(|tag| tag.split('>').next()).flat_map(|tag| tag.split(' ').skip(1));
    let names = names.filter_map(|attribute| attribute.split_once("=\"").map(|(name, _)| name));
    names.filter(|name| *name == "style" || name.starts_with("on")).collect()
}

on_both_databases! {
    async fn every_script_of_a_page_carries_the_nonce_of_its_answer(app: TestApp) {
        app.add_adapter("Mail").await;
        let failures = ["/logs/eml_nothing", "/nowhere", "/login"].map(|page| (page.to_owned(), Target::Own));
        let mut nonces = HashSet::new();
        let pages = PAGES.iter().map(|row| (row.0.to_owned(), row.2));
        for (page, target) in pages.chain(failures) {
            let (owner, texts) = prepare(&app, Caller::Somebody(Role::Owner), target).await;
            let answer = owner.get(&filled(&page, &texts)).await;
            if (300..400).contains(&answer.status) {
                continue;
            }
            let nonce = nonce_of(&answer);
            let scripts = tags(&answer.text, "script");
            assert!(scripts.len() >= 2, "{page}: {}", answer.text);
            for tag in scripts.iter().chain(&tags(&answer.text, "style")) {
                assert!(tag.contains(&format!("nonce=\"{nonce}\"")), "{page}: {tag}, not {nonce}");
            }
            assert!(inline_attributes(&answer.text).is_empty(), "{page}: {:?}", inline_attributes(&answer.text));
            assert!(nonce.len() >= 22 && nonces.insert(nonce), "{page}: the nonce was there before");
        }
    }

    async fn a_pages_policy_names_what_it_needs_and_no_more(app: TestApp) {
        let answer = app.client().get("/login").await;
        let nonce = nonce_of(&answer);
        let own_nonce = format!("'nonce-{nonce}'");
        assert_eq!(sources(&answer, "default-src"), ["'none'"]);
        assert_eq!(sources(&answer, "script-src"), [own_nonce.as_str(), "'strict-dynamic'", "'wasm-unsafe-eval'"]);
        assert_eq!(sources(&answer, "style-src"), ["'self'", own_nonce.as_str()]);
        for directive in ["object-src", "base-uri", "frame-ancestors"] {
            assert_eq!(sources(&answer, directive), ["'none'"]);
        }
        for directive in ["img-src", "connect-src", "frame-src", "form-action"] {
            assert_eq!(sources(&answer, directive), ["'self'"]);
        }
    }

    async fn every_answer_tells_the_browser_to_be_careful(app: TestApp) {
        let owner = app.sign_in(Role::Owner).await;
        let elsewhere = owner.with("sec-fetch-site", "cross-site");
        let answers = [
            owner.get("/logs").await,
            owner.get("/").await,
            app.client().get("/logs").await,
            owner.get("/api/logs").await,
            app.client().get("/api/logs").await,
            owner.get("/api/nothing").await,
            owner.get("/health").await,
            owner.get("/fn/nothing").await,
            elsewhere.post("/api/teams", json!({})).await,
            owner.get("/resend/nothing").await,
            owner.get("/sendwithus/api/v1/openapi.json").await,
        ];
        for answer in answers {
            let exact = [
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
                ("referrer-policy", "same-origin"),
                ("cross-origin-opener-policy", "same-origin"),
                ("cross-origin-resource-policy", "same-origin"),
                ("cache-control", "no-store"),
            ];
            for (name, value) in exact {
                assert_eq!(header(&answer, name), value, "{answer:?}");
            }
            assert!(header(&answer, "permissions-policy").contains("camera=()"));
            assert_eq!(sources(&answer, "frame-ancestors"), ["'none'"]);
            assert_eq!(sources(&answer, "default-src"), ["'none'"]);
            assert!(!answer.headers.contains_key("strict-transport-security"), "{answer:?}");
            let is_page = header_or_nothing(&answer, "content-type").starts_with("text/html");
            assert_eq!(header(&answer, "content-security-policy").contains("script-src"), is_page, "{answer:?}");
        }
    }

    async fn behind_https_every_answer_asks_for_https_from_then_on(app: TestApp) {
        let visitor = visitor_by_https(&app);
        for path in ["/login", "/logs", "/api/logs", "/health", "/resend/nothing"] {
            let answer = visitor.get(path).await;
            assert_eq!(header(&answer, "strict-transport-security"), "max-age=63072000", "{path}");
        }
    }

    async fn a_messages_body_stands_in_our_frame_alone(app: TestApp) {
        let message = app.add_message(Message::default()).await;
        let answer = app.sign_in(Role::Member).await.get(&format!("/logs/{message}/body")).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, "<p>Hello</p>"));
        assert_eq!(sources(&answer, "frame-ancestors"), ["'self'"]);
        assert!(sources(&answer, "sandbox").is_empty());
        assert_eq!(sources(&answer, "default-src"), ["'none'"]);
        assert_eq!(header(&answer, "x-frame-options"), "SAMEORIGIN");
    }

    async fn behind_https_cookies_are_bound_to_the_host(app: TestApp) {
        app.user(app.team, Role::Owner).await;
        let visitor = visitor_by_https(&app);
        let body = json!({"email": "owner@finch.example", "password": PASSWORD});
        let answer = visitor.post("/api/auth/login", body).await;
        let session = header(&answer, "set-cookie");
        assert!(session.starts_with("__Host-session="), "{session}");
        for part in ["; Secure", "; Path=/", "; HttpOnly", "; SameSite=Lax"] {
            assert!(session.contains(part), "{session}");
        }
        assert!(!session.contains("Domain"), "{session}");

        let (named, id) = session.split(';').next().unwrap().split_once('=').unwrap();
        assert_eq!(visitor.with("cookie", &format!("{named}={id}")).get("/api/auth/me").await.status, 200);
        // One that another host of the domain has set.
        let planted = visitor.with("cookie", &format!("session={id}")).get("/api/auth/me").await;
        planted.assert_error(401, "UNAUTHORIZED", "No session found");

        let form = visitor.with("content-type", "application/x-www-form-urlencoded").with("accept", "text/html");
        let form = form.with("referer", "https://mail.example.com/login");
        let theme = form.send("POST", "/fn/set_theme", Some("theme=dark".to_owned())).await;
        assert_eq!(
            header(&theme, "set-cookie"),
            "__Host-theme=dark; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax; Secure"
        );
        assert!(visitor.with("cookie", "__Host-theme=dark").get("/login").await.text.contains("data-theme=\"dark\""));
        assert!(!visitor.with("cookie", "theme=dark").get("/login").await.text.contains("data-theme"));

        let wrong = form.send("POST", "/fn/log_in", Some("email=a%40b.example&password=wrong".to_owned())).await;
        let set: Vec<&str> = wrong.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
        let flash = set.iter().find(|cookie| cookie.starts_with("__Host-flash=")).unwrap_or_else(|| panic!("{set:?}"));
        assert!(set.iter().all(|cookie| cookie.contains("; Secure")), "{set:?}");
        let shown = visitor.with("cookie", flash.split(';').next().unwrap()).get("/login").await;
        assert!(shown.text.contains("Email address or password is wrong"), "{}", shown.text);
        assert_eq!(header(&shown, "set-cookie"), "__Host-flash=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure");
    }

    async fn elsewhere_cookies_have_their_plain_names(app: TestApp) {
        let form = app.client().with("content-type", "application/x-www-form-urlencoded").with("accept", "text/html");
        let theme = form.send("POST", "/fn/set_theme", Some("theme=light".to_owned())).await;
        assert_eq!(header(&theme, "set-cookie"), "theme=light; Path=/; Max-Age=31536000; HttpOnly; SameSite=Lax");
        let theme = form.send("POST", "/fn/set_theme", Some("theme=pink".to_owned())).await;
        assert_eq!(header(&theme, "set-cookie"), "theme=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax");
    }

    async fn known_and_unknown_accounts_take_one_hash_and_the_same_words(app: TestApp) {
        app.user(app.team, Role::Viewer).await;
        let mut answers = Vec::new();
        for email in ["viewer@finch.example", "nobody@finch.example"] {
            let before = app.hashed();
            let answer = app.client().post("/api/auth/login", json!({"email": email, "password": "wrong"})).await;
            assert_eq!(app.hashed() - before, 1, "{email}");
            answers.push((answer.status, answer.text));
            let form = app.client().with("content-type", "application/x-www-form-urlencoded");
            let body = format!("email={}&password=wrong", email.replace('@', "%40"));
            let answer = form.send("POST", "/fn/log_in", Some(body)).await;
            assert_eq!(app.hashed() - before, 2, "{email}");
            answers.push((answer.status, answer.text));
        }
        assert_eq!(answers[..2], answers[2..]);
    }

    async fn an_invitation_does_not_tell_whether_the_address_has_an_account(app: TestApp) {
        app.add_user("known@finch.example").await;
        let refusals = [
            // Too short to be anybody's password; no name, which an account would not need.
            (json!({"name": "Ada", "password": "wrong"}), 0),
            (json!({"password": "not the password"}), 1),
        ];
        for (body, hashes) in refusals {
            let mut answers = Vec::new();
            for email in ["known@finch.example", "unknown@finch.example"] {
                let mut body = body.clone();
                body["inviteToken"] = json!(invite(&app, email).await);
                let before = app.hashed();
                // Each from its own address, because registrations are counted by address.
                let answer = app.client().at_address(answers.len() as u8).post("/api/auth/register", body).await;
                assert_eq!(app.hashed() - before, hashes, "{email} {}", answer.text);
                answers.push((answer.status, answer.text));
            }
            assert!(answers[0] == answers[1] && answers[0].0 == 400, "{answers:?}");
        }
    }

    async fn accepting_an_invitation_takes_one_hash(app: TestApp) {
        app.add_user("known@finch.example").await;
        for email in ["known@finch.example", "unknown@finch.example"] {
            let token = invite(&app, email).await;
            let before = app.hashed();
            let body = json!({"inviteToken": token, "name": "Ada", "password": PASSWORD});
            app.client().post("/api/auth/register", body).await.data();
            assert_eq!(app.hashed() - before, 1, "{email}");
        }
    }
}

fn header_or_nothing<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

/// The token of an invitation to Finch.
async fn invite(app: &TestApp, email: &str) -> String {
    let token = random_token();
    let (created_at, expires_at) = (app.now(), app.now() + chrono::TimeDelta::days(7));
    let id = app.id_at(created_at);
    let role_name = "Viewer".to_owned();
    let invite = Invite { id, email: email.to_owned(), role: Role::Viewer, role_name, created_at, expires_at };
    let new = NewInvite { invite, token_hash: token_hash(&token), invited_by: None };
    app.store().insert_invite(app.team, &new, &app.event()).await.unwrap();
    token
}

//! One's own account: log-in with a second factor, a new password by letter, sessions.

mod by_provider;

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use serde_json::json;
use totp_rs::{Algorithm, Secret, TOTP};

use super::*;
use crate::domain::adapter::AdapterKind;
use crate::domain::audit::{ActorKind, AuditAction, AuditFilter};
use crate::domain::ids::TeamId;
use crate::domain::team::{Role, TeamRules};
use crate::domain::viewer::RequestOrigin;
use crate::server::demo::sink::Sink;
use crate::server::services::accounts::openid::{self, Person};
use crate::server::services::adapters::{self, GivenAddress, NewAdapter};
use crate::server::services::teams;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const EMAIL: &str = "admin@finch.example";

async fn log_in(client: &Client, password: &str, code: Option<&str>) -> Answer {
    client.post("/api/auth/login", json!({"email": EMAIL, "password": password, "code": code})).await
}

/// The client with the session that an answer gave it.
fn with_session(client: &Client, answer: &Answer) -> Client {
    let cookies = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
    let cookie = cookies.into_iter().find(|cookie| cookie.starts_with("session=")).expect("a session");
    client.with("cookie", cookie.split(';').next().unwrap())
}

/// Sends a form by a browser.
async fn form(client: &Client, name: &str, fields: &[(&str, &str)]) -> Answer {
    let client = client.with("content-type", "application/x-www-form-urlencoded").with("accept", "text/html");
    let client = client.with("referer", "http://127.0.0.1:3000/settings/profile");
    let body = serde_urlencoded::to_string(fields).unwrap();
    client.send("POST", &format!("/fn/{name}"), Some(body)).await
}

fn location(answer: &Answer) -> &str {
    answer.headers["location"].to_str().unwrap()
}

/// What the profile shows.
async fn profile(client: &Client) -> Value {
    let client = client.with("content-type", "application/x-www-form-urlencoded");
    client.send("POST", "/fn/load_profile", Some(String::new())).await.json()
}

/// How often this happened in a team.
async fn count(app: &TestApp, team: TeamId, action: AuditAction) -> usize {
    let filter = AuditFilter { actions: vec![action], ..AuditFilter::default() };
    app.store().list_audit_entries(team, &filter, None, 100).await.unwrap().len()
}

/// Waits until this has happened so often in a team, in a task of its own.
async fn wait_for(app: &TestApp, team: TeamId, action: AuditAction, times: usize) {
    for _ in 0..250 {
        if count(app, team, action).await == times {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{action:?} happened {} times, not {times}", count(app, team, action).await);
}

/// The code that an authenticator shows at this moment.
fn code(app: &TestApp, secret: &str) -> String {
    let secret = Secret::Encoded(secret.replace(' ', "")).to_bytes().unwrap();
    let totp = TOTP::new(Algorithm::SHA1, 6, 1, 30, secret, None, String::new()).unwrap();
    totp.generate(app.now().timestamp() as u64)
}

/// Sets two-factor authentication up for the admin of Finch; gives the secret and the recovery codes.
async fn set_up_factor(app: &TestApp, person: &Client) -> (String, Vec<String>) {
    form(person, "begin_two_factor", &[]).await;
    let secret = profile(person).await["two_factor"]["Begun"]["secret"].as_str().unwrap().to_owned();
    let wrong = form(person, "confirm_two_factor", &[("code", "00000")]).await;
    assert_eq!(said(&wrong), "The code is wrong or was used before");
    let answer = form(person, "confirm_two_factor", &[("code", &code(app, &secret))]).await;
    let codes: Vec<String> = said(&answer).lines().skip(1).map(str::to_owned).collect();
    assert_eq!(codes.len(), 10, "{}", said(&answer));
    app.advance(TimeDelta::seconds(60));
    (secret, codes)
}

async fn demand(app: &TestApp, demands_two_factor: bool) {
    let rules = TeamRules { demands_two_factor, ..TeamRules::default() };
    app.store().update_team(app.team, "Finch", rules, &app.event()).await.unwrap();
}

/// The token of the link in the letter with this number, once the sink has taken it.
async fn token(sink: &Sink, letter: usize) -> String {
    for _ in 0..250 {
        if let Some(message) = sink.messages().get(letter - 1) {
            let text = String::from_utf8_lossy(&message.raw).replace("=\r\n", "");
            return text.split_once("/reset/").map(|(_, rest)| rest.chars().take(40).collect()).unwrap_or_default();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("letter {letter} did not come");
}

async fn add_mail(app: &TestApp) -> Sink {
    let sink = Sink::start(([127, 0, 0, 1], 0).into()).await.unwrap();
    let new = NewAdapter {
        name: "Mail".to_owned(),
        kind: AdapterKind::Smtp,
        address: GivenAddress::Url(sink.url()),
        from_address: "noreply@finch.example".to_owned(),
        is_default: true,
    };
    adapters::create_adapter_of(&app.app, app.team, new).await.unwrap();
    sink
}

on_both_databases! {
    async fn a_person_sees_their_sessions_and_ends_them(app: TestApp) {
        app.user(app.team, Role::Admin).await;
        let browser = app.client().with("user-agent", FIREFOX);
        let here = with_session(&browser, &log_in(&browser, PASSWORD, None).await);
        let elsewhere = with_session(&app.client(), &log_in(&app.client().at_address(9), PASSWORD, None).await);
        app.advance(TimeDelta::minutes(5));
        let page = here.with("accept", "text/html").get("/settings/profile").await;
        for words in ["Firefox on Linux", "192.0.2.1", "192.0.2.9", "Unknown device", "this session"] {
            assert!(page.text.contains(words), "{words}");
        }
        let id = here.headers["cookie"].to_str().unwrap().trim_start_matches("session=");
        assert!(!page.text.contains(id), "the id opens the session");
        app.store().keep_noted().await;
        let sessions = profile(&here).await["sessions"].clone();
        assert_eq!((&sessions[0]["is_this"], &sessions[0]["last_seen_at"]), (&json!(true), &json!(app.now())));
        let other = sessions[1]["name"].as_str().unwrap();
        assert_eq!(said(&form(&here, "end_session", &[("session", other)]).await), "Session ended.");
        assert_eq!(elsewhere.get("/api/auth/me").await.status, 401);
        assert_eq!(said(&form(&here, "end_session", &[("session", other)]).await), "Session not found");
        let third = with_session(&app.client(), &log_in(&app.client(), PASSWORD, None).await);
        assert_eq!(said(&form(&here, "end_other_sessions", &[]).await), "One other session ended.");
        assert_eq!((third.get("/api/auth/me").await.status, here.get("/api/auth/me").await.status), (401, 200));
        assert_eq!(count(&app, app.team, AuditAction::SessionsEnded).await, 2);
    }

    async fn nobody_ends_somebody_elses_session(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let name = profile(&admin).await["sessions"][0]["name"].as_str().unwrap().to_owned();
        let stranger = app.sign_in_elsewhere().await;
        assert_eq!(said(&form(&stranger, "end_session", &[("session", &name)]).await), "Session not found");
        assert_eq!(admin.get("/api/auth/me").await.status, 200);
    }

    async fn a_changed_password_ends_the_other_sessions(app: TestApp) {
        let (here, elsewhere) = (app.sign_in(Role::Admin).await, app.sign_in(Role::Admin).await);
        let change = async |present: &str, new: &str, again: &str| {
            let fields = [("present_password", present), ("new_password", new), ("new_password_again", again)];
            said(&form(&here, "change_password", &fields).await)
        };
        assert_eq!(change(PASSWORD, "a new password", "another one").await, "The two new passwords differ");
        assert_eq!(change(PASSWORD, "short", "short").await, "password must be at least 10 characters long");
        assert_eq!(change("wrong", "a new password", "a new password").await, "The present password is wrong");
        assert!(change(PASSWORD, "a new password", "a new password").await.starts_with("Password changed."));
        assert_eq!((elsewhere.get("/api/auth/me").await.status, here.get("/api/auth/me").await.status), (401, 200));
        assert_eq!(log_in(&app.client(), PASSWORD, None).await.status, 401);
        log_in(&app.client(), "a new password", None).await.data();
        assert_eq!(count(&app, app.team, AuditAction::PasswordChanged).await, 1);
        for _ in 0..5 {
            change("wrong", "a new password", "a new password").await;
        }
        assert!(change("a new password", "one more password", "one more password").await.starts_with("Too many attempts."));
    }

    async fn a_letters_link_sets_a_password_once(app: TestApp) {
        let sink = add_mail(&app).await;
        let person = app.sign_in(Role::Admin).await;
        let visitor = app.client();
        let ask = async || visitor.post("/api/auth/forgot-password", json!({"email": " Admin@Finch.example"})).await;
        ask().await.data();
        let first = token(&sink, 1).await;
        ask().await.data();
        let second = token(&sink, 2).await;
        assert_eq!(sink.messages()[1].recipients, [EMAIL]);
        let reset = |token: &str, password: &str| {
            let (visitor, body) = (visitor.clone(), json!({"token": token, "password": password}));
            async move { visitor.post("/api/auth/reset-password", body).await }
        };
        assert_eq!(reset(&first, "a new password").await.status, 404, "a newer letter ends the older");
        reset(&second, "short").await.assert_invalid("password");
        assert!(visitor.get(&format!("/reset/{second}")).await.text.contains(EMAIL));
        let answer = reset(&second, "a new password").await;
        answer.data();
        assert!(!answer.headers.contains_key("set-cookie"), "it logs nobody in");
        assert_eq!(reset(&second, "one more password").await.status, 404, "a link works once");
        assert_eq!(person.get("/api/auth/me").await.status, 401, "every session has ended");
        assert_eq!(log_in(&visitor, PASSWORD, None).await.status, 401);
        log_in(&visitor, "a new password", None).await.data();
        assert_eq!(count(&app, app.team, AuditAction::PasswordReset).await, 1);

        ask().await.data();
        let third = token(&sink, 3).await;
        ask().await.assert_error(429, "RATE_LIMITED", "Too many attempts. Try again in 60 minutes.");
        app.advance(TimeDelta::minutes(60));
        assert_eq!(reset(&third, "one more password").await.status, 404, "a link lasts an hour");
    }

    async fn asking_for_a_password_does_not_tell_whether_there_is_an_account(app: TestApp) {
        let sink = add_mail(&app).await;
        app.user(app.team, Role::Admin).await;
        let mut answers = Vec::new();
        for (address, email) in [(1, EMAIL), (2, "nobody@finch.example")] {
            let visitor = app.client().at_address(address);
            let hashed = app.hashed();
            let answer = visitor.post("/api/auth/forgot-password", json!({"email": email})).await;
            let page = form(&visitor, "forgot_password", &[("email", email)]).await;
            assert_eq!(app.hashed(), hashed, "{email}");
            answers.push((answer.status, answer.text, said(&page), location(&page).to_owned()));
            visitor.post("/api/auth/forgot-password", json!({"email": email})).await.data();
            let limited = visitor.at_address(7).post("/api/auth/forgot-password", json!({"email": email})).await;
            assert_eq!(limited.status, 429, "three an hour for an account, known or not");
        }
        assert!(answers[0] == answers[1] && answers[0].2.starts_with("If there is an account"), "{answers:?}");
        token(&sink, 3).await;
    }

    async fn a_failed_log_in_is_told_to_every_team_of_the_account(app: TestApp) {
        let user = app.user(app.team, Role::Admin).await;
        let own = teams::create_team(&app.app, user, "Side project").await.unwrap();
        log_in(&app.client(), "wrong", None).await;
        app.client().post("/api/auth/login", json!({"email": "nobody@finch.example", "password": "wrong"})).await;
        for team in [app.team, own.id] {
            wait_for(&app, team, AuditAction::LogInFailed, 1).await;
        }
        assert_eq!(count(&app, app.other_team, AuditAction::LogInFailed).await, 0);
    }

    async fn a_second_factor_is_asked_for_after_the_password(app: TestApp) {
        let person = app.sign_in(Role::Admin).await;
        let (secret, recovery) = set_up_factor(&app, &person).await;
        let visitor = app.client();
        log_in(&visitor, PASSWORD, None).await.assert_error(401, "UNAUTHORIZED", "Two-factor code required");
        let wrong = log_in(&visitor, PASSWORD, Some("000000")).await;
        wrong.assert_error(401, "UNAUTHORIZED", "The code is wrong or was used before");
        assert!(!wrong.headers.contains_key("set-cookie"));
        log_in(&visitor, "wrong", Some(&code(&app, &secret))).await.assert_error(
            401,
            "UNAUTHORIZED",
            "Email address or password is wrong",
        );
        log_in(&visitor, PASSWORD, Some(&code(&app, &secret))).await.data();
        assert_eq!(log_in(&visitor, PASSWORD, Some(&code(&app, &secret))).await.status, 401, "a code works once");
        app.advance(TimeDelta::seconds(90));
        log_in(&visitor, PASSWORD, Some(&recovery[0].to_uppercase())).await.data();
        assert_eq!(log_in(&visitor, PASSWORD, Some(&recovery[0])).await.status, 401, "a recovery code works once");
        assert_eq!(count(&app, app.team, AuditAction::RecoveryCodeUsed).await, 1);
        assert_eq!(count(&app, app.team, AuditAction::TwoFactorEnabled).await, 1);
        wait_for(&app, app.team, AuditAction::LogInFailed, 4).await;
    }

    async fn a_log_in_leads_to_the_address_that_was_asked_for(app: TestApp) {
        app.sign_in(Role::Admin).await;
        let visitor = app.client().with("accept", "text/html");
        for wanted in ["/logs?status=bounced&q=J%C3%A4ger%20%26%20100%25", "/logs?q=Grace+Barrow"] {
            let asked = visitor.get(wanted).await;
            let page = visitor.get(location(&asked)).await.text;
            let kept = format!("name=\"next\" value=\"{}\"", wanted.replace('&', "&amp;"));
            assert!(page.contains(&kept), "{kept}: {page}");
            let fields = [("email", EMAIL), ("password", PASSWORD), ("next", wanted)];
            assert_eq!(location(&form(&app.client(), "log_in", &fields).await), wanted);
        }
    }

    async fn between_the_steps_of_a_log_in_a_session_opens_nothing(app: TestApp) {
        let person = app.sign_in(Role::Admin).await;
        let (secret, _) = set_up_factor(&app, &person).await;
        let first = form(&app.client(), "log_in", &[("email", EMAIL), ("password", PASSWORD), ("next", "/templates")]).await;
        assert_eq!(location(&first), "/login/code?next=%2Ftemplates");
        let waiting = with_session(&app.client(), &first);
        assert_eq!(waiting.get("/api/auth/me").await.status, 401);
        assert!(location(&waiting.with("accept", "text/html").get("/logs").await).starts_with("/login?next="));
        let page = waiting.with("accept", "text/html").get("/login/code?next=%2Ftemplates").await;
        assert!(page.text.contains("one-time-code"), "{}", page.text);
        let wrong = form(&waiting, "log_in_with_code", &[("code", "000000")]).await;
        assert_eq!(said(&wrong), "The code is wrong or was used before");
        let fields = [("code", code(&app, &secret)), ("next", "/templates".to_owned())];
        let fields = fields.each_ref().map(|(name, value)| (*name, value.as_str()));
        let second = form(&waiting, "log_in_with_code", &fields).await;
        assert_eq!(location(&second), "/templates");
        let inside = with_session(&app.client(), &second);
        assert_eq!(inside.get("/api/auth/me").await.status, 200);
        assert_ne!(inside.headers["cookie"], waiting.headers["cookie"], "the id changes");
        assert_eq!(waiting.get("/api/auth/me").await.status, 401);
    }

    async fn the_second_step_ends_after_five_minutes_and_with_a_new_password(app: TestApp) {
        let person = app.sign_in(Role::Admin).await;
        let (secret, _) = set_up_factor(&app, &person).await;
        let begin = async || {
            let first = form(&app.client(), "log_in", &[("email", EMAIL), ("password", PASSWORD)]).await;
            with_session(&app.client(), &first)
        };
        let waiting = begin().await;
        app.advance(TimeDelta::minutes(5));
        let late = form(&waiting, "log_in_with_code", &[("code", &code(&app, &secret))]).await;
        assert_eq!(location(&late), "/login?next=%2Flogs");
        let waiting = begin().await;
        let user = app.user(app.team, Role::Admin).await;
        app.store().set_password(user, "other", None, &app.event()).await.unwrap();
        let changed = form(&waiting, "log_in_with_code", &[("code", &code(&app, &secret))]).await;
        assert_eq!(location(&changed), "/login?next=%2Flogs");
    }

    async fn five_wrong_codes_are_the_limit_of_15_minutes(app: TestApp) {
        let person = app.sign_in(Role::Admin).await;
        let (secret, _) = set_up_factor(&app, &person).await;
        for guess in ["000000", "000001", "aaaa-aaaa", "000003", "x"] {
            assert_eq!(log_in(&app.client(), PASSWORD, Some(guess)).await.status, 401);
        }
        assert_eq!(log_in(&app.client().at_address(5), PASSWORD, Some(&code(&app, &secret))).await.status, 429);
        app.advance(TimeDelta::minutes(15));
        log_in(&app.client(), PASSWORD, Some(&code(&app, &secret))).await.data();
    }

    async fn a_reset_password_does_not_lead_past_the_second_factor(app: TestApp) {
        let sink = add_mail(&app).await;
        let person = app.sign_in(Role::Admin).await;
        set_up_factor(&app, &person).await;
        app.client().post("/api/auth/forgot-password", json!({"email": EMAIL})).await.data();
        let body = json!({"token": token(&sink, 1).await, "password": "a new password"});
        app.client().post("/api/auth/reset-password", body).await.data();
        let answer = log_in(&app.client(), "a new password", None).await;
        answer.assert_error(401, "UNAUTHORIZED", "Two-factor code required");
    }

    async fn a_factor_is_turned_off_with_password_and_code_unless_a_team_demands_it(app: TestApp) {
        let person = app.sign_in(Role::Admin).await;
        let (secret, old) = set_up_factor(&app, &person).await;
        let renewed = form(&person, "renew_recovery_codes", &[("renewal_code", &code(&app, &secret))]).await;
        let recovery: Vec<String> = said(&renewed).lines().skip(1).map(str::to_owned).collect();
        assert_eq!((recovery.len(), recovery.contains(&old[0])), (10, false));
        let turn_off = async |password: &str, code: &str| {
            said(&form(&person, "disable_two_factor", &[("password", password), ("code", code)]).await)
        };
        assert_eq!(turn_off("wrong", &recovery[0]).await, "The present password is wrong");
        assert_eq!(turn_off(PASSWORD, &old[1]).await, "The code is wrong or was used before");
        demand(&app, true).await;
        assert_eq!(turn_off(PASSWORD, &recovery[0]).await, "The team Finch demands two-factor authentication");
        demand(&app, false).await;
        assert!(turn_off(PASSWORD, &recovery[1]).await.starts_with("Two-factor authentication is off."));
        log_in(&app.client(), PASSWORD, None).await.data();
        assert_eq!(count(&app, app.team, AuditAction::TwoFactorDisabled).await, 1);
        assert_eq!(count(&app, app.team, AuditAction::RecoveryCodesRenewed).await, 1);
    }

    async fn who_lacks_the_demanded_factor_sets_it_up_in_the_profile(app: TestApp) {
        let person = app.sign_in(Role::Admin).await;
        demand(&app, true).await;
        let browser = person.with("accept", "text/html");
        let refused = browser.get("/logs").await;
        assert!(refused.status == 403 && refused.text.contains("href=\"/settings/profile\""), "{}", refused.text);
        let page = browser.get("/settings/profile").await;
        assert!(page.status == 200 && page.text.contains("Your team requires this"), "{}", page.text);
        form(&person, "begin_two_factor", &[]).await;
        let page = browser.get("/settings/profile").await;
        assert!(page.text.contains("QR code of the secret below") && !page.text.contains("style="), "{}", page.text);
        set_up_factor(&app, &person).await;
        assert_eq!(browser.get("/logs").await.status, 200);
    }

    async fn the_profile_works_for_somebody_in_no_team(app: TestApp) {
        let user = app.add_user("new@finch.example").await;
        let lonely = app.browser_of(user, None).await;
        assert_eq!(location(&lonely.with("accept", "text/html").get("/logs").await), "/settings/profile");
        let page = lonely.with("accept", "text/html").get("/settings/profile").await;
        assert!(page.status == 200 && page.text.contains("in no team") && page.text.contains("this session"));
        assert_eq!(said(&form(&lonely, "update_profile", &[("name", "Ada"), ("time_zone", "Asia/Tokyo")]).await), "Profile saved.");
        assert_eq!(app.store().find_user(user).await.unwrap().unwrap().name, "Ada");
    }
}

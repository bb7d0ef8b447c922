//! The form of an adapter, its test message, and those of a template, as a browser without scripts sends them.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::domain::adapter::fault::AdapterFault;
use crate::domain::adapter::{Adapter, AdapterKind};
use crate::domain::team::Role;
use crate::server::App;
use crate::server::config::Config;
use crate::server::demo::sink::{Sink, SinkSettings};
use crate::server::services::adapters::{GivenAddress, NewAdapter, create_adapter_of, send_test};

const USER: &str = "ada@finch.example:x";
/// Every character that would end or bend an address.
const PASSWORD: &str = " p#w/a?b@c:d%41\\e&f=g+h ü";

/// A mail server that lets in one user alone.
async fn guarded_sink() -> Sink {
    let log_in = Some((USER.to_owned(), PASSWORD.to_owned()));
    let settings = SinkSettings { log_in, ..SinkSettings::default() };
    Sink::start_with(([127, 0, 0, 1], 0).into(), settings).await.unwrap()
}

/// Sends a form of the adapters' pages, and gives the page that follows.
pub(super) async fn page_after(client: &Client, function: &str, fields: &[(&str, &str)]) -> String {
    let page = if function == "create_adapter" { "/settings/adapters?kind=smtp" } else { "/settings/adapters" };
    page_after_on(client, page, function, fields).await
}

pub(super) async fn page_after_on(client: &Client, page: &str, function: &str, fields: &[(&str, &str)]) -> String {
    let form = client.with("content-type", "application/x-www-form-urlencoded").with("accept", "text/html");
    let form = form.with("referer", &format!("http://127.0.0.1:3000{page}"));
    let answer =
        form.send("POST", &format!("/fn/{function}"), Some(serde_urlencoded::to_string(fields).unwrap())).await;
    let location = answer.headers["location"].to_str().unwrap();
    let page = client.with_cookies_of(&answer).with("accept", "text/html").get(location).await;
    assert_eq!(page.status, 200, "{}", page.text);
    page.text.replace("&quot;", "\"")
}

pub(super) async fn only_adapter(app: &TestApp) -> Adapter {
    app.store().list_adapters(app.team).await.unwrap().pop().unwrap()
}

/// The fields of an adapter that sends by `sink`.
fn fields<'a>(port: &'a str, password: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("name", "Relay"),
        ("kind", "smtp"),
        ("smtp[host]", "127.0.0.1"),
        ("smtp[port]", port),
        ("smtp[security]", "none"),
        ("smtp[user]", USER),
        ("smtp[password]", password),
        ("from_address", "Finch <post@finch.example>"),
    ]
}

on_both_databases! {
    async fn a_password_works_as_it_is_typed_and_is_kept_while_the_server_stays(app: TestApp) {
        let (sink, admin) = (guarded_sink().await, app.sign_in(Role::Admin).await);
        let port = sink.addr().port().to_string();
        let page = page_after(&admin, "create_adapter", &fields(&port, PASSWORD)).await;
        assert!(page.contains("Adapter “Relay” added.") && page.contains("Try “Relay”"), "{page}");
        let adapter = only_adapter(&app).await;
        assert_eq!(adapter.endpoint, format!("smtp://127.0.0.1:{port}?tls=none"));
        let id = adapter.id.to_string();
        let test = [("id", id.as_str()), ("to", "mara@finch.example")];
        let page = page_after(&admin, "test_adapter", &test).await;
        assert!(page.contains("“Relay” accepted the test message for mara@finch.example.") && page.contains("250 "), "{page}");

        // The form that changes it shows every part but the password.
        let page = admin.with("accept", "text/html").get(&format!("/settings/adapters?edit={id}")).await.text;
        assert!(page.contains(&format!("value=\"{USER}\"")) && page.contains(&format!("value=\"{port}\"")), "{page}");
        assert!(!page.contains("p#w"));
        let with_id = |fields: Vec<(&'static str, String)>| {
            [("id", id.clone()), ("kind", "smtp".to_owned()), ("name", "Relay".to_owned()), ("from_address", "Finch <post@finch.example>".to_owned())]
                .into_iter().chain(fields).collect::<Vec<_>>()
        };
        let change = with_id(vec![
            ("smtp[host]", "127.0.0.1".to_owned()), ("smtp[port]", port.clone()), ("smtp[security]", "opportunistic".to_owned()),
            ("smtp[user]", USER.to_owned()), ("smtp[password]", String::new()),
        ]);
        let change: Vec<(&str, &str)> = change.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert!(page_after(&admin, "update_adapter", &change).await.contains("Adapter “Relay” changed."));
        page_after(&admin, "test_adapter", &test).await;
        assert_eq!(sink.messages().len(), 2);

        // It follows to no other server.
        let moved: Vec<(&str, &str)> =
            change.iter().map(|(name, value)| (*name, if *name == "smtp[host]" { "evil.example" } else { *value })).collect();
        let page = page_after_on(&admin, &format!("/settings/adapters?edit={id}"), "update_adapter", &moved).await;
        assert!(page.contains("The saved log-in belongs to the previous server"), "{page}");
        assert_eq!(only_adapter(&app).await.endpoint, format!("smtp://127.0.0.1:{port}"));
    }

    async fn a_bounce_domain_is_kept_shown_and_taken_away_again(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let with = |domain: &'static str| [fields("2525", "pw"), vec![("smtp[bounces]", domain)]].concat();
        for wrong in ["192.0.2.1", "localhost", "bounces example.com", "ada@finch.example"] {
            let page = page_after(&admin, "create_adapter", &with(wrong)).await;
            assert!(page.contains("A bounce domain is a domain name of yours") && page.contains(wrong), "{wrong}: {page}");
        }
        page_after(&admin, "create_adapter", &with(" Bounces.Finch.example. ")).await;
        let adapter = only_adapter(&app).await;
        assert_eq!(adapter.endpoint, "smtp://127.0.0.1:2525?tls=none&bounces=bounces.finch.example");
        let id = adapter.id.to_string();
        let list = admin.with("accept", "text/html").get("/settings/adapters").await.text;
        assert!(list.contains("bounces to bounces.finch.example"), "{list}");
        let page = admin.with("accept", "text/html").get(&format!("/settings/adapters?edit={id}")).await.text;
        assert!(page.contains("value=\"bounces.finch.example\""), "{page}");
        let change = [vec![("id", id.as_str())], with("")].concat();
        page_after(&admin, "update_adapter", &change).await;
        assert_eq!(only_adapter(&app).await.endpoint, "smtp://127.0.0.1:2525?tls=none");
    }

    async fn a_test_tells_the_servers_words_and_is_in_no_log(app: TestApp) {
        let (sink, admin) = (guarded_sink().await, app.sign_in(Role::Admin).await);
        let port = sink.addr().port().to_string();
        page_after(&admin, "create_adapter", &fields(&port, "wrong")).await;
        let adapter = only_adapter(&app).await;
        let id = adapter.id.to_string();
        let page = page_after(&admin, "test_adapter", &[("id", &id), ("to", "mara@finch.example")]).await;
        assert!(page.contains("535 5.7.8 Error: authentication failed"), "{page}");
        assert!(page.contains("the server refused the log-in. Type user and password"), "{page}");
        assert!(sink.messages().is_empty());
        let refused = page_after(&admin, "test_adapter", &[("id", &id), ("to", "mara")]).await;
        assert!(refused.contains("Write the address that the test goes to"), "{refused}");

        assert_eq!(admin.get("/api/logs").await.data()["total"], 0);
        assert_eq!(admin.get("/api/logs/stats").await.data()["total"], 0);
        let owner = app.sign_in(Role::Owner).await;
        let audit = owner.get("/api/audit").await;
        assert!(audit.text.contains("adapter.tested") && audit.text.contains("log_in_refused"), "{}", audit.text);
    }

    async fn a_test_reaches_no_private_address_and_has_a_limit(app: TestApp) {
        let sink = Sink::start(([127, 0, 0, 1], 0).into()).await.unwrap();
        let new = |kind, url: String| NewAdapter {
            name: kind_name(kind),
            kind,
            address: GivenAddress::Url(url),
            from_address: "Finch <post@finch.example>".to_owned(),
            is_default: false,
        };
        let mail = create_adapter_of(&app.app, app.team, new(AdapterKind::Smtp, sink.url())).await.unwrap();
        let web = new(AdapterKind::Http, format!("http://{}", sink.addr()));
        let web = create_adapter_of(&app.app, app.team, web).await.unwrap();
        let config = Config { allow_private_adapters: false, ..app.app.config.as_ref().clone() };
        let guarded = App { config: Arc::new(config), ..app.app.clone() };
        let admin = app.viewer(Role::Admin).await;
        for (adapter, to) in [(mail.id, "mara@finch.example"), (web.id, "+49 170 1234567")] {
            let outcome = send_test(&guarded, &admin, adapter, to).await.unwrap();
            assert!(outcome.words.contains("leads to no public address"), "{outcome:?}");
            assert_eq!(outcome.fault, Some(AdapterFault::NotPublic));
        }
        assert_eq!(sink.connections(), 0);
        let refused = send_test(&app.app, &admin, mail.id, "refused@finch.example").await.unwrap();
        assert_eq!(refused.fault, Some(AdapterFault::RecipientRefused), "{refused:?}");
        for _ in 3..30 {
            assert_eq!(send_test(&app.app, &admin, mail.id, "mara@finch.example").await.unwrap().fault, None);
        }
        let browser = app.sign_in(Role::Admin).await;
        let page = page_after(&browser, "test_adapter", &[("id", &mail.id.to_string()), ("to", "a@b.example")]).await;
        assert!(page.contains("Too many attempts."), "{page}");
    }

    async fn a_mistake_stands_beside_its_field_and_nothing_typed_is_lost_but_secrets(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let page = page_after(&admin, "create_adapter", &fields("smtp", "hush")).await;
        // What is wrong stands once, at the field; the sentence over the page says where.
        assert!(page.contains("id=\"smtp[port]-error\""), "{page}");
        assert_eq!(page.matches(">A port is a number from 1 to 65535").count(), 1, "{page}");
        assert!(page.contains("look at the field “Port”."), "{page}");
        for kept in ["value=\"Relay\"", "value=\"127.0.0.1\"", &format!("value=\"{USER}\""), "post@finch.example"] {
            assert!(page.contains(kept), "{kept}: {page}");
        }
        assert!(page.contains("Type it again: what you typed here was not kept."), "{page}");
        assert!(!page.contains("hush"));
        let page = page_after(&admin, "create_adapter", &[
            ("name", "Relay"), ("kind", "smtp"), ("smtp[host]", "smtp://ada:hu#sh@mail.finch.example"), ("from_address", "a@b.example"),
        ]).await;
        assert!(page.contains("id=\"smtp[host]-error\"") && page.contains("%23"), "{page}");
        assert!(page.contains("value=\"smtp://mail.finch.example\"") && !page.contains("hu#sh"), "{page}");
        assert_eq!(admin.get("/api/adapters").await.data(), json!([]));
    }

    async fn a_user_needs_a_password_in_the_form_and_none_is_claimed_that_is_not_there(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let page = page_after(&admin, "create_adapter", &fields("2525", "")).await;
        assert!(page.contains("id=\"smtp[password]-error\""), "{page}");
        assert!(page.contains(">Type the password of this user") && page.contains("value=\"Relay\""), "{page}");
        assert_eq!(admin.get("/api/adapters").await.data(), json!([]));
        // The API takes a user alone, and a change keeps them.
        let body = json!({"name": "Relay", "type": "smtp", "url": "smtp://ada@127.0.0.1:2525", "from": "a@b.example"});
        let made = admin.post("/api/adapters", body).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let id = made.text_of("id");
        let page_of = format!("/settings/adapters?edit={id}");
        let page = admin.with("accept", "text/html").get(&page_of).await.text;
        assert!(page.contains("value=\"ada\"") && page.contains("Remove the saved log-in"), "{page}");
        assert!(!page.contains("is saved and not shown"), "{page}");
        let change = [
            ("id", &*id), ("kind", "smtp"), ("name", "Renamed"), ("smtp[host]", "127.0.0.1"), ("smtp[port]", "2525"),
            ("smtp[security]", "opportunistic"), ("smtp[user]", "ada"), ("smtp[password]", ""), ("from_address", "a@b.example"),
        ];
        let page = page_after_on(&admin, &page_of, "update_adapter", &change).await;
        assert!(page.contains("Adapter “Renamed” changed."), "{page}");
    }

    async fn a_host_with_another_port_or_user_than_their_fields_is_refused_beside_these(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let with = |host: &'static str, port: &'static str, user: &'static str| {
            let mut typed = fields(port, "hush");
            typed.retain(|(name, _)| !["smtp[host]", "smtp[user]"].contains(name));
            typed.extend([("smtp[host]", host), ("smtp[user]", user)]);
            typed
        };
        for (typed, field, said) in [
            (with("mail.finch.example:587", "465", "ada"), "port", "Host says 587, and this says 465"),
            (with("bea@mail.finch.example", "", "ada"), "user", "Host names another user than this"),
        ] {
            let page = page_after(&admin, "create_adapter", &typed).await;
            assert!(page.contains(&format!("id=\"smtp[{field}]-error\"")), "{page}");
            assert!(page.contains(&format!(">{said}.")), "{page}");
        }
        assert_eq!(admin.get("/api/adapters").await.data(), json!([]));
        page_after(&admin, "create_adapter", &with("bea@127.0.0.1:2525", "2525", "")).await;
        let adapter = only_adapter(&app).await;
        assert_eq!(adapter.endpoint, "smtp://127.0.0.1:2525?tls=none");
        let page = admin.with("accept", "text/html").get(&format!("/settings/adapters?edit={}", adapter.id)).await.text;
        assert!(page.contains("value=\"bea\"") && page.contains("is saved and not shown"), "{page}");
    }

    async fn a_number_out_of_range_stands_beside_its_field_and_its_range_with_it(app: TestApp) {
        let owner = app.sign_in(Role::Owner).await;
        let key = [("name", "Shop"), ("preset", "send")];
        for (page, function, fields, field, label, said) in [
            ("/settings/team", "update_retention", vec![("events_days", "0")], "events_days", "Events, days", "from 1 to 36500"),
            ("/settings/team", "update_retention", vec![("audit_days", "x")], "audit_days", "Audit log, days", "from 1 to 36500"),
            (
                "/settings/api-keys", "create_api_key", [&key[..], &[("limits[rate_limit]", "many")]].concat(),
                "limits[rate_limit]", "Requests per second", "from 1 to ",
            ),
            (
                "/settings/api-keys", "create_api_key", [&key[..], &[("limits[ends]", "date"), ("limits[ends_on]", "31")]].concat(),
                "ends-on", "Last day, for “On a date”", "like 2027-03-31",
            ),
        ] {
            let page = page_after_on(&owner, page, function, &fields).await;
            assert!(page.contains(&format!("id=\"{field}-error\"")), "{field}: {page}");
            assert!(page.contains(&format!("look at the field “{label}”.")), "{field}: {page}");
            assert!(page.contains(said), "{field}: {page}");
        }
    }

    async fn what_is_said_of_a_saved_password_is_what_applies_now(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        page_after(&admin, "create_adapter", &fields("2525", "hush")).await;
        let id = only_adapter(&app).await.id.to_string();
        let page_of = format!("/settings/adapters?edit={id}");
        let fresh = admin.with("accept", "text/html").get(&page_of).await.text;
        let (keeps, again) = ("Leave this empty to keep it", "Type it again");
        assert!(fresh.contains(keeps) && !fresh.contains(again), "{fresh}");
        for (host, port, password, said) in [
            ("127.0.0.1", "x", "other", "Type it again, or leave this empty to keep the saved one."),
            ("10.0.0.1", "x", "other", "Type it again: what you typed here was not kept."),
            ("10.0.0.1", "x", "", "The saved password belongs to the previous host. Type the one of this host."),
            ("10.0.0.1", "25", "", "The saved log-in belongs to the previous server. Type the one of this server."),
        ] {
            let mut change = fields(port, password);
            change.retain(|(name, _)| *name != "smtp[host]");
            change.extend([("id", id.as_str()), ("smtp[host]", host)]);
            let page = page_after_on(&admin, &page_of, "update_adapter", &change).await;
            assert!(page.contains(said) && !page.contains(keeps), "{said}: {page}");
        }
    }

    async fn a_template_is_looked_at_and_tested_before_it_is_saved(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let form = admin.with("content-type", "application/x-www-form-urlencoded");
        let body = |fields: &[(&str, &str)]| Some(serde_urlencoded::to_string(fields).unwrap());
        let written = [
            ("subject", "Hello {{ name }}"), ("html", "<p>{{ name }}</p>"), ("text", "{{ name }}"), ("sample", r#"{"name": "A&B"}"#),
        ];
        let frame = "/templates/preview?form=template";
        let page = page_after_on(&admin, "/templates/new", "preview_template", &written).await;
        assert!(page.contains(&format!("src=\"{frame}\"")) && page.contains("value=\"name\""), "{page}");
        let shown = admin.get(frame).await;
        assert_eq!(shown.status, 200);
        assert!(shown.text.contains("Hello A&amp;B") && shown.text.contains("<p>A&amp;B</p>"), "{}", shown.text);
        let policy = shown.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("sandbox;"), "{policy}");
        // As on a message's page, images from elsewhere load for who asks for them.
        assert!(policy.contains("img-src data:;"), "{policy}");
        let with_images = [&written[..], &[("images", "1")]].concat();
        page_after_on(&admin, "/templates/new", "preview_template", &with_images).await;
        let shown = admin.get(frame).await;
        let policy = shown.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("img-src https: http: data:;"), "{policy}");
        for (name, value, said) in [
            ("text", "a\n{{ nobody }}", "Text body, line 2: the variable “nobody” has no value"),
            ("subject", "{{ oops", "Subject, line 1: “{{” is not closed with “}}”"),
            ("html", "<p>\n\n{{ oops", "HTML body, line 3: “{{” is not closed with “}}”"),
            ("text", "a\n{% if %}", "Text body, line 2: "),
            ("sample", "[1]", "Sample values are a JSON object"),
            ("sample", "{\n\"name\": }", "Sample values, line 2, column 9: a value is missing"),
        ] {
            let fields = written.map(|(field, text)| (field, if field == name { value } else { text }));
            for function in ["preview_template", "test_template"] {
                // Beside its field, and over the page only where that is.
                let page = page_after_on(&admin, "/templates/new", function, &fields).await;
                assert!(page.contains(&format!("id=\"{name}-error\"")), "{function}, {name}: {page}");
                assert_eq!(page.matches(said).count(), 1, "{function}, {name}: {page}");
                assert!(page.contains("look at the field “") && !page.contains('`'), "{function}, {name}: {page}");
                let shown = admin.get(frame).await.text.replace("&quot;", "\"");
                assert!(shown.contains(said) && shown.contains("There is no preview yet"), "{name}: {shown}");
            }
        }

        let sink = Sink::start(([127, 0, 0, 1], 0).into()).await.unwrap();
        assert_eq!(form.send("POST", "/fn/test_template", body(&written)).await.status, 500);
        let address = GivenAddress::Url(sink.url());
        let (name, from_address) = ("Mail".to_owned(), "Finch <post@finch.example>".to_owned());
        let new = NewAdapter { name, kind: AdapterKind::Smtp, address, from_address, is_default: true };
        create_adapter_of(&app.app, app.team, new).await.unwrap();
        assert_eq!(form.send("POST", "/fn/test_template", body(&written)).await.status, 200);
        {
            let [received] = &sink.messages()[..] else { panic!("one message") };
            assert_eq!(received.recipients, ["admin@finch.example"]);
        }
        // The page that tells of it has the preview, which is the person's own.
        let page = page_after_on(&admin, "/templates/new", "test_template", &written).await;
        assert!(page.contains("accepted the test message for admin@finch.example.") && page.contains(frame), "{page}");
        assert!(admin.get(frame).await.text.contains("Hello A&amp;B"));
        assert!(!app.sign_in(Role::Owner).await.get(frame).await.text.contains("Hello"));
        assert_eq!(admin.get("/api/logs").await.data()["total"], 0);
        assert_eq!(admin.get("/api/templates").await.data(), json!([]));
    }
}

fn kind_name(kind: AdapterKind) -> String {
    kind.as_str().to_owned()
}

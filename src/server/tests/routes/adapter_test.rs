//! The test message of an adapter: each way to fail has its own advice, on the page and in the audit log.

use chrono::TimeDelta;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use super::*;
use crate::domain::adapter::AdapterKind;
use crate::domain::adapter::fault::AdapterFault::{self, *};
use crate::domain::ids::AdapterId;
use crate::domain::team::Role;
use crate::server::demo::sink::{Sink, SinkSettings};
use crate::server::services::adapters::{
    AdapterChange, GivenAddress, NewAdapter, create_adapter_of, send_test, update_adapter,
};

/// What a mail server answers; everything else it takes.
#[derive(Clone, Copy)]
struct Answers {
    greeting: &'static str,
    mail: &'static str,
    recipient: &'static str,
    content: &'static str,
}

const ALL_WELL: Answers =
    Answers { greeting: "220 here", mail: "250 ok", recipient: "250 ok", content: "250 ok queued as 7" };

/// A mail server that answers so; its address.
async fn server(answers: Answers) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(converse(BufReader::new(stream), answers));
        }
    });
    addr.to_string()
}

/// A conversation. Whoever breaks it off has no one to tell.
async fn converse(mut stream: BufReader<tokio::net::TcpStream>, answers: Answers) -> Option<()> {
    let mut is_content = false;
    let mut answer = answers.greeting;
    loop {
        stream.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            if !is_content || line == ".\r\n" {
                answer = match line.get(..4) {
                    _ if is_content => answers.content,
                    Some("MAIL") => answers.mail,
                    Some("RCPT") => answers.recipient,
                    Some("DATA") => "354 go on",
                    _ => "250 ok",
                };
                is_content = answer.starts_with("354");
                break;
            }
        }
    }
}

/// A web server that gives every request this status; its address.
async fn web_server(status: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 65536]).await;
            let answer =
                format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nlocation: /\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    format!("http://{addr}/sms")
}

/// An address at which nobody listens.
async fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().to_string()
}

async fn adapter(app: &TestApp, url: &str) -> AdapterId {
    let kind = if url.starts_with("smtp") { AdapterKind::Smtp } else { AdapterKind::Http };
    let address = GivenAddress::Url(url.to_owned());
    let (name, from_address) = (format!("To {url}"), "Finch <post@finch.example>".to_owned());
    let new = NewAdapter { name, kind, address, from_address, is_default: false };
    create_adapter_of(&app.app, app.team, new).await.unwrap().id
}

/// Why a test by this address fails.
async fn fault(app: &TestApp, url: &str, to: &str) -> Option<AdapterFault> {
    let admin = app.viewer(Role::Admin).await;
    let outcome = send_test(&app.app, &admin, adapter(app, url).await, to).await.unwrap();
    if let Some(fault) = outcome.fault {
        assert!(outcome.sentence().ends_with(fault.advice()), "{outcome:?}");
    }
    outcome.fault
}

on_both_databases! {
    async fn a_test_says_at_which_step_a_mail_server_stopped(app: TestApp) {
        let open = Sink::start(([127, 0, 0, 1], 0).into()).await.unwrap().addr();
        let log_in = Some(("ada".to_owned(), "hush".to_owned()));
        let settings = SinkSettings { log_in, ..SinkSettings::default() };
        let guarded = Sink::start_with(([127, 0, 0, 1], 0).into(), settings).await.unwrap();
        let sink = Sink::start(([127, 0, 0, 1], 0).into()).await.unwrap();
        let (guarded_at, sink_at) = (guarded.addr(), sink.addr());
        let says = async |answers| format!("smtp://{}?tls=none", server(answers).await);
        for (url, to, expected) in [
            (format!("smtp://{sink_at}?tls=none"), "mara@finch.example", None),
            (format!("smtp://ada:hush@{sink_at}?tls=none"), "mara@finch.example", Some(LogInNotOffered)),
            (format!("smtp://ada:wrong@{guarded_at}?tls=none"), "mara@finch.example", Some(LogInRefused)),
            (format!("smtp://{guarded_at}?tls=opportunistic"), "mara@finch.example", Some(LogInWanted)),
            (format!("smtp://{sink_at}?tls=required"), "mara@finch.example", Some(TlsNotOffered)),
            (format!("smtps://{sink_at}"), "mara@finch.example", Some(TlsFailed)),
            (format!("smtp://{}", nobody().await), "mara@finch.example", Some(ConnectionRefused)),
            // Its sink is gone.
            (format!("smtp://{open}"), "mara@finch.example", Some(ConnectionRefused)),
            ("smtp://nobody.invalid".to_owned(), "mara@finch.example", Some(NameUnknown)),
            (format!("smtp://{sink_at}?tls=opportunistic"), "refused@finch.example", Some(RecipientRefused)),
            (format!("smtp://localhost:{}?tls=none", sink_at.port()), "full@finch.example", Some(Later)),
            (format!("smtp://localhost:{}", sink_at.port()), "vanish@finch.example", Some(OutcomeUnknown)),
            (says(Answers { greeting: "SSH-2.0-here", ..ALL_WELL }).await, "mara@finch.example", Some(NotMailServer)),
            (says(Answers { greeting: "554 no service", ..ALL_WELL }).await, "mara@finch.example", Some(Unwelcome)),
            (says(Answers { mail: "553 5.7.1 not yours", ..ALL_WELL }).await, "mara@finch.example", Some(SenderRefused)),
            (
                says(Answers { recipient: "554 5.7.1 Relay access denied", ..ALL_WELL }).await,
                "mara@finch.example",
                Some(LogInWanted),
            ),
            (says(Answers { content: "554 5.6.0 no", ..ALL_WELL }).await, "mara@finch.example", Some(ContentRefused)),
            (says(Answers { content: "451 4.3.0 later", ..ALL_WELL }).await, "mara@finch.example", Some(Later)),
        ] {
            assert_eq!(fault(&app, &url, to).await, expected, "{url} {to}");
        }
    }

    async fn a_test_says_why_a_web_address_did_not_take_it(app: TestApp) {
        let number = "+49 170 1234567";
        for (status, expected) in [
            (202, None),
            (401, Some(LogInRefused)),
            (403, Some(LogInRefused)),
            (404, Some(WrongUrl)),
            (302, Some(WrongUrl)),
            (422, Some(ContentRefused)),
            (503, Some(Later)),
        ] {
            assert_eq!(fault(&app, &web_server(status).await, number).await, expected, "{status}");
        }
        let url = format!("http://{}/", nobody().await);
        assert_eq!(fault(&app, &url, number).await, Some(ConnectionRefused));
        assert_eq!(fault(&app, "http://nobody.invalid/", number).await, Some(NameUnknown));
    }

    async fn the_list_says_what_became_of_the_last_test_of_each(app: TestApp) {
        let sink = Sink::start(([127, 0, 0, 1], 0).into()).await.unwrap();
        let (admin, viewer) = (app.viewer(Role::Admin).await, app.sign_in(Role::Viewer).await);
        let list = async || viewer.with("accept", "text/html").get("/settings/adapters").await.text;
        let id = adapter(&app, &format!("smtp://{}?tls=none", sink.addr())).await;
        let page = list().await;
        assert!(page.contains("Not tested yet"), "{page}");
        let place = format!("127.0.0.1, port {}, not encrypted", sink.addr().port());
        assert!(page.contains(&place), "{page}");
        send_test(&app.app, &admin, id, "refused@finch.example").await.unwrap();
        assert!(list().await.contains("Test failed: the server refused the recipient"));
        app.advance(TimeDelta::minutes(1));
        send_test(&app.app, &admin, id, "mara@finch.example").await.unwrap();
        adapter(&app, "smtp://mail.finch.example").await;
        let page = list().await;
        assert!(page.contains("Test accepted") && page.contains("Not tested yet"), "{page}");
        // A viewer of adapters sees neither who tested nor to whom.
        assert!(!page.contains("Test failed") && !page.contains("mara@finch.example"), "{page}");
    }

    async fn a_test_from_before_a_change_is_said_to_be_so(app: TestApp) {
        let sink = Sink::start(([127, 0, 0, 1], 0).into()).await.unwrap();
        let (admin, viewer) = (app.viewer(Role::Admin).await, app.sign_in(Role::Viewer).await);
        let list = async || viewer.with("accept", "text/html").get("/settings/adapters").await.text;
        let id = adapter(&app, &format!("smtp://{}?tls=none", sink.addr())).await;
        let (failed, before) = ("failed-test", "before the last change");
        send_test(&app.app, &admin, id, "refused@finch.example").await.unwrap();
        // A test does not depend on the name.
        let renamed = AdapterChange { name: Some("Relay".to_owned()), ..AdapterChange::default() };
        update_adapter(&app.app, &admin, id, renamed).await.unwrap();
        let page = list().await;
        assert!(page.contains(failed) && !page.contains(before), "{page}");
        let from_address = Some("Finch <other@finch.example>".to_owned());
        let moved = AdapterChange { from_address, ..AdapterChange::default() };
        update_adapter(&app.app, &admin, id, moved).await.unwrap();
        let page = list().await;
        assert!(page.contains("Test failed: the server refused the recipient"), "{page}");
        assert!(page.contains(before) && !page.contains(failed), "{page}");
        send_test(&app.app, &admin, id, "refused@finch.example").await.unwrap();
        let page = list().await;
        assert!(page.contains(failed) && !page.contains(before), "{page}");
    }

    async fn the_audit_log_says_in_words_what_became_of_a_test(app: TestApp) {
        let sink = Sink::start(([127, 0, 0, 1], 0).into()).await.unwrap();
        let url = format!("smtp://ada:hush@{}?tls=none", sink.addr());
        assert_eq!(fault(&app, &url, "mara@finch.example").await, Some(LogInNotOffered));
        assert_eq!(fault(&app, &sink.url(), "mara@finch.example").await, None);
        let owner = app.sign_in(Role::Owner).await;
        let page = owner.with("accept", "text/html").get("/settings/audit").await.text;
        assert!(page.contains("the server offers no log-in") && page.contains("the server took it"), "{page}");
        assert!(!page.contains("log_in_not_offered") && !page.contains("accepted"), "{page}");
    }
}

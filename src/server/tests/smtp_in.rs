//! Messages that programs send by SMTP: what is kept of them, what goes out, who is refused.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

use super::*;
use crate::domain::adapter::AdapterKind;
use crate::domain::api_key::{KeyApi, KeyLimits};
use crate::server::delivery::worker::{Worker, WorkerSettings};
use crate::server::demo::sink::{ReceivedMessage, Sink};
use crate::server::services::api_keys::NewApiKey;
use crate::server::smtp_in::{Entrances, serve};

/// A server of SMTP. It stops with its value.
struct Server {
    addr: SocketAddr,
    stop: watch::Sender<bool>,
}

impl Server {
    async fn start(app: &App) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(serve(app.clone(), Entrances { plain: Some(listener), ..Entrances::default() }, stopped));
        Self { addr, stop }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

/// A program that talks to it.
struct Talk {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
}

impl Talk {
    /// A connection that has heard the greeting and said EHLO.
    async fn begin(server: &Server) -> Self {
        let (read, write) = TcpStream::connect(server.addr).await.unwrap().into_split();
        let mut talk = Self { read: BufReader::new(read), write };
        assert!(talk.answer().await.starts_with("220 localhost ESMTP"));
        assert!(talk.say("EHLO shop.finch.example").await.contains("250-AUTH PLAIN LOGIN\r\n"));
        talk
    }

    /// One that has logged in.
    async fn log_in(server: &Server, key: &str) -> Self {
        let mut talk = Self::begin(server).await;
        assert_eq!(talk.auth(key).await, "235 2.7.0 Welcome\r\n");
        talk
    }

    async fn auth(&mut self, key: &str) -> String {
        self.say(&format!("AUTH PLAIN {}", STANDARD.encode(format!("\0sendlog\0{key}")))).await
    }

    async fn answer(&mut self) -> String {
        let mut answer = String::new();
        loop {
            let start = answer.len();
            self.read.read_line(&mut answer).await.unwrap();
            if answer.as_bytes().get(start + 3) != Some(&b'-') {
                return answer;
            }
        }
    }

    async fn say(&mut self, line: &str) -> String {
        self.write.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        self.answer().await
    }

    /// Names the sender and the recipients, who are all taken.
    async fn envelope(&mut self, to: &[&str]) {
        assert!(self.say("MAIL FROM:<shop@finch.example> BODY=8BITMIME").await.starts_with("250"));
        for to in to {
            assert!(self.say(&format!("RCPT TO:<{to}>")).await.starts_with("250"), "{to}");
        }
    }

    /// Sends a message, dots doubled; the answer.
    async fn send(&mut self, to: &[&str], message: &[u8]) -> String {
        self.envelope(to).await;
        assert!(self.say("DATA").await.starts_with("354"));
        for line in message.split_inclusive(|byte| *byte == b'\n') {
            if line.starts_with(b".") {
                self.write.write_all(b".").await.unwrap();
            }
            self.write.write_all(line).await.unwrap();
        }
        self.say(".").await
    }
}

fn id_of(answer: &str) -> String {
    let id = answer.strip_prefix("250 2.0.0 Accepted as ").unwrap_or_else(|| panic!("{answer}"));
    id.trim_end().to_owned()
}

async fn key_of(app: &TestApp, scopes: &[Permission]) -> (String, String) {
    let scopes = scopes.iter().copied().collect();
    let made = api_keys::create_key_of(&app.app, app.team, None, "Shop", scopes).await.unwrap();
    (made.secret, made.key.id.to_string())
}

/// Lets a worker send what waits, until the mail server has as many.
async fn delivered(app: &TestApp, sink: &Sink, count: usize) -> Vec<ReceivedMessage> {
    let settings =
        WorkerSettings { poll_every: Duration::from_millis(20), ..WorkerSettings::within(app.app.config.outbound()) };
    let worker = Worker::new(app.store().clone(), app.app.clock.clone(), Arc::clone(&app.app.secret_key), settings);
    let (stop, stopped) = watch::channel(false);
    let working = tokio::spawn(worker.run(stopped));
    for _ in 0..500 {
        if sink.messages().len() >= count {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.send(true).unwrap();
    working.await.unwrap();
    sink.messages()
}

const ODD: &[u8] = b"Received: from laptop by shop.finch.example; Mon, 30 Nov 2026 20:00:00 +0000\r\n\
    From: =?UTF-8?Q?Finch_L=C3=A4den?= <shop@finch.example>\r\nTo: Ada <ada@example.com>\r\nCc: bob@example.com\r\n\
    Bcc: eve@example.com,\r\n nobody@example.com\r\nSubject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?=\r\n  and more\r\n\
    X-Sendlog-Tag: receipts\r\nX-SENDLOG-metadata-Order: 1001\r\nX-Sendlog-Id: eml_forged\r\nReturn-Path: <x@y.example>\r\n\
    X-Shop:\r\n\tone\r\nX-Shop: two\r\nReply-To: help@finch.example\r\nMessage-ID: <one@finch.example>\r\n\
    Date: Mon, 30 Nov 2026 20:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_one\"\r\n\r\n\
    preamble\r\n--=_one\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
    Gr\xfc\xdfe \r\n.\r\n..dots\r\n--=_one\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment;\r\n \
    filename*0*=UTF-8''%e2%82%ac%20;\r\n filename*1=\"rates.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0=\r\n\
    --=_one--\r\nepilogue without a dot";

/// What goes out of [ODD] behind what Sendlog puts in front.
const ODD_SENT: &[u8] = b"Received: from laptop by shop.finch.example; Mon, 30 Nov 2026 20:00:00 +0000\r\n\
    From: =?UTF-8?Q?Finch_L=C3=A4den?= <shop@finch.example>\r\nTo: Ada <ada@example.com>\r\nCc: bob@example.com\r\n\
    Subject: =?UTF-8?Q?Gr=C3=BC=C3=9Fe?=\r\n  and more\r\n\
    X-Shop:\r\n\tone\r\nX-Shop: two\r\nReply-To: help@finch.example\r\nMessage-ID: <one@finch.example>\r\n\
    Date: Mon, 30 Nov 2026 20:00:00 +0000\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"=_one\"\r\n\r\n\
    preamble\r\n--=_one\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
    Gr\xfc\xdfe \r\n.\r\n..dots\r\n--=_one\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment;\r\n \
    filename*0*=UTF-8''%e2%82%ac%20;\r\n filename*1=\"rates.pdf\"\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0=\r\n\
    --=_one--\r\nepilogue without a dot\r\n";

const PLAIN: &[u8] =
    b"From: shop@finch.example\r\nTo: ada@example.com\r\nSubject: Hi\r\nMessage-ID: <two@finch.example>\r\n\r\nhi\r\n";

on_both_databases! {
    async fn a_message_is_in_the_log_when_it_is_answered_and_goes_out_as_it_came(app: TestApp) {
        let sink = Sink::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
        app.add_adapter_of(AdapterKind::Smtp, &sink.url(), "Main").await;
        let (server, owner) = (Server::start(&app.app).await, app.sign_in(Role::Owner).await);
        let (key, key_id) = key_of(&app, &[Permission::EmailsSend]).await;
        let mut talk = Talk::log_in(&server, &key).await;
        // The last line gets the end that every line of SMTP has.
        let message = [ODD, b"\r\n"].concat();
        let to = ["ada@example.com", "bob@example.com", "eve@example.com", "ADA@example.com"];
        let id = id_of(&talk.send(&to, &message).await);

        let email = owner.get(&format!("/api/logs/{id}")).await.data();
        assert_eq!((&email["subject"], &email["status"]), (&json!("Grüße and more"), &json!("queued")));
        assert_eq!((&email["fromAddress"], &email["apiKeyId"]), (&json!("Finch Läden <shop@finch.example>"), &json!(key_id)));
        let page = owner.with("accept", "text/html").get(&format!("/logs/{id}")).await.text;
        for shown in ["by API key “Shop”, by SMTP", "receipts", "1001", "€ rates.pdf", "eve@example.com", "X-Shop"] {
            assert!(page.contains(shown), "{shown}: {page}");
        }
        assert!(!page.contains("nobody@example.com"), "{page}");

        let [sent] = &delivered(&app, &sink, 1).await[..] else { panic!("one message") };
        assert_eq!(sent.recipients, ["ada@example.com", "bob@example.com", "eve@example.com"]);
        let (front, rest) = sent.raw.split_at(sent.raw.len().saturating_sub(ODD_SENT.len()));
        assert_eq!(String::from_utf8_lossy(rest), String::from_utf8_lossy(ODD_SENT));
        assert_eq!(rest, ODD_SENT);
        let front = String::from_utf8_lossy(front);
        let expected = format!(
            "X-Sendlog-Id: {id}\r\nReceived: from shop.finch.example\r\n\tby localhost with ESMTPA\r\n\tid {id};\r\n\t\
             Sat, 20 Jan 2024 12:00:00 +0000\r\n"
        );
        assert_eq!(front, expected);
        assert_eq!(owner.get(&format!("/api/logs/{id}")).await.data()["status"], json!("sent"));
        // Whoever reports of it can name it as its sender did.
        let program = app.program(&[Permission::EventsWrite]).await;
        let event = json!([{"id": "e1", "kind": "delivered", "at": app.now(), "providerMessageId": "<one@finch.example>"}]);
        assert_eq!(program.post("/api/v1/events", event).await.data()[0]["emailId"], json!(id));
        assert_eq!(owner.get(&format!("/api/logs/{id}")).await.data()["status"], json!("delivered"));
    }

    async fn a_message_is_given_what_every_mail_has(app: TestApp) {
        let sink = Sink::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
        app.add_adapter_of(AdapterKind::Smtp, &sink.url(), "Main").await;
        let server = Server::start(&app.app).await;
        let (key, _) = key_of(&app, &[Permission::EmailsSend]).await;
        let mut talk = Talk::log_in(&server, &key).await;
        let id = id_of(&talk.send(&["ada@example.com"], b"From: shop@finch.example\r\n\r\n").await);
        let [sent] = &delivered(&app, &sink, 1).await[..] else { panic!("one message") };
        let sent = String::from_utf8(sent.raw.clone()).unwrap();
        assert!(sent.contains(&format!("\r\nDate: Sat, 20 Jan 2024 12:00:00 +0000\r\nMessage-ID: <{id}@finch.example>\r\nFrom:")), "{sent}");
        let owner = app.sign_in(Role::Owner).await;
        let page = owner.with("accept", "text/html").get(&format!("/logs/{id}")).await.text;
        assert!(page.contains("ada@example.com"), "{page}");
    }

    async fn a_copy_goes_out_as_the_message_did(app: TestApp) {
        let sink = Sink::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
        app.add_adapter_of(AdapterKind::Smtp, &sink.url(), "Main").await;
        let (server, owner) = (Server::start(&app.app).await, app.sign_in(Role::Owner).await);
        let (key, _) = key_of(&app, &[Permission::EmailsSend]).await;
        let message = [ODD, b"\r\n"].concat();
        let mut talk = Talk::log_in(&server, &key).await;
        let id = id_of(&talk.send(&["ada@example.com", "policy@example.com"], &message).await);
        delivered(&app, &sink, 1).await;
        let copy = owner.post(&format!("/api/logs/{id}/resend"), json!({})).await.data()["id"].as_str().unwrap().to_owned();
        let copied = app.store().find_mime(app.team, copy.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(Some(copied), app.store().find_mime(app.team, id.parse().unwrap()).await.unwrap());
        let copy = app.store().find_email(app.team, copy.parse().unwrap()).await.unwrap().unwrap();
        assert_eq!(copy.recipients.iter().map(|one| one.address.as_str()).collect::<Vec<_>>(), ["policy@example.com"]);
    }

    async fn who_may_not_send_is_told_why(app: TestApp) {
        let server = Server::start(&app.app).await;
        let (key, key_id) = key_of(&app, &[Permission::EmailsSend]).await;
        let mut talk = Talk::begin(&server).await;
        assert_eq!(talk.say("MAIL FROM:<a@finch.example>").await, "530 5.7.0 Log in first, with an API key as the password\r\n");
        let mut talk = Talk::log_in(&server, &key).await;
        let no_adapter = talk.say("MAIL FROM:<a@finch.example>").await;
        assert!(no_adapter.starts_with("451 4.3.5 The team has no email adapter yet"), "{no_adapter}");
        app.add_adapter("Main").await;
        assert!(talk.say("MAIL FROM:<a@finch.example>").await.starts_with("250"));
        for (recipient, answer) in [("ada@", "501 5.1.3"), ("ada@example.com>;", "501 5.1.3"), ("zoë@example.com", "553 5.6.7")] {
            let said = talk.say(&format!("RCPT TO:<{recipient}>")).await;
            assert!(said.starts_with(answer), "{recipient}: {said}");
        }
        assert!(talk.say("RCPT TO:<ada@example.com>").await.starts_with("250"));
        // A connection can outlast its key.
        let owner = app.viewer(Role::Owner).await;
        api_keys::revoke_api_key(&app.app, &owner, key_id.parse().unwrap()).await.unwrap();
        assert!(talk.say("DATA").await.starts_with("354"));
        let refused = talk.say("From: a@finch.example\r\n\r\nhi\r\n.").await;
        assert_eq!(refused, "550 5.7.1 Invalid or revoked API key\r\n");
        assert!(talk.say("MAIL FROM:<a@finch.example>").await.starts_with("550 5.7.1"));

        let (readers, _) = key_of(&app, &[Permission::LogsView]).await;
        let mut talk = Talk::log_in(&server, &readers).await;
        assert_eq!(talk.say("MAIL FROM:<a@finch.example>").await, "550 5.7.1 Missing permission: emails:send\r\n");
        let limits = KeyLimits { apis: Some(vec![KeyApi::Resend]), ..KeyLimits::default() };
        let scopes = [Permission::EmailsSend].into_iter().collect();
        let new = NewApiKey { name: "Resend".to_owned(), scopes, limits, belongs_to_team: false };
        let other = api_keys::create_api_key(&app.app, &owner, new).await.unwrap();
        let said = Talk::begin(&server).await.auth(&other.secret).await;
        assert!(said.starts_with("535 5.7.8 This key is for other APIs"), "{said}");
        let said = Talk::begin(&server).await.auth("sl_nobody").await;
        assert!(said.starts_with("535 5.7.8 No API key has that secret"), "{said}");
        assert_eq!(app.client().with("authorization", &format!("Bearer {}", readers)).get("/api/logs").await.data()["total"], json!(0));
    }

    async fn what_cannot_be_sent_is_refused_whole(app: TestApp) {
        app.add_adapter("Main").await;
        let server = Server::start(&app.app).await;
        let (key, _) = key_of(&app, &[Permission::EmailsSend, Permission::LogsView]).await;
        let mut talk = Talk::log_in(&server, &key).await;
        let tags = "X-Sendlog-Tag: a\r\n".repeat(21);
        let files = "--x\r\nContent-Disposition: attachment\r\n\r\nx\r\n".repeat(21);
        for (message, answer) in [
            ("Subject: x\r\n\r\nhi\r\n".to_owned(), "554 5.6.0 The message has no single From header"),
            ("From: a@b.example\r\nFrom: c@d.example\r\n\r\n".to_owned(), "554 5.6.0 The message has no single From header"),
            ("From: nobody\r\n\r\n".to_owned(), "554 5.6.0 The message has no single From header"),
            (format!("{}From: a@b.example\r\n\r\n", "Received: by x\r\n".repeat(101)), "554 5.4.6"),
            (format!("From: a@b.example\r\n{tags}\r\n"), "554 5.6.0 tags are at most 20"),
            (format!("From: a@b.example\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n{files}"), "554 5.6.0 A message has at most 20 attachments"),
            (format!("From: a@b.example\r\nIdempotency-Key: {}\r\n\r\n", "k".repeat(257)), "554 5.6.0 Idempotency-Key is longer"),
        ] {
            let said = talk.send(&["ada@example.com"], message.as_bytes()).await;
            assert!(said.starts_with(answer), "{said}");
        }
        let many: Vec<String> = (0..51).map(|number| format!("user-{number}@example.com")).collect();
        assert!(talk.say("MAIL FROM:<>").await.starts_with("250"));
        for to in &many[..50] {
            assert!(talk.say(&format!("RCPT TO:<{to}>")).await.starts_with("250"), "{to}");
        }
        assert!(talk.say(&format!("RCPT TO:<{}>", many[50])).await.starts_with("452 4.5.3"));
        let reader = app.client().with("authorization", &format!("Bearer {key}"));
        assert_eq!(reader.get("/api/logs").await.data()["total"], json!(0));
    }

    async fn what_a_log_cannot_show_as_it_is_is_shown_as_far_as_it_can_be(app: TestApp) {
        app.add_adapter("Main").await;
        let server = Server::start(&app.app).await;
        let (key, _) = key_of(&app, &[Permission::EmailsSend]).await;
        let mut talk = Talk::log_in(&server, &key).await;
        let message = format!(
            "From: a@b.example\r\nSubject: =?UTF-8?Q?one=0D=0Atwo=00?= {}\r\nReply-To: nobody\r\nX-Long: {}\r\n\
             Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: x/y/z\r\n\
             Content-Disposition: attachment; filename=\"{}\"\r\nContent-ID: <a b>\r\n\r\nx\r\n--x--\r\n",
            "s".repeat(2_000),
            "h".repeat(3_000),
            "f".repeat(300),
        );
        let id = id_of(&talk.send(&["ada@example.com"], message.as_bytes()).await);
        let email = app.store().find_email(app.team, id.parse().unwrap()).await.unwrap().unwrap();
        assert!(email.subject.starts_with("one  two") && email.subject.chars().count() == 998, "{}", email.subject);
        assert_eq!(email.reply_to, None);
        let files = app.store().list_attachments(app.team, id.parse().unwrap()).await.unwrap();
        assert_eq!((files.len(), files[0].filename.len(), files[0].content.as_slice()), (1, 255, &b"x"[..]));
    }

    async fn a_message_that_comes_twice_is_accepted_once(app: TestApp) {
        app.add_adapter("Main").await;
        let server = Server::start(&app.app).await;
        let (key, _) = key_of(&app, &[Permission::EmailsSend, Permission::LogsView]).await;
        let mut talk = Talk::log_in(&server, &key).await;
        let first = id_of(&talk.send(&["ada@example.com"], PLAIN).await);
        assert_eq!(id_of(&talk.send(&["ada@example.com"], PLAIN).await), first);
        assert_ne!(id_of(&talk.send(&["bob@example.com"], PLAIN).await), first);
        let other = [PLAIN, b"more\r\n"].concat();
        assert_ne!(id_of(&talk.send(&["ada@example.com"], &other).await), first);
        // Without an id of its own, two are two.
        let nameless = b"From: a@b.example\r\n\r\nDisk full\r\n";
        let one = id_of(&talk.send(&["ada@example.com"], nameless).await);
        assert_ne!(id_of(&talk.send(&["ada@example.com"], nameless).await), one);

        let keyed = |date: &str, text: &str| format!("From: a@b.example\r\nDate: {date}\r\nIdempotency-Key: order-1\r\n\r\n{text}\r\n");
        let one = id_of(&talk.send(&["ada@example.com"], keyed("Mon, 30 Nov 2026 20:00:00 +0000", "hi").as_bytes()).await);
        let again = id_of(&talk.send(&["ada@example.com"], keyed("Mon, 30 Nov 2026 20:00:05 +0000", "hi").as_bytes()).await);
        assert_eq!(one, again);
        let said = talk.send(&["ada@example.com"], keyed("Mon, 30 Nov 2026 20:00:00 +0000", "another").as_bytes()).await;
        assert!(said.starts_with("554 5.6.0 This idempotency key was used before"), "{said}");

        let mut sending = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let mut talk = Talk::log_in(&server, &key).await;
            sending.spawn(async move { id_of(&talk.send(&["eve@example.com"], PLAIN).await) });
        }
        let ids: std::collections::HashSet<String> = sending.join_all().await.into_iter().collect();
        assert_eq!(ids.len(), 1);
        let reader = app.client().with("authorization", &format!("Bearer {key}"));
        assert_eq!(reader.get("/api/logs").await.data()["total"], json!(7));
    }

    async fn a_key_sends_as_often_as_it_may(app: TestApp) {
        app.add_adapter("Main").await;
        let (server, owner) = (Server::start(&app.app).await, app.viewer(Role::Owner).await);
        let limits = KeyLimits { rate_limit: Some(2), ..KeyLimits::default() };
        let scopes = [Permission::EmailsSend].into_iter().collect();
        let new = NewApiKey { name: "Slow".to_owned(), scopes, limits, belongs_to_team: false };
        let key = api_keys::create_api_key(&app.app, &owner, new).await.unwrap();
        let mut talk = Talk::log_in(&server, &key.secret).await;
        let mut answers = Vec::new();
        for _ in 0..8 {
            answers.push(talk.say("MAIL FROM:<a@finch.example>").await);
            talk.say("RSET").await;
        }
        let refused = answers.iter().filter(|said| said.starts_with("450 4.7.1 This key sends at most 2 messages a second")).count();
        assert!(refused > 0 && answers[0].starts_with("250") && answers[1].starts_with("250"), "{answers:?}");
    }

    async fn a_mail_goes_when_its_text_does(app: TestApp) {
        let sink = Sink::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
        app.add_adapter_of(AdapterKind::Smtp, &sink.url(), "Main").await;
        let server = Server::start(&app.app).await;
        let (key, _) = key_of(&app, &[Permission::EmailsSend]).await;
        let id: EmailId = id_of(&Talk::log_in(&server, &key).await.send(&["ada@example.com"], PLAIN).await).parse().unwrap();
        let below = EmailId(id.0 + 1);
        let delete = async || while app.store().delete_old_bodies(app.team, below).await.unwrap() {};
        delete().await;
        assert!(app.store().find_mime(app.team, id).await.unwrap().is_some(), "it has yet to be sent");
        delivered(&app, &sink, 1).await;
        delete().await;
        assert_eq!(app.store().find_mime(app.team, id).await, Ok(None));
    }
}

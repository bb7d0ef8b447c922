//! Reports about messages by mail: what strangers can hand in by SMTP, programs by POST and mail servers by a maildir, and what
//! becomes of the message.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;

use super::*;
use crate::domain::adapter::AdapterKind;
use crate::domain::event::EventKind;
use crate::server::bounce_address::bounce_address;
use crate::server::delivery::worker::{Worker, WorkerSettings};
use crate::server::demo::sink::{ReceivedMessage, Sink};
use crate::server::inbound::maildir;
use crate::server::smtp_in::{Entrances, serve};

const POSTFIX: &str = include_str!("../inbound/bounce/samples/postfix_failed.eml");
const COMPLAINT: &str = include_str!("../inbound/bounce/samples/yahoo_complaint.eml");
const DELAYED: &str = include_str!("../inbound/bounce/samples/postfix_delayed.eml");
const PATH: &str = "/api/v1/bounces";
const VACATION: &str = include_str!("../inbound/bounce/samples/vacation.eml");

/// A server that takes bounces from strangers. It stops with its value.
struct Server {
    addr: SocketAddr,
    stop: watch::Sender<bool>,
}

impl Server {
    async fn start(app: &App) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(serve(app.clone(), Entrances { bounces: Some(listener), ..Entrances::default() }, stopped));
        Self { addr, stop }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

/// A mail server that talks to it.
struct Talk {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
}

impl Talk {
    async fn begin(server: &Server) -> Self {
        let (read, write) = TcpStream::connect(server.addr).await.unwrap().into_split();
        let mut talk = Self { read: BufReader::new(read), write };
        assert!(talk.answer().await.starts_with("220 localhost ESMTP"));
        let offers = talk.say("EHLO mx.example.com").await;
        assert!(offers.contains("SIZE") && !offers.contains("AUTH"), "{offers}");
        talk
    }

    async fn answer(&mut self) -> String {
        let mut answer = String::new();
        loop {
            let start = answer.len();
            if self.read.read_line(&mut answer).await.unwrap() == 0 {
                return answer;
            }
            if answer.as_bytes().get(start + 3) != Some(&b'-') {
                return answer;
            }
        }
    }

    async fn say(&mut self, line: &str) -> String {
        self.write.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        self.answer().await
    }

    /// Hands in a report; the last answer.
    async fn report(&mut self, to: &str, mail: &str) -> String {
        assert!(self.say("MAIL FROM:<>").await.starts_with("250"));
        let taken = self.say(&format!("RCPT TO:<{to}>")).await;
        if !taken.starts_with("250") {
            return taken;
        }
        assert!(self.say("DATA").await.starts_with("354"));
        self.write.write_all(mail.replace("\n.", "\n..").as_bytes()).await.unwrap();
        self.say(".").await
    }
}

/// The sample as it comes back to this message.
fn mail(sample: &str, to: &str, id: &str) -> String {
    sample.replace("{TO}", to).replace("{ID}", id).replace('\n', "\r\n")
}

/// Sends a message to these by an adapter with a bounce domain; its id, and what the mail server got.
async fn sent(app: &TestApp, sink: &Sink, to: &[&str]) -> (String, ReceivedMessage) {
    let url = format!("{}&bounces=bounces.finch.example", sink.url());
    app.add_adapter_of(AdapterKind::Smtp, &url, "Main").await;
    let (program, template) = (app.program(&[Permission::EmailsSend]).await, app.add_template("Receipt").await);
    let body = json!({
        "templateId": template.id, "to": to, "from": "Finch <shop@finch.example>", "variables": {"name": "Ada"},
    });
    let id = program.post("/api/v1/send", body).await.data()["id"].as_str().unwrap().to_owned();
    let settings =
        WorkerSettings { poll_every: Duration::from_millis(20), ..WorkerSettings::within(app.app.config.outbound()) };
    let worker = Worker::new(app.store().clone(), app.app.clock.clone(), Arc::clone(&app.app.secret_key), settings);
    let (stop, stopped) = watch::channel(false);
    let working = tokio::spawn(worker.run(stopped));
    for _ in 0..500 {
        if !sink.messages().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.send(true).unwrap();
    working.await.unwrap();
    (id, sink.messages().pop().unwrap())
}

async fn status(app: &TestApp, id: &str) -> String {
    let owner = app.sign_in(Role::Owner).await;
    owner.get(&format!("/api/logs/{id}")).await.data()["status"].as_str().unwrap().to_owned()
}

/// How many events of a kind a message has.
async fn count(app: &TestApp, id: &str, kind: EventKind) -> usize {
    let events = app.store().list_events(app.team, id.parse().unwrap()).await.unwrap();
    events.iter().filter(|event| event.kind == kind).count()
}

async fn is_suppressed(app: &TestApp, address: &str) -> bool {
    !app.store().find_suppressed(app.team, &[address.to_owned()]).await.unwrap().is_empty()
}

async fn sink() -> Sink {
    Sink::start("127.0.0.1:0".parse().unwrap()).await.unwrap()
}

/// A maildir that is gone with its value.
struct Maildir(PathBuf);

impl Maildir {
    fn make() -> Self {
        let name: String = hex::encode(rand::random::<[u8; 8]>());
        let made = Self(std::env::temp_dir().join(format!("sendlog-maildir-{name}")));
        for folder in ["new", "cur", "tmp"] {
            std::fs::create_dir_all(made.0.join(folder)).unwrap();
        }
        made
    }

    fn put(&self, name: &str, mail: &[u8]) {
        std::fs::write(self.0.join("new").join(name), mail).unwrap();
    }

    fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.join(folder)).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Maildir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

on_both_databases! {
    async fn a_message_that_comes_back_to_its_own_address_is_bounced_once(app: TestApp) {
        let (sink, server) = (sink().await, Server::start(&app.app).await);
        let (id, received) = sent(&app, &sink, &["ada@example.com"]).await;
        let own = bounce_address(&app.app.secret_key, app.team, id.parse().unwrap(), "bounces.finch.example");
        assert_eq!(received.from, own);
        assert!(String::from_utf8_lossy(&received.raw).contains("From: Finch <shop@finch.example>\r\n"));
        assert_eq!(status(&app, &id).await, "sent");

        let mut talk = Talk::begin(&server).await;
        // A late word of a delay changes nothing, whenever it comes.
        let delayed = mail(DELAYED, &own, &id);
        assert_eq!(talk.report(&own, &delayed).await, "250 2.0.0 Accepted as a report\r\n");
        assert_eq!(status(&app, &id).await, "sent");
        let bounce = mail(POSTFIX, &own, &id);
        // Servers change the case of what is theirs.
        for to in [own.clone(), own.to_uppercase(), own.clone()] {
            assert_eq!(talk.report(&to, &bounce).await, "250 2.0.0 Accepted as a report\r\n");
        }
        assert_eq!(talk.report(&own, &delayed).await, "250 2.0.0 Accepted as a report\r\n");
        assert_eq!(status(&app, &id).await, "bounced");
        assert_eq!((count(&app, &id, EventKind::Bounced).await, count(&app, &id, EventKind::Deferred).await), (1, 1));
        assert!(is_suppressed(&app, "ada@example.com").await);
        let owner = app.sign_in(Role::Owner).await;
        let page = owner.with("accept", "text/html").get(&format!("/logs/{id}")).await.text;
        assert!(page.contains("User unknown in virtual mailbox table"), "{page}");
    }

    async fn a_complaint_names_its_message_by_the_envelope_of_what_was_sent(app: TestApp) {
        let (sink, server) = (sink().await, Server::start(&app.app).await);
        let (id, received) = sent(&app, &sink, &["ada@example.com"]).await;
        let mut talk = Talk::begin(&server).await;
        let said = talk.report(&received.from, &mail(COMPLAINT, &received.from, &id)).await;
        assert_eq!(said, "250 2.0.0 Accepted as a report\r\n");
        assert_eq!((status(&app, &id).await.as_str(), count(&app, &id, EventKind::ReportedAsSpam).await), ("spam", 1));
        assert!(is_suppressed(&app, "ada@example.com").await);
    }

    async fn strangers_reach_the_addresses_of_messages_and_nobody_else(app: TestApp) {
        let (sink, server) = (sink().await, Server::start(&app.app).await);
        let (id, received) = sent(&app, &sink, &["ada@example.com"]).await;
        let own = received.from.clone();
        let (local, domain) = own.split_once('@').unwrap();
        let other_digit = if local.ends_with('0') { "1" } else { "0" };
        let forged = format!("{}{other_digit}@{domain}", &local[..local.len() - 1]);
        for to in ["ada@example.com", "postmaster@bounces.finch.example", &forged, &format!("{local}@heron.example")] {
            // After ten wrong commands a stranger is sent away, so each comes anew.
            let mut talk = Talk::begin(&server).await;
            assert!(talk.say("AUTH PLAIN AHNlbmRsb2cAc2w=").await.starts_with("502 5.5.1"));
            let said = talk.report(to, &mail(POSTFIX, to, &id)).await;
            assert!(said.starts_with("550 5.1.1"), "{to}: {said}");
            assert!(talk.say("DATA").await.starts_with("554"));
        }
        let mut talk = Talk::begin(&server).await;
        assert!(talk.say("MAIL FROM:<eve@example.org> SIZE=20000000").await.starts_with("552"));
        // One address that is right lets no other in.
        assert!(talk.say("MAIL FROM:<eve@example.org>").await.starts_with("250"));
        assert!(talk.say(&format!("RCPT TO:<{own}>")).await.starts_with("250"));
        assert!(talk.say("RCPT TO:<ada@example.com>").await.starts_with("550 5.1.1"));
        assert!(talk.say("RSET").await.starts_with("250"));
        // An answer of a person is taken, and reports nothing.
        let said = talk.report(&own, &mail(VACATION, &own, &id)).await;
        assert_eq!(said, "250 2.0.0 Accepted as nothing that is known\r\n");
        assert_eq!((status(&app, &id).await.as_str(), sink.messages().len()), ("sent", 1));
    }

    async fn a_report_is_about_a_recipient_of_its_message(app: TestApp) {
        let (sink, server) = (sink().await, Server::start(&app.app).await);
        let (id, received) = sent(&app, &sink, &["zoe@example.com", "ada@example.com"]).await;
        let mut talk = Talk::begin(&server).await;
        let elsewhere = mail(POSTFIX, &received.from, &id).replace("ada@example.com", "eve@example.net");
        assert_eq!(talk.report(&received.from, &elsewhere).await, "250 2.0.0 Accepted as a report about somebody else\r\n");
        assert!(!is_suppressed(&app, "eve@example.net").await && count(&app, &id, EventKind::Bounced).await == 0);
        let said = talk.report(&received.from, &mail(POSTFIX, &received.from, &id)).await;
        assert_eq!(said, "250 2.0.0 Accepted as a report\r\n");
        assert!(is_suppressed(&app, "ada@example.com").await && !is_suppressed(&app, "zoe@example.com").await);
        // A message that is gone takes nothing with it.
        let gone = bounce_address(&app.app.secret_key, app.team, EmailId(7 << 20), "bounces.finch.example");
        let said = talk.report(&gone, &mail(POSTFIX, &gone, "eml_0000000000000")).await;
        assert_eq!(said, "250 2.0.0 Accepted as a report about a message that is gone\r\n");
    }

    async fn a_program_reports_of_its_own_team_by_post(app: TestApp) {
        let sink = sink().await;
        let (id, received) = sent(&app, &sink, &["ada@example.com"]).await;
        let program = app.program(&[Permission::EventsWrite]).await.with("content-type", "message/rfc822");
        let post = async |client: &Client, mail: String| client.send("POST", PATH, Some(mail)).await;
        let by_envelope = post(&program, mail(POSTFIX, &received.from, &id)).await.data();
        assert_eq!(by_envelope, json!({"recorded": 1, "duplicates": 0, "emailId": id}));
        let again = post(&program, mail(POSTFIX, &received.from, &id)).await.data();
        assert_eq!(again, json!({"recorded": 0, "duplicates": 1, "emailId": id}));
        assert_eq!(status(&app, &id).await, "bounced");
        // What came back names the message, too, but to its own team alone.
        let complaint = mail(COMPLAINT, "fbl@finch.example", &id);
        let stranger = app.program_of(app.other_team, PermissionSet::all()).await;
        for mail in [complaint.clone(), mail(COMPLAINT, &received.from, &id)] {
            let nothing = post(&stranger, mail).await.data();
            assert_eq!((&nothing["recorded"], &nothing["emailId"]), (&json!(0), &json!(null)), "{nothing}");
        }
        assert_eq!(status(&app, &id).await, "bounced");
        assert_eq!(post(&program, complaint).await.data()["recorded"], json!(1));
        assert_eq!(status(&app, &id).await, "spam");

        let nothing = post(&program, mail(VACATION, &received.from, &id)).await.data();
        let reason = "The mail is no bounce and no complaint that Sendlog can read";
        assert_eq!(nothing, json!({"recorded": 0, "duplicates": 0, "emailId": null, "reason": reason}));
        assert_eq!(post(&program, "x".repeat(1024 * 1024 + 1)).await.status, 413);
        let reader = app.program(&[Permission::LogsView]).await;
        assert_eq!(post(&reader, mail(POSTFIX, &received.from, &id)).await.status, 403);
    }

    async fn a_maildir_is_read_and_each_file_moved_when_it_is_kept(app: TestApp) {
        let (sink, maildir) = (sink().await, Maildir::make());
        let (id, received) = sent(&app, &sink, &["ada@example.com"]).await;
        maildir.put("1.bounce.mx", mail(POSTFIX, &received.from, &id).as_bytes());
        maildir.put("2.again.mx", mail(POSTFIX, &received.from, &id).as_bytes());
        maildir.put("3.forged.mx", mail(COMPLAINT, "fbl@finch.example", &id).as_bytes());
        maildir.put("4.large.mx", &vec![b'x'; 11 * 1024 * 1024]);
        maildir.put("5.odd.mx", b"\0\0\xff");
        maildir.put(".hidden", b"x");
        std::fs::create_dir(maildir.path().join("new/6.folder")).unwrap();
        let mut watcher = maildir::Watcher::new(maildir.path().to_owned());
        assert_eq!(watcher.look(&app.app).await, Some(6));
        let taken = ["1.bounce.mx:2,S", "2.again.mx:2,S", "3.forged.mx:2,S", "4.large.mx:2,F", "5.odd.mx:2,S"];
        assert_eq!(maildir.names("cur"), taken);
        assert_eq!(maildir.names("new"), [".hidden", "6.folder"]);
        assert_eq!((status(&app, &id).await.as_str(), count(&app, &id, EventKind::Bounced).await), ("bounced", 1));
        assert_eq!(watcher.look(&app.app).await, Some(0));
        // A crash between the commit and the move has the file read again.
        maildir.put("7.again.mx", mail(POSTFIX, &received.from, &id).as_bytes());
        assert_eq!(maildir::Watcher::new(maildir.path().to_owned()).look(&app.app).await, Some(2));
        assert_eq!(count(&app, &id, EventKind::Bounced).await, 1);
        let nowhere = maildir.path().join("nowhere");
        assert_eq!(maildir::Watcher::new(nowhere).look(&app.app).await, None);
    }
}

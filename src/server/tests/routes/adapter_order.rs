//! The order of adapters: the page that moves them, and messages that go by the next one while one is down, with what was said
//! in their attempts. By real mail servers, on both databases.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::adapter_form::page_after;
use super::*;
use crate::domain::adapter::{Adapter, AdapterKind};
use crate::domain::channel::Channel;
use crate::domain::email::{NewEmail, Recipient, RecipientKind};
use crate::domain::event::{EmailEvent, EventKind};
use crate::domain::ids::{AdapterId, EmailId};
use crate::domain::permission::Permission;
use crate::domain::team::Role;
use crate::server::delivery::worker::{Worker, WorkerSettings};
use crate::server::demo::sink::Sink;
use crate::server::services::adapters as services;
use crate::server::services::emails;

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Nothing listens there.
const NOWHERE: &str = "smtp://127.0.0.1:1";

/// A mail server that can be switched off: then it hangs up on everybody.
struct Switched {
    url: String,
    is_on: Arc<AtomicBool>,
    connections: Arc<AtomicUsize>,
    taken: Arc<AtomicUsize>,
}

impl Switched {
    async fn start() -> Self {
        let listener = TcpListener::bind(LOOPBACK).await.unwrap();
        let url = format!("smtp://{}?tls=none", listener.local_addr().unwrap());
        let (is_on, connections, taken) =
            (Arc::new(AtomicBool::new(false)), Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let server =
            Self { url, is_on: Arc::clone(&is_on), connections: Arc::clone(&connections), taken: Arc::clone(&taken) };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let taken = Arc::clone(&taken);
                if is_on.load(Ordering::SeqCst) {
                    tokio::spawn(async move {
                        let (read, mut write) = stream.into_split();
                        let (mut lines, mut in_data) = (BufReader::new(read).lines(), false);
                        let _ = write.write_all(b"220 switched\r\n").await;
                        while let Ok(Some(line)) = lines.next_line().await {
                            if in_data && line != "." {
                                continue;
                            }
                            let said = if line == "DATA" { &b"354 go on\r\n"[..] } else { b"250 2.0.0 Ok\r\n" };
                            taken.fetch_add(usize::from(in_data), Ordering::SeqCst);
                            in_data = line == "DATA";
                            if write.write_all(said).await.is_err() {
                                return;
                            }
                        }
                    });
                }
            }
        });
        server
    }

    fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }
}

fn email(app: &TestApp, adapter: AdapterId) -> NewEmail {
    let to = Recipient { kind: RecipientKind::To, address: "ada@example.com".to_owned(), name: None };
    NewEmail {
        adapter_id: Some(adapter),
        recipients: vec![to],
        from_address: "Finch <receipts@finch.example>".to_owned(),
        subject: "Your receipt".to_owned(),
        text: Some("Thank you, Ada Lovelace".to_owned()),
        ..NewEmail::blank(app.id_at(app.now()), app.id_at(app.now()), Channel::Email)
    }
}

async fn accept(app: &TestApp, adapter: &Adapter) -> EmailId {
    let email = email(app, adapter.id);
    app.store().insert_email(app.team, &email).await.unwrap();
    email.id
}

/// Lets a worker send until all of these messages have so many events.
async fn work_until(app: &TestApp, ids: &[EmailId], events: usize) {
    let settings =
        WorkerSettings { poll_every: Duration::from_millis(20), ..WorkerSettings::within(app.app.config.outbound()) };
    let worker = Worker::new(app.store().clone(), app.app.clock.clone(), Arc::clone(&app.app.secret_key), settings);
    let (stop, stopped) = watch::channel(false);
    let working = tokio::spawn(worker.run(stopped));
    let mut is_done = false;
    for _ in 0..1000 {
        is_done = true;
        for id in ids {
            is_done &= events_in(app, *id).await.len() >= events;
        }
        if is_done {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stop.send(true).unwrap();
    working.await.unwrap();
    assert!(is_done, "the worker should come so far");
}

async fn events_in(app: &TestApp, id: EmailId) -> Vec<EmailEvent> {
    app.store().list_events(app.team, id).await.unwrap()
}

async fn kinds(app: &TestApp, id: EmailId) -> Vec<EventKind> {
    events_in(app, id).await.into_iter().map(|event| event.kind).collect()
}

async fn adapter_of(app: &TestApp, id: EmailId) -> Option<AdapterId> {
    app.store().find_email(app.team, id).await.unwrap().unwrap().adapter_id
}

async fn add(app: &TestApp, name: &str, url: &str) -> Adapter {
    app.add_adapter_of(AdapterKind::Smtp, url, name).await
}

async fn names(app: &TestApp) -> Vec<String> {
    app.store().list_adapters(app.team).await.unwrap().into_iter().map(|adapter| adapter.name).collect()
}

on_both_databases! {
    async fn one_that_is_down_hands_over_and_the_message_goes_out_once(app: TestApp) {
        let sink = Sink::start(LOOPBACK).await.unwrap();
        let main = add(&app, "Main", NOWHERE).await;
        let backup = add(&app, "Backup", &sink.url()).await;
        let id = accept(&app, &main).await;
        work_until(&app, &[id], 2).await;
        assert_eq!(sink.messages().len(), 1);
        assert_eq!(kinds(&app, id).await, [EventKind::FailedToSend, EventKind::Sent]);
        let events = events_in(&app, id).await;
        assert_eq!(events[0].detail.message.as_deref(), Some("Handed over to Backup"));
        assert_eq!(events[1].detail.message.as_deref(), Some("Handed to Backup"));
        assert_eq!(adapter_of(&app, id).await, Some(backup.id));
        let attempts = app.store().list_attempts(app.team, id).await.unwrap();
        assert_eq!(attempts.iter().map(|attempt| attempt.id).collect::<Vec<_>>(), [events[0].id, events[1].id]);
        assert_eq!((attempts[1].code, attempts[1].enhanced_code.as_deref()), (Some(250), Some("2.0.0")));
        let said = |place: usize| {
            let steps = &attempts[place].exchange.as_ref().unwrap().0;
            steps.iter().map(|step| step.text.as_str()).collect::<Vec<_>>().join("\n")
        };
        assert!(said(0).starts_with("(connects to 127.0.0.1:1)\n(Cannot connect"), "{}", said(0));
        assert!(said(1).contains("RCPT TO:<ada@example.com>") && !said(1).contains("Thank you"), "{}", said(1));
        let down = app.store().list_adapter_order(app.team, main.kind.lane()).await.unwrap().remove(0).down.unwrap();
        assert_eq!((down.since, down.probes), (app.now(), 0));
        assert_eq!(down.probe_at, app.now() + TimeDelta::seconds(30));
        // Who looks at the adapters sees it.
        let owner = app.sign_in(Role::Owner).await.with("accept", "text/html").get("/settings/adapters").await;
        assert!(owner.text.contains("Down since") && owner.text.contains("Its messages go by “Backup”."), "{}", owner.text);
    }

    async fn messages_pass_by_one_that_is_down_until_one_of_them_finds_it_again(app: TestApp) {
        let (main, sink) = (Switched::start().await, Sink::start(LOOPBACK).await.unwrap());
        let first = add(&app, "Main", &main.url).await;
        let backup = add(&app, "Backup", &sink.url()).await;
        let mut ids = Vec::new();
        for _ in 0..100 {
            ids.push(accept(&app, &first).await);
        }
        work_until(&app, &ids, 1).await;
        app.advance(TimeDelta::seconds(1));
        let late = accept(&app, &first).await;
        work_until(&app, &[late], 1).await;
        assert_eq!(kinds(&app, late).await, [EventKind::Sent]);
        while sink.messages().len() < 101 {
            work_until(&app, &ids, 1).await;
        }
        let connections = main.connections.load(Ordering::SeqCst);
        assert!(connections <= 8, "{connections} connections for 101 messages");
        assert_eq!(sink.messages().len(), 101, "each once");

        // It works again, which nobody knows before its time has come.
        main.is_on.store(true, Ordering::SeqCst);
        let id = accept(&app, &first).await;
        work_until(&app, &[id], 1).await;
        assert_eq!((adapter_of(&app, id).await, main.taken()), (Some(backup.id), 0));
        app.advance(TimeDelta::seconds(30));
        let id = accept(&app, &first).await;
        work_until(&app, &[id], 1).await;
        assert_eq!((adapter_of(&app, id).await, main.taken()), (Some(first.id), 1));
        let order = app.store().list_adapter_order(app.team, first.kind.lane()).await.unwrap();
        assert!(order.iter().all(|adapter| adapter.down.is_none()), "{order:?}");
    }

    async fn a_probe_in_vain_doubles_the_time(app: TestApp) {
        let (main, sink) = (Switched::start().await, Sink::start(LOOPBACK).await.unwrap());
        let first = add(&app, "Main", &main.url).await;
        add(&app, "Backup", &sink.url()).await;
        let mut waits = Vec::new();
        for _ in 0..7 {
            let id = accept(&app, &first).await;
            work_until(&app, &[id], 2).await;
            assert_eq!(kinds(&app, id).await, [EventKind::FailedToSend, EventKind::Sent]);
            let down = app.store().list_adapter_order(app.team, first.kind.lane()).await.unwrap().remove(0).down.unwrap();
            waits.push((down.probe_at - app.now()).num_seconds());
            app.advance(down.probe_at - app.now());
        }
        assert_eq!(waits, [30, 60, 120, 240, 480, 600, 600]);
        assert_eq!(main.connections.load(Ordering::SeqCst), 7);
        // Who saves it anew has it tried at once.
        main.is_on.store(true, Ordering::SeqCst);
        let change = services::AdapterChange {
            address: Some(services::GivenAddress::Url(main.url.replace("smtp://", "smtp://ada:hush-hush@"))),
            ..services::AdapterChange::default()
        };
        services::update_adapter(&app.app, &app.viewer(Role::Owner).await, first.id, change).await.unwrap();
        let order = app.store().list_adapter_order(app.team, first.kind.lane()).await.unwrap();
        assert_eq!(order[0].down, None);
    }

    async fn a_message_that_names_its_adapter_goes_by_no_other(app: TestApp) {
        let sink = Sink::start(LOOPBACK).await.unwrap();
        let main = add(&app, "Main", NOWHERE).await;
        add(&app, "Backup", &sink.url()).await;
        let template = app.add_template("Receipt").await;
        let program = app.program(&[Permission::EmailsSend]).await;
        let body = json!({
            "templateId": template.id.to_string(), "to": "ada@example.com", "variables": {"name": "Ada"},
            "adapterId": main.id.to_string(),
        });
        let answer = program.post("/api/v1/send", body).await;
        assert!(answer.status < 300, "{}", answer.text);
        let ids = app.store().list_newest(app.team, &Default::default(), 1).await.unwrap();
        let id = ids[0].id;
        let before = events_in(&app, id).await.len();
        work_until(&app, &[id], before + 1).await;
        assert!(kinds(&app, id).await.contains(&EventKind::FailedToSend));
        assert_eq!((adapter_of(&app, id).await, sink.messages().len()), (Some(main.id), 0));
        assert!(app.store().find_email(app.team, id).await.unwrap().unwrap().names_adapter);
    }

    async fn what_is_refused_is_refused_by_no_other(app: TestApp) {
        let (sink, other) = (Sink::start(LOOPBACK).await.unwrap(), Sink::start(LOOPBACK).await.unwrap());
        let main = add(&app, "Main", &sink.url()).await;
        add(&app, "Backup", &other.url()).await;
        let mut refused = email(&app, main.id);
        refused.recipients[0].address = "refused@example.com".to_owned();
        app.store().insert_email(app.team, &refused).await.unwrap();
        work_until(&app, &[refused.id], 1).await;
        assert_eq!(kinds(&app, refused.id).await, [EventKind::Bounced]);
        assert_eq!((other.connections(), adapter_of(&app, refused.id).await), (0, Some(main.id)));
    }

    async fn adapters_are_moved_by_the_page_and_the_first_is_the_default(app: TestApp) {
        let [one, two, three] = [add(&app, "One", NOWHERE).await, add(&app, "Two", NOWHERE).await, add(&app, "Three", NOWHERE).await];
        app.add_adapter_of(AdapterKind::Http, "http://127.0.0.1:1/", "Hook").await;
        assert_eq!(names(&app).await, ["One", "Two", "Three", "Hook"]);
        let owner = app.sign_in(Role::Owner).await;
        let shift = async |id: AdapterId, direction: &str| {
            page_after(&owner, "move_adapter", &[("id", id.to_string().as_str()), ("direction", direction)]).await
        };
        assert!(shift(three.id, "up").await.contains("Adapter “Three” is now number 2."));
        assert_eq!(names(&app).await, ["One", "Three", "Two", "Hook"]);
        assert!(shift(one.id, "down").await.contains("Adapter “One” is now number 2."));
        assert_eq!(names(&app).await, ["Three", "One", "Two", "Hook"]);
        let default = async || app.store().find_default_adapter(app.team, Channel::Email).await.unwrap().unwrap().id;
        assert_eq!(default().await, three.id);
        // Who is at the end stays there; nobody passes into what sends other channels.
        shift(two.id, "down").await;
        assert!(shift(three.id, "up").await.contains("Adapter “Three” is the first already."));
        assert_eq!(names(&app).await, ["Three", "One", "Two", "Hook"]);
        page_after(&owner, "make_default_adapter", &[("id", &two.id.to_string())]).await;
        assert_eq!(names(&app).await, ["Two", "Three", "One", "Hook"]);
        assert_eq!(default().await, two.id);
        services::delete_adapter(&app.app, &app.viewer(Role::Owner).await, two.id).await.unwrap();
        assert_eq!(default().await, three.id, "the next takes the place");
        let page = owner.with("accept", "text/html").get("/settings/adapters").await.text;
        assert!(page.contains("Move One up") && page.contains("Move Three down"), "{page}");
        assert!(!page.contains("Move Three up") && !page.contains("Move Hook"), "{page}");
        let lines = page_of_audit(&owner).await;
        assert!(lines.contains("Place"), "{lines}");
    }

    async fn what_was_said_is_shown_to_those_alone_who_see_contents(app: TestApp) {
        let sink = Sink::start(LOOPBACK).await.unwrap();
        let main = add(&app, "Main", &sink.url()).await;
        let id = accept(&app, &main).await;
        work_until(&app, &[id], 1).await;
        let blind = app.add_role("Blind", &[Permission::LogsView]).await;
        let of_role = |role: Role| app.viewer(role);
        let detail = emails::find_email(&app.app, &of_role(blind).await, id).await.unwrap();
        assert_eq!(detail.attempts.len(), 1);
        assert_eq!((detail.attempts[0].exchange.as_ref(), detail.attempts[0].code), (None, Some(250)));
        let detail = emails::find_email(&app.app, &of_role(Role::Owner).await, id).await.unwrap();
        assert!(detail.attempts[0].exchange.is_some());
        let url = format!("/logs/{id}");
        let page = app.sign_in(Role::Owner).await.with("accept", "text/html").get(&url).await.text;
        assert!(page.contains("Request and response") && page.contains("MAIL FROM:"), "{page}");
        let page = app.sign_in(blind).await.with("accept", "text/html").get(&url).await.text;
        assert!(page.contains("Request and response are shown to those") && !page.contains("MAIL FROM"), "{page}");
        // Another team has no such message.
        assert_eq!(app.store().list_attempts(app.other_team, id).await, Ok(Vec::new()));
    }
}

async fn page_of_audit(owner: &Client) -> String {
    owner.with("accept", "text/html").get("/settings/audit").await.text
}

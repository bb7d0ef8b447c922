//! `/settings/imports`: histories that are read from other systems and from files.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;
use crate::domain::email::EmailStatus;
use crate::domain::error::AppError;
use crate::domain::history_import::{HistoryImport, ImportSource, ImportState, MAX_OPEN};
use crate::domain::ids::TeamId;
use crate::domain::permission::Permission;
use crate::domain::team::Role;
use crate::domain::viewer::Viewer;
use crate::domain::webhook::{DeliveryFilter, Webhook, WebhookShape};
use crate::server::App;
use crate::server::inbound::history::runner;
use crate::server::services::history_imports::{self, NewPull};
use crate::server::services::{accounts, api_keys, teams};

const KEY: &str = "SG.the-secret-key";

/// Serves at a free port of this machine; its address.
async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

/// Works at what is due until nothing is.
async fn work(app: &App) -> usize {
    let (fetcher, mut steps) = (history_imports::fetcher(app), 0);
    while runner::work(app, &fetcher).await.unwrap() {
        steps += 1;
        assert!(steps < 500, "it never ends");
    }
    steps
}

async fn only(app: &TestApp, viewer: &Viewer) -> HistoryImport {
    history_imports::list_imports(&app.app, viewer).await.unwrap().remove(0)
}

/// How many messages of a team have each status.
async fn statuses(app: &TestApp, team: TeamId) -> BTreeMap<String, i64> {
    let client = app.program_of(team, [Permission::LogsView].into_iter().collect()).await;
    let page = client.get("/api/logs?pageSize=100").await.data();
    let mut counts = BTreeMap::new();
    for item in page["items"].as_array().unwrap() {
        *counts.entry(item["status"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

/// An owner of a new team.
async fn owner_of_another_team(app: &TestApp, name: &str) -> Viewer {
    let team = teams::create_team_of(&app.app, name, None).await.unwrap().id;
    let user = app.add_user(&format!("{}@another.example", team.0)).await;
    accounts::add_member(&app.app, team, user, Role::Owner).await.unwrap();
    app.store().find_viewer(team, user).await.unwrap().unwrap()
}

/// SendGrid's Email Activity API with so many messages, which lets through so many requests for details before it asks for a
/// pause of 40 seconds.
struct SendGrid {
    messages: usize,
    allowance: AtomicUsize,
    asked: AtomicUsize,
}

impl SendGrid {
    async fn start(messages: usize, allowance: usize) -> (Arc<Self>, String) {
        let it = Arc::new(Self { messages, allowance: AtomicUsize::new(allowance), asked: AtomicUsize::new(0) });
        let router = Router::new()
            .route("/v3/messages", get(Self::list))
            .route("/v3/messages/{id}", get(Self::detail))
            .with_state(Arc::clone(&it));
        (it, serve(router).await)
    }

    fn message(number: usize) -> Value {
        json!({
            "from_email": "shop@finch.example", "msg_id": format!("m{number:04}.recvd-1.0"), "subject": format!("Order {number}"),
            "to_email": format!("user{number}@example.com"), "status": "delivered", "opens_count": 0, "clicks_count": 0,
            "last_event_time": "2024-01-19T10:00:02Z",
        })
    }

    fn refused(request: &Request) -> Option<Response> {
        let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let body = json!({ "errors": [{ "message": "access forbidden", "field": null }] }).to_string();
        (given != Some(&format!("Bearer {KEY}"))).then(|| (StatusCode::FORBIDDEN, body).into_response())
    }

    async fn list(State(it): State<Arc<Self>>, request: Request) -> Response {
        if let Some(refused) = Self::refused(&request) {
            return refused;
        }
        let query = request.uri().query().unwrap_or_default();
        assert!(query.contains("limit=1000") && query.contains("BETWEEN"), "{query}");
        let messages: Vec<Value> = (0..it.messages).map(Self::message).collect();
        json!({ "messages": messages }).to_string().into_response()
    }

    async fn detail(State(it): State<Arc<Self>>, Path(id): Path<String>, request: Request) -> Response {
        if let Some(refused) = Self::refused(&request) {
            return refused;
        }
        let left = it.allowance.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_err() {
            return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "40")], "too many requests").into_response();
        }
        it.asked.fetch_add(1, Ordering::SeqCst);
        let number: usize = id[1..5].parse().unwrap();
        let mut message = Self::message(number);
        message["events"] = json!([
            { "event_name": "processed", "processed": "2024-01-19T10:00:00Z" },
            { "event_name": "delivered", "processed": "2024-01-19T10:00:02Z", "mx_server": "mx.example.com", "reason": "250 OK" },
        ]);
        message.to_string().into_response()
    }
}

fn pull<'a>(source: ImportSource, base: &'a str, key: &'a str) -> NewPull<'a> {
    NewPull { source, base, account: "", key, days: 30 }
}

on_both_databases! {
    async fn a_history_comes_from_each_dialect_and_never_twice(app: TestApp) {
        let base = serve(app.router.clone()).await;
        for status in EmailStatus::ALL {
            for number in 0..12 {
                let mut message = Message::with_status(status);
                message.at += TimeDelta::minutes(number);
                message.to = vec![format!("{}-{number}@example.com", status.as_str())];
                app.add_message(message).await;
            }
        }
        let key = api_keys::create_key_of(&app.app, app.team, None, "Reader", [Permission::LogsView, Permission::LogsReveal].into_iter().collect());
        let key = key.await.unwrap();
        let key_id = key.key.id.to_string();
        let whole = statuses(&app, app.team).await;
        assert_eq!(whole.len(), EmailStatus::ALL.len());
        for (source, path, account, kinds) in [
            (ImportSource::JetEmail, "/jetemail", "", 7),
            (ImportSource::Sendwithus, "/sendwithus/api/v1", "", 7),
            (ImportSource::Canary, "", "", 7),
            // It has no word for an opening, a click and a complaint: they are deliveries.
            (ImportSource::NotificationApi, "/notificationapi", key_id.as_str(), 4),
        ] {
            let owner = owner_of_another_team(&app, source.label()).await;
            let team = owner.team;
            let base = format!("{base}{path}");
            let new = NewPull { account, ..pull(source, &base, &key.secret) };
            history_imports::start_pull(&app.app, &owner, &new).await.unwrap();
            work(&app.app).await;
            let import = only(&app, &owner).await;
            assert_eq!((import.state, import.words.as_str(), import.read), (ImportState::Done, "", 96), "{source:?} {import:?}");
            assert_eq!((import.unusable, import.progress), (0, 1_000), "{source:?} {import:?}");
            let found = statuses(&app, team).await;
            assert!(found.len() >= kinds, "{source:?}: {found:?}");
            let recorded = import.recorded;
            assert!(recorded >= 96, "{source:?} {import:?}");

            history_imports::start_pull(&app.app, &owner, &new).await.unwrap();
            work(&app.app).await;
            let again = only(&app, &owner).await;
            assert_eq!((again.recorded, again.known), (0, recorded), "{source:?}");
            assert_eq!(statuses(&app, team).await, found, "{source:?}");
        }
    }

    async fn an_import_that_is_asked_to_wait_goes_on_where_it_was(app: TestApp) {
        let (sendgrid, base) = SendGrid::start(30, 12).await;
        let owner = app.viewer(Role::Owner).await;
        history_imports::start_pull(&app.app, &owner, &pull(ImportSource::SendGrid, &base, KEY)).await.unwrap();
        work(&app.app).await;
        let import = only(&app, &owner).await;
        assert_eq!((import.state, import.read, import.recorded), (ImportState::Running, 12, 24), "{import:?}");
        assert_eq!(import.waits_until, Some(app.now() + TimeDelta::seconds(40)));
        assert!(import.words.contains("429") && import.words.contains("too many requests"), "{}", import.words);

        sendgrid.allowance.store(100, Ordering::SeqCst);
        assert_eq!(work(&app.app).await, 0, "it is not due");
        app.advance(TimeDelta::seconds(41));
        work(&app.app).await;
        let import = only(&app, &owner).await;
        assert_eq!((import.state, import.read, import.recorded, import.known), (ImportState::Done, 30, 60, 0), "{import:?}");
        assert_eq!(sendgrid.asked.load(Ordering::SeqCst), 30, "no message is asked for twice");
        assert_eq!(statuses(&app, app.team).await, BTreeMap::from([("delivered".to_owned(), 30)]));
    }

    async fn a_key_that_is_refused_stops_it_in_the_sources_words_and_another_goes_on(app: TestApp) {
        let (_, base) = SendGrid::start(3, 100).await;
        let (owner, page) = (app.viewer(Role::Owner).await, app.sign_in(Role::Owner).await);
        let import = history_imports::start_pull(&app.app, &owner, &pull(ImportSource::SendGrid, &base, "SG.wrong")).await.unwrap();
        work(&app.app).await;
        let stopped = only(&app, &owner).await;
        assert_eq!((stopped.state, stopped.read), (ImportState::Stopped, 0));
        assert!(stopped.words.contains("403") && stopped.words.contains("access forbidden"), "{}", stopped.words);
        let shown = page.get("/settings/imports").await.text;
        assert!(shown.contains("access forbidden") && !shown.contains("SG.wrong"));

        let stored = app.store().find_import(app.team, import.id).await.unwrap().unwrap();
        assert!(!stored.sealed.is_empty() && !stored.sealed.contains("SG."), "a key is sealed");
        history_imports::resume_import(&app.app, &owner, import.id, KEY).await.unwrap();
        work(&app.app).await;
        assert_eq!((only(&app, &owner).await.state, only(&app, &owner).await.recorded), (ImportState::Done, 6));
        let stored = app.store().find_import(app.team, import.id).await.unwrap().unwrap();
        assert_eq!(stored.sealed, "", "a key is forgotten");
        assert!(matches!(history_imports::resume_import(&app.app, &owner, import.id, "").await, Err(AppError::Conflict(_))));
    }

    async fn a_source_that_does_not_answer_is_asked_later_and_not_for_ever(app: TestApp) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let owner = app.viewer(Role::Owner).await;
        history_imports::start_pull(&app.app, &owner, &pull(ImportSource::SendGrid, &base, KEY)).await.unwrap();
        let mut waited = Vec::new();
        while work(&app.app).await > 0 {
            let import = only(&app, &owner).await;
            let Some(until) = import.waits_until else { break };
            waited.push((until - app.now()).num_seconds());
            app.advance(until - app.now() + TimeDelta::seconds(1));
        }
        assert_eq!(waited, [30, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600, 3_600, 3_600, 3_600]);
        let import = only(&app, &owner).await;
        assert_eq!(import.state, ImportState::Stopped);
        assert!(!import.words.is_empty() && !import.words.contains(KEY));
    }

    async fn programs_that_work_side_by_side_record_nothing_twice(app: TestApp) {
        let (_, base) = SendGrid::start(60, 1_000).await;
        let owner = app.viewer(Role::Owner).await;
        for _ in 0..3 {
            history_imports::start_pull(&app.app, &owner, &pull(ImportSource::SendGrid, &base, KEY)).await.unwrap();
        }
        let beside = app.beside_impatient().await;
        let (one, other) = tokio::join!(work(&app.app), work(&beside));
        assert!(one + other >= 6, "{one} {other}");
        let imports = history_imports::list_imports(&app.app, &owner).await.unwrap();
        assert!(imports.iter().all(|import| import.state == ImportState::Done && import.read == 60), "{imports:?}");
        assert_eq!(imports.iter().map(|import| import.recorded).sum::<i64>(), 120);
        assert_eq!(imports.iter().map(|import| import.known).sum::<i64>(), 240);
    }

    async fn what_webhooks_told_before_is_not_told_again_by_a_history_and_no_webhook_is_told_of_one(app: TestApp) {
        let (_, base) = SendGrid::start(1, 100).await;
        let (owner, reporter) = (app.viewer(Role::Owner).await, app.program(&[Permission::EventsWrite]).await);
        let webhook = Webhook {
            id: app.id_at(app.now()),
            name: "All".to_owned(),
            host: "a.example".to_owned(),
            shape: WebhookShape::Sendlog,
            kinds: Vec::new(),
            is_on: true,
            created_at: app.now(),
            succeeded_at: None,
            failing_since: None,
            disabled: None,
        };
        app.store().insert_outgoing_webhook(app.team, &webhook, "sealed", &app.event()).await.unwrap();
        let told = json!([{
            "id": "sendgrid:ZGVsaXZlcmVk", "kind": "delivered", "at": "2024-01-19T10:00:02.400Z", "providerMessageId": "m0000",
            "recipient": "User0@Example.com", "from": "shop@finch.example", "subject": "Order 0",
        }]);
        let answer = reporter.post("/api/v1/events", told).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let told = async || app.store().list_deliveries(app.team, webhook.id, DeliveryFilter::All, None, 100).await.unwrap().len();
        assert_eq!(told().await, 1, "news are told");
        history_imports::start_pull(&app.app, &owner, &pull(ImportSource::SendGrid, &base, KEY)).await.unwrap();
        work(&app.app).await;
        let import = only(&app, &owner).await;
        assert_eq!((import.state, import.recorded, import.known), (ImportState::Done, 1, 1), "{import:?}");
        assert_eq!(told().await, 1, "a history is not");
        assert_eq!(statuses(&app, app.team).await, BTreeMap::from([("delivered".to_owned(), 1)]));
    }

    async fn a_file_is_read_by_the_form_and_never_twice(app: TestApp) {
        let (owner, client) = (app.viewer(Role::Owner).await, app.sign_in(Role::Owner).await);
        let rows: String = (0..1_200).map(|number| {
            format!("{{\"msg_id\":\"f{number}.x\",\"from_email\":\"a@finch.example\",\"subject\":\"Hi\",\"to_email\":\"u{number}@example.com\",\"events\":[{{\"event_name\":\"processed\",\"processed\":\"2024-01-19T10:00:00Z\"}},{{\"event_name\":\"bounce\",\"processed\":\"2024-01-19T10:00:09Z\",\"reason\":\"550 5.1.1 no such user\",\"bounce_type\":\"hard\"}}]}}\n")
        }).collect();
        let form = |source: &str, text: &str| format!(
            "--b\r\nContent-Disposition: form-data; name=\"source\"\r\n\r\n{source}\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.jsonl\"\r\nContent-Type: application/json\r\n\r\n{text}\r\n--b--\r\n"
        );
        let multipart = client.with("content-type", "multipart/form-data; boundary=b");
        for (recorded, known) in [(2_400, 0), (0, 2_400)] {
            let answer = multipart.send("POST", "/fn/import_file", Some(form("sendgrid", &rows))).await;
            assert!(answer.status < 400, "{} {}", answer.status, answer.text);
            work(&app.app).await;
            let import = only(&app, &owner).await;
            assert_eq!((import.state, import.read, import.unusable), (ImportState::Done, 1_200, 0), "{import:?}");
            assert_eq!((import.recorded, import.known), (recorded, known), "{import:?}");
        }
        let page = client.get("/api/logs?status=bounced&pageSize=1").await.data();
        assert_eq!(page["total"], 1_200);
        let suppressed = client.get("/api/suppressions?limit=1").await.data();
        assert_eq!(suppressed["items"][0]["reason"], "bounced", "a bounce of before suppresses as one of now: {suppressed}");
        for (source, text) in [("sendgrid", "no file at all"), ("sendgrid", ""), ("nowhere", "a,b\n1,2")] {
            let answer = multipart.send("POST", "/fn/import_file", Some(form(source, text))).await;
            assert!(answer.status >= 300, "{source} {text}: {}", answer.status);
        }
        assert_eq!(history_imports::list_imports(&app.app, &owner).await.unwrap().len(), 2, "what is no file starts nothing");
    }

    async fn addresses_that_may_not_be_asked_and_odd_values_are_refused_at_their_fields(app: TestApp) {
        let owner = app.viewer(Role::Owner).await;
        let start = async |new: NewPull<'_>| history_imports::start_pull(&app.app, &owner, &new).await;
        let field_of = |result: Result<HistoryImport, AppError>| match result {
            Err(AppError::Validation { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        let sendgrid = |base, key, days| NewPull { source: ImportSource::SendGrid, base, account: "", key, days };
        assert_eq!(field_of(start(sendgrid("ftp://a.example", KEY, 3)).await).as_deref(), Some("base"));
        assert_eq!(field_of(start(sendgrid("https://user:pass@a.example", KEY, 3)).await).as_deref(), Some("base"));
        assert_eq!(field_of(start(sendgrid("", "", 3)).await).as_deref(), Some("key"));
        assert_eq!(field_of(start(sendgrid("", "a\nb", 3)).await).as_deref(), Some("key"));
        assert_eq!(field_of(start(sendgrid("", KEY, 0)).await).as_deref(), Some("days"));
        let mailgun = NewPull { source: ImportSource::Mailgun, ..sendgrid("", KEY, 3) };
        assert_eq!(field_of(start(mailgun).await).as_deref(), Some("account"));
        let canary = NewPull { source: ImportSource::Canary, ..sendgrid("", KEY, 3) };
        assert_eq!(field_of(start(canary).await).as_deref(), Some("base"));
        let beside = app.beside_on_the_internet().await;
        let private = history_imports::start_pull(&beside, &owner, &sendgrid("http://127.0.0.1:9", KEY, 3)).await;
        assert_eq!(field_of(private).as_deref(), Some("base"));
        assert_eq!(history_imports::list_imports(&app.app, &owner).await, Ok(Vec::new()));
    }

    async fn a_team_has_few_open_imports_and_who_removes_one_keeps_what_it_recorded(app: TestApp) {
        let (_, base) = SendGrid::start(2, 100).await;
        let owner = app.viewer(Role::Owner).await;
        let start = async || history_imports::start_pull(&app.app, &owner, &pull(ImportSource::SendGrid, &base, KEY)).await;
        let first = start().await.unwrap();
        work(&app.app).await;
        for _ in 0..MAX_OPEN {
            start().await.unwrap();
        }
        assert!(matches!(start().await, Err(AppError::Conflict(_))));
        history_imports::delete_import(&app.app, &owner, first.id).await.unwrap();
        for import in history_imports::list_imports(&app.app, &owner).await.unwrap() {
            history_imports::stop_import(&app.app, &owner, import.id).await.unwrap();
        }
        assert_eq!(work(&app.app).await, 0, "what stopped does not run");
        assert_eq!(statuses(&app, app.team).await, BTreeMap::from([("delivered".to_owned(), 2)]));
    }
}

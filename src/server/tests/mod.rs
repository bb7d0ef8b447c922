//! The server's tests, in one process with it: [TestApp] is the whole router over a database of its own. `routes`
//! mirrors the addresses. Every rule runs on SQLite and on PostgreSQL.

mod api_request_log;
mod authorization_matrix;
mod csrf_matrix;
mod dialect_authorization;
mod edge;
mod key_rights;
mod masking;
mod once;
mod routes;
mod store_contract;
mod two_factor_matrix;
mod writer_held;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};

use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHasher, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, header};
use chrono::{DateTime, TimeDelta, Utc};
use leptos::prelude::IntoAny;
use serde_json::Value;
use tower::ServiceExt;
use tower_sessions::Session;

use super::App;
use super::clock::Clock;
use super::config::Config;
use super::secrets::SecretKey;
use super::services::adapters::{self, NewAdapter};
use super::services::{accounts, api_keys, audit, teams, templates};
use super::store::Store;
use super::store::accounts::NewUser;
use super::store::audit::AuditEvent;
use super::store::bulk::HistoricEmail;
use super::store::emails::{Attachment, NewEmail};
use super::store::events::{EmailFacts, NewEvent};
use super::store::roles::NewRole;
use super::store::tests::TestDatabase;
use crate::domain::adapter::{Adapter, AdapterKind};
use crate::domain::api_request::{ApiRequest, LoggedBody};
use crate::domain::audit::AuditAction;
use crate::domain::channel::Channel;
use crate::domain::email::{EmailStatus, Recipient, RecipientKind};
use crate::domain::event::{EmailEvent, EventDetail, EventKind};
use crate::domain::ids::{
    ApiKeyId, ApiRequestId, EmailId, NotificationId, TeamId, TemplateId, TemplateVersionId, UserId, lowest_id_at,
};
use crate::domain::notification::Notification;
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::team::Role;
use crate::domain::template::{Template, TemplateSource};
use crate::domain::viewer::Viewer;

/// Makes two tests of a rule: `sqlite` and `postgres`.
macro_rules! on_both_databases {
    ($($(#[$attribute:meta])* async fn $rule:ident($app:ident: TestApp) $body:block)+) => {$(
        $(#[$attribute])*
        mod $rule {
            #[allow(unused_imports)]
            use super::*;

            async fn rule($app: $crate::server::tests::TestApp) $body

            #[tokio::test]
            async fn sqlite() {
                let database = $crate::server::store::tests::TestDatabase::sqlite();
                $crate::server::tests::run(database, rule).await;
            }

            #[tokio::test]
            async fn postgres() {
                let database = $crate::server::store::tests::TestDatabase::postgres().await;
                $crate::server::tests::run(database, rule).await;
            }
        }
    )+};
}

/// The same, with the tasks that a rule spawns on several threads.
macro_rules! on_both_databases_in_parallel {
    ($($(#[$attribute:meta])* async fn $rule:ident($app:ident: TestApp) $body:block)+) => {$(
        $(#[$attribute])*
        mod $rule {
            #[allow(unused_imports)]
            use super::*;

            async fn rule($app: $crate::server::tests::TestApp) $body

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn sqlite() {
                let database = $crate::server::store::tests::TestDatabase::sqlite();
                $crate::server::tests::run(database, rule).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn postgres() {
                let database = $crate::server::store::tests::TestDatabase::postgres().await;
                $crate::server::tests::run(database, rule).await;
            }
        }
    )+};
}

use {on_both_databases, on_both_databases_in_parallel};

/// The key of every test's server.
fn test_key() -> SecretKey {
    "07".repeat(32).parse().unwrap()
}

/// Every account's password.
const PASSWORD: &str = "correct horse battery";

/// The pages, as the program brings them.
fn pages() -> super::web::Pages {
    super::web::Pages {
        app: || crate::app::App().into_any(),
        shell: |options, theme| crate::app::shell(options, theme).into_any(),
    }
}

/// All that the server answers.
fn router(app: App) -> Router {
    super::web::router(app, pages())
}

/// [PASSWORD], hashed with as little work as argon2 allows.
static PASSWORD_HASH: LazyLock<String> = LazyLock::new(|| {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
    argon2.hash_password(PASSWORD.as_bytes(), &SaltString::generate(&mut OsRng)).unwrap().to_string()
});

/// Runs a rule, then takes its database away, whether the rule held or not.
async fn run<Rule, Held>(database: TestDatabase, rule: Rule)
where
    Rule: FnOnce(TestApp) -> Held,
    Held: Future<Output = ()> + Send + 'static,
{
    let app = TestApp::start(&database.url()).await;
    let store = app.store().clone();
    let outcome = tokio::spawn(rule(app)).await;
    store.close().await;
    database.remove().await;
    if let Err(failure) = outcome {
        std::panic::resume_unwind(failure.into_panic());
    }
}

/// The server with two teams, Finch and Wren. It is 20 January 2024, noon UTC, until the clock is moved. Nothing is
/// sent: no worker runs.
struct TestApp {
    app: App,
    router: Router,
    /// The database's address.
    url: String,
    /// Finch: the team that the roles are in.
    team: TeamId,
    /// Wren: the team that they are not in.
    other_team: TeamId,
    next_id: AtomicI64,
}

impl TestApp {
    async fn start(url: &str) -> Self {
        let store = Store::open(url).await.unwrap();
        let clock = Clock::fixed(at("2024-01-20T12:00:00Z"));
        let addr = SocketAddr::from(([127, 0, 0, 1], 3000));
        let config = Config { allow_private_adapters: true, ..Config::at(addr) };
        let app = App::new(store, clock, config, test_key());
        let team = teams::create_team_of(&app, "Finch", None).await.unwrap().id;
        let other_team = teams::create_team_of(&app, "Wren", None).await.unwrap().id;
        let router = router(app.clone());
        Self { app, router, url: url.to_owned(), team, other_team, next_id: AtomicI64::new(1) }
    }

    /// Another program on the same database: it shares nothing else.
    async fn beside(&self) -> App {
        let store = Store::open(&self.url).await.unwrap();
        let addr = SocketAddr::from(([127, 0, 0, 1], 3001));
        let config = Config { allow_private_adapters: true, ..Config::at(addr) };
        App::new(store, Clock::fixed(self.now()), config, SecretKey::generate())
    }

    /// Like [Self::beside], but its adapters reach the internet alone, as the settings have it by default.
    async fn beside_on_the_internet(&self) -> App {
        let store = Store::open(&self.url).await.unwrap();
        let config = Config::at(SocketAddr::from(([127, 0, 0, 1], 3002)));
        App::new(store, Clock::fixed(self.now()), config, SecretKey::generate())
    }

    /// Another program on the same database, with the same key, that waits a moment alone for those who write.
    async fn beside_impatient(&self) -> App {
        let store = Store::open_impatient(&self.url).await;
        App::new(store, Clock::fixed(self.now()), self.app.config.as_ref().clone(), test_key())
    }

    fn store(&self) -> &Store {
        &self.app.store
    }

    fn now(&self) -> DateTime<Utc> {
        self.app.clock.now()
    }

    /// How many passwords were hashed so far.
    fn hashed(&self) -> u64 {
        self.app.hashed.load(Ordering::Relaxed)
    }

    /// A line of the audit log, for what the tests do past the services.
    fn event(&self) -> AuditEvent {
        audit::by_command_line(&self.app, AuditAction::TeamUpdated)
    }

    fn advance(&self, by: TimeDelta) {
        self.app.clock.advance(by);
    }

    /// A new account, in no team.
    async fn add_user(&self, email: &str) -> UserId {
        let user = NewUser {
            id: self.app.clock.mint(),
            email: email.to_owned(),
            name: email.split('@').next().unwrap_or_default().to_owned(),
            password_hash: PASSWORD_HASH.clone(),
            time_zone: "UTC".to_owned(),
        };
        assert!(self.store().insert_user(&user).await.unwrap(), "{email} is taken");
        user.id
    }

    /// The account with this role in a team; made when it is asked for first.
    async fn user(&self, team: TeamId, role: Role) -> UserId {
        let team_name = if team == self.team { "finch" } else { "wren" };
        let email = format!("{}@{team_name}.example", role);
        if let Some(user) = self.store().find_user_by_email(&email).await.unwrap() {
            return user.id;
        }
        let user = self.add_user(&email).await;
        accounts::add_member(&self.app, team, user, role).await.unwrap();
        user
    }

    /// Somebody with this role in Finch, as use cases see them.
    async fn viewer(&self, role: Role) -> Viewer {
        let user = self.user(self.team, role).await;
        self.store().find_viewer(self.team, user).await.unwrap().unwrap()
    }

    /// A browser of somebody with this role in Finch.
    async fn sign_in(&self, role: Role) -> Client {
        let user = self.user(self.team, role).await;
        self.browser_of(user, Some(self.team)).await
    }

    /// A browser of an owner of Wren.
    async fn sign_in_elsewhere(&self) -> Client {
        let user = self.user(self.other_team, Role::Owner).await;
        self.browser_of(user, Some(self.other_team)).await
    }

    async fn browser_of(&self, user: UserId, team: Option<TeamId>) -> Client {
        let session = Session::new(None, Arc::new(self.store().clone()), None);
        session.insert("user_id", user).await.unwrap();
        session.insert("began_at", self.now().timestamp_micros()).await.unwrap();
        if let Some(team) = team {
            session.insert("team_id", team).await.unwrap();
        }
        session.save().await.unwrap();
        self.client().with("cookie", &format!("session={}", session.id().unwrap()))
    }

    /// A program with a new key of Finch.
    async fn program(&self, scopes: &[Permission]) -> Client {
        self.program_of(self.team, scopes.iter().copied().collect()).await
    }

    async fn program_of(&self, team: TeamId, scopes: PermissionSet) -> Client {
        let created = api_keys::create_key_of(&self.app, team, None, "Test", scopes).await.unwrap();
        self.client().with("authorization", &format!("Bearer {}", created.secret))
    }

    /// A program with a new key that `maker` made, and whose rights bound it.
    async fn program_bound_to(&self, team: TeamId, maker: UserId, scopes: PermissionSet) -> Client {
        let created = api_keys::create_key_of(&self.app, team, Some(maker), "Bound", scopes).await.unwrap();
        self.client().with("authorization", &format!("Bearer {}", created.secret))
    }

    /// Somebody without credentials.
    fn client(&self) -> Client {
        Client {
            router: self.router.clone(),
            headers: HeaderMap::new(),
            address: SocketAddr::from(([192, 0, 2, 1], 4711)),
        }
    }

    /// A template of Finch.
    async fn add_template(&self, name: &str) -> Template {
        let source = TemplateSource {
            subject: "Welcome to Our Service!".to_owned(),
            html: Some("<p>Hello {{ name }}</p>".to_owned()),
            text: Some("Hello {{ name }}".to_owned()),
        };
        let owner = self.viewer(Role::Owner).await;
        templates::create_template(&self.app, &owner, name, source, &[]).await.unwrap()
    }

    /// A role that Finch made.
    async fn add_role(&self, name: &str, permissions: &[Permission]) -> Role {
        let new = NewRole {
            id: self.app.clock.mint(),
            name: name.to_owned(),
            description: String::new(),
            permissions: permissions.iter().copied().collect(),
            created_at: self.now(),
        };
        self.store().insert_role(self.team, &new, &self.event()).await.unwrap();
        Role::Custom(new.id)
    }

    /// An adapter of Finch.
    async fn add_adapter(&self, name: &str) -> Adapter {
        let new = NewAdapter {
            name: name.to_owned(),
            kind: AdapterKind::Smtp,
            url: "smtp://sendlog:hush@127.0.0.1:2525".to_owned(),
            from_address: "noreply@example.com".to_owned(),
            is_default: false,
        };
        adapters::create_adapter_of(&self.app, self.team, new).await.unwrap()
    }

    /// A fresh id of `time`.
    fn id_at<Id: From<i64>>(&self, time: DateTime<Utc>) -> Id {
        Id::from(lowest_id_at(time) + self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    /// Adds messages of the past to a team's log; their ids in the same order.
    async fn add_messages_of(&self, team: TeamId, messages: &[Message]) -> Vec<EmailId> {
        let historic: Vec<HistoricEmail> = messages.iter().map(|message| message.historic(self)).collect();
        self.store().insert_history(team, &historic).await.unwrap();
        historic.iter().map(|historic| historic.email.id).collect()
    }

    /// Adds messages of the past to Finch's log.
    async fn add_messages(&self, messages: &[Message]) -> Vec<EmailId> {
        self.add_messages_of(self.team, messages).await
    }

    /// Adds a request to Finch's log of API requests.
    async fn add_api_request(&self) -> ApiRequestId {
        let request = ApiRequest {
            id: self.id_at(self.now()),
            team_id: self.team,
            api_key_id: None,
            user_id: None,
            method: "GET".to_owned(),
            endpoint: "/api/logs".to_owned(),
            response_status: 200,
            user_agent: None,
            duration_ms: 3,
            at: self.now(),
            request_body: LoggedBody::default(),
            response_body: LoggedBody { text: Some(r#"{"success":true}"#.to_owned()), truncated: false },
        };
        self.store().insert_api_requests(std::slice::from_ref(&request)).await.unwrap();
        request.id
    }

    /// Adds a notification to Finch's log, without a message.
    async fn add_notification(&self) -> NotificationId {
        let notification = Notification {
            id: self.id_at(self.now()),
            kind: "order_shipped".to_owned(),
            external_user_id: None,
            api_request_id: None,
            warnings: Vec::new(),
            ignored_channels: Vec::new(),
        };
        self.store().insert_past_notifications(self.team, std::slice::from_ref(&notification)).await.unwrap();
        notification.id
    }

    /// Adds one message of the past to Finch's log.
    async fn add_message(&self, message: Message) -> EmailId {
        self.add_messages(&[message]).await[0]
    }
}

/// A message of the past.
#[derive(Clone)]
struct Message {
    at: DateTime<Utc>,
    status: EmailStatus,
    to: Vec<String>,
    subject: String,
    template: Option<(TemplateId, TemplateVersionId)>,
    attachments: Vec<Attachment>,
    key: Option<ApiKeyId>,
}

impl Default for Message {
    fn default() -> Self {
        Self {
            at: at("2024-01-20T10:30:00Z"),
            status: EmailStatus::Delivered,
            to: vec!["user@example.com".to_owned()],
            subject: "Welcome to Our Service!".to_owned(),
            template: None,
            attachments: Vec::new(),
            key: None,
        }
    }
}

impl Message {
    fn with_status(status: EmailStatus) -> Self {
        Self { status, ..Self::default() }
    }

    fn historic(&self, app: &TestApp) -> HistoricEmail {
        let kinds = events_of(self.status);
        let event = |(index, kind): (usize, &EventKind)| NewEvent {
            event: EmailEvent {
                id: app.id_at(self.at),
                kind: *kind,
                at: self.at + TimeDelta::seconds(5) * index as i32,
                recipient: None,
                detail: EventDetail::default(),
            },
            provider_event_id: None,
        };
        let recipient = |address: &String| Recipient { kind: RecipientKind::To, address: address.clone(), name: None };
        let email = NewEmail {
            id: app.id_at(self.at),
            job_id: app.id_at(self.at),
            template: self.template,
            channel: Channel::Email,
            notification_id: None,
            external_user_id: None,
            adapter_id: Some(app.id_at(self.at)),
            api_key_id: self.key,
            api_request_id: None,
            recipients: self.to.iter().map(recipient).collect(),
            from_address: "noreply@example.com".to_owned(),
            reply_to: None,
            subject: self.subject.clone(),
            tags: Vec::new(),
            variables: serde_json::json!({"name": "John", "company": "Acme Inc"}),
            metadata: serde_json::json!({}),
            html: Some("<p>Hello</p>".to_owned()),
            text: None,
            attachments: self.attachments.clone(),
            sent_subject: None,
            worded_by: None,
            resend_of: None,
            scheduled_at: None,
            headers: Vec::new(),
            events: kinds.iter().enumerate().map(event).collect(),
        };
        HistoricEmail { email, facts: EmailFacts::default(), waiting: None }
    }
}

/// The history of a message with this status.
fn events_of(status: EmailStatus) -> &'static [EventKind] {
    use EventKind::*;
    match status {
        EmailStatus::Queued => &[Queued],
        EmailStatus::Sent => &[Queued, Sent],
        EmailStatus::Delivered => &[Queued, Sent, Delivered],
        EmailStatus::Opened => &[Queued, Sent, Delivered, Opened],
        EmailStatus::Clicked => &[Queued, Sent, Delivered, Opened, Clicked],
        EmailStatus::Bounced => &[Queued, Sent, Bounced],
        EmailStatus::Failed => &[Queued, Failed],
        EmailStatus::Spam => &[Queued, Sent, Delivered, ReportedAsSpam],
    }
}

/// An instant.
fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A program or a browser that talks to the server.
#[derive(Clone)]
struct Client {
    router: Router,
    headers: HeaderMap,
    address: SocketAddr,
}

impl Client {
    /// The same with one more header.
    fn with(&self, name: &'static str, value: &str) -> Self {
        let mut client = self.clone();
        client.headers.insert(name, value.parse().unwrap());
        client
    }

    /// The same with the cookies that an answer sets, beside its own.
    fn with_cookies_of(&self, answer: &Answer) -> Self {
        let own = self.headers.get("cookie").map(|cookies| cookies.to_str().unwrap());
        let set = answer.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
        let set = set.map(|cookie| cookie.split(';').next().unwrap());
        self.with("cookie", &own.into_iter().chain(set).collect::<Vec<_>>().join("; "))
    }

    /// The same at another network address.
    fn at_address(&self, last: u8) -> Self {
        Self { address: SocketAddr::from(([192, 0, 2, last], 4711)), ..self.clone() }
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, Some(body.to_string())).await
    }

    async fn put(&self, path: &str, body: Value) -> Answer {
        self.send("PUT", path, Some(body.to_string())).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, None).await
    }

    /// Sends a request; a body is labelled as JSON unless the client carries another label.
    async fn send(&self, method: &str, path: &str, body: Option<String>) -> Answer {
        self.send_bytes(method, path, body.map(String::into_bytes)).await
    }

    /// Sends a request with a body that need not be text.
    async fn send_bytes(&self, method: &str, path: &str, body: Option<Vec<u8>>) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if body.is_some() && !self.headers.contains_key(header::CONTENT_TYPE) {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let mut request = request.body(body.map_or_else(Body::empty, Body::from)).unwrap();
        request.headers_mut().extend(self.headers.clone());
        request.extensions_mut().insert(ConnectInfo(self.address));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8_lossy(&body).into_owned();
        Answer { status: parts.status.as_u16(), headers: parts.headers, text }
    }
}

/// What the server said.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("{} is no JSON: {}", self.status, self.text))
    }

    /// The data of a success.
    #[track_caller]
    fn data(&self) -> Value {
        let mut json = self.json();
        assert!((200..300).contains(&self.status) && json["success"] == true, "{} {}", self.status, self.text);
        json["data"].take()
    }

    /// The text of one field of the data.
    #[track_caller]
    fn text_of(&self, field: &str) -> String {
        self.data()[field].as_str().unwrap_or_else(|| panic!("no text {field}: {}", self.text)).to_owned()
    }

    /// Passes only this error; gives its details.
    #[track_caller]
    fn assert_error(&self, status: u16, code: &str, message: &str) -> Value {
        let json = self.json();
        let (found_code, found) =
            (json["error"]["code"].as_str(), json["error"]["message"].as_str().unwrap_or_default());
        let matches = self.status == status && json["success"] == false && found_code == Some(code) && found == message;
        assert!(matches, "expected {status} {code} “{message}”, found {} {}", self.status, self.text);
        json["error"]["details"].clone()
    }

    /// Passes only an error about this parameter.
    #[track_caller]
    fn assert_invalid(&self, field: &str) {
        let json = self.json();
        let error = &json["error"];
        assert!(
            self.status == 400 && error["code"] == "VALIDATION_ERROR" && error["details"]["field"] == field,
            "expected an error about {field}, found {} {}",
            self.status,
            self.text
        );
    }
}

//! The whole router over a database of its own, and what tests put into it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};

use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHasher, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use axum::Router;
use axum::http::HeaderMap;
use chrono::{DateTime, TimeDelta, Utc};
use tower_sessions::Session;

use super::{Client, Message, at};
use crate::domain::adapter::{Adapter, AdapterKind};
use crate::domain::api_request::{ApiRequest, LoggedBody};
use crate::domain::audit::AuditAction;
use crate::domain::ids::{
    ApiKeyId, ApiRequestId, EmailId, NotificationId, ResendJobId, SuppressionId, TeamId, UserId, lowest_id_at,
};
use crate::domain::notification::Notification;
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::resend_job::{ResendCounts, ResendItemState, ResendJob, ResendJobState};
use crate::domain::suppression::{Suppression, SuppressionReason};
use crate::domain::team::Role;
use crate::domain::template::{Template, TemplateSource};
use crate::domain::tracking::TemplateTracking;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::clock::Clock;
use crate::server::config::Config;
use crate::server::secrets::SecretKey;
use crate::server::services::adapters::{self, GivenAddress, NewAdapter};
use crate::server::services::{accounts, api_keys, audit, teams, templates};
use crate::server::store::Store;
use crate::server::store::accounts::NewUser;
use crate::server::store::audit::AuditEvent;
use crate::server::store::bulk::HistoricEmail;
use crate::server::store::resends::{NewResendItem, StoredResend};
use crate::server::store::roles::{GrantChange, NewRole};
use crate::server::tests::router;

/// The key of every test's server.
pub(crate) fn test_key() -> SecretKey {
    "07".repeat(32).parse().unwrap()
}

/// Every account's password.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// [PASSWORD], hashed with as little work as argon2 allows.
pub(crate) static PASSWORD_HASH: LazyLock<String> = LazyLock::new(|| {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8, 1, 1, None).unwrap());
    argon2.hash_password(PASSWORD.as_bytes(), &SaltString::generate(&mut OsRng)).unwrap().to_string()
});

/// The server with two teams, Finch and Wren. It is 20 January 2024, noon UTC, until the clock is moved. Nothing is
/// sent: no worker runs.
pub(crate) struct TestApp {
    pub(crate) app: App,
    pub(crate) router: Router,
    /// The database's address.
    pub(crate) url: String,
    /// Finch: the team that the roles are in.
    pub(crate) team: TeamId,
    /// Wren: the team that they are not in.
    pub(crate) other_team: TeamId,
    pub(crate) next_id: AtomicI64,
}

impl TestApp {
    pub(crate) async fn start(url: &str) -> Self {
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

    /// The server on a copy of another one's database.
    pub(crate) async fn start_again(url: &str, other: &Self) -> Self {
        let store = Store::open(url).await.unwrap();
        let app = App::new(store, Clock::fixed(other.now()), other.app.config.as_ref().clone(), test_key());
        let router = router(app.clone());
        let next_id = AtomicI64::new(1_000_000);
        Self { app, router, url: url.to_owned(), team: other.team, other_team: other.other_team, next_id }
    }

    /// Another program on the same database: it shares nothing else.
    pub(crate) async fn beside(&self) -> App {
        let store = Store::open(&self.url).await.unwrap();
        let addr = SocketAddr::from(([127, 0, 0, 1], 3001));
        let config = Config { allow_private_adapters: true, ..Config::at(addr) };
        App::new(store, Clock::fixed(self.now()), config, SecretKey::generate())
    }

    /// Like [Self::beside], but its adapters reach the internet alone, as the settings have it by default.
    pub(crate) async fn beside_on_the_internet(&self) -> App {
        let store = Store::open(&self.url).await.unwrap();
        let config = Config::at(SocketAddr::from(([127, 0, 0, 1], 3002)));
        App::new(store, Clock::fixed(self.now()), config, SecretKey::generate())
    }

    /// Another program on the same database, with the same key, that waits a moment alone for those who write.
    pub(crate) async fn beside_impatient(&self) -> App {
        let store = Store::open_impatient(&self.url).await;
        App::new(store, Clock::fixed(self.now()), self.app.config.as_ref().clone(), test_key())
    }

    pub(crate) fn store(&self) -> &Store {
        &self.app.store
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.app.clock.now()
    }

    /// How many passwords were hashed so far.
    pub(crate) fn hashed(&self) -> u64 {
        self.app.hashed.load(Ordering::Relaxed)
    }

    /// A line of the audit log, for what the tests do past the services.
    pub(crate) fn event(&self) -> AuditEvent {
        audit::by_command_line(&self.app, AuditAction::TeamUpdated)
    }

    pub(crate) fn advance(&self, by: TimeDelta) {
        self.app.clock.advance(by);
    }

    /// A new account, in no team.
    pub(crate) async fn add_user(&self, email: &str) -> UserId {
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
    pub(crate) async fn user(&self, team: TeamId, role: Role) -> UserId {
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
    pub(crate) async fn viewer(&self, role: Role) -> Viewer {
        let user = self.user(self.team, role).await;
        self.store().find_viewer(self.team, user).await.unwrap().unwrap()
    }

    /// A browser of somebody with this role in Finch.
    pub(crate) async fn sign_in(&self, role: Role) -> Client {
        let user = self.user(self.team, role).await;
        self.browser_of(user, Some(self.team)).await
    }

    /// A browser of an owner of Wren.
    pub(crate) async fn sign_in_elsewhere(&self) -> Client {
        let user = self.user(self.other_team, Role::Owner).await;
        self.browser_of(user, Some(self.other_team)).await
    }

    pub(crate) async fn browser_of(&self, user: UserId, team: Option<TeamId>) -> Client {
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
    pub(crate) async fn program(&self, scopes: &[Permission]) -> Client {
        self.program_of(self.team, scopes.iter().copied().collect()).await
    }

    pub(crate) async fn program_of(&self, team: TeamId, scopes: PermissionSet) -> Client {
        let created = api_keys::create_key_of(&self.app, team, None, "Test", scopes).await.unwrap();
        self.client().with("authorization", &format!("Bearer {}", created.secret))
    }

    /// A program with a new key that `maker` made, and whose rights bound it.
    pub(crate) async fn program_bound_to(&self, team: TeamId, maker: UserId, scopes: PermissionSet) -> Client {
        let created = api_keys::create_key_of(&self.app, team, Some(maker), "Bound", scopes).await.unwrap();
        self.client().with("authorization", &format!("Bearer {}", created.secret))
    }

    /// A key of the team that counts.
    pub(crate) async fn add_living_key(&self) -> ApiKeyId {
        let made = api_keys::create_key_of(&self.app, self.team, None, "Key", PermissionSet::all()).await.unwrap();
        made.key.id
    }

    /// Somebody without credentials.
    pub(crate) fn client(&self) -> Client {
        Client {
            router: self.router.clone(),
            headers: HeaderMap::new(),
            address: SocketAddr::from(([192, 0, 2, 1], 4711)),
        }
    }

    /// A template of Finch.
    pub(crate) async fn add_template(&self, name: &str) -> Template {
        let source = TemplateSource {
            subject: "Welcome to Our Service!".to_owned(),
            html: Some("<p>Hello {{ name }}</p>".to_owned()),
            text: Some("Hello {{ name }}".to_owned()),
        };
        let owner = self.viewer(Role::Owner).await;
        templates::create_template(&self.app, &owner, name, source, &[], TemplateTracking::default()).await.unwrap()
    }

    /// A role that Finch made.
    pub(crate) async fn add_role(&self, name: &str, permissions: &[Permission]) -> Role {
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

    /// Grants a permission to a role of Finch, or withdraws it.
    pub(crate) async fn set_grant(&self, role: Role, permission: Permission, granted: bool) {
        let grants = self.store().list_role_grants(self.team).await.unwrap();
        let before = grants.iter().find(|grants| grants.role == role).unwrap().permissions;
        let others = before.iter().filter(|one| *one != permission);
        let permissions = others.chain(granted.then_some(permission)).collect();
        let change = GrantChange { role, before, permissions, event: self.event() };
        self.store().update_role_grants(self.team, &[change]).await.unwrap();
    }

    /// An address that Finch does not write to.
    pub(crate) async fn add_suppression(&self, address: &str) -> SuppressionId {
        let suppression = Suppression {
            id: self.id_at(self.now()),
            address: address.to_owned(),
            reason: SuppressionReason::Manual,
            email_id: None,
            note: String::new(),
            created_at: self.now(),
        };
        let added =
            self.store().insert_suppressions(self.team, std::slice::from_ref(&suppression), &self.event()).await;
        assert_eq!(added, Ok(1));
        suppression.id
    }

    /// An adapter of Finch.
    pub(crate) async fn add_adapter(&self, name: &str) -> Adapter {
        self.add_adapter_of(AdapterKind::Smtp, "smtp://sendlog:hush@127.0.0.1:2525", name).await
    }

    /// An adapter of Finch, of this kind and at this address.
    pub(crate) async fn add_adapter_of(&self, kind: AdapterKind, url: &str, name: &str) -> Adapter {
        let new = NewAdapter {
            name: name.to_owned(),
            kind,
            address: GivenAddress::Url(url.to_owned()),
            from_address: "noreply@example.com".to_owned(),
            is_default: false,
        };
        adapters::create_adapter_of(&self.app, self.team, new).await.unwrap()
    }

    /// A fresh id of `time`.
    pub(crate) fn id_at<Id: From<i64>>(&self, time: DateTime<Utc>) -> Id {
        Id::from(lowest_id_at(time) + self.next_id.fetch_add(1, Ordering::Relaxed))
    }

    /// Adds messages of the past to a team's log; their ids in the same order.
    pub(crate) async fn add_messages_of(&self, team: TeamId, messages: &[Message]) -> Vec<EmailId> {
        let historic: Vec<HistoricEmail> = messages.iter().map(|message| message.historic(self)).collect();
        self.store().insert_history(team, &historic).await.unwrap();
        historic.iter().map(|historic| historic.email.id).collect()
    }

    /// Adds messages of the past to Finch's log.
    pub(crate) async fn add_messages(&self, messages: &[Message]) -> Vec<EmailId> {
        self.add_messages_of(self.team, messages).await
    }

    /// Adds a request to Finch's log of API requests.
    pub(crate) async fn add_api_request(&self) -> ApiRequestId {
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

    /// Adds a bulk resend of these messages, by nobody, to Finch.
    pub(crate) async fn add_resend(&self, ids: &[EmailId], state: ResendJobState) -> ResendJobId {
        let counts = ResendCounts { waiting: ids.len() as i64, ..ResendCounts::default() };
        let job = ResendJob {
            id: self.id_at(self.now()),
            name: "Again".to_owned(),
            reason: None,
            made_by: "Ada".to_owned(),
            filter: None,
            per_minute: 60,
            state,
            note: None,
            counts,
            started_at: None,
            finished_at: None,
        };
        let item =
            |id: &EmailId| NewResendItem { email_id: *id, state: ResendItemState::Waiting, words: None, known: None };
        let items: Vec<NewResendItem> = ids.iter().map(item).collect();
        let new = StoredResend { job, user_id: None, api_key_id: None };
        let made = self.store().insert_resend_job(self.team, &new, &items, None, self.now(), &self.event()).await;
        assert_eq!(made, Ok(None));
        new.job.id
    }

    /// Adds a notification to Finch's log, without a message.
    pub(crate) async fn add_notification(&self) -> NotificationId {
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
    pub(crate) async fn add_message(&self, message: Message) -> EmailId {
        self.add_messages(&[message]).await[0]
    }
}

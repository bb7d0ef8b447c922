//! Who asks, the thing that they ask about, and what comes of it.

use Needs::{
    Both, Following, Identity, Member, Nothing, Permission as Holds, Person, PersonWith, Session as LogIn, SessionAlone,
};
use Permission::*;

use serde_json::json;

use super::super::*;
use super::table::{ENDPOINTS, Needs, OWN_ROUTES, PAGES, Row, SERVER_FUNCTIONS, Target};
use crate::domain::adapter::AdapterKind;
use crate::domain::error::AppError;
use crate::domain::history_import::{ImportSource, ImportState};
use crate::domain::hold::HoldScope;
use crate::domain::ids::{EventId, HoldId, ImportId, OutgoingWebhookId};
use crate::domain::provider_webhook::WebhookProvider;
use crate::domain::resend_job::ResendJobState;
use crate::domain::team::Invite;
use crate::domain::webhook::shape::test_post;
use crate::domain::webhook::{Webhook, WebhookShape};
use crate::server::secrets::{random_token, token_hash};
use crate::server::services::history_imports::{self, NewPull};
use crate::server::services::holds::{self, NewHold};
use crate::server::services::persons;
use crate::server::services::provider_webhooks;
use crate::server::store::teams::{NewInvite, NewMembership};

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    Nobody,
    Somebody(Role),
    /// A key with every scope.
    FullKey,
    /// A key with one scope, which opens little.
    OtherKey,
    /// An owner of another team.
    Stranger,
    /// Somebody with a role that the team made, with this permission alone.
    Holding(Permission),
    /// A key with this scope alone.
    Scoped(Permission),
    /// A key with every scope, made by somebody whose role has this permission alone.
    Bound(Permission),
}

pub(crate) const CALLERS: [Caller; 8] = [
    Caller::Nobody,
    Caller::Somebody(Role::Owner),
    Caller::Somebody(Role::Admin),
    Caller::Somebody(Role::Member),
    Caller::Somebody(Role::Viewer),
    Caller::FullKey,
    Caller::OtherKey,
    Caller::Stranger,
];

/// What a request comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    Unauthorized,
    Forbidden,
    NotFound,
    /// The page of the log-in, in place of the page that was asked for.
    LogInPage,
    /// Neither refused nor failed: what else comes of it is not asked here.
    Open,
    Other(u16),
}

impl From<u16> for Outcome {
    fn from(status: u16) -> Self {
        match status {
            200..=399 => Self::Done,
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            other => Self::Other(other),
        }
    }
}

/// What must come of a request; `None` where the table says nothing.
pub(crate) fn expected(caller: Caller, needs: Needs, target: Target) -> Option<Outcome> {
    let holds = |permission: Permission| match caller {
        Caller::Somebody(role) => permission.granted_by_default(role),
        Caller::FullKey | Caller::Stranger => true,
        Caller::OtherKey => permission == AdaptersDelete,
        Caller::Nobody => false,
        Caller::Holding(held) | Caller::Scoped(held) | Caller::Bound(held) => held == permission,
    };
    let is_person = matches!(caller, Caller::Somebody(_) | Caller::Stranger | Caller::Holding(_));
    let may = match needs {
        Nothing => return Some(Outcome::Open),
        SessionAlone if is_person => return Some(Outcome::Open),
        SessionAlone => return Some(Outcome::Unauthorized),
        Identity => caller != Caller::Nobody,
        Person | LogIn => is_person,
        Holds(permission) => holds(permission),
        Following => holds(LogsView),
        Member(permission) => is_person || holds(permission),
        Both(one, other) => holds(one) && holds(other),
        PersonWith(one, other) => is_person && holds(one) && holds(other),
    };
    match (caller, target) {
        (Caller::Nobody, _) => Some(Outcome::Unauthorized),
        (Caller::FullKey | Caller::OtherKey | Caller::Scoped(_) | Caller::Bound(_), _) if matches!(needs, LogIn) => {
            Some(Outcome::Unauthorized)
        }
        (Caller::Stranger, Target::Own | Target::Token) => None,
        (Caller::Stranger, _) => Some(Outcome::NotFound),
        _ => Some(if may { Outcome::Done } else { Outcome::Forbidden }),
    }
}

/// Makes the caller, and the target in Finch; gives the texts to put into path and body.
pub(crate) async fn prepare(app: &TestApp, caller: Caller, target: Target) -> (Client, Vec<(&'static str, String)>) {
    let mut team = app.team;
    let fresh = random_token();
    if target == Target::Team {
        // Some of what is done to a team ends it.
        team = teams::create_team_of(&app.app, &fresh, None).await.unwrap().id;
    }
    let client = match caller {
        Caller::Nobody => app.client(),
        Caller::Somebody(role) => {
            let user = app.user(app.team, role).await;
            let new = NewMembership { user_id: user, role, at: app.now(), follows_groups: false };
            app.store().insert_membership(team, &new, &app.event()).await.unwrap();
            app.browser_of(user, Some(team)).await
        }
        Caller::FullKey => app.program_of(team, PermissionSet::all()).await,
        Caller::OtherKey => app.program_of(team, [AdaptersDelete].into_iter().collect()).await,
        Caller::Stranger => app.sign_in_elsewhere().await,
        Caller::Holding(permission) => holder_of(app, team, permission).await,
        Caller::Scoped(permission) => app.program_of(team, [permission].into_iter().collect()).await,
        Caller::Bound(permission) => bound_to_holder_of(app, team, permission).await,
    };
    let id = match target {
        Target::Own | Target::Role => String::new(),
        Target::Email => {
            let attachments = vec![Attachment {
                filename: "a.txt".to_owned(),
                content_type: "text/plain".to_owned(),
                content: b"a".to_vec(),
                content_id: None,
            }];
            let message = Message { attachments, ..Message::with_status(EmailStatus::Failed) };
            app.add_message(message).await.to_string()
        }
        Target::Template => app.add_template(&fresh).await.id.to_string(),
        Target::DeletedTemplate => {
            let id = app.add_template(&fresh).await.id;
            app.store().delete_template(app.team, id, app.now(), &app.event()).await.unwrap();
            id.to_string()
        }
        Target::Adapter => app.add_adapter(&fresh).await.id.to_string(),
        Target::DeletedAdapter => {
            let id = app.add_adapter(&fresh).await.id;
            app.store().delete_adapter(app.team, id, app.now(), &app.event()).await.unwrap();
            id.to_string()
        }
        Target::Webhook => {
            let owner = app.viewer(Role::Owner).await;
            let made = provider_webhooks::create_webhook(&app.app, &owner, WebhookProvider::SendGrid, &fresh).await;
            made.unwrap().id.to_string()
        }
        Target::Import => import_of(app, &fresh, ImportState::Running).await.to_string(),
        Target::StoppedImport => import_of(app, &fresh, ImportState::Stopped).await.to_string(),
        Target::OutgoingWebhook => webhook_of(app, WebhookShape::Sendlog, true).await.to_string(),
        Target::OffWebhook => webhook_of(app, WebhookShape::Sendlog, false).await.to_string(),
        Target::Suppression => app.add_suppression(&format!("{fresh}@example.com")).await.to_string(),
        Target::ConnectableWebhook => {
            let owner = app.viewer(Role::Owner).await;
            let made = provider_webhooks::create_webhook(&app.app, &owner, WebhookProvider::Twilio, &fresh).await;
            let adapter = app.add_adapter_of(AdapterKind::Twilio, "https://AC1:hush@127.0.0.1/", &fresh).await;
            format!("{}&adapter={}", made.unwrap().id, adapter.id)
        }
        Target::ApiKey => {
            // Who changes or rotates a key must hold what it may do.
            let scopes = [AdaptersView].into_iter().collect();
            // And one of the team's own is an owner's to change.
            let owner = Some(app.user(app.team, Role::Owner).await);
            api_keys::create_key_of(&app.app, team, owner, "Old", scopes).await.unwrap().key.id.to_string()
        }
        Target::Person => person_of(app, &fresh).await,
        Target::ForgottenPerson => {
            let (id, owner) = (person_of(app, &fresh).await, app.viewer(Role::Owner).await);
            persons::forget(&app.app, &owner, &id, &format!("{fresh}@example.com"), true, "").await.unwrap();
            id
        }
        Target::Hold => hold_of(app, &fresh).await.to_string(),
        Target::Resend => app.add_resend(&[], ResendJobState::Running).await.to_string(),
        Target::PausedResend => app.add_resend(&[], ResendJobState::Paused).await.to_string(),
        Target::ApiRequest => app.add_api_request().await.to_string(),
        Target::Notification => app.add_notification().await.to_string(),
        Target::Team | Target::Member | Target::Invite | Target::Token => team.to_string(),
    };
    let mut texts = vec![
        ("{id}", id),
        ("{place}", "0".to_owned()),
        ("{topic}", "search".to_owned()),
        ("{fresh}", fresh.clone()),
        ("{short}", fresh[..20].to_owned()),
    ];
    if target == Target::OutgoingWebhook {
        texts.push(("{delivery}", deliver_to(app, &texts[0].1).await.to_string()));
    }
    if target == Target::Role {
        texts.push(("{role}", role_of(app, team, LogsView).await.to_string()));
    }
    if target == Target::Member {
        let member = app.add_user(&format!("{fresh}@finch.example")).await;
        accounts::add_member(&app.app, team, member, Role::Viewer).await.unwrap();
        texts.push(("{userId}", member.to_string()));
    }
    if matches!(target, Target::Invite | Target::Token) {
        let email = match caller {
            Caller::Somebody(role) => format!("{role}@finch.example"),
            Caller::Nobody
            | Caller::FullKey
            | Caller::OtherKey
            | Caller::Stranger
            | Caller::Holding(_)
            | Caller::Scoped(_)
            | Caller::Bound(_) => format!("{fresh}@finch.example"),
        };
        let (created_at, expires_at) = (app.now(), app.now() + TimeDelta::days(7));
        let invite = Invite {
            id: app.id_at(created_at),
            email,
            role: Role::Viewer,
            role_name: "Viewer".to_owned(),
            created_at,
            expires_at,
        };
        texts.push(("{inviteId}", invite.id.to_string()));
        let new = NewInvite { invite, token_hash: token_hash(&fresh), invited_by: None };
        app.store().insert_invite(team, &new, &app.event()).await.unwrap();
        texts.push(("{token}", fresh));
    }
    (client, texts)
}

async fn person_of(app: &TestApp, fresh: &str) -> String {
    persons::look_up(&app.app, &app.viewer(Role::Owner).await, &format!("{fresh}@example.com")).unwrap()
}

/// A hold of Finch's on one address. The team has few at once, so those of before go.
async fn hold_of(app: &TestApp, fresh: &str) -> HoldId {
    app.store().try_statement(&format!("DELETE FROM holds WHERE team_id = {}", app.team.0)).await.unwrap();
    let address = format!("{fresh}@example.com");
    let new = NewHold {
        name: "Matter 7",
        reason: "asked",
        scope: HoldScope::Address,
        address: &address,
        from: "",
        until: "",
        message: "",
    };
    holds::place_hold(&app.app, &app.viewer(Role::Owner).await, new).await.unwrap().id
}

/// An import of Finch's. The team has few at once, so those of before go.
async fn import_of(app: &TestApp, key: &str, state: ImportState) -> ImportId {
    let owner = app.viewer(Role::Owner).await;
    for import in history_imports::list_imports(&app.app, &owner).await.unwrap() {
        history_imports::delete_import(&app.app, &owner, import.id).await.unwrap();
    }
    let new = NewPull { source: ImportSource::SendGrid, base: "http://127.0.0.1:9", account: "", key, days: 3 };
    let id = history_imports::start_pull(&app.app, &owner, &new).await.unwrap().id;
    if state == ImportState::Stopped {
        history_imports::stop_import(&app.app, &owner, id).await.unwrap();
    }
    id
}

/// A webhook of Finch's, in the place of those before.
pub(crate) async fn webhook_of(app: &TestApp, shape: WebhookShape, is_on: bool) -> OutgoingWebhookId {
    let webhook = Webhook {
        id: app.id_at(app.now()),
        name: "Hook".to_owned(),
        host: "a.example".to_owned(),
        shape,
        kinds: Vec::new(),
        is_on,
        created_at: app.now(),
        succeeded_at: None,
        failing_since: None,
        disabled: None,
    };
    // Past the service: a team may have fewer than the tables have rows.
    let sealed = json!({ "url": "https://a.example/hook", "secret": "whsec_AAAA", "former": null }).to_string();
    let context = format!("outgoing-webhook:{}:{}", app.team, webhook.id);
    let sealed = app.app.secret_key.seal(sealed.as_bytes(), &context);
    app.store().try_statement(&format!("DELETE FROM webhooks WHERE team_id = {}", app.team.0)).await.unwrap();
    app.store().insert_outgoing_webhook(app.team, &webhook, &sealed, &app.event()).await.unwrap();
    webhook.id
}

/// What a webhook is told.
async fn deliver_to(app: &TestApp, webhook: &str) -> EventId {
    let (webhook, id) = (webhook.parse().unwrap(), app.id_at(app.now()));
    let post = test_post(WebhookShape::Sendlog, id, app.now());
    assert_eq!(app.store().insert_test_delivery(app.team, webhook, id, &post, &app.event()).await, Ok(true));
    id
}

pub(crate) fn filled(pattern: &str, texts: &[(&str, String)]) -> String {
    texts.iter().fold(pattern.to_owned(), |text, (name, value)| text.replace(name, value))
}

/// A new role of a team's own. Made past the store: there are more permissions than a team may have roles.
pub(crate) async fn role_of(app: &TestApp, team: TeamId, permission: Permission) -> Role {
    let (role, name) = (Role::Custom(app.id_at(app.now())), random_token());
    for statement in [
        format!(
            "INSERT INTO roles (team_id, role, name, name_key, description, created_at)
             VALUES ({}, '{role}', '{name}', '{name}', '', 0)",
            team.0
        ),
        format!(
            "INSERT INTO role_permissions (team_id, role, permission) VALUES ({}, '{role}', '{}')",
            team.0,
            permission.as_str()
        ),
    ] {
        app.store().try_statement(&statement).await.unwrap();
    }
    role
}

/// A browser of somebody new with a role of the team's own that has this permission alone.
pub(crate) async fn holder_of(app: &TestApp, team: TeamId, permission: Permission) -> Client {
    let user = new_holder(app, team, permission).await;
    app.browser_of(user, Some(team)).await
}

/// A key with every scope that somebody new made, whose role has this permission alone.
pub(crate) async fn bound_to_holder_of(app: &TestApp, team: TeamId, permission: Permission) -> Client {
    let user = new_holder(app, team, permission).await;
    app.program_bound_to(team, user, PermissionSet::all()).await
}

async fn new_holder(app: &TestApp, team: TeamId, permission: Permission) -> UserId {
    let role = role_of(app, team, permission).await;
    let user = app.add_user(&format!("{}@finch.example", random_token())).await;
    let new = NewMembership { user_id: user, role, at: app.now(), follows_groups: false };
    app.store().insert_membership(team, &new, &app.event()).await.unwrap();
    user
}

/// The kinds of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surface {
    Endpoints,
    OwnRoutes,
    Functions,
    Pages,
}

impl Surface {
    pub(crate) const ALL: [Surface; 4] = [Self::Endpoints, Self::OwnRoutes, Self::Functions, Self::Pages];

    pub(crate) const fn rows(self) -> &'static [Row] {
        match self {
            Self::Endpoints => ENDPOINTS,
            Self::OwnRoutes => OWN_ROUTES,
            Self::Functions => SERVER_FUNCTIONS,
            Self::Pages => PAGES,
        }
    }

    /// Sends a row's request with these texts in it; the answer's status and text.
    pub(crate) async fn ask(self, client: &Client, row: &Row, texts: &[(&'static str, String)]) -> Answer {
        let (route, body) = (filled(row.0, texts), filled(row.3, texts));
        match self {
            Self::Endpoints | Self::OwnRoutes => {
                let (method, path) = route.split_once(' ').unwrap();
                client.send(method, path, Some(body).filter(|body| !body.is_empty())).await
            }
            Self::Functions => {
                let client = client.with("content-type", "application/x-www-form-urlencoded");
                let body = body.replace(' ', "%20").replace('@', "%40");
                client.send("POST", &format!("/fn/{route}"), Some(body)).await
            }
            Self::Pages => client.with("accept", "text/html").get(&route).await,
        }
    }

    /// What an answer comes to.
    pub(crate) fn outcome(self, answer: &Answer) -> Outcome {
        match self {
            Self::Endpoints | Self::OwnRoutes => answer.status.into(),
            // An error comes in the form of AppError, whatever the status.
            Self::Functions => match serde_json::from_str::<AppError>(&answer.text) {
                Ok(error) => Outcome::from(error.http_status()),
                Err(_) => Outcome::from(answer.status),
            },
            Self::Pages => {
                let location = answer.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
                let is_log_in = location.is_some_and(|location| location.starts_with("/login?next="));
                if is_log_in { Outcome::LogInPage } else { answer.status.into() }
            }
        }
    }
}

/// Every row of every table.
pub(crate) fn every_row() -> Vec<(Surface, &'static Row)> {
    let rows = |surface: Surface| surface.rows().iter().map(move |row| (surface, row));
    Surface::ALL.into_iter().flat_map(rows).collect()
}

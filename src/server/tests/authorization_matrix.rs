//! Who may do what: every endpoint, server function and page × nobody, each built-in role, a custom role and a key with
//! each single permission, removed members, keys that have ended, somebody without the second factor that the team
//! demands, and somebody of another team. A route that is in no table here fails the first test.

use std::collections::BTreeSet;

use leptos::server_fn::axum::server_fn_paths;

use super::*;
use crate::app::App as Pages;
use crate::domain::api_key::KeyLimits;
use crate::domain::error::AppError;
use crate::domain::team::Invite;
use crate::server::api::canary;
use crate::server::secrets::{random_token, token_hash};
use crate::server::services::api_keys::NewApiKey;
use crate::server::store::teams::{NewInvite, NewMembership};

/// What a caller must be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Needs {
    /// Nothing.
    Nothing,
    /// Somebody, person or key.
    Identity,
    /// A person.
    Person,
    /// A session, whatever else the request carries.
    Session,
    /// The permission.
    Permission(Permission),
    /// `logs:view`; a key with `emails:send` finds what it sent itself, and nothing else.
    Following,
    /// A member of the team, or a key with the permission.
    Member(Permission),
    /// A session; what else comes of it, with the right password or code, is another test's.
    SessionAlone,
    /// Both permissions.
    Both(Permission, Permission),
    /// Both permissions, by a person.
    PersonWith(Permission, Permission),
}

/// The thing that a request is about, made anew for each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// None: the answer is about the caller's own team.
    Own,
    /// `{id}`, a message that failed.
    Email,
    /// `{id}`
    Template,
    /// `{id}`
    Adapter,
    /// `{id}`
    ApiKey,
    /// `{id}`, a team.
    Team,
    /// `{id}` of the team and `{userId}`
    Member,
    /// `{id}` of the team and `{inviteId}`
    Invite,
    /// `{token}` of an invitation to the caller.
    Token,
    /// `{id}`
    ApiRequest,
    /// `{id}`
    Notification,
    /// `{role}`, which the team made.
    Role,
}

use Needs::{
    Both, Following, Identity, Member, Nothing, Permission as Holds, Person, PersonWith, Session as LogIn, SessionAlone,
};
use Permission::*;

pub(super) type Row = (&'static str, Needs, Target, &'static str);

/// Method and path, what it needs, what it is about, and a body for it.
pub(super) const ENDPOINTS: &[Row] = &[
    ("GET /api/openapi.json", Nothing, Target::Own, ""),
    ("GET /api/auth/setup-status", Nothing, Target::Own, ""),
    ("POST /api/auth/register", Nothing, Target::Own, r#"{"inviteToken":"x","password":"correct horse"}"#),
    (
        "POST /api/auth/login",
        Nothing,
        Target::Own,
        r#"{"email":"owner@finch.example","password":"correct horse battery"}"#,
    ),
    ("POST /api/auth/logout", Nothing, Target::Own, ""),
    ("POST /api/auth/forgot-password", Nothing, Target::Own, r#"{"email":"nobody@finch.example"}"#),
    ("POST /api/auth/reset-password", Nothing, Target::Own, r#"{"token":"x","password":"correct horse"}"#),
    ("POST /api/auth/switch-team", Person, Target::Team, r#"{"teamId":"{id}"}"#),
    ("GET /api/auth/me", Person, Target::Own, ""),
    ("GET /api/logs", Holds(LogsView), Target::Own, ""),
    ("GET /api/logs/stats", Holds(LogsView), Target::Own, ""),
    ("GET /api/logs/{id}", Holds(LogsView), Target::Email, ""),
    ("POST /api/logs/{id}/resend", Holds(LogsResend), Target::Email, ""),
    (
        "POST /api/v1/send",
        Holds(EmailsSend),
        Target::Template,
        r#"{"templateId":"{id}","to":"a@b.example","variables":{"name":"A"}}"#,
    ),
    (
        "POST /api/v1/events",
        Holds(EventsWrite),
        Target::Own,
        r#"[{"id":"{fresh}","kind":"sent","at":"2024-01-20T10:00:00Z","providerMessageId":"{fresh}","recipient":"a@b.example"}]"#,
    ),
    ("GET /api/v1/{id}/status", Following, Target::Email, ""),
    ("POST /api/teams", Person, Target::Own, r#"{"name":"New"}"#),
    ("GET /api/teams/{id}", Identity, Target::Team, ""),
    ("PUT /api/teams/{id}", Holds(TeamUpdate), Target::Team, r#"{"name":"Renamed"}"#),
    ("DELETE /api/teams/{id}", Holds(TeamDelete), Target::Team, ""),
    ("GET /api/teams/{id}/retention", Identity, Target::Team, ""),
    ("PUT /api/teams/{id}/retention", Holds(TeamUpdate), Target::Team, r#"{"messagesDays":365}"#),
    ("GET /api/teams/{id}/members", Member(TeamInvite), Target::Team, ""),
    ("GET /api/teams/{id}/invites", Holds(TeamInvite), Target::Team, ""),
    ("POST /api/teams/{id}/invite", Holds(TeamInvite), Target::Team, r#"{"email":"new@b.example","role":"viewer"}"#),
    ("DELETE /api/teams/{id}/invites/{inviteId}", Holds(TeamInvite), Target::Invite, ""),
    ("POST /api/teams/{id}/invites/{inviteId}/resend", Holds(TeamInvite), Target::Invite, ""),
    ("POST /api/teams/accept-invite/{token}", Person, Target::Token, ""),
    ("PUT /api/teams/{id}/members/{userId}", Holds(TeamUpdateRole), Target::Member, r#"{"role":"member"}"#),
    ("DELETE /api/teams/{id}/members/{userId}", Holds(TeamRemoveMember), Target::Member, ""),
    ("GET /api/templates", Holds(TemplatesView), Target::Own, ""),
    ("POST /api/templates", Holds(TemplatesCreate), Target::Own, r#"{"name":"{fresh}","subject":"s","text":"t"}"#),
    ("GET /api/templates/{id}", Holds(TemplatesView), Target::Template, ""),
    ("GET /api/templates/{id}/versions", Holds(TemplatesView), Target::Template, ""),
    ("PUT /api/templates/{id}", Holds(TemplatesUpdate), Target::Template, r#"{"subject":"other"}"#),
    ("DELETE /api/templates/{id}", Holds(TemplatesDelete), Target::Template, ""),
    ("GET /api/adapters", Holds(AdaptersView), Target::Own, ""),
    (
        "POST /api/adapters",
        Holds(AdaptersCreate),
        Target::Own,
        r#"{"name":"{fresh}","type":"smtp","url":"smtp://a.example","from":"a@b.example"}"#,
    ),
    ("GET /api/adapters/{id}", Holds(AdaptersView), Target::Adapter, ""),
    ("PUT /api/adapters/{id}", Holds(AdaptersUpdate), Target::Adapter, r#"{"from":"c@b.example"}"#),
    ("DELETE /api/adapters/{id}", Holds(AdaptersDelete), Target::Adapter, ""),
    ("GET /api/api-keys", Holds(ApiKeysView), Target::Own, ""),
    ("POST /api/api-keys", Holds(ApiKeysCreate), Target::Own, r#"{"name":"New","scopes":["adapters:view"]}"#),
    ("DELETE /api/api-keys/{id}", Holds(ApiKeysRevoke), Target::ApiKey, ""),
    ("GET /api/api-keys/{id}", Holds(ApiKeysView), Target::ApiKey, ""),
    ("PUT /api/api-keys/{id}", Holds(ApiKeysCreate), Target::ApiKey, r#"{"name":"Renamed","rateLimit":5}"#),
    ("POST /api/api-keys/{id}/rotate", Holds(ApiKeysCreate), Target::ApiKey, r#"{"overlapSeconds":60}"#),
    ("GET /api/audit", Holds(AuditView), Target::Own, ""),
];

/// What the router itself answers, beside the APIs, the pages and the server functions.
pub(super) const OWN_ROUTES: &[Row] = &[
    ("GET /", Nothing, Target::Own, ""),
    ("GET /health", Nothing, Target::Own, ""),
    ("GET /logs/{id}/body", Holds(LogsView), Target::Email, ""),
    ("GET /logs/{id}/attachments/{place}", Both(LogsView, LogsReveal), Target::Email, ""),
    ("GET /settings/audit/export", Holds(AuditView), Target::Own, ""),
    ("GET /login/openid", Nothing, Target::Own, ""),
    ("GET /login/openid/callback", Nothing, Target::Own, ""),
    ("GET /logs/export", Both(LogsExport, LogsView), Target::Own, ""),
];

/// The endpoints that are posted to by those who may send.
pub(super) fn native_posts_of_senders() -> Vec<&'static str> {
    let rows = ENDPOINTS.iter().filter(|row| matches!(row.1, Holds(EmailsSend)));
    rows.filter_map(|row| row.0.strip_prefix("POST ")).collect()
}

/// What the web server routes beside: patterns whose routes are in the other tables, and what everybody may read.
const PATTERNS: [&str; 5] = ["/api", "/api/{*path}", "/fn/{*name}", "/openapi.json", "/pkg/{*path}"];

/// Server functions, with their arguments as a form sends them.
pub(super) const SERVER_FUNCTIONS: &[Row] = &[
    ("log_in", Nothing, Target::Own, "email=owner@finch.example&password=correct horse battery"),
    ("log_out", Nothing, Target::Own, ""),
    ("load_log_in", Nothing, Target::Own, ""),
    ("load_code_request", Nothing, Target::Own, ""),
    ("log_in_with_code", Nothing, Target::Own, "code=123456"),
    ("forgot_password", Nothing, Target::Own, "email=nobody@finch.example"),
    ("load_reset", Nothing, Target::Own, "token=x"),
    ("reset_password", Nothing, Target::Own, "token=x&password=correct horse"),
    ("set_up", Nothing, Target::Own, "token=x&name=A&email=a@b.example&password=correct horse&team_name=T"),
    ("load_invite", Nothing, Target::Token, "token={token}"),
    ("accept_invite", Nothing, Target::Token, "token={token}&name=A&password=correct horse battery"),
    ("load_draft", Nothing, Target::Own, "form=template"),
    ("load_setting", Nothing, Target::Own, ""),
    ("mark_failed", Nothing, Target::Own, "error=NoTeam"),
    ("set_theme", Nothing, Target::Own, "theme=dark"),
    ("join_team", LogIn, Target::Token, "token={token}"),
    ("switch_team", LogIn, Target::Team, "team={id}"),
    ("load_layout", Identity, Target::Own, ""),
    ("load_api_document", Identity, Target::Own, ""),
    ("load_profile", LogIn, Target::Own, ""),
    ("update_profile", LogIn, Target::Own, "name=A&time_zone=UTC"),
    (
        "change_password",
        SessionAlone,
        Target::Own,
        "present_password=wrong&new_password=correct horse&new_password_again=correct horse",
    ),
    ("begin_two_factor", LogIn, Target::Own, ""),
    ("cancel_two_factor", LogIn, Target::Own, ""),
    ("confirm_two_factor", SessionAlone, Target::Own, "code=123456"),
    ("renew_recovery_codes", SessionAlone, Target::Own, "renewal_code=123456"),
    ("disable_two_factor", SessionAlone, Target::Own, "password=wrong&code=123456"),
    ("end_session", SessionAlone, Target::Own, "session=x"),
    ("end_other_sessions", LogIn, Target::Own, ""),
    ("load_logs", Holds(LogsView), Target::Own, "choice[preset]=today&statuses=0&page=1"),
    ("load_email", Holds(LogsView), Target::Email, "id={id}"),
    ("reveal_email", PersonWith(LogsReveal, LogsView), Target::Email, "id={id}&reason=Ticket 4711"),
    ("resend_email", Holds(LogsResend), Target::Email, "id={id}"),
    ("load_notification", Holds(LogsView), Target::Notification, "id={id}"),
    ("load_requests", Holds(RequestsView), Target::Own, "choice[preset]=today&filter[method]=GET"),
    ("load_request", Holds(RequestsView), Target::ApiRequest, "id={id}"),
    ("reveal_request", PersonWith(LogsReveal, RequestsView), Target::ApiRequest, "id={id}&reason=Ticket 4711"),
    ("load_connect", Identity, Target::Own, ""),
    ("load_templates", Holds(TemplatesView), Target::Own, ""),
    ("load_new_template", Holds(TemplatesCreate), Target::Own, ""),
    ("load_template", Holds(TemplatesView), Target::Template, "id={id}"),
    ("create_template", Holds(TemplatesCreate), Target::Own, "name={fresh}&subject=s&html=&text=t"),
    ("update_template", Holds(TemplatesUpdate), Target::Template, "id={id}&name={fresh}&subject=s&html=&text=t"),
    ("delete_template", Holds(TemplatesDelete), Target::Template, "id={id}"),
    ("load_adapters", Holds(AdaptersView), Target::Own, ""),
    (
        "create_adapter",
        Holds(AdaptersCreate),
        Target::Own,
        "name={fresh}&kind=smtp&url=smtp://a.example&from_address=a@b.example",
    ),
    ("delete_adapter", Holds(AdaptersDelete), Target::Adapter, "id={id}"),
    ("update_adapter", Holds(AdaptersUpdate), Target::Adapter, "id={id}&name={fresh}&from_address=a@b.example"),
    ("make_default_adapter", Holds(AdaptersUpdate), Target::Adapter, "id={id}"),
    ("load_api_keys", Holds(ApiKeysView), Target::Own, ""),
    ("create_api_key", Holds(ApiKeysCreate), Target::Own, "name=New&scopes[]=adapters:view"),
    ("revoke_api_key", Holds(ApiKeysRevoke), Target::ApiKey, "id={id}"),
    ("load_api_key", Holds(ApiKeysView), Target::ApiKey, "id={id}"),
    ("update_api_key", Holds(ApiKeysCreate), Target::ApiKey, "id={id}&name=Renamed&scopes[]=adapters:view"),
    ("rotate_api_key", Holds(ApiKeysCreate), Target::ApiKey, "id={id}&overlap_seconds=60"),
    ("load_audit", Holds(AuditView), Target::Own, "choice[preset]=today"),
    ("load_members", Member(TeamInvite), Target::Own, ""),
    ("change_role", Holds(TeamUpdateRole), Target::Member, "user={userId}&role=member"),
    ("remove_member", Holds(TeamRemoveMember), Target::Member, "user={userId}"),
    ("invite_member", Holds(TeamInvite), Target::Own, "email=new@b.example&role=viewer"),
    ("delete_invite", Holds(TeamInvite), Target::Invite, "id={inviteId}"),
    ("resend_invite", Holds(TeamInvite), Target::Invite, "id={inviteId}"),
    ("load_team", Member(TeamInvite), Target::Own, ""),
    ("update_team", Holds(TeamUpdate), Target::Own, "name={fresh}"),
    ("update_retention", Holds(TeamUpdate), Target::Own, "messages_days=365"),
    ("delete_team", Holds(TeamDelete), Target::Team, "team={id}&name={fresh}"),
    ("load_roles", Member(TeamUpdateRole), Target::Own, ""),
    ("set_role_permission", Holds(TeamUpdateRole), Target::Own, "role=viewer&permission=adapters:view&granted=true"),
    ("save_role_grid", Holds(TeamUpdateRole), Target::Own, ""),
    ("load_role", Member(TeamUpdateRole), Target::Role, "role={role}"),
    ("create_role", Holds(TeamUpdateRole), Target::Own, "name={short}&from=viewer"),
    ("rename_role", Holds(TeamUpdateRole), Target::Role, "role={role}&name={short}"),
    ("delete_role", Holds(TeamUpdateRole), Target::Role, "role={role}&successor=viewer"),
];

/// Pages. Nobody and keys are sent to the log-in page, unless the page needs nothing.
pub(super) const PAGES: &[Row] = &[
    ("/login", Nothing, Target::Own, ""),
    ("/login/code", Nothing, Target::Own, ""),
    ("/forgot", Nothing, Target::Own, ""),
    ("/reset/{token}", Nothing, Target::Token, ""),
    ("/setup", Nothing, Target::Own, ""),
    ("/invite/{token}", Nothing, Target::Token, ""),
    ("/logs", Holds(LogsView), Target::Own, ""),
    ("/logs/{id}", Holds(LogsView), Target::Email, ""),
    ("/notifications/{id}", Holds(LogsView), Target::Notification, ""),
    ("/requests", Holds(RequestsView), Target::Own, ""),
    ("/requests/{id}", Holds(RequestsView), Target::ApiRequest, ""),
    ("/connect", Person, Target::Own, ""),
    ("/templates", Holds(TemplatesView), Target::Own, ""),
    ("/templates/new", Holds(TemplatesCreate), Target::Own, ""),
    ("/templates/{id}", Holds(TemplatesView), Target::Template, ""),
    ("/settings", Person, Target::Own, ""),
    ("/settings/profile", Person, Target::Own, ""),
    ("/settings/members", Person, Target::Own, ""),
    ("/settings/roles", Person, Target::Own, ""),
    ("/settings/roles/{role}", Person, Target::Role, ""),
    ("/settings/team", Person, Target::Own, ""),
    ("/settings/adapters", Holds(AdaptersView), Target::Own, ""),
    ("/settings/api-keys", Holds(ApiKeysView), Target::Own, ""),
    ("/settings/api-keys/{id}", Holds(ApiKeysView), Target::ApiKey, ""),
    ("/settings/audit", Holds(AuditView), Target::Own, ""),
    ("/api-docs", Person, Target::Own, ""),
];

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
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

const CALLERS: [Caller; 8] = [
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
enum Outcome {
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
fn expected(caller: Caller, needs: Needs, target: Target) -> Option<Outcome> {
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
pub(super) async fn prepare(app: &TestApp, caller: Caller, target: Target) -> (Client, Vec<(&'static str, String)>) {
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
        Target::Adapter => app.add_adapter(&fresh).await.id.to_string(),
        Target::ApiKey => {
            // Who changes or rotates a key must hold what it may do.
            let scopes = [AdaptersView].into_iter().collect();
            // And one of the team's own is an owner's to change.
            let owner = Some(app.user(app.team, Role::Owner).await);
            api_keys::create_key_of(&app.app, team, owner, "Old", scopes).await.unwrap().key.id.to_string()
        }
        Target::ApiRequest => app.add_api_request().await.to_string(),
        Target::Notification => app.add_notification().await.to_string(),
        Target::Team | Target::Member | Target::Invite | Target::Token => team.to_string(),
    };
    let mut texts = vec![
        ("{id}", id),
        ("{place}", "0".to_owned()),
        ("{fresh}", fresh.clone()),
        ("{short}", fresh[..20].to_owned()),
    ];
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

pub(super) fn filled(pattern: &str, texts: &[(&str, String)]) -> String {
    texts.iter().fold(pattern.to_owned(), |text, (name, value)| text.replace(name, value))
}

/// A new role of a team's own. Made past the store: there are more permissions than a team may have roles.
async fn role_of(app: &TestApp, team: TeamId, permission: Permission) -> Role {
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
async fn holder_of(app: &TestApp, team: TeamId, permission: Permission) -> Client {
    let user = new_holder(app, team, permission).await;
    app.browser_of(user, Some(team)).await
}

/// A key with every scope that somebody new made, whose role has this permission alone.
async fn bound_to_holder_of(app: &TestApp, team: TeamId, permission: Permission) -> Client {
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

/// What also needs the permission to view the thing, which it answers with or begins from.
const ALSO_READ: &[&str] = &["PUT /api/templates/{id}"];

/// The kinds of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Surface {
    Endpoints,
    OwnRoutes,
    Functions,
    Pages,
}

impl Surface {
    pub(super) const ALL: [Surface; 4] = [Self::Endpoints, Self::OwnRoutes, Self::Functions, Self::Pages];

    pub(super) const fn rows(self) -> &'static [Row] {
        match self {
            Self::Endpoints => ENDPOINTS,
            Self::OwnRoutes => OWN_ROUTES,
            Self::Functions => SERVER_FUNCTIONS,
            Self::Pages => PAGES,
        }
    }

    /// Sends a row's request with these texts in it; the answer's status and text.
    pub(super) async fn ask(self, client: &Client, row: &Row, texts: &[(&'static str, String)]) -> Answer {
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
    fn outcome(self, answer: &Answer) -> Outcome {
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
pub(super) fn every_row() -> Vec<(Surface, &'static Row)> {
    let rows = |surface: Surface| surface.rows().iter().map(move |row| (surface, row));
    Surface::ALL.into_iter().flat_map(rows).collect()
}

/// Checks one table.
async fn check(app: &TestApp, surface: Surface) {
    let mut wrong = Vec::new();
    for row in surface.rows() {
        let (route, needs, target, _) = row;
        for caller in CALLERS {
            let Some(mut wanted) = expected(caller, *needs, *target) else { continue };
            let is_key = matches!(caller, Caller::FullKey | Caller::OtherKey);
            if surface == Surface::Pages && wanted != Outcome::Open && (caller == Caller::Nobody || is_key) {
                wanted = Outcome::LogInPage;
            }
            let (client, texts) = prepare(app, caller, *target).await;
            let answer = surface.ask(&client, row, &texts).await;
            let found = surface.outcome(&answer);
            let is_open = !matches!(found, Outcome::LogInPage | Outcome::Other(500..));
            if found != wanted && !(wanted == Outcome::Open && is_open) {
                wrong.push(format!("{route} by {caller:?}: {found:?}, not {wanted:?} {}", start_of(&answer.text)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn start_of(text: &str) -> String {
    text.chars().take(160).collect()
}

/// The thing in Finch that a refused request is about. Nothing happens to it, so that many can share it.
async fn shared_target(app: &TestApp, target: Target) -> Vec<(&'static str, String)> {
    if target == Target::Team {
        return vec![("{id}", app.team.to_string()), ("{fresh}", random_token())];
    }
    prepare(app, Caller::Somebody(Role::Owner), target).await.1
}

/// Whether a permission lets its holder give others permissions: those must be held too, so that with it alone some
/// requests are refused in other words.
const fn gives_on(permission: Permission) -> bool {
    matches!(permission, ApiKeysCreate | TeamInvite | TeamUpdateRole | TeamRemoveMember)
}

#[tokio::test]
async fn every_route_is_in_a_table() {
    let listed = |rows: &[Row]| rows.iter().map(|row| row.0.to_owned()).collect::<BTreeSet<_>>();
    let document = serde_json::to_value(canary::openapi()).unwrap();
    let endpoints = document["paths"].as_object().unwrap().iter().flat_map(|(path, operations)| {
        operations.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    assert_eq!(endpoints.collect::<BTreeSet<_>>(), listed(ENDPOINTS));

    let functions = server_fn_paths().map(|(path, _)| path.trim_start_matches("/fn/").to_owned());
    assert_eq!(functions.collect::<BTreeSet<_>>(), listed(SERVER_FUNCTIONS));

    // The router makes them known.
    let database = TestDatabase::sqlite();
    let app = TestApp::start(&database.url()).await;
    let exclusions = server_fn_paths().map(|(path, _)| path.to_owned()).collect();
    let pages = leptos_axum::generate_route_list_with_exclusions(Pages, Some(exclusions));
    let pages = pages.iter().map(|page| page.path().to_owned()).filter(|path| !path.starts_with("/fn/"));
    assert_eq!(pages.collect::<BTreeSet<_>>(), listed(PAGES));
    app.store().close().await;
    database.remove().await;

    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/server/web")).unwrap();
    let source: String = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    let routes = source.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next());
    let own = OWN_ROUTES.iter().map(|row| row.0.trim_start_matches("GET "));
    assert_eq!(routes.collect::<BTreeSet<_>>(), own.chain(PATTERNS).collect::<BTreeSet<_>>());
}

on_both_databases! {
    async fn endpoints_answer_who_may_ask(app: TestApp) {
        app.add_adapter("Mail").await;
        check(&app, Surface::Endpoints).await;
        check(&app, Surface::OwnRoutes).await;
    }

    async fn server_functions_answer_who_may_ask(app: TestApp) {
        app.add_adapter("Mail").await;
        check(&app, Surface::Functions).await;
    }

    async fn pages_are_shown_to_who_may_see_them(app: TestApp) {
        check(&app, Surface::Pages).await;
    }

    async fn each_single_permission_opens_what_names_it_and_nothing_else(app: TestApp) {
        app.add_adapter("Mail").await;
        let mut singles = Vec::new();
        for permission in &Permission::ALL {
            singles.push((*permission, true, holder_of(&app, app.team, *permission).await));
            singles.push((*permission, false, app.program(&[*permission]).await));
            singles.push((*permission, false, bound_to_holder_of(&app, app.team, *permission).await));
        }
        let mut wrong = Vec::new();
        for (surface, row) in every_row() {
            let (opening, is_any_member_let_in) = match row.1 {
                Holds(permission) => (vec![permission], false),
                Following => (vec![LogsView], false),
                Member(permission) => (vec![permission], true),
                // One of two is not enough.
                Both(..) | PersonWith(..) => (Vec::new(), false),
                Nothing | Identity | Person | LogIn | SessionAlone => continue,
            };
            let is_page = surface == Surface::Pages;
            let texts = shared_target(&app, row.2).await;
            for (permission, is_person, client) in &singles {
                if opening.contains(permission) || (*is_person && is_any_member_let_in) || (!is_person && is_page) {
                    continue;
                }
                let is_followed = matches!(row.1, Following) && *permission == EmailsSend && !is_person;
                let wanted = if is_followed { Outcome::NotFound } else { Outcome::Forbidden };
                let answer = surface.ask(client, row, &texts).await;
                if surface.outcome(&answer) != wanted {
                    let who = if *is_person { "a role" } else { "a key" };
                    wrong.push(format!("{} by {who} with {}: {} {}", row.0, permission.as_str(), answer.status, start_of(&answer.text)));
                }
            }
            for permission in opening {
                for caller in [Caller::Holding(permission), Caller::Scoped(permission), Caller::Bound(permission)] {
                    if is_page && !matches!(caller, Caller::Holding(_)) {
                        continue;
                    }
                    let (client, texts) = prepare(&app, caller, row.2).await;
                    let answer = surface.ask(&client, row, &texts).await;
                    let found = surface.outcome(&answer);
                    let lacks_another = answer.text.contains("Missing");
                    let is_other_reason = found == Outcome::Forbidden
                        && if lacks_another { ALSO_READ.contains(&row.0) } else { gives_on(permission) };
                    if found != Outcome::Done && !is_other_reason {
                        wrong.push(format!("{} by {caller:?}: {found:?} {}", row.0, start_of(&answer.text)));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    async fn each_single_permission_in_one_team_opens_nothing_of_another(app: TestApp) {
        let mut elsewhere = Vec::new();
        for permission in &Permission::ALL {
            let scopes = [*permission].into_iter().collect();
            elsewhere.push((*permission, true, holder_of(&app, app.other_team, *permission).await));
            elsewhere.push((*permission, false, app.program_of(app.other_team, scopes).await));
        }
        let mut wrong = Vec::new();
        for (surface, row) in every_row() {
            let opening = match row.1 {
                Holds(permission) | Member(permission) => vec![permission],
                Following => vec![LogsView, EmailsSend],
                Both(one, other) | PersonWith(one, other) => vec![one, other],
                Nothing | Identity | Person | LogIn | SessionAlone => continue,
            };
            if matches!(row.2, Target::Own | Target::Token) {
                continue;
            }
            let texts = shared_target(&app, row.2).await;
            for (_, is_person, client) in elsewhere.iter().filter(|(permission, ..)| opening.contains(permission)) {
                if surface == Surface::Pages && !is_person {
                    continue;
                }
                let answer = surface.ask(client, row, &texts).await;
                let found = surface.outcome(&answer);
                if !matches!(found, Outcome::NotFound | Outcome::Forbidden | Outcome::Other(400..=409)) {
                    wrong.push(format!("{}: {found:?} {}", row.0, start_of(&answer.text)));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    async fn removed_members_and_keys_that_have_ended_get_nothing(app: TestApp) {
        let member = app.add_user("leaving@finch.example").await;
        accounts::add_member(&app.app, app.team, member, Role::Admin).await.unwrap();
        let removed = app.browser_of(member, Some(app.team)).await;
        app.store().delete_membership(app.team, member, None, app.now(), &app.event()).await.unwrap();
        let scopes = PermissionSet::all();
        let revoked = api_keys::create_key_of(&app.app, app.team, None, "Old", scopes).await.unwrap();
        app.store().revoke_api_key(app.team, revoked.key.id, app.now(), &app.event()).await.unwrap();
        let limits = KeyLimits { expires_at: Some(app.now() + TimeDelta::hours(1)), ..KeyLimits::default() };
        let new = NewApiKey { name: "Short".to_owned(), scopes, limits, belongs_to_team: true };
        let expired = api_keys::create_limited_key_of(&app.app, app.team, None, new).await.unwrap();
        app.advance(TimeDelta::hours(1));
        // Past the service, which revokes the keys of who is removed.
        let gone = app.add_user("gone@finch.example").await;
        accounts::add_member(&app.app, app.team, gone, Role::Owner).await.unwrap();
        let orphaned = app.program_bound_to(app.team, gone, scopes).await;
        let end = format!("DELETE FROM memberships WHERE team_id = {} AND user_id = {}", app.team.0, gone.0);
        app.store().try_statement(&end).await.unwrap();
        let with_key = |secret: &str| app.client().with("authorization", &format!("Bearer {secret}"));
        let callers = [
            ("a removed member", removed),
            ("a revoked key", with_key(&revoked.secret)),
            ("a key past its end", with_key(&expired.secret)),
            ("a key whose maker is no member", orphaned),
        ];
        let mut wrong = Vec::new();
        for (surface, row) in every_row() {
            if matches!(row.1, Nothing) {
                continue;
            }
            let wanted = if surface == Surface::Pages { Outcome::LogInPage } else { Outcome::Unauthorized };
            let texts = shared_target(&app, row.2).await;
            for (who, client) in &callers {
                let answer = surface.ask(client, row, &texts).await;
                let found = surface.outcome(&answer);
                if found != wanted {
                    wrong.push(format!("{} by {who}: {found:?} {}", row.0, start_of(&answer.text)));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

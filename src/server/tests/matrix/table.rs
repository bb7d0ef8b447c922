//! Every endpoint, route, server function and page: what a caller needs for it, and what it is about.

use Needs::{
    Both, Following, Identity, Member, Nothing, Permission as Holds, Person, PersonWith, Session as LogIn, SessionAlone,
};
use Permission::*;

use crate::domain::permission::Permission;

/// What a caller must be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Needs {
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
pub(crate) enum Target {
    /// None: the answer is about the caller's own team.
    Own,
    /// `{id}`, a message that failed.
    Email,
    /// `{id}`
    Template,
    /// `{id}`
    DeletedTemplate,
    /// `{id}`
    Adapter,
    /// `{id}`
    DeletedAdapter,
    /// `{id}`
    Webhook,
    /// `{id}`, and `{delivery}` of it, which was made.
    OutgoingWebhook,
    /// The same, switched off.
    OffWebhook,
    /// `{id}`, and the adapter that its provider can be asked with.
    ConnectableWebhook,
    /// `{id}`, one that runs.
    Import,
    /// `{id}`, a sealed address, which is `{fresh}@example.com`.
    Person,
    /// The same, of somebody who was forgotten.
    ForgottenPerson,
    /// `{id}`, one in force.
    Hold,
    /// `{id}`, one that stopped.
    StoppedImport,
    /// `{id}`
    Suppression,
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
    /// `{id}`, a bulk resend that runs.
    Resend,
    /// `{id}`, a bulk resend that is paused.
    PausedResend,
}

pub(crate) type Row = (&'static str, Needs, Target, &'static str);

/// Method and path, what it needs, what it is about, and a body for it.
pub(crate) const ENDPOINTS: &[Row] = &[
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
    ("GET /api/logs/resends", Holds(LogsView), Target::Own, ""),
    ("POST /api/logs/resends", Both(LogsView, LogsResend), Target::Email, r#"{"ids":["{id}"]}"#),
    ("GET /api/logs/resends/{id}", Holds(LogsView), Target::Resend, ""),
    ("GET /api/logs/resends/{id}/items", Holds(LogsView), Target::Resend, ""),
    ("POST /api/logs/resends/{id}/pause", Both(LogsView, LogsResend), Target::Resend, ""),
    ("POST /api/logs/resends/{id}/resume", Both(LogsView, LogsResend), Target::PausedResend, ""),
    ("POST /api/logs/resends/{id}/stop", Both(LogsView, LogsResend), Target::Resend, ""),
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
    ("POST /api/v1/bounces", Holds(EventsWrite), Target::Own, "Subject: nothing"),
    ("GET /api/v1/{id}/status", Following, Target::Email, ""),
    ("POST /api/teams", Person, Target::Own, r#"{"name":"New"}"#),
    ("GET /api/teams/{id}", Identity, Target::Team, ""),
    ("PUT /api/teams/{id}", Holds(TeamUpdate), Target::Team, r#"{"name":"Renamed"}"#),
    ("DELETE /api/teams/{id}", Holds(TeamDelete), Target::Team, ""),
    ("GET /api/teams/{id}/retention", Identity, Target::Team, ""),
    ("PUT /api/teams/{id}/retention", Holds(TeamUpdate), Target::Team, r#"{"messagesDays":365}"#),
    ("GET /api/teams/{id}/tracking", Identity, Target::Team, ""),
    ("PUT /api/teams/{id}/tracking", Holds(TeamUpdate), Target::Team, r#"{"tracksOpens":true,"tracksClicks":false}"#),
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
    ("GET /api/suppressions", Holds(SuppressionsView), Target::Own, ""),
    ("POST /api/suppressions", Holds(SuppressionsUpdate), Target::Own, r#"{"addresses":["{fresh}@example.com"]}"#),
    ("GET /api/suppressions/{id}", Holds(SuppressionsView), Target::Suppression, ""),
    ("POST /api/suppressions/{id}/lift", Holds(SuppressionsUpdate), Target::Suppression, r#"{"reason":"asked"}"#),
    ("GET /api/webhooks", Holds(WebhooksView), Target::Own, ""),
    ("POST /api/webhooks", Holds(WebhooksCreate), Target::Own, r#"{"name":"{fresh}","url":"https://a.example/hook"}"#),
    ("GET /api/webhooks/{id}", Holds(WebhooksView), Target::OutgoingWebhook, ""),
    ("PUT /api/webhooks/{id}", Holds(WebhooksUpdate), Target::OutgoingWebhook, r#"{"name":"{fresh}"}"#),
    ("DELETE /api/webhooks/{id}", Holds(WebhooksDelete), Target::OutgoingWebhook, ""),
    ("POST /api/webhooks/{id}/rotate", Holds(WebhooksUpdate), Target::OutgoingWebhook, ""),
    ("GET /api/webhooks/{id}/deliveries", Holds(WebhooksView), Target::OutgoingWebhook, ""),
    ("GET /api/webhooks/{id}/deliveries/{delivery}", Holds(WebhooksView), Target::OutgoingWebhook, ""),
    ("POST /api/webhooks/{id}/deliveries/{delivery}/replay", Holds(WebhooksUpdate), Target::OutgoingWebhook, ""),
    (
        "POST /api/webhooks/{id}/replay",
        Holds(WebhooksUpdate),
        Target::OutgoingWebhook,
        r#"{"from":"2024-01-20T00:00:00Z","to":"2024-01-21T00:00:00Z"}"#,
    ),
    ("POST /api/webhooks/{id}/test", Holds(WebhooksUpdate), Target::OutgoingWebhook, ""),
    ("GET /api/api-keys", Holds(ApiKeysView), Target::Own, ""),
    ("POST /api/api-keys", Holds(ApiKeysCreate), Target::Own, r#"{"name":"New","scopes":["adapters:view"]}"#),
    ("DELETE /api/api-keys/{id}", Holds(ApiKeysRevoke), Target::ApiKey, ""),
    ("GET /api/api-keys/{id}", Holds(ApiKeysView), Target::ApiKey, ""),
    ("PUT /api/api-keys/{id}", Holds(ApiKeysCreate), Target::ApiKey, r#"{"name":"Renamed","rateLimit":5}"#),
    ("POST /api/api-keys/{id}/rotate", Holds(ApiKeysCreate), Target::ApiKey, r#"{"overlapSeconds":60}"#),
    ("GET /api/audit", Holds(AuditView), Target::Own, ""),
];

/// What the router itself answers, beside the APIs, the pages and the server functions.
pub(crate) const OWN_ROUTES: &[Row] = &[
    ("GET /", Nothing, Target::Own, ""),
    ("GET /health", Nothing, Target::Own, ""),
    ("GET /health/live", Nothing, Target::Own, ""),
    ("GET /health/ready", Nothing, Target::Own, ""),
    ("GET /metrics", Nothing, Target::Own, ""),
    ("POST /hooks/{provider}/{token}", Nothing, Target::Own, ""),
    ("GET /t/o/{token}", Nothing, Target::Own, ""),
    ("GET /t/c/{token}", Nothing, Target::Own, ""),
    ("GET /u/{token}", Nothing, Target::Own, ""),
    ("POST /u/{token}", Nothing, Target::Own, "List-Unsubscribe=One-Click"),
    ("GET /logs/{id}/body", Holds(LogsView), Target::Email, ""),
    ("GET /logs/{id}/attachments/{place}", Both(LogsView, LogsReveal), Target::Email, ""),
    ("GET /settings/audit/export", Holds(AuditView), Target::Own, ""),
    ("GET /settings/suppressions/export", Both(SuppressionsView, LogsExport), Target::Own, ""),
    ("GET /settings/privacy/export/{id}", Holds(PrivacyExport), Target::Person, ""),
    ("GET /login/openid", Nothing, Target::Own, ""),
    ("GET /login/openid/callback", Nothing, Target::Own, ""),
    ("GET /logs/export", Both(LogsExport, LogsView), Target::Own, ""),
    ("GET /logs/live", Holds(LogsView), Target::Own, ""),
    ("GET /logs/suggest", Holds(LogsView), Target::Own, ""),
    ("GET /templates/preview", Holds(TemplatesView), Target::Own, ""),
];

/// The endpoints that are posted to by those who may send.
pub(crate) fn native_posts_of_senders() -> Vec<&'static str> {
    let rows = ENDPOINTS.iter().filter(|row| matches!(row.1, Holds(EmailsSend)));
    rows.filter_map(|row| row.0.strip_prefix("POST ")).collect()
}

/// What the router knows beside: the server functions, and what of our own API is not there.
pub(crate) const PATTERNS: [&str; 3] = ["ANY /api", "ANY /api/{*path}", "ANY /fn/{*name}"];

/// Server functions, with their arguments as a form sends them.
pub(crate) const SERVER_FUNCTIONS: &[Row] = &[
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
    ("set_list_view", Nothing, Target::Own, "dense=1&status=1"),
    ("set_theme", Nothing, Target::Own, "theme=dark"),
    ("discard_draft", Nothing, Target::Own, "id=template"),
    ("join_team", LogIn, Target::Token, "token={token}"),
    ("switch_team", LogIn, Target::Team, "team={id}"),
    ("load_layout", Identity, Target::Own, ""),
    ("load_api_document", Identity, Target::Own, ""),
    ("load_help", Identity, Target::Own, "topic=search"),
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
    ("load_log_frame", Holds(LogsView), Target::Own, "choice[preset]=today"),
    ("load_logs", Holds(LogsView), Target::Own, "choice[preset]=today&statuses=0&page=1"),
    ("load_email", Holds(LogsView), Target::Email, "id={id}"),
    ("load_cancel", Both(LogsView, EmailsSend), Target::Own, "address="),
    ("cancel_chosen", Both(LogsView, EmailsSend), Target::Own, "ids=eml_0000000000001"),
    ("load_peek", Holds(LogsView), Target::Email, "id={id}"),
    ("reveal_email", PersonWith(LogsReveal, LogsView), Target::Email, "id={id}&reason=Ticket 4711"),
    ("resend_email", Holds(LogsResend), Target::Email, "id={id}"),
    ("load_resend_change", Both(LogsView, LogsResend), Target::Email, "id={id}"),
    ("check_resend", Both(LogsView, LogsResend), Target::Email, "id={id}"),
    // What was looked at: a resend without a change.
    (
        "resend_changed",
        Both(LogsView, LogsResend),
        Target::Email,
        "id={id}&checked=aef5d1589054525147389741ec7c722d61aa90f62d317e4dc4c8d3ceddce40dd",
    ),
    ("load_new_resend", Both(LogsView, LogsResend), Target::Email, "address=ids={id}"),
    ("create_resend", Both(LogsView, LogsResend), Target::Email, "address=ids={id}&per_minute=60"),
    ("load_resends", Holds(LogsView), Target::Own, ""),
    ("load_resend", Holds(LogsView), Target::Resend, "id={id}&page=1"),
    ("steer_resend", Both(LogsView, LogsResend), Target::Resend, "id={id}&step=pause"),
    ("load_notification", Holds(LogsView), Target::Notification, "id={id}"),
    ("load_requests", Holds(RequestsView), Target::Own, "choice[preset]=today&filter[method]=GET"),
    ("load_request", Holds(RequestsView), Target::ApiRequest, "id={id}"),
    ("reveal_request", PersonWith(LogsReveal, RequestsView), Target::ApiRequest, "id={id}&reason=Ticket 4711"),
    ("load_connect", Identity, Target::Own, ""),
    ("load_templates", Holds(TemplatesView), Target::Own, ""),
    ("load_template_choices", Holds(LogsView), Target::Own, "part="),
    ("load_new_template", Holds(TemplatesCreate), Target::Own, ""),
    ("load_template", Holds(TemplatesView), Target::Template, "id={id}"),
    ("create_template", Holds(TemplatesCreate), Target::Own, "name={fresh}&subject=s&html=&text=t"),
    ("update_template", Holds(TemplatesUpdate), Target::Template, "id={id}&name={fresh}&subject=s&html=&text=t"),
    ("preview_template", Holds(TemplatesView), Target::Own, "subject=s&text=t"),
    ("test_template", PersonWith(TemplatesView, EmailsSend), Target::Own, "subject=s&text=t"),
    ("delete_template", Holds(TemplatesDelete), Target::Template, "id={id}"),
    ("restore_template", Holds(TemplatesDelete), Target::DeletedTemplate, "id={id}"),
    ("load_adapters", Holds(AdaptersView), Target::Own, ""),
    ("load_new_adapter", Holds(AdaptersCreate), Target::Own, ""),
    ("load_adapter", Holds(AdaptersUpdate), Target::Adapter, "id={id}"),
    (
        "create_adapter",
        Holds(AdaptersCreate),
        Target::Own,
        "name={fresh}&kind=smtp&smtp[host]=a.example&from_address=a@b.example",
    ),
    ("delete_adapter", Holds(AdaptersDelete), Target::Adapter, "id={id}"),
    ("restore_adapter", Holds(AdaptersDelete), Target::DeletedAdapter, "id={id}"),
    (
        "update_adapter",
        Holds(AdaptersUpdate),
        Target::Adapter,
        "id={id}&kind=smtp&name={fresh}&from_address=a@b.example",
    ),
    ("test_adapter", Holds(AdaptersUpdate), Target::Adapter, "id={id}&to=a@b.example"),
    ("make_default_adapter", Holds(AdaptersUpdate), Target::Adapter, "id={id}"),
    ("move_adapter", Holds(AdaptersUpdate), Target::Adapter, "id={id}&direction=up"),
    ("load_provider_webhooks", Holds(AdaptersView), Target::Own, ""),
    ("load_provider_webhook", Holds(AdaptersView), Target::Webhook, "id={id}"),
    ("create_provider_webhook", Holds(AdaptersCreate), Target::Own, "provider=sendgrid"),
    ("update_provider_webhook", Holds(AdaptersUpdate), Target::Webhook, "id={id}&name={fresh}"),
    ("connect_provider_webhook", Holds(AdaptersUpdate), Target::ConnectableWebhook, "id={id}"),
    ("delete_provider_webhook", Holds(AdaptersDelete), Target::Webhook, "id={id}"),
    ("load_webhooks", Holds(WebhooksView), Target::Own, ""),
    ("load_webhook", Holds(WebhooksView), Target::OutgoingWebhook, "id={id}"),
    ("load_delivery", Holds(WebhooksView), Target::OutgoingWebhook, "id={id}&delivery={delivery}"),
    ("create_webhook", Holds(WebhooksCreate), Target::Own, "name={fresh}&url=https://a.example/hook&shape=sendlog"),
    (
        "update_webhook",
        Holds(WebhooksUpdate),
        Target::OutgoingWebhook,
        "id={id}&name={fresh}&url=https://b.example/hook&shape=resend&on=1",
    ),
    ("enable_webhook", Holds(WebhooksUpdate), Target::OffWebhook, "id={id}"),
    ("rotate_webhook_secret", Holds(WebhooksUpdate), Target::OutgoingWebhook, "id={id}"),
    ("test_webhook", Holds(WebhooksUpdate), Target::OutgoingWebhook, "id={id}"),
    ("replay_delivery", Holds(WebhooksUpdate), Target::OutgoingWebhook, "id={id}&delivery={delivery}"),
    (
        "replay_deliveries",
        Holds(WebhooksUpdate),
        Target::OutgoingWebhook,
        "id={id}&from=2024-01-20T00:00&to=2024-01-21T00:00&which=all",
    ),
    ("delete_webhook", Holds(WebhooksDelete), Target::OutgoingWebhook, "id={id}"),
    ("load_imports", Holds(AdaptersView), Target::Own, ""),
    (
        "start_import",
        Holds(AdaptersUpdate),
        Target::Own,
        "source=sendgrid&base=http://127.0.0.1:9&account=&key={fresh}&days=3",
    ),
    ("import_file", Holds(AdaptersUpdate), Target::Own, "source=sendgrid&file=msg_id,email%0A{fresh},a@example.com"),
    ("stop_import", Holds(AdaptersUpdate), Target::Import, "id={id}"),
    ("resume_import", Holds(AdaptersUpdate), Target::StoppedImport, "id={id}&key="),
    ("delete_import", Holds(AdaptersUpdate), Target::Import, "id={id}"),
    ("load_privacy", Member(HoldsUpdate), Target::Own, ""),
    ("look_up_person", Holds(PrivacyExport), Target::Own, "address={fresh}@example.com"),
    ("load_person", Holds(PrivacyExport), Target::Person, "id={id}"),
    ("forget_person", Both(PrivacyExport, PrivacyForget), Target::Person, "of={id}&typed={fresh}@example.com"),
    ("write_to_person_again", Both(PrivacyExport, PrivacyForget), Target::ForgottenPerson, "of={id}"),
    (
        "place_hold",
        Holds(HoldsUpdate),
        Target::Own,
        "name={fresh}&reason=asked&scope=address&address={fresh}@example.com",
    ),
    ("lift_hold", Holds(HoldsUpdate), Target::Hold, "id={id}&reason=asked"),
    ("load_suppressions", Holds(SuppressionsView), Target::Own, ""),
    ("add_suppressions", Holds(SuppressionsUpdate), Target::Own, "addresses={fresh}@example.com&reason=manual"),
    ("lift_suppression", Holds(SuppressionsUpdate), Target::Suppression, "id={id}&reason=asked"),
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
    ("update_tracking", Holds(TeamUpdate), Target::Own, "tracks_opens=on"),
    ("delete_team", Holds(TeamDelete), Target::Team, "team={id}&name={fresh}"),
    ("load_roles", Member(TeamUpdateRole), Target::Own, ""),
    ("save_role_grid", Holds(TeamUpdateRole), Target::Own, ""),
    ("load_role", Member(TeamUpdateRole), Target::Role, "role={role}"),
    ("create_role", Holds(TeamUpdateRole), Target::Own, "name={short}&from=viewer"),
    ("rename_role", Holds(TeamUpdateRole), Target::Role, "role={role}&name={short}"),
    ("delete_role", Holds(TeamUpdateRole), Target::Role, "role={role}&successor=viewer"),
];

/// Pages. Nobody and keys are sent to the log-in page, unless the page needs nothing.
pub(crate) const PAGES: &[Row] = &[
    ("/login", Nothing, Target::Own, ""),
    ("/login/code", Nothing, Target::Own, ""),
    ("/forgot", Nothing, Target::Own, ""),
    ("/reset/{token}", Nothing, Target::Token, ""),
    ("/setup", Nothing, Target::Own, ""),
    ("/invite/{token}", Nothing, Target::Token, ""),
    ("/logs", Holds(LogsView), Target::Own, ""),
    ("/logs/cancel", Both(LogsView, EmailsSend), Target::Own, ""),
    ("/logs/templates", Holds(LogsView), Target::Own, ""),
    ("/logs/{id}", Holds(LogsView), Target::Email, ""),
    ("/logs/{id}/resend", Both(LogsView, LogsResend), Target::Email, ""),
    ("/resends", Holds(LogsView), Target::Own, ""),
    ("/resends/new", Both(LogsView, LogsResend), Target::Own, ""),
    ("/resends/{id}", Holds(LogsView), Target::Resend, ""),
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
    ("/settings/provider-webhooks", Holds(AdaptersView), Target::Own, ""),
    ("/settings/provider-webhooks/{id}", Holds(AdaptersView), Target::Webhook, ""),
    ("/settings/webhooks", Holds(WebhooksView), Target::Own, ""),
    ("/settings/webhooks/{id}", Holds(WebhooksView), Target::OutgoingWebhook, ""),
    ("/settings/webhooks/{id}/deliveries/{delivery}", Holds(WebhooksView), Target::OutgoingWebhook, ""),
    ("/settings/imports", Holds(AdaptersView), Target::Own, ""),
    ("/settings/privacy", Person, Target::Own, ""),
    ("/settings/privacy/person/{id}", Holds(PrivacyExport), Target::Person, ""),
    ("/settings/suppressions", Holds(SuppressionsView), Target::Own, ""),
    ("/settings/api-keys", Holds(ApiKeysView), Target::Own, ""),
    ("/settings/api-keys/{id}", Holds(ApiKeysView), Target::ApiKey, ""),
    ("/settings/audit", Holds(AuditView), Target::Own, ""),
    ("/api-docs", Person, Target::Own, ""),
    ("/help/{topic}", Person, Target::Own, ""),
];

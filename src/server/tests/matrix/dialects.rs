//! Who may do what through the dialects: every endpoint × nobody, a wrong key, one that has ended, one for another API, a
//! browser's session, a key with each single permission, a key of another team. An endpoint that is in no table here fails the first test.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::*;
use super::engine::webhook_of;
use crate::domain::api_key::{CreatedApiKey, KeyApi, KeyLimits};
use crate::domain::ids::SuppressionId;
use crate::domain::webhook::WebhookShape;
use crate::server::api::Api;
use crate::server::services::api_keys::NewApiKey;
use crate::server::web::api_routes;
use Permission::{
    EmailsSend, LogsResend, LogsView, RequestsView, SuppressionsUpdate, SuppressionsView, WebhooksCreate,
    WebhooksDelete, WebhooksUpdate, WebhooksView,
};

/// What a request is about, made anew for each request. It fills the variable part of the path and `{id}` of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// The caller's own team.
    Own,
    /// A message that failed.
    Email,
    /// A message that failed, which the caller's key accepted.
    Sent,
    /// A request to an API.
    Request,
    /// An address that is not written to.
    Suppression,
    /// A webhook in the dialect's shape.
    Webhook,
}

/// Method and path with `{}` for what varies and `{client}` for the key's id; any of the permissions opens it; a body.
pub(crate) type Row = (&'static str, &'static [Permission], About, &'static str);

const SENDWITHUS: &[Row] = &[
    ("GET /logs", &[LogsView], About::Own, ""),
    ("GET /logs/{}", &[LogsView, EmailsSend], About::Sent, ""),
    ("GET /logs/{}/events", &[LogsView, EmailsSend], About::Sent, ""),
    ("POST /resend", &[LogsResend], About::Email, r#"{"log_id":"{id}"}"#),
    ("POST /send", &[EmailsSend], About::Own, r#"{"email_id":"Receipt","recipient":{"address":"a@b.example"}}"#),
    ("GET /customers/{}/logs", &[LogsView], About::Own, ""),
];

const RESEND: &[Row] = &[
    ("GET /logs", &[RequestsView], About::Own, ""),
    ("GET /logs/{}", &[RequestsView], About::Request, ""),
    (
        "POST /emails",
        &[EmailsSend],
        About::Own,
        r#"{"from":"a@b.example","to":"c@d.example","subject":"s","text":"t"}"#,
    ),
    (
        "POST /emails/batch",
        &[EmailsSend],
        About::Own,
        r#"[{"from":"a@b.example","to":"c@d.example","subject":"s","text":"t"}]"#,
    ),
    ("GET /emails", &[LogsView], About::Own, ""),
    ("GET /emails/{}", &[LogsView], About::Email, ""),
    ("PATCH /emails/{}", &[EmailsSend], About::Sent, r#"{"scheduled_at":"2024-01-21T12:00:00Z"}"#),
    ("POST /emails/{}/cancel", &[EmailsSend], About::Sent, ""),
    ("GET /suppressions", &[SuppressionsView], About::Own, ""),
    ("POST /suppressions", &[SuppressionsUpdate], About::Own, r#"{"email":"c@d.example"}"#),
    ("GET /suppressions/{}", &[SuppressionsView], About::Suppression, ""),
    ("DELETE /suppressions/{}", &[SuppressionsUpdate], About::Suppression, ""),
    ("POST /suppressions/batch/add", &[SuppressionsUpdate], About::Own, r#"{"emails":["c@d.example"]}"#),
    ("POST /suppressions/batch/remove", &[SuppressionsUpdate], About::Own, r#"{"emails":["c@d.example"]}"#),
    ("GET /webhooks", &[WebhooksView], About::Own, ""),
    (
        "POST /webhooks",
        &[WebhooksCreate],
        About::Own,
        r#"{"endpoint":"https://a.example/hook","events":["email.sent"]}"#,
    ),
    ("GET /webhooks/{}", &[WebhooksView], About::Webhook, ""),
    ("PATCH /webhooks/{}", &[WebhooksUpdate], About::Webhook, r#"{"status":"disabled"}"#),
    ("DELETE /webhooks/{}", &[WebhooksDelete], About::Webhook, ""),
];

const JETEMAIL: &[Row] = &[
    ("GET /outbound/logs", &[LogsView], About::Own, ""),
    ("GET /outbound/logs/uid", &[LogsView], About::Email, ""),
    ("POST /email", &[EmailsSend], About::Own, r#"{"from":"a@b.example","to":"c@d.example","subject":"s","text":"t"}"#),
    (
        "POST /email-batch",
        &[EmailsSend],
        About::Own,
        r#"{"emails":[{"from":"a@b.example","to":"c@d.example","subject":"s","text":"t"}]}"#,
    ),
];

const NOTIFICATIONAPI: &[Row] = &[
    (
        "POST /{client}/sender",
        &[EmailsSend],
        About::Own,
        r#"{"type":"greeting","to":{"id":"a","email":"a@b.example"},"email":{"subject":"s","html":"h"}}"#,
    ),
    ("POST /{client}/sender/retract", &[EmailsSend], About::Own, r#"{"notificationId":"greeting","userId":"a"}"#),
    ("PATCH /{client}/schedule/{}", &[EmailsSend], About::Sent, r#"{"schedule":"2024-01-21T12:00:00Z"}"#),
    ("DELETE /{client}/schedule/{}", &[EmailsSend], About::Sent, ""),
    ("POST /{client}/logs/query", &[LogsView], About::Own, "{}"),
];

/// A dialect's endpoints.
pub(crate) fn rows(dialect: Api) -> &'static [Row] {
    match dialect {
        Api::Sendlog => unreachable!("its table is the authorization matrix"),
        Api::Sendwithus => SENDWITHUS,
        Api::Resend => RESEND,
        Api::Jetemail => JETEMAIL,
        Api::Notificationapi => NOTIFICATIONAPI,
    }
}

/// Endpoints that ask nothing of the caller themselves: a batch's requests are asked one by one.
const OPEN: [(Api, &str); 1] = [(Api::Sendwithus, "POST /batch")];

/// The endpoints that are posted to by those who may send.
pub(crate) fn posts_of_senders(dialect: Api) -> Vec<&'static str> {
    let rows = rows(dialect).iter().filter(|row| row.1.contains(&EmailsSend));
    rows.filter_map(|row| row.0.strip_prefix("POST ")).collect()
}

/// A path with `{}` for each variable part but the key's id.
pub(crate) fn plain(path: &str) -> String {
    let part = |part: &str| match part.strip_prefix('{') {
        Some("clientId}" | "client_id}" | "client}") => "{client}".to_owned(),
        Some(_) => "{}".to_owned(),
        None => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn every_endpoint_of_a_dialect_is_in_a_table() {
    let database = TestDatabase::sqlite();
    let app = TestApp::start(&database.url()).await;
    for dialect in Api::OTHERS {
        let own_address = routes_of(&api_routes::at_own_address(&app.app, dialect)).into_iter();
        let own_address = own_address.map(|route| route.without(dialect.own_prefix()));
        for routes in [app.dialect_routes(dialect), own_address.collect()] {
            let found = routes.into_iter().map(|route| format!("{} {}", route.method, plain(&route.path)));
            let open = OPEN.iter().filter(|(of, _)| *of == dialect).map(|(_, route)| (*route).to_owned());
            let listed = rows(dialect).iter().map(|row| row.0.to_owned()).chain(open);
            let listed = listed.chain(["GET /openapi.json".to_owned()]);
            assert_eq!(found.collect::<BTreeSet<_>>(), listed.collect::<BTreeSet<_>>(), "{dialect:?}");
        }
    }
    app.store().close().await;
    database.remove().await;
}

/// A client that carries the key as the system's clients do.
pub(crate) fn with_key(app: &TestApp, dialect: Api, key: &CreatedApiKey) -> Client {
    let basic = |user: &str, password: &str| format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    let authorization = match dialect {
        Api::Sendwithus => basic(&key.secret, ""),
        Api::Sendlog | Api::Resend | Api::Jetemail => format!("Bearer {}", key.secret),
        Api::Notificationapi => basic(&key.key.id.to_string(), &key.secret),
    };
    app.client().with("authorization", &authorization)
}

pub(crate) async fn new_key(app: &TestApp, team: TeamId, scopes: PermissionSet) -> CreatedApiKey {
    api_keys::create_key_of(&app.app, team, None, "Test", scopes).await.unwrap()
}

/// A key of Finch with every scope and these limits.
async fn limited_key(app: &TestApp, limits: KeyLimits) -> CreatedApiKey {
    let new = NewApiKey { name: "Test".to_owned(), scopes: PermissionSet::all(), limits, belongs_to_team: true };
    api_keys::create_limited_key_of(&app.app, app.team, None, new).await.unwrap()
}

/// A key of Finch with `emails:send` and these scopes.
async fn key_that_sends(app: &TestApp, more: &[Permission]) -> CreatedApiKey {
    new_key(app, app.team, more.iter().copied().chain([EmailsSend]).collect()).await
}

/// Sends a row's request about something of Finch's.
async fn ask(app: &TestApp, dialect: Api, row: &Row, client: Client, key: &CreatedApiKey) -> Answer {
    ask_by(app, dialect, row, client, key, key).await
}

/// The same about what `key` sent, where `caller` asks.
async fn ask_by(
    app: &TestApp,
    dialect: Api,
    row: &Row,
    client: Client,
    key: &CreatedApiKey,
    caller: &CreatedApiKey,
) -> Answer {
    prepared(app, dialect, row, key, caller).await.by(client).await
}

/// A row's request, with something of Finch's to be about.
pub(crate) struct Prepared {
    method: &'static str,
    /// The whole address.
    pub(crate) path: String,
    body: Option<String>,
}

impl Prepared {
    /// Sends it.
    pub(crate) async fn by(&self, client: Client) -> Answer {
        client.with("user-agent", "matrix/1.0").send(self.method, &self.path, self.body.clone()).await
    }
}

/// Makes what a row's request is about, sent by `key` where that matters.
pub(crate) async fn prepared(
    app: &TestApp,
    dialect: Api,
    row: &Row,
    key: &CreatedApiKey,
    caller: &CreatedApiKey,
) -> Prepared {
    let (route, _, about, body) = row;
    let id = match about {
        About::Own => "ada@finch.example".to_owned(),
        About::Email => app.add_message(Message::with_status(EmailStatus::Failed)).await.to_string(),
        About::Sent => {
            let message = Message { key: Some(key.key.id), ..Message::with_status(EmailStatus::Failed) };
            app.add_message(message).await.to_string()
        }
        About::Suppression => {
            let fresh = app.id_at::<SuppressionId>(app.now());
            app.add_suppression(&format!("{}@f.example", fresh.0)).await.to_string()
        }
        About::Webhook => webhook_of(app, WebhookShape::ResendCom, true).await.to_string(),
        About::Request => {
            let program = app.program(&[LogsView]).await;
            program.get("/api/logs").await;
            app.app.request_log.flush().await;
            let (filter, newest) = (Default::default(), crate::domain::page::Cursor::Newest);
            app.store().list_api_requests(app.team, &filter, newest, 1).await.unwrap().items[0].id.to_string()
        }
    };
    let (method, path) = route.split_once(' ').unwrap();
    let path = path.replace("{client}", &caller.key.id.to_string()).replace("{}", &id);
    let query = if path.ends_with("/uid") { format!("?uid={id}") } else { String::new() };
    let body = Some(body.replace("{id}", &id)).filter(|body| !body.is_empty());
    Prepared { method, path: format!("{}{path}{query}", dialect.prefix()), body }
}

on_both_databases! {
    async fn a_key_opens_what_its_scopes_say(app: TestApp) {
        app.add_adapter("Mail").await;
        app.add_template("Receipt").await;
        let mut wrong = Vec::new();
        for permission in &Permission::ALL {
            let key = new_key(&app, app.team, [*permission].into_iter().collect()).await;
            for dialect in Api::OTHERS {
                for row in rows(dialect) {
                    let answer = ask(&app, dialect, row, with_key(&app, dialect, &key), &key).await;
                    let is_refused = matches!(answer.status, 401 | 403);
                    let is_right = is_refused != row.1.contains(permission) && answer.status < 500 && answer.status != 404;
                    if !is_right {
                        wrong.push(format!("{dialect:?} {} by {}: {} {}", row.0, permission.as_str(), answer.status, answer.text));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    async fn a_key_that_only_sends_finds_its_own_messages_alone(app: TestApp) {
        let (mine, other) = (key_that_sends(&app, &[]).await, key_that_sends(&app, &[]).await);
        let seeing = key_that_sends(&app, &[LogsView]).await;
        let mut wrong = Vec::new();
        for dialect in Api::OTHERS {
            for row in rows(dialect).iter().filter(|row| row.2 == About::Sent) {
                for (who, caller, is_found) in [("its own", &mine, true), ("another", &other, false), ("a seeing", &seeing, true)] {
                    let answer = ask_by(&app, dialect, row, with_key(&app, dialect, caller), &mine, caller).await;
                    if (answer.status == 404) == is_found || matches!(answer.status, 401 | 403 | 500..) {
                        wrong.push(format!("{dialect:?} {} by {who} key: {} {}", row.0, answer.status, answer.text));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    async fn a_key_is_bound_by_its_maker_in_every_dialect(app: TestApp) {
        app.add_adapter("Mail").await;
        app.add_template("Receipt").await;
        let user = app.user(app.team, Role::Admin).await;
        let scopes = PermissionSet::all();
        let bound = api_keys::create_key_of(&app.app, app.team, Some(user), "Bound", scopes).await.unwrap();
        let mut wrong = Vec::new();
        for role in [Role::Admin, Role::Viewer, Role::Admin] {
            app.store().update_member_role(app.team, user, role, &app.event()).await.unwrap();
            for dialect in Api::OTHERS {
                for row in rows(dialect) {
                    let answer = ask(&app, dialect, row, with_key(&app, dialect, &bound), &bound).await;
                    let may = row.1.iter().any(|permission| permission.granted_by_default(role));
                    if may == matches!(answer.status, 401 | 403) || answer.status >= 500 {
                        wrong.push(format!("{dialect:?} {} of a {role}: {} {}", row.0, answer.status, answer.text));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    async fn nobody_gets_in_without_a_key(app: TestApp) {
        let owner = app.sign_in(Role::Owner).await;
        let full = new_key(&app, app.team, PermissionSet::all()).await;
        let revoked = new_key(&app, app.team, PermissionSet::all()).await;
        app.store().revoke_api_key(app.team, revoked.key.id, app.now(), &app.event()).await.unwrap();
        let limits = KeyLimits { expires_at: Some(app.now() + TimeDelta::hours(1)), ..KeyLimits::default() };
        let expired = limited_key(&app, limits).await;
        app.advance(TimeDelta::hours(1));
        let unknown = CreatedApiKey { secret: "sl_unknown".to_owned(), ..full.clone() };
        let mut wrong = Vec::new();
        for dialect in Api::OTHERS {
            for row in rows(dialect) {
                for (caller, client) in [
                    ("nobody", app.client()),
                    ("a browser", owner.clone()),
                    ("an unknown key", with_key(&app, dialect, &unknown)),
                    ("a revoked key", with_key(&app, dialect, &revoked)),
                    ("a key past its end", with_key(&app, dialect, &expired)),
                ] {
                    let answer = ask(&app, dialect, row, client, &full).await;
                    if !matches!(answer.status, 401 | 403) {
                        wrong.push(format!("{dialect:?} {} by {caller}: {} {}", row.0, answer.status, answer.text));
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    async fn a_key_is_heard_by_the_apis_it_is_for_alone(app: TestApp) {
        app.add_adapter("Mail").await;
        app.add_template("Receipt").await;
        let mut wrong = Vec::new();
        for api in KeyApi::ALL {
            let key = limited_key(&app, KeyLimits { apis: Some(vec![api]), ..KeyLimits::default() }).await;
            for dialect in Api::OTHERS {
                for row in rows(dialect) {
                    let answer = ask(&app, dialect, row, with_key(&app, dialect, &key), &key).await;
                    let words = format!("This key is not for the {} API.", dialect.label());
                    let is_refused = answer.status == 403 && answer.text.contains(&words);
                    if is_refused == (dialect == api) || answer.status == 401 {
                        wrong.push(format!("{dialect:?} {} for {api:?}: {} {}", row.0, answer.status, answer.text));
                    }
                }
            }
            let native = app.client().with("authorization", &format!("Bearer {}", key.secret)).get("/api/logs").await;
            if (native.status == 403) == (api == KeyApi::Sendlog) {
                wrong.push(format!("GET /api/logs for {api:?}: {} {}", native.status, native.text));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    async fn another_teams_things_are_not_there(app: TestApp) {
        let stranger = new_key(&app, app.other_team, PermissionSet::all()).await;
        let mut wrong = Vec::new();
        for dialect in Api::OTHERS {
            for row in rows(dialect).iter().filter(|row| row.2 != About::Own) {
                let answer = ask(&app, dialect, row, with_key(&app, dialect, &stranger), &stranger).await;
                if answer.status != 404 {
                    wrong.push(format!("{dialect:?} {}: {} {}", row.0, answer.status, answer.text));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

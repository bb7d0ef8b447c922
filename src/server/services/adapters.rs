//! Adapters: mail servers, providers, and addresses that other channels' messages are posted to. Called by `/settings/adapters`,
//! `/api/adapters` and the command line. User names, passwords and tokens are sealed before they are kept. Passwords and
//! tokens are never given back; a user name is, to who may change the adapter.

mod address;
mod draft;
mod order;
mod test;

use serde_json::{Value, json};
use tracing::info;

pub use self::address::GivenAddress;
use self::address::{Address, Secret};
pub use self::draft::draft_of;
pub use self::order::{list_down, make_default, move_adapter};
pub(super) use self::test::try_message;
pub use self::test::{TestOutcome, send_test};

use super::{audit, checked_name};
use crate::domain::adapter::fault::AdapterFault;
use crate::domain::adapter::form::{AddressForm, KeptLogIn, SENDER_WORDS};
use crate::domain::adapter::{Adapter, AdapterKind, Lane, LastTest};
use crate::domain::audit::{AuditAction, AuditEntry, AuditFilter, TEST_TAKEN};
use crate::domain::error::AppError;
use crate::domain::ids::{AdapterId, TeamId};
use crate::domain::permission::Permission;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::delivery::endpoint::{SmtpEndpoint, SmtpSecret};
use crate::server::delivery::mailbox::parse_mailbox;
use crate::server::store::audit::AuditEvent;

/// What a test depends on, as the audit log calls it.
const TESTED_FIELDS: [&str; 3] = ["endpoint", "from", "credentials"];

/// In so many of an adapter's last changes is looked for one that a test depends on.
const MAX_CHANGES: i64 = 50;

/// An adapter as somebody asks for it.
#[derive(Clone, Debug)]
pub struct NewAdapter {
    /// Its name; the provider or the host where it is empty.
    pub name: String,
    pub kind: AdapterKind,
    pub address: GivenAddress,
    /// The sender of messages that name none: a mailbox for email, a number or a name for text messages and calls; for HTTP
    /// any name, by default the adapter's.
    pub from_address: String,
    /// Whether messages go out by it unless they name another.
    pub is_default: bool,
}

#[derive(Clone, Debug, Default)]
pub struct AdapterChange {
    pub name: Option<String>,
    /// Another server, or another log-in.
    pub address: Option<GivenAddress>,
    pub from_address: Option<String>,
    /// `Some(true)` makes it the default.
    pub is_default: Option<bool>,
}

/// The team's adapters, lane by lane in their order. Needs `adapters:view`.
pub async fn list_adapters(app: &App, viewer: &Viewer) -> Result<Vec<Adapter>, AppError> {
    viewer.require(Permission::AdaptersView)?;
    app.store.list_adapters(viewer.team).await
}

/// How many messages wait to go out, by adapter. Needs `adapters:view`.
pub async fn count_waiting(app: &App, viewer: &Viewer) -> Result<Vec<(AdapterId, i64)>, AppError> {
    viewer.require(Permission::AdaptersView)?;
    app.store.count_waiting(viewer.team).await
}

/// What became of the last test message of each, as far back as the audit log goes; one that was never tested is left out. Needs
/// `adapters:view`: it says neither who tested nor to whom.
pub async fn list_last_tests(
    app: &App,
    viewer: &Viewer,
    adapters: &[Adapter],
) -> Result<Vec<(AdapterId, LastTest)>, AppError> {
    viewer.require(Permission::AdaptersView)?;
    let mut tests = Vec::new();
    for adapter in adapters {
        let newest = async |action: AuditAction, limit: i64| {
            let (actions, target) = (vec![action], Some(adapter.id.to_string()));
            let filter = AuditFilter { actions, target, ..AuditFilter::default() };
            app.store.list_audit_entries(viewer.team, &filter, None, limit).await
        };
        let Some(entry) = newest(AuditAction::AdapterTested, 1).await?.pop() else { continue };
        let changes = newest(AuditAction::AdapterUpdated, MAX_CHANGES).await?;
        let is_outdated = changes.iter().any(|change| change.sequence > entry.sequence && concerns_tests(change));
        let outcome = entry.after.as_ref().and_then(|after| after["outcome"].as_str()).unwrap_or_default();
        let fault = match outcome {
            TEST_TAKEN => None,
            // A version before this one kept other names.
            fault => Some(fault.parse().unwrap_or(AdapterFault::Unusable)),
        };
        tests.push((adapter.id, LastTest { at: entry.at, fault, is_outdated }));
    }
    Ok(tests)
}

/// Whether a change is one that a test depends on: no name, and no default.
fn concerns_tests(change: &AuditEntry) -> bool {
    change.after.as_ref().is_some_and(|after| TESTED_FIELDS.iter().any(|field| after.get(field).is_some()))
}

/// Where an adapter leads, in words: `mail.example.com, port 587, STARTTLS required`.
pub fn place_of(adapter: &Adapter) -> String {
    match (adapter.kind, adapter.endpoint.parse::<SmtpEndpoint>()) {
        (AdapterKind::Smtp, Ok(SmtpEndpoint { host, port, tls, bounces })) => {
            let bounces = bounces.map(|domain| format!(", bounces to {domain}")).unwrap_or_default();
            format!("{host}, port {port}, {}{bounces}", tls.in_words())
        }
        (_, _) => adapter.endpoint.clone(),
    }
}

/// What an adapter logs in with at a mail server, for whoever runs the server; `None` for other kinds. An error where it
/// cannot be opened.
pub(super) async fn log_in_of(app: &App, team: TeamId, adapter: &Adapter) -> Result<Option<SmtpSecret>, AppError> {
    Ok(match Address::load(app, team, adapter).await?.secret {
        Secret::Smtp(secret) => Some(secret),
        Secret::Http(_) => None,
    })
}

/// One adapter. Needs `adapters:view`.
pub async fn find_adapter(app: &App, viewer: &Viewer, id: AdapterId) -> Result<Adapter, AppError> {
    viewer.require(Permission::AdaptersView)?;
    load(app, viewer.team, id).await
}

/// An adapter with the form that changes it: every part but the secrets, and what these are. Needs `adapters:update`.
pub async fn form_of(app: &App, viewer: &Viewer, id: AdapterId) -> Result<(Adapter, AddressForm, KeptLogIn), AppError> {
    viewer.require(Permission::AdaptersUpdate)?;
    let adapter = load(app, viewer.team, id).await?;
    // A secret that was sealed with another key is lost, and the form is where it is typed again.
    let address = Address::load(app, viewer.team, &adapter).await.or_else(|_| Address::without_log_in(&adapter))?;
    let (form, kept) = address.form(adapter.kind)?;
    Ok((adapter, form, kept))
}

/// Adds an adapter. Needs `adapters:create`. A team's first adapter is its default.
pub async fn create_adapter(app: &App, viewer: &Viewer, new: NewAdapter) -> Result<Adapter, AppError> {
    viewer.require(Permission::AdaptersCreate)?;
    add(app, viewer.team, new, audit::by(app, viewer, AuditAction::AdapterCreated)).await
}

/// Adds an adapter without asking who wants it, for the command line.
pub async fn create_adapter_of(app: &App, team: TeamId, new: NewAdapter) -> Result<Adapter, AppError> {
    add(app, team, new, audit::by_command_line(app, AuditAction::AdapterCreated)).await
}

async fn add(app: &App, team: TeamId, new: NewAdapter, event: AuditEvent) -> Result<Adapter, AppError> {
    let address = Address::read(app, new.kind, &new.address, None)?;
    let usual_name = if new.kind.provider_form().is_some() { new.kind.label() } else { &address.host };
    let name = checked_name("name", if new.name.trim().is_empty() { usual_name } else { &new.name })?;
    let adapter = Adapter {
        id: app.clock.mint(),
        kind: new.kind,
        from_address: checked_sender(new.kind, &new.from_address, &name)?,
        name,
        endpoint: address.endpoint,
        is_default: new.is_default,
        created_at: app.clock.now(),
    };
    let sealed = address.secret.seal(app, team, adapter.id);
    let event = event.about(adapter.id, &adapter.name).made(said(&adapter));
    app.store.insert_adapter(team, &adapter, &sealed, &event).await?;
    // Messages may have waited for it.
    app.outbox_waker.wake();
    info!(team.id = %team, adapter.id = %adapter.id, "added adapter");
    load(app, team, adapter.id).await
}

/// Changes an adapter. Needs `adapters:update`.
pub async fn update_adapter(
    app: &App,
    viewer: &Viewer,
    id: AdapterId,
    change: AdapterChange,
) -> Result<Adapter, AppError> {
    viewer.require(Permission::AdaptersUpdate)?;
    let mut adapter = load(app, viewer.team, id).await?;
    let before = adapter.clone();
    if let Some(name) = change.name {
        adapter.name = checked_name("name", &name)?;
    }
    if let Some(from) = change.from_address {
        adapter.from_address = checked_sender(adapter.kind, &from, &adapter.name)?;
    }
    if change.is_default == Some(false) && adapter.is_default {
        return Err(AppError::Conflict("Make another adapter the default instead".to_owned()));
    }
    adapter.is_default = change.is_default.unwrap_or(adapter.is_default);
    let mut sealed = None;
    if let Some(given) = change.address {
        let kept = Address::load(app, viewer.team, &before).await.ok();
        let address = Address::read(app, adapter.kind, &given, kept.as_ref())?;
        let is_new = kept.is_none_or(|kept| kept.secret != address.secret);
        sealed = is_new.then(|| address.secret.seal(app, viewer.team, id));
        adapter.endpoint = address.endpoint;
    }
    let mut after = said(&adapter);
    if sealed.is_some() {
        after["credentials"] = json!("replaced");
    }
    let event = audit::by(app, viewer, AuditAction::AdapterUpdated).about(id, &before.name);
    let event = event.changed(said(&before), after);
    if app.store.update_adapter(viewer.team, &before, &adapter, sealed.as_deref(), &event).await? {
        app.outbox_waker.wake();
        load(app, viewer.team, id).await
    } else {
        Err(AppError::not_found("Adapter"))
    }
}

/// Gives an adapter of a provider a setting, as its form does. The caller has the viewer's permission.
pub(super) async fn set_setting(
    app: &App,
    viewer: &Viewer,
    adapter: &Adapter,
    name: &str,
    value: &str,
) -> Result<(), AppError> {
    let sealed =
        Address::load(app, viewer.team, adapter).await?.with_setting(name, value).seal(app, viewer.team, adapter.id);
    let event = audit::by(app, viewer, AuditAction::AdapterUpdated).about(adapter.id, &adapter.name);
    let mut after = said(adapter);
    after["credentials"] = json!("replaced");
    let event = event.changed(said(adapter), after);
    match app.store.update_adapter(viewer.team, adapter, adapter, Some(&sealed), &event).await? {
        true => Ok(()),
        false => Err(AppError::not_found("Adapter")),
    }
}

/// Deletes an adapter, whose place the next in the order takes, and answers with its name. Needs `adapters:delete`. Messages that wait for it fail and can be resent by another.
pub async fn delete_adapter(app: &App, viewer: &Viewer, id: AdapterId) -> Result<String, AppError> {
    viewer.require(Permission::AdaptersDelete)?;
    let adapter = load(app, viewer.team, id).await?;
    let event = audit::by(app, viewer, AuditAction::AdapterDeleted).about(id, &adapter.name).removed(said(&adapter));
    let deleted = app.store.delete_adapter(viewer.team, id, app.clock.now(), &event).await?;
    if deleted { Ok(adapter.name) } else { Err(AppError::not_found("Adapter")) }
}

/// Brings back a deleted adapter, and answers with its name. Needs `adapters:delete`. Messages that failed meanwhile stay failed.
pub async fn restore_adapter(app: &App, viewer: &Viewer, id: AdapterId) -> Result<String, AppError> {
    viewer.require(Permission::AdaptersDelete)?;
    let event = audit::by(app, viewer, AuditAction::AdapterRestored);
    let restored = app.store.restore_adapter(viewer.team, id, event).await?;
    app.outbox_waker.wake();
    restored.ok_or_else(|| AppError::not_found("Adapter"))
}

/// What the audit log says of an adapter: nothing that it logs in with.
fn said(adapter: &Adapter) -> Value {
    json!({
        "name": adapter.name,
        "kind": adapter.kind.as_str(),
        "endpoint": adapter.endpoint,
        "from": adapter.from_address,
        "isDefault": adapter.is_default,
    })
}

async fn load(app: &App, team: TeamId, id: AdapterId) -> Result<Adapter, AppError> {
    app.store.find_adapter(team, id).await?.ok_or_else(|| AppError::not_found("Adapter"))
}

/// The sender as it is kept. That of an HTTP adapter is a label: the receiver makes of it what it likes.
fn checked_sender(kind: AdapterKind, from: &str, name: &str) -> Result<String, AppError> {
    match kind.lane() {
        Lane::Email => {
            parse_mailbox("from", from).map_err(|_| AppError::invalid_field("from", SENDER_WORDS))?;
            Ok(from.trim().to_owned())
        }
        Lane::Phone if from.trim().is_empty() => {
            Err(AppError::invalid_field("from", "Write a number of yours, such as +49 170 1234567, or a name"))
        }
        Lane::Web if from.trim().is_empty() => Ok(name.to_owned()),
        Lane::Phone | Lane::Web => checked_name("from", from),
    }
}

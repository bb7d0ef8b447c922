//! The audit log: the lines that other services write ([by] and its siblings), and reading, exporting and checking it.
//! Called by every service that changes something, by `/settings/audit` and by the command line.

use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::spreadsheet::{csv_head, csv_lines};
use crate::domain::audit::{ActorKind, AuditAction, AuditActor, AuditEntry, AuditFilter};
use crate::domain::error::AppError;
use crate::domain::ids::TeamId;
use crate::domain::masking::MASK;
use crate::domain::page::CursorPage;
use crate::domain::permission::Permission;
use crate::domain::viewer::{Actor, RequestOrigin, Viewer};
use crate::server::App;
use crate::server::store::audit::{AuditEvent, AuditVerdict};

/// How many lines an export reads at a time.
const EXPORTED_AT_ONCE: i64 = 500;

/// The columns of an export.
const COLUMNS: [&str; 15] = [
    "sequence",
    "id",
    "at",
    "actorKind",
    "actorId",
    "actorName",
    "action",
    "target",
    "targetName",
    "before",
    "after",
    "reason",
    "address",
    "userAgent",
    "hash",
];

/// Lists lines of the viewer's team's audit log, newest first: those with a number below `before` where that is given.
/// Needs `audit:view`.
pub async fn list_audit_entries(
    app: &App,
    viewer: &Viewer,
    filter: &AuditFilter,
    before: Option<i64>,
    limit: i64,
) -> Result<CursorPage<AuditEntry>, AppError> {
    viewer.require(Permission::AuditView)?;
    let mut items = app.store.list_audit_entries(viewer.team, filter, before, limit + 1).await?;
    let has_more = items.len() as i64 > limit;
    items.truncate(usize::try_from(limit).unwrap_or_default());
    let shows_templates = viewer.may(Permission::TemplatesView);
    Ok(CursorPage { items: items.into_iter().map(|line| shown(line, shows_templates)).collect(), has_more })
}

/// Who is in the viewer's team's audit log: ids and names, to filter by. Needs `audit:view`.
pub async fn list_audit_actors(app: &App, viewer: &Viewer) -> Result<Vec<(String, String)>, AppError> {
    viewer.require(Permission::AuditView)?;
    app.store.list_audit_actors(viewer.team).await
}

/// The format of an exported log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// Comma-separated values, RFC 4180.
    Csv,
    /// A JSON object a line.
    Ndjson,
}

impl std::str::FromStr for ExportFormat {
    type Err = AppError;

    fn from_str(name: &str) -> Result<Self, AppError> {
        match name {
            "csv" => Ok(Self::Csv),
            "ndjson" => Ok(Self::Ndjson),
            _ => Err(AppError::invalid_field("format", "Choose csv or ndjson")),
        }
    }
}

/// An export that has been noted in the log and can be read piece by piece.
pub struct AuditExport {
    app: App,
    team: TeamId,
    filter: AuditFilter,
    format: ExportFormat,
    shows_templates: bool,
    /// `None` before the first piece.
    before: Option<i64>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Head,
    Lines,
    End,
}

/// Begins to export the log, newest first. Needs `audit:view`. The export is a line of the log itself, written before
/// anything is given out.
pub async fn start_export(
    app: &App,
    viewer: &Viewer,
    filter: AuditFilter,
    format: ExportFormat,
) -> Result<AuditExport, AppError> {
    viewer.require(Permission::AuditView)?;
    let said = json!({
        "format": match format { ExportFormat::Csv => "csv", ExportFormat::Ndjson => "ndjson" },
        "action": match filter.actions[..] { [] => Value::Null, [one] => json!(one), _ => json!(filter.actions) },
        "actorId": filter.actor_id,
        "target": filter.target,
        "from": filter.range.from,
        "to": filter.range.to,
    });
    let event = by(app, viewer, AuditAction::AuditExported).about(viewer.team, &viewer.team_name).made(said);
    app.store.append_audit_event(viewer.team, &event).await?;
    let shows_templates = viewer.may(Permission::TemplatesView);
    let app = app.clone();
    Ok(AuditExport { app, team: viewer.team, filter, format, shows_templates, before: None, stage: Stage::Head })
}

impl AuditExport {
    /// The next piece of the file; `None` after the last.
    pub async fn next_piece(&mut self) -> Result<Option<String>, AppError> {
        if self.stage == Stage::End {
            return Ok(None);
        }
        let is_csv = self.format == ExportFormat::Csv;
        let mut piece = if is_csv && self.stage == Stage::Head { csv_head(&COLUMNS)? } else { String::new() };
        let lines = self.app.store.list_audit_entries(self.team, &self.filter, self.before, EXPORTED_AT_ONCE).await?;
        self.before = lines.last().map(|line| line.sequence);
        self.stage = if lines.len() as i64 == EXPORTED_AT_ONCE { Stage::Lines } else { Stage::End };
        let lines = lines.into_iter().map(|line| shown(line, self.shows_templates));
        match self.format {
            ExportFormat::Csv => piece.push_str(&csv_lines(lines.map(|line| cells_of(&line)))?),
            ExportFormat::Ndjson => lines.for_each(|line| piece.push_str(&format!("{}\n", json!(line)))),
        }
        Ok(Some(piece))
    }
}

/// A line, as it is shown: what templates say to those alone who see templates. Its hash is that of the line as it is kept.
fn shown(mut line: AuditEntry, shows_templates: bool) -> AuditEntry {
    let is_of_template = matches!(
        line.action,
        AuditAction::TemplateCreated
            | AuditAction::TemplateUpdated
            | AuditAction::TemplateDeleted
            | AuditAction::TemplateRestored
    );
    if is_of_template && !shows_templates {
        for said in [&mut line.before, &mut line.after] {
            *said = said.take().map(without_sources);
        }
    }
    line
}

/// What the audit log says of a template, for who does not see templates: that its sources changed, not how.
fn without_sources(mut said: Value) -> Value {
    for name in ["subject", "html", "text"] {
        if let Some(source) = said.get_mut(name).filter(|source| !source.is_null()) {
            *source = Value::String(MASK.to_owned());
        }
    }
    said
}

/// The texts of a line, in the order of [COLUMNS].
fn cells_of(line: &AuditEntry) -> [String; 15] {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let value = |value: &Option<Value>| value.as_ref().map(Value::to_string).unwrap_or_default();
    [
        line.sequence.to_string(),
        line.id.to_string(),
        line.at.to_rfc3339_opts(SecondsFormat::Millis, true),
        line.actor.kind.as_str().to_owned(),
        text(&line.actor.id),
        line.actor.name.clone(),
        line.action.as_str().to_owned(),
        text(&line.target),
        text(&line.target_name),
        value(&line.before),
        value(&line.after),
        text(&line.reason),
        text(&line.address),
        text(&line.user_agent),
        line.hash.clone(),
    ]
}

/// What came of checking one team's log, for the command line.
#[derive(Clone, Debug)]
pub struct CheckedLog {
    pub team: TeamId,
    /// Its slug; `None` for a team that is gone.
    pub slug: Option<String>,
    pub verdict: AuditVerdict,
}

/// Checks the log of every team, or of one, for the command line.
pub async fn verify_logs(app: &App, only: Option<TeamId>) -> Result<Vec<CheckedLog>, AppError> {
    let teams = app.store.list_audited_teams().await?;
    let mut checked = Vec::new();
    for team in teams.into_iter().filter(|team| only.is_none_or(|only| only == *team)) {
        let slug = app.store.find_team(team).await?.map(|team| team.slug);
        checked.push(CheckedLog { team, slug, verdict: app.store.verify_audit_log(team).await? });
    }
    Ok(checked)
}

/// The number of the line with this hash in a team's log, for the command line; `None` where no line has it. In a log that
/// is what was written, a hash that was seen before stays.
pub async fn find_hash(app: &App, team: TeamId, hash: &str) -> Result<Option<i64>, AppError> {
    app.store.find_audit_hash(team, &hash.to_ascii_lowercase()).await
}

/// A line about what a viewer does.
pub fn by(app: &App, viewer: &Viewer, action: AuditAction) -> AuditEvent {
    let actor = match &viewer.actor {
        Actor::User { id, email, .. } => {
            AuditActor { kind: ActorKind::User, id: Some(id.to_string()), name: email.clone() }
        }
        Actor::ApiKey { id, name, .. } => {
            AuditActor { kind: ActorKind::ApiKey, id: Some(id.to_string()), name: name.clone() }
        }
    };
    line(app, actor, action, &viewer.origin)
}

/// A line about what somebody does at the command line of the server.
pub fn by_command_line(app: &App, action: AuditAction) -> AuditEvent {
    let actor = AuditActor { kind: ActorKind::CommandLine, id: None, name: "Command line".to_owned() };
    line(app, actor, action, &RequestOrigin::default())
}

/// A line about what somebody does who is not logged in; `name` is the account's email address.
pub fn by_nobody(app: &App, name: &str, action: AuditAction, origin: &RequestOrigin) -> AuditEvent {
    line(app, AuditActor { kind: ActorKind::Nobody, id: None, name: name.to_owned() }, action, origin)
}

/// A line about what the server does by itself.
pub fn by_server(app: &App, action: AuditAction) -> AuditEvent {
    let actor = AuditActor { kind: ActorKind::Nobody, id: None, name: "Sendlog".to_owned() };
    line(app, actor, action, &RequestOrigin::default())
}

/// A line about what an OpenID provider's groups bring about at a log-in.
pub fn by_provider(app: &App, name: &str, action: AuditAction, origin: &RequestOrigin) -> AuditEvent {
    line(app, AuditActor { kind: ActorKind::Provider, id: None, name: name.to_owned() }, action, origin)
}

/// A line about what a person does before or apart from a team's viewer: joining, changing their own account.
pub fn by_account(
    app: &App,
    user: crate::domain::ids::UserId,
    email: &str,
    action: AuditAction,
    origin: &RequestOrigin,
) -> AuditEvent {
    let actor = AuditActor { kind: ActorKind::User, id: Some(user.to_string()), name: email.to_owned() };
    line(app, actor, action, origin)
}

fn line(app: &App, actor: AuditActor, action: AuditAction, origin: &RequestOrigin) -> AuditEvent {
    AuditEvent {
        id: app.clock.mint(),
        actor,
        action,
        target: None,
        target_name: None,
        before: None,
        after: None,
        reason: None,
        address: origin.address.clone(),
        user_agent: origin.user_agent.clone(),
    }
}

impl AuditEvent {
    /// The line, about the thing with this id and name.
    #[must_use]
    pub fn about(self, id: impl ToString, name: impl Into<String>) -> Self {
        Self { target: Some(id.to_string()), target_name: Some(name.into()), ..self }
    }

    /// The line, with what is there now: an object of fields, without secrets.
    #[must_use]
    pub fn made(self, after: Value) -> Self {
        Self { after: Some(after), ..self }
    }

    /// The line, with what was there before.
    #[must_use]
    pub fn removed(self, before: Value) -> Self {
        Self { before: Some(before), ..self }
    }

    /// The line, with the fields of two objects that differ, as they were and as they are.
    #[must_use]
    pub fn changed(self, before: Value, after: Value) -> Self {
        let (Value::Object(mut before), Value::Object(mut after)) = (before, after) else { return self };
        let same: Vec<String> = before
            .iter()
            .filter(|(name, value)| after.get(*name) == Some(value))
            .map(|(name, _)| name.clone())
            .collect();
        for name in same {
            before.remove(&name);
            after.remove(&name);
        }
        Self { before: Some(Value::Object(before)), after: Some(Value::Object(after)), ..self }
    }

    /// The line, with a reason.
    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }
}

//! The demo's team and what it owns before the first message: people, templates, adapters, API keys, and the audit log of
//! how it came to all that.

use std::sync::LazyLock;

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, SaltString};
use chrono::{DateTime, TimeDelta, Utc};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde_json::json;
use tracing::error;

use super::catalogue::{SPECS, Spec};
use super::{DemoOptions, DemoTeam, DemoUser, read_data};
use crate::domain::adapter::{Adapter, AdapterKind};
use crate::domain::api_key::{ApiKey, KeyLimits};
use crate::domain::audit::{ActorKind, AuditAction, AuditActor, AuditFilter};
use crate::domain::email::EmailStatus;
use crate::domain::error::AppError;
use crate::domain::filter::EmailFilter;
use crate::domain::ids::{
    AdapterId, ApiKeyId, AuditEntryId, RoleId, TeamId, TemplateId, TemplateVersionId, UserId, lowest_id_at, time_of_id,
};
use crate::domain::page::Cursor;
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::team::{Role, Team, TeamRules};
use crate::domain::template::{Template, TemplateSource, TemplateVersion};
use crate::domain::tracking::TemplateTracking;
use crate::server::App;
use crate::server::delivery::endpoint::SmtpEndpoint;
use crate::server::secrets::token_hash;
use crate::server::services::api_keys::SECRET_PREFIX;
use crate::server::services::audit;
use crate::server::store::accounts::NewUser;
use crate::server::store::api_keys::NewSecret;
use crate::server::store::audit::AuditEvent;
use crate::server::store::roles::NewRole;
use crate::server::store::teams::NewMembership;
use crate::server::store::templates::TemplateChange;

/// The adapter that most messages go out by.
pub(super) const DEFAULT_ADAPTER: &str = "SES Frankfurt";
/// The other one.
pub(super) const BACKUP_ADAPTER: &str = "Backup relay";

const TEAM_NAME: &str = "Finch Payments";
const TEAM_SLUG: &str = "finch-payments";
const TIME_ZONE: &str = "Europe/Berlin";

/// How old the team is, in days.
const TEAM_AGE_DAYS: i64 = 412;

/// The team's people. Source: `setting.json`.
#[derive(Deserialize)]
struct People {
    /// Name, address, role, and how many days ago each joined.
    #[serde(borrow)]
    users: Vec<(&'static str, &'static str, Role, i64)>,
    /// Wrong passwords: how many minutes ago, and for which account.
    failed_log_ins: Vec<(i64, &'static str)>,
    /// Looks at what is hidden: how many minutes ago, by which of `users`, and why.
    reveals: Vec<(i64, usize, &'static str)>,
}

static PEOPLE: LazyLock<People> = LazyLock::new(|| read_data(include_str!("setting.json")));

/// Apart from the messages' randomness.
const AUDIT_SEED: u64 = 0x6175_6469;

/// What messages are made with.
pub(super) struct Setting {
    pub team_id: TeamId,
    /// Who resends messages.
    pub resender: String,
    pub checkout_key: ApiKeyId,
    pub crm_key: ApiKeyId,
    default_adapter: AdapterId,
    backup_adapter: AdapterId,
    /// In the order of [SPECS].
    templates: Vec<(TemplateId, Vec<Version>)>,
}

/// A version of a template, in force from `since` on.
struct Version {
    id: TemplateVersionId,
    since: DateTime<Utc>,
    source: TemplateSource,
}

impl Setting {
    /// The template of `spec`, and its version and sources at `at`.
    pub fn version_at(&self, spec: &Spec, at: DateTime<Utc>) -> (TemplateId, TemplateVersionId, &TemplateSource) {
        let index = SPECS.iter().position(|other| other.kind == spec.kind).unwrap_or_default();
        let (template_id, versions) = &self.templates[index];
        let version = versions.iter().rev().find(|version| version.since <= at).unwrap_or(&versions[0]);
        (*template_id, version.id, &version.source)
    }

    /// The adapter of this name.
    pub fn adapter(&self, name: &str) -> AdapterId {
        if name == BACKUP_ADAPTER { self.backup_adapter } else { self.default_adapter }
    }

    /// The name of an adapter.
    pub fn adapter_name(&self, id: Option<AdapterId>) -> &'static str {
        if id == Some(self.backup_adapter) { BACKUP_ADAPTER } else { DEFAULT_ADAPTER }
    }

    /// The key that messages of this template come in with, and its name.
    pub fn key_for(&self, spec: &Spec) -> (ApiKeyId, &'static str) {
        if spec.by_checkout { (self.checkout_key, "checkout-prod") } else { (self.crm_key, "crm") }
    }
}

/// Makes the team and everything that messages refer to. What was done is done in the order of time, so that the audit log
/// is in order too.
pub(super) async fn set_up(
    app: &App,
    rng: &mut ChaCha8Rng,
    options: &DemoOptions,
) -> Result<(DemoTeam, Setting), AppError> {
    let born = options.now - TimeDelta::days(TEAM_AGE_DAYS);
    let side = ChaCha8Rng::seed_from_u64(options.seed ^ AUDIT_SEED);
    let owner = AuditActor { kind: ActorKind::CommandLine, id: None, name: "Command line".to_owned() };
    let mut maker = Maker { app, rng, side, now: options.now, team_id: TeamId(0), actor: owner, steps: Vec::new() };
    let mut users = Vec::new();
    let mut ids = Vec::new();
    for (name, email, role, _) in PEOPLE.users.iter().copied() {
        let password = format!("sendlog-demo-{role}");
        ids.push((maker.user(born, name, email, &password).await?, role));
        users.push(DemoUser { email: email.to_owned(), password, role });
    }
    let (owner, admin) = (actor(ids[0].0, PEOPLE.users[0].1), actor(ids[1].0, PEOPLE.users[1].1));
    let team = maker.team(born, &ids);
    maker.actor = owner.clone();
    let default_adapter = maker.adapter(born, DEFAULT_ADAPTER, &options.smtp_url, true)?;
    let backup_adapter = maker.adapter(born, BACKUP_ADAPTER, &options.smtp_url, false)?;
    use Permission::{EmailsSend, LogsView, TemplatesView};
    let maker_id = Some(ids[0].0);
    let legacy = maker.key(maker_id, 400, "legacy-worker", &[EmailsSend]);
    let revoked_at = options.now - TimeDelta::days(88);
    let event = maker.event(revoked_at, AuditAction::ApiKeyRevoked).about(legacy, "legacy-worker");
    maker.steps.push(Step { event, change: Change::Revocation(legacy, revoked_at) });
    let checkout_key = maker.key(maker_id, 311, "checkout-prod", &[EmailsSend, TemplatesView]);
    let crm_key = maker.key(maker_id, 208, "crm", &[EmailsSend, LogsView]);
    maker.rotation(checkout_key, "checkout-prod", 96);
    maker.support_role(45);
    maker.actor = admin;
    let mut templates = Vec::new();
    for spec in SPECS.iter() {
        templates.push(maker.template(spec));
    }
    maker.take_steps().await?;
    let setting = Setting {
        team_id: team.id,
        resender: PEOPLE.users[1].0.to_owned(),
        checkout_key,
        crm_key,
        default_adapter,
        backup_adapter,
        templates,
    };
    Ok((DemoTeam { team, users }, setting))
}

/// Writes down what people did in the last days: looked at messages, resent some, got their password wrong.
pub(super) async fn add_recent_lines(app: &App, team: TeamId, options: &DemoOptions) -> Result<(), AppError> {
    let members = app.store.list_members(team).await?;
    let of = |index: usize| {
        let email = PEOPLE.users[index].1;
        members.iter().find(|member| member.email == email).map(|member| actor(member.user_id, email))
    };
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed ^ AUDIT_SEED ^ 1);
    let mut lines = Vec::new();
    let mut note = |at: DateTime<Utc>, actor: AuditActor, action: AuditAction| {
        let id = AuditEntryId(lowest_id_at(at) + rng.random_range(0..1_i64 << 19));
        seen_at(AuditEvent { id, actor, ..audit::by_command_line(app, action) })
    };
    for (minutes_ago, email) in PEOPLE.failed_log_ins.iter().copied() {
        let nobody = AuditActor { kind: ActorKind::Nobody, id: None, name: email.to_owned() };
        let line = note(options.now - TimeDelta::minutes(minutes_ago), nobody, AuditAction::LogInFailed);
        lines.push(AuditEvent { target: None, ..line.about("", email) });
    }
    let lost = EmailFilter {
        statuses: [EmailStatus::Failed, EmailStatus::Bounced].into_iter().collect(),
        ..EmailFilter::default()
    };
    let lost = app.store.list_emails_at(team, &lost, Cursor::Newest, 100).await?.items;
    for (minutes_ago, index, reason) in PEOPLE.reveals.iter().copied() {
        let at = options.now - TimeDelta::minutes(minutes_ago);
        let email = lost.iter().filter(|email| email.created_at() < at).nth(index);
        let (Some(person), Some(email)) = (of(index), email) else { continue };
        let line = note(at, person, AuditAction::EmailRevealed).about(email.id, &email.subject);
        lines.push(line.because(reason));
    }
    for email in lost.iter().filter(|email| !email.resent_as.is_empty()).take(5) {
        let (Some(person), Some(again)) = (of(1), email.resent_as.first()) else { continue };
        let line = note(again.created_at(), person, AuditAction::EmailResent).about(email.id, &email.subject);
        lines.push(line.made(json!({ "resentAs": again })));
    }
    // The log is in the order of time: what came before its last line so far is left out.
    let newest = app.store.list_audit_entries(team, &AuditFilter::default(), None, 1).await?;
    let last = newest.first().map_or(0, |line| line.id.0);
    lines.retain(|line| line.id.0 > last);
    lines.sort_by_key(|line| line.id.0);
    for line in &lines {
        app.store.append_audit_event(team, line).await?;
    }
    Ok(())
}

fn actor(user: UserId, email: &str) -> AuditActor {
    AuditActor { kind: ActorKind::User, id: Some(user.to_string()), name: email.to_owned() }
}

/// The line, with the office and the browser of who did it.
fn seen_at(event: AuditEvent) -> AuditEvent {
    let (address, agent) = match event.actor.kind {
        ActorKind::User => ("203.0.113.24", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:145.0) Firefox/145.0"),
        ActorKind::Nobody => ("198.51.100.77", "python-requests/2.32"),
        ActorKind::ApiKey | ActorKind::CommandLine | ActorKind::Provider => return event,
    };
    AuditEvent { address: Some(address.to_owned()), user_agent: Some(agent.to_owned()), ..event }
}

/// Something that was done, with its line in the audit log.
struct Step {
    event: AuditEvent,
    change: Change,
}

enum Change {
    Team(Team),
    Membership(NewMembership),
    Adapter(Adapter, String),
    /// A key, the hash of its secret, and when it was last used.
    Key(ApiKey, String, DateTime<Utc>),
    Revocation(ApiKeyId, DateTime<Utc>),
    /// A key, the hash and the beginning of its new secret, and when.
    Rotation(ApiKeyId, String, String, DateTime<Utc>),
    Role(NewRole),
    Template(Template),
    Version(TemplateId, TemplateVersionId, TemplateSource, DateTime<Utc>),
    /// Nothing that is kept: an invitation that has been accepted since.
    Nothing,
}

struct Maker<'a> {
    app: &'a App,
    rng: &'a mut ChaCha8Rng,
    /// For what only the audit log tells of, so that the messages stay those of the seed.
    side: ChaCha8Rng,
    now: DateTime<Utc>,
    team_id: TeamId,
    actor: AuditActor,
    steps: Vec<Step>,
}

impl Maker<'_> {
    fn mint<Id: From<i64>>(&mut self, at: DateTime<Utc>) -> Id {
        Id::from(lowest_id_at(at) + self.rng.random_range(0..1_i64 << 19))
    }

    /// A line of the audit log.
    fn event(&mut self, at: DateTime<Utc>, action: AuditAction) -> AuditEvent {
        let event = audit::by_command_line(self.app, action);
        seen_at(AuditEvent { id: self.mint(at), actor: self.actor.clone(), ..event })
    }

    /// A line of the audit log that takes nothing from the messages' randomness.
    fn side_event(&mut self, at: DateTime<Utc>, action: AuditAction) -> AuditEvent {
        let id = AuditEntryId(lowest_id_at(at) + self.side.random_range(0..1_i64 << 19));
        let event = audit::by_command_line(self.app, action);
        seen_at(AuditEvent { id, actor: self.actor.clone(), ..event })
    }

    /// Does everything that was planned, the oldest first.
    async fn take_steps(&mut self) -> Result<(), AppError> {
        self.steps.sort_by_key(|step| time_of_id(step.event.id.0));
        let (store, team) = (&self.app.store, self.team_id);
        for Step { event, change } in self.steps.drain(..) {
            let is_new = match change {
                Change::Team(team) => store.insert_team(&team, None, &event).await?,
                Change::Membership(new) => store.insert_membership(team, &new, &event).await?,
                Change::Adapter(adapter, sealed) => {
                    store.insert_adapter(team, &adapter, &sealed, &event).await?;
                    true
                }
                Change::Key(key, hash, last_used) => {
                    store.insert_api_key(team, &key, &hash, &event).await?;
                    // Finding a key notes its use.
                    store.find_key_by_hash(&hash, last_used).await?;
                    store.keep_noted().await;
                    true
                }
                Change::Revocation(id, at) => store.revoke_api_key(team, id, at, &event).await?,
                Change::Rotation(id, hash, prefix, now) => {
                    let previous_ends_at = now + TimeDelta::days(1);
                    let secret = NewSecret { key_hash: &hash, prefix: &prefix, now, previous_ends_at };
                    store.rotate_api_key(team, id, &secret, &event).await?
                }
                Change::Role(new) => {
                    store.insert_role(team, &new, &event).await?;
                    true
                }
                Change::Template(template) => store.insert_template(team, &template, &event).await?,
                Change::Version(id, version, source, since) => {
                    let change = TemplateChange { version: Some((version, &source)), ..TemplateChange::default() };
                    store.update_template(team, id, &change, since, &event).await?
                }
                Change::Nothing => {
                    store.append_audit_event(team, &event).await?;
                    true
                }
            };
            if !is_new {
                return Err(AppError::AlreadyExists("There is a demo in this database already".to_owned()));
            }
        }
        Ok(())
    }

    async fn user(&mut self, at: DateTime<Utc>, name: &str, email: &str, password: &str) -> Result<UserId, AppError> {
        let salt: [u8; 16] = self.rng.random();
        let user = NewUser {
            id: self.mint(at),
            email: email.to_owned(),
            name: name.to_owned(),
            password_hash: hash_password(self.app, password.to_owned(), salt).await?,
            time_zone: TIME_ZONE.to_owned(),
        };
        if !self.app.store.insert_user(&user).await? {
            return Err(AppError::AlreadyExists(format!("An account for {email} exists already")));
        }
        // Marks the time zone as chosen, so that the browser's does not replace it.
        let event = self.event(at, AuditAction::ProfileUpdated);
        self.app.store.update_profile(user.id, name, TIME_ZONE, &event).await?;
        Ok(user.id)
    }

    fn team(&mut self, at: DateTime<Utc>, members: &[(UserId, Role)]) -> Team {
        let id: TeamId = self.mint(at);
        let (slug, name, created_at) = (TEAM_SLUG.to_owned(), TEAM_NAME.to_owned(), id.created_at());
        let team = Team { id, slug, name, created_at, rules: TeamRules::default() };
        let event = self.event(created_at, AuditAction::TeamCreated).about(id, TEAM_NAME);
        let event = event.made(json!({ "name": TEAM_NAME, "slug": TEAM_SLUG }));
        self.steps.push(Step { event, change: Change::Team(team.clone()) });
        for ((user, role), (_, email, _, age_days)) in members.iter().zip(PEOPLE.users.iter().copied()) {
            let joined_at = self.now - TimeDelta::days(age_days);
            let said = json!({ "role": role.built_in_label() });
            if *role != Role::Owner {
                self.actor = actor(members[0].0, PEOPLE.users[0].1);
                let invited_at = joined_at - TimeDelta::minutes(self.side.random_range(20..900));
                let event =
                    self.side_event(invited_at, AuditAction::MemberInvited).about(*user, email).made(said.clone());
                self.steps.push(Step { event, change: Change::Nothing });
                self.actor = actor(*user, email);
            }
            let event = self.event(joined_at, AuditAction::MemberJoined).about(*user, email).made(said);
            let new = NewMembership { user_id: *user, role: *role, at: joined_at, follows_groups: false };
            self.steps.push(Step { event, change: Change::Membership(new) });
        }
        self.team_id = id;
        team
    }

    fn adapter(&mut self, at: DateTime<Utc>, name: &str, url: &str, is_default: bool) -> Result<AdapterId, AppError> {
        let (endpoint, secret) = SmtpEndpoint::parse(url)?;
        let id: AdapterId = self.mint(at);
        let adapter = Adapter {
            id,
            name: name.to_owned(),
            kind: AdapterKind::Smtp,
            from_address: "Finch <hello@finch.example>".to_owned(),
            endpoint: endpoint.to_string(),
            is_default,
            created_at: id.created_at(),
        };
        let sealed = secret.seal(&self.app.secret_key, self.team_id, id);
        let event = self.event(adapter.created_at, AuditAction::AdapterCreated).about(id, name);
        let event = event.made(json!({ "from": adapter.from_address, "isDefault": is_default }));
        self.steps.push(Step { event, change: Change::Adapter(adapter, sealed) });
        Ok(id)
    }

    fn key(&mut self, created_by: Option<UserId>, age_days: i64, name: &str, scopes: &[Permission]) -> ApiKeyId {
        let id: ApiKeyId = self.mint(self.now - TimeDelta::days(age_days));
        let secret = format!("{SECRET_PREFIX}{}", super::catalogue::token(self.rng, 40));
        let key = ApiKey {
            id,
            name: name.to_owned(),
            prefix: secret.chars().take(8).collect(),
            scopes: scopes.iter().copied().collect::<PermissionSet>(),
            effective: scopes.iter().copied().collect(),
            held_back: None,
            belongs_to_team: created_by.is_none(),
            created_by,
            created_by_name: None,
            created_at: id.created_at(),
            last_used_at: None,
            revoked_at: None,
            limits: KeyLimits::default(),
            rotated_at: None,
            previous_ends_at: None,
        };
        let event = self.event(key.created_at, AuditAction::ApiKeyCreated).about(id, name);
        let event = event.made(json!({ "name": name, "scopes": key.scopes }));
        let last_used = if name == "legacy-worker" { self.now - TimeDelta::days(89) } else { self.now };
        self.steps.push(Step { event, change: Change::Key(key, token_hash(&secret), last_used) });
        id
    }

    fn rotation(&mut self, id: ApiKeyId, name: &str, age_days: i64) {
        let at = self.now - TimeDelta::days(age_days);
        let secret = format!("{SECRET_PREFIX}{}", super::catalogue::token(&mut self.side, 40));
        let prefix: String = secret.chars().take(8).collect();
        let event = self.side_event(at, AuditAction::ApiKeyRotated).about(id, name).made(json!({ "prefix": prefix }));
        self.steps.push(Step { event, change: Change::Rotation(id, token_hash(&secret), prefix, at) });
    }

    /// A role that the team made: it looks, and sees nothing that is hidden.
    fn support_role(&mut self, age_days: i64) {
        let at = self.now - TimeDelta::days(age_days);
        let role = NewRole {
            id: RoleId(lowest_id_at(at) + self.side.random_range(0..1_i64 << 19)),
            name: "Support".to_owned(),
            description: "Answers customers.".to_owned(),
            permissions: [Permission::LogsView].into_iter().collect(),
            created_at: at,
        };
        let event = self.side_event(at, AuditAction::RoleCreated).about(role.id, &role.name);
        let event = event.made(json!({ "name": role.name, "permissions": role.permissions }));
        self.steps.push(Step { event, change: Change::Role(role) });
    }

    fn template(&mut self, spec: &Spec) -> (TemplateId, Vec<Version>) {
        let mut versions: Vec<Version> = Vec::new();
        for (age_days, source) in spec.versions() {
            let since = self.now - TimeDelta::days(age_days) - TimeDelta::minutes(self.rng.random_range(0..400));
            let id: TemplateVersionId = self.mint(since);
            versions.push(Version { id, since: id.created_at(), source });
        }
        let first = &versions[0];
        let current =
            TemplateVersion { id: first.id, version: 1, source: first.source.clone(), created_at: first.since };
        let (created_at, name) = (first.since, spec.name.to_owned());
        let id: TemplateId = self.mint(created_at);
        let masked_variables = Vec::new();
        let said = json!({ "name": name, "subject": current.source.subject });
        let tracking = TemplateTracking::default();
        let template = Template { id, name, created_at, updated_at: created_at, masked_variables, tracking, current };
        let event = self.event(created_at, AuditAction::TemplateCreated).about(id, spec.name).made(said);
        self.steps.push(Step { event, change: Change::Template(template) });
        for pair in versions.windows(2) {
            let (before, version) = (&pair[0], &pair[1]);
            let event = self.event(version.since, AuditAction::TemplateUpdated).about(id, spec.name);
            let said = |version: &Version| json!(version.source);
            let event = event.changed(said(before), said(version));
            let change = Change::Version(id, version.id, version.source.clone(), version.since);
            self.steps.push(Step { event, change });
        }
        (id, versions)
    }
}

/// Hashes a password as [crate::server::services::accounts] does, but with a salt of the demo's own, so that the same
/// seed gives the same rows. The demo's passwords are known to everybody in any case.
async fn hash_password(app: &App, password: String, salt: [u8; 16]) -> Result<String, AppError> {
    let _permit = app.hashing.acquire().await.map_err(|_| AppError::Unavailable)?;
    let hashed = tokio::task::spawn_blocking(move || {
        let salt = SaltString::encode_b64(&salt)?;
        Argon2::default().hash_password(password.as_bytes(), &salt).map(|hash| hash.to_string())
    });
    hashed.await.ok().and_then(Result::ok).ok_or_else(|| {
        error!("a demo password could not be hashed");
        AppError::Internal
    })
}

//! The demo's team and what it owns before the first message: people, templates, adapters, API keys.

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher, SaltString};
use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use tracing::error;

use super::catalogue::{SPECS, Spec};
use super::{DemoOptions, DemoTeam, DemoUser};
use crate::domain::adapter::{Adapter, AdapterKind};
use crate::domain::api_key::{ApiKey, KeyLimits};
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::ids::{AdapterId, ApiKeyId, TeamId, TemplateId, TemplateVersionId, UserId, lowest_id_at};
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::team::{Role, Team, TeamRules};
use crate::domain::template::{Template, TemplateSource, TemplateVersion};
use crate::server::App;
use crate::server::delivery::endpoint::SmtpEndpoint;
use crate::server::secrets::token_hash;
use crate::server::services::api_keys::SECRET_PREFIX;
use crate::server::services::audit;
use crate::server::store::accounts::NewUser;
use crate::server::store::audit::AuditEvent;
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

const USERS: [(&str, &str, Role); 4] = [
    ("Mara Ott", "mara.ott@finch.example", Role::Owner),
    ("Idris Vega", "idris.vega@finch.example", Role::Admin),
    ("Juno Falk", "juno.falk@finch.example", Role::Member),
    ("Sol Brandt", "sol.brandt@finch.example", Role::Viewer),
];

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

/// Makes the team and everything that messages refer to.
pub(super) async fn set_up(
    app: &App,
    rng: &mut ChaCha8Rng,
    options: &DemoOptions,
) -> Result<(DemoTeam, Setting), AppError> {
    let born = options.now - TimeDelta::days(TEAM_AGE_DAYS);
    let mut maker = Maker { app, rng, now: options.now, team_id: TeamId(0) };
    let mut users = Vec::new();
    let mut ids = Vec::new();
    for (name, email, role) in USERS {
        let password = format!("sendlog-demo-{role}");
        ids.push((maker.user(born, name, email, &password).await?, role));
        users.push(DemoUser { email: email.to_owned(), password, role });
    }
    let team = maker.team(born, &ids).await?;
    let default_adapter = maker.adapter(born, DEFAULT_ADAPTER, &options.smtp_url, true).await?;
    let backup_adapter = maker.adapter(born, BACKUP_ADAPTER, &options.smtp_url, false).await?;
    use Permission::{EmailsSend, LogsView, TemplatesView};
    let owner = ids.first().map(|(id, _)| *id);
    let legacy = maker.key(owner, 400, "legacy-worker", &[EmailsSend]).await?;
    let revoked_at = options.now - TimeDelta::days(88);
    let event = maker.event(revoked_at, AuditAction::ApiKeyRevoked).about(legacy, "legacy-worker");
    app.store.revoke_api_key(team.id, legacy, revoked_at, &event).await?;
    let checkout_key = maker.key(owner, 311, "checkout-prod", &[EmailsSend, TemplatesView]).await?;
    let crm_key = maker.key(owner, 208, "crm", &[EmailsSend, LogsView]).await?;
    let mut templates = Vec::new();
    for spec in &SPECS {
        templates.push(maker.template(spec).await?);
    }
    let setting = Setting {
        team_id: team.id,
        resender: USERS[1].0.to_owned(),
        checkout_key,
        crm_key,
        default_adapter,
        backup_adapter,
        templates,
    };
    Ok((DemoTeam { team, users }, setting))
}

struct Maker<'a> {
    app: &'a App,
    rng: &'a mut ChaCha8Rng,
    now: DateTime<Utc>,
    team_id: TeamId,
}

impl Maker<'_> {
    fn mint<Id: From<i64>>(&mut self, at: DateTime<Utc>) -> Id {
        Id::from(lowest_id_at(at) + self.rng.random_range(0..1_i64 << 19))
    }

    /// A line of the audit log, by the team's owner.
    fn event(&mut self, at: DateTime<Utc>, action: AuditAction) -> AuditEvent {
        let event = audit::by_command_line(self.app, action);
        AuditEvent { id: self.mint(at), ..event }
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

    async fn team(&mut self, at: DateTime<Utc>, members: &[(UserId, Role)]) -> Result<Team, AppError> {
        let id: TeamId = self.mint(at);
        let (slug, name, created_at) = (TEAM_SLUG.to_owned(), TEAM_NAME.to_owned(), id.created_at());
        let team = Team { id, slug, name, created_at, rules: TeamRules::default() };
        let event = self.event(created_at, AuditAction::TeamCreated).about(id, TEAM_NAME);
        if !self.app.store.insert_team(&team, None, &event).await? {
            return Err(AppError::AlreadyExists(format!("A team {TEAM_SLUG} exists already")));
        }
        for (age_days, (user, role)) in [TEAM_AGE_DAYS, 390, 214, 61].into_iter().zip(members) {
            let joined_at = self.now - TimeDelta::days(age_days);
            let event = self.event(joined_at, AuditAction::MemberJoined);
            let new = NewMembership { user_id: *user, role: *role, at: joined_at, follows_groups: false };
            self.app.store.insert_membership(id, &new, &event).await?;
        }
        self.team_id = id;
        Ok(team)
    }

    async fn adapter(
        &mut self,
        at: DateTime<Utc>,
        name: &str,
        url: &str,
        is_default: bool,
    ) -> Result<AdapterId, AppError> {
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
        self.app.store.insert_adapter(self.team_id, &adapter, &sealed, &event).await?;
        Ok(id)
    }

    async fn key(
        &mut self,
        created_by: Option<UserId>,
        age_days: i64,
        name: &str,
        scopes: &[Permission],
    ) -> Result<ApiKeyId, AppError> {
        let id: ApiKeyId = self.mint(self.now - TimeDelta::days(age_days));
        let secret = format!("{SECRET_PREFIX}{}", super::catalogue::token(self.rng, 40));
        let key = ApiKey {
            id,
            name: name.to_owned(),
            prefix: secret.chars().take(8).collect(),
            scopes: scopes.iter().copied().collect::<PermissionSet>(),
            created_by,
            created_by_name: None,
            created_at: id.created_at(),
            last_used_at: None,
            revoked_at: None,
            limits: KeyLimits::default(),
            rotated_at: None,
            previous_ends_at: None,
        };
        let hash = token_hash(&secret);
        let event = self.event(key.created_at, AuditAction::ApiKeyCreated).about(id, name);
        self.app.store.insert_api_key(self.team_id, &key, &hash, &event).await?;
        // Finding a key notes its use.
        let last_used = if name == "legacy-worker" { self.now - TimeDelta::days(89) } else { self.now };
        self.app.store.find_key_by_hash(&hash, last_used).await?;
        Ok(id)
    }

    async fn template(&mut self, spec: &Spec) -> Result<(TemplateId, Vec<Version>), AppError> {
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
        let template = Template { id, name, created_at, updated_at: created_at, masked_variables, current };
        let event = self.event(created_at, AuditAction::TemplateCreated).about(id, spec.name);
        if !self.app.store.insert_template(self.team_id, &template, &event).await? {
            return Err(AppError::AlreadyExists(format!("A template named “{}” exists already", spec.name)));
        }
        for version in &versions[1..] {
            let event = self.event(version.since, AuditAction::TemplateUpdated).about(id, spec.name);
            let change = TemplateChange { version: Some((version.id, &version.source)), ..TemplateChange::default() };
            self.app.store.update_template(self.team_id, id, &change, version.since, &event).await?;
        }
        Ok((id, versions))
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

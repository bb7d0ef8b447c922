//! Log-in by an OpenID provider: by authorization code with PKCE, state and nonce, which the browser keeps meanwhile; then
//! which account the person has here, and which roles their groups give them. Called by [crate::server::web] and the log-in
//! page. Sources: OpenID Connect Core 1.0 and Discovery 1.0; RFC 6749, RFC 7636.

mod claims;
mod provider;

use openidconnect::core::{CoreAuthenticationFlow, CoreGenderClaim};
use openidconnect::{
    AuthorizationCode, ClaimsVerificationError, CsrfToken, Nonce, OAuth2TokenResponse, PkceCodeChallenge,
    PkceCodeVerifier, RequestTokenError, Scope, TokenResponse, UserInfoClaims,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use subtle::ConstantTimeEq;
use tower_sessions::Session;
use tracing::{info, warn};

use self::claims::{groups_of, mistyped_claim, mistyped_claim_of_token, refused_claim};
pub use self::provider::Provider;
use self::provider::{OtherClaims, Overheard};
use super::sessions::begin_session;
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::ids::{TeamId, UserId};
use crate::domain::team::Role;
use crate::domain::viewer::RequestOrigin;
use crate::server::App;
use crate::server::services::{audit, checked_email, checked_name};
use crate::server::store::accounts::NewUser;
use crate::server::store::openid::OpenIdName;
use crate::server::store::teams::NewMembership;

/// How long the person has at the provider, in seconds.
pub const LASTS_SECONDS: u32 = 600;
/// The longest address that a log-in leads back to, in bytes.
const MAX_NEXT_BYTES: usize = 1000;
/// A log-in that is under way at the provider. The browser keeps it meanwhile, sealed.
#[derive(Debug, Serialize, Deserialize)]
pub struct UnderWay {
    state: String,
    nonce: String,
    verifier: String,
    next: String,
}

/// What the provider sends the browser back with.
#[derive(Debug, Deserialize)]
pub struct Callback {
    /// Stands for the person, once.
    pub code: Option<String>,
    /// What we sent the browser there with.
    pub state: Option<String>,
    /// Which provider this is. Source: RFC 9207.
    pub iss: Option<String>,
}

/// Who the provider says somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Their name at the provider, for good.
    pub subject: String,
    pub email: Option<String>,
    /// Whether the provider knows that the address is theirs.
    pub email_verified: bool,
    pub name: Option<String>,
    pub groups: Vec<String>,
}

/// What the log-in page calls the provider, and whether it can be reached as far as is known; `None` where there is none.
/// The page does not wait for the provider: it is asked in the background, and when somebody logs in by it.
pub fn find_provider(app: &App) -> Option<(String, bool)> {
    let (is_reachable, should_look) = app.openid.as_ref()?.seen(app.clock.now());
    if should_look {
        let app = app.clone();
        tokio::spawn(async move { look_for_provider(&app).await });
    }
    Some((app.config.openid.oidc_name.clone(), is_reachable))
}

/// Asks the provider, where there is one, what it says of itself.
pub async fn look_for_provider(app: &App) {
    if let Some(provider) = &app.openid {
        provider.metadata(app.clock.now()).await;
    }
}

/// Begins a log-in: gives the provider's address to send the browser to, and what it must bring back.
pub async fn begin(app: &App, next: &str) -> Result<(String, UnderWay), AppError> {
    let (client, metadata) = provider(app)?.client(&app.config, app.clock.now()).await?;
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let mut request = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .add_scope(Scope::new("email".to_owned()))
        .add_scope(Scope::new("profile".to_owned()))
        .set_pkce_challenge(challenge);
    // Some providers tell groups only to those who ask, others refuse a scope that they do not know.
    let groups = Scope::new(app.config.openid.oidc_groups_claim.clone());
    if metadata.scopes_supported().is_some_and(|known| known.contains(&groups)) {
        request = request.add_scope(groups);
    }
    let (url, state, nonce) = request.url();
    let under_way = UnderWay {
        state: state.secret().clone(),
        nonce: nonce.secret().clone(),
        verifier: verifier.secret().clone(),
        // A cookie holds no long address.
        next: if next.len() <= MAX_NEXT_BYTES { next.to_owned() } else { String::new() },
    };
    Ok((url.to_string(), under_way))
}

/// Ends a log-in that [begin] began in this browser: finds or makes the account, gives it its roles, and logs the person
/// in. Gives where they wanted to go. The provider has asked for whatever factors it asks for; ours is not asked for.
pub async fn finish(
    app: &App,
    session: &Session,
    under_way: Option<UnderWay>,
    callback: Callback,
    origin: &RequestOrigin,
) -> Result<String, AppError> {
    let state = callback.state.unwrap_or_default();
    let under_way = under_way
        .filter(|held| held.state.as_bytes().ct_eq(state.as_bytes()).into())
        .ok_or_else(|| refused("This log-in has ended or was begun elsewhere. Begin again"))?;
    if callback.iss.is_some_and(|issuer| Some(issuer) != app.config.openid.oidc_issuer) {
        return Err(refused("The answer came from another provider. Begin again"));
    }
    let code = callback.code.ok_or_else(|| refused("The provider did not log you in"))?;
    let person = ask_for_person(app, &under_way, code).await?;
    let user = enter(app, &person, origin).await?;
    let first_team = app.store.list_memberships(user).await?.first().map(|team| team.team_id);
    begin_session(app, session, user, first_team, origin).await?;
    Ok(under_way.next)
}

/// Asks the provider who a code stands for. What it says must be signed by it, for us, and about this log-in.
async fn ask_for_person(app: &App, under_way: &UnderWay, code: String) -> Result<Person, AppError> {
    let provider = provider(app)?;
    let not_believed = |cause: &dyn std::fmt::Display| {
        warn!(%cause, "what the OpenID provider said was not believed");
        refused("The provider's answer could not be verified. Begin again")
    };
    let mistyped = |cause: &dyn std::fmt::Display, wrong: Option<String>| {
        let said = not_believed(cause);
        wrong.map_or(said, |wrong| refused(&format!("The provider's answer cannot be used: {wrong}")))
    };
    let (mut client, _) = provider.client(&app.config, app.clock.now()).await?;
    let request = client.exchange_code(AuthorizationCode::new(code)).map_err(|cause| not_believed(&cause))?;
    let request = request.set_pkce_verifier(PkceCodeVerifier::new(under_way.verifier.clone()));
    let tokens = request.request_async(provider).await.map_err(|cause| {
        let wrong = match &cause {
            RequestTokenError::Parse(_, body) => mistyped_claim_of_token(body),
            _ => None,
        };
        mistyped(&cause, wrong)
    })?;
    let token = tokens.id_token().ok_or_else(|| not_believed(&"there is no ID token"))?;
    let nonce = Nonce::new(under_way.nonce.clone());
    let clock = app.clock.clone();
    let mut verified = token.claims(&client.id_token_verifier().set_time_fn(|| clock.now()), &nonce).cloned();
    if matches!(verified, Err(ClaimsVerificationError::SignatureVerification(_))) {
        provider.forget().await;
        (client, _) = provider.client(&app.config, app.clock.now()).await?;
        verified = token.claims(&client.id_token_verifier().set_time_fn(|| clock.now()), &nonce).cloned();
    }
    let claims = verified.map_err(|cause| {
        not_believed(&cause);
        refused(&format!("The provider's answer could not be verified: {}. Begin again", refused_claim(&cause)))
    })?;
    if claims.subject().is_empty() {
        return Err(mistyped(&"sub is empty", mistyped_claim(&json!({ "sub": "" }))));
    }
    let groups_claim = &app.config.openid.oidc_groups_claim;
    let mut person = Person {
        subject: claims.subject().to_string(),
        email: claims.email().map(|email| email.to_string()),
        email_verified: claims.email_verified().unwrap_or(false),
        name: claims.name().and_then(|name| name.get(None)).map(|name| name.to_string()),
        groups: groups_of(&claims.additional_claims().0, groups_claim),
    };
    // Many providers tell more here than in the token.
    if let Ok(request) = client.user_info(tokens.access_token().clone(), Some(claims.subject().clone())) {
        let overheard = Overheard { provider, said: std::sync::Mutex::default() };
        let more: UserInfoClaims<OtherClaims, CoreGenderClaim> =
            request.request_async(&overheard).await.map_err(|cause| mistyped(&cause, overheard.mistyped_claim()))?;
        if person.email.is_none() {
            person.email = more.email().map(|email| email.to_string());
            person.email_verified = more.email_verified().unwrap_or(false);
        }
        person.name = person.name.or_else(|| more.name()?.get(None).map(|name| name.to_string()));
        if person.groups.is_empty() {
            person.groups = groups_of(&more.additional_claims().0, groups_claim);
        }
    }
    Ok(person)
}

/// A role that the settings give a person by their groups.
struct Granted {
    team: TeamId,
    role: Role,
    role_name: String,
}

/// The account of a person at the provider: theirs, or the one with their address, or a new one when a group of theirs has
/// a role. Gives and takes the roles that follow groups.
pub async fn enter(app: &App, person: &Person, origin: &RequestOrigin) -> Result<UserId, AppError> {
    let settings = &app.config.openid;
    let issuer = settings.oidc_issuer.clone().unwrap_or_default();
    let name = OpenIdName { issuer: &issuer, subject: &person.subject };
    let granted = granted(app, person).await?;
    let user = match app.store.find_openid_account(name).await? {
        Some(user) => user,
        None => link_or_create(app, person, name, !granted.is_empty(), origin).await?,
    };
    follow_groups(app, user, &granted, origin).await?;
    info!(user.id = %user, "logged in by the OpenID provider");
    Ok(user)
}

async fn link_or_create(
    app: &App,
    person: &Person,
    name: OpenIdName<'_>,
    has_role: bool,
    origin: &RequestOrigin,
) -> Result<UserId, AppError> {
    let email = person.email.as_deref().ok_or_else(|| refused("The provider does not tell your email address"))?;
    if !person.email_verified {
        return Err(refused("The provider has not verified your email address"));
    }
    let email = checked_email(email)?;
    if let Some(found) = app.store.find_user_by_email(&email).await? {
        if app.store.has_openid_account(found.id, name.issuer).await? {
            return Err(refused("The account with your email address belongs to somebody else at the provider"));
        }
        let event = audit::by_account(app, found.id, &found.email, AuditAction::OpenIdLinked, origin);
        let event = event.about(found.id, &found.email).made(json!({ "issuer": name.issuer }));
        app.store.link_openid_account(name, found.id, app.clock.now(), &event).await?;
        return Ok(found.id);
    }
    if !has_role {
        return Err(refused("None of your groups has a role here. Ask whoever runs this server"));
    }
    let shown = person.name.as_deref().or_else(|| email.split('@').next()).unwrap_or_default();
    let new = NewUser {
        id: app.clock.mint(),
        name: checked_name("name", shown).unwrap_or_else(|_| "Unnamed".to_owned()),
        email: email.clone(),
        password_hash: String::new(),
        time_zone: "UTC".to_owned(),
    };
    if app.store.insert_openid_user(name, &new).await? {
        Ok(new.id)
    } else {
        Err(AppError::AlreadyExists(format!("An account for {email} exists already")))
    }
}

/// The roles that a person's groups give, one a team: that of the first setting that fits.
async fn granted(app: &App, person: &Person) -> Result<Vec<Granted>, AppError> {
    let mut granted: Vec<Granted> = Vec::new();
    for setting in app.config.openid.oidc_roles.iter().filter(|setting| person.groups.contains(&setting.group)) {
        let Some(team) = app.store.find_team_by_slug(&setting.team_slug).await? else {
            warn!(team = setting.team_slug, "--oidc-role names a team that does not exist");
            continue;
        };
        if granted.iter().any(|held| held.team == team.id) {
            continue;
        }
        let wanted = setting.role.to_lowercase();
        let roles = app.store.list_role_grants(team.id).await?;
        let built_in = roles.iter().find(|held| !held.role.is_custom() && held.role.to_string() == wanted);
        let found = built_in.or_else(|| roles.iter().find(|held| held.name.to_lowercase() == wanted));
        match found {
            Some(found) => {
                granted.push(Granted { team: team.id, role: found.role, role_name: found.name.clone() });
            }
            None => {
                warn!(team = setting.team_slug, role = setting.role, "--oidc-role names a role that does not exist")
            }
        }
    }
    Ok(granted)
}

/// Makes the memberships that follow groups what the groups say. Those that an invitation made are left as they are, and a
/// team's last owner stays one.
async fn follow_groups(app: &App, user: UserId, granted: &[Granted], origin: &RequestOrigin) -> Result<(), AppError> {
    let email = app.store.find_user(user).await?.ok_or(AppError::InvalidSession)?.email;
    let provider = &app.config.openid.oidc_name;
    let event = |action: AuditAction| audit::by_provider(app, provider, action, origin).about(user, &email);
    let held = app.store.list_held_roles(user).await?;
    for wanted in granted {
        let change = json!({ "role": wanted.role_name });
        match held.iter().find(|held| held.team_id == wanted.team) {
            None => {
                let new = NewMembership { user_id: user, role: wanted.role, at: app.clock.now(), follows_groups: true };
                app.store.insert_membership(wanted.team, &new, &event(AuditAction::MemberJoined).made(change)).await?;
            }
            Some(held) if held.follows_groups && held.role != wanted.role => {
                let roles = app.store.list_role_grants(wanted.team).await?;
                let before = roles.into_iter().find(|role| role.role == held.role).map(|role| role.name);
                let event = event(AuditAction::MemberRoleChanged).changed(json!({ "role": before }), change);
                let changed = app.store.update_member_role(wanted.team, user, wanted.role, &event).await;
                unless_last_owner(wanted.team, changed)?;
            }
            Some(_) => {}
        }
    }
    for held in held.iter().filter(|held| held.follows_groups) {
        if !granted.iter().any(|wanted| wanted.team == held.team_id) {
            let event = event(AuditAction::MemberRemoved).removed(json!({ "role": held.role }));
            let removed = app.store.delete_membership(held.team_id, user, None, app.clock.now(), &event).await;
            unless_last_owner(held.team_id, removed)?;
        }
    }
    Ok(())
}

fn unless_last_owner(team: TeamId, result: Result<bool, AppError>) -> Result<(), AppError> {
    match result {
        Err(AppError::Conflict(_)) => {
            warn!(team.id = %team, "the last owner keeps the role, whatever the groups say");
            Ok(())
        }
        other => other.map(drop),
    }
}

fn provider(app: &App) -> Result<&Provider, AppError> {
    app.openid.as_deref().ok_or_else(|| AppError::not_found("OpenID provider"))
}

fn refused(sentence: &str) -> AppError {
    AppError::Forbidden(sentence.to_owned())
}

//! Log-in by an OpenID provider: by authorization code with PKCE, state and nonce, which the browser keeps meanwhile; then
//! which account the person has here, and which roles their groups give them. Called by [crate::server::web] and the log-in
//! page. Sources: OpenID Connect Core 1.0 and Discovery 1.0; RFC 6749, RFC 7636.

mod claims;

use std::pin::Pin;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClientAuthMethod, CoreErrorResponseType,
    CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata,
    CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AsyncHttpClient, AuthType, AuthorizationCode, ClaimsVerificationError, Client, ClientId,
    ClientSecret, CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest,
    HttpResponse, IdTokenFields, IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, RequestTokenError, Scope, StandardErrorResponse, StandardTokenResponse, TokenResponse, UserInfoClaims,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use subtle::ConstantTimeEq;
use tokio::sync::Mutex;
use tower_sessions::Session;
use tracing::{info, warn};

use self::claims::{groups_of, mistyped_claim, mistyped_claim_of_token, refused_claim};
use super::sessions::begin_session;
use super::{checked_email, checked_name};
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::ids::{TeamId, UserId};
use crate::domain::team::Role;
use crate::domain::viewer::RequestOrigin;
use crate::server::App;
use crate::server::config::OpenIdArgs;
use crate::server::outbound::{Outbound, Proxies, Unreachable, innermost};
use crate::server::services::audit;
use crate::server::store::accounts::NewUser;
use crate::server::store::openid::OpenIdName;
use crate::server::store::teams::NewMembership;

/// How long the person has at the provider, in seconds.
pub const LASTS_SECONDS: u32 = 600;
/// The longest address that a log-in leads back to, in bytes.
const MAX_NEXT_BYTES: usize = 1000;
/// How long what the provider says of itself is believed.
const FRESH: TimeDelta = TimeDelta::hours(1);
/// How long a provider that could not be reached is left alone.
const RETRY_AFTER: TimeDelta = TimeDelta::seconds(15);
/// How long an answer of the provider is waited for.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The longest answer of the provider, in bytes.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// Every claim that OpenID Connect Core does not name.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct OtherClaims(Map<String, Value>);

impl AdditionalClaims for OtherClaims {}

type TokenFields = IdTokenFields<
    OtherClaims,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;

type ProviderClient = Client<
    OtherClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<TokenFields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// The provider of the settings, with what it says of itself.
#[derive(Debug)]
pub struct Provider {
    issuer: IssuerUrl,
    client_id: ClientId,
    http: reqwest::Client,
    /// Where what the provider names may lead. Its own host is where the settings say.
    outbound: Outbound,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    metadata: Option<(CoreProviderMetadata, DateTime<Utc>)>,
    failed_at: Option<DateTime<Utc>>,
}

impl Known {
    fn is_fresh(&self, now: DateTime<Utc>) -> bool {
        self.metadata.as_ref().is_some_and(|(_, at)| now - *at < FRESH)
    }

    fn is_left_alone(&self, now: DateTime<Utc>) -> bool {
        self.failed_at.is_some_and(|at| now - at < RETRY_AFTER)
    }
}

/// How the crate that speaks OpenID asks the provider.
impl<'c> AsyncHttpClient<'c> for Provider {
    type Error = NoAnswer;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, NoAnswer>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.ask(request))
    }
}

/// The provider, asked where the crate does not give the answer that it cannot read.
struct Overheard<'p> {
    provider: &'p Provider,
    said: std::sync::Mutex<Vec<u8>>,
}

impl Overheard<'_> {
    fn mistyped_claim(&self) -> Option<String> {
        let said = self.said.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        mistyped_claim(&serde_json::from_slice(&said).ok()?)
    }
}

impl<'c> AsyncHttpClient<'c> for Overheard<'_> {
    type Error = NoAnswer;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, NoAnswer>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let answer = self.provider.ask(request).await?;
            *self.said.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = answer.body().clone();
            Ok(answer)
        })
    }
}

/// Why the provider did not answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// It leads to a private address.
    #[error(transparent)]
    Refused(#[from] Unreachable),
    /// The request failed.
    #[error("{}", innermost(.0))]
    Http(#[from] reqwest::Error),
    /// Nobody reads that much.
    #[error("the answer is too long")]
    TooLong,
}

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
    /// Their address.
    pub email: Option<String>,
    /// Whether the provider knows that the address is theirs.
    pub email_verified: bool,
    /// Their name for people.
    pub name: Option<String>,
    /// Their groups.
    pub groups: Vec<String>,
}

impl Provider {
    /// The provider of the settings, if they name one. Nothing is asked of it yet.
    pub fn new(settings: &OpenIdArgs, outbound: Outbound) -> Option<Self> {
        let issuer = IssuerUrl::new(settings.oidc_issuer.clone()?).ok()?;
        let own = issuer.url().host_str().map(str::to_owned);
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(outbound.resolver(Proxies::OfEnvironment.hosts().into_iter().chain(own).collect()))
            .timeout(TIMEOUT)
            .build();
        Some(Self {
            issuer,
            client_id: ClientId::new(settings.oidc_client_id.clone()?),
            http: http.ok()?,
            outbound,
            known: Mutex::default(),
        })
    }

    /// Asks the provider, or what it names. The answer has a bound, and so has where it comes from.
    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, NoAnswer> {
        let request = reqwest::Request::try_from(request)?;
        let host = request.url().host_str().unwrap_or_default();
        if self.issuer.url().host_str() != Some(host) {
            self.outbound.check_request(host, &Proxies::OfEnvironment).await?;
        }
        let mut response = self.http.execute(request).await?;
        let mut answer = HttpResponse::default();
        *answer.status_mut() = response.status();
        *answer.headers_mut() = response.headers().clone();
        while let Some(chunk) = response.chunk().await? {
            if answer.body().len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(NoAnswer::TooLong);
            }
            answer.body_mut().extend_from_slice(&chunk);
        }
        Ok(answer)
    }

    /// Whether the provider can be reached as far as is known, and whether that should be looked at. Waits for nothing.
    fn seen(&self, now: DateTime<Utc>) -> (bool, bool) {
        // Somebody who is asking it holds what is known.
        let Ok(known) = self.known.try_lock() else { return (true, false) };
        let is_left_alone = known.is_left_alone(now);
        (known.metadata.is_some() || !is_left_alone, !known.is_fresh(now) && !is_left_alone)
    }

    /// What the provider says of itself; asked for when that is not known or old.
    async fn metadata(&self, now: DateTime<Utc>) -> Option<CoreProviderMetadata> {
        let mut known = self.known.lock().await;
        if !known.is_fresh(now) && !known.is_left_alone(now) {
            match CoreProviderMetadata::discover_async(self.issuer.clone(), self).await {
                Ok(metadata) => *known = Known { metadata: Some((metadata, now)), failed_at: None },
                Err(cause) => {
                    warn!(%cause, "the OpenID provider cannot be reached");
                    known.failed_at = Some(now);
                }
            }
        }
        known.metadata.as_ref().map(|(metadata, _)| metadata.clone())
    }

    /// Makes what the provider said of itself old, because it signs with another key by now.
    async fn forget(&self) {
        self.known.lock().await.metadata = None;
    }

    async fn client(&self, app: &App) -> Result<(ProviderClient, CoreProviderMetadata), AppError> {
        let metadata = self.metadata(app.clock.now()).await.ok_or_else(|| {
            AppError::Adapter(format!(
                "{} cannot be reached. Try again in a moment, or log in with a password",
                app.config.openid.oidc_name
            ))
        })?;
        let redirect = format!("{}/login/openid/callback", app.config.public_url());
        let redirect = RedirectUrl::new(redirect).map_err(|_| AppError::Internal)?;
        let secret = app.config.openid.oidc_client_secret.clone().map(ClientSecret::new);
        let mut client =
            Client::from_provider_metadata(metadata.clone(), self.client_id.clone(), secret).set_redirect_uri(redirect);
        let methods = metadata.token_endpoint_auth_methods_supported();
        if methods.is_some_and(|methods| !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)) {
            client = client.set_auth_type(AuthType::RequestBody);
        }
        Ok((client, metadata))
    }
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
    let (client, metadata) = provider(app)?.client(app).await?;
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
    let (mut client, _) = provider.client(app).await?;
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
        (client, _) = provider.client(app).await?;
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
    let email = person.email.as_deref().ok_or_else(|| refused("The provider does not tell your e-mail address"))?;
    if !person.email_verified {
        return Err(refused("The provider has not verified your e-mail address"));
    }
    let email = checked_email(email)?;
    if let Some(found) = app.store.find_user_by_email(&email).await? {
        if app.store.has_openid_account(found.id, name.issuer).await? {
            return Err(refused("The account with your e-mail address belongs to somebody else at the provider"));
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers every connection with `body`.
    async fn server(body: Vec<u8>) -> std::net::SocketAddr {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(&body).await;
            }
        });
        addr
    }

    fn provider_at(addr: std::net::SocketAddr) -> Provider {
        let settings = OpenIdArgs {
            oidc_issuer: Some(format!("http://{addr}")),
            oidc_client_id: Some("sendlog".to_owned()),
            ..OpenIdArgs::default()
        };
        Provider::new(&settings, Outbound::default()).unwrap()
    }

    async fn ask(provider: &Provider, url: &str) -> Result<HttpResponse, NoAnswer> {
        let mut request = HttpRequest::default();
        *request.uri_mut() = url.parse().unwrap();
        provider.ask(request).await
    }

    #[tokio::test]
    async fn what_the_provider_names_elsewhere_leads_to_no_private_address() {
        let addr = server(b"{}".to_vec()).await;
        let provider = provider_at(addr);
        assert_eq!(ask(&provider, &format!("http://{addr}/keys")).await.unwrap().body(), b"{}");
        for elsewhere in ["http://169.254.169.254/", "http://[::1]:80/", "http://localhost:1/"] {
            let refused = ask(&provider, elsewhere).await.unwrap_err().to_string();
            assert!(refused.contains("leads to no public address"), "{elsewhere}: {refused}");
        }
    }

    #[tokio::test]
    async fn an_endless_answer_of_the_provider_is_cut_off() {
        let addr = server(vec![b' '; MAX_ANSWER_BYTES + 1]).await;
        assert!(matches!(ask(&provider_at(addr), &format!("http://{addr}/")).await, Err(NoAnswer::TooLong)));
    }

    #[tokio::test]
    async fn nobody_who_looks_at_the_page_waits_for_a_silent_provider() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let provider = std::sync::Arc::new(provider_at(silent.local_addr().unwrap()));
        let now = DateTime::UNIX_EPOCH;
        assert_eq!(provider.seen(now), (true, true));
        let asking = std::sync::Arc::clone(&provider);
        let asked = tokio::spawn(async move { asking.metadata(now).await });
        let _connection = silent.accept().await.unwrap();
        assert_eq!(provider.seen(now), (true, false));
        asked.abort();
    }
}

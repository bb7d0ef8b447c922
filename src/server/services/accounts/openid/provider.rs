//! The provider of the settings: what it says of itself, and what it is asked.

use std::pin::Pin;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreClientAuthMethod, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreRevocableToken,
    CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AsyncHttpClient, AuthType, Client, ClientId, ClientSecret, EmptyExtraTokenFields,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, HttpRequest, HttpResponse, IdTokenFields, IssuerUrl, RedirectUrl,
    StandardErrorResponse, StandardTokenResponse,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokio::sync::Mutex;
use tracing::warn;

use super::claims::mistyped_claim;
use crate::domain::error::AppError;
use crate::server::config::{Config, OpenIdArgs};
use crate::server::outbound::{Outbound, Proxies, Unreachable, innermost};

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
pub(super) struct OtherClaims(pub(super) Map<String, Value>);

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
pub(super) struct Overheard<'p> {
    pub(super) provider: &'p Provider,
    pub(super) said: std::sync::Mutex<Vec<u8>>,
}

impl Overheard<'_> {
    pub(super) fn mistyped_claim(&self) -> Option<String> {
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
    #[error("{}", innermost(.0))]
    Http(#[from] reqwest::Error),
    /// Nobody reads that much.
    #[error("the answer is too long")]
    TooLong,
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
    pub(super) fn seen(&self, now: DateTime<Utc>) -> (bool, bool) {
        // Somebody who is asking it holds what is known.
        let Ok(known) = self.known.try_lock() else { return (true, false) };
        let is_left_alone = known.is_left_alone(now);
        (known.metadata.is_some() || !is_left_alone, !known.is_fresh(now) && !is_left_alone)
    }

    /// What the provider says of itself; asked for when that is not known or old.
    pub(super) async fn metadata(&self, now: DateTime<Utc>) -> Option<CoreProviderMetadata> {
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
    pub(super) async fn forget(&self) {
        self.known.lock().await.metadata = None;
    }

    pub(super) async fn client(
        &self,
        config: &Config,
        now: DateTime<Utc>,
    ) -> Result<(ProviderClient, CoreProviderMetadata), AppError> {
        let metadata = self.metadata(now).await.ok_or_else(|| {
            AppError::Adapter(format!(
                "{} cannot be reached. Try again in a moment, or log in with a password",
                config.openid.oidc_name
            ))
        })?;
        let redirect = format!("{}/login/openid/callback", config.public_url());
        let redirect = RedirectUrl::new(redirect).map_err(|_| AppError::Internal)?;
        let secret = config.openid.oidc_client_secret.clone().map(ClientSecret::new);
        let mut client =
            Client::from_provider_metadata(metadata.clone(), self.client_id.clone(), secret).set_redirect_uri(redirect);
        let methods = metadata.token_endpoint_auth_methods_supported();
        if methods.is_some_and(|methods| !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)) {
            client = client.set_auth_type(AuthType::RequestBody);
        }
        Ok((client, metadata))
    }
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

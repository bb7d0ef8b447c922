//! The APIs: our own in Canary's shape, and those in the shapes of other systems, each a thin translation between its own
//! requests and answers and the use cases of [crate::server::services]. None calls the store or checks a permission. Each
//! is a folder with a file a noun, which holds its shapes and handlers, and `error`, its envelope. [crate::server::web]
//! mounts them.

pub mod canary;
mod extract;
pub mod jetemail;
pub mod notificationapi;
mod openapi;
pub mod resend_com;
pub mod sendwithus;
mod shapes;
mod strict;

use axum::Json;

use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;

use crate::domain::error::AppError;
use crate::server::App;
use crate::server::identity::api_key;

/// A system whose clients can talk to us. [Api::Sendlog] is our own, in Canary's shape.
pub use crate::domain::api_key::KeyApi as Api;

/// What a program says to prove who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub secret: String,
    /// The key's id, where the system sends that too.
    pub key_id: Option<String>,
}

impl Api {
    /// The systems of others.
    pub const OTHERS: [Api; 4] = [Self::Sendwithus, Self::Resend, Self::Jetemail, Self::Notificationapi];

    /// What the main address puts before its paths. Our own paths are whole: `/api/logs`.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Sendlog => "",
            Self::Sendwithus => "/sendwithus/api/v1",
            Self::Resend => "/resend",
            Self::Jetemail => "/jetemail",
            Self::Notificationapi => "/notificationapi",
        }
    }

    /// Where it is on an address of its own: what its clients put behind host and port.
    pub const fn own_prefix(self) -> &'static str {
        match self {
            Self::Sendwithus => "/api/v1",
            Self::Sendlog | Self::Resend | Self::Jetemail | Self::Notificationapi => "",
        }
    }

    /// Its endpoints with their descriptions; paths are relative to the prefix.
    pub fn routes(self) -> OpenApiRouter<App> {
        match self {
            Self::Sendlog => canary::routes(),
            Self::Sendwithus => sendwithus::routes(),
            Self::Resend => resend_com::routes(),
            Self::Jetemail => jetemail::routes(),
            Self::Notificationapi => notificationapi::routes(),
        }
    }

    /// The key that a request carries, in the way of this system.
    pub fn credentials(self, headers: &HeaderMap) -> Option<Credentials> {
        let secret = match self {
            Self::Sendlog => api_key(headers).map(str::to_owned),
            Self::Sendwithus => header_text(headers, "x-swu-api-key")
                .map(str::to_owned)
                .or_else(|| basic(headers).map(|(secret, _)| secret)),
            Self::Resend | Self::Jetemail => bearer(headers).map(str::to_owned),
            Self::Notificationapi => {
                return basic(headers).map(|(key_id, secret)| Credentials { secret, key_id: Some(key_id) });
            }
        };
        secret.map(|secret| Credentials { secret, key_id: None })
    }

    /// An error in this system's envelope.
    pub fn refuse(self, error: AppError) -> Response {
        match self {
            Self::Sendlog => canary::error::CanaryError::from(error).into_response(),
            Self::Sendwithus => sendwithus::error::SendwithusError::from(error).into_response(),
            Self::Resend => resend_com::error::ResendError::from(error).into_response(),
            Self::Jetemail => jetemail::error::JetemailError::from(error).into_response(),
            Self::Notificationapi => notificationapi::error::NotificationapiError::from(error).into_response(),
        }
    }

    /// The answer to a method that the path does not know.
    pub fn refuse_method(self, method: &Method, path: &str) -> Response {
        let message = match self {
            Self::Resend => return resend_com::error::ResendError::method_not_allowed(method).into_response(),
            Self::Sendlog => format!("{path} does not answer {method}"),
            Self::Sendwithus | Self::Jetemail | Self::Notificationapi => format!("{method} is not allowed here"),
        };
        let mut response = self.refuse(AppError::invalid(message));
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        response
    }
}

/// An error in its envelope, and when to come back where it says so.
fn refusal(status: StatusCode, retry_after_s: Option<u64>, body: impl Serialize) -> Response {
    let mut response = (status, Json(body)).into_response();
    if let Some(seconds) = retry_after_s {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

const fn retry_after_s(error: &AppError) -> Option<u64> {
    if let AppError::RateLimited { retry_after_s } = error { Some(*retry_after_s) } else { None }
}

fn status_of(error: &AppError) -> StatusCode {
    StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// What follows the scheme in `Authorization`, whatever letters the scheme is written in.
fn authorization<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let (scheme, rest) = header_text(headers, header::AUTHORIZATION.as_str())?.split_once(' ')?;
    scheme.eq_ignore_ascii_case(wanted).then(|| rest.trim())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    authorization(headers, "bearer")
}

/// User name and password. Source: RFC 7617.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let decoded = STANDARD.decode(authorization(headers, "basic")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::HeaderName::from_static(name), value.parse().unwrap())])
    }

    fn secret(dialect: Api, headers: &HeaderMap) -> Option<(Option<String>, String)> {
        dialect.credentials(headers).map(|credentials| (credentials.key_id, credentials.secret))
    }

    #[test]
    fn each_system_carries_its_key_in_its_own_way() {
        let key_alone = headers("authorization", &format!("Basic {}", STANDARD.encode("sl_abc:")));
        let pair = headers("authorization", &format!("basic {}", STANDARD.encode("key_1:sl_abc")));
        let (bearer, own) = (headers("authorization", "Bearer sl_abc"), headers("x-swu-api-key", "sl_abc"));
        let plain = Some((None, "sl_abc".to_owned()));
        assert_eq!(secret(Api::Sendwithus, &key_alone), plain);
        assert_eq!(secret(Api::Sendwithus, &own), plain);
        assert_eq!(secret(Api::Sendwithus, &bearer), None);
        assert_eq!(secret(Api::Resend, &bearer), plain);
        assert_eq!(secret(Api::Jetemail, &bearer), plain);
        assert_eq!(secret(Api::Resend, &key_alone), None);
        let with_id = Some((Some("key_1".to_owned()), "sl_abc".to_owned()));
        assert_eq!(secret(Api::Notificationapi, &pair), with_id);
        assert_eq!(secret(Api::Notificationapi, &headers("authorization", "Basic ???")), None);
    }
}

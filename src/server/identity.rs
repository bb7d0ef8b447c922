//! Who is asking, as the web server leaves it in a request's extensions. The APIs and the pages read it there.

use axum::http::{HeaderMap, header};

use super::store::api_keys::FoundKey;
use crate::domain::error::AppError;
use crate::domain::viewer::{RequestOrigin, Viewer};

/// How much of what a client calls itself is kept, in characters.
const MAX_USER_AGENT_CHARS: usize = 500;

/// The viewer of this request, or why there is none. In the request's extensions.
#[derive(Clone, Debug)]
pub struct Identity(pub Result<Viewer, AppError>);

/// The network address of the client, as far as it is known; limits on guessing count by it. In the request's
/// extensions.
#[derive(Clone, Debug)]
pub struct ClientAddress(pub String);

/// The key that a request carries and what bounds it, where it counts, whether or not it is for the API that was asked:
/// its requests are counted and written down all the same. In the request's extensions.
#[derive(Clone, Debug)]
pub struct KeyInUse(pub FoundKey);

/// The API key that a request carries: `Authorization: Bearer …`, the scheme in any letters, or `X-API-Key: …`. Blanks
/// around it do not count.
pub fn api_key(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, secret) = value.trim().split_once([' ', '\t'])?;
        scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
    });
    bearer.or_else(|| Some(headers.get("x-api-key")?.to_str().ok()?.trim()))
}

/// Where a request came from.
pub fn origin(address: &ClientAddress, headers: &HeaderMap) -> RequestOrigin {
    let user_agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    RequestOrigin {
        address: Some(address.0.clone()),
        user_agent: user_agent.map(|text| text.chars().take(MAX_USER_AGENT_CHARS).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(headers: &[(&'static str, &str)]) -> Option<String> {
        let pairs = headers.iter().map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap()));
        api_key(&pairs.collect()).map(str::to_owned)
    }

    #[test]
    fn a_key_is_read_in_every_documented_form() {
        for value in ["Bearer sl_abc", "bearer sl_abc", "BEARER   sl_abc ", " Bearer\tsl_abc"] {
            assert_eq!(key(&[("authorization", value)]).as_deref(), Some("sl_abc"), "{value:?}");
        }
        for value in ["sl_abc", "  sl_abc "] {
            assert_eq!(key(&[("x-api-key", value)]).as_deref(), Some("sl_abc"), "{value:?}");
        }
        let other_scheme = [("authorization", "Basic c2xfYWJjOg=="), ("x-api-key", "sl_abc")];
        assert_eq!(key(&other_scheme).as_deref(), Some("sl_abc"));
        assert_eq!(key(&[("authorization", "sl_abc")]), None);
        assert_eq!(key(&[]), None);
    }
}

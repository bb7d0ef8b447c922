//! Requests to Amazon's services, with its signature. Called by [super::ses] and [mod@super::connect].
//! Source: AWS Signature Version 4.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use chrono::{DateTime, Utc};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::{Account, OutRequest};

/// A request to a service, before it is signed.
pub(super) struct Unsigned {
    pub service: &'static str,
    pub method: Method,
    pub url: String,
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

/// The request with Amazon's signature over its address, its headers and its body.
pub(super) fn signed(account: &Account<'_>, request: Unsigned, now: DateTime<Utc>) -> Result<OutRequest, String> {
    const CANNOT: &str = "The request to Amazon cannot be signed";
    let Unsigned { service, method, url, content_type, body } = request;
    let identity = Credentials::new(account.user, account.key, None, None, "sendlog").into();
    let since_1970 = Duration::from_secs(u64::try_from(now.timestamp()).map_err(|_| CANNOT)?);
    let params = SigningParams::builder()
        .identity(&identity)
        .region(region(account))
        .name(service)
        .time(SystemTime::UNIX_EPOCH + since_1970)
        .settings(SigningSettings::default())
        .build()
        .map_err(|_| CANNOT)?
        .into();
    let labels = [(CONTENT_TYPE.as_str(), content_type)].into_iter();
    let signable =
        SignableRequest::new(method.as_str(), &url, labels, SignableBody::Bytes(&body)).map_err(|_| CANNOT)?;
    let (instructions, _) = sign(signable, &params).map_err(|_| CANNOT)?.into_parts();
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    for (name, text) in instructions.headers() {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| CANNOT)?;
        let mut value = HeaderValue::from_str(text).map_err(|_| CANNOT)?;
        value.set_sensitive(name != "x-amz-date");
        headers.insert(name, value);
    }
    Ok(OutRequest { method, url, headers, body })
}

/// The region of an address of Amazon's: `https://email.eu-central-1.amazonaws.com`. Another address says it beside itself.
pub(super) fn region<'a>(account: &'a Account<'_>) -> &'a str {
    let named = regional(account.base).map(|(region, _)| region);
    named.or_else(|| account.option("region")).unwrap_or("us-east-1")
}

/// Where SNS answers for the region of this address of SES. Another address than Amazon's own stands for both.
pub(super) fn sns(base: &str) -> String {
    match regional(base) {
        Some((region, domain)) => format!("https://sns.{region}.{domain}/"),
        None => format!("{}/", base.trim_end_matches('/')),
    }
}

/// The region and the domain of an address of SES: `amazonaws.com`, or `amazonaws.com.cn`.
fn regional(base: &str) -> Option<(&str, &str)> {
    let host = base.split_once("://").map_or(base, |(_, rest)| rest).split('/').next()?;
    let (region, domain) = host.strip_prefix("email.")?.split_once('.')?;
    matches!(domain, "amazonaws.com" | "amazonaws.com.cn").then_some((region, domain))
}

/// Amazon answers a wrong signature with the request as it should have been signed, which has the session token in it.
pub(super) fn without_request(message: &str) -> &str {
    let end = message.find("The Canonical String").unwrap_or(message.len());
    message.get(..end).unwrap_or_default().lines().next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sns_is_beside_ses() {
        for (ses, region_of, wanted) in [
            ("https://email.eu-central-1.amazonaws.com", "eu-central-1", "https://sns.eu-central-1.amazonaws.com/"),
            ("https://email.eu-west-1.amazonaws.com/", "eu-west-1", "https://sns.eu-west-1.amazonaws.com/"),
            ("https://email.cn-north-1.amazonaws.com.cn", "cn-north-1", "https://sns.cn-north-1.amazonaws.com.cn/"),
            ("http://127.0.0.1:4711", "us-east-1", "http://127.0.0.1:4711/"),
            (
                "https://email.eu-west-1.amazonaws.com.evil.example",
                "us-east-1",
                "https://email.eu-west-1.amazonaws.com.evil.example/",
            ),
        ] {
            assert_eq!((region(&Account::new(ses, "", "", "")), sns(ses).as_str()), (region_of, wanted));
        }
        assert_eq!(region(&Account::new("http://127.0.0.1", "", "", "region=eu-north-1")), "eu-north-1");
    }
}

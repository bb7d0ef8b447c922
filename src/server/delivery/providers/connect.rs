//! Asks a provider to post its events to an address of the team's, with the key of one of its adapters. Called by the service of
//! provider webhooks. Amazon SES is asked by an [AmazonAccount].
//! Sources: Twilio SendGrid, "Event Webhook" (v3/user/webhooks/event/settings, signed); Postmark, "Webhooks API"; Mailgun,
//! "Domain Webhooks", "HTTP signing key"; Resend, "Create Webhook"; Brevo, "Create a webhook"; Mailjet, "Event Callback URL";
//! SparkPost, "Webhooks API".

mod amazon;

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::{Value, json};

pub use self::amazon::{AmazonAccount, CONFIGURATION_SET};
use super::answer::shorten;
use super::{Account, Answer, basic, bearer, secret_value, segment, text_of, url};
use crate::domain::adapter::AdapterKind;
use crate::server::delivery::http::{HttpRoute, HttpSender};

/// An address to post to.
#[derive(Clone, Copy)]
pub struct HookAddress<'a> {
    /// With the log-in in it, where it has one.
    pub whole: &'a str,
    /// Without.
    pub bare: &'a str,
    /// User and password, for providers that have fields for them.
    pub log_in: Option<(&'a str, &'a str)>,
}

/// What Mailgun calls the events that are asked for.
const MAILGUN_EVENTS: [&str; 7] =
    ["delivered", "opened", "clicked", "unsubscribed", "complained", "permanent_fail", "temporary_fail"];
/// What Mailjet does.
const MAILJET_EVENTS: [&str; 7] = ["sent", "open", "click", "bounce", "spam", "blocked", "unsub"];
/// What Brevo does.
const BREVO_EVENTS: [&str; 10] = [
    "delivered",
    "hardBounce",
    "softBounce",
    "blocked",
    "spam",
    "invalid",
    "deferred",
    "click",
    "opened",
    "unsubscribed",
];
/// What Resend does.
const RESEND_EVENTS: [&str; 8] = [
    "email.delivered",
    "email.delivery_delayed",
    "email.bounced",
    "email.complained",
    "email.opened",
    "email.clicked",
    "email.failed",
    "email.suppressed",
];
/// What SparkPost does.
const SPARKPOST_EVENTS: [&str; 14] = [
    "delivery",
    "bounce",
    "delay",
    "policy_rejection",
    "out_of_band",
    "spam_complaint",
    "open",
    "initial_open",
    "click",
    "list_unsubscribe",
    "link_unsubscribe",
    "generation_failure",
    "generation_rejection",
    "amp_click",
];

/// Asks a provider to post to `hook`, and gives what it signs by where it told. An error is a sentence in the provider's words.
pub async fn connect(
    sender: &HttpSender,
    kind: AdapterKind,
    route: &HttpRoute,
    sender_domain: &str,
    hook: HookAddress<'_>,
) -> Result<Option<String>, String> {
    let account = Account::of(&route.endpoint, &route.secret);
    let api = Api { sender, host: route.endpoint.host(), account: &account };
    match kind {
        AdapterKind::SendGrid => connect_sendgrid(&api, hook).await.map(Some),
        AdapterKind::Postmark => connect_postmark(&api, hook).await.map(|()| None),
        AdapterKind::Mailgun => connect_mailgun(&api, sender_domain, hook).await.map(Some),
        AdapterKind::ResendCom => {
            let body = json!({ "endpoint": hook.whole, "events": RESEND_EVENTS });
            let made = api.post("/webhooks", bearer(account.key)?, &body).await?;
            told(&made, "/signing_secret").map(Some)
        }
        AdapterKind::Brevo => {
            let log_in = (HeaderName::from_static("api-key"), secret_value(account.key)?);
            let body = json!({
                "url": hook.whole, "description": "Sendlog", "type": "transactional", "events": BREVO_EVENTS,
            });
            api.post("/v3/webhooks", log_in, &body).await.map(|_| None)
        }
        AdapterKind::Mailjet => {
            for event in MAILJET_EVENTS {
                let body = json!({ "EventType": event, "Url": hook.whole, "Version": 2 });
                api.post("/v3/REST/eventcallbackurl", basic(account.user, account.key)?, &body).await?;
            }
            Ok(None)
        }
        AdapterKind::SparkPost => {
            let (user, password) = hook.log_in.unwrap_or_default();
            let log_in = (AUTHORIZATION, secret_value(account.key)?);
            let body = json!({
                "name": "Sendlog", "target": hook.bare, "events": SPARKPOST_EVENTS, "auth_type": "basic",
                "auth_credentials": { "username": user, "password": password },
            });
            api.post("/api/v1/webhooks", log_in, &body).await.map(|_| None)
        }
        AdapterKind::Smtp
        | AdapterKind::Http
        | AdapterKind::AmazonSes
        | AdapterKind::JetEmail
        | AdapterKind::Twilio
        | AdapterKind::Vonage => Err("This provider cannot be asked; set the address up there".to_owned()),
    }
}

async fn connect_sendgrid(api: &Api<'_>, hook: HookAddress<'_>) -> Result<String, String> {
    let log_in = || bearer(api.account.key);
    let body = json!({
        "enabled": true, "url": hook.whole, "friendly_name": "Sendlog", "delivered": true, "deferred": true, "bounce": true,
        "dropped": true, "open": true, "click": true, "spam_report": true, "unsubscribe": true, "group_unsubscribe": true,
        "group_resubscribe": true, "processed": false,
    });
    let made = api.post("/v3/user/webhooks/event/settings", log_in()?, &body).await?;
    let id = segment(&told(&made, "/id")?)?;
    let path = format!("/v3/user/webhooks/event/settings/signed/{id}");
    let signed = api.call(Method::PATCH, &path, log_in()?, Some(&json!({ "enabled": true }))).await?;
    told(&signed, "/public_key")
}

async fn connect_postmark(api: &Api<'_>, hook: HookAddress<'_>) -> Result<(), String> {
    let (user, password) = hook.log_in.unwrap_or_default();
    let log_in = (HeaderName::from_static("x-postmark-server-token"), secret_value(api.account.key)?);
    let on = json!({ "Enabled": true });
    let body = json!({
        "Url": hook.bare,
        "MessageStream": api.account.option("messageStream").unwrap_or("outbound"),
        "HttpAuth": { "Username": user, "Password": password },
        "Triggers": {
            "Open": { "Enabled": true, "PostFirstOpenOnly": false }, "Click": on, "Delivery": on,
            "Bounce": { "Enabled": true, "IncludeContent": false },
            "SpamComplaint": { "Enabled": true, "IncludeContent": false }, "SubscriptionChange": on,
        },
    });
    api.post("/webhooks", log_in, &body).await.map(|_| ())
}

/// Mailgun has a webhook for each event, and one key that signs them all.
async fn connect_mailgun(api: &Api<'_>, sender_domain: &str, hook: HookAddress<'_>) -> Result<String, String> {
    let log_in = || basic("api", api.account.key);
    let (base, domain) = api.account.base.split_once("/v3/").unwrap_or((api.account.base, sender_domain));
    let domain = segment(domain.trim_end_matches('/'))?;
    let key = api.call_at(Method::GET, url(base, "/v5/accounts/http_signing_key")?, log_in()?, None).await?;
    for event in MAILGUN_EVENTS {
        let url = url(base, &format!("/v3/domains/{domain}/webhooks"))?;
        let form =
            form_urlencoded::Serializer::new(String::new()).extend_pairs([("id", event), ("url", hook.whole)]).finish();
        let form = (HeaderValue::from_static("application/x-www-form-urlencoded"), form.into_bytes());
        api.call_at(Method::POST, url, log_in()?, Some(form)).await?;
    }
    told(&key, "/http_signing_key")
}

/// A text that an answer must have.
fn told(answer: &Value, pointer: &str) -> Result<String, String> {
    let told = answer.pointer(pointer).and_then(text_of);
    told.ok_or_else(|| format!("The provider's answer has no {}", pointer.trim_start_matches('/')))
}

/// A provider's API, as one account is let in.
struct Api<'a> {
    sender: &'a HttpSender,
    host: &'a str,
    account: &'a Account<'a>,
}

impl Api<'_> {
    async fn post(&self, path: &str, log_in: (HeaderName, HeaderValue), body: &Value) -> Result<Value, String> {
        self.call(Method::POST, path, log_in, Some(body)).await
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        log_in: (HeaderName, HeaderValue),
        body: Option<&Value>,
    ) -> Result<Value, String> {
        let body = body.map(|body| (HeaderValue::from_static("application/json"), body.to_string().into_bytes()));
        self.call_at(method, url(self.account.base, path)?, log_in, body).await
    }

    /// What the API answers; an error where that is no success.
    async fn call_at(
        &self,
        method: Method,
        url: String,
        (name, value): (HeaderName, HeaderValue),
        body: Option<(HeaderValue, Vec<u8>)>,
    ) -> Result<Value, String> {
        let mut headers = HeaderMap::from_iter([(name, value), (ACCEPT, HeaderValue::from_static("application/json"))]);
        let body = body.map(|(content_type, body)| {
            headers.insert(CONTENT_TYPE, content_type);
            body
        });
        let make =
            |client: &reqwest::Client| client.request(method, url).headers(headers).body(body.unwrap_or_default());
        let answer = self.sender.exchange(self.host, make).await.map_err(|none| none.reason)?;
        let read = Answer::new(answer.status.as_u16(), &answer.headers, &answer.body, &[]);
        if !answer.status.is_success() {
            let said = ["/errors/0/message", "/message", "/Message", "/ErrorMessage", "/errors/0/description"];
            let words = said.iter().find_map(|pointer| read.text(pointer));
            return Err(shorten(&read.reply(words.as_deref())));
        }
        Ok(read.at("").cloned().unwrap_or_default())
    }
}

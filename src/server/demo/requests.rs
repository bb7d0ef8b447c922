//! The demo's log of API requests: those that messages came in, and some that were refused.

use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use serde_json::{Value, json};

use super::catalogue::Spec;
use super::setting::Setting;
use super::{by_share, read_data};
use crate::domain::api_request::{ApiRequest, LoggedBody};
use crate::domain::email::RecipientKind;
use crate::domain::ids::{ApiRequestId, NotificationId, lowest_id_at};
use crate::server::services::api_requests::{logged_answer, logged_body};
use crate::server::store::emails::NewEmail;

const CHECKOUT_CLIENT: &str = "finch-checkout/4.12 (node 22.11)";
const CRM_CLIENT: &str = "finch-crm/1.9 (python 3.13)";

/// What a program asks through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    /// Its own program for our own API.
    Own,
    /// npm's `resend`.
    Resend,
    /// PyPI's `sendwithus`.
    Sendwithus,
    /// PyPI's `jetemail`.
    Jetemail,
}

impl Client {
    /// The shop and the customer database each have moved some of their programs over.
    fn of(spec: &Spec, email: &NewEmail) -> Self {
        match (spec.by_checkout, email.id.0 % 4) {
            (true, 1) => Self::Resend,
            (false, 1) => Self::Sendwithus,
            (false, 2) => Self::Jetemail,
            (true | false, _) => Self::Own,
        }
    }

    fn user_agent(self, by_checkout: bool) -> &'static str {
        match self {
            Self::Own if by_checkout => CHECKOUT_CLIENT,
            Self::Own => CRM_CLIENT,
            Self::Resend => "resend-node:6.38.0",
            Self::Sendwithus => "python-requests/2.32.5",
            Self::Jetemail => "jetemail-python/0.1.0",
        }
    }
}

/// The request that a message came in.
pub(super) fn of_email(rng: &mut ChaCha8Rng, setting: &Setting, spec: &Spec, email: &NewEmail) -> ApiRequest {
    let to: Vec<&str> = email
        .recipients
        .iter()
        .filter(|recipient| recipient.kind == RecipientKind::To)
        .map(|recipient| recipient.address.as_str())
        .collect();
    let template_id = email.template.map(|(template_id, _)| template_id);
    let from = &email.from_address;
    let client = Client::of(spec, email);
    let (endpoint, status, request, answer) = match client {
        Client::Own => (
            "/api/v1/send",
            200,
            json!({ "templateId": template_id, "to": to, "variables": email.variables, "tags": email.tags }),
            json!({ "success": true, "data": { "id": email.id, "jobId": email.job_id, "status": "queued" } }),
        ),
        Client::Resend => (
            "/resend/emails",
            200,
            json!({ "from": from, "to": to, "template": { "id": template_id, "variables": email.variables } }),
            json!({ "id": email.id.to_uuid() }),
        ),
        Client::Sendwithus => (
            "/sendwithus/api/v1/send",
            200,
            json!({
                "email_id": template_id, "recipient": { "address": to.first() }, "email_data": email.variables,
                "tags": email.tags,
            }),
            json!({
                "success": true, "status": "OK", "receipt_id": email.id.with_prefix("log_"),
                "email": { "name": spec.name, "version_name": "Current", "locale": "en-US" },
            }),
        ),
        Client::Jetemail => (
            "/jetemail/email",
            201,
            json!({ "from": from, "to": to, "subject": email.subject, "text": email.text }),
            json!({ "id": email.id, "response": "Message queued" }),
        ),
    };
    let made = Call { endpoint, method: "POST", status, request: Some(request), answer };
    call(rng, setting, (spec.by_checkout, client.user_agent(spec.by_checkout)), email.id.created_at(), made)
}

/// The request that a notification came in.
pub(super) fn of_notification(
    rng: &mut ChaCha8Rng,
    setting: &Setting,
    kind: &str,
    user: &str,
    id: NotificationId,
) -> ApiRequest {
    let endpoint = format!("/notificationapi/{}/sender", setting.checkout_key);
    let request = json!({ "type": kind, "to": { "id": user }, "parameters": {} });
    let answer = json!({ "trackingId": id.to_uuid(), "messages": [] });
    let made = Call { endpoint: &endpoint, method: "POST", status: 200, request: Some(request), answer };
    call(rng, setting, (true, "notificationapi-node-server-sdk/2.8.0"), id.created_at(), made)
}

/// Requests of the last days that were refused, and some that only read.
pub(super) fn others(rng: &mut ChaCha8Rng, setting: &Setting, now: DateTime<Utc>, count: usize) -> Vec<ApiRequest> {
    let mut requests = Vec::with_capacity(count);
    for is_odd in [false, true].into_iter().cycle().take(count) {
        let at = now - TimeDelta::milliseconds(rng.random_range(60_000..200_000_000));
        let ticket = 2 * rng.random_range(0..6) + u32::from(is_odd);
        let Some(other) = by_share(&OTHERS, ticket, |other| other.share) else { break };
        let &Other { by_checkout, method, endpoint, status, .. } = other;
        let client = if by_checkout { CHECKOUT_CLIENT } else { CRM_CLIENT };
        let made = Call { method, endpoint, status, request: other.request.clone(), answer: other.answer.clone() };
        requests.push(call(rng, setting, (by_checkout, client), at, made));
    }
    requests
}

/// A request that no message came in. Source: `requests.json`.
#[derive(Deserialize)]
struct Other {
    /// Of twelve.
    share: u32,
    by_checkout: bool,
    method: &'static str,
    endpoint: &'static str,
    status: i64,
    request: Option<Value>,
    answer: Value,
}

static OTHERS: LazyLock<Vec<Other>> = LazyLock::new(|| read_data(include_str!("requests.json")));

struct Call<'a> {
    method: &'static str,
    endpoint: &'a str,
    status: i64,
    request: Option<Value>,
    answer: Value,
}

fn call(
    rng: &mut ChaCha8Rng,
    setting: &Setting,
    (by_checkout, client): (bool, &str),
    at: DateTime<Utc>,
    call: Call,
) -> ApiRequest {
    let key = if by_checkout { setting.checkout_key } else { setting.crm_key };
    let body = |value: &Value| logged_body(value.to_string().as_bytes());
    ApiRequest {
        id: ApiRequestId(lowest_id_at(at) + rng.random_range(0..1_i64 << 19)),
        team_id: setting.team_id,
        api_key_id: Some(key),
        user_id: None,
        method: call.method.to_owned(),
        endpoint: call.endpoint.to_owned(),
        response_status: call.status,
        user_agent: Some(client.to_owned()),
        duration_ms: rng.random_range(2..24) + if rng.random_ratio(1, 30) { rng.random_range(40..300) } else { 0 },
        at,
        request_body: call.request.as_ref().map_or_else(LoggedBody::default, body),
        response_body: logged_answer(call.method, call.endpoint, call.status, call.answer.to_string().as_bytes()),
    }
}

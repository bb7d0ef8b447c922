//! The demo's log of API requests: those that messages came in, and some that were refused.

use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::catalogue::Spec;
use super::setting::Setting;
use crate::domain::api_request::{ApiRequest, LoggedBody};
use crate::domain::email::RecipientKind;
use crate::domain::ids::{ApiKeyId, ApiRequestId, lowest_id_at};
use crate::server::services::api_requests::logged_body;
use crate::server::store::emails::NewEmail;

const CHECKOUT_CLIENT: &str = "finch-checkout/4.12 (node 22.11)";
const CRM_CLIENT: &str = "finch-crm/1.9 (python 3.13)";

/// The request that a message came in.
pub(super) fn of_email(rng: &mut ChaCha8Rng, setting: &Setting, spec: &Spec, email: &NewEmail) -> ApiRequest {
    let to: Vec<&str> = email
        .recipients
        .iter()
        .filter(|recipient| recipient.kind == RecipientKind::To)
        .map(|recipient| recipient.address.as_str())
        .collect();
    let request = json!({
        "templateId": email.template.map(|(template_id, _)| template_id), "to": to, "variables": email.variables,
        "tags": email.tags,
    });
    let answer = json!({ "success": true, "data": { "id": email.id, "jobId": email.job_id, "status": "queued" } });
    let request = Call { endpoint: "/api/v1/send", method: "POST", status: 200, request: Some(request), answer };
    call(rng, setting, spec.by_checkout, email.id.created_at(), request)
}

/// Requests of the last days that were refused, and some that only read.
pub(super) fn others(rng: &mut ChaCha8Rng, setting: &Setting, now: DateTime<Utc>, count: usize) -> Vec<ApiRequest> {
    (0..count)
        .map(|_| {
            let at = now - TimeDelta::milliseconds(rng.random_range(60_000..200_000_000));
            let (by_checkout, made) = match rng.random_range(0..6) {
                0 => (true, refused(400, "VALIDATION_ERROR", "to must hold at least one address")),
                1 => (
                    false,
                    refused(
                        400,
                        "INVALID_TEMPLATE",
                        "The template's subject uses `city`, which the variables do not contain",
                    ),
                ),
                2 => (true, refused(404, "NOT_FOUND", "Template not found")),
                3 => {
                    let answer = error("FORBIDDEN", "Missing permission: logs:view");
                    let endpoint = "/api/logs?page=1&pageSize=50";
                    (true, Call { endpoint, method: "GET", status: 403, request: None, answer })
                }
                _ => {
                    let answer = json!({ "success": true, "data": { "total": 0 } });
                    (false, Call { endpoint: "/api/logs/stats", method: "GET", status: 200, request: None, answer })
                }
            };
            call(rng, setting, by_checkout, at, made)
        })
        .collect()
}

struct Call {
    method: &'static str,
    endpoint: &'static str,
    status: i64,
    request: Option<Value>,
    answer: Value,
}

fn refused(status: i64, code: &str, message: &str) -> Call {
    let request = json!({ "to": [], "variables": {} });
    Call { endpoint: "/api/v1/send", method: "POST", status, request: Some(request), answer: error(code, message) }
}

fn error(code: &str, message: &str) -> Value {
    json!({ "success": false, "error": { "code": code, "message": message } })
}

fn call(rng: &mut ChaCha8Rng, setting: &Setting, by_checkout: bool, at: DateTime<Utc>, call: Call) -> ApiRequest {
    let (key, client): (ApiKeyId, &str) =
        if by_checkout { (setting.checkout_key, CHECKOUT_CLIENT) } else { (setting.crm_key, CRM_CLIENT) };
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
        response_body: body(&call.answer),
    }
}

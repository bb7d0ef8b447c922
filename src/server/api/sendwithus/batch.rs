//! Several requests in one. Source: Sendwithus, Batch API, as its published clients use it.

use std::sync::LazyLock;

use axum::Router;
use axum::body::{Body as HttpBody, Bytes, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Request, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tower::ServiceExt;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::SendwithusError;
use crate::domain::error::AppError;
use crate::domain::ids::ApiRequestId;
use crate::domain::permission::Permission;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::api::Api;
use crate::server::api::extract::{Body, Caller, RequestId, read_idempotency_key};
use crate::server::api::strict::parse_json;
use crate::server::identity::Identity;
use crate::server::services::send::{self, IdempotencyKey};

/// The most requests of one batch. Sendwithus advises against more and knows no limit.
const MAX_COMMANDS: usize = 100;

/// What a batch can ask for: every endpoint but the batch itself.
static COMMANDS: LazyLock<Router<App>> = LazyLock::new(|| {
    let (router, _) = super::commands().split_for_parts();
    router
        .fallback(|| async { SendwithusError::from(AppError::not_found("The endpoint")) })
        .method_not_allowed_fallback(|method: Method| async move { Api::Sendwithus.refuse_method(&method, "") })
});

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(run_batch))
}

/// Answers several requests, one after the other in their order, each as if it had come alone: one that fails stops none
/// of the others. Each needs what it would need alone. At most 100, and none of them is a batch.
#[utoipa::path(
    post, path = "/batch", tag = "batch", summary = "Run several requests",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 256,
        description = "Makes a repetition harmless: with the same key and the same body, what was sent is not sent again for 24 hours and answered the same")),
    request_body(content = Vec<Command>, content_type = "application/json"),
    responses(
        (status = 200, description = "The answers, in the order of the requests", body = Vec<CommandAnswer>),
    ),
)]
async fn run_batch(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    RequestId(request_id): RequestId,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, SendwithusError> {
    let key = read_idempotency_key(&headers)?;
    let key = |index: usize| key.as_ref().map(|key| command_key(index, key, &body));
    refuse_other_body(&app, &viewer, &key).await?;
    let commands: Vec<Command> = parse_json(&body)?;
    if commands.len() > MAX_COMMANDS {
        return Err(AppError::invalid(format!("A batch has at most {MAX_COMMANDS} requests")).into());
    }
    let router = COMMANDS.clone().with_state(app);
    let mut answers = Vec::with_capacity(commands.len());
    for (index, command) in commands.into_iter().enumerate() {
        answers.push(run(&router, &viewer, request_id, key(index), command).await?);
    }
    Ok(([(header::CONTENT_TYPE, "application/json")], format!("[{}]", answers.join(","))).into_response())
}

/// The key of one request of a batch. What was sent is kept one by one, as it is sent: a batch that was cut off goes on
/// where it stopped. Answers to what was read are not kept: another key with fewer rights could repeat the batch.
fn command_key(index: usize, key: &str, batch: &Bytes) -> IdempotencyKey {
    IdempotencyKey { endpoint: "sendwithus:/batch", key: format!("{index}:{key}"), body: batch.clone() }
}

/// Refuses a key under which something of another batch was sent.
async fn refuse_other_body(
    app: &App,
    viewer: &Viewer,
    key: &impl Fn(usize) -> Option<IdempotencyKey>,
) -> Result<(), AppError> {
    for key in (0..MAX_COMMANDS).map_while(key) {
        match send::find_first_answer(app, viewer, Permission::EmailsSend, &key).await {
            // Who may not send is told so by each request that sends.
            Err(AppError::MissingPermission(_)) => break,
            found => found?,
        };
    }
    Ok(())
}

/// The JSON of the answer to one request.
async fn run(
    router: &Router,
    viewer: &Viewer,
    request_id: Option<ApiRequestId>,
    key: Option<IdempotencyKey>,
    command: Command,
) -> Result<String, AppError> {
    let Command { path, method, body } = command;
    let response = match request(viewer, request_id, &path, method, body) {
        Ok(mut request) => {
            if let Some(key) = key {
                request.extensions_mut().insert(key);
            }
            router.clone().oneshot(request).await.into_response()
        }
        Err(error) => SendwithusError::from(error).into_response(),
    };
    let status_code = response.status().as_u16();
    let body = to_bytes(response.into_body(), usize::MAX).await.map_err(|_| AppError::Internal)?;
    let body = String::from_utf8(body.into()).map_err(|_| AppError::Internal)?;
    CommandAnswer { path, status_code, method, body }.to_json().map_err(|_| AppError::Internal)
}

fn request(
    viewer: &Viewer,
    request_id: Option<ApiRequestId>,
    path: &str,
    method: CommandMethod,
    body: Value,
) -> Result<Request<HttpBody>, AppError> {
    let uri: Uri = local_path(path)
        .and_then(|path| path.parse().ok())
        .ok_or_else(|| AppError::invalid_field("path", "path must be a path like /api/v1/send"))?;
    if uri.path() == "/batch" {
        return Err(AppError::invalid_field("path", "path must not be a batch's within a batch"));
    }
    let body = if body.is_null() { HttpBody::empty() } else { HttpBody::from(body.to_string()) };
    let mut request = Request::new(body);
    *request.method_mut() = match method {
        CommandMethod::Get => Method::GET,
        CommandMethod::Post => Method::POST,
        CommandMethod::Put => Method::PUT,
        CommandMethod::Delete => Method::DELETE,
    };
    *request.uri_mut() = uri;
    request.extensions_mut().insert(Api::Sendwithus);
    request.extensions_mut().insert(Identity(Ok(viewer.clone())));
    if let Some(id) = request_id {
        request.extensions_mut().insert(id);
    }
    Ok(request)
}

/// The path within this dialect, of one with or without the dialect's prefix.
fn local_path(path: &str) -> Option<&str> {
    let prefixes = [Api::Sendwithus.prefix(), Api::Sendwithus.own_prefix()];
    let stripped = prefixes.iter().find_map(|prefix| path.strip_prefix(prefix)).filter(|rest| rest.starts_with('/'));
    stripped.or_else(|| path.starts_with('/').then_some(path))
}

/// A request within a batch.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The path with its query string: `/api/v1/send`.
    #[schema(example = "/api/v1/send")]
    pub path: String,
    /// The method.
    pub method: CommandMethod,
    /// The body.
    #[serde(default)]
    #[schema(value_type = Value)]
    pub body: Value,
}

/// The method of a request within a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum CommandMethod {
    /// GET.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// DELETE.
    Delete,
}

/// The answer to a request within a batch.
#[derive(Debug, ToSchema)]
pub struct CommandAnswer {
    /// The path, as it was asked.
    #[schema(example = "/api/v1/send")]
    pub path: String,
    /// The status that the request alone would have had.
    #[schema(example = 200)]
    pub status_code: u16,
    /// The method.
    pub method: CommandMethod,
    /// The body that the request alone would have had; it is JSON.
    #[schema(value_type = Value)]
    pub body: String,
}

impl CommandAnswer {
    /// Its JSON, with the body in it letter by letter, so that its fields keep their order.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let (path, method) = (serde_json::to_string(&self.path)?, serde_json::to_string(&self.method)?);
        let (status_code, body) = (self.status_code, &self.body);
        Ok(format!(r#"{{"path":{path},"status_code":{status_code},"method":{method},"body":{body}}}"#))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_with_and_without_the_prefix() {
        for path in ["/api/v1/send", "/sendwithus/api/v1/send", "/send"] {
            assert_eq!(local_path(path), Some("/send"));
        }
        assert_eq!(local_path("/api/v1/logs?count=1"), Some("/logs?count=1"));
        assert_eq!(local_path("/api/v12/send"), Some("/api/v12/send"));
        for path in ["", "send", "https://example.com/api/v1/send"] {
            assert_eq!(local_path(path), None, "{path}");
        }
    }
}

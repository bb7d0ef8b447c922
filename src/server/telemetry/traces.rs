//! Traces and logs by OTLP, for whoever gathers them: a request, the message that it accepts and each attempt at it are one
//! trace, wherever they run. Off until [Exporting::start]: then spans cost a look. What the collector does not take in time is
//! thrown away; nothing waits for it. Sources: OTLP specification (http/protobuf); W3C Trace Context.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::{HeaderMap, Request, Response};
use bytes::Bytes;
use http_body_util::BodyExt;
use opentelemetry::KeyValue;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TracerProvider;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_http::{HeaderExtractor, HttpClient, HttpError};
use opentelemetry_otlp::{LogExporter, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::Handle;
use tokio::time::timeout;
use tracing::{Level, Metadata, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use super::metrics;

/// How long the collector may take for a post.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the end of the program waits for the last post.
const LAST_WAIT: Duration = Duration::from_secs(3);

/// The header, and the name under which a trace is kept with a message. Source: W3C Trace Context, section 3.2.
const TRACEPARENT: &str = "traceparent";

/// Whether anybody gathers traces.
static IS_ON: AtomicBool = AtomicBool::new(false);

/// What gathers spans and lines of the log, and posts them.
pub struct Exporting {
    tracers: SdkTracerProvider,
    logs: SdkLoggerProvider,
}

impl Exporting {
    /// Begins to gather for the collector at `endpoint`: `http://127.0.0.1:4318`. To be called inside the runtime.
    pub fn start(endpoint: &str) -> Result<Self, String> {
        let endpoint = endpoint.trim_end_matches('/');
        let client = reqwest::Client::builder().timeout(PATIENCE).build().map_err(|cause| cause.to_string())?;
        let client = Client { client, runtime: Handle::current() };
        let spans = SpanExporter::builder().with_http().with_http_client(client.clone());
        let spans = spans.with_endpoint(format!("{endpoint}/v1/traces")).build().map_err(|cause| cause.to_string())?;
        let lines = LogExporter::builder().with_http().with_http_client(client);
        let lines = lines.with_endpoint(format!("{endpoint}/v1/logs")).build().map_err(|cause| cause.to_string())?;
        let attributes = std::env::var("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        let is_named = std::env::var_os("OTEL_SERVICE_NAME").is_some() || attributes.contains("service.name=");
        let resource = if is_named { Resource::builder() } else { Resource::builder().with_service_name("sendlog") };
        let resource = resource.with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))).build();
        let tracers = SdkTracerProvider::builder().with_resource(resource.clone()).with_batch_exporter(spans).build();
        let logs = SdkLoggerProvider::builder().with_resource(resource).with_batch_exporter(lines).build();
        IS_ON.store(true, Ordering::Relaxed);
        Ok(Self { tracers, logs })
    }

    /// What hears of the program's own spans and lines. Those of its libraries can hold anything. Spans of the worker and the
    /// store are those of `debug`, so that they are neither made nor shown where nobody gathers them.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync>(&self) -> impl Layer<S> + use<S> {
        let spans = tracing_opentelemetry::layer()
            .with_tracer(self.tracers.tracer("sendlog"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(
                filter_fn(|metadata| is_own(metadata) && metadata.is_span()).with_max_level_hint(Level::DEBUG),
            );
        let lines = OpenTelemetryTracingBridge::new(&self.logs);
        let is_line =
            |metadata: &Metadata<'_>| is_own(metadata) && metadata.is_event() && *metadata.level() <= Level::INFO;
        // tracing-subscriber takes the second hint for that of both.
        spans.and_then(lines.with_filter(filter_fn(is_line).with_max_level_hint(Level::DEBUG)))
    }

    /// Posts what was gathered last, as far as the collector takes it soon.
    pub async fn end(self) {
        let posting = tokio::task::spawn_blocking(move || {
            let _ = self.tracers.shutdown_with_timeout(LAST_WAIT);
            let _ = self.logs.shutdown_with_timeout(LAST_WAIT);
        });
        let _ = timeout(LAST_WAIT, posting).await;
    }
}

fn is_own(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("sendlog") && *metadata.level() <= Level::DEBUG
}

/// Makes a span part of the trace that a request comes with, where it comes with one.
pub fn continue_request(span: &Span, headers: &HeaderMap) {
    if IS_ON.load(Ordering::Relaxed) {
        let _ = span.set_parent(TraceContextPropagator::new().extract(&HeaderExtractor(headers)));
    }
}

/// Makes a span part of the trace that was kept.
pub fn continue_kept(span: &Span, trace: Option<&str>) {
    let Some(trace) = trace.filter(|_| IS_ON.load(Ordering::Relaxed)) else { return };
    let kept = HashMap::from([(TRACEPARENT.to_owned(), trace.to_owned())]);
    let _ = span.set_parent(TraceContextPropagator::new().extract(&kept));
}

/// The trace that is under way here, as it is kept with a message for the worker.
pub fn current() -> Option<String> {
    if !IS_ON.load(Ordering::Relaxed) {
        return None;
    }
    let mut kept = HashMap::new();
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut kept);
    kept.remove(TRACEPARENT)
}

/// Posts by the program's own client, on its runtime: whoever gathers waits on threads of its own.
#[derive(Clone, Debug)]
struct Client {
    client: reqwest::Client,
    runtime: Handle,
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let posted = self.runtime.spawn(async move {
            let response = client.execute(request.try_into()?).await?.error_for_status()?;
            let (parts, body) = Response::<reqwest::Body>::from(response).into_parts();
            Ok::<_, HttpError>(Response::from_parts(parts, body.collect().await?.to_bytes()))
        });
        let answer = posted.await?;
        if answer.is_err() {
            metrics::count_otlp_failure();
        }
        answer
    }
}

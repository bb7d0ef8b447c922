//! What the OpenAPI documents say the same of many endpoints: how to say who asks, and how it is refused. Whatever an
//! endpoint's own description says of itself stands.

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ContentBuilder, ObjectBuilder, RefOr, Required, Response, ResponseBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use crate::domain::permission::Permission;
use crate::domain::team::Role;
use crate::server::App;

/// How the endpoints of a system are alike.
pub struct Manners {
    /// The ways to say who asks, by name, and what is sent there. An endpoint that needs none says `security(())`.
    pub security: &'static [(&'static str, SecurityKind, &'static str)],
    pub error: fn() -> RefOr<Schema>,
    /// The variable parts of paths, in the order of a path: an end of what leads to each, and what it is.
    pub places: &'static [(&'static str, &'static str)],
    /// The headers of errors, by status.
    pub headers: &'static [(u16, &'static str, HeaderKind, &'static str)],
    /// How any endpoint refuses.
    pub always: Refusals,
    /// How one refuses that wants to know who asks.
    pub known: Refusals,
    /// How one refuses whose path names a thing.
    pub path: Refusals,
    /// How one refuses that takes a body.
    pub body: Refusals,
    /// How one refuses that takes none.
    pub no_body: Refusals,
}

/// Statuses with what each means.
pub type Refusals = &'static [(u16, &'static str)];

/// What a header holds.
#[derive(Clone, Copy)]
pub enum HeaderKind {
    Text,
    /// A number of seconds.
    Seconds,
}

/// How a request says who asks.
#[derive(Clone, Copy)]
pub enum SecurityKind {
    Bearer,
    Basic,
    Header(&'static str),
    Cookie(&'static str),
}

impl SecurityKind {
    fn scheme(self, description: &str) -> SecurityScheme {
        let http = |scheme| HttpBuilder::new().scheme(scheme).description(Some(description)).build();
        let value = |name| ApiKeyValue::with_description(name, description);
        match self {
            Self::Bearer => SecurityScheme::Http(http(HttpAuthScheme::Bearer)),
            Self::Basic => SecurityScheme::Http(http(HttpAuthScheme::Basic)),
            Self::Header(name) => SecurityScheme::ApiKey(ApiKey::Header(value(name))),
            Self::Cookie(name) => SecurityScheme::ApiKey(ApiKey::Cookie(value(name))),
        }
    }
}

impl Manners {
    /// The endpoints, with what they have in common in their descriptions.
    pub fn describe(&self, mut routes: OpenApiRouter<App>) -> OpenApiRouter<App> {
        let document = routes.get_openapi_mut();
        let components = document.components.get_or_insert_default();
        for (name, kind, description) in self.security {
            components.add_security_scheme(*name, kind.scheme(description));
        }
        for (path, item) in &mut document.paths.paths {
            let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete, &mut item.patch];
            operations.into_iter().flatten().for_each(|operation| self.complete(path, operation));
        }
        routes
    }

    fn complete(&self, path: &str, operation: &mut Operation) {
        operation.operation_id = operation.operation_id.take().map(|handler| camel_case(&handler));
        let parts = self.places.iter().filter(|(place, _)| path.contains(place)).map(|(place, meaning)| {
            let name = place.rsplit(['{', '}']).nth(1).unwrap_or_default();
            let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Path).required(Required::True);
            parameter.description(Some(*meaning)).schema(Some(String::schema())).build()
        });
        let parameters: Vec<_> = parts.chain(operation.parameters.take().into_iter().flatten()).collect();
        operation.parameters = (!parameters.is_empty()).then_some(parameters);
        let nobody = SecurityRequirement::default();
        let stated = operation.security.take();
        let needs_nobody = stated.as_ref().is_some_and(|ways| ways.contains(&nobody));
        operation.security = match stated {
            None => Some(self.security.iter().map(|(way, ..)| SecurityRequirement::new(*way, [""; 0])).collect()),
            Some(ways) => (ways != [nobody]).then_some(ways),
        };
        let refusals = [
            (true, self.always),
            (!needs_nobody, self.known),
            (path.contains('{'), self.path),
            (operation.request_body.is_some(), self.body),
            (operation.request_body.is_none(), self.no_body),
        ];
        for (status, meaning) in refusals.into_iter().filter(|(applies, _)| *applies).flat_map(|(_, rows)| rows) {
            let responses = &mut operation.responses.responses;
            responses.entry(status.to_string()).or_insert_with(|| RefOr::T(self.refusal(*status, meaning)));
        }
    }

    fn refusal(&self, status: u16, meaning: &str) -> Response {
        let error = ContentBuilder::new().schema(Some((self.error)())).build();
        let mut response = ResponseBuilder::new().description(meaning).content("application/json", error);
        for (_, name, kind, meaning) in self.headers.iter().filter(|row| row.0 == status) {
            let schema = match kind {
                HeaderKind::Text => String::schema(),
                HeaderKind::Seconds => u64::schema(),
            };
            response = response.header(*name, HeaderBuilder::new().schema(schema).description(Some(*meaning)).build());
        }
        response.build()
    }
}

/// A handler's name as the id of its operation: `list_logs` is `listLogs`.
fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |id, word| id + &word[..1].to_uppercase() + &word[1..])
}

// None can be derived for these two: their texts are not their variants' names.

impl PartialSchema for Permission {
    fn schema() -> RefOr<Schema> {
        let names = Self::ALL.iter().map(|permission| permission.as_str());
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).into()
    }
}

impl ToSchema for Permission {}

impl PartialSchema for Role {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some("^(owner|admin|member|viewer|rol_[0-9a-hjkmnp-tv-z]{13})$"))
            .examples(["viewer"])
            .build()
            .into()
    }
}

impl ToSchema for Role {}

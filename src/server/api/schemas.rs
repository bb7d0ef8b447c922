//! The OpenAPI schemas of the domain's types that none can be derived for: their texts are not their variants' names.

use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::permission::Permission;
use crate::domain::team::Role;

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

//! The OpenAPI documents, as whoever makes a client from them reads them.

use serde_json::Value;

use super::*;

const DOCUMENTS: [&str; 5] = [
    "/api/openapi.json",
    "/sendwithus/api/v1/openapi.json",
    "/resend/openapi.json",
    "/jetemail/openapi.json",
    "/notificationapi/openapi.json",
];

/// Every `$ref` in a document, with its place.
fn references<'a>(value: &'a Value, place: &str, found: &mut Vec<(String, &'a str)>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match (name.as_str(), field) {
                    ("$ref", Value::String(reference)) => found.push((place.to_owned(), reference)),
                    _ => references(field, &format!("{place}/{name}"), found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, place, found)),
        _ => {}
    }
}

on_both_databases! {
    async fn every_reference_in_a_document_leads_somewhere(app: TestApp) {
        for path in DOCUMENTS {
            let document = app.client().get(path).await.json();
            let mut found = Vec::new();
            references(&document, "", &mut found);
            assert!(!found.is_empty(), "{path}");
            for (place, reference) in found {
                let target = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
                assert!(target.is_some(), "{path}: {place} names {reference}");
            }
        }
    }
}

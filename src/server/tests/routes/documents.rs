//! The OpenAPI documents, as whoever makes a client from them reads them.

use serde_json::Value;

use super::*;

const DOCUMENTS: [(&str, &str); 5] = [
    ("canary", "/api/openapi.json"),
    ("sendwithus", "/sendwithus/api/v1/openapi.json"),
    ("resend_com", "/resend/openapi.json"),
    ("jetemail", "/jetemail/openapi.json"),
    ("notificationapi", "/notificationapi/openapi.json"),
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
        for (_, path) in DOCUMENTS {
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

    /// The documents are those in `fixtures/openapi/`. After a change that is meant, write them anew with
    /// `RENEW_OPENAPI=1 cargo test documents_are_the_golden_ones` and read the difference.
    async fn the_documents_are_the_golden_ones(app: TestApp) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/server/tests/fixtures/openapi");
        for (name, path) in DOCUMENTS {
            let document = app.client().get(path).await.json();
            let file = format!("{folder}/{name}.json");
            if std::env::var_os("RENEW_OPENAPI").is_some() {
                std::fs::write(&file, format!("{document:#}\n")).unwrap();
            }
            let golden: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
            if document != golden {
                let (new, old) = (format!("{document:#}"), format!("{golden:#}"));
                let first = new.lines().zip(old.lines()).position(|(new, old)| new != old);
                panic!("{path} is not {name}.json from line {} on", first.unwrap_or_default() + 1);
            }
        }
    }
}

//! `/api-docs`: the operations of the JSON API, read from the OpenAPI document.

use leptos::prelude::*;
use serde_json::Value;

use super::layout::{PageTitle, Section, in_layout};
use crate::domain::mount::mounted;
use crate::server_fns::api_docs::load_api_document;

/// The methods of an OpenAPI path item, in the order they are shown.
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// The reference of the API.
#[component]
pub fn ApiDocsPage() -> impl IntoView {
    in_layout(Section::ApiDocs, load_api_document(), |document| view! { <ApiDocs document/> })
}

/// One operation of the document.
#[derive(Clone)]
struct Operation {
    method: &'static str,
    path: String,
    tag: String,
    summary: String,
    description: String,
    parameters: Vec<Parameter>,
    request: Option<String>,
    responses: Vec<(String, String, Option<String>)>,
}

#[derive(Clone)]
struct Parameter {
    name: String,
    place: String,
    kind: String,
    is_required: bool,
    description: String,
}

#[component]
fn ApiDocs(document: Value) -> impl IntoView {
    let intro = text(&document["info"]["description"]);
    let mut tags: Vec<(String, Vec<Operation>)> = Vec::new();
    for operation in operations(&document) {
        match tags.iter_mut().find(|(tag, _)| *tag == operation.tag) {
            Some((_, operations)) => operations.push(operation),
            None => tags.push((operation.tag.clone(), vec![operation])),
        }
    }
    let sections = tags.into_iter().map(|(tag, operations)| {
        let title = title_of(&tag);
        let operations = operations.into_iter().map(|operation| view! { <OperationView operation/> }).collect_view();
        view! {
            <section class="panel operations" aria-label=title.clone()>
                <div class="panel-head"><h2>{title.clone()}</h2></div>
                {operations}
            </section>
        }
    });
    let sections = sections.collect_view();
    view! {
        <div class="page-head">
            <PageTitle text="API reference"/>
            <div class="page-actions"><a class="button" href=mounted("/api/openapi.json") target="_blank">"openapi.json"</a></div>
        </div>
        {(!intro.is_empty()).then(|| view! { <p class="lead">{with_code(&intro)}</p> })}
        {sections}
    }
}

#[component]
fn OperationView(operation: Operation) -> impl IntoView {
    let Operation { method, path, summary, description, parameters, request, responses, .. } = operation;
    let rows = parameters.into_iter().map(|parameter| view! { <ParameterRow parameter/> }).collect::<Vec<_>>();
    let answers = responses.into_iter().map(|(status, description, sample)| {
        let sample = sample
            .filter(|_| status.starts_with('2'))
            .map(|sample| view! { <Sample title=format!("Sample of an answer {status}") text=sample/> });
        view! { <div class="fact"><dt><code>{status}</code></dt><dd>{with_code(&description)} {sample}</dd></div> }
    });
    let answers = answers.collect_view();
    view! {
        <details class="operation">
            <summary>
                <span class="method" data-method=method>{method.to_uppercase()}</span>
                <code>{path}</code>
                <span class="operation-summary">{summary}</span>
            </summary>
            <div class="operation-body">
                {(!description.is_empty()).then(|| view! { <p>{with_code(&description)}</p> })}
                {(!rows.is_empty()).then(|| view! {
                    <h3>"Parameters"</h3>
                    <dl class="facts">{rows}</dl>
                })}
                {request.map(|sample| view! {
                    <h3>"Request body"</h3>
                    <Sample title="Sample of a request".to_owned() text=sample/>
                })}
                <h3>"Answers"</h3>
                <dl class="facts">{answers}</dl>
            </div>
        </details>
    }
}

#[component]
fn ParameterRow(parameter: Parameter) -> impl IntoView {
    let Parameter { name, place, kind, is_required, description } = parameter;
    let need = if is_required { ", required" } else { "" };
    view! {
        <div class="fact">
            <dt><code>{name}</code></dt>
            <dd>{with_code(&description)} <span class="name">{format!("{kind}, in {place}{need}")}</span></dd>
        </div>
    }
}

#[component]
fn Sample(title: String, text: String) -> impl IntoView {
    view! { <pre class="code" tabindex="0" aria-label=title>{text}</pre> }
}

/// A text whose parts between back-quotes are code.
fn with_code(text: &str) -> impl IntoView + use<> {
    let parts = text.split('`').enumerate().map(|(index, part)| match index % 2 {
        0 => part.to_owned().into_any(),
        _ => view! { <code>{part.to_owned()}</code> }.into_any(),
    });
    parts.collect_view()
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for method in METHODS {
            let Some(operation) = item.get(method) else { continue };
            let shared = item["parameters"].as_array().into_iter().flatten();
            let parameters = shared.chain(operation["parameters"].as_array().into_iter().flatten());
            operations.push(Operation {
                method,
                path: path.clone(),
                tag: text(&operation["tags"][0]),
                summary: text(&operation["summary"]),
                description: text(&operation["description"]),
                parameters: parameters.map(|one| parameter_of(resolved(document, one))).collect(),
                request: sample_of(document, &operation["requestBody"]),
                responses: responses_of(document, operation),
            });
        }
    }
    operations
}

fn parameter_of(value: &Value) -> Parameter {
    Parameter {
        name: text(&value["name"]),
        place: text(&value["in"]),
        kind: kind_of(&value["schema"]),
        is_required: value["required"].as_bool().unwrap_or(false),
        description: text(&value["description"]),
    }
}

/// What a schema allows, in a word: `string`, `integer`; the word that is not `null` where there are several.
fn kind_of(schema: &Value) -> String {
    match &schema["type"] {
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => kinds.iter().map(text).find(|kind| kind != "null").unwrap_or_default(),
        _ => schema["$ref"].as_str().and_then(|name| name.rsplit('/').next()).unwrap_or("value").to_owned(),
    }
}

fn responses_of(document: &Value, operation: &Value) -> Vec<(String, String, Option<String>)> {
    let responses = operation["responses"].as_object().into_iter().flatten();
    responses
        .map(|(status, answer)| {
            let answer = resolved(document, answer);
            (status.clone(), text(&answer["description"]), sample_of(document, answer))
        })
        .collect()
}

/// The example of a JSON body, or one made from its schema.
fn sample_of(document: &Value, body: &Value) -> Option<String> {
    let content = resolved(document, body).get("content")?.get("application/json")?;
    let sample = match content.get("example") {
        Some(example) => example.clone(),
        None => sample_of_schema(document, content.get("schema")?, 0),
    };
    serde_json::to_string_pretty(&sample).ok()
}

/// How deep schemas are followed; those that hold themselves end there.
const MAX_DEPTH: usize = 6;

fn sample_of_schema(document: &Value, schema: &Value, depth: usize) -> Value {
    let schema = resolved(document, schema);
    if depth > MAX_DEPTH {
        return Value::Null;
    }
    let first = |list: &Value| list.as_array().and_then(|all| all.iter().find(|one| one["type"] != "null").cloned());
    if let Some(example) = schema.get("example").or_else(|| schema["examples"].get(0)).or_else(|| schema["enum"].get(0))
    {
        return example.clone();
    }
    if let Some(choice) = first(&schema["oneOf"]).or_else(|| first(&schema["anyOf"])) {
        return sample_of_schema(document, &choice, depth + 1);
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let mut whole = serde_json::Map::new();
        for part in parts {
            if let Value::Object(fields) = sample_of_schema(document, part, depth + 1) {
                whole.extend(fields);
            }
        }
        return Value::Object(whole);
    }
    match kind_of(schema).as_str() {
        "object" => {
            let fields = schema["properties"].as_object().into_iter().flatten();
            fields.map(|(name, field)| (name.clone(), sample_of_schema(document, field, depth + 1))).collect()
        }
        "array" => Value::Array(vec![sample_of_schema(document, &schema["items"], depth + 1)]),
        "integer" | "number" => Value::from(1),
        "boolean" => Value::from(true),
        "string" if schema["format"] == "date-time" => Value::from("2026-11-20T13:52:07.123Z"),
        "string" => Value::from("string"),
        _ => Value::Null,
    }
}

/// What a `$ref` points at, or the value itself.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let reference = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    reference.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn title_of(tag: &str) -> String {
    if tag == "api-keys" {
        return "API keys".to_owned();
    }
    let mut letters = tag.chars();
    letters.next().map_or_else(|| "Operations".to_owned(), |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_sample_is_made_from_the_schema() {
        let document = json!({
            "components": {"schemas": {
                "Email": {"type": "object", "properties": {
                    "id": {"type": "string", "example": "eml_1"},
                    "next": {"$ref": "#/components/schemas/Email"},
                    "sentAt": {"type": ["string", "null"], "format": "date-time"},
                }},
            }},
        });
        let body = json!({"content": {"application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Email"}}}}});
        let sample: Value = serde_json::from_str(&sample_of(&document, &body).unwrap()).unwrap();
        assert_eq!(sample[0]["id"], "eml_1");
        assert_eq!(sample[0]["sentAt"], "2026-11-20T13:52:07.123Z");
        assert_eq!(sample[0]["next"]["id"], "eml_1");
    }

    #[test]
    fn operations_are_read_with_their_parameters() {
        let document = json!({"paths": {"/api/logs": {"get": {
            "tags": ["logs"], "summary": "Lists messages",
            "parameters": [{"name": "page", "in": "query", "schema": {"type": "integer"}}],
            "responses": {"200": {"description": "A page"}},
        }}}});
        let found = operations(&document);
        assert_eq!((found.len(), found[0].method, found[0].parameters[0].kind.as_str()), (1, "get", "integer"));
        assert_eq!(found[0].responses[0].0, "200");
    }
}

//! What the fields of a line of the audit log are called, and their values: by the words of the forms and pages where they are
//! changed.

use serde_json::Value;

use crate::domain::adapter::AdapterKind;
use crate::domain::adapter::fault::AdapterFault;
use crate::domain::adapter::form;
use crate::domain::api_key::KeyApi;
use crate::domain::audit::{AuditAction, AuditEntry, AuditGroup, TEST_TAKEN};
use crate::domain::failure::FailureClass;
use crate::domain::permission::Permission;

/// The field of a line that tells what became of a test.
const OUTCOME: &str = "outcome";

/// What the line says was done. A test that did not succeed says so at once.
pub fn deed_of(entry: &AuditEntry) -> &'static str {
    let outcome = entry.after.as_ref().and_then(|fields| fields.get(OUTCOME)).and_then(Value::as_str);
    let has_failed = outcome.is_some_and(|outcome| outcome != TEST_TAKEN);
    match entry.action {
        AuditAction::AdapterTested if has_failed => "Adapter test failed",
        AuditAction::TemplateTested if has_failed => "Template test failed",
        action => action.label(),
    }
}

/// What a field is called; `value` is one that it has or had.
pub fn label_of(action: AuditAction, name: &str, value: &Value) -> String {
    let is_web_address = || value.as_str().is_some_and(|text| text.starts_with("http"));
    let label = match (action.group(), name) {
        (AuditGroup::Adapters, "endpoint") if is_web_address() => "URL",
        (AuditGroup::Adapters, "endpoint") => "Host",
        (AuditGroup::Adapters, "credentials") => "Log-in",
        (AuditGroup::Adapters, "from") => form::label_of(AdapterKind::Smtp, name).unwrap_or_default(),
        (AuditGroup::Templates, "html") => "HTML body",
        (AuditGroup::Templates, "text") => "Text body",
        (_, "maskedVariables") => "Always masked variables",
        (_, OUTCOME) => "Result",
        (_, "scopes") => "Permissions",
        (_, "expiresAt") => "Ends",
        (_, "apis") => "For which APIs",
        (_, "rateLimit") => "Requests per second",
        (_, "prefix") => "Begins with",
        (_, "previousEndsAt") => "The old secret works until",
        (_, "slug") => "Short name",
        (_, "demandsTwoFactor") => "Members need two-factor authentication",
        (_, "masksAddresses") => "Mask email addresses and phone numbers",
        (_, "revealsWithReason") => "Ask for a reason before contents are shown",
        (_, "tracksOpens") => "Track opens",
        (_, "tracksClicks") => "Track clicks",
        (_, "offersUnsubscribe") => "Unsubscribe with one click",
        (_, "bodiesDays") => "Bodies and attachments, days",
        (_, "eventsDays") => "Events, days",
        (_, "messagesDays") => "Messages, days",
        (_, "requestsDays") => "API requests, days",
        (_, "auditDays") => "Audit log, days",
        (AuditGroup::LogIn, "left") => "Recovery codes left",
        (AuditGroup::LogIn, "issuer") => "OpenID provider",
        (AuditGroup::Exports, "action") => "What was done",
        (AuditGroup::Exports, "actorId") => "Who did it",
        (AuditGroup::Exports, "target") => "Entries about",
        _ => return in_words(name),
    };
    label.to_owned()
}

/// A value as people read it; `None` for none.
pub fn words(name: &str, value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(yes) => Some(if *yes { "yes" } else { "no" }.to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => (!text.is_empty()).then(|| named(name, text).unwrap_or_else(|| text.clone())),
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            let items: Vec<String> = items.iter().filter_map(|item| words(name, item)).collect();
            (!items.is_empty())
                .then(|| items.join(if items.iter().any(|item| item.contains(',')) { "; " } else { ", " }))
        }
        Value::Object(fields) if fields.values().all(|value| !value.is_object() && !value.is_array()) => {
            let pairs =
                fields.iter().filter_map(|(name, value)| Some(format!("{}: {}", in_words(name), words(name, value)?)));
            Some(pairs.collect::<Vec<_>>().join("; ")).filter(|pairs| !pairs.is_empty())
        }
        Value::Array(_) | Value::Object(_) => Some(value.to_string()),
    }
}

/// What a value is called that has a name of ours. What is none of ours any more stays as it was kept.
fn named(field: &str, name: &str) -> Option<String> {
    let label = match field {
        "kind" => name.parse::<AdapterKind>().ok()?.label(),
        "permissions" | "scopes" if name == "*" => "everything",
        "permissions" | "scopes" => name.parse::<Permission>().ok()?.label(),
        "apis" => name.parse::<KeyApi>().ok()?.label(),
        "action" => name.parse::<AuditAction>().ok()?.label(),
        OUTCOME if name == TEST_TAKEN => "the server took it",
        OUTCOME => name
            .parse::<AdapterFault>()
            .map(AdapterFault::label)
            // As older lines have it.
            .or_else(|_| name.parse::<FailureClass>().map(FailureClass::label))
            .ok()?,
        _ => return None,
    };
    Some(label.to_owned())
}

/// A name of JSON in words: `perMinute` and `per_minute` become "Per minute", `isDefault` "Default".
fn in_words(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        match letter {
            '_' | '-' => text.push(' '),
            upper if upper.is_ascii_uppercase() => {
                text.push(' ');
                text.push(upper.to_ascii_lowercase());
            }
            other => text.push(other),
        }
    }
    let text = text.trim();
    let mut letters = text.strip_prefix("is ").unwrap_or(text).chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

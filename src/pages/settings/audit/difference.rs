//! What changed, field by field, as the audit log's page says it.

use serde_json::{Map, Value};

use crate::domain::audit::AuditEntry;

/// A field that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its name, in words: "expires at".
    pub field: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// The fields of a line that changed. Of lists that changed, what was taken out and what was put in.
pub fn differences(entry: &AuditEntry) -> Vec<Difference> {
    let none = Map::new();
    let fields = |value: &'_ Option<Value>| match value {
        Some(Value::Object(fields)) => fields.clone(),
        Some(other) => Map::from_iter([("value".to_owned(), other.clone())]),
        None => none.clone(),
    };
    let (before, after) = (fields(&entry.before), fields(&entry.after));
    let mut names: Vec<&String> = after.keys().collect();
    names.extend(before.keys().filter(|name| !after.contains_key(*name)));
    let difference = |name: &String| {
        let (old, new) = (before.get(name), after.get(name));
        let (before, after) = match (old, new) {
            (Some(Value::Array(old)), Some(Value::Array(new))) => {
                let without = |items: &[Value], others: &[Value]| {
                    let rest: Vec<Value> = items.iter().filter(|item| !others.contains(item)).cloned().collect();
                    (!rest.is_empty()).then(|| words(&Value::Array(rest))).flatten()
                };
                (without(old, new), without(new, old))
            }
            _ => (old.and_then(words), new.and_then(words)),
        };
        let is_said = before.is_some() || after.is_some();
        is_said.then(|| Difference { field: field_words(name), before, after })
    };
    names.into_iter().filter_map(difference).collect()
}

/// A value as people read it; `None` for none.
fn words(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Bool(yes) => Some(if *yes { "yes" } else { "no" }.to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => (!text.is_empty()).then(|| text.clone()),
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            let items: Vec<String> = items.iter().filter_map(words).collect();
            (!items.is_empty()).then(|| items.join(", "))
        }
        Value::Array(_) | Value::Object(_) => Some(value.to_string()),
    }
}

/// A name of JSON in words: `expiresAt` and `expires_at` become "expires at".
fn field_words(name: &str) -> String {
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
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::audit::{ActorKind, AuditAction, AuditActor};
    use crate::domain::ids::AuditEntryId;

    fn said(before: Value, after: Value) -> Vec<String> {
        let entry = AuditEntry {
            id: AuditEntryId(1),
            sequence: 1,
            at: chrono::DateTime::UNIX_EPOCH,
            actor: AuditActor { kind: ActorKind::User, id: None, name: "a".to_owned() },
            action: AuditAction::ApiKeyUpdated,
            target: None,
            target_name: None,
            before: (!before.is_null()).then_some(before),
            after: (!after.is_null()).then_some(after),
            reason: None,
            address: None,
            user_agent: None,
            hash: String::new(),
        };
        let text = |side: &Option<String>| side.clone().unwrap_or_else(|| "–".to_owned());
        let line = |each: &Difference| format!("{}: {} > {}", each.field, text(&each.before), text(&each.after));
        differences(&entry).iter().map(line).collect()
    }

    #[test]
    fn changed_fields_are_said_in_words() {
        let before = json!({"name": "Till", "expiresAt": null, "isDefault": false});
        let after = json!({"name": "Shop", "expiresAt": "2027-01-01T00:00:00Z", "isDefault": true});
        let expected = ["expires at: – > 2027-01-01T00:00:00Z", "is default: no > yes", "name: Till > Shop"];
        assert_eq!(said(before, after), expected);
        assert_eq!(said(Value::Null, json!({"role": "Viewer", "apis": null})), ["role: – > Viewer"]);
        assert_eq!(said(json!({"role": "Viewer"}), Value::Null), ["role: Viewer > –"]);
    }

    #[test]
    fn of_lists_only_what_came_and_went_is_said() {
        let (before, after) = (json!({"scopes": ["a", "b"]}), json!({"scopes": ["b", "c", "d"]}));
        assert_eq!(said(before, after), ["scopes: a > c, d"]);
        assert_eq!(said(json!({"to": [{"a": 1}]}), json!({"to": []})), ["to: [{\"a\":1}] > –"]);
    }
}

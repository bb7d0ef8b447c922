//! What changed, field by field, as the audit log's page says it.

use serde_json::{Map, Value};

use crate::domain::audit::{AuditAction, AuditEntry};
use crate::domain::permission::Permission;

/// What a role may do from some moment on, and what not any more, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grants {
    pub granted: Option<String>,
    pub withdrawn: Option<String>,
}

/// The fields of a line that tell of a role's permissions.
const GRANT_FIELDS: [&str; 3] = ["permissions", "granted", "withdrawn"];

/// What a line about a role says of its permissions; `None` for any other line.
pub fn grants_of(entry: &AuditEntry) -> Option<Grants> {
    if entry.action != AuditAction::RoleUpdated {
        return None;
    }
    let list = |side: &Option<Value>, name: &str| -> Vec<String> {
        let items = side.as_ref().and_then(|fields| fields.get(name)).and_then(Value::as_array);
        items.into_iter().flatten().filter_map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let (before, after) = (list(&entry.before, "permissions"), list(&entry.after, "permissions"));
    let newly = after.iter().filter(|name| !before.contains(name)).cloned();
    let no_more = before.iter().filter(|name| !after.contains(name)).cloned();
    let granted = newly.chain(list(&entry.after, "granted"));
    let withdrawn = no_more.chain(list(&entry.after, "withdrawn"));
    let said = |names: Vec<String>| {
        (!names.is_empty()).then(|| names.iter().map(|name| deed(name)).collect::<Vec<_>>().join("; "))
    };
    let grants = Grants { granted: said(granted.collect()), withdrawn: said(withdrawn.collect()) };
    (grants.granted.is_some() || grants.withdrawn.is_some()).then_some(grants)
}

/// What a permission allows, within a sentence: "resend failed or bounced emails". A permission that is none any more by
/// its name.
fn deed(name: &str) -> String {
    let Ok(permission) = name.parse::<Permission>() else { return name.to_owned() };
    let mut letters = permission.label().chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

/// A field that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its name, in words: "expires at".
    pub field: String,
    pub before: Option<String>,
    pub after: Option<String>,
}

/// The fields of a line that changed, but for those that [grants_of] says. Of lists that changed, what was taken out and what was put in.
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
    if entry.action == AuditAction::RoleUpdated {
        names.retain(|name| !GRANT_FIELDS.contains(&name.as_str()));
    }
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

    fn line(action: AuditAction, before: Value, after: Value) -> AuditEntry {
        AuditEntry {
            id: AuditEntryId(1),
            sequence: 1,
            at: chrono::DateTime::UNIX_EPOCH,
            actor: AuditActor { kind: ActorKind::User, id: None, name: "a".to_owned() },
            action,
            target: None,
            target_name: None,
            before: (!before.is_null()).then_some(before),
            after: (!after.is_null()).then_some(after),
            reason: None,
            address: None,
            user_agent: None,
            hash: String::new(),
        }
    }

    fn said(before: Value, after: Value) -> Vec<String> {
        let entry = line(AuditAction::ApiKeyUpdated, before, after);
        let text = |side: &Option<String>| side.clone().unwrap_or_else(|| "–".to_owned());
        let shown = |each: &Difference| format!("{}: {} > {}", each.field, text(&each.before), text(&each.after));
        differences(&entry).iter().map(shown).collect()
    }

    #[test]
    fn what_a_role_may_do_is_said_by_the_deed() {
        let of = |before: Value, after: Value| grants_of(&line(AuditAction::RoleUpdated, before, after));
        let text = |text: &str| Some(text.to_owned());
        let toggled = of(Value::Null, json!({"granted": ["logs:resend"]}));
        let resend = text("resend failed or bounced emails");
        assert_eq!(toggled, Some(Grants { granted: resend.clone(), withdrawn: None }));
        let edited =
            of(json!({"permissions": ["logs:view", "x:y"]}), json!({"permissions": ["logs:view", "logs:resend"]}));
        assert_eq!(edited, Some(Grants { granted: resend, withdrawn: text("x:y") }));
        assert_eq!(of(json!({"name": "Support"}), json!({"name": "Help"})), None);
        assert_eq!(
            grants_of(&line(AuditAction::RoleCreated, Value::Null, json!({"permissions": ["logs:view"]}))),
            None
        );
        let renamed = line(
            AuditAction::RoleUpdated,
            json!({"name": "A", "permissions": []}),
            json!({"name": "B", "permissions": []}),
        );
        assert_eq!(differences(&renamed).len(), 1);
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

//! What changed, field by field, as the audit log's page says it.

use serde_json::{Map, Value};

use super::field::{label_of, words};
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

/// What a permission allows, within a sentence. A permission that is none any more by its name.
fn deed(name: &str) -> String {
    name.parse::<Permission>().map_or_else(|_| name.to_owned(), Permission::deed)
}

/// A field that changed, or that a line tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What the form that changes it calls it.
    pub field: String,
    pub said: Said,
}

/// What a line says of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// What it was and what it is, `None` for nothing.
    Changed(Option<String>, Option<String>),
    /// What it is, or what it was of a thing that is gone.
    Once(String),
}

/// The fields of a line, but for those that [grants_of] says, and the name where the line says it already. Of lists that
/// changed, what was taken out and what was put in.
pub fn differences(entry: &AuditEntry) -> Vec<Difference> {
    let fields = |side: &Option<Value>| match side {
        Some(Value::Object(fields)) => fields.clone(),
        Some(other) => Map::from_iter([("value".to_owned(), other.clone())]),
        None => Map::new(),
    };
    let (before, after) = (fields(&entry.before), fields(&entry.after));
    let mut names: Vec<&String> = after.keys().collect();
    names.extend(before.keys().filter(|name| !after.contains_key(*name)));
    if entry.action == AuditAction::RoleUpdated {
        names.retain(|name| !GRANT_FIELDS.contains(&name.as_str()));
    }
    let difference = |name: &String| {
        let said = match (before.get(name), after.get(name)) {
            (Some(Value::Array(old)), Some(Value::Array(new))) => {
                let without = |items: &[Value], others: &[Value]| {
                    let rest: Vec<Value> = items.iter().filter(|item| !others.contains(item)).cloned().collect();
                    words(name, &Value::Array(rest))
                };
                changed(without(old, new), without(new, old))?
            }
            (Some(old), Some(new)) => changed(words(name, old), words(name, new))?,
            // A thing that was made, or is gone: there is nothing to compare it with.
            (None, Some(only)) | (Some(only), None) => Said::Once(words(name, only)?),
            (None, None) => return None,
        };
        let repeats = name == "name" && matches!(&said, Said::Once(name) if entry.target_name.as_ref() == Some(name));
        let value = after.get(name).or(before.get(name)).unwrap_or(&Value::Null);
        (!repeats).then(|| Difference { field: label_of(entry.action, name, value), said })
    };
    names.into_iter().filter_map(difference).collect()
}

fn changed(before: Option<String>, after: Option<String>) -> Option<Said> {
    (before.is_some() || after.is_some()).then_some(Said::Changed(before, after))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::field::deed_of;
    use super::*;
    use crate::domain::adapter::fault::AdapterFault;
    use crate::domain::audit::{ActorKind, AuditAction, AuditActor};
    use crate::domain::failure::FailureClass;
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
        differences(&entry).iter().map(shown).collect()
    }

    fn shown(difference: &Difference) -> String {
        let text = |side: &Option<String>| side.clone().unwrap_or_else(|| "–".to_owned());
        match &difference.said {
            Said::Changed(before, after) => format!("{}: {} > {}", difference.field, text(before), text(after)),
            Said::Once(words) => format!("{}: {words}", difference.field),
        }
    }

    #[test]
    fn what_a_role_may_do_is_said_by_the_deed() {
        let of = |before: Value, after: Value| grants_of(&line(AuditAction::RoleUpdated, before, after));
        let text = |text: &str| Some(text.to_owned());
        let toggled = of(Value::Null, json!({"granted": ["logs:resend"]}));
        let resend = text("resend messages that failed or bounced");
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
        let expected = ["Ends: – > 2027-01-01T00:00:00Z", "Default: no > yes", "Name: Till > Shop"];
        assert_eq!(said(before, after), expected);
    }

    #[test]
    fn what_was_made_or_is_gone_is_said_once_and_its_name_not_again() {
        assert_eq!(said(Value::Null, json!({"role": "Viewer", "apis": null})), ["Role: Viewer"]);
        assert_eq!(said(json!({"role": "Viewer"}), Value::Null), ["Role: Viewer"]);
        assert_eq!(said(json!({"role": "Viewer"}), json!({"keys": "revoked"})), ["Keys: revoked", "Role: Viewer"]);
        let mut removed = line(AuditAction::AdapterDeleted, json!({"name": "Relay", "isDefault": true}), Value::Null);
        removed.target_name = Some("Relay".to_owned());
        assert_eq!(differences(&removed).iter().map(shown).collect::<Vec<_>>(), ["Default: yes"]);
    }

    #[test]
    fn what_became_of_a_test_is_said_in_words() {
        let outcome = |name: &str| {
            let entry = line(AuditAction::AdapterTested, Value::Null, json!({"outcome": name, "to": "a@b.example"}));
            differences(&entry).iter().map(shown).collect::<Vec<_>>().remove(0)
        };
        assert_eq!(outcome("accepted"), "Result: the server took it");
        assert_eq!(outcome("log_in_refused"), "Result: the server refused the log-in");
        // As they were kept before.
        for class in FailureClass::ALL {
            assert!(!outcome(class.as_str()).contains('_'), "{}", class.as_str());
        }
        for fault in AdapterFault::ALL {
            assert!(!outcome(fault.as_str()).contains('_'), "{}", fault.as_str());
        }
    }

    #[test]
    fn fields_and_values_are_called_as_their_form_calls_them() {
        let of = |action: AuditAction, after: Value| {
            differences(&line(action, Value::Null, after)).iter().map(shown).collect::<Vec<_>>()
        };
        let (smtp, http) = ("smtp://mail.acme.example:587", "https://acme.example/sms");
        assert_eq!(
            of(AuditAction::AdapterCreated, json!({"kind": "smtp", "endpoint": smtp})),
            [format!("Host: {smtp}"), "Kind: Mail server (SMTP)".to_owned()]
        );
        assert_eq!(of(AuditAction::AdapterUpdated, json!({"endpoint": http})), [format!("URL: {http}")]);
        assert_eq!(
            of(AuditAction::RoleCreated, json!({"permissions": ["logs:view", "emails:send", "x:y"]})),
            ["Permissions: View the log and its statistics, Send messages, x:y"]
        );
        assert_eq!(
            of(AuditAction::AuditExported, json!({"format": "csv", "action": ["role.created"], "target": null})),
            ["What was done: Role created", "Format: csv"]
        );
        assert_eq!(of(AuditAction::LogExported, json!({"filter": {"status": "failed"}})), ["Filter: Status: failed"]);
    }

    #[test]
    fn a_test_that_did_not_succeed_is_said_to_have_failed() {
        let deed = |outcome: &str| deed_of(&line(AuditAction::AdapterTested, Value::Null, json!({"outcome": outcome})));
        assert_eq!((deed("accepted"), deed("log_in_refused")), ("Adapter tested", "Adapter test failed"));
    }

    #[test]
    fn of_lists_only_what_came_and_went_is_said() {
        let (before, after) = (json!({"scopes": ["a", "b"]}), json!({"scopes": ["b", "c", "d"]}));
        assert_eq!(said(before, after), ["Permissions: a > c, d"]);
        assert_eq!(said(json!({"to": [{"a": 1}]}), json!({"to": []})), ["To: [{\"a\":1}] > –"]);
    }
}

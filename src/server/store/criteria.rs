//! The rarer conditions on messages, [crate::domain::filter::Criteria], as SQL. Lists and searches add them to theirs.

/// Adds the conditions on `emails e`; `$recipients` is [super::Store::list_of_recipients].
macro_rules! push_criteria {
    ($query:expr, $recipients:expr, $criteria:expr) => {{
        let criteria: &$crate::domain::filter::Criteria = $criteria;
        let lower = |text: &Option<String>| text.as_ref().map(|text| text.to_lowercase());
        if !criteria.events.is_empty() {
            $query.push(" AND (e.event_set & ").push_bind(criteria.events.bits()).push(") <> 0");
        }
        if let Some(id) = criteria.notification_id {
            $query.push(" AND e.notification_id = ").push_bind(id.0);
        }
        if let Some(id) = &criteria.external_user_id {
            $query.push(" AND e.external_user_id = ").push_bind(id.clone());
        }
        if let Some(id) = &criteria.provider_message_id {
            let plain = id.trim().trim_start_matches('<').trim_end_matches('>').to_owned();
            $query.push(" AND e.provider_message_id IN (").push_bind(format!("<{plain}>")).push(", ");
            $query.push_bind(plain).push(")");
        }
        if let Some(address) = lower(&criteria.from_address) {
            let named = format!("%<{}>", $crate::server::store::criteria::escaped(&address));
            $query.push(" AND (LOWER(e.from_address) = ").push_bind(address);
            $query.push(" OR LOWER(e.from_address) LIKE ").push_bind(named).push(" ESCAPE '\\')");
        }
        if let Some(address) = lower(&criteria.recipient) {
            $query.push(format!(" AND EXISTS (SELECT 1 FROM {} WHERE ", $recipients));
            $query.push("LOWER(r.value ->> 'address') = ").push_bind(address).push(")");
        }
        if let Some(part) = lower(&criteria.subject) {
            let pattern = format!("%{}%", $crate::server::store::criteria::escaped(&part));
            $query.push(" AND LOWER(e.subject) LIKE ").push_bind(pattern).push(" ESCAPE '\\'");
        }
        if let Some(part) = lower(&criteria.reply) {
            let pattern = format!("%{}%", $crate::server::store::criteria::escaped(&part));
            $query.push(" AND EXISTS (SELECT 1 FROM email_events v WHERE v.team_id = e.team_id AND v.email_id = e.id");
            $query.push(" AND LOWER(v.detail ->> 'reply') LIKE ").push_bind(pattern).push(" ESCAPE '\\')");
        }
        for (field, wanted) in [
            ("server", lower(&criteria.server)),
            ("server_ip", lower(&criteria.server_ip)),
            ("mx", lower(&criteria.mx)),
            ("protocol", lower(&criteria.protocol)),
        ] {
            if let Some(wanted) = wanted {
                $query.push(" AND EXISTS (SELECT 1 FROM email_events v WHERE v.team_id = e.team_id");
                $query.push(format!(" AND v.email_id = e.id AND LOWER(v.detail ->> '{field}') = "));
                $query.push_bind(wanted).push(")");
            }
        }
    }};
}

pub(super) use push_criteria;

/// A text as a part of a `LIKE` pattern that escapes by a backslash.
pub(super) fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

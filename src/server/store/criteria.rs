//! The rarer conditions on messages, [crate::domain::filter::Criteria], as SQL. Lists and searches add them to theirs.
//! Whole values are compared by patterns without wildcards, so that both engines compare them in any case of letters.

use std::str::FromStr;

use super::engine::Sql;
use super::search::TRIGRAM;
use crate::domain::filter::{Criteria, EmailFilter};
use crate::domain::ids::EmailId;
use crate::server::store::dialect::Engine;

/// Adds the conditions on `emails e`.
macro_rules! push_criteria {
    ($query:expr, $engine:expr, $criteria:expr) => {{
        use $crate::server::store::criteria::{contains, equals, push_patterns, subject_search};
        let criteria: &$crate::domain::filter::Criteria = $criteria;
        let engine: $crate::server::store::dialect::Engine = $engine;
        if !criteria.events.is_empty() {
            $query.push(" AND (e.event_set & ").push_bind(criteria.events.bits()).push(") <> 0");
        }
        if let Some(id) = criteria.email_id {
            $query.push(" AND e.id = ").push_bind(id.0);
        }
        if let Some(id) = criteria.notification_id {
            $query.push(" AND e.notification_id = ").push_bind(id.0);
        }
        if let Some(id) = &criteria.external_user_id {
            $query.push(" AND e.external_user_id = ").push_bind(id.clone());
        }
        if let Some(id) = &criteria.provider_message_id {
            let plain = $crate::server::store::criteria::without_brackets(id).to_owned();
            match $crate::server::store::criteria::own_message_id(&plain) {
                // A server that gives no id of its own leaves ours to be the provider's.
                Some((id, domain)) => {
                    $query.push(" AND e.id = ").push_bind(id.0);
                    let patterns = [format!("%@{}", equals(domain)), format!("%@{}>", equals(domain))];
                    push_patterns!($query, engine, "e.from_address", patterns);
                }
                None => {
                    $query.push(" AND (e.provider_message_id IN (").push_bind(format!("<{plain}>")).push(", ");
                    $query.push_bind(plain.clone());
                    $query.push(
                        ") OR EXISTS (SELECT 1 FROM email_aliases a WHERE a.team_id = e.team_id AND a.alias IN (",
                    );
                    $query.push_bind(format!("<{plain}>")).push(", ").push_bind(plain);
                    $query.push(") AND a.email_id = e.id))");
                }
            }
        }
        if let Some(address) = &criteria.from_address {
            let patterns = [equals(address), format!("%<{}>", equals(address))];
            push_patterns!($query, engine, "e.from_address", patterns);
        }
        if let Some(address) = &criteria.recipient {
            $query.push(format!(" AND EXISTS (SELECT 1 FROM {} WHERE TRUE", engine.recipients()));
            push_patterns!($query, engine, "(r.value ->> 'address')", [equals(address)]);
            $query.push(")");
        }
        if let Some(part) = &criteria.subject {
            match subject_search(engine, part) {
                Some((statement, value)) => {
                    $query.push(statement).push_bind(value).push(")");
                }
                None => push_patterns!($query, engine, "e.subject", [contains(part)]),
            }
        }
        for (field, pattern) in [
            ("reply", criteria.reply.as_deref().map(contains)),
            ("server", criteria.server.as_deref().map(equals)),
            ("server_ip", criteria.server_ip.as_deref().map(equals)),
            ("mx", criteria.mx.as_deref().map(equals)),
            ("protocol", criteria.protocol.as_deref().map(equals)),
        ] {
            if let Some(pattern) = pattern {
                $query.push(
                    " AND EXISTS (SELECT 1 FROM email_events v WHERE v.team_id = e.team_id AND v.email_id = e.id",
                );
                push_patterns!($query, engine, format!("(v.detail ->> '{field}')"), [pattern]);
                if criteria.keeps_addresses && field == "reply" {
                    $query.push(" AND (v.detail ->> 'reply') NOT LIKE '%@%' AND (v.detail ->> 'reply') NOT LIKE '%+%'");
                }
                $query.push(")");
                if field == "reply" {
                    $query.push($crate::server::store::criteria::MARKS_NOTHING);
                }
            }
        }
    }};
}

/// That the message's template marks no variable. Nobody sees in a list what a marked one holds, and an answer can hold it:
/// looked for part by part, it would be learnt.
pub(super) const MARKS_NOTHING: &str = " AND NOT EXISTS (
    SELECT 1 FROM template_versions y JOIN templates z ON z.team_id = y.team_id AND z.id = y.template_id
    WHERE y.team_id = e.team_id AND y.id = e.template_version_id AND z.masked_variables <> '[]')";

/// Adds that the message is among those that `email_keys` has for an address or a host that is asked for whole, and among
/// those that have an id of a provider's or had it: the statement begins there rather than at the newest message.
/// [push_criteria] says the same again, to the letter.
macro_rules! push_keys {
    ($query:expr, $engine:expr, $team_id:expr, $criteria:expr, $ids:expr) => {{
        use $crate::server::store::criteria::{keys_of, providers_names, push_key_values};
        let (open, close) = $engine.id_list();
        if let Some(names) = providers_names($criteria) {
            $query.push(format!(" AND e.id {open}SELECT p.id FROM emails p WHERE p.team_id = ")).push_bind($team_id.0);
            $query.push(" AND p.provider_message_id IN (").push_bind(names[0].clone());
            $query.push(", ").push_bind(names[1].clone());
            $query.push(") UNION SELECT a.email_id FROM email_aliases a WHERE a.team_id = ").push_bind($team_id.0);
            $query.push(" AND a.alias IN (").push_bind(names[0].clone());
            $query.push(", ").push_bind(names[1].clone()).push(")").push(close);
        }
        for (kind, value) in keys_of($criteria) {
            $query.push(format!(" AND e.id {open}SELECT x.email_id FROM email_keys x WHERE x.team_id = "));
            $query.push_bind($team_id.0).push(format!(" AND x.kind = {kind} AND x.key IN "));
            push_key_values!($query, std::iter::once(value));
            $query.push(" AND x.email_id >= ").push_bind($ids.low);
            $query.push(" AND x.email_id < ").push_bind($ids.high).push(close);
        }
    }};
}

/// Adds `(…, …)` for texts as `email_keys` may have them: SQLite knows the lower case of ASCII letters alone.
macro_rules! push_key_values {
    ($query:expr, $texts:expr) => {{
        $query.push("(");
        let mut list = $query.separated(", ");
        for text in $texts {
            let text: &str = text;
            let (lower, ascii) = (text.to_lowercase(), text.to_ascii_lowercase());
            if lower != ascii {
                list.push_bind(ascii);
            }
            list.push_bind(lower);
        }
        $query.push(")");
    }};
}

/// Adds `(…, …)` for texts as `email_keys` may have them: SQLite knows the lower case of ASCII letters alone.
pub(super) fn push_key_list<'a>(sql: &mut Sql, texts: impl IntoIterator<Item = &'a str>) {
    let mut keys = Vec::new();
    for text in texts {
        let (lower, ascii) = (text.to_lowercase(), text.to_ascii_lowercase());
        if lower != ascii {
            keys.push(ascii);
        }
        keys.push(lower);
    }
    sql.push("(").push_list(&keys).push(")");
}

/// Adds that a column is like one of the patterns, as they are or in lower case.
macro_rules! push_patterns {
    ($query:expr, $engine:expr, $column:expr, $patterns:expr) => {{
        let mut before = " AND (";
        for pattern in $patterns {
            let lower = pattern.to_lowercase();
            for pattern in (pattern != lower).then_some(pattern).into_iter().chain([lower]) {
                $query.push(before).push($column).push(" ").push($engine.like()).push(" ");
                $query.push_bind(pattern).push(" ESCAPE '\\'");
                before = " OR ";
            }
        }
        $query.push(")");
    }};
}

/// Adds that the text, which is in lower case, is in the subject or is the whole address of a recipient.
macro_rules! push_whole_addresses {
    ($query:expr, $engine:expr, $text:expr) => {{
        use $crate::server::store::criteria::{equals, push_patterns, subject_search};
        let (engine, text): ($crate::server::store::dialect::Engine, &str) = ($engine, $text);
        $query.push(" AND ((1 = 1");
        match subject_search(engine, text) {
            Some((statement, value)) => {
                $query.push(statement).push_bind(value).push(")");
            }
            None => {
                $query.push(" AND 1 = 0");
            }
        }
        $query.push(format!(") OR EXISTS (SELECT 1 FROM {} WHERE TRUE", engine.recipients()));
        push_patterns!($query, engine, "(r.value ->> 'address')", [equals(text)]);
        $query.push("))");
    }};
}

pub(super) use {push_criteria, push_key_values, push_keys, push_patterns, push_whole_addresses};

/// The kind of the rows of `email_keys` that hold recipients' addresses.
pub(super) const RECIPIENT_KEY: i16 = 0;

/// What of the criteria `email_keys` knows, by the kind of its rows.
pub(super) fn keys_of(criteria: &Criteria) -> impl Iterator<Item = (i16, &str)> {
    let keys = [
        (RECIPIENT_KEY, &criteria.recipient),
        (1, &criteria.server),
        (2, &criteria.server_ip),
        (3, &criteria.mx),
        (4, &criteria.protocol),
    ];
    keys.into_iter().filter_map(|(kind, value)| Some((kind, value.as_deref()?)))
}

/// Whether the messages that are meant are few or found by an index, so that none need be looked at in vain.
fn names_messages(criteria: &Criteria) -> bool {
    keys_of(criteria).next().is_some()
        || criteria.email_id.is_some()
        || criteria.notification_id.is_some()
        || criteria.external_user_id.is_some()
        || criteria.provider_message_id.is_some()
        || criteria.subject.as_deref().is_some_and(|part| part.chars().count() >= TRIGRAM)
}

/// How many messages, at most, are looked at for conditions that no index knows; `None` for all. An answer says how far
/// back it looked.
pub(super) fn looked_at_most(filter: &EmailFilter) -> Option<i64> {
    let criteria = &filter.criteria;
    // Each status is a walk of its own index, and the statuses are those that the events can leave.
    let asks_event = !criteria.events.is_empty() && filter.statuses.is_empty();
    let asks_text = criteria.from_address.is_some() || criteria.subject.is_some() || asks_event;
    if names_messages(criteria) {
        None
    } else if criteria.reply.is_some() {
        Some(LOOKED_AT_FOR_REPLY)
    } else {
        asks_text.then_some(LOOKED_AT)
    }
}

/// How many of the newest messages are looked at for a sender, a short part of a subject or a kind of event.
const LOOKED_AT: i64 = 100_000;

/// How many are looked at for a part of a server's answer, which is in the events of each.
const LOOKED_AT_FOR_REPLY: i64 = 10_000;

/// A text as a part of a `LIKE` pattern that escapes by a backslash.
pub(super) fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

/// The pattern of a whole text.
pub(super) fn equals(text: &str) -> String {
    escaped(text)
}

/// The pattern of a part.
pub(super) fn contains(text: &str) -> String {
    format!("%{}%", escaped(text))
}

/// A `Message-ID` or a provider's id without angle brackets.
pub(super) fn without_brackets(id: &str) -> &str {
    id.trim().trim_start_matches('<').trim_end_matches('>')
}

/// The id that a provider gave and that must be found, with and without angle brackets.
pub(super) fn providers_names(criteria: &Criteria) -> Option<[String; 2]> {
    let id = criteria.provider_message_id.as_deref().map(without_brackets)?;
    own_message_id(id).is_none().then(|| [format!("<{id}>"), id.to_owned()])
}

/// The message and the domain that a `Message-ID` of ours names, without angle brackets.
pub(super) fn own_message_id(text: &str) -> Option<(EmailId, &str)> {
    let (id, domain) = text.split_once('@')?;
    Some((EmailId::from_str(id).ok()?, domain))
}

/// The condition that the subject has this part, by the index of search, which knows the case of every letter: the
/// statement up to its value. `None` for a part that the index cannot find.
pub(super) fn subject_search(engine: Engine, part: &str) -> Option<(&'static str, String)> {
    let part = part.to_lowercase();
    match engine {
        Engine::Sqlite => (part.chars().count() >= TRIGRAM).then(|| {
            let statement = " AND e.id IN (SELECT s.rowid FROM email_search s WHERE s.email_search MATCH ";
            (statement, format!("subject : \"{}\"", part.replace('"', "\"\"")))
        }),
        Engine::Postgres => {
            let statement =
                " AND EXISTS (SELECT 1 FROM email_search s WHERE s.team_id = e.team_id AND s.email_id = e.id
                AND s.subject LIKE ";
            Some((statement, contains(&part)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_message_id_of_ours_names_a_message() {
        assert_eq!(own_message_id("eml_0000000000001@b.example"), Some((EmailId(1), "b.example")));
        assert_eq!(own_message_id("4bXyz12@b.example"), None);
        assert_eq!(own_message_id("eml_0000000000001"), None);
    }
}

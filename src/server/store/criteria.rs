//! The conditions on messages, `emails e`, as SQL: statuses, slices of the log, and the rarer ones,
//! [crate::domain::filter::Criteria]. Lists and searches add them to theirs. Whole values are compared by patterns without
//! wildcards, so that both engines compare them in any case of letters.

use std::str::FromStr;

use super::engine::{Engine, Sql};
use super::failures::push_diagnosis;
use super::folding::searchable;
use super::like::{contains, equals, escaped, push_like, push_patterns};
use super::range::IdRange;
use super::recipients::keys_for;
use super::search::subjects::{TRIGRAM, push_indexed_subject};
use crate::domain::channel::Channel;
use crate::domain::email::EmailStatus;
use crate::domain::filter::{Criteria, EmailFilter, RollupScope, StatusSet, Wanted};
use crate::domain::ids::{EmailId, TeamId};
use crate::domain::search::is_reply_code;

/// Adds `AND e.status …` for a set that is not empty.
pub(super) fn push_statuses(sql: &mut Sql, statuses: StatusSet) {
    if !statuses.is_empty() {
        let codes: Vec<String> = statuses.iter().map(|status| status.code().to_string()).collect();
        sql.push(format!(" AND e.status IN ({})", codes.join(", ")));
    }
}

/// Adds the condition that a scope of the log is.
pub(super) fn push_scope(sql: &mut Sql, scope: RollupScope) {
    match scope {
        RollupScope::All => {}
        RollupScope::Template(template_id) => {
            sql.push(" AND e.template_id = ").push_bind(template_id);
        }
        RollupScope::Channel(channel) => {
            // SQLite takes the index of the other channels only when its condition is said in full.
            let condition = if channel == Channel::Email { "" } else { " AND e.channel <> 0" };
            sql.push(format!("{condition} AND e.channel = {}", channel.code()));
        }
        RollupScope::Nothing => {
            sql.push(" AND 1 = 0");
        }
    }
}

/// Adds the rarer conditions.
pub(super) fn push_criteria(sql: &mut Sql, team_id: TeamId, criteria: &Criteria) {
    if !criteria.events.is_empty() {
        sql.push(" AND (e.event_set & ").push_bind(criteria.events.bits()).push(") <> 0");
    }
    if let Some(id) = criteria.email_id {
        sql.push(" AND e.id = ").push_bind(id);
    }
    if let Some(id) = criteria.notification_id {
        sql.push(" AND e.notification_id = ").push_bind(id);
    }
    if let Some(id) = &criteria.external_user_id {
        sql.push(" AND e.external_user_id = ").push_bind(id);
    }
    if let Some(id) = &criteria.provider_message_id {
        push_provider_id(sql, without_brackets(id));
    }
    if let Some(address) = &criteria.from_address {
        push_patterns(sql, "e.from_address", [equals(address), format!("%<{}>", equals(address))]);
    }
    if let Some(address) = &criteria.recipient {
        sql.push(" AND ");
        push_is_recipient(sql, address);
    }
    if let Some(part) = &criteria.subject
        && !push_indexed_subject(sql, team_id, part)
    {
        push_patterns(sql, "e.subject", [contains(part)]);
    }
    for (field, pattern) in [
        ("reply", criteria.reply.as_deref().map(contains)),
        ("server", criteria.server.as_deref().map(equals)),
        ("server_ip", criteria.server_ip.as_deref().map(equals)),
        ("mx", criteria.mx.as_deref().map(equals)),
        ("protocol", criteria.protocol.as_deref().map(equals)),
    ] {
        if let Some(pattern) = pattern {
            sql.push(" AND ");
            push_event_detail(sql, team_id, field, pattern, None, criteria.keeps_addresses);
        }
    }
    for condition in &criteria.conditions {
        sql.push(if condition.is_not { " AND NOT (" } else { " AND (" });
        for (index, wanted) in condition.any_of.iter().enumerate() {
            sql.push(if index == 0 { "" } else { " OR " });
            push_wanted(sql, team_id, wanted, criteria.keeps_addresses);
        }
        sql.push(if condition.any_of.is_empty() { "1 = 0)" } else { ")" });
    }
}

/// Adds what is true or false of a message, and never NULL: it can be denied.
fn push_wanted(sql: &mut Sql, team_id: TeamId, wanted: &Wanted, keeps_addresses: bool) {
    match wanted {
        Wanted::Email(id) => {
            sql.push("e.id = ").push_bind(*id);
        }
        Wanted::Sender(text) if keeps_addresses => {
            push_like(sql, "e.from_address", [equals(text), format!("%<{}>", equals(text))]);
        }
        Wanted::Sender(text) => push_like(sql, "e.from_address", [contains(text)]),
        Wanted::Recipient(text) => push_is_recipient(sql, text),
        Wanted::RecipientPart(text) if keeps_addresses => push_is_recipient(sql, text),
        Wanted::RecipientPart(text) => {
            let recipients = sql.engine().elements("e.recipients", "r");
            sql.push(format!("EXISTS (SELECT 1 FROM {recipients} WHERE "));
            push_like(sql, "(r.value ->> 'address')", [contains(text)]);
            sql.push(" OR ");
            push_like(sql, "(r.value ->> 'name')", [contains(text)]);
            sql.push(")");
        }
        Wanted::Person(id) => {
            sql.push("COALESCE(e.external_user_id, '') = ").push_bind(id);
        }
        Wanted::Subject(part) => {
            sql.push("(1 = 1");
            if !push_indexed_subject(sql, team_id, part) {
                push_patterns(sql, "e.subject", [contains(part)]);
            }
            sql.push(")");
        }
        Wanted::Template(id) => {
            sql.push("COALESCE(e.template_id, 0) = ").push_bind(*id);
        }
        Wanted::Channel(channel) => {
            sql.push(format!("e.channel = {}", channel.code()));
        }
        Wanted::Key(id) => {
            sql.push("COALESCE(e.api_key_id, 0) = ").push_bind(*id);
        }
        Wanted::Adapter(id) => {
            sql.push("COALESCE(e.adapter_id, 0) = ").push_bind(*id);
        }
        Wanted::Tag(tag) => {
            let tags = sql.engine().text_elements("e.tags", "g");
            sql.push(format!("EXISTS (SELECT 1 FROM {tags} WHERE "));
            push_like(sql, "g.value", [equals(tag)]);
            sql.push(")");
        }
        Wanted::Reply(part) => {
            sql.push("(");
            let code = Some(part.as_str()).filter(|part| is_reply_code(part));
            push_event_detail(sql, team_id, "reply", contains(part), code, keeps_addresses);
            sql.push(")");
        }
        Wanted::Reason(class) => push_diagnosis(sql, "class", i64::from(class.code())),
        Wanted::Group(group) => push_diagnosis(sql, "fingerprint", group.0),
        Wanted::Server(name) => {
            sql.push("EXISTS (SELECT 1 FROM email_keys x WHERE x.team_id = e.team_id");
            sql.push(format!(" AND x.kind IN ({SERVER_KEYS}) AND x.key IN "));
            push_key_list(sql, [name.as_str()]);
            sql.push(" AND x.email_id = e.id)");
        }
        Wanted::Provider { domains, hosts } => push_provider(sql, domains, hosts),
        Wanted::Metadata { name, value } => {
            sql.push("(EXISTS (SELECT 1 FROM email_contents c WHERE c.team_id = e.team_id AND c.email_id = e.id AND ");
            let mut before = "(";
            let lower = value.to_lowercase();
            for text in [Some(value), Some(&lower).filter(|lower| *lower != value)].into_iter().flatten() {
                let like = sql.engine().like();
                sql.push(before).push("(c.metadata ->> ").push_bind(name).push(format!(") {like} "));
                sql.push_bind(equals(text)).push(" ESCAPE '\\'");
                before = " OR ";
            }
            sql.push("))");
            push_marks_nothing(sql, team_id);
            sql.push(")");
        }
        Wanted::Resent => {
            sql.push("EXISTS (SELECT 1 FROM emails y WHERE y.team_id = e.team_id AND y.resend_of = e.id)");
        }
        Wanted::Scheduled => {
            sql.push(format!("(e.scheduled_at IS NOT NULL AND e.status = {})", EmailStatus::Queued.code()));
        }
        Wanted::Attachment => {
            sql.push("EXISTS (SELECT 1 FROM email_attachments f WHERE f.team_id = e.team_id AND f.email_id = e.id)");
        }
    }
}

fn push_provider(sql: &mut Sql, domains: &[String], hosts: &[String]) {
    let ends = |texts: &[String], mark: char| -> Vec<String> {
        texts.iter().map(|text| format!("%{mark}{}", escaped(text))).collect()
    };
    sql.push("(1 = 0");
    if !domains.is_empty() {
        let recipients = sql.engine().elements("e.recipients", "r");
        sql.push(format!(" OR EXISTS (SELECT 1 FROM {recipients} WHERE "));
        push_like(sql, "(r.value ->> 'address')", ends(domains, '@'));
        sql.push(")");
    }
    if !hosts.is_empty() {
        sql.push(" OR EXISTS (SELECT 1 FROM email_events v WHERE v.team_id = e.team_id AND v.email_id = e.id AND ");
        let patterns = hosts.iter().map(|host| equals(host)).chain(ends(hosts, '.'));
        push_like(sql, "COALESCE(v.detail ->> 'mx', v.detail ->> 'server')", patterns);
        sql.push(")");
    }
    sql.push(")");
}

/// Adds that a provider, or Sendlog itself, gave the message this id.
fn push_provider_id(sql: &mut Sql, plain: &str) {
    match own_message_id(plain) {
        // A server that gives no id of its own leaves ours to be the provider's.
        Some((id, domain)) => {
            sql.push(" AND e.id = ").push_bind(id);
            push_patterns(sql, "e.from_address", [format!("%@{}", equals(domain)), format!("%@{}>", equals(domain))]);
        }
        None => {
            let names = [format!("<{plain}>"), plain.to_owned()];
            sql.push(" AND (e.provider_message_id IN (").push_list(&names);
            sql.push(") OR EXISTS (SELECT 1 FROM email_aliases a WHERE a.team_id = e.team_id AND a.alias IN (");
            sql.push_list(&names).push(") AND a.email_id = e.id))");
        }
    }
}

/// Adds that an address is that of a recipient of `emails e`.
fn push_is_recipient(sql: &mut Sql, address: &str) {
    sql.push(format!(
        "EXISTS (SELECT 1 FROM email_keys x WHERE x.team_id = e.team_id AND x.kind = {RECIPIENT_KEY} AND x.key IN "
    ));
    push_key_list(sql, [address]);
    sql.push(" AND x.email_id = e.id)");
}

/// Adds that one of the message's events has this in its details; a `code` of a mail server's in it is a whole one.
fn push_event_detail(
    sql: &mut Sql,
    team_id: TeamId,
    field: &str,
    pattern: String,
    code: Option<&str>,
    keeps_addresses: bool,
) {
    sql.push("EXISTS (SELECT 1 FROM email_events v WHERE v.team_id = e.team_id AND v.email_id = e.id");
    push_patterns(sql, &format!("(v.detail ->> '{field}')"), [pattern]);
    if let Some(code) = code {
        push_whole_code(sql, code);
    }
    if keeps_addresses && field == "reply" {
        sql.push(" AND (v.detail ->> 'reply') NOT LIKE '%@%' AND (v.detail ->> 'reply') NOT LIKE '%+%'");
    }
    sql.push(")");
    if field == "reply" {
        push_marks_nothing(sql, team_id);
    }
}

/// Adds that the answer has this code, and not as the beginning of another: `5.1.1` is none of `5.1.10`.
fn push_whole_code(sql: &mut Sql, code: &str) {
    let (like, pattern) = match sql.engine() {
        Engine::Sqlite => ("GLOB", format!("*[^0-9.]{code}[^0-9]*")),
        Engine::Postgres => ("~", format!("[^0-9.]{}[^0-9]", code.replace('.', r"\."))),
    };
    sql.push(format!(" AND (' ' || (v.detail ->> 'reply') || ' ') {like} ")).push_bind(pattern);
}

/// Adds that the message's template marks no variable. Nobody sees in a list what a marked one holds, and an answer can hold
/// it: looked for part by part, it would be learnt.
pub(super) fn push_marks_nothing(sql: &mut Sql, team_id: TeamId) {
    sql.push(
        " AND NOT EXISTS (
    SELECT 1 FROM template_versions y JOIN templates z ON z.team_id = y.team_id AND z.id = y.template_id
    WHERE y.team_id = e.team_id AND y.team_id = ",
    );
    sql.push_bind(team_id).push(" AND y.id = e.template_version_id AND z.masked_variables <> '[]')");
}

/// Adds that the message is among those that `email_keys` has for an address or a host that is asked for whole, and among
/// those that have an id of a provider's or had it: the statement begins there rather than at the newest message.
/// [push_criteria] says the same again, to the letter.
pub(super) fn push_keys(sql: &mut Sql, team_id: TeamId, criteria: &Criteria, ids: IdRange) {
    let (open, close) = sql.engine().id_list();
    if let Some(names) = providers_names(criteria) {
        sql.push(format!(" AND e.id {open}SELECT p.id FROM emails p WHERE p.team_id = ")).push_bind(team_id);
        sql.push(" AND p.provider_message_id IN (").push_list(&names);
        sql.push(") UNION SELECT a.email_id FROM email_aliases a WHERE a.team_id = ").push_bind(team_id);
        sql.push(" AND a.alias IN (").push_list(&names).push(")").push(close);
    }
    for (kind, value) in keys_of(criteria) {
        sql.push(format!(" AND e.id {open}SELECT x.email_id FROM email_keys x WHERE x.team_id = ")).push_bind(team_id);
        sql.push(format!(" AND x.kind = {kind} AND x.key IN "));
        push_key_list(sql, [value]);
        sql.push(" AND x.email_id >= ").push_bind(ids.low);
        sql.push(" AND x.email_id < ").push_bind(ids.high).push(close);
    }
    for wanted in named_whole(criteria) {
        match wanted {
            Whole::Emails(wanted) => {
                sql.push(" AND e.id IN (").push_list(wanted).push(")");
            }
            Whole::People(people) => {
                sql.push(" AND e.external_user_id IN (").push_list(people).push(")");
            }
            Whole::Customer(names) => {
                let by_person = sql.engine().by_index("emails_by_external_user");
                sql.push(format!(" AND e.id {open}SELECT p.id FROM emails p{by_person} WHERE p.team_id = "));
                sql.push_bind(team_id).push(" AND p.external_user_id IN (").push_list(names.clone());
                sql.push(") AND p.id >= ").push_bind(ids.low).push(" AND p.id < ").push_bind(ids.high);
                sql.push(" UNION SELECT x.email_id FROM email_keys x WHERE x.team_id = ").push_bind(team_id);
                sql.push(format!(" AND x.kind = {RECIPIENT_KEY} AND x.key IN "));
                push_key_list(sql, names);
                sql.push(" AND x.email_id >= ").push_bind(ids.low);
                sql.push(" AND x.email_id < ").push_bind(ids.high).push(close);
            }
            Whole::Keys(kinds, values) => {
                sql.push(format!(" AND e.id {open}SELECT x.email_id FROM email_keys x WHERE x.team_id = "));
                sql.push_bind(team_id).push(format!(" AND x.kind IN ({kinds}) AND x.key IN "));
                push_key_list(sql, values);
                sql.push(" AND x.email_id >= ").push_bind(ids.low);
                sql.push(" AND x.email_id < ").push_bind(ids.high).push(close);
            }
        }
    }
}

/// A condition whose messages an index names.
pub(super) enum Whole<'a> {
    Emails(Vec<EmailId>),
    People(Vec<&'a str>),
    /// Ids of people and recipients' addresses: a message is meant that has one of either.
    Customer(Vec<&'a str>),
    /// The kinds of `email_keys`, with commas, and the texts.
    Keys(&'static str, Vec<&'a str>),
}

/// The conditions that an index alone answers: of one kind each, or of people and addresses, and not denied.
pub(super) fn named_whole(criteria: &Criteria) -> impl Iterator<Item = Whole<'_>> {
    fn all<'a, T>(any_of: &'a [Wanted], of: impl Fn(&'a Wanted) -> Option<T>) -> Option<Vec<T>> {
        any_of.iter().map(of).collect::<Option<Vec<T>>>().filter(|found| !found.is_empty())
    }
    let meant = criteria.conditions.iter().filter(|condition| !condition.is_not);
    meant.filter_map(|condition| {
        let any_of = condition.any_of.as_slice();
        let emails = all(any_of, |wanted| if let Wanted::Email(id) = wanted { Some(*id) } else { None });
        let text = |of: fn(&Wanted) -> Option<&String>| all(any_of, move |wanted| of(wanted).map(String::as_str));
        let people = text(|wanted| if let Wanted::Person(id) = wanted { Some(id) } else { None });
        let recipients = text(|wanted| if let Wanted::Recipient(address) = wanted { Some(address) } else { None });
        let servers = text(|wanted| if let Wanted::Server(name) = wanted { Some(name) } else { None });
        let customer =
            text(|wanted| if let Wanted::Person(text) | Wanted::Recipient(text) = wanted { Some(text) } else { None });
        emails
            .map(Whole::Emails)
            .or(people.map(Whole::People))
            .or(recipients.map(|texts| Whole::Keys(RECIPIENT_KEYS, texts)))
            .or(servers.map(|texts| Whole::Keys(SERVER_KEYS, texts)))
            .or(customer.map(Whole::Customer))
    })
}

/// [RECIPIENT_KEY] as a list.
const RECIPIENT_KEYS: &str = "0";
/// The kinds of the rows of `email_keys` that hold hosts, their network addresses and mail exchangers.
const SERVER_KEYS: &str = "1, 2, 3";

/// Adds `(…, …)` for texts as `email_keys` may have them.
pub(super) fn push_key_list<'a>(sql: &mut Sql, texts: impl IntoIterator<Item = &'a str>) {
    let keys: Vec<String> = texts.into_iter().flat_map(keys_for).collect();
    sql.push("(").push_list(&keys).push(")");
}

/// Adds that the text is in the subject or is the whole address of a recipient.
pub(super) fn push_whole_addresses(sql: &mut Sql, team_id: TeamId, text: &str) {
    sql.push(" AND ((1 = 1");
    if !push_indexed_subject(sql, team_id, text) {
        sql.push(" AND 1 = 0");
    }
    sql.push(") OR ");
    push_is_recipient(sql, text);
    sql.push(")");
}

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
        || named_whole(criteria).next().is_some()
        || criteria.email_id.is_some()
        || criteria.notification_id.is_some()
        || criteria.external_user_id.is_some()
        || criteria.provider_message_id.is_some()
        || criteria.subject.as_deref().is_some_and(|part| searchable(part).chars().count() >= TRIGRAM)
}

/// How many messages, at most, are looked at for conditions that no index knows; `None` for all. An answer says how far
/// back it looked.
pub(super) fn looked_at_most(filter: &EmailFilter) -> Option<i64> {
    let criteria = &filter.criteria;
    // Each status is a walk of its own index, and the statuses are those that the events can leave.
    let asks_event = !criteria.events.is_empty() && filter.statuses.is_empty();
    let asks_text =
        criteria.from_address.is_some() || criteria.subject.is_some() || asks_event || !criteria.conditions.is_empty();
    let of_others =
        |wanted: &Wanted| matches!(wanted, Wanted::Reply(_) | Wanted::Provider { .. } | Wanted::Metadata { .. });
    let asks_others = criteria.conditions.iter().flat_map(|condition| &condition.any_of).any(of_others);
    if names_messages(criteria) {
        None
    } else if criteria.reply.is_some() || asks_others {
        Some(LOOKED_AT_FOR_REPLY)
    } else {
        asks_text.then_some(LOOKED_AT)
    }
}

/// How many of the newest messages are looked at for a sender, a short part of a subject or a kind of event.
const LOOKED_AT: i64 = 100_000;

/// How many are looked at for a part of a server's answer or who runs a mailbox, which are in the events of each, or for
/// metadata, which is beside each.
const LOOKED_AT_FOR_REPLY: i64 = 10_000;

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

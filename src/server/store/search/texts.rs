//! What search looks through of a message, folded as [super::super::folding] has it.

use std::collections::HashMap;

use serde_json::Value;
use sqlx::types::Json;

use crate::domain::email::{NewEmail, Recipient};
use crate::domain::error::AppError;
use crate::domain::ids::{EmailId, TeamId, TemplateVersionId};
use crate::domain::mailbox::mailbox_key;
use crate::domain::masking::{MASK, mask_marked};
use crate::server::store::engine::{Engine, Sql, Transaction};
use crate::server::store::folding::searchable;

/// What is kept of one value of metadata or variables, in characters: what people hold in their hand is short.
const VALUE_CHARS: usize = 200;
/// What is kept of all values of metadata, and of variables, in bytes.
const VALUES_BYTES: usize = 4_000;

/// The texts of one message, a line each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::server::store) struct SearchTexts {
    /// Whole addresses, of everybody it is for.
    pub addresses: String,
    pub names: String,
    pub subject: String,
    /// Each value between two ends of lines, so that it can be found whole.
    pub metadata: String,
    /// The same, without what the message's template marks.
    pub variables: String,
}

impl SearchTexts {
    pub fn new(recipients: &[Recipient], subject: &str) -> Self {
        let (mut addresses, mut names) = (Vec::new(), Vec::new());
        for recipient in recipients {
            let address = searchable(&recipient.address);
            // People read `bücher.example` where the address says `xn--bcher-kva.example`.
            let as_read = searchable(&mailbox_key(&recipient.address));
            names.extend(recipient.name.as_deref().map(searchable).filter(|name| !name.is_empty()));
            if as_read != address {
                addresses.push(as_read);
            }
            addresses.push(address);
        }
        Self {
            addresses: addresses.join("\n"),
            names: names.join("\n"),
            subject: searchable(subject),
            ..Self::default()
        }
    }

    /// With what the message's variables and metadata hold, but for the marked variables, wherever their values stand.
    pub fn with_contents(self, variables: &Value, metadata: &Value, marked: &[String]) -> Self {
        if marked.is_empty() {
            return Self { metadata: values_of(metadata), variables: values_of(variables), ..self };
        }
        let (variables, secrets) = mask_marked(variables, marked);
        let metadata = secrets.scrub_json(metadata.clone());
        Self { metadata: values_of(&metadata), variables: values_of(&variables), ..self }
    }

    /// Addresses and names, as the index has them.
    pub fn recipients(&self) -> String {
        format!("{}\n{}", self.addresses, self.names)
    }
}

/// The values in JSON, however deep, each between two ends of lines.
fn values_of(json: &Value) -> String {
    let mut lines = String::new();
    push_values(json, &mut lines);
    if !lines.is_empty() {
        lines.push('\n');
    }
    lines
}

fn push_values(json: &Value, lines: &mut String) {
    let text = match json {
        Value::Object(fields) => return fields.values().for_each(|value| push_values(value, lines)),
        Value::Array(items) => return items.iter().for_each(|value| push_values(value, lines)),
        Value::Null => return,
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) if text == MASK => return,
        Value::String(text) => searchable(&text.chars().take(VALUE_CHARS).collect::<String>()),
    };
    if !text.is_empty() && lines.len() + text.len() < VALUES_BYTES {
        lines.push('\n');
        lines.push_str(&text);
    }
}

/// A message as [texts_query] reads it.
#[derive(sqlx::FromRow)]
pub(in crate::server::store) struct TextsRow {
    id: EmailId,
    recipients: Json<Vec<Recipient>>,
    subject: String,
    variables: Option<Json<Value>>,
    metadata: Option<Json<Value>>,
    marked: Option<Json<Vec<String>>>,
}

/// The query for what is searched of these messages, as they are now.
pub(in crate::server::store) fn texts_query(engine: Engine, team_id: TeamId, ids: &[i64]) -> Sql {
    let mut sql = Sql::new(
        engine,
        "SELECT e.id, e.recipients, e.subject, c.variables, c.metadata, m.masked_variables AS marked
         FROM emails e
         LEFT JOIN email_contents c ON c.team_id = e.team_id AND c.email_id = e.id
         LEFT JOIN template_versions v ON v.team_id = e.team_id AND v.id = e.template_version_id
         LEFT JOIN templates m ON m.team_id = e.team_id AND m.id = v.template_id
         WHERE e.team_id = ",
    );
    sql.push_bind(team_id).push(" AND e.id IN (").push_list(ids).push(")").keep(false);
    sql
}

impl From<TextsRow> for (EmailId, SearchTexts) {
    fn from(row: TextsRow) -> Self {
        let texts = SearchTexts::new(&row.recipients, &row.subject);
        let (variables, metadata) = (row.variables.unwrap_or_default(), row.metadata.unwrap_or_default());
        let marked = row.marked.map(|names| names.0).unwrap_or_default();
        (row.id, texts.with_contents(&variables, &metadata, &marked))
    }
}

/// What is searched of new messages.
pub(in crate::server::store) async fn texts_of(
    tx: &mut Transaction,
    team_id: TeamId,
    emails: &[&NewEmail],
) -> Result<Vec<(EmailId, SearchTexts)>, AppError> {
    let mut versions: Vec<TemplateVersionId> =
        emails.iter().filter(|email| has_values(&email.variables)).filter_map(|email| email.version()).collect();
    versions.sort_unstable();
    versions.dedup();
    let marked = marks_of(tx, team_id, &versions).await?;
    let texts = |email: &&NewEmail| {
        let marked = email.version().and_then(|version| marked.get(&version)).map_or(&[][..], Vec::as_slice);
        let texts = SearchTexts::new(&email.recipients, &email.subject);
        (email.id, texts.with_contents(&email.variables, &email.metadata, marked))
    };
    Ok(emails.iter().map(texts).collect())
}

fn has_values(json: &Value) -> bool {
    json.as_object().is_some_and(|fields| !fields.is_empty())
}

/// The variables that the templates of these versions mark, where they mark some.
async fn marks_of(
    tx: &mut Transaction,
    team_id: TeamId,
    versions: &[TemplateVersionId],
) -> Result<HashMap<TemplateVersionId, Vec<String>>, AppError> {
    let mut marked = HashMap::new();
    for versions in versions.chunks(500) {
        let mut sql = Sql::new(
            tx.engine(),
            "SELECT v.id, m.masked_variables FROM template_versions v
             JOIN templates m ON m.team_id = v.team_id AND m.id = v.template_id
             WHERE v.team_id = ",
        );
        sql.push_bind(team_id).push(" AND v.id IN (").push_list(versions).push(")").keep(versions.len() == 1);
        let rows: Vec<(TemplateVersionId, Json<Vec<String>>)> = tx.query(sql).fetch_all().await?;
        marked.extend(rows.into_iter().map(|(version, names)| (version, names.0)));
    }
    Ok(marked)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::email::RecipientKind;

    #[test]
    fn everybody_is_found_by_address_as_written_and_as_read_and_by_name() {
        let recipient = |kind, address: &str, name: Option<&str>| Recipient {
            kind,
            address: address.to_owned(),
            name: name.map(str::to_owned),
        };
        let recipients = [
            recipient(RecipientKind::To, "Ada@xn--bcher-kva.example", Some("Ada  Ibáñez")),
            recipient(RecipientKind::Bcc, "bo@b.example", Some(" ")),
        ];
        let texts = SearchTexts::new(&recipients, "Grüße");
        assert_eq!(texts.addresses, "ada@bucher.example\nada@xn--bcher-kva.example\nbo@b.example");
        assert_eq!((texts.names.as_str(), texts.subject.as_str()), ("ada ibanez", "grusse"));
    }

    #[test]
    fn values_are_lines_and_what_is_marked_is_in_none() {
        let variables =
            json!({"code": "s3cret-9", "hint": "Use s3cret-9", "deep": [{"order": "A-1042"}, 7, null, true]});
        let metadata = json!({"note": "s3cret-9", "plan": "Größe\nL"});
        let texts = SearchTexts::default().with_contents(&variables, &metadata, &["code".to_owned()]);
        assert!(texts.variables.contains("\na-1042\n7\ntrue\n"), "{texts:?}");
        assert_eq!(texts.metadata, "\ngrosse l\n");
        assert!(!format!("{texts:?}").contains("s3cret"), "{texts:?}");
        assert_eq!(values_of(&json!({})), "");
        let long = json!(["a".repeat(10_000), "b".repeat(199)]);
        assert_eq!(values_of(&long), format!("\n{}\n{}\n", "a".repeat(200), "b".repeat(199)));
        let many: Vec<String> = (0..1000).map(|number| format!("value {number}")).collect();
        assert!(values_of(&json!(many)).len() <= VALUES_BYTES + 1);
    }
}

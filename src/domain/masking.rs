//! What a viewer sees of messages: contents (variables, bodies, files, links) and addresses. [Visibility::of] decides it, once
//! for each message; the services hand out values that are masked already, so that no page, API or export can forget it.

mod texts;

use chrono::{DateTime, Utc};
use serde_json::Value;

pub use self::texts::{MASK, REDACTED, is_masked, mask_addresses};
use self::texts::{MIN_SCRUBBED_CHARS, escaped, hide_words, mask_endpoint, says_nothing, without_names};
use super::account::device_words;
use super::api_request::LoggedBody;
use super::email::{Email, EmailContent, EmailSummary, Recipient};
use super::event::EmailEvent;
use super::exchange::AttemptRecord;
use super::notification::Notification;
use super::permission::Permission;
use super::viewer::Viewer;
pub use super::visibility::{Contents, REVEAL_MINUTES, Reveal, Visibility};

impl Visibility {
    /// What `viewer` sees now of the message or request with the id `target`.
    pub fn of(viewer: &Viewer, target: impl ToString, now: DateTime<Utc>) -> Self {
        let may_reveal = viewer.may(Permission::LogsReveal);
        let contents = if !may_reveal {
            Contents::Hidden
        } else if viewer.reveal_of(target, now).is_some() {
            Contents::All
        } else if viewer.rules.reveals_with_reason && viewer.user_id().is_some() {
            Contents::Locked
        } else {
            Contents::AllButMarked
        };
        Self { contents, masks_addresses: masks_addresses(viewer) }
    }

    /// A text that may hold addresses, as it is shown.
    pub fn text(self, text: String) -> String {
        if self.masks_addresses { mask_addresses(&text) } else { text }
    }

    /// Path and query of a request, as they are shown in a team whose templates mark variables, or mark none. A message's
    /// contents can stand in them (somebody searched for a code), and nothing tells whose: who does not see all contents
    /// sees what the API itself says, ids, times and whole addresses.
    pub fn endpoint(self, endpoint: String, marks_variables: bool) -> String {
        let hides_words = match self.contents {
            Contents::Hidden | Contents::Locked => true,
            Contents::AllButMarked => marks_variables,
            Contents::All => false,
        };
        let endpoint = if hides_words { hide_words(&endpoint) } else { endpoint };
        if self.masks_addresses { mask_endpoint(&endpoint) } else { endpoint }
    }

    /// A row of a list, as it is shown.
    pub fn summary(self, mut email: EmailSummary) -> EmailSummary {
        self.recipients(&mut email.recipients);
        EmailSummary { subject: self.text(email.subject), ..email }
    }

    /// A message whose marked variables hold these secrets, as it is shown.
    pub fn email(self, mut email: Email, secrets: &Secrets) -> Email {
        self.recipients(&mut email.recipients);
        if self.masks_addresses {
            email.reply_to = email.reply_to.map(|list| without_names(&list));
        }
        email.map_texts(|text| self.text(self.scrubbed(text, secrets)))
    }

    /// What happened to a message whose template marks these variables, which hold these secrets, as it is shown. A link can
    /// hold them in any form. Who does not see contents does not see the reader's network address either, and of their
    /// program the kind.
    pub fn events(self, events: Vec<EmailEvent>, marked: &[String], secrets: &Secrets) -> Vec<EmailEvent> {
        let shows_links = match self.contents {
            Contents::Hidden | Contents::Locked => false,
            Contents::AllButMarked => marked.is_empty(),
            Contents::All => true,
        };
        let shown = |mut event: EmailEvent| {
            event.recipient = event.recipient.map(|address| self.text(address));
            event.detail.message = event.detail.message.map(|words| self.text(self.scrubbed(words, secrets)));
            for words in [
                &mut event.detail.reply,
                &mut event.detail.user_agent,
                &mut event.detail.ip,
                &mut event.detail.country,
                &mut event.detail.server,
                &mut event.detail.server_ip,
                &mut event.detail.mx,
                &mut event.detail.protocol,
            ] {
                *words = words.take().map(|words| self.scrubbed(words, secrets));
            }
            event.detail.reply = event.detail.reply.map(|words| self.text(words));
            if !self.shows_contents() {
                event.detail.ip = None;
                event.detail.user_agent = event.detail.user_agent.map(|agent| device_words(&agent));
            }
            event.detail.url = event.detail.url.filter(|_| shows_links).map(|url| self.text(url));
            event
        };
        events.into_iter().map(shown).collect()
    }

    /// The attempts to send a message whose marked variables hold these secrets, as they are shown: what was said in them to
    /// those alone who see contents.
    pub fn attempts(self, attempts: Vec<AttemptRecord>, secrets: &Secrets) -> Vec<AttemptRecord> {
        let shown = |mut attempt: AttemptRecord| {
            attempt.exchange = attempt.exchange.filter(|_| self.shows_contents());
            for step in attempt.exchange.iter_mut().flat_map(|exchange| &mut exchange.0) {
                step.text = self.text(self.scrubbed(std::mem::take(&mut step.text), secrets));
            }
            attempt
        };
        attempts.into_iter().map(shown).collect()
    }

    /// A notification, as it is shown. A person without an id of their own is known by an address.
    pub fn notification(self, notification: Notification) -> Notification {
        Notification {
            external_user_id: notification.external_user_id.map(|id| self.text(id)),
            warnings: notification.warnings.into_iter().map(|words| self.text(words)).collect(),
            ..notification
        }
    }

    /// A body of an API request, as it is shown in a team whose templates mark these variables, where the messages that it
    /// is about hold these secrets. JSON that was cut off cannot be searched for the variables and is not shown where it
    /// names one. A link can hold the secrets in any form.
    pub fn body(self, body: LoggedBody, marked: &[String], secrets: &Secrets) -> LoggedBody {
        let Some(text) = body.text else { return body };
        let shown = match self.contents {
            Contents::Hidden | Contents::Locked => MASK.to_owned(),
            Contents::All => text,
            Contents::AllButMarked => {
                let names_marked = marked.iter().any(|name| text.contains(name.as_str()));
                match serde_json::from_str::<Value>(&text) {
                    _ if !names_marked && secrets.is_empty() => text,
                    Ok(json) if secrets.is_empty() => mask_fields(json, marked).to_string(),
                    Ok(json) => secrets.scrub_json(mask_links(mask_fields(json, marked))).to_string(),
                    Err(_) if names_marked => MASK.to_owned(),
                    Err(_) => secrets.scrub(&text),
                }
            }
        };
        LoggedBody { text: Some(shown), ..body }
    }

    fn recipients(self, recipients: &mut [Recipient]) {
        if self.masks_addresses {
            for recipient in recipients {
                recipient.address = mask_addresses(&recipient.address);
                // A name tells whose address it is.
                recipient.name = None;
            }
        }
    }

    fn scrubbed(self, text: String, secrets: &Secrets) -> String {
        match self.contents {
            Contents::Hidden | Contents::Locked | Contents::AllButMarked => secrets.scrub(&text),
            Contents::All => text,
        }
    }
}

/// Whether a viewer sees addresses masked, whatever they are part of.
pub fn masks_addresses(viewer: &Viewer) -> bool {
    viewer.rules.masks_addresses && !viewer.may(Permission::LogsReveal)
}

/// Whether a viewer sees the contents of any message, without giving a reason, but for what templates mark.
pub fn sees_contents(viewer: &Viewer) -> bool {
    let asks_reason = viewer.rules.reveals_with_reason && viewer.user_id().is_some();
    viewer.may(Permission::LogsReveal) && !asks_reason
}

/// A request's method, path and query for the audit log, which those can read who see no contents.
pub fn audited_request(viewer: &Viewer, method: &str, endpoint: &str) -> String {
    audited_text(viewer, format!("{method} {}", hide_words(endpoint)))
}

/// A text that was searched for, for the audit log of a team whose templates mark variables, or mark none.
pub fn audited_search(text: String, marks_variables: bool) -> String {
    if marks_variables && !says_nothing(&text) { MASK.to_owned() } else { text }
}

/// A text that may hold addresses, for the audit log, which those can read who see addresses masked.
pub fn audited_text(viewer: &Viewer, text: String) -> String {
    if viewer.rules.masks_addresses { mask_endpoint(&text) } else { text }
}

/// The same of all texts in JSON.
pub fn audited_json(viewer: &Viewer, json: Value) -> Value {
    match json {
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, audited_json(viewer, value))).collect(),
        Value::Array(items) => items.into_iter().map(|item| audited_json(viewer, item)).collect(),
        Value::String(text) => Value::String(audited_text(viewer, text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => json,
    }
}

/// Contents of which nothing is shown but their shape: the names of variables, how many files there are.
pub fn hidden_content(content: EmailContent) -> EmailContent {
    EmailContent {
        variables: mask_values(content.variables),
        metadata: mask_values(content.metadata),
        headers: content.headers.into_iter().map(|(name, _)| (name, MASK.to_owned())).collect(),
        html: None,
        text: None,
        attachments: content
            .attachments
            .into_iter()
            .map(|mut file| {
                file.filename = MASK.to_owned();
                file.content_type = file.content_type.split(';').next().unwrap_or_default().trim().to_owned();
                file
            })
            .collect(),
    }
}

/// Variables with the values of the marked ones masked; what those hold is masked in the others too. Gives the secrets
/// with them, for other texts to be searched for.
pub fn mask_marked(variables: &Value, marked: &[String]) -> (Value, Secrets) {
    let mut secrets = Secrets::default();
    let mut masked = variables.clone();
    if let Value::Object(fields) = &mut masked {
        for (_, value) in fields.iter_mut().filter(|(name, _)| marked.contains(name)) {
            secrets.take_from(value);
            *value = mask_values(value.take());
        }
    }
    let masked = secrets.scrub_json(masked);
    (masked, secrets)
}

/// JSON of the same shape and with the same names, in which every value is masked.
pub fn mask_values(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, mask_values(value))).collect(),
        Value::Array(items) => items.into_iter().map(mask_values).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Value::String(MASK.to_owned()),
    }
}

/// JSON in which the values of fields of these names are masked, however deep; also of pairs like
/// `{"name": "code", "value": "…"}`. What those hold is masked everywhere in it.
fn mask_fields(mut json: Value, names: &[String]) -> Value {
    let mut secrets = Secrets::default();
    mask_fields_in(&mut json, names, &mut secrets);
    secrets.scrub_json(json)
}

fn mask_fields_in(json: &mut Value, names: &[String], secrets: &mut Secrets) {
    match json {
        Value::Object(fields) => {
            let is_named = |name: &str| names.iter().any(|marked| marked == name);
            let names_marked =
                ["name", "key"].iter().any(|name| fields.get(*name).and_then(Value::as_str).is_some_and(is_named));
            for (name, value) in fields {
                if is_named(name) || names_marked && name == "value" {
                    secrets.take_from(value);
                    *value = mask_values(value.take());
                } else {
                    mask_fields_in(value, names, secrets);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| mask_fields_in(item, names, secrets)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// JSON in which the links that were followed are masked.
fn mask_links(json: Value) -> Value {
    let is_link = |name: &str| matches!(name, "url" | "link");
    match json {
        Value::Object(fields) => {
            let shown = |(name, value): (String, Value)| {
                let value = if is_link(&name) { mask_values(value) } else { mask_links(value) };
                (name, value)
            };
            fields.into_iter().map(shown).collect()
        }
        Value::Array(items) => items.into_iter().map(mask_links).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => json,
    }
}

/// What marked variables hold, to be masked in other texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Secrets(Vec<String>);

impl Secrets {
    /// What the variables hold that are marked.
    pub fn of(variables: &Value, marked: &[String]) -> Self {
        mask_marked(variables, marked).1
    }

    /// Takes those of another message too.
    pub fn extend(&mut self, others: Secrets) {
        others.0.into_iter().for_each(|text| self.keep(text));
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn take_from(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => fields.values().for_each(|value| self.take_from(value)),
            Value::Array(items) => items.iter().for_each(|value| self.take_from(value)),
            Value::String(text) => self.take(text.trim().to_owned()),
            Value::Number(number) => self.take(number.to_string()),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn take(&mut self, text: String) {
        if text.chars().count() >= MIN_SCRUBBED_CHARS {
            // As it stands in links, and in JSON that was cut off.
            self.keep(escaped(&text));
            self.keep(Value::String(text.clone()).to_string().trim_matches('"').to_owned());
            self.keep(text);
        }
    }

    fn keep(&mut self, text: String) {
        if !self.0.contains(&text) {
            self.0.push(text);
            // The longest first: one can be a part of another.
            self.0.sort_by_key(|text| std::cmp::Reverse(text.len()));
        }
    }

    /// A text in which the secrets are masked.
    pub fn scrub(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), MASK))
    }

    /// JSON in whose texts, numbers and names the secrets are masked.
    pub fn scrub_json(&self, json: Value) -> Value {
        match json {
            Value::Object(fields) => {
                fields.into_iter().map(|(name, value)| (self.scrub(&name), self.scrub_json(value))).collect()
            }
            Value::Array(items) => items.into_iter().map(|item| self.scrub_json(item)).collect(),
            Value::String(text) => Value::String(self.scrub(&text)),
            Value::Number(number) if self.0.contains(&number.to_string()) => Value::String(MASK.to_owned()),
            Value::Null | Value::Bool(_) | Value::Number(_) => json,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_message_holds_is_masked_in_the_bodies_that_are_about_it() {
        let secrets = Secrets::of(&json!({"code": "s3cret/42", "name": "Ada"}), &["code".to_owned()]);
        let visibility = Visibility { contents: Contents::AllButMarked, masks_addresses: false };
        let shown = |text: &str| {
            visibility.body(LoggedBody { text: Some(text.to_owned()), truncated: true }, &[], &secrets).text.unwrap()
        };
        let body = json!({"events": [{"url": "https://a.example/?x", "tags": ["s3cret/42"], "ua": "s3cret%2F42!"}]});
        let expected = json!({"events": [{"url": MASK, "tags": [MASK], "ua": format!("{MASK}!")}]});
        assert_eq!(shown(&body.to_string()), expected.to_string());
        assert_eq!(shown(r#"{"tags": ["s3cret/42", "x"#), format!(r#"{{"tags": ["{MASK}", "x"#));
    }

    #[test]
    fn masked_variables_keep_their_shape() {
        let variables = json!({"code": "123456", "card": {"number": 4242, "ok": true, "lines": [null, "x"]}});
        let masked = json!({"code": MASK, "card": {"number": MASK, "ok": MASK, "lines": [MASK, MASK]}});
        assert_eq!(mask_values(variables), masked);
    }

    #[test]
    fn a_marked_value_is_masked_in_the_other_variables_too() {
        let variables = json!({"token": "s3cret", "url": "https://a.example/?t=s3cret", "name": "Ada", "pin": 1});
        let (masked, secrets) = mask_marked(&variables, &["token".to_owned(), "pin".to_owned(), "absent".to_owned()]);
        assert_eq!(
            masked,
            json!({"token": MASK, "url": format!("https://a.example/?t={MASK}"), "name": "Ada", "pin": MASK})
        );
        assert_eq!(secrets.scrub("is s3cret 1"), format!("is {MASK} 1"));
    }

    #[test]
    fn fields_of_a_body_are_masked_however_deep() {
        let body = json!({"to": "a", "list": [{"variables": {"code": {"a": 123456}}}, {"name": "code", "value": "x"}],
            "html": "<b>123456</b>", "n": 123456});
        let masked = mask_fields(body, &["code".to_owned()]);
        let expected = json!({"to": "a", "list": [{"variables": {"code": {"a": MASK}}}, {"name": "code", "value": MASK}],
            "html": format!("<b>{MASK}</b>"), "n": MASK});
        assert_eq!(masked, expected);
    }

    #[test]
    fn a_body_that_was_cut_off_is_not_shown_where_it_names_a_marked_variable() {
        let visibility = Visibility { contents: Contents::AllButMarked, masks_addresses: false };
        let body = |text: &str| LoggedBody { text: Some(text.to_owned()), truncated: true };
        let none = Secrets::default();
        let shown = |text: &str| visibility.body(body(text), &["code".to_owned()], &none).text.unwrap();
        assert_eq!(shown(r#"{"code":"123"#), MASK);
        assert_eq!(shown(r#"{"name":"123"#), r#"{"name":"123"#);
        let locked = Visibility { contents: Contents::Locked, ..visibility };
        assert_eq!(locked.body(body("{}"), &[], &none).text.as_deref(), Some(MASK));
    }
}

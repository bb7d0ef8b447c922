//! What a viewer sees of messages: contents (variables, bodies, files, links) and addresses. [Sight::of] decides it, once
//! for each message; the services hand out values that are masked already, so that no page, API or export can forget it.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::account::device_words;
use super::api_request::{LoggedBody, REDACTED};
use super::email::{Email, EmailContent, EmailSummary, Recipient};
use super::event::EmailEvent;
use super::ids::{
    AdapterId, ApiKeyId, ApiRequestId, EmailId, InviteId, JobId, NotificationId, TeamId, TemplateId, UserId,
};
use super::notification::Notification;
use super::permission::Permission;
use super::viewer::Viewer;

/// What stands in the place of a value that is not shown.
pub const MASK: &str = "••••••";

/// What stands between the ends of an address that is not shown in full.
const BULLETS: &str = "•••";

/// How long contents are shown after a reason was given, in minutes.
pub const REVEAL_MINUTES: i64 = 10;

/// The shortest value of a variable that is looked for in other texts, in characters: shorter ones occur by chance.
const MIN_SCRUBBED_CHARS: usize = 4;

/// Parameters of the APIs whose values are numbers or words of theirs.
const PLAIN_PARAMETERS: [&str; 23] = [
    "page",
    "pageSize",
    "limit",
    "count",
    "offset",
    "status",
    "statuses",
    "order",
    "sort",
    "type",
    "action",
    "kind",
    "channel",
    "preset",
    "format",
    "keys",
    "after",
    "before",
    "created_gt",
    "created_gte",
    "created_lt",
    "created_lte",
    "again",
];

/// The longest word of a path or name of a parameter that is shown to those who do not see contents, in characters.
const MAX_WORD_CHARS: usize = 40;

/// What a viewer sees of one message or of one API request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    /// What they see of its contents.
    pub contents: Contents,
    /// Whether addresses are masked.
    pub masks_addresses: bool,
}

/// What a viewer sees of contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Contents {
    /// Nothing: they lack `logs:reveal`.
    Hidden,
    /// Nothing until they give a reason: the team asks for one.
    Locked,
    /// Everything but the values of variables that a template marks.
    AllButMarked,
    /// Everything: they gave a reason.
    All,
}

/// That somebody gave a reason, and sees the contents of one message or API request for a while. Kept in the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reveal {
    /// The team.
    pub team: TeamId,
    /// Who gave the reason.
    pub user: UserId,
    /// The message's or the request's id, with its prefix.
    pub target: String,
    /// When it ends.
    pub until: DateTime<Utc>,
    /// The reason.
    pub reason: String,
}

impl Sight {
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

    /// Whether bodies and variables are shown at all.
    pub const fn shows_contents(self) -> bool {
        match self.contents {
            Contents::Hidden | Contents::Locked => false,
            Contents::AllButMarked | Contents::All => true,
        }
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
        let text = |text: String| self.text(self.scrubbed(text, secrets));
        Email {
            external_user_id: email.external_user_id.map(text),
            from_address: text(email.from_address),
            reply_to: email.reply_to.map(|list| text(if self.masks_addresses { without_names(&list) } else { list })),
            subject: text(email.subject),
            tags: email.tags.into_iter().map(text).collect(),
            error_message: email.error_message.map(text),
            ..email
        }
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

/// A text in which every e-mail address is `a•••@example.com` and every telephone number in international form
/// `+15•••06`.
pub fn mask_addresses(text: &str) -> String {
    mask_numbers(&mask_mailboxes(text))
}

fn mask_mailboxes(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        let (before, after) = rest.split_at(at);
        let local = local_part(before);
        masked.push_str(&before[..before.len() - local.len()]);
        match local.trim_start_matches('"').chars().next() {
            Some(first) if after[1..].starts_with(|next: char| next.is_alphanumeric() || next == '[') => {
                masked.push(first);
                masked.push_str(BULLETS);
            }
            Some(_) | None => masked.push_str(local),
        }
        masked.push('@');
        rest = &after[1..];
    }
    masked.push_str(rest);
    masked
}

/// What stands before an `@` and belongs to the address. Source: RFC 5322, `local-part`; letters beyond ASCII are those of
/// RFC 6531.
fn local_part(before: &str) -> &str {
    if let Some(quoted) = before.strip_suffix('"')
        && let Some(start) = quoted.rfind('"')
    {
        return &before[start..];
    }
    let belongs = |letter: char| !letter.is_whitespace() && !"<>()[]\\,;:@\"".contains(letter);
    let start = before.char_indices().rev().take_while(|(_, letter)| belongs(*letter)).last();
    start.map_or("", |(start, _)| &before[start..])
}

/// Source of the lengths: ITU-T E.164.
fn mask_numbers(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(plus) = rest.find('+') {
        let (before, after) = rest.split_at(plus + 1);
        masked.push_str(before);
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        if (7..=15).contains(&digits) {
            masked.push_str(&after[..2]);
            masked.push_str(BULLETS);
            masked.push_str(&after[digits - 2..digits]);
        } else {
            masked.push_str(&after[..digits]);
        }
        rest = &after[digits..];
    }
    masked.push_str(rest);
    masked
}

/// A path and query of which nothing is left but what the API itself says, ids, times, whole addresses, and what is so
/// short that it occurs by chance.
fn hide_words(endpoint: &str) -> String {
    let (path, query) = endpoint.split_once('?').map_or((endpoint, None), |(path, query)| (path, Some(query)));
    let part = |part: &str| {
        let is_shown = says_nothing(part) || is_word(part.strip_suffix(".json").unwrap_or(part));
        if is_shown { part.to_owned() } else { MASK.to_owned() }
    };
    let path = path.split('/').map(part).collect::<Vec<_>>().join("/");
    let parameter = |pair: &str| match pair.split_once('=') {
        Some((name, value)) if is_word(name) => {
            let is_plain = PLAIN_PARAMETERS.contains(&name) && is_number_or_words(value);
            if is_plain || says_nothing(value) { pair.to_owned() } else { format!("{name}={MASK}") }
        }
        Some(_) => MASK.to_owned(),
        None if says_nothing(pair) => pair.to_owned(),
        None => MASK.to_owned(),
    };
    match query {
        Some(query) => format!("{path}?{}", query.split('&').map(parameter).collect::<Vec<_>>().join("&")),
        None => path,
    }
}

/// Whether a part of a path or the value of a parameter says nothing of what a message holds but whom it is for.
fn says_nothing(part: &str) -> bool {
    let plain = unescaped(part);
    let is_id = || {
        plain.parse::<EmailId>().is_ok()
            || plain.parse::<ApiRequestId>().is_ok()
            || plain.parse::<NotificationId>().is_ok()
            || plain.parse::<TemplateId>().is_ok()
            || plain.parse::<ApiKeyId>().is_ok()
            || plain.parse::<AdapterId>().is_ok()
            || plain.parse::<TeamId>().is_ok()
            || plain.parse::<UserId>().is_ok()
            || plain.parse::<InviteId>().is_ok()
            || plain.parse::<JobId>().is_ok()
    };
    let is_time = || {
        plain.parse::<NaiveDate>().is_ok()
            || DateTime::parse_from_rfc3339(&plain).is_ok()
            || NaiveDateTime::parse_from_str(&plain, "%Y-%m-%dT%H:%M").is_ok()
    };
    plain.chars().count() < MIN_SCRUBBED_CHARS
        || matches!(plain.as_str(), "true" | "false" | REDACTED)
        || is_address(&plain)
        || is_id()
        || is_time()
}

/// Whether a text is one address or telephone number and nothing else.
fn is_address(text: &str) -> bool {
    let is_number = text
        .strip_prefix('+')
        .is_some_and(|digits| (7..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit()));
    let is_mailbox = text.rsplit_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && local_part(local) == local && domain.contains('.') && local_part(domain) == domain
    });
    is_number || is_mailbox
}

/// Whether a text is a word of an API: letters, `-` and `_`.
fn is_word(text: &str) -> bool {
    text.len() <= MAX_WORD_CHARS && text.bytes().all(|byte| byte.is_ascii_alphabetic() || b"-_".contains(&byte))
}

fn is_number_or_words(text: &str) -> bool {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    is_number || text.split([',', '+']).all(is_word)
}

/// A text without the names that stand before addresses in angle brackets. Where a name begins is not said in a text that is
/// no list of addresses: what may belong to it goes with it.
fn without_names(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        let (before, after) = rest.split_at(open);
        let names_address = after.find('>').is_some_and(|close| after[..close].contains('@'));
        if names_address {
            shown.push_str(&before[..before.len() - name_at_end(before).len()]);
        } else {
            shown.push_str(before);
        }
        shown.push('<');
        rest = &after[1..];
    }
    shown.push_str(rest);
    shown
}

/// The end of a text that may be a name: a text in quotes, or words without a delimiter. Source: RFC 5322, `display-name`.
fn name_at_end(text: &str) -> &str {
    let trimmed = text.trim_end();
    if let Some(quoted) = trimmed.strip_suffix('"') {
        return quoted.rfind('"').map_or(text, |open| &text[open..]);
    }
    let belongs = |letter: char| {
        !matches!(letter, ',' | ';' | ':' | '<' | '>' | '(' | ')' | '[' | ']' | '\n' | '/' | '=' | '&' | '?')
    };
    let start = text.char_indices().rev().take_while(|(_, letter)| belongs(*letter)).last();
    let name = start.map_or("", |(start, _)| &text[start..]);
    let spaces = name.len() - name.trim_start().len();
    &name[spaces..]
}

/// A path and query in which addresses are masked, also those that are escaped, and the names before them left out.
fn mask_endpoint(endpoint: &str) -> String {
    let mut masked = String::with_capacity(endpoint.len());
    for piece in endpoint.split_inclusive(['/', '?', '&', '=']) {
        let end = piece.len() - usize::from(piece.ends_with(['/', '?', '&', '=']));
        let (name, delimiter) = piece.split_at(end);
        let plain = unescaped(name);
        let hidden = mask_addresses(&without_names(&plain));
        masked.push_str(if hidden == plain { name } else { &hidden });
        masked.push_str(delimiter);
    }
    masked
}

/// A text as it stands in a link. Source: RFC 3986, section 2.3.
fn escaped(text: &str) -> String {
    let escape = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escape).collect()
}

/// A text with its `%40` and the like read, twice where it was escaped twice.
fn unescaped(text: &str) -> String {
    let once = |text: &str| {
        let (bytes, mut read, mut index) = (text.as_bytes(), Vec::with_capacity(text.len()), 0);
        while index < bytes.len() {
            let digits = text.get(index + 1..index + 3).filter(|_| bytes[index] == b'%');
            match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                Some(byte) => {
                    read.push(byte);
                    index += 3;
                }
                None => {
                    read.push(bytes[index]);
                    index += 1;
                }
            }
        }
        String::from_utf8_lossy(&read).into_owned()
    };
    once(&once(text))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn addresses_keep_their_first_letter_and_their_domain() {
        for (text, expected) in [
            ("ada@example.com", "a•••@example.com"),
            ("Ada <ada.l+x@example.com>, bob@b.example", "Ada <a•••@example.com>, b•••@b.example"),
            ("550 5.1.1 <ada@example.com>: unknown", "550 5.1.1 <a•••@example.com>: unknown"),
            ("\"ada lovelace\"@example.com", "a•••@example.com"),
            ("élan@exämple.com", "é•••@exämple.com"),
            ("ada@[192.0.2.1]", "a•••@[192.0.2.1]"),
            ("a@b@c.example", "a•••@b•••@c.example"),
            ("at 5 @ noon, @here", "at 5 @ noon, @here"),
            ("+15005550006", "+15•••06"),
            ("+15005550006 and +49170 1234567", "+15•••06 and +49170 1234567"),
            ("usr_42", "usr_42"),
            ("", ""),
        ] {
            assert_eq!(mask_addresses(text), expected, "{text}");
        }
        let twice = mask_addresses(&mask_addresses("ada@example.com +15005550006"));
        assert_eq!(twice, "a•••@example.com +15•••06");
    }

    #[test]
    fn addresses_in_paths_and_queries_are_masked_escaped_or_not() {
        for (endpoint, expected) in [
            ("/api/v1/customers/ada@example.com/logs", "/api/v1/customers/a•••@example.com/logs"),
            ("/customers/ada%40example.com/logs?count=2", "/customers/a•••@example.com/logs?count=2"),
            ("/customers/ada%2540example.com/logs", "/customers/a•••@example.com/logs"),
            ("/api/logs?search=%2B15005550006&page=2", "/api/logs?search=+15•••06&page=2"),
            (
                "/api/logs?search=50%25+off&to_address=ada%40b.example",
                "/api/logs?search=50%25+off&to_address=a•••@b.example",
            ),
            ("/%zz/%", "/%zz/%"),
        ] {
            assert_eq!(mask_endpoint(endpoint), expected);
        }
    }

    #[test]
    fn of_a_path_and_query_nothing_is_left_but_what_the_api_says() {
        let id = EmailId(7);
        for (endpoint, expected) in [
            ("/api/logs", "/api/logs"),
            ("/api/v1/send", "/api/v1/send"),
            ("/api/openapi.json", "/api/openapi.json"),
            ("/api/logs?search=4711-42&page=12345&status=bounced", "/api/logs?search=••••••&page=12345&status=bounced"),
            ("/api/logs?search=sunshine", "/api/logs?search=••••••"),
            ("/api/logs?page=4711-42", "/api/logs?page=••••••"),
            ("/api/logs?4711-42=1&4711-42", "/api/logs?••••••&••••••"),
            (
                "/api/logs/4711-42?from=2024-01-20&to=2024-01-20T10:00:00Z",
                "/api/logs/••••••?from=2024-01-20&to=2024-01-20T10:00:00Z",
            ),
            ("/customers/ada%40b.example/logs?count=2", "/customers/ada%40b.example/logs?count=2"),
            ("/customers/Ada%20%3Cada%40b.example%3E/logs", "/customers/••••••/logs"),
            ("/api/logs?search=Ada+%3Cada%40b.example%3E", "/api/logs?search=••••••"),
            ("/api/logs?search=%2B15005550006&x=abc", "/api/logs?search=%2B15005550006&x=abc"),
            ("/api/logs?token=[redacted]", "/api/logs?token=[redacted]"),
        ] {
            assert_eq!(hide_words(endpoint), expected);
        }
        let path = format!("/resend/emails/{id}/x?after={}", id.to_uuid());
        assert_eq!(hide_words(&path), path);
    }

    #[test]
    fn names_before_addresses_are_left_out() {
        for (text, expected) in [
            ("Ada Lovelace <ada@b.example>", "<ada@b.example>"),
            ("\"Lovelace, Ada\" <ada@b.example>, Bob <bob@b.example>", "<ada@b.example>, <bob@b.example>"),
            ("to: Zoë O'Neil-Süß <z@b.example>; and", "to: <z@b.example>; and"),
            ("1 < 2 and <b>bold</b>", "1 < 2 and <b>bold</b>"),
            ("ada@b.example", "ada@b.example"),
            ("", ""),
        ] {
            assert_eq!(without_names(text), expected, "{text}");
        }
        assert_eq!(
            mask_endpoint("/api/logs?search=Ada%20L.%20%3Cada%40b.example%3E&page=2"),
            "/api/logs?search=<a•••@b.example>&page=2"
        );
    }

    #[test]
    fn what_a_message_holds_is_masked_in_the_bodies_that_are_about_it() {
        let secrets = Secrets::of(&json!({"code": "s3cret/42", "name": "Ada"}), &["code".to_owned()]);
        let sight = Sight { contents: Contents::AllButMarked, masks_addresses: false };
        let shown = |text: &str| {
            sight.body(LoggedBody { text: Some(text.to_owned()), truncated: true }, &[], &secrets).text.unwrap()
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
        let sight = Sight { contents: Contents::AllButMarked, masks_addresses: false };
        let body = |text: &str| LoggedBody { text: Some(text.to_owned()), truncated: true };
        let none = Secrets::default();
        let shown = |text: &str| sight.body(body(text), &["code".to_owned()], &none).text.unwrap();
        assert_eq!(shown(r#"{"code":"123"#), MASK);
        assert_eq!(shown(r#"{"name":"123"#), r#"{"name":"123"#);
        let locked = Sight { contents: Contents::Locked, ..sight };
        assert_eq!(locked.body(body("{}"), &[], &none).text.as_deref(), Some(MASK));
    }
}

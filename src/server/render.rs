//! Templates made into messages: the engine. [helper] calls it, where what a template says does no harm, and is what the
//! services call. Source of the syntax: Jinja, as minijinja implements it,
//! <https://docs.rs/minijinja/latest/minijinja/syntax/>.

pub mod helper;
mod plain;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, LazyLock};

use minijinja::value::{Object, ObjectRepr, Rest};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior};
use serde_json::Value;

use crate::domain::error::AppError;
use crate::domain::template::{TemplatePart as Part, TemplateSource};

pub use crate::domain::template::Undefined;

/// The most that a subject, an HTML body or a text body may become, in bytes.
pub const OUTPUT_CAP_BYTES: usize = 2 * 1024 * 1024;

/// The largest source of a subject, an HTML body or a text body.
const SOURCE_CAP_BYTES: usize = 2 * 1024 * 1024;

/// How many steps of the engine one text may take.
const STEPS_CAP: u64 = 2_000_000;

/// The most that a message's variables may take, in bytes, and the most values among them.
const VARIABLES_CAP_BYTES: usize = 4 * 1024 * 1024;
const VARIABLES_CAP: usize = 100_000;

/// A template's three texts with the variables in their places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RenderedTemplate {
    /// One line.
    pub subject: String,
    pub html: Option<String>,
    pub text: Option<String>,
}

/// Renders a template of our own, as the demo has them, in this process and on this thread. What others wrote goes to
/// [helper::Renderer::render_template].
pub fn render_own_template(source: &TemplateSource, variables: &Value) -> Result<RenderedTemplate, AppError> {
    checked_variables(variables)?;
    let render = |part, text: &str| render_part(part, text, variables, Undefined::Refused);
    Ok(RenderedTemplate {
        subject: checked_subject(&render(Part::Subject, &source.subject)?)?,
        html: source.html.as_deref().map(|html| render(Part::Html, html)).transpose()?,
        text: source.text.as_deref().map(|text| render(Part::Text, text)).transpose()?,
    })
}

/// Passes variables that are a JSON object, or null, of a size that a template may work with.
fn checked_variables(variables: &Value) -> Result<(), AppError> {
    fn measure(value: &Value, values: &mut usize, bytes: &mut usize) {
        *values += 1;
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => *bytes += 8,
            Value::String(text) => *bytes += text.len(),
            Value::Array(items) => items.iter().for_each(|item| measure(item, values, bytes)),
            Value::Object(fields) => fields.iter().for_each(|(name, value)| {
                *bytes += name.len();
                measure(value, values, bytes);
            }),
        }
    }
    if !(variables.is_object() || variables.is_null()) {
        return Err(AppError::invalid_field("variables", "The variables must be a JSON object"));
    }
    let (mut values, mut bytes) = (0, 0);
    measure(variables, &mut values, &mut bytes);
    if values <= VARIABLES_CAP && bytes <= VARIABLES_CAP_BYTES {
        return Ok(());
    }
    let limit_mib = VARIABLES_CAP_BYTES / (1024 * 1024);
    let message = format!("The variables hold more than {VARIABLES_CAP} values or {limit_mib} MiB");
    Err(AppError::invalid_field("variables", message))
}

fn checked_texts(source: &TemplateSource) -> Result<(), AppError> {
    let large = source.parts().into_iter().find(|(_, text)| text.len() > SOURCE_CAP_BYTES);
    large.map_or(Ok(()), |(part, _)| {
        let limit_mib = SOURCE_CAP_BYTES / (1024 * 1024);
        let message = format!("{} is larger than {limit_mib} MiB", part.label());
        Err(AppError::InvalidTemplate { part, message })
    })
}

/// A subject that has been rendered, as it is sent.
fn checked_subject(subject: &str) -> Result<String, AppError> {
    let subject = subject.trim_matches([' ', '\t']);
    if subject.contains(char::is_control) {
        let message = "The subject must be one line, without line breaks or other control characters, also with the \
                       variables in their places";
        return Err(AppError::InvalidTemplate { part: Part::Subject, message: message.to_owned() });
    }
    Ok(subject.to_owned())
}

/// Passes only a template that has a subject, and HTML or text.
fn check_completeness(source: &TemplateSource) -> Result<(), AppError> {
    let is_blank = |text: Option<&str>| text.is_none_or(|text| text.trim().is_empty());
    if is_blank(Some(&source.subject)) {
        return Err(AppError::InvalidTemplate {
            part: Part::Subject,
            message: "A template needs a subject".to_owned(),
        });
    }
    if is_blank(source.html.as_deref()) && is_blank(source.text.as_deref()) {
        let message = "A template needs an HTML body or a text body, or both".to_owned();
        return Err(AppError::InvalidTemplate { part: Part::Html, message });
    }
    Ok(())
}

/// Passes only a template of our own that can be saved.
#[cfg(test)]
pub fn check_template(source: &TemplateSource) -> Result<(), AppError> {
    check_completeness(source)?;
    source.parts().into_iter().try_for_each(|(part, text)| parse_part(part, text))
}

/// Passes only a text that parses.
fn parse_part(part: Part, text: &str) -> Result<(), AppError> {
    let environment = environment(Undefined::Refused, STEPS_CAP);
    let parsed = environment.template_from_named_str(part.as_str(), text);
    parsed.map(drop).map_err(|cause| not_parsed(part, text, &cause))
}

/// The names of the variables that a text uses; none when it does not parse.
fn names_in(part: Part, text: &str) -> Vec<String> {
    let environment = environment(Undefined::Refused, STEPS_CAP);
    let Ok(template) = environment.template_from_named_str(part.as_str(), text) else { return Vec::new() };
    let mut names: Vec<String> = template.undeclared_variables(false).into_iter().collect();
    names.retain(|name| !environment.globals().any(|(global, _)| global == name));
    names
}

static ENVIRONMENT: LazyLock<Environment<'static>> =
    LazyLock::new(|| {
        let mut environment = Environment::new();
        // Errors carry where in the source they arose.
        environment.set_debug(true);
        environment.set_auto_escape_callback(|name| {
            if name == Part::Html.as_str() { AutoEscape::Html } else { AutoEscape::None }
        });
        environment.add_filter("default", default_of);
        environment.add_filter("d", default_of);
        // It would show every variable.
        environment.remove_global("debug");
        environment
    });

fn environment(undefined: Undefined, steps: u64) -> Environment<'static> {
    let mut environment = ENVIRONMENT.clone();
    environment.set_undefined_behavior(match undefined {
        Undefined::Refused => UndefinedBehavior::Strict,
        Undefined::IsNothing => UndefinedBehavior::Chainable,
    });
    environment.set_fuel(Some(steps));
    environment
}

/// Why a text could not be rendered.
enum Failure {
    /// It takes too many steps.
    Steps,
    /// What to say of it.
    Because(AppError),
}

impl Failure {
    fn said_of(self, part: Part) -> AppError {
        match self {
            Self::Steps => {
                let message = format!("{} takes too many steps with these values", part.label());
                AppError::InvalidTemplate { part, message }
            }
            Self::Because(error) => error,
        }
    }
}

fn render_part(part: Part, source: &str, variables: &Value, undefined: Undefined) -> Result<String, AppError> {
    try_part(part, source, variables, undefined, STEPS_CAP).map_err(|failure| failure.said_of(part))
}

fn try_part(part: Part, source: &str, variables: &Value, undefined: Undefined, steps: u64) -> Result<String, Failure> {
    let environment = environment(undefined, steps);
    let template = environment.template_from_named_str(part.as_str(), source);
    let template = template.map_err(|cause| Failure::Because(not_parsed(part, source, &cause)))?;
    let mut output = CappedOutput::default();
    let rendered = match undefined {
        Undefined::Refused => template.render_captured_to(variables, &mut output).map(drop),
        Undefined::IsNothing => template.render_captured_to(without_nulls(variables), &mut output).map(drop),
    };
    match rendered {
        Ok(()) => {
            let null = match undefined {
                Undefined::Refused => null_in_output(part, source, variables, steps),
                Undefined::IsNothing => None,
            };
            if let Some(name) = null {
                let message = format!("{}: the variable “{name}” is null", part.label());
                return Err(Failure::Because(AppError::InvalidTemplate { part, message }));
            }
            String::from_utf8(output.bytes).map_err(|_| Failure::Because(AppError::Internal))
        }
        Err(_) if output.is_full => {
            let limit_mib = OUTPUT_CAP_BYTES / (1024 * 1024);
            let message = format!("{} becomes larger than {limit_mib} MiB with these values", part.label());
            Err(Failure::Because(AppError::InvalidTemplate { part, message }))
        }
        Err(cause) if innermost(&cause).kind() == ErrorKind::OutOfFuel => Err(Failure::Steps),
        Err(cause) if innermost(&cause).kind() == ErrorKind::UndefinedError => {
            let candidates = template.undeclared_variables(true);
            Err(Failure::Because(undefined_variable(part, innermost(&cause), source, candidates, variables)))
        }
        Err(cause) => Err(Failure::Because(in_line(part, innermost(&cause)))),
    }
}

/// The variables without those that are null.
fn without_nulls(variables: &Value) -> Value {
    match variables {
        Value::Object(fields) => {
            let given = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(given.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(
            items
                .iter()
                .map(|item| if item.is_null() { Value::String(String::new()) } else { without_nulls(item) })
                .collect(),
        ),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => variables.clone(),
    }
}

/// What begins and ends a [NullMark] in a text. Nobody writes these letters: they are none.
const MARK: (char, char) = ('\u{fdd0}', '\u{fdd1}');

/// The null variable that shows in what a text becomes, where one does. The engine writes "None" for null, through any
/// number of filters and operators; so the text is rendered once more, with marks in their places.
fn null_in_output(part: Part, source: &str, variables: &Value, steps: u64) -> Option<String> {
    let mut names = Vec::new();
    let marked = marked(variables, String::new(), &mut names);
    if names.is_empty() {
        return None;
    }
    let mut environment = environment(Undefined::Refused, steps);
    environment.add_test("none", is_null);
    // JSON has a null of its own.
    environment.add_filter("tojson", no_json);
    let template = environment.template_from_named_str(part.as_str(), source).ok()?;
    let mut output = CappedOutput::default();
    // Where it fails now, marks are not what null is, and what was written until then tells enough.
    let _ = template.render_captured_to(marked, &mut output);
    let output = String::from_utf8_lossy(&output.bytes);
    let (_, mark) = output.split_once(MARK.0)?;
    let index = mark.split_once(MARK.1).and_then(|(index, _)| index.parse::<usize>().ok());
    names.get(index.unwrap_or_default()).cloned()
}

/// The variables with a mark in the place of every null, whose path is added to `names`.
fn marked(value: &Value, path: String, names: &mut Vec<String>) -> minijinja::Value {
    match value {
        Value::Null if path.is_empty() => minijinja::Value::from(()),
        Value::Null => {
            names.push(path);
            minijinja::Value::from_object(NullMark(names.len() - 1))
        }
        Value::Array(items) => {
            let items = items.iter().enumerate();
            let items: Vec<minijinja::Value> =
                items.map(|(index, item)| marked(item, format!("{path}[{index}]"), names)).collect();
            minijinja::Value::from(items)
        }
        Value::Object(fields) => {
            let dot = if path.is_empty() { "" } else { "." };
            let fields: BTreeMap<String, minijinja::Value> = fields
                .iter()
                .map(|(name, field)| (name.clone(), marked(field, format!("{path}{dot}{name}"), names)))
                .collect();
            minijinja::Value::from(fields)
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => minijinja::Value::from_serialize(value),
    }
}

/// Stands for a null variable, by its place among their names, and shows where it is written.
#[derive(Debug)]
struct NullMark(usize);

impl Object for NullMark {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        false
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", MARK.0, self.0, MARK.1)
    }
}

fn is_null(value: &minijinja::Value) -> bool {
    value.is_none() || value.downcast_object_ref::<NullMark>().is_some()
}

/// The filter `default`, for null too.
fn default_of(
    state: &State,
    value: &minijinja::Value,
    args: Rest<minijinja::Value>,
) -> Result<minijinja::Value, Error> {
    if is_null(value) {
        return Ok(args.first().cloned().unwrap_or_else(|| minijinja::Value::from("")));
    }
    minijinja::filters::default(state, value, args)
}

fn no_json(_value: &minijinja::Value, _options: Rest<minijinja::Value>) -> minijinja::Value {
    minijinja::Value::from_safe_string(String::new())
}

/// The error that started a chain of them.
fn innermost(error: &Error) -> &Error {
    let mut innermost = error;
    while let Some(cause) = std::error::Error::source(innermost).and_then(|cause| cause.downcast_ref::<Error>()) {
        innermost = cause;
    }
    innermost
}

/// Says which variable is missing: a path of the template that the variables do not contain and that stands where the
/// error arose, or else the expression that stands there.
fn undefined_variable(
    part: Part,
    error: &Error,
    source: &str,
    candidates: impl IntoIterator<Item = String>,
    variables: &Value,
) -> AppError {
    let expression = blamed_expression(error, source);
    let is_missing = |path: &String| lookup(variables, path).is_none();
    let mut missing: Vec<String> = candidates.into_iter().filter(is_missing).collect();
    missing.sort_by_key(|path| (std::cmp::Reverse(path.len()), path.clone()));
    let named = missing.iter().find(|path| contains_path(&expression, path));
    let name = named.unwrap_or(&expression);
    if name.is_empty() || name.len() > 100 {
        return in_line(part, error);
    }
    wrong(part, error.line(), &format!("the variable “{name}” has no value"))
}

/// What stands in the source where an error arose.
fn blamed_expression(error: &Error, source: &str) -> String {
    let range = error.range().unwrap_or_default();
    let expression = source.get(range.clone()).unwrap_or_default().trim();
    let before = source.get(..range.start).unwrap_or_default();
    let tag = &before[before.rfind("{{").max(before.rfind("{%")).unwrap_or_default()..];
    // The engine blames a filter by its name alone: what it was to work on stands before it.
    if let Some(value) = tag.trim_end().strip_suffix('|') {
        return value.split_whitespace().last().unwrap_or_default().to_owned();
    }
    // It blames a field of a missing value without the beginning of the path.
    if expression.starts_with(['.', '[']) {
        let is_path = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '.');
        let start =
            tag.len() - tag.chars().rev().take_while(|letter| is_path(*letter)).map(char::len_utf8).sum::<usize>();
        return format!("{}{expression}", &tag[start..]);
    }
    expression.to_owned()
}

fn lookup<'a>(variables: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(variables, |value, name| value.get(name))
}

/// Whether `path` stands in `expression` as a whole.
fn contains_path(expression: &str, path: &str) -> bool {
    let is_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    expression.match_indices(path).any(|(start, _)| {
        let before = expression[..start].chars().next_back();
        let after = expression[start + path.len()..].chars().next();
        !before.is_some_and(|letter| is_name(letter) || letter == '.') && !after.is_some_and(is_name)
    })
}

fn in_line(part: Part, error: &Error) -> AppError {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    wrong(part, error.line(), &quoted(&what))
}

/// The engine's words, with quotation marks in the place of what it quotes with.
fn quoted(what: &str) -> String {
    let mut parts = what.split('`');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for (index, part) in parts.enumerate() {
        text.push(if index % 2 == 0 { '“' } else { '”' });
        text.push_str(part);
    }
    text
}

/// What is wrong with a part whose text does not parse, and in which line.
fn not_parsed(part: Part, text: &str, error: &Error) -> AppError {
    match unclosed(text) {
        Some((line, open, close)) => wrong(part, Some(line), &format!("“{open}” is not closed with “{close}”")),
        None => in_line(part, error),
    }
}

fn wrong(part: Part, line: Option<usize>, what: &str) -> AppError {
    let place = line.map(|line| format!(", line {line}")).unwrap_or_default();
    AppError::InvalidTemplate { part, message: format!("{}{place}: {what}", part.label()) }
}

/// The first braces that are opened and not closed before others are, or at all, with their line: a parser trips over what
/// follows them, and names that.
fn unclosed(text: &str) -> Option<(usize, &'static str, &'static str)> {
    const COMMENT: &str = "{#";
    const BRACES: [(&str, &str); 3] = [("{{", "}}"), ("{%", "%}"), (COMMENT, "#}")];
    let first_in = |rest: &str| BRACES.iter().filter_map(|braces| Some((rest.find(braces.0)?, *braces))).min();
    let mut at = 0;
    while let Some((place, (open, close))) = first_in(&text[at..]) {
        let inside = at + place + open.len();
        let next = first_in(&text[inside..]).map_or(usize::MAX, |(next, _)| next);
        match text[inside..].find(close) {
            Some(end) if end < next || open == COMMENT => at = inside + end + close.len(),
            _ => return Some((text[..inside].lines().count(), open, close)),
        }
    }
    None
}

/// Collects what a template writes, and refuses what is over the cap.
#[derive(Default)]
struct CappedOutput {
    bytes: Vec<u8>,
    is_full: bool,
}

impl io::Write for CappedOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > OUTPUT_CAP_BYTES {
            self.is_full = true;
            return Err(io::Error::other("the output is over its cap"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;

//! Which template texts are so plain that nothing they say can take much memory or time: texts with variables, a few
//! filters that cannot grow, conditions and loops over variables. They are rendered in this process; whatever else
//! [super::helper] renders. Everything that is not known to be plain is not.

/// The most tags of a plain text.
const MAX_TAGS: usize = 2_000;
/// The longest tag, in bytes.
const MAX_TAG_BYTES: usize = 200;
/// How deep blocks nest.
const MAX_DEPTH: usize = 20;
/// The most branches: the engine nests each in the one before.
const MAX_BRANCHES: usize = 50;
/// The most parts of a path, and the most filters behind it.
const MAX_PARTS: usize = 10;

/// Filters whose result is about as large as what they are given, and is never smaller by much.
const FILTERS: [&str; 7] = ["upper", "lower", "title", "capitalize", "escape", "e", "safe"];

/// Whether a text is plain.
pub fn is_plain(source: &str) -> bool {
    let (mut rest, mut depth, mut branches) = (source, 0_usize, 0_usize);
    for _ in 0..=MAX_TAGS {
        let Some(start) = rest
            .match_indices('{')
            .map(|(at, _)| at)
            .find(|at| matches!(rest.as_bytes().get(at + 1), Some(b'{' | b'%' | b'#')))
        else {
            return depth == 0;
        };
        let (kind, inside) = (rest.as_bytes()[start + 1], &rest[start + 2..]);
        let end = match kind {
            b'{' => "}}",
            b'%' => "%}",
            _ => "#}",
        };
        let Some(length) = inside.find(end) else { return false };
        rest = &inside[length + 2..];
        if kind == b'#' {
            continue;
        }
        let tag = inside[..length].trim_matches(['-', '+']).trim();
        if tag.len() > MAX_TAG_BYTES {
            return false;
        }
        if kind == b'{' {
            if !is_plain_value(tag) {
                return false;
            }
            continue;
        }
        match statement(tag) {
            Some(Statement::Opens) => depth += 1,
            Some(Statement::Branches) => branches += 1,
            Some(Statement::Closes) if depth > 0 => depth -= 1,
            Some(Statement::Closes) | None => return false,
        }
        if depth > MAX_DEPTH || branches > MAX_BRANCHES {
            return false;
        }
    }
    false
}

enum Statement {
    Opens,
    Branches,
    Closes,
}

fn statement(tag: &str) -> Option<Statement> {
    let (word, rest) = tag.split_once(char::is_whitespace).unwrap_or((tag, ""));
    let rest = rest.trim();
    match word {
        "if" => is_plain_condition(rest).then_some(Statement::Opens),
        "elif" => is_plain_condition(rest).then_some(Statement::Branches),
        "else" => rest.is_empty().then_some(Statement::Branches),
        "for" => {
            let words: Vec<&str> = rest.split_whitespace().collect();
            let is_plain = matches!(words[..], [name, "in", path] if is_name(name) && is_path(path));
            is_plain.then_some(Statement::Opens)
        }
        "endif" | "endfor" => rest.is_empty().then_some(Statement::Closes),
        _ => None,
    }
}

/// `order.total`, `name|upper`, `name|default('you')`.
fn is_plain_value(tag: &str) -> bool {
    let mut parts = tag.split('|').map(str::trim);
    parts.next().is_some_and(is_path) && parts.clone().count() <= MAX_PARTS && parts.all(is_plain_filter)
}

fn is_plain_filter(filter: &str) -> bool {
    let default = filter.strip_prefix("default(").or_else(|| filter.strip_prefix("d("));
    match default.and_then(|rest| rest.strip_suffix(')')) {
        Some(value) => is_literal(value.trim()),
        None => FILTERS.contains(&filter),
    }
}

/// `name`, `not name`, `name == 'Ada'`, `count != 3`, `name is defined`.
fn is_plain_condition(text: &str) -> bool {
    let text = text.strip_prefix("not ").map_or(text, str::trim_start);
    if let Some((path, value)) = text.split_once("==").or_else(|| text.split_once("!=")) {
        return is_path(path.trim()) && is_literal(value.trim());
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    matches!(words[..], [path] | [path, "is", "defined"] | [path, "is", "not", "defined"] if is_path(path))
}

fn is_path(text: &str) -> bool {
    text.split('.').count() <= MAX_PARTS && text.split('.').all(is_name)
}

fn is_name(text: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    // What the engine itself knows by a name is left to the helper.
    let is_taken = matches!(
        text,
        "self"
            | "super"
            | "caller"
            | "loop"
            | "range"
            | "dict"
            | "namespace"
            | "debug"
            | "not"
            | "in"
            | "is"
            | "and"
            | "or"
            | "if"
            | "else"
            | "recursive"
    );
    text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && text.chars().all(is_letter)
        && !is_taken
}

/// A number, or a text in quotes without marks of the syntax in it.
fn is_literal(text: &str) -> bool {
    let quoted = ['\'', '"'].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote));
    match quoted {
        Some(inside) => !inside.contains(['\'', '"', '\\', '{', '}', '%', '#', '|', '=', '(', ')']),
        None => !text.is_empty() && text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_templates_are_plain() {
        for source in [
            "",
            "Hello { you } 100%",
            "<style>a{b:c}</style>{{ name }}",
            "{{ order.total }} {{- name|upper -}} {{ name | default('you') | e }}{{ n|d(3) }}",
            "{# a note #}{% if name %}{{ name }}{% elif not other.name %}x{% else %}y{% endif %}",
            "{%- for item in order.items -%}{{ item.name }}{%- endfor -%}",
            "{% if plan == 'pro' %}a{% endif %}{% if count != 3 %}b{% endif %}{% if a is not defined %}c{% endif %}",
        ] {
            assert!(is_plain(source), "{source}");
        }
    }

    #[test]
    fn whatever_may_grow_is_not_plain() {
        for source in [
            "{{ a ~ a }}",
            "{{ a * 9 }}",
            "{{ [a, a] }}",
            "{{ {'a': a} }}",
            "{{ a|replace('a', 'aa') }}",
            "{{ a|indent(9) }}",
            "{{ a|tojson }}",
            "{{ a|trim }}",
            "{{ range(9) }}",
            "{{ a.b() }}",
            "{{ a['b'] }}",
            "{{ a[1:] }}",
            "{{ 'a' }}",
            "{{ a|default(b) }}",
            "{{ a|default('a' * 9) }}",
            "{{ a|default('}}') }}",
            "{{ a if b else c }}",
            "{{ loop.index }}",
            "{{ self.a }}",
            "{% set a = 1 %}",
            "{% macro a() %}{% endmacro %}",
            "{% for a in range(9) %}{% endfor %}",
            "{% for a, b in c %}{% endfor %}",
            "{% for a in b recursive %}{% endfor %}",
            "{% for a in b if a %}{% endfor %}",
            "{% if a|upper %}{% endif %}",
            "{% if a == b %}{% endif %}",
            "{% raw %}{{ a }}{% endraw %}",
            "{% include 'a' %}",
            "{% if a %}",
            "{% endif %}",
            "{{ a",
            "{{ }}",
            "{{ a. }}",
            "{# a",
        ] {
            assert!(!is_plain(source), "{source}");
        }
        assert!(!is_plain(&format!("{{{{ {} }}}}", ["a"; 80].join("."))));
        assert!(!is_plain(&("{% if a %}".repeat(30) + &"{% endif %}".repeat(30))));
        assert!(!is_plain(&format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(99))));
    }
}

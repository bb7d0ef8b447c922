//! What templates become, and why they do not.

use serde_json::json;

use super::*;

fn render_template(source: &TemplateSource, variables: &Value) -> Result<RenderedTemplate, AppError> {
    render_own_template(source, variables)
}

fn source(subject: &str, html: &str, text: &str) -> TemplateSource {
    TemplateSource { subject: subject.to_owned(), html: Some(html.to_owned()), text: Some(text.to_owned()) }
}

fn html_error(html: &str, variables: Value) -> String {
    render_template(&source("Hi", html, ""), &variables).unwrap_err().to_string()
}

#[test]
fn variables_are_escaped_in_html_and_nowhere_else() {
    let template = source("For {{ name }}", "<p>{{ name }}</p>", "{{ name }}");
    let rendered = render_template(&template, &json!({"name": "<Ada & Co>"})).unwrap();
    assert_eq!(rendered.subject, "For <Ada & Co>");
    assert_eq!(rendered.html.as_deref(), Some("<p>&lt;Ada &amp; Co&gt;</p>"));
    assert_eq!(rendered.text.as_deref(), Some("<Ada & Co>"));
}

#[test]
fn an_absent_text_stays_absent() {
    let template = TemplateSource { subject: "Hi".to_owned(), html: None, text: Some("Hello".to_owned()) };
    let rendered = render_template(&template, &Value::Null).unwrap();
    assert_eq!((rendered.html, rendered.text.as_deref()), (None, Some("Hello")));
}

#[test]
fn a_missing_variable_is_named_with_the_text_that_uses_it() {
    let message = "HTML body, line 1: the variable “order.total” has no value";
    for html in [
        "<p>{{ order.total }}</p>",
        "<p>{{ order.total|upper }}</p>",
        "<p>{{ order.id }} {{ order.total | title | upper }}</p>",
        "{% if order.total|upper == 'X' %}{% endif %}",
        "{% if order.total > 3 %}{% endif %}",
        "{% if order.total %}{% endif %}",
        "{{ order.id ~ order.total }}",
        "{{ order.total.cents }}",
    ] {
        let shown = html_error(html, json!({"order": {"id": 7}}));
        let nested = message.replace("“order.total”", "“order.total.cents”");
        assert!(shown == message || shown == nested, "{html}: {shown}");
    }
    assert_eq!(html_error("{{ name }}", json!({})), "HTML body, line 1: the variable “name” has no value");
    let subject = render_template(&source("{{ name }}", "", ""), &json!({})).unwrap_err().to_string();
    assert_eq!(subject, "Subject, line 1: the variable “name” has no value");
}

#[test]
fn a_missing_field_of_a_list_item_is_named() {
    let message = html_error("{% for item in items %}{{ item.price }}{% endfor %}", json!({"items": [{}]}));
    assert_eq!(message, "HTML body, line 1: the variable “item.price” has no value");
    let html = "{% for item in items %}{{ item.price|upper }}{% endfor %}";
    assert_eq!(html_error(html, json!({"items": [{}]})), message);
}

#[test]
fn a_default_or_a_test_makes_a_variable_optional() {
    let html = "{{ name|default('you') }}{% if name is defined %}{{ name }}{% endif %}";
    let rendered = render_template(&source("Hi", html, ""), &json!({})).unwrap();
    assert_eq!(rendered.html.as_deref(), Some("you"));
}

#[test]
fn a_subject_of_several_lines_is_refused() {
    for name in ["Ada\r\nBcc: eve@example.com", "Ada\nLovelace", "Ada\rLovelace", "Ada\0"] {
        let refused = render_template(&source("For {{ name }}", "", ""), &json!({"name": name}));
        assert!(refused.unwrap_err().to_string().contains("must be one line"), "{name:?}");
    }
}

#[test]
fn output_without_end_is_stopped() {
    let html = "{% for i in range(100000) %}{{ 'a' * 1000 }}{% endfor %}";
    assert_eq!(html_error(html, json!({})), "HTML body becomes larger than 2 MiB with these values");
}

#[test]
fn a_loop_without_end_is_stopped() {
    let loops = "{% for i in [1,2,3,4,5,6,7,8,9,0] %}".repeat(12) + &"{% endfor %}".repeat(12);
    let calls = "{% macro a(n) %}{% if a(n) %}{% endif %}{% if a(n) %}{% endif %}{% endmacro %}{{ a(1) }}";
    for html in [loops.as_str(), calls] {
        let message = html_error(html, json!({}));
        assert!(message.contains("too many steps") || message.contains("recursion"), "{message}");
    }
}

#[test]
fn braces_that_are_not_closed_are_named_themselves() {
    for (html, words) in [
        ("<p>{{ oops</p>", "HTML body, line 1: “{{” is not closed with “}}”"),
        ("<p>\n{{ name }}\n{{ oops\n</p>{{ name }}", "HTML body, line 3: “{{” is not closed with “}}”"),
        ("{# {{ #}\n{% if name\n{{ name }}{% endif %}", "HTML body, line 2: “{%” is not closed with “%}”"),
    ] {
        let message = check_template(&source("Hi", html, "")).unwrap_err().to_string();
        assert_eq!(message, words);
        assert_eq!(render_template(&source("Hi", html, ""), &json!({})).unwrap_err().to_string(), message);
    }
    assert!(check_template(&source("Hi", "{{\n  name\n}} {% if name %}a{% endif %} { {", "")).is_ok());
}

#[test]
fn a_syntax_error_names_its_line() {
    let broken = source("Hi", "<p>\n{% if name %}\n{{ name }\n</p>", "");
    let message = check_template(&broken).unwrap_err().to_string();
    assert!(message.starts_with("HTML body, line 3: "), "{message}");
    assert_eq!(render_template(&broken, &json!({})).unwrap_err().to_string(), message);
    let unknown = check_template(&source("Hi", "", "a\n{{ name|shout }}"));
    let message = unknown.err().map(|error| error.to_string());
    let rendered = render_template(&source("Hi", "", "a\n{{ name|shout }}"), &json!({"name": 1}));
    let rendered = rendered.unwrap_err().to_string();
    assert!(rendered.starts_with("Text body, line 2: "), "{rendered}");
    assert!(message.is_none_or(|message| message == rendered));
}

#[test]
fn a_template_needs_a_subject_and_a_body() {
    assert!(check_template(&source("Hi", "<p>", "")).is_ok());
    assert!(check_template(&source(" ", "<p>", "")).unwrap_err().to_string().contains("subject"));
    assert!(check_template(&source("Hi", "", "")).unwrap_err().to_string().contains("HTML body or a text body"));
}

#[test]
fn templates_reach_neither_each_other_nor_files() {
    for html in ["{% include 'text' %}", "{% include '/etc/passwd' %}", "{% extends 'text' %}"] {
        assert!(render_template(&source("Hi", html, "secret"), &json!({})).is_err(), "{html}");
    }
}

#[test]
fn variables_must_be_an_object() {
    let refused = render_template(&source("Hi", "", ""), &json!([1])).unwrap_err();
    assert!(matches!(refused, AppError::Validation { field: Some(field), .. } if field == "variables"));
}

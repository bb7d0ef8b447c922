//! The helpers, as they are in the program: processes of their own.

use serde_json::json;

use super::*;

#[test]
fn serves_when_it_is_started_as_a_helper() {
    if std::env::var_os("SENDLOG_TEST_RENDERS").is_some() {
        serve_as_helper();
    }
}

fn html(html: &str) -> TemplateSource {
    TemplateSource { subject: "Hi".to_owned(), html: Some(html.to_owned()), text: None }
}

async fn error_of(renderer: &Renderer, source: &str, variables: Value) -> String {
    let rendered = renderer.render_template(&html(source), &variables, Undefined::Refused).await;
    rendered.map_or_else(|error| error.to_string(), |rendered| panic!("{source:.100}: {rendered:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_helper_renders_as_this_process_does() {
    let renderer = Renderer::default();
    let variables = json!({"name": "<Ada>", "items": [{"price": 1.5}, {"price": 20}], "nothing": null});
    for (source, expected) in [
        ("{{ name }}", "&lt;Ada&gt;"),
        ("{{ 'Dear ' ~ name }}", "Dear &lt;Ada&gt;"),
        (
            "{% set sum = namespace(n=0) %}{% for i in items %}{% set sum.n = sum.n + i.price %}{% endfor %}{{ sum.n }}",
            "21.5",
        ),
        ("{{ items|map(attribute='price')|join(', ') }}", "1.5, 20"),
        ("{{ {'a': nothing}|tojson }}", "{\"a\":null}"),
        ("{{ nothing|default('you') }}{% if nothing is none %}!{% endif %}", "you!"),
        ("{% if nothing %}a{% else %}b{% endif %}", "b"),
    ] {
        let rendered = renderer.render_template(&html(source), &variables, Undefined::Refused).await.unwrap();
        assert_eq!(rendered.html.as_deref(), Some(expected), "{source}");
    }
    let message = error_of(&renderer, "{{ 'a' ~ b.c }}", json!({"b": {}})).await;
    assert_eq!(message, "HTML body, line 1: the variable “b.c” has no value");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_null_variable_is_refused_like_a_missing_one() {
    let renderer = Renderer::default();
    let variables = json!({"name": null, "order": {"total": null}, "items": ["a", null]});
    for (source, name) in [
        ("{{ name }}", "name"),
        ("{{ name|upper }}", "name"),
        ("{{ order.total }}", "order.total"),
        ("{{ 'Dear ' ~ name }}", "name"),
        ("{{ [name]|join(', ') }}", "name"),
        ("{% for item in items %}{{ item }}{% endfor %}", "items[1]"),
    ] {
        let message = error_of(&renderer, source, variables.clone()).await;
        assert_eq!(message, format!("HTML body: the variable “{name}” is null"), "{source}");
        let lenient = renderer.render_template(&html(source), &variables, Undefined::IsNothing).await.unwrap();
        assert!(!lenient.html.unwrap().to_lowercase().contains("none"), "{source}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undefined_variable_is_nothing_where_that_is_the_custom() {
    let renderer = Renderer::default();
    for source in
        ["a{{ b }}", "a{{ b.c.d }}", "a{{ b|upper }}", "a{% for i in b %}{{ i }}{% endfor %}", "{{ 'a' ~ b }}"]
    {
        let rendered = renderer.render_template(&html(source), &json!({}), Undefined::IsNothing).await.unwrap();
        assert_eq!(rendered.html.as_deref(), Some("a"), "{source}");
    }
}

/// Each of these took all memory, all time or the stack of the process that rendered it.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_template_says_the_process_lives() {
    let renderer = Arc::new(Renderer::default());
    let doubled = |first: &str, step: &str, last: &str| {
        format!("{{% set a = {first} %}}{}{last}", format!("{{% set a = {step} %}}").repeat(40))
    };
    let attacks = [
        doubled("'x'", "a ~ a", ""),
        doubled("[1]", "[a, a]", "{{ a|string|length }}"),
        doubled("[1]", "[a, a]", "{{ a|tojson|length }}"),
        doubled("[1]", "[a, a]", "{{ a|pprint|length }}"),
        doubled("[1]", "[a, a]", "{{ a == [] ~ a }}"),
        doubled("[1]", "a + a", "{{ a|list|length }}"),
        doubled("'aa'", "a|replace('a', 'aaaaaaaaaaaa')", ""),
        doubled("'a\nb'", "a|indent(10000, true)", ""),
        doubled("{'k': 1}", "{'k': a, 'l': a}", "{{ a|tojson|length }}"),
        doubled("'<'", "a|e|string|e ~ a", ""),
        doubled("' '", "a|urlencode", ""),
        doubled("'x'", "[a, a]|join", ""),
        doubled("'x'", "'%s%s'|format(a, a)", ""),
        doubled("'x'", "a|upper ~ a|lower", ""),
        "{{ ([1,2,3] * 1000000000)|list|length }}".to_owned(),
        "{{ ('a' * 2000000000)|length }}".to_owned(),
        "{{ '%2000000000s'|format('a')|length }}".to_owned(),
        "{{ range(100000)|list|batch(1, 'x')|list|tojson|length }}{% set a = range(100000)|list %}{{ (a * 1000)|string|length }}"
            .to_owned(),
        "{% macro a(x) %}{{ a(x ~ x) }}{% endmacro %}{{ a('xxxxxxxx') }}".to_owned(),
        "{% set ns = namespace(a='x') %}{% for i in range(60) %}{% set ns.a = ns.a ~ ns.a %}{% endfor %}".to_owned(),
        "{% set ns = namespace(a=[1]) %}{% for i in range(90000) %}{% set ns.a = [ns.a] %}{% endfor %}{{ ns.a|string|length }}"
            .to_owned(),
        "{% set a %}{% for i in range(100000) %}{{ 'a' * 1000 }}{% endfor %}{% endset %}{{ a|length }}".to_owned(),
        "{% filter indent(100000) %}{% for i in range(90000) %}\n{% endfor %}{% endfilter %}".to_owned(),
        "{% for i in range(100000) %}{% for j in range(100000) %}{% if 'a' * 90000 %}{% endif %}{% endfor %}{% endfor %}".to_owned(),
        "{% set a = 'a' * 9000000 %}{% for i in range(100000) %}{% if a|upper %}{% endif %}{% endfor %}".to_owned(),
        format!("{{{{ {}a{} }}}}", "[".repeat(100_000), "]".repeat(100_000)),
        format!("{{{{ {}a }}}}", "(".repeat(100_000)),
        format!("{{{{ {}a }}}}", "not ".repeat(100_000)),
        format!("{{{{ {}1 }}}}", "-".repeat(100_000)),
        format!("{{{{ a{} }}}}", "~a".repeat(200_000)),
        format!("{{{{ a{} }}}}", ".a".repeat(200_000)),
        format!("{{{{ a{} }}}}", "|e".repeat(200_000)),
        format!("{{{{ a{} }}}}", "[0]".repeat(200_000)),
        format!("{}{}", "{% if a %}".repeat(50_000), "{% endif %}".repeat(50_000)),
        format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(100_000)),
        format!("{}{}", "{% for i in [1,2] %}".repeat(60), "{% endfor %}".repeat(60)),
        "{% set a = [1] %}".to_owned() + &"{% set a = [a] %}".repeat(100_000) + "{{ a|string|length }}",
    ];
    for attack in attacks {
        let variables = json!({"a": "x"});
        let rendered = renderer.render_template(&html(&attack), &variables, Undefined::Refused).await;
        if let Err(error) = rendered {
            assert!(matches!(error, AppError::InvalidTemplate { .. }), "{attack:.100}: {error:?}");
            assert!(error.to_string().starts_with("HTML body"), "{attack:.100}: {error}");
        }
        let _ = renderer.check_template(&html(&attack)).await;
        let _ = renderer.used_variables(&html(&attack)).await;
    }
    let rendered = renderer.render_template(&html("{{ 1 + 1 }}"), &json!({}), Undefined::Refused).await.unwrap();
    assert_eq!(rendered.html.as_deref(), Some("2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_are_bounded() {
    let renderer = Renderer::default();
    for variables in [json!({"a": "x".repeat(5 * 1024 * 1024)}), json!({"a": vec![0; 200_000]})] {
        let refused = renderer.render_template(&html("Hi"), &variables, Undefined::Refused).await.unwrap_err();
        assert!(matches!(refused, AppError::Validation { field: Some(field), .. } if field == "variables"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_callers_share_the_helpers() {
    let renderer = Arc::new(Renderer::default());
    let callers: Vec<_> = (0..40)
        .map(|index| {
            let renderer = Arc::clone(&renderer);
            tokio::spawn(async move {
                let source = html("{{ index + 1 }}");
                let rendered = renderer.render_template(&source, &json!({"index": index}), Undefined::Refused).await;
                assert_eq!(rendered.unwrap().html, Some((index + 1).to_string()));
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    assert!(renderer.idle.lock().unwrap().len() <= TURNS);
}

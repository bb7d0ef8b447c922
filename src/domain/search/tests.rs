use super::*;
use crate::domain::status::EmailStatus;

fn shown(text: &str) -> String {
    Search::parse(text).unwrap().to_string()
}

fn refused(text: &str) -> String {
    match Search::parse(text) {
        Err(AppError::Validation { field, message }) => {
            assert_eq!(field.as_deref(), Some("q"), "{text}");
            message
        }
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn a_search_reads_back_from_its_text() {
    for (typed, canonical) in [
        ("", ""),
        ("  ada   lovelace ", "ada lovelace"),
        ("\"your  receipt\" ada", "\"your receipt\" ada"),
        ("\"ada", "ada"),
        ("\"status:bounced\"", "\"status:bounced\""),
        ("5\" disk", "5\" disk"),
        ("STATUS:Bounced", "status:bounced"),
        ("status:bounced status:failed,bounced", "status:bounced,failed"),
        ("-status:sent status:sent", "-status:sent status:sent"),
        ("ada status:bounced lovelace", "ada lovelace status:bounced"),
        ("template:\"Order receipt\",Welcome", "template:\"Order receipt\",Welcome"),
        ("subject:\"5\"\" disk\"", "subject:\"5\"\" disk\""),
        ("meta.order-id:43645 Meta.ORDER-ID:7", "meta.order-id:43645,7"),
        ("tag:a, b", "b tag:a"),
        ("tag:\"a\"b", "b tag:a"),
        ("id:<4bX@mail.example>", "id:<4bX@mail.example>"),
        ("provider:gmail,finch.example", "provider:gmail,finch.example"),
        ("before:2026-11-20T16:50 after:2026-11-20", "before:2026-11-20T16:50 after:2026-11-20"),
        ("person:\"a,b\"", "person:\"a,b\""),
        ("from:\"//x\"", "from:\"//x\""),
    ] {
        assert_eq!(shown(typed), canonical, "{typed}");
        assert_eq!(Search::parse(&shown(typed)), Search::parse(typed), "{typed}");
    }
}

#[test]
fn every_example_is_right() {
    for qualifier in Qualifier::ALL {
        let search = Search::parse(qualifier.example()).unwrap();
        assert_eq!((search.terms.len(), search.conditions.len()), (0, 1), "{qualifier:?}");
        assert_eq!(search.conditions[0].qualifier, qualifier);
        assert_eq!(search.to_string(), qualifier.example());
        let denied = Search::parse(&format!("-{}", qualifier.example()));
        assert_eq!(denied.is_err(), qualifier.why_not_denied().is_some(), "{qualifier:?}");
    }
}

#[test]
fn text_with_a_colon_is_text() {
    for text in
        ["10:30", "https://finch.example/a?b=c", "Re: hello", "re:", "-", "-x", ":x", "a.b:c", "#1:2", "über:x", "2x:y"]
    {
        let search = Search::parse(text).unwrap();
        assert!(search.conditions.is_empty(), "{text}");
        assert_eq!(search.to_string(), text, "{text}");
    }
}

#[test]
fn blanks_between_a_qualifier_and_its_value_do_not_count() {
    for (typed, canonical) in [
        ("to: Weiß", "to:Weiß"),
        ("STATUS:  bounced,failed ada", "ada status:bounced,failed"),
        ("-status: bounced", "-status:bounced"),
        ("meta.customer: cus_1", "meta.customer:cus_1"),
        ("from: \"Finch receipts\" ada", "ada from:\"Finch receipts\""),
        ("subject: Re: hello", "hello subject:Re:"),
        // Nothing, or another qualifier, is no value.
        ("to:", "to:"),
        ("to:  ", "to:"),
        ("to: status:bounced", "to: status:bounced"),
        ("to: to:", "\"to:\" to:"),
        ("to: -status:bounced ada", "\"to:\" ada -status:bounced"),
        ("\"to:\" ada", "\"to:\" ada"),
    ] {
        assert_eq!(shown(typed), canonical, "{typed}");
        assert_eq!(Search::parse(canonical), Search::parse(typed), "{typed}");
    }
    assert!(refused("status: lost").contains("spam or problems"));
    assert!(refused("meta: cus_1").contains("meta.order:43645"));
}

#[test]
fn an_unknown_qualifier_is_named_with_what_there_is() {
    for text in ["foo:bar", "-Foo:bar", "ada foo:\"a b\"", "Re:hello", "mailto:ada@example.com"] {
        let message = refused(text);
        assert!(
            message.contains("status:") && message.contains("meta.NAME:") && message.contains("quotes"),
            "{message}"
        );
    }
    assert!(refused("foo:bar").contains("“foo:”"));
}

#[test]
fn an_unknown_qualifier_names_the_one_that_is_a_letter_away() {
    for (typed, meant) in [("staus:x", "status"), ("sttaus:x", "status"), ("tags:x", "tag"), ("subjekt:x", "subject")] {
        assert!(refused(typed).contains(&format!("Did you mean {meant}:?")), "{}", refused(typed));
    }
    for typed in ["foo:bar", "mailto:x", "stats:x"] {
        let is_near = typed == "stats:x";
        assert_eq!(refused(typed).contains("Did you mean"), is_near, "{}", refused(typed));
    }
}

#[test]
fn a_wrong_value_says_what_is_right() {
    for (text, right) in [
        ("status:lost", "spam or problems"),
        ("status:\"\"", "status:problems"),
        ("-channel:fax", "push or in_app"),
        ("is:new", "resent or scheduled"),
        ("has:link", "attachment"),
        ("provider:nobody", "Gmail"),
        ("meta:x", "meta.order:43645"),
        ("-before:2026-11-20", "after:"),
        ("after:2026-11-20,2026-11-21", "once"),
        ("tag:\"\"", "tag:receipt"),
    ] {
        assert!(refused(text).contains(right), "{text}: {}", refused(text));
    }
    refused(&"x".repeat(MAX_CHARS + 1));
    refused("a\0b");
}

#[test]
fn words_of_an_old_link_are_words() {
    let search = Search::of_words(" foo:bar \"ada lovelace ");
    assert_eq!(search.terms, ["foo:bar", "ada", "lovelace"]);
    assert_eq!(search.to_string(), "\"foo:bar\" ada lovelace");
    assert_eq!(Search::parse(&search.to_string()), Ok(search));
}

#[test]
fn the_free_text_is_what_the_qualifiers_leave() {
    let search = Search::parse("tag:a \"ada lovelace\" \"foo:bar\" x -is:resent").unwrap();
    assert_eq!(search.free_text().as_deref(), Some("\"ada lovelace\" foo:bar x"));
    assert_eq!(search.words().to_string(), "\"ada lovelace\" \"foo:bar\" x");
    assert_eq!(search.qualifiers().to_string(), "tag:a -is:resent");
    assert_eq!(Search::parse("tag:a").unwrap().free_text(), None);
}

#[test]
fn one_word_alone_can_be_an_id() {
    assert_eq!(Search::parse(" eml_06xq3k9v2m4p8 ").unwrap().only_word(), Some("eml_06xq3k9v2m4p8"));
    assert_eq!(Search::parse("\"<4bX@mail.example>\"").unwrap().only_word(), Some("<4bX@mail.example>"));
    for text in ["", "a b", "\"a b\"", "a tag:b"] {
        assert_eq!(Search::parse(text).unwrap().only_word(), None, "{text}");
    }
}

#[test]
fn problems_are_bounced_failed_and_spam() {
    let names =
        |values: &[&str]| statuses_of(values.iter().copied()).iter().map(EmailStatus::as_str).collect::<Vec<_>>();
    assert_eq!(names(&[PROBLEMS]), ["bounced", "failed", "spam"]);
    assert_eq!(names(&["sent", "spam"]), ["sent", "spam"]);
}

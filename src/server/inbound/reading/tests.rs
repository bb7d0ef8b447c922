use serde_json::{Value, json};

use super::*;

fn text(value: Value) -> Text {
    serde_json::from_value(value).unwrap()
}

fn micros(value: Value) -> Option<i64> {
    event_time(&text(value)).ok().map(|at| at.timestamp_micros())
}

#[test]
fn a_text_may_be_a_number_and_what_is_no_text_is_missing() {
    assert_eq!(text(json!(" wren ")).get(), Some("wren"));
    assert_eq!(text(json!(18446744073709551615u64)).get(), Some("18446744073709551615"));
    assert_eq!(text(json!(-4)).get(), Some("-4"));
    assert_eq!(text(json!(true)).get(), Some("true"));
    for nothing in [json!(null), json!(""), json!("  "), json!([1, [2]]), json!({"a": {"b": 1}})] {
        assert_eq!(text(nothing).get(), None);
    }
}

#[test]
fn a_flag_may_be_a_text_or_a_number() {
    for (value, flag) in [
        (json!(true), Some(true)),
        (json!("True"), Some(true)),
        (json!(1), Some(true)),
        (json!("0"), Some(false)),
        (json!(false), Some(false)),
        (json!(null), None),
        (json!("perhaps"), None),
    ] {
        assert_eq!(serde_json::from_value::<Flag>(value).unwrap().0, flag);
    }
}

#[test]
fn times_are_exact_to_the_microsecond() {
    assert_eq!(micros(json!(1772366399)), Some(1_772_366_399_000_000));
    assert_eq!(micros(json!("1772366399")), Some(1_772_366_399_000_000));
    assert_eq!(micros(json!(1772366399.153125)), Some(1_772_366_399_153_125));
    assert_eq!(micros(json!("1772366399.000001")), Some(1_772_366_399_000_001));
    assert_eq!(micros(json!(1772366399286u64)), Some(1_772_366_399_286_000));
    assert_eq!(micros(json!("2026-03-01T06:59:59.1234567-05:00")), Some(1_772_366_399_123_456));
    assert_eq!(micros(json!("2026-03-01T11:59:59.000+00:00")), Some(1_772_366_399_000_000));
}

#[test]
fn what_is_no_time_is_an_error() {
    for value in [
        json!(null),
        json!("yesterday"),
        json!(-5),
        json!("1772366399."),
        json!(".5"),
        json!("2026-03-01 11:59:59"),
        json!(u64::MAX),
        json!(1e300),
        json!("99999999999999999999999"),
        json!("9223372036854775807"),
        json!("2026-13-01T00:00:00Z"),
        json!("+1772366399"),
    ] {
        assert_eq!(micros(value.clone()), None, "{value}");
    }
}

#[test]
fn a_missing_time_is_told_apart_from_one_that_is_none() {
    assert_eq!(event_time(&text(json!(" "))), Err("The event has no time".to_owned()));
    assert_eq!(event_time(&text(json!("noon"))), Err("The event's time is not a time".to_owned()));
    assert_eq!(event_time_by(&text(json!("noon")), |_| time("7")), Ok(time("7").unwrap()));
}

#[test]
fn texts_may_be_a_list_or_one_alone() {
    let texts = |value: Value| serde_json::from_value::<Texts>(value).unwrap();
    assert_eq!(texts(json!([" a", null, {}, 7, ["b"]])).as_slice(), ["a", "7"]);
    assert_eq!(texts(json!("a")).first(), Some("a"));
    for nothing in [json!(null), json!(""), json!([]), json!({"a": "b"})] {
        assert_eq!(texts(nothing).first(), None);
    }
}

#[test]
fn an_object_of_another_shape_is_an_empty_one_and_so_is_an_element_of_a_list() {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Outer {
        #[serde(deserialize_with = "lenient")]
        one: Metadata,
        #[serde(deserialize_with = "lenient_list")]
        several: Vec<Metadata>,
    }
    let read = |value: Value| serde_json::from_value::<Outer>(value).unwrap();
    let full = read(
        json!({"one": {"sendlog_id": "eml_0000000000013"}, "several": [{"sendlog_id": "eml_0000000000013"}, null, 7]}),
    );
    assert_eq!(full.one.email_id(), Some(EmailId(35)));
    assert_eq!(full.several.iter().map(Metadata::email_id).collect::<Vec<_>>(), [Some(EmailId(35)), None, None]);
    for odd in [json!({}), json!({"one": null, "several": null}), json!({"one": [1], "several": {"a": 1}})] {
        let odd = read(odd);
        assert!(odd.one.email_id().is_none() && odd.several.is_empty());
    }
}

#[test]
fn a_body_of_the_wrong_shape_is_unreadable() {
    assert_eq!(array(b" \n").unwrap_err(), unreadable("The body is empty"));
    assert!(matches!(array(b"{}"), Err(Refusal::Unreadable(_))));
    assert!(matches!(array(b"[{}"), Err(Refusal::Unreadable(_))));
    assert!(matches!(array(b"[{}] []"), Err(Refusal::Unreadable(_))));
    assert!(matches!(array(b"[\"\xff\"]"), Err(Refusal::Unreadable(_))));
    assert!(matches!(array_or_object(b"7"), Err(Refusal::Unreadable(_))));
    assert!(matches!(array_or_object(b"{\"a\":"), Err(Refusal::Unreadable(_))));
    for body in ["", " ", "null", "[]", "[\"a\"]", "\"a\"", "{", "{\"a\":1}x"] {
        assert!(matches!(object::<Value>(body.as_bytes()), Err(Refusal::Unreadable(_))), "{body}");
    }
    assert!(object::<Value>(b" {} ").is_ok());
    assert_eq!(array(b"[]").unwrap().len(), 0);
    assert_eq!(array_or_object(b" {\"a\": 1}").unwrap().len(), 1);
}

#[test]
fn a_batch_has_a_bound() {
    let full = format!("[{}]", vec!["0"; MAX_EVENTS].join(","));
    assert_eq!(array(full.as_bytes()).unwrap().len(), MAX_EVENTS);
    let more = format!("[{}]", vec!["0"; MAX_EVENTS + 1].join(","));
    assert_eq!(array(more.as_bytes()).unwrap_err(), unreadable("The body has more than 10,000 events"));
}

#[test]
fn deep_nesting_is_refused_and_does_not_crash() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let events = array(deep.as_bytes());
    assert!(events.is_err() || events.unwrap().iter().all(|raw| event::<Value>(raw).is_err()));
}

#[test]
fn derived_ids_tell_parts_apart_and_fit() {
    assert_ne!(derived_id("finch", &["ab", "c"]), derived_id("finch", &["a", "bc"]));
    assert_ne!(derived_id("finch", &["a", ""]), derived_id("finch", &["a"]));
    assert_eq!(derived_id("finch", &["a"]).len(), "finch:".len() + 32);
}

#[test]
fn an_id_is_readable_where_it_is_short_and_its_borders_are_clear() {
    assert_eq!(event_id("finch", &["7"]), "finch:7");
    assert_eq!(event_id("finch", &["SM1", "sent"]), "finch:SM1:sent");
    assert_eq!(event_id("finch", &["a", "b:c"]), "finch:a:b:c");
    assert_ne!(event_id("finch", &["a:b", "c"]), event_id("finch", &["a", "b:c"]));
    let longest = "x".repeat(200 - "finch:".len());
    assert_eq!(event_id("finch", &[&longest]), format!("finch:{longest}"));
    let (long, longer) = ("x".repeat(300), "x".repeat(301));
    assert_ne!(event_id("finch", &[&long]), event_id("finch", &[&longer]));
    assert_eq!(event_id("finch", &[&long, "c"]), derived_id("finch", &[&long, "c"]));
    assert!(!event_id("finch", &["a\u{0}b"]).contains('\u{0}'));
}

#[test]
fn a_providers_message_id_loses_its_brackets_and_is_bounded() {
    assert_eq!(provider_message_id(Some(" <a@finch.example> ")).as_deref(), Some("a@finch.example"));
    assert_eq!(provider_message_id(Some("<>")), None);
    assert_eq!(provider_message_id(Some(&"x".repeat(501))), None);
    assert_eq!(provider_message_id(None), None);
}

#[test]
fn an_address_is_read_out_of_its_brackets() {
    assert_eq!(address("Ada <Finch> <ada@finch.example>"), "ada@finch.example");
    assert_eq!(address(" ada@finch.example "), "ada@finch.example");
    assert_eq!(address("Ada <ada@finch.example"), "ada@finch.example");
    assert_eq!(address("<"), "<");
}

#[test]
fn the_own_id_is_read_from_the_query_only() {
    assert_eq!(email_id_in("https://log.finch.example/h/t?a=1&sendlog_id=eml_0000000000013#x"), Some(EmailId(35)));
    assert_eq!(email_id_in("https://log.finch.example/h/sendlog_id=eml_0000000000013"), None);
    assert_eq!(email_id_in("https://log.finch.example/h?sendlog_id=nonsense"), None);
}

#[test]
fn a_place_is_made_of_what_is_known() {
    let (city, region, country) = (text(json!("Brisbane")), text(json!("Unknown")), text(json!("AU")));
    assert_eq!(place([&city, &region, &country]).as_deref(), Some("Brisbane, AU"));
    assert_eq!(place([&region, &region, &region]), None);
}

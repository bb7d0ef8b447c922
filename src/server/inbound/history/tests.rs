//! Rules that every source keeps.

use super::*;

fn cursor(from: i64, until: i64, end: i64) -> Cursor {
    let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
    Cursor { until: at(until), ..Cursor::new(at(from), at(end)) }
}

#[test]
fn parts_of_the_time_follow_each_other_without_a_gap() {
    let whole = Cursor::new(DateTime::UNIX_EPOCH, DateTime::from_timestamp(1_000, 0).unwrap());
    let half = whole.narrowed().unwrap();
    assert_eq!(half, cursor(0, 500, 1_000));
    assert_eq!(half.narrowed(), Some(cursor(0, 250, 1_000)));
    assert_eq!(cursor(0, 250, 1_000).following(), Some(cursor(250, 750, 1_000)));
    assert_eq!(cursor(250, 750, 1_000).following(), Some(cursor(750, 1_000, 1_000)));
    assert_eq!(cursor(750, 1_000, 1_000).following(), None);
    assert_eq!(cursor(7, 8, 1_000).narrowed(), None, "a second");
}

#[test]
fn what_is_no_record_of_a_source_is_told_and_harms_nothing() {
    for of in ImportSource::ALL {
        let source = source(of);
        for odd in ["{}", "[]", "null", "\"text\"", "{\"id\":{},\"events\":7,\"created\":[],\"to\":{\"a\":1}}"] {
            let odd: Value = serde_json::from_str(odd).unwrap();
            let told = (source.reports)(&odd);
            assert!(told.iter().all(Result::is_err), "{of:?} makes an event of {odd}: {told:?}");
            if let Ok(page) = (source.page)(odd.clone(), &cursor(0, 500, 1_000)) {
                assert!(page.records.is_empty() || odd.is_array(), "{of:?} {odd}");
            }
        }
    }
}

#[test]
fn a_key_is_no_part_of_what_is_shown_of_a_request() {
    for of in ImportSource::ALL {
        let account = Account { base: "https://api.example", name: "finch.example", key: "the-secret-key" };
        let ask = (source(of).list)(&account, &cursor(0, 500, 1_000)).unwrap();
        assert!(ask.url.starts_with("https://api.example/"), "{of:?} {}", ask.url);
        assert!(!ask.headers.is_empty(), "{of:?}");
        let shown = format!("{ask:?}");
        assert!(!shown.contains("the-secret-key") && !shown.contains("dGhlLXNlY3JldC1rZXk"), "{of:?} {shown}");
    }
}

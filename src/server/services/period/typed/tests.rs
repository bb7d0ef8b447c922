use super::*;

/// What a text means to somebody in Berlin on Friday 20 November 2026 at 15:00, by their clock.
fn meant(text: &str) -> Option<String> {
    let zone = Tz::Europe__Berlin;
    let range = read(text, zone, "2026-11-20T14:00:00Z".parse().unwrap()).ok()?;
    let shown = |time: Option<DateTime<Utc>>| {
        time.map_or_else(String::new, |time| time.with_timezone(&zone).format("%m-%d %H:%M").to_string())
    };
    Some(format!("{} / {}", shown(range.from), shown(range.to)))
}

#[test]
fn what_people_type_is_understood() {
    for (text, expected) in [
        ("16:40-16:50 yesterday", "11-19 16:40 / 11-19 16:50"),
        ("yesterday 16:40 – 16:50", "11-19 16:40 / 11-19 16:50"),
        ("Yesterday", "11-19 00:00 / 11-20 00:00"),
        ("14:00-14:30", "11-20 14:00 / 11-20 14:30"),
        ("16:40-16:50", "11-19 16:40 / 11-19 16:50"),
        ("9-10 monday", "11-16 09:00 / 11-16 10:00"),
        ("fri", "11-20 00:00 / 11-21 00:00"),
        ("4pm to 5:30 pm on 18 Nov", "11-18 16:00 / 11-18 17:30"),
        ("20-22 nov", "11-20 00:00 / 11-23 00:00"),
        ("18 Nov - today", "11-18 00:00 / 11-21 00:00"),
        ("Nov 18, 22:00 - 2:00", "11-18 22:00 / 11-19 02:00"),
        ("2026-11-18 16:00 - 2026-11-19 08:15", "11-18 16:00 / 11-19 08:15"),
        ("2026-11-18T16:00-17:00", "11-18 16:00 / 11-18 17:00"),
        ("20:00-24:00 yesterday", "11-19 20:00 / 11-20 00:00"),
        ("22 nov", "11-22 00:00 / 11-23 00:00"),
        ("1 Nov 2026", "11-01 00:00 / 11-02 00:00"),
        ("yesterday 16", "11-19 16:00 / 11-19 17:00"),
        ("12:30", "11-20 12:30 / 11-20 13:30"),
        ("since monday 9:00", "11-16 09:00 / "),
        ("before 18 nov", " / 11-18 00:00"),
        ("last hour", "11-20 14:00 / "),
        ("last 3 hours", "11-20 12:00 / "),
        ("90m", "11-20 13:30 / "),
        ("all time", " / "),
    ] {
        assert_eq!(meant(text).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn days_are_written_in_every_way_that_means_one() {
    for text in [
        "18 Nov",
        "18 nov.",
        "18. November",
        "Nov 18",
        "November 18, 2026",
        "18 Nov 2026",
        "18 November 2026",
        "18.11.",
        "18.11.26",
        "18.11.2026",
        "18/11",
        "18/11/2026",
        "11/18/2026",
        "2026-11-18",
    ] {
        assert_eq!(meant(text).as_deref(), Some("11-18 00:00 / 11-19 00:00"), "{text}");
        let part = format!("{text} 9:10-9:20");
        assert_eq!(meant(&part).as_deref(), Some("11-18 09:10 / 11-18 09:20"), "{part}");
        let part = format!("9.10 - 9.20 {text}");
        assert_eq!(meant(&part).as_deref(), Some("11-18 09:10 / 11-18 09:20"), "{part}");
    }
    for (text, expected) in [
        ("11/11/2026", "11-11 00:00 / 11-12 00:00"),
        ("28.10", "10-28 00:00 / 10-29 00:00"),
        ("3 Sept", "09-03 00:00 / 09-04 00:00"),
        ("18.-20.11.", "11-18 00:00 / 11-21 00:00"),
        ("18.11.-20.11.2026", "11-18 00:00 / 11-21 00:00"),
        ("28.10-30.10", "10-28 00:00 / 10-31 00:00"),
        ("9.10-30.10", "10-09 00:00 / 10-31 00:00"),
        ("18.11. 9 - 19.11.", "11-18 09:00 / 11-20 00:00"),
        ("since 18.11.", "11-18 00:00 / "),
        ("before 18/11/2026", " / 11-18 00:00"),
    ] {
        assert_eq!(meant(text).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn a_time_has_a_dot_in_a_range_or_beside_a_day() {
    for (text, expected) in [
        ("9.10-9.20", "11-20 09:10 / 11-20 09:20"),
        ("16.40 - 16:50", "11-19 16:40 / 11-19 16:50"),
        ("9.10-9.20 yesterday", "11-19 09:10 / 11-19 09:20"),
        ("yesterday 9.10", "11-19 09:10 / 11-19 10:10"),
        ("28.10. 9.10-9.20", "10-28 09:10 / 10-28 09:20"),
        ("28.10 9.10-9.20", "10-28 09:10 / 10-28 09:20"),
        ("18.11 9:10-9:20", "11-18 09:10 / 11-18 09:20"),
        ("18.11. 22.00-24.00", "11-18 22:00 / 11-19 00:00"),
        ("4.30pm - 5.30 pm", "11-19 16:30 / 11-19 17:30"),
        ("10 minutes yesterday from 9.10", "11-19 09:10 / 11-19 09:20"),
        ("2 hours from 9:10 on 18 Nov", "11-18 09:10 / 11-18 11:10"),
    ] {
        assert_eq!(meant(text).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn what_can_be_two_things_is_refused_with_how_to_write_either() {
    for (text, words) in [
        ("11/12/2026", "can be 11 December or 12 November: write “11 Dec 2026” or “12 Nov 2026”"),
        ("9:10-9:20 1/2", "can be 1 February or 2 January: write “1 Feb” or “2 Jan”"),
        ("9.10", "can be a day or a time: write “9.10.” for the day, “9:10” for the time"),
        ("9.10-10.10", "can be a day or a time: write “9.10.” for the day, “9:10” for the time"),
        ("9.30", "stands alone: write “9:30” for the time"),
    ] {
        match read(text, Tz::UTC, "2026-11-20T14:00:00Z".parse().unwrap()) {
            Err(AppError::Validation { message, .. }) => assert!(message.contains(words), "{text}: {message}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn a_day_without_a_year_is_the_last_one() {
    let from = |text: &str| read(text, Tz::UTC, "2026-11-20T14:00:00Z".parse().unwrap()).unwrap().from;
    for (text, day) in [
        ("22 nov", "2025-11-22T00:00:00Z"),
        ("22.11.", "2025-11-22T00:00:00Z"),
        ("20/11", "2026-11-20T00:00:00Z"),
        ("Dec 31", "2025-12-31T00:00:00Z"),
        ("29 Feb", "2024-02-29T00:00:00Z"),
    ] {
        assert_eq!(from(text), day.parse().ok(), "{text}");
    }
}

#[test]
fn what_is_not_a_period_is_refused_and_never_panics() {
    for text in [
        "soon",
        "-",
        "16:40-",
        "25:00",
        "99:99-1:00",
        "40 nov",
        "16:40-16:50-17:00",
        "today yesterday",
        "9 10",
        "é:é",
        "2026-13-40",
        "last",
        "last 99999999999 hours",
        "last 0 hours",
        "13 pm",
        "since",
        "18 nov 10:00 - 17 nov 9:00",
        "since 9 - 10",
        "0-0 0",
        "2026-11-1",
        "€",
        "31 Feb",
        "31.2.",
        "31.02.2026",
        "31/2/2026",
        "32.1.",
        "13/13/2026",
        "0/5/2026",
        "28/11/26",
        "28.11.1999",
        "28.11.2026.5",
        "/",
        ".",
        "9..10",
        "25.00-26.00",
        "9.61-9.70 yesterday",
        "28 Nov 25:00",
        "18.11. 19.11.",
        "10 minutes yesterday",
        "10 minutes from",
    ] {
        assert_eq!(meant(text), None, "{text}");
    }
}

//! Numbers as people read them.

use crate::domain::page::Total;

/// A whole number with commas between thousands: `18,204`.
pub fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        text.push('−');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The length of a list: `18,204`, or `10,000+` where counting stopped.
pub fn grouped_total(total: Total) -> String {
    match total {
        Total::Exact(count) => grouped(count),
        Total::AtLeast(count) => format!("{}+", grouped(count)),
    }
}

/// A count with its noun: `1 message`, `18,204 messages`.
pub fn counted(count: i64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(count), if count == 1 { one } else { many })
}

/// `part` of `whole` in per cent, with one decimal, or two below 0.1: `95.5%`, `0.06%`. A dash where there is no whole.
pub fn percentage(part: i64, whole: i64) -> String {
    if whole == 0 {
        return "–".to_owned();
    }
    let value = part as f64 * 100.0 / whole as f64;
    if part == 0 || part == whole {
        format!("{value:.0}%")
    } else if value < 0.1 {
        format!("{:.2}%", value.max(0.01))
    } else {
        format!("{:.1}%", value.clamp(0.1, 99.9))
    }
}

/// A size in bytes: `812 B`, `14.2 KB`, `3.1 MB`, `34.3 GB`.
pub fn byte_size(bytes: i64) -> String {
    let size = bytes as f64;
    match bytes {
        ..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} KB", size / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", size / 1e6),
        _ => format!("{:.1} GB", size / 1e9),
    }
}

/// How long something took: `12 ms`, `1.4 s`, `83 s`.
pub fn duration(milliseconds: i64) -> String {
    let seconds = milliseconds as f64 / 1e3;
    match milliseconds {
        ..1_000 => format!("{milliseconds} ms"),
        1_000..10_000 => format!("{seconds:.1} s"),
        _ => format!("{seconds:.0} s"),
    }
}

/// The smallest of 1, 2, 4, 6, 8, 10, 20, 40 … that is not below `number`: the top of a chart.
pub fn round_up(number: i64) -> i64 {
    let mut scale: i64 = 1;
    loop {
        for step in [1, 2, 4, 6, 8] {
            if step * scale >= number {
                return step * scale;
            }
        }
        scale = scale.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!([0, 999, 1_000, 18_204, 1_234_567].map(grouped), ["0", "999", "1,000", "18,204", "1,234,567"]);
        assert_eq!(grouped(-1_200), "−1,200");
        assert_eq!(grouped_total(Total::AtLeast(10_000)), "10,000+");
        assert_eq!(counted(1, "message", "messages"), "1 message");
    }

    #[test]
    fn a_part_is_never_shown_as_none_or_all() {
        assert_eq!(percentage(17_391, 18_204), "95.5%");
        assert_eq!(percentage(11, 18_204), "0.06%");
        assert_eq!(percentage(1, 1_000_000), "0.01%");
        assert_eq!(percentage(999_999, 1_000_000), "99.9%");
        assert_eq!((percentage(0, 5), percentage(5, 5), percentage(0, 0)), ("0%".into(), "100%".into(), "–".into()));
    }

    #[test]
    fn the_top_of_a_chart_is_round() {
        assert_eq!([0, 1, 3, 7, 11, 240, 999].map(round_up), [1, 1, 4, 8, 20, 400, 1_000]);
    }

    #[test]
    fn durations_have_units() {
        assert_eq!([0, 999, 1_440, 83_000].map(duration), ["0 ms", "999 ms", "1.4 s", "83 s"]);
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!([812, 14_200, 3_100_000, 34_322_300_000].map(byte_size), ["812 B", "14.2 KB", "3.1 MB", "34.3 GB"]);
    }
}

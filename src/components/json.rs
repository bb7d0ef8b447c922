//! JSON as people read it.

/// The text of a JSON value over several lines, two spaces deeper with each level; as it is where it is not JSON. It may
/// end early: what there is of it is laid out. Its order and its numbers stay as they were written.
pub fn indented(text: &str) -> String {
    if !text.trim_start().starts_with(['{', '[']) || is_wrong(text) {
        return text.to_owned();
    }
    let mut laid_out = String::with_capacity(text.len() * 2);
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if in_string {
            laid_out.push(letter);
            match letter {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                '"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match letter {
            '"' => {
                in_string = true;
                laid_out.push(letter);
            }
            '{' | '[' => {
                laid_out.push(letter);
                while letters.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                let closing = if letter == '{' { '}' } else { ']' };
                if let Some(end) = letters.next_if_eq(&closing) {
                    laid_out.push(end);
                } else {
                    depth += 1;
                    break_line(&mut laid_out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                break_line(&mut laid_out, depth);
                laid_out.push(letter);
            }
            ',' => {
                laid_out.push(letter);
                break_line(&mut laid_out, depth);
            }
            ':' => laid_out.push_str(": "),
            letter if letter.is_ascii_whitespace() => {}
            letter => laid_out.push(letter),
        }
    }
    laid_out
}

/// Whether a text cannot be the beginning of a JSON value.
fn is_wrong(text: &str) -> bool {
    let parsed: Result<serde::de::IgnoredAny, _> = serde_json::from_str(text);
    parsed.is_err_and(|cause| !cause.is_eof())
}

fn break_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_laid_out_in_its_own_order() {
        let text = r#"{"b":1.50,"a":[{"c":"x, {y}: \"z\""},{}],"d":[]}"#;
        let expected = "{\n  \"b\": 1.50,\n  \"a\": [\n    {\n      \"c\": \"x, {y}: \\\"z\\\"\"\n    },\n    {}\n  ],\n  \"d\": []\n}";
        assert_eq!(indented(text), expected);
        assert_eq!(indented(expected), expected);
    }

    #[test]
    fn a_value_that_ends_early_is_laid_out_as_far_as_it_goes() {
        assert_eq!(indented(r#"{"a":[1,"tw"#), "{\n  \"a\": [\n    1,\n    \"tw");
    }

    #[test]
    fn other_text_stays_as_it_is() {
        for text in ["[redacted]", "", "hello", "{not json}", "\"a, b\""] {
            assert_eq!(indented(text), text);
        }
    }
}

//! What somebody types into a search: words with blanks between them, and phrases in double quotes. All of them are meant.

/// The words of a text, as they were typed. A quote that begins a word and is never closed is a letter like any other.
pub fn words_of(text: &str) -> Vec<&str> {
    let (mut words, mut rest) = (Vec::new(), text.trim());
    while !rest.is_empty() {
        let (word, after) =
            phrase_of(rest).unwrap_or_else(|| rest.split_once(char::is_whitespace).unwrap_or((rest, "")));
        words.push(word);
        rest = after.trim_start();
    }
    words
}

/// The phrase that the text begins with, and what stands behind it.
fn phrase_of(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('"')?;
    let ends = |(at, _): &(usize, &str)| inner[at + 1..].chars().next().is_none_or(char::is_whitespace);
    let (end, _) = inner.match_indices('"').find(ends)?;
    let phrase = inner[..end].trim();
    (!phrase.is_empty()).then(|| (phrase, &inner[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stand_between_blanks_and_phrases_between_quotes() {
        for (text, words) in [
            ("", vec![]),
            (" \u{a0}\t", vec![]),
            ("ada", vec!["ada"]),
            (" ada  lovelace\n4711 ", vec!["ada", "lovelace", "4711"]),
            ("\"Ada Lovelace\" 4711", vec!["Ada Lovelace", "4711"]),
            ("4711 \" Ada Lovelace \"", vec!["4711", "Ada Lovelace"]),
            ("\"5\"x y\" z", vec!["5\"x y", "z"]),
            ("\"", vec!["\""]),
            ("\"\"", vec!["\"\""]),
            ("said \"hi", vec!["said", "\"hi"]),
            ("a\"b c\"", vec!["a\"b", "c\""]),
        ] {
            assert_eq!(words_of(text), words, "{text}");
        }
    }
}

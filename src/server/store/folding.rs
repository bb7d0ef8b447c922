//! Texts as search compares them. Keys of addresses are compared by [crate::domain::mailbox] and stay as they are kept.

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

/// A text as it is searched for and looked through: composed or not, in any case of letters, without accents and without what
/// cannot be seen; blanks are one, and none at the ends. Source: Unicode, sections 3.13 (caseless matching) and 5.7.
pub(super) fn searchable(text: &str) -> String {
    let folded = if text.is_ascii() { text.to_ascii_lowercase() } else { without_accents(text) };
    let blank = |letter: char| if letter.is_control() { ' ' } else { letter };
    let spaced: String = folded.chars().map(blank).collect();
    let mut single = String::with_capacity(spaced.len());
    for part in spaced.split_whitespace() {
        if !single.is_empty() {
            single.push(' ');
        }
        single.push_str(part);
    }
    single
}

fn without_accents(text: &str) -> String {
    let letters = text.nfkd().default_case_fold().nfkd().filter(|letter| !is_passed_over(*letter));
    let mut bare = String::with_capacity(text.len());
    for letter in letters {
        match without_stroke(letter) {
            Some(plain) => bare.push_str(plain),
            None => bare.push(letter),
        }
    }
    // Syllables of Hangul and voiced kana are one letter each again.
    bare.nfc().collect()
}

/// Accents and the points of Hebrew and Arabic, but no mark that makes another letter: the classes 7 to 9 are nukta, voicing
/// and virama. And what is not seen: soft hyphens, joiners, marks of direction, variation selectors.
fn is_passed_over(letter: char) -> bool {
    match canonical_combining_class(letter) {
        1 | 10..=36 | 202..=240 => true,
        _ => matches!(
            letter,
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        ),
    }
}

/// What people type for a letter that Unicode does not take apart.
fn without_stroke(letter: char) -> Option<&'static str> {
    match letter {
        'ø' => Some("o"),
        'ł' => Some("l"),
        'đ' => Some("d"),
        'æ' => Some("ae"),
        'œ' => Some("oe"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_compared_in_any_case_composed_or_not_and_without_accents() {
        for (one, other) in [
            ("CAFÉ", "cafe"),
            ("cafe\u{301}", "café"),
            ("Ibáñez", "IBANEZ"),
            ("straße", "STRASSE"),
            ("ΟΔΌΣ", "οδος"),
            ("οδοσ", "οδός"),
            ("İstanbul", "istanbul"),
            ("Łódź", "lodz"),
            ("SØREN Æble", "soren aeble"),
            ("Ёлка", "елка"),
            ("ﬁle №\u{a0}５", "file no 5"),
            ("한글", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}"),
            ("ｶﾞ", "ガ"),
            ("שָׁלוֹם", "שלום"),
            ("  Ada \t Lovelace\n", "ada lovelace"),
            ("sen\u{ad}d\u{200b}log", "sendlog"),
        ] {
            assert_eq!(searchable(one), searchable(other), "{one} {other}");
            assert_eq!(searchable(&searchable(one)), searchable(one), "{one}");
        }
        for (one, other) in [("ısı", "isi"), ("カ", "ガ"), ("가", "각"), ("कि", "की"), ("a", "b"), ("100 %", "100%")]
        {
            assert_ne!(searchable(one), searchable(other), "{one} {other}");
        }
        assert_eq!((searchable(""), searchable(" \u{301}\u{200b}")), (String::new(), String::new()));
    }

    #[test]
    fn no_folded_text_holds_what_a_database_refuses() {
        assert_eq!(searchable("a\0b\u{85}c"), "a b c");
    }
}

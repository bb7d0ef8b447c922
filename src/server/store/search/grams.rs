//! Texts as the index of search has them: all pieces of three bytes of a folded text, from each byte on, the last two pieces
//! shorter. Before each piece stands the team, so that nobody walks the messages of others. A word is found where its pieces
//! follow each other; a word of one or two bytes is the beginning of a piece.
//!
//! In SQLite a piece is a token of FTS5 and found with its place. In PostgreSQL it is a lexeme, by the function `search_grams`,
//! found without its place: a match is looked through afterwards. Sources: SQLite, FTS5, sections 3.3 and 4.3.2;
//! PostgreSQL, 12.2.2 and 70.4.

use std::fmt::Write;

use crate::domain::ids::TeamId;

/// The bytes of a piece.
const GRAM: usize = 3;

/// A folded text as tokens of SQLite's index.
pub(in crate::server::store) fn tokens_of(team: TeamId, folded: &str) -> String {
    let (team, bytes) = (token_of_team(team), folded.as_bytes());
    let mut tokens = String::with_capacity(bytes.len() * (team.len() + 2 * GRAM));
    for start in 0..bytes.len() {
        if start > 0 {
            tokens.push(' ');
        }
        push_token(&mut tokens, &team, &bytes[start..bytes.len().min(start + GRAM)]);
    }
    tokens
}

/// What SQLite's index is asked for, to find a folded text, which is not empty. For the beginning of a piece it gathers all
/// messages of all pieces that begin so, which is quick where the team has `few`.
pub(in crate::server::store) fn phrase_of(team: TeamId, folded: &str, few: bool) -> String {
    let (team, bytes) = (token_of_team(team), folded.as_bytes());
    let mut phrase = String::from("\"");
    match bytes {
        [_] | [_, _] if few || bytes.len() == 1 => {
            push_token(&mut phrase, &team, bytes);
            phrase.push_str("\" *");
        }
        // The pieces that may be, one by one: along these it walks from the newest on.
        [first, second] => {
            push_token(&mut phrase, &team, bytes);
            for third in (0..=0x7f_u8).chain(0xc2..=0xf4).filter(|byte| !byte.is_ascii_uppercase()) {
                phrase.push_str("\" OR \"");
                push_token(&mut phrase, &team, &[*first, *second, third]);
            }
            phrase = format!("({phrase}\")");
        }
        _ => {
            for (index, gram) in bytes.windows(GRAM).enumerate() {
                if index > 0 {
                    phrase.push(' ');
                }
                push_token(&mut phrase, &team, gram);
            }
            phrase.push('"');
        }
    }
    phrase
}

/// What PostgreSQL's index is asked for, to find what may have all of these folded texts, none of which is empty.
pub(in crate::server::store) fn query_of<'t>(team: TeamId, folded: impl IntoIterator<Item = &'t str>) -> String {
    let mut query = String::new();
    for text in folded {
        let bytes = text.as_bytes();
        for gram in bytes.windows(GRAM.min(bytes.len())) {
            if !query.is_empty() {
                query.push_str(" & ");
            }
            // Writing to a string does not fail.
            let _ = write!(query, "'{:x}.{}'{}", team.0, hex::encode(gram), if gram.len() < GRAM { ":*" } else { "" });
        }
    }
    query
}

/// Always as long, so that it ends where it ends.
fn token_of_team(team: TeamId) -> String {
    format!("{:016x}", team.0)
}

/// FTS5's tokenizer `ascii` takes letters and digits of ASCII, and all that is not of ASCII: every other byte is written as a
/// letter behind it.
fn push_token(tokens: &mut String, team: &str, gram: &[u8]) {
    tokens.push_str(team);
    for byte in gram {
        tokens.push(match byte {
            b'a'..=b'z' | b'0'..=b'9' => char::from(*byte),
            _ => char::from_u32(0x100 + u32::from(*byte)).unwrap_or('\u{fffd}'),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEAM: TeamId = TeamId(0xf5);

    #[test]
    fn a_text_has_a_piece_from_each_byte_on() {
        let tokens = tokens_of(TEAM, "a b4\n");
        let team = "00000000000000f5";
        assert_eq!(
            tokens.split(' ').collect::<Vec<_>>(),
            ["aĠb", "Ġb4", "b4Ċ", "4Ċ", "Ċ"].map(|gram| format!("{team}{gram}"))
        );
        assert_eq!(tokens_of(TEAM, ""), "");
        assert!(!tokens_of(TEAM, "größe 'n' \"中\"").chars().any(|letter| letter.is_ascii_punctuation()));
    }

    #[test]
    fn a_word_is_a_phrase_of_whole_pieces_and_a_short_one_a_beginning() {
        let team = "00000000000000f5";
        assert_eq!(phrase_of(TEAM, "abcd", true), format!("\"{team}abc {team}bcd\""));
        assert_eq!(phrase_of(TEAM, "a", false), format!("\"{team}a\" *"));
        assert_eq!(phrase_of(TEAM, "ab", true), format!("\"{team}ab\" *"));
        let two = phrase_of(TEAM, "ж", false);
        assert!(two.starts_with(&format!("(\"{team}ǐƶ\" OR \"")) && two.ends_with("\")"), "{two}");
        assert_eq!(two.matches(" OR ").count(), 128 - 26 + 51);
    }

    #[test]
    fn postgresql_is_asked_for_all_pieces_in_hexadecimal() {
        assert_eq!(query_of(TEAM, ["abcd", "a", "é"]), "'f5.616263' & 'f5.626364' & 'f5.61':* & 'f5.c3a9':*");
    }
}

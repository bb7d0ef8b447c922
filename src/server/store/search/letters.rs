//! The letters of a team in SQLite's index. FTS5 has one list for each trigram, with the messages of everybody: a small team
//! beside large ones would walk the messages of all for a common word. Each team therefore writes printable ASCII in an
//! alphabet of its own, from the private use areas of Unicode; letters of other scripts stay as they are. Two teams may
//! share an alphabet, so that a query still asks whose a message is.
//! Source: Unicode, section 23.5, for the areas; SQLite, FTS5, "The Trigram Tokenizer".

use crate::domain::ids::TeamId;

/// The end of a line, and U+0020 to U+007E.
const LETTERS: u32 = 96;
/// How many alphabets a private use plane holds: those of U+F0000 to U+FFFFD, and of U+100000 to U+10FFFD.
const IN_A_PLANE: u32 = 0xfffd / LETTERS;
const PLANES: [u32; 2] = [0xf_0000, 0x10_0000];

/// A folded text in a team's letters.
pub(in crate::server::store) fn in_letters_of(team: TeamId, folded: &str) -> String {
    let first = first_letter_of(team);
    let letter = |letter: char| match letter {
        '\n' => char::from_u32(first).unwrap_or(letter),
        ' '..='~' => char::from_u32(first + u32::from(letter) - 0x1f).unwrap_or(letter),
        _ => letter,
    };
    folded.chars().map(letter).collect()
}

fn first_letter_of(team: TeamId) -> u32 {
    // The bits of a time and of a sequence, spread. Source: Knuth, The Art of Computer Programming, 6.4, for the factor.
    let spread = (team.0 as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 33;
    let alphabet = (spread % u64::from(IN_A_PLANE * 2)) as u32;
    PLANES[(alphabet / IN_A_PLANE) as usize] + alphabet % IN_A_PLANE * LETTERS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_letter_is_another_one_of_the_private_areas() {
        for team in (0..5_000).map(|number| TeamId(number << 20)) {
            let text: String = (' '..='~').chain(['\n']).collect();
            let mut letters: Vec<char> = in_letters_of(team, &text).chars().collect();
            assert!(letters.iter().all(|letter| {
                let letter = u32::from(*letter);
                letter >= 0xf_0000 && letter & 0xffff <= 0xfffd
            }));
            letters.sort_unstable();
            letters.dedup();
            assert_eq!(letters.len(), LETTERS as usize);
        }
    }

    #[test]
    fn teams_have_different_alphabets_and_other_scripts_stay() {
        let mut firsts: Vec<u32> = (1..=50).map(|number| first_letter_of(TeamId(number << 20))).collect();
        firsts.sort_unstable();
        firsts.dedup();
        assert!(firsts.len() >= 48, "{firsts:?}");
        assert_eq!(in_letters_of(TeamId(1), "größe").chars().filter(|letter| u32::from(*letter) < 0xf_0000).count(), 2);
    }
}

//! Which lines of a long text changed, as the audit log's page shows a template's source.

/// How many lines around a change are shown.
const CONTEXT: usize = 2;

/// How many pairs of lines are compared, at most; beyond that, all lines between the first and the last change count as
/// changed.
const MAX_PAIRS: usize = 1_000_000;

/// The longest part of a line that is shown, in characters.
const MAX_LINE_CHARS: usize = 400;

/// The most pieces of one change.
const MAX_PIECES: usize = 600;

/// A line of a text that changed, or several that did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Added(String),
    Removed(String),
    /// It stands beside a change.
    Same(String),
    /// So many lines that did not change, or that are too many to be shown.
    Folded(usize),
}

/// What became of a text, line by line, unchanged stretches folded.
pub fn changed_lines(before: &str, after: &str) -> Vec<Piece> {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let start = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let end = old[start..].iter().rev().zip(new[start..].iter().rev()).take_while(|(old, new)| old == new).count();
    let mut all: Vec<Piece> = old[..start].iter().map(|line| Piece::Same(shown(line))).collect();
    all.extend(between(&old[start..old.len() - end], &new[start..new.len() - end]));
    all.extend(old[old.len() - end..].iter().map(|line| Piece::Same(shown(line))));
    folded(all)
}

/// The shortest way from one list of lines to the other, by their longest common part.
fn between(old: &[&str], new: &[&str]) -> Vec<Piece> {
    let removed = |lines: &[&str]| lines.iter().map(|line| Piece::Removed(shown(line))).collect::<Vec<_>>();
    let added = |lines: &[&str]| lines.iter().map(|line| Piece::Added(shown(line))).collect::<Vec<_>>();
    if old.len().saturating_mul(new.len()) > MAX_PAIRS {
        return [removed(old), added(new)].concat();
    }
    // How many lines the rests behind (i, j) share.
    let width = new.len() + 1;
    let mut shared = vec![0_u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            shared[i * width + j] = if old[i] == new[j] {
                shared[(i + 1) * width + j + 1] + 1
            } else {
                shared[(i + 1) * width + j].max(shared[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut pieces) = (0, 0, Vec::new());
    while i < old.len() && j < new.len() {
        if old[i] == new[j] {
            pieces.push(Piece::Same(shown(old[i])));
            (i, j) = (i + 1, j + 1);
        } else if shared[(i + 1) * width + j] >= shared[i * width + j + 1] {
            pieces.push(Piece::Removed(shown(old[i])));
            i += 1;
        } else {
            pieces.push(Piece::Added(shown(new[j])));
            j += 1;
        }
    }
    pieces.extend(removed(&old[i..]));
    pieces.extend(added(&new[j..]));
    pieces
}

/// The pieces without the lines that are far from any change.
fn folded(all: Vec<Piece>) -> Vec<Piece> {
    let is_same = |piece: &Piece| matches!(piece, Piece::Same(_));
    let is_near = |place: usize| {
        let around = &all[place.saturating_sub(CONTEXT)..(place + CONTEXT + 1).min(all.len())];
        around.iter().any(|piece| !is_same(piece))
    };
    let mut pieces: Vec<Piece> = Vec::new();
    for (place, piece) in all.iter().enumerate() {
        let is_shown = pieces.len() < MAX_PIECES && is_near(place);
        match pieces.last_mut() {
            _ if is_shown => pieces.push(piece.clone()),
            Some(Piece::Folded(count)) => *count += 1,
            _ => pieces.push(Piece::Folded(1)),
        }
    }
    pieces
}

fn shown(line: &str) -> String {
    match line.char_indices().nth(MAX_LINE_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces as a patch would have them.
    fn patch(before: &str, after: &str) -> String {
        let line = |piece: Piece| match piece {
            Piece::Added(line) => format!("+{line}"),
            Piece::Removed(line) => format!("-{line}"),
            Piece::Same(line) => format!(" {line}"),
            Piece::Folded(count) => format!("…{count}"),
        };
        changed_lines(before, after).into_iter().map(line).collect::<Vec<_>>().join("|")
    }

    #[test]
    fn changed_lines_stand_between_a_few_that_did_not() {
        assert_eq!(patch("1\n2\n3\n4\n5\n6\n7", "1\n2\n3\n4\nfive\n6\n7"), "…2| 3| 4|-5|+five| 6| 7");
        assert_eq!(patch("a\nb\nc", "a\nc\nd"), " a|-b| c|+d");
        assert_eq!(patch("a", "a\nb"), " a|+b");
        assert_eq!(patch("a\na\nb", "a\nb"), "-a| a| b".replace("-a| a", " a|-a"));
        assert_eq!(patch("same\nsame", "same\nsame"), "…2");
    }

    #[test]
    fn a_text_of_any_size_is_compared_within_bounds() {
        let (old, new) = ("old\n".repeat(3000), "new\n".repeat(3000));
        let pieces = changed_lines(&old, &new);
        assert_eq!(pieces.len(), MAX_PIECES + 1);
        assert_eq!(pieces.last(), Some(&Piece::Folded(6000 - MAX_PIECES)));
        let long = "ü".repeat(10_000);
        assert_eq!(
            changed_lines("a\nb", &format!("a\n{long}"))[2],
            Piece::Added(format!("{}…", "ü".repeat(MAX_LINE_CHARS)))
        );
    }
}

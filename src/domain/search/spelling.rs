//! Words that are nearly others.

/// Whether one letter is another, too many or missing, or two are the wrong way round.
pub(super) fn is_one_edit(one: &[u8], other: &[u8]) -> bool {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    let same = short.iter().zip(long).take_while(|(left, right)| left == right).count();
    match (&short[same..], &long[same..]) {
        (short, [_, rest @ ..]) if short == rest => true,
        ([_, left @ ..], [_, right @ ..]) if left == right => true,
        ([a, b, left @ ..], [c, d, right @ ..]) => (a, b) == (d, c) && left == right,
        _ => false,
    }
}

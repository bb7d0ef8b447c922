//! The content of a message as DATA brings it: where it ends, and which dots are not its own. Called by
//! [super::super::session].
//! Sources: RFC 5321, sections 4.1.1.4 and 4.5.2 (dots), 2.3.8 (only CRLF ends a line). A CR or LF alone is a way to
//! make two servers disagree on where a message ends (CVE-2023-51764 and its siblings), so it is a flaw of the whole
//! message.

/// Finds the end of a message, over any number of pieces.
#[derive(Debug, Default)]
pub struct DotReader {
    place: Place,
    lines: LineCheck,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    LineStart,
    /// Behind a dot that begins a line.
    Dot,
    /// Behind such a dot and a CR.
    DotCr,
    Within,
    BehindCr,
}

impl DotReader {
    /// Reads a piece and hands on what is the message's own. Gives how many bytes it took, and whether the message ends
    /// with them: what follows then are commands.
    pub fn read(&mut self, piece: &[u8], mut keep: impl FnMut(&[u8])) -> (usize, bool) {
        let mut keep = |bytes: &[u8], lines: &mut LineCheck| {
            lines.check(bytes);
            keep(bytes);
        };
        let mut at = 0;
        while let Some((&byte, _)) = piece.get(at..).and_then(<[u8]>::split_first) {
            self.place = match (self.place, byte) {
                (Place::DotCr, b'\n') => return (at + 1, true),
                (Place::LineStart, b'.') => Place::Dot,
                (Place::Dot, b'\r') => Place::DotCr,
                (Place::BehindCr, b'\n') => {
                    keep(b"\r\n", &mut self.lines);
                    Place::LineStart
                }
                // That CR was the message's own, and alone.
                (Place::DotCr | Place::BehindCr, _) => {
                    keep(b"\r", &mut self.lines);
                    self.place = Place::Within;
                    continue;
                }
                (Place::LineStart | Place::Within, b'\r') => Place::BehindCr,
                (Place::LineStart | Place::Dot | Place::Within, _) => {
                    let run = piece.get(at..).unwrap_or_default();
                    let run = run.iter().position(|byte| *byte == b'\r').and_then(|end| run.get(..end)).unwrap_or(run);
                    keep(run, &mut self.lines);
                    at += run.len();
                    self.place = Place::Within;
                    continue;
                }
            };
            at += 1;
        }
        (at, false)
    }

    /// Whether a CR or LF stood alone in what was read.
    pub fn is_flawed(&self) -> bool {
        self.lines.is_flawed
    }
}

/// Looks for a CR or LF that stands alone, over any number of pieces.
#[derive(Debug, Default)]
pub struct LineCheck {
    is_behind_cr: bool,
    is_flawed: bool,
}

impl LineCheck {
    /// Looks through a piece.
    pub fn check(&mut self, piece: &[u8]) {
        if self.is_flawed {
            return;
        }
        for &byte in piece {
            self.is_flawed |= self.is_behind_cr != (byte == b'\n');
            self.is_behind_cr = byte == b'\r';
        }
    }

    /// Whether there was one, when there are no more pieces.
    pub fn ends_flawed(&self) -> bool {
        self.is_flawed || self.is_behind_cr
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a message is, whether it is flawed, and what follows it, in pieces of `size` bytes.
    fn read(sent: &[u8], size: usize) -> Option<(Vec<u8>, bool, Vec<u8>)> {
        let (mut reader, mut message, mut at) = (DotReader::default(), Vec::new(), 0);
        for piece in sent.chunks(size) {
            let (taken, is_end) = reader.read(piece, |bytes| message.extend_from_slice(bytes));
            at += taken;
            if is_end {
                return Some((message, reader.is_flawed(), sent[at..].to_vec()));
            }
            assert_eq!(taken, piece.len());
        }
        None
    }

    #[test]
    fn a_dot_alone_on_its_line_ends_a_message_and_other_first_dots_are_taken_off() {
        for (sent, message, rest) in [
            (&b".\r\n"[..], &b""[..], &b""[..]),
            (b"a\r\n.\r\nQUIT\r\n", b"a\r\n", b"QUIT\r\n"),
            (b"..\r\n.\r\n", b".\r\n", b""),
            (b"...a\r\n.\r\n", b"..a\r\n", b""),
            (b".a\r\n.\r\n", b"a\r\n", b""),
            (b". \r\n.\r\n", b" \r\n", b""),
            (b"a.\r\n.\r\n", b"a.\r\n", b""),
            (b"a\r\n\r\n.\r\n.\r\n", b"a\r\n\r\n", b".\r\n"),
            (b"\xff\0\r\n.\r\n", b"\xff\0\r\n", b""),
        ] {
            for size in 1..=sent.len() {
                let read = read(sent, size).unwrap();
                assert_eq!(read, (message.to_vec(), false, rest.to_vec()), "{sent:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn only_crlf_dot_crlf_ends_a_message_and_a_cr_or_lf_alone_is_a_flaw() {
        for trick in [
            &b"\n.\n"[..],
            b"\n.\r\n",
            b"\r\n.\n",
            b"\r.\r\n",
            b"\r\n.\r",
            b"\r.\r",
            b"\r\n.\r\r\n",
            b"\r\r\n.\n",
            b"\n\r.\r\n",
            b"\r\n\0.\r\n",
        ] {
            let sent = [b"a", trick, b"MAIL FROM:<eve@finch.example>\r\n.\r\n"].concat();
            for size in 1..=sent.len() {
                let (message, is_flawed, rest) = read(&sent, size).unwrap();
                assert!(message.ends_with(b"MAIL FROM:<eve@finch.example>\r\n") && rest.is_empty(), "{trick:?}");
                assert_eq!(is_flawed, !trick.contains(&0), "{trick:?} in pieces of {size}");
            }
        }
        assert_eq!(read(b"a\r\n.", 1), None);
    }

    #[test]
    fn lines_are_checked_over_pieces() {
        for (text, flawed) in [("a\r\nb\r\n", false), ("a\n", true), ("a\rb", true), ("a\r", true), ("", false)] {
            for size in 1..=text.len().max(1) {
                let mut check = LineCheck::default();
                text.as_bytes().chunks(size).for_each(|piece| check.check(piece));
                assert_eq!(check.ends_flawed(), flawed, "{text:?}");
            }
        }
    }
}

//! The documents in `docs/`, as far as their Markdown goes: headings, paragraphs, lists, tables, code, links. Read on the
//! server, shown by the page of help.

use serde::{Deserialize, Serialize};

/// A part of a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Block {
    /// A heading under the document's own.
    Heading(String),
    Paragraph(String),
    List(Vec<String>),
    Code(String),
    /// The first row is the head.
    Table(Vec<Vec<String>>),
}

/// A part of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inline<'a> {
    Text(&'a str),
    Code(&'a str),
    Strong(&'a str),
    Link { words: &'a str, target: &'a str },
}

/// The title of a document and its parts.
pub fn read_document(markdown: &str) -> (String, Vec<Block>) {
    let (mut title, mut blocks) = (String::new(), Vec::new());
    let mut lines = markdown.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            let code: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
            blocks.push(Block::Code(code.join("\n")));
        } else if let Some(code) = line.strip_prefix("    ") {
            let mut text = code.to_owned();
            while let Some(next) = lines.next_if(|next| next.starts_with("    ")) {
                text.push('\n');
                text.push_str(next.trim_start_matches("    "));
            }
            blocks.push(Block::Code(text));
        } else if let Some(words) = line.strip_prefix("# ") {
            words.clone_into(&mut title);
        } else if line.starts_with('#') {
            blocks.push(Block::Heading(line.trim_start_matches('#').trim().to_owned()));
        } else if line.starts_with('|') {
            let mut rows = vec![cells_of(line)];
            while let Some(next) = lines.next_if(|next| next.starts_with('|')) {
                rows.push(cells_of(next));
            }
            rows.retain(|cells| !cells.iter().all(|cell| cell.chars().all(|letter| matches!(letter, '-' | ':'))));
            blocks.push(Block::Table(rows));
        } else if let Some(words) = line.strip_prefix("- ") {
            let item = words.to_owned();
            let item = continued(item, &mut lines);
            match blocks.last_mut() {
                Some(Block::List(items)) => items.push(item),
                _ => blocks.push(Block::List(vec![item])),
            }
        } else if !line.trim().is_empty() {
            let text = continued(line.trim().to_owned(), &mut lines);
            blocks.push(Block::Paragraph(text));
        }
    }
    (title, blocks)
}

/// A text with the lines that go on with it.
fn continued<'a>(mut text: String, lines: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) -> String {
    let begins_another =
        |line: &str| line.trim().is_empty() || ["- ", "#", "|", "```"].iter().any(|mark| line.starts_with(mark));
    while let Some(next) = lines.next_if(|next| !begins_another(next)) {
        text.push(' ');
        text.push_str(next.trim());
    }
    text
}

fn cells_of(row: &str) -> Vec<String> {
    row.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// The parts of a line: code in backquotes, links, and what is strong.
pub fn inlines(text: &str) -> Vec<Inline<'_>> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let begin = rest.find(['`', '[', '*']).unwrap_or(rest.len());
        if begin > 0 {
            parts.push(Inline::Text(&rest[..begin]));
            rest = &rest[begin..];
            continue;
        }
        match special(rest) {
            Some((part, length)) => {
                parts.push(part);
                rest = &rest[length..];
            }
            None => {
                parts.push(Inline::Text(&rest[..1]));
                rest = &rest[1..];
            }
        }
    }
    parts
}

/// What begins with a mark, and its length in bytes.
fn special(text: &str) -> Option<(Inline<'_>, usize)> {
    if let Some(rest) = text.strip_prefix('`') {
        let end = rest.find('`')?;
        return Some((Inline::Code(&rest[..end]), end + 2));
    }
    for (mark, width) in [("**", 2), ("*", 1)] {
        if let Some(rest) = text.strip_prefix(mark) {
            let end = rest.find(mark).filter(|end| *end > 0 && !rest.starts_with(' '))?;
            return Some((Inline::Strong(&rest[..end]), end + 2 * width));
        }
    }
    let rest = text.strip_prefix('[')?;
    let (words, behind) = rest.split_once("](")?;
    let (target, _) = behind.split_once(')')?;
    let is_link = !words.contains(['[', ']']);
    is_link.then(|| (Inline::Link { words, target }, words.len() + target.len() + 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_cut_into_its_parts() {
        let (title, blocks) = read_document(
            "# Finding\n\nOne field\nfinds.\n\n## By id\n- one\n  more\n- two\n\n| a | b |\n|---|---|\n| `x` | y |\n\n    code\n      deep\n\n```sh\nls\n```\n",
        );
        assert_eq!(title, "Finding");
        let text = |text: &str| text.to_owned();
        assert_eq!(
            blocks,
            [
                Block::Paragraph(text("One field finds.")),
                Block::Heading(text("By id")),
                Block::List(vec![text("one more"), text("two")]),
                Block::Table(vec![vec![text("a"), text("b")], vec![text("`x`"), text("y")]]),
                Block::Code(text("code\n  deep")),
                Block::Code(text("ls")),
            ]
        );
    }

    #[test]
    fn a_line_is_cut_into_text_code_and_links() {
        assert_eq!(
            inlines("See [keys](keys.md) or `a*b`, *now*: 2 * 3 [x"),
            [
                Inline::Text("See "),
                Inline::Link { words: "keys", target: "keys.md" },
                Inline::Text(" or "),
                Inline::Code("a*b"),
                Inline::Text(", "),
                Inline::Strong("now"),
                Inline::Text(": 2 "),
                Inline::Text("*"),
                Inline::Text(" 3 "),
                Inline::Text("["),
                Inline::Text("x"),
            ]
        );
    }
}

use super::*;
use crate::domain::ids::{EmailId, TeamId};
use crate::server::secrets::SecretKey;

const BASE: &str = "https://mail.finch.example";

fn signer() -> Signer {
    Signer::new(&SecretKey::generate())
}

fn links(signer: &Signer) -> Links<'_> {
    let copy = MailCopy { team_id: TeamId(1), email_id: EmailId(2), recipient: Some(0) };
    Links { base_url: BASE, signer, copy }
}

/// The rewritten HTML with `{target}` in the place of each link of ours, and `{pixel}` for the pixel.
fn shown(html: &str) -> String {
    let signer = signer();
    let written = links(&signer).rewrite(html, true, true).into_owned();
    let (open, click) = (format!(r#"<img src="{BASE}/t/o/"#), format!("{BASE}/t/c/"));
    let mut shown = String::new();
    let mut rest = written.as_str();
    while let Some(at) = rest.find(BASE) {
        let token_of = |from: usize| {
            let length =
                rest[from..].find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-' && letter != '_');
            &rest[from..length.map_or(rest.len(), |length| from + length)]
        };
        let token = if rest[at..].starts_with(&click) { token_of(at + click.len()) } else { "" };
        if let Some((_, target)) = signer.read(TokenKind::Click, token) {
            shown.push_str(&format!("{}{{{target}}}", &rest[..at]));
            rest = &rest[at + click.len() + token.len()..];
        } else if let Some(begin) = at.checked_sub(10).filter(|begin| rest[*begin..].starts_with(&open)) {
            assert!(signer.read(TokenKind::Open, token_of(begin + open.len())).is_some());
            let end = begin + rest[begin..].find('>').unwrap() + 1;
            shown.push_str(&format!("{}{{pixel}}", &rest[..begin]));
            rest = &rest[end..];
        } else {
            shown.push_str(&rest[..at + BASE.len()]);
            rest = &rest[at + BASE.len()..];
        }
    }
    shown + rest
}

#[test]
fn web_links_are_rewritten_and_nothing_else() {
    for (html, expected) in [
        (
            r#"<a href="https://a.example/x?y=1&amp;z=2">x</a>"#,
            r#"<a href="{https://a.example/x?y=1&z=2}">x</a>{pixel}"#,
        ),
        ("<A CLASS=b HREF='http://a.example' id=c>x</A>", "<A CLASS=b HREF='{http://a.example}' id=c>x</A>{pixel}"),
        ("<a href=https://a.example/b>x", "<a href={https://a.example/b}>x{pixel}"),
        ("<a href = \n 'https://a.example'\n>x", "<a href = \n '{https://a.example}'\n>x{pixel}"),
        (
            "<a\r\n href=\"https://a.example\"\r\n>x\r\n<a href=\"https://b.example\">",
            "<a\r\n href=\"{https://a.example}\"\r\n>x\r\n<a href=\"{https://b.example}\">{pixel}",
        ),
        (
            "<map><area shape=rect href=\"https://a.example\"/></map>",
            "<map><area shape=rect href=\"{https://a.example}\"/></map>{pixel}",
        ),
        ("<a href=\" https://a.example/ü b \">x", "<a href=\"{https://a.example/%C3%BC%20b}\">x{pixel}"),
        (
            "<body>ü<a href=\"https://a.example\">€</a></body></html>",
            "<body>ü<a href=\"{https://a.example}\">€</a>{pixel}</body></html>",
        ),
        ("<BODY>a</BODY ></html>\n", "<BODY>a{pixel}</BODY ></html>\n"),
        ("no mark-up", "no mark-up{pixel}"),
        ("", "{pixel}"),
    ] {
        assert_eq!(shown(html), expected, "{html}");
    }
    for left in [
        "<a href=\"mailto:a@b.example\">x</a>",
        "<a href=\"tel:+49\">x</a>",
        "<a href=\"#top\">x</a>",
        "<a href=\"/path\">x</a>",
        "<a href=\"javascript:alert(1)\">x</a>",
        "<a href=\"ftp://a.example\">x</a>",
        "<a href=\"https://\">x</a>",
        "<a href>x</a>",
        "<a href=\"\">x</a>",
        "<a name=\"https://a.example\">x</a>",
        "<a href=\"https://a.example\" data-sendlog-track=\"off\">x</a>",
        "<a data-sendlog-track=OFF href=https://a.example>x</a>",
        "<link href=\"https://a.example/a.css\"><base href=\"https://a.example/\"><img src=\"https://a.example/a.png\">",
        "<!--[if mso]><a href=\"https://a.example\">x</a><v:roundrect href=\"https://a.example\"><![endif]-->",
        "<style>a[href=\"https://a.example\"]{}</style>",
        "<title><a href=\"https://a.example\"></title>",
        "<script>'<a href=\"https://a.example\">'</script>",
        "<textarea><a href=\"https://a.example\"></textarea>",
        "&lt;a href=\"https://a.example\"&gt; https://a.example",
        "<a href=\"https://mail.finch.example/u/abc\">Unsubscribe</a>",
        "<a href=\"https://mail.finch.example/t/c/abc\">x</a>",
    ] {
        assert_eq!(shown(left), format!("{left}{{pixel}}"));
    }
    assert_eq!(
        shown("<!--[if !mso]><!--><a href=\"https://a.example\">x</a><!--<![endif]-->"),
        "<!--[if !mso]><!--><a href=\"{https://a.example}\">x</a><!--<![endif]-->{pixel}"
    );
    let long = format!("<a href=\"https://a.example/{}\">", "x".repeat(MAX_TARGET_BYTES));
    assert_eq!(shown(&long), format!("{long}{{pixel}}"));
}

#[test]
fn the_first_of_two_addresses_counts_as_in_a_browser() {
    assert_eq!(
        shown("<a href=\"https://a.example\" href=\"https://b.example\">x"),
        "<a href=\"{https://a.example}\" href=\"https://b.example\">x{pixel}"
    );
    assert_eq!(
        shown("<a title='href=\"https://b.example\"' href=https://a.example>"),
        "<a title='href=\"https://b.example\"' href={https://a.example}>{pixel}"
    );
}

#[test]
fn what_is_not_tracked_is_not_touched() {
    let signer = signer();
    let html = "<body><a href=\"https://a.example\">x</a></body>";
    assert_eq!(links(&signer).rewrite(html, false, false), html);
    let opens = links(&signer).rewrite(html, true, false).into_owned();
    assert!(opens.contains("href=\"https://a.example\"") && opens.matches(BASE).count() == 1, "{opens}");
    let clicks = links(&signer).rewrite(html, false, true).into_owned();
    assert!(clicks.contains(&format!("href=\"{BASE}/t/c/")) && !clicks.contains("<img"), "{clicks}");
    let huge = "x".repeat(MAX_HTML_BYTES + 1);
    assert_eq!(links(&signer).rewrite(&huge, true, true), huge);
    let many = "<a href=https://a.example>".repeat(MAX_LINKS + 5);
    let written = links(&signer).rewrite(&many, false, true).into_owned();
    assert_eq!((written.matches("/t/c/").count(), written.matches("href=https://a.example>").count()), (MAX_LINKS, 5));
}

/// Numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }
}

#[test]
fn hostile_html_survives_byte_for_byte_outside_its_links() {
    const PIECES: [&str; 40] = [
        "<a ",
        "<a",
        "<area/",
        "</a>",
        "</body>",
        "<body>",
        ">",
        "/>",
        "<",
        "href",
        "HREF",
        "=",
        " = ",
        "\"",
        "'",
        "https://a.example/?q=1&amp;r=2",
        "http://b.example",
        " ",
        "\n",
        "\r\n",
        "\r",
        "\0",
        "ü",
        "😀",
        "&",
        "&#104;ttps://",
        "&quot;",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "<style>",
        "</style>",
        "<script>",
        "</script>",
        "<title>",
        "data-sendlog-track=off",
        "x",
        "/",
        "<!DOCTYPE html>",
    ];
    let signer = signer();
    let links = links(&signer);
    let mut dice = Dice(7);
    for _ in 0..20_000 {
        let html: String = (0..dice.roll(30)).map(|_| PIECES[dice.roll(PIECES.len())]).collect();
        let found = Found::in_html(&html);
        let written = links.rewrite(&html, false, true).into_owned();
        // Taken back, it is what it was.
        let mut back = written.clone();
        for link in &found.links {
            let url = links.url(TokenKind::Click, &link.target);
            let original = &html[link.place.clone()];
            assert!(back.contains(&url), "{html:?}");
            back = back.replacen(&url, original, 1);
            assert!(
                link.target.starts_with("http") && link.target.bytes().all(|byte| byte.is_ascii_graphic()),
                "{html:?}"
            );
        }
        assert_eq!(back, html);
        // A reader finds as many links in the same places, each of which leads to us.
        let again = Found::in_html(&written);
        assert_eq!(again.links.len(), found.links.len(), "{html:?} {written:?}");
        for (link, before) in again.links.iter().zip(&found.links) {
            let token =
                link.target.strip_prefix(&format!("{BASE}/t/c/")).unwrap_or_else(|| panic!("{html:?} {written:?}"));
            assert_eq!(signer.read(TokenKind::Click, token).unwrap().1, before.target, "{html:?}");
        }
        let with_pixel = links.rewrite(&html, true, true).into_owned();
        assert!(with_pixel.len() > written.len());
    }
}

use super::super::read_message;

/// The text, the HTML, and of each attachment its name, what it is and its content.
type Read = (Option<String>, Option<String>, Vec<(String, String, Vec<u8>)>);

/// Reads a message whose lines end in LF here.
fn read(raw: &str) -> Read {
    let raw = format!("From: ada@finch.example\n{raw}").replace('\n', "\r\n");
    let message = read_message(raw.as_bytes()).unwrap();
    let attached = message.attachments.iter().map(|one| {
        let inline = if one.is_inline { " inline" } else { "" };
        let id = one.content_id.as_deref().map(|id| format!(" <{id}>")).unwrap_or_default();
        let name = one.name.clone().unwrap_or_default();
        (name, format!("{}{inline}{id}", one.content_type), one.content(raw.as_bytes()).into_owned())
    });
    let attached = attached.collect();
    (message.text, message.html, attached)
}

fn text(raw: &str) -> String {
    let (text, html, attached) = read(raw);
    assert!(html.is_none() && attached.is_empty());
    text.unwrap()
}

#[test]
fn a_text_is_decoded_by_its_encoding_and_charset() {
    for (raw, expected) in [
        ("\nhi\n", "hi\r\n"),
        ("\nhi", "hi"),
        ("", ""),
        ("\n.\n..\n", ".\r\n..\r\n"),
        ("Content-Type: text/plain\n\nGrüße\n", "Grüße\r\n"),
        ("Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nGrüße", "Grüße"),
        (
            "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: Quoted-Printable\n\nGr=FC=DF=\ne",
            "Grüße",
        ),
        (
            "Content-Type: text/plain; charset=\"windows-1252\"\nContent-Transfer-Encoding: BASE64\n\nR3L832U=\n",
            "Grüße",
        ),
        ("Content-Type: text/plain; charset=shift_jis\nContent-Transfer-Encoding: base64\n\nir+Omg==\n", "漢字"),
        ("Content-Type: text/plain; charset=no-such-thing\n\nhi", "hi"),
        ("Content-Transfer-Encoding: base64\n\naGVs\n!bG8=\n____\nA footer\n", "hello"),
        ("Content-Transfer-Encoding: base64\n\naGVsbG", "hell"),
        ("Content-Transfer-Encoding: base64\n\na", ""),
        ("Content-Type: nonsense\n\nhi", "hi"),
        ("Content-Type: multipart/mixed\n\nno boundary", "no boundary"),
        ("Content-Type: multipart/mixed; boundary=b\n\nno parts", "no parts"),
    ] {
        assert_eq!(text(raw), expected, "{raw:?}");
    }
}

#[test]
fn text_and_html_are_told_from_what_is_attached() {
    let (text, html, attached) = read(
        "Content-Type: multipart/mixed; boundary=\"a b\"\n\nThis is MIME.\n--a b\n\
         Content-Type: multipart/related; boundary=rel\n\n--rel\nContent-Type: multipart/alternative; boundary=alt\n\n\
         --alt\nContent-Type: text/plain\n\nplain\n--alt  \nContent-Type: text/html\n\n<p>html</p>\n--alt--\n\
         --rel\nContent-Type: image/png\nContent-ID: <logo@finch>\nContent-Transfer-Encoding: base64\n\n\
         iVBORw==\n--rel--\n\
         --a b\nContent-Type: text/plain; name=notes.txt\n\nattached text\n\
         --a b\nContent-Disposition: attachment\n\nno name\n\
         --a b\nContent-Type: text/plain\n\nfooter\n\
         --a b--\nepilogue\n--a b\n\nno part\n",
    );
    assert_eq!((text.as_deref(), html.as_deref()), (Some("plain\nfooter"), Some("<p>html</p>")));
    let expected = [
        ("", "image/png inline <logo@finch>", b"\x89PNG".to_vec()),
        ("notes.txt", "text/plain", b"attached text".to_vec()),
        ("", "text/plain", b"no name".to_vec()),
    ];
    assert_eq!(attached, expected.map(|(name, kind, content)| (name.to_owned(), kind.to_owned(), content)));
}

#[test]
fn a_part_goes_to_its_boundary_and_no_further() {
    let of = |body: &str| text(&format!("Content-Type: multipart/mixed; boundary=b\n\n{body}"));
    for (body, expected) in [
        ("--b\n\none\n\n--b--\n", "one\r\n"),
        ("--b\n\none", "one"),
        ("--b\n\none\n--b", "one\n"),
        ("--b\n\none\n--bb\ntwo\n--b--", "one\r\n--bb\r\ntwo"),
        ("--b\n\none\n --b\n--b-\n--b--x\n--b--", "one\r\n --b\r\n--b-\r\n--b--x"),
        ("--b\n--b--", ""),
        ("--b\n\none\n--b\n\ntwo\n--b--\n\n--b\n\nno\n", "one\ntwo"),
    ] {
        assert_eq!(of(body), expected, "{body:?}");
    }
    // The outer boundary ends an inner part that is not closed.
    let open = "--b\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\none\n--b\n\ntwo\n--b--\n";
    assert_eq!(of(open), "one\ntwo");
}

#[test]
fn file_names_are_read_in_every_form_that_programs_write() {
    for (fields, name) in [
        ("Content-Disposition: attachment; filename=a.pdf", "a.pdf"),
        ("Content-Disposition: attachment; filename=\"a b;c.pdf\"", "a b;c.pdf"),
        ("Content-Disposition: attachment; filename*=UTF-8''%e2%82%ac%20rates.pdf", "€ rates.pdf"),
        ("Content-Disposition: attachment; filename*=iso-8859-1'en'%A3.pdf", "£.pdf"),
        (
            "Content-Disposition: attachment; filename*0*=UTF-8''%e2%82%ac;\n \
             filename*1=\" b\";\n filename*2*=%20c.pdf",
            "€ b c.pdf",
        ),
        ("Content-Disposition: attachment; filename*1=b.pdf; filename*0=a", "ab.pdf"),
        ("Content-Type: application/pdf; name=\"=?UTF-8?B?4oKsLnBkZg==?=\"\nContent-Disposition: attachment", "€.pdf"),
        ("Content-Disposition: attachment; filename=\"Grüße.pdf\"", "Grüße.pdf"),
        ("Content-Disposition: attachment; filename=\"../../etc/passwd\"", "passwd"),
        ("Content-Disposition: attachment; filename=\"C:\\\\tmp\\\\a.pdf\"", "a.pdf"),
        ("Content-Disposition: attachment; filename=\"\"", ""),
        ("Content-Type: application/pdf; name=b.pdf\nContent-Disposition: attachment; filename=a.pdf", "a.pdf"),
    ] {
        let (_, _, attached) = read(&format!("{fields}\n\nx"));
        assert_eq!(attached[0].0, name, "{fields}");
    }
}

#[test]
fn a_digest_holds_messages() {
    let raw = "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: one\n\nbody\n--b--\n";
    assert_eq!(read(raw).2, [(String::new(), "message/rfc822".to_owned(), b"Subject: one\r\n\r\nbody".to_vec())]);
}

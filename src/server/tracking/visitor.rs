//! Who opened a mail or followed a link, by what they say of themselves: a reader with their program, or a machine that looks
//! before anybody does. Sources: Apple, "Mail Privacy Protection"; Google, "Images in Gmail"; Yahoo, "Mail proxy"; Fetch,
//! `Sec-Purpose`; the kept list of [woothee].

use chrono::{DateTime, TimeDelta, Utc};
use woothee::parser::Parser;

/// How soon after a message went out nobody has read it yet: filters on its way look at its links at once.
const TOO_SOON: TimeDelta = TimeDelta::seconds(2);

/// Who came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Visitor {
    Reader(Reader),
    /// A program that no reader set off, and how it is known.
    Machine(&'static str),
}

/// Somebody who read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reader {
    /// "Chrome 120 on Windows 10"; `None` where the program is not known.
    pub program: Option<String>,
    /// Whether the provider's proxy came in their place, so that the network address is not theirs.
    pub is_behind_proxy: bool,
}

/// What is known of a visit.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'a> {
    pub user_agent: Option<&'a str>,
    /// Whether it asked for no content, or fetched ahead.
    pub looks_ahead: bool,
    pub at: DateTime<Utc>,
    /// When the message was handed over, as far as that is known.
    pub sent_at: Option<DateTime<Utc>>,
}

/// Proxies that fetch a picture when its reader opens the mail: who is behind one is a reader.
const PROXIES: [(&str, &str); 2] = [("googleimageproxy", "Gmail"), ("yahoomailproxy", "Yahoo Mail")];

/// Words of programs that look at mail and its links for others, in lower case.
const MACHINES: [&str; 51] = [
    "apache-httpclient",
    "axios/",
    "barracuda",
    "bitdefender",
    "checkpoint",
    "cloudmark",
    "crawler",
    "curl/",
    "cyren",
    "discordbot",
    "embedly",
    "existence discovery",
    "protocol discovery",
    "facebookexternalhit",
    "fireeye",
    "forcepoint",
    "fortinet",
    "go-http-client",
    "google-safety",
    "googleother",
    "guzzlehttp",
    "headlesschrome",
    "httpx",
    "ironport",
    "java/",
    "libwww-perl",
    "linkpreview",
    "mail.ru_bot",
    "messagelabs",
    "mimecast",
    "node-fetch",
    "okhttp",
    "opendns",
    "phantomjs",
    "preview",
    "proofpoint",
    "python-",
    "safelinks",
    "scanner",
    "skypeuripreview",
    "slack-imgproxy",
    "sophos",
    "spider",
    "symantec",
    "telegrambot",
    "trendmicro",
    "urlscan",
    "virustotal",
    "webpros",
    "wget/",
    "whatsapp/",
];

/// Mail programs that tell their names, in lower case.
const MAIL_PROGRAMS: [(&str, &str); 8] = [
    ("thunderbird/", "Thunderbird"),
    ("microsoft outlook", "Outlook"),
    ("outlook-ios", "Outlook for iOS"),
    ("outlook-android", "Outlook for Android"),
    ("ms-office", "Outlook"),
    ("msoffice", "Outlook"),
    ("airmail", "Airmail"),
    ("sparrow", "Sparrow"),
];

/// Who came by a visit.
pub fn visitor(visit: Visit<'_>) -> Visitor {
    if visit.looks_ahead {
        return Visitor::Machine("it fetched ahead, before anybody asked for it");
    }
    if visit.sent_at.is_some_and(|sent_at| visit.at - sent_at < TOO_SOON) {
        return Visitor::Machine("it came within two seconds of the delivery");
    }
    let Some(agent) = visit.user_agent.map(str::trim).filter(|agent| !agent.is_empty()) else {
        return Visitor::Machine("it does not say which program it is");
    };
    // All that Apple's servers say, which load every picture when a mail arrives.
    if agent == "Mozilla/5.0" {
        return Visitor::Machine("Apple Mail Privacy Protection loads pictures before the mail is read");
    }
    let lower = agent.to_ascii_lowercase();
    if let Some((_, name)) = PROXIES.iter().find(|(word, _)| lower.contains(word)) {
        return Visitor::Reader(Reader { program: Some((*name).to_owned()), is_behind_proxy: true });
    }
    if MACHINES.iter().any(|word| lower.contains(word)) || has_bot(&lower) {
        return Visitor::Machine("it is a program that looks at links and pictures for others");
    }
    let known = Parser::new().parse(agent);
    if known.as_ref().is_some_and(|known| known.category == "crawler") {
        return Visitor::Machine("it is a program that looks at links and pictures for others");
    }
    let os = known.as_ref().map(|known| known.os).filter(|os| *os != "UNKNOWN");
    let name = match MAIL_PROGRAMS.iter().find(|(word, _)| lower.contains(word)) {
        Some((_, name)) => Some((*name).to_owned()),
        None if is_apple_mail(&lower) => Some("Apple Mail".to_owned()),
        None => known.as_ref().filter(|known| known.name != "UNKNOWN").map(|known| {
            match known.version.split('.').next().filter(|version| version.parse::<u32>().is_ok()) {
                Some(version) => format!("{} {version}", known.name),
                None => known.name.to_owned(),
            }
        }),
    };
    let program = match (name, os) {
        (Some(name), Some(os)) => Some(format!("{name} on {os}")),
        (name, os) => name.or(os.map(str::to_owned)),
    };
    Visitor::Reader(Reader { program, is_behind_proxy: false })
}

/// Apple Mail names the engine and no browser.
fn is_apple_mail(lower: &str) -> bool {
    let is_apple = ["macintosh", "iphone", "ipad"].iter().any(|device| lower.contains(device));
    is_apple
        && lower.contains("applewebkit/")
        && !["safari/", "chrome/", "crios/", "fxios/"].iter().any(|word| lower.contains(word))
}

/// Whether a word ends in "bot". Cubot makes telephones.
fn has_bot(lower: &str) -> bool {
    lower.match_indices("bot").any(|(at, word)| {
        let (before, after) = (&lower[..at], &lower[at + word.len()..]);
        !before.ends_with("cu") && !after.starts_with(|letter: char| letter.is_ascii_alphabetic())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36";

    fn who(agent: &str) -> Visitor {
        visitor(Visit { user_agent: Some(agent), looks_ahead: false, at: DateTime::UNIX_EPOCH, sent_at: None })
    }

    fn reader(program: &str) -> Visitor {
        Visitor::Reader(Reader { program: Some(program.to_owned()), is_behind_proxy: false })
    }

    #[test]
    fn a_reader_is_known_by_their_program() {
        for (agent, program) in [
            (CHROME, "Chrome 120 on Windows 10"),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
                "Apple Mail on iPhone",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
                "Apple Mail on Mac OSX",
            ),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Thunderbird/140.4.0", "Thunderbird on Linux"),
            (
                "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; WOW64; Trident/7.0; Microsoft Outlook 16.0.17126; ms-office; MSOffice 16)",
                "Outlook on Windows 10",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; CUBOT X18) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/119.0.0.0 Mobile Safari/537.36",
                "Chrome 119 on Android",
            ),
        ] {
            assert_eq!(who(agent), reader(program), "{agent}");
        }
        assert_eq!(who("Wren/1.0"), Visitor::Reader(Reader { program: None, is_behind_proxy: false }));
    }

    #[test]
    fn who_reads_behind_a_proxy_is_a_reader_at_an_unknown_place() {
        for (agent, program) in [
            ("Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)", "Gmail"),
            ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", "Yahoo Mail"),
        ] {
            let expected = Reader { program: Some(program.to_owned()), is_behind_proxy: true };
            assert_eq!(who(agent), Visitor::Reader(expected));
        }
    }

    #[test]
    fn machines_are_told_from_readers() {
        for agent in [
            "Mozilla/5.0",
            "",
            "  ",
            "BarracudaCentral/1.0",
            "Mozilla/5.0 (compatible; proofpoint)",
            "Mimecast URL Protection",
            "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
            "Microsoft Office Existence Discovery",
            "python-requests/2.31.0",
            "curl/8.4.0",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/119.0 Safari/537.36",
            "facebookexternalhit/1.1",
            "WhatsApp/2.23 A",
        ] {
            assert!(matches!(who(agent), Visitor::Machine(_)), "{agent}");
        }
    }

    #[test]
    fn nobody_reads_what_was_fetched_ahead_or_just_delivered() {
        let at = DateTime::UNIX_EPOCH + TimeDelta::hours(1);
        let visit = Visit { user_agent: Some(CHROME), looks_ahead: false, at, sent_at: Some(at) };
        assert!(matches!(visitor(visit), Visitor::Machine(_)));
        let later = |by| Visit { sent_at: Some(at - by), ..visit };
        assert!(matches!(visitor(later(TimeDelta::milliseconds(1999))), Visitor::Machine(_)));
        assert!(matches!(visitor(later(TOO_SOON)), Visitor::Reader(_)));
        assert!(matches!(visitor(Visit { looks_ahead: true, ..later(TimeDelta::hours(1)) }), Visitor::Machine(_)));
    }
}

//! The site: what browsers load beside the pages, which is scripts, WebAssembly, styles and icons. scripts/site.sh makes it.
//! The program holds it, compressed; while developing it reads a newer one from the disk, once. Called by [super].
//!
//! What a page names by its fingerprint is kept for good and answered only by a build that has it; the rest, for a day.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::LazyLock;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::components::icon::sprite_path;
use crate::domain::fingerprint::fingerprint;

/// The files' names and contents; none where the site was not made first. See build.rs.
static HELD: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/site.rs"));

/// Names the folder that a debug build reads the files from instead: scripts/dev.sh sets it, so that a change of the styles
/// does not build the server again.
const FOLDER_VARIABLE: &str = "SENDLOG_DEV_SITE";

const FOR_GOOD: &str = "public, max-age=31536000, immutable";
const FOR_A_DAY: &str = "public, max-age=86400";

/// The site of this program.
pub static SITE: LazyLock<Site> = LazyLock::new(|| {
    let folder = std::env::var_os(FOLDER_VARIABLE).filter(|_| cfg!(debug_assertions));
    Site::of(folder.map_or_else(held_files, |folder| files_in(Path::new(&folder))))
});

/// The files, by the paths that they are asked for.
#[derive(Debug)]
pub struct Site {
    package: String,
    files: HashMap<String, File>,
}

/// A file in the forms that it is sent in.
#[derive(Debug)]
struct File {
    content_type: &'static str,
    cache_control: &'static str,
    etag: String,
    plain: Bytes,
    brotli: Option<Bytes>,
    gzip: Option<Bytes>,
}

impl Site {
    /// The site of these files: their names and contents, with `.br` and `.gz` for the compressed forms.
    pub fn of(mut files: BTreeMap<String, Bytes>) -> Self {
        let names: Vec<String> =
            files.keys().filter(|name| !name.ends_with(".br") && !name.ends_with(".gz")).cloned().collect();
        // The script, its WebAssembly and the styles belong together, so they have one fingerprint.
        let parts = names.iter().filter(|name| is_of_package(name));
        let fingerprints: Vec<u8> = parts.flat_map(|name| fingerprint(&files[name]).to_be_bytes()).collect();
        let package = format!("pkg/{:016x}", fingerprint(&fingerprints));
        let sprite = sprite_path();
        let mut by_path = HashMap::new();
        for name in names {
            let path = match name.as_str() {
                _ if is_of_package(&name) => format!("/{package}/{name}"),
                "icons.svg" => sprite.to_owned(),
                _ => format!("/{name}"),
            };
            let brotli = files.remove(&format!("{name}.br"));
            let gzip = files.remove(&format!("{name}.gz"));
            let plain = files.remove(&name).unwrap_or_default();
            by_path.insert(
                path.clone(),
                File {
                    content_type: content_type(&name),
                    cache_control: if path.starts_with("/pkg/") { FOR_GOOD } else { FOR_A_DAY },
                    // Weak, because the forms share it.
                    etag: format!("W/\"{:016x}\"", fingerprint(&plain)),
                    plain,
                    brotli,
                    gzip,
                },
            );
        }
        Self { package, files: by_path }
    }

    /// Whether the program was built without the site.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The folder of the script, its WebAssembly and the styles, without a slash at either end.
    pub fn package(&self) -> &str {
        &self.package
    }
}

impl File {
    fn answer(&self, asked: &HeaderMap) -> Response {
        let common = [
            (header::CACHE_CONTROL, self.cache_control),
            (header::ETAG, self.etag.as_str()),
            (header::VARY, "accept-encoding"),
        ];
        let known = asked.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok()).unwrap_or_default();
        if known.split(',').any(|tag| tag.trim() == self.etag || tag.trim() == "*") {
            return (StatusCode::NOT_MODIFIED, common).into_response();
        }
        let kind = [(header::CONTENT_TYPE, self.content_type)];
        let (coding, content) = match (&self.brotli, &self.gzip) {
            (Some(brotli), _) if takes(asked, "br") => ("br", brotli),
            (_, Some(gzip)) if takes(asked, "gzip") => ("gzip", gzip),
            _ => return (common, kind, self.plain.clone()).into_response(),
        };
        (common, kind, [(header::CONTENT_ENCODING, coding)], content.clone()).into_response()
    }
}

/// The routes of a site. Under `/pkg`, what it does not have is not found, rather than a page.
pub fn routes(site: &'static Site) -> Router {
    let outside = site.files.keys().filter(|path| !path.starts_with("/pkg/"));
    let files = outside.fold(Router::new(), |router, path| router.route(path, get(send)));
    files.route("/pkg/{*path}", get(send)).with_state(site)
}

async fn send(State(site): State<&'static Site>, uri: Uri, headers: HeaderMap) -> Response {
    match site.files.get(uri.path()) {
        Some(file) => file.answer(&headers),
        None => (StatusCode::NOT_FOUND, "this build has no such file\n").into_response(),
    }
}

/// Whether the client takes this content coding. Source: RFC 9110, Accept-Encoding; what is taken by `*` is sent plain.
fn takes(asked: &HeaderMap, coding: &str) -> bool {
    let lists = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|item| {
        let (name, weight) = item.split_once(';').unwrap_or((item, ""));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        name.trim().eq_ignore_ascii_case(coding) && weight.is_none_or(|weight| weight > 0.0)
    })
}

fn is_of_package(name: &str) -> bool {
    name.starts_with("sendlog")
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("txt") => "text/plain; charset=utf-8",
        Some("wasm") => "application/wasm",
        _ => "application/octet-stream",
    }
}

fn held_files() -> BTreeMap<String, Bytes> {
    HELD.iter().map(|(name, content)| ((*name).to_owned(), Bytes::from_static(content))).collect()
}

fn files_in(folder: &Path) -> BTreeMap<String, Bytes> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let read = |entry: std::fs::DirEntry| {
        let content = std::fs::read(entry.path()).ok()?;
        Some((entry.file_name().to_string_lossy().into_owned(), content.into()))
    };
    entries.filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt;

    use super::*;

    fn site(files: &[(&str, &str)]) -> &'static Site {
        let owned = |(name, content): &(&str, &str)| ((*name).to_owned(), Bytes::from((*content).to_owned()));
        Box::leak(Box::new(Site::of(files.iter().map(owned).collect())))
    }

    fn sample() -> &'static Site {
        site(&[
            ("favicon.svg", "<svg/>"),
            ("icons.svg", "<svg></svg>"),
            ("sendlog.css", "a{}"),
            ("sendlog.css.br", "styles by brotli"),
            ("sendlog.css.gz", "styles by gzip"),
            ("sendlog.js", "script"),
            ("sendlog_bg.wasm", "module"),
        ])
    }

    /// The status, the headers and the body of an answer.
    async fn ask(site: &'static Site, path: &str, headers: &[(&str, &str)]) -> (u16, HeaderMap, String) {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = routes(site).oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        (parts.status.as_u16(), parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn what_has_a_fingerprint_is_kept_for_good_and_the_rest_for_a_day() {
        let site = sample();
        let of_package = |name: &str| format!("/{}/{name}", site.package());
        for (path, content_type, kept) in [
            (of_package("sendlog.css"), "text/css; charset=utf-8", FOR_GOOD),
            (of_package("sendlog.js"), "text/javascript; charset=utf-8", FOR_GOOD),
            (of_package("sendlog_bg.wasm"), "application/wasm", FOR_GOOD),
            (sprite_path().to_owned(), "image/svg+xml", FOR_GOOD),
            ("/favicon.svg".to_owned(), "image/svg+xml", FOR_A_DAY),
        ] {
            let (status, headers, _) = ask(site, &path, &[]).await;
            assert_eq!(status, 200, "{path}");
            assert_eq!(headers["content-type"], content_type, "{path}");
            assert_eq!(headers["cache-control"], kept, "{path}");
        }
    }

    #[tokio::test]
    async fn a_file_of_another_build_is_not_found() {
        let other = site(&[("sendlog.css", "a{}"), ("sendlog.js", "another script"), ("sendlog_bg.wasm", "module")]);
        assert_ne!(sample().package(), other.package());
        for path in [format!("/{}/sendlog.css", other.package()), "/pkg/0000000000000000/icons.svg".to_owned()] {
            let (status, headers, _) = ask(sample(), &path, &[]).await;
            assert_eq!((status, headers.get("cache-control")), (404, None), "{path}");
        }
    }

    #[tokio::test]
    async fn a_file_comes_in_the_form_that_the_client_takes() {
        let path = format!("/{}/sendlog.css", sample().package());
        for (accepted, coding, content) in [
            ("gzip, deflate, br, zstd", "br", "styles by brotli"),
            ("gzip;q=1.0, br;q=0.5", "br", "styles by brotli"),
            ("BR", "br", "styles by brotli"),
            ("br;q=0, gzip", "gzip", "styles by gzip"),
            ("gzip; q=0.0", "", "a{}"),
            ("identity", "", "a{}"),
            ("*", "", "a{}"),
        ] {
            let (status, headers, body) = ask(sample(), &path, &[("accept-encoding", accepted)]).await;
            let found = headers.get("content-encoding").map_or("", |coding| coding.to_str().unwrap());
            assert_eq!((status, found, body.as_str()), (200, coding, content), "{accepted}");
            assert_eq!(headers["vary"], "accept-encoding", "{accepted}");
        }
    }

    #[tokio::test]
    async fn who_has_a_file_is_not_sent_it_again() {
        let (_, headers, _) = ask(sample(), "/favicon.svg", &[]).await;
        let etag = headers["etag"].to_str().unwrap();
        for known in [etag, &format!("\"other\", {etag}"), "*"] {
            let (status, headers, body) = ask(sample(), "/favicon.svg", &[("if-none-match", known)]).await;
            assert_eq!((status, body.as_str()), (304, ""), "{known}");
            assert_eq!(headers["cache-control"], FOR_A_DAY);
        }
        let (status, ..) = ask(sample(), "/favicon.svg", &[("if-none-match", "\"other\"")]).await;
        assert_eq!(status, 200);
    }

    #[test]
    fn the_tool_and_the_library_are_of_one_version() {
        fn version<'a>(lock: &'a str, name: &str) -> &'a str {
            let package = lock.split("[[package]]").find(|package| package.contains(&format!("name = \"{name}\"\n")));
            package.and_then(|package| package.split("version = \"").nth(1)?.split('"').next()).unwrap()
        }
        let library = version(include_str!("../../../Cargo.lock"), "wasm-bindgen");
        let tool = version(include_str!("../../../tools/bindgen/Cargo.lock"), "wasm-bindgen-cli-support");
        assert_eq!(tool, library, "put {library} into tools/bindgen/Cargo.toml and run cargo update there");
    }
}

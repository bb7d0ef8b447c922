//! Who imports whom. Arrows between layers point down, and no two files lead to each other: a file can be read, moved and
//! tested with what is below it. A file may use the ones that it is a part of (`store::teams` what `store` holds): they are
//! one thing, written in several files.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first thing that does not work")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The layers by the beginning of their modules' paths, the longest first that fits, and what each may import beside itself.
const LAYERS: [(&str, &[&str]); 16] = [
    ("domain", &[]),
    ("server_fns", &["domain", "server"]),
    // Islands call server functions.
    ("components", &["server_fns", "domain"]),
    ("pages", &["components", "server_fns", "domain"]),
    ("app", &["pages", "components", "server_fns", "domain"]),
    ("server::store", &["domain", "server::base"]),
    ("server::delivery", &["domain", "server::store", "server::base"]),
    ("server::services", &["domain", "server::store", "server::delivery", "server::base", "server::state"]),
    ("server::state", &["domain", "server::store", "server::delivery", "server::services", "server::base"]),
    (
        "server::demo",
        &["domain", "server::store", "server::delivery", "server::services", "server::base", "server::state"],
    ),
    ("server::api", &["domain", "server::services", "server::base", "server::state"]),
    (
        "server::web",
        &[
            "domain",
            "components",
            "server_fns",
            "server::api",
            "server::services",
            "server::store",
            "server::base",
            "server::state",
        ],
    ),
    (
        "server::smtp_in",
        &["domain", "server::api", "server::services", "server::store", "server::base", "server::state"],
    ),
    ("server", &["server::web", "server::api", "server::state"]),
    ("server::base", &["domain"]),
    ("cli", &["app", "domain", "server"]),
];

/// What belongs to a layer by another name than its folder's.
const NAMED: [(&str, &str); 23] = [
    ("server::app", "server::state"),
    ("server::amazon", "server::base"),
    ("server::inbound", "server::api"),
    ("server::bounce_address", "server::base"),
    ("server::bounds", "server::base"),
    ("server::certificate", "server::base"),
    ("server::clock", "server::base"),
    ("server::config", "server::base"),
    ("server::forgotten", "server::base"),
    ("server::identity", "server::state"),
    ("server::listen", "server::base"),
    ("server::mail", "server::base"),
    ("server::outbound", "server::base"),
    ("server::private_files", "server::base"),
    ("server::proxies", "server::base"),
    ("server::render", "server::base"),
    ("server::secrets", "server::base"),
    ("server::telemetry", "server::base"),
    ("server::tls", "server::base"),
    ("server::tracking", "server::base"),
    ("server::turns", "server::base"),
    ("server::waker", "server::base"),
    ("main", "cli"),
];

/// A file's module path, what it imports, and what it hands on by `pub use`.
struct Module {
    name: String,
    imports: BTreeSet<Vec<String>>,
    hands_on: BTreeMap<String, Vec<String>>,
}

#[test]
fn arrows_between_layers_point_down() {
    let mut up: BTreeSet<(String, String)> = BTreeSet::new();
    for (from, to) in arrows() {
        let (low, high) = (layer_of(&from), layer_of(&to));
        let may = LAYERS.iter().find(|(name, _)| *name == low).expect("a layer").1;
        // Everything of the server is `server` to those that may import all of it.
        let is_down =
            low == high || may.iter().any(|name| high == *name || *name == "server" && high.starts_with("server"));
        if !is_down {
            up.insert((from, to));
        }
    }
    let up: Vec<_> = up.iter().map(|(from, to)| format!("{from} -> {to}")).collect();
    assert!(up.is_empty(), "arrows that point up:\n{}", up.join("\n"));
}

#[test]
fn no_files_lead_to_each_other() {
    let mut arrows = arrows();
    arrows.retain(|(from, to)| !is_within(from, to));
    let shown: Vec<String> = circles(&arrows).iter().map(|circle| shown(circle, &arrows)).collect();
    assert!(shown.is_empty(), "circles of files:\n{}", shown.join("\n"));
}

/// What browsers are given has the path that Sendlog is mounted at: each address in an element is `mounted`, and each redirect
/// goes by the one function that does so. tests/sub_path.rs looks at what comes of it; this, at what it does not come to.
#[test]
fn every_address_of_a_page_is_mounted() {
    const BEGINNINGS: [&str; 6] = ["mounted(", "\"#", "\"\"", "\"https:", "format!(\"#", "source"];
    let mut bare = Vec::new();
    for (file, text) in sources() {
        if file.starts_with("src/server") {
            continue;
        }
        for (place, name) in ["href", "src", "action", "formaction"].into_iter().flat_map(|name| {
            text.match_indices(&format!(" {name}=")).map(move |(place, _)| (place, name)).collect::<Vec<_>>()
        }) {
            let tag = text[..place].rfind('<').map_or("", |begin| &text[begin + 1..place]);
            let is_element = tag.starts_with(|letter: char| letter.is_ascii_lowercase());
            let value = &text[place + name.len() + 2..];
            // The script and its module are mounted where they are named.
            let is_known = BEGINNINGS.iter().any(|begin| value.starts_with(begin)) || file == "src/app.rs";
            if is_element && !is_known {
                bare.push(format!("{file}: {name}={}", value.lines().next().unwrap_or_default()));
            }
        }
    }
    assert!(bare.is_empty(), "not mounted:\n{}", bare.join("\n"));
    let redirects = sources().into_iter().filter(|(_, text)| text.contains("leptos_axum::redirect("));
    let redirects: Vec<String> = redirects.map(|(file, _)| file).collect();
    assert_eq!(redirects, ["src/server/web/context.rs"]);
}

/// The files of `src` but the tests, by their paths, with what they hold.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    list_files(&root.join("src"), &mut files);
    let name = |file: &Path| file.strip_prefix(root).unwrap().display().to_string();
    files.iter().map(|file| (name(file), std::fs::read_to_string(file).unwrap())).collect()
}

/// A circle with the arrows inside it.
fn shown(circle: &[String], arrows: &BTreeSet<(String, String)>) -> String {
    let inside = |(from, to): &&(String, String)| circle.contains(from) && circle.contains(to);
    arrows.iter().filter(inside).map(|(from, to)| format!("  {from} -> {to}\n")).collect()
}

fn layer_of(module: &str) -> String {
    let named = NAMED.iter().find(|(name, _)| is_within(module, name));
    if let Some((_, layer)) = named {
        return (*layer).to_owned();
    }
    let fitting = LAYERS.iter().map(|(name, _)| *name).filter(|name| is_within(module, name));
    fitting.max_by_key(|name| name.len()).unwrap_or("app").to_owned()
}

fn is_within(module: &str, outer: &str) -> bool {
    module == outer || module.strip_prefix(outer).is_some_and(|rest| rest.starts_with("::"))
}

/// Which file imports something of which.
fn arrows() -> BTreeSet<(String, String)> {
    let modules: BTreeMap<String, Module> = read_modules();
    let mut arrows = BTreeSet::new();
    for module in modules.values() {
        for path in &module.imports {
            let target = resolve(&modules, path, 0);
            if target != module.name && !target.is_empty() {
                arrows.insert((module.name.clone(), target));
            }
        }
    }
    arrows
}

/// The file in which what a path names is written.
fn resolve(modules: &BTreeMap<String, Module>, path: &[String], depth: usize) -> String {
    let fitting = (1..=path.len()).rev().find(|length| modules.contains_key(&path[..*length].join("::")));
    let Some(length) = fitting else { return String::new() };
    let name = path[..length].join("::");
    let handed_on = path.get(length).and_then(|item| modules[&name].hands_on.get(item));
    match handed_on {
        Some(elsewhere) if depth < 8 => {
            let rest = path[length + 1..].iter().cloned();
            resolve(modules, &elsewhere.iter().cloned().chain(rest).collect::<Vec<_>>(), depth + 1)
        }
        _ => name,
    }
}

fn read_modules() -> BTreeMap<String, Module> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    list_files(&root, &mut files);
    let names: BTreeSet<String> = files.iter().map(|file| name_of(file.strip_prefix(&root).unwrap())).collect();
    let read = |file: &PathBuf| {
        let name = name_of(file.strip_prefix(&root).unwrap());
        let source = std::fs::read_to_string(file).unwrap();
        (name.clone(), read_module(name, &source, &names))
    };
    files.iter().map(read).collect()
}

/// Every source file but the tests.
fn list_files(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if name == "tests" || name.ends_with("_tests") {
            continue;
        }
        if path.is_dir() {
            list_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn name_of(file: &Path) -> String {
    let parts: Vec<&str> = file.iter().map(|part| part.to_str().unwrap().trim_end_matches(".rs")).collect();
    match parts.as_slice() {
        ["lib"] => "lib".to_owned(),
        [folders @ .., "mod"] => folders.join("::"),
        parts => parts.join("::"),
    }
}

fn read_module(name: String, source: &str, names: &BTreeSet<String>) -> Module {
    let tests = source.find("#[cfg(test)]\nmod tests {").unwrap_or(source.len());
    let code: String =
        source[..tests].lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut module = Module { name: name.clone(), imports: BTreeSet::new(), hands_on: BTreeMap::new() };
    let mut rest = String::new();
    for statement in code.split_inclusive(';') {
        let Some(start) = statement.rfind("use ").filter(|start| is_use(statement, *start)) else {
            rest.push_str(statement);
            continue;
        };
        rest.push_str(&statement[..start]);
        let is_public =
            statement[..start].trim_end().rsplit(['\n', '{', '}']).next().is_some_and(|before| before.contains("pub"));
        let tree: String =
            statement[start + 4..].trim_end_matches(';').split_whitespace().collect::<Vec<_>>().join(" ");
        for (path, alias) in leaves(&tree) {
            let Some(path) = absolute(&name, &path, names) else { continue };
            if is_public {
                module.hands_on.insert(alias, path.clone());
            }
            module.imports.insert(path);
        }
    }
    // Paths that are written out where they are used.
    for start in ["crate::", "super::", "sendlog::"] {
        for (at, _) in rest.match_indices(start) {
            let before = rest[..at].chars().next_back().unwrap_or(' ');
            if before.is_alphanumeric() || matches!(before, ':' | '_' | '"') {
                continue;
            }
            let path: String = rest[at..]
                .chars()
                .take_while(|letter| letter.is_alphanumeric() || matches!(letter, '_' | ':'))
                .collect();
            let path: Vec<String> = path.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
            module.imports.extend(absolute(&name, &path, names));
        }
    }
    module
}

/// Whether a word `use` begins a statement there: nothing but a visibility stands before it on its line.
fn is_use(statement: &str, start: usize) -> bool {
    let line = statement[..start].rsplit('\n').next().unwrap_or_default().trim();
    line.is_empty() || line == "pub" || (line.starts_with("pub(") && line.ends_with(')')) || line.ends_with('{')
}

/// The paths of a tree of imports, each with the name that it gets.
fn leaves(tree: &str) -> Vec<(Vec<String>, String)> {
    let tree = tree.trim();
    if let Some(open) = tree.find('{') {
        let before: Vec<String> = segments(&tree[..open]);
        let inner = &tree[open + 1..tree.rfind('}').unwrap_or(tree.len())];
        let mut all = Vec::new();
        for part in split_at_commas(inner) {
            for (path, alias) in leaves(part) {
                all.push((before.iter().cloned().chain(path).collect(), alias));
            }
        }
        return all;
    }
    let (path, alias) = tree.split_once(" as ").map_or((tree, None), |(path, alias)| (path, Some(alias.trim())));
    let mut path = segments(path);
    if path.is_empty() {
        return Vec::new();
    }
    let last = path.last().cloned().unwrap_or_default();
    if last == "self" || last == "*" {
        path.pop();
    }
    let name = alias.map(str::to_owned).or_else(|| path.last().cloned()).unwrap_or_default();
    vec![(path, name)]
}

fn segments(path: &str) -> Vec<String> {
    path.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn split_at_commas(list: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (index, letter) in list.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&list[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&list[start..]);
    parts
}

/// A path from the crate's root; `None` for one that leads out of the crate.
fn absolute(module: &str, path: &[String], names: &BTreeSet<String>) -> Option<Vec<String>> {
    let mut at: Vec<String> = if module == "lib" { Vec::new() } else { segments(module) };
    match path.first()?.as_str() {
        "crate" | "sendlog" => Some(path[1..].to_vec()),
        "self" => Some(at.into_iter().chain(path[1..].iter().cloned()).collect()),
        "super" => {
            let ups = path.iter().take_while(|part| *part == "super").count();
            at.truncate(at.len().saturating_sub(ups));
            Some(at.into_iter().chain(path[ups..].iter().cloned()).collect())
        }
        first => {
            at.push(first.to_owned());
            names.contains(&at.join("::")).then(|| at.into_iter().chain(path[1..].iter().cloned()).collect())
        }
    }
}

/// What a file leads to, by any number of arrows.
fn reached(arrows: &BTreeSet<(String, String)>, start: &str) -> BTreeSet<String> {
    let (mut seen, mut waiting) = (BTreeSet::new(), vec![start.to_owned()]);
    while let Some(name) = waiting.pop() {
        for (_, to) in arrows.range((name.clone(), String::new())..).take_while(|(from, _)| *from == name) {
            if seen.insert(to.clone()) {
                waiting.push(to.clone());
            }
        }
    }
    seen
}

/// Groups of files of which each leads to every other.
fn circles(arrows: &BTreeSet<(String, String)>) -> BTreeSet<Vec<String>> {
    let names: BTreeSet<&String> = arrows.iter().map(|(from, _)| from).collect();
    let reach: BTreeMap<&String, BTreeSet<String>> =
        names.into_iter().map(|name| (name, reached(arrows, name))).collect();
    let circle = |(name, to): (&&String, &BTreeSet<String>)| {
        let leads_back = |other: &&String| reach.get(other).is_some_and(|of| of.contains(*name));
        to.contains(*name).then(|| to.iter().filter(leads_back).cloned().collect())
    };
    reach.iter().filter_map(circle).collect()
}

//! Rules for what is not code: words, `Cargo.toml`, the module list, and paths in documents.

use crate::Finding;

/// Words that stay out of every file: an unfinished note, and the other spelling of "canceled".
pub(crate) fn words(path: &str, text: &str) -> Vec<Finding> {
    // Put together here, so that this file does not break its own rule.
    let note = ["FIX", "ME"].concat();
    let spelled = ["lled", "lling"].map(|ending| format!("cance{ending}"));
    let mut found = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        if text.contains(&note) {
            found.push(Finding::new(path, line, format!("no {note}: do it, or file an issue")));
        }
        // Other people's names, such as tokio's `is_…`, are spelled as they are.
        let text = text.to_lowercase().replace(&format!("is_{}", spelled[0]), "");
        let wrong = spelled.iter().find(|word| text.contains(word.as_str()));
        found.extend(wrong.map(|word| Finding::new(path, line, format!("one l, not two: {word}"))));
    }
    found
}

/// A line of a dependency table.
struct Dependency {
    line: usize,
    /// `dependencies`, `dev-dependencies` …; with the target in front, if it has one.
    table: String,
    package: String,
    version: String,
    has_features: bool,
}

fn entries(manifest: &str) -> Vec<Dependency> {
    let (mut table, mut entries) = (String::new(), Vec::new());
    for (line, text) in (1..).zip(manifest.lines()) {
        if let Some(header) = text.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            table = header.to_owned();
        }
        let key = text.split_once('=').filter(|(key, _)| !key.trim().is_empty() && !key.contains(['[', '#']));
        let (true, Some((name, value))) = (table.ends_with("dependencies"), key) else {
            continue;
        };
        let field = |field: &str| {
            let after = value.split_once(&format!("{field} = \""))?.1;
            Some(after.split('"').next().unwrap_or_default().to_owned())
        };
        let package = field("package").unwrap_or_else(|| name.trim().trim_matches('"').to_owned());
        let version = field("version").unwrap_or_else(|| value.trim().trim_matches('"').to_owned());
        let has_features = value.contains("features = [");
        entries.push(Dependency { line, table: table.clone(), package, version, has_features });
    }
    entries
}

/// The names under which code reaches the dependencies (not those of tests alone).
pub(crate) fn dependencies(manifest: &str) -> Vec<String> {
    let ours = entries(manifest).into_iter().filter(|entry| !entry.table.ends_with("dev-dependencies"));
    ours.map(|entry| entry.package.replace('-', "_")).collect()
}

/// No dependency twice. Tests may name one again, but only to add features to the same version.
pub(crate) fn manifest(path: &str, text: &str) -> Vec<Finding> {
    let entries = entries(text);
    let mut found = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        let Some(first) = entries[..at].iter().find(|first| first.package == entry.package) else {
            continue;
        };
        let adds_features = entry.has_features && entry.version == first.version;
        if first.table == entry.table || !adds_features {
            let rule = format!("{} is a dependency already (line {})", entry.package, first.line);
            found.push(Finding::new(path, entry.line, rule));
        }
    }
    found
}

/// Each module of the library has its file or its directory.
pub(crate) fn modules(path: &str, text: &str, exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let mut found = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        let declared = text.trim().trim_start_matches("pub ").strip_prefix("mod ");
        let name = declared.and_then(|rest| rest.strip_suffix(';'));
        let missing =
            name.filter(|name| ![".rs", "/mod.rs"].iter().any(|end| exists(&format!("src/{name}{end}"))));
        found.extend(missing.map(|name| Finding::new(path, line, format!("module {name} has no file"))));
    }
    found
}

/// The folders whose paths documents mention.
const TOPS: [&str; 10] =
    ["src/", "tests/", "benches/", "examples/", "scripts/", "docs/", "deploy/", "ui/", ".ci/", ".github/"];

/// A path of the repository that a document has in backticks exists.
pub(crate) fn mentions(path: &str, text: &str, exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let (mut found, mut fenced) = (Vec::new(), false);
    for (line, text) in (1..).zip(text.lines()) {
        if text.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for quoted in text.split('`').skip(1).step_by(2) {
            let named = quoted.split([' ', ':', '#']).next().unwrap_or_default().trim_start_matches("./");
            let plain = named.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
            if plain && TOPS.iter().any(|top| named.starts_with(top)) && !exists(named) {
                found.push(Finding::new(path, line, format!("{named} does not exist")));
            }
        }
    }
    found
}

//! Reads the source tree and fails with one `file:line: rule` for each broken rule of the house.
//!
//! | module | holds |
//! | --- | --- |
//! | [`source`] | a small lexer: tokens without comments, the paths that code names, test regions |
//! | [`layering`] | who may know whom |
//! | [`code`] | shape of files and functions, calls that are banned |
//! | [`prose`] | doc comments, test names, commit subjects |
//! | [`text`] | words, `Cargo.toml`, `lib.rs`, and paths that documents mention |
//! | [`operations`] | alerts, dashboard, metrics and runbook against each other |
//! | [`proofs`] | for each rule: it fires on a bad snippet, and not on a good one |
//!
//! The lexer knows nothing of macros and types. What needs those is left to clippy (`clippy.toml`).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod code;
mod layering;
mod operations;
mod proofs;
mod prose;
mod source;
mod text;

use std::{fmt, fs, path::Path};

use source::Source;

/// A broken rule, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    line: usize,
    rule: String,
}

impl Finding {
    fn new(path: &str, line: usize, rule: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, rule: rule.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.rule)
    }
}

/// A file of the repository: its path from the root, with `/`, and what it says.
struct File {
    path: String,
    text: String,
}

/// Every text file below `folder`, without what is built, stored or generated.
fn collect(root: &Path, folder: &Path, into: &mut Vec<File>) {
    for entry in fs::read_dir(folder).expect("the tree can be read") {
        let entry = entry.expect("the tree can be read");
        // Editors and test runs make files come and go: one that is gone breaks no rule.
        let (Ok(kind), name) = (entry.file_type(), entry.file_name().to_string_lossy().into_owned()) else {
            continue;
        };
        let hidden = name.starts_with('.') && ![".ci", ".github", ".gitignore"].contains(&name.as_str());
        if hidden || name.starts_with("target") || ["saem-data", "Cargo.lock"].contains(&name.as_str()) {
            continue;
        }
        if kind.is_dir() {
            collect(root, &entry.path(), into);
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            let path = entry.path();
            let path = path.strip_prefix(root).expect("below the root").to_string_lossy().replace('\\', "/");
            into.push(File { path, text });
        }
    }
}

/// Returns true if the rules for Rust code apply to this path.
fn is_code(path: &str) -> bool {
    path.ends_with(".rs")
        && ["src/", "tests/", "benches/", "examples/"].iter().any(|top| path.starts_with(top))
}

/// All findings of a tree, in order.
fn check(files: &[File], exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let sources: Vec<Source> = files
        .iter()
        .filter(|file| is_code(&file.path))
        .map(|file| Source::new(&file.path, &file.text))
        .collect();
    let test_files: Vec<String> = sources.iter().flat_map(Source::test_files).collect();
    let manifest = files.iter().find(|file| file.path == "Cargo.toml").map_or("", |file| &file.text);
    let crates = text::dependencies(manifest);
    let mut found = Vec::new();
    for source in &sources {
        let only_tests = test_files.contains(&source.path);
        found.extend(layering::check(source, &crates));
        found.extend(code::shape(source));
        found.extend(code::banned(source, only_tests));
    }
    for file in files {
        found.extend(text::words(&file.path, &file.text));
        found.extend(prose::words(&file.path, &file.text));
        if is_code(&file.path) {
            found.extend(prose::code(&file.path, &file.text));
        }
        if file.path.ends_with(".md") {
            found.extend(text::mentions(&file.path, &file.text, exists));
        }
        if file.path == "Cargo.toml" {
            found.extend(text::manifest(&file.path, &file.text));
        }
        if file.path == "src/lib.rs" {
            found.extend(text::modules(&file.path, &file.text, exists));
        }
    }
    found.sort();
    found.dedup();
    found
}

#[test]
fn the_tree_keeps_the_rules_of_the_house() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(root, root, &mut files);
    assert!(files.iter().any(|file| file.path == "src/lib.rs"), "the tree was not found");
    let found = check(&files, &|path| root.join(path).exists());
    let list: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{} broken rules:\n{}", found.len(), list.join("\n"));
}

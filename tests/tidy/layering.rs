//! Allowed dependencies between rooms: `domain` ← `store` ← `actors` ← `shop` ← `http`,
//! and one home for each framework.

use crate::{Finding, source::Source};

/// Modules of the crate that a layer may name. Bugs are planted where they would be made; without the
/// feature of that name, asking for one is a constant.
const LAYERS: [(&str, &[&str]); 7] = [
    ("src/domain/", &["domain", "planted"]),
    ("src/store/", &["domain", "store", "telemetry"]),
    ("src/telemetry/", &["domain", "telemetry"]),
    ("src/gateways/", &["domain", "gateways", "telemetry"]),
    ("src/actors/", &["domain", "store", "gateways", "actors", "telemetry", "planted"]),
    ("src/shop/", &["domain", "store", "gateways", "actors", "shop", "telemetry", "planted"]),
    ("src/tools/", &["domain", "store", "gateways", "actors", "shop", "tools"]),
];

/// The modules of the crate that `super::super::…` may lead to.
const MODULES: [&str; 10] =
    ["actors", "config", "domain", "gateways", "http", "planted", "shop", "store", "telemetry", "tools"];

/// Folders in which a framework may be named.
const HOMES: [(&str, &[&str]); 6] = [
    ("sled", &["src/store/"]),
    ("redb", &["src/store/"]),
    ("actix_web", &["src/http/", "src/cli/"]),
    ("actix", &["src/actors/", "src/shop/", "src/cli/"]),
    ("utoipa", &["src/http/"]),
    ("actix_rt", &["src/actors/", "src/shop/", "src/cli/"]),
];

/// The dependencies that the domain may name. None of them reads a clock, rolls dice or does I/O.
const PURE: [&str; 2] = ["serde", "thiserror"];

/// Modules of the standard library whose results differ from one run to the next.
const IMPURE: [&str; 5] = ["env", "fs", "net", "process", "thread"];

/// Findings of one file; `crates` are the dependencies of `Cargo.toml`, as code spells them.
pub(crate) fn check(source: &Source, crates: &[String]) -> Vec<Finding> {
    if !source.path.starts_with("src/") {
        return Vec::new();
    }
    let mut found = Vec::new();
    let own_names = source.own_names();
    for named in source.named() {
        let path: Vec<&str> = named.path.iter().map(String::as_str).collect();
        // `time::Timestamp` beside `mod time` is no crate, and where a name came from was checked there.
        let rule = if own_names.iter().any(|name| *name == path[0]) {
            None
        } else {
            layer(&source.path, &path)
                .or_else(|| home(&source.path, path[0]))
                .or_else(|| pure(&source.path, &path, crates))
        };
        found.extend(rule.map(|rule| Finding::new(&source.path, named.line, rule)));
    }
    found
}

fn layer(file: &str, path: &[&str]) -> Option<String> {
    let (layer, may_name) = LAYERS.iter().find(|(layer, _)| file.starts_with(layer))?;
    let module = match path[0] {
        "crate" => path.get(1)?,
        "super" => path.iter().find(|part| **part != "super").filter(|part| MODULES.contains(part))?,
        _ => return None,
    };
    (!may_name.contains(module)).then(|| format!("{layer} must not name {module}"))
}

fn home(file: &str, root: &str) -> Option<String> {
    let (_, homes) = HOMES.iter().find(|(framework, _)| *framework == root)?;
    let at_home = homes.iter().any(|home| file.starts_with(home));
    (!at_home).then(|| format!("only {} may name {root}", homes.join(" and ")))
}

fn pure(file: &str, path: &[&str], crates: &[String]) -> Option<String> {
    if !file.starts_with("src/domain/") {
        return None;
    }
    let impure = match path {
        ["std", "time", "Duration", ..] => false,
        ["std", "time", ..] => true,
        ["std", module, ..] => IMPURE.contains(module),
        [root, ..] => crates.iter().any(|name| name == root) && !PURE.contains(root),
        [] => false,
    };
    impure.then(|| format!("src/domain/ must stay pure and not name {}", path.join("::")))
}

//! For each rule: it fires on a bad snippet, on the right line, and is quiet on a good one.

use crate::{File, check};

const HEAD: &str = "//! A snippet.\n";

/// Findings of a tree of these files, as `path:line: rule`.
fn findings(files: &[(&str, &str)]) -> Vec<String> {
    let file = |(path, text): &(&str, &str)| File { path: (*path).to_owned(), text: (*text).to_owned() };
    let files: Vec<File> = files.iter().map(file).collect();
    let exists = |path: &str| files.iter().any(|file| file.path == path || file.path.starts_with(path));
    check(&files, &exists).iter().map(ToString::to_string).collect()
}

const MANIFEST: &str =
    "[dependencies]\nactix = \"0.13\"\nrand = \"0.10\"\nserde = \"1\"\ntracing = \"0.1\"\n";

/// Says that `code`, below one line of `//!` at `path`, breaks just this rule on this line.
#[track_caller]
fn fires(path: &str, code: &str, line: usize, rule: &str) {
    let found = findings(&[("Cargo.toml", MANIFEST), (path, &format!("{HEAD}{code}"))]);
    assert_eq!(found.len(), 1, "{code}\n{found:?}");
    let start = format!("{path}:{line}: ");
    assert!(found[0].starts_with(&start) && found[0].contains(rule), "{code}\n{found:?}");
}

#[track_caller]
fn quiet(path: &str, code: &str) {
    let found = findings(&[("Cargo.toml", MANIFEST), (path, &format!("{HEAD}{code}"))]);
    assert!(found.is_empty(), "{code}\n{found:?}");
}

#[test]
fn the_domain_knows_only_itself() {
    fires("src/domain/x.rs", "use crate::store::Journal;", 2, "must not name store");
    fires("src/domain/x.rs", "use crate::{\n    domain::Money,\n    actors::{a, b::c as d},\n};\n", 4, "");
    fires("src/domain/x.rs", "fn f() { super::super::http::serve() }", 2, "must not name http");
    quiet("src/domain/x.rs", "use crate::{domain::Money};\nuse super::{id::RentalId, time::*};\n");
    let unread = "// crate::store\n/* crate::http */ const A: &str = r#\"crate::store \"x\" \"#;\n";
    quiet("src/domain/x.rs", unread);
}

#[test]
fn the_domain_is_pure() {
    fires("src/domain/x.rs", "use actix::Addr;", 2, "only src/actors/");
    fires("src/domain/x.rs", "fn f() { rand::random() }", 2, "not name rand::random");
    fires("src/domain/x.rs", "fn f() { ::tracing::info!(\"\") }", 2, "not name tracing::info");
    fires("src/domain/x.rs", "use std::{fmt, time::{Duration, Instant}};", 2, "std::time::Instant");
    fires("src/domain/x.rs", "use std::fs::File;", 2, "std::fs::File");
    quiet("src/domain/x.rs", "use serde::Serialize;\nuse std::{fmt, time::Duration};\nuse Random::rand;\n");
    let own = "pub mod rand;\npub use rand::Dice;\nuse super::tracing;\nuse tracing::Trace;\n";
    quiet("src/domain/x.rs", own);
    quiet("src/actors/x.rs", "use std::{fs::File, time::Instant};\nuse tracing::info;\n");
}

#[test]
fn the_store_and_the_gateways_know_only_the_domain() {
    fires("src/store/x.rs", "use crate::actors::shop::Shop;", 2, "must not name actors");
    fires("src/gateways/x.rs", "use crate::store::Journal;", 2, "must not name store");
    fires("src/store/a/b.rs", "use super::super::super::config::Settings;", 2, "must not name config");
    quiet("src/store/x.rs", "use crate::{domain::Money, store::Journal};\n");
    quiet("src/gateways/x.rs", "use crate::{domain::Money, gateways::Ledger};\n");
}

#[test]
fn the_actors_know_neither_http_nor_the_settings() {
    fires("src/actors/x.rs", "use crate::http::problem::Problem;", 2, "must not name http");
    fires("src/actors/x.rs", "fn f(s: &crate::config::Settings) {}", 2, "must not name config");
    quiet("src/actors/x.rs", "use crate::{actors::a, domain::Money, gateways::sms, store::Journal};\n");
    quiet("src/http/x.rs", "use crate::{actors::shop::Shop, config::Settings};\n");
}

#[test]
fn each_framework_has_one_home() {
    fires("src/config/open.rs", "fn f() { sled::open() }", 2, "only src/store/ may name sled");
    fires("src/cli/data.rs", "use redb::Database;", 2, "only src/store/ may name redb");
    fires("src/actors/x.rs", "use actix_web::web;", 2, "only src/http/ and src/cli/ may name actix_web");
    fires("src/http/x.rs", "#[derive(actix::Message)]\nstruct A;", 2, "may name actix");
    fires("src/http/x.rs", "use actix_rt::System;", 2, "may name actix_rt");
    quiet("src/config/open.rs", "use crate::store::{\n    memory::A,\n    sled::{B, SledJournal},\n};\n");
    quiet("src/store/x.rs", "use sled::Db;\n");
    quiet("src/cli/mod.rs", "fn main() { actix_web::rt::a(); actix_rt::spawn(); actix::spawn() }\n");
    quiet("tests/x.rs", "use actix::Actor;\n");
}

#[test]
fn a_file_begins_with_its_purpose_and_is_short() {
    let found = findings(&[("src/x.rs", "use std::fmt;\n")]);
    assert_eq!(found, ["src/x.rs:1: a file begins with //!"]);
    fires("benches/x.rs", &"\n".repeat(400), 401, "at most 400 lines, this one 401");
    quiet("benches/x.rs", &"\n".repeat(399));
}

#[test]
fn a_line_is_short_counted_in_characters() {
    fires("examples/x.rs", &format!("// {}", "샘".repeat(108)), 2, "at most 110 characters, this one 111");
    quiet("examples/x.rs", &format!("// {}", "샘".repeat(107)));
}

#[test]
fn a_function_is_short() {
    let function =
        |lines: usize| format!("fn f<A>(_: [u8; 2]) -> A {{\n{}}}\n", "    g();\n".repeat(lines - 2));
    fires("tests/x.rs", &function(71), 2, "f has 71");
    quiet("tests/x.rs", &format!("{}{}", function(70), function(70)));
    quiet("tests/x.rs", &format!("trait A {{\n    fn f(&self);\n{}}}\n", "    // f\n".repeat(70)));
}

#[test]
fn banned_calls_are_found_outside_tests() {
    for call in ["do_send", "flush_async", "thread::sleep", "todo!", "unimplemented!", "dbg!", "println!"] {
        fires("src/actors/x.rs", &format!("fn f() {{ {call}(1) }}"), 2, &format!("no {call}"));
    }
    fires("src/x.rs", "fn f() {\n    a\n        .unwrap();\n}", 4, "no .unwrap()");
    let after_tests = "#[cfg(test)]\nmod tests {}\nfn f<'a>(c: &'a str) { '\"'; c.unwrap() }";
    fires("src/x.rs", after_tests, 4, "no .unwrap()");
}

#[test]
fn banned_calls_are_let_be_where_they_belong() {
    quiet("src/actors/entity/exchange.rs", "fn f() { to.do_send(message) }\n");
    quiet("src/cli/mod.rs", "fn main() { println!(\"\") }\n");
    quiet("src/x.rs", "fn f() { eprintln!(\"dbg!\"); a.unwrap_or(1); /* todo!() */ }\n");
    quiet("src/x.rs", "#[cfg(test)]\nmod tests {\n    fn f() { a.unwrap(); dbg!(1) }\n}\n");
    quiet("tests/x.rs", "fn f() { a.unwrap(); println!(\"\") }\n");
    let child = format!("{HEAD}fn f() {{ a.unwrap() }}\n");
    assert_eq!(findings(&[("src/a/x_tests.rs", &child)]).len(), 1, "a name alone makes no test");
    for (parent, attribute, file) in [
        ("src/a/x.rs", "#[path = \"x_tests.rs\"]", "src/a/x_tests.rs"),
        ("src/a/mod.rs", "", "src/a/tests.rs"),
    ] {
        let declared = format!("{HEAD}#[cfg(test)]\n{attribute}\nmod tests;\n");
        assert!(findings(&[(parent, &declared), (file, &child)]).is_empty());
    }
}

#[test]
fn clocks_are_read_in_one_place_or_with_a_reason() {
    fires("src/actors/x.rs", "fn f() { SystemTime::now() }", 2, "no SystemTime::now");
    fires("src/actors/x.rs", "fn f() { tokio::time::Instant::now() }", 2, "no Instant::now");
    let excused = "#[expect(clippy::disallowed_methods, reason = \"x\")]\nfn f() {\n    Instant::now()\n}\n";
    quiet("src/actors/x.rs", excused);
    fires("src/actors/x.rs", &format!("{excused}fn g() {{ Instant::now() }}"), 6, "no Instant::now");
    quiet("src/actors/sources.rs", "fn f() { SystemTime::now(); Instant::now() }\n");
}

#[test]
fn no_test_is_ignored() {
    fires("tests/x.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}", 3, "no test is ignored");
    quiet("tests/x.rs", "// #[ignore]\n#[test]\nfn f() { ignore(\"#[ignore]\") }\n");
}

#[test]
fn words_are_checked_in_every_file() {
    let doubled = ["cance", "lled"].concat();
    let note = ["FIX", "ME"].concat();
    let found = findings(&[("docs/a.md", &format!("a\n{note} b\nIt was {}.\n", doubled.to_uppercase()))]);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("docs/a.md:2: no ") && found[1].starts_with("docs/a.md:3: one l"));
    let verb = ["cance", "lling"].concat();
    fires("src/x.rs", &format!("// {verb} a rental"), 2, "one l, not two");
    quiet("src/x.rs", &format!("// canceled, canceling, cancellation\nfn f() {{ e.is_{doubled}() }}\n"));
}

#[test]
fn a_dependency_is_named_once() {
    let twice = "[dependencies]\nserde = \"1\"\n# a = \"1\"\n\n[dev-dependencies]\nserde = \"1\"\n";
    let renamed = "[dependencies]\nserde = \"1\"\ns = { package = \"serde\", version = \"1\" }\n";
    for (manifest, line) in [(twice, 6), (renamed, 3)] {
        let rule = format!("Cargo.toml:{line}: serde is a dependency already (line 2)");
        assert_eq!(findings(&[("Cargo.toml", manifest)]), [rule]);
    }
    let more = "serde = { version = \"1\", features = [\"a\"] }\n";
    let more = format!("[dependencies]\nserde = \"1\"\n[dev-dependencies]\n{more}");
    assert!(findings(&[("Cargo.toml", &more)]).is_empty());
}

#[test]
fn a_module_of_the_library_has_its_file() {
    let lib = format!("{HEAD}pub mod actors;\nmod config;\npub mod gone;\nmod lost;\n");
    let found = findings(&[("src/lib.rs", &lib), ("src/actors/mod.rs", HEAD), ("src/config.rs", HEAD)]);
    assert_eq!(found, ["src/lib.rs:4: module gone has no file", "src/lib.rs:5: module lost has no file"]);
}

#[test]
fn a_path_in_a_document_exists() {
    let told =
        "See `src/a.rs:3`, `tests/api/`, `src/<name>.rs`, `cargo test` and src/b.rs.\n```\n`src/b.rs`\n```\n";
    let found = findings(&[("README.md", told), ("src/a.rs", HEAD), ("tests/api/main.rs", HEAD)]);
    assert!(found.is_empty(), "{found:?}");
    let found = findings(&[("docs/adr/1.md", "a\n`./src/b.rs` and `scripts/test --fast`\n")]);
    let lost = ["scripts/test", "src/b.rs"].map(|path| format!("docs/adr/1.md:2: {path} does not exist"));
    assert_eq!(found, lost);
}

#[test]
fn doc_comments_name_the_thing_first() {
    for question in ["What", "Who", "Whose", "Which", "How", "Whether", "Where", "Why"] {
        fires("src/x.rs", &format!("/// {question} it is.\nfn f() {{}}\n"), 2, "names the thing first");
    }
    fires("src/x.rs", "/// Name.\nfn f() {}\n", 2, "one word");
    fires("src/x.rs", "struct S {\n    /// Why.\n    s: u8,\n}\n", 3, "names the thing first");
    quiet("src/x.rs", "/// Returns the name.\n///\n/// Which\n/// Why.\nfn f() {}\n");
    quiet("src/x.rs", "// What a plain comment asks.\n//////\nfn f() {}\n");
}

#[test]
fn test_names_have_at_most_60_letters() {
    let (fits, long) = ("n".repeat(60), "n".repeat(61));
    fires("src/x.rs", &format!("#[test]\nfn {long}() {{}}\n"), 3, "at most 60 letters");
    fires("src/x.rs", &format!("#[tokio::test(a = true)]\nasync fn {long}() {{}}\n"), 3, "at most 60");
    quiet("src/x.rs", &format!("#[test]\nfn {fits}() {{}}\n\nfn {long}() {{}}\n"));
}

#[test]
fn a_word_that_names_nobody_is_refused_everywhere() {
    let word = ["Who", "ever"].concat();
    fires("src/x.rs", &format!("/* {word} reads this. */\nfn f() {{}}\n"), 2, "name the person");
    fires("docs/x.md", &format!("{word} reads this."), 2, "name the person");
}

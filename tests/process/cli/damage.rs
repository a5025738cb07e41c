//! A damaged store and a full disk: one line of error each.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use crate::kit::binary::{BINARY, Running, command, fails_with, saem};

/// Makes a closed store of redb.
fn demo(data: &Path) {
    drop(Running::start(saem(data).arg("--demo").env("SAEM_STORE__BACKEND", "redb")));
}

#[track_caller]
fn fails_in_one_line(output: Output, parts: &[&str]) {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    fails_with(output, parts);
}

#[test]
fn damage_that_makes_redb_panic_is_one_line() {
    let directory = tempfile::tempdir().unwrap();
    demo(directory.path());
    let file = directory.path().join("journal.redb");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..5_000]).unwrap();
    let path = directory.path().to_str().unwrap();
    for tool in ["serve", "compact", "verify", "export"] {
        let mut command = command(&[tool, "--data", path]);
        // As in a service: a panic would print its frames.
        let output =
            command.envs([("SAEM_STORE__BACKEND", "redb"), ("RUST_BACKTRACE", "1")]).output().unwrap();
        fails_in_one_line(output, &["is damaged: redb panicked"]);
    }
    assert_eq!(fs::metadata(&file).unwrap().len(), 5_000);
}

#[test]
fn compact_without_space_fails_and_leaves_no_file() {
    let directory = tempfile::tempdir().unwrap();
    demo(directory.path());
    let path = directory.path().to_str().unwrap();
    let compact = |limit: &str| {
        let mut command = Command::new("sh");
        // A write beyond 128 blocks of a file is an error.
        command.args(["-c", &format!("{limit} exec \"$0\" compact --data \"$1\"")]);
        command.args([BINARY, path]);
        command.envs([("SAEM_STORE__BACKEND", "redb"), ("SAEM_LOG", "warn")]).output().unwrap()
    };
    let no_room = compact("trap '' XFSZ; ulimit -f 128;");
    fails_in_one_line(no_room, &[path, "cannot be used: journal.redb.new cannot be written"]);
    assert!(!directory.path().join("journal.redb.new").exists());
    let again = compact("");
    assert_eq!(again.status.code(), Some(0), "{again:?}");
}

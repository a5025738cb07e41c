//! What is said of a damaged store, and of a disk that takes no more: one line each, and which of the two.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use super::running::{Running, fails_with, saem};

/// A small store of redb's, closed.
fn demo(data: &Path) {
    drop(Running::start(saem(data).arg("--demo").env("SAEM_STORE__BACKEND", "redb")));
}

/// One line, in the words of an error and not of a log.
#[track_caller]
fn fails_in_one_line(output: Output, parts: &[&str]) {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    fails_with(output, parts);
}

#[test]
fn damage_that_redb_panics_over_is_one_line() {
    let directory = tempfile::tempdir().unwrap();
    demo(directory.path());
    let file = directory.path().join("journal.redb");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..5_000]).unwrap();
    let path = directory.path().to_str().unwrap();
    for tool in ["serve", "compact", "verify", "export"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_saem"));
        command.args([tool, "--data", path]).envs([("SAEM_STORE__BACKEND", "redb"), ("SAEM_LOG", "warn")]);
        // As a service has it: a panic would come with all of its frames.
        let output = command.env("RUST_BACKTRACE", "1").output().unwrap();
        fails_in_one_line(output, &["is damaged: redb panicked"]);
    }
    assert_eq!(fs::metadata(&file).unwrap().len(), 5_000);
}

#[test]
fn a_compaction_that_finds_no_room_says_so_and_leaves_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    demo(directory.path());
    let path = directory.path().to_str().unwrap();
    let compact = |limit: &str| {
        let mut command = Command::new("sh");
        // No file may grow beyond 128 blocks, and a write that would is an error.
        command.args(["-c", &format!("{limit} exec \"$0\" compact --data \"$1\"")]);
        command.args([env!("CARGO_BIN_EXE_saem"), path]);
        command.envs([("SAEM_STORE__BACKEND", "redb"), ("SAEM_LOG", "warn")]).output().unwrap()
    };
    let no_room = compact("trap '' XFSZ; ulimit -f 128;");
    fails_in_one_line(no_room, &[path, "cannot be used: journal.redb.new cannot be written"]);
    assert!(!directory.path().join("journal.redb.new").exists());
    let again = compact("");
    assert_eq!(again.status.code(), Some(0), "{again:?}");
}

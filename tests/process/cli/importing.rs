//! Interrupted imports: the next one starts anew, and leaves foreign files alone.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Output, Stdio},
};

use super::tools::{import, imported};
use crate::kit::{
    binary::{Running, fails_with, saem, says, tool},
    eventually,
};

/// An export of a shop with three products.
fn exported(directory: &Path) -> String {
    let data = directory.join("data");
    Running::start(saem(&data).arg("--demo")).0.end();
    says(&mut tool("export", &data))
}

fn names(directory: &Path) -> Vec<String> {
    let names = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

/// Leaves the directory like an import that was killed after moving all but these files and `FORMAT`.
fn interrupt(into: &Path, left: &[&str]) {
    fs::create_dir(into.join("importing")).unwrap();
    fs::write(into.join("importing/moving"), "journal\njournal.mark\noperator.key\nsimulator.ledger\n")
        .unwrap();
    for name in left.iter().chain(&["FORMAT"]) {
        fs::rename(into.join(name), into.join("importing").join(name)).unwrap();
    }
}

#[test]
fn import_killed_while_it_moved_files_is_repeated() {
    let directory = tempfile::tempdir().unwrap();
    let (whole, into) = (exported(directory.path()), directory.path().join("into"));
    imported(&whole, &into);
    let made = names(&into);
    assert_eq!(made, ["FORMAT", "journal", "journal.mark", "operator.key", "simulator.ledger"]);
    for left in [&[][..], &["journal"], &["operator.key", "simulator.ledger"]] {
        interrupt(&into, left);
        fails_with(saem(&into).output().unwrap(), &["no FORMAT file"]);
        imported(&whole, &into);
        assert_eq!(names(&into), made, "{left:?}");
        assert_eq!(says(&mut tool("export", &into)), whole);
    }
    // What is not on its list, or not moved yet, is somebody else's.
    for (left, theirs) in [(&[][..], "holiday.jpg"), (&["operator.key"][..], "operator.key")] {
        interrupt(&into, left);
        fs::write(into.join(theirs), "theirs").unwrap();
        let before = names(&into);
        fails_with(import(&whole, &into), &["into", "not empty"]);
        assert_eq!(names(&into), before);
        fs::remove_file(into.join(theirs)).unwrap();
        imported(&whole, &into);
    }
    // It was all there: only what it was made in was left.
    fs::create_dir(into.join("importing")).unwrap();
    fs::write(into.join("importing/moving"), "journal\njournal.mark\noperator.key\nsimulator.ledger\n")
        .unwrap();
    fails_with(import(&whole, &into), &["into", "not empty"]);
    assert_eq!(says(&mut tool("export", &into)), whole);
}

#[tokio::test]
async fn import_that_fails_while_it_moves_leaves_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let (whole, into) = (exported(directory.path()), directory.path().join("into"));
    let (before, trailer) = whole.split_at(whole.rfind("{\"trailer\"").unwrap());
    let mut command = tool("import", &into);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    let mut input = process.stdin.take().unwrap();
    input.write_all(before.as_bytes()).unwrap();
    eventually("it has begun", || async { into.join("importing/journal").exists().then_some(()) }).await;
    // In the way of what is moved.
    fs::create_dir_all(into.join("journal/theirs")).unwrap();
    input.write_all(trailer.as_bytes()).unwrap();
    drop(input);
    let output: Output = process.wait_with_output().unwrap();
    fails_with(output, &["the import failed"]);
    assert_eq!(names(&into), ["journal"], "what was not its own");
    assert_eq!(names(&into.join("journal")), ["theirs"]);
    fs::remove_dir_all(into.join("journal")).unwrap();
    imported(&whole, &into);
}

//! Rules for prose: doc comments name the thing first, test names stay short, and so do commit subjects.

use std::{path::Path, process::Command};

use crate::Finding;

/// Words that a doc comment must not open with: they ask a question instead of naming the thing.
const QUESTIONS: [&str; 8] = ["What", "Who", "Whose", "Which", "How", "Whether", "Where", "Why"];
const TEST_NAME_MAX: usize = 60;
const SUBJECT_MAX: usize = 72;
/// The file whose first commit starts the rule for commit subjects.
const HOOK: &str = "scripts/commit-msg";

/// Findings in the doc comments and test names of a file of Rust code.
pub(crate) fn code(path: &str, text: &str) -> Vec<Finding> {
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let mut refuse = |rule: String| found.push(Finding::new(path, at + 1, rule));
        if let Some((marker, said)) = doc(line) {
            let continues = |neighbor: Option<&&str>| {
                neighbor.and_then(|line| doc(line)).is_some_and(|(other, _)| other == marker)
            };
            if continues(at.checked_sub(1).and_then(|before| lines.get(before))) {
                continue;
            }
            let mut words = said.split_whitespace();
            let first = words.next().unwrap_or_default().trim_end_matches(['.', ',', ':', ';']);
            if QUESTIONS.contains(&first) {
                refuse(format!("a doc comment names the thing first, and does not open with {first}"));
            } else if words.next().is_none() && !continues(lines.get(at + 1)) {
                refuse("a doc comment of one word says nothing: delete it, or say more".to_owned());
            }
        } else if let Some(name) = long_test_name(&lines, at) {
            refuse(format!("a test name has at most {TEST_NAME_MAX} letters: {name}"));
        }
    }
    found
}

/// The marker and the text of a doc comment's line.
fn doc(line: &str) -> Option<(&'static str, &str)> {
    let found = ["///", "//!"].into_iter().find_map(|marker| Some((marker, line.strip_prefix(marker)?)));
    found.filter(|(_, said)| !said.starts_with('/'))
}

/// The name of the test function on this line, if it is too long.
fn long_test_name<'a>(lines: &[&'a str], at: usize) -> Option<&'a str> {
    let declared = lines[at].strip_prefix("async ").unwrap_or(lines[at]).strip_prefix("fn ")?;
    let name = declared.split(['(', '<']).next()?;
    let attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
    let is_test = attributes.into_iter().any(|line| {
        let name = line.trim_start_matches("#[").split(['(', ']']).next().unwrap_or_default();
        name == "test" || name.ends_with("::test")
    });
    (is_test && name.chars().count() > TEST_NAME_MAX).then_some(name)
}

/// A word that stays out of every file, since its sentences name nobody.
pub(crate) fn words(path: &str, text: &str) -> Vec<Finding> {
    // Put together here, so that this file does not break its own rule.
    let word = ["who", "ever"].concat();
    let lines = (1..).zip(text.lines()).filter(|(_, line)| line.to_lowercase().contains(&word));
    lines
        .map(|(line, _)| Finding::new(path, line, format!("no {word}: name the person or the part")))
        .collect()
}

/// The subjects that are too long, of all that are given.
fn long_subjects(subjects: &str) -> Vec<&str> {
    subjects.lines().filter(|subject| subject.chars().count() > SUBJECT_MAX).collect()
}

/// Runs git in this repository; `None` where there is no git or no repository.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn commit_subjects_have_at_most_72_characters() {
    if !Path::new(env!("CARGO_MANIFEST_DIR")).join(".git").exists() {
        println!("skipped: there is no .git here, so the commits are unknown");
        return;
    }
    let Some(added) = git(&["log", "--diff-filter=A", "--format=%H", "--", HOOK]) else {
        println!("skipped: git does not run here, so the commits are unknown");
        return;
    };
    // A shallow clone may not reach the commit that added the rule: then all that it has are newer.
    let is_shallow = git(&["rev-parse", "--is-shallow-repository"]).is_some_and(|said| said.trim() == "true");
    let since = match added.lines().last() {
        Some(first) => format!("{first}..HEAD"),
        None if is_shallow => "HEAD".to_owned(),
        None => "HEAD..HEAD".to_owned(),
    };
    let subjects = git(&["log", "--format=%s", &since]).expect("a commit that git named can be read");
    let long = long_subjects(&subjects);
    assert!(long.is_empty(), "subjects of more than {SUBJECT_MAX} characters:\n{}", long.join("\n"));
}

#[test]
fn long_commit_subjects_are_refused() {
    let (fits, long) = ("샘".repeat(SUBJECT_MAX), "s".repeat(SUBJECT_MAX + 1));
    assert_eq!(long_subjects(&format!("{fits}\n{long}\n")), [long.as_str()]);
    let hook = |subject: &str| {
        let message = std::env::temp_dir().join(format!("saem-commit-msg-{}", subject.chars().count()));
        std::fs::write(
            &message,
            format!("{subject}\n\nThe body may be longer than {SUBJECT_MAX} characters, of course it may.\n"),
        )
        .expect("the temporary directory takes a file");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(HOOK);
        let ran = Command::new("bash").arg(script).arg(&message).output().expect("bash runs");
        std::fs::remove_file(message).expect("the file was written above");
        ran.status.success()
    };
    assert!(hook(&fits));
    assert!(!hook(&long));
}

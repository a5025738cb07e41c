//! The READMEs and `docs/operations.md`: their commands, run against the binary, print what they say.
//!
//! What differs from run to run (ids, times) is masked on both sides. With `BLESS_README=1` the output in the
//! documents is rewritten instead.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use crate::kit::binary::{BINARY, Running, command, url};

/// A command, and its output by the document.
struct Step {
    command: String,
    output: String,
}

/// A part of a document.
enum Part {
    Text(String),
    Step(Step),
}

fn parts(readme: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut in_console = false;
    for line in readme.lines() {
        match (in_console, line.strip_prefix("$ ")) {
            (true, Some(command)) => {
                parts.push(Part::Step(Step { command: command.to_owned(), output: String::new() }));
                continue;
            }
            (true, None) if line != "```" => {
                if let Some(Part::Step(step)) = parts.last_mut() {
                    step.output.push_str(line);
                    step.output.push('\n');
                }
                continue;
            }
            _ => in_console = line == "```console",
        }
        parts.push(Part::Text(format!("{line}\n")));
    }
    parts
}

/// One shell for all commands of a document, which share its variables.
struct Shell {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

const END: &str = "--- end of output ---";

impl Shell {
    fn start(directory: &Path) -> Self {
        let mut shell = Command::new("bash");
        // Documents call the binary by its name.
        let mut path = Path::new(BINARY).parent().unwrap().as_os_str().to_owned();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        shell.env("PATH", path).current_dir(directory).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = shell.spawn().unwrap();
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Self { process, input, output: BufReader::new(output) }
    }

    fn run(&mut self, command: &str) -> String {
        writeln!(self.input, "{command}; echo; echo '{END}'").unwrap();
        let mut output = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the shell ended in: {command}");
            if line.trim_end() == END {
                let output = output.trim_end();
                return if output.is_empty() { String::new() } else { format!("{output}\n") };
            }
            output.push_str(&line);
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The output with `…` for ids, traces, times and sizes, which differ from run to run.
fn masked(output: &str) -> String {
    let mut masked = String::new();
    for word in output.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && !"_-:.".contains(c)) {
        let bare = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let rest = &word[bare.len()..];
        let id = bare.rsplit_once('_').is_some_and(|(_, suffix)| suffix.len() >= 26);
        let hex = bare.len() >= 32 && bare.bytes().all(|b| b.is_ascii_hexdigit());
        let time = bare.len() == 24 && bare.ends_with('Z') && bare.starts_with("20");
        let size = bare.len() >= 6 && bare.bytes().all(|b| b.is_ascii_digit());
        masked.push_str(if id || hex || time || size { "…" } else { bare });
        masked.push_str(rest);
    }
    masked
}

fn start(directory: &Path) -> (Running, String) {
    let mut command = command(&["serve", "--demo", "--listen", "127.0.0.1:0"]);
    // A repeated command is no part of what the README shows.
    command
        .env("SAEM_LIMITS__REQUESTS_PER_SECOND", "0")
        .env("SAEM_FAULTS__ENABLED", "true")
        .env("SAEM_LOG", "error")
        .env("RUST_BACKTRACE", "0")
        .current_dir(directory)
        .stdout(Stdio::piped());
    let (server, said) = Running::start(&mut command);
    let address = url(&said).trim_start_matches("http://").to_owned();
    (server, address)
}

/// Runs of a step at most: rentals continue asynchronously.
const TRIES: usize = 200;

/// Runs a step; if it only reads, until it prints what is expected.
fn outcome(shell: &mut Shell, command: &str, expected: &str) -> String {
    let repeatable = command.starts_with("curl") && !command.contains("-d '") && !command.contains("-X");
    let mut output = shell.run(command);
    for _ in 0..TRIES {
        if masked(&output) == masked(expected) || !repeatable {
            break;
        }
        output = shell.run(command);
    }
    output
}

/// Readers run the commands in a clone: Git must ignore the files that they leave.
fn git_ignores_everything_in(directory: &Path) {
    let root = env!("CARGO_MANIFEST_DIR");
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let slash = if entry.file_type().unwrap().is_dir() { "/" } else { "" };
        let name = format!("{}{slash}", entry.file_name().display());
        let git = Command::new("git").args(["-C", root, "check-ignore", "--quiet", &name]).status();
        // Other codes: this is no clone.
        let unknown = git.is_ok_and(|status| status.code() == Some(1));
        assert!(!unknown, "{name} is not in .gitignore");
    }
}

fn prints_what_it_says(file: &str) {
    if Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_err() {
        eprintln!("skipped: there is no curl here");
        return;
    }
    let bless = std::env::var_os("BLESS_README").is_some();
    let directory = tempfile::tempdir().unwrap();
    let (_server, address) = start(directory.path());
    let mut shell = Shell::start(directory.path());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let (mut blessed, mut steps) = (String::new(), 0);
    for part in parts(&fs::read_to_string(&path).unwrap()) {
        match part {
            Part::Text(text) => blessed.push_str(&text),
            Part::Step(Step { command, output }) => {
                steps += 1;
                let here = command.replace("127.0.0.1:8080", &address);
                let real = if bless {
                    shell.run(&format!("sleep 0.5; {here}"))
                } else {
                    outcome(&mut shell, &here, &output)
                };
                assert!(
                    bless || masked(&real) == masked(&output),
                    "{file}: {command}\n{real}\nnot\n{output}"
                );
                blessed.push_str(&format!("$ {command}\n{real}"));
            }
        }
    }
    assert!(steps >= 20, "{file} has {steps} steps");
    git_ignores_everything_in(directory.path());
    if bless {
        fs::write(path, blessed).unwrap();
    }
}

#[test]
fn commands_of_the_english_readme_print_what_it_says() {
    prints_what_it_says("README.md");
}

#[test]
fn commands_of_the_korean_readme_print_what_it_says() {
    prints_what_it_says("README.ko.md");
}

#[test]
fn commands_of_the_operations_guide_print_what_it_says() {
    prints_what_it_says("docs/operations.md");
}

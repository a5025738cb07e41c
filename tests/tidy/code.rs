//! The shape of Rust files, and the calls that are banned from the server's code.

use crate::{Finding, source::Source};

const FILE_LINES_MAX: usize = 400;
const LINE_CHARS_MAX: usize = 110;
const FUNCTION_LINES_MAX: usize = 70;

/// Files, lines and functions are short, and a file says first what it is for.
pub(crate) fn shape(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    if !source.text.starts_with("//!") {
        found.push(Finding::new(&source.path, 1, "a file begins with //!"));
    }
    let lines = source.text.lines().count();
    if lines > FILE_LINES_MAX {
        let rule = format!("a file has at most {FILE_LINES_MAX} lines, this one {lines}");
        found.push(Finding::new(&source.path, lines, rule));
    }
    for (line, text) in (1..).zip(source.text.lines()) {
        let chars = text.chars().count();
        if chars > LINE_CHARS_MAX {
            let rule = format!("a line has at most {LINE_CHARS_MAX} characters, this one {chars}");
            found.push(Finding::new(&source.path, line, rule));
        }
    }
    for line in source.lines_with("#[ignore") {
        found.push(Finding::new(&source.path, line, "no test is ignored: mend it or delete it"));
    }
    found.extend(functions(source));
    found
}

fn functions(source: &Source) -> Vec<Finding> {
    let mut found = Vec::new();
    for (at, pair) in source.tokens.windows(2).enumerate() {
        if pair[0].text != "fn" || !pair[1].is_word() {
            continue;
        }
        let mut open = at;
        while !matches!(source.tokens.get(open).map(|token| token.text.as_str()), None | Some("{" | ";")) {
            let brackets = matches!(source.tokens[open].text.as_str(), "(" | "[");
            open = if brackets { source.closing(open) + 1 } else { open + 1 };
        }
        if source.tokens.get(open).is_none_or(|token| token.text == ";") {
            continue;
        }
        let lines = source.tokens[source.closing(open)].line - pair[0].line + 1;
        if lines > FUNCTION_LINES_MAX {
            let name = &pair[1].text;
            let rule = format!("a function has at most {FUNCTION_LINES_MAX} lines, {name} has {lines}");
            found.push(Finding::new(&source.path, pair[0].line, rule));
        }
    }
    found
}

/// A call that the server's code does without.
struct Ban {
    code: &'static str,
    /// The one file, or folder, that may.
    but_in: &'static str,
    why: &'static str,
}

const fn ban(code: &'static str, but_in: &'static str, why: &'static str) -> Ban {
    Ban { code, but_in, why }
}

const BANS: [Ban; 10] = [
    ban(
        "do_send",
        "src/actors/entity/exchange.rs",
        "it ignores the mailbox's capacity: send through the exchange",
    ),
    ban("flush_async", "", "it hangs under load: flush on the writer's thread"),
    ban("SystemTime::now", "src/actors/sources.rs", "time comes from the injected sources"),
    ban("Instant::now", "src/actors/sources.rs", "time comes from the injected sources"),
    ban(".unwrap()", "", "return an error, or expect() with the invariant"),
    ban("thread::sleep", "", "it blocks every actor of its thread"),
    ban("todo!", "", "finish it, or leave it out"),
    ban("unimplemented!", "", "finish it, or leave it out"),
    ban("dbg!", "", "use tracing"),
    ban("println!", "src/cli/", "use tracing"),
];

/// Banned calls in `src`, outside tests. `only_tests` says that all of the file is one.
pub(crate) fn banned(source: &Source, only_tests: bool) -> Vec<Finding> {
    if only_tests || !source.path.starts_with("src/") {
        return Vec::new();
    }
    let tests = source.lines_under("#[cfg(test)]");
    // Clippy looks at these calls too; where it was told to expect one, the reason stands there.
    let excused = source.lines_under("#[expect(clippy::disallowed_methods");
    let mut found = Vec::new();
    for Ban { code, but_in, why } in BANS {
        for line in source.lines_with(code) {
            let clock = code.ends_with("::now") && excused.iter().any(|lines| lines.contains(&line));
            let home = !but_in.is_empty() && source.path.starts_with(but_in);
            let in_tests = tests.iter().any(|lines| lines.contains(&line));
            if !home && !clock && !in_tests {
                found.push(Finding::new(&source.path, line, format!("no {code}: {why}")));
            }
        }
    }
    found
}

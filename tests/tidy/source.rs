//! Rust source as the rules see it: tokens without comments, paths that are named, regions of lines.

use std::ops::RangeInclusive;

/// An identifier, number, string (with its quotes), lifetime, `::`, or a single sign.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

impl Token {
    pub(crate) fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// A path that code names, in a `use` or in passing, such as `crate::domain::Money`.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    pub(crate) path: Vec<String>,
    pub(crate) line: usize,
    pub(crate) imported: bool,
}

/// One `.rs` file.
pub(crate) struct Source {
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) tokens: Vec<Token>,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), tokens: tokens(text) }
    }

    /// The lines on which `code` begins, whatever its spacing.
    pub(crate) fn lines_with(&self, code: &str) -> Vec<usize> {
        self.places_of(code).into_iter().map(|at| self.tokens[at].line).collect()
    }

    /// The lines of every item that stands under `attribute`, such as `#[cfg(test)]`.
    pub(crate) fn lines_under(&self, attribute: &str) -> Vec<RangeInclusive<usize>> {
        let range = |at: usize| self.tokens[at].line..=self.tokens[self.item_end(at)].line;
        self.places_of(attribute).into_iter().map(range).collect()
    }

    /// Files that are modules of this one only in tests (`#[cfg(test)] mod x;`, with or without a path).
    pub(crate) fn test_files(&self) -> Vec<String> {
        let mut files = Vec::new();
        let folder = self.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for at in self.places_of("#[cfg(test)]") {
            let item = &self.tokens[at..=self.item_end(at)];
            if item.last().is_none_or(|token| token.text != ";") {
                continue;
            }
            let quoted = item.iter().find(|token| token.text.starts_with('"'));
            let name = item.iter().skip_while(|token| token.text != "mod").nth(1);
            if let Some(quoted) = quoted {
                files.push(format!("{folder}/{}", quoted.text.trim_matches('"')));
            } else if let Some(name) = name {
                let own = self.path.trim_end_matches(".rs").trim_end_matches("/mod").trim_end_matches("/lib");
                files.push(format!("{own}/{}.rs", name.text));
            }
        }
        files
    }

    /// Every path that is named, `use` trees taken apart.
    pub(crate) fn named(&self) -> Vec<Named> {
        let mut named = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            let begins =
                self.tokens[at].is_word() && (!self.is(at.wrapping_sub(1), "::") || self.is_rooted(at));
            if self.is(at, "use") && !self.is(at + 1, "<") {
                at = self.use_tree(at + 1, Vec::new(), &mut named);
            } else if begins && self.is(at + 1, "::") {
                let (mut path, line) = (vec![self.tokens[at].text.clone()], self.tokens[at].line);
                while self.is(at + 1, "::") && self.tokens.get(at + 2).is_some_and(Token::is_word) {
                    path.push(self.tokens[at + 2].text.clone());
                    at += 2;
                }
                named.push(Named { path, line, imported: false });
                at += 1;
            } else {
                at += 1;
            }
        }
        named
    }

    /// Names that this file declares or imports: modules and items.
    pub(crate) fn own_names(&self) -> Vec<String> {
        let declared = self.tokens.windows(2).filter(|pair| pair[0].text == "mod" && pair[1].is_word());
        let mut own: Vec<String> = declared.map(|pair| pair[1].text.clone()).collect();
        own.extend(self.named().into_iter().filter(|named| named.imported).filter_map(|mut named| {
            let last = named.path.pop();
            last.filter(|_| !named.path.is_empty())
        }));
        own
    }

    /// Returns true if the word at `at` follows a leading `::`, as in `::sled::Db`.
    fn is_rooted(&self, at: usize) -> bool {
        let before = at.checked_sub(2).and_then(|at| self.tokens.get(at));
        before.is_none_or(|token| !token.is_word() && token.text != ">")
    }

    fn is(&self, at: usize, text: &str) -> bool {
        self.tokens.get(at).is_some_and(|token| token.text == text)
    }

    /// Reads one branch of a `use` tree from `at`; the end is the first token after it.
    fn use_tree(&self, mut at: usize, mut path: Vec<String>, named: &mut Vec<Named>) -> usize {
        let mut line = self.tokens.get(at).map_or(0, |token| token.line);
        while let Some(token) = self.tokens.get(at) {
            match token.text.as_str() {
                "::" => at += 1,
                "as" => at += 2,
                "{" => {
                    at += 1;
                    while at < self.tokens.len() && !self.is(at, "}") {
                        let next = self.use_tree(at, path.clone(), named);
                        at = if next == at || self.is(next, ",") { next + 1 } else { next };
                    }
                    return at + 1;
                }
                text if token.is_word() || text == "*" => {
                    path.push(text.to_owned());
                    line = token.line;
                    at += 1;
                }
                _ => break,
            }
        }
        if !path.is_empty() {
            named.push(Named { path, line, imported: true });
        }
        at
    }

    fn places_of(&self, code: &str) -> Vec<usize> {
        let wanted = tokens(code);
        let same = |window: &[Token]| window.iter().zip(&wanted).all(|(have, want)| have.text == want.text);
        let windows = self.tokens.windows(wanted.len()).enumerate();
        windows.filter(|(_, window)| same(window)).map(|(at, _)| at).collect()
    }

    /// The last token of the item whose first attribute begins at `at`.
    fn item_end(&self, mut at: usize) -> usize {
        while self.is(at, "#") && self.is(at + 1, "[") {
            at = self.closing(at + 1) + 1;
        }
        while at < self.tokens.len() {
            match self.tokens[at].text.as_str() {
                ";" => return at,
                "(" | "[" => at = self.closing(at),
                "{" => {
                    let end = self.closing(at);
                    return if self.is(end + 1, ";") { end + 1 } else { end };
                }
                ")" | "]" | "}" => break,
                _ => {}
            }
            at += 1;
        }
        at.min(self.tokens.len() - 1)
    }

    /// The bracket that closes the one at `open`; the last token if none does.
    pub(crate) fn closing(&self, open: usize) -> usize {
        let mut depth = 0_usize;
        for (at, token) in self.tokens.iter().enumerate().skip(open) {
            match token.text.as_str() {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => continue,
            }
            if depth == 0 {
                return at;
            }
        }
        self.tokens.len() - 1
    }
}

/// Takes `text` apart. Comments are dropped; a string is one token, so that no rule looks into it.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let (mut tokens, mut at, mut line) = (Vec::new(), 0, 1);
    while at < chars.len() {
        let end = at + length(&chars[at..]);
        let piece: String = chars[at..end].iter().collect();
        if !piece.starts_with("//") && !piece.starts_with("/*") && !piece.starts_with(char::is_whitespace) {
            tokens.push(Token { text: piece.clone(), line });
        }
        line += piece.matches('\n').count();
        at = end;
    }
    tokens
}

/// Length of the token at the head of `rest`, in characters; at least one.
fn length(rest: &[char]) -> usize {
    let second = rest.get(1).copied().unwrap_or(' ');
    match rest[0] {
        '/' if second == '/' => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
        '/' if second == '*' => block_comment(rest),
        ':' if second == ':' => 2,
        '"' => quoted(rest, '"'),
        '\'' if second == '\\' || rest.get(2) == Some(&'\'') => quoted(rest, '\''),
        '\'' => 1 + word(&rest[1..]),
        c if c.is_alphanumeric() || c == '_' => {
            let word = word(rest);
            let raw = matches!(rest[..word], ['r'] | ['b' | 'c', 'r']);
            if raw { word + raw_string(&rest[word..]) } else { word }
        }
        _ => 1,
    }
}

fn word(rest: &[char]) -> usize {
    rest.iter().position(|c| !c.is_alphanumeric() && *c != '_').unwrap_or(rest.len())
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != quote {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// The length of `#"…"#` after the `r`; 0 if that is no raw string.
fn raw_string(rest: &[char]) -> usize {
    let hashes = rest.iter().take_while(|c| **c == '#').count();
    if rest.get(hashes) != Some(&'"') {
        return 0;
    }
    let closes =
        |at: usize| rest[at] == '"' && rest[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes;
    (hashes + 1..rest.len()).find(|at| closes(*at)).map_or(rest.len(), |at| at + 1 + hashes)
}

fn block_comment(rest: &[char]) -> usize {
    let (mut at, mut depth) = (0, 0_usize);
    while at < rest.len() {
        match (rest[at], rest.get(at + 1)) {
            ('/', Some('*')) => (at, depth) = (at + 2, depth + 1),
            ('*', Some('/')) => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

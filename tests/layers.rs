//! Holds the map of the crate: which module may use which, who may print, read the environment or
//! the time, and how long a file may be. It reads the sources as text, so that a breach shows in
//! the review of the change that makes it and not years later.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each folder (or file) directly below `src`, with its layer. A module uses lower numbers only.
const LAYERS: &[(&str, u8)] = &[
    ("model", 1),
    ("progress", 2),
    ("format", 2),
    ("files", 2),
    ("store", 3),
    ("state", 3),
    ("manifest", 4),
    ("repository", 4),
    ("guard", 4),
    ("backup", 5),
    ("recovery", 5),
    ("retention", 5),
    ("check", 5),
    ("browse", 5),
    ("disaster", 6),
    ("notify", 6),
    ("config", 6),
    ("server", 7),
    ("emulator", 7),
    ("daemon", 7),
    ("cli", 8),
    ("main", 9),
    ("lib", 9),
];

/// Within one layer these are allowed, and no others.
const SAME_LAYER: &[(&str, &str)] = &[
    // A snapshot's record carries the problems of its run.
    ("format", "progress"),
    // Walking and placing tell what they leave out.
    ("files", "progress"),
    // Both servers ask for the same login.
    ("emulator", "server"),
];

/// Against the order of layers these are forbidden: what restores and checks does it from the
/// remote alone, so that a lost manifest loses nothing.
const NEVER: &[(&str, &str)] =
    &[("recovery", "manifest"), ("check", "manifest"), ("browse", "manifest"), ("disaster", "manifest")];

/// Who may print and read the environment.
const TALKERS: &[&str] = &["cli", "main"];
/// Who may read the time, beside the command line, which measures how long it took.
const CLOCK: &str = "model/clock.rs";
const MOST_LINES: usize = 600;

/// A name, or one character of punctuation.
type Token = String;

#[test]
fn every_module_keeps_to_its_layer() {
    let mut breaches = Vec::new();
    for (path, text) in sources() {
        breaches.extend(breaches_of(&path, &text));
    }
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn the_table_names_each_layer_once() {
    let names: BTreeSet<_> = LAYERS.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), LAYERS.len());
    for (from, to) in SAME_LAYER {
        assert_eq!(layer(from), layer(to), "{from} and {to} are in no need of an exception");
    }
}

#[test]
fn a_breach_of_each_kind_is_found() {
    let cases: &[(&str, &str, &str)] = &[
        ("model/a.rs", "use crate::store::Store;", "uses `store`"),
        ("format/a.rs", "use crate::{model::id::ChunkId, files::{walk, filter}};", "uses `files`"),
        ("format/a/b.rs", "fn f() { crate::repository::open() }", "uses `repository`"),
        ("format/a.rs", "use super::super::store::Store;", "uses `store`"),
        ("manifest/mod.rs", "mod inner { use super::super::repository::Repository; }", "uses `repository`"),
        ("recovery/a.rs", "use crate::manifest::Manifests;", "must never see `manifest`"),
        ("backup/a.rs", "use crate::recovery::RecoveryService;", "uses `recovery`"),
        ("store/a.rs", "use crate::state::Database;", "uses `state`"),
        ("newcomer/a.rs", "", "add `newcomer` to the table"),
        ("model/a.rs", "use crate::newcomer::X;", "unknown module `newcomer`"),
        ("backup/a.rs", "fn f() { println!(\"x\") }", "prints"),
        ("store/a.rs", "use std::{env, fs};", "reads the environment"),
        ("store/a.rs", "fn f() { std::env::var(\"HOME\"); }", "reads the environment"),
        ("state/a.rs", "fn f() { let now = SystemTime::now(); }", "reads the time"),
        ("model/time.rs", "fn f() { chrono::Utc::now() }", "reads the time"),
        ("model/a.rs", "// not a doc comment", "does not open with `//!`"),
    ];
    for (path, source, expected) in cases {
        let opened = if source.starts_with("//") { String::new() } else { "//! Why it exists.\n".to_owned() };
        let breaches = breaches_of(path, &(opened + source));
        assert!(breaches.iter().any(|breach| breach.contains(expected)), "{path}: {source}: {breaches:?}");
        assert_eq!(breaches.len(), 1, "{breaches:?}");
    }
    let long = format!("//! Long.\n{}", "\n".repeat(MOST_LINES));
    assert_eq!(breaches_of("model/a.rs", &long).len(), 1);
}

#[test]
fn what_is_allowed_is_no_breach() {
    let cases: &[(&str, &str)] = &[
        ("repository/a.rs", "use crate::{format::{names, pack}, model::id::ObjectId, repository::index};"),
        ("format/record.rs", "use crate::progress::Problem;"),
        ("manifest/mod.rs", "mod tests { use super::*; }"),
        ("store/webdav/a.rs", "use super::super::{ErrorKind, StoreError};"),
        ("model/clock.rs", "fn f() { SystemTime::now(); }"),
        ("cli/a.rs", "use std::env; fn f() { println!(\"{}\", Instant::now()); }"),
        ("repository/a.rs", "const V: &str = env!(\"CARGO_PKG_VERSION\"); fn f() { option_env!(\"X\"); }"),
        ("model/a.rs", "/* use crate::cli; /* nested */ */ // crate::store\nconst S: &str = \"crate::cli\";"),
        (
            "model/a.rs",
            "const S: &str = r#\"a \" crate::cli println!()\"#; const B: &[u8] = br#\"\"#; const Q: char = '\"'; fn f<'a>() {}",
        ),
        ("main.rs", "fn main() { filbert::cli::run(std::env::args_os()) }"),
    ];
    for (path, source) in cases {
        let breaches = breaches_of(path, &format!("//! Why it exists.\n{source}"));
        assert!(breaches.is_empty(), "{source}: {breaches:?}");
    }
}

/// What is wrong with a file at `path` below `src`.
fn breaches_of(path: &str, text: &str) -> Vec<String> {
    let mut breaches = Vec::new();
    if !text.starts_with("//!") {
        breaches.push(format!("{path} does not open with `//!` that says why it exists"));
    }
    let lines = text.lines().count();
    if lines > MOST_LINES {
        breaches.push(format!("{path} has {lines} lines, more than {MOST_LINES}: one idea per file"));
    }
    let module = top_module(path);
    let Some(own) = layer(module) else {
        breaches.push(format!("{path}: add `{module}` to the table in tests/layers.rs, with its layer"));
        return breaches;
    };
    let tokens = tokens_of(&without_comments_and_strings(text));
    for used in used_modules(&tokens, depth(path)) {
        if used == module || module == "lib" {
            continue;
        }
        let pair = (module, used.as_str());
        match layer(&used) {
            None => breaches.push(format!("{path} uses the unknown module `{used}`")),
            _ if NEVER.contains(&pair) => {
                breaches.push(format!("{path}: `{module}` must never see `{used}`"))
            }
            Some(other) if other < own || SAME_LAYER.contains(&pair) => {}
            Some(other) => {
                breaches.push(format!("{path}: `{module}` (layer {own}) uses `{used}` (layer {other})"));
            }
        }
    }
    if !TALKERS.contains(&module) {
        if prints(&tokens) {
            breaches.push(format!("{path} prints: hand it to an Observer"));
        }
        if names_below(&tokens, "std").contains("env") {
            breaches.push(format!("{path} reads the environment: have it handed in"));
        }
        if path != CLOCK && reads_time(&tokens) {
            breaches.push(format!("{path} reads the time: take a Clock"));
        }
    }
    breaches
}

fn layer(module: &str) -> Option<u8> {
    LAYERS.iter().find(|(name, _)| *name == module).map(|(_, layer)| *layer)
}

fn top_module(path: &str) -> &str {
    let first = path.split('/').next().unwrap_or(path);
    first.strip_suffix(".rs").unwrap_or(first)
}

/// How many `super::` lead from the file's own module to the crate's root.
fn depth(path: &str) -> usize {
    let parts = path.split('/').count();
    let is_root_of_folder = path.ends_with("/mod.rs");
    if matches!(path, "lib.rs" | "main.rs") { 0 } else { parts - usize::from(is_root_of_folder) }
}

/// The modules directly below the crate's root that the tokens speak of.
fn used_modules(tokens: &[Token], depth: usize) -> BTreeSet<String> {
    let mut used = names_below(tokens, "crate");
    used.extend(names_below(tokens, "filbert"));
    // Inline modules that are open, by the depth of braces at which they were opened.
    let (mut inline, mut braces) = (Vec::new(), 0);
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at].as_str() {
            "{" => {
                braces += 1;
                if at >= 2 && tokens[at - 2] == "mod" {
                    inline.push(braces);
                }
            }
            "}" => {
                inline.retain(|opened| *opened < braces);
                braces -= 1;
            }
            "super" => {
                let mut ups = 0;
                while is(tokens, at, &["super", ":", ":"]) {
                    ups += 1;
                    at += 3;
                }
                if ups > 0 {
                    if ups == depth + inline.len() {
                        first_names(tokens, at, &mut used);
                    }
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    used.remove("*");
    used
}

/// The names that directly follow `root::`, in braces as well.
fn names_below(tokens: &[Token], root: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for at in 0..tokens.len() {
        if is(tokens, at, &[root, ":", ":"]) {
            first_names(tokens, at + 3, &mut names);
        }
    }
    names
}

/// The first name of a path, or of each path in braces.
fn first_names(tokens: &[Token], at: usize, names: &mut BTreeSet<String>) {
    if tokens.get(at).is_none_or(|token| token != "{") {
        names.extend(tokens.get(at).cloned());
        return;
    }
    let (mut nested, mut begins) = (0, false);
    for token in &tokens[at..] {
        match token.as_str() {
            "{" => {
                nested += 1;
                begins = nested == 1;
            }
            "}" if nested == 1 => return,
            "}" => nested -= 1,
            "," if nested == 1 => begins = true,
            name if begins => {
                names.insert(name.to_owned());
                begins = false;
            }
            _ => {}
        }
    }
}

fn prints(tokens: &[Token]) -> bool {
    let macros = ["println", "eprintln", "print", "eprint", "dbg"];
    (0..tokens.len()).any(|at| macros.iter().any(|name| is(tokens, at, &[name, "!"])))
}

fn reads_time(tokens: &[Token]) -> bool {
    let clocks = ["SystemTime", "Instant", "Utc", "Local"];
    (0..tokens.len()).any(|at| clocks.iter().any(|name| is(tokens, at, &[name, ":", ":", "now"])))
}

fn is(tokens: &[Token], at: usize, wanted: &[&str]) -> bool {
    tokens.len() >= at + wanted.len()
        && tokens[at..].iter().zip(wanted).all(|(token, wanted)| token == wanted)
}

fn tokens_of(code: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    let mut in_name = false;
    for c in code.chars() {
        let part_of_name = c.is_alphanumeric() || c == '_';
        match tokens.last_mut() {
            Some(last) if part_of_name && in_name => last.push(c),
            _ if c.is_whitespace() => {}
            _ => tokens.push(c.to_string()),
        }
        in_name = part_of_name;
    }
    tokens
}

/// The code with comments left out and strings and characters emptied.
fn without_comments_and_strings(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let starts = |at: usize, word: &str| word.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c));
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        // In `br"` the `b` is part of the string, not of a name.
        let before = chars[..at].strip_suffix(&['b']).unwrap_or(&chars[..at]);
        let after_name = before.last().is_some_and(|c| c.is_alphanumeric() || *c == '_');
        let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
        if starts(at, "//") {
            at += chars[at..].iter().take_while(|c| **c != '\n').count();
        } else if starts(at, "/*") {
            at = end_of_comment(&chars, at);
            code.push(' ');
        } else if chars[at] == 'r' && !after_name && chars.get(at + 1 + hashes) == Some(&'"') {
            let end: String = std::iter::once('"').chain("#".repeat(hashes).chars()).collect();
            at += 2 + hashes;
            while at < chars.len() && !starts(at, &end) {
                at += 1;
            }
            at += end.len();
            code.push(' ');
        } else if chars[at] == '"' {
            at = end_of_quoted(&chars, at, '"');
            code.push(' ');
        } else if chars[at] == '\'' && (chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\''))
        {
            // Else it is a lifetime.
            at = end_of_quoted(&chars, at, '\'');
            code.push(' ');
        } else {
            code.push(chars[at]);
            at += 1;
        }
    }
    code
}

fn end_of_comment(chars: &[char], start: usize) -> usize {
    let (mut at, mut nested) = (start, 0);
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (at, nested) = (at + 2, nested + 1),
            ('*', Some('/')) => (at, nested) = (at + 2, nested - 1),
            _ => at += 1,
        }
        if nested == 0 {
            break;
        }
    }
    at
}

fn end_of_quoted(chars: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

/// All files below `src`: path and text.
fn sources() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    let mut folders: Vec<PathBuf> = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(&root).expect("below src").to_string_lossy().replace('\\', "/");
                found.insert(name, fs::read_to_string(&path).expect("a source"));
            }
        }
    }
    assert!(found.len() > 50, "the sources were not found at {}", root.display());
    found
}

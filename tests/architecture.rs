//! The order of the modules is a test, not a wish; and so is the shape of a file.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Modules from the bottom up. A module may name only modules on earlier lines.
const LAYERS: &[&[&str]] = &[
    &["source", "sys"],
    &["diagnostic", "address"],
    &["config", "facts"],
    &["policy"],
    &["plan", "balance", "admit"],
    &["exposure"],
    &["lint", "review"],
    &["audit", "compile", "telemetry"],
    &["relay"],
    &["runtime"],
    &["supervisor"],
    &["cli"],
];

/// What the order alone does not forbid: (module, word it must not contain, why).
const BANNED: &[(&str, &str, &str)] = &[
    ("relay", "crate::config", "serving knows policies, not files"),
    ("relay", "crate::diagnostic", "a session's end is an outcome, not a finding"),
    ("runtime", "crate::config", "serving knows policies, not files"),
    ("runtime", "crate::source", "serving knows policies, not files"),
    ("runtime", "crate::diagnostic", "an operation's failure is an error, not a finding"),
];

/// Modules that are functions of their arguments, up to and including the one way in.
const PURE: &[&str] = &[
    "source",
    "diagnostic",
    "address",
    "config",
    "facts",
    "policy",
    "plan",
    "balance",
    "admit",
    "exposure",
    "lint",
    "audit",
    "compile",
];

/// Words by which such a module would reach out of its arguments.
const EFFECTS: &[&str] = &[
    "crate::sys",
    "tokio",
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "fs::",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "Instant",
    "SystemTime",
];

/// The one file among them that asks the host, so that all others are given the answer.
const ASKS_THE_HOST: &str = "src/facts/live.rs";

const MAX_LINES: usize = 400;

#[test]
fn modules_point_down() {
    let mut wrong = Vec::new();
    for (file, module) in modules() {
        let rank = rank(&module).unwrap_or_else(|| panic!("`{module}` is in no layer"));
        for used in names_after_crate(&code(&file)) {
            let other = self::rank(&used).unwrap_or_else(|| panic!("{}: `{used}`", file.display()));
            if used != module && rank <= other {
                wrong.push(format!("{}: `{module}` must not use `{used}`", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn modules_leave_alone_what_is_not_theirs() {
    let mut wrong = Vec::new();
    for (file, module) in modules() {
        let code = code(&file);
        for (of, word, why) in BANNED.iter().filter(|(of, ..)| *of == module) {
            if code.contains(word) {
                wrong.push(format!("{}: `{of}` must not use `{word}`: {why}", file.display()));
            }
        }
        let kernel = code.contains("unsafe ") || code.contains("libc::");
        if module != "sys" && kernel {
            wrong.push(format!("{}: `unsafe` and `libc` belong in `sys`", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn modules_up_to_the_one_way_in_are_pure() {
    let mut wrong = Vec::new();
    let mut judged = 0;
    for (file, module) in modules() {
        if !PURE.contains(&module.as_str()) || file == Path::new(ASKS_THE_HOST) {
            continue;
        }
        judged += 1;
        let code = code(&file);
        for word in EFFECTS.iter().filter(|word| code.contains(**word)) {
            wrong.push(format!("{}: `{module}` is pure and must not use `{word}`", file.display()));
        }
    }
    assert!(judged > 0 && Path::new(ASKS_THE_HOST).exists());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn comments_keep_to_a_hundred_columns() {
    let mut wrong = Vec::new();
    for file in sources(Path::new("src")) {
        let text = fs::read_to_string(&file).unwrap();
        let is_long =
            |line: &&str| line.trim_start().starts_with("//") && line.chars().count() > 100;
        if let Some(line) = text.lines().find(is_long) {
            wrong.push(format!("{}: {line}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_short_and_introduced() {
    let mut wrong = Vec::new();
    for file in sources(Path::new("src")).into_iter().chain(sources(Path::new("tests"))) {
        let text = fs::read_to_string(&file).unwrap();
        let tests_only = file.ends_with("tests.rs");
        if text.split("#[cfg(test)]").next().unwrap().lines().count() > MAX_LINES && !tests_only {
            wrong.push(format!("{} has more than {MAX_LINES} lines", file.display()));
        }
        if !text.starts_with("//!") && !tests_only {
            wrong.push(format!("{} does not say what it is for", file.display()));
        }
        if text.contains(concat!("TO", "DO")) || text.contains(concat!("FIX", "ME")) {
            wrong.push(format!("{} has something left to do", file.display()));
        }
        if file.ends_with("mod.rs") {
            wrong.push(format!("{}: a module is `name.rs` beside `name/`", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_map_in_lib_lists_the_modules_in_their_order() {
    let lib = fs::read_to_string("src/lib.rs").unwrap();
    let listed: Vec<_> = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")).collect();
    let mut ranks: Vec<_> =
        listed.iter().map(|name| rank(name.trim_end_matches(';')).unwrap()).collect();
    assert_eq!(listed.len(), LAYERS.iter().map(|layer| layer.len()).sum::<usize>());
    let written = ranks.clone();
    ranks.sort_unstable();
    assert_eq!(written, ranks);
}

fn rank(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// Every source file with its top-level module, but for the two that name them all.
fn modules() -> Vec<(PathBuf, String)> {
    let files = sources(Path::new("src"));
    assert!(!files.is_empty());
    let module = |file: &Path| {
        let top = file.strip_prefix("src").unwrap().components().next().unwrap();
        top.as_os_str().to_str().unwrap().trim_end_matches(".rs").to_owned()
    };
    let named = files.into_iter().map(|file| (module(&file), file));
    named
        .filter(|(name, _)| name != "lib" && name != "main")
        .map(|(name, file)| (file, name))
        .collect()
}

/// The lines that are compiled into the program, without comments.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    if file.ends_with("tests.rs") {
        return String::new();
    }
    let program = text.split("#[cfg(test)]").next().unwrap();
    let kept = program.lines().filter(|line| !line.trim_start().starts_with("//"));
    kept.collect::<Vec<_>>().join("\n")
}

/// Top-level modules named as `crate::x` or inside `crate::{x::…, y}`.
fn names_after_crate(code: &str) -> Vec<String> {
    let mut names = Vec::new();
    for tail in code.split("crate::").skip(1) {
        let Some(tree) = tail.strip_prefix('{') else {
            names.push(word(tail));
            continue;
        };
        let (mut depth, mut expected) = (1, true);
        for (at, sign) in tree.char_indices() {
            match sign {
                '{' => depth += 1,
                '}' if depth == 1 => break,
                '}' => depth -= 1,
                ',' if depth == 1 => expected = true,
                sign if expected && !sign.is_whitespace() => {
                    names.extend(tree.get(at..).map(word));
                    expected = false;
                }
                _ => {}
            }
        }
    }
    names
}

fn word(text: &str) -> String {
    text.chars().take_while(|sign| sign.is_alphanumeric() || *sign == '_').collect()
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
    found
}

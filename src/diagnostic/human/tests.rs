use proptest::prelude::*;

use super::*;
use crate::diagnostic::Code;

fn source(text: &str) -> Source {
    Source::from_bytes("test.yaml", text.as_bytes()).unwrap()
}

fn rendered(source: &Source, finding: Diagnostic, colour: bool) -> String {
    let mut out = Vec::new();
    write(&mut out, source, &[finding], colour).unwrap();
    String::from_utf8(out).unwrap()
}

fn finding(bytes: Range<usize>) -> Diagnostic {
    Diagnostic::error(Code("PC0002"), Span::new(bytes), "unknown key `prot`")
}

#[test]
fn looks_like_the_compiler() {
    let source = source("a: 1\nport: 80\nb: 2\nprot: 81\n");
    let finding = finding(19..23)
        .label("no such key")
        .related(Span::new(5..9), "there is this one")
        .help("did you mean `port`?")
        .note("keys are listed by `portcullis schema`");
    insta::assert_snapshot!(rendered(&source, finding, false), @r"
    error[PC0002]: unknown key `prot`
     --> test.yaml:4:1
      |
    2 | port: 80
      | ---- there is this one
    3 | b: 2
    4 | prot: 81
      | ^^^^ no such key
      |
      = note: keys are listed by `portcullis schema`
      = help: did you mean `port`?
    ");
}

#[test]
fn shows_places_far_apart_in_pieces() {
    let source = source(&format!("web: 1\n{}web: 2\n", "#\n".repeat(500)));
    let finding = finding(1007..1010).related(Span::new(0..3), "first set here");
    insta::assert_snapshot!(rendered(&source, finding, false), @r"
    error[PC0002]: unknown key `prot`
       --> test.yaml:502:1
        |
    502 | web: 2
        | ^^^
        |
       ::: test.yaml:1:1
        |
      1 | web: 1
        | --- first set here
    ");
}

#[test]
fn shows_the_first_line_of_many() {
    let source = source("a:\r\n  - 1\r\n  - 2\r\nb: 1");
    insta::assert_snapshot!(rendered(&source, finding(0..17), false), @r"
    error[PC0002]: unknown key `prot`
     --> test.yaml:1:1
      |
    1 | a:
      | ^^
    ");
}

#[test]
fn points_behind_the_last_character() {
    let source = source("a: [");
    insta::assert_snapshot!(rendered(&source, finding(4..4), false), @r"
    error[PC0002]: unknown key `prot`
     --> test.yaml:1:5
      |
    1 | a: [
      |     ^
    ");
}

#[test]
fn points_into_an_empty_file() {
    insta::assert_snapshot!(rendered(&source(""), finding(0..0), false), @r"
    error[PC0002]: unknown key `prot`
     --> test.yaml:1:1
      |
    1 |
      | ^
    ");
}

#[test]
fn cuts_long_lines_and_keeps_the_column() {
    let source = source(&format!("{}x{}", " ".repeat(100_000), " ".repeat(100_000)));
    let rendered = rendered(&source, finding(100_000..100_001), false);
    assert!(rendered.contains("test.yaml:1:100001"), "{rendered}");
    assert!(rendered.len() < 2000, "{}", rendered.len());
}

#[test]
fn colours_only_when_asked() {
    let source = source("a: 1\n");
    assert!(rendered(&source, finding(0..1), true).contains('\u{1b}'));
    assert!(!rendered(&source, finding(0..1), false).contains('\u{1b}'));
}

#[test]
fn weighs_by_level() {
    for (level, word) in [(Level::Info, "info"), (Level::Warn, "warning"), (Level::Forbid, "error")]
    {
        let rendered = rendered(&source("a: 1\n"), finding(0..1).level(level), false);
        assert!(rendered.starts_with(&format!("{word}[PC0002]: ")), "{rendered}");
    }
}

proptest! {
    #[test]
    fn renders_any_span_of_any_text_harmlessly(
        text in "(\\PC|[\\r\\n\\t\u{1b}\u{9b}\u{202e}\u{2028}\u{85}é]){0,60}",
        first in 0usize..80,
        length in 0usize..80,
        other in 0usize..80,
    ) {
        let path = format!("{text}.yaml");
        let source = Source::from_bytes(&path, text.as_bytes()).unwrap();
        let finding = Diagnostic::error(Code("PC0002"), Span::new(first..first + length), &*text)
            .label(&*text)
            .related(Span::new(other..other + 1), &*text)
            .help(&*text)
            .note(&*text);
        let rendered = rendered(&source, finding, false);
        prop_assert!(
            rendered.chars().all(|character| character == '\n' || !is_hostile(character)),
            "{rendered:?}"
        );
    }
}

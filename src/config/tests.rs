//! The reading of whole files, case by case.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

fn read(text: &str) -> (Source, Config, Vec<Diagnostic>) {
    let source = Source::from_bytes("test.yaml", text.as_bytes()).unwrap();
    let (config, findings) = parse(&source);
    let config = config.unwrap_or_default();
    (source, config, findings)
}

/// One line for each finding: where, code, the text under it, message, help.
fn findings(text: &str) -> String {
    let (source, _, findings) = read(text);
    let mut lines = String::new();
    for finding in findings {
        let at = source.position(finding.primary.span.start as usize);
        let under = source.slice(finding.primary.span).escape_debug();
        let (line, column) = (at.line, at.column);
        writeln!(lines, "{line}:{column} {} [{under}] {}", finding.code, finding.message).unwrap();
        for related in finding.related {
            let at = source.position(related.span.start as usize);
            writeln!(lines, "  {}:{} {}", at.line, at.column, related.text).unwrap();
        }
        for help in finding.help {
            writeln!(lines, "  help: {help}").unwrap();
        }
    }
    lines
}

/// The file of the language page, in which every key appears.
const EVERYTHING: &str = include_str!("tests/everything.yaml");

#[test]
fn the_smallest_file_is_read() {
    let (source, config, findings) = read(
        "portcullis: 1\nlisteners:\n  web:\n    expose: loopback\n    port: 8080\n    forward: 127.0.0.1:3000\n",
    );
    assert_eq!(findings, []);
    assert_eq!(config.portcullis.get(), Some(&1));
    let web = config.listeners.get("web").unwrap();
    assert_eq!(source.slice(web.name.span), "web");
    assert!(source.slice(web.span).starts_with("expose: loopback\n"));
    assert!(source.slice(web.span).ends_with(": 127.0.0.1:3000"));
    assert_eq!(
        web.value.port.set().map(|(port, span)| (*port, source.slice(span))),
        Some((8080, "8080"))
    );
    assert!(matches!(web.value.expose.get(), Some(Form::Short(word)) if word == "loopback"));
    assert!(web.value.clients.is_absent());
    assert!(config.listeners.get("api").is_none());
}

#[test]
fn every_key_of_the_language_is_known_and_what_does_not_work_yet_says_so() {
    let (source, _, found) = read(EVERYTHING);
    assert!(found.iter().all(|finding| finding.code == code::NOT_SUPPORTED_YET), "{found:#?}");
    let places: Vec<String> = found
        .iter()
        .map(|finding| {
            let line = source.line_of(finding.primary.span.start as usize);
            format!("{line} {}", source.slice(finding.primary.span))
        })
        .collect();
    insta::assert_snapshot!(places.join("\n"), @r#"
    12 least_connections
    20 source
    21 source_ports
    22 interface
    23 send_proxy
    24 health
    30 eject
    33 resolve
    34 srv
    34 resolve
    61 metrics
    73 accept_proxy
    79 udp
    82 udp
    100 route
    107 tls
    114 udp
    "#);
}

#[test]
fn mistakes_do_not_hide_each_other() {
    insta::assert_snapshot!(findings("
portcullis: one
servce: a
listeners:
  web:
    port: 70000
    fanout: 0
    clients: { allow: [a, 5, [b]], dany: [] }
    limits: many
    timeouts: { idle: 30, lifetime: 1d, half_closed: none }
  Web 2: { port: x }
  db: [1]
  api:
    port: 1
    prot: 2
    port: 3
  db: {}
upstreams:
  a: { backends: [8080, 'a:1', { unix: 1 }, ~], balance: leastconn }
  b: { backends: a:1, balance: round_robin }
"), @r#"
    2:13 PC0004 [one] expected a whole number from 0 to 4294967295, found the text `one`
    3:1 PC0002 [servce] unknown key `servce`
      help: did you mean `service`?
    6:11 PC0005 [70000] expected a whole number from 0 to 65535, found `70000`
    7:13 PC0005 [0] expected a whole number from 1 to 4294967295, found `0`
    8:27 PC0004 [5] expected text, found the number `5`
      help: write `"5"` if it is meant as text
    8:30 PC0004 [[b]] expected text, found a list
    8:36 PC0002 [dany] unknown key `dany`
      help: did you mean `deny`?
    9:13 PC0004 [many] expected a mapping, found the text `many`
    10:23 PC0005 [30] `30` is a duration without its unit
      help: write `30s` for seconds or `30ms` for milliseconds
    10:37 PC0005 [1d] `1d` is not a duration
      help: write numbers with the units `h`, `m`, `s` or `ms`, the longest first: `1h30m`
    11:3 PC0005 [Web 2] `Web 2` is not a name
      help: use at most 63 of `a` to `z`, `0` to `9`, `_` and `-`, and begin with a letter or digit
    11:18 PC0004 [x] expected a whole number from 0 to 65535, found the text `x`
    12:7 PC0004 [[1]] expected a mapping, found a list
    15:5 PC0002 [prot] unknown key `prot`
      help: did you mean `port`?
    16:5 PC0003 [port] `port` is set twice
      14:5 first set here
      help: remove one of the two
    17:3 PC0003 [db] `db` is set twice
      12:3 first set here
      help: remove one of the two
    19:19 PC0004 [8080] expected an address such as `10.0.0.1:80`, or a mapping, found the number `8080`
      help: write the address and the port, such as `127.0.0.1:8080`
    19:40 PC0004 [1] expected text, found the number `1`
      help: write `"1"` if it is meant as text
    19:45 PC0004 [~] expected an address such as `10.0.0.1:80`, or a mapping, found nothing
      help: write the address and the port, such as `127.0.0.1:8080`
    19:58 PC0005 [leastconn] `balance` cannot be `leastconn`
      help: write one of `round_robin`, `least_connections`, `random`, `source_hash`
    20:18 PC0004 [a:1] expected a list, found the text `a:1`
      help: put brackets around a single element: `[a:1]`
    "#);
}

#[test]
fn keys_without_values_are_not_passed_over() {
    insta::assert_snapshot!(findings("
portcullis: 1
networks:
listeners:
  web:
    clients:
    port: ~
  api:
"), @r#"
    3:1 PC0004 [networks] expected a mapping, found nothing
      help: write a value after the colon, or remove the key
    6:5 PC0004 [clients] expected a mapping, found nothing
      help: write a value after the colon, or remove the key
    7:11 PC0004 [~] expected a whole number from 0 to 65535, found nothing
    8:3 PC0004 [api] expected a mapping, found nothing
      help: write a value after the colon, or remove the key
    "#);
}

#[test]
fn numbers_and_text_are_not_mistaken_for_each_other() {
    insta::assert_snapshot!(findings("
portcullis: '1'
service: 5
owner: true
listeners:
  a: { forward: 8080, expose: 80, port: -1, ports: 80, serve: [] }
  b: { forward: {}, expose: [], port: 1.5, ports: ['80', 80, 80-79, 1.5], fanout: -1 }
  c: { expose: { interface: { v4: private, v6: 5, temporary: 'true' } } }
runtime: { access_log: 1, workers: [], drain: [] }
"), @r#"
    2:13 PC0004 [\'1\'] expected a whole number from 0 to 4294967295, found the text `1`
      help: remove the quotation marks
    3:10 PC0004 [5] expected text, found the number `5`
      help: write `"5"` if it is meant as text
    4:8 PC0004 [true] expected text, found the truth value `true`
      help: write `"true"` if it is meant as text
    6:17 PC0004 [8080] expected an upstream, an address such as `10.0.0.1:80`, or a mapping, found the number `8080`
      help: write the address and the port, such as `127.0.0.1:8080`
    6:31 PC0004 [80] expected `loopback`, or a mapping such as `{ private: { subnet: 10.20.0.0/16 } }`, found the number `80`
      help: say where the listener may be reached, such as `expose: loopback`
    6:41 PC0004 [-1] expected a whole number from 0 to 65535, found the number `-1`
    6:52 PC0004 [80] expected a list, found the number `80`
      help: put brackets around a single element: `[80]`
    6:63 PC0004 [[]] expected text, found a list
    7:29 PC0004 [[]] expected `loopback`, or a mapping such as `{ private: { subnet: 10.20.0.0/16 } }`, found a list
      help: say where the listener may be reached, such as `expose: loopback`
    7:39 PC0004 [1.5] expected a whole number from 0 to 65535, found the number `1.5`
    7:62 PC0005 [80-79] the range `80-79` runs backwards
      help: write `79-80`
    7:69 PC0004 [1.5] expected a port or a range of ports such as `20000-20099`, found the number `1.5`
    7:83 PC0004 [-1] expected a positive whole number or a word, found the number `-1`
    8:35 PC0005 [private] expected a list of words or `none`, found `private`
      help: put brackets around a single word: `[private]`
    8:48 PC0004 [5] expected a list of words, or `none`, found the number `5`
    8:62 PC0004 [\'true\'] expected `true` or `false`, found the text `true`
      help: remove the quotation marks
    9:24 PC0004 [1] expected `none`, `stdout`, a path, or a mapping, found the number `1`
      help: write `stdout`, or `{ format: json, to: stdout }`
    9:36 PC0004 [[]] expected a positive whole number or a word, found a list
    9:47 PC0004 [[]] expected a duration such as `30s`, found a list
    "#);
}

#[test]
fn ambiguous_words_are_reported_once_and_cured() {
    insta::assert_snapshot!(findings("
portcullis: 1
service: no
networks:
  off: [10.0.0.0/8]
  22:22: []
listeners:
  a: { port: 017, fanout: 1_000, forward: 22:22, on: 1, purpose: 'no' }
"), @r#"
    3:10 PC1104 [no] `no` is `false` to YAML 1.1 and text to YAML 1.2
      help: write `"no"` for the text, or `false` for the truth value; `none` leaves something out
    5:3 PC1104 [off] `off` is `false` to YAML 1.1 and text to YAML 1.2
      help: write `"off"` for the text, or `false` for the truth value; `none` leaves something out
    6:3 PC1104 [22:22] `22:22` is the number 1342 to YAML 1.1 and text to YAML 1.2
      help: write `"22:22"` for the text, or `1342` for the number
    8:14 PC1104 [017] `017` is the number 15 to YAML 1.1 and the number 17 to YAML 1.2
      help: write `"017"` for the text, or `15` or `17` for the number
    8:27 PC1104 [1_000] `1_000` is the number 1000 to YAML 1.1 and text to YAML 1.2
      help: write `"1_000"` for the text, or `1000` for the number
    8:43 PC1104 [22:22] `22:22` is the number 1342 to YAML 1.1 and text to YAML 1.2
      help: write `"22:22"` for the text, or `1342` for the number
    8:50 PC1104 [on] `on` is `true` to YAML 1.1 and text to YAML 1.2
      help: write `"on"` for the text, or `true` for the truth value
    "#);
}

#[test]
fn addresses_and_dates_are_not_ambiguous() {
    assert_eq!(
        findings(
            "
portcullis: 1
networks: { a: [10.0.0.0/8, ::1, 'fd00::/8', fd00::/8, 2001:db8::1] }
listeners:
  a:
    ports: [80, 20000-20099]
    forward: 10.0.0.1:80
    allow: { reason: no one else may, expires: 2027-03-31 }
    timeouts: { idle: none, lifetime: 1h30m }
"
        ),
        ""
    );
}

#[test]
fn what_the_language_leaves_out_of_yaml_is_refused() {
    for (text, expected) in [
        ("", "1:1 PC0001 [] the file is empty\n  help: begin with `portcullis: 1`\n"),
        ("# a\n---\n", "1:1 PC0001 [] the file is empty\n  help: begin with `portcullis: 1`\n"),
        (
            "service: a\n---\nservice: b\n",
            "2:1 PC0001 [---] a second document begins here, and a file is one document\n  help: move it to a file of its own\n",
        ),
        (
            "service: !!str a\n",
            "1:10 PC0001 [!!str] tags are not part of the language\n  help: remove the tag\n",
        ),
        (
            "%YAML 1.1\n---\nservice: a\n",
            "1:1 PC0001 [%] directives are not part of the language\n  help: remove the line\n",
        ),
        (
            "runtime: { <<: { drain: 1s } }\n",
            "1:12 PC0001 [<<] merge keys are not part of the language\n  help: write the keys out\n",
        ),
        (
            "networks: { [a]: [b] }\n",
            "1:13 PC0001 [[a]] a key must be text, not a list or a mapping\n  help: quote the key if it is meant as text\n",
        ),
        (
            "networks: { ~: [b] }\n",
            "1:13 PC0001 [~] a value without a key\n  help: write a key before the `:`\n",
        ),
        (
            "networks: { &a b: [] }\n",
            "1:16 PC0001 [b] a key cannot have an anchor\n  help: remove the anchor\n",
        ),
        (
            "networks: &a { b: *a }\n",
            "1:19 PC0001 [*a] this alias stands inside the value it refers to\n  help: write the value out instead\n",
        ),
        (
            "service: *:80\n",
            "1:10 PC0001 [*:80] no anchor `&:80` stands before this alias\n  help: write `\"*:80\"` for the text, or define the anchor first\n",
        ),
    ] {
        assert_eq!(findings(text), expected, "{text}");
    }
}

#[test]
fn broken_syntax_says_what_to_do() {
    for (text, expected) in [
        ("a: [b\n", "1:4 PC0001 [[] this `[` is never closed\n  help: add a `]`\n"),
        (
            "a: {b: c\nd: []\n",
            "2:2 PC0001 [:] expected a `,` or a `}` here\n  help: separate the entries by commas and close the `{`\n",
        ),
        (
            "a: [::]:80\n",
            "1:8 PC0001 [:] the value has ended before this\n  help: quote the whole value\n",
        ),
        (
            "a: \"b\n",
            "1:4 PC0001 [\\\"] this quotation mark is never closed\n  help: add the second one\n",
        ),
        (
            "a: @b\n",
            "1:4 PC0001 [@] no value can begin with this character\n  help: quote the text\n",
        ),
        (
            "a: b: c\n",
            "1:5 PC0001 [:] a `:` where no key can end\n  help: quote the text if the colon belongs to it, or begin the key on a line of its own\n",
        ),
        (
            "a:\n  - b: 1\n   c: 2\n",
            "3:4 PC0001 [c] this does not line up with what stands above it\n  help: indent the entries of one list or mapping alike\n",
        ),
        (
            "a: 1\nb:2\n",
            "2:1 PC0001 [b] a key without its `: `\n  help: put a colon and a space behind the key\n",
        ),
    ] {
        assert_eq!(findings(text), expected, "{text}");
    }
}

#[test]
fn tabs_are_refused_outside_of_texts_and_comments() {
    let refused = "PC0001 [\\t] tabs are not part of the language\n  help: write spaces; inside double quotes, `\\t`\n";
    for (text, place) in [
        ("service:\ta\n", "1:9 "),
        ("networks:\n\ta: []\n", "2:1 "),
        ("service: a\tb\n", "1:11 "),
        ("service: 'a'\t# c\n", "1:13 "),
    ] {
        assert_eq!(findings(text), format!("{place}{refused}"), "{text}");
    }
    for text in ["service: 'a\tb'\n", "service: a #\tb\n", "#\t\nservice: |\n  a\tb\n"] {
        assert_eq!(findings(text), "", "{text}");
    }
}

#[test]
fn aliases_are_read_but_not_expanded_without_end() {
    let (_, config, findings) = read("networks: { a: &a [10.0.0.0/8], b: *a }\n");
    assert_eq!(findings, []);
    let block = |name| config.networks.get(name).unwrap().value.0[0].value.clone();
    assert_eq!(block("a"), block("b"));

    let mut laughs = String::from("networks:\n  a0: &a0 [x]\n");
    let mut stairs = laughs.clone();
    for step in 1..40 {
        let below = step - 1;
        writeln!(laughs, "  a{step}: &a{step} [*a{below}, *a{below}, *a{below}]").unwrap();
        writeln!(stairs, "  a{step}: &a{step} [*a{below}]").unwrap();
    }
    assert!(self::findings(&laughs).contains("PC0008 [*a10] more than 1000000 values"));
    assert!(self::findings(&stairs).contains("PC0008 [*a29] more than 32 lists and mappings"));
}

#[test]
fn deep_nesting_is_refused() {
    for text in ["[".repeat(100_000), "- ".repeat(100_000), "{a: ".repeat(100_000)] {
        let found = findings(&text);
        assert!(found.contains("PC0008") && found.contains("inside each other"), "{found}");
    }
    let bottom = |depth| format!("networks: {}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(!findings(&bottom(MAX_DEPTH - 1)).contains("PC0008"));
    assert!(findings(&bottom(MAX_DEPTH)).contains("PC0008"));
}

#[test]
fn findings_under_an_alias_are_reported_once() {
    let found = findings("listeners: { a: &a { prot: 1 }, b: *a, c: *a }\n");
    assert_eq!(found.matches("PC0002").count(), 1, "{found}");
}

#[test]
fn findings_say_in_which_listener_they_stand() {
    let (_, _, findings) =
        read("servce: a\nlisteners: { a: { prot: 1 }, b: { tls: { keys: 1 } } }\nx: 1\n");
    let listeners: Vec<_> = findings.iter().map(|finding| finding.listener.as_deref()).collect();
    assert_eq!(listeners, [None, Some("a"), Some("b"), Some("b"), None]);
}

#[test]
fn the_name_of_an_unreadable_entry_is_known() {
    let (_, config, findings) = read("upstreams: { a: 5, b: {} }\n");
    assert_eq!(findings.len(), 1);
    assert!(config.upstreams.contains("a") && config.upstreams.get("a").is_none());
    assert!(config.upstreams.contains("b") && config.upstreams.get("b").is_some());
    assert!(!config.upstreams.contains("c"));
}

#[test]
fn reads_ten_thousand_listeners_and_finds_each() {
    let mut text = String::from("portcullis: 1\nlisteners:\n");
    for number in 0..10_000 {
        writeln!(text, "  l{number}: {{ expose: loopback, port: 80, forward: 10.0.0.1:80 }}")
            .unwrap();
    }
    let (_, config, findings) = read(&text);
    assert_eq!((findings.len(), config.listeners.len()), (0, 10_000));
    assert!((0..10_000).all(|number| config.listeners.get(&format!("l{number}")).is_some()));
}

proptest! {
    #[test]
    fn every_span_lies_in_the_text(text in "([a-z0-9 :~é\\t\\n\\-\\[\\]{},&*!'\"#|>?%]|listeners: |\\n  |a: ){0,40}") {
        let (source, _, findings) = read(&text);
        for finding in findings {
            prop_assert!(source.text().get(finding.primary.span.range()).is_some());
        }
    }
}

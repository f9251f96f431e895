//! Every format of `check` carries the same findings at the same places, and none of them carries
//! more.

mod accepted;
mod hostile;
mod outputs;

use std::{collections::BTreeSet, sync::LazyLock};

use serde_json::Value;

use crate::support::{Ended, ServiceFile};

/// A file with findings of every level, one of them beyond the first line of its place.
const BAD: &str = "\
portcullis: 1
listeners:
  web:
    expose: { any: { families: [v4] } }
    port: 443
    forward: 127.0.0.1:3000
  db:
    purpose: ledger database
    expose: { private: { address: \"::ffff:10.20.3.4\" } }
    port: 5432
    forwards: 127.0.0.1:5433
  admin:
    expose: loopback
    port: 9000
    forward: 127.0.0.1:9001
";

/// A finding as every format has it: code, line.
type Place = (String, u64);

/// How the findings are found in a format.
type Read = fn(&str) -> BTreeSet<Place>;

const READERS: [(&str, Read); 6] = [
    ("text", of_text),
    ("json", of_json),
    ("sarif", of_sarif),
    ("github", of_github),
    ("gitlab", of_gitlab),
    ("junit", of_junit),
];

fn check(file: &ServiceFile, format: &str) -> Ended {
    Ended::with(["check".as_ref(), "--format".as_ref(), format.as_ref(), file.path().as_os_str()])
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The schema that OASIS publishes.
static SARIF: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let mut schema = json(include_str!("fixtures/sarif-schema-2.1.0.json"));
    // As published, the pattern of a key that we do not write has a bracket too many, and is none.
    for of in ["run", "toolComponent"] {
        let language = schema.pointer_mut(&format!("/definitions/{of}/properties/language"));
        language.unwrap().as_object_mut().unwrap().remove("pattern").unwrap();
    }
    jsonschema::validator_for(&schema).unwrap()
});

fn assert_is_sarif(document: &Value) {
    let errors: Vec<_> = SARIF.iter_errors(document).map(|error| error.to_string()).collect();
    assert_eq!(errors, [""; 0]);
}

fn of_text(out: &str) -> BTreeSet<Place> {
    let lines: Vec<_> = out.lines().collect();
    let code = |line: &str| Some(line.split_once("[PC")?.1.split_once("]: ")?.0.to_owned());
    let line = |line: &str| line.trim().strip_prefix("--> ")?.rsplit(':').nth(1)?.parse().ok();
    let pairs =
        lines.windows(2).filter_map(|pair| Some((format!("PC{}", code(pair[0])?), line(pair[1])?)));
    pairs.collect()
}

fn of_json(out: &str) -> BTreeSet<Place> {
    let findings = json(out)["findings"].as_array().unwrap().clone();
    let place = |it: &Value| {
        (it["code"].as_str().unwrap().to_owned(), it["location"]["line"].as_u64().unwrap())
    };
    findings.iter().map(place).collect()
}

fn of_sarif(out: &str) -> BTreeSet<Place> {
    let document = json(out);
    assert_is_sarif(&document);
    let run = &document["runs"][0];
    let place = |it: &Value| {
        let code = it["ruleId"].as_str().unwrap();
        let rule = usize::try_from(it["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(run["tool"]["driver"]["rules"][rule]["id"], code);
        let region = &it["locations"][0]["physicalLocation"]["region"];
        (code.to_owned(), region["startLine"].as_u64().unwrap())
    };
    run["results"].as_array().unwrap().iter().map(place).collect()
}

fn of_github(out: &str) -> BTreeSet<Place> {
    let after = |line: &str, word: &str| line.split_once(word).unwrap().1.to_owned();
    let place = |line: &str| {
        let number = after(line, ",line=").split(',').next().unwrap().parse().unwrap();
        (after(line, ",title=").split(' ').next().unwrap().to_owned(), number)
    };
    out.lines().map(place).collect()
}

fn of_gitlab(out: &str) -> BTreeSet<Place> {
    let place = |it: &Value| {
        let code = it["check_name"].as_str().unwrap().split(' ').next().unwrap();
        (code.to_owned(), it["location"]["lines"]["begin"].as_u64().unwrap())
    };
    json(out).as_array().unwrap().iter().map(place).collect()
}

fn of_junit(out: &str) -> BTreeSet<Place> {
    let place = |line: &str| {
        let (place, rest) = line.split_once("[PC")?;
        let number = place.rsplit(':').nth(2)?.parse().ok()?;
        Some((format!("PC{}", rest.split(' ').next()?), number))
    };
    out.lines().filter_map(place).collect()
}

#[test]
fn all_formats_carry_the_same_codes_and_places_and_end_alike() {
    let file = ServiceFile::new(BAD);
    let text = check(&file, "text");
    let expected = of_text(&text.out);
    let codes: BTreeSet<_> = expected.iter().map(|(code, _)| code.as_str()).collect();
    assert!(
        codes.is_superset(&BTreeSet::from(["PC0002", "PC0101", "PC0203", "PC1108"])),
        "{codes:?}"
    );
    for (format, read) in &READERS[1..] {
        let ended = check(&file, format);
        assert_eq!(read(&ended.out), expected, "{format}: {}", ended.out);
        assert_eq!((ended.code, ended.err.as_str()), (Some(1), ""), "{format}");
    }
}

#[test]
fn a_clean_file_is_clean_in_every_format() {
    let file = ServiceFile::new(
        "portcullis: 1\nlisteners:\n  web:\n    purpose: a test\n    expose: loopback\n    port: 8080\n    forward: 127.0.0.1:3000\n",
    );
    for format in ["text", "json", "sarif", "github", "gitlab", "junit"] {
        assert_eq!(check(&file, format).code, Some(0), "{format}");
    }
    assert!(of_json(&check(&file, "json").out).is_empty());
    assert_eq!(check(&file, "github").out, "");
    assert_eq!(json(&check(&file, "gitlab").out), json("[]"));
    let sarif = json(&check(&file, "sarif").out);
    assert_is_sarif(&sarif);
    let rules = sarif["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), portcullis::lint::ALL.len());
    // A green run shows what was looked at.
    let junit = check(&file, "junit").out;
    assert!(junit.contains("name=\"web: exposure\"") && !junit.contains("<failure"), "{junit}");
}

#[test]
fn fingerprints_do_not_depend_on_lines() {
    let prints = |text: &str| {
        let out = check(&ServiceFile::new(text), "sarif").out;
        let results = json(&out)["runs"][0]["results"].as_array().unwrap().clone();
        let print = |it: &Value| it["partialFingerprints"]["portcullis/v1"].to_string();
        results.iter().map(print).collect::<BTreeSet<_>>()
    };
    assert_eq!(prints(BAD), prints(&BAD.replace("listeners:", "# a comment\n\nlisteners:")));
}

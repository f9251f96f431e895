//! The JSON Schema of the guardrail file, from the types that read it.

use serde_json::{Value, json};

use super::{Keys, Schema, claims, key_of, of_type, property, titled};
use crate::config::guardrail::Guardrail;

/// The keys that nothing stands in for, by the type that has them. A box over a path has neither
/// family nor port, so of a box only what every one has is here.
const REQUIRED: Keys = &[
    ("Guardrail", &["portcullis_guardrails", "name", "may_expose"]),
    ("Zone", &["cidr", "class", "why"]),
    ("Grant", &["id", "service", "listener", "box"]),
    ("Bounds", &["classes", "upstreams"]),
    ("Claim", &["name", "from", "to", "expect"]),
];

/// What can be exposed, from narrow to wide.
const SCOPES: &[&str] = &["unix", "loopback", "link", "private", "shared", "public", "any"];

/// What the addresses of a zone can count as.
const ZONES: &[&str] = &["loopback", "link", "private", "shared", "public"];

/// What a guardrail can demand of grants and of the `allow` of listeners.
const OF_EXCEPTIONS: &[&str] =
    &["reason", "owner", "ticket", "expires", "grant", "approved_by", "approved_on"];

/// What a guardrail can demand of an expectation.
const OF_EXPECTATIONS: &[&str] = &["reason", "owner", "expires"];

/// Codes of rules.
const CODE: &str = "^PC[0-9]{4}$";

/// The schema of the guardrail file.
///
/// # Panics
/// Never on input; it has none.
#[must_use]
pub fn guardrail_file() -> Value {
    let mut schema = of_type::<Guardrail>(REQUIRED);
    property(&mut schema, "Zone", "class", ZONES, &[]);
    property(&mut schema, "Bounds", "protocol", &["tcp", "udp"], &[]);
    for (of, key, words) in [
        ("Guardrail", "may_expose", SCOPES),
        ("Bounds", "classes", SCOPES),
        ("Bounds", "families", &["v4", "v6"]),
        ("Exceptions", "require", OF_EXCEPTIONS),
        ("Suppressions", "require", OF_EXPECTATIONS),
    ] {
        items(&mut schema, of, key, json!({ "type": "string", "enum": words }));
    }
    for (of, key) in [
        ("Lints", "forbid"),
        ("Lints", "error"),
        ("Lints", "warn"),
        ("Suppressions", "forbid_codes"),
    ] {
        items(&mut schema, of, key, json!({ "type": "string", "pattern": CODE }));
    }
    claims(&mut schema);
    titled(schema, "portcullis guardrail file")
}

/// Says what the items of a list are.
fn items(schema: &mut Schema, of: &str, key: &str, each: Value) {
    key_of(schema, of, key).insert("items".to_owned(), each);
}

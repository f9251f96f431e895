//! The JSON Schema of the service file, from the types that read it: for editors, which complete
//! and check while one types. `check` knows more.

mod guardrail;

pub use guardrail::guardrail_file;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema, transform::RecursiveTransform};
use serde_json::{Map, Value, json};

use super::{
    Config, CountOrWord, Duration, DurationOrNone, Each, Field, Form, LongForm, NotYet, PortRange,
    Rate, Spanned, Table, TextOrList, Words, words,
};

/// Marks what does not work yet until [`name_what_does_not_work`] has said so in words.
const NOT_YET: &str = "x-not-yet";

/// Durations as [`Duration`] reads them.
const DURATION: &str = "^(?=.)([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$";

/// Rates as [`Rate`] reads them.
const RATE: &str = "^[1-9][0-9]{0,6}/(s|m|h)$";

/// Names as [`Name`](super::Name) reads them.
const NAME: &str = "^[a-z0-9][a-z0-9_-]{0,62}$";

/// Keys by the type that has them.
type Keys = &'static [(&'static str, &'static [&'static str])];

/// What a claim may say; a word of each.
const OUTCOMES: &[&str] = &["served", "unreachable", "invisible"];

/// The keys that nothing stands in for, by the type that has them. A derive cannot know them:
/// whether a key is missing is found by meaning.
const REQUIRED: Keys = &[
    ("Config", &["portcullis", "listeners"]),
    ("Upstream", &["backends"]),
    ("Listener", &["expose"]),
    ("Interface", &["name"]),
    ("Unix", &["path", "mode"]),
    ("Target", &["unix"]),
    ("Allow", &["reason"]),
    ("AccessLog", &["to"]),
    ("Expect", &["code", "listener", "reason"]),
    ("Claim", &["name", "from", "to", "expect"]),
];

/// The schema of the service file.
///
/// # Panics
/// Never on input; it has none.
#[must_use]
pub fn service_file() -> Value {
    let mut schema = of_type::<Config>(REQUIRED);
    for (of, choice) in
        [("Upstream", &words::BALANCE), ("Listener", &words::PROTOCOL), ("Listener", &words::SERVE)]
    {
        property(&mut schema, of, choice.key, choice.works, choice.later);
    }
    for (of, key, all) in [
        ("Place", "pin", &["device", "none"]),
        ("Runtime", "when_absent", &["fail", "wait"]),
        ("AccessLog", "format", &["json", "text"]),
    ] {
        property(&mut schema, of, key, all, &[]);
    }
    claims(&mut schema);
    titled(schema, "portcullis service file")
}

/// The schema of a type, in which these keys are required.
fn of_type<T: JsonSchema>(required: Keys) -> Schema {
    let mut schema = SchemaGenerator::default().into_root_schema_for::<T>();
    schemars::transform::Transform::transform(
        &mut RecursiveTransform(name_what_does_not_work),
        &mut schema,
    );
    for (of, keys) in required {
        definition(&mut schema, of).insert("required".to_owned(), json!(keys));
    }
    schema
}

/// The words of claims, and their one far end.
fn claims(schema: &mut Schema) {
    property(schema, "Claim", "expect", OUTCOMES, &[]);
    let end = definition(schema, "Destination");
    end.insert("minProperties".to_owned(), json!(1));
    end.insert("maxProperties".to_owned(), json!(1));
}

/// The finished schema, under a title for people.
fn titled(mut schema: Schema, title: &str) -> Value {
    schema.insert("title".to_owned(), json!(title));
    schema.to_value()
}

/// The definition of a type: the schema itself for the file, which is called by its type until it
/// is finished, else one of its parts.
fn definition<'a>(schema: &'a mut Schema, of: &str) -> &'a mut Map<String, Value> {
    let schema = schema.ensure_object();
    if schema.get("title").is_some_and(|title| title == of) {
        return schema;
    }
    schema
        .get_mut("$defs")
        .and_then(|parts| parts.get_mut(of)?.as_object_mut())
        .expect("the tables above name types that the file is made of, which a test holds")
}

/// The schema of a key of a type.
fn key_of<'a>(schema: &'a mut Schema, of: &str, key: &str) -> &'a mut Map<String, Value> {
    definition(schema, of)
        .get_mut("properties")
        .and_then(|keys| keys.get_mut(key)?.as_object_mut())
        .expect("the tables above name keys that their types have, which a test holds")
}

/// Lets a key have these words only, and says which of them do not work yet.
fn property(schema: &mut Schema, of: &str, key: &str, works: &[&str], later: &[&str]) {
    let property = key_of(schema, of, key);
    property.insert("enum".to_owned(), json!([works, later].concat()));
    if !later.is_empty() {
        let about = property.get("description").and_then(Value::as_str).unwrap_or_default();
        let about = format!("{about} Not supported yet: `{}`.", later.join("`, `"));
        property.insert("description".to_owned(), json!(about));
    }
}

fn name_what_does_not_work(schema: &mut Schema) {
    let Some(schema) = schema.as_object_mut() else { return };
    // What is required stands in the table above, and everything here may be left out.
    schema.remove("required");
    if schema.remove(NOT_YET).is_some() {
        let about = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        let about = format!("NOT SUPPORTED YET: using it is an error (PC0009). {about}");
        schema.insert("description".to_owned(), json!(about.trim_end()));
    }
}

/// A shape that adds nothing to what may be written.
macro_rules! transparent {
    ($($shape:ident),*) => {$(
        impl<T: JsonSchema> JsonSchema for $shape<T> {
            fn inline_schema() -> bool {
                T::inline_schema()
            }

            fn schema_name() -> Cow<'static, str> {
                T::schema_name()
            }

            fn schema_id() -> Cow<'static, str> {
                T::schema_id()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                T::json_schema(generator)
            }
        }
    )*};
}

transparent!(Field, Spanned);

/// A schema that stands where it is used.
macro_rules! inline {
    ($($name:ty $(where $parameter:ident: $($bound:ident),+)? => |$generator:ident| $schema:expr;)*) => {$(
        impl $(<$parameter: $($bound +)+>)? JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    )*};
}

inline! {
    Each<T> where T: JsonSchema => |generator| {
        json_schema!({ "type": "array", "items": generator.subschema_for::<T>() })
    };
    Table<T> where T: JsonSchema => |generator| json_schema!({
        "type": "object",
        "propertyNames": { "pattern": NAME },
        "additionalProperties": generator.subschema_for::<T>(),
    });
    Form<T> where T: JsonSchema, LongForm => |generator| json_schema!({
        "anyOf": [{ "type": "string" }, generator.subschema_for::<T>()],
    });
    NotYet<T> where T: JsonSchema => |generator| {
        let mut schema = generator.subschema_for::<T>();
        schema.insert(NOT_YET.to_owned(), json!(true));
        schema
    };
    Duration => |_generator| json_schema!({ "type": "string", "pattern": DURATION });
    Rate => |_generator| json_schema!({ "type": "string", "pattern": RATE });
    DurationOrNone => |_generator| json_schema!({
        "anyOf": [{ "type": "string", "pattern": DURATION }, { "const": "none" }],
    });
    CountOrWord => |_generator| json_schema!({
        "anyOf": [{ "type": "integer", "minimum": 1 }, { "type": "string" }],
    });
    Words => |_generator| json_schema!({
        "anyOf": [{ "type": "array", "items": { "type": "string" } }, { "const": "none" }],
    });
    TextOrList => |_generator| json_schema!({
        "anyOf": [{ "type": "array", "items": { "type": "string" } }, { "type": "string" }],
    });
    PortRange => |_generator| json_schema!({
        "anyOf": [
            { "type": "integer", "minimum": 0, "maximum": u16::MAX },
            { "type": "string", "pattern": "^[0-9]{1,5}(-[0-9]{1,5})?$" },
        ],
    });
}

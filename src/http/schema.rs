//! JSON Schemas of event types (2020-12): which are taken, and what they say of an object. A schema stands by itself
//! (nothing is fetched), and no reference leads back to itself without going down into the object, so that a check
//! always ends.

use std::collections::HashMap;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use crate::domain::json;

/// The largest schema, in bytes of JSON text.
pub const MAX_SCHEMA_SIZE: usize = 64 << 10;

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// More steps than this from one part of the object, over references and combinations, are refused.
const MOST_STEPS: u64 = 10_000;

/// More of them one within the other are refused: each takes some of the stack at every level of the object.
const DEEPEST: u32 = 12;

/// Why a schema is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// Too long.
    #[error("a schema may have {MAX_SCHEMA_SIZE} bytes at most")]
    TooLarge,
    /// Numbers that cannot be read, or the like.
    #[error("the schema cannot be read: {0}")]
    Unreadable(String),
    /// Neither an object nor a boolean.
    #[error("a schema is an object or a boolean")]
    NotASchema,
    /// Another draft.
    #[error("`$schema` must be `{DIALECT}`, or left out")]
    Dialect,
    /// An embedded resource with an address of its own.
    #[error("`$id` can only stand at the top of a schema")]
    EmbeddedId,
    /// A reference to somewhere else.
    #[error("references must stay within the schema, like `#/$defs/name`; nothing is fetched")]
    Remote,
    /// A reference to nothing.
    #[error("the reference `{0}` leads nowhere")]
    Dangling(String),
    /// A check of it would not end.
    #[error("a reference leads back to itself without going down into the object")]
    Circular,
    /// A check of it would take very long.
    #[error("references and combinations multiply to more than {MOST_STEPS} steps")]
    TooManySteps,
    /// A check of it would need too much of the stack.
    #[error("references and combinations lie more than {DEEPEST} deep within each other")]
    TooDeep,
    /// The rest.
    #[error("the schema is not valid: {0}")]
    Invalid(String),
}

/// Where an object breaks its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// A JSON Pointer within the object.
    pub pointer: String,
    /// What is wrong there, without its value.
    pub message: String,
}

/// A schema, ready to check objects.
pub struct CompiledSchema(Validator);

impl CompiledSchema {
    /// Compiles a JSON text.
    ///
    /// # Errors
    /// The schema is not taken.
    pub fn compile(text: &str) -> Result<Self, SchemaError> {
        if text.len() > MAX_SCHEMA_SIZE {
            return Err(SchemaError::TooLarge);
        }
        let schema: Value = serde_json::from_str(text).map_err(|error| SchemaError::Unreadable(error.to_string()))?;
        inspect(&schema)?;
        // The engine without back-tracking: a pattern takes linear time whatever the text.
        let options =
            jsonschema::options().with_draft(Draft::Draft202012).with_pattern_options(PatternOptions::regex());
        options.build(&schema).map(Self).map_err(|error| SchemaError::Invalid(explained(&error.to_string())))
    }

    /// Checks the JSON text of an object.
    ///
    /// # Errors
    /// The first violation.
    pub fn check(&self, object: &str) -> Result<(), Violation> {
        // It is known to be JSON: what is left has no value here.
        let object: Value = serde_json::from_str(object).map_err(|error| Violation {
            pointer: String::new(),
            message: if json::is_out_of_range(&error) {
                "it has a number out of the range that can be checked against a schema".to_owned()
            } else {
                "it has half of a surrogate pair in a text, which cannot be checked against a schema".to_owned()
            },
        })?;
        self.0.validate(&object).map_err(|error| Violation {
            pointer: error.instance_path.to_string(),
            message: error.masked().to_string(),
        })
    }
}

/// What the compiler says, and of a pattern that only an engine with back-tracking takes, why.
fn explained(error: &str) -> String {
    let why = "; look-around and back-references are not supported, so that every check takes linear time";
    if error.ends_with("is not a \"regex\"") { format!("{error}{why}") } else { error.to_owned() }
}

/// What the compiler does not ask.
fn inspect(schema: &Value) -> Result<(), SchemaError> {
    match schema {
        Value::Bool(_) => return Ok(()),
        Value::Object(top) => {
            if top
                .get("$schema")
                .is_some_and(|dialect| dialect.as_str().map(|d| d.trim_end_matches('#')) != Some(DIALECT))
            {
                return Err(SchemaError::Dialect);
            }
        }
        _ => return Err(SchemaError::NotASchema),
    }
    let mut anchors = HashMap::new();
    collect_anchors(schema, true, &mut anchors)?;
    let mut walk = Walk { schema, anchors, costs: HashMap::new() };
    walk.everywhere(schema)
}

fn collect_anchors<'s>(
    value: &'s Value,
    top: bool,
    anchors: &mut HashMap<&'s str, &'s Value>,
) -> Result<(), SchemaError> {
    match value {
        Value::Object(object) => {
            if !top && object.get("$id").is_some_and(Value::is_string) {
                return Err(SchemaError::EmbeddedId);
            }
            for name in ["$anchor", "$dynamicAnchor"].iter().filter_map(|key| object.get(*key)?.as_str()) {
                anchors.insert(name, value);
            }
            object.values().try_for_each(|inner| collect_anchors(inner, false, anchors))
        }
        Value::Array(items) => items.iter().try_for_each(|inner| collect_anchors(inner, false, anchors)),
        _ => Ok(()),
    }
}

/// Follows, from every part of the schema, what is applied to the same place of the object.
struct Walk<'s> {
    schema: &'s Value,
    anchors: HashMap<&'s str, &'s Value>,
    /// The cost of each part; `None` while it is being counted.
    costs: HashMap<*const Value, Option<Cost>>,
}

#[derive(Clone, Copy)]
struct Cost {
    steps: u64,
    depth: u32,
}

impl<'s> Walk<'s> {
    fn everywhere(&mut self, value: &'s Value) -> Result<(), SchemaError> {
        match value {
            Value::Object(object) => {
                self.cost(value)?;
                object.values().try_for_each(|inner| self.everywhere(inner))
            }
            Value::Array(items) => items.iter().try_for_each(|inner| self.everywhere(inner)),
            _ => Ok(()),
        }
    }

    fn cost(&mut self, part: &'s Value) -> Result<Cost, SchemaError> {
        match self.costs.get(&std::ptr::from_ref(part)) {
            Some(Some(cost)) => return Ok(*cost),
            Some(None) => return Err(SchemaError::Circular),
            None => {}
        }
        self.costs.insert(std::ptr::from_ref(part), None);
        let mut cost = Cost { steps: 1, depth: 1 };
        for next in self.in_place(part)? {
            let next = self.cost(next)?;
            cost.steps = cost.steps.saturating_add(next.steps);
            cost.depth = cost.depth.max(next.depth + 1);
        }
        if cost.steps > MOST_STEPS {
            return Err(SchemaError::TooManySteps);
        }
        if cost.depth > DEEPEST {
            return Err(SchemaError::TooDeep);
        }
        self.costs.insert(std::ptr::from_ref(part), Some(cost));
        Ok(cost)
    }

    /// The parts that are applied to the same place of the object as this one (2020-12 core, sections 8.2.3 and 10.2).
    fn in_place(&self, part: &'s Value) -> Result<Vec<&'s Value>, SchemaError> {
        let Value::Object(object) = part else { return Ok(Vec::new()) };
        let mut parts = Vec::new();
        for (key, value) in object {
            match (key.as_str(), value) {
                ("$ref" | "$dynamicRef", Value::String(reference)) => parts.push(self.resolve(reference)?),
                ("allOf" | "anyOf" | "oneOf", Value::Array(items)) => parts.extend(items),
                ("dependentSchemas", Value::Object(schemas)) => parts.extend(schemas.values()),
                ("not" | "if" | "then" | "else", schema) => parts.push(schema),
                _ => {}
            }
        }
        Ok(parts)
    }

    fn resolve(&self, reference: &str) -> Result<&'s Value, SchemaError> {
        // Nothing at all is the schema itself (RFC 3986, section 4.4).
        let fragment = if reference.is_empty() { Some("") } else { reference.strip_prefix('#') };
        let fragment = fragment.ok_or(SchemaError::Remote)?;
        let dangling = || SchemaError::Dangling(reference.chars().take(100).collect());
        if fragment.is_empty() || fragment.starts_with('/') {
            let pointer = percent_decoded(fragment).ok_or_else(dangling)?;
            return self.schema.pointer(&pointer).ok_or_else(dangling);
        }
        self.anchors.get(fragment).copied().ok_or_else(dangling)
    }
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(part.get(2..)?.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> Option<SchemaError> {
        CompiledSchema::compile(text).err()
    }

    #[test]
    fn what_stands_by_itself_and_ends_is_taken() {
        for text in [
            "true",
            "{}",
            r#"{"$schema":"https://json-schema.org/draft/2020-12/schema","$id":"https://example.com/x","type":"object"}"#,
            r##"{"$defs":{"node":{"type":"object","properties":{"next":{"$ref":"#/$defs/node"}}}},"$ref":"#/$defs/node"}"##,
            r##"{"properties":{"a":{"$ref":"#"}}}"##,
            r#"{"type":"object","properties":{"a":{"$ref":""}}}"#,
            r##"{"$defs":{"a b":{"$anchor":"here","type":"string"}},"properties":{"x":{"$ref":"#here"},"y":{"$ref":"#/$defs/a%20b"}}}"##,
        ] {
            assert_eq!(error(text), None, "{text}");
        }
    }

    #[test]
    fn what_refers_outside_or_does_not_end_is_refused() {
        assert_eq!(error("1"), Some(SchemaError::NotASchema));
        assert_eq!(error(r#"{"$ref":"https://example.com/x"}"#), Some(SchemaError::Remote));
        assert_eq!(error(r#"{"properties":{"a":{"$ref":"other.json"}}}"#), Some(SchemaError::Remote));
        assert_eq!(error(r#"{"$schema":"http://json-schema.org/draft-07/schema#"}"#), Some(SchemaError::Dialect));
        assert_eq!(error(r#"{"$defs":{"a":{"$id":"x"}}}"#), Some(SchemaError::EmbeddedId));
        assert_eq!(error(r##"{"$ref":"#/nowhere"}"##), Some(SchemaError::Dangling("#/nowhere".to_owned())));
        assert_eq!(error(r##"{"$ref":"#"}"##), Some(SchemaError::Circular));
        assert_eq!(error(r##"{"allOf":[{"not":{"$ref":"#"}}]}"##), Some(SchemaError::Circular));
        assert_eq!(
            error(
                r##"{"$defs":{"a":{"$dynamicRef":"#b"},"b":{"$dynamicAnchor":"b","anyOf":[{"$ref":"#/$defs/a"}]}}}"##
            ),
            Some(SchemaError::Circular)
        );
        let four_times = |n: usize| {
            let next = format!(r##"{{"$ref":"#/$defs/s{}"}}"##, n + 1);
            format!(r#""s{n}":{{"anyOf":[{next},{next},{next},{next}]}}"#)
        };
        let chain: Vec<_> = (0..9).map(four_times).collect();
        let exploding = format!(r##"{{"$defs":{{{},"s9":{{}}}},"$ref":"#/$defs/s0"}}"##, chain.join(","));
        assert_eq!(error(&exploding), Some(SchemaError::TooManySteps));
        let chain: Vec<_> = (0..40).map(|n| format!(r##""s{n}":{{"$ref":"#/$defs/s{}"}}"##, n + 1)).collect();
        let deep = format!(r##"{{"$defs":{{{},"s40":{{}}}},"$ref":"#/$defs/s0"}}"##, chain.join(","));
        assert_eq!(error(&deep), Some(SchemaError::TooDeep));
        assert!(matches!(error(r#"{"type":"no such type"}"#), Some(SchemaError::Invalid(_))));
        for pattern in ["(", "^(?!b)$", r"(?<n>a)\\k<n>"] {
            let Some(SchemaError::Invalid(why)) = error(&format!(r#"{{"pattern":"{pattern}"}}"#)) else {
                panic!("{pattern} was taken")
            };
            assert!(why.contains("look-around and back-references are not supported"), "{why}");
        }
        assert!(matches!(error(r#"{"minimum":1e999}"#), Some(SchemaError::Unreadable(_))));
        assert_eq!(error(&format!("{{\"title\":\"{}\"}}", "x".repeat(MAX_SCHEMA_SIZE))), Some(SchemaError::TooLarge));
    }

    #[test]
    fn the_deepest_schema_over_the_deepest_object_fits_on_a_workers_stack() {
        let chain: Vec<_> = (0..10).map(|n| format!(r##""s{n}":{{"$ref":"#/$defs/s{}"}}"##, n + 1)).collect();
        let bottom = r##""s10":{"properties":{"a":{"$ref":"#/$defs/s0"}},"items":{"$ref":"#/$defs/s0"}}"##;
        let schema = format!(r##"{{"$defs":{{{},{bottom}}},"$ref":"#/$defs/s0"}}"##, chain.join(","));
        let schema = CompiledSchema::compile(&schema).unwrap_or_else(|error| panic!("{error}"));
        let deepest = json::DEEPEST;
        let object = format!("{}1{}", "{\"a\":".repeat(deepest), "}".repeat(deepest));
        let checked =
            std::thread::Builder::new().stack_size(2 << 20).spawn(move || schema.check(&object)).unwrap().join();
        assert_eq!(checked.unwrap(), Ok(()));
    }

    #[test]
    fn a_violation_points_into_the_object_and_keeps_its_value_to_itself() {
        let schema = CompiledSchema::compile(
            r#"{"type":"object","required":["id"],"properties":{"n":{"items":{"type":"integer"}}}}"#,
        );
        let schema = schema.ok().unwrap();
        assert_eq!(schema.check(r#"{"id":"x","n":[1,2]}"#), Ok(()));
        let violation = schema.check(r#"{"id":"x","n":[1,"confidential"]}"#).unwrap_err();
        assert_eq!(violation.pointer, "/n/1");
        assert!(!violation.message.contains("confidential"), "{}", violation.message);
        assert_eq!(schema.check("{}").unwrap_err().pointer, "");
        assert!(schema.check(r#"{"id":1e999}"#).unwrap_err().message.contains("a number out of the range"));
        for half in [r"\ud800", r"\udc00", r"\ud800x", r"\ud800\u0041"] {
            let violation = schema.check(&format!(r#"{{"id":"{half}"}}"#)).unwrap_err();
            assert!(violation.message.contains("half of a surrogate pair"), "{half}: {}", violation.message);
        }
    }
}

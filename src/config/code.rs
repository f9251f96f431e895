//! The codes of what can be wrong with a file before its meaning is asked for.

use crate::diagnostic::Code;

/// `yaml-syntax`: not YAML, or YAML that the language leaves out.
pub const YAML_SYNTAX: Code = Code("PC0001");

/// `unknown-key`.
pub const UNKNOWN_KEY: Code = Code("PC0002");

/// `duplicate-key`.
pub const DUPLICATE_KEY: Code = Code("PC0003");

/// `wrong-type`: a list where a number belongs.
pub const WRONG_TYPE: Code = Code("PC0004");

/// `bad-value`: the right type, but not a value of it.
pub const BAD_VALUE: Code = Code("PC0005");

/// `limit-exceeded`: more than any file of sense has.
pub const LIMIT_EXCEEDED: Code = Code("PC0008");

/// `not-supported-yet`: part of the language, but not of this version of the program.
pub const NOT_SUPPORTED_YET: Code = Code("PC0009");

/// `yaml-ambiguous`: a word that YAML 1.1 and YAML 1.2 read differently.
pub const YAML_AMBIGUOUS: Code = Code("PC1104");

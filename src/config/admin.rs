//! What was written of the admin socket.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Field, LongForm};

/// The long form of `admin`; the short form is `none`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    /// Its path.
    pub unix: Field<String>,
    /// Octal permissions as text, for the owner and the group: `"0600"` (default) or `"0660"`.
    pub mode: Field<String>,
}

impl LongForm for Admin {
    const EXPECTED: &'static str = "`none`, or a mapping with `unix`";
    const CURE: &'static str = "write `none`, or `{ unix: /run/portcullis/admin.sock }`";
}

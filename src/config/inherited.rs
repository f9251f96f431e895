//! `expose: { inherited: … }`: a socket that the service manager passes in.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Expose, Field, Form, Listener};

/// A socket that the service manager passes in.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Inherited {
    /// Its name in `LISTEN_FDNAMES`: `FileDescriptorName=` of the socket unit.
    pub name: Field<String>,
    /// The exposure that its address, family and device have to be.
    pub r#as: Field<Box<Form<Expose>>>,
}

impl Listener {
    /// Where it is exposed; of a socket that is passed in, what that has to be.
    #[must_use]
    pub fn exposed(&self) -> Option<&Form<Expose>> {
        let form = self.expose.get()?;
        match form {
            Form::Long(long) => match long.inherited.get() {
                Some(inherited) => inherited.r#as.get().map(|form| &**form),
                None => Some(form),
            },
            Form::Short(_) => Some(form),
        }
    }
}

//! What the admin socket is to be.

use super::Resolver;
use crate::{
    config::{self, Form},
    diagnostic::text::Shown,
    policy::{Admin, UnixSocket},
    source::Span,
};

/// For the user of the process, and root, whom no mode keeps out.
const PRIVATE: u32 = 0o600;

/// The bits of everybody who is neither the owner nor of the group.
const OTHERS: u32 = 0o007;

impl Resolver<'_> {
    pub(super) fn admin(&mut self, form: &Form<config::Admin>, span: Span) -> Option<Admin> {
        let written = match form {
            Form::Short(word) if word == "none" => return Some(Admin::None),
            Form::Short(other) => {
                let message = format!("`{}` is no admin socket", Shown(other));
                self.bad(span, message, "write `none`, or `{ unix: /run/portcullis/admin.sock }`");
                return None;
            }
            Form::Long(written) => written,
        };
        let at = written.unix.span().unwrap_or(span);
        let path = self.required(&written.unix, "unix", span);
        let path = path.and_then(|path| self.unix_path(&path, at));
        let mode = match written.mode.set() {
            Some((text, at)) => self.mode(text, at).filter(|mode| {
                let admits = mode & OTHERS != 0;
                if admits {
                    let message = "with this mode everybody on the host could stop the service";
                    self.bad(at, message, "leave out the last digit's bits, such as \"0660\"");
                }
                !admits
            }),
            None => Some(PRIVATE),
        };
        Some(Admin::At(UnixSocket { path: path?, mode: mode?, owner: None, group: None }))
    }
}

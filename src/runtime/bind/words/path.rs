//! What is wrong with a path, in words.

use super::super::cause::PathTrouble;

impl PathTrouble {
    pub(super) fn why(&self) -> String {
        match self {
            Self::Held(Some(owner)) => format!("a living socket is there, of {owner}"),
            Self::Held(None) => "a living socket is there".into(),
            Self::Occupied => "what is there is no socket, and is left alone".into(),
            Self::TooLong => "a path socket has at most 107 bytes, \
                also while it is `.PID.NUMBER` in the same directory, before it is put in place"
                .into(),
            Self::NoDirectory => "the directory does not exist".into(),
            Self::Refused => "this user may not write there".into(),
            Self::OwnerRefused => {
                "this user may not give files to the owner or group asked for (CAP_CHOWN)".into()
            }
            Self::NoSuchAccount(name) => format!("this system knows no `{name}`"),
        }
    }

    pub(super) fn help(&self) -> &'static str {
        match self {
            Self::Held(_) => "stop the holder, or choose another path",
            Self::Occupied => "move it away, or choose another path",
            Self::TooLong => "choose a shorter path",
            Self::NoDirectory => "create it: under systemd `RuntimeDirectory=`",
            Self::Refused => "let this user write it: under systemd `RuntimeDirectory=`",
            Self::OwnerRefused => "run as that owner and leave `owner` and `group` out",
            Self::NoSuchAccount(_) => "create the account, or correct its name",
        }
    }
}

//! Whether a process could change a file that is to bind it, or the way to one.

use std::{
    fs::Metadata,
    io,
    os::unix::fs::MetadataExt,
    path::{Component, Path},
};

use nix::unistd::{getegid, geteuid, getgroups};

use super::Account;

/// Who a process acts as.
struct Actor {
    user: u32,
    groups: Vec<u32>,
}

/// How this process could change a file's content, by its owner and mode, or by those of a
/// directory above it, through which another file could take its place; `None` when it could not.
///
/// The superuser can change everything, so what he is told is who else could.
///
/// # Errors When the file or a directory above it cannot be asked.
pub fn could_change(path: &Path) -> io::Result<Option<String>> {
    let mut groups: Vec<u32> = getgroups()?.into_iter().map(nix::unistd::Gid::as_raw).collect();
    groups.push(getegid().as_raw());
    let actor = Actor { user: geteuid().as_raw(), groups };
    let path = path.canonicalize()?;
    if let Some(how) = actor.way_into(&path.metadata()?) {
        return Ok(Some(how));
    }
    for directory in path.ancestors().skip(1) {
        let meta = directory.metadata()?;
        if let Some(how) = actor.way_into(&meta).filter(|_| !is_sticky(&meta)) {
            return Ok(Some(format!("the directory `{}`: {how}", directory.display())));
        }
        if directory.components().eq([Component::RootDir]) {
            break;
        }
    }
    Ok(None)
}

/// Whether an account could put another folder, or a link to one, in the place of one on the way to
/// this path, or another file in it: whoever acts there with more rights may be led elsewhere.
///
/// # Errors
/// When a folder on the way cannot be asked.
pub fn could_redirect(account: &Account, path: &Path) -> io::Result<bool> {
    let actor = Actor { user: account.user, groups: account.groups()? };
    let path = std::path::absolute(path)?;
    let folder = path.parent().unwrap_or(&path);
    let real = folder.canonicalize()?;
    for step in folder.ancestors().chain(real.ancestors()) {
        let meta = step.symlink_metadata()?;
        let is_way = if meta.is_symlink() {
            meta.uid() == actor.user
        } else {
            actor.way_into(&meta).is_some() && !is_sticky(&meta)
        };
        if is_way {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether nobody but the owner takes the place of a file in this directory.
fn is_sticky(directory: &Metadata) -> bool {
    directory.mode() & STICKY != 0 && directory.uid() == SUPERUSER
}

const SUPERUSER: u32 = 0;
const STICKY: u32 = 0o1000;
const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;

impl Actor {
    fn way_into(&self, meta: &Metadata) -> Option<String> {
        self.way(meta.uid(), meta.gid(), meta.mode())
    }

    fn way(&self, owner: u32, group: u32, mode: u32) -> Option<String> {
        let is_superuser = self.user == SUPERUSER;
        if mode & OTHERS_WRITE != 0 {
            return Some("every user may write it".to_owned());
        }
        // Whose directories and files the superuser leaves to others, others can change.
        let in_group = self.groups.contains(&group) || is_superuser && group != SUPERUSER;
        if mode & GROUP_WRITES != 0 && in_group && (group != SUPERUSER || !is_superuser) {
            return Some(format!("group {group} may write it"));
        }
        match owner {
            SUPERUSER => None,
            owner if owner == self.user || is_superuser => Some(format!("user {owner} owns it")),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, chown, symlink},
    };

    use super::*;

    #[test]
    fn a_way_is_safe_where_every_folder_and_link_on_it_is_another_s() {
        let top = tempfile::tempdir().unwrap();
        let at = |path: &str| top.path().join(path);
        let me = geteuid().as_raw();
        let of = |user| Account { name: None, user, group: 4_294_967_000 };
        let (owner, stranger) = (of(me), of(4_294_967_001));
        fs::set_permissions(top.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for folder in ["safe", "open"] {
            fs::create_dir(at(folder)).unwrap();
        }
        fs::set_permissions(at("open"), fs::Permissions::from_mode(0o757)).unwrap();
        symlink(at("safe"), at("open/link")).unwrap();
        symlink(at("open"), at("safe/link")).unwrap();
        let strangers = [
            ("safe/x.sock", false),
            ("open/x.sock", true),
            ("open/link/x.sock", true),
            ("safe/link/x.sock", true),
            ("safe/../open/x.sock", true),
        ];
        for (path, way) in strangers {
            assert_eq!(could_redirect(&stranger, &at(path)).unwrap(), way, "{path}");
        }
        // The superuser is told of others only.
        assert_eq!(could_redirect(&owner, &at("safe/x.sock")).unwrap(), me != SUPERUSER);
        assert!(could_redirect(&stranger, &at("nowhere/x.sock")).is_err());
        if me == SUPERUSER {
            chown(at("safe"), Some(stranger.user), None).unwrap();
            assert!(could_redirect(&stranger, &at("safe/x.sock")).unwrap());
        }
    }

    #[test]
    fn only_what_others_own_and_keep_to_themselves_binds() {
        let service = Actor { user: 977, groups: vec![977, 50] };
        let root = Actor { user: 0, groups: vec![0] };
        for (owner, group, mode, by_service, by_root) in [
            (0, 0, 0o644, false, false),
            (0, 0, 0o664, false, false),
            (0, 50, 0o664, true, true),
            (0, 51, 0o664, false, true),
            (0, 0, 0o646, true, true),
            (977, 0, 0o444, true, true),
            (978, 0, 0o644, false, true),
        ] {
            let case = format!("{owner}:{group} {mode:o}");
            assert_eq!(service.way(owner, group, mode).is_some(), by_service, "{case}");
            assert_eq!(root.way(owner, group, mode).is_some(), by_root, "{case}");
        }
    }
}

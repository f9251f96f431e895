//! Users by name or number, and becoming one of them for good.

use std::{ffi::CString, io};

use nix::unistd::{
    Gid, Group, Uid, User, getegid, geteuid, getgrouplist, getgroups, getresgid, getresuid,
    initgroups, setegid, seteuid, setgroups, setresgid, setresuid,
};

/// The number of the user that no permission stops.
pub const ROOT: u32 = 0;

/// A user and a group that a process can become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The user's name, if the system knows one: the groups it is in besides come with it.
    pub name: Option<String>,
    /// The user.
    pub user: u32,
    /// The group.
    pub group: u32,
}

/// Why there is no such account.
#[derive(Debug, thiserror::Error)]
pub enum NoAccount {
    /// The system knows no such user.
    #[error("there is no user `{0}` on this host")]
    User(String),
    /// The system knows no such group.
    #[error("there is no group `{0}` on this host")]
    Group(String),
    /// A number without an entry has no group of its own.
    #[error("user {0} has no entry on this host, and so no group: name one")]
    Groupless(u32),
    /// The user database cannot be read.
    #[error("the users of this host cannot be read")]
    Unreadable(#[from] io::Error),
}

impl Account {
    /// Looks an account up. Without a group it is the user's own.
    ///
    /// # Errors
    /// When the system does not know it.
    pub fn find(user: &str, group: Option<&str>) -> Result<Self, NoAccount> {
        let entry = match user.parse().map(Uid::from_raw) {
            Ok(number) => User::from_uid(number),
            Err(_) => User::from_name(user),
        };
        let entry = entry.map_err(io::Error::from)?;
        let number = entry.as_ref().map(|entry| entry.uid.as_raw()).or_else(|| user.parse().ok());
        let number = number.ok_or_else(|| NoAccount::User(user.to_owned()))?;
        let group = match (group, &entry) {
            (Some(group), _) => {
                group_id(group)?.ok_or_else(|| NoAccount::Group(group.to_owned()))?
            }
            (None, Some(entry)) => entry.gid.as_raw(),
            (None, None) => return Err(NoAccount::Groupless(number)),
        };
        Ok(Self { name: entry.map(|entry| entry.name), user: number, group })
    }

    /// The same with the name of the user, if the system knows one.
    #[must_use]
    pub fn with_name(&self) -> Option<Self> {
        let entry = User::from_uid(Uid::from_raw(self.user)).ok().flatten()?;
        Some(Self { name: Some(entry.name), ..*self })
    }

    /// Becomes it, in every thread, with no way back and with no capability in force unless it is
    /// the superuser.
    ///
    /// # Errors
    /// When the kernel refuses, which takes CAP_SETUID and CAP_SETGID. The process may be somebody
    /// between the two then, and should end.
    pub fn assume(&self) -> io::Result<()> {
        let (user, group) = (Uid::from_raw(self.user), Gid::from_raw(self.group));
        match &self.name {
            Some(name) => initgroups(&CString::new(name.as_str())?, group)?,
            None => setgroups(&[group])?,
        }
        setresgid(group, group, group)?;
        setresuid(user, user, user)?;
        let (users, groups) = (getresuid()?, getresgid()?);
        let is_user = [users.real, users.effective, users.saved] == [user; 3];
        let is_group = [groups.real, groups.effective, groups.saved] == [group; 3];
        // Where somebody stands in between (an emulation, a preloaded library), a call may have
        // succeeded without effect.
        if is_user && is_group { Ok(()) } else { Err(io::Error::other("it had no effect")) }
    }
}

impl Account {
    /// The groups that it is in.
    ///
    /// # Errors
    /// When the group database cannot be read.
    pub fn groups(&self) -> io::Result<Vec<u32>> {
        let own = Gid::from_raw(self.group);
        let groups = match &self.name {
            Some(name) => getgrouplist(&CString::new(name.as_str())?, own)?,
            None => vec![own],
        };
        Ok(groups.into_iter().map(Gid::as_raw).collect())
    }

    /// Does something as it: what the kernel lets it, and no more. For a process of root that has
    /// one thread, and is root again afterwards.
    ///
    /// # Errors
    /// When the kernel refuses; then nothing was done, or the process is still it and should end.
    pub fn act<T>(&self, act: impl FnOnce() -> T) -> io::Result<T> {
        let before = (getgroups()?, getegid(), geteuid());
        let groups: Vec<_> = self.groups()?.into_iter().map(Gid::from_raw).collect();
        setgroups(&groups)?;
        setegid(Gid::from_raw(self.group))?;
        seteuid(Uid::from_raw(self.user))?;
        let done = act();
        let (groups, group, user) = before;
        seteuid(user)?;
        setegid(group)?;
        setgroups(&groups)?;
        Ok(done)
    }
}

/// The id of a user by name or number.
///
/// # Errors
/// When the user database cannot be read.
pub fn user_id(user: &str) -> io::Result<Option<u32>> {
    match user.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => Ok(User::from_name(user)?.map(|user| user.uid.as_raw())),
    }
}

/// The id of a group by name or number.
///
/// # Errors
/// When the group database cannot be read.
pub fn group_id(group: &str) -> io::Result<Option<u32>> {
    match group.parse() {
        Ok(number) => Ok(Some(number)),
        Err(_) => Ok(Group::from_name(group)?.map(|group| group.gid.as_raw())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_found_by_name_and_by_number() {
        let root = Account::find("root", None).unwrap();
        assert_eq!(root, Account { name: Some("root".to_owned()), user: 0, group: 0 });
        assert_eq!(Account::find("0", Some("root")).unwrap(), root);
        let nameless = Account::find("4294967000", Some("7")).unwrap();
        assert_eq!(nameless, Account { name: None, user: 4_294_967_000, group: 7 });
    }

    #[test]
    fn what_the_system_does_not_know_is_no_account() {
        let why = |user, group| Account::find(user, group).unwrap_err().to_string();
        assert_eq!(why("no such user", None), "there is no user `no such user` on this host");
        assert_eq!(why("root", Some("no such")), "there is no group `no such` on this host");
        assert!(why("4294967000", None).contains("name one"));
        assert_eq!(user_id("no such user").unwrap(), None);
        assert_eq!(group_id("root").unwrap(), Some(0));
    }
}

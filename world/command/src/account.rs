//! As whom programs run.

use nix::unistd::{Group, User};

/// A user and a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub uid: u32,
    pub gid: u32,
}

impl Account {
    /// The account of these names; nothing if it is the engine's own and nothing is to be changed.
    pub fn find(user: &str, group: Option<&str>) -> Result<Option<Self>, String> {
        let found = User::from_name(user).map_err(|error| format!("user: {error}"))?;
        let found = found.ok_or_else(|| format!("user: there is no `{}`", user.escape_debug()))?;
        let gid = match group {
            None => found.gid.as_raw(),
            Some(name) => {
                let group = Group::from_name(name).map_err(|error| format!("group: {error}"))?;
                let group =
                    group.ok_or_else(|| format!("group: there is no `{}`", name.escape_debug()))?;
                group.gid.as_raw()
            }
        };
        let account = Self { uid: found.uid.as_raw(), gid };
        let (own_uid, own_gid) = (rustix::process::geteuid(), rustix::process::getegid());
        if own_uid.is_root() {
            return Ok(Some(account));
        }
        if account == (Self { uid: own_uid.as_raw(), gid: own_gid.as_raw() }) {
            return Ok(None);
        }
        let own = User::from_uid(nix::unistd::Uid::from_raw(own_uid.as_raw())).ok().flatten();
        let own = own.map_or_else(|| own_uid.as_raw().to_string(), |own| own.name);
        Err(format!(
            "user: only root can run a program as `{user}`; start the engine as root, or write `user: {own}` to run it \
             as the engine itself"
        ))
    }
}

//! What can go wrong between this process and the kernel.

use rustix::io::Errno;

/// Why the firewall can't be read or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The process may not.
    #[error(
        "the kernel lets this process change no firewall, it lacks CAP_NET_ADMIN: add \
         `AmbientCapabilities=CAP_NET_ADMIN` to its unit, or run it as root"
    )]
    Forbidden,
    /// The kernel can't.
    #[error("this kernel has no nftables: load its module with `modprobe nf_tables`")]
    Missing,
    /// The kernel says no.
    #[error("the kernel refuses to {0}: {1}")]
    Kernel(&'static str, Errno),
    /// What was given to it.
    #[error("{0}")]
    Value(String),
}

impl Error {
    /// What the kernel answered to an attempt.
    pub(crate) fn of(attempt: &'static str) -> impl Fn(Errno) -> Self {
        move |errno| match errno {
            Errno::PERM | Errno::ACCESS => Self::Forbidden,
            Errno::PROTONOSUPPORT | Errno::AFNOSUPPORT => Self::Missing,
            errno => Self::Kernel(attempt, errno),
        }
    }

    /// Whether something that was named is not there.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Self::Kernel(_, Errno::NOENT))
    }
}

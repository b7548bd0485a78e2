//! The firewall against the kernel's nftables, in networks of its own: every test makes name spaces, joined by virtual
//! cables, and deletes them. It needs root, `ip` and `nft`; where one is missing it says so and is skipped.

#[cfg(test)]
mod blocks;
#[cfg(test)]
mod network;
#[cfg(test)]
mod never;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod speed;

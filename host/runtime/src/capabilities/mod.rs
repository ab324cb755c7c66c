//! Capabilities that reach outside, one folder each.

#[cfg(feature = "libvirt")]
pub mod libvirt;

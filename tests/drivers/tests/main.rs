//! One program of all of them: each would be compiled and linked with what it tests.

mod libvirt;
mod paper;
mod simulator;

//! One program of all of them: each would be compiled and linked with what it tests.

mod drivers;
mod full;
mod limits;
mod load;
mod panics;

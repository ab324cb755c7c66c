//! Standard output and standard error as they are: pipes whose readers leave, full disks.

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::sync::{Mutex, PoisonError};

/// What first went wrong with standard output.
static FAILED: Mutex<Option<io::Error>> = Mutex::new(None);

/// `println!`, which panics where nobody reads any more.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::write(format_args!("{}\n", format_args!($($text)*))) };
}

/// `eprintln!` in the same way.
macro_rules! tell {
    ($($text:tt)*) => { $crate::output::write_error(format_args!("skyloom: {}\n", format_args!($($text)*))) };
}

pub fn write(text: fmt::Arguments<'_>) {
    keep(io::stdout().write_fmt(text));
}

pub fn write_error(text: fmt::Arguments<'_>) {
    // Nobody is left who could be told.
    let _ = io::stderr().write_fmt(text);
}

/// Err: something could not be written since this was last asked. A reader who left (`skyloom plugin list | head -1`) had
/// enough; that is no failure.
pub fn finish() -> io::Result<()> {
    keep(io::stdout().flush());
    FAILED.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
}

fn keep(result: io::Result<()>) {
    if let Err(error) = result
        && error.kind() != ErrorKind::BrokenPipe
    {
        FAILED.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

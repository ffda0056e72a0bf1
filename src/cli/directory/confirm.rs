//! The question before a wide change.

use std::io::{BufRead, IsTerminal, Write};

use super::outcome::Access;
use crate::cli::source::Failed;

/// More accounts than this gain access only if somebody says so.
const WIDE: u64 = 10;

/// Whether a change is so wide that somebody has to say so.
pub(super) fn is_wide(access: &Access) -> bool {
    access.gaining > WIDE || access.is_cut
}

/// Asks on the terminal.
///
/// # Errors
/// There is no terminal, or the answer is no.
pub(super) fn ask(access: &Access) -> Result<(), Failed> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failed::Other(format!(
            "{}, which is more than {WIDE}: look at it with --dry-run, and say --yes",
            access.summary()
        )));
    }
    let mut asked = std::io::stderr().lock();
    // A terminal that takes no text gives no answer either.
    let _ = write!(asked, "{}. Carry it out? [y/N] ", access.summary());
    let _ = asked.flush();
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    let agreed = read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes");
    if agreed {
        Ok(())
    } else {
        Err(Failed::Other("nothing was changed".to_owned()))
    }
}

//! The question before a change that is wide, or by which an Admin may shut himself out.

use std::io::{BufRead, IsTerminal, Write};

use super::outcome::{self, Access};
use crate::cli::source::Failed;
use crate::directory::{Key, Kind};

/// More accounts than this gain access only if somebody says so.
const WIDE: u64 = 10;

/// Who makes a change, as far as the command line knows.
#[derive(Clone, Copy, Debug)]
pub(super) enum Acting<'a> {
    /// Whoever can write the files: no account of theirs is touched by it.
    Nobody,
    /// The account that `--as` names, by type and id.
    Account(&'a (String, String)),
    /// Whom a token is for, which the sidecar alone knows.
    Holder,
}

/// Why somebody has to say that a change is meant, if so.
pub(super) fn reason(access: &Access, acting: Acting<'_>) -> Option<String> {
    if access.gaining > WIDE || access.is_cut {
        return Some(format!("{}, which is more than {WIDE}", access.summary()));
    }
    // The level before is what the account was good for: who is deactivated or demoted already loses nothing.
    let lost = access
        .rows
        .iter()
        .find(|[_, on, before, after]| on == "role" && before == "Admin" && after != "Admin");
    let [account, ..] = lost?;
    match acting {
        Acting::Nobody => None,
        Acting::Account((entity_type, id)) => {
            let own = Kind::ALL.into_iter().find(|kind| kind.entity_type() == entity_type)?;
            let is_own = outcome::name(&Key::new(own, id)) == *account;
            is_own.then(|| format!("{account} is who makes this change, and would be an Admin no more"))
        }
        Acting::Holder => Some(format!("{account} would be an Admin no more, and may be whom the token is for")),
    }
}

/// Asks on the terminal.
///
/// # Errors
/// There is no terminal, or the answer is no.
pub(super) fn ask(reason: &str) -> Result<(), Failed> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failed::Other(format!("{reason}: look at it with --dry-run, and say --yes")));
    }
    let mut asked = std::io::stderr().lock();
    // A terminal that takes no text gives no answer either.
    let _ = write!(asked, "{reason}. Carry it out? [y/N] ");
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

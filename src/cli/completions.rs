//! `gatepost completions`, and the answers to the shells that have read its script.
//!
//! The scripts call this binary for each completion, so that names are those of the root on the command line. clap's own
//! people make the part that knows what can stand where, and four of the scripts. That of bash is ours: bash cuts words
//! at `:`, `@` and `=`, and so a `user:ana@example.com` reaches theirs in five pieces.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::CompleteEnv;
use clap_complete::env::{Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh};

use super::{Arguments, FAILURE, SUCCESS, print, print_error};

/// Set by the scripts. It has no place among the settings, which begin with `GATEPOST_`.
const VARIABLE: &str = "_GATEPOST_COMPLETE";

const BASH: &str = include_str!("completions/bash.sh");

/// What `completions` takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Add to the file that your shell reads when it starts:\n  \
                  bash        source <(gatepost completions bash)         in ~/.bashrc\n  \
                  zsh         source <(gatepost completions zsh)          in ~/.zshrc, behind compinit\n  \
                  fish        gatepost completions fish | source          in ~/.config/fish/config.fish\n  \
                  elvish      eval (gatepost completions elvish | slurp)  in ~/.config/elvish/rc.elv\n  \
                  powershell  gatepost completions powershell | Out-String | Invoke-Expression  in $PROFILE\n\n\
                  The script belongs to this version of gatepost: do not keep it in a file. Names are completed from the \
                  root on the command line, or the one that would be taken without it, if they can be read in 1.5 s.")]
pub(super) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

/// A shell that can be helped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
    Elvish,
    Powershell,
}

pub(super) fn run(args: &CompletionsArgs) -> u8 {
    let shell: &dyn EnvCompleter = match args.shell {
        Shell::Bash => &Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
        Shell::Elvish => &Elvish,
        Shell::Powershell => &Powershell,
    };
    let mut script = Vec::new();
    match shell.write_registration(VARIABLE, "gatepost", "gatepost", &binary(), &mut script) {
        Ok(()) => {
            print(String::from_utf8_lossy(&script).trim_end());
            SUCCESS
        }
        Err(error) => {
            print_error(&format!("cannot write the script: {error}"));
            FAILURE
        }
    }
}

/// How the shell finds this binary again: by its name if it was found by that, else by its whole path.
fn binary() -> String {
    let called = std::env::args_os().next().unwrap_or_default();
    match std::env::current_exe() {
        Ok(path) if Path::new(&called).components().count() > 1 => path.display().to_string(),
        _ => "gatepost".to_owned(),
    }
}

/// Answers a shell, if it is one that asks, and ends the process then.
pub fn complete() {
    CompleteEnv::with_factory(Arguments::command)
        .var(VARIABLE)
        .shells(Shells(&[&Bash, &Elvish, &Fish, &Powershell, &Zsh]))
        .complete();
}

/// bash, with words in one piece.
struct Bash;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn is(&self, name: &str) -> bool {
        name == "bash"
    }

    fn write_registration(
        &self,
        variable: &str,
        _: &str,
        _: &str,
        completer: &str,
        script: &mut dyn Write,
    ) -> Result<(), std::io::Error> {
        let quoted = format!("'{}'", completer.replace('\'', "'\\''"));
        script.write_all(BASH.replace("VARIABLE", variable).replace("COMPLETER", &quoted).as_bytes())
    }

    fn write_complete(
        &self,
        command: &mut Command,
        words: Vec<OsString>,
        directory: Option<&Path>,
        answer: &mut dyn Write,
    ) -> Result<(), std::io::Error> {
        // The script sends the words up to the cursor, and the last is to be completed.
        let last = words.len().saturating_sub(1);
        for candidate in clap_complete::engine::complete(command, words, last, directory)? {
            writeln!(answer, "{}", candidate.get_value().to_string_lossy())?;
        }
        Ok(())
    }
}

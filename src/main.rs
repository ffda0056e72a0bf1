//! The `gatepost` binary: reads the command line, runs it, and maps the result to an exit code.

use std::process::ExitCode;

use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    gatepost::cli::complete();
    gatepost::cli::Arguments::parse().run()
}

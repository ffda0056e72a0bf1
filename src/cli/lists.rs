//! Who can, and what can: lists for people who look after access.

mod access;
mod forms;
mod grounds;
mod kinds;
mod levels;
mod listing;
mod marks;
mod matrix;
mod page;
mod reach;
mod table;
mod what_can;
mod who_can;

use std::path::PathBuf;

use clap::Args;

use super::source::Failed;
use super::{RootArgs, pair};

pub(super) use super::render::shown;
pub(super) use access::{AccessArgs, run as access};
pub(super) use listing::colour;
pub(super) use matrix::{MatrixArgs, run as matrix};
pub(super) use table::{Colour, Table, Tone};
pub(super) use what_can::{WhatCanArgs, run as what_can};
pub(super) use who_can::{WhoCanArgs, run as who_can};

/// The root where names come first on the command line.
#[derive(Debug, Default, Args)]
pub(super) struct NamedRootArgs {
    /// The root: a directory with `schema/`, `policies/` and `entities/`. Without it, the current directory if it is one,
    /// and else the model that is built in.
    #[arg(long, value_name = "DIRECTORY", env = "GATEPOST_ROOT")]
    root: Option<PathBuf>,
    /// The settings file. Without it, `gatepost.toml` in the root, if there is one.
    #[arg(long, value_name = "FILE", env = "GATEPOST_CONFIG")]
    config: Option<PathBuf>,
    /// A setting, as in `--set engine.short_names=false`. `gatepost serve --help` lists them all.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
}

impl NamedRootArgs {
    pub(super) fn root(&self) -> RootArgs {
        RootArgs {
            root: self.root.clone(),
            config: self.config.clone(),
            set: self.set.clone(),
        }
    }
}

/// What is said of an id without a type where nothing tells which types there are.
fn untyped(id: &str) -> Failed {
    Failed::Usage(format!(
        "`{id}` has no type, and a sidecar does not tell which there are: write `type:id`, or name the root that it serves"
    ))
}

//! `gatepost init`

use std::fs;
use std::io;
use std::path::Path;

use super::{FAILURE, InitArgs, SUCCESS, print, print_error};
use crate::app::{IGNORED, MINIMAL, MODEL};

pub(super) fn run(args: &InitArgs) -> u8 {
    let mut files = if args.minimal { MINIMAL } else { MODEL }.to_vec();
    files.push(IGNORED);
    match write(&args.directory, &files) {
        Ok(()) => {
            let directory = args.directory.display();
            for (name, _) in &files {
                print(&format!("  {directory}/{name}"));
            }
            print(&format!(
                "\nA new root. Next:\n  gatepost check {directory}\n  gatepost serve {directory}"
            ));
            SUCCESS
        }
        Err(error) => {
            print_error(&format!("cannot write a root to `{}`: {error}", args.directory.display()));
            FAILURE
        }
    }
}

fn write(directory: &Path, files: &[(&str, &str)]) -> io::Result<()> {
    match fs::read_dir(directory) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(io::Error::other("it is not empty, and nothing in it is overwritten"));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    for (name, content) in files {
        let path = directory.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, content)?;
    }
    Ok(())
}

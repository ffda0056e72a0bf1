//! How far loading has come, on a terminal, when it takes longer than a second.

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::engine::Progress;

/// How long loading may take before a bar is shown.
const PATIENCE: Duration = Duration::from_secs(1);

/// A bar on the standard error, if that is a terminal.
pub(super) fn bar() -> Option<Progress> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let started = Instant::now();
    let shown: OnceLock<ProgressBar> = OnceLock::new();
    Some(Progress::new(move |done, all| {
        if shown.get().is_none() && started.elapsed() < PATIENCE {
            return;
        }
        let bar = shown.get_or_init(|| {
            let bar = ProgressBar::with_draw_target(Some(all as u64), ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("loading {wide_bar} {pos} of {len} files, {eta} left");
            style.map_or(bar.clone(), |style| bar.with_style(style))
        });
        bar.set_length(all as u64);
        bar.set_position(done as u64);
        if done == all {
            bar.finish_and_clear();
        }
    }))
}

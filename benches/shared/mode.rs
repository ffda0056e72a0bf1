//! Whether a bench is to measure, or only to show that it works.

/// What a run of a bench is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// `cargo bench`.
    Measure,
    /// `cargo test --benches` or `cargo bench -- --test`: everything once, and small.
    Try,
}

impl Mode {
    /// The mode that the arguments say, read as criterion reads them: cargo itself adds `--bench` where it measures.
    pub(crate) fn of_this_run() -> Self {
        let has = |flag: &str| std::env::args().any(|argument| argument == flag);
        if has("--bench") && !has("--test") {
            Self::Measure
        } else {
            Self::Try
        }
    }
}

//! How much to measure.

use super::mode::Mode;

/// Rounds in which the sides take turns, how long each turn is, and over how many connections.
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    pub(crate) connections: usize,
}

impl Plan {
    /// The usual plan of a bench, as the arguments change it; none if they ask for other benches.
    pub(crate) fn read(bench: &str, words: &[&str], usual: Self, mode: Mode) -> Option<Self> {
        let mut plan = match mode {
            Mode::Measure => usual,
            Mode::Try => Self {
                rounds: 1,
                seconds: 0.2,
                ..usual
            },
        };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut number = || {
                let number = words.next().and_then(|number| number.parse::<f64>().ok());
                number
                    .filter(|number| *number > 0.0)
                    .unwrap_or_else(|| panic!("`{word}` needs a number above 0"))
            };
            match *word {
                "--rounds" => plan.rounds = number().ceil() as usize,
                "--seconds" => plan.seconds = number(),
                "--connections" => plan.connections = number().ceil() as usize,
                "--bench" | "--test" => {}
                "--list" => return None,
                // Flags are criterion's, and what is no flag names the benches to run.
                flag if flag.starts_with('-') => eprintln!("{bench}: `{flag}` has no meaning here"),
                filter if bench.contains(filter) => {}
                _ => return None,
            }
        }
        Some(plan)
    }
}

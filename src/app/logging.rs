//! Structured logs, to standard error.

use tracing_subscriber::EnvFilter;

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// Starts logging. The first call counts.
///
/// # Errors
/// The filter is none.
pub fn start_logging(format: LogFormat, filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("`{filter}` is no filter of logs: {error}"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A log that nobody takes any more must not end what it tells of.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    // A second subscriber would be a second program in this process.
    let _ = match format {
        LogFormat::Text => builder
            .with_target(false)
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    Ok(())
}

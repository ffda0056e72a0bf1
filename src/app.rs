//! How it is run: settings, the built-in model, logs, signals.

mod claims;
mod cursor_key;
mod logging;
mod model;
mod places;
mod run;
mod settings;
mod tokens;

pub use cursor_key::KeyError;
pub use logging::{LogFormat, start_logging};
pub use model::{IGNORED, MINIMAL, MODEL, built_in};
pub use run::{Running, Signals, StartError, World, check_tokens, run};
pub use settings::{SETTINGS, Setting, Settings};
pub use tokens::{LOOK, TOKENS_FILE, TokensError, TokensFile, change_tokens, change_tokens_on_record, read_tokens};

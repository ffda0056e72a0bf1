//! Which tokens speak for an account that may not be there.

use std::path::PathBuf;

use super::tokens::read_tokens;
use crate::directory::Key;
use crate::store::Claims;

/// Claims by the tokens of a file, as it is when somebody asks. Those that have expired count too: they can be revoked.
pub(super) fn claims(tokens: PathBuf) -> Claims {
    Claims::new(move |key: &Key| {
        // A sidecar may still take tokens that it read before the file could not be read any more.
        let callers = read_tokens(&tokens).map_err(|error| error.to_string())?;
        let speaking = callers.tokens().filter(|token| {
            token.principal.id == key.id && plain(&token.principal.entity_type) == plain(key.kind.entity_type())
        });
        Ok(speaking.map(|token| token.name.clone()).collect())
    })
}

/// A type as it counts here: `User`, `user`; `ServiceUser`, `service_user`, `service-user`.
fn plain(entity_type: &str) -> String {
    let last = entity_type.rsplit("::").next().unwrap_or(entity_type);
    last.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

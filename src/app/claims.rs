//! Which tokens speak for an account that may not be there.

use std::path::PathBuf;

use super::tokens::read_tokens;
use crate::store::{Claim, Claims};

/// Claims by the tokens of a file, as it is when somebody asks. Those that have expired count too: they can be revoked.
pub(super) fn claims(tokens: PathBuf) -> Claims {
    Claims::new(move |id: &str| {
        // A sidecar may still take tokens that it read before the file could not be read any more.
        let callers = read_tokens(&tokens).map_err(|error| error.to_string())?;
        let speaking = callers.tokens().filter(|token| token.principal.id == id);
        let claim = speaking.map(|token| Claim {
            entity_type: token.principal.entity_type.clone(),
            token: token.name.clone(),
        });
        Ok(claim.collect())
    })
}

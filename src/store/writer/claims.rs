//! Tokens that speak for an account which may not be there.

use std::fmt;
use std::sync::Arc;

use super::Refusal;
use super::difference::{Difference, What};
use crate::directory::Key;

/// Finds the names of the tokens that speak for an account, whether or not there is one. By default there are none.
#[derive(Clone, Default)]
pub struct Claims(Option<Arc<FindClaims>>);

type FindClaims = dyn Fn(&Key) -> Result<Vec<String>, String> + Send + Sync;

impl Claims {
    /// Asks this: for the names, or why they cannot be found.
    pub fn new(find: impl Fn(&Key) -> Result<Vec<String>, String> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(find)))
    }

    /// Refuses an account an id for which tokens still speak: a former one's would be good for it.
    ///
    /// # Errors
    /// There are such tokens; or nobody can say, and then there may be.
    pub(super) fn check(&self, difference: &Difference) -> Result<(), Refusal> {
        let key = difference.new_key();
        let is_new = difference.what == What::Create || difference.what == What::Change && key != difference.key;
        let Some(find) = self.0.as_ref().filter(|_| is_new && key.kind.is_account()) else {
            return Ok(());
        };
        match find(&key) {
            Ok(tokens) if tokens.is_empty() => Ok(()),
            Ok(tokens) => Err(Refusal::Claimed { key, tokens }),
            Err(why) => Err(Refusal::Io(format!(
                "no account is made while nobody can say which tokens speak for it: {why}"
            ))),
        }
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims")
    }
}

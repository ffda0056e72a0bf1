//! Tokens that speak for an account which may not be there.

use std::fmt;
use std::sync::Arc;

use super::Refusal;
use super::difference::{Difference, What};
use crate::engine::Snapshot;

/// A token that speaks for an account of some id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The account's type, as the token has it: an exact name, a short one or an alias.
    pub entity_type: String,
    /// The token's name.
    pub token: String,
}

/// Finds the tokens that speak for accounts of an id, whether or not there are any. By default there are none.
#[derive(Clone, Default)]
pub struct Claims(Option<Arc<FindClaims>>);

type FindClaims = dyn Fn(&str) -> Result<Vec<Claim>, String> + Send + Sync;

impl Claims {
    /// Asks this by the id: for the tokens, or why they cannot be found.
    pub fn new(find: impl Fn(&str) -> Result<Vec<Claim>, String> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(find)))
    }

    /// Refuses an account an id for which tokens still speak: a former one's would be good for it.
    ///
    /// # Errors
    /// There are such tokens; or nobody can say, and then there may be.
    pub(super) fn check(&self, snapshot: &Snapshot, difference: &Difference) -> Result<(), Refusal> {
        let key = difference.new_key();
        let is_new = difference.what == What::Create || difference.what == What::Change && key != difference.key;
        let Some(find) = self.0.as_ref().filter(|_| is_new && key.kind.is_account()) else {
            return Ok(());
        };
        // A type that means nothing today may mean this one tomorrow.
        let is_its = |claim: &Claim| {
            let exact = snapshot.entity_type(&claim.entity_type);
            exact.is_none_or(|exact| exact == key.kind.entity_type())
        };
        match find(&key.id) {
            Ok(claims) => {
                let tokens: Vec<String> = claims.into_iter().filter(is_its).map(|claim| claim.token).collect();
                match tokens.is_empty() {
                    true => Ok(()),
                    false => Err(Refusal::Claimed { key, tokens }),
                }
            }
            Err(why) => Err(Refusal::Io(format!(
                "no account is made while nobody can say which tokens speak for it: {why}; let whoever may read that file \
                 do it"
            ))),
        }
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Claims")
    }
}

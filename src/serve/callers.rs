//! Whose request this is: the bearer token of its head, and what it is good for.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::Utc;
use hyper::StatusCode;

use super::guard::Head;
use super::reply::Problem;
use crate::callers::{Caller, Scope, TokenSource, Unfit};
use crate::store::{Live, Standing};

/// Who may call, and how often strangers are answered.
#[derive(Clone, Debug)]
pub struct CallerSettings {
    /// The tokens.
    pub tokens: Option<Arc<dyn TokenSource>>,
    /// Whether decisions, explanations and searches want a token as well.
    pub required: bool,
    /// Requests without a good token that are told so in one second; further ones are told to wait.
    pub failures_per_second_max: u32,
}

impl Default for CallerSettings {
    fn default() -> Self {
        Self {
            tokens: None,
            required: false,
            failures_per_second_max: 100,
        }
    }
}

/// The same for a running server.
#[derive(Debug)]
pub(super) struct Callers {
    settings: CallerSettings,
    /// The second of the last failure in the upper half, the failures in it in the lower.
    failures: AtomicU64,
}

impl Callers {
    pub(super) fn new(settings: &CallerSettings) -> Self {
        Self {
            settings: settings.clone(),
            failures: AtomicU64::new(0),
        }
    }

    /// Whether decisions want a token.
    pub(super) fn are_required(&self) -> bool {
        self.settings.required
    }

    /// Why newer tokens cannot be had.
    pub(super) fn fault(&self) -> Option<String> {
        self.settings.tokens.as_ref()?.fault()
    }

    /// Who calls, if the token of this head is good for this.
    pub(super) fn check(&self, head: &Head<'_>, scope: Scope) -> Result<Caller, Problem> {
        match self.find(head, scope) {
            Ok(caller) => Ok(caller),
            Err(problem) if problem.status == StatusCode::UNAUTHORIZED && !self.may_fail() => {
                Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many requests without a good token").that_passes())
            }
            Err(problem) => Err(problem),
        }
    }

    /// The same for what no policy is asked about: then the account has to be there and active (R6).
    pub(super) fn check_standing(&self, head: &Head<'_>, scope: Scope, live: &Live) -> Result<(), Problem> {
        let principal = self.check(head, scope)?.principal;
        let standing = live.current().as_ref().map(|live| live.standing(&principal.entity_type, &principal.id));
        let why = match standing {
            None | Some(Standing::Good) => return Ok(()),
            Some(Standing::Deactivated) => "is deactivated (R6)",
            Some(Standing::Missing) => "is not in the directory",
        };
        let (entity_type, id) = (principal.entity_type, principal.id);
        let message = format!("the account of this token, {entity_type} `{id}`, {why}");
        Err(Problem::new(StatusCode::FORBIDDEN, message))
    }

    fn find(&self, head: &Head<'_>, scope: Scope) -> Result<Caller, Problem> {
        let unauthorized = |why: Cow<'static, str>| {
            // The scheme alone is no more than was asked for; what was wrong with a token is told by RFC 6750's word.
            Problem::unauthorized(why, head.authorization.is_some())
        };
        let presented = match (head.authorizations, head.authorization) {
            (1, Some(value)) => value.to_str().ok().and_then(bearer),
            (0, _) => return Err(unauthorized("a token is wanted: `Authorization: Bearer …`".into())),
            _ => return Err(unauthorized("more than one Authorization header".into())),
        };
        let Some(presented) = presented else {
            return Err(unauthorized("the Authorization header is not `Bearer` and a token".into()));
        };
        let Some(tokens) = &self.settings.tokens else {
            return Err(unauthorized("there are no tokens".into()));
        };
        tokens.current().find(presented, scope, Utc::now()).map_err(|unfit| match unfit {
            Unfit::Unknown | Unfit::Expired => unauthorized(unfit.to_string().into()),
            Unfit::Scope(_) => Problem::new(StatusCode::FORBIDDEN, unfit.to_string()),
        })
    }

    /// Counts a failure. Good tokens are never kept waiting: they do not come here.
    fn may_fail(&self) -> bool {
        let now = u64::from(Utc::now().timestamp() as u32) << 32;
        let counted = self.failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
            Some(if last & !0xffff_ffff == now { last + 1 } else { now + 1 })
        });
        let before = counted.unwrap_or(now);
        before & !0xffff_ffff != now || (before as u32) < self.settings.failures_per_second_max
    }
}

/// The token behind `Bearer`, in any case, and one space or more.
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && !token.contains(' ')).then_some(token)
}

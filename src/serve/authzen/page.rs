//! Which part of the results of a search is asked for (8.2).

use super::question::Wrong;
use crate::engine::json::Json;

/// The member `page` of a request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Page<'a> {
    /// Whether there is one.
    pub(super) is_asked: bool,
    /// Where to go on. An empty one is absent.
    pub(super) token: Option<&'a str>,
    /// Results in one answer.
    pub(super) limit: Option<u64>,
    /// Whether all results are to be counted.
    pub(super) wants_total: bool,
}

impl<'a> Page<'a> {
    /// Reads it. What is not there, `null` or unknown makes no difference.
    pub(super) fn read(json: Option<&'a Json<'a>>) -> Result<Self, Wrong> {
        let page = match json {
            None | Some(Json::Null) => return Ok(Self::default()),
            Some(page @ Json::Object(_)) => page,
            Some(other) => return Err(format!("page: must be an object, not {}", other.kind()).into()),
        };
        let token = match page.get("token") {
            None | Some(Json::Null) => None,
            Some(Json::String(token)) => Some(&**token).filter(|token| !token.is_empty()),
            Some(other) => return Err(format!("page.token: must be a string, not {}", other.kind()).into()),
        };
        let limit = match page.get("limit") {
            None | Some(Json::Null) => None,
            Some(limit) => Some(whole(limit).ok_or("page.limit: must be a whole number, 0 or more")?),
        };
        let wants_total = match page.get("total") {
            None | Some(Json::Null) => false,
            Some(Json::Bool(total)) => *total,
            Some(other) => return Err(format!("page.total: must be a boolean, not {}", other.kind()).into()),
        };
        Ok(Self {
            is_asked: true,
            token,
            limit,
            wants_total,
        })
    }
}

/// A whole number from 0; one that is too large for 63 bits is as good as the largest.
fn whole(json: &Json<'_>) -> Option<u64> {
    match json {
        Json::Long(number) => u64::try_from(*number).ok(),
        // As it is clamped anyway, what a double cannot hold exactly makes no difference.
        Json::Float(number) if *number >= 0.0 && number.fract() == 0.0 => Some(number.min(i64::MAX as f64) as u64),
        _ => None,
    }
}

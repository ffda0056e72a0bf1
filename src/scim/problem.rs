//! What is wrong with a request (RFC 7644, section 3.12).

use serde_json::{Value, json};

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    /// The status of the answer, 4xx or 5xx.
    pub status: u16,
    /// The kind of mistake, for 400 and 409.
    pub kind: Option<ScimType>,
    /// For the caller.
    pub detail: String,
}

/// Kinds of mistakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScimType {
    /// A filter that is none, or about what is not there.
    InvalidFilter,
    /// A body that has not the form of its message.
    InvalidSyntax,
    /// A PATCH path that is none, or about what is not there.
    InvalidPath,
    /// A path with a filter that nothing meets.
    NoTarget,
    /// A value that the attribute cannot have.
    InvalidValue,
    /// A change of what cannot be changed.
    Mutability,
    /// A value that somebody else has.
    Uniqueness,
    /// More than is answered at once.
    TooMany,
}

impl ScimType {
    fn name(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
            Self::Mutability => "mutability",
            Self::Uniqueness => "uniqueness",
            Self::TooMany => "tooMany",
        }
    }
}

impl Problem {
    /// A problem with a status alone.
    pub fn new(status: u16, detail: impl Into<String>) -> Self {
        Self {
            status,
            kind: None,
            detail: detail.into(),
        }
    }

    /// 400, or 409 for what somebody else has.
    pub fn of(kind: ScimType, detail: impl Into<String>) -> Self {
        let status = if kind == ScimType::Uniqueness { 409 } else { 400 };
        Self {
            status,
            kind: Some(kind),
            detail: detail.into(),
        }
    }

    pub(super) fn value(detail: impl Into<String>) -> Self {
        Self::of(ScimType::InvalidValue, detail)
    }

    pub(super) fn syntax(detail: impl Into<String>) -> Self {
        Self::of(ScimType::InvalidSyntax, detail)
    }

    /// `{"schemas":[…],"status":"400","scimType":"…","detail":"…"}`
    pub fn body(&self) -> Value {
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": self.status.to_string(),
            "detail": self.detail,
        });
        if let Some(kind) = self.kind {
            body["scimType"] = kind.name().into();
        }
        body
    }
}

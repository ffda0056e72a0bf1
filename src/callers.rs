//! Who calls: tokens with a name, a principal, scopes and an end.
//!
//! A token is 256 random bits that its holder alone has; what is kept is its SHA-256. A slow hash would not make it
//! safer: nobody guesses 256 bits, and every request would pay for it.
//!
//! Deliberately absent: files, clocks, HTTP. The time comes with the question.

mod file;

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What every token begins with, so that people and scanners of secrets know one when they see it.
const PREFIX: &str = "gatepost_";

/// Bytes of a token.
const TOKEN_BYTES: usize = 32;

/// The longest name of a token, in bytes.
const NAME_MAX: usize = 128;

/// What a token lets its holder do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Evaluations, one by one and in batches.
    Decide,
    /// Explanations.
    Explain,
    /// Searches.
    Search,
    /// The admin API.
    Admin,
    /// Directory sync.
    Scim,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 5] = [Self::Decide, Self::Explain, Self::Search, Self::Admin, Self::Scim];

    /// Its name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Decide => "decide",
            Self::Explain => "explain",
            Self::Search => "search",
            Self::Admin => "admin",
            Self::Scim => "scim",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// For whom a token speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// The entity type: an exact Cedar name, a short one or an alias.
    #[serde(rename = "type")]
    pub entity_type: String,
    /// The id.
    pub id: String,
}

/// What is kept of a token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// Its name, which no other token has.
    pub name: String,
    /// For whom it speaks.
    pub principal: Principal,
    /// What it lets its holder do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// From when on it is good for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<DateTime<Utc>>,
    /// The SHA-256 of what its holder has, in hexadecimal digits.
    pub sha256: String,
}

/// Who was found to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The token's name.
    pub token: String,
    /// For whom it speaks.
    pub principal: Principal,
}

/// Why a caller is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// There is no such token.
    #[error("this token is unknown")]
    Unknown,
    /// It was good once.
    #[error("this token has expired")]
    Expired,
    /// It is good for other things.
    #[error("this token has not the scope `{0}`")]
    Scope(Scope),
}

/// Why tokens cannot be taken as they are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The file is not what it should be.
    #[error("the tokens are not readable: {0}")]
    Shape(String),
    /// A token is not what it should be.
    #[error("the token `{0}` {1}")]
    Token(String, String),
    /// The system has no random numbers.
    #[error("there are no random numbers: {0}")]
    Random(String),
}

/// All tokens.
#[derive(Clone, Debug, Default)]
pub struct Callers {
    tokens: Vec<(Token, [u8; 32])>,
}

/// A token as its holder has it. It is shown once, and neither logged nor kept.
pub struct Secret(String);

impl Secret {
    /// The token.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

impl Callers {
    /// All tokens, in the order in which they were made.
    pub fn tokens(&self) -> impl Iterator<Item = &Token> {
        self.tokens.iter().map(|(token, _)| token)
    }

    /// Whether any token is good for something at this time.
    pub fn has_live(&self, now: DateTime<Utc>) -> bool {
        self.tokens().any(|token| token.is_live(now))
    }

    /// Whose token this is, if it is good for this. Every token is compared, and all of it, so that the time that this
    /// takes tells nothing of them.
    ///
    /// # Errors
    /// The token is unknown, has expired, or is good for other things.
    pub fn find(&self, presented: &str, scope: Scope, now: DateTime<Utc>) -> Result<Caller, Unfit> {
        let presented = hash(presented);
        let mut found = None;
        for (token, known) in &self.tokens {
            if bool::from(known.ct_eq(&presented)) {
                found = Some(token);
            }
        }
        let token = found.ok_or(Unfit::Unknown)?;
        if !token.is_live(now) {
            return Err(Unfit::Expired);
        }
        if !token.scopes.contains(&scope) {
            return Err(Unfit::Scope(scope));
        }
        Ok(Caller {
            token: token.name.clone(),
            principal: token.principal.clone(),
        })
    }

    /// Makes a token.
    ///
    /// # Errors
    /// The name is taken or none, there is no scope, it would have expired already, or there are no random numbers.
    pub fn create(
        &mut self,
        name: &str,
        principal: Principal,
        scopes: &[Scope],
        created: DateTime<Utc>,
        expires: Option<DateTime<Utc>>,
    ) -> Result<Secret, TokenError> {
        let mut bytes = [0; TOKEN_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| TokenError::Random(error.to_string()))?;
        let secret = format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(bytes));
        let mut scopes = scopes.to_vec();
        scopes.sort_unstable();
        scopes.dedup();
        let token = Token {
            name: name.to_owned(),
            principal,
            scopes,
            created,
            expires,
            sha256: file::hexadecimal(&hash(&secret)),
        };
        if expires.is_some_and(|expires| expires <= created) {
            return Err(TokenError::Token(name.to_owned(), "would have expired already".to_owned()));
        }
        self.add(token)?;
        Ok(Secret(secret))
    }

    /// Takes a token away. Says whether there was one.
    pub fn revoke(&mut self, name: &str) -> bool {
        let before = self.tokens.len();
        self.tokens.retain(|(token, _)| token.name != name);
        self.tokens.len() < before
    }

    fn add(&mut self, token: Token) -> Result<(), TokenError> {
        let wrong = |why: &str| Err(TokenError::Token(token.name.clone(), why.to_owned()));
        let Some(hash) = file::bytes(&token.sha256) else {
            return wrong("has a `sha256` that is not 64 hexadecimal digits");
        };
        if token.name.is_empty() || token.name.len() > NAME_MAX || token.name.chars().any(char::is_control) {
            return wrong("must have a name of 1 to 128 bytes without control characters");
        }
        if token.scopes.is_empty() {
            return wrong("has no scope, and would be good for nothing");
        }
        if token.principal.entity_type.is_empty() || token.principal.id.is_empty() {
            return wrong("has no principal");
        }
        if self.tokens().any(|known| known.name == token.name) {
            return wrong("is there already: revoke it, or choose another name");
        }
        if self.tokens.iter().any(|(_, known)| *known == hash) {
            return wrong("is another one's under a second name");
        }
        self.tokens.push((token, hash));
        Ok(())
    }
}

impl Token {
    /// Whether it has not expired.
    pub fn is_live(&self, now: DateTime<Utc>) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

/// Where the tokens are that count now.
pub trait TokenSource: Send + Sync + fmt::Debug {
    /// The tokens.
    fn current(&self) -> Arc<Callers>;

    /// Why newer ones cannot be had, if they cannot.
    fn fault(&self) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().expect("a time")
    }

    fn sync() -> Principal {
        Principal {
            entity_type: "ServiceUser".to_owned(),
            id: "directory-sync".to_owned(),
        }
    }

    #[test]
    fn a_token_is_good_for_its_scopes_until_it_ends_or_is_revoked() {
        let mut callers = Callers::default();
        let (made, ends) = (at("2026-11-01T00:00:00Z"), at("2026-12-01T00:00:00Z"));
        let token = callers
            .create("okta", sync(), &[Scope::Scim, Scope::Scim], made, Some(ends))
            .expect("a token");
        let token = token.reveal().to_owned();
        let other = callers
            .create("deploy", sync(), &[Scope::Admin, Scope::Decide], made, None)
            .expect("a token");
        assert!(token.starts_with("gatepost_") && token.len() == 9 + 43, "{token}");
        assert_ne!(token, other.reveal());
        let find = |callers: &Callers, token: &str, scope, when: &str| callers.find(token, scope, at(when));
        let caller = find(&callers, &token, Scope::Scim, "2026-11-30T23:59:59Z").expect("a caller");
        assert_eq!((caller.token.as_str(), caller.principal), ("okta", sync()));
        for (presented, scope, when, why) in [
            (token.as_str(), Scope::Admin, "2026-11-02T00:00:00Z", Unfit::Scope(Scope::Admin)),
            (&token, Scope::Scim, "2026-12-01T00:00:00Z", Unfit::Expired),
            (&token[..token.len() - 1], Scope::Scim, "2026-11-02T00:00:00Z", Unfit::Unknown),
            (&token.to_uppercase(), Scope::Scim, "2026-11-02T00:00:00Z", Unfit::Unknown),
            ("", Scope::Scim, "2026-11-02T00:00:00Z", Unfit::Unknown),
        ] {
            assert_eq!(find(&callers, presented, scope, when), Err(why), "{presented}");
        }
        assert!(find(&callers, other.reveal(), Scope::Decide, "2099-01-01T00:00:00Z").is_ok());
        assert!(callers.revoke("okta") && !callers.revoke("okta"));
        assert_eq!(find(&callers, &token, Scope::Scim, "2026-11-02T00:00:00Z"), Err(Unfit::Unknown));
    }

    #[test]
    fn what_is_kept_does_not_show_the_token_and_reads_back() {
        let mut callers = Callers::default();
        let made = at("2026-11-01T00:00:00Z");
        let secret = callers.create("okta", sync(), &[Scope::Scim], made, None).expect("a token");
        let text = callers.to_text();
        assert!(!text.contains(&secret.reveal()[PREFIX.len()..]), "{text}");
        assert!(!format!("{callers:?} {secret:?}").contains(&secret.reveal()[PREFIX.len()..]));
        let read = Callers::read(&text).expect("tokens");
        assert!(read.find(secret.reveal(), Scope::Scim, made).is_ok());
        assert_eq!(read.to_text(), text);
    }

    #[test]
    fn tokens_that_cannot_be_meant_are_refused_by_name() {
        let mut callers = Callers::default();
        let made = at("2026-11-01T00:00:00Z");
        callers.create("one", sync(), &[Scope::Scim], made, None).expect("a token");
        let mut make = |name: &str, scopes: &[Scope], expires: Option<DateTime<Utc>>| {
            callers.create(name, sync(), scopes, made, expires).expect_err("a refusal").to_string()
        };
        for (told, words) in [
            (make("one", &[Scope::Scim], None), "`one` is there already"),
            (make("", &[Scope::Scim], None), "must have a name"),
            (make("a\nb", &[Scope::Scim], None), "must have a name"),
            (make("two", &[], None), "has no scope"),
            (make("two", &[Scope::Scim], Some(made)), "would have expired already"),
        ] {
            assert!(told.contains(words), "{told}");
        }
        let good = callers.to_text();
        for (from, to, words) in [
            ("\"scim\"", "\"root\"", "unknown variant `root`"),
            ("\"sha256\": \"", "\"sha256\": \"x", "not 64 hexadecimal digits"),
            ("\"created\"", "\"made\"", "unknown field `made`"),
            ("\"tokens\"", "\"token\"", "unknown field `token`"),
        ] {
            let told = Callers::read(&good.replace(from, to)).expect_err("a fault").to_string();
            assert!(told.contains(words), "{told}");
        }
    }
}

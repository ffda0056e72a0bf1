//! Tokens as a file: JSON, one object for each.

use serde::{Deserialize, Serialize};

use super::{Callers, Token, TokenError};

/// The whole file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    tokens: Vec<Token>,
}

impl Callers {
    /// Reads what [`to_text`](Self::to_text) wrote, or a person.
    ///
    /// # Errors
    /// It is not JSON of this shape, or a token in it is not what it should be.
    pub fn read(text: &str) -> Result<Self, TokenError> {
        let document: Document = serde_json::from_str(text).map_err(|error| TokenError::Shape(error.to_string()))?;
        let mut callers = Self::default();
        for token in document.tokens {
            callers.add(token)?;
        }
        Ok(callers)
    }

    /// The file.
    pub fn to_text(&self) -> String {
        let document = Document {
            tokens: self.tokens().cloned().collect(),
        };
        // Texts and times are JSON.
        let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// Bytes as digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The 32 bytes that 64 digits are.
pub(super) fn bytes(digits: &str) -> Option<[u8; 32]> {
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

//! The token that says where a search goes on: encrypted, authenticated, and bound to one request.

use std::fmt;
use std::io;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};

use crate::engine::json::Json;

/// What is authenticated with every token: what it is, and in which form, so that a key that is shared with something
/// else opens nothing else.
const KIND: &[u8] = b"gatepost search cursor 2\n";

/// Bytes of the nonce in front of what is encrypted.
const NONCE_BYTES: usize = 24;

/// Stands for a number that is not known.
const NONE: u64 = u64::MAX;

/// What tokens are encrypted and authenticated with.
#[derive(Clone)]
pub struct CursorKey {
    cipher: XChaCha20Poly1305,
    /// Nonces are hashes of what is encrypted, made with this: the same nonce means the same token.
    nonces: Sha256,
}

impl fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CursorKey(…)")
    }
}

impl CursorKey {
    /// The fewest bytes of a key.
    pub const BYTES_MIN: usize = 32;

    /// A key of these bytes. None if they are too few.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < Self::BYTES_MIN {
            return None;
        }
        let derived = |use_of_it: &[u8]| Sha256::new().chain_update(KIND).chain_update(use_of_it).chain_update(bytes);
        Some(Self {
            cipher: XChaCha20Poly1305::new(&derived(b"cipher\n").finalize()),
            nonces: Sha256::new().chain_update(derived(b"nonces\n").finalize()),
        })
    }

    /// A key that nobody else has.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn random() -> io::Result<Self> {
        let mut bytes = [0; Self::BYTES_MIN];
        getrandom::fill(&mut bytes)?;
        Self::new(&bytes).ok_or_else(|| io::Error::other("a key that is too short"))
    }

    fn seal(&self, plain: &[u8]) -> Vec<u8> {
        let hash = self.nonces.clone().chain_update(plain).finalize();
        let nonce = XNonce::from_slice(&hash[..NONCE_BYTES]);
        let sealed = self.cipher.encrypt(nonce, Payload { msg: plain, aad: KIND });
        // It fails for more than 256 GB.
        [nonce.as_slice(), &sealed.unwrap_or_default()].concat()
    }

    fn open(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES)?;
        let payload = Payload { msg: sealed, aad: KIND };
        // Takes as long wherever they differ.
        self.cipher.decrypt(XNonce::from_slice(nonce), payload).ok()
    }
}

/// The hash of a request, all but its page.
pub(super) type Fingerprint = [u8; 16];

/// Where a search goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    /// What was asked, and where.
    pub(super) request: Fingerprint,
    /// The limit that the first request stated.
    pub(super) limit: Option<u64>,
    /// The revision that was searched last.
    pub(super) revision: String,
    /// Results so far, unless they are of several revisions.
    pub(super) found: Option<u64>,
    /// The last name that was looked at; none before the first.
    pub(super) after: Option<String>,
}

impl Cursor {
    /// The token: base64url of the fields, encrypted.
    pub(super) fn seal(&self, key: &CursorKey) -> String {
        let mut bytes = Vec::with_capacity(128);
        bytes.extend_from_slice(&self.request);
        bytes.extend_from_slice(&self.limit.unwrap_or(NONE).to_be_bytes());
        bytes.extend_from_slice(&self.found.unwrap_or(NONE).to_be_bytes());
        // A revision is 32 digits.
        bytes.push(u8::try_from(self.revision.len()).unwrap_or(0));
        bytes.extend_from_slice(self.revision.as_bytes());
        if let Some(after) = &self.after {
            bytes.push(1);
            bytes.extend_from_slice(after.as_bytes());
        }
        URL_SAFE_NO_PAD.encode(key.seal(&bytes))
    }

    /// What a token says. None if it was not made with this key, or is not as it was made.
    pub(super) fn open(token: &str, key: &CursorKey) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let bytes = key.open(&bytes)?;
        let (request, rest) = bytes.split_first_chunk::<16>()?;
        let (limit, rest) = rest.split_first_chunk::<8>()?;
        let (found, rest) = rest.split_first_chunk::<8>()?;
        let (length, rest) = rest.split_first()?;
        let (revision, rest) = rest.split_at_checked(usize::from(*length))?;
        let after = match rest.split_first() {
            Some((_, after)) => Some(String::from_utf8(after.to_vec()).ok()?),
            None => None,
        };
        let number = |bytes: &[u8; 8]| Some(u64::from_be_bytes(*bytes)).filter(|number| *number != NONE);
        Some(Self {
            request: *request,
            limit: number(limit),
            revision: String::from_utf8(revision.to_vec()).ok()?,
            found: number(found),
            after,
        })
    }
}

/// The fingerprint of a request to an endpoint. The order of members, white space and the page do not matter, and `null`
/// is as good as absent.
pub(super) fn fingerprint(endpoint: &str, root: &Json<'_>) -> Fingerprint {
    let mut hash = Sha256::new();
    hash_text(&mut hash, endpoint);
    if let Json::Object(members) = root {
        let members = members.iter().filter(|(name, _)| name != "page");
        hash_members(&mut hash, members.map(|(name, value)| (&**name, value)));
    }
    let whole: [u8; 32] = hash.finalize().into();
    let mut short = Fingerprint::default();
    short.copy_from_slice(&whole[..16]);
    short
}

// Each value begins with a letter for its kind and says how long it is, so that no two values are hashed alike.

fn hash_value(hash: &mut Sha256, json: &Json<'_>) {
    match json {
        Json::Null => hash.update(b"n"),
        Json::Bool(value) => hash.update([b'b', u8::from(*value)]),
        Json::Long(value) => {
            hash.update(b"l");
            hash.update(value.to_be_bytes());
        }
        Json::Float(value) => {
            hash.update(b"f");
            hash.update(value.to_bits().to_be_bytes());
        }
        Json::String(text) => {
            hash.update(b"s");
            hash_text(hash, text);
        }
        Json::Array(items) => {
            hash.update(b"a");
            hash.update((items.len() as u64).to_be_bytes());
            for item in items {
                hash_value(hash, item);
            }
        }
        Json::Object(members) => {
            hash.update(b"o");
            hash_members(hash, members.iter().map(|(name, value)| (&**name, value)));
        }
    }
}

fn hash_members<'j>(hash: &mut Sha256, members: impl Iterator<Item = (&'j str, &'j Json<'j>)>) {
    let mut members: Vec<(&str, &Json<'_>)> = members.filter(|(_, value)| **value != Json::Null).collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    hash.update((members.len() as u64).to_be_bytes());
    for (name, value) in members {
        hash_text(hash, name);
        hash_value(hash, value);
    }
}

fn hash_text(hash: &mut Sha256, text: &str) {
    hash.update((text.len() as u64).to_be_bytes());
    hash.update(text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::any;
    use proptest::{option, prop_assert_eq, proptest};

    use super::*;

    fn key(byte: u8) -> CursorKey {
        CursorKey::new(&[byte; 32]).expect("enough bytes")
    }

    fn cursor() -> Cursor {
        Cursor {
            request: [7; 16],
            limit: Some(10),
            revision: "0123456789abcdef0123456789abcdef".to_owned(),
            found: None,
            after: Some("ana@example.com".to_owned()),
        }
    }

    proptest! {
        #[test]
        fn a_token_says_what_was_put_into_it(
            request: [u8; 16],
            limit in option::of(0..NONE),
            found in option::of(0..NONE),
            revision in "[0-9a-f]{32}",
            after in option::of(any::<String>()),
        ) {
            let cursor = Cursor { request, limit, revision, found, after };
            prop_assert_eq!(Cursor::open(&cursor.seal(&key(1)), &key(1)), Some(cursor));
        }

        #[test]
        fn what_nobody_sealed_opens_to_nothing(token: String, bytes: Vec<u8>) {
            prop_assert_eq!(Cursor::open(&token, &key(1)), None);
            prop_assert_eq!(Cursor::open(&URL_SAFE_NO_PAD.encode(bytes), &key(1)), None);
        }
    }

    #[test]
    fn a_token_of_another_key_or_with_any_bit_altered_opens_to_nothing() {
        let token = cursor().seal(&key(1));
        assert_eq!(Cursor::open(&token, &key(2)), None);
        let bytes = URL_SAFE_NO_PAD.decode(&token).expect("base64url");
        for at in 0..bytes.len() * 8 {
            let mut altered = bytes.clone();
            altered[at / 8] ^= 1 << (at % 8);
            assert_eq!(Cursor::open(&URL_SAFE_NO_PAD.encode(altered), &key(1)), None, "bit {at}");
        }
        for end in 0..token.len() {
            assert_eq!(Cursor::open(&token[..end], &key(1)), None, "{end} characters");
        }
    }

    #[test]
    fn a_token_does_not_show_what_it_says() {
        let token = cursor().seal(&key(1));
        let bytes = URL_SAFE_NO_PAD.decode(&token).expect("base64url");
        let shows = |what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
        assert!(!shows(b"ana@") && !shows(b"0123"), "{token}");
        assert_eq!(cursor().seal(&key(1)), token, "the same place has the same token");
        let mut other = cursor();
        other.after = Some("ana@example.con".to_owned());
        let other = URL_SAFE_NO_PAD.decode(other.seal(&key(1))).expect("base64url");
        assert_ne!(other[..NONCE_BYTES], bytes[..NONCE_BYTES]);
    }

    #[test]
    fn a_short_key_is_none() {
        assert!(CursorKey::new(&[0; 31]).is_none());
        assert!(format!("{:?}", key(9)).ends_with("(…)"), "a key is not shown");
    }

    #[test]
    fn a_fingerprint_is_of_what_is_asked_and_not_of_how_it_is_written() {
        let read = |text: &str| fingerprint("/search", &Json::read(text.as_bytes(), 8).expect("JSON"));
        let asked = read(r#"{"subject":{"type":"user","id":"a"},"context":{"n":1,"s":["x",{}]}}"#);
        for same in [
            r#" { "context" : {"s":["x",{}],"n":1}, "subject":{"id":"a","type":"\u0075ser"} } "#,
            r#"{"subject":{"type":"user","id":"a","properties":null},"context":{"n":1,"s":["x",{}]},"page":{"limit":1}}"#,
        ] {
            assert_eq!(read(same), asked, "{same}");
        }
        for other in [
            r#"{"subject":{"type":"user","id":"b"},"context":{"n":1,"s":["x",{}]}}"#,
            r#"{"subject":{"type":"user","id":"a"},"context":{"n":1.0,"s":["x",{}]}}"#,
            r#"{"subject":{"type":"user","id":"a"},"context":{"n":"1","s":["x",{}]}}"#,
            r#"{"subject":{"type":"user","id":"a"},"context":{"n":1,"s":["x",[]]}}"#,
            r#"{"subject":{"type":"user","id":"a"},"context":{"n":1,"s":["x",{},null]}}"#,
            r#"{"subject":{"type":"user","id":"a"},"context":{"n":1,"s":[{},"x"]}}"#,
            r#"{"subject":{"type":"user","id":"a"}}"#,
        ] {
            assert_ne!(read(other), asked, "{other}");
        }
        let root = Json::read(b"{}", 8).expect("JSON");
        assert_ne!(fingerprint("/a", &root), fingerprint("/b", &root));
    }
}

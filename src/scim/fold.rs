//! Texts without regard to case.

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;

/// The form that two texts share exactly if they differ in case alone, or in how a character is put together (Unicode's
/// canonical caseless match, D145): `Straße` and `STRASSE`, `é` in one character and in two.
///
/// Which version of Unicode that is, `Cargo.lock` says: a new compiler does not change who is the same as whom.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().nfd().default_case_fold().nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn twins_by_case_and_by_composition_are_one() {
        let twins = [
            ("Bob@x", "bob@X"),
            ("Straße", "STRASSE"),
            ("\u{e9}", "e\u{301}"),
            ("\u{c9}", "e\u{301}"),
            ("İ", "i\u{307}"),
            ("ΣΑΣ", "σας"),
            ("\u{212b}", "\u{e5}"),
        ];
        for (one, other) in twins {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
        for (one, other) in [("ı", "i"), ("bob", "bob "), ("o", "ö")] {
            assert_ne!(fold(one), fold(other), "{one} {other}");
        }
    }

    #[test]
    fn what_is_folded_stays_as_it_is() {
        for text in ["Bob", "Straße", "İ", "ǅ", "\u{345}a", "ᾳ", "\u{1f88}"] {
            assert_eq!(fold(&fold(text)), fold(text), "{text}");
        }
    }
}

//! Names without regard to case.
//!
//! What counts as the same letter in another case is Unicode's business and changes with its versions, so the version is
//! fixed: `caseless` is pinned to one that has the case folding of Unicode 16. What has no compatibility or case
//! difference folds to the same text (Unicode, section 3.13, D146): `STRASSE` and `straße`, `é` composed or not, and wide
//! letters, are one name each. `İ` is no `i`: the folding is the default one, of no language.

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;

/// The name that all names share which differ from this one by case, or by how the same letters are encoded, alone.
pub fn fold(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    name.nfd().default_case_fold().nfkd().default_case_fold().nfkd().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_unicode_is_fixed() {
        assert_eq!(caseless::UNICODE_VERSION, (16, 0, 0));
    }

    #[test]
    fn names_fold_as_unicode_says() {
        let same: &[&[&str]] = &[
            &["bob@x", "Bob@X", "BOB@x"],
            &["straße", "STRASSE", "strasse", "STRAẞE"],
            &["caf\u{e9}", "cafe\u{301}", "CAFE\u{301}", "CAF\u{c9}"],
            &["σίσυφος", "ΣΊΣΥΦΟΣ"],
            &["\u{130}stanbul", "i\u{307}stanbul", "I\u{307}STANBUL"],
            &["ａｎａ", "ana", "ANA"],
            &["ﬁn", "FIN"],
            &["\u{1fb3}", "αι"],
            &["İ@x"],
            &["i@x", "I@X"],
            &["ı@x"],
            &["ana@x.example"],
        ];
        for (row, names) in same.iter().enumerate() {
            for name in *names {
                assert_eq!(fold(name), fold(names[0]), "{name}");
                assert_eq!(fold(&fold(name)), fold(name), "{name}");
                for other in same.iter().skip(row + 1).copied().flatten() {
                    assert_ne!(fold(name), fold(other), "{name} and {other}");
                }
            }
        }
    }
}

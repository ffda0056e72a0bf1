//! What a team may be called.
//!
//! People choose teams by their names, and grant by what they see. So a name has nothing in it that nobody sees, and no
//! two names look like one for their case or for how their letters are encoded.

use std::fmt;

use super::fold::fold;

/// The longest name of a team, in characters (R23).
const CHARACTERS_MAX: usize = 255;

/// Why a team may not be called so (R23).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameFault {
    /// It has none, or too many characters: so many.
    Length(usize),
    /// It begins or ends with a space of some kind.
    Blank,
    /// It has a control character, or one that is not seen or turns the order of others.
    Character(char),
}

impl fmt::Display for NameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(length) => write!(f, "has {length} characters"),
            Self::Blank => f.write_str("begins or ends with a space"),
            Self::Character(character) => write!(f, "has U+{:04X} in it, which nobody sees", *character as u32),
        }
    }
}

/// What a team's name has to be.
pub const NAME_RULE: &str = "a team's name has 1 to 255 characters, none of which is a control or format character, and \
                             neither begins nor ends with a space (R23)";

/// Finds out whether a team may be called so.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check_team_name(name: &str) -> Result<(), NameFault> {
    let length = name.chars().count();
    if !(1..=CHARACTERS_MAX).contains(&length) {
        return Err(NameFault::Length(length));
    }
    if let Some(character) = unseen(name) {
        return Err(NameFault::Character(character));
    }
    if name.trim() != name {
        return Err(NameFault::Blank);
    }
    Ok(())
}

/// The first character of a text that nobody sees, if there is one: a control, or one that turns the order of others.
pub fn unseen(text: &str) -> Option<char> {
    text.chars().find(|character| is_unseen(*character))
}

/// The name that all names share which look like this one. Which picture of a letter is chosen (U+FE0F) makes no other
/// name.
pub(super) fn fold_team(name: &str) -> String {
    match name.is_ascii() {
        true => fold(name),
        false => fold(&name.chars().filter(|character| !is_variation(*character)).collect::<String>()),
    }
}

fn is_variation(character: char) -> bool {
    matches!(character, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

/// Controls, separators of lines, format characters, fillers, and tags. Variation selectors are part of how people write
/// pictures, and are folded away instead.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{34f}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e00ff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_people_see() {
        for name in ["a", "Sales and more", "Straße", "売上", "⚙\u{fe0f} Ops", "R&D", "شارع"] {
            assert_eq!(check_team_name(name), Ok(()), "{name:?}");
        }
        let long = "é".repeat(256);
        for (name, fault) in [
            ("", NameFault::Length(0)),
            (&*long, NameFault::Length(256)),
            (" a", NameFault::Blank),
            ("a\u{a0}", NameFault::Blank),
            ("a\u{3000}", NameFault::Blank),
            ("a\nb", NameFault::Character('\n')),
            ("a\u{2028}b", NameFault::Character('\u{2028}')),
            ("a\u{85}", NameFault::Character('\u{85}')),
            ("\u{202e}a", NameFault::Character('\u{202e}')),
            ("a\u{200d}b", NameFault::Character('\u{200d}')),
            ("a\u{3164}", NameFault::Character('\u{3164}')),
            ("a\u{e0041}", NameFault::Character('\u{e0041}')),
        ] {
            assert_eq!(check_team_name(name), Err(fault), "{name:?}");
        }
        assert_eq!(check_team_name(&long[..510]), Ok(()));
    }

    #[test]
    fn names_that_look_the_same_fold_to_one() {
        for (one, other) in [("Ops", "oPS"), ("⚙\u{fe0f} Ops", "⚙ ops"), ("Ｐublic", "public")] {
            assert_eq!(fold_team(one), fold_team(other));
        }
        assert_ne!(fold_team("Ops"), fold_team("Ops2"));
    }
}

//! Single values as they are written.

use super::outline::{Language, Quotes};

/// A text, written so that it reads back as the same text, in the quotes of its neighbours where they will do.
pub(super) fn text(text: &str, language: Language, like: Quotes) -> String {
    if language == Language::Json {
        return double(text);
    }
    match like {
        Quotes::Plain | Quotes::Block if is_plain(text) => text.to_owned(),
        Quotes::Plain | Quotes::Block | Quotes::Single if is_printable(text) => {
            format!("'{}'", text.replace('\'', "''"))
        }
        _ => double(text),
    }
}

/// A text in double quotes, for JSON and YAML alike. Characters that a reader would not see are escaped.
pub(super) fn double(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + 2);
    written.push('"');
    for char in text.chars() {
        match char {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\r' => written.push_str("\\r"),
            '\t' => written.push_str("\\t"),
            // All of them have four digits.
            char if is_hidden(char) => written.push_str(&format!("\\u{:04x}", u32::from(char))),
            char => written.push(char),
        }
    }
    written.push('"');
    written
}

/// Controls, line breaks of other alphabets, the byte order mark, and what turns the direction of text.
fn is_hidden(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
        || matches!(u32::from(char), 0xfff0..=0xffff)
}

fn is_printable(text: &str) -> bool {
    !text.chars().any(is_hidden)
}

/// Whether a text may stand without quotes as a key, as a value and as an item, in brackets and out of them, and no
/// reader of YAML takes it for anything but a text.
fn is_plain(text: &str) -> bool {
    let letter = |char: char| char.is_alphanumeric() || matches!(char, '_' | '.' | '-' | '@' | '+' | '/');
    let first = text
        .chars()
        .next()
        .is_some_and(|char| char.is_alphanumeric() || matches!(char, '_' | '/'));
    let inner = text
        .chars()
        .all(|char| letter(char) || matches!(char, ' ' | '(' | ')' | '\'' | '$' | '=' | ';' | '~'));
    first && inner && !text.ends_with(' ') && !text.contains("  ") && !is_word(text) && !is_number(text)
}

/// Words that YAML 1.1 or 1.2 reads as a boolean or as nothing.
fn is_word(text: &str) -> bool {
    ["y", "n", "yes", "no", "on", "off", "true", "false", "null"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
}

/// Whatever may be a number, a time or a date to some reader.
fn is_number(text: &str) -> bool {
    let digit = |byte: u8| byte.is_ascii_hexdigit() || b"xXoO_.:+-eEtTzZ ".contains(&byte);
    text.as_bytes().first().is_some_and(u8::is_ascii_digit) && text.bytes().all(digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_to_a_reader_of_yaml_is_quoted() {
        for (value, written) in [
            ("Ana Ruiz", "Ana Ruiz"),
            ("ana@example.com", "ana@example.com"),
            ("O'Hara", "O'Hara"),
            ("Zoë Ångström", "Zoë Ångström"),
            ("no", "'no'"),
            ("NULL", "'NULL'"),
            ("1e3", "'1e3'"),
            ("007", "'007'"),
            ("12:30", "'12:30'"),
            ("2026-01-01", "'2026-01-01'"),
            ("1and1", "1and1"),
            ("-", "'-'"),
            ("~", "'~'"),
            ("", "''"),
            ("a: b", "'a: b'"),
            ("a:b", "'a:b'"),
            ("# x", "'# x'"),
            ("x # y", "'x # y'"),
            (" x", "' x'"),
            ("x ", "'x '"),
            ("it's: so", "'it''s: so'"),
            ("[x]", "'[x]'"),
            ("*x", "'*x'"),
            ("🙂", "'🙂'"),
            ("a\nb", "\"a\\nb\""),
            ("a\tb", "\"a\\tb\""),
            ("a\u{202e}b", "\"a\\u202eb\""),
            ("a\u{85}b\u{0}", "\"a\\u0085b\\u0000\""),
            ("\"\\", "'\"\\'"),
        ] {
            assert_eq!(text(value, Language::Yaml, Quotes::Plain), written, "{value:?}");
        }
    }

    #[test]
    fn neighbours_lend_their_quotes() {
        assert_eq!(text("ana", Language::Yaml, Quotes::Single), "'ana'");
        assert_eq!(text("ana", Language::Yaml, Quotes::Double), "\"ana\"");
        assert_eq!(text("a\nb", Language::Yaml, Quotes::Single), "\"a\\nb\"");
        assert_eq!(text("ana", Language::Json, Quotes::Plain), "\"ana\"");
    }
}

//! A quick reader of plain JSON: strings without escapes, short integers, few members.
//!
//! That is how nearly every question is written. The reader gives up at anything else and at every mistake, without
//! saying why; whoever uses it asks the thorough reader then, which alone knows what is wrong with a text.

use std::borrow::Cow;

use super::Json;

/// More members than this in one object are left to the thorough reader, which has a set to find repeated names.
const MEMBERS_MAX: usize = 16;

/// Digits of an integer that fits 64 bits whatever they are.
const DIGITS_MAX: usize = 18;

/// A place in a text. Each step gives nothing if the text is not plain there, and then it must be read anew.
#[derive(Debug)]
pub struct Plain<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Plain<'a> {
    /// The beginning of a text.
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The whole of a text, one value.
    pub fn read(text: &'a str, depth_max: usize) -> Option<Json<'a>> {
        let mut plain = Self::new(text);
        let value = plain.value(depth_max)?;
        plain.end()?;
        Some(value)
    }

    /// The end of the text, behind white space.
    pub fn end(&mut self) -> Option<()> {
        self.peek().is_none().then_some(())
    }

    /// The beginning of an object.
    pub fn object(&mut self) -> Option<()> {
        self.take(b'{')
    }

    /// The name of an object's next member, whose value has to be taken then; `Some(None)` at the object's end.
    pub fn member(&mut self, is_first: bool) -> Option<Option<&'a str>> {
        if !self.goes_on(is_first, b'}')? {
            return Some(None);
        }
        let name = self.string()?;
        self.take(b':')?;
        Some(Some(name))
    }

    /// A string without escapes.
    pub fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let begin = self.at;
        let length = plain_length(self.text.as_bytes().get(begin..)?)?;
        self.at = begin + length + 1;
        self.text.get(begin..begin + length)
    }

    /// Any value, if it does not nest deeper than this.
    pub fn value(&mut self, depth_left: usize) -> Option<Json<'a>> {
        match self.peek()? {
            b'"' => Some(Json::String(Cow::Borrowed(self.string()?))),
            b'{' => {
                self.at += 1;
                let depth_left = depth_left.checked_sub(1)?;
                let mut members: Vec<(Cow<'a, str>, Json<'a>)> = Vec::new();
                while let Some(name) = self.member(members.is_empty())? {
                    if members.len() == MEMBERS_MAX || members.iter().any(|(known, _)| known == name) {
                        return None;
                    }
                    let value = self.value(depth_left)?;
                    members.push((Cow::Borrowed(name), value));
                }
                Some(Json::Object(members))
            }
            b'[' => {
                self.at += 1;
                let depth_left = depth_left.checked_sub(1)?;
                let mut items = Vec::new();
                while self.goes_on(items.is_empty(), b']')? {
                    items.push(self.value(depth_left)?);
                }
                Some(Json::Array(items))
            }
            b't' => self.word("true", Json::Bool(true)),
            b'f' => self.word("false", Json::Bool(false)),
            b'n' => self.word("null", Json::Null),
            _ => self.integer(),
        }
    }

    /// Whether there is another item before `end`; either way the text goes on behind the comma, or behind the end.
    fn goes_on(&mut self, is_first: bool, end: u8) -> Option<bool> {
        let next = self.peek()?;
        if next == end {
            self.at += 1;
            return Some(false);
        }
        if !is_first {
            self.take(b',')?;
        }
        Some(true)
    }

    fn integer(&mut self) -> Option<Json<'a>> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let is_negative = rest.first() == Some(&b'-');
        let digits = &rest[usize::from(is_negative)..];
        let count = digits.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(digits.len());
        let (digits, behind) = digits.split_at_checked(count)?;
        let is_plain = match digits {
            // A zero with a sign is a double.
            [b'0'] => !is_negative,
            [] | [b'0', ..] => false,
            _ => count <= DIGITS_MAX,
        };
        if !is_plain || matches!(behind.first(), Some(b'.' | b'e' | b'E')) {
            return None;
        }
        self.at += usize::from(is_negative) + count;
        let number = digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
        Some(Json::Long(if is_negative { -number } else { number }))
    }

    fn word(&mut self, word: &str, value: Json<'a>) -> Option<Json<'a>> {
        self.text.get(self.at..)?.starts_with(word).then(|| {
            self.at += word.len();
            value
        })
    }

    fn take(&mut self, expected: u8) -> Option<()> {
        // Few write spaces.
        if self.text.as_bytes().get(self.at) != Some(&expected) && self.peek()? != expected {
            return None;
        }
        self.at += 1;
        Some(())
    }

    /// The next byte that is no white space.
    fn peek(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }
}

/// How many bytes there are before the quote that ends a string, if there is neither an escape before it nor a byte that
/// no string may hold.
fn plain_length(bytes: &[u8]) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = LOW << 7;
    let mut at = 0;
    // Eight bytes at a time. The lowest bit that comes out is always right; a borrow may set one above it.
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let eight = u64::from_le_bytes(*eight);
        let quotes = eight ^ (LOW * u64::from(b'"'));
        let escapes = eight ^ (LOW * u64::from(b'\\'));
        let found = (quotes.wrapping_sub(LOW) & !quotes)
            | (escapes.wrapping_sub(LOW) & !escapes)
            | (eight.wrapping_sub(LOW * 0x20) & !eight);
        if found & HIGH != 0 {
            at += (found & HIGH).trailing_zeros() as usize / 8;
            return (bytes[at] == b'"').then_some(at);
        }
        at += 8;
    }
    let rest = bytes.get(at..)?;
    let end = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | ..0x20))?;
    (rest[end] == b'"').then_some(at + end)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{Just, Strategy, any, prop_oneof};
    use proptest::sample::{Index, select};
    use proptest::{prop_assert_eq, proptest};

    use super::*;

    /// Texts that look like JSON, from all that JSON has, and not all right.
    fn texts() -> impl Strategy<Value = String> {
        let strings = prop_oneof![
            8 => "[a-e]{0,20}".prop_map(|text| format!("\"{text}\"")),
            2 => "[ -~\u{80}-\u{ffff}]{0,20}".prop_map(|text| serde_json::Value::from(text).to_string()),
            1 => select(vec!["\"a\\u0062\"", "\"\\ud800\"", "\"\t\"", "\"0123456\\\"8\"", "\"01234567\\\\\"", "\"", "'a'"])
                .prop_map(str::to_owned),
        ];
        let numbers = prop_oneof![
            any::<i64>().prop_map(|number| number.to_string()),
            (0..200_i64).prop_map(|number| number.to_string()),
            any::<f64>().prop_map(|number| number.to_string()),
            "-?[0-9]{1,20}",
            select(vec![
                "-0",
                "0",
                "00",
                "-",
                "1.",
                "1e5",
                "0.5",
                "+1",
                "999999999999999999",
                "9223372036854775808"
            ])
            .prop_map(str::to_owned),
        ];
        let words =
            select(vec!["true", "false", "null", "nul", "truefalse", "True", "\u{feff}"]).prop_map(str::to_owned);
        let space = || select(vec!["", "", "", " ", "\n\t\r ", "\u{a0}", "\u{b}"]);
        let leaf = prop_oneof![4 => strings, 2 => numbers, 1 => words];
        leaf.prop_recursive(5, 64, 20, move |inner| {
            let names = prop_oneof![
                8 => "[a-z]{1,9}".prop_map(|name| format!("\"{name}\"")),
                1 => select(vec!["\"a\"", "\"\\u0061\"", "1", "\"\""]).prop_map(str::to_owned),
            ];
            let colon = prop_oneof![20 => Just(":"), 1 => Just(" : "), 1 => Just("")];
            let comma = || prop_oneof![20 => Just(","), 1 => Just(" ,"), 1 => Just(",,"), 1 => Just("")];
            let member = (names, colon, inner.clone(), space()).prop_map(|(n, c, v, s)| format!("{n}{c}{v}{s}"));
            let joined = |items: Vec<(String, &'static str)>| {
                let last = items.len().saturating_sub(1);
                items
                    .into_iter()
                    .enumerate()
                    .map(|(at, (item, comma))| item + if at < last { comma } else { "" })
                    .collect::<String>()
            };
            prop_oneof![
                (space(), vec((member, comma()), 0..20))
                    .prop_map(move |(s, items)| format!("{s}{{{}}}{s}", joined(items))),
                (space(), vec((inner, comma()), 0..6)).prop_map(move |(s, items)| format!("[{s}{}]", joined(items))),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_taken_is_what_the_thorough_reader_takes(
            text in texts(),
            spoiled in proptest::option::of((any::<Index>(), select(b"{}[]\",:\\ 0-x\x00\x1f\xc3".to_vec()))),
            depth_max in 1..6_usize,
        ) {
            let mut bytes = text.into_bytes();
            if let Some((at, byte)) = spoiled && !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Ok(text) = std::str::from_utf8(&bytes)
                && let Some(value) = Plain::read(text, depth_max)
            {
                prop_assert_eq!(Ok(value), Json::read_thoroughly(text, depth_max), "{}", text);
            }
        }

        #[test]
        fn a_string_ends_where_its_first_quote_is(text in "[\u{0}-\u{ff}]{0,40}") {
            let expected = text
                .bytes()
                .position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\')
                .filter(|at| text.as_bytes()[*at] == b'"');
            prop_assert_eq!(plain_length(text.as_bytes()), expected);
        }
    }

    #[test]
    fn what_is_usual_is_taken() {
        for text in [
            r#"{"subject":{"type":"user","id":"ana@example.com"},"context":{"teams":[{"id":"a"},{"id":"b"}]}}"#,
            r#" { "a" : [ 1 , -20, 0, 999999999999999999, true, false, null ] , "b" : { } , "c" : [ ] } "#,
            "{\"name\":\"Zoë, 東京 and more than eight bytes\"}",
        ] {
            let value = Plain::read(text, 8).expect(text);
            assert_eq!(Ok(value), Json::read_thoroughly(text, 8));
        }
    }

    #[test]
    fn what_is_doubtful_is_left_to_the_thorough_reader() {
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":"\n"}"#,
            r#"{"a":1.5}"#,
            r#"{"a":-0}"#,
            r#"{"a":01}"#,
            r#"{"a":1000000000000000000}"#,
            r#"{"a":1,}"#,
            r#"{"a":1"#,
            r#"{"a":1}}"#,
            r#"{"a" 1}"#,
            r#"{,"a":1}"#,
            r#"{"a":{"b":{"c":{}}}}"#,
            "{\"a\":\"\u{0}\"}",
            "",
        ] {
            assert!(Plain::read(text, 3).is_none(), "{text}");
        }
    }
}

//! How deep a text may nest, looked at before anything that recurses gets to see it.
//!
//! Cedar's parsers recurse with each bracket, and a few thousand of them overflow any stack, which ends the process and
//! everything that it serves. Its type checker copies what a constant `if` chooses, so that nested ones cost twice as
//! much each. Its evaluator stops at a depth where the stack runs out. All of these are faults of one policy here.

use super::core::{Expr, ExprKind};
use super::fault::Fault;
use super::text::{Span, Text};

/// Brackets within brackets.
const BRACKETS_MAX: usize = 200;

/// `if`s of one statement.
const IFS_MAX: usize = 24;

/// Bytes of one statement: a long chain of operators is a deep tree.
const STATEMENT_BYTES_MAX: usize = 256 << 10;

/// Operators within operators, a chain of `&&` among them.
const OPERATORS_MAX: usize = 800;

/// The fault of a text in Cedar's syntax, policies or schema, that nests too deeply.
pub(super) fn check(text: &Text) -> Option<Fault> {
    let refuse = |at: usize, message: String, help: &str| {
        Some(Fault::error("nesting", message).at(text, Span::new(at, 1)).help(help.to_owned()))
    };
    let bytes = text.content.as_bytes();
    // In a schema `<` opens a set's type, in a policy it compares.
    let angles = text.name.ends_with(".cedarschema");
    let (mut at, mut start, mut depth, mut ifs) = (0, 0, 0_usize, 0);
    while at < bytes.len() {
        if at - start > STATEMENT_BYTES_MAX {
            let message = format!("a statement of more than {STATEMENT_BYTES_MAX} bytes");
            return refuse(start, message, "split it into several");
        }
        match bytes[at] {
            b'"' => at = end_of_string(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at = bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| at + end);
                continue;
            }
            b'(' | b'[' | b'{' | b'<' if opens(bytes[at], angles) && depth == BRACKETS_MAX => {
                let message = format!("more than {BRACKETS_MAX} brackets within each other");
                return refuse(at, message, "write it flatter, or split it into several policies");
            }
            byte if opens(byte, angles) => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            b'>' if angles => depth = depth.saturating_sub(1),
            b';' => {
                ifs = 0;
                start = at;
            }
            b'i' if is_word(bytes, at, b"if") => {
                ifs += 1;
                if ifs > IFS_MAX {
                    let message = format!("more than {IFS_MAX} `if`s in one statement");
                    return refuse(at, message, "use `&&` and `||`, or split it into several policies");
                }
            }
            _ => {}
        }
        at += 1;
    }
    None
}

fn opens(byte: u8, angles: bool) -> bool {
    matches!(byte, b'(' | b'[' | b'{') || angles && byte == b'<'
}

/// Where the string that begins here ends; strings of a text that breaks off end with it.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() && bytes[at] != b'"' {
        at += if bytes[at] == b'\\' { 2 } else { 1 };
    }
    at
}

fn is_word(bytes: &[u8], at: usize, word: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    bytes[at..].starts_with(word)
        && !at.checked_sub(1).and_then(|before| bytes.get(before)).is_some_and(is_part)
        && !bytes.get(at + word.len()).is_some_and(is_part)
}

/// Whether the clauses of a policy nest too deeply to be evaluated. Looks without recursing.
pub(super) fn is_too_deep(body: &Expr) -> bool {
    let mut todo = vec![(body, 0_usize)];
    while let Some((expr, depth)) = todo.pop() {
        if depth > OPERATORS_MAX {
            return true;
        }
        let mut push = |inner| todo.push((inner, depth + 1));
        match expr.expr_kind() {
            ExprKind::Lit(_) | ExprKind::Var(_) | ExprKind::Slot(_) | ExprKind::Unknown(_) => {}
            ExprKind::If {
                test_expr,
                then_expr,
                else_expr,
            } => [test_expr, then_expr, else_expr].into_iter().for_each(|inner| push(inner)),
            ExprKind::And { left, right } | ExprKind::Or { left, right } => {
                push(left);
                push(right);
            }
            ExprKind::UnaryApp { arg, .. } => push(arg),
            ExprKind::BinaryApp { arg1, arg2, .. } => {
                push(arg1);
                push(arg2);
            }
            ExprKind::ExtensionFunctionApp { args, .. } => args.iter().for_each(push),
            ExprKind::GetAttr { expr, .. }
            | ExprKind::HasAttr { expr, .. }
            | ExprKind::ExtHasAttr { expr, .. }
            | ExprKind::Like { expr, .. }
            | ExprKind::Is { expr, .. } => push(expr),
            ExprKind::Set(items) => items.iter().for_each(push),
            ExprKind::Record(members) => members.values().for_each(push),
        }
    }
    false
}

/// The fault of a policy whose clauses nest too deeply.
pub(super) fn too_deep(text: &Text, span: Span) -> Fault {
    Fault::error("nesting", format!("more than {OPERATORS_MAX} operators within each other"))
        .at(text, span)
        .help("a long chain of `&&` or `||` counts too: compare with a set, or split it into several policies")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(content: &str) -> bool {
        check(&Text::new("policies/p.cedar", content)).is_some()
    }

    #[test]
    fn brackets_are_counted_and_those_in_strings_and_comments_are_not() {
        let nested = |depth: usize| format!("{}{}", "(".repeat(depth), ")".repeat(depth));
        assert!(!refused(&nested(BRACKETS_MAX)));
        assert!(refused(&nested(BRACKETS_MAX + 1)));
        assert!(refused(&"[".repeat(100_000)));
        assert!(!refused(&"1 < 2 && ".repeat(1_000)));
        let schema = |content: &str| check(&Text::new("schema/s.cedarschema", content)).is_some();
        assert!(schema(&"Set < ".repeat(1_000)));
        assert!(!schema(&"Set<Set<Long>>; ".repeat(1_000)));
        assert!(refused(&"a.".repeat(STATEMENT_BYTES_MAX)));
        assert!(!refused(&nested(1).repeat(10_000)));
        assert!(!refused(&format!("\"{}\"", "\\\"(".repeat(1_000))));
        assert!(!refused(&format!("// {}\n", "(".repeat(1_000))));
        assert!(refused(&format!("// {}\n{}", "\"", "(".repeat(1_000))));
    }

    #[test]
    fn ifs_are_counted_by_the_statement() {
        let ifs = |count: usize| "if true then 1 else ".repeat(count);
        assert!(!refused(&ifs(IFS_MAX)));
        assert!(refused(&ifs(IFS_MAX + 1)));
        assert!(!refused(&format!("{};", ifs(IFS_MAX)).repeat(100)));
        assert!(!refused(&"principal.if_so && gift ".repeat(100)));
    }
}

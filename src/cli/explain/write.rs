//! A story on a terminal, and as Markdown.

use std::fmt::Write;

use super::story::{Line, Mark};
use crate::cli::render::{self, Stream, shown};

/// Whether text has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    Plain,
    Coloured,
}

impl Look {
    /// What a stream takes.
    pub(super) fn of(stream: Stream) -> Self {
        if render::is_coloured(stream) {
            Self::Coloured
        } else {
            Self::Plain
        }
    }

    /// Words in a colour, or bold.
    fn paint(self, code: &str, words: &str) -> String {
        match self {
            Self::Plain => words.to_owned(),
            Self::Coloured => format!("\u{1b}[{code}m{words}\u{1b}[0m"),
        }
    }
}

const BOLD: &str = "1";
const GREEN: &str = "1;32";
const RED: &str = "1;31";
const DIM: &str = "2";

/// The story on a terminal.
pub(super) fn text(lines: &[Line], look: Look) -> String {
    let mut out = String::new();
    for line in lines {
        // Writing to a string does not fail.
        let _ = match line {
            Line::Title { is_allowed, words } => {
                let code = if *is_allowed { GREEN } else { RED };
                writeln!(out, "{}", look.paint(code, &shown(words)))
            }
            Line::Head(words) => writeln!(out, "\n{}", look.paint(BOLD, &format!("{}:", shown(words)))),
            Line::Plain(words) => writeln!(out, "  {}", shown(words)),
            Line::Item { depth, mark, words } => {
                let mark = match mark {
                    Mark::None if *depth == 0 => "- ".to_owned(),
                    Mark::Way => "- ".to_owned(),
                    Mark::None => String::new(),
                    Mark::Holds => format!("{} ", look.paint(GREEN, "✓")),
                    Mark::Fails => format!("{} ", look.paint(RED, "✗")),
                };
                writeln!(out, "{}{mark}{}", "  ".repeat(depth + 1), shown(words))
            }
            Line::Policy(policy) => policy
                .lines()
                .try_for_each(|line| writeln!(out, "    {}", look.paint(DIM, &format!("│ {}", shown(line))))),
        };
    }
    out.trim_end().to_owned()
}

/// The story as Markdown.
pub(super) fn markdown(lines: &[Line]) -> String {
    let mut out = String::new();
    let mut is_list = false;
    for line in lines {
        let is_item = matches!(line, Line::Item { .. } | Line::Policy(_));
        if is_list && !is_item {
            out.push('\n');
        }
        is_list = is_item;
        // Writing to a string does not fail.
        let _ = match line {
            Line::Title { words, .. } => writeln!(out, "# {}\n", escaped(words)),
            Line::Head(words) => writeln!(out, "## {}\n", escaped(words)),
            Line::Plain(words) => writeln!(out, "{}\n", escaped(words)),
            Line::Item { depth, mark, words } => {
                let mark = match mark {
                    Mark::None | Mark::Way => "",
                    Mark::Holds => "✓ ",
                    Mark::Fails => "✗ ",
                };
                writeln!(out, "{}- {mark}{}", "  ".repeat(*depth), escaped(words))
            }
            Line::Policy(policy) => {
                let lines = policy.lines().map(|line| format!("  {}\n", shown(line)));
                // Longer than whatever stands in it.
                let fence = "`".repeat(longest_run(policy).max(3) + 1);
                writeln!(out, "\n  {fence}cedar\n{}  {fence}\n", lines.collect::<String>())
            }
        };
    }
    out.trim_end().to_owned()
}

/// Backticks in a row.
fn longest_run(text: &str) -> usize {
    text.split(|char| char != '`').map(str::len).max().unwrap_or(0)
}

/// Text in which Markdown finds nothing but code between single backticks. Where these are no pairs, there is no code.
fn escaped(words: &str) -> String {
    let words = shown(words);
    let has_pairs = longest_run(&words) <= 1 && words.matches('`').count().is_multiple_of(2);
    let mut out = String::new();
    let mut is_code = false;
    for (index, char) in words.char_indices() {
        is_code ^= char == '`' && has_pairs;
        // A number or a dash begins a list, where a line begins.
        let is_list = matches!(char, '-' | '+' | '=') && index == 0
            || matches!(char, '.' | ')') && words[..index].bytes().all(|byte| byte.is_ascii_digit());
        let is_mark = matches!(char, '*' | '_' | '<' | '>' | '[' | ']' | '#' | '|' | '\\' | '&' | '~' | '!');
        if !is_code && (is_mark || is_list || char == '`' && !has_pairs) {
            out.push('\\');
        }
        out.push(char);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Vec<Line> {
        vec![
            Line::Title {
                is_allowed: false,
                words: "deny: a_b\u{1b}[2J may not see c".to_owned(),
            },
            Line::Head("Why".to_owned()),
            Line::Item {
                depth: 0,
                mark: Mark::Fails,
                words: "`x_y` is *absent*".to_owned(),
            },
        ]
    }

    #[test]
    fn what_a_terminal_would_obey_is_shown_and_not_done() {
        let shown = text(&lines(), Look::Plain);
        assert_eq!(shown, "deny: a_b\\u{1b}[2J may not see c\n\nWhy:\n  ✗ `x_y` is *absent*");
        assert!(text(&lines(), Look::Coloured).starts_with("\u{1b}[1;31mdeny: a_b\\u{1b}[2J"));
    }

    #[test]
    fn markdown_escapes_what_is_no_code() {
        let shown = markdown(&lines());
        assert_eq!(
            shown,
            "# deny: a\\_b\\\\u{1b}\\[2J may not see c\n\n## Why\n\n- ✗ `x_y` is \\*absent\\*"
        );
    }
}

//! Figures as people read them.

/// A time in the unit that suits it, with three digits that count.
pub(super) fn time(nanos: f64) -> String {
    let (number, unit) = match nanos {
        small if small < 999.5 => return format!("{small:.0} ns"),
        small if small < 999.5e3 => (small / 1e3, "us"),
        middle if middle < 999.5e6 => (middle / 1e6, "ms"),
        large => (large / 1e9, "s"),
    };
    match number {
        n if n < 9.995 => format!("{n:.2} {unit}"),
        n if n < 99.95 => format!("{n:.1} {unit}"),
        n => format!("{n:.0} {unit}"),
    }
}

/// A whole number with its thousands apart.
pub(super) fn count(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Bytes in mebibytes.
pub(super) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}

/// Seconds of a time that somebody chose.
pub(super) fn seconds(duration: std::time::Duration) -> String {
    format!("{} s", (duration.as_secs_f64() * 1e3).round() / 1e3)
}

/// A count and its noun.
pub(super) fn plural(count: usize, one: &str, more: &str) -> String {
    format!("{} {}", self::count(count as f64), if count == 1 { one } else { more })
}

/// A command line that a shell would read again.
pub(super) fn command(arguments: impl Iterator<Item = std::ffi::OsString>) -> String {
    let mut line = "gatepost".to_owned();
    for argument in arguments {
        let argument = argument.to_string_lossy();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=,@%+".contains(&byte);
        line.push(' ');
        if !argument.is_empty() && argument.bytes().all(plain) {
            line.push_str(&argument);
        } else {
            line.push_str(&format!("'{}'", argument.replace('\'', "'\\''")));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_keep_three_digits_and_change_units_in_time() {
        for (nanos, text) in [
            (0.0, "0 ns"),
            (999.4, "999 ns"),
            (999.5, "1.00 us"),
            (1234.0, "1.23 us"),
            (9_995.0, "10.0 us"),
            (123_456.0, "123 us"),
            (999_600.0, "1.00 ms"),
            (2.5e9, "2.50 s"),
            (61e9, "61.0 s"),
        ] {
            assert_eq!(time(nanos), text, "{nanos}");
        }
        for (number, text) in [
            (0.0, "0"),
            (999.0, "999"),
            (1000.0, "1,000"),
            (1_234_567.0, "1,234,567"),
        ] {
            assert_eq!(count(number), text);
        }
    }
}

//! Numbers as a reader wants them: few digits, aligned, units said, `—` for what is not a number.

/// Stands for every number that is missing or not finite.
pub(crate) const NONE: &str = "—";

/// `300k`, `1.2B`: a count of tokens in three significant digits.
pub(crate) fn tokens(count: f64) -> String {
    if !count.is_finite() {
        return NONE.to_string();
    }
    let mut scaled = count;
    for unit in ["", "k", "M", "B", "T"] {
        let rounded = significant(scaled, 3);
        if rounded.abs() < 1000.0 {
            return format!("{}{unit}", trimmed(rounded, decimals_for(rounded, 3)));
        }
        scaled /= 1000.0;
    }
    format!("{count:.2e}")
}

/// `12,345`: an exact count.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A perplexity with two decimals, so that a column of them aligns.
pub(crate) fn perplexity(value: Option<f64>) -> String {
    fixed(value, 2)
}

/// `value` with a fixed number of decimals below 10,000, grouped digits above, powers of ten where
/// neither reads.
pub(crate) fn fixed(value: Option<f64>, decimals: usize) -> String {
    match value.filter(|v| v.is_finite()) {
        None => NONE.to_string(),
        Some(v) if v != 0.0 && v.abs() < 0.1f64.powi(decimals as i32 + 1) => exponent(v),
        Some(v) if v.abs() < 1e4 => minus(format!("{v:.decimals$}")),
        Some(v) if v.abs() < 1e7 && v > 0.0 => count(v.round() as u64),
        Some(v) => exponent(v),
    }
}

/// Two perplexities with just enough decimals (one to four) to tell them apart.
pub(crate) fn pair(left: f64, right: f64) -> (String, String) {
    let shown = |decimals| (fixed(Some(left), decimals), fixed(Some(right), decimals));
    let apart = (1..=4).map(shown).find(|(left, right)| left != right);
    apart.unwrap_or_else(|| shown(2))
}

/// A weight as a percentage without its sign: `23.4`, `<0.1`, `0`.
pub(crate) fn share(weight: f64) -> String {
    let percent = 100.0 * weight;
    match percent {
        p if !p.is_finite() => NONE.to_string(),
        0.0 => "0".to_string(),
        p if p > 0.0 && p < 0.05 => "<0.1".to_string(),
        p if p.abs() < 1e4 => minus(format!("{p:.1}")),
        p => exponent(p),
    }
}

/// `+1.0 %`, `−2.3 %`: a relative change, with a space that no line breaks at.
pub(crate) fn change(fraction: f64) -> String {
    let percent = 100.0 * fraction;
    match percent {
        p if !p.is_finite() => NONE.to_string(),
        0.0 => "0\u{a0}%".to_string(),
        p if p.abs() < 0.005 => format!("{}<0.01\u{a0}%", if p < 0.0 { "−" } else { "+" }),
        p if p.abs() < 0.1 => minus(format!("{p:+.2}\u{a0}%")),
        p if p.abs() < 1e4 => minus(format!("{p:+.1}\u{a0}%")),
        p => minus(format!("{p:+.1e}\u{a0}%")),
    }
}

/// A tick or a parameter in at most `digits` significant digits, no trailing zeros.
pub(crate) fn short(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return NONE.to_string();
    }
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e7).contains(&size) {
        return exponent(value);
    }
    let rounded = significant(value, digits);
    if rounded.abs() >= 1e4 {
        return minus(format!("{}{}", sign(rounded), count(rounded.abs().round() as u64)));
    }
    trimmed(rounded, decimals_for(rounded, digits))
}

/// `×1.62`, and `×1/3` for the usual reductions.
pub(crate) fn multiple(value: f64) -> String {
    if !value.is_finite() {
        return NONE.to_string();
    }
    let inverse = 1.0 / value;
    let whole = inverse.round();
    if (2.0..=100.0).contains(&whole) && (inverse - whole).abs() < 1e-6 {
        return format!("1/{whole}");
    }
    short(value, 3)
}

/// A residual; below 1e-9 it is rounding of an exact interpolation and shown as 0.
pub(crate) fn residual(value: f64) -> String {
    if value.abs() < 1e-9 { "0".to_string() } else { short(value, 2) }
}

fn sign(value: f64) -> &'static str {
    if value < 0.0 { "-" } else { "" }
}

fn exponent(value: f64) -> String {
    minus(format!("{value:.1e}"))
}

/// The typographic minus, which has the width of a digit.
fn minus(text: String) -> String {
    text.replace('-', "−")
}

fn significant(value: f64, digits: usize) -> f64 {
    if value == 0.0 {
        return 0.0;
    }
    format!("{value:.*e}", digits.saturating_sub(1)).parse().unwrap_or(value)
}

fn decimals_for(value: f64, digits: usize) -> usize {
    if value == 0.0 {
        return 0;
    }
    let before = value.abs().log10().floor() as i64 + 1;
    (digits as i64 - before).clamp(0, 12) as usize
}

fn trimmed(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text,
    };
    minus(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_short() {
        for (count, expected) in [
            (0.0, "0"),
            (999.0, "999"),
            (300_000.0, "300k"),
            (999_950.0, "1M"),
            (4_194_304.0, "4.19M"),
            (1.2e9, "1.2B"),
            (5.000487e9, "5B"),
            (9.9999e14, "1.00e15"),
            (f64::NAN, NONE),
        ] {
            assert_eq!(tokens(count), expected, "{count}");
        }
    }

    #[test]
    fn perplexities_align() {
        for (value, expected) in [
            (Some(7.4821), "7.48"),
            (Some(1234.5), "1234.50"),
            (Some(45_678.9), "45,679"),
            (Some(1e12), "1.0e12"),
            (Some(-1e5), "−1.0e5"),
            (Some(1e-9), "1.0e−9"),
            (Some(0.0), "0.00"),
            (Some(f64::INFINITY), NONE),
            (None, NONE),
        ] {
            assert_eq!(perplexity(value), expected, "{value:?}");
        }
    }

    #[test]
    fn pairs_are_told_apart() {
        assert_eq!(pair(31.2, 30.9), ("31.2".into(), "30.9".into()));
        assert_eq!(pair(31.21, 31.22), ("31.21".into(), "31.22".into()));
        assert_eq!(pair(31.0, 31.0), ("31.00".into(), "31.00".into()));
    }

    #[test]
    fn shares_changes_multiples() {
        assert_eq!(share(0.23419), "23.4");
        assert_eq!(share(0.0001), "<0.1");
        assert_eq!(share(0.0), "0");
        assert_eq!(share(f64::NAN), NONE);
        assert_eq!(change(-0.0234), "−2.3\u{a0}%");
        assert_eq!(change(0.01), "+1.0\u{a0}%");
        assert_eq!(change(-1e-6), "−<0.01\u{a0}%");
        assert_eq!(change(f64::NEG_INFINITY), NONE);
        assert_eq!(multiple(1.0 / 3.0), "1/3");
        assert_eq!(multiple(1.62475), "1.62");
        assert_eq!(multiple(3.0), "3");
        assert_eq!(multiple(0.0), "0");
    }

    #[test]
    fn short_numbers() {
        for (value, digits, expected) in [
            (0.0, 3, "0"),
            (2.66587, 4, "2.666"),
            (0.05, 2, "0.05"),
            (-3.5, 3, "−3.5"),
            (25_000.0, 3, "25,000"),
            (1e-6, 3, "1.0e−6"),
            (1e300, 3, "1.0e300"),
        ] {
            assert_eq!(short(value, digits), expected, "{value}");
        }
    }
}

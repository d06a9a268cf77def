//! Numbers with units: `300M`, `10%`, `1/3`. Exact where the result is a count.

/// A count such as `300`, `300_000`, `"300k"` or `"1.2B"`; the error says what is wrong with it.
///
/// # Errors
/// What is wrong with it, in words.
pub fn count(text: &str) -> Result<u64, String> {
    let text = text.trim();
    let digits = text.trim_end_matches(char::is_alphabetic);
    let unit = &text[digits.len()..];
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return Err("it is not a number".to_owned());
    }
    scaled(digits.trim_end(), power(unit)?)
}

/// The power of ten that a unit stands for.
fn power(unit: &str) -> Result<u32, String> {
    match unit {
        "" => Ok(0),
        "k" | "K" => Ok(3),
        "M" => Ok(6),
        "B" | "G" => Ok(9),
        "T" => Ok(12),
        "m" | "b" | "g" | "t" => Err(format!("the unit is written `{}`", unit.to_uppercase())),
        _ => Err("the units are k, M, B and T".to_owned()),
    }
}

/// An amount that need not be whole, such as `300`, `3e8`, `"0.3B"` or `"12.5k"`: at least 0 and finite.
///
/// # Errors
/// What is wrong with it, in words.
pub fn amount(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let digits = text.trim_end_matches(char::is_alphabetic);
    let value = decimal(digits.trim_end()).ok_or("it is no number; the units are k, M, B and T")?;
    let power = i32::try_from(power(&text[digits.len()..])?).unwrap_or(0);
    let value = value * 10f64.powi(power);
    if value.is_finite() { Ok(value) } else { Err("it is too large".to_owned()) }
}

/// `digits` times ten to the `scale`, exactly.
fn scaled(digits: &str, scale: u32) -> Result<u64, String> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    if !whole.starts_with(|first: char| first.is_ascii_digit())
        || !is_digits(whole)
        || !is_digits(fraction)
        || (digits.contains('.') && fraction.is_empty())
    {
        return Err("it is not a number".to_owned());
    }
    let fraction = fraction.replace('_', "");
    let fraction = fraction.trim_end_matches('0');
    let Some(zeros) =
        usize::try_from(scale).ok().and_then(|scale| scale.checked_sub(fraction.len()))
    else {
        return Err("it is not a whole number".to_owned());
    };
    let all = format!("{}{fraction}{}", whole.replace('_', ""), "0".repeat(zeros));
    all.parse().map_err(|_| "it is too large".to_owned())
}

/// A share such as `"10%"`, 0 to 1.
///
/// # Errors
/// What is wrong with it, in words.
pub fn share(text: &str) -> Result<f64, String> {
    let Some(percent) = text.trim().strip_suffix('%') else {
        return Err("a share as text ends in `%`".to_owned());
    };
    let percent = decimal(percent.trim_end()).ok_or("it is not a number")?;
    if (0.0..=100.0).contains(&percent) {
        Ok(percent / 100.0)
    } else {
        Err("a share is 0% to 100%".to_owned())
    }
}

/// A ratio such as `"1/3"`, or a plain number.
///
/// # Errors
/// What is wrong with it, in words.
pub fn ratio(text: &str) -> Result<f64, String> {
    let unreadable = || "it is neither a number nor a fraction such as `1/3`".to_owned();
    let Some((over, under)) = text.split_once('/') else {
        return decimal(text.trim()).ok_or_else(unreadable);
    };
    let over = decimal(over.trim()).ok_or_else(unreadable)?;
    let under = decimal(under.trim()).ok_or_else(unreadable)?;
    if under == 0.0 { Err("it divides by 0".to_owned()) } else { Ok(over / under) }
}

/// Plain decimal notation, without the words and signs that Rust's parser also takes.
fn decimal(text: &str) -> Option<f64> {
    let starts = text.starts_with(|first: char| first.is_ascii_digit());
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"._eE-".contains(&byte));
    if starts && plain { text.replace('_', "").parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        let check = |text: &str, expected: Result<u64, &str>| {
            assert_eq!(count(text), expected.map_err(str::to_owned), "{text}");
        };
        check("300", Ok(300));
        check("300_000", Ok(300_000));
        check("300k", Ok(300_000));
        check("300 K", Ok(300_000));
        check("1.2B", Ok(1_200_000_000));
        check("1.50M", Ok(1_500_000));
        check("0.5k", Ok(500));
        check("2T", Ok(2_000_000_000_000));
        check("1.2345k", Err("it is not a whole number"));
        check("1.5", Err("it is not a whole number"));
        check("300m", Err("the unit is written `M`"));
        check("2 percent", Err("the units are k, M, B and T"));
        check("300X", Err("the units are k, M, B and T"));
        check("k", Err("it is not a number"));
        check("", Err("it is not a number"));
        check("-5", Err("it is not a number"));
        check("1.", Err("it is not a number"));
        check("3٣", Err("it is not a number"));
        check("99999999999T", Err("it is too large"));
    }

    #[test]
    fn amounts() {
        for (text, expected) in
            [("300", 300.0), ("3e8", 3e8), ("0.3B", 3e8), (" 1.2 B", 1.2e9), ("0", 0.0)]
        {
            assert_eq!(amount(text), Ok(expected), "{text}");
        }
        for text in ["", "B", "-3B", "nan", "inf", "3X", "1/5", "1e999"] {
            assert!(amount(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shares_and_ratios() {
        assert_eq!(share("10%"), Ok(0.1));
        assert_eq!(share(" 2.5 % "), Ok(0.025));
        assert!(
            share("0.1").is_err()
                && share("101%").is_err()
                && share("-1%").is_err()
                && share("nan%").is_err()
        );
        assert_eq!(ratio("1/3"), Ok(1.0 / 3.0));
        assert_eq!(ratio("0.2"), Ok(0.2));
        assert!(
            ratio("1/0").is_err()
                && ratio("inf").is_err()
                && ratio("-1/3").is_err()
                && ratio("1/2/3").is_err()
        );
    }
}

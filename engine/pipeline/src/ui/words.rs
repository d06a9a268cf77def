//! Times and amounts as people read them.

/// `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`.
#[must_use]
pub fn seconds(seconds: f64) -> String {
    if !seconds.is_finite() {
        return "—".into();
    }
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

/// `950`, `12.3k`, `1.2M`, `3.0B`.
#[must_use]
pub fn amount(value: f64) -> String {
    let scaled = |divisor: f64, suffix: &str| {
        let value = value / divisor;
        if value >= 100.0 { format!("{value:.0}{suffix}") } else { format!("{value:.1}{suffix}") }
    };
    match value.abs() {
        size if size >= 1e9 => scaled(1e9, "B"),
        size if size >= 1e6 => scaled(1e6, "M"),
        size if size >= 1e4 => scaled(1e3, "k"),
        _ => format!("{value:.0}"),
    }
}

/// What a first Ctrl-C does, and how to have it at once.
#[must_use]
pub fn stopping(running: usize) -> String {
    let what = if running == 1 { "the action" } else { "all actions" };
    format!(
        "stopping: waiting for {what} under way; trainings write checkpoints; a second Ctrl-C stops at once"
    )
}

/// A failed action: what, what to do, where to look.
#[must_use]
pub fn failure(target: &str, message: &str, hint: Option<&str>, log: &str) -> String {
    let mut text = format!("error: {target}: {message}");
    if let Some(hint) = hint {
        text.push_str(&format!("\nhelp: {hint}"));
    }
    if std::fs::metadata(log).is_ok_and(|metadata| metadata.len() > 0) {
        text.push_str(&format!("\nlog: {log}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_naturally() {
        let cases = [
            (0.04, "0.0 s"),
            (9.94, "9.9 s"),
            (9.96, "10 s"),
            (59.4, "59 s"),
            (60.0, "1 min 0 s"),
            (3725.0, "1 h 2 min"),
            (f64::NAN, "—"),
        ];
        for (value, text) in cases {
            assert_eq!(seconds(value), text);
        }
    }

    #[test]
    fn amounts_read_naturally() {
        for (value, text) in
            [(950.0, "950"), (12_345.0, "12.3k"), (1.2e6, "1.2M"), (3.5e11, "350B")]
        {
            assert_eq!(amount(value), text);
        }
    }
}

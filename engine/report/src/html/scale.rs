//! Scales from data to drawing units, and ticks a reader would choose.
//!
//! Knows nothing of what is drawn. Every scale is over a finite, non-empty range, whatever it was
//! made from.

/// A monotone map from a range of data to a range of drawing units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
    log: bool,
}

impl Scale {
    /// Equal differences are equal lengths. A range without extent is widened.
    pub fn linear(range: (f64, f64), from: f64, to: f64) -> Scale {
        let (low, high) = finite_range(range);
        Scale { low, high, from, to, log: false }
    }

    /// Equal ratios are equal lengths; linear where the range is not positive.
    pub fn log(range: (f64, f64), from: f64, to: f64) -> Scale {
        let (low, high) = range;
        if !(low.is_finite() && high.is_finite() && low > 0.0 && high >= low) {
            return Scale::linear(range, from, to);
        }
        let (low, high) = match high / low < 1.0 + 1e-9 {
            true => ((low / 1.5).max(f64::MIN_POSITIVE), (high * 1.5).min(f64::MAX)),
            false => (low, high),
        };
        Scale { low: low.ln(), high: high.ln(), from, to, log: true }
    }

    /// Place of `value`, held within ten lengths of the range.
    pub fn at(&self, value: f64) -> f64 {
        let value = if self.log { value.max(f64::MIN_POSITIVE).ln() } else { value };
        let part = (value - self.low) / (self.high - self.low);
        let part = if part.is_finite() { part.clamp(-10.0, 11.0) } else { 0.0 };
        self.from + part * (self.to - self.from)
    }

    /// The range in data units.
    pub fn range(&self) -> (f64, f64) {
        match self.log {
            true => (self.low.exp(), self.high.exp()),
            false => (self.low, self.high),
        }
    }

    /// About `count` round values inside the range.
    pub fn ticks(&self, count: usize) -> Vec<f64> {
        let (low, high) = self.range();
        match self.log {
            true => log_ticks(low, high, count),
            false => linear_ticks(low, high, count),
        }
    }
}

/// Smallest and largest of the finite values.
pub(crate) fn extent(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    let finite = values.into_iter().filter(|v| v.is_finite());
    finite.fold(None, |range, v| match range {
        None => Some((v, v)),
        Some((low, high)) => Some((f64::min(low, v), f64::max(high, v))),
    })
}

/// A range made wider by a fraction of itself on both sides.
pub(crate) fn padded((low, high): (f64, f64), fraction: f64) -> (f64, f64) {
    let room = (high - low) * fraction;
    (low - room, high + room)
}

fn finite_range((low, high): (f64, f64)) -> (f64, f64) {
    const MOST: f64 = 1e300;
    if !(low.is_finite() && high.is_finite()) {
        return (0.0, 1.0);
    }
    let (low, high) = (low.clamp(-MOST, MOST), high.clamp(-MOST, MOST));
    let room = (low.abs().max(high.abs()) * 0.05).max(1e-12);
    if high - low < room * 1e-6 { (low - room, high + room) } else { (low, high) }
}

/// Multiples of 1, 2 or 5 times a power of ten.
fn linear_ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let raw = (high - low) / count.max(1) as f64;
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|f| f * power).find(|s| *s >= raw * 0.999);
    let step = step.unwrap_or(raw);
    let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
    if !(first.is_finite() && last.is_finite()) || last - first > 100.0 {
        return vec![low, high];
    }
    // A product of integers and a step; the division keeps 0.3 from showing as 0.30000000000000004.
    (0..=(last - first) as usize).map(|i| clean((first + i as f64) * step, step)).collect()
}

fn clean(value: f64, step: f64) -> f64 {
    let digits = (-step.log10().floor()).clamp(0.0, 15.0);
    let power = 10f64.powf(digits);
    let rounded = (value * power).round() / power;
    if rounded.is_finite() { rounded + 0.0 } else { value }
}

/// 1, 2, 5 of every decade where they fit, else powers of ten; round steps within a decade.
fn log_ticks(low: f64, high: f64, count: usize) -> Vec<f64> {
    let decades = (high / low).log10();
    if decades < 0.8 {
        return linear_ticks(low, high, count);
    }
    let digits: &[f64] = match count as f64 / decades {
        per if per >= 2.5 => &[1.0, 2.0, 5.0],
        per if per >= 1.7 => &[1.0, 3.0],
        _ => &[1.0],
    };
    let every = (decades / count.max(1) as f64).ceil().max(1.0) as i32;
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let powers = (first..=last).filter(|p| p.rem_euclid(every) == 0);
    let ticks = powers.flat_map(|p| digits.iter().map(move |d| d * 10f64.powi(p)));
    ticks.filter(|t| *t >= low * (1.0 - 1e-9) && *t <= high * (1.0 + 1e-9)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_ticks_are_round() {
        for (low, high, count, expected) in [
            (0.0, 1.0, 5, &[0.0, 0.2, 0.4, 0.6, 0.8, 1.0][..]),
            (0.93, 1.17, 4, &[1.0, 1.1]),
            (-3.0, 12.0, 4, &[0.0, 5.0, 10.0]),
            (29.9, 31.1, 3, &[30.0, 30.5, 31.0]),
        ] {
            assert_eq!(Scale::linear((low, high), 0.0, 1.0).ticks(count), expected);
        }
    }

    #[test]
    fn log_ticks_follow_decades() {
        let ticks = |low, high, count| Scale::log((low, high), 0.0, 1.0).ticks(count);
        assert_eq!(ticks(20.0, 300.0, 4), [20.0, 50.0, 100.0, 200.0]);
        assert_eq!(ticks(1.0, 1000.0, 4), [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(ticks(30.0, 100.0, 3), [50.0, 100.0]);
    }

    #[test]
    fn any_range_makes_a_finite_scale() {
        let odd = [f64::NAN, f64::INFINITY, -1.0, 0.0, 1e-308, 1.0, 1e308, f64::MAX];
        for low in odd {
            for high in odd {
                for scale in
                    [Scale::linear((low, high), 0.0, 100.0), Scale::log((low, high), 0.0, 100.0)]
                {
                    for value in odd {
                        assert!(scale.at(value).is_finite(), "{low} {high} {value}");
                    }
                    assert!(scale.ticks(5).len() <= 101);
                }
            }
        }
    }

    #[test]
    fn extent_ignores_what_is_not_finite() {
        assert_eq!(extent([f64::NAN, 3.0, 1.0, f64::INFINITY]), Some((1.0, 3.0)));
        assert_eq!(extent([f64::NAN]), None);
    }
}

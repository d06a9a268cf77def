//! Random numbers as functions of a key and a position: the same bits on every machine and device,
//! whatever the order or the number of threads they are drawn in.
//!
//! A stream is the extendable output of BLAKE3 over its key. A normal deviate is the inverse of the
//! normal distribution at a 52-bit uniform, by Wichura's rational approximations (AS 241, PPND16;
//! relative error about 1e-16), with the one logarithm they need computed here from + - * / alone, so
//! no maths library enters.

/// `count` standard normal deviates of the stream named by `seed` and `name`, starting at `offset`.
#[must_use]
pub fn normals(seed: u64, name: &str, offset: u64, count: usize) -> Vec<f64> {
    let mut hasher = blake3::Hasher::new_derive_key("mixmake 2024 parameter initialisation v1");
    hasher.update(&seed.to_le_bytes());
    hasher.update(name.as_bytes());
    let mut reader = hasher.finalize_xof();
    reader.set_position(offset * 8);
    let mut bytes = vec![0_u8; count * 8];
    reader.fill(&mut bytes);
    bytes.chunks_exact(8).map(|word| normal(uniform(le_u64(word)))).collect()
}

fn le_u64(word: &[u8]) -> u64 {
    word.iter().rev().fold(0, |value, &byte| (value << 8) | u64::from(byte))
}

/// The middle of one of 2^52 equal parts of (0, 1): never 0, never 1, exact in an `f64`.
fn uniform(word: u64) -> f64 {
    ((word >> 12) as f64 + 0.5) * (1.0 / (1_u64 << 52) as f64)
}

/// The position-wise mixing of SplitMix64 (Steele, Lea and Flood, 2014): a bijection of 64 bits.
pub(crate) fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A 64-bit key for purpose `context` from `seed`.
pub(crate) fn derive(context: &str, seed: u64) -> u64 {
    let mut hasher = blake3::Hasher::new_derive_key("mixmake 2024 training streams v1");
    hasher.update(&seed.to_le_bytes());
    hasher.update(context.as_bytes());
    le_u64(&hasher.finalize().as_bytes()[..8])
}

/// A uniform integer below `bound` (at least 1) from 64 random bits.
pub(crate) fn below(word: u64, bound: u64) -> u64 {
    ((u128::from(word) * u128::from(bound)) >> 64) as u64
}

/// A uniform number in [0, 1) from 64 random bits.
pub(crate) fn fraction(word: u64) -> f64 {
    (word >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
}

/// The `p` quantile of the standard normal distribution, 0 < p < 1.
fn normal(p: f64) -> f64 {
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * polynomial(&CENTRE.0, r) / polynomial(&CENTRE.1, r);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    let r = (-logarithm(tail)).sqrt();
    let value = if r <= 5.0 {
        polynomial(&MIDDLE.0, r - 1.6) / polynomial(&MIDDLE.1, r - 1.6)
    } else {
        polynomial(&FAR.0, r - 5.0) / polynomial(&FAR.1, r - 5.0)
    };
    if q < 0.0 { -value } else { value }
}

fn polynomial(coefficients: &[f64; 8], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

/// Natural logarithm of a positive normal number: ln(m 2^e) = e ln 2 + 2 artanh((m-1)/(m+1)) with
/// m in [sqrt(1/2), sqrt(2)), where the series in z^2 <= 0.0295 has converged after 11 terms.
fn logarithm(x: f64) -> f64 {
    let bits = x.to_bits();
    let mut exponent = ((bits >> 52) as i64 - 1023) as f64;
    let mut mantissa = f64::from_bits((bits & ((1 << 52) - 1)) | (1023 << 52));
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1.0;
    }
    let z = (mantissa - 1.0) / (mantissa + 1.0);
    let square = z * z;
    let series = (0..11).rev().fold(0.0, |sum, k| sum * square + 1.0 / f64::from(2 * k + 1));
    exponent * std::f64::consts::LN_2 + 2.0 * z * series
}

type Ratio = ([f64; 8], [f64; 8]);

#[rustfmt::skip]
const CENTRE: Ratio = (
    [3.387_132_872_796_366_5, 1.331_416_678_917_843_8e2, 1.971_590_950_306_551_3e3, 1.373_169_376_550_946e4,
     4.592_195_393_154_987e4, 6.726_577_092_700_87e4, 3.343_057_558_358_813e4, 2.509_080_928_730_122_7e3],
    [1.0, 4.231_333_070_160_091e1, 6.871_870_074_920_579e2, 5.394_196_021_424_751e3,
     2.121_379_430_158_659_7e4, 3.930_789_580_009_271e4, 2.872_908_573_572_194_3e4, 5.226_495_278_852_854e3],
);

#[rustfmt::skip]
const MIDDLE: Ratio = (
    [1.423_437_110_749_683_5, 4.630_337_846_156_546, 5.769_497_221_460_691, 3.647_848_324_763_204_5,
     1.270_458_252_452_368_4, 2.417_807_251_774_506e-1, 2.272_384_498_926_918_4e-2, 7.745_450_142_783_414e-4],
    [1.0, 2.053_191_626_637_759, 1.676_384_830_183_803_8, 6.897_673_349_851e-1,
     1.481_039_764_274_800_8e-1, 1.519_866_656_361_645_7e-2, 5.475_938_084_995_345e-4, 1.050_750_071_644_416_9e-9],
);

#[rustfmt::skip]
const FAR: Ratio = (
    [6.657_904_643_501_103, 5.463_784_911_164_114, 1.784_826_539_917_291_3, 2.965_605_718_285_048_7e-1,
     2.653_218_952_657_612_4e-2, 1.242_660_947_388_078_4e-3, 2.711_555_568_743_487_6e-5, 2.010_334_399_292_288_1e-7],
    [1.0, 5.998_322_065_558_88e-1, 1.369_298_809_227_358e-1, 1.487_536_129_085_061_5e-2,
     7.868_691_311_456_133e-4, 1.846_318_317_510_054_8e-5, 1.421_511_758_316_446e-7, 2.044_263_103_389_939_8e-15],
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_match_tables() {
        let check = |p: f64, expected: f64| {
            let error = (normal(p) - expected).abs() / expected.abs().max(1e-3);
            assert!(error < 1e-13, "{p}: {} for {expected}", normal(p));
        };
        check(0.75, 0.674_489_750_196_081_7);
        check(0.975, 1.959_963_984_540_054);
        check(0.025, -1.959_963_984_540_054);
        check(1e-10, -6.361_340_902_404_056);
        check(1e-15, -7.941_345_326_170_998);
        assert_eq!(normal(0.5), 0.0);
    }

    #[test]
    fn the_logarithm_is_the_logarithm() {
        for x in [1e-300_f64, 1e-16, 0.1, 0.5, 0.7, 0.71, 0.999_999, 1.0, 1.5, 10.0] {
            assert!((logarithm(x) - x.ln()).abs() <= 4e-16 * x.ln().abs(), "{x}");
        }
    }

    #[test]
    fn streams_are_addressable_and_distinct() {
        let whole = normals(7, "a", 0, 100);
        assert_eq!(normals(7, "a", 40, 20), whole[40..60]);
        assert_ne!(normals(8, "a", 0, 100), whole);
        assert_ne!(normals(7, "b", 0, 100), whole);
    }

    #[test]
    fn moments_are_those_of_a_normal() {
        let sample = normals(1, "moments", 0, 200_000);
        let mean = |power: i32| sample.iter().map(|x| x.powi(power)).sum::<f64>() / 200_000.0;
        assert!(mean(1).abs() < 0.01, "{}", mean(1));
        assert!((mean(2) - 1.0).abs() < 0.02, "{}", mean(2));
        assert!(mean(3).abs() < 0.05, "{}", mean(3));
        assert!((mean(4) - 3.0).abs() < 0.15, "{}", mean(4));
    }

    /// Pinned: a change of these bits changes every model that was ever initialised.
    #[test]
    fn bits_are_pinned() {
        let bits: Vec<u32> = normals(1, "transformer.wte.weight", 0, 3)
            .iter()
            .map(|&x| (x as f32).to_bits())
            .collect();
        assert_eq!(bits, PINNED);
    }
    const PINNED: [u32; 3] = [3_217_682_773, 3_183_218_827, 1_055_926_076];
}

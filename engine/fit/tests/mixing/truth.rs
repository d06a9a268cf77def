//! The truth of every law, written apart from the library, with parameters drawn from a seed.

use mixmake_fit::mixing::LawName;

use crate::world::Random;

/// Loss of every validation domain at weights, tokens and size.
pub type Losses = Box<dyn Fn(&[f64], f64, f64) -> Vec<f64> + Send + Sync>;

/// A world that follows a law.
pub struct LawWorld {
    pub law: LawName,
    pub domains: usize,
    pub losses: Losses,
    /// Scales that its rows are trained at; empty where the world has none.
    pub tokens: Vec<f64>,
    pub sizes: Vec<f64>,
}

/// One validation domain: parameters of every training domain and of the whole.
struct Target {
    /// Amplitudes or slopes.
    c: Vec<f64>,
    /// Powers.
    g: Vec<f64>,
    /// Shifts.
    a: Vec<f64>,
    floor: f64,
}

impl Target {
    /// Validation domain `v` is helped most by every third training domain, so that validation domains pull apart.
    fn new(random: &mut Random, v: usize, domains: usize) -> Self {
        let near = |j: usize| j % 3 == v % 3;
        let c = (0..domains)
            .map(|j| if near(j) { random.between(0.8, 1.4) } else { random.between(0.2, 0.5) });
        let c = c.collect();
        let g = (0..domains).map(|_| random.between(0.3, 0.7)).collect();
        let a = (0..domains).map(|_| random.between(0.5, 2.0)).collect();
        Self { c, g, a, floor: random.between(1.0, 1.5) }
    }

    /// All training domains alike.
    fn equal(domains: usize) -> Self {
        let all = |value: f64| vec![value; domains];
        Self { c: all(0.6), g: all(0.5), a: all(1.0), floor: 1.2 }
    }

    /// Mean of the amplitudes under the mixture.
    fn mix(&self, h: &[f64]) -> f64 {
        self.c.iter().zip(h).map(|(c, h)| c * h).sum()
    }

    fn inverse_sum(&self, h: &[f64]) -> f64 {
        let part = |j: usize| self.c[j] * h[j].powf(self.g[j]);
        1.0 / (0..h.len()).map(part).sum::<f64>()
    }

    /// A sum of shifted powers of amounts in units of the equal share.
    fn powers(&self, h: &[f64], scale: f64, amplitude: impl Fn(usize) -> f64) -> f64 {
        let m = h.len() as f64;
        let part = |j: usize| amplitude(j) * (self.a[j] + m * h[j] * scale).powf(-2.0 * self.g[j]);
        (0..h.len()).map(part).sum()
    }
}

impl LawWorld {
    /// A world of a law that is fitted to mixtures alone; the joint scale law has three tokens and three sizes.
    pub fn new(law: LawName, domains: usize, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let validation = if law == LawName::Bimix { domains } else { 2 };
        let targets = (0..validation).map(|v| Target::new(&mut random, v, domains)).collect();
        Self::of_targets(law, domains, targets)
    }

    /// A world in which every training domain is as good as any other: the uniform mixture is the optimum.
    pub fn equal(law: LawName, domains: usize) -> Self {
        let validation = if law == LawName::Bimix { domains } else { 2 };
        Self::of_targets(law, domains, (0..validation).map(|_| Target::equal(domains)).collect())
    }

    fn of_targets(law: LawName, domains: usize, targets: Vec<Target>) -> Self {
        let of = move |v: usize, t: &Target, h: &[f64], tokens: f64, size: f64| match law {
            LawName::Exponential | LawName::Trees => t.floor + (0.5 - 2.0 * t.mix(h)).exp(),
            LawName::LogLinear => (1.5 - 1.5 * t.mix(h)).exp(),
            LawName::Linear => 4.0 - t.mix(h),
            LawName::InverseSum => t.floor + t.inverse_sum(h),
            LawName::InverseSumJoint => {
                let by_size = (60.0 * t.mix(h)).powf(0.9) / size.powf(0.3);
                let by_tokens = (900.0 * (2.0 - t.mix(h))).powf(1.1) / tokens.powf(0.4);
                t.floor + t.inverse_sum(h) + by_size + by_tokens
            }
            LawName::Bimix => (t.floor + t.c[0]) / h[v].powf(0.1 * t.g[v]),
            LawName::Additive => t.floor + t.powers(h, 1.0, |j| t.c[j] / (domains as f64).sqrt()),
            LawName::Ddo => {
                let uniform = vec![1.0 / domains as f64; domains];
                let change = t.powers(h, 1.0, |_| 1.0) - t.powers(&uniform, 1.0, |_| 1.0);
                3.0 * (1.0 + change)
            }
        };
        let losses = move |h: &[f64], tokens: f64, size: f64| {
            targets.iter().enumerate().map(|(v, t)| of(v, t, h, tokens, size)).collect()
        };
        let joint = law == LawName::InverseSumJoint;
        let scales = |list: &[f64]| if joint { list.to_vec() } else { Vec::new() };
        Self {
            law,
            domains,
            losses: Box::new(losses),
            tokens: scales(&[1e8, 1e9, 1e10]),
            sizes: scales(&[1e6, 1e7, 1e8]),
        }
    }

    /// The mean over validation domains.
    pub fn mean(&self, h: &[f64]) -> f64 {
        let last = |list: &[f64]| list.last().copied().unwrap_or(1.0);
        let losses = (self.losses)(h, last(&self.tokens), last(&self.sizes));
        losses.iter().sum::<f64>() / losses.len() as f64
    }
}

impl LawWorld {
    /// Names of the validation domains: BiMix needs those of the training domains.
    pub fn validation(&self) -> Vec<String> {
        match self.law {
            LawName::Bimix => crate::world::names("d", self.domains),
            _ => crate::world::names("v", 2),
        }
    }

    /// Parameters of one validation domain's law.
    pub fn parameters(&self) -> usize {
        let m = self.domains;
        match self.law {
            LawName::Additive => 3 * m + 1,
            LawName::InverseSum | LawName::Ddo => 2 * m + 1,
            LawName::InverseSumJoint => 4 * m + 5,
            _ => m + 2,
        }
    }
}

/// The least value over mixtures within bounds by exchanges between pairs of domains: exact for smooth convex functions.
pub fn least(value: impl Fn(&[f64]) -> f64, floor: &[f64], cap: &[f64]) -> (f64, Vec<f64>) {
    let m = floor.len();
    let mut h: Vec<f64> = floor.to_vec();
    let mut rest = 1.0 - h.iter().sum::<f64>();
    let room: f64 = cap.iter().zip(&h).map(|(c, h)| c - h).sum();
    let share = rest / room;
    for (h, cap) in h.iter_mut().zip(cap) {
        *h += (cap - *h) * share;
    }
    rest = value(&h);
    for _ in 0..400 {
        for i in 0..m {
            for j in 0..i {
                exchange(&value, &mut h, [i, j], floor, cap);
            }
        }
        let now = value(&h);
        if rest - now <= 1e-13 * now.abs() {
            break;
        }
        rest = now;
    }
    (value(&h), h)
}

/// The best exchange between two domains, by golden section.
fn exchange(
    value: impl Fn(&[f64]) -> f64,
    h: &mut [f64],
    [i, j]: [usize; 2],
    floor: &[f64],
    cap: &[f64],
) {
    const SHARE: f64 = 0.618_033_988_749_894_8;
    let sum = h[i] + h[j];
    let mut low = floor[i].max(sum - cap[j]);
    let mut high = cap[i].min(sum - floor[j]);
    let mut of = |x: f64| {
        (h[i], h[j]) = (x, sum - x);
        value(h)
    };
    let (first, last) = (low, high);
    while high - low > 1e-9 {
        let (left, right) = (high - SHARE * (high - low), low + SHARE * (high - low));
        if of(left) < of(right) { high = right } else { low = left }
    }
    let middle = f64::midpoint(low, high);
    let best = [first, last, middle].into_iter().min_by(|p, q| of(*p).total_cmp(&of(*q)));
    of(best.unwrap_or(middle));
}

//! Laws of data mixtures: fits, optima and their uncertainty, DDO, AutoScale and equal-perplexity comparisons, in pure `f64`.
//!
//! This crate does no IO, reads no clock and draws no unseeded number; it does not know where
//! losses come from or how a mixture is trained. The same input gives the same bits whatever the
//! number of cores, because what runs in parallel is collected in order.
//!
//! [`mixing`] takes tables of named domains under any law. In [`ddo`] and [`autoscale`] domains are
//! positions, [`Domain`]; their errors and notes speak of `domain 3` until the caller names them
//! ([`FitError::with_names`], [`ddo::DdoFit::in_words`]).
//!
//! | what | formula | where | source |
//! |---|---|---|---|
//! | DDO's law | `y(x) = (x + a)^-b + c`, `x = n_j / n_j(base)`, `y = L / L0` | [`power_law`] | AutoScale, Algorithm 1 |
//! | law's slope | `y'(x) = -b (x + a)^-(b+1)` | [`power_law::PowerLaw::slope`] | |
//! | surrogate | `L(n) = L0 (1 + sum_j [y_j(x_j) - y_j(1)])` | [`ddo`] | AutoScale, section 3 |
//! | optimum | `x_j(l) = clamp((b_j / (l n0_j))^(1/(b_j+1)) - a_j, lo_j, hi_j)`, `sum_j n0_j x_j = N` | [`water_filling`] | stationarity of the surrogate |
//! | AutoScale, stepping | `N3_j = N2_j^2 / N1_j` | [`autoscale`] | AutoScale, Algorithm 2 |
//! | AutoScale, continuous | `N_j(t) = N1_j (N2_j / N1_j)^t`, `sum_j N_j(t) = target` | [`autoscale`] | AutoScale, Theorem 1 |
//! | shifted law | the same with `M_j = N0_j + N_j`, `N0_j = a_j n0_j` | [`autoscale`] | stationarity of DDO's law |
//! | laws of mixtures and scales | see [`mixing::LawName::formula`] | [`mixing`] | [`mixing::LawName::source`] |
//! | steps saved | `1 - steps_ours / steps_baseline` at equal perplexity | [`curves`] | AutoScale, section 5 |
//! | perplexity | `exp(mean token cross-entropy)` | [`curves`] | |
#![forbid(unsafe_code)]
#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test fails by panicking"))]

pub mod autoscale;
pub mod curves;
pub mod ddo;
mod error;
pub mod mixing;
mod numeric;
pub mod power_law;
mod random;
pub mod water_filling;

pub use error::{Domain, FitError};

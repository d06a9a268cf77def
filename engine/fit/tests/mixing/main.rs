//! Laws against worlds of known truth, published numbers and each other. One binary, so that it links once.

mod coverage;
mod optimum;
mod published;
mod recover;
mod refusals;
mod same_bits;
mod truth;
mod uncertainty;
mod world;
mod worlds;

//! `fit --table` and `predict --table`, driven as users do: published numbers, a table whose truth is
//! known, Remark 1, and tables that must be refused with the place of what is wrong.

mod documented;
mod losses;
mod mixtures;
mod optima;
mod place;
mod refused;
mod regmix;
mod scales;

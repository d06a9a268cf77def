//! `fit --table` and `predict --table`, driven as users do: published numbers, a table whose truth is
//! known, Remark 1, and tables that must be refused with the place of what is wrong.

mod losses;
mod optima;
mod place;

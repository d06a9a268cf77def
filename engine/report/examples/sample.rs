//! Prints the page of a made-up study: `cargo run --example sample > report.html`.
//! With `table` or `markdown` as its argument it prints those instead.

#![expect(clippy::print_stdout, reason = "an example's whole point")]

#[path = "../tests/made_up/mod.rs"]
mod made_up;

fn main() {
    let study = made_up::realistic();
    match std::env::args().nth(1).as_deref() {
        Some("table") => print!("{}", mixmake_report::table(&study, 80, true)),
        Some("markdown") => print!("{}", mixmake_report::markdown(&study)),
        Some("many") => print!("{}", mixmake_report::html(&made_up::many_domains(30))),
        Some("worse") => print!("{}", mixmake_report::html(&made_up::not_better())),
        _ => print!("{}", mixmake_report::html(&study)),
    }
}

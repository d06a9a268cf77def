//! `docs/cli.md`, made from the definition of the command line; a test holds the page to it.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, Command, CommandFactory};

use super::Cli;

const HEAD: &str = "# Command line\n\n\
    Made from the definition in `engine/pipeline/src/cli.rs`; `mixmake VERB --help` says the same, \
    `mixmake man DIR` writes it as manual pages, and `mixmake completions SHELL` prints a script with \
    which the shell completes verbs, flags and targets.\n";

fn page() -> String {
    let mut command = Cli::command();
    command.build();
    let mut page = HEAD.to_owned();
    let _ = write!(page, "\n## Flags of every verb\n\n");
    table(&mut page, command.get_arguments().filter(|argument| argument.is_global_set()));
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        if verb.get_name() != "help" {
            section(&mut page, verb);
        }
    }
    page
}

fn section(page: &mut String, verb: &Command) {
    let usage = verb.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ");
    let about = verb.get_about().map(ToString::to_string).unwrap_or_default();
    let _ = write!(page, "\n## {}\n\n{about}.\n\n```\n{usage}\n```\n", verb.get_name());
    let own: Vec<_> = verb
        .get_arguments()
        .filter(|argument| !argument.is_global_set() && argument.get_id() != "help")
        .collect();
    if !own.is_empty() {
        page.push('\n');
        table(page, own.into_iter());
    }
}

fn table<'a>(page: &mut String, arguments: impl Iterator<Item = &'a Arg>) {
    page.push_str("| argument | what it does |\n|---|---|\n");
    for argument in arguments {
        let _ = writeln!(page, "| {} | {} |", name(argument), help(argument).replace('|', "\\|"));
    }
}

fn name(argument: &Arg) -> String {
    let value = argument.get_value_names().map(|names| names.join(" "));
    let value = value.filter(|_| argument.get_action().takes_values());
    let with_value = |flag: String| match &value {
        Some(value) => format!("`{flag} {value}`"),
        None => format!("`{flag}`"),
    };
    let long = argument.get_long().map(|long| with_value(format!("--{long}")));
    let short = argument.get_short().map(|short| format!("`-{short}`"));
    let flags: Vec<_> = short.into_iter().chain(long).collect();
    let text = if flags.is_empty() {
        format!("`{}`", value.unwrap_or_default())
    } else {
        flags.join(", ")
    };
    text.replace('|', "\\|")
}

fn help(argument: &Arg) -> String {
    let mut text = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let values: Vec<_> = argument.get_possible_values();
    let values: Vec<_> = values.iter().map(|value| format!("`{}`", value.get_name())).collect();
    if argument.get_action().takes_values() && !values.is_empty() {
        let _ = write!(text, ": {}", values.join(", "));
    }
    let defaults: Vec<_> =
        argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if argument.get_action().takes_values() && !defaults.is_empty() {
        let _ = write!(text, "; `{}` unless given", defaults.join(" "));
    }
    if let Some(variable) = argument.get_env() {
        let _ = write!(text, "; also `{}`", variable.to_string_lossy());
    }
    text
}

#[test]
fn the_page_is_that_of_the_definition() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    let page = page();
    if std::env::var_os("MIXMAKE_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("written");
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(there, page, "docs/cli.md is old: run this test with MIXMAKE_WRITE_DOCS=1");
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

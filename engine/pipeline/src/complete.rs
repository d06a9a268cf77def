//! What a shell offers when somebody presses Tab: flags from the command line's definition, targets from
//! the manifest that the words typed so far name. Says nothing where there is no manifest.

use std::ffi::{OsStr, OsString};

use clap::CommandFactory;
use clap_complete::engine::CompletionCandidate;
use clap_complete::env::{CompleteEnv, Shells};

use crate::cli::{Cli, Global, Shell};
use crate::remote::{Mode, Remotes};
use crate::stage::{Environment, stage};

/// Set by the script that a shell sources, to the shell's name.
const VARIABLE: &str = "MIXMAKE_COMPLETE";

/// Answers the shell and ends, where it is a shell that asks.
pub fn answer() {
    CompleteEnv::with_factory(Cli::command).var(VARIABLE).complete();
}

/// The script to source; it asks this very program.
pub fn script(shell: Shell) -> std::io::Result<String> {
    let shells = Shells::builtins();
    let name = match shell {
        Shell::Bash => "bash",
        Shell::Zsh => "zsh",
        Shell::Fish => "fish",
    };
    let completer = shells.completer(name).ok_or_else(|| std::io::Error::other("unknown shell"))?;
    let program = std::env::current_exe()?;
    let mut script = Vec::new();
    let program = program.to_string_lossy();
    completer.write_registration(VARIABLE, "mixmake", "mixmake", &program, &mut script)?;
    Ok(String::from_utf8_lossy(&script).into_owned())
}

/// Targets that start as `current` does.
pub fn targets(current: &OsStr) -> Vec<CompletionCandidate> {
    // The words of the command line that is being typed come after the first `--`.
    let typed = std::env::args_os().skip_while(|word| word != "--").skip(1);
    let known = names(&global(typed)).unwrap_or_default();
    let start = current.to_string_lossy();
    let fits = known.into_iter().filter(|name| name.starts_with(&*start));
    fits.map(CompletionCandidate::new).collect()
}

fn names(global: &Global) -> Option<Vec<String>> {
    if let Some(folder) = &global.directory {
        std::env::set_current_dir(folder).ok()?;
    }
    let manifest = mixmake_manifest::load(&global.manifest, &global.overrides).ok()?;
    let gpus = crate::workspace::gpu_count();
    // Nobody waits for a server between two key strokes.
    let remotes = Remotes::of(&manifest, Mode::Pinned).ok()?;
    let graph = stage(&manifest, Environment { gpus }, &remotes).ok()?.graph;
    Some(graph.ids().map(|id| graph.action(id).target.clone()).collect())
}

/// The flags that say which manifest is meant, of a command line that need not be whole.
fn global(typed: impl Iterator<Item = OsString>) -> Global {
    let mut global = Global {
        manifest: "mixmake.toml".into(),
        directory: None,
        store: None,
        overrides: Vec::new(),
        offline: true,
        json: false,
        quiet: true,
        verbose: 0,
    };
    let words: Vec<_> = typed.map(|word| word.to_string_lossy().into_owned()).collect();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag, Some(value.to_owned())),
            _ => (word.as_str(), None),
        };
        let takes_value = ["-m", "--manifest", "-C", "--directory", "--set"].contains(&flag);
        if !takes_value {
            continue;
        }
        let Some(value) = value.or_else(|| words.next().cloned()) else { break };
        match flag {
            "-C" | "--directory" => global.directory = Some(value.into()),
            "--set" => global.overrides.push(value),
            _ => global.manifest = value.into(),
        }
    }
    global
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_is_found_in_an_unfinished_command_line() {
        let check = |typed: &str, manifest: &str, directory: Option<&str>| {
            let found = global(typed.split(' ').map(OsString::from));
            assert_eq!(found.manifest.to_str(), Some(manifest), "{typed}");
            assert_eq!(found.directory.as_deref().and_then(|path| path.to_str()), directory);
        };
        check("mixmake why tr", "mixmake.toml", None);
        check("mixmake -m demo.toml why tr", "demo.toml", None);
        check("mixmake --manifest=a/b.toml -C x why", "a/b.toml", Some("x"));
        check("mixmake why -m", "mixmake.toml", None);
    }
}

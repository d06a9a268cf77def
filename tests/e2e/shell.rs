//! What shells and manuals get from the definition of the command line.

use std::fs;
use std::process::Command;

use crate::harness::Workspace;
use crate::study;

/// Sources the script in a real bash and asks as its readline would.
fn bash_offers(workspace: &Workspace, words: &[&str]) -> Vec<String> {
    let script = workspace.mixmake(&["completions", "bash"]).expect(0).stdout;
    workspace.write("completions.bash", script);
    let typed: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
    let ask = format!(
        "source ./completions.bash; COMP_WORDS=(mixmake {}); COMP_CWORD={}; COMP_TYPE=9; \
         _clap_complete_mixmake mixmake '{}' ''; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        typed.join(" "),
        words.len(),
        words.last().copied().unwrap_or_default()
    );
    let mut command = Command::new("bash");
    command.args(["--noprofile", "--norc", "-c", &ask]).current_dir(&workspace.folder);
    let output = command.output().expect("bash");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    let offers = String::from_utf8(output.stdout).expect("UTF-8");
    offers.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

#[test]
fn bash_completes_verbs_flags_and_targets() {
    let workspace = study::fresh();
    let verbs = bash_offers(&workspace, &["st"]);
    assert_eq!(verbs, ["status"]);
    let flags = bash_offers(&workspace, &["run", "--lo"]);
    assert_eq!(flags, ["--locked"]);
    let targets = bash_offers(&workspace, &["why", "train/"]);
    assert_eq!(targets, ["train/uniform", "train/predicted"].map(String::from));
    let formats = bash_offers(&workspace, &["graph", "--format", "s"]);
    assert_eq!(formats, ["svg"]);

    // Of the manifest that the words name, and of none where there is none.
    workspace.write(
        "other.toml",
        study::MANIFEST
            .replace("train.uniform", "train.even")
            .replace("[\"predicted\", \"uniform\"]", "[\"predicted\", \"even\"]")
            .replace("baseline = \"uniform\"", "baseline = \"even\""),
    );
    let targets = bash_offers(&workspace, &["-m", "other.toml", "why", "train/e"]);
    assert_eq!(targets, ["train/even"]);
    assert!(bash_offers(&workspace, &["-m", "none.toml", "why", "train/"]).is_empty());
}

#[test]
fn every_shell_has_a_script() {
    let workspace = Workspace::new();
    for (shell, word) in [("bash", "complete "), ("zsh", "compdef"), ("fish", "complete ")] {
        let script = workspace.mixmake(&["completions", shell]).expect(0).stdout;
        assert!(script.contains(word) && script.contains("MIXMAKE_COMPLETE"), "{script}");
    }
    workspace.mixmake(&["completions", "tcsh"]).expect(2).says(&["bash, zsh, fish"]);
}

#[test]
fn the_manual_has_a_page_a_verb() {
    let workspace = Workspace::new();
    workspace.mixmake(&["man", "pages"]).expect(0);
    let page = workspace.read("pages/mixmake-run.1");
    assert!(page.contains("keep\\-going") && page.contains("Bring targets up to date"), "{page}");
    let main = workspace.read("pages/mixmake.1");
    assert!(main.contains("mixmake\\-why") && !main.contains("mixmake\\-exec"), "{main}");
    assert!(!workspace.path("pages/mixmake-exec.1").exists());
    let pages = fs::read_dir(workspace.path("pages")).expect("listed").count();
    assert!(pages >= 19, "{pages} pages");

    // As a reader sees it, where there is `man`.
    let path = workspace.path("pages/mixmake-run.1");
    let mut command = Command::new("man");
    command.arg("-l").arg(&path).env("MANPAGER", "cat").env("MANWIDTH", "80");
    let Ok(output) = command.output() else { return eprintln!("skipped: there is no `man` here") };
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() || text.trim().is_empty() {
        return eprintln!("skipped: `man` shows nothing here");
    }
    assert!(text.contains("--keep-going") && text.contains("SYNOPSIS"), "{text}");
}

//! Whole trainings of tiny models: they learn, repeat to the bit, resume to the bit, and fail clearly.

use mixmake_train::{
    Architecture, EvalRow, HeldOut, ModelConfig, Network, Options, Padding, Precision, Progress,
    Recompute, Schedule, Sequences, TrainConfig, TrainError, TrainFiles, TrainReport, WarmUp,
    train,
};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

fn config(architecture: Architecture) -> TrainConfig {
    let bert = architecture == Architecture::Bert;
    TrainConfig {
        model: ModelConfig {
            architecture,
            vocabulary: 32,
            context: 16,
            layers: 2,
            hidden: 16,
            heads: 2,
            dropout: 0.0,
        },
        learning_rate: 3e-3,
        schedule: Schedule::Linear,
        decay: None,
        warm_up: WarmUp::Fraction(0.1),
        warm_up_from_zero: true,
        weight_decay: 0.01,
        clip: 1.0,
        batch_sequences: 8,
        precision: Precision::Auto,
        threads: 1,
        seed: 1,
        evaluations: 3,
        evaluate_at_steps: vec![],
        evaluate_at_tokens: vec![],
        padding: Padding::Packed,
        masking: if bert { 0.3 } else { 0.0 },
        mask_token: bert.then_some(1),
        pad_token: bert.then_some(0),
        special_tokens: vec![],
    }
}

/// Sequences that count upwards by `stride`: a model can learn them. Lengths differ.
fn counting(count: usize, stride: i64, first: i64) -> Vec<Vec<i64>> {
    let row = |index: i64| {
        (0..16 - index % 3).map(|i| 2 + (first + index * 7 + i * stride) % 30).collect()
    };
    (0..count as i64).map(row).collect()
}

struct Outcome {
    report: Result<TrainReport, TrainError>,
    model: Option<Vec<u8>>,
    steps: Vec<u64>,
}

/// Runs in `folder`, stopping after `stop_after` steps of this call.
fn run(
    config: &TrainConfig,
    data: &dyn Sequences,
    folder: &Path,
    stop_after: Option<usize>,
    every: Duration,
) -> Outcome {
    let mut steps = 0;
    let stop = |progress: &Progress| {
        steps += usize::from(matches!(progress, Progress::Stepped { .. }));
        if stop_after.is_some_and(|most| steps >= most) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    run_with(config, &Options::default(), data, folder, every, stop)
}

fn run_with(
    config: &TrainConfig,
    options: &Options,
    data: &dyn Sequences,
    folder: &Path,
    every: Duration,
    mut observer: impl FnMut(&Progress) -> ControlFlow<()>,
) -> Outcome {
    let (near, far) = (counting(20, 1, 3), counting(9, 3, 5));
    let held_out = [("near", &near), ("far", &far)]
        .map(|(domain, sequences)| HeldOut { domain: domain.into(), sequences });
    let files = TrainFiles {
        model: folder.join("model.safetensors"),
        model_config: folder.join("config.json"),
        checkpoints: Some(folder.join("checkpoints")),
        checkpoint_every: every,
    };
    let mut steps = Vec::new();
    let report = train(config, options, data, &held_out, &files, &mut |progress| {
        if let Progress::Stepped { point, .. } = progress {
            steps.push(point.step);
        }
        observer(progress)
    });
    Outcome { report, model: std::fs::read(&files.model).ok(), steps }
}

const NEVER: Duration = Duration::from_secs(1 << 40);

fn fresh(config: &TrainConfig, data: &dyn Sequences) -> Outcome {
    let folder = tempfile::tempdir().expect("temporary folder");
    run(config, data, folder.path(), None, NEVER)
}

fn report(outcome: &Outcome) -> &TrainReport {
    outcome.report.as_ref().expect("trained")
}

fn bits(rows: &[EvalRow]) -> Vec<(u64, u64, &str, u64, u64)> {
    rows.iter()
        .map(|r| (r.step, r.tokens, r.domain.as_str(), r.loss.to_bits(), r.tokens_evaluated))
        .collect()
}

fn assert_same(a: &Outcome, b: &Outcome) {
    assert_eq!(bits(&report(a).rows), bits(&report(b).rows));
    assert_eq!(report(a), report(b));
    assert!(a.model.is_some() && a.model == b.model, "weights differ");
}

const BOTH: [Architecture; 2] = [Architecture::Gpt2, Architecture::Bert];

#[test]
fn models_learn_what_they_see() {
    for architecture in BOTH {
        let mut config = config(architecture);
        config.learning_rate = 1e-2;
        // Where to look comes late to a small encoder.
        let sequences = if architecture == Architecture::Gpt2 { 1200 } else { 6000 };
        let outcome = fresh(&config, &counting(sequences, 1, 0));
        let report = report(&outcome);
        let steps = sequences as u64 / 8;
        assert_eq!((report.steps, report.curve.len() as u64), (steps, steps));
        let row = |step: u64, domain: &str| {
            report
                .rows
                .iter()
                .find(|r| r.step == step && r.domain == domain)
                .expect("evaluated")
                .clone()
        };
        assert_eq!(report.rows.len(), 6);
        let (start, end) = (report.curve[0].loss, row(steps, "near").loss);
        assert!((start - 32_f64.ln()).abs() < 0.1, "{architecture:?} starts at {start}");
        assert!(end < 0.6 * start, "{architecture:?} ends at {end}");
        assert!(row(steps, "far").loss > 1.5 * end, "{:?}", report.rows);
        assert_eq!(row(steps, "near").tokens, report.tokens);
        assert_eq!(report.tokens, (0..sequences as u64).map(|i| 16 - i % 3).sum::<u64>());
    }
}

#[test]
fn the_last_batch_may_be_short_and_steps_cover_all_data_once() {
    let data = counting(20, 1, 0);
    let outcome = fresh(&config(Architecture::Gpt2), &data);
    let tokens: Vec<u64> = report(&outcome).curve.iter().map(|point| point.tokens).collect();
    let seen = |count: usize| data[..count].iter().map(|row| row.len() as u64).sum::<u64>();
    assert_eq!(tokens, [seen(8), seen(16), seen(20)]);
}

#[test]
fn the_same_run_gives_the_same_bits_and_another_seed_does_not() {
    for architecture in BOTH {
        let mut config = config(architecture);
        config.model.dropout = 0.1;
        let data = counting(80, 1, 0);
        let first = fresh(&config, &data);
        assert_same(&first, &fresh(&config, &data));
        config.seed = 2;
        assert_ne!(first.model, fresh(&config, &data).model);
    }
}

#[test]
fn an_interrupted_run_resumes_to_the_same_bits() {
    for architecture in BOTH {
        let mut config = config(architecture);
        config.model.dropout = 0.1;
        let data = counting(80, 1, 0);
        let undisturbed = fresh(&config, &data);
        for stop_after in [1, 4, 7] {
            let folder = tempfile::tempdir().expect("temporary folder");
            let stopped = run(&config, &data, folder.path(), Some(stop_after), NEVER);
            let error = stopped.report.expect_err("stopped");
            assert!(
                matches!(error, TrainError::Interrupted { step } if step == stop_after as u64),
                "{error}"
            );
            let resumed = run(&config, &data, folder.path(), None, NEVER);
            assert_eq!(
                resumed.steps.first(),
                Some(&(stop_after as u64 + 1)),
                "went on where it stopped"
            );
            assert_same(&undisturbed, &resumed);
            assert!(
                !folder.path().join("checkpoints/checkpoint.safetensors").exists(),
                "left behind"
            );
        }
    }
}

/// Whatever instant a run is killed at, what lies on disk is a whole checkpoint: each one that a run
/// leaves behind, written while the run goes on, continues to the bits of the undisturbed run.
#[test]
fn every_checkpoint_continues_to_the_same_bits() {
    for architecture in BOTH {
        let mut config = config(architecture);
        config.model.dropout = 0.1;
        let data = counting(80, 1, 0);
        let undisturbed = fresh(&config, &data);
        let folder = tempfile::tempdir().expect("temporary folder");
        let kept = |step: u64| folder.path().join(step.to_string()).join("checkpoints");
        let mut saved = vec![];
        let options = Options::default();
        let watched =
            run_with(&config, &options, &data, folder.path(), Duration::ZERO, |progress| {
                if let Progress::Saved { step } = progress {
                    std::fs::create_dir_all(kept(*step)).expect("writable");
                    let name = "checkpoint.safetensors";
                    let from = folder.path().join("checkpoints").join(name);
                    std::fs::copy(from, kept(*step).join(name)).expect("whole");
                    saved.push(*step);
                }
                // Time for the thread that writes; a run this small is over before its first file.
                std::thread::sleep(Duration::from_millis(20));
                ControlFlow::Continue(())
            });
        assert_same(&undisturbed, &watched);
        assert!(!saved.is_empty());
        for step in saved {
            let folder = kept(step);
            let folder = folder.parent().expect("made above");
            let resumed = run(&config, &data, folder, None, NEVER);
            // The file may already be the next one's.
            assert!(resumed.steps.first().is_some_and(|&first| first > step));
            assert_same(&undisturbed, &resumed);
        }
    }
}

/// Held-out losses of two runs that differ in rounding alone.
fn assert_close(a: &Outcome, b: &Outcome, tolerance: f64) {
    assert_eq!(report(a).rows.len(), report(b).rows.len());
    for (x, y) in report(a).rows.iter().zip(&report(b).rows) {
        assert_eq!((x.tokens, x.tokens_evaluated), (y.tokens, y.tokens_evaluated));
        assert!((x.loss / y.loss - 1.0).abs() < tolerance, "{x:?} {y:?}");
    }
}

fn with_options(config: &TrainConfig, options: &Options) -> Outcome {
    let folder = tempfile::tempdir().expect("temporary folder");
    let go = |_: &Progress| ControlFlow::Continue(());
    run_with(config, options, &counting(80, 1, 0), folder.path(), NEVER, go)
}

#[test]
fn the_size_of_passes_and_recomputation_change_no_result() {
    for architecture in BOTH {
        let mut config = config(architecture);
        config.model.dropout = 0.1;
        let passes = |tokens, recompute| {
            with_options(
                &config,
                &Options { micro_batch: Some(tokens), recompute, ..Options::default() },
            )
        };
        let whole = passes(1 << 20, Recompute::Never);
        for tokens in [1, 40, 64] {
            assert_close(&whole, &passes(tokens, Recompute::Never), 1e-4);
        }
        let mut again = passes(1 << 20, Recompute::Always);
        assert!(again.report.as_ref().is_ok_and(|report| report.recompute));
        again.report.as_mut().expect("trained").recompute = false;
        assert_same(&whole, &again);
    }
}

#[test]
fn padding_changes_no_result() {
    for architecture in BOTH {
        let mut config = config(architecture);
        let packed = with_options(&config, &Options::default());
        for padding in [Padding::Longest, Padding::Context] {
            config.padding = padding;
            let padded = with_options(&config, &Options::default());
            assert_close(&packed, &padded, 1e-5);
        }
    }
}

#[test]
fn losses_are_measured_at_chosen_steps_and_counts_of_tokens() {
    let mut config = config(Architecture::Gpt2);
    (config.schedule, config.decay) = (Schedule::Wsd, Some(0.2));
    (config.evaluations, config.evaluate_at_steps) = (1, vec![2]);
    config.evaluate_at_tokens = vec![600];
    let outcome = fresh(&config, &counting(80, 1, 0));
    let near = report(&outcome).rows.iter().filter(|row| row.domain == "near");
    let found: Vec<(u64, u64)> = near.map(|row| (row.step, row.tokens)).collect();
    assert_eq!(found, [(2, 241), (5, 601), (10, 1201)]);
}

#[test]
fn checkpoints_of_another_run_or_damaged_ones_are_not_used() {
    let (config, data) = (config(Architecture::Gpt2), counting(80, 1, 0));
    let undisturbed = fresh(&config, &data);
    let checkpoint = |folder: &Path| folder.join("checkpoints/checkpoint.safetensors");
    let stop = |config: &TrainConfig, folder: &Path| {
        drop(run(config, &data, folder, Some(4), Duration::ZERO))
    };
    let restart = |folder: &Path| {
        let outcome = run(&config, &data, folder, None, Duration::ZERO);
        assert_eq!(outcome.steps.first(), Some(&1));
        assert_same(&undisturbed, &outcome);
    };

    let folder = tempfile::tempdir().expect("temporary folder");
    let mut other = config.clone();
    other.learning_rate *= 2.0;
    stop(&other, folder.path());
    assert!(checkpoint(folder.path()).exists());
    restart(folder.path());

    stop(&config, folder.path());
    let whole = std::fs::read(checkpoint(folder.path())).expect("written");
    std::fs::write(checkpoint(folder.path()), &whole[..whole.len() / 2]).expect("writable");
    restart(folder.path());
}

#[test]
fn evaluation_hardly_depends_on_batch_size() {
    let network = Network::new(&config(Architecture::Gpt2).model, None, 3).expect("small");
    let data = counting(33, 2, 1);
    let (whole, tokens) = network.evaluate(&data, 33 * 16).expect("valid");
    assert_eq!(tokens, data.iter().map(|row| row.len() as u64 - 1).sum::<u64>());
    for rows in [1, 2, 5, 16] {
        let (loss, same_tokens) = network.evaluate(&data, rows * 16).expect("valid");
        assert_eq!(same_tokens, tokens);
        assert!((loss / whole - 1.0).abs() < 1e-6, "{rows}: {loss} for {whole}");
    }
}

#[test]
fn failures_say_what_to_do() {
    let check = |change: fn(&mut TrainConfig), data: Vec<Vec<i64>>, expected: &str| {
        let mut config = config(Architecture::Gpt2);
        change(&mut config);
        let message = fresh(&config, &data).report.expect_err(expected).to_string();
        assert!(message.contains(expected), "{message}");
    };
    let diverge = |config: &mut TrainConfig| {
        config.learning_rate = 1e30;
        config.warm_up = WarmUp::Steps(0);
    };
    check(diverge, counting(80, 1, 0), "training diverged; lower `learning-rate`");
    check(|_| (), vec![], "training set has no sequences");
    check(|_| (), vec![vec![5]; 8], "no token to predict");
    check(|_| (), vec![vec![5, 32]; 8], "`vocabulary` is 32");
    check(|_| (), vec![vec![5; 17]; 8], "`context` is 16");
    check(|c| c.threads = 0, counting(8, 1, 0), "`threads`");
    check(
        |c| (c.model.hidden, c.model.layers) = (1 << 17, 1 << 12),
        counting(8, 1, 0),
        "this training needs about",
    );
    check(|c| c.model.hidden = 1 << 30, counting(8, 1, 0), "`hidden`");
}

/// bf16 products with fp32 masters follow fp32 closely; on a CPU this is slow but the same code as on a GPU.
#[test]
fn bf16_follows_fp32() {
    let mut config = config(Architecture::Gpt2);
    let data = counting(160, 1, 0);
    let full = fresh(&config, &data);
    config.precision = Precision::Bf16;
    let half = fresh(&config, &data);
    assert_eq!(report(&half).numerics.precision, Precision::Bf16);
    for (a, b) in report(&full).rows.iter().zip(&report(&half).rows) {
        assert!((a.loss / b.loss - 1.0).abs() < 0.02, "{a:?} {b:?}");
    }
    assert_ne!(full.model, half.model);
}

/// A `wsd` run of 20 steps with branches at two counts of tokens.
fn with_branches(architecture: Architecture, data: &[Vec<i64>]) -> TrainConfig {
    let tokens = |steps: usize| data[..8 * steps].iter().map(|row| row.len() as u64).sum::<u64>();
    TrainConfig {
        schedule: Schedule::Wsd,
        decay: Some(0.25),
        warm_up: WarmUp::Steps(2),
        evaluations: 1,
        // A little less, since steps differ in their tokens.
        evaluate_at_tokens: vec![tokens(8) - 8, tokens(12) - 8],
        ..config(architecture)
    }
}

/// (step, domain, bits of the loss) of the decayed rows, or of the others.
fn losses(report: &TrainReport, decayed: bool) -> Vec<(u64, &str, u64)> {
    let rows = report.rows.iter().filter(|row| row.decayed == decayed);
    rows.map(|row| (row.step, row.domain.as_str(), row.loss.to_bits())).collect()
}

#[test]
fn a_branch_is_the_shorter_run_to_the_bit_and_leaves_the_longer_one_alone() {
    for architecture in BOTH {
        let data = counting(160, 1, 0);
        let mut config = with_branches(architecture, &data);
        config.model.dropout = 0.1;
        let outcome = fresh(&config, &data);
        let trunk = report(&outcome);
        let plain = TrainConfig { evaluate_at_tokens: vec![], ..config.clone() };
        let undisturbed = fresh(&plain, &data);
        assert_eq!(outcome.model, undisturbed.model);
        assert_eq!(losses(trunk, false), losses(report(&undisturbed), false));
        assert_eq!(trunk.curve, report(&undisturbed).curve);
        let decayed = losses(trunk, true);
        let steps: Vec<u64> = decayed.iter().map(|row| row.0).collect();
        assert_eq!(steps, [8, 8, 12, 12], "{architecture:?}");
        for steps in [8, 12] {
            let shorter = fresh(&plain, &data[..8 * steps].to_vec());
            let alone = losses(report(&shorter), false);
            let branch: Vec<_> =
                decayed.iter().filter(|row| row.0 == steps as u64).copied().collect();
            assert_eq!(branch, alone, "{architecture:?}");
        }
    }
}

#[test]
fn a_run_stopped_in_a_branch_resumes_to_the_same_bits() {
    let data = counting(160, 1, 0);
    let config = with_branches(Architecture::Gpt2, &data);
    let undisturbed = fresh(&config, &data);
    for stop_at in 0..5 {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut left = stop_at;
        let stopped =
            run_with(&config, &Options::default(), &data, folder.path(), NEVER, |progress| {
                match progress {
                    Progress::Decaying { .. } if left == 0 => ControlFlow::Break(()),
                    Progress::Decaying { .. } => {
                        left -= 1;
                        ControlFlow::Continue(())
                    }
                    _ => ControlFlow::Continue(()),
                }
            });
        let error = stopped.report.expect_err("stopped");
        let step = if stop_at < 2 { 6 } else { 9 };
        assert!(matches!(error, TrainError::Interrupted { step: at } if at == step), "{error}");
        let resumed = run(&config, &data, folder.path(), None, NEVER);
        assert_same(&resumed, &undisturbed);
    }
}

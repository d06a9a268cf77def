//! Sees every event of a run: shows it, records it, and says how the run began and ended, which no
//! single pass of the scheduler knows.

use std::time::Instant;

use mixmake_core::event::Event;
use mixmake_core::plan::Plan;
use mixmake_core::scheduler::RunOptions;

use crate::cli::Global;
use crate::command::plan::estimate;
use crate::history::Recorder;
use crate::ui::{self, Display};
use crate::workspace::Workspace;

pub struct Observer {
    display: Box<dyn Display>,
    recorder: Option<Recorder>,
    started: Instant,
    pending: usize,
    up_to_date: usize,
    ran: usize,
    cut_off: usize,
    failed: usize,
}

impl Observer {
    /// Tells the start of the run that `plan` foresees. A run with nothing to do is not recorded: the
    /// last ones that did something are of more interest.
    pub fn start(
        workspace: &Workspace,
        plan: &Plan,
        options: &RunOptions,
        global: &Global,
    ) -> Self {
        let pending = plan.pending().len();
        let actions = estimate::needed(plan);
        let (expected_seconds, without_price) = plan.total_price();
        let mut observer = Self {
            display: ui::display(global),
            recorder: (pending > 0).then(|| Recorder::start(workspace.memory.folder())).flatten(),
            started: Instant::now(),
            pending,
            up_to_date: actions - pending,
            ran: 0,
            cut_off: 0,
            failed: 0,
        };
        observer.see(&Event::RunStarted {
            actions,
            pending,
            expected_seconds,
            expected_clock_seconds: estimate::clock(
                &workspace.staged.graph,
                &plan.pending(),
                &plan.prices,
                options,
            ),
            without_price,
            jobs: options.jobs,
        });
        observer
    }

    pub fn see(&mut self, event: &Event) {
        match event {
            Event::ActionFinished { .. } => self.ran += 1,
            Event::ActionCutOff { .. } => self.cut_off += 1,
            Event::ActionFailed { .. } => self.failed += 1,
            _ => {}
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.write(event);
        }
        self.display.show(event);
    }

    /// Tells the end, whatever it was.
    pub fn finish(&mut self, interrupted: bool) {
        let ended = self.ran + self.cut_off + self.failed;
        self.see(&Event::RunFinished {
            ran: self.ran,
            cut_off: self.cut_off,
            up_to_date: self.up_to_date,
            failed: self.failed,
            not_run: self.pending.saturating_sub(ended),
            interrupted,
            seconds: self.started.elapsed().as_secs_f64(),
        });
    }
}

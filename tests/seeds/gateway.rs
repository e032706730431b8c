//! A running gateway that the tests of one document share. Each test takes a turn, and the last turn of a run stops the gateway:
//! so nothing is left, however few tests are selected.

use crate::envoy::programs;
use modgud_testbed::{Setup, Testbed};
use std::any::Any;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::runtime::{Builder, Runtime};

/// What lives as long as the gateway: servers that its configuration names, and folders.
pub(super) type Belongings = Vec<Box<dyn Any + Send>>;

/// The gateway of a document. It starts when the first test needs it.
pub(super) struct Gateway {
    /// The module of its tests, as libtest writes it: `seeds::exercise::`.
    tests: &'static str,
    prepare: fn(&Runtime) -> (Setup, Belongings),
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The number of turns that ended.
    ended: usize,
    /// True once a start began. A gateway that did not start is not tried again: each attempt may take a minute.
    started: bool,
    running: Option<Running>,
}

/// Fields drop in order: processes end before the runtime that reads their output.
struct Running {
    testbed: Arc<Testbed>,
    belongings: Belongings,
    runtime: Runtime,
}

impl Gateway {
    pub(super) const fn new(tests: &'static str, prepare: fn(&Runtime) -> (Setup, Belongings)) -> Self {
        Self { tests, prepare, state: Mutex::new(State { ended: 0, started: false, running: None }) }
    }

    /// Runs a test behind the gateway.
    pub(super) fn test(&'static self, test: impl AsyncFnOnce(&Testbed)) {
        let turn = Turn(self);
        let testbed = turn.0.testbed();
        runtime().block_on(test(&testbed));
    }

    /// Runs a test that needs no gateway.
    pub(super) fn test_without(&'static self, test: impl AsyncFnOnce()) {
        let _turn = Turn(self);
        runtime().block_on(test());
    }

    fn testbed(&self) -> Arc<Testbed> {
        let mut state = self.state();
        assert!(!state.started || state.running.is_some(), "the gateway did not start, as the first failed test shows");
        state.started = true;
        let running = state.running.get_or_insert_with(|| {
            let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
            let (setup, belongings) = (self.prepare)(&runtime);
            let started = runtime.block_on(Testbed::start(&programs(), &setup, |_| {}));
            let testbed = Arc::new(started.unwrap_or_else(|error| panic!("no gateway: {error}")));
            Running { testbed, belongings, runtime }
        });
        Arc::clone(&running.testbed)
    }

    /// A test may panic while the gateway starts, and poison the lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of its tests in this run.
    fn selected(&self) -> usize {
        selected().iter().filter(|test| test.starts_with(self.tests)).count()
    }
}

/// The turn of one test.
struct Turn(&'static Gateway);

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.ended += 1;
        if state.ended < self.0.selected() {
            return;
        }
        if let Some(Running { testbed, belongings, runtime }) = state.running.take() {
            // Every other turn has ended, so this is the only one that holds it.
            if let Ok(testbed) = Arc::try_unwrap(testbed) {
                runtime.block_on(testbed.stop());
            }
            drop(belongings);
        }
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// The names of the tests in this run: what this program lists for its own arguments.
pub(super) fn selected() -> &'static [String] {
    static SELECTED: OnceLock<Vec<String>> = OnceLock::new();
    SELECTED.get_or_init(|| listed(std::env::args().skip(1)))
}

/// The names of the tests that this program lists for these arguments.
pub(super) fn listed(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let output = command.args(arguments).arg("--list").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let tests: Vec<String> = text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect();
    assert!(!tests.is_empty(), "the tests can't be listed: {text}{}", String::from_utf8_lossy(&output.stderr));
    tests
}

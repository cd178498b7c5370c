//! Ctrl-C and SIGTERM while a training runs. It knows no training.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::SigId;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::low_level::unregister;

/// Watches for a wish to end, as long as it lives. The first one is noted; a second one ends the process as ever. Before and
/// afterwards both signals do what they do by default.
pub struct Interrupt {
    came: Arc<AtomicBool>,
    registered: Vec<SigId>,
}

/// Which signals are watched for: those that the program handles in no way of its own. A handler can not be taken back
/// (signal-hook), so there is one for good that does what the system would do while no training watches.
struct Handled {
    signals: Vec<i32>,
    idle: Arc<AtomicBool>,
    watches: AtomicUsize,
}

fn handled() -> &'static Handled {
    static HANDLED: OnceLock<Handled> = OnceLock::new();
    HANDLED.get_or_init(|| {
        let idle = Arc::new(AtomicBool::new(false));
        let wanted = [SIGINT, SIGTERM].into_iter().filter(|&signal| is_default(signal));
        let signals = wanted.filter(|&signal| flag::register_conditional_default(signal, idle.clone()).is_ok());
        Handled { signals: signals.collect(), idle, watches: AtomicUsize::new(0) }
    })
}

/// Whether the program neither catches nor ignores a signal; so it seems where the system does not tell.
fn is_default(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let has = |what: &str| {
        let mask = status.lines().find_map(|line| line.strip_prefix(what));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
            .is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
    };
    !has("SigCgt:") && !has("SigIgn:")
}

impl Interrupt {
    /// Begins to watch; nothing where the program handles both signals itself.
    pub fn watch() -> Option<Interrupt> {
        let handled = handled();
        let came = Arc::new(AtomicBool::new(false));
        let mut interrupt = Interrupt { came: came.clone(), registered: Vec::new() };
        handled.watches.fetch_add(1, Ordering::SeqCst);
        for &signal in &handled.signals {
            // In this order: what the flag says is looked at before it is set.
            let ends = flag::register_conditional_default(signal, came.clone());
            let sets = flag::register(signal, came.clone());
            interrupt.registered.extend([ends, sets].into_iter().flatten());
        }
        handled.idle.store(false, Ordering::SeqCst);
        (!interrupt.registered.is_empty()).then_some(interrupt)
    }

    /// Whether a signal came.
    pub fn came(&self) -> bool {
        self.came.load(Ordering::Relaxed)
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        let handled = handled();
        if handled.watches.fetch_sub(1, Ordering::SeqCst) == 1 {
            handled.idle.store(true, Ordering::SeqCst);
        }
        self.registered.drain(..).for_each(|registered| _ = unregister(registered));
    }
}

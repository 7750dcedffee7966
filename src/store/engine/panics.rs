//! Engines panic on some kinds of damage that they meet. Such a panic is an error of the store, with what it says as
//! the reason; it is not reported as a panic of ours besides.

use std::{
    any::Any,
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook},
    sync::{
        Once,
        atomic::{AtomicUsize, Ordering},
    },
};

thread_local! {
    static QUIET_HERE: Cell<bool> = const { Cell::new(false) };
}

/// How many are quiet on all threads: an engine that opens has threads of its own.
static QUIET_EVERYWHERE: AtomicUsize = AtomicUsize::new(0);

static HOOK: Once = Once::new();

/// Runs this with panics caught and unreported.
///
/// # Errors
/// What the panic said.
pub fn quietly<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    HOOK.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            let here = QUIET_HERE.try_with(Cell::get).unwrap_or(false);
            if !here && QUIET_EVERYWHERE.load(Ordering::Acquire) == 0 {
                before(panic);
            }
        }));
    });
    let outer = QUIET_HERE.replace(true);
    let done = catch_unwind(AssertUnwindSafe(run));
    QUIET_HERE.set(outer);
    done.map_err(|panic| reason(&*panic))
}

/// The same, and quiet on the threads that it has as well.
///
/// # Errors
/// What the panic of this thread said.
pub fn quietly_on_all_threads<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    QUIET_EVERYWHERE.fetch_add(1, Ordering::AcqRel);
    let done = quietly(run);
    QUIET_EVERYWHERE.fetch_sub(1, Ordering::AcqRel);
    done
}

fn reason(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given").to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[test]
    fn a_panic_inside_is_told_to_nobody_and_one_outside_as_before() {
        static TOLD: AtomicU32 = AtomicU32::new(0);
        set_hook(Box::new(|_| {
            TOLD.fetch_add(1, Ordering::SeqCst);
        }));
        assert_eq!(quietly(|| panic!("inside")), Err::<(), _>("inside".to_owned()));
        assert_eq!(quietly(|| quietly(|| panic!("{}", 7))), Ok(Err::<(), _>("7".to_owned())));
        let elsewhere = || std::thread::spawn(|| panic!("on a thread of its own")).join().is_err();
        assert_eq!(quietly_on_all_threads(elsewhere), Ok(true));
        assert_eq!(TOLD.load(Ordering::SeqCst), 0);
        assert!(catch_unwind(|| panic!("outside")).is_err());
        assert_eq!(quietly(elsewhere), Ok(true));
        assert_eq!(TOLD.load(Ordering::SeqCst), 2);
    }
}

//! A panic inside an engine, made an error. Engines panic on some kinds of damage that they meet in their files; what
//! such a panic says goes into the error, and it is not reported as a panic of ours besides.

use std::{
    any::Any,
    cell::Cell,
    fmt,
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook},
    sync::Once,
};

thread_local! {
    /// Whether this thread is inside an engine.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// What an engine's panic said, in one line, as errors are: a failed assertion says it in several.
#[derive(Debug)]
pub struct EnginePanic(Box<dyn Any + Send>);

impl fmt::Display for EnginePanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| self.0.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
        let words: Vec<&str> = text.split_whitespace().collect();
        f.write_str(&words.join(" "))
    }
}

/// Runs a call of an engine.
pub fn quietly<T>(call: impl FnOnce() -> T) -> Result<T, EnginePanic> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| set_hook(unless_quiet(take_hook())));
    let outside = QUIET.replace(true);
    let done = catch_unwind(AssertUnwindSafe(call));
    QUIET.set(outside);
    done.map_err(EnginePanic)
}

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

/// The hook, for panics outside of engines alone.
fn unless_quiet(hook: Hook) -> Hook {
    Box::new(move |panic| {
        if !QUIET.get() {
            hook(panic);
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn a_panic_inside_is_told_to_nobody_and_one_outside_as_before() {
        static TOLD: AtomicU32 = AtomicU32::new(0);
        let before = take_hook();
        set_hook(unless_quiet(Box::new(|_| {
            TOLD.fetch_add(1, Ordering::SeqCst);
        })));
        assert_eq!(
            quietly(|| panic!("in{}", "side")).map_err(|panic| panic.to_string()),
            Err::<(), _>("inside".into())
        );
        let several_lines = quietly(|| assert_eq!(1, 2)).map_err(|panic| panic.to_string());
        assert_eq!(several_lines, Err("assertion `left == right` failed left: 1 right: 2".into()));
        assert_eq!(TOLD.load(Ordering::SeqCst), 0);
        assert!(catch_unwind(|| panic!("outside")).is_err());
        set_hook(before);
        assert_eq!(TOLD.load(Ordering::SeqCst), 1);
    }
}

//! A panic is a line of the log, once, in the log's own form: without this it would be several lines beside it.

use crate::text::without_secrets;
use std::backtrace::{Backtrace, BacktraceStatus};
use tracing::{Level, dispatcher, subscriber::NoSubscriber};

/// From now on a thread that panics says so in the log. Where there is no log it is told as before.
///
/// What a panic says may be any value's `Debug`: secrets have one that shows nothing (`provisioner_api::Secret`), and logins
/// are taken out of URLs.
pub fn log_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let listens = dispatcher::get_default(|log| !log.is::<NoSubscriber>());
        if !listens || !tracing::enabled!(Level::ERROR) {
            return before(panic);
        }
        let said = without_secrets(panic.payload_as_str().unwrap_or("a value that is no text"));
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        // Taken only when RUST_BACKTRACE asks for it.
        let trace = Backtrace::capture();
        let trace = (trace.status() == BacktraceStatus::Captured).then(|| trace.to_string());
        tracing::error!(panic = said, place, thread, trace, "a thread panicked: this is a bug");
    }));
}

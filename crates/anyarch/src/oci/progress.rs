//! What people see while they wait: bars of what is measured, and a line for what is not.

use crate::ui;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// A bar of bytes; silent with `--quiet` and where stderr is no terminal.
pub(crate) fn bytes(name: &str, total: u64) -> ProgressBar {
    let target = if ui::quiet() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
    let style = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(Some(total), target).with_style(style);
    bar.set_message(ui::plain(name).into_owned());
    bar
}

/// A line about what takes longer than a second, on a terminal only; it goes when this is dropped.
/// No thread is left then, so that namespaces can be made.
pub(crate) struct Waiting(Option<(Sender<()>, JoinHandle<()>)>);

impl Waiting {
    /// Begins to wait.
    pub(crate) fn begin(what: &str) -> Waiting {
        if ui::quiet() || !std::io::stderr().is_terminal() {
            return Waiting(None);
        }
        let what = ui::plain(what).into_owned();
        let (end, ended) = channel();
        let lasts = move |time| ended.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
        let thread = std::thread::spawn(move || {
            if !lasts(Duration::from_secs(1)) {
                return;
            }
            let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style);
            bar.set_message(what);
            bar.tick();
            while lasts(Duration::from_millis(200)) {
                bar.tick();
            }
            bar.finish_and_clear();
        });
        Waiting(Some((end, thread)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.0.take() {
            drop(end);
            // It can only have ended.
            let _ = thread.join();
        }
    }
}

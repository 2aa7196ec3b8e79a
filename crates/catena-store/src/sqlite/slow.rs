//! Warnings of a slow disk. Everything waits for the writer's commit, so a person should hear of it without having
//! asked for a log.

use std::{
    path::Path,
    time::{Duration, Instant},
};

/// A commit that takes longer is worth a word: a healthy disk needs a few milliseconds.
const SLOW: Duration = Duration::from_secs(1);
/// One word in so much time is enough.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Slow commits as they come.
#[derive(Debug, Default)]
pub(super) struct Slow {
    warned_at: Option<Instant>,
    /// Slow ones that nothing was said about.
    unsaid: u64,
}

impl Slow {
    /// Looks at a commit that began at `began`, and warns if it is time for that.
    pub(super) fn look(&mut self, began: Instant, took: Duration, store: &Path) {
        let Some(unsaid) = self.judge(began, took) else { return };
        let (took, store) = (took.as_secs_f64(), store.display());
        let more = if unsaid > 0 {
            format!(", {unsaid} more were slow since the last warning")
        } else {
            String::new()
        };
        tracing::warn!(
            target: crate::SLOW_COMMITS,
            "the disk is slow: a commit took {took:.1} s ({store}{more})"
        );
    }

    /// How many slow commits went unsaid before this one, if a word is due.
    fn judge(&mut self, began: Instant, took: Duration) -> Option<u64> {
        if took < SLOW {
            return None;
        }
        if self.warned_at.is_some_and(|at| began + took < at + WARN_EVERY) {
            self.unsaid += 1;
            return None;
        }
        self.warned_at = Some(began + took);
        Some(std::mem::take(&mut self.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_warning_a_minute_says_how_many_were_slow() {
        let start = Instant::now();
        let mut slow = Slow::default();
        let mut check = |at_s: u64, took_ms: u64, warning: Option<u64>| {
            let began = start + Duration::from_secs(at_s);
            assert_eq!(slow.judge(began, Duration::from_millis(took_ms)), warning, "{at_s} s, {took_ms} ms");
        };
        check(0, 999, None);
        check(1, 1_000, Some(0));
        check(5, 30_000, None);
        check(40, 1_500, None);
        check(61, 900, None);
        check(61, 1_000, Some(2));
        check(300, 2_000, Some(0));
    }
}

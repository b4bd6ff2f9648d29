//! When an agent that nobody uses locks itself.

use std::{cell::Cell, time::Duration};

/// How long an agent waits by default.
pub(crate) const DEFAULT_MINUTES: u32 = 15;

/// The longest that can be chosen: one day.
pub(crate) const MAX_MINUTES: u32 = 24 * 60;

/// Counts from the last use, on a clock that goes on while the machine sleeps.
pub(super) struct IdleTimer {
    limit: Cell<Duration>,
    last_use: Cell<Duration>,
}

impl IdleTimer {
    /// `now`: time since boot.
    pub(super) fn new(minutes: u32, now: Duration) -> Self {
        Self { limit: Cell::new(limit(minutes)), last_use: Cell::new(now) }
    }

    /// Somebody used the agent.
    pub(super) fn touch(&self, now: Duration) {
        self.last_use.set(now);
    }

    /// Sets how many minutes to wait, 1 to [`MAX_MINUTES`].
    pub(super) fn set_minutes(&self, minutes: u32) {
        self.limit.set(limit(minutes));
    }

    /// How long until it locks; zero when it is due.
    pub(super) fn remaining(&self, now: Duration) -> Duration {
        (self.last_use.get() + self.limit.get()).saturating_sub(now)
    }
}

fn limit(minutes: u32) -> Duration {
    Duration::from_secs(u64::from(minutes.clamp(1, MAX_MINUTES)) * 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_after_the_limit_and_not_before() {
        let minute = |minutes: u64| Duration::from_secs(minutes * 60);
        let timer = IdleTimer::new(15, minute(100));
        assert_eq!(timer.remaining(minute(114)), minute(1));
        assert_eq!(timer.remaining(minute(115)), Duration::ZERO);
        timer.touch(minute(114));
        assert_eq!(timer.remaining(minute(115)), minute(14));
        timer.set_minutes(2);
        assert_eq!(timer.remaining(minute(200)), Duration::ZERO, "a long sleep");
        timer.set_minutes(0);
        assert_eq!(timer.remaining(minute(114)), minute(1), "never at once");
    }
}

//! One counter: failures that are forgiven one after the other, and delays that grow with them.

use serde::{Deserialize, Serialize};

/// No counter remembers a failure for longer, in ms: a week.
pub(crate) const LONGEST_MS: u64 = 7 * 24 * 3_600_000;

/// How often something may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Failures without any delay. Tries that run at the same time count as failures meanwhile.
    pub free: u64,
    /// After so long one failure is forgiven, in ms.
    pub forgive_ms: u64,
    /// The delay behind the first failure that is not free, in ms; each further one doubles it.
    pub first_delay_ms: u64,
    /// No delay is longer, in ms.
    pub longest_delay_ms: u64,
    /// No more failures are remembered.
    pub most: u64,
}

/// What is remembered of one counter. Without a failure it need not be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counter {
    /// When all failures are forgiven, in ms since 1970.
    pub forgiven_ms: u64,
    /// When the next try is looked at, in ms since 1970.
    pub next_ms: u64,
}

impl Limit {
    /// The delay behind so many failures, in ms.
    pub fn delay_ms(&self, failures: u64) -> u64 {
        let doublings = match failures.checked_sub(self.free + 1) {
            None => return 0,
            Some(doublings) => u32::try_from(doublings).unwrap_or(u32::MAX),
        };
        let grown = 1_u64.checked_shl(doublings).and_then(|factor| self.first_delay_ms.checked_mul(factor));
        grown.unwrap_or(u64::MAX).min(self.longest_delay_ms)
    }
}

impl Counter {
    /// Whether there are failures that are not forgiven.
    pub const fn has_failed(&self, now_ms: u64) -> bool {
        self.forgiven_ms > now_ms
    }

    /// How long until the next try is looked at, in ms. A time further ahead than any that is ever set was set by a clock that
    /// was wrong.
    pub const fn wait_ms(&self, limit: &Limit, now_ms: u64) -> u64 {
        let wait_ms = self.next_ms.saturating_sub(now_ms);
        if wait_ms > limit.longest_delay_ms { 0 } else { wait_ms }
    }

    /// With one failure more.
    pub(super) fn charge(&self, limit: &Limit, now_ms: u64) -> Charge {
        let latest_ms = now_ms + limit.most * limit.forgive_ms;
        let owed_ms = self.forgiven_ms.clamp(now_ms, latest_ms);
        let forgiven_ms = (owed_ms + limit.forgive_ms).min(latest_ms);
        let failures = (forgiven_ms - now_ms).div_ceil(limit.forgive_ms);
        // Who waited for a lock has an older idea of now than who had it: a free try must not put itself ahead of that.
        let next_ms = match limit.delay_ms(failures) {
            0 => self.next_ms.min(now_ms),
            delay_ms => now_ms + delay_ms,
        };
        let after = Self { forgiven_ms, next_ms };
        Charge { after, added_ms: forgiven_ms - owed_ms }
    }

    /// With one failure less. A delay that somebody else's failure has set since stays.
    pub(super) fn give_back(&self, charge: &Charge, now_ms: u64) -> Self {
        let is_newest = self.next_ms == charge.after.next_ms;
        Self {
            forgiven_ms: self.forgiven_ms.saturating_sub(charge.added_ms),
            next_ms: if is_newest { self.next_ms.min(now_ms) } else { self.next_ms },
        }
    }
}

/// What one try has made of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Charge {
    pub(super) after: Counter,
    /// As much and no more is given back: where no more failures are remembered, a success must not forgive any.
    pub(super) added_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: u64 = 1_800_000_000_000;
    const LIMIT: Limit =
        Limit { free: 3, forgive_ms: 60_000, first_delay_ms: 10_000, longest_delay_ms: 45_000, most: 5 };

    #[test]
    fn delays_grow_to_the_longest_and_no_further() {
        let delays = (0..8).map(|failures| LIMIT.delay_ms(failures)).collect::<Vec<_>>();
        assert_eq!(delays, [0, 0, 0, 0, 10_000, 20_000, 40_000, 45_000]);
        assert_eq!(LIMIT.delay_ms(u64::MAX), 45_000);
    }

    #[test]
    fn free_tries_at_once_keep_nobody_waiting_whichever_is_noted_first() {
        let counter = (0..3).fold(Counter::default(), |counter: Counter, number| {
            let now_ms = NOW_MS - number;
            assert_eq!(counter.wait_ms(&LIMIT, now_ms), 0, "{number}");
            counter.charge(&LIMIT, now_ms).after
        });
        assert!(counter.has_failed(NOW_MS));
    }

    fn failed(times: u32, now_ms: u64) -> Counter {
        (0..times).fold(Counter::default(), |counter, _| counter.charge(&LIMIT, now_ms).after)
    }

    #[test]
    fn failures_are_forgiven_one_by_one_and_not_too_many_are_remembered() {
        let counter = failed(100, NOW_MS);
        assert_eq!(counter.forgiven_ms, NOW_MS + 5 * 60_000);
        let later = counter.charge(&LIMIT, NOW_MS + 3 * 60_000).after;
        let now_ms = NOW_MS + 3 * 60_000;
        assert_eq!(later.wait_ms(&LIMIT, now_ms), 0, "two are left, and the third is free");
        assert!(counter.has_failed(NOW_MS + 5 * 60_000 - 1) && !counter.has_failed(NOW_MS + 5 * 60_000));
    }

    #[test]
    fn what_is_given_back_leaves_no_trace() {
        for times in [0, 2, 3, 4, 5, 100] {
            let failed = failed(times, NOW_MS);
            let now_ms = NOW_MS + failed.wait_ms(&LIMIT, NOW_MS);
            let charge = failed.charge(&LIMIT, now_ms);
            let back = charge.after.give_back(&charge, now_ms + 5);
            assert_eq!(back.forgiven_ms, failed.forgiven_ms.max(now_ms), "{times}");
            assert_eq!(back.wait_ms(&LIMIT, now_ms + 5), 0);
        }
    }

    #[test]
    fn a_success_does_not_take_the_delay_of_another_failure_away() {
        let mine = failed(2, NOW_MS).charge(&LIMIT, NOW_MS);
        let theirs = mine.after.charge(&LIMIT, NOW_MS + 1).after;
        let back = theirs.give_back(&mine, NOW_MS + 2);
        assert_eq!(back.wait_ms(&LIMIT, NOW_MS + 2), theirs.wait_ms(&LIMIT, NOW_MS + 2));
    }

    #[test]
    fn a_clock_that_was_wrong_locks_nobody_out() {
        let ahead = failed(4, NOW_MS + LONGEST_MS);
        assert_eq!(ahead.wait_ms(&LIMIT, NOW_MS), 0);
        assert!(ahead.charge(&LIMIT, NOW_MS).after.forgiven_ms <= NOW_MS + 5 * 60_000);
    }
}

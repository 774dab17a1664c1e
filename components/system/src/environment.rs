//! Time, randomness and waiting of the platform.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secure_log::log::Environment;
use secure_log::types::MAX_INT;

/// The first wait, in microseconds: about one synced append of the writer that won.
const FIRST_PAUSE: u64 = 1_000;
/// Waits double this often at most: 64 ms, so that 16 lost races take below a second.
const DOUBLINGS: u32 = 6;

/// The platform's own clock and source of randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEnvironment;

impl Environment for SystemEnvironment {
    /// A clock before 1970 reads 0: the log clamps it to the entry before.
    fn now(&mut self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_micros()).map_or(MAX_INT, |micros| micros.min(MAX_INT))
    }

    fn random(&mut self, bytes: &mut [u8]) -> Result<(), String> {
        getrandom::fill(bytes).map_err(|error| format!("no randomness: {error}"))
    }

    fn pause(&mut self, attempt: u32) {
        let mut random = [0; 8];
        // Without randomness the wait is the longest of its range.
        let jitter = self.random(&mut random).map_or(u64::MAX, |()| u64::from_le_bytes(random));
        thread::sleep(pause_before(attempt, jitter));
    }
}

/// Between half and all of 1, 2, 4 .. 64 ms, as `jitter` says.
fn pause_before(attempt: u32, jitter: u64) -> Duration {
    let longest = FIRST_PAUSE << attempt.saturating_sub(1).min(DOUBLINGS);
    let half = longest / 2;
    Duration::from_micros(half + jitter % (half + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_counts_microseconds_since_1970() {
        let now = SystemEnvironment.now();
        let year_2020 = 1_577_836_800_000_000;
        assert!(now > year_2020 && now < 10 * year_2020, "{now}");
    }

    #[test]
    fn randomness_does_not_repeat() {
        let draw = || {
            let mut bytes = [0; 16];
            SystemEnvironment.random(&mut bytes).map(|()| bytes)
        };
        assert_ne!(draw(), draw());
    }

    #[test]
    fn sixteen_lost_races_wait_between_a_third_of_a_second_and_a_second_in_all() {
        let total = |jitter| (1..=16).map(|attempt| pause_before(attempt, jitter)).sum::<Duration>();
        assert_eq!(total(0), Duration::from_micros(351_500));
        assert!((0..10_000).map(total).max() <= Some(Duration::from_micros(703_000)));
        assert!(pause_before(u32::MAX, u64::MAX) <= Duration::from_millis(64));
    }
}

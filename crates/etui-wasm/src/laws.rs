//! Laws that hold for every case, on cases drawn from a seed: small enough to run wherever the core runs. A law that
//! does not hold panics. Natively the core's own suites go much further.

mod codes;
mod convergence;
mod merging;
mod passwords;
mod records;

use etui_crypto::RandomSource as _;

use crate::kit::{self, Random};

/// Runs all laws; the cases follow from the seed alone. One line on what was run.
pub(crate) fn run(seed: u32, rounds: u32) -> String {
    let mut random = Random::new(seed.into());
    codes::hold();
    passwords::hold(&mut random);
    for _ in 0..rounds {
        records::hold(&mut random);
        merging::hold(&mut random);
        convergence::holds(&mut random);
    }
    format!("{rounds} rounds of records, merges and two devices; one-time and master passwords")
}

/// One of the numbers below `end`, which is at most 256.
fn pick(random: &mut Random, end: usize) -> usize {
    let mut byte = [0];
    random.fill(&mut byte);
    usize::from(byte[0]) * end / 256
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_laws_hold_natively_too() {
        super::run(1, 3);
    }
}

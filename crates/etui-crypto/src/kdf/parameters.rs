//! Which key derivation is strong enough, and which is too much: decided here, by no server.

use core::time::Duration;

use etui_chain::{KdfDescriptor, Refusal, Refused};

/// The three costs of Argon2id (RFC 9106).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KdfParameters {
    /// Memory in KiB.
    pub m_kib: u32,
    /// Passes over it.
    pub t: u32,
    /// Lanes.
    pub p: u32,
}

impl KdfParameters {
    /// The least that is ever accepted, and the default.
    pub const FLOOR: Self = Self { m_kib: 64 << 10, t: 3, p: 4 };
    /// The most that is ever accepted.
    pub const CEILING: Self = Self { m_kib: 1 << 20, t: 16, p: 8 };
    /// Above this much memory a device without a pin asks the person first.
    pub const ASK_ABOVE_M_KIB: u32 = 256 << 10;

    /// The descriptor of a new derivation with these costs.
    pub const fn describe(self, salt: [u8; 32], sk_used: bool) -> KdfDescriptor {
        KdfDescriptor { salt, m_kib: self.m_kib, t: self.t, p: self.p, sk_used }
    }

    /// The costs that a descriptor names.
    pub const fn of(descriptor: &KdfDescriptor) -> Self {
        Self { m_kib: descriptor.m_kib, t: descriptor.t, p: descriptor.p }
    }

    /// Costs that take about a second where [`Self::FLOOR`] took this long. Memory first, which is what a guesser pays
    /// for, up to what no other device has to be asked about; then passes.
    pub fn for_about_a_second(floor_took: Duration) -> Self {
        let floor_ms = u32::try_from(floor_took.as_millis()).unwrap_or(u32::MAX).max(1);
        // Time grows with memory times passes.
        let affordable = (1000 / floor_ms).max(1);
        let more_memory = affordable.min(Self::ASK_ABOVE_M_KIB / Self::FLOOR.m_kib);
        let passes = Self::FLOOR.t * 1000 / floor_ms / more_memory;
        Self {
            m_kib: Self::FLOOR.m_kib * more_memory,
            t: passes.clamp(Self::FLOOR.t, Self::CEILING.t),
            p: Self::FLOOR.p,
        }
    }

    /// Each cost alone the higher of the two: none ever falls.
    #[must_use]
    pub fn at_least(self, least: Self) -> Self {
        Self { m_kib: self.m_kib.max(least.m_kib), t: self.t.max(least.t), p: self.p.max(least.p) }
    }

    /// Whether each cost, alone, is at least that of `least`.
    const fn reach(&self, least: &Self) -> bool {
        self.m_kib >= least.m_kib && self.t >= least.t && self.p >= least.p
    }
}

/// Proof that a descriptor is within bounds and not below the pin: [`derive_master_key`](crate::derive_master_key)
/// takes nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedKdf {
    descriptor: KdfDescriptor,
    pinned: bool,
}

impl CheckedKdf {
    /// Checks a descriptor before anything is derived or allocated: floor, ceiling, then what this device has pinned.
    ///
    /// # Errors
    /// `kdf_floor`, `kdf_ceiling`; `kdf_pin` if a cost falls, or the second secret would no longer be used.
    pub const fn new(descriptor: KdfDescriptor, pinned: Option<&KdfDescriptor>) -> Result<Self, Refused> {
        let parameters = KdfParameters::of(&descriptor);
        if !parameters.reach(&KdfParameters::FLOOR) {
            return Err(Refusal::KdfFloor.because("a key derivation weaker than is ever accepted"));
        }
        if !KdfParameters::CEILING.reach(&parameters) {
            return Err(Refusal::KdfCeiling.because("a key derivation costlier than is ever accepted"));
        }
        if let Some(pinned) = pinned
            && (!parameters.reach(&KdfParameters::of(pinned)) || (pinned.sk_used && !descriptor.sk_used))
        {
            return Err(Refusal::KdfPin.because("a key derivation weaker than the one this device knows"));
        }
        Ok(Self { descriptor, pinned: pinned.is_some() })
    }

    /// Whether the person has to agree first: much memory, and nothing but a server's word for it.
    pub const fn asks_person(&self) -> bool {
        !self.pinned && self.descriptor.m_kib > KdfParameters::ASK_ABOVE_M_KIB
    }

    /// The descriptor that was checked.
    pub const fn descriptor(&self) -> &KdfDescriptor {
        &self.descriptor
    }

    /// Its costs.
    pub const fn parameters(&self) -> KdfParameters {
        KdfParameters::of(&self.descriptor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULT: KdfDescriptor = KdfParameters::FLOOR.describe([1; 32], true);

    fn refusal(offered: KdfDescriptor, pinned: Option<KdfDescriptor>) -> Option<Refusal> {
        CheckedKdf::new(offered, pinned.as_ref()).err().map(|refused| refused.refusal)
    }

    #[test]
    fn each_cost_is_held_to_floor_and_ceiling_alone() {
        for below in [
            KdfDescriptor { m_kib: 65_535, t: 16, p: 8, ..DEFAULT },
            KdfDescriptor { t: 2, m_kib: 1 << 20, p: 8, ..DEFAULT },
            KdfDescriptor { p: 3, m_kib: 1 << 20, t: 16, ..DEFAULT },
            KdfDescriptor { p: 0, ..DEFAULT },
            KdfDescriptor { m_kib: 8, t: 1, ..DEFAULT },
        ] {
            assert_eq!(refusal(below, None), Some(Refusal::KdfFloor), "{below:?}");
        }
        for above in [
            KdfDescriptor { m_kib: (1 << 20) + 1, ..DEFAULT },
            KdfDescriptor { m_kib: u32::MAX, ..DEFAULT },
            KdfDescriptor { t: 17, ..DEFAULT },
            KdfDescriptor { t: u32::MAX, ..DEFAULT },
            KdfDescriptor { p: 9, ..DEFAULT },
        ] {
            assert_eq!(refusal(above, None), Some(Refusal::KdfCeiling), "{above:?}");
        }
        assert_eq!(refusal(DEFAULT, None), None);
        assert_eq!(refusal(KdfParameters::CEILING.describe([0; 32], false), None), None);
    }

    #[test]
    fn floor_comes_before_ceiling_before_pin() {
        let pinned = KdfDescriptor { m_kib: 128 << 10, t: 4, p: 5, ..DEFAULT };
        let below_and_above = KdfDescriptor { m_kib: 8, t: 17, ..DEFAULT };
        assert_eq!(refusal(below_and_above, Some(pinned)), Some(Refusal::KdfFloor));
        assert_eq!(refusal(KdfDescriptor { t: 17, ..DEFAULT }, Some(pinned)), Some(Refusal::KdfCeiling));
        assert_eq!(refusal(DEFAULT, Some(pinned)), Some(Refusal::KdfPin));
    }

    #[test]
    fn nothing_pinned_falls() {
        let pinned = KdfDescriptor { m_kib: 128 << 10, t: 4, p: 5, ..DEFAULT };
        for lower in [
            KdfDescriptor { m_kib: (128 << 10) - 1, ..pinned },
            KdfDescriptor { t: 3, m_kib: 1 << 20, ..pinned },
            KdfDescriptor { p: 4, t: 16, ..pinned },
            KdfDescriptor { sk_used: false, ..pinned },
        ] {
            assert_eq!(refusal(lower, Some(pinned)), Some(Refusal::KdfPin), "{lower:?}");
        }
        let higher = KdfDescriptor { m_kib: 1 << 20, salt: [2; 32], ..pinned };
        assert_eq!(refusal(higher, Some(pinned)), None);
        assert_eq!(refusal(pinned, Some(KdfDescriptor { sk_used: false, ..pinned })), None);
    }

    #[test]
    fn calibrating_raises_memory_then_passes_and_stays_within_bounds() {
        for (floor_ms, m_mib, t) in [
            (2000, 64, 3),
            (1000, 64, 3),
            (700, 64, 4),
            (400, 128, 3),
            (200, 256, 3),
            (100, 256, 7),
            (1, 256, 16),
            (0, 256, 16),
        ] {
            let calibrated = KdfParameters::for_about_a_second(Duration::from_millis(floor_ms));
            assert_eq!(calibrated, KdfParameters { m_kib: m_mib << 10, t, p: 4 }, "{floor_ms} ms");
            let checked = CheckedKdf::new(calibrated.describe([0; 32], false), None).unwrap();
            assert!(!checked.asks_person());
        }
    }

    #[test]
    fn no_cost_falls_when_two_are_joined() {
        let (one, two) = (KdfParameters { m_kib: 9, t: 1, p: 8 }, KdfParameters { m_kib: 1, t: 9, p: 4 });
        assert_eq!(one.at_least(two), KdfParameters { m_kib: 9, t: 9, p: 8 });
    }

    #[test]
    fn much_memory_without_a_pin_asks_the_person() {
        let large = KdfDescriptor { m_kib: (256 << 10) + 1, ..DEFAULT };
        assert!(CheckedKdf::new(large, None).unwrap().asks_person());
        assert!(!CheckedKdf::new(large, Some(&large)).unwrap().asks_person());
        assert!(!CheckedKdf::new(KdfDescriptor { m_kib: 256 << 10, ..DEFAULT }, None).unwrap().asks_person());
    }
}

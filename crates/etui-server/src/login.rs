//! Login proofs are hashed again before they are stored: whoever reads the rows cannot sign in with them.

mod memory;

use std::{
    collections::HashMap,
    hint::black_box,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use argon2::{
    ARGON2ID_IDENT, Algorithm, Argon2, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use etui_api::session::LoginProof;
use etui_store::LoginHash;
use tokio::sync::Semaphore;

use memory::Memory;

use crate::telemetry::traces;

/// OWASP's minimum for Argon2id. The proof is itself the output of Argon2id, so this only has to make stored hashes
/// useless, not to slow down guessing.
const M_KIB: u32 = 19_456;
const T: u32 = 2;
const P: u32 = 1;
const SALT_BYTES: usize = 16;
const OUTPUT_BYTES: usize = 32;
/// Of one account: so nobody who can sign in to one keeps everybody else waiting.
const MAX_OF_ONE: usize = 8;
/// Requests that may wait for a turn; each holds a connection and no hashing memory.
const MAX_WAITING: usize = 256;

/// Hashes login proofs, a few at a time.
pub struct LoginHasher {
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    of_each: OfEach,
    params: Params,
    dummy: LoginHash,
    memory: Arc<Memory>,
}

/// Why a login proof was not hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    /// Too many wait already, in all or of one account.
    #[error("too many sign-ins wait for their turn")]
    Busy,
    /// The operating system gave no random bytes, no memory, or a stored hash is not one of ours.
    #[error("a login proof could not be hashed")]
    Failed,
}

/// What a comparison found.
#[derive(Debug)]
pub enum Compared {
    /// Another proof, or no account to compare with.
    Different,
    /// The right proof.
    Same,
    /// The right proof, whose hash was made with weaker parameters: store the other one in its place.
    SameButWeak {
        /// As it is stored.
        before: LoginHash,
        /// With the parameters of now.
        after: LoginHash,
    },
}

impl LoginHasher {
    /// Hashes at most `at_once` proofs at the same time, each in 19 MiB.
    ///
    /// # Errors
    /// [`LoginError::Failed`] without random bytes.
    pub fn new(at_once: usize) -> Result<Self, LoginError> {
        let params = Params::new(M_KIB, T, P, Some(OUTPUT_BYTES)).expect("constants within the ranges");
        let dummy = dummy_hash()?;
        let turns = Arc::new(Semaphore::new(at_once.max(1)));
        Ok(Self {
            turns,
            waiting: AtomicUsize::new(0),
            of_each: OfEach::default(),
            params,
            dummy,
            memory: Arc::default(),
        })
    }

    /// The PHC string to be stored; `whose` is the account's address or id, whatever names it here.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn hash(&self, whose: &str, proof: LoginProof) -> Result<LoginHash, LoginError> {
        let params = self.params.clone();
        self.in_turn(whose, move |memory| hash(memory, &params, &proof)).await
    }

    /// Compares with the stored PHC string. Without one (nobody has that e-mail address), and with one that was cheaper to make and is
    /// another's, the same work is done, so that neither answer nor time tells.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn compare(
        &self,
        whose: &str,
        proof: LoginProof,
        stored: Option<LoginHash>,
    ) -> Result<Compared, LoginError> {
        let wanted = self.params.clone();
        let phc = PasswordHash::new(stored.as_ref().unwrap_or(&self.dummy).expose());
        let phc = phc.map_err(|_| LoginError::Failed)?;
        self.in_turn(whose, move |memory| {
            let same = is_same(memory, &proof, &phc)?;
            let Some(before) = stored.filter(|_| same) else {
                make_up_for(memory, &proof, &phc, &wanted)?;
                return Ok(Compared::Different);
            };
            if is_weaker(&phc, &wanted) {
                let after = hash(memory, &wanted, &proof)?;
                return Ok(Compared::SameButWeak { before, after });
            }
            Ok(Compared::Same)
        })
        .await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        whose: &str,
        work: impl FnOnce(&Memory) -> Result<T, LoginError> + Send + 'static,
    ) -> Result<T, LoginError> {
        let _of_one = self.of_each.take(whose)?;
        let _place = Place::take(&self.waiting)?;
        traces::within(&traces::hashing(), self.take_turn(work)).await
    }

    async fn take_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Memory) -> Result<T, LoginError> + Send + 'static,
    ) -> Result<T, LoginError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| LoginError::Failed)?;
        // The turn ends with the work, not with the request: one that is dropped must not free memory still in use.
        let memory = Arc::clone(&self.memory);
        let task = tokio::task::spawn_blocking(move || {
            let result = work(&memory);
            memory.release_later();
            drop(turn);
            result
        });
        task.await.map_err(|_| LoginError::Failed)?
    }
}

struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Result<Self, LoginError> {
        let place = Self(waiting);
        if waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING { Err(LoginError::Busy) } else { Ok(place) }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many of each account wait or are hashed, as long as any do.
#[derive(Default)]
struct OfEach(Mutex<HashMap<String, usize>>);

impl OfEach {
    fn take(&self, whose: &str) -> Result<PlaceOfOne<'_>, LoginError> {
        let mut counts = self.counts();
        let count = counts.entry(whose.to_owned()).or_default();
        if *count >= MAX_OF_ONE {
            return Err(LoginError::Busy);
        }
        *count += 1;
        Ok(PlaceOfOne { of_each: self, whose: whose.to_owned() })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct PlaceOfOne<'a> {
    of_each: &'a OfEach,
    whose: String,
}

impl Drop for PlaceOfOne<'_> {
    fn drop(&mut self) {
        let mut counts = self.of_each.counts();
        if let Some(count) = counts.get_mut(&self.whose) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.whose);
            }
        }
    }
}

fn hash(memory: &Memory, params: &Params, proof: &LoginProof) -> Result<LoginHash, LoginError> {
    let mut salt = [0; SALT_BYTES];
    getrandom::fill(&mut salt).map_err(|_| LoginError::Failed)?;
    let hash = PasswordHash {
        algorithm: ARGON2ID_IDENT,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(params).map_err(|_| LoginError::Failed)?,
        salt: Some(Salt::new(&salt).map_err(|_| LoginError::Failed)?),
        hash: Some(output(memory, params, proof, &salt)?),
    };
    Ok(LoginHash::new(hash.to_string()))
}

/// Compares in constant time, with the parameters of the stored hash.
fn is_same(memory: &Memory, proof: &LoginProof, stored: &PasswordHash) -> Result<bool, LoginError> {
    let ours = stored.algorithm == ARGON2ID_IDENT && stored.version == Some(Version::V0x13.into());
    let (Some(salt), Some(expected), true) = (&stored.salt, &stored.hash, ours) else {
        return Err(LoginError::Failed);
    };
    let params = Params::try_from(stored).map_err(|_| LoginError::Failed)?;
    Ok(output(memory, &params, proof, salt)? == *expected)
}

/// Does the work that hashing with the parameters of now would have taken beyond that with the stored ones.
fn make_up_for(
    memory: &Memory,
    proof: &LoginProof,
    stored: &PasswordHash,
    wanted: &Params,
) -> Result<(), LoginError> {
    let stored = Params::try_from(stored).map_err(|_| LoginError::Failed)?;
    let Some(rest) = rest(&stored, wanted) else { return Ok(()) };
    black_box(output(memory, &rest, proof, &[0; SALT_BYTES])?);
    Ok(())
}

/// Parameters that fill as many blocks as `wanted` does beyond `stored`, in no more memory; `None` if those are none. Argon2 takes
/// as long as it fills blocks (RFC 9106, section 3.1): memory times passes.
fn rest(stored: &Params, wanted: &Params) -> Option<Params> {
    let blocks = |params: &Params| u64::from(params.m_cost()) * u64::from(params.t_cost());
    let missing = blocks(wanted).checked_sub(blocks(stored))?;
    let passes = missing.div_ceil(u64::from(wanted.m_cost())).max(1);
    let memory_kib = u32::try_from(missing / passes).ok().filter(|kib| *kib >= Params::MIN_M_COST)?;
    Params::new(memory_kib, u32::try_from(passes).ok()?, P, Some(OUTPUT_BYTES)).ok()
}

fn output(memory: &Memory, params: &Params, proof: &LoginProof, salt: &[u8]) -> Result<Output, LoginError> {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let mut bytes = [0; OUTPUT_BYTES];
    memory
        .with_blocks(params.block_count(), |blocks| {
            argon2.hash_password_into_with_memory(proof.expose(), salt, &mut bytes, blocks)
        })
        .map_err(|_| LoginError::Failed)?;
    Output::new(&bytes).map_err(|_| LoginError::Failed)
}

/// A well-formed hash of nothing: random salt and output, so that it costs no hashing at start.
fn dummy_hash() -> Result<LoginHash, LoginError> {
    let mut random = [0; SALT_BYTES + 32];
    getrandom::fill(&mut random).map_err(|_| LoginError::Failed)?;
    let [salt, output] =
        [&random[..SALT_BYTES], &random[SALT_BYTES..]].map(|bytes| data_encoding::BASE64_NOPAD.encode(bytes));
    Ok(LoginHash::new(format!("$argon2id$v=19$m={M_KIB},t={T},p={P}${salt}${output}")))
}

fn is_weaker(stored: &PasswordHash, wanted: &Params) -> bool {
    Params::try_from(stored).map_or(true, |stored| {
        stored.m_cost() < wanted.m_cost()
            || stored.t_cost() < wanted.t_cost()
            || stored.p_cost() < wanted.p_cost()
    })
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use argon2::password_hash::PasswordVerifier as _;

    use super::*;

    const ADA: &str = "ada@example.org";

    fn proof(byte: u8) -> LoginProof {
        LoginProof::new([byte; 32])
    }

    fn copy(hash: &LoginHash) -> LoginHash {
        LoginHash::new(hash.expose().to_owned())
    }

    #[tokio::test]
    async fn the_right_proof_is_the_same_and_no_other() {
        let hasher = LoginHasher::new(1).unwrap();
        let stored = hasher.hash(ADA, proof(1)).await.unwrap();
        assert!(stored.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", stored.expose());
        let phc = PasswordHash::new(stored.expose()).unwrap();
        assert!(
            Argon2::default().verify_password(&[1; 32], &phc).is_ok(),
            "any reader of PHC strings agrees"
        );
        assert!(matches!(hasher.compare(ADA, proof(1), Some(copy(&stored))).await, Ok(Compared::Same)));
        assert!(matches!(hasher.compare(ADA, proof(2), Some(copy(&stored))).await, Ok(Compared::Different)));
        assert!(matches!(hasher.compare(ADA, proof(1), None).await, Ok(Compared::Different)));
    }

    #[tokio::test]
    async fn a_weak_hash_is_replaced_when_its_owner_signs_in() {
        let hasher = LoginHasher::new(1).unwrap();
        let weak = Params::new(64, 1, 1, Some(OUTPUT_BYTES)).unwrap();
        let stored = hash(&Memory::default(), &weak, &proof(1)).unwrap();
        let Compared::SameButWeak { after: new, .. } =
            hasher.compare(ADA, proof(1), Some(copy(&stored))).await.unwrap()
        else {
            panic!("a weak hash was taken as good")
        };
        assert!(matches!(hasher.compare(ADA, proof(1), Some(new)).await, Ok(Compared::Same)));
        assert!(matches!(hasher.compare(ADA, proof(2), Some(stored)).await, Ok(Compared::Different)));
    }

    /// To within the smallest memory that Argon2 takes, and what does not divide by the passes.
    #[test]
    fn a_wrong_proof_takes_as_much_work_whatever_the_hash_was_made_with() {
        let params = |m_kib, t| Params::new(m_kib, t, P, Some(OUTPUT_BYTES)).unwrap();
        let blocks = |params: &Params| u64::from(params.m_cost()) * u64::from(params.t_cost());
        for wanted in [params(M_KIB, T), params(47_104, 1), params(65_536, 3)] {
            let mut made_up = 0;
            for stored in
                [params(64, 1), params(12_288, 3), params(9_216, 4), params(7_168, 5), params(M_KIB, 1)]
            {
                let all = blocks(&stored) + rest(&stored, &wanted).as_ref().map_or(0, blocks);
                assert!(blocks(&wanted).abs_diff(all) < 16, "{stored:?} {wanted:?}: {all}");
                made_up +=
                    usize::from(rest(&stored, &wanted).is_some_and(|rest| rest.m_cost() <= wanted.m_cost()));
            }
            assert!(made_up >= 4, "{wanted:?}");
            assert!(rest(&wanted, &wanted).is_none());
            assert!(rest(&params(M_KIB, 2 + wanted.t_cost() * 4), &wanted).is_none(), "one that was dearer");
        }
    }

    /// The shortest of a few times. A hash as cheap as this one is a six-hundredth of the work that one of now is.
    #[tokio::test]
    async fn what_was_hashed_cheaper_is_made_up_for_before_the_answer() {
        let hasher = LoginHasher::new(1).unwrap();
        let weak = Params::new(64, 1, P, Some(OUTPUT_BYTES)).unwrap();
        let weak = hash(&Memory::default(), &weak, &proof(1)).unwrap();
        let mut shortest = [Duration::MAX; 2];
        for _ in 0..5 {
            for (stored, shortest) in [None, Some(copy(&weak))].into_iter().zip(&mut shortest) {
                let began = Instant::now();
                let compared = hasher.compare(ADA, proof(2), stored).await;
                assert!(matches!(compared, Ok(Compared::Different)));
                *shortest = began.elapsed().min(*shortest);
            }
        }
        let [nobody, somebody] = shortest;
        assert!(somebody > nobody / 4, "{somebody:?} with an account, {nobody:?} without");
    }

    #[tokio::test]
    async fn beyond_the_queue_nobody_waits() {
        let hasher = LoginHasher::new(1).unwrap();
        hasher.waiting.store(MAX_WAITING, Ordering::Relaxed);
        assert!(matches!(hasher.hash(ADA, proof(1)).await, Err(LoginError::Busy)));
        assert_eq!(hasher.waiting.load(Ordering::Relaxed), MAX_WAITING, "a refused one leaves no trace");
    }

    #[tokio::test]
    async fn one_account_takes_no_more_than_its_share_of_the_queue() {
        let hasher = LoginHasher::new(1).unwrap();
        let held: Vec<_> = (0..MAX_OF_ONE).map(|_| hasher.of_each.take(ADA).unwrap()).collect();
        assert!(matches!(hasher.compare(ADA, proof(1), None).await, Err(LoginError::Busy)));
        assert!(
            hasher.hash("grace@example.org", proof(1)).await.is_ok(),
            "somebody else is not kept waiting"
        );
        drop(held);
        assert!(hasher.hash(ADA, proof(1)).await.is_ok());
        assert!(hasher.of_each.counts().is_empty(), "nothing is remembered");
    }
}

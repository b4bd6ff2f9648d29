//! Bindings of the core for WebAssembly, and nothing else.
//!
//! What is bound today is what shows that the core does in WebAssembly exactly what it does natively: the known
//! answers of `spec/vectors`, the self-test, the laws of sealing, merging and synchronising on generated cases, and the refusal
//! of published attacks.
//! There is no random source in here: whoever calls gives a seed.

use std::error::Error;

use wasm_bindgen::prelude::*;

mod attacks;
/// The account, devices and honest server that the suites of the sync engine build on: one copy, run here too.
#[expect(dead_code, reason = "the fleet of the sync engine's own suites uses more of it")]
#[path = "../../etui-sync/tests/fleet/kit.rs"]
mod kit;
mod laws;

/// Checks one file of known answers, given by name (for messages) and content. Answers with one line on what was
/// checked.
///
/// # Errors
/// Throws a sentence on the first answer that is not right.
#[wasm_bindgen]
pub fn check_vectors(name: &str, json: &str) -> Result<String, JsError> {
    match etui_crypto::vectors::check_file(name, json) {
        Ok(report) => Ok(format!("{} answers ({})", report.checked, report.format)),
        Err(error) => Err(JsError::new(&sentence(&error))),
    }
}

/// Runs every primitive once against a known answer (`etui_crypto::self_test`).
///
/// # Errors
/// Throws `self_test` if a primitive gives another answer: nothing may be written then.
#[wasm_bindgen]
pub fn self_test() -> Result<(), JsError> {
    etui_crypto::self_test().map_err(|refused| JsError::new(&sentence(&refused)))
}

/// Runs the laws of the core on cases generated from `seed`, `rounds` of each kind. Answers with one line on what was
/// run; a law that does not hold is thrown with the place where it was seen.
#[wasm_bindgen]
pub fn run_laws(seed: u32, rounds: u32) -> String {
    laws::run(seed, rounds)
}

/// The names of the published attacks that [`try_attack`] knows.
#[wasm_bindgen]
pub fn attacks() -> Vec<String> {
    attacks::ALL.iter().map(|(name, _)| (*name).to_owned()).collect()
}

/// Tries a published attack (`docs/security/attacks.md`) on the core.
///
/// # Errors
/// Throws if there is none of that name, and what went wrong if it was not refused as it has to be.
#[wasm_bindgen]
pub fn try_attack(name: &str) -> Result<(), JsError> {
    let (_, attack) = attacks::ALL
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| JsError::new("there is no attack of that name"))?;
    attack();
    Ok(())
}

/// A panic's own words would go nowhere: WebAssembly ends it as a bare trap.
#[cfg(target_arch = "wasm32")]
#[wasm_bindgen(start)]
fn throw_panics() {
    std::panic::set_hook(Box::new(|panic| wasm_bindgen::throw_str(&panic.to_string())));
}

fn sentence(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |words, cause| format!("{words}: {cause}"))
}

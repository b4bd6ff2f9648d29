//! Published attacks against password managers, tried on the engine: one test each, named after the attack
//! (`docs/security/attacks.md`). Each is refused by its name and changes nothing; what was not sent still waits; nothing is sent;
//! what the honest server says afterwards is accepted. The same run in WebAssembly (`cargo xtask wasm`).

#[expect(dead_code, reason = "the fleet uses more of it")]
#[path = "fleet/kit.rs"]
mod kit;
#[path = "refusals/scene.rs"]
mod scene;

#[path = "attacks/all.rs"]
mod all;

macro_rules! tests {
    ($($module:ident { $($attack:ident)+ })+) => {
        $(mod $module {
            $(#[test]
            fn $attack() {
                crate::all::$module::$attack();
            })+
        })+
    };
}

all::for_each_attack!(tests);

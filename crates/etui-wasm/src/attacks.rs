//! The attacks that the sync engine's own suite tries natively: one copy, run here too.

use crate::kit;

#[path = "../../etui-sync/tests/attacks/all.rs"]
mod all;
#[path = "../../etui-sync/tests/refusals/scene.rs"]
mod scene;

macro_rules! list {
    ($($module:ident { $($attack:ident)+ })+) => {
        /// Names and attacks; one that is not refused panics.
        pub(crate) const ALL: &[(&str, fn())] = &[$($((stringify!($attack), all::$module::$attack)),+),+];
    };
}

all::for_each_attack!(list);

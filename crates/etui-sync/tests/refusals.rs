//! A server that does not keep its word, against one engine: each lie is refused by its name, nothing has changed then,
//! and what the honest server says afterwards is accepted.

#[expect(dead_code, reason = "the fleet uses more of it")]
#[path = "fleet/kit.rs"]
mod kit;
#[path = "refusals/scene.rs"]
mod scene;

#[path = "refusals/history.rs"]
mod history;
#[path = "refusals/joining.rs"]
mod joining;
#[path = "refusals/pulling.rs"]
mod pulling;
#[path = "refusals/pushing.rs"]
mod pushing;
#[path = "refusals/states.rs"]
mod states;

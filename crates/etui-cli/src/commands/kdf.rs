//! How much work a new master password is to cost whoever tries to guess it.

use clap::Args;
use etui_crypto::{CheckedKdf, KdfParameters};

use crate::agent::protocol::Kdf;

#[derive(Debug, Args)]
pub(super) struct KdfArguments {
    /// What a guess costs: `default` (what the account has; a new one gets 64 MiB), `calibrate` (about a second on this
    /// device), or `m=KIB,t=PASSES,p=LANES`. It can never be lowered again, and every device has to afford it
    #[arg(long, value_name = "COST", default_value = "default", value_parser = parse)]
    pub(super) kdf: Kdf,
}

fn parse(text: &str) -> Result<Kdf, String> {
    match text {
        "default" => Ok(Kdf::Keep),
        "calibrate" => Ok(Kdf::Calibrate),
        costs => exactly(costs),
    }
}

/// What is not said is as little as is allowed.
fn exactly(text: &str) -> Result<Kdf, String> {
    let mut costs = KdfParameters::FLOOR;
    for part in text.split(',') {
        let (name, number) = part.split_once('=').ok_or("not `default`, `calibrate` or `m=…,t=…,p=…`")?;
        let cost = match name {
            "m" => &mut costs.m_kib,
            "t" => &mut costs.t,
            "p" => &mut costs.p,
            _ => return Err(format!("there is no cost `{name}`, only m, t and p")),
        };
        *cost = number.parse().map_err(|_| format!("`{number}` is not a number"))?;
    }
    CheckedKdf::new(costs.describe([0; 32], false), None).map_err(|refused| refused.found.to_owned())?;
    let KdfParameters { m_kib, t, p } = costs;
    Ok(Kdf::Exactly { m_kib, t, p })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_what_is_said_and_within_bounds() {
        assert_eq!(parse("default"), Ok(Kdf::Keep));
        assert_eq!(parse("calibrate"), Ok(Kdf::Calibrate));
        assert_eq!(parse("m=131072,t=4,p=5"), Ok(Kdf::Exactly { m_kib: 131_072, t: 4, p: 5 }));
        assert_eq!(parse("t=5"), Ok(Kdf::Exactly { m_kib: 65_536, t: 5, p: 4 }));
        for wrong in ["", "m", "x=1", "m=a", "m=65535", "t=2", "p=9", "m=1048577", "m=-1"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}

//! `etui generate`: passwords, passphrases and PINs; needs no account.

use clap::Args;
use etui_client::OsRandom;
use etui_vault::generator::{self, Generated, PassphraseRecipe, PasswordRecipe, RecipeError};
use serde_json::json;

use crate::{
    context::Context,
    failure::{Failure, Kind},
    output::Output,
};

/// Make a password, a passphrase or a PIN; works locked and offline
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option by itself")]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// How many characters, 5 to 128
    #[arg(long, value_name = "NUMBER", default_value_t = 20)]
    length: usize,
    /// Leave out symbols
    #[arg(long)]
    no_symbols: bool,
    /// Leave out digits
    #[arg(long)]
    no_digits: bool,
    /// Leave out capital letters
    #[arg(long)]
    no_capitals: bool,
    /// Leave out characters that look alike
    #[arg(long)]
    avoid_look_alikes: bool,
    /// A passphrase of so many words, 3 to 20
    #[arg(long, value_name = "NUMBER", num_args = 0..=1, default_missing_value = "6", conflicts_with = "length")]
    words: Option<usize>,
    /// What stands between the words
    #[arg(long, value_name = "TEXT", default_value = "-", requires = "words")]
    separator: String,
    /// Begin each word with a capital
    #[arg(long, requires = "words")]
    capitalise: bool,
    /// Put a digit after one of the words
    #[arg(long, requires = "words")]
    digit: bool,
    /// A PIN of so many digits, 4 to 12
    #[arg(long, value_name = "NUMBER", num_args = 0..=1, default_missing_value = "6", conflicts_with_all = ["words", "length"])]
    pin: Option<usize>,
}

const EXAMPLES: &str = "\
Examples:
  etui generate
  etui generate --length 32 --no-symbols
  etui generate --words 6
  etui generate --pin 8 --json";

pub(super) fn run(arguments: &Arguments, context: &Context) -> Result<(), Failure> {
    let made = arguments.make().map_err(|error| Failure::of(Kind::Usage, &error))?;
    if context.output.is_json() {
        let entropy_bits = (made.entropy_bits * 10.0).round() / 10.0;
        return context
            .output
            .document(&json!({ "value": made.text.expose(), "entropy_bits": entropy_bits }));
    }
    Output::raw(made.text.expose())
}

impl Arguments {
    fn make(&self) -> Result<Generated, RecipeError> {
        match (self.words, self.pin) {
            (Some(words), _) => generator::passphrase(&self.passphrase(words), &mut OsRandom),
            (None, Some(length)) => generator::pin(length, &mut OsRandom),
            (None, None) => generator::password(&self.password(), &mut OsRandom),
        }
    }

    fn passphrase(&self, words: usize) -> PassphraseRecipe {
        PassphraseRecipe {
            words,
            separator: self.separator.clone(),
            capitalise: self.capitalise,
            digit: self.digit,
        }
    }

    fn password(&self) -> PasswordRecipe {
        let class = |left_out: bool| (!left_out).then_some(1);
        PasswordRecipe {
            length: self.length,
            lower: Some(1),
            upper: class(self.no_capitals),
            digits: class(self.no_digits),
            symbols: class(self.no_symbols),
            avoid_look_alikes: self.avoid_look_alikes,
        }
    }
}

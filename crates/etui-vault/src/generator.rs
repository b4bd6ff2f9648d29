//! Passwords, passphrases and PINs, and how strong a password is.
//!
//! Every choice is uniform: numbers that would favour some outcomes are drawn again. The entropy that is reported is
//! that of the drawing, whoever knows the recipe; it never counts more than was drawn.

use etui_crypto::RandomSource;
use zeroize::Zeroizing;

use crate::document::SecretText;

/// What a generator made.
#[derive(Debug)]
pub struct Generated {
    /// The text.
    pub text: SecretText,
    /// A lower bound of its entropy in bits, to somebody who knows how it was made.
    pub entropy_bits: f64,
}

/// Why a recipe cannot be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecipeError {
    /// Length outside 5 to 128.
    #[error("generating a password: the length has to be 5 to 128")]
    Length,
    /// No class of characters.
    #[error("generating a password: no class of characters is chosen")]
    NoClass,
    /// The minimums together exceed the length.
    #[error("generating a password: the minimums of the classes exceed the length")]
    Minimums,
    /// Words outside 3 to 20.
    #[error("generating a passphrase: the number of words has to be 3 to 20")]
    Words,
    /// Without a separator or capitals two different drawings could look the same.
    #[error("generating a passphrase: words without a separator need capitals")]
    Separator,
    /// PIN length outside 4 to 12.
    #[error("generating a PIN: the length has to be 4 to 12")]
    PinLength,
}

/// How to make a random password. The default: 20 characters of all classes, at least one of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordRecipe {
    /// How many characters, 5 to 128.
    pub length: usize,
    /// Small letters: at least so many; none leaves them out.
    pub lower: Option<usize>,
    /// Capital letters, likewise.
    pub upper: Option<usize>,
    /// Digits, likewise.
    pub digits: Option<usize>,
    /// Symbols, likewise.
    pub symbols: Option<usize>,
    /// Whether to leave out characters that are easily taken for each other.
    pub avoid_look_alikes: bool,
}

impl Default for PasswordRecipe {
    fn default() -> Self {
        Self {
            length: 20,
            lower: Some(1),
            upper: Some(1),
            digits: Some(1),
            symbols: Some(1),
            avoid_look_alikes: false,
        }
    }
}

/// How to make a passphrase from the EFF long word list (see [`passphrase`]). The default: six words joined by hyphens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassphraseRecipe {
    /// How many words, 3 to 20.
    pub words: usize,
    /// What stands between them.
    pub separator: String,
    /// Whether each word begins with a capital.
    pub capitalise: bool,
    /// Whether one of the words is followed by a digit.
    pub digit: bool,
}

impl Default for PassphraseRecipe {
    fn default() -> Self {
        Self { words: 6, separator: "-".to_owned(), capitalise: false, digit: false }
    }
}

/// Makes a random password: the minimum of each class, the rest from all classes together, then shuffled.
///
/// # Errors
/// [`RecipeError::Length`], [`RecipeError::NoClass`] or [`RecipeError::Minimums`].
pub fn password(recipe: &PasswordRecipe, random: &mut dyn RandomSource) -> Result<Generated, RecipeError> {
    if !(5..=128).contains(&recipe.length) {
        return Err(RecipeError::Length);
    }
    let classes = recipe.classes();
    let alphabet: Vec<u8> = classes.iter().flat_map(|(class, _)| class.iter().copied()).collect();
    if alphabet.is_empty() {
        return Err(RecipeError::NoClass);
    }
    let required = classes.iter().fold(0_usize, |sum, (_, minimum)| sum.saturating_add(*minimum));
    let rest = recipe.length.checked_sub(required).ok_or(RecipeError::Minimums)?;

    let mut text = Zeroizing::new(String::with_capacity(recipe.length));
    let mut letters = Zeroizing::new(Vec::with_capacity(recipe.length));
    let mut entropy_bits = 0.0;
    for (class, count) in classes.iter().map(|(class, minimum)| (class, *minimum)).chain([(&alphabet, rest)])
    {
        letters.extend((0..count).map(|_| class[below(class.len(), random)]));
        entropy_bits += bits(class.len(), count);
    }
    shuffle(&mut letters, random);
    text.extend(letters.iter().copied().map(char::from));
    Ok(Generated { text: SecretText::new(text.as_str()), entropy_bits })
}

/// Makes a passphrase of words of the long word list of the Electronic Frontier Foundation (2016, Creative Commons
/// Attribution 3.0 US), without its four hyphenated words, so that every drawing looks different.
///
/// # Errors
/// [`RecipeError::Words`] or [`RecipeError::Separator`].
pub fn passphrase(
    recipe: &PassphraseRecipe,
    random: &mut dyn RandomSource,
) -> Result<Generated, RecipeError> {
    if !(3..=20).contains(&recipe.words) {
        return Err(RecipeError::Words);
    }
    if recipe.separator.is_empty() && !recipe.capitalise {
        return Err(RecipeError::Separator);
    }
    let list = word_list();
    let mut entropy_bits = bits(list.len(), recipe.words);
    let digit = recipe.digit.then(|| (below(recipe.words, random), below(10, random)));
    if digit.is_some() {
        entropy_bits += bits(recipe.words, 1) + bits(10, 1);
    }
    // Measured beforehand, as a growing string would leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(recipe.words * (16 + recipe.separator.len())));
    for position in 0..recipe.words {
        if position > 0 {
            text.push_str(&recipe.separator);
        }
        push_word(&mut text, list[below(list.len(), random)], recipe.capitalise);
        if let Some((_, digit)) = digit.filter(|(at, _)| *at == position) {
            text.push(char::from(DIGITS[digit]));
        }
    }
    Ok(Generated { text: SecretText::new(text.as_str()), entropy_bits })
}

/// Makes a PIN of 4 to 12 digits.
///
/// # Errors
/// [`RecipeError::PinLength`].
pub fn pin(length: usize, random: &mut dyn RandomSource) -> Result<Generated, RecipeError> {
    if !(4..=12).contains(&length) {
        return Err(RecipeError::PinLength);
    }
    let mut text = Zeroizing::new(String::with_capacity(length));
    text.extend((0..length).map(|_| char::from(DIGITS[below(10, random)])));
    Ok(Generated { text: SecretText::new(text.as_str()), entropy_bits: bits(10, length) })
}

/// How hard a password is to guess, by zxcvbn.
#[derive(Debug, Clone, PartialEq)]
pub struct Strength {
    /// 0 (guessed at once) to 4 (very hard); below 3 is weak.
    pub score: u8,
    /// The decimal logarithm of the guesses needed.
    pub guesses_log10: f64,
    /// What is wrong with it, if it is weak.
    pub warning: Option<String>,
    /// What would make it better.
    pub suggestions: Vec<String>,
}

/// Estimates a password. `related`: texts that a guesser would try, such as the user name, the title and the host.
pub fn strength(password: &str, related: &[&str]) -> Strength {
    let estimate = zxcvbn::zxcvbn(password, related);
    let feedback = estimate.feedback();
    Strength {
        score: estimate.score().into(),
        guesses_log10: estimate.guesses_log10(),
        warning: feedback.and_then(zxcvbn::feedback::Feedback::warning).map(|warning| warning.to_string()),
        suggestions: feedback
            .map(|feedback| feedback.suggestions().iter().map(ToString::to_string).collect())
            .unwrap_or_default(),
    }
}

const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz";
const UPPER: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &[u8] = b"0123456789";
/// No quotation marks, backslash or space: many sites mangle or refuse them.
const SYMBOLS: &[u8] = b"!@#$%^&*()-_=+[]{};:,.?/|~";
const LOOK_ALIKES: &[u8] = b"Il1|O0o";

impl PasswordRecipe {
    /// The chosen classes with their minimums.
    fn classes(&self) -> Vec<(Vec<u8>, usize)> {
        let all = [(LOWER, self.lower), (UPPER, self.upper), (DIGITS, self.digits), (SYMBOLS, self.symbols)];
        let allowed = |letter: &u8| !(self.avoid_look_alikes && LOOK_ALIKES.contains(letter));
        all.into_iter()
            .filter_map(|(class, minimum)| Some((class.iter().copied().filter(allowed).collect(), minimum?)))
            .collect()
    }
}

fn word_list() -> Vec<&'static str> {
    diceware_wordlists::EFF_LONG_WORDLIST.iter().copied().filter(|word| !word.contains('-')).collect()
}

fn push_word(text: &mut String, word: &str, capitalise: bool) {
    let mut letters = word.chars();
    if capitalise && let Some(first) = letters.next() {
        text.push(first.to_ascii_uppercase());
    }
    text.push_str(letters.as_str());
}

/// Fisher and Yates: every order is equally likely.
fn shuffle(letters: &mut [u8], random: &mut dyn RandomSource) {
    for last in (1..letters.len()).rev() {
        letters.swap(last, below(last + 1, random));
    }
}

/// A uniform number below `bound` (1 to 65,536). Draws that lie in the incomplete last stretch are thrown away.
fn below(bound: usize, random: &mut dyn RandomSource) -> usize {
    let bound = u32::try_from(bound).unwrap_or_else(|_| unreachable!("lists of words and letters are short"));
    let fair = u32::MAX - u32::MAX % bound;
    loop {
        let mut bytes = Zeroizing::new([0; 4]);
        random.fill(&mut *bytes);
        let drawn = u32::from_be_bytes(*bytes);
        if drawn < fair {
            return (drawn % bound) as usize;
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of words and letters are far below 2^52")]
fn bits(choices: usize, count: usize) -> f64 {
    (choices as f64).log2() * count as f64
}

#[cfg(test)]
mod tests;

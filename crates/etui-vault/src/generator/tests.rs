use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A small linear congruential generator: repeatable, and good enough to see a bias.
struct Seeded(u64);

impl RandomSource for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = self.0.to_be_bytes()[0];
        }
    }
}

/// Hands out the given numbers.
struct Script(Vec<u32>);

impl RandomSource for Script {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0.remove(0).to_be_bytes());
    }
}

#[test]
fn unfair_draws_are_thrown_away() {
    // 2^32 = 3 · 1,431,655,765 + 1: the last number would favour 0.
    assert_eq!(below(3, &mut Script(vec![u32::MAX, u32::MAX - 1])), 2);
    assert_eq!(below(3, &mut Script(vec![5])), 2);
    assert_eq!(below(1, &mut Script(vec![7])), 0);
}

/// Chi-squared over the digits of many PINs; 27.9 is the one-in-a-thousand bound at 9 degrees of freedom, and the seed
/// is fixed.
#[test]
fn all_digits_are_equally_likely() {
    let mut random = Seeded(1);
    let mut counts: BTreeMap<char, f64> = BTreeMap::new();
    for _ in 0..2_000 {
        for digit in pin(10, &mut random).unwrap().text.expose().chars() {
            *counts.entry(digit).or_default() += 1.0;
        }
    }
    let chi_squared: f64 = counts.values().map(|count| (count - 2_000.0).powi(2) / 2_000.0).sum();
    assert!(counts.len() == 10 && chi_squared < 27.9, "{chi_squared}");
}

#[test]
fn the_word_list_is_the_eff_long_list() {
    let list = word_list();
    assert_eq!((list.len(), list[0], list[list.len() - 1]), (7_772, "abacus", "zoom"));
    assert!(
        list.is_sorted() && list.iter().all(|word| word.bytes().all(|letter| letter.is_ascii_lowercase()))
    );
}

#[test]
fn passphrases_follow_the_recipe() {
    let recipe = PassphraseRecipe { words: 4, separator: ".".to_owned(), capitalise: true, digit: true };
    let made = passphrase(&recipe, &mut Script(vec![2, 7, 0, 1, 2, 3])).unwrap();
    assert_eq!(made.text.expose(), "Abacus.Abdomen.Abdominal7.Abide");
    let expected = 4.0 * 7_772_f64.log2() + 40_f64.log2();
    assert!((made.entropy_bits - expected).abs() < 1e-9);
    let six = passphrase(&PassphraseRecipe::default(), &mut Seeded(2)).unwrap();
    assert!(six.entropy_bits > 77.0);
    assert_eq!(six.text.expose().split('-').count(), 6);
}

#[test]
fn recipes_that_cannot_be_followed_are_named() {
    let mut random = Seeded(3);
    let fault = |recipe: &PasswordRecipe, random: &mut Seeded| password(recipe, random).unwrap_err();
    let plain = PasswordRecipe::default();
    assert_eq!(fault(&PasswordRecipe { length: 4, ..plain }, &mut random), RecipeError::Length);
    assert_eq!(fault(&PasswordRecipe { length: 129, ..plain }, &mut random), RecipeError::Length);
    assert_eq!(fault(&PasswordRecipe { digits: Some(18), ..plain }, &mut random), RecipeError::Minimums);
    assert_eq!(
        fault(&PasswordRecipe { digits: Some(usize::MAX), ..plain }, &mut random),
        RecipeError::Minimums
    );
    let none = PasswordRecipe { lower: None, upper: None, digits: None, symbols: None, ..plain };
    assert_eq!(fault(&none, &mut random), RecipeError::NoClass);
    let short = PassphraseRecipe { words: 2, ..PassphraseRecipe::default() };
    assert_eq!(passphrase(&short, &mut random).unwrap_err(), RecipeError::Words);
    let joined = PassphraseRecipe { separator: String::new(), ..PassphraseRecipe::default() };
    assert_eq!(passphrase(&joined, &mut random).unwrap_err(), RecipeError::Separator);
    assert_eq!(pin(3, &mut random).unwrap_err(), RecipeError::PinLength);
}

#[test]
fn strength_knows_weak_from_strong() {
    assert_eq!(strength("password", &[]).score, 0);
    assert!(strength("password", &[]).warning.is_some());
    assert!(strength("adalovelace-mail", &["adalovelace", "mail"]).score < 3);
    let made = password(&PasswordRecipe::default(), &mut Seeded(4)).unwrap();
    assert_eq!(strength(made.text.expose(), &[]).score, 4);
}

proptest! {
    #[test]
    fn passwords_follow_the_recipe(
        seed: u64, length in 20_usize..=128, minimums in proptest::array::uniform4(proptest::option::of(0_usize..=5)),
        avoid_look_alikes: bool,
    ) {
        let [lower, upper, digits, symbols] = minimums;
        let recipe = PasswordRecipe { length, lower, upper, digits, symbols, avoid_look_alikes };
        prop_assume!(minimums.iter().any(Option::is_some));
        let made = password(&recipe, &mut Seeded(seed)).unwrap();
        let text = made.text.expose().as_bytes();
        prop_assert_eq!(text.len(), length);
        for (class, minimum) in [LOWER, UPPER, DIGITS, SYMBOLS].into_iter().zip(minimums) {
            let count = text.iter().filter(|letter| class.contains(letter)).count();
            prop_assert!(minimum.map_or(count == 0, |minimum| count >= minimum));
        }
        prop_assert!(!avoid_look_alikes || !text.iter().any(|letter| LOOK_ALIKES.contains(letter)));
        let most = bits(88, length);
        prop_assert!(made.entropy_bits > 0.0 && made.entropy_bits <= most);
    }
}

//! Letters as searches compare them.

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark};

/// The text without case and diacritics: compatibility decomposition (Unicode Standard Annex 15, NFKD), marks dropped,
/// lower case, and the letters that do not decompose replaced by what people type for them.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len());
    for letter in text.nfkd().filter(|letter| !is_combining_mark(*letter)).flat_map(char::to_lowercase) {
        match plain(letter) {
            Some(plain) => folded.push_str(plain),
            // Lower case may decompose anew: the capital dotted I leaves a mark behind.
            None if is_combining_mark(letter) => {}
            None => folded.push(letter),
        }
    }
    folded
}

fn plain(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'đ' | 'ð' => "d",
        'ł' => "l",
        'ħ' => "h",
        'ı' => "i",
        'þ' => "th",
        'ς' => "σ",
        _ => return None,
    })
}

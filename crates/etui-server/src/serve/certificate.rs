//! When a certificate ends: the one thing that somebody wants to know of it before its users do.

use time::{Date, Month, PrimitiveDateTime, Time};

/// DER's tags (X.690): a sequence, a time with two digits for the year, one with four, the version of a certificate.
const SEQUENCE: u8 = 0x30;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;

/// When a certificate (RFC 5280 §4.1) ends, in seconds since 1970; `None` for what cannot be read as one.
pub(super) fn end_s(der: &[u8]) -> Option<u64> {
    let (_, certificate, _) = take(der).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, mut fields, _) = take(certificate)?;
    if fields.first() == Some(&VERSION) {
        fields = take(fields)?.2;
    }
    // Serial number, signature's algorithm, issuer.
    for _ in 0..3 {
        fields = take(fields)?.2;
    }
    let (_, validity, _) = take(fields)?;
    let (tag, not_after, _) = take(take(validity)?.2)?;
    seconds(tag, not_after)
}

/// The tag, the content and what follows (X.690 §8.1).
fn take(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        let (digits, after) = rest.split_at_checked(usize::from(first & 0x7f))?;
        length = digits
            .iter()
            .try_fold(0_usize, |sum, digit| Some(sum.checked_mul(256)? + usize::from(*digit)))?;
        rest = after;
    }
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

/// `YYMMDDHHMMSSZ`, before 2050, or `YYYYMMDDHHMMSSZ` (RFC 5280 §4.1.2.5).
fn seconds(tag: u8, text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let year: i32 = text.get(..2)?.parse().ok()?;
            (if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
        }
        GENERALIZED_TIME => (text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => return None,
    };
    let part = |index: usize| rest.get(2 * index..2 * index + 2)?.parse::<u8>().ok();
    let date = Date::from_calendar_date(year, Month::try_from(part(0)?).ok()?, part(1)?).ok()?;
    let time = Time::from_hms(part(2)?, part(3)?, part(4)?).ok()?;
    u64::try_from(PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap();
        let length = match u8::try_from(length) {
            Ok(short) if short < 0x80 => vec![short],
            _ => [&[0x82][..], &length.to_be_bytes()].concat(),
        };
        [&[tag][..], &length, content].concat()
    }

    fn certificate(end: &[u8]) -> Vec<u8> {
        let issuer = element(SEQUENCE, &[0; 300]);
        let validity = element(SEQUENCE, &[element(UTC_TIME, b"260101000000Z"), end.to_vec()].concat());
        let fields = [
            element(VERSION, &element(2, &[2])),
            element(2, &[7; 16]),
            element(SEQUENCE, &[]),
            issuer,
            validity,
            element(SEQUENCE, &[1, 2, 3]),
        ];
        element(SEQUENCE, &element(SEQUENCE, &fields.concat()))
    }

    #[test]
    fn both_forms_of_time_are_read() {
        assert_eq!(end_s(&certificate(&element(UTC_TIME, b"300102030405Z"))), Some(1_893_553_445));
        assert_eq!(end_s(&certificate(&element(GENERALIZED_TIME, b"20500101000000Z"))), Some(2_524_608_000));
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        let whole = certificate(&element(UTC_TIME, b"300102030405Z"));
        for length in 0..whole.len() {
            assert_eq!(end_s(&whole[..length]), None, "cut to {length}");
        }
        assert_eq!(end_s(&certificate(&element(UTC_TIME, b"301302030405Z"))), None);
        assert_eq!(end_s(&certificate(&element(4, b"300102030405Z"))), None);
    }
}

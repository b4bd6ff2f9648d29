use super::*;

fn totp(algorithm: &str, digits: u32, secret: &[u8]) -> OneTimePassword {
    let secret = BASE32_NOPAD.encode(secret);
    OneTimePassword::parse(&format!("otpauth://totp/x?secret={secret}&algorithm={algorithm}&digits={digits}"))
        .unwrap()
}

/// RFC 6238, appendix B, every row of the table. The seeds of the longer hashes are the repeated digits that the
/// reference code uses.
#[test]
fn rfc_6238_test_vectors() {
    let seed = |length: usize| b"1234567890".iter().copied().cycle().take(length).collect::<Vec<u8>>();
    let table = [
        (59, ["94287082", "46119246", "90693936"]),
        (1_111_111_109, ["07081804", "68084774", "25091201"]),
        (1_111_111_111, ["14050471", "67062674", "99943326"]),
        (1_234_567_890, ["89005924", "91819424", "93441116"]),
        (2_000_000_000, ["69279037", "90698825", "38618901"]),
        (20_000_000_000, ["65353130", "77737706", "47863826"]),
    ];
    for (unix_s, codes) in table {
        for ((algorithm, length), expected) in
            [("SHA1", 20), ("SHA256", 32), ("SHA512", 64)].into_iter().zip(codes)
        {
            let code = totp(algorithm, 8, &seed(length)).code(unix_s);
            assert_eq!(code.text.expose(), expected, "{algorithm} at {unix_s}");
            assert_eq!(code.remaining_s, Some(30 - unix_s % 30));
        }
    }
}

/// RFC 4226, appendix D.
#[test]
fn rfc_4226_test_vectors() {
    let expected =
        ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
    let secret = BASE32_NOPAD.encode(b"12345678901234567890");
    let mut hotp = OneTimePassword::parse(&format!("otpauth://hotp/x?secret={secret}&counter=0")).unwrap();
    for code in expected {
        assert_eq!(hotp.code(0).text.expose(), code);
        assert_eq!(hotp.code(0).remaining_s, None);
        hotp = OneTimePassword::parse(hotp.next().unwrap().to_uri().expose()).unwrap();
    }
    assert_eq!(hotp.kind(), OneTimePasswordKind::Hotp { counter: 10 });
}

/// The number under the code is that of RFC 6238 at 59 s (94287082 is its end); the letters follow from base 26.
#[test]
fn steam_codes_are_five_letters() {
    let secret = BASE32_NOPAD.encode(b"12345678901234567890");
    let steam = OneTimePassword::parse(&format!("steam://{secret}")).unwrap();
    let again = OneTimePassword::parse(steam.to_uri().expose()).unwrap();
    assert_eq!(again.kind(), OneTimePasswordKind::Steam);
    // RFC 4226 appendix D, count 1: the truncated number is 1,094,287,082.
    let mut number = 1_094_287_082_usize;
    let mut expected = String::new();
    for _ in 0..5 {
        expected.push("23456789BCDFGHJKMNPQRTVWXY".chars().nth(number % 26).unwrap());
        number /= 26;
    }
    assert_eq!(again.code(59).text.expose(), expected);
}

#[test]
fn uris_keep_their_meaning() {
    let uri = "otpauth://totp/Big%20Co:me%40x.test?secret=GEZDGNBVGY3TQOJQ&issuer=Big%20Co&algorithm=SHA256&digits=7&period=60";
    let parsed = OneTimePassword::parse(uri).unwrap();
    assert_eq!((parsed.issuer(), parsed.account()), (Some("Big Co"), "me@x.test"));
    let again = OneTimePassword::parse(parsed.to_uri().expose()).unwrap();
    assert_eq!(again.to_uri(), parsed.to_uri());
    assert_eq!(again.code(1_000_000).text, parsed.code(1_000_000).text);
    assert_eq!((again.issuer(), again.account()), (Some("Big Co"), "me@x.test"));
    assert_eq!(again.kind(), OneTimePasswordKind::Totp { period_s: 60 });
}

#[test]
fn people_write_secrets_in_many_ways() {
    let expected = OneTimePassword::parse("GEZDGNBVGY3TQOJQ").unwrap().code(0);
    for text in [
        "gezd gnbv gy3t qojq",
        "GEZD-GNBV-GY3T-QOJQ",
        " GEZDGNBVGY3TQOJQ== ",
        "otpauth://totp/?secret=gezdgnbvgy3tqojq",
    ] {
        assert_eq!(OneTimePassword::parse(text).unwrap().code(0).text, expected.text, "{text}");
    }
    assert!(OneTimePassword::normalise("GEZDGNBVGY3TQOJQ").unwrap().expose().starts_with("otpauth://totp/"));
}

#[test]
fn what_is_wrong_is_named() {
    use OneTimePasswordError as E;
    for (text, error) in [
        ("", E::NotOtpauth),
        ("not base 32!", E::NotOtpauth),
        ("https://x.test/", E::NotOtpauth),
        ("otpauth://motp/x?secret=GEZDGNBV", E::NotOtpauth),
        ("otpauth://totp/x", E::Secret),
        ("otpauth://totp/x?secret=", E::Secret),
        ("otpauth://totp/x?secret=GEZDGNBV&digits=5", E::Digits),
        ("otpauth://totp/x?secret=GEZDGNBV&digits=10", E::Digits),
        ("otpauth://totp/x?secret=GEZDGNBV&period=0", E::Period),
        ("otpauth://totp/x?secret=GEZDGNBV&algorithm=MD5", E::Algorithm),
        ("otpauth://hotp/x?secret=GEZDGNBV", E::Counter),
    ] {
        assert_eq!(OneTimePassword::parse(text).unwrap_err(), error, "{text}");
    }
}

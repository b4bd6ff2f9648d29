//! One-time passwords are those of the standard.

use etui_vault::OneTimePassword;

/// RFC 6238, appendix B; the seeds are the digits 1234567890 repeated to 20, 32 and 64 bytes, here in Base32.
pub(super) fn hold() {
    const SEEDS: [(&str, &str); 3] = [
        ("SHA1", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"),
        ("SHA256", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZA"),
        (
            "SHA512",
            "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQGEZDGNA",
        ),
    ];
    const CODES: [(u64, [&str; 3]); 6] = [
        (59, ["94287082", "46119246", "90693936"]),
        (1_111_111_109, ["07081804", "68084774", "25091201"]),
        (1_111_111_111, ["14050471", "67062674", "99943326"]),
        (1_234_567_890, ["89005924", "91819424", "93441116"]),
        (2_000_000_000, ["69279037", "90698825", "38618901"]),
        (20_000_000_000, ["65353130", "77737706", "47863826"]),
    ];
    for (unix_s, codes) in CODES {
        for ((algorithm, secret), code) in SEEDS.into_iter().zip(codes) {
            let uri = format!("otpauth://totp/x?secret={secret}&algorithm={algorithm}&digits=8");
            let found = OneTimePassword::parse(&uri).unwrap().code(unix_s);
            assert_eq!(found.text.expose(), code, "{algorithm} at {unix_s}");
        }
    }
}

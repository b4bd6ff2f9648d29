//! The files that this project adds to those it was given: made from a fixed seed, the same bytes every time.

mod malformed;

use etui_chain::{Digest, Id, ObjectId, RecordHeader, RecordType, Refused, VaultId};
use serde::Serialize;

use super::{
    account::{Given, Keys, Story, code},
    attachment::{self, Attachment, PartAnswer, content},
    format::{Hex, as_hex},
    record::Answer,
    recovery::{self, Kit, Unreadable},
};
use crate::{
    DeviceSecrets, Keyset, LocalStoreKey, RandomSource as _, SigningKey, VaultKey,
    random::Seeded,
    random_id,
    record::{Place, seal},
    seal_attachment, seal_entry, seal_keyset, seal_vault_key, seal_vault_settings,
    secret::Secret,
};

/// Name and content of each generated file.
pub fn generate() -> Vec<(&'static str, String)> {
    made().expect("what is generated is well formed")
}

fn made() -> Result<Vec<(&'static str, String)>, Refused> {
    Ok(vec![
        ("account.json", json(&super::account::File { story: story()? })),
        ("attachment.json", json(&attachment::File { attachments: attachments()? })),
        ("malformed.json", json(&super::malformed::File { malformed: malformed::cases()? })),
        ("record-types.json", json(&record_types()?)),
        ("recovery.json", json(&recoveries()?)),
    ])
}

fn json(file: &impl Serialize) -> String {
    serde_json::to_string_pretty(file).expect("a file of known answers is serialisable") + "\n"
}

fn digest(random: &mut Seeded) -> Digest {
    let mut bytes = [0; 32];
    random.fill(&mut bytes);
    Digest::new(bytes)
}

/// The types that `record.json` leaves out, with bodies as they are.
fn record_types() -> Result<Vec<Answer>, Refused> {
    let mut random = Seeded::new("record types");
    let device_secrets = DeviceSecrets {
        signing_key: SigningKey::generate(&mut random),
        store_key: LocalStoreKey::generate(&mut random),
    };
    let keyset = Keyset::generate(random_id(&mut random)?, None, &mut random);
    let (account, device, vault): (Id, Id, Id) =
        (keyset.account_id().into(), random_id(&mut random)?, random_id(&mut random)?);
    let whole = |record_type, container, object, version, epoch| {
        Place::whole(record_type, container, object, version, epoch)
    };
    let wrapped = Secret::generate(&mut random).bytes().to_vec();
    let places = [
        (whole(RecordType::Keyset, account, random_id::<Id>(&mut random)?, 1, 0), keyset.to_body().to_vec()),
        (whole(RecordType::WrappedMasterKey, account, device, 3, 0), wrapped.clone()),
        (whole(RecordType::VaultKey, account, vault, 0, 0), wrapped),
        (whole(RecordType::VaultSettings, vault, vault, 2, 1), br#"{"name":"Family"}"#.to_vec()),
        (whole(RecordType::AccountSettings, account, account, 9, 2), br#"{"devices":{}}"#.to_vec()),
        (whole(RecordType::DeviceSecrets, account, device, 1, 0), device_secrets.to_body().to_vec()),
    ];
    places.into_iter().map(|(place, body)| record(&place, body, &mut random)).collect()
}

fn record(place: &Place, body: Vec<u8>, random: &mut Seeded) -> Result<Answer, Refused> {
    let key = Secret::generate(random);
    let sealed = seal(&key, place, &body, random)?;
    let header = RecordHeader::parse(&sealed.bytes)?;
    Ok(Answer {
        key: as_hex(&key),
        record_type: header.record_type as u8,
        schema: header.schema,
        container_id: header.container_id,
        object_id: header.object_id,
        version: header.version,
        epoch: header.epoch,
        part: header.part,
        salt: Digest::new(header.salt),
        body: Hex(body),
        record_len: sealed.bytes.len(),
        record_sha256: sealed.hash,
        record: Some(Hex(sealed.bytes)),
    })
}

fn attachments() -> Result<Vec<Attachment>, Refused> {
    let mut random = Seeded::new("attachments");
    let part_body = crate::PART_BODY_BYTES;
    [0, 1, 509, 70_000, part_body, part_body + 1, 3_000_000]
        .into_iter()
        .map(|length| attachment(length, &mut random))
        .collect()
}

fn attachment(length: usize, random: &mut Seeded) -> Result<Attachment, Refused> {
    let vault_id: VaultId = random_id(random)?;
    let object_id: ObjectId = random_id(random)?;
    let key = VaultKey::generate(vault_id, 2, random);
    let sealed = seal_attachment(&key, object_id, &content(length), random)?;
    let plan = crate::AttachmentPlan::new(length as u64)?;
    let parts = (0..).zip(&sealed.parts).map(|(index, part)| {
        let header = RecordHeader::parse(&part.bytes)?;
        Ok(PartAnswer {
            part: header.part,
            salt: Digest::new(header.salt),
            body_len: plan.body_length(index),
            record_len: part.bytes.len(),
            record_sha256: part.hash,
        })
    });
    let parts = parts.collect::<Result<_, Refused>>()?;
    let vault_key = as_hex(&key.secret);
    Ok(Attachment { vault_key, vault_id, epoch: 2, object_id, length, parts, record_hash: sealed.hash })
}

fn story() -> Result<Story, Refused> {
    let mut random = Seeded::new("account");
    let given = Given {
        account_id: random_id(&mut random)?,
        keyset_id: random_id(&mut random)?,
        device_id: random_id(&mut random)?,
        vault_id: random_id(&mut random)?,
        object_id: random_id(&mut random)?,
        master_password: "small cases keep precious things".to_owned(),
        kdf_salt: digest(&mut random),
        root_key: digest(&mut random),
        identity_seed: digest(&mut random),
        kem_seed: digest(&mut random),
        device_seed: digest(&mut random),
        vault_key: digest(&mut random),
        time_ms: 1_790_000_000_000,
        settings: r#"{"name":"Personal"}"#.to_owned(),
        entry: r#"{"type":"login","title":"Example","username":"ada","password":"correct horse"}"#.to_owned(),
    };
    let keys = Keys::new(&given)?;
    let keyset = seal_keyset(&keys.keyset_key, given.keyset_id, 1, &keys.keyset, &mut random)?;
    let vault_key = seal_vault_key(keys.keyset.newest_root_key(), &keys.vault_key, &mut random)?;
    let settings = seal_vault_settings(&keys.vault_key, 1, given.settings.as_bytes(), &mut random)?;
    let entry = seal_entry(&keys.vault_key, given.object_id, 1, given.entry.as_bytes(), &mut random)?;
    let state = keys.state(&given, keyset.hash, vault_key.hash);
    let commit = keys.commit(&given, &state, (settings.hash, entry.hash))?;
    Ok(Story {
        keyset_record: Hex(keyset.bytes),
        vault_key_record: Hex(vault_key.bytes),
        settings_record: Hex(settings.bytes),
        entry_record: Hex(entry.bytes),
        head_code: code(&given, &state, &commit),
        state: Hex(state.as_bytes().to_vec()),
        commit: Hex(commit.as_bytes().to_vec()),
        given,
    })
}

fn recoveries() -> Result<recovery::File, Refused> {
    let mut random = Seeded::new("recovery");
    let kits = vec![kit(false, &mut random)?, kit(true, &mut random)?];
    let refused = unreadable(&kits);
    Ok(recovery::File { kits, refused })
}

fn kit(with_secret_key: bool, random: &mut Seeded) -> Result<Kit, Refused> {
    let mut kit = Kit {
        account_id: random_id(random)?,
        recovery_key: digest(random),
        secret_key: with_secret_key.then(|| digest(random)),
        qr: String::new(),
        words: String::new(),
        secret_words: None,
    };
    let content = kit.kit();
    let (words, secret_words) = content.to_words();
    kit.qr.clone_from(&content.to_qr_text());
    kit.words.clone_from(&words);
    kit.secret_words = secret_words.map(|words| (*words).clone());
    Ok(kit)
}

fn unreadable(kits: &[Kit]) -> Vec<Unreadable> {
    let (short, long) = (kits[0].qr.as_str(), kits[1].qr.as_str());
    let words = kits[0].words.as_str();
    let without_last = words.rsplit_once(' ').map_or("", |(before, _)| before);
    let qr = |name: &str, text: String, error: &str| Unreadable {
        name: name.to_owned(),
        qr: Some(text),
        words: None,
        error: error.to_owned(),
    };
    let typed = |name: &str, text: String| Unreadable {
        name: name.to_owned(),
        qr: None,
        words: Some(text),
        error: "format".to_owned(),
    };
    vec![
        qr("nothing", String::new(), "format"),
        qr("another prefix", short.replacen("ETUIKIT1", "ETUIKIT2", 1), "format"),
        qr("the prefix alone", "ETUIKIT1:".to_owned(), "format"),
        qr("lower case", short.to_lowercase(), "format"),
        qr("one character less", short[..short.len() - 1].to_owned(), "format"),
        qr("a character that base32 does not have", short.replacen(':', ":1", 1), "format"),
        qr("one character misread", swap_at(short, 20), "format"),
        qr("padding", format!("{short}="), "format"),
        qr("an unknown flag", checksummed(&with_first_byte(short, 2)), "unsupported_protocol"),
        qr("the flag of a second secret, and none", checksummed(&with_first_byte(short, 1)), "format"),
        qr("a second secret, and no flag", checksummed(&with_first_byte(long, 0)), "format"),
        qr("the all-zero account id", checksummed(&without_account(short)), "format"),
        typed("no words", String::new()),
        typed("23 words", without_last.to_owned()),
        typed("25 words", format!("{words} abandon")),
        typed("a word that is not on the list", format!("{without_last} etui")),
        typed("two words exchanged", exchanged(words)),
    ]
}

fn swap_at(text: &str, at: usize) -> String {
    let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{other}{}", &text[..at], &text[at + 1..])
}

fn exchanged(words: &str) -> String {
    let mut words: Vec<&str> = words.split(' ').collect();
    words.swap(0, 1);
    words.join(" ")
}

/// The bytes of a kit without its checksum, the flags replaced.
fn with_first_byte(qr: &str, flags: u8) -> Vec<u8> {
    let text = qr.strip_prefix("ETUIKIT1:").unwrap_or(qr);
    let mut bytes = data_encoding::BASE32_NOPAD.decode(text.as_bytes()).unwrap_or_default();
    bytes.truncate(bytes.len().saturating_sub(4));
    bytes[0] = flags;
    bytes
}

fn without_account(qr: &str) -> Vec<u8> {
    let mut bytes = with_first_byte(qr, 0);
    bytes[1..17].fill(0);
    bytes
}

fn checksummed(bytes: &[u8]) -> String {
    let digest = Digest::of(&[bytes]);
    let checksum = &digest.as_bytes()[..4];
    format!("ETUIKIT1:{}", data_encoding::BASE32_NOPAD.encode(&[bytes, checksum].concat()))
}

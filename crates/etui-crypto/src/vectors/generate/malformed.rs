//! What must be refused: each a small change of something that is accepted.

use etui_chain::{
    Digest, Id, KdfDescriptor, LAST_PART, RecordHeader, RecordType, Refused, SCHEMA, parts_hash,
};

use crate::{
    KdfParameters, Keyset, RandomSource as _, SecretKey, SigningKey,
    random::Seeded,
    random_id,
    record::{seal_plaintext, seal_with_salt},
    secret::Secret,
    vectors::{
        format::{Hex, as_hex},
        malformed::{Asked, Attachment, Case, Input},
    },
};

pub(super) fn cases() -> Result<Vec<Case>, Refused> {
    let mut cases = records()?;
    cases.extend(attachments()?);
    cases.extend(keyset_bodies()?);
    cases.extend(chain()?);
    cases.extend(descriptors());
    Ok(cases)
}

fn case(name: &str, error: &str, input: Input) -> Case {
    Case { name: name.to_owned(), error: error.to_owned(), input }
}

/// An accepted record and what is asked for; a change of either makes a case.
struct Sound {
    key: Secret,
    header: RecordHeader,
    record: Vec<u8>,
}

impl Sound {
    fn new(random: &mut Seeded) -> Result<Self, Refused> {
        let key = Secret::generate(random);
        let mut salt = [0; 32];
        random.fill(&mut salt);
        let header = RecordHeader {
            record_type: RecordType::Entry,
            schema: SCHEMA,
            container_id: random_id(random)?,
            object_id: random_id(random)?,
            version: 5,
            epoch: 2,
            part: LAST_PART,
            salt,
        };
        let record = seal_with_salt(&key, &header, br#"{"title":"Example"}"#).bytes;
        Ok(Self { key, header, record })
    }

    fn asked(&self, record: Vec<u8>) -> Asked {
        Asked {
            key: as_hex(&self.key),
            record_type: self.header.record_type as u8,
            schema: self.header.schema,
            container_id: self.header.container_id,
            object_id: self.header.object_id,
            version: Some(self.header.version),
            epoch: Some(self.header.epoch),
            part: self.header.part,
            hash: None,
            record: Hex(record),
        }
    }

    /// The record changed.
    fn changed(&self, name: &str, error: &str, change: impl FnOnce(&mut Vec<u8>)) -> Case {
        let mut record = self.record.clone();
        change(&mut record);
        case(name, error, Input::Record(self.asked(record)))
    }

    /// Something else asked for.
    fn asking(&self, name: &str, error: &str, change: impl FnOnce(&mut Asked)) -> Case {
        let mut asked = self.asked(self.record.clone());
        change(&mut asked);
        case(name, error, Input::Record(asked))
    }

    /// A record that no writer makes.
    fn sealing(&self, name: &str, error: &str, padded: usize, plaintext: &[u8]) -> Case {
        let sealed =
            seal_plaintext(&self.key, &self.header, padded, |bytes| bytes.extend_from_slice(plaintext));
        case(name, error, Input::Record(self.asked(sealed.bytes)))
    }
}

fn records() -> Result<Vec<Case>, Refused> {
    let mut random = Seeded::new("malformed records");
    let sound = Sound::new(&mut random)?;
    let other: Id = random_id(&mut random)?;
    let mut cases = broken_bytes(&sound);
    cases.extend(other_context(&sound, other));
    cases.extend(other_padding(&sound));
    Ok(cases)
}

fn broken_bytes(sound: &Sound) -> Vec<Case> {
    let last = sound.record.len() - 1;
    vec![
        sound.changed("record: empty", "truncated", Vec::clear),
        sound
            .changed("record: one byte less than its fixed part", "truncated", |record| record.truncate(135)),
        sound.changed("record: short and another magic", "truncated", |record| {
            record.truncate(100);
            record[0] = 0;
        }),
        sound.changed("record: another magic", "format", |record| record[0] ^= 1),
        sound.changed("record: another magic and suite", "format", |record| record[..5].fill(0)),
        sound.changed("record: suite 0", "unknown_suite", |record| record[4] = 0),
        sound.changed("record: suite 2", "unknown_suite", |record| record[4] = 2),
        sound.changed("record: unknown suite and type", "unknown_suite", |record| record[4..6].fill(9)),
        sound.changed("record: type 0", "format", |record| record[5] = 0),
        sound.changed("record: type 9", "format", |record| record[5] = 9),
        sound.changed("record: another type", "format", |record| record[5] = 6),
        sound.changed("record: another schema", "format", |record| record[7] = 2),
        sound.changed("record: the all-zero container", "wrong_context", |record| record[8..24].fill(0)),
        sound.changed("record: salt changed", "commitment", |record| record[56] ^= 1),
        sound.changed("record: commitment changed", "commitment", |record| record[119] ^= 0x80),
        sound.changed("record: first byte of the text changed", "forged", |record| record[120] ^= 1),
        sound.changed("record: last byte of the tag changed", "forged", |record| record[last] ^= 1),
        sound.changed("record: one byte less", "forged", |record| record.truncate(last)),
        sound.changed("record: one byte more", "forged", |record| record.push(0)),
        sound.changed("record: no text at all", "forged", |record| record.truncate(136)),
        sound.asking("record: another hash signed for", "forged", |asked| asked.hash = Some(Digest::ZERO)),
        sound.changed("record: header changed consistently with nothing", "wrong_context", |record| {
            record[55] = 1;
        }),
    ]
}

fn other_context(sound: &Sound, other: Id) -> Vec<Case> {
    vec![
        sound.asking("record: another key", "commitment", |asked| asked.key = Digest::ZERO),
        sound.asking("record: another container asked for", "wrong_context", |asked| {
            asked.container_id = other;
        }),
        sound.asking("record: another object asked for", "wrong_context", |asked| asked.object_id = other),
        sound.asking("record: a newer version asked for", "rollback", |asked| asked.version = Some(6)),
        sound.asking("record: an older version asked for", "wrong_context", |asked| asked.version = Some(4)),
        sound.asking("record: another epoch asked for", "wrong_context", |asked| asked.epoch = Some(1)),
        sound.asking("record: another part asked for", "wrong_context", |asked| asked.part = 0),
        sound.asking("record: newer version of another object asked for", "wrong_context", |asked| {
            asked.version = Some(6);
            asked.object_id = other;
        }),
        sound.asking("record: rollback comes before the hash", "rollback", |asked| {
            asked.version = Some(6);
            asked.hash = Some(Digest::ZERO);
        }),
        sound.asking("record: the hash comes before the key", "forged", |asked| {
            asked.key = Digest::ZERO;
            asked.hash = Some(Digest::ZERO);
        }),
        sound.asking("record: another type asked for", "format", |asked| {
            asked.record_type = RecordType::VaultSettings as u8;
            asked.object_id = other;
        }),
    ]
}

fn other_padding(sound: &Sound) -> Vec<Case> {
    let mut not_zero = vec![0; 512];
    not_zero[3] = 1;
    not_zero[511] = 1;
    vec![
        sound.sealing("record: padding that is not zero", "format", 512, &not_zero),
        sound.sealing("record: padded further than it must be", "format", 1024, &[0, 0, 0, 1, 7]),
        sound.sealing("record: not padded", "format", 5, &[0, 0, 0, 1, 7]),
        sound.sealing("record: longer than its text", "format", 512, &[0, 0, 1, 0xfd]),
        sound.sealing("record: as long as can be said", "format", 512, &[0xff; 4]),
        sound.sealing("record: shorter than a length", "format", 3, &[0, 0, 0]),
    ]
}

fn attachments() -> Result<Vec<Case>, Refused> {
    let mut random = Seeded::new("malformed attachments");
    let key = Secret::generate(&mut random);
    let (vault_id, object_id): (Id, Id) = (random_id(&mut random)?, random_id(&mut random)?);
    let mut part = |part: u32| {
        let mut salt = [0; 32];
        random.fill(&mut salt);
        let (container_id, version) = (vault_id, 1);
        let record_type = RecordType::AttachmentPart;
        let header = RecordHeader {
            record_type,
            schema: SCHEMA,
            container_id,
            object_id,
            version,
            epoch: 0,
            part,
            salt,
        };
        seal_with_salt(&key, &header, b"content").bytes
    };
    let (first, second, third) = (part(0), part(1), part(2 | LAST_PART));
    let only = part(LAST_PART);
    let attachment = |name: &str, error: &str, length: u64, parts: &[&Vec<u8>]| {
        let hashes: Vec<Digest> = parts.iter().map(|part| Digest::of(&[part])).collect();
        let parts = parts.iter().map(|part| Hex((*part).clone())).collect();
        let record_hash = if error == "forged" { Digest::ZERO } else { parts_hash(&hashes) };
        let (vault_id, object_id) = (vault_id.into(), object_id.into());
        let vault_key = as_hex(&key);
        let input = Attachment { vault_key, vault_id, epoch: 0, object_id, length, record_hash, parts };
        case(name, error, Input::Attachment(input))
    };
    let mut foreign = second.clone();
    foreign[24] ^= 1;
    Ok(vec![
        attachment("attachment: no parts", "missing", 7, &[]),
        attachment("attachment: no last part", "missing", 7, &[&first, &second]),
        attachment("attachment: a gap", "missing", 7, &[&first, &third]),
        attachment("attachment: no first part", "missing", 7, &[&second, &third]),
        attachment("attachment: out of order", "wrong_context", 7, &[&second, &first, &third]),
        attachment("attachment: a part twice", "wrong_context", 7, &[&first, &second, &second, &third]),
        attachment("attachment: a part after the last", "wrong_context", 7, &[&only, &second]),
        attachment("attachment: a part of another", "wrong_context", 7, &[&first, &foreign, &third]),
        attachment("attachment: headers come before gaps", "wrong_context", 7, &[&foreign]),
        attachment("attachment: another hash signed for", "forged", 7, &[&first, &second, &third]),
        attachment(
            "attachment: more parts than its length asks for",
            "format",
            7,
            &[&first, &second, &third],
        ),
        attachment("attachment: shorter than its length", "format", 9, &[&only]),
        attachment("attachment: longer than its length", "format", 6, &[&only]),
    ])
}

fn keyset_bodies() -> Result<Vec<Case>, Refused> {
    let mut random = Seeded::new("malformed keysets");
    let keyset = Keyset::generate(random_id(&mut random)?, None, &mut random);
    let with_secret_key =
        Keyset::generate(keyset.account_id(), Some(SecretKey::generate(&mut random)), &mut random);
    let sound = keyset.to_body();
    let changed = |name: &str, error: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut body = sound.to_vec();
        change(&mut body);
        case(name, error, Input::KeysetBody(Hex(body)))
    };
    Ok(vec![
        changed("keyset: empty", "format", &Vec::clear),
        changed("keyset: one byte less", "format", &|body| body.truncate(body.len() - 1)),
        changed("keyset: one byte more", "format", &|body| body.push(0)),
        changed("keyset: schema 0", "format", &|body| body[2] = 0),
        changed("keyset: schema 2", "unsupported_protocol", &|body| body[2] = 2),
        changed("keyset: schema in a longer form", "format", &|body| {
            body.splice(2..3, [0x18, 1]);
        }),
        changed("keyset: no root keys", "format", &|body| {
            body.splice(4..41, [0x80]);
        }),
        changed("keyset: an epoch twice", "format", &|body| {
            body[4] = 0x82;
            let again = body[5..41].to_vec();
            body.splice(41..41, again);
        }),
        changed("keyset: a short key", "format", &|body| {
            body[8] = 31;
            body.remove(40);
        }),
        changed("keyset: a member less than announced", "format", &|body| body[0] = 0xa5),
        changed("keyset: members out of order", "format", &|body| body[41] = 4),
        changed("keyset: an indefinite map", "format", &|body| {
            body[0] = 0xbf;
            body.push(0xff);
        }),
        case("keyset: an unknown member", "format", {
            let mut body = with_secret_key.to_body().to_vec();
            let last_key = body.len() - 35;
            body[last_key] = 6;
            Input::KeysetBody(Hex(body))
        }),
    ])
}

/// Commits and states: what can be told from the bytes alone.
fn chain() -> Result<Vec<Case>, Refused> {
    let story = super::story()?;
    let commit = |name: &str, error: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = story.commit.0.clone();
        change(&mut bytes);
        case(name, error, Input::Commit(Hex(bytes)))
    };
    let state = |name: &str, error: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = story.state.0.clone();
        change(&mut bytes);
        case(name, error, Input::State { state: Hex(bytes), previous: None })
    };
    let mut cases = vec![
        commit("commit: another magic", "format", &|bytes| bytes[3] = b'2'),
        commit("commit: one byte less", "truncated", &|bytes| bytes.truncate(bytes.len() - 1)),
        commit("commit: one byte more", "format", &|bytes| bytes.push(0)),
        commit("commit: sequence 0", "format", &|bytes| bytes[27] = 0),
        commit("commit: the first with something before it", "format", &|bytes| bytes[28] = 1),
        commit("commit: the all-zero vault", "format", &|bytes| bytes[4..20].fill(0)),
        commit("commit: an unknown change", "format", &|bytes| bytes[124 + 24] = 3),
        commit("commit: a purge that names a hash", "format", &|bytes| bytes[124 + 24] = 2),
        commit("commit: an object twice", "format", &|bytes| bytes.copy_within(124..140, 124 + 57)),
        commit("commit: more changes than there may be", "limit", &|bytes| bytes[121] = 1),
        state("state: another magic", "format", &|bytes| bytes[3] = b'2'),
        state("state: one byte less", "truncated", &|bytes| bytes.truncate(bytes.len() - 1)),
        state("state: its signature left out", "truncated", &|bytes| bytes.truncate(bytes.len() - 64)),
        state("state: one byte more", "format", &|bytes| bytes.push(0)),
        state("state: a higher schema", "unsupported_protocol", &|bytes| bytes[10] = 2),
        state("state: another signature", "state_signature", &|bytes| {
            let last = bytes.len() - 10;
            bytes[last] ^= 1;
        }),
        state("state: no signature", "format", &|bytes| {
            bytes.truncate(bytes.len() - 64);
            let last = bytes.len() - 1;
            bytes[last] = 0;
        }),
    ];
    cases.extend(successors(&story)?);
    Ok(cases)
}

fn successors(story: &super::Story) -> Result<Vec<Case>, Refused> {
    let first = etui_chain::State::parse(&story.state.0)?;
    let identity = SigningKey::from_seed(story.given.identity_seed.as_bytes());
    let stranger = SigningKey::generate(&mut Seeded::new("stranger"));
    let next = |change: &dyn Fn(&mut etui_chain::StateBody)| {
        let mut body = etui_chain::StateBody { version: 2, previous: first.hash(), ..(*first).clone() };
        change(&mut body);
        body
    };
    let after = |name: &str, error: &str, state: &etui_chain::State| {
        let input = Input::State {
            state: Hex(state.as_bytes().to_vec()),
            previous: Some(Hex(first.as_bytes().to_vec())),
        };
        case(name, error, input)
    };
    let by_stranger = next(&|body| body.identity_key = stranger.public_key());
    let other_time = |version| identity.sign_state(next(&|body| (body.time_ms, body.version) = (1, version)));
    let mut sibling = (*first).clone();
    sibling.time_ms += 1;
    Ok(vec![
        after("state: the same again", "state_rollback", &first),
        after("state: another of the same version", "fork", &identity.sign_state(sibling)),
        after("state: versions left out", "missing", &other_time(3)),
        after(
            "state: built on another",
            "fork",
            &identity.sign_state(next(&|body| body.previous = Digest::new([7; 32]))),
        ),
        after(
            "state: a new identity by itself",
            "state_signature",
            &stranger.sign_state(by_stranger.clone()),
        ),
        after("state: a handover not signed by the old identity", "state_signature", &{
            stranger.sign_handover(&stranger, by_stranger)
        }),
        after("state: of another account", "wrong_context", &{
            let account_id = random_id(&mut Seeded::new("another account"))?;
            identity.sign_state(next(&|body| body.account_id = account_id))
        }),
        after("state: two signatures and no new identity", "state_signature", &{
            identity.sign_handover(&identity, next(&|_| ()))
        }),
    ])
}

fn descriptors() -> Vec<Case> {
    const MEMORY: u32 = 64 << 10;
    let of = |m_kib, t, p| KdfParameters { m_kib, t, p }.describe([1; 32], true);
    let pinned = of(2 * MEMORY, 4, 5);
    let kdf = |name: &str, error: &str, offered: KdfDescriptor, pinned: Option<KdfDescriptor>| {
        case(name, error, Input::Kdf { offered, pinned })
    };
    vec![
        kdf("kdf: too little memory", "kdf_floor", of(MEMORY - 1, 16, 8), None),
        kdf("kdf: too few passes", "kdf_floor", of(1 << 20, 2, 8), None),
        kdf("kdf: too few lanes", "kdf_floor", of(1 << 20, 16, 3), None),
        kdf("kdf: no lanes", "kdf_floor", of(MEMORY, 3, 0), None),
        kdf("kdf: too much memory", "kdf_ceiling", of((1 << 20) + 1, 3, 4), None),
        kdf("kdf: 4 TiB", "kdf_ceiling", of(u32::MAX, 3, 4), None),
        kdf("kdf: too many passes", "kdf_ceiling", of(MEMORY, 17, 4), None),
        kdf("kdf: too many lanes", "kdf_ceiling", of(MEMORY, 3, 9), None),
        kdf("kdf: floor before ceiling", "kdf_floor", of(8, 17, 9), Some(pinned)),
        kdf("kdf: ceiling before pin", "kdf_ceiling", of(MEMORY, 17, 4), Some(pinned)),
        kdf("kdf: less memory than pinned", "kdf_pin", of(2 * MEMORY - 1, 16, 8), Some(pinned)),
        kdf("kdf: fewer passes than pinned", "kdf_pin", of(1 << 20, 3, 8), Some(pinned)),
        kdf("kdf: fewer lanes than pinned", "kdf_pin", of(1 << 20, 16, 4), Some(pinned)),
        kdf(
            "kdf: no second secret any more",
            "kdf_pin",
            KdfDescriptor { sk_used: false, ..pinned },
            Some(pinned),
        ),
    ]
}

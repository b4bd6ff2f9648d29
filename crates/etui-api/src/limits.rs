//! Fixed bounds on sizes and counts. Both sides check them before they allocate.

/// An e-mail address in bytes (RFC 5321 §4.5.3.1.3 less the angle brackets).
pub const MAX_EMAIL_BYTES: usize = 254;
/// A sealed record: a body of 1 MiB, padded, with header, commitment and tag.
pub const MAX_RECORD_BYTES: usize = (1 << 20) + (1 << 17);
/// One frame: the largest thing that travels whole is a commit of 65,536 changes (3.6 MiB).
pub const MAX_FRAME_BYTES: usize = 4 << 20;
/// The body of one push: a commit with its records, or a state with what it names.
pub const MAX_PUSH_BYTES: usize = 96 << 20;
/// The body of one upload for healing.
pub const MAX_HEAL_BYTES: usize = 256 << 20;
/// The body of signing up, which nobody vouches for yet: a state, what it names, and one commit.
pub const MAX_SIGN_UP_BYTES: usize = 1 << 20;
/// The bodies of all large uploads that the server holds at once; more are told to try again.
pub const MAX_UPLOADS_BYTES: usize = 320 << 20;
/// A JSON request body.
pub const MAX_JSON_BYTES: usize = 16 << 10;
/// Keysets that a state may list.
pub const MAX_KEYSETS: usize = 64;
/// Devices that a state may list.
pub const MAX_DEVICES: usize = 256;
/// Vaults that a state may list.
pub const MAX_VAULTS: usize = 256;
/// Live objects of one vault.
pub const MAX_LIVE_OBJECTS: usize = 1 << 20;
/// Commits in one answer to a request for history; ask again from the last.
pub const MAX_COMMITS_PER_ANSWER: usize = 4096;
/// States in one answer; ask again from the last.
pub const MAX_STATES_PER_ANSWER: usize = 256;

/// An answer in JSON, and a problem, that a device takes in; those below are larger.
pub const MAX_JSON_ANSWER_BYTES: u64 = 64 << 10;
/// An answer with the account's devices: 256 bytes for each that a state may list, and for three more with a session.
pub const MAX_DEVICES_ANSWER_BYTES: u64 = MAX_DEVICES as u64 * 4 * 256;
/// An answer with keysets: each with hundreds of root keys.
pub const MAX_KEYSETS_ANSWER_BYTES: u64 = MAX_KEYSETS as u64 * (64 << 10);
/// An answer with states and what they name, that a device takes in: 256 KiB for each, many times what the largest
/// account's states have.
pub const MAX_STATES_ANSWER_BYTES: u64 = MAX_STATES_PER_ANSWER as u64 * (256 << 10);
/// An answer with the changes of a vault, or a vault whole, that a device takes in: 1 KiB for each live object, half as much
/// again as the smallest record has.
pub const MAX_CHANGES_ANSWER_BYTES: u64 = MAX_LIVE_OBJECTS as u64 * (1 << 10);
/// An answer with older commits: as many as there may be, each as large as it may be. Of these a device keeps few at a time.
pub const MAX_COMMITS_ANSWER_BYTES: u64 = MAX_COMMITS_PER_ANSWER as u64 * MAX_FRAME_BYTES as u64;
/// Largest page of the audit log.
pub const MAX_EVENTS_ANSWER_BYTES: u64 = 128 << 10;
/// Largest file of everything held that a client takes: 256 GiB.
pub const MAX_DATA_EXPORT_BYTES: u64 = 1 << 38;

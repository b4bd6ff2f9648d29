//! Every schema that there ever was, with data in it: made by the program of its time, and never changed.
//!
//! Such a folder is a backup (`etui-server backup`) or a data folder, and a dump of PostgreSQL restored from it.

use std::{fs, path::Path};

use etui_store::{DatabaseConfig, Store, StoreError, Verified};

use crate::backend::Backend;

/// The name of the folder, what is in it, and whether it is of an older version than this one.
const SCHEMAS: [(&str, Verified); 2] = [
    ("m0001", Verified { accounts: 1, states: 2, commits: 5, records: 62, problems: 0 }),
    // With the sessions of its devices.
    ("m0002", Verified { accounts: 1, states: 2, commits: 3, records: 61, problems: 0 }),
];

pub(crate) async fn every_schema_is_brought_up_to_this_version_with_its_data(backend: &Backend) {
    for (name, content) in SCHEMAS {
        let backend = (backend.another)();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemas").join(name);
        load(&backend, &folder).await;
        let config = backend.config();
        if !backend.is_one_folder() {
            let refused = Store::open(&config).await.err().unwrap();
            assert!(matches!(refused, StoreError::OlderSchema { .. }), "{refused:?}");
        }
        // What only reads can read it as it is.
        assert_verified(&Store::look(&config).await.unwrap(), content).await;
        Store::migrate(&config).await.unwrap();
        Store::migrate(&config).await.unwrap();
        let store = Store::open(&config).await.unwrap();
        assert_verified(&store, content).await;
        assert_ready_to_sign_in(&backend, &store).await;
        if name == "m0001" {
            // What has never been compacted is not compacted at the start, all of it at once.
            assert_eq!(store.compact_next(0).await.unwrap(), None);
        }
        while store.compact_next(u64::from(u32::MAX)).await.unwrap().is_some() {}
        assert_verified(&store, content).await;
        store.close().await;
        let elsewhere = (backend.another)();
        let restored = elsewhere.open().await;
        restored.restore(&folder).await.unwrap();
        assert_verified(&restored, content).await;
    }
}

/// Accounts and sessions of before have what signing in asks of them now.
async fn assert_ready_to_sign_in(backend: &Backend, store: &Store) {
    const UNKNOWN: &str = "SELECT COUNT(*) FROM session s WHERE NOT EXISTS (SELECT 1 FROM known_device k \
         WHERE k.account_id = s.account_id AND k.device_id = s.device_id)";
    const NAMELESS: &str = "SELECT COUNT(*) FROM account WHERE pseudonym_key IS NULL";
    let login = store.login("ada@example.org").await.unwrap().unwrap();
    let ways = store.ways(login.claim.account_id()).await.unwrap();
    assert!(ways.login_password && !ways.link && !ways.totp && !ways.approve_devices);
    assert_eq!(backend.count(UNKNOWN).await, 0, "who was signed in is no new device");
    assert_eq!(backend.count(NAMELESS).await, 0);
}

async fn load(backend: &Backend, folder: &Path) {
    let data = backend.config().data;
    fs::create_dir_all(&data).unwrap();
    match backend.config().database {
        DatabaseConfig::File => {
            fs::copy(folder.join("etui.db"), data.join("etui.db")).unwrap();
        }
        DatabaseConfig::Postgres(_) => {
            backend.execute(&fs::read_to_string(folder.join("postgres.sql")).unwrap()).await;
        }
    }
    for segment in fs::read_dir(folder.join("objects/segments")).unwrap() {
        let segment = segment.unwrap();
        let name = segment.file_name().into_string().unwrap();
        backend.put_object(&format!("segments/{name}"), fs::read(segment.path()).unwrap()).await;
    }
}

async fn assert_verified(store: &Store, content: Verified) {
    let mut problems = Vec::new();
    let verified = store.verify(&mut |problem| problems.push(problem.to_string())).await.unwrap();
    assert_eq!((verified, problems), (content, Vec::new()));
}

//! What the server sent and was refused. It is kept for a person to look at; nothing of it is ever used or sent.

use etui_chain::Digest;
use rusqlite::params;

use super::{Store, doing};
use crate::{ClientError, PutAside, evidence::Evidence};

/// What all of it may take. The oldest goes first.
const MAX_BYTES: i64 = 64 << 20;
/// What a row counts for beyond the bytes in it.
const ROW_BYTES: i64 = 1 << 10;

impl Store {
    /// Puts an answer aside; one that was refused for the same reason before is only counted.
    pub(crate) fn put_aside(
        &self,
        at_ms: u64,
        refusal: &str,
        found: &str,
        evidence: &Evidence,
    ) -> Result<(), ClientError> {
        const INSERT: &str = "INSERT INTO put_aside VALUES (NULL, ?1, ?2, ?2, 1, ?3, ?4, ?5, ?6, ?7) \
            ON CONFLICT (digest) DO UPDATE SET last_ms = excluded.last_ms, times = times + 1";
        const DROP_OLDEST: &str = "DELETE FROM put_aside WHERE id IN (SELECT id FROM (\
            SELECT id, SUM(length(bytes) + ?1) OVER (ORDER BY last_ms DESC, id DESC) AS total FROM put_aside\
            ) WHERE total > ?2)";
        let (asked, bytes) = (evidence.asked(), evidence.bytes());
        let identity = [refusal.as_bytes(), &[0], found.as_bytes(), &[0], asked.as_bytes(), &[0], bytes];
        let digest = Digest::of(&identity);
        let row = params![
            digest.as_bytes(),
            at_ms.cast_signed(),
            refusal,
            found,
            asked,
            evidence.length_bytes().cast_signed(),
            bytes
        ];
        self.0
            .execute(INSERT, row)
            .and_then(|_| self.0.execute(DROP_OLDEST, params![ROW_BYTES, MAX_BYTES]))
            .map(|_| ())
            .map_err(doing("saving"))
    }

    /// How many different answers were put aside.
    pub(crate) fn count_put_aside(&self) -> Result<usize, ClientError> {
        let count = self.0.query_row("SELECT count(*) FROM put_aside", [], |row| row.get::<_, i64>(0));
        count.map(|count| usize::try_from(count).unwrap_or_default()).map_err(doing("reading"))
    }

    /// All that was put aside, oldest first, without the bytes.
    pub(crate) fn all_put_aside(&self) -> Result<Vec<PutAside>, ClientError> {
        const SELECT: &str = "SELECT id, first_ms, last_ms, times, refusal, found, asked, length, length(bytes) \
            FROM put_aside ORDER BY id";
        self.0
            .prepare_cached(SELECT)
            .and_then(|mut statement| {
                statement
                    .query_map([], |row| {
                        let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
                        Ok(PutAside {
                            id: number(0)?,
                            first_ms: number(1)?,
                            last_ms: number(2)?,
                            times: number(3)?,
                            refusal: row.get(4)?,
                            found: row.get(5)?,
                            asked: row.get(6)?,
                            length_bytes: number(7)?,
                            kept_bytes: number(8)?,
                        })
                    })?
                    .collect()
            })
            .map_err(doing("reading"))
    }

    /// The bytes of one of them.
    pub(crate) fn put_aside_bytes(&self, id: u64) -> Result<Vec<u8>, ClientError> {
        self.0
            .query_row("SELECT bytes FROM put_aside WHERE id = ?1", [id.cast_signed()], |row| row.get(0))
            .map_err(doing("reading"))
    }

    /// Forgets all of it.
    pub(crate) fn clear_put_aside(&self) -> Result<(), ClientError> {
        self.0.execute("DELETE FROM put_aside", []).map(|_| ()).map_err(doing("saving"))
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    fn store() -> Store {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(super::super::SCHEMA).unwrap();
        Store(connection)
    }

    fn answer(byte: u8, length: usize) -> Evidence {
        let mut evidence = Evidence::default();
        evidence.begin("GET /v1/states");
        evidence.add(&vec![byte; length]);
        evidence
    }

    #[test]
    fn the_same_answer_refused_again_is_counted_and_not_kept_twice() {
        let store = store();
        store.put_aside(1, "forged", "bytes", &answer(1, 100)).unwrap();
        store.put_aside(2, "forged", "bytes", &answer(1, 100)).unwrap();
        store.put_aside(3, "forged", "bytes", &answer(2, 100)).unwrap();
        store.put_aside(4, "missing", "bytes", &answer(1, 100)).unwrap();
        let all = store.all_put_aside().unwrap();
        assert_eq!(all.iter().map(|aside| aside.times).collect::<Vec<_>>(), [2, 1, 1]);
        assert_eq!((all[0].first_ms, all[0].last_ms, all[0].kept_bytes), (1, 2, 100));
        assert_eq!(store.put_aside_bytes(all[1].id).unwrap(), [2; 100]);
        assert_eq!(store.count_put_aside().unwrap(), 3);
        store.clear_put_aside().unwrap();
        assert_eq!(store.count_put_aside().unwrap(), 0);
    }

    #[test]
    fn the_oldest_makes_room() {
        let store = store();
        for byte in 0..6 {
            store.put_aside(u64::from(byte), "forged", "bytes", &answer(byte, 12 << 20)).unwrap();
        }
        let all = store.all_put_aside().unwrap();
        assert_eq!(all.iter().map(|aside| aside.first_ms).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
        let kept: u64 = all.iter().map(|aside| aside.kept_bytes).sum();
        assert!(kept <= MAX_BYTES.cast_unsigned());
    }
}

use super::caller::KeyRecord;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How long a key's record is believed. A revoked key lives on for at most this long in an
/// instance that has just seen it.
const FRESH_US: i64 = 5_000_000;
/// Records kept at once; when they are too many, all are forgotten.
const MOST: usize = 1_000;

type Digest = [u8; 32];

/// The records of keys seen lately, by the key's SHA-256. Unknown keys are not remembered, so a
/// new key works at once and strangers cannot fill the map.
#[derive(Default)]
pub(crate) struct KeyCache {
    records: Mutex<HashMap<Digest, (i64, Arc<KeyRecord>)>>,
}

impl KeyCache {
    pub(super) fn get(&self, digest: &Digest, now_us: i64) -> Option<Arc<KeyRecord>> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let (seen_us, record) = records.get(digest)?;
        (now_us - seen_us < FRESH_US).then(|| Arc::clone(record))
    }

    pub(super) fn put(&self, digest: Digest, now_us: i64, record: Arc<KeyRecord>) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        if records.len() >= MOST {
            records.clear();
        }
        records.insert(digest, (now_us, record));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::caller::tests::record;

    #[test]
    fn a_record_is_believed_for_five_seconds() {
        let cache = KeyCache::default();
        cache.put([1; 32], 0, Arc::new(record()));
        assert!(cache.get(&[1; 32], FRESH_US - 1).is_some());
        assert!(cache.get(&[1; 32], FRESH_US).is_none());
        assert!(cache.get(&[2; 32], 0).is_none());
    }

    #[test]
    fn the_cache_is_bounded() {
        let cache = KeyCache::default();
        for n in 0..=MOST {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&n.to_le_bytes());
            cache.put(digest, 0, Arc::new(record()));
        }
        assert!(cache.records.lock().unwrap().len() <= MOST);
    }
}

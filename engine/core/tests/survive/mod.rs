//! Any bytes as a file of the store or a lock file: refused or read, without a panic. `make fuzz` and the test of the
//! seeds share this.

use mixmake_core::holder::Holder;
use mixmake_core::lock::Lock;
use mixmake_core::memory::Snapshot;
use mixmake_core::record::{self, ActionResult, Kept, Record, Request};

/// `data` as a whole file, and as what is under a seal: whoever wrote a wrong record can have sealed it.
pub fn record(data: &[u8]) {
    one::<ActionResult>(data);
    one::<Request>(data);
    one::<Kept>(data);
    one::<Holder>(data);
    one::<Snapshot>(data);
}

fn one<R: Record>(data: &[u8]) {
    let _ = record::decode::<R>(data);
    let Ok(read) = record::decode::<R>(&record::seal(R::MAGIC, data)) else { return };
    // What was read can be written and read again, to the same bytes.
    let Ok(bytes) = record::encode(&read) else { return };
    let again = record::decode::<R>(&bytes).expect("just written");
    assert_eq!(record::encode(&again).ok(), Some(bytes));
}

/// `data` as a lock file, which people merge.
pub fn lock(data: &[u8]) {
    let Ok(lock) = Lock::parse(&String::from_utf8_lossy(data)) else { return };
    let again = Lock::parse(&lock.to_text()).expect("just written");
    assert_eq!(again, lock);
}

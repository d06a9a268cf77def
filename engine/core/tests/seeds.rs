//! What `make fuzz` starts from, and what it has found, as an ordinary test.

mod survive;

fn check(folder: &str, least: usize, survive: fn(&[u8])) {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(folder);
    let seeds: Vec<_> = std::fs::read_dir(folder).expect("seeds").collect();
    assert!(seeds.len() >= least, "{} seeds", seeds.len());
    for seed in seeds {
        survive(&std::fs::read(seed.expect("listed").path()).expect("read"));
    }
}

#[test]
fn seeds_are_survived() {
    // One for each record.
    check("record", 5, survive::record);
    check("lock", 2, survive::lock);
}

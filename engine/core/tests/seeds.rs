//! What `make fuzz` starts from, and what it has found, as an ordinary test.

mod survive;

#[test]
fn seeds_are_survived() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/record");
    let seeds: Vec<_> = std::fs::read_dir(folder).expect("seeds").collect();
    assert!(seeds.len() >= 5, "a seed for each record");
    for seed in seeds {
        survive::record(&std::fs::read(seed.expect("listed").path()).expect("read"));
    }
}

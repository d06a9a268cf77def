//! What `make fuzz` starts from, and what it has found, as an ordinary test.

mod survive;

fn each(target: &str, body: impl Fn(&[u8])) {
    let folder =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(folder).expect("seeds") {
        body(&std::fs::read(entry.expect("listed").path()).expect("read"));
        count += 1;
    }
    assert!(count > 0, "no seeds for {target}");
}

#[test]
fn seeds_are_survived() {
    each("pair", survive::pair);
    each("sidecar", survive::sidecar);
}

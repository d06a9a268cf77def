//! What `make fuzz` starts from, and what it has found, as an ordinary test.

mod survive;

#[test]
fn seeds_are_survived() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut count = 0;
    for folder in ["fuzz/seeds/manifest", "manifests"] {
        for entry in std::fs::read_dir(root.join(folder)).expect("seeds") {
            let path = entry.expect("listed").path();
            if path.is_file() {
                survive::manifest(&std::fs::read(path).expect("read"));
                count += 1;
            }
        }
    }
    assert!(count >= 4, "only {count} seeds");
}

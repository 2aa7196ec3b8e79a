//! Every valid fixture is proved: whatever of it fails or is lost, it comes to one end, and to the same.

#![expect(clippy::disallowed_methods, reason = "fixtures are files")]

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use catena_spec::{Files, Source, check};
use catena_testkit::proof::prove;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../");

struct Folder(PathBuf);

impl Files for Folder {
    fn folder(&self) -> Option<&Path> {
        Some(&self.0)
    }

    fn read(&self, path: &Path, _limit: usize) -> io::Result<Vec<u8>> {
        fs::read(Path::new(ROOT).join(path))
    }
}

#[test]
fn every_valid_chain_is_proved() {
    let folder = Path::new("fixtures/chains/valid");
    let mut proved = 0;
    for entry in fs::read_dir(Path::new(ROOT).join(folder)).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_file() {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap();
        let source = Source::from_bytes(name, &fs::read(&path).unwrap());
        // What this version only knows has no chain yet.
        let Some(chain) = check(&source, &Folder(folder.to_owned())).chain else { continue };
        let proof = prove(&Arc::new(chain));
        eprintln!("{name}: {} runs, {} recoveries", proof.runs, proof.recoveries);
        proved += 1;
    }
    assert!(proved > 10, "the fixtures are looked for in the wrong place");
}

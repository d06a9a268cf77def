//! `init`: writes a small commented manifest that runs on text which most machines have.

use std::fs::OpenOptions;
use std::io::{self, Write};

use crate::cli::{Global, Init};
use crate::error::{Error, Exit, Result};
use crate::ui::print;

pub fn run(global: &Global, args: &Init) -> Result<Exit> {
    let path = &global.manifest;
    let mut options = OpenOptions::new();
    options.write(true);
    let opened = if args.force {
        options.create(true).truncate(true).open(path)
    } else {
        options.create_new(true).open(path)
    };
    let written =
        opened.and_then(|mut file| file.write_all(mixmake_manifest::init_template().as_bytes()));
    match written {
        Ok(()) => {
            print(&format!(
                "wrote `{}`: read it, then `mixmake plan` and `mixmake run`",
                path.display()
            ));
            Ok(Exit::Success)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(Error::usage(format!("`{}` is there already", path.display()))
                .hint("`--force` replaces it"))
        }
        Err(error) => Err(Error::internal(format!("cannot write `{}`: {error}", path.display()))),
    }
}

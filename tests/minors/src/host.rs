//! A host that was built before the API had its minor version 1: it loads the files that it is given, and says how each
//! fared.

use std::path::Path;

fn main() {
    for path in std::env::args().skip(1) {
        let Some(plugin) = pleach::plugins::at(Path::new(&path)) else {
            println!("there is no {path}");
            continue;
        };
        match pleach_worker::load(&plugin.file()) {
            Ok(name) => println!("loaded {name} into a host of API {}", plugin_api::API),
            Err(e) => println!("{e}"),
        }
    }
}

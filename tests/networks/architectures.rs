//! Architectures as data: printed and read, nested, shared, open.

use plugin_api::prelude::*;
use plugin_api::serde_json;

use crate::support::{Dice, graphs, images, session};

#[test]
fn an_architecture_printed_and_read_is_the_same() {
    for seed in 0..20 {
        let mut dice = Dice::new(seed);
        for arch in [images(&mut dice), graphs(&mut dice)] {
            let text = serde_json::to_string(&arch).unwrap();
            assert_eq!(serde_json::from_str::<Arch>(&text).unwrap(), arch);
            let whole = session(
                arch.clone(),
                if arch.inputs.contains("graph") { 2 } else { 3 },
                0,
            );
            assert_eq!(whole.unwrap().arch().unwrap(), arch);
        }
    }
}

//! The layer that the README shows is the one with which a new plugin begins, which is built, tested and run in `new.rs`.

use std::fs;

use pleach_tests::root;

#[test]
fn the_layer_of_the_readme_is_the_one_that_is_made() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let (page, made) = (read("README.md"), read("host/templates/src/layer.rs"));
    let (_, shown) = page
        .split_once("```rust\n")
        .expect("the README shows a component");
    let (shown, _) = shown.split_once("```").expect("a block ends");
    assert!(
        shown.contains("#[component(") && made.ends_with(shown),
        "the README shows\n{shown}\nand what is made is\n{made}"
    );
}

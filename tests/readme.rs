//! The plugin that the README shows: it is built as it stands there, loaded, and used.

use std::fs;
use std::path::Path;
use std::process::Command;

use pleach_tests::{Place, both, built, root};

/// The first fenced block of this language that holds `mark`.
fn block<'a>(page: &'a str, language: &str, mark: &str) -> &'a str {
    let fence = format!("```{language}");
    page.split(&fence)
        .skip(1)
        .filter_map(|rest| rest.split_once('\n')?.1.split_once("```"))
        .map(|(block, _)| block)
        .find(|block| block.contains(mark))
        .unwrap_or_else(|| panic!("README.md shows no {language} block with `{mark}`"))
}

#[test]
fn the_plugin_of_the_readme_builds_loads_and_trains() {
    let page = fs::read_to_string(root().join("README.md")).unwrap();
    let api = root().join("plugin-api");
    let manifest =
        block(&page, "toml", "[package]").replace("../pleach/plugin-api", api.to_str().unwrap());
    assert!(manifest.contains(api.to_str().unwrap()), "{manifest}");
    let profile = shared_profile(&fs::read_to_string(root().join("Cargo.toml")).unwrap());

    let place = Place::new(
        "task = 'baselines/digits'\n[[stage]]\nname = 'scaled'\narch = 'scaled.json'\ntrain = { use = 'baselines/backprop', epochs = 30 }\n",
    );
    let author = place.folder.path().join("scale");
    fs::create_dir_all(author.join("src")).unwrap();
    fs::write(
        author.join("Cargo.toml"),
        format!("{manifest}\n[workspace]\n{profile}"),
    )
    .unwrap();
    fs::write(author.join("src/lib.rs"), block(&page, "rust", "plugin!")).unwrap();
    // The versions that this repository was tested with.
    fs::copy(root().join("Cargo.lock"), author.join("Cargo.lock")).unwrap();

    // In cargo's own target folder, so that libtorch's bindings are not built once more.
    let target = built();
    let target = target.parent().unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["build", "--offline"])
        .env("CARGO_TARGET_DIR", target)
        .current_dir(&author)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", both(&output));
    let plugins = place.folder.path().join("plugins");
    fs::create_dir(&plugins).unwrap();
    let made = built().join("libscale.so");
    fs::copy(&made, plugins.join("libscale.so")).unwrap();
    // Beside the programs it would be found by every other test.
    fs::remove_file(made).unwrap();

    let shown = block(&page, "text", "opens          ok");
    let seed = shown.rsplit_once("--reproduce ").unwrap().1;
    let seed = seed.split_whitespace().next().unwrap();
    let output = place
        .pleach(&[
            "plugins",
            "check",
            "plugins/libscale.so",
            "--reproduce",
            seed,
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).replace("plugins/", "target/debug/");
    assert_eq!(said, shown, "{}", both(&output));

    fs::write(place.folder.path().join("scaled.json"), arch()).unwrap();
    let run = place.run(&["--plugins", "plugins"]);
    assert!(weights_hold(&run, "scale.scale"));
}

/// The part of a manifest that says how packages are compiled.
fn shared_profile(manifest: &str) -> String {
    manifest[manifest
        .find("[profile.dev]")
        .expect("the workspace sets its profile")..]
        .into()
}

/// Pixels, scaled by the plugin's layer, then a linear map.
fn arch() -> &'static str {
    r#"{"version":1,"inputs":{"x":[{"name":"batch"},{"name":"features","size":64}]},"nodes":[
        {"name":"scale","inputs":{"x":"in.x"},"layer":{"use":"scale/scale"}},
        {"name":"linear","inputs":{"x":"scale.x"},"layer":{"use":"baselines/linear","out":10}}],
        "outputs":{"y":"linear.x"}}"#
}

fn weights_hold(run: &Path, path: &str) -> bool {
    let (_, file) = &pleach_tests::weights(run)[0];
    safetensors::SafeTensors::deserialize(file)
        .unwrap()
        .tensor(path)
        .is_ok()
}

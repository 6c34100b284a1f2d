//! A crate with every role, as `pleach new` makes it.

use std::fs;
use std::path::Path;
use std::process::Command;

use pleach_tests::{Place, both, built, root};
use serde_json::Value;

macro_rules! names {
    ($($role:ident $obj:ident $name:ident),* $(,)?) => {
        /// Every role that there is.
        const ROLES: &[&str] = &[$(stringify!($name)),*];
    };
}
plugin_api::each_role!(names);

const NAME: &str = "every-role";

/// What the command prints; cargo's own output is no part of it.
fn done(command: &mut Command) -> String {
    let output = command.env_remove("CARGO_TARGET_DIR").output().unwrap();
    let said = both(&output);
    assert!(output.status.success(), "{command:?}\n{said}");
    assert!(!said.contains("warning:"), "{command:?}\n{said}");
    String::from_utf8(output.stdout).unwrap()
}

fn cargo(folder: &Path, arguments: &[&str]) -> String {
    done(
        Command::new(env!("CARGO"))
            .args(arguments)
            .current_dir(folder),
    )
}

#[test]
fn a_crate_with_every_role_builds_is_tested_and_runs() {
    let place = Place::new("");
    let library = built().join("deps/libevery_role.so");
    // An earlier run has left it, and with it the name would be taken.
    let _ = fs::remove_file(&library);
    let roles = ROLES.join(",");
    let made = ["new", NAME, "--role", &roles, "--api"];
    let made = [&made[..], &[root().to_str().unwrap()]].concat();
    done(&mut place.pleach(&made));
    let folder = place.folder.path().join(NAME);

    cargo(&folder, &["fmt", "--check"]);
    cargo(&folder, &["build", "--offline"]);
    let tested = cargo(&folder, &["test", "--offline"]);
    for role in ROLES {
        assert!(
            tested.contains(&format!("test {role}::")),
            "{role} has no test\n{tested}"
        );
    }

    let here = |arguments: &[&str]| {
        let arguments = [arguments, &["--plugins", "target/debug"]].concat();
        done(place.pleach(&arguments).current_dir(&folder))
    };
    let card: Value = serde_json::from_str(&here(&["plugins", "info", NAME, "--json"])).unwrap();
    let components = card["components"].as_array().unwrap();
    let of_role = |role: &&str| components.iter().any(|c| c["role"] == **role);
    assert!(
        ROLES.iter().all(of_role) && components.len() == ROLES.len(),
        "{card}"
    );
    here(&["run", "examples/experiment.toml"]);
    // It names every component, so that none is left out of what was run.
    let experiment = fs::read_to_string(folder.join("examples/experiment.toml")).unwrap();
    for component in components {
        let name = format!("\"{NAME}/{}\"", component["name"].as_str().unwrap());
        assert!(experiment.contains(&name), "{name} is not in\n{experiment}");
    }

    // A second one of this name, elsewhere, would be taken for the first.
    let elsewhere = Place::new("");
    let output = elsewhere.pleach(&made).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", both(&output));
    assert!(
        both(&output).contains(&format!(
            "no plugin can be called `{NAME}`\n  found     {}",
            library.display()
        )),
        "{}",
        both(&output)
    );
    assert!(!elsewhere.folder.path().join(NAME).exists());
}

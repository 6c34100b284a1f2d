//! The conformance kit, held to plugins that are good and to one that is bad in every way that the kit knows.

use std::process::Command;
use std::sync::LazyLock;

use expect_test::{Expect, expect};
use pleach::protocol::{Checked, Verdict};
use pleach_tests::{Place, both, built};
use serde::Deserialize;

/// What `--json` prints.
#[derive(Deserialize)]
struct Report {
    seed: u64,
    checks: Vec<Checked>,
}

fn report(command: &mut Command) -> Report {
    let output = command.output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}\n{}", both(&output)))
}

/// A check of the faulty plugin, with these arguments.
fn faulty(place: &Place, arguments: &[&str]) -> Command {
    let fixed = [
        "plugins",
        "check",
        "plugins/libfaulty.so",
        "--reproduce",
        "0",
    ];
    place.pleach(&[&fixed, arguments].concat())
}

/// All checks of the faulty plugin: those that must end are given three seconds.
static FAULTY: LazyLock<Vec<Checked>> = LazyLock::new(|| {
    let place = Place::new("").with_faulty();
    report(&mut faulty(&place, &["--json", "--seconds", "3"])).checks
});

/// What the kit says of a component where it does not pass: the verdict, the input, the error.
fn says(checks: &[Checked]) -> String {
    let text = |checked: &Checked| {
        let (verdict, finding) = match &checked.verdict {
            Verdict::Failed(finding) => ("failed", finding),
            Verdict::Crashed(finding) => ("crashed", finding),
            Verdict::TimedOut(finding) => ("timed out", finding),
            Verdict::Exempt { reason } => {
                return Some(format!("{}: exempt: {reason}", checked.check));
            }
            Verdict::Skipped { reason } => {
                return Some(format!("{}: skipped: {reason}", checked.check));
            }
            Verdict::Ok => return None,
        };
        let input = finding.input.as_deref().unwrap_or("none");
        Some(format!(
            "{}: {verdict}\ninput: {input}\n{}",
            checked.check, finding.error
        ))
    };
    checks
        .iter()
        .filter_map(text)
        .collect::<Vec<_>>()
        .join("\n")
}

fn check(component: &str, expected: Expect) {
    let name = format!("faulty/{component}");
    let of = |checked: &&Checked| checked.component.as_ref() == Some(&name);
    let checks: Vec<Checked> = FAULTY.iter().filter(of).cloned().collect();
    assert!(checks.len() >= 8, "{component}: {checks:?}");
    expected.assert_eq(&says(&checks));
}

#[test]
fn each_bad_component_fails_its_own_check() {
    check("undescribed", expect![[]]);
    check("out-of-range", expect![[]]);
    check("careless", expect![[]]);
    check("boastful", expect![[]]);
    check("moody", expect![[]]);
    check("meddling", expect![[]]);
    check("straight-through", expect![[]]);
    check("sign", expect![[]]);
    check("trusting", expect![[]]);
    check("endless", expect![[]]);
    check("loud", expect![[]]);
}

#[test]
fn components_that_are_only_bad_on_request_pass() {
    for component in ["faulty", "faulty-scorer", "faulty-strategy"] {
        check(component, expect![[""]]);
    }
}

#[test]
fn opening_a_file_must_change_nothing() {
    let place = Place::new("").with_faulty();
    let check = |how: &str, expected: Expect| {
        let mut command = faulty(&place, &["--json", "--include", "faulty/opens"]);
        let checks = report(command.env("FAULTY_OPENING", how)).checks;
        assert_eq!(checks.len(), 1, "{how}: {checks:?}");
        expected.assert_eq(&says(&checks));
    };
    check("print", expect![[]]);
    check("thread", expect![[]]);
    check("folder", expect![[]]);
    check("variable", expect![[]]);
    check("abort", expect![[]]);
    check("nothing-known", expect![[]]);
}

/// A library that not every host has is found before the loader looks for it.
#[test]
fn a_plugin_may_need_only_what_every_host_has() {
    let place = Place::new("").with_faulty();
    let file = place.folder.path().join("plugins/libfaulty.so");
    let mut bytes = std::fs::read(&file).unwrap();
    let name = b"libm.so.6\0";
    let place_of_name = bytes.windows(name.len()).position(|w| w == name).unwrap();
    bytes[place_of_name..][..name.len()].copy_from_slice(b"libq.so.6\0");
    std::fs::write(&file, bytes).unwrap();
    let checks = report(&mut faulty(&place, &["--json"])).checks;
    expect![[]].assert_eq(&says(&checks));
}

/// A file that is no plugin fails like one that is bad.
#[test]
fn a_file_that_cannot_be_loaded_fails() {
    let place = Place::new("").with_faulty();
    let file = place.folder.path().join("plugins/libfaulty.so");
    std::fs::write(&file, "text").unwrap();
    let checks = report(&mut faulty(&place, &["--json"])).checks;
    let folder = place.folder.path().canonicalize().unwrap();
    expect![[]].assert_eq(&says(&checks).replace(folder.to_str().unwrap(), "DIR"));
}

#[test]
fn prints_a_list_and_repeats_a_seed() {
    let place = Place::new("").with_faulty();
    let run = |arguments: &[&str], code: i32| {
        let output = faulty(&place, arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", both(&output));
        both(&output).replace(
            place
                .folder
                .path()
                .canonicalize()
                .unwrap()
                .to_str()
                .unwrap(),
            "DIR",
        )
    };
    expect![[]].assert_eq(&run(&["--include", "faulty/*th*/gradients"], 1));
    expect![[]].assert_eq(&run(&["--include", "straight-through", "--only-failed"], 1));
    expect![[]].assert_eq(&run(&["--include", "loud/shapes"], 0));
    expect![[]].assert_eq(&run(&["--include", "no such check"], 2));

    // Without a seed there is a new one each time, which is printed; with it the same numbers are met again.
    let mut command = place.pleach(&[
        "plugins",
        "check",
        "plugins/libfaulty.so",
        "--json",
        "--include",
        "straight-through/gradients",
    ]);
    let (first, second) = (report(&mut command), report(&mut command));
    assert_ne!(first.seed, second.seed);
    assert_ne!(first.checks, second.checks);
    let again = report(command.args(["--reproduce", &first.seed.to_string()]));
    assert_eq!(first.checks, again.checks);
}

/// What is shipped passes on other inputs than its own tests try, or says why not.
#[test]
fn the_plugins_of_this_repository_pass() {
    let place = Place::new("");
    for name in ["baselines", "dgmlp", "mixhop"] {
        let file = built().join(format!("lib{name}.so"));
        let arguments = [
            "plugins",
            "check",
            file.to_str().unwrap(),
            "--reproduce",
            "1",
            "--json",
        ];
        let checks = report(&mut place.pleach(&arguments)).checks;
        assert!(checks.len() > 9, "{name}: {checks:?}");
        assert_eq!(says(&checks), "", "{name}");
    }
}

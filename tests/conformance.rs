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

/// All checks of the faulty plugin: those that do not end are given five seconds.
static FAULTY: LazyLock<Vec<Checked>> = LazyLock::new(|| {
    let place = Place::new("").with_faulty();
    report(&mut faulty(&place, &["--json", "--seconds", "5"])).checks
});

/// The text without the name of the test's own folder.
fn nameless(place: &Place, text: &str) -> String {
    let folder = place.folder.path().canonicalize().unwrap();
    text.replace(folder.to_str().unwrap(), "DIR")
}

/// What the kit says of a component where it does not pass: the verdict, the input, the error.
fn says<'a>(checks: impl IntoIterator<Item = &'a Checked>) -> String {
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
        .into_iter()
        .filter_map(text)
        .collect::<Vec<_>>()
        .join("\n")
}

/// Whether a layer was not held to what it exports, as it exports nothing.
fn is_unwritten(checked: &Checked) -> bool {
    checked.verdict
        == Verdict::Skipped {
            reason: "it does not say how PyTorch writes it".into(),
        }
}

fn check(component: &str, expected: Expect) {
    let name = format!("faulty/{component}");
    let of = |checked: &&Checked| checked.component.as_ref() == Some(&name);
    let checks: Vec<Checked> = FAULTY.iter().filter(of).cloned().collect();
    assert!(checks.len() >= 7, "{component}: {checks:?}");
    expected.assert_eq(&says(
        checks.iter().filter(|checked| !is_unwritten(checked)),
    ));
}

#[test]
fn each_bad_component_fails_its_own_check() {
    check(
        "undescribed",
        expect![[r#"
        described: failed
        input: none
        the component has no doc
          help: say above the struct what it does: users read it"#]],
    );
    check(
        "out-of-range",
        expect![[r#"
        defaults: failed
        input: none
        a default does not pass the schema that it stands in
          caused by `rate`: 2.0 is greater than or equal to the maximum of 1
        refuses: skipped: it does not pass `defaults`
        shapes: skipped: it does not pass `defaults`
        deterministic: skipped: it does not pass `defaults`
        pure: skipped: it does not pass `defaults`
        gradients: skipped: it does not pass `defaults`
        hostile: skipped: it does not pass `defaults`
        quiet: skipped: it does not pass `defaults`
        exported: skipped: it does not pass `defaults`"#]],
    );
    check(
        "careless",
        expect![[r#"
        refuses: failed
        input: no-such-parameter = 1
        parameter `no-such-parameter` is taken as it is
          expected  an error that names it
          help: declare it by `#[component]` and `#[param(range = …)]`, which check it"#]],
    );
    check(
        "boastful",
        expect![[r#"
        shapes: failed
        input: features: x [5, 8]
        output `x` is not as `shapes` promised
          found     [5, 8]
          expected  [batch, 16]"#]],
    );
    check(
        "moody",
        expect![[r#"
        deterministic: failed
        input: features: x [5, 8]
        another process computes something else from the same seed and input
          help: draw from `stream(seed, name)`; addresses, clocks, process ids and the order of hash maps differ"#]],
    );
    check(
        "meddling",
        expect![[r#"
        pure: failed
        input: features: x [5, 8]
        the call writes in place into `input x`
          expected  nothing changes that is lent to it
          help: methods whose names end in `_` write in place, through every other handle too: use those that return a new tensor"#]],
    );
    check(
        "straight-through",
        expect![[r#"
        gradients: failed
        input: features: x [5, 8]
        the gradient along `input x` is wrong
          found     -9.589e-1
          expected  0.000e0, by finite differences
          help: where that is by design, say so with its reason: `exempt(gradients = "…")` in `#[component]`"#]],
    );
    check(
        "sign",
        expect!["gradients: exempt: a straight-through estimator"],
    );
    check(
        "trusting",
        expect![[r#"
        hostile: crashed
        input: features: x [5, 8], but `input x` is empty
        `faulty/trusting`: died of SIGSEGV"#]],
    );
    check(
        "endless",
        expect![[r#"
        hostile: timed out
        input: features: x [5, 8], but `input x` is NaN
        `faulty/endless`: ran longer than 5 s and was killed"#]],
    );
    check(
        "loud",
        expect![[r#"
        quiet: failed
        input: features: x [5, 8]
        the call prints
          found     forward
          expected  nothing on standard output and standard error
          help: use `plugin_api::tracing`: the host decides what is shown"#]],
    );
    check(
        "mistranslated",
        expect![[r#"
        exported: failed
        input: features: x [5, 8], float32
        output `x` of what is exported has other numbers than the layer's
          found     6.278054714202881e0
          expected  3.1390273571014404e0"#]],
    );
    check(
        "misspelt",
        expect![[r#"
        exported: failed
        input: features: x [5, 8], float32
        TorchScript does not take what is exported
          help: `Layer::export` says what a body may use
          caused by libtorch: 'Tensor' object has no attribute or method 'clonee'.:
          File "<string>", line 3
        def forward(self, x: Tensor):
            y = x
            return y.clonee()
                   ~~~~~~~~ <--- HERE"#]],
    );
    check(
        "misnamed",
        expect![[r#"
        exported: failed
        input: features: x [5, 8]
        the ONNX of the network is not sound, line 1
          caused by `Copy` is no operator that a layer may use
          expected  one of ONNX's operators, opset 18"#]],
    );
    check(
        "misshapen",
        expect![[r#"
        exported: failed
        input: features: x [5, 8], float32
        output `x` of what is exported has another shape or kind than the layer's
          found     Float [1, 5, 8]
          expected  Float [5, 8]"#]],
    );
}

/// A layer need not take every input, but says itself which it does not: what libtorch says of one is no refusal.
#[test]
fn a_layer_that_has_libtorch_refuse_an_input_fails() {
    let is_it = |checked: &&Checked| {
        checked.component.as_deref() == Some("faulty/unwary") && checked.check == "shapes"
    };
    let checked = FAULTY.iter().find(is_it).cloned();
    expect![[r#"
        shapes: failed
        input: features: x [5, 8]
        `faulty/unwary`: libtorch: Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got CPUFloatType instead (while checking arguments for embedding)"#]]
    .assert_eq(&says(&Vec::from_iter(checked)));
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
        expected.assert_eq(&nameless(&place, &says(&checks)));
    };
    check(
        "print",
        expect![[r#"
        opens: failed
        input: none
        opening the file prints
          found     opened
          expected  nothing on standard output and standard error
          help: use `plugin_api::tracing`: the host decides what is shown"#]],
    );
    check(
        "thread",
        expect![[r#"
        opens: failed
        input: none
        opening the file starts threads
          found     1 more
          help: start them in `forward`, `fit` or `score` only: trials are forked from a process with one thread"#]],
    );
    check(
        "folder",
        expect![[r#"
        opens: failed
        input: none
        opening the file changes the working directory
          found     /
          expected  DIR"#]],
    );
    check(
        "variable",
        expect![[r#"
        opens: failed
        input: none
        opening the file changes the environment
          found     FAULTY_WAS_HERE"#]],
    );
    check(
        "abort",
        expect![[r#"
        opens: crashed
        input: none
        died of SIGABRT"#]],
    );
}

/// A library that not every host has is found before the loader looks for it.
#[test]
fn a_plugin_may_need_only_what_every_host_has() {
    let place = Place::new("").with_faulty();
    let file = place.folder.path().join("plugins/libfaulty.so");
    let mut bytes = std::fs::read(&file).unwrap();
    let name = b"libgcc_s.so.1\0";
    let place_of_name = bytes.windows(name.len()).position(|w| w == name).unwrap();
    bytes[place_of_name..][..name.len()].copy_from_slice(b"libgcc_q.so.1\0");
    std::fs::write(&file, bytes).unwrap();
    let checks = report(&mut faulty(&place, &["--json"])).checks;
    expect![[r#"
        opens: failed
        input: none
        DIR/plugins/libfaulty.so cannot be loaded
          caused by needs libraries that not every host has
          found     libgcc_q.so.1
          help: link them into the plugin"#]]
    .assert_eq(&nameless(&place, &says(&checks)));
}

/// A file that is no plugin fails like one that is bad.
#[test]
fn a_file_that_cannot_be_loaded_fails() {
    let place = Place::new("").with_faulty();
    let file = place.folder.path().join("plugins/libfaulty.so");
    std::fs::write(&file, "text").unwrap();
    let checks = report(&mut faulty(&place, &["--json"])).checks;
    expect![[r#"
        opens: failed
        input: none
        DIR/plugins/libfaulty.so cannot be loaded
          caused by not a library
          found     something else
          expected  a 64-bit ELF file"#]]
    .assert_eq(&nameless(&place, &says(&checks)));
}

#[test]
fn prints_a_list_and_repeats_a_seed() {
    let place = Place::new("").with_faulty();
    let run = |arguments: &[&str], code: i32| {
        let output = faulty(&place, arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", both(&output));
        both(&output)
    };
    expect![[r#"
        faulty/straight-through
          gradients      failed
              rule:  first and second derivatives agree with finite differences in float64
              input: features: x [5, 8]
              error: the gradient along `input x` is wrong
                found     -9.589e-1
                expected  0.000e0, by finite differences
                help: where that is by design, say so with its reason: `exempt(gradients = "…")` in `#[component]`
        1 check: 1 failed
        seed 0: --reproduce 0 repeats the inputs

    "#]].assert_eq(&run(&["--include", "faulty/*-th*/gradients"], 1));
    expect![[r#"
        faulty/straight-through
          gradients      failed
              rule:  first and second derivatives agree with finite differences in float64
              input: features: x [5, 8]
              error: the gradient along `input x` is wrong
                found     -9.589e-1
                expected  0.000e0, by finite differences
                help: where that is by design, say so with its reason: `exempt(gradients = "…")` in `#[component]`
        10 checks: 8 ok, 1 failed, 1 skipped
        seed 0: --reproduce 0 repeats the inputs

    "#]].assert_eq(&run(&["--include", "straight-through", "--only-failed"], 1));
    expect![[r#"
        faulty/loud
          shapes         ok
        1 check: 1 ok
        seed 0: --reproduce 0 repeats the inputs

    "#]]
    .assert_eq(&run(&["--include", "loud/shapes"], 0));
    expect![[r#"

        error: no check matches `no such check`
          expected  a part of PLUGIN/COMPONENT/CHECK, or a pattern of it with `*`
    "#]]
    .assert_eq(&run(&["--include", "no such check"], 2));

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

/// These begin with files of the user's, or of data that no plugin carries, or look trials up in them, or with a network
/// that is masked: their own tests hold them to what they promise.
const UNTRIED: [&str; 11] = [
    "baselines/arrays",
    "baselines/cifar10",
    "baselines/graph-links",
    "baselines/graph-nodes",
    "baselines/graphs",
    "baselines/idx-images",
    "baselines/images",
    "baselines/table",
    "baselines/tabular",
    "baselines/tabular-space",
    "lottery-ticket/shuffled",
];

/// Layers that cannot be written in PyTorch: their weights, or the kernel, belong to whatever they are made of.
const UNWRITTEN: [&str; 2] = ["baselines/kernel-machine", "mixhop/low-rank"];

/// What is shipped passes, or says why not.
#[test]
fn the_plugins_of_this_repository_pass() {
    let place = Place::new("");
    for name in ["baselines", "dgmlp", "gradsign", "lottery_ticket", "mixhop"] {
        let file = built().join(format!("lib{name}.so"));
        let arguments = [
            "plugins",
            "check",
            file.to_str().unwrap(),
            "--reproduce",
            "1",
            // None of them hangs, and the machine may be busy.
            "--seconds",
            "600",
            "--json",
        ];
        // With the same data on every machine: none.
        let mut command = place.pleach(&arguments);
        command.env_remove("PLEACH_DATA");
        command.env("XDG_CACHE_HOME", place.folder.path().join("cache"));
        let mut checks = report(&mut command).checks;
        checks.retain(|checked| {
            let is_of = |names: &[&str]| {
                (checked.component.iter()).any(|name| names.contains(&name.as_str()))
            };
            let untried = is_of(&UNTRIED) && matches!(checked.verdict, Verdict::Skipped { .. });
            let unwritten = is_of(&UNWRITTEN) && is_unwritten(checked);
            !(untried || unwritten)
        });
        assert!(checks.len() > 9, "{name}: {checks:?}");
        assert_eq!(says(&checks), "", "{name}");
    }
}

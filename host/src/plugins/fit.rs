//! Whether a plugin fits this host, told from its note and from the libraries that it needs.

use plugin_api_data::{API, Error, LIBTORCH, Note, TCH};

use super::Glibc;

/// The target triple of this host.
pub const TARGET: &str = env!("PLEACH_TARGET");

/// The libraries that a plugin may need: what every host has. What else it uses is linked into it.
pub const LIBRARIES: &[&str] = &[
    "libtorch_cpu.so",
    "libc10.so",
    "libstdc++.so.6",
    "libgcc_s.so.1",
    "libm.so.6",
    "libc.so.6",
    // Before glibc 2.34 these stood apart.
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
];

/// Refuses a plugin that would not load or would not be safe to run.
pub(super) fn check(note: &Note) -> Result<(), Error> {
    check_api(&note.api)?;
    check_same("tch", &note.tch, TCH)?;
    check_same("libtorch", &note.libtorch, LIBTORCH)?;
    check_same("target", &note.target, TARGET)?;
    let missing: Vec<&str> = note
        .features
        .split(',')
        .map(str::trim)
        .filter(|f| !machine_has(f))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(
        Error::new("built for a processor that can more than this one")
            .found(format!("it takes {} for granted", missing.join(", ")))
            .help("build the plugin on this machine, or without `-C target-cpu`"),
    )
}

/// Refuses a plugin that the loader could load only where its author's libraries are.
pub(super) fn check_needed(needed: &[String]) -> Result<(), Error> {
    let strange: Vec<&str> = needed
        .iter()
        .map(String::as_str)
        .filter(|name| !LIBRARIES.contains(name))
        .collect();
    if strange.is_empty() {
        return Ok(());
    }
    // Their hash names one build of one compiler.
    let is_rusts =
        |name: &&str| name.starts_with("libstd-") || name.starts_with("librustc_driver-");
    let help = if strange.iter().any(is_rusts) {
        "build the plugin without `-C prefer-dynamic`"
    } else if strange.iter().any(|name| name.starts_with("libtorch")) {
        "link libtorch_cpu and libc10 alone, as `plugin_api::tch` does: the host opens CUDA's half where it is wanted"
    } else {
        "link them into the plugin"
    };
    Err(Error::new("needs libraries that not every host has")
        .found(strange.join(", "))
        .help(help))
}

/// Refuses a plugin that needs a newer glibc than this machine has.
pub(super) fn check_glibc(needed: &Glibc) -> Result<(), Error> {
    match Glibc::here() {
        Some(ours) if *needed > ours => Err(Error::new(format!(
            "built for glibc {needed}; this machine has {ours}"
        ))
        .help("build the plugin on a machine whose glibc is as old as this one's")),
        _ => Ok(()),
    }
}

/// Same major, and a minor that this host knows already.
fn check_api(api: &str) -> Result<(), Error> {
    let parse = |s: &str| {
        s.split_once('.').and_then(|(major, minor)| {
            Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
        })
    };
    let help = match (parse(api), parse(API)) {
        (Some((major, minor)), Some((our_major, our_minor))) if major == our_major => {
            if minor <= our_minor {
                return Ok(());
            }
            "update pleach, or rebuild the plugin"
        }
        (Some((major, _)), Some((our_major, _))) if major > our_major => "update pleach",
        _ => "rebuild the plugin for this host",
    };
    Err(Error::new(format!(
        "built for plugin API {api}; this host offers {API}"
    ))
    .help(help))
}

fn check_same(what: &str, found: &str, ours: &str) -> Result<(), Error> {
    if found == ours {
        return Ok(());
    }
    Err(Error::new(format!("built for another {what}"))
        .found(found)
        .expected(ours)
        .help("rebuild the plugin for this host"))
}

/// Whether this processor has a feature, as rustc names it; one that is not known here is left to the loader.
#[cfg(target_arch = "x86_64")]
fn machine_has(feature: &str) -> bool {
    macro_rules! known {
        ($($name:tt)*) => {
            match feature {
                $($name => std::arch::is_x86_feature_detected!($name),)*
                _ => true,
            }
        };
    }
    known! {
        "adx" "aes" "avx" "avx2" "avx512bf16" "avx512bitalg" "avx512bw" "avx512cd" "avx512dq" "avx512f" "avx512ifma"
        "avx512vbmi" "avx512vbmi2" "avx512vl" "avx512vnni" "avx512vpopcntdq" "bmi1" "bmi2" "cmpxchg16b" "f16c" "fma"
        "fxsr" "gfni" "lzcnt" "movbe" "pclmulqdq" "popcnt" "rdrand" "rdseed" "sha" "sse" "sse2" "sse3" "sse4.1" "sse4.2"
        "ssse3" "vaes" "vpclmulqdq" "xsave" "xsavec" "xsaveopt" "xsaves"
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn machine_has(_: &str) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(change: impl FnOnce(&mut Note), expected: Expect) {
        let mut note = Note {
            name: "smooth".into(),
            version: "0.1.0".into(),
            api: API.into(),
            tch: TCH.into(),
            libtorch: LIBTORCH.into(),
            target: TARGET.into(),
            features: "fxsr,sse,sse2,from-the-future".into(),
        };
        change(&mut note);
        expected.assert_eq(
            &super::check(&note)
                .err()
                .map_or("fits".into(), |e| e.to_string()),
        );
    }

    #[test]
    fn notes() {
        check(|_| (), expect!["fits"]);
        check(
            |n| n.api = "1.3".into(),
            expect![[r#"
                built for plugin API 1.3; this host offers 1.1
                  help: update pleach, or rebuild the plugin"#]],
        );
        check(
            |n| n.api = "2.0".into(),
            expect![[r#"
                built for plugin API 2.0; this host offers 1.1
                  help: update pleach"#]],
        );
        check(
            |n| n.api = "0.9".into(),
            expect![[r#"
                built for plugin API 0.9; this host offers 1.1
                  help: rebuild the plugin for this host"#]],
        );
        check(
            |n| n.api = "one".into(),
            expect![[r#"
                built for plugin API one; this host offers 1.1
                  help: rebuild the plugin for this host"#]],
        );
        check(
            |n| n.tch = "0.26.0".into(),
            expect![[r#"
            built for another tch
              found     0.26.0
              expected  0.24.0
              help: rebuild the plugin for this host"#]],
        );
        check(
            |n| n.libtorch = "2.12.0".into(),
            expect![[r#"
            built for another libtorch
              found     2.12.0
              expected  2.11.0
              help: rebuild the plugin for this host"#]],
        );
        check(
            |n| n.target = "riscv64gc-unknown-linux-gnu".into(),
            expect![[r#"
                built for another target
                  found     riscv64gc-unknown-linux-gnu
                  expected  x86_64-unknown-linux-gnu
                  help: rebuild the plugin for this host"#]],
        );
    }

    fn check_needed(needed: &[&str], expected: Expect) {
        let needed: Vec<String> = needed.iter().map(ToString::to_string).collect();
        let checked = super::check_needed(&needed);
        expected.assert_eq(&checked.err().map_or("fits".into(), |e| e.to_string()));
    }

    #[test]
    fn needed() {
        check_needed(&["libtorch_cpu.so", "libc.so.6"], expect!["fits"]);
        check_needed(
            &["libstd-0123456789abcdef.so", "libc.so.6"],
            expect![[r#"
            needs libraries that not every host has
              found     libstd-0123456789abcdef.so
              help: build the plugin without `-C prefer-dynamic`"#]],
        );
        check_needed(
            &["libtorch.so", "libtorch_cuda.so"],
            expect![[r#"
            needs libraries that not every host has
              found     libtorch.so, libtorch_cuda.so
              help: link libtorch_cpu and libc10 alone, as `plugin_api::tch` does: the host opens CUDA's half where it is wanted"#]],
        );
        check_needed(
            &["libhdf5.so.103"],
            expect![[r#"
            needs libraries that not every host has
              found     libhdf5.so.103
              help: link them into the plugin"#]],
        );
    }
}

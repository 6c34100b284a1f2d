//! The page of a run in a browser: nothing is empty, nothing overlaps, nothing of a stranger's is taken for the page's own.

mod all;

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;

use pleach::report::page;
use pleach_tests::both;
use serde_json::Value;
use tempfile::TempDir;

use all::{NASTY, report};

/// What a page does in a browser, at two widths, light and dark.
#[test]
fn a_page_is_whole_at_every_width_in_light_and_in_dark() {
    let Some(browser) = Browser::find() else {
        return;
    };
    let page = page(&report(60)).unwrap();
    let figures = page.matches("<figure>").count();
    assert!(
        figures >= 12,
        "the page has {figures} figures: this shows little"
    );
    for dark in [false, true] {
        for width in [390, 1440] {
            let found = browser.check(&page, width, dark);
            let setting = format!("{width} pixels, dark: {dark}: {found:#}");
            assert_eq!(found["figures"], figures, "{setting}");
            assert_eq!(found["dark"], dark, "{setting}");
            for nothing in [
                "errors", "empty", "overlaps", "sideways", "faint", "unsorted", "unnamed",
            ] {
                let list = found[nothing].as_array().expect("a list");
                assert!(list.is_empty(), "{nothing} at {setting}");
            }
        }
    }
}

/// So many lines would have each colour three times.
#[test]
fn of_many_seeds_the_mean_is_drawn() {
    let page = page(&report(0)).unwrap();
    let drawn =
        "height over depth; mean of 20 seeds, with its 95 % interval: from 10.5000 to 13.5000";
    assert!(page.contains(drawn), "{page}");
    assert!(!page.contains("seed 19"), "{page}");
}

/// The one figure that is asserted: people with many trials left other tools because their pages do not open.
#[test]
fn five_thousand_trials_open_within_two_seconds() {
    let Some(browser) = Browser::find() else {
        return;
    };
    let page = page(&report(5000)).unwrap();
    // The machine may do something else meanwhile.
    let took = (0..3).map(|_| {
        let found = browser.check(&page, 1440, false);
        assert_eq!(found["trials"], 5000, "{found:#}");
        found["took"].as_f64().expect("a time")
    });
    let best = took.fold(f64::INFINITY, f64::min);
    assert!(
        best < 2000.0,
        "it takes {best} ms until the trials are there"
    );
}

/// Names, texts of plugins and errors are text, wherever they stand.
#[test]
fn what_strangers_wrote_is_text() {
    let page = page(&report(10)).unwrap();
    assert!(
        !page.contains("<b>nasty"),
        "markup of others is in the page"
    );
    assert!(
        !page.contains(NASTY),
        "a text of others is in the page as it is"
    );
    // Once in the title, and more than once in each room of the page.
    let escaped = page.matches("nasty").count();
    assert!(
        escaped > 20,
        "only {escaped} texts of others are in the page"
    );
    // A script of data ends where ours do: as often as it begins.
    assert_eq!(
        page.matches("<script").count(),
        page.matches("</script>").count()
    );
    assert_eq!(
        page.matches("<script").count(),
        2,
        "trials and the script of the page"
    );
}

struct Browser(&'static str);

impl Browser {
    /// None where there is none, which is said; on a machine that tests everything there must be one.
    fn find() -> Option<Self> {
        for name in ["chromium", "chromium-browser", "google-chrome"] {
            if Command::new(name).arg("--version").output().is_ok() {
                return Some(Browser(name));
            }
        }
        let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!ci, "Chromium is not installed: `apt-get install chromium`");
        // Past the harness, which keeps to itself what a passing test prints by a macro.
        let why = b"skipped: Chromium is not installed\n";
        io::stderr().write_all(why).unwrap();
        None
    }

    /// What `check.js` finds in a page that is so many pixels wide. A window cannot be as narrow as a phone, a frame can.
    fn check(&self, page: &str, width: u32, dark: bool) -> Value {
        let folder = TempDir::new().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        let listening = "<head><script>var errors = []; addEventListener('error', (e) => errors.push(e.message)); addEventListener('securitypolicyviolation', (e) => errors.push(`${e.violatedDirective} ${e.blockedURI}`));</script>";
        let checking = format!("<script>{}</script></body>", include_str!("check.js"));
        let page = page
            .replacen("<head>", listening, 1)
            .replacen("</body>", &checking, 1);
        write("page.html", &page);
        let frame = format!(
            r#"<!DOCTYPE html><meta name="color-scheme" content="light dark"><body style="margin:0"><iframe src="page.html" width="{width}" height="900" style="border:0"></iframe><pre id="found"></pre>"#
        );
        write("frame.html", &frame);
        let (said, dom) = self.open(folder.path(), dark);
        let found = dom
            .split_once(r#"<pre id="found">"#)
            .and_then(|(_, rest)| rest.split_once("</pre>"));
        let (found, _) = found.unwrap_or_else(|| panic!("no verdict:\n{said}"));
        let found = found
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&amp;", "&");
        let mut found: Value =
            serde_json::from_str(&found).unwrap_or_else(|e| panic!("{e}: {found}\n{said}"));
        let console = said.lines().filter(|line| line.contains(":CONSOLE"));
        let errors = found["errors"].as_array_mut().expect("a list");
        errors.extend(console.map(Value::from));
        found
    }

    /// What it says, and the document as it has become.
    fn open(&self, folder: &Path, dark: bool) -> (String, String) {
        let scheme = if dark { 0 } else { 1 };
        let output = Command::new(self.0)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--no-first-run",
            ])
            .args([
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ])
            .args([
                "--disable-dev-shm-usage",
                "--allow-file-access-from-files",
                "--enable-logging=stderr",
            ])
            .arg(format!("--blink-settings=preferredColorScheme={scheme}"))
            .arg(format!(
                "--user-data-dir={}",
                folder.join("profile").display()
            ))
            .args(["--window-size=1500,1000", "--dump-dom"])
            .arg(format!("file://{}", folder.join("frame.html").display()))
            .output()
            .expect("the browser can be started");
        let dom = String::from_utf8_lossy(&output.stdout).into_owned();
        (both(&output), dom)
    }
}

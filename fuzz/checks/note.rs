//! A file in a folder of plugins.

use pleach::plugins::Contents;

/// Reads the file as a listing does, and says what is wrong with it.
pub fn note(bytes: &[u8]) {
    let contents = Contents::of(bytes);
    assert_eq!(contents.sha256.len(), 64);
    let problem = contents.problem();
    if contents.damage.is_some() || contents.note.is_none() {
        assert!(problem.is_some(), "what is no plugin can be used");
    }
    let _ = problem.map(|p| p.to_string());
    // A listing keeps it for the next one.
    let kept = serde_json::to_vec(&contents).unwrap();
    assert_eq!(serde_json::from_slice::<Contents>(&kept).unwrap(), contents);
}

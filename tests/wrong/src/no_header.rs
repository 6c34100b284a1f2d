//! A note without the header that it promises.

use plugin_api::plugin::{FEATURES, TARGET, join, length};
use plugin_api::{API, LIBTORCH, TCH};

const PARTS: &[&str] = &[
    r#"{"name":"wrong","version":"0.1.0","api":""#,
    API,
    r#"","tch":""#,
    TCH,
    r#"","libtorch":""#,
    LIBTORCH,
    r#"","target":""#,
    TARGET,
    r#"","features":""#,
    FEATURES,
    r#""}"#,
];

#[used]
#[unsafe(link_section = ".pleach")]
static NOTE: [u8; length(PARTS)] = join(PARTS);

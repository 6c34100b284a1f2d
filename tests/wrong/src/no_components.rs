//! A plugin without components.

plugin_api::plugin!();

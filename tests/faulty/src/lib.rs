//! A plugin that misbehaves on request, so that tests see what a host does about it.

mod how;
mod layer;
mod scorer;
mod strategy;

plugin_api::plugin!();

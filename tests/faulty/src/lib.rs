//! A plugin that misbehaves on request, so that tests see what a host does about it.

mod how;
mod layer;
mod opening;
mod scorer;
mod strategy;
mod unfit;

plugin_api::plugin!();

//! A plugin that misbehaves on request, so that tests see what a host does about it.

mod how;
mod in_place;
mod in_turn;
mod layer;
mod measuring;
mod opening;
mod scored;
mod scorer;
mod strategy;
mod task;
mod tell;
mod threaded;
mod unfit;

plugin_api::plugin!();

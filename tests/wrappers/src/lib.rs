//! For each role a component that takes another one of that role, from another file, and changes what it does in a way
//! that shows. So every call crosses twice: from the host to this file, and from this file to the other.
//!
//! Beside them stand small forms of methods of papers, whose other parts come from other files.

mod adapting;
mod aligning;
mod boosting;
mod generating;
mod gradsign;
mod grouping;
mod hypernets;
mod inducing;
mod inheriting;
mod layerwise;
mod links;
mod looking;
mod methods;
mod mortal;
mod networks;
mod pairs;
mod parts;
mod pointing;
mod processes;
mod quantising;
mod searching;
mod services;
mod sharing;
mod studying;
mod training;
mod widening;

plugin_api::plugin!();

//! What `Arch` and `Session` promise, on random networks and through plugin files.

mod adapting;
mod aligning;
mod architectures;
mod boosting;
mod choices;
mod cutting;
mod generating;
mod gradsign;
mod grouping;
mod hypernets;
mod inducing;
mod kernels;
mod layerwise;
mod links;
mod methods;
mod pairs;
mod passes;
mod pointing;
mod quantising;
mod remembering;
mod sharing;
mod studying;
mod support;
mod widening;

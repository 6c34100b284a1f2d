//! GradSign: how far single samples agree on the signs of an untrained network's gradients, as a score of its
//! architecture, and searches that this score assists.

mod assisted;
mod gradsign;
mod look;
mod signs;

plugin_api::plugin!(paper = "Zhang and Jia 2022, arXiv 2110.08616");

//! What a network is worth.

mod grad_norm;
mod macs;
mod naswot;
mod params;
mod saliency;

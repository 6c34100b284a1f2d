//! What a network is worth.

mod grad_norm;

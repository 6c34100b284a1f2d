//! The traps of a plugin boundary: what goes wrong where native code of strangers is loaded, each held by a test.
//!
//! The numbers are those of the list of traps in the design of the boundary. A test's name says the trap in words, with
//! its number first; the table names those too that are held elsewhere.
//!
//! | trap | held by |
//! | --- | --- |
//! | 1, 2, 5: minors of the API, older and newer; growth at the end only | `tests/minors.rs` |
//! | 3: a loader that keeps one library for each root type | [`files`] |
//! | 4: a layout error of hundreds of lines | [`files`] |
//! | 6: another libtorch, whose file has the same name | [`files`] |
//! | 7: files that are no whole plugins; changed bytes | [`files`], `host/tests/plugins.rs`: `every_shorter_file_is_refused` |
//! | 8: a bare file name; a file overwritten while it is loaded | [`files`] |
//! | 9 to 12: several plugins linked into one program | `tests/linked.rs` |
//! | 13: a plugin that needs the compiler's own libraries | [`files`] |
//! | 14: `panic = "abort"` | [`builds`] |
//! | 15: a library's own `std`, with its own hook and subscriber | [`processes`], `tests/program.rs`: `a_plugins_events_reach_the_host` |
//! | 16: errors of libtorch with a backtrace in them | [`calls`] |
//! | 17: a panic where gradients are off | [`calls`] |
//! | 18: a new thread, whose gradients are on | [`calls`] |
//! | 19: what cannot be caught | [`processes`]; together, in one search: `tests/faults.rs` |
//! | 20: `exit(0)` | [`processes`] |
//! | 21: an endless loop | [`processes`] |
//! | 22: printing into the protocol | [`processes`] |
//! | 23: backtraces for errors that somebody handles | [`processes`] |
//! | 24: memory, of which libtorch maps far more than it uses | [`processes`] |
//! | 25: changes in place, and `.grad` | [`calls`]; `tests/conformance.rs`: `meddling` |
//! | 26: one generator of random numbers for a process | [`calls`], [`processes`] |
//! | 27: tensors that threads cannot share | [`calls`] |
//! | 28: a number of threads that stays | [`processes`] |
//! | 29: `linalg_svdvals` of tch fails without a driver's name | nothing of pleach calls it; a plugin takes `svd` |
//! | 30: tch has no autograd functions of one's own | the sparse product is one in C++; `host/worker/src/graph/tests.rs`: `derivatives_of_any_order_are_those_of_the_dense_matrix` |
//! | 31: CUDA's half of libtorch among the needed | `tests/rules.rs`: `a_plugin_needs_only_what_every_host_has` |
//! | 32: finding libtorch | [`builds`] |
//! | 33: features that differ and have torch-sys built again | [`builds`] |
//! | 34: forking with threads | [`processes`] |
//! | 35: unloading | [`files`] |
//! | 36: libtorch under Landlock | there is no sandbox |

mod builds;
mod calls;
mod files;
mod processes;

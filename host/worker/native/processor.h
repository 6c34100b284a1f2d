// One source for all processors: a loop is compiled for several, and the one for this processor is taken at run time.
//
// None of them multiplies and adds in one step, so that all give the same bits.
#pragma once

#include <cstdint>

// Inlined into functions for different instruction sets, which is how one source serves all of them.
#define INLINE __attribute__((always_inline)) inline

namespace pleach {

// Loops are passed as copies: what a loop writes could be a part of one that it only refers to.
template <typename Loop>
using Run = void (*)(Loop, int64_t, int64_t);

template <typename Loop>
void run_anywhere(Loop loop, int64_t from, int64_t to) {
  loop(from, to);
}

#ifdef __x86_64__
template <typename Loop>
__attribute__((target("avx2"))) void run_avx2(Loop loop, int64_t from, int64_t to) {
  loop(from, to);
}

template <typename Loop>
__attribute__((target("avx512f,prefer-vector-width=512"))) void run_avx512(Loop loop, int64_t from, int64_t to) {
  loop(from, to);
}
#endif

template <typename Loop>
Run<Loop> choose() {
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx512f")) return run_avx512<Loop>;
  if (__builtin_cpu_supports("avx2")) return run_avx2<Loop>;
#endif
  return run_anywhere<Loop>;
}

// Runs `loop(from, to)`, whose body is `INLINE`, as this processor does it best.
template <typename Loop>
void run_here(const Loop& loop, int64_t from, int64_t to) {
  static const Run<Loop> run = choose<Loop>();
  run(loop, from, to);
}

} // namespace pleach

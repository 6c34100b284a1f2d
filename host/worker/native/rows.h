// Rows of a sparse matrix, shared out among threads, and columns of a dense one, shared out among registers.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "processor.h"

namespace pleach {

// Runs `loop(from_row, to_row)` over all rows; a row begins at its `ptr`, and an entry costs `width` steps.
template <typename Loop>
void run_rows(const int32_t* ptr, int64_t n_rows, int64_t width, const Loop& loop) {
  // Rows are shared out by entries, not by number: degrees differ by orders of magnitude. A row counts as one entry
  // more, so that empty ones are shared out as well; it goes to whoever has its first entry.
  const int64_t work = ptr[n_rows] + n_rows;
  const auto row_at = [&](int64_t entry) {
    int64_t low = 0, high = n_rows;
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (ptr[middle] + middle < entry) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  };
  // Below some ten microseconds of work a second thread costs more than it brings.
  const int64_t grain = std::max<int64_t>(1, 65536 / std::max<int64_t>(1, width));
  at::parallel_for(0, work, grain, [&](int64_t from, int64_t to) { run_here(loop, row_at(from), row_at(to)); });
}

// WIDTH sums in registers: compilers may leave an array of them in memory, but no vectors.
template <typename T, int WIDTH>
struct Sums {
  static constexpr int LANES = std::min<int>(WIDTH & -WIDTH, 64 / sizeof(T));
  typedef T Vector __attribute__((vector_size(LANES * sizeof(T))));
  Vector parts[WIDTH / LANES] = {};

  // Adds a multiple of as many numbers in memory.
  INLINE void add(T factor, const T* from) {
    for (int i = 0; i < WIDTH / LANES; i++) {
      Vector part;
      std::memcpy(&part, from + i * LANES, sizeof part);
      parts[i] += factor * part;
    }
  }
  INLINE void store(T* to) const { std::memcpy(to, parts, sizeof parts); }
};

// Calls `loop.template columns<WIDTH>(row, column)` for all columns of a row: as many at once as fit into registers,
// whatever the type.
template <typename T, typename Loop>
INLINE void tile(const Loop& loop, int64_t row, int64_t width) {
  constexpr int WIDE = 512 / sizeof(T), HALF = WIDE / 2;
  int64_t column = 0;
  for (; column + WIDE <= width; column += WIDE) loop.template columns<WIDE>(row, column);
  for (; column + HALF <= width; column += HALF) loop.template columns<HALF>(row, column);
  for (; column + 32 <= width; column += 32) loop.template columns<32>(row, column);
  for (; column + 16 <= width; column += 16) loop.template columns<16>(row, column);
  if (column + 8 <= width) loop.template columns<8>(row, column), column += 8;
  switch (width - column) {
    case 1: loop.template columns<1>(row, column); break;
    case 2: loop.template columns<2>(row, column); break;
    case 3: loop.template columns<3>(row, column); break;
    case 4: loop.template columns<4>(row, column); break;
    case 5: loop.template columns<5>(row, column); break;
    case 6: loop.template columns<6>(row, column); break;
    case 7: loop.template columns<7>(row, column); break;
  }
}

} // namespace pleach

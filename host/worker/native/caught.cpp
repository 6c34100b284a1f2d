#include "caught.h"

#include <cstdio>

namespace pleach {

// A buffer of fixed size: telling of a failure must not fail.
static thread_local char message[4096];

void remember(const char* what) noexcept {
  std::snprintf(message, sizeof message, "%s", what);
}

} // namespace pleach

// Why the last kernel on this thread failed. Valid until this thread's next call.
extern "C" const char* pleach_native_error() noexcept {
  return pleach::message;
}

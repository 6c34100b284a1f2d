// Kernels are called from Rust: no exception leaves them.
#pragma once

#include <c10/util/Exception.h>

#include <exception>

namespace pleach {

// Keeps the reason of a failure for `pleach_native_error`.
void remember(const char* what) noexcept;

// What `body` returns; `failed` where it throws.
template <typename T, typename Body>
T caught(T failed, const Body& body) noexcept {
  try {
    return body();
  } catch (const c10::Error& e) {
    remember(e.what_without_backtrace());
  } catch (const std::exception& e) {
    remember(e.what());
  } catch (...) {
    remember("an exception of no known type");
  }
  return failed;
}

} // namespace pleach

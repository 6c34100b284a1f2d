// Catches C++ exceptions, which Rust cannot. A panic of Rust is no `std::exception` and passes through.

#include <cstring>
#include <exception>

// Runs `call(data)`; where it throws, writes the message, cut to `size` bytes with the 0 at its end, and returns 1.
extern "C" int pleach_catch(void (*call)(void*), void* data, char* message, size_t size) {
  try {
    call(data);
    return 0;
  } catch (const std::exception& e) {
    std::strncpy(message, e.what(), size - 1);
    message[size - 1] = 0;
    return 1;
  }
}

// Catches C++ exceptions, which Rust cannot. A panic of Rust is of none of these types and passes through; `catch (...)`
// would take it for one of C++.

#include <cstring>
#include <exception>
#include <string>

static int caught(const char* what, char* message, size_t size) {
  std::strncpy(message, what, size - 1);
  message[size - 1] = 0;
  return 1;
}

// Runs `call(data)`; where it throws, writes the message, cut to `size` bytes with the 0 at its end, and returns 1.
extern "C" int pleach_catch(void (*call)(void*), void* data, char* message, size_t size) {
  try {
    call(data);
    return 0;
  } catch (const std::exception& e) {
    return caught(e.what(), message, size);
  } catch (const std::string& e) {
    return caught(e.c_str(), message, size);
  } catch (const char* e) {
    return caught(e, message, size);
  } catch (int e) {
    return caught(std::to_string(e).c_str(), message, size);
  }
}

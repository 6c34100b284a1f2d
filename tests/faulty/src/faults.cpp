// What Rust cannot do by itself.

#include <cstdio>
#include <iostream>
#include <stdexcept>

extern "C" void faulty_throw() { throw std::runtime_error("thrown on purpose"); }

extern "C" void faulty_throw_number() { throw 42; }

extern "C" void faulty_print() {
    std::puts("printed by puts on purpose");
    std::printf("printed by printf on purpose\n");
    std::cout << "printed by cout on purpose" << std::endl;
    // A pipe is written when the buffer is full: not in a test's lifetime.
    std::fflush(stdout);
}

// What the libraries that come with the package hold beside the filtering: which of them this processor can run.
#include <cstddef>

#include "winograd.hpp"

#if defined(__x86_64__)
#include <cpuid.h>

namespace {

constexpr unsigned FMA = 1u << 12, MOVBE = 1u << 22, OSXSAVE = 1u << 27, AVX = 1u << 28, F16C = 1u << 29;
constexpr unsigned BMI1 = 1u << 3, AVX2 = 1u << 5, BMI2 = 1u << 8;
constexpr unsigned AVX512F = 1u << 16, AVX512DQ = 1u << 17, AVX512CD = 1u << 28, AVX512BW = 1u << 30, AVX512VL = 1u << 31;
constexpr unsigned LZCNT = 1u << 5;
constexpr unsigned YMM = 0x6, ZMM = 0xe6;  // registers that the operating system saves

constexpr bool has(unsigned found, unsigned wanted) { return (found & wanted) == wanted; }

unsigned saved_registers() {
    unsigned low, high;
    asm("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
#if defined(__APPLE__)
    if (has(low, YMM)) low |= ZMM;  // macOS says so only after the first use
#endif
    return low;
}

// The level of x86-64 that both processor and operating system reach: 4, 3, or 1 for all below.
int level() {
    unsigned eax, ebx, ecx, edx, basic, extended;
    if (!__get_cpuid(1, &eax, &ebx, &basic, &edx) || !has(basic, OSXSAVE | AVX | FMA | MOVBE | F16C)) return 1;
    if (!__get_cpuid(0x80000001, &eax, &ebx, &extended, &edx) || !has(extended, LZCNT)) return 1;
    const unsigned saved = saved_registers();
    if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || !has(ebx, AVX2 | BMI1 | BMI2) || !has(saved, YMM)) return 1;
    return has(ebx, AVX512F | AVX512DQ | AVX512CD | AVX512BW | AVX512VL) && has(saved, ZMM) ? 4 : 3;
}

}  // namespace
#else
namespace {

int level() { return 1; }

}  // namespace
#endif

EXPORTED int native_level() { return level(); }

// The runtime's own spells out the types of exceptions that nobody catches. Nothing leaves this library uncaught, and
// without it the library is a third smaller.
extern "C" char* __cxa_demangle(const char*, char*, size_t*, int* status) {
    if (status) *status = -1;
    return nullptr;
}

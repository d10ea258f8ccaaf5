// Loads a library and calls its functions as standard input says, for systems on which no Python is at hand.
//
// A call is: the length of a name, the name, the number of arguments, and each of these: its kind, and for kind 0 a whole
// number; for 1 a number of bytes, and the bytes; for 2 a number of arrays, and each of these as for kind 1. Answered are
// what the function returned, and then all bytes, as they are after the call. Numbers take eight bytes.
#include <cstdint>
#include <cstdio>
#include <deque>
#include <string>
#include <vector>

#if defined(_WIN32)
#include <fcntl.h>
#include <io.h>
#include <windows.h>
#else
#include <dlfcn.h>
#endif

namespace {

constexpr size_t ALIGNMENT = 64, MOST = 10;

struct Array {
    std::vector<char> memory;
    size_t size;
    char* data() { return memory.data() + (ALIGNMENT - reinterpret_cast<uintptr_t>(memory.data()) % ALIGNMENT); }
};

bool read(void* to, size_t bytes) { return std::fread(to, 1, bytes, stdin) == bytes; }

int64_t number() {
    int64_t value = 0;
    read(&value, sizeof value);
    return value;
}

int64_t array(std::deque<Array>& arrays) {
    const size_t size = static_cast<size_t>(number());
    Array& added = arrays.emplace_back(Array{std::vector<char>(size + ALIGNMENT), size});
    read(added.data(), size);
    return static_cast<int64_t>(reinterpret_cast<uintptr_t>(added.data()));
}

int64_t argument(std::deque<Array>& arrays, std::deque<std::vector<int64_t>>& lists) {
    const int64_t kind = number();
    if (kind == 0) return number();
    if (kind == 1) return array(arrays);
    std::vector<int64_t>& list = lists.emplace_back(static_cast<size_t>(number()));
    for (int64_t& each : list) each = array(arrays);
    return static_cast<int64_t>(reinterpret_cast<uintptr_t>(list.data()));
}

using Function = int64_t (*)(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t);

}  // namespace

int main(int, char** words) {
#if defined(_WIN32)
    _setmode(_fileno(stdin), _O_BINARY);
    _setmode(_fileno(stdout), _O_BINARY);
    const HMODULE library = LoadLibraryA(words[1]);
    const auto found = [&](const char* name) { return reinterpret_cast<Function>(GetProcAddress(library, name)); };
#else
    void* library = dlopen(words[1], RTLD_NOW);
    const auto found = [&](const char* name) { return reinterpret_cast<Function>(dlsym(library, name)); };
#endif
    if (!library) return 1;
    for (int64_t length; read(&length, sizeof length);) {
        std::string name(static_cast<size_t>(length), ' ');
        read(name.data(), name.size());
        std::deque<Array> arrays;
        std::deque<std::vector<int64_t>> lists;
        int64_t a[MOST] = {};
        for (int64_t index = 0, count = number(); index < count; ++index) a[index] = argument(arrays, lists);
        const int64_t result = found(name.c_str())(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9]);
        std::fwrite(&result, sizeof result, 1, stdout);
        for (Array& each : arrays) std::fwrite(each.data(), 1, each.size, stdout);
        std::fflush(stdout);
    }
}

// Winograd's F(6x6, 3x3) (Lavin and Gray 2016) in float32: what the server's engine and the trainer's passes share.
//
// 36 neighbouring results of a 3x3 convolution need 64 products instead of 324. They are summed up by small matrix
// products, one for each of the 64 points, over as many blocks of 6x6 pixels as the processor's registers hold.
// Features lie pixel by pixel (H, W, C) in a border of zeros, C rounded up to whole vectors. No library is used.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <thread>
#include <utility>
#include <vector>

#if defined(_WIN32)
#define EXPORTED extern "C" __declspec(dllexport)
#else
#define EXPORTED extern "C" __attribute__((visibility("default")))
#endif

namespace {  // each library that includes this has its own: what is not shared is inlined

#if defined(__AVX512F__)
constexpr int LANES = 16, TOGETHER = 8;  // TOGETHER: rows of a product whose sums stay in registers
#elif defined(__AVX__)
constexpr int LANES = 8, TOGETHER = 4;
#else
constexpr int LANES = 4, TOGETHER = 4;
#endif
constexpr int STEP = 6, WINDOW = 8, POINTS = WINDOW * WINDOW;
constexpr int COLOURS = 3, TAPS = 9;

typedef float Vector __attribute__((vector_size(4 * LANES), aligned(4 * LANES)));

inline Vector all(float value) { return value - Vector{}; }

// Floats from one point's values to the next, for a chunk of blocks: a cache line more than they take, lest all points
// share a few cache sets.
inline size_t apart(int chunk, int features) { return static_cast<size_t>(chunk) * features + 16; }

class Buffer {  // floats, aligned for vectors
   public:
    float* data() const { return data_.get(); }
    Vector* vectors() const { return reinterpret_cast<Vector*>(data_.get()); }

    void room(size_t floats) {  // for so many, of any value
        if (floats <= size_) return;
        data_.reset();
        size_ = 0;
        data_.reset(static_cast<float*>(::operator new(floats * sizeof(float), ALIGNMENT)));
        size_ = floats;
    }

    void clear(size_t floats) {  // to so many zeros
        room(floats);
        std::memset(data_.get(), 0, floats * sizeof(float));
    }

    void copy(const float* from, size_t floats) {
        room(floats);
        std::memcpy(data_.get(), from, floats * sizeof(float));
    }

   private:
    static constexpr std::align_val_t ALIGNMENT{64};
    struct Release {
        void operator()(float* data) const { ::operator delete(data, ALIGNMENT); }
    };
    std::unique_ptr<float, Release> data_;
    size_t size_ = 0;
};

// B^T d and A^T m of the paper, on one row or column; points 0, 1, -1, 2, -2, 1/2, -1/2 and infinity.
inline void transform_input(const Vector* d, size_t stride, Vector* to, size_t distance) {
    const Vector a = d[0], b = d[stride], c = d[2 * stride], e = d[3 * stride];
    const Vector f = d[4 * stride], g = d[5 * stride], h = d[6 * stride], i = d[7 * stride];
    const Vector even1 = (c + h) - 4.25f * f, odd1 = (b + g) - 4.25f * e;
    const Vector even2 = 0.25f * c - 1.25f * f + h, odd2 = 0.5f * b - 2.5f * e + 2 * g;
    const Vector even3 = 4 * c - 5 * f + h, odd3 = 2 * b - 2.5f * e + 0.5f * g;
    to[0] = (a - h) + 5.25f * (f - c);
    to[distance] = even1 + odd1;
    to[2 * distance] = even1 - odd1;
    to[3 * distance] = even2 + odd2;
    to[4 * distance] = even2 - odd2;
    to[5 * distance] = even3 + odd3;
    to[6 * distance] = even3 - odd3;
    to[7 * distance] = (i - b) + 5.25f * (e - g);
}

inline void transform_output(const Vector* m, size_t stride, Vector* to) {
    const Vector sum1 = m[stride] + m[2 * stride], difference1 = m[stride] - m[2 * stride];
    const Vector sum2 = m[3 * stride] + m[4 * stride], difference2 = m[3 * stride] - m[4 * stride];
    const Vector sum3 = m[5 * stride] + m[6 * stride], difference3 = m[5 * stride] - m[6 * stride];
    to[0] = (m[0] + sum1) + (sum2 + sum3);
    to[1] = difference1 + 2 * difference2 + difference3 / 2;
    to[2] = sum1 + 4 * sum2 + sum3 / 4;
    to[3] = difference1 + 8 * difference2 + difference3 / 8;
    to[4] = sum1 + 16 * sum2 + sum3 / 16;
    to[5] = (difference1 + m[7 * stride]) + 32 * difference2 + difference3 / 32;
}

// 64 points to SIZE x SIZE pixels, given row by row; TRANSFORM takes 8 points to SIZE.
template <int SIZE, void TRANSFORM(const Vector*, size_t, Vector*), typename Use>
inline void collect(const Vector* points, size_t distance, Use use) {
    Vector half[WINDOW][SIZE];
#pragma GCC unroll 1
    for (int x = 0; x < WINDOW; ++x) TRANSFORM(points + x * distance, WINDOW * distance, half[x]);
#pragma GCC unroll 1
    for (int y = 0; y < SIZE; ++y) {
        Vector result[SIZE];
        TRANSFORM(&half[0][y], SIZE, result);
        use(y, result);
    }
}

// sums (ROWS, outputs) = value (ROWS, depth) x weight (depth, outputs), COLUMNS vectors of it; ADDED to what is there.
// All is unrolled, so that no sum leaves its register.
template <int ROWS, int COLUMNS, bool ADDED, typename Value>
inline void multiply(Value value, const float* weight, float* sums, int depth, int outputs) {
    Vector total[ROWS][COLUMNS];
#pragma GCC unroll 8
    for (int row = 0; row < ROWS; ++row)
#pragma GCC unroll 3
        for (int column = 0; column < COLUMNS; ++column)
            total[row][column] = ADDED ? reinterpret_cast<const Vector*>(sums + row * outputs)[column] : all(0);
    for (int index = 0; index < depth; ++index) {
        const Vector* line = reinterpret_cast<const Vector*>(weight + static_cast<size_t>(index) * outputs);
        Vector factor[COLUMNS];
#pragma GCC unroll 3
        for (int column = 0; column < COLUMNS; ++column) factor[column] = line[column];
#pragma GCC unroll 8
        for (int row = 0; row < ROWS; ++row) {
            const Vector each = all(value(row, index));
#pragma GCC unroll 3
            for (int column = 0; column < COLUMNS; ++column) total[row][column] += each * factor[column];
        }
    }
#pragma GCC unroll 8
    for (int row = 0; row < ROWS; ++row)
#pragma GCC unroll 3
        for (int column = 0; column < COLUMNS; ++column)
            reinterpret_cast<Vector*>(sums + row * outputs)[column] = total[row][column];
}

template <int ROWS, bool ADDED, typename Value>
inline void multiply_all(Value value, const float* weight, float* sums, int depth, int outputs) {
    int column = 0;
    for (; column + 3 * LANES <= outputs; column += 3 * LANES)
        multiply<ROWS, 3, ADDED>(value, weight + column, sums + column, depth, outputs);
    for (; column < outputs; column += LANES)
        multiply<ROWS, 1, ADDED>(value, weight + column, sums + column, depth, outputs);
}

template <bool ADDED, int BLOCKS>
void products(const float* values, const float* weight, float* sums, int inputs, int outputs) {
    const auto value = [=](int block, int input) { return values[block * inputs + input]; };
    multiply_all<BLOCKS, ADDED>(value, weight, sums, inputs, outputs);
}

template <bool ADDED, int... BLOCKS>
constexpr auto products_of(std::integer_sequence<int, BLOCKS...>) {
    return std::array{products<ADDED, BLOCKS + 1>...};
}
template <bool ADDED>
constexpr auto PRODUCTS = products_of<ADDED>(std::make_integer_sequence<int, TOGETHER>());  // for 1 ... TOGETHER blocks

// One point's products, for any number of blocks.
template <bool ADDED = false>
inline void multiply_blocks(const float* values, const float* weight, float* sums, int blocks, int inputs,
                            int outputs) {
    for (int block = 0; block < blocks; block += TOGETHER)
        PRODUCTS<ADDED>[std::min(TOGETHER, blocks - block) - 1](values + block * inputs, weight, sums + block * outputs,
                                                                inputs, outputs);
}

// Call work(0), work(1) ... work(count - 1), each in a thread of its own as far as the system gives threads; the other
// calls are made one after the other. It must not throw.
template <typename Work>
inline void in_threads(int count, Work work) {
    std::vector<std::thread> others;
    others.reserve(count);
    int started = 1;
    for (; started < count; ++started) try {
            others.emplace_back(work, started);
        } catch (...) {
            break;
        }
    work(0);
    for (; started < count; ++started) work(started);
    for (std::thread& each : others) each.join();
}

}  // namespace

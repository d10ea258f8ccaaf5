// Generators on a CPU, in float32, by Winograd's F(6x6, 3x3); see program.hpp, and winograd.hpp in weights/winograd.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "program.hpp"

namespace {

constexpr int CHUNK = 8;   // blocks of a unit of work: as many as the second-level cache holds beside the weights
constexpr int BAND = 384;  // blocks of a convolution: many fill the cache, few have threads wait

struct Scratch {  // of one thread: (POINTS, CHUNK, features), before and after the products
    Buffer values, sums;
};

struct Generator {
    std::vector<Convolution> convolutions;
    std::vector<Features> features;
    std::vector<Scratch> scratch;
    int height = 0, width = 0;
    Buffer planes;  // the tile, (3, H, W) in a border of zeros
};

struct Unit {  // of work: CHUNK blocks, or what is left of them, of a convolution's row of blocks
    int index, row, first;
};

// One tile. Every thread calls work(); units are handed out one by one, band by band. A band is a few rows of blocks of
// each convolution in turn, each one's a pixel above those of the one before. So what is read was just written and is
// still in a cache, and what is overwritten nobody needs any more: two buffers do for a chain of any length.
class Run {
   public:
    Run(Generator& generator, const float* low_res, float* high_res)
        : generator_(generator), low_res_(low_res), high_res_(high_res), height_(generator.height),
          width_(generator.width), count_(static_cast<int>(generator.convolutions.size())),
          down_((height_ + count_ - 1 + STEP - 1) / STEP), across_((width_ + STEP - 1) / STEP),
          chunks_((across_ + CHUNK - 1) / CHUNK), rows_(std::max(2, BAND / across_)), line_(across_ * STEP + 2),
          done_(static_cast<size_t>(count_) * down_) {
        for (int tap = 0; tap < COLOURS * TAPS; ++tap)
            offsets_[tap] = (tap / TAPS * (height_ + 2) + tap % TAPS / 3) * line_ + tap % 3;
    }

    void work(Scratch& scratch) {
        for (Unit unit; (unit = take()).index < count_;) {
            const Convolution& convolution = generator_.convolutions[unit.index];
            for (const int before : convolution.awaited)
                for (int row = unit.row - (unit.index - before + STEP) / STEP; row <= unit.row; ++row)
                    await(before, row);
            if (convolution.sources[0] == PICTURE)
                convolve_picture(convolution, unit, scratch);
            else if (convolution.size == 1)
                convolve_pixels(convolution, unit, scratch);
            else
                convolve(convolution, unit, scratch);
            if (std::atomic<int>& done = done_[unit.index * down_ + unit.row]; ++done == chunks_) done.notify_all();
        }
    }

   private:
    // Pixels above a row of blocks, or less than 0 where it begins above the tile.
    int top_of(int index, int row) const { return row * STEP - index; }
    bool is_there(int index, int row) const { return top_of(index, row) > -STEP && top_of(index, row) < height_; }

    Unit take() {
        for (int number; (number = next_++) < (down_ + rows_ - 1) / rows_ * rows_ * count_ * chunks_;) {
            const int line = number / chunks_, index = line / rows_ % count_;
            const int row = line / rows_ / count_ * rows_ + line % rows_;
            if (is_there(index, row)) return {index, row, number % chunks_ * CHUNK};
        }
        return {count_, 0, 0};  // there is no more
    }

    // Until a row of blocks is done. What is waited for was handed out before, so that no two wait for each other.
    void await(int index, int row) {
        if (row < 0 || !is_there(index, row)) return;
        std::atomic<int>& done = done_[index * down_ + row];
        for (int chunks; (chunks = done) < chunks_;) done.wait(chunks);
    }

    Vector* pixel(int buffer, int y, int x) const {  // y from -STEP on, x from -1 on
        const Features& features = generator_.features[buffer];
        return features.buffer.vectors() + ((y + STEP) * line_ + x + 1) * (features.wide / LANES);
    }

    // Colours, directly: three inputs are not worth a transform.
    void convolve_picture(const Convolution& convolution, const Unit& unit, Scratch& scratch) const {
        each_few_pixels(unit, [&](int y, int x, int count) {
            const float* from = generator_.planes.data() + y * line_ + x;
            const auto value = [&](int place, int tap) { return from[offsets_[tap] + place]; };
            multiply_all<TOGETHER, false>(value, convolution.weight.data(), scratch.sums.data(), COLOURS * TAPS,
                                          convolution.outputs);
            finish_pixels(convolution, y, x, count, scratch.sums.vectors());
        });
    }

    // A convolution of size 1.
    void convolve_pixels(const Convolution& convolution, const Unit& unit, Scratch& scratch) const {
        each_few_pixels(unit, [&](int y, int x, int count) {
            const float* weight = convolution.weight.data();
            float* sums = scratch.sums.data();
            for (size_t number = 0; number < convolution.sources.size(); ++number) {
                const int source = convolution.sources[number], wide = generator_.features[source].wide;
                const float* from = reinterpret_cast<const float*>(pixel(source, y, x));
                if (number)
                    multiply_blocks<true>(from, weight, sums, count, wide, convolution.outputs);
                else
                    multiply_blocks(from, weight, sums, count, wide, convolution.outputs);
                weight += static_cast<size_t>(wide) * convolution.outputs;
            }
            finish_pixels(convolution, y, x, count, scratch.sums.vectors());
        });
    }

    // Calls use(y, x, count) for all of the unit's pixels that are in the tile, at most TOGETHER of a row at a time.
    template <typename Use>
    void each_few_pixels(const Unit& unit, Use use) const {
        const int top = top_of(unit.index, unit.row), last = std::min(width_, (unit.first + CHUNK) * STEP);
        for (int y = std::max(0, top); y < std::min(height_, top + STEP); ++y)
            for (int x = unit.first * STEP; x < last; x += TOGETHER) use(y, x, std::min(TOGETHER, last - x));
    }

    void finish_pixels(const Convolution& convolution, int y, int x, int count, const Vector* sums) const {
        Vector* to = pixel(convolution.target, y, x);
        for (int place = 0; place < count; ++place)
            for (int vector = 0; vector < convolution.outputs / LANES; ++vector) {
                Vector results[1] = {*sums++ + convolution.bias.vectors()[vector]};
                take_steps(convolution, vector, y, x + place, results);
                *to++ = results[0];
            }
    }

    // What follows a convolution, on one vector of neighbouring pixels' results.
    template <int COUNT>
    void take_steps(const Convolution& convolution, int vector, int y, int left, Vector (&results)[COUNT]) const {
        for (const Step& step : convolution.steps) {
            if (step.kind == SLOPE) {
                const Vector slope = step.factors.vectors()[vector];
#pragma GCC unroll 6
                for (Vector& result : results) result = result > 0 ? result : result * slope;
            } else if (step.kind == SILU) {
                for (Vector& result : results) result *= sigmoid(result);
            } else {
                const Vector* from = pixel(step.source, y, left) + vector;
                const size_t vectors = generator_.features[step.source].wide / LANES;
                for (int x = 0; x < COUNT; ++x) {
                    const Vector sum = from[x * vectors] + step.factor * results[x];
                    results[x] = step.kind == ADD ? sum : sum * (sigmoid(results[x]) - 0.5f);
                }
            }
        }
    }

    void convolve(const Convolution& convolution, const Unit& unit, Scratch& scratch) const {
        const int inputs = convolution.inputs, outputs = convolution.outputs;
        const int top = top_of(unit.index, unit.row), left = unit.first * STEP;
        const int blocks = std::min(CHUNK, across_ - unit.first);
        float *values = scratch.values.data(), *sums = scratch.sums.data();
        int channel = 0;
        for (const int source : convolution.sources) {
            for (int block = 0; block < blocks; ++block)
                gather(source, inputs, pixel(source, top - 1, left + block * STEP - 1),
                       values + block * inputs + channel);
            channel += generator_.features[source].wide;
        }
        for (int point = 0; point < POINTS; ++point)
            multiply_blocks(values + point * apart(CHUNK, inputs),
                            convolution.weight.data() + static_cast<size_t>(point) * inputs * outputs,
                            sums + point * apart(CHUNK, outputs), blocks, inputs, outputs);
        for (int block = 0; block < blocks; ++block)
            if (convolution.target == PICTURE)
                finish(convolution, top, left + block * STEP, sums + block * outputs);
            else
                scatter(convolution, top, left + block * STEP, sums + block * outputs);
    }

    // Memory is slow, so each block has the next one's pixels brought meanwhile: to be read (0) or written (1).
    template <int WRITTEN>
    static void fetch(const Vector* from, size_t vectors) {
        for (size_t x = 0; x < STEP; ++x) __builtin_prefetch(from + x * vectors, WRITTEN);
    }

    // A window of 8x8 pixels of a buffer to 64 points, each of so many inputs.
    void gather(int source, int inputs, const Vector* window, float* to) const {
        const size_t vectors = generator_.features[source].wide / LANES, point = apart(CHUNK, inputs) / LANES;
        for (size_t vector = 0; vector < vectors; ++vector) {
            Vector half[WINDOW][WINDOW], *points = reinterpret_cast<Vector*>(to) + vector;
#pragma GCC unroll 1
            for (int y = 0; y < WINDOW; ++y) {
                const Vector* from = window + vector + y * vectors * line_;
                fetch<0>(from + WINDOW * vectors, vectors);
                transform_input(from, vectors, half[y], 1);
            }
#pragma GCC unroll 1
            for (int x = 0; x < WINDOW; ++x)
                transform_input(&half[0][x], WINDOW, points + x * point, WINDOW * point);
        }
    }

    // Points to a block of pixels, finished but for where they go, given row by row.
    template <typename Use>
    void collect_finished(const Convolution& convolution, int top, int left, const float* from, int vector,
                          Use use) const {
        const Vector bias = convolution.bias.vectors()[vector];
        const Vector* points = reinterpret_cast<const Vector*>(from) + vector;
        const size_t distance = apart(CHUNK, convolution.outputs) / LANES;
        collect<STEP, transform_output>(points, distance, [&](int y, Vector (&results)[STEP]) {
#pragma GCC unroll 6
            for (Vector& result : results) result += bias;
            take_steps(convolution, vector, top + y, left, results);
            use(y, results);
        });
    }

    void scatter(const Convolution& convolution, int top, int left, const float* from) const {
        const int vectors = convolution.outputs / LANES;
        for (int vector = 0; vector < vectors; ++vector)
            collect_finished(convolution, top, left, from, vector, [&](int y, const Vector (&results)[STEP]) {
                Vector* to = pixel(convolution.target, top + y, left) + vector;
                fetch<1>(to + STEP * vectors, vectors);
#pragma GCC unroll 6
                for (int x = 0; x < STEP; ++x) to[x * vectors] = results[x];
            });
        if (top < 0 || top + STEP > height_ || left + STEP > width_) clear_outside(convolution, top, left);
    }

    // What sticks out of the tile is zero.
    void clear_outside(const Convolution& convolution, int top, int left) const {
        for (int y = top; y < top + STEP; ++y)
            for (int x = y >= 0 && y < height_ ? std::min(width_, left + STEP) : left; x < left + STEP; ++x)
                std::memset(pixel(convolution.target, y, x), 0, convolution.outputs * sizeof(float));
    }

    // The pixel shuffle, and the sum with the nearest-neighbour enlargement.
    void finish(const Convolution& convolution, int top, int left, const float* from) const {
        constexpr int VECTORS = (4 * COLOURS + LANES - 1) / LANES;
        alignas(64) Vector residual[STEP][STEP][VECTORS];
        for (int vector = 0; vector < VECTORS; ++vector)
            collect_finished(convolution, top, left, from, vector, [&](int y, const Vector (&results)[STEP]) {
                for (int x = 0; x < STEP; ++x) residual[y][x][vector] = results[x];
            });
        for (int colour = 0; colour < COLOURS; ++colour)
            for (int y = std::max(0, -top); y < std::min(STEP, height_ - top); ++y)
                for (int x = 0; x < std::min(STEP, width_ - left); ++x) {
                    const size_t row = static_cast<size_t>(colour) * height_ + top + y;
                    const float low = low_res_[row * width_ + left + x];
                    const float* four = reinterpret_cast<const float*>(residual[y][x]) + 4 * colour;
                    float* high = high_res_ + 4 * row * width_ + 2 * (left + x);
                    high[0] = low + four[0];
                    high[1] = low + four[1];
                    high[2 * width_] = low + four[2];
                    high[2 * width_ + 1] = low + four[3];
                }
    }

    Generator& generator_;
    const float* low_res_;
    float* high_res_;
    const int height_, width_, count_;
    const int down_, across_, chunks_, rows_;  // rows of blocks, blocks of a row, units of a row, rows of a band
    const size_t line_;
    std::array<size_t, COLOURS * TAPS> offsets_;  // from a tile's pixel to the colours around it, in planes
    std::atomic<int> next_ = 0;
    std::vector<std::atomic<int>> done_;  // units of each convolution's rows of blocks
};

// Make room for a size of tile; what lies outside it is zero from then on.
void shape(Generator& generator, int height, int width) {
    if (height == generator.height && width == generator.width) return;
    generator.height = generator.width = 0;  // in case memory runs out
    const size_t across = (width + STEP - 1) / STEP * STEP + 2;
    int widest = 0;
    for (const Convolution& each : generator.convolutions) widest = std::max({widest, each.inputs, each.outputs});
    generator.planes.clear(COLOURS * (height + 2) * across + TOGETHER);
    for (Features& each : generator.features) each.buffer.clear((height + 2 * STEP) * across * each.wide);
    find_awaited(generator.convolutions);
    for (Scratch& each : generator.scratch) {
        each.values.clear(POINTS * apart(CHUNK, widest));
        each.sums.clear(POINTS * apart(CHUNK, widest));
    }
    generator.height = height;
    generator.width = width;
}

void load(Generator& generator, const float* low_res) {
    const size_t line = (generator.width + STEP - 1) / STEP * STEP + 2;
    const size_t plane = line * (generator.height + 2);
    for (int colour = 0; colour < COLOURS; ++colour)
        for (int y = 0; y < generator.height; ++y)
            std::memcpy(generator.planes.data() + colour * plane + (y + 1) * line + 1,
                        low_res + (static_cast<size_t>(colour) * generator.height + y) * generator.width,
                        generator.width * sizeof(float));
}

}  // namespace

EXPORTED void* winograd_new(int threads) try {
    auto generator = std::make_unique<Generator>();
    generator->scratch.resize(threads);
    return generator.release();
} catch (const std::bad_alloc&) {
    return nullptr;
}

EXPORTED void winograd_delete(void* generator) { delete static_cast<Generator*>(generator); }

// Add a buffer of so many channels; they are numbered from 0. Returns 0, or 1 where memory ran out.
EXPORTED int winograd_buffer(void* generator, int channels) try {
    static_cast<Generator*>(generator)->features.push_back({channels, whole_vectors(channels), {}});
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}

// Add a convolution of size 1 or 3, from `count` buffers, or the picture, to a buffer or the enlarged picture; weight
// (outputs, inputs, size, size), bias (outputs). Returns 0, or 1 where memory ran out.
EXPORTED int winograd_convolve(void* handle, int size, int count, const int* sources, int target, int outputs,
                               const float* weight, const float* bias) try {
    Generator& generator = *static_cast<Generator*>(handle);
    Convolution convolution{size, {sources, sources + count}, target, 0, whole_vectors(outputs), {}, {}, {}, {}};
    for (const int source : convolution.sources)
        convolution.inputs += source == PICTURE ? COLOURS * TAPS : generator.features[source].wide;
    load_weights(convolution, generator.features, outputs, weight);
    convolution.bias.clear(convolution.outputs);
    std::memcpy(convolution.bias.data(), bias, outputs * sizeof(float));
    generator.convolutions.push_back(std::move(convolution));
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}

// Let a step follow the convolution that was added last; `factors` are one, or those of so many channels. Returns 0, or
// 1 where memory ran out.
EXPORTED int winograd_follow(void* handle, int kind, int source, int channels, const float* factors) try {
    Convolution& convolution = static_cast<Generator*>(handle)->convolutions.back();
    Step step{static_cast<Kind>(kind), source, factors[0], {}};
    if (step.kind == SLOPE) {
        step.factors.clear(convolution.outputs);
        std::memcpy(step.factors.data(), factors, channels * sizeof(float));
    }
    convolution.steps.push_back(std::move(step));
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}

// (3, H, W) to (3, 2H, 2W). Returns 0, or 1 where memory ran out.
EXPORTED int winograd_run(void* handle, const float* low_res, int height, int width, float* high_res) try {
    Generator& generator = *static_cast<Generator*>(handle);
    shape(generator, height, width);
    load(generator, low_res);
    Run run(generator, low_res, high_res);
    in_threads(static_cast<int>(generator.scratch.size()), [&](int number) { run.work(generator.scratch[number]); });
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
// The generator `compact` on a CPU, in float32, by Winograd's F(6x6, 3x3): see winograd.hpp in weights/winograd.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "winograd.hpp"

namespace {

constexpr int CHUNK = 8;   // blocks of a unit of work: as many as the second-level cache holds beside the weights
constexpr int BAND = 384;  // blocks of a layer: the more, the more cache they fill; the fewer, the sooner threads wait

struct Layer {
    int inputs, outputs;  // rounded up to whole vectors
    Buffer weight;        // (POINTS, inputs, outputs); of the first layer, which is not transformed, (27, outputs)
    Buffer bias, slope;   // (outputs)
};

struct Scratch {  // of one thread: (POINTS, CHUNK, features), before and after the products
    Buffer values, sums;
};

struct Generator {
    std::vector<Layer> layers;
    std::vector<Scratch> scratch;
    int height = 0, width = 0;
    Buffer planes;       // the tile, (3, H, W) in a border of zeros
    Buffer features[2];  // layers read one and write the other
};

struct Unit {  // of work: CHUNK blocks, or what is left of them, of a layer's row of blocks
    int index, row, first;
};

// One tile. Every thread calls work(); units are handed out one by one, band by band. A band is a few rows of blocks of
// each layer in turn, each layer's a pixel above those of the layer before. So a layer reads what was just written and
// is still in a cache. It overwrites what nobody needs any more, which is why two buffers do for all layers.
class Run {
   public:
    Run(Generator& generator, const float* low_res, float* high_res)
        : generator_(generator), low_res_(low_res), high_res_(high_res), height_(generator.height),
          width_(generator.width), layers_(static_cast<int>(generator.layers.size())),
          down_((height_ + layers_ - 1 + STEP - 1) / STEP), across_((width_ + STEP - 1) / STEP),
          chunks_((across_ + CHUNK - 1) / CHUNK), rows_(std::max(2, BAND / across_)), line_(across_ * STEP + 2),
          done_(static_cast<size_t>(layers_) * down_) {
        for (int tap = 0; tap < COLOURS * TAPS; ++tap)
            offsets_[tap] = (tap / TAPS * (height_ + 2) + tap % TAPS / 3) * line_ + tap % 3;
    }

    void work(Scratch& scratch) {
        for (Unit unit; (unit = take()).index < layers_;) {
            if (unit.index == 0)
                first_layer(unit, scratch);
            else {
                await(unit.index - 1, unit.row - 1);
                await(unit.index - 1, unit.row);
                layer(unit, scratch);
            }
            if (std::atomic<int>& done = done_[unit.index * down_ + unit.row]; ++done == chunks_) done.notify_all();
        }
    }

   private:
    // Pixels above a row of blocks, or less than 0 where it begins above the tile.
    int top_of(int index, int row) const { return row * STEP - index; }
    bool is_there(int index, int row) const { return top_of(index, row) > -STEP && top_of(index, row) < height_; }

    Unit take() {
        for (int number; (number = next_++) < (down_ + rows_ - 1) / rows_ * rows_ * layers_ * chunks_;) {
            const int line = number / chunks_, index = line / rows_ % layers_;
            const int row = line / rows_ / layers_ * rows_ + line % rows_;
            if (is_there(index, row)) return {index, row, number % chunks_ * CHUNK};
        }
        return {layers_, 0, 0};  // there is no more
    }

    // Until a row of blocks is done. What is waited for was handed out before, so that no two wait for each other.
    void await(int index, int row) {
        if (!is_there(index, row)) return;
        std::atomic<int>& done = done_[index * down_ + row];
        for (int chunks; (chunks = done) < chunks_;) done.wait(chunks);
    }

    Vector* pixel(size_t buffer, int features, int y, int x) const {  // y from -STEP on, x from -1 on
        return generator_.features[buffer].vectors() + ((y + STEP) * line_ + x + 1) * (features / LANES);
    }

    // Colour to features, directly: three inputs are not worth a transform.
    void first_layer(const Unit& unit, Scratch& scratch) const {
        const Layer& layer = generator_.layers[0];
        const int last = std::min(width_, (unit.first + CHUNK) * STEP);
        for (int y = unit.row * STEP; y < std::min(height_, (unit.row + 1) * STEP); ++y)
            for (int x = unit.first * STEP; x < last; x += TOGETHER) {
                const float* from = generator_.planes.data() + y * line_ + x;
                const auto value = [&](int place, int tap) { return from[offsets_[tap] + place]; };
                multiply_all<TOGETHER, false>(value, layer.weight.data(), scratch.sums.data(), COLOURS * TAPS, layer.outputs);
                const Vector* sums = scratch.sums.vectors();
                Vector* to = pixel(0, layer.outputs, y, x);
                for (int place = 0; place < std::min(TOGETHER, last - x); ++place)
                    for (int vector = 0; vector < layer.outputs / LANES; ++vector)
                        *to++ = activated(layer, vector, *sums++ + layer.bias.vectors()[vector]);
            }
    }

    static Vector activated(const Layer& layer, int vector, const Vector& value) {
        return value > 0 ? value : value * layer.slope.vectors()[vector];
    }

    void layer(const Unit& unit, Scratch& scratch) const {
        const Layer& layer = generator_.layers[unit.index];
        const int inputs = layer.inputs, outputs = layer.outputs, blocks = std::min(CHUNK, across_ - unit.first);
        const int top = top_of(unit.index, unit.row), left = unit.first * STEP;
        const bool is_last = unit.index + 1 == layers_;
        float *values = scratch.values.data(), *sums = scratch.sums.data();
        for (int block = 0; block < blocks; ++block) {
            const Vector* window = pixel((unit.index + 1) % 2, inputs, top - 1, left + block * STEP - 1);
            gather(layer, window, values + block * inputs);
        }
        for (int point = 0; point < POINTS; ++point)
            multiply_blocks(values + point * apart(CHUNK, inputs),
                            layer.weight.data() + static_cast<size_t>(point) * inputs * outputs,
                            sums + point * apart(CHUNK, outputs), blocks, inputs, outputs);
        for (int block = 0; block < blocks; ++block)
            if (is_last)
                finish(layer, top, left + block * STEP, sums + block * outputs);
            else
                scatter(layer, unit.index, top, left + block * STEP, sums + block * outputs);
    }

    // Memory is slow, so each block has the next one's pixels brought meanwhile: to be read (0) or written (1).
    template <int WRITTEN>
    static void fetch(const Vector* from, size_t vectors) {
        for (size_t x = 0; x < STEP; ++x) __builtin_prefetch(from + x * vectors, WRITTEN);
    }

    // A window of 8x8 pixels to 64 points.
    void gather(const Layer& layer, const Vector* window, float* to) const {
        const size_t vectors = layer.inputs / LANES, point = apart(CHUNK, layer.inputs) / LANES;
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

    // Points to a block of pixels with the bias, given row by row.
    template <typename Use>
    void collect_biased(const Layer& layer, const float* from, int vector, Use use) const {
        const Vector bias = layer.bias.vectors()[vector];
        const Vector* points = reinterpret_cast<const Vector*>(from) + vector;
        const size_t distance = apart(CHUNK, layer.outputs) / LANES;
        collect<STEP, transform_output>(points, distance, [&](int y, Vector (&result)[STEP]) {
#pragma GCC unroll 6
            for (int x = 0; x < STEP; ++x) result[x] += bias;
            use(y, result);
        });
    }

    void scatter(const Layer& layer, int index, int top, int left, const float* from) const {
        const int vectors = layer.outputs / LANES;
        for (int vector = 0; vector < vectors; ++vector)
            collect_biased(layer, from, vector, [&](int y, const Vector (&result)[STEP]) {
                Vector* to = pixel(index % 2, layer.outputs, top + y, left) + vector;
                fetch<1>(to + STEP * vectors, vectors);
#pragma GCC unroll 6
                for (int x = 0; x < STEP; ++x) to[x * vectors] = activated(layer, vector, result[x]);
            });
        if (top < 0 || top + STEP > height_ || left + STEP > width_) clear_outside(layer, index, top, left);
    }

    // What sticks out of the tile is zero.
    void clear_outside(const Layer& layer, int index, int top, int left) const {
        for (int y = top; y < top + STEP; ++y)
            for (int x = y >= 0 && y < height_ ? std::min(width_, left + STEP) : left; x < left + STEP; ++x)
                std::memset(pixel(index % 2, layer.outputs, y, x), 0, layer.outputs * sizeof(float));
    }

    // The pixel shuffle, and the sum with the nearest-neighbour enlargement.
    void finish(const Layer& layer, int top, int left, const float* from) const {
        constexpr int VECTORS = (4 * COLOURS + LANES - 1) / LANES;
        alignas(64) Vector residual[STEP][STEP][VECTORS];
        for (int vector = 0; vector < VECTORS; ++vector)
            collect_biased(layer, from, vector, [&](int y, const Vector (&result)[STEP]) {
                for (int x = 0; x < STEP; ++x) residual[y][x][vector] = result[x];
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
    const int height_, width_, layers_;
    const int down_, across_, chunks_, rows_;  // rows of blocks, blocks of a row, units of a row, rows of a band
    const size_t line_;
    std::array<size_t, COLOURS * TAPS> offsets_;  // from a tile's pixel to the colours around it, in planes
    std::atomic<int> next_ = 0;
    std::vector<std::atomic<int>> done_;  // units of each layer's rows of blocks
};

// Make room for a size of tile; what lies outside it is zero from then on.
void shape(Generator& generator, int height, int width) {
    if (height == generator.height && width == generator.width) return;
    generator.height = generator.width = 0;  // in case memory runs out
    const size_t across = (width + STEP - 1) / STEP * STEP + 2;
    int widest = 0;
    for (const Layer& layer : generator.layers) widest = std::max(widest, layer.outputs);
    generator.planes.clear(COLOURS * (height + 2) * across + TOGETHER);
    for (Buffer& each : generator.features) each.clear((height + 2 * STEP) * across * widest);
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

extern "C" {

int winograd_lanes() { return LANES; }

void* winograd_new(int threads) try {
    auto generator = std::make_unique<Generator>();
    generator->scratch.resize(threads);
    return generator.release();
} catch (const std::bad_alloc&) {
    return nullptr;
}

void winograd_delete(void* generator) { delete static_cast<Generator*>(generator); }

// `rows` of weights: 27, or POINTS * inputs. Returns 0, or 1 where memory ran out.
int winograd_add(void* generator, int inputs, int outputs, int rows, const float* weight, const float* bias,
                 const float* slope) try {
    Layer layer;
    layer.inputs = inputs;
    layer.outputs = outputs;
    layer.weight.copy(weight, static_cast<size_t>(rows) * outputs);
    layer.bias.copy(bias, outputs);
    layer.slope.copy(slope, outputs);
    static_cast<Generator*>(generator)->layers.push_back(std::move(layer));
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}

// (3, H, W) to (3, 2H, 2W). Returns 0, or 1 where memory ran out.
int winograd_run(void* handle, const float* low_res, int height, int width, float* high_res) try {
    Generator& generator = *static_cast<Generator*>(handle);
    shape(generator, height, width);
    load(generator, low_res);
    Run run(generator, low_res, high_res);
    in_threads(static_cast<int>(generator.scratch.size()), [&](int number) { run.work(generator.scratch[number]); });
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
}

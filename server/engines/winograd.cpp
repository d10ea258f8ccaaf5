// The generator `compact` on a CPU, in float32: Winograd's F(6x6, 3x3) (Lavin and Gray 2016). Built by native.py.
//
// 36 neighbouring results of a 3x3 convolution need 64 products instead of 324. They are summed up by small matrix
// products, one for each of the 64 points, over as many blocks of 6x6 pixels as the processor's registers hold.
// Features lie pixel by pixel (H, W, C) in a border of zeros, C rounded up to whole vectors. No library is used.
#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace {

#if defined(__AVX512F__)
constexpr int LANES = 16, TOGETHER = 8;  // TOGETHER: blocks whose sums stay in registers
#elif defined(__AVX__)
constexpr int LANES = 8, TOGETHER = 4;
#else
constexpr int LANES = 4, TOGETHER = 4;
#endif
constexpr int STEP = 6, WINDOW = 8, POINTS = WINDOW * WINDOW;
constexpr int CHUNK = 8;   // blocks of a unit of work: as many as the second-level cache holds beside the weights
constexpr int BAND = 384;  // blocks of a layer: the more, the more cache they fill; the fewer, the sooner threads wait
constexpr int COLOURS = 3, TAPS = 9;

typedef float Vector __attribute__((vector_size(4 * LANES), aligned(4 * LANES)));

inline Vector all(float value) { return value - Vector{}; }

// Floats from one point's values to the next: a cache line more than they take, lest all points share a few cache sets.
inline size_t apart(int features) { return static_cast<size_t>(CHUNK) * features + 16; }

class Buffer {  // floats, aligned for vectors
   public:
    float* data() const { return data_.get(); }
    Vector* vectors() const { return reinterpret_cast<Vector*>(data_.get()); }

    void clear(size_t floats) {  // to so many zeros
        if (floats > size_) {
            data_.reset();
            size_ = 0;
            data_.reset(static_cast<float*>(std::aligned_alloc(64, (floats * 4 + 63) / 64 * 64)));
            if (!data_) throw std::bad_alloc();
            size_ = floats;
        }
        std::memset(data_.get(), 0, floats * 4);
    }

    void copy(const float* from, size_t floats) {
        clear(floats);
        std::memcpy(data_.get(), from, floats * 4);
    }

   private:
    struct Release {
        void operator()(float* data) const { std::free(data); }
    };
    std::unique_ptr<float, Release> data_;
    size_t size_ = 0;
};

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

// sums (BLOCKS, outputs) = value (BLOCKS, inputs) x weight (inputs, outputs), COLUMNS vectors of it. All is unrolled,
// so that no sum leaves its register.
template <int BLOCKS, int COLUMNS, typename Value>
inline void multiply(Value value, const float* weight, float* sums, int inputs, int outputs) {
    Vector total[BLOCKS][COLUMNS];
#pragma GCC unroll 8
    for (int block = 0; block < BLOCKS; ++block)
#pragma GCC unroll 3
        for (int column = 0; column < COLUMNS; ++column) total[block][column] = all(0);
    for (int input = 0; input < inputs; ++input) {
        const Vector* row = reinterpret_cast<const Vector*>(weight + static_cast<size_t>(input) * outputs);
        Vector factor[COLUMNS];
#pragma GCC unroll 3
        for (int column = 0; column < COLUMNS; ++column) factor[column] = row[column];
#pragma GCC unroll 8
        for (int block = 0; block < BLOCKS; ++block) {
            const Vector each = all(value(block, input));
#pragma GCC unroll 3
            for (int column = 0; column < COLUMNS; ++column) total[block][column] += each * factor[column];
        }
    }
#pragma GCC unroll 8
    for (int block = 0; block < BLOCKS; ++block)
#pragma GCC unroll 3
        for (int column = 0; column < COLUMNS; ++column)
            reinterpret_cast<Vector*>(sums + block * outputs)[column] = total[block][column];
}

template <int BLOCKS, typename Value>
inline void multiply_all(Value value, const float* weight, float* sums, int inputs, int outputs) {
    int column = 0;
    for (; column + 3 * LANES <= outputs; column += 3 * LANES)
        multiply<BLOCKS, 3>(value, weight + column, sums + column, inputs, outputs);
    for (; column < outputs; column += LANES)
        multiply<BLOCKS, 1>(value, weight + column, sums + column, inputs, outputs);
}

template <int BLOCKS>
void products(const float* values, const float* weight, float* sums, int inputs, int outputs) {
    const auto value = [=](int block, int input) { return values[block * inputs + input]; };
    multiply_all<BLOCKS>(value, weight, sums, inputs, outputs);
}

template <int... BLOCKS>
constexpr auto products_of(std::integer_sequence<int, BLOCKS...>) {
    return std::array{products<BLOCKS + 1>...};
}
constexpr auto PRODUCTS = products_of(std::make_integer_sequence<int, TOGETHER>());  // for 1, 2 ... TOGETHER blocks

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
                multiply_all<TOGETHER>(value, layer.weight.data(), scratch.sums.data(), COLOURS * TAPS, layer.outputs);
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
            for (int block = 0; block < blocks; block += TOGETHER)
                PRODUCTS[std::min(TOGETHER, blocks - block) - 1](
                    values + point * apart(inputs) + block * inputs,
                    layer.weight.data() + static_cast<size_t>(point) * inputs * outputs,
                    sums + point * apart(outputs) + block * outputs, inputs, outputs);
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
        const size_t vectors = layer.inputs / LANES, point = apart(layer.inputs) / LANES;
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

    // 64 points to a block of 6x6 pixels, given row by row.
    template <typename Use>
    void collect(const Layer& layer, const float* from, int vector, Use use) const {
        const size_t point = apart(layer.outputs) / LANES;
        const Vector* points = reinterpret_cast<const Vector*>(from) + vector;
        const Vector bias = layer.bias.vectors()[vector];
        Vector half[WINDOW][STEP];
#pragma GCC unroll 1
        for (int x = 0; x < WINDOW; ++x) transform_output(points + x * point, WINDOW * point, half[x]);
#pragma GCC unroll 1
        for (int y = 0; y < STEP; ++y) {
            Vector result[STEP];
            transform_output(&half[0][y], STEP, result);
#pragma GCC unroll 6
            for (int x = 0; x < STEP; ++x) result[x] += bias;
            use(y, result);
        }
    }

    void scatter(const Layer& layer, int index, int top, int left, const float* from) const {
        const int vectors = layer.outputs / LANES;
        for (int vector = 0; vector < vectors; ++vector)
            collect(layer, from, vector, [&](int y, const Vector (&result)[STEP]) {
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
            collect(layer, from, vector, [&](int y, const Vector (&result)[STEP]) {
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
        each.values.clear(POINTS * apart(widest));
        each.sums.clear(POINTS * apart(widest));
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
    std::vector<std::thread> others;
    others.reserve(generator.scratch.size());
    for (size_t number = 1; number < generator.scratch.size(); ++number) try {
            others.emplace_back([&run, &generator, number] { run.work(generator.scratch[number]); });
        } catch (const std::system_error&) {
            break;  // fewer threads do
        }
    run.work(generator.scratch[0]);
    for (std::thread& each : others) each.join();
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
}

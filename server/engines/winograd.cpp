// The generator `compact` on a CPU, in float32: Winograd's F(4x4, 3x3) (Lavin and Gray 2016). Built by native.py.
//
// Sixteen neighbouring results of a 3x3 convolution need 36 products instead of 144. They are summed up by small matrix
// products, one for each of the 36 points, over as many blocks of 4x4 pixels as the processor's registers hold.
// Features lie pixel by pixel (H, W, C) in a border of zeros, C rounded up to whole vectors. No library is used.
#include <algorithm>
#include <atomic>
#include <barrier>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

namespace {

#if defined(__AVX512F__)
constexpr int LANES = 16, TOGETHER = 8;  // TOGETHER: blocks whose sums stay in registers
#elif defined(__AVX__)
constexpr int LANES = 8, TOGETHER = 4;
#else
constexpr int LANES = 4, TOGETHER = 4;
#endif
constexpr int STEP = 4, WINDOW = 6, POINTS = WINDOW * WINDOW;
constexpr int CHUNK = 16;  // blocks of a unit of work: as many as the second-level cache holds beside the weights
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

// B^T d and A^T m of the paper, on one row or column.
inline void transform_input(const Vector* d, size_t stride, Vector* to, size_t distance) {
    const Vector a = d[0], b = d[stride], c = d[2 * stride], e = d[3 * stride], f = d[4 * stride], g = d[5 * stride];
    const Vector even = f - 4 * c, odd = e - 4 * b, half = f - c, twice = 2 * (e - b);
    to[0] = 4 * a - 5 * c + f;
    to[distance] = even + odd;
    to[2 * distance] = even - odd;
    to[3 * distance] = half + twice;
    to[4 * distance] = half - twice;
    to[5 * distance] = 4 * b - 5 * e + g;
}

inline void transform_output(const Vector* m, size_t stride, Vector* to) {
    const Vector sum = m[stride] + m[2 * stride], difference = m[stride] - m[2 * stride];
    const Vector far = m[3 * stride] + m[4 * stride], slope = m[3 * stride] - m[4 * stride];
    to[0] = m[0] + sum + far;
    to[1] = difference + 2 * slope;
    to[2] = sum + 4 * far;
    to[3] = difference + 8 * slope + m[5 * stride];
}

// sums (TOGETHER, outputs) = values (TOGETHER, inputs) x weight (inputs, outputs), COLUMNS vectors of it.
template <int COLUMNS>
inline void multiply(const float* values, const float* weight, float* sums, int inputs, int outputs) {
    Vector total[TOGETHER][COLUMNS] = {};
    for (int input = 0; input < inputs; ++input) {
        const Vector* row = reinterpret_cast<const Vector*>(weight + static_cast<size_t>(input) * outputs);
        Vector factor[COLUMNS];
#pragma GCC unroll 4
        for (int column = 0; column < COLUMNS; ++column) factor[column] = row[column];
#pragma GCC unroll 8
        for (int block = 0; block < TOGETHER; ++block) {
            const Vector value = all(values[block * inputs + input]);
#pragma GCC unroll 4
            for (int column = 0; column < COLUMNS; ++column) total[block][column] += value * factor[column];
        }
    }
    for (int block = 0; block < TOGETHER; ++block)
        for (int column = 0; column < COLUMNS; ++column)
            reinterpret_cast<Vector*>(sums + block * outputs)[column] = total[block][column];
}

void multiply_all(const float* values, const float* weight, float* sums, int inputs, int outputs) {
    int column = 0;
    for (; column + 3 * LANES <= outputs; column += 3 * LANES)
        multiply<3>(values, weight + column, sums + column, inputs, outputs);
    for (; column < outputs; column += LANES) multiply<1>(values, weight + column, sums + column, inputs, outputs);
}

// One tile. Every thread calls work(); units are handed out one by one, and a layer begins when the last one is done.
class Run {
   public:
    Run(Generator& generator, const float* low_res, float* high_res)
        : generator_(generator), low_res_(low_res), high_res_(high_res), height_(generator.height),
          width_(generator.width), down_((height_ + STEP - 1) / STEP), across_((width_ + STEP - 1) / STEP),
          chunks_((across_ + CHUNK - 1) / CHUNK), line_(across_ * STEP + 2), next_(generator.layers.size()),
          barrier_(static_cast<ptrdiff_t>(generator.scratch.size())) {}

    void work(Scratch& scratch) {
        for (size_t index = 0; index < generator_.layers.size(); ++index) {
            if (index > 0) barrier_.arrive_and_wait();
            for (int unit; (unit = next_[index]++) < down_ * chunks_;) {
                const int row = unit / chunks_, first = unit % chunks_ * CHUNK;
                if (index == 0)
                    first_layer(row, first);
                else
                    layer(index, row, first, scratch);
            }
        }
    }

    void miss_one() { barrier_.arrive_and_drop(); }  // a thread that could not be started

   private:
    Vector* pixel(size_t buffer, int features, int y, int x) const {  // y and x from -1 on
        return generator_.features[buffer].vectors() + ((y + 1) * line_ + x + 1) * (features / LANES);
    }

    // Colour to features, directly: three inputs are not worth a transform.
    void first_layer(int row, int first) const {
        const Layer& layer = generator_.layers[0];
        const int vectors = layer.outputs / LANES, last = std::min(width_, (first + CHUNK) * STEP);
        for (int y = row * STEP; y < std::min(height_, (row + 1) * STEP); ++y)
            for (int x = first * STEP; x < last; x += STEP)
                for (int vector = 0; vector < vectors; ++vector) four_pixels(layer, y, x, vector, vectors);
    }

    void four_pixels(const Layer& layer, int y, int x, int vector, int vectors) const {
        Vector total[STEP];
        for (Vector& each : total) each = layer.bias.vectors()[vector];
        for (int tap = 0; tap < COLOURS * TAPS; ++tap) {
            const size_t plane = tap / TAPS * line_ * (down_ * STEP + 2);
            const float* from = generator_.planes.data() + plane + (y + tap % TAPS / 3) * line_ + x + tap % 3;
            const Vector factor = layer.weight.vectors()[tap * vectors + vector];
            for (int place = 0; place < STEP; ++place) total[place] += all(from[place]) * factor;
        }
        const Vector slope = layer.slope.vectors()[vector];
        for (int place = 0; place < std::min(STEP, width_ - x); ++place)
            pixel(0, layer.outputs, y, x + place)[vector] = total[place] > 0 ? total[place] : total[place] * slope;
    }

    void layer(size_t index, int row, int first, Scratch& scratch) const {
        const Layer& layer = generator_.layers[index];
        const int inputs = layer.inputs, outputs = layer.outputs, blocks = std::min(CHUNK, across_ - first);
        float *values = scratch.values.data(), *sums = scratch.sums.data();
        for (int block = 0; block < blocks; ++block)
            gather(layer, pixel((index + 1) % 2, inputs, row * STEP - 1, (first + block) * STEP - 1), values + block * inputs);
        for (int point = 0; point < POINTS; ++point)
            for (int block = 0; block < blocks; block += TOGETHER)
                multiply_all(values + point * apart(inputs) + block * inputs,
                             layer.weight.data() + static_cast<size_t>(point) * inputs * outputs,
                             sums + point * apart(outputs) + block * outputs, inputs, outputs);
        const bool is_last = index + 1 == generator_.layers.size();
        for (int block = 0; block < blocks; ++block)
            if (is_last)
                finish(layer, row * STEP, (first + block) * STEP, sums + block * outputs);
            else
                scatter(layer, index, row * STEP, (first + block) * STEP, sums + block * outputs);
    }

    // A window of 6x6 pixels to 36 points.
    void gather(const Layer& layer, const Vector* window, float* to) const {
        const size_t vectors = layer.inputs / LANES, point = apart(layer.inputs) / LANES;
        for (size_t vector = 0; vector < vectors; ++vector) {
            Vector half[WINDOW][WINDOW];
#pragma GCC unroll 1
            for (int y = 0; y < WINDOW; ++y)
                transform_input(window + vector + y * vectors * line_, vectors, half[y], 1);
#pragma GCC unroll 1
            for (int x = 0; x < WINDOW; ++x)
                transform_input(&half[0][x], WINDOW, reinterpret_cast<Vector*>(to) + vector + x * point, WINDOW * point);
        }
    }

    // 36 points to a block of 4x4 pixels.
    void collect(const Layer& layer, const float* from, int vector, Vector result[STEP][STEP]) const {
        const size_t point = apart(layer.outputs) / LANES;
        const Vector* points = reinterpret_cast<const Vector*>(from) + vector;
        Vector half[WINDOW][STEP];
        for (int x = 0; x < WINDOW; ++x) transform_output(points + x * point, WINDOW * point, half[x]);
        for (int y = 0; y < STEP; ++y) {
            transform_output(&half[0][y], STEP, result[y]);
            for (int x = 0; x < STEP; ++x) result[y][x] += layer.bias.vectors()[vector];
        }
    }

    void scatter(const Layer& layer, size_t index, int top, int left, const float* from) const {
        for (int vector = 0; vector < layer.outputs / LANES; ++vector) {
            Vector result[STEP][STEP];
            collect(layer, from, vector, result);
            const Vector slope = layer.slope.vectors()[vector];
            for (int y = 0; y < std::min(STEP, height_ - top); ++y)
                for (int x = 0; x < std::min(STEP, width_ - left); ++x)
                    pixel(index % 2, layer.outputs, top + y, left + x)[vector] =
                        result[y][x] > 0 ? result[y][x] : result[y][x] * slope;
        }
    }

    // The pixel shuffle, and the sum with the nearest-neighbour enlargement.
    void finish(const Layer& layer, int top, int left, const float* from) const {
        constexpr int VECTORS = (4 * COLOURS + LANES - 1) / LANES;
        alignas(64) Vector residual[STEP][STEP][VECTORS];
        for (int vector = 0; vector < VECTORS; ++vector) {
            Vector result[STEP][STEP];
            collect(layer, from, vector, result);
            for (int place = 0; place < STEP * STEP; ++place)
                residual[place / STEP][place % STEP][vector] = result[place / STEP][place % STEP];
        }
        for (int colour = 0; colour < COLOURS; ++colour)
            for (int y = 0; y < std::min(STEP, height_ - top); ++y)
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
    const int height_, width_, down_, across_, chunks_;
    const size_t line_;
    std::vector<std::atomic<int>> next_;
    std::barrier<> barrier_;
};

// Make room for a size of tile; what lies outside it is zero from then on.
void shape(Generator& generator, int height, int width) {
    if (height == generator.height && width == generator.width) return;
    generator.height = generator.width = 0;  // in case memory runs out
    const size_t down = (height + STEP - 1) / STEP * STEP + 2, across = (width + STEP - 1) / STEP * STEP + 2;
    int widest = 0;
    for (const Layer& layer : generator.layers) widest = std::max(widest, layer.outputs);
    generator.planes.clear(COLOURS * down * across + STEP);
    for (Buffer& each : generator.features) each.clear(down * across * widest);
    for (Scratch& each : generator.scratch) {
        each.values.clear(POINTS * apart(widest));
        each.sums.clear(POINTS * apart(widest));
    }
    generator.height = height;
    generator.width = width;
}

void load(Generator& generator, const float* low_res) {
    const size_t line = (generator.width + STEP - 1) / STEP * STEP + 2;
    const size_t plane = line * ((generator.height + STEP - 1) / STEP * STEP + 2);
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
            run.miss_one();
        }
    run.work(generator.scratch[0]);
    for (std::thread& each : others) each.join();
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
}

// What both passes know: the network's size and weights, the size of a picture, what is kept of it between the passes.
#pragma once

#include <cstddef>
#include <cstring>
#include <vector>

#include "winograd.hpp"

namespace {

constexpr int FORWARD_CHUNK = 8, BACKWARD_CHUNK = 32;  // blocks whose points are in a cache together; measured

struct Scratch {           // of one thread
    Buffer values, sums;   // (POINTS, chunk, features), before and after the products
    Buffer of_pixels[2];   // gradients of a layer's results and of what it read
    Buffer of_parameters;  // gradients, summed over this thread's pictures
};

struct Network {
    int features, layers, outputs;  // layers: between the first and the last; the others are whole vectors
    std::vector<Scratch> scratch;
};

// Parameters, or their gradients, in the order in which they lie in one piece of memory.
template <typename Float>
struct Parameters {
    Float* first;      // (27, features)
    Float* points;     // (layers, 64, features, features)
    Float* last;       // (64, features, outputs)
    Float* bias;       // (layers + 1, features)
    Float* last_bias;  // (outputs)
    Float* slope;      // (layers + 1, features)
};

struct Weights {  // as Python gives them
    Parameters<const float> parameters;
    const float *turned_points, *turned_last;  // inputs and outputs exchanged; for the backward pass only
};

inline size_t kernel_floats(size_t inputs, size_t outputs) { return POINTS * inputs * outputs; }

inline size_t parameter_floats(const Network& network) {
    const size_t features = network.features, layers = network.layers, outputs = network.outputs;
    return COLOURS * TAPS * features + layers * kernel_floats(features, features) + kernel_floats(features, outputs) +
           2 * (layers + 1) * features + outputs;
}

inline Parameters<float> parameters_in(const Network& network, float* memory) {
    const auto taken = [&](size_t floats) { return std::exchange(memory, memory + floats); };
    const size_t features = network.features, layers = network.layers;
    Parameters<float> parts;
    parts.first = taken(COLOURS * TAPS * features);
    parts.points = taken(layers * kernel_floats(network.features, network.features));
    parts.last = taken(kernel_floats(network.features, network.outputs));
    parts.bias = taken((layers + 1) * features);
    parts.last_bias = taken(network.outputs);
    parts.slope = taken((layers + 1) * features);
    return parts;
}

struct Place {
    int top, left;
};

struct Size {  // of a picture, and of the buffers that hold it and its blocks in a border of zeros
    Size(int height_, int width_)
        : height(height_), width(width_), down((height + STEP - 1) / STEP), across((width + STEP - 1) / STEP),
          rows(down * STEP + 2), line(across * STEP + 2), area(rows * line) {}

    int blocks() const { return down * across; }
    Place place(int block) const { return {block / across * STEP, block % across * STEP}; }
    size_t pixel(int y, int x) const { return (y + 1) * line + x + 1; }  // from -1 on

    const int height, width, down, across;
    const size_t rows, line, area;
};

// Clear all of a buffer but the picture.
inline void clear_outside(const Size& size, float* buffer, int features) {
    const size_t pixel = features * sizeof(float), row = size.line * features;
    std::memset(buffer, 0, size.line * pixel);
    for (int y = 0; y < size.height; ++y) {
        std::memset(buffer + (y + 1) * row, 0, pixel);
        std::memset(buffer + size.pixel(y, size.width) * features, 0, (size.line - size.width - 1) * pixel);
    }
    std::memset(buffer + (size.height + 1) * row, 0, (size.rows - size.height - 1) * size.line * pixel);
}

// What the backward pass needs of a picture: its colours, and every layer's results *before* the activation.
class State {
   public:
    State(const Network& network, const Size& size, float* memory)
        : planes(memory), results_(memory + planes_floats(size)), apart_(size.area * network.features) {}

    static size_t floats(const Network& network, const Size& size) {
        return planes_floats(size) + (network.layers + 1) * size.area * network.features;
    }
    static size_t plane(const Size& size) { return (size.height + 2) * size.line; }

    float* results(int layer) const { return results_ + layer * apart_; }

    float* const planes;  // (3, H + 2, line)

   private:
    // Rounded up for what follows; the first layer reads TOGETHER pixels at a time, beyond the last one.
    static size_t planes_floats(const Size& size) { return (COLOURS * plane(size) + TOGETHER + 15) / 16 * 16; }

    float* results_;
    size_t apart_;
};

// From a pixel's place in the first plane to the 27 colours around it.
inline std::array<size_t, COLOURS * TAPS> offsets_of(const Size& size) {
    std::array<size_t, COLOURS * TAPS> offsets;
    for (int tap = 0; tap < COLOURS * TAPS; ++tap)
        offsets[tap] = tap / TAPS * State::plane(size) + tap % TAPS / 3 * size.line + tap % 3;
    return offsets;
}

inline Vector activated(const Vector& result, const Vector& slope) { return result > 0 ? result : result * slope; }

// A window of 8x8 of a layer's results to the 64 points of what the next layer reads: the activation is applied here.
inline void gather(const Size& size, const float* results, Place place, const float* slopes, int features, float* to,
                   size_t distance) {
    const size_t vectors = features / LANES, point = distance / LANES;
    const size_t corner = size.pixel(place.top - 1, place.left - 1) * vectors;
    const Vector* window = reinterpret_cast<const Vector*>(results) + corner;
    for (size_t vector = 0; vector < vectors; ++vector) {
        const Vector slope = reinterpret_cast<const Vector*>(slopes)[vector];
        Vector half[WINDOW][WINDOW], *points = reinterpret_cast<Vector*>(to) + vector;
#pragma GCC unroll 1
        for (int y = 0; y < WINDOW; ++y) {
            const Vector* from = window + y * size.line * vectors + vector;
            Vector line[WINDOW];
#pragma GCC unroll 8
            for (int x = 0; x < WINDOW; ++x) line[x] = activated(from[x * vectors], slope);
            transform_input(line, 1, half[y], 1);
        }
#pragma GCC unroll 1
        for (int x = 0; x < WINDOW; ++x) transform_input(&half[0][x], WINDOW, points + x * point, WINDOW * point);
    }
}

}  // namespace

// The backward pass of one picture. Every layer's gradient of its results lies in a border of zeros, like the results.
#pragma once

#include "network.hpp"

namespace {

// The transposes of transform_output and transform_input: 6 results to 8 points, 8 points to 8 pixels.
inline void transpose_output(const Vector* y, size_t stride, Vector* to, size_t distance) {
    const Vector a = y[0], b = y[stride], c = y[2 * stride], d = y[3 * stride], e = y[4 * stride], f = y[5 * stride];
    const Vector even1 = a + c + e, odd1 = b + d + f;
    const Vector even2 = a + 4 * c + 16 * e, odd2 = 2 * b + 8 * d + 32 * f;
    const Vector even3 = a + 0.25f * c + 0.0625f * e, odd3 = 0.5f * b + 0.125f * d + 0.03125f * f;
    to[0] = a;
    to[distance] = even1 + odd1;
    to[2 * distance] = even1 - odd1;
    to[3 * distance] = even2 + odd2;
    to[4 * distance] = even2 - odd2;
    to[5 * distance] = even3 + odd3;
    to[6 * distance] = even3 - odd3;
    to[7 * distance] = f;
}

inline void transpose_input(const Vector* n, size_t stride, Vector* to) {
    const Vector a = n[0], h = n[7 * stride];
    const Vector sum1 = n[stride] + n[2 * stride], difference1 = n[stride] - n[2 * stride];
    const Vector sum2 = n[3 * stride] + n[4 * stride], difference2 = n[3 * stride] - n[4 * stride];
    const Vector sum3 = n[5 * stride] + n[6 * stride], difference3 = n[5 * stride] - n[6 * stride];
    to[0] = a;
    to[1] = difference1 + 0.5f * difference2 + 2 * difference3 - h;
    to[2] = sum1 - 5.25f * a + 0.25f * sum2 + 4 * sum3;
    to[3] = 5.25f * h - 4.25f * difference1 - 2.5f * (difference2 + difference3);
    to[4] = 5.25f * a - 4.25f * sum1 - 1.25f * sum2 - 5 * sum3;
    to[5] = difference1 + 2 * difference2 + 0.5f * difference3 - 5.25f * h;
    to[6] = sum1 + sum2 + sum3 - a;
    to[7] = h;
}

// The activation after a layer, on the way back, of one vector of features; the last layer has none.
template <bool IS_THERE>
struct Activation {
    // From the gradient of what the activation gave to that of the result that it was given.
    Vector back(const Vector& gradient, const Vector* result) {
        Vector passed = gradient;
        if constexpr (IS_THERE) {
            slope_gradient += *result > 0 ? all(0) : gradient * *result;
            passed = *result > 0 ? gradient : gradient * slope;
        }
        bias_gradient += passed;
        return passed;
    }

    // Add the sums over all pixels to those of the layer.
    void add_to(float* biases, float* slopes, size_t vector) const {
        reinterpret_cast<Vector*>(biases)[vector] += bias_gradient;
        if constexpr (IS_THERE) reinterpret_cast<Vector*>(slopes)[vector] += slope_gradient;
    }

    const Vector slope;
    Vector slope_gradient = all(0), bias_gradient = all(0);
};

struct Layer {
    int inputs, outputs;
    const float *read, *read_slope;         // results of the layer before, and the slope of their activation
    const float *results, *slope;           // of this one; not of the last
    const float* turned;                    // (64, outputs, inputs)
    float *points, *bias, *slope_gradient;  // gradients, which are added to
};

// The gradient at a block's 6x6 pixels to 64 points.
template <bool IS_ACTIVATED>
void gather_back(const Layer& layer, const Size& size, const float* gradients, Place place, float* to,
                 size_t distance) {
    const size_t vectors = layer.outputs / LANES, point = distance / LANES;
    for (size_t vector = 0; vector < vectors; ++vector) {
        const Vector slope = IS_ACTIVATED ? reinterpret_cast<const Vector*>(layer.slope)[vector] : all(0);
        Activation<IS_ACTIVATED> activation{slope};
        Vector half[STEP][WINDOW], *points = reinterpret_cast<Vector*>(to) + vector;
#pragma GCC unroll 1
        for (int y = 0; y < STEP; ++y) {
            const size_t pixel = size.pixel(place.top + y, place.left) * vectors + vector;
            const Vector* from = reinterpret_cast<const Vector*>(gradients) + pixel;
            const Vector* results = IS_ACTIVATED ? reinterpret_cast<const Vector*>(layer.results) + pixel : from;
            Vector line[STEP];
#pragma GCC unroll 6
            for (int x = 0; x < STEP; ++x) line[x] = activation.back(from[x * vectors], results + x * vectors);
            transpose_output(line, 1, half[y], 1);
        }
        activation.add_to(layer.bias, layer.slope_gradient, vector);
#pragma GCC unroll 1
        for (int x = 0; x < WINDOW; ++x) transpose_output(&half[0][x], WINDOW, points + x * point, WINDOW * point);
    }
}

// At each point: values (blocks, inputs) and gradients (blocks, outputs) to the weights' gradient, which is added up;
// then the gradient of the values takes their place.
inline void multiply_back(const Layer& layer, float* values, const float* gradients, int blocks) {
    const int inputs = layer.inputs, outputs = layer.outputs;
    const size_t kernel = static_cast<size_t>(inputs) * outputs;
    for (int point = 0; point < POINTS; ++point) {
        float* own = values + point * apart(BACKWARD_CHUNK, inputs);
        const float* theirs = gradients + point * apart(BACKWARD_CHUNK, outputs);
        for (int input = 0; input < inputs; input += TOGETHER) {
            const auto value = [=](int row, int block) { return own[block * inputs + input + row]; };
            float* sums = layer.points + point * kernel + input * outputs;
            multiply_all<TOGETHER, true>(value, theirs, sums, blocks, outputs);
        }
        multiply_blocks(theirs, layer.turned + point * kernel, own, blocks, outputs, inputs);
    }
}

// 64 points to a window of 8x8 pixels, added to what its neighbours gave.
inline void scatter_back(const Size& size, const float* from, size_t distance, Place place, int features, float* to) {
    const size_t vectors = features / LANES, point = distance / LANES;
    for (size_t vector = 0; vector < vectors; ++vector) {
        const Vector* points = reinterpret_cast<const Vector*>(from) + vector;
        collect<WINDOW, transpose_input>(points, point, [&](int y, const Vector (&result)[WINDOW]) {
            const size_t start = size.pixel(place.top + y - 1, place.left - 1) * vectors + vector;
            Vector* pixel = reinterpret_cast<Vector*>(to) + start;
#pragma GCC unroll 8
            for (int x = 0; x < WINDOW; ++x) pixel[x * vectors] += result[x];
        });
    }
}

// From the gradients of what a layer's activation gave to those of what the layer read.
template <bool IS_ACTIVATED>
void back(const Layer& layer, const Size& size, const float* gradients, float* to, Scratch& scratch) {
    const size_t into = apart(BACKWARD_CHUNK, layer.inputs), out_of = apart(BACKWARD_CHUNK, layer.outputs);
    float *values = scratch.values.data(), *sums = scratch.sums.data();
    std::memset(to, 0, size.area * layer.inputs * sizeof(float));
    for (int first = 0; first < size.blocks(); first += BACKWARD_CHUNK) {
        const int blocks = std::min(BACKWARD_CHUNK, size.blocks() - first);
        for (int block = 0; block < blocks; ++block) {
            const Place place = size.place(first + block);
            gather(size, layer.read, place, layer.read_slope, layer.inputs, values + block * layer.inputs, into);
            gather_back<IS_ACTIVATED>(layer, size, gradients, place, sums + block * layer.outputs, out_of);
        }
        multiply_back(layer, values, sums, blocks);
        for (int block = 0; block < blocks; ++block)
            scatter_back(size, values + block * layer.inputs, into, size.place(first + block), layer.inputs, to);
    }
    clear_outside(size, to, layer.inputs);
}

// Nobody asks for the gradient of the colours.
inline void first_layer_back(const Network& network, const Weights& weights, const Size& size, const State& state,
                             const float* gradients, const Parameters<float>& sums, Scratch& scratch) {
    const auto offsets = offsets_of(size);
    const int features = network.features;
    const size_t vectors = features / LANES;
    float* line = scratch.sums.data();
    for (int y = 0; y < size.height; ++y) {
        for (size_t vector = 0; vector < vectors; ++vector) {
            Activation<true> activation{reinterpret_cast<const Vector*>(weights.parameters.slope)[vector]};
            const size_t start = size.pixel(y, 0) * vectors + vector;
            const Vector* from = reinterpret_cast<const Vector*>(gradients) + start;
            const Vector* results = reinterpret_cast<const Vector*>(state.results(0)) + start;
            Vector* to = reinterpret_cast<Vector*>(line) + vector;
            for (size_t pixel = 0; pixel < size.width * vectors; pixel += vectors)
                to[pixel] = activation.back(from[pixel], results + pixel);
            activation.add_to(sums.bias, sums.slope, vector);
        }
        const float* colours = state.planes + y * size.line;
        for (int tap = 0; tap < COLOURS * TAPS; tap += 3) {
            const auto colour = [&](int row, int x) { return colours[offsets[tap + row] + x]; };
            multiply_all<3, true>(colour, line, sums.first + tap * features, size.width, features);
        }
    }
}

// The gradient (H, W, outputs) of a picture's results to those of the parameters, which are added to `sums`.
inline void backward(const Network& network, const Weights& weights, const Size& size, const float* gradient,
                     const State& state, const Parameters<float>& sums, Scratch& scratch) {
    const int features = network.features, outputs = network.outputs;
    const Parameters<const float>& known = weights.parameters;
    float *from = scratch.of_pixels[0].data(), *to = scratch.of_pixels[1].data();
    std::memset(from, 0, size.area * outputs * sizeof(float));
    for (int y = 0; y < size.height; ++y)
        std::memcpy(from + size.pixel(y, 0) * outputs, gradient + static_cast<size_t>(y) * size.width * outputs,
                    static_cast<size_t>(size.width) * outputs * sizeof(float));
    const Layer last{features, outputs, state.results(network.layers), known.slope + network.layers * features, nullptr,
                     nullptr, weights.turned_last, sums.last, sums.last_bias, nullptr};
    back<false>(last, size, from, to, scratch);
    for (int number = network.layers; number >= 1; --number) {
        std::swap(from, to);
        const size_t kernel = (number - 1) * kernel_floats(features, features);
        const float* before = known.slope + (number - 1) * features;
        const Layer layer{features, features, state.results(number - 1), before, state.results(number),
                          before + features, weights.turned_points + kernel, sums.points + kernel,
                          sums.bias + number * features, sums.slope + number * features};
        back<true>(layer, size, from, to, scratch);
    }
    first_layer_back(network, weights, size, state, to, sums, scratch);
}

}  // namespace

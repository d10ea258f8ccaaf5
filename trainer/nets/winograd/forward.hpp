// The forward pass of one picture.
#pragma once

#include "network.hpp"

namespace {

// Lay a picture (3, H, W) into planes with a border of zeros.
inline void load_planes(const Size& size, const float* low_res, float* planes) {
    std::memset(planes, 0, (COLOURS * State::plane(size) + TOGETHER) * sizeof(float));
    for (int colour = 0; colour < COLOURS; ++colour)
        for (int y = 0; y < size.height; ++y)
            std::memcpy(planes + colour * State::plane(size) + size.pixel(y, 0),
                        low_res + (static_cast<size_t>(colour) * size.height + y) * size.width,
                        size.width * sizeof(float));
}

// Colour to features, directly: three inputs are not worth a transform.
inline void first_layer(const Network& network, const Parameters<const float>& parameters, const Size& size,
                        const State& state, Scratch& scratch) {
    const auto offsets = offsets_of(size);
    const size_t vectors = network.features / LANES;
    const Vector* bias = reinterpret_cast<const Vector*>(parameters.bias);
    for (int y = 0; y < size.height; ++y)
        for (int x = 0; x < size.width; x += TOGETHER) {
            const float* from = state.planes + y * size.line + x;
            const auto value = [&](int place, int tap) { return from[offsets[tap] + place]; };
            multiply_all<TOGETHER, false>(value, parameters.first, scratch.sums.data(), COLOURS * TAPS,
                                          network.features);
            const Vector* sums = scratch.sums.vectors();
            Vector* to = reinterpret_cast<Vector*>(state.results(0)) + size.pixel(y, x) * vectors;
            for (int place = 0; place < std::min(TOGETHER, size.width - x); ++place)
                for (size_t vector = 0; vector < vectors; ++vector) *to++ = *sums++ + bias[vector];
        }
    clear_outside(size, state.results(0), network.features);
}

struct Convolution {  // and the activation before it
    int inputs, outputs;
    const float *slope, *points, *bias;
};

// Give six neighbouring results at a time to store(y, x, vector, results, what is to be added to each).
template <typename Store>
void convolve(const Convolution& layer, const Size& size, const float* results, Scratch& scratch, Store store) {
    const size_t into = apart(FORWARD_CHUNK, layer.inputs), out_of = apart(FORWARD_CHUNK, layer.outputs);
    const size_t kernel = static_cast<size_t>(layer.inputs) * layer.outputs;
    float *values = scratch.values.data(), *sums = scratch.sums.data();
    for (int first = 0; first < size.blocks(); first += FORWARD_CHUNK) {
        const int blocks = std::min(FORWARD_CHUNK, size.blocks() - first);
        for (int block = 0; block < blocks; ++block)
            gather(size, results, size.place(first + block), layer.slope, layer.inputs, values + block * layer.inputs,
                   into);
        for (int point = 0; point < POINTS; ++point)
            multiply_blocks(values + point * into, layer.points + point * kernel, sums + point * out_of, blocks,
                            layer.inputs, layer.outputs);
        for (int block = 0; block < blocks; ++block) {
            const Place place = size.place(first + block);
            for (int vector = 0; vector < layer.outputs / LANES; ++vector) {
                const Vector bias = reinterpret_cast<const Vector*>(layer.bias)[vector];
                const Vector* points = reinterpret_cast<const Vector*>(sums + block * layer.outputs) + vector;
                collect<STEP, transform_output>(points, out_of / LANES, [&](int y, const Vector (&row)[STEP]) {
                    store(place.top + y, place.left, vector, row, bias);
                });
            }
        }
    }
}

// low_res (3, H, W) to results (H, W, outputs), leaving the state.
inline void forward(const Network& network, const Parameters<const float>& parameters, const Size& size,
                    const float* low_res, const State& state, float* results, Scratch& scratch) {
    const int features = network.features;
    const size_t vectors = features / LANES, last_vectors = network.outputs / LANES;
    load_planes(size, low_res, state.planes);
    first_layer(network, parameters, size, state, scratch);
    for (int layer = 0; layer < network.layers; ++layer) {
        Vector* to = reinterpret_cast<Vector*>(state.results(layer + 1));
        const Convolution convolution{features, features, parameters.slope + layer * features,
                                      parameters.points + layer * kernel_floats(features, features),
                                      parameters.bias + (layer + 1) * features};
        convolve(convolution, size, state.results(layer), scratch,
                 [&](int y, int left, int vector, const Vector (&row)[STEP], const Vector& bias) {
                     Vector* pixel = to + size.pixel(y, left) * vectors + vector;
#pragma GCC unroll 6
                     for (int x = 0; x < STEP; ++x) pixel[x * vectors] = row[x] + bias;
                 });
        clear_outside(size, state.results(layer + 1), features);
    }
    const Convolution last{features, network.outputs, parameters.slope + network.layers * features, parameters.last,
                           parameters.last_bias};
    convolve(last, size, state.results(network.layers), scratch,
             [&](int y, int left, int vector, const Vector (&row)[STEP], const Vector& bias) {
                 if (y >= size.height) return;
                 Vector* pixel = reinterpret_cast<Vector*>(results) +
                                 (static_cast<size_t>(y) * size.width + left) * last_vectors + vector;
                 for (int x = 0; x < std::min(STEP, size.width - left); ++x) pixel[x * last_vectors] = row[x] + bias;
             });
}

}  // namespace

// What a generator computes: convolutions in order, each followed by steps, over buffers of features.
#pragma once

#include <bit>
#include <cstddef>
#include <vector>

#include "winograd.hpp"

namespace {

constexpr int PICTURE = -1;  // in place of a buffer: the colours that are read first, the enlarged ones written last

enum Kind { ADD, SLOPE, SILU, ATTENTION };  // numbered as Python has them

struct Step {  // what becomes of each result h, with x at the same place of a source
    Kind kind;
    int source;      // of ADD and ATTENTION
    float factor;    // ADD: x + factor h; ATTENTION: (x + factor h) (sigmoid(h) - 1/2)
    Buffer factors;  // SLOPE: of each channel below zero, (outputs)
};

struct Convolution {
    int size;                  // 3, or 1
    std::vector<int> sources;  // buffers whose channels are read one after the other, or the picture alone
    int target;
    int inputs, outputs;       // rounded up to whole vectors, each source by itself
    Buffer weight;             // of size 3 (POINTS, inputs, outputs); of size 1, and of the picture, (inputs, outputs)
    Buffer bias;
    std::vector<Step> steps;
    std::vector<int> awaited;  // convolutions whose rows must be done before this one's

    bool reads(int buffer) const {
        for (const int source : sources)
            if (source == buffer) return true;
        for (const Step& step : steps)
            if ((step.kind == ADD || step.kind == ATTENTION) && step.source == buffer) return true;
        return false;
    }
};

struct Features {
    int channels, wide;  // wide: rounded up to whole vectors
    Buffer buffer;       // (rows, line, wide)
};

inline int whole_vectors(int channels) { return (channels + LANES - 1) / LANES * LANES; }

// Who wrote what is read, and who read what is overwritten.
inline void find_awaited(std::vector<Convolution>& convolutions) {
    for (size_t index = 0; index < convolutions.size(); ++index) {
        Convolution& own = convolutions[index];
        own.awaited.clear();
        for (size_t other = 0; other < index; ++other) {
            const Convolution& before = convolutions[other];
            const bool wrote = before.target != PICTURE && (own.reads(before.target) || own.target == before.target);
            if (wrote || (own.target != PICTURE && before.reads(own.target)))
                own.awaited.push_back(static_cast<int>(other));
        }
    }
}

// Weights as torch has them, (outputs, inputs, taps), to rows for each input of the sources, with zeros for what fills
// up vectors; use(output, input) gives the value.
template <typename Use>
inline void lay_out(const Convolution& convolution, const std::vector<Features>& features, float* to, Use use) {
    int row = 0, input = 0;
    for (const int source : convolution.sources) {
        for (int channel = 0; channel < features[source].channels; ++channel, ++input)
            use(input, to + static_cast<size_t>(row + channel) * convolution.outputs);
        row += features[source].wide;
    }
}

// G of the paper, on rows and columns: 3x3 weights to one of the 64 points.
inline double transform_weight(const float* taps, int point) {
    static constexpr double G[WINDOW][3] = {
        {1, 0, 0},
        {-2 / 9., -2 / 9., -2 / 9.},
        {-2 / 9., 2 / 9., -2 / 9.},
        {1 / 90., 1 / 45., 2 / 45.},
        {1 / 90., -1 / 45., 2 / 45.},
        {32 / 45., 16 / 45., 8 / 45.},
        {32 / 45., -16 / 45., 8 / 45.},
        {0, 0, 1},
    };
    double sum = 0;
    for (int tap = 0; tap < TAPS; ++tap) sum += G[point / WINDOW][tap / 3] * taps[tap] * G[point % WINDOW][tap % 3];
    return sum;
}

inline void load_weights(Convolution& convolution, const std::vector<Features>& features, int outputs,
                         const float* weight) {
    const int wide = convolution.outputs;
    const bool of_picture = convolution.sources[0] == PICTURE;
    const size_t rows = convolution.inputs;
    int inputs = 0;
    if (!of_picture)
        for (const int source : convolution.sources) inputs += features[source].channels;
    if (of_picture || convolution.size == 1) {
        convolution.weight.clear(rows * wide);
        if (of_picture)
            for (int tap = 0; tap < COLOURS * TAPS; ++tap)
                for (int output = 0; output < outputs; ++output)
                    convolution.weight.data()[tap * wide + output] = weight[output * COLOURS * TAPS + tap];
        else
            lay_out(convolution, features, convolution.weight.data(), [&](int input, float* to) {
                for (int output = 0; output < outputs; ++output) to[output] = weight[output * inputs + input];
            });
        return;
    }
    convolution.weight.clear(POINTS * rows * wide);
    for (int point = 0; point < POINTS; ++point)
        lay_out(convolution, features, convolution.weight.data() + point * rows * wide, [&](int input, float* to) {
            for (int output = 0; output < outputs; ++output)
                to[output] = static_cast<float>(transform_weight(weight + (output * inputs + input) * TAPS, point));
        });
}

// 1 / (1 + e^-x), to a few units in the last place.
inline Vector sigmoid(const Vector& value) {
    typedef int Integers __attribute__((vector_size(4 * LANES), aligned(4 * LANES)));
    constexpr float SHIFT = 12582912;  // 1.5 * 2^23: what is added to it is rounded, and stands in the last bits
    Vector x = -value;
    x = x > 87 ? all(87) : x;
    x = x < -87 ? all(-87) : x;
    const Vector shifted = x * 1.44269504f + SHIFT, whole = shifted - SHIFT;
    const Vector r = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;  // less whole times ln 2, in two parts
    Vector power = all(1 / 5040.f);
    for (const float divisor : {720.f, 120.f, 24.f, 6.f, 2.f, 1.f, 1.f}) power = power * r + 1 / divisor;
    power = std::bit_cast<Vector>(std::bit_cast<Integers>(power) + (std::bit_cast<Integers>(shifted) << 23));
    return 1 / (1 + power);
}

}  // namespace

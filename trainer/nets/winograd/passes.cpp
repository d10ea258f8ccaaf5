// The generator `compact` in training, on a CPU, in float32: forward and backward pass by Winograd's F(6x6, 3x3).
//
// A thread takes whole pictures, always the same ones, so that sums come out the same to the bit. Of each layer only
// the results before the activation are kept; the activation is applied while a window of them is read.
// With X = B^T x B (8x8 points of what a layer read) and M = A d A^T (8x8 points of its results' gradient d, block by
// block), both linear: the gradient of the weights at a point is the product of X and M summed over blocks, and that of
// X is the product of M and the turned weights, which B . B^T takes back to windows, added up where these overlap. So
// one transform of each serves both. Weights come transformed, G w G^T, and their gradients leave so: torch's own
// differentiation does the rest. What is called G, A and B is in winograd.hpp, the transposes are in backward.hpp.
#include <cstddef>
#include <memory>
#include <new>

#include "backward.hpp"
#include "forward.hpp"
#include "network.hpp"

namespace {

void make_room(Network& network, int threads, int chunk, const Size& size) {
    const int widest = std::max(network.features, network.outputs);
    if (network.scratch.size() < static_cast<size_t>(threads)) network.scratch.resize(threads);
    for (int number = 0; number < threads; ++number) {
        Scratch& scratch = network.scratch[number];
        scratch.values.room(POINTS * apart(chunk, widest));
        scratch.sums.room(std::max(POINTS * apart(chunk, widest), size.line * network.features));
    }
}

// Give each thread its pictures: number, number + threads, number + 2 threads ...
template <typename Work>
void share_out(Network& network, int threads, int pictures, Work work) {
    in_threads(threads, [&](int number) {
        for (int picture = number; picture < pictures; picture += threads)
            work(picture, network.scratch[number], number);
    });
}

}  // namespace

EXPORTED int passes_lanes() { return LANES; }

// `features` and `outputs` are whole vectors. Returns null where memory ran out.
EXPORTED void* passes_new(int features, int layers, int outputs) {
    return new (std::nothrow) Network{features, layers, outputs, {}};
}

EXPORTED void passes_delete(void* network) { delete static_cast<Network*>(network); }

// Floats that are kept of a picture between the passes.
EXPORTED size_t passes_state(const void* network, int height, int width) {
    return State::floats(*static_cast<const Network*>(network), Size(height, width));
}

// low_res (N, 3, H, W) to results (N, H, W, outputs), leaving the states. Returns 0, or 1 where memory ran out.
EXPORTED int passes_forward(void* handle, int threads, const Weights* weights, int pictures, int height, int width,
                   const float* low_res, float* states, float* results) try {
    Network& network = *static_cast<Network*>(handle);
    const Size size(height, width);
    const size_t pixels = static_cast<size_t>(height) * width, kept = State::floats(network, size);
    threads = std::min(threads, pictures);
    make_room(network, threads, FORWARD_CHUNK, size);
    share_out(network, threads, pictures, [&](size_t picture, Scratch& scratch, int) {
        forward(network, weights->parameters, size, low_res + picture * COLOURS * pixels,
                State(network, size, states + picture * kept), results + picture * pixels * network.outputs, scratch);
    });
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}

// The gradient of the results to those of the parameters, in one piece of memory. Returns 0, or 1 where memory ran out.
EXPORTED int passes_backward(void* handle, int threads, const Weights* weights, int pictures, int height, int width,
                    const float* gradient, float* states, float* gradients) try {
    Network& network = *static_cast<Network*>(handle);
    const Size size(height, width);
    const size_t pixels = static_cast<size_t>(height) * width, kept = State::floats(network, size);
    const size_t floats = parameter_floats(network);
    threads = std::min(threads, pictures);
    make_room(network, threads, BACKWARD_CHUNK, size);
    for (int number = 0; number < threads; ++number) {
        Scratch& scratch = network.scratch[number];
        for (Buffer& each : scratch.of_pixels) each.room(size.area * std::max(network.features, network.outputs));
        if (number) scratch.of_parameters.room(floats);
    }
    const auto sums = [&](int number) { return number ? network.scratch[number].of_parameters.data() : gradients; };
    in_threads(threads, [&](int number) { std::memset(sums(number), 0, floats * sizeof(float)); });
    share_out(network, threads, pictures, [&](size_t picture, Scratch& scratch, int number) {
        backward(network, *weights, size, gradient + picture * pixels * network.outputs,
                 State(network, size, states + picture * kept), parameters_in(network, sums(number)), scratch);
    });
    for (int number = 1; number < threads; ++number)
        for (size_t index = 0; index < floats; ++index) gradients[index] += sums(number)[index];
    return 0;
} catch (const std::bad_alloc&) {
    return 1;
}
"""G of Winograd's F(6×6, 3×3) (Lavin and Gray 2016): what kernels are transformed by before winograd.hpp meets them."""

# three weights to eight points: 0, 1, −1, 2, −2, 1/2, −1/2 and infinity
KERNEL_TRANSFORM: tuple[tuple[float, float, float], ...] = (
    (1, 0, 0),
    (-2 / 9, -2 / 9, -2 / 9),
    (-2 / 9, 2 / 9, -2 / 9),
    (1 / 90, 1 / 45, 2 / 45),
    (1 / 90, -1 / 45, 2 / 45),
    (32 / 45, 16 / 45, 8 / 45),
    (32 / 45, -16 / 45, 8 / 45),
    (0, 0, 1),
)

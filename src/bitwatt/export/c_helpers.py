"""Functions of C that round as the program does; only those that are called are written.

Nothing here relies on what C99 leaves open but the width of its exact-width types: negative numbers are never
shifted, and no conversion to a signed type overflows.
"""

from __future__ import annotations

HELPERS: dict[str, str] = {
    "floor": """\
/* The largest integer that is not above n / 2**shift, 0 <= shift <= 63. */
static int64_t floor_shift(int64_t n, int shift)
{
    return n < 0 ? ~(~n >> shift) : n >> shift;
}
""",
    "nearest32": """\
/* n / 2**shift to the nearest integer, halves to the even one, cut to low .. high (31 bits at most). */
static int32_t nearest32(int32_t n, int shift, int32_t low, int32_t high)
{
    if (shift > 31)
        return 0;
    if (shift > 0) {
        const uint32_t rest = (uint32_t)n & (((uint32_t)1 << shift) - 1), half = (uint32_t)1 << (shift - 1);
        n = n < 0 ? ~(~n >> shift) : n >> shift;
        n += rest > half || (rest == half && n % 2 != 0);
    } else if (shift < 0) {
        const int left = shift < -30 ? 30 : -shift;
        if (n > high >> left)
            return high;
        if (n < -(-low >> left))
            return low;
        n *= (int32_t)1 << left;
    }
    return n < low ? low : n > high ? high : n;
}
""",
    "nearest64": """\
/* n / 2**shift to the nearest integer, halves to the even one, cut to low .. high (33 bits at most). */
static int64_t nearest64(int64_t n, int shift, int64_t low, int64_t high)
{
    if (shift > 63)
        return 0;
    if (shift > 0) {
        const uint64_t rest = (uint64_t)n & (((uint64_t)1 << shift) - 1), half = (uint64_t)1 << (shift - 1);
        n = n < 0 ? ~(~n >> shift) : n >> shift;
        n += rest > half || (rest == half && n % 2 != 0);
    } else if (shift < 0) {
        const int left = shift < -40 ? 40 : -shift;
        if (n > high >> left)
            return high;
        if (n < -(-low >> left))
            return low;
        n *= (int64_t)1 << left;
    }
    return n < low ? low : n > high ? high : n;
}
""",
    "quotient": """\
/* n / count to the nearest integer, halves to the even one. */
static int64_t quotient(int64_t n, int64_t count)
{
    int64_t floor = n / count, rest = n % count;
    if (rest < 0) {
        rest += count;
        floor -= 1;
    }
    return floor + (2 * rest > count || (2 * rest == count && floor % 2 != 0));
}
""",
    "on_grid": """\
/* The value of a grid nearest to v, of which 2 v lies at `twice` or, where there is more, between it and
   the next integer; of two equally near ones the one whose code is even. */
static int64_t on_grid(int64_t twice, int more, const int64_t *grid, const uint8_t *even, int count)
{
    int low = 0, high = count - 1;
    while (low < high) {
        const int middle = (low + high) / 2;
        const int64_t tie = grid[middle] + grid[middle + 1];
        if (twice > tie || (twice == tie && (more || even[middle + 1])))
            low = middle + 1;
        else
            high = middle;
    }
    return grid[low];
}
""",
    "grid_shift": """\
/* n / 2**shift to the nearest value of a grid within +-2**33. */
static int64_t grid_shift(int64_t n, int shift, const int64_t *grid, const uint8_t *even, int count)
{
    const int64_t most = (int64_t)1 << 40;
    if (shift > 0) {
        const int right = shift > 64 ? 63 : shift - 1;
        return on_grid(floor_shift(n, right), ((uint64_t)n & (((uint64_t)1 << right) - 1)) != 0,
                       grid, even, count);
    }
    const int left = shift < -40 ? 41 : 1 - shift;
    if (n > most >> left || n < -(most >> left))
        n = n > 0 ? most : -most;
    else
        n *= (int64_t)1 << left;
    return on_grid(n, 0, grid, even, count);
}
""",
    "grid_quotient": """\
/* n / count to the nearest value of a grid. */
static int64_t grid_quotient(int64_t n, int64_t count, const int64_t *grid, const uint8_t *even, int size)
{
    int64_t floor = 2 * n / count, rest = 2 * n % count;
    if (rest < 0) {
        rest += count;
        floor -= 1;
    }
    return on_grid(floor, rest != 0, grid, even, size);
}
""",
    "whole": """\
/* The integer nearest to a real number, halves to the even one, cut to low .. high. */
static int64_t whole(double value, int64_t low, int64_t high)
{
    if (!(value > (double)low))
        return low;
    if (value >= (double)high)
        return high;
    int64_t floor = (int64_t)value;
    if ((double)floor > value)
        floor -= 1;
    const double rest = value - (double)floor;
    return floor + (rest > 0.5 || (rest == 0.5 && floor % 2 != 0));
}
""",
    "grid_real": """\
/* The value of a grid nearest to a real number. */
static int64_t grid_real(double value, const int64_t *grid, const uint8_t *even, int count)
{
    if (!(value > (double)grid[0]))
        return grid[0];
    if (value >= (double)grid[count - 1])
        return grid[count - 1];
    int64_t twice = (int64_t)(2 * value);
    if ((double)twice > 2 * value)
        twice -= 1;
    return on_grid(twice, (double)twice < 2 * value, grid, even, count);
}
""",
    "wide": """\
/* Sums of more than 64 bits: high * 2**64 + low. */
typedef struct {
    int64_t high;
    uint64_t low;
} wide;

static int64_t as_signed(uint64_t n)
{
    return n <= INT64_MAX ? (int64_t)n : -(int64_t)(~n) - 1;
}

static wide widened(int64_t n)
{
    const wide made = {n < 0 ? -1 : 0, (uint64_t)n};
    return made;
}

static wide wide_sum(wide a, wide b)
{
    const uint64_t low = a.low + b.low;
    const wide made = {a.high + b.high + (low < b.low), low};
    return made;
}

/* To 2**62 at most and a shift that is at most 2: a bit that is lost makes the last one odd, so that what is
   rounded afterwards is rounded as the whole sum would be. */
static int64_t narrowed(wide sum, int *shift)
{
    const int64_t most = (int64_t)1 << 62;
    int drop = *shift > 2 ? *shift - 2 : 0, odd = 0;
    *shift -= drop;
    if (drop >= 64) {
        odd = sum.low != 0;
        sum = widened(sum.high);
        drop -= 64;
    }
    if (drop > 0) {
        odd |= (sum.low & (((uint64_t)1 << drop) - 1)) != 0;
        sum.low = sum.low >> drop | (uint64_t)sum.high << (64 - drop);
        sum.high = floor_shift(sum.high, drop);
    }
    const int64_t low = as_signed(sum.low);
    if (sum.high != (low < 0 ? -1 : 0) || low > most || low < -most)
        return sum.high < 0 ? -most : most;
    return low | odd;
}
""",
    "wide_left": """\
static wide wide_left(wide n, int shift)
{
    while (shift-- > 0) {
        n.high = as_signed((uint64_t)n.high << 1 | n.low >> 63);
        n.low <<= 1;
    }
    return n;
}
""",
    "flush": """\
/* Subnormal numbers to zero of their sign. */
static float flush(float x)
{
    return x < 0x1p-126f && x > -0x1p-126f ? x * 0.0f : x;
}
""",
    "neuron": """\
/* Products of a window, LANES at a time by a tree of additions, each rounded; then the accumulator. */
static float neuron(const float *window, const float *weight, int32_t length)
{
    float total = 0.0f, lane[LANES];
    for (int32_t start = 0; start < length; start += LANES) {
        for (int32_t l = 0; l < LANES; ++l)
            lane[l] = start + l < length ? flush(window[start + l] * weight[start + l]) : 0.0f;
        for (int32_t half = LANES / 2; half > 0; half /= 2)
            for (int32_t l = 0; l < half; ++l)
                lane[l] = flush(lane[l] + lane[l + half]);
        total = start > 0 ? flush(total + lane[0]) : lane[0];
    }
    return total;
}
""",
}
"""Text of each function, in an order in which none is called before it is there."""

NEEDS = {
    "grid_shift": ("floor", "on_grid"),
    "grid_quotient": ("on_grid",),
    "grid_real": ("on_grid",),
    "wide": ("floor",),
    "wide_left": ("wide", "floor"),
    "neuron": ("flush",),
}
"""What each calls."""


def helper_text(called: set[str]) -> str:
    """The functions that are called, and those that they call."""
    wanted = called | {needed for name in called for needed in NEEDS.get(name, ())}
    return "\n".join(text for name, text in HELPERS.items() if name in wanted)

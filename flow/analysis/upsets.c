/* Clocks one design in many machines at once, each a bit of a row of words: see upset_machine.py.

   A row has WORDS words. Variables are those of an and-inverter graph: a literal is twice its
   variable, plus one where it is inverted. A memory in `memories` is: words, width, lanes, bits of an
   address, first row of its cells, then the literals of lanes written, address written, data, read,
   address read, and the variables of what was read, which it holds. */

#include <stdint.h>
#include <string.h>

enum { WORDS = 8 };

typedef struct {
    uint64_t w[WORDS];
} row;

/* Whether the row was another one. */
static inline uint8_t move(row *at, const row *to)
{
    uint64_t differ = 0;
    for (int w = 0; w < WORDS; w++) differ |= at->w[w] ^ to->w[w];
    *at = *to;
    return differ != 0;
}

static inline row literal(const row *value, int32_t x)
{
    row r = value[x >> 1];
    uint64_t flip = -(uint64_t)(x & 1);
    for (int w = 0; w < WORDS; w++) r.w[w] ^= flip;
    return r;
}

/* Most of a chip rests in most clocks: a gate neither of whose operands has moved is left alone,
   but in the first clock. */
static void evaluate(int first, int gates, const int32_t *left, const int32_t *right, row *value,
                     uint8_t *moved, int all)
{
    for (int k = 0; k < gates; k++) {
        if (!(all | moved[left[k] >> 1] | moved[right[k] >> 1])) {
            moved[first + k] = 0;
            continue;
        }
        row a = literal(value, left[k]), b = literal(value, right[k]);
        for (int w = 0; w < WORDS; w++) a.w[w] &= b.w[w];
        moved[first + k] = move(value + first + k, &a);
    }
}

/* The first machine of `left`, or -1. */
static int any(const row *left)
{
    for (int w = 0; w < WORDS; w++)
        if (left->w[w]) return 64 * w + __builtin_ctzll(left->w[w]);
    return -1;
}

/* The address that machine m reads from, and the machines that have the same. */
static int64_t address_of(const row *value, const int32_t *bits, int count, int m, row *same)
{
    int64_t address = 0;
    memset(same, 255, sizeof *same);
    for (int k = 0; k < count; k++) {
        row bit = literal(value, bits[k]);
        uint64_t one = bit.w[m / 64] >> m % 64 & 1;
        address |= (int64_t)one << k;
        for (int w = 0; w < WORDS; w++) same->w[w] &= bit.w[w] ^ (one - 1);
    }
    return address;
}

/* What a memory will have read goes into `next`; then it is written. */
static const int32_t *memory(const int32_t *m, const row *value, row *cells, row *next)
{
    int words = m[0], width = m[1], lanes = m[2], bits = m[3], lane = width / lanes;
    row *own = cells + m[4];
    const int32_t *write = m + 5, *to = write + lanes, *data = to + bits, *read = data + width,
                  *from = read + 1, *held = from + bits;
    row left = literal(value, *read), same;
    for (int k = 0; k < width; k++) next[k] = value[held[k]];
    for (int one = any(&left); one >= 0; one = any(&left)) {
        int64_t at = address_of(value, from, bits, one, &same);
        for (int w = 0; w < WORDS; w++) same.w[w] &= left.w[w], left.w[w] &= ~same.w[w];
        for (int k = 0; k < width; k++)
            for (int w = 0; w < WORDS; w++) {
                uint64_t seen = at < words ? own[at * width + k].w[w] : 0;
                next[k].w[w] = (next[k].w[w] & ~same.w[w]) | (seen & same.w[w]);
            }
    }
    memset(&left, 0, sizeof left);
    for (int l = 0; l < lanes; l++) {
        row on = literal(value, write[l]);
        for (int w = 0; w < WORDS; w++) left.w[w] |= on.w[w];
    }
    for (int one = any(&left); one >= 0; one = any(&left)) {
        int64_t at = address_of(value, to, bits, one, &same);
        for (int w = 0; w < WORDS; w++) same.w[w] &= left.w[w], left.w[w] &= ~same.w[w];
        if (at >= words) continue;
        for (int k = 0; k < width; k++) {
            row on = literal(value, write[k / lane]), bit = literal(value, data[k]);
            row *cell = own + at * width + k;
            for (int w = 0; w < WORDS; w++) {
                uint64_t mask = on.w[w] & same.w[w];
                cell->w[w] = (cell->w[w] & ~mask) | (bit.w[w] & mask);
            }
        }
    }
    return held + width;
}

/* Runs so many clocks. Flip i inverts the bits mask[i] in word flip[3i + 2] of row flip[3i + 1], a
   variable, or cell -1 - row, before clock flip[3i]; flips stand in the order of their clocks.
   `outputs` gets the watched literals of every clock. `next` has room for all that is held, `moved`
   a byte for each variable. */
void run(int first, int gates, const int32_t *left, const int32_t *right, int flops,
         const int32_t *held, const int32_t *taken, int memories, const int32_t *memory_of,
         int watched, const int32_t *watch, int clocks, int flips, const int32_t *flip,
         const uint64_t *mask, row *value, row *cells, row *next, row *outputs, uint8_t *moved)
{
    memset(moved, 0, (size_t)first + gates);
    for (int t = 0; t < clocks; t++) {
        for (; flips && *flip == t; flips--, flip += 3, mask++) {
            row *at = flip[1] < 0 ? cells - 1 - flip[1] : value + flip[1];
            at->w[flip[2]] ^= *mask;
            if (flip[1] >= 0) moved[flip[1]] = 1;
        }
        evaluate(first, gates, left, right, value, moved, t == 0);
        memset(moved, 0, first);
        for (int k = 0; k < watched; k++) *outputs++ = literal(value, watch[k]);
        for (int k = 0; k < flops; k++) next[k] = literal(value, taken[k]);
        row *into = next + flops;
        const int32_t *m = memory_of;
        for (int k = 0; k < memories; k++) {
            int width = m[1];
            m = memory(m, value, cells, into);
            into += width;
        }
        for (int k = 0; k < flops; k++) moved[held[k]] = move(value + held[k], next + k);
        into = next + flops;
        m = memory_of;
        for (int i = 0; i < memories; i++) {
            int width = m[1], lanes = m[2], bits = m[3];
            const int32_t *own = m + 5 + lanes + bits + width + 1 + bits;
            for (int k = 0; k < width; k++, into++) moved[own[k]] = move(value + own[k], into);
            m = own + width;
        }
    }
}

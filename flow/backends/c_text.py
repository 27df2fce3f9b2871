"""The fixed text of a C evaluator: the vector helpers, the transposition, and the entry.

    int flow_run(long long samples, const void *const *in, const int *size, long long *const *out)

`in[p]` is the row-major array of input port p (samples, lanes) of signed integers of `size[p]`
bytes; `out[p]` takes the same of output port p in 64 bits. Returns 0; 1 where an input lies
outside its interval, and then nothing in `out` means anything; 2 without memory.
"""

PRELUDE = r"""
#if defined(__AVX512BW__) /* One register of this machine is one block. */
#define BLOCK_BYTES 64
#elif defined(__AVX2__)
#define BLOCK_BYTES 32
#else
#define BLOCK_BYTES 16
#endif
typedef lane block __attribute__((vector_size(BLOCK_BYTES)));
enum { COUNT = BLOCK_BYTES / sizeof(lane) };
#define K(x) ((block){0} + (lane)(x))
#define UNUSED __attribute__((unused))

UNUSED static inline block either(block c, block a, block b) {
    return (a & -c) | (b & ~-c);
}

UNUSED static inline block largest(block a, block b) {
    block m = (block)(a > b);
    return (a & m) | (b & ~m);
}

UNUSED static inline block smallest(block a, block b) {
    block m = (block)(a < b);
    return (a & m) | (b & ~m);
}

UNUSED static __attribute__((noinline)) block look(block x, const lane *table, int64_t base) {
    block r = {0};
    for (int i = 0; i < COUNT; i++) r[i] = table[(int64_t)x[i] - base];
    return r;
}

/* Rows -> one block a lane. The last row stands in for those that are missing. */
#define LOADER(type, name)                                                                  \
    UNUSED static int name(const type *rows, int lanes, const long long *lo,                \
                           const long long *hi, int count, block *to) {                     \
        int bad = 0;                                                                        \
        for (int i = 0; i < lanes; i++) {                                                   \
            lane column[COUNT];                                                             \
            const long long least = lo[i], most = hi[i];                                    \
            for (int k = 0; k < COUNT; k++) {                                               \
                const type x = rows[(int64_t)(k < count ? k : count - 1) * lanes + i];      \
                bad |= (x < least) | (x > most);                                            \
                column[k] = (lane)x;                                                        \
            }                                                                               \
            __builtin_memcpy(to + i, column, sizeof column);                                \
        }                                                                                   \
        return bad;                                                                         \
    }
LOADER(int8_t, load_8)
LOADER(int16_t, load_16)
LOADER(int32_t, load_32)
LOADER(int64_t, load_64)

UNUSED static int load(const void *rows, int size, int64_t first, int lanes, const long long *lo,
                       const long long *hi, int count, block *to) {
    const char *at = (const char *)rows + first * lanes * size;
    switch (size) {
    case 1: return load_8((const int8_t *)at, lanes, lo, hi, count, to);
    case 2: return load_16((const int16_t *)at, lanes, lo, hi, count, to);
    case 4: return load_32((const int32_t *)at, lanes, lo, hi, count, to);
    default: return load_64((const int64_t *)at, lanes, lo, hi, count, to);
    }
}

static void store(const block *s, const int *slot, int lanes, int count, long long *to) {
    for (int k = 0; k < count; k++)
        for (int i = 0; i < lanes; i++) to[(int64_t)k * lanes + i] = s[slot[i]][k];
}

#define LOAD(port, lanes, to) \
    if (load(in[port], size[port], first, lanes, lo_##port, hi_##port, count, to)) return 1
#define STORE(port, lanes) store(s, slot_##port, lanes, count, out[port] + first * lanes)
"""

BLOCK_OPEN = r"""static int run_block(block *s, int64_t first, int count, const void *const *in,
                     const int *size, long long *const *out) {
    (void)in, (void)size;"""

BLOCK_CLOSE = r"""    return 0;
}

int flow_run(long long samples, const void *const *in, const int *size, long long *const *out) {
    block *s = aligned_alloc(sizeof(block), sizeof(block) * SLOTS);
    if (!s) return 2;
    int bad = 0;
    for (int64_t first = 0; first < samples && !bad; first += COUNT) {
        const int64_t left = samples - first;
        bad = run_block(s, first, left < COUNT ? (int)left : COUNT, in, size, out);
    }
    free(s);
    return bad;
}
"""
